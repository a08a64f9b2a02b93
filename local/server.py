"""The launcher: ministack with the project's additions, ``python -m local.server`` (started by ``up``).

ministack's parts that are used here are private, so its version is pinned and checked.
"""

from __future__ import annotations

import os
from importlib.metadata import version

MINISTACK = "1.5.33"


def main() -> None:
    """Registers the additions and serves until SIGTERM, when ministack saves its state."""
    found = version("ministack")
    if found != MINISTACK:
        raise SystemExit(f"local.server is written for ministack {MINISTACK}, found {found}: "
                         "install local/requirements.txt")

    import ministack.app

    from . import codedeploy, databases, front, patches, public_parameters, scaling_actions, types_registry

    patches.apply()
    databases.apply()
    types_registry.register()
    public_parameters.publish()
    ministack.app.app = front.wrap(ministack.app.app, int(os.environ["SLIPWAY_MOTO_PORT"]),
                                      int(os.environ["GATEWAY_PORT"]))
    codedeploy.start()
    scaling_actions.start()
    ministack.app.main()


if __name__ == "__main__":
    main()
