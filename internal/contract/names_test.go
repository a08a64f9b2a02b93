package contract

import (
	"regexp"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func slugs() *rapid.Generator[string] {
	return rapid.Map(branches(), func(b string) string { s, _ := Slug(b); return s })
}

// platforms draws what the configuration accepts as the platform's name.
func platforms() *rapid.Generator[string] {
	return rapid.StringMatching(`[a-z][a-z0-9]{0,6}(-[a-z0-9]{1,4}){0,2}`).
		Filter(func(s string) bool { return len(s) >= 2 && len(s) <= 16 && !strings.Contains(s, "-qa-env") })
}

var stackName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9-]{0,127}$`) // CloudFormation's rule

func TestNames(t *testing.T) {
	const slug = "feature-login-0123abcd"
	for name, c := range map[string]struct{ got, want string }{
		"a stack of the platform":            {PlatformStack("slipway", StackRegistry), "slipway-registry"},
		"a part of a stage":                  {StageStack("slipway", "prod", PartNetwork), "slipway-prod-network"},
		"a QA environment's stack":           {QAEnvironmentStack("slipway", slug), "slipway-qa-env-feature-login-0123abcd"},
		"a QA environment's family":          {TaskFamily("slipway", slug), "slipway-qa-env-feature-login-0123abcd"},
		"a stage's family":                   {StageTaskFamily("slipway", "qa"), "slipway-qa-app"},
		"a cluster":                          {ClusterName("dev"), "dev-cluster"},
		"a stage's log group":                {LogGroupNameOfStage("slipway", "dev"), "/slipway/dev/app"},
		"a QA environment's log group":       {LogGroupNameOfEnvironment("slipway", slug), "/slipway/qa/feature-login-0123abcd"},
		"a QA environment's host":            {HostName(slug, "example.com"), "feature-login-0123abcd.qa.example.com"},
		"production's host":                  {AppHost("prod", true, "example.com"), "app.example.com"},
		"another stage's host":               {AppHost("dev", false, "example.com"), "app.dev.example.com"},
		"a stage's image":                    {ImageParameter("slipway", "prod"), "/slipway/prod/image"},
		"a shared value":                     {SharedParameter("slipway", "qa", KeyListenerARN), "/slipway/qa/shared/listener-arn"},
		"a target group keeps a slug":        {TargetGroupName(slug, Green), "feature-login-0123abcd-green"},
		"a target group keeps a stage":       {TargetGroupName("prod", Blue), "prod-blue"},
		"a target group of the longest slug": {TargetGroupName("abcdefghijklmno-0123abcd", Green), "abcdefghijklmno-0123abcd-green"},
	} {
		t.Run(name, func(t *testing.T) {
			if c.got != c.want {
				t.Fatalf("got %s, want %s", c.got, c.want)
			}
		})
	}
}

func TestSlugFromStackIsTheExactInverse(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		platform, slug := platforms().Draw(t, "platform"), slugs().Draw(t, "slug")
		stack := QAEnvironmentStack(platform, slug)
		if !stackName.MatchString(stack) {
			t.Fatalf("%s is no stack name", stack)
		}
		if got, ok := SlugFromStack(platform, stack); !ok || got != slug {
			t.Fatalf("%s gave %q, %v", stack, got, ok)
		}
		for _, wrong := range []string{stack + "-2", "x" + stack, stack + "\n", strings.ToUpper(stack), stack[:len(stack)-1], slug, platform + "-qa-env-"} {
			if got, ok := SlugFromStack(platform, wrong); ok && QAEnvironmentStack(platform, got) != wrong {
				t.Fatalf("%q gave %q", wrong, got)
			}
		}
		other := platforms().Draw(t, "other")
		if got, ok := SlugFromStack(other, stack); ok && other != platform {
			t.Fatalf("%s is of %s, but %s claims it as %s", stack, platform, other, got)
		}
	})
}

func TestSlugFromStackLeavesOthersAlone(t *testing.T) {
	for name, stack := range map[string]string{
		"the shared front":                        "slipway-qa-service",
		"the lifecycle":                           "slipway-qa-lifecycle",
		"an environment without a hash":           "slipway-qa-env-login",
		"an environment of another platform":      "slipway2-qa-env-login-0123abcd",
		"a hash that isn't hexadecimal":           "slipway-qa-env-login-0123abcg",
		"a slug that is too long":                 "slipway-qa-env-abcdefghijklmnop-0123abcd",
		"a slug that begins with a digit":         "slipway-qa-env-1login-0123abcd",
		"a slug that begins with aws":             "slipway-qa-env-aws-0123abcd",
		"a slug with two hyphens in a row":        "slipway-qa-env-a--b-0123abcd",
		"the hash alone":                          "slipway-qa-env-a1b2c3d4",
		"a nested stack of an environment's name": "slipway-qa-env-login-0123abcd-Nested-1ABC",
		"nothing": "",
	} {
		t.Run(name, func(t *testing.T) {
			if slug, ok := SlugFromStack("slipway", stack); ok {
				t.Fatalf("%s gave %s", stack, slug)
			}
		})
	}
}

var targetGroupName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,30}[A-Za-z0-9])?$`) // Elastic Load Balancing's rule

func TestTargetGroupNamesAreLegalAndColoursStayDistinct(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.OneOf(slugs(), rapid.String(), rapid.StringMatching(`[a-z-]{20,80}`)).Draw(t, "name")
		blue, green := TargetGroupName(name, Blue), TargetGroupName(name, Green)
		if !targetGroupName.MatchString(blue) || !targetGroupName.MatchString(green) {
			t.Fatalf("%q or %q is illegal", blue, green)
		}
		if strings.TrimSuffix(blue, "-blue") != strings.TrimSuffix(green, "-green") || blue == green {
			t.Fatalf("%q and %q are no pair", blue, green)
		}
		if again := TargetGroupName(name, Blue); again != blue {
			t.Fatalf("%q, then %q", blue, again)
		}
		other := rapid.OneOf(slugs(), rapid.Just(name+"-2"), rapid.Just(name+"é")).Draw(t, "other")
		if other != name && TargetGroupName(other, Blue) == blue {
			t.Fatalf("%q and %q share %q", name, other, blue)
		}
	})
}

func TestNamesFromSlugsAreLegalAndDistinct(t *testing.T) {
	family := regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)
	logGroup := regexp.MustCompile(`^[.\-_/#A-Za-z0-9]{1,512}$`)
	parameter := regexp.MustCompile(`^(/[A-Za-z0-9_.-]+){1,15}$`)
	rapid.Check(t, func(t *rapid.T) {
		platform := platforms().Draw(t, "platform")
		a, b := slugs().Draw(t, "a"), slugs().Draw(t, "b")
		stage := rapid.StringMatching(`[a-z][a-z0-9]{1,7}`).Draw(t, "stage")
		if s := TaskFamily(platform, a); !family.MatchString(s) || s == StageTaskFamily(platform, stage) {
			t.Fatalf("family %s", s)
		}
		if s := LogGroupNameOfEnvironment(platform, a); !logGroup.MatchString(s) || s == LogGroupNameOfStage(platform, stage) {
			t.Fatalf("log group %s", s)
		}
		if s := ImageParameter(platform, a); !parameter.MatchString(s) || s == ImageParameter(platform, stage) {
			t.Fatalf("parameter %s", s)
		}
		if s := HostName(a, "example.com"); len(s) > 253 || s == AppHost(stage, false, "example.com") {
			t.Fatalf("host %s", s)
		}
		if a != b {
			for _, name := range []func(string) string{
				func(s string) string { return QAEnvironmentStack(platform, s) },
				func(s string) string { return TaskFamily(platform, s) },
				func(s string) string { return LogGroupNameOfEnvironment(platform, s) },
				func(s string) string { return ImageParameter(platform, s) },
				func(s string) string { return HostName(s, "example.com") },
			} {
				if name(a) == name(b) {
					t.Fatalf("%s and %s share %s", a, b, name(a))
				}
			}
		}
	})
}

func TestDatabaseName(t *testing.T) {
	for name, c := range map[string]struct{ slug, fault string }{
		"a slug is its own name":      {"feature-login-0123abcd", ""},
		"63 bytes fit":                {strings.Repeat("a", 63), ""},
		"64 bytes would be cut":       {strings.Repeat("a", 64), "cuts names after 63"},
		"public is PostgreSQL's":      {"public", "belongs to PostgreSQL"},
		"pg_ is PostgreSQL's":         {"pg_catalog", "begins with pg_"},
		"pg_ alone is PostgreSQL's":   {"pg_", "begins with pg_"},
		"pg- is no reserved name":     {"pg-upgrade-0123abcd", ""},
		"postgres is the first one":   {"postgres", "belongs to PostgreSQL"},
		"rdsadmin is RDS's":           {"rdsadmin", "RDS"},
		"a quote would end the name":  {`a"; drop database x; --`, "hold only a-z"},
		"upper case is no slug":       {"Public", "hold only a-z"},
		"nothing is no name":          {"", "must begin with a letter"},
		"a zero byte is no character": {"a\x00", "hold only a-z"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := DatabaseName(c.slug)
			if c.fault == "" && (err != nil || got != c.slug) {
				t.Fatalf("got %q, %v", got, err)
			}
			if c.fault != "" && (err == nil || !strings.Contains(err.Error(), c.fault)) {
				t.Fatalf("got %q, %v; want an error that says %q", got, err, c.fault)
			}
		})
	}
}

func TestEachSlugHasADatabaseName(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		slug := slugs().Draw(t, "slug")
		name, err := DatabaseName(slug)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := DatabaseName(name); err != nil || again != name {
			t.Fatalf("%q became %q, %v", name, again, err)
		}
	})
}

func TestAnyDatabaseNameIsSafeInQuotes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringMatching(`(pg_|public|a)[a-z"_-]{0,70}`)).Draw(t, "s")
		name, err := DatabaseName(s)
		if err == nil && (len(name) > 63 || strings.ContainsAny(name, "\"\x00\\") || name == "public" || strings.HasPrefix(name, "pg_")) {
			t.Fatalf("%q gave %q", s, name)
		}
	})
}
