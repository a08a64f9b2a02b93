package doctor

import (
	"context"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/acm"
	acmtypes "github.com/aws/aws-sdk-go-v2/service/acm/types"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	cfntypes "github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	codedeploytypes "github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/guardduty"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/smithy-go"

	"slipway/internal/config"
	"slipway/internal/contract"
	"slipway/tools/slipway/registry"
)

// clients are the calls of one account.
type clients struct {
	parameters interface {
		GetParameter(context.Context, *ssm.GetParameterInput, ...func(*ssm.Options)) (*ssm.GetParameterOutput, error)
	}
	stacks cloudformation.ListStacksAPIClient
	quotas interface {
		GetServiceQuota(context.Context, *servicequotas.GetServiceQuotaInput, ...func(*servicequotas.Options)) (*servicequotas.GetServiceQuotaOutput, error)
		GetAWSDefaultServiceQuota(context.Context, *servicequotas.GetAWSDefaultServiceQuotaInput, ...func(*servicequotas.Options)) (*servicequotas.GetAWSDefaultServiceQuotaOutput, error)
	}
	addresses interface {
		DescribeAddresses(context.Context, *ec2.DescribeAddressesInput, ...func(*ec2.Options)) (*ec2.DescribeAddressesOutput, error)
	}
	detectors guardduty.ListDetectorsAPIClient
	zones     interface {
		ListHostedZonesByName(context.Context, *route53.ListHostedZonesByNameInput, ...func(*route53.Options)) (*route53.ListHostedZonesByNameOutput, error)
		GetHostedZone(context.Context, *route53.GetHostedZoneInput, ...func(*route53.Options)) (*route53.GetHostedZoneOutput, error)
	}
	certificates interface {
		acm.ListCertificatesAPIClient
		DescribeCertificate(context.Context, *acm.DescribeCertificateInput, ...func(*acm.Options)) (*acm.DescribeCertificateOutput, error)
	}
	deployments codedeploy.ListDeploymentsAPIClient
	rules       elb.DescribeRulesAPIClient
}

func newClients(c aws.Config) clients {
	return clients{
		parameters: ssm.NewFromConfig(c), stacks: cloudformation.NewFromConfig(c), quotas: servicequotas.NewFromConfig(c),
		addresses: ec2.NewFromConfig(c), detectors: guardduty.NewFromConfig(c), zones: route53.NewFromConfig(c),
		certificates: acm.NewFromConfig(c), deployments: codedeploy.NewFromConfig(c), rules: elb.NewFromConfig(c),
	}
}

// gatherer reads the facts.
type gatherer struct {
	cfg *config.Config
	// enter gives the calls of an account, or says why it can't be reached.
	enter func(ctx context.Context, account string) (clients, error)
	// images is the repository that deployments take images from.
	images registry.Repository
	// lookup asks the public DNS for a zone's name servers; nil where there is none, as for the local AWS.
	lookup func(ctx context.Context, name string) ([]*net.NS, error)
	// withoutQuotas says why there are no quotas to ask for; empty where there are.
	withoutQuotas string
	now           func() time.Time
}

func (g *gatherer) facts(ctx context.Context, w scope, reference string) facts {
	f := facts{region: g.cfg.Region, platform: g.cfg.Platform}
	open := map[string]clients{}
	for _, id := range g.accountIDs(w) {
		c, err := g.enter(ctx, id)
		if err != nil {
			f.accounts = append(f.accounts, accountFacts{id: id, problem: err.Error()})
			continue
		}
		open[id] = c
		f.accounts = append(f.accounts, g.account(ctx, c, id))
	}
	zones := map[string]string{}
	if w.shared {
		zones[g.cfg.Domain] = g.cfg.Account(g.cfg.DNS.Account)
	}
	for i := range w.stages {
		zones[g.cfg.ZoneName(&w.stages[i])] = g.cfg.Account(w.stages[i].Account) // also where it is the account of the root zone
	}
	for name, id := range zones {
		if c, ok := open[id]; ok {
			f.zones = append(f.zones, g.zone(ctx, c, name, id))
		}
	}
	slices.SortFunc(f.zones, func(a, b zone) int { return strings.Compare(a.name, b.name) })
	for _, stage := range w.stages {
		host := contract.AppHost(stage.Name, stage.Production, g.cfg.Domain)
		if stage.Name == g.cfg.QA.Stage {
			host = contract.QADomain(g.cfg.Domain)
		}
		if c, ok := open[g.cfg.Account(stage.Account)]; ok {
			f.certificates = append(f.certificates, certificatesOf(ctx, c, host)...)
			f.releases = append(f.releases, g.release(ctx, c, stage))
		}
	}
	if reference != "" {
		f.image = g.image(ctx, reference)
	}
	return f
}

// accountIDs are those of the stages, and of what all share if that is looked at, each once.
func (g *gatherer) accountIDs(w scope) []string {
	var ids []string
	if w.shared {
		ids = append(ids, g.cfg.Account(g.cfg.Registry.Account), g.cfg.Account(g.cfg.DNS.Account))
	}
	for _, stage := range w.stages {
		ids = append(ids, g.cfg.Account(stage.Account))
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func (g *gatherer) account(ctx context.Context, c clients, id string) accountFacts {
	a := accountFacts{id: id, stacks: map[string]string{}}
	missed := func(what string, err error) { a.unknown = append(a.unknown, fmt.Sprintf("%s (%s)", what, reason(err))) }
	switch version, err := parameter(ctx, c, contract.BootstrapVersionParameter); {
	case err != nil:
		a.problem = reason(err)
		return a
	default:
		a.bootstrap, _ = strconv.Atoi(version)
	}
	pages := cloudformation.NewListStacksPaginator(c.stacks, &cloudformation.ListStacksInput{StackStatusFilter: alive()})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			missed("its stacks", err)
			break
		}
		for _, s := range page.StackSummaries {
			a.stacks[aws.ToString(s.StackName)] = string(s.StackStatus)
		}
	}
	var err error
	if a.vcpus, err = g.quota(ctx, c, "fargate", "L-3032A521"); err != nil {
		missed("the quota of Fargate's vCPUs", err)
	}
	if a.addresses, err = g.quota(ctx, c, "ec2", "L-0263D0A3"); err != nil {
		missed("the quota of Elastic IPs", err)
	}
	if got, err := c.addresses.DescribeAddresses(ctx, &ec2.DescribeAddressesInput{}); err != nil {
		missed("its Elastic IPs", err)
		a.addresses = nil
	} else {
		a.inUse = len(got.Addresses)
	}
	if got, err := c.detectors.ListDetectors(ctx, &guardduty.ListDetectorsInput{}); err != nil {
		missed("its GuardDuty detector", err)
	} else {
		a.detectors = len(got.DetectorIds)
	}
	return a
}

// alive are the states of stacks that are there. Unfiltered, AWS lists those that were deleted in the last 90 days as well.
func alive() []cfntypes.StackStatus {
	return slices.DeleteFunc(cfntypes.StackStatus("").Values(), func(s cfntypes.StackStatus) bool { return s == cfntypes.StackStatusDeleteComplete })
}

// parameter is the value of an SSM parameter, or empty where there is none.
func parameter(ctx context.Context, c clients, name string) (string, error) {
	got, err := c.parameters.GetParameter(ctx, &ssm.GetParameterInput{Name: &name})
	if none := (*ssmtypes.ParameterNotFound)(nil); errors.As(err, &none) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return aws.ToString(got.Parameter.Value), nil
}

// reason is an error in one line, as AWS words it.
func reason(err error) string {
	if api := smithy.APIError(nil); errors.As(err, &api) {
		return api.ErrorCode() + ": " + api.ErrorMessage()
	}
	return strings.ReplaceAll(err.Error(), "\n", "; ")
}

// quota is the account's own, or AWS's default where nobody has changed it.
func (g *gatherer) quota(ctx context.Context, c clients, service, code string) (*float64, error) {
	if g.withoutQuotas != "" {
		return nil, errors.New(g.withoutQuotas)
	}
	got, err := c.quotas.GetServiceQuota(ctx, &servicequotas.GetServiceQuotaInput{ServiceCode: &service, QuotaCode: &code})
	if err == nil && got.Quota != nil {
		return got.Quota.Value, nil
	}
	standard, second := c.quotas.GetAWSDefaultServiceQuota(ctx, &servicequotas.GetAWSDefaultServiceQuotaInput{ServiceCode: &service, QuotaCode: &code})
	if second != nil || standard.Quota == nil {
		return nil, errors.Join(err, second)
	}
	return standard.Quota.Value, nil
}

func (g *gatherer) zone(ctx context.Context, c clients, name, id string) zone {
	z := zone{name: name, account: id}
	found, err := c.zones.ListHostedZonesByName(ctx, &route53.ListHostedZonesByNameInput{DNSName: aws.String(name), MaxItems: aws.Int32(1)})
	if err != nil {
		z.problem = reason(err)
		return z
	}
	// The list begins at the name, and goes on with whatever comes after it.
	if len(found.HostedZones) == 0 || aws.ToString(found.HostedZones[0].Name) != name+"." {
		return z
	}
	z.exists = true
	got, err := c.zones.GetHostedZone(ctx, &route53.GetHostedZoneInput{Id: found.HostedZones[0].Id})
	if err != nil {
		z.problem = reason(err)
		return z
	}
	if got.DelegationSet != nil {
		z.servers = servers(got.DelegationSet.NameServers)
	}
	if g.lookup == nil {
		return z
	}
	z.public = []string{}
	answer, err := g.lookup(ctx, name)
	if none := (*net.DNSError)(nil); err != nil && (!errors.As(err, &none) || !none.IsNotFound) {
		z.public, z.problem = nil, reason(err)
		return z
	}
	for _, server := range answer {
		z.public = append(z.public, server.Host)
	}
	z.public = servers(z.public)
	return z
}

// servers are names of servers as both sides write them: in lower case, without a dot at the end, sorted.
func servers(names []string) []string {
	all := make([]string, len(names))
	for i, name := range names {
		all[i] = strings.ToLower(strings.TrimSuffix(name, "."))
	}
	slices.Sort(all)
	return all
}

// certificatesOf are the certificates for a host. Beside one that is issued the others are left-overs, and nobody waits for them.
func certificatesOf(ctx context.Context, c clients, host string) []certificate {
	var all []certificate
	pages := acm.NewListCertificatesPaginator(c.certificates, &acm.ListCertificatesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return []certificate{{name: host, unknown: reason(err)}}
		}
		for _, summary := range page.CertificateSummaryList {
			switch {
			case aws.ToString(summary.DomainName) != host:
				continue
			case summary.Status == acmtypes.CertificateStatusIssued:
				return []certificate{{name: host, status: string(summary.Status)}}
			}
			found := certificate{name: host, status: string(summary.Status)}
			if got, err := c.certificates.DescribeCertificate(ctx, &acm.DescribeCertificateInput{CertificateArn: summary.CertificateArn}); err == nil && got.Certificate != nil {
				found.status, found.reason = string(got.Certificate.Status), string(got.Certificate.FailureReason)
			}
			all = append(all, found)
		}
	}
	return all
}

func (g *gatherer) image(ctx context.Context, reference string) *image {
	found := &image{reference: reference}
	if _, err := g.images.Deployable(ctx, reference, g.now()); err != nil {
		found.missing, found.problem = errors.Is(err, registry.ErrNoImage), err.Error()
	}
	return found
}

func (g *gatherer) release(ctx context.Context, c clients, stage config.Stage) release {
	r := release{stage: stage.Name}
	missed := func(what string, err error) { r.unknown = append(r.unknown, fmt.Sprintf("%s (%s)", what, reason(err))) }
	var err error
	if stage.Name == g.cfg.QA.Stage {
		if r.front, r.rules, err = g.rules(ctx, c, stage); err != nil {
			missed("the rules of its load balancer", err)
		} else if r.ruleQuota, err = g.quota(ctx, c, "elasticloadbalancing", "L-7EED9B64"); err != nil {
			missed("the quota of its load balancer's rules", err)
		}
		return r
	}
	if r.recorded, err = parameter(ctx, c, contract.ImageParameter(g.cfg.Platform, stage.Name)); err != nil {
		missed("what runs", err)
	}
	group := contract.DeploymentGroup(g.cfg.Platform, stage.Name)
	pages := codedeploy.NewListDeploymentsPaginator(c.deployments, &codedeploy.ListDeploymentsInput{
		ApplicationName: &group, DeploymentGroupName: &group,
		IncludeOnlyStatuses: []codedeploytypes.DeploymentStatus{
			codedeploytypes.DeploymentStatusCreated, codedeploytypes.DeploymentStatusQueued, codedeploytypes.DeploymentStatusInProgress,
			codedeploytypes.DeploymentStatusBaking, codedeploytypes.DeploymentStatusReady,
		},
	})
	for stage.Deployment.Strategy == config.StrategyCodeDeploy && pages.HasMorePages() {
		got, err := pages.NextPage(ctx)
		var noApplication *codedeploytypes.ApplicationDoesNotExistException
		var noGroup *codedeploytypes.DeploymentGroupDoesNotExistException
		switch {
		case errors.As(err, &noApplication), errors.As(err, &noGroup): // before the first deployment
			return r
		case err != nil:
			missed("its deployments", err)
			return r
		}
		r.running = append(r.running, got.Deployments...)
	}
	return r
}

// rules counts those of the shared listener, if it is there.
func (g *gatherer) rules(ctx context.Context, c clients, stage config.Stage) (there bool, count int, err error) {
	listener, err := parameter(ctx, c, contract.SharedParameter(g.cfg.Platform, stage.Name, contract.KeyListenerARN))
	if err != nil || listener == "" {
		return false, 0, err
	}
	pages := elb.NewDescribeRulesPaginator(c.rules, &elb.DescribeRulesInput{ListenerArn: &listener})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return false, 0, err
		}
		for _, rule := range page.Rules {
			if !aws.ToBool(rule.IsDefault) { // the quota doesn't count those
				count++
			}
		}
	}
	return true, count, nil
}
