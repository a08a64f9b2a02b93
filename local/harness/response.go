package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"

	"slipway/internal/contract"
)

// Finding puts a finding of GuardDuty on the instance's bus: an event as EventBridge delivers it.
func (l *Local) Finding(ctx context.Context, log io.Writer, event []byte) error {
	file := filepath.Join(l.Root, l.Directory, "finding.json")
	if err := os.WriteFile(file, event, 0o600); err != nil {
		return err
	}
	return l.python(ctx, log, "guardduty", "--dir", l.Directory, file)
}

// Respond asks the function that answers findings, and returns its answer, which may say that it failed.
func (l *Local) Respond(ctx context.Context, platform string, command contract.ResponseCommand) (contract.ResponseAnswer, error) {
	command.Purpose = contract.ResponseCommandPurpose
	payload, err := json.Marshal(command)
	if err != nil {
		return contract.ResponseAnswer{}, fmt.Errorf("write the command %s: %w", command.Command, err)
	}
	out, err := lambda.NewFromConfig(l.Config()).Invoke(ctx, &lambda.InvokeInput{FunctionName: aws.String(contract.ResponseFunction(platform)), Payload: payload})
	if err != nil {
		return contract.ResponseAnswer{}, fmt.Errorf("ask the response to %s: %w", command.Command, err)
	}
	if out.FunctionError != nil {
		return contract.ResponseAnswer{}, fmt.Errorf("ask the response to %s: the function failed: %s", command.Command, out.Payload)
	}
	var answer contract.ResponseAnswer
	return answer, json.Unmarshal(out.Payload, &answer)
}
