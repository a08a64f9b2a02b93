"""Listener rules as on AWS: one rule for each priority, and the quota. ministack takes any number at any priority."""

from __future__ import annotations

import threading

from .patches import replace_everywhere

QUOTA = 100
"""Rules of an Application Load Balancer, without default rules, unless AWS raised it.

https://docs.aws.amazon.com/elasticloadbalancing/latest/application/load-balancer-limits.html
"""

_lock = threading.Lock()


def apply() -> None:
    """Changes CreateRule; called once."""
    from ministack.services import alb

    create = alb._create_rule

    def create_or_refuse(params):
        with _lock:
            refused = refusal(params)
            return refused or create(params)

    replace_everywhere(create, create_or_refuse)
    alb._ACTION_MAP["CreateRule"] = create_or_refuse


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
