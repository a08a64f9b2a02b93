// Package probe sends the hook's requests to a listener of the load balancer.
package probe

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"slipway/lambdas/deployhook/decide"
)

// MaxBody is how much of a body is read; what follows is not waited for.
const MaxBody = 64 << 10

const userAgent = "slipway-deployhook/1"

// Prober sends requests for one host name to whatever address it is told.
type Prober struct {
	client  *http.Client
	host    string
	timeout time.Duration // of one request, to the end of its body
}

// New returns a prober. Requests carry host in their Host header, and the certificate must be for it, while the
// connection goes to the address of each request: the load balancer's own name. roots are the authorities to trust; nil
// means those of the system.
func New(host string, timeout time.Duration, roots *x509.CertPool) *Prober {
	return &Prober{
		host: host, timeout: timeout,
		client: &http.Client{
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
			Transport: &http.Transport{
				Proxy:                  nil, // the listener is asked itself, whatever the environment says
				DialContext:            (&net.Dialer{Timeout: timeout}).DialContext,
				TLSClientConfig:        &tls.Config{ServerName: host, RootCAs: roots, MinVersion: tls.VersionTLS12},
				DisableCompression:     true, // the body is matched as it comes
				MaxResponseHeaderBytes: 64 << 10,
				MaxIdleConnsPerHost:    8,
				ForceAttemptHTTP2:      true,
			},
		},
	}
}

// Ask sends one request and reads its answer. It never takes longer than the timeout, and always returns.
func (p *Prober) Ask(ctx context.Context, base, method, path string) (answer decide.Answer) {
	ctx, cancel := context.WithTimeout(ctx, p.timeout)
	defer cancel()
	began := time.Now()
	defer func() { answer.Took = time.Since(began) }()

	req, err := http.NewRequestWithContext(ctx, method, strings.TrimRight(base, "/")+path, nil)
	if err != nil {
		return decide.Answer{Err: err}
	}
	req.Host = p.host
	req.Header.Set("User-Agent", userAgent)
	res, err := p.client.Do(req)
	if err != nil {
		return decide.Answer{Err: p.plain(ctx, err)}
	}
	defer res.Body.Close()
	answer.Status, answer.Location = res.StatusCode, res.Header.Get("Location")
	body, err := io.ReadAll(io.LimitReader(res.Body, MaxBody+1))
	if err != nil {
		answer.Err = p.plain(ctx, err)
	}
	answer.Cut = len(body) > MaxBody
	answer.Body = body[:min(len(body), MaxBody)]
	return answer
}

// plain drops the address, which the report has already, and says a timeout in plain words.
func (p *Prober) plain(ctx context.Context, err error) error {
	var ue *url.Error
	if errors.As(err, &ue) {
		err = ue.Err
	}
	if errors.Is(err, context.DeadlineExceeded) || ctx.Err() != nil {
		return errors.Join(errTimeout, context.Cause(ctx))
	}
	return err
}

var errTimeout = errors.New("timed out")

// Close drops idle connections.
func (p *Prober) Close() { p.client.CloseIdleConnections() }
