// Package qa is the command by which people make, see, keep and delete QA environments.
package qa

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"text/tabwriter"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsconfig "github.com/aws/aws-sdk-go-v2/config"

	"slipway/internal/config"
	"slipway/internal/contract"
)

// Exit codes, as all commands have them.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
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
	if len(args) == 0 || args[0] == "--help" || args[0] == "-help" || args[0] == "-h" || args[0] == "help" {
		to, code := out, exitOK
		if len(args) == 0 {
			to, code = log, exitUsage
		}
		help(to)
		return code
	}
	for _, sub := range subcommands {
		if sub.name != args[0] {
			continue
		}
		var o options
		set := flag.NewFlagSet("slipway qa "+sub.name, flag.ContinueOnError)
		set.SetOutput(log)
		sub.flags(set, &o)
		switch err := set.Parse(args[1:]); {
		case errors.Is(err, flag.ErrHelp):
			return exitOK
		case err != nil:
			return exitUsage
		case set.NArg() > 0:
			fmt.Fprintf(log, "slipway qa %s: unexpected argument %q\n", sub.name, set.Arg(0))
			return exitUsage
		}
		if err := begin(ctx, sub, o, out, log); err != nil {
			fmt.Fprintf(log, "slipway qa %s: %v\n", sub.name, err)
			if usage := (*usageError)(nil); errors.As(err, &usage) {
				return exitUsage
			}
			return exitFailed
		}
		return exitOK
	}
	fmt.Fprintf(log, "slipway qa: there is no command %q\n\n", args[0])
	help(log)
	return exitUsage
}

func help(to io.Writer) {
	fmt.Fprint(to, "Usage: slipway qa COMMAND [flags]; slipway qa COMMAND --help says more.\n\n")
	table := tabwriter.NewWriter(to, 0, 4, 2, ' ', 0)
	for _, sub := range subcommands {
		fmt.Fprintf(table, "  %s\t%s\n", sub.name, sub.summary)
	}
	table.Flush()
}

// usageError is the error of arguments that make no sense.
type usageError struct{ err error }

func (u *usageError) Error() string { return u.err.Error() }
func (u *usageError) Unwrap() error { return u.err }

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
	// An endpoint of its own is the local AWS, for which the CDK app has a profile.
	endpoint := os.Getenv("AWS_ENDPOINT_URL")
	cfg, err := config.Load("platform.yaml", config.Profile{Local: endpoint != "", HostArchitecture: runtime.GOARCH})
	if err != nil {
		return err
	}
	account, err := awsconfig.LoadDefaultConfig(ctx, awsconfig.WithRegion(cfg.Region), awsconfig.WithRetryMode(aws.RetryModeAdaptive), awsconfig.WithRetryMaxAttempts(8))
	if err != nil {
		return fmt.Errorf("load the AWS configuration: %w", err)
	}
	s := &session{cfg: cfg, aws: newClients(account), site: newSite(endpoint), runner: execRunner{log}, now: time.Now, wait: sleep, out: out, log: log}
	return sub.run(ctx, s, o)
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
		return "", "", &usageError{errors.New("give the branch: -branch feature/login, or make … BRANCH=feature/login")}
	}
	name, err = contract.NormalizeBranch(branch)
	if err == nil {
		slug, err = contract.Slug(name)
	}
	if err != nil {
		return "", "", &usageError{err}
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
		return 0, &usageError{fmt.Errorf("ttl %q: give a duration of at most %s, which is qa.maxTtl, such as 48h", value, q.MaxTTL)}
	}
	return ttl, nil
}

func (s *session) cluster() string { return contract.ClusterName(s.cfg.QA.Stage) }
