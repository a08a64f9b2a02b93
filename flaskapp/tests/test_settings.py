import string
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway_app.settings import LOG_LEVELS, Settings, SettingsError

GOOD = {"APP_ENVIRONMENT": "dev"}

SECRET_ARN = "arn:aws:secretsmanager:eu-west-1:123456789012:secret:prod/database-AbCdEf"

# Each row: what is wrong -> (the environment's difference from a good one, the faulty variables).
FAULTS: dict[str, tuple[dict[str, str], list[str]]] = {
    "no environment name": ({"APP_ENVIRONMENT": ""}, ["APP_ENVIRONMENT"]),
    "an environment in capitals": ({"APP_ENVIRONMENT": "Dev"}, ["APP_ENVIRONMENT"]),
    "an environment ending in a hyphen": ({"APP_ENVIRONMENT": "qa-"}, ["APP_ENVIRONMENT"]),
    "an environment with a dot": ({"APP_ENVIRONMENT": "a.b"}, ["APP_ENVIRONMENT"]),
    "an environment of 64 letters": ({"APP_ENVIRONMENT": "a" * 64}, ["APP_ENVIRONMENT"]),
    "an environment and a line end": ({"APP_ENVIRONMENT": "dev\n"}, ["APP_ENVIRONMENT"]),
    "markup for an environment": ({"APP_ENVIRONMENT": "<b>"}, ["APP_ENVIRONMENT"]),
    "a branch name for a commit": ({"APP_COMMIT": "main"}, ["APP_COMMIT"]),
    "a commit of 6 digits": ({"APP_COMMIT": "abc123"}, ["APP_COMMIT"]),
    "a commit of 65 digits": ({"APP_COMMIT": "a" * 65}, ["APP_COMMIT"]),
    "a commit in capitals": ({"APP_COMMIT": "ABCDEF0"}, ["APP_COMMIT"]),
    "a zone for a region": ({"AWS_REGION": "eu-west-1a"}, ["AWS_REGION"]),
    "a word for a region": ({"AWS_REGION": "ireland"}, ["AWS_REGION"]),
    "a bucket without a region": ({"ARTIFACTS_BUCKET": "artifacts"}, ["AWS_REGION"]),
    "a bucket in capitals": (
        {"ARTIFACTS_BUCKET": "Artifacts", "AWS_REGION": "eu-west-1"},
        ["ARTIFACTS_BUCKET"],
    ),
    "a bucket that looks like an address": (
        {"ARTIFACTS_BUCKET": "192.168.5.4", "AWS_REGION": "eu-west-1"},
        ["ARTIFACTS_BUCKET"],
    ),
    "a bucket with two dots together": (
        {"ARTIFACTS_BUCKET": "a..b", "AWS_REGION": "eu-west-1"},
        ["ARTIFACTS_BUCKET"],
    ),
    "a bucket of 2 letters": (
        {"ARTIFACTS_BUCKET": "ab", "AWS_REGION": "eu-west-1"},
        ["ARTIFACTS_BUCKET"],
    ),
    "an unknown log level": ({"APP_LOG_LEVEL": "verbose"}, ["APP_LOG_LEVEL"]),
    "a number as a log level": ({"APP_LOG_LEVEL": "10"}, ["APP_LOG_LEVEL"]),
    "a size with a unit": ({"APP_MAX_REQUEST_BYTES": "1MB"}, ["APP_MAX_REQUEST_BYTES"]),
    "a size below the least": ({"APP_MAX_REQUEST_BYTES": "1023"}, ["APP_MAX_REQUEST_BYTES"]),
    "a size above the most": ({"APP_MAX_REQUEST_BYTES": "104857601"}, ["APP_MAX_REQUEST_BYTES"]),
    "no workers": ({"APP_WORKERS": "0"}, ["APP_WORKERS"]),
    "33 workers": ({"APP_WORKERS": "33"}, ["APP_WORKERS"]),
    "a fraction of a worker": ({"APP_WORKERS": "1.5"}, ["APP_WORKERS"]),
    "negative threads": ({"APP_THREADS": "-4"}, ["APP_THREADS"]),
    "threads in Arabic digits": ({"APP_THREADS": "٤"}, ["APP_THREADS"]),
    "threads as Python writes numbers": ({"APP_THREADS": "1_0"}, ["APP_THREADS"]),
    "a prefix without a slash at its end": ({"ARTIFACTS_PREFIX": "qa/fix"}, ["ARTIFACTS_PREFIX"]),
    "a prefix that begins with a slash": ({"ARTIFACTS_PREFIX": "/qa/"}, ["ARTIFACTS_PREFIX"]),
    "a name for a secret": (
        {"DATABASE_SECRET_ARN": "database", "AWS_REGION": "eu-west-1"},
        ["DATABASE_SECRET_ARN"],
    ),
    "a secret without a region": ({"DATABASE_SECRET_ARN": SECRET_ARN}, ["AWS_REGION"]),
    "a session secret without a region": ({"SESSION_SECRET_ARN": SECRET_ARN}, ["AWS_REGION"]),
    "a database name that Postgres would cut": ({"DATABASE_NAME": "a" * 64}, ["DATABASE_NAME"]),
    "a database name of Postgres itself": ({"DATABASE_NAME": "pg_catalog"}, ["DATABASE_NAME"]),
    "an unknown way to log in": ({"DATABASE_AUTH": "kerberos"}, ["DATABASE_AUTH"]),
    "IAM without a database": ({"DATABASE_AUTH": "iam"}, ["AWS_REGION", "DATABASE_SECRET_ARN"]),
    "IAM without a database, in a Region": (
        {"DATABASE_AUTH": "iam", "AWS_REGION": "eu-west-1"},
        ["DATABASE_SECRET_ARN"],
    ),
    "certificates that aren't there": ({"DATABASE_CA_FILE": "/none.pem"}, ["DATABASE_CA_FILE"]),
    "a folder of certificates": ({"DATABASE_CA_FILE": "/tmp"}, ["DATABASE_CA_FILE"]),  # noqa: S108
    "a short session secret": ({"SESSION_SECRET": "s" * 31}, ["SESSION_SECRET"]),
    "artifacts without a session secret": (
        {
            "ARTIFACTS_BUCKET": "artifacts",
            "AWS_REGION": "eu-west-1",
            "DATABASE_SECRET_ARN": SECRET_ARN,
        },
        ["SESSION_SECRET_ARN"],
    ),
    "an upload size above the most": (
        {"APP_MAX_UPLOAD_BYTES": "1073741825"},
        ["APP_MAX_UPLOAD_BYTES"],
    ),
    "a collector without a scheme": (
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "localhost:4318"},
        ["OTEL_EXPORTER_OTLP_ENDPOINT"],
    ),
    "a collector with a login": (
        {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://me:hunter2@localhost:4318"},
        ["OTEL_EXPORTER_OTLP_ENDPOINT"],
    ),
    "metrics for something else than a collector": (
        {"OTEL_METRICS_EXPORTER": "prometheus"},
        ["OTEL_METRICS_EXPORTER"],
    ),
    "everything wrong at once": (
        {
            "APP_ENVIRONMENT": "",
            "APP_COMMIT": "?",
            "AWS_REGION": "?",
            "ARTIFACTS_BUCKET": "?",
            "APP_LOG_LEVEL": "?",
            "APP_MAX_REQUEST_BYTES": "?",
            "APP_WORKERS": "?",
            "APP_THREADS": "?",
        },
        [
            "APP_ENVIRONMENT",
            "APP_COMMIT",
            "AWS_REGION",
            "ARTIFACTS_BUCKET",
            "APP_LOG_LEVEL",
            "APP_MAX_REQUEST_BYTES",
            "APP_WORKERS",
            "APP_THREADS",
        ],
    ),
}


def faults_of(environ: Mapping[str, str]) -> SettingsError:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environ(environ)
    return caught.value


@pytest.mark.parametrize("sentence", FAULTS)
def test_reports_every_fault_at_once(sentence: str) -> None:
    difference, variables = FAULTS[sentence]
    error = faults_of({**GOOD, **difference})
    assert [fault.variable for fault in error.faults] == variables
    for fault in error.faults:
        assert str(fault) in str(error)


def test_a_fault_says_what_was_got_and_what_is_expected() -> None:
    [fault] = faults_of({**GOOD, "APP_WORKERS": "many"}).faults
    assert fault.problem == "got 'many'; expected a whole number from 1 to 32"


def test_a_long_value_is_cut_in_the_message() -> None:
    [fault] = faults_of({**GOOD, "APP_LOG_LEVEL": "x" * 5000}).faults
    assert len(fault.problem) < 200


def test_a_secret_is_not_shown_in_a_fault_nor_in_the_settings() -> None:
    [fault] = faults_of({**GOOD, "SESSION_SECRET": "hunter2"}).faults
    assert "hunter2" not in fault.problem
    settings = Settings.from_environ({**GOOD, "SESSION_SECRET": "hunter2" * 8})
    assert settings.session_secret == "hunter2" * 8
    assert "hunter2" not in repr(settings)


def test_an_environment_name_alone_is_enough() -> None:
    assert Settings.from_environ({"APP_ENVIRONMENT": "prod"}) == Settings(
        environment="prod",
        commit="unknown",
        aws_region=None,
        artifacts_bucket=None,
        log_level="info",
        max_request_bytes=1024 * 1024,
        workers=2,
        threads=8,
    )


def test_an_empty_variable_counts_as_not_set() -> None:
    empty = dict.fromkeys(
        (
            "APP_COMMIT",
            "AWS_REGION",
            "ARTIFACTS_BUCKET",
            "APP_LOG_LEVEL",
            "APP_MAX_REQUEST_BYTES",
            "APP_WORKERS",
            "APP_THREADS",
        ),
        "",
    )
    assert Settings.from_environ({**GOOD, **empty}) == Settings.from_environ(GOOD)


def test_every_variable_is_read() -> None:
    settings = Settings.from_environ(
        {
            "APP_ENVIRONMENT": "123-feature-x",
            "APP_COMMIT": "4b825dc642cb6eb9a060e54bf8d69288fbee4904-dirty",
            "AWS_REGION": "us-gov-east-1",
            "ARTIFACTS_BUCKET": "0.my-bucket.1",
            "ARTIFACTS_PREFIX": "qa/123-feature-x/",
            "AWS_ENDPOINT_URL": "http://127.0.0.1:4566",
            "DATABASE_SECRET_ARN": SECRET_ARN,
            "DATABASE_NAME": "qa_123_feature_x",
            "DATABASE_AUTH": "iam",
            "DATABASE_CA_FILE": __file__,
            "SESSION_SECRET_ARN": SECRET_ARN,
            "SESSION_SECRET": "s" * 32,
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318",
            "OTEL_METRICS_EXPORTER": "none",
            "ECS_CONTAINER_METADATA_URI_V4": "http://169.254.170.2/v4/0a1b-2c3d",
            "APP_LOG_LEVEL": "WARNING",
            "APP_MAX_REQUEST_BYTES": "1024",
            "APP_MAX_UPLOAD_BYTES": "2048",
            "APP_WORKERS": "32",
            "APP_THREADS": "128",
        }
    )
    assert settings == Settings(
        environment="123-feature-x",
        commit="4b825dc642cb6eb9a060e54bf8d69288fbee4904-dirty",
        aws_region="us-gov-east-1",
        artifacts_bucket="0.my-bucket.1",
        artifacts_prefix="qa/123-feature-x/",
        aws_endpoint_url="http://127.0.0.1:4566",
        database_secret_arn=SECRET_ARN,
        database_name="qa_123_feature_x",
        database_auth="iam",
        database_ca_file=__file__,
        session_secret_arn=SECRET_ARN,
        session_secret="s" * 32,
        otlp_endpoint="http://localhost:4318",
        otlp_metrics=False,
        container_metadata="http://169.254.170.2/v4/0a1b-2c3d",
        log_level="warning",
        max_request_bytes=1024,
        max_upload_bytes=2048,
        workers=32,
        threads=128,
    )


VARIABLES = (
    "APP_ENVIRONMENT",
    "APP_COMMIT",
    "AWS_REGION",
    "ARTIFACTS_BUCKET",
    "APP_LOG_LEVEL",
    "APP_MAX_REQUEST_BYTES",
    "APP_WORKERS",
    "APP_THREADS",
    "ARTIFACTS_PREFIX",
    "DATABASE_SECRET_ARN",
    "DATABASE_NAME",
    "DATABASE_AUTH",
    "SESSION_SECRET_ARN",
    "SESSION_SECRET",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_METRICS_EXPORTER",
)

# What an operating system lets an environment variable hold, and things close to good values.
VALUES = st.one_of(
    st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=100),
    st.from_regex(r"[a-z0-9.-]{1,70}", fullmatch=True),
    st.integers(-10, 10**13).map(str),
    st.sampled_from(["dev", "eu-west-1", "info", "4b825dc", "iam", "qa/x/", SECRET_ARN, "s" * 32]),
)


@given(st.dictionaries(st.sampled_from(VARIABLES), VALUES))
def test_any_environment_gives_sound_settings_or_a_full_report(environ: dict[str, str]) -> None:
    try:
        settings = Settings.from_environ(environ)
    except SettingsError as error:
        blamed = {fault.variable for fault in error.faults}
        assert blamed
        # Mended where the report says so and nowhere else, the environment is good.
        mended = {
            "APP_ENVIRONMENT": "dev",
            "APP_COMMIT": "4b825dc",
            "AWS_REGION": "eu-west-1",
            "ARTIFACTS_BUCKET": "artifacts",
            "APP_LOG_LEVEL": "info",
            "APP_MAX_REQUEST_BYTES": "2048",
            "APP_WORKERS": "1",
            "APP_THREADS": "1",
            "ARTIFACTS_PREFIX": "qa/x/",
            "DATABASE_SECRET_ARN": SECRET_ARN,
            "DATABASE_NAME": "shop",
            "DATABASE_AUTH": "password",
            "SESSION_SECRET_ARN": SECRET_ARN,
            "SESSION_SECRET": "s" * 32,
            "OTEL_EXPORTER_OTLP_ENDPOINT": "http://localhost:4318",
            "OTEL_METRICS_EXPORTER": "otlp",
        }
        Settings.from_environ({**environ, **{variable: mended[variable] for variable in blamed}})
    else:
        assert 1 <= len(settings.environment) <= 63
        assert set(settings.environment) <= set(string.ascii_lowercase + string.digits + "-")
        assert settings.log_level in LOG_LEVELS
        assert 1024 <= settings.max_request_bytes <= 104_857_600
        assert 1 <= settings.workers <= 32
        assert 1 <= settings.threads <= 128
        assert settings.artifacts_bucket is None or settings.aws_region is not None


@given(st.integers(1, 32), st.integers(1, 128), st.integers(1024, 104_857_600))
def test_numbers_in_range_are_taken_as_they_are(workers: int, threads: int, size: int) -> None:
    settings = Settings.from_environ(
        {
            **GOOD,
            "APP_WORKERS": str(workers),
            "APP_THREADS": str(threads),
            "APP_MAX_REQUEST_BYTES": str(size),
        }
    )
    assert (settings.workers, settings.threads, settings.max_request_bytes) == (
        workers,
        threads,
        size,
    )
