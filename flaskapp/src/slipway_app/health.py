"""What the platform asks the application: is the process alive, and which build is it."""

from flask import Blueprint, jsonify
from flask.typing import ResponseReturnValue

from slipway_app import current
from slipway_app.version import VERSION

blueprint = Blueprint("health", __name__)


@blueprint.get("/health")
def health() -> ResponseReturnValue:
    """Say that this process answers requests.

    It looks at nothing else: were it to fail with the database, the load balancer would replace
    every task during an outage that new tasks can't mend.
    """
    return jsonify(status="ok")


@blueprint.get("/version")
def version() -> ResponseReturnValue:
    """Say which commit runs, in which environment."""
    settings = current.settings()
    return jsonify(commit=settings.commit, environment=settings.environment, version=VERSION)
