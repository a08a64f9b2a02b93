package sbom

import (
	"archive/tar"
	"bytes"
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
)

func archive(t *testing.T, files map[string]string) *bytes.Buffer {
	t.Helper()
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	for name, body := range files {
		if err := w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(body)), Typeflag: tar.TypeReg}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(body)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return &out
}

const status = `Package: libc6
Status: install ok installed
Architecture: amd64
Version: 2.41-12+deb13u1
Description: GNU C Library
 Version: 0 of a continued line

Package: gone
Status: deinstall ok config-files
Architecture: amd64
Version: 1

Package: libtiff6
Status: install ok installed
Architecture: amd64
Version: 1:4.7.0-3~bpo13
`

func TestRead(t *testing.T) {
	c, err := Read(archive(t, map[string]string{
		"var/lib/dpkg/status": status, "usr/lib/os-release": "ID=debian\nVERSION_ID=\"13\"\n",
		"./app/packages/Flask_Login-1.2.dist-info/METADATA": "Metadata-Version: 2.1\nName: Flask_Login\nVersion: 1.2\n\nName: in the description\n",
		"app/packages/x.dist-info/RECORD":                   "Name: no\nVersion: 1\n",
		"var/lib/dpkg/status.d/tzdata":                      "Package: tzdata\nVersion: 2026a-0\nArchitecture: all\n",
		"home/METADATA":                                     "Name: no\nVersion: 1\n",
	}))
	want := []Package{
		{Debian, "libc6", "2.41-12+deb13u1", "amd64"}, {Debian, "libtiff6", "1:4.7.0-3~bpo13", "amd64"}, {Debian, "tzdata", "2026a-0", "all"}, {Python, "flask-login", "1.2", ""},
	}
	if err != nil || !slices.Equal(c.Packages, want) || c.Distribution != "debian-13" {
		t.Errorf("%v: %+v", err, c)
	}
}

func TestAnImageWithoutPackagesIsAMistake(t *testing.T) {
	if _, err := Read(archive(t, map[string]string{"etc/hostname": "x"})); err == nil {
		t.Error("it was listed")
	}
	if _, err := Read(strings.NewReader("no archive at all")); err == nil {
		t.Error("it was read")
	}
}

// The addresses are the examples' form in the package URL specification: versions are percent-encoded, names lower case.
//
// https://github.com/package-url/purl-spec/blob/main/types-doc/deb-definition.md
func TestPackageURLs(t *testing.T) {
	for want, p := range map[string]Package{
		"pkg:deb/debian/libc6@2.41-12%2Bdeb13u1?arch=amd64&distro=debian-13":    {Debian, "libc6", "2.41-12+deb13u1", "amd64"},
		"pkg:deb/debian/libtiff6@1%3A4.7.0-3~bpo13?arch=amd64&distro=debian-13": {Debian, "libtiff6", "1:4.7.0-3~bpo13", "amd64"},
		"pkg:pypi/django-allauth@12.23":                                         {Python, "django-allauth", "12.23", ""},
	} {
		if got := p.purl("debian-13"); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestTheDocumentIsCycloneDX(t *testing.T) {
	subject := Subject{Repository: "111111111111.dkr.ecr.eu-west-1.amazonaws.com/simple-flask-app", Tag: "c0ffee", Digest: "sha256:" + strings.Repeat("ab", 32), Created: time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC)}
	contents := Contents{Packages: []Package{{Debian, "libc6", "2.41", "amd64"}, {Python, "flask", "3.1.2", ""}}, Distribution: "debian-13"}
	first, err := CycloneDX(subject, contents)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := CycloneDX(subject, contents); err != nil || !bytes.Equal(first, again) {
		t.Error("the same image gives another document")
	}
	var d map[string]any
	if err := json.Unmarshal(first, &d); err != nil {
		t.Fatal(err)
	}
	if d["bomFormat"] != "CycloneDX" || d["specVersion"] != "1.6" || d["version"] != 1.0 {
		t.Errorf("head %v %v %v", d["bomFormat"], d["specVersion"], d["version"])
	}
	// The pattern of the schema.
	if !regexp.MustCompile(`^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`).MatchString(d["serialNumber"].(string)) {
		t.Errorf("serial number %v", d["serialNumber"])
	}
	refs := map[string]bool{}
	for _, c := range d["components"].([]any) {
		ref := c.(map[string]any)["bom-ref"].(string)
		if refs[ref] {
			t.Errorf("%s is there twice", ref)
		}
		refs[ref] = true
	}
	if len(refs) != 3 {
		t.Errorf("components %v", refs)
	}
}
