"""Promises of the files that build the image; they are not in the image itself."""

import re

import pytest

from tests.conftest import IN_IMAGE, ROOT

pytestmark = pytest.mark.skipif(IN_IMAGE, reason="the image doesn't hold the files that build it")

LOCKS = ["requirements.txt", "requirements-test.txt", "requirements-dev.txt"]


def locked(name: str) -> dict[str, str]:
    """Return each package of a lock file and its version; every one must have a hash."""
    text = (ROOT / name).read_text(encoding="utf-8").replace("\\\n", " ")
    packages = {}
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        entry = re.fullmatch(
            r"([a-z0-9-]+)==(\S+)(?: ; \S+ == \S+)?((?:\s+--hash=sha256:[0-9a-f]{64})+)\s*",
            line,
        )
        assert entry is not None, line
        packages[entry[1]] = entry[2]
    return packages


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_file_pins_all_with_hashes_and_names_no_index(name: str) -> None:
    assert locked(name)
    text = (ROOT / name).read_text(encoding="utf-8")
    assert "://" not in text
    assert not re.search(r"--(index-url|extra-index-url|find-links|trusted-host)", text)


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_file_has_what_its_source_asks_for(name: str) -> None:
    source = (ROOT / name.replace(".txt", ".in")).read_text(encoding="utf-8")
    wanted = dict(
        # Without extras and markers.
        re.sub(r"\[[^]]*\]| ;.*", "", line).split("==")
        for line in source.splitlines()
        if line and not line.startswith(("#", "-"))
    )
    assert wanted
    assert wanted.items() <= locked(name).items()


def test_the_lock_files_agree() -> None:
    everything = locked("requirements-dev.txt").items()
    assert locked("requirements.txt").items() <= everything
    assert locked("requirements-test.txt").items() <= everything


def dockerfile() -> list[str]:
    """Return the Dockerfile's instructions, each on one line."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    text = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    return [line for line in text.replace("\\\n", " ").splitlines() if line.strip()]


def test_the_base_image_is_pinned_by_digest() -> None:
    [default] = [line for line in dockerfile() if line.startswith("ARG BASE_IMAGE=")]
    assert re.fullmatch(
        r"ARG BASE_IMAGE=docker\.io/library/python:3\.13\.\d+-slim-trixie@sha256:[0-9a-f]{64}",
        default,
    )
    stages = [line.split()[1] for line in dockerfile() if line.startswith("FROM ")]
    assert set(stages) == {"${BASE_IMAGE}", "build", "app"}


def test_a_build_without_a_target_gives_the_application() -> None:
    assert [line for line in dockerfile() if line.startswith("FROM ")][-1] == "FROM app"


def test_the_server_is_started_without_a_shell() -> None:
    commands = [line for line in dockerfile() if line.startswith(("CMD ", "ENTRYPOINT "))]
    assert commands
    assert all(re.match(r'(CMD|ENTRYPOINT) \["', line) for line in commands)


def test_packages_are_installed_only_with_hashes_and_only_as_wheels() -> None:
    installs = [line for line in dockerfile() if "pip install" in line]
    assert len(installs) == 2
    for line in installs:
        assert "--require-hashes" in line
        assert "--only-binary :all:" in line
