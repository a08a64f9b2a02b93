// Package finding reads GuardDuty's findings as EventBridge delivers them. Every field is optional: a block that is absent,
// null or of another type is left empty, never an error.
//
// Source of the names: https://docs.aws.amazon.com/guardduty/latest/APIReference/API_Finding.html, whose JSON the events
// have (https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings_eventbridge.html).
package finding

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
)

// Finding is what the response needs of a finding. Anything may be empty but the ID.
type Finding struct {
	ID       string // GuardDuty's; the same for each repetition. Without one: the event's, or a hash of it.
	Type     string
	Title    string
	Account  string
	Region   string
	Detector string
	Severity float64
	Count    int // how often it was seen
	LastSeen time.Time

	Archived bool
	Sample   bool   // made by CreateSampleFindings
	Resource string // Instance, AccessKey, S3Bucket, ECSCluster, …
	Role     string // ACTOR or TARGET

	Instance  *Instance
	AccessKey *AccessKey
	Buckets   []Bucket
	Cluster   *Cluster
	Database  string // identifier of an RDS instance
	Remotes   []Remote

	// Stack is the CloudFormation stack of the resource, by CloudFormation's own tag.
	Stack string
	// Odd says which part had another type than documented, and so was left out.
	Odd string
}

// Instance is an EC2 instance.
type Instance struct {
	ID   string
	VPC  string
	Tags map[string]string
}

// AccessKey is whose credentials were used.
type AccessKey struct {
	ID        string // AKIA… for long-term keys, ASIA… for temporary ones
	Principal string // unique ID, for a role's session with the session's name: AROA…:name
	User      string // name of the user or role
	UserType  string // IAMUser, AssumedRole, Role, Root, FederatedUser, AWSAccount, AWSService, …
}

// Bucket is an S3 bucket.
type Bucket struct {
	Name  string
	Owner string // canonical user ID
	Tags  map[string]string
}

// Cluster is an ECS cluster with the task that is concerned.
type Cluster struct {
	ARN            string
	Task           string // ARN
	TaskDefinition string // ARN
	Group          string // service:<name>, or family:<name> for a task that no service started
	Tags           map[string]string
}

// Remote is an address at the other end.
type Remote struct {
	Address string
	Inbound bool // it came to us: by what it did, and because our side was the target
}

// Ignored is the error of an event that is no finding.
type Ignored struct{ Why string }

func (i *Ignored) Error() string { return i.Why }

// Key shapes that GuardDuty's JSON has.
type (
	tag struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	}
	remoteIP struct {
		V4 string `json:"ipAddressV4"`
		V6 string `json:"ipAddressV6"`
	}
	event struct {
		ID         string  `json:"id"`
		Source     string  `json:"source"`
		DetailType string  `json:"detail-type"`
		Account    string  `json:"account"`
		Region     string  `json:"region"`
		Detail     *detail `json:"detail"`
	}
	detail struct {
		ID       string      `json:"id"`
		Type     string      `json:"type"`
		Title    string      `json:"title"`
		Account  string      `json:"accountId"`
		Region   string      `json:"region"`
		Severity json.Number `json:"severity"`
		Resource resource    `json:"resource"`
		Service  service     `json:"service"`
	}
	resource struct {
		Type     string `json:"resourceType"`
		Instance *struct {
			ID         string `json:"instanceId"`
			Tags       []tag  `json:"tags"`
			Interfaces []struct {
				VPC string `json:"vpcId"`
			} `json:"networkInterfaces"`
		} `json:"instanceDetails"`
		AccessKey *struct {
			ID        string `json:"accessKeyId"`
			Principal string `json:"principalId"`
			User      string `json:"userName"`
			Type      string `json:"userType"`
		} `json:"accessKeyDetails"`
		Buckets []struct {
			Name  string `json:"name"`
			ARN   string `json:"arn"`
			Owner struct {
				ID string `json:"id"`
			} `json:"owner"`
			Tags []tag `json:"tags"`
		} `json:"s3BucketDetails"`
		Cluster *struct {
			ARN  string `json:"arn"`
			Tags []tag  `json:"tags"`
			Task struct {
				ARN        string `json:"arn"`
				Definition string `json:"definitionArn"`
				Group      string `json:"group"`
				Tags       []tag  `json:"tags"`
			} `json:"taskDetails"`
		} `json:"ecsClusterDetails"`
		Database struct {
			ID   string `json:"dbInstanceIdentifier"`
			Tags []tag  `json:"tags"`
		} `json:"rdsDbInstanceDetails"`
	}
	service struct {
		Detector   string         `json:"detectorId"`
		Archived   bool           `json:"archived"`
		Role       string         `json:"resourceRole"`
		Count      int            `json:"count"`
		LastSeen   string         `json:"eventLastSeen"`
		Additional map[string]any `json:"additionalInfo"`
		Action     action         `json:"action"`
	}
	action struct {
		Connection struct {
			Direction string   `json:"connectionDirection"`
			Remote    remoteIP `json:"remoteIpDetails"`
		} `json:"networkConnectionAction"`
		Probe struct {
			Details []struct {
				Remote remoteIP `json:"remoteIpDetails"`
			} `json:"portProbeDetails"`
		} `json:"portProbeAction"`
		Call struct {
			Remote remoteIP `json:"remoteIpDetails"`
		} `json:"awsApiCallAction"`
		Login struct {
			Remote remoteIP `json:"remoteIpDetails"`
		} `json:"rdsLoginAttemptAction"`
	}
)

// Parse reads an event of EventBridge. The error is always an *Ignored, for what is no finding of GuardDuty.
func Parse(raw []byte) (Finding, error) {
	var e event
	odd := ""
	if err := json.Unmarshal(raw, &e); err != nil {
		// A value of the wrong type is skipped and the rest is read all the same: that is how encoding/json works.
		var wrong *json.UnmarshalTypeError
		if !errors.As(err, &wrong) {
			return Finding{}, &Ignored{"the event can't be read: " + err.Error()}
		}
		odd = fmt.Sprintf("%s is a JSON %s", wrong.Field, wrong.Value)
	}
	switch {
	case e.Source != "aws.guardduty" || e.DetailType != "GuardDuty Finding":
		return Finding{}, &Ignored{fmt.Sprintf("nothing is known of events %q of %q", e.DetailType, e.Source)}
	case e.Detail == nil:
		return Finding{}, &Ignored{"the event has no detail"}
	}
	d := e.Detail
	f := Finding{
		ID: first(d.ID, e.ID), Type: d.Type, Title: d.Title, Account: first(d.Account, e.Account), Region: first(d.Region, e.Region),
		Detector: d.Service.Detector, Count: d.Service.Count, Archived: d.Service.Archived, Sample: isSample(d.Service.Additional),
		Resource: d.Resource.Type, Role: d.Service.Role, Database: d.Resource.Database.ID, Odd: odd,
	}
	if f.ID == "" {
		sum := sha256.Sum256(raw)
		f.ID = "unnamed-" + hex.EncodeToString(sum[:8])
	}
	f.Severity, _ = d.Severity.Float64() // none: nothing matches it
	f.LastSeen, _ = time.Parse(time.RFC3339, d.Service.LastSeen)
	f.readResource(d.Resource)
	f.readRemotes(d.Service.Action)
	return f, nil
}

func (f *Finding) readResource(r resource) {
	stackOf := func(tags []tag) map[string]string {
		read := map[string]string{}
		for _, t := range tags {
			read[t.Key] = t.Value
		}
		f.Stack = first(f.Stack, read["aws:cloudformation:stack-name"])
		return read
	}
	if i := r.Instance; i != nil && i.ID != "" {
		f.Instance = &Instance{ID: i.ID, Tags: stackOf(i.Tags)}
		for _, n := range i.Interfaces {
			f.Instance.VPC = first(f.Instance.VPC, n.VPC)
		}
	}
	if k := r.AccessKey; k != nil && (k.ID != "" || k.User != "" || k.Type != "") {
		f.AccessKey = &AccessKey{ID: k.ID, Principal: k.Principal, User: k.User, UserType: k.Type}
	}
	for _, b := range r.Buckets {
		name := b.Name
		if _, after, ok := strings.Cut(b.ARN, ":::"); name == "" && ok {
			name, _, _ = strings.Cut(after, "/")
		}
		if name != "" {
			f.Buckets = append(f.Buckets, Bucket{Name: name, Owner: b.Owner.ID, Tags: stackOf(b.Tags)})
		}
	}
	if c := r.Cluster; c != nil && (c.ARN != "" || c.Task.ARN != "") {
		f.Cluster = &Cluster{ARN: c.ARN, Task: c.Task.ARN, TaskDefinition: c.Task.Definition, Group: c.Task.Group, Tags: stackOf(c.Task.Tags)}
		stackOf(c.Tags)
	}
	stackOf(r.Database.Tags)
}

// readRemotes collects the addresses at the other end. One that our resource called, as an actor, is no attacker who came in.
func (f *Finding) readRemotes(a action) {
	add := func(r remoteIP, inbound bool) {
		for _, address := range []string{r.V4, r.V6} {
			if address != "" {
				f.Remotes = append(f.Remotes, Remote{Address: address, Inbound: inbound && f.Role != "ACTOR"})
			}
		}
	}
	add(a.Connection.Remote, a.Connection.Direction == "INBOUND")
	for _, p := range a.Probe.Details {
		add(p.Remote, true)
	}
	add(a.Call.Remote, true)
	add(a.Login.Remote, true)
}

// isSample looks where samples say so: in additionalInfo itself, or in its value, which is JSON in a string.
func isSample(info map[string]any) bool {
	if info["sample"] == true {
		return true
	}
	text, _ := info["value"].(string)
	var value map[string]any
	if err := json.Unmarshal([]byte(text), &value); err != nil {
		return false
	}
	return value["sample"] == true
}

// Service is the name of the ECS service that started the task; empty if none did.
func (c *Cluster) Service() string {
	name, ok := strings.CutPrefix(c.Group, "service:")
	if !ok {
		return ""
	}
	return name
}

// Link is the finding's page in the console.
func (f Finding) Link() string {
	return fmt.Sprintf("https://%s.console.aws.amazon.com/guardduty/home?region=%s#/findings?macros=current&fId=%s", f.Region, f.Region, f.ID)
}

// Level is GuardDuty's word for the severity.
// Source: https://docs.aws.amazon.com/guardduty/latest/ug/guardduty_findings-severity.html
func (f Finding) Level() string {
	switch s := f.Severity; {
	case s >= 9:
		return "CRITICAL"
	case s >= 7:
		return "HIGH"
	case s >= 4:
		return "MEDIUM"
	case s > 0:
		return "LOW"
	}
	return "UNRATED"
}

func first(values ...string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}
