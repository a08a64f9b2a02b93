// Package page writes the list of QA environments as a web page. It is pure: the rows and the time go in. It works without
// scripts, and on a phone's screen.
package page

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"strings"
	"time"

	"slipway/internal/contract"
	"slipway/internal/qalease"
)

//go:embed page.html
var text string

//go:embed page.css
var style string

var page = template.Must(template.New("page").Parse(text))

// View is what the page shows.
type View struct {
	Platform string
	Rows     []qalease.Row
	// Read is when AWS was asked for the rows, Now the time of the request.
	Read time.Time
	Now  time.Time
	// Stale says why the rows are older than they should be; empty if they aren't.
	Stale string
}

// row is one environment in words.
type row struct {
	Slug, Branch, Owner, URL, State, Class, Note, EndsIn, Ends string
}

// HTML writes the page. Everything in it is escaped: names of branches come from anyone who can push.
func HTML(v View) (string, error) {
	data := struct {
		Platform, Summary, Read, Stale string
		Style                          template.CSS
		Rows                           []row
	}{
		Platform: v.Platform, Summary: summary(v.Rows), Read: v.Read.UTC().Format("15:04:05 UTC"), Stale: v.Stale,
		Style: template.CSS(style), //nolint:gosec // our own file
	}
	for _, r := range v.Rows {
		data.Rows = append(data.Rows, words(r, v.Now))
	}
	var out bytes.Buffer
	if err := page.Execute(&out, data); err != nil {
		return "", fmt.Errorf("write the page: %w", err)
	}
	return out.String(), nil
}

// Policy is the page's content security policy: its own style and nothing else.
func Policy() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

func summary(rows []qalease.Row) string {
	switch len(rows) {
	case 0:
		return "No QA environment is up."
	case 1:
		return "One QA environment."
	}
	return fmt.Sprintf("%d QA environments.", len(rows))
}

func words(r qalease.Row, now time.Time) row {
	w := row{
		Slug: r.Slug, Branch: r.Branch, Owner: r.Owner, URL: r.URL, State: string(r.State),
		Class: "state-" + strings.ReplaceAll(string(r.State), " ", "-"), Note: r.Note, EndsIn: "no end",
	}
	if left, ok := r.EndsIn(now); ok {
		w.EndsIn, w.Ends = qalease.Short(left), contract.FormatExpiry(r.Ends)
		if left <= 0 {
			w.EndsIn = "over"
		}
	}
	return w
}
