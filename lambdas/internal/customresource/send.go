package customresource

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"time"

	"github.com/aws/aws-lambda-go/cfn"
)

// Doer sends HTTP requests; *http.Client does.
type Doer interface {
	Do(*http.Request) (*http.Response, error)
}

const (
	maxAnswer = 4096 // bytes, CloudFormation's limit for a custom resource's answer
	attempts  = 5
	perTry    = 4 * time.Second
)

// NewClient returns an HTTP client for the answers. It follows no redirect, for the address is signed.
func NewClient() *http.Client {
	return &http.Client{
		Timeout:       perTry,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// send puts the answer to the signed address. What may pass (no connection, 429, 5xx) is tried again; a refusal isn't.
func (w Wrapper) send(ctx context.Context, log *slog.Logger, address string, answer *cfn.Response) error {
	body, err := encode(answer)
	if err != nil {
		return err
	}
	pause := w.Pause
	if pause == 0 {
		pause = 200 * time.Millisecond
	}
	for attempt := 1; ; attempt++ {
		retry, err := w.put(ctx, address, body)
		if err == nil {
			return nil
		}
		log.WarnContext(ctx, "the answer could not be sent", "attempt", attempt, "error", err.Error())
		if !retry || attempt == attempts {
			return fmt.Errorf("tell CloudFormation about %s in %s: %w", answer.LogicalResourceID, answer.StackID, err)
		}
		select {
		case <-time.After(pause):
			pause *= 2
		case <-ctx.Done():
			return fmt.Errorf("tell CloudFormation about %s in %s: %w", answer.LogicalResourceID, answer.StackID, errors.Join(err, ctx.Err()))
		}
	}
}

func (w Wrapper) put(ctx context.Context, address string, body []byte) (retry bool, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, address, bytes.NewReader(body))
	if err != nil {
		return false, errors.New("the address for the answer is malformed") // without the address: it is a secret
	}
	// The signature covers an empty content type.
	req.Header["Content-Type"] = nil
	res, err := w.Client.Do(req)
	if err != nil {
		var ue *url.Error
		if errors.As(err, &ue) {
			err = ue.Err // url.Error shows the address, which holds a signature
		}
		return true, err
	}
	defer res.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, 1<<16))
	switch {
	case res.StatusCode >= 200 && res.StatusCode < 300:
		return false, nil
	case res.StatusCode == http.StatusTooManyRequests || res.StatusCode >= 500:
		return true, fmt.Errorf("got HTTP %d", res.StatusCode)
	}
	return false, fmt.Errorf("got HTTP %d", res.StatusCode)
}

// encode makes the answer fit: a reason that is too long is cut, attributes that are too long become a failure.
func encode(answer *cfn.Response) ([]byte, error) {
	body, err := json.Marshal(answer)
	if err != nil {
		return nil, fmt.Errorf("encode the answer: %w", err)
	}
	if len(body) <= maxAnswer {
		return body, nil
	}
	if answer.Status == cfn.StatusSuccess {
		answer.Status, answer.Data = cfn.StatusFailed, nil
		answer.Reason = fmt.Sprintf("the attributes take %d bytes, CloudFormation allows %d", len(body), maxAnswer)
		return encode(answer)
	}
	over := len(body) - maxAnswer
	reason := []rune(answer.Reason)
	if len(reason) == 0 {
		return nil, fmt.Errorf("encode the answer: it takes %d bytes without a reason, CloudFormation allows %d", len(body), maxAnswer)
	}
	// A rune may take up to six bytes in JSON; each round cuts at least one and the loop ends at an empty reason.
	cut := max(1, (over+8)/6)
	answer.Reason = string(reason[:max(0, len(reason)-cut-1)]) + "…"
	if len(reason) <= 1 {
		answer.Reason = ""
	}
	return encode(answer)
}
