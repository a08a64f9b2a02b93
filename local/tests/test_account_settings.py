"""The account's settings: kept by account and Region, answered as AWS does."""

from __future__ import annotations

import json

import pytest

from local import account_settings, records

BLOCK = b"""<PublicAccessBlockConfiguration xmlns="http://awss3control.amazonaws.com/doc/2018-08-20/">
<BlockPublicAcls>true</BlockPublicAcls><RestrictPublicBuckets>false</RestrictPublicBuckets></PublicAccessBlockConfiguration>"""


@pytest.fixture(autouse=True)
def no_records(tmp_path, monkeypatch):
    monkeypatch.setenv("SLIPWAY_RECORDS", str(tmp_path / "records.json"))


def s3(method: str, body: bytes = b"", account: str = "000000000000", region: str = "eu-west-1"):
    return account_settings.answer(account, region, "s3", method, "/v20180820/configuration/publicAccessBlock", "", body)


def analyzers(method: str, path: str = "/analyzer", query: str = "", account: str = "000000000000", **body):
    status, kind, content = account_settings.answer(account, "eu-west-1", "access-analyzer", method, path, query,
                                                    json.dumps(body).encode())
    assert kind == "application/json"
    return status, json.loads(content)


def test_a_block_is_kept_for_the_account_in_all_regions():
    assert s3("GET")[0] == 404 and b"NoSuchPublicAccessBlockConfiguration" in s3("GET")[2]
    assert s3("PUT", BLOCK)[0] == 201
    status, _, content = s3("GET", region="us-east-1")
    assert status == 200
    assert b"<BlockPublicAcls>true<" in content and b"<RestrictPublicBuckets>false<" in content
    assert b"<IgnorePublicAcls>false<" in content  # what isn't given is off
    assert s3("GET", account="111111111111")[0] == 404
    assert s3("DELETE")[0] == 204 and s3("GET")[0] == 404


def test_an_account_has_one_analyzer_of_a_type():
    assert analyzers("GET") == (200, {"analyzers": []})
    assert analyzers("PUT", analyzerName="a", type="ACCOUNT")[0] == 200
    status, refused = analyzers("PUT", analyzerName="b", type="ACCOUNT")
    assert status == 402 and refused["__type"] == "ServiceQuotaExceededException"
    assert analyzers("PUT", analyzerName="o", type="ORGANIZATION")[0] == 200
    assert [a["name"] for a in analyzers("GET", query="type=ACCOUNT")[1]["analyzers"]] == ["a"]
    assert [a["name"] for a in analyzers("GET")[1]["analyzers"]] == ["a", "o"]
    assert analyzers("GET", account="111111111111")[1] == {"analyzers": []}
    assert analyzers("DELETE", "/analyzer/a", "clientToken=x") == (200, {})
    assert analyzers("DELETE", "/analyzer/a")[1]["__type"] == "ResourceNotFoundException"
    assert analyzers("PUT", analyzerName="c", type="ACCOUNT")[0] == 200


def test_an_analyzer_of_a_template_is_seen():
    records.put("000000000000", "eu-west-1", account_settings.ANALYZER,
                "arn:aws:access-analyzer:eu-west-1:000000000000:analyzer/t", {"Type": "ACCOUNT"})
    assert [a["name"] for a in analyzers("GET")[1]["analyzers"]] == ["t"]


def test_an_operation_that_is_missing_says_so():
    status, refused = analyzers("GET", "/analyzer/a/archive-rule")
    assert status == 400 and "archive-rule" in refused["message"]


@pytest.mark.parametrize(("service", "path", "ours"), [
    ("access-analyzer", "/analyzer", True), ("s3", "/v20180820/configuration/publicAccessBlock", True),
    ("s3", "/v20180820/accesspoint", False), ("s3", "/bucket/key", False), ("ec2", "/", False),
])
def test_what_is_answered_here(service, path, ours):
    assert account_settings.wanted(service, path) is ours
