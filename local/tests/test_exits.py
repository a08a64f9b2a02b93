"""The watch over containers that end."""

from __future__ import annotations

from local.exits import Ended


def test_many_questions_at_once_are_one_to_the_engine():
    asked, now = [], [0.0]

    def lister():
        asked.append(now[0])
        return ["a"]

    ended = Ended(lister, lambda: now[0])
    assert [ended.ids() for _ in range(50)] == [frozenset("a")] * 50
    assert asked == [0.0]
    now[0] = 0.25
    ended.ids()
    assert asked == [0.0, 0.25]


def test_an_engine_that_does_not_answer_is_no_sign_that_anything_ended():
    now = [0.0]
    answers = iter([["a"], ConnectionError("gone"), ["a", "b"]])

    def lister():
        answer = next(answers)
        if isinstance(answer, Exception):
            raise answer
        return answer

    ended = Ended(lister, lambda: now[0])
    seen = []
    for now[0] in (0.0, 1.0, 2.0):
        seen.append(sorted(ended.ids()))
    assert seen == [["a"], ["a"], ["a", "b"]]
