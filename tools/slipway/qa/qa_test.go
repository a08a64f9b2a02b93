package qa

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"

	"slipway/internal/contract"
	"slipway/tools/slipway/command"
)

const commit = "0123456789abcdef0123456789abcdef01234567"

func TestUpDeploysWhatWasAskedForAndTellsWhatItIs(t *testing.T) {
	a := newWorld(t)
	a.images = []string{commit}
	looks := 0
	a.answer = func(host string) (version, error) {
		if looks++; looks < 3 {
			return version{}, errors.New("it answers 503 Service Unavailable")
		}
		a.environment("feature/x", start.Add(24*time.Hour), 1)
		return version{Commit: commit, Environment: strings.TrimSuffix(host, ".qa.example.com")}, nil
	}
	if err := a.run(up, options{branch: "refs/heads/feature/x", ttl: "24h"}); err != nil {
		t.Fatal(err)
	}
	slug := slugOf(t, "feature/x")
	want := "node_modules/.bin/cdk deploy slipway-qa-env-" + slug + " --exclusively --require-approval never --progress events" +
		" -c branch=feature/x -c imageTag=" + commit + " -c ttl=24h0m0s -c owner=dana@example.com"
	if len(a.programs) != 1 || a.programs[0] != want {
		t.Errorf("ran %q, want %q", a.programs, want)
	}
	// Half a vCPU and a GiB for 24 hours, and two secrets.
	for _, line := range []string{"URL    https://" + slug + ".qa.example.com\n", "Owner  dana\n", "Ends   2026-03-11T12:00:00Z, in 23h 59m\n", "Costs  at most $0.62 a day\n"} {
		if !strings.Contains(a.out.String(), line) {
			t.Errorf("%q isn't in\n%s", line, a.out.String())
		}
	}
}

func TestUpMakesTheImageOfTheCommitThatIsCheckedOut(t *testing.T) {
	const image, cdk = "go run ./tools/slipway image", "node_modules/.bin/cdk deploy"
	for sentence, c := range map[string]struct {
		head     string
		options  options
		fails    error
		programs []string // how they begin
		want     string
	}{
		"at the branch's commit it is made, then deployed": {commit, options{branch: "feature/x"}, nil, []string{image, cdk}, ""},
		"at another commit it isn't":                       {strings.Repeat("f", 40), options{branch: "feature/x"}, nil, nil, "check its commit out"},
		"one that was named must be there":                 {commit, options{branch: "feature/x", image: commit}, nil, nil, "there is no image simple-flask-app:" + commit},
		"where it can't be made, nothing is deployed":      {commit, options{branch: "feature/x"}, errors.New("3 tests failed"), []string{image}, "make the image of " + commit + ": 3 tests failed"},
	} {
		t.Run(sentence, func(t *testing.T) {
			a := newWorld(t)
			a.head, a.failImage = c.head, c.fails
			a.answer = func(host string) (version, error) {
				return version{Commit: commit, Environment: strings.TrimSuffix(host, ".qa.example.com")}, nil
			}
			err := a.run(up, c.options)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if !slices.EqualFunc(a.programs, c.programs, strings.HasPrefix) {
				t.Errorf("ran %q, want %q", a.programs, c.programs)
			}
		})
	}
}

func TestUpRefusesBeforeItDeploys(t *testing.T) {
	for sentence, c := range map[string]struct {
		change  func(*world)
		options options
		want    string
		usage   bool
	}{
		"no branch":                   {nil, options{}, "give the branch", true},
		"a branch that git refuses":   {nil, options{branch: "a..b"}, "holds .. or @{", true},
		"a lease that is too long":    {nil, options{branch: "feature/x", ttl: "169h"}, "at most 168h0m0s, which is qa.maxTtl", true},
		"a lease that is no duration": {nil, options{branch: "feature/x", ttl: "2d"}, `ttl "2d"`, true},
		"latest":                      {nil, options{branch: "feature/x", image: "latest"}, "latest says nothing about what runs", true},
		"a branch that isn't here":    {nil, options{branch: "feature/y"}, "find the commit of the branch feature/y", false},
		"an image that isn't there":   {func(a *world) { a.images = nil }, options{branch: "feature/x"}, "there is no image simple-flask-app:" + commit, false},
		"an image that isn't there, as the local AWS says it": {func(a *world) { a.images, a.lenient = nil, true }, options{branch: "feature/x"}, "there is no image simple-flask-app:" + commit, false},
		"no room in the configuration": {func(a *world) {
			for i := range 3 {
				a.environment(fmt.Sprint("b", i), start.Add(time.Hour), 1)
			}
		}, options{branch: "feature/x"}, "there is no room: 3 environments exist and qa.maxEnvironments is 3", false},
		"no room on the load balancer": {func(a *world) { a.rules = 100 }, options{branch: "feature/x"}, "there is no room: the shared load balancer has 100 rules and takes 100", false},
		"a stage that isn't deployed":  {func(a *world) { delete(a.parameters, "/slipway/qa/shared/listener-arn") }, options{branch: "feature/x"}, "is slipway-qa-service deployed?", false},
		"the old one is still being deleted": {func(a *world) {
			a.environment("feature/x", start, 1)
			a.stacks[0].StackStatus = cfntypes.StackStatusDeleteInProgress
		}, options{branch: "feature/x"}, "is being deleted; try again once it is gone", false},
	} {
		t.Run(sentence, func(t *testing.T) {
			a := newWorld(t)
			a.images = []string{commit}
			if c.change != nil {
				c.change(a)
			}
			err := a.run(up, c.options)
			if err == nil || !strings.Contains(err.Error(), c.want) || len(a.programs) != 0 {
				t.Fatalf("%v, ran %q; want %q", err, a.programs, c.want)
			}
			if usage := command.End("", err, io.Discard) == command.Usage; usage != c.usage {
				t.Errorf("a fault of the arguments: %v", !c.usage)
			}
		})
	}
}

func TestUpOfAnEnvironmentThatExistsNeedsNoRoom(t *testing.T) {
	a := newWorld(t)
	a.images = []string{"sha256:" + strings.Repeat("0", 64)}
	for i := range 3 {
		a.environment(fmt.Sprint("b", i), start.Add(time.Hour), 1)
	}
	a.rules = 100
	a.answer = func(string) (version, error) { return version{Environment: slugOf(t, "b1")}, nil }
	if err := a.run(up, options{branch: "b1", image: a.images[0], owner: "sam"}); err != nil {
		t.Fatal(err)
	}
	if len(a.programs) != 1 || !strings.Contains(a.programs[0], "-c owner=sam") {
		t.Errorf("ran %q", a.programs)
	}
}

func TestUpFailsWhenTheDeploymentOrTheAnswerIsWrong(t *testing.T) {
	slug := slugOf(t, "feature/x")
	for sentence, c := range map[string]struct {
		cdk    error
		answer func(string) (version, error)
		want   string
	}{
		"the CDK failed":                  {errors.New("cdk: exit status 1"), nil, "deploy the environment of feature/x: cdk: exit status 1"},
		"nothing answers":                 {nil, nil, "doesn't answer as it should after 10m0s: it answers 503; its tasks' log is /slipway/qa/" + slug},
		"another environment answers":     {nil, func(string) (version, error) { return version{Environment: "other", Commit: commit}, nil }, `"other" answers there`},
		"the commit before still answers": {nil, func(string) (version, error) { return version{Environment: slug, Commit: strings.Repeat("f", 40)}, nil }, "the commit ffffffffffffffffffffffffffffffffffffffff still answers"},
	} {
		t.Run(sentence, func(t *testing.T) {
			a := newWorld(t)
			a.images, a.failCDK, a.answer = []string{commit}, c.cdk, c.answer
			if err := a.run(up, options{branch: "feature/x"}); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
		})
	}
}

// The load balancer asks for sign-in before it looks for a task, so what it answers says nothing of the environment.
func TestAnEnvironmentBehindSignInIsThereOnceItsTasksRun(t *testing.T) {
	for sentence, c := range map[string]struct {
		status int
		starts bool // its task runs after the third look
		want   string
	}{
		"sign-in":                            {http.StatusFound, true, ""},
		"an API that wants a token":          {http.StatusUnauthorized, true, ""},
		"a network that isn't allowed":       {http.StatusForbidden, true, ""},
		"sign-in, and no task ever runs":     {http.StatusFound, false, "after 10m0s: it asks for sign-in, or this network may not see it, and 0 of 1 tasks run"},
		"an address that nobody answers for": {http.StatusNotFound, true, "after 10m0s: it answers 404 Not Found"},
	} {
		for name, sub := range map[string]func(*world) error{
			"up":   func(a *world) error { return a.run(up, options{branch: "feature/x"}) },
			"wake": func(a *world) error { return a.run(wake, options{branch: "feature/x"}) },
		} {
			t.Run(name+": "+sentence, func(t *testing.T) {
				a := newWorld(t)
				a.images = []string{commit}
				slug := a.environment("feature/x", start.Add(24*time.Hour), 1)
				service := a.find(slug)
				service.RunningCount = 0
				looks := 0
				server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					if looks++; looks == 3 && c.starts {
						service.RunningCount = 1
					}
					w.Header().Set("Location", "https://sign-in.example.com/authorize")
					w.WriteHeader(c.status)
				}))
				defer server.Close()
				a.site = newSite(server.URL)
				err := sub(a)
				if c.want != "" {
					if err == nil || !strings.Contains(err.Error(), c.want) {
						t.Errorf("%v, want %q", err, c.want)
					}
					return
				}
				if err != nil || looks != 3 || !strings.Contains(a.log.String(), "its version isn't checked") || !strings.Contains(a.out.String(), "https://"+slug) {
					t.Errorf("%v after %d looks, %q %q", err, looks, a.log.String(), a.out.String())
				}
			})
		}
	}
}

func TestList(t *testing.T) {
	a := newWorld(t)
	if err := a.run(list, options{}); err != nil || a.out.String() != "There are no QA environments.\n" {
		t.Errorf("%v %q", err, a.out.String())
	}
	a.environment("feature/x", start.Add(26*time.Hour), 1)
	slug := a.environment("feature/y", start.Add(-time.Hour), 0)
	a.services[0].Tags[2].Value = aws.String("dana\x1b[2J")
	a.parameters["/slipway/qa/cleanup"] = "paused: a demo is on"
	if err := a.run(list, options{}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(a.out.String(), "\n")
	if !strings.Contains(lines[0], "paused (a demo is on): nothing is deleted") {
		t.Errorf("%q", lines[0])
	}
	// What ends first comes first. 48 hours of half a vCPU and a GiB cost 1.18 dollars, and the two secrets 0.05.
	if fields := strings.Join(strings.Fields(lines[2]), " "); fields != slug+" feature/y dana 2d 0h -1h 0m ended https://"+slug+".qa.example.com $1.24" {
		t.Errorf("%q", fields)
	}
	if !strings.Contains(lines[3], " running ") || !strings.Contains(lines[3], "1d 2h") || strings.Contains(a.out.String(), "\x1b") {
		t.Errorf("%q", lines[3])
	}
	if !strings.Contains(a.out.String(), slug+": its lease ended at 2026-03-10T11:00:00Z") || !strings.Contains(a.out.String(), "2 environments, $2.48 so far") {
		t.Errorf("%s", a.out.String())
	}
}

func TestExtend(t *testing.T) {
	for sentence, c := range map[string]struct {
		ends, ttl  string
		want, says string
	}{
		"it ends a TTL from now":          {"2026-03-10T13:00:00Z", "24h", "2026-03-11T12:00:00Z", "now ends at 2026-03-11T12:00:00Z, in 1d 0h"},
		"the default is qa.defaultTtl":    {"2026-03-10T13:00:00Z", "", "2026-03-12T12:00:00Z", "in 2d 0h"}, // also its 96 hours since the eighth
		"it is never shortened":           {"2026-03-11T13:00:00Z", "2h", "2026-03-11T13:00:00Z", "ends at 2026-03-11T13:00:00Z already"},
		"nothing passes its longest life": {"2026-03-10T13:00:00Z", "100h", "2026-03-12T12:00:00Z", "That is its longest life"},
	} {
		t.Run(sentence, func(t *testing.T) {
			a := newWorld(t)
			ends, err := contract.ParseExpiry(c.ends)
			if err != nil {
				t.Fatal(err)
			}
			slug := a.environment("feature/x", ends, 1)
			if err := a.run(extend, options{branch: "feature/x", ttl: c.ttl}); err != nil {
				t.Fatal(err)
			}
			if got := a.expires(slug); got != c.want || !strings.Contains(a.out.String(), c.says) {
				t.Errorf("ends at %s, want %s; said %q", got, c.want, a.out.String())
			}
		})
	}
}

func TestExtendRefuses(t *testing.T) {
	for sentence, c := range map[string]struct {
		change func(*world)
		want   string
	}{
		"what isn't there":         {func(a *world) { a.services, a.stacks = nil, nil }, "has no environment"},
		"what is being deleted":    {func(a *world) { a.stacks[0].StackStatus = cfntypes.StackStatusDeleteInProgress }, "it is being deleted"},
		"a lease it can't read":    {func(a *world) { a.services[0].Tags[3].Value = aws.String("soon") }, "its lease can't be read"},
		"what is past its maximum": {func(a *world) { a.services[0].CreatedAt = aws.Time(start.Add(-97 * time.Hour)) }, "it reached its longest life"},
	} {
		a := newWorld(t)
		a.environment("feature/x", start.Add(time.Hour), 1)
		c.change(a)
		if err := a.run(extend, options{branch: "feature/x"}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v", sentence, err)
		}
	}
}

func TestDown(t *testing.T) {
	deleting, done, failed := cfntypes.StackStatusDeleteInProgress, cfntypes.StackStatusDeleteComplete, cfntypes.StackStatusDeleteFailed
	for sentence, c := range map[string]struct {
		deletion []cfntypes.StackStatus
		change   func(*world)
		says     string
		err      string
	}{
		"it waits until the stack is gone":       {[]cfntypes.StackStatus{deleting, deleting, done}, nil, "is gone", ""},
		"a deletion under way is awaited":        {[]cfntypes.StackStatus{deleting, deleting, done}, func(a *world) { a.stacks[0].StackStatus = deleting }, "is gone", ""},
		"a failed deletion is told with reasons": {[]cfntypes.StackStatus{deleting, failed}, nil, "", "Rule: it is in use; remove what blocks it"},
		"one that never ends is given up":        {nil, nil, "", "it is still DELETE_IN_PROGRESS after 30m0s"},
		"protection is respected":                {nil, func(a *world) { a.stacks[0].EnableTerminationProtection = aws.Bool(true) }, "", "TerminationProtection is enabled"},
		"without a stack the lease ends":         {nil, func(a *world) { a.stacks = nil }, "takes it apart at its next run", ""},
		"what isn't there is gone":               {nil, func(a *world) { a.stacks, a.services = nil, nil }, "has no environment", ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			a := newWorld(t)
			slug := a.environment("feature/x", start.Add(time.Hour), 1)
			a.environment("feature/y", start.Add(time.Hour), 1)
			a.deletion = c.deletion
			id := a.stacks[0].StackId
			a.events = []cfntypes.StackEvent{
				{PhysicalResourceId: id, ResourceStatus: cfntypes.ResourceStatusDeleteFailed},
				{PhysicalResourceId: aws.String("rule"), LogicalResourceId: aws.String("Rule"), ResourceStatus: cfntypes.ResourceStatusDeleteFailed, ResourceStatusReason: aws.String("it is in use")},
				{PhysicalResourceId: id, ResourceStatus: cfntypes.ResourceStatusDeleteInProgress},
				{PhysicalResourceId: aws.String("old"), LogicalResourceId: aws.String("Old"), ResourceStatus: cfntypes.ResourceStatusDeleteFailed, ResourceStatusReason: aws.String("long ago")},
			}
			if c.change != nil {
				c.change(a)
			}
			err := a.run(down, options{branch: "feature/x"})
			if (err != nil) != (c.err != "") || err != nil && (!strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "long ago")) || !strings.Contains(a.out.String(), c.says) {
				t.Errorf("%v, %q", err, a.out.String())
			}
			if a.stacks == nil && a.find(slug) != nil && a.expires(slug) != "2026-03-10T12:00:00Z" {
				t.Errorf("its lease ends at %s", a.expires(slug))
			}
			for _, s := range a.stacks {
				if strings.Contains(*s.StackName, "feature-y") && s.StackStatus != cfntypes.StackStatusCreateComplete {
					t.Error("another environment goes too")
				}
			}
		})
	}
}

func TestWake(t *testing.T) {
	a := newWorld(t)
	slug := a.environment("feature/x", start.Add(time.Hour), 0)
	target := "service/qa-cluster/" + slug
	a.targets[target] = 0
	a.answer = func(string) (version, error) { return version{Environment: slug}, nil }
	if err := a.run(wake, options{branch: "feature/x"}); err != nil {
		t.Fatal(err)
	}
	if a.targets[target] != 1 || a.find(slug).DesiredCount != 1 || a.out.String() != "https://"+slug+".qa.example.com is awake.\n" {
		t.Errorf("%v, %d, %q", a.targets, a.find(slug).DesiredCount, a.out.String())
	}
	// One without office hours gets no scalable target, and a running one isn't scaled.
	delete(a.targets, target)
	a.find(slug).DesiredCount = 2
	if err := a.run(wake, options{branch: "feature/x"}); err != nil || len(a.targets) != 0 || a.find(slug).DesiredCount != 2 {
		t.Errorf("%v, %v", err, a.targets)
	}
	if err := a.run(wake, options{branch: "feature/z"}); err == nil || !strings.Contains(err.Error(), "has no environment") {
		t.Error(err)
	}
}

func TestPauseAndResume(t *testing.T) {
	a := newWorld(t)
	for _, c := range []struct{ why, want string }{{"", "paused"}, {" a demo is on ", "paused: a demo is on"}} {
		if err := a.run(pause, options{why: c.why}); err != nil || a.parameters["/slipway/qa/cleanup"] != c.want {
			t.Errorf("%v, %q", err, a.parameters)
		}
	}
	if err := a.run(pause, options{why: "two\nlines"}); err == nil {
		t.Error("the parameter's pattern refuses this")
	}
	if err := a.run(resume, options{}); err != nil || a.parameters["/slipway/qa/cleanup"] != "on" {
		t.Errorf("%v, %q", err, a.parameters)
	}
}

func TestSiteReadsVersionsAsTheLocalAWSWantsItsHost(t *testing.T) {
	var host string
	status, body := http.StatusOK, `{"commit":"abc","environment":"x"}`
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host = r.Host + r.URL.Path
		w.Header().Set("Location", "https://elsewhere.example.com")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	defer server.Close()
	s := newSite(server.URL + "/")
	if v, err := s.version(context.Background(), "x.qa.example.com"); err != nil || v != (version{"abc", "x"}) || host != "x.qa.example.com:443/version" {
		t.Errorf("%+v, %v, %s", v, err, host)
	}
	status = http.StatusFound
	var no *gated
	if _, err := s.version(context.Background(), "x"); !errors.As(err, &no) {
		t.Errorf("a redirect to sign-in isn't followed: %v", err)
	}
	status = http.StatusOK
	body = "<html>"
	if _, err := s.version(context.Background(), "x"); err == nil || errors.As(err, &no) {
		t.Error(err)
	}
}

func TestArguments(t *testing.T) {
	for line, want := range map[string]int{
		"": command.Usage, "--help": command.OK, "frob": command.Usage, "up --help": command.OK, "up --frob": command.Usage, "list too": command.Usage,
	} {
		var out, log bytes.Buffer
		if got := Run(context.Background(), strings.Fields(line), &out, &log); got != want {
			t.Errorf("%q ends with %d, want %d: %s", line, got, want, log.String())
		}
	}
}
