package bounded

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

func TestEachItemIsDoneOnceWithinTheLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var running, most, sum atomic.Int64
		items := make([]int64, 100)
		for i := range items {
			items[i] = int64(i)
		}
		began := time.Now()
		Each(4, items, func(i int64) {
			now := running.Add(1)
			for {
				seen := most.Load()
				if now <= seen || most.CompareAndSwap(seen, now) {
					break
				}
			}
			time.Sleep(time.Second)
			sum.Add(i)
			running.Add(-1)
		})
		if most.Load() != 4 {
			t.Errorf("%d ran at once, want 4", most.Load())
		}
		if sum.Load() != 99*100/2 {
			t.Errorf("sum %d: an item was left out or done twice", sum.Load())
		}
		if took := time.Since(began); took != 25*time.Second {
			t.Errorf("took %s, want 100 items of one second, four at a time", took)
		}
	})
}

func TestNothingToDo(t *testing.T) {
	Each(4, nil, func(int) { t.Error("called") })
}
