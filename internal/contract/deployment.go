package contract

// TestListenerPort is where the new version of a blue/green deployment is reached before users get it. Only the hook's
// network may.
const TestListenerPort = 8443

// Environment variables of the functions around a deployment.
const (
	EnvStage             = "SLIPWAY_STAGE"              // the stage's name, for messages
	EnvDeployHook        = "SLIPWAY_DEPLOY_HOOK"        // JSON: what the deployment hook tests
	EnvRollbackResponder = "SLIPWAY_ROLLBACK_RESPONDER" // JSON: what the rollback responder looks at
	EnvRolloutHandler    = "SLIPWAY_ROLLOUT_HANDLER"    // which of its two handlers a rollout function is
)

// The values of EnvRolloutHandler.
const (
	RolloutOnEvent    = "on-event"
	RolloutIsComplete = "is-complete"
)

// DeploymentGroup names a stage's CodeDeploy application and its only deployment group.
func DeploymentGroup(platform, stage string) string { return platform + "-" + stage }

// ServiceName is the ECS service of a stage.
func ServiceName(stage string) string { return stage + "-service" }

// RollbackRecords is the path of the SSM parameters in which the rollback responder keeps what it found.
func RollbackRecords(platform, stage string) string {
	return "/" + platform + "/" + stage + "/rollbacks"
}
