package e2e

import (
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"slipway/internal/contract"
)

// separate proves that each environment begins with the sample data, and keeps what it gets to itself.
func separate(t *testing.T, w *world) {
	if !w.containers {
		t.Skip("no container engine")
	}
	samples := w.artifacts(t, branch)
	if len(samples) == 0 {
		t.Error("the environment begins without sample data")
	}
	stored, err := w.aws.Post(t.Context(), contract.HostName(slug(t, branch), w.cfg.Domain), "/api/artifacts?name=mine.txt", "application/octet-stream", []byte("mine"))
	check(t, err)
	if stored.Status != 201 {
		t.Fatalf("an upload answers %d: %s", stored.Status, stored.Body)
	}
	if own := w.artifacts(t, branch); !slices.Equal(own, append([]string{"mine.txt"}, samples...)) {
		t.Errorf("the environment has %v", own)
	}
	if other := w.artifacts(t, staleBranch); !slices.Equal(other, samples) {
		t.Errorf("the other environment has %v", other)
	}
	w.wantData(t, slug(t, branch), slug(t, staleBranch))

	page, err := w.aws.Get(t.Context(), contract.QADomain(w.cfg.Domain), "/")
	check(t, err)
	for _, branch := range []string{branch, staleBranch} {
		if address := "https://" + contract.HostName(slug(t, branch), w.cfg.Domain); page.Status != 200 || !strings.Contains(page.Body, address) {
			t.Errorf("the page of all environments answers %d without %s: %s", page.Status, address, page.Body)
		}
	}
}

// artifacts are the names that an environment lists, the newest first.
func (w *world) artifacts(t *testing.T, branch string) (names []string) {
	t.Helper()
	answer, err := w.aws.Get(t.Context(), contract.HostName(slug(t, branch), w.cfg.Domain), "/api/artifacts")
	check(t, err)
	var listed struct{ Artifacts []struct{ Name string } }
	check(t, json.Unmarshal([]byte(answer.Body), &listed))
	for _, a := range listed.Artifacts {
		names = append(names, a.Name)
	}
	return names
}

// wantData compares the environments that have a database or objects.
func (w *world) wantData(t *testing.T, slugs ...string) {
	t.Helper()
	if !w.containers {
		return // no server, no objects
	}
	slices.Sort(slugs)
	for what, list := range map[string]func(context.Context, string, string) ([]string, error){
		"databases": w.aws.QADatabases, "prefixes": w.aws.QAPrefixes,
	} {
		found, err := list(t.Context(), w.cfg.Platform, w.cfg.QA.Stage)
		check(t, err)
		if slices.Sort(found); !slices.Equal(found, slugs) {
			t.Errorf("%s of the environments %v, want %v", what, found, slugs)
		}
	}
}
