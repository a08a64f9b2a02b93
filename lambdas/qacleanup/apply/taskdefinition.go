package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"slipway/lambdas/qacleanup/decide"
)

const revisionBatch = 10 // DeleteTaskDefinitions

type taskDefinitionCalls interface {
	DeregisterTaskDefinition(context.Context, *ecs.DeregisterTaskDefinitionInput, ...func(*ecs.Options)) (*ecs.DeregisterTaskDefinitionOutput, error)
	DeleteTaskDefinitions(context.Context, *ecs.DeleteTaskDefinitionsInput, ...func(*ecs.Options)) (*ecs.DeleteTaskDefinitionsOutput, error)
}

// taskDefinitions deletes the revisions of a family.
type taskDefinitions struct{ client taskDefinitionCalls }

func (taskDefinitions) Kind() decide.Kind { return decide.KindTaskDefinitions }

// Clean deregisters the active revisions, for only inactive ones can be deleted, and deletes all. One revision that
// fails doesn't keep the others.
func (c taskDefinitions) Clean(ctx context.Context, s decide.Step) error {
	var failed []error
	inactive := slices.Clone(s.Inactive)
	for _, arn := range s.Active {
		if _, err := c.client.DeregisterTaskDefinition(ctx, &ecs.DeregisterTaskDefinitionInput{TaskDefinition: &arn}); err != nil {
			failed = append(failed, fmt.Errorf("deregister task definition %s: %w", arn, err))
			continue
		}
		inactive = append(inactive, arn)
	}
	for batch := range slices.Chunk(inactive, revisionBatch) {
		out, err := c.client.DeleteTaskDefinitions(ctx, &ecs.DeleteTaskDefinitionsInput{TaskDefinitions: batch})
		if err != nil {
			failed = append(failed, fmt.Errorf("delete %d revisions of task definition %s: %w", len(batch), s.ID, err))
			continue
		}
		for _, f := range out.Failures { // with HTTP 200
			if reason := aws.ToString(f.Reason); reason != "TASK_DEFINITION_NOT_FOUND" && reason != "MISSING" {
				failed = append(failed, fmt.Errorf("delete task definition %s: %s %s", aws.ToString(f.Arn), reason, aws.ToString(f.Detail)))
			}
		}
	}
	return errors.Join(failed...)
}
