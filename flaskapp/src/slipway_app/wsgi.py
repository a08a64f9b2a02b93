"""What the server loads: `gunicorn slipway_app.wsgi:app`."""

from slipway_app.factory import create_app

app = create_app()
