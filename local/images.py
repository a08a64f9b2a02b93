"""Builds the app's image and puts it into the local ECR."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
import ssl
import subprocess
import sys
import tarfile
import tempfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from . import ecrnames, engine, paths, standin
from .errors import LocalError

ACCOUNT, REGION = "000000000000", "eu-west-1"

_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY")


@dataclass(frozen=True)
class Built:
    """A built image: its name, whether it stands on the stand-in base, and its size."""

    name: str
    """In ECR's form for the image that runs, and of this machine for another stage."""
    stand_in: bool
    size: int = 0
    """Bytes, uncompressed."""


def pinned_base(dockerfile: str) -> str:
    """The default of the Dockerfile's BASE_IMAGE argument; raises LocalError unless it is pinned by digest."""
    match = re.search(r"^ARG\s+BASE_IMAGE=(\S+)\s*$", dockerfile, re.MULTILINE)
    if not match:
        raise LocalError("the Dockerfile has no `ARG BASE_IMAGE=…` with a default before its first FROM")
    base = match[1].strip("\"'")
    if not re.search(r"@sha256:[0-9a-f]{64}$", base):
        raise LocalError(f"the Dockerfile's base image {base} isn't pinned by digest (…@sha256:…)")
    return base


def registry_of(image: str) -> str:
    """The registry's host of an image name; a name without one is Docker Hub's."""
    first, slash, _ = image.partition("/")
    if slash and ("." in first or ":" in first or first == "localhost"):
        return "registry-1.docker.io" if first == "docker.io" else first
    return "registry-1.docker.io"


def registry_answers(host: str, timeout: float = 5.0) -> bool:
    """Whether a registry speaks to us: its API's root answers, with or without asking for credentials."""
    try:
        with urllib.request.urlopen(f"https://{host}/v2/", timeout=timeout) as answer:
            return answer.status == 200
    except urllib.error.HTTPError as refused:
        # A registry asks for credentials; a proxy that keeps it from us answers with another code.
        return refused.code == 401 and bool(refused.headers.get("WWW-Authenticate"))
    except OSError:
        return False


def build(tag: str, commit: str, context: Path, repository: str, log, target: str = "app") -> Built:
    """Builds the Dockerfile in a folder under the name that task definitions use for this tag.

    Another stage than ``app``, such as the tests', gets a name that no task definition has and no push knows.
    """
    import docker

    dockerfile = context / "Dockerfile"
    if not dockerfile.exists():
        raise LocalError(f"there is no Dockerfile in {context}")
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", tag):
        raise LocalError(f"{tag!r} isn't a legal image tag")
    found = engine.ensure(log)
    client = docker.DockerClient(base_url=found.host, timeout=600)
    base, stand_in = _base(client, pinned_base(dockerfile.read_text()), log)
    name = (ecrnames.image_name(ACCOUNT, REGION, repository, tag) if target == "app"
            else f"localhost/slipway/{repository}-{target}:{tag}")
    _run_build(found, context, name, {"BASE_IMAGE": base, "GIT_COMMIT": commit}, stand_in, log, target)
    size = client.images.get(name).attrs.get("Size", 0)
    log(f"built {name}: {size / 1e6:.0f} MB")
    return Built(name, stand_in, size)


def run_tests(built: Built, log) -> int:
    """Runs the image of the tests' stage as ECS runs the application; its output goes to this process's.

    Read-only, without capabilities, and with a /tmp of its own. Returns the exit code of the tests.
    """
    found = engine.ensure(log)
    tool = _tool(found)
    command = [*tool, "run", "--rm", "--read-only", "--cap-drop", "all", "--tmpfs", "/tmp", built.name]
    log(f"running {built.name}")
    return subprocess.run(command, env=_tool_environment(found, tool), stdin=subprocess.DEVNULL).returncode


def _tool(found: engine.Engine) -> list[str]:
    """The engine's command-line tool with the arguments that lead it to the engine."""
    tool = shutil.which("podman") if found.kind == "podman" else shutil.which("docker")
    tool = tool or shutil.which("docker")
    if not tool:
        raise LocalError(f"this needs the command-line tool of the engine: install {found.kind}'s")
    return [tool, *(["--url", found.host] if tool.endswith("podman") and not found.own else [])]


def _tool_environment(found: engine.Engine, tool: list[str]) -> dict[str, str]:
    env = {**os.environ, **found.environment(), "DOCKER_BUILDKIT": "1"}
    if tool[0].endswith("podman"):
        env.pop("DOCKER_HOST", None)
    return env


def _base(client, pinned: str, log) -> tuple[str, bool]:
    from docker.errors import APIError, ImageNotFound

    try:
        client.images.get(pinned)
        return pinned, False
    except ImageNotFound:
        pass
    if registry_answers(registry_of(pinned)):
        try:
            log(f"pulling {pinned}")
            client.images.pull(pinned)
            return pinned, False
        except APIError as failed:
            raise LocalError(f"pulling the base image {pinned}: {failed.explanation}") from failed
    log(f"STAND-IN BASE: {registry_of(pinned)} can't be reached, so the image isn't built on {pinned}, but on a "
        f"Debian {standin.SUITE} made here. It is for this machine only.")
    return standin.ensure(client, log), True


def _run_build(found: engine.Engine, context: Path, name: str, arguments: dict, stand_in: bool, log,
               target: str) -> None:
    tool = _tool(found)
    podman = tool[0].endswith("podman")
    log_path = paths.STATE / "image-build.log"
    log_path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="build-") as work:
        settings = host_settings(Path(work))
        command = [*tool, "build", "--network", "host",
                   "-t", name, "--label", f"{standin.LABEL}={'stand-in' if stand_in else 'pinned'}"]
        for key, value in arguments.items():
            command += ["--build-arg", f"{key}={value}"]
        for key in _PROXIES:
            value = os.environ.get(key) or os.environ.get(key.lower())
            if value:
                command += ["--build-arg", f"{key}={value}", "--build-arg", f"{key.lower()}={value}"]
        for secret, (source, path) in settings.items():
            command += ["--secret", f"id={secret},src={source}"]
            if podman:
                command += ["--volume", f"{source}:{path}:ro"]
        if podman:
            command += ["--pull=never" if stand_in else "--pull=missing", "--format", "docker"]
        text = (context / "Dockerfile").read_text()
        if re.search(rf"^FROM\s.*\sAS\s+{re.escape(target)}\s*$", text, re.MULTILINE | re.IGNORECASE):
            # Older builders make every stage, the tests' too, unless they are told which one is wanted.
            command += ["--target", target]
        elif target != "app":
            raise LocalError(f"the Dockerfile in {context} has no stage {target}")
        command.append(str(context))
        env = _tool_environment(found, tool)
        log(f"building {name}")
        with open(log_path, "wb") as out:
            done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
    if done.returncode:
        tail = "\n".join(log_path.read_text(errors="replace").splitlines()[-15:])
        raise LocalError(f"building the image failed (the whole output is in {log_path}):\n{tail}")


PIP_CONF, CA_BUNDLE = "/etc/pip.conf", "/run/build-ca.crt"


def host_settings(work: Path) -> dict[str, tuple[Path, str]]:
    """The host's pip settings and certificate authorities as files for the build: secret id → (file, target).

    They are mounted while the build runs and never become part of the image. Podman mounts them by itself; with
    Docker's BuildKit, a RUN that needs them names the secrets ``pip_conf`` and ``ca_bundle``.
    """
    settings: dict[str, str] = {}
    listed = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True)
    for line in listed.stdout.splitlines():
        key, _, value = line.partition("=")
        section, _, option = key.partition(".")
        if option and section in ("global", ":env:", "install"):
            settings[option] = value.strip().strip("'\"")
    authorities = next((Path(p) for p in (settings.get("cert"), os.environ.get("SSL_CERT_FILE"),
                                          ssl.get_default_verify_paths().cafile) if p and Path(p).exists()), None)
    kept = pip_conf(settings, CA_BUNDLE if authorities else None)
    pip_file = work / "pip.conf"
    pip_file.write_text(kept)
    found = {"pip_conf": (pip_file, PIP_CONF)}
    if authorities:
        bundle = work / "ca.crt"
        shutil.copyfile(authorities, bundle)
        found["ca_bundle"] = (bundle, CA_BUNDLE)
    return found


_PASSED_ON = ("index-url", "extra-index-url", "trusted-host", "timeout", "default-timeout", "retries", "proxy")


def pip_conf(settings: dict[str, str], certificates: str | None) -> str:
    """A pip.conf with those of the host's settings that mean something in another file system."""
    lines = ["[global]"]
    if certificates:
        lines.append(f"cert = {certificates}")
    for option in _PASSED_ON:
        if settings.get(option):
            # A list is written over several lines by pip, with literal \n in its listing.
            value = settings[option].replace("\\n", "\n    ")
            lines.append(f"{option} = {value}")
    return "\n".join(lines) + "\n"


def push(instance, tag: str, repository: str, log) -> str:
    """Registers the built image of a tag in the local ECR and returns its digest.

    The manifest is the real one for this image: its configuration and the layers as the engine exports them
    (uncompressed, as OCI allows). The layers themselves stay with the engine. A tag that already names this very
    image is left alone, so pushing again works with immutable tags.
    """
    import docker
    from docker.errors import ImageNotFound

    found = engine.find()
    if not found:
        raise LocalError("no container engine answers, so there is no image to push")
    client = docker.DockerClient(base_url=found.host, timeout=600)
    name = ecrnames.image_name(ACCOUNT, REGION, repository, tag)
    try:
        image = client.images.get(name)
    except ImageNotFound:
        raise LocalError(f"{name} isn't built: run `python -m local image --tag {tag} --commit …`") from None
    digest = _put(instance, tag, repository, _manifest(image, name))
    log(f"pushed {name}")
    return digest


def record(instance, tag: str, repository: str) -> str:
    """Registers a tag without any image behind it, and returns its digest: for a local AWS whose tasks are records."""
    return _put(instance, tag, repository, empty_manifest(tag))


def digest_of(instance, tag: str, repository: str) -> str:
    """The digest that a tag has in the local ECR."""
    import boto3

    ecr = boto3.client("ecr", endpoint_url=instance.endpoint, region_name=REGION, aws_access_key_id="test",
                       aws_secret_access_key="test")
    found = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageTag": tag}])["images"]
    if not found:
        raise LocalError(f"the local ECR has no image {tag} in {repository}: `python -m local push` it first")
    return found[0]["imageId"]["imageDigest"]


def empty_manifest(tag: str) -> str:
    """An OCI manifest of no layers; the annotation makes it another one for each tag."""
    return json.dumps({
        "schemaVersion": 2, "mediaType": _MANIFEST, "layers": [],
        "config": {"mediaType": "application/vnd.oci.empty.v1+json", "size": 2,
                   "digest": "sha256:" + hashlib.sha256(b"{}").hexdigest()},
        "annotations": {"org.opencontainers.image.version": tag}})


def _put(instance, tag: str, repository: str, manifest: str) -> str:
    import boto3

    digest = "sha256:" + hashlib.sha256(manifest.encode()).hexdigest()
    ecr = boto3.client("ecr", endpoint_url=instance.endpoint, region_name=REGION, aws_access_key_id="test",
                       aws_secret_access_key="test")
    try:
        current = ecr.batch_get_image(repositoryName=repository, imageIds=[{"imageTag": tag}])["images"]
        if any(i["imageId"].get("imageDigest") == digest for i in current):
            return digest
        ecr.put_image(repositoryName=repository, imageTag=tag, imageManifest=manifest,
                      imageManifestMediaType=_MANIFEST, imageDigest=digest)
    except ecr.exceptions.RepositoryNotFoundException:
        raise LocalError(f"the local ECR has no repository {repository}: deploy slipway-registry first") from None
    except ecr.exceptions.ImageTagAlreadyExistsException:
        raise LocalError(f"the tag {tag} is taken by another image, and tags of {repository} are immutable: "
                         "use a new tag, as a new commit does") from None
    return digest


_MANIFEST = "application/vnd.oci.image.manifest.v1+json"


def _manifest(image, name: str) -> str:
    """The OCI manifest of an image, from the engine's export of it."""
    with tempfile.TemporaryFile() as archive:
        for chunk in image.save(chunk_size=1 << 20, named=name):
            archive.write(chunk)
        archive.seek(0)
        return manifest_of(archive)


def manifest_of(archive) -> str:
    """The OCI manifest for a ``docker save`` archive (a seekable file with one image)."""
    with tarfile.open(fileobj=archive, mode="r:") as tar:
        description = json.load(tar.extractfile("manifest.json"))[0]
        config = tar.extractfile(description["Config"]).read()
        layers = []
        for layer in description["Layers"]:
            member = tar.getmember(layer)
            while member.issym() or member.islnk():
                # Older formats name a repeated layer by a link to its first place.
                member = tar.getmember(os.path.normpath(os.path.join(os.path.dirname(member.name), member.linkname)))
            data, digest, size = tar.extractfile(member), hashlib.sha256(), 0
            while block := data.read(1 << 20):
                digest.update(block)
                size += len(block)
            layers.append({"mediaType": "application/vnd.oci.image.layer.v1.tar",
                           "digest": "sha256:" + digest.hexdigest(), "size": size})
    manifest = {
        "schemaVersion": 2, "mediaType": _MANIFEST,
        "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
                   "digest": "sha256:" + hashlib.sha256(config).hexdigest(), "size": len(config)},
        "layers": layers,
    }
    return json.dumps(manifest, separators=(",", ":"), sort_keys=True)
