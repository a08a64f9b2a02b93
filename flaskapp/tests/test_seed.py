import subprocess
import sys

import pytest
from flask import Flask
from flask.testing import FlaskClient

from slipway_app import migrate, seed
from slipway_app.catalog import clean_name
from slipway_app.current import SERVICES_KEY
from tests import services as local
from tests.conftest import ROOT
from tests.server import environment

SEED = [sys.executable, "-m", "slipway_app.seed"]
SECONDS = 60


def start(services: local.Services, **changes: str) -> "subprocess.Popen[str]":
    environ = environment({**services.environ, **changes})
    return subprocess.Popen(  # noqa: S603
        SEED, cwd=ROOT, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def finish(process: "subprocess.Popen[str]") -> int:
    process.communicate(timeout=SECONDS)
    return process.returncode


def listed(client: FlaskClient) -> list[str]:
    return [a["name"] for a in client.get("/api/artifacts").get_json()["artifacts"]]


def test_an_empty_application_gets_the_samples_once(
    services: local.Services, live: FlaskClient
) -> None:
    # Two tasks that start together, then one more.
    assert [finish(p) for p in [start(services), start(services)]] == [migrate.OK] * 2
    assert finish(start(services)) == migrate.OK
    assert listed(live) == list(seed.SAMPLES)
    shown = live.get("/api/artifacts").get_json()["artifacts"]
    contents = [live.get(f"/api/artifacts/{a['id']}/content").data for a in shown]
    assert contents == list(seed.SAMPLES.values())


def test_what_is_there_stays_alone(services: local.Services, live: FlaskClient) -> None:
    sent = live.post(
        "/api/artifacts?name=own.txt", data=b"1", content_type="application/octet-stream"
    )
    assert sent.status_code == 201
    assert finish(start(services)) == migrate.OK
    assert listed(live) == ["own.txt"]


def test_the_samples_names_are_clean() -> None:
    assert [clean_name(name) for name in seed.SAMPLES] == list(seed.SAMPLES)


def test_an_error_in_the_middle_is_raised_and_gives_the_lock_back(
    live_app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    connected = live_app.extensions[SERVICES_KEY]
    with monkeypatch.context() as broken:
        broken.setattr(connected.store, "put", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            seed.seed(connected.database, connected.catalog)
    assert seed.seed(connected.database, connected.catalog) == len(seed.SAMPLES)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"APP_ENVIRONMENT": "Dev"}, migrate.MISCONFIGURED),
        ({"DATABASE_SECRET_ARN": ""}, migrate.MISCONFIGURED),
        ({"ARTIFACTS_BUCKET": ""}, migrate.MISCONFIGURED),
        ({"DATABASE_NAME": "nowhere"}, migrate.UNREACHABLE),
        ({"ARTIFACTS_BUCKET": "nowhere-at-all"}, migrate.UNREACHABLE),
    ],
)
@pytest.mark.usefixtures("live_app")
def test_a_task_that_cannot_seed_says_why(
    services: local.Services, changes: dict[str, str], code: int
) -> None:
    assert finish(start(services, **changes)) == code
