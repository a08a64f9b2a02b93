"""Typed settings, read from the environment once and checked as a whole.

Nothing else in the application reads the environment. An empty variable counts as one that is
not set, because container platforms can't always leave a variable out.
"""

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, NamedTuple, TypeVar

T = TypeVar("T")
D = TypeVar("D")

UNKNOWN_COMMIT: Final = "unknown"
"""The commit of an image that was built without the build argument GIT_COMMIT."""

LOG_LEVELS: Final = ("debug", "info", "warning", "error")

# A stage name or the slug of a QA environment. It becomes a label of a host name, so it is one.
_ENVIRONMENT: Final = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?")

# git's abbreviated or full SHA-1, or full SHA-256; "-dirty" marks a local build with changes.
_COMMIT: Final = re.compile(r"[0-9a-f]{7,64}(?:-dirty)?")

# The shape that all AWS regions share: eu-west-1, us-gov-east-1, ap-southeast-5.
_REGION: Final = re.compile(r"[a-z]{2,3}(?:-[a-z]{2,12}){1,3}-[0-9]{1,2}")

# The S3 User Guide, "General purpose bucket naming rules": 3 to 63 of these characters, beginning
# and ending with a letter or digit, no two dots together, not formatted as an IP address.
_BUCKET: Final = re.compile(r"(?!.*\.\.)(?!(?:[0-9]+\.){3}[0-9]+$)[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")

# The S3 User Guide, "Safe characters" of object keys, in folders: each ends with a slash.
_PREFIX: Final = re.compile(r"(?=.{1,256}$)(?:[A-Za-z0-9!_.*'()-]+/)+")

# The ARN of a secret; the API reference of CreateSecret says which characters a name has.
_SECRET_ARN: Final = re.compile(
    r"arn:aws[a-z-]*:secretsmanager:[a-z0-9-]+:[0-9]{12}:secret:[A-Za-z0-9/_+=.@-]{1,519}"
)

# Postgres cuts names at 63 bytes without an error, so longer ones are refused here.
_DATABASE: Final = re.compile(r"(?!pg_)[a-z_][a-z0-9_-]{0,62}")

_ENDPOINT: Final = re.compile(r"https?://[A-Za-z0-9.:\[\]_-]+(?:/[A-Za-z0-9._~/-]*)?")

_DIGITS: Final = re.compile(r"[0-9]{1,12}")

DEFAULT_LOG_LEVEL: Final = "info"
DEFAULT_MAX_REQUEST_BYTES: Final = 1_048_576
DEFAULT_MAX_UPLOAD_BYTES: Final = 16_000_000
DEFAULT_WORKERS: Final = 2
DEFAULT_THREADS: Final = 8

DATABASE_AUTHS: Final = ("password", "iam")
METRICS_EXPORTERS: Final = ("otlp", "none")

RDS_BUNDLE: Final = str(Path(__file__).parent / "certificates" / "rds-bundle.pem")
"""Amazon RDS's root certificates, which the image holds."""

LEAST_SECRET: Final = 32
"""The fewest characters of a secret that signs sessions."""

# A value in a message is cut here: a pasted file doesn't belong in a log line.
_SHOWN: Final = 80


class Fault(NamedTuple):
    """One thing that is wrong with the environment."""

    variable: str
    problem: str

    def __str__(self) -> str:
        """Return the fault as one line for a person."""
        return f"{self.variable}: {self.problem}"


class SettingsError(Exception):
    """The environment is not usable; `faults` lists everything that is wrong with it."""

    def __init__(self, faults: tuple[Fault, ...]) -> None:
        self.faults = faults
        lines = "".join(f"\n  {fault}" for fault in faults)
        super().__init__(
            f"read settings: {len(faults)} fault(s) in the environment variables; "
            f"correct them in the task definition and deploy again:{lines}"
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings:
    """Everything that the environment decides. README.md has a row for each field."""

    environment: str
    """Stage name, or the slug of a QA environment."""
    commit: str = UNKNOWN_COMMIT
    """The git commit that the image was built from."""
    aws_region: str | None = None
    """The region of the AWS services that the application calls."""
    artifacts_bucket: str | None = None
    """The bucket for artifacts; without it the application keeps none."""
    artifacts_prefix: str = ""
    """What the keys of this environment's artifacts begin with; ends with a slash unless empty."""
    aws_endpoint_url: str | None = None
    """Where a local AWS answers instead of the real one. boto3 reads the variable itself."""
    database_secret_arn: str | None = None
    """The secret with the database's address and login; without it there is no database."""
    database_name: str | None = None
    """The database to use in place of the secret's."""
    database_auth: str = "password"
    """How to log in: with the secret's password, or with tokens of the task role."""
    database_ca_file: str = RDS_BUNDLE
    """The root certificates that the database's certificate must come from."""
    session_secret_arn: str | None = None
    """The secret that signs sessions."""
    session_secret: str | None = field(default=None, repr=False)
    """The secret itself, where there is no Secrets Manager."""
    log_level: str = DEFAULT_LOG_LEVEL
    """The least severe level that is logged."""
    max_request_bytes: int = DEFAULT_MAX_REQUEST_BYTES
    """The largest accepted request body, in bytes, but for uploads."""
    max_upload_bytes: int = DEFAULT_MAX_UPLOAD_BYTES
    """The largest accepted upload, in bytes, with what surrounds the file in a form."""
    workers: int = DEFAULT_WORKERS
    """Server processes."""
    threads: int = DEFAULT_THREADS
    """Requests that one server process answers at the same time."""
    otlp_endpoint: str | None = None
    """The OpenTelemetry collector that takes traces and metrics; without it none are made."""
    otlp_metrics: bool = True
    """Whether the collector takes metrics too."""
    container_metadata: str | None = None
    """Where ECS tells this container about itself."""

    @classmethod
    def from_environ(cls, environ: Mapping[str, str]) -> "Settings":
        """Read the settings from environment variables.

        Raises SettingsError with all faults, not only the first.
        """
        reader = _Reader(environ)
        settings = cls(
            environment=reader.required("APP_ENVIRONMENT", _environment),
            commit=reader.optional("APP_COMMIT", _commit, UNKNOWN_COMMIT),
            aws_region=reader.optional("AWS_REGION", _region, None),
            artifacts_bucket=reader.optional("ARTIFACTS_BUCKET", _bucket, None),
            artifacts_prefix=reader.optional("ARTIFACTS_PREFIX", _prefix, ""),
            aws_endpoint_url=reader.optional("AWS_ENDPOINT_URL", _endpoint, None),
            database_secret_arn=reader.optional("DATABASE_SECRET_ARN", _secret_arn, None),
            database_name=reader.optional("DATABASE_NAME", _database, None),
            database_auth=reader.optional("DATABASE_AUTH", _database_auth, "password"),
            database_ca_file=reader.optional("DATABASE_CA_FILE", _file, RDS_BUNDLE),
            session_secret_arn=reader.optional("SESSION_SECRET_ARN", _secret_arn, None),
            session_secret=reader.optional("SESSION_SECRET", _session_secret, None, hide=True),
            log_level=reader.optional("APP_LOG_LEVEL", _log_level, DEFAULT_LOG_LEVEL),
            max_request_bytes=reader.optional(
                "APP_MAX_REQUEST_BYTES", _integer(1_024, 104_857_600), DEFAULT_MAX_REQUEST_BYTES
            ),
            max_upload_bytes=reader.optional(
                "APP_MAX_UPLOAD_BYTES", _integer(1_024, 1_073_741_824), DEFAULT_MAX_UPLOAD_BYTES
            ),
            workers=reader.optional("APP_WORKERS", _integer(1, 32), DEFAULT_WORKERS),
            threads=reader.optional("APP_THREADS", _integer(1, 128), DEFAULT_THREADS),
            otlp_endpoint=reader.optional("OTEL_EXPORTER_OTLP_ENDPOINT", _endpoint, None),
            otlp_metrics=reader.optional("OTEL_METRICS_EXPORTER", _metrics_exporter, True),
            container_metadata=reader.optional("ECS_CONTAINER_METADATA_URI_V4", _endpoint, None),
        )
        _together(reader)
        if reader.faults:
            raise SettingsError(tuple(reader.faults))
        return settings


def _together(reader: "_Reader") -> None:
    """Report what is missing beside what is set, and beside what this report asks for."""
    secret = reader.is_set("DATABASE_SECRET_ARN")
    iam = reader.environ.get("DATABASE_AUTH") == "iam"
    if not reader.is_set("AWS_REGION"):
        if reader.is_set("ARTIFACTS_BUCKET"):
            reader.fault("AWS_REGION", "is not set; ARTIFACTS_BUCKET needs the bucket's region")
        elif secret or iam or reader.is_set("SESSION_SECRET_ARN"):
            reader.fault("AWS_REGION", "is not set; the secrets need their region")
    if iam and not secret:
        reader.fault("DATABASE_SECRET_ARN", "is not set; DATABASE_AUTH=iam needs the address")
    signed = reader.is_set("SESSION_SECRET_ARN") or reader.is_set("SESSION_SECRET")
    if (secret or iam) and reader.is_set("ARTIFACTS_BUCKET") and not signed:
        reader.fault(
            "SESSION_SECRET_ARN",
            "is not set; forms need a secret that signs sessions (in development SESSION_SECRET)",
        )


class _NotUsableError(Exception):
    """A parser's answer to a value that it can't take; its text says what it takes."""


class _Reader:
    """Reads variables one by one and gathers what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self.environ = environ
        self.faults: list[Fault] = []

    def is_set(self, variable: str) -> bool:
        return bool(self.environ.get(variable))

    def fault(self, variable: str, problem: str) -> None:
        self.faults.append(Fault(variable, problem))

    def required(self, variable: str, parse: Callable[[str], str]) -> str:
        if not self.is_set(variable):
            try:
                parse("")
            except _NotUsableError as expected:
                self.fault(variable, f"is not set; expected {expected}")
        return self.optional(variable, parse, "")

    def optional(
        self, variable: str, parse: Callable[[str], T], default: D, *, hide: bool = False
    ) -> T | D:
        """Parse the variable; a fault of one to `hide` doesn't show its value."""
        value = self.environ.get(variable)
        if not value:
            return default
        try:
            return parse(value)
        except _NotUsableError as expected:
            shown = repr(value if len(value) <= _SHOWN else value[:_SHOWN] + "…")
            self.fault(variable, f"got {'a bad one' if hide else shown}; expected {expected}")
            return default


def _matching(pattern: re.Pattern[str], expected: str) -> Callable[[str], str]:
    def parse(value: str) -> str:
        if pattern.fullmatch(value) is None:
            raise _NotUsableError(expected)
        return value

    return parse


def _integer(least: int, most: int) -> Callable[[str], int]:
    def parse(value: str) -> int:
        # int() alone would also take "1_000", " 5 " and digits of other scripts.
        number = int(value) if _DIGITS.fullmatch(value) else None
        if number is None or not least <= number <= most:
            raise _NotUsableError(f"a whole number from {least} to {most}")
        return number

    return parse


def _log_level(value: str) -> str:
    level = value.lower()
    if level not in LOG_LEVELS:
        raise _NotUsableError("one of " + ", ".join(LOG_LEVELS))
    return level


_environment = _matching(
    _ENVIRONMENT,
    "a stage name or QA slug: 1 to 63 lower-case letters, digits and inner hyphens",
)


def _commit(value: str) -> str:
    if value == UNKNOWN_COMMIT:
        return value
    return _git_commit(value)


_git_commit = _matching(
    _COMMIT, f"a git commit: 7 to 64 hexadecimal digits, perhaps with -dirty, or {UNKNOWN_COMMIT}"
)
_region = _matching(_REGION, "an AWS region such as eu-west-1")
_bucket = _matching(
    _BUCKET, "an S3 bucket name: 3 to 63 lower-case letters, digits, dots and hyphens"
)
_prefix = _matching(
    _PREFIX, "folders that each end with a slash, such as qa/fix-login/, of up to 256 characters"
)
_secret_arn = _matching(_SECRET_ARN, "the ARN of a secret in Secrets Manager")
_database = _matching(
    _DATABASE,
    "a database name: 1 to 63 lower-case letters, digits, underscores and hyphens, no pg_ in front",
)
_endpoint = _matching(_ENDPOINT, "an http or https address without a login or a query")


def _database_auth(value: str) -> str:
    if value not in DATABASE_AUTHS:
        raise _NotUsableError("one of " + ", ".join(DATABASE_AUTHS))
    return value


def _file(value: str) -> str:
    if not os.access(value, os.R_OK) or not Path(value).is_file():
        raise _NotUsableError("a file that can be read")
    return value


def _metrics_exporter(value: str) -> bool:
    """Read the variable of OpenTelemetry's specification, which knows more values than these."""
    if value not in METRICS_EXPORTERS:
        raise _NotUsableError("one of " + ", ".join(METRICS_EXPORTERS))
    return value == "otlp"


def _session_secret(value: str) -> str:
    if len(value) < LEAST_SECRET:
        raise _NotUsableError(f"at least {LEAST_SECRET} characters")
    return value
