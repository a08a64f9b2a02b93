package test

import (
	"debug/elf"
	"fmt"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
)

// TestSynthesisIsClean: cdk-nag's AwsSolutions pack, the CDK's own validation and every construct's warnings count as
// errors; each accepted finding carries its reason in the code.
func TestSynthesisIsClean(t *testing.T) {
	for name, synthesis := range map[string]func() (*assembly, error){
		"the shipped configuration": shipped,
		"an account per purpose":    several,
	} {
		t.Run(name, func(t *testing.T) {
			got := must(t, synthesis)
			for _, message := range append(got.errors, got.warnings...) {
				t.Error(message)
			}
		})
	}
}

func TestTheStackNamesAreTheContract(t *testing.T) {
	want := []string{
		"slipway-security", "slipway-registry", "slipway-dns", "slipway-pipeline", "slipway-qa-lifecycle",
		"slipway-qa-env-feature-new-awe-9aa2fb69",
	}
	for _, stage := range []string{"dev", "qa", "stage", "prod"} {
		for _, part := range []string{"network", "data", "cluster", "service"} {
			want = append(want, fmt.Sprintf("slipway-%s-%s", stage, part))
		}
	}
	sort.Strings(want)
	got := shippedAssembly(t)
	names := make([]string, 0, len(got.templates))
	for name := range got.templates {
		names = append(names, name)
	}
	sort.Strings(names)
	if !slices.Equal(names, want) {
		t.Errorf("stacks\n%s\nwant\n%s", strings.Join(names, "\n"), strings.Join(want, "\n"))
	}
}

// eachResource calls check for every resource of every template of both syntheses.
func eachResource(t *testing.T, check func(t *testing.T, stack string, all template, r resource)) {
	t.Helper()
	for _, synthesis := range []func() (*assembly, error){shipped, several} {
		got := must(t, synthesis)
		for name, all := range got.templates {
			for id, r := range all.Resources {
				r.LogicalID = id
				check(t, name, all, r)
			}
		}
	}
}

func TestEveryLogGroupExpires(t *testing.T) {
	eachResource(t, func(t *testing.T, stack string, _ template, r resource) {
		if r.Type == "AWS::Logs::LogGroup" && r.at("RetentionInDays") == nil {
			t.Errorf("%s: log group %s never expires", stack, r.LogicalID)
		}
	})
}

// TestEveryLambdaHasADeclaredLogGroup: a log group that Lambda makes by itself never expires and outlives the stack. The
// CDK's own custom-resource handlers are the exception: they write under names that the CDK does not let us declare.
func TestEveryLambdaHasADeclaredLogGroup(t *testing.T) {
	eachResource(t, func(t *testing.T, stack string, all template, r resource) {
		if r.Type != "AWS::Lambda::Function" || !strings.HasPrefix(fmt.Sprint(r.at("Runtime")), "provided") {
			return
		}
		group, _ := at(r.at("LoggingConfig.LogGroup"), "Ref").(string)
		if all.Resources[group].Type != "AWS::Logs::LogGroup" {
			t.Errorf("%s: Lambda %s writes to %s, which is no log group of its stack", stack, r.LogicalID, text(r.at("LoggingConfig")))
		}
	})
}

func TestEveryKeyRotates(t *testing.T) {
	eachResource(t, func(t *testing.T, stack string, _ template, r resource) {
		if r.Type == "AWS::KMS::Key" && r.at("EnableKeyRotation") != true {
			t.Errorf("%s: key %s does not rotate", stack, r.LogicalID)
		}
	})
}

func TestEveryBucketIsPrivateEncryptedAndTLSOnly(t *testing.T) {
	eachResource(t, func(t *testing.T, stack string, all template, r resource) {
		if r.Type != "AWS::S3::Bucket" {
			return
		}
		for _, setting := range []string{"BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"} {
			if r.at("PublicAccessBlockConfiguration."+setting) != true {
				t.Errorf("%s: bucket %s: %s is not on", stack, r.LogicalID, setting)
			}
		}
		if r.at("BucketEncryption.ServerSideEncryptionConfiguration.0") == nil {
			t.Errorf("%s: bucket %s is not encrypted", stack, r.LogicalID)
		}
		if r.at("BucketName") != nil {
			t.Errorf("%s: bucket %s has a fixed name %s, which somebody may own already", stack, r.LogicalID, text(r.at("BucketName")))
		}
		denied := false
		for _, policy := range all.all("AWS::S3::BucketPolicy") {
			if at(policy.at("Bucket"), "Ref") != r.LogicalID {
				continue
			}
			for _, statement := range list(policy.at("PolicyDocument.Statement")) {
				if at(statement, "Effect") == "Deny" && at(statement, "Condition.Bool.aws:SecureTransport") == "false" {
					denied = true
				}
			}
		}
		if !denied {
			t.Errorf("%s: bucket %s accepts requests without TLS", stack, r.LogicalID)
		}
	})
}

func TestEveryTopicIsEncryptedAndTLSOnly(t *testing.T) {
	eachResource(t, func(t *testing.T, stack string, _ template, r resource) {
		if r.Type == "AWS::SNS::Topic" && r.at("KmsMasterKeyId") == nil {
			t.Errorf("%s: topic %s is not encrypted", stack, r.LogicalID)
		}
	})
}

// withoutResource are the actions for which AWS's service authorization reference names no resource type, so that "*" is
// the narrowest that IAM accepts.
var withoutResource = []string{
	"access-analyzer:ListAnalyzers",
	"application-autoscaling:DescribeScalableTargets",
	"autoscaling:DescribeAutoScalingGroups",
	"autoscaling:DescribeAutoScalingInstances",
	"cloudformation:ListStacks",
	"codedeploy:BatchGetDeploymentTargets",
	"codedeploy:ListDeploymentTargets",
	"codedeploy:StopDeployment",
	"config:DeleteDeliveryChannel",
	"config:DescribeDeliveryChannels",
	"config:PutDeliveryChannel",
	"config:DescribeConfigurationRecorders", // a recorder is optional for these three
	"config:DescribeConfigurationRecorderStatus",
	"config:PutConfigurationRecorder",
	"ec2:DisableEbsEncryptionByDefault",
	"ec2:EnableEbsEncryptionByDefault",
	"ec2:GetEbsEncryptionByDefault",
	"ec2:GetInstanceMetadataDefaults",
	"ec2:ModifyInstanceMetadataDefaults",
	"ec2:DescribeInstances",
	"ec2:DescribeNetworkInterfaces",
	"ec2:DescribeSecurityGroups",
	"ec2:DescribeSnapshots",
	"ec2:DescribeSubnets",
	"ecr:GetAuthorizationToken",
	"ecs:DeregisterTaskDefinition",
	"ecs:DescribeTaskDefinition",
	"ecs:ListServices", // with the condition ecs:cluster
	"ecs:ListTaskDefinitionFamilies",
	"ecs:ListTaskDefinitions",
	"ecs:ListTasks", // with the condition ecs:cluster
	"elasticloadbalancing:DescribeListeners",
	"elasticloadbalancing:DescribeRules",
	"elasticloadbalancing:DescribeTargetGroups",
	"elasticloadbalancing:DescribeTargetHealth",
	"elasticloadbalancing:DescribeTags",
	"guardduty:CreateDetector",
	"guardduty:ListDetectors",
	"iam:DeleteAccountPasswordPolicy",
	"iam:GetAccountPasswordPolicy",
	"iam:ListVirtualMFADevices",
	"iam:UpdateAccountPasswordPolicy",
	"route53:ListHostedZonesByName",
	"s3:GetAccountPublicAccessBlock",
	"s3:PutAccountPublicAccessBlock",
	"secretsmanager:ListSecrets",
	"securityhub:EnableSecurityHub", // a hub is optional: there is none yet
	"ssm:DescribeParameters",
	"xray:PutTraceSegments",
}

// checkedByLambda are actions for which Lambda refuses to create a function in a VPC unless its role has them on "*".
// https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html#configuration-vpc-permissions
var checkedByLambda = []string{
	"ec2:AssignPrivateIpAddresses", "ec2:CreateNetworkInterface", "ec2:DeleteNetworkInterface", "ec2:UnassignPrivateIpAddresses",
}

// ofTheCDKsSteps are actions that the CDK gives its own steps of the pipeline on "*", without a way to say otherwise: a step
// that changes the pipeline reads stacks and buckets, and one that publishes starts builds. They read, or start what is
// already there; what deploys are the bootstrap roles.
var ofTheCDKsSteps = []string{
	"cloudformation:DescribeStacks", "s3:ListBucket", "codebuild:BatchGetBuilds", "codebuild:StartBuild", "codebuild:StopBuild",
}

// TestIAMIsNarrow: no statement allows every action of a service, and "*" stands as a resource only where AWS has none. Only
// identity policies count: in a policy of a key or an endpoint, "*" is that key or endpoint.
func TestIAMIsNarrow(t *testing.T) {
	eachResource(t, func(t *testing.T, stack string, _ template, r resource) {
		if !strings.HasPrefix(r.Type, "AWS::IAM::") {
			return
		}
		var statements []any
		statements = append(statements, list(r.at("PolicyDocument.Statement"))...)
		for _, inline := range list(r.at("Policies")) {
			statements = append(statements, list(at(inline, "PolicyDocument.Statement"))...)
		}
		for _, statement := range statements {
			if at(statement, "Effect") != "Allow" {
				continue
			}
			for _, action := range list(at(statement, "Action")) {
				if name := fmt.Sprint(action); name == "*" || strings.HasSuffix(name, ":*") {
					t.Errorf("%s: %s allows %s", stack, r.LogicalID, name)
				}
				if slices.ContainsFunc(list(at(statement, "Resource")), func(resource any) bool { return resource == "*" }) &&
					(stack != "slipway-pipeline" || !slices.Contains(ofTheCDKsSteps, fmt.Sprint(action))) && !slices.Contains(withoutResource, fmt.Sprint(action)) && !slices.Contains(checkedByLambda, fmt.Sprint(action)) {
					t.Errorf("%s: %s allows %v on every resource", stack, r.LogicalID, action)
				}
			}
		}
	})
}

// TestLambdaBinariesMatchTheirArchitecture: an arm64 function with an x86-64 binary deploys well and fails at its first event.
func TestLambdaBinariesMatchTheirArchitecture(t *testing.T) {
	machines := map[string]elf.Machine{"arm64": elf.EM_AARCH64, "x86_64": elf.EM_X86_64}
	binaries, err := filepath.Glob(filepath.Join(root, "build", "lambdas", "*", "*", "bootstrap"))
	if err != nil || len(binaries) == 0 {
		t.Fatalf("no built Lambdas: %v", err)
	}
	for _, path := range binaries {
		architecture := filepath.Base(filepath.Dir(filepath.Dir(path)))
		binary, err := elf.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if binary.Machine != machines[architecture] {
			t.Errorf("%s is built for %s", path, binary.Machine)
		}
		if libraries, err := binary.ImportedLibraries(); err != nil || len(libraries) > 0 {
			t.Errorf("%s needs %v (%v): provided.al2023 promises none of them", path, libraries, err)
		}
		if err := binary.Close(); err != nil {
			t.Error(err)
		}
	}
	eachResource(t, func(t *testing.T, stack string, _ template, r resource) {
		if r.Type == "AWS::Lambda::Function" && strings.HasPrefix(fmt.Sprint(r.at("Runtime")), "provided") {
			r.want(t, "Architectures", []string{"arm64"})
			r.want(t, "Runtime", "provided.al2023")
		}
	})
}

// TestRetentionFollowsTheStage: stage and prod keep data, keys and logs; a QA environment leaves nothing.
func TestRetentionFollowsTheStage(t *testing.T) {
	stateful := []string{"AWS::S3::Bucket", "AWS::KMS::Key", "AWS::Logs::LogGroup", "AWS::RDS::DBInstance"}
	eachResource(t, func(t *testing.T, stack string, _ template, r resource) {
		if !slices.Contains(stateful, r.Type) {
			return
		}
		// A replica holds nothing that its source does not; the CDK's own handlers log their own calls.
		if r.at("SourceDBInstanceIdentifier") != nil || strings.Contains(r.LogicalID, "CustomResourceProviderLogGroup") {
			return
		}
		kept := r.DeletionPolicy == "Retain" || r.DeletionPolicy == "Snapshot"
		keeps := strings.HasPrefix(stack, "slipway-stage-") || strings.HasPrefix(stack, "slipway-prod-") || strings.HasPrefix(stack, "slipway-security")
		temporary := strings.HasPrefix(stack, "slipway-dev-") || strings.HasPrefix(stack, "slipway-qa-")
		if keeps && !kept {
			t.Errorf("%s: %s %s is deleted with its stack (%q)", stack, r.Type, r.LogicalID, r.DeletionPolicy)
		}
		if temporary && kept {
			t.Errorf("%s: %s %s outlives its stack (%q)", stack, r.Type, r.LogicalID, r.DeletionPolicy)
		}
	})
}
