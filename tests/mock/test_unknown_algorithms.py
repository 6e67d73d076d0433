"""Unknown is not malformed: what the CA does not know is badAlg (RFC 8894, 3.2.1.4), and says what it is."""

from __future__ import annotations

from pathlib import Path

import pytest
from cryptography import x509 as pyca
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from mfp_sim.shared.scep import cms
from mfp_sim.shared.scep.http_messages import scep_request
from mfp_sim.shared.scep.messages import Oddities
from mfp_sim.shared.scep.vocabulary import MessageType, Operation

DATA = Path(__file__).parent.parent / "scep" / "data"
PROFILES = pytest.mark.parametrize("profile", ["rfc8894", "strict", "lenient"])


def _csr(key, digest=hashes.SHA256(), pss: bool = False) -> bytes:  # noqa: B008 - a value
    name = pyca.Name([pyca.NameAttribute(NameOID.COMMON_NAME, "printer-1.example")])
    builder = pyca.CertificateSigningRequestBuilder().subject_name(name)
    builder = builder.add_attribute(pyca.oid.AttributeOID.CHALLENGE_PASSWORD, b"s3cret")
    scheme = padding.PSS(padding.MGF1(digest), 32) if pss else None
    return builder.sign(key, digest, rsa_padding=scheme).public_bytes(Encoding.DER)


# The bytes come from key generation; no test looks at them.
RSA = rsa.generate_private_key(65537, 2048)
CSRS = {
    "PSS": (_csr(RSA, pss=True), "badAlg: id-RSASSA-PSS is refused in a CSR"),
    "SHA3-256": (_csr(RSA, hashes.SHA3_256()), "badAlg: 2.16.840.1.101.3.4.3.14 is refused in a CSR"),
    "SHA-224": (_csr(RSA, hashes.SHA224()), "badAlg: 1.2.840.113549.1.1.14 is refused in a CSR"),
    "Ed25519": (_csr(ed25519.Ed25519PrivateKey.generate(), None), "badAlg: a CSR for a key for Ed25519; an RSA or EC public key is required"),
    "DSA": (_csr(dsa.generate_private_key(2048)), "badAlg: a CSR for a key for DSA; an RSA or EC public key is required"),
    "ECDSA with SHA3": (_csr(ec.generate_private_key(ec.SECP256R1()), hashes.SHA3_256()), "badAlg: 2.16.840.1.101.3.4.3.10 is refused in a CSR"),
}  # fmt: skip


@PROFILES
@pytest.mark.parametrize("name", CSRS)
def test_a_csr_with_what_is_not_known_is_bad_alg(make_ca, make_client, profile: str, name: str) -> None:
    octets, words = CSRS[name]
    ca = make_ca(profile=profile)
    assert make_client(ca).send(MessageType.PKCS_REQ, octets).words == words
    assert ca.minted == 0


@PROFILES
@pytest.mark.parametrize(
    ("file", "words"),
    [
        ("csr-pss.der", "badAlg: id-RSASSA-PSS is refused in a CSR"),
        ("csr-version-1.der", "badRequest: the CSR's version is 1 but must be 0"),
        ("csr-wrong-signature.der", "badRequest: the signature of the CSR does not verify (sha256)"),
    ],
)
def test_a_csr_is_refused_for_what_is_wrong_with_it(make_ca, make_client, profile: str, file: str, words: str) -> None:
    ca = make_ca(profile=profile, challenge=None)
    assert make_client(ca).send(MessageType.PKCS_REQ, (DATA / file).read_bytes()).words == words
    assert ca.minted == 0


def test_a_malformed_key_is_no_unknown_one(make_ca, make_client) -> None:
    ca = make_ca()
    client = make_client(ca)
    octets = client.csr()
    where = octets.index(bytes.fromhex("2a864886f70d010101"))  # rsaEncryption of the key
    broken = octets[: where + 11] + b"\x05" + octets[where + 12 :]
    assert client.send(MessageType.PKCS_REQ, broken).words.startswith("badRequest: the messageData is wrong")


def _other_oid(octets: bytes, old: str, new: str, count: int = -1) -> bytes:
    """The bytes with one object identifier in place of another of the same length."""
    before, after = bytes.fromhex(old), bytes.fromhex(new)
    assert len(before) == len(after)
    assert before in octets
    return octets.replace(before, after, count)


SHA256, SHA3_256 = "0609608648016503040201", "0609608648016503040208"
AES128, AES128_GCM = "0609608648016503040102", "0609608648016503040106"
RSA_ENCRYPTION, RSA_OTHER = "06092a864886f70d010101", "06092a864886f70d01017f"


def _sent(client) -> bytes:
    return client.message(MessageType.PKCS_REQ, client.csr())


@PROFILES
def test_a_message_signed_with_an_unknown_digest_is_bad_alg(make_ca, make_client, profile: str) -> None:
    ca = make_ca(profile=profile)
    octets = _other_oid(_sent(make_client(ca)), SHA256, SHA3_256)
    reply = ca.ask(scep_request("/scep", Operation.PKI_OPERATION, octets, method="POST"))
    assert reply.words == "badAlg: 2.16.840.1.101.3.4.2.8 is refused"
    assert reply.message.digest == "sha256"


@PROFILES
@pytest.mark.parametrize(
    ("oddities", "got"),
    [
        (Oddities(signature_name="pss"), "id-RSASSA-PSS"),
        (Oddities(gcm=True), "authEnvelopedData"),
    ],
)
def test_a_message_with_what_is_not_known_is_bad_alg(make_ca, make_client, profile: str, oddities, got: str) -> None:
    ca = make_ca(profile=profile)
    assert make_client(ca).enrol(oddities=oddities).words == f"badAlg: {got} is refused"
    assert ca.minted == 0


@pytest.mark.parametrize(
    ("old", "new", "got"),
    [(AES128, AES128_GCM, "aes-128-gcm"), (RSA_ENCRYPTION, RSA_OTHER, "1.2.840.113549.1.1.127")],
)
def test_an_envelope_with_an_unknown_cipher_or_key_transport_is_bad_alg(
    make_ca, make_client, monkeypatch, old: str, new: str, got: str
) -> None:
    original = cms.encode_envelope
    monkeypatch.setattr(
        "mfp_sim.shared.scep.writing.cms.encode_envelope",
        lambda *values, **more: _other_oid(original(*values, **more), old, new, 1),
    )
    ca = make_ca()
    assert make_client(ca).enrol().words == f"badAlg: {got} is refused"


@PROFILES
@pytest.mark.parametrize("kind", ["Ed25519", "DSA"])
def test_a_signer_with_an_unknown_kind_of_key_is_bad_alg(make_ca, make_client, profile: str, kind: str) -> None:
    """The certificate says so; whatever the signature is, it cannot be verified."""
    ca = make_ca(profile=profile)
    client = make_client(ca)
    key = ed25519.Ed25519PrivateKey.generate() if kind == "Ed25519" else dsa.generate_private_key(2048)
    name = pyca.Name([pyca.NameAttribute(NameOID.COMMON_NAME, "printer-1.example")])
    made = (
        pyca.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(client.signer.not_before)
        .not_valid_after(client.signer.not_after)
        .sign(key, None if kind == "Ed25519" else hashes.SHA256())
    )
    client.signer = type(client.signer).from_der(made.public_bytes(Encoding.DER))
    assert client.enrol().words == f"badAlg: a key for {kind} is refused"
