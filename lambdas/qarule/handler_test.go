package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"

	"slipway/internal/contract"
	"slipway/lambdas/internal/customresource"
	"slipway/lambdas/internal/fakeaws"
	"slipway/lambdas/qarule/apply"
)

const (
	platform  = "slipway"
	secretARN = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:sign-in-a1b2c3"
)

type world struct {
	t      *testing.T
	cloud  *fakeaws.Cloud
	elb    *fakeaws.ELB
	signIn *contract.SignIn
	group  string

	mu      sync.Mutex
	answers map[string]answer // request ID → the answer
}

type answer struct {
	Status, Reason, RequestID string
	Data                      map[string]string
}

func newWorld(t *testing.T) *world {
	c := fakeaws.New()
	w := &world{t: t, cloud: c, elb: fakeaws.NewELB(c), answers: map[string]answer{}}
	w.elb.AllowRules()
	fakeaws.NewSecrets(c).Values[secretARN] = "client secret\n"
	w.group = w.elb.AddTargetGroup("one", nil)
	t.Cleanup(func() {
		c.CheckNoMistakes(t)
		fakeaws.CheckListed(t, "testdata/actions.txt", c.Actions())
	})
	return w
}

func (w *world) Do(r *http.Request) (*http.Response, error) {
	var a answer
	if err := json.NewDecoder(r.Body).Decode(&a); err != nil {
		w.t.Error(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers[a.RequestID] = a
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(""))}, nil
}

// send sends an event of a stack and returns the answer.
func (w *world) send(kind, stack, group string) answer {
	id := kind + stack + fmt.Sprint(time.Now().UnixNano())
	event := map[string]any{
		"RequestType": kind, "RequestId": id, "ResponseURL": "https://answer", "LogicalResourceId": "Rule", "PhysicalResourceId": "x",
		"StackId": fakeaws.StackID(stack), "ResourceProperties": map[string]any{"ServiceToken": "x", "TargetGroupArn": group},
	}
	raw, err := json.Marshal(event)
	if err != nil {
		w.t.Error(err)
	}
	cfg := w.cloud.Config()
	router := apply.Router{
		ELB: elb.NewFromConfig(cfg), Secrets: secretsmanager.NewFromConfig(cfg),
		ListenerARN: w.elb.Listener, Platform: platform, Domain: "example.com", SignIn: w.signIn,
	}
	wrapper := customresource.Wrapper{Handler: router.Handle, Client: w, Log: slog.New(slog.DiscardHandler), Pause: time.Nanosecond}
	if err := wrapper.Invoke(context.Background(), raw); err != nil {
		w.t.Errorf("invoke: %v", err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.answers[id]
}

func slug(t *testing.T, branch string) string {
	s, err := contract.Slug(branch)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (w *world) stack(branch string) string {
	return contract.QAEnvironmentStack(platform, slug(w.t, branch))
}

// rules are the listener's: "priority host → last part of the target group's name".
func (w *world) rules() (rules []string) {
	for _, r := range w.elb.Rules {
		if !aws.ToBool(r.IsDefault) {
			host := "no host"
			if len(r.Conditions) > 0 {
				host = r.Conditions[0].HostHeaderConfig.Values[0]
			}
			rules = append(rules, fmt.Sprint(aws.ToString(r.Priority), " ", host, " ", strings.Split(aws.ToString(r.Actions[len(r.Actions)-1].TargetGroupArn), "/")[1]))
		}
	}
	return rules
}

func (w *world) want(t *testing.T, rules ...string) {
	t.Helper()
	if got := w.rules(); !slices.Equal(got, rules) {
		t.Errorf("the listener has\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(rules, "\n"))
	}
}

func TestEachEnvironmentGetsTheLowestFreePriority(t *testing.T) {
	w := newWorld(t)
	a, b, c := w.stack("a"), w.stack("b"), w.stack("c")
	host := func(branch string) string { return contract.HostName(slug(t, branch), "example.com") }
	for i, stack := range []string{a, b, c} {
		if got := w.send("Create", stack, w.group); got.Status != "SUCCESS" || got.Data["Priority"] != fmt.Sprint(1000+i) || got.Data["RuleArn"] == "" {
			t.Errorf("%s: %+v", stack, got)
		}
	}
	w.want(t, "1000 "+host("a")+" one", "1001 "+host("b")+" one", "1002 "+host("c")+" one")

	if got := w.send("Delete", b, w.group); got.Status != "SUCCESS" {
		t.Errorf("%+v", got)
	}
	w.want(t, "1000 "+host("a")+" one", "1002 "+host("c")+" one")
	w.send("Create", w.stack("d"), w.group)
	w.want(t, "1000 "+host("a")+" one", "1001 "+host("d")+" one", "1002 "+host("c")+" one")

	two := w.elb.AddTargetGroup("two", nil)
	if got := w.send("Update", c, two); got.Data["Priority"] != "1002" {
		t.Errorf("an update moved the rule: %+v", got)
	}
	w.want(t, "1000 "+host("a")+" one", "1001 "+host("d")+" one", "1002 "+host("c")+" two")
}

func TestThePathOfARequest(t *testing.T) {
	for sentence, c := range map[string]struct {
		kind    string
		stack   func(*world) string
		prepare func(*world)
		reason  []string // of a failure
		rules   int      // afterwards
	}{
		"a create makes a rule":                            {kind: "Create", rules: 1},
		"an update of a rule that is gone makes it anew":   {kind: "Update", rules: 1},
		"a delete of a rule that is gone is done":          {kind: "Delete"},
		"a create that comes twice makes one rule":         {kind: "Create", prepare: func(w *world) { w.send("Create", w.stack("x"), w.group) }, rules: 1},
		"a delete deletes the rule":                        {kind: "Delete", prepare: func(w *world) { w.send("Create", w.stack("x"), w.group) }},
		"rules that a race has doubled become one":         {kind: "Update", prepare: doubled, rules: 1},
		"a delete deletes doubled rules":                   {kind: "Delete", prepare: doubled},
		"a delete after the listener is done":              {kind: "Delete", prepare: func(w *world) { w.elb.Listener = "arn:aws:elasticloadbalancing:gone" }},
		"a stack that is no environment is refused a rule": {kind: "Create", stack: func(*world) string { return "slipway-qa-service" }, reason: []string{`the stack "slipway-qa-service" is no QA environment`}},
		"its delete is done":                               {kind: "Delete", stack: func(*world) string { return "slipway-qa-service" }},
		"another platform's environment is refused":        {kind: "Create", stack: func(w *world) string { return "x" + w.stack("x") }, reason: []string{"is no QA environment of slipway"}},
		"a rule that somebody made for the host stays and is named": {
			kind: "Create", rules: 1, prepare: foreign("someone else"), reason: []string{"which this environment didn't make", "delete it or change its host"},
		},
		"a delete leaves a rule that somebody made": {kind: "Delete", rules: 1, prepare: foreign("someone else")},
		"a full load balancer is named": {
			kind: "Create", rules: fakeaws.RuleQuota, prepare: full, reason: []string{"all the rules that its quota allows (100 on this listener)", "end a QA environment"},
		},
		"throttled twice": {kind: "Create", rules: 1, prepare: func(w *world) {
			w.cloud.Fail("elasticloadbalancing:CreateRule", fakeaws.Throttled(), fakeaws.Throttled())
		}},
		"an unknown target group":   {kind: "Create", prepare: func(w *world) { w.group += "x" }, reason: []string{"TargetGroupNotFound", "check the target group"}},
		"no target group":           {kind: "Create", prepare: func(w *world) { w.group = "" }, reason: []string{`TargetGroupArn is ""`}},
		"a listing that is refused": {kind: "Delete", prepare: func(w *world) { w.cloud.Fail("elasticloadbalancing:DescribeRules", fakeaws.Denied()) }, reason: []string{"list the rules", "AccessDenied"}},
		"a deletion that is refused": {
			kind: "Delete", rules: 1, reason: []string{"delete the rule", "delete the stack again"},
			prepare: func(w *world) {
				w.send("Create", w.stack("x"), w.group)
				w.cloud.Fail("elasticloadbalancing:DeleteRule", fakeaws.Denied())
			},
		},
		"a rule that goes at the same moment is gone": {
			kind: "Delete", rules: 1, // the fake keeps it, for it only claims that it is gone
			prepare: func(w *world) {
				w.send("Create", w.stack("x"), w.group)
				w.cloud.Fail("elasticloadbalancing:DeleteRule", &elbtypes.RuleNotFoundException{})
			},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t)
			stack := w.stack("x")
			if c.prepare != nil {
				c.prepare(w)
			}
			if c.stack != nil {
				stack = c.stack(w)
			}
			a := w.send(c.kind, stack, w.group)
			if (a.Status == "SUCCESS") != (c.reason == nil) {
				t.Errorf("got %+v", a)
			}
			for _, part := range c.reason {
				if !strings.Contains(a.Reason, part) {
					t.Errorf("%q isn't in %q", part, a.Reason)
				}
			}
			if got := w.rules(); len(got) != c.rules {
				t.Errorf("%d rules: %v", len(got), got)
			}
		})
	}
}

func doubled(w *world) {
	w.send("Create", w.stack("x"), w.group)
	second := w.elb.Rules[0]
	second.RuleArn, second.Priority = aws.String(*second.RuleArn+"second"), aws.String("1001")
	w.elb.Tags[*second.RuleArn] = w.elb.Tags[*w.elb.Rules[0].RuleArn]
	w.elb.Rules = append(w.elb.Rules, second)
}

// foreign makes a rule for the environment's host with the tags of another.
func foreign(environment string) func(*world) {
	return func(w *world) {
		w.send("Create", w.stack("x"), w.group)
		w.elb.Tags[*w.elb.Rules[0].RuleArn][contract.TagEnvironment] = environment
	}
}

func full(w *world) {
	for i := range fakeaws.RuleQuota {
		w.send("Create", w.stack(fmt.Sprint("other-", i)), w.group)
	}
}

// TestLostAnswer: the rule was made, but the answer got lost, and the SDK asks again. Its own rule then holds the priority.
func TestLostAnswer(t *testing.T) {
	w := newWorld(t)
	w.send("Create", w.stack("x"), w.group)
	made := w.elb.Rules[0]
	w.elb.Rules = w.elb.Rules[1:]
	w.cloud.Before = func(action string) {
		if action == "elasticloadbalancing:CreateRule" && len(w.elb.Rules) == 1 {
			w.elb.Rules = append([]elbtypes.Rule{made}, w.elb.Rules...)
		}
	}
	if a := w.send("Create", w.stack("x"), w.group); a.Status != "SUCCESS" || a.Data["RuleArn"] != *made.RuleArn || len(w.rules()) != 1 {
		t.Errorf("%+v, %v", a, w.rules())
	}
}

// TestLaggingListing: the listing doesn't show yet what creation already refuses.
func TestLaggingListing(t *testing.T) {
	w := newWorld(t)
	w.send("Create", w.stack("other"), w.group)
	hidden := w.elb.Rules[0]
	hide := true
	fakeaws.On(w.cloud, "Elastic Load Balancing v2", func(*elb.DescribeRulesInput) (*elb.DescribeRulesOutput, error) {
		if hide {
			hide = false
			return &elb.DescribeRulesOutput{Rules: w.elb.Rules[1:]}, nil
		}
		return &elb.DescribeRulesOutput{Rules: slices.DeleteFunc(slices.Clone(w.elb.Rules), func(r elbtypes.Rule) bool { return r.RuleArn == hidden.RuleArn })}, nil
	})
	if a := w.send("Create", w.stack("x"), w.group); a.Data["Priority"] != "1001" {
		t.Errorf("%+v", a)
	}
}

// TestManyEnvironmentsAtOnce: all of them race for the same lowest priority; each ends with one of its own.
func TestManyEnvironmentsAtOnce(t *testing.T) {
	w := newWorld(t)
	const n = 60
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			if a := w.send("Create", w.stack(fmt.Sprint("branch-", i)), w.group); a.Status != "SUCCESS" {
				t.Errorf("%+v", a)
			}
		})
	}
	all.Wait()
	rules := w.rules()
	if len(rules) != n {
		t.Fatalf("%d rules for %d environments", len(rules), n)
	}
	for i, rule := range rules {
		if !strings.HasPrefix(rule, fmt.Sprint(1000+i, " ")) {
			t.Errorf("place %d has %s", i, rule)
		}
	}
}

func TestSignInComesFirst(t *testing.T) {
	w := newWorld(t)
	w.send("Create", w.stack("x"), w.group) // before there was a sign-in
	w.signIn = &contract.SignIn{
		Issuer: "https://id.example.com", AuthorizationEndpoint: "https://id.example.com/authorize", TokenEndpoint: "https://id.example.com/token",
		UserInfoEndpoint: "https://id.example.com/userinfo", ClientID: "qa", SecretARN: secretARN, Scope: "openid email", SessionSeconds: 3600,
	}
	var given []string
	w.cloud.Before = nil
	for _, kind := range []string{"Update", "Create"} {
		stack := w.stack(map[string]string{"Update": "x", "Create": "y"}[kind])
		if a := w.send(kind, stack, w.group); a.Status != "SUCCESS" || strings.Contains(fmt.Sprint(a), "client secret") {
			t.Fatalf("%s: %+v", kind, a)
		}
	}
	for _, r := range w.elb.Rules[:2] {
		if len(r.Actions) != 2 || r.Actions[0].Type != elbtypes.ActionTypeEnumAuthenticateOidc || *r.Actions[0].AuthenticateOidcConfig.ClientId != "qa" ||
			r.Actions[0].AuthenticateOidcConfig.OnUnauthenticatedRequest != "authenticate" || r.Actions[1].Type != elbtypes.ActionTypeEnumForward {
			t.Errorf("the rule %s is open: %+v", *r.RuleArn, r.Actions)
		}
		given = append(given, *r.RuleArn)
	}
	if len(given) != 2 {
		t.Errorf("rules %v", given)
	}
	w.signIn.SecretARN += "x"
	if a := w.send("Create", w.stack("z"), w.group); a.Status != "FAILED" || !strings.Contains(a.Reason, "sign-in client's secret") || len(w.rules()) != 2 {
		t.Errorf("without the secret: %+v, %v", a, w.rules())
	}
}

func TestListOfActionsIsExact(t *testing.T) {
	w := newWorld(t)
	w.signIn = &contract.SignIn{
		Issuer: "https://i", AuthorizationEndpoint: "https://i/a", TokenEndpoint: "https://i/t", UserInfoEndpoint: "https://i/u", ClientID: "qa",
		SecretARN: secretARN, Scope: "openid", SessionSeconds: 60,
	}
	w.send("Create", w.stack("x"), w.group)
	w.send("Update", w.stack("x"), w.group)
	w.send("Delete", w.stack("x"), w.group)
	fakeaws.CheckActions(t, "testdata/actions.txt", w.cloud.Actions())
}

func TestSettings(t *testing.T) {
	good := map[string]string{contract.EnvPlatform: "slipway", contract.EnvDomain: "example.com", contract.EnvListenerARN: "arn:aws:x"}
	for sentence, c := range map[string]struct {
		change map[string]string
		faults []string
	}{
		"no sign-in": {},
		"a sign-in":  {change: map[string]string{contract.EnvSignIn: `{"issuer":"https://i","secretArn":"arn:x","sessionSeconds":60}`}},
		"a sign-in that can't be read must not leave the environments open": {map[string]string{contract.EnvSignIn: "{"}, []string{"SLIPWAY_SIGN_IN can't be read"}},
		"a sign-in without an issuer":                                       {map[string]string{contract.EnvSignIn: `{}`}, []string{"lacks issuer"}},
		"all faults at once": {
			map[string]string{contract.EnvPlatform: "", contract.EnvDomain: "", contract.EnvListenerARN: "x"},
			[]string{"SLIPWAY_PLATFORM", "SLIPWAY_DOMAIN", `SLIPWAY_LISTENER_ARN is "x"; give it one that begins with arn:`},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			s, err := readSettings(func(key string) string {
				if value, ok := c.change[key]; ok {
					return value
				}
				return good[key]
			})
			if (err != nil) != (len(c.faults) > 0) {
				t.Fatalf("error %v", err)
			}
			for _, fault := range c.faults {
				if !strings.Contains(err.Error(), fault) {
					t.Errorf("%q isn't in %v", fault, err)
				}
			}
			if err == nil && (s.signIn != nil) != (c.change != nil) {
				t.Errorf("sign-in %+v", s.signIn)
			}
		})
	}
}
