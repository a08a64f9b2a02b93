package test

import (
	"fmt"
	"maps"
	"net/netip"
	"net/url"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"

	"slipway/internal/config"
)

// tuned is a synthesis in which a team has changed whatever it may about protection, alarms and scaling.
var tuned = sync.OnceValues(func() (*assembly, error) {
	return synthesize(func(cfg *config.Config) {
		cfg.Notifications = []string{"team@example.com"}
		cfg.QA.AllowedCIDRs = []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24"), netip.MustParsePrefix("203.0.113.7/32")}
		for i := range cfg.Stages {
			stage := &cfg.Stages[i]
			stage.WAF = config.WAF{Mode: config.WAFCount, RateLimit: 500, UploadPaths: []string{"/a", "/b", "/c", "/d", "/e"}}
			stage.Alarms.LatencyMillis, stage.Alarms.MinRequests = 750, 50
			stage.Scaling = config.Scaling{RequestsPerTarget: 300, Schedules: []config.ScheduledMinimum{
				{Schedule: "cron(0 7 ? * MON-FRI *)", TimeZone: "Europe/Dublin", MinTasks: 3},
				{Schedule: "cron(0 20 ? * MON-FRI *)", TimeZone: "Europe/Dublin", MinTasks: 1},
			}}
		}
		cfg.Stages[0].WAF.UploadPaths = nil
	}, nil)
})

// rule is the rule of that name in a web ACL; nil if there is none.
func rule(acl resource, name string) map[string]any {
	for _, candidate := range list(acl.at("Rules")) {
		if at(candidate, "Name") == name {
			return candidate.(map[string]any)
		}
	}
	return nil
}

func TestEveryPublicLoadBalancerHasAWebACL(t *testing.T) {
	balancers := 0
	eachResource(t, func(t *testing.T, stack string, all template, r resource) {
		if r.Type != "AWS::ElasticLoadBalancingV2::LoadBalancer" || r.at("Scheme") != "internet-facing" {
			return
		}
		balancers++
		association := all.one(t, "AWS::WAFv2::WebACLAssociation")
		acl := all.one(t, "AWS::WAFv2::WebACL")
		association.want(t, "ResourceArn", map[string]any{"Ref": r.LogicalID})
		association.want(t, "WebACLArn", map[string]any{"Fn::GetAtt": []string{acl.LogicalID, "Arn"}})
		acl.want(t, "Scope", "REGIONAL")
		acl.want(t, "DefaultAction", map[string]any{"Allow": map[string]any{}})
		for name, override := range map[string]any{
			"AWSManagedRulesAmazonIpReputationList": nil,
			"AWSManagedRulesKnownBadInputsRuleSet":  nil,
			"AWSManagedRulesSQLiRuleSet":            nil,
			"AWSManagedRulesCommonRuleSet":          []any{map[string]any{"Name": "SizeRestrictions_BODY", "ActionToUse": map[string]any{"Count": map[string]any{}}}},
		} {
			group := rule(acl, name)
			if text(at(group, "OverrideAction")) != `{"None":{}}` || at(group, "Statement.ManagedRuleGroupStatement.VendorName") != "AWS" ||
				at(group, "Statement.ManagedRuleGroupStatement.Name") != name ||
				text(at(group, "Statement.ManagedRuleGroupStatement.RuleActionOverrides")) != text(override) {
				t.Errorf("%s: %s is %s", stack, name, text(group))
			}
		}
		limit := rule(acl, "RateLimit")
		if got := text(at(limit, "Statement.RateBasedStatement")); got != `{"AggregateKeyType":"IP","EvaluationWindowSec":300,"Limit":2000}` {
			t.Errorf("%s: rate limit %s", stack, got)
		}
		if got := text(at(limit, "Action")); got != `{"Block":{"CustomResponse":{"ResponseCode":429}}}` {
			t.Errorf("%s: over the limit: %s", stack, got)
		}
		for i, ordered := range list(acl.at("Rules")) {
			if text(at(ordered, "Priority")) != fmt.Sprint(i) || at(ordered, "VisibilityConfig.CloudWatchMetricsEnabled") != true {
				t.Errorf("%s: rule %d is %s", stack, i, text(ordered))
			}
		}
	})
	if balancers != 8 { // four stages in each of two syntheses
		t.Errorf("%d public load balancers", balancers)
	}
}

// TestBlockListsBelongToTheResponse: whatever changes in an IP set's resource, CloudFormation writes the template's empty list
// with it. So no setting may reach these resources, and neither may tags.
func TestBlockListsBelongToTheResponse(t *testing.T) {
	changed := must(t, tuned)
	for _, stage := range stageNames {
		name := "slipway-" + stage + "-service"
		found := map[string]bool{}
		for id, set := range shippedAssembly(t).stack(t, name).Resources {
			if set.Type != "AWS::WAFv2::IPSet" {
				continue
			}
			set.LogicalID = id
			if got, want := text(changed.stack(t, name).Resources[id]), text(shippedAssembly(t).stack(t, name).Resources[id]); got != want {
				t.Errorf("%s: configuration changes %s:\n%s\n%s", name, id, want, got)
			}
			if len(set.Properties) != 5 || set.at("Tags") != nil || text(set.at("Addresses")) != "[]" || text(set.at("Scope")) != `"REGIONAL"` {
				t.Errorf("%s: %s is %s", name, id, text(set.Properties))
			}
			found[fmt.Sprint(set.at("Name"), " ", set.at("IPAddressVersion"))] = true
		}
		if want := map[string]bool{"slipway-" + stage + "-blocked-ipv4 IPV4": true, "slipway-" + stage + "-blocked-ipv6 IPV6": true}; !maps.Equal(found, want) {
			t.Errorf("%s: IP sets %v, want %v", name, found, want)
		}
	}
}

func TestBlockListsArePublished(t *testing.T) {
	stack := shippedAssembly(t).stack(t, "slipway-prod-service")
	published := map[string]string{}
	for _, parameter := range stack.all("AWS::SSM::Parameter") {
		if name, ok := strings.CutPrefix(fmt.Sprint(parameter.at("Name")), "/slipway/prod/waf/"); ok {
			published[name] = text(parameter.at("Value"))
		}
	}
	ids := map[string]string{}
	for _, set := range stack.all("AWS::WAFv2::IPSet") {
		ids[fmt.Sprint(set.at("IPAddressVersion"))] = set.LogicalID
	}
	want := map[string]string{
		"web-acl-arn":       fmt.Sprintf(`{"Fn::GetAtt":["%s","Arn"]}`, stack.one(t, "AWS::WAFv2::WebACL").LogicalID),
		"blocked-ipv4-name": `"slipway-prod-blocked-ipv4"`, "blocked-ipv6-name": `"slipway-prod-blocked-ipv6"`,
		"blocked-ipv4-id":  fmt.Sprintf(`{"Fn::GetAtt":["%s","Id"]}`, ids["IPV4"]),
		"blocked-ipv4-arn": fmt.Sprintf(`{"Fn::GetAtt":["%s","Arn"]}`, ids["IPV4"]),
		"blocked-ipv6-id":  fmt.Sprintf(`{"Fn::GetAtt":["%s","Id"]}`, ids["IPV6"]),
		"blocked-ipv6-arn": fmt.Sprintf(`{"Fn::GetAtt":["%s","Arn"]}`, ids["IPV6"]),
	}
	if !maps.Equal(published, want) {
		t.Errorf("published %v\nwant %v", published, want)
	}
}

// request is what the rules of ours look at.
type request struct {
	path   string // as sent
	labels []string
}

// matches evaluates a statement of the template as WAF documents it.
func matches(t *testing.T, statement any, r request) bool {
	t.Helper()
	for kind, body := range statement.(map[string]any) {
		inner := list(at(body, "Statements"))
		switch kind {
		case "AndStatement":
			return !slices.ContainsFunc(inner, func(s any) bool { return !matches(t, s, r) })
		case "OrStatement":
			return slices.ContainsFunc(inner, func(s any) bool { return matches(t, s, r) })
		case "NotStatement":
			return !matches(t, at(body, "Statement"), r)
		case "LabelMatchStatement":
			return slices.Contains(r.labels, fmt.Sprint(at(body, "Key")))
		case "ByteMatchStatement":
			if text(at(body, "FieldToMatch")) != `{"UriPath":{}}` {
				t.Fatalf("looks at %s", text(at(body, "FieldToMatch")))
			}
			seen, wanted := r.path, fmt.Sprint(at(body, "SearchString"))
			for _, transformation := range list(at(body, "TextTransformations")) {
				switch at(transformation, "Type") {
				case "URL_DECODE":
					seen, _ = url.PathUnescape(seen)
				case "NORMALIZE_PATH":
					seen = path.Clean(seen)
				default:
					t.Fatalf("transformation %s", text(transformation))
				}
			}
			switch at(body, "PositionalConstraint") {
			case "EXACTLY":
				return seen == wanted
			case "STARTS_WITH":
				return strings.HasPrefix(seen, wanted)
			}
			t.Fatalf("constraint %s", text(at(body, "PositionalConstraint")))
		}
		t.Fatalf("statement %s", kind)
	}
	return false
}

func TestLargeBodiesPassOnlyWhereFilesAreUploaded(t *testing.T) {
	// The label is AWS's for the rule SizeRestrictions_BODY, in AWS's own spelling.
	const large = "awswaf:managed:aws:core-rule-set:SizeRestrictions_Body"
	acl := shippedAssembly(t).stack(t, "slipway-prod-service").one(t, "AWS::WAFv2::WebACL")
	body := rule(acl, "LargeBody")
	for sentence, c := range map[string]struct {
		path    string
		labels  []string
		blocked bool
	}{
		"a large body elsewhere is blocked":           {"/login", []string{large}, true},
		"at the root too":                             {"/", []string{large}, true},
		"a small body passes anywhere":                {"/login", nil, false},
		"an upload by form passes":                    {"/artifacts", []string{large}, false},
		"an upload by the API passes":                 {"/api/artifacts", []string{large}, false},
		"what lies below passes":                      {"/api/artifacts/0198/content", []string{large}, false},
		"a path that only begins alike is blocked":    {"/artifactsx", []string{large}, true},
		"the API's other paths are blocked":           {"/api/openapi.json", []string{large}, true},
		"dots don't lead out of the upload path":      {"/artifacts/../login", []string{large}, true},
		"encoded dots don't either":                   {"/artifacts/%2e%2e/login", []string{large}, true},
		"an encoded letter is the letter":             {"/%61rtifacts", []string{large}, false},
		"the path counts, not what follows it":        {"/login/artifacts/", []string{large}, true},
		"another label of the group isn't this one's": {"/login", []string{"awswaf:managed:aws:core-rule-set:GenericLFI_Body"}, false},
	} {
		t.Run(sentence, func(t *testing.T) {
			if got := matches(t, at(body, "Statement"), request{c.path, c.labels}); got != c.blocked {
				t.Errorf("%s with %v: blocked %v", c.path, c.labels, got)
			}
		})
	}
	if got := text(at(body, "Action")); got != `{"Block":{"CustomResponse":{"ResponseCode":413}}}` {
		t.Errorf("a large body: %s", got)
	}
	// A label is there only after the group has run.
	if common := rule(acl, "AWSManagedRulesCommonRuleSet"); text(at(common, "Priority")) >= text(at(body, "Priority")) {
		t.Error("the label is asked for before the group that gives it")
	}
	// Without upload paths the group's own rule blocks.
	dev := must(t, tuned).stack(t, "slipway-dev-service").one(t, "AWS::WAFv2::WebACL")
	if rule(dev, "LargeBody") != nil || at(rule(dev, "AWSManagedRulesCommonRuleSet"), "Statement.ManagedRuleGroupStatement.RuleActionOverrides") != nil {
		t.Error("without upload paths large bodies get through")
	}
}

// TestCountModeCountsWhatMightBeWrong: managed rules, limit and size; the block list isn't a guess and goes on blocking.
func TestCountModeCountsWhatMightBeWrong(t *testing.T) {
	for _, stage := range stageNames {
		acl := must(t, tuned).stack(t, "slipway-"+stage+"-service").one(t, "AWS::WAFv2::WebACL")
		for _, r := range list(acl.at("Rules")) {
			name := fmt.Sprint(at(r, "Name"))
			got, want := text(at(r, "Action")), `{"Count":{}}`
			switch {
			case strings.HasPrefix(name, "AWSManagedRules"):
				got = text(at(r, "OverrideAction"))
			case name == "BlockedAddress" || name == "NotAllowed":
				want = `{"Block":{}}`
			}
			if got != want {
				t.Errorf("%s: %s does %s, want %s", stage, name, got, want)
			}
		}
		if got := text(at(rule(acl, "RateLimit"), "Statement.RateBasedStatement.Limit")); got != "500" {
			t.Errorf("%s: limit %s", stage, got)
		}
	}
}

func TestQACanBeForAFewNetworksOnly(t *testing.T) {
	for _, stage := range stageNames {
		acl := must(t, tuned).stack(t, "slipway-"+stage+"-service").one(t, "AWS::WAFv2::WebACL")
		first := list(acl.at("Rules"))[0]
		if stage != "qa" {
			if at(first, "Name") != "BlockedAddress" {
				t.Errorf("%s: the first rule is %s", stage, text(first))
			}
			continue
		}
		set := at(first, "Statement.NotStatement.Statement.IPSetReferenceStatement.Arn.Fn::GetAtt.0")
		allowed := must(t, tuned).stack(t, "slipway-qa-service").Resources[fmt.Sprint(set)]
		allowed.want(t, "Addresses", []string{"198.51.100.0/24", "203.0.113.7/32"})
		allowed.want(t, "IPAddressVersion", "IPV4")
		if at(first, "Name") != "NotAllowed" || text(at(first, "Action")) != `{"Block":{}}` {
			t.Errorf("QA's first rule is %s", text(first))
		}
	}
	if acl := shippedAssembly(t).stack(t, "slipway-qa-service").one(t, "AWS::WAFv2::WebACL"); rule(acl, "NotAllowed") != nil {
		t.Error("QA is closed without a list")
	}
}

func TestWAFLogsHoldNoCredentials(t *testing.T) {
	for _, stage := range stageNames {
		stack := shippedAssembly(t).stack(t, "slipway-"+stage+"-service")
		name := "aws-waf-logs-slipway-" + stage // WAF takes no other beginning
		logging := stack.one(t, "AWS::WAFv2::LoggingConfiguration")
		logging.want(t, "LogDestinationConfigs", []string{"arn:aws:logs:eu-west-1:111111111111:log-group:" + name})
		logging.want(t, "RedactedFields", []any{
			map[string]any{"SingleHeader": map[string]any{"Name": "authorization"}}, map[string]any{"SingleHeader": map[string]any{"Name": "cookie"}},
		})
		logging.want(t, "LoggingFilter.DefaultBehavior", "DROP")
		for _, kept := range []string{"BLOCK", "COUNT", "EXCLUDED_AS_COUNT"} {
			if !strings.Contains(text(logging.at("LoggingFilter.Filters.0.Conditions")), `{"ActionCondition":{"Action":"`+kept+`"}}`) {
				t.Errorf("%s: %s isn't logged", stage, kept)
			}
		}
		// Redaction leaves samples as they are; protection reaches both.
		acl := stack.one(t, "AWS::WAFv2::WebACL")
		acl.want(t, "DataProtectionConfig.DataProtections", []any{map[string]any{
			"Action": "SUBSTITUTION", "Field": map[string]any{"FieldType": "SINGLE_HEADER", "FieldKeys": []string{"authorization", "cookie"}},
		}})
		var group resource
		for _, candidate := range stack.all("AWS::Logs::LogGroup") {
			if candidate.at("LogGroupName") == name {
				group = candidate
			}
		}
		if group.LogicalID == "" || !slices.Contains(list(logging.DependsOn), any(group.LogicalID)) {
			t.Fatalf("%s: no log group %s before the logging", stage, name)
		}
		if !strings.Contains(text(group.at("KmsKeyId")), "slipway-"+stage+"-network") {
			t.Errorf("%s: %s is encrypted with %s, want the stage's key", stage, name, text(group.at("KmsKeyId")))
		}
		policy := fmt.Sprint(stack.one(t, "AWS::Logs::ResourcePolicy").at("PolicyDocument"))
		for _, want := range []string{"delivery.logs.amazonaws.com", "log-group:" + name + ":log-stream:*", `"aws:SourceAccount":"111111111111"`} {
			if !strings.Contains(policy, want) {
				t.Errorf("%s: the log group's policy %s lacks %s", stage, policy, want)
			}
		}
	}
}

// capacity is a statement's price in web ACL capacity units, from AWS's pages on the managed rule groups and on each rule
// statement. A transformation that several statements share counts each time here; WAF counts it once, so this is the most.
func capacity(t *testing.T, statement any) int {
	t.Helper()
	managed := map[string]int{
		"AWSManagedRulesCommonRuleSet": 700, "AWSManagedRulesKnownBadInputsRuleSet": 200, "AWSManagedRulesSQLiRuleSet": 200,
		"AWSManagedRulesAmazonIpReputationList": 25,
	}
	sum := 0
	for kind, body := range statement.(map[string]any) {
		for _, inner := range append(list(at(body, "Statements")), list(at(body, "Statement"))...) {
			sum += capacity(t, inner)
		}
		switch kind {
		case "AndStatement", "OrStatement", "NotStatement":
		case "IPSetReferenceStatement", "LabelMatchStatement":
			sum++
		case "RateBasedStatement":
			sum += 2
		case "ByteMatchStatement":
			sum += 2 + 10*len(list(at(body, "TextTransformations"))) // 2 for EXACTLY and STARTS_WITH
		case "ManagedRuleGroupStatement":
			units := managed[fmt.Sprint(at(body, "Name"))]
			if units == 0 {
				t.Fatalf("unknown group %s", text(body))
			}
			sum += units
		default:
			t.Fatalf("unknown statement %s", kind)
		}
	}
	return sum
}

// TestWebACLsStayBelowTheCapacityThatCostsExtra: up to 1,500 units are included in the price.
func TestWebACLsStayBelowTheCapacityThatCostsExtra(t *testing.T) {
	for name, c := range map[string]struct {
		synthesis func() (*assembly, error)
		stack     string
		want      int
	}{
		// 1,125 of AWS's groups, 2 block lists, 2 for the limit; 4 comparisons of 22 and a label.
		"as shipped": {shipped, "slipway-prod-service", 1125 + 2 + 2 + 4*22 + 1},
		// The most upload paths, and the list of allowed networks.
		"at most": {tuned, "slipway-qa-service", 1125 + 2 + 2 + 10*22 + 1 + 1},
	} {
		got := 0
		for _, r := range list(must(t, c.synthesis).stack(t, c.stack).one(t, "AWS::WAFv2::WebACL").at("Rules")) {
			got += capacity(t, at(r, "Statement"))
		}
		if got != c.want || got >= 1500 {
			t.Errorf("%s: %d units, want %d, below 1500", name, got, c.want)
		}
	}
}

func TestCfnLintTakesTheTunedStacks(t *testing.T) {
	files := must(t, tuned).files
	for _, message := range cfnLint(t, files["slipway-dev-service"], files["slipway-qa-service"], files["slipway-prod-service"], files["slipway-prod-data"]) {
		t.Error(message)
	}
	for _, message := range append(must(t, tuned).errors, must(t, tuned).warnings...) {
		t.Error(message)
	}
}
