"""Typed settings, read from the environment once and checked as a whole.

Nothing else in the application reads the environment. An empty variable counts as one that is
not set, because container platforms can't always leave a variable out.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
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

_DIGITS: Final = re.compile(r"[0-9]{1,12}")

DEFAULT_LOG_LEVEL: Final = "info"
DEFAULT_MAX_REQUEST_BYTES: Final = 1_048_576
DEFAULT_WORKERS: Final = 2
DEFAULT_THREADS: Final = 8

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
    log_level: str = DEFAULT_LOG_LEVEL
    """The least severe level that is logged."""
    max_request_bytes: int = DEFAULT_MAX_REQUEST_BYTES
    """The largest accepted request body, in bytes."""
    workers: int = DEFAULT_WORKERS
    """Server processes."""
    threads: int = DEFAULT_THREADS
    """Requests that one server process answers at the same time."""

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
            log_level=reader.optional("APP_LOG_LEVEL", _log_level, DEFAULT_LOG_LEVEL),
            max_request_bytes=reader.optional(
                "APP_MAX_REQUEST_BYTES", _integer(1_024, 104_857_600), DEFAULT_MAX_REQUEST_BYTES
            ),
            workers=reader.optional("APP_WORKERS", _integer(1, 32), DEFAULT_WORKERS),
            threads=reader.optional("APP_THREADS", _integer(1, 128), DEFAULT_THREADS),
        )
        if reader.is_set("ARTIFACTS_BUCKET") and not reader.is_set("AWS_REGION"):
            reader.fault("AWS_REGION", "is not set; ARTIFACTS_BUCKET needs the bucket's region")
        if reader.faults:
            raise SettingsError(tuple(reader.faults))
        return settings


class _NotUsableError(Exception):
    """A parser's answer to a value that it can't take; its text says what it takes."""


class _Reader:
    """Reads variables one by one and gathers what is wrong with them."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.faults: list[Fault] = []

    def is_set(self, variable: str) -> bool:
        return bool(self._environ.get(variable))

    def fault(self, variable: str, problem: str) -> None:
        self.faults.append(Fault(variable, problem))

    def required(self, variable: str, parse: Callable[[str], str]) -> str:
        if not self.is_set(variable):
            try:
                parse("")
            except _NotUsableError as expected:
                self.fault(variable, f"is not set; expected {expected}")
        return self.optional(variable, parse, "")

    def optional(self, variable: str, parse: Callable[[str], T], default: D) -> T | D:
        value = self._environ.get(variable)
        if not value:
            return default
        try:
            return parse(value)
        except _NotUsableError as expected:
            shown = value if len(value) <= _SHOWN else value[:_SHOWN] + "…"
            self.fault(variable, f"got {shown!r}; expected {expected}")
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
