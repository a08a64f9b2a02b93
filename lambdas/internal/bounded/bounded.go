// Package bounded runs work with a limit on how much of it runs at once.
package bounded

import "sync"

// Each calls do once for each item, at most limit at a time, and returns when all are done. It never stops early: what
// do does about a failure or an ended context is its own affair.
func Each[T any](limit int, items []T, do func(T)) {
	var wg sync.WaitGroup
	next := make(chan T)
	for range min(limit, len(items)) {
		wg.Go(func() {
			for item := range next {
				do(item)
			}
		})
	}
	for _, item := range items {
		next <- item
	}
	close(next)
	wg.Wait()
}
