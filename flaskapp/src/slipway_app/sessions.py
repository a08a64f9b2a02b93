"""Sessions in cookies, signed with a secret from Secrets Manager."""

import logging
import threading
import time
from collections.abc import Callable
from hashlib import sha256
from typing import Final

from botocore.exceptions import ClientError
from flask import Flask, Request, request
from flask.sessions import SecureCookieSession, SecureCookieSessionInterface
from itsdangerous import URLSafeTimedSerializer

from slipway_app import aws
from slipway_app.credentials import CURRENT, SecretError
from slipway_app.settings import LEAST_SECRET, Settings

PATH: Final = "/artifacts"
"""The pages that have sessions. Others, health checks first of all, need no secret."""

_PREVIOUS: Final = "AWSPREVIOUS"

# A running task signs with a new secret after at most this time. A task that hasn't read it yet
# doesn't take the cookies of one that has; the worst of that is a form that is sent twice.
_KEEP_SECONDS: Final = 300.0

_log = logging.getLogger(__name__)


def register(app: Flask, settings: Settings) -> None:
    """Give the application its sessions."""
    app.config.update(
        SESSION_COOKIE_NAME="slipway",
        SESSION_COOKIE_PATH=PATH,
        SESSION_COOKIE_HTTPONLY=True,
        SESSION_COOKIE_SAMESITE="Strict",
    )
    app.session_interface = SecretSessions(_keys(settings))


def _keys(settings: Settings) -> "Callable[[], list[str]]":
    if settings.session_secret_arn is not None:
        secrets = aws.client("secretsmanager", settings)
        return KeptKeys(aws.secret_reader(secrets, settings.session_secret_arn)).keys
    if settings.session_secret is not None:
        fixed = [settings.session_secret]
        return lambda: fixed
    return list


class KeptKeys:
    """The secret's versions, oldest first, read again when they are old."""

    def __init__(
        self, read: Callable[[str], str], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._read = read
        self._clock = clock
        self._lock = threading.Lock()
        self._keys: list[str] = []
        self._read_at = 0.0

    def keys(self) -> list[str]:
        """Return the keys that may have signed a session; the last one signs new ones."""
        with self._lock:
            if not self._keys:
                self._keys = self._versions()
                self._read_at = self._clock()
            elif self._clock() - self._read_at > _KEEP_SECONDS:
                self._read_at = self._clock()
                try:
                    self._keys = self._versions()
                except aws.ERRORS:
                    _log.warning("read the session secret again: keep the old one", exc_info=True)
            return self._keys

    def _versions(self) -> list[str]:
        return [*self._previous(), _long_enough(self._read(CURRENT))]

    def _previous(self) -> list[str]:
        try:
            return [_long_enough(self._read(_PREVIOUS))]
        except ClientError as error:
            # A secret that was never changed has no previous version.
            if aws.error_code(error) == "ResourceNotFoundException":
                return []
            raise


def _long_enough(secret: str) -> str:
    if len(secret) < LEAST_SECRET:
        raise SecretError(
            f"read the session secret: it has fewer than {LEAST_SECRET} characters; "
            "put a random text of that length in"
        )
    return secret


class SecretSessions(SecureCookieSessionInterface):
    """Flask's signed cookies, with keys that may change while the application runs."""

    digest_method = staticmethod(sha256)

    def __init__(self, keys: Callable[[], list[str]]) -> None:
        self._keys = keys

    def open_session(self, app: Flask, request: Request) -> SecureCookieSession | None:
        """Read the session from the cookie, on paths that have one."""
        if request.path != PATH and not request.path.startswith(PATH + "/"):
            return self.session_class()
        return super().open_session(app, request)

    def get_signing_serializer(self, app: Flask) -> URLSafeTimedSerializer | None:  # noqa: ARG002
        """Return what signs and reads cookies, or None without a secret."""
        keys = self._keys()
        if not keys:
            return None
        return URLSafeTimedSerializer(
            keys,
            salt=self.salt,
            serializer=self.serializer,
            signer_kwargs={
                "key_derivation": self.key_derivation,
                "digest_method": self.digest_method,
            },
        )

    def get_cookie_secure(self, app: Flask) -> bool:  # noqa: ARG002
        """Keep the cookie to HTTPS wherever the client came by HTTPS."""
        return request.is_secure
