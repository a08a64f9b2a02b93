package stacks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscertificatemanager"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsroute53"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/dns"
	"slipway/internal/config"
	"slipway/internal/contract"
)

// DNS is a stack with a hosted zone and the certificates of the stages that live in it: <platform>-dns with the root
// zone, or <platform>-<stage>-dns with the zone of a stage in another account.
type DNS struct {
	Stack        awscdk.Stack
	domain       string
	zone         *dns.Zone
	zoneID       *string            // as another stack imports it
	certificates map[string]*string // by stage: its ARN, as another stack imports it
}

// The zone and the certificates are exported by hand and imported by name. The CDK would do the same by itself, but not
// from one stage of the pipeline into another; so the templates are the same whichever way they are deployed.

// Zone is the hosted zone that holds the stage's names, for the stack of its service.
func (d *DNS) Zone(service awscdk.Stack) awsroute53.IHostedZone {
	after(service, d.Stack, "imports its zone and certificate")
	return awsroute53.HostedZone_FromHostedZoneAttributes(service, jsii.String("Zone"), &awsroute53.HostedZoneAttributes{
		HostedZoneId: d.zoneID, ZoneName: jsii.String(d.domain),
	})
}

// Certificate covers contract.AppHost of the stage, for the stack of its service; in the QA stage contract.QADomain and
// every QA environment in it.
func (d *DNS) Certificate(service awscdk.Stack, stage config.Stage) awscertificatemanager.ICertificate {
	return awscertificatemanager.Certificate_FromCertificateArn(service, jsii.String("Certificate"), d.certificates[stage.Name])
}

// NewRootDNS adds the stack of the root zone: its certificates for the stages in the same account, and for each stage
// elsewhere a role to delegate that stage's zone with.
func NewRootDNS(scope constructs.Construct, cfg *config.Config) *DNS {
	retain := retainsAny(cfg.Stages)
	stack := newStack(scope, cfg, cfg.DNS.Account, contract.PlatformStack(cfg.Platform, contract.StackDNS),
		"Root zone and certificates", retain)
	d := newDNS(stack, cfg.Domain, retain)
	for _, stage := range cfg.Stages {
		if cfg.Delegated(&stage) {
			d.zone.AllowDelegation("Delegation-"+stage.Name, dns.DelegationRoleProps{
				RoleName: delegationRole(cfg, stage),
				Account:  cfg.Accounts[stage.Account],
				Subzone:  cfg.ZoneName(&stage),
			})
			continue
		}
		d.addCertificate(cfg, stage)
	}
	awscdk.NewCfnOutput(stack, jsii.String("NameServers"), &awscdk.CfnOutputProps{
		Value:       awscdk.Fn_Join(jsii.String(" "), d.zone.Zone().HostedZoneNameServers()),
		Description: jsii.String("Enter these for " + cfg.Domain + " at its registrar; certificates wait for it"),
	})
	return d
}

// NewStageDNS adds the stack of a delegated zone: for a stage in another account than the root zone's.
func NewStageDNS(scope constructs.Construct, cfg *config.Config, stage config.Stage, root *DNS) *DNS {
	stack := newStack(scope, cfg, stage.Account, contract.StageStack(cfg.Platform, stage.Name, contract.StackDNS),
		"Zone and certificate of "+stage.Name, stage.Retain)
	after(stack, root.Stack, "its role enters the name servers in the root zone")
	d := newDNS(stack, cfg.ZoneName(&stage), stage.Retain)
	record := d.zone.Delegate("Delegation", dns.DelegateProps{
		Parent:        cfg.Domain,
		ParentAccount: cfg.Accounts[cfg.DNS.Account],
		RoleName:      delegationRole(cfg, stage),
		LogDays:       stage.LogDays,
	})
	d.addCertificate(cfg, stage).Node().AddDependency(record)
	return d
}

func newDNS(stack awscdk.Stack, domain string, retain bool) *DNS {
	zone := dns.NewZone(stack, "Dns", dns.ZoneProps{Domain: domain, Retain: retain})
	return &DNS{
		Stack:        stack,
		domain:       domain,
		zone:         zone,
		zoneID:       stack.ExportValue(zone.Zone().HostedZoneId(), nil),
		certificates: map[string]*string{},
	}
}

// addCertificate adds a stage's certificate. Each stage has its own: adding a name to a certificate replaces it, and a
// replacement that other stacks import is refused, so a new stage would otherwise stop every deployment.
func (d *DNS) addCertificate(cfg *config.Config, stage config.Stage) awscertificatemanager.Certificate {
	names := []string{contract.AppHost(stage.Name, stage.Production, cfg.Domain)}
	if stage.Name == cfg.QA.Stage {
		domain := contract.QADomain(cfg.Domain)
		names = []string{domain, "*." + domain}
	}
	certificate := d.zone.Certificate("Certificate-"+stage.Name, names[0], names[1:]...)
	d.certificates[stage.Name] = d.Stack.ExportValue(certificate.CertificateArn(), nil)
	return certificate
}

// delegationRole is a name that both accounts know.
func delegationRole(cfg *config.Config, stage config.Stage) string {
	return cfg.Platform + "-" + stage.Name + "-delegation"
}
