package diffreport

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// most is how many lines of a kind a comment shows; GitHub takes 65,536 characters.
const most = 60

// Report is the comparison as Markdown.
func Report(before, after map[string]Template) string {
	var b strings.Builder
	b.WriteString("## What this change does to the templates\n\n")

	wider := widened(before, after)
	if len(wider) > 0 {
		fmt.Fprintf(&b, "### ⚠️ Rights become wider (%d)\n\n", len(wider))
		list(&b, wider)
	} else {
		b.WriteString("**Rights:** nothing becomes wider.\n\n")
	}

	old, updated := monthly(before), monthly(after)
	lines, sum := costChanges(old, updated)
	fmt.Fprintf(&b, "**Cost:** about %s a month, now %.0f USD (what is billed by the hour; without traffic, requests and tax).\n\n", signed(sum.after-sum.before), sum.after)
	if len(lines) > 0 {
		b.WriteString("| Type | Before | After | Difference |\n|---|---|---|---|\n")
		for _, l := range lines {
			fmt.Fprintf(&b, "| %s | %.2f | %.2f | %s |\n", l.what, l.before, l.after, signed(l.after-l.before))
		}
		b.WriteString("\n")
	}
	var unpriced []string
	for _, u := range updated.unknown {
		if !slices.Contains(old.unknown, u) {
			unpriced = append(unpriced, u)
		}
	}
	if len(unpriced) > 0 {
		b.WriteString("Without a price in the table, so not counted:\n\n")
		list(&b, unpriced)
	}

	all := changes(before, after)
	if len(all) == 0 {
		b.WriteString("**Resources:** none changes.\n")
		return b.String()
	}
	fmt.Fprintf(&b, "<details><summary>Resources: %d change</summary>\n\n", len(all))
	described := make([]string, len(all))
	for i, c := range all {
		described[i] = fmt.Sprintf("%s %s: %s/%s", c.Type, c.Kind, c.Stack, c.ID)
		if len(c.Properties) > 0 {
			described[i] += " (" + strings.Join(c.Properties, ", ") + ")"
		}
	}
	list(&b, described)
	b.WriteString("</details>\n")
	return b.String()
}

// list writes bullets. A change's text must not become anything else than text in the comment.
func list(b *strings.Builder, lines []string) {
	for _, line := range lines[:min(most, len(lines))] {
		line = strings.NewReplacer("\n", " ", "\r", " ", "<", "&lt;", "@", "&#64;").Replace(line)
		if r := []rune(line); len(r) > 400 {
			line = string(r[:400]) + "…"
		}
		fmt.Fprintf(b, "- %s\n", line)
	}
	if n := len(lines) - most; n > 0 {
		fmt.Fprintf(b, "- and %d more\n", n)
	}
	b.WriteString("\n")
}

func signed(usd float64) string {
	if usd > -0.005 && usd < 0.005 {
		return "0 USD more"
	}
	return fmt.Sprintf("%+.2f USD", usd)
}

// Run is the command.
func Run(args []string, log io.Writer) error {
	flags := flag.NewFlagSet("slipway diff-report", flag.ContinueOnError)
	flags.SetOutput(log)
	before := flags.String("before", "", "folder of the synthesis before the change, such as .base/cdk.out")
	after := flags.String("after", "cdk.out", "folder of the synthesis after it")
	out := flags.String("out", "build/report.md", "where the report is written")
	if err := flags.Parse(args); err != nil {
		return err
	}
	old, err := Load(*before)
	if err != nil {
		return err
	}
	updated, err := Load(*after)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(*out), 0o755); err != nil {
		return fmt.Errorf("make the folder for the report: %w", err)
	}
	return os.WriteFile(*out, []byte(Report(old, updated)), 0o644)
}
