"""ECS's services as AWS answers for them: the same creation twice, and tasks that start during an answer."""

from __future__ import annotations

import json

import pytest

from local import ecs_services
from local.request_context import request_scope

WEB = {"cluster": "c", "serviceName": "web", "taskDefinition": "web", "desiredCount": 1, "clientToken": "one"}


@pytest.fixture
def ecs(monkeypatch):
    """ministack's ECS with empty stores and without containers."""
    from ministack.services import ecs as service

    monkeypatch.setattr(service, "_get_docker", lambda: None)
    for store in ("_clusters", "_services", "_tasks", "_task_defs", "_task_def_latest"):
        monkeypatch.setattr(service, store, type(getattr(service, store))())
    with request_scope("000000000000", "eu-west-1"):
        service._register_task_definition({"family": "web", "containerDefinitions": [{"name": "app", "image": "x"}]})
        yield service


def create(ecs, **changed):
    status, _, body = ecs_services.created_once(ecs, ecs._create_service, {**WEB, **changed})
    return status, json.loads(body)


@pytest.mark.parametrize("changed", [{}, {"clientToken": "two"}, {"clientToken": None}])
def test_the_same_creation_again_returns_the_service_that_is_there(ecs, changed):
    first = create(ecs)
    again = create(ecs, **changed)
    assert first[0] == again[0] == 200
    assert again[1]["service"]["serviceArn"] == first[1]["service"]["serviceArn"]
    assert again[1]["service"]["createdAt"] == first[1]["service"]["createdAt"]
    assert len(ecs._tasks) == 1


@pytest.mark.parametrize("changed", [{"desiredCount": 2}, {"launchType": "FARGATE"}, {"loadBalancers": []}])
def test_another_creation_of_the_same_name_is_refused(ecs, changed):
    assert create(ecs)[0] == 200
    status, answer = create(ecs, **changed)
    assert (status, answer["__type"], answer["message"]) == (
        400, "ClientException", "Creation of service was not idempotent.")


def test_a_deleted_services_name_can_be_used_again(ecs):
    assert create(ecs)[0] == 200
    ecs._delete_service({"cluster": "c", "service": "web", "force": True})
    assert create(ecs)[1]["service"]["status"] == "ACTIVE"


def test_a_refused_creation_leaves_nothing_to_return(ecs):
    both = {"launchType": "FARGATE", "capacityProviderStrategy": [{"capacityProvider": "FARGATE"}]}
    assert create(ecs, **both)[0] == 400
    assert create(ecs, **both)[0] == 400 and not len(ecs._services)


def test_an_answer_survives_a_record_that_grows_while_it_is_written():
    record = {}

    class Growing(dict):
        def items(self):
            record[f"another {len(record)}"] = 1
            return super().items()

    record |= {"first": Growing(a=1, _b=2, c=None), "second": [Growing(), None], "_private": 1}
    assert ecs_services.sanitized(record) == {"first": {"a": 1}, "second": [{}, None]}


def test_a_task_of_the_last_run_is_no_longer_wanted(ecs):
    create(ecs)
    (task,) = ecs._tasks.values()
    ecs_services.end_restored(task)
    assert task["desiredStatus"] == "RUNNING"  # it runs, so there is nothing to end
    task["lastStatus"] = "STOPPED"
    ecs_services.end_restored(task)
    assert (task["desiredStatus"], task["stoppedReason"]) == ("STOPPED", "The local AWS was stopped")
    listed = json.loads(ecs._list_tasks({"cluster": "c", "desiredStatus": "RUNNING"})[2])["taskArns"]
    assert listed == [] and json.loads(ecs._list_tasks({"cluster": "c", "desiredStatus": "STOPPED"})[2])["taskArns"]


def test_the_stores_are_saved_although_they_change_the_first_time():
    left = [RuntimeError("dictionary changed size during iteration"), None]

    def copy():
        fault = left.pop(0)
        if fault:
            raise fault
        return {"services": 1}

    assert ecs_services.undisturbed(copy) == {"services": 1}


def test_a_fault_that_stays_is_told():
    def copy():
        raise RuntimeError("something else")

    with pytest.raises(RuntimeError, match="something else"):
        ecs_services.undisturbed(copy, attempts=3)


def listed(ecs, **asked):
    status, _, body = ecs_services.paged(ecs._list_services, {"cluster": "c", **asked})
    answer = json.loads(body)
    return status, [arn.rsplit("/", 1)[1] for arn in answer.get("serviceArns", [])], answer.get("nextToken")


def test_services_are_listed_ten_at_a_time_and_at_most_a_hundred(ecs):
    for i in range(23):
        assert create(ecs, serviceName=f"s{i:02d}", desiredCount=0)[0] == 200
    seen, token = [], None
    for size in (10, 10, 3):
        status, names, token = listed(ecs, nextToken=token)
        assert (status, len(names)) == (200, size)
        seen += names
    assert seen == [f"s{i:02d}" for i in range(23)] and token is None
    assert len(listed(ecs, maxResults=100)[1]) == 23
    assert listed(ecs, maxResults=101)[0] == 400


def test_a_service_deleted_between_two_pages_hides_no_other(ecs):
    for i in range(12):
        assert create(ecs, serviceName=f"s{i:02d}", desiredCount=0)[0] == 200
    _, names, token = listed(ecs)
    ecs._delete_service({"cluster": "c", "service": names[-1]})
    assert listed(ecs, nextToken=token)[1] == ["s10", "s11"]


def test_only_deregistered_revisions_are_deleted(ecs):
    asked = {"taskDefinitions": [ecs._task_defs["web:1"]["taskDefinitionArn"]]}
    assert ecs_services.deleted(ecs, ecs._delete_task_definitions, asked)[0] == 400
    assert ecs._task_defs["web:1"]["status"] == "ACTIVE"
    ecs._deregister_task_definition({"taskDefinition": "web:1"})
    assert ecs_services.deleted(ecs, ecs._delete_task_definitions, asked)[0] == 200
    assert ecs._task_defs["web:1"]["status"] == "DELETE_IN_PROGRESS"


# Families of task definitions

@pytest.mark.parametrize("prefix, status, expected", [
    ("", "ALL", ["a", "b", "other"]), ("", "ACTIVE", ["a"]), ("", "INACTIVE", ["b", "other"]), ("o", "ALL", ["other"]), ("a", "INACTIVE", []),
])
def test_a_family_is_active_by_one_active_revision(prefix, status, expected):
    revisions = [{"family": f, "status": s} for f, s in (("a", "ACTIVE"), ("a", "INACTIVE"), ("b", "INACTIVE"), ("other", "DELETE_IN_PROGRESS"))]
    assert ecs_services.families(revisions, prefix, status) == expected
