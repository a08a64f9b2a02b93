"""When a scheduled action of Application Auto Scaling is due: its at, rate and cron expressions. Pure.

https://docs.aws.amazon.com/autoscaling/application/APIReference/API_PutScheduledAction.html
Cron expressions are EventBridge's, so ministack's reader of those is used; it checks no ranges, which happens here.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

Next = Callable[[datetime], datetime | None]
"""Gives the first time after another one, or None when there is none."""


@lru_cache
def zone(name: str) -> ZoneInfo:
    """The time zone of an IANA name; raises ValueError for others."""
    if name not in available_timezones():
        raise ValueError(f"{name!r} is not the name of a time zone in the IANA database")
    return ZoneInfo(name)


def read(expression: str, timezone: str, anchor: datetime) -> Next:
    """The times of an expression. A rate counts from the anchor. Raises ValueError with what is wrong.

    A time that the change to summer time leaves out comes an hour later; one that occurs twice comes once.
    """
    local = zone(timezone)
    if moment := re.fullmatch(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)", expression):
        once = datetime.fromisoformat(moment[1]).replace(tzinfo=local).astimezone(UTC)
        return lambda after: once if once > after else None
    from ministack.services import eventbridge

    if seconds := eventbridge._parse_rate_seconds(expression):
        return lambda after: anchor + timedelta(seconds=max(1, (after - anchor) // timedelta(seconds=seconds) + 1) * seconds)
    fields = eventbridge._parse_cron_fields(expression) if re.fullmatch(r"cron\(.+\)", expression) else None
    if fields is None or not _sensible(fields, expression):
        raise ValueError(f"{expression!r} is no at(yyyy-mm-ddThh:mm:ss), rate(value unit) or cron(minutes hours "
                         "day-of-month month day-of-week year)")

    def following(after: datetime) -> datetime | None:
        clock = after.astimezone(local).replace(tzinfo=UTC)  # what the clock on the wall shows there
        while (clock := eventbridge._cron_next_fire(fields, clock)) is not None:
            due = clock.replace(tzinfo=local).astimezone(UTC)
            if due > after:  # not so within the hour that the end of summer time repeats
                return due
        return None

    return following


def _sensible(fields: tuple, expression: str) -> bool:
    minutes, hours, days, months, weekdays, years, day, weekday = fields
    if (day == "?") == (weekday == "?") or any("?" in f for i, f in enumerate(expression[5:-1].split()) if i not in (2, 4)):
        return False
    special = (days["last"] or days["last_weekday"] or days["weekday_of"], weekdays["last_of"] or weekdays["nth"])
    return all((values or other) and all(low <= v <= high for v in values) for values, low, high, other in (
        (minutes, 0, 59, False), (hours, 0, 23, False), (days["days"], 1, 31, special[0]), (months, 1, 12, False),
        (weekdays["days"], 1, 7, special[1]), ({1970} if years is None else years, 1970, 2199, False)))


def due(following: Next, after: datetime, start: datetime | None, end: datetime | None) -> datetime | None:
    """The first time after another one, within the bounds of a recurring action, which is also due at its start."""
    if start and after < start:
        first = start
    else:
        first = following(after)
    return None if first is None or end and first > end else first
