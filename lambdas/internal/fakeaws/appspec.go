package fakeaws

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// CheckAppSpec refuses an AppSpec for ECS in JSON with any key that AWS's reference doesn't have, letter by letter.
// https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure-resources.html
func CheckAppSpec(content string) error {
	var document any
	decoder := json.NewDecoder(strings.NewReader(content))
	decoder.UseNumber()
	if err := decoder.Decode(&document); err != nil {
		return err
	}
	if decoder.More() {
		return errors.New("more than one document")
	}
	top, err := object(document, []string{"version", "Resources"}, "Hooks")
	if err != nil {
		return err
	}
	if top["version"] != json.Number("0.0") {
		return fmt.Errorf("version %v, the only one is 0.0", top["version"])
	}
	if err := checkResources(top["Resources"]); err != nil {
		return fmt.Errorf("in Resources: %w", err)
	}
	if hooks, ok := top["Hooks"]; ok {
		if err := checkHooks(hooks); err != nil {
			return fmt.Errorf("in Hooks: %w", err)
		}
	}
	return nil
}

func checkResources(v any) error {
	list, ok := v.([]any)
	if !ok || len(list) != 1 {
		return errors.New("there must be one resource")
	}
	resource, err := object(list[0], []string{"TargetService"})
	if err != nil {
		return err
	}
	service, err := object(resource["TargetService"], []string{"Type", "Properties"})
	if err != nil {
		return err
	}
	if service["Type"] != "AWS::ECS::Service" {
		return fmt.Errorf("type %v", service["Type"])
	}
	properties, err := object(service["Properties"], []string{"TaskDefinition", "LoadBalancerInfo"},
		"PlatformVersion", "NetworkConfiguration", "CapacityProviderStrategy")
	if err != nil {
		return err
	}
	if s, ok := properties["TaskDefinition"].(string); !ok || !strings.HasPrefix(s, "arn:") {
		return fmt.Errorf("the task definition %v is no ARN", properties["TaskDefinition"])
	}
	info, err := object(properties["LoadBalancerInfo"], []string{"ContainerName", "ContainerPort"})
	if err != nil {
		return err
	}
	if _, ok := info["ContainerPort"].(json.Number); !ok {
		return fmt.Errorf("the port %v is no number", info["ContainerPort"])
	}
	strategy, ok := properties["CapacityProviderStrategy"]
	if !ok {
		return nil
	}
	providers, ok := strategy.([]any)
	if !ok || len(providers) == 0 {
		return errors.New("the capacity provider strategy is no list")
	}
	for _, p := range providers {
		if _, err := object(p, []string{"CapacityProvider"}, "Base", "Weight"); err != nil {
			return err
		}
	}
	return nil
}

func checkHooks(v any) error {
	order := []string{"BeforeInstall", "AfterInstall", "AfterAllowTestTraffic", "BeforeAllowTraffic", "AfterAllowTraffic"}
	list, ok := v.([]any)
	if !ok || len(list) == 0 {
		return errors.New("no list")
	}
	for _, item := range list {
		hook, err := object(item, nil, order...)
		if err != nil {
			return err
		}
		if len(hook) != 1 {
			return fmt.Errorf("%d events in one item", len(hook))
		}
	}
	return nil
}

// object returns v as an object that has all required keys and no others than these and the optional ones.
func object(v any, required []string, optional ...string) (map[string]any, error) {
	o, ok := v.(map[string]any)
	if !ok {
		return nil, fmt.Errorf("%v is no object", v)
	}
	for _, key := range required {
		if _, ok := o[key]; !ok {
			return nil, fmt.Errorf("%s is missing", key)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(o)) {
		if !slices.Contains(required, key) && !slices.Contains(optional, key) {
			return nil, fmt.Errorf("there is no key %s", key)
		}
	}
	return o, nil
}
