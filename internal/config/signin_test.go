package config

import (
	"errors"
	"strings"
	"testing"
	"time"
)

const signIn = `signIn:
    issuer: https://id.example.com
    authorizationEndpoint: https://id.example.com/authorize
    tokenEndpoint: https://id.example.com/token
    userInfoEndpoint: https://id.example.com/userinfo
    clientId: qa
    secretArn: "arn:aws:secretsmanager:eu-west-1:111111111111:secret:qa/sign-in-a1B2c3"`

func TestSignIn(t *testing.T) {
	for sentence, c := range map[string]struct {
		edits  []string // of the text above
		faults []string
	}{
		"a whole one":      {},
		"a key of its own": {edits: []string{"clientId: qa", "clientId: qa\n    secretKeyArn: arn:aws:kms:eu-west-1:012345678901:key/1234abcd"}},
		"no issuer leaves the environments open, so the rest can't stand": {
			[]string{"    issuer: https://id.example.com\n", ""}, []string{"qa.signIn.clientId: got \"qa\", expected qa.signIn.issuer beside it", "qa.signIn.secretArn"},
		},
		"a client without a name":         {[]string{"    clientId: qa\n", ""}, []string{"qa.signIn.clientId: got nothing, expected the client's name"}},
		"an endpoint without TLS":         {[]string{"https://id.example.com/token", "http://id.example.com/token"}, []string{`qa.signIn.tokenEndpoint: got "http://id.example.com/token", expected an https address`}},
		"an endpoint with a password":     {[]string{"https://id.example.com/token", "https://a:b@id.example.com/token"}, []string{"qa.signIn.tokenEndpoint"}},
		"a secret of another account":     {[]string{"111111111111:secret", "012345678901:secret"}, []string{"qa.signIn.secretArn"}},
		"a secret of another Region":      {[]string{"eu-west-1:1111", "eu-west-2:1111"}, []string{"qa.signIn.secretArn"}},
		"a secret by a part of its ARN":   {[]string{"sign-in-a1B2c3", "sign-in"}, []string{"qa.signIn.secretArn"}},
		"a secret in plain text":          {[]string{"arn:aws:secretsmanager:eu-west-1:111111111111:secret:qa/sign-in-a1B2c3", "hunter2"}, []string{"qa.signIn.secretArn"}},
		"a session of eight days":         {[]string{"clientId: qa", "clientId: qa\n    session: 192h"}, []string{"qa.signIn.session: got 192h0m0s, expected a minute to seven days"}},
		"a scope without openid":          {[]string{"clientId: qa", "clientId: qa\n    scope: email"}, []string{`qa.signIn.scope: got "email"`}},
		"a key that is a name and no ARN": {[]string{"clientId: qa", "clientId: qa\n    secretKeyArn: alias/x"}, []string{`qa.signIn.secretKeyArn: got "alias/x"`}},
		"all faults at once":              {[]string{"https://id.example.com/authorize", "x", "clientId: qa", "scope: a"}, []string{"authorizationEndpoint", "clientId", "scope"}},
	} {
		t.Run(sentence, func(t *testing.T) {
			text := edit(t, signIn, c.edits...)
			cfg, err := parseConfig("platform.yaml", []byte(edit(t, base, "spot: false", text)), Profile{})
			if len(c.faults) == 0 {
				if err != nil {
					t.Fatal(err)
				}
				if s := cfg.QA.SignIn; !s.On() || s.Scope != "openid" || s.Session != Duration(12*time.Hour) || s.ClientID != "qa" {
					t.Errorf("got %+v", s)
				}
				return
			}
			var faults Faults
			if !errors.As(err, &faults) {
				t.Fatalf("error %v", err)
			}
			for _, fault := range c.faults {
				if !strings.Contains(err.Error(), fault) {
					t.Errorf("%q isn't in %v", fault, err)
				}
			}
		})
	}
	if mustParse(t, base, Profile{}).QA.SignIn.On() {
		t.Error("there is a sign-in by default")
	}
}
