// Package customresource answers CloudFormation for a Lambda that is a custom resource: always, exactly once, whatever
// the handler does. Without an answer the stack hangs for an hour.
package customresource

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/cfn"

	"slipway/lambdas/internal/logging"
)

// Request is what CloudFormation asks for. All properties are strings; CloudFormation makes them so.
type Request struct {
	Type          cfn.RequestType
	StackID       string
	LogicalID     string
	Properties    map[string]string
	OldProperties map[string]string // of an update
}

// Handler creates, updates or deletes the resource and returns its attributes. Its context ends before the function's
// deadline. A Delete must not fail for its properties: after a failed Create they may be as bad as they were then, and those
// that can't be read are absent.
type Handler func(context.Context, Request) (data map[string]string, err error)

// Wrapper makes a Lambda handler of a Handler.
type Wrapper struct {
	Handler Handler
	Client  Doer // sends the answer
	Log     *slog.Logger
	// Margin is how long before the function's deadline the handler is given up and CloudFormation told so. 0 means
	// DefaultMargin.
	Margin time.Duration
	// Pause is how long to wait before the second attempt to send the answer; it doubles each time. 0 means 200 ms.
	Pause time.Duration
}

// New is the wrapper of a Lambda that runs.
func New(handler Handler, log *slog.Logger) Wrapper {
	return Wrapper{Handler: handler, Client: NewClient(), Log: log}
}

// DefaultMargin leaves time for the answer and for a second attempt to send it.
const DefaultMargin = 5 * time.Second

// Invoke handles one event. Its error says that CloudFormation could not be told the outcome; Lambda then invokes the
// function again. A failure that CloudFormation was told is no error, or a repeated invocation would answer once more.
func (w Wrapper) Invoke(ctx context.Context, raw json.RawMessage) error {
	log := logging.ForInvocation(ctx, w.Log)
	event, parseErr := parse(raw)
	if event.ResponseURL == "" {
		return fmt.Errorf("custom resource: the event is none of CloudFormation's, nobody can be told: %w", parseErr)
	}
	log = log.With("stack", event.StackID, "resource", event.LogicalResourceID, "type", event.RequestType)

	// The ID is the same for the resource's whole life, also when a Create fails or an event comes twice: another one
	// would make CloudFormation delete the old resource.
	answer := cfn.NewResponse(&cfn.Event{
		RequestID: event.RequestID, LogicalResourceID: event.LogicalResourceID, StackID: event.StackID,
	})
	if answer.PhysicalResourceID = event.PhysicalResourceID; answer.PhysicalResourceID == "" {
		answer.PhysicalResourceID = physicalID(event)
	}

	data, err := map[string]string(nil), parseErr
	if err == nil {
		data, err = w.run(ctx, log, event)
	}
	if err != nil {
		answer.Status, answer.Reason = cfn.StatusFailed, err.Error()
		log.ErrorContext(ctx, "failed", "error", err.Error())
	} else {
		answer.Status = cfn.StatusSuccess
		answer.Data = map[string]any{}
		for k, v := range data {
			answer.Data[k] = v
		}
		log.InfoContext(ctx, "succeeded", "attributes", slices.Sorted(maps.Keys(data)))
	}
	return w.send(ctx, log, event.ResponseURL, answer)
}

// event is CloudFormation's event with the properties still undecoded, for one bad property must not hide where to send
// the answer.
type event struct {
	cfn.Event
	ResourceProperties    json.RawMessage
	OldResourceProperties json.RawMessage

	properties, oldProperties map[string]string
}

func parse(raw json.RawMessage) (event, error) {
	var e event
	if err := json.Unmarshal(raw, &e); err != nil {
		return e, fmt.Errorf("read the event: %w", err)
	}
	switch {
	case e.ResponseURL == "":
		return e, errors.New("read the event: it has no ResponseURL")
	case e.StackID == "" || e.RequestID == "" || e.LogicalResourceID == "":
		return e, errors.New("read the event: StackId, RequestId or LogicalResourceId is missing")
	}
	switch e.RequestType {
	case cfn.RequestDelete:
		e.properties, _ = stringsOf(e.ResourceProperties)
		return e, nil
	case cfn.RequestCreate, cfn.RequestUpdate:
	default:
		return e, fmt.Errorf("read the event: RequestType is %q; it must be Create, Update or Delete", e.RequestType)
	}
	var err error
	if e.properties, err = stringsOf(e.ResourceProperties); err != nil {
		return e, fmt.Errorf("read ResourceProperties: %w", err)
	}
	if len(e.OldResourceProperties) > 0 {
		// An older version of the stack may have had other properties; what can't be read is as good as absent.
		e.oldProperties, _ = stringsOf(e.OldResourceProperties)
	}
	return e, nil
}

func stringsOf(raw json.RawMessage) (map[string]string, error) {
	var all map[string]any
	if err := json.Unmarshal(raw, &all); err != nil {
		return nil, err
	}
	properties := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if name == "ServiceToken" || name == "ServiceTimeout" {
			continue // CloudFormation's own
		}
		value, ok := all[name].(string)
		if !ok {
			return nil, fmt.Errorf("property %s is no string", name)
		}
		properties[name] = value
	}
	return properties, nil
}

// physicalID is <stack name>/<logical ID>. A stack's ID is arn:…:stack/<name>/<unique part>.
func physicalID(e event) string {
	stack := StackName(e.StackID)
	if stack == "" {
		stack = e.StackID
	}
	if id := stack + "/" + e.LogicalResourceID; id != "/" {
		return id
	}
	return "unknown"
}

// run calls the handler and waits for it no longer than until the margin before the deadline. A panic is an error.
func (w Wrapper) run(ctx context.Context, log *slog.Logger, e event) (map[string]string, error) {
	if deadline, ok := ctx.Deadline(); ok {
		margin := w.Margin
		if margin == 0 {
			margin = DefaultMargin
		}
		var cancel context.CancelFunc
		ctx, cancel = context.WithDeadline(ctx, deadline.Add(-margin))
		defer cancel()
	}
	type result struct {
		data map[string]string
		err  error
	}
	done := make(chan result, 1) // buffered: a handler that comes too late must not hang for ever
	go func() {
		var r result
		defer func() {
			if p := recover(); p != nil {
				log.Error("panic", "panic", fmt.Sprint(p), "stack trace", string(debug.Stack()))
				r = result{err: errors.New("the function panicked; its log has the details")}
			}
			done <- r
		}()
		r.data, r.err = w.Handler(ctx, Request{
			Type: e.RequestType, StackID: e.StackID, LogicalID: e.LogicalResourceID,
			Properties: e.properties, OldProperties: e.oldProperties,
		})
	}()
	select {
	case r := <-done:
		return r.data, r.err
	case <-ctx.Done():
		select {
		case r := <-done: // both at once: the outcome counts
			return r.data, r.err
		default:
			return nil, errors.New("the function ran out of time before it was done; deploy again, and raise its timeout if that repeats")
		}
	}
}

// StackName is the name in a stack's ID, arn:…:stack/<name>/<unique part>; empty if that is no such ID.
func StackName(stackID string) string {
	if parts := strings.Split(stackID, "/"); len(parts) == 3 && strings.HasSuffix(parts[0], ":stack") {
		return parts[1]
	}
	return ""
}
