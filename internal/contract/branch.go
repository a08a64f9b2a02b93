package contract

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a branch's name and of the slug made from it.
const (
	MaxBranchBytes = 244 // GitHub's limit for a branch name
	MaxSlugLength  = 24  // leaves room for "-green" in a target group's 32 characters

	slugReadable = 15 // characters of the branch that a slug shows
	slugHash     = 8  // hexadecimal characters of SHA-256
)

const headsPrefix = "refs/heads/"

// NormalizeBranch returns the plain name of the branch that ref names: refs/heads/x and x are the same branch. It
// refuses what can't be a git branch: tags, pull requests, a detached HEAD and names that git-check-ref-format refuses.
func NormalizeBranch(ref string) (string, error) {
	branch := ref
	// All prefixes go, not only the first, so that normalizing twice changes nothing.
	for strings.HasPrefix(branch, headsPrefix) {
		branch = strings.TrimPrefix(branch, headsPrefix)
	}
	if err := checkBranch(branch); err != nil {
		return "", fmt.Errorf("branch %q: %w; give the name of a branch, such as feature/login", shortened(ref), err)
	}
	return branch, nil
}

func checkBranch(branch string) error {
	switch {
	case branch == "":
		return errors.New("is empty")
	case len(branch) > MaxBranchBytes:
		return fmt.Errorf("is %d bytes long, at most %d are allowed", len(branch), MaxBranchBytes)
	case !utf8.ValidString(branch):
		return errors.New("is not valid UTF-8")
	case strings.ContainsFunc(branch, unicode.IsControl):
		return errors.New("holds a control character")
	case strings.HasPrefix(branch, "refs/tags/"):
		return errors.New("is a tag")
	case strings.HasPrefix(branch, "refs/pull/"):
		return errors.New("is a pull request's merge ref, not its branch")
	case strings.HasPrefix(branch, "refs/"):
		return errors.New("is not under refs/heads")
	case branch == "HEAD" || branch == "@":
		return errors.New("is a detached HEAD, which is no branch")
	case strings.ContainsAny(branch, " ~^:?*[\\"):
		return errors.New("holds a space or one of ~^:?*[\\, which git refuses")
	case strings.Contains(branch, "..") || strings.Contains(branch, "@{"):
		return errors.New("holds .. or @{, which git refuses")
	case strings.HasPrefix(branch, "-"):
		return errors.New("begins with a hyphen, which git refuses")
	case strings.HasSuffix(branch, "."):
		return errors.New("ends with a dot, which git refuses")
	}
	for part := range strings.SplitSeq(branch, "/") {
		switch {
		case part == "":
			return errors.New("has an empty part between slashes, which git refuses")
		case strings.HasPrefix(part, "."):
			return errors.New("has a part that begins with a dot, which git refuses")
		case strings.HasSuffix(part, ".lock"):
			return errors.New("has a part that ends with .lock, which git refuses")
		}
	}
	return nil
}

// shortened keeps an error readable when the input is anything but.
func shortened(s string) string {
	const limit = 80
	if len(s) <= limit {
		return s
	}
	return s[:limit] + "…"
}

// Slug is the short name of a branch's QA environment: up to 15 readable characters of the branch, a hyphen and 8
// hexadecimal characters of the branch's SHA-256. It is a legal DNS label of at most 24 characters, begins with a
// letter and never with "aws" or "xn--". The hash is always there, so that branches which look alike (feature/x and
// feature-x, or two names of only emoji) have different slugs: two of them share one with a chance of 1 in 2^32, and
// only if their readable parts agree too.
func Slug(branch string) (string, error) {
	branch, err := NormalizeBranch(branch)
	if err != nil {
		return "", err
	}
	return readable(branch, slugReadable) + "-" + hash(branch), nil
}

var slugPattern = regexp.MustCompile(`^[a-z][a-z0-9]*(-[a-z0-9]+)*-[0-9a-f]{8}$`)

// IsSlug says whether s could have come from Slug. Cleanup uses it to leave names alone that Slipway never made.
func IsSlug(s string) bool {
	return len(s) <= MaxSlugLength && slugPattern.MatchString(s) && !strings.HasPrefix(s, "aws")
}

// readable makes at most limit characters [a-z0-9-] of s that begin with a letter, end alphanumeric, hold no two
// hyphens in a row (so no "xn--") and don't begin with "aws".
func readable(s string, limit int) string {
	var b strings.Builder
	for _, r := range strings.ToLower(s) {
		switch {
		case 'a' <= r && r <= 'z', '0' <= r && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	name := strings.TrimRight(b.String(), "-")
	switch {
	case name == "":
		return "branch"
	case name[0] < 'a', strings.HasPrefix(name, "aws"):
		name = "b-" + name
	}
	return strings.TrimRight(name[:min(len(name), limit)], "-")
}

func hash(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])[:slugHash]
}
