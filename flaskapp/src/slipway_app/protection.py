"""Limits on what comes in, and the headers that protect what goes out."""

import io
import sys
from collections.abc import Collection
from typing import IO, TYPE_CHECKING, Final

from flask import Flask, Response, abort, request
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

# No scripts at all, nothing from other origins, no frames around the pages.
CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "style-src 'self'",
        "img-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)

SECURITY_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Headers of every response, errors and static files too."""

HSTS: Final = "max-age=63072000"
"""Two years of HTTPS only. It names no subdomains: those belong to whoever owns the domain."""


def register(app: Flask, uploads: Collection[str], max_upload_bytes: int) -> None:
    """Apply the limits and headers to all requests; the endpoints in `uploads` take larger ones."""

    def limit_body() -> None:
        if request.endpoint in uploads:
            request.max_content_length = max_upload_bytes
        _limit_body()

    app.before_request(limit_body)
    app.after_request(_protect)


class BoundedInput(io.RawIOBase):
    """A request body of undeclared length; raises 413 when more than `limit` bytes are read.

    Werkzeug's own limit doesn't do it: its `get_data` gives a chunked body that is too long cut
    to the limit, as if it were whole.
    """

    def __init__(self, stream: IO[bytes], limit: int) -> None:
        super().__init__()
        self._stream = stream
        self._left = limit

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Read some bytes, but at most one past the limit: that one tells of the excess."""
        view = memoryview(buffer).cast("B")
        data = self._stream.read(min(len(view), self._left + 1))
        if len(data) > self._left:
            raise RequestEntityTooLarge
        self._left -= len(data)
        view[: len(data)] = data
        return len(data)


class DeclaredInput(io.RawIOBase):
    """A request body of a declared length; raises 400 when it ends before.

    Werkzeug leaves a body alone whose end the server knows, and gunicorn's just ends where the
    client went away. Half a file would be kept as if it were whole.
    """

    def __init__(self, stream: IO[bytes], length: int) -> None:
        super().__init__()
        self._stream = stream
        self._left = length

    def readable(self) -> bool:
        """Say that it can be read."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Read some bytes."""
        view = memoryview(buffer).cast("B")
        if self._left == 0 or len(view) == 0:
            return 0
        data = self._stream.read(min(len(view), self._left))
        if not data:
            raise ClientDisconnected
        self._left -= len(data)
        view[: len(data)] = data
        return len(data)


def _limit_body() -> None:
    """Answer 413 to a body that is too large, also where no view would read it."""
    declared, limit = request.content_length, request.max_content_length
    if limit is None:
        return
    if declared is not None:
        if declared > limit:
            abort(413)
        request.environ["wsgi.input"] = DeclaredInput(request.environ["wsgi.input"], declared)
    elif request.environ.get("wsgi.input_terminated"):
        request.environ["wsgi.input"] = BoundedInput(request.environ["wsgi.input"], limit)
        # Out of Werkzeug's hands (None would mean the application's default).
        request.max_content_length = sys.maxsize


def _protect(response: Response) -> Response:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    # Browsers ignore the header on plain HTTP (RFC 6797, section 8.1), so it isn't sent there.
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", HSTS)
    if "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
    return response
