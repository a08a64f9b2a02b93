// Package apply makes and drops the QA environments' databases on the stage's PostgreSQL.
package apply

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/jackc/pgx/v5"
)

// Secrets reads logins.
type Secrets interface {
	GetSecretValue(context.Context, *secretsmanager.GetSecretValueInput, ...func(*secretsmanager.Options)) (*secretsmanager.GetSecretValueOutput, error)
}

// login is a secret in the form in which RDS keeps it.
type login struct {
	Host     string      `json:"host"`
	Port     json.Number `json:"port"`
	Database string      `json:"dbname"`
	Username string      `json:"username"`
	Password string      `json:"password"`
}

// read reads a login. No error quotes the secret.
func (k Keeper) read(ctx context.Context, arn string) (login, error) {
	out, err := k.Secrets.GetSecretValue(ctx, &secretsmanager.GetSecretValueInput{SecretId: &arn})
	if err != nil {
		return login{}, fmt.Errorf("read the secret %s: %w; check that it exists and that the function may decrypt it", arn, err)
	}
	var l login
	if json.Unmarshal([]byte(aws.ToString(out.SecretString)), &l) != nil || l.Password == "" || l.Username == "" {
		return login{}, fmt.Errorf("read the secret %s: it is no JSON with username and password; correct its value", arn)
	}
	return l, nil
}

const connectLimit = 15 * time.Second

// connect opens the one connection of a request, as the master user, with a server that proves to be the database's host.
func (k Keeper) connect(ctx context.Context) (*pgx.Conn, error) {
	master, err := k.read(ctx, k.MasterSecret)
	if err != nil {
		return nil, err
	}
	port, err := strconv.ParseUint(master.Port.String(), 10, 16)
	if err != nil || master.Host == "" || master.Database == "" {
		return nil, fmt.Errorf("read the secret %s: host, port or dbname is missing; RDS fills them in when it is attached to the instance", k.MasterSecret)
	}
	// An address without anything in it, so that everything comes from the secret and nothing from the environment.
	config, err := pgx.ParseConfig("postgres://unused:unused@unused:1/unused?sslmode=disable")
	if err != nil {
		return nil, fmt.Errorf("prepare the connection: %w", err)
	}
	config.Host, config.Port, config.Database = master.Host, uint16(port), master.Database
	config.User, config.Password = master.Username, master.Password
	config.TLSConfig = &tls.Config{RootCAs: k.Roots, ServerName: master.Host, MinVersion: tls.VersionTLS12}
	config.Fallbacks, config.ConnectTimeout = nil, connectLimit
	config.RuntimeParams = map[string]string{"application_name": "slipway-qa-databases"}
	conn, err := pgx.ConnectConfig(ctx, config)
	if err != nil {
		return nil, fmt.Errorf("connect to the database server %s: %w; check that it runs and that its security group lets the function in", master.Host, err)
	}
	return conn, nil
}

// Keeper keeps one database and one role for each environment.
type Keeper struct {
	Secrets      Secrets
	MasterSecret string
	Roots        *x509.CertPool
	Platform     string
}

// session is one connection that holds the lock of one environment.
type session struct {
	conn *pgx.Conn
	slug string
	name string // the quoted name of both database and role
	// password is the environment's; only a creation has it.
	password string
}

// lock makes requests for the same environment wait for each other: a repeated event must not drop what another one makes.
func (k Keeper) lock(ctx context.Context, slug string) (*session, func(), error) {
	conn, err := k.connect(ctx)
	if err != nil {
		return nil, nil, err
	}
	end := func() { // with the connection goes the lock
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		_ = conn.Close(ctx)
	}
	if _, err := conn.Exec(ctx, "SELECT pg_advisory_lock(hashtextextended($1, 0))", "slipway-qa-database:"+k.Platform+":"+slug); err != nil {
		end()
		return nil, nil, fmt.Errorf("wait for other requests for %s: %w; try again", slug, err)
	}
	return &session{conn: conn, slug: slug, name: pgx.Identifier{slug}.Sanitize()}, end, nil
}

// current is the quoted name of the database of the connection, the master's own.
func (s *session) current() string { return pgx.Identifier{s.conn.Config().Database}.Sanitize() }

var errNoRow = errors.New("no row")

// one reads one row; errNoRow if there is none.
func (s *session) one(ctx context.Context, query string, to ...any) error {
	err := s.conn.QueryRow(ctx, query, s.slug).Scan(to...)
	if errors.Is(err, pgx.ErrNoRows) {
		return errNoRow
	}
	return err
}
