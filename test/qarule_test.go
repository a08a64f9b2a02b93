package test

import (
	"slices"
	"strings"
	"testing"
)

// TestAnEnvironmentCannotChooseItsHost: the function takes the host from the name of the stack that asks.
func TestAnEnvironmentCannotChooseItsHost(t *testing.T) {
	rule := shippedAssembly(t).stack(t, environmentStack).one(t, "Custom::SlipwayHostRule")
	if got := len(rule.Properties); got != 3 || rule.at("TargetGroupArn") == nil || rule.at("ServiceToken") == nil || rule.at("ServiceTimeout") == nil {
		t.Errorf("the rule has the properties %s", text(rule.Properties))
	}
	provider := function(t, "slipway-qa-service", "HostRules")
	provider.want(t, "Environment.Variables.SLIPWAY_PLATFORM", "slipway")
	provider.want(t, "Environment.Variables.SLIPWAY_DOMAIN", "example.com")
}

// TestNothingIsMadeWithoutARule: a full load balancer must refuse an environment before the rest of it exists.
func TestNothingIsMadeWithoutARule(t *testing.T) {
	stack := shippedAssembly(t).stack(t, environmentStack)
	rule := stack.one(t, "Custom::SlipwayHostRule")
	for id, r := range stack.Resources {
		switch r.Type {
		case "AWS::ElasticLoadBalancingV2::TargetGroup", "Custom::SlipwayHostRule", "AWS::CDK::Metadata":
			continue
		}
		if !comesAfter(stack, id, rule.LogicalID, map[string]bool{}) {
			t.Errorf("%s (%s) is made without waiting for the rule", id, r.Type)
		}
	}
}

// comesAfter says whether CloudFormation makes one resource after the other, by DependsOn or by references.
func comesAfter(stack template, id, first string, seen map[string]bool) bool {
	if seen[id] {
		return false
	}
	seen[id] = true
	r := stack.Resources[id]
	raw := text(r.Properties)
	for other := range stack.Resources {
		depends := slices.Contains(list(r.DependsOn), any(other)) ||
			strings.Contains(raw, `"Ref":"`+other+`"`) || strings.Contains(raw, `"Fn::GetAtt":["`+other+`"`)
		if depends && (other == first || comesAfter(stack, other, first, seen)) {
			return true
		}
	}
	return false
}

// function is the Lambda whose logical ID begins with a construct's ID.
func function(t *testing.T, stack, part string) resource {
	t.Helper()
	for _, f := range shippedAssembly(t).stack(t, stack).all("AWS::Lambda::Function") {
		if strings.HasPrefix(f.LogicalID, part) {
			return f
		}
	}
	t.Fatalf("%s has no function %s", stack, part)
	return resource{}
}

// TestWithoutASignInTheFunctionReadsNoSecret: the platform as it is shipped has none.
func TestWithoutASignInTheFunctionReadsNoSecret(t *testing.T) {
	shippedFront, withSignIn := shippedAssembly(t).stack(t, "slipway-qa-service"), must(t, several).stack(t, "slipway-qa-service")
	if actions := policyActions(shippedFront, "HostRulesRole"); actions["secretsmanager:GetSecretValue"] != "" || actions["kms:Decrypt"] != "" {
		t.Errorf("the function may %v", actions)
	}
	actions := policyActions(withSignIn, "HostRulesRole")
	if got := actions["secretsmanager:GetSecretValue"]; got != `"arn:aws:secretsmanager:eu-west-1:222222222222:secret:qa/sign-in-a1B2c3"` {
		t.Errorf("the function may read %s", got)
	}
	for sentence, c := range map[string]struct {
		stack template
		ports []string
	}{
		"without a sign-in the load balancer reaches the application only": {shippedFront, []string{"8080"}},
		"with a sign-in it reaches the identity provider too":              {withSignIn, []string{"443", "8080"}},
	} {
		var ports []string
		for _, kind := range []string{"AWS::EC2::SecurityGroup", "AWS::EC2::SecurityGroupEgress"} {
			for _, r := range c.stack.all(kind) {
				for _, rule := range append(list(r.at("SecurityGroupEgress")), r.Properties) {
					if port := at(rule, "ToPort"); port != nil && strings.HasPrefix(r.LogicalID, "Front") {
						ports = append(ports, text(port))
					}
				}
			}
		}
		if slices.Sort(ports); !slices.Equal(ports, c.ports) {
			t.Errorf("%s: ports %v", sentence, ports)
		}
	}
}
