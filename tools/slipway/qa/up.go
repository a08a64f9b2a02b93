package qa

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/ssm"

	"slipway/internal/config"
	"slipway/internal/contract"
	"slipway/internal/qalease"
	"slipway/tools/slipway/command"
	"slipway/tools/slipway/registry"
)

// runner runs programs of the checkout.
type runner interface {
	// output runs a program and returns what it prints.
	output(ctx context.Context, name string, args ...string) (string, error)
	// run runs a program whose progress people see.
	run(ctx context.Context, name string, args ...string) error
}

type execRunner struct{ log io.Writer }

func (r execRunner) output(ctx context.Context, name string, args ...string) (string, error) {
	var out, problem bytes.Buffer
	command := exec.CommandContext(ctx, name, args...)
	command.Stdout, command.Stderr = &out, &problem
	if err := command.Run(); err != nil {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(problem.String()))
	}
	return strings.TrimSpace(out.String()), nil
}

func (r execRunner) run(ctx context.Context, name string, args ...string) error {
	command := exec.CommandContext(ctx, name, args...)
	command.Stdout, command.Stderr = r.log, r.log
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s: %w; what it printed above says why", filepath.Base(name), err)
	}
	return nil
}

// up deploys the environment. Everything that could refuse it is looked at first, for a deployment that can't succeed takes a
// quarter of an hour to say so.
func up(ctx context.Context, s *session, o options) error {
	slug, branch, err := s.environment(o.branch)
	if err != nil {
		return err
	}
	ttl, err := s.ttl(o.ttl)
	if err != nil {
		return err
	}
	if o.owner == "" {
		if o.owner, err = s.runner.output(ctx, "git", "config", "user.email"); err != nil || o.owner == "" {
			return command.Mistake(errors.New("say who asks for it: -owner, or make qa-up OWNER=…; git has no user.email here"))
		}
	}
	named := o.image != ""
	if !named {
		if o.image, err = s.commit(ctx, branch); err != nil {
			return err
		}
	}
	given := map[string]string{config.ContextBranch: branch, config.ContextImageTag: o.image, config.ContextTTL: ttl.String(), config.ContextOwner: o.owner}
	if _, err := config.ParseRequest(s.cfg, given, s.now()); err != nil {
		return command.Mistake(err)
	}
	if err := s.room(ctx, slug); err != nil {
		return err
	}
	if err := s.haveImage(ctx, o.image, named); err != nil {
		return err
	}

	args := []string{
		"deploy", contract.QAEnvironmentStack(s.cfg.Platform, slug), "--exclusively", "--require-approval", "never", "--progress", "events",
		"-c", config.ContextBranch + "=" + branch, "-c", config.ContextImageTag + "=" + o.image,
		"-c", config.ContextTTL + "=" + ttl.String(), "-c", config.ContextOwner + "=" + o.owner,
	}
	if s.cfg.Local {
		args = append(args, "-c", "profile=local")
	}
	if err := s.runner.run(ctx, filepath.Join("node_modules", ".bin", "cdk"), args...); err != nil {
		return fmt.Errorf("deploy the environment of %s: %w", branch, err)
	}
	fmt.Fprintf(s.log, "Waiting until %s answers with %s …\n", slug, o.image)
	if err := s.answers(ctx, slug, o.image); err != nil {
		return err
	}
	return s.tell(ctx, slug, o.owner)
}

// tell prints what the environment's service says of it now: the lease is what stands there.
func (s *session) tell(ctx context.Context, slug, owner string) error {
	service, err := s.service(ctx, slug)
	if err != nil {
		return err
	}
	ends := time.Time{}
	if service != nil {
		if lease, err := qalease.Read(*service); err == nil {
			ends, owner = lease.Ends, lease.Owner
		}
	}
	settings := s.cfg.ListSettings()
	fmt.Fprintf(s.out, "URL    https://%s\nOwner  %s\n", contract.HostName(slug, s.cfg.Domain), plain(owner))
	if !ends.IsZero() {
		fmt.Fprintf(s.out, "Ends   %s, in %s\n", contract.FormatExpiry(ends), qalease.Short(ends.Sub(s.now())))
	}
	fmt.Fprintf(s.out, "Costs  at most $%.2f a day\n", settings.Rate.ADay(settings.Hours))
	return nil
}

// commit is the branch's, here or else at the remote.
func (s *session) commit(ctx context.Context, branch string) (string, error) {
	for _, ref := range []string{"refs/heads/" + branch, "refs/remotes/origin/" + branch} {
		if commit, err := s.runner.output(ctx, "git", "rev-parse", "--verify", "--quiet", ref+"^{commit}"); err == nil {
			return commit, nil
		}
	}
	return "", fmt.Errorf("find the commit of the branch %s: it is neither here nor at origin; fetch it, or name the image: -image, or make qa-up IMAGE=…", branch)
}

// Room says why there is no room for the environment of a slug, in the account that cfg leads to; nil if there is, or it exists.
func Room(ctx context.Context, platform *config.Config, cfg aws.Config, slug string, log io.Writer) error {
	s := &session{cfg: platform, aws: newClients(cfg), now: time.Now, log: log}
	return s.room(ctx, slug)
}

// room refuses a further environment where there is no room for it. One that exists is only updated.
func (s *session) room(ctx context.Context, slug string) error {
	facts, err := s.facts(ctx)
	if err != nil {
		return err
	}
	rows := qalease.Rows(s.cfg.ListSettings(), facts, s.now())
	for _, r := range rows {
		if r.Slug == slug {
			if r.State == qalease.Deleting {
				return fmt.Errorf("%s is being deleted; try again once it is gone", slug)
			}
			return nil
		}
	}
	rules, err := s.rules(ctx)
	if err != nil {
		return err
	}
	if reason := s.cfg.RoomFor(len(rows), rules); reason != "" {
		return errors.New("there is no room: " + reason)
	}
	return nil
}

// rules counts the rules of the shared listener, without its default.
func (s *session) rules(ctx context.Context) (n int, err error) {
	name := contract.SharedParameter(s.cfg.Platform, s.cfg.QA.Stage, contract.KeyListenerARN)
	listener, err := s.aws.parameters.GetParameter(ctx, &ssm.GetParameterInput{Name: &name})
	if err != nil {
		return 0, fmt.Errorf("find the shared load balancer (parameter %s): %w; is %s deployed?", name, err,
			contract.StageStack(s.cfg.Platform, s.cfg.QA.Stage, contract.PartService))
	}
	pages := elb.NewDescribeRulesPaginator(s.aws.rules, &elb.DescribeRulesInput{ListenerArn: listener.Parameter.Value, PageSize: aws.Int32(400)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return 0, fmt.Errorf("count the rules of the shared listener: %w", err)
		}
		for _, rule := range page.Rules {
			if !aws.ToBool(rule.IsDefault) {
				n++
			}
		}
	}
	return n, nil
}

// haveImage builds the image of the branch's commit if the registry lacks it and the checkout is at that commit. One that was
// named must be there.
func (s *session) haveImage(ctx context.Context, image string, named bool) error {
	account, repository := s.cfg.Account(s.cfg.Registry.Account), s.cfg.Registry.Repository
	if _, err := registry.Digest(ctx, s.aws.images, account, repository, image); !errors.Is(err, registry.ErrNoImage) {
		return err
	}
	if head, err := s.runner.output(ctx, "git", "rev-parse", "HEAD"); named || err != nil || head != image {
		return fmt.Errorf("there is no image %s:%s; check its commit out, for make qa-up then builds it, or name another: make qa-up IMAGE=…", repository, image)
	}
	fmt.Fprintf(s.log, "The registry has no image of %s: it is built, tested, pushed and scanned first.\n", image)
	if err := s.runner.run(ctx, "go", "run", "./tools/slipway", "image"); err != nil {
		return fmt.Errorf("make the image of %s: %w", image, err)
	}
	return nil
}
