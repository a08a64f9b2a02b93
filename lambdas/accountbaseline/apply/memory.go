package apply

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"slipway/lambdas/accountbaseline/decide"
)

// SSM keeps what was before.
type SSM interface {
	GetParameter(context.Context, *ssm.GetParameterInput, ...func(*ssm.Options)) (*ssm.GetParameterOutput, error)
	PutParameter(context.Context, *ssm.PutParameterInput, ...func(*ssm.Options)) (*ssm.PutParameterOutput, error)
	DeleteParameter(context.Context, *ssm.DeleteParameterInput, ...func(*ssm.Options)) (*ssm.DeleteParameterOutput, error)
}

// Memory is one SSM parameter for each setting. CloudFormation hands a Delete nothing but properties and the physical ID,
// and both are fixed before the first state has been read.
type Memory struct{ SSM SSM }

// Load reads a memory; found is false if there is none.
func (m Memory) Load(ctx context.Context, name string) (memory decide.Memory, found bool, err error) {
	out, err := m.SSM.GetParameter(ctx, &ssm.GetParameterInput{Name: &name})
	var none *ssmtypes.ParameterNotFound
	if errors.As(err, &none) {
		return decide.Memory{}, false, nil
	}
	if err != nil {
		return decide.Memory{}, false, fmt.Errorf("read parameter %s, which says what was before: %w; deploy again", name, err)
	}
	if memory, err = decide.DecodeMemory(aws.ToString(out.Parameter.Value)); err != nil {
		return decide.Memory{}, false, fmt.Errorf("parameter %s: %w", name, err)
	}
	return memory, true, nil
}

// Save writes that a state is going to be set, and returns the memory that holds. The first write doesn't overwrite: if the
// same event comes twice at once, only one of the two saw the state of before.
func (m Memory) Save(ctx context.Context, name string, memory decide.Memory, found bool, to decide.State) (decide.Memory, error) {
	remembering, changed := memory.Remembering(to)
	if found && !changed {
		return memory, nil
	}
	err := m.put(ctx, name, remembering, found)
	var exists *ssmtypes.ParameterAlreadyExists
	if errors.As(err, &exists) && !found {
		kept, found, err := m.Load(ctx, name)
		if err != nil || !found {
			return memory, errors.Join(fmt.Errorf("parameter %s was there and isn't; deploy again", name), err)
		}
		return m.Save(ctx, name, kept, true, to)
	}
	if err != nil {
		return memory, err
	}
	return remembering, nil
}

// Done writes that what was asked for was reached.
func (m Memory) Done(ctx context.Context, name string, memory decide.Memory) error {
	if memory.Done {
		return nil
	}
	memory.Done = true
	return m.put(ctx, name, memory, true)
}

// Undone writes that the thing is about to go, so that what is left of it after a failure is half made again.
func (m Memory) Undone(ctx context.Context, name string, memory decide.Memory) error {
	if !memory.Done {
		return nil
	}
	memory.Done = false
	return m.put(ctx, name, memory, true)
}

func (m Memory) put(ctx context.Context, name string, memory decide.Memory, overwrite bool) error {
	value, err := memory.Encode()
	if err != nil {
		return fmt.Errorf("parameter %s: %w", name, err)
	}
	_, err = m.SSM.PutParameter(ctx, &ssm.PutParameterInput{
		Name: &name, Value: &value, Type: ssmtypes.ParameterTypeString, Overwrite: &overwrite,
		Description: aws.String("What this setting of the account was before; its removal restores that"),
	})
	if err != nil {
		return fmt.Errorf("write parameter %s, which says what was before: %w; deploy again", name, err)
	}
	return nil
}

// Forget deletes a memory.
func (m Memory) Forget(ctx context.Context, name string) error {
	_, err := m.SSM.DeleteParameter(ctx, &ssm.DeleteParameterInput{Name: &name})
	var none *ssmtypes.ParameterNotFound
	if err != nil && !errors.As(err, &none) {
		return fmt.Errorf("delete parameter %s: %w; delete the stack again", name, err)
	}
	return nil
}
