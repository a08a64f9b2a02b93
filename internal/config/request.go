package config

import (
	"regexp"
	"strings"
	"time"
	"unicode"

	"slipway/internal/contract"
)

// The CDK context keys of a request.
const (
	ContextBranch   = "branch"
	ContextImageTag = "imageTag"
	ContextTTL      = "ttl"
	ContextOwner    = "owner"
)

var (
	imageTag    = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$`)
	imageDigest = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

// ParseRequest reads the context of one synthesis. Keys that it doesn't know belong to others. If anything is wrong, the
// error is a Faults that lists everything.
func ParseRequest(cfg *Config, context map[string]string, now time.Time) (Request, error) {
	var (
		request Request
		faults  Faults
	)
	fault := func(key, got, want string) {
		faults = append(faults, Fault{File: "context", Path: key, Got: got, Want: want})
	}

	if tag, given := context[ContextImageTag]; given {
		switch {
		case tag == "latest":
			fault(ContextImageTag, quote(tag), "a tag that names one build, such as its commit; latest says nothing about what runs")
		case !imageTag.MatchString(tag) && !imageDigest.MatchString(tag):
			fault(ContextImageTag, quote(tag), "an image tag, such as a commit, or sha256:<64 hexadecimal digits>; leave it out to keep what runs")
		}
		request.ImageTag = tag
	}

	branch, environment := context[ContextBranch]
	ttl, hasTTL := context[ContextTTL]
	owner, hasOwner := context[ContextOwner]
	if !environment {
		if hasTTL {
			fault(ContextTTL, quote(ttl)+" without a branch", "-c branch=<branch> with it: only QA environments expire")
		}
		if hasOwner {
			fault(ContextOwner, quote(owner)+" without a branch", "-c branch=<branch> with it: only QA environments have an owner")
		}
		return finish(request, faults)
	}

	e := &Environment{Owner: owner}
	request.Environment = e
	var err error
	if e.Branch, err = contract.NormalizeBranch(branch); err == nil {
		e.Slug, err = contract.Slug(e.Branch)
	}
	if err != nil {
		fault(ContextBranch, quote(branch), "the name of a branch: "+err.Error())
	}
	if strings.TrimSpace(owner) == "" || len(owner) > 256 || strings.ContainsFunc(owner, unicode.IsControl) {
		fault(ContextOwner, quote(owner), "who asks for the environment, in at most 256 bytes without control characters: -c owner=<name>")
	}
	lease := cfg.QA.DefaultTTL.Duration()
	if hasTTL {
		lease, err = time.ParseDuration(ttl)
		switch {
		case err != nil:
			fault(ContextTTL, quote(ttl), "a duration in hours and minutes, such as 48h or 1h30m")
		case lease <= 0 || lease > cfg.QA.MaxTTL.Duration():
			fault(ContextTTL, quote(ttl), "more than 0 and at most "+cfg.QA.MaxTTL.String()+", which is qa.maxTtl")
		}
	}
	e.Expires = now.Add(lease).UTC().Truncate(time.Second)
	return finish(request, faults)
}

func finish(r Request, faults Faults) (Request, error) {
	if err := faults.asError(); err != nil {
		return Request{}, err
	}
	return r, nil
}
