package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3control"
)

func TestAnEndpointFromOutsideIsUsedAsItIs(t *testing.T) {
	asked := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.Header.Get("x-amz-account-id") + " " + r.URL.Path
		if !strings.Contains(r.Header.Get("Authorization"), "/eu-west-1/s3/aws4_request") {
			t.Errorf("signed as %s", r.Header.Get("Authorization"))
		}
		w.WriteHeader(http.StatusNoContent)
	}))
	defer server.Close()
	cfg := aws.Config{Region: "eu-west-1", BaseEndpoint: &server.URL, Credentials: credentials.NewStaticCredentialsProvider("a", "b", "")}
	_, err := s3control.NewFromConfig(cfg, plainEndpoint).DeletePublicAccessBlock(context.Background(), &s3control.DeletePublicAccessBlockInput{AccountId: aws.String("111111111111")})
	if err != nil || asked != "111111111111 /v20180820/configuration/publicAccessBlock" {
		t.Errorf("asked for %q, %v", asked, err)
	}
	// AWS's own endpoints have a name for each account.
	options := s3control.Options{}
	plainEndpoint(&options)
	if options.EndpointResolverV2 != nil {
		t.Error("AWS's own endpoints are changed")
	}
}
