package config

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// GitHub is the repository whose workflows may take the roles in slipway-registry; left out, there are no such roles.
type GitHub struct {
	// Repository is <owner>/<name>, spelt as GitHub spells it: tokens are compared letter by letter; default none.
	Repository string `yaml:"repository"`
	// OwnerID and RepositoryID are GitHub's numbers of both, in quotes. Tokens name them beside the names, so that nobody who
	// gets a name that became free gets the roles with it.
	OwnerID      string `yaml:"ownerId"`
	RepositoryID string `yaml:"repositoryId"`
	// ExistingProvider uses the account's OIDC provider for GitHub, which another project made: an account can have only one.
	ExistingProvider bool `yaml:"existingProvider"`
}

// Enabled says whether the configuration names a repository.
func (g GitHub) Enabled() bool { return g.Repository != "" }

// Severity is ECR's grade of a finding, in lower case.
type Severity string

// The severities from which an image can be refused.
const (
	SeverityCritical Severity = "critical"
	SeverityHigh     Severity = "high"
	SeverityMedium   Severity = "medium"
	SeverityLow      Severity = "low"
	SeverityNothing  Severity = "nothing" // no image is refused, not even one that wasn't scanned
)

// Scan says which images may not be deployed.
type Scan struct {
	// Refuse is the least severity of a finding that keeps an image from being deployed: critical, high, medium, low or
	// nothing; default high. Unless it is nothing, an image that wasn't scanned is refused as well.
	Refuse Severity `yaml:"refuse"`
	// Exceptions are findings that are known and accepted for a while, at most 20.
	Exceptions []ScanException `yaml:"exceptions"`
}

// ScanException lets one finding pass until a day.
type ScanException struct {
	// ID is the finding's name, such as CVE-2026-12345.
	ID string `yaml:"id"`
	// Until is the last day, in UTC, on which it holds, as 2026-12-31. A day in the past is no fault: the exception just ends.
	Until string `yaml:"until"`
	// Reason says why that is acceptable, at most 200 characters.
	Reason string `yaml:"reason"`
}

var (
	githubOwner      = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9-]{0,37}[A-Za-z0-9])?$`)
	githubRepository = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)
	githubID         = regexp.MustCompile(`^[1-9][0-9]{0,18}$`)
	findingID        = regexp.MustCompile(`^[A-Z][A-Z0-9]*(-[A-Za-z0-9.]+)+$`)
)

const (
	maxExceptions = 20 // they travel to a Lambda in its environment, which holds 4 KB
	maxFindingID  = 64
	maxReason     = 200
)

func (v *validator) github() {
	g := v.cfg.GitHub
	if g == (GitHub{}) {
		return
	}
	owner, name, _ := strings.Cut(g.Repository, "/")
	v.want(githubOwner.MatchString(owner) && githubRepository.MatchString(name) && name != "." && name != "..", "github.repository", quote(g.Repository),
		"<owner>/<name> of a GitHub repository")
	v.want(githubID.MatchString(g.OwnerID), "github.ownerId", quote(g.OwnerID), "GitHub's number of the owner, in quotes: `gh api repos/<owner>/<name> --jq .owner.id` tells it")
	v.want(githubID.MatchString(g.RepositoryID), "github.repositoryId", quote(g.RepositoryID), "GitHub's number of the repository, in quotes: `gh api repos/<owner>/<name> --jq .id` tells it")
}

func (v *validator) scan() {
	s := v.cfg.Registry.Scan
	severities := []string{string(SeverityCritical), string(SeverityHigh), string(SeverityMedium), string(SeverityLow), string(SeverityNothing)}
	v.want(slices.Contains(severities, string(s.Refuse)), "registry.scan.refuse", quote(string(s.Refuse)), "%s", join(severities))
	v.want(len(s.Exceptions) <= maxExceptions, "registry.scan.exceptions", strconv.Itoa(len(s.Exceptions))+" exceptions", "at most %d", maxExceptions)
	for i, e := range s.Exceptions {
		p := item("registry.scan.exceptions", i)
		if v.bad[p] {
			continue
		}
		v.want(findingID.MatchString(e.ID) && len(e.ID) <= maxFindingID, p+".id", quote(e.ID), "the name of one finding, such as CVE-2026-12345")
		v.want(slices.IndexFunc(s.Exceptions, func(o ScanException) bool { return o.ID == e.ID }) == i, p+".id", quote(e.ID), "each finding once")
		_, err := time.Parse(time.DateOnly, e.Until)
		v.want(err == nil, p+".until", quote(e.Until), "the last day on which it holds, such as 2026-12-31")
		v.want(strings.TrimSpace(e.Reason) != "" && len(e.Reason) <= maxReason, p+".reason", quote(e.Reason), "why that is acceptable, in at most %d characters", maxReason)
	}
}
