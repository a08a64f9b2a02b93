// Package evidence says where an image comes from, and keeps that beside it in the registry.
package evidence

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Build is how an image was made.
type Build struct {
	Repository string // the image's, without tag
	Digest     string // sha256:…
	Commit     string
	Source     string // address of the source's repository
	BaseImage  string // with its digest
	Builder    string // who built it: a workflow's address, or a person's machine
	Run        string // address of the run, if there is one
	Started    time.Time
	Finished   time.Time
}

// Types of the statement and its predicate.
//
// https://in-toto.io/Statement/v1, https://slsa.dev/spec/v1.1/provenance
const (
	StatementType = "https://in-toto.io/Statement/v1"
	PredicateType = "https://slsa.dev/provenance/v1"
	// buildType names what the parameters mean: a Dockerfile of the source, and the stage in it that was built.
	buildType = "urn:slipway:image-build:v1"
)

type resource struct {
	URI    string            `json:"uri,omitempty"`
	Name   string            `json:"name,omitempty"`
	Digest map[string]string `json:"digest,omitempty"`
}

type statement struct {
	Type          string     `json:"_type"`
	Subject       []resource `json:"subject"`
	PredicateType string     `json:"predicateType"`
	Predicate     predicate  `json:"predicate"`
}

type predicate struct {
	Definition struct {
		Type         string            `json:"buildType"`
		Parameters   map[string]string `json:"externalParameters"`
		Dependencies []resource        `json:"resolvedDependencies"`
	} `json:"buildDefinition"`
	Details struct {
		Builder struct {
			ID string `json:"id"`
		} `json:"builder"`
		Metadata struct {
			Invocation string    `json:"invocationId,omitempty"`
			Started    time.Time `json:"startedOn"`
			Finished   time.Time `json:"finishedOn"`
		} `json:"metadata"`
	} `json:"runDetails"`
}

// Provenance is the statement about a build. It isn't signed: that the registry's role alone may push is what it rests on.
func Provenance(b Build) ([]byte, error) {
	s := statement{
		Type: StatementType, PredicateType: PredicateType,
		Subject: []resource{{Name: b.Repository, Digest: digests(b.Digest)}},
	}
	s.Predicate.Definition.Type = buildType
	s.Predicate.Definition.Parameters = map[string]string{"dockerfile": "flaskapp/Dockerfile", "target": "app"}
	s.Predicate.Definition.Dependencies = []resource{{URI: "git+" + b.Source, Digest: map[string]string{"gitCommit": b.Commit}}}
	if name, digest, ok := strings.Cut(b.BaseImage, "@"); ok {
		s.Predicate.Definition.Dependencies = append(s.Predicate.Definition.Dependencies, resource{URI: "docker://" + name, Digest: digests(digest)})
	}
	s.Predicate.Details.Builder.ID = b.Builder
	s.Predicate.Details.Metadata.Invocation = b.Run
	s.Predicate.Details.Metadata.Started = b.Started.UTC().Truncate(time.Second)
	s.Predicate.Details.Metadata.Finished = b.Finished.UTC().Truncate(time.Second)
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the image's provenance: %w", err)
	}
	return append(text, '\n'), nil
}

func digests(digest string) map[string]string {
	algorithm, value, _ := strings.Cut(digest, ":")
	return map[string]string{algorithm: value}
}
