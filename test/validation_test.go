package test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// runApp runs the built CDK app in a folder of its own with the shipped platform.yaml, edited (old and new in turn), as
// the CDK CLI would, and gives the output folder.
func runApp(t *testing.T, context map[string]string, edits ...string) (outdir, output string, err error) {
	t.Helper()
	program, e := filepath.Abs(filepath.Join(root, "build", "slipway"))
	if e != nil {
		t.Fatal(e)
	}
	if _, e := os.Stat(program); e != nil {
		t.Fatalf("%v: run `make build` first", e)
	}
	folder := t.TempDir()
	raw, e := os.ReadFile(filepath.Join(root, "platform.yaml"))
	if e != nil {
		t.Fatal(e)
	}
	configuration := string(raw)
	for i := 0; i < len(edits); i += 2 {
		if !strings.Contains(configuration, edits[i]) {
			t.Fatalf("platform.yaml has no %q", edits[i])
		}
		configuration = strings.Replace(configuration, edits[i], edits[i+1], 1)
	}
	if e := os.WriteFile(filepath.Join(folder, "platform.yaml"), []byte(configuration), 0o600); e != nil {
		t.Fatal(e)
	}
	build, e := filepath.Abs(filepath.Join(root, "build"))
	if e != nil {
		t.Fatal(e)
	}
	if e := os.Symlink(build, filepath.Join(folder, "build")); e != nil {
		t.Fatal(e)
	}
	flags, e := featureFlags()
	if e != nil {
		t.Fatal(e)
	}
	for key, value := range context {
		flags[key] = value
	}
	passed, e := json.Marshal(flags)
	if e != nil {
		t.Fatal(e)
	}
	outdir = filepath.Join(folder, "cdk.out")
	command := exec.Command(program)
	command.Dir = folder
	command.Env = append(os.Environ(), "CDK_OUTDIR="+outdir, "CDK_CONTEXT_JSON="+string(passed))
	combined, err := command.CombinedOutput()
	return outdir, string(combined), err
}

// TestAWrongConfigurationSynthesizesNothing runs the app itself: exit code, all faults at once, no template.
func TestAWrongConfigurationSynthesizesNothing(t *testing.T) {
	for name, c := range map[string]struct {
		context map[string]string
		edits   []string
		want    []string // what the messages must hold
	}{
		"every fault of the file is listed": {
			nil,
			[]string{
				"region: eu-west-1", "region: eu-west-9",
				`workload: "111111111111"`, `workload: "1111"`,
				"cidr: 10.2.0.0/16", "cidr: 10.1.128.0/17", // overlaps dev's
				"cidr: 10.3.0.0/16", "cidr: 10.3.0.0/16\n      privateSubnets: [10.3.1.0/20, 10.3.16.0/20, 10.3.32.0/20]",
				"memoryMiB: 2048", "memoryMiB: 1000",
				"name: prod", "name: dev",
				"defaultTtl: 48h", "defaultTtl: 200h",
				"schedule: rate(15 minutes)", "schedule: rate(15 minutes)\n  tll: 3h",
			},
			[]string{
				`region: got "eu-west-9", expected`, `accounts.workload: got "1111", expected`,
				"stages[1].network.cidr: got 10.1.128.0/17, expected a network that doesn't overlap 10.1.0.0/16",
				"stages[2].network.privateSubnets[0]: got 10.3.1.0/20, expected the boundary of a /20 network",
				"stages[3].service.memoryMiB: got 1000, expected", `stages[3].name: got "dev", expected`,
				"qa.defaultTtl: got 200h0m0s, expected", "qa.tll: got an unknown key, expected",
			},
		},
		"a lease above the maximum is refused": {map[string]string{"branch": "feature/x", "ttl": "169h", "owner": "sam"}, nil, []string{"169h", "168h"}},
	} {
		t.Run(name, func(t *testing.T) {
			outdir, output, err := runApp(t, c.context, c.edits...)
			if err == nil {
				t.Error("the app succeeds")
			}
			for _, want := range c.want {
				if !strings.Contains(output, want) {
					t.Errorf("the output lacks %q", want)
				}
			}
			for line := range strings.Lines(output) {
				if len(c.edits) > 0 && strings.HasPrefix(line, "platform.yaml") && !strings.HasPrefix(line, "platform.yaml:") {
					t.Errorf("no line number: %s", line)
				}
			}
			if strings.Contains(output, "goroutine ") {
				t.Errorf("a stack trace instead of a message")
			}
			if left, _ := filepath.Glob(filepath.Join(outdir, "*")); len(left) > 0 {
				t.Errorf("synthesized %v", left)
			}
			if t.Failed() {
				t.Logf("output:\n%s", output)
			}
		})
	}
	t.Run("the shipped configuration does synthesize", func(t *testing.T) {
		outdir, output, err := runApp(t, map[string]string{"branch": "feature/x", "ttl": "168h", "owner": "sam", "imageTag": "abc"})
		if err != nil {
			t.Fatalf("%v\n%s", err, output)
		}
		templates, _ := filepath.Glob(filepath.Join(outdir, "*.template.json"))
		if len(templates) != 1 || !strings.HasPrefix(filepath.Base(templates[0]), "slipway-qa-env-feature-x-") {
			t.Errorf("templates %v, want the environment's", templates)
		}
	})
}

// TestOnlyFrontsAreOpenToTheWorld: 80 and 443 of the load balancers, nothing else, over IPv4 and IPv6.
func TestOnlyFrontsAreOpenToTheWorld(t *testing.T) {
	open := map[string]int{}
	eachResource(t, func(t *testing.T, stack string, _ template, r resource) {
		var rules []any
		switch r.Type {
		case "AWS::EC2::SecurityGroup":
			rules = list(r.at("SecurityGroupIngress"))
		case "AWS::EC2::SecurityGroupIngress":
			rules = []any{r.Properties}
		}
		for _, rule := range rules {
			source := fmt.Sprint(at(rule, "CidrIp"), at(rule, "CidrIpv6"))
			if !strings.Contains(source, "0.0.0.0/0") && !strings.Contains(source, "::/0") {
				continue
			}
			port := text(at(rule, "FromPort"))
			front := strings.HasSuffix(stack, "-service") && strings.Contains(fmt.Sprint(r.at("GroupDescription")), "load balancer")
			if !front || (port != "80" && port != "443") || text(at(rule, "ToPort")) != port || at(rule, "IpProtocol") != "tcp" {
				t.Errorf("%s: %s is open to the world: %s", stack, r.LogicalID, text(rule))
			}
			open[port]++
		}
	})
	if open["80"] != 8 || open["443"] != 8 { // four fronts in each synthesis
		t.Errorf("open ports %v, want 80 and 443 of every front", open)
	}
}

// fixedNames are the physical names that the platform gives. CloudFormation can't replace such a resource by itself, since
// the new one would need the old one's name: each has a reason that outweighs it.
var fixedNames = map[string]string{
	"AWS::CloudWatch::Alarm AlarmName":                      "people, dashboards and deployments know alarms by it; nothing but the name replaces one",
	"AWS::CloudWatch::CompositeAlarm AlarmName":             "as with alarms",
	"AWS::CloudWatch::Dashboard DashboardName":              "people find it by its stage; nothing but the name replaces it",
	"AWS::Logs::ResourcePolicy PolicyName":                  "CloudWatch Logs demands one; nothing but the name replaces it",
	"AWS::WAFv2::IPSet Name":                                "the response to findings writes to it; a replacement would lose the list",
	"AWS::WAFv2::WebACL Name":                               "dimension of its metrics; nothing but name and scope replace it",
	"AWS::CloudTrail::Trail TrailName":                      "the policies of its bucket and its key name the trail before it exists",
	"AWS::CodeDeploy::Application ApplicationName":          "policies and events name it before it is there; nothing but the name replaces it",
	"AWS::CodeDeploy::DeploymentGroup DeploymentGroupName":  "as with the application",
	"AWS::CodePipeline::Pipeline Name":                      "people, events and links know it by it; nothing but the name replaces it",
	"AWS::ECR::Repository RepositoryName":                   "image names are built from it in all accounts",
	"AWS::ECS::Cluster ClusterName":                         "part of the contract: <stage>-cluster",
	"AWS::ECS::Service ServiceName":                         "the cleanup and people find services by it",
	"AWS::ECS::TaskDefinition Family":                       "revisions of one family; a change never replaces it",
	"AWS::IAM::Policy PolicyName":                           "inline, so only unique within its role",
	"AWS::IAM::Role RoleName":                               "the delegation role, which another account must know, and those of the workflows, whose ARNs GitHub's side must know",
	"AWS::Lambda::Function FunctionName":                    "the response to findings: people approve and undo by it; nothing but the name replaces it",
	"AWS::Logs::LogGroup LogGroupName":                      "declared before the service that would make it under that name",
	"AWS::RDS::DBInstance DBInstanceIdentifier":             "its log groups carry it; a replacement shall fail, not lose data",
	"AWS::RDS::DBInstance DBName":                           "the first database in the instance",
	"AWS::Route53::HostedZone Name":                         "the zone is its name",
	"AWS::Route53::RecordSet Name":                          "the record is its name",
	"AWS::SSM::Parameter Name":                              "read by name, so that no stack is tied to another",
	"AWS::ApplicationAutoScaling::ScalingPolicy PolicyName": "unique within its service only",
	"AWS::CloudWatch::Alarm MetricName":                     "what it watches, no name of its own",
	"AWS::EC2::VPCEndpoint ServiceName":                     "a name of AWS's",
	"AWS::RDS::DBParameterGroup Family":                     "a name of AWS's",
	"AWS::SecretsManager::Secret Name":                      "a QA environment's database login, which the one function for all of them may read by its name only",
	"AWS::SNS::Topic DisplayName":                           "a text in e-mails, free to change",
}

func TestNoNameStandsInTheWayOfAReplacement(t *testing.T) {
	used := map[string]bool{}
	eachResource(t, func(t *testing.T, stack string, _ template, r resource) {
		if strings.HasPrefix(r.Type, "Custom::") {
			return // properties of our own
		}
		kind := r.Type[strings.LastIndex(r.Type, ":")+1:]
		for property, value := range r.Properties {
			if ref(value) != "" {
				continue // the name of another resource
			}
			// Name, TopicName of AWS::SNS::Topic, DBInstanceIdentifier of AWS::RDS::DBInstance, and whatever ends alike.
			named := property == "Name" || property == "Family" || property == kind+"Identifier" || property == "DBName" ||
				strings.HasSuffix(property, "Name") && property != "DomainName" && property != "DBSubnetGroupName" && property != "DBParameterGroupName"
			if !named {
				continue
			}
			used[r.Type+" "+property] = true
			if fixedNames[r.Type+" "+property] == "" {
				t.Errorf("%s: %s: %s is fixed to %s; leave it to CloudFormation, or write the reason into fixedNames", stack, r.LogicalID, property, text(r.at(property)))
			}
			if name := fmt.Sprint(r.at(property)); r.Type == "AWS::IAM::Role" && !strings.HasSuffix(name, "-delegation") && !strings.HasPrefix(name, "slipway-github-") {
				t.Errorf("%s: role %s has the fixed name %v", stack, r.LogicalID, r.at(property))
			}
		}
	})
	for name := range fixedNames {
		if !used[name] {
			t.Errorf("%s is in the list and in no template", name)
		}
	}
}

// TestNothingIsTypedAtDeployTime: a parameter without a source would make `cdk deploy` ask, and the pipeline stop.
func TestNothingIsTypedAtDeployTime(t *testing.T) {
	for _, synthesis := range []func() (*assembly, error){shipped, several} {
		for name, stack := range must(t, synthesis).templates {
			for parameter, definition := range stack.Parameters {
				source := fmt.Sprint(definition["Default"])
				ours := strings.HasPrefix(source, "/slipway/qa/shared/")
				aws := strings.HasPrefix(source, "/aws/service/") || strings.HasPrefix(source, "/cdk-bootstrap/")
				if !strings.HasPrefix(fmt.Sprint(definition["Type"]), "AWS::SSM::Parameter::Value<") || (!ours && !aws) {
					t.Errorf("%s: parameter %s is %v", name, parameter, definition)
				}
			}
		}
	}
}

// TestEveryParameterThatIsReadIsPublished: a stack that reads a name which nobody writes fails at its first deployment.
func TestEveryParameterThatIsReadIsPublished(t *testing.T) {
	published := map[string]bool{}
	for _, stack := range shippedAssembly(t).templates {
		for _, parameter := range stack.all("AWS::SSM::Parameter") {
			published[fmt.Sprint(parameter.at("Name"))] = true
		}
	}
	read := 0
	for name, stack := range shippedAssembly(t).templates {
		for _, definition := range stack.Parameters {
			source := fmt.Sprint(definition["Default"])
			if !strings.HasPrefix(source, "/slipway/") {
				continue
			}
			read++
			if !published[source] {
				t.Errorf("%s reads %s, which no stack publishes", name, source)
			}
		}
	}
	if read == 0 {
		t.Error("no stack reads a shared parameter")
	}
}

// imports are the values that a template imports of other stacks.
func imports(value any) []string {
	var found []string
	switch v := value.(type) {
	case map[string]any:
		if name, ok := v["Fn::ImportValue"]; ok {
			found = append(found, fmt.Sprint(name))
		}
		for _, inner := range v {
			found = append(found, imports(inner)...)
		}
	case []any:
		for _, inner := range v {
			found = append(found, imports(inner)...)
		}
	}
	return found
}

// TestOnlyTheStacksOfAStageAreTiedTogether: an export can't change while somebody imports it. That lock protects a stage's
// service from losing its network; anywhere else it would block one part by another.
func TestOnlyTheStacksOfAStageAreTiedTogether(t *testing.T) {
	// Who may import from whom within a stage.
	tied := map[string][]string{
		"network": nil, "data": {"network"}, "cluster": {"network"}, "service": {"network", "data", "cluster", "dns"}, "dns": nil,
	}
	for _, synthesis := range []func() (*assembly, error){shipped, several} {
		all := must(t, synthesis)
		for name, stack := range all.templates {
			for _, r := range stack.Resources {
				for _, imported := range imports(r.Properties) {
					from, _, _ := strings.Cut(imported, ":")
					exported := slices.ContainsFunc(slices.Collect(maps.Values(all.stack(t, from).Outputs)), func(output map[string]any) bool {
						return at(output["Export"], "Name") == imported
					})
					if !exported {
						t.Errorf("%s imports %s, which is not exported", name, imported)
					}
					stage, part := cutLast(strings.TrimPrefix(name, "slipway-"))
					ofStage, ofPart := cutLast(strings.TrimPrefix(from, "slipway-"))
					sameStage := ofStage == stage || from == "slipway-dns"
					if !slices.Contains(stageNames, stage) || !sameStage || !slices.Contains(tied[part], ofPart) {
						t.Errorf("%s is tied to %s by %s", name, from, imported)
					}
				}
			}
		}
	}
}

// cutLast splits "prod-network" into "prod" and "network", and "dns" into "" and "dns".
func cutLast(name string) (before, after string) {
	i := strings.LastIndex(name, "-")
	return name[:max(i, 0)], name[i+1:]
}

// TestTemplatesFitCloudFormation: 1 MB through S3, 500 resources, 200 outputs and parameters.
func TestTemplatesFitCloudFormation(t *testing.T) {
	for _, synthesis := range []func() (*assembly, error){shipped, several, varied} {
		all := must(t, synthesis)
		for name, stack := range all.templates {
			file, err := os.Stat(all.files[name])
			if err != nil {
				t.Fatal(err)
			}
			for what, figure := range map[string][2]int64{
				"bytes": {file.Size(), 1_000_000}, "resources": {int64(len(stack.Resources)), 500},
				"outputs": {int64(len(stack.Outputs)), 200}, "parameters": {int64(len(stack.Parameters)), 200},
			} {
				if figure[0] > figure[1] {
					t.Errorf("%s has %d %s, CloudFormation takes %d", name, figure[0], what, figure[1])
				}
			}
			if len(stack.Resources) == 0 {
				t.Errorf("%s is empty", name)
			}
		}
	}
}
