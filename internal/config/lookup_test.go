package config

import (
	"strings"
	"testing"

	"pgregory.net/rapid"

	"slipway/internal/contract"
)

func TestAStageHasTheZoneOfItsNames(t *testing.T) {
	for name, c := range map[string]struct {
		stage Stage
		want  string
	}{
		"in the root zone's account, the root zone":            {Stage{Name: "dev", Account: "shared"}, "example.com"},
		"production there too":                                 {Stage{Name: "prod", Account: "shared", Production: true}, "example.com"},
		"the QA stage there too":                               {Stage{Name: "qa", Account: "shared"}, "example.com"},
		"a second name of the same account is the same":        {Stage{Name: "dev", Account: "alias"}, "example.com"},
		"elsewhere, a zone of the stage's name":                {Stage{Name: "dev", Account: "other"}, "dev.example.com"},
		"elsewhere, production has the zone of its address":    {Stage{Name: "prod", Account: "other", Production: true}, "app.example.com"},
		"elsewhere, the QA stage has that of the environments": {Stage{Name: "qa", Account: "other"}, "qa.example.com"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := &Config{
				Domain: "example.com", DNS: DNS{Account: "shared"}, QA: QA{Stage: "qa"},
				Accounts: map[string]string{"shared": "111111111111", "alias": "111111111111", "other": "222222222222"},
			}
			if got := cfg.ZoneName(&c.stage); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// TestEveryNameLiesInItsStagesZone: a record outside the zone is refused by Route 53 only when the stack is deployed.
func TestEveryNameLiesInItsStagesZone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		account := rapid.SampledFrom([]string{"shared", "other"})
		stage := Stage{
			Name:       rapid.StringMatching(`[a-z][a-z0-9]{1,7}`).Draw(t, "stage"),
			Account:    account.Draw(t, "account"),
			Production: rapid.Bool().Draw(t, "production"),
		}
		cfg := &Config{
			Domain: rapid.StringMatching(`[a-z]{1,9}(\.[a-z]{2,9}){1,2}`).Draw(t, "domain"), DNS: DNS{Account: account.Draw(t, "root")},
			Accounts: map[string]string{"shared": "111111111111", "other": "222222222222"},
		}
		names := []string{contract.AppHost(stage.Name, stage.Production, cfg.Domain)}
		if !stage.Production && rapid.Bool().Draw(t, "hosts the environments") {
			cfg.QA.Stage = stage.Name
			slug, err := contract.Slug(rapid.StringMatching(`[a-z]{1,20}`).Draw(t, "branch"))
			if err != nil {
				t.Fatal(err)
			}
			names = []string{contract.QADomain(cfg.Domain), contract.HostName(slug, cfg.Domain)}
		}
		zone := cfg.ZoneName(&stage)
		for _, name := range names {
			if name != zone && !strings.HasSuffix(name, "."+zone) {
				t.Fatalf("%s is not in %s", name, zone)
			}
		}
	})
}
