package fakeaws

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	cdtypes "github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
)

// Hooks is CodeDeploy's side of lifecycle event hooks: it asks a question and takes one answer to it.
type Hooks struct {
	cloud *Cloud
	waits map[string]string // execution ID → deployment ID, of the events that wait

	Answers     []cdtypes.LifecycleEventStatus // in the order in which they were taken
	LostAnswers int                            // that many next confirmations get lost, after the answer was taken
}

// NewHooks adds lifecycle event hooks to the cloud.
func NewHooks(c *Cloud) *Hooks {
	h := &Hooks{cloud: c, waits: map[string]string{}}
	On(c, codeDeployID, h.put)
	return h
}

// Ask makes an event of a deployment wait and returns the question that CodeDeploy sends to the function.
func (h *Hooks) Ask(deployment, execution string) map[string]any {
	h.waits[execution] = deployment
	return map[string]any{"DeploymentId": deployment, "LifecycleEventHookExecutionId": execution}
}

func (h *Hooks) put(in *codedeploy.PutLifecycleEventHookExecutionStatusInput) (*codedeploy.PutLifecycleEventHookExecutionStatusOutput, error) {
	id, execution := aws.ToString(in.DeploymentId), aws.ToString(in.LifecycleEventHookExecutionId)
	// API reference: of the valid values only Succeeded and Failed can be passed.
	if in.Status != cdtypes.LifecycleEventStatusSucceeded && in.Status != cdtypes.LifecycleEventStatusFailed {
		return nil, h.cloud.refuse(&cdtypes.InvalidLifecycleEventHookExecutionStatusException{Message: aws.String(string(in.Status))})
	}
	deployment, known := h.waits[execution]
	switch {
	case id == "":
		return nil, h.cloud.refuse(&cdtypes.DeploymentIdRequiredException{Message: aws.String("no deployment ID")})
	case !known:
		return nil, &cdtypes.InvalidLifecycleEventHookExecutionIdException{Message: aws.String(execution)}
	case deployment == "":
		return nil, &cdtypes.LifecycleEventAlreadyCompletedException{Message: aws.String("the lifecycle event is already complete")}
	case deployment != id:
		return nil, &cdtypes.DeploymentDoesNotExistException{Message: aws.String(id)}
	}
	h.waits[execution] = ""
	h.Answers = append(h.Answers, in.Status)
	if h.LostAnswers > 0 {
		h.LostAnswers--
		return nil, Internal()
	}
	return &codedeploy.PutLifecycleEventHookExecutionStatusOutput{LifecycleEventHookExecutionId: &execution}, nil
}
