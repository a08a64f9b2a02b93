"""The real application with routes that only tests of the server need."""

import time

from flask import request
from flask.typing import ResponseReturnValue

from slipway_app.wsgi import app
from tests.server import SLOW_SECONDS


@app.get("/slow")
def slow() -> ResponseReturnValue:
    app.logger.warning("slow request started")
    time.sleep(SLOW_SECONDS)
    return "finished"


@app.post("/echo")
def echo() -> ResponseReturnValue:
    return request.get_data()


@app.get("/fails")
def fails() -> ResponseReturnValue:
    raise ZeroDivisionError


__all__ = ["app"]
