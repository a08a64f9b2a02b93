package decide

import (
	"net/netip"
)

// Kinds of targets that the plan itself looks at.
const (
	KindSessions = "sessions" // temporary credentials of a role or user: role/<name> or user/<name>
	KindKeys     = "keys"     // access keys of a user: user/<name>
	KindAddress  = "address"
)

// reserved are the networks that reach no attacker on the internet, besides what netip knows: carrier-grade NAT, benchmarks,
// protocol assignments, translation, discard.
// Source: https://www.iana.org/assignments/iana-ipv4-special-registry and …/iana-ipv6-special-registry
var reserved = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"),
	netip.MustParsePrefix("100.64.0.0/10"),
	netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"),
	netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b::/96"),
	netip.MustParsePrefix("64:ff9b:1::/48"),
	netip.MustParsePrefix("100::/64"),
	netip.MustParsePrefix("fec0::/10"), // site-local, deprecated and still in use
}

// Address reads an address of a finding. An IPv4 address inside an IPv6 one is the IPv4 address.
func Address(text string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(text)
	if err != nil || a.Zone() != "" {
		return netip.Addr{}, false
	}
	return a.Unmap(), true
}

// unblockable says why an address is never blocked; nothing if it may be.
func unblockable(text string, own []netip.Prefix) string {
	a, ok := Address(text)
	switch {
	case !ok:
		return "it is no address"
	case a.IsUnspecified(), a.IsLoopback(), a.IsPrivate(), a.IsLinkLocalUnicast(), a.IsMulticast(), a.IsInterfaceLocalMulticast():
		return "it is a private or local address"
	}
	for _, network := range reserved {
		if network.Contains(a) {
			return "it is in " + network.String() + ", which isn't on the internet"
		}
	}
	for _, network := range own {
		if network.Contains(a) {
			return "it is in the protected network " + network.String()
		}
	}
	return ""
}
