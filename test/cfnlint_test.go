package test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// cfnLint runs the pinned cfn-lint with the project's settings and gives its messages.
func cfnLint(t *testing.T, templates ...string) []string {
	t.Helper()
	program, err := filepath.Abs(filepath.Join(root, ".venv", "bin", "cfn-lint"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(program); err != nil {
		t.Fatalf("cfn-lint: %v; run `make setup`, which installs tools/requirements.txt", err)
	}
	arguments := append([]string{"--config-file", ".cfnlintrc.yaml", "--format", "parseable", "--"}, templates...)
	command := exec.Command(program, arguments...)
	command.Dir = root
	var errors strings.Builder
	command.Stderr = &errors
	output, err := command.Output()
	messages := strings.FieldsFunc(string(output), func(r rune) bool { return r == '\n' })
	// Messages set the exit code too; without any, the code means that the linter itself failed.
	if (err != nil && len(messages) == 0) || errors.Len() > 0 {
		t.Fatalf("cfn-lint: %v\n%s", err, errors.String())
	}
	return messages
}

func TestCfnLintFindsNothing(t *testing.T) {
	for name, synthesis := range map[string]func() (*assembly, error){
		"the shipped configuration": shipped,
		"an account per purpose":    several,
		"what is configured rarely": varied,
	} {
		var files []string // synthesized one after the other: jsii takes one goroutine
		for stack, file := range must(t, synthesis).files {
			// The rare configuration is about networks and data; the rest is that of the first.
			if name != "what is configured rarely" || strings.HasSuffix(stack, "-network") || strings.HasSuffix(stack, "-data") {
				files = append(files, file)
			}
		}
		if len(files) < 8 {
			t.Fatalf("%s: %d templates only", name, len(files))
		}
		slices.Sort(files)
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			for _, message := range cfnLint(t, files...) {
				t.Error(message)
			}
		})
	}
}

// TestCfnLintLooks: the same command reports a template that is wrong.
func TestCfnLintLooks(t *testing.T) {
	wrong := filepath.Join(t.TempDir(), "wrong.template.json")
	content := `{"Resources": {"Queue": {"Type": "AWS::SQS::Queue", "Properties": {"VisibilityTimeout": "soon", "Colour": "red"}}}}`
	if err := os.WriteFile(wrong, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	messages := strings.Join(cfnLint(t, wrong), "\n")
	for _, want := range []string{"E3012", "E3002"} { // a wrong type, an unknown property
		if !strings.Contains(messages, want) {
			t.Errorf("messages lack %s:\n%s", want, messages)
		}
	}
}

// TestEveryIgnoredLintRuleHasItsReason: a comment that begins with the rule stands above it.
func TestEveryIgnoredLintRuleHasItsReason(t *testing.T) {
	raw, err := os.ReadFile(filepath.Join(root, ".cfnlintrc.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	rules := regexp.MustCompile(`(?m)^  - ([EWI]\d+)$`).FindAllStringSubmatch(string(raw), -1)
	if len(rules) == 0 {
		t.Fatal("found no ignored rule; has the file's form changed?")
	}
	for _, rule := range rules {
		if rule[1][0] == 'E' {
			t.Errorf("%s is an error: mend the template instead", rule[1])
		}
		if !regexp.MustCompile(`(?m)^  # ` + rule[1] + `, .{40,}`).Match(raw) {
			t.Errorf("%s is ignored without a reason", rule[1])
		}
	}
}
