package probe

import (
	"context"
	"crypto/x509"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"slipway/lambdas/deployhook/decide"
)

// serve starts a server with TLS; its certificate is for example.com and *.example.com.
func serve(t *testing.T, handler http.HandlerFunc) (url string, roots *x509.CertPool) {
	s := httptest.NewTLSServer(handler)
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	roots = x509.NewCertPool()
	roots.AddCert(s.Certificate())
	return s.URL, roots
}

func ask(t *testing.T, host, url string, roots *x509.CertPool, timeout time.Duration, path string) decide.Answer {
	t.Helper()
	p := New(host, timeout, roots)
	defer p.Close()
	return p.Ask(context.Background(), url, http.MethodGet, path)
}

func TestHostNameIsTheApplicationsWhileTheConnectionGoesToTheLoadBalancer(t *testing.T) {
	var host, sni, query, method string
	url, roots := serve(t, func(_ http.ResponseWriter, r *http.Request) {
		host, sni, query, method = r.Host, r.TLS.ServerName, r.URL.RequestURI(), r.Method
	})
	p := New("app.example.com", time.Second, roots)
	defer p.Close()
	if a := p.Ask(context.Background(), url+"/", http.MethodHead, "/x?y=1"); a.Err != nil || a.Status != 200 || a.Took <= 0 {
		t.Fatalf("%+v", a)
	}
	if host != "app.example.com" || sni != "app.example.com" || query != "/x?y=1" || method != "HEAD" {
		t.Errorf("host %q, server name %q, %s %q", host, sni, method, query)
	}
}

func TestCertificates(t *testing.T) {
	url, roots := serve(t, func(http.ResponseWriter, *http.Request) {})
	for sentence, c := range map[string]struct {
		host  string
		roots *x509.CertPool
		kind  any
	}{
		"for another host":                   {"app.example.org", roots, &x509.HostnameError{}},
		"of an authority that nobody trusts": {"app.example.com", x509.NewCertPool(), &x509.UnknownAuthorityError{}},
	} {
		a := ask(t, c.host, url, c.roots, time.Second, "/")
		if a.Err == nil || !errors.As(a.Err, c.kind) {
			t.Errorf("%s: %v", sentence, a.Err)
		}
		if v := decide.Judge(decide.Request{Status: 200}, a); v.Passed || !v.Final {
			t.Errorf("%s: %+v", sentence, v)
		}
	}
}

func TestRedirectIsNotFollowed(t *testing.T) {
	asked := 0
	url, roots := serve(t, func(w http.ResponseWriter, r *http.Request) {
		asked++
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	})
	a := ask(t, "app.example.com", url, roots, time.Second, "/")
	if a.Status != http.StatusFound || a.Location != "/elsewhere" || asked != 1 {
		t.Errorf("%+v after %d requests", a, asked)
	}
}

func TestBodies(t *testing.T) {
	part := strings.Repeat("x", 1024)
	for sentence, c := range map[string]struct {
		handler http.HandlerFunc
		want    int
		cut     bool
		fails   string
	}{
		"a short one":           {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(part)) }, 1024, false, ""},
		"one of just the limit": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(strings.Repeat(part, 64))) }, MaxBody, false, ""},
		"one that is too long":  {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte(strings.Repeat(part, 65))) }, MaxBody, true, ""},
		"one that never ends": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := w.Write([]byte(part)); err != nil {
					return
				}
			}
		}, MaxBody, true, ""},
		"one that trickles for ever": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = w.Write([]byte("x"))
				w.(http.Flusher).Flush()
				time.Sleep(10 * time.Millisecond)
			}
		}, -1, false, "timed out"},
		"one that breaks off": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "2048")
			_, _ = w.Write([]byte(part))
		}, 1024, false, "unexpected EOF"},
		"a server that says nothing": {func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }, 0, false, "timed out"},
		"a server that hangs up": {func(w http.ResponseWriter, _ *http.Request) {
			c, _, _ := w.(http.Hijacker).Hijack()
			_ = c.Close()
		}, 0, false, "EOF"},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Parallel()
			// Without HTTP/2, so that hanging up is possible.
			s := httptest.NewServer(c.handler)
			defer func() { s.CloseClientConnections(); s.Close() }()
			began := time.Now()
			a := ask(t, "app.example.com", s.URL, nil, 300*time.Millisecond, "/")
			if c.want >= 0 && len(a.Body) != c.want || a.Cut != c.cut || (a.Err != nil) != (c.fails != "") || a.Err != nil && !strings.Contains(a.Err.Error(), c.fails) {
				t.Errorf("%d bytes, cut %v, %v", len(a.Body), a.Cut, a.Err)
			}
			if took := time.Since(began); took > 5*time.Second || a.Took > took {
				t.Errorf("took %v, says %v", took, a.Took)
			}
		})
	}
}

func TestWhatCannotBeReached(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + l.Addr().String()
	_ = l.Close()
	for sentence, url := range map[string]string{"a closed port": closed, "a name that doesn't resolve": "http://nothing.invalid", "no address": "http://%zz"} {
		a := ask(t, "app.example.com", url, nil, time.Second, "/")
		if a.Err == nil || a.Status != 0 {
			t.Errorf("%s: %+v", sentence, a)
		}
		if v := decide.Judge(decide.Request{Status: 200}, a); v.Passed {
			t.Errorf("%s passes", sentence)
		}
	}
}
