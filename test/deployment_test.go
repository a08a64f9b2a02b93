package test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"slipway/internal/config"
	"slipway/internal/contract"
	hook "slipway/lambdas/deployhook/decide"
	responder "slipway/lambdas/rollbackresponder/decide"
)

const productionStack = "slipway-prod-service"

// production is the shipped configuration with another last stage.
func production(change func(*config.Stage), context map[string]string) func() (*assembly, error) {
	return sync.OnceValues(func() (*assembly, error) {
		return synthesize(func(cfg *config.Config) { change(&cfg.Stages[len(cfg.Stages)-1]) }, context)
	})
}

var nativeBlueGreen = production(func(s *config.Stage) {
	s.Deployment.Strategy, s.Deployment.Shift, s.Deployment.Percent, s.Deployment.IntervalMinutes = config.StrategyECS, config.ShiftLinear, 25, 2
}, nil)

func TestBlueGreenLeavesTheServiceToCodeDeploy(t *testing.T) {
	stack := shippedAssembly(t).stack(t, productionStack)
	service := stack.one(t, "AWS::ECS::Service")
	service.want(t, "DeploymentController.Type", "CODE_DEPLOY")
	service.want(t, "TaskDefinition", "slipway-prod-app") // the family: no revision, so no update
	// These belong to ECS's own controller; a breaker once switched a service away from CodeDeploy.
	service.want(t, "DeploymentConfiguration", map[string]any{"MaximumPercent": 200, "MinimumHealthyPercent": 100})
	service.want(t, "AvailabilityZoneRebalancing", nil)
	service.want(t, "CapacityProviderStrategy", nil) // it would be the AppSpec's
	definition := stack.one(t, "AWS::ECS::TaskDefinition")
	if definition.UpdateReplacePolicy != "Retain" {
		t.Error("CloudFormation deregisters the revision that a rollback needs")
	}
	definition.want(t, "Family", "slipway-prod-app")
}

// TestAnImageTravelsByTheRolloutAlone: whatever image is asked for, the service's part of the template has the same bytes.
func TestAnImageTravelsByTheRolloutAlone(t *testing.T) {
	first := shippedAssembly(t).stack(t, productionStack)
	other := must(t, production(func(*config.Stage) {}, map[string]string{"imageTag": "0badcafe"})).stack(t, productionStack)
	changed := []string{}
	for id, r := range first.Resources {
		if text(r) != text(other.Resources[id]) {
			changed = append(changed, r.Type)
		}
	}
	// The image's own resource is asked for another tag. What follows from its answer (a new revision of the task definition,
	// the rollout, the record of what runs) changes when CloudFormation has it.
	if !slices.Equal(changed, []string{"Custom::SlipwayImage"}) || len(first.Resources) != len(other.Resources) {
		t.Errorf("another image changes %v", changed)
	}
	rollout := first.one(t, "Custom::SlipwayRollout")
	rollout.want(t, "TaskDefinition", map[string]any{"Ref": first.one(t, "AWS::ECS::TaskDefinition").LogicalID})
}

// TestAnInfrastructureUpdateNeverMovesTraffic: CloudFormation touches only what changes in the template, and states a
// touched listener's default action anew. Requests go by rules, whose part of the template never changes.
func TestAnInfrastructureUpdateNeverMovesTraffic(t *testing.T) {
	before := shippedAssembly(t).stack(t, productionStack)
	for sentence, change := range map[string]func(*config.Config){
		"another domain and with it another certificate": func(c *config.Config) { c.Domain = "example.org" },
		"the web ACL, the scaling, the alarms and the logs": func(c *config.Config) {
			s := &c.Stages[len(c.Stages)-1]
			s.WAF.Mode, s.WAF.RateLimit = config.WAFCount, 500
			s.Scaling = config.Scaling{RequestsPerTarget: 900, Schedules: []config.ScheduledMinimum{{Schedule: "cron(0 7 ? * MON-FRI *)", TimeZone: "UTC", MinTasks: 4}}}
			s.Service.MaxTasks, s.Alarms.LatencyMillis, s.Alarms.ErrorPercent, s.LogDays = 20, 900, 2, 30
		},
		"the way of the deployment itself": func(c *config.Config) {
			d := &c.Stages[len(c.Stages)-1].Deployment
			no := false
			d.Shift, d.BakeMinutes, d.Alarms = config.ShiftAllAtOnce, 3, &no
			d.Hook.Requests = []config.SmokeRequest{{Path: "/", Status: 200, MaxMillis: 500}}
		},
		"the size of a task": func(c *config.Config) {
			c.Stages[len(c.Stages)-1].Service.CPU = 2048
			c.Stages[len(c.Stages)-1].Service.MemoryMiB = 4096
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			got, err := synthesize(change, nil)
			if err != nil {
				t.Fatal(err)
			}
			after := got.stack(t, productionStack)
			if text(after.Resources) == text(before.Resources) {
				t.Fatal("nothing changes at all")
			}
			for _, kind := range []string{"AWS::ECS::Service", "AWS::ElasticLoadBalancingV2::ListenerRule", "AWS::ElasticLoadBalancingV2::TargetGroup"} {
				was, is := before.all(kind), after.all(kind)
				if len(was) == 0 || text(was) != text(is) {
					t.Errorf("%s changes from\n%s\nto\n%s", kind, text(was), text(is))
				}
			}
		})
	}
	for _, listener := range before.all("AWS::ElasticLoadBalancingV2::Listener") {
		if strings.Contains(text(listener.at("DefaultActions")), "TargetGroup") {
			t.Errorf("the default action of %s sends requests to a target group", listener.LogicalID)
		}
	}
	rules := before.all("AWS::ElasticLoadBalancingV2::ListenerRule")
	if len(rules) != 2 {
		t.Fatalf("%d rules, want one for each listener", len(rules))
	}
	for _, rule := range rules {
		rule.want(t, "Tags", nil) // a changed tag is an update too
	}
}

func TestTheDeploymentGroupKnowsBothSides(t *testing.T) {
	stack := shippedAssembly(t).stack(t, productionStack)
	group := stack.one(t, "AWS::CodeDeploy::DeploymentGroup")
	group.want(t, "DeploymentStyle", map[string]any{"DeploymentOption": "WITH_TRAFFIC_CONTROL", "DeploymentType": "BLUE_GREEN"})
	group.want(t, "ECSServices", []any{map[string]any{"ClusterName": "prod-cluster", "ServiceName": "prod-service"}})
	pair := "LoadBalancerInfo.TargetGroupPairInfoList.0."
	names := map[string]bool{text(group.at(pair + "TargetGroups.0.Name")): true, text(group.at(pair + "TargetGroups.1.Name")): true}
	if len(names) != 2 || len(stack.all("AWS::ElasticLoadBalancingV2::TargetGroup")) != 2 {
		t.Errorf("the sides are %v", names)
	}
	ports := map[string]string{}
	for _, listener := range stack.all("AWS::ElasticLoadBalancingV2::Listener") {
		ports[text(map[string]any{"Ref": listener.LogicalID})] = text(listener.at("Port"))
	}
	if got := ports[text(group.at(pair+"ProdTrafficRoute.ListenerArns.0"))]; got != "443" {
		t.Errorf("production is on port %s", got)
	}
	if got := ports[text(group.at(pair+"TestTrafficRoute.ListenerArns.0"))]; got != "8443" {
		t.Errorf("tests are on port %s", got)
	}
	group.want(t, "AutoRollbackConfiguration", map[string]any{
		"Enabled": true, "Events": []string{"DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_REQUEST", "DEPLOYMENT_STOP_ON_ALARM"},
	})
	group.want(t, "BlueGreenDeploymentConfiguration.TerminateBlueInstancesOnDeploymentSuccess", map[string]any{"Action": "TERMINATE", "TerminationWaitTimeInMinutes": 10})
	group.want(t, "AlarmConfiguration.Enabled", true)
	watched := list(group.at("AlarmConfiguration.Alarms"))
	if len(watched) != 3 || len(watched) > 10 { // CodeDeploy's limit
		t.Errorf("alarms %s", text(watched))
	}
	alarms := map[string]string{}
	for _, alarm := range stack.all("AWS::CloudWatch::Alarm") {
		alarms[text(map[string]any{"Name": map[string]any{"Ref": alarm.LogicalID}})] = fmt.Sprint(alarm.at("AlarmName"))
	}
	for _, alarm := range watched {
		// A composite alarm isn't among what CodeDeploy's DescribeAlarms returns.
		if alarms[text(alarm)] == "" {
			t.Errorf("%s is no metric alarm of the stack", text(alarm))
		}
	}
	shift := stack.one(t, "AWS::CodeDeploy::DeploymentConfig")
	shift.want(t, "TrafficRoutingConfig", map[string]any{"Type": "TimeBasedCanary", "TimeBasedCanary": map[string]any{"CanaryInterval": 5, "CanaryPercentage": 10}})
	group.want(t, "DeploymentConfigName", map[string]any{"Ref": shift.LogicalID})
}

// TestTheTestListenerIsNotForTheWorld: only the NAT gateways, by which the hook goes out, may reach it.
func TestTheTestListenerIsNotForTheWorld(t *testing.T) {
	for name, synthesis := range map[string]func() (*assembly, error){"CodeDeploy": shipped, "ECS": nativeBlueGreen} {
		stack := must(t, synthesis).stack(t, productionStack)
		open := 0
		for _, rule := range stack.all("AWS::EC2::SecurityGroupIngress") {
			if text(rule.at("FromPort")) != "8443" {
				continue
			}
			open++
			if address := text(rule.at("CidrIp")); !regexp.MustCompile(`"slipway-prod-network:ExportsOutputRef[A-Za-z0-9]*EIP[0-9A-F]*"`).MatchString(address) || !strings.Contains(address, `"/32"`) {
				t.Errorf("%s: the test listener is open to %s", name, address)
			}
		}
		if open != 3 { // one NAT gateway for each zone
			t.Errorf("%s: %d rules for the test listener, want 3", name, open)
		}
		for _, group := range stack.all("AWS::EC2::SecurityGroup") {
			for _, rule := range list(group.at("SecurityGroupIngress")) {
				if from := text(at(rule, "FromPort")); from != "80" && from != "443" {
					t.Errorf("%s: %s lets port %s in", name, group.LogicalID, from)
				}
			}
		}
	}
	// What rolls has no second side, and so nothing to test at.
	for _, listener := range shippedAssembly(t).stack(t, "slipway-stage-service").all("AWS::ElasticLoadBalancingV2::Listener") {
		if text(listener.at("Port")) == "8443" {
			t.Error("a rolling stage has a test listener")
		}
	}
}

// rendered is a value as CloudFormation would give it to a function: what it fills in later becomes a name of letters.
func rendered(t *testing.T, value any) string {
	t.Helper()
	switch v := value.(type) {
	case string:
		return v
	case map[string]any:
		if join := list(v["Fn::Join"]); len(join) == 2 {
			var parts []string
			for _, part := range list(join[1]) {
				parts = append(parts, rendered(t, part))
			}
			return strings.Join(parts, fmt.Sprint(join[0]))
		}
		if attribute := list(v["Fn::GetAtt"]); len(attribute) == 2 && attribute[1] == "DNSName" {
			return "balancer.eu-west-1.elb.amazonaws.com"
		}
		if id := fmt.Sprint(v["Ref"]); strings.Contains(id, "Targets") {
			return "arn:aws:elasticloadbalancing:eu-west-1:111111111111:targetgroup/" + id + "/0123456789abcdef"
		}
		if v["Ref"] != nil || v["Fn::GetAtt"] != nil || v["Fn::ImportValue"] != nil {
			return "arn:aws:x:eu-west-1:111111111111:filled-in"
		}
	}
	t.Fatalf("can't render %s", text(value))
	return ""
}

func functionOf(t *testing.T, stack template, variable string) resource {
	t.Helper()
	for _, function := range stack.all("AWS::Lambda::Function") {
		if function.at("Environment.Variables."+variable) != nil {
			return function
		}
	}
	t.Fatalf("no function has %s", variable)
	return resource{}
}

// TestTheHookUnderstandsItsConfiguration reads what the template says with the hook's own code.
func TestTheHookUnderstandsItsConfiguration(t *testing.T) {
	tuned := production(func(s *config.Stage) {
		no := false
		s.Deployment.Hook = config.Hook{
			Requests:  []config.SmokeRequest{{Path: "/a?b=\"c\"", Status: 301, MaxMillis: 10, Contains: `<"quoted">`, Matches: `^\w+$`}},
			Migration: &no,
		}
	}, nil)
	function := functionOf(t, shippedAssembly(t).stack(t, productionStack), contract.EnvDeployHook)
	got, err := hook.ParseConfig(rendered(t, function.at("Environment.Variables."+contract.EnvDeployHook)))
	if err != nil {
		t.Fatal(err)
	}
	if got.URL != "https://balancer.eu-west-1.elb.amazonaws.com:8443" || got.Host != "app.example.com" {
		t.Errorf("it asks %s as %s", got.URL, got.Host)
	}
	var paths []string
	for _, r := range got.Requests {
		paths = append(paths, fmt.Sprintf("%s %s %d %d", r.Method, r.Path, r.Status, r.MaxMillis))
	}
	if want := []string{"GET /health 200 2000", "GET /ready 200 2000", "GET /version 200 2000"}; !slices.Equal(paths, want) {
		t.Errorf("requests %v, want %v", paths, want)
	}
	if got.Version == nil || got.Migration == nil || got.Migration.Expected != "expected_database_revision" || got.ErrorRate == nil ||
		got.ErrorRate.Samples != 20 || got.ErrorRate.ProductionURL != "https://app.example.com" {
		t.Errorf("it checks %+v %+v %+v", got.Version, got.Migration, got.ErrorRate)
	}
	timeout, err := strconv.Atoi(text(function.at("Timeout")))
	if err != nil || timeout < got.BudgetSeconds+20 {
		t.Errorf("a time-out of %d seconds leaves nothing for the answer after %d", timeout, got.BudgetSeconds)
	}
	function.want(t, "VpcConfig.SecurityGroupIds.0", map[string]any{"Fn::GetAtt": []string{"DeployHookSecurityGroup" + idSuffix(t, shippedAssembly(t).stack(t, productionStack), "DeployHookSecurityGroup"), "GroupId"}})

	function = functionOf(t, must(t, tuned).stack(t, productionStack), contract.EnvDeployHook)
	got, err = hook.ParseConfig(rendered(t, function.at("Environment.Variables."+contract.EnvDeployHook)))
	if err != nil {
		t.Fatal(err)
	}
	if r := got.Requests[0]; len(got.Requests) != 1 || r.Path != `/a?b="c"` || r.Status != 301 || r.Contains != `<"quoted">` || r.Matches != `^\w+$` || got.Migration != nil {
		t.Errorf("configured: %+v %+v", got.Requests, got.Migration)
	}
}

// idSuffix is the hash that ends the logical ID which begins so.
func idSuffix(t *testing.T, stack template, begin string) string {
	t.Helper()
	for id := range stack.Resources {
		if suffix, ok := strings.CutPrefix(id, begin); ok && len(suffix) == 8 {
			return suffix
		}
	}
	t.Fatalf("no resource %s…", begin)
	return ""
}

func TestTheResponderUnderstandsItsSettings(t *testing.T) {
	for stack, want := range map[string]struct {
		group, source string
		alarms        int
	}{
		productionStack:       {"slipway-prod", "aws.codedeploy", 3},
		"slipway-dev-service": {"", "aws.ecs", 3},
	} {
		all := shippedAssembly(t).stack(t, stack)
		got, err := responder.ParseConfig(rendered(t, functionOf(t, all, contract.EnvRollbackResponder).at("Environment.Variables."+contract.EnvRollbackResponder)))
		if err != nil {
			t.Fatalf("%s: %v", stack, err)
		}
		if got.Group != want.group || got.Application != want.group || len(got.Alarms) != want.alarms {
			t.Errorf("%s: %+v", stack, got)
		}
		rule := all.one(t, "AWS::Events::Rule")
		rule.want(t, "EventPattern.source", []string{want.source})
		if want.group == "" {
			rule.want(t, "EventPattern.resources", []string{got.Service})
			rule.want(t, "EventPattern.detail", map[string]any{"eventName": []string{"SERVICE_DEPLOYMENT_FAILED"}})
		} else {
			rule.want(t, "EventPattern.detail", map[string]any{"application": []string{want.group}, "deploymentGroup": []string{want.group}, "state": []string{"FAILURE", "STOP"}})
		}
		if rule.at("Targets.0.DeadLetterConfig.Arn") == nil {
			t.Errorf("%s: an event that can't be delivered is lost", stack)
		}
	}
}

func TestTheRolloutEndsWithinCloudFormationsHour(t *testing.T) {
	slowest := production(func(s *config.Stage) {
		s.Deployment.Shift, s.Deployment.Percent, s.Deployment.IntervalMinutes, s.Deployment.BakeMinutes = config.ShiftLinear, 10, 2, 12
	}, nil)
	for name, want := range map[string]struct {
		synthesis func() (*assembly, error)
		minutes   string
	}{"shipped": {shipped, "35"}, "slowest": {slowest, "50"}} {
		rollout := must(t, want.synthesis).stack(t, productionStack).one(t, "Custom::SlipwayRollout")
		rollout.want(t, "TimeoutMinutes", want.minutes)
		rollout.want(t, "ServiceTimeout", "3600")
		for property, value := range rollout.Properties { // CloudFormation would make a string of anything else, in its own way
			switch value.(type) {
			case string, map[string]any:
			default:
				t.Errorf("%s: %s is %s, not a string", name, property, text(value))
			}
		}
	}
	stack := shippedAssembly(t).stack(t, productionStack)
	rollout := stack.one(t, "Custom::SlipwayRollout")
	for _, kind := range []string{"AWS::ECS::Service", "AWS::CodeDeploy::DeploymentGroup"} {
		if id := stack.one(t, kind).LogicalID; !slices.Contains(list(rollout.DependsOn), any(id)) {
			t.Errorf("the rollout doesn't wait for %s", id)
		}
	}
	for _, rule := range stack.all("AWS::ElasticLoadBalancingV2::ListenerRule") {
		if !slices.Contains(list(rollout.DependsOn), any(rule.LogicalID)) {
			t.Errorf("the rollout doesn't wait for %s", rule.LogicalID)
		}
	}
}

func TestECSDeploysBlueGreenByItself(t *testing.T) {
	all := must(t, nativeBlueGreen)
	for _, message := range append(all.errors, all.warnings...) {
		t.Error(message)
	}
	stack := all.stack(t, productionStack)
	service := stack.one(t, "AWS::ECS::Service")
	service.want(t, "DeploymentController", nil)
	service.want(t, "DeploymentConfiguration.Strategy", "LINEAR")
	service.want(t, "DeploymentConfiguration.LinearConfiguration", map[string]any{"StepPercent": 25, "StepBakeTimeInMinutes": 2})
	service.want(t, "DeploymentConfiguration.BakeTimeInMinutes", 10)
	service.want(t, "DeploymentConfiguration.Alarms.Rollback", true)
	service.want(t, "DeploymentConfiguration.LifecycleHooks.0.LifecycleStages", []string{"POST_TEST_TRAFFIC_SHIFT"})
	service.want(t, "TaskDefinition", map[string]any{"Ref": stack.one(t, "AWS::ECS::TaskDefinition").LogicalID})
	sides := map[string]bool{text(service.at("LoadBalancers.0.TargetGroupArn")): true, text(service.at("LoadBalancers.0.AdvancedConfiguration.AlternateTargetGroupArn")): true}
	rules := map[string]bool{text(service.at("LoadBalancers.0.AdvancedConfiguration.ProductionListenerRule")): true, text(service.at("LoadBalancers.0.AdvancedConfiguration.TestListenerRule")): true}
	if len(sides) != 2 || len(rules) != 2 {
		t.Errorf("sides %v, rules %v", sides, rules)
	}
	// The roles are no use without their policies.
	for _, policy := range stack.all("AWS::IAM::Policy") {
		if strings.HasPrefix(policy.LogicalID, "BlueGreen") && !slices.Contains(list(service.DependsOn), any(policy.LogicalID)) {
			t.Errorf("the service doesn't wait for %s", policy.LogicalID)
		}
	}
	if found := len(stack.all("AWS::CodeDeploy::DeploymentGroup")); found != 0 {
		t.Errorf("%d deployment groups", found)
	}
}

func TestAlarmsRollARollingDeploymentBackUnlessToldOtherwise(t *testing.T) {
	service := shippedAssembly(t).stack(t, "slipway-dev-service").one(t, "AWS::ECS::Service")
	service.want(t, "DeploymentConfiguration.DeploymentCircuitBreaker", map[string]any{"Enable": true, "Rollback": true})
	if names := list(service.at("DeploymentConfiguration.Alarms.AlarmNames")); len(names) != 3 {
		t.Errorf("alarms %s", text(names))
	}
	no := false
	quiet, err := synthesize(func(cfg *config.Config) {
		cfg.Stages[0].Deployment.Alarms, cfg.Stages[len(cfg.Stages)-1].Deployment.Alarms = &no, &no
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	quiet.stack(t, "slipway-dev-service").one(t, "AWS::ECS::Service").want(t, "DeploymentConfiguration.Alarms", nil)
	group := quiet.stack(t, productionStack).one(t, "AWS::CodeDeploy::DeploymentGroup")
	group.want(t, "AlarmConfiguration.Enabled", false) // said, since CodeDeploy keeps what it was told before
	var spec map[string]any
	if err := json.Unmarshal([]byte(text(group.at("AlarmConfiguration"))), &spec); err != nil || len(list(spec["Alarms"])) != 0 {
		t.Errorf("alarm configuration %v %v", spec, err)
	}
}

// TestTheServiceWaitsForTheGuard: an unsafe switch must fail before ECS hears of it.
func TestTheServiceWaitsForTheGuard(t *testing.T) {
	for stack, strategy := range map[string]string{productionStack: "codedeploy", "slipway-dev-service": "rolling"} {
		all := shippedAssembly(t).stack(t, stack)
		guard := all.one(t, "Custom::SlipwayStrategy")
		guard.want(t, "Strategy", strategy)
		service := all.one(t, "AWS::ECS::Service")
		if !slices.Contains(list(service.DependsOn), any(guard.LogicalID)) {
			t.Errorf("%s: the service depends on %s, not on the guard", stack, text(service.DependsOn))
		}
		guard.want(t, "TargetGroup", service.at("LoadBalancers.0.TargetGroupArn"))
	}
}
