"""Which revision of the schema a build works with."""

import pytest

from slipway_app import schema


def test_the_newest_revision_comes_first(monkeypatch: pytest.MonkeyPatch) -> None:
    assert schema.revisions()[-1] == "0001"
    monkeypatch.setattr(schema, "revisions", lambda: ("0003", "0002", "0001"))
    assert schema.expected(None) == "0003", "an empty database must be migrated"
    assert schema.expected("0002") == "0003", "the migrations of this build haven't run"
    assert schema.expected("0003") == "0003"
    assert schema.expected("0004") == "0004", "a newer release migrated it; going back must work"
