package harness

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	"github.com/aws/aws-sdk-go-v2/service/lambda"
)

// The calls are made by the SDK, so their names are where each protocol puts them.
func TestCallsAreCountedByServiceAndAction(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Amz-Target") != "" {
			w.WriteHeader(http.StatusBadRequest)
		}
	}))
	defer server.Close()
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(address.Port())
	if err != nil {
		t.Fatal(err)
	}
	counter, err := New(".", ".", port).Count(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer counter.Close() //nolint:errcheck // nothing to save
	cfg := aws.Config{
		Region: Region, BaseEndpoint: aws.String(counter.Endpoint()), RetryMaxAttempts: 1,
		Credentials: credentials.NewStaticCredentialsProvider(AccountID, "local", ""),
	}
	ctx := context.Background() // what the calls answer doesn't matter
	_, _ = ecs.NewFromConfig(cfg).ListClusters(ctx, &ecs.ListClustersInput{})
	_, _ = ecs.NewFromConfig(cfg).ListClusters(ctx, &ecs.ListClustersInput{})
	_, _ = elasticloadbalancingv2.NewFromConfig(cfg).DescribeLoadBalancers(ctx, &elasticloadbalancingv2.DescribeLoadBalancersInput{})
	_, _ = lambda.NewFromConfig(cfg).ListFunctions(ctx, &lambda.ListFunctionsInput{})
	if _, err := http.Post(counter.Endpoint()+"/service/X/operation/Put", "application/cbor", strings.NewReader("")); err != nil { //nolint:bodyclose // an empty answer
		t.Fatal(err)
	}
	want := map[string]Calls{
		"ecs:ListClusters":                           {Made: 2, Refused: 2},
		"elasticloadbalancing:DescribeLoadBalancers": {Made: 1},
		"lambda:GET /2015-03-31/functions":           {Made: 1},
		"unsigned:Put":                               {Made: 1},
	}
	if got := counter.Calls(); !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}
