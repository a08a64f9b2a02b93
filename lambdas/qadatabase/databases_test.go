package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"slipway/internal/contract"
	"slipway/lambdas/internal/fakeaws"
	"slipway/lambdas/qadatabase/decide"
	"slipway/lambdas/qadatabase/postgrestest"
)

func works(t *testing.T, w *world, slug string) {
	w.give(slug, "first0Password")
	w.must("Create", slug)
	conn, err := w.connect(slug, "first0Password", slug)
	if err != nil {
		t.Fatal(err)
	}
	// What migrations do.
	for _, statement := range []string{"CREATE TABLE artifacts (id int PRIMARY KEY)", "INSERT INTO artifacts VALUES (1)", "CREATE SCHEMA more"} {
		if _, err := conn.Exec(t.Context(), statement); err != nil {
			t.Errorf("%s: %v", statement, err)
		}
	}
	for _, statement := range []string{"CREATE DATABASE other", "CREATE ROLE other"} {
		if _, err := conn.Exec(t.Context(), statement); code(err) != noPrivilege {
			t.Errorf("%s: %v", statement, err)
		}
	}
	w.must("Delete", slug)
	w.wantNothing(slug)
}

func newPassword(t *testing.T, w *world, slug string) {
	w.give(slug, "old")
	w.must("Create", slug)
	w.give(slug, "new")
	w.must("Update", slug)
	if _, err := w.connect(slug, "old", slug); code(err) != wrongPassword {
		t.Errorf("the old password: %v", err)
	}
	if _, err := w.connect(slug, "new", slug); err != nil {
		t.Errorf("the new password: %v", err)
	}
}

func isolated(t *testing.T, w *world, one string) {
	other := slug(t, one+"-other")
	for _, s := range []string{one, other} {
		w.give(s, "password")
		w.must("Create", s)
	}
	for _, database := range []string{other, postgrestest.Database} {
		if _, err := w.connect(one, "password", database); code(err) != noPrivilege {
			t.Errorf("%s reaches %s: %v", one, database, err)
		}
	}
	conn, err := w.connect(one, "password", one)
	if err != nil {
		t.Fatal(err)
	}
	for _, statement := range []string{"SET ROLE " + postgrestest.Master, "SET ROLE " + pgx.Identifier{other}.Sanitize(), "DROP DATABASE " + pgx.Identifier{other}.Sanitize()} {
		if _, err := conn.Exec(t.Context(), statement); code(err) != noPrivilege {
			t.Errorf("%s: %v", statement, err)
		}
	}
}

func twice(_ *testing.T, w *world, slug string) {
	w.give(slug, "password")
	for _, kind := range []string{"Create", "Create", "Update", "Delete", "Delete", "Update", "Delete"} {
		w.must(kind, slug)
	}
	w.wantNothing(slug)
}

func openConnections(t *testing.T, w *world, slug string) {
	w.give(slug, "password")
	w.must("Create", slug)
	var open []*pgx.Conn
	for range 3 {
		conn, err := w.connect(slug, "password", slug)
		if err != nil {
			t.Fatal(err)
		}
		open = append(open, conn)
	}
	// A busy one, and a client that connects again and again.
	if _, err := open[0].Exec(t.Context(), "BEGIN; CREATE TABLE x (a int)"); err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	var clients sync.WaitGroup
	for range 2 {
		clients.Go(func() {
			for ctx.Err() == nil {
				if conn, err := w.server.Connect(ctx, slug, "password", slug); err == nil {
					_, _ = conn.Exec(ctx, "SELECT pg_sleep(0.01)")
				}
				time.Sleep(time.Millisecond)
			}
		})
	}
	w.must("Delete", slug)
	stop()
	clients.Wait()
	w.wantNothing(slug)
	for _, conn := range open {
		if err := conn.Ping(t.Context()); err == nil {
			t.Error("a connection lives on")
		}
	}
}

// brokenOff stops the creation after each statement that it makes, by doing the same ones by hand.
func brokenOff(t *testing.T, w *world, one string) {
	for _, then := range []string{"Create", "Delete"} {
		for n := range 4 {
			slug := slug(t, fmt.Sprint(one, then, n))
			name := pgx.Identifier{slug}.Sanitize()
			made := []string{
				"CREATE ROLE " + name + " LOGIN; COMMENT ON ROLE " + name + " IS '" + decide.Mark(platform, slug) + "'",
				"GRANT " + name + " TO CURRENT_USER",
				"CREATE DATABASE " + name + " OWNER " + name,
				"COMMENT ON DATABASE " + name + " IS '" + decide.Mark(platform, slug) + "'",
			}
			conn, err := w.connect(postgrestest.Master, postgrestest.Password, postgrestest.Database)
			if err != nil {
				t.Fatal(err)
			}
			for _, statement := range made[:n+1] {
				if _, err := conn.Exec(t.Context(), statement); err != nil {
					t.Fatalf("%s: %v", statement, err)
				}
			}
			w.give(slug, "password")
			w.must(then, slug)
			if then == "Create" {
				if _, err := w.connect(slug, "password", slug); err != nil {
					t.Errorf("after step %d: %v", n, err)
				}
				w.must("Delete", slug)
			}
			w.wantNothing(slug)
		}
	}
}

// brokenDeletion marks the database as PostgreSQL does when dropping it breaks off.
func brokenDeletion(t *testing.T, w *world, one string) {
	for _, then := range []string{"Delete", "Create"} {
		slug := slug(t, one+then)
		w.give(slug, "password")
		w.must("Create", slug)
		w.admin("postgres", "UPDATE pg_database SET datconnlimit = -2 WHERE datname = '"+slug+"'")
		w.must(then, slug)
		if then == "Create" {
			if _, err := w.connect(slug, "password", slug); err != nil {
				t.Error(err)
			}
			w.must("Delete", slug)
		}
		w.wantNothing(slug)
	}
}

func foreignDatabase(t *testing.T, w *world, slug string) {
	name := pgx.Identifier{slug}.Sanitize()
	w.give(slug, "password")
	for sentence, c := range map[string]struct{ statement, want string }{
		"no mark":               {"COMMENT ON DATABASE " + name + " IS NULL", "the database"},
		"another one's mark":    {"COMMENT ON DATABASE " + name + " IS '" + decide.Mark(platform, "y-0123abcd") + "'", "the database"},
		"another platform's":    {"COMMENT ON DATABASE " + name + " IS '" + decide.Mark("other", slug) + "'", "the database"},
		"a mark by the surname": {"COMMENT ON DATABASE " + name + " IS '" + decide.Mark(platform, slug) + "-2'", "the database"},
	} {
		w.admin("postgres", "DROP DATABASE IF EXISTS "+name, "CREATE DATABASE "+name, c.statement)
		if a := w.send(t.Context(), "Create", slug); a.Status != "FAILED" || !strings.Contains(a.Reason, c.want) || !strings.Contains(a.Reason, "drop or rename it") {
			t.Errorf("%s: create %+v", sentence, a)
		}
		w.must("Delete", slug) // or the stack could never be deleted
		if database, role := w.there(slug); !database || role {
			t.Errorf("%s: database %v, role %v", sentence, database, role)
		}
		if _, err := w.ask(contract.DataRequest{Sweep: contract.SweepDrop, Environment: slug}); err == nil || !strings.Contains(err.Error(), "isn't marked as this environment's") {
			t.Errorf("%s: swept, %v", sentence, err)
		}
	}
	w.admin("postgres", "DROP DATABASE "+name)
}

func foreignRole(t *testing.T, w *world, slug string) {
	name := pgx.Identifier{slug}.Sanitize()
	w.give(slug, "password")
	w.admin("postgres", "CREATE ROLE "+name, "CREATE DATABASE "+name+" OWNER "+name)
	if a := w.send(t.Context(), "Create", slug); a.Status != "FAILED" || !strings.Contains(a.Reason, "the role") {
		t.Errorf("create %+v", a)
	}
	w.must("Delete", slug)
	if database, role := w.there(slug); !database || !role {
		t.Errorf("database %v, role %v are left of somebody's", database, role)
	}
	w.admin("postgres", "DROP DATABASE "+name, "DROP ROLE "+name)
}

func ownsElsewhere(_ *testing.T, w *world, slug string) {
	name := pgx.Identifier{slug}.Sanitize()
	w.give(slug, "password")
	w.must("Create", slug)
	w.master("CREATE TABLE of_the_master (a int)", "GRANT SELECT ON of_the_master TO "+name,
		"CREATE TABLE stray (a int)", "GRANT CREATE ON SCHEMA public TO "+name, "ALTER TABLE stray OWNER TO "+name)
	w.must("Delete", slug)
	w.wantNothing(slug)
	w.master("SELECT * FROM of_the_master", "DROP TABLE of_the_master")
}

func atOnce(t *testing.T, w *world, one string) {
	const n = 8
	var all sync.WaitGroup
	for i := range n {
		all.Go(func() {
			slug := slug(t, fmt.Sprint(one, i))
			w.give(slug, "password")
			for _, kind := range []string{"Create", "Create", "Delete", "Create", "Delete"} {
				if a := w.send(context.Background(), kind, slug); a.Status != "SUCCESS" {
					t.Errorf("%s of %s: %+v", kind, slug, a)
				}
			}
		})
	}
	all.Wait()
	for i := range n {
		w.wantNothing(slug(t, fmt.Sprint(one, i)))
	}
}

func createAndDelete(t *testing.T, w *world, slug string) {
	w.give(slug, "password")
	for range 5 {
		var both sync.WaitGroup
		for _, kind := range []string{"Create", "Delete"} {
			both.Go(func() {
				if a := w.send(context.Background(), kind, slug); a.Status != "SUCCESS" {
					t.Errorf("%s: %+v", kind, a)
				}
			})
		}
		both.Wait()
		database, role := w.there(slug)
		if database != role {
			t.Fatalf("database %v, role %v", database, role)
		}
		if database {
			if _, err := w.connect(slug, "password", slug); err != nil {
				t.Error(err)
			}
		}
	}
	w.must("Delete", slug)
}

func sweep(t *testing.T, w *world, one string) {
	marked, stranger := slug(t, one+"marked"), slug(t, one+"stranger")
	w.give(marked, "password")
	w.must("Create", marked)
	w.admin("postgres", "CREATE DATABASE "+pgx.Identifier{stranger}.Sanitize(),
		"CREATE DATABASE \"renamed-0123abcd\"", "COMMENT ON DATABASE \"renamed-0123abcd\" IS '"+decide.Mark(platform, marked)+"'")
	list := func() []string {
		found, err := w.ask(contract.DataRequest{Sweep: contract.SweepList})
		if err != nil {
			t.Error(err)
		}
		return found
	}
	if found := list(); !slices.Contains(found, marked) || slices.Contains(found, stranger) || slices.Contains(found, "renamed-0123abcd") || !slices.IsSorted(found) {
		t.Errorf("found %v", found)
	}
	for environment, dropped := range map[string]bool{
		"public": false, "postgres": false, "rdsadmin": false, "": false, postgrestest.Database: false, `x"; DROP ROLE x; --`: false,
		stranger: false, marked: true, "never-0123abcd": true,
	} {
		if _, err := w.ask(contract.DataRequest{Sweep: contract.SweepDrop, Environment: environment}); (err == nil) != dropped {
			t.Errorf("%q: %v", environment, err)
		}
	}
	if found := list(); slices.Contains(found, marked) {
		t.Errorf("found %v", found)
	}
	w.admin("postgres", "DROP DATABASE "+pgx.Identifier{stranger}.Sanitize(), "DROP DATABASE \"renamed-0123abcd\"")
	if _, err := w.ask(contract.DataRequest{Sweep: "burn", Environment: marked}); err == nil {
		t.Error("an unknown request was carried out")
	}
}

// noPasswords reads the server's log, which holds every statement, and ours.
func noPasswords(t *testing.T, w *world, slug string) {
	const password = "aVeryPeculiarPassword"
	w.give(slug, password)
	w.must("Create", slug)
	w.must("Update", slug)
	w.admin("postgres", "COMMENT ON DATABASE "+pgx.Identifier{slug}.Sanitize()+" IS 'somebody'")
	a := w.send(t.Context(), "Update", slug) // fails
	server, err := os.ReadFile(w.server.Log)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(server), "ALTER ROLE") {
		t.Fatal("the server's log lacks the statements")
	}
	for name, text := range map[string]string{"the server's": string(server), "the function's": w.log.String(), "CloudFormation's": a.Reason} {
		for _, secret := range []string{password, postgrestest.Password} {
			if strings.Contains(strings.ReplaceAll(text, "CREATE ROLE "+postgrestest.Master+" LOGIN CREATEDB CREATEROLE PASSWORD '"+secret+"'", ""), secret) {
				t.Errorf("%s log holds a password", name)
			}
		}
	}
	w.admin("postgres", "COMMENT ON DATABASE "+pgx.Identifier{slug}.Sanitize()+" IS '"+decide.Mark(platform, slug)+"'")
	w.must("Delete", slug)
}

func refusedBefore(t *testing.T, w *world, slug string) {
	for sentence, c := range map[string]struct {
		prepare func()
		reason  string
	}{
		"no secret":                       {func() { delete(w.secrets.Values, secretOf(slug)) }, "check that it exists"},
		"a secret that is no JSON":        {func() { w.secrets.Values[secretOf(slug)] = "hunter2" }, "it is no JSON with username and password"},
		"a secret of another user":        {func() { w.secrets.Values[secretOf(slug)] = `{"username":"x","password":"p","dbname":"x"}` }, "is for another user or database"},
		"a password that can't be hashed": {func() { w.give(slug, "pässword") }, "generate another"},
		"a master secret without a host":  {func() { w.secrets.Values[masterSecret] = `{"username":"x","password":"p"}` }, "host, port or dbname is missing"},
		"Secrets Manager denies":          {func() { w.cloud.Fail("secretsmanager:GetSecretValue", fakeaws.Denied()) }, "AccessDenied"},
	} {
		master := w.secrets.Values[masterSecret]
		w.give(slug, "password")
		c.prepare()
		if a := w.send(t.Context(), "Create", slug); a.Status != "FAILED" || !strings.Contains(a.Reason, c.reason) || strings.Contains(a.Reason, "hunter2") {
			t.Errorf("%s: %+v", sentence, a)
		}
		w.secrets.Values[masterSecret] = master
		w.must("Delete", slug)
		w.wantNothing(slug)
	}
}

func wrongAuthority(t *testing.T, w *world, slug string) {
	other := *w.server
	other.Roots = postgrestest.OtherAuthority(t)
	w.server = &other
	w.give(slug, "password")
	if a := w.send(t.Context(), "Create", slug); a.Status != "FAILED" || !strings.Contains(a.Reason, "certificate signed by unknown authority") {
		t.Errorf("%+v", a)
	}
}

func outOfTime(t *testing.T, w *world, slug string) {
	w.give(slug, "password")
	w.must("Create", slug)
	for _, limit := range []time.Duration{1, 3, 5, 8, 12, 20, 40} {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second+limit*time.Millisecond) // five seconds are kept for the answer
		for _, kind := range []string{"Delete", "Create"} {
			w.send(ctx, kind, slug) // whatever comes of it
		}
		cancel()
	}
	w.must("Create", slug)
	if _, err := w.connect(slug, "password", slug); err != nil {
		t.Error(err)
	}
	w.must("Delete", slug)
	w.wantNothing(slug)
}

func TestOtherStacksAndEvents(t *testing.T) {
	w := newWorld(t, &postgrestest.Server{})
	for sentence, c := range map[string]struct{ kind, stack, status string }{
		"a stack that is no environment gets no database": {"Create", "slipway-qa-service", "FAILED"},
		"its deletion asks nothing":                       {"Delete", "slipway-qa-service", "SUCCESS"},
		"another platform's environment gets none":        {"Create", "other-qa-env-x-0123abcd", "FAILED"},
	} {
		raw := fmt.Sprintf(`{"RequestType":%q,"RequestId":"1","ResponseURL":"https://answer","LogicalResourceId":"D","StackId":%q,"ResourceProperties":{}}`,
			c.kind, fakeaws.StackID(c.stack))
		if _, err := w.handler().handle(t.Context(), json.RawMessage(raw)); err != nil || w.answers["1"].Status != c.status || w.cloud.TotalCalls() != 0 {
			t.Errorf("%s: %v, %+v", sentence, err, w.answers["1"])
		}
	}
	for _, raw := range []string{`{}`, `[]`, `{"source":"aws.events"}`, `{"sweep":""}`} {
		if report, err := w.handler().handle(t.Context(), json.RawMessage(raw)); err == nil {
			t.Errorf("%s: %+v", raw, report)
		}
	}
}

func TestListOfActionsIsExact(t *testing.T) {
	w := newWorld(t, &postgrestest.Server{})
	w.give("x-0123abcd", "p")
	w.secrets.Values[masterSecret] = `{}`
	w.send(t.Context(), "Create", "x-0123abcd")
	fakeaws.CheckActions(t, "testdata/actions.txt", w.cloud.Actions())
}
