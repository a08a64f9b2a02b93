// Package certificates holds the authorities that sign the certificates of RDS's servers.
package certificates

import (
	"crypto/x509"
	_ "embed"
	"errors"
	"fmt"
	"os"
)

// bundle is the application's own file, a copy since Go can't embed from elsewhere; a test compares the two.
//
//go:embed rds-bundle.pem
var bundle []byte

// Roots returns RDS's authorities, or those of file if it is given: the local AWS has its own.
func Roots(file string) (*x509.CertPool, error) {
	text := bundle
	if file != "" {
		var err error
		if text, err = os.ReadFile(file); err != nil {
			return nil, fmt.Errorf("read the database's certificate authorities: %w", err)
		}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("read the database's certificate authorities: there is none in the file")
	}
	return pool, nil
}
