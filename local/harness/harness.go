// Package harness drives the local AWS and the CDK CLI: the demo and the end-to-end tests do the same things through it
// that a user does by hand.
package harness

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// AccountID and Region are those of the local AWS.
const (
	AccountID = "000000000000"
	Region    = "eu-west-1"
)

// noEngine is the exit code of `python -m local` for "there is no container engine, and none can be set up here".
const noEngine = 3

// ErrNoEngine says that tasks cannot run as containers on this machine.
var ErrNoEngine = errors.New("no container engine")

// Local is one instance of the local AWS.
type Local struct {
	// Root is the checkout.
	Root string
	// Directory holds the instance's state and logs, relative to Root; two instances never share one.
	Directory string
	// Port is the endpoint's; from Up on the one that it has.
	Port int
	// Records leaves tasks records, although there may be a container engine.
	Records bool

	environment []string
}

// New describes an instance; nothing is started. With port 0 the instance takes a free one when it comes up.
func New(root, directory string, port int) *Local {
	return &Local{Root: root, Directory: directory, Port: port}
}

// Endpoint is the URL of the local AWS.
func (l *Local) Endpoint() string { return "http://127.0.0.1:" + strconv.Itoa(l.Port) }

// Engine finds or sets up a container engine. ErrNoEngine: there is none to be had; the message says what to do.
func (l *Local) Engine(ctx context.Context, log io.Writer) error {
	return l.python(ctx, log, "engine")
}

// BuildImage builds the application's image for a commit under a tag.
func (l *Local) BuildImage(ctx context.Context, log io.Writer, tag, commit string) error {
	return l.python(ctx, log, "image", "--tag", tag, "--commit", commit)
}

// DatabaseImage fetches or makes the image of the databases, which the first one would do inside its stack's creation.
func (l *Local) DatabaseImage(ctx context.Context, log io.Writer) error {
	return l.python(ctx, log, "database-image")
}

// Up starts the instance, or finds it running, and waits until it answers.
func (l *Local) Up(ctx context.Context, log io.Writer) error {
	if err := l.python(ctx, log, "up", "--dir", l.Directory, "--port", strconv.Itoa(l.Port)); err != nil {
		return err
	}
	var out bytes.Buffer
	if err := l.python(ctx, &out, "env", "--dir", l.Directory); err != nil {
		return err
	}
	l.environment = nil
	lines := bufio.NewScanner(&out)
	for lines.Scan() {
		if pair, ok := strings.CutPrefix(lines.Text(), "export "); ok {
			name, value, _ := strings.Cut(pair, "=")
			value = strings.Trim(value, `'"`)
			l.environment = append(l.environment, name+"="+value)
			if name == "AWS_ENDPOINT_URL" {
				port, err := strconv.Atoi(value[strings.LastIndexByte(value, ':')+1:])
				if err != nil {
					return fmt.Errorf("start the local AWS: its endpoint %q has no port", value)
				}
				l.Port = port
			}
		}
	}
	if len(l.environment) == 0 {
		return errors.New("start the local AWS: `python -m local env` printed no exports")
	}
	return lines.Err()
}

// Down stops the instance; purge also removes its state and its containers.
func (l *Local) Down(ctx context.Context, log io.Writer, purge bool) error {
	args := []string{"down", "--dir", l.Directory}
	if purge {
		args = append(args, "--purge")
	}
	return l.python(ctx, log, args...)
}

// PushImage registers a built image in the instance's ECR.
func (l *Local) PushImage(ctx context.Context, log io.Writer, tag string) error {
	return l.python(ctx, log, "push", "--dir", l.Directory, "--tag", tag)
}

// RecordImage registers a tag without an image, for an instance whose tasks are records.
func (l *Local) RecordImage(ctx context.Context, log io.Writer, tag string) error {
	return l.python(ctx, log, "push", "--dir", l.Directory, "--tag", tag, "--record")
}

// Containers are the running containers of the instance's tasks whose task definition family is given.
func (l *Local) Containers(ctx context.Context, family string) ([]string, error) {
	var out bytes.Buffer
	if err := l.python(ctx, &out, "status", "--dir", l.Directory); err != nil {
		return nil, err
	}
	var found []string
	for line := range strings.Lines(out.String()) {
		if words := strings.Fields(line); len(words) > 3 && words[0] == "container" && words[3] == family {
			found = append(found, words[1])
		}
	}
	return found, nil
}

// Bootstrap runs `cdk bootstrap` for the local account, away from cdk.json: the account needs no synthesis.
func (l *Local) Bootstrap(ctx context.Context, log io.Writer) error {
	return l.cdk(ctx, log, filepath.Join(l.Root, l.Directory), "bootstrap", "aws://"+AccountID+"/"+Region)
}

// Synth writes the templates of the local profile to the instance's folder and returns what `cdk --app` takes for them:
// several commands then share one synthesis. args are further context.
func (l *Local) Synth(ctx context.Context, log io.Writer, args ...string) (app string, err error) {
	app = filepath.Join(l.Directory, "cdk.out")
	return app, l.CDK(ctx, log, "synth", append([]string{"--quiet", "--output", app}, args...)...)
}

// CDK runs the CDK CLI of the checkout in the local profile, with the instance's environment, and never asks a question.
func (l *Local) CDK(ctx context.Context, log io.Writer, subcommand string, args ...string) error {
	args = append([]string{"--context", "profile=local"}, args...)
	switch subcommand {
	case "deploy":
		args = append(args, "--progress", "events", "--require-approval", "never")
	case "destroy":
		args = append(args, "--force")
	}
	return l.cdk(ctx, log, l.Root, subcommand, args...)
}

func (l *Local) cdk(ctx context.Context, log io.Writer, directory, subcommand string, args ...string) error {
	args = append([]string{subcommand, "--no-color", "--ci"}, args...)
	command := exec.CommandContext(ctx, filepath.Join(l.Root, "node_modules", ".bin", "cdk"), args...)
	command.Dir = directory
	command.Env = append(l.hostEnvironment(), l.environment...)
	return l.run(command, log, "cdk "+strings.Join(args, " "))
}

// Slipway runs the command of tools/slipway against the instance, as a person would, and returns what it printed on standard
// output. What it said beside that is in the log, and its end in the error. args begin with the command's name.
func (l *Local) Slipway(ctx context.Context, log io.Writer, args ...string) (string, error) {
	program := filepath.Join(l.Root, l.Directory, "slipway")
	build := exec.CommandContext(ctx, "go", "build", "-o", program, "./tools/slipway") // a moment, once it is built
	build.Dir = l.Root
	if err := l.run(build, log, "go build ./tools/slipway"); err != nil {
		return "", err
	}
	var out bytes.Buffer
	var tail lastLines
	command := exec.CommandContext(ctx, program, args...)
	command.Dir = l.Root
	command.Env = append(l.hostEnvironment(), l.environment...)
	command.Stdout, command.Stderr = io.MultiWriter(log, &out), io.MultiWriter(log, &tail)
	if err := command.Run(); err != nil {
		return out.String(), fmt.Errorf("slipway %s: %w\n%s", strings.Join(args, " "), err, tail.String())
	}
	return out.String(), nil
}

// Environment are the variables, NAME=value, with which AWS clients reach the instance. Empty before Up.
func (l *Local) Environment() []string { return l.environment }

// Answer is what a load balancer answered.
type Answer struct {
	Status int
	Header http.Header
	Body   string
}

// Get asks https://host+path of the deployed platform, through its load balancer and host rules: the local AWS reads the
// Host field as DNS would, and the port in it as the listener's.
func (l *Local) Get(ctx context.Context, host, path string) (Answer, error) {
	return l.ask(ctx, http.MethodGet, host+":443", path, "", nil)
}

// Post sends a body to https://host+path, as Get does.
func (l *Local) Post(ctx context.Context, host, path, contentType string, body []byte) (Answer, error) {
	return l.ask(ctx, http.MethodPost, host+":443", path, contentType, body)
}

// GetPlain is Get for http://host+path, the listener on port 80. Redirects are not followed.
func (l *Local) GetPlain(ctx context.Context, host, path string) (Answer, error) {
	return l.ask(ctx, http.MethodGet, host, path, "", nil)
}

func (l *Local) ask(ctx context.Context, method, host, path, contentType string, body []byte) (Answer, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, l.Endpoint()+path, bytes.NewReader(body))
	if err != nil {
		return Answer{}, err
	}
	request.Host = host
	if contentType != "" {
		request.Header.Set("Content-Type", contentType)
	}
	client := &http.Client{
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport:     &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}},
	}
	response, err := client.Do(request)
	if err != nil {
		return Answer{}, fmt.Errorf("ask %s%s: %w", host, path, err)
	}
	defer response.Body.Close()
	content, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil {
		return Answer{}, fmt.Errorf("read the answer of %s%s: %w", host, path, err)
	}
	return Answer{Status: response.StatusCode, Header: response.Header, Body: string(content)}, nil
}

// Eventually asks again until check accepts the answer, or returns the last reason when the time is over.
func Eventually(ctx context.Context, limit time.Duration, check func() error) error {
	return EventuallyEvery(ctx, limit, 500*time.Millisecond, check)
}

// EventuallyEvery is Eventually with a pause of one's own.
func EventuallyEvery(ctx context.Context, limit, pause time.Duration, check func() error) error {
	deadline := time.Now().Add(limit)
	for {
		err := check()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("after %s: %w", limit, err)
		}
		select {
		case <-ctx.Done():
			return errors.Join(ctx.Err(), err)
		case <-time.After(pause):
		}
	}
}

func (l *Local) python(ctx context.Context, log io.Writer, args ...string) error {
	command := exec.CommandContext(ctx, filepath.Join(l.Root, ".venv", "bin", "python"), append([]string{"-m", "local"}, args...)...)
	command.Dir = l.Root
	command.Env = l.hostEnvironment()
	err := l.run(command, log, "python -m local "+strings.Join(args, " "))
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == noEngine {
		return errors.Join(ErrNoEngine, err)
	}
	return err
}

// hostEnvironment is this process's environment with the project's Node first, and without credentials or settings of a
// real AWS account.
func (l *Local) hostEnvironment() []string {
	var kept []string
	for _, pair := range os.Environ() {
		name, value, _ := strings.Cut(pair, "=")
		switch {
		case name == "PATH":
			kept = append(kept, "PATH="+filepath.Join(l.Root, "node_modules", ".bin")+string(os.PathListSeparator)+value)
		case strings.HasPrefix(name, "AWS_") && name != "AWS_CA_BUNDLE":
		default:
			kept = append(kept, pair)
		}
	}
	if l.Records {
		kept = append(kept, "DOCKER_HOST=unix:///nonexistent")
	}
	return kept
}

func (l *Local) run(command *exec.Cmd, log io.Writer, what string) error {
	var tail lastLines
	command.Stdout = io.MultiWriter(log, &tail)
	command.Stderr = command.Stdout
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", what, err, tail.String())
	}
	return nil
}

// lastLines keeps the end of an output, for error messages.
type lastLines struct{ kept []byte }

func (t *lastLines) Write(p []byte) (int, error) {
	const most = 6000 // the reason of a failed custom resource comes before its long stack trace
	t.kept = append(t.kept, p...)
	if len(t.kept) > most {
		t.kept = t.kept[len(t.kept)-most:]
	}
	return len(p), nil
}

func (t *lastLines) String() string { return strings.TrimSpace(string(t.kept)) }
