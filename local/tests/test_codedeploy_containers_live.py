"""CodeDeploy's deployments to ECS with real containers of flaskapp, and users who send requests all the while."""

from __future__ import annotations

import http.client
import json
import threading
import time

import pytest

from local import instance

from .bluegreen import Service, template
from .conftest import TAG

pytestmark = pytest.mark.usefixtures("with_engine")


class Users:
    """Requests to the production listener, one after the other, as long as the block lasts."""

    def __init__(self, aws):
        self._port = int(aws.endpoint.rsplit(":", 1)[1])
        self._stop = threading.Event()
        self.served: list[str] = []
        """Which environment answered, a request each."""
        self.failed: list[str] = []

    def ask(self, port: int = 80, timeout: float = 20) -> str:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=timeout)
        try:
            connection.request("GET", "/_alb/bg-lb/version", headers={"Host": f"app.example.com:{port}"})
            response = connection.getresponse()
            body = response.read().decode(errors="replace")
            assert response.status == 200, f"{response.status} {body[:200]}"
            return json.loads(body)["environment"]
        finally:
            connection.close()

    def _send(self):
        while not self._stop.is_set():
            try:
                self.served.append(self.ask())
            except (AssertionError, OSError, http.client.HTTPException, ValueError) as fault:
                self.failed.append(f"after {len(self.served)}: {fault!r}")
            time.sleep(0.02)

    def __enter__(self):
        self._thread = threading.Thread(target=self._send)
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()

    def turns(self) -> list[str]:
        """The environments in the order in which they began to answer."""
        return list(dict.fromkeys(self.served))


@pytest.fixture(scope="module")
def service(aws, pushed):
    image = {"Fn::Sub": "${AWS::AccountId}.dkr.ecr.${AWS::Region}.amazonaws.com/simple-flask-app:" + TAG}
    made = aws.put("bg", template(image))
    assert made["StackStatus"] == "CREATE_COMPLETE", aws.reasons("bg")
    yield Service(aws)
    aws.delete("bg")


def containers(service) -> list[str]:
    """The environments of the service's running containers."""
    found = []
    for container in instance.containers(service.aws.directory, instance.load(service.aws.directory).engine):
        container.reload()
        variables = dict(v.partition("=")[::2] for v in container.attrs["Config"]["Env"])
        if container.status == "running" and "APP_ENVIRONMENT" in variables:
            found.append(variables["APP_ENVIRONMENT"])
    return sorted(found)


def test_users_get_the_new_version_and_no_request_fails(service):
    service.hook_says()
    with Users(service.aws) as users:
        service.until(lambda: len(users.served) > 10)
        identity = service.start(service.revision(APP_ENVIRONMENT="two"))
        ended = service.ended(identity, 180)
        seen = len(users.served)
        service.until(lambda: len(users.served) > seen + 10)
    assert ended["status"] == "Succeeded", ended
    assert users.failed == [] and users.turns() == ["one", "two"] and set(users.served[-10:]) == {"two"}
    assert containers(service) == ["two", "two"]


def test_green_answers_at_the_test_listener_only_and_a_stop_takes_it_away(service):
    service.hook_says(AfterAllowTestTraffic="silent")
    with Users(service.aws) as users:
        identity = service.start(service.revision(APP_ENVIRONMENT="three"))
        service.until(lambda: service.deployment(identity)["status"] == "InProgress" and (
            service.events(identity)["AfterAllowTestTraffic"] == "InProgress"), 180)
        assert [users.ask(9000) for _ in range(4)] == ["three"] * 4
        assert containers(service) == ["three", "three", "two", "two"]
        service.aws.client("codedeploy").stop_deployment(deploymentId=identity, autoRollbackEnabled=True)
        assert service.rolled_back(identity)["status"] == "Succeeded"
        assert users.ask(9000) == "two"
    assert users.failed == [] and users.turns() == ["two"] and len(users.served) > 10
    assert containers(service) == ["two", "two"]


def test_a_version_that_does_not_start_never_gets_users(service):
    service.hook_says()
    ecs = service.aws.client("ecs")
    # The application ends at once where a setting is wrong.
    definition = service.revision(APP_ENVIRONMENT="No Stage's Name")
    with Users(service.aws) as users:
        identity = service.start(definition)
        def ended_tasks():
            arns = ecs.list_tasks(cluster="bg", serviceName="bg-svc", desiredStatus="STOPPED")["taskArns"]
            tasks = ecs.describe_tasks(cluster="bg", tasks=arns)["tasks"] if arns else []
            return [t for t in tasks if t["taskDefinitionArn"] == definition and t["stopCode"] == "EssentialContainerExited"]
        service.until(lambda: len(ended_tasks()) >= 3, 120)
        assert service.events(identity)["Install"] == "InProgress"
        service.aws.client("codedeploy").stop_deployment(deploymentId=identity)
        assert service.rolled_back(identity)["status"] == "Succeeded"
    assert users.failed == [] and users.turns() == ["two"]
    assert containers(service) == ["two", "two"]


def test_a_container_that_dies_is_replaced_by_the_version_that_serves(service):
    before = service.tasks()
    victim = next(c for c in instance.containers(service.aws.directory, instance.load(service.aws.directory).engine)
                  if c.attrs["Labels"].get("com.amazonaws.ecs.task-arn") in before)
    victim.kill()
    service.until(lambda: len(service.tasks()) == 2 and set(service.tasks()) != set(before), 60)
    service.until(lambda: service.primary()["stabilityStatus"] == "STEADY_STATE", 60)
    assert containers(service) == ["two", "two"] and set(service.tasks().values()) == {service.primary()["taskDefinition"]}


def test_after_a_restart_the_version_that_served_serves_again(service):
    instance.down(service.aws.directory)
    instance.up(service.aws.directory, 0)
    service.until(lambda: service.primary()["runningCount"] == 2, 90)
    users = Users(service.aws)
    def answers():
        try:
            return users.ask()
        except (AssertionError, OSError):
            return None
    assert service.until(answers, 60) == "two"
    assert containers(service) == ["two", "two"]
