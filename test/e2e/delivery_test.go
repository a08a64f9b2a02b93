package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"

	"slipway/internal/contract"
	"slipway/local/harness"
)

const deliveredBranch = "feature/delivered"

// deliver does what the workflows do, in their order, for an environment of its own, while the real CDK CLI deploys the
// pipeline beside it.
func deliver(t *testing.T, w *world) {
	pipeline := make(chan error, 1)
	go func() { pipeline <- w.deployPipeline(t) }()
	w.deliverBranch(t)
	check(t, <-pipeline)
	w.wantPipeline(t)
}

// deliverBranch is the way of a branch: checked, deployed, expired, purged.
func (w *world) deliverBranch(t *testing.T) {
	ctx, slug := t.Context(), slug(t, deliveredBranch)
	report, err := w.aws.Slipway(ctx, w.log, "doctor", "-stage", w.cfg.QA.Stage, "-image", tag, "-bootstrap-roles")
	check(t, err)
	for _, want := range []string{"is bootstrapped", "may be deployed", "not checked: the quota of Fargate's vCPUs", " 0 bad."} {
		if !strings.Contains(report, want) {
			t.Errorf("the doctor doesn't say %q:\n%s", want, report)
		}
	}
	if report, err := w.aws.Slipway(ctx, w.log, "doctor", "-stage", "prod", "-image", "never-pushed", "-bootstrap-roles"); err == nil || !strings.Contains(report, " 1 bad.") {
		t.Errorf("the doctor lets an image pass that nobody pushed: %v\n%s", err, report)
	}

	// It compares what runs itself; what it says must be the registry's digest of the tag.
	if w.containers {
		said, err := w.aws.Slipway(ctx, w.log, "deploy", "-branch", deliveredBranch, "-image", tag, "-ttl", "1h", "-owner", owner, "-bootstrap-roles")
		check(t, err)
		digest, err := w.aws.Digest(ctx, w.cfg.Registry.Repository, tag)
		check(t, err)
		if !strings.Contains(said, "digest="+digest+"\n") {
			t.Errorf("deployed\n%swant digest=%s", said, digest)
		}
		w.wantVersion(t, contract.HostName(slug, w.cfg.Domain), slug)
	} else { // without containers there is nothing to compare
		w.deployEnvironment(t, deliveredBranch, "-c", "imageTag="+tag)
	}

	// The scheduled cleanup must not be quicker.
	_, err = w.aws.Slipway(ctx, w.log, "qa", "pause", "-why", "end-to-end")
	check(t, err)
	w.expire(t, contract.ClusterName(w.cfg.QA.Stage), slug)
	if left, err := w.aws.Slipway(ctx, w.log, "expired", "-late", "0s", "-bootstrap-roles"); err == nil || !strings.HasPrefix(left, slug+": its lease ended") || strings.Count(left, "\n") != 1 || !strings.Contains(err.Error(), "should be gone") {
		t.Errorf("an expired environment goes unnoticed, or others don't: %v\n%s", err, left)
	}
	gone, err := w.aws.Slipway(ctx, w.log, "purge", "-branch", deliveredBranch, "-bootstrap-roles")
	check(t, err)
	if want := contract.QAEnvironmentStack(w.cfg.Platform, slug) + " is gone\n"; !strings.HasSuffix(gone, want) {
		t.Errorf("the purge says %q, want %q at the end", gone, want)
	}
	_, err = w.aws.Slipway(ctx, w.log, "expired", "-late", "0s", "-bootstrap-roles")
	check(t, err)
	_, err = w.aws.Slipway(ctx, w.log, "qa", "resume")
	check(t, err)
}

// deployPipeline synthesizes the app in a folder whose configuration has a pipeline, and deploys that stack.
func (w *world) deployPipeline(t *testing.T) error {
	folder := filepath.Join(w.aws.Root, w.aws.Directory, "pipeline")
	configuration, err := os.ReadFile(filepath.Join(w.aws.Root, "platform.yaml"))
	if err != nil {
		return err
	}
	configuration = fmt.Appendf(configuration, "\npipeline:\n  repository: example/shop\n  connectionArn: arn:aws:codeconnections:%s:111111111111:connection/01234567-89ab-cdef-0123-456789abcdef\n", harness.Region)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(folder, "platform.yaml"), configuration, 0o600); err != nil {
		return err
	}
	if err := os.Symlink(filepath.Join(w.aws.Root, "build"), filepath.Join(folder, "build")); err != nil && !os.IsExist(err) {
		return err
	}
	return w.aws.CDK(t.Context(), w.log, "deploy", "--app", "cd '"+folder+"' && build/slipway", "--output", filepath.Join(folder, "cdk.out"),
		"--exclusively", contract.PlatformStack(w.cfg.Platform, contract.StackPipeline))
}

// wantPipeline checks what the pipeline's stack made, and takes it away again.
func (w *world) wantPipeline(t *testing.T) {
	ctx, name := t.Context(), contract.PlatformStack(w.cfg.Platform, contract.StackPipeline)
	kinds := map[string]int{}
	pages := cloudformation.NewListStackResourcesPaginator(w.aws.CloudFormation(), &cloudformation.ListStackResourcesInput{StackName: &name})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		check(t, err)
		for _, r := range page.StackResourceSummaries {
			kinds[aws.ToString(r.ResourceType)]++
		}
	}
	// Synthesis, its own change, assets and the image; a doctor for each wave (the QA stage goes in that of the first), and a
	// question to each stage with an application.
	if projects := 4 + 1 + 2*(len(w.cfg.Stages)-1); kinds["AWS::CodePipeline::Pipeline"] != 1 || kinds["AWS::CodeBuild::Project"] != projects {
		t.Errorf("%s has %v, want a pipeline and %d projects", name, kinds, projects)
	}
	roles, err := w.aws.TrustedSubjects(ctx)
	check(t, err)
	for _, purpose := range []string{contract.GitHubImage, contract.GitHubQA, contract.GitHubDiff, contract.GitHubDeploy("prod")} {
		subject := contract.GitHubSubject(w.cfg.GitHub.Repository, w.cfg.GitHub.OwnerID, w.cfg.GitHub.RepositoryID, purpose)
		if got := roles[contract.GitHubRole(w.cfg.Platform, purpose)]; !slices.Equal(got, []string{subject}) {
			t.Errorf("the role of %s trusts %v, want %s", purpose, got, subject)
		}
	}
	check(t, w.aws.Unprotect(ctx, name))
	check(t, w.aws.CDK(ctx, w.log, "destroy", "--app", filepath.Join(w.aws.Directory, "pipeline", "cdk.out"), "--exclusively", name))
}
