package decide

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"slipway/internal/contract"
)

const (
	platform = "slipway"
	slug     = "x-0123abcd"
)

var (
	mine   = Mark(platform, slug)
	theirs = Mark(platform, "y-0123abcd")
)

func TestPlans(t *testing.T) {
	for sentence, c := range map[string]struct {
		facts   Facts
		create  []Step
		refused string
		drop    []Step
		stays   bool
	}{
		"nothing is there": {create: []Step{CreateRole, JoinRole, CreateDatabase, MarkDatabase}},
		"the creation broke off after the role": {
			facts: Facts{Role: true, RoleMark: mine}, create: []Step{SetPassword, JoinRole, CreateDatabase, MarkDatabase}, drop: []Step{JoinRole, CutOff, DropRole},
		},
		"the creation broke off before the database's mark": {
			facts:  Facts{Role: true, RoleMark: mine, Database: true, Owner: slug},
			create: []Step{SetPassword, JoinRole, MarkDatabase}, drop: []Step{JoinRole, CutOff, EndConnections, DropDatabase, DropRole},
		},
		"all is there": {
			facts:  Facts{Role: true, RoleMark: mine, Database: true, Owner: slug, Mark: mine},
			create: []Step{SetPassword, JoinRole, MarkDatabase}, drop: []Step{JoinRole, CutOff, EndConnections, DropDatabase, DropRole},
		},
		"the database's deletion broke off": {
			facts:  Facts{Role: true, RoleMark: mine, Database: true, Owner: slug, Mark: mine, Interrupted: true},
			create: []Step{SetPassword, JoinRole, DropDatabase, CreateDatabase, MarkDatabase}, drop: []Step{JoinRole, CutOff, EndConnections, DropDatabase, DropRole},
		},
		"somebody dropped the role": {
			facts: Facts{Database: true, Owner: "admin", Mark: mine}, create: []Step{CreateRole, JoinRole, MarkDatabase}, drop: []Step{EndConnections, DropDatabase},
		},
		"the role is somebody's":                        {facts: Facts{Role: true}, refused: "the role", stays: true},
		"the role is another environment's":             {facts: Facts{Role: true, RoleMark: theirs}, refused: "the role", stays: true},
		"the database is somebody's":                    {facts: Facts{Database: true, Owner: "admin"}, refused: "the database", stays: true},
		"the database is another environment's":         {facts: Facts{Role: true, RoleMark: mine, Database: true, Mark: theirs, Owner: slug}, refused: "the database", stays: true},
		"the database has another owner and no mark":    {facts: Facts{Role: true, RoleMark: mine, Database: true, Owner: "admin"}, refused: "the database", stays: true},
		"the role is somebody's, the database is ours":  {facts: Facts{Role: true, Database: true, Mark: mine, Owner: slug}, refused: "the role", stays: true},
		"the database is unmarked and its role is ours": {facts: Facts{Database: true, Owner: slug}, refused: "the database", stays: true},
	} {
		create, err := Create(platform, slug, c.facts)
		if (err != nil) != (c.refused != "") || err != nil && !strings.HasPrefix(err.Error(), c.refused) || !slices.Equal(create, c.create) {
			t.Errorf("%s: create %q, %v", sentence, create, err)
		}
		drop, kept := Drop(platform, slug, c.facts)
		if (kept != "") != c.stays || !slices.Equal(drop, c.drop) {
			t.Errorf("%s: drop %q, kept %q", sentence, drop, kept)
		}
	}
}

// TestWhatIsNotOursIsNeverTouched draws any state of the server.
func TestWhatIsNotOursIsNeverTouched(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		mark := rapid.SampledFrom([]string{"", mine, theirs, mine + "x", "a comment"})
		f := Facts{
			Role: rapid.Bool().Draw(t, "role"), RoleMark: mark.Draw(t, "role mark"), Database: rapid.Bool().Draw(t, "database"),
			Mark: mark.Draw(t, "mark"), Owner: rapid.SampledFrom([]string{slug, "admin", "y-0123abcd"}).Draw(t, "owner"), Interrupted: rapid.Bool().Draw(t, "interrupted"),
		}
		create, err := Create(platform, slug, f)
		drop, kept := Drop(platform, slug, f)
		foreignRole := f.Role && f.RoleMark != mine
		foreignDatabase := f.Database && f.Mark != mine && (f.Mark != "" || f.Owner != slug || !f.Role || foreignRole)
		if foreign := foreignRole || foreignDatabase; foreign != (err != nil) || foreign != (kept != "") || foreign && len(create)+len(drop) > 0 {
			t.Fatalf("%+v: create %q %v, drop %q %q", f, create, err, drop, kept)
		}
	})
}

func TestMarksAreReadBackExactly(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		branch := rapid.StringMatching(`[a-z/]{1,30}[a-z]`).Draw(t, "branch")
		slug, err := contract.Slug(branch)
		if err != nil {
			return
		}
		if got, ok := Marked(platform, Mark(platform, slug)); !ok || got != slug {
			t.Fatalf("%q, %v", got, ok)
		}
		comment := rapid.OneOf(rapid.String(), rapid.Just(Mark("other", slug)), rapid.Just(Mark(platform, slug)+" "), rapid.Just(slug)).Draw(t, "comment")
		if got, ok := Marked(platform, comment); ok {
			t.Fatalf("%q gave %q", comment, got)
		}
	})
}

func TestParse(t *testing.T) {
	good := "arn:aws:secretsmanager:eu-west-1:111111111111:secret:slipway/qa/x-0123abcd/database-a1B2c3"
	for sentence, c := range map[string]struct {
		properties map[string]string
		fault      string
	}{
		"what the stack sends":         {map[string]string{"SecretArn": good, "Host": "h", "Port": "5432"}, ""},
		"another environment's secret": {map[string]string{"SecretArn": strings.Replace(good, "/x-", "/y-", 1)}, "give it the ARN of the secret slipway/qa/x-0123abcd/database"},
		"the master's secret":          {map[string]string{"SecretArn": "arn:aws:secretsmanager:eu-west-1:111111111111:secret:Database-a1B2c3"}, "SecretArn"},
		"a secret of a longer name":    {map[string]string{"SecretArn": good + "-a1B2c3"}, "SecretArn"},
		"a name instead of an ARN":     {map[string]string{"SecretArn": ":secret:slipway/qa/x-0123abcd/database-a1B2c3"}, "SecretArn"},
		"nothing":                      {nil, `SecretArn is ""`},
		"a misspelt property":          {map[string]string{"SecretArn": good, "Hosts": "x"}, "there is no property Hosts"},
	} {
		secret, err := Parse(platform, slug, c.properties)
		if (err != nil) != (c.fault != "") || err != nil && !strings.Contains(err.Error(), c.fault) || err == nil && secret != good {
			t.Errorf("%s: %q, %v", sentence, secret, err)
		}
	}
}
