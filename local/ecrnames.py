"""Image names of ECR, and what the local ECR knows about them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

_REFERENCE = re.compile(
    r"(?P<account>\d{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/"
    r"(?P<repository>[a-z0-9][a-z0-9._/-]*)(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?")


@dataclass(frozen=True)
class Reference:
    """A parsed ECR image name."""

    account: str
    region: str
    repository: str
    tag: str | None
    digest: str | None

    def __str__(self) -> str:
        name = f"{self.account}.dkr.ecr.{self.region}.amazonaws.com/{self.repository}"
        if self.tag:
            name += f":{self.tag}"
        return name + (f"@{self.digest}" if self.digest else "")


def parse(image: str) -> Reference | None:
    """The parts of an ECR image name; None for the name of another registry."""
    match = _REFERENCE.fullmatch(image)
    return Reference(**match.groupdict()) if match else None


def image_name(account: str, region: str, repository: str, tag: str) -> str:
    """The name by which a task definition refers to an image in ECR."""
    return str(Reference(account, region, repository, tag, None))


def pick(images: list[dict], reference: Reference) -> dict | None:
    """The record, among ECR's of one repository, that a name means: by digest, else by tag (latest without one)."""
    for image in images:
        if reference.digest:
            if image.get("imageDigest") == reference.digest:
                return image
        elif (reference.tag or "latest") in image.get("imageTags", []):
            return image
    return None


def config_digest(manifest: str) -> str | None:
    """The digest of the image's configuration, which is its identity in an engine's storage."""
    try:
        return json.loads(manifest)["config"]["digest"]
    except (ValueError, KeyError, TypeError):
        return None
