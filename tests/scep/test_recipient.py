"""Whom the printer envelops to, among certificates of which some cannot be a recipient."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography import x509 as pyca
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from mfp_sim.client.exchange import ClientPolicy, ClientTransaction, Enrolment
from mfp_sim.shared.errors import AlgorithmRefused, DecodeError
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import csr as csrs
from mfp_sim.shared.scep import messages
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.roles import CaRoles
from mfp_sim.shared.simtime import Entropy, FrozenClock, PooledKeys

DATA = Path(__file__).parent / "data"
NOON = datetime(2026, 3, 2, 12, tzinfo=timezone.utc)


@pytest.fixture
def printer() -> ClientTransaction:
    key, subject = PooledKeys(Entropy(1), side=0).rsa(2048), x509.name(("CN", "printer-1.example"))
    signer = x509.self_signed(
        key, subject=subject, serial=1, not_before=NOON - timedelta(hours=1), not_after=NOON + timedelta(days=9)
    )
    enrolment = Enrolment(key, csrs.build(key, subject=subject), signer, "t-1", subject)
    return ClientTransaction(
        enrolment, target="/scep", policy=ClientPolicy(), entropy=Entropy(1), clock=FrozenClock(NOON)
    )


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


# --- whom to choose ---------------------------------------------------------------------------------------

KEY = PooledKeys(Entropy(5), side=0).rsa(2048)
ENCRYPTS, SIGNS = ("keyEncipherment",), ("digitalSignature",)


def _certificate(name: str, issuer: str, *, ca: bool = False, usage: tuple[str, ...] | None = ENCRYPTS) -> Certificate:
    extensions = [x509.basic_constraints_extension(True)] if ca else []
    extensions += [] if usage is None else [x509.key_usage_extension(*usage)]
    return x509.issue(
        serial=7, issuer=x509.name(("CN", issuer)), subject=x509.name(("CN", name)), spki=x509.spki_of(KEY),
        not_before=NOON - timedelta(days=1), not_after=NOON + timedelta(days=9), extensions=extensions, signing_key=KEY,
    )  # fmt: skip


ROOT, ROOT_SIGNS = (_certificate("root", "root", ca=True, usage=usage) for usage in (ENCRYPTS, ("keyCertSign",)))
SUB, SUB_SIGNS = (_certificate("sub", "root", ca=True, usage=usage) for usage in (ENCRYPTS, ("keyCertSign",)))
SUB_BARE = _certificate("sub", "root", ca=True, usage=None)
RA, RA_SIGNS, RA_BARE = (_certificate("ra", "sub", usage=usage) for usage in (ENCRYPTS, SIGNS, None))
RA_SIGN_ONLY = _certificate("ra-sign", "sub", usage=SIGNS)
FINDING = "the CA's keyUsage has no keyEncipherment; the request is enveloped to it regardless"

CHOICES = {
    "the CA alone": ((ROOT,), ROOT, False),
    "an RA before its CA": ((ROOT, SUB, RA), RA, False),
    "the RA that encrypts, not the one that signs": ((SUB, RA_SIGN_ONLY, RA), RA, False),
    "an RA without keyUsage, after one that encrypts": ((SUB, RA_BARE, RA), RA, False),
    "an RA without keyUsage before the CA": ((SUB, RA_SIGN_ONLY, RA_BARE), RA_BARE, False),
    "the CA where the RA only signs": ((SUB, RA_SIGNS), SUB, False),
    "the issuing CA of two that encrypt": ((ROOT, SUB), SUB, False),
    "the issuing CA of two that encrypt, in any order": ((SUB, ROOT), SUB, False),
    "a root that encrypts where the issuing CA does not": ((SUB_SIGNS, ROOT), ROOT, False),
    "the issuing CA where nobody encrypts": ((ROOT_SIGNS, SUB_SIGNS), SUB_SIGNS, True),
    "the issuer of the RA where nobody encrypts": ((ROOT_SIGNS, SUB_SIGNS, RA_SIGNS), SUB_SIGNS, True),
    "the issuing CA without keyUsage": ((SUB_BARE,), SUB_BARE, False),
    "what is there where nothing is a CA": ((RA_SIGNS,), RA_SIGNS, True),
}


@pytest.mark.parametrize("what", CHOICES)
def test_the_recipient_goes_by_key_usage_and_never_by_position(printer: ClientTransaction, what: str) -> None:
    certificates, chosen, noted = CHOICES[what]
    printer.ca_certificates = certificates
    assert printer.recipient() is chosen
    assert printer.notes == ([messages.Note("SCEP-2.1.2-02", "GetCACert", FINDING)] if noted else [])


@pytest.mark.parametrize(
    ("certificates", "issuer"),
    [
        ((ROOT,), ROOT),
        ((ROOT, SUB), SUB),
        ((SUB, ROOT), SUB),
        ((ROOT, SUB, RA), SUB),
        ((ROOT, RA, SUB), SUB),
        ((SUB, _certificate("ra", "root"), ROOT), ROOT),
        ((RA,), RA),
        ((SUB, _certificate("below", "sub", ca=True)), None),
        ((_certificate("b", "a", ca=True), _certificate("a", "b", ca=True)), "the first, where none is lowest"),
    ],
)
def test_the_issuer_is_the_ca_that_issued_another_or_the_lowest(
    printer: ClientTransaction, certificates, issuer
) -> None:
    printer.ca_certificates = certificates
    assert CaRoles(printer.ca_certificates).issuer is (
        certificates[0] if isinstance(issuer, str) else issuer or certificates[-1]
    )


def test_nobody_to_envelop_to_is_told_of_the_reply(printer: ClientTransaction) -> None:
    printer.ca_certificates = (LEAVES["EC"](),)
    with pytest.raises(AlgorithmRefused) as refused:
        printer.recipient()
    assert str(refused.value) == "GetCACert at byte 0: expected a certificate with an RSA key, got none"


@pytest.mark.parametrize("oid", [v.BASIC_CONSTRAINTS, v.KEY_USAGE])
def test_a_malformed_extension_is_refused_or_says_nothing(oid: str) -> None:
    malformed = replace(RA, extensions={**RA.extensions, oid: x509.Extension(True, b"\x05\x00")})
    with pytest.raises(DecodeError):
        _ = CaRoles((SUB, malformed)).recipient
    assert CaRoles((SUB, malformed), tolerant=True).recipient is malformed
    assert CaRoles((SUB, malformed), tolerant=True).issuer is SUB
