// Package front is a public load balancer: HTTPS with a certificate, HTTP redirected, access logs kept, and traffic only
// to the application's security group.
package front

import (
	"fmt"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awscertificatemanager"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awselasticloadbalancingv2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsroute53"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsroute53targets"
	"github.com/aws/aws-cdk-go/awscdk/v2/awss3"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/cdkprovider"
	"slipway/constructs/nag"
	"slipway/constructs/retention"
	"slipway/internal/contract"
)

// IdleTimeoutSeconds is how long the load balancer keeps an idle connection; the application's keep-alive exceeds it.
const IdleTimeoutSeconds = 60

// Props of a Front.
type Props struct {
	VPC awsec2.IVpc
	// AppSecurityGroupID is the tasks' group. The front may reach it on the container port, and nothing else.
	AppSecurityGroupID string
	Certificate        awscertificatemanager.ICertificate
	Zone               awsroute53.IHostedZone
	// HostNames become alias records of the load balancer; all lie in Zone.
	HostNames []string
	// AccessLogDays is when access logs expire.
	AccessLogDays int
	// SignsIn lets the load balancer reach the identity provider, at whatever address it has, to which it takes the answers of
	// people who sign in; default it reaches nothing but the application.
	SignsIn bool
	// Retain protects the load balancer and keeps the access logs.
	Retain bool
}

// Front is the load balancer and its two listeners.
type Front struct {
	construct   constructs.Construct
	group       awsec2.SecurityGroup
	certificate awscertificatemanager.ICertificate
	balancer    awselasticloadbalancingv2.ApplicationLoadBalancer
	https       awselasticloadbalancingv2.ApplicationListener
}

// New creates the load balancer. Its HTTPS listener answers with defaultAction.
func New(scope constructs.Construct, id string, props Props, defaultAction awselasticloadbalancingv2.ListenerAction) *Front {
	this := constructs.NewConstruct(scope, jsii.String(id))

	group := awsec2.NewSecurityGroup(this, jsii.String("SecurityGroup"), &awsec2.SecurityGroupProps{
		Vpc:              props.VPC,
		Description:      jsii.String("Public load balancer: HTTP and HTTPS in, the application out"),
		AllowAllOutbound: jsii.Bool(false),
	})
	for _, port := range []float64{80, 443} {
		group.AddIngressRule(awsec2.Peer_AnyIpv4(), awsec2.Port_Tcp(jsii.Number(port)), jsii.String("The public"), nil)
	}
	group.AddEgressRule(awsec2.Peer_SecurityGroupId(jsii.String(props.AppSecurityGroupID), nil),
		awsec2.Port_Tcp(jsii.Number(contract.ContainerPort)), jsii.String("The application"), nil)
	if props.SignsIn {
		group.AddEgressRule(awsec2.Peer_AnyIpv4(), awsec2.Port_Tcp(jsii.Number(443)), jsii.String("The identity provider"), nil)
	}
	// The application's group belongs to the network stack; its rule for this front lives and dies with the front.
	awsec2.NewCfnSecurityGroupIngress(this, jsii.String("AppIngress"), &awsec2.CfnSecurityGroupIngressProps{
		GroupId:               jsii.String(props.AppSecurityGroupID),
		SourceSecurityGroupId: group.SecurityGroupId(),
		IpProtocol:            jsii.String("tcp"),
		FromPort:              jsii.Number(contract.ContainerPort),
		ToPort:                jsii.Number(contract.ContainerPort),
		Description:           jsii.String("Load balancer"),
	})
	nag.Suppress(group, "AwsSolutions-EC23", "A public website: ports 80 (redirect only) and 443 are open to everyone.")

	// The CDK would add its own rule for each target, a duplicate which EC2 refuses; the rules above are the whole truth.
	written := awsec2.SecurityGroup_FromSecurityGroupId(this, jsii.String("Written"), group.SecurityGroupId(),
		&awsec2.SecurityGroupImportOptions{Mutable: jsii.Bool(false)})

	balancer := awselasticloadbalancingv2.NewApplicationLoadBalancer(this, jsii.String("LoadBalancer"), &awselasticloadbalancingv2.ApplicationLoadBalancerProps{
		Vpc:                     props.VPC,
		InternetFacing:          jsii.Bool(true),
		SecurityGroup:           written,
		VpcSubnets:              &awsec2.SubnetSelection{SubnetType: awsec2.SubnetType_PUBLIC},
		DropInvalidHeaderFields: jsii.Bool(true),
		DesyncMitigationMode:    awselasticloadbalancingv2.DesyncMitigationMode_DEFENSIVE,
		IdleTimeout:             awscdk.Duration_Seconds(jsii.Number(IdleTimeoutSeconds)),
		DeletionProtection:      jsii.Bool(props.Retain),
	})
	balancer.LogAccessLogs(accessLogs(this, props), nil)

	f := &Front{construct: this, group: group, certificate: props.Certificate, balancer: balancer}
	f.https = f.listen("Https", 443, defaultAction)
	balancer.AddListener(jsii.String("Http"), &awselasticloadbalancingv2.BaseApplicationListenerProps{
		Port:     jsii.Number(80),
		Protocol: awselasticloadbalancingv2.ApplicationProtocol_HTTP,
		DefaultAction: awselasticloadbalancingv2.ListenerAction_Redirect(&awselasticloadbalancingv2.RedirectOptions{
			Protocol: jsii.String("HTTPS"), Port: jsii.String("443"), Permanent: jsii.Bool(true),
		}),
		Open: jsii.Bool(false),
	})

	target := awsroute53.RecordTarget_FromAlias(awsroute53targets.NewLoadBalancerTarget(balancer, nil))
	for _, name := range props.HostNames {
		awsroute53.NewARecord(this, jsii.String("Record-"+name), &awsroute53.ARecordProps{
			Zone:       props.Zone,
			RecordName: jsii.String(name + "."), // fully qualified, so that the zone's name is not appended
			Target:     target,
		})
	}
	return f
}

func (f *Front) listen(id string, port int, defaultAction awselasticloadbalancingv2.ListenerAction) awselasticloadbalancingv2.ApplicationListener {
	return f.balancer.AddListener(jsii.String(id), &awselasticloadbalancingv2.BaseApplicationListenerProps{
		Port:          jsii.Number(port),
		Protocol:      awselasticloadbalancingv2.ApplicationProtocol_HTTPS,
		Certificates:  &[]awselasticloadbalancingv2.IListenerCertificate{awselasticloadbalancingv2.ListenerCertificate_FromCertificateManager(f.certificate)},
		SslPolicy:     awselasticloadbalancingv2.SslPolicy_RECOMMENDED_TLS,
		DefaultAction: defaultAction,
		Open:          jsii.Bool(false),
	})
}

// AddTestListener adds an HTTPS listener that only these addresses may reach, with the same certificate. The load
// balancer's name resolves to public addresses inside the VPC as well, so they are those of the NAT gateways.
func (f *Front) AddTestListener(port int, addresses []string, defaultAction awselasticloadbalancingv2.ListenerAction) awselasticloadbalancingv2.ApplicationListener {
	for i, address := range addresses {
		rule := awsec2.NewCfnSecurityGroupIngress(f.construct, jsii.String(fmt.Sprintf("TestIngress-%d", i+1)), &awsec2.CfnSecurityGroupIngressProps{
			GroupId:     f.group.SecurityGroupId(),
			IpProtocol:  jsii.String("tcp"),
			FromPort:    jsii.Number(port),
			ToPort:      jsii.Number(port),
			CidrIp:      jsii.String(address + "/32"),
			Description: jsii.String("Deployment hook, through the NAT gateway"),
		})
		nag.Suppress(rule, "CdkNagValidationFailure", "The rule can't be checked before the NAT gateway has its address; it is for this address alone.")
	}
	return f.listen("Test", port, defaultAction)
}

// LoadBalancer is the CDK's load balancer.
func (f *Front) LoadBalancer() awselasticloadbalancingv2.ApplicationLoadBalancer { return f.balancer }

// HTTPS is the listener on port 443.
func (f *Front) HTTPS() awselasticloadbalancingv2.ApplicationListener { return f.https }

func accessLogs(scope constructs.Construct, props Props) awss3.IBucket {
	bucket := awss3.NewBucket(scope, jsii.String("AccessLogs"), &awss3.BucketProps{
		Encryption:        awss3.BucketEncryption_S3_MANAGED, // Elastic Load Balancing cannot write under a KMS key
		BlockPublicAccess: awss3.BlockPublicAccess_BLOCK_ALL(),
		EnforceSSL:        jsii.Bool(true),
		MinimumTLSVersion: jsii.Number(1.2),
		LifecycleRules:    &[]*awss3.LifecycleRule{{Expiration: awscdk.Duration_Days(jsii.Number(props.AccessLogDays))}},
		RemovalPolicy:     retention.Policy(props.Retain),
		AutoDeleteObjects: jsii.Bool(!props.Retain),
	})
	if !props.Retain {
		cdkprovider.DeclareLogGroup(scope, cdkprovider.AutoDeleteObjects, props.AccessLogDays)
	}
	nag.Suppress(bucket, "AwsSolutions-S1", "This bucket holds access logs; logging the log bucket would never end.")
	return bucket
}
