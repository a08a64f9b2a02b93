package config

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"slices"
)

var (
	privateRanges = []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"),
	}
	natModes  = []NATMode{NATPerZone, NATOne, NATInstance}
	endpoints = []string{"ecr", "logs", "secretsmanager"}
)

// located is a network with the path that a message names.
type located struct {
	path    string
	network netip.Prefix
}

func (v *validator) networks() {
	var vpcs []located
	for i, s := range v.cfg.Stages {
		path := item("stages", i) + ".network"
		if v.bad[item("stages", i)] || v.bad[path] {
			continue
		}
		v.outbound(path, s.Network)
		if vpc, ok := v.vpc(path+".cidr", s.Network.CIDR, vpcs); ok {
			vpcs = append(vpcs, vpc)
			v.subnets(path, s.Network)
		}
	}
}

func (v *validator) outbound(path string, n Network) {
	v.want(slices.Contains(natModes, n.NAT), path+".nat", quote(string(n.NAT)), "%s, %s or %s", NATPerZone, NATOne, NATInstance)
	for i, name := range n.InterfaceEndpoints {
		v.want(slices.Contains(endpoints, name), item(path+".interfaceEndpoints", i), quote(name), "%s", join(endpoints))
		v.want(slices.Index(n.InterfaceEndpoints, name) == i, item(path+".interfaceEndpoints", i), quote(name), "each endpoint once")
	}
}

// vpc checks a stage's range against the rules and against the stages before it.
func (v *validator) vpc(path string, cidr netip.Prefix, earlier []located) (located, bool) {
	got := "nothing"
	if cidr.IsValid() {
		got = cidr.String()
	}
	v.want(cidr.IsValid(), path, got, "an IPv4 network, such as 10.0.0.0/16")
	v.boundary(path, cidr)
	v.want(cidr.Bits() >= minVPCBits && cidr.Bits() <= maxVPCBits, path, got, "a network from /%d to /%d", minVPCBits, maxVPCBits)
	v.want(slices.ContainsFunc(privateRanges, func(r netip.Prefix) bool { return within(cidr, r) }), path, got,
		"a network in a private range: 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16")
	if v.bad[path] {
		return located{}, false
	}
	v.alone(path, cidr, earlier)
	return located{path, cidr}, true
}

func (v *validator) subnets(path string, n Network) {
	var earlier []located
	for _, group := range []struct {
		path     string
		networks []netip.Prefix
		mostBits int
		why      string
	}{
		{path + ".privateSubnets", n.PrivateSubnets, maxPrivateBits, "the smallest subnet in AWS"},
		{path + ".publicSubnets", n.PublicSubnets, maxPublicBits, "the smallest one that takes a load balancer"},
	} {
		v.want(len(group.networks) == zoneCount, group.path, fmt.Sprintf("%d subnets", len(group.networks)),
			"three, one for each zone, inside %s", n.CIDR)
		if !v.set[group.path] {
			continue
		}
		for i, subnet := range group.networks {
			p := item(group.path, i)
			if !subnet.IsValid() {
				continue // decoding said why
			}
			v.boundary(p, subnet)
			v.want(subnet.Bits() >= minVPCBits && subnet.Bits() <= group.mostBits, p, subnet.String(),
				"a network from /%d to /%d, %s", minVPCBits, group.mostBits, group.why)
			v.want(within(subnet, n.CIDR), p, subnet.String(), "a network inside the VPC's %s", n.CIDR)
			if v.bad[p] {
				continue
			}
			v.alone(p, subnet, earlier)
			earlier = append(earlier, located{p, subnet})
		}
	}
}

// boundary refuses a network that doesn't begin where a network of its size does, and says which one it lies in.
func (v *validator) boundary(path string, network netip.Prefix) {
	if network.IsValid() {
		v.want(networkStart(network), path, network.String(), "the boundary of a /%d network: %s lies in %s",
			network.Bits(), network.Addr(), network.Masked())
	}
}

// alone refuses a network that overlaps an earlier one.
func (v *validator) alone(path string, network netip.Prefix, earlier []located) {
	for _, e := range earlier {
		v.want(!network.Overlaps(e.network), path, network.String(), "a network that doesn't overlap %s of %s in line %d",
			e.network, e.path, v.line(e.path))
	}
}

func networkStart(p netip.Prefix) bool { return p.IsValid() && p.Masked() == p }

// within says whether inner lies wholly in outer.
func within(inner, outer netip.Prefix) bool {
	return inner.IsValid() && outer.IsValid() && inner.Bits() >= outer.Bits() && outer.Contains(inner.Addr())
}

// overlapsAny says whether p overlaps one of networks.
func overlapsAny(p netip.Prefix, networks []netip.Prefix) bool {
	return slices.ContainsFunc(networks, func(n netip.Prefix) bool { return n.IsValid() && n.Overlaps(p) })
}

// offset is the address n after an IPv4 address.
func offset(a netip.Addr, n uint32) netip.Addr {
	b := a.As4()
	binary.BigEndian.PutUint32(b[:], binary.BigEndian.Uint32(b[:])+n)
	return netip.AddrFrom4(b)
}
