"""The settings and services of the application that answers the current request."""

from typing import cast

from flask import abort, current_app

from slipway_app.catalog import Catalog
from slipway_app.services import Services
from slipway_app.settings import Settings

SETTINGS_KEY = "slipway_app.settings"
"""Where the factory keeps the settings in `app.extensions`."""

SERVICES_KEY = "slipway_app.services"
"""Where the factory keeps the services."""


def settings() -> Settings:
    """Return the current application's settings; needs an application context."""
    return cast("Settings", current_app.extensions[SETTINGS_KEY])


def services() -> Services:
    """Return the current application's services; needs an application context."""
    return cast("Services", current_app.extensions[SERVICES_KEY])


def catalog() -> Catalog:
    """Return the catalog of artifacts; answers 503 where there is none."""
    found = services().catalog
    if found is None:
        abort(503, "This environment has no database or no bucket, so it keeps no artifacts.")
    return found
