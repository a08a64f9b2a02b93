"""A service of two colours for the live tests: its template, its deployments, and what can be seen of them."""

from __future__ import annotations

import json
import time
from pathlib import Path

RESOURCES = json.loads((Path(__file__).parent / "everything.json").read_text())

# It reports what its event sees (in SSM, by event), and answers as it is told.
HOOK = '''
import json, os, boto3

def handler(event, context):
    deploy, name = boto3.client("codedeploy"), event["DeploymentId"]
    ids = deploy.list_deployment_targets(deploymentId=name)["targetIds"]
    target = deploy.batch_get_deployment_targets(deploymentId=name, targetIds=ids)["deploymentTargets"][0]["ecsTarget"]
    now = next(e["lifecycleEventName"] for e in target["lifecycleEvents"] if e["status"] == "InProgress")
    seen = {}
    for side in ("PRODUCTION", "TEST"):
        for rule in boto3.client("elbv2").describe_rules(ListenerArn=os.environ[side])["Rules"]:
            for action in rule["Actions"]:
                for group in (action.get("ForwardConfig") or {}).get("TargetGroups") or []:
                    seen.setdefault(side, {})[group["TargetGroupArn"].split("/")[-2]] = group["Weight"]
    seen["sets"] = [[s["taskSetLabel"], s["status"], s["runningCount"], s["trafficWeight"]] for s in target["taskSetsInfo"]]
    boto3.client("ssm").put_parameter(Name=f"/seen/{name}/{now}", Value=json.dumps(seen), Type="String")
    answer = os.environ.get(now) or "Succeeded"
    if answer == "silent":
        return
    if answer == "crash":
        raise RuntimeError("told to crash")
    deploy.put_lifecycle_event_hook_execution_status(deploymentId=name, status=answer,
        lifecycleEventHookExecutionId=event["LifecycleEventHookExecutionId"])
'''

EVENTS = ("BeforeInstall", "AfterInstall", "AfterAllowTestTraffic", "BeforeAllowTraffic", "AfterAllowTraffic")


def template(image: str, count: int = 2, routing: dict | None = None, service: dict | None = None) -> dict:
    """The stack: load balancer with production (80, one host) and test listener (9000), service, hook, deployment group."""
    r = {k: json.loads(json.dumps(RESOURCES[k])) for k in "Vpc Sn Sn2 Sg Lg Role Cl Lb Tg Tg2 Td Svc CdApp CdDg CdRole Alarm".split()}
    r["Cl"]["Properties"] = {"ClusterName": "bg"}
    r["Lb"]["Properties"]["Name"] = "bg-lb"
    for key, name in (("Tg", "bg-blue"), ("Tg2", "bg-green")):
        r[key]["Properties"] |= {"Name": name, "HealthCheckPath": "/health"}
    r["Prod"] = {"Type": "AWS::ElasticLoadBalancingV2::Listener", "Properties": {
        "LoadBalancerArn": {"Ref": "Lb"}, "Port": 80, "Protocol": "HTTP",
        "DefaultActions": [{"Type": "fixed-response", "FixedResponseConfig": {"StatusCode": "404", "MessageBody": "no host"}}]}}
    r["Rule"] = {"Type": "AWS::ElasticLoadBalancingV2::ListenerRule", "Properties": {
        "ListenerArn": {"Ref": "Prod"}, "Priority": 1, "Actions": [{"Type": "forward", "TargetGroupArn": {"Ref": "Tg"}}],
        "Conditions": [{"Field": "path-pattern", "PathPatternConfig": {"Values": ["/*"]}}]}}
    r["Test"] = {"Type": "AWS::ElasticLoadBalancingV2::Listener", "Properties": {
        "LoadBalancerArn": {"Ref": "Lb"}, "Port": 9000, "Protocol": "HTTP",
        "DefaultActions": [{"Type": "forward", "TargetGroupArn": {"Ref": "Tg"}}]}}
    definition = r["Td"]["Properties"]
    definition["Family"] = "bg"
    container = definition["ContainerDefinitions"][0]
    container.pop("Secrets")
    container |= {"Image": image, "Environment": [{"Name": "APP_ENVIRONMENT", "Value": "one"}]}
    r["Svc"]["Properties"] |= {
        "ServiceName": "bg-svc", "DesiredCount": count, "TaskDefinition": "bg", "DeploymentController": {"Type": "CODE_DEPLOY"},
        "DeploymentConfiguration": {"MaximumPercent": 200, "MinimumHealthyPercent": 100}} | (service or {})
    for unwanted in ("CapacityProviderStrategy",):
        r["Svc"]["Properties"].pop(unwanted)
    r["Svc"]["Properties"]["LaunchType"] = "FARGATE"
    r["Svc"]["DependsOn"] = ["Rule", "Test", "Td"]
    r["Alarm"]["Properties"].pop("AlarmActions")
    r["Alarm"]["Properties"]["AlarmName"] = "bg-alarm"
    r["CdApp"]["Properties"]["ApplicationName"] = "bg-app"
    r["Cfg"] = {"Type": "AWS::CodeDeploy::DeploymentConfig", "Properties": {
        "ComputePlatform": "ECS", "DeploymentConfigName": "bg-cfg", "TrafficRoutingConfig": routing or {
            "Type": "TimeBasedLinear", "TimeBasedLinear": {"LinearInterval": 1, "LinearPercentage": 50}}}}
    group = r["CdDg"]["Properties"]
    group |= {"DeploymentGroupName": "bg-dg", "DeploymentConfigName": {"Ref": "Cfg"}}
    group["AutoRollbackConfiguration"]["Events"] = [
        "DEPLOYMENT_FAILURE", "DEPLOYMENT_STOP_ON_ALARM", "DEPLOYMENT_STOP_ON_REQUEST"]
    pair = group["LoadBalancerInfo"]["TargetGroupPairInfoList"][0]
    pair |= {"ProdTrafficRoute": {"ListenerArns": [{"Ref": "Prod"}]}, "TestTrafficRoute": {"ListenerArns": [{"Ref": "Test"}]}}
    r["Hook"] = {"Type": "AWS::Lambda::Function", "Properties": {
        "FunctionName": "bg-hook", "Runtime": "python3.12", "Handler": "index.handler", "Timeout": 60, "Code": {"ZipFile": HOOK},
        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
        "Environment": {"Variables": {"PRODUCTION": {"Ref": "Prod"}, "TEST": {"Ref": "Test"}}}}}
    r["Queue"] = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "bg-events"}}
    r["Events"] = {"Type": "AWS::Events::Rule", "Properties": {
        "EventPattern": {"source": ["aws.codedeploy"], "detail-type": ["CodeDeploy Deployment State-change Notification"],
                         "detail": {"application": ["bg-app"]}},
        "Targets": [{"Id": "q", "Arn": {"Fn::GetAtt": ["Queue", "Arn"]}}]}}
    return {"Resources": r, "Outputs": {"Prod": {"Value": {"Ref": "Prod"}}, "Test": {"Value": {"Ref": "Test"}}}}


class Service:
    """The stack's service, deployed to and looked at as anybody would."""

    def __init__(self, aws):
        self.aws = aws

    def revision(self, **variables: str) -> str:
        """A new revision of the task definition with these variables; its ARN."""
        ecs = self.aws.client("ecs")
        now = ecs.describe_task_definition(taskDefinition="bg")["taskDefinition"]
        container = now["containerDefinitions"][0] | {"environment": [{"name": k, "value": v} for k, v in variables.items()]}
        kept = {k: now[k] for k in ("family", "cpu", "memory", "networkMode", "requiresCompatibilities", "executionRoleArn",
                                    "taskRoleArn", "volumes")}
        return ecs.register_task_definition(**kept, containerDefinitions=[container])["taskDefinition"]["taskDefinitionArn"]

    def start(self, definition: str, hooks=EVENTS, **more) -> str:
        """Starts a deployment, and returns its ID."""
        spec = {"version": "0.0", "Resources": [{"TargetService": {"Type": "AWS::ECS::Service", "Properties": {
            "TaskDefinition": definition, "LoadBalancerInfo": {"ContainerName": "app", "ContainerPort": 8080}}}}],
            "Hooks": [{event: "bg-hook"} for event in hooks]}
        return self.aws.client("codedeploy").create_deployment(
            applicationName="bg-app", deploymentGroupName="bg-dg",
            revision={"revisionType": "AppSpecContent", "appSpecContent": {"content": json.dumps(spec)}}, **more)["deploymentId"]

    def hook_says(self, **answers: str) -> None:
        """What the hook answers at which event; it is Succeeded otherwise."""
        client = self.aws.client("lambda")
        now = client.get_function_configuration(FunctionName="bg-hook")["Environment"]["Variables"]
        client.update_function_configuration(FunctionName="bg-hook", Environment={"Variables": {
            k: now[k] for k in ("PRODUCTION", "TEST")} | answers})

    def deployment(self, identity: str) -> dict:
        return self.aws.client("codedeploy").get_deployment(deploymentId=identity)["deploymentInfo"]

    def until(self, what, seconds: float = 60):
        """Waits until what() is true, and returns it."""
        deadline = time.monotonic() + seconds
        while not (found := what()):
            assert time.monotonic() < deadline, "it didn't come true in time"
            time.sleep(0.05)
        return found

    def ended(self, identity: str, seconds: float = 90) -> dict:
        """The deployment once it has ended."""
        return self.until(lambda: (d := self.deployment(identity))["status"] in ("Succeeded", "Failed", "Stopped") and d, seconds)

    def rolled_back(self, identity: str) -> dict:
        """The rollback of a deployment once that has ended."""
        return self.ended(self.ended(identity)["rollbackInfo"]["rollbackDeploymentId"])

    def at(self, identity: str, event: str) -> None:
        """Waits until a lifecycle event is at work."""
        self.until(lambda: self.events(identity).get(event) == "InProgress")

    def target(self, identity: str) -> dict:
        client = self.aws.client("codedeploy")
        ids = client.list_deployment_targets(deploymentId=identity)["targetIds"]
        return client.batch_get_deployment_targets(deploymentId=identity, targetIds=ids)["deploymentTargets"][0]["ecsTarget"]

    def events(self, identity: str) -> dict[str, str]:
        return {e["lifecycleEventName"]: e["status"] for e in self.target(identity)["lifecycleEvents"]}

    def seen(self, identity: str, event: str) -> dict:
        """What the hook saw at an event."""
        return json.loads(self.aws.client("ssm").get_parameter(Name=f"/seen/{identity}/{event}")["Parameter"]["Value"])

    def describe(self) -> dict:
        return self.aws.client("ecs").describe_services(cluster="bg", services=["bg-svc"])["services"][0]

    def primary(self) -> dict:
        (found,) = [s for s in self.describe()["taskSets"] if s["status"] == "PRIMARY"]
        return found

    def tasks(self) -> dict[str, str]:
        """The running tasks' ARNs with their revisions' ARNs."""
        ecs = self.aws.client("ecs")
        arns = ecs.list_tasks(cluster="bg", serviceName="bg-svc")["taskArns"]
        found = ecs.describe_tasks(cluster="bg", tasks=arns)["tasks"] if arns else []
        return {t["taskArn"]: t["taskDefinitionArn"] for t in found}

    def weights(self, side: str) -> dict[str, int]:
        """The weights of the target groups behind the listener Prod or Test, by name."""
        stack = self.aws.client("cloudformation").describe_stacks(StackName="bg")["Stacks"][0]
        found = {}
        for rule in self.aws.client("elbv2").describe_rules(ListenerArn=self.aws.outputs(stack)[side])["Rules"]:
            for action in rule["Actions"]:
                for group in (action.get("ForwardConfig") or {}).get("TargetGroups") or []:
                    found[group["TargetGroupArn"].split("/")[-2]] = group["Weight"]
        return found

    def notifications(self) -> list[tuple[str, str]]:
        """The (deployment, state) pairs that came on the bus since the last call."""
        sqs, found = self.aws.client("sqs"), []
        url = sqs.get_queue_url(QueueName="bg-events")["QueueUrl"]
        while messages := sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages"):
            for message in messages:
                detail = json.loads(message["Body"])["detail"]
                found.append((detail["deploymentId"], detail["state"]))
                sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
        return found
