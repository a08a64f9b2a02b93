// Package sbom lists what an image consists of as a CycloneDX document. It reads the image's own files: Debian's package
// database and the metadata of installed Python packages, which is all that the application's image brings.
package sbom

import (
	"archive/tar"
	"bufio"
	"cmp"
	"errors"
	"fmt"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Kind is where a package comes from.
type Kind string

// The kinds.
const (
	Debian Kind = "deb"
	Python Kind = "pypi"
)

// Package is one installed package.
type Package struct {
	Kind         Kind
	Name         string
	Version      string
	Architecture string // of Debian packages
}

// Contents are the packages of an image, sorted, and the distribution under them, such as debian-13.
type Contents struct {
	Packages     []Package
	Distribution string
}

// maxMetadata is far above any package database; a file beyond it is no metadata.
const maxMetadata = 32 << 20

// Read reads the files of an image, as `docker export` writes them.
func Read(files io.Reader) (Contents, error) {
	var c Contents
	archive := tar.NewReader(files)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return Contents{}, fmt.Errorf("read the image's files: %w", err)
		}
		if header.Typeflag != tar.TypeReg {
			continue
		}
		if err := c.file(strings.TrimPrefix(path.Clean(header.Name), "/"), io.LimitReader(archive, maxMetadata)); err != nil {
			return Contents{}, err
		}
	}
	slices.SortFunc(c.Packages, func(a, b Package) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Name, b.Name), cmp.Compare(a.Version, b.Version), cmp.Compare(a.Architecture, b.Architecture))
	})
	c.Packages = slices.Compact(c.Packages)
	if len(c.Packages) == 0 {
		return Contents{}, errors.New("the image has no packages that could be listed; is it the application's?")
	}
	return c, nil
}

func (c *Contents) file(name string, body io.Reader) error {
	var err error
	var paragraphs []map[string]string
	switch {
	case name == "var/lib/dpkg/status", path.Dir(name) == "var/lib/dpkg/status.d" && path.Ext(name) == "":
		if paragraphs, err = fields(body, false); err == nil {
			c.debian(paragraphs)
		}
	case path.Base(name) == "METADATA" && strings.HasSuffix(path.Dir(name), ".dist-info"):
		if paragraphs, err = fields(body, true); err == nil {
			c.python(paragraphs)
		}
	case name == "usr/lib/os-release":
		c.Distribution, err = distribution(body)
	}
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	return nil
}

func (c *Contents) debian(paragraphs []map[string]string) {
	for _, p := range paragraphs {
		// Removed packages of which only the configuration is left are listed too.
		status := p["Status"]
		if p["Package"] != "" && p["Version"] != "" && (status == "" || strings.HasSuffix(status, " installed")) {
			c.Packages = append(c.Packages, Package{Debian, p["Package"], p["Version"], p["Architecture"]})
		}
	}
}

// separators of a Python package's name all mean the same.
//
// https://packaging.python.org/en/latest/specifications/name-normalization/
var separators = regexp.MustCompile(`[-_.]+`)

func (c *Contents) python(paragraphs []map[string]string) {
	if len(paragraphs) > 0 && paragraphs[0]["Name"] != "" && paragraphs[0]["Version"] != "" {
		name := strings.ToLower(separators.ReplaceAllString(paragraphs[0]["Name"], "-"))
		c.Packages = append(c.Packages, Package{Kind: Python, Name: name, Version: paragraphs[0]["Version"]})
	}
}

// fields reads paragraphs of "Name: value" lines; continued lines are left out. first stops after the first paragraph: a
// description follows it in Python's metadata.
func fields(body io.Reader, first bool) (paragraphs []map[string]string, err error) {
	lines := bufio.NewScanner(body)
	lines.Buffer(nil, 1<<20)
	current := map[string]string{}
	for lines.Scan() {
		line := lines.Text()
		switch {
		case strings.TrimSpace(line) == "":
			if len(current) > 0 {
				paragraphs = append(paragraphs, current)
				current = map[string]string{}
			}
			if first {
				return paragraphs, nil
			}
		case line[0] == ' ' || line[0] == '\t':
		default:
			if name, value, ok := strings.Cut(line, ":"); ok && current[name] == "" {
				current[name] = strings.TrimSpace(value)
			}
		}
	}
	if len(current) > 0 {
		paragraphs = append(paragraphs, current)
	}
	return paragraphs, lines.Err()
}

func distribution(body io.Reader) (string, error) {
	values := map[string]string{}
	lines := bufio.NewScanner(body)
	for lines.Scan() {
		if name, value, ok := strings.Cut(lines.Text(), "="); ok {
			values[name] = strings.Trim(value, `"'`)
		}
	}
	if values["ID"] == "" {
		return "", lines.Err()
	}
	return strings.TrimSuffix(values["ID"]+"-"+values["VERSION_ID"], "-"), lines.Err()
}
