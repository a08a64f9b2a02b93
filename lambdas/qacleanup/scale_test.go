package main

import (
	"fmt"
	"runtime"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"slipway/lambdas/internal/fakeaws"
)

// However much there is to do, no more calls than the bound are under way at once, and throttled ones are made again.
func TestManyDeletionsAreBoundedAndSurviveThrottling(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		for i := range 300 {
			w.environment(fmt.Sprintf("feature/%d", i), now.Add(-time.Hour))
		}
		// One call in twenty is refused: rarely enough that none is five times in a row, after which the SDK gives up.
		for range 15 {
			w.cloud.Fail("cloudformation:DeleteStack", append([]error{fakeaws.Throttled()}, make([]error, 19)...)...)
		}
		var under, most atomic.Int32
		w.cloud.Before = func(string) {
			n := under.Add(1)
			for m := most.Load(); n > m && !most.CompareAndSwap(m, n); m = most.Load() {
			}
			time.Sleep(time.Millisecond)
			under.Add(-1)
		}
		if summary := w.run(); summary.Counts.Deleted != 300 || summary.Counts.Failed != 0 {
			t.Errorf("%+v", summary.Counts)
		}
		if most.Load() < 2 || most.Load() > concurrency {
			t.Errorf("%d calls at once, the bound is %d", most.Load(), concurrency)
		}
	})
}

// What a run keeps in memory grows with the services by their own descriptions only: a few KB each, far below the function's 256 MiB.
func TestMemoryOfARunIsSmall(t *testing.T) {
	w := newWorld(t)
	for i := range 5000 {
		w.environment(fmt.Sprintf("feature/%d", i), now.Add(48*time.Hour))
	}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	summary := w.run()
	runtime.GC()
	runtime.ReadMemStats(&after)
	if kept := int64(after.HeapAlloc) - int64(before.HeapAlloc); kept > 32<<20 || summary.Counts.Kept != 5000 {
		t.Errorf("a run over 5,000 services leaves %d MiB behind, %+v", kept>>20, summary.Counts)
	}
}
