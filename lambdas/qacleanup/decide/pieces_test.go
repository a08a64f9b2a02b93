package decide_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"slipway/internal/contract"
	. "slipway/lambdas/qacleanup/decide"
)

const lb = "arn:aws:elasticloadbalancing:eu-west-1:111111111111:loadbalancer/app/qa/1"

func group(name string) string {
	return "arn:aws:elasticloadbalancing:eu-west-1:111111111111:targetgroup/" + name + "/1"
}

func revision(family string, n int) string {
	return fmt.Sprintf("arn:aws:ecs:eu-west-1:111111111111:task-definition/%s:%d", family, n)
}

// pieces are the facts of one expired hand-made service with one of each piece.
func pieces() Facts {
	s := service("demo", tags())
	s.TargetGroups, s.TaskDefinition, s.Desired, s.Running = []string{group("demo")}, revision("demo", 2), 1, 1
	return Facts{
		LoadBalancer: lb,
		Services:     []Service{s},
		Rules:        []Rule{{ARN: "rule", Forwards: []string{group("demo")}}},
		TargetGroups: []TargetGroup{{ARN: group("demo"), Name: "demo", LoadBalancers: []string{lb}}},
		Families:     []Family{{Name: "demo", Active: []string{revision("demo", 2)}, Inactive: []string{revision("demo", 1)}}},
	}
}

func TestPiecesOfAHandMadeService(t *testing.T) {
	const rule, scale, last = "listener rule rule", "tasks demo", "service demo"
	const tg, family = "target group demo", "task definitions demo"
	other := func(change func(*Service)) func(*Facts) {
		return func(f *Facts) {
			s := service("other", tags(contract.TagExpires, future))
			change(&s)
			f.Services = append(f.Services, s)
		}
	}
	for sentence, c := range map[string]struct {
		change func(*Facts)
		steps  []string
		spared string // part of the reason
	}{
		"all of it goes, the service last":                     {func(*Facts) {}, []string{rule, scale, tg, family, last}, ""},
		"a service without tasks isn't scaled":                 {func(f *Facts) { f.Services[0].Desired, f.Services[0].Running = 0, 0 }, []string{rule, tg, family, last}, ""},
		"a daemon has no number of tasks":                      {func(f *Facts) { f.Services[0].Daemon = true }, []string{rule, tg, family, last}, ""},
		"a service that drains already is not touched":         {func(f *Facts) { f.Services[0].Status = "DRAINING" }, []string{rule, tg, family}, ""},
		"a rule that also serves others stays":                 {func(f *Facts) { f.Rules[0].Forwards = append(f.Rules[0].Forwards, group("x")) }, []string{scale, family, last}, "a listener rule that stays sends requests to it: rule"},
		"the default rule stays":                               {func(f *Facts) { f.Rules[0].Default = true }, []string{scale, family, last}, "a listener rule that stays"},
		"a rule that also answers by itself stays":             {func(f *Facts) { f.Rules[0].Answers = true }, []string{scale, family, last}, "a listener rule that stays"},
		"a rule of a stack stays":                              {func(f *Facts) { f.Rules[0].Tags = inStack("slipway-qa-service") }, []string{scale, family, last}, "a listener rule that stays"},
		"a target group of another living service stays":       {other(func(s *Service) { s.TargetGroups = []string{group("demo")} }), []string{scale, family, last}, "the service other uses it too"},
		"a target group on another load balancer stays":        {func(f *Facts) { f.TargetGroups[0].LoadBalancers = []string{lb, "prod"} }, []string{scale, family, last}, "another load balancer uses it: prod"},
		"a target group of a stack stays":                      {func(f *Facts) { f.TargetGroups[0].Tags = inStack("slipway-prod-service") }, []string{scale, family, last}, "it belongs to the stack slipway-prod-service"},
		"a target group tagged for another environment stays":  {func(f *Facts) { f.TargetGroups[0].Tags = tags(contract.TagEnvironment, "y") }, []string{scale, family, last}, "it is tagged for another environment, y"},
		"a target group tagged for this environment goes":      {func(f *Facts) { f.TargetGroups[0].Tags = tags() }, []string{rule, scale, tg, family, last}, ""},
		"a target group that is gone is nothing":               {func(f *Facts) { f.TargetGroups = nil; f.Rules = nil }, []string{scale, family, last}, ""},
		"a family of another living service stays":             {other(func(s *Service) { s.TaskDefinition = revision("demo", 1) }), []string{rule, scale, tg, last}, "the service other uses it too"},
		"a family whose name only begins alike is another one": {other(func(s *Service) { s.TaskDefinition = revision("demo-2", 1) }), []string{rule, scale, tg, family, last}, ""},
		"a family of a stack stays":                            {func(f *Facts) { f.Families[0].Tags = inStack("slipway-prod-service") }, []string{rule, scale, tg, last}, "it belongs to the stack slipway-prod-service"},
		"a stage's family stays, though run by hand": {
			func(f *Facts) {
				f.Services[0].TaskDefinition, f.Families[0].Name = revision("slipway-prod-app", 1), "slipway-prod-app"
			},
			[]string{rule, scale, tg, last}, "the name belongs to the platform",
		},
		"another environment's family stays": {
			func(f *Facts) {
				name := contract.TaskFamily("slipway", slugOf("feature/y"))
				f.Services[0].TaskDefinition, f.Families[0].Name = revision(name, 1), name
			},
			[]string{rule, scale, tg, last}, "the name belongs to the platform",
		},
		"its own environment's family goes": {
			func(f *Facts) {
				name := contract.TaskFamily("slipway", slug)
				f.Services[0].TaskDefinition, f.Families[0].Name = revision(name, 1), name
			},
			[]string{rule, scale, tg, "task definitions " + contract.TaskFamily("slipway", slug), last}, "",
		},
		"while some service can't be read, what may be shared stays": {
			func(f *Facts) { f.Unreadable = []Unreadable{{ARN: "arn:z", Reason: "DENIED"}} },
			[]string{scale, last}, "arn:z, which could not be read, uses it too",
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			f := pieces()
			c.change(&f)
			plan := Decide(input(), f)
			if len(plan.Targets) != 1 {
				t.Fatalf("targets %+v, want one", plan.Targets)
			}
			var steps []string
			for _, s := range plan.Targets[0].Steps {
				id := s.ID
				if i := strings.LastIndex(id, "cluster/"); i >= 0 {
					id = id[i+len("cluster/"):]
				}
				if strings.Contains(id, ":targetgroup/") {
					id = strings.Split(id, "/")[1]
				}
				steps = append(steps, string(s.Kind)+" "+id)
			}
			if !slices.Equal(steps, c.steps) {
				t.Errorf("steps %q, want %q", steps, c.steps)
			}
			reasons := strings.Join(outcome(Plan{Kept: plan.Kept}), "\n")
			if !strings.Contains(reasons, c.spared) || c.spared == "" && strings.Contains(reasons, "keep?") {
				t.Errorf("spared %q, want %q", reasons, c.spared)
			}
		})
	}
}

// Two expired services that share a target group and a family go together, and each then rests on both leases: one that
// is renewed meanwhile keeps what they share.
func TestExpiredServicesThatShareRestOnBothLeases(t *testing.T) {
	f := pieces()
	twin := f.Services[0]
	twin.ARN, twin.Name, twin.Tags = service("twin", nil).ARN, "twin", tags(contract.TagEnvironment, "twin")
	f.Services = append(f.Services, twin)
	for _, target := range Decide(input(), f).Targets {
		if len(target.Steps) != 5 || len(target.Claims) != 2 {
			t.Errorf("%s has %d steps and rests on %v", target.Name, len(target.Steps), target.Claims)
		}
	}
}

func TestClaimHoldsOnlyForTheSameExpiredLease(t *testing.T) {
	claim := Claim{Service: service("x", nil).ARN, Environment: slug}
	for sentence, c := range map[string]struct {
		service Service
		want    bool
	}{
		"still expired":           {service("x", tags()), true},
		"renewed":                 {service("x", tags(contract.TagExpires, future)), false},
		"tags gone":               {service("x", nil), false},
		"now another environment": {service("x", tags(contract.TagEnvironment, "y")), false},
		"another service":         {service("y", tags()), false},
		"unreadable (zero value)": {Service{}, false},
	} {
		if got := claim.Holds(c.service, now); got != c.want {
			t.Errorf("%s: %v", sentence, got)
		}
	}
}

func TestFamilyOf(t *testing.T) {
	for arn, want := range map[string]string{
		revision("qa-a", 7): "qa-a", revision("qa-a-2", 12): "qa-a-2", "qa-a:1": "", "": "", "arn:aws:ecs:eu-west-1:1:task-definition/x": "",
	} {
		if got := FamilyOf(arn); got != want {
			t.Errorf("%q: %q, want %q", arn, got, want)
		}
	}
}
