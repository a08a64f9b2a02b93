package stacks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/gofunction"
	"slipway/constructs/threatresponse"
	"slipway/internal/config"
)

// addResponse adds the response to findings to an account's security stack.
func addResponse(s *Security, cfg *config.Config, account config.SecurityAccount, code gofunction.Code) {
	var stages []string
	for _, stage := range account.Stages {
		stages = append(stages, stage.Name)
	}
	response, err := threatresponse.New(s.Stack, "Response", threatresponse.Props{
		Code:        code,
		Platform:    cfg.Platform,
		Account:     account.ID,
		Region:      cfg.Region,
		MinSeverity: cfg.Response.MinSeverity,
		Config:      cfg.Response.Contract(stages, cfg.QA.Stage),
		Topic:       s.Topic,
		LogKey:      s.LogKey,
		LogDays:     cfg.Security.Trail.LogDays,
		Retain:      s.Retain,
	})
	if err != nil {
		panic(err) // a configuration that can't be written as JSON is a mistake of the code
	}
	awscdk.NewCfnOutput(s.Stack, jsii.String("ResponseFunction"), &awscdk.CfnOutputProps{
		Value: jsii.String(response.FunctionARN()), Description: jsii.String("Whoever may invoke it may approve and undo"),
	})
}
