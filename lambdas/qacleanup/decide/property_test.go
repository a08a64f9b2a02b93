package decide_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"slipway/internal/contract"
	. "slipway/lambdas/qacleanup/decide"
)

// The generators mix few values, so that services, stacks and pieces meet often, among them many that must stay.
var (
	slugs    = []string{slugOf("feature/x"), slugOf("feature/y"), "prod", "x", ""}
	statuses = []string{
		"CREATE_IN_PROGRESS", "CREATE_FAILED", "CREATE_COMPLETE", "ROLLBACK_IN_PROGRESS", "ROLLBACK_FAILED", "ROLLBACK_COMPLETE",
		"DELETE_IN_PROGRESS", "DELETE_FAILED", "DELETE_COMPLETE", "UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
		"UPDATE_COMPLETE", "UPDATE_FAILED", "UPDATE_ROLLBACK_IN_PROGRESS", "UPDATE_ROLLBACK_FAILED",
		"UPDATE_ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS", "IMPORT_COMPLETE", "A_NEW_STATUS",
	}
	times = []string{past, future, "2026-03-10T12:00:00Z", "2026-03-10 11:00", "soon", ""}
)

func stackNames() []string {
	names := []string{"slipway-prod-service", "slipway-qa-service", "slipway-qa-env-", "other-qa-env-" + slugs[0], "slipway-qa-env-x"}
	for _, s := range slices.Concat(slugs[:2], slugs[:2], slugs[:2]) { // more often than the others
		names = append(names, contract.QAEnvironmentStack("slipway", s))
	}
	return names
}

func genTags(t *rapid.T) map[string]string {
	m := map[string]string{}
	set := func(key string, values ...string) {
		if v := rapid.SampledFrom(append(values, "-")).Draw(t, key); v != "-" {
			m[key] = v
		}
	}
	if rapid.Bool().Draw(t, "coherent") { // what a QA environment's stack gives its service
		slug := rapid.SampledFrom(slugs[:2]).Draw(t, "slug")
		name := contract.QAEnvironmentStack("slipway", slug)
		m := inStack(name, contract.TagEnvironment, slug)
		m[contract.TagExpires] = rapid.SampledFrom([]string{past, past, future, "soon"}).Draw(t, "expires")
		return m
	}
	set(contract.TagEnvironment, slugs...)
	set(contract.TagExpires, times...)
	set(contract.TagMaxLifetime, "1h", "720h", "0s", "month")
	if rapid.Bool().Draw(t, "of a stack") {
		name := rapid.SampledFrom(stackNames()).Draw(t, "stack of service")
		m["aws:cloudformation:stack-name"] = name
		if rapid.Bool().Draw(t, "with ID") {
			m["aws:cloudformation:stack-id"] = rapid.SampledFrom([]string{"id:" + name, "id:gone"}).Draw(t, "stack ID")
		}
	}
	return m
}

func genFacts(t *rapid.T) Facts {
	groups := []string{group("a"), group("b"), group("c")}
	families := []string{"a", "a-2", "slipway-prod-app", contract.TaskFamily("slipway", slugs[0])}
	some := func(label string, of []string) []string {
		return slices.Compact(slices.Sorted(slices.Values(rapid.SliceOfN(rapid.SampledFrom(of), 0, 2).Draw(t, label))))
	}
	var f Facts
	f.LoadBalancer = lb
	for i := range rapid.IntRange(0, 5).Draw(t, "services") {
		s := service(string(rune('a'+i)), genTags(t))
		s.Cluster = rapid.SampledFrom([]string{"qa-cluster", "qa-cluster", "qa-cluster", "prod-cluster"}).Draw(t, "cluster")
		s.ARN = strings.Replace(s.ARN, "qa-cluster", s.Cluster, 1)
		s.Status = rapid.SampledFrom([]string{"ACTIVE", "ACTIVE", "DRAINING", "INACTIVE"}).Draw(t, "status")
		s.CreatedAt = rapid.SampledFrom([]time.Time{{}, now, now.Add(-time.Hour), now.Add(-10 * 24 * time.Hour)}).Draw(t, "created")
		s.TargetGroups = some("groups", groups)
		s.TaskDefinition = revision(rapid.SampledFrom(families).Draw(t, "family"), 1)
		s.Desired = rapid.IntRange(0, 1).Draw(t, "desired")
		f.Services = append(f.Services, s)
	}
	for _, name := range some("stacks", stackNames()) {
		s := Stack{ID: "id:" + name, Name: name, Status: rapid.SampledFrom(statuses).Draw(t, "stack status")}
		s.CreatedAt = rapid.SampledFrom([]time.Time{{}, now, now.Add(-time.Hour), now.Add(-48 * time.Hour)}).Draw(t, "stack created")
		s.Protected = rapid.IntRange(0, 4).Draw(t, "protected") == 0
		s.ParentID = rapid.SampledFrom([]string{"", "", "", "", "parent"}).Draw(t, "parent")
		s.ReadError = rapid.SampledFrom([]string{"", "", "", "denied"}).Draw(t, "read error")
		s.FailedDeletions = rapid.IntRange(0, 4).Draw(t, "failed deletions")
		f.Stacks = append(f.Stacks, s)
	}
	if rapid.IntRange(0, 4).Draw(t, "unreadable") == 0 {
		f.Unreadable = []Unreadable{{ARN: "arn:unreadable", Reason: "DENIED"}}
	}
	for _, arn := range groups {
		f.TargetGroups = append(f.TargetGroups, TargetGroup{
			ARN: arn, LoadBalancers: some("balancers", []string{lb, "prod"}),
			Tags: rapid.SampledFrom([]map[string]string{nil, inStack("slipway-prod-service"), tags()}).Draw(t, "group tags"),
		})
	}
	for i := range 3 {
		f.Rules = append(f.Rules, Rule{
			ARN: "rule" + string(rune('0'+i)), Default: i == 0, Forwards: some("forwards", groups[:2]), Answers: rapid.Bool().Draw(t, "answers"),
			Tags: rapid.SampledFrom([]map[string]string{nil, nil, inStack("slipway-prod-service")}).Draw(t, "rule tags"),
		})
	}
	for _, name := range families {
		f.Families = append(f.Families, Family{Name: name, Active: []string{revision(name, 1)}})
	}
	return f
}

// expired judges a lease anew, from the sentences of the requirements rather than with ReadLease.
func expired(s Service) bool {
	expires, err := time.Parse(time.RFC3339, s.Tags[contract.TagExpires])
	if err != nil || s.Tags[contract.TagEnvironment] == "" {
		return false
	}
	over := !now.Before(expires)
	if value, ok := s.Tags[contract.TagMaxLifetime]; ok {
		longest, err := time.ParseDuration(value)
		if err != nil || longest <= 0 || s.CreatedAt.IsZero() {
			return false
		}
		over = over || now.Sub(s.CreatedAt) >= longest
	}
	return over
}

// Whatever the facts, a plan deletes only the platform's own QA environments and services of the QA cluster, all with an
// expired lease, or stacks that failed and have no service.
func TestPlanNeverLeavesItsBounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := genFacts(t)
		plan := Decide(input(), f)
		live := map[string]Service{}
		for _, s := range f.Services {
			if s.Cluster == "qa-cluster" && s.Status != "INACTIVE" {
				live[s.ARN] = s
			}
		}
		doomed := map[string]bool{} // services taken apart
		for _, target := range plan.Targets {
			if target.Kind == KindService {
				for _, s := range live {
					if s.Name == target.Name {
						doomed[s.ARN] = true
					}
				}
			}
			for _, c := range target.Claims {
				s, ok := live[c.Service]
				if !ok || !expired(s) || s.Tags[contract.TagEnvironment] != c.Environment {
					t.Fatalf("%s %s rests on %v, which isn't an expired lease of the QA cluster", target.Kind, target.Name, c)
				}
			}
		}
		for _, target := range plan.Targets {
			if target.Kind == KindStack {
				checkStack(t, f, live, target)
			} else {
				checkService(t, f, live, doomed, target)
			}
		}
	})
}

func checkStack(t *rapid.T, f Facts, live map[string]Service, target Target) {
	if len(target.Steps) != 1 || target.Steps[0].Kind != KindStack {
		t.Fatalf("a stack takes one step, got %v", target.Steps)
	}
	i := slices.IndexFunc(f.Stacks, func(s Stack) bool { return s.ID == target.Steps[0].ID })
	if i < 0 {
		t.Fatalf("no such stack: %s", target.Steps[0].ID)
	}
	s := f.Stacks[i]
	slug, ok := strings.CutPrefix(s.Name, "slipway-qa-env-")
	if !ok || !contract.IsSlug(slug) || s.Name != target.Name {
		t.Fatalf("%s is no QA environment", s.Name)
	}
	if s.Protected || s.ReadError != "" || s.ParentID != "" || strings.HasSuffix(s.Status, "_IN_PROGRESS") || s.Status == "DELETE_COMPLETE" ||
		s.Status == "DELETE_FAILED" && s.FailedDeletions >= MaxFailedDeletions {
		t.Fatalf("%+v must stay", s)
	}
	for _, service := range live {
		id, tagged := service.Tags["aws:cloudformation:stack-id"]
		if service.Tags["aws:cloudformation:stack-name"] == s.Name && (!tagged || id == s.ID) && !expired(service) {
			t.Fatalf("stack %s goes though its service %s may live", s.Name, service.Name)
		}
	}
	if len(target.Claims) > 0 {
		return
	}
	old := !s.CreatedAt.IsZero() && now.Sub(s.CreatedAt) >= 2*time.Hour
	failed := s.Status == "CREATE_FAILED" || s.Status == "ROLLBACK_COMPLETE" || s.Status == "ROLLBACK_FAILED"
	may := s.Status == "DELETE_FAILED" || failed && old
	if len(f.Unreadable) > 0 || !may {
		t.Fatalf("stack %s goes without a lease: %+v", s.Name, s)
	}
}

func checkService(t *rapid.T, f Facts, live map[string]Service, doomed map[string]bool, target Target) {
	var own Service
	for _, s := range live {
		if s.Name == target.Name {
			own = s
		}
	}
	if !expired(own) {
		t.Fatalf("service %s goes though its lease isn't over", target.Name)
	}
	if name := own.Tags["aws:cloudformation:stack-name"]; name != "" {
		slug, ok := strings.CutPrefix(name, "slipway-qa-env-")
		if !ok || !contract.IsSlug(slug) {
			t.Fatalf("service %s of stack %s goes", own.Name, name)
		}
	}
	usedByOthers := func(uses func(Service) bool) bool {
		for arn, s := range live {
			if !doomed[arn] && uses(s) {
				return true
			}
		}
		return false
	}
	for _, step := range target.Steps {
		switch step.Kind {
		case KindService, KindTasks:
			if step.ID != own.ARN {
				t.Fatalf("%s touches the service %s", target.Name, step.ID)
			}
		case KindTargetGroup:
			if !slices.Contains(own.TargetGroups, step.ID) || usedByOthers(func(s Service) bool { return slices.Contains(s.TargetGroups, step.ID) }) {
				t.Fatalf("%s deletes target group %s", target.Name, step.ID)
			}
			for _, g := range f.TargetGroups {
				if g.ARN == step.ID && (slices.Contains(g.LoadBalancers, "prod") || g.Tags["aws:cloudformation:stack-name"] != "" && own.Tags["aws:cloudformation:stack-name"] == "") {
					t.Fatalf("%s deletes target group %+v", target.Name, g)
				}
			}
		case KindListenerRule:
			r := f.Rules[slices.IndexFunc(f.Rules, func(r Rule) bool { return r.ARN == step.ID })]
			if r.Default || r.Answers || len(r.Forwards) == 0 || slices.ContainsFunc(r.Forwards, func(g string) bool { return !slices.Contains(own.TargetGroups, g) }) {
				t.Fatalf("%s deletes rule %+v", target.Name, r)
			}
		case KindTaskDefinitions:
			if step.ID != FamilyOf(own.TaskDefinition) || step.ID == "slipway-prod-app" || usedByOthers(func(s Service) bool { return FamilyOf(s.TaskDefinition) == step.ID }) {
				t.Fatalf("%s deletes family %s", target.Name, step.ID)
			}
			for _, arn := range append(step.Active, step.Inactive...) {
				if FamilyOf(arn) != step.ID {
					t.Fatalf("%s deletes revision %s", target.Name, arn)
				}
			}
		default:
			t.Fatalf("%s has a step %s", target.Name, step.Kind)
		}
	}
}

// Nothing is lost on the way: each stack and each service of the cluster is deleted, kept, skipped or stuck, with a
// reason, or goes with its stack.
func TestEverythingIsAccountedFor(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := genFacts(t)
		plan := Decide(input(), f)
		seen := map[string]int{}
		for _, target := range plan.Targets {
			if target.Why == "" {
				t.Fatalf("%s goes without a reason", target.Name)
			}
			seen[string(target.Kind)+target.Name]++
		}
		for _, e := range slices.Concat(plan.Kept, plan.Skipped, plan.Stuck) {
			if e.Why == "" {
				t.Fatalf("%s stays without a reason", e.Name)
			}
			seen[string(e.Kind)+e.Name]++
		}
		for _, s := range f.Stacks {
			want := 1
			if s.Status == "DELETE_COMPLETE" {
				want = 0
			}
			if got := seen[string(KindStack)+s.Name]; got != want {
				t.Fatalf("stack %s is there %d times", s.Name, got)
			}
		}
		for _, s := range f.Services {
			if got := seen[string(KindService)+s.Name]; got > 1 {
				t.Fatalf("service %s is there %d times", s.Name, got)
			}
		}
	})
}
