// Package corpus holds findings for tests and for the fire drill: one event of EventBridge for each shape that GuardDuty's
// findings have, written from the schema, and from these one for each type that Slipway knows. Names and addresses are made up;
// the addresses are those that RFC 5737 keeps for documentation.
package corpus

import (
	"embed"
	"encoding/json"
	"fmt"
	"strings"

	"slipway/lambdas/threatresponse/finding"
)

//go:embed findings/*.json
var files embed.FS

// Shapes are the names of the shapes.
func Shapes() []string {
	entries, err := files.ReadDir("findings")
	if err != nil {
		panic(err) // they are compiled in
	}
	var names []string
	for _, e := range entries {
		names = append(names, strings.TrimSuffix(e.Name(), ".json"))
	}
	return names
}

// Event is the event of a shape, with changes: a path such as detail.severity and its new value. A number in a path is a
// position in a list.
func Event(shape string, changes map[string]any) ([]byte, error) {
	raw, err := files.ReadFile("findings/" + shape + ".json")
	if err != nil {
		return nil, fmt.Errorf("there is no shape %q: %w", shape, err)
	}
	var event any
	if err := json.Unmarshal(raw, &event); err != nil {
		return nil, fmt.Errorf("read the shape %s: %w", shape, err)
	}
	for path, value := range changes {
		if err := set(event, strings.Split(path, "."), value); err != nil {
			return nil, fmt.Errorf("change %s of the shape %s: %w", path, shape, err)
		}
	}
	return json.Marshal(event)
}

func set(in any, path []string, value any) error {
	step, last := path[0], len(path) == 1
	switch v := in.(type) {
	case map[string]any:
		if last {
			v[step] = value
			return nil
		}
		return set(v[step], path[1:], value)
	case []any:
		i := 0
		if _, err := fmt.Sscanf(step, "%d", &i); err != nil || i < 0 || i >= len(v) {
			return fmt.Errorf("there is no %s", step)
		}
		if last {
			v[i] = value
			return nil
		}
		return set(v[i], path[1:], value)
	}
	return fmt.Errorf("there is no %s", step)
}

// shapeOf says which shape the findings of a type have.
func shapeOf(kind string) string {
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(kind, p) {
				return true
			}
		}
		return false
	}
	switch finding.FamilyOf(kind) {
	case finding.EC2:
		switch {
		case has("MaliciousFile", "SuspiciousFile"):
			return "instance-malware"
		case has("PortProbe"):
			return "instance-probed"
		case has("SSHBruteForce", "RDPBruteForce"):
			return "instance-attacked"
		case has("!DNS", "DomainRequest", "DNSDataExfiltration", "DNSRebind", ".Dns"):
			return "instance-dns"
		}
		return "instance-attacks"
	case finding.IAM:
		switch {
		case has("Root"):
			return "root"
		case has("CredentialExfiltration"):
			return "role-session"
		case has("TorIPCaller"):
			return "user-session"
		}
		return "user-key"
	case finding.S3:
		if has("MaliciousFile") {
			return "object"
		}
		return "bucket"
	case finding.Runtime:
		return "task"
	case finding.ECS:
		return "task-malware"
	case finding.RDS:
		return "database"
	}
	if has("AttackSequence") {
		return "sequence"
	}
	return "function"
}

// OfType is an event of a known type.
func OfType(kind string) ([]byte, error) {
	return Event(shapeOf(kind), map[string]any{"detail.type": kind})
}
