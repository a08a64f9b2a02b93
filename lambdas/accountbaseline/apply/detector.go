package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/guardduty"
	gdtypes "github.com/aws/aws-sdk-go-v2/service/guardduty/types"

	"slipway/internal/contract"
	"slipway/lambdas/accountbaseline/decide"
)

// GuardDuty holds the Region's one detector.
type GuardDuty interface {
	ListDetectors(context.Context, *guardduty.ListDetectorsInput, ...func(*guardduty.Options)) (*guardduty.ListDetectorsOutput, error)
	GetDetector(context.Context, *guardduty.GetDetectorInput, ...func(*guardduty.Options)) (*guardduty.GetDetectorOutput, error)
	CreateDetector(context.Context, *guardduty.CreateDetectorInput, ...func(*guardduty.Options)) (*guardduty.CreateDetectorOutput, error)
	UpdateDetector(context.Context, *guardduty.UpdateDetectorInput, ...func(*guardduty.Options)) (*guardduty.UpdateDetectorOutput, error)
	DeleteDetector(context.Context, *guardduty.DeleteDetectorInput, ...func(*guardduty.Options)) (*guardduty.DeleteDetectorOutput, error)
}

// Attributes of the detector.
const (
	IdentityDetector = "DetectorId"
	// IdentityStuck are features that nobody asked for and that GuardDuty doesn't let anybody switch off.
	IdentityStuck = "FeaturesThatStay"
)

// detector is the Region's detector and its features, each of which is on or off by its own name.
type detector struct{ guardduty GuardDuty }

// foundational sources are always on and take no setting.
var foundational = []string{"CLOUD_TRAIL", "DNS_LOGS", "FLOW_LOGS"}

func (d detector) Read(ctx context.Context) (decide.State, error) {
	list, err := d.guardduty.ListDetectors(ctx, &guardduty.ListDetectorsInput{})
	if err != nil || len(list.DetectorIds) == 0 {
		return nil, err
	}
	return d.describe(ctx, list.DetectorIds[0])
}

func (d detector) describe(ctx context.Context, id string) (decide.State, error) {
	out, err := d.guardduty.GetDetector(ctx, &guardduty.GetDetectorInput{DetectorId: &id})
	if err != nil {
		return nil, err
	}
	state := decide.State{
		decide.Identity(IdentityDetector): id,
		contract.KeyEnabled:               contract.Off,
		contract.KeyFrequency:             string(out.FindingPublishingFrequency),
	}
	if out.Status == gdtypes.DetectorStatusEnabled {
		state[contract.KeyEnabled] = contract.On
	}
	for _, feature := range out.Features {
		name := string(feature.Name)
		// What a policy of the organization manages, nobody else can change.
		if slices.Contains(foundational, name) || feature.ManagedBy == gdtypes.ManagedByGuarddutyPolicy {
			continue
		}
		state[contract.FeatureKey(name)] = string(feature.Status)
		for _, more := range feature.AdditionalConfiguration {
			state[contract.FeatureKey(name, string(more.Name))] = string(more.Status)
		}
	}
	return state, nil
}

func (d detector) Write(ctx context.Context, from, to decide.State) (decide.State, error) {
	if from == nil {
		return d.create(ctx, to)
	}
	id := from[decide.Identity(IdentityDetector)]
	if to == nil {
		_, err := d.guardduty.DeleteDetector(ctx, &guardduty.DeleteDetectorInput{DetectorId: &id})
		return nil, explained(err)
	}
	return d.update(ctx, id, from, to)
}

// create makes a detector with every known feature explicitly on or off. What CreateDetector isn't told is on, and it is
// told of no feature that is newer than this code: those that the new detector then shows are switched off.
func (d detector) create(ctx context.Context, to decide.State) (decide.State, error) {
	told := decide.Over(nil, to)
	delete(told, contract.FeatureKey(eksRuntime)) // an error beside RUNTIME_MONITORING
	out, err := d.guardduty.CreateDetector(ctx, &guardduty.CreateDetectorInput{
		Enable:                     aws.Bool(to[contract.KeyEnabled] == contract.On),
		FindingPublishingFrequency: gdtypes.FindingPublishingFrequency(to[contract.KeyFrequency]),
		Features:                   features(told, told),
	})
	if err != nil {
		return nil, explained(err)
	}
	id := aws.ToString(out.DetectorId)
	made, err := d.describe(ctx, id)
	if err != nil {
		return nil, err
	}
	identities, err := d.update(ctx, id, made, decide.OthersOff(nil, made, to))
	return decide.Over(identities, decide.State{decide.Identity(IdentityDetector): id}), err
}

const (
	runtime    = string(gdtypes.DetectorFeatureRuntimeMonitoring)
	eksRuntime = string(gdtypes.DetectorFeatureEksRuntimeMonitoring)
)

// update sends what differs. The two kinds of runtime monitoring exclude each other in one call, and the one that goes off
// has to go first. A feature that this code doesn't know may be one that can't be set at all, as GuardDuty's foundational
// sources: it comes last, alone, and a refusal only leaves it as it is.
func (d detector) update(ctx context.Context, id string, from, to decide.State) (decide.State, error) {
	changes := decide.Changes(from, to)
	var parts []decide.State
	if touches(changes, runtime) && touches(changes, eksRuntime) {
		second := runtime
		if to[contract.FeatureKey(eksRuntime)] == contract.Enabled {
			second = eksRuntime
		}
		parts = append(parts, take(changes, second))
	}
	var unknown []string
	for _, key := range changes.Keys() {
		name, more, ok := contract.ParseFeatureKey(key)
		if known := gdtypes.DetectorFeature("").Values(); ok && more == "" && !slices.Contains(known, gdtypes.DetectorFeature(name)) {
			unknown = append(unknown, name)
		}
	}
	var stuck []string
	var last []decide.State
	for _, name := range unknown {
		last = append(last, take(changes, name))
	}
	for _, part := range append([]decide.State{changes}, parts...) {
		if err := d.send(ctx, id, part, decide.Over(from, to)); err != nil {
			return nil, explained(err)
		}
	}
	for i, part := range last {
		var refused *gdtypes.BadRequestException
		switch err := d.send(ctx, id, part, decide.Over(from, to)); {
		case errors.As(err, &refused):
			stuck = append(stuck, unknown[i])
		case err != nil:
			return nil, err
		}
	}
	if len(stuck) == 0 {
		return nil, nil
	}
	return decide.State{decide.Identity(IdentityStuck): strings.Join(stuck, " ")}, nil
}

// take moves the values of a feature out of the changes.
func take(changes decide.State, feature string) decide.State {
	taken := decide.State{}
	for _, key := range changes.Keys() {
		if name, _, _ := contract.ParseFeatureKey(key); name == feature {
			taken[key] = changes[key]
			delete(changes, key)
		}
	}
	return taken
}

func (d detector) send(ctx context.Context, id string, part, all decide.State) error {
	if len(part) == 0 {
		return nil
	}
	in := &guardduty.UpdateDetectorInput{DetectorId: &id, Features: features(part, all)}
	if value, changed := part[contract.KeyEnabled]; changed {
		in.Enable = aws.Bool(value == contract.On)
	}
	in.FindingPublishingFrequency = gdtypes.FindingPublishingFrequency(part[contract.KeyFrequency])
	_, err := d.guardduty.UpdateDetector(ctx, in)
	return err
}

func touches(changes decide.State, feature string) bool {
	return slices.ContainsFunc(changes.Keys(), func(key string) bool {
		name, _, _ := contract.ParseFeatureKey(key)
		return name == feature
	})
}

// features are the features that a change touches, in order, with their status and all that is known of their additional
// configuration.
func features(changes, all decide.State) []gdtypes.DetectorFeatureConfiguration {
	var names []string
	for _, key := range changes.Keys() {
		if name, _, ok := contract.ParseFeatureKey(key); ok && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	var found []gdtypes.DetectorFeatureConfiguration
	for _, name := range names {
		feature := gdtypes.DetectorFeatureConfiguration{
			Name: gdtypes.DetectorFeature(name), Status: gdtypes.FeatureStatus(all[contract.FeatureKey(name)]),
		}
		for _, key := range all.Keys() {
			of, more, ok := contract.ParseFeatureKey(key)
			if ok && of == name && more != "" && feature.Status == gdtypes.FeatureStatusEnabled {
				feature.AdditionalConfiguration = append(feature.AdditionalConfiguration, gdtypes.DetectorAdditionalConfiguration{
					Name: gdtypes.FeatureAdditionalConfiguration(more), Status: gdtypes.FeatureStatus(all[key]),
				})
			}
		}
		found = append(found, feature)
	}
	return found
}

// explained adds what a reader can do where GuardDuty belongs to an organization's administrator.
func explained(err error) error {
	var bad *gdtypes.BadRequestException
	if !errors.As(err, &bad) {
		return err
	}
	message := strings.ToLower(bad.ErrorMessage())
	if strings.Contains(message, "member") || strings.Contains(message, "administrator") || strings.Contains(message, "organization") {
		return &refusal{fmt.Errorf("GuardDuty: %w", err), "GuardDuty's administrator account decides here: set the features there, and security.guardDuty.enabled: false in platform.yaml"}
	}
	return err
}
