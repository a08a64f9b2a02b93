"""What the server loads: `gunicorn slipway_app.wsgi:app`.

Only here does the process's logging change; the factory has no effect outside its application.
"""

import os

from slipway_app import logs
from slipway_app.factory import create_app
from slipway_app.settings import Settings

_settings = Settings.from_environ(os.environ)
logs.configure(_settings.log_level)
app = create_app(_settings)
