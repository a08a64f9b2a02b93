"""ECS task definitions and services, in place of ministack's types.

ministack's drop the runtime platform and ephemeral storage of a task definition, and the deployment controller,
grace period and changed tags of a service; and they report a service as made before its tasks run. Here all of it
reaches the API, and a service is complete when its tasks are, as with CloudFormation.
"""

from __future__ import annotations

import os
import time

from .types_base import Call, Refused, Type, absent_is_done, error_code, fit, tags_lower, text, without

STABLE_SECONDS = int(os.environ.get("SLIPWAY_STABLE_SECONDS", "180"))
"""How long a service may take to become stable (three hours on AWS)."""


# Task definitions

def task_definition(client, props: dict, family: str) -> dict:
    """The parameters of RegisterTaskDefinition for an AWS::ECS::TaskDefinition."""
    values = without(props, "Tags", "Family")
    # A template may give numbers where the API wants strings; only these two are numeric strings.
    for name in ("Cpu", "Memory"):
        if values.get(name) is not None:
            values[name] = text(values[name])
    parameters = fit(client, "register_task_definition", values) | {"family": family}
    if "FARGATE" in parameters.get("requiresCompatibilities", []):
        missing = [n for n in ("cpu", "memory", "executionRoleArn") if not parameters.get(n)]
        if missing and missing != ["executionRoleArn"]:
            raise Refused(f"Fargate requires that {', '.join(missing)} be defined at the task level")
        if parameters.get("networkMode") != "awsvpc":
            raise Refused("Fargate only supports network mode awsvpc")
    if props.get("Tags"):
        parameters["tags"] = tags_lower(props["Tags"])
    return parameters


def _definition_create(call: Call):
    client = call.client("ecs")
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ecs-taskdefinition.html
    family = call.props.get("Family") or call.name(255)
    arn = client.register_task_definition(**task_definition(client, call.props, family))[
        "taskDefinition"]["taskDefinitionArn"]
    return arn, {"TaskDefinitionArn": arn}


def _definition_update(call: Call):
    _retag(call, call.physical_id)
    return {"TaskDefinitionArn": call.physical_id}


def _definition_delete(call: Call):
    absent_is_done(lambda: call.client("ecs").deregister_task_definition(taskDefinition=call.physical_id),
                   "ClientException")


def _retag(call: Call, arn: str) -> None:
    client = call.client("ecs")
    new, old = tags_lower(call.props.get("Tags")), tags_lower(call.old.get("Tags"))
    dropped = {t["key"] for t in old} - {t["key"] for t in new}
    if dropped:
        client.untag_resource(resourceArn=arn, tagKeys=sorted(dropped))
    if new and new != old:
        client.tag_resource(resourceArn=arn, tags=new)


# Services


def cluster_name(value: str) -> str:
    """A cluster's name from its name or ARN."""
    return text(value).rsplit("/", 1)[-1] or "default"


def service_parameters(client, operation: str, props: dict) -> dict:
    """The parameters of CreateService or UpdateService in the spelling of the API."""
    values = without(props, "Tags", "ServiceName", "Cluster")
    # DescribeServices answers with what was set; an API call may not carry both.
    if values.get("LaunchType") and values.get("CapacityProviderStrategy"):
        raise Refused("specifying both a launch type and capacity provider strategy is not supported")
    if operation == "update_service":
        values = without(values, "LaunchType", "SchedulingStrategy", "Role", "DeploymentController")
    controller = (props.get("DeploymentController") or {}).get("Type", "ECS")
    deployment = dict(values.get("DeploymentConfiguration") or {})
    if controller != "ECS" and (deployment.get("DeploymentCircuitBreaker") or deployment.get("Alarms")):
        raise Refused("the deployment circuit breaker and alarms need the ECS deployment controller")
    for name in ("LoadBalancers",):
        # The template has no load balancer name for an application load balancer; an empty one is refused.
        if values.get(name):
            values[name] = [{k: v for k, v in item.items() if v != ""} for item in values[name]]
    return fit(client, operation, values)


def _service_create(call: Call):
    client = call.client("ecs")
    cluster = cluster_name(call.props.get("Cluster") or "default")
    name = call.props.get("ServiceName") or call.name(255)
    parameters = service_parameters(client, "create_service", call.props)
    # A service without a desired count starts with one task.
    parameters.setdefault("desiredCount", 1)
    if call.props.get("Tags"):
        parameters["tags"] = tags_lower(call.props["Tags"])
    made = client.create_service(cluster=cluster, serviceName=name, **parameters)["service"]
    call.physical_id = made["serviceArn"]
    _wait_until_stable(call, cluster, name)
    return made["serviceArn"], {"ServiceArn": made["serviceArn"], "Name": name}


def _service_update(call: Call):
    client = call.client("ecs")
    cluster, name = call.physical_id.split("/")[-2:]
    changed = {k: v for k, v in call.props.items() if call.changed(k)}
    if "DeploymentController" in changed:
        raise Refused("a change of the deployment controller isn't emulated: delete the service first")
    if changed and call.props.get("DesiredCount") is not None:
        # CloudFormation states it in each update, so it undoes what autoscaling or a person set meanwhile.
        changed["DesiredCount"] = call.props["DesiredCount"]
    # What a service with the controller CODE_DEPLOY can't change, UpdateService refuses in AWS's words.
    parameters = service_parameters(client, "update_service", changed)
    if parameters:
        client.update_service(cluster=cluster, service=name, **parameters)
    _retag(call, call.physical_id)
    if parameters:
        _wait_until_stable(call, cluster, name)
    return {"ServiceArn": call.physical_id, "Name": name}


def _service_delete(call: Call):
    client = call.client("ecs")
    cluster, name = call.physical_id.split("/")[-2:]
    try:
        client.delete_service(cluster=cluster, service=name, force=True)
    except client.exceptions.ClientError as failed:
        if error_code(failed) not in ("ServiceNotFoundException", "ClusterNotFoundException"):
            raise


def _wait_until_stable(call: Call, cluster: str, name: str) -> None:
    """Waits for running tasks and healthy targets, as CloudFormation does; raises with the reasons otherwise."""
    client = call.client("ecs")
    deadline = time.monotonic() + STABLE_SECONDS
    while True:
        found = client.describe_services(cluster=cluster, services=[name])["services"]
        if not found or found[0]["status"] != "ACTIVE":
            return  # deleted meanwhile: nothing to wait for
        service = found[0]
        # With task sets the primary one is what has to be stable; a deployment may be starting another one.
        counted = next((s for s in service.get("taskSets") or [] if s["status"] == "PRIMARY"), service)
        primary = next((d for d in service["deployments"] if d["status"] == "PRIMARY"), {})
        if primary.get("rolloutState") == "FAILED":
            raise ValueError(f"Error occurred during operation 'ECS Deployment Circuit Breaker was triggered'. "
                             f"{primary.get('rolloutStateReason', '')} {_stop_reasons(client, cluster, name)}")
        if (counted["runningCount"] == service["desiredCount"] and not counted.get("pendingCount")
                and len(service["deployments"]) <= 1 and not _not_healthy(call, service)):
            return
        if time.monotonic() > deadline:
            raise ValueError(f"service {cluster}/{name} did not stabilize within {STABLE_SECONDS} s: "
                             f"{counted['runningCount']} of {service['desiredCount']} tasks run. "
                             f"{_not_healthy(call, service)} "
                             f"{_stop_reasons(client, cluster, name)}")
        time.sleep(0.2)


def _not_healthy(call: Call, service: dict) -> str:
    """What keeps the service's targets from being healthy; empty when nothing does.

    Tasks without an address (no container engine) have no targets, so nothing is waited for.
    """
    for balancer in service.get("loadBalancers") or []:
        described = call.client("elbv2").describe_target_health(TargetGroupArn=balancer["targetGroupArn"])
        for target in described["TargetHealthDescriptions"]:
            health = target["TargetHealth"]
            if health["State"] in ("initial", "unhealthy"):
                return f"Target {target['Target']['Id']} is {health['State']}: {health.get('Description', '')}"
    return ""


def _stop_reasons(client, cluster: str, name: str) -> str:
    arns = client.list_tasks(cluster=cluster, serviceName=name, desiredStatus="STOPPED")["taskArns"][:10]
    if not arns:
        return ""
    tasks = client.describe_tasks(cluster=cluster, tasks=arns)["tasks"]
    reasons = sorted({t.get("stoppedReason", "") for t in tasks} - {""})
    return "Tasks stopped: " + "; ".join(reasons) if reasons else ""


TYPES = (
    # Every property but the tags makes a new revision, whose ARN is the new Ref.
    Type("AWS::ECS::TaskDefinition", _definition_create, _definition_delete, _definition_update,
         frozenset({"ContainerDefinitions", "Cpu", "EnableFaultInjection", "EphemeralStorage", "ExecutionRoleArn",
                    "Family", "InferenceAccelerators", "IpcMode", "Memory", "NetworkMode", "PidMode",
                    "PlacementConstraints", "ProxyConfiguration", "RequiresCompatibilities", "RuntimePlatform",
                    "TaskRoleArn", "Volumes"})),
    Type("AWS::ECS::Service", _service_create, _service_delete, _service_update,
         frozenset({"Cluster", "LaunchType", "Role", "SchedulingStrategy", "ServiceName"})),
)
"""The types of this file."""
