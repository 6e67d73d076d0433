"""Writes a new CA for smallstep's step-ca with one SCEP provisioner, named scep:

    step_ca.py FOLDER PORT SECRET-FILE [--as-it-comes]

The certificates say what RFC 8894, 2.1.2 asks of a CA that signs and decrypts, so that the run judges the server and
not this file. Replies are encrypted with AES128-CBC (1); without that option step-ca takes single DES.

With --as-it-comes neither is so: the usages are those that "step certificate create --profile intermediate-ca" gives,
and the provisioner has what "step ca provisioner add --type SCEP --challenge" writes. Two things have to be changed
even then: the keys are RSA, since SCEP cannot use the EC keys of "step ca init", and HTTP without TLS is served.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

_AES_128_CBC = 1


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def _key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)


def _certificate(
    subject: str, key: rsa.RSAPrivateKey, issuer: str, signer: rsa.RSAPrivateKey, *, length: int, replies: bool = False
) -> x509.Certificate:
    """A CA certificate. ``replies``: whether it may also sign replies and decrypt requests."""
    now = datetime.now(UTC)
    usage = x509.KeyUsage(
        digital_signature=replies,
        content_commitment=False,
        key_encipherment=replies,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=True,
        crl_sign=True,
        encipher_only=False,
        decipher_only=False,
    )
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=True, path_length=length), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key()), critical=False)
        .sign(signer, hashes.SHA256())
    )


def main() -> None:
    """Writes the CA and its ca.json."""
    folder, port, secret = Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]).read_text("utf-8").strip()
    as_it_comes = sys.argv[4:] == ["--as-it-comes"]
    folder.mkdir(parents=True)
    root_key, key = _key(), _key()
    root = _certificate("Root", root_key, "Root", root_key, length=1)
    below = _certificate("Intermediate", key, "Root", root_key, length=0, replies=not as_it_comes)
    (folder / "root.crt").write_bytes(root.public_bytes(Encoding.PEM))
    (folder / "ca.crt").write_bytes(below.public_bytes(Encoding.PEM))
    (folder / "ca.key").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    provisioner: dict[str, object] = {
        "type": "SCEP",
        "name": "scep",
        "challenge": secret,
        "minimumPublicKeyLength": 2048,
    }
    if not as_it_comes:
        provisioner["encryptionAlgorithmIdentifier"] = _AES_128_CBC
    settings = {
        "root": str(folder / "root.crt"),
        "crt": str(folder / "ca.crt"),
        "key": str(folder / "ca.key"),
        "address": "127.0.0.1:0",
        "insecureAddress": f"127.0.0.1:{port}",
        "dnsNames": ["127.0.0.1"],
        "logger": {"format": "text"},
        "db": {"type": "badgerv2", "dataSource": str(folder / "db")},
        "authority": {"provisioners": [provisioner]},
    }
    (folder / "ca.json").write_text(json.dumps(settings, indent=2), "utf-8")


if __name__ == "__main__":
    main()
