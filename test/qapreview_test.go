package test

import (
	"slices"
	"strings"
	"testing"
)

func TestThePreviewPageAnswersTheQADomainItself(t *testing.T) {
	for sentence, c := range map[string]struct {
		of    *assembly
		types []string
	}{
		"for everyone":     {shippedAssembly(t), []string{"forward"}},
		"behind a sign-in": {must(t, several), []string{"authenticate-oidc", "forward"}},
	} {
		front := c.of.stack(t, "slipway-qa-service")
		rule := front.one(t, "AWS::ElasticLoadBalancingV2::ListenerRule")
		rule.want(t, "Conditions", []any{map[string]any{"Field": "host-header", "HostHeaderConfig": map[string]any{"Values": []string{"qa.example.com"}}}})
		rule.want(t, "Priority", 50000) // the environments have those below
		var types []string
		for _, action := range list(rule.at("Actions")) {
			types = append(types, at(action, "Type").(string))
		}
		if !slices.Equal(types, c.types) {
			t.Errorf("%s: actions %v", sentence, types)
		}
		if secret := at(rule.Properties, "Actions.0.AuthenticateOidcConfig.ClientSecret"); len(c.types) > 1 &&
			secret != "{{resolve:secretsmanager:arn:aws:secretsmanager:eu-west-1:222222222222:secret:qa/sign-in-a1B2c3:SecretString}}" {
			t.Errorf("%s: the client's secret is %v", sentence, secret)
		}
	}
}

func TestOnlyTheLoadBalancerInvokesThePreviewPage(t *testing.T) {
	front := shippedAssembly(t).stack(t, "slipway-qa-service")
	permission := front.one(t, "AWS::Lambda::Permission")
	permission.want(t, "Principal", "elasticloadbalancing.amazonaws.com")
	if source := text(permission.at("SourceArn")); !strings.Contains(source, "111111111111:targetgroup/") {
		t.Errorf("it may be invoked by %s", source)
	}
	for _, group := range front.all("AWS::ElasticLoadBalancingV2::TargetGroup") {
		if group.at("TargetType") == "lambda" && !slices.Contains(list(group.DependsOn), any(permission.LogicalID)) {
			t.Error("the target group is made before it may invoke the function, which Elastic Load Balancing refuses")
		}
	}
}
