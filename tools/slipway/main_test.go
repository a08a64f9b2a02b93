package main

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestDispatch(t *testing.T) {
	table := []command{
		{name: "count", summary: "Counts its arguments", run: func(_ context.Context, args []string, out, _ io.Writer) int {
			fmt.Fprint(out, len(args))
			return exitOK
		}},
		{name: "fail", summary: "Fails", run: func(context.Context, []string, io.Writer, io.Writer) int { return exitFailed }},
	}
	for sentence, c := range map[string]struct {
		args     []string
		code     int
		out, log string
	}{
		"a command gets the arguments behind its name": {[]string{"count", "a", "--help"}, exitOK, "2", ""},
		"a command's code is the program's":            {[]string{"fail"}, exitFailed, "", ""},
		"help goes to the output":                      {[]string{"--help"}, exitOK, "Counts its arguments", ""},
		"no command is a mistake, and shows the help":  {nil, exitUsage, "", "Counts its arguments"},
		"an unknown command is named":                  {[]string{"cuont"}, exitUsage, "", `"cuont"`},
	} {
		t.Run(sentence, func(t *testing.T) {
			var out, log strings.Builder
			if code := dispatch(t.Context(), table, c.args, &out, &log); code != c.code {
				t.Errorf("code %d, want %d", code, c.code)
			}
			if !strings.Contains(out.String(), c.out) || !strings.Contains(log.String(), c.log) {
				t.Errorf("output %q, log %q", &out, &log)
			}
			if (c.out == "") != (out.Len() == 0) || (c.log == "") != (log.Len() == 0) {
				t.Errorf("output %q, log %q", &out, &log)
			}
		})
	}
}

func TestEveryCommandHasItsOwnNameAndASummary(t *testing.T) {
	seen := map[string]bool{}
	for _, c := range commands {
		if c.name == "" || c.summary == "" || c.run == nil || seen[c.name] {
			t.Errorf("command %+v is incomplete or there twice", c.name)
		}
		seen[c.name] = true
	}
}
