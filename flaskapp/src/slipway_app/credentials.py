"""The database's login, read again when the database refuses it."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

CURRENT: Final = "AWSCURRENT"

# After the database has refused a login, the secret is read at most this often: a database that is
# down refuses all connections, and each reading costs money and counts against a quota.
RENEW_SECONDS: Final = 1.0


class SecretError(Exception):
    """A secret doesn't have the form that it should have. The text never shows its value."""


@dataclass(frozen=True, slots=True)
class Login:
    """Where the database is and how to log in."""

    host: str
    port: int
    dbname: str
    username: str
    password: str = field(repr=False)


class Logins(Protocol):
    """Gives the login for a new connection."""

    def current(self) -> Login:
        """Return the login to try."""

    def renewed(self, refused: Login) -> Login | None:
        """Return another login after one was refused, or None where there's no other."""


def parse_login(text: str, database_name: str | None) -> Login:
    """Read a login from a secret in the form that RDS keeps; raises SecretError."""
    try:
        values = json.loads(text)
        if not isinstance(values, dict):
            raise TypeError
        login = Login(
            host=_text(values, "host"),
            port=int(values.get("port", 5432)),
            dbname=database_name or _text(values, "dbname"),
            username=_text(values, "username"),
            password=_text(values, "password"),
        )
    except (ValueError, TypeError, KeyError):
        # The error of the parser may quote the secret, so it isn't kept as the cause.
        raise SecretError(
            "read the database's secret: expected a JSON object with host, port, dbname, "
            "username and password, all of them texts but the port; correct the secret"
        ) from None
    if not 1 <= login.port <= 65535:
        raise SecretError("read the database's secret: the port is out of range; correct it")
    return login


def _text(values: dict[str, Any], name: str) -> str:
    value = values[name]
    if not isinstance(value, str) or not value or "\0" in value:
        raise TypeError
    return value


class SecretLogins:
    """The login in the secret. It is kept until the database refuses it, as after a rotation."""

    def __init__(
        self,
        read: Callable[[str], str],
        database_name: str | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._database_name = database_name
        self._clock = clock
        self._lock = threading.Lock()
        self._login: Login | None = None
        self._read_at = 0.0

    def current(self) -> Login:
        """Return the login of the last reading; reads the secret where there was none."""
        with self._lock:
            return self._login or self._renew()

    def renewed(self, refused: Login) -> Login | None:
        """Read the secret again, unless another thread has just done that."""
        with self._lock:
            if self._login is not None and self._login != refused:
                return self._login
            if self._clock() - self._read_at < RENEW_SECONDS:
                return None
            login = self._renew()
            return login if login != refused else None

    def _renew(self) -> Login:
        self._login = parse_login(self._read(CURRENT), self._database_name)
        self._read_at = self._clock()
        return self._login


class TokenLogins:
    """IAM database authentication: a new token of the task role for each connection.

    The secret still says where the database is and as whom to log in. RDS takes a token for
    15 minutes; one is made without a call to AWS, so there's nothing to gain from keeping it.
    """

    def __init__(self, logins: Logins, rds: Any, region: str) -> None:
        self._logins = logins
        self._rds = rds
        self._region = region

    def current(self) -> Login:
        """Return the secret's login with a token for a password."""
        return self._with_token(self._logins.current())

    def renewed(self, refused: Login) -> Login | None:  # noqa: ARG002 (a token tells nothing)
        """Look whether the secret names another database or user than the one that refused."""
        kept = self._logins.current()
        other = self._logins.renewed(kept)
        return self._with_token(other) if other else None

    def _with_token(self, login: Login) -> Login:
        token = self._rds.generate_db_auth_token(
            DBHostname=login.host,
            Port=login.port,
            DBUsername=login.username,
            Region=self._region,
        )
        return replace(login, password=token)
