package decide

import (
	"maps"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const digest = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func good() map[string]string {
	return map[string]string{
		"RepositoryName": "simple-flask-app", "RegistryId": "111111111111",
		"RepositoryUri": "111111111111.dkr.ecr.eu-west-1.amazonaws.com/simple-flask-app", "Requested": "abc", "Parameter": "/slipway/dev/image",
	}
}

func TestParse(t *testing.T) {
	for sentence, c := range map[string]struct {
		change map[string]string
		faults []string
	}{
		"what the stack sends":                 {nil, nil},
		"nothing requested keeps what runs":    {map[string]string{"Requested": ""}, nil},
		"a misspelt property":                  {map[string]string{"Request": "x"}, []string{"there is no property Request"}},
		"an account without its leading zeros": {map[string]string{"RegistryId": "42"}, []string{`RegistryId is "42"; give it the 12 digits`}},
		"an address of another repository":     {map[string]string{"RepositoryUri": "x/other"}, []string{`RepositoryUri is "x/other"`}},
		"an address that already has a tag":    {map[string]string{"RepositoryUri": "x/simple-flask-app:abc"}, []string{"RepositoryUri"}},
		"all faults at once": {
			map[string]string{"RepositoryName": "", "RegistryId": "", "Parameter": ""}, []string{"RepositoryName is empty", "RegistryId", "Parameter is empty"},
		},
	} {
		t.Run(sentence, func(t *testing.T) {
			p := good()
			maps.Copy(p, c.change)
			w, err := Parse(p)
			if (err != nil) != (len(c.faults) > 0) {
				t.Fatalf("error %v", err)
			}
			for _, fault := range c.faults {
				if !strings.Contains(err.Error(), fault) {
					t.Errorf("%q isn't in %v", fault, err)
				}
			}
			if err == nil && (w.Repository != p["RepositoryName"] || w.Registry != p["RegistryId"] || w.URI != p["RepositoryUri"] || w.Requested != p["Requested"] || w.Parameter != p["Parameter"]) {
				t.Errorf("got %+v", w)
			}
		})
	}
}

func TestParseReference(t *testing.T) {
	for in, want := range map[string]string{
		"abc":                    "tag",
		"1.2.3_x-y":              "tag",
		strings.Repeat("a", 128): "tag",
		strings.Repeat("a", 129): "is no image tag",
		"latest":                 "is refused",
		"Latest":                 "is refused",
		digest:                   "digest",
		digest[:70]:              "is no digest",
		strings.ToUpper(digest):  "is no image tag", // SHA256:… holds a colon
		"sha256:xyz":             "is no digest",
		"app:abc":                "is no image tag",
		"x/app@" + digest:        "is no image tag",
		"feature/x":              "is no image tag",
		"-abc":                   "is no image tag",
		".abc":                   "is no image tag",
		"ab c":                   "is no image tag",
		"abc\n":                  "is no image tag",
		"":                       "is no image tag",
	} {
		r, err := ParseReference(in)
		got := "tag"
		switch {
		case err != nil:
			got = err.Error()
		case r.Digest != "":
			got = "digest"
		}
		if !strings.Contains(got, want) {
			t.Errorf("%q: %s, want %s", in, got, want)
		}
	}
}

func TestReferenceIsWhatWasReadOrNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		in := rapid.OneOf(rapid.String(), rapid.StringMatching(`[A-Za-z0-9._-]{0,130}`), rapid.StringMatching(`sha256:[0-9a-f]{63,65}`)).Draw(t, "in")
		r, err := ParseReference(in)
		if err == nil && (r.String() != in || (r.Tag == "") == (r.Digest == "") || strings.ContainsAny(r.Tag, ":/@ ")) {
			t.Fatalf("%q became %+v", in, r)
		}
	})
}

func TestAttributes(t *testing.T) {
	w, err := Parse(good())
	if err != nil {
		t.Fatal(err)
	}
	for sentence, c := range map[string]struct {
		reference Reference
		image     Image
		uri       string // or a part of the error
	}{
		"asked for by tag":                {Reference{Tag: "abc"}, Image{Digest: digest, Status: "ACTIVE"}, w.URI + ":abc"},
		"asked for by digest":             {Reference{Digest: digest}, Image{Digest: digest}, w.URI + "@" + digest},
		"archived, so it can't be pulled": {Reference{Tag: "abc"}, Image{Digest: digest, Status: "ARCHIVED"}, "is ARCHIVED, so it can't be pulled"},
		"without a digest":                {Reference{Tag: "abc"}, Image{}, `gave the digest ""`},
	} {
		got, err := Attributes(w, c.reference, c.image)
		if err != nil {
			if !strings.Contains(err.Error(), c.uri) {
				t.Errorf("%s: %v", sentence, err)
			}
			continue
		}
		want := map[string]string{"ImageUri": c.uri, "Reference": c.reference.String(), "Digest": digest}
		if !maps.Equal(got, want) {
			t.Errorf("%s: %v, want %v", sentence, got, want)
		}
	}
}
