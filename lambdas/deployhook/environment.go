package main

import (
	"errors"
	"fmt"
	"strings"

	"slipway/internal/contract"
	"slipway/lambdas/deployhook/decide"
)

// envLogGroup is set by Lambda.
const envLogGroup = "AWS_LAMBDA_LOG_GROUP_NAME"

// settings are what the function's environment variables say.
type settings struct {
	platform, stage, topicARN, logGroup string
	config                              decide.Config
}

// readSettings reads the settings and reports all that is wrong with them at once. What could be read is returned with
// the error: the message about it goes to the topic, if that is known.
func readSettings(getenv func(string) string) (settings, error) {
	s := settings{
		platform: getenv(contract.EnvPlatform), stage: getenv(contract.EnvStage), topicARN: getenv(contract.EnvTopicARN), logGroup: getenv(envLogGroup),
	}
	var faults []error
	for name, value := range map[string]string{contract.EnvPlatform: s.platform, contract.EnvStage: s.stage} {
		if value == "" {
			faults = append(faults, fmt.Errorf("%s is empty; give it a name", name))
		}
	}
	if !strings.HasPrefix(s.topicARN, "arn:") {
		faults = append(faults, fmt.Errorf("%s is %q; give it the ARN of a topic", contract.EnvTopicARN, s.topicARN))
		s.topicARN = ""
	}
	var err error
	if s.config, err = decide.ParseConfig(getenv(contract.EnvDeployHook)); err != nil {
		faults = append(faults, fmt.Errorf("%s: %w", contract.EnvDeployHook, err))
	}
	return s, errors.Join(faults...)
}
