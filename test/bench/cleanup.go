package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"slipway/internal/contract"
	"slipway/local/harness"
)

const (
	custodian     = "test/bench/custodian" // policies, lock and virtual environment
	cleanupLimit  = time.Minute            // of one run; the Lambda itself has longer
	cleanupFolder = ".local/bench"
)

// contender is a program that cleans QA environments up.
type contender struct {
	name string
	run  func(ctx context.Context, w *world, endpoint string) (usage, error)
	why  map[string]string // why it may fall short, by the row of the table in which it then does
}

// usage is what a run took.
type usage struct {
	seconds float64
	memory  float64  // MiB, at its peak
	errors  []string // of which it told
}

// result is a run and its effect.
type result struct {
	usage
	calls         map[string]harness.Calls
	before, after count
	of            map[string]group
}

var contenders = []contender{
	{name: "Slipway", run: slipwayCleanup, why: map[string]string{
		"lease over: log groups":             "its sweep takes them, once the environment has been gone for hours",
		"longest life over: all their parts": "the log groups, as above",
	}},
	{name: "Cloud Custodian", run: custodianCleanup, why: map[string]string{
		"lease over: listener rules":         "it has no resource for them, only a filter of load balancers",
		"lease over: target groups":          "the rules that stay forward to them, and AWS deletes no target group in use",
		"lease over: task definitions":       "it lists active revisions only; the inactive ones stay",
		"longest life over: all their parts": "no filter adds a tag's length of time to the time of creation",
		"renewed: all their parts":           "its policies see one resource at a time, so whoever renews a service has to tag all else too",
	}},
}

// cleanup lets the QA cleanup and Cloud Custodian do the same work, each on a local AWS of its own: tasks are records there.
func cleanup(ctx context.Context, out io.Writer) error {
	var results []result
	for _, c := range contenders {
		r, err := c.measure(ctx)
		if err != nil {
			return fmt.Errorf("QA cleanup by %s: %w", c.name, err)
		}
		results = append(results, r)
	}
	return printCleanup(out, results)
}

func (c contender) measure(ctx context.Context) (r result, err error) {
	root, err := os.Getwd()
	if err != nil {
		return r, err
	}
	local := harness.New(root, cleanupFolder, 0)
	local.Records = true // services are what matters, not containers
	if err := local.Up(ctx, io.Discard); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, local.Down(context.WithoutCancel(ctx), io.Discard, true)) }()
	w, err := newWorld(ctx, local, time.Now())
	if err != nil {
		return r, err
	}
	if r.before, err = w.count(ctx); err != nil {
		return r, err
	}
	counter, err := local.Count(ctx)
	if err != nil {
		return r, err
	}
	defer counter.Close() //nolint:errcheck // nothing to save
	limited, cancel := context.WithTimeout(ctx, cleanupLimit)
	defer cancel()
	if r.usage, err = c.run(limited, w, counter.Endpoint()); err != nil {
		return r, err
	}
	r.calls, r.of = counter.Calls(), w.of
	r.after, err = w.count(ctx)
	return r, err
}

// slipwayCleanup is one invocation of the Lambda, from the start of its process to its answer.
func slipwayCleanup(ctx context.Context, w *world, endpoint string) (usage, error) {
	began := time.Now()
	memory, err := invoke(ctx, filepath.Join("build", "lambdas", hostArchitecture(), "qacleanup", "bootstrap"), append(w.environ(endpoint),
		contract.EnvPlatform+"="+platform, contract.EnvCluster+"="+w.cluster, contract.EnvListenerARN+"="+w.listener,
		contract.EnvTopicARN+"="+w.topic, contract.EnvSwitch+"="+contract.CleanupSwitch(platform, "qa"), contract.EnvList+`={"platform":"`+platform+`","domain":"`+domain+`"}`,
	), "{}")
	if err != nil {
		return usage{}, err
	}
	return usage{seconds: time.Since(began).Seconds(), memory: memory}, nil
}

var custodianError = regexp.MustCompile(`(?m)^.*:ERROR (.*)$`)

// custodianCleanup is one run of its command with a fresh cache. A policy that fails is part of what is measured.
func custodianCleanup(ctx context.Context, w *world, endpoint string) (usage, error) {
	folder, err := os.MkdirTemp("", "slipway-bench-")
	if err != nil {
		return usage{}, err
	}
	defer os.RemoveAll(folder) //nolint:errcheck // a temporary folder
	command := exec.CommandContext(ctx, filepath.Join(custodian, ".venv", "bin", "custodian"), "run", "--region", harness.Region,
		"--output-dir", folder, "--cache", filepath.Join(folder, "cache"), filepath.Join(custodian, "policies.yml"))
	command.Env = append(w.environ(endpoint), "HOME="+folder, "PATH="+os.Getenv("PATH"))
	var output bytes.Buffer
	command.Stdout, command.Stderr = &output, &output
	began := time.Now()
	if err := command.Start(); err != nil {
		return usage{}, fmt.Errorf("custodian run: %w; `make bench` installs it", err)
	}
	memory := watchMemory(command.Process.Pid)
	err = command.Wait()
	used := usage{seconds: time.Since(began).Seconds(), memory: memory()}
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || exit.ExitCode() < 0) {
		return used, fmt.Errorf("custodian run: %w\n%s", err, output.String())
	}
	for _, match := range custodianError.FindAllStringSubmatch(output.String(), -1) {
		used.errors = append(used.errors, match[1])
	}
	if err != nil && len(used.errors) == 0 {
		return used, fmt.Errorf("custodian run: %w\n%s", err, output.String())
	}
	return used, nil
}

// environ are the variables of a program that reaches the instance by way of the endpoint, and nothing else.
func (w *world) environ(endpoint string) []string {
	environ := slices.DeleteFunc(slices.Clone(w.aws.Environment()), func(pair string) bool { return strings.HasPrefix(pair, "AWS_ENDPOINT_URL=") })
	return append(environ, "AWS_ENDPOINT_URL="+endpoint)
}

func (r result) total() (all harness.Calls) {
	for _, n := range r.calls {
		all.Made += n.Made
		all.Refused += n.Refused
	}
	return all
}

// effect is some kinds of pieces of the environments of a group.
type effect struct {
	group group
	kinds []kind
	label string
}

// effects are the rows of the table: of the environments whose lease is over each kind by itself, of the others all together.
func effects() (rows []effect) {
	all := []kind{serviceKind, ruleKind, targetGroupKind, taskDefinitionKind, logGroupKind}
	for i, g := range groups(time.Time{}) {
		if i > 0 {
			rows = append(rows, effect{g, all, g.name + ": all their parts"})
			continue
		}
		for _, k := range all {
			rows = append(rows, effect{g, []kind{k}, g.name + ": " + k.String()})
		}
	}
	return rows
}

// removed is how many pieces are gone, of how many.
func (r result) removed(e effect) (gone, all int) {
	for _, k := range e.kinds {
		for slug, before := range r.before[k] {
			if r.of[slug].name == e.group.name {
				all += before
				gone += before - r.after[k][slug]
			}
		}
	}
	return gone, all
}

func printCleanup(out io.Writer, results []result) error {
	var states []string
	for _, g := range groups(time.Time{}) {
		states = append(states, fmt.Sprintf("%d %s", g.count, g.name))
	}
	fmt.Fprintf(out, "\nQA cleanup over %d services made by hand, %d of them behind the listener: %s\n", len(results[0].of), routed, strings.Join(states, ", "))
	table := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	line := func(what string, cell func(result) string) {
		fmt.Fprint(table, what)
		for _, r := range results {
			fmt.Fprint(table, "\t", cell(r))
		}
		fmt.Fprintln(table, "\t")
	}
	fmt.Fprint(table, "WHAT")
	for _, c := range contenders {
		fmt.Fprint(table, "\t", strings.ToUpper(c.name))
	}
	fmt.Fprintln(table, "\t")
	line("API calls", func(r result) string { return fmt.Sprint(r.total().Made) })
	line("  of these refused", func(r result) string { return fmt.Sprint(r.total().Refused) })
	line("seconds", func(r result) string { return fmt.Sprintf("%.1f", r.seconds) })
	line("peak memory, MiB", func(r result) string { return fmt.Sprintf("%.0f", r.memory) })
	for _, e := range effects() {
		has := "has to stay"
		if e.group.goes {
			has = "has to go"
		}
		line("removed, "+has+": "+e.label, func(r result) string {
			gone, all := r.removed(e)
			return fmt.Sprintf("%d of %d", gone, all)
		})
	}
	var actions []string
	for _, r := range results {
		actions = slices.AppendSeq(actions, maps.Keys(r.calls))
	}
	slices.Sort(actions)
	for _, action := range slices.Compact(actions) {
		line("calls of "+action, func(r result) string { return fmt.Sprint(r.calls[action].Made) })
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for i, r := range results {
		r.explain(out, contenders[i])
	}
	return nil
}

// explain says where a run left what had to go or removed what had to stay.
func (r result) explain(out io.Writer, c contender) {
	for _, e := range effects() {
		because := cmp.Or(c.why[e.label], "unexpected")
		switch gone, all := r.removed(e); {
		case e.group.goes && gone < all:
			fmt.Fprintf(out, "%s left %d of %d, %s: %s\n", c.name, all-gone, all, e.label, because)
		case !e.group.goes && gone > 0:
			fmt.Fprintf(out, "%s removed %d of %d that had to stay, %s: %s\n", c.name, gone, all, e.label, because)
		}
	}
	for _, line := range r.errors {
		fmt.Fprintf(out, "%s said: %s\n", c.name, line)
	}
}
