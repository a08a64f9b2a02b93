package fakeaws

import (
	"maps"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/guardduty"
	gdtypes "github.com/aws/aws-sdk-go-v2/service/guardduty/types"
)

// GuardDuty is the Region's one detector.
type GuardDuty struct {
	cloud *Cloud

	Detector *Detector // nil: none
	// Offered are the features of this Region; a new detector has all of them on that it isn't told to leave off, but for
	// RUNTIME_MONITORING.
	Offered []string
	// Administered refuses changes, as for a member account of an organization.
	Administered bool
}

// Detector is a detector with the status of each feature and, by feature and name, of its additional configuration.
type Detector struct {
	ID         string
	Enabled    bool
	Frequency  gdtypes.FindingPublishingFrequency
	Features   map[string]gdtypes.FeatureStatus
	Additional map[string]map[string]gdtypes.FeatureStatus
	// Policy are the features that an organization's policy manages.
	Policy []string
	// Fixed are features that can't be set.
	Fixed []string
}

const (
	fakeRuntime    = "RUNTIME_MONITORING"
	fakeEKSRuntime = "EKS_RUNTIME_MONITORING"
)

// NewGuardDuty adds GuardDuty without a detector.
func NewGuardDuty(c *Cloud) *GuardDuty {
	g := &GuardDuty{cloud: c, Offered: []string{
		"S3_DATA_EVENTS", "EKS_AUDIT_LOGS", "EBS_MALWARE_PROTECTION", "RDS_LOGIN_EVENTS", "LAMBDA_NETWORK_LOGS", fakeRuntime, fakeEKSRuntime,
	}}
	On(c, "GuardDuty", func(*guardduty.ListDetectorsInput) (*guardduty.ListDetectorsOutput, error) {
		out := &guardduty.ListDetectorsOutput{DetectorIds: []string{}}
		if g.Detector != nil {
			out.DetectorIds = append(out.DetectorIds, g.Detector.ID)
		}
		return out, nil
	})
	On(c, "GuardDuty", g.getDetector)
	On(c, "GuardDuty", g.createDetector)
	On(c, "GuardDuty", g.updateDetector)
	On(c, "GuardDuty", func(in *guardduty.DeleteDetectorInput) (*guardduty.DeleteDetectorOutput, error) {
		if err := g.may(in.DetectorId); err != nil {
			return nil, err
		}
		g.Detector = nil
		return &guardduty.DeleteDetectorOutput{}, nil
	})
	return g
}

// NewDetector is a detector as CreateDetector makes it when it is told of no feature.
func (g *GuardDuty) NewDetector(id string) *Detector {
	d := &Detector{ID: id, Enabled: true, Frequency: gdtypes.FindingPublishingFrequencySixHours, Features: map[string]gdtypes.FeatureStatus{}, Additional: map[string]map[string]gdtypes.FeatureStatus{}}
	for _, name := range g.Offered {
		d.Features[name] = gdtypes.FeatureStatusEnabled
	}
	d.Features[fakeRuntime] = gdtypes.FeatureStatusDisabled
	d.Additional[fakeRuntime] = map[string]gdtypes.FeatureStatus{
		"EKS_ADDON_MANAGEMENT": gdtypes.FeatureStatusDisabled, "ECS_FARGATE_AGENT_MANAGEMENT": gdtypes.FeatureStatusDisabled, "EC2_AGENT_MANAGEMENT": gdtypes.FeatureStatusDisabled,
	}
	return d
}

func badRequest(message string) error { return &gdtypes.BadRequestException{Message: &message} }

func (g *GuardDuty) may(id *string) error {
	if g.Detector == nil || aws.ToString(id) != g.Detector.ID {
		return g.cloud.refuse(badRequest("The request is rejected because the input detectorId is not owned by the current account."))
	}
	if g.Administered {
		return badRequest("The request is rejected because a member account cannot change this.")
	}
	return nil
}

func (g *GuardDuty) getDetector(in *guardduty.GetDetectorInput) (*guardduty.GetDetectorOutput, error) {
	d := g.Detector
	if d == nil || aws.ToString(in.DetectorId) != d.ID {
		return nil, g.cloud.refuse(badRequest("The request is rejected because the input detectorId is not owned by the current account."))
	}
	out := &guardduty.GetDetectorOutput{Status: gdtypes.DetectorStatusDisabled, FindingPublishingFrequency: d.Frequency, ServiceRole: aws.String("role")}
	if d.Enabled {
		out.Status = gdtypes.DetectorStatusEnabled
	}
	for _, name := range []string{"CLOUD_TRAIL", "DNS_LOGS", "FLOW_LOGS"} {
		out.Features = append(out.Features, gdtypes.DetectorFeatureConfigurationResult{Name: gdtypes.DetectorFeatureResult(name), Status: gdtypes.FeatureStatusEnabled})
	}
	for _, name := range slices.Sorted(maps.Keys(d.Features)) {
		feature := gdtypes.DetectorFeatureConfigurationResult{Name: gdtypes.DetectorFeatureResult(name), Status: d.Features[name]}
		if slices.Contains(d.Policy, name) {
			feature.ManagedBy = gdtypes.ManagedByGuarddutyPolicy
		}
		for _, more := range slices.Sorted(maps.Keys(d.Additional[name])) {
			feature.AdditionalConfiguration = append(feature.AdditionalConfiguration, gdtypes.DetectorAdditionalConfigurationResult{
				Name: gdtypes.FeatureAdditionalConfiguration(more), Status: d.Additional[name][more],
			})
		}
		out.Features = append(out.Features, feature)
	}
	return out, nil
}

func (g *GuardDuty) createDetector(in *guardduty.CreateDetectorInput) (*guardduty.CreateDetectorOutput, error) {
	switch {
	case g.Detector != nil:
		return nil, g.cloud.refuse(badRequest("The request is rejected because a detector already exists for the current account."))
	case in.Enable == nil:
		return nil, g.cloud.refuse(badRequest("enable is required"))
	case in.DataSources != nil: //nolint:staticcheck // deprecated: nobody may use it, least of all beside features
		return nil, g.cloud.refuse(badRequest("The request is rejected because both data sources and features are provided."))
	}
	d := g.NewDetector("d1")
	d.Enabled = *in.Enable
	if in.FindingPublishingFrequency != "" {
		d.Frequency = in.FindingPublishingFrequency
	}
	if err := g.configure(d, in.Features); err != nil {
		return nil, err
	}
	g.Detector = d
	return &guardduty.CreateDetectorOutput{DetectorId: &d.ID}, nil
}

func (g *GuardDuty) updateDetector(in *guardduty.UpdateDetectorInput) (*guardduty.UpdateDetectorOutput, error) {
	if err := g.may(in.DetectorId); err != nil {
		return nil, err
	}
	if in.DataSources != nil { //nolint:staticcheck // as in createDetector
		return nil, g.cloud.refuse(badRequest("The request is rejected because both data sources and features are provided."))
	}
	if in.Enable != nil {
		g.Detector.Enabled = *in.Enable
	}
	if in.FindingPublishingFrequency != "" {
		g.Detector.Frequency = in.FindingPublishingFrequency
	}
	return &guardduty.UpdateDetectorOutput{}, g.configure(g.Detector, in.Features)
}

func (g *GuardDuty) configure(d *Detector, features []gdtypes.DetectorFeatureConfiguration) error {
	told := map[string]bool{}
	for _, feature := range features {
		name := string(feature.Name)
		if _, offered := d.Features[name]; !offered || told[name] || !slices.Contains(feature.Status.Values(), feature.Status) || slices.Contains(d.Policy, name) {
			return g.cloud.refuse(badRequest("The request is rejected because feature " + name + " is unknown, managed, named twice or has no status."))
		}
		if slices.Contains(d.Fixed, name) {
			return badRequest("The request is rejected because feature " + name + " can't be configured.")
		}
		told[name] = true
		if told[fakeRuntime] && told[fakeEKSRuntime] {
			return g.cloud.refuse(badRequest("The request is rejected because both EKS_RUNTIME_MONITORING and RUNTIME_MONITORING are specified."))
		}
		d.Features[name] = feature.Status
		if name == fakeRuntime && feature.Status == gdtypes.FeatureStatusEnabled && d.Features[fakeEKSRuntime] == gdtypes.FeatureStatusEnabled {
			if g.Detector == nil { // a new one: what it replaces is off
				d.Features[fakeEKSRuntime] = gdtypes.FeatureStatusDisabled
			} else {
				return g.cloud.refuse(badRequest("The request is rejected because EKS_RUNTIME_MONITORING is on."))
			}
		}
		for _, more := range feature.AdditionalConfiguration {
			if _, known := d.Additional[name][string(more.Name)]; !known {
				return g.cloud.refuse(badRequest("The request is rejected because of additional configuration " + string(more.Name) + "."))
			}
			d.Additional[name][string(more.Name)] = more.Status
		}
		if feature.Status == gdtypes.FeatureStatusDisabled {
			for more := range d.Additional[name] {
				d.Additional[name][more] = gdtypes.FeatureStatusDisabled
			}
		}
	}
	return nil
}
