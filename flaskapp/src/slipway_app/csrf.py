"""Against requests that another site makes a visitor's browser send."""

import hmac
import secrets
from typing import Final

from flask import Blueprint, Flask, abort, request, session

FIELD: Final = "csrf_token"
"""The form field with the token."""

_SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS", "TRACE"})


def register(app: Flask) -> None:
    """Refuse changes that a browser says come from another site, on every path."""
    app.before_request(_refuse_other_sites)
    app.jinja_env.globals["csrf_token"] = token


def protect(blueprint: Blueprint) -> None:
    """Ask each form that is sent to the blueprint for the session's token."""
    blueprint.before_request(_check)


def token() -> str:
    """Return the session's token, for a form's hidden field."""
    if FIELD not in session:
        session[FIELD] = secrets.token_urlsafe(32)
    return str(session[FIELD])


def _refuse_other_sites() -> None:
    """Believe browsers, which all send Sec-Fetch-Site; programs don't and aren't asked to."""
    if request.method not in _SAFE and request.headers.get("Sec-Fetch-Site", "same-origin") not in {
        "same-origin",
        "none",
    }:
        abort(403, "Another site asked for this change, so it was refused.")


def _check() -> None:
    if request.method in _SAFE:
        return
    expected = session.get(FIELD)
    sent = request.form.get(FIELD, "")
    if not isinstance(expected, str) or not hmac.compare_digest(
        expected.encode(), sent.encode("utf-8", "replace")
    ):
        abort(403, "The form is too old. Go back, load the page again and send it once more.")
