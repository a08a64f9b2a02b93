// Package fakeaws stands in for AWS in the Lambdas' tests: real SDK clients, with their validation and retries, whose
// calls are answered in memory instead of by HTTP. The services behave as AWS documents, also where local emulators are
// lenient: page sizes, batch limits, partial failures, what is refused while in use.
package fakeaws

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"os"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awsmiddleware "github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Cloud answers the calls of all services and records them.
type Cloud struct {
	mu      sync.Mutex
	answers map[string]func(any) (any, error)
	calls   map[string]int
	implied map[string]bool // what IAM asked for besides
	faults  map[string][]error

	mistakes []error
	// Before, if set, sees each call before it is answered, without the lock. A test uses it to change something in the
	// middle of a run.
	Before func(action string)
}

// New returns a cloud that refuses every call; the services' New functions add theirs.
func New() *Cloud {
	return &Cloud{answers: map[string]func(any) (any, error){}, calls: map[string]int{}, implied: map[string]bool{}, faults: map[string][]error{}}
}

// prefixes maps the SDK's service IDs to the prefixes of IAM actions. It is a list on purpose: a new service is added
// with a look at the service authorization reference, for some actions aren't called like their operation.
var prefixes = map[string]string{
	"AccessAnalyzer":            "access-analyzer",
	"Application Auto Scaling":  "application-autoscaling",
	"Auto Scaling":              "autoscaling",
	"CloudFormation":            "cloudformation",
	"CloudWatch":                "cloudwatch",
	"CloudWatch Logs":           "logs",
	"CodeDeploy":                "codedeploy",
	"Config Service":            "config",
	"DynamoDB":                  "dynamodb",
	"EC2":                       "ec2",
	"ECR":                       "ecr",
	"ECS":                       "ecs",
	"Elastic Load Balancing v2": "elasticloadbalancing",
	"GuardDuty":                 "guardduty",
	"IAM":                       "iam",
	"Lambda":                    "lambda",
	"Route 53":                  "route53",
	"S3":                        "s3",
	"S3 Control":                "s3",
	"SNS":                       "sns",
	"SSM":                       "ssm",
	"SecurityHub":               "securityhub",
	"Secrets Manager":           "secretsmanager",
	"WAFV2":                     "wafv2",
}

// permissions are the IAM actions that aren't called like their operation.
// Source: https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-with-s3-policy-actions.html
var permissions = map[string]string{
	"lambda:Invoke":              "lambda:InvokeFunction",
	"s3:DeleteObjects":           "s3:DeleteObjectVersion", // with versions; without, it is s3:DeleteObject, which the fake refuses
	"s3:ListObjectVersions":      "s3:ListBucketVersions",
	"s3:DeletePublicAccessBlock": "s3:PutBucketPublicAccessBlock",
	"s3:GetPublicAccessBlock":    "s3:GetBucketPublicAccessBlock",
	"s3:PutPublicAccessBlock":    "s3:PutBucketPublicAccessBlock",
}

// accountPermissions are those of S3 Control, whose operations are called like S3's.
var accountPermissions = map[string]string{
	"s3:DeletePublicAccessBlock": "s3:PutAccountPublicAccessBlock",
	"s3:GetPublicAccessBlock":    "s3:GetAccountPublicAccessBlock",
	"s3:PutPublicAccessBlock":    "s3:PutAccountPublicAccessBlock",
}

func permission(action string) string {
	if p, ok := permissions[action]; ok {
		return p
	}
	return action
}

// On makes the cloud answer the operation whose input is In. It runs under the cloud's lock, so answers may use shared
// state freely.
func On[In, Out any](c *Cloud, service string, answer func(*In) (*Out, error)) {
	operation := strings.TrimSuffix(reflect.TypeFor[In]().Name(), "Input")
	c.answers[service+" "+operation] = func(in any) (any, error) {
		out, err := answer(in.(*In))
		if err != nil {
			return nil, err
		}
		return out, nil
	}
}

func action(service, operation string) string {
	prefix, ok := prefixes[service]
	if !ok {
		panic(fmt.Sprintf("fakeaws: add the IAM prefix of service %q", service))
	}
	name := prefix + ":" + operation
	if other, ok := accountPermissions[name]; ok && service == "S3 Control" {
		return other
	}
	return name
}

// Fail makes the next calls of an IAM action fail, one after the other, with the errors.
func (c *Cloud) Fail(action string, errs ...error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.faults[action] = append(c.faults[action], errs...)
}

// Recover ends all failures that Fail announced and that haven't come yet.
func (c *Cloud) Recover() {
	c.mu.Lock()
	defer c.mu.Unlock()
	clear(c.faults)
}

// Throttled is the error by which services ask to slow down.
func Throttled() error {
	return &smithy.GenericAPIError{Code: "ThrottlingException", Message: "Rate exceeded"}
}

// Denied is IAM's refusal.
func Denied() error {
	return &smithy.GenericAPIError{Code: "AccessDeniedException", Message: "not authorized"}
}

// Invalid is the validation error of services that have no type for it.
func Invalid(format string, args ...any) error {
	return &smithy.GenericAPIError{Code: "ValidationError", Message: fmt.Sprintf(format, args...)}
}

// Config returns an SDK configuration whose clients call the cloud. Retries don't wait.
func (c *Cloud) Config() aws.Config {
	return aws.Config{
		Region:      Region,
		Credentials: credentials.NewStaticCredentialsProvider("test", "test", ""),
		Retryer: func() aws.Retryer {
			return retry.NewStandard(func(o *retry.StandardOptions) {
				o.MaxAttempts = 5
				o.Backoff = retry.BackoffDelayerFunc(func(int, error) (time.Duration, error) { return 0, nil })
			})
		},
		APIOptions: []func(*middleware.Stack) error{c.install},
	}
}

// Where the fake resources live.
const (
	Region  = "eu-west-1"
	Account = "111111111111"
)

type inputKey struct{}

// install puts the answer behind the SDK's own validation, serialization and retries.
func (c *Cloud) install(stack *middleware.Stack) error {
	if err := stack.Initialize.Add(middleware.InitializeMiddlewareFunc("fakeawsInput",
		func(ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler) (middleware.InitializeOutput, middleware.Metadata, error) {
			return next.HandleInitialize(middleware.WithStackValue(ctx, inputKey{}, in.Parameters), in)
		}), middleware.After); err != nil {
		return err
	}
	return stack.Finalize.Insert(middleware.FinalizeMiddlewareFunc("fakeawsAnswer",
		func(ctx context.Context, _ middleware.FinalizeInput, _ middleware.FinalizeHandler) (out middleware.FinalizeOutput, m middleware.Metadata, err error) {
			if err := ctx.Err(); err != nil {
				return out, m, &aws.RequestCanceledError{Err: err}
			}
			out.Result, err = c.answer(awsmiddleware.GetServiceID(ctx), awsmiddleware.GetOperationName(ctx), middleware.GetStackValue(ctx, inputKey{}))
			return out, m, err
		}), "Retry", middleware.After)
}

func (c *Cloud) answer(service, operation string, in any) (any, error) {
	action := action(service, operation)
	if c.Before != nil {
		c.Before(action)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls[permission(action)]++
	if faults := c.faults[permission(action)]; len(faults) > 0 {
		c.faults[permission(action)] = faults[1:]
		if faults[0] != nil {
			return nil, faults[0]
		}
	}
	answer, ok := c.answers[service+" "+operation]
	if !ok {
		return nil, c.refuse(fmt.Errorf("fakeaws: nothing answers %s", action))
	}
	return answer(in)
}

// Do runs f under the cloud's lock; tests change state with it while a handler runs.
func (c *Cloud) Do(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
}

// Calls returns how often an IAM action was called, retries included.
func (c *Cloud) Calls(action string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.calls[action]
}

// TotalCalls returns the number of all calls, retries included.
func (c *Cloud) TotalCalls() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, calls := range c.calls {
		n += calls
	}
	return n
}

// Actions returns the IAM actions that were called, or asked for by such a call, sorted.
func (c *Cloud) Actions() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	actions := slices.Sorted(maps.Keys(c.calls))
	for a := range c.implied {
		if !slices.Contains(actions, a) {
			actions = append(actions, a)
		}
	}
	slices.Sort(actions)
	return actions
}

// implies notes an action that IAM asks the caller of another one for. It is no call.
func (c *Cloud) implies(action string) {
	c.implied[action] = true
}

// CheckActions compares recorded actions with a Lambda's list, both ways: what isn't called must not be granted, and what
// is called must be. The stacks' tests compare the synthesized policy with the same file.
func CheckActions(t *testing.T, file string, recorded []string) {
	t.Helper()
	CheckListed(t, file, recorded)
	for _, a := range listed(t, file) {
		if !slices.Contains(recorded, a) {
			t.Errorf("%s lists %s, but the handler never calls it", file, a)
		}
	}
}

// CheckListed checks that all recorded actions are in a Lambda's list.
func CheckListed(t *testing.T, file string, recorded []string) {
	t.Helper()
	actions := listed(t, file)
	for _, a := range recorded {
		if !slices.Contains(actions, a) {
			t.Errorf("the handler calls %s, which %s doesn't list", a, file)
		}
	}
}

func listed(t *testing.T, file string) (actions []string) {
	t.Helper()
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(body)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			actions = append(actions, line)
		}
	}
	if !slices.IsSorted(actions) {
		t.Errorf("%s isn't sorted", file)
	}
	return actions
}

// Internal is a fault of AWS that passes, and that the SDK retries.
func Internal() error {
	return &smithyhttp.ResponseError{
		Response: &smithyhttp.Response{Response: &http.Response{StatusCode: http.StatusInternalServerError}},
		Err:      &smithy.GenericAPIError{Code: "InternalFailure", Message: "internal error", Fault: smithy.FaultServer},
	}
}

// refuse marks a call that AWS would refuse whatever the state: a mistake of the caller, on which CheckNoMistakes fails.
func (c *Cloud) refuse(err error) error {
	c.mistakes = append(c.mistakes, err)
	return err
}

// CheckNoMistakes fails the test if a call broke one of AWS's rules, even if the caller coped with the refusal.
func (c *Cloud) CheckNoMistakes(t *testing.T) {
	t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, err := range c.mistakes {
		t.Errorf("AWS refused a call that should never have been made: %v", err)
	}
}
