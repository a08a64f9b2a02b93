"""RDS instances of PostgreSQL as containers: those of templates, of which ministack keeps a record only, and the API's.

A database is at localhost and a port of its own, for this machine's processes as for tasks (tasknet.py), with TLS by
a certificate authority of the instance. Its parameter group counts, rds.force_ssl too, and the master user has the
rights that it has on RDS: it is no superuser.
"""

from __future__ import annotations

import contextlib
import contextvars
import io
import logging
import os
import secrets
import tarfile
import threading
import time
from pathlib import Path

from . import postgres_images, records, tasknet
from .postgres_settings import access_rules, arguments, force_ssl, statements

logger = logging.getLogger("slipway.databases")

KIND = "AWS::RDS::DBInstance"
ADDRESS = "localhost"
LABEL = "slipway.instance"
"""The label of a database's volume; its value names the instance of the local AWS."""

_ADMIN = "rdsadmin"
_FOLDER = "/slipway-database"
_READY_SECONDS = 120
_lock = threading.Lock()
_starting: dict[str, threading.RLock] = {}


class NotStarted(ValueError):
    """A database's container didn't become ready; the text is the reason in the stack's events."""


def apply() -> None:
    """Changes ministack's RDS; called once, before its state is read."""
    from ministack.services import rds
    from ministack.services.cloudformation import provisioners

    rds._pg_ca = authority(Path(os.environ["SLIPWAY_DATABASE_CA"]))
    rds._rds_docker_name = container_name
    ministacks_start, is_local = rds._start_rds_container_for_instance, rds._image_is_local
    delete, modify_group, reset_group = rds._delete_db_instance_impl, rds._modify_param_group, rds._reset_param_group

    def start_or_fail(db_id, instance):
        if not ours(instance):
            # A replica has no server of its own.
            if instance.get("ReadReplicaSourceDBInstanceIdentifier"):
                instance["DBInstanceStatus"] = "available"
                return
            ministacks_start(db_id, instance)
            return
        try:
            start(db_id, instance)
        except Exception as failed:
            logger.error("%s: %s", db_id, failed)
            instance["DBInstanceStatus"] = "failed"

    def delete_instance(p):
        identity = rds._p(p, "DBInstanceIdentifier")
        instance = rds._resolve_instance(identity)
        answer = delete(p)
        if instance and instance["DBInstanceIdentifier"] not in rds._instances:
            forget(instance)
        return answer

    def changing(change):
        def change_group(p):
            answer = change(p)
            if answer[0] < 400:
                _restart_users_of(rds._p(p, "DBParameterGroupName"))
            return answer

        return change_group

    rds._start_rds_container_for_instance = start_or_fail
    # So that the API too takes the way of a late start, which is ours.
    rds._image_is_local = lambda client, image: "postgres:" not in image and is_local(client, image)
    rds._delete_db_instance_impl = delete_instance
    for action, changed in (("ModifyDBParameterGroup", changing(modify_group)),
                            ("ResetDBParameterGroup", changing(reset_group))):
        rds._ACTION_MAP[action] = changed
    rds._modify_param_group, rds._reset_param_group = (rds._ACTION_MAP["ModifyDBParameterGroup"],
                                                       rds._ACTION_MAP["ResetDBParameterGroup"])
    _change_type(rds, provisioners)


def _change_type(rds, provisioners) -> None:
    create, delete = provisioners._rds_db_instance_create, provisioners._rds_db_instance_delete
    update = provisioners._rds_db_instance_update

    def create_instance(logical_id, props, stack_name):
        db_id, attributes = create(logical_id, props, stack_name)
        instance = rds._instances[db_id]
        source = props.get("SourceDBInstanceIdentifier")
        if source:
            instance["ReadReplicaSourceDBInstanceIdentifier"] = source
            _record(db_id, f"a read replica of {source}: nothing answers at its endpoint")
        if not ours(instance):
            return db_id, attributes
        try:
            start(db_id, instance, fresh=True)
        except Exception:
            # Half made: the stack's rollback doesn't know it, so it goes here.
            remove(db_id, props)
            raise
        return db_id, provisioners._rds_db_instance_attrs(instance)

    def update_instance(physical_id, old_props, new_props, stack_name, logical_id=None):
        identity, attributes = update(physical_id, old_props, new_props, stack_name, logical_id)
        instance = rds._instances.get(identity)
        if identity == physical_id and instance and ours(instance) and instance.get("_HostPort"):
            instance["Endpoint"] |= {"Address": ADDRESS, "Port": instance["_HostPort"]}
            if any(new_props.get(n) != old_props.get(n) for n in ("MasterUserPassword", "DBParameterGroupName")):
                start(identity, instance)
            attributes = provisioners._rds_db_instance_attrs(instance)
        return identity, attributes

    def remove(physical_id, props):
        instance = rds._instances.get(physical_id)
        delete(physical_id, props)
        if instance:
            forget(instance)

    provisioners._rds_db_instance_create, provisioners._rds_db_instance_delete = create_instance, remove
    provisioners._RESOURCE_HANDLERS[KIND] |= {"create": create_instance, "update": update_instance, "delete": remove}


def ours(instance: dict) -> bool:
    """Whether an instance becomes a container here: PostgreSQL, no member of a cluster, no replica."""
    return (instance.get("Engine") == "postgres" and not instance.get("DBClusterIdentifier")
            and not instance.get("ReadReplicaSourceDBInstanceIdentifier"))


def container_name(db_id: str, account: str | None = None, region: str | None = None) -> str:
    """The name of a database's container; instances of the local AWS that share an engine don't share it."""
    from ministack.core.responses import get_account_id, get_region

    return (f"{os.environ['MINISTACK_HOSTNAME']}-rds-{account or get_account_id()}-{region or get_region()}-"
            f"{db_id}")


def authority(certificate: Path) -> tuple[str, str]:
    """The certificate and key of the databases' authority; made once, since clients keep the certificate."""
    from ministack.core.x509_utils import generate_ca

    key = certificate.with_suffix(".key")
    if not (certificate.exists() and key.exists()):
        made, secret = generate_ca(org_name="Slipway", common_name="Databases of the local AWS")
        key.touch(mode=0o600)
        key.write_text(secret)
        certificate.write_text(made)
    return certificate.read_text(), key.read_text()


def start(db_id: str, instance: dict, fresh: bool = False) -> None:
    """Starts the container of a database, or starts it again with what its record says now, and waits for it.

    fresh: forget the data that an earlier database of this name left. Raises NotStarted, or the engine's error.
    """
    from ministack.services import rds

    client = rds._get_docker()
    if not client:
        logger.error("WITHOUT CONTAINERS: the database %s is a record only, nothing answers at its endpoint", db_id)
        _record(db_id, "no container engine: nothing answers at its endpoint")
        instance["DBInstanceStatus"] = "available"
        return
    name = container_name(db_id)
    with _lock:
        mine = _starting.setdefault(name, threading.RLock())
    with mine:
        began = time.monotonic()
        if fresh or instance.get("DBInstanceStatus") != "creating":
            instance["DBInstanceStatus"] = "creating" if fresh else "modifying"
        _stop(client, name)
        if fresh:
            _remove_volume(client, name)
        container = _run(rds, client, name, db_id, instance)
        try:
            _wait(container, instance)
        except Exception:
            with contextlib.suppress(Exception):
                container.remove(force=True, v=True)
            raise
        if rds._instances.get(db_id) is not instance or instance.get("_deleting"):
            # Deleted in the meantime.
            forget(instance)
            return
        instance["DBInstanceStatus"] = "available"
        records_remove(db_id)
        tasknet.offer(instance["_HostPort"])
        logger.info("%s is ready on port %d after %.1f s", db_id, instance["_HostPort"], time.monotonic() - began)


def _run(rds, client, name: str, db_id: str, instance: dict):
    asked = str(instance.get("EngineVersion") or "").split(".")[0]
    image = postgres_images.find(client, asked, rds.apply_image_prefix, logger.warning)
    port = instance.get("_HostPort") or rds._next_port()
    if not rds._is_host_port_free(port):
        raise NotStarted(f"port {port} of the database {db_id} is taken by another program: end that, then start again")
    instance["_HostPort"] = port
    instance["Endpoint"] |= {"Address": ADDRESS, "Port": port}
    instance.setdefault("_AdminPassword", secrets.token_urlsafe(24))
    instance["_parameters"] = parameters = _parameters(rds, instance)
    certificate, key = rds._pg_server_material([ADDRESS, name], ["127.0.0.1", "::1"])
    volume = f"{name}-data"
    client.volumes.create(volume, labels={LABEL: os.environ["MINISTACK_HOSTNAME"]})
    instance["_docker_volume_name"] = volume
    container = client.containers.create(
        image.name, name=name, detach=True,
        # Some files come after the container is made, owned by root; the server wants its key to be its own.
        user="0:0", entrypoint=["sh", "-c", f'chown -R postgres:postgres {_FOLDER} && exec "$@"', "database"],
        command=["docker-entrypoint.sh", "postgres", *arguments(parameters, _FOLDER)],
        environment={"POSTGRES_USER": _ADMIN, "POSTGRES_PASSWORD": instance["_AdminPassword"],
                     "POSTGRES_DB": instance.get("DBName") or "postgres", "POSTGRES_INITDB_ARGS": "--no-sync"},
        ports={"5432/tcp": ("127.0.0.1", port)}, volumes={volume: {"bind": image.data_path, "mode": "rw"}},
        labels={**rds.container_reaper.own_labels("rds"), "db_id": db_id, "slipway.image": image.name,
                "account_id": rds.get_account_id(), "region": rds.get_region()})
    container.put_archive("/", _archive({
        "server.crt": certificate, "server.key": key, "pg_hba.conf": access_rules(force_ssl(parameters, asked))}))
    container.start()
    instance["_docker_container_id"] = container.id
    return container


def _parameters(rds, instance: dict) -> dict[str, str]:
    group = rds._param_groups.get((instance.get("DBParameterGroups") or [{}])[0].get("DBParameterGroupName"), {})
    return {name: str(p.get("ParameterValue") if isinstance(p, dict) else p)
            for name, p in (group.get("Parameters") or {}).items()}


def _archive(files: dict[str, str]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w") as tar:
        folder = tarfile.TarInfo(_FOLDER.lstrip("/"))
        folder.type, folder.mode = tarfile.DIRTYPE, 0o700
        tar.addfile(folder)
        for name, text in files.items():
            member = tarfile.TarInfo(f"{folder.name}/{name}")
            member.mode, member.size = 0o600, len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
    return made.getvalue()


def _wait(container, instance: dict) -> None:
    """Waits until the database answers, then gives it its roles."""
    import psycopg2

    deadline, look = time.monotonic() + _READY_SECONDS, time.monotonic() + 1
    while True:
        try:
            # By the name of the certificate, as every client does.
            connection = psycopg2.connect(
                host=ADDRESS, port=instance["_HostPort"], user=_ADMIN, password=instance["_AdminPassword"],
                dbname=instance.get("DBName") or "postgres", connect_timeout=3, sslmode="verify-full",
                sslrootcert=os.environ["SLIPWAY_DATABASE_CA"])
            break
        except psycopg2.OperationalError as failed:
            if time.monotonic() > look:
                look = time.monotonic() + 1
                container.reload()
                if container.status in ("exited", "dead") or time.monotonic() > deadline:
                    tail = container.logs(tail=8).decode(errors="replace").strip()
                    raise NotStarted(f"the database didn't start ({str(failed).strip()}); its last messages:\n"
                                     f"{tail}") from None
            time.sleep(0.05)
    connection.autocommit = True
    try:
        with connection.cursor() as cursor:
            for statement, values in statements(instance["MasterUsername"], instance["_MasterUserPassword"],
                                                instance.get("DBName") or "postgres"):
                cursor.execute(statement, values)
    finally:
        connection.close()


def forget(instance: dict) -> None:
    """Removes the container and the volume of a database that was deleted, and its record."""
    from ministack.services import rds

    db_id = instance["DBInstanceIdentifier"]
    records_remove(db_id)
    if instance.get("_HostPort"):
        tasknet.withdraw(instance["_HostPort"])
    client = rds._get_docker()
    if client and ours(instance):
        name = container_name(db_id)
        _stop(client, name, seconds=0)
        _remove_volume(client, name)


def _stop(client, name: str, seconds: int = 10) -> None:
    from docker.errors import NotFound

    try:
        container = client.containers.get(name)
        if seconds and container.status == "running":
            container.stop(timeout=seconds)
        container.remove(force=True, v=True)
    except NotFound:
        pass


def _remove_volume(client, name: str) -> None:
    from docker.errors import NotFound

    with contextlib.suppress(NotFound):
        client.volumes.get(f"{name}-data").remove(force=True)


def _restart_users_of(group: str) -> None:
    """Starts the databases that use a changed parameter group again, without keeping the caller waiting."""
    from ministack.services import rds

    for db_id, instance in list(rds._instances.items()):
        groups = instance.get("DBParameterGroups") or [{}]
        if ours(instance) and groups[0].get("DBParameterGroupName") == group and instance.get("_HostPort"):
            context = contextvars.copy_context()
            threading.Thread(target=context.run, args=(_restart_if_changed, db_id, instance), daemon=True,
                             name=f"database-{db_id}").start()


def _restart_if_changed(db_id: str, instance: dict) -> None:
    from ministack.services import rds

    # A stack's update comes as several changes, and the restart for the first one may have seen them all.
    with _lock:
        mine = _starting.setdefault(container_name(db_id), threading.RLock())
    with mine:
        if instance.get("_parameters") != _parameters(rds, instance):
            rds._start_rds_container_for_instance(db_id, instance)


def _record(db_id: str, reason: str) -> None:
    from ministack.core.responses import get_account_id, get_region

    records.put(get_account_id(), get_region(), KIND, db_id, {"reason": reason})


def records_remove(db_id: str) -> None:
    """Takes a database off the list of records."""
    from ministack.core.responses import get_account_id, get_region

    records.remove(get_account_id(), get_region(), KIND, db_id)
