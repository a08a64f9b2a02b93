// Package e2e deploys the whole platform to a local AWS of its own, uses it, and destroys it.
package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/internal/config"
	"slipway/internal/contract"
	"slipway/local/harness"
)

const (
	tag         = "e2e"
	branch      = "feature/end-to-end"
	staleBranch = "feature/expired"
	owner       = "e2e@example.com"
)

// world is what the steps of the test share.
type world struct {
	cfg        *config.Config
	aws        *harness.Local
	log        io.Writer
	commit     string
	containers bool
	// accountBefore is what the account had before the platform came.
	accountBefore []string
}

// TestThePlatformFromNothingToNothing is one story; each step builds on those before it, so the first failure ends it.
func TestThePlatformFromNothingToNothing(t *testing.T) {
	root, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(filepath.Join(root, "platform.yaml"), config.Profile{Local: true, HostArchitecture: runtime.GOARCH})
	if err != nil {
		t.Fatal(err)
	}
	logs := filepath.Join(root, ".local", "logs")
	if err := os.MkdirAll(logs, 0o755); err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(logs, "e2e.log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	t.Logf("what each command prints is in %s", file.Name())

	w := &world{cfg: cfg, aws: harness.New(root, filepath.Join(".local", "e2e"), freePort(t)), log: file}
	out, err := exec.CommandContext(t.Context(), "git", "-C", root, "rev-parse", "HEAD").Output()
	if err != nil {
		t.Fatalf("find the commit: %v", err)
	}
	w.commit = strings.TrimSpace(string(out))
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
		defer cancel()
		if err := w.aws.Down(ctx, file, true); err != nil {
			t.Errorf("stop the local AWS: %v", err)
		}
	})

	for _, step := range []struct {
		name string
		run  func(t *testing.T, w *world)
	}{
		{"everything deploys from nothing", deployEverything},
		{"every stage answers over HTTPS with its own container", askStages},
		{"a QA environment answers on its host", provision},
		{"no environment sees another's data", separate},
		{"an environment sleeps by the clock, and wakes when asked", sleepAndWake},
		{"a second synthesis finds no differences", diff},
		{"an image that does not exist is refused and the running one stays", refuseUnknownImage},
		{"a deployment without an image keeps the one that runs", keepImage},
		{"a finding about a task is told, contained when approved, and undone", answerFinding},
		{"a branch goes the way of the workflows, and the pipeline deploys", deliver},
		{"production takes a good version, and no request fails", goodRelease},
		{"the hook stops a broken version, and users keep the one they had", brokenRelease},
		{"an update of the infrastructure moves no traffic, whichever side is live", updateBothSides},
		{"a restart of the AWS loses nothing", restart},
		{"the scheduled cleanup removes what expired and nothing else", cleanUp},
		{"the sweep removes what an environment left behind, once it is old enough", sweep},
		{"a protected stack is not destroyed by accident", refuseProtected},
		{"everything is destroyed and nothing stays that should not", destroyEverything},
	} {
		if !t.Run(step.name, func(t *testing.T) { step.run(t, w) }) {
			t.Fatalf("the steps after %q need it", step.name)
		}
	}
}

func deployEverything(t *testing.T, w *world) {
	ctx := t.Context()
	w.containers = true
	if err := w.aws.Engine(ctx, w.log); err != nil {
		if os.Getenv("CI") == "true" || !errors.Is(err, harness.ErrNoEngine) {
			t.Fatal(err)
		}
		w.containers = false
		t.Logf("NO CONTAINER ENGINE: no address is asked. %v", err)
	}
	if w.containers {
		check(t, w.aws.DatabaseImage(ctx, w.log))
		check(t, w.aws.BuildImage(ctx, w.log, tag, w.commit))
	}
	check(t, w.aws.Down(ctx, w.log, true)) // what an interrupted run may have left
	check(t, w.aws.Up(ctx, w.log))
	giveAccountSettings(t, w)
	check(t, w.aws.Bootstrap(ctx, w.log))
	app, err := w.aws.Synth(ctx, w.log, "-c", "imageTag="+tag)
	check(t, err)
	check(t, w.aws.CDK(ctx, w.log, "deploy", "--app", app, contract.PlatformStack(w.cfg.Platform, contract.StackRegistry)))
	if w.containers {
		check(t, w.aws.PushImage(ctx, w.log, tag))
	} else {
		check(t, w.aws.RecordImage(ctx, w.log, tag))
	}
	check(t, w.aws.CDK(ctx, w.log, "deploy", "--app", app, "--all", "--concurrency", "4"))

	stacks, err := w.aws.Stacks(ctx, w.cfg.Platform+"-")
	check(t, err)
	if want := 4 + 4*len(w.cfg.Stages); len(stacks) != want {
		t.Errorf("%d stacks, want %d: %v", len(stacks), want, stacks)
	}
	for name, status := range stacks {
		if status != "CREATE_COMPLETE" {
			t.Errorf("%s is %s", name, status)
		}
	}
	wantBaseline(t, w)
}

func askStages(t *testing.T, w *world) {
	if !w.containers {
		t.Skip("no container engine")
	}
	for _, stage := range w.cfg.Stages {
		if stage.Name == w.cfg.QA.Stage {
			continue
		}
		host := contract.AppHost(stage.Name, stage.Production, w.cfg.Domain)
		w.wantVersion(t, host, stage.Name)
		answer, err := w.aws.GetPlain(t.Context(), host, "/some?where=1")
		check(t, err)
		if location := answer.Header.Get("Location"); answer.Status != 301 || location != "https://"+host+":443/some?where=1" {
			t.Errorf("http://%s answers %d with Location %q, want a redirect to HTTPS", host, answer.Status, location)
		}
	}
	// A file goes through the load balancer into the bucket, its name into the database.
	stored, err := w.aws.Post(t.Context(), w.productionHost(), "/api/artifacts?name=kept.txt", "application/octet-stream", []byte("kept"))
	check(t, err)
	if stored.Status != 201 {
		t.Errorf("an upload answers %d: %s", stored.Status, stored.Body)
	}
	unknown, err := w.aws.Get(t.Context(), contract.HostName("nobody-00000000", w.cfg.Domain), "/")
	check(t, err)
	if unknown.Status != 404 || strings.Contains(unknown.Body, "qa-env") {
		t.Errorf("an unknown QA host gets %d %q", unknown.Status, unknown.Body)
	}
}

func provision(t *testing.T, w *world) {
	for _, name := range []string{branch, staleBranch} {
		if w.containers {
			url := "https://" + contract.HostName(slug(t, name), w.cfg.Domain)
			if told := w.qa(t, "up", "-branch", name, "-owner", owner, "-image", tag, "-ttl", "2h"); !strings.Contains(told, url) || !strings.Contains(told, owner) {
				t.Errorf("the new environment is told of so:\n%s", told)
			}
			w.wantVersion(t, contract.HostName(slug(t, name), w.cfg.Domain), slug(t, name))
		} else { // nothing would answer
			w.deployEnvironment(t, name, "-c", "imageTag="+tag, "-c", "ttl=2h")
		}
		w.minds(t, name, false)
	}
	environments, err := w.aws.QAEnvironments(t.Context(), contract.ClusterName(w.cfg.QA.Stage))
	check(t, err)
	if len(environments) != 2 {
		t.Fatalf("%d environments, want 2: %+v", len(environments), environments)
	}
	for _, environment := range environments {
		if left := time.Until(environment.Expires); environment.Owner != owner || left < time.Hour || left > 2*time.Hour {
			t.Errorf("lease of %s: owner %s, ends in %s", environment.Slug, environment.Owner, left)
		}
	}
	w.qa(t, "extend", "-branch", staleBranch, "-ttl", "4h")
	environments, err = w.aws.QAEnvironments(t.Context(), contract.ClusterName(w.cfg.QA.Stage))
	check(t, err)
	for _, environment := range environments {
		if left := time.Until(environment.Expires); environment.Branch == staleBranch && (left < 3*time.Hour || left > 4*time.Hour) {
			t.Errorf("the extended lease of %s ends in %s", environment.Slug, left)
		}
	}
}

// diff proves that the template of a deployed stack is the one that the next synthesis writes: nothing in it is random.
func diff(t *testing.T, w *world) {
	check(t, w.aws.CDK(t.Context(), w.log, "diff", "--fail", "-c", "imageTag="+tag))
}

func refuseUnknownImage(t *testing.T, w *world) {
	stage := w.cfg.Stages[0].Name
	stack := contract.StageStack(w.cfg.Platform, stage, contract.PartService)
	err := w.aws.CDK(t.Context(), w.log, "deploy", stack, "--exclusively", "-c", "imageTag=never-pushed")
	if err == nil {
		t.Fatal("an image that nobody pushed was deployed")
	}
	if !strings.Contains(err.Error(), "never-pushed") {
		t.Errorf("the error does not name the image: %v", err)
	}
	stacks, err := w.aws.Stacks(t.Context(), stack)
	check(t, err)
	if stacks[stack] != "UPDATE_ROLLBACK_COMPLETE" {
		t.Errorf("%s is %s", stack, stacks[stack])
	}
	w.wantStageVersion(t, stage)
}

func keepImage(t *testing.T, w *world) {
	stage := w.cfg.Stages[0].Name
	check(t, w.aws.CDK(t.Context(), w.log, "deploy", "--exclusively", contract.StageStack(w.cfg.Platform, stage, contract.PartService)))
	w.wantStageVersion(t, stage)
	if w.containers && w.cfg.QA.OfficeHours.Set() {
		w.putToSleep(t, branch)
	}
	w.deployEnvironment(t, branch) // renews the lease, keeps the image, and wakes it
	if w.containers {
		w.wantVersion(t, contract.HostName(slug(t, branch), w.cfg.Domain), slug(t, branch))
	}
}

func restart(t *testing.T, w *world) {
	before, err := w.aws.Stacks(t.Context(), w.cfg.Platform+"-")
	check(t, err)
	check(t, w.aws.Down(t.Context(), w.log, false))
	check(t, w.aws.Up(t.Context(), w.log))
	after, err := w.aws.Stacks(t.Context(), w.cfg.Platform+"-")
	check(t, err)
	if fmt.Sprint(before) != fmt.Sprint(after) {
		t.Errorf("stacks before %v\nand after %v", before, after)
	}
	for _, stage := range w.cfg.Stages {
		if stage.Name != w.cfg.QA.Stage {
			w.wantStageVersion(t, stage.Name)
		}
	}
	if w.containers {
		listed, err := w.aws.Get(t.Context(), w.productionHost(), "/api/artifacts")
		check(t, err)
		if !strings.Contains(listed.Body, "kept.txt") {
			t.Errorf("the file stored before the restart is gone: %d %s", listed.Status, listed.Body)
		}
	}
}

// productionHost is where production answers.
func (w *world) productionHost() string {
	return contract.AppHost("prod", true, w.cfg.Domain)
}

func cleanUp(t *testing.T, w *world) {
	ctx, cluster := t.Context(), contract.ClusterName(w.cfg.QA.Stage)
	w.qa(t, "pause", "-why", "e2e")
	made := w.makeByHand(t, cluster, "made-by-hand", contract.FormatExpiry(time.Now().Add(-time.Hour)))
	unclear := w.makeByHand(t, cluster, "nobody-knows", "next tuesday")

	environments, err := w.aws.QAEnvironments(ctx, cluster)
	if err == nil || !strings.Contains(err.Error(), "nobody-knows") {
		t.Errorf("a service without a readable lease goes unnoticed: %v", err)
	}
	_ = environments
	w.expire(t, cluster, slug(t, staleBranch))
	w.wantPaused(t, staleBranch)
	w.qa(t, "resume")

	stale := contract.QAEnvironmentStack(w.cfg.Platform, slug(t, staleBranch))
	check(t, harness.Eventually(ctx, 3*time.Minute, func() error { // the schedule is once a minute, a hand-made service may take two runs
		stacks, err := w.aws.Stacks(ctx, w.cfg.Platform+"-qa-env-")
		if err != nil {
			return err
		}
		if status, there := stacks[stale]; there {
			return fmt.Errorf("%s is %s", stale, status)
		}
		return w.gone(ctx, cluster, made)
	}))

	stacks, err := w.aws.Stacks(ctx, w.cfg.Platform+"-qa-env-")
	check(t, err)
	if len(stacks) != 1 || stacks[contract.QAEnvironmentStack(w.cfg.Platform, slug(t, branch))] == "" {
		t.Errorf("environments left: %v, want the living one only", stacks)
	}
	if err := w.gone(ctx, cluster, unclear); err == nil {
		t.Error("a service whose lease nobody can read was removed")
	}
	if w.containers {
		w.wantVersion(t, contract.HostName(slug(t, branch), w.cfg.Domain), slug(t, branch))
		answer, err := w.aws.Get(ctx, contract.HostName(slug(t, staleBranch), w.cfg.Domain), "/")
		check(t, err)
		if answer.Status != 404 {
			t.Errorf("the expired environment still answers %d", answer.Status)
		}
		for name, want := range map[string]int{staleBranch: 0, branch: 1} {
			containers, err := w.aws.Containers(ctx, contract.TaskFamily(w.cfg.Platform, slug(t, name)))
			check(t, err)
			if len(containers) != want {
				t.Errorf("%d containers of %s run, want %d", len(containers), name, want)
			}
		}
	}
	w.removeByHand(t, cluster, unclear)
	w.wantData(t, slug(t, branch))
}

func refuseProtected(t *testing.T, w *world) {
	production := contract.StageStack(w.cfg.Platform, "prod", contract.PartService)
	if err := w.aws.CDK(t.Context(), w.log, "destroy", "--exclusively", production); err == nil {
		t.Errorf("%s was destroyed in spite of its termination protection", production)
	}
	stacks, err := w.aws.Stacks(t.Context(), production)
	check(t, err)
	if len(stacks) != 1 {
		t.Errorf("%s is gone", production)
	}
}

func destroyEverything(t *testing.T, w *world) {
	ctx := t.Context()
	if out := w.qa(t, "down", "-branch", branch); !strings.Contains(out, "is gone") {
		t.Errorf("deleting the environment says %q", out)
	}
	if out := w.qa(t, "list"); !strings.Contains(out, "There are no QA environments.") {
		t.Errorf("the list says of none:\n%s", out)
	}
	for _, stage := range w.cfg.Stages {
		if stage.Retain {
			for _, part := range []string{contract.PartNetwork, contract.PartData, contract.PartCluster, contract.PartService} {
				check(t, w.aws.Unprotect(ctx, contract.StageStack(w.cfg.Platform, stage.Name, part)))
			}
		}
	}
	for _, shared := range w.protectedShared(t) {
		check(t, w.aws.Unprotect(ctx, shared))
	}
	check(t, w.aws.CDK(ctx, w.log, "destroy", "--all", "--concurrency", "4"))

	stacks, err := w.aws.Stacks(ctx, w.cfg.Platform+"-")
	check(t, err)
	if len(stacks) != 0 {
		t.Errorf("stacks left: %v", stacks)
	}
	wantAccountAsBefore(t, w)
	left, err := w.aws.Leftovers(ctx, w.cfg.Platform)
	check(t, err)
	for _, arn := range left {
		if !w.retained(arn) {
			t.Errorf("left behind: %s", arn)
		}
	}
}

// retained tells whether stages with retain keep it on purpose: data, keys, logs and the ledger. The stages'
// earlier task definitions stay everywhere, since rollbacks need them.
func (w *world) retained(arn string) bool {
	service := strings.Split(arn, ":")[2]
	for _, stage := range w.cfg.Stages {
		family := contract.StageTaskFamily(w.cfg.Platform, stage.Name)
		if strings.Contains(arn, ":task-definition/"+family+":") {
			return true
		}
	}
	return slices.Contains([]string{"s3", "kms", "logs", "rds", "secretsmanager", "ecr", "route53", "dynamodb"}, service)
}

func (w *world) wantVersion(t *testing.T, host, environment string) {
	t.Helper()
	var got struct{ Commit, Environment string }
	check(t, harness.Eventually(t.Context(), 3*time.Minute, func() error {
		answer, err := w.aws.Get(t.Context(), host, "/version")
		if err != nil {
			return err
		}
		if answer.Status != 200 {
			return fmt.Errorf("https://%s/version answers %d: %s", host, answer.Status, answer.Body)
		}
		return json.Unmarshal([]byte(answer.Body), &got)
	}))
	if got.Commit != w.commit || got.Environment != environment {
		t.Errorf("https://%s is %+v, want commit %s and environment %s", host, got, w.commit, environment)
	}
	ready, err := w.aws.Get(t.Context(), host, "/ready")
	check(t, err)
	if ready.Status != 200 {
		t.Errorf("https://%s/ready answers %d: %s", host, ready.Status, ready.Body)
	}
}

func (w *world) wantStageVersion(t *testing.T, name string) {
	t.Helper()
	stage, there := w.cfg.Stage(name)
	if !there {
		t.Fatalf("no stage %s", name)
	}
	if w.containers {
		w.wantVersion(t, contract.AppHost(name, stage.Production, w.cfg.Domain), name)
	}
}

func (w *world) deployEnvironment(t *testing.T, branch string, context ...string) {
	t.Helper()
	stack := contract.QAEnvironmentStack(w.cfg.Platform, slug(t, branch))
	check(t, w.aws.CDK(t.Context(), w.log, "deploy", append([]string{stack, "-c", "branch=" + branch, "-c", "owner=" + owner}, context...)...))
}

func slug(t *testing.T, branch string) string {
	t.Helper()
	slug, err := contract.Slug(branch)
	check(t, err)
	return slug
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	check(t, err)
	port := listener.Addr().(*net.TCPAddr).Port
	check(t, listener.Close())
	return port
}
