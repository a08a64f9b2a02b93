package harness

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/ecs"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// Side is what serves the users of a blue/green service.
type Side struct {
	Colour         string // blue or green
	TaskDefinition string // ARN of the revision
}

// ServingSide is the side of a stage's service that has the users now, as ECS says. stack is the service's.
func (l *Local) ServingSide(ctx context.Context, stack, cluster, service string) (Side, error) {
	described, err := l.ECS().DescribeServices(ctx, &ecs.DescribeServicesInput{Cluster: aws.String(cluster), Services: []string{service}})
	if err != nil {
		return Side{}, fmt.Errorf("describe service %s of %s: %w", service, cluster, err)
	}
	if len(described.Services) != 1 {
		return Side{}, fmt.Errorf("there is no service %s in %s", service, cluster)
	}
	for _, set := range described.Services[0].TaskSets {
		if aws.ToString(set.Status) != "PRIMARY" || len(set.LoadBalancers) == 0 {
			continue
		}
		colour, err := l.colour(ctx, stack, aws.ToString(set.LoadBalancers[0].TargetGroupArn))
		return Side{Colour: colour, TaskDefinition: aws.ToString(set.TaskDefinition)}, err
	}
	return Side{}, fmt.Errorf("service %s of %s has no primary task set", service, cluster)
}

// colour is that of a target group, which its logical ID in the stack tells.
func (l *Local) colour(ctx context.Context, stack, targetGroup string) (string, error) {
	resources, err := l.CloudFormation().DescribeStackResources(ctx, &cloudformation.DescribeStackResourcesInput{StackName: aws.String(stack)})
	if err != nil {
		return "", fmt.Errorf("describe the resources of %s: %w", stack, err)
	}
	for _, r := range resources.StackResources {
		if aws.ToString(r.PhysicalResourceId) == targetGroup {
			if strings.HasPrefix(aws.ToString(r.LogicalResourceId), "Green") {
				return "green", nil
			}
			return "blue", nil
		}
	}
	return "", fmt.Errorf("the target group %s isn't one of the stack %s", targetGroup, stack)
}

// Upload puts a text into a bucket.
func (l *Local) Upload(ctx context.Context, bucket, key, text string) error {
	client := s3.NewFromConfig(l.Config(), func(o *s3.Options) { o.UsePathStyle = true })
	_, err := client.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String(bucket), Key: aws.String(key), Body: strings.NewReader(text)})
	if err != nil {
		return fmt.Errorf("put s3://%s/%s: %w", bucket, key, err)
	}
	return nil
}

// notReady is added to gunicorn's configuration: the processes are healthy, but /ready says no. Health checks of the load
// balancer don't see it, and a user would.
const notReady = `

def post_worker_init(worker):
    application = worker.wsgi

    def broken(environ, start_response):
        if environ["PATH_INFO"] == "/ready":
            start_response("503 Service Unavailable", [("Content-Type", "text/plain"), ("Content-Length", "6")])
            return [b"broken"]
        return application(environ, start_response)

    worker.wsgi = broken
`

// BuildBrokenImage builds an image of the application that starts, is healthy and never ready.
func (l *Local) BuildBrokenImage(ctx context.Context, log io.Writer, tag, commit string) (err error) {
	folder, err := os.MkdirTemp("", "slipway-broken-")
	if err != nil {
		return fmt.Errorf("make a folder for the broken version: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	source := filepath.Join(l.Root, "flaskapp")
	for _, name := range []string{"Dockerfile", "gunicorn.conf.py", "requirements.txt", "requirements-test.txt", ".dockerignore"} {
		content, err := os.ReadFile(filepath.Join(source, name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return fmt.Errorf("copy the application: %w", err)
		}
		if name == "gunicorn.conf.py" {
			content = append(content, notReady...)
		}
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o644); err != nil {
			return fmt.Errorf("copy the application: %w", err)
		}
	}
	if err := os.CopyFS(filepath.Join(folder, "src"), os.DirFS(filepath.Join(source, "src"))); err != nil {
		return fmt.Errorf("copy the application: %w", err)
	}
	return l.python(ctx, log, "image", "--tag", tag, "--commit", commit, "--context", folder)
}
