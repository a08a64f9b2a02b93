package main

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"

	"slipway/internal/contract"
	"slipway/lambdas/internal/fakeaws"
	"slipway/lambdas/qasweep/decide"
)

func TestRemainsGoOnceTheGracePeriodIsOver(t *testing.T) {
	w := newWorld(t)
	gone, alive := w.leave("feature/gone", 1), w.leave("feature/alive", 2)
	w.service(alive)
	if s := w.run(); s.Counts.Deleted != 0 || !strings.Contains(why(s.Waiting, gone.slug), "since 2026-03-10T12:00:00Z") || len(w.sns.Messages) != 0 {
		t.Errorf("%+v", s)
	}
	w.now = now.Add(2*time.Hour - time.Second)
	if s := w.run(); s.Counts.Deleted != 0 {
		t.Errorf("%+v", s)
	}
	w.now = now.Add(2 * time.Hour)
	s := w.run()
	w.want(gone, "")
	w.want(alive, whole)
	// Each kind once, two revisions, one of which was active.
	var order []decide.Kind
	for _, e := range s.Deleted {
		order = append(order, e.Kind)
	}
	if want := []decide.Kind{decide.ListenerRule, decide.TargetGroup, decide.Record, decide.ActiveRevision, decide.LogGroup, decide.Image, decide.Revision, decide.Revision, decide.Data, decide.Objects, decide.Secret, decide.Parameter}; !slices.Equal(order, want) {
		t.Errorf("deleted %v", order)
	}
	if len(w.sns.Messages) != 1 || w.sns.Messages[0].Subject != "slipway QA sweep: 12 remains deleted, 0 would be, 0 failures" {
		t.Errorf("%v", w.sns.Messages)
	}
	calls := len(w.sns.Messages)
	if s = w.run(); s.Counts.Deleted+s.Counts.Failed+s.Counts.Waiting != 0 || w.ssm.Parameters[w.settings.Memory] != "{}" || len(w.sns.Messages) != calls {
		t.Errorf("twice ends the same: %+v, memory %s", s, w.ssm.Parameters[w.settings.Memory])
	}
	fakeaws.CheckActions(t, "testdata/actions.txt", w.cloud.Actions())
}

func TestAnOwnerOfAnyKindKeepsEverything(t *testing.T) {
	for sentence, own := range map[string]func(*world, remains){
		"a stack that is being created":          func(w *world, r remains) { w.stack(r, cfntypes.StackStatusCreateInProgress) },
		"a stack that is being deleted":          func(w *world, r remains) { w.stack(r, cfntypes.StackStatusDeleteInProgress) },
		"a stack whose deletion failed":          func(w *world, r remains) { w.stack(r, cfntypes.StackStatusDeleteFailed) },
		"a stack whose creation was rolled back": func(w *world, r remains) { w.stack(r, cfntypes.StackStatusRollbackComplete) },
		"a service of its name":                  func(w *world, r remains) { w.service(r) },
		"a service of another name with its tag": func(w *world, r remains) {
			w.ecs.Add(fakeaws.Service{Name: "other", Created: now, Tags: map[string]string{contract.TagEnvironment: r.slug}})
		},
		"a service that carries its stack's tag": func(w *world, r remains) {
			w.ecs.Add(fakeaws.Service{Name: "other", Created: now, Tags: map[string]string{"aws:cloudformation:stack-name": contract.QAEnvironmentStack(platform, r.slug)}})
		},
		"a service that can't be read, and may be its own": func(w *world, _ remains) {
			w.ecs.Failures[w.ecs.Add(fakeaws.Service{Name: "other", Created: now})] = "ACCESS_DENIED"
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t)
			r := w.leave("feature/x", 1)
			own(w, r)
			if s := w.runTwice(); s.Counts.Deleted != 0 {
				t.Errorf("%+v", s)
			}
			w.want(r, whole)
		})
	}
}

func TestWhatIsNotTheEnvironmentsStays(t *testing.T) {
	w := newWorld(t)
	r := w.leave("feature/x", 1)
	slug := r.slug
	foreign := map[string]string{"aws:cloudformation:stack-name": "billing"}
	groups := []string{w.elb.AddTargetGroup("plain", nil), w.elb.AddTargetGroup("billing", foreign),
		w.elb.AddTargetGroup("other", map[string]string{contract.TagPlatform: "other", contract.TagEnvironment: slug})}
	rules := []string{w.elb.AddRule("plain", nil, groups[0]), w.elb.AddRule("billing", foreign, groups[1])}
	names := []string{"/slipway/qa/app", "/slipway/qa/" + slug + "-2", "/slipway/qa/" + slug + "/more", "/slipway/prod/app", "/slipway/qa-lifecycle/cleanup"}
	w.logs.Names = append(w.logs.Names, names...)
	records := []string{"qa.example.com", "app.example.com", "*.qa.example.com", "_acme.qa.example.com", "x." + slug + ".qa.example.com", slug + ".example.com", slug + ".qa.example.com.evil.example.com"}
	for _, name := range records {
		w.zone.Add(name, "192.0.2.2")
	}
	families := []string{"slipway-prod-app", contract.TaskFamily(platform, slug) + "-2", "x" + contract.TaskFamily(platform, slug)}
	for _, f := range families {
		w.ecs.Register(f, 1, "ACTIVE", nil)
	}
	objects := []string{"qa/" + slug + "-2/a", "qa/readme", "qa/" + slug + "x/a", "prod/a"}
	w.bucket.Put(objects...)
	parameters := []string{"/slipway/prod/image", "/slipway/qa/shared/vpc-id", "/slipway/" + slug + "/image/more", "/slipway2/" + slug + "/image"}
	for _, name := range parameters {
		w.ssm.Parameters[name] = "x"
	}
	w.secrets.Values["other"], w.secretTags["other"] = "x", map[string]string{"aws:cloudformation:stack-name": contract.QAEnvironmentStack(platform, slug) + "-2"}
	w.runTwice()
	w.want(r, "")
	for _, arn := range groups {
		if !w.elb.HasTargetGroup(arn) {
			t.Errorf("%s is gone", arn)
		}
	}
	for _, arn := range rules {
		if !w.elb.HasRule(arn) {
			t.Errorf("%s is gone", arn)
		}
	}
	for _, name := range names {
		if !slices.Contains(w.logs.Names, name) {
			t.Errorf("%s is gone", name)
		}
	}
	for _, name := range records {
		if !w.zone.Has(name) {
			t.Errorf("%s is gone", name)
		}
	}
	for _, revision := range w.ecs.Revisions {
		if slices.Contains(families, revision.Family) && revision.Status != "ACTIVE" {
			t.Errorf("%s is %s", revision.ARN, revision.Status)
		}
	}
	for _, object := range objects {
		if !slices.Contains(w.bucket.Keys(), object) {
			t.Errorf("%s is gone", object)
		}
	}
	for _, name := range parameters {
		if _, ok := w.ssm.Parameters[name]; !ok {
			t.Errorf("%s is gone", name)
		}
	}
	if w.secrets.Values["other"] == "" {
		t.Error("another secret is gone")
	}
}

// Killed anywhere: each call of a sweep is made to fail for good once, and the sweeps after it still end with nothing left.
func TestSweepThatFailsAnywhereIsFinishedByTheNextOnes(t *testing.T) {
	for _, action := range listedActions(t) {
		t.Run(action, func(t *testing.T) {
			w := newWorld(t)
			r := w.leave("feature/x", 1)
			w.run()
			w.now = now.Add(2 * time.Hour)
			if action == "ssm:PutParameter" { // written when remains are first seen
				w.ssm.Parameters[w.settings.Memory] = "{}"
			}
			w.cloud.Fail(action, fakeaws.Denied())
			if _, err := w.invoke(context.Background()); err == nil {
				t.Error("the sweep hides a failure from the alarms")
			}
			for range 3 {
				w.now = w.now.Add(2 * time.Hour)
				w.invoke(context.Background()) //nolint:errcheck // the last state counts
			}
			w.want(r, "")
		})
	}
}

// Killed between any two calls: the time of the sweep ends at its nth call.
func TestSweepWhoseTimeEndsAnywhereIsFinishedByTheNextOne(t *testing.T) {
	for n := 1; ; n++ {
		w := newWorld(t)
		r := w.leave("feature/x", 1)
		w.run()
		w.now = now.Add(2 * time.Hour)
		ctx, cancel := context.WithCancel(context.Background())
		calls := 0
		w.cloud.Before = func(string) {
			if calls++; calls == n {
				cancel()
			}
		}
		w.invoke(ctx) //nolint:errcheck // it was cut off
		ended := calls >= n
		w.cloud.Before = nil
		w.now = w.now.Add(30 * time.Minute)
		w.run()
		w.now = w.now.Add(30 * time.Hour) // also if it had counted as failed
		w.run()
		w.want(r, "")
		cancel()
		if !ended {
			if n < 20 {
				t.Errorf("a sweep took only %d calls", n)
			}
			return
		}
	}
}

func TestAnEnvironmentThatComesBackDuringTheSweepStays(t *testing.T) {
	for sentence, back := range map[string]func(*world, remains){
		"as a stack":   func(w *world, r remains) { w.stack(r, cfntypes.StackStatusCreateInProgress) },
		"as a service": func(w *world, r remains) { w.service(r) },
	} {
		w := newWorld(t)
		r := w.leave("feature/x", 1)
		w.run()
		w.now = now.Add(2 * time.Hour)
		w.cloud.Before = func(action string) {
			if action == "cloudformation:DescribeStacks" { // right before the first deletion
				w.cloud.Do(func() { back(w, r) })
				w.cloud.Before = nil
			}
		}
		s := w.run()
		w.want(r, whole)
		if s.Counts.Deleted != 0 || !strings.Contains(why(s.Kept, r.slug), "again") || w.ssm.Parameters[w.settings.Memory] != "{}" {
			t.Errorf("%s: %+v", sentence, s)
		}
	}
}

func TestImagesThatOthersMayNeedStay(t *testing.T) {
	tag := fmt.Sprintf("%040d", 1)
	for sentence, c := range map[string]struct {
		change func(*world)
		why    string
		waits  bool // for the image, with the revisions, which are the only trace of it
	}{
		"a stage runs its tag":    {func(w *world) { w.ssm.Parameters["/slipway/prod/image"] = tag }, "prod runs it", false},
		"a stage runs its digest": {func(w *world) { w.ssm.Parameters["/slipway/dev/image"] = digest(1) }, "dev runs it", false},
		"it has another tag":      {func(w *world) { w.ecr.Repositories[repository][0].ImageTags = []string{tag, "v1"} }, "it has other tags too: " + tag + ", v1", false},
		"it was pushed lately": {func(w *world) {
			w.ecr.Repositories[repository][0].ImagePushedAt = aws.Time(now.Add(-6 * 24 * time.Hour))
		}, "it was pushed or pulled less than 168h0m0s ago", true},
		"it was pulled lately":        {func(w *world) { w.ecr.Repositories[repository][0].LastRecordedPullTime = aws.Time(now.Add(-time.Hour)) }, "it was pushed or pulled less than 168h0m0s ago", true},
		"its age is unknown":          {func(w *world) { w.ecr.Repositories[repository][0].ImagePushedAt = nil }, "it was pushed or pulled less than", true},
		"another environment uses it": {func(w *world) { w.service(w.leave("feature/y", 1)) }, slugOf(t, "feature/y") + " runs it", false},
		"another one is gone since a moment": {func(w *world) {
			w.leave("feature/y", 1)
			w.ssm.Parameters[w.settings.Memory] = fmt.Sprintf(`{"%s":[%d,0,0]}`, slugOf(t, "feature/x"), now.Add(-2*time.Hour).Unix())
		}, "another environment used it too: " + slugOf(t, "feature/y"), true},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t)
			r := w.leave("feature/x", 1)
			c.change(w)
			s := w.run()
			if s.Counts.Deleted == 0 {
				w.now = now.Add(2 * time.Hour)
				s = w.run()
			}
			left := "image"
			if c.waits {
				left = "revision INACTIVE, revision INACTIVE, image"
			}
			w.want(r, left)
			if got := why(s.Kept, r.slug); !strings.HasPrefix(got, c.why) {
				t.Errorf("kept because %q, want %q", got, c.why)
			}
			if c.waits {
				w.now = now.Add(9 * 24 * time.Hour)
				w.ecr.Repositories[repository][0].ImagePushedAt = aws.Time(now)
				w.run()
				w.now = w.now.Add(2 * time.Hour)
				w.run()
				w.want(r, "")
			}
		})
	}
}

func TestImagesStayWhereOtherAccountsMayRunThem(t *testing.T) {
	w := newWorld(t)
	w.settings.Repository = ""
	r := w.leave("feature/x", 1)
	w.runTwice()
	w.want(r, "image")
}

func TestPartialFailuresWithHTTP200AreFailures(t *testing.T) {
	for sentence, c := range map[string]struct {
		change func(*world, remains)
		left   string
		why    string
	}{
		"an object": {func(w *world, r remains) { w.bucket.Failures[contract.EnvironmentPrefix(r.slug)+"a"] = "InternalError" }, "objects", "InternalError"},
		"an image": {func(w *world, r remains) {
			w.imageFails[r.digest] = ecrtypes.ImageFailureCodeImageReferencedByManifestList
		}, "revision INACTIVE, revision INACTIVE, image", "ImageReferencedByManifestList"},
		"a revision": {func(w *world, r remains) { w.ecs.Failures[r.inactive] = "INTERNAL" }, "revision INACTIVE", "INTERNAL"},
		"a target group in use meanwhile": {func(w *world, r remains) {
			w.cloud.Before = func(action string) {
				if action == "elasticloadbalancing:DeleteTargetGroup" {
					w.cloud.Do(func() {
						if !w.elb.HasRule("late") {
							w.elb.AddRule("late"+fmt.Sprint(len(w.elb.Rules)), nil, r.group)
						}
					})
				}
			}
		}, "target group", "in use"},
	} {
		t.Run(sentence, func(t *testing.T) {
			w := newWorld(t)
			r, other := w.leave("feature/x", 1), w.leave("feature/y", 2)
			w.run()
			w.now = now.Add(2 * time.Hour)
			c.change(w, r)
			s, err := w.invoke(context.Background())
			if err == nil || s.Counts.Failed != 1 && !strings.Contains(sentence, "meanwhile") || !strings.Contains(s.Failed[0].Why, c.why) {
				t.Errorf("%v %+v", err, s.Failed)
			}
			w.want(r, c.left)
			if !strings.Contains(sentence, "meanwhile") {
				w.want(other, "") // one failure never stops the others
			}
		})
	}
}

func TestRecordThatChangedMeanwhileStays(t *testing.T) {
	w := newWorld(t)
	r := w.leave("feature/x", 1)
	w.run()
	w.now = now.Add(2 * time.Hour)
	w.cloud.Before = func(action string) {
		if action == "route53:ChangeResourceRecordSets" {
			w.cloud.Do(func() { w.zone.Records[0].TTL = aws.Int64(300) })
		}
	}
	if s, err := w.invoke(context.Background()); err == nil || !strings.Contains(s.Failed[0].Why, "someone changed it meanwhile") {
		t.Errorf("%v %+v", err, s.Failed)
	}
	w.want(r, "record")
}

func TestWhatFailsAgainAndAgainIsTriedOnceADayAndTold(t *testing.T) {
	w := newWorld(t)
	r := w.leave("feature/x", 1)
	w.run()
	w.bucket.Failures[contract.EnvironmentPrefix(r.slug)+"a"] = "AccessDenied"
	w.now = now.Add(2 * time.Hour)
	tries := 0
	for range 30 { // hours
		before := w.cloud.Calls("s3:DeleteObjectVersion")
		s, err := w.invoke(context.Background())
		tried := w.cloud.Calls("s3:DeleteObjectVersion") > before
		if tried {
			tries++
		}
		if tried == (err == nil) || !tried && (s.Counts.Stuck != 1 || !strings.Contains(why(s.Stuck, r.slug), "a person should look")) {
			t.Errorf("after %d tries: %v, %+v", tries, err, s)
		}
		w.now = w.now.Add(time.Hour)
	}
	if tries != 4 { // three, and one a day later
		t.Errorf("%d tries in 30 hours", tries)
	}
	if !strings.Contains(w.metrics.String(), `"Stuck":1`) {
		t.Error("the alarm hears nothing")
	}
	clear(w.bucket.Failures)
	w.now = w.now.Add(24 * time.Hour)
	w.run()
	w.want(r, "")
}

func TestPausedSweepAndDryRunDeleteNothing(t *testing.T) {
	for sentence, change := range map[string]func(*world){
		"paused":  func(w *world) { w.ssm.Parameters[w.settings.Switch] = "paused: a demo is on" },
		"dry run": func(w *world) { w.settings.DryRun = true },
	} {
		w := newWorld(t)
		r := w.leave("feature/x", 1)
		change(w)
		s := w.runTwice()
		if s.Counts.WouldDelete != 12 || s.Counts.Deleted != 0 {
			t.Errorf("%s: %+v", sentence, s.Counts)
		}
		w.want(r, whole)
		for _, a := range w.cloud.Actions() {
			if strings.Contains(a, ":Delete") || strings.Contains(a, ":Deregister") || strings.Contains(a, ":Change") || strings.Contains(a, ":BatchDelete") {
				t.Errorf("%s calls %s", sentence, a)
			}
		}
	}
}

func TestNothingIsDeletedWithoutTheSwitchTheOwnersOrTheMemory(t *testing.T) {
	for _, action := range []string{"ssm:GetParameter", "ecs:ListServices", "cloudformation:ListStacks"} {
		w := newWorld(t)
		r := w.leave("feature/x", 1)
		w.run()
		w.now = now.Add(2 * time.Hour)
		w.cloud.Fail(action, fakeaws.Denied(), fakeaws.Denied())
		if s, err := w.invoke(context.Background()); err == nil || s.Counts.Deleted != 0 {
			t.Errorf("%s: %v %+v", action, err, s)
		}
		w.want(r, whole)
	}
	w := newWorld(t)
	r := w.leave("feature/x", 1)
	w.run()
	w.now = now.Add(2 * time.Hour)
	w.ssm.Parameters[w.settings.Memory] = "garbage"
	if s, err := w.invoke(context.Background()); err == nil || s.Counts.Deleted != 0 {
		t.Errorf("%v %+v", err, s)
	}
	w.want(r, whole)
	w.now = w.now.Add(2 * time.Hour) // the memory was written anew
	w.run()
	w.want(r, "")
}

func TestThrottlingIsRetried(t *testing.T) {
	w := newWorld(t)
	r := w.leave("feature/x", 1)
	w.run()
	w.now = now.Add(2 * time.Hour)
	for _, action := range listedActions(t) {
		w.cloud.Fail(action, fakeaws.Throttled(), fakeaws.Throttled())
	}
	w.run()
	w.want(r, "")
}

func TestManyPagesAndBatches(t *testing.T) {
	w := newWorld(t)
	w.zone.Page, w.elb.RulePage, w.bucket.Page, w.stacks.Page = 7, 7, 7, 7
	var all []remains
	for i := range 60 {
		all = append(all, w.leave(fmt.Sprintf("feature/%d", i), i))
	}
	for i := range 25 {
		w.bucket.Put(contract.EnvironmentPrefix(all[0].slug) + fmt.Sprintf("many/%d", i))
	}
	w.runTwice()
	for _, r := range all {
		w.want(r, "")
	}
}

func TestSettingsAreWhole(t *testing.T) {
	w := newWorld(t)
	for _, gone := range []string{"platform", "cluster", "domain", "stage", "listener", "topic", "switch", "memory", "bucket", "zone", "grace"} {
		raw, err := json.Marshal(w.settings.Sweep)
		if err != nil {
			t.Fatal(err)
		}
		fields := map[string]any{}
		if err := json.Unmarshal(raw, &fields); err != nil {
			t.Fatal(err)
		}
		delete(fields, gone)
		raw, err = json.Marshal(fields)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := readSettings(func(string) string { return string(raw) }); err == nil || !strings.Contains(err.Error(), gone) {
			t.Errorf("without %s: %v", gone, err)
		}
	}
}
