package main

import (
	"encoding/json"

	"slipway/internal/contract"
	"slipway/lambdas/internal/environ"
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
	from := environ.Reader{Get: getenv}
	s := settings{
		platform:    from.Required(contract.EnvPlatform, ""),
		domain:      from.Required(contract.EnvDomain, ""),
		listenerARN: from.Required(contract.EnvListenerARN, "arn:"),
	}
	if raw := getenv(contract.EnvSignIn); raw != "" {
		s.signIn = &contract.SignIn{}
		if err := json.Unmarshal([]byte(raw), s.signIn); err != nil {
			from.Fault("%s can't be read: %w", contract.EnvSignIn, err)
		} else if s.signIn.Issuer == "" || s.signIn.SecretARN == "" || s.signIn.SessionSeconds < 1 {
			from.Fault("%s lacks issuer, secretArn or sessionSeconds", contract.EnvSignIn)
		}
	}
	return s, from.Err()
}
