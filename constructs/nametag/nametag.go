// Package nametag sets the tag Name, by which the consoles list VPCs, subnets and certificates.
package nametag

import (
	"strings"

	"github.com/aws/aws-cdk-go/awscdk/v2"
	"github.com/aws/constructs-go/constructs/v10"
	"github.com/aws/jsii-runtime-go"
)

// Set names each construct, and what belongs to it, by its path from its stack on. The CDK's own tag is the path from the
// app on, which is another one where a pipeline deploys the stack.
func Set(named ...constructs.IConstruct) {
	for _, construct := range named {
		stack := awscdk.Stack_Of(construct)
		path := strings.TrimPrefix(*construct.Node().Path(), *stack.Node().Path())
		name := jsii.String(*stack.Node().Id() + path)
		awscdk.Tags_Of(construct).Add(jsii.String("Name"), name, nil)
		if resource := construct.Node().DefaultChild(); resource != nil { // some constructs tag that one
			awscdk.Tags_Of(resource).Add(jsii.String("Name"), name, nil)
		}
	}
}
