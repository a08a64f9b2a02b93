"""Asks the server in this container for /health: `python3 -m slipway_app.healthcheck`.

The image has no curl; Python is there anyway.
"""

import http.client
import sys
from typing import Final

PORT: Final = 8080
_SECONDS: Final = 3.0


def check(port: int = PORT) -> str | None:
    """Return None where /health answers 200, else what is wrong."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    try:
        connection.request("GET", "/health")
        status = connection.getresponse().status
    except (OSError, http.client.HTTPException) as error:
        return f"get /health on port {port}: {error!r}"
    finally:
        connection.close()
    return None if status == http.client.OK else f"get /health on port {port}: status {status}"


if __name__ == "__main__":
    sys.exit(check())
