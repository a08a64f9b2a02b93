"""The settings of the application that answers the current request."""

from typing import cast

from flask import current_app

from slipway_app.settings import Settings

SETTINGS_KEY = "slipway_app.settings"
"""Where the factory keeps the settings in `app.extensions`."""


def settings() -> Settings:
    """Return the current application's settings; needs an application context."""
    return cast("Settings", current_app.extensions[SETTINGS_KEY])
