"""Errors as pages for people and as problem details (RFC 9457) for programs."""

import json
import logging
from typing import Final

from flask import Flask, render_template, request
from werkzeug.exceptions import HTTPException, InternalServerError, ServiceUnavailable
from werkzeug.wrappers import Response as WerkzeugResponse

from slipway_app import aws
from slipway_app.credentials import SecretError
from slipway_app.database import UNAVAILABLE

PROBLEM_TYPE: Final = "application/problem+json"

# Paths that answer in JSON whatever the client says it prefers.
_JSON_PATHS: Final = frozenset({"/health", "/ready", "/version"})
_JSON_PREFIX: Final = "/api/"

_RETRY_SECONDS: Final = 5

_log = logging.getLogger(__name__)


def register(app: Flask) -> None:
    """Answer all errors of the application in the form that the client wants."""
    app.register_error_handler(HTTPException, _http_error)
    for error in (*UNAVAILABLE, *aws.ERRORS, SecretError):
        app.register_error_handler(error, _unavailable)
    app.register_error_handler(Exception, _unexpected_error)


def _http_error(error: HTTPException) -> WerkzeugResponse:
    # Starting from the exception's own response keeps its headers, such as Allow with 405.
    response = error.get_response()
    if response.status_code < 400:
        return response
    if _wants_json():
        problem = {
            "type": "about:blank",
            "title": error.name,
            "status": response.status_code,
            "detail": error.description,
        }
        response.set_data(json.dumps(problem))
        response.content_type = PROBLEM_TYPE
    else:
        response.set_data(
            render_template(
                "error.html",
                status=response.status_code,
                title=error.name,
                detail=error.description,
            )
        )
        response.content_type = "text/html; charset=utf-8"
    response.vary.add("Accept")
    return response


def _unexpected_error(error: Exception) -> WerkzeugResponse:
    """Log what went wrong; tell the client only that something did."""
    _log.error("answer %s %s: unexpected error", request.method, request.path, exc_info=error)
    return _http_error(InternalServerError())


def _unavailable(error: Exception) -> WerkzeugResponse:
    """Log what couldn't be reached; ask the client to come back."""
    _log.error("answer %s %s: not available", request.method, request.path, exc_info=error)
    return _http_error(
        ServiceUnavailable(
            "The database or the bucket can't be reached. Try again in a moment.",
            retry_after=_RETRY_SECONDS,
        )
    )


def _wants_json() -> bool:
    """Tell whether JSON serves the client better: asked for, or sent, or a JSON path.

    A browser names text/html. A client that takes anything gets the page, as from any web server,
    unless it talks JSON itself.
    """
    if request.path in _JSON_PATHS or request.path.startswith(_JSON_PREFIX):
        return True
    accepts = request.accept_mimetypes
    json_quality = max(accepts["application/json"], accepts[PROBLEM_TYPE])
    html_quality = accepts["text/html"]
    if json_quality == html_quality:
        return request.is_json and json_quality > 0
    return json_quality > html_quality
