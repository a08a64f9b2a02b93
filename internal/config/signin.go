package config

import (
	"net/url"
	"regexp"
	"strings"
	"time"
)

// SignIn is an OpenID Connect provider at which people sign in before they reach a QA environment. It is off unless issuer is
// set; then every key but the last three must be. The provider must take https://<environment>.qa.<domain>/oauth2/idpresponse
// as a redirect address for any environment.
type SignIn struct {
	// Issuer and the endpoints are https addresses, as the provider's /.well-known/openid-configuration gives them.
	Issuer                string `yaml:"issuer"`
	AuthorizationEndpoint string `yaml:"authorizationEndpoint"`
	TokenEndpoint         string `yaml:"tokenEndpoint"`
	UserInfoEndpoint      string `yaml:"userInfoEndpoint"`
	// ClientID is the client's name at the provider.
	ClientID string `yaml:"clientId"`
	// SecretARN is a Secrets Manager secret in the QA stage's account and Region; its whole value is the client's secret.
	SecretARN string `yaml:"secretArn"`
	// SecretKeyARN is the KMS key of that secret; default the account's aws/secretsmanager key.
	SecretKeyARN string `yaml:"secretKeyArn"`
	// Scope is what is asked of the provider, separated by spaces; default openid.
	Scope string `yaml:"scope"`
	// Session is how long a person stays signed in, a minute to seven days; default 12h.
	Session Duration `yaml:"session"`
}

// On says whether there is a sign-in.
func (s SignIn) On() bool { return s.Issuer != "" }

const maxSession = Duration(7 * 24 * time.Hour) // Elastic Load Balancing's

var (
	secretARNPattern = regexp.MustCompile(`^arn:aws:secretsmanager:([a-z0-9-]+):([0-9]{12}):secret:[A-Za-z0-9/_+=.@-]+-[A-Za-z0-9]{6}$`)
	keyARNPattern    = regexp.MustCompile(`^arn:aws:kms:([a-z0-9-]+):[0-9]{12}:key/[A-Za-z0-9-]+$`)
	scopePattern     = regexp.MustCompile(`^[!#-\[\]-~]+( [!#-\[\]-~]+)*$`) // RFC 6749, section 3.3
)

func (v *validator) signIn() {
	s := v.cfg.QA.SignIn
	required := map[string]string{
		"authorizationEndpoint": s.AuthorizationEndpoint, "tokenEndpoint": s.TokenEndpoint, "userInfoEndpoint": s.UserInfoEndpoint,
		"clientId": s.ClientID, "secretArn": s.SecretARN,
	}
	v.want(s.Session >= Duration(time.Minute) && s.Session <= maxSession && time.Duration(s.Session)%time.Second == 0, "qa.signIn.session", s.Session.String(),
		"a minute to seven days, such as 12h")
	words := strings.Fields(s.Scope)
	openid := false
	for _, word := range words {
		openid = openid || word == "openid"
	}
	v.want(openid && scopePattern.MatchString(s.Scope), "qa.signIn.scope", quote(s.Scope), "words with single spaces between, openid among them")
	if !s.On() {
		for key, value := range required {
			v.want(value == "", "qa.signIn."+key, quote(value), "qa.signIn.issuer beside it: without an issuer there is no sign-in")
		}
		v.want(s.SecretKeyARN == "", "qa.signIn.secretKeyArn", quote(s.SecretKeyARN), "qa.signIn.issuer beside it: without an issuer there is no sign-in")
		return
	}
	for key, value := range map[string]string{
		"issuer": s.Issuer, "authorizationEndpoint": s.AuthorizationEndpoint, "tokenEndpoint": s.TokenEndpoint, "userInfoEndpoint": s.UserInfoEndpoint,
	} {
		address, err := url.Parse(value)
		v.want(err == nil && address.Scheme == "https" && address.Host != "" && address.User == nil && address.Fragment == "", "qa.signIn."+key, quote(value),
			"an https address of the provider")
	}
	v.want(s.ClientID != "", "qa.signIn.clientId", quote(s.ClientID), "the client's name at the provider")
	account := ""
	if stage := v.cfg.QAStage(); stage != nil {
		account = v.cfg.Accounts[stage.Account]
	}
	parts := secretARNPattern.FindStringSubmatch(s.SecretARN)
	v.want(parts != nil && parts[1] == v.cfg.Region && parts[2] == account, "qa.signIn.secretArn", quote(s.SecretARN),
		"the whole ARN of a Secrets Manager secret, with its six last characters, in the QA stage's account and Region")
	if s.SecretKeyARN != "" {
		parts = keyARNPattern.FindStringSubmatch(s.SecretKeyARN)
		v.want(parts != nil && parts[1] == v.cfg.Region, "qa.signIn.secretKeyArn", quote(s.SecretKeyARN), "the ARN of a KMS key in this Region")
	}
}
