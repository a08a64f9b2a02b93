package finding_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"slipway/lambdas/threatresponse/corpus"
	"slipway/lambdas/threatresponse/finding"
)

func parse(t *testing.T, shape string, changes map[string]any) finding.Finding {
	t.Helper()
	raw, err := corpus.Event(shape, changes)
	if err != nil {
		t.Fatal(err)
	}
	f, err := finding.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestEachShapeIsRead(t *testing.T) {
	inbound := func(a string) finding.Remote { return finding.Remote{Address: a, Inbound: true} }
	for shape, want := range map[string]func(finding.Finding) bool{
		"instance-attacked": func(f finding.Finding) bool {
			return f.Instance.ID == "i-0123456789abcdef0" && f.Instance.VPC == "vpc-0123456789abcdef0" && f.Stack == "slipway-prod-network" &&
				reflect.DeepEqual(f.Remotes, []finding.Remote{inbound("198.51.100.7")})
		},
		"instance-attacks": func(f finding.Finding) bool {
			return f.Role == "ACTOR" && reflect.DeepEqual(f.Remotes, []finding.Remote{{Address: "198.51.100.8"}})
		},
		"instance-probed": func(f finding.Finding) bool {
			return reflect.DeepEqual(f.Remotes, []finding.Remote{inbound("198.51.100.9"), inbound("198.51.100.10")})
		},
		"instance-dns":     func(f finding.Finding) bool { return f.Instance != nil && len(f.Remotes) == 0 },
		"instance-malware": func(f finding.Finding) bool { return f.Instance != nil },
		"user-key": func(f finding.Finding) bool {
			return *f.AccessKey == finding.AccessKey{ID: "AKIAIOSFODNN7EXAMPLE", Principal: "AIDAEXAMPLEEXAMPLE000", User: "deploy", UserType: "IAMUser"}
		},
		"user-session": func(f finding.Finding) bool { return f.AccessKey.ID == "ASIAIOSFODNN7EXAMPLE" },
		"role-session": func(f finding.Finding) bool {
			return f.AccessKey.UserType == "AssumedRole" && f.AccessKey.User == "nat"
		},
		"root": func(f finding.Finding) bool { return f.AccessKey.UserType == "Root" },
		"bucket": func(f finding.Finding) bool {
			return len(f.Buckets) == 2 && f.Buckets[0].Name == "artifacts-example" && f.Buckets[1].Name == "reports-example" && f.Stack == "slipway-prod-data"
		},
		"object": func(f finding.Finding) bool { return len(f.Buckets) == 1 && f.AccessKey == nil },
		"task": func(f finding.Finding) bool {
			return f.Cluster.ARN == "arn:aws:ecs:eu-west-1:111111111111:cluster/prod-cluster" && f.Cluster.Service() == "app" && strings.HasSuffix(f.Cluster.TaskDefinition, "slipway-prod-app:7")
		},
		"task-malware":     func(f finding.Finding) bool { return f.Cluster != nil },
		"runtime-instance": func(f finding.Finding) bool { return f.Cluster == nil && f.Instance != nil },
		"database": func(f finding.Finding) bool {
			return f.Database == "slipway-prod" && reflect.DeepEqual(f.Remotes, []finding.Remote{inbound("198.51.100.16")})
		},
		"function": func(f finding.Finding) bool { return f.Resource == "Lambda" },
		"sequence": func(f finding.Finding) bool { return f.Severity == 9.3 && f.Level() == "CRITICAL" },
	} {
		t.Run(shape, func(t *testing.T) {
			f := parse(t, shape, nil)
			if f.ID == "" || f.Account != "111111111111" || f.Region != "eu-west-1" || f.Detector == "" || f.Severity == 0 || f.Odd != "" || f.Archived || f.Sample {
				t.Errorf("read %+v", f)
			}
			if !want(f) {
				t.Errorf("read %+v", f)
			}
		})
	}
	if got := len(corpus.Shapes()); got != 17 {
		t.Errorf("%d shapes, and not all of them are tested here", got)
	}
}

func TestEveryKnownTypeHasAnEventInTheCorpus(t *testing.T) {
	n := 0
	for _, family := range []finding.Family{finding.EC2, finding.IAM, finding.S3, finding.Runtime, finding.ECS, finding.RDS, finding.TellOnly} {
		for _, kind := range finding.Types(family) {
			n++
			raw, err := corpus.OfType(kind)
			if err != nil {
				t.Fatal(err)
			}
			f, err := finding.Parse(raw)
			if err != nil || f.Type != kind || finding.FamilyOf(f.Type) != family {
				t.Errorf("%s: %+v, %v", kind, f, err)
			}
			// ThreatPurpose:ResourceTypeAffected/ThreatFamilyName, as AWS names them.
			purpose, rest, ok := strings.Cut(kind, ":")
			resource, name, ok2 := strings.Cut(rest, "/")
			if !ok || !ok2 || purpose == "" || resource == "" || name == "" {
				t.Errorf("%s is no name of a type", kind)
			}
		}
	}
	if n < 150 {
		t.Errorf("only %d types are known", n)
	}
	if finding.FamilyOf("Backdoor:EC2/Spambot.New") != finding.Unfamiliar || finding.FamilyOf("") != finding.Unfamiliar {
		t.Error("a type that nobody has decided about is taken for a known one")
	}
}

func TestOddFindings(t *testing.T) {
	type check = func(finding.Finding) bool
	for sentence, c := range map[string]struct {
		shape   string
		changes map[string]any
		check   check
	}{
		"an empty resource": {"instance-attacked", map[string]any{"detail.resource": map[string]any{}}, func(f finding.Finding) bool { return f.Instance == nil && f.Resource == "" }},
		"a null resource":   {"task", map[string]any{"detail.resource": nil}, func(f finding.Finding) bool { return f.Cluster == nil }},
		"an empty action":   {"user-key", map[string]any{"detail.service.action": map[string]any{}}, func(f finding.Finding) bool { return len(f.Remotes) == 0 }},
		"a null service":    {"user-key", map[string]any{"detail.service": nil}, func(f finding.Finding) bool { return f.Detector == "" && f.AccessKey != nil }},
		"details that are null": {"bucket", map[string]any{"detail.resource.accessKeyDetails": nil, "detail.resource.s3BucketDetails": nil}, func(f finding.Finding) bool {
			return f.AccessKey == nil && f.Buckets == nil
		}},
		"null among the buckets": {"bucket", map[string]any{"detail.resource.s3BucketDetails.0": nil}, func(f finding.Finding) bool { return len(f.Buckets) == 1 }},
		"a bucket without a name": {"bucket", map[string]any{"detail.resource.s3BucketDetails.0.name": nil}, func(f finding.Finding) bool {
			return f.Buckets[0].Name == "artifacts-example" // from its ARN
		}},
		"text where an object should be": {"instance-attacked", map[string]any{"detail.resource.instanceDetails": "i-1"}, func(f finding.Finding) bool {
			return f.Instance == nil && strings.Contains(f.Odd, "instanceDetails") && f.Type != ""
		}},
		"a number where text should be": {"user-key", map[string]any{"detail.title": 7}, func(f finding.Finding) bool {
			return f.Title == "" && f.AccessKey != nil && strings.Contains(f.Odd, "title")
		}},
		"a severity in quotes": {"user-key", map[string]any{"detail.severity": "8.9"}, func(f finding.Finding) bool { return f.Severity == 8.9 }},
		"no severity":          {"user-key", map[string]any{"detail.severity": nil}, func(f finding.Finding) bool { return f.Severity == 0 && f.Level() == "UNRATED" }},
		"no ID": {"user-key", map[string]any{"detail.id": nil}, func(f finding.Finding) bool {
			return f.ID == "cd2d702e-ab31-411b-9344-793ce56b1bc7"
		}},
		"no ID at all":                     {"user-key", map[string]any{"detail.id": "", "id": ""}, func(f finding.Finding) bool { return strings.HasPrefix(f.ID, "unnamed-") }},
		"an archived one":                  {"user-key", map[string]any{"detail.service.archived": true}, func(f finding.Finding) bool { return f.Archived }},
		"a sample":                         {"user-key", map[string]any{"detail.service.additionalInfo": map[string]any{"sample": true}}, func(f finding.Finding) bool { return f.Sample }},
		"a sample by value":                {"user-key", map[string]any{"detail.service.additionalInfo.value": `{"x":1,"sample":true}`}, func(f finding.Finding) bool { return f.Sample }},
		"no sample by a word that says no": {"user-key", map[string]any{"detail.service.additionalInfo": map[string]any{"sample": "false", "value": "sample"}}, func(f finding.Finding) bool { return !f.Sample }},
		"an actor's remote address never came in": {"instance-attacked", map[string]any{"detail.service.resourceRole": "ACTOR"}, func(f finding.Finding) bool {
			return len(f.Remotes) == 1 && !f.Remotes[0].Inbound
		}},
		"a direction that isn't known": {"instance-attacked", map[string]any{"detail.service.action.networkConnectionAction.connectionDirection": "UNKNOWN"}, func(f finding.Finding) bool {
			return !f.Remotes[0].Inbound
		}},
		"both versions of an address": {"user-key", map[string]any{"detail.service.action.awsApiCallAction.remoteIpDetails.ipAddressV6": "2001:db8::7"}, func(f finding.Finding) bool {
			return len(f.Remotes) == 2 && f.Remotes[1].Address == "2001:db8::7"
		}},
		"a task of no service": {"task", map[string]any{"detail.resource.ecsClusterDetails.taskDetails.group": "family:job"}, func(f finding.Finding) bool {
			return f.Cluster.Service() == ""
		}},
	} {
		t.Run(sentence, func(t *testing.T) {
			if f := parse(t, c.shape, c.changes); !c.check(f) {
				t.Errorf("read %+v", f)
			}
		})
	}
}

func TestWhatIsNoFindingIsIgnored(t *testing.T) {
	for sentence, raw := range map[string]string{
		"no JSON":        `{`,
		"another source": `{"source":"aws.ec2","detail-type":"GuardDuty Finding","detail":{}}`,
		"another type":   `{"source":"aws.guardduty","detail-type":"GuardDuty Malware Protection","detail":{}}`,
		"no detail":      `{"source":"aws.guardduty","detail-type":"GuardDuty Finding"}`,
		"a list":         `[]`,
		"nothing":        ``,
		"null":           `null`,
	} {
		if _, err := finding.Parse([]byte(raw)); err == nil {
			t.Errorf("%s is taken for a finding", sentence)
		}
	}
}

// Severity levels by https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings-severity.html
func TestLevels(t *testing.T) {
	for severity, want := range map[float64]string{10: "CRITICAL", 9: "CRITICAL", 8.9: "HIGH", 7: "HIGH", 6.9: "MEDIUM", 4: "MEDIUM", 3.9: "LOW", 1: "LOW"} {
		if got := (finding.Finding{Severity: severity}).Level(); got != want {
			t.Errorf("%v is %s, want %s", severity, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, family := range []finding.Family{finding.EC2, finding.IAM, finding.S3, finding.Runtime, finding.ECS, finding.RDS, finding.TellOnly} {
		for _, kind := range finding.Types(family) {
			raw, err := corpus.OfType(kind)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(raw)
		}
	}
	for _, shape := range corpus.Shapes() {
		for _, part := range []string{"detail.resource", "detail.service", "detail.service.action", "detail.service.additionalInfo", "detail.severity", "detail.id"} {
			for _, value := range []any{nil, map[string]any{}, []any{}, "text", -1.5} {
				raw, err := corpus.Event(shape, map[string]any{part: value})
				if err != nil {
					f.Fatal(err)
				}
				f.Add(raw)
			}
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := finding.Parse(raw)
		if err != nil {
			return
		}
		if got.ID == "" {
			t.Error("a finding without an ID")
		}
		again, err := finding.Parse(raw)
		if err != nil || !reflect.DeepEqual(got, again) {
			t.Errorf("%+v, then %+v", got, again)
		}
		if _, err := json.Marshal(got); err != nil {
			t.Error(err) // it goes into the ledger and the log
		}
		if got.Cluster != nil {
			_ = got.Cluster.Service()
		}
		_, _ = got.Link(), got.Level()
	})
}
