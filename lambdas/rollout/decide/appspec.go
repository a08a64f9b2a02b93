package decide

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
)

// AppSpec is what CodeDeploy is told to deploy.
type AppSpec struct {
	Content string // JSON
	SHA256  string // of the content, hexadecimal
}

// The keys are those of AWS's reference, to the letter.
// https://docs.aws.amazon.com/codedeploy/latest/userguide/reference-appspec-file-structure-resources.html
type (
	document struct {
		Version   json.Number         `json:"version"`
		Resources []resource          `json:"Resources"`
		Hooks     []map[string]string `json:"Hooks,omitempty"`
	}
	resource struct {
		TargetService targetService `json:"TargetService"`
	}
	targetService struct {
		Type       string     `json:"Type"`
		Properties properties `json:"Properties"`
	}
	properties struct {
		TaskDefinition   string       `json:"TaskDefinition"`
		LoadBalancerInfo loadBalancer `json:"LoadBalancerInfo"`
		PlatformVersion  string       `json:"PlatformVersion,omitempty"`
		Strategy         []provider   `json:"CapacityProviderStrategy,omitempty"`
	}
	loadBalancer struct {
		ContainerName string `json:"ContainerName"`
		ContainerPort int    `json:"ContainerPort"`
	}
	provider struct {
		Base             int    `json:"Base"`
		CapacityProvider string `json:"CapacityProvider"`
		Weight           int    `json:"Weight"`
	}
)

// BuildAppSpec describes the wish to CodeDeploy. The same wish gives the same bytes, and so the same hash: GetDeployment
// never returns the content of an AppSpec, only its hash, so the hash is how a deployment's purpose is recognized.
func BuildAppSpec(w Wish) (AppSpec, error) {
	target := targetService{Type: "AWS::ECS::Service", Properties: properties{
		TaskDefinition:   w.TaskDefinition,
		LoadBalancerInfo: loadBalancer{ContainerName: w.ContainerName, ContainerPort: w.ContainerPort},
		PlatformVersion:  w.PlatformVersion,
	}}
	if w.CapacityProvider != "" {
		target.Properties.Strategy = []provider{{CapacityProvider: w.CapacityProvider, Weight: 1}}
	}
	d := document{Version: "0.0", Resources: []resource{{target}}}
	for _, event := range Lifecycle {
		if function := w.Hooks[event]; function != "" {
			d.Hooks = append(d.Hooks, map[string]string{event: function})
		}
	}
	content, err := json.Marshal(d)
	if err != nil {
		return AppSpec{}, fmt.Errorf("write the AppSpec of %s: %w", Short(w.TaskDefinition), err)
	}
	sum := sha256.Sum256(content)
	return AppSpec{Content: string(content), SHA256: hex.EncodeToString(sum[:])}, nil
}
