"""What others wrote is read to the bottom: attributes, signature, envelope, content, and each oddity by its name."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from vectors import FOLDER, MESSAGES, private_key, vector

from mfp_sim.shared.errors import EnvelopeUnreadable
from mfp_sim.shared.scep import messages
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.crl import Crl
from mfp_sim.shared.scep.csr import Csr
from mfp_sim.shared.scep.envelope import open_envelope, read_envelope
from mfp_sim.shared.scep.http_messages import HttpRequest, read_capabilities, read_scep_query
from mfp_sim.shared.scep.vocabulary import FailInfo, MessageType, PkiStatus

SWAN = "C1ECD1A684C18B7DFEF3B93B5A13DCC6B6B888BD"
MICRO = "TmRqR2U4r6XqKg8oRdbz3Wv9yK0="
CONSTRUCTED, SINGLE_DES = "SCEP-3.2.2-06", "SCEP-2.9-09"
LONG_SERIAL = {"SCEP-2.3-02", "SCEP-2.3-03"}  # no keyUsage; 21 bytes


def _head(name: str) -> HttpRequest:
    method, target = vector(name).split()[:2]
    return HttpRequest(method.decode(), target.decode())


@pytest.mark.parametrize(
    ("name", "kind", "transaction", "digest", "cipher", "oddities"),
    [
        ("micromdm/pkcsreq.der", MessageType.PKCS_REQ, MICRO, "sha1", "des-cbc", {CONSTRUCTED, SINGLE_DES}),
        ("micromdm/renewalreq.der", MessageType.RENEWAL_REQ, MICRO, "sha1", "des-cbc", {CONSTRUCTED, SINGLE_DES}),
        ("micromdm/certrep-success.der", MessageType.CERT_REP, MICRO, "sha1", "des-cbc", {CONSTRUCTED, SINGLE_DES}),
        ("micromdm/certrep-renewed.der", MessageType.CERT_REP, MICRO, "sha1", "des-cbc", {CONSTRUCTED, SINGLE_DES}),
        ("strongswan/pkcsreq-aes.der", MessageType.PKCS_REQ, SWAN, "sha256", "aes-128-cbc", LONG_SERIAL),
        ("strongswan/pkcsreq-3des.der", MessageType.PKCS_REQ, SWAN, "sha256", "des-ede3-cbc", LONG_SERIAL),
        ("strongswan/certpoll.der", MessageType.CERT_POLL, SWAN, "sha256", "aes-128-cbc", LONG_SERIAL),
        (
            "strongswan/renewalreq.der",
            MessageType.RENEWAL_REQ,
            "ADC9F32647A7593903690F2897C638C5C01D6BFB",
            "sha256",
            "aes-128-cbc",
            set(),
        ),
    ],
)
def test_a_message_of_others_is_read_and_verified(
    name: str, kind: MessageType, transaction: str, digest: str, cipher: str, oddities: set[str]
) -> None:
    message = messages.decode(vector(name))
    assert (message.message_type, message.transaction_id, message.digest) == (kind, transaction, digest)
    assert message.envelope is not None
    assert message.envelope.cipher == cipher
    assert {note.requirement for note in message.notes} == oddities
    signer = message.signer()
    assert signer is not None
    message.verify(signer)


@pytest.mark.parametrize(
    ("name", "subject", "challenge"),
    [
        ("micromdm/pkcsreq.der", "CN=printer-1.example", True),
        ("micromdm/renewalreq.der", "CN=printer-1.example", False),
        ("strongswan/pkcsreq-aes.der", "CN=printer-2.example,O=Example AS,C=NO", True),
        ("strongswan/pkcsreq-3des.der", "CN=printer-2.example,O=Example AS,C=NO", True),
        ("strongswan/renewalreq.der", "CN=printer-2.example,O=Example AS,C=NO", False),
    ],
)
def test_the_request_in_the_envelope_verifies(name: str, subject: str, challenge: bool) -> None:
    message = messages.decode(vector(name))
    key = MESSAGES[name]
    assert key is not None
    request = Csr.from_der(messages.open_envelope(message, private_key(key)))
    request.verify()
    assert request.subject_text == subject
    if name.startswith("micromdm/pkcsreq") or "pkcsreq" in name:
        assert (request.challenge is not None) is challenge


def test_a_wrong_key_opens_nothing() -> None:
    message = messages.decode(vector("micromdm/pkcsreq.der"))
    with pytest.raises(EnvelopeUnreadable, match="cannot be decrypted with our key"):
        messages.open_envelope(message, private_key("micromdm/client-key.pem"))


def test_strongswan_polls_with_issuer_and_subject() -> None:
    message = messages.decode(vector("strongswan/certpoll.der"))
    data = messages.open_envelope(message, private_key("strongswan/certpoll-ca-key.pem"))
    issuer, subject = messages.read_issuer_and_subject(data)
    assert b"printer-2.example" in subject
    assert issuer != subject


@pytest.mark.parametrize(("name", "serial"), [("certrep-success", 2), ("certrep-renewed", 3)])
def test_the_certificate_that_micromdm_issued(name: str, serial: int) -> None:
    message = messages.decode(vector(f"micromdm/{name}.der"))
    data = messages.open_envelope(message, private_key("micromdm/client-key.pem"))
    (certificate,) = messages.read_certs_only(data)
    certificate.verify_issued_by(Certificate.from_der(vector("micromdm/getcacert-reply.der")))
    assert (certificate.serial, certificate.common_name) == (serial, "printer-1.example")
    assert message.pki_status == PkiStatus.SUCCESS


def test_micromdm_refuses_with_bad_request_and_no_envelope() -> None:
    message = messages.decode(vector("micromdm/certrep-failure.der"))
    assert (message.pki_status, message.fail_info) == (PkiStatus.FAILURE, FailInfo.BAD_REQUEST)
    assert message.envelope is None


@pytest.mark.parametrize(
    ("name", "key", "subject"),
    [
        ("micromdm/pkcsreq-get.txt", "micromdm/get-ca-key.pem", "CN=printer-1.example"),
        ("certmonger/pkcsreq-get.txt", "certmonger/ca-key.pem", "CN=printer-3.example"),
    ],
)
def test_a_message_by_get(name: str, key: str, subject: str) -> None:
    query = read_scep_query(_head(name))
    assert query.operation == "PKIOperation"
    assert query.message is not None
    message = messages.decode(query.message)
    assert Csr.from_der(messages.open_envelope(message, private_key(key))).subject_text == subject


def test_micromdm_writes_base64url_in_its_get() -> None:
    notes = " ".join(read_scep_query(_head("micromdm/pkcsreq-get.txt")).notes)
    assert ("base64url" in notes) is (b"-" in vector("micromdm/pkcsreq-get.txt").split()[1])


def test_micromdm_s_capabilities() -> None:
    capabilities = read_capabilities(vector("micromdm/getcacaps-reply.txt"))
    assert capabilities.post
    assert capabilities.renewal
    assert (capabilities.digest, capabilities.cipher) == ("sha256", "aes-128-cbc")


@pytest.mark.parametrize(
    ("name", "password"), [("ber", None), ("key-identifier", None), ("oaep", None), ("password", "s3cret")]
)
def test_openssl_s_envelopes_open(name: str, password: str | None) -> None:
    envelope = read_envelope(vector(f"openssl/envelope-{name}.der"))
    key = private_key("openssl/key.pem") if password is None else None
    assert open_envelope(envelope, key, password=password) == vector("openssl/content.txt")


def test_openssl_s_crl_and_csr() -> None:
    crl = Crl.from_der(vector("openssl/crl.der"))
    assert [entry.serial for entry in crl.revoked] == [0x1F, 0x80FF]
    Csr.from_der(vector("openssl/csr.der")).verify()


def test_each_vector_is_in_the_table_of_how_it_was_made() -> None:
    told = (FOLDER / "README.md").read_text("utf-8")
    headings = {
        "micromdm": "## micromdm",
        "step-ca": "## step-ca",
        "strongswan": "## strongSwan",
        "certmonger": "## certmonger",
        "openssl": "## OpenSSL",
    }
    folders = {entry.name for entry in FOLDER.iterdir() if entry.is_dir()}
    assert folders == headings.keys()
    for folder, heading in headings.items():
        section = told.partition(heading)[2].partition("\n## ")[0]
        files = {path.name for path in (FOLDER / folder).iterdir()}
        assert {name for name in files if f"`{name}`" not in section} == set()
