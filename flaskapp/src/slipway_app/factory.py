"""The application factory."""

import os

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from slipway_app import errors, health, logs, pages, protection
from slipway_app.current import SETTINGS_KEY
from slipway_app.settings import Settings


def create_app(settings: Settings | None = None) -> Flask:
    """Return a new application.

    `settings` is for tests; without it the environment is read. Raises SettingsError, listing
    all faults, where the environment is not usable.
    """
    settings = settings or Settings.from_environ(os.environ)
    logs.configure(settings.log_level)
    app = Flask(__name__)
    app.extensions[SETTINGS_KEY] = settings
    app.config.update(
        MAX_CONTENT_LENGTH=settings.max_request_bytes,
        SEND_FILE_MAX_AGE_DEFAULT=3600,
    )
    protection.register(app)
    errors.register(app)
    app.register_blueprint(health.blueprint)
    app.register_blueprint(pages.blueprint)
    # Exactly one load balancer stands in front. It appends the client's address to
    # X-Forwarded-For and overwrites X-Forwarded-Proto, so the last hop is the only one to
    # believe. It passes X-Forwarded-Host and -Prefix through as the client sent them.
    app.wsgi_app = ProxyFix(  # type: ignore[method-assign]
        app.wsgi_app, x_for=1, x_proto=1, x_host=0, x_port=0, x_prefix=0
    )
    return app
