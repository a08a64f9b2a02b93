package fakeaws

import (
	"cmp"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	logs "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs"
	logtypes "github.com/aws/aws-sdk-go-v2/service/cloudwatchlogs/types"
	"github.com/aws/aws-sdk-go-v2/service/ecr"
	ecrtypes "github.com/aws/aws-sdk-go-v2/service/ecr/types"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	r53types "github.com/aws/aws-sdk-go-v2/service/route53/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// Zone is a public hosted zone with its records, in Route 53's order: by the labels from the right.
type Zone struct {
	cloud *Cloud

	Name    string
	Records []r53types.ResourceRecordSet
	Page    int
}

// ZoneID is the fake zone's ID.
const ZoneID = "Z0123456789ABCDEFGHIJ"

// NewZone adds Route 53 with one zone to the cloud.
func NewZone(c *Cloud, name string) *Zone {
	z := &Zone{cloud: c, Name: name, Page: 300}
	On(c, "Route 53", z.zones)
	On(c, "Route 53", z.list)
	On(c, "Route 53", z.change)
	return z
}

// Add adds an A record with an address.
func (z *Zone) Add(name, address string) {
	z.Records = append(z.Records, r53types.ResourceRecordSet{
		Name: aws.String(name + "."), Type: r53types.RRTypeA, TTL: aws.Int64(60), ResourceRecords: []r53types.ResourceRecord{{Value: &address}},
	})
}

// Has says whether the name has a record.
func (z *Zone) Has(name string) bool {
	return slices.ContainsFunc(z.Records, func(r r53types.ResourceRecordSet) bool { return *r.Name == name+"." })
}

func (z *Zone) zones(in *route53.ListHostedZonesByNameInput) (*route53.ListHostedZonesByNameOutput, error) {
	name := z.Name + "."
	out := &route53.ListHostedZonesByNameOutput{HostedZones: []r53types.HostedZone{
		// A private zone of the same name, and one that only comes after the name asked for, as Route 53 answers.
		{Id: aws.String("/hostedzone/ZPRIVATE"), Name: &name, CallerReference: aws.String("1"), Config: &r53types.HostedZoneConfig{PrivateZone: true}},
		{Id: aws.String("/hostedzone/" + ZoneID), Name: &name, CallerReference: aws.String("2"), Config: &r53types.HostedZoneConfig{}},
		{Id: aws.String("/hostedzone/ZOTHER"), Name: aws.String("zz.example."), CallerReference: aws.String("3"), Config: &r53types.HostedZoneConfig{}},
	}}
	if aws.ToString(in.DNSName) != z.Name {
		out.HostedZones = out.HostedZones[2:]
	}
	return out, nil
}

// reversed is the key of Route 53's order: www.example.com. sorts as com.example.www.
func reversed(name string) string {
	labels := strings.Split(strings.TrimSuffix(strings.ToLower(name), "."), ".")
	slices.Reverse(labels)
	return strings.Join(labels, ".") + "."
}

func (z *Zone) list(in *route53.ListResourceRecordSetsInput) (*route53.ListResourceRecordSetsOutput, error) {
	size := int(aws.ToInt32(in.MaxItems))
	if size < 1 || size > 300 || aws.ToString(in.HostedZoneId) != ZoneID {
		return nil, z.cloud.refuse(Invalid("%d items of %s", size, aws.ToString(in.HostedZoneId)))
	}
	all := slices.Clone(z.Records)
	slices.SortStableFunc(all, func(a, b r53types.ResourceRecordSet) int {
		return cmp.Or(cmp.Compare(reversed(*a.Name), reversed(*b.Name)), cmp.Compare(a.Type, b.Type))
	})
	from := reversed(aws.ToString(in.StartRecordName))
	all = slices.DeleteFunc(all, func(r r53types.ResourceRecordSet) bool {
		name := reversed(*r.Name)
		return name < from || name == from && r.Type < in.StartRecordType
	})
	size = min(size, z.Page)
	out := &route53.ListResourceRecordSetsOutput{ResourceRecordSets: all[:min(size, len(all))], IsTruncated: len(all) > size, MaxItems: in.MaxItems}
	if out.IsTruncated {
		out.NextRecordName, out.NextRecordType, out.NextRecordIdentifier = all[size].Name, all[size].Type, all[size].SetIdentifier
	}
	return out, nil
}

func (z *Zone) change(in *route53.ChangeResourceRecordSetsInput) (*route53.ChangeResourceRecordSetsOutput, error) {
	left := slices.Clone(z.Records)
	for _, c := range in.ChangeBatch.Changes {
		if c.Action != r53types.ChangeActionDelete {
			return nil, z.cloud.refuse(Denied())
		}
		set := *c.ResourceRecordSet
		same := func(r r53types.ResourceRecordSet) bool {
			return *r.Name == *set.Name && r.Type == set.Type && aws.ToString(r.SetIdentifier) == aws.ToString(set.SetIdentifier)
		}
		i := slices.IndexFunc(left, same)
		problem := ""
		switch {
		case i < 0:
			problem = "it was not found"
		case !reflect.DeepEqual(left[i], set): // the TTL, each value, the alias: all of it
			problem = "the values provided do not match the current values"
		}
		if problem != "" { // and nothing of the batch is done
			return nil, &r53types.InvalidChangeBatch{Message: aws.String(fmt.Sprintf(
				"[Tried to delete resource record set [name='%s', type='%s'] but %s]", *set.Name, set.Type, problem))}
		}
		left = slices.Delete(left, i, i+1)
	}
	z.Records = left
	return &route53.ChangeResourceRecordSetsOutput{ChangeInfo: &r53types.ChangeInfo{Id: aws.String("1"), Status: r53types.ChangeStatusPending, SubmittedAt: aws.Time(time.Unix(0, 0))}}, nil
}

// LogGroups are the account's log groups, by name.
type LogGroups struct {
	cloud *Cloud

	Names []string
}

// NewLogGroups adds log groups to the cloud.
func NewLogGroups(c *Cloud) *LogGroups {
	l := &LogGroups{cloud: c}
	On(c, "CloudWatch Logs", func(in *logs.DescribeLogGroupsInput) (*logs.DescribeLogGroupsOutput, error) {
		size := int(aws.ToInt32(in.Limit))
		if size < 1 || size > 50 {
			return nil, c.refuse(Invalid("limit %d", size))
		}
		var found []logtypes.LogGroup
		for _, name := range slices.Sorted(slices.Values(l.Names)) {
			if strings.HasPrefix(name, aws.ToString(in.LogGroupNamePrefix)) {
				found = append(found, logtypes.LogGroup{LogGroupName: &name})
			}
		}
		part, next, err := page(c, found, in.NextToken, size)
		return &logs.DescribeLogGroupsOutput{LogGroups: part, NextToken: next}, err
	})
	On(c, "CloudWatch Logs", func(in *logs.DeleteLogGroupInput) (*logs.DeleteLogGroupOutput, error) {
		i := slices.Index(l.Names, *in.LogGroupName)
		if i < 0 {
			return nil, &logtypes.ResourceNotFoundException{Message: aws.String("The specified log group does not exist.")}
		}
		l.Names = slices.Delete(l.Names, i, i+1)
		return &logs.DeleteLogGroupOutput{}, nil
	})
	return l
}

// AllowDelete lets images be deleted. FailDelete makes some fail, with HTTP 200: digest → code.
func (e *ECR) AllowDelete(failures map[string]ecrtypes.ImageFailureCode) {
	On(e.cloud, "ECR", func(in *ecr.BatchDeleteImageInput) (*ecr.BatchDeleteImageOutput, error) {
		if n := len(in.ImageIds); n == 0 || n > 100 {
			return nil, e.cloud.refuse(&ecrtypes.InvalidParameterException{Message: aws.String(fmt.Sprintf("%d image IDs", n))})
		}
		out := &ecr.BatchDeleteImageOutput{}
		for _, id := range in.ImageIds {
			if id.ImageDigest == nil {
				return nil, e.cloud.refuse(Invalid("deleting by a tag leaves the image there"))
			}
			all := e.Repositories[*in.RepositoryName]
			i := slices.IndexFunc(all, func(d ecrtypes.ImageDetail) bool { return *d.ImageDigest == *id.ImageDigest })
			code := failures[*id.ImageDigest]
			if i < 0 {
				code = ecrtypes.ImageFailureCodeImageNotFound
			}
			if code != "" {
				out.Failures = append(out.Failures, ecrtypes.ImageFailure{ImageId: &id, FailureCode: code})
				continue
			}
			e.Repositories[*in.RepositoryName] = slices.Delete(all, i, i+1)
			out.ImageIds = append(out.ImageIds, id)
		}
		return out, nil
	})
}

// Has says whether the repository has an image with the digest.
func (e *ECR) Has(repository, digest string) bool {
	return slices.ContainsFunc(e.Repositories[repository], func(d ecrtypes.ImageDetail) bool { return *d.ImageDigest == digest })
}

// AllowFamilies lets task definition families be listed. A family whose revisions are all being deleted isn't listed any more.
func (e *ECS) AllowFamilies() {
	On(e.cloud, ecsID, func(in *ecs.ListTaskDefinitionFamiliesInput) (*ecs.ListTaskDefinitionFamiliesOutput, error) {
		size := aws.ToInt32(in.MaxResults)
		if size < 1 || size > 100 || in.Status != ecstypes.TaskDefinitionFamilyStatusAll {
			return nil, e.invalid("maxResults %d, status %s", size, in.Status)
		}
		var families []string
		for _, r := range e.Revisions {
			if strings.HasPrefix(r.Family, aws.ToString(in.FamilyPrefix)) && r.Status != ecstypes.TaskDefinitionStatusDeleteInProgress && !slices.Contains(families, r.Family) {
				families = append(families, r.Family)
			}
		}
		slices.Sort(families)
		part, next, err := page(e.cloud, families, in.NextToken, int(size))
		return &ecs.ListTaskDefinitionFamiliesOutput{Families: part, NextToken: next}, err
	})
}

// AllowSweep lets secrets be listed and deleted. Tags has those of each secret.
func (s *Secrets) AllowSweep(c *Cloud, tags map[string]map[string]string) {
	On(c, "Secrets Manager", func(in *secretsmanager.ListSecretsInput) (*secretsmanager.ListSecretsOutput, error) {
		size := int(aws.ToInt32(in.MaxResults))
		if size < 1 || size > 100 {
			return nil, c.refuse(Invalid("%d results", size))
		}
		var found []smtypes.SecretListEntry
		for _, arn := range slices.Sorted(func(yield func(string) bool) {
			for arn := range s.Values {
				if !yield(arn) {
					return
				}
			}
		}) {
			entry := smtypes.SecretListEntry{ARN: &arn}
			matches := len(in.Filters) == 0
			for k, v := range tags[arn] {
				entry.Tags = append(entry.Tags, smtypes.Tag{Key: &k, Value: &v})
				for _, f := range in.Filters {
					matches = matches || f.Key == smtypes.FilterNameStringTypeTagValue && strings.HasPrefix(v, f.Values[0])
				}
			}
			if matches {
				found = append(found, entry)
			}
		}
		part, next, err := page(c, found, in.NextToken, size)
		return &secretsmanager.ListSecretsOutput{SecretList: part, NextToken: next}, err
	})
	On(c, "Secrets Manager", func(in *secretsmanager.DeleteSecretInput) (*secretsmanager.DeleteSecretOutput, error) {
		if _, ok := s.Values[*in.SecretId]; !ok {
			return nil, &smtypes.ResourceNotFoundException{Message: aws.String("Secrets Manager can't find the specified secret.")}
		}
		delete(s.Values, *in.SecretId)
		return &secretsmanager.DeleteSecretOutput{}, nil
	})
}

// AllowSweep lets parameters be listed, read ten at a time, and deleted ten at a time.
func (s *SSM) AllowSweep(c *Cloud) {
	names := func() []string {
		return slices.Sorted(func(yield func(string) bool) {
			for name := range s.Parameters {
				if !yield(name) {
					return
				}
			}
		})
	}
	On(c, "SSM", func(in *ssm.DescribeParametersInput) (*ssm.DescribeParametersOutput, error) {
		size := int(aws.ToInt32(in.MaxResults))
		if size < 1 || size > 50 || len(in.ParameterFilters) != 1 || *in.ParameterFilters[0].Key != "Name" || *in.ParameterFilters[0].Option != "BeginsWith" {
			return nil, c.refuse(Invalid("%d results, filters %v", size, in.ParameterFilters))
		}
		var found []ssmtypes.ParameterMetadata
		for _, name := range names() {
			if strings.HasPrefix(name, in.ParameterFilters[0].Values[0]) {
				found = append(found, ssmtypes.ParameterMetadata{Name: &name})
			}
		}
		part, next, err := page(c, found, in.NextToken, size)
		return &ssm.DescribeParametersOutput{Parameters: part, NextToken: next}, err
	})
	s.AllowGetMany(c)
	On(c, "SSM", func(in *ssm.DeleteParametersInput) (*ssm.DeleteParametersOutput, error) {
		if n := len(in.Names); n == 0 || n > 10 {
			return nil, c.refuse(Invalid("%d names", n))
		}
		for _, name := range in.Names {
			delete(s.Parameters, name)
		}
		return &ssm.DeleteParametersOutput{}, nil
	})
}
