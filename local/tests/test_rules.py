"""Target groups and what uses them, as AWS answers."""

from __future__ import annotations

import re

import pytest

from local import rules
from local.request_context import request_scope

GROUP, BALANCER, LISTENER = "arn:group", "arn:balancer", "arn:listener"


@pytest.fixture
def alb(monkeypatch):
    """ministack's load balancing with one balancer, a listener and a target group."""
    from ministack.services import alb as service

    for store in ("_lbs", "_listeners", "_rules", "_tgs", "_targets", "_tg_attrs", "_tags"):
        monkeypatch.setattr(service, store, type(getattr(service, store))())
    with request_scope("000000000000", "eu-west-1"):
        service._lbs[BALANCER] = {"LoadBalancerArn": BALANCER}
        service._listeners[LISTENER] = {"ListenerArn": LISTENER, "LoadBalancerArn": BALANCER, "DefaultActions": []}
        group = service._create_tg({"Name": ["g"], "Protocol": ["HTTP"], "Port": ["80"], "VpcId": ["vpc-1"]})
        assert group[0] == 200
        service._tgs[GROUP] = {**next(iter(service._tgs.values())), "TargetGroupArn": GROUP}
        yield service


FORWARDS = [
    {"Type": "forward", "TargetGroupArn": GROUP},
    {"Type": "forward", "ForwardConfig": {"TargetGroups": [{"TargetGroupArn": GROUP, "Weight": 0}]}},
]


@pytest.mark.parametrize("action", FORWARDS)
@pytest.mark.parametrize("where", ["default action", "rule"])
def test_a_target_group_in_use_names_its_balancer_and_is_not_deleted(alb, action, where):
    if where == "rule":
        alb._rules["arn:rule"] = {"RuleArn": "arn:rule", "ListenerArn": LISTENER, "Actions": [action]}
    else:
        alb._listeners[LISTENER]["DefaultActions"] = [action]
    status, _, body = rules.deleted(alb._delete_tg, {"TargetGroupArn": [GROUP]})
    assert status == 400 and b"ResourceInUse" in body and GROUP in alb._tgs
    assert balancers(alb) == [BALANCER]

    alb._rules.pop("arn:rule", None)
    alb._listeners[LISTENER]["DefaultActions"] = []
    assert balancers(alb) == []
    assert rules.deleted(alb._delete_tg, {"TargetGroupArn": [GROUP]})[0] == 200 and GROUP not in alb._tgs


def test_a_target_group_that_is_not_there_is_not_found(alb):
    status, _, body = rules.deleted(alb._delete_tg, {"TargetGroupArn": ["arn:other"]})
    assert status == 400 and b"TargetGroupNotFound" in body


def balancers(alb) -> list[str]:
    body = rules.described(alb._describe_tgs, {"TargetGroupArns.member.1": [GROUP]})[2]
    text = body if isinstance(body, str) else body.decode()
    return re.findall("<member>([^<]*)</member>", re.search("<LoadBalancerArns>(.*?)</LoadBalancerArns>", text)[1])
