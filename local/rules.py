"""Listener rules and target groups as on AWS: one rule for each priority, the quota, a template's targets, what uses a group.

ministack takes any number of rules at any priority, leaves the targets of a template out, and deletes a target group
that a rule still forwards to.
"""

from __future__ import annotations

import threading

from . import targets
from .patches import replace_everywhere

QUOTA = 100
"""Rules of an Application Load Balancer, without default rules, unless AWS raised it.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html
"""

_lock = threading.Lock()


def apply() -> None:
    """Changes CreateRule, what target groups say of their load balancers, and those of templates; called once."""
    from ministack.services import alb

    create, describe, delete = alb._create_rule, alb._ACTION_MAP["DescribeTargetGroups"], alb._ACTION_MAP["DeleteTargetGroup"]

    def create_or_refuse(params):
        with _lock:
            refused = refusal(params)
            return refused or create(params)

    replace_everywhere(create, create_or_refuse)
    alb._ACTION_MAP |= {
        "CreateRule": create_or_refuse,
        "DescribeTargetGroups": lambda params: described(describe, params),
        "DeleteTargetGroup": lambda params: deleted(delete, params),
    }
    _register_targets_of_templates()


def refusal(params):
    """AWS's error for a rule that can't be made, or None.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_CreateRule.html
    """
    from ministack.services import alb

    listener = alb._listeners.get(alb._p(params, "ListenerArn"))
    if listener is None:
        return None
    asked = alb._p(params, "Priority")
    if not asked.isdigit() or not 1 <= int(asked) <= 50000:
        return alb._error("ValidationError", f"Priority '{asked}' must be between 1 and 50000")
    listeners = {arn for arn, other in alb._listeners.items() if other["LoadBalancerArn"] == listener["LoadBalancerArn"]}
    rules = [rule for rule in alb._rules.values() if rule.get("ListenerArn") in listeners and not rule.get("IsDefault")]
    if any(rule["ListenerArn"] == listener["ListenerArn"] and str(rule["Priority"]) == asked for rule in rules):
        return alb._error("PriorityInUse", f"Priority '{asked}' is currently in use")
    if len(rules) >= QUOTA:
        return alb._error("TooManyRules", "The maximum number of rules has been reached on this load balancer")
    return None


def described(describe, params):
    """DescribeTargetGroups with the load balancers that route to each group; ministack knows them of default actions only."""
    from ministack.services import alb

    used = targets.users()
    for arn, group in alb._tgs.items():
        group["LoadBalancerArns"] = sorted(used.get(arn, ()))
    return describe(params)


def deleted(delete, params):
    """DeleteTargetGroup, refused while an action forwards to the group.

    https://docs.aws.amazon.com/elasticloadbalancing/latest/APIReference/API_DeleteTargetGroup.html
    """
    from ministack.services import alb

    arn = alb._p(params, "TargetGroupArn")
    if arn in targets.users():
        return alb._error("ResourceInUse", f"Target group '{arn}' is currently in use by a listener or a rule")
    return delete(params)


TARGET_GROUP = "AWS::ElasticLoadBalancingV2::TargetGroup"


def _register_targets_of_templates() -> None:
    """A target group's Targets are registered, which ministack leaves out."""
    from ministack.services import alb
    from ministack.services.cloudformation import provisioners

    handlers = provisioners._RESOURCE_HANDLERS[TARGET_GROUP]
    create, update = handlers["create"], handlers["update"]

    def wanted(props):
        return [{"Id": target["Id"], **({"Port": int(target["Port"])} if target.get("Port") else {})}
                for target in props.get("Targets") or []]

    def create_with_targets(logical_id, props, stack_name):
        arn, attributes = create(logical_id, props, stack_name)
        alb._targets[arn] = wanted(props)
        return arn, attributes

    def update_with_targets(physical_id, old_props, new_props, stack_name, logical_id=None):
        arn, attributes = update(physical_id, old_props, new_props, stack_name, logical_id)
        if arn != physical_id or wanted(old_props) != wanted(new_props):
            # Those that others registered, such as ECS, stay.
            gone = {target["Id"] for target in wanted(old_props)} if arn == physical_id else set()
            alb._targets[arn] = [t for t in alb._targets.get(arn, []) if t["Id"] not in gone] + wanted(new_props)
        return arn, attributes

    provisioners._RESOURCE_HANDLERS[TARGET_GROUP] = {**handlers, "create": create_with_targets, "update": update_with_targets}
