package decide

import (
	"encoding/json"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Event is a lifecycle event of a deployment, as CodeDeploy diagnoses it.
type Event struct {
	Name, Status string
	Code         string // of the diagnosis
	Script       string
	Message      string
}

// TaskSet is one colour of the service, as a deployment left it.
type TaskSet struct {
	Label, Status    string // BLUE or GREEN; PRIMARY, ACTIVE or DRAINING
	Desired, Running int64
	Weight           float64 // percent of the traffic
}

// Diagnosis is what CodeDeploy says about why a deployment went as it did.
type Diagnosis struct {
	Events   []Event
	TaskSets []TaskSet
	Problem  string // why it couldn't be read; empty if it could
}

// maxReason bounds a reason. CloudFormation takes 4,096 bytes for the whole answer and hangs on a longer one; the provider
// framework adds the IDs, the function's name and a stack trace of its own.
const maxReason = 1800

// maxDetail keeps one long message from pushing the others out.
const maxDetail = 500

// Reason is what CloudFormation, and so the person who deployed, is told. What matters most comes first, for consoles
// cut it. Log tails of scripts are left out: stack events have many readers.
func Reason(s Step, w Wish, diagnosis Diagnosis, running, region string) string {
	d := s.Deployment
	var b strings.Builder
	b.WriteString(s.Why)
	if d.ErrorCode != "" || d.ErrorMessage != "" {
		fmt.Fprintf(&b, ": %s", bounded(joined(d.ErrorCode, d.ErrorMessage), maxDetail))
	}
	if d.ID != "" {
		fmt.Fprintf(&b, ". See %s", Link(d.ID, region, w.TaskDefinition))
	}
	for _, e := range diagnosis.Events {
		if e.Status != "Failed" && e.Status != "Unknown" {
			continue
		}
		fmt.Fprintf(&b, ". %s %s", e.Name, strings.ToLower(e.Status))
		if detail := joined(e.Code, e.Script, e.Message); detail != "" {
			fmt.Fprintf(&b, " (%s)", bounded(detail, maxDetail))
		}
		if function := w.Hooks[e.Name]; function != "" {
			fmt.Fprintf(&b, "; its hook %s tells more in its log", functionName(function))
		}
	}
	switch back := s.Rollback; {
	case back.ID == "" && d.RollbackMessage != "":
		fmt.Fprintf(&b, ". CodeDeploy's rollback: %s", d.RollbackMessage)
	case back.ID == "":
	case back.Active():
		fmt.Fprintf(&b, ". CodeDeploy's rollback %s is still %s", back.ID, back.Status)
	case back.Status == Succeeded:
		fmt.Fprintf(&b, ". CodeDeploy rolled it back with %s", back.ID)
	default:
		fmt.Fprintf(&b, ". CodeDeploy's rollback %s %s as well (%s), so look which revision serves before you deploy again",
			back.ID, strings.ToLower(string(back.Status)), joined(back.ErrorCode, back.ErrorMessage))
	}
	if running != "" {
		fmt.Fprintf(&b, ". The service runs %s", Short(running))
	}
	for _, t := range diagnosis.TaskSets {
		fmt.Fprintf(&b, ". %s (%s): %d of %d tasks, %g%% of the traffic", t.Label, t.Status, t.Running, t.Desired, t.Weight)
	}
	if diagnosis.Problem != "" {
		fmt.Fprintf(&b, ". CodeDeploy's lifecycle events couldn't be read: %s", diagnosis.Problem)
	}
	return Bounded(oneLine(b.String()))
}

// Link is the address of a deployment in CodeDeploy's console.
func Link(id, region, arn string) string {
	host := "console.aws.amazon.com"
	switch {
	case strings.HasPrefix(arn, "arn:aws-cn:"):
		host = "console.amazonaws.cn"
	case strings.HasPrefix(arn, "arn:aws-us-gov:"):
		host = "console.amazonaws-us-gov.com"
	}
	return fmt.Sprintf("https://%s.%s/codesuite/codedeploy/deployments/%s?region=%s", region, host, id, region)
}

func functionName(arn string) string {
	_, name, _ := strings.Cut(arn, ":function:")
	return name
}

func joined(parts ...string) string {
	var filled []string
	for _, p := range parts {
		if p = strings.TrimSpace(p); p != "" {
			filled = append(filled, p)
		}
	}
	return strings.Join(filled, ": ")
}

// oneLine also ends the doubled dots of messages that are sentences of their own.
func oneLine(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), ".. ", ". ")
}

// Bounded cuts what CloudFormation is told, if need be.
func Bounded(reason string) string { return bounded(reason, maxReason) }

// bounded cuts s so that it takes at most limit bytes in JSON, where some characters take six.
func bounded(s string, limit int) string {
	const cut = "…"
	if encoded(s) <= limit {
		return s
	}
	size, end := len(`""`)+len(cut), 0
	for end < len(s) {
		_, width := utf8.DecodeRuneInString(s[end:]) // 1 for a byte that belongs to none
		n := encoded(s[end:end+width]) - len(`""`)
		if size+n > limit {
			break
		}
		size, end = size+n, end+width
	}
	return s[:end] + cut
}

func encoded(s string) int {
	out, err := json.Marshal(s)
	if err != nil {
		return len(s) * 6
	}
	return len(out)
}
