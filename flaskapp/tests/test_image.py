"""What must hold inside the image; run by its test stage, read-only and without capabilities."""

import errno
import importlib.util
import os
import shutil
from pathlib import Path

import pytest

import slipway_app
from slipway_app.settings import Settings
from tests.conftest import IN_IMAGE

pytestmark = pytest.mark.skipif(not IN_IMAGE, reason="only inside the image's test stage")


@pytest.mark.parametrize("module", ["pip", "ensurepip"])
def test_no_installer_is_left(module: str) -> None:
    assert importlib.util.find_spec(module) is None


@pytest.mark.parametrize("tool", ["pip", "pip3", "gcc", "cc", "make", "git", "curl"])
def test_no_build_tool_is_left(tool: str) -> None:
    assert shutil.which(tool) is None


def test_the_process_is_not_root() -> None:
    assert os.getuid() == 10001
    assert os.getgid() == 10001


def test_the_process_has_no_capabilities() -> None:
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    sets = dict(line.split(":\t") for line in status.splitlines() if line.startswith("Cap"))
    assert int(sets["CapEff"], 16) == 0
    assert int(sets["CapBnd"], 16) == 0


def test_the_root_file_system_is_read_only() -> None:
    with pytest.raises(OSError, match="Read-only") as caught:
        Path("/app/written").write_text("x", encoding="utf-8")
    assert caught.value.errno == errno.EROFS


def test_the_bytecode_is_in_the_image() -> None:
    spec = importlib.util.find_spec("slipway_app.factory")
    assert spec is not None
    assert spec.cached is not None
    assert Path(spec.cached).is_file()
    assert Path(slipway_app.__file__).is_relative_to("/app/src")


def test_the_commit_is_baked_in() -> None:
    baked = {"APP_COMMIT": os.environ["APP_COMMIT"], "APP_ENVIRONMENT": "dev"}
    assert Settings.from_environ(baked).commit == os.environ["APP_COMMIT"] != "unknown"
