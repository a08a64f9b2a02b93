package apply

import (
	"context"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
)

// Secrets reads the sign-in client's secret.
type Secrets interface {
	GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
}

// actions are those of a rule to a target group, behind the sign-in if there is one. The secret is given at each change, so
// that deploying an environment again brings a new one.
func (r Router) actions(ctx context.Context, group string) ([]elbtypes.Action, error) {
	forward := elbtypes.Action{Type: elbtypes.ActionTypeEnumForward, TargetGroupArn: &group}
	if r.SignIn == nil {
		return []elbtypes.Action{forward}, nil
	}
	s := r.SignIn
	out, err := r.Secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &s.SecretARN})
	if err != nil {
		return nil, fmt.Errorf("read the sign-in client's secret %s: %w; check that it exists and that its key lets the function decrypt", s.SecretARN, err)
	}
	secret := strings.TrimSpace(aws.ToString(out.SecretString))
	if secret == "" {
		return nil, fmt.Errorf("the sign-in client's secret %s is empty; put the client's secret into it as plain text", s.SecretARN)
	}
	forward.Order = aws.Int32(2)
	return []elbtypes.Action{{
		Type: elbtypes.ActionTypeEnumAuthenticateOidc, Order: aws.Int32(1),
		AuthenticateOidcConfig: &elbtypes.AuthenticateOidcActionConfig{
			Issuer: &s.Issuer, AuthorizationEndpoint: &s.AuthorizationEndpoint, TokenEndpoint: &s.TokenEndpoint, UserInfoEndpoint: &s.UserInfoEndpoint,
			ClientId: &s.ClientID, ClientSecret: &secret, Scope: &s.Scope, SessionTimeout: &s.SessionSeconds,
			OnUnauthenticatedRequest: elbtypes.AuthenticateOidcActionConditionalBehaviorEnumAuthenticate,
		},
	}, forward}, nil
}
