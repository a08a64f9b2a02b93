package network

import (
	"github.com/aws/aws-cdk-go/awscdk/v2/awsec2"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/nag"
	"slipway/constructs/nametag"
)

// natProvider gives the way out and how many of it the VPC has. Approximate monthly cost in eu-west-1, without traffic:
// a gateway USD 35 plus its address, a t4g.nano instance about USD 10 with its volume, its address and detailed monitoring.
func natProvider(props Props) (provider awsec2.NatProvider, count int) {
	switch props.NAT {
	case NATPerZone:
		return awsec2.NatProvider_Gateway(nil), len(props.Zones)
	case NATInstance:
		return awsec2.NewNatInstanceProviderV2(&awsec2.NatInstanceProps{
			InstanceType: awsec2.InstanceType_Of(awsec2.InstanceClass_T4G, awsec2.InstanceSize_NANO),
			// The image's ID comes from AWS's public SSM parameter when the stack is deployed: nothing is looked up. A newer
			// image replaces the instance at the next deployment of this stack, which is how it gets its patches; the
			// private subnets are cut off for about a minute.
			MachineImage: awsec2.MachineImage_LatestAmazonLinux2023(&awsec2.AmazonLinux2023ImageSsmParameterProps{
				CpuType: awsec2.AmazonLinuxCpuType_ARM_64,
			}),
			// Its subnet hands out no public address, and without one it reaches nothing.
			AssociatePublicIpAddress: jsii.Bool(true),
			DefaultAllowedTraffic:    awsec2.NatTrafficDirection_OUTBOUND_ONLY,
			UserData:                 natUserData(),
		}), 1
	default:
		return awsec2.NatProvider_Gateway(nil), 1
	}
}

// natUserData turns Amazon Linux 2023 into a router. The rules are written to nftables' own file, so that a reboot
// keeps them.
func natUserData() awsec2.UserData {
	data := awsec2.UserData_ForLinux(nil)
	data.AddCommands(*jsii.Strings(
		"set -euo pipefail",
		"dnf install -y nftables",
		"echo 'net.ipv4.ip_forward = 1' > /etc/sysctl.d/90-nat.conf",
		"sysctl -p /etc/sysctl.d/90-nat.conf",
		"interface=$(ip -o -4 route show to default | awk '{print $5; exit}')",
		"cat > /etc/sysconfig/nftables.conf <<RULES",
		"table ip nat {",
		"  chain postrouting {",
		"    type nat hook postrouting priority srcnat; policy accept;",
		"    oifname \"$interface\" masquerade",
		"  }",
		"}",
		"RULES",
		"systemctl enable --now nftables",
	)...)
	return data
}

func hardenNATInstances(provider awsec2.NatInstanceProviderV2, props Props) {
	provider.Connections().AllowFrom(
		awsec2.Peer_Ipv4(jsii.String(props.CIDR.String())), awsec2.Port_AllTraffic(), jsii.String("Private subnets on their way out"))
	for _, instance := range *provider.GatewayInstances() {
		nametag.Set(instance)
		resource := instance.Node().DefaultChild().(awsec2.CfnInstance)
		resource.SetMetadataOptions(&awsec2.CfnInstance_MetadataOptionsProperty{
			HttpTokens:              jsii.String("required"), // IMDSv2 only
			HttpPutResponseHopLimit: jsii.Number(1),
		})
		resource.SetBlockDeviceMappings([]any{&awsec2.CfnInstance_BlockDeviceMappingProperty{
			DeviceName: jsii.String("/dev/xvda"), // the root device of Amazon Linux 2023
			Ebs: &awsec2.CfnInstance_EbsProperty{
				Encrypted: jsii.Bool(true), VolumeType: jsii.String("gp3"), VolumeSize: jsii.Number(8), DeleteOnTermination: jsii.Bool(true),
			},
		}})
		resource.SetMonitoring(jsii.Bool(true)) // metrics each minute; nothing else watches it
		nag.Suppress(instance, "AwsSolutions-EC29",
			"The instance holds no state and is made anew by the stack; termination protection would block the deletion of the stack.")
	}
}
