// Command probe is the Lambda of the local AWS's own tests: a custom resource and the target of a schedule in one.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/aws/aws-lambda-go/cfn"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
)

func main() {
	lambda.Start(handle)
}

// handle answers CloudFormation when the event comes from there, and else deletes the stack that DELETE_STACK names.
func handle(ctx context.Context, event json.RawMessage) error {
	var request cfn.Event
	if err := json.Unmarshal(event, &request); err == nil && request.ResponseURL != "" {
		_, err := cfn.LambdaWrap(resource)(ctx, request)
		return err
	}
	fmt.Println("scheduled", os.Getenv("GREETING"), string(event))
	stack := os.Getenv("DELETE_STACK")
	if stack == "" {
		return nil
	}
	settings, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return fmt.Errorf("load the AWS configuration: %w", err)
	}
	_, err = cloudformation.NewFromConfig(settings).DeleteStack(ctx, &cloudformation.DeleteStackInput{StackName: &stack})
	if err != nil {
		return fmt.Errorf("delete the stack %s: %w", stack, err)
	}
	return nil
}

// resource keeps one physical ID, echoes its property N with the type that arrived, and fails when Fail is set.
func resource(_ context.Context, event cfn.Event) (string, map[string]any, error) {
	if event.ResourceProperties["Fail"] == "true" && event.RequestType != cfn.RequestDelete {
		return "probe", nil, errors.New("told to fail")
	}
	n := event.ResourceProperties["N"]
	return "probe", map[string]any{"Echo": fmt.Sprintf("%s %v %T", event.RequestType, n, n)}, nil
}
