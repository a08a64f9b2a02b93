package test

import (
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"slipway/internal/config"
	"slipway/internal/contract"
)

// documents are the Markdown files of the project, by their path from the root.
func documents(t *testing.T) map[string]string {
	t.Helper()
	paths := []string{"README.md", "local/README.md", "flaskapp/README.md", "lambdas/README.md"}
	err := fs.WalkDir(os.DirFS(root), "docs", func(path string, _ fs.DirEntry, err error) error {
		if strings.HasSuffix(path, ".md") {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, path := range paths {
		files[path] = readDocument(t, path)
	}
	return files
}

func readDocument(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root, path))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestTheConfigurationReferenceIsComplete(t *testing.T) {
	_, table, found := strings.Cut(readDocument(t, "README.md"), "<!-- configuration: begin -->")
	table, _, closed := strings.Cut(table, "<!-- configuration: end -->")
	if !found || !closed {
		t.Fatal("README.md has no marked configuration table")
	}
	var documented []string
	for _, row := range regexp.MustCompile("(?m)^\\| `([^`]+)` \\|").FindAllStringSubmatch(table, -1) {
		documented = append(documented, row[1])
	}
	keys := configurationKeys(reflect.TypeFor[config.Config](), "")
	for _, key := range keys {
		if !slices.Contains(documented, key) {
			t.Errorf("README.md: the key %s has no row", key)
		}
	}
	for i, key := range documented {
		if !slices.Contains(keys, key) {
			t.Errorf("README.md: there is no key %s", key)
		}
		if slices.Contains(documented[:i], key) {
			t.Errorf("README.md: the key %s has two rows", key)
		}
	}
}

// configurationKeys are the leaves of a configuration struct: a.b, and a[].b in lists.
func configurationKeys(of reflect.Type, prefix string) []string {
	var keys []string
	for i := range of.NumField() {
		field := of.Field(i)
		tag := field.Tag.Get("yaml")
		if tag == "-" {
			continue
		}
		key, kind := prefix+tag, field.Type
		if kind.Kind() == reflect.Slice && kind.Elem().PkgPath() == of.PkgPath() && kind.Elem().Kind() == reflect.Struct {
			key, kind = key+"[]", kind.Elem()
		}
		if kind.Kind() == reflect.Struct && kind.PkgPath() == of.PkgPath() {
			keys = append(keys, configurationKeys(kind, key+".")...)
		} else {
			keys = append(keys, key)
		}
	}
	return keys
}

var (
	links    = regexp.MustCompile(`\]\(([^)\s]+)\)`)
	headings = regexp.MustCompile(`(?m)^#+ (.+)$`)
	fences   = regexp.MustCompile("(?s)```.*?```")
)

// anchors are the names that GitHub gives a document's headings.
func anchors(text string) []string {
	var names []string
	for _, heading := range headings.FindAllStringSubmatch(fences.ReplaceAllString(text, ""), -1) {
		name := regexp.MustCompile(`[^\p{L}\p{N}\- _]`).ReplaceAllString(strings.ToLower(heading[1]), "")
		names = append(names, strings.ReplaceAll(name, " ", "-"))
	}
	return names
}

func TestLinksInDocumentsResolve(t *testing.T) {
	for path, text := range documents(t) {
		for _, link := range links.FindAllStringSubmatch(fences.ReplaceAllString(text, ""), -1) {
			if strings.Contains(link[1], "://") || strings.HasPrefix(link[1], "mailto:") {
				continue
			}
			file, anchor, _ := strings.Cut(link[1], "#")
			target := path
			if file != "" {
				target = filepath.Join(filepath.Dir(path), file)
			}
			if _, err := os.Stat(filepath.Join(root, target)); err != nil {
				t.Errorf("%s: the link %s leads nowhere", path, link[1])
				continue
			}
			if anchor != "" && !slices.Contains(anchors(readDocument(t, target)), anchor) {
				t.Errorf("%s: %s has no heading %s", path, target, anchor)
			}
		}
	}
}

func TestDocumentedMakeTargetsExist(t *testing.T) {
	var targets []string
	for _, rule := range regexp.MustCompile(`(?m)^([a-z][a-z0-9-]*):`).FindAllStringSubmatch(readDocument(t, "Makefile"), -1) {
		targets = append(targets, rule[1])
	}
	mentions := regexp.MustCompile("(?m)(?:`|^ *)make ([a-z][a-z0-9-]*)(?:`|$)")
	seen := 0
	for path, text := range documents(t) {
		if strings.HasPrefix(path, "flaskapp/") {
			continue // it has a Makefile of its own
		}
		for _, mention := range mentions.FindAllStringSubmatch(text, -1) {
			seen++
			if !slices.Contains(targets, mention[1]) {
				t.Errorf("%s: the Makefile has no target %s", path, mention[1])
			}
		}
	}
	if seen == 0 {
		t.Error("no document mentions a target")
	}
}

func TestDocumentedStacksExist(t *testing.T) {
	const platform = "slipway"
	known := []string{ // with several accounts
		contract.StageStack(platform, "<stage>", contract.StackDNS), contract.PlatformStack(platform, contract.StackSecurity) + "-<account", contract.PlatformStack(platform, contract.StackSecurity) + "*",
	}
	known = append(known, contract.ResponseFunction(platform)) // no stack, but a name like one
	for _, name := range []string{contract.StackSecurity, contract.StackRegistry, contract.StackDNS, contract.StackQALifecycle, contract.StackPipeline} {
		known = append(known, contract.PlatformStack(platform, name))
	}
	known = append(known, "slipway-boundary", "slipway-cloudformation") // policies of docs/bootstrap
	for _, slug := range []string{"<slug>", "*", "…"} {
		known = append(known, contract.QAEnvironmentStack(platform, slug))
	}
	for _, stage := range []string{"<stage>", "dev", "qa", "stage", "prod"} {
		for _, part := range []string{contract.PartNetwork, contract.PartData, contract.PartCluster, contract.PartService} {
			known = append(known, contract.StageStack(platform, stage, part))
		}
	}
	mentions := regexp.MustCompile(`\bslipway-[a-z0-9<>*…-]+`)
	seen := 0
	for path, text := range documents(t) {
		for _, name := range mentions.FindAllString(text, -1) {
			seen++
			if _, environment := contract.SlugFromStack(platform, name); !environment && !slices.Contains(known, name) {
				t.Errorf("%s: there is no stack %s", path, name)
			}
		}
	}
	if seen == 0 {
		t.Error("no document mentions a stack")
	}
}

// TestEachDirectDependencyHasAReason: the decision record names each one.
func TestEachDirectDependencyHasAReason(t *testing.T) {
	record := readDocument(t, "docs/decisions/0009-dependencies.md")
	for file, pattern := range map[string]string{
		"go.mod":                               `(?m)^\t([a-z][^ \t]*\.[^ \t]*) v[^ \t]*$`,
		"tools/lint/go.mod":                    `(?m)^tool ([^ \n]+)$`,
		"tools/actionlint/go.mod":              `(?m)^tool ([^ \n]+)$`,
		"package.json":                         `(?m)^    "([^"]+)": "\d`,
		"local/requirements.in":                `(?m)^([a-z0-9-]+)(?:\[[^]]*\])?==`,
		"tools/requirements.in":                `(?m)^([a-z0-9-]+)(?:\[[^]]*\])?==`,
		"flaskapp/requirements.in":             `(?m)^([a-z0-9-]+)(?:\[[^]]*\])?==`,
		"test/bench/custodian/requirements.in": `(?m)^([a-z0-9-]+)==`,
	} {
		names := regexp.MustCompile(pattern).FindAllStringSubmatch(readDocument(t, file), -1)
		if len(names) == 0 {
			t.Errorf("%s: no dependency found", file)
		}
		for _, name := range names {
			if !strings.Contains(record, "`"+name[1]+"`") {
				t.Errorf("the record of dependencies gives no reason for %s of %s", name[1], file)
			}
		}
	}
}
