"""The scans of the local ECR, by the calls that the platform makes."""

from __future__ import annotations

import pytest
from botocore.exceptions import ClientError

from local import images, instance


@pytest.fixture(scope="module")
def ecr(aws):
    client = aws.client("ecr")
    client.create_repository(repositoryName="scans/on-push", imageScanningConfiguration={"scanOnPush": True})
    client.create_repository(repositoryName="scans/by-hand")
    return client


def _push(aws, repository: str, tag: str) -> str:
    return images.record(instance.load(aws.directory), tag, repository)


def _findings(ecr, repository: str, **image) -> dict:
    return ecr.describe_image_scan_findings(repositoryName=repository, imageId=image)


def test_an_image_is_scanned_on_push_and_nothing_is_found(aws, ecr):
    digest = _push(aws, "scans/on-push", "one")
    answer = _findings(ecr, "scans/on-push", imageTag="one")
    assert answer["imageScanStatus"]["status"] == "COMPLETE"
    assert answer["imageId"]["imageDigest"] == digest
    assert answer["imageScanFindings"]["findings"] == []


def test_a_finding_that_was_recorded_is_found(aws, ecr):
    digest, other = _push(aws, "scans/on-push", "two"), _push(aws, "scans/on-push", "three")
    arguments = ["--tag", "two", "--repository", "scans/on-push", "--dir", str(aws.directory)]
    for severity in ("LOW", "HIGH"):  # the second time the severity changes
        done = aws.command("finding", *arguments, "--name", "CVE-2026-1", "--severity", severity)
        assert (done.returncode, done.stdout.strip()) == (0, digest), done.stderr
    found = _findings(ecr, "scans/on-push", imageDigest=digest)["imageScanFindings"]
    assert [(f["name"], f["severity"]) for f in found["findings"]] == [("CVE-2026-1", "HIGH")]
    assert found["findingSeverityCounts"] == {"HIGH": 1}
    assert _findings(ecr, "scans/on-push", imageDigest=other)["imageScanFindings"]["findings"] == []


def test_without_scans_on_push_there_is_none_until_it_is_started(aws, ecr):
    _push(aws, "scans/by-hand", "one")
    with pytest.raises(ClientError, match="ScanNotFoundException"):
        _findings(ecr, "scans/by-hand", imageTag="one")
    ecr.start_image_scan(repositoryName="scans/by-hand", imageId={"imageTag": "one"})
    assert _findings(ecr, "scans/by-hand", imageTag="one")["imageScanStatus"]["status"] == "COMPLETE"


@pytest.mark.parametrize(("repository", "tag", "error"), [
    ("scans/none", "one", "RepositoryNotFoundException"), ("scans/on-push", "none", "ImageNotFoundException")])
def test_what_isnt_there_has_no_scan(ecr, repository, tag, error):
    with pytest.raises(ClientError, match=error):
        _findings(ecr, repository, imageTag=tag)


def test_a_finding_of_an_image_that_isnt_there_is_refused(aws, ecr):
    done = aws.command("finding", "--tag", "none", "--repository", "scans/on-push", "--dir", str(aws.directory),
                       "--name", "CVE-2026-1", "--severity", "HIGH")
    assert done.returncode == 1 and "no image none in scans/on-push" in done.stderr
