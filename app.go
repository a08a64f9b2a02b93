// Slipway's CDK app: it loads the configuration, assembles the stacks and synthesizes.
package main

import (
	"fmt"
	"os"
	"runtime"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"slipway/internal/config"
	"slipway/stacks"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	defer jsii.Close()
	app := awscdk.NewApp(nil)
	context := map[string]string{}
	for _, key := range []string{"profile", "branch", "imageTag", "ttl", "owner"} {
		if value, ok := app.Node().TryGetContext(jsii.String(key)).(string); ok {
			context[key] = value
		}
	}

	cfg, err := config.Load("platform.yaml", config.Profile{
		Local:            context["profile"] == "local",
		HostArchitecture: runtime.GOARCH,
	})
	if err != nil {
		return err
	}
	request, err := config.ParseRequest(cfg, context, time.Now())
	if err != nil {
		return err
	}

	stacks.Assemble(app, cfg, request, "build/lambdas")
	app.Synth(nil)
	return nil
}
