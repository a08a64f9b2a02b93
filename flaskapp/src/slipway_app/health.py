"""What the platform asks the application: is the process alive, can it work, which build is it."""

import logging

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from slipway_app import aws, container, current, schema
from slipway_app.credentials import SecretError
from slipway_app.database import UNAVAILABLE, Database, ReadOnlyError
from slipway_app.storage import Store
from slipway_app.version import VERSION

blueprint = Blueprint("health", __name__)

_OK = "ok"
_NOT_CONFIGURED = "not configured"
_UNAVAILABLE = (*UNAVAILABLE, ReadOnlyError, *aws.ERRORS, SecretError)

_log = logging.getLogger(__name__)


@blueprint.get("/health")
def health() -> ResponseReturnValue:
    """Say that this process answers requests.

    It looks at nothing else: were it to fail with the database, the load balancer would replace
    every task during an outage that new tasks can't mend.
    """
    return jsonify(status="ok")


@blueprint.get("/ready")
def ready() -> ResponseReturnValue:
    """Say whether the database and the bucket can be used, and which of them can't."""
    services = current.services()
    parts = {"database": _database(services.database), "artifacts": _artifacts(services.store)}
    good = all(state == _OK for state in parts.values())
    answer = jsonify(status="ready" if good else "unavailable", parts=parts)
    answer.status_code = 200 if good else 503
    return answer


@blueprint.get("/version")
def version() -> ResponseReturnValue:
    """Say which commit and image run, in which environment, on which schema."""
    settings = current.settings()
    revision = _revision()
    return jsonify(
        commit=settings.commit,
        database_revision=revision,
        environment=settings.environment,
        expected_database_revision=schema.expected(revision),
        image_digest=container.image_digest(settings.container_metadata),
        version=VERSION,
    )


def _database(database: Database | None) -> str:
    """Return the database's state.

    A schema newer than ours is good: the deployment that is on its way has migrated it.
    """
    if database is None:
        return _NOT_CONFIGURED
    try:
        database.require_writable()
        return _OK if database.revision() else "not migrated"
    except _UNAVAILABLE:
        _log.warning("ask the database whether it can be used", exc_info=True)
        return "unreachable"


def _artifacts(store: Store | None) -> str:
    if store is None:
        return _NOT_CONFIGURED
    try:
        store.probe()
    except aws.ERRORS:
        _log.warning("ask the bucket for a key", exc_info=True)
        return "unreachable"
    return _OK


def _revision() -> str | None:
    database = current.services().database
    try:
        return database.revision() if database else None
    except _UNAVAILABLE:
        _log.warning("ask the database for its revision", exc_info=True)
        return None
