"""The mock's replies have the shape that every known client reads; see docs/peers.md."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Literal

import pytest

from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import csr, der, messages
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.elements import leaves
from mfp_sim.shared.scep.http_messages import CA_CERT, CA_RA_CERT, PKI_MESSAGE, HttpRequest, scep_request
from mfp_sim.shared.scep.messages import RequestContent
from mfp_sim.shared.scep.vocabulary import MessageType, Operation, PkiStatus
from mfp_sim.shared.simtime import Entropy, PooledKeys
from mfp_sim.testing import Bench
from mock_scep_server.service import ScepService
from mock_scep_server.setup import CaSetup

NOW = datetime(2026, 3, 2, 8, tzinfo=timezone.utc)
KEY = PooledKeys(Entropy(9)).rsa(2048)
SUBJECT = x509.name(("CN", "printer-1.example"))
SIGNER = x509.self_signed(KEY, subject=SUBJECT, serial=1, not_before=NOW, not_after=NOW + timedelta(days=1))
FORMS = {"absent": None, "empty": b"", "zero": b"\x00"}


def _service(ra: Literal["none", "split"], content: str = "absent") -> ScepService:
    return Bench(CaSetup(empty_content=content), ra=ra, start=NOW).ca


def _ask(service: ScepService, request: HttpRequest) -> tuple[list[bytes], bytes]:
    delivery = service.handle(request, "192.0.2.1")
    assert len(delivery.acts) == 1, "head and body in one piece"
    assert delivery.keep_alive
    head, _, body = delivery.octets.partition(b"\r\n\r\n")
    return head.split(b"\r\n"), body


def _enrol(service: ScepService, challenge: str, digest: str = "sha256", cipher: str = "aes-128-cbc"):
    data = csr.build(KEY, subject=SUBJECT, challenge=challenge)
    request = RequestContent(
        MessageType.PKCS_REQ,
        "t",
        bytes(16),
        data,
        service.authority.recipient.certificate,
        digest=digest,
        cipher=cipher,
    )
    octets = messages.encode_request(request, signer_key=KEY, signer_certificate=SIGNER, octets=Entropy(2).octets)
    return _ask(service, scep_request("/scep", Operation.PKI_OPERATION, octets, method="POST"))


@pytest.mark.parametrize("ra", ["none", "split"])
@pytest.mark.parametrize(("digest", "cipher"), [("sha256", "aes-128-cbc"), ("sha1", "des-ede3-cbc")])
def test_a_success_suits_every_client(ra: str, digest: str, cipher: str) -> None:
    service = _service(ra)
    head, body = _enrol(service, "s3cret", digest, cipher)
    assert head[0] == b"HTTP/1.1 200 OK"
    assert b"Content-Type: " + PKI_MESSAGE.encode() in head
    assert b"Connection: keep-alive" in head
    reply = messages.decode(body)
    reply.verify(service.authority.signer.certificate)
    assert reply.notes == (), "DER, primitive encryptedContent, both nonces: nothing odd"
    assert reply.signed_data.signature_algorithm == v.RSA_ENCRYPTION
    assert (reply.digest, reply.envelope.cipher if reply.envelope else None) == (digest, cipher)
    assert reply.sender_nonce not in (None, reply.recipient_nonce)
    issued, *rest = messages.read_certs_only(messages.open_envelope(reply, KEY, SIGNER))
    assert csr.fits_key(issued, KEY), "the issued certificate first"
    assert rest == [service.authority.issuer.certificate]
    (ciphertext,) = [leaf for leaf in leaves(body) if leaf.path.endswith("encryptedContent")]
    assert ciphertext.octets[0] == 0x80


@pytest.mark.parametrize("form", FORMS)
def test_the_content_of_a_failure_is_a_switch(form: str) -> None:
    _, body = _enrol(_service("none", form), "wrong")
    reply = messages.decode(body)
    assert (reply.pki_status, reply.content) == (PkiStatus.FAILURE, FORMS[form])
    assert [note.requirement for note in reply.notes] == ([] if form == "absent" else ["SCEP-3-02"])


@pytest.mark.parametrize(("ra", "media_type"), [("none", CA_CERT), ("split", CA_RA_CERT)])
def test_the_certificates_come_under_the_exact_media_type(ra: str, media_type: str) -> None:
    head, body = _ask(_service(ra), scep_request("/scep", Operation.GET_CA_CERT))
    assert f"Content-Type: {media_type}".encode() in head
    assert messages.read_ca_certificates(body, media_type)[1] == ()
    assert der.read(body).tag == der.SEQUENCE


def test_the_capabilities_are_not_empty() -> None:
    head, body = _ask(_service("none"), scep_request("/scep", Operation.GET_CA_CAPS))
    assert b"Content-Type: text/plain" in head
    assert b"SCEPStandard\n" in body
