"""The local AWS: pinned ministack and moto behind one endpoint, with real containers for ECS tasks.

Run it as ``python -m local <command>`` from the checkout's root; local/README.md describes the commands.
"""
