"""Which containers of a task run first."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.dependencies import split


def task(**depends):
    return {"family": "f", "containerDefinitions": [
        {"name": name, "dependsOn": [{"containerName": n, "condition": c} for n, c in on]} for name, on in depends.items()]}


def names(containers):
    return [c["name"] for c in containers]


def test_without_dependencies_all_start_together():
    first, rest = split(task(app=[], sidecar=[]))
    assert first == []
    assert names(rest["containerDefinitions"]) == ["app", "sidecar"]


def test_a_migration_ends_before_the_application_starts():
    first, rest = split(task(app=[("migrate", "SUCCESS")], migrate=[]))
    assert names(first) == ["migrate"]
    assert names(rest["containerDefinitions"]) == ["app"]
    assert rest["family"] == "f"


def test_a_chain_runs_from_its_end():
    first, rest = split(task(app=[("seed", "COMPLETE")], seed=[("migrate", "SUCCESS")], migrate=[]))
    assert names(first) == ["migrate", "seed"]
    assert names(rest["containerDefinitions"]) == ["app"]


@pytest.mark.parametrize("condition", ["START", "HEALTHY"])
def test_other_conditions_are_refused_by_name(condition):
    with pytest.raises(ValueError, match=f"app depends on {condition} of db"):
        split(task(app=[("db", condition)], db=[]))


@given(st.integers(min_value=1, max_value=8).flatmap(lambda n: st.lists(
    st.lists(st.integers(min_value=0, max_value=n - 1), max_size=3), min_size=n, max_size=n)))
def test_each_container_is_in_one_place_and_after_what_it_waits_for(edges):
    # Only edges to later containers, so that there is no cycle; ECS refuses those when the definition is registered.
    depends = {f"c{i}": [(f"c{j}", "SUCCESS") for j in set(targets) if j > i] for i, targets in enumerate(edges)}
    first, rest = split(task(**depends))
    order = names(first)
    assert sorted(order + names(rest["containerDefinitions"])) == sorted(depends)
    for name in order:
        for dependency, _ in depends[name]:
            assert order.index(dependency) < order.index(name)
