"""Scaling (scaling.py), CodeDeploy (codedeploy.py), WAF, composite alarms, listeners' certificates, capacity providers."""

from __future__ import annotations

from . import records
from .types_base import Call, Refused, Type, absent_is_done, fit, tags_map, tags_upper, text, without

# Application Auto Scaling (scaling.py)


def target_identity(props: dict) -> str:
    """What Ref gives for a scalable target: resource id, dimension and namespace."""
    return f"{props['ResourceId']}|{props['ScalableDimension']}|{props['ServiceNamespace']}"


def _target_put(call: Call) -> None:
    client = call.client("application-autoscaling")
    target = fit(client, "register_scalable_target", without(call.props, "ScheduledActions", "Tags"))
    arn = client.register_scalable_target(**target)["ScalableTargetARN"]
    call.physical_id = target_identity(call.props)
    tags, old = tags_map(call.props.get("Tags")), tags_map(call.old.get("Tags"))
    if tags:
        client.tag_resource(ResourceARN=arn, Tags=tags)
    if old.keys() - tags.keys():
        client.untag_resource(ResourceARN=arn, TagKeys=sorted(old.keys() - tags.keys()))
    parts = {name: target[name] for name in ("ServiceNamespace", "ResourceId", "ScalableDimension")}
    wanted = [fit(client, "put_scheduled_action", action | parts) for action in call.props.get("ScheduledActions") or []]
    for action in wanted:
        client.put_scheduled_action(**action)
    gone = {action["ScheduledActionName"] for action in call.old.get("ScheduledActions") or []}
    for name in sorted(gone - {action["ScheduledActionName"] for action in wanted}):
        absent_is_done(lambda: client.delete_scheduled_action(**parts, ScheduledActionName=name), "ObjectNotFoundException")


def _target_create(call: Call):
    _target_put(call)
    return call.physical_id, {"Id": call.physical_id}


def _target_update(call: Call):
    _target_put(call)
    return {"Id": call.physical_id}


def _target_delete(call: Call):
    resource, dimension, namespace = call.physical_id.split("|")
    absent_is_done(lambda: call.client("application-autoscaling").deregister_scalable_target(
        ServiceNamespace=namespace, ResourceId=resource, ScalableDimension=dimension), "ObjectNotFoundException")


def policy_target(props: dict) -> dict:
    """Which scalable target a policy is for: by ScalingTargetId, or by its three parts."""
    if props.get("ScalingTargetId"):
        resource, dimension, namespace = props["ScalingTargetId"].split("|")
        return {"ResourceId": resource, "ScalableDimension": dimension, "ServiceNamespace": namespace}
    return {k: props[k] for k in ("ResourceId", "ScalableDimension", "ServiceNamespace")}


def _policy_put(call: Call) -> str:
    client = call.client("application-autoscaling")
    values = without(call.props, "ScalingTargetId", "ResourceId", "ScalableDimension", "ServiceNamespace")
    return client.put_scaling_policy(
        **fit(client, "put_scaling_policy", values | policy_target(call.props)))["PolicyARN"]


def _policy_create(call: Call):
    arn = _policy_put(call)
    return arn, {"Arn": arn}


def _policy_update(call: Call):
    _policy_put(call)
    return {"Arn": call.physical_id}


def _policy_delete(call: Call):
    absent_is_done(lambda: call.client("application-autoscaling").delete_scaling_policy(
        PolicyName=call.props["PolicyName"], **policy_target(call.props)),
        "ObjectNotFoundException")


# CodeDeploy (codedeploy.py)

def _application_create(call: Call):
    client = call.client("codedeploy")
    name = call.props.get("ApplicationName") or call.name(100)
    values = without(call.props, "Tags") | {"ApplicationName": name}
    client.create_application(**fit(client, "create_application", values),
                              **({"tags": tags_upper(call.props["Tags"])} if call.props.get("Tags") else {}))
    return name, {}


def _application_update(call: Call):
    return {}


def _application_delete(call: Call):
    absent_is_done(lambda: call.client("codedeploy").delete_application(applicationName=call.physical_id),
                   "ApplicationDoesNotExistException")


def _deployment_config_create(call: Call):
    client = call.client("codedeploy")
    name = call.props.get("DeploymentConfigName") or call.name(100)
    values = call.props | {"DeploymentConfigName": name}
    client.create_deployment_config(**fit(client, "create_deployment_config", values))
    return name, {}


def _deployment_config_delete(call: Call):
    absent_is_done(lambda: call.client("codedeploy").delete_deployment_config(deploymentConfigName=call.physical_id),
                   "DeploymentConfigDoesNotExistException")


def deployment_group(props: dict, name: str) -> dict:
    """The properties that CreateDeploymentGroup takes; Deployment would start one, which isn't emulated."""
    if props.get("Deployment"):
        raise Refused("Deployment: starting a deployment from the deployment group isn't emulated")
    return without(props, "Tags") | {"DeploymentGroupName": name}


def _deployment_group_create(call: Call):
    client = call.client("codedeploy")
    name = call.props.get("DeploymentGroupName") or call.name(100)
    parameters = fit(client, "create_deployment_group", deployment_group(call.props, name))
    if call.props.get("Tags"):
        parameters["tags"] = tags_upper(call.props["Tags"])
    client.create_deployment_group(**parameters)
    return name, {}


def _deployment_group_update(call: Call):
    client = call.client("codedeploy")
    values = without(deployment_group(call.props, call.physical_id), "DeploymentGroupName")
    values["CurrentDeploymentGroupName"] = call.physical_id
    client.update_deployment_group(**fit(client, "update_deployment_group", values))
    return {}


def _deployment_group_delete(call: Call):
    absent_is_done(lambda: call.client("codedeploy").delete_deployment_group(
        applicationName=call.props["ApplicationName"], deploymentGroupName=call.physical_id),
        "ApplicationDoesNotExistException", "DeploymentGroupDoesNotExistException")


# WAF

def _association_create(call: Call):
    call.client("wafv2").associate_web_acl(WebACLArn=call.props["WebACLArn"], ResourceArn=call.props["ResourceArn"])
    return f"{call.props['WebACLArn']}|{call.props['ResourceArn']}", {}


def _association_delete(call: Call):
    absent_is_done(lambda: call.client("wafv2").disassociate_web_acl(ResourceArn=call.props["ResourceArn"]),
                   "WAFNonexistentItemException")


def _ip_set(call: Call) -> dict:
    name, identity, scope = call.physical_id.split("|")
    return {"Name": name, "Id": identity, "Scope": scope}


def _ip_set_create(call: Call):
    client = call.client("wafv2")
    name = call.props.get("Name") or call.name(128)
    values = without(call.props, "Tags") | {"Name": name}
    parameters = fit(client, "create_ip_set", values)
    if call.props.get("Tags"):
        parameters["Tags"] = tags_upper(call.props["Tags"])
    made = client.create_ip_set(**parameters)["Summary"]
    return f"{name}|{made['Id']}|{call.props['Scope']}", {"Arn": made["ARN"], "Id": made["Id"]}


def _ip_set_update(call: Call):
    client = call.client("wafv2")
    current = client.get_ip_set(**_ip_set(call))
    values = {k: call.props[k] for k in ("Addresses", "Description") if call.props.get(k) is not None}
    client.update_ip_set(**_ip_set(call), LockToken=current["LockToken"], **fit(client, "update_ip_set", values))
    return {"Arn": current["IPSet"]["ARN"], "Id": current["IPSet"]["Id"]}


def _ip_set_delete(call: Call):
    client = call.client("wafv2")

    def delete():
        client.delete_ip_set(**_ip_set(call), LockToken=client.get_ip_set(**_ip_set(call))["LockToken"])

    absent_is_done(delete, "WAFNonexistentItemException")


def _logging_put(call: Call) -> None:
    for destination in call.props["LogDestinationConfigs"]:
        # https://docs.aws.amazon.com/waf/latest/developerguide/logging-cw-logs.html: the name decides.
        name = text(destination).split(":log-group:")[-1]
        if ":log-group:" in text(destination) and not name.startswith("aws-waf-logs-"):
            raise Refused(f"the log group {name} must have a name that starts with aws-waf-logs-")
    records.put(call.account, call.region, "AWS::WAFv2::LoggingConfiguration", call.props["ResourceArn"], call.props)


def _logging_create(call: Call):
    _logging_put(call)
    return call.props["ResourceArn"], {"ManagedByFirewallManager": "false"}


def _logging_update(call: Call):
    _logging_put(call)
    return {"ManagedByFirewallManager": "false"}


def _logging_delete(call: Call):
    records.remove(call.account, call.region, "AWS::WAFv2::LoggingConfiguration", call.physical_id)


# Alarms

def _composite_put(call: Call, name: str) -> dict:
    client = call.client("cloudwatch")
    values = without(call.props, "Tags") | {"AlarmName": name}
    client.put_composite_alarm(**fit(client, "put_composite_alarm", values))
    return {"Arn": f"arn:aws:cloudwatch:{call.region}:{call.account}:alarm:{name}"}


def _composite_create(call: Call):
    name = call.props.get("AlarmName") or call.name(255)
    return name, _composite_put(call, name)


def _composite_update(call: Call):
    return _composite_put(call, call.physical_id)


def _composite_delete(call: Call):
    absent_is_done(lambda: call.client("cloudwatch").delete_alarms(AlarmNames=[call.physical_id]),
                   "ResourceNotFound")


# Further certificates of a listener

def _listener_certificate_create(call: Call):
    arns = [c["CertificateArn"] for c in call.props["Certificates"]]
    if len(arns) != 1:
        raise Refused("Certificates: exactly one certificate is allowed per resource")
    call.client("elbv2").add_listener_certificates(
        ListenerArn=call.props["ListenerArn"], Certificates=[{"CertificateArn": arns[0]}])
    return f"{call.props['ListenerArn']}|{arns[0]}", {}


def _listener_certificate_delete(call: Call):
    listener, arn = call.physical_id.split("|")
    absent_is_done(lambda: call.client("elbv2").remove_listener_certificates(
        ListenerArn=listener, Certificates=[{"CertificateArn": arn}]), "ListenerNotFound")


# Capacity providers of a cluster

def _providers_put(call: Call, providers: list, strategy: list) -> None:
    client = call.client("ecs")
    client.put_cluster_capacity_providers(**fit(client, "put_cluster_capacity_providers", {
        "Cluster": call.props["Cluster"], "CapacityProviders": providers,
        "DefaultCapacityProviderStrategy": strategy}))


def _providers_create(call: Call):
    _providers_put(call, call.props["CapacityProviders"], call.props.get("DefaultCapacityProviderStrategy") or [])
    return call.props["Cluster"], {}


def _providers_update(call: Call):
    _providers_create(call)
    return {}


def _providers_delete(call: Call):
    absent_is_done(lambda: _providers_put(call, [], []), "ClusterNotFoundException")


TYPES = (
    Type("AWS::ApplicationAutoScaling::ScalableTarget", _target_create, _target_delete, _target_update,
         frozenset({"ResourceId", "ScalableDimension", "ServiceNamespace"})),
    Type("AWS::ApplicationAutoScaling::ScalingPolicy", _policy_create, _policy_delete, _policy_update,
         frozenset({"PolicyName", "ResourceId", "ScalableDimension", "ScalingTargetId", "ServiceNamespace"})),
    Type("AWS::CodeDeploy::Application", _application_create, _application_delete, _application_update,
         frozenset({"ApplicationName", "ComputePlatform"})),
    Type("AWS::CodeDeploy::DeploymentConfig", _deployment_config_create, _deployment_config_delete,
         replace_on=frozenset({"ComputePlatform", "DeploymentConfigName", "MinimumHealthyHosts",
                               "TrafficRoutingConfig", "ZonalConfig"})),
    Type("AWS::CodeDeploy::DeploymentGroup", _deployment_group_create, _deployment_group_delete,
         _deployment_group_update, frozenset({"ApplicationName", "DeploymentGroupName"})),
    Type("AWS::WAFv2::WebACLAssociation", _association_create, _association_delete,
         replace_on=frozenset({"ResourceArn", "WebACLArn"})),
    Type("AWS::WAFv2::IPSet", _ip_set_create, _ip_set_delete, _ip_set_update,
         frozenset({"IPAddressVersion", "Name", "Scope"})),
    Type("AWS::WAFv2::LoggingConfiguration", _logging_create, _logging_delete, _logging_update,
         frozenset({"ResourceArn"}), record_only=True),
    Type("AWS::CloudWatch::CompositeAlarm", _composite_create, _composite_delete, _composite_update,
         frozenset({"AlarmName"})),
    Type("AWS::ElasticLoadBalancingV2::ListenerCertificate", _listener_certificate_create,
         _listener_certificate_delete, replace_on=frozenset({"Certificates", "ListenerArn"})),
    Type("AWS::ECS::ClusterCapacityProviderAssociations", _providers_create, _providers_delete, _providers_update,
         frozenset({"Cluster"})),
)
"""The types of this file."""
