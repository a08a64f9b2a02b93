// Package qa is the command by which people make, see, keep and delete QA environments.
package qa

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"time"

	"slipway/internal/config"
	"slipway/internal/contract"
	"slipway/tools/slipway/account"
	"slipway/tools/slipway/command"
)

// subcommand is one thing to do with environments.
type subcommand struct {
	name    string
	summary string
	flags   func(*flag.FlagSet, *options)
	run     func(context.Context, *session, options) error
}

// options are what the flags say.
type options struct {
	branch string
	ttl    string
	owner  string
	image  string
	why    string
}

func branchFlag(f *flag.FlagSet, o *options) {
	f.StringVar(&o.branch, "branch", "", "the branch of the environment; required")
}

func leaseFlags(f *flag.FlagSet, o *options) {
	branchFlag(f, o)
	f.StringVar(&o.ttl, "ttl", "", "how long it lives from now, such as 48h (default qa.defaultTtl)")
}

var subcommands = []subcommand{
	{"up", "deploys the environment of a branch, or updates it and renews its lease", func(f *flag.FlagSet, o *options) {
		leaseFlags(f, o)
		f.StringVar(&o.owner, "owner", "", "who asks for it (default git's user.email)")
		f.StringVar(&o.image, "image", "", "tag or digest of the image (default the branch's commit)")
	}, up},
	{"list", "lists all environments", func(*flag.FlagSet, *options) {}, list},
	{"extend", "lets an environment live longer", leaseFlags, extend},
	{"down", "deletes an environment and waits until it is gone", branchFlag, down},
	{"wake", "wakes an environment that sleeps outside office hours", branchFlag, wake},
	{"pause", "pauses all deletion of environments", func(f *flag.FlagSet, o *options) {
		f.StringVar(&o.why, "why", "", "the reason, for other people")
	}, pause},
	{"resume", "ends the pause", func(*flag.FlagSet, *options) {}, resume},
}

// Run runs the command in the checkout's root and returns its exit code.
func Run(ctx context.Context, args []string, out, log io.Writer) int {
	table := command.Table{Name: "slipway qa"}
	for _, sub := range subcommands {
		table.Commands = append(table.Commands, command.Command{Name: sub.name, Summary: sub.summary, Run: sub.start})
	}
	return table.Run(ctx, args, out, log)
}

func (sub subcommand) start(ctx context.Context, args []string, out, log io.Writer) int {
	var o options
	set := command.Flags("slipway qa "+sub.name, log)
	sub.flags(set, &o)
	if code, done := command.Parse(set, args); done {
		return code
	}
	return command.End(set.Name(), begin(ctx, sub, o, out, log), log)
}

// session is what the subcommands share.
type session struct {
	cfg    *config.Config
	aws    clients
	site   site
	runner runner
	now    func() time.Time
	wait   func(context.Context, time.Duration) error
	out    io.Writer // results
	log    io.Writer // progress
}

func begin(ctx context.Context, sub subcommand, o options, out, log io.Writer) error {
	p, err := account.Open(ctx, false)
	if err != nil {
		return err
	}
	return sub.run(ctx, &session{
		cfg: p.Config, aws: newClients(p.AWS()), site: newSite(account.Endpoint()), runner: execRunner{log}, now: time.Now, wait: sleep, out: out, log: log,
	}, o)
}

func sleep(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(d):
		return nil
	}
}

// environment is the one that a branch has.
func (s *session) environment(branch string) (slug, name string, err error) {
	if branch == "" {
		return "", "", command.Mistake(errors.New("give the branch: -branch feature/login, or make … BRANCH=feature/login"))
	}
	name, err = contract.NormalizeBranch(branch)
	if err == nil {
		slug, err = contract.Slug(name)
	}
	if err != nil {
		return "", "", command.Mistake(err)
	}
	return slug, name, nil
}

// ttl reads the flag, within the configuration's limits.
func (s *session) ttl(value string) (time.Duration, error) {
	q := s.cfg.QA
	if value == "" {
		return q.DefaultTTL.Duration(), nil
	}
	ttl, err := time.ParseDuration(value)
	if err != nil || ttl <= 0 || ttl > q.MaxTTL.Duration() {
		return 0, command.Mistake(fmt.Errorf("ttl %q: give a duration of at most %s, which is qa.maxTtl, such as 48h", value, q.MaxTTL))
	}
	return ttl, nil
}

func (s *session) cluster() string { return contract.ClusterName(s.cfg.QA.Stage) }
