"""How ECS tasks become containers: what ministack's own translation of a task definition leaves out.

- Images in ECR come from the local ECR's record: an image that was never pushed can't be pulled, as on AWS. The
  bytes are already in the engine, so nothing is copied.
- Entry point, user, working directory, read-only root, memory limit and the task's empty volumes are applied.
- The containers of one awsvpc task share one network, so that a sidecar is on localhost, as on Fargate, and find the
  local AWS on their own loopback address (tasknet.py).
"""

from __future__ import annotations

import os

from . import ecrnames, tasknet

_MIB = 1024 * 1024


def apply() -> None:
    """Changes ministack's ECS so that it uses the client and the container settings of this file."""
    from ministack.services import ecs

    get_docker, run_kwargs, cleanup = ecs._get_docker, ecs._build_run_kwargs, ecs._cleanup_task_resources
    attach = ecs._attach_started_container
    gateway, reachable = int(os.environ["GATEWAY_PORT"]), tasknet.possible(os.environ.get("DOCKER_HOST", ""))
    wrapped: dict[int, Client] = {}

    def client():
        docker_client = get_docker()
        if docker_client is None:
            return None
        return wrapped.setdefault(id(docker_client), Client(docker_client))

    def build(cdef, td, *args, **kwargs):
        made = run_kwargs(cdef, td, *args, **kwargs)
        if reachable and td.get("networkMode") == "awsvpc":
            made["environment"] = tasknet.readdressed(made.get("environment") or {}, gateway)
            made = with_authority(made, os.environ["SLIPWAY_DATABASE_CA"])
        return complete(made, cdef, td)

    def clean(task, docker_client, extra_container=None):
        cleanup(task, docker_client, extra_container)
        remove_volumes(docker_client, task.get("taskArn", ""))

    def attached(task, container, index, *args):
        note_digest(task, index)
        # The task's further containers share the network of its first.
        if reachable and index == 0 and task.get("_network_mode") == "awsvpc":
            container.reload()
            pid = (container.attrs.get("State") or {}).get("Pid")
            if pid:
                tasknet.expose(pid, gateway)
        return attach(task, container, index, *args)

    ecs._get_docker, ecs._build_run_kwargs, ecs._cleanup_task_resources = client, build, clean
    ecs._attach_started_container = attached


def note_digest(task: dict, index: int) -> None:
    """Writes the digest of a container's image into its task, as AWS does for every image that it pulls."""
    container = task["containers"][index] if index < len(task.get("containers") or []) else {}
    if not container.get("imageDigest") and ecrnames.parse(container.get("image", "")):
        container["imageDigest"] = ecr_record(container["image"])["imageDigest"]


AUTHORITY_VARIABLE, AUTHORITY_PATH = "DATABASE_CA_FILE", "/run/slipway/database-ca.pem"


def with_authority(kwargs: dict, certificate: str) -> dict:
    """Puts the certificate of the databases' authority into a container, and its path into a variable.

    On AWS the image's own bundle has RDS's certificates; a task definition that sets the variable is left alone.
    """
    environment = dict(kwargs.get("environment") or {})
    if AUTHORITY_VARIABLE in environment:
        return kwargs
    volumes = kwargs.get("volumes") or []
    if isinstance(volumes, dict):
        volumes = {**volumes, certificate: {"bind": AUTHORITY_PATH, "mode": "ro"}}
    else:
        volumes = [*volumes, f"{certificate}:{AUTHORITY_PATH}:ro"]
    return {**kwargs, "environment": {**environment, AUTHORITY_VARIABLE: AUTHORITY_PATH}, "volumes": volumes}


def volume_uses(td: dict) -> dict[str, int]:
    """How many containers mount each of the task's volumes that has no path on the host."""
    empty = {v.get("name") for v in td.get("volumes", []) if not (v.get("host") or {}).get("sourcePath")}
    uses: dict[str, int] = {}
    for cdef in td.get("containerDefinitions", []):
        for name in {m.get("sourceVolume") for m in cdef.get("mountPoints", [])} & empty:
            uses[name] = uses.get(name, 0) + 1
    return uses


def complete(kwargs: dict, cdef: dict, td: dict) -> dict:
    """Adds to the arguments of docker's ``containers.run`` what the container's definition asks for."""
    kwargs = dict(kwargs)
    if cdef.get("entryPoint"):
        kwargs["entrypoint"] = cdef["entryPoint"]
    if cdef.get("user"):
        kwargs["user"] = cdef["user"]
    if cdef.get("workingDirectory"):
        kwargs["working_dir"] = cdef["workingDirectory"]
    if cdef.get("readonlyRootFilesystem"):
        kwargs["read_only"] = True
    memory = cdef.get("memory") or (int(td["memory"]) if td.get("memory") else None)
    if memory:
        kwargs["mem_limit"] = int(memory) * _MIB

    task = kwargs["labels"]["com.amazonaws.ecs.task-arn"].rsplit("/", 1)[-1]
    uses = volume_uses(td)
    tmpfs, volumes = {}, list(kwargs.get("volumes") or [])
    for mount in cdef.get("mountPoints", []):
        name, path = mount.get("sourceVolume"), mount.get("containerPath")
        if name not in uses or not path:
            continue
        if uses[name] == 1:
            # Any user may write, as in the image's own /tmp.
            tmpfs[path] = "rw,mode=1777"
        else:
            volumes.append(f"{volume_name(task, name)}:{path}:{'ro' if mount.get('readOnly') else 'rw'}")
    if tmpfs:
        kwargs["tmpfs"] = tmpfs
    if volumes:
        kwargs["volumes"] = volumes

    first = td["containerDefinitions"][0]["name"]
    if td.get("networkMode") == "awsvpc" and cdef["name"] != first:
        for unused in ("network", "ports", "extra_hosts"):
            kwargs.pop(unused, None)
        kwargs["network_mode"] = f"container:ministack-ecs-{task[:8]}-{first}"
    return kwargs


def volume_name(task: str, volume: str) -> str:
    """The engine's name of a volume that several containers of one task share."""
    return f"slipway-ecs-{task}-{volume}"


def remove_volumes(docker_client, task_arn: str) -> None:
    """Removes the shared volumes of a task that has ended."""
    from docker.errors import APIError

    task = task_arn.rsplit("/", 1)[-1]
    if not docker_client or not task:
        return
    try:
        for volume in docker_client.volumes.list(filters={"name": f"slipway-ecs-{task}-"}):
            volume.remove(force=True)
    except APIError:
        pass  # still in use by a container that is going; purge removes the rest


class Client:
    """A docker.DockerClient for which the names of ECR images lead to the local ECR."""

    def __init__(self, inner):
        self._inner = inner
        self.images = _Images(inner)
        self.containers = _Containers(inner)

    def __getattr__(self, name):
        return getattr(self._inner, name)


class _Containers:
    def __init__(self, inner):
        self._inner = inner

    def run(self, image, **kwargs):
        if ecrnames.parse(image):
            kwargs["labels"] = {**(kwargs.get("labels") or {}), "slipway.image": image}
            image = engine_image(self._inner, image).id
        return self._inner.containers.run(image, **kwargs)

    def __getattr__(self, name):
        return getattr(self._inner.containers, name)


class _RegistryData:
    def __init__(self, digest: str):
        self.id = digest


class _Images:
    def __init__(self, inner):
        self._inner = inner

    def get(self, name):
        return engine_image(self._inner, name) if ecrnames.parse(name) else self._inner.images.get(name)

    def pull(self, name, **kwargs):
        return engine_image(self._inner, name) if ecrnames.parse(name) else self._inner.images.pull(name, **kwargs)

    def get_registry_data(self, name, **kwargs):
        if ecrnames.parse(name):
            return _RegistryData(ecr_record(name)["imageDigest"])
        return self._inner.images.get_registry_data(name, **kwargs)

    def __getattr__(self, name):
        return getattr(self._inner.images, name)


def ecr_record(image: str) -> dict:
    """The local ECR's record of an image; raises docker's ImageNotFound in ECR's words when there is none."""
    from docker.errors import ImageNotFound
    from ministack.services import ecr

    from .request_context import request_scope

    reference = ecrnames.parse(image)
    with request_scope(reference.account, reference.region):
        if reference.repository not in ecr._repositories:
            raise ImageNotFound(f"The repository with name '{reference.repository}' does not exist in the registry "
                                f"with id '{reference.account}'")
        record = ecrnames.pick(ecr._images.get(reference.repository, []), reference)
    if record is None:
        raise ImageNotFound(f"{image}: not found (push it with `python -m local push --tag {reference.tag}`)")
    return record


def engine_image(docker_client, image: str):
    """The engine's image for an ECR name; raises docker's ImageNotFound."""
    from docker.errors import ImageNotFound

    record = ecr_record(image)
    reference = ecrnames.parse(image)
    config = ecrnames.config_digest(record.get("imageManifest", ""))
    names = [config] if config else []
    # An engine with containerd's image store knows images by manifest, not by configuration.
    names += [ecrnames.image_name(reference.account, reference.region, reference.repository, tag)
              for tag in record.get("imageTags", [])]
    for name in names:
        try:
            return docker_client.images.get(name)
        except ImageNotFound:
            continue
    raise ImageNotFound(f"{image} is in the local ECR, but its image is no longer in the container engine: "
                        f"build it again (`python -m local image --tag {reference.tag} --commit …`)")
