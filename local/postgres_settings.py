"""What RDS does with a PostgreSQL server, as settings and statements: TLS, parameters, roles. Pure."""

from __future__ import annotations

# Settings that RDS or its machine decides, or that would move the log out of the container's.
_NOT_HERE = frozenset({"data_directory", "hba_file", "huge_pages", "listen_addresses", "log_destination", "log_directory",
                       "log_filename", "logging_collector", "port", "ssl", "ssl_ca_file", "ssl_cert_file", "ssl_key_file",
                       "unix_socket_directories"})

_LIBRARIES = ("auto_explain", "pg_prewarm", "pg_stat_statements")
"""Of what RDS offers to preload, the libraries that come with PostgreSQL itself."""


def force_ssl(parameters: dict[str, str], major: str) -> bool:
    """Whether plain connections are refused: rds.force_ssl is 1 unless told otherwise since PostgreSQL 15.

    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/PostgreSQL.Concepts.General.SSL.html
    """
    given = parameters.get("rds.force_ssl")
    if given is None:
        return not major.isdigit() or int(major) >= 15
    return given not in ("0", "off", "false")


def access_rules(only_tls: bool) -> str:
    """The server's pg_hba.conf. Without a rule for plain connections it refuses them in the words that RDS's does."""
    rules = ["local all all trust", "hostssl all all all scram-sha-256"]
    if not only_tls:
        rules.append("hostnossl all all all scram-sha-256")
    return "\n".join(rules) + "\n"


def arguments(parameters: dict[str, str], folder: str) -> list[str]:
    """The server's arguments: TLS from the files in the folder, and the parameter group's settings.

    Left out are those of RDS itself (rds.…), formulas over the machine's memory ({…}), and what isn't ours to change.
    """
    settings = {"ssl": "on", "ssl_cert_file": f"{folder}/server.crt", "ssl_key_file": f"{folder}/server.key",
                "hba_file": f"{folder}/pg_hba.conf", "shared_buffers": "32MB"}
    for name, value in sorted(parameters.items()):
        if name.startswith("rds.") or name in _NOT_HERE or "{" in value:
            continue
        if name == "shared_preload_libraries":
            value = ",".join(v for v in (part.strip() for part in value.split(",")) if v in _LIBRARIES)
            if not value:
                continue
        settings[name] = value
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def statements(master: str, password: str, database: str) -> list[tuple[str, tuple | None]]:
    """Gives a server the roles of RDS; running them again changes nothing but the master's password.

    The master owns the first database, may make databases and roles, and is in rds_superuser, which is no superuser.
    https://docs.aws.amazon.com/AmazonRDS/latest/UserGuide/Appendix.PostgreSQL.CommonDBATasks.Roles.rds_superuser.html
    """
    found: list[tuple[str, tuple | None]] = []
    for role in ("rds_superuser", "rds_iam", "rds_replication", "rds_password"):
        found.append((f"DO $$ BEGIN CREATE ROLE {role} NOLOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$", None))
    found.append(("GRANT pg_monitor, pg_signal_backend, rds_iam, rds_replication, rds_password TO rds_superuser "
                  "WITH ADMIN OPTION", None))
    user = identifier(master)
    found.append((f"DO $$ BEGIN CREATE ROLE {user} LOGIN; EXCEPTION WHEN duplicate_object THEN NULL; END $$", None))
    # The statement with the password isn't logged, whatever the parameters say.
    for setting, value in (("log_statement", "none"), ("log_min_duration_statement", "-1"),
                           ("log_min_error_statement", "panic")):
        found.append((f"SET {setting} = '{value}'", None))
    # psycopg2 replaces %s, and takes a name's own percent sign for the beginning of one unless it is doubled.
    found.append((f"ALTER ROLE {user.replace('%', '%%')} LOGIN NOSUPERUSER CREATEDB CREATEROLE PASSWORD %s "
                  "VALID UNTIL 'infinity'", (password,)))
    found.append((f"GRANT rds_superuser TO {user}", None))
    found.append((f"ALTER DATABASE {identifier(database)} OWNER TO {user}", None))
    return found


def identifier(name: str) -> str:
    """A name in quotes; raises ValueError for one that Postgres or a DO block can't hold."""
    if "\0" in name or "$$" in name:
        raise ValueError(f"{name!r} can't be the name of a role or database")
    return '"' + name.replace('"', '""') + '"'
