import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from slipway_app.credentials import (
    RENEW_SECONDS,
    Login,
    SecretError,
    SecretLogins,
    TokenLogins,
    parse_login,
)

GOOD = {"host": "db", "port": 5432, "username": "app", "password": "hunter2", "dbname": "shop"}

# Each row: what is wrong with the secret -> its text.
BAD: dict[str, str] = {
    "no JSON": "hunter2",
    "an empty text": "",
    "a list": "[]",
    "no host": json.dumps({**GOOD, "host": ""}),
    "no password, as in RDS's own secrets of another kind": json.dumps(
        {k: v for k, v in GOOD.items() if k != "password"}
    ),
    "a number for a password": json.dumps({**GOOD, "password": 1}),
    "a password that C would cut": json.dumps({**GOOD, "password": "hunter2\0x"}),
    "a word for a port": json.dumps({**GOOD, "port": "hunter2"}),
    "a port that is none": json.dumps({**GOOD, "port": 70000}),
    "no database": json.dumps({**GOOD, "dbname": None}),
}


@pytest.mark.parametrize("sentence", BAD)
def test_a_bad_secret_is_refused_without_showing_it(sentence: str) -> None:
    with pytest.raises(SecretError) as caught:
        parse_login(BAD[sentence], None)
    assert "hunter2" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@given(
    password=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1)
)
def test_a_password_may_hold_any_character(password: str) -> None:
    login = parse_login(json.dumps({**GOOD, "password": password}), None)
    assert login == Login("db", 5432, "shop", "app", password)


def test_a_login_never_shows_its_password() -> None:
    assert "hunter2" not in repr(parse_login(json.dumps(GOOD), None))
    assert "hunter2" not in str(parse_login(json.dumps(GOOD), None))


def test_the_settings_may_name_another_database() -> None:
    assert parse_login(json.dumps(GOOD), "qa_fix").dbname == "qa_fix"


class Secret:
    """A secret that counts its readings, and a clock that stands still."""

    def __init__(self) -> None:
        self.values = dict(GOOD)
        self.readings = 0
        self.now = 1000.0

    def read(self, stage: str) -> str:
        assert stage == "AWSCURRENT"
        self.readings += 1
        return json.dumps(self.values)

    def logins(self) -> SecretLogins:
        return SecretLogins(self.read, clock=lambda: self.now)


def test_the_secret_is_read_once_for_many_connections() -> None:
    secret = Secret()
    logins = secret.logins()
    assert {logins.current().password for _ in range(5)} == {"hunter2"}
    assert secret.readings == 1


def test_a_refused_login_is_read_again() -> None:
    secret = Secret()
    logins = secret.logins()
    refused = logins.current()
    secret.values["password"] = "hunter3"
    secret.now += RENEW_SECONDS
    renewed = logins.renewed(refused)
    assert renewed is not None
    assert renewed.password == "hunter3"
    assert logins.current() == renewed


def test_a_login_that_did_not_change_is_not_tried_again() -> None:
    secret = Secret()
    logins = secret.logins()
    refused = logins.current()
    secret.now += RENEW_SECONDS
    assert logins.renewed(refused) is None


def test_a_database_that_is_down_does_not_flood_secrets_manager() -> None:
    secret = Secret()
    logins = secret.logins()
    refused = logins.current()
    for _ in range(100):
        secret.now += RENEW_SECONDS / 10
        logins.renewed(refused)
    assert secret.readings <= 1 + 11


def test_a_login_that_another_thread_has_read_is_used_without_reading() -> None:
    secret = Secret()
    logins = secret.logins()
    refused = logins.current()
    secret.values["password"] = "hunter3"
    secret.now += RENEW_SECONDS
    first, second = logins.renewed(refused), logins.renewed(refused)
    assert first == second
    assert secret.readings == 2


class Rds:
    """boto3's client as far as tokens go; each token is a new one."""

    def __init__(self) -> None:
        self.made = 0

    def generate_db_auth_token(
        self,
        *,
        DBHostname: str,
        Port: int,
        DBUsername: str,
        Region: str,
    ) -> str:
        self.made += 1
        return f"{DBHostname}:{Port}/{DBUsername}@{Region}#{self.made}"


def test_each_connection_has_a_new_token() -> None:
    secret = Secret()
    logins = TokenLogins(secret.logins(), Rds(), "eu-west-1")
    assert logins.current().password == "db:5432/app@eu-west-1#1"
    assert logins.current().password == "db:5432/app@eu-west-1#2"
    assert secret.readings == 1


def test_a_refused_token_leads_to_the_secrets_new_address() -> None:
    secret = Secret()
    logins = TokenLogins(secret.logins(), Rds(), "eu-west-1")
    refused = logins.current()
    secret.now += RENEW_SECONDS
    assert logins.renewed(refused) is None
    secret.values["host"] = "other"
    secret.now += RENEW_SECONDS
    renewed = logins.renewed(refused)
    assert renewed is not None
    assert renewed.host == "other"
    assert renewed.password.startswith("other:5432/app@")
