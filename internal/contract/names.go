package contract

import (
	"fmt"
	"regexp"
	"strings"
)

// Parts of a stage, each a stack of its own: <platform>-<stage>-<part>.
const (
	PartNetwork = "network"
	PartData    = "data"
	PartCluster = "cluster"
	PartService = "service"
)

// Stacks that the whole platform shares, without their prefix: <platform>-<name>.
const (
	StackRegistry    = "registry"
	StackDNS         = "dns"
	StackPipeline    = "pipeline"
	StackQALifecycle = "qa-lifecycle"
	StackSecurity    = "security" // one in each account
)

const environmentInfix = "-qa-env-"

// PlatformStack names a stack that all stages share, such as slipway-registry.
func PlatformStack(platform, name string) string { return platform + "-" + name }

// StageStack names a part of a stage, such as slipway-prod-network.
func StageStack(platform, stage, part string) string { return platform + "-" + stage + "-" + part }

// QAEnvironmentStack names the stack of the QA environment slug.
func QAEnvironmentStack(platform, slug string) string { return platform + environmentInfix + slug }

// SlugFromStack is the inverse of QAEnvironmentStack. It is exact: any name that QAEnvironmentStack can't have made for
// this platform and a slug gives false.
func SlugFromStack(platform, stack string) (slug string, ok bool) {
	slug, ok = strings.CutPrefix(stack, platform+environmentInfix)
	if !ok || !IsSlug(slug) {
		return "", false
	}
	return slug, true
}

// TaskFamily is the task definition family of a QA environment.
func TaskFamily(platform, slug string) string { return platform + environmentInfix + slug }

// StageTaskFamily is the task definition family of a stage's service.
func StageTaskFamily(platform, stage string) string { return platform + "-" + stage + "-app" }

// ClusterName is the ECS cluster of a stage.
func ClusterName(stage string) string { return stage + "-cluster" }

// ScalableService is a service as Application Auto Scaling names it.
func ScalableService(cluster, service string) string { return "service/" + cluster + "/" + service }

// LogGroupNameOfStage is the log group of a stage's service.
func LogGroupNameOfStage(platform, stage string) string { return "/" + platform + "/" + stage + "/app" }

// LogGroupNameOfEnvironment is the log group of a QA environment. A slug ends with a hash, so it is never "app".
func LogGroupNameOfEnvironment(platform, slug string) string { return "/" + platform + "/qa/" + slug }

// EnvironmentsPrefix is where the QA environments' own prefixes are in their bucket.
const EnvironmentsPrefix = "qa/"

// EnvironmentPrefix is all that a QA environment may touch in its bucket.
func EnvironmentPrefix(slug string) string { return EnvironmentsPrefix + slug + "/" }

// QADomain is the domain under which the QA environments live; the shared certificate covers *.<QADomain>.
func QADomain(domain string) string { return "qa." + domain }

// HostName is where a QA environment answers.
func HostName(slug, domain string) string { return slug + "." + QADomain(domain) }

// AppHost is where a stage's service answers: app.<domain> in production, app.<stage>.<domain> elsewhere.
func AppHost(stage string, production bool, domain string) string {
	if production {
		return "app." + domain
	}
	return "app." + stage + "." + domain
}

// Colour is one side of a blue/green pair.
type Colour string

// The two sides.
const (
	Blue  Colour = "blue"
	Green Colour = "green"
)

const maxTargetGroupName = 32 // Elastic Load Balancing's limit

// TargetGroupName is at most 32 characters, letters, digits and hyphens, with no hyphen at either end. A slug or a
// stage's name stays whole. Anything longer or outside that alphabet is cut in the middle and told apart by a hash; the
// colour always stays, so blue and green differ.
func TargetGroupName(name string, colour Colour) string {
	room := maxTargetGroupName - len("-") - len(Green) // the same for both colours
	if len(name) > room || !labelPattern.MatchString(name) {
		name = readable(name, room-len("-")-slugHash) + "-" + hash(name)
	}
	return name + "-" + string(colour)
}

var labelPattern = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

// Priorities of the shared listener's rules. An environment's rule gets the lowest free one of its range; those below belong
// to rules that people make by hand. PreviewRulePriority is the page that lists the environments: its host is nobody else's,
// so it may come last.
const (
	MinRulePriority     = 1000
	MaxRulePriority     = 49999
	PreviewRulePriority = 50000
)

const maxIdentifier = 63 // PostgreSQL cuts longer identifiers without a word

var databasePattern = regexp.MustCompile(`^[a-z][a-z0-9_-]*$`)

// DatabaseName is the name of a QA environment's database or schema: the slug itself. It may hold hyphens, so SQL must
// quote it; it never holds a quote. Creation and removal both call this, so that neither touches a name which belongs
// to PostgreSQL or RDS.
func DatabaseName(slug string) (string, error) {
	reason := ""
	switch {
	case len(slug) > maxIdentifier:
		reason = fmt.Sprintf("is %d bytes long, PostgreSQL cuts names after %d", len(slug), maxIdentifier)
	case !databasePattern.MatchString(slug):
		reason = "must begin with a letter and hold only a-z, 0-9, hyphens and underscores"
	case strings.HasPrefix(slug, "pg_"):
		reason = "begins with pg_, which PostgreSQL keeps for itself"
	}
	switch slug {
	case "public", "information_schema", "postgres", "template0", "template1", "rdsadmin":
		reason = "belongs to PostgreSQL or RDS"
	}
	if reason != "" {
		return "", fmt.Errorf("database name %q: %s; use the slug of a QA environment", shortened(slug), reason)
	}
	return slug, nil
}

// DatabaseSecretName is the secret with a QA environment's database login. Secrets Manager appends a hyphen and six characters
// to it in the ARN.
func DatabaseSecretName(platform, slug string) string { return platform + "/qa/" + slug + "/database" }
