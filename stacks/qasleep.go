package stacks

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsapplicationautoscaling"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsecs"
	"github.com/aws/jsii-runtime-go"

	"slipway/internal/config"
	"slipway/internal/contract"
	"slipway/internal/qalease"
)

// sleepOutsideOfficeHours lets Application Auto Scaling put an environment's service to sleep and wake it. It acts at these two
// times only, so whoever wakes the service in between (by deploying it, or make qa-wake) has it awake until the next evening.
func sleepOutsideOfficeHours(stack awscdk.Stack, cfg *config.Config, service awsecs.CfnService, slug string) {
	hours := cfg.QA.OfficeHours
	if !hours.Set() {
		return
	}
	at := func(name, clock string, tasks int) any {
		hour, minute, err := qalease.ParseClock(clock)
		if err != nil {
			panic(err) // the configuration is validated
		}
		days := "MON-FRI"
		if hours.Weekends {
			days = "*"
		}
		return &awsapplicationautoscaling.CfnScalableTarget_ScheduledActionProperty{
			ScheduledActionName: jsii.String(name),
			Schedule:            jsii.String(fmt.Sprintf("cron(%d %d ? * %s *)", minute, hour, days)),
			Timezone:            jsii.String(hours.TimeZone),
			ScalableTargetAction: &awsapplicationautoscaling.CfnScalableTarget_ScalableTargetActionProperty{
				MinCapacity: jsii.Number(tasks), MaxCapacity: jsii.Number(tasks),
			},
		}
	}
	target := awsapplicationautoscaling.NewCfnScalableTarget(stack, jsii.String("Sleep"), &awsapplicationautoscaling.CfnScalableTargetProps{
		ServiceNamespace:  jsii.String("ecs"),
		ScalableDimension: jsii.String("ecs:service:DesiredCount"),
		ResourceId:        jsii.String(contract.ScalableService(contract.ClusterName(cfg.QA.Stage), slug)),
		MinCapacity:       jsii.Number(0), // either number of tasks is right when it is made
		MaxCapacity:       jsii.Number(1),
		ScheduledActions:  &[]any{at("wake", hours.From, 1), at("sleep", hours.Until, 0)},
	})
	target.AddResourceDependency(service, nil)
}
