// Package smoke is the command that asks a stage's application over its public address whether the right commit answers.
package smoke

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"time"

	"slipway/internal/config"
	"slipway/internal/contract"
	"slipway/tools/slipway/account"
	"slipway/tools/slipway/command"
)

const (
	pause       = 5 * time.Second
	requestTime = 10 * time.Second
	answerBytes = 64 << 10
	// A deployment is over when its load balancer has moved. So several answers in a row count, not one lucky one.
	inARow = 3
)

// question is what one run asks.
type question struct {
	base        string // scheme and address, without a path
	host        string // for the local AWS, which reads it as DNS; empty elsewhere
	environment string
	commit      string // empty takes any
}

// Run runs the command in the checkout's root and returns its exit code.
func Run(ctx context.Context, args []string, out, log io.Writer) int {
	set := command.Flags("slipway smoke", log)
	stage := set.String("stage", "", "the stage to ask; required")
	commit := set.String("commit", "", "the commit that must answer (default any)")
	within := set.Duration("within", 2*time.Minute, "how long to wait until it answers")
	if code, done := command.Parse(set, args); done {
		return code
	}
	if *stage == "" {
		fmt.Fprintln(log, "slipway smoke: give the stage: -stage dev [-commit SHA] [-within 2m]")
		return command.Usage
	}
	cfg, err := config.Load("platform.yaml", config.Profile{})
	if err != nil {
		fmt.Fprintf(log, "slipway smoke: %v\n", err)
		return command.Failed
	}
	found, ok := cfg.Stage(*stage)
	if !ok || *stage == cfg.QA.Stage {
		fmt.Fprintf(log, "slipway smoke: stage %q: platform.yaml has no such stage with an application of its own\n", *stage)
		return command.Usage
	}
	host := contract.AppHost(found.Name, found.Production, cfg.Domain)
	q := question{base: "https://" + host, environment: found.Name, commit: *commit}
	if account.Local() {
		q.base, q.host = account.Endpoint(), host+":443"
	}
	client := &http.Client{Timeout: requestTime, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	ctx, cancel := context.WithTimeout(ctx, *within)
	defer cancel()
	if err := untilGood(ctx, client, q, pause, log); err != nil {
		fmt.Fprintf(log, "slipway smoke: https://%s: %v. The dashboard %s-%s and the log group %s say more.\n", host, err,
			cfg.Platform, found.Name, contract.LogGroupNameOfStage(cfg.Platform, found.Name))
		return command.Failed
	}
	fmt.Fprintf(out, "https://%s answers well, %d times in a row.\n", host, inARow)
	return command.OK
}

// untilGood asks until enough answers in a row are good, or the time is over; then the last fault is the error.
func untilGood(ctx context.Context, client *http.Client, q question, pause time.Duration, log io.Writer) error {
	var last error
	for good := 0; ; {
		err := ask(ctx, client, q)
		switch {
		case err == nil:
			if good++; good == inARow {
				return nil
			}
		case ctx.Err() == nil || last == nil: // the end of our time is no fault of the application's
			good = 0
			if last == nil || last.Error() != err.Error() {
				fmt.Fprintf(log, "not yet: %v\n", err)
			}
			last = err
		}
		select {
		case <-ctx.Done():
			if last == nil {
				last = ctx.Err()
			}
			return last
		case <-time.After(pause):
		}
	}
}

// ask asks each address once.
func ask(ctx context.Context, client *http.Client, q question) error {
	for _, path := range []string{contract.HealthPath, "/ready"} {
		if _, err := get(ctx, client, q, path); err != nil {
			return err
		}
	}
	body, err := get(ctx, client, q, "/version")
	if err != nil {
		return err
	}
	var version struct {
		Commit      string `json:"commit"`
		Environment string `json:"environment"`
	}
	switch err := json.Unmarshal(body, &version); {
	case err != nil:
		return fmt.Errorf("/version can't be read: %w", err)
	case version.Environment != q.environment:
		return fmt.Errorf("it says that it is %q, want %q", version.Environment, q.environment)
	case q.commit != "" && version.Commit != q.commit:
		return fmt.Errorf("it runs commit %q, want %q", version.Commit, q.commit)
	}
	return nil
}

func get(ctx context.Context, client *http.Client, q question, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, q.base+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	if q.host != "" {
		request.Host = q.host
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, answerBytes))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", path, err)
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s answers %s: %.200s", path, response.Status, body)
	}
	return body, nil
}
