// Package test holds the tests that need the CDK: the only package of the project that starts jsii. Every template is
// synthesized once, then read as plain JSON.
package test

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/jsii-runtime-go"

	"slipway/internal/config"
	"slipway/stacks"
)

// root is the project's folder, seen from this package.
const root = ".."

// assemblies is the temporary folder of all syntheses.
var assemblies string

// deployedAt is the clock of every synthesis here, so that leases are the same each time.
var deployedAt = time.Date(2026, time.March, 2, 9, 30, 0, 0, time.UTC)

func TestMain(m *testing.M) {
	// The project's own Node runs jsii.
	bin, err := filepath.Abs(filepath.Join(root, "node_modules", ".bin"))
	if err != nil {
		panic(err)
	}
	if _, err := os.Stat(filepath.Join(root, "build", "lambdas")); err != nil {
		fmt.Fprintln(os.Stderr, "the Lambdas are not built: run `make build` first")
		os.Exit(1)
	}
	if err := os.Setenv("PATH", bin+string(os.PathListSeparator)+os.Getenv("PATH")); err != nil {
		panic(err)
	}
	assemblies, err = os.MkdirTemp("", "slipway-assemblies-")
	if err != nil {
		panic(err)
	}
	code := m.Run()
	jsii.Close()
	if err := os.RemoveAll(assemblies); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(code)
}

// assembly is one synthesis: the templates by stack name and the messages that the CDK and cdk-nag left on constructs.
type assembly struct {
	directory string
	files     map[string]string // path of each template
	templates map[string]template
	errors    []string
	warnings  []string
}

// shipped is the platform.yaml that the project ships: every stack of the platform and, from syntheses of their own, one QA
// environment and the pipeline, which the shipped file leaves out.
var shipped = sync.OnceValues(func() (*assembly, error) {
	platform, err := synthesize(func(*config.Config) {}, map[string]string{"imageTag": "3f1c2ab"})
	if err != nil {
		return nil, err
	}
	environment, err := synthesize(func(*config.Config) {}, map[string]string{"branch": "feature/new-awesome-feature", "imageTag": "3f1c2ab", "owner": "sam@example.com"})
	if err != nil {
		return nil, err
	}
	withPipeline, err := piped()
	if err != nil {
		return nil, err
	}
	const pipeline = "slipway-pipeline" // its stages are the same templates again
	platform.files[pipeline], platform.templates[pipeline] = withPipeline.files[pipeline], withPipeline.templates[pipeline]
	platform.errors = append(platform.errors, withPipeline.errors...)
	platform.warnings = append(platform.warnings, withPipeline.warnings...)
	maps.Copy(platform.files, environment.files)
	maps.Copy(platform.templates, environment.templates)
	platform.errors = append(platform.errors, environment.errors...)
	platform.warnings = append(platform.warnings, environment.warnings...)
	return platform, nil
})

// several is the synthesis with a different account for every purpose, and with a sign-in before the QA environments.
var several = sync.OnceValues(func() (*assembly, error) {
	return synthesize(severalAccounts, nil)
})

func severalAccounts(cfg *config.Config) {
	cfg.Accounts = map[string]string{"shared": "111111111111", "workload": "222222222222", "prod": "333333333333"}
	cfg.Stages[len(cfg.Stages)-1].Account = "prod"
	cfg.QA.SignIn = config.SignIn{
		Issuer: "https://id.example.com", AuthorizationEndpoint: "https://id.example.com/authorize", TokenEndpoint: "https://id.example.com/token",
		UserInfoEndpoint: "https://id.example.com/userinfo", ClientID: "qa", Scope: "openid", Session: config.Duration(time.Hour),
		SecretARN:    "arn:aws:secretsmanager:eu-west-1:222222222222:secret:qa/sign-in-a1B2c3",
		SecretKeyARN: "arn:aws:kms:eu-west-1:222222222222:key/01234567-89ab-cdef-0123-456789abcdef",
	}
}

func shippedAssembly(t *testing.T) *assembly { return must(t, shipped) }

func must(t *testing.T, synthesis func() (*assembly, error)) *assembly {
	t.Helper()
	got, err := synthesis()
	if err != nil {
		t.Fatalf("synthesis: %v", err)
	}
	return got
}

// synthesize assembles platform.yaml, changed by change, into a temporary folder.
func synthesize(change func(*config.Config), context map[string]string) (*assembly, error) {
	return synthesizeWith(nil, change, context)
}

// synthesizeWith takes settings besides those of cdk.json.
func synthesizeWith(settings map[string]any, change func(*config.Config), context map[string]string) (result *assembly, err error) {
	defer func() { // a jsii error is a panic
		if problem := recover(); problem != nil {
			err = fmt.Errorf("%v", problem)
		}
	}()
	cfg, err := config.Load(filepath.Join(root, "platform.yaml"), config.Profile{})
	if err != nil {
		return nil, err
	}
	change(cfg)
	request, err := config.ParseRequest(cfg, context, deployedAt)
	if err != nil {
		return nil, err
	}
	flags, err := featureFlags()
	if err != nil {
		return nil, err
	}
	maps.Copy(flags, settings)
	directory, err := os.MkdirTemp(assemblies, "")
	if err != nil {
		return nil, err
	}
	app := awscdk.NewApp(&awscdk.AppProps{Outdir: jsii.String(directory), Context: &flags, AnalyticsReporting: jsii.Bool(false)})
	stacks.Assemble(app, cfg, request, filepath.Join(root, "build", "lambdas"))
	app.Synth(nil)
	return readAssembly(directory)
}

// featureFlags are the context of cdk.json, which the CDK CLI would pass.
func featureFlags() (map[string]any, error) {
	var settings struct {
		Context map[string]any `json:"context"`
	}
	err := readJSON(filepath.Join(root, "cdk.json"), &settings)
	return settings.Context, err
}

func readAssembly(directory string) (*assembly, error) {
	result := &assembly{directory: directory, files: map[string]string{}, templates: map[string]template{}}
	files, err := filepath.Glob(filepath.Join(directory, "*.template.json"))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		var t template
		if err := readJSON(file, &t); err != nil {
			return nil, err
		}
		name := strings.TrimSuffix(filepath.Base(file), ".template.json")
		result.files[name], result.templates[name] = file, t
	}
	var manifest struct {
		Artifacts map[string]struct {
			Metadata map[string][]struct {
				Type string `json:"type"`
				Data any    `json:"data"`
			} `json:"metadata"`
			AdditionalMetadataFile string `json:"additionalMetadataFile"`
		} `json:"artifacts"`
		Missing []any `json:"missing"`
	}
	if err := readJSON(filepath.Join(directory, "manifest.json"), &manifest); err != nil {
		return nil, err
	}
	for _, missing := range manifest.Missing {
		result.errors = append(result.errors, fmt.Sprintf("synthesis would look something up with credentials: %v", missing))
	}
	for _, artifact := range manifest.Artifacts {
		metadata := artifact.Metadata
		if artifact.AdditionalMetadataFile != "" {
			if err := readJSON(filepath.Join(directory, artifact.AdditionalMetadataFile), &metadata); err != nil {
				return nil, err
			}
		}
		for path, entries := range metadata {
			for _, entry := range entries {
				switch entry.Type {
				case "aws:cdk:error":
					result.errors = append(result.errors, fmt.Sprintf("%s: %v", path, entry.Data))
				case "aws:cdk:warning":
					result.warnings = append(result.warnings, fmt.Sprintf("%s: %v", path, entry.Data))
				}
			}
		}
	}
	sort.Strings(result.errors)
	sort.Strings(result.warnings)
	return result, nil
}

func readJSON(file string, into any) error {
	raw, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(raw, into); err != nil {
		return fmt.Errorf("read %s: %w", file, err)
	}
	return nil
}
