// Demo deploys the whole platform to the local AWS with the real CDK CLI, provisions two QA environments, asks every
// deployed address, deploys a good version, a broken one and a good one to production while users send requests, and lets the
// scheduled cleanup remove the environment whose lease has ended.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"slipway/internal/config"
	"slipway/internal/contract"
	"slipway/local/harness"
)

const (
	defaultPort  = 4566
	directory    = ".local/aws"
	logs         = ".local/logs/demo"
	staleBranch  = "feature/finished-last-week"
	cleanupLimit = 2 * time.Minute // the schedule is once a minute in the local profile
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintf(os.Stderr, "\nThe demo failed: %v\n", err)
		os.Exit(1)
	}
}

// tour is one run of the demo.
type tour struct {
	*steps
	cfg        *config.Config
	aws        *harness.Local
	commit     string
	tag        string
	branch     string
	containers bool // false where no container engine is to be had
	notes      []string
}

func run(ctx context.Context) error {
	port := defaultPort
	if wanted := os.Getenv("LOCAL_AWS_PORT"); wanted != "" {
		number, err := strconv.Atoi(wanted)
		if err != nil || number < 1 || number > 65535 {
			return fmt.Errorf("LOCAL_AWS_PORT is %q: give a port from 1 to 65535", wanted)
		}
		port = number
	}
	cfg, err := config.Load("platform.yaml", config.Profile{Local: true, HostArchitecture: runtime.GOARCH})
	if err != nil {
		return err
	}
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	t := &tour{cfg: cfg, aws: harness.New(root, directory, port), containers: true}
	if err := t.readCheckout(ctx); err != nil {
		return err
	}
	t.steps, err = newSteps(os.Stdout, logs, 16)
	if err != nil {
		return err
	}

	fmt.Printf("Slipway on a local AWS: commit %s of branch %s. No AWS account is touched.\n\n", shortCommit(t.commit), t.branch)
	for _, part := range []func(context.Context) error{t.prepare, t.deploy, t.provision, t.ask, t.releaseToProduction, t.clean} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return t.report(ctx)
}

// readCheckout finds the branch and the commit that the demo deploys.
func (t *tour) readCheckout(ctx context.Context) error {
	git := func(args ...string) (string, error) {
		out, err := exec.CommandContext(ctx, "git", args...).Output()
		if err != nil {
			return "", fmt.Errorf("git %s: %w: the demo deploys the checkout's own branch, so run it in a git clone", strings.Join(args, " "), err)
		}
		return strings.TrimSpace(string(out)), nil
	}
	var err error
	if t.commit, err = git("rev-parse", "HEAD"); err != nil {
		return err
	}
	if t.branch, err = git("rev-parse", "--abbrev-ref", "HEAD"); err != nil {
		return err
	}
	if t.branch == "HEAD" { // a detached checkout, as build servers make
		t.branch = "detached-" + shortCommit(t.commit)
	}
	changed, err := git("status", "--porcelain", "--", "flaskapp")
	if err != nil {
		return err
	}
	t.tag = shortCommit(t.commit)
	if changed != "" { // tags are immutable, so changed files get one of their own
		t.tag += "-dirty-" + time.Now().UTC().Format("20060102T150405")
		t.commit += "-dirty"
	}
	return nil
}

func (t *tour) prepare(ctx context.Context) error {
	err := t.run(ctx, "Find or set up a container engine", func(ctx context.Context, log io.Writer) (string, error) {
		err := t.aws.Engine(ctx, log)
		if errors.Is(err, harness.ErrNoEngine) && os.Getenv("CI") != "true" {
			t.containers = false
			t.notes = append(t.notes, "NO CONTAINER ENGINE: tasks are records, no container ran and no address was asked. "+err.Error())
			return "none: the demo goes on without containers", nil
		}
		return "", err
	})
	if err != nil {
		return err
	}
	if err := t.run(ctx, "Build the images of the application and the databases", func(ctx context.Context, log io.Writer) (string, error) {
		if !t.containers {
			return "left out: no container engine", nil
		}
		if err := t.aws.DatabaseImage(ctx, log); err != nil {
			return "", err
		}
		return "tag " + t.tag, t.aws.BuildImage(ctx, log, t.tag, t.commit)
	}); err != nil {
		return err
	}
	if err := t.run(ctx, "Start the local AWS", func(ctx context.Context, log io.Writer) (string, error) {
		return t.aws.Endpoint(), t.aws.Up(ctx, log)
	}); err != nil {
		return err
	}
	return t.run(ctx, "Bootstrap the account (cdk bootstrap)", func(ctx context.Context, log io.Writer) (string, error) {
		return "", t.aws.Bootstrap(ctx, log)
	})
}

func (t *tour) deploy(ctx context.Context) error {
	var app string
	if err := t.run(ctx, "Synthesize every stack of every stage (cdk synth)", func(ctx context.Context, log io.Writer) (note string, err error) {
		app, err = t.aws.Synth(ctx, log, "-c", "imageTag="+t.tag)
		return "", err
	}); err != nil {
		return err
	}
	if err := t.run(ctx, "Deploy the registry and put the image into it", func(ctx context.Context, log io.Writer) (string, error) {
		if err := t.aws.CDK(ctx, log, "deploy", "--app", app, contract.PlatformStack(t.cfg.Platform, contract.StackRegistry)); err != nil {
			return "", err
		}
		if !t.containers {
			return "the tag only: no container engine", t.aws.RecordImage(ctx, log, t.tag)
		}
		return "", t.aws.PushImage(ctx, log, t.tag)
	}); err != nil {
		return err
	}
	return t.run(ctx, "Deploy every stack of every stage (cdk deploy --all)", func(ctx context.Context, log io.Writer) (string, error) {
		if err := t.aws.CDK(ctx, log, "deploy", "--app", app, "--all", "--concurrency", "4"); err != nil {
			return "", err
		}
		stacks, err := t.aws.Stacks(ctx, t.cfg.Platform+"-")
		return fmt.Sprintf("%d stacks", len(stacks)), err
	})
}

func (t *tour) provision(ctx context.Context) error {
	for _, branch := range []string{t.branch, staleBranch} {
		slug, err := contract.Slug(branch)
		if err != nil {
			return err
		}
		if err := t.run(ctx, "Provision a QA environment for "+branch, func(ctx context.Context, log io.Writer) (string, error) {
			return slug, t.aws.CDK(ctx, log, "deploy", contract.QAEnvironmentStack(t.cfg.Platform, slug),
				"-c", "branch="+branch, "-c", "imageTag="+t.tag, "-c", "ttl=48h", "-c", "owner=demo@example.com")
		}); err != nil {
			return err
		}
	}
	return nil
}

// ask requests every deployed address and checks that the answer comes from the right container.
func (t *tour) ask(ctx context.Context) error {
	type address struct{ host, environment string }
	var addresses []address
	for _, stage := range t.cfg.Stages {
		if stage.Name != t.cfg.QA.Stage {
			addresses = append(addresses, address{contract.AppHost(stage.Name, stage.Production, t.cfg.Domain), stage.Name})
		}
	}
	for _, branch := range []string{t.branch, staleBranch} {
		slug, err := contract.Slug(branch)
		if err != nil {
			return err
		}
		addresses = append(addresses, address{contract.HostName(slug, t.cfg.Domain), slug})
	}

	var rows []string
	err := t.run(ctx, "Ask every address through its load balancer", func(ctx context.Context, log io.Writer) (string, error) {
		if !t.containers {
			return "left out: no container engine", nil
		}
		for _, a := range addresses {
			var version struct{ Commit, Environment string }
			if err := harness.Eventually(ctx, time.Minute, func() error {
				answer, err := t.aws.Get(ctx, a.host, "/version")
				if err != nil {
					return err
				}
				if answer.Status != 200 {
					return fmt.Errorf("https://%s/version answered %d: %s", a.host, answer.Status, shorten(answer.Body, 200))
				}
				return json.Unmarshal([]byte(answer.Body), &version)
			}); err != nil {
				return "", err
			}
			fmt.Fprintf(log, "%s: %+v\n", a.host, version)
			ready, err := t.aws.Get(ctx, a.host, "/ready")
			if err != nil {
				return "", err
			}
			if ready.Status != 200 {
				return "", fmt.Errorf("https://%s/ready answered %d: %s", a.host, ready.Status, shorten(ready.Body, 200))
			}
			if version.Commit != t.commit || version.Environment != a.environment {
				return "", fmt.Errorf("https://%s/version says commit %s and environment %s, want %s and %s",
					a.host, version.Commit, version.Environment, t.commit, a.environment)
			}
			rows = append(rows, fmt.Sprintf("https://%s\t200\tready\t%s\t%s", a.host, version.Environment, shortCommit(version.Commit)))
		}
		return fmt.Sprintf("%d of %d answered", len(rows), len(addresses)), nil
	})
	if err != nil || len(rows) == 0 {
		return err
	}
	printTable("\nADDRESS\tSTATUS\tDATABASE AND BUCKET\tENVIRONMENT\tCOMMIT", rows)
	return nil
}

// clean ends one lease and waits until the scheduled cleanup has removed the environment.
func (t *tour) clean(ctx context.Context) error {
	cluster := contract.ClusterName(t.cfg.QA.Stage)
	stale, err := contract.Slug(staleBranch)
	if err != nil {
		return err
	}
	if err := t.run(ctx, "End the lease of "+stale, func(ctx context.Context, log io.Writer) (string, error) {
		environments, err := t.aws.QAEnvironments(ctx, cluster)
		if err != nil {
			return "", err
		}
		for _, environment := range environments {
			if environment.Slug == stale {
				return "by its tag, as an hour ago", t.aws.SetExpiry(ctx, environment, time.Now().Add(-time.Hour))
			}
		}
		return "", fmt.Errorf("no environment %s among %d", stale, len(environments))
	}); err != nil {
		return err
	}
	if err := t.printEnvironments(ctx, "\nQA environments before the cleanup", cluster); err != nil {
		return err
	}
	if err := t.run(ctx, "Wait for the scheduled cleanup Lambda", func(ctx context.Context, log io.Writer) (string, error) {
		stack := contract.QAEnvironmentStack(t.cfg.Platform, stale)
		return "its stack, container and URL are gone", harness.Eventually(ctx, cleanupLimit, func() error {
			stacks, err := t.aws.Stacks(ctx, stack)
			if err != nil {
				return err
			}
			if status, there := stacks[stack]; there {
				return fmt.Errorf("the stack %s is still %s", stack, status)
			}
			environments, err := t.aws.QAEnvironments(ctx, cluster)
			if err != nil {
				return err
			}
			for _, environment := range environments {
				if environment.Slug == stale {
					return fmt.Errorf("the service %s is still there", stale)
				}
			}
			fmt.Fprintf(log, "%s and its service are gone\n", stack)
			if !t.containers {
				return nil
			}
			answer, err := t.aws.Get(ctx, contract.HostName(stale, t.cfg.Domain), "/version")
			if err != nil {
				return err
			}
			if answer.Status != 404 {
				return fmt.Errorf("https://%s still answers %d", contract.HostName(stale, t.cfg.Domain), answer.Status)
			}
			containers, err := t.aws.Containers(ctx, contract.TaskFamily(t.cfg.Platform, stale))
			if err == nil && len(containers) > 0 {
				err = fmt.Errorf("the container %s still runs", containers[0])
			}
			return err
		})
	}); err != nil {
		return err
	}
	return t.printEnvironments(ctx, "\nQA environments after the cleanup", cluster)
}

func (t *tour) printEnvironments(ctx context.Context, title, cluster string) error {
	environments, err := t.aws.QAEnvironments(ctx, cluster)
	if err != nil {
		return err
	}
	rows := make([]string, 0, len(environments))
	for _, e := range environments {
		ends := "in " + time.Until(e.Expires).Round(time.Minute).String()
		if e.Expires.Before(time.Now()) {
			ends = "expired"
		}
		rows = append(rows, fmt.Sprintf("%s\t%s\t%s\t%s\t%d\thttps://%s", e.Slug, e.Branch, e.Owner, ends, e.Running, contract.HostName(e.Slug, t.cfg.Domain)))
	}
	fmt.Println(title)
	printTable("SLUG\tBRANCH\tOWNER\tENDS\tTASKS\tURL", rows)
	fmt.Println()
	return nil
}

func (t *tour) report(ctx context.Context) error {
	stacks, err := t.aws.Stacks(ctx, t.cfg.Platform+"-")
	if err != nil {
		return err
	}
	fmt.Printf("Deployed: %d stacks in account %s, %s.\n\n", len(stacks), harness.AccountID, harness.Region)
	t.summary(os.Stdout)
	for _, note := range t.notes {
		fmt.Printf("\n%s\n", note)
	}
	fmt.Printf("\nThe local AWS stays up at %s: ask it with the AWS CLI after `eval \"$(.venv/bin/python -m local env)\"`,\n", t.aws.Endpoint())
	fmt.Printf("or a page with: curl -H 'Host: %s:443' %s/\n", contract.AppHost("prod", true, t.cfg.Domain), t.aws.Endpoint())
	fmt.Printf("Stop it with `make down`. What each step printed is in %s.\n", filepath.Clean(logs))
	return t.save()
}

func printTable(header string, rows []string) {
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, header)
	for _, row := range rows {
		fmt.Fprintln(table, row)
	}
	table.Flush()
}

func shortCommit(commit string) string { return commit[:min(12, len(commit))] }
