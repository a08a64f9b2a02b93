"""The sample application that Slipway deploys, and the example that users replace with theirs."""

from slipway_app.factory import create_app
from slipway_app.version import VERSION

__all__ = ["VERSION", "create_app"]
