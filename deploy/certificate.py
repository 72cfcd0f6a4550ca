# ruff: noqa: INP001 - a script, run by its path
"""Make the certificates of docker-compose.yml at its first start: a CA that is thrown away, and one for each server.

Usage: certificate.py FOLDER NAME:UID ...  For each server: FOLDER/NAME.crt and NAME.key, which only that user can
read. What is there is left alone; for new ones delete the folder's volume, and start everything anew.
"""

import os
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

_VALID_FOR: Final = timedelta(days=3650)
_CA: Final = "ca.crt"


def main(folder: Path, servers: list[tuple[str, int]]) -> None:
    """Write everything, the CA's certificate last: where that is, all is there."""
    if (folder / _CA).exists():
        return
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca = _certificate("CA of this compose file", ca_key, ca_key, issuer=None)
    for name, uid in servers:
        key = ec.generate_private_key(ec.SECP256R1())
        _write(folder / f"{name}.key", _private(key), uid=uid, mode=0o600)
        _write(folder / f"{name}.crt", _public(_certificate(name, key, ca_key, issuer=ca)), uid=uid, mode=0o644)
    _write(folder / _CA, _public(ca), uid=os.geteuid(), mode=0o644)


def _certificate(
    name: str, key: ec.EllipticCurvePrivateKey, signer: ec.EllipticCurvePrivateKey, *, issuer: x509.Certificate | None
) -> x509.Certificate:
    """Return a CA's certificate where there is no issuer, else that of a server, also as ``localhost``."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + _VALID_FOR)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .add_extension(_usage(is_ca=issuer is None), critical=True)
    )
    if issuer:
        names = [x509.DNSName(name), x509.DNSName("localhost")]
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return builder.sign(signer, hashes.SHA256())


def _usage(*, is_ca: bool) -> x509.KeyUsage:
    nothing_else = dict.fromkeys(
        [
            "content_commitment",
            "key_encipherment",
            "data_encipherment",
            "key_agreement",
            "encipher_only",
            "decipher_only",
        ],
        False,
    )
    return x509.KeyUsage(digital_signature=not is_ca, key_cert_sign=is_ca, crl_sign=is_ca, **nothing_else)


def _private(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _public(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def _write(path: Path, content: bytes, *, uid: int, mode: int) -> None:
    """Write a file that is never readable for others, not for a moment; one that was half made is made anew."""
    path.unlink(missing_ok=True)
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
    path.chmod(mode)
    os.chown(path, uid, -1)  # last: it may not change what is another's


if __name__ == "__main__":
    main(Path(sys.argv[1]), [(name, int(uid)) for name, _, uid in (each.partition(":") for each in sys.argv[2:])])
