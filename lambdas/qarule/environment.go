package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"slipway/internal/contract"
)

// settings are what the function's environment variables say.
type settings struct {
	platform    string
	domain      string
	listenerARN string
	signIn      *contract.SignIn // nil without one
}

// readSettings reads the settings and reports all that is wrong with them at once. A sign-in that can't be read is an error:
// without it the environments would be open.
func readSettings(getenv func(string) string) (settings, error) {
	var faults []error
	required := func(name, prefix string) string {
		value := getenv(name)
		if value == "" || !strings.HasPrefix(value, prefix) {
			want := "a value"
			if prefix != "" {
				want = "one that begins with " + prefix
			}
			faults = append(faults, fmt.Errorf("%s is %q; give it %s", name, value, want))
		}
		return value
	}
	s := settings{
		platform:    required(contract.EnvPlatform, ""),
		domain:      required(contract.EnvDomain, ""),
		listenerARN: required(contract.EnvListenerARN, "arn:"),
	}
	if raw := getenv(contract.EnvSignIn); raw != "" {
		s.signIn = &contract.SignIn{}
		if err := json.Unmarshal([]byte(raw), s.signIn); err != nil {
			faults = append(faults, fmt.Errorf("%s can't be read: %w", contract.EnvSignIn, err))
		} else if s.signIn.Issuer == "" || s.signIn.SecretARN == "" || s.signIn.SessionSeconds < 1 {
			faults = append(faults, fmt.Errorf("%s lacks issuer, secretArn or sessionSeconds", contract.EnvSignIn))
		}
	}
	return s, errors.Join(faults...)
}
