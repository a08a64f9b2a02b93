package test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
)

const environmentSlug = "feature-new-awe-9aa2fb69"

func TestAnEnvironmentHasADatabaseLoginOfItsOwn(t *testing.T) {
	stack := shippedAssembly(t).stack(t, environmentStack)
	var login resource
	for _, secret := range stack.all("AWS::SecretsManager::Secret") {
		if secret.at("Name") != nil {
			login = secret
		}
	}
	login.want(t, "Name", "slipway/qa/"+environmentSlug+"/database")
	login.want(t, "GenerateSecretString.GenerateStringKey", "password")
	if login.at("KmsKeyId") == nil || login.DeletionPolicy != "Delete" {
		t.Errorf("the secret has key %s and deletion policy %q", text(login.at("KmsKeyId")), login.DeletionPolicy)
	}
	template := text(login.at("GenerateSecretString.SecretStringTemplate"))
	for _, part := range []string{`\"dbname\":\"` + environmentSlug, `\"username\":\"` + environmentSlug, "slipwayqashareddatabasehost"} {
		if !strings.Contains(template, part) && !strings.Contains(template, strings.ReplaceAll(part, `\`, `\\\`)) {
			t.Errorf("%s isn't in %s", part, template)
		}
	}
	for _, container := range list(stack.one(t, "AWS::ECS::TaskDefinition").at("ContainerDefinitions")) {
		for _, variable := range list(at(container, "Environment")) {
			if at(variable, "Name") == "DATABASE_SECRET_ARN" && text(at(variable, "Value")) != text(map[string]any{"Ref": login.LogicalID}) {
				t.Errorf("a container reads %s", text(variable))
			}
		}
	}
	readable := policyActions(stack, "TaskTaskRole")["secretsmanager:GetSecretValue"]
	if !strings.Contains(readable, login.LogicalID) || strings.Contains(readable, "shared") {
		t.Errorf("the application may read %s", readable)
	}
	if raw := text(stack); strings.Contains(raw, "databasesecretarn") || strings.Contains(raw, "database-secret-arn") {
		t.Error("the environment knows the master's secret")
	}
}

func TestTheServiceGoesBeforeItsDatabaseAndObjects(t *testing.T) {
	stack := shippedAssembly(t).stack(t, environmentStack)
	service := stack.one(t, "AWS::ECS::Service")
	for _, kind := range []string{"Custom::SlipwayDatabase", "Custom::SlipwayPrefix"} {
		if r := stack.one(t, kind); !slices.Contains(list(service.DependsOn), any(r.LogicalID)) {
			t.Errorf("the service doesn't depend on %s, so that it may go on writing when that is gone", r.LogicalID)
		}
	}
	// And the secret after the database, whose creation reads it.
	if !strings.Contains(text(stack.one(t, "Custom::SlipwayDatabase").at("SecretArn")), "Secret") {
		t.Error("the database doesn't name its secret")
	}
}

// TestTheDatabasesFunctionReadsTheSecretsOfEnvironmentsOnly matches the policy's resources, as IAM does, with names.
func TestTheDatabasesFunctionReadsTheSecretsOfEnvironmentsOnly(t *testing.T) {
	front := shippedAssembly(t).stack(t, "slipway-qa-service")
	var patterns []string
	for _, policy := range front.all("AWS::IAM::Policy") {
		if !strings.Contains(text(policy.at("Roles")), "DatabasesRole") {
			continue
		}
		for _, statement := range list(policy.at("PolicyDocument.Statement")) {
			if slices.Contains(list(at(statement, "Action")), any("secretsmanager:GetSecretValue")) {
				for _, r := range list(at(statement, "Resource")) {
					if pattern, ok := r.(string); ok {
						patterns = append(patterns, pattern)
					} else if !strings.Contains(text(r), "Fn::ImportValue") {
						t.Errorf("it may read %s", text(r))
					}
				}
			}
		}
	}
	if len(patterns) != 1 {
		t.Fatalf("patterns %v", patterns)
	}
	quoted := strings.NewReplacer(`\*`, ".*", `\?`, ".").Replace(regexp.QuoteMeta(patterns[0]))
	matches := regexp.MustCompile("^" + quoted + "$").MatchString
	const arn = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:"
	for secret, want := range map[string]bool{
		"slipway/qa/" + environmentSlug + "/database-a1B2c3":   true,
		"slipway/qa/sign-in-a1B2c3":                            false,
		"slipway/prod/" + environmentSlug + "/database-a1B2c3": false,
		"slipway2/qa/" + environmentSlug + "/database-a1B2c3":  false,
		"DatabaseSecret-a1B2c3":                                false,
	} {
		if got := matches(arn + secret); got != want {
			t.Errorf("%s: %v, want %v", secret, got, want)
		}
	}
}

func TestTheDatabasesFunctionReachesTheDatabaseAndAWSOnly(t *testing.T) {
	front := shippedAssembly(t).stack(t, "slipway-qa-service")
	var ports []string
	for _, group := range front.all("AWS::EC2::SecurityGroup") {
		if strings.HasPrefix(group.LogicalID, "DatabasesSecurityGroup") {
			for _, rule := range list(group.at("SecurityGroupEgress")) {
				ports = append(ports, text(at(rule, "ToPort")))
			}
			if group.at("SecurityGroupIngress") != nil {
				t.Error("something may reach the function")
			}
		}
	}
	for _, rule := range front.all("AWS::EC2::SecurityGroupEgress") {
		if strings.HasPrefix(rule.LogicalID, "DatabasesSecurityGroup") {
			ports = append(ports, text(rule.at("ToPort")))
		}
	}
	if slices.Sort(ports); !slices.Equal(ports, []string{"443", "5432"}) {
		t.Errorf("the function reaches the ports %v", ports)
	}
	// The database's own stack doesn't know the function, so that neither locks the other.
	if strings.Contains(text(shippedAssembly(t).stack(t, "slipway-qa-data")), "Databases of the QA") {
		t.Error("the data stack knows the function")
	}
	if function(t, "slipway-qa-service", "Databases").at("VpcConfig.SubnetIds") == nil {
		t.Error("the function isn't in the VPC")
	}
}

func TestPrefixesAreEmptiedInQAOnly(t *testing.T) {
	for name, stack := range shippedAssembly(t).templates {
		if found := stack.all("Custom::SlipwayPrefix"); (len(found) > 0) != (name == environmentStack) {
			t.Errorf("%s has %d", name, len(found))
		}
	}
	actions := policyActions(shippedAssembly(t).stack(t, "slipway-qa-service"), "PrefixesRole")
	if got := actions["s3:DeleteObjectVersion"]; !strings.Contains(got, `/qa/*`) {
		t.Errorf("it may delete %s", got)
	}
}
