package test

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"slipway/internal/config"
)

// workflow is what these tests look at in a workflow.
type workflow struct {
	On          map[string]any
	Permissions map[string]string
	Concurrency struct {
		Group  string
		Cancel any `yaml:"cancel-in-progress"`
	}
	Jobs map[string]job

	text string
}

type job struct {
	If          string
	Needs       any
	Environment any
	Permissions map[string]string
	Timeout     int `yaml:"timeout-minutes"`
	Steps       []step
}

type step struct {
	Uses string
	Run  string
	With map[string]any
	Env  map[string]string
}

func workflows(t *testing.T) map[string]workflow {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, ".github", "workflows", "*.yml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no workflows: %v", err)
	}
	all := map[string]workflow{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		w := workflow{text: string(text)}
		if err := yaml.Unmarshal(text, &w); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		all[filepath.Base(file)] = w
	}
	return all
}

// The repository as platform.yaml has it, and the events that start workflows, as GitHub describes their payloads.
//
// https://docs.github.com/webhooks/webhook-events-and-payloads
const repository = "example/slipway"

func with(base event, more event) event {
	e := event{"github.repository": repository, "github.ref": "refs/heads/main", "github.run_id": "4711", "github.sha": "c0ffee", "vars.SLIPWAY_DEPLOYED": "true"}
	maps.Copy(e, base)
	maps.Copy(e, more)
	return e
}

func dispatch(inputs event) event {
	return with(event{"github.event_name": "workflow_dispatch"}, inputs)
}

func pullRequest(branch, from string) event {
	return with(event{
		"github.event_name": "pull_request", "github.event.pull_request.head.ref": branch, "github.head_ref": branch, "github.ref": "refs/pull/7/merge",
		"github.event.pull_request.head.repo.full_name": from, "github.event.pull_request.number": "7",
	}, nil)
}

func deletion(ref, kind string) event {
	return with(event{"github.event_name": "delete", "github.event.ref": ref, "github.event.ref_type": kind}, nil)
}

func TestDeploymentsAndPurgesOfABranchShareOneQueue(t *testing.T) {
	all := workflows(t)
	up, down := all["qa-environment.yml"], all["qa-purge.yml"]
	queues := map[string]string{}
	for _, branch := range []string{"feature/login", "feature-login", "main", "日本語", "release/1.0_x"} {
		groups := map[string]string{
			"deployment by hand":      up.group(t, dispatch(event{"inputs.branch": branch})),
			"pull request, pushed to": up.group(t, pullRequest(branch, repository)),
			"pull request, closed":    down.group(t, pullRequest(branch, repository)),
			"branch deleted":          down.group(t, deletion(branch, "branch")),
			"purge by hand":           down.group(t, dispatch(event{"inputs.branch": branch})),
		}
		for sentence, group := range groups {
			if want := groups["deployment by hand"]; group != want || !strings.HasSuffix(group, branch) {
				t.Errorf("%s: %s waits in %q, want %q", branch, sentence, group, want)
			}
		}
		queues[groups["deployment by hand"]] = branch
	}
	if len(queues) != 5 {
		t.Errorf("branches share queues: %v", queues)
	}
	nightly := down.group(t, with(event{"github.event_name": "schedule"}, nil))
	if queues[nightly] != "" || nightly == "qa-" {
		t.Errorf("the nightly check waits in %q", nightly)
	}
	if deploy := all["deployment.yml"]; deploy.group(t, dispatch(event{"inputs.stage": "stage"})) == deploy.group(t, dispatch(event{"inputs.stage": "prod"})) {
		t.Error("two stages share a queue")
	}
	for _, name := range []string{"qa-environment.yml", "qa-purge.yml", "deployment.yml"} {
		if all[name].Concurrency.Cancel != false {
			t.Errorf("%s breaks off what CloudFormation is at", name)
		}
	}
}

func (w workflow) group(t *testing.T, e event) string {
	t.Helper()
	return e.render(t, w.Concurrency.Group)
}

// runs says which jobs an event starts, those that need another one included.
func (w workflow) runs(t *testing.T, e event) map[string]job {
	t.Helper()
	started := map[string]job{}
	for range w.Jobs {
		for name, j := range w.Jobs {
			ready := j.If == "" || truthy(e.evaluate(t, j.If))
			for _, needed := range listOf(j.Needs) {
				_, there := started[needed]
				ready = ready && there
			}
			if ready {
				started[name] = j
			}
		}
	}
	return started
}

func listOf(v any) (names []string) {
	switch v := v.(type) {
	case string:
		names = append(names, v)
	case []any:
		for _, name := range v {
			names = append(names, fmt.Sprint(name))
		}
	}
	return names
}

func (j job) environment(t *testing.T, e event) string {
	t.Helper()
	switch v := j.Environment.(type) {
	case string:
		return e.render(t, v)
	case map[string]any:
		return e.render(t, fmt.Sprint(v["name"]))
	}
	return ""
}

var purposeFlag = regexp.MustCompile(`-purpose "?([a-z$A-Z-]+)"?`)

// purpose is what the job asks for the role of.
func (j job) purpose(t *testing.T, e event) string {
	t.Helper()
	for _, s := range j.Steps {
		if found := purposeFlag.FindStringSubmatch(s.Run); found != nil {
			return os.Expand(found[1], func(name string) string { return e.render(t, s.Env[name]) })
		}
	}
	return ""
}

// TestEachJobIsTrustedByItsRoleAndNoOther renders the subject of each job's token for each trigger, and compares it with the
// trust policies in the templates.
func TestEachJobIsTrustedByItsRoleAndNoOther(t *testing.T) {
	roles := trusted(t, shippedAssembly(t))
	used := map[string]bool{}
	for _, c := range []struct {
		file  string
		event event
		jobs  []string // with a role
	}{
		{"ci.yml", pullRequest("feature/x", repository), []string{"deployed"}},
		{"ci.yml", with(event{"github.event_name": "push"}, nil), nil},
		{"deployment.yml", dispatch(event{"inputs.branch": "main", "inputs.stage": "dev"}), []string{"deploy", "image"}},
		{"deployment.yml", dispatch(event{"inputs.branch": "main", "inputs.stage": "stage"}), []string{"deploy", "image"}},
		{"deployment.yml", dispatch(event{"inputs.branch": "main", "inputs.stage": "prod"}), []string{"deploy", "image"}},
		{"qa-environment.yml", dispatch(event{"inputs.branch": "feature/x"}), []string{"deploy", "image"}},
		{"qa-environment.yml", pullRequest("feature/x", repository), []string{"deploy", "image"}},
		{"qa-purge.yml", dispatch(event{"inputs.branch": "feature/x"}), []string{"purge"}},
		{"qa-purge.yml", pullRequest("feature/x", repository), []string{"purge"}},
		{"qa-purge.yml", deletion("feature/x", "branch"), []string{"purge"}},
		{"qa-purge.yml", deletion("v1.0", "tag"), nil},
		{"qa-purge.yml", with(event{"github.event_name": "schedule"}, nil), []string{"nightly"}},
	} {
		var withRole []string
		for name, j := range workflows(t)[c.file].runs(t, c.event) {
			if j.Permissions["id-token"] == "" {
				continue
			}
			withRole = append(withRole, name)
			environment, purpose := j.environment(t, c.event), j.purpose(t, c.event)
			role := "slipway-github-" + purpose
			used[role] = true
			subject := "repo:example@1/slipway@1:environment:" + environment
			if roles[role] != subject {
				t.Errorf("%s: job %s asks for %s, which trusts %q, and comes as %q", c.file, name, role, roles[role], subject)
			}
		}
		slices.Sort(withRole)
		if !slices.Equal(withRole, c.jobs) {
			t.Errorf("%s, %v: %v run with a role, want %v", c.file, c.event["github.event_name"], withRole, c.jobs)
		}
	}
	for role := range roles {
		if !used[role] {
			t.Errorf("no job uses %s", role)
		}
	}
}

// TestDeploymentsBeginWithTheDoctor: it is the first step with credentials, and it looks at what is then deployed, by the roles
// that the deployment takes too.
func TestDeploymentsBeginWithTheDoctor(t *testing.T) {
	cfg, err := config.Load(filepath.Join(root, "platform.yaml"), config.Profile{})
	if err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"deployment.yml":     `go run ./tools/slipway doctor -stage "$STAGE" -image "$DIGEST" -bootstrap-roles`,
		"qa-environment.yml": `go run ./tools/slipway doctor -stage ` + cfg.QA.Stage + ` -image "$DIGEST" -bootstrap-roles`,
	} {
		steps := workflows(t)[file].Jobs["deploy"].Steps
		i := slices.IndexFunc(steps, func(s step) bool { return strings.HasPrefix(s.Uses, "aws-actions/configure-aws-credentials@") })
		if i < 0 || i+2 >= len(steps) || steps[i+1].Run != want || !strings.HasPrefix(steps[i+2].Run, "go run ./tools/slipway deploy ") {
			t.Errorf("%s: after the credentials come %+v, want %q and the deployment", file, steps[i+1:], want)
			continue
		}
		for _, name := range []string{"STAGE", "DIGEST"} {
			if doctor, deploy := steps[i+1].Env[name], steps[i+2].Env[name]; doctor != deploy {
				t.Errorf("%s: the doctor looks at %s %q, the deployment takes %q", file, name, doctor, deploy)
			}
		}
	}
}

func TestForksGetNoCredentials(t *testing.T) {
	events := map[string]event{"a fork's pull request": pullRequest("main", "someone/slipway"), "one whose fork is gone": pullRequest("main", "")}
	for file, w := range workflows(t) {
		if w.On["pull_request_target"] != nil || w.On["workflow_run"] != nil {
			t.Errorf("%s runs a fork's change with the rights of this repository", file)
		}
		if _, ok := w.On["pull_request"]; !ok {
			continue
		}
		for sentence, e := range events {
			for name, j := range w.runs(t, e) {
				if j.Environment != nil || j.Permissions["id-token"] != "" || slices.Contains(slices.Collect(maps.Values(j.Permissions)), "write") {
					t.Errorf("%s: %s starts job %s", file, sentence, name)
				}
			}
		}
	}
}

var pinned = regexp.MustCompile(`^[a-z-]+/[a-z-]+@[0-9a-f]{40}$`)

func TestWorkflowsAreSafeByDefault(t *testing.T) {
	for file, w := range workflows(t) {
		if len(w.Permissions) != 0 || !strings.Contains(w.text, "\npermissions: {}\n") {
			t.Errorf("%s gives all jobs %v; give each job what it needs", file, w.Permissions)
		}
		if strings.Contains(w.text, "secrets.") || strings.Contains(w.text, "aws-secret-access-key") {
			t.Errorf("%s uses a stored secret", file)
		}
		if w.Concurrency.Group == "" {
			t.Errorf("%s may run twice at once", file)
		}
		for name, j := range w.Jobs {
			if j.Permissions == nil || j.Timeout == 0 {
				t.Errorf("%s: job %s says not what it may, or for how long", file, name)
			}
			for _, s := range j.Steps {
				checkStep(t, file+", job "+name, s)
			}
		}
	}
}

func checkStep(t *testing.T, where string, s step) {
	t.Helper()
	if strings.Contains(s.Run, "${{") {
		t.Errorf("%s: an expression becomes part of the script %q; hand it over by the environment", where, s.Run)
	}
	for name, value := range s.Env {
		// A name that a script uses without quotes could become several words, or options.
		for _, use := range regexp.MustCompile(`(.?)\$\{?`+name+`\b`).FindAllStringSubmatch(s.Run, -1) {
			if use[1] != `"` && use[1] != "-" && strings.Contains(value, "inputs.") {
				t.Errorf("%s: %s is used without quotes in %q", where, name, s.Run)
			}
		}
	}
	if strings.Count(s.Run, "\n") > 8 {
		t.Errorf("%s: a script of %d lines; make it a command with tests", where, strings.Count(s.Run, "\n"))
	}
	switch {
	case s.Uses == "", strings.HasPrefix(s.Uses, "./"):
	case !pinned.MatchString(s.Uses):
		t.Errorf("%s: %s isn't pinned by commit", where, s.Uses)
	case strings.HasPrefix(s.Uses, "actions/checkout@") && s.With["persist-credentials"] != false:
		t.Errorf("%s: the checkout leaves its token behind", where)
	}
}

// TestEachPinNamesItsVersion: updates are proposed by the comment, and people read it.
func TestEachPinNamesItsVersion(t *testing.T) {
	versions := map[string]string{}
	for file, w := range workflows(t) {
		for line := range strings.Lines(w.text) {
			_, uses, ok := strings.Cut(line, "uses: ")
			if !ok || strings.HasPrefix(uses, "./") {
				continue
			}
			pin, version, named := strings.Cut(strings.TrimSpace(uses), " # v")
			if !named || !regexp.MustCompile(`^\d+\.\d+\.\d+$`).MatchString(version) {
				t.Errorf("%s: %s doesn't say which version it is", file, pin)
			}
			action, _, _ := strings.Cut(pin, "@")
			if known := versions[action]; known != "" && known != pin {
				t.Errorf("%s: %s here, %s elsewhere", file, pin, known)
			}
			versions[action] = pin
		}
	}
}

func TestStagesToChooseAreThoseOfTheConfiguration(t *testing.T) {
	cfg, err := config.Load(filepath.Join(root, "platform.yaml"), config.Profile{})
	if err != nil {
		t.Fatal(err)
	}
	var stages []string
	for _, stage := range cfg.Stages {
		if stage.Name != cfg.QA.Stage {
			stages = append(stages, stage.Name)
		}
	}
	options := list(at(workflows(t)["deployment.yml"].On["workflow_dispatch"], "inputs.stage.options"))
	if text(options) != text(stages) {
		t.Errorf("deployment.yml offers %s, platform.yaml has %v", text(options), stages)
	}
}
