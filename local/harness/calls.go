package harness

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Calls counts calls: Made of an action, of which Refused were answered with an error.
type Calls struct{ Made, Refused int }

// Counter stands before an instance and counts the calls that come through it.
type Counter struct {
	server   *http.Server
	endpoint string

	mu    sync.Mutex
	calls map[string]Calls
}

// Count starts a counter before the instance, on a port of its own. Who is to be counted uses the counter's Endpoint.
func (l *Local) Count(ctx context.Context) (*Counter, error) {
	target, err := url.Parse(l.Endpoint())
	if err != nil {
		return nil, fmt.Errorf("count the calls of %s: %w", l.Endpoint(), err)
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("count the calls of %s: %w", l.Endpoint(), err)
	}
	c := &Counter{endpoint: "http://" + listener.Addr().String(), calls: map[string]Calls{}}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }}
	c.server = &http.Server{ReadHeaderTimeout: 10 * time.Second, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		action := actionOf(r, body)
		r.Body = io.NopCloser(bytes.NewReader(body))
		answer := &statusWriter{ResponseWriter: w}
		proxy.ServeHTTP(answer, r)
		c.add(action, answer.status >= http.StatusBadRequest)
	})}
	go c.server.Serve(listener) //nolint:errcheck // ends with Close
	return c, nil
}

// Endpoint is the URL that counts.
func (c *Counter) Endpoint() string { return c.endpoint }

// Calls are the calls so far, by "service:Action" with the name by which a service signs its calls.
func (c *Counter) Calls() map[string]Calls {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.calls)
}

// Close ends the counting.
func (c *Counter) Close() error { return c.server.Close() }

func (c *Counter) add(action string, refused bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := c.calls[action]
	n.Made++
	if refused {
		n.Refused++
	}
	c.calls[action] = n
}

type statusWriter struct {
	http.ResponseWriter
	status int
}

func (w *statusWriter) WriteHeader(status int) {
	w.status = status
	w.ResponseWriter.WriteHeader(status)
}

// credentialScope is where a signature names its service (Signature Version 4).
var credentialScope = regexp.MustCompile(`Credential=[^/,\s]+/\d{8}/[^/,\s]+/([^/,\s]+)/aws4_request`)

// actionOf names a call as IAM does, as far as its protocol has the name: in a field (JSON), the path (CBOR) or the form (query).
// Of other protocols the method and the path stand for it.
func actionOf(r *http.Request, body []byte) string {
	service := "unsigned"
	if match := credentialScope.FindStringSubmatch(r.Header.Get("Authorization")); match != nil {
		service = match[1]
	}
	if target := r.Header.Get("X-Amz-Target"); target != "" {
		return service + ":" + target[strings.LastIndexByte(target, '.')+1:]
	}
	if _, operation, ok := strings.Cut(r.URL.Path, "/operation/"); ok {
		return service + ":" + operation
	}
	if form, err := url.ParseQuery(string(body)); err == nil && form.Get("Action") != "" {
		return service + ":" + form.Get("Action")
	}
	return service + ":" + r.Method + " " + r.URL.Path
}
