// Command slipway is what people and workflows run besides the CDK CLI: one program, a command for each task. It calls AWS
// with the credentials of the environment, as the AWS CLI does.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"slipway/tools/slipway/command"
	"slipway/tools/slipway/doctor"
	"slipway/tools/slipway/findings"
	"slipway/tools/slipway/qa"
	"slipway/tools/slipway/smoke"
)

// commands are all there are, in the order of the help.
var commands = command.Table{Name: "slipway", Commands: []command.Command{
	{Name: "doctor", Summary: "Looks for what would stop a deployment, and says what to do", Run: doctor.Run},
	{Name: "smoke", Summary: "Asks a stage's application whether the right commit answers", Run: smoke.Run},
	{Name: "findings", Summary: "Shows what the response to findings did; approves, rejects and undoes it", Run: findings.Run},
	{Name: "qa", Summary: "Makes, lists, extends, wakes and deletes QA environments; pauses their cleanup", Run: qa.Run},
	{Name: "diff-report", Summary: "Says what a change does to resources, rights and costs, from two syntheses", Run: runDiffReport},
	{Name: "context", Summary: "Says which role and Region a workflow's job needs, from platform.yaml", Run: runContext},
	{Name: "image", Summary: "Builds the application's image, tests it, pushes it by commit, and waits for its scan", Run: runImage},
	{Name: "deploy", Summary: "Deploys a stage or a QA environment, follows it, and checks what runs in the end", Run: runDeploy},
	{Name: "purge", Summary: "Deletes the QA environment of a branch and waits, for workflows", Run: runPurge},
	{Name: "expired", Summary: "Fails if the lease of a QA environment is over and it is still there", Run: runExpired},
}}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := commands.Run(ctx, os.Args[1:], os.Stdout, os.Stderr)
	stop()
	os.Exit(code)
}
