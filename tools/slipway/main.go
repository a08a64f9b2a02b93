// Command slipway is what people and workflows run besides the CDK CLI: one program, a command for each task. It calls AWS
// with the credentials of the environment, as the AWS CLI does.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"text/tabwriter"

	"slipway/tools/slipway/doctor"
	"slipway/tools/slipway/findings"
	"slipway/tools/slipway/qa"
	"slipway/tools/slipway/smoke"
)

// Exit codes of every command.
const (
	exitOK     = 0
	exitFailed = 1 // the work failed, or a check found something
	exitUsage  = 2 // the arguments make no sense
)

// command is one task. run gets the arguments behind the command's name, writes results to out and progress to log, and
// returns an exit code.
type command struct {
	name    string
	summary string
	run     func(ctx context.Context, args []string, out, log io.Writer) int
}

// commands are all there are, in the order of the help.
var commands = []command{
	{"doctor", "Looks for what would stop a deployment, and says what to do", doctor.Run},
	{"smoke", "Asks a stage's application whether the right commit answers", smoke.Run},
	{"findings", "Shows what the response to findings did; approves, rejects and undoes it", findings.Run},
	{"qa", "Makes, lists, extends, wakes and deletes QA environments; pauses their cleanup", qa.Run},
	{"diff-report", "Says what a change does to resources, rights and costs, from two syntheses", runDiffReport},
	{"context", "Says which role and Region a workflow's job needs, from platform.yaml", runContext},
	{"image", "Builds the application's image, tests it, pushes it by commit, and waits for its scan", runImage},
	{"deploy", "Deploys a stage or a QA environment, follows it, and checks what runs in the end", runDeploy},
	{"purge", "Deletes the QA environment of a branch and waits, for workflows", runPurge},
	{"expired", "Fails if the lease of a QA environment is over and it is still there", runExpired},
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := dispatch(ctx, commands, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}

func dispatch(ctx context.Context, commands []command, args []string, out, log io.Writer) int {
	if len(args) == 0 {
		help(commands, log)
		return exitUsage
	}
	if slices.Contains([]string{"help", "-h", "-help", "--help"}, args[0]) {
		help(commands, out)
		return exitOK
	}
	for _, c := range commands {
		if c.name == args[0] {
			return c.run(ctx, args[1:], out, log)
		}
	}
	fmt.Fprintf(log, "slipway: there is no command %q\n\n", args[0])
	help(commands, log)
	return exitUsage
}

func help(commands []command, to io.Writer) {
	fmt.Fprint(to, "Usage: slipway COMMAND [arguments]; slipway COMMAND --help says more.\n\n")
	table := tabwriter.NewWriter(to, 0, 4, 2, ' ', 0)
	for _, c := range commands {
		fmt.Fprintf(table, "  %s\t%s\n", c.name, c.summary)
	}
	table.Flush()
}
