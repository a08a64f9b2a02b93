package contract

import (
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// branches draws names that git would take, of all scripts and of what people type.
func branches() *rapid.Generator[string] {
	return rapid.Custom(func(t *rapid.T) string {
		return rapid.OneOf(
			rapid.StringMatching(`[a-zA-Z0-9/_.#+-]{1,60}`),
			rapid.StringMatching(`(feature|fix|aws|xn--|internal|AWS)[-/][a-z0-9-]{0,30}`),
			rapid.StringMatching(`[0-9-]{1,40}`),
			rapid.StringOfN(rapid.RuneFrom([]rune("你好世界🎉🚀éÄßж")), 1, 40, MaxBranchBytes),
			rapid.StringN(1, 80, MaxBranchBytes),
		).Filter(func(s string) bool { _, err := NormalizeBranch(s); return err == nil }).Draw(t, "branch")
	})
}

func TestNormalizeBranch(t *testing.T) {
	for name, c := range map[string]struct {
		ref, want, fault string
	}{
		"a plain name stays":                        {ref: "feature/login", want: "feature/login"},
		"the prefix refs/heads goes":                {ref: "refs/heads/feature/login", want: "feature/login"},
		"upper case stays":                          {ref: "Feature/JIRA-1", want: "Feature/JIRA-1"},
		"a name of only emoji is a name":            {ref: "🎉🚀", want: "🎉🚀"},
		"a name of only Chinese is a name":          {ref: "refs/heads/你好", want: "你好"},
		"244 bytes are the longest":                 {ref: strings.Repeat("a", 244), want: strings.Repeat("a", 244)},
		"245 bytes are too many":                    {ref: strings.Repeat("a", 245), fault: "is 245 bytes long, at most 244"},
		"the limit counts bytes, not characters":    {ref: strings.Repeat("你", 82), fault: "is 246 bytes long"},
		"the limit doesn't count the prefix":        {ref: "refs/heads/" + strings.Repeat("a", 244), want: strings.Repeat("a", 244)},
		"nothing is no branch":                      {ref: "", fault: "is empty"},
		"a prefix alone is no branch":               {ref: "refs/heads/", fault: "is empty"},
		"a tag is no branch":                        {ref: "refs/tags/v1", fault: "is a tag"},
		"a pull request's merge ref is no branch":   {ref: "refs/pull/7/merge", fault: "is a pull request's merge ref"},
		"another ref is no branch":                  {ref: "refs/notes/commits", fault: "is not under refs/heads"},
		"a tag under refs/heads is refused as well": {ref: "refs/heads/refs/tags/v1", fault: "is a tag"},
		"a detached HEAD is no branch":              {ref: "HEAD", fault: "detached HEAD"},
		"a new line is refused":                     {ref: "a\nb", fault: "control character"},
		"a C1 control character is refused":         {ref: "a\u0085b", fault: "control character"},
		"bytes that aren't UTF-8 are refused":       {ref: "a\xffb", fault: "not valid UTF-8"},
		"a space is refused":                        {ref: "a b", fault: "which git refuses"},
		"two dots are refused":                      {ref: "a..b", fault: "which git refuses"},
		"a slash at the end is refused":             {ref: "a/", fault: "which git refuses"},
		"a hidden part is refused":                  {ref: "a/.b", fault: "which git refuses"},
		"a part like a lock file is refused":        {ref: "a.lock/b", fault: "which git refuses"},
		"a name like an option is refused":          {ref: "-x", fault: "begins with a hyphen"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := NormalizeBranch(c.ref)
			if c.fault == "" {
				if err != nil || got != c.want {
					t.Fatalf("got %q, %v; want %q", got, err, c.want)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), c.fault) || !strings.Contains(err.Error(), "give the name of a branch") {
				t.Fatalf("got %q, %v; want an error that says %q and what to do", got, err, c.fault)
			}
			if _, err := Slug(c.ref); err == nil {
				t.Fatal("Slug took what NormalizeBranch refuses")
			}
		})
	}
}

func TestNormalizingTwiceChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(branches(), rapid.String(), rapid.StringMatching(`(refs/heads/){0,3}[a-z]{0,4}`)).Draw(t, "ref")
		once, err := NormalizeBranch(s)
		if err != nil {
			return
		}
		twice, err := NormalizeBranch(once)
		if err != nil || twice != once {
			t.Fatalf("%q became %q and then %q, %v", s, once, twice, err)
		}
	})
}

func TestSlug(t *testing.T) {
	// The hashes are `printf %s NAME | sha256sum | cut -c1-8`.
	for name, c := range map[string]struct{ branch, want string }{
		"a short name is readable":                  {"feature/login", "feature-login-HASH"},
		"refs/heads is the same branch":             {"refs/heads/feature/login", "feature-login-HASH"},
		"a long name is cut":                        {"feature/login-with-a-very-long-name", "feature-login-w-HASH"},
		"upper case becomes lower":                  {"JIRA-12_Fix", "jira-12-fix-HASH"},
		"a cut never leaves a hyphen":               {"abcdefghijklmn-opq", "abcdefghijklmn-HASH"},
		"a digit at the start gets a letter before": {"2024/fix", "b-2024-fix-HASH"},
		"aws at the start gets a letter before":     {"AWS-sdk-upgrade", "b-aws-sdk-upgra-HASH"},
		"xn-- at the start loses a hyphen":          {"xn--abc", "xn-abc-HASH"},
		"only emoji":                                {"🎉🚀", "branch-HASH"},
		"only Chinese":                              {"你好", "branch-HASH"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := Slug(c.branch)
			if err != nil {
				t.Fatal(err)
			}
			want := strings.Replace(c.want, "HASH", knownHashes[strings.TrimPrefix(c.branch, "refs/heads/")], 1)
			if got != want {
				t.Fatalf("got %s, want %s", got, want)
			}
		})
	}
}

var dnsLabel = regexp.MustCompile(`^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)

func TestEachSlugIsLegalEverywhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		branch := branches().Draw(t, "branch")
		slug, err := Slug(branch)
		if err != nil {
			t.Fatal(err)
		}
		again, _ := Slug("refs/heads/" + branch)
		switch {
		case again != slug:
			t.Fatalf("%s and with refs/heads %s", slug, again)
		case len(slug) > MaxSlugLength:
			t.Fatalf("%s is too long", slug)
		case !dnsLabel.MatchString(slug):
			t.Fatalf("%s is no DNS label", slug)
		case strings.HasPrefix(slug, "aws"), strings.HasPrefix(slug, "xn--"):
			t.Fatalf("%s begins with a reserved prefix", slug)
		case !IsSlug(slug):
			t.Fatalf("IsSlug refuses %s", slug)
		case !utf8.ValidString(slug):
			t.Fatalf("%q is not UTF-8", slug)
		}
	})
}

func TestTwoBranchesNeverShareASlug(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a := branches().Draw(t, "a")
		// Near relatives of a: what a naive slug folds together.
		b := rapid.OneOf(
			branches(),
			rapid.Just(strings.ToUpper(a)),
			rapid.Just(strings.NewReplacer("/", "-", "_", "-").Replace(a)),
			rapid.Just(a+"-2"),
			rapid.Just(a+"🎉"),
		).Draw(t, "b")
		na, errA := NormalizeBranch(a)
		nb, errB := NormalizeBranch(b)
		if errA != nil || errB != nil || na == nb {
			return
		}
		sa, _ := Slug(a)
		sb, _ := Slug(b)
		if sa == sb {
			t.Fatalf("%q and %q share %s", a, b, sa)
		}
	})
}

var knownHashes = map[string]string{
	"feature/login":                       "df7c7aeb",
	"feature/login-with-a-very-long-name": "c7eac2dd",
	"JIRA-12_Fix":                         "c33e2d69",
	"abcdefghijklmn-opq":                  "e25782f6",
	"2024/fix":                            "9801f1f9",
	"AWS-sdk-upgrade":                     "d71abef4",
	"xn--abc":                             "39b9ee34",
	"🎉🚀":                                  "8540c48e",
	"你好":                                  "670d9743",
}
