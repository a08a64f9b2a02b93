package harness

import (
	"context"
	"encoding/json"
	"fmt"
	"sync"
	"time"
)

// Users ask one host for its version, one request after the other, as long as they last.
type Users struct {
	cancel context.CancelFunc
	done   chan struct{}

	mu     sync.Mutex
	served []Served
	failed []string
}

// Served is a run of answers by the same version.
type Served struct {
	Commit   string
	Requests int
}

// userPause lies between two requests.
const userPause = 50 * time.Millisecond

// Users begin to ask https://host/version.
func (l *Local) Users(ctx context.Context, host string) *Users {
	ctx, cancel := context.WithCancel(ctx)
	u := &Users{cancel: cancel, done: make(chan struct{})}
	go func() {
		defer close(u.done)
		for ctx.Err() == nil {
			u.note(l.version(ctx, host))
			select {
			case <-ctx.Done():
			case <-time.After(userPause):
			}
		}
	}()
	return u
}

func (l *Local) version(ctx context.Context, host string) (string, error) {
	answer, err := l.Get(context.WithoutCancel(ctx), host, "/version") // a request that is under way is finished
	if err != nil {
		return "", err
	}
	if answer.Status != 200 {
		return "", fmt.Errorf("https://%s/version answered %d: %.200s", host, answer.Status, answer.Body)
	}
	var version struct{ Commit string }
	if err := json.Unmarshal([]byte(answer.Body), &version); err != nil {
		return "", fmt.Errorf("read https://%s/version: %w", host, err)
	}
	return version.Commit, nil
}

func (u *Users) note(commit string, err error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	switch {
	case err != nil:
		u.failed = append(u.failed, err.Error())
	case len(u.served) > 0 && u.served[len(u.served)-1].Commit == commit:
		u.served[len(u.served)-1].Requests++
	default:
		u.served = append(u.served, Served{Commit: commit, Requests: 1})
	}
}

// Stop ends the requests. It returns who answered, in order, and why requests failed.
func (u *Users) Stop() (served []Served, failed []string) {
	u.cancel()
	<-u.done
	return u.served, u.failed
}

// Requests is how many requests have been answered, well or not.
func (u *Users) Requests() int {
	u.mu.Lock()
	defer u.mu.Unlock()
	n := len(u.failed)
	for _, s := range u.served {
		n += s.Requests
	}
	return n
}
