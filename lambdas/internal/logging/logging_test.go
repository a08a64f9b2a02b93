package logging

import (
	"bytes"
	"context"
	"encoding/json"
	"testing"

	"github.com/aws/aws-lambda-go/lambdacontext"
)

func TestLevelFollowsTheFunctionsConfiguration(t *testing.T) {
	for level, want := range map[string]string{
		"":      "info warn error ",
		"DEBUG": "debug info warn error ",
		"WARN":  "warn error ",
		"ERROR": "error ",
	} {
		t.Setenv("AWS_LAMBDA_LOG_LEVEL", level)
		var out bytes.Buffer
		log := New(&out)
		log.Debug("debug")
		log.Info("info")
		log.Warn("warn")
		log.Error("error")
		got := ""
		for line := range bytes.Lines(out.Bytes()) {
			var entry struct{ Msg string }
			if err := json.Unmarshal(line, &entry); err != nil {
				t.Fatalf("line isn't JSON: %s", line)
			}
			got += entry.Msg + " "
		}
		if got != want {
			t.Errorf("level %q writes %q, want %q", level, got, want)
		}
	}
}

func TestLinesCarryTheRequestID(t *testing.T) {
	var out bytes.Buffer
	ctx := lambdacontext.NewContext(context.Background(), &lambdacontext.LambdaContext{AwsRequestID: "r-1"})
	ForInvocation(ctx, New(&out)).Info("hello")
	var entry map[string]any
	if err := json.Unmarshal(out.Bytes(), &entry); err != nil || entry["requestId"] != "r-1" {
		t.Errorf("got %s", out.Bytes())
	}
}
