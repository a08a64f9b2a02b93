"""Connections to Postgres that outlive rotations and failovers."""

import logging
from typing import Any, Final

import psycopg
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.orm import Session

from slipway_app.credentials import Login, Logins

UNAVAILABLE: Final = (DBAPIError, PoolTimeoutError)
"""What a statement raises when the database can't do it now."""

# PostgreSQL's documentation, appendix A: read_only_sql_transaction. After a failover the old
# primary, or a connection that was left on it, answers so.
READ_ONLY: Final = "25006"
_UNDEFINED_TABLE: Final = "42P01"

_CONNECT_SECONDS: Final = 3
_STATEMENT_MILLISECONDS: Final = 10_000

# A connection is replaced at this age, so that load finds its way to a new primary, and so that
# no session's memory grows for weeks.
_MAX_AGE_SECONDS: Final = 900

_log = logging.getLogger(__name__)


class ReadOnlyError(Exception):
    """The database answers, and takes no changes."""


class Database:
    """A pool of connections. Nothing connects before the first use."""

    def __init__(self, logins: Logins, ca_file: str, size: int) -> None:
        self._logins = logins
        self._ca_file = ca_file
        self.engine: Engine = create_engine(
            "postgresql+psycopg://",
            # One connection for each thread; a thread never needs two.
            pool_size=size,
            max_overflow=0,
            pool_timeout=5,
            pool_pre_ping=True,
            pool_recycle=_MAX_AGE_SECONDS,
            # The last one back is the first one out, so what a peak opened grows old and goes.
            pool_use_lifo=True,
            # Values of statements stay out of errors, and with that out of the log.
            hide_parameters=True,
        )
        event.listen(self.engine, "do_connect", self._connect)
        event.listen(self.engine, "handle_error", _discard_read_only)

    def session(self) -> Session:
        """Return a new session; use it with `with`, one transaction each."""
        return Session(self.engine, expire_on_commit=False)

    def revision(self) -> str | None:
        """Return the revision of the schema, or None where no migration has run.

        Raises what UNAVAILABLE and aws.ERRORS name where the database can't be asked.
        """
        with self.engine.connect() as connection:
            try:
                row = connection.execute(text("SELECT version_num FROM alembic_version")).first()
            except SQLAlchemyError as error:
                if sqlstate(error) == _UNDEFINED_TABLE:
                    return None
                raise
        return str(row[0]) if row else None

    def require_writable(self) -> None:
        """Raise ReadOnlyError where the database takes no changes, and forget the connection.

        A connection from before a failover goes on answering queries. Each process has its own,
        and only a write or this question shows it.
        """
        with self.engine.connect() as connection:
            if connection.execute(text("SHOW transaction_read_only")).scalar() == "on":
                connection.invalidate()
                raise ReadOnlyError("the database is read-only")

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def _connect(self, dialect: Any, _record: Any, _arguments: Any, parameters: Any) -> Any:
        """Log in, and once more if the secret has changed since it was read.

        libpq gives no SQLSTATE for a refused login, and its text depends on the server's
        language; so any failure counts, and the secret's own change decides.
        """
        login = self._logins.current()
        try:
            return self._open(dialect, parameters, login)
        except psycopg.OperationalError as refused:
            renewed = self._logins.renewed(login)
            if renewed is None:
                raise
            _log.info("connect to the database: the login was refused, trying the secret's new one")
            try:
                return self._open(dialect, parameters, renewed)
            except psycopg.OperationalError as error:
                raise error from refused

    def _open(self, dialect: Any, parameters: dict[str, Any], login: Login) -> Any:
        return dialect.connect(**parameters, **connect_parameters(login, self._ca_file))


def connect_parameters(login: Login, ca_file: str) -> dict[str, Any]:
    """Return libpq's parameters for a connection."""
    return {
        "host": login.host,
        "port": login.port,
        "dbname": login.dbname,
        "user": login.username,
        "password": login.password,
        # The certificate must come from these roots and must name this host.
        "sslmode": "verify-full",
        "sslrootcert": ca_file,
        "gssencmode": "disable",
        # A standby or a read-only primary isn't what we want to be connected to.
        "target_session_attrs": "read-write",
        "connect_timeout": _CONNECT_SECONDS,
        # A peer that vanished without a word is noticed in seconds instead of hours.
        "tcp_user_timeout": _STATEMENT_MILLISECONDS,
        "keepalives_idle": 30,
        "application_name": "slipway-app",
        "options": f"-c statement_timeout={_STATEMENT_MILLISECONDS}"
        f" -c idle_in_transaction_session_timeout={_STATEMENT_MILLISECONDS}",
    }


def sqlstate(error: BaseException) -> str | None:
    """Return the SQLSTATE that the database gave the error, or None."""
    original = getattr(error, "orig", None)
    state = getattr(original or error, "sqlstate", None)
    return state if isinstance(state, str) else None


def _discard_read_only(context: ExceptionContext) -> None:
    """Treat a connection to a read-only database as lost, and the others of its time with it."""
    if sqlstate(context.original_exception) == READ_ONLY:
        context.is_disconnect = True
