"""The mock's replies have the shape that every known client reads; see docs/explanation/peers.md."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from mfp_sim.conformance.answers import Order
from mfp_sim.shared.scep import csr, der, messages
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.elements import leaves
from mfp_sim.shared.scep.http_messages import CA_CERT, CA_RA_CERT, PKI_MESSAGE, HttpRequest, scep_request
from mfp_sim.shared.scep.vocabulary import Operation, PkiStatus
from mfp_sim.testing import Bench
from mock_scep_server.setup import CaSetup

FORMS = {"absent": None, "empty": b"", "zero": b"\x00"}


def _bench(ra: Literal["none", "split"], content: str = "absent") -> Bench:
    return Bench(CaSetup(empty_content=content), ra=ra)


def _ask(bench: Bench, request: HttpRequest) -> tuple[list[bytes], bytes]:
    delivery = bench.ca.handle(request, "192.0.2.1")
    assert len(delivery.acts) == 1, "head and body in one piece"
    assert delivery.keep_alive
    head, _, body = delivery.octets.partition(b"\r\n\r\n")
    return head.split(b"\r\n"), body


def _enrol(bench: Bench, **changes: Any) -> tuple[Order, list[bytes], bytes]:
    client = bench.client()
    order = client.order(**changes)
    sent = scep_request("/scep", Operation.PKI_OPERATION, client.encode(order), method="POST")
    return order, *_ask(bench, sent)


@pytest.mark.parametrize("ra", ["none", "split"])
@pytest.mark.parametrize(("digest", "cipher"), [("sha256", "aes-128-cbc"), ("sha1", "des-ede3-cbc")])
def test_a_success_suits_every_client(ra: Literal["none", "split"], digest: str, cipher: str) -> None:
    bench = _bench(ra)
    order, head, body = _enrol(bench, digest=digest, cipher=cipher)
    assert head[0] == b"HTTP/1.1 200 OK"
    assert b"Content-Type: " + PKI_MESSAGE.encode() in head
    assert b"Connection: keep-alive" in head
    reply = messages.decode(body)
    reply.verify(bench.ca.authority.signer.certificate)
    assert reply.notes == (), "DER, primitive encryptedContent, both nonces: nothing odd"
    assert reply.signed_data.signature_algorithm == v.RSA_ENCRYPTION
    assert (reply.digest, reply.envelope.cipher if reply.envelope else None) == (digest, cipher)
    assert reply.sender_nonce not in (None, reply.recipient_nonce)
    assert isinstance(order.signer_key, RSAPrivateKey)
    issued, *rest = messages.read_certs_only(messages.open_envelope(reply, order.signer_key, order.signer))
    assert csr.fits_key(issued, order.key), "the issued certificate first"
    assert rest == [bench.ca.authority.issuer.certificate]
    (ciphertext,) = [leaf for leaf in leaves(body) if leaf.path.endswith("encryptedContent")]
    assert ciphertext.octets[0] == 0x80


@pytest.mark.parametrize("form", FORMS)
def test_the_content_of_a_failure_is_a_switch(form: str) -> None:
    *_, body = _enrol(_bench("none", form), challenge="wrong")
    reply = messages.decode(body)
    assert (reply.pki_status, reply.content) == (PkiStatus.FAILURE, FORMS[form])
    assert [note.requirement for note in reply.notes] == ([] if form == "absent" else ["SCEP-3-02"])


@pytest.mark.parametrize(("ra", "media_type"), [("none", CA_CERT), ("split", CA_RA_CERT)])
def test_the_certificates_come_under_the_exact_media_type(ra: Literal["none", "split"], media_type: str) -> None:
    head, body = _ask(_bench(ra), scep_request("/scep", Operation.GET_CA_CERT))
    assert f"Content-Type: {media_type}".encode() in head
    assert messages.read_ca_certificates(body, media_type)[1] == ()
    assert der.read(body).tag == der.SEQUENCE


def test_the_capabilities_are_not_empty() -> None:
    head, body = _ask(_bench("none"), scep_request("/scep", Operation.GET_CA_CAPS))
    assert b"Content-Type: text/plain" in head
    assert b"SCEPStandard\n" in body
