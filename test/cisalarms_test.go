package test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// filter evaluates a filter pattern of CloudWatch Logs, as far as the trail's filters use the language:
// https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/FilterAndPatternSyntaxForMetricFilters.html
type filter struct {
	tokens []string
	event  map[string]any
}

var filterToken = regexp.MustCompile(`\|\||&&|[(){}]|!=|=|NOT EXISTS|"[^"]*"|[^\s(){}=!|&"]+`)

func matchesFilter(t *testing.T, pattern string, event map[string]any) bool {
	t.Helper()
	f := &filter{filterToken.FindAllString(pattern, -1), event}
	f.next(t, "{")
	found := f.or(t)
	f.next(t, "}")
	if len(f.tokens) > 0 {
		t.Fatalf("%v is left of %s", f.tokens, pattern)
	}
	return found
}

func (f *filter) next(t *testing.T, want string) string {
	t.Helper()
	if len(f.tokens) == 0 || want != "" && f.tokens[0] != want {
		t.Fatalf("want %q, have %v", want, f.tokens)
	}
	token := f.tokens[0]
	f.tokens = f.tokens[1:]
	return token
}

func (f *filter) or(t *testing.T) bool {
	found := f.and(t)
	for len(f.tokens) > 0 && f.tokens[0] == "||" {
		f.next(t, "||")
		found = f.and(t) || found
	}
	return found
}

func (f *filter) and(t *testing.T) bool {
	found := f.term(t)
	for len(f.tokens) > 0 && f.tokens[0] == "&&" {
		f.next(t, "&&")
		found = f.term(t) && found
	}
	return found
}

func (f *filter) term(t *testing.T) bool {
	if f.tokens[0] == "(" {
		f.next(t, "(")
		found := f.or(t)
		f.next(t, ")")
		return found
	}
	path, there := strings.CutPrefix(f.next(t, ""), "$.")
	if !there {
		t.Fatalf("%s is no selector", path)
	}
	value := at(f.event, path)
	operator := f.next(t, "")
	if operator == "NOT EXISTS" {
		return value == nil
	}
	wanted := strings.ReplaceAll(regexp.QuoteMeta(strings.Trim(f.next(t, ""), `"`)), `\*`, ".*")
	equal := value != nil && regexp.MustCompile("^"+wanted+"$").MatchString(fmt.Sprint(value))
	// A field that isn't there differs from every value.
	return equal == (operator == "=")
}

// call is an event of CloudTrail; more are further fields by path of at most two steps.
func call(source, name string, more ...string) map[string]any {
	event := map[string]any{"eventSource": source + ".amazonaws.com", "eventName": name, "eventType": "AwsApiCall", "userIdentity": map[string]any{"type": "AssumedRole"}}
	for i := 0; i < len(more); i += 2 {
		outer, inner, nested := strings.Cut(more[i], ".")
		if !nested {
			event[outer] = more[i+1]
			continue
		}
		if event[outer] == nil {
			event[outer] = map[string]any{}
		}
		event[outer].(map[string]any)[inner] = more[i+1]
	}
	return event
}

// TestEachAlarmHearsOfItsCallsAndOfNoOthers: events have the fields that CloudTrail's documentation gives them.
func TestEachAlarmHearsOfItsCallsAndOfNoOthers(t *testing.T) {
	stack := security(t)
	patterns := map[string]string{}
	for _, filter := range stack.all("AWS::Logs::MetricFilter") {
		pattern := fmt.Sprint(filter.at("FilterPattern"))
		if len(pattern) > 1024 { // CloudWatch Logs' limit
			t.Errorf("%s takes %d characters", filter.LogicalID, len(pattern))
		}
		patterns[fmt.Sprint(filter.at("MetricTransformations.0.MetricName"))] = pattern
		if group := at(filter.at("LogGroupName"), "Ref"); stack.Resources[fmt.Sprint(group)].at("LogGroupName") != "/slipway/security/trail" {
			t.Errorf("%s reads %v", filter.LogicalID, group)
		}
		filter.want(t, "MetricTransformations.0.MetricValue", "1")
	}
	for sentence, c := range map[string]struct {
		event map[string]any
		heard []string
	}{
		"a refused call":                           {call("s3", "GetObject", "errorCode", "AccessDenied"), []string{"unauthorised-calls"}},
		"a refused call of EC2":                    {call("ec2", "RunInstances", "errorCode", "Client.UnauthorizedOperation"), []string{"unauthorised-calls"}},
		"a look whether a bucket is there":         {call("s3", "HeadBucket", "errorCode", "AccessDenied"), nil},
		"a log delivery that was refused":          {call("s3", "PutObject", "errorCode", "AccessDenied", "sourceIPAddress", "delivery.logs.amazonaws.com"), nil},
		"another error":                            {call("s3", "GetObject", "errorCode", "NoSuchKey"), nil},
		"a sign-in without MFA":                    {call("signin", "ConsoleLogin", "userIdentity.type", "IAMUser", "additionalEventData.MFAUsed", "No", "responseElements.ConsoleLogin", "Success"), []string{"sign-in-without-mfa"}},
		"a sign-in with MFA":                       {call("signin", "ConsoleLogin", "userIdentity.type", "IAMUser", "additionalEventData.MFAUsed", "Yes", "responseElements.ConsoleLogin", "Success"), nil},
		"a sign-in by Identity Center":             {call("signin", "ConsoleLogin", "additionalEventData.MFAUsed", "No", "responseElements.ConsoleLogin", "Success"), nil},
		"a sign-in that failed":                    {call("signin", "ConsoleLogin", "userIdentity.type", "IAMUser", "additionalEventData.MFAUsed", "No", "responseElements.ConsoleLogin", "Failure", "errorMessage", "Failed authentication"), []string{"sign-in-failures"}},
		"root":                                     {call("s3", "ListBuckets", "userIdentity.type", "Root"), []string{"root-use"}},
		"a service on root's behalf":               {call("s3", "ListBuckets", "userIdentity.type", "Root", "userIdentity.invokedBy", "support.amazonaws.com"), nil},
		"an event of a service":                    {call("s3", "X", "userIdentity.type", "Root", "eventType", "AwsServiceEvent"), nil},
		"a policy on a role":                       {call("iam", "PutRolePolicy"), []string{"iam-policy-changes"}},
		"a policy of the organization, not of IAM": {call("organizations", "AttachPolicy"), []string{"organization-changes"}},
		"an attached policy":                       {call("iam", "AttachUserPolicy"), []string{"iam-policy-changes"}},
		"a look at a policy":                       {call("iam", "GetPolicy"), nil},
		"the trail stops":                          {call("cloudtrail", "StopLogging"), []string{"trail-changes"}},
		"a key goes":                               {call("kms", "ScheduleKeyDeletion"), []string{"key-deletion"}},
		"a bucket is opened":                       {call("s3", "PutBucketPolicy"), []string{"bucket-policy-changes"}},
		"AWS Config stops":                         {call("config", "StopConfigurationRecorder"), []string{"config-changes"}},
		"a port is opened":                         {call("ec2", "AuthorizeSecurityGroupIngress"), []string{"security-group-changes"}},
		"a network ACL is changed":                 {call("ec2", "ReplaceNetworkAclEntry"), []string{"network-acl-changes"}},
		"a gateway is attached":                    {call("ec2", "AttachInternetGateway"), []string{"gateway-changes"}},
		"a route is changed":                       {call("ec2", "ReplaceRoute"), []string{"route-changes"}},
		"a VPC is peered":                          {call("ec2", "AcceptVpcPeeringConnection"), []string{"vpc-changes"}},
		"an account leaves":                        {call("organizations", "LeaveOrganization"), []string{"organization-changes"}},
		"an operation of that name elsewhere":      {call("example", "CreateRoute"), nil},
		"a refused deletion of a key is both":      {call("kms", "DisableKey", "errorCode", "AccessDeniedException"), []string{"key-deletion", "unauthorised-calls"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			var heard []string
			for name, pattern := range patterns {
				if matchesFilter(t, pattern, c.event) {
					heard = append(heard, name)
				}
			}
			slices.Sort(heard)
			if !slices.Equal(heard, c.heard) {
				t.Errorf("heard by %v, want %v", heard, c.heard)
			}
		})
	}
}

func TestEachCISAlarmTellsTheSecurityTopic(t *testing.T) {
	stack := security(t)
	topic := stack.one(t, "AWS::SNS::Topic")
	found := alarmsByName(stack)
	for _, name := range []string{
		"unauthorised-calls", "sign-in-without-mfa", "root-use", "iam-policy-changes", "trail-changes", "sign-in-failures", "key-deletion", "bucket-policy-changes",
		"config-changes", "security-group-changes", "network-acl-changes", "gateway-changes", "route-changes", "vpc-changes", "organization-changes",
	} {
		alarm := found["slipway-security-"+name]
		if got, want := row(alarm), "Slipway/Trail "+name+" Sum >= 1, 1 of 1 x 300s, notBreaching"; got != want {
			t.Errorf("%s\nwant %s", got, want)
		}
		if text(alarm.at("AlarmActions")) != fmt.Sprintf(`[{"Ref":"%s"}]`, topic.LogicalID) {
			t.Errorf("%s tells %s", name, text(alarm.at("AlarmActions")))
		}
	}
}
