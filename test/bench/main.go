// Bench measures what a person waits for: synthesis, the Lambdas' size and start, and the steps of the last demo. It sets the
// QA cleanup beside Cloud Custodian. It fails for nothing but an error: figures of one machine are for people to read.
package main

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"text/tabwriter"
	"time"

	"slipway/internal/contract"
)

const (
	synthRuns = 3
	startRuns = 20
	demoTimes = ".local/logs/demo/steps.json"
)

func main() {
	qa := flag.Bool("qa", false, "only the QA cleanup beside Cloud Custodian")
	flag.Parse()
	part := run
	if *qa {
		part = cleanup
	}
	if err := part(context.Background(), os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	fmt.Fprintf(out, "Machine: %s/%s, %d processors, %s\n\n", runtime.GOOS, runtime.GOARCH, runtime.NumCPU(), processor())
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "WHAT\tLEAST\tMEDIAN\tMOST\t")

	var walls, memory []float64
	for range synthRuns + 1 { // the first one warms the caches up
		wall, peak, err := synth(ctx)
		if err != nil {
			return err
		}
		walls, memory = append(walls, wall.Seconds()), append(memory, peak)
	}
	row(table, "cdk synth of everything, warm", "s", walls[1:])
	row(table, "  memory of its largest process", "MiB", memory[1:])

	binaries, err := filepath.Glob(filepath.Join("build", "lambdas", hostArchitecture(), "*", "bootstrap"))
	if err != nil || len(binaries) == 0 {
		return fmt.Errorf("find the built Lambdas: %w", errors.Join(err, errors.New("run `make build`")))
	}
	for _, path := range binaries {
		name := filepath.Base(filepath.Dir(path))
		arm, err := zipped(filepath.Join("build", "lambdas", "arm64", name, "bootstrap"))
		if err != nil {
			return err
		}
		row(table, name+": zip for arm64", "MiB", []float64{float64(arm) / (1 << 20)})
		var starts []float64
		for range startRuns {
			took, err := start(ctx, path)
			if err != nil {
				return fmt.Errorf("start %s: %w", name, err)
			}
			starts = append(starts, float64(took.Microseconds())/1000)
		}
		row(table, name+": process start to ready", "ms", starts)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if err := response(ctx, out); err != nil {
		return err
	}
	if err := cleanup(ctx, out); err != nil {
		return err
	}
	return demo(out)
}

// response runs the benchmarks of the response to findings: the time to a plan, and the calls of each action. The fire drill
// has the time from the event to the containment.
func response(ctx context.Context, out io.Writer) error {
	command := exec.CommandContext(ctx, "go", "test", "./lambdas/threatresponse", "-run", "^$", "-bench", ".", "-benchtime", "200x")
	command.Stderr = os.Stderr
	fmt.Fprint(out, "\nResponse to findings: time from event to plan, and AWS calls of each action\n")
	command.Stdout = out
	if err := command.Run(); err != nil {
		return fmt.Errorf("benchmarks of the response: %w", err)
	}
	return nil
}

func row(w io.Writer, what, unit string, values []float64) {
	slices.Sort(values)
	fmt.Fprintf(w, "%s\t%.1f\t%.1f\t%.1f\t%s\n", what, values[0], values[len(values)/2], values[len(values)-1], unit)
}

// synth runs the CDK CLI as `make synth` does. peak is in MiB.
func synth(ctx context.Context) (wall time.Duration, peak float64, err error) {
	directory, err := os.MkdirTemp("", "slipway-bench-")
	if err != nil {
		return 0, 0, err
	}
	defer os.RemoveAll(directory) //nolint:errcheck // a temporary folder
	command := exec.CommandContext(ctx, filepath.Join("node_modules", ".bin", "cdk"), "synth", "--quiet", "--no-lookups", "--output", directory)
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	began := time.Now()
	if err := command.Run(); err != nil {
		return 0, 0, fmt.Errorf("cdk synth: %w\n%s", err, output.String())
	}
	wall = time.Since(began)
	if usage, ok := command.ProcessState.SysUsage().(*syscall.Rusage); ok {
		peak = float64(usage.Maxrss) / 1024 // KiB on Linux
	}
	return wall, peak, nil
}

func zipped(path string) (int, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	var archive bytes.Buffer
	writer := zip.NewWriter(&archive)
	entry, err := writer.Create("bootstrap")
	if err != nil {
		return 0, err
	}
	if _, err := entry.Write(content); err != nil {
		return 0, err
	}
	return archive.Len(), writer.Close()
}

// start is the time from starting a Lambda's process until it asks the runtime API for its first event.
func start(ctx context.Context, binary string) (time.Duration, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	asked := make(chan time.Time, 1)
	command, output, end, err := underRuntime(ctx, binary, http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		select {
		case asked <- time.Now():
		default:
		}
		<-r.Context().Done() // no event ever comes
	}))
	if err != nil {
		return 0, err
	}
	defer end()
	command.Env = append(command.Env, "AWS_REGION=eu-west-1",
		"AWS_ACCESS_KEY_ID=none", "AWS_SECRET_ACCESS_KEY=none",
		contract.EnvPlatform+"=slipway", contract.EnvCluster+"=qa-cluster", contract.EnvDryRun+"=true",
		contract.EnvListenerARN+"=arn:aws:elasticloadbalancing:eu-west-1:111111111111:listener/app/a/b/c",
		contract.EnvTopicARN+"=arn:aws:sns:eu-west-1:111111111111:topic",
		contract.EnvSwitch+"=/slipway/qa/cleanup", contract.EnvList+`={"platform":"slipway","domain":"example.com"}`,
		contract.EnvSweep+`={"platform":"slipway","cluster":"qa-cluster","domain":"example.com","stage":"qa","listener":"arn:aws:x","topic":"arn:aws:y",`+
			`"switch":"/a","memory":"/b","bucket":"c","zone":"example.com","grace":"2h","dryRun":true}`,
		contract.EnvDomain+"=example.com", contract.EnvBucket+"=bucket", contract.EnvMaster+"=arn:aws:secretsmanager:eu-west-1:111111111111:secret:master",
		// What the deployment's Lambdas ask for at their start.
		"SLIPWAY_STAGE=prod", "SLIPWAY_ROLLOUT_HANDLER=on-event",
		`SLIPWAY_DEPLOY_HOOK={"url":"https://127.0.0.1","requests":[{"path":"/health"}]}`,
		`SLIPWAY_ROLLBACK_RESPONDER={"service":"arn:aws:ecs:eu-west-1:111111111111:service/prod-cluster/prod-service",`+
			`"application":"slipway-prod","deploymentGroup":"slipway-prod","logGroup":"/slipway/prod/app","streamPrefix":"app",`+
			`"container":"app","records":"/slipway/prod/rollbacks"}`,
	)
	began := time.Now()
	if err := command.Start(); err != nil {
		return 0, err
	}
	defer func() {
		_ = command.Process.Kill()
		_ = command.Wait()
	}()
	select {
	case at := <-asked:
		return at.Sub(began), nil
	case <-ctx.Done():
		return 0, fmt.Errorf("it never asked for an event: %s", output.String())
	}
}

// demo prints the steps of the last `make demo`.
func demo(out io.Writer) error {
	raw, err := os.ReadFile(demoTimes)
	if errors.Is(err, os.ErrNotExist) {
		fmt.Fprintln(out, "\nNo demo ran here yet: `make demo`, then again, for its steps.")
		return nil
	}
	if err != nil {
		return err
	}
	var last struct {
		At    time.Time
		Steps []struct {
			Name    string
			Seconds float64
		}
	}
	if err := json.Unmarshal(raw, &last); err != nil {
		return fmt.Errorf("read %s: %w", demoTimes, err)
	}
	fmt.Fprintf(out, "\nThe last demo, of %s:\n", last.At.Format("2006-01-02 15:04"))
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	var all float64
	for _, step := range last.Steps {
		fmt.Fprintf(table, "%.1f s\t  %s\n", step.Seconds, step.Name)
		all += step.Seconds
	}
	fmt.Fprintf(table, "%.1f s\t  all steps\n", all)
	return table.Flush()
}

func hostArchitecture() string {
	if runtime.GOARCH == "arm64" {
		return "arm64"
	}
	return "x86_64"
}

func processor() string {
	raw, err := os.ReadFile("/proc/cpuinfo")
	if err == nil {
		for line := range bytes.Lines(raw) {
			if name, value, ok := bytes.Cut(line, []byte(":")); ok && bytes.HasPrefix(name, []byte("model name")) {
				return string(bytes.TrimSpace(value))
			}
		}
	}
	return "unknown processor"
}
