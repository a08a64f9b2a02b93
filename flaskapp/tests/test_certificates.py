"""The bundle that the image holds is Amazon's, and is enough."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509

from slipway_app.settings import RDS_BUNDLE, Settings

# AWS, "Using SSL/TLS to encrypt a connection to a DB instance or cluster": the authorities
# rds-ca-rsa2048-g1, rds-ca-rsa4096-g1 and rds-ca-ecc384-g1, in each region.
KINDS = {"RSA2048 G1", "RSA4096 G1", "ECC384 G1"}
NAME = re.compile(r"Amazon RDS ([a-z]{2}(?:-[a-z]+)+-[0-9]) Root CA (.+)")


@pytest.fixture(scope="module")
def certificates() -> list[x509.Certificate]:
    return x509.load_pem_x509_certificates(Path(RDS_BUNDLE).read_bytes())


def common_name(certificate: x509.Certificate) -> str:
    [attribute] = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(attribute.value)


def test_every_certificate_is_a_root_of_amazon_rds(certificates: list[x509.Certificate]) -> None:
    for certificate in certificates:
        assert NAME.fullmatch(common_name(certificate))
        certificate.verify_directly_issued_by(certificate)
        constraints = certificate.extensions.get_extension_for_class(x509.BasicConstraints)
        assert constraints.value.ca
        [organization] = certificate.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)
        assert organization.value == "Amazon Web Services, Inc."


def test_every_certificate_is_valid_for_years(certificates: list[x509.Certificate]) -> None:
    now = datetime.now(UTC)
    for certificate in certificates:
        assert certificate.not_valid_before_utc <= now
        assert certificate.not_valid_after_utc > now + timedelta(days=5 * 365)


@pytest.mark.parametrize("region", ["eu-west-1", "eu-central-1", "us-east-1", "ap-southeast-2"])
def test_a_region_has_a_root_of_each_kind(
    certificates: list[x509.Certificate], region: str
) -> None:
    found = {m[2] for c in certificates if (m := NAME.fullmatch(common_name(c))) and m[1] == region}
    assert found == KINDS


def test_it_is_what_the_application_trusts_unless_told_otherwise() -> None:
    assert Settings.from_environ({"APP_ENVIRONMENT": "dev"}).database_ca_file == RDS_BUNDLE
