package findings

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
	"github.com/aws/aws-sdk-go-v2/service/sts"

	"slipway/internal/contract"
	"slipway/tools/slipway/command"
)

// function stands in for Lambda and STS.
type function struct {
	name    string
	command contract.ResponseCommand
	answer  contract.ResponseAnswer
	failed  bool
	err     error
}

func (f *function) Invoke(_ context.Context, in *lambda.InvokeInput, _ ...func(*lambda.Options)) (*lambda.InvokeOutput, error) {
	f.name = *in.FunctionName
	if err := json.Unmarshal(in.Payload, &f.command); err != nil || f.err != nil {
		return nil, errors.Join(err, f.err)
	}
	out := &lambda.InvokeOutput{}
	if f.failed {
		out.FunctionError, out.Payload = aws.String("Unhandled"), []byte(`{"errorMessage":"boom"}`)
		return out, nil
	}
	var err error
	out.Payload, err = json.Marshal(f.answer)
	return out, err
}

func (f *function) GetCallerIdentity(context.Context, *sts.GetCallerIdentityInput, ...func(*sts.Options)) (*sts.GetCallerIdentityOutput, error) {
	return &sts.GetCallerIdentityOutput{Arn: aws.String("arn:aws:sts::111111111111:assumed-role/admin/dana"), Account: aws.String("111111111111")}, nil
}

func (f *function) run(args ...string) (code int, out, log string) {
	var o, l bytes.Buffer
	code = run(context.Background(), args, &o, &l, func(context.Context) (connection, error) { return connection{"slipway", f, f}, nil })
	return code, o.String(), l.String()
}

func TestCommandsGoToTheFunctionInTheCallersName(t *testing.T) {
	for sentence, c := range map[string]struct {
		args []string
		want contract.ResponseCommand
	}{
		"list":              {[]string{"list"}, contract.ResponseCommand{Command: "list"}},
		"list everything":   {[]string{"list", "-all"}, contract.ResponseCommand{Command: "list", All: true}},
		"approve":           {[]string{"approve", "instance-1"}, contract.ResponseCommand{Command: "approve", ID: "instance-1"}},
		"reject":            {[]string{"reject", "-why", "it is a test", "instance-1"}, contract.ResponseCommand{Command: "reject", ID: "instance-1", Why: "it is a test"}},
		"undo":              {[]string{"undo", "instance-1"}, contract.ResponseCommand{Command: "undo", ID: "instance-1"}},
		"sweep by a person": {[]string{"sweep"}, contract.ResponseCommand{Command: "sweep"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			f := &function{answer: contract.ResponseAnswer{Message: "done"}}
			code, out, log := f.run(c.args...)
			c.want.Purpose, c.want.By = contract.ResponseCommandPurpose, "arn:aws:sts::111111111111:assumed-role/admin/dana"
			if code != command.OK || f.command != c.want || f.name != "slipway-threat-response" || out != "done\n" {
				t.Errorf("%d, sent %+v to %s, said %q %q", code, f.command, f.name, out, log)
			}
		})
	}
}

func TestArgumentsThatMakeNoSense(t *testing.T) {
	for sentence, args := range map[string][]string{
		"nothing": {}, "an unknown command": {"dance"}, "no ID": {"undo"}, "two IDs": {"undo", "a", "b"}, "an ID for a list": {"list", "a"}, "an unknown flag": {"list", "-x"}, "an empty ID": {"approve", ""},
	} {
		f := &function{}
		if code, _, log := f.run(args...); code != command.Usage || log == "" || f.name != "" {
			t.Errorf("%s: %d, %q, invoked %q", sentence, code, log, f.name)
		}
	}
	if code, out, _ := (&function{}).run("--help"); code != command.OK || !strings.Contains(out, "approve") {
		t.Errorf("help: %d, %q", code, out)
	}
}

func TestAnswers(t *testing.T) {
	f := &function{answer: contract.ResponseAnswer{Message: "2 entries", Entries: []contract.ResponseEntry{
		{ID: "instance-1", State: "active", Action: "isolate-instance", Target: "i-1", Stage: "prod", Severity: 8, Finding: "Backdoor:EC2/Spambot", Since: "2026-03-10T12:00:00Z", Notes: []string{"a note"}},
		{ID: "address-2", State: "failed", Action: "block-address", Target: "198.51.100.7", Finding: "x", Error: "denied", Notes: []string{"another"}},
	}}}
	code, out, _ := f.run("list")
	for _, want := range []string{"ID          STATE", "instance-1  active  isolate-instance  i-1           prod   8.0", "address-2: error: denied", "address-2: another", "2 entries"} {
		if !strings.Contains(out, want) {
			t.Errorf("%q isn't in\n%s", want, out)
		}
	}
	if code != command.OK || strings.Contains(out, "a note") {
		t.Errorf("%d\n%s", code, out)
	}
	for sentence, f := range map[string]*function{
		"a refusal":            {answer: contract.ResponseAnswer{Failed: true, Message: "undo x: it is undone"}},
		"a function's failure": {failed: true},
		"no permission":        {err: errors.New("AccessDenied")},
	} {
		if code, _, log := f.run("undo", "x"); code != command.Failed || log == "" {
			t.Errorf("%s: %d, %q", sentence, code, log)
		}
	}
}
