// Package doctor is the command that looks, before a deployment, for what would stop it: credentials, accounts, bootstrap,
// zones, certificates, quotas, the image, whatever is running. It only reads. Each finding says what to do.
package doctor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"slipway/internal/config"
	"slipway/internal/contract"
	"slipway/tools/slipway/account"
	"slipway/tools/slipway/command"
	"slipway/tools/slipway/registry"
)

// names collects a flag that may be given several times.
type names []string

func (n *names) String() string { return strings.Join(*n, ",") }

// Set takes one name, or several with commas between them.
func (n *names) Set(value string) error {
	*n = append(*n, strings.Split(value, ",")...)
	return nil
}

// Run runs the command in the checkout's root and returns its exit code: a fault fails it, what is only to note doesn't.
func Run(ctx context.Context, args []string, out, log io.Writer) int {
	set := command.Flags("slipway doctor", log)
	var wanted names
	set.Var(&wanted, "stage", "a stage to deploy; several times or with commas (default all, and what they share)")
	shared := set.Bool("shared", false, "only what all stages share")
	reference := set.String("image", "", "tag or digest that is to be deployed")
	bootstrap := set.Bool("bootstrap-roles", false, "look into all accounts by the roles of `cdk bootstrap`, as the CDK does")
	if code, done := command.Parse(set, args); done {
		return code
	}
	p, err := account.Open(ctx, *bootstrap)
	if err != nil {
		return command.End(set.Name(), err, log)
	}
	w, err := choose(p.Config, wanted, *shared)
	if err != nil {
		return command.End(set.Name(), command.Mistake(err), log)
	}
	caller, err := sts.NewFromConfig(p.AWS()).GetCallerIdentity(ctx, &sts.GetCallerIdentityInput{})
	if err != nil {
		return report([]Finding{{Bad, "credentials", fmt.Sprintf("AWS doesn't know who you are: %v", err),
			"sign in (aws sso login), or set AWS_PROFILE"}}, out)
	}
	own := aws.ToString(caller.Account)
	g := &gatherer{cfg: p.Config, now: time.Now, lookup: net.DefaultResolver.LookupNS, enter: func(ctx context.Context, id string) (clients, error) {
		return enter(ctx, p, own, id)
	}}
	if account.Local() {
		g.lookup, g.withoutQuotas = nil, "the local AWS has none"
	}
	// As a deployment looks at it: with the caller's own rights, where they are the registry's.
	images := p.AWS()
	if own != p.RegistryAccount() {
		images = p.As(contract.BootstrapLookup, p.RegistryAccount())
	}
	g.images = registry.Repository{
		Client: ecr.NewFromConfig(images), Account: p.RegistryAccount(), Name: p.Config.Registry.Repository, Rule: registry.Rule(p.Config),
	}
	found := append([]Finding{{Good, "credentials", "you are " + aws.ToString(caller.Arn), ""}},
		decide(p.Config, w.stages, g.facts(ctx, w, *reference))...)
	return report(found, out)
}

// enter gives the calls of an account: with the credentials at hand where they are its own, else, or where the caller wants
// that, with the role of its bootstrap stack that may only read.
func enter(ctx context.Context, p *account.Platform, own, id string) (clients, error) {
	if own == id && !p.Bootstrap {
		return newClients(p.AWS()), nil
	}
	cfg := p.As(contract.BootstrapLookup, id)
	if _, err := cfg.Credentials.Retrieve(ctx); err != nil {
		return clients{}, fmt.Errorf("your credentials are of account %s, and its lookup role refuses them: %w", own, err)
	}
	return newClients(cfg), nil
}

// scope is what is looked at.
type scope struct {
	stages []config.Stage
	shared bool // the accounts and the zone that all stages share
}

func choose(cfg *config.Config, wanted []string, shared bool) (scope, error) {
	switch {
	case shared && len(wanted) > 0:
		return scope{}, errors.New("give stages with -stage, or -shared, not both")
	case shared:
		return scope{shared: true}, nil
	case len(wanted) == 0:
		return scope{stages: cfg.Stages, shared: true}, nil
	}
	var s scope
	for _, name := range wanted {
		stage, ok := cfg.Stage(name)
		if !ok {
			return scope{}, fmt.Errorf("stage %q: platform.yaml has none of that name", name)
		}
		s.stages = append(s.stages, *stage)
	}
	return s, nil
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
		return command.Failed
	}
	return command.OK
}
