package doctor

import (
	"bytes"
	"context"
	"fmt"
	"maps"
	"net"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	acmtypes "github.com/aws/aws-sdk-go-v2/service/acm/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	codedeploytypes "github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/guardduty"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	route53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	quotatypes "github.com/aws/aws-sdk-go-v2/service/servicequotas/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"

	"slipway/internal/config"
	"slipway/tools/slipway/command"
	"slipway/tools/slipway/registry"
)

var errNoWay = &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "no"}

// fake is an account that is ready for the shipped platform.yaml; a test breaks one thing. It refuses what AWS refuses: names
// that aren't there, and requests that AWS wouldn't answer so.
type fake struct {
	t          *testing.T
	denied     map[string]bool // IAM actions, and ways in
	calls      map[string]bool // IAM actions that were asked for
	parameters map[string]string
	stacks     map[string]cfntypes.StackStatus
	quotas     map[string]float64 // the account's own
	addresses  int
	detectors  []string
	zones      map[string][]string
	public     map[string][]string
	certs      map[string]acmtypes.CertificateStatus
	leftOver   []string          // hosts that have a failed certificate too, which is listed first
	tags       map[string]string // tag → scan status
	findings   []ecrtypes.ImageScanFinding
	running    []string
	rules      int
}

func ready(t *testing.T) *fake {
	f := &fake{
		t: t, denied: map[string]bool{}, calls: map[string]bool{},
		parameters: map[string]string{
			"/cdk-bootstrap/hnb659fds/version": "30", "/slipway/dev/image": "old", "/slipway/stage/image": "old", "/slipway/prod/image": "old",
			"/slipway/qa/shared/listener-arn": "arn:aws:elasticloadbalancing:eu-west-1:111111111111:listener/app/qa/1/2",
		},
		stacks: map[string]cfntypes.StackStatus{"slipway-security": cfntypes.StackStatusUpdateComplete, "somebody-elses": cfntypes.StackStatusUpdateInProgress},
		quotas: map[string]float64{"fargate/L-3032A521": 100, "ec2/L-0263D0A3": 20, "elasticloadbalancing/L-7EED9B64": 100},
		zones:  map[string][]string{"example.com": {"ns-1.awsdns-01.com", "ns-2.awsdns-02.net"}},
		public: map[string][]string{"example.com": {"NS-2.awsdns-02.net.", "ns-1.awsdns-01.com."}},
		certs:  map[string]acmtypes.CertificateStatus{},
		tags:   map[string]string{"new": "COMPLETE"},
	}
	for _, stage := range []string{"dev", "qa", "stage", "prod"} {
		for _, part := range []string{"network", "data", "cluster", "service"} {
			f.stacks["slipway-"+stage+"-"+part] = cfntypes.StackStatusUpdateComplete
		}
	}
	for _, host := range []string{"app.example.com", "app.dev.example.com", "app.stage.example.com", "qa.example.com"} {
		f.certs[host] = acmtypes.CertificateStatusIssued
	}
	return f
}

// refuse counts an action, and refuses what is denied.
func (f *fake) refuse(action string) error {
	if strings.Contains(action, ":") {
		f.calls[action] = true
	}
	if f.denied[action] {
		return errNoWay
	}
	return nil
}

func (f *fake) GetParameter(_ context.Context, in *ssm.GetParameterInput, _ ...func(*ssm.Options)) (*ssm.GetParameterOutput, error) {
	if err := f.refuse("ssm:GetParameter"); err != nil {
		return nil, err
	}
	value, ok := f.parameters[*in.Name]
	if !ok {
		return nil, &ssmtypes.ParameterNotFound{}
	}
	return &ssm.GetParameterOutput{Parameter: &ssmtypes.Parameter{Value: &value}}, nil
}

// ListStacks gives one stack a page.
func (f *fake) ListStacks(_ context.Context, in *cloudformation.ListStacksInput, _ ...func(*cloudformation.Options)) (*cloudformation.ListStacksOutput, error) {
	if err := f.refuse("cloudformation:ListStacks"); err != nil {
		return nil, err
	}
	var all []string
	for name, status := range f.stacks {
		if slices.Contains(in.StackStatusFilter, status) {
			all = append(all, name)
		}
	}
	slices.Sort(all)
	var at int
	if in.NextToken != nil {
		var err error
		if at, err = strconv.Atoi(*in.NextToken); err != nil {
			return nil, err
		}
	}
	out := &cloudformation.ListStacksOutput{}
	if at < len(all) {
		out.StackSummaries = []cfntypes.StackSummary{{StackName: &all[at], StackStatus: f.stacks[all[at]]}}
	}
	if at+1 < len(all) {
		out.NextToken = aws.String(fmt.Sprint(at + 1))
	}
	return out, nil
}

func (f *fake) GetServiceQuota(_ context.Context, in *servicequotas.GetServiceQuotaInput, _ ...func(*servicequotas.Options)) (*servicequotas.GetServiceQuotaOutput, error) {
	if err := f.refuse("servicequotas:GetServiceQuota"); err != nil {
		return nil, err
	}
	value, ok := f.quotas[*in.ServiceCode+"/"+*in.QuotaCode]
	if !ok {
		return nil, &quotatypes.NoSuchResourceException{}
	}
	return &servicequotas.GetServiceQuotaOutput{Quota: &quotatypes.ServiceQuota{Value: &value}}, nil
}

func (f *fake) GetAWSDefaultServiceQuota(_ context.Context, in *servicequotas.GetAWSDefaultServiceQuotaInput, _ ...func(*servicequotas.Options)) (*servicequotas.GetAWSDefaultServiceQuotaOutput, error) {
	if err := f.refuse("servicequotas:GetAWSDefaultServiceQuota"); err != nil {
		return nil, err
	}
	value, ok := map[string]float64{"fargate/L-3032A521": 6, "ec2/L-0263D0A3": 5, "elasticloadbalancing/L-7EED9B64": 100}[*in.ServiceCode+"/"+*in.QuotaCode]
	if !ok {
		return nil, &quotatypes.NoSuchResourceException{}
	}
	return &servicequotas.GetAWSDefaultServiceQuotaOutput{Quota: &quotatypes.ServiceQuota{Value: &value}}, nil
}

func (f *fake) DescribeAddresses(context.Context, *ec2.DescribeAddressesInput, ...func(*ec2.Options)) (*ec2.DescribeAddressesOutput, error) {
	return &ec2.DescribeAddressesOutput{Addresses: make([]ec2types.Address, f.addresses)}, f.refuse("ec2:DescribeAddresses")
}

func (f *fake) ListDetectors(context.Context, *guardduty.ListDetectorsInput, ...func(*guardduty.Options)) (*guardduty.ListDetectorsOutput, error) {
	return &guardduty.ListDetectorsOutput{DetectorIds: f.detectors}, f.refuse("guardduty:ListDetectors")
}

// ListHostedZonesByName begins at the asked name and goes on with what comes after it, as Route 53 does.
func (f *fake) ListHostedZonesByName(_ context.Context, in *route53.ListHostedZonesByNameInput, _ ...func(*route53.Options)) (*route53.ListHostedZonesByNameOutput, error) {
	name := *in.DNSName
	if _, ok := f.zones[name]; !ok {
		name = "zzz.example"
	}
	return &route53.ListHostedZonesByNameOutput{HostedZones: []route53types.HostedZone{{Id: aws.String("/hostedzone/" + name), Name: aws.String(name + ".")}}}, f.refuse("route53:ListHostedZonesByName")
}

func (f *fake) GetHostedZone(_ context.Context, in *route53.GetHostedZoneInput, _ ...func(*route53.Options)) (*route53.GetHostedZoneOutput, error) {
	if err := f.refuse("route53:GetHostedZone"); err != nil {
		return nil, err
	}
	servers, ok := f.zones[strings.TrimPrefix(*in.Id, "/hostedzone/")]
	if !ok {
		return nil, &route53types.NoSuchHostedZone{}
	}
	return &route53.GetHostedZoneOutput{DelegationSet: &route53types.DelegationSet{NameServers: servers}}, nil
}

func (f *fake) lookup(_ context.Context, name string) ([]*net.NS, error) {
	if f.denied["lookup"] {
		return nil, &net.DNSError{Err: "server misbehaving", Name: name, IsTemporary: true}
	}
	names, ok := f.public[name]
	if !ok {
		return nil, &net.DNSError{Err: "no such host", Name: name, IsNotFound: true}
	}
	var all []*net.NS
	for _, n := range names {
		all = append(all, &net.NS{Host: n})
	}
	return all, nil
}

func (f *fake) ListCertificates(context.Context, *acm.ListCertificatesInput, ...func(*acm.Options)) (*acm.ListCertificatesOutput, error) {
	out := &acm.ListCertificatesOutput{}
	for _, name := range f.leftOver {
		out.CertificateSummaryList = append(out.CertificateSummaryList, acmtypes.CertificateSummary{DomainName: aws.String(name), Status: acmtypes.CertificateStatusFailed, CertificateArn: aws.String("arn:old")})
	}
	for name, status := range f.certs {
		out.CertificateSummaryList = append(out.CertificateSummaryList, acmtypes.CertificateSummary{DomainName: aws.String(name), Status: status, CertificateArn: aws.String("arn:" + name)})
	}
	return out, f.refuse("acm:ListCertificates")
}

func (f *fake) DescribeCertificate(_ context.Context, in *acm.DescribeCertificateInput, _ ...func(*acm.Options)) (*acm.DescribeCertificateOutput, error) {
	if err := f.refuse("acm:DescribeCertificate"); err != nil {
		return nil, err
	}
	status := f.certs[strings.TrimPrefix(*in.CertificateArn, "arn:")]
	detail := &acmtypes.CertificateDetail{Status: status}
	if status == acmtypes.CertificateStatusFailed {
		detail.FailureReason = acmtypes.FailureReasonCaaError
	}
	return &acm.DescribeCertificateOutput{Certificate: detail}, nil
}

func (f *fake) DescribeImages(_ context.Context, in *ecr.DescribeImagesInput, _ ...func(*ecr.Options)) (*ecr.DescribeImagesOutput, error) {
	if err := f.refuse("ecr:DescribeImages"); err != nil {
		return nil, err
	}
	if *in.RegistryId != "111111111111" || *in.RepositoryName != "simple-flask-app" {
		return nil, &ecrtypes.RepositoryNotFoundException{}
	}
	if _, ok := f.tags[*in.ImageIds[0].ImageTag]; !ok {
		return nil, &ecrtypes.ImageNotFoundException{}
	}
	return &ecr.DescribeImagesOutput{ImageDetails: []ecrtypes.ImageDetail{{ImageDigest: aws.String("sha256:" + *in.ImageIds[0].ImageTag)}}}, nil
}

func (f *fake) DescribeImageScanFindings(_ context.Context, in *ecr.DescribeImageScanFindingsInput, _ ...func(*ecr.Options)) (*ecr.DescribeImageScanFindingsOutput, error) {
	if err := f.refuse("ecr:DescribeImageScanFindings"); err != nil {
		return nil, err
	}
	status := f.tags[strings.TrimPrefix(*in.ImageId.ImageDigest, "sha256:")]
	if status == "" {
		return nil, &ecrtypes.ScanNotFoundException{}
	}
	return &ecr.DescribeImageScanFindingsOutput{
		ImageScanStatus:   &ecrtypes.ImageScanStatus{Status: ecrtypes.ScanStatus(status)},
		ImageScanFindings: &ecrtypes.ImageScanFindings{Findings: f.findings},
	}, nil
}

func (f *fake) ListDeployments(_ context.Context, in *codedeploy.ListDeploymentsInput, _ ...func(*codedeploy.Options)) (*codedeploy.ListDeploymentsOutput, error) {
	if err := f.refuse("codedeploy:ListDeployments"); err != nil {
		return nil, err
	}
	if *in.ApplicationName != "slipway-prod" {
		return nil, &codedeploytypes.ApplicationDoesNotExistException{}
	}
	return &codedeploy.ListDeploymentsOutput{Deployments: f.running}, nil
}

func (f *fake) DescribeRules(_ context.Context, in *elb.DescribeRulesInput, _ ...func(*elb.Options)) (*elb.DescribeRulesOutput, error) {
	if err := f.refuse("elasticloadbalancing:DescribeRules"); err != nil {
		return nil, err
	}
	if *in.ListenerArn != f.parameters["/slipway/qa/shared/listener-arn"] {
		return nil, &elbtypes.ListenerNotFoundException{}
	}
	rules := []elbtypes.Rule{{IsDefault: aws.Bool(true)}}
	for range f.rules {
		rules = append(rules, elbtypes.Rule{IsDefault: aws.Bool(false)})
	}
	return &elb.DescribeRulesOutput{Rules: rules}, nil
}

func (f *fake) gatherer(cfg *config.Config) *gatherer {
	return &gatherer{
		cfg: cfg, lookup: f.lookup, now: func() time.Time { return time.Date(2026, 3, 2, 0, 0, 0, 0, time.UTC) },
		images: registry.Repository{Client: f, Account: cfg.Account(cfg.Registry.Account), Name: cfg.Registry.Repository, Rule: registry.Rule(cfg)},
		enter: func(_ context.Context, id string) (clients, error) {
			return clients{
				parameters: f, stacks: f, quotas: f, addresses: f, detectors: f, zones: f, certificates: f, deployments: f, rules: f,
			}, f.refuse("enter " + id)
		},
	}
}

func shipped(t *testing.T) *config.Config {
	t.Helper()
	cfg, err := config.Load("../../../platform.yaml", config.Profile{})
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

// examine runs all checks; the second result is what is bad or to note.
func examine(t *testing.T, cfg *config.Config, f *fake, wanted []string, reference string) (all, wrong []Finding) {
	t.Helper()
	w, err := choose(cfg, wanted, false)
	if err != nil {
		t.Fatal(err)
	}
	all = decide(cfg, w.stages, f.gatherer(cfg).facts(t.Context(), w, reference))
	for _, found := range all {
		if found.Level != Good {
			wrong = append(wrong, found)
		}
	}
	return all, wrong
}

func TestAReadyAccountIsGood(t *testing.T) {
	all, wrong := examine(t, shipped(t), ready(t), nil, "new")
	for _, found := range wrong {
		t.Errorf("%+v", found)
	}
	for _, about := range []string{"account 111111111111", "zone example.com", "certificate app.example.com", "certificate qa.example.com", "image new", "stage prod"} {
		if !slices.ContainsFunc(all, func(f Finding) bool { return f.About == about }) {
			t.Errorf("nothing was said about %s", about)
		}
	}
}

func TestEachFaultIsFoundAndSaysWhatToDo(t *testing.T) {
	for sentence, c := range map[string]struct {
		breaks    func(*fake)
		reference string
		level     Level
		about     string
		says, do  string
	}{
		"an account that refuses us":       {func(f *fake) { f.denied["enter 111111111111"] = true }, "", Bad, "account 111111111111", "can't be reached", "--trust"},
		"one that lets us read nothing":    {func(f *fake) { f.denied["ssm:GetParameter"] = true }, "", Bad, "account 111111111111", "can't be reached", "credentials"},
		"an account without the bootstrap": {func(f *fake) { delete(f.parameters, "/cdk-bootstrap/hnb659fds/version") }, "", Bad, "account 111111111111", "isn't bootstrapped", "npx cdk bootstrap aws://111111111111/eu-west-1"},
		"a bootstrap that is too old":      {func(f *fake) { f.parameters["/cdk-bootstrap/hnb659fds/version"] = "5" }, "", Bad, "account 111111111111", "version 5 of the bootstrap stack, 8", "npx cdk bootstrap"},
		"a zone that nobody delegates":     {func(f *fake) { f.public = nil }, "", Bad, "zone example.com", "the public DNS names nobody", "registrar"},
		"a zone delegated to old servers":  {func(f *fake) { f.public["example.com"] = []string{"ns1.old.example"} }, "", Bad, "zone example.com", "the public DNS names ns1.old.example", "enter the zone's name servers"},
		"a zone that isn't there yet":      {func(f *fake) { f.zones = nil }, "", Note, "zone example.com", "isn't there yet", "name servers"},
		"a DNS that doesn't answer":        {func(f *fake) { f.denied["lookup"] = true }, "", Note, "zone example.com", "not checked", "NS records"},
		"a certificate that waits":         {func(f *fake) { f.certs["app.example.com"] = acmtypes.CertificateStatusPendingValidation }, "", Bad, "certificate app.example.com", "waits for its DNS record", "72 hours"},
		"a certificate that failed":        {func(f *fake) { f.certs["qa.example.com"] = acmtypes.CertificateStatusFailed }, "", Bad, "certificate qa.example.com", "FAILED: CAA_ERROR", "delete the certificate"},
		"the vCPUs of a new account":       {func(f *fake) { delete(f.quotas, "fargate/L-3032A521") }, "", Note, "account 111111111111", "may run 6 vCPUs on Fargate, its stages need up to 24", "--quota-code L-3032A521 --desired-value 24"},
		"fewer than the stages begin with": {func(f *fake) { f.quotas["fargate/L-3032A521"] = 2 }, "", Bad, "account 111111111111", "may run 2 vCPUs on Fargate, its stages begin with 3", "--quota-code L-3032A521"},
		"addresses for the first network": {func(f *fake) {
			delete(f.quotas, "ec2/L-0263D0A3")
			delete(f.stacks, "slipway-prod-network")
			f.addresses = 3
		}, "", Bad, "account 111111111111", "has 3 of 5 Elastic IPs in use, NAT gateways still to come need 3", "--quota-code L-0263D0A3 --desired-value 6"},
		"quotas that can't be read":    {func(f *fake) { f.quotas = nil; f.denied["servicequotas:GetAWSDefaultServiceQuota"] = true }, "", Note, "account 111111111111", "not checked: the quota of Fargate's vCPUs", "console"},
		"another team's detector":      {func(f *fake) { f.detectors = []string{"d"}; delete(f.stacks, "slipway-security") }, "", Note, "account 111111111111", "has a GuardDuty detector already", "take it over"},
		"an image that isn't there":    {func(*fake) {}, "older", Bad, "image older", "isn't in the repository simple-flask-app", "push it first"},
		"an image that wasn't scanned": {func(f *fake) { f.tags["new"] = "" }, "new", Bad, "image new", "never scanned", "wait for the scan"},
		"an image being scanned":       {func(f *fake) { f.tags["new"] = "IN_PROGRESS" }, "new", Bad, "image new", "still being scanned", "wait"},
		"an image with a known hole": {func(f *fake) {
			f.findings = []ecrtypes.ImageScanFinding{{Name: aws.String("CVE-2026-1"), Severity: ecrtypes.FindingSeverityCritical}}
		}, "new", Bad, "image new", "CVE-2026-1", "registry.scan"},
		"a deployment that runs":       {func(f *fake) { f.running = []string{"d-ABC"} }, "", Bad, "stage prod", "deployment d-ABC is running", "stop-deployment --deployment-id d-ABC"},
		"a stack that is updated":      {func(f *fake) { f.stacks["slipway-dev-data"] = cfntypes.StackStatusUpdateInProgress }, "", Bad, "stack slipway-dev-data", "UPDATE_IN_PROGRESS", "wait"},
		"a stack that was never made":  {func(f *fake) { f.stacks["slipway-dns"] = cfntypes.StackStatusRollbackComplete }, "", Bad, "stack slipway-dns", "never made", "delete-stack --stack-name slipway-dns"},
		"a stack that is stuck":        {func(f *fake) { f.stacks["slipway-qa-service"] = cfntypes.StackStatusUpdateRollbackFailed }, "", Bad, "stack slipway-qa-service", "stuck", "continue-update-rollback"},
		"a front with few rules left":  {func(f *fake) { f.rules = 91 }, "", Note, "stage qa", "has 91 of 100 rules", "L-7EED9B64"},
		"a front without any room":     {func(f *fake) { f.rules = 100 }, "", Note, "stage qa", "has 100 of 100 rules", "end QA environments"},
		"a QA stage without a front":   {func(f *fake) { delete(f.parameters, "/slipway/qa/shared/listener-arn") }, "", Note, "stage qa", "no load balancer yet", "deploy it before"},
		"certificates nobody may list": {func(f *fake) { f.denied["acm:ListCertificates"] = true }, "", Note, "certificate app.example.com", "not checked: AccessDeniedException: no", "console"},
		"deployments nobody may list":  {func(f *fake) { f.denied["codedeploy:ListDeployments"] = true }, "", Note, "stage prod", "not checked: its deployments", "console"},
		"rules nobody may list":        {func(f *fake) { f.denied["elasticloadbalancing:DescribeRules"] = true }, "", Note, "stage qa", "not checked: the rules of its load balancer", "console"},
		"a registry nobody may read":   {func(f *fake) { f.denied["ecr:DescribeImages"] = true }, "new", Bad, "image new", "may be read", "wait"},
		"a first deployment":           {func(f *fake) { delete(f.parameters, "/slipway/dev/image") }, "", Note, "stage dev", "never been deployed", "-c imageTag"},
	} {
		t.Run(sentence, func(t *testing.T) {
			f := ready(t)
			c.breaks(f)
			_, wrong := examine(t, shipped(t), f, nil, c.reference)
			if !slices.ContainsFunc(wrong, func(found Finding) bool {
				return found.Level == c.level && found.About == c.about && strings.Contains(found.Says, c.says) && strings.Contains(found.Do, c.do)
			}) {
				t.Errorf("found %+v, want %s %s %s → %s", wrong, c.level, c.about, c.says, c.do)
			}
			for _, found := range wrong {
				if found.Do == "" {
					t.Errorf("%+v doesn't say what to do", found)
				}
			}
		})
	}
}

func TestOnlyTheChosenStagesCount(t *testing.T) {
	f := ready(t)
	f.stacks["slipway-prod-data"] = cfntypes.StackStatusUpdateInProgress
	f.certs["app.example.com"] = acmtypes.CertificateStatusPendingValidation
	f.running = []string{"d-ABC"}
	if _, wrong := examine(t, shipped(t), f, []string{"dev", "qa"}, "new"); len(wrong) > 0 {
		t.Errorf("prod stands in dev's way: %+v", wrong)
	}
}

func TestAnAccountInTroubleHidesNoOther(t *testing.T) {
	cfg := shipped(t)
	cfg.Accounts = map[string]string{"shared": "111111111111", "workload": "222222222222"}
	f := ready(t)
	f.denied["enter 222222222222"] = true
	all, wrong := examine(t, cfg, f, nil, "")
	if len(wrong) != 1 || wrong[0].About != "account 222222222222" {
		t.Errorf("found %+v, want account 222222222222 alone", wrong)
	}
	if !slices.ContainsFunc(all, func(f Finding) bool { return f.About == "zone example.com" && f.Level == Good }) {
		t.Errorf("the other account wasn't looked at: %+v", all)
	}
}

func TestNamedStagesNeedOnlyTheirOwnAccounts(t *testing.T) {
	cfg := shipped(t)
	cfg.Accounts = map[string]string{"shared": "111111111111", "workload": "222222222222"}
	f := ready(t)
	f.denied["enter 111111111111"] = true // but its repository may be read
	f.zones["dev.example.com"], f.public["dev.example.com"] = f.zones["example.com"], f.public["example.com"]
	all, wrong := examine(t, cfg, f, []string{"dev"}, "new")
	for _, found := range wrong {
		t.Errorf("%+v", found)
	}
	for _, about := range []string{"account 222222222222", "zone dev.example.com", "certificate app.dev.example.com", "image new", "stage dev"} {
		if !slices.ContainsFunc(all, func(f Finding) bool { return f.About == about && f.Level == Good }) {
			t.Errorf("nothing good was said about %s", about)
		}
	}
}

func TestACertificateThatIsIssuedIsEnough(t *testing.T) {
	f := ready(t)
	f.leftOver = []string{"app.example.com"}
	if _, wrong := examine(t, shipped(t), f, nil, ""); len(wrong) > 0 {
		t.Errorf("found %+v", wrong)
	}
}

// TestWhatTheLocalAWSDoesNotKnowIsSaidAndNoFault: it has no quotas and no public DNS.
func TestWhatTheLocalAWSDoesNotKnowIsSaidAndNoFault(t *testing.T) {
	f, cfg := ready(t), shipped(t)
	g := f.gatherer(cfg)
	g.lookup, g.withoutQuotas = nil, "the local AWS has none"
	w, err := choose(cfg, nil, false)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if code := report(decide(cfg, w.stages, g.facts(t.Context(), w, "")), &out); code != command.OK {
		t.Errorf("code %d", code)
	}
	for _, want := range []string{"the quota of Fargate's vCPUs (the", "the quota of Elastic IPs (the", "the quota of its load balancer's rules (the", "the local AWS is no public DNS", " 4 to note, 0 bad"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%q isn't in\n%s", want, &out)
		}
	}
	for action := range f.calls {
		if strings.HasPrefix(action, "servicequotas:") {
			t.Errorf("calls %s", action)
		}
	}
}

// TestItCallsWhatIsListed: testdata/actions.txt is what test/github_test.go holds against the roles that run the doctor.
func TestItCallsWhatIsListed(t *testing.T) {
	f := ready(t)
	delete(f.quotas, "fargate/L-3032A521")
	f.certs["app.example.com"] = acmtypes.CertificateStatusFailed
	examine(t, shipped(t), f, nil, "new")
	raw, err := os.ReadFile("testdata/actions.txt")
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for line := range strings.Lines(string(raw)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			listed = append(listed, line)
		}
	}
	if called := slices.Sorted(maps.Keys(f.calls)); !slices.Equal(called, listed) {
		t.Errorf("calls  %v\nlisted %v", called, listed)
	}
}

func TestTheReportEndsWithWhatIsBad(t *testing.T) {
	var out bytes.Buffer
	code := report([]Finding{{Bad, "b", "broken", "mend it"}, {Good, "a", "well", ""}}, &out)
	want := "ok   a  well\nBAD  b  broken\n        → mend it\n\n1 checks are good, 0 to note, 1 bad.\n"
	if code != command.Failed || out.String() != want {
		t.Errorf("code %d, output\n%swant\n%s", code, &out, want)
	}
	if code := report([]Finding{{Note, "a", "hm", "look"}}, &out); code != command.OK {
		t.Errorf("a note fails the command with %d", code)
	}
}

func TestArguments(t *testing.T) {
	for sentence, args := range map[string][]string{
		"stages and the shared part exclude each other": {"-shared", "-stage", "dev"},
		"nothing else is an argument":                   {"dev"},
		"an unknown flag":                               {"-stag", "dev"},
		"an unknown stage":                              {"-stage", "dev,moon"},
	} {
		t.Run(sentence, func(t *testing.T) {
			t.Chdir("../../..")
			var out, log bytes.Buffer
			if code := Run(t.Context(), args, &out, &log); code != command.Usage || log.Len() == 0 {
				t.Errorf("code %d, log %q", code, &log)
			}
		})
	}
}
