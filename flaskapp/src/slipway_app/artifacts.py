"""The pages of artifacts: upload, list, download and delete, all without JavaScript."""

import uuid
from typing import Final
from urllib.parse import quote

from flask import Blueprint, Response, abort, flash, redirect, render_template, request, url_for
from flask.typing import ResponseReturnValue

from slipway_app import csrf, current
from slipway_app.catalog import NameFault, clean_name
from slipway_app.models import Artifact

blueprint = Blueprint("artifacts", __name__, url_prefix="/artifacts")
csrf.protect(blueprint)

FILE: Final = "file"
"""The form field with the file."""


@blueprint.get("")
def index() -> ResponseReturnValue:
    """Show the newest artifacts, or those older than the one that `before` names."""
    page = current.catalog().page(before_argument())
    return render_template("artifacts.html", page=page)


@blueprint.post("")
def upload() -> ResponseReturnValue:
    """Keep the sent file, then show the list."""
    catalog = current.catalog()
    file = request.files.get(FILE)
    try:
        name = clean_name(file.filename if file else None)
    except NameFault as fault:
        abort(422, str(fault))
    if file is None:
        abort(422, "A file with a name is needed.")
    artifact = catalog.add(name, file.stream)
    flash(f"{artifact.name} was uploaded.")
    return redirect(url_for("artifacts.index"), code=303)


@blueprint.get("/<uuid:artifact_id>")
def show(artifact_id: uuid.UUID) -> ResponseReturnValue:
    """Show one artifact."""
    return render_template("artifact.html", artifact=find(artifact_id))


@blueprint.get("/<uuid:artifact_id>/content")
def content(artifact_id: uuid.UUID) -> ResponseReturnValue:
    """Send the artifact's content."""
    return send(find(artifact_id))


@blueprint.post("/<uuid:artifact_id>/delete")
def delete(artifact_id: uuid.UUID) -> ResponseReturnValue:
    """Delete the artifact, then show the list; whoever deleted it, it's gone now."""
    current.catalog().remove(artifact_id)
    flash("The artifact was deleted.")
    return redirect(url_for("artifacts.index"), code=303)


@blueprint.app_template_filter("filesize")
def filesize(size: int) -> str:
    """Return a size in bytes as people read it: 999 bytes, 1.5 kB, 20 MB."""
    if size < 1000:
        return f"{size} byte" if size == 1 else f"{size} bytes"
    units = ["kB", "MB", "GB", "TB"]
    value, unit = size / 1000, units.pop(0)
    # What would be rounded to 1000 belongs to the next unit.
    while value >= 999.5 and units:
        value, unit = value / 1000, units.pop(0)
    return f"{value:.1f} {unit}" if value < 9.95 else f"{value:.0f} {unit}"


def before_argument() -> uuid.UUID | None:
    """Return the id in the query's `before`; answers 400 where it's none."""
    text = request.args.get("before")
    if not text:
        return None
    try:
        return uuid.UUID(text)
    except ValueError:
        abort(400, "The query's before must be the id of an artifact.")


def find(artifact_id: uuid.UUID) -> Artifact:
    """Return the artifact; answers 404 where there is none."""
    artifact = current.catalog().find(artifact_id)
    if artifact is None:
        abort(404, "There is no such artifact; perhaps it was deleted.")
    return artifact


def send(artifact: Artifact) -> Response:
    """Return the answer with the artifact's content.

    It's always a download of bytes: whatever somebody uploaded, no browser shows it as a page of
    this site.
    """
    pieces = current.catalog().content(artifact.id)
    if pieces is None:
        abort(404, "The content of the artifact is gone; delete the artifact.")
    response = Response(pieces, mimetype="application/octet-stream")
    response.content_length = artifact.size
    # RFC 8187's form holds any character, and no name can end the header or begin another value.
    name = quote(artifact.name, safe="")
    response.headers["Content-Disposition"] = f"attachment; filename*=UTF-8''{name}"
    return response
