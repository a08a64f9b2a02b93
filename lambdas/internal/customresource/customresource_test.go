package customresource

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/aws/aws-lambda-go/cfn"
)

const stackID = "arn:aws:cloudformation:eu-west-1:111111111111:stack/slipway-dev-service/6b1f8a40-0001-11f0-8de9-0242ac120002"

// answer is CloudFormation's side of the protocol, as its documentation names the fields.
type answer struct {
	Status, Reason    string
	PhysicalID        string `json:"PhysicalResourceId"`
	StackID           string `json:"StackId"`
	RequestID         string `json:"RequestId"`
	LogicalResourceID string `json:"LogicalResourceId"`
	Data              map[string]string
}

// bucket takes the answers as S3 takes them at a signed address.
type bucket struct {
	t        *testing.T
	mu       sync.Mutex
	statuses []int // of the next answers; then 200
	broken   int   // connections to break first
	answers  []answer
	requests int
}

func (b *bucket) Do(r *http.Request) (*http.Response, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.requests++
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if b.broken > 0 {
		b.broken--
		return nil, errors.New("connection reset by peer")
	}
	if r.Method != http.MethodPut || r.URL.RawQuery != "X-Amz-Signature=secret" || r.Header.Get("Content-Type") != "" {
		b.t.Errorf("%s %s with content type %q breaks the signature", r.Method, r.URL, r.Header.Get("Content-Type"))
	}
	status := 200
	if len(b.statuses) > 0 {
		status, b.statuses = b.statuses[0], b.statuses[1:]
	}
	body, _ := io.ReadAll(r.Body)
	if len(body) > 4096 {
		b.t.Errorf("the answer takes %d bytes, 4096 are allowed", len(body))
	}
	if status == 200 {
		var a answer
		if err := json.Unmarshal(body, &a); err != nil {
			b.t.Errorf("answer %s: %v", body, err)
		}
		b.answers = append(b.answers, a)
	}
	return &http.Response{StatusCode: status, Body: io.NopCloser(strings.NewReader(""))}, nil
}

func newEvent(change map[string]any) json.RawMessage {
	e := map[string]any{
		"RequestType": "Create", "RequestId": "request-1", "ResponseURL": "https://bucket.s3.amazonaws.com/x?X-Amz-Signature=secret",
		"ResourceType": "Custom::Image", "LogicalResourceId": "Image", "StackId": stackID,
		"ResourceProperties": map[string]any{"ServiceToken": "arn:aws:lambda:x", "Name": "value"},
	}
	for k, v := range change {
		if e[k] = v; v == nil {
			delete(e, k)
		}
	}
	raw, err := json.Marshal(e)
	if err != nil {
		panic(err)
	}
	return raw
}

func invoke(t *testing.T, ctx context.Context, b *bucket, raw json.RawMessage, h Handler) (logged string, err error) {
	t.Helper()
	b.t = t
	var log bytes.Buffer
	w := Wrapper{Handler: h, Client: b, Log: slog.New(slog.NewJSONHandler(&log, nil)), Pause: time.Nanosecond}
	err = w.Invoke(ctx, raw)
	if strings.Contains(log.String(), "secret") || err != nil && strings.Contains(err.Error(), "secret") {
		t.Error("the signature of the address is in the log or the error")
	}
	return log.String(), err
}

func works(context.Context, Request) (map[string]string, error) {
	return map[string]string{"Key": "v"}, nil
}

func TestAlwaysExactlyOneAnswer(t *testing.T) {
	for sentence, c := range map[string]struct {
		event   map[string]any
		handler Handler
		status  string
		reason  string // part of it
	}{
		"success":                        {nil, works, "SUCCESS", ""},
		"an error":                       {nil, func(context.Context, Request) (map[string]string, error) { return nil, errors.New("no image") }, "FAILED", "no image"},
		"a panic":                        {nil, func(context.Context, Request) (map[string]string, error) { panic("boom") }, "FAILED", "panicked"},
		"a runtime error":                {nil, func(context.Context, Request) (map[string]string, error) { var r *Request; return r.Properties, nil }, "FAILED", "panicked"},
		"an unknown request type":        {map[string]any{"RequestType": "Replace"}, works, "FAILED", `RequestType is "Replace"`},
		"a property that is a list":      {map[string]any{"ResourceProperties": map[string]any{"Name": []string{"a"}}}, works, "FAILED", "property Name is no string"},
		"a property that is a number":    {map[string]any{"ResourceProperties": map[string]any{"Name": 1}}, works, "FAILED", "property Name is no string"},
		"properties that are no object":  {map[string]any{"ResourceProperties": "x"}, works, "FAILED", "read ResourceProperties"},
		"no properties":                  {map[string]any{"ResourceProperties": nil}, works, "FAILED", "read ResourceProperties"},
		"a request ID of the wrong kind": {map[string]any{"RequestId": 7}, works, "FAILED", "read the event"},
		"no stack ID":                    {map[string]any{"StackId": nil}, works, "FAILED", "is missing"},
		"attributes that are too long": {nil, func(context.Context, Request) (map[string]string, error) {
			return map[string]string{"Key": strings.Repeat("x", 5000)}, nil
		}, "FAILED", "CloudFormation allows 4096"},
		"a reason that is too long": {nil, func(context.Context, Request) (map[string]string, error) {
			return nil, errors.New("begin " + strings.Repeat("é\"", 9000))
		}, "FAILED", "begin "},
		"a delete with properties as broken as they were": {map[string]any{"RequestType": "Delete", "PhysicalResourceId": "id", "ResourceProperties": map[string]any{"Name": []string{"a"}}}, works, "SUCCESS", ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			b := &bucket{}
			if _, err := invoke(t, context.Background(), b, newEvent(c.event), c.handler); err != nil {
				t.Errorf("CloudFormation was told, so Lambda must not invoke again: %v", err)
			}
			if b.requests != 1 || len(b.answers) != 1 {
				t.Fatalf("%d answers", b.requests)
			}
			a := b.answers[0]
			if a.Status != c.status || !strings.Contains(a.Reason, c.reason) || c.status == "SUCCESS" && a.Reason != "" || a.PhysicalID == "" {
				t.Errorf("got %+v, want %s %q", a, c.status, c.reason)
			}
		})
	}
}

func TestAnswerRepeatsWhatIdentifiesTheRequest(t *testing.T) {
	for sentence, c := range map[string]struct {
		event map[string]any
		id    string
	}{
		"a create gets an ID from stack and resource": {nil, "slipway-dev-service/Image"},
		"an update keeps the ID":                      {map[string]any{"RequestType": "Update", "PhysicalResourceId": "an/older"}, "an/older"},
		"a delete keeps the ID":                       {map[string]any{"RequestType": "Delete", "PhysicalResourceId": "an/older"}, "an/older"},
	} {
		b := &bucket{}
		if _, err := invoke(t, context.Background(), b, newEvent(c.event), works); err != nil {
			t.Fatal(err)
		}
		a := b.answers[0]
		if a.PhysicalID != c.id || a.StackID != stackID || a.RequestID != "request-1" || a.LogicalResourceID != "Image" || a.Data["Key"] != "v" {
			t.Errorf("%s: %+v", sentence, a)
		}
	}
}

func TestAnEventThatComesTwiceIsAnsweredTheSameTwice(t *testing.T) {
	b := &bucket{}
	for range 2 {
		if _, err := invoke(t, context.Background(), b, newEvent(nil), works); err != nil {
			t.Fatal(err)
		}
	}
	if fmt.Sprint(b.answers[0]) != fmt.Sprint(b.answers[1]) {
		t.Errorf("%v, then %v", b.answers[0], b.answers[1])
	}
}

func TestHandlerGetsThePropertiesWithoutCloudFormationsOwn(t *testing.T) {
	var got Request
	raw := newEvent(map[string]any{
		"RequestType": "Update", "PhysicalResourceId": "id",
		"ResourceProperties":    map[string]any{"ServiceToken": "x", "ServiceTimeout": "60", "Name": "new"},
		"OldResourceProperties": map[string]any{"ServiceToken": "x", "Name": "old"},
	})
	if _, err := invoke(t, context.Background(), &bucket{}, raw, func(_ context.Context, r Request) (map[string]string, error) { got = r; return nil, nil }); err != nil {
		t.Fatal(err)
	}
	if got.Type != cfn.RequestUpdate || got.LogicalID != "Image" || got.StackID != stackID ||
		!maps.Equal(got.Properties, map[string]string{"Name": "new"}) || !maps.Equal(got.OldProperties, map[string]string{"Name": "old"}) {
		t.Errorf("got %+v", got)
	}
}

func TestHandlerThatHangsIsGivenUpBeforeTheDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
		defer cancel()
		began := time.Now()
		b := &bucket{}
		release := make(chan struct{})
		_, err := invoke(t, ctx, b, newEvent(nil), func(context.Context, Request) (map[string]string, error) {
			<-release // deaf to its context
			return map[string]string{"Key": "late"}, nil
		})
		close(release)
		synctest.Wait()
		if took := time.Since(began); took != 25*time.Second {
			t.Errorf("answered after %s, want five seconds before the deadline", took)
		}
		if err != nil || len(b.answers) != 1 || b.answers[0].Status != "FAILED" || !strings.Contains(b.answers[0].Reason, "ran out of time") {
			t.Errorf("%v %+v", err, b.answers)
		}
	})
}

func TestSendingTheAnswer(t *testing.T) {
	for sentence, c := range map[string]struct {
		bucket   *bucket
		requests int
		sent     bool
	}{
		"a broken connection is tried again":               {&bucket{broken: 1}, 2, true},
		"an error of S3 is tried again":                    {&bucket{statuses: []int{503}}, 2, true},
		"throttling is tried again":                        {&bucket{statuses: []int{429, 500}}, 3, true},
		"a refusal is final":                               {&bucket{statuses: []int{403}}, 1, false},
		"after five attempts Lambda has to invoke it anew": {&bucket{broken: 9}, 5, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			_, err := invoke(t, context.Background(), c.bucket, newEvent(nil), works)
			if c.bucket.requests != c.requests || (err == nil) != c.sent || (len(c.bucket.answers) == 1) != c.sent {
				t.Errorf("%d requests, %d answers, error %v", c.bucket.requests, len(c.bucket.answers), err)
			}
		})
	}
}

func TestSendingEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		b := &bucket{broken: 99, t: t}
		w := Wrapper{Handler: works, Client: b, Log: slog.New(slog.DiscardHandler), Pause: 300 * time.Millisecond}
		if err := w.Invoke(ctx, newEvent(nil)); !errors.Is(err, context.DeadlineExceeded) || b.requests != 3 {
			// at 0, 0.3 and 0.9 seconds, unless the margin is over from the start
			t.Errorf("%d requests, %v", b.requests, err)
		}
	})
}

func TestEventsOfNobody(t *testing.T) {
	for sentence, raw := range map[string]string{
		"no JSON":          `{`,
		"no address":       `{"RequestType": "Create"}`,
		"something else":   `{"source": "aws.events"}`,
		"no object at all": `[]`,
	} {
		b := &bucket{}
		if _, err := invoke(t, context.Background(), b, json.RawMessage(raw), works); err == nil || b.requests != 0 {
			t.Errorf("%s: %d requests, %v", sentence, b.requests, err)
		}
	}
	b := &bucket{}
	if _, err := invoke(t, context.Background(), b, newEvent(map[string]any{"ResponseURL": "http://bad host/?X-Amz-Signature=secret"}), works); err == nil || b.requests != 0 {
		t.Errorf("a malformed address: %d requests, %v", b.requests, err)
	}
}

// The real client against a real server: no content type, no redirect, the address in no error.
func TestClient(t *testing.T) {
	var hits int
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		hits++
		if _, present := r.Header["Content-Type"]; present || r.ContentLength <= 0 || r.Method != http.MethodPut {
			t.Errorf("%s, length %d, header %v", r.Method, r.ContentLength, r.Header)
		}
		if r.URL.Path == "/redirect" {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}
	}))
	w := Wrapper{Handler: works, Client: NewClient(), Log: slog.New(slog.DiscardHandler), Pause: time.Nanosecond}
	if err := w.Invoke(context.Background(), newEvent(map[string]any{"ResponseURL": server.URL + "/ok"})); err != nil || hits != 1 {
		t.Errorf("%d hits, %v", hits, err)
	}
	if err := w.Invoke(context.Background(), newEvent(map[string]any{"ResponseURL": server.URL + "/redirect"})); err == nil || hits != 2 {
		t.Errorf("a redirect: %d hits, %v", hits, err)
	}
	server.Close()
	if err := w.Invoke(context.Background(), newEvent(map[string]any{"ResponseURL": server.URL + "/ok?X-Amz-Signature=secret"})); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("no server: %v", err)
	}
}
