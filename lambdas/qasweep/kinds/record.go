package kinds

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53types "github.com/aws/aws-sdk-go-v2/service/route53/types"

	"slipway/internal/contract"
	"slipway/lambdas/qasweep/decide"
)

// Records sweeps DNS records. The platform needs none for an environment, since a wildcard serves all; people make them by hand.
type Records struct {
	Platform
	Zone   string // name of the hosted zone
	Client interface {
		ListHostedZonesByName(context.Context, *route53.ListHostedZonesByNameInput, ...func(*route53.Options)) (*route53.ListHostedZonesByNameOutput, error)
		ListResourceRecordSets(context.Context, *route53.ListResourceRecordSetsInput, ...func(*route53.Options)) (*route53.ListResourceRecordSetsOutput, error)
		ChangeResourceRecordSets(context.Context, *route53.ChangeResourceRecordSetsInput, ...func(*route53.Options)) (*route53.ChangeResourceRecordSetsOutput, error)
	}
	found map[string]r53types.ResourceRecordSet // ID → the exact record, which Route 53 wants for its deletion
	zone  string                                // ID
}

// Kinds are the kinds it sweeps.
func (*Records) Kinds() []decide.Kind { return []decide.Kind{decide.Record} }

// List finds addresses of <slug>.qa.<domain>. Route 53 orders names from their ends, so those below qa.<domain> follow each other.
func (r *Records) List(ctx context.Context) (pieces []decide.Piece, err error) {
	r.found = map[string]r53types.ResourceRecordSet{}
	zones, err := r.Client.ListHostedZonesByName(ctx, &route53.ListHostedZonesByNameInput{DNSName: &r.Zone, MaxItems: aws.Int32(10)})
	if err != nil {
		return nil, fmt.Errorf("find the hosted zone %s: %w", r.Zone, err)
	}
	r.zone = ""
	for _, z := range zones.HostedZones {
		if strings.TrimSuffix(aws.ToString(z.Name), ".") == r.Zone && (z.Config == nil || !z.Config.PrivateZone) {
			if r.zone != "" {
				return nil, fmt.Errorf("find the hosted zone %s: there are two public ones; delete the one that isn't delegated", r.Zone)
			}
			r.zone = strings.TrimPrefix(aws.ToString(z.Id), "/hostedzone/")
		}
	}
	if r.zone == "" {
		return nil, nil // in another account, or not there yet
	}
	domain := contract.QADomain(r.Domain)
	in := &route53.ListResourceRecordSetsInput{HostedZoneId: &r.zone, StartRecordName: &domain, MaxItems: aws.Int32(300)}
	for {
		page, err := r.Client.ListResourceRecordSets(ctx, in)
		if err != nil {
			return nil, fmt.Errorf("list the records of %s: %w", r.Zone, err)
		}
		for _, set := range page.ResourceRecordSets {
			name := strings.TrimSuffix(strings.ToLower(aws.ToString(set.Name)), ".")
			if name != domain && !strings.HasSuffix(name, "."+domain) {
				return pieces, nil // past them
			}
			slug, ok := r.slugOfHost(name)
			address := set.Type == r53types.RRTypeA || set.Type == r53types.RRTypeAaaa || set.Type == r53types.RRTypeCname
			if !ok || !address {
				continue
			}
			id := name + " " + string(set.Type) + " " + aws.ToString(set.SetIdentifier)
			r.found[id] = set
			pieces = append(pieces, decide.Piece{Kind: decide.Record, ID: strings.TrimSpace(id), Environment: slug})
			r.found[strings.TrimSpace(id)] = set
		}
		if !page.IsTruncated {
			return pieces, nil
		}
		in.StartRecordName, in.StartRecordType, in.StartRecordIdentifier = page.NextRecordName, page.NextRecordType, page.NextRecordIdentifier
	}
}

// Delete deletes the records exactly as they were listed. A record that changed or went since isn't there in that form.
func (r *Records) Delete(ctx context.Context, pieces []decide.Piece) error {
	for _, p := range pieces { // one by one: a batch that holds a missing record does nothing at all
		set, ok := r.found[p.ID]
		if !ok {
			return fmt.Errorf("delete DNS record %s: it was not listed", p.ID)
		}
		_, err := r.Client.ChangeResourceRecordSets(ctx, &route53.ChangeResourceRecordSetsInput{
			HostedZoneId: &r.zone,
			ChangeBatch:  &r53types.ChangeBatch{Changes: []r53types.Change{{Action: r53types.ChangeActionDelete, ResourceRecordSet: &set}}},
		})
		switch {
		case err == nil, isGone(err, "InvalidChangeBatch") && strings.Contains(err.Error(), "not found"):
		case isGone(err, "InvalidChangeBatch") && strings.Contains(err.Error(), "do not match"):
			return fmt.Errorf("delete DNS record %s: someone changed it meanwhile: %w", p.ID, err)
		default:
			return fmt.Errorf("delete DNS record %s: %w", p.ID, err)
		}
	}
	return nil
}
