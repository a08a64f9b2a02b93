package sbom

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Subject is the image that a document describes.
type Subject struct {
	Repository string // address without tag
	Tag        string
	Digest     string // sha256:…, of the image's configuration where it isn't pushed yet
	Created    time.Time
}

// The parts of a CycloneDX 1.6 document that are used.
//
// https://cyclonedx.org/docs/1.6/json/
type (
	document struct {
		Schema       string      `json:"$schema"`
		Format       string      `json:"bomFormat"`
		SpecVersion  string      `json:"specVersion"`
		SerialNumber string      `json:"serialNumber"`
		Version      int         `json:"version"`
		Metadata     metadata    `json:"metadata"`
		Components   []component `json:"components"`
	}
	metadata struct {
		Timestamp string    `json:"timestamp"`
		Tools     tools     `json:"tools"`
		Component component `json:"component"`
	}
	tools struct {
		Components []component `json:"components"`
	}
	component struct {
		Type    string `json:"type"`
		Ref     string `json:"bom-ref,omitempty"`
		Name    string `json:"name"`
		Version string `json:"version,omitempty"`
		Hashes  []hash `json:"hashes,omitempty"`
		PURL    string `json:"purl,omitempty"`
	}
	hash struct {
		Algorithm string `json:"alg"`
		Content   string `json:"content"`
	}
)

// CycloneDX writes the document. The same image gives the same document: its serial number is made of the digest.
func CycloneDX(s Subject, c Contents) ([]byte, error) {
	d := document{
		Schema: "http://cyclonedx.org/schema/bom-1.6.schema.json", Format: "CycloneDX", SpecVersion: "1.6", Version: 1,
		SerialNumber: serial(s.Digest),
		Metadata: metadata{
			Timestamp: s.Created.UTC().Format(time.RFC3339),
			Tools:     tools{Components: []component{{Type: "application", Name: "slipway"}}},
			Component: component{
				Type: "container", Ref: "image", Name: s.Repository, Version: s.Tag,
				Hashes: []hash{{"SHA-256", strings.TrimPrefix(s.Digest, "sha256:")}},
			},
		},
		Components: []component{},
	}
	if c.Distribution != "" {
		name, version, _ := strings.Cut(c.Distribution, "-")
		d.Components = append(d.Components, component{Type: "operating-system", Ref: "distribution", Name: name, Version: version})
	}
	for _, p := range c.Packages {
		address := p.purl(c.Distribution)
		d.Components = append(d.Components, component{Type: "library", Ref: address, Name: p.Name, Version: p.Version, PURL: address})
	}
	text, err := json.MarshalIndent(d, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the list of the image's parts: %w", err)
	}
	return append(text, '\n'), nil
}

// purl is the package URL, by which scanners know a package.
//
// https://github.com/package-url/purl-spec
func (p Package) purl(distribution string) string {
	version := strings.ReplaceAll(url.QueryEscape(p.Version), "%7E", "~")
	if p.Kind == Python {
		return "pkg:pypi/" + p.Name + "@" + version
	}
	vendor, _, _ := strings.Cut(distribution, "-")
	if vendor == "" {
		vendor = "debian"
	}
	address := "pkg:deb/" + vendor + "/" + url.PathEscape(p.Name) + "@" + version
	var qualifiers []string
	if p.Architecture != "" {
		qualifiers = append(qualifiers, "arch="+p.Architecture)
	}
	if distribution != "" {
		qualifiers = append(qualifiers, "distro="+distribution)
	}
	if len(qualifiers) > 0 {
		address += "?" + strings.Join(qualifiers, "&")
	}
	return address
}

// serial makes a UUID (version 8, for our own making) of a digest.
//
// https://www.rfc-editor.org/rfc/rfc9562#section-5.8
func serial(digest string) string {
	sum := sha256.Sum256([]byte("slipway sbom " + digest))
	id := sum[:16]
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80
	return fmt.Sprintf("urn:uuid:%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}
