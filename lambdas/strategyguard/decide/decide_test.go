package decide

import (
	"strings"
	"testing"
)

const (
	blue  = "arn:aws:elasticloadbalancing:eu-west-1:111111111111:targetgroup/blue/0123456789abcdef"
	green = "arn:aws:elasticloadbalancing:eu-west-1:111111111111:targetgroup/green/0123456789abcdef"
)

func TestCheck(t *testing.T) {
	for sentence, c := range map[string]struct {
		runs Service
		want string
		live []string
		says string // empty: it may
	}{
		"CodeDeploy stays, whichever side is live":         {Service{Controller: "CODE_DEPLOY"}, CodeDeploy, []string{green}, ""},
		"ECS's canary is ecs":                              {Service{Controller: "ECS", Strategy: "CANARY"}, ECS, []string{green}, ""},
		"ECS's linear is ecs":                              {Service{Strategy: "LINEAR"}, ECS, nil, ""},
		"a service without a word about it rolls":          {Service{}, Rolling, nil, ""},
		"rolling becomes ecs":                              {Service{Strategy: "ROLLING"}, ECS, []string{blue}, ""},
		"ecs becomes rolling while blue is live":           {Service{Strategy: "BLUE_GREEN"}, Rolling, []string{blue}, ""},
		"ecs doesn't become rolling while green is live":   {Service{Strategy: "BLUE_GREEN"}, Rolling, []string{green}, "go to green and not to the template's own target group blue"},
		"ecs doesn't become rolling in the middle":         {Service{Strategy: "CANARY"}, Rolling, []string{blue, green}, "go to blue and green"},
		"a rule that sends requests nowhere is no licence": {Service{Strategy: "CANARY"}, Rolling, nil, "go to no target group"},
		"CodeDeploy doesn't become rolling":                {Service{Controller: "CODE_DEPLOY"}, Rolling, []string{blue}, "from codedeploy to rolling: the two have different deployment controllers"},
		"rolling doesn't become CodeDeploy":                {Service{Controller: "ECS"}, CodeDeploy, []string{blue}, "from rolling to codedeploy"},
		"somebody else's controller stays alone":           {Service{Controller: "EXTERNAL"}, Rolling, []string{blue}, "from EXTERNAL to rolling"},
	} {
		t.Run(sentence, func(t *testing.T) {
			err := Check(Wish{Service: "prod-service", Strategy: c.want, TargetGroup: blue}, c.runs, c.live)
			if c.says == "" && err != nil {
				t.Error(err)
			}
			if c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), "nothing was changed")) {
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
}

func TestParseReportsAllFaultsAtOnce(t *testing.T) {
	_, err := Parse(map[string]string{"Strategy": "blue", "Rule": "x"})
	for _, part := range []string{"Cluster is empty", "Service is empty", `Rule is "x"`, `TargetGroup is ""`, `Strategy is "blue"`} {
		if err == nil || !strings.Contains(err.Error(), part) {
			t.Errorf("%v lacks %q", err, part)
		}
	}
}
