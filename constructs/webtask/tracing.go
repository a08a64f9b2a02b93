package webtask

import (
	"encoding/json"
	"fmt"
	"strconv"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsecs"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/jsii-runtime-go"
)

// CollectorImage is AWS's distribution of the OpenTelemetry collector, v0.48.0, by the digest of its index of all platforms.
// To renew it: docker buildx imagetools inspect public.ecr.aws/aws-observability/aws-otel-collector:<version>
const CollectorImage = "public.ecr.aws/aws-observability/aws-otel-collector@sha256:9b28046359054b414f4ba76056ba4e8cffda2d53fbcee06171d7eeecd71326c3"

// The collector's container. Containers of a task share the loopback address, so nothing else can reach it.
const (
	collectorName      = "collector"
	collectorAddress   = "127.0.0.1:4318" // OTLP over HTTP
	collectorHealth    = "127.0.0.1:13133"
	collectorMemoryMiB = 256
	// The collector refuses spans before the kernel would end it.
	collectorLimitMiB = 180
	collectorSpikeMiB = 40
)

// trace adds the collector beside the application and has the application send it a share of its requests.
func (t *Task) trace(app awsecs.ContainerDefinition, role awsiam.Role, props Props, container func(name string) *awsecs.ContainerDefinitionOptions) {
	options := container(collectorName)
	options.Image = awsecs.ContainerImage_FromRegistry(jsii.String(CollectorImage), nil)
	options.Environment = &map[string]*string{
		// The collector reads its whole configuration from here, in place of a file:
		// https://aws-otel.github.io/docs/setup/ecs/config-through-ssm
		"AOT_CONFIG_CONTENT": jsii.String(collectorConfiguration(props.Region, props.Logs.Name)),
	}
	// Without traces the application works as before, so the collector's end is not the task's.
	options.Essential = jsii.Bool(false)
	options.EnableRestartPolicy = jsii.Bool(true)
	options.RestartAttemptPeriod = awscdk.Duration_Seconds(jsii.Number(60))
	options.MemoryLimitMiB = jsii.Number(collectorMemoryMiB)
	options.StopTimeout = awscdk.Duration_Seconds(jsii.Number(10))
	options.HealthCheck = &awsecs.HealthCheck{
		Command:     jsii.Strings("CMD", "/healthcheck"), // the image's own program, which asks collectorHealth
		Interval:    awscdk.Duration_Seconds(jsii.Number(30)),
		Timeout:     awscdk.Duration_Seconds(jsii.Number(5)),
		Retries:     jsii.Number(3),
		StartPeriod: awscdk.Duration_Seconds(jsii.Number(10)),
	}
	collector := t.definition.AddContainer(jsii.String(collectorName), options)

	// ECS stops containers in the reverse order of their start: the application's last spans still find the collector.
	app.AddContainerDependencies(&awsecs.ContainerDependency{Container: collector, Condition: awsecs.ContainerDependencyCondition_START})
	app.AddEnvironment(jsii.String("OTEL_EXPORTER_OTLP_ENDPOINT"), jsii.String("http://"+collectorAddress))
	// CloudWatch has the load balancer's and the containers' metrics already.
	app.AddEnvironment(jsii.String("OTEL_METRICS_EXPORTER"), jsii.String("none"))
	// By the trace's id alone. What a caller's header asks for has no say: anyone on the internet could make us pay for it.
	app.AddEnvironment(jsii.String("OTEL_TRACES_SAMPLER"), jsii.String("traceidratio"))
	app.AddEnvironment(jsii.String("OTEL_TRACES_SAMPLER_ARG"), jsii.String(strconv.FormatFloat(props.TraceRatio, 'f', -1, 64)))

	role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Sid:     jsii.String("Traces"),
		Actions: jsii.Strings("xray:PutTraceSegments"),
		// https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsx-ray.html: the action has no resource.
		Resources: jsii.Strings("*"),
	}))
}

// collectorConfiguration takes spans on the loopback address and sends them to X-Ray. The exporter's and processors' keys
// are those of their READMEs in https://github.com/open-telemetry/opentelemetry-collector-contrib.
func collectorConfiguration(region, logGroup string) string {
	type m = map[string]any
	configuration, err := json.Marshal(m{ // JSON is YAML
		"extensions": m{"health_check": m{"endpoint": collectorHealth}},
		"receivers":  m{"otlp": m{"protocols": m{"http": m{"endpoint": collectorAddress}}}},
		"processors": m{
			"memory_limiter":    m{"check_interval": "1s", "limit_mib": collectorLimitMiB, "spike_limit_mib": collectorSpikeMiB},
			"resourcedetection": m{"detectors": []string{"ecs"}, "timeout": "2s"}, // which task it was
			"batch":             m{"timeout": "1s", "send_batch_size": 50},
		},
		"exporters": m{"awsxray": m{
			"region":             region,
			"aws_log_groups":     []string{logGroup}, // X-Ray's console then shows the log lines of a trace
			"indexed_attributes": []string{"otel.resource.deployment.environment.name", "otel.resource.vcs.ref.head.revision", "aws.load_balancer.trace_id"},
		}},
		"service": m{
			"extensions": []string{"health_check"},
			"pipelines": m{"traces": m{
				"receivers":  []string{"otlp"},
				"processors": []string{"memory_limiter", "resourcedetection", "batch"},
				"exporters":  []string{"awsxray"},
			}},
			"telemetry": m{"logs": m{"level": "warn"}, "metrics": m{"level": "none"}},
		},
	})
	if err != nil {
		panic(fmt.Sprintf("webtask: write the collector's configuration: %v", err)) // only strings and numbers
	}
	return string(configuration)
}
