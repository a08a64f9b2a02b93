"""Limits on what comes in, and the headers that protect what goes out."""

from typing import Final

from flask import Flask, Response, abort, request

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


def register(app: Flask) -> None:
    """Apply the limits and headers to all requests of the application."""
    app.before_request(_refuse_large_body)
    app.after_request(_protect)


def _refuse_large_body() -> None:
    """Answer 413 before anything is read, also where no view would read the body.

    A body without a declared length is cut off at the same limit as it is read.
    """
    declared, limit = request.content_length, request.max_content_length
    if declared is not None and limit is not None and declared > limit:
        abort(413)


def _protect(response: Response) -> Response:
    for name, value in SECURITY_HEADERS.items():
        response.headers.setdefault(name, value)
    # Browsers ignore the header on plain HTTP (RFC 6797, section 8.1), so it isn't sent there.
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", HSTS)
    if "Cache-Control" not in response.headers:
        response.headers["Cache-Control"] = "no-store"
    return response
