"""Identity, secrets and detection: IAM, Secrets Manager, GuardDuty (moto), CloudTrail; Access Analyzer as a record."""

from __future__ import annotations

import json

from . import records
from .types_base import Call, Type, absent_is_done, fit, tags_map, tags_upper, text, truth, without


def document(value) -> str:
    """A policy document as the JSON text that the APIs take."""
    return value if isinstance(value, str) else json.dumps(value)


# OIDC provider

def _oidc_create(call: Call):
    iam = call.client("iam")
    parameters = fit(iam, "create_open_id_connect_provider", call.props)
    # IAM finds the thumbprint itself since 2023; emulators still want the list.
    parameters.setdefault("ThumbprintList", [])
    arn = iam.create_open_id_connect_provider(**parameters)["OpenIDConnectProviderArn"]
    return arn, {"Arn": arn}


def _oidc_update(call: Call):
    # ministack has none of the operations that change a provider, so its record is changed.
    from ministack.services import iam as store

    from .request_context import request_scope

    with request_scope(call.account, call.region):
        provider = store._oidc_providers[call.physical_id]
        provider["ClientIDList"] = [text(c) for c in call.props.get("ClientIdList") or []]
        provider["ThumbprintList"] = [text(t) for t in call.props.get("ThumbprintList") or []]
        provider["Tags"] = tags_upper(call.props.get("Tags"))
    return {"Arn": call.physical_id}


def _oidc_delete(call: Call):
    absent_is_done(lambda: call.client("iam").delete_open_id_connect_provider(
        OpenIDConnectProviderArn=call.physical_id), "NoSuchEntity")


# Group

def _group_create(call: Call):
    iam = call.client("iam")
    name = call.props.get("GroupName") or call.name(128)
    made = iam.create_group(GroupName=name, **({"Path": call.props["Path"]} if call.props.get("Path") else {}))
    call.physical_id = name
    _group_policies(call, name)
    return name, {"Arn": made["Group"]["Arn"]}


def _group_policies(call: Call, name: str) -> None:
    iam = call.client("iam")
    new, old = set(call.props.get("ManagedPolicyArns") or []), set(call.old.get("ManagedPolicyArns") or [])
    for arn in sorted(new - old):
        iam.attach_group_policy(GroupName=name, PolicyArn=arn)
    for arn in sorted(old - new):
        absent_is_done(lambda arn=arn: iam.detach_group_policy(GroupName=name, PolicyArn=arn), "NoSuchEntity")
    kept = {p["PolicyName"] for p in call.props.get("Policies") or []}
    for policy in call.props.get("Policies") or []:
        iam.put_group_policy(GroupName=name, PolicyName=policy["PolicyName"],
                             PolicyDocument=document(policy["PolicyDocument"]))
    for policy in call.old.get("Policies") or []:
        if policy["PolicyName"] not in kept:
            absent_is_done(lambda p=policy: iam.delete_group_policy(GroupName=name, PolicyName=p["PolicyName"]),
                           "NoSuchEntity")


def _group_update(call: Call):
    _group_policies(call, call.physical_id)
    return {"Arn": call.client("iam").get_group(GroupName=call.physical_id)["Group"]["Arn"]}


def _group_delete(call: Call):
    # What the template gave goes with the group; a user who was added by hand makes the delete fail, as on AWS.
    iam = call.client("iam")
    emptied = Call({}, call.logical_id, call.stack, call.physical_id, call.props, call.account, call.region)
    absent_is_done(lambda: _group_policies(emptied, call.physical_id), "NoSuchEntity")
    absent_is_done(lambda: iam.delete_group(GroupName=call.physical_id), "NoSuchEntity")


# Secrets Manager

def rotation_parameters(props: dict) -> dict:
    """The parameters of RotateSecret for an AWS::SecretsManager::RotationSchedule."""
    parameters: dict = {"SecretId": props["SecretId"]}
    if props.get("RotationLambdaARN"):
        parameters["RotationLambdaARN"] = props["RotationLambdaARN"]
    rules = props.get("RotationRules")
    if rules:
        parameters["RotationRules"] = {
            k: int(v) if k == "AutomaticallyAfterDays" else text(v) for k, v in rules.items()}
    return parameters


def _rotation_put(call: Call):
    """Records the schedule on the secret.

    RotateSecret isn't called, because it would rotate at once, which ministack answers with a new version of the
    same value: the secret would seem rotated while no Lambda ran.
    """
    from ministack.services import secretsmanager as store

    from .request_context import request_scope

    with request_scope(call.account, call.region):
        _, secret = store._resolve(call.props["SecretId"])
        if not secret:
            raise ValueError(f"Secrets Manager can't find the secret {call.props['SecretId']}")
        parameters = rotation_parameters(call.props)
        secret["RotationEnabled"] = True
        secret["RotationRules"] = parameters.get("RotationRules") or {}
        if parameters.get("RotationLambdaARN"):
            secret["RotationLambdaARN"] = parameters["RotationLambdaARN"]
        else:
            secret.pop("RotationLambdaARN", None)
        return secret["ARN"]


def _rotation_create(call: Call):
    arn = _rotation_put(call)
    return arn, {"Id": arn}


def _rotation_update(call: Call):
    return {"Id": _rotation_put(call)}


def _rotation_delete(call: Call):
    from ministack.services import secretsmanager as store

    from .request_context import request_scope

    with request_scope(call.account, call.region):
        _, secret = store._resolve(call.props["SecretId"])
        if secret:
            secret["RotationEnabled"] = False
            for key in ("RotationRules", "RotationLambdaARN"):
                secret.pop(key, None)


def _secret_policy_put(call: Call) -> str:
    secrets = call.client("secretsmanager")
    return secrets.put_resource_policy(
        SecretId=call.props["SecretId"], ResourcePolicy=document(call.props["ResourcePolicy"]),
        BlockPublicPolicy=truth(call.props.get("BlockPublicPolicy", False)))["ARN"]


def _secret_policy_create(call: Call):
    arn = _secret_policy_put(call)
    return arn, {"Id": arn}


def _secret_policy_update(call: Call):
    return {"Id": _secret_policy_put(call)}


def _secret_policy_delete(call: Call):
    absent_is_done(lambda: call.client("secretsmanager").delete_resource_policy(SecretId=call.props["SecretId"]),
                   "ResourceNotFoundException", "InvalidRequestException")


# GuardDuty (moto)

def _detector_parameters(call: Call) -> dict:
    props = call.props
    if props.get("DataSources") and props.get("Features"):
        raise ValueError("DataSources and Features can't be set together")
    return without(props, "Tags")


def _detector_create(call: Call):
    guardduty = call.client("guardduty")
    if guardduty.list_detectors()["DetectorIds"]:
        raise ValueError("The request is rejected because a detector already exists for the current account")
    parameters = fit(guardduty, "create_detector", _detector_parameters(call))
    if call.props.get("Tags"):
        parameters["Tags"] = tags_map(call.props["Tags"])
    identity = guardduty.create_detector(**parameters)["DetectorId"]
    return identity, {"Id": identity}


def _detector_update(call: Call):
    guardduty = call.client("guardduty")
    parameters = fit(guardduty, "update_detector", _detector_parameters(call))
    guardduty.update_detector(DetectorId=call.physical_id, **parameters)
    return {"Id": call.physical_id}


def _detector_delete(call: Call):
    absent_is_done(lambda: call.client("guardduty").delete_detector(DetectorId=call.physical_id),
                   "BadRequestException")


# Access Analyzer

_ANALYZER = "AWS::AccessAnalyzer::Analyzer"


def _analyzer_create(call: Call):
    name = call.props.get("AnalyzerName") or call.name(255)
    arn = f"arn:aws:access-analyzer:{call.region}:{call.account}:analyzer/{name}"
    records.put(call.account, call.region, _ANALYZER, arn, call.props)
    return arn, {"Arn": arn}


def _analyzer_update(call: Call):
    records.put(call.account, call.region, _ANALYZER, call.physical_id, call.props)
    return {"Arn": call.physical_id}


def _analyzer_delete(call: Call):
    records.remove(call.account, call.region, _ANALYZER, call.physical_id)


# CloudTrail

_TRAIL_NOT_IN_CREATE = ("Tags", "IsLogging", "EventSelectors", "AdvancedEventSelectors", "InsightSelectors",
                        "TrailName", "AggregationConfigurations")


def _trail_parameters(call: Call, name: str, operation: str) -> dict:
    client = call.client("cloudtrail")
    values = without(call.props, *_TRAIL_NOT_IN_CREATE)
    values["Name"] = name
    return fit(client, operation, values)


def _trail_state(call: Call, name: str) -> dict:
    client = call.client("cloudtrail")
    if call.props.get("EventSelectors") or call.props.get("AdvancedEventSelectors"):
        selectors = {k: call.props[k] for k in ("EventSelectors", "AdvancedEventSelectors") if call.props.get(k)}
        client.put_event_selectors(TrailName=name, **fit(client, "put_event_selectors", selectors))
    if truth(call.props["IsLogging"]):
        client.start_logging(Name=name)
    else:
        client.stop_logging(Name=name)
    arn = client.get_trail(Name=name)["Trail"]["TrailARN"]
    attributes = {"Arn": arn}
    if call.props.get("SnsTopicName"):
        topic = call.props["SnsTopicName"]
        attributes["SnsTopicArn"] = topic if topic.startswith("arn:") else (
            f"arn:aws:sns:{call.region}:{call.account}:{topic}")
    return attributes


def _trail_create(call: Call):
    name = call.props.get("TrailName") or call.name(128)
    _trail_bucket_policy(call)
    call.client("cloudtrail").create_trail(**_trail_parameters(call, name, "create_trail"))
    call.physical_id = name
    return name, _trail_state(call, name)


def _trail_bucket_policy(call: Call) -> None:
    """Refuses a trail whose bucket doesn't let CloudTrail write, as CreateTrail does."""
    from botocore.exceptions import ClientError

    bucket = call.props["S3BucketName"]
    try:
        policy = json.loads(call.client("s3").get_bucket_policy(Bucket=bucket)["Policy"])
    except ClientError:
        policy = {"Statement": []}
    for statement in policy["Statement"]:
        service = (statement.get("Principal") or {}) if isinstance(statement.get("Principal"), dict) else {}
        services = service.get("Service", [])
        if statement.get("Effect") == "Allow" and "cloudtrail.amazonaws.com" in (
                [services] if isinstance(services, str) else services):
            return
    raise ValueError(f"Incorrect S3 bucket policy is detected for bucket: {bucket}")


def _trail_update(call: Call):
    call.client("cloudtrail").update_trail(**_trail_parameters(call, call.physical_id, "update_trail"))
    return _trail_state(call, call.physical_id)


def _trail_delete(call: Call):
    absent_is_done(lambda: call.client("cloudtrail").delete_trail(Name=call.physical_id), "TrailNotFoundException")


TYPES = (
    Type("AWS::IAM::OIDCProvider", _oidc_create, _oidc_delete, _oidc_update, frozenset({"Url"})),
    Type("AWS::IAM::Group", _group_create, _group_delete, _group_update, frozenset({"GroupName"})),
    Type("AWS::SecretsManager::RotationSchedule", _rotation_create, _rotation_delete, _rotation_update,
         frozenset({"SecretId"})),
    Type("AWS::SecretsManager::ResourcePolicy", _secret_policy_create, _secret_policy_delete, _secret_policy_update,
         frozenset({"SecretId"})),
    Type("AWS::GuardDuty::Detector", _detector_create, _detector_delete, _detector_update),
    Type(_ANALYZER, _analyzer_create, _analyzer_delete, _analyzer_update,
         frozenset({"AnalyzerName", "Type"}), record_only=True),
    Type("AWS::CloudTrail::Trail", _trail_create, _trail_delete, _trail_update, frozenset({"TrailName"})),
)
"""The types of this file."""
