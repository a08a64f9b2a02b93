package decide_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"slipway/internal/contract"
	. "slipway/lambdas/qacleanup/decide"
)

var now = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

func input() Input {
	return Input{Now: now, Platform: "slipway", Cluster: "qa-cluster", Grace: 2 * time.Hour}
}

func slugOf(branch string) string {
	s, err := contract.Slug(branch)
	if err != nil {
		panic(err)
	}
	return s
}

var slug = slugOf("feature/x")

const past, future = "2026-03-10T11:00:00Z", "2026-03-10T13:00:00Z"

func tags(pairs ...string) map[string]string {
	m := map[string]string{contract.TagEnvironment: slug, contract.TagExpires: past, contract.TagMaxLifetime: "720h"}
	for i := 0; i < len(pairs); i += 2 {
		if m[pairs[i]] = pairs[i+1]; pairs[i+1] == "" {
			delete(m, pairs[i])
		}
	}
	return m
}

func inStack(name string, pairs ...string) map[string]string {
	return tags(append([]string{"aws:cloudformation:stack-name", name, "aws:cloudformation:stack-id", "id:" + name}, pairs...)...)
}

func service(name string, t map[string]string) Service {
	return Service{
		ARN: "arn:aws:ecs:eu-west-1:111111111111:service/qa-cluster/" + name, Name: name, Cluster: "qa-cluster",
		Status: "ACTIVE", CreatedAt: now.Add(-48 * time.Hour), Tags: t,
	}
}

func stack(status string, change ...func(*Stack)) Stack {
	name := contract.QAEnvironmentStack("slipway", slug)
	s := Stack{ID: "id:" + name, Name: name, Status: status, CreatedAt: now.Add(-48 * time.Hour)}
	for _, c := range change {
		c(&s)
	}
	return s
}

// outcome tells a plan in lines that a table can compare: "delete stack x: why".
func outcome(p Plan) []string {
	var lines []string
	for _, t := range p.Targets {
		lines = append(lines, fmt.Sprintf("delete %s %s: %s", t.Kind, t.Name, t.Why))
	}
	for word, entries := range map[string][]Entry{"keep": p.Kept, "skip": p.Skipped, "stuck": p.Stuck} {
		for _, e := range entries {
			word := word
			if e.Unclear {
				word += "?"
			}
			lines = append(lines, fmt.Sprintf("%s %s %s: %s", word, e.Kind, e.Name, e.Why))
		}
	}
	slices.Sort(lines)
	return lines
}

func TestStacks(t *testing.T) {
	name := stack("").Name
	over := "delete stack " + name + ": its lease ended at 2026-03-10T11:00:00Z"
	alive := "keep stack " + name + ": its lease runs until 2026-03-10T13:00:00Z"
	expired, living := service("x", inStack(name)), service("x", inStack(name, contract.TagExpires, future))
	young := func(s *Stack) { s.CreatedAt = now.Add(-2*time.Hour + time.Second) }
	for sentence, c := range map[string]struct {
		stack    Stack
		services []Service
		want     string
	}{
		"an expired one goes": {stack("CREATE_COMPLETE"), []Service{expired}, over},
		"a living one stays":  {stack("CREATE_COMPLETE"), []Service{living}, alive},
		"one update rolled back is alive and follows its lease":     {stack("UPDATE_ROLLBACK_COMPLETE"), []Service{living}, alive},
		"one update rolled back goes when its lease is over":        {stack("UPDATE_ROLLBACK_COMPLETE"), []Service{expired}, over},
		"one whose rollback failed goes when its lease is over":     {stack("UPDATE_ROLLBACK_FAILED"), []Service{expired}, over},
		"one being created is skipped":                              {stack("CREATE_IN_PROGRESS"), []Service{expired}, "skip stack " + name + ": CloudFormation is at work on it: CREATE_IN_PROGRESS"},
		"one being cleaned up is skipped":                           {stack("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"), []Service{expired}, "skip stack " + name + ": CloudFormation is at work on it: UPDATE_COMPLETE_CLEANUP_IN_PROGRESS"},
		"one being deleted is skipped":                              {stack("DELETE_IN_PROGRESS"), nil, "skip stack " + name + ": CloudFormation is at work on it: DELETE_IN_PROGRESS"},
		"a deleted one is nothing":                                  {stack("DELETE_COMPLETE"), nil, ""},
		"termination protection is respected and said":              {stack("CREATE_COMPLETE", func(s *Stack) { s.Protected = true }), []Service{expired}, "keep? stack " + name + ": its lease ended at 2026-03-10T11:00:00Z, but its termination protection is on; switch it off or delete it by hand"},
		"protection of a living one is nobody's business":           {stack("CREATE_COMPLETE", func(s *Stack) { s.Protected = true }), []Service{living}, alive},
		"a nested one goes with its parent":                         {stack("CREATE_COMPLETE", func(s *Stack) { s.ParentID = "parent" }), []Service{expired}, "keep stack " + name + ": it is nested in parent and goes with it"},
		"a name that Slipway never gives stays":                     {stack("ROLLBACK_COMPLETE", func(s *Stack) { s.Name += "-2" }), nil, "keep? stack " + name + "-2: its name is none that Slipway gives a QA environment"},
		"a failed creation older than the grace period goes":        {stack("ROLLBACK_COMPLETE"), nil, "delete stack " + name + ": its creation failed (ROLLBACK_COMPLETE), it has no service and is older than 2h0m0s"},
		"a failed creation without rollback goes as well":           {stack("CREATE_FAILED"), nil, "delete stack " + name + ": its creation failed (CREATE_FAILED), it has no service and is older than 2h0m0s"},
		"a failed creation younger than the grace period stays":     {stack("ROLLBACK_COMPLETE", young), nil, "keep stack " + name + ": it has no service yet and is younger than 2h0m0s"},
		"a failed creation of unknown age stays":                    {stack("ROLLBACK_COMPLETE", func(s *Stack) { s.CreatedAt = time.Time{} }), nil, "keep? stack " + name + ": it has no service, and its age is unknown"},
		"a complete one without a service has no lease and stays":   {stack("CREATE_COMPLETE"), nil, "keep? stack " + name + ": it is CREATE_COMPLETE but has no service, so it has no lease; deploy it again or delete it by hand"},
		"an inactive service is no service":                         {stack("ROLLBACK_COMPLETE"), []Service{func() Service { s := living; s.Status = "INACTIVE"; return s }()}, "delete stack " + name + ": its creation failed (ROLLBACK_COMPLETE), it has no service and is older than 2h0m0s"},
		"a draining service still carries the lease":                {stack("CREATE_COMPLETE"), []Service{func() Service { s := expired; s.Status = "DRAINING"; return s }()}, over},
		"a failed deletion is tried again":                          {stack("DELETE_FAILED", func(s *Stack) { s.FailedDeletions, s.StatusReason = 2, "in use" }), nil, "delete stack " + name + ": someone began to delete it and it has no service left; attempt 3 of 3, the last one failed: in use"},
		"a third failed deletion is left to a person":               {stack("DELETE_FAILED", func(s *Stack) { s.FailedDeletions, s.StatusReason = 3, "in use" }), nil, "stuck stack " + name + ": its deletion failed 3 times, the cleanup no longer tries: in use; remove what blocks it and delete the stack"},
		"a state that can't be read keeps it":                       {stack("DELETE_FAILED", func(s *Stack) { s.ReadError = "denied" }), nil, "keep? stack " + name + ": someone began to delete it and it has no service left, but its state could not be read: denied"},
		"a failed deletion with a living lease waits for its end":   {stack("DELETE_FAILED"), []Service{living}, alive},
		"two services: the one that lives keeps it":                 {stack("CREATE_COMPLETE"), []Service{expired, service("y", inStack(name, contract.TagExpires, future))}, alive},
		"two services: the one that can't be read keeps it":         {stack("CREATE_COMPLETE"), []Service{expired, service("y", inStack(name, contract.TagExpires, ""))}, "keep? stack " + name + ": the lease of its service y can't be read: no tag slipway:expires"},
		"a service tagged for another environment keeps it":         {stack("CREATE_COMPLETE"), []Service{service("x", inStack(name, contract.TagEnvironment, "other"))}, "keep? stack " + name + ": its service x is tagged for another environment, other"},
		"without CloudFormation's tags the slug finds the stack":    {stack("CREATE_COMPLETE"), []Service{service("x", tags())}, over},
		"a service of another cluster with its tags doesn't end it": {stack("CREATE_COMPLETE"), []Service{func() Service { s := expired; s.Cluster = "prod-cluster"; return s }()}, "keep? stack " + name + ": it is CREATE_COMPLETE but has no service, so it has no lease; deploy it again or delete it by hand"},
	} {
		t.Run(sentence, func(t *testing.T) {
			got := outcome(Decide(input(), Facts{Stacks: []Stack{c.stack}, Services: c.services}))
			if strings.Join(got, "\n") != c.want {
				t.Errorf("got  %s\nwant %s", strings.Join(got, "\n"), c.want)
			}
		})
	}
}

func TestServicesAndTheirStacks(t *testing.T) {
	name := stack("").Name
	over := "its lease ended at 2026-03-10T11:00:00Z"
	for sentence, c := range map[string]struct {
		facts Facts
		want  []string
	}{
		"a copy made by hand, expired, doesn't end the living stack of its slug": {
			Facts{Stacks: []Stack{stack("CREATE_COMPLETE")}, Services: []Service{service("x", inStack(name, contract.TagExpires, future)), service("copy", tags())}},
			[]string{"delete service copy: " + over, "keep stack " + name + ": its lease runs until 2026-03-10T13:00:00Z"},
		},
		"a service whose stack is gone is taken apart": {
			Facts{Services: []Service{service("x", inStack(name))}},
			[]string{"delete service x: " + over},
		},
		"a service left by an earlier stack of that name doesn't end the new one": {
			Facts{Stacks: []Stack{stack("CREATE_COMPLETE")}, Services: []Service{
				service("x", inStack(name, contract.TagExpires, future)), service("left", inStack(name, "aws:cloudformation:stack-id", "id:earlier"))}},
			[]string{"delete service left: " + over, "keep stack " + name + ": its lease runs until 2026-03-10T13:00:00Z"},
		},
		"a service of a stack that isn't ours stays": {
			Facts{Services: []Service{service("x", inStack("billing"))}},
			[]string{"keep? service x: it belongs to the stack billing, which is no QA environment"},
		},
		"a service of the shared stack stays even when tagged as expired": {
			Facts{Services: []Service{service("x", inStack("slipway-qa-service"))}},
			[]string{"keep? service x: it belongs to the stack slipway-qa-service, which is no QA environment"},
		},
		"a service without tags stays and is reported": {
			Facts{Services: []Service{service("x", nil)}},
			[]string{"keep? service x: its lease can't be read: no tag slipway:expires"},
		},
		"a service that lives stays": {
			Facts{Services: []Service{service("x", tags(contract.TagExpires, future))}},
			[]string{"keep service x: its lease runs until 2026-03-10T13:00:00Z"},
		},
		"a service with unreadable pieces stays": {
			Facts{PiecesError: "denied", Services: []Service{service("x", tags())}},
			[]string{"keep? service x: " + over + ", but what it consists of could not be read: denied"},
		},
		"a service that couldn't be described stays and keeps stacks without a service": {
			Facts{Stacks: []Stack{stack("ROLLBACK_COMPLETE")}, Unreadable: []Unreadable{{ARN: "arn:x", Reason: "DENIED"}}},
			[]string{"keep? service arn:x: AWS listed it but could not describe it (DENIED), so its lease is unknown",
				"keep? stack " + name + ": 1 services of the cluster could not be read, one of them may be its own"},
		},
		"a service that couldn't be described keeps a stack found by slug only": {
			Facts{Stacks: []Stack{stack("CREATE_COMPLETE")}, Services: []Service{service("x", tags())}, Unreadable: []Unreadable{{ARN: "arn:y", Reason: "DENIED"}}},
			[]string{"keep? service arn:y: AWS listed it but could not describe it (DENIED), so its lease is unknown",
				"keep? stack " + name + ": 1 services of the cluster could not be read, one of them may be its own"},
		},
		"a service of another cluster is nobody's business": {
			Facts{Services: []Service{func() Service { s := service("x", tags()); s.Cluster = "prod-cluster"; return s }()}},
			nil,
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			if got := outcome(Decide(input(), c.facts)); !slices.Equal(got, c.want) {
				t.Errorf("got  %s\nwant %s", strings.Join(got, "\n     "), strings.Join(c.want, "\n     "))
			}
		})
	}
}

func TestOldestLeaseGoesFirst(t *testing.T) {
	var f Facts
	for i, end := range []string{"2026-03-10T11:00:00Z", "2026-03-09T11:00:00Z", "2026-03-10T10:00:00Z"} {
		f.Services = append(f.Services, service(fmt.Sprint(i), tags(contract.TagExpires, end, contract.TagMaxLifetime, "")))
	}
	var order []string
	for _, target := range Decide(input(), f).Targets {
		order = append(order, target.Name)
	}
	if !slices.Equal(order, []string{"1", "2", "0"}) {
		t.Errorf("order %v", order)
	}
}

func TestDecisionIsRepeatable(t *testing.T) {
	f := Facts{Stacks: []Stack{stack("CREATE_COMPLETE")}, Services: []Service{service("x", tags()), service("y", nil)}}
	before := maps.Clone(f.Services[0].Tags)
	if a, b := outcome(Decide(input(), f)), outcome(Decide(input(), f)); !slices.Equal(a, b) || !maps.Equal(before, f.Services[0].Tags) {
		t.Errorf("%v, then %v", a, b)
	}
}
