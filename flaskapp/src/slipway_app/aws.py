"""boto3 clients that give up before the load balancer does."""

from functools import cache
from typing import TYPE_CHECKING, Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

if TYPE_CHECKING:
    from collections.abc import Callable

    from slipway_app.settings import Settings

ERRORS: Final = (BotoCoreError, ClientError)
"""What a call to AWS raises: no answer, or an answer that says no."""

_CONNECT_SECONDS: Final = 3
_READ_SECONDS: Final = 10
_ATTEMPTS: Final = 3


def client(service: str, settings: "Settings") -> Any:
    """Return a client of an AWS service; it's safe to share between threads, and makes no call.

    The login is the task role's, which boto3 finds and renews itself.
    """
    config = Config(
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=_READ_SECONDS,
        retries={"mode": "standard", "total_max_attempts": _ATTEMPTS},
        max_pool_connections=settings.threads + 2,
        # A local AWS has no DNS name for each bucket.
        s3={"addressing_style": "path" if settings.aws_endpoint_url else "virtual"},
    )
    return _session(settings.aws_region).client(service, config=config)


@cache
def _session(region: str | None) -> boto3.session.Session:
    """Return a session, which reads the descriptions of the services once for all clients."""
    return boto3.session.Session(region_name=region)


def secret_reader(secrets: Any, arn: str) -> "Callable[[str], str]":
    """Return a function that reads the secret's version of a stage, such as AWSCURRENT."""

    def read(stage: str) -> str:
        answer = secrets.get_secret_value(SecretId=arn, VersionStage=stage)
        return str(answer["SecretString"])

    return read


def error_code(error: ClientError) -> str:
    """Return the code by which AWS names the error."""
    return str(error.response.get("Error", {}).get("Code", ""))
