package pipeline

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsevents"
	"github.com/aws/aws-cdk-go/awscdk/v2/awseventstargets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awssns"
	"github.com/aws/jsii-runtime-go"
)

// Notify tells the topic when the pipeline has ended, badly or well, and when somebody has to approve. The topic must take
// messages of EventBridge. Shapes of the events: https://docs.aws.amazon.com/codepipeline/latest/userguide/detect-state-changes-cloudwatch-events.html
func (p *Pipeline) Notify(name string, topic awssns.ITopic) {
	field := func(path string) *string { return awsevents.EventField_FromPath(jsii.String(path)) }
	link := "https://console.aws.amazon.com/codesuite/codepipeline/pipelines/" + name + "/view?region=" + *field("$.region")
	send := func(id, description, detailType string, detail map[string]any, text string) {
		detail["pipeline"] = []string{name}
		awsevents.NewRule(p.construct, jsii.String(id), &awsevents.RuleProps{
			Description: jsii.String(description),
			EventPattern: &awsevents.EventPattern{
				Source: jsii.Strings("aws.codepipeline"), DetailType: jsii.Strings(detailType), Detail: &detail,
				Account: &[]*string{awscdk.Stack_Of(p.construct).Account()},
			},
			Targets: &[]awsevents.IRuleTarget{awseventstargets.NewSnsTopic(topic, &awseventstargets.SnsTopicProps{
				Message: awsevents.RuleTargetInput_FromText(jsii.String(text + " " + link)),
			})},
		})
	}
	send("Ended", "Tells people how an execution of the pipeline ended", "CodePipeline Pipeline Execution State Change",
		map[string]any{"state": []string{"FAILED", "SUCCEEDED", "STOPPED"}},
		"The pipeline "+name+" has "+*field("$.detail.state")+" (execution "+*field("$.detail.execution-id")+").")
	send("Approval", "Tells people that the pipeline waits for an approval", "CodePipeline Action Execution State Change",
		map[string]any{"state": []string{"STARTED"}, "type": map[string]any{"category": []string{"Approval"}}},
		"The pipeline "+name+" waits for your approval: "+*field("$.detail.action")+" (execution "+*field("$.detail.execution-id")+").")
}
