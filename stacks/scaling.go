package stacks

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapplicationautoscaling"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsecs"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/front"
	"slipway/internal/config"
	"slipway/internal/contract"
)

// scaleFurther adds what a stage's service follows besides its CPU: requests for each task, and the clock.
func scaleFurther(scope constructs.Construct, scaling awsecs.ScalableTaskCount, service awsecs.BaseService, public *front.Front, stage config.Stage) {
	for i, scheduled := range stage.Scaling.Schedules {
		scaling.ScaleOnSchedule(jsii.String(fmt.Sprintf("Schedule-%d", i+1)), &awsapplicationautoscaling.ScalingSchedule{
			Schedule:    awsapplicationautoscaling.Schedule_Expression(jsii.String(scheduled.Schedule)),
			TimeZone:    awscdk.TimeZone_Of(jsii.String(scheduled.TimeZone)),
			MinCapacity: jsii.Number(scheduled.MinTasks),
		})
	}
	if stage.Scaling.RequestsPerTarget == 0 {
		return
	}
	// The predefined metric ALBRequestCountPerTarget belongs to one target group, and AWS doesn't support it for blue/green
	// deployments, in which the live group changes. This is the same figure for whichever group is live.
	dimension := func(name string, value *string) any {
		return &awsapplicationautoscaling.CfnScalingPolicy_TargetTrackingMetricDimensionProperty{Name: jsii.String(name), Value: value}
	}
	query := func(id, namespace, name, statistic string, dimensions ...any) any {
		return &awsapplicationautoscaling.CfnScalingPolicy_TargetTrackingMetricDataQueryProperty{
			Id: jsii.String(id), ReturnData: jsii.Bool(false),
			MetricStat: &awsapplicationautoscaling.CfnScalingPolicy_TargetTrackingMetricStatProperty{
				Stat: jsii.String(statistic),
				Metric: &awsapplicationautoscaling.CfnScalingPolicy_TargetTrackingMetricProperty{
					Namespace: jsii.String(namespace), MetricName: jsii.String(name), Dimensions: &dimensions,
				},
			},
		}
	}
	target := scaling.Node().FindChild(jsii.String("Target")).(awsapplicationautoscaling.ScalableTarget)
	awsapplicationautoscaling.NewCfnScalingPolicy(scope, jsii.String("RequestsPerTarget"), &awsapplicationautoscaling.CfnScalingPolicyProps{
		PolicyName:      jsii.String(stage.Name + "-requests-per-target"),
		PolicyType:      jsii.String("TargetTrackingScaling"),
		ScalingTargetId: target.ScalableTargetId(),
		TargetTrackingScalingPolicyConfiguration: &awsapplicationautoscaling.CfnScalingPolicy_TargetTrackingScalingPolicyConfigurationProperty{
			TargetValue:      jsii.Number(stage.Scaling.RequestsPerTarget),
			ScaleInCooldown:  jsii.Number(300),
			ScaleOutCooldown: jsii.Number(60),
			CustomizedMetricSpecification: &awsapplicationautoscaling.CfnScalingPolicy_CustomizedMetricSpecificationProperty{
				Metrics: &[]any{
					query("requests", "AWS/ApplicationELB", "RequestCount", "Sum", dimension("LoadBalancer", public.LoadBalancer().LoadBalancerFullName())),
					query("tasks", "ECS/ContainerInsights", "RunningTaskCount", "Average",
						dimension("ClusterName", jsii.String(contract.ClusterName(stage.Name))), dimension("ServiceName", service.ServiceName())),
					&awsapplicationautoscaling.CfnScalingPolicy_TargetTrackingMetricDataQueryProperty{
						// Without requests the load balancer reports no count; FILL lets the tasks become fewer then.
						Id: jsii.String("each"), Expression: jsii.String("FILL(requests, 0) / tasks"), ReturnData: jsii.Bool(true),
					},
				},
			},
		},
	})
}
