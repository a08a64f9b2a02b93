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
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/guardduty"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/servicequotas"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"slipway/internal/config"
	"slipway/internal/contract"
	"slipway/lambdas/imageresolver/scan"
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
	images interface {
		scan.ECR
		DescribeImages(context.Context, *ecr.DescribeImagesInput, ...func(*ecr.Options)) (*ecr.DescribeImagesOutput, error)
	}
	deployments codedeploy.ListDeploymentsAPIClient
	rules       elb.DescribeRulesAPIClient
}

func newClients(c aws.Config) clients {
	return clients{
		parameters: ssm.NewFromConfig(c), stacks: cloudformation.NewFromConfig(c), quotas: servicequotas.NewFromConfig(c),
		addresses: ec2.NewFromConfig(c), detectors: guardduty.NewFromConfig(c), zones: route53.NewFromConfig(c),
		certificates: acm.NewFromConfig(c), images: ecr.NewFromConfig(c), deployments: codedeploy.NewFromConfig(c), rules: elb.NewFromConfig(c),
	}
}

// gatherer reads the facts.
type gatherer struct {
	cfg *config.Config
	// enter gives the calls of an account, or says why it can't be reached.
	enter func(ctx context.Context, account string) (clients, error)
	// lookup asks the public DNS for a zone's name servers; nil where there is none, as for the local AWS.
	lookup func(ctx context.Context, name string) ([]*net.NS, error)
	now    func() time.Time
}

func (g *gatherer) facts(ctx context.Context, stages []config.Stage, reference string) facts {
	f := facts{region: g.cfg.Region, platform: g.cfg.Platform}
	open := map[string]clients{}
	for _, id := range g.accountIDs(stages) {
		c, err := g.enter(ctx, id)
		if err != nil {
			f.accounts = append(f.accounts, account{id: id, problem: err.Error()})
			continue
		}
		open[id] = c
		f.accounts = append(f.accounts, g.account(ctx, c, id))
	}
	zones := map[string]string{g.cfg.Domain: g.cfg.Account(g.cfg.DNS.Account)}
	for i := range stages {
		zones[g.cfg.ZoneName(&stages[i])] = g.cfg.Account(stages[i].Account)
		if !g.cfg.Delegated(&stages[i]) {
			zones[g.cfg.ZoneName(&stages[i])] = g.cfg.Account(g.cfg.DNS.Account)
		}
	}
	for name, id := range zones {
		if c, ok := open[id]; ok {
			f.zones = append(f.zones, g.zone(ctx, c, name, id))
		}
	}
	slices.SortFunc(f.zones, func(a, b zone) int { return strings.Compare(a.name, b.name) })
	for _, stage := range stages {
		host := contract.AppHost(stage.Name, stage.Production, g.cfg.Domain)
		if stage.Name == g.cfg.QA.Stage {
			host = contract.QADomain(g.cfg.Domain)
		}
		home := g.cfg.Account(g.cfg.DNS.Account)
		if g.cfg.Delegated(&stage) {
			home = g.cfg.Account(stage.Account)
		}
		if c, ok := open[home]; ok {
			f.certificates = append(f.certificates, certificatesOf(ctx, c, host)...)
		}
		if c, ok := open[g.cfg.Account(stage.Account)]; ok {
			f.releases = append(f.releases, g.release(ctx, c, stage))
		}
	}
	if reference != "" {
		if c, ok := open[g.cfg.Account(g.cfg.Registry.Account)]; ok {
			f.image = g.image(ctx, c, reference)
		}
	}
	return f
}

// accountIDs are those of what all share and of the stages, each once.
func (g *gatherer) accountIDs(stages []config.Stage) []string {
	ids := []string{g.cfg.Account(g.cfg.Registry.Account), g.cfg.Account(g.cfg.DNS.Account)}
	for _, stage := range stages {
		ids = append(ids, g.cfg.Account(stage.Account))
	}
	slices.Sort(ids)
	return slices.Compact(ids)
}

func (g *gatherer) account(ctx context.Context, c clients, id string) account {
	a := account{id: id, stacks: map[string]string{}}
	missed := func(what string, err error) { a.unknown = append(a.unknown, fmt.Sprintf("%s (%v)", what, err)) }
	switch version, err := parameter(ctx, c, contract.BootstrapVersionParameter); {
	case err != nil:
		a.problem = err.Error()
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
	if a.vcpus, err = quota(ctx, c, "fargate", "L-3032A521"); err != nil {
		missed("the quota of Fargate's vCPUs", err)
	}
	if a.addresses, err = quota(ctx, c, "ec2", "L-0263D0A3"); err != nil {
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

// quota is the account's own, or AWS's default where nobody has changed it.
func quota(ctx context.Context, c clients, service, code string) (*float64, error) {
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
		z.problem = err.Error()
		return z
	}
	// The list begins at the name, and goes on with whatever comes after it.
	if len(found.HostedZones) == 0 || aws.ToString(found.HostedZones[0].Name) != name+"." {
		return z
	}
	z.exists = true
	got, err := c.zones.GetHostedZone(ctx, &route53.GetHostedZoneInput{Id: found.HostedZones[0].Id})
	if err != nil {
		z.problem = err.Error()
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
		z.public, z.problem = nil, err.Error()
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

func certificatesOf(ctx context.Context, c clients, host string) []certificate {
	var all []certificate
	pages := acm.NewListCertificatesPaginator(c.certificates, &acm.ListCertificatesInput{})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return append(all, certificate{host, "UNREADABLE", err.Error()})
		}
		for _, summary := range page.CertificateSummaryList {
			if aws.ToString(summary.DomainName) != host {
				continue
			}
			found := certificate{name: host, status: string(summary.Status)}
			if summary.Status != acmtypes.CertificateStatusIssued {
				if got, err := c.certificates.DescribeCertificate(ctx, &acm.DescribeCertificateInput{CertificateArn: summary.CertificateArn}); err == nil && got.Certificate != nil {
					found.status, found.reason = string(got.Certificate.Status), string(got.Certificate.FailureReason)
				}
			}
			all = append(all, found)
		}
	}
	return all
}

func (g *gatherer) image(ctx context.Context, c clients, reference string) *image {
	registry := g.cfg.Account(g.cfg.Registry.Account)
	found := &image{reference: reference}
	id := ecrtypes.ImageIdentifier{ImageTag: &reference}
	if strings.HasPrefix(reference, "sha256:") {
		id = ecrtypes.ImageIdentifier{ImageDigest: &reference}
	}
	got, err := c.images.DescribeImages(ctx, &ecr.DescribeImagesInput{RegistryId: &registry, RepositoryName: &g.cfg.Registry.Repository, ImageIds: []ecrtypes.ImageIdentifier{id}})
	var noImage *ecrtypes.ImageNotFoundException
	var noRepository *ecrtypes.RepositoryNotFoundException
	switch {
	case errors.As(err, &noImage) || errors.As(err, &noRepository) || err == nil && len(got.ImageDetails) == 0:
		found.missing = true
		return found
	case err != nil:
		found.problem = err.Error()
		return found
	}
	rule := scan.Rule{Refuse: string(g.cfg.Registry.Scan.Refuse)}
	for _, e := range g.cfg.Registry.Scan.Exceptions {
		rule.Exceptions = append(rule.Exceptions, scan.Exception{ID: e.ID, Until: e.Until})
	}
	if rule.Off() {
		return found
	}
	result, err := scan.Read(ctx, c.images, registry, g.cfg.Registry.Repository, aws.ToString(got.ImageDetails[0].ImageDigest))
	if err == nil {
		err = rule.Judge(result, g.now()).Err(reference, rule)
	}
	if err != nil {
		found.problem = err.Error()
	}
	return found
}

func (g *gatherer) release(ctx context.Context, c clients, stage config.Stage) release {
	r := release{stage: stage.Name}
	if stage.Name == g.cfg.QA.Stage {
		r.rules, r.ruleQuota = g.rules(ctx, c, stage)
		return r
	}
	r.recorded, _ = parameter(ctx, c, contract.ImageParameter(g.cfg.Platform, stage.Name))
	group := contract.DeploymentGroup(g.cfg.Platform, stage.Name)
	got, err := c.deployments.ListDeployments(ctx, &codedeploy.ListDeploymentsInput{
		ApplicationName: &group, DeploymentGroupName: &group,
		IncludeOnlyStatuses: []codedeploytypes.DeploymentStatus{
			codedeploytypes.DeploymentStatusCreated, codedeploytypes.DeploymentStatusQueued, codedeploytypes.DeploymentStatusInProgress,
			codedeploytypes.DeploymentStatusBaking, codedeploytypes.DeploymentStatusReady,
		},
	})
	if err == nil { // without blue/green there is no such application
		r.running = got.Deployments
	}
	return r
}

// rules counts those of the shared listener; 0 before it is there.
func (g *gatherer) rules(ctx context.Context, c clients, stage config.Stage) (int, *float64) {
	listener, err := parameter(ctx, c, contract.SharedParameter(g.cfg.Platform, stage.Name, contract.KeyListenerARN))
	if err != nil || listener == "" {
		return 0, nil
	}
	most, err := quota(ctx, c, "elasticloadbalancing", "L-7EED9B64")
	if err != nil {
		return 0, nil
	}
	count := 0
	pages := elb.NewDescribeRulesPaginator(c.rules, &elb.DescribeRulesInput{ListenerArn: &listener})
	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return 0, nil
		}
		for _, rule := range page.Rules {
			if !aws.ToBool(rule.IsDefault) { // the quota doesn't count those
				count++
			}
		}
	}
	return count, most
}
