package fakeaws

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	elb "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2"
	elbtypes "github.com/aws/aws-sdk-go-v2/service/elasticloadbalancingv2/types"
)

// RuleQuota is Elastic Load Balancing's quota of rules for one Application Load Balancer, without default rules:
// https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html
const RuleQuota = 100

// AllowRules lets the listener's rules be made and changed.
func (e *ELB) AllowRules() {
	On(e.cloud, elbID, e.createRule)
	On(e.cloud, elbID, e.modifyRule)
}

func (e *ELB) createRule(in *elb.CreateRuleInput) (*elb.CreateRuleOutput, error) {
	priority := aws.ToInt32(in.Priority)
	if aws.ToString(in.ListenerArn) != e.Listener {
		return nil, &elbtypes.ListenerNotFoundException{}
	}
	if priority < 1 || priority > 50000 {
		return nil, e.cloud.refuse(Invalid("priority %d", priority))
	}
	if err := e.checkConditions(in.Conditions); err != nil {
		return nil, err
	}
	if err := e.checkActions(in.Actions, false); err != nil {
		return nil, err
	}
	for _, tag := range in.Tags {
		if key := strings.ToLower(aws.ToString(tag.Key)); key == "" || strings.HasPrefix(key, "aws:") {
			return nil, e.cloud.refuse(Invalid("tag %q", key))
		}
	}
	for _, r := range e.Rules {
		if aws.ToString(r.Priority) == fmt.Sprint(priority) {
			return nil, &elbtypes.PriorityInUseException{Message: aws.String("Priority " + fmt.Sprint(priority) + " is currently in use")}
		}
	}
	if len(e.Rules)-1 >= RuleQuota {
		return nil, &elbtypes.TooManyRulesException{Message: aws.String("The maximum number of rules has been reached on this load balancer")}
	}
	e.made++
	rule := elbtypes.Rule{
		RuleArn: aws.String(e.ruleARN(fmt.Sprintf("made%012d", e.made))), IsDefault: aws.Bool(false), Priority: aws.String(fmt.Sprint(priority)),
		Conditions: in.Conditions, Actions: shown(in.Actions),
	}
	e.Rules = append(e.Rules, rule)
	// In the order of their priorities, the default one last.
	slices.SortStableFunc(e.Rules, func(a, b elbtypes.Rule) int { return cmp.Compare(rank(a), rank(b)) })
	e.Tags[*rule.RuleArn] = map[string]string{}
	for _, tag := range in.Tags {
		e.Tags[*rule.RuleArn][*tag.Key] = aws.ToString(tag.Value)
	}
	return &elb.CreateRuleOutput{Rules: []elbtypes.Rule{rule}}, nil
}

func rank(r elbtypes.Rule) int {
	if n, err := strconv.Atoi(aws.ToString(r.Priority)); err == nil {
		return n
	}
	return 1 << 20
}

func (e *ELB) modifyRule(in *elb.ModifyRuleInput) (*elb.ModifyRuleOutput, error) {
	i := e.rule(aws.ToString(in.RuleArn))
	switch {
	case i < 0:
		return nil, &elbtypes.RuleNotFoundException{Message: aws.String("One or more rules not found")}
	case aws.ToBool(e.Rules[i].IsDefault):
		return nil, e.cloud.refuse(&elbtypes.OperationNotPermittedException{Message: aws.String("Default rule cannot be modified")})
	case len(in.Actions) == 0 && len(in.Conditions) == 0:
		return nil, e.cloud.refuse(Invalid("neither actions nor conditions"))
	}
	if len(in.Conditions) > 0 {
		if err := e.checkConditions(in.Conditions); err != nil {
			return nil, err
		}
		e.Rules[i].Conditions = in.Conditions
	}
	if len(in.Actions) > 0 {
		if err := e.checkActions(in.Actions, true); err != nil {
			return nil, err
		}
		e.Rules[i].Actions = shown(in.Actions)
	}
	return &elb.ModifyRuleOutput{Rules: []elbtypes.Rule{e.Rules[i]}}, nil
}

var hostPattern = regexp.MustCompile(`^[A-Za-z0-9.*?-]{1,128}$`)

func (e *ELB) checkConditions(conditions []elbtypes.RuleCondition) error {
	if len(conditions) == 0 || len(conditions) > 5 {
		return e.cloud.refuse(Invalid("%d conditions", len(conditions)))
	}
	for _, c := range conditions {
		if aws.ToString(c.Field) != "host-header" || (c.HostHeaderConfig == nil) == (len(c.Values) == 0) {
			return e.cloud.refuse(Invalid("a condition on %q with neither or both of Values and HostHeaderConfig", aws.ToString(c.Field)))
		}
		values := c.Values
		if c.HostHeaderConfig != nil {
			values = c.HostHeaderConfig.Values
		}
		for _, value := range values {
			if !hostPattern.MatchString(value) {
				return e.cloud.refuse(Invalid("host %q", value))
			}
		}
	}
	return nil
}

// checkActions wants, as AWS does, one forward as the last action, an order where there are several, and with OpenID Connect
// either the client's secret or, in a change, the word that the rule keeps its own.
func (e *ELB) checkActions(actions []elbtypes.Action, change bool) error {
	orders := map[int32]bool{}
	for i, a := range actions {
		last := i == len(actions)-1
		if len(actions) > 1 {
			if a.Order == nil || orders[*a.Order] {
				return e.cloud.refuse(Invalid("an action without an order of its own"))
			}
			orders[*a.Order] = true
		}
		switch a.Type {
		case elbtypes.ActionTypeEnumForward:
			if !last || a.TargetGroupArn == nil {
				return e.cloud.refuse(&elbtypes.InvalidLoadBalancerActionException{Message: aws.String("forward comes last, to a target group")})
			}
			if e.group(*a.TargetGroupArn) < 0 {
				return &elbtypes.TargetGroupNotFoundException{Message: aws.String("One or more target groups not found")}
			}
		case elbtypes.ActionTypeEnumAuthenticateOidc:
			o := a.AuthenticateOidcConfig
			if last || o == nil || aws.ToString(o.Issuer) == "" || aws.ToString(o.ClientId) == "" || aws.ToString(o.AuthorizationEndpoint) == "" ||
				aws.ToString(o.TokenEndpoint) == "" || aws.ToString(o.UserInfoEndpoint) == "" {
				return e.cloud.refuse(&elbtypes.InvalidLoadBalancerActionException{Message: aws.String("an incomplete sign-in, or nothing behind it")})
			}
			if secret := aws.ToString(o.ClientSecret) != ""; secret == (change && aws.ToBool(o.UseExistingClientSecret)) {
				return e.cloud.refuse(&elbtypes.InvalidLoadBalancerActionException{Message: aws.String("neither or both of a secret and the existing one")})
			}
			if n := aws.ToInt64(o.SessionTimeout); n < 1 || n > 604800 {
				return e.cloud.refuse(Invalid("a session of %d seconds", n))
			}
		default:
			return e.cloud.refuse(Invalid("action %q isn't known here", a.Type))
		}
	}
	if len(actions) == 0 {
		return e.cloud.refuse(Invalid("no action"))
	}
	return nil
}

// shown are the actions as AWS tells them: never with the client's secret.
func shown(actions []elbtypes.Action) []elbtypes.Action {
	actions = slices.Clone(actions)
	for i, a := range actions {
		if a.AuthenticateOidcConfig != nil {
			config := *a.AuthenticateOidcConfig
			config.ClientSecret = nil
			actions[i].AuthenticateOidcConfig = &config
		}
	}
	return actions
}
