package contract

// SignIn is the OpenID Connect provider at which the load balancer makes people sign in before they reach a QA environment,
// as the stack tells it to the function that makes the environments' rules. The client's secret is not in it.
// Field by field it is AuthenticateOidcActionConfig:
// https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_AuthenticateOidcActionConfig.html
type SignIn struct {
	Issuer                string `json:"issuer"`
	AuthorizationEndpoint string `json:"authorizationEndpoint"`
	TokenEndpoint         string `json:"tokenEndpoint"`
	UserInfoEndpoint      string `json:"userInfoEndpoint"`
	ClientID              string `json:"clientId"`
	// SecretARN is the Secrets Manager secret whose whole value is the client's secret.
	SecretARN string `json:"secretArn"`
	// Scope is what is asked of the provider, such as "openid email".
	Scope string `json:"scope"`
	// SessionSeconds is how long a person stays signed in.
	SessionSeconds int64 `json:"sessionSeconds"`
}
