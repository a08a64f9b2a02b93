// Package dns builds hosted zones, their certificates, and the delegation of a subzone to another account.
package dns

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscertificatemanager"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsiam"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsroute53"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/cdkprovider"
	"slipway/constructs/nag"
	"slipway/constructs/nametag"
	"slipway/constructs/retention"
)

// ZoneProps of a Zone.
type ZoneProps struct {
	// Domain is the zone's name.
	Domain string
	// Retain keeps the zone when its stack is deleted: a new one would have other name servers, which the registrar or
	// the parent zone doesn't know.
	Retain bool
}

// Zone is a public hosted zone.
type Zone struct {
	construct constructs.Construct
	zone      awsroute53.PublicHostedZone
}

// NewZone builds the zone. Queries aren't logged: Route 53 delivers those logs to us-east-1 only, and every stack of
// the platform is in its own Region.
func NewZone(scope constructs.Construct, id string, props ZoneProps) *Zone {
	construct := constructs.NewConstruct(scope, jsii.String(id))
	zone := awsroute53.NewPublicHostedZone(construct, jsii.String("Zone"), &awsroute53.PublicHostedZoneProps{
		ZoneName: jsii.String(props.Domain),
	})
	zone.ApplyRemovalPolicy(retention.Policy(props.Retain))
	return &Zone{construct: construct, zone: zone}
}

// Zone is the hosted zone.
func (z *Zone) Zone() awsroute53.PublicHostedZone { return z.zone }

// Certificate asks for a certificate for name and the alternatives, validated by records in this zone. ACM waits until
// the public DNS answers with them, so the zone must be delegated: by the registrar, or by its parent zone.
func (z *Zone) Certificate(id, name string, alternatives ...string) awscertificatemanager.Certificate {
	props := &awscertificatemanager.CertificateProps{
		DomainName: jsii.String(name),
		Validation: awscertificatemanager.CertificateValidation_FromDns(z.zone),
	}
	if len(alternatives) > 0 {
		props.SubjectAlternativeNames = jsii.Strings(alternatives...)
	}
	certificate := awscertificatemanager.NewCertificate(z.construct, jsii.String(id), props)
	nametag.Set(certificate)
	return certificate
}

// DelegationRoleProps of AllowDelegation.
type DelegationRoleProps struct {
	// RoleName is fixed, so that the other account knows it without asking this one.
	RoleName string
	// Account may take the role, Subzone is the only name whose name servers it may write.
	Account string
	Subzone string
}

// AllowDelegation makes a role with which another account may enter the name servers of its subzone, and nothing else,
// in this zone.
func (z *Zone) AllowDelegation(id string, props DelegationRoleProps) awsiam.Role {
	role := awsiam.NewRole(z.construct, jsii.String(id), &awsiam.RoleProps{
		RoleName:    jsii.String(props.RoleName),
		Description: jsii.String("Enters the name servers of " + props.Subzone),
		AssumedBy:   awsiam.NewAccountPrincipal(jsii.String(props.Account)),
	})
	role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions:   jsii.Strings("route53:ChangeResourceRecordSets"),
		Resources: jsii.Strings(*z.zone.HostedZoneArn()),
		Conditions: &map[string]any{"ForAllValues:StringEquals": map[string]any{
			"route53:ChangeResourceRecordSetsNormalizedRecordNames": []string{props.Subzone},
			"route53:ChangeResourceRecordSetsRecordTypes":           []string{"NS"},
			"route53:ChangeResourceRecordSetsActions":               []string{"UPSERT", "DELETE"},
		}},
	}))
	// The other account knows the zone's name only.
	role.AddToPolicy(awsiam.NewPolicyStatement(&awsiam.PolicyStatementProps{
		Actions:   jsii.Strings("route53:ListHostedZonesByName"),
		Resources: jsii.Strings("*"),
	}))
	nag.Suppress(role, "AwsSolutions-IAM5", "route53:ListHostedZonesByName can't be narrowed to a resource.")
	return role
}

// DelegateProps of Delegate.
type DelegateProps struct {
	// Parent is the name of the parent zone, ParentAccount its account, RoleName what AllowDelegation was given there.
	Parent        string
	ParentAccount string
	RoleName      string
	// LogDays is the retention of the log of the function that writes the record.
	LogDays int
}

// Delegate enters this zone's name servers in the parent zone, which another account holds. What it returns must exist
// before a certificate of this zone can be validated.
func (z *Zone) Delegate(id string, props DelegateProps) constructs.IDependable {
	stack := awscdk.Stack_Of(z.construct)
	role := awsiam.Role_FromRoleArn(z.construct, jsii.String(id+"Role"), stack.FormatArn(&awscdk.ArnComponents{
		Service: jsii.String("iam"), Region: jsii.String(""), Account: jsii.String(props.ParentAccount),
		Resource: jsii.String("role"), ResourceName: jsii.String(props.RoleName),
	}), nil)
	record := awsroute53.NewCrossAccountZoneDelegationRecord(z.construct, jsii.String(id), &awsroute53.CrossAccountZoneDelegationRecordProps{
		DelegatedZone:        z.zone,
		DelegationRole:       role,
		ParentHostedZoneName: jsii.String(props.Parent),
		Ttl:                  awscdk.Duration_Hours(jsii.Number(1)), // a mistake is mended within the hour
		RemovalPolicy:        awscdk.RemovalPolicy_DESTROY,
	})
	cdkprovider.DeclareLogGroup(z.construct, cdkprovider.ZoneDelegation, props.LogDays)
	return record
}
