package main

import (
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
)

// output prints results as name=value lines, and gives them to the next steps of a GitHub job where there is one.
//
// https://docs.github.com/actions/reference/workflows-and-actions/workflow-commands#setting-an-output-parameter
func output(out io.Writer, values map[string]string) error {
	var lines strings.Builder
	for _, name := range slices.Sorted(maps.Keys(values)) {
		if strings.ContainsAny(values[name], "\r\n") {
			return fmt.Errorf("the value of %s has several lines, which would set other values too", name)
		}
		fmt.Fprintf(&lines, "%s=%s\n", name, values[name])
	}
	fmt.Fprint(out, lines.String())
	path := os.Getenv("GITHUB_OUTPUT")
	if path == "" {
		return nil
	}
	file, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("give the results to the next steps: %w", err)
	}
	defer file.Close()
	if _, err := file.WriteString(lines.String()); err != nil {
		return fmt.Errorf("give the results to the next steps: %w", err)
	}
	return nil
}
