"""Which of two target groups a listener's traffic goes to: finding the actions and moving their weights."""

from __future__ import annotations

from .targets import groups_of

# What the API takes of an action; answers have more.
_FIELDS = ("Type", "Order", "TargetGroupArn", "ForwardConfig", "RedirectConfig", "FixedResponseConfig",
           "AuthenticateCognitoConfig", "AuthenticateOidcConfig")


def shifted(actions: list[dict], old: str, new: str, share: int) -> list[dict] | None:
    """The actions with this share, in percent, of the two groups' traffic at the new one; None if none leads to them.

    What forwards to other groups, redirects or logs in stays as it is.
    """
    found, result = False, []
    for action in actions:
        action = {k: action[k] for k in _FIELDS if action.get(k) is not None}
        if action.get("Type", "").lower() == "forward" and {old, new} & {arn for arn, _ in groups_of(action)}:
            found = True
            stickiness = (action.get("ForwardConfig") or {}).get("TargetGroupStickinessConfig")
            others = [(arn, weight) for arn, weight in groups_of(action) if arn not in (old, new)]
            groups = [(old, 100 - share), (new, share), *others]
            action.pop("TargetGroupArn", None)
            action["ForwardConfig"] = {"TargetGroups": [{"TargetGroupArn": a, "Weight": w} for a, w in groups]}
            if stickiness:
                action["ForwardConfig"]["TargetGroupStickinessConfig"] = stickiness
        result.append(action)
    return result if found else None


def route(client, listeners: list[str], old: str, new: str, share: int) -> int:
    """Moves this share of the listeners' traffic to the new group, in default actions and rules; returns how many changed."""
    changed = 0
    for listener in listeners:
        described = client.describe_listeners(ListenerArns=[listener])["Listeners"]
        actions = shifted(described[0]["DefaultActions"], old, new, share) if described else None
        if actions:
            client.modify_listener(ListenerArn=listener, DefaultActions=actions)
            changed += 1
        for page in client.get_paginator("describe_rules").paginate(ListenerArn=listener):
            for rule in page["Rules"]:
                actions = None if rule["IsDefault"] else shifted(rule["Actions"], old, new, share)
                if actions:
                    client.modify_rule(RuleArn=rule["RuleArn"], Actions=actions)
                    changed += 1
    return changed


def leads_to(client, listener: str, group: str) -> bool:
    """Whether any action of a listener forwards to a target group."""
    rules = client.get_paginator("describe_rules").paginate(ListenerArn=listener)
    return any(group in {arn for arn, _ in groups_of(action)} for page in rules for rule in page["Rules"]
               for action in rule["Actions"])


def share_of(listener: str, group: str) -> float:
    """The percentage of a listener's traffic, as its first forwarding action has it, that goes to a group."""
    from ministack.services import alb

    rules = [r for r in alb._rules.values() if r.get("ListenerArn") == listener]
    for rule in sorted(rules, key=lambda r: not r.get("IsDefault")):
        for action in rule.get("Actions") or []:
            groups = groups_of(action) if (action.get("Type") or "").lower() == "forward" else []
            if group in {arn for arn, _ in groups}:
                total = sum(weight for _, weight in groups) or 1
                return 100.0 * sum(weight for arn, weight in groups if arn == group) / total
    return 0.0
