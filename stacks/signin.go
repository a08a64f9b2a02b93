package stacks

import (
	"time"

	"slipway/internal/config"
	"slipway/internal/contract"
)

// signIn is the sign-in before the QA environments as their rules' function wants it; nil without one.
func signIn(cfg *config.Config) *contract.SignIn {
	s := cfg.QA.SignIn
	if !s.On() {
		return nil
	}
	return &contract.SignIn{
		Issuer: s.Issuer, AuthorizationEndpoint: s.AuthorizationEndpoint, TokenEndpoint: s.TokenEndpoint, UserInfoEndpoint: s.UserInfoEndpoint,
		ClientID: s.ClientID, SecretARN: s.SecretARN, Scope: s.Scope, SessionSeconds: int64(time.Duration(s.Session) / time.Second),
	}
}
