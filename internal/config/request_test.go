package config

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"slipway/internal/contract"
)

var noon = time.Date(2026, 3, 29, 12, 0, 0, 999, time.FixedZone("CEST", 2*3600))

func TestParseRequest(t *testing.T) {
	cfg := mustParse(t, base, Profile{})
	digest := "sha256:" + strings.Repeat("0a", 32)
	for name, c := range map[string]struct {
		context map[string]string
		tag     string
		env     *Environment // without its slug
		faults  []string
	}{
		"nothing keeps what runs":                 {context: nil},
		"keys of others are theirs":               {context: map[string]string{"profile": "local", "@aws-cdk/core:x": "true"}},
		"a commit as tag":                         {context: map[string]string{"imageTag": "4f0c1d2"}, tag: "4f0c1d2"},
		"a digest":                                {context: map[string]string{"imageTag": digest}, tag: digest},
		"a tag of 128 characters":                 {context: map[string]string{"imageTag": strings.Repeat("a", 128)}, tag: strings.Repeat("a", 128)},
		"an environment with the default time":    {context: map[string]string{"branch": "feature/x", "owner": "me"}, env: &Environment{Branch: "feature/x", Owner: "me", Expires: time.Date(2026, 3, 31, 10, 0, 0, 0, time.UTC)}},
		"an environment with its own time":        {context: map[string]string{"branch": "refs/heads/feature/x", "owner": "dependabot[bot]", "ttl": "1h30m", "imageTag": "abc"}, tag: "abc", env: &Environment{Branch: "feature/x", Owner: "dependabot[bot]", Expires: time.Date(2026, 3, 29, 11, 30, 0, 0, time.UTC)}},
		"the longest time":                        {context: map[string]string{"branch": "🎉", "owner": "me", "ttl": "168h"}, env: &Environment{Branch: "🎉", Owner: "me", Expires: time.Date(2026, 4, 5, 10, 0, 0, 0, time.UTC)}},
		"a time of a second":                      {context: map[string]string{"branch": "x", "owner": "me", "ttl": "1s"}, env: &Environment{Branch: "x", Owner: "me", Expires: time.Date(2026, 3, 29, 10, 0, 1, 0, time.UTC)}},
		"the tag latest":                          {context: map[string]string{"imageTag": "latest"}, faults: []string{`context: imageTag: got "latest", expected a tag that names one build`}},
		"an empty tag":                            {context: map[string]string{"imageTag": ""}, faults: []string{"context: imageTag: got nothing, expected an image tag, such as a commit, or sha256:<64 hexadecimal digits>; leave it out"}},
		"a branch as tag":                         {context: map[string]string{"imageTag": "feature/x"}, faults: []string{`context: imageTag: got "feature/x"`}},
		"a tag that begins with a dot":            {context: map[string]string{"imageTag": ".x"}, faults: []string{`context: imageTag: got ".x"`}},
		"a tag of 129 characters":                 {context: map[string]string{"imageTag": strings.Repeat("a", 129)}, faults: []string{"context: imageTag: got"}},
		"a tag with a line break":                 {context: map[string]string{"imageTag": "abc\n"}, faults: []string{`context: imageTag: got "abc\n"`}},
		"a short digest":                          {context: map[string]string{"imageTag": digest[:70]}, faults: []string{"context: imageTag: got"}},
		"a digest in upper case":                  {context: map[string]string{"imageTag": "sha256:" + strings.Repeat("0A", 32)}, faults: []string{"context: imageTag: got"}},
		"a time without a branch":                 {context: map[string]string{"ttl": "1h"}, faults: []string{`context: ttl: got "1h" without a branch, expected -c branch=<branch> with it`}},
		"an owner without a branch":               {context: map[string]string{"owner": "me"}, faults: []string{`context: owner: got "me" without a branch`}},
		"a branch without an owner":               {context: map[string]string{"branch": "x"}, faults: []string{"context: owner: got nothing, expected who asks for the environment"}},
		"an owner of spaces":                      {context: map[string]string{"branch": "x", "owner": "  "}, faults: []string{`context: owner: got "  "`}},
		"an owner with a line break":              {context: map[string]string{"branch": "x", "owner": "a\nb"}, faults: []string{`context: owner: got "a\nb"`}},
		"a tag instead of a branch":               {context: map[string]string{"branch": "refs/tags/v1", "owner": "me"}, faults: []string{`context: branch: got "refs/tags/v1", expected the name of a branch: branch "refs/tags/v1": is a tag`}},
		"an empty branch":                         {context: map[string]string{"branch": "", "owner": "me"}, faults: []string{"context: branch: got nothing"}},
		"a time above the maximum":                {context: map[string]string{"branch": "x", "owner": "me", "ttl": "168h0m1s"}, faults: []string{`context: ttl: got "168h0m1s", expected more than 0 and at most 168h0m0s, which is qa.maxTtl`}},
		"no time":                                 {context: map[string]string{"branch": "x", "owner": "me", "ttl": "0s"}, faults: []string{`context: ttl: got "0s", expected more than 0`}},
		"a negative time":                         {context: map[string]string{"branch": "x", "owner": "me", "ttl": "-1h"}, faults: []string{`context: ttl: got "-1h"`}},
		"a time in days":                          {context: map[string]string{"branch": "x", "owner": "me", "ttl": "2d"}, faults: []string{`context: ttl: got "2d", expected a duration in hours and minutes`}},
		"an empty time":                           {context: map[string]string{"branch": "x", "owner": "me", "ttl": ""}, faults: []string{"context: ttl: got nothing"}},
		"everything wrong is said at once":        {context: map[string]string{"branch": "a b", "ttl": "999h", "imageTag": "latest"}, faults: []string{"context: branch:", "context: imageTag:", "context: owner:", "context: ttl:"}},
		"everything wrong without a branch as is": {context: map[string]string{"owner": "me", "ttl": "999h", "imageTag": "latest"}, faults: []string{"context: imageTag:", "context: owner:", "context: ttl:"}},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseRequest(cfg, c.context, noon)
			if len(c.faults) > 0 {
				var faults Faults
				if !errors.As(err, &faults) || len(faults) != len(c.faults) || got.Environment != nil || got.ImageTag != "" {
					t.Fatalf("got %+v, %v; want %d faults", got, err, len(c.faults))
				}
				for i, want := range c.faults {
					if !strings.HasPrefix(faults[i].String(), want) {
						t.Errorf("got  %s\nwant %s…", faults[i], want)
					}
				}
				return
			}
			if err != nil || got.ImageTag != c.tag || (got.Environment == nil) != (c.env == nil) {
				t.Fatalf("got %+v, %v", got, err)
			}
			if c.env != nil {
				c.env.Slug, _ = contract.Slug(c.env.Branch)
				if *got.Environment != *c.env {
					t.Fatalf("got %+v, want %+v", *got.Environment, *c.env)
				}
			}
		})
	}
}

func TestAnyRequestIsRefusedOrLegal(t *testing.T) {
	cfg := mustParse(t, base, Profile{})
	rapid.Check(t, func(t *rapid.T) {
		context := rapid.MapOfN(
			rapid.SampledFrom([]string{"branch", "imageTag", "ttl", "owner", "other"}),
			rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"feature/x", "1h", "48h", "169h", "latest", "abc", "me", "-1h", "1ns"})), 0, 5,
		).Draw(t, "context")
		now := time.Unix(rapid.Int64Range(0, 4e9).Draw(t, "now"), rapid.Int64Range(0, 1e9).Draw(t, "ns"))
		r, err := ParseRequest(cfg, context, now)
		if err != nil {
			var faults Faults
			if !errors.As(err, &faults) || len(faults) == 0 {
				t.Fatalf("%T", err)
			}
			return
		}
		_, asked := context["branch"]
		if asked != (r.Environment != nil) {
			t.Fatalf("branch %v, environment %+v", asked, r.Environment)
		}
		if e := r.Environment; e != nil {
			tag := contract.FormatExpiry(e.Expires)
			back, err := contract.ParseExpiry(tag)
			if err != nil || !back.Equal(e.Expires) || !contract.IsSlug(e.Slug) || e.Expires.After(now.Add(cfg.QA.MaxTTL.Duration())) {
				t.Fatalf("%+v, %s, %v", e, tag, err)
			}
		}
	})
}
