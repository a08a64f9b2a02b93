package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"slipway/internal/config"
	"slipway/internal/contract"
	"slipway/tools/slipway/account"
	"slipway/tools/slipway/command"
	"slipway/tools/slipway/qa"
	"slipway/tools/slipway/registry"
	"slipway/tools/slipway/rollout"
)

const (
	settleTime = 10 * time.Minute // after the stack is done: the last old tasks, and a circuit breaker that is still at work
	pollEvery  = 5 * time.Second
)

// order is one deployment, of a stage or of a QA environment.
type order struct {
	stage  string
	branch string
	image  string // tag or digest
	ttl    string
	owner  string
	hotfix string // why production gets what the stage before doesn't run
}

// deployment is an order that makes sense: what to deploy, and where it must then run.
type deployment struct {
	name    string // for people
	account string
	stacks  []string // patterns for the CDK
	context []string // -c arguments
	target  rollout.Target
	before  *config.Stage // must run the image already; nil if none has to
}

func runDeploy(ctx context.Context, args []string, out, log io.Writer) int {
	var o order
	flags := command.Flags("slipway deploy", log)
	flags.StringVar(&o.stage, "stage", "", "the stage to deploy; not the QA stage")
	flags.StringVar(&o.branch, "branch", "", "the branch whose QA environment to deploy")
	flags.StringVar(&o.image, "image", "", "tag or digest of the image, which must be in the registry")
	flags.StringVar(&o.ttl, "ttl", "", "length of the environment's lease; default qa.defaultTtl")
	flags.StringVar(&o.owner, "owner", "", "who asks for the environment")
	flags.StringVar(&o.hotfix, "hotfix", "", "why production must get an image that the stage before doesn't run")
	bootstrap := flags.Bool("bootstrap-roles", false, "look into the accounts by the roles of `cdk bootstrap`, as the CDK does")
	if code, done := command.Parse(flags, args); done {
		return code
	}
	p, err := account.Open(ctx, *bootstrap)
	if err != nil {
		fmt.Fprintln(log, err)
		return command.Failed
	}
	d, err := o.plan(p.Config)
	if err != nil {
		fmt.Fprintln(log, err)
		return command.Usage
	}
	if err := d.run(ctx, p, o, out, log); err != nil {
		fmt.Fprintf(log, "deploy %s: %v\n", d.name, err)
		return command.Failed
	}
	return command.OK
}

// plan checks the order against the configuration.
func (o order) plan(cfg *config.Config) (deployment, error) {
	switch {
	case (o.stage == "") == (o.branch == ""):
		return deployment{}, errors.New("give either -stage or -branch")
	case o.image == "":
		return deployment{}, errors.New("give -image: the tag (a commit) or the digest of an image in the registry")
	case o.branch == "" && (o.ttl != "" || o.owner != ""):
		return deployment{}, errors.New("-ttl and -owner belong to -branch: only QA environments expire")
	}
	if o.branch != "" {
		return o.planEnvironment(cfg)
	}
	stage, ok := cfg.Stage(o.stage)
	if !ok || stage.Name == cfg.QA.Stage {
		return deployment{}, fmt.Errorf("-stage is %q; give a stage of platform.yaml that has a service of its own", o.stage)
	}
	d := deployment{
		name: "stage " + stage.Name, account: stage.Account,
		stacks: []string{contract.StageStack(cfg.Platform, stage.Name, "*")},
		target: rollout.Target{Cluster: contract.ClusterName(stage.Name), Service: contract.ServiceName(stage.Name)},
	}
	if stage.Production {
		d.before = before(cfg, stage)
	}
	return d, nil
}

func (o order) planEnvironment(cfg *config.Config) (deployment, error) {
	if strings.HasPrefix(o.branch, "refs/") {
		return deployment{}, fmt.Errorf("-branch is %q; give the branch without refs/heads/, so that everything about it waits in one queue", o.branch)
	}
	request := map[string]string{config.ContextBranch: o.branch, config.ContextOwner: o.owner}
	arguments := []string{"-c", "branch=" + o.branch, "-c", "owner=" + o.owner}
	if o.ttl != "" {
		request[config.ContextTTL] = o.ttl
		arguments = append(arguments, "-c", "ttl="+o.ttl)
	}
	parsed, err := config.ParseRequest(cfg, request, time.Now())
	if err != nil {
		return deployment{}, err
	}
	slug := parsed.Environment.Slug
	return deployment{
		name: "QA environment " + slug, account: cfg.QAStage().Account,
		stacks: []string{contract.QAEnvironmentStack(cfg.Platform, slug)}, context: arguments,
		target: rollout.Target{Cluster: contract.ClusterName(cfg.QA.Stage), Service: slug},
	}, nil
}

// before is the stage whose turn comes right before production's.
func before(cfg *config.Config, production *config.Stage) (last *config.Stage) {
	for i := range cfg.Stages {
		switch s := &cfg.Stages[i]; {
		case s.Name == production.Name:
			return last
		case s.Name != cfg.QA.Stage:
			last = s
		}
	}
	return last
}

// run checks that there is room and the image is good, deploys, follows, and compares what runs with what was asked for.
func (d deployment) run(ctx context.Context, p *account.Platform, o order, out, log io.Writer) error {
	cfg := p.In(d.account, contract.BootstrapLookup)
	if o.branch != "" {
		if err := qa.Room(ctx, p.Config, cfg, d.target.Service, log); err != nil {
			return err
		}
	}
	repository := registry.Repository{
		Client: ecr.NewFromConfig(p.AWS()), Account: p.RegistryAccount(), Name: p.Config.Registry.Repository, Rule: registry.Rule(p.Config),
	}
	digest, err := repository.Deployable(ctx, o.image, time.Now())
	if err != nil {
		return err
	}
	fmt.Fprintf(log, "image %s is %s; its scan is fine\n", o.image, digest)
	if err := d.promoted(ctx, p, o, digest, log); err != nil {
		return err
	}

	client := ecs.NewFromConfig(cfg)
	follower := rollout.Follower{Target: d.target, ECS: client, CodeDeploy: codedeploy.NewFromConfig(cfg), Out: log, Since: time.Now()}
	following, stop := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		follower.Follow(following, pollEvery)
	}()
	deployed := cdkDeploy(ctx, d, digest, log)
	serving, verdict := settle(ctx, d.target, client, digest, deployed == nil)
	stop()
	<-done
	if err := follower.Poll(ctx); err != nil {
		fmt.Fprintln(log, err)
	}
	if err := errors.Join(deployed, verdict); err != nil {
		return fmt.Errorf("%w\n%s serves now: %s", err, d.name, serving.Revision)
	}
	fmt.Fprintf(log, "%s runs %s as %s, %d tasks\n", d.name, digest, serving.Revision, serving.Digests[digest])
	results := map[string]string{"digest": digest, "revision": serving.Revision}
	if o.branch != "" {
		if results["ends"], err = d.target.Tag(ctx, client, contract.TagExpires); err != nil {
			return err
		}
	}
	return output(out, results)
}

// promoted refuses an image for production that the stage before doesn't run.
func (d deployment) promoted(ctx context.Context, p *account.Platform, o order, digest string, log io.Writer) error {
	if d.before == nil {
		return nil
	}
	t := rollout.Target{Cluster: contract.ClusterName(d.before.Name), Service: contract.ServiceName(d.before.Name)}
	serving, err := t.Read(ctx, ecs.NewFromConfig(p.In(d.before.Account, contract.BootstrapLookup)))
	if err == nil {
		err = rollout.Judge(digest, serving)
	}
	switch {
	case err == nil:
		fmt.Fprintf(log, "stage %s runs the same image\n", d.before.Name)
		return nil
	case o.hotfix != "":
		fmt.Fprintf(log, "WITHOUT stage %s, because: %s (%v)\n", d.before.Name, o.hotfix, err)
		return nil
	}
	return fmt.Errorf("stage %s must run the image first: %w; deploy it there, or say by -hotfix why not", d.before.Name, err)
}

// settle waits until the service is at rest, if there is hope that it will serve the digest, and judges what it serves.
func settle(ctx context.Context, target rollout.Target, client rollout.ECS, digest string, wait bool) (rollout.Serving, error) {
	deadline := time.Now().Add(settleTime)
	for {
		serving, err := target.Read(ctx, client)
		if err == nil {
			err = rollout.Judge(digest, serving)
		}
		if err == nil || !wait || serving.Unsettled == "" || time.Now().After(deadline) {
			return serving, err
		}
		select {
		case <-ctx.Done():
			return serving, errors.Join(ctx.Err(), err)
		case <-time.After(pollEvery):
		}
	}
}

// cdkDeploy runs the pinned CDK CLI. Its own events are those of the stacks.
func cdkDeploy(ctx context.Context, d deployment, digest string, log io.Writer) error {
	args := append([]string{"deploy", "--ci", "--no-color", "--progress", "events", "--require-approval", "never", "--exclusively", "-c", "imageTag=" + digest}, d.context...)
	if account.Local() {
		args = append(args, "-c", "profile=local")
	}
	args = append(args, d.stacks...)
	bin, err := filepath.Abs(filepath.Join("node_modules", ".bin"))
	if err != nil {
		return err
	}
	command := exec.CommandContext(ctx, filepath.Join(bin, "cdk"), args...)
	command.Stdout, command.Stderr = log, log
	command.Env = append(os.Environ(), "PATH="+bin+string(os.PathListSeparator)+os.Getenv("PATH"))
	// An interrupt must not kill it in the middle: CloudFormation goes on anyway, and it says where it is.
	command.Cancel = func() error { return command.Process.Signal(os.Interrupt) }
	command.WaitDelay = time.Minute
	if err := command.Run(); err != nil {
		return fmt.Errorf("cdk %s: %w; the events above say why", quoted(args), err)
	}
	return nil
}

var plain = regexp.MustCompile(`^[A-Za-z0-9@%+=:,./_*-]+$`)

// quoted is a command's arguments for people.
func quoted(args []string) string {
	shown := make([]string, len(args))
	for i, a := range args {
		if shown[i] = a; !plain.MatchString(a) {
			shown[i] = fmt.Sprintf("%q", a)
		}
	}
	return strings.Join(shown, " ")
}
