// Drill is the fire drill of the response to findings, on a local AWS of its own: it deploys the security stack with the real
// CDK CLI, makes something to attack of each kind, puts a real-shaped finding about it on the bus, shows the containment,
// undoes it, and shows that everything is as it was.
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	awsconfig "github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	lambdatypes "github.com/aws/aws-sdk-go-v2/service/lambda/types"

	"slipway/internal/config"
	"slipway/internal/contract"
	"slipway/lambdas/threatresponse/corpus"
	"slipway/local/harness"
)

const (
	directory = ".local/drill"
	logFile   = ".local/logs/drill.log"
	limit     = time.Minute // for one finding to be contained
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "\nThe fire drill failed: %v\nMore is in %s.\n", err, logFile)
		os.Exit(1)
	}
}

// drill is one run.
type drill struct {
	cfg    *config.Config
	aws    *harness.Local
	log    io.Writer
	lambda *lambda.Client
	site   *site
	rows   []row
}

// row is what the summary says of a finding.
type row struct {
	finding, target, did string
	contained, undone    time.Duration
}

func run(ctx context.Context) (err error) {
	cfg, err := config.Load("platform.yaml", config.Profile{Local: true, HostArchitecture: runtime.GOARCH})
	if err != nil {
		return err
	}
	root, err := os.Getwd()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(logFile), 0o755); err != nil {
		return err
	}
	file, err := os.Create(logFile)
	if err != nil {
		return err
	}
	defer file.Close()
	// Tasks as records are enough here, and start at once.
	if err := os.Setenv("DOCKER_HOST", "unix:///nonexistent"); err != nil {
		return err
	}
	d := &drill{cfg: cfg, aws: harness.New(root, directory, 0), log: file}
	fmt.Println("Fire drill on a local AWS of its own. No AWS account is touched.")
	// What an interrupted drill left behind would not be as it was.
	if err := d.aws.Down(ctx, file, true); err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, d.aws.Down(context.WithoutCancel(ctx), file, true))
	}()
	for _, step := range []struct {
		name string
		do   func(context.Context) error
	}{{"Start the local AWS", d.start}, {"Deploy the security stack", d.deploy}, {"Arm the response: mode auto for every policy", d.arm}, {"Make something to attack", d.build}} {
		began := time.Now()
		if err := step.do(ctx); err != nil {
			return fmt.Errorf("%s: %w", strings.ToLower(step.name), err)
		}
		fmt.Printf("%5.1f s  %s\n", time.Since(began).Seconds(), step.name)
	}
	for _, s := range d.scenarios() {
		if err := d.play(ctx, s); err != nil {
			return fmt.Errorf("%s: %w", s.title, err)
		}
	}
	d.report()
	return nil
}

func (d *drill) start(ctx context.Context) error {
	if err := d.aws.Up(ctx, d.log); err != nil {
		return err
	}
	for _, pair := range d.aws.Environment() {
		name, value, _ := strings.Cut(pair, "=")
		if err := os.Setenv(name, value); err != nil {
			return err
		}
	}
	cfg, err := awsconfig.LoadDefaultConfig(ctx)
	if err != nil {
		return err
	}
	d.lambda, d.site = lambda.NewFromConfig(cfg), newSite(cfg, d.cfg.Platform)
	return d.aws.Bootstrap(ctx, d.log)
}

func (d *drill) deploy(ctx context.Context) error {
	app, err := d.aws.Synth(ctx, d.log)
	if err != nil {
		return err
	}
	return d.aws.CDK(ctx, d.log, "deploy", "--app", app, "--exclusively", contract.PlatformStack(d.cfg.Platform, contract.StackSecurity))
}

// arm gives the deployed function a policy table that acts at once. platform.yaml ships with dry runs.
func (d *drill) arm(ctx context.Context) error {
	name := contract.ResponseFunction(d.cfg.Platform)
	function, err := d.lambda.GetFunctionConfiguration(ctx, &lambda.GetFunctionConfigurationInput{FunctionName: &name})
	if err != nil {
		return err
	}
	var setting contract.ResponseConfig
	if err := json.Unmarshal([]byte(function.Environment.Variables[contract.EnvResponse]), &setting); err != nil {
		return err
	}
	setting.Policies = []contract.ResponsePolicy{{Findings: []string{"*"}, MinSeverity: 1, Actions: contract.ResponseActions, Mode: contract.ModeAuto}}
	armed, err := json.Marshal(setting)
	if err != nil {
		return err
	}
	function.Environment.Variables[contract.EnvResponse] = string(armed)
	_, err = d.lambda.UpdateFunctionConfiguration(ctx, &lambda.UpdateFunctionConfigurationInput{
		FunctionName: &name, Environment: &lambdatypes.Environment{Variables: function.Environment.Variables},
	})
	return err
}

func (d *drill) build(ctx context.Context) error { return d.site.build(ctx) }

// play is one finding: on the bus, contained, undone, as it was.
func (d *drill) play(ctx context.Context, s scenario) error {
	before, err := d.site.snapshot(ctx)
	if err != nil {
		return err
	}
	event, err := corpus.Event(s.shape, s.changes)
	if err != nil {
		return err
	}
	fmt.Printf("\n%s\n", s.title)
	began := time.Now()
	if err := d.aws.Finding(ctx, d.log, event); err != nil {
		return err
	}
	var entries []contract.ResponseEntry
	if err := harness.EventuallyEvery(ctx, limit, 20*time.Millisecond, func() error { // often, since the time is a figure
		answer, err := d.aws.Respond(ctx, d.cfg.Platform, contract.ResponseCommand{By: "fire drill", Command: contract.ResponseCommandList})
		if err != nil {
			return err
		}
		entries = nil
		for _, e := range answer.Entries {
			if e.State == "failed" {
				return fmt.Errorf("%s %s failed: %s", e.Action, e.Target, e.Error)
			}
			if e.State == "active" {
				entries = append(entries, e)
			}
		}
		if len(entries) != s.entries {
			return fmt.Errorf("%d of %d actions are done: %s", len(entries), s.entries, answer.Message)
		}
		return nil
	}); err != nil {
		return err
	}
	took := time.Since(began)
	contained, err := d.site.snapshot(ctx)
	if err != nil {
		return err
	}
	if contained == before {
		return errors.New("the ledger says it is contained, and nothing has changed")
	}
	for _, e := range entries {
		fmt.Printf("  contained   %s %s\n", e.Action, e.Target)
		for _, note := range e.Notes {
			fmt.Printf("              - %s\n", note)
		}
	}
	began = time.Now()
	for _, e := range entries {
		answer, err := d.aws.Respond(ctx, d.cfg.Platform, contract.ResponseCommand{By: "fire drill", Command: contract.ResponseCommandUndo, ID: e.ID})
		if err != nil {
			return err
		}
		if answer.Failed {
			return errors.New(answer.Message)
		}
	}
	undoing := time.Since(began)
	after, err := d.site.snapshot(ctx)
	if err != nil {
		return err
	}
	if after != before {
		return fmt.Errorf("after it was undone, something isn't as it was:\n%s", difference(before, after))
	}
	fmt.Printf("  undone      everything is as it was (%d bytes of state compared)\n", len(after))
	for _, e := range entries {
		d.rows = append(d.rows, row{s.title, e.Target, e.Action, took, undoing})
	}
	return nil
}

func (d *drill) report() {
	fmt.Println("\nCONTAINED counts from putting the event on the bus until the ledger says so, the Lambda's start included.")
	table := tabwriter.NewWriter(os.Stdout, 0, 4, 2, ' ', 0)
	fmt.Fprint(table, "FINDING\tACTION\tTARGET\tCONTAINED\tUNDONE\n")
	for _, r := range d.rows {
		fmt.Fprintf(table, "%s\t%s\t%s\t%.2f s\t%.2f s\n", r.finding, r.did, r.target, r.contained.Seconds(), r.undone.Seconds())
	}
	table.Flush()
}

// difference shows the lines that differ.
func difference(before, after string) string {
	had := map[string]bool{}
	for line := range strings.Lines(before) {
		had[line] = true
	}
	var out bytes.Buffer
	has := map[string]bool{}
	for line := range strings.Lines(after) {
		has[line] = true
		if !had[line] {
			out.WriteString("+ " + line)
		}
	}
	for line := range strings.Lines(before) {
		if !has[line] {
			out.WriteString("- " + line)
		}
	}
	return out.String()
}
