package fakeaws

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
	"github.com/aws/aws-sdk-go-v2/service/guardduty"
	gdtypes "github.com/aws/aws-sdk-go-v2/service/guardduty/types"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	s3types "github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/aws/aws-sdk-go-v2/service/wafv2"
	waftypes "github.com/aws/aws-sdk-go-v2/service/wafv2/types"
)

// WAF are the Region's IP sets.
type WAF struct {
	cloud *Cloud
	Sets  map[string]*IPSet // by name
	// Race lets someone else write a set that many times between a read and a write.
	Race int
}

// IPSet is an IP set.
type IPSet struct {
	ID        string
	V6        bool
	Addresses []string
	lock      int
}

// NewWAF adds WAF to the cloud.
func NewWAF(c *Cloud) *WAF {
	w := &WAF{cloud: c, Sets: map[string]*IPSet{}}
	On(c, "WAFV2", w.get)
	On(c, "WAFV2", w.update)
	return w
}

func (w *WAF) find(name, id *string, scope waftypes.Scope) (*IPSet, error) {
	set := w.Sets[aws.ToString(name)]
	if set == nil || set.ID != aws.ToString(id) || scope != waftypes.ScopeRegional {
		return nil, &waftypes.WAFNonexistentItemException{Message: aws.String("AWS WAF couldn't perform the operation because your resource doesn't exist.")}
	}
	return set, nil
}

func (w *WAF) get(in *wafv2.GetIPSetInput) (*wafv2.GetIPSetOutput, error) {
	set, err := w.find(in.Name, in.Id, in.Scope)
	if err != nil {
		return nil, err
	}
	out := &wafv2.GetIPSetOutput{IPSet: &waftypes.IPSet{Name: in.Name, Id: in.Id}, LockToken: aws.String(fmt.Sprint(set.lock))}
	for _, a := range set.Addresses {
		p := netip.MustParsePrefix(a)
		text := p.String()
		if p.Addr().Is6() { // WAF writes them in full
			text = fmt.Sprintf("%s/%d", p.Addr().StringExpanded(), p.Bits())
		}
		out.IPSet.Addresses = append(out.IPSet.Addresses, text)
	}
	if w.Race > 0 {
		w.Race--
		set.lock++
	}
	return out, nil
}

func (w *WAF) update(in *wafv2.UpdateIPSetInput) (*wafv2.UpdateIPSetOutput, error) {
	set, err := w.find(in.Name, in.Id, in.Scope)
	if err != nil {
		return nil, err
	}
	if aws.ToString(in.LockToken) != fmt.Sprint(set.lock) {
		return nil, &waftypes.WAFOptimisticLockException{Message: aws.String("AWS WAF couldn't save your changes because someone changed the resource after you started to edit it.")}
	}
	if len(in.Addresses) > 10_000 {
		return nil, w.cloud.refuse(&waftypes.WAFLimitsExceededException{Message: aws.String("too many addresses")})
	}
	var addresses []string
	for _, a := range in.Addresses {
		p, err := netip.ParsePrefix(a)
		if err != nil || p.Addr().Is6() != set.V6 || p.Bits() == 0 || p != p.Masked() {
			return nil, w.cloud.refuse(&waftypes.WAFInvalidParameterException{Message: aws.String("address " + a)})
		}
		if !slices.Contains(addresses, p.String()) {
			addresses = append(addresses, p.String())
		}
	}
	set.Addresses = addresses
	set.lock++
	return &wafv2.UpdateIPSetOutput{NextLockToken: aws.String(fmt.Sprint(set.lock))}, nil
}

// AllowGetMany lets the cloud answer GetParameters.
func (s *SSM) AllowGetMany(c *Cloud) {
	On(c, "SSM", func(in *ssm.GetParametersInput) (*ssm.GetParametersOutput, error) {
		if n := len(in.Names); n == 0 || n > 10 {
			return nil, c.refuse(Invalid("%d names, 1 to 10 are allowed", n))
		}
		out := &ssm.GetParametersOutput{}
		for _, name := range in.Names {
			if value, ok := s.Parameters[name]; ok {
				out.Parameters = append(out.Parameters, ssmtypes.Parameter{Name: &name, Value: &value})
			} else {
				out.InvalidParameters = append(out.InvalidParameters, name)
			}
		}
		return out, nil
	})
}

// Buckets are the account's S3 buckets.
type Buckets struct {
	cloud *Cloud
	Named map[string]*Bucket
}

// Bucket is a bucket.
type Bucket struct {
	Tags   map[string]string
	Block  *s3types.PublicAccessBlockConfiguration
	Policy string
	Owner  string // another account
}

// NewBuckets adds S3 to the cloud.
func NewBuckets(c *Cloud) *Buckets {
	b := &Buckets{cloud: c, Named: map[string]*Bucket{}}
	On(c, "S3", func(in *s3.GetBucketTaggingInput) (*s3.GetBucketTaggingOutput, error) {
		bucket, err := b.find(in.Bucket, in.ExpectedBucketOwner)
		if err != nil {
			return nil, err
		}
		if len(bucket.Tags) == 0 {
			return nil, coded("NoSuchTagSet", "The TagSet does not exist")
		}
		out := &s3.GetBucketTaggingOutput{}
		for k, v := range bucket.Tags {
			out.TagSet = append(out.TagSet, s3types.Tag{Key: &k, Value: &v})
		}
		return out, nil
	})
	On(c, "S3", func(in *s3.GetPublicAccessBlockInput) (*s3.GetPublicAccessBlockOutput, error) {
		bucket, err := b.find(in.Bucket, in.ExpectedBucketOwner)
		if err != nil {
			return nil, err
		}
		if bucket.Block == nil {
			return nil, coded("NoSuchPublicAccessBlockConfiguration", "The public access block configuration was not found")
		}
		return &s3.GetPublicAccessBlockOutput{PublicAccessBlockConfiguration: bucket.Block}, nil
	})
	On(c, "S3", func(in *s3.PutPublicAccessBlockInput) (*s3.PutPublicAccessBlockOutput, error) {
		bucket, err := b.find(in.Bucket, in.ExpectedBucketOwner)
		if err != nil {
			return nil, err
		}
		set := *in.PublicAccessBlockConfiguration
		bucket.Block = &set
		return &s3.PutPublicAccessBlockOutput{}, nil
	})
	On(c, "S3", func(in *s3.DeletePublicAccessBlockInput) (*s3.DeletePublicAccessBlockOutput, error) {
		bucket, err := b.find(in.Bucket, in.ExpectedBucketOwner)
		if err != nil {
			return nil, err
		}
		bucket.Block = nil
		return &s3.DeletePublicAccessBlockOutput{}, nil
	})
	return b
}

func (b *Buckets) find(name, owner *string) (*Bucket, error) {
	bucket := b.Named[aws.ToString(name)]
	switch {
	case aws.ToString(owner) == "":
		return nil, b.cloud.refuse(Invalid("without the owner the call might reach another account's bucket of that name"))
	case bucket == nil:
		return nil, coded("NoSuchBucket", "The specified bucket does not exist")
	case bucket.Owner != "" && bucket.Owner != *owner:
		return nil, coded("AccessDenied", "Access Denied")
	}
	return bucket, nil
}

// Findings is GuardDuty's list of findings.
type Findings struct {
	cloud    *Cloud
	Detector string
	Archived map[string]bool
	Comments map[string]string
}

// NewFindings adds GuardDuty to the cloud.
func NewFindings(c *Cloud, detector string) *Findings {
	f := &Findings{cloud: c, Detector: detector, Archived: map[string]bool{}, Comments: map[string]string{}}
	check := func(detector *string, ids []string) error {
		if aws.ToString(detector) != f.Detector || len(ids) == 0 || len(ids) > 50 {
			return c.refuse(&gdtypes.BadRequestException{Message: aws.String("The request is rejected because the input detectorId is not owned by the current account.")})
		}
		return nil
	}
	On(c, "GuardDuty", func(in *guardduty.ArchiveFindingsInput) (*guardduty.ArchiveFindingsOutput, error) {
		if err := check(in.DetectorId, in.FindingIds); err != nil {
			return nil, err
		}
		for _, id := range in.FindingIds {
			f.Archived[id] = true
		}
		return &guardduty.ArchiveFindingsOutput{}, nil
	})
	On(c, "GuardDuty", func(in *guardduty.UnarchiveFindingsInput) (*guardduty.UnarchiveFindingsOutput, error) {
		if err := check(in.DetectorId, in.FindingIds); err != nil {
			return nil, err
		}
		for _, id := range in.FindingIds {
			delete(f.Archived, id)
		}
		return &guardduty.UnarchiveFindingsOutput{}, nil
	})
	On(c, "GuardDuty", func(in *guardduty.UpdateFindingsFeedbackInput) (*guardduty.UpdateFindingsFeedbackOutput, error) {
		if err := check(in.DetectorId, in.FindingIds); err != nil {
			return nil, err
		}
		for _, id := range in.FindingIds {
			f.Comments[id] = aws.ToString(in.Comments)
		}
		return &guardduty.UpdateFindingsFeedbackOutput{}, nil
	})
	return f
}

// Deployments are a service's tasks that may be stopped, and the revisions that ECS deployed.
type Deployments struct {
	cloud *Cloud
	ecs   *ECS
	Tasks map[string]string // ARN → RUNNING or STOPPED
	// Good are the task definitions of the successful deployments, the newest first.
	Good []string
}

// NewDeployments adds tasks and deployments to the cloud.
func NewDeployments(c *Cloud, e *ECS) *Deployments {
	d := &Deployments{cloud: c, ecs: e, Tasks: map[string]string{}}
	On(c, ecsID, func(in *ecs.StopTaskInput) (*ecs.StopTaskOutput, error) {
		if err := e.checkCluster(in.Cluster); err != nil {
			return nil, err
		}
		if len(aws.ToString(in.Reason)) > 1024 {
			return nil, e.invalid("the reason is too long")
		}
		if d.Tasks[*in.Task] == "" {
			return nil, &ecstypes.InvalidParameterException{Message: aws.String("The referenced task was not found.")}
		}
		d.Tasks[*in.Task] = "STOPPED"
		return &ecs.StopTaskOutput{}, nil
	})
	revision := func(n int) string {
		return fmt.Sprintf("arn:aws:ecs:%s:%s:service-revision/%s/app/%d", Region, Account, e.cluster, n)
	}
	On(c, ecsID, func(in *ecs.ListServiceDeploymentsInput) (*ecs.ListServiceDeploymentsOutput, error) {
		if err := e.checkCluster(in.Cluster); err != nil {
			return nil, err
		}
		if e.Service(aws.ToString(in.Service)) == nil || aws.ToInt32(in.MaxResults) > 100 {
			return nil, &ecstypes.ServiceNotFoundException{}
		}
		out := &ecs.ListServiceDeploymentsOutput{}
		for n := range d.Good {
			out.ServiceDeployments = append(out.ServiceDeployments, ecstypes.ServiceDeploymentBrief{TargetServiceRevisionArn: aws.String(revision(n))})
		}
		return out, nil
	})
	On(c, ecsID, func(in *ecs.DescribeServiceRevisionsInput) (*ecs.DescribeServiceRevisionsOutput, error) {
		if n := len(in.ServiceRevisionArns); n == 0 || n > 20 {
			return nil, e.invalid("%d revisions, 1 to 20 are allowed", n)
		}
		out := &ecs.DescribeServiceRevisionsOutput{}
		for _, arn := range in.ServiceRevisionArns {
			n := 0
			if _, err := fmt.Sscanf(arn[strings.LastIndex(arn, "/")+1:], "%d", &n); err == nil && n < len(d.Good) {
				out.ServiceRevisions = append(out.ServiceRevisions, ecstypes.ServiceRevision{ServiceRevisionArn: &arn, TaskDefinition: &d.Good[n]})
			}
		}
		return out, nil
	})
	return d
}
