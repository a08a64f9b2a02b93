package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"slipway/internal/config"
	"slipway/internal/contract"
	"slipway/local/harness"
)

// release is a version that the demo brings to production. Its commit is made up: the same files are built again.
type release struct {
	title, tag, commit string
	broken             bool
}

var releases = []release{
	{title: "Deploy a good version to production", tag: "good-1", commit: "900d001"},
	{title: "Deploy a broken one, which the hook must stop", tag: "broken", commit: "bad0002", broken: true},
	{title: "Deploy a good one again", tag: "good-2", commit: "900d003"},
}

// production is the first stage that CodeDeploy deploys.
func (t *tour) production() (config.Stage, bool) {
	for _, stage := range t.cfg.Stages {
		if stage.Deployment.Strategy == config.StrategyCodeDeploy {
			return stage, true
		}
	}
	return config.Stage{}, false
}

// releaseToProduction deploys a good version, a broken one and a good one, while users send requests all the time.
func (t *tour) releaseToProduction(ctx context.Context) error {
	stage, found := t.production()
	why := ""
	switch {
	case !t.containers:
		why = "left out: no container engine"
	case !found:
		why = "left out: no stage is deployed by CodeDeploy"
	}
	if err := t.run(ctx, "Build three more versions, one of them broken", func(ctx context.Context, log io.Writer) (string, error) {
		if why != "" {
			return why, nil
		}
		for _, r := range t.releases() {
			build := t.aws.BuildImage
			if r.broken {
				build = t.aws.BuildBrokenImage
			}
			if err := errors.Join(build(ctx, log, r.tag, r.commit), t.aws.PushImage(ctx, log, r.tag)); err != nil {
				return "", err
			}
		}
		return "", nil
	}); err != nil {
		return err
	}
	var rows []string
	serving := t.commit
	for _, r := range t.releases() {
		if err := t.run(ctx, r.title, func(ctx context.Context, log io.Writer) (string, error) {
			if why != "" {
				return why, nil
			}
			row, err := t.deployRelease(ctx, log, stage, r, serving)
			if err == nil && !r.broken {
				serving = r.commit
			}
			rows = append(rows, row)
			return "", err
		}); err != nil {
			return err
		}
	}
	if len(rows) > 0 {
		printTable("\nVERSION\tDEPLOYMENT\tUSERS GOT\tLIVE\tREQUESTS\tFAILED", rows)
		fmt.Println()
	}
	return nil
}

// releases are the demo's versions under tags of this run: a tag can't be used twice.
func (t *tour) releases() []release {
	made := make([]release, 0, len(releases))
	for _, r := range releases {
		r.tag = t.tag + "-" + r.tag
		made = append(made, r)
	}
	return made
}

// deployRelease deploys one version while users send requests, and checks what they got. The row is for the table.
func (t *tour) deployRelease(ctx context.Context, log io.Writer, stage config.Stage, r release, before string) (string, error) {
	stack := contract.StageStack(t.cfg.Platform, stage.Name, contract.PartService)
	cluster, service := contract.ClusterName(stage.Name), contract.ServiceName(stage.Name)
	from, err := t.aws.ServingSide(ctx, stack, cluster, service)
	if err != nil {
		return "", err
	}
	users := t.aws.Users(ctx, contract.AppHost(stage.Name, stage.Production, t.cfg.Domain))
	result := "succeeded"
	deployed := t.aws.CDK(ctx, log, "deploy", "--exclusively", stack, "-c", "imageTag="+r.tag)
	seen := users.Requests()
	waited := harness.Eventually(ctx, time.Minute, func() error {
		if n := users.Requests() - seen; n < 20 {
			return fmt.Errorf("only %d requests after the deployment", n)
		}
		return nil
	})
	served, failed := users.Stop()
	to, err := t.aws.ServingSide(ctx, stack, cluster, service)
	if err := errors.Join(err, waited); err != nil {
		return "", err
	}
	live := before
	switch {
	case r.broken && deployed == nil:
		return "", fmt.Errorf("the broken version %s was deployed: the hook let it through", r.commit)
	case r.broken && !strings.Contains(deployed.Error(), "AfterAllowTestTraffic"):
		return "", fmt.Errorf("the deployment of the broken version failed, but not by the hook: %w", deployed)
	case r.broken:
		result = "stopped by the hook"
	case deployed != nil:
		return "", deployed
	default:
		live = r.commit
	}
	var got []string
	total := len(failed)
	for _, s := range served {
		total += s.Requests
		if s.Commit != before && s.Commit != live {
			return "", fmt.Errorf("users got the version %s while %s was deployed over %s", s.Commit, r.commit, before)
		}
		if c := shortCommit(s.Commit); len(got) == 0 || got[len(got)-1] != c {
			got = append(got, c)
		}
	}
	got = turns(got)
	fmt.Fprintf(log, "%+v\nfailed: %v\n", served, failed)
	switch {
	case len(failed) > 0:
		return "", fmt.Errorf("%d of %d requests failed during the deployment, the first one so: %s", len(failed), total, failed[0])
	case len(served) == 0 || served[len(served)-1].Commit != live:
		return "", fmt.Errorf("after the deployment users get %v, want %s", got, live)
	case (from.Colour == to.Colour) != r.broken:
		return "", fmt.Errorf("the live side went from %s to %s", from.Colour, to.Colour)
	}
	return fmt.Sprintf("%s\t%s\t%s\t%s %s\t%d\t%d", r.commit, result, strings.Join(got, ", then "), to.Colour, shortCommit(live), total, len(failed)), nil
}

// turns shortens the alternation while traffic moves to its first and last version.
func turns(got []string) []string {
	if len(got) < 3 {
		return got
	}
	return []string{got[0], "both", got[len(got)-1]}
}
