// Package decide says what becomes of a QA environment's database and role. It is pure: what the server has goes in.
package decide

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"slipway/internal/contract"
)

// Names of the custom resource's properties. Host and Port are there so that another server, on which the database must be
// made anew, is a change.
const (
	PropertySecret = "SecretArn"
	PropertyHost   = "Host"
	PropertyPort   = "Port"
)

// Parse reads the properties; the secret must be the environment's own.
func Parse(platform, slug string, properties map[string]string) (secret string, err error) {
	var faults []error
	for _, name := range slices.Sorted(maps.Keys(properties)) {
		if name != PropertySecret && name != PropertyHost && name != PropertyPort {
			faults = append(faults, fmt.Errorf("there is no property %s", name))
		}
	}
	secret = properties[PropertySecret]
	own := ":secret:" + contract.DatabaseSecretName(platform, slug) + "-"
	_, suffix, ok := strings.Cut(secret, own)
	if !ok || !strings.HasPrefix(secret, "arn:") || len(suffix) != 6 || strings.ContainsAny(suffix, ":/-") {
		faults = append(faults, fmt.Errorf("%s is %q; give it the ARN of the secret %s", PropertySecret, secret, contract.DatabaseSecretName(platform, slug)))
	}
	return secret, errors.Join(faults...)
}

const markPrefix = "Slipway QA environment "

// Mark is the comment on the database and on the role, by which they are known to be the environment's.
func Mark(platform, slug string) string {
	return markPrefix + contract.QAEnvironmentStack(platform, slug)
}

// Marked returns the environment of a mark; false if the comment is none of this platform's.
func Marked(platform, comment string) (slug string, ok bool) {
	stack, ok := strings.CutPrefix(comment, markPrefix)
	if !ok {
		return "", false
	}
	return contract.SlugFromStack(platform, stack)
}

// Facts are what the server has under the environment's name.
type Facts struct {
	Role        bool
	RoleMark    string // the comment on the role
	Database    bool
	Mark        string // the comment on the database
	Owner       string // the database's owner
	Interrupted bool   // its deletion began and broke off, so that it can only be deleted
}

// Step is one thing to do; each may be done again.
type Step string

// The steps in the order in which they come.
const (
	CreateRole     Step = "create the role with its mark"
	SetPassword    Step = "set the role's password" //nolint:gosec // a sentence
	JoinRole       Step = "join the role"
	CutOff         Step = "keep the role from connecting"
	EndConnections Step = "end the connections"
	DropDatabase   Step = "drop the database"
	CreateDatabase Step = "create the database"
	MarkDatabase   Step = "mark the database and close it to others"
	DropRole       Step = "drop the role"
)

// ours says whether database and role are the environment's, or not there. The role is made together with its mark; a database
// without one, after an interruption, is known by its owner.
func ours(platform, slug string, f Facts) (role, database bool) {
	mark := Mark(platform, slug)
	role = !f.Role || f.RoleMark == mark
	database = !f.Database || f.Mark == mark || f.Mark == "" && f.Role && role && f.Owner == slug
	return role, database
}

// Create returns the steps to a database with a role that owns it, whatever of them is there already.
func Create(platform, slug string, f Facts) ([]Step, error) {
	role, database := ours(platform, slug, f)
	switch {
	case !role:
		return nil, fmt.Errorf("the role %q is there, and isn't marked as this environment's; drop or rename it", slug)
	case !database:
		return nil, fmt.Errorf("the database %q is there, and isn't marked as this environment's; drop or rename it", slug)
	}
	steps := []Step{CreateRole}
	if f.Role {
		steps = []Step{SetPassword}
	}
	steps = append(steps, JoinRole)
	if f.Database && f.Interrupted {
		steps = append(steps, DropDatabase, CreateDatabase)
	} else if !f.Database {
		steps = append(steps, CreateDatabase)
	}
	return append(steps, MarkDatabase), nil
}

// Drop returns the steps to neither database nor role. What isn't the environment's stays, and kept says so: the environment's
// creation was refused for it.
func Drop(platform, slug string, f Facts) (steps []Step, kept string) {
	role, database := ours(platform, slug, f)
	switch {
	case !database:
		return nil, fmt.Sprintf("the database %q isn't marked as this environment's", slug)
	case !role && f.Database:
		return nil, fmt.Sprintf("the role %q, to which the database may belong, isn't marked as this environment's", slug)
	case !role:
		return nil, fmt.Sprintf("the role %q isn't marked as this environment's", slug)
	}
	if f.Role {
		steps = append(steps, JoinRole, CutOff)
	}
	if f.Database {
		steps = append(steps, EndConnections, DropDatabase)
	}
	if f.Role {
		steps = append(steps, DropRole)
	}
	return steps, ""
}
