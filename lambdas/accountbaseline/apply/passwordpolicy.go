package apply

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"slipway/internal/contract"
	"slipway/lambdas/accountbaseline/decide"
)

// IAM holds the account's password policy, and makes the service-linked role of AWS Config.
type IAM interface {
	GetAccountPasswordPolicy(context.Context, *iam.GetAccountPasswordPolicyInput, ...func(*iam.Options)) (*iam.GetAccountPasswordPolicyOutput, error)
	UpdateAccountPasswordPolicy(context.Context, *iam.UpdateAccountPasswordPolicyInput, ...func(*iam.Options)) (*iam.UpdateAccountPasswordPolicyOutput, error)
	DeleteAccountPasswordPolicy(context.Context, *iam.DeleteAccountPasswordPolicyInput, ...func(*iam.Options)) (*iam.DeleteAccountPasswordPolicyOutput, error)
	CreateServiceLinkedRole(context.Context, *iam.CreateServiceLinkedRoleInput, ...func(*iam.Options)) (*iam.CreateServiceLinkedRoleOutput, error)
}

type passwordPolicy struct{ iam IAM }

func (p passwordPolicy) Read(ctx context.Context) (decide.State, error) {
	out, err := p.iam.GetAccountPasswordPolicy(ctx, &iam.GetAccountPasswordPolicyInput{})
	var none *iamtypes.NoSuchEntityException
	if errors.As(err, &none) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	policy := out.PasswordPolicy
	return decide.State{
		contract.KeyMinimumLength:  number(policy.MinimumPasswordLength),
		contract.KeyReuse:          number(policy.PasswordReusePrevention),
		contract.KeyMaxAge:         number(policy.MaxPasswordAge),
		contract.KeyUppercase:      strconv.FormatBool(policy.RequireUppercaseCharacters),
		contract.KeyLowercase:      strconv.FormatBool(policy.RequireLowercaseCharacters),
		contract.KeyNumbers:        strconv.FormatBool(policy.RequireNumbers),
		contract.KeySymbols:        strconv.FormatBool(policy.RequireSymbols),
		contract.KeyChangeTheirOwn: strconv.FormatBool(policy.AllowUsersToChangePassword),
		contract.KeyHardExpiry:     strconv.FormatBool(aws.ToBool(policy.HardExpiry)),
	}, nil
}

// Write sets the whole policy: what UpdateAccountPasswordPolicy isn't told goes back to IAM's default, so it is told all.
func (p passwordPolicy) Write(ctx context.Context, from, to decide.State) (decide.State, error) {
	if to == nil {
		_, err := p.iam.DeleteAccountPasswordPolicy(ctx, &iam.DeleteAccountPasswordPolicyInput{})
		var none *iamtypes.NoSuchEntityException
		if errors.As(err, &none) {
			err = nil
		}
		return nil, err
	}
	all := decide.Over(from, to)
	in := &iam.UpdateAccountPasswordPolicyInput{
		RequireUppercaseCharacters: all[contract.KeyUppercase] == contract.On,
		RequireLowercaseCharacters: all[contract.KeyLowercase] == contract.On,
		RequireNumbers:             all[contract.KeyNumbers] == contract.On,
		RequireSymbols:             all[contract.KeySymbols] == contract.On,
		AllowUsersToChangePassword: all[contract.KeyChangeTheirOwn] == contract.On,
		HardExpiry:                 aws.Bool(all[contract.KeyHardExpiry] == contract.On),
	}
	var faults []error
	for key, field := range map[string]**int32{
		contract.KeyMinimumLength: &in.MinimumPasswordLength, contract.KeyReuse: &in.PasswordReusePrevention, contract.KeyMaxAge: &in.MaxPasswordAge,
	} {
		n, err := strconv.ParseInt(all[key], 10, 32)
		if err != nil {
			faults = append(faults, fmt.Errorf("%s is %q; give it a number", key, all[key]))
		}
		if n > 0 { // IAM takes no 0: absent means never
			*field = aws.Int32(int32(n))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	_, err := p.iam.UpdateAccountPasswordPolicy(ctx, in)
	return nil, err
}

func number(n *int32) string { return strconv.Itoa(int(aws.ToInt32(n))) }
