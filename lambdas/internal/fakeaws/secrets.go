package fakeaws

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	smtypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
)

// Secrets is the account's secrets: ARN → current value.
type Secrets struct{ Values map[string]string }

// NewSecrets adds Secrets Manager to the cloud.
func NewSecrets(c *Cloud) *Secrets {
	s := &Secrets{Values: map[string]string{}}
	On(c, "Secrets Manager", func(in *secretsmanager.GetSecretValueInput) (*secretsmanager.GetSecretValueOutput, error) {
		value, ok := s.Values[aws.ToString(in.SecretId)]
		if !ok {
			return nil, &smtypes.ResourceNotFoundException{Message: aws.String("Secrets Manager can't find the specified secret.")}
		}
		return &secretsmanager.GetSecretValueOutput{ARN: in.SecretId, SecretString: &value, VersionStages: []string{"AWSCURRENT"}}, nil
	})
	return s
}
