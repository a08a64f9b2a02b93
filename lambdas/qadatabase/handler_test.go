package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"slipway/internal/contract"
	"slipway/lambdas/internal/fakeaws"
	"slipway/lambdas/qadatabase/apply"
	"slipway/lambdas/qadatabase/postgrestest"
)

const (
	platform     = "slipway"
	masterSecret = "arn:aws:secretsmanager:eu-west-1:111111111111:secret:master-a1B2c3"
)

// world is an account with secrets, a real PostgreSQL, and CloudFormation's end of the protocol.
type world struct {
	t       *testing.T
	cloud   *fakeaws.Cloud
	secrets *fakeaws.Secrets
	server  *postgrestest.Server
	log     strings.Builder

	mu      sync.Mutex
	answers map[string]answer
}

type answer struct{ Status, Reason, RequestID string }

func newWorld(t *testing.T, server *postgrestest.Server) *world {
	c := fakeaws.New()
	w := &world{t: t, cloud: c, secrets: fakeaws.NewSecrets(c), server: server, answers: map[string]answer{}}
	w.secrets.Values[masterSecret] = fmt.Sprintf(`{"host":"localhost","port":%d,"dbname":%q,"username":%q,"password":%q,"engine":"postgres"}`,
		server.Port, postgrestest.Database, postgrestest.Master, postgrestest.Password)
	t.Cleanup(func() {
		c.CheckNoMistakes(t)
		fakeaws.CheckListed(t, "testdata/actions.txt", c.Actions())
	})
	return w
}

func (w *world) Do(r *http.Request) (*http.Response, error) {
	var a answer
	if err := json.NewDecoder(r.Body).Decode(&a); err != nil {
		w.t.Error(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.answers[a.RequestID] = a
	return &http.Response{StatusCode: http.StatusOK, Body: io.NopCloser(strings.NewReader(""))}, nil
}

func (w *world) handler() handler {
	return handler{
		keeper: apply.Keeper{
			Secrets: secretsmanager.NewFromConfig(w.cloud.Config()), MasterSecret: masterSecret, Roots: w.server.Roots, Platform: platform,
		},
		platform: platform, client: w, log: slog.New(slog.NewTextHandler(&lockedWriter{w: w}, nil)),
	}
}

type lockedWriter struct{ w *world }

func (l *lockedWriter) Write(p []byte) (int, error) {
	l.w.mu.Lock()
	defer l.w.mu.Unlock()
	return l.w.log.Write(p)
}

func slug(t *testing.T, branch string) string {
	s, err := contract.Slug(branch)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func secretOf(slug string) string {
	return "arn:aws:secretsmanager:eu-west-1:111111111111:secret:" + contract.DatabaseSecretName(platform, slug) + "-a1B2c3"
}

// give puts the environment's password into its secret.
func (w *world) give(slug, password string) {
	w.cloud.Do(func() {
		w.secrets.Values[secretOf(slug)] = fmt.Sprintf(`{"host":"localhost","port":"5432","dbname":%q,"username":%q,"password":%q}`, slug, slug, password)
	})
}

// send sends an event of the environment's stack and returns the answer.
func (w *world) send(ctx context.Context, kind, slug string) answer {
	id := fmt.Sprint(kind, slug, time.Now().UnixNano())
	raw, err := json.Marshal(map[string]any{
		"RequestType": kind, "RequestId": id, "ResponseURL": "https://answer", "LogicalResourceId": "Database", "PhysicalResourceId": "x",
		"StackId":            fakeaws.StackID(contract.QAEnvironmentStack(platform, slug)),
		"ResourceProperties": map[string]any{"ServiceToken": "x", "SecretArn": secretOf(slug), "Host": "localhost", "Port": "5432"},
	})
	if err != nil {
		w.t.Error(err)
	}
	if report, err := w.handler().handle(ctx, raw); err != nil || report != nil {
		w.t.Errorf("handle: %v, %v", report, err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.answers[id]
}

func (w *world) must(kind, slug string) {
	w.t.Helper()
	if a := w.send(context.Background(), kind, slug); a.Status != "SUCCESS" {
		w.t.Fatalf("%s of %s: %+v", kind, slug, a)
	}
}

// ask sends a request of the sweep.
func (w *world) ask(request contract.DataRequest) ([]string, error) {
	w.t.Helper()
	raw, err := json.Marshal(request)
	if err != nil {
		w.t.Fatal(err)
	}
	answer, err := w.handler().handle(context.Background(), raw)
	if err != nil {
		return nil, err
	}
	return answer.Environments, nil
}

func (w *world) connect(user, password, database string) (*pgx.Conn, error) {
	conn, err := w.server.Connect(context.Background(), user, password, database)
	if err == nil {
		w.t.Cleanup(func() { _ = conn.Close(context.Background()) })
	}
	return conn, err
}

// admin runs statements as the server's superuser.
func (w *world) admin(database string, statements ...string) {
	w.t.Helper()
	w.execute("rdsadmin", "root", database, statements)
}

// master runs statements as the master user in its own database.
func (w *world) master(statements ...string) {
	w.t.Helper()
	w.execute(postgrestest.Master, postgrestest.Password, postgrestest.Database, statements)
}

func (w *world) execute(user, password, database string, statements []string) {
	w.t.Helper()
	conn, err := w.connect(user, password, database)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, statement := range statements {
		if _, err := conn.Exec(context.Background(), statement); err != nil {
			w.t.Fatalf("%s: %v", statement, err)
		}
	}
}

// there says which of the name's database and role exist.
func (w *world) there(slug string) (database, role bool) {
	w.t.Helper()
	conn, err := w.connect("rdsadmin", "root", "postgres")
	if err != nil {
		w.t.Fatal(err)
	}
	if err := conn.QueryRow(context.Background(), "SELECT EXISTS (SELECT FROM pg_database WHERE datname = $1), EXISTS (SELECT FROM pg_roles WHERE rolname = $1)", slug).
		Scan(&database, &role); err != nil {
		w.t.Fatal(err)
	}
	return database, role
}

func (w *world) wantNothing(slug string) {
	w.t.Helper()
	if database, role := w.there(slug); database || role {
		w.t.Errorf("%s: database %v, role %v are left", slug, database, role)
	}
}

func code(err error) string {
	var refusal *pgconn.PgError
	if errors.As(err, &refusal) {
		return refusal.Code
	}
	return fmt.Sprint(err)
}

const (
	wrongPassword = "28P01"
	noPrivilege   = "42501"
)

// TestDatabases runs each case on one server, for a server takes a second to start; each has an environment of its own.
func TestDatabases(t *testing.T) {
	server := postgrestest.Start(t)
	for sentence, run := range map[string]func(*testing.T, *world, string){
		"an environment works in its database as its owner":          works,
		"an update brings a new password":                            newPassword,
		"no environment reaches another's database, nor the first":   isolated,
		"everything may come twice":                                  twice,
		"a deletion ends open connections, and those that come":      openConnections,
		"a creation that broke off anywhere is completed or deleted": brokenOff,
		"a deletion that broke off in the database's is completed":   brokenDeletion,
		"a database that somebody made stays":                        foreignDatabase,
		"a role that somebody made stays":                            foreignRole,
		"a role that owns things elsewhere goes all the same":        ownsElsewhere,
		"many environments at once":                                  atOnce,
		"a creation and a deletion at once end in one of the two":    createAndDelete,
		"the sweep sees and drops only what is marked":               sweep,
		"no password is in any log":                                  noPasswords,
		"what is refused before the server is asked":                 refusedBefore,
		"the server's certificate is checked":                        wrongAuthority,
		"a function that runs out of time leaves what can be redone": outOfTime,
	} {
		t.Run(sentence, func(t *testing.T) { run(t, newWorld(t, server), slug(t, strings.ReplaceAll(sentence, " ", "-"))) })
	}
}
