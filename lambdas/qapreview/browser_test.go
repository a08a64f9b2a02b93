package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-lambda-go/events"

	"slipway/internal/contract"
	"slipway/lambdas/internal/fakeaws"
)

// browser is one page of a headless Chromium, driven through its debugging pipe: messages that end with a zero byte.
// https://chromedevtools.github.io/devtools-protocol/
type browser struct {
	t       *testing.T
	to      *os.File
	from    *bufio.Reader
	number  int
	session string
	log     []string
}

func openBrowser(t *testing.T) *browser {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("there is no chromium; install Debian's package")
		}
		t.Skip("LEFT OUT, there is no chromium")
	}
	home := t.TempDir()
	commands, to, err := os.Pipe()
	check(t, err)
	from, answers, err := os.Pipe()
	check(t, err)
	command := exec.Command(program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--remote-debugging-pipe", "--user-data-dir="+filepath.Join(home, "profile"))
	command.Env = append(os.Environ(), "HOME="+home)
	command.ExtraFiles = []*os.File{commands, answers} // 3 and 4, where Chromium looks
	check(t, command.Start())
	check(t, commands.Close())
	check(t, answers.Close())
	t.Cleanup(func() {
		_ = to.Close() // the browser ends with its pipe
		impatient := time.AfterFunc(10*time.Second, func() { _ = command.Process.Kill() })
		_ = command.Wait()
		impatient.Stop()
	})
	b := &browser{t: t, to: to, from: bufio.NewReader(from)}
	var target struct{ TargetID string }
	b.send("Target.createTarget", map[string]any{"url": "about:blank"}, &target)
	var attached struct{ SessionID string }
	b.send("Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}, &attached)
	b.session = attached.SessionID
	for _, domain := range []string{"Page", "Log"} {
		b.send(domain+".enable", nil, nil)
	}
	return b
}

func (b *browser) send(method string, parameters map[string]any, result any) {
	b.t.Helper()
	b.number++
	message := map[string]any{"id": b.number, "method": method}
	if parameters != nil {
		message["params"] = parameters
	}
	if b.session != "" {
		message["sessionId"] = b.session
	}
	raw, err := json.Marshal(message)
	check(b.t, err)
	_, err = b.to.Write(append(raw, 0))
	check(b.t, err)
	for {
		text, err := b.from.ReadBytes(0)
		check(b.t, err)
		var answer struct {
			ID     int
			Method string
			Error  json.RawMessage
			Result json.RawMessage
			Params struct{ Entry struct{ Text string } }
		}
		check(b.t, json.Unmarshal(text[:len(text)-1], &answer))
		if answer.Method == "Log.entryAdded" {
			b.log = append(b.log, answer.Params.Entry.Text)
		}
		if answer.ID != b.number {
			continue
		}
		if answer.Error != nil {
			b.t.Fatalf("%s: %s", method, answer.Error)
		}
		if result != nil {
			check(b.t, json.Unmarshal(answer.Result, result))
		}
		return
	}
}

// value looks at the page.
func (b *browser) value(expression string, to any) {
	b.t.Helper()
	var answer struct {
		Result           struct{ Value json.RawMessage }
		ExceptionDetails json.RawMessage
	}
	b.send("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true}, &answer)
	if answer.ExceptionDetails != nil {
		b.t.Fatalf("%s: %s", expression, answer.ExceptionDetails)
	}
	check(b.t, json.Unmarshal(answer.Result.Value, to))
}

func (b *browser) open(address string, width, height int) {
	b.t.Helper()
	b.send("Emulation.setDeviceMetricsOverride", map[string]any{"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}, nil)
	b.send("Page.navigate", map[string]any{"url": address}, nil)
	for range 200 {
		var ready bool
		b.value("document.readyState === 'complete' && location.href !== 'about:blank'", &ready)
		if ready {
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	b.t.Fatalf("%s didn't load", address)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestThePageInABrowser serves the function's answers and looks at them on a phone's screen and on a desk's.
func TestThePageInABrowser(t *testing.T) {
	b := openBrowser(t)
	w := newWorld(t)
	const attack = `x"><img src=/attack onerror=document.title='attacked'>`
	slug := w.environment("feature/a-long-name-that-has-no-room-on-a-narrow-screen-" + strings.Repeat("x", 150))
	w.ecs.Add(fakeaws.Service{Name: "attacked-0123abcd", Created: start, Running: 1, Tags: map[string]string{
		contract.TagEnvironment: "attacked-0123abcd", contract.TagBranch: attack, contract.TagOwner: "<b>o</b>", contract.TagExpires: contract.FormatExpiry(start.Add(time.Hour)),
	}})
	var paths []string
	server := httptest.NewServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		paths = append(paths, r.URL.Path)
		answer, err := w.h.handle(r.Context(), events.ALBTargetGroupRequest{HTTPMethod: r.Method, Path: r.URL.Path})
		if err != nil {
			t.Error(err)
		}
		for name, value := range answer.Headers {
			out.Header().Set(name, value)
		}
		out.WriteHeader(answer.StatusCode)
		fmt.Fprint(out, answer.Body)
	}))
	defer server.Close()

	for screen, size := range map[string][2]int{"a small phone's": {320, 640}, "a phone's": {390, 844}, "a desk's": {1280, 800}} {
		b.open(server.URL+"/?"+fmt.Sprint(size[0]), size[0], size[1])
		var got struct {
			Width, Inner, Rows, Smallest int
			Title, Link, Text, Head      string
			Images                       int
			Headings                     bool
		}
		b.value(`({
			Width: document.documentElement.scrollWidth, Inner: innerWidth, Rows: document.querySelectorAll('tbody tr').length,
			Title: document.title, Link: document.querySelector('a[href*="`+slug+`"]').href, Text: document.body.innerText,
			Images: document.images.length, Smallest: Math.min(...[...document.querySelectorAll('td, p, small')].map(e => parseFloat(getComputedStyle(e).fontSize)|0)),
			Head: getComputedStyle(document.querySelector('td'), '::before').content,
			Headings: document.querySelector('thead').getBoundingClientRect().height > 10,
		})`, &got)
		if got.Width > got.Inner {
			t.Errorf("%s screen: the page is %d wide and the screen %d", screen, got.Width, got.Inner)
		}
		if got.Rows != 2 || got.Title != "QA environments of slipway" || got.Link != "https://"+slug+".qa.example.com/" || got.Images != 0 {
			t.Errorf("%s screen: %+v", screen, got)
		}
		if !strings.Contains(got.Text, attack) || !strings.Contains(got.Text, "sam@example.com") || !strings.Contains(got.Text, "2d 0h") {
			t.Errorf("%s screen shows %s", screen, got.Text)
		}
		if narrow := size[0] < 600; narrow == got.Headings || narrow != (got.Head == `"Name"`) || got.Smallest < 13 {
			t.Errorf("%s screen: headings %v, labels %s, letters of %d pixels", screen, got.Headings, got.Head, got.Smallest)
		}
	}
	for _, entry := range b.log { // a style that the policy refuses is told here
		if !strings.Contains(entry, "favicon") && !strings.Contains(entry, "404") {
			t.Errorf("the browser says: %s", entry)
		}
	}
	for _, path := range paths {
		if path != "/" && path != "/favicon.ico" {
			t.Errorf("the page asked for %s", path)
		}
	}
}
