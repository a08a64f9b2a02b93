// Package decide says which image a deployment uses. It is pure: what was asked, and what AWS said, go in.
package decide

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// Wish is what a deployment asks for.
type Wish struct {
	Repository string // name
	Registry   string // account ID
	URI        string // of the repository, to which a tag or digest is appended
	Requested  string // tag or digest; empty keeps what runs now
	Parameter  string // name of the SSM parameter that holds what runs now
}

// Names of the custom resource's properties and attributes.
const (
	PropertyRepository = "RepositoryName"
	PropertyRegistry   = "RegistryId"
	PropertyURI        = "RepositoryUri"
	PropertyRequested  = "Requested"
	PropertyParameter  = "Parameter"

	AttributeURI       = "ImageUri"
	AttributeReference = "Reference"
	AttributeDigest    = "Digest"
)

var (
	accountPattern = regexp.MustCompile(`^[0-9]{12}$`)
	tagPattern     = regexp.MustCompile(`^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$`) // the OCI distribution specification's
	digestPattern  = regexp.MustCompile(`^sha256:[0-9a-f]{64}$`)
)

// Parse reads the properties and reports all that is wrong with them at once.
func Parse(properties map[string]string) (Wish, error) {
	w := Wish{
		Repository: properties[PropertyRepository],
		Registry:   properties[PropertyRegistry],
		URI:        properties[PropertyURI],
		Requested:  properties[PropertyRequested],
		Parameter:  properties[PropertyParameter],
	}
	known := map[string]bool{
		PropertyRepository: true, PropertyRegistry: true, PropertyURI: true, PropertyRequested: true, PropertyParameter: true,
	}
	var faults []error
	for name := range properties {
		if !known[name] {
			faults = append(faults, fmt.Errorf("there is no property %s", name))
		}
	}
	if w.Repository == "" {
		faults = append(faults, fmt.Errorf("%s is empty; give it the name of the repository", PropertyRepository))
	}
	if !accountPattern.MatchString(w.Registry) {
		faults = append(faults, fmt.Errorf("%s is %q; give it the 12 digits of an account", PropertyRegistry, w.Registry))
	}
	if w.Repository != "" && !strings.HasSuffix(w.URI, "/"+w.Repository) {
		faults = append(faults, fmt.Errorf("%s is %q; give it the registry's address followed by /%s", PropertyURI, w.URI, w.Repository))
	}
	if w.Parameter == "" {
		faults = append(faults, fmt.Errorf("%s is empty; give it the name of the SSM parameter with the image that runs now", PropertyParameter))
	}
	return w, errors.Join(faults...)
}

// Reference names an image in a repository.
type Reference struct {
	Tag    string // either this
	Digest string // or this
}

func (r Reference) String() string {
	if r.Digest != "" {
		return r.Digest
	}
	return r.Tag
}

// ParseReference reads a tag or a digest. It refuses latest, which says nothing about what runs.
func ParseReference(s string) (Reference, error) {
	switch {
	case strings.EqualFold(s, "latest"):
		return Reference{}, fmt.Errorf("the image tag %q is refused, for it means another image each time; give the tag of one build, such as its commit", s)
	case digestPattern.MatchString(s):
		return Reference{Digest: s}, nil
	case strings.HasPrefix(s, "sha256:"):
		return Reference{}, fmt.Errorf("%q is no digest; it is sha256: and 64 hexadecimal digits in lower case", s)
	case tagPattern.MatchString(s):
		return Reference{Tag: s}, nil
	}
	return Reference{}, fmt.Errorf("%q is no image tag; give a tag of at most 128 letters, digits, dots, hyphens and underscores, or a digest, without the repository", s)
}

// Image is what the registry has under a reference.
type Image struct {
	Digest string
	Status string // ACTIVE, or empty where the registry doesn't say
}

// Attributes are what the stack gets. An image asked for by tag is named by tag: tags are immutable, and the tag tells
// people which build runs.
func Attributes(w Wish, r Reference, image Image) (map[string]string, error) {
	if image.Status != "" && image.Status != "ACTIVE" {
		return nil, fmt.Errorf("image %s in repository %s of account %s is %s, so it can't be pulled; restore it or choose another with -c imageTag=<tag>",
			r, w.Repository, w.Registry, image.Status)
	}
	if !digestPattern.MatchString(image.Digest) {
		return nil, fmt.Errorf("image %s in repository %s of account %s: the registry gave the digest %q", r, w.Repository, w.Registry, image.Digest)
	}
	uri := w.URI + ":" + r.Tag
	if r.Digest != "" {
		uri = w.URI + "@" + r.Digest
	}
	return map[string]string{AttributeURI: uri, AttributeReference: r.String(), AttributeDigest: image.Digest}, nil
}
