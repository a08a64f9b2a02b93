// Package findings is the command by which people see what the response to findings did, approve what waits, and undo it. All
// of it is done by the response's own function, whose ledger knows how.
package findings

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"slipway/internal/contract"
	"slipway/tools/slipway/account"
	"slipway/tools/slipway/command"
)

// Function are the calls of Lambda.
type Function interface {
	Invoke(context.Context, *lambda.InvokeInput, ...func(*lambda.Options)) (*lambda.InvokeOutput, error)
}

// Identity is the call that says who asks.
type Identity interface {
	GetCallerIdentity(context.Context, *sts.GetCallerIdentityInput, ...func(*sts.Options)) (*sts.GetCallerIdentityOutput, error)
}

// subcommands in the order of the help.
var subcommands = []struct{ name, command, summary string }{
	{"list", contract.ResponseCommandList, "shows what is contained, waits or failed; with -all also what is finished"},
	{"approve", contract.ResponseCommandApprove, "does what waits for approval, what a dry run only saw, or what failed: approve ID"},
	{"reject", contract.ResponseCommandReject, "settles what waits for approval: reject [-why TEXT] ID"},
	{"undo", contract.ResponseCommandUndo, "restores what was there before: undo [-why TEXT] ID"},
	{"sweep", contract.ResponseCommandSweep, "ends what is over now, instead of within five minutes"},
}

// Run runs the command in the checkout's root and returns its exit code.
func Run(ctx context.Context, args []string, out, log io.Writer) int {
	return run(ctx, args, out, log, connect)
}

// connection is what the subcommands need.
type connection struct {
	platform string
	lambda   Function
	identity Identity
}

// connect reads platform.yaml and the credentials of the environment.
func connect(ctx context.Context) (connection, error) {
	platform, err := account.Open(ctx, false)
	if err != nil {
		return connection{}, err
	}
	cfg, aws := platform.Config, platform.AWS()
	return connection{platform: cfg.Platform, lambda: lambda.NewFromConfig(aws), identity: sts.NewFromConfig(aws)}, nil
}

func run(ctx context.Context, args []string, out, log io.Writer, connect func(context.Context) (connection, error)) int {
	table := command.Table{Name: "slipway findings"}
	for _, sub := range subcommands {
		table.Commands = append(table.Commands, command.Command{Name: sub.name, Summary: sub.summary, Run: func(ctx context.Context, args []string, out, log io.Writer) int {
			return start(ctx, sub.name, sub.command, args, out, log, connect)
		}})
	}
	return table.Run(ctx, args, out, log)
}

// start reads the arguments of a subcommand and sends its command.
func start(ctx context.Context, name, purpose string, args []string, out, log io.Writer, connect func(context.Context) (connection, error)) int {
	c := contract.ResponseCommand{Purpose: contract.ResponseCommandPurpose, Command: purpose}
	set := command.Flags("slipway findings "+name, log)
	if purpose == contract.ResponseCommandList {
		set.BoolVar(&c.All, "all", false, "also what is finished, and the findings that people were only told of")
	}
	if purpose == contract.ResponseCommandUndo || purpose == contract.ResponseCommandReject {
		set.StringVar(&c.Why, "why", "", "the reason, for other people")
	}
	wants := []string{"the ID of one entry; `slipway findings list` shows them"}
	if purpose == contract.ResponseCommandList || purpose == contract.ResponseCommandSweep {
		wants = nil
	}
	if code, done := command.Parse(set, args, wants...); done {
		return code
	}
	c.ID = set.Arg(0)
	return command.End(set.Name(), send(ctx, c, out, connect), log)
}

// send lets the function do it, in the caller's name, and shows the answer.
func send(ctx context.Context, order contract.ResponseCommand, out io.Writer, connect func(context.Context) (connection, error)) error {
	c, err := connect(ctx)
	if err != nil {
		return err
	}
	who, err := c.identity.GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return fmt.Errorf("ask who you are: %w", err)
	}
	order.By = aws.ToString(who.Arn)
	payload, err := json.Marshal(order)
	if err != nil {
		return err
	}
	name := contract.ResponseFunction(c.platform)
	result, err := c.lambda.Invoke(ctx, &lambda.InvokeInput{FunctionName: &name, Payload: payload})
	if err != nil {
		return fmt.Errorf("invoke %s in account %s: %w; is %s deployed there, and may you invoke it?", name, aws.ToString(who.Account), err,
			contract.PlatformStack(c.platform, contract.StackSecurity))
	}
	if result.FunctionError != nil {
		return fmt.Errorf("%s failed: %s; its log group %s says more", name, result.Payload, contract.SecurityLogGroup(c.platform, "response"))
	}
	var answer contract.ResponseAnswer
	if err := json.Unmarshal(result.Payload, &answer); err != nil {
		return fmt.Errorf("read the answer of %s: %w", name, err)
	}
	show(out, answer)
	if answer.Failed {
		return errors.New(answer.Message)
	}
	return nil
}

func show(out io.Writer, answer contract.ResponseAnswer) {
	if len(answer.Entries) > 0 {
		table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
		fmt.Fprint(table, "ID\tSTATE\tACTION\tTARGET\tSTAGE\tSEVERITY\tFINDING\tSINCE\tUNTIL\tBY\n")
		for _, e := range answer.Entries {
			fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\t%.1f\t%s\t%s\t%s\t%s\n", e.ID, e.State, dash(e.Action), dash(e.Target), dash(e.Stage), e.Severity, e.Finding, dash(e.Since), dash(e.Until), dash(e.By))
		}
		table.Flush()
		for _, e := range answer.Entries {
			if len(answer.Entries) > 1 && e.Error == "" {
				continue // a list has no room for notes
			}
			for _, note := range e.Notes {
				fmt.Fprintf(out, "%s: %s\n", e.ID, note)
			}
			if e.Error != "" {
				fmt.Fprintf(out, "%s: error: %s\n", e.ID, e.Error)
			}
		}
	}
	if !answer.Failed {
		fmt.Fprintln(out, answer.Message)
	}
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
