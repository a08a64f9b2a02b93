"""ECR's image scans, which ministack lacks: every image of a repository that scans on push counts as scanned.

Nothing is looked for, since there is no vulnerability database here, so a scan finds only what ``python -m local
finding`` was told about an image: enough to see a deployment refused.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

FILE = "findings.json"
SEVERITIES = ("INFORMATIONAL", "LOW", "MEDIUM", "HIGH", "CRITICAL", "UNDEFINED")
DESCRIPTION = "The local AWS looks for nothing; these findings were recorded by hand."


def apply() -> None:
    """Adds DescribeImageScanFindings and StartImageScan to ministack's ECR."""
    from ministack.services import ecr

    from .patches import replace_everywhere

    original = ecr.handle_request

    async def handle(method, path, headers, body, query_params):
        action = headers.get("x-amz-target", "").rpartition(".")[2]
        if action not in ("DescribeImageScanFindings", "StartImageScan"):
            return await original(method, path, headers, body, query_params)
        return _answer(json.loads(body or "{}"), start=action == "StartImageScan")

    replace_everywhere(original, handle)


def _answer(data: dict, start: bool):
    """The scan of one image.

    https://docs.aws.amazon.com/AmazonECR/latest/APIReference/API_DescribeImageScanFindings.html
    """
    from ministack.core.responses import error_response_json, json_response
    from ministack.services import ecr

    name = data.get("repositoryName", "")
    repository = ecr._repositories.get(name)
    if not repository:
        return error_response_json("RepositoryNotFoundException",
                                   f"The repository with name '{name}' does not exist", 400)
    image = ecr._find_image(name, data.get("imageId") or {})
    if not image:
        return error_response_json("ImageNotFoundException", "The image requested does not exist", 400)
    digest = image["imageDigest"]
    answer = {"registryId": repository["registryId"], "repositoryName": name, "imageId": {"imageDigest": digest}}
    if start:
        image["_scanned"] = True
        return json_response(answer | {"imageScanStatus": {"status": "IN_PROGRESS"}})
    if not image.get("_scanned") and not (repository.get("imageScanningConfiguration") or {}).get("scanOnPush"):
        return error_response_json("ScanNotFoundException",
                                   f"Image scan does not exist for the image with '{digest}'", 400)
    findings = [{"name": f["name"], "severity": f["severity"], "attributes": []} for f in recorded(_directory(), digest)]
    counts: dict[str, int] = {}
    for finding in findings:
        counts[finding["severity"]] = counts.get(finding["severity"], 0) + 1
    return json_response(answer | {
        "imageScanStatus": {"status": "COMPLETE", "description": DESCRIPTION},
        "imageScanFindings": {"findings": findings, "findingSeverityCounts": counts}})


def _directory() -> Path:
    return Path(os.environ["SLIPWAY_RECORDS"]).parent


def recorded(directory: Path, digest: str) -> list[dict]:
    """What was recorded about a digest: name and severity of each finding."""
    try:
        return json.loads((directory / FILE).read_text()).get(digest, [])
    except FileNotFoundError:
        return []


def record(directory: Path, digest: str, name: str, severity: str) -> None:
    """Adds a finding to a digest, or changes its severity."""
    path = directory / FILE
    known = json.loads(path.read_text()) if path.exists() else {}
    kept = [f for f in known.get(digest, []) if f["name"] != name]
    known[digest] = [*kept, {"name": name, "severity": severity}]
    partial = path.with_suffix(".part")
    partial.write_text(json.dumps(known, indent=1))
    partial.rename(path)
