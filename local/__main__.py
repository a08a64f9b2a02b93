"""The commands: ``python -m local <command>``; see local/README.md."""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from pathlib import Path

from . import paths, scans
from .errors import EXIT_NO_ENGINE, EXIT_NOT_RUNNING, LocalError


def _say(message: str) -> None:
    print(message, file=sys.stderr, flush=True)


def _engine(arguments) -> int:
    from . import engine

    if arguments.stop:
        _say("stopped the project's Podman service" if engine.stop_own() else "the project's Podman doesn't run")
        return 0
    found = engine.find() if arguments.check else engine.ensure(_say)
    if not found:
        raise LocalError(f"no container engine answers the Docker API: run `python -m local engine`, or "
                         f"`{engine.install_hint()}`", EXIT_NO_ENGINE)
    for name, value in found.environment().items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def _image(arguments) -> int:
    from . import images

    built = images.build(arguments.tag, arguments.commit, Path(arguments.context), arguments.repository, _say,
                         arguments.target)
    print(built.name)
    return 0


def _test_image(arguments) -> int:
    from . import images

    built = images.build(arguments.tag, arguments.commit, Path(arguments.context), arguments.repository, _say, "test")
    code = images.run_tests(built, _say)
    if code:
        raise LocalError(f"the tests in {built.name} failed (exit code {code})")
    return 0


def _database_image(arguments) -> int:
    import docker

    from . import engine, postgres_images

    client = docker.DockerClient(base_url=engine.ensure(_say).host, timeout=600)
    prefix = os.environ.get("MINISTACK_IMAGE_PREFIX", "").rstrip("/")
    found = postgres_images.find(client, arguments.major, lambda name: f"{prefix}/{name}" if prefix else name, _say)
    _say(f"{found.name}: PostgreSQL {found.major}, {client.images.get(found.name).attrs.get('Size', 0) / 1e6:.0f} MB")
    print(found.name)
    return 0


def _push(arguments) -> int:
    from . import images, instance

    running = instance.require(arguments.dir)
    if arguments.record:
        print(images.record(running, arguments.tag, arguments.repository))
    else:
        print(images.push(running, arguments.tag, arguments.repository, _say))
    return 0


def _finding(arguments) -> int:
    from . import images, instance

    digest = images.digest_of(instance.require(arguments.dir), arguments.tag, arguments.repository)
    scans.record(arguments.dir, digest, arguments.name, arguments.severity)
    print(digest)
    return 0


def _up(arguments) -> int:
    from . import instance

    started = instance.up(arguments.dir, arguments.port, _say)
    _print_environment(arguments.dir, started)
    _say(f"the local AWS is ready at {started.endpoint}"
         + ("" if started.engine else " WITHOUT CONTAINERS: tasks are records only"))
    return 0


def _down(arguments) -> int:
    from . import instance

    ran = instance.down(arguments.dir, arguments.purge)
    _say(("stopped" if ran else "it didn't run") + ("; its containers and state are removed" if arguments.purge
                                                    else "; its state is kept"))
    return 0


def _status(arguments) -> int:
    from . import status

    return status.show(arguments.dir)


def _env(arguments) -> int:
    from . import instance

    known = instance.load(arguments.dir)
    if not known:
        raise LocalError(f"there is no local AWS in {arguments.dir}: start it with `python -m local up`",
                         EXIT_NOT_RUNNING)
    _print_environment(arguments.dir, known)
    return 0


def _guardduty(arguments) -> int:
    from . import guardduty, instance

    print(guardduty.send(instance.require(arguments.dir).endpoint, arguments.file))
    return 0


def _print_environment(directory: Path, known) -> None:
    from . import instance

    for name, value in instance.environment(directory, known.endpoint).items():
        print(f"export {name}={shlex.quote(value)}")


def parser() -> argparse.ArgumentParser:
    """The command line."""
    top = argparse.ArgumentParser(prog="python -m local", description="The local AWS of Slipway.")
    commands = top.add_subparsers(dest="command", required=True)

    def command(name, run, explanation):
        sub = commands.add_parser(name, help=explanation, description=explanation)
        sub.set_defaults(run=run)
        return sub

    def directory(sub):
        sub.add_argument("--dir", type=Path, default=paths.DEFAULT_INSTANCE,
                         help="the instance's directory (default: .local/aws)")

    def repository(sub):
        sub.add_argument("--repository", default="simple-flask-app", help="the ECR repository")

    sub = command("engine", _engine, "Finds or sets up a container engine and prints its environment.")
    sub.add_argument("--check", action="store_true", help="only look; start and install nothing")
    sub.add_argument("--stop", action="store_true", help="stop the project's own Podman service")

    def build(sub):
        sub.add_argument("--tag", required=True)
        sub.add_argument("--commit", required=True, help="the full commit that the image is built from")
        sub.add_argument("--context", "--dockerfile-context", default=str(paths.ROOT / "flaskapp"),
                         help="the folder with the Dockerfile (default: flaskapp)")
        repository(sub)

    sub = command("image", _image, "Builds the app's image and prints its name.")
    sub.add_argument("--target", default="app", help="the stage of the Dockerfile (default: app)")
    build(sub)

    build(command("test-image", _test_image, "Builds the stage test of the Dockerfile and runs the tests in it."))

    sub = command("database-image", _database_image,
                  "Fetches or makes the Postgres image, which the first database would do, and prints its name.")
    sub.add_argument("--major", default="17", help="PostgreSQL's major version (default: 17)")

    sub = command("push", _push, "Puts a built image into the local ECR and prints its digest.")
    sub.add_argument("--tag", required=True)
    sub.add_argument("--record", action="store_true",
                     help="register the tag without an image, where there is no container engine")
    repository(sub)
    directory(sub)

    sub = command("finding", _finding, "Makes the scan of an image in the local ECR find something.")
    sub.add_argument("--tag", required=True)
    sub.add_argument("--name", required=True, help="such as CVE-2026-12345")
    sub.add_argument("--severity", required=True, choices=scans.SEVERITIES)
    repository(sub)
    directory(sub)

    sub = command("up", _up, "Starts the local AWS and prints the environment to export.")
    sub.add_argument("--port", type=int, default=int(os.environ.get("LOCAL_AWS_PORT") or 4566))
    directory(sub)

    sub = command("down", _down, "Stops the local AWS; its state is kept unless --purge.")
    sub.add_argument("--purge", action="store_true", help="also remove its containers, state and logs")
    directory(sub)

    sub = command("guardduty", _guardduty, "Puts a finding of GuardDuty on the bus and prints the event's ID.")
    sub.add_argument("file", type=Path, help="the event as EventBridge delivers it, JSON")
    directory(sub)

    directory(command("status", _status, "Shows what runs, and what is kept as a record only."))
    directory(command("env", _env, "Prints the environment of a started local AWS."))
    return top


def main(argv: list[str] | None = None) -> int:
    """Runs one command and returns its exit code."""
    arguments = parser().parse_args(argv)
    try:
        return arguments.run(arguments)
    except LocalError as failed:
        _say(f"{arguments.command}: {failed}")
        return failed.exit_code
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
