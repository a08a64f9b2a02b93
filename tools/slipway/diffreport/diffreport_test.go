package diffreport

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// stack makes a template of one stack from JSON.
func stack(t *testing.T, resources string) map[string]Template {
	t.Helper()
	var template Template
	if err := json.Unmarshal([]byte(`{"Resources":{`+resources+`}}`), &template); err != nil {
		t.Fatal(err)
	}
	return map[string]Template{"s": template}
}

func policy(statements string) string {
	return `"P":{"Type":"AWS::IAM::Policy","Properties":{"PolicyDocument":{"Statement":[` + statements + `]}}}`
}

func TestWidened(t *testing.T) {
	const read = `{"Effect":"Allow","Action":["s3:GetObject"],"Resource":"arn:aws:s3:::b/*"}`
	for sentence, c := range map[string]struct {
		before, after string
		want          []string // parts, one for each line
	}{
		"nothing changes":                    {policy(read), policy(read), nil},
		"an action goes":                     {policy(`{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"*"}`), policy(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`), nil},
		"an action comes":                    {policy(read), policy(`{"Effect":"Allow","Action":["s3:GetObject","s3:PutObject"],"Resource":"arn:aws:s3:::b/*"}`), []string{"allow `s3:PutObject` on `\"arn:aws:s3:::b/*\"`"}},
		"a wildcard covers what was there":   {policy(`{"Effect":"Allow","Action":"s3:Get*","Resource":"*"}`), policy(read), nil},
		"a wildcard comes":                   {policy(read), policy(`{"Effect":"Allow","Action":"s3:*","Resource":"arn:aws:s3:::b/*"}`), []string{"`s3:*`"}},
		"IAM doesn't mind the case":          {policy(`{"Effect":"Allow","Action":"S3:getobject","Resource":"arn:aws:s3:::b/*"}`), policy(read), nil},
		"a resource comes":                   {policy(read), policy(`{"Effect":"Allow","Action":"s3:GetObject","Resource":["arn:aws:s3:::b/*","*"]}`), []string{"on `\"*\"`"}},
		"a condition goes":                   {policy(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{"Bool":{"a":"b"}}}`), policy(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`), []string{"s3:GetObject"}},
		"a condition comes":                  {policy(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*"}`), policy(`{"Effect":"Allow","Action":"s3:GetObject","Resource":"*","Condition":{"Bool":{"a":"b"}}}`), nil},
		"a denial goes":                      {policy(read + `,{"Effect":"Deny","Action":"s3:*","Resource":"*"}`), policy(read), []string{"no longer: s/P: deny `s3:*`"}},
		"a denial goes with its resource":    {policy(`{"Effect":"Deny","Action":"s3:*","Resource":"*"}`), `"Q":{"Type":"AWS::SNS::Topic"}`, nil},
		"a denial comes":                     {policy(read), policy(read + `,{"Effect":"Deny","Action":"s3:*","Resource":"*"}`), nil},
		"all but one action":                 {policy(read), policy(`{"Effect":"Allow","NotAction":"iam:*","Resource":"*"}`), []string{`all but "iam:*"`}},
		"a holder is new":                    {`"Q":{"Type":"AWS::SNS::Topic"}`, policy(read), []string{"s/P: allow"}},
		"a trust policy trusts someone else": {`"R":{"Type":"AWS::IAM::Role","Properties":{"AssumeRolePolicyDocument":{"Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"lambda.amazonaws.com"}}]}}}`, `"R":{"Type":"AWS::IAM::Role","Properties":{"AssumeRolePolicyDocument":{"Statement":[{"Effect":"Allow","Action":"sts:AssumeRole","Principal":"*"}]}}}`, []string{"for `\"*\"`"}},
		"a managed policy is attached":       {`"R":{"Type":"AWS::IAM::Role","Properties":{}}`, `"R":{"Type":"AWS::IAM::Role","Properties":{"ManagedPolicyArns":["arn:aws:iam::aws:policy/AdministratorAccess"]}}`, []string{"AdministratorAccess"}},
		"a policy in a text":                 {`"E":{"Type":"AWS::ECR::Repository","Properties":{}}`, `"E":{"Type":"AWS::ECR::Repository","Properties":{"RepositoryPolicyText":"{\"Statement\":{\"Effect\":\"Allow\",\"Action\":\"ecr:*\",\"Principal\":\"*\"}}"}}`, []string{"ecr:*"}},
		"a function may be invoked":          {`"Q":{"Type":"AWS::SNS::Topic"}`, `"L":{"Type":"AWS::Lambda::Permission","Properties":{"Action":"lambda:InvokeFunction","Principal":"*","FunctionName":"f"}}`, []string{"lambda:InvokeFunction"}},
		"a network is let in":                {`"G":{"Type":"AWS::EC2::SecurityGroup","Properties":{"SecurityGroupIngress":[{"CidrIp":"10.0.0.0/8"}]}}`, `"G":{"Type":"AWS::EC2::SecurityGroup","Properties":{"SecurityGroupIngress":[{"CidrIp":"10.0.0.0/8"},{"CidrIp":"0.0.0.0/0"}]}}`, []string{"0.0.0.0/0"}},
	} {
		got := widened(stack(t, c.before), stack(t, c.after))
		if len(got) != len(c.want) {
			t.Errorf("%s: %v, want %v", sentence, got, c.want)
			continue
		}
		for i, part := range c.want {
			if !strings.Contains(got[i], part) {
				t.Errorf("%s: %q isn't in %q", sentence, part, got[i])
			}
		}
	}
}

// Whatever is allowed afterwards was allowed before, or is in the report.
func TestNoNewRightIsMissed(t *testing.T) {
	actions := []string{"s3:GetObject", "s3:PutObject", "s3:*", "kms:Decrypt", "*"}
	draw := func(t *rapid.T, name string) map[string]Template {
		var statements []any
		for range rapid.IntRange(0, 4).Draw(t, name) {
			statements = append(statements, map[string]any{
				"Effect": "Allow", "Action": rapid.SampledFrom(actions).Draw(t, "action"), "Resource": rapid.SampledFrom([]string{"a", "b", "*"}).Draw(t, "resource"),
			})
		}
		return map[string]Template{"s": {Resources: map[string]Resource{"P": {Type: "AWS::IAM::Policy", Properties: map[string]any{"PolicyDocument": map[string]any{"Statement": statements}}}}}}
	}
	allowed := func(templates map[string]Template, action, resource string) bool {
		return slices.ContainsFunc(grants(templates), func(g Grant) bool {
			return matches(g.Action, action) && (g.Resource == compact(resource) || g.Resource == `"*"`)
		})
	}
	rapid.Check(t, func(t *rapid.T) {
		before, after := draw(t, "before"), draw(t, "after")
		newRight := false
		for _, action := range []string{"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "kms:Decrypt", "iam:PassRole"} {
			for _, resource := range []string{"a", "b", "c"} {
				newRight = newRight || allowed(after, action, resource) && !allowed(before, action, resource)
			}
		}
		if newRight && len(widened(before, after)) == 0 {
			t.Fatalf("%s → %s", compact(before["s"].Resources), compact(after["s"].Resources))
		}
		if len(widened(before, before)) != 0 {
			t.Fatal("the same is wider than itself")
		}
	})
}

// The prices are worked out by hand from AWS's hourly prices for eu-west-1.
func TestMonthly(t *testing.T) {
	for sentence, c := range map[string]struct {
		resources string
		want      float64
	}{
		"a NAT gateway is 0.048 an hour":                {`"N":{"Type":"AWS::EC2::NatGateway"}`, 35.04},
		"an endpoint in three zones":                    {`"E":{"Type":"AWS::EC2::VPCEndpoint","Properties":{"VpcEndpointType":"Interface","SubnetIds":["a","b","c"]}}`, 24.09},
		"a gateway endpoint is free":                    {`"E":{"Type":"AWS::EC2::VPCEndpoint","Properties":{"VpcEndpointType":"Gateway"}}`, 0},
		"two tasks of half a vCPU and a GiB":            {`"S":{"Type":"AWS::ECS::Service","Properties":{"DesiredCount":2}},"T":{"Type":"AWS::ECS::TaskDefinition","Properties":{"Cpu":"512","Memory":"1024"}}`, 2 * (0.5*29.5504 + 3.24485)},
		"a Multi-AZ database costs both its instances":  {`"D":{"Type":"AWS::RDS::DBInstance","Properties":{"DBInstanceClass":"db.m7g.large","AllocatedStorage":"100","MultiAZ":true}}`, 2 * (135.78 + 12.7)},
		"a key, a secret, an alarm of three metrics":    {`"K":{"Type":"AWS::KMS::Key"},"S":{"Type":"AWS::SecretsManager::Secret"},"A":{"Type":"AWS::CloudWatch::Alarm","Properties":{"Metrics":[1,2,3]}}`, 1.7},
		"a web ACL of seven rules":                      {`"W":{"Type":"AWS::WAFv2::WebACL","Properties":{"Rules":[1,2,3,4,5,6,7]}}`, 12},
		"a replica has its source's storage":            {`"D":{"Type":"AWS::RDS::DBInstance","Properties":{"DBInstanceClass":"db.t4g.micro","AllocatedStorage":"20"}},"R":{"Type":"AWS::RDS::DBInstance","Properties":{"DBInstanceClass":"db.t4g.micro","SourceDBInstanceIdentifier":{"Ref":"D"}}}`, 2 * (12.41 + 2.54)},
		"an instance has a volume, an address, metrics": {`"I":{"Type":"AWS::EC2::Instance","Properties":{"InstanceType":"t4g.nano","Monitoring":true,"NetworkInterfaces":[{"AssociatePublicIpAddress":true}],"BlockDeviceMappings":[{"Ebs":{"VolumeSize":8}}]}}`, 3.358 + 3.65 + 0.704 + 2.1},
		"what autoscaling keeps at least":               {`"S":{"Type":"AWS::ECS::Service","Properties":{}},"T":{"Type":"AWS::ECS::TaskDefinition","Properties":{"Cpu":"1024","Memory":"2048"}},"A":{"Type":"AWS::ApplicationAutoScaling::ScalableTarget","Properties":{"MinCapacity":3,"ResourceId":{"Fn::Join":["/",["service/c",{"Fn::GetAtt":["S","Name"]}]]}}}`, 3 * (29.5504 + 6.4897)},
		"what is billed by use isn't counted":           {`"T":{"Type":"AWS::DynamoDB::Table"},"F":{"Type":"AWS::Lambda::Function"}`, 0},
		"a balancer in three zones has three addresses": {`"L":{"Type":"AWS::ElasticLoadBalancingV2::LoadBalancer","Properties":{"Subnets":["a","b","c"]}}`, 18.396 + 10.95},
	} {
		total := 0.0
		for _, price := range monthly(stack(t, c.resources)).by {
			total += price
		}
		if total < c.want-0.01 || total > c.want+0.01 {
			t.Errorf("%s: %.3f, want %.3f", sentence, total, c.want)
		}
	}
	if unknown := monthly(stack(t, `"D":{"Type":"AWS::RDS::DBInstance","Properties":{"DBInstanceClass":"db.x99.huge"}}`)).unknown; len(unknown) != 1 {
		t.Errorf("a class without a price is passed over: %v", unknown)
	}
}

func TestReport(t *testing.T) {
	before := stack(t, `"N":{"Type":"AWS::EC2::NatGateway"},"T":{"Type":"AWS::SNS::Topic","Properties":{"DisplayName":"a"}},"M":{"Type":"AWS::CDK::Metadata","Properties":{"x":1}}`)
	after := stack(t, `"T":{"Type":"AWS::SNS::Topic","Properties":{"DisplayName":"<b> @team"}},"M":{"Type":"AWS::CDK::Metadata","Properties":{"x":2}},`+policy(`{"Effect":"Allow","Action":"iam:*","Resource":"@everyone <script>"}`))
	report := Report(before, after)
	for _, want := range []string{
		"Rights become wider (1)", "`iam:*`", "about -35.04 USD a month", "| AWS::EC2::NatGateway | 35.04 | 0.00 | -35.04 USD |",
		"Resources: 3 change", "AWS::SNS::Topic changed: s/T (DisplayName)", "AWS::EC2::NatGateway removed: s/N", "AWS::IAM::Policy added: s/P",
	} {
		if !strings.Contains(report, want) {
			t.Errorf("%q isn't in\n%s", want, report)
		}
	}
	if strings.Contains(report, "@everyone") || strings.Contains(report, "<script>") {
		t.Errorf("a template's text is more than text:\n%s", report)
	}
	same := Report(before, before)
	if !strings.Contains(same, "nothing becomes wider") || !strings.Contains(same, "about 0 USD more a month") || !strings.Contains(same, "none changes") {
		t.Errorf("the same:\n%s", same)
	}
}

func TestAReportFitsAComment(t *testing.T) {
	resources := map[string]Resource{}
	for i := range 3000 {
		resources[strings.Repeat("x", i%200)+string(rune('A'+i%26))+strings.Repeat("y", i/26)] = Resource{Type: "AWS::EC2::SecurityGroupIngress", Properties: map[string]any{"CidrIp": strings.Repeat("9", i)}}
	}
	if n := len(Report(nil, map[string]Template{"s": {Resources: resources}})); n > 65536 {
		t.Errorf("%d characters; GitHub takes 65536", n)
	}
}

func TestLoad(t *testing.T) {
	folder := t.TempDir()
	if _, err := Load(folder); err == nil || !strings.Contains(err.Error(), "make synth") {
		t.Errorf("an empty folder: %v", err)
	}
	if err := os.WriteFile(filepath.Join(folder, "slipway-dns.template.json"), []byte(`{"Resources":{"Z":{"Type":"AWS::Route53::HostedZone"}}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := Load(folder); err != nil || got["slipway-dns"].Resources["Z"].Type != "AWS::Route53::HostedZone" {
		t.Errorf("%v: %v", err, got)
	}
}
