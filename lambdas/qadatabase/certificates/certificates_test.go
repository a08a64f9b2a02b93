package certificates

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

func TestTheBundleIsTheApplications(t *testing.T) {
	theirs, err := os.ReadFile(filepath.Join("..", "..", "..", "flaskapp", "src", "slipway_app", "certificates", "rds-bundle.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(theirs, bundle) {
		t.Error("the bundles differ; copy flaskapp/src/slipway_app/certificates/rds-bundle.pem here")
	}
}

func TestRoots(t *testing.T) {
	if _, err := Roots(""); err != nil {
		t.Error(err)
	}
	empty := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(empty, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{empty, empty + "x"} {
		if _, err := Roots(file); err == nil {
			t.Errorf("%s gave authorities", file)
		}
	}
}
