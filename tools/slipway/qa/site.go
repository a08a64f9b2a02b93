package qa

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"time"

	"slipway/internal/contract"
)

const (
	answerTime  = 10 * time.Minute // an image is pulled, migrations run, two health checks pass
	requestTime = 10 * time.Second
)

// site asks environments for their version.
type site interface {
	version(ctx context.Context, host string) (version, error)
}

// version is what an environment says of itself.
type version struct {
	Commit      string `json:"commit"`
	Environment string `json:"environment"`
}

// gated is the answer of an environment that doesn't let this machine in: it is there, and says no more.
type gated struct{ status string }

func (g *gated) Error() string { return "it answers " + g.status }

type webSite struct {
	endpoint string // of the local AWS; empty on AWS
	client   *http.Client
}

func newSite(endpoint string) site {
	return webSite{strings.TrimSuffix(endpoint, "/"), &http.Client{
		Timeout:       requestTime,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func (w webSite) version(ctx context.Context, host string) (version, error) {
	url := "https://" + host + "/version"
	if w.endpoint != "" {
		url = w.endpoint + "/version"
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return version{}, err
	}
	if w.endpoint != "" {
		request.Host = host + ":443" // the local AWS reads it as DNS and the listener's port
	}
	response, err := w.client.Do(request)
	if err != nil {
		return version{}, err
	}
	defer response.Body.Close()
	switch response.StatusCode {
	case http.StatusOK:
	case http.StatusFound, http.StatusUnauthorized, http.StatusForbidden:
		return version{}, &gated{response.Status}
	default:
		return version{}, fmt.Errorf("it answers %s", response.Status)
	}
	var v version
	if err := json.NewDecoder(io.LimitReader(response.Body, 64<<10)).Decode(&v); err != nil {
		return version{}, fmt.Errorf("its /version can't be read: %w", err)
	}
	return v, nil
}

var commitPattern = regexp.MustCompile(`^[0-9a-f]{7,40}$`)

// is says why what answers isn't the environment with the image; image may be empty, a digest, or a tag that is no commit, which
// the version doesn't tell.
func (v version) is(slug, image string) error {
	switch {
	case v.Environment != slug:
		return fmt.Errorf("%q answers there", v.Environment)
	case commitPattern.MatchString(image) && commitPattern.MatchString(v.Commit) && !strings.HasPrefix(v.Commit, image) && !strings.HasPrefix(image, v.Commit):
		return fmt.Errorf("the commit %s still answers", v.Commit)
	}
	return nil
}

// answers waits until the environment answers with the image.
func (s *session) answers(ctx context.Context, slug, image string) error {
	host := contract.HostName(slug, s.cfg.Domain)
	for deadline := s.now().Add(answerTime); ; {
		err := s.there(ctx, host, slug, image)
		switch {
		case err == nil:
			return nil
		case s.now().After(deadline):
			return fmt.Errorf("https://%s doesn't answer as it should after %s: %w; its tasks' log is %s", host, answerTime, err,
				contract.LogGroupNameOfEnvironment(s.cfg.Platform, slug))
		}
		if err := s.wait(ctx, poll); err != nil {
			return fmt.Errorf("wait for https://%s: %w", host, err)
		}
	}
}

// there says why the environment isn't there yet. Where this machine isn't let in, the load balancer answers by itself, and that
// whether a task runs or not: then ECS must say that one does.
func (s *session) there(ctx context.Context, host, slug, image string) error {
	v, err := s.site.version(ctx, host)
	var no *gated
	if errors.As(err, &no) {
		if err := s.runs(ctx, slug); err != nil {
			return err
		}
		fmt.Fprintf(s.log, "https://%s answers %s: it asks for sign-in, or this network may not see it. Its tasks run; its version isn't checked.\n", host, no.status)
		return nil
	}
	if err != nil {
		return err
	}
	return v.is(slug, image)
}

// runs says why the environment's service has no task of its own running.
func (s *session) runs(ctx context.Context, slug string) error {
	service, err := s.service(ctx, slug)
	switch {
	case err != nil:
		return err
	case service == nil:
		return errors.New("it asks for sign-in, or this network may not see it, and it has no service")
	case service.Desired == 0 || service.Running < service.Desired:
		return fmt.Errorf("it asks for sign-in, or this network may not see it, and %d of %d tasks run", service.Running, service.Desired)
	}
	return nil
}
