// Package scram makes what PostgreSQL keeps of a password, so that no statement, and no log of a statement, ever holds the
// password itself.
package scram

import (
	"crypto/hmac"
	"crypto/pbkdf2"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
)

// PostgreSQL's own figures: https://www.postgresql.org/docs/17/runtime-config-connection.html (scram_iterations) and a salt of
// sixteen bytes.
const (
	iterations = 4096
	saltBytes  = 16
)

// Verifier returns a SCRAM-SHA-256 verifier of the password with a new salt, as PostgreSQL keeps it in pg_authid:
// SCRAM-SHA-256$<iterations>:<salt>$<stored key>:<server key>.
// https://www.postgresql.org/docs/17/catalog-pg-authid.html
func Verifier(password string) (string, error) {
	for _, r := range password {
		if r < ' ' || r > '~' {
			// Others would have to be normalised as PostgreSQL does. The passwords here are generated, of letters and digits.
			return "", fmt.Errorf("hash the password: it holds a character outside ASCII; generate another")
		}
	}
	if password == "" {
		return "", fmt.Errorf("hash the password: it is empty; generate one")
	}
	salt := make([]byte, saltBytes)
	if _, err := rand.Read(salt); err != nil {
		return "", fmt.Errorf("make a salt: %w", err)
	}
	return verifier(password, salt, iterations)
}

// verifier follows RFC 5802, section 3, with SHA-256.
func verifier(password string, salt []byte, iterations int) (string, error) {
	salted, err := pbkdf2.Key(sha256.New, password, salt, iterations, sha256.Size)
	if err != nil {
		return "", fmt.Errorf("hash the password: %w", err)
	}
	stored := sha256.Sum256(sign(salted, "Client Key"))
	text := base64.StdEncoding.EncodeToString
	return fmt.Sprintf("SCRAM-SHA-256$%d:%s$%s:%s", iterations, text(salt), text(stored[:]), text(sign(salted, "Server Key"))), nil
}

func sign(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}
