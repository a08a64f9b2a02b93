"""What the live tests share: one instance of the local AWS on a free port, and small conveniences around stacks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from functools import lru_cache
from pathlib import Path

import boto3
import pytest
from botocore.exceptions import ClientError
from hypothesis import settings

from local import engine, images, instance

# A busy machine is no fault of what is tested.
settings.register_profile("no-deadline", deadline=None)
settings.load_profile("no-deadline")

ROOT = Path(__file__).resolve().parents[2]
TAG, COMMIT = "live-test", "0123456789abcdef0123456789abcdef01234567"


class Aws:
    """A running instance, seen from a client."""

    def __init__(self, directory: Path):
        self.directory = directory
        self.client = lru_cache(maxsize=None)(self._client)

    @property
    def endpoint(self) -> str:
        return instance.load(self.directory).endpoint

    def _client(self, service: str):
        return boto3.client(service, endpoint_url=self.endpoint, region_name="eu-west-1",
                            aws_access_key_id="test", aws_secret_access_key="test")

    def command(self, *arguments: str) -> subprocess.CompletedProcess:
        """Runs ``python -m local`` and returns what it did."""
        return subprocess.run([sys.executable, "-m", "local", *arguments], cwd=ROOT, capture_output=True, text=True)

    def command_without_engine(self, *arguments: str) -> subprocess.CompletedProcess:
        """Runs ``python -m local`` where no container engine answers."""
        return subprocess.run([sys.executable, "-m", "local", *arguments], cwd=ROOT, capture_output=True, text=True,
                              env={**os.environ, "DOCKER_HOST": "unix:///nonexistent/docker.sock"})

    def settle(self, stack: str, seconds: float = 240) -> dict | None:
        """Waits until nothing happens to a stack any more; None when it is gone."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            try:
                found = self.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
            except ClientError:
                return None
            if not found["StackStatus"].endswith("IN_PROGRESS"):
                return found
            time.sleep(0.1)
        raise AssertionError(f"{stack} is still busy after {seconds} s")

    def put(self, stack: str, template: dict, kind: str = "create", **more) -> dict:
        """Creates or updates a stack and returns it, whatever came of it."""
        getattr(self.client("cloudformation"), f"{kind}_stack")(
            StackName=stack, TemplateBody=json.dumps(template),
            Capabilities=["CAPABILITY_NAMED_IAM", "CAPABILITY_AUTO_EXPAND"], **more)
        return self.settle(stack)

    def delete(self, stack: str) -> dict | None:
        self.client("cloudformation").delete_stack(StackName=stack)
        return self.settle(stack)

    def reasons(self, stack: str) -> str:
        """Why things failed, from the stack's events."""
        events = self.client("cloudformation").describe_stack_events(StackName=stack)["StackEvents"]
        return "\n".join(f"{e['LogicalResourceId']}: {e.get('ResourceStatusReason', '')}" for e in reversed(events)
                         if e["ResourceStatus"].endswith("FAILED"))

    def outputs(self, stack: dict) -> dict[str, str]:
        return {o["OutputKey"]: o["OutputValue"] for o in stack.get("Outputs", [])}


@pytest.fixture(scope="session")
def aws(tmp_path_factory):
    """A fresh instance; nothing of it is left afterwards."""
    directory = tmp_path_factory.mktemp("aws")
    instance.up(directory, 0)
    yield Aws(directory)
    instance.down(directory, purge=True)


@pytest.fixture(scope="session")
def with_engine():
    """Skips where there is no container engine; with CI=true that is a failure."""
    if engine.find():
        return
    if os.environ.get("CI") == "true":
        pytest.fail("there is no container engine: run `python -m local engine`")
    pytest.skip("LEFT OUT: there is no container engine, so no container was started (`python -m local engine`)")


@pytest.fixture(scope="session")
def pushed(aws):
    """The image of flaskapp, built and in the local ECR; gives its digest."""
    images.build(TAG, COMMIT, ROOT / "flaskapp", "simple-flask-app", print)
    repository = {"Type": "AWS::ECR::Repository", "Properties": {"RepositoryName": "simple-flask-app",
                                                                 "ImageTagMutability": "IMMUTABLE"}}
    missing = aws.command("push", "--tag", TAG, "--dir", str(aws.directory))
    assert missing.returncode == 1 and "slipway-registry" in missing.stderr
    assert aws.put("registry", {"Resources": {"R": repository}})["StackStatus"] == "CREATE_COMPLETE"
    done = aws.command("push", "--tag", TAG, "--dir", str(aws.directory))
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()
