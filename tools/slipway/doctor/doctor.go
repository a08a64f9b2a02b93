// Package doctor is the command that looks, before a deployment, for what would stop it: credentials, accounts, bootstrap,
// zones, certificates, quotas, the image, whatever is running. It only reads. Each finding says what to do.
package doctor

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"slipway/internal/config"
	"slipway/internal/contract"
)

// Exit codes, as all commands have them.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// names collects a flag that may be given several times.
type names []string

func (n *names) String() string { return strings.Join(*n, ",") }

// Set takes one name, or several with commas between them.
func (n *names) Set(value string) error {
	*n = append(*n, strings.Split(value, ",")...)
	return nil
}

// Run runs the command in the checkout's root and returns its exit code.
func Run(ctx context.Context, args []string, out, log io.Writer) int {
	set := flag.NewFlagSet("slipway doctor", flag.ContinueOnError)
	set.SetOutput(log)
	var wanted names
	set.Var(&wanted, "stage", "a stage to deploy; several times or with commas (default all)")
	shared := set.Bool("shared", false, "only what all stages share")
	reference := set.String("image", "", "tag or digest that is to be deployed")
	switch err := set.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	case set.NArg() > 0 || *shared && len(wanted) > 0:
		fmt.Fprintln(log, "slipway doctor: give stages with -stage, or -shared, and nothing else")
		return exitUsage
	}
	endpoint := os.Getenv("AWS_ENDPOINT_URL")
	cfg, err := config.Load("platform.yaml", config.Profile{Local: endpoint != "", HostArchitecture: runtime.GOARCH})
	if err != nil {
		fmt.Fprintf(log, "slipway doctor: %v\n", err)
		return exitFailed
	}
	stages, err := choose(cfg, wanted, *shared)
	if err != nil {
		fmt.Fprintf(log, "slipway doctor: %v\n", err)
		return exitUsage
	}
	base, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(cfg.Region), awsconfig.WithRetryMaxAttempts(5))
	if err != nil {
		fmt.Fprintf(log, "slipway doctor: load the AWS configuration: %v\n", err)
		return exitFailed
	}
	g := &gatherer{cfg: cfg, now: time.Now, lookup: net.DefaultResolver.LookupNS}
	if endpoint != "" {
		g.lookup = nil
	}
	caller, err := sts.NewFromConfig(base).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return report([]Finding{{Bad, "credentials", fmt.Sprintf("AWS doesn't know who you are: %v", err),
			"sign in (aws sso login), or set AWS_PROFILE"}}, out)
	}
	own := aws.ToString(caller.Account)
	g.enter = func(ctx context.Context, id string) (clients, error) { return enter(ctx, base, own, id) }
	found := append([]Finding{{Good, "credentials", "you are " + aws.ToString(caller.Arn), ""}},
		decide(cfg, stages, g.facts(ctx, stages, *reference))...)
	return report(found, out)
}

// enter gives the calls of an account: with the credentials at hand where they are its own, else with the role of its
// bootstrap stack that may only read.
func enter(ctx context.Context, base aws.Config, own, id string) (clients, error) {
	if own == id {
		return newClients(base), nil
	}
	other := base.Copy()
	provider := stscreds.NewAssumeRoleProvider(sts.NewFromConfig(base), contract.BootstrapRoleARN(contract.BootstrapLookup, id, base.Region),
		func(o *stscreds.AssumeRoleOptions) { o.RoleSessionName = "slipway-doctor" })
	other.Credentials = aws.NewCredentialsCache(provider)
	if _, err := other.Credentials.Retrieve(ctx); err != nil {
		return clients{}, fmt.Errorf("your credentials are of account %s, and its lookup role refuses them: %w", own, err)
	}
	return newClients(other), nil
}

func choose(cfg *config.Config, wanted []string, shared bool) ([]config.Stage, error) {
	if shared {
		return nil, nil
	}
	if len(wanted) == 0 {
		return cfg.Stages, nil
	}
	stages := make([]config.Stage, 0, len(wanted))
	for _, name := range wanted {
		stage, ok := cfg.Stage(name)
		if !ok {
			return nil, fmt.Errorf("stage %q: platform.yaml has none of that name", name)
		}
		stages = append(stages, *stage)
	}
	return stages, nil
}

// report prints the findings, the bad ones last, where a person looks first.
func report(found []Finding, out io.Writer) int {
	table := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	counts := map[Level]int{}
	for _, level := range []Level{Good, Note, Bad} {
		for _, f := range found {
			if f.Level != level {
				continue
			}
			counts[level]++
			fmt.Fprintf(table, "%s\t%s\t%s\n", f.Level, f.About, f.Says)
			if f.Do != "" {
				fmt.Fprintf(table, "\t\t→ %s\n", f.Do)
			}
		}
	}
	table.Flush()
	fmt.Fprintf(out, "\n%d checks are good, %d to note, %d bad.\n", counts[Good], counts[Note], counts[Bad])
	if counts[Bad] > 0 {
		return exitFailed
	}
	return exitOK
}
