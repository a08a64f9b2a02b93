package remedy

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/wafv2"
	waftypes "github.com/aws/aws-sdk-go-v2/service/wafv2/types"

	"slipway/internal/contract"
	"slipway/lambdas/threatresponse/decide"
	"slipway/lambdas/threatresponse/finding"
)

// WAF are the calls for the block lists.
type WAF interface {
	GetIPSet(context.Context, *wafv2.GetIPSetInput, ...func(*wafv2.Options)) (*wafv2.GetIPSetOutput, error)
	UpdateIPSet(context.Context, *wafv2.UpdateIPSetInput, ...func(*wafv2.Options)) (*wafv2.UpdateIPSetOutput, error)
}

// SSM is the call that finds the block lists: the stages' stacks write their IDs.
type SSM interface {
	GetParameters(context.Context, *ssm.GetParametersInput, ...func(*ssm.Options)) (*ssm.GetParametersOutput, error)
}

type addressCalls interface {
	DescribeNetworkInterfaces(context.Context, *ec2.DescribeNetworkInterfacesInput, ...func(*ec2.Options)) (*ec2.DescribeNetworkInterfacesOutput, error)
}

// MaxBlocked is what an IP set holds.
// Source: https://docs.aws.amazon.com/waf/latest/developerguide/limits.html
const MaxBlocked = 10_000

const (
	parameterBatch = 10 // names in one GetParameters
	lockAttempts   = 12 // when others write the same list
)

// address blocks a remote address in the web ACLs of every stage of the account, until its time is over.
type address struct {
	waf WAF
	ssm SSM
	ec2 addressCalls
	Settings
}

type addressBefore struct {
	Lists []blockList `json:"lists"`
}

// blockList is a stage's IP set.
type blockList struct {
	Stage string `json:"stage"`
	Name  string `json:"name"`
	ID    string `json:"id"`
	// Had says that the address was in it already: someone else put it there, so it stays.
	Had bool `json:"had,omitempty"`
}

func (address) Action() string { return contract.ActionBlockAddress }

func (address) Families() []finding.Family {
	return []finding.Family{finding.EC2, finding.IAM, finding.S3, finding.RDS}
}

// Passes marks that each block ends.
func (address) Passes() {}

func (address) Targets(f finding.Finding, _ decide.Place) ([]decide.Target, []decide.Spared) {
	var targets []decide.Target
	var spared []decide.Spared
	for _, remote := range f.Remotes {
		a, ok := decide.Address(remote.Address)
		switch {
		case !ok:
			spared = append(spared, decide.Spared{What: fmt.Sprintf("%q", remote.Address), Why: "it is no address"})
		case !remote.Inbound:
			spared = append(spared, decide.Spared{What: a.String(), Why: "the connection went out to it: it didn't attack from there"})
		default:
			targets = append(targets, decide.Target{Kind: decide.KindAddress, ID: a.String()})
		}
	}
	return targets, spared
}

func parse(w Work) (netip.Addr, error) {
	a, ok := decide.Address(w.Target.ID)
	if !ok {
		return a, fmt.Errorf("block %q: it is no address", w.Target.ID)
	}
	return a, nil
}

// lists finds the block lists for the address's version. A stage without one isn't deployed yet.
func (r address) lists(ctx context.Context, a netip.Addr) ([]blockList, error) {
	key, name := contract.KeyBlockedIPv4ID, contract.BlockedIPv4Name
	if a.Is6() {
		key, name = contract.KeyBlockedIPv6ID, contract.BlockedIPv6Name
	}
	ids := map[string]string{}
	var names []string
	for _, stage := range r.Stages {
		names = append(names, contract.WAFParameter(r.Platform, stage, key))
	}
	for part := range slices.Chunk(names, parameterBatch) {
		out, err := r.ssm.GetParameters(ctx, &ssm.GetParametersInput{Names: part})
		if err != nil {
			return nil, fmt.Errorf("find the block lists: %w", err)
		}
		for _, p := range out.Parameters {
			ids[aws.ToString(p.Name)] = aws.ToString(p.Value)
		}
	}
	var lists []blockList
	for _, stage := range r.Stages {
		if id := ids[contract.WAFParameter(r.Platform, stage, key)]; id != "" {
			lists = append(lists, blockList{Stage: stage, Name: name(r.Platform, stage), ID: id})
		}
	}
	return lists, nil
}

func (r address) Capture(ctx context.Context, w Work) (json.RawMessage, error) {
	a, err := parse(w)
	if err != nil {
		return nil, err
	}
	own, err := r.isOurs(ctx, a)
	if err != nil {
		return nil, err
	}
	if own != "" {
		return nil, &Spare{"it is the account's own address, of network interface " + own}
	}
	lists, err := r.lists(ctx, a)
	if err != nil {
		return nil, err
	}
	if len(lists) == 0 {
		return nil, &Spare{"no stage here has a block list"}
	}
	for i, l := range lists {
		set, _, err := r.read(ctx, l)
		if err != nil {
			return nil, err
		}
		lists[i].Had = contains(set, a)
	}
	return remember(addressBefore{Lists: lists})
}

// isOurs finds the network interface behind an address: a NAT gateway's, a NAT instance's, a load balancer's.
func (r address) isOurs(ctx context.Context, a netip.Addr) (string, error) {
	filter := "association.public-ip"
	if a.Is6() {
		filter = "ipv6-addresses.ipv6-address"
	}
	out, err := r.ec2.DescribeNetworkInterfaces(ctx, &ec2.DescribeNetworkInterfacesInput{
		Filters: []ec2types.Filter{{Name: &filter, Values: []string{a.String()}}},
	})
	if err != nil {
		return "", fmt.Errorf("ask whether %s is the account's own: %w", a, err)
	}
	for _, n := range out.NetworkInterfaces {
		own := n.Association != nil && aws.ToString(n.Association.PublicIp) == a.String()
		for _, v6 := range n.Ipv6Addresses {
			has, ok := decide.Address(aws.ToString(v6.Ipv6Address))
			own = own || ok && has == a
		}
		if own {
			return aws.ToString(n.NetworkInterfaceId), nil
		}
	}
	return "", nil
}

func (r address) read(ctx context.Context, l blockList) ([]string, *string, error) {
	out, err := r.waf.GetIPSet(ctx, &wafv2.GetIPSetInput{Name: &l.Name, Id: &l.ID, Scope: waftypes.ScopeRegional})
	if err != nil {
		return nil, nil, fmt.Errorf("read the block list %s: %w", l.Name, err)
	}
	return out.IPSet.Addresses, out.LockToken, nil
}

// entry is how an IP set writes one address.
func entry(a netip.Addr) string { return netip.PrefixFrom(a, a.BitLen()).String() }

// contains compares addresses rather than text: WAF writes IPv6 addresses its own way.
func contains(set []string, a netip.Addr) bool { return index(set, a) >= 0 }

func index(set []string, a netip.Addr) int {
	return slices.IndexFunc(set, func(s string) bool {
		p, err := netip.ParsePrefix(s)
		return err == nil && p.Bits() == a.BitLen() && p.Addr().Unmap() == a
	})
}

// Excess counts what must go from the fullest list.
func (r address) Excess(ctx context.Context, w Work) (int, error) {
	before, err := recall[addressBefore](w)
	if err != nil {
		return 0, err
	}
	a, err := parse(w)
	if err != nil {
		return 0, err
	}
	excess := 0
	for _, l := range before.Lists {
		set, _, err := r.read(ctx, l)
		if err != nil {
			return 0, err
		}
		if !contains(set, a) {
			excess = max(excess, len(set)+1-MaxBlocked)
		}
	}
	return excess, nil
}

func (r address) Apply(ctx context.Context, w Work) ([]string, error) {
	before, err := recall[addressBefore](w)
	if err != nil {
		return nil, err
	}
	a, err := parse(w)
	if err != nil {
		return nil, err
	}
	var stages []string
	for _, l := range before.Lists {
		err := r.change(ctx, l, func(set []string) []string {
			if contains(set, a) {
				return set
			}
			return append(set, entry(a))
		})
		if err != nil {
			return nil, fmt.Errorf("block %s: %w", a, err)
		}
		stages = append(stages, l.Stage)
	}
	return []string{"blocked at the web ACLs of " + strings.Join(stages, ", ")}, nil
}

func (r address) Undo(ctx context.Context, w Work) ([]string, error) {
	before, err := recall[addressBefore](w)
	if err != nil {
		return nil, err
	}
	a, err := parse(w)
	if err != nil {
		return nil, err
	}
	var notes []string
	for _, l := range before.Lists {
		if l.Had {
			notes = append(notes, "stays blocked in "+l.Stage+", where someone else had blocked it before")
			continue
		}
		err := r.change(ctx, l, func(set []string) []string {
			if i := index(set, a); i >= 0 {
				return slices.Delete(set, i, i+1)
			}
			return set
		})
		var gone *waftypes.WAFNonexistentItemException
		if errors.As(err, &gone) {
			notes = append(notes, "the block list of "+l.Stage+" isn't there any more")
			continue
		}
		if err != nil {
			return notes, fmt.Errorf("unblock %s: %w", a, err)
		}
		notes = append(notes, "unblocked in "+l.Stage)
	}
	return notes, nil
}

// change rewrites a list. WAF takes the whole list, with a token that is good only if nobody else wrote meanwhile.
func (r address) change(ctx context.Context, l blockList, edit func([]string) []string) error {
	for attempt := 1; ; attempt++ {
		set, token, err := r.read(ctx, l)
		if err != nil {
			return err
		}
		edited := edit(slices.Clone(set))
		if slices.Equal(edited, set) {
			return nil
		}
		_, err = r.waf.UpdateIPSet(ctx, &wafv2.UpdateIPSetInput{
			Name: &l.Name, Id: &l.ID, Scope: waftypes.ScopeRegional, Addresses: edited, LockToken: token,
			// An update replaces the description too; this is the stack's.
			Description: aws.String(contract.BlockListDescription),
		})
		var locked *waftypes.WAFOptimisticLockException
		if errors.As(err, &locked) && attempt < lockAttempts {
			if err := r.Sleep(ctx, time.Duration(attempt)*100*time.Millisecond); err != nil {
				return err
			}
			continue
		}
		if err != nil {
			return fmt.Errorf("write the block list %s: %w", l.Name, err)
		}
		return nil
	}
}
