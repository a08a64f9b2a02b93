package container

import "testing"

func TestHolds(t *testing.T) {
	image := func(layers ...string) (i Image) {
		i.RootFS.Layers = layers
		return i
	}
	for sentence, c := range map[string]struct {
		tested, shipped Image
		want            bool
	}{
		"the tests lie on top of it":   {image("a", "b", "tests"), image("a", "b"), true},
		"they are the same":            {image("a", "b"), image("a", "b"), true},
		"another build":                {image("a", "c", "tests"), image("a", "b"), false},
		"only its base":                {image("a"), image("a", "b"), false},
		"an image of which we know no": {image("a"), image(), false},
	} {
		if got := c.tested.Holds(c.shipped); got != c.want {
			t.Errorf("%s: %v", sentence, got)
		}
	}
}
