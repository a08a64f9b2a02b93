package test

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"testing"

	"slipway/constructs/webtask"
	"slipway/internal/config"
)

func TestTheServiceRunsPrivately(t *testing.T) {
	stack := shippedAssembly(t).stack(t, "slipway-prod-service")
	service := stack.one(t, "AWS::ECS::Service")
	service.want(t, "ServiceName", "prod-service")
	service.want(t, "LaunchType", "FARGATE")
	service.want(t, "NetworkConfiguration.AwsvpcConfiguration.AssignPublicIp", "DISABLED")
	service.want(t, "DeploymentConfiguration.MinimumHealthyPercent", 100)
	service.want(t, "HealthCheckGracePeriodSeconds", 60)
	service.want(t, "DesiredCount", nil) // autoscaling owns it
	for i, subnet := range list(service.at("NetworkConfiguration.AwsvpcConfiguration.Subnets")) {
		if !strings.Contains(text(subnet), "privateSubnet") && !strings.Contains(text(subnet), "PrivateSubnet") {
			t.Errorf("subnet %d of the service is %s, not a private one", i, text(subnet))
		}
	}
	target := stack.one(t, "AWS::ApplicationAutoScaling::ScalableTarget")
	target.want(t, "MinCapacity", 2)
	target.want(t, "MaxCapacity", 8)
}

func TestTheTaskIsLockedDown(t *testing.T) {
	users := regexp.MustCompile(`(?m)^USER (\S+)$`).FindAllStringSubmatch(readDocument(t, "flaskapp/Dockerfile"), -1)
	if len(users) == 0 {
		t.Fatal("flaskapp/Dockerfile sets no user")
	}
	for _, name := range []string{"slipway-dev-service", "slipway-prod-service", "slipway-qa-env-feature-new-awe-9aa2fb69"} {
		t.Run(name, func(t *testing.T) {
			stack := shippedAssembly(t).stack(t, name)
			task := stack.one(t, "AWS::ECS::TaskDefinition")
			task.want(t, "NetworkMode", "awsvpc")
			task.want(t, "RequiresCompatibilities", []string{"FARGATE"})
			containers := list(task.at("ContainerDefinitions"))
			want := 3
			if name == environmentStack {
				want = 4
				task.want(t, "ContainerDefinitions.3.Name", "seed")
				task.want(t, "ContainerDefinitions.3.Essential", false)
				task.want(t, "ContainerDefinitions.3.ReadonlyRootFilesystem", true)
			}
			if len(containers) != want {
				t.Fatalf("%d containers, want the application, its migration, the collector, and in QA what adds sample data", len(containers))
			}
			for i := range containers {
				task.want(t, fmt.Sprintf("ContainerDefinitions.%d.User", i), users[0][1]) // the application's stage comes first
			}
			task.want(t, "ContainerDefinitions.0.Name", "app")
			task.want(t, "ContainerDefinitions.0.ReadonlyRootFilesystem", true)
			task.want(t, "ContainerDefinitions.0.LinuxParameters.Capabilities", map[string]any{"Drop": []string{"ALL"}})
			task.want(t, "ContainerDefinitions.0.PortMappings.0.ContainerPort", 8080)
			if host := task.at("ContainerDefinitions.0.PortMappings.0.HostPort"); host != nil && text(host) != "8080" {
				t.Errorf("host port %s: under awsvpc it equals the container's", text(host))
			}
			task.want(t, "ContainerDefinitions.0.MountPoints", []any{map[string]any{"ContainerPath": "/tmp", "ReadOnly": false, "SourceVolume": "tmp"}})
			task.want(t, "ContainerDefinitions.0.LogConfiguration.LogDriver", "awslogs")
			if role := task.at("ExecutionRoleArn"); role == nil {
				t.Error("no execution role")
			}
			// Whatever runs comes from the image resolver: no default image, no "latest".
			if image := text(task.at("ContainerDefinitions.0.Image")); !strings.Contains(image, "ImageUri") {
				t.Errorf("image %s does not come from the image resolver", image)
			}
		})
	}
}

// policyActions are the allowed actions of the policies attached to roles whose logical ID contains part, with their
// resources.
func policyActions(stack template, part string) map[string]string {
	found := map[string]string{}
	for _, policy := range stack.all("AWS::IAM::Policy") {
		if !strings.Contains(text(policy.at("Roles")), part) {
			continue
		}
		for _, statement := range list(policy.at("PolicyDocument.Statement")) {
			for _, action := range list(at(statement, "Action")) {
				found[fmt.Sprint(action)] = text(at(statement, "Resource"))
			}
		}
	}
	return found
}

func keys(m map[string]string) []string {
	names := make([]string, 0, len(m))
	for name := range m {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func TestMigrationsEndBeforeTheApplicationStarts(t *testing.T) {
	for _, name := range []string{"slipway-prod-service", environmentStack} {
		task := shippedAssembly(t).stack(t, name).one(t, "AWS::ECS::TaskDefinition")
		task.want(t, "ContainerDefinitions.0.DependsOn.0", map[string]any{"Condition": "SUCCESS", "ContainerName": "migrate"})
		task.want(t, "ContainerDefinitions.1.Name", "migrate")
		task.want(t, "ContainerDefinitions.1.Essential", false) // its end must not end the task
		task.want(t, "ContainerDefinitions.1.Command", []string{"python3", "-m", "slipway_app.migrate"})
		task.want(t, "ContainerDefinitions.1.PortMappings", nil)
		task.want(t, "ContainerDefinitions.1.ReadonlyRootFilesystem", true)
		if a, b := text(task.at("ContainerDefinitions.0.Image")), text(task.at("ContainerDefinitions.1.Image")); a != b {
			t.Errorf("%s migrates with the image %s and runs %s", name, b, a)
		}
	}
}

// TestSampleDataComesAfterTheMigrationsInQAOnly: in a stage it would meet real data.
func TestSampleDataComesAfterTheMigrationsInQAOnly(t *testing.T) {
	seeded := false
	for name, stack := range shippedAssembly(t).templates {
		for _, task := range stack.all("AWS::ECS::TaskDefinition") {
			for _, container := range list(task.at("ContainerDefinitions")) {
				if at(container, "Name") != "seed" {
					continue
				}
				seeded = true
				if name != environmentStack {
					t.Errorf("%s adds sample data", name)
				}
				if got := text(at(container, "DependsOn")); got != `[{"Condition":"SUCCESS","ContainerName":"migrate"}]` {
					t.Errorf("sample data waits for %s", got)
				}
				task.want(t, "ContainerDefinitions.0.DependsOn.2", map[string]any{"Condition": "SUCCESS", "ContainerName": "seed"})
			}
		}
	}
	if !seeded {
		t.Error("the environment begins empty")
	}
}

// TestTheCollectorHarmsNothing: it may end, has limits of its own, listens on the task's loopback address only, and is there
// before the application and after it.
func TestTheCollectorHarmsNothing(t *testing.T) {
	for name, ratio := range map[string]string{"slipway-prod-service": "0.05", environmentStack: "1"} {
		task := shippedAssembly(t).stack(t, name).one(t, "AWS::ECS::TaskDefinition")
		collector := "ContainerDefinitions.2."
		task.want(t, collector+"Name", "collector")
		task.want(t, collector+"Image", webtask.CollectorImage)
		task.want(t, collector+"Essential", false)
		task.want(t, collector+"ReadonlyRootFilesystem", true)
		task.want(t, collector+"LinuxParameters.Capabilities", map[string]any{"Drop": []string{"ALL"}})
		task.want(t, collector+"PortMappings", nil)
		task.want(t, collector+"HealthCheck.Command", []string{"CMD", "/healthcheck"})
		task.want(t, collector+"RestartPolicy", map[string]any{"Enabled": true, "RestartAttemptPeriod": 60})
		task.want(t, "ContainerDefinitions.0.DependsOn.1", map[string]any{"Condition": "START", "ContainerName": "collector"})
		memory, _ := task.at(collector + "Memory").(float64)
		whole, err := strconv.Atoi(fmt.Sprint(task.at("Memory")))
		if err != nil || memory == 0 || int(memory) > whole/2 {
			t.Errorf("%s: the collector may use %v of %v MiB", name, memory, task.at("Memory"))
		}

		variables := map[string]string{}
		for _, variable := range list(task.at("ContainerDefinitions.0.Environment")) {
			variables[fmt.Sprint(at(variable, "Name"))] = fmt.Sprint(at(variable, "Value"))
		}
		for variable, want := range map[string]string{
			"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:4318", "OTEL_METRICS_EXPORTER": "none",
			"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": ratio,
		} {
			if variables[variable] != want {
				t.Errorf("%s: %s is %q, want %q", name, variable, variables[variable], want)
			}
		}
		for _, variable := range list(task.at("ContainerDefinitions.1.Environment")) {
			if strings.HasPrefix(fmt.Sprint(at(variable, "Name")), "OTEL_") {
				t.Errorf("%s: migrations are traced, and the collector may not run yet", name)
			}
		}

		task.want(t, collector+"Environment.0.Name", "AOT_CONFIG_CONTENT")
		var configuration any
		if err := json.Unmarshal([]byte(fmt.Sprint(task.at(collector+"Environment.0.Value"))), &configuration); err != nil {
			t.Fatal(err)
		}
		// Each part that the pipeline names is configured, and nothing is that no pipeline names.
		service := at(configuration, "service")
		for kind, used := range map[string][]any{
			"extensions": list(at(service, "extensions")), "receivers": list(at(service, "pipelines.traces.receivers")),
			"processors": list(at(service, "pipelines.traces.processors")), "exporters": list(at(service, "pipelines.traces.exporters")),
		} {
			parts, _ := at(configuration, kind).(map[string]any)
			for _, part := range used {
				if parts[fmt.Sprint(part)] == nil {
					t.Errorf("%s: the collector's %s lack %v", name, kind, part)
				}
			}
			if len(parts) != len(used) {
				t.Errorf("%s: the collector configures the %s %v and uses %v", name, kind, parts, used)
			}
		}
		if first := at(service, "pipelines.traces.processors.0"); first != "memory_limiter" {
			t.Errorf("%s: %v comes before the memory limiter", name, first)
		}
		if limit, _ := at(configuration, "processors.memory_limiter.limit_mib").(float64); limit <= 0 || limit >= memory {
			t.Errorf("%s: the collector limits itself to %v MiB of %v", name, limit, memory)
		}
	}
}

// TestWithoutTracingThereIsNoCollector: nor its permission, nor a variable that makes the application look for it.
func TestWithoutTracingThereIsNoCollector(t *testing.T) {
	got, err := synthesize(func(cfg *config.Config) {
		for i := range cfg.Stages {
			cfg.Stages[i].Tracing.SampleRatio = 0
		}
	}, nil)
	if err != nil {
		t.Fatal(err)
	}
	stack := got.stack(t, "slipway-prod-service")
	task := stack.one(t, "AWS::ECS::TaskDefinition")
	if n := len(list(task.at("ContainerDefinitions"))); n != 2 {
		t.Errorf("%d containers, want the application and its migration", n)
	}
	if strings.Contains(text(task.Properties), "OTEL_") || policyActions(stack, "TaskTaskRole")["xray:PutTraceSegments"] != "" {
		t.Error("something of the collector is left")
	}
}

func TestTheTaskRoleReachesOnlyItsArtifactsAndSecrets(t *testing.T) {
	stack := shippedAssembly(t).stack(t, "slipway-prod-service")
	got := policyActions(stack, "TaskTaskRole")
	want := []string{"kms:Decrypt", "kms:GenerateDataKey", "s3:AbortMultipartUpload", "s3:DeleteObject", "s3:GetObject", "s3:ListBucket", "s3:PutObject", "secretsmanager:GetSecretValue", "xray:PutTraceSegments"}
	if !slices.Equal(keys(got), want) {
		t.Errorf("task role may %v, want %v", keys(got), want)
	}
	if secrets := got["secretsmanager:GetSecretValue"]; strings.Contains(secrets, "*") || strings.Count(secrets, "{") != 2 {
		t.Errorf("may read the secrets %s, want the database's and the sessions' own", secrets)
	}
	if !strings.Contains(got["s3:GetObject"], "/*") {
		t.Errorf("objects %s, want those of the bucket", got["s3:GetObject"])
	}

	environment := shippedAssembly(t).stack(t, "slipway-qa-env-feature-new-awe-9aa2fb69")
	if got := policyActions(environment, "TaskTaskRole")["s3:PutObject"]; !strings.Contains(got, "/qa/feature-new-awe-9aa2fb69/*") {
		t.Errorf("a QA environment may write to %s, want its own prefix only", got)
	}
}

func TestTheExecutionRoleIsScoped(t *testing.T) {
	got := policyActions(shippedAssembly(t).stack(t, "slipway-prod-service"), "TaskExecutionRole")
	want := []string{"ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetAuthorizationToken", "ecr:GetDownloadUrlForLayer", "logs:CreateLogStream", "logs:PutLogEvents"}
	if !slices.Equal(keys(got), want) {
		t.Errorf("execution role may %v, want %v", keys(got), want)
	}
	// Its own image, and the agent that GuardDuty puts beside the task.
	for _, c := range []struct {
		of   func() (*assembly, error)
		want string
	}{
		{shipped, `["arn:aws:ecr:eu-west-1:*:repository/aws-guardduty-agent-fargate","arn:aws:ecr:eu-west-1:111111111111:repository/simple-flask-app"]`},
		{guarded, `"arn:aws:ecr:eu-west-1:111111111111:repository/simple-flask-app"`},
	} {
		if got := policyActions(must(t, c.of).stack(t, "slipway-prod-service"), "TaskExecutionRole")["ecr:BatchGetImage"]; got != c.want {
			t.Errorf("may pull from %s, want %s", got, c.want)
		}
	}
}

func TestTheFrontSpeaksHTTPSAndRedirectsHTTP(t *testing.T) {
	for _, name := range []string{"slipway-dev-service", "slipway-qa-service", "slipway-stage-service", "slipway-prod-service"} {
		t.Run(name, func(t *testing.T) {
			stack := shippedAssembly(t).stack(t, name)
			attributes := text(stack.one(t, "AWS::ElasticLoadBalancingV2::LoadBalancer").at("LoadBalancerAttributes"))
			for _, want := range []string{
				`{"Key":"routing.http.drop_invalid_header_fields.enabled","Value":"true"}`,
				`{"Key":"access_logs.s3.enabled","Value":"true"}`,
				`{"Key":"idle_timeout.timeout_seconds","Value":"60"}`,
			} {
				if !strings.Contains(attributes, want) {
					t.Errorf("attributes %s lack %s", attributes, want)
				}
			}
			ports := map[string]resource{}
			for _, listener := range stack.all("AWS::ElasticLoadBalancingV2::Listener") {
				ports[text(listener.at("Port"))] = listener
			}
			delete(ports, "8443") // the test listener of a blue/green stage, which has a test of its own
			if len(ports) != 2 {
				t.Fatalf("listeners on %d ports, want 80 and 443", len(ports))
			}
			ports["443"].want(t, "Protocol", "HTTPS")
			if policy := fmt.Sprint(ports["443"].at("SslPolicy")); !strings.HasPrefix(policy, "ELBSecurityPolicy-TLS13-1-2") {
				t.Errorf("TLS policy %s, want TLS 1.2 or newer only", policy)
			}
			ports["80"].want(t, "DefaultActions.0.Type", "redirect")
			ports["80"].want(t, "DefaultActions.0.RedirectConfig", map[string]any{"Port": "443", "Protocol": "HTTPS", "StatusCode": "HTTP_301"})
		})
	}
}

func TestTheFrontReachesOnlyTheApplication(t *testing.T) {
	stack := shippedAssembly(t).stack(t, "slipway-prod-service")
	group := stack.Resources["FrontSecurityGroup"+idSuffix(t, stack, "FrontSecurityGroup")]
	egress := list(group.at("SecurityGroupEgress"))
	for _, other := range stack.all("AWS::EC2::SecurityGroupEgress") {
		egress = append(egress, other.Properties)
	}
	if len(egress) != 1 || text(at(egress[0], "FromPort")) != "8080" || text(at(egress[0], "ToPort")) != "8080" || at(egress[0], "DestinationSecurityGroupId") == nil {
		t.Errorf("the load balancer may reach %s, want port 8080 of the application's group", text(egress))
	}
	ingress := stack.Resources["FrontAppIngress"+idSuffix(t, stack, "FrontAppIngress")]
	ingress.want(t, "FromPort", 8080)
	ingress.want(t, "ToPort", 8080)
	if ingress.at("CidrIp") != nil || ingress.at("SourceSecurityGroupId") == nil {
		t.Errorf("the application accepts %s, want the load balancer only", text(ingress.Properties))
	}
}

func TestTheImageReferenceIsRecordedAfterTheService(t *testing.T) {
	for name, last := range map[string]string{"slipway-prod-service": "Custom::SlipwayRollout", "slipway-dev-service": "AWS::ECS::Service"} {
		stack := shippedAssembly(t).stack(t, name)
		var parameter resource
		for _, candidate := range stack.all("AWS::SSM::Parameter") {
			if strings.HasSuffix(text(candidate.at("Name")), `/image"`) {
				parameter = candidate
			}
		}
		if after := stack.one(t, last).LogicalID; !slices.Contains(list(parameter.DependsOn), any(after)) {
			t.Errorf("%s: the parameter depends on %s, want %s: a rolled-back image must not be recorded", name, text(parameter.DependsOn), after)
		}
	}
}
