package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	cdtypes "github.com/aws/aws-sdk-go-v2/service/codedeploy/types"

	"slipway/internal/contract"
	"slipway/lambdas/deployhook/decide"
	"slipway/lambdas/deployhook/report"
	"slipway/lambdas/internal/fakeaws"
)

const execution = "eyJlbmNyeXB0ZWREYXRhIjoiZXhhbXBsZSJ9"

var began = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

// world is an account with a deployment that waits for the hook, and a green side that answers as the test wants.
type world struct {
	t          *testing.T
	cloud      *fakeaws.Cloud
	codeDeploy *fakeaws.CodeDeploy
	hooks      *fakeaws.Hooks
	sns        *fakeaws.SNS
	config     string
	env        map[string]string
	asker      func(ctx context.Context, base, path string) decide.Answer
	log        bytes.Buffer

	mu    sync.Mutex
	asked []string // paths
}

func newWorld(t *testing.T) *world {
	c := fakeaws.New()
	w := &world{
		t: t, cloud: c, hooks: fakeaws.NewHooks(c), sns: fakeaws.NewSNS(c),
		codeDeploy: fakeaws.NewCodeDeploy(c, "slipway-prod", "prod", "prod-cluster", "prod", func() time.Time { return began }),
		config:     `{"url": "https://lb.example.net:8443", "host": "app.example.com", "requests": [{"path": "/health"}]}`,
		env:        map[string]string{},
		asker: func(context.Context, string, string) decide.Answer {
			return decide.Answer{Status: http.StatusOK, Body: []byte("ok"), Took: 3 * time.Millisecond}
		},
	}
	w.sns.Topic = "arn:aws:sns:eu-west-1:111111111111:slipway-prod-alerts"
	t.Cleanup(func() {
		c.CheckNoMistakes(t)
		fakeaws.CheckListed(t, "testdata/actions.txt", c.Actions())
	})
	return w
}

// Ask is the green side, and the blue one.
func (w *world) Ask(ctx context.Context, base, _, path string) decide.Answer {
	w.mu.Lock()
	w.asked = append(w.asked, path)
	w.mu.Unlock()
	return w.asker(ctx, base, path)
}

func (w *world) handler() *handler {
	s, fault := readSettings(func(name string) string {
		if value, ok := w.env[name]; ok {
			return value
		}
		return map[string]string{
			contract.EnvPlatform: "slipway", contract.EnvTopicARN: w.sns.Topic, contract.EnvStage: "prod", contract.EnvDeployHook: w.config, envLogGroup: "/aws/lambda/hook",
		}[name]
	})
	h := newHandler(s, fault, w.cloud.Config(), nil, slog.New(slog.NewJSONHandler(&w.log, nil)), time.Now)
	h.asker = w
	return h
}

// deployment starts one and returns CodeDeploy's question about it.
func (w *world) deployment(creator cdtypes.DeploymentCreator) map[string]any {
	return w.hooks.Ask(w.codeDeploy.Add("", "", creator), execution)
}

func (w *world) send(ctx context.Context, event any) (answer, error) {
	w.t.Helper()
	raw, ok := event.(json.RawMessage)
	if !ok {
		var err error
		if raw, err = json.Marshal(event); err != nil {
			w.t.Fatal(err)
		}
	}
	return w.handler().handle(ctx, raw)
}

// reports returns the reports in the log.
func (w *world) reports() (out []report.Report) {
	for line := range strings.Lines(w.log.String()) {
		var l struct {
			Marker string
			Report report.Report
		}
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			w.t.Fatalf("a log line is no JSON: %v", err)
		}
		if l.Marker == report.Marker {
			out = append(out, l.Report)
		}
	}
	return out
}

// ecsEvent is an event as AWS's developer guide shows it.
func ecsEvent(stage, test, production string) json.RawMessage {
	const green = "arn:aws:ecs:us-west-2:123456789012:service-revision/my-cluster/my-service/9313423515462893900"
	const blue = "arn:aws:ecs:us-west-2:123456789012:service-revision/my-cluster/my-service/1920498462936580504"
	weights := strings.NewReplacer("green", `"`+green+`"`, "blue", `"`+blue+`"`)
	return json.RawMessage(fmt.Sprintf(`{
		"executionId": "3a0345ba-b029-404b-890d-7da2a4b266aa", "lifecycleStage": %q,
		"resourceArn": "arn:aws:ecs:us-west-2:123456789012:service-deployment/my-cluster/my-service/EZe5RNVLH6PPzHXINuP28",
		"executionDetails": {
			"serviceArn": "arn:aws:ecs:us-west-2:123456789012:service/my-cluster/my-service",
			"targetServiceRevisionArn": %q, "testTrafficWeights": {%s}, "productionTrafficWeights": {%s}
		}
	}`, stage, green, weights.Replace(test), weights.Replace(production)))
}
