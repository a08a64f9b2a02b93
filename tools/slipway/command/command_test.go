package command

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
)

func TestTablesRunWhatTheFirstArgumentNames(t *testing.T) {
	table := Table{Name: "slipway", Commands: []Command{
		{Name: "count", Summary: "Counts its arguments", Run: func(_ context.Context, args []string, out, _ io.Writer) int {
			fmt.Fprint(out, len(args))
			return OK
		}},
		{Name: "fail", Summary: "Fails", Run: func(context.Context, []string, io.Writer, io.Writer) int { return Failed }},
	}}
	for sentence, c := range map[string]struct {
		args     []string
		code     int
		out, log string
	}{
		"a command gets the arguments behind its name": {[]string{"count", "a", "--help"}, OK, "2", ""},
		"a command's code is the program's":            {[]string{"fail"}, Failed, "", ""},
		"help goes to the output":                      {[]string{"--help"}, OK, "Counts its arguments", ""},
		"no command is a mistake, and shows the help":  {nil, Usage, "", "Counts its arguments"},
		"an unknown command is named":                  {[]string{"cuont"}, Usage, "", `"cuont"`},
	} {
		t.Run(sentence, func(t *testing.T) {
			var out, log strings.Builder
			if code := table.Run(t.Context(), c.args, &out, &log); code != c.code {
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

func TestParse(t *testing.T) {
	const id = "the ID of one entry"
	for sentence, c := range map[string]struct {
		args  []string
		wants []string
		code  int
		done  bool
		says  string
	}{
		"flags alone":                   {[]string{"-x"}, nil, OK, false, ""},
		"an argument that is wanted":    {[]string{"-x", "a"}, []string{id}, OK, false, ""},
		"help":                          {[]string{"--help"}, nil, OK, true, "Usage of slipway try"},
		"a flag that nobody knows":      {[]string{"-y"}, nil, Usage, true, "-y"},
		"an argument that isn't wanted": {[]string{"a"}, nil, Usage, true, `slipway try: unexpected argument "a"`},
		"an argument that is missing":   {nil, []string{id}, Usage, true, "slipway try: give it the ID of one entry"},
		"one too many":                  {[]string{"a", "b"}, []string{id}, Usage, true, "give it the ID of one entry"},
		"an empty one":                  {[]string{""}, []string{id}, Usage, true, "give it the ID of one entry"},
	} {
		var log strings.Builder
		set := Flags("slipway try", &log)
		set.Bool("x", false, "")
		code, done := Parse(set, c.args, c.wants...)
		if code != c.code || done != c.done || !strings.Contains(log.String(), c.says) || (c.says == "") != (log.Len() == 0) {
			t.Errorf("%s: %d, %v, said %q", sentence, code, done, &log)
		}
	}
}

func TestEnd(t *testing.T) {
	for sentence, c := range map[string]struct {
		err  error
		code int
		says string
	}{
		"success says nothing": {nil, OK, ""},
		"a failure":            {errors.New("no answer"), Failed, "slipway try: no answer\n"},
		"a mistake, wrapped":   {fmt.Errorf("give a branch: %w", Mistake(errors.New("it has a space"))), Usage, "slipway try: give a branch: it has a space\n"},
	} {
		var log strings.Builder
		if code := End("slipway try", c.err, &log); code != c.code || log.String() != c.says {
			t.Errorf("%s: %d, %q", sentence, code, &log)
		}
	}
}
