package decide

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Names of the custom resource's properties and attributes.
const (
	PropertyCluster          = "Cluster"        // name or ARN
	PropertyService          = "Service"        // name or ARN
	PropertyTaskDefinition   = "TaskDefinition" // ARN of the revision that is wanted
	PropertyApplication      = "Application"
	PropertyDeploymentGroup  = "DeploymentGroup"
	PropertyDeploymentConfig = "DeploymentConfigName" // optional; empty means the deployment group's
	PropertyContainerName    = "ContainerName"
	PropertyContainerPort    = "ContainerPort"
	PropertyCapacityProvider = "CapacityProvider" // optional; empty means what the service says
	PropertyPlatformVersion  = "PlatformVersion"  // optional; empty means AWS's default, LATEST
	PropertyTimeout          = "TimeoutMinutes"
	HookSuffix               = "Hook" // AfterAllowTestTrafficHook and so on: optional ARN of a Lambda function

	AttributeDeployment     = "DeploymentId"
	AttributeTaskDefinition = "TaskDefinition"

	// NoDeployment is the attribute DeploymentId when none was needed.
	NoDeployment = "none"
)

// Lifecycle lists the events of an ECS deployment that may have a hook, in their order.
// https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure-hooks.html
var Lifecycle = []string{"BeforeInstall", "AfterInstall", "AfterAllowTestTraffic", "BeforeAllowTraffic", "AfterAllowTraffic"}

// Limits of a rollout's time. CloudFormation and the provider framework give up after one hour, so the time-out and what
// comes after it must fit in there, with room for the polls' own time.
const (
	MaxTimeout = 50 * time.Minute
	StopGrace  = 8 * time.Minute // for a deployment to stop and to be rolled back
)

// Wish is the rollout that the stack asks for.
type Wish struct {
	Cluster, Service   string
	TaskDefinition     string
	Application, Group string
	Config             string
	ContainerName      string
	ContainerPort      int
	CapacityProvider   string
	PlatformVersion    string
	Hooks              map[string]string // lifecycle event → function ARN
	Timeout            time.Duration
}

var (
	taskDefinitionPattern = regexp.MustCompile(`^arn:aws[a-z-]*:ecs:[a-z0-9-]+:[0-9]{12}:task-definition/[A-Za-z0-9_-]{1,255}:[1-9][0-9]*$`)
	functionPattern       = regexp.MustCompile(`^arn:aws[a-z-]*:lambda:[a-z0-9-]+:[0-9]{12}:function:[A-Za-z0-9_-]{1,64}(:[A-Za-z0-9$_-]{1,128})?$`)
)

// Parse reads the properties, all of which CloudFormation sends as strings, and reports all that is wrong at once.
func Parse(properties map[string]string) (Wish, error) {
	p := parser{properties: properties, known: map[string]bool{}}
	w := Wish{
		Cluster:          p.required(PropertyCluster, "the cluster's name"),
		Service:          p.required(PropertyService, "the service's name"),
		TaskDefinition:   p.required(PropertyTaskDefinition, "the ARN of a task definition's revision"),
		Application:      p.required(PropertyApplication, "the name of CodeDeploy's application"),
		Group:            p.required(PropertyDeploymentGroup, "the name of CodeDeploy's deployment group"),
		Config:           p.optional(PropertyDeploymentConfig),
		ContainerName:    p.required(PropertyContainerName, "the container that gets the traffic"),
		ContainerPort:    p.number(PropertyContainerPort, 1, 65535),
		CapacityProvider: p.optional(PropertyCapacityProvider),
		PlatformVersion:  p.optional(PropertyPlatformVersion),
		Timeout:          time.Duration(p.number(PropertyTimeout, 1, int(MaxTimeout/time.Minute))) * time.Minute,
		Hooks:            map[string]string{},
	}
	// A family without a revision would mean another one each time.
	if w.TaskDefinition != "" && !taskDefinitionPattern.MatchString(w.TaskDefinition) {
		p.fault("%s is %q; give it the ARN of a revision, arn:aws:ecs:<region>:<account>:task-definition/<family>:<revision>", PropertyTaskDefinition, w.TaskDefinition)
	}
	for _, event := range Lifecycle {
		function := p.optional(event + HookSuffix)
		switch {
		case function == "":
		case !functionPattern.MatchString(function):
			p.fault("%s is %q; give it the ARN of a Lambda function", event+HookSuffix, function)
		default:
			w.Hooks[event] = function
		}
	}
	p.refuseUnknown()
	return w, errors.Join(p.faults...)
}

type parser struct {
	properties map[string]string
	known      map[string]bool
	faults     []error
}

func (p *parser) fault(format string, args ...any) {
	p.faults = append(p.faults, fmt.Errorf(format, args...))
}

func (p *parser) optional(name string) string {
	p.known[name] = true
	return p.properties[name]
}

func (p *parser) required(name, meaning string) string {
	value := p.optional(name)
	if value == "" {
		p.fault("%s is empty; give it %s", name, meaning)
	}
	return value
}

func (p *parser) number(name string, least, most int) int {
	n, err := strconv.Atoi(p.optional(name))
	if err != nil || n < least || n > most {
		p.fault("%s is %q; give it a number from %d to %d", name, p.properties[name], least, most)
	}
	return n
}

func (p *parser) refuseUnknown() {
	var unknown []string
	for name := range p.properties {
		if !p.known[name] {
			unknown = append(unknown, name)
		}
	}
	if len(unknown) > 0 {
		p.fault("there is no property %s", strings.Join(sorted(unknown), ", "))
	}
}

// Short is family:revision of a revision's ARN, as people say it.
func Short(taskDefinition string) string {
	if _, name, ok := strings.Cut(taskDefinition, "task-definition/"); ok {
		return name
	}
	return taskDefinition
}
