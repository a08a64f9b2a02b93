package test

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden templates")

// assetHash is the content hash in an asset's name. It changes with every Lambda, which says nothing about the template.
var assetHash = regexp.MustCompile(`[0-9a-f]{64}`)

// TestGolden compares every template with the reviewed one. After a change that was meant: make golden, and read the diff.
func TestGolden(t *testing.T) {
	got := shippedAssembly(t)
	folder := filepath.Join("testdata", "golden")
	want := map[string]bool{}
	names := make([]string, 0, len(got.templates))
	for name := range got.templates {
		names = append(names, name)
	}
	sort.Strings(names)

	for _, name := range names {
		file := filepath.Join(folder, name+".json")
		want[filepath.Base(file)] = true
		raw, err := os.ReadFile(got.files[name])
		if err != nil {
			t.Fatal(err)
		}
		rendered := normalized(t, raw)
		if *update {
			if err := os.WriteFile(file, rendered, 0o644); err != nil {
				t.Fatal(err)
			}
			continue
		}
		golden, err := os.ReadFile(file)
		if err != nil {
			t.Errorf("%v: run `make golden` and review the new file", err)
			continue
		}
		if !bytes.Equal(golden, rendered) {
			t.Errorf("%s differs from its golden template at line %d: run `make golden` and read the diff", name, firstDifference(golden, rendered))
		}
	}
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if want[filepath.Base(file)] {
			continue
		}
		if *update {
			if err := os.Remove(file); err != nil {
				t.Fatal(err)
			}
			continue
		}
		t.Errorf("%s belongs to no stack: run `make golden`", file)
	}
}

// normalized is the template with sorted keys and without what changes from build to build.
func normalized(t *testing.T, raw []byte) []byte {
	t.Helper()
	var parsed map[string]any
	if err := json.Unmarshal(raw, &parsed); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", " ")
	if err := encoder.Encode(parsed); err != nil {
		t.Fatal(err)
	}
	return assetHash.ReplaceAll(out.Bytes(), []byte("<asset>"))
}

func firstDifference(a, b []byte) int {
	left, right := strings.Split(string(a), "\n"), strings.Split(string(b), "\n")
	for i := range left {
		if i >= len(right) || left[i] != right[i] {
			return i + 1
		}
	}
	return len(left) + 1
}
