package test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sort"
	"strings"
	"sync"
	"testing"

	"slipway/constructs/pipeline"
	"slipway/internal/config"
)

func setPipeline(cfg *config.Config) {
	cfg.Pipeline = config.Pipeline{
		ConnectionARN: "arn:aws:codeconnections:eu-west-1:111111111111:connection/01234567-89ab-cdef-0123-456789abcdef",
		Repository:    "example/shop", Branch: "main",
	}
}

// piped is the shipped configuration with a pipeline; pipedAccounts that with an account for every purpose.
var (
	piped = sync.OnceValues(func() (*assembly, error) {
		return synthesize(setPipeline, map[string]string{"imageTag": "3f1c2ab"})
	})
	pipedAccounts = sync.OnceValues(func() (*assembly, error) {
		return synthesize(func(cfg *config.Config) { severalAccounts(cfg); setPipeline(cfg) }, map[string]string{"imageTag": "3f1c2ab"})
	})
)

// nested are the assemblies of the pipeline's stages, by the stage's name.
func nested(t *testing.T, whole *assembly) map[string]*assembly {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(whole.directory, "pipeline-*", "assembly-*"))
	if err != nil || len(found) == 0 {
		t.Fatalf("no stages in the assembly: %v", err)
	}
	stages := map[string]*assembly{}
	for _, folder := range found {
		stage, err := readAssembly(folder)
		if err != nil {
			t.Fatal(err)
		}
		stages[strings.TrimPrefix(filepath.Base(filepath.Dir(folder)), "pipeline-")] = stage
	}
	return stages
}

// manifestStacks are the stacks of an assembly as the deployment sees them, by name and account: two accounts have a
// security stack of the same name.
func manifestStacks(t *testing.T, directory string) map[string]map[string]any {
	t.Helper()
	var manifest struct {
		Artifacts map[string]map[string]any `json:"artifacts"`
	}
	if err := readJSON(filepath.Join(directory, "manifest.json"), &manifest); err != nil {
		t.Fatal(err)
	}
	stacks := map[string]map[string]any{}
	for id, artifact := range manifest.Artifacts {
		if artifact["type"] != "aws:cloudformation:stack" {
			continue
		}
		name := at(artifact, "properties.stackName")
		if name == nil {
			name = id
		}
		stacks[fmt.Sprint(name, " in ", artifact["environment"])] = artifact
	}
	return stacks
}

// TestThePipelineDeploysWhatIsDeployedByHand: the same stacks in the same accounts, with the same protection and tags, from
// templates that are the same byte for byte. So either can go on where the other ended.
func TestThePipelineDeploysWhatIsDeployedByHand(t *testing.T) {
	for name, synthesis := range map[string]func() (*assembly, error){"one account": piped, "several accounts": pipedAccounts} {
		t.Run(name, func(t *testing.T) {
			whole := must(t, synthesis)
			byHand := manifestStacks(t, whole.directory)
			var seen int
			for stage, part := range nested(t, whole) {
				for _, message := range append(part.errors, part.warnings...) {
					t.Error(message)
				}
				for stack, artifact := range manifestStacks(t, part.directory) {
					twin := byHand[stack]
					if twin == nil {
						t.Errorf("%s is deployed by the pipeline's stage %s and not by hand", stack, stage)
						continue
					}
					seen++
					for _, property := range []string{"properties.terminationProtection", "properties.tags", "properties.assumeRoleArn", "properties.cloudFormationExecutionRoleArn"} {
						if got, want := text(at(artifact, property)), text(at(twin, property)); got != want {
							t.Errorf("%s: %s is %s in the pipeline and %s by hand", stack, property, got, want)
						}
					}
					got := readBytes(t, part.directory, at(artifact, "properties.templateFile"))
					want := readBytes(t, whole.directory, at(twin, "properties.templateFile"))
					if !bytes.Equal(got, want) {
						line := firstDifference(got, want) - 1
						t.Errorf("%s: the pipeline's template differs from line %d: %s, by hand %s", stack, line+1,
							bytes.Split(got, []byte("\n"))[line], bytes.Split(want, []byte("\n"))[line])
					}
				}
			}
			if seen != len(byHand)-1 {
				t.Errorf("the pipeline deploys %d of the %d other stacks", seen, len(byHand)-1)
			}
		})
	}
}

func readBytes(t *testing.T, folder string, file any) []byte {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(folder, fmt.Sprint(file)))
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// actions are the actions of the pipeline by stage, in their order.
func pipelineStages(t *testing.T, whole *assembly) (order []string, actions map[string][]any) {
	t.Helper()
	actions = map[string][]any{}
	for _, stage := range list(whole.stack(t, "slipway-pipeline").one(t, "AWS::CodePipeline::Pipeline").at("Stages")) {
		name := fmt.Sprint(at(stage, "Name"))
		order = append(order, name)
		actions[name] = list(at(stage, "Actions"))
	}
	return order, actions
}

func order(action any) int { n, _ := at(action, "RunOrder").(float64); return int(n) }

func TestThePipelineGoesFromStageToStage(t *testing.T) {
	got, actions := pipelineStages(t, must(t, piped))
	want := []string{"Source", "Build", "UpdatePipeline", "Assets", "shared", "image", "dev", "stage", "prod"}
	if !slices.Equal(got, want) {
		t.Fatalf("stages %v, want %v", got, want)
	}
	find := func(stage, name string) any {
		for _, action := range actions[stage] {
			if at(action, "Name") == name {
				return action
			}
		}
		var names []any
		for _, action := range actions[stage] {
			names = append(names, at(action, "Name"))
		}
		t.Fatalf("no action %s in %s: %v", name, stage, names)
		return nil
	}
	for _, stage := range []string{"dev", "stage", "prod"} {
		own := stage + "."
		if stage != "dev" {
			own = "" // a stage that is alone in its wave
		}
		doctor, smoke := find(stage, "Doctor-"+stage), find(stage, own+"Smoke-"+stage)
		for _, action := range actions[stage] {
			if at(action, "Name") == at(doctor, "Name") || at(action, "Name") == at(smoke, "Name") {
				continue
			}
			if order(action) <= order(doctor) {
				t.Errorf("%s: %v doesn't wait for the doctor", stage, at(action, "Name"))
			}
			if strings.Contains(fmt.Sprint(at(action, "Name")), "slipway-"+stage) && order(action) >= order(smoke) {
				t.Errorf("%s: the smoke test doesn't wait for %v", stage, at(action, "Name"))
			}
		}
	}
	for stage, of := range actions {
		for _, action := range of {
			if approval := at(action, "ActionTypeId.Category") == "Approval"; approval != (at(action, "Name") == "Approve-prod") || approval && stage != "prod" {
				t.Errorf("%s: %v: only prod waits for an approval", stage, at(action, "Name"))
			}
		}
	}
	approval := find("prod", "Approve-prod")
	if order(approval) <= order(find("prod", "Doctor-prod")) {
		t.Error("the approval doesn't wait for the doctor")
	}
	for _, action := range actions["prod"] {
		if at(action, "ActionTypeId.Provider") == "CloudFormation" && order(action) <= order(approval) {
			t.Errorf("%v doesn't wait for the approval", at(action, "Name"))
		}
	}
	if !slices.ContainsFunc(actions["dev"], func(action any) bool { return strings.HasPrefix(fmt.Sprint(at(action, "Name")), "qa.") }) {
		t.Error("the QA stage isn't beside dev")
	}
	if n := len(actions["dev"]) + len(actions["prod"]); n > 100 {
		t.Errorf("%d actions; CodePipeline takes 50 in a stage", n)
	}
}

// TestThePipelineReachesOtherAccounts: CloudFormation's actions act by the bootstrap roles of the account of each stage.
func TestThePipelineReachesOtherAccounts(t *testing.T) {
	_, actions := pipelineStages(t, must(t, pipedAccounts))
	for stage, account := range map[string]string{"shared": "111111111111", "dev": "222222222222", "stage": "222222222222", "prod": "333333333333"} {
		for _, action := range actions[stage] {
			if at(action, "ActionTypeId.Provider") != "CloudFormation" {
				continue
			}
			want := ":iam::" + account + ":role/cdk-hnb659fds-deploy-role-" + account + "-eu-west-1"
			if strings.Contains(fmt.Sprint(at(action, "Name")), "security") {
				continue // one in each account
			}
			if got := text(at(action, "RoleArn")); !strings.Contains(got, want) {
				t.Errorf("%s: %v acts as %s, want %s", stage, at(action, "Name"), got, want)
			}
		}
	}
}

// buildSpecs are the build specifications of every CodeBuild project, by the project's logical ID.
func buildSpecs(t *testing.T, whole *assembly) map[string]string {
	specs := map[string]string{}
	for _, project := range whole.stack(t, "slipway-pipeline").all("AWS::CodeBuild::Project") {
		specs[project.LogicalID] = text(project.at("Source.BuildSpec"))
	}
	return specs
}

func TestThePipelinesStepsAreRestricted(t *testing.T) {
	stack := must(t, piped).stack(t, "slipway-pipeline")
	privileged := 0
	for _, project := range stack.all("AWS::CodeBuild::Project") {
		if project.at("Environment.PrivilegedMode") == true {
			privileged++
			if !strings.Contains(text(project.at("Source.BuildSpec")), "slipway image") {
				t.Errorf("%s has Docker and builds no image", project.LogicalID)
			}
		}
		project.want(t, "LogsConfig.CloudWatchLogs.Status", "ENABLED")
		if group := fmt.Sprint(at(project.at("LogsConfig.CloudWatchLogs.GroupName"), "Ref")); stack.Resources[group].Type != "AWS::Logs::LogGroup" {
			t.Errorf("%s writes to %s, which is no log group of the stack", project.LogicalID, group)
		}
	}
	if privileged != 1 {
		t.Errorf("%d steps have Docker, want the image's alone", privileged)
	}
	pipelineRole := ""
	for _, policy := range stack.all("AWS::IAM::Policy") {
		for _, statement := range list(policy.at("PolicyDocument.Statement")) {
			if slices.Contains(list(at(statement, "Action")), any("codeconnections:UseConnection")) {
				pipelineRole = text(at(statement, "Resource"))
			}
		}
	}
	if pipelineRole != `"arn:aws:codeconnections:eu-west-1:111111111111:connection/01234567-89ab-cdef-0123-456789abcdef"` {
		t.Errorf("the source is read through %s", pipelineRole)
	}
}

// TestThePipelineUsesThePinnedTools: what it installs is what a person has in the checkout.
func TestThePipelineUsesThePinnedTools(t *testing.T) {
	var manifest struct {
		DevDependencies map[string]string `json:"devDependencies"`
	}
	if err := readJSON(filepath.Join(root, "package.json"), &manifest); err != nil {
		t.Fatal(err)
	}
	if manifest.DevDependencies["aws-cdk"] != pipeline.CLIVersion {
		t.Errorf("the pipeline changes itself with aws-cdk %s, package.json has %s", pipeline.CLIVersion, manifest.DevDependencies["aws-cdk"])
	}
	selfMutation := 0
	for project, spec := range buildSpecs(t, must(t, piped)) {
		if strings.Contains(spec, "aws-cdk@") {
			selfMutation++
			if !strings.Contains(spec, "aws-cdk@"+pipeline.CLIVersion) {
				t.Errorf("%s: %s", project, spec)
			}
		}
		if strings.Contains(spec, "@latest") {
			t.Errorf("%s installs whatever is newest: %s", project, spec)
		}
	}
	if selfMutation != 1 {
		t.Errorf("%d steps change the pipeline, want one", selfMutation)
	}
}

func TestThePipelinesArtifactsAreKeptAndEncrypted(t *testing.T) {
	stack := must(t, piped).stack(t, "slipway-pipeline")
	bucket := stack.one(t, "AWS::S3::Bucket")
	if bucket.DeletionPolicy != "Retain" {
		t.Errorf("the artifacts are deleted with their stack (%q)", bucket.DeletionPolicy)
	}
	bucket.want(t, "BucketEncryption.ServerSideEncryptionConfiguration.0.ServerSideEncryptionByDefault.SSEAlgorithm", "aws:kms")
	bucket.want(t, "PublicAccessBlockConfiguration.RestrictPublicBuckets", true)
	stack.one(t, "AWS::CodePipeline::Pipeline").want(t, "ArtifactStore.EncryptionKey.Type", "KMS")
	keys := stack.all("AWS::KMS::Key")
	for _, key := range keys {
		key.want(t, "EnableKeyRotation", true)
		if key.DeletionPolicy != "Retain" {
			t.Errorf("key %s goes with its stack", key.LogicalID)
		}
	}
	if len(keys) != 3 {
		t.Errorf("%d keys, want those of artifacts, logs and topic", len(keys))
	}
	if names := must(t, piped).warnings; len(names) > 0 {
		sort.Strings(names)
		t.Errorf("warnings %v", names)
	}
}

// TestPeopleHearOfThePipeline: of its end and of a pending approval, through a key that EventBridge may use.
func TestPeopleHearOfThePipeline(t *testing.T) {
	stack := must(t, piped).stack(t, "slipway-pipeline")
	topic := stack.one(t, "AWS::SNS::Topic")
	var told []string
	for _, rule := range stack.all("AWS::Events::Rule") {
		if at(rule.at("Targets.0.Arn"), "Ref") != topic.LogicalID {
			continue // the source's own
		}
		rule.want(t, "EventPattern.detail.pipeline", []string{"slipway-pipeline"})
		told = append(told, fmt.Sprint(rule.at("EventPattern.detail-type.0"), " ", text(rule.at("EventPattern.detail.state"))))
	}
	sort.Strings(told)
	want := []string{`CodePipeline Action Execution State Change ["STARTED"]`, `CodePipeline Pipeline Execution State Change ["FAILED","SUCCEEDED","STOPPED"]`}
	if !slices.Equal(told, want) {
		t.Errorf("told of %v, want %v", told, want)
	}
	key, _ := at(topic.at("KmsMasterKeyId"), "Fn::GetAtt.0").(string)
	if policy := text(stack.Resources[key].at("KeyPolicy")); !strings.Contains(policy, "events.amazonaws.com") {
		t.Errorf("EventBridge can't use the topic's key: %s", policy)
	}
}

func TestWithoutASourceThereIsNoPipeline(t *testing.T) {
	if _, there := must(t, several).templates["slipway-pipeline"]; there {
		t.Error("a configuration without a source has a pipeline")
	}
}

// TestThePipelineRunsWhatIsThere: each command of the project that a step calls is one that people have too.
func TestThePipelineRunsWhatIsThere(t *testing.T) {
	commands := string(readBytes(t, root, "tools/slipway/main.go"))
	called := 0
	for project, spec := range buildSpecs(t, must(t, piped)) {
		for _, call := range regexp.MustCompile(`go run \./tools/slipway ([a-z-]+)`).FindAllStringSubmatch(spec, -1) {
			called++
			if !strings.Contains(commands, `{Name: "`+call[1]+`", `) {
				t.Errorf("%s calls slipway %s, which isn't there", project, call[1])
			}
		}
		for _, script := range regexp.MustCompile(`tools/[a-z-]+ `).FindAllString(spec, -1) {
			if info, err := os.Stat(filepath.Join(root, strings.TrimSpace(script))); err != nil || info.Mode()&0o111 == 0 {
				t.Errorf("%s calls %s: %v", project, script, err)
			}
		}
	}
	if called == 0 {
		t.Error("no step calls slipway")
	}
}
