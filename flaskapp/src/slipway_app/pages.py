"""The pages that people see. They work on a phone and without JavaScript."""

from flask import Blueprint, render_template
from flask.typing import ResponseReturnValue

from slipway_app import current
from slipway_app.version import VERSION

blueprint = Blueprint("pages", __name__)


@blueprint.app_context_processor
def _page_values() -> dict[str, object]:
    """Give each template, error pages too, the settings that it may show."""
    return {"settings": current.settings(), "version": VERSION}


@blueprint.get("/")
def index() -> ResponseReturnValue:
    """Show which commit runs, in which environment, and the way to the artifacts."""
    return render_template("index.html", keeps_artifacts=current.services().catalog is not None)
