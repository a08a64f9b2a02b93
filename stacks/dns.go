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
	zone         *dns.Zone
	certificates map[string]awscertificatemanager.ICertificate // by stage
}

// Zone is the hosted zone that holds the stage's names.
func (d *DNS) Zone(config.Stage) awsroute53.IHostedZone { return d.zone.Zone() }

// AppCertificate covers contract.AppHost of the stage; nil for a stage whose zone is elsewhere. In the QA stage it is
// the environments' certificate, which covers that name too.
func (d *DNS) AppCertificate(stage config.Stage) awscertificatemanager.ICertificate {
	return d.certificates[stage.Name]
}

// QACertificate covers contract.QADomain and every QA environment in it; stage is the QA stage.
func (d *DNS) QACertificate(stage config.Stage) awscertificatemanager.ICertificate {
	return d.certificates[stage.Name]
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
	stack.AddStackDependency(root.Stack, jsii.String("its role enters the name servers in the root zone"))
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
	return &DNS{
		Stack:        stack,
		zone:         dns.NewZone(stack, "Dns", dns.ZoneProps{Domain: domain, Retain: retain}),
		certificates: map[string]awscertificatemanager.ICertificate{},
	}
}

// addCertificate adds a stage's certificate. Each stage has its own: adding a name to a certificate replaces it, and a
// replacement that other stacks import is refused, so a new stage would otherwise stop every deployment.
func (d *DNS) addCertificate(cfg *config.Config, stage config.Stage) awscertificatemanager.ICertificate {
	id := "Certificate-" + stage.Name
	if stage.Name == cfg.QA.Stage {
		domain := contract.QADomain(cfg.Domain)
		d.certificates[stage.Name] = d.zone.Certificate(id, domain, "*."+domain)
	} else {
		d.certificates[stage.Name] = d.zone.Certificate(id, contract.AppHost(stage.Name, stage.Production, cfg.Domain))
	}
	return d.certificates[stage.Name]
}

// delegationRole is a name that both accounts know.
func delegationRole(cfg *config.Config, stage config.Stage) string {
	return cfg.Platform + "-" + stage.Name + "-delegation"
}
