package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"slipway/internal/contract"
	"slipway/lambdas/internal/logging"
	"slipway/lambdas/rollout/apply"
	"slipway/lambdas/rollout/decide"
)

// event is what the provider framework sends: CloudFormation's request, and to isComplete also what onEvent returned.
// CloudFormation's ResponseURL is in there too. It is a secret, and the framework's own business.
type event struct {
	RequestType        string
	RequestID          string `json:"RequestId"`
	StackID            string `json:"StackId"`
	LogicalResourceID  string `json:"LogicalResourceId"`
	PhysicalResourceID string `json:"PhysicalResourceId"`
	ResourceProperties map[string]any
	RolloutBegan       time.Time
}

// started is onEvent's answer. The framework passes its fields on to each isComplete.
type started struct {
	PhysicalResourceID string    `json:"PhysicalResourceId"`
	RolloutBegan       time.Time // the one thing that CodeDeploy doesn't remember for us
}

// completion is isComplete's answer. The framework refuses Data before the end.
type completion struct {
	IsComplete bool
	Data       map[string]string `json:"Data,omitempty"`
}

const (
	create = "Create"
	update = "Update"
	remove = "Delete"

	margin = 5 * time.Second // kept before the function's deadline for the answer
)

type handler struct {
	roller apply.Roller
	log    *slog.Logger
	now    func() time.Time
}

// onEvent checks the request and takes the first step. What fails for a passing reason is left to isComplete, which
// takes the same steps.
//
// A Delete calls nothing. Whatever moves or stops traffic at that point would be wrong: when the stack goes, CloudFormation
// deletes the deployment group and the service next, which ends a running deployment; and a stop could start a rollback,
// a deployment into a service that is being deleted. When only this resource goes, the service stays, and what runs on it
// is CodeDeploy's. And a Delete must succeed with whatever properties a failed Create had.
func (h handler) onEvent(ctx context.Context, e event) (started, error) {
	answer := started{PhysicalResourceID: physicalID(e), RolloutBegan: h.now().UTC()}
	if e.RequestType == remove {
		return answer, nil
	}
	_, err := h.step(ctx, e, answer.RolloutBegan)
	return answer, err
}

// isComplete takes the next step and says whether it was the last.
func (h handler) isComplete(ctx context.Context, e event) (completion, error) {
	if e.RequestType == remove {
		return completion{IsComplete: true}, nil
	}
	if e.RolloutBegan.IsZero() {
		return completion{}, errors.New("roll out: the event doesn't say when the rollout began; onEvent and isComplete must be the same version")
	}
	return h.step(ctx, e, e.RolloutBegan)
}

func (h handler) step(ctx context.Context, e event, began time.Time) (completion, error) {
	log := logging.ForInvocation(ctx, h.log).With("stack", e.StackID, "resource", e.LogicalResourceID, "type", e.RequestType, "request", e.RequestID)
	wish, err := parse(e)
	if err != nil {
		return completion{}, fmt.Errorf("roll out: %w", err)
	}
	work, cancel := ctx, context.CancelFunc(func() {})
	if deadline, ok := ctx.Deadline(); ok {
		work, cancel = context.WithDeadline(ctx, deadline.Add(-margin))
	}
	defer cancel()
	roller := h.roller
	roller.Log = log
	result, err := roller.Step(work, wish, decide.NewMark(e.StackID, e.LogicalResourceID, e.RequestID), began)
	hard := decide.Request{Timeout: wish.Timeout, Began: began}.Hard()
	switch {
	case err == nil && result.Done:
		return completion{IsComplete: true, Data: map[string]string{
			decide.AttributeDeployment: result.Deployment, decide.AttributeTaskDefinition: wish.TaskDefinition,
		}}, nil
	case err == nil:
		return completion{}, nil
	case apply.IsPassing(work, err) && h.now().Before(hard):
		log.WarnContext(ctx, "tried again at the next poll", "error", err.Error())
		return completion{}, nil
	case apply.IsPassing(work, err):
		return completion{}, fmt.Errorf("roll out %s: AWS still didn't answer as it should when the time was over: %w; see in CodeDeploy's console what came of it, then deploy again",
			decide.Short(wish.TaskDefinition), err)
	}
	log.ErrorContext(ctx, "failed", "error", err.Error())
	return completion{}, err
}

func parse(e event) (decide.Wish, error) {
	if e.RequestType != create && e.RequestType != update {
		return decide.Wish{}, fmt.Errorf("RequestType is %q; it must be Create, Update or Delete", e.RequestType)
	}
	if e.StackID == "" || e.LogicalResourceID == "" || e.RequestID == "" {
		return decide.Wish{}, errors.New("StackId, LogicalResourceId or RequestId is missing")
	}
	properties := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(e.ResourceProperties)) {
		if name == "ServiceToken" || name == "ServiceTimeout" {
			continue // CloudFormation's own
		}
		value, ok := e.ResourceProperties[name].(string)
		if !ok {
			return decide.Wish{}, fmt.Errorf("property %s is no string", name)
		}
		properties[name] = value
	}
	return decide.Parse(properties)
}

// physicalID is the same for the resource's whole life: another one would make CloudFormation delete the old resource.
func physicalID(e event) string {
	if e.PhysicalResourceID != "" {
		return e.PhysicalResourceID
	}
	stack := e.StackID // arn:…:stack/<name>/<unique part>
	if parts := strings.Split(stack, "/"); len(parts) == 3 {
		stack = parts[1]
	}
	return stack + "/" + e.LogicalResourceID
}

// choose is the handler that the environment names. Both are one binary: they take the same steps.
func (h handler) choose(name string) (any, error) {
	switch name {
	case contract.RolloutOnEvent:
		return lambdaFunc(h.onEvent), nil
	case contract.RolloutIsComplete:
		return lambdaFunc(h.isComplete), nil
	}
	return nil, fmt.Errorf("%s is %q; give it %s or %s", contract.EnvRolloutHandler, name, contract.RolloutOnEvent, contract.RolloutIsComplete)
}

// lambdaFunc takes the event undecoded, so that one that isn't as documented is refused in our words, and bounds every
// error, whatever it quotes: CloudFormation never learns of one that is too long.
func lambdaFunc[Out any](handle func(context.Context, event) (Out, error)) func(context.Context, json.RawMessage) (Out, error) {
	return func(ctx context.Context, raw json.RawMessage) (Out, error) {
		var e event
		var none Out
		if err := json.Unmarshal(raw, &e); err != nil {
			return none, fmt.Errorf("roll out: read the provider framework's event: %s", decide.Bounded(err.Error()))
		}
		answer, err := handle(ctx, e)
		if err != nil {
			return none, errors.New(decide.Bounded(err.Error()))
		}
		return answer, nil
	}
}
