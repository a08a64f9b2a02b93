"""Runs code in ministack's stores as a request of one account and region would."""

from __future__ import annotations

from contextlib import contextmanager


@contextmanager
def request_scope(account: str, region: str):
    """Within it, ministack's stores show what belongs to this account and region."""
    from ministack.core.responses import request_scope as scope

    with scope(account, region):
        yield
