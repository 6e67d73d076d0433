"""Whom the printer envelops to, among certificates of which some cannot be a recipient."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509 as pyca
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from mfp_sim.errors import AlgorithmRefused
from mfp_sim.scep import certificate as x509
from mfp_sim.scep import csr as csrs
from mfp_sim.scep import messages
from mfp_sim.scep.certificate import Certificate
from mfp_sim.scep.exchange import ClientTransaction, Enrolment, Policy
from mfp_sim.simtime import Entropy, FrozenClock, PooledKeys

DATA = Path(__file__).parent / "data"
NOON = datetime(2026, 3, 2, 12, tzinfo=timezone.utc)


@pytest.fixture
def printer() -> ClientTransaction:
    key, subject = PooledKeys(Entropy(1), side=0).rsa(2048), x509.name(("CN", "printer-1.example"))
    signer = x509.self_signed(
        key, subject=subject, serial=1, not_before=NOON - timedelta(hours=1), not_after=NOON + timedelta(days=9)
    )
    enrolment = Enrolment(key, csrs.build(key, subject=subject), signer, "t-1", subject)
    return ClientTransaction(enrolment, target="/scep", policy=Policy(), entropy=Entropy(1), clock=FrozenClock(NOON))


def test_an_ed25519_leaf_before_the_ca_is_passed_over(printer: ClientTransaction) -> None:
    bag = (DATA / "bag-ed25519-leaf-first.p7").read_bytes()
    printer.ca_certificates, _ = messages.read_ca_certificates(bag, "application/x-x509-ca-ra-cert")
    assert [c.subject_text for c in printer.ca_certificates] == ["CN=Ed leaf", "CN=Field CA"]
    assert printer.recipient().subject_text == "CN=Field CA"


def _leaf(key, digest) -> Certificate:
    """A self-signed certificate without extensions, so that nothing but its key speaks against it."""
    name = pyca.Name([pyca.NameAttribute(NameOID.COMMON_NAME, "leaf")])
    builder = pyca.CertificateBuilder().subject_name(name).issuer_name(name).serial_number(9)
    builder = builder.not_valid_before(NOON - timedelta(days=1)).not_valid_after(NOON + timedelta(days=9))
    return Certificate.from_der(builder.public_key(key.public_key()).sign(key, digest).public_bytes(Encoding.DER))


LEAVES = {
    "Ed25519": lambda: _leaf(ed25519.Ed25519PrivateKey.generate(), None),
    "DSA": lambda: _leaf(dsa.generate_private_key(2048), hashes.SHA256()),
    "EC": lambda: _leaf(ec.generate_private_key(ec.SECP256R1()), hashes.SHA256()),
    "brainpool": lambda: _leaf(ec.generate_private_key(ec.BrainpoolP256R1()), hashes.SHA256()),
}


@pytest.mark.parametrize("kind", LEAVES)
def test_what_cannot_be_a_recipient_is_passed_over_and_alone_is_none(printer: ClientTransaction, kind: str) -> None:
    leaf = LEAVES[kind]()
    bag = (DATA / "bag-ed25519-leaf-first.p7").read_bytes()
    ca = messages.read_ca_certificates(bag, "application/x-x509-ca-ra-cert")[0][1]
    for certificates in ((leaf, ca), (ca, leaf)):
        printer.ca_certificates = certificates
        assert printer.recipient() is ca
    printer.ca_certificates = (leaf,)
    with pytest.raises(AlgorithmRefused, match="expected a certificate with an RSA key, got none"):
        printer.recipient()
