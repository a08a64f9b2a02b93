package apply

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

	"slipway/internal/contract"
	"slipway/lambdas/qadatabase/decide"
	"slipway/lambdas/qadatabase/scram"
)

// Create makes the environment's database and role, or completes what is there, and gives the role the secret's password.
func (k Keeper) Create(ctx context.Context, slug, secret string) error {
	name, err := contract.DatabaseName(slug)
	if err != nil {
		return err
	}
	own, err := k.read(ctx, secret)
	if err != nil {
		return err
	}
	if own.Username != name || own.Database != name {
		return fmt.Errorf("make the database %s: the secret %s is for another user or database; its username and dbname must be %q", name, secret, name)
	}
	s, end, err := k.lock(ctx, name)
	if err != nil {
		return err
	}
	defer end()
	s.password = own.Password
	facts, err := s.facts(ctx)
	if err != nil {
		return err
	}
	steps, err := decide.Create(k.Platform, slug, facts)
	if err != nil {
		return fmt.Errorf("make the database of %s: %w", slug, err)
	}
	return k.run(ctx, s, steps)
}

// Drop drops the environment's database and role. What somebody else made under the name stays; kept says so.
func (k Keeper) Drop(ctx context.Context, slug string) (kept string, err error) {
	name, err := contract.DatabaseName(slug)
	if err != nil {
		return "", err
	}
	s, end, err := k.lock(ctx, name)
	if err != nil {
		return "", err
	}
	defer end()
	facts, err := s.facts(ctx)
	if err != nil {
		return "", err
	}
	steps, kept := decide.Drop(k.Platform, slug, facts)
	return kept, k.run(ctx, s, steps)
}

// List returns the environments that have a database or a role here, sorted.
func (k Keeper) List(ctx context.Context) ([]string, error) {
	conn, err := k.connect(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { _ = conn.Close(context.WithoutCancel(ctx)) }()
	rows, err := conn.Query(ctx, `
		SELECT datname, coalesce(shobj_description(oid, 'pg_database'), '') FROM pg_database
		UNION SELECT rolname, coalesce(shobj_description(oid, 'pg_authid'), '') FROM pg_roles
		ORDER BY 1`)
	if err != nil {
		return nil, fmt.Errorf("list the databases: %w; try again", err)
	}
	defer rows.Close()
	found := []string{}
	for rows.Next() {
		var name, comment string
		if err := rows.Scan(&name, &comment); err != nil {
			return nil, fmt.Errorf("list the databases: %w; try again", err)
		}
		if slug, ok := decide.Marked(k.Platform, comment); ok && slug == name && (len(found) == 0 || found[len(found)-1] != slug) {
			found = append(found, slug)
		}
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("list the databases: %w; try again", err)
	}
	return found, nil
}

func (s *session) facts(ctx context.Context) (f decide.Facts, err error) {
	f.Role, f.Database = true, true
	err = s.one(ctx, "SELECT coalesce(shobj_description(oid, 'pg_authid'), '') FROM pg_roles WHERE rolname = $1", &f.RoleMark)
	if errors.Is(err, errNoRow) {
		f.Role, err = false, nil
	}
	if err != nil {
		return f, fmt.Errorf("look for the role %s: %w; try again", s.name, err)
	}
	// A deletion that broke off leaves -2: https://www.postgresql.org/docs/17/catalog-pg-database.html
	err = s.one(ctx, `SELECT coalesce(shobj_description(d.oid, 'pg_database'), ''), r.rolname, d.datconnlimit = -2
		FROM pg_database d JOIN pg_roles r ON r.oid = d.datdba WHERE d.datname = $1`, &f.Mark, &f.Owner, &f.Interrupted)
	if errors.Is(err, errNoRow) {
		f.Database, err = false, nil
	}
	if err != nil {
		return f, fmt.Errorf("look for the database %s: %w; try again", s.name, err)
	}
	return f, nil
}

func (k Keeper) run(ctx context.Context, s *session, steps []decide.Step) error {
	for _, step := range steps {
		statements, err := k.statements(s, step)
		if err != nil {
			return err
		}
		for _, statement := range statements {
			if err := s.execute(ctx, statement); err != nil {
				return fmt.Errorf("%s of %s: %w; try again", step, s.slug, err)
			}
		}
	}
	return nil
}

// statements are those of a step. Several in one text are one transaction, which creating and dropping a database can't be.
func (k Keeper) statements(s *session, step decide.Step) ([]string, error) {
	mark := literal(decide.Mark(k.Platform, s.slug))
	var verifier string
	if step == decide.CreateRole || step == decide.SetPassword {
		var err error
		if verifier, err = scram.Verifier(s.password); err != nil {
			return nil, fmt.Errorf("%s of %s: %w", step, s.slug, err)
		}
		verifier = literal(verifier)
	}
	switch step {
	case decide.CreateRole:
		return []string{"CREATE ROLE " + s.name + " LOGIN NOCREATEDB NOCREATEROLE PASSWORD " + verifier + "; COMMENT ON ROLE " + s.name + " IS " + mark}, nil
	case decide.SetPassword:
		return []string{"ALTER ROLE " + s.name + " LOGIN PASSWORD " + verifier}, nil
	case decide.JoinRole:
		// The master is no superuser: it gives databases to a role, ends a role's connections and drops its database as a member.
		return []string{"GRANT " + s.name + " TO CURRENT_USER"}, nil
	case decide.CutOff:
		return []string{"ALTER ROLE " + s.name + " NOLOGIN"}, nil
	case decide.EndConnections:
		return []string{
			"REVOKE CONNECT ON DATABASE " + s.name + " FROM PUBLIC",
			"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = " + literal(s.slug) +
				" AND usename IN (" + literal(s.slug) + ", CURRENT_USER) AND pid <> pg_backend_pid()",
		}, nil
	case decide.DropDatabase:
		return []string{"DROP DATABASE IF EXISTS " + s.name + " WITH (FORCE)"}, nil
	case decide.CreateDatabase:
		return []string{"CREATE DATABASE " + s.name + " OWNER " + s.name}, nil
	case decide.MarkDatabase:
		// Every role may connect to every database unless that is taken away.
		return []string{
			"COMMENT ON DATABASE " + s.name + " IS " + mark,
			"ALTER DATABASE " + s.name + " OWNER TO " + s.name,
			"REVOKE ALL ON DATABASE " + s.name + " FROM PUBLIC",
			// The master's own database too. It is everyone's, and two requests that change it at once are in each other's way.
			"DO $$ BEGIN IF has_database_privilege('public', current_database(), 'CONNECT') THEN REVOKE CONNECT, TEMPORARY ON DATABASE " +
				s.current() + " FROM PUBLIC; END IF; END $$",
		}, nil
	case decide.DropRole:
		return []string{"DROP OWNED BY " + s.name + "; DROP ROLE IF EXISTS " + s.name}, nil
	}
	return nil, fmt.Errorf("there is no step %q", step)
}

// literal quotes a text for SQL. None here holds a backslash; one would be taken literally.
func literal(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

const (
	tries = 6
	pause = 500 * time.Millisecond
)

// passes says whether the server refused something that it will take in a moment: while something is still connected that is
// about to go, such as another environment's database that is copied from the same template (object_in_use), or because another
// session changed the same row of a catalog at the same time, for which PostgreSQL has no code of its own.
func passes(err error) bool {
	var refusal *pgconn.PgError
	return errors.As(err, &refusal) &&
		(refusal.Code == "55006" || refusal.Code == "XX000" && strings.Contains(refusal.Message, "concurrently"))
}

func (s *session) execute(ctx context.Context, statement string) error {
	for try := 1; ; try++ {
		// Without arguments pgx sends the text as it is.
		_, err := s.conn.Exec(ctx, statement)
		if err == nil || !passes(err) || try == tries {
			return err
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return errors.Join(err, ctx.Err())
		}
	}
}
