// Package command is what slipway's commands have in common: tables of them with their help, arguments, and exit codes.
package command

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
)

// Exit codes of every command.
const (
	OK     = 0
	Failed = 1 // the work failed, or a check found something
	Usage  = 2 // the arguments make no sense
)

// Command is one task.
type Command struct {
	Name    string
	Summary string
	// Run gets the arguments behind the command's name, writes results to out and progress to log, and returns an exit code.
	Run func(ctx context.Context, args []string, out, log io.Writer) int
}

// Table is a command that consists of others.
type Table struct {
	// Name is how people call it, such as "slipway qa".
	Name string
	// Commands are in the order of the help.
	Commands []Command
}

// Run runs the command that the first argument names.
func (t Table) Run(ctx context.Context, args []string, out, log io.Writer) int {
	if len(args) == 0 {
		t.help(log)
		return Usage
	}
	if slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0]) {
		t.help(out)
		return OK
	}
	for _, c := range t.Commands {
		if c.Name == args[0] {
			return c.Run(ctx, args[1:], out, log)
		}
	}
	fmt.Fprintf(log, "%s: there is no command %q\n\n", t.Name, args[0])
	t.help(log)
	return Usage
}

func (t Table) help(to io.Writer) {
	fmt.Fprintf(to, "Usage: %s COMMAND [arguments]; %[1]s COMMAND --help says more.\n\n", t.Name)
	table := tabwriter.NewWriter(to, 0, 4, 2, ' ', 0)
	for _, c := range t.Commands {
		fmt.Fprintf(table, "  %s\t%s\n", c.Name, c.Summary)
	}
	table.Flush()
}

// Flags are a command's, which Parse reads.
func Flags(name string, log io.Writer) *flag.FlagSet {
	set := flag.NewFlagSet(name, flag.ContinueOnError)
	set.SetOutput(log)
	return set
}

// Parse reads the flags and the arguments behind them, of which there must be as many as wants describes. If the command is
// over with that, for help or by mistake, done is true and code its exit code.
func Parse(set *flag.FlagSet, args []string, wants ...string) (code int, done bool) {
	switch err := set.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return OK, true
	case err != nil:
		return Usage, true
	case len(wants) == 0 && set.NArg() > 0:
		fmt.Fprintf(set.Output(), "%s: unexpected argument %q\n", set.Name(), set.Arg(0))
		return Usage, true
	case set.NArg() != len(wants) || slices.Contains(set.Args(), ""):
		fmt.Fprintf(set.Output(), "%s: give it %s\n", set.Name(), strings.Join(wants, " and "))
		return Usage, true
	}
	return OK, false
}

// Mistake marks an error as one of the arguments.
func Mistake(err error) error { return &mistake{err} }

type mistake struct{ err error }

func (m *mistake) Error() string { return m.err.Error() }
func (m *mistake) Unwrap() error { return m.err }

// End says how the command ended, and returns its exit code.
func End(name string, err error, log io.Writer) int {
	if err == nil {
		return OK
	}
	fmt.Fprintf(log, "%s: %v\n", name, err)
	if m := (*mistake)(nil); errors.As(err, &m) {
		return Usage
	}
	return Failed
}
