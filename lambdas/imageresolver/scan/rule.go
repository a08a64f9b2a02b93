// Package scan says whether what ECR found in an image keeps it from being deployed. The image resolver and the command that
// builds images ask the same rule.
package scan

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"slipway/lambdas/internal/environ"
)

// Nothing as Rule.Refuse refuses no image, not even one that wasn't scanned.
const Nothing = "nothing"

// Rule is registry.scan of platform.yaml, as it travels in a function's environment.
type Rule struct {
	// Refuse is the least severity that refuses an image: critical, high, medium, low or nothing.
	Refuse     string      `json:"refuse"`
	Exceptions []Exception `json:"exceptions,omitempty"`
}

// Exception lets the finding ID pass until the end of a day, in UTC.
type Exception struct {
	ID    string `json:"id"`
	Until string `json:"until"` // 2026-12-31
}

// Off says whether the rule looks at no scan.
func (r Rule) Off() bool { return r.Refuse == Nothing }

// ranks of the severities by which ECR and Amazon Inspector grade findings. One that isn't graded yet counts as low.
//
// https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_ImageScanFinding.html
var ranks = map[string]int{
	"INFORMATIONAL": 0, "UNDEFINED": 1, "UNTRIAGED": 1, "LOW": 1, "MEDIUM": 2, "HIGH": 3, "CRITICAL": 4,
}

// ParseRule reads a rule from a function's environment.
func ParseRule(text string) (Rule, error) {
	var r Rule
	if err := environ.Decode(text, &r); err != nil {
		return Rule{}, fmt.Errorf("the rule for scanned images is %q: %w; deploy the stack again", text, err)
	}
	if ranks[strings.ToUpper(r.Refuse)] == 0 && !r.Off() {
		return Rule{}, fmt.Errorf("the rule for scanned images refuses from %q on; give it critical, high, medium, low or nothing", r.Refuse)
	}
	for _, e := range r.Exceptions {
		if _, err := time.Parse(time.DateOnly, e.Until); err != nil || e.ID == "" {
			return Rule{}, fmt.Errorf("the rule for scanned images has the exception %+v; give it a finding and a day such as 2026-12-31", e)
		}
	}
	return r, nil
}

// Result is what the registry says about an image.
type Result struct {
	// Status is ECR's, empty where the image was never scanned.
	Status      string
	Description string
	Findings    []Finding
}

// Finding is one vulnerability.
type Finding struct {
	ID       string
	Severity string
	Package  string // with its version, as far as the registry says
}

func (f Finding) String() string {
	text := f.ID + " (" + strings.ToLower(f.Severity) + ")"
	if f.Package != "" {
		text += " in " + f.Package
	}
	return text
}

// Verdict is whether an image may be deployed.
type Verdict struct {
	// Pending: the scan isn't over, so ask again later.
	Pending bool
	// Unscanned says why there is no scan to judge by; empty where there is.
	Unscanned string
	// Refused are the findings that keep the image out, the worst first; Excepted those that an exception lets pass.
	Refused  []Finding
	Excepted []Finding
}

// OK says whether the image may be deployed.
func (v Verdict) OK() bool { return !v.Pending && v.Unscanned == "" && len(v.Refused) == 0 }

// Judge applies the rule at a time.
func (r Rule) Judge(result Result, now time.Time) Verdict {
	if r.Off() {
		return Verdict{}
	}
	switch result.Status {
	case "COMPLETE", "ACTIVE": // basic scanning, and enhanced scanning that goes on
	case "IN_PROGRESS", "PENDING":
		return Verdict{Pending: true}
	case "":
		return Verdict{Unscanned: "it was never scanned"}
	default:
		return Verdict{Unscanned: strings.TrimRight("its scan is "+result.Status+": "+result.Description, ": ")}
	}
	var v Verdict
	for _, f := range result.Findings {
		rank, known := ranks[strings.ToUpper(f.Severity)]
		switch {
		case known && rank < ranks[strings.ToUpper(r.Refuse)]:
		case r.excepts(f.ID, now):
			v.Excepted = append(v.Excepted, f)
		default:
			v.Refused = append(v.Refused, f)
		}
	}
	slices.SortStableFunc(v.Refused, func(a, b Finding) int {
		return ranks[strings.ToUpper(b.Severity)] - ranks[strings.ToUpper(a.Severity)]
	})
	return v
}

func (r Rule) excepts(id string, now time.Time) bool {
	today := now.UTC().Format(time.DateOnly)
	return slices.ContainsFunc(r.Exceptions, func(e Exception) bool { return e.ID == id && today <= e.Until })
}

const shown = 5 // findings in a message, which CloudFormation cuts

// Err says why the image may not be deployed and what to do; nil if it may.
func (v Verdict) Err(image string, r Rule) error {
	switch {
	case v.OK():
		return nil
	case v.Pending:
		return fmt.Errorf("image %s is still being scanned; wait a minute and deploy again", image)
	case v.Unscanned != "":
		return fmt.Errorf("image %s may not be deployed: %s; start a scan (`aws ecr start-image-scan`) or build it again, and look at the repository's scanning settings", image, v.Unscanned)
	}
	names := make([]string, 0, shown)
	for _, f := range v.Refused[:min(shown, len(v.Refused))] {
		names = append(names, f.String())
	}
	more := ""
	if n := len(v.Refused) - len(names); n > 0 {
		more = fmt.Sprintf(" and %d more", n)
	}
	return fmt.Errorf("image %s may not be deployed: its scan found %s%s, and registry.scan.refuse is %s; deploy an image without them, or accept a finding for a while under registry.scan.exceptions in platform.yaml and deploy that first",
		image, strings.Join(names, ", "), more, r.Refuse)
}
