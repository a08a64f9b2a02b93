"""API operations that ministack's services lack or do otherwise, and the project calls: EC2, load balancers, secrets, tagging."""

from __future__ import annotations

import base64
import json


def apply() -> None:
    """Adds the operations to ministack's own tables."""
    from ministack.services import alb, ec2, secretsmanager, tagging

    ec2._ACTION_MAP |= {
        "ModifyInstanceAttribute": _modify_instance_attribute,
        "UpdateSecurityGroupRuleDescriptionsIngress": lambda p: _describe_rules(p, egress=False),
        "UpdateSecurityGroupRuleDescriptionsEgress": lambda p: _describe_rules(p, egress=True),
    }
    alb._ACTION_MAP |= {
        "AddListenerCertificates": _add_certificates,
        "RemoveListenerCertificates": _remove_certificates,
        "DescribeListenerCertificates": _describe_certificates,
    }
    tagging._COLLECTORS["logs"] = _tagged_log_groups
    secretsmanager._filter_secret_names = lambda names, filters: [n for n in names if _passes(secretsmanager._secrets[n], filters)]
    original = tagging._get_resources
    page_by_page = lambda data: paged(original, data)  # noqa: E731
    from .patches import replace_everywhere

    replace_everywhere(original, page_by_page)
    for table in vars(tagging).values():
        if isinstance(table, dict) and table.get("GetResources") is original:
            table["GetResources"] = page_by_page


# Secrets Manager

def _passes(secret: dict, filters: list[dict]) -> bool:
    """Whether a secret passes all filters of ListSecrets, each of which takes the beginnings of values; ministack wants whole ones.

    https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_Filter.html
    """
    texts = {"name": [secret["Name"]], "description": [secret.get("Description", "").lower()],
             "tag-key": [t["Key"] for t in secret.get("Tags", [])], "tag-value": [t["Value"] for t in secret.get("Tags", [])]}
    for wanted in filters:
        if wanted["Key"] not in texts:
            raise ValueError(f"the filter {wanted['Key']} of ListSecrets isn't emulated")
        values = [v.lower() if wanted["Key"] == "description" else v for v in wanted["Values"]]
        if not any(any(t.startswith(v.removeprefix("!")) for t in texts[wanted["Key"]]) != v.startswith("!") for v in values):
            return False
    return True


# EC2

def _modify_instance_attribute(p):
    """ModifyInstanceAttribute for the source/destination check and the security groups, what the platform uses.

    https://docs.aws.amazon.com/AWSEC2/latest/APIReference/API_ModifyInstanceAttribute.html
    """
    from ministack.services import ec2

    identity = ec2._p(p, "InstanceId")
    instance = ec2._instances.get(identity)
    if not instance:
        return ec2._error("InvalidInstanceID.NotFound", f"The instance ID '{identity}' does not exist", 400)
    groups = [ec2._p(p, f"GroupId.{i}") for i in range(1, 17) if ec2._p(p, f"GroupId.{i}")]
    check = ec2._p(p, "SourceDestCheck.Value")
    if groups:
        missing = [g for g in groups if g not in ec2._security_groups]
        if missing:
            return ec2._error("InvalidGroup.NotFound", f"The security group '{missing[0]}' does not exist", 400)
        members = [{"GroupId": g, "GroupName": ec2._security_groups[g]["GroupName"]} for g in groups]
        instance["SecurityGroups"] = members
        for interface in instance.get("NetworkInterfaces") or []:
            interface["Groups"] = members
    elif check:
        instance["SourceDestCheck"] = check == "true"
    else:
        return ec2._error("InvalidParameterCombination", "No attributes specified.", 400)
    return ec2._xml(200, "ModifyInstanceAttributeResponse", "<return>true</return>")


def _describe_rules(p, egress: bool):
    """UpdateSecurityGroupRuleDescriptions*: gives the rules with the same permission the new description."""
    from ministack.services import ec2

    identity = ec2._p(p, "GroupId")
    group = ec2._security_groups.get(identity)
    side = "Egress" if egress else "Ingress"
    if not group:
        return ec2._error("InvalidGroup.NotFound", f"The security group '{identity}' does not exist", 400)
    stored = group["IpPermissionsEgress" if egress else "IpPermissions"]
    for wanted in ec2._parse_ip_permissions(p, "IpPermissions"):
        found = next((r for r in stored if _same_rule(wanted, r)), None)
        if found is None:
            return ec2._error("InvalidPermission.NotFound",
                              "The specified rule does not exist in this security group.", 400)
        for kind in ("IpRanges", "Ipv6Ranges", "UserIdGroupPairs", "PrefixListIds"):
            if wanted.get(kind):
                found[kind] = wanted[kind]
    return ec2._xml(200, f"UpdateSecurityGroupRuleDescriptions{side}Response", "<return>true</return>")


def _same_rule(a: dict, b: dict) -> bool:
    def key(rule: dict):
        sources = tuple(tuple(sorted(str(s.get(field)) for s in rule.get(kind) or []))
                        for kind, field in (("IpRanges", "CidrIp"), ("Ipv6Ranges", "CidrIpv6"),
                                            ("UserIdGroupPairs", "GroupId"), ("PrefixListIds", "PrefixListId")))
        return rule.get("IpProtocol"), rule.get("FromPort"), rule.get("ToPort"), sources

    return key(a) == key(b)


# Certificates of listeners

def _listener(params):
    from ministack.services import alb

    arn = alb._p(params, "ListenerArn")
    listener = alb._listeners.get(arn)
    error = None if listener else alb._error("ListenerNotFound", f"One or more listeners not found: {arn}")
    return listener, error


def _add_certificates(params):
    from ministack.services import alb

    listener, error = _listener(params)
    if error:
        return error
    extra = listener.setdefault("_extra_certificates", [])
    wanted = alb._parse_certificate_arns(params)
    extra.extend(arn for arn in wanted if arn not in extra)
    members = "".join(f"<member><CertificateArn>{arn}</CertificateArn><IsDefault>false</IsDefault></member>"
                      for arn in wanted)
    return alb._xml(200, "AddListenerCertificates", f"<Certificates>{members}</Certificates>")


def _remove_certificates(params):
    from ministack.services import alb

    listener, error = _listener(params)
    if error:
        return error
    dropped = set(alb._parse_certificate_arns(params))
    listener["_extra_certificates"] = [a for a in listener.get("_extra_certificates", []) if a not in dropped]
    return alb._empty("RemoveListenerCertificates")


def _describe_certificates(params):
    from ministack.services import alb

    listener, error = _listener(params)
    if error:
        return error
    known = [(arn, "true") for arn in listener.get("Certificates") or []]
    known += [(arn, "false") for arn in listener.get("_extra_certificates", [])]
    members = "".join(f"<member><CertificateArn>{arn}</CertificateArn><IsDefault>{default}</IsDefault></member>"
                      for arn, default in known)
    return alb._xml(200, "DescribeListenerCertificates", f"<Certificates>{members}</Certificates>")


# Tagging

DEFAULT_PAGE, LARGEST_PAGE = 50, 100
"""GetResources: 50 a page unless asked, 100 at most."""


def paged(get_resources, data: dict):
    """GetResources in pages, which ministack answers all at once.

    https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html
    """
    from ministack.core.responses import error_response_json

    if data.get("ResourceARNList"):  # at most a hundred, all in one answer
        return get_resources(data)
    size = int(data.get("ResourcesPerPage") or DEFAULT_PAGE)
    if not 1 <= size <= LARGEST_PAGE:
        return error_response_json("InvalidParameterException",
                                   f"ResourcesPerPage must be between 1 and {LARGEST_PAGE}", 400)
    token = data.get("PaginationToken")
    status, headers, body = get_resources(
        {k: v for k, v in data.items() if k not in ("PaginationToken", "ResourcesPerPage")})
    if status != 200:
        return status, headers, body
    answer = json.loads(body)
    found = sorted((r for r in answer["ResourceTagMappingList"] if not _inactive_service(r["ResourceARN"])),
                   key=lambda r: r["ResourceARN"])
    if token:
        try:
            after = base64.urlsafe_b64decode(token).decode()
        except ValueError:
            return error_response_json("PaginationTokenExpiredException", "The pagination token is not valid", 400)
        found = [r for r in found if r["ResourceARN"] > after]
    page, more = found[:size], len(found) > size
    next_token = base64.urlsafe_b64encode(page[-1]["ResourceARN"].encode()).decode() if more else ""
    answer |= {"ResourceTagMappingList": page, "PaginationToken": next_token}
    return status, headers, json.dumps(answer).encode()


def _tagged_log_groups():
    """The log groups with their tags, which ministack doesn't offer to GetResources; their ARN is the one without ``:*``."""
    from ministack.services import cloudwatch_logs

    for group in cloudwatch_logs._log_groups.values():
        if group["tags"]:
            yield group["arn"].removesuffix(":*"), [{"Key": k, "Value": v} for k, v in group["tags"].items()]


def _inactive_service(arn: str) -> bool:
    """Whether this is the ARN of a deleted ECS service, whose tags ministack keeps."""
    from ministack.services import ecs

    if ":service/" not in arn or ":ecs:" not in arn:
        return False
    service = ecs._services.get(arn.rpartition(":service/")[2])
    return service is not None and service.get("status") == "INACTIVE"
