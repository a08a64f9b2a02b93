package stacks

import (
	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/aws-cdk-go/awscdk/v2/awsssm"
	"github.com/aws/jsii-runtime-go"

	"slipway/constructs/front"
	"slipway/constructs/waf"
	"slipway/internal/config"
	"slipway/internal/contract"
)

// protect puts a web ACL before a stage's public load balancer and publishes its block lists for the response to findings.
func protect(stack awscdk.Stack, cfg *config.Config, stage config.Stage, network *Network, public *front.Front) {
	var allowed []string
	if stage.Name == cfg.QA.Stage {
		for _, cidr := range cfg.QA.AllowedCIDRs {
			allowed = append(allowed, cidr.String())
		}
	}
	acl := waf.New(stack, "Waf", waf.Props{
		Name:            contract.WebACLName(cfg.Platform, stage.Name),
		BlockedIPv4Name: contract.BlockedIPv4Name(cfg.Platform, stage.Name),
		BlockedIPv6Name: contract.BlockedIPv6Name(cfg.Platform, stage.Name),
		LoadBalancerARN: *public.LoadBalancer().LoadBalancerArn(),
		CountOnly:       stage.WAF.Mode == config.WAFCount,
		RateLimit:       stage.WAF.RateLimit,
		UploadPaths:     stage.WAF.UploadPaths,
		AllowedCIDRs:    allowed,
		LogDays:         stage.LogDays,
		LogKey:          network.LogKey,
		Retain:          stage.Retain,
	})
	ipv4, ipv6 := acl.BlockedIPv4(), acl.BlockedIPv6()
	for _, published := range []struct{ key, value string }{
		{contract.KeyWebACLARN, acl.ARN()},
		{contract.KeyBlockedIPv4Name, ipv4.Name}, {contract.KeyBlockedIPv4ID, ipv4.ID}, {contract.KeyBlockedIPv4ARN, ipv4.ARN},
		{contract.KeyBlockedIPv6Name, ipv6.Name}, {contract.KeyBlockedIPv6ID, ipv6.ID}, {contract.KeyBlockedIPv6ARN, ipv6.ARN},
	} {
		awsssm.NewStringParameter(stack, jsii.String("Waf-"+published.key), &awsssm.StringParameterProps{
			ParameterName: jsii.String(contract.WAFParameter(cfg.Platform, stage.Name, published.key)),
			Description:   jsii.String("Read by the response to findings"),
			StringValue:   jsii.String(published.value),
		})
	}
}
