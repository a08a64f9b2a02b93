package scram

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"
	"testing"
)

// TestTheExampleOfTheRFC takes the exchange of RFC 7677, section 3: the verifier must accept its client's proof and give its
// server's signature.
func TestTheExampleOfTheRFC(t *testing.T) {
	const (
		clientFirst  = "n=user,r=rOprNGfwEbeRWgbNEkqO"
		serverFirst  = "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
		clientFinal  = "c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0"
		clientProof  = "dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ="
		serverSignes = "6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="
	)
	salt := decode(t, "W22ZaJ0SNY7soEsUEjb6gQ==")
	made, err := verifier("pencil", salt, 4096)
	if err != nil {
		t.Fatal(err)
	}
	rest, ok := strings.CutPrefix(made, "SCRAM-SHA-256$4096:W22ZaJ0SNY7soEsUEjb6gQ==$")
	stored, server, two := strings.Cut(rest, ":")
	if !ok || !two {
		t.Fatal(made)
	}
	message := clientFirst + "," + serverFirst + "," + clientFinal
	if got := sign(decode(t, server), message); !bytes.Equal(got, decode(t, serverSignes)) {
		t.Errorf("the server signs %x", got)
	}
	proof, signature := decode(t, clientProof), sign(decode(t, stored), message)
	key := make([]byte, len(proof))
	for i := range key {
		key[i] = proof[i] ^ signature[i]
	}
	if sum := sha256.Sum256(key); !hmac.Equal(sum[:], decode(t, stored)) {
		t.Error("the client's proof is refused")
	}
}

func decode(t *testing.T, s string) []byte {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestVerifier(t *testing.T) {
	a, errA := Verifier("secret")
	b, errB := Verifier("secret")
	if errA != nil || errB != nil || a == b || strings.Contains(a+b, "secret") {
		t.Errorf("%s, %s, %v, %v", a, b, errA, errB)
	}
	for _, password := range []string{"", "pässword", "a\nb", "a\x00"} {
		if v, err := Verifier(password); err == nil {
			t.Errorf("%q gave %s", password, v)
		}
	}
}
