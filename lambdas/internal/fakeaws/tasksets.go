package fakeaws

import (
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	ecstypes "github.com/aws/aws-sdk-go-v2/service/ecs/types"
)

// AddBlueGreen creates a service that CodeDeploy deploys to, with one task set, and returns its ARN. As with AWS, it is
// found by its name too.
func (e *ECS) AddBlueGreen(name, taskDefinition string) string {
	arn := e.Add(Service{Name: name, Running: 2})
	s := e.byARN[arn]
	e.byARN[name] = s
	s.TaskDefinition = &taskDefinition
	s.DeploymentController = &ecstypes.DeploymentController{Type: ecstypes.DeploymentControllerTypeCodeDeploy}
	e.Serve(arn, taskDefinition)
	return arn
}

// Serve makes the task set of the revision serve production traffic; the one that did before stays, as an active one.
func (e *ECS) Serve(arn, taskDefinition string) {
	s := e.byARN[arn]
	found := false
	for i := range s.TaskSets {
		set := &s.TaskSets[i]
		set.Status = aws.String("ACTIVE")
		if *set.TaskDefinition == taskDefinition {
			set.Status, found = aws.String("PRIMARY"), true
		}
	}
	if !found {
		id := fmt.Sprintf("ecs-svc/%019d", len(s.TaskSets)+1)
		// The new one comes first, so that the order tells nothing.
		s.TaskSets = append([]ecstypes.TaskSet{{Id: &id, Status: aws.String("PRIMARY"), TaskDefinition: &taskDefinition}}, s.TaskSets...)
	}
}
