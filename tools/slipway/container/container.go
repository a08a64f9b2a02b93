// Package container builds and examines the application's image with whatever container engine the machine has.
package container

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"slices"
	"strings"
)

// Engine is a container engine's command-line tool.
type Engine struct {
	Tool string   // docker or podman
	Env  []string // NAME=value, besides this process's
	Log  io.Writer
}

// Find takes Docker's tool, or Podman's where there is no other.
func Find(env []string, log io.Writer) (*Engine, error) {
	for _, tool := range []string{"docker", "podman"} {
		if _, err := exec.LookPath(tool); err == nil {
			return &Engine{Tool: tool, Env: env, Log: log}, nil
		}
	}
	return nil, errors.New("there is no docker and no podman on this machine: install one of them")
}

// Run runs the tool and shows what it says.
func (e *Engine) Run(ctx context.Context, args ...string) error {
	command := e.command(ctx, args...)
	command.Stdout, command.Stderr = e.Log, e.Log
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s %s: %w", e.Tool, args[0], err)
	}
	return nil
}

func (e *Engine) command(ctx context.Context, args ...string) *exec.Cmd {
	command := exec.CommandContext(ctx, e.Tool, args...)
	// With attestations of its own, BuildKit would push an index instead of an image, which ECR's basic scan can't read.
	command.Env = append(append(os.Environ(), "BUILDX_NO_DEFAULT_ATTESTATIONS=1"), e.Env...)
	return command
}

func (e *Engine) output(ctx context.Context, args ...string) ([]byte, error) {
	var out, complaint bytes.Buffer
	command := e.command(ctx, args...)
	command.Stdout, command.Stderr = &out, &complaint
	if err := command.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w: %s", e.Tool, args[0], err, strings.TrimSpace(complaint.String()))
	}
	return out.Bytes(), nil
}

// Image is what the engine says about an image.
type Image struct {
	ID          string   `json:"Id"`
	RepoDigests []string // name@digest of each registry that it was pushed to
	Created     string
	RootFS      struct{ Layers []string }
	Config      struct {
		User   string
		Labels map[string]string
	}
}

// Inspect reads an image's description.
func (e *Engine) Inspect(ctx context.Context, name string) (Image, error) {
	text, err := e.output(ctx, "image", "inspect", name)
	if err != nil {
		return Image{}, err
	}
	var found []Image
	if err := json.Unmarshal(text, &found); err != nil || len(found) != 1 {
		return Image{}, fmt.Errorf("%s image inspect %s: it describes %d images: %w", e.Tool, name, len(found), err)
	}
	if !strings.HasPrefix(found[0].ID, "sha256:") {
		found[0].ID = "sha256:" + found[0].ID // as Podman has it
	}
	return found[0], nil
}

// Holds says whether all layers of an image are the first ones of another: then whoever tests that one tests this one.
func (i Image) Holds(base Image) bool {
	n := len(base.RootFS.Layers)
	return n > 0 && len(i.RootFS.Layers) >= n && slices.Equal(i.RootFS.Layers[:n], base.RootFS.Layers)
}

// Files gives the files of an image, as a tar archive, to read.
func (e *Engine) Files(ctx context.Context, name string, read func(io.Reader) error) error {
	out, err := e.output(ctx, "create", name)
	if err != nil {
		return err
	}
	lines := strings.Fields(string(out))
	if len(lines) == 0 {
		return fmt.Errorf("%s create %s: it names no container", e.Tool, name)
	}
	id := lines[len(lines)-1]
	defer func() {
		if _, err := e.output(context.WithoutCancel(ctx), "rm", id); err != nil {
			fmt.Fprintln(e.Log, err)
		}
	}()
	command := e.command(ctx, "export", id)
	command.Stderr = e.Log
	files, err := command.StdoutPipe()
	if err != nil {
		return fmt.Errorf("%s export: %w", e.Tool, err)
	}
	if err := command.Start(); err != nil {
		return fmt.Errorf("%s export: %w", e.Tool, err)
	}
	readErr := read(files)
	if _, err := io.Copy(io.Discard, files); err != nil { // or the tool would wait for a reader
		readErr = errors.Join(readErr, err)
	}
	if err := command.Wait(); err != nil {
		return errors.Join(readErr, fmt.Errorf("%s export: %w", e.Tool, err))
	}
	return readErr
}

// Login makes the engine's pushes to a registry use a password, which it gets on its standard input.
func (e *Engine) Login(ctx context.Context, registry, user, password string) error {
	command := e.command(ctx, "login", "--username", user, "--password-stdin", registry)
	command.Stdin = strings.NewReader(password)
	var said bytes.Buffer
	command.Stdout, command.Stderr = &said, &said
	if err := command.Run(); err != nil {
		return fmt.Errorf("%s login %s: %w: %s", e.Tool, registry, err, strings.TrimSpace(said.String()))
	}
	return nil
}
