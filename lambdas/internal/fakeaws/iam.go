package fakeaws

import (
	"encoding/json"
	"net/url"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"
)

// IAM is the account's users and roles.
type IAM struct {
	cloud *Cloud
	Users map[string]*Principal
	Roles map[string]*Principal
}

// Principal is a user or a role.
type Principal struct {
	Path     string
	Tags     map[string]string
	Policies map[string]string // inline: name → document
	Keys     []*Key
}

// Key is an access key.
type Key struct {
	ID     string
	Status iamtypes.StatusType
}

// NewIAM adds IAM to the cloud.
func NewIAM(c *Cloud) *IAM {
	i := &IAM{cloud: c, Users: map[string]*Principal{}, Roles: map[string]*Principal{}}
	On(c, "IAM", func(in *iam.GetUserInput) (*iam.GetUserOutput, error) {
		p, err := i.find(i.Users, in.UserName)
		if err != nil {
			return nil, err
		}
		return &iam.GetUserOutput{User: &iamtypes.User{UserName: in.UserName, Path: &p.Path, Tags: p.tags()}}, nil
	})
	On(c, "IAM", func(in *iam.GetRoleInput) (*iam.GetRoleOutput, error) {
		p, err := i.find(i.Roles, in.RoleName)
		if err != nil {
			return nil, err
		}
		return &iam.GetRoleOutput{Role: &iamtypes.Role{RoleName: in.RoleName, Path: &p.Path, Tags: p.tags()}}, nil
	})
	On(c, "IAM", func(in *iam.ListAccessKeysInput) (*iam.ListAccessKeysOutput, error) {
		p, err := i.find(i.Users, in.UserName)
		if err != nil {
			return nil, err
		}
		part, next, err := page(c, p.Keys, in.Marker, 1) // IAM may answer fewer than asked for
		out := &iam.ListAccessKeysOutput{Marker: next, IsTruncated: next != nil}
		for _, k := range part {
			out.AccessKeyMetadata = append(out.AccessKeyMetadata, iamtypes.AccessKeyMetadata{UserName: in.UserName, AccessKeyId: &k.ID, Status: k.Status})
		}
		return out, err
	})
	On(c, "IAM", i.updateKey)
	On(c, "IAM", func(in *iam.GetUserPolicyInput) (*iam.GetUserPolicyOutput, error) {
		document, err := i.policy(i.Users, in.UserName, in.PolicyName)
		return &iam.GetUserPolicyOutput{UserName: in.UserName, PolicyName: in.PolicyName, PolicyDocument: document}, err
	})
	On(c, "IAM", func(in *iam.GetRolePolicyInput) (*iam.GetRolePolicyOutput, error) {
		document, err := i.policy(i.Roles, in.RoleName, in.PolicyName)
		return &iam.GetRolePolicyOutput{RoleName: in.RoleName, PolicyName: in.PolicyName, PolicyDocument: document}, err
	})
	On(c, "IAM", func(in *iam.PutUserPolicyInput) (*iam.PutUserPolicyOutput, error) {
		return &iam.PutUserPolicyOutput{}, i.put(i.Users, in.UserName, in.PolicyName, in.PolicyDocument)
	})
	On(c, "IAM", func(in *iam.PutRolePolicyInput) (*iam.PutRolePolicyOutput, error) {
		return &iam.PutRolePolicyOutput{}, i.put(i.Roles, in.RoleName, in.PolicyName, in.PolicyDocument)
	})
	On(c, "IAM", func(in *iam.DeleteUserPolicyInput) (*iam.DeleteUserPolicyOutput, error) {
		return &iam.DeleteUserPolicyOutput{}, i.remove(i.Users, in.UserName, in.PolicyName)
	})
	On(c, "IAM", func(in *iam.DeleteRolePolicyInput) (*iam.DeleteRolePolicyOutput, error) {
		return &iam.DeleteRolePolicyOutput{}, i.remove(i.Roles, in.RoleName, in.PolicyName)
	})
	return i
}

func (p *Principal) tags() (tags []iamtypes.Tag) {
	for k, v := range p.Tags {
		tags = append(tags, iamtypes.Tag{Key: &k, Value: &v})
	}
	return tags
}

// find refuses a call without a name: IAM would take the caller's own user, which is never what is meant.
func (i *IAM) find(among map[string]*Principal, name *string) (*Principal, error) {
	if aws.ToString(name) == "" {
		return nil, i.cloud.refuse(Invalid("the call names nobody"))
	}
	p := among[*name]
	if p == nil {
		return nil, &iamtypes.NoSuchEntityException{Message: aws.String("The principal " + *name + " cannot be found.")}
	}
	return p, nil
}

func (i *IAM) updateKey(in *iam.UpdateAccessKeyInput) (*iam.UpdateAccessKeyOutput, error) {
	p, err := i.find(i.Users, in.UserName)
	if err != nil {
		return nil, err
	}
	if strings.HasPrefix(*in.AccessKeyId, "ASIA") {
		return nil, i.cloud.refuse(&iamtypes.NoSuchEntityException{Message: aws.String("temporary keys have no status")})
	}
	for _, k := range p.Keys {
		if k.ID == *in.AccessKeyId {
			k.Status = in.Status
			return &iam.UpdateAccessKeyOutput{}, nil
		}
	}
	return nil, &iamtypes.NoSuchEntityException{Message: aws.String("The Access Key with id " + *in.AccessKeyId + " cannot be found.")}
}

// policy answers the document percent-encoded, as IAM does.
func (i *IAM) policy(among map[string]*Principal, principal, name *string) (*string, error) {
	p, err := i.find(among, principal)
	if err != nil {
		return nil, err
	}
	document, ok := p.Policies[*name]
	if !ok {
		return nil, &iamtypes.NoSuchEntityException{Message: aws.String("The policy cannot be found.")}
	}
	return aws.String(url.PathEscape(document)), nil
}

func (i *IAM) put(among map[string]*Principal, principal, name, document *string) error {
	p, err := i.find(among, principal)
	switch {
	case err != nil:
		return err
	case strings.HasPrefix(p.Path, "/aws-service-role/"):
		return i.cloud.refuse(&iamtypes.UnmodifiableEntityException{Message: aws.String("Cannot perform the operation on the protected role")})
	case !json.Valid([]byte(*document)) || len(*name) > 128:
		return i.cloud.refuse(&iamtypes.MalformedPolicyDocumentException{Message: document})
	}
	size := 0
	for other, text := range p.Policies {
		if other != *name {
			size += len(text)
		}
	}
	if size+len(*document) > 2048 {
		return &iamtypes.LimitExceededException{Message: aws.String("Maximum policy size of 2048 bytes exceeded")}
	}
	if p.Policies == nil {
		p.Policies = map[string]string{}
	}
	p.Policies[*name] = *document
	return nil
}

func (i *IAM) remove(among map[string]*Principal, principal, name *string) error {
	p, err := i.find(among, principal)
	if err != nil {
		return err
	}
	if _, ok := p.Policies[*name]; !ok {
		return &iamtypes.NoSuchEntityException{Message: aws.String("The policy cannot be found.")}
	}
	if delete(p.Policies, *name); len(p.Policies) == 0 {
		p.Policies = nil
	}
	return nil
}
