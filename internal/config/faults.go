package config

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

// Fault is one thing that is wrong with the configuration or the request.
type Fault struct {
	// File is the configuration file as it was named to Load, or "context" for a request.
	File string
	// Line counts from 1; 0 means that there is none, as in a request. A missing key has the line of what should hold it.
	Line int
	// Path is the key, such as stages[1].network.cidr; empty for a fault of the whole file.
	Path string
	// Got and Want complete the sentence "got …, expected …".
	Got, Want string
	// Excerpt shows the place in the file; only YAML syntax errors have it.
	Excerpt string
}

// String is one line, such as platform.yaml:9: region: got "eu-west-9", expected an AWS Region; an excerpt follows it.
func (f Fault) String() string {
	var b strings.Builder
	b.WriteString(f.File)
	if f.Line > 0 {
		fmt.Fprintf(&b, ":%d", f.Line)
	}
	if f.Path != "" {
		b.WriteString(": " + f.Path)
	}
	fmt.Fprintf(&b, ": got %s, expected %s", f.Got, f.Want)
	if f.Excerpt != "" {
		b.WriteString("\n" + f.Excerpt)
	}
	return b.String()
}

// Faults is everything that is wrong, sorted by line: the error of Load and ParseRequest.
type Faults []Fault

// Error lists every fault on a line of its own.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i, fault := range f {
		lines[i] = fault.String()
	}
	return strings.Join(lines, "\n")
}

// asError sorts the faults; none are no error.
func (f Faults) asError() error {
	if len(f) == 0 {
		return nil
	}
	slices.SortStableFunc(f, func(a, b Fault) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Path, b.Path))
	})
	return f
}

// quote shows a value that a person wrote: in quotes, control characters escaped, and not all of a very long one.
func quote(s string) string {
	if s == "" {
		return "nothing"
	}
	const limit = 100
	if r := []rune(s); len(r) > limit {
		return fmt.Sprintf("%q…", string(r[:limit]))
	}
	return fmt.Sprintf("%q", s)
}

// join writes names as "a, b or c".
func join(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	return strings.Join(names[:len(names)-1], ", ") + " or " + names[len(names)-1]
}

// child is the path of a key in a mapping. A key that isn't a plain word is quoted, so that a path stays one line.
func child(path, key string) string {
	plain := key != "" && len(key) <= 60 && !strings.ContainsFunc(key, func(r rune) bool {
		return !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '-'
	})
	if !plain {
		key = quote(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

// item is the path of an element of a list.
func item(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// parent is the path that holds path; "" is the file.
func parent(path string) string {
	return path[:max(0, strings.LastIndexAny(path, ".["))]
}
