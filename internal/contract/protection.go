package contract

// Keys of WAFParameter: what the response to findings reads of a stage's web ACL. To change a block list it needs name, id
// and the scope REGIONAL.
const (
	KeyWebACLARN       = "web-acl-arn"
	KeyBlockedIPv4ARN  = "blocked-ipv4-arn"
	KeyBlockedIPv4ID   = "blocked-ipv4-id"
	KeyBlockedIPv4Name = "blocked-ipv4-name"
	KeyBlockedIPv6ARN  = "blocked-ipv6-arn"
	KeyBlockedIPv6ID   = "blocked-ipv6-id"
	KeyBlockedIPv6Name = "blocked-ipv6-name"
)

// WAFParameter holds a value that a stage's web ACL publishes under one of the keys above.
func WAFParameter(platform, stage, key string) string {
	return "/" + platform + "/" + stage + "/waf/" + key
}

// WebACLName is the web ACL of a stage's load balancer.
func WebACLName(platform, stage string) string { return platform + "-" + stage }

// BlockedIPv4Name is the IP set of a stage with the IPv4 addresses to block.
func BlockedIPv4Name(platform, stage string) string { return platform + "-" + stage + "-blocked-ipv4" }

// BlockedIPv6Name is the IP set of a stage with the IPv6 addresses to block.
func BlockedIPv6Name(platform, stage string) string { return platform + "-" + stage + "-blocked-ipv6" }

// BlockListDescription is that of both IP sets. The response to findings gives it again with each change, which replaces it.
const BlockListDescription = "Blocked addresses, written by the response to findings and never by the template"

// AlarmName is an alarm of a stage, such as slipway-prod-error-rate.
func AlarmName(platform, stage, alarm string) string { return platform + "-" + stage + "-" + alarm }

// ServiceUnhealthy is the composite alarm of a stage's service: something that users notice.
const ServiceUnhealthy = "service-unhealthy"
