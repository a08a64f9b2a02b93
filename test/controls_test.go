package test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// cis50 are the recommendations of the CIS AWS Foundations Benchmark 5.0.0.
func cis50() []string {
	var ids []string
	for section, last := range map[string]int{"1": 21, "3": 9, "4": 16} {
		for i := 1; i <= last; i++ {
			ids = append(ids, fmt.Sprintf("CIS %s.%d", section, i))
		}
	}
	return append(ids, "CIS 2.1.1", "CIS 2.1.2", "CIS 2.1.3", "CIS 2.1.4", "CIS 2.2.1", "CIS 2.2.2", "CIS 2.2.3", "CIS 2.2.4", "CIS 2.3.1",
		"CIS 5.1.1", "CIS 5.1.2", "CIS 5.2", "CIS 5.3", "CIS 5.4", "CIS 5.5", "CIS 5.6", "CIS 5.7")
}

// rows are the cells of a marked table of a document, without its head.
func rows(t *testing.T, document, mark string) [][]string {
	t.Helper()
	_, table, found := strings.Cut(document, "<!-- "+mark+": begin -->")
	table, _, closed := strings.Cut(table, "<!-- "+mark+": end -->")
	if !found || !closed {
		t.Fatalf("no table %q", mark)
	}
	var all [][]string
	for line := range strings.Lines(table) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "|") {
			var cells []string
			for _, cell := range strings.Split(strings.Trim(line, "|"), "|") {
				cells = append(cells, strings.TrimSpace(cell))
			}
			all = append(all, cells)
		}
	}
	if len(all) < 3 {
		t.Fatalf("table %q has no rows", mark)
	}
	return all[2:]
}

// TestEachControlIsMetByAResourceAndProvedByATest reads docs/controls.md.
func TestEachControlIsMetByAResourceAndProvedByATest(t *testing.T) {
	document := readDocument(t, "docs/controls.md")
	tests := map[string]bool{}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		source, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, name := range regexp.MustCompile(`(?m)^func (Test\w+)\(t \*testing\.T\)`).FindAllStringSubmatch(string(source), -1) {
			tests[name[1]] = true
		}
	}
	seen := map[string]bool{}
	control := func(id string) {
		if seen[id] {
			t.Errorf("%s is there twice", id)
		}
		seen[id] = true
	}
	met := regexp.MustCompile(`^(\S+): (\S+)(?: (\S+))?$`)
	for _, row := range rows(t, document, "controls") {
		control(row[0])
		match := met.FindStringSubmatch(row[2])
		if match == nil || len(row) != 4 {
			t.Errorf("%s: can't read %q", row[0], row)
			continue
		}
		var stacks []string
		if part, all := strings.CutPrefix(match[1], "*-"); all {
			for _, stage := range stageNames {
				stacks = append(stacks, "slipway-"+stage+"-"+part)
			}
		} else {
			stacks = []string{match[1]}
		}
		for _, stack := range stacks {
			if !hasResource(t, shippedAssembly(t).stack(t, stack), match[2], match[3]) && !hasResource(t, must(t, guarded).stack(t, stack), match[2], match[3]) {
				t.Errorf("%s: %s has no %s %s", row[0], stack, match[2], match[3])
			}
		}
		if !tests[row[3]] {
			t.Errorf("%s: there is no test %s", row[0], row[3])
		}
	}
	for _, row := range rows(t, document, "out of scope") {
		control(row[0])
		if len(row) != 2 || len(row[1]) < 10 {
			t.Errorf("%s is out of scope without a reason", row[0])
		}
	}
	for _, id := range cis50() {
		if !seen[id] {
			t.Errorf("%s is in neither table", id)
		}
	}
	for id := range seen {
		if strings.HasPrefix(id, "CIS ") && !slices.Contains(cis50(), id) {
			t.Errorf("CIS 5.0 has no %s", id)
		}
	}
}

func hasResource(t *testing.T, stack template, kind, setting string) bool {
	t.Helper()
	return slices.ContainsFunc(stack.all(kind), func(r resource) bool { return setting == "" || r.at("Setting") == setting })
}

// TestNobodyIsAUserOfTheTemplates: people come by Identity Center, or are made by hand and put into the group; programs have
// roles. So there is no user that a policy could hang on, and no access key.
func TestNobodyIsAUserOfTheTemplates(t *testing.T) {
	eachResource(t, func(t *testing.T, stack string, _ template, r resource) {
		if r.Type == "AWS::IAM::User" || r.Type == "AWS::IAM::AccessKey" || r.Type == "AWS::IAM::UserToGroupAddition" || r.at("Users") != nil {
			t.Errorf("%s: %s %s", stack, r.Type, r.LogicalID)
		}
	})
}

// TestSettingsThatFSBPAsksFor: one property each, of every resource of its kind. A control may have several rows.
func TestSettingsThatFSBPAsksFor(t *testing.T) {
	attribute := func(key, value string) func(resource) bool {
		return func(r resource) bool {
			return slices.ContainsFunc(list(r.at("LoadBalancerAttributes")), func(a any) bool { return at(a, "Key") == key && at(a, "Value") == value })
		}
	}
	is := func(path string, want any) func(resource) bool {
		return func(r resource) bool { return text(r.at(path)) == text(want) }
	}
	original := func(holds func(resource) bool) func(resource) bool { // a replica has what its source has
		return func(r resource) bool { return r.at("SourceDBInstanceIdentifier") != nil || holds(r) }
	}
	for _, c := range []struct {
		control, kind string
		holds         func(resource) bool
	}{
		{"EC2.15", "AWS::EC2::Subnet", is("MapPublicIpOnLaunch", false)},
		{"ECR.5", "AWS::ECR::Repository", is("EncryptionConfiguration.EncryptionType", "KMS")},
		{"ECS.3", "AWS::ECS::TaskDefinition", is("PidMode", nil)},
		{"ECS.12", "AWS::ECS::Cluster", is("ClusterSettings", []any{map[string]any{"Name": "containerInsights", "Value": "enabled"}})},
		{"ECS.16", "AWS::ECS::Service", is("NetworkConfiguration.AwsvpcConfiguration.AssignPublicIp", "DISABLED")},
		{"ELB.4", "AWS::ElasticLoadBalancingV2::LoadBalancer", attribute("routing.http.drop_invalid_header_fields.enabled", "true")},
		{"ELB.5", "AWS::ElasticLoadBalancingV2::LoadBalancer", attribute("access_logs.s3.enabled", "true")},
		{"ELB.12", "AWS::ElasticLoadBalancingV2::LoadBalancer", attribute("routing.http.desync_mitigation_mode", "defensive")},
		{"ELB.17", "AWS::ElasticLoadBalancingV2::Listener", func(r resource) bool {
			return text(r.at("Port")) == "80" || strings.HasPrefix(fmt.Sprint(r.at("SslPolicy")), "ELBSecurityPolicy-TLS13-1-2-")
		}},
		{"RDS.6", "AWS::RDS::DBInstance", is("MonitoringInterval", 60)},
		{"RDS.10", "AWS::RDS::DBInstance", original(is("EnableIAMDatabaseAuthentication", true))},
		{"RDS.17", "AWS::RDS::DBInstance", original(is("CopyTagsToSnapshot", true))},
		{"RDS.25", "AWS::RDS::DBInstance", original(func(r resource) bool {
			return !slices.Contains([]string{"admin", "postgres", "<nil>"}, fmt.Sprint(r.at("MasterUsername")))
		})},
		{"SQS.1", "AWS::SQS::Queue", func(r resource) bool { return r.at("SqsManagedSseEnabled") == true || r.at("KmsMasterKeyId") != nil }},
		{"WAF.12", "AWS::WAFv2::WebACL", func(r resource) bool {
			return !slices.ContainsFunc(list(r.at("Rules")), func(rule any) bool { return at(rule, "VisibilityConfig.CloudWatchMetricsEnabled") != true })
		}},
	} {
		found := 0
		for name, stack := range shippedAssembly(t).templates {
			for _, r := range stack.all(c.kind) {
				found++
				if !c.holds(r) {
					t.Errorf("%s: %s of %s: %s", c.control, r.LogicalID, name, text(r.Properties))
				}
			}
		}
		if found == 0 {
			t.Errorf("%s: there is no %s", c.control, c.kind)
		}
	}
}
