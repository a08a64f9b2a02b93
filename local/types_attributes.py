"""What GetAtt should answer for ministack's own types and doesn't, and the Ref of a secret, which is its ARN."""

from __future__ import annotations

from collections.abc import Callable

LABEL_NAMESPACE = "awswaf:{account}:webacl:{name}:"


def _vpc(identity: str, props: dict, account: str) -> dict:
    return {"CidrBlock": props.get("CidrBlock", ""), "Ipv6CidrBlocks": []}


def _subnet(identity: str, props: dict, account: str) -> dict:
    return {"CidrBlock": props.get("CidrBlock", ""), "VpcId": props.get("VpcId", ""), "Ipv6CidrBlocks": []}


def _web_acl(identity: str, props: dict, account: str) -> dict:
    return {"Capacity": str(web_acl_capacity(props.get("Rules") or [])),
            "LabelNamespace": LABEL_NAMESPACE.format(account=account, name=identity.split("|")[0])}


def web_acl_capacity(rules: list) -> int:
    """A web ACL's capacity units for the rule kinds whose cost AWS documents as fixed; others count as one.

    https://docs.aws.amazon.com/waf/latest/developerguide/aws-managed-rule-groups-list.html
    """
    managed = {"AWSManagedRulesCommonRuleSet": 700, "AWSManagedRulesKnownBadInputsRuleSet": 200,
               "AWSManagedRulesAmazonIpReputationList": 25, "AWSManagedRulesSQLiRuleSet": 200,
               "AWSManagedRulesAdminProtectionRuleSet": 100, "AWSManagedRulesLinuxRuleSet": 200,
               "AWSManagedRulesAnonymousIpList": 50}
    total = 0
    for rule in rules:
        statement = rule.get("Statement") or {}
        group = statement.get("ManagedRuleGroupStatement")
        if group:
            total += managed.get(group.get("Name"), 1)
        elif "RateBasedStatement" in statement:
            total += 2
        else:
            total += 1
    return total


ATTRIBUTES: dict[str, Callable[[str, dict, str], dict]] = {
    "AWS::EC2::VPC": _vpc,
    "AWS::EC2::Subnet": _subnet,
    "AWS::EC2::VPCGatewayAttachment": lambda identity, props, account: {"AttachmentType": identity.split("|")[0]},
    "AWS::ElasticLoadBalancingV2::TargetGroup": lambda identity, props, account: {"LoadBalancerArns": []},
    "AWS::ElasticLoadBalancingV2::ListenerRule": lambda identity, props, account: {"IsDefault": "false"},
    "AWS::WAFv2::WebACL": _web_acl,
}
"""Type → a function (physical id, properties, account) → further attributes."""


def apply() -> None:
    """Wraps the handlers of these types."""
    from ministack.services.cloudformation.provisioners import _RESOURCE_HANDLERS

    for name, more in ATTRIBUTES.items():
        _RESOURCE_HANDLERS[name] = _with_attributes(_RESOURCE_HANDLERS[name], more)
    secret = "AWS::SecretsManager::Secret"
    _RESOURCE_HANDLERS[secret] = _with_arn_as_ref(_RESOURCE_HANDLERS[secret])


def _with_attributes(handler: dict, more) -> dict:
    from ministack.core.responses import get_account_id

    def create(logical_id, props, stack_name):
        identity, attributes = handler["create"](logical_id, props, stack_name)
        return identity, {**more(identity, props, get_account_id()), **attributes}

    changed = {**handler, "create": create}
    if "update" in handler:
        def update(physical_id, old_props, new_props, stack_name, logical_id=None):
            extra = (logical_id,) if handler.get("update_with_logical_id") else ()
            identity, attributes = handler["update"](physical_id, old_props, new_props, stack_name, *extra)
            return identity, {**more(identity, new_props, get_account_id()), **attributes}

        changed |= {"update": update, "update_with_logical_id": True}
    return changed


def _with_arn_as_ref(handler: dict) -> dict:
    """ministack's handler of secrets, whose Ref is the name, with the ARN as Ref: names and ARNs are translated."""
    from ministack.services import secretsmanager as store

    def arn_of(name: str) -> str:
        _, secret = store._resolve(name)
        return secret["ARN"] if secret else name

    def name_of(identity: str) -> str:
        _, secret = store._resolve(identity)
        return secret["Name"] if secret else identity

    def create(logical_id, props, stack_name):
        name, attributes = handler["create"](logical_id, props, stack_name)
        return arn_of(name), attributes

    def update(physical_id, old_props, new_props, stack_name, logical_id=None):
        extra = (logical_id,) if handler.get("update_with_logical_id") else ()
        name, attributes = handler["update"](name_of(physical_id), old_props, new_props, stack_name, *extra)
        return arn_of(name), attributes

    return {**handler, "create": create, "update": update, "update_with_logical_id": True,
            "delete": lambda physical_id, props: handler["delete"](name_of(physical_id), props)}
