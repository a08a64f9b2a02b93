package qalease_test

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	. "slipway/internal/qalease"
)

func TestExtend(t *testing.T) {
	for sentence, c := range map[string]struct {
		ends, maximum, ttl time.Duration // from now
		want               time.Duration
		cut, refused       bool
	}{
		"it then ends a TTL from now":                 {time.Hour, 100 * time.Hour, 24 * time.Hour, 24 * time.Hour, false, false},
		"one that ends later already stays":           {30 * time.Hour, 100 * time.Hour, 24 * time.Hour, 30 * time.Hour, false, false},
		"the hard maximum holds":                      {time.Hour, 10 * time.Hour, 24 * time.Hour, 10 * time.Hour, true, false},
		"one that is over, but still there, lives on": {-time.Hour, 100 * time.Hour, time.Hour, time.Hour, false, false},
		"past its longest life nothing helps":         {-time.Hour, -time.Hour, time.Hour, -time.Hour, false, true},
		"at its longest life it can't go on":          {0, 0, time.Hour, 0, false, true},
	} {
		t.Run(sentence, func(t *testing.T) {
			got, cut, err := Extend(Lease{Environment: slug, Ends: now.Add(c.ends), Maximum: now.Add(c.maximum)}, now, c.ttl)
			if !got.Equal(now.Add(c.want)) || cut != c.cut || (err != nil) != c.refused {
				t.Errorf("%s, %v, %v; want %s", got, cut, err, now.Add(c.want))
			}
		})
	}
	if got, _, err := Extend(Lease{Ends: now}, now, time.Hour); err != nil || !got.Equal(now.Add(time.Hour)) {
		t.Errorf("without a maximum: %s, %v", got, err)
	}
}

func TestNoExtensionPassesTheMaximumOrShortens(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := func(name string) time.Duration {
			return time.Duration(rapid.IntRange(-1e6, 1e6).Draw(t, name)) * time.Millisecond * 100
		}
		l := Lease{Ends: now.Add(d("ends")), Maximum: now.Add(d("maximum"))}
		if l.Ends.After(l.Maximum) {
			l.Ends = l.Maximum
		}
		ends, _, err := Extend(l, now, d("ttl").Abs()+time.Second)
		if err == nil && (ends.After(l.Maximum) || ends.Before(l.Ends)) {
			t.Fatalf("%+v became %s", l, ends)
		}
	})
}
