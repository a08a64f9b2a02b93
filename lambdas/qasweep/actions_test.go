package main

import (
	"os"
	"strings"
	"testing"
)

// listedActions are those of testdata/actions.txt.
func listedActions(t *testing.T) (actions []string) {
	t.Helper()
	raw, err := os.ReadFile("testdata/actions.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(raw)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			actions = append(actions, line)
		}
	}
	return actions
}
