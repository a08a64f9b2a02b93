import os
from pathlib import Path

import hypothesis
import pytest
from flask import Flask
from flask.testing import FlaskClient

from slipway_app import create_app
from slipway_app.settings import Settings

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
