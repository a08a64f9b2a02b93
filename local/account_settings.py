"""Settings of an account that ministack lacks: EC2's defaults, S3's public-access block, and access analyzers.

They are records: kept and answered by their APIs, without any effect. ``status`` lists them.
"""

from __future__ import annotations

import json
import re
from urllib.parse import parse_qs, unquote
from xml.etree import ElementTree

from . import records

_EBS, _METADATA = "EC2 encryption by default", "EC2 instance metadata defaults"
_PUBLIC_ACCESS = "S3 account public-access block"
ANALYZER = "AWS::AccessAnalyzer::Analyzer"
"""Also the type of the records that templates make."""

_BLOCK_PATH = "/v20180820/configuration/publicAccessBlock"
_S3_CONTROL = "http://awss3control.amazonaws.com/doc/2018-08-20/"
_BLOCK_FIELDS = ("BlockPublicAcls", "IgnorePublicAcls", "BlockPublicPolicy", "RestrictPublicBuckets")


def _find(account: str, region: str, kind: str) -> list[dict]:
    return [r for r in records.read(records.path())
            if (r["account"], r["region"], r["type"]) == (account, region, kind)]


def _get(account: str, region: str, kind: str) -> dict:
    found = _find(account, region, kind)
    return found[0]["properties"] if found else {}


# IAM and EC2

def apply() -> None:
    """Adds EC2's operations to ministack's table, and lets a new password policy replace the old one."""
    from ministack.services import ec2, iam

    update = iam._IAM_HANDLERS["UpdateAccountPasswordPolicy"]

    def replace(p):
        # What isn't given goes back to its default, as IAM documents; ministack would keep it.
        # https://docs.aws.amazon.com/IAM/latest/APIReference/API_UpdateAccountPasswordPolicy.html
        if "policy" in iam._account_password_policy:
            del iam._account_password_policy["policy"]
        return update(p)

    iam._IAM_HANDLERS["UpdateAccountPasswordPolicy"] = replace

    ec2._ACTION_MAP |= {
        "GetEbsEncryptionByDefault": lambda p: _ebs("Get", None),
        "EnableEbsEncryptionByDefault": lambda p: _ebs("Enable", True),
        "DisableEbsEncryptionByDefault": lambda p: _ebs("Disable", False),
        "GetInstanceMetadataDefaults": _get_metadata,
        "ModifyInstanceMetadataDefaults": _modify_metadata,
    }


def _here() -> tuple[str, str]:
    from ministack.core.responses import get_account_id, get_region

    return get_account_id(), get_region()


def _ebs(verb: str, value: bool | None):
    from ministack.services import ec2

    account, region = _here()
    if value is not None:
        records.put(account, region, _EBS, "default", {"enabled": value})
    enabled = bool(_get(account, region, _EBS).get("enabled"))
    return ec2._xml(200, f"{verb}EbsEncryptionByDefaultResponse",
                    f"<ebsEncryptionByDefault>{str(enabled).lower()}</ebsEncryptionByDefault>")


_METADATA_FIELDS = {"HttpTokens": ("httpTokens", "no-preference"), "HttpEndpoint": ("httpEndpoint", "no-preference"),
                    "InstanceMetadataTags": ("instanceMetadataTags", "no-preference"),
                    "HttpPutResponseHopLimit": ("httpPutResponseHopLimit", "-1")}
"""Parameter → the field of the answer, and the value that takes a default back."""


def _get_metadata(p):
    from ministack.services import ec2

    account, region = _here()
    fields = "".join(f"<{name}>{value}</{name}>" for name, value in _get(account, region, _METADATA).items())
    return ec2._xml(200, "GetInstanceMetadataDefaultsResponse", f"<accountLevel>{fields}</accountLevel>")


def _modify_metadata(p):
    from ministack.services import ec2

    account, region = _here()
    given = {name: ec2._p(p, name) for name in _METADATA_FIELDS if ec2._p(p, name)}
    if not given:
        return ec2._error("MissingParameter", "The request must contain at least one default", 400)
    kept = dict(_get(account, region, _METADATA))
    for name, value in given.items():
        field, back = _METADATA_FIELDS[name]
        if value == back:
            kept.pop(field, None)
        else:
            kept[field] = value
    records.put(account, region, _METADATA, "default", kept)
    return ec2._xml(200, "ModifyInstanceMetadataDefaultsResponse", "<return>true</return>")


# S3 and Access Analyzer, which come by path

def wanted(service: str, path: str) -> bool:
    """Whether a request signed for this service is answered here."""
    return service == "access-analyzer" or service == "s3" and path == _BLOCK_PATH


def answer(account: str, region: str, service: str, method: str, path: str, query: str,
           body: bytes) -> tuple[int, str, bytes]:
    """Answers one request: status, content type, content."""
    if service == "s3":
        status, content = _public_access(account, method, body)
        return status, "application/xml", content
    status, answered = _analyzers(account, region, method, path, query, body)
    return status, "application/json", json.dumps(answered).encode()


def _public_access(account: str, method: str, body: bytes) -> tuple[int, bytes]:
    """The block of the account, which counts in all Regions."""
    kept = _get(account, "", _PUBLIC_ACCESS)
    if method == "PUT":
        given = {element.tag.rpartition("}")[2]: (element.text or "").strip() for element in ElementTree.fromstring(body)}
        records.put(account, "", _PUBLIC_ACCESS, account, {f: given.get(f) == "true" for f in _BLOCK_FIELDS})
        return 201, b""
    if method == "DELETE":
        records.remove(account, "", _PUBLIC_ACCESS, account)
        return 204, b""
    if not kept:
        return 404, (b"<ErrorResponse><Error><Code>NoSuchPublicAccessBlockConfiguration</Code><Message>The public access "
                     b"block configuration was not found</Message></Error></ErrorResponse>")
    fields = "".join(f"<{f}>{str(kept[f]).lower()}</{f}>" for f in _BLOCK_FIELDS)
    return 200, f'<PublicAccessBlockConfiguration xmlns="{_S3_CONTROL}">{fields}</PublicAccessBlockConfiguration>'.encode()


def _analyzers(account: str, region: str, method: str, path: str, query: str, body: bytes) -> tuple[int, dict]:
    """ListAnalyzers, CreateAnalyzer and DeleteAnalyzer; one analyzer of a type for an account, as on AWS."""
    prefix = f"arn:aws:access-analyzer:{region}:{account}:analyzer/"
    kept = {r["id"].removeprefix(prefix): r["properties"].get("Type", "ACCOUNT") for r in _find(account, region, ANALYZER)}
    named = re.fullmatch("/analyzer/([^/]+)", path)
    if path == "/analyzer" and method == "GET":
        kind = parse_qs(query).get("type", [""])[0]
        return 200, {"analyzers": [
            {"arn": prefix + name, "name": name, "type": of, "status": "ACTIVE", "createdAt": "2026-01-01T00:00:00Z"}
            for name, of in sorted(kept.items()) if kind in ("", of)]}
    if path == "/analyzer" and method == "PUT":
        wish = json.loads(body)
        if wish["type"] in kept.values():
            return 402, {"__type": "ServiceQuotaExceededException", "message": f"an analyzer of type {wish['type']} exists",
                         "resourceId": wish["analyzerName"], "resourceType": "analyzer"}
        records.put(account, region, ANALYZER, prefix + wish["analyzerName"], {"Type": wish["type"]})
        return 200, {"arn": prefix + wish["analyzerName"]}
    if named and method == "DELETE":
        name = unquote(named[1])
        if name not in kept:
            return 404, {"__type": "ResourceNotFoundException", "message": f"no analyzer {name}",
                         "resourceId": name, "resourceType": "analyzer"}
        records.remove(account, region, ANALYZER, prefix + name)
        return 200, {}
    return 400, {"__type": "ValidationException", "message": f"the local AWS doesn't know {method} {path}", "reason": "other"}
