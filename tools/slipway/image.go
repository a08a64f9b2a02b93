package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ecr"

	"slipway/tools/slipway/account"
	"slipway/tools/slipway/command"
	"slipway/tools/slipway/container"
	"slipway/tools/slipway/evidence"
	"slipway/tools/slipway/registry"
	"slipway/tools/slipway/sbom"
)

// Waiting for ECR's scan after a push: usually a minute.
const (
	scanEvery = 5 * time.Second
	scanLimit = 15 * time.Minute
)

func runImage(ctx context.Context, args []string, out, log io.Writer) int {
	flags := command.Flags("slipway image", log)
	source := flags.String("context", "flaskapp", "the folder with the Dockerfile, in the checkout that is built")
	folder := flags.String("out", "build/image", "where the list of parts and the provenance are written")
	check := flags.Bool("check", false, "only build, test and list; no registry is asked, nothing is pushed")
	if code, done := command.Parse(flags, args); done {
		return code
	}
	p, err := account.Open(ctx, false)
	if err != nil {
		fmt.Fprintln(log, err)
		return command.Failed
	}
	job := imageJob{platform: p, source: *source, folder: *folder, out: out, log: log, repository: registry.Repository{
		Client: ecr.NewFromConfig(p.AWS()), Account: p.RegistryAccount(), Name: p.Config.Registry.Repository, Rule: registry.Rule(p.Config),
	}}
	if err := job.run(ctx, *check); err != nil {
		fmt.Fprintf(log, "image: %v\n", err)
		return command.Failed
	}
	return command.OK
}

// imageJob takes the source to an image in the registry that may be deployed: build once, test inside, list its parts, push
// by commit, record where it comes from, wait for the scan. ECR scans what was pushed, so a bad image is in the registry;
// deployments refuse it.
type imageJob struct {
	platform   *account.Platform
	repository registry.Repository
	source     string
	folder     string
	out, log   io.Writer
}

func (j imageJob) run(ctx context.Context, checkOnly bool) error {
	commit, err := j.commit(ctx)
	if err != nil {
		return err
	}
	if checkOnly {
		built, err := j.build(ctx, commit)
		if err != nil {
			return err
		}
		fmt.Fprintf(j.out, "%s is built and tested\n", built.name)
		return nil
	}
	digest, err := j.repository.Digest(ctx, commit)
	switch {
	case err == nil:
		fmt.Fprintf(j.log, "%s is in the registry already, so it isn't built and pushed again\n", commit)
	case errors.Is(err, registry.ErrNoImage):
		if digest, err = j.make(ctx, commit); err != nil {
			return err
		}
	default:
		return err
	}
	verdict, err := j.repository.Scanned(ctx, digest, scanEvery, scanLimit)
	if err != nil {
		return err
	}
	for _, f := range verdict.Excepted {
		fmt.Fprintf(j.log, "accepted for now by registry.scan.exceptions: %s\n", f)
	}
	for _, f := range verdict.Refused {
		fmt.Fprintf(j.log, "found: %s\n", f)
	}
	if err := verdict.Err(commit, j.repository.Rule); err != nil {
		return err
	}
	if account.Local() {
		fmt.Fprintln(j.log, "THE LOCAL AWS SCANS NOTHING: its scan finds only what was recorded by hand. The image is for this machine only.")
	}
	return output(j.out, map[string]string{"tag": commit, "digest": digest})
}

// commit is the source's, which becomes the tag. What isn't committed can't be named by it.
func (j imageJob) commit(ctx context.Context) (string, error) {
	dirty, err := j.git(ctx, "status", "--porcelain", "--", ".")
	if err != nil {
		return "", err
	}
	if dirty != "" {
		return "", fmt.Errorf("%s has changes that no commit holds; commit them, for the commit is the image's name:\n%s", j.source, dirty)
	}
	return j.git(ctx, "rev-parse", "HEAD")
}

func (j imageJob) git(ctx context.Context, args ...string) (string, error) {
	text, err := exec.CommandContext(ctx, "git", append([]string{"-C", j.source}, args...)...).Output()
	if err != nil {
		return "", fmt.Errorf("git %s in %s: %w", args[0], j.source, err)
	}
	return strings.TrimSpace(string(text)), nil
}

// built is an image on this machine.
type built struct {
	name     string
	engine   *container.Engine
	started  time.Time
	image    container.Image
	contents sbom.Contents
}

// make builds, pushes and records an image that the registry doesn't have.
func (j imageJob) make(ctx context.Context, commit string) (string, error) {
	b, err := j.build(ctx, commit)
	if err != nil {
		return "", err
	}
	digest, err := j.push(ctx, b, commit)
	if err != nil {
		return "", err
	}
	fmt.Fprintf(j.log, "pushed as %s\n", digest)
	return digest, j.record(ctx, b, commit, digest)
}

// build builds the image once, tests it from the inside, and lists its parts.
func (j imageJob) build(ctx context.Context, commit string) (built, error) {
	b := built{started: time.Now()}
	var err error
	var test string
	if account.Local() {
		b.engine, b.name, test, err = j.buildLocally(ctx, commit)
	} else {
		b.engine, b.name, test, err = j.buildForECS(ctx, commit)
	}
	if err != nil {
		return b, err
	}
	if b.image, err = b.engine.Inspect(ctx, b.name); err != nil {
		return b, err
	}
	tested, err := b.engine.Inspect(ctx, test)
	if err != nil {
		return b, err
	}
	if !tested.Holds(b.image) {
		return b, fmt.Errorf("the tests ran in %s, which doesn't stand on the layers of %s: another image was tested than would be pushed", test, b.name)
	}
	if err := b.engine.Files(ctx, b.name, func(files io.Reader) (err error) {
		b.contents, err = sbom.Read(files)
		return err
	}); err != nil {
		return b, fmt.Errorf("list what %s consists of: %w", b.name, err)
	}
	list, err := sbom.CycloneDX(sbom.Subject{
		Repository: j.repository.URI(j.platform.Config.Region), Tag: commit, Digest: b.image.ID, Created: b.started,
	}, b.contents)
	if err != nil {
		return b, err
	}
	fmt.Fprintf(j.log, "%s consists of %d packages on %s\n", b.name, len(b.contents.Packages), b.contents.Distribution)
	return b, j.write("sbom.cdx.json", list)
}

func (j imageJob) write(name string, text []byte) error {
	if err := os.MkdirAll(j.folder, 0o755); err != nil {
		return fmt.Errorf("make the folder for the image's documents: %w", err)
	}
	return os.WriteFile(filepath.Join(j.folder, name), text, 0o644)
}

// buildForECS builds for the architecture of the tasks, and runs the tests as ECS runs the application.
func (j imageJob) buildForECS(ctx context.Context, commit string) (engine *container.Engine, name, test string, err error) {
	if engine, err = container.Find(nil, j.log); err != nil {
		return nil, "", "", err
	}
	name = j.repository.URI(j.platform.Config.Region) + ":" + commit
	test = "localhost/slipway/" + j.repository.Name + "-test:" + commit
	for _, stage := range []struct{ target, as string }{{"app", name}, {"test", test}} {
		err := engine.Run(ctx, "build", "--platform", "linux/amd64", "--target", stage.target, "--build-arg", "GIT_COMMIT="+commit, "--tag", stage.as, j.source)
		if err != nil {
			return nil, "", "", err
		}
	}
	return engine, name, test, engine.Run(ctx, "run", "--rm", "--read-only", "--cap-drop", "all", "--tmpfs", "/tmp", test)
}

var exported = regexp.MustCompile(`(?m)^export ([A-Z_]+)=(.*)$`)

// buildLocally leaves engine and base image to the local AWS's launcher, which knows what the machine has.
func (j imageJob) buildLocally(ctx context.Context, commit string) (engine *container.Engine, name, test string, err error) {
	settings, err := j.local(ctx, "engine")
	if err != nil {
		return nil, "", "", err
	}
	var env []string
	for _, pair := range exported.FindAllStringSubmatch(settings, -1) {
		env = append(env, pair[1]+"="+strings.Trim(pair[2], `'"`))
	}
	if engine, err = container.Find(env, j.log); err != nil {
		return nil, "", "", err
	}
	common := []string{"--tag", commit, "--commit", commit, "--context", j.source, "--repository", j.repository.Name}
	if name, err = j.local(ctx, append([]string{"image"}, common...)...); err != nil {
		return nil, "", "", err
	}
	if _, err = j.local(ctx, append([]string{"test-image"}, common...)...); err != nil {
		return nil, "", "", err
	}
	return engine, name, "localhost/slipway/" + j.repository.Name + "-test:" + commit, nil
}

// local runs the launcher of the local AWS and returns what it printed.
func (j imageJob) local(ctx context.Context, args ...string) (string, error) {
	command := exec.CommandContext(ctx, filepath.Join(".venv", "bin", "python"), append([]string{"-m", "local"}, args...)...)
	command.Stderr = j.log
	text, err := command.Output()
	if err != nil {
		fmt.Fprintf(j.log, "%s", text) // such as the tests that failed
		return "", fmt.Errorf("python -m local %s: %w; what it printed above says why", args[0], err)
	}
	return strings.TrimSpace(string(text)), nil
}

// push brings the image into the registry and returns the digest that it has there.
func (j imageJob) push(ctx context.Context, b built, commit string) (string, error) {
	if account.Local() {
		return j.local(ctx, "push", "--tag", commit, "--repository", j.repository.Name)
	}
	token, err := ecr.NewFromConfig(j.platform.AWS()).GetAuthorizationToken(ctx, &ecr.GetAuthorizationTokenInput{})
	if err != nil || len(token.AuthorizationData) == 0 {
		return "", fmt.Errorf("get a password for the registry: %w; check the credentials", err)
	}
	pair, err := base64.StdEncoding.DecodeString(aws.ToString(token.AuthorizationData[0].AuthorizationToken))
	if err != nil {
		return "", errors.New("get a password for the registry: ECR's token is not in its usual form")
	}
	user, password, _ := strings.Cut(string(pair), ":")
	host, _, _ := strings.Cut(b.name, "/")
	if err := b.engine.Login(ctx, host, user, password); err != nil {
		return "", err
	}
	if err := b.engine.Run(ctx, "push", b.name); err != nil {
		return "", err
	}
	digest, err := j.repository.Digest(ctx, commit)
	if err != nil {
		return "", err
	}
	return digest, j.same(ctx, b, digest)
}

// same makes sure that the tag is the image which was built and tested here, not one that someone else pushed meanwhile.
func (j imageJob) same(ctx context.Context, b built, digest string) error {
	pushed, err := b.engine.Inspect(ctx, b.name)
	if err != nil {
		return err
	}
	for _, name := range pushed.RepoDigests {
		if strings.HasSuffix(name, "@"+digest) {
			return nil
		}
	}
	return fmt.Errorf("the registry has %s under this tag, but the engine pushed %v", digest, pushed.RepoDigests)
}

// record says where the image comes from, and stores that and the list of its parts beside it.
func (j imageJob) record(ctx context.Context, b built, commit, digest string) error {
	origin, builder, run := whereBuilt(os.Getenv)
	provenance, err := evidence.Provenance(evidence.Build{
		Repository: j.repository.URI(j.platform.Config.Region), Digest: digest, Commit: commit, Source: origin,
		BaseImage: b.image.Config.Labels["org.opencontainers.image.base.name"], Builder: builder, Run: run, Started: b.started, Finished: time.Now(),
	})
	if err != nil {
		return err
	}
	if err := j.write("provenance.json", provenance); err != nil {
		return err
	}
	list, err := os.ReadFile(filepath.Join(j.folder, "sbom.cdx.json"))
	if err != nil {
		return fmt.Errorf("read the list of the image's parts: %w", err)
	}
	_, err = evidence.Attach(ctx, ecr.NewFromConfig(j.platform.AWS()), j.repository.Account, j.repository.Name, commit, digest, []evidence.File{
		{Name: "sbom.cdx.json", Type: evidence.TypeSBOM, Body: list}, {Name: "provenance.json", Type: evidence.TypeProvenance, Body: provenance},
	})
	return err
}

// whereBuilt says which source, which builder and which run, as GitHub's or CodeBuild's environment tells.
func whereBuilt(getenv func(string) string) (source, builder, run string) {
	if server, repository := getenv("GITHUB_SERVER_URL"), getenv("GITHUB_REPOSITORY"); server != "" && repository != "" {
		source = server + "/" + repository
		return source, server + "/" + getenv("GITHUB_WORKFLOW_REF"), source + "/actions/runs/" + getenv("GITHUB_RUN_ID")
	}
	if build := getenv("CODEBUILD_BUILD_ARN"); build != "" {
		return getenv("CODEBUILD_SOURCE_REPO_URL"), "https://aws.amazon.com/codebuild", build
	}
	return "file:.", "urn:slipway:someones-machine", ""
}
