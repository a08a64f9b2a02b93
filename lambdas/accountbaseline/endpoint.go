package main

import (
	"context"
	"net/url"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3control"
	smithyendpoints "github.com/aws/smithy-go/endpoints"
)

// plainEndpoint uses an endpoint that was set from outside as it is. The SDK would put the account's ID before its host,
// and only AWS's own endpoints have a name for each account.
func plainEndpoint(options *s3control.Options) {
	if options.BaseEndpoint != nil {
		options.EndpointResolverV2 = fixed(aws.ToString(options.BaseEndpoint))
	}
}

type fixed string

func (f fixed) ResolveEndpoint(context.Context, s3control.EndpointParameters) (smithyendpoints.Endpoint, error) {
	address, err := url.Parse(string(f))
	if err != nil {
		return smithyendpoints.Endpoint{}, err
	}
	return smithyendpoints.Endpoint{URI: *address}, nil
}
