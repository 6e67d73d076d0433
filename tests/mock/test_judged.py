"""Each requirement that the judge knows is proved by a message that misses it; the others have their reason."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from mfp_sim.shared.catalogue.registry import requirements
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import csr as csrs
from mfp_sim.shared.scep import der, messages
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.algorithms import KeyTransport
from mfp_sim.shared.scep.http_messages import HttpRequest, Operation, scep_request
from mfp_sim.shared.scep.oddities import Oddities
from mfp_sim.shared.scep.vocabulary import MessageType
from mock_scep_server.judged import JUDGED, TOLD_UNDER, UNSEEN

Act = Callable[[Any, Any], object]
PKCS, POLL, RENEW = MessageType.PKCS_REQ, MessageType.CERT_POLL, MessageType.RENEWAL_REQ


def odd(**oddities: object) -> Act:
    """An enrolment that is written otherwise."""
    return lambda ca, client: client.send(PKCS, client.csr(), oddities=Oddities(**oddities))  # type: ignore[arg-type]


def enrol(**changes: object) -> Act:
    return lambda ca, client: client.send(PKCS, client.csr(), **changes)


def data(kind: MessageType, octets: bytes) -> Act:
    """A message with other data than its type announces."""
    return lambda ca, client: client.send(kind, octets)


def get(target: str) -> Act:
    return lambda ca, client: ca.get(target)


def post(target: str, body: bytes = b"x", media: str = "application/x-pki-message") -> Act:
    return lambda ca, client: ca.ask(HttpRequest("POST", target, (("Content-Type", media),), body))


def signer(*, key: Any = None, extensions: Any = None, shift: int = 0, subject: bytes | None = None) -> Act:
    """An enrolment with a signer's certificate that is made otherwise."""

    def act(ca, client) -> None:
        now = ca.clock.now() + timedelta(days=shift)
        usage = [x509.key_usage_extension("digitalSignature", "keyEncipherment")] if extensions is None else extensions
        name = subject or client.subject
        client.signer = x509.issue(
            serial=1, issuer=name, subject=name, spki=x509.spki_of(client.key), not_before=now - timedelta(days=1),
            not_after=now + timedelta(days=1), extensions=usage, signing_key=key or client.key,
        )  # fmt: skip
        client.enrol()

    return act


def stranger_signs(ca, client) -> None:
    """The signer's certificate names itself as its issuer, and another key has signed it."""
    signer(key=client.keys.rsa(2048))(ca, client)


def other_key_in_the_csr(ca, client) -> None:
    client.send(PKCS, csrs.build(client.keys.rsa(2048), subject=client.subject, challenge="s3cret"))


def csr_of(**parts: Any) -> Act:
    """A CSR that is built otherwise."""

    def act(ca, client) -> None:
        key = parts.get("key") or client.key
        client.send(PKCS, csrs.build(key, **{"subject": client.subject, "challenge": "s3cret", **parts.get("csr", {})}))

    return act


def no_public_key(ca, client) -> None:
    """A CSR in which the key's algorithm is none that there is."""
    client.send(PKCS, client.csr().replace(der.oid("1.2.840.113549.1.1.1"), der.oid("1.2.840.113549.1.1.99")[:11], 1))


def renewal(*, kind: MessageType = RENEW, challenge: str | None = None, **how: bool) -> Act:
    def act(ca, client) -> None:
        client.enrol()
        client.renewed(**how).enrol(challenge, kind=kind)

    return act


def twice(ca, client) -> None:
    octets = client.message(PKCS, client.csr())
    for _ in range(2):
        ca.ask(scep_request("/", Operation.PKI_OPERATION, octets, method="POST"))


def two_requests(ca, client) -> None:
    client.enrol()
    client.send(PKCS, csrs.build(client.keys.rsa(2048), subject=x509.name(("CN", "x")), challenge="s3cret"))


def flipped(ca, client) -> None:
    odd(signature="flipped")(ca, client)


def by_get(change: Callable[[str], str] = lambda text: text) -> Act:
    """An enrolment by GET, its target changed."""

    def act(ca, client) -> None:
        request = scep_request("/scep", Operation.PKI_OPERATION, client.message(PKCS, client.csr()))
        ca.ask(replace(request, target=change(request.target)))

    return act


def polled(**changes: object) -> Act:
    """A poll about a request that waits, with other names or another transactionID."""

    def act(ca, client) -> None:
        ca.service.operator.hold("*")
        client.enrol()
        client.poll(**changes)

    return act


def poll_by_another(ca, client) -> None:
    ca.service.operator.hold("*")
    client.enrol()
    other = client.renewed.__self__
    other.key = client.keys.rsa(2048)
    other.signer, other.signer_key = other._self_signed(), other.key
    other.poll()


def for_another_ca(ca, client) -> None:
    ca.service.parts.judge.know(ca.service.authority.certificates)
    now = ca.clock.now()
    stranger = x509.self_signed(client.keys.rsa(2048), subject=x509.name(("CN", "another CA")), serial=7,
                                not_before=now - timedelta(days=1), not_after=now + timedelta(days=1))  # fmt: skip
    client.send(PKCS, client.csr(), recipient=stranger)


def short_key(ca, client) -> None:
    client.send(PKCS, csrs.build(client.keys.rsa(1024), subject=client.subject, challenge="s3cret"))


def long_challenge(ca, client) -> None:
    client.enrol("x" * 256)


def other_string_type(ca, client) -> None:
    client.send(PKCS, client.csr().replace(der.printable_string("s3cret"), der.octet_string(b"s3cret")))


NUMBER_WITH_ZERO = (der.printable_string("019"),)
PROOFS: dict[str, Act] = {
    "SCEP-2.2-01": for_another_ca,
    "SCEP-2.3-01": stranger_signs,
    "SCEP-2.3-02": signer(extensions=[x509.key_usage_extension("digitalSignature")]),
    "SCEP-2.3-04": signer(subject=x509.name(("CN", "another name"))),
    "SCEP-2.3-05": other_key_in_the_csr,
    "SCEP-2.3-07": lambda ca, client: client.enrol(kind=RENEW),
    "SCEP-2.3-12": odd(certificates="absent"),
    "SCEP-2.4-06": renewal(challenge="s3cret"),
    "SCEP-2.4-12": lambda ca, client: client.enrol(transaction_id="s3cret-in-the-open"),
    "SCEP-2.5-03": renewal(kind=PKCS),
    "SCEP-2.5-04": renewal(same_key=True),
    "SCEP-2.9-09": odd(single_des=True),
    "SCEP-2.9-10": odd(md5=True),
    "SCEP-3-01": odd(layers_swapped=True),
    "SCEP-3-02": odd(content=b""),
    "SCEP-3-03": odd(message_digest="wrong"),
    "SCEP-3-04": odd(ber=True),
    "SCEP-3-05": odd(trailing=b"\n"),
    "SCEP-3.1-03": odd(key_transport=KeyTransport("oaep")),
    "SCEP-3.1-04": odd(password="s3cret"),
    "SCEP-3.2-01": odd(content_type=v.ENVELOPED_DATA),
    "SCEP-3.2-02": odd(unencrypted=True),
    "SCEP-3.2-03": data(PKCS, b"\x30\x03\x02\x01\x00"),
    "SCEP-3.2-04": odd(attributes="none"),
    "SCEP-3.2-05": flipped,
    "SCEP-3.2-09": odd(signers="two"),
    "SCEP-3.2-10": odd(signer_by="key-identifier"),
    "SCEP-3.2-11": odd(listed_digests=("sha512",)),
    "SCEP-3.2-12": odd(signature_name="pss"),
    "SCEP-3.2-13": odd(attribute_order="unsorted"),
    "SCEP-3.2-14": signer(shift=-3),
    "SCEP-3.2.1-01": odd(omit=frozenset({"transactionID"})),
    "SCEP-3.2.1-02": odd(omit=frozenset({"messageType"})),
    "SCEP-3.2.1-03": odd(omit=frozenset({"senderNonce"})),
    "SCEP-3.2.1-05": odd(omit=frozenset({"contentType"})),
    "SCEP-3.2.1-09": odd(instead=(("transactionID", (der.utf8_string("abc"),)),)),
    "SCEP-3.2.1-10": odd(instead=(("messageType", (der.utf8_string("19"),)),)),
    "SCEP-3.2.1-14": odd(instead=(("senderNonce", (der.octet_string(bytes(8)),)),)),
    "SCEP-3.2.1-16": odd(instead=(("messageType", NUMBER_WITH_ZERO),)),
    "SCEP-3.2.1-17": odd(instead=(("messageType", (der.printable_string("19"), der.printable_string("20"))),)),
    "SCEP-3.2.1-18": odd(extra_unsigned=(("transactionID", (der.printable_string("x"),)),)),
    "SCEP-3.2.1-19": odd(extra_signed=(("1.2.3.4", (der.printable_string("x"),)),)),
    "SCEP-3.2.1.1-01": two_requests,
    "SCEP-3.2.1.1-02": enrol(transaction_id="under_score"),
    "SCEP-3.2.1.1-07": renewal(same_transaction=True, same_key=True),
    "SCEP-3.2.1.2-03": lambda ca, client: client.send(18, client.csr()),
    "SCEP-3.2.1.2-06": lambda ca, client: client.enrol(kind=RENEW),
    "SCEP-3.2.1.5-02": twice,
    "SCEP-3.2.2-01": odd(envelope_content_type=v.SIGNED_DATA),
    "SCEP-3.2.2-03": odd(envelope_version=2),
    "SCEP-3.2.2-05": odd(iv="short"),
    "SCEP-3.2.2-06": odd(constructed_ciphertext=True),
    "SCEP-3.3.1-01": csr_of(csr={"subject": b"\x30\x00"}),
    "SCEP-3.3.1-02": no_public_key,
    "SCEP-3.3.1-03": lambda ca, client: client.enrol(None),
    "SCEP-3.3.1-06": other_string_type,
    "SCEP-3.3.1-07": long_challenge,
    "SCEP-3.3.3-01": data(POLL, b"\x02\x01\x00"),
    "SCEP-3.3.3-02": polled(issuer=x509.name(("CN", "another CA"))),
    "SCEP-3.3.3-03": polled(subject=x509.name(("CN", "another client"))),
    "SCEP-3.3.3-06": poll_by_another,
    "SCEP-3.3.4-01": data(MessageType.GET_CRL, b"\x02\x01\x00"),
    "SCEP-3.5.1-01": get("/scep?operation=GetCACaps&message=CA"),
    "SCEP-3.5.2-16": enrol(digest="sha1"),
    "SCEP-3.5.2-17": enrol(cipher="des-ede3-cbc"),
    "SCEP-3.5.2-18": enrol(digest="sha512"),
    "SCEP-4.1-01": lambda ca, client: ca.ask(replace(
        scep_request("/scep", Operation.PKI_OPERATION, client.message(PKCS, client.csr())), method="POST")),
    "SCEP-4.1-02": get("/scep?Operation=GetCACert"),
    "SCEP-4.1-06": by_get(),
    "SCEP-4.1-07": post("/scep?operation=GetCACert"),
    "SCEP-4.1-08": enrol(),
    "SCEP-4.1-09": by_get(lambda target: target.replace("%2B", "-").replace("%2F", "_")),
    "SCEP-4.1-10": by_get(lambda target: target.replace("%2B", "+").replace("%2F", "/").replace("%3D", "=")),
    "SCEP-4.2-01": get("/scep?operation=getcacert"),
    "SCEP-4.2-02": get("/scep?operation=GetCACert&message=CA"),
    "SCEP-4.3-01": post("/scep?operation=pkioperation"),
    "SCEP-4.3-02": lambda ca, client: ca.ask(replace(
        scep_request("/scep", Operation.PKI_OPERATION, client.message(PKCS, client.csr()), method="POST"),
        headers=(("Content-Type", "application/octet-stream"),))),
    "SCEP-4.4-03": polled(transaction_id="another"),
    "SCEP-4.7-01": get("/scep?operation=getnextcacert"),
    "SCEP-4.7-03": get("/scep?operation=GetNextCACert"),
    "SCEP-7.1-01": short_key,
}  # fmt: skip
WITH: dict[str, tuple[str, ...]] = {
    "SCEP-4.1-08": ("AES", "SHA-256"), "SCEP-3.2.1.2-06": ("AES", "SHA-256", "POSTPKIOperation"),
}  # fmt: skip
"""The capabilities without which it takes another message to miss a requirement."""


@pytest.mark.parametrize("requirement", sorted(JUDGED))
def test_a_message_that_misses_it_is_found_to(make_ca, make_client, requirement: str) -> None:
    ca = make_ca(**({"capabilities": WITH[requirement]} if requirement in WITH else {}))
    PROOFS[requirement](ca, make_client(ca))
    found = {finding.split(" ")[1] for finding in ca.service.journal.judgement()}
    assert requirement in found, ca.service.journal.judgement()


def test_the_table_is_about_every_requirement_on_clients() -> None:
    """A rule without a proof, a requirement without a word, and a word about none of them."""
    wanted = {
        name for name, entry in requirements().items() if name.startswith("SCEP") and entry.on in ("client", "both")
    }
    said = [*JUDGED, *TOLD_UNDER, *UNSEEN]
    assert sorted(said) == sorted(wanted)
    assert set(PROOFS) == JUDGED
    assert set(TOLD_UNDER.values()) <= JUDGED


def test_what_the_proofs_show_besides_is_in_the_table_too(make_ca, make_client) -> None:
    """The judge says nothing of a client under a requirement that the table does not have; of others it may note oddities."""
    for requirement, act in PROOFS.items():
        ca = make_ca(**({"capabilities": WITH[requirement]} if requirement in WITH else {}))
        act(ca, make_client(ca))
        for finding in ca.service.journal.judgement():
            name = finding.split(" ")[1]
            assert name in JUDGED or requirements()[name].on == "server" or finding.startswith("note "), finding


def test_a_client_that_does_all_right_misses_none(make_ca, make_client) -> None:
    ca = make_ca("{approval: manual}")
    client = make_client(ca)
    ca.service.parts.judge.know(ca.service.authority.certificates)
    ca.get("/scep?operation=GetCACaps")
    ca.get("/scep?operation=GetCACert")
    client.enrol()
    client.poll()
    ca.service.operator.approve()
    client.poll()
    assert client.certificate is not None
    client.renewed().enrol(None, kind=RENEW)
    issuer = ca.service.authority.issuer.certificate
    client.send(MessageType.GET_CRL, messages.issuer_and_serial(issuer.subject, client.certificate.serial))
    assert ca.service.journal.judgement() == {}
