package config

import (
	"regexp"

	"slipway/internal/contract"
)

// Pipeline is the CDK pipeline that deploys what is pushed to one branch. Left out, there is none. It lives in the account of
// the registry.
type Pipeline struct {
	// ConnectionARN names the connection to the place of the source (AWS CodeConnections), made and authorised in the console,
	// in the registry's account and the platform's Region.
	ConnectionARN string `yaml:"connectionArn"`
	// Repository is <owner>/<name> as the place of the source spells it; GitLab's subgroups are further parts.
	Repository string `yaml:"repository"`
	// Branch is the one that is deployed; default main.
	Branch string `yaml:"branch"`
}

// Enabled says whether there is a pipeline.
func (p Pipeline) Enabled() bool { return p != Pipeline{} }

func fillPipeline(p *Pipeline, set map[string]bool) {
	if p.Enabled() {
		orDefault(set, "pipeline.branch", &p.Branch, "main")
	}
}

var (
	// Both spellings of the service are in use: https://docs.aws.amazon.com/dtconsole/latest/userguide/rename.html
	connectionARN      = regexp.MustCompile(`^arn:aws:(codeconnections|codestar-connections):([a-z0-9-]+):([0-9]{12}):connection/[0-9a-f-]{36}$`)
	pipelineRepository = regexp.MustCompile(`^[A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)+$`)
)

func (v *validator) pipeline() {
	p := v.cfg.Pipeline
	if !p.Enabled() {
		return
	}
	parts := connectionARN.FindStringSubmatch(p.ConnectionARN)
	v.want(parts != nil, "pipeline.connectionArn", quote(p.ConnectionARN),
		"the ARN of a connection, such as arn:aws:codeconnections:eu-west-1:111111111111:connection/01234567-89ab-cdef-0123-456789abcdef")
	if parts != nil {
		home := v.cfg.Accounts[v.cfg.Registry.Account]
		v.want(v.bad["region"] || parts[2] == v.cfg.Region, "pipeline.connectionArn", "a connection in "+parts[2], "one in %s, the platform's Region", v.cfg.Region)
		v.want(home == "" || parts[3] == home, "pipeline.connectionArn", "a connection of account "+parts[3], "one of %s, the registry's account, where the pipeline lives", home)
	}
	v.want(len(p.Repository) <= 200 && pipelineRepository.MatchString(p.Repository), "pipeline.repository", quote(p.Repository), "<owner>/<name>, such as example/shop")
	branch, err := contract.NormalizeBranch(p.Branch)
	v.want(err == nil && branch == p.Branch, "pipeline.branch", quote(p.Branch), "the name of a branch, such as main")
}
