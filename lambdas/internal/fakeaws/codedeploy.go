package fakeaws

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/codedeploy"
	cdtypes "github.com/aws/aws-sdk-go-v2/service/codedeploy/types"
)

// CodeDeploy is one deployment group of an ECS service. Tests say what becomes of its deployments.
type CodeDeploy struct {
	cloud *Cloud

	Application, Group string
	Target             string // "<cluster>:<service>"
	Configs            []string
	Now                func() time.Time
	Page               int // deployments or targets in a page
	LostAnswers        int // that many next answers of CreateDeployment get lost, after it has done its work
	Busy               bool
	Deployments        []*Deployment // in the order of their creation
	Stops              []string      // IDs, each with its StopDeployment
}

// Deployment is a deployment with what CodeDeploy keeps to itself.
type Deployment struct {
	Info    cdtypes.DeploymentInfo
	Content string // of the AppSpec, which GetDeployment never returns
	Events  []cdtypes.LifecycleEvent
	Sets    []cdtypes.ECSTaskSet
}

const codeDeployID = "CodeDeploy"

// NewCodeDeploy adds CodeDeploy with one application and its deployment group to the cloud.
func NewCodeDeploy(c *Cloud, application, group, cluster, service string, now func() time.Time) *CodeDeploy {
	f := &CodeDeploy{
		cloud: c, Application: application, Group: group, Target: cluster + ":" + service, Now: now, Page: 100,
		Configs: []string{"CodeDeployDefault.ECSAllAtOnce", "CodeDeployDefault.ECSCanary10Percent5Minutes"},
	}
	On(c, codeDeployID, f.create)
	On(c, codeDeployID, f.get)
	On(c, codeDeployID, f.list)
	On(c, codeDeployID, f.stop)
	On(c, codeDeployID, f.listTargets)
	On(c, codeDeployID, f.getTargets)
	return f
}

// Add makes a deployment that somebody else started, and returns its ID.
func (f *CodeDeploy) Add(description, content string, creator cdtypes.DeploymentCreator) string {
	sum := sha256.Sum256([]byte(fmt.Sprint("deployment ", len(f.Deployments))))
	// IDs are in no order.
	id := "d-" + strings.ToUpper(hex.EncodeToString(sum[:])[:9])
	hash := sha256.Sum256([]byte(content))
	f.Deployments = append(f.Deployments, &Deployment{Content: content, Info: cdtypes.DeploymentInfo{
		DeploymentId: &id, ApplicationName: &f.Application, DeploymentGroupName: &f.Group, Description: &description,
		ComputePlatform: cdtypes.ComputePlatformEcs, Creator: creator, CreateTime: aws.Time(f.Now()),
		Status: cdtypes.DeploymentStatusCreated,
		Revision: &cdtypes.RevisionLocation{
			RevisionType:   cdtypes.RevisionLocationTypeAppSpecContent,
			AppSpecContent: &cdtypes.AppSpecContent{Sha256: aws.String(hex.EncodeToString(hash[:]))},
		},
	}})
	return id
}

// Deployment returns the deployment with the ID, or nil.
func (f *CodeDeploy) Deployment(id string) *Deployment {
	for _, d := range f.Deployments {
		if *d.Info.DeploymentId == id {
			return d
		}
	}
	return nil
}

// Last returns the deployment that was created last, or nil.
func (f *CodeDeploy) Last() *Deployment {
	if len(f.Deployments) == 0 {
		return nil
	}
	return f.Deployments[len(f.Deployments)-1]
}

// End ends a deployment now; without a code there is no error.
func (f *CodeDeploy) End(id string, status cdtypes.DeploymentStatus, code cdtypes.ErrorCode, message string) {
	d := f.Deployment(id)
	d.Info.Status, d.Info.CompleteTime = status, aws.Time(f.Now())
	if code != "" {
		d.Info.ErrorInformation = &cdtypes.ErrorInformation{Code: code, Message: &message}
	}
}

// RollBack starts the deployment by which CodeDeploy undoes one that has ended: a new one, with the revision of before.
func (f *CodeDeploy) RollBack(id, content string) string {
	d := f.Deployment(id)
	back := f.Add(aws.ToString(d.Info.Description), content, cdtypes.DeploymentCreatorCodeDeployRollback)
	f.Deployment(back).Info.RollbackInfo = &cdtypes.RollbackInfo{RollbackTriggeringDeploymentId: &id, RollbackMessage: aws.String("")}
	d.Info.RollbackInfo = &cdtypes.RollbackInfo{RollbackDeploymentId: &back, RollbackMessage: aws.String("")}
	f.Deployment(back).Info.Status = cdtypes.DeploymentStatusInProgress
	return back
}

// isActive says that the deployment holds its group.
func isActive(d *Deployment) bool {
	switch d.Info.Status {
	case cdtypes.DeploymentStatusSucceeded, cdtypes.DeploymentStatusFailed, cdtypes.DeploymentStatusStopped:
		return false
	}
	return true
}

// checkGroup names application and group together, as CodeDeploy demands.
func (f *CodeDeploy) checkGroup(application, group *string) error {
	switch {
	case application == nil:
		return f.cloud.refuse(&cdtypes.ApplicationNameRequiredException{Message: aws.String("no application")})
	case group == nil:
		return f.cloud.refuse(&cdtypes.DeploymentGroupNameRequiredException{Message: aws.String("no deployment group")})
	case *application != f.Application:
		return &cdtypes.ApplicationDoesNotExistException{Message: aws.String("No application found for name: " + *application)}
	case *group != f.Group:
		return &cdtypes.DeploymentGroupDoesNotExistException{Message: aws.String("No Deployment Group found for name: " + *group)}
	}
	return nil
}

func (f *CodeDeploy) create(in *codedeploy.CreateDeploymentInput) (*codedeploy.CreateDeploymentOutput, error) {
	// The caller needs these two as well: CodeDeploy checks them for the caller in the same call.
	f.cloud.calls["codedeploy:GetDeploymentConfig"]++
	f.cloud.calls["codedeploy:RegisterApplicationRevision"]++
	if err := f.checkGroup(in.ApplicationName, in.DeploymentGroupName); err != nil {
		return nil, err
	}
	if in.DeploymentConfigName != nil && !slices.Contains(f.Configs, *in.DeploymentConfigName) {
		return nil, &cdtypes.DeploymentConfigDoesNotExistException{Message: aws.String("No deployment configuration found for name: " + *in.DeploymentConfigName)}
	}
	if n := len(aws.ToString(in.Description)); n > 100 {
		return nil, f.cloud.refuse(&cdtypes.DescriptionTooLongException{Message: aws.String(fmt.Sprintf("%d characters", n))})
	}
	content, err := f.checkRevision(in.Revision)
	if err != nil {
		return nil, err
	}
	for _, d := range f.Deployments {
		if isActive(d) {
			return nil, &cdtypes.DeploymentLimitExceededException{Message: aws.String(fmt.Sprintf(
				"The Deployment Group '%s' already has an active Deployment '%s'", f.Group, *d.Info.DeploymentId))}
		}
	}
	if f.Busy { // the whole account's quota
		return nil, &cdtypes.DeploymentLimitExceededException{Message: aws.String("The maximum number of concurrent deployments is reached")}
	}
	id := f.Add(aws.ToString(in.Description), content, cdtypes.DeploymentCreatorUser)
	f.Deployment(id).Info.DeploymentConfigName = in.DeploymentConfigName
	if f.LostAnswers > 0 {
		f.LostAnswers--
		return nil, Internal()
	}
	return &codedeploy.CreateDeploymentOutput{DeploymentId: &id}, nil
}

func (f *CodeDeploy) checkRevision(r *cdtypes.RevisionLocation) (string, error) {
	if r == nil {
		return "", f.cloud.refuse(&cdtypes.RevisionRequiredException{Message: aws.String("RevisionLocation must be specified")})
	}
	invalid := func(format string, args ...any) (string, error) {
		return "", f.cloud.refuse(&cdtypes.InvalidRevisionException{Message: aws.String(fmt.Sprintf(format, args...))})
	}
	if r.RevisionType != cdtypes.RevisionLocationTypeAppSpecContent || r.AppSpecContent == nil || r.AppSpecContent.Content == nil {
		return invalid("an ECS deployment here has an AppSpecContent, not %s", r.RevisionType)
	}
	content := *r.AppSpecContent.Content
	sum := sha256.Sum256([]byte(content))
	if given := r.AppSpecContent.Sha256; given != nil && *given != hex.EncodeToString(sum[:]) {
		return invalid("the hash of the AppSpec is another one")
	}
	if err := CheckAppSpec(content); err != nil {
		return invalid("the AppSpec: %v", err)
	}
	return content, nil
}

func (f *CodeDeploy) find(id *string) (*Deployment, error) {
	d := f.Deployment(aws.ToString(id))
	if d == nil {
		return nil, &cdtypes.DeploymentDoesNotExistException{Message: aws.String("The deployment " + aws.ToString(id) + " could not be found")}
	}
	return d, nil
}

func (f *CodeDeploy) get(in *codedeploy.GetDeploymentInput) (*codedeploy.GetDeploymentOutput, error) {
	d, err := f.find(in.DeploymentId)
	if err != nil {
		return nil, err
	}
	info := d.Info
	return &codedeploy.GetDeploymentOutput{DeploymentInfo: &info}, nil
}

func (f *CodeDeploy) list(in *codedeploy.ListDeploymentsInput) (*codedeploy.ListDeploymentsOutput, error) {
	if err := f.checkGroup(in.ApplicationName, in.DeploymentGroupName); err != nil {
		return nil, err
	}
	for _, status := range in.IncludeOnlyStatuses {
		if !slices.Contains(status.Values(), status) {
			return nil, f.cloud.refuse(&cdtypes.InvalidDeploymentStatusException{Message: aws.String(string(status))})
		}
	}
	var ids []string
	for _, d := range f.Deployments {
		created := *d.Info.CreateTime
		switch r := in.CreateTimeRange; {
		case len(in.IncludeOnlyStatuses) > 0 && !slices.Contains(in.IncludeOnlyStatuses, d.Info.Status):
		case r != nil && r.Start != nil && created.Before(*r.Start), r != nil && r.End != nil && created.After(*r.End):
		default:
			ids = append(ids, *d.Info.DeploymentId)
		}
	}
	slices.Sort(ids) // in no order that means anything
	part, next, err := page(f.cloud, ids, in.NextToken, f.Page)
	return &codedeploy.ListDeploymentsOutput{Deployments: part, NextToken: next}, err
}

// stop only tells the deployment to stop; the test ends it.
func (f *CodeDeploy) stop(in *codedeploy.StopDeploymentInput) (*codedeploy.StopDeploymentOutput, error) {
	d, err := f.find(in.DeploymentId)
	if err != nil {
		return nil, err
	}
	if !isActive(d) {
		return nil, &cdtypes.DeploymentAlreadyCompletedException{Message: aws.String("The deployment is already complete")}
	}
	f.Stops = append(f.Stops, fmt.Sprintf("%s rollback=%v", *in.DeploymentId, aws.ToBool(in.AutoRollbackEnabled)))
	return &codedeploy.StopDeploymentOutput{Status: cdtypes.StopStatusPending}, nil
}

func (f *CodeDeploy) listTargets(in *codedeploy.ListDeploymentTargetsInput) (*codedeploy.ListDeploymentTargetsOutput, error) {
	if _, err := f.find(in.DeploymentId); err != nil {
		return nil, err
	}
	part, next, err := page(f.cloud, []string{f.Target}, in.NextToken, f.Page)
	return &codedeploy.ListDeploymentTargetsOutput{TargetIds: part, NextToken: next}, err
}

func (f *CodeDeploy) getTargets(in *codedeploy.BatchGetDeploymentTargetsInput) (*codedeploy.BatchGetDeploymentTargetsOutput, error) {
	d, err := f.find(in.DeploymentId)
	switch {
	case err != nil:
		return nil, err
	case len(in.TargetIds) == 0:
		return nil, f.cloud.refuse(&cdtypes.DeploymentTargetIdRequiredException{Message: aws.String("no target")})
	case len(in.TargetIds) > 25:
		return nil, f.cloud.refuse(&cdtypes.DeploymentTargetListSizeExceededException{Message: aws.String(fmt.Sprintf("%d targets", len(in.TargetIds)))})
	}
	out := &codedeploy.BatchGetDeploymentTargetsOutput{}
	for _, id := range in.TargetIds {
		if id != f.Target {
			return nil, f.cloud.refuse(&cdtypes.InvalidDeploymentTargetIdException{Message: &id})
		}
		out.DeploymentTargets = append(out.DeploymentTargets, cdtypes.DeploymentTarget{
			DeploymentTargetType: cdtypes.DeploymentTargetTypeEcsTarget,
			EcsTarget: &cdtypes.ECSTarget{
				DeploymentId: in.DeploymentId, TargetId: &id, LifecycleEvents: d.Events, TaskSetsInfo: d.Sets,
			},
		})
	}
	return out, nil
}
