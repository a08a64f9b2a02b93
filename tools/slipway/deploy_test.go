package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"slipway/internal/config"
)

func platform(t *testing.T) *config.Config {
	t.Helper()
	cfg, err := config.Load(filepath.Join("..", "..", "platform.yaml"), config.Profile{})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func TestOrdersBecomeDeployments(t *testing.T) {
	cfg := platform(t)
	for sentence, c := range map[string]struct {
		order  order
		fault  string
		stacks string
		before string
	}{
		"a stage":                          {order: order{stage: "dev", image: "abc"}, stacks: "slipway-dev-*"},
		"production, after the last stage": {order: order{stage: "prod", image: "abc"}, stacks: "slipway-prod-*", before: "stage"},
		"a QA environment":                 {order: order{branch: "feature/new-awesome-feature", image: "abc", owner: "me"}, stacks: "slipway-qa-env-feature-new-awe-9aa2fb69"},
		"nothing at all":                   {fault: "either -stage or -branch"},
		"both":                             {order: order{stage: "dev", branch: "x", image: "abc"}, fault: "either -stage or -branch"},
		"no image":                         {order: order{stage: "dev"}, fault: "give -image"},
		"a stage that isn't there":         {order: order{stage: "live", image: "abc"}, fault: `"live"`},
		"the QA stage":                     {order: order{stage: "qa", image: "abc"}, fault: `"qa"`},
		"a lease for a stage":              {order: order{stage: "dev", image: "abc", ttl: "2h"}, fault: "only QA environments expire"},
		"a branch's full ref":              {order: order{branch: "refs/heads/x", image: "abc", owner: "me"}, fault: "without refs/heads/"},
		"a lease that is too long":         {order: order{branch: "x", image: "abc", owner: "me", ttl: "10000h"}, fault: "qa.maxTtl"},
		"nobody asks":                      {order: order{branch: "x", image: "abc"}, fault: "who asks"},
		"a branch that is an option":       {order: order{branch: "--help", image: "abc", owner: "me"}, fault: "hyphen"},
	} {
		d, err := c.order.plan(cfg)
		if (err != nil) != (c.fault != "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %v, want %q", sentence, err, c.fault)
			continue
		}
		before := ""
		if d.before != nil {
			before = d.before.Name
		}
		if strings.Join(d.stacks, " ") != c.stacks || before != c.before {
			t.Errorf("%s: stacks %v, before %q", sentence, d.stacks, before)
		}
	}
}

func TestProductionFollowsTheStageBeforeIt(t *testing.T) {
	cfg := platform(t)
	cfg.Stages = slices.DeleteFunc(cfg.Stages, func(s config.Stage) bool { return s.Name == "stage" })
	production, _ := cfg.ProductionStage()
	if got := before(cfg, production); got == nil || got.Name != "dev" { // qa lies between, but has no service
		t.Errorf("got %+v", got)
	}
	cfg.Stages = slices.DeleteFunc(cfg.Stages, func(s config.Stage) bool { return s.Name == "dev" })
	production, _ = cfg.ProductionStage()
	if got := before(cfg, production); got != nil {
		t.Errorf("got %+v", got)
	}
}

func TestJobContext(t *testing.T) {
	cfg := platform(t)
	for sentence, c := range map[string]struct{ purpose, branch, role, fault string }{
		"pushing images":             {"image", "", "arn:aws:iam::111111111111:role/slipway-github-image", ""},
		"deploying production":       {"deploy-prod", "", "arn:aws:iam::111111111111:role/slipway-github-deploy-prod", ""},
		"a QA environment":           {"qa", "feature/new-awesome-feature", "arn:aws:iam::111111111111:role/slipway-github-qa", ""},
		"a stage that isn't there":   {"deploy-live", "", "", "no such stage"},
		"the QA stage":               {"deploy-qa", "", "", "no such stage"},
		"something else":             {"admin", "", "", "give image, qa, diff"},
		"nothing":                    {"", "", "", "give image, qa, diff"},
		"a branch that git wouldn't": {"qa", "a..b", "", "git refuses"},
	} {
		got, err := jobContext(cfg, c.purpose, c.branch)
		if (err != nil) != (c.fault != "") || err != nil && !strings.Contains(err.Error(), c.fault) {
			t.Errorf("%s: %v, want %q", sentence, err, c.fault)
			continue
		}
		if got["role"] != c.role || err == nil && got["region"] != "eu-west-1" {
			t.Errorf("%s: %v", sentence, got)
		}
		if c.branch != "" && err == nil && got["url"] != "https://feature-new-awe-9aa2fb69.qa.example.com" {
			t.Errorf("%s: %v", sentence, got)
		}
	}
	cfg.GitHub = config.GitHub{}
	if _, err := jobContext(cfg, "image", ""); err == nil {
		t.Error("without a repository there is no role")
	}
}

func TestResultsReachTheNextSteps(t *testing.T) {
	file := filepath.Join(t.TempDir(), "output")
	t.Setenv("GITHUB_OUTPUT", file)
	var out strings.Builder
	if err := output(&out, map[string]string{"b": "2", "a": "1=1"}); err != nil {
		t.Fatal(err)
	}
	if written, err := os.ReadFile(file); err != nil || string(written) != "a=1=1\nb=2\n" || out.String() != string(written) {
		t.Errorf("%v: %q, %q", err, written, &out)
	}
	if err := output(&out, map[string]string{"a": "1\nrole=other"}); err == nil {
		t.Error("a value set another output")
	}
}

func TestWhereBuilt(t *testing.T) {
	from := func(env map[string]string) func(string) string { return func(name string) string { return env[name] } }
	source, builder, run := whereBuilt(from(map[string]string{
		"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "o/r", "GITHUB_WORKFLOW_REF": "o/r/.github/workflows/deployment.yml@refs/heads/main", "GITHUB_RUN_ID": "7",
	}))
	if source != "https://github.com/o/r" || builder != "https://github.com/o/r/.github/workflows/deployment.yml@refs/heads/main" || run != "https://github.com/o/r/actions/runs/7" {
		t.Error(source, builder, run)
	}
	if source, builder, run := whereBuilt(from(nil)); strings.Contains(source+builder+run, "github") {
		t.Error("a person's machine passes for GitHub", source, builder, run)
	}
}
