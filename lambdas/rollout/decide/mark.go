package decide

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
)

// Mark is what a deployment's description says about who started it. CodeDeploy has no token against starting twice, and
// the provider framework passes nothing from one poll to the next, so CodeDeploy itself remembers: whoever handles the
// request next, after a crash, a lost answer or a repeated event, finds its deployment by the mark.
type Mark struct {
	resource string // of the custom resource, the same for its whole life
	request  string // of one request of CloudFormation, the same for each delivery of it
}

const (
	markPrefix = "Slipway "
	// maxDescription is CodeDeploy's least documented quota for a description's length.
	maxDescription = 100
)

// NewMark makes the mark of one request of CloudFormation for one resource.
func NewMark(stackID, logicalID, requestID string) Mark {
	return Mark{resource: digest(stackID+"\n"+logicalID, 12), request: digest(stackID+"\n"+logicalID+"\n"+requestID, 16)}
}

func digest(s string, length int) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])[:length]
}

// Describe is the description of a deployment of a revision.
func (m Mark) Describe(taskDefinition string) string {
	s := m.ofRequest() + Short(taskDefinition)
	return s[:min(len(s), maxDescription)]
}

func (m Mark) ofResource() string { return markPrefix + m.resource + "-" }
func (m Mark) ofRequest() string  { return m.ofResource() + m.request + " " }

// own says that this request started the deployment. A rollback may carry its trigger's description, but isn't ours.
func (m Mark) own(d Deployment) bool {
	return !d.Rollback && strings.HasPrefix(d.Description, m.ofRequest())
}

// superseded says that an earlier request for the same resource started the deployment. CloudFormation works on one
// request for a resource at a time, so it has given that one up.
func (m Mark) superseded(d Deployment) bool {
	return !d.Rollback && strings.HasPrefix(d.Description, m.ofResource()) && !m.own(d)
}

func sorted(s []string) []string {
	slices.Sort(s)
	return s
}
