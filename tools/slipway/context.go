package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"slipway/internal/config"
	"slipway/internal/contract"
	"slipway/tools/slipway/command"
)

// runContext says what a workflow's job needs of platform.yaml before it has credentials, so that no workflow repeats it.
func runContext(_ context.Context, args []string, out, log io.Writer) int {
	flags := command.Flags("slipway context", log)
	purpose := flags.String("purpose", "", "what the job does: image, qa, diff or deploy-<stage>, as its GitHub environment is called")
	branch := flags.String("branch", "", "a branch, to get the address of its QA environment")
	if code, done := command.Parse(flags, args); done {
		return code
	}
	cfg, err := config.Load("platform.yaml", config.Profile{})
	if err != nil {
		fmt.Fprintln(log, err)
		return command.Failed
	}
	values, err := jobContext(cfg, *purpose, *branch)
	if err != nil {
		fmt.Fprintln(log, err)
		return command.Usage
	}
	if err := output(out, values); err != nil {
		fmt.Fprintln(log, err)
		return command.Failed
	}
	return command.OK
}

func jobContext(cfg *config.Config, purpose, branch string) (map[string]string, error) {
	if !cfg.GitHub.Enabled() {
		return nil, errors.New("platform.yaml names no github.repository, so there are no roles for workflows; set it and deploy the registry stack")
	}
	stage, deploy := strings.CutPrefix(purpose, contract.GitHubDeploy(""))
	if deploy {
		if _, ok := cfg.Stage(stage); !ok || stage == cfg.QA.Stage {
			return nil, fmt.Errorf("-purpose is %q; there is no such stage to deploy in platform.yaml", purpose)
		}
	} else if purpose != contract.GitHubImage && purpose != contract.GitHubQA && purpose != contract.GitHubDiff {
		return nil, fmt.Errorf("-purpose is %q; give image, qa, diff or deploy-<stage>", purpose)
	}
	values := map[string]string{
		"region": cfg.Region,
		"role":   fmt.Sprintf("arn:aws:iam::%s:role/%s", cfg.Accounts[cfg.Registry.Account], contract.GitHubRole(cfg.Platform, purpose)),
	}
	if branch != "" {
		slug, err := slugOf(branch)
		if err != nil {
			return nil, err
		}
		values["slug"], values["url"] = slug, "https://"+contract.HostName(slug, cfg.Domain)
	}
	return values, nil
}
