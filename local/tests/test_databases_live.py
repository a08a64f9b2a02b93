"""Databases of templates: reached with TLS from this machine, from a task and from a Lambda; kept, changed and gone."""

from __future__ import annotations

import io
import json
import os
import ssl
import time
import zipfile

import docker
import psycopg2
import pytest
from docker.errors import NotFound

from local import databases, engine, instance, postgres_images, standin, standin_postgres

from .conftest import TAG

pytestmark = pytest.mark.usefixtures("with_engine")
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="entering a container's network needs root")


def template(parameters: dict | None = None, password_of: str = "Secret", replica: bool = False) -> dict:
    """A secret, a parameter group, an instance and the attachment of both, as CDK makes them."""
    def secret():
        return {"Type": "AWS::SecretsManager::Secret", "Properties": {"GenerateSecretString": {
            "ExcludeCharacters": " /@\"'\\", "GenerateStringKey": "password", "PasswordLength": 30,
            "SecretStringTemplate": '{"username":"slipway_admin","dbname":"app"}'}}}

    resources = {
        "Secret": secret(), "Other": secret(),
        "Group": {"Type": "AWS::RDS::DBParameterGroup", "Properties": {
            "Family": "postgres17", "Description": "x", "Parameters": parameters or {"rds.force_ssl": "1"}}},
        "Db": {"Type": "AWS::RDS::DBInstance", "Properties": {
            "DBInstanceIdentifier": "live", "DBName": "app", "DBInstanceClass": "db.t4g.micro", "AllocatedStorage": "20",
            "Engine": "postgres", "EngineVersion": "17", "Port": "5432", "DBParameterGroupName": {"Ref": "Group"},
            "MasterUsername": "slipway_admin", "MasterUserPassword": {"Fn::Join": ["", [
                "{{resolve:secretsmanager:", {"Ref": password_of}, ":SecretString:password::}}"]]}}},
        "Attachment": {"Type": "AWS::SecretsManager::SecretTargetAttachment", "Properties": {
            "SecretId": {"Ref": password_of}, "TargetId": {"Ref": "Db"}, "TargetType": "AWS::RDS::DBInstance"}},
    }
    if replica:
        resources["Replica"] = {"Type": "AWS::RDS::DBInstance", "Properties": {
            "DBInstanceIdentifier": "live-replica", "DBInstanceClass": "db.t4g.micro",
            "SourceDBInstanceIdentifier": {"Ref": "Db"}}}
    return {"Resources": resources, "Outputs": {
        "Host": {"Value": {"Fn::GetAtt": ["Db", "Endpoint.Address"]}},
        "Port": {"Value": {"Fn::GetAtt": ["Db", "Endpoint.Port"]}}, "Secret": {"Value": {"Ref": "Attachment"}}}}


def login(aws) -> dict:
    """What the secret says, as libpq's parameters, with the strictest TLS."""
    stack = aws.client("cloudformation").describe_stacks(StackName="database")["Stacks"][0]
    text = aws.client("secretsmanager").get_secret_value(SecretId=aws.outputs(stack)["Secret"])["SecretString"]
    value = json.loads(text)
    return {"host": value["host"], "port": value["port"], "dbname": value["dbname"], "user": value["username"],
            "password": value["password"], "sslmode": "verify-full",
            "sslrootcert": str(aws.directory / instance.DATABASE_CA)}


def ask(parameters: dict, statement: str) -> list:
    connection = psycopg2.connect(**parameters, connect_timeout=5)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()


def wait_for(condition, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it didn't happen in time"
        time.sleep(0.2)


def refused(parameters: dict) -> str:
    try:
        ask(parameters, "SELECT 1")
    except psycopg2.OperationalError as failed:
        return str(failed)
    return ""


@pytest.fixture(scope="module")
def client():
    return docker.DockerClient(base_url=engine.find().host, timeout=120)


@pytest.fixture(scope="module")
def database(aws):
    made = aws.put("database", template(replica=True))
    assert made["StackStatus"] == "CREATE_COMPLETE", aws.reasons("database")
    yield aws.outputs(made)
    aws.delete("database")


def test_the_secret_and_the_attributes_lead_to_the_same_database(aws, database):
    text = aws.client("secretsmanager").get_secret_value(SecretId=database["Secret"])["SecretString"]
    value = json.loads(text)
    # https://docs.aws.amazon.com/secretsmanager/latest/userguide/reference_secret_json_structure.html
    assert set(value) == {"engine", "host", "port", "dbname", "username", "password"}
    assert (value["engine"], value["host"], str(value["port"])) == ("postgres", database["Host"], database["Port"])
    described = aws.client("rds").describe_db_instances(DBInstanceIdentifier="live")["DBInstances"][0]
    assert described["DBInstanceStatus"] == "available"
    assert described["Endpoint"]["Address"] == database["Host"]


def test_this_machine_connects_with_the_certificate_and_name_verified(aws, database):
    [(encrypted, version)] = ask(login(aws), "SELECT ssl, version FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
    assert encrypted and version in ("TLSv1.2", "TLSv1.3")


def test_a_plain_connection_is_refused_as_rds_refuses_it(aws, database):
    assert "no encryption" in refused(login(aws) | {"sslmode": "disable"})


def test_another_authority_is_refused(aws, database):
    assert "certificate verify failed" in refused(login(aws) | {
        "sslrootcert": ssl.get_default_verify_paths().cafile or ssl.get_default_verify_paths().openssl_cafile})


def test_a_wrong_password_is_refused(aws, database):
    assert "password authentication failed" in refused(login(aws) | {"password": "wrong"})


def test_the_master_has_the_rights_that_it_has_on_rds(aws, database):
    [(superuser, create_db, create_role)] = ask(
        login(aws), "SELECT rolsuper, rolcreatedb, rolcreaterole FROM pg_roles WHERE rolname = current_user")
    assert (superuser, create_db, create_role) == (False, True, True)
    assert ask(login(aws), "SELECT pg_has_role('rds_superuser', 'member')") == [(True,)]
    assert ask(login(aws), "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = 'app'") == [
        ("slipway_admin",)]
    ask(login(aws), 'CREATE DATABASE "qa-branch"')
    ask(login(aws), 'DROP DATABASE "qa-branch"')
    with pytest.raises(psycopg2.errors.InsufficientPrivilege):
        ask(login(aws), "COPY (SELECT 1) TO PROGRAM 'true'")


def test_its_port_is_on_the_loopback_address_only(aws, database, client):
    container = client.containers.get(name(aws))
    bindings = container.attrs["NetworkSettings"]["Ports"]["5432/tcp"]
    assert {b["HostIp"] for b in bindings} == {"127.0.0.1"}


def name(aws) -> str:
    return f"{instance.label(aws.directory)}-rds-000000000000-eu-west-1-live"


def register(aws, database) -> str:
    ecs = aws.client("ecs")
    ecs.create_cluster(clusterName="one-off")
    if not aws.client("logs").describe_log_groups(logGroupNamePrefix="/one-off")["logGroups"]:
        aws.client("logs").create_log_group(logGroupName="/one-off")
    return ecs.register_task_definition(
        family="one-off", networkMode="awsvpc", requiresCompatibilities=["FARGATE"], cpu="256", memory="512",
        volumes=[{"name": "tmp"}], taskRoleArn="arn:aws:iam::000000000000:role/one-off",
        containerDefinitions=[{
            "name": "app", "essential": True, "readonlyRootFilesystem": True,
            "image": f"000000000000.dkr.ecr.eu-west-1.amazonaws.com/simple-flask-app:{TAG}",
            "environment": [{"name": "DATABASE_SECRET_ARN", "value": database["Secret"]},
                            {"name": "AWS_REGION", "value": "eu-west-1"}],
            "logConfiguration": {"logDriver": "awslogs", "options": {
                "awslogs-group": "/one-off", "awslogs-region": "eu-west-1", "awslogs-stream-prefix": "app"}},
            "mountPoints": [{"sourceVolume": "tmp", "containerPath": "/tmp"}]}],
    )["taskDefinition"]["taskDefinitionArn"]


def said(aws) -> str:
    """What the tasks wrote; it comes a little later than they end."""
    time.sleep(1)
    events = aws.client("logs").filter_log_events(logGroupName="/one-off")["events"]
    return "\n".join(e["message"] for e in events)


def run_task(aws, definition: str, code: str) -> dict:
    """One command with the application's image, as a migration is run: RunTask with an override, then its end."""
    ecs = aws.client("ecs")
    answer = ecs.run_task(
        cluster="one-off", taskDefinition=definition, launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-1"], "securityGroups": ["sg-1"]}},
        overrides={"containerOverrides": [{"name": "app", "command": ["python3", "-c", code]}]})
    assert answer["failures"] == []
    arn, found = answer["tasks"][0]["taskArn"], {}

    def stopped():
        found.update(ecs.describe_tasks(cluster="one-off", tasks=[arn])["tasks"][0])
        return found["lastStatus"] == "STOPPED"

    wait_for(stopped, 60)
    return found


@needs_root
def test_a_task_run_once_reaches_the_database_through_its_secret(aws, database, pushed):
    code = """
import json, os, boto3, psycopg
print("started")
secret = boto3.client("secretsmanager", region_name=os.environ["AWS_REGION"]).get_secret_value(SecretId=os.environ["DATABASE_SECRET_ARN"])
login = json.loads(secret["SecretString"])
with psycopg.connect(host=login["host"], port=login["port"], dbname=login["dbname"], user=login["username"],
                     password=login["password"], sslmode="verify-full",
                     sslrootcert=os.environ["DATABASE_CA_FILE"], connect_timeout=5) as connection:
    connection.execute("CREATE TABLE from_a_task AS SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
"""
    definition = register(aws, database)
    ended = run_task(aws, definition, code)
    assert ended["containers"][0]["exitCode"] == 0, said(aws)
    assert ask(login(aws), "SELECT ssl FROM from_a_task") == [(True,)]
    assert run_task(aws, definition, "raise SystemExit(3)")["containers"][0]["exitCode"] == 3


@needs_root
def test_a_task_that_runs_already_reaches_a_database_made_later(aws, database, pushed, client):
    ecs, definition = aws.client("ecs"), register(aws, database)
    arn = ecs.run_task(cluster="one-off", taskDefinition=definition, launchType="FARGATE", overrides={
        "containerOverrides": [{"name": "app", "command": ["sleep", "120"]}]}, networkConfiguration={
        "awsvpcConfiguration": {"subnets": ["subnet-1"]}})["tasks"][0]["taskArn"]
    wait_for(lambda: ecs.describe_tasks(cluster="one-off", tasks=[arn])["tasks"][0]["lastStatus"] == "RUNNING")
    aws.client("rds").create_db_instance(DBInstanceIdentifier="later", Engine="postgres", EngineVersion="17",
                                         DBInstanceClass="db.t4g.micro", MasterUsername="later", AllocatedStorage=20,
                                         MasterUserPassword="a password, 'quoted'")

    def described():
        return aws.client("rds").describe_db_instances(DBInstanceIdentifier="later")["DBInstances"][0]

    wait_for(lambda: described()["DBInstanceStatus"] == "available")
    endpoint = described()["Endpoint"]
    container = next(c for c in instance.containers(aws.directory, engine.find().host)
                     if (c.attrs.get("Labels") or {}).get("com.amazonaws.ecs.task-arn") == arn)
    code = f"import socket; socket.create_connection(({endpoint['Address']!r}, {endpoint['Port']}), timeout=5)"
    done = client.containers.get(container.id).exec_run(["python3", "-c", code])
    assert done.exit_code == 0, done.output
    assert ask(login(aws) | {"host": endpoint["Address"], "port": endpoint["Port"], "user": "later", "dbname": "mydb",
                             "password": "a password, 'quoted'"}, "SELECT 1") == [(1,)]
    aws.client("rds").delete_db_instance(DBInstanceIdentifier="later", SkipFinalSnapshot=True)
    ecs.stop_task(cluster="one-off", task=arn)
    with pytest.raises(NotFound):
        client.containers.get(name(aws).removesuffix("live") + "later")


def test_a_lambda_reaches_the_database(aws, database):
    source = """
import json, os, psycopg2
def handler(event, context):
    connection = psycopg2.connect(sslmode="verify-full", sslrootcert=os.environ["DATABASE_CA_FILE"], **event)
    with connection.cursor() as cursor:
        cursor.execute("SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()")
        return cursor.fetchone()[0]
"""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("index.py", source)
    functions = aws.client("lambda")
    functions.create_function(FunctionName="asks", Runtime="python3.13", Handler="index.handler", Timeout=20,
                              Role="arn:aws:iam::000000000000:role/x", Code={"ZipFile": packed.getvalue()})
    event = {k: v for k, v in login(aws).items() if not k.startswith("ssl")}
    answer = functions.invoke(FunctionName="asks", Payload=json.dumps(event))
    assert answer["Payload"].read() == b"true"
    functions.delete_function(FunctionName="asks")


def test_the_read_replica_is_a_record_and_said_to_be_one(aws, database):
    shown = aws.command("status", "--dir", str(aws.directory)).stdout
    assert "record only: AWS::RDS::DBInstance live-replica (a read replica of live" in shown
    assert "record only: AWS::RDS::DBInstance live (" not in shown


def test_data_and_address_survive_a_restart(aws, database):
    before = login(aws)
    ask(before, "CREATE TABLE kept AS SELECT 42 AS x")
    assert aws.command("down", "--dir", str(aws.directory)).returncode == 0
    assert "refused" in refused(before)
    assert aws.command("up", "--dir", str(aws.directory), "--port", "0").returncode == 0
    # At once: `up` waits for the databases.
    assert ask(before, "SELECT x FROM kept") == [(42,)]
    assert login(aws) == before


def test_a_changed_parameter_group_counts(aws, database):
    changed = template({"rds.force_ssl": "0", "work_mem": "8192"}, replica=True)
    assert aws.put("database", changed, "update")["StackStatus"] == "UPDATE_COMPLETE"
    plain = login(aws) | {"sslmode": "disable"}
    wait_for(lambda: not refused(plain) and ask(plain, "SHOW work_mem") == [("8MB",)])
    assert ask(login(aws), "SELECT x FROM kept") == [(42,)]


def test_an_impossible_parameter_fails_with_the_servers_words(aws, database):
    bad = template({"shared_buffers": "not a number"})
    bad["Resources"]["Db"]["Properties"]["DBInstanceIdentifier"] = "live-bad"
    made = aws.put("database-bad", bad)
    assert made["StackStatus"] == "ROLLBACK_COMPLETE"
    assert "shared_buffers" in aws.reasons("database-bad")
    assert "live-bad" not in [d["DBInstanceIdentifier"] for d in aws.client("rds").describe_db_instances()["DBInstances"]]
    aws.delete("database-bad")


def test_another_password_in_the_template_is_the_masters(aws, database):
    before = login(aws)
    changed = template({"rds.force_ssl": "1"}, password_of="Other", replica=True)
    made = aws.put("database", changed, "update")
    assert made["StackStatus"] == "UPDATE_COMPLETE", aws.reasons("database")
    assert login(aws)["password"] != before["password"]
    assert ask(login(aws), "SELECT x FROM kept") == [(42,)]
    assert "password authentication failed" in refused(before)


def test_deletion_leaves_neither_container_nor_volume_nor_data(aws, database, client):
    volume = f"{name(aws)}-data"
    assert client.volumes.get(volume).attrs["Labels"][databases.LABEL] == instance.label(aws.directory)
    assert aws.delete("database") is None
    for look in (lambda: client.containers.get(name(aws)), lambda: client.volumes.get(volume)):
        with pytest.raises(NotFound):
            look()
    assert "live-replica" not in aws.command("status", "--dir", str(aws.directory)).stdout
    made = aws.put("database", template())
    assert made["StackStatus"] == "CREATE_COMPLETE"
    assert ask(login(aws), "SELECT to_regclass('kept')") == [(None,)]


@pytest.fixture(scope="module")
def stand_in(client):
    return standin.ensure(client, print, standin_postgres.recipe())


def run_image(client, image: str, arguments: list | None = None, **environment: str) -> str:
    """What a container says until it ends."""
    container = client.containers.run(image, arguments, environment=environment, detach=True)
    try:
        container.wait(timeout=60)
        return container.logs().decode()
    finally:
        container.remove(force=True, v=True)


# The documentation of the official image: https://hub.docker.com/_/postgres
@pytest.mark.parametrize("case, arguments, environment, part", [
    ("it needs a password", None, {}, "POSTGRES_PASSWORD"),
    ("an option alone is for the server", ["--version"], {}, "postgres (PostgreSQL) 17"),
    ("another command is run as it is", ["psql", "--version"], {}, "psql (PostgreSQL) 17"),
    ("a secret and its file at once are refused", None, {"POSTGRES_PASSWORD": "x", "POSTGRES_PASSWORD_FILE": "/x"}, "not both"),
    ("arguments reach the server", ["postgres", "-c", "no_such_setting=1"], {"POSTGRES_PASSWORD": "x"}, "no_such_setting"),
])
def test_the_stand_in_keeps_the_official_images_contract(client, stand_in, case, arguments, environment, part):
    assert part in run_image(client, stand_in, arguments, **environment)


def test_another_major_version_than_the_stand_ins_is_said_loudly(client, stand_in, monkeypatch):
    monkeypatch.setattr(postgres_images, "registry_answers", lambda host: False)
    said: list[str] = []
    found = postgres_images.find(client, "9", lambda image: image, said.append)
    assert found == postgres_images.Image(stand_in, "17", True)
    assert any("PostgreSQL 9 is asked for, but 17 runs" in line for line in said)


def test_without_an_engine_a_database_is_a_record_and_said_to_be_one(aws, tmp_path):
    server = tmp_path / "aws"
    done = aws.command_without_engine("up", "--dir", str(server), "--port", "0")
    assert done.returncode == 0 and "WITHOUT CONTAINERS" in done.stderr and "databases" in done.stderr
    try:
        alone = type(aws)(server)
        made = alone.put("database", template())
        assert made["StackStatus"] == "CREATE_COMPLETE"
        assert "record only: AWS::RDS::DBInstance live (no container engine" in alone.command(
            "status", "--dir", str(server)).stdout
        assert "WITHOUT CONTAINERS: the database live" in (server / "ministack.log").read_text()
    finally:
        alone.command("down", "--purge", "--dir", str(server))


def test_the_command_prints_the_image_and_its_size(aws, stand_in):
    done = aws.command("database-image")
    assert done.returncode == 0 and " MB" in done.stderr
    assert done.stdout.strip()
