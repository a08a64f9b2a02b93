package gather

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/ecs"

	"slipway/internal/qacluster"
)

// ECS are the calls that reading needs.
type ECS interface {
	qacluster.Client
	DescribeTaskDefinition(context.Context, *ecs.DescribeTaskDefinitionInput, ...func(*ecs.Options)) (*ecs.DescribeTaskDefinitionOutput, error)
	ListTaskDefinitions(context.Context, *ecs.ListTaskDefinitionsInput, ...func(*ecs.Options)) (*ecs.ListTaskDefinitionsOutput, error)
}

// pageSize is the most that ListTaskDefinitions gives.
const pageSize = 100
