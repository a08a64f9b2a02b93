// Command probe is the Lambda of the local AWS's own tests: a custom resource, the target of a schedule, and somebody who
// asks a load balancer.
package main

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"

	"github.com/aws/aws-lambda-go/cfn"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
)

func main() {
	lambda.Start(handle)
}

// handle asks the URL in ASK. Without one it answers CloudFormation when the event comes from there, and else deletes the
// stack that DELETE_STACK names.
func handle(ctx context.Context, event json.RawMessage) (any, error) {
	if url := os.Getenv("ASK"); url != "" {
		return ask(ctx, url, os.Getenv("HOST"))
	}
	return nil, change(ctx, event)
}

// ask sends a request for a host to a listener, whose certificate must be for that host.
func ask(ctx context.Context, url, host string) (map[string]any, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil) //nolint:gosec // the tests say whom to ask
	if err != nil {
		return nil, fmt.Errorf("make the request to %s: %w", url, err)
	}
	request.Host = host
	client := http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }, Transport: &http.Transport{TLSClientConfig: &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}}}
	answer, err := client.Do(request) //nolint:gosec // as above
	if err != nil {
		return map[string]any{"error": err.Error()}, nil
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		return nil, fmt.Errorf("read the answer of %s: %w", url, err)
	}
	return map[string]any{"status": answer.StatusCode, "location": answer.Header.Get("Location"), "body": string(body)}, nil
}

func change(ctx context.Context, event json.RawMessage) error {
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
