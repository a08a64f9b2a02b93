import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import hypothesis
import pytest
from flask import Flask
from flask.testing import FlaskClient

from slipway_app import create_app, migrate
from slipway_app import services as app_services
from slipway_app.current import SERVICES_KEY
from slipway_app.settings import Settings
from tests import services as local

COMMIT = "4b825dc642cb6eb9a060e54bf8d69288fbee4904"

# No deadline: the machine may be busy with other tests. No database: the image is read-only.
hypothesis.settings.register_profile("slipway", deadline=None, database=None)
hypothesis.settings.load_profile("slipway")

# Where tests of files find them: the checkout, or /test in the image's test stage.
ROOT = Path(__file__).resolve().parent.parent

IN_IMAGE = os.environ.get("SLIPWAY_TEST_IMAGE") == "1"


@pytest.fixture(scope="session")
def settings() -> Settings:
    return Settings(environment="qa-fix-login", commit=COMMIT, aws_region="eu-west-1")


@pytest.fixture
def app(settings: Settings) -> Flask:
    """A fresh application, to which a test may add routes."""
    return create_app(settings)


@pytest.fixture
def client(app: Flask) -> FlaskClient:
    return app.test_client()


@pytest.fixture(scope="session")
def services() -> Iterator[local.Services]:
    """A Postgres and a local AWS, for all tests that need them; the schema is there."""
    with local.running() as running, pytest.MonkeyPatch.context() as patch:
        for name, value in running.aws.environ.items():
            patch.setenv(name, value)
        database = app_services.database(Settings.from_environ(running.environ), 1)
        assert database is not None
        migrate.upgrade(database)
        database.close()
        yield running


@pytest.fixture(scope="session")
def configured(services: local.Services) -> Settings:
    """Settings with a database and a bucket."""
    return Settings.from_environ({**services.environ, "APP_COMMIT": COMMIT})


@contextmanager
def open_app(settings: Settings) -> Iterator[Flask]:
    """Make an application, and close its connections afterwards."""
    app = create_app(settings)
    try:
        yield app
    finally:
        app.extensions[SERVICES_KEY].close()


@pytest.fixture
def live_app(services: local.Services, configured: Settings) -> Iterator[Flask]:
    """An application with a database and a bucket, both empty."""
    services.postgres.execute("TRUNCATE artifacts", local.DATABASE)
    for key in services.keys():  # noqa: SIM118 (it is no dictionary)
        services.aws.s3.delete_object(Bucket=local.BUCKET, Key=key)
    with open_app(configured) as app:
        yield app


@pytest.fixture
def live(live_app: Flask) -> FlaskClient:
    return live_app.test_client()
