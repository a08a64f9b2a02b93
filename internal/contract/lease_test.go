package contract

import (
	"regexp"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	"pgregory.net/rapid"
)

func TestTagValue(t *testing.T) {
	for name, c := range map[string]struct{ in, want string }{
		"a branch stays":                           {"feature/login_2", "feature/login_2"},
		"an e-mail address stays":                  {"dev+qa@example.com", "dev+qa@example.com"},
		"letters of any script stay":               {"修复 é", "修复 é"},
		"an emoji becomes an underscore":           {"a🎉b", "a_b"},
		"a line break becomes an underscore":       {"a\nb", "a_b"},
		"punctuation becomes underscores":          {`a#b(c)"d`, "a_b_c__d"},
		"a byte that isn't UTF-8 becomes one":      {"a\xffb", "a_b"},
		"spaces at the ends go":                    {"  a b ", "a b"},
		"AWS's prefix is broken in any case":       {"aWs:x", "aWs_x"},
		"AWS's prefix after a space is broken too": {" aws:x", "aws_x"},
		"nothing stays nothing":                    {"", ""},
		"256 characters stay":                      {strings.Repeat("a", 256), strings.Repeat("a", 256)},
		"257 characters are cut":                   {strings.Repeat("é", 257), strings.Repeat("é", 256)},
		"a cut leaves no space at the end":         {strings.Repeat("a", 255) + " b", strings.Repeat("a", 255)},
	} {
		t.Run(name, func(t *testing.T) {
			if got := TagValue(c.in); got != c.want {
				t.Fatalf("got %q, want %q", got, c.want)
			}
		})
	}
}

func TestEachTagValueIsLegalAndStable(t *testing.T) {
	legal := regexp.MustCompile(`^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$`) // the pattern of AWS::ECS::Service's Tag
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(
			rapid.String(),
			rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
			rapid.StringMatching(`[ ]?[aA][wW][sS]:[ a-z]{0,300}`),
			rapid.StringN(200, 400, -1),
		).Draw(t, "s")
		v := TagValue(s)
		switch {
		case !legal.MatchString(v):
			t.Fatalf("%q is illegal", v)
		case len(utf16.Encode([]rune(v))) > 256:
			t.Fatalf("%q is too long", v)
		case strings.HasPrefix(strings.ToLower(v), "aws:"):
			t.Fatalf("%q has AWS's prefix", v)
		case strings.Trim(v, " ") != v:
			t.Fatalf("%q has a space at an end", v)
		case TagValue(v) != v:
			t.Fatalf("%q became %q", v, TagValue(v))
		}
	})
}

func TestParseExpiryTakesOneNotationOnly(t *testing.T) {
	want := time.Date(2026, 1, 31, 18, 0, 0, 0, time.UTC)
	if got, err := ParseExpiry("2026-01-31T18:00:00Z"); err != nil || !got.Equal(want) || got.Location() != time.UTC {
		t.Fatalf("got %v, %v", got, err)
	}
	for name, s := range map[string]string{
		"nothing":                     "",
		"a word":                      "never",
		"a date alone":                "2026-01-31",
		"an offset":                   "2026-01-31T18:00:00+01:00",
		"an offset of zero":           "2026-01-31T18:00:00+00:00",
		"no zone":                     "2026-01-31T18:00:00",
		"a fraction":                  "2026-01-31T18:00:00.5Z",
		"a fraction of zero":          "2026-01-31T18:00:00.0Z",
		"lower case":                  "2026-01-31t18:00:00z",
		"a space instead of T":        "2026-01-31 18:00:00Z",
		"space around":                " 2026-01-31T18:00:00Z ",
		"a day that doesn't exist":    "2026-02-30T18:00:00Z",
		"an hour of one digit":        "2026-01-31T8:00:00Z",
		"hour 24":                     "2026-01-31T24:00:00Z",
		"a second that doesn't exist": "2026-01-31T18:00:60Z",
		"seconds since 1970":          "1769882400",
	} {
		t.Run(name, func(t *testing.T) {
			got, err := ParseExpiry(s)
			if err == nil || !strings.Contains(err.Error(), "write it as 2026-01-31T18:00:00Z") {
				t.Fatalf("got %v, %v", got, err)
			}
		})
	}
}

func TestExpirySurvivesTheTag(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		zone := time.FixedZone("somewhere", rapid.IntRange(-12*3600, 14*3600).Draw(t, "offset"))
		in := time.Unix(rapid.Int64Range(0, 4102444800).Draw(t, "seconds"), rapid.Int64Range(0, 999999999).Draw(t, "nanoseconds")).In(zone)
		tag := FormatExpiry(in)
		out, err := ParseExpiry(tag)
		if err != nil || !out.Equal(in.Truncate(time.Second)) {
			t.Fatalf("%v became %s and %v, %v", in, tag, out, err)
		}
		if TagValue(tag) != tag {
			t.Fatalf("%s is no tag value", tag)
		}
	})
}
