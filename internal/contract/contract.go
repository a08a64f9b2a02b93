// Package contract holds the names that the CDK stacks and the Lambdas must agree on: environment variables, tags,
// SSM parameters and the names derived from a branch. It imports neither the CDK nor the SDK.
package contract

// Environment variables of the Lambdas.
const (
	EnvPlatform    = "SLIPWAY_PLATFORM"     // the platform's name, prefix of all stacks
	EnvCluster     = "SLIPWAY_QA_CLUSTER"   // name of the QA ECS cluster
	EnvListenerARN = "SLIPWAY_LISTENER_ARN" // the shared front's HTTPS listener
	EnvTopicARN    = "SLIPWAY_TOPIC_ARN"    // SNS topic of the summaries
	EnvDryRun      = "SLIPWAY_DRY_RUN"      // "true" deletes nothing
	EnvGrace       = "SLIPWAY_GRACE"        // Go duration
	EnvSwitch      = "SLIPWAY_SWITCH"       // SSM parameter of the cleanup's switch
	EnvList        = "SLIPWAY_QA_LIST"      // qalease.Settings as JSON
	EnvDomain      = "SLIPWAY_DOMAIN"       // the platform's domain; environments answer at <slug>.qa.<domain>
	EnvSignIn      = "SLIPWAY_SIGN_IN"      // a SignIn as JSON; absent without one
	EnvBucket      = "SLIPWAY_BUCKET"       // the stage's artifacts bucket
	EnvMaster      = "SLIPWAY_MASTER_ARN"   // the secret with the database's address and master user
)

// TagPlatform is on everything that the platform makes: its name.
const TagPlatform = "slipway:platform"

// Tags of a QA environment's ECS service: the lease. Only the service carries them.
const (
	TagEnvironment = "slipway:environment"  // the slug
	TagBranch      = "slipway:branch"       // the branch, characters outside the tag alphabet replaced
	TagOwner       = "slipway:owner"        // who asked for it
	TagExpires     = "slipway:expires"      // RFC 3339, UTC
	TagMaxLifetime = "slipway:max-lifetime" // Go duration from the service's createdAt
	TagWarned      = "slipway:warned"       // the cleanup's memory of its warnings: <end of the lease>/<2h or 24h>
)

// ContainerName and ContainerPort are those of the application container.
const (
	ContainerName = "app"
	ContainerPort = 8080
	HealthPath    = "/health"
)
