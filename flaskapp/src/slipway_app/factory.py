"""The application factory."""

import os

from flask import Flask

from slipway_app import (
    api,
    artifacts,
    csrf,
    errors,
    front,
    health,
    pages,
    protection,
    services,
    sessions,
    telemetry,
)
from slipway_app.current import SERVICES_KEY, SETTINGS_KEY
from slipway_app.settings import Settings


def create_app(settings: Settings | None = None) -> Flask:
    """Return a new application. It connects to nothing before a request needs it.

    Without `settings` the environment is read. Raises SettingsError, listing
    all faults, where the environment is not usable.
    """
    settings = settings or Settings.from_environ(os.environ)
    app = Flask("slipway_app")
    app.extensions[SETTINGS_KEY] = settings
    app.extensions[SERVICES_KEY] = services.connect(settings)
    app.config.update(
        MAX_CONTENT_LENGTH=settings.max_request_bytes,
        SEND_FILE_MAX_AGE_DEFAULT=3600,
    )
    protection.register(app, {"artifacts.upload", "api.upload"}, settings.max_upload_bytes)
    errors.register(app)
    sessions.register(app, settings)
    csrf.register(app)
    app.register_blueprint(health.blueprint)
    app.register_blueprint(pages.blueprint)
    app.register_blueprint(artifacts.blueprint)
    app.register_blueprint(api.blueprint)
    telemetry.register(app, settings)
    app.wsgi_app = front.behind_load_balancer(app.wsgi_app)  # type: ignore[method-assign]
    return app
