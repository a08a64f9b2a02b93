"""The JSON API of artifacts. openapi.json describes it; a test compares the two."""

import json
import uuid
from importlib import resources
from typing import Any

from flask import Blueprint, Response, abort, jsonify, request, url_for
from flask.typing import ResponseReturnValue

from slipway_app import artifacts, current
from slipway_app.catalog import MOST, PAGE, NameFault, clean_name
from slipway_app.models import Artifact

blueprint = Blueprint("api", __name__, url_prefix="/api")

_DESCRIPTION = json.loads(
    resources.files("slipway_app").joinpath("openapi.json").read_text(encoding="utf-8")
)


@blueprint.get("/openapi.json")
def description() -> ResponseReturnValue:
    """Describe this API in OpenAPI's form."""
    return jsonify(_DESCRIPTION)


@blueprint.get("/artifacts")
def index() -> ResponseReturnValue:
    """List artifacts, newest first."""
    page = current.catalog().page(artifacts.before_argument(), _limit())
    return jsonify(
        artifacts=[_artifact(found) for found in page.artifacts],
        before=str(page.before) if page.before else None,
    )


@blueprint.post("/artifacts")
def upload() -> ResponseReturnValue:
    """Keep the body as an artifact with the name in the query."""
    catalog = current.catalog()
    if request.mimetype != "application/octet-stream":
        abort(415, "Send the file itself, with the content type application/octet-stream.")
    try:
        name = clean_name(request.args.get("name"))
    except NameFault as fault:
        abort(422, str(fault))
    artifact = catalog.add(name, request.stream)
    answer = jsonify(_artifact(artifact))
    answer.status_code = 201
    answer.location = url_for("api.show", artifact_id=artifact.id)
    return answer


@blueprint.get("/artifacts/<uuid:artifact_id>")
def show(artifact_id: uuid.UUID) -> ResponseReturnValue:
    """Return what is known of the artifact."""
    return jsonify(_artifact(artifacts.find(artifact_id)))


@blueprint.get("/artifacts/<uuid:artifact_id>/content")
def content(artifact_id: uuid.UUID) -> ResponseReturnValue:
    """Send the artifact's content."""
    return artifacts.send(artifacts.find(artifact_id))


@blueprint.delete("/artifacts/<uuid:artifact_id>")
def delete(artifact_id: uuid.UUID) -> ResponseReturnValue:
    """Delete the artifact."""
    if not current.catalog().remove(artifact_id):
        abort(404, "There is no such artifact; perhaps it was deleted.")
    return Response(status=204)


def _limit() -> int:
    text = request.args.get("limit")
    if text is None:
        return PAGE
    if not (text.isascii() and text.isdecimal() and len(text) <= 3 and 1 <= int(text) <= MOST):
        abort(400, f"The query's limit must be a whole number from 1 to {MOST}.")
    return int(text)


def _artifact(artifact: Artifact) -> dict[str, Any]:
    return {
        "id": str(artifact.id),
        "name": artifact.name,
        "size": artifact.size,
        "sha256": artifact.sha256,
        "created_at": artifact.created_at.isoformat(),
        "content": url_for("api.content", artifact_id=artifact.id),
    }
