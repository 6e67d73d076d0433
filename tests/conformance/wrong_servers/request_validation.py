"""Requests that are not checked, or checked too much. RFC 8894, 3.1 to 3.3; RFC 5652, 5."""

from __future__ import annotations

import dataclasses
from dataclasses import replace
from typing import Any

from mfp_sim.shared.errors import DecodeError, SignatureInvalid
from mfp_sim.shared.scep import cms, reading
from mfp_sim.shared.scep.csr import Csr, build
from mfp_sim.shared.scep.messages import PkiMessage
from mfp_sim.shared.scep.oddities import Oddities
from mfp_sim.shared.scep.vocabulary import FailInfo, MessageType
from mfp_sim.testing import CHALLENGE, Bench
from mock_scep_server.asked import Refusal
from mock_scep_server.grants import grant
from mock_scep_server.service import ScepService
from wrong_servers.base import INTEROPERABILITY, SECURITY, around, grants, reader, registrar, replies, reshape, wrong

SIGNATURE = "RFC 5652, 5.6: the recipient verifies the signature with the signer's public key"


def forgiving(ca: ScepService, forgives: Any) -> None:
    """Ignore some errors of the signature: ``forgives(error)``."""

    class Forgiving(PkiMessage):
        def verify(self, signer: Any) -> None:
            try:
                super().verify(signer)
            except SignatureInvalid as error:
                if not forgives(str(error)):
                    raise

    def read(original: Any, message: Any, authority: Any = None) -> Any:
        values = {field.name: getattr(message, field.name) for field in dataclasses.fields(PkiMessage)}
        return original(Forgiving(**values), authority)

    around(reader(ca), "read", read)


@wrong(SECURITY, SIGNATURE, grants(oddities=Oddities(signature="flipped")))
def signature_unchecked(ca: ScepService) -> None:
    """Accepts a message with a signature that does not verify."""
    forgiving(ca, lambda error: "messageDigest" not in error and "contentType" not in error)


@wrong(
    SECURITY,
    "RFC 5652, 5.6: the message digest that the recipient calculates MUST be the value of the messageDigest attribute",
    grants(oddities=Oddities(message_digest="wrong")),
)
def digest_unchecked(ca: ScepService) -> None:
    """Verifies the signature over the attributes, but does not compare messageDigest with the content."""
    forgiving(ca, lambda error: "messageDigest" in error)


def _foreign_csr(bench: Bench) -> bool:
    client = bench.client()
    key, subject = client.key(), client.subject()
    octets = bytearray(build(key, subject=subject, challenge=CHALLENGE))
    octets[-1] ^= 1
    return client.ask(client.order(key=key, request=bytes(octets))).granted


@wrong(SECURITY, "RFC 2986, 4.2: the signature shows that the requester has the private key", _foreign_csr)
def csr_signature_unchecked(ca: ScepService) -> None:
    """Does not verify the signature of the CSR: it may certify a key that the client does not have."""
    reshape(reader(ca), csr_signature="unchecked")


@wrong(
    SECURITY,
    "RFC 8894, 3.2: the signed content MUST be a pkcsPKIEnvelope",
    grants(oddities=Oddities(unencrypted=True)),
)
def envelope_unneeded(ca: ScepService) -> None:
    """Accepts an unencrypted CSR, with its challenge password, instead of the envelope."""

    def asked_of(original: Any, work: Any, octets: Any) -> Any:
        if not octets:
            return original(work, octets)
        try:
            content = cms.read_signed_data(octets).content or b""
            request = Csr.from_der(content)
        except DecodeError:
            return original(work, octets)
        known = _decoded(octets)
        asked = reader(ca).read(known)
        asked = replace(asked, csr=request, granted=grant(request), refusal=None)
        work.context.asked = asked
        return asked

    def _decoded(octets: bytes) -> PkiMessage:
        signed = cms.read_signed_data(octets)
        attributes = reading._AttributeReader(signed)
        return PkiMessage(
            octets=octets,
            message_type=attributes.number(reading.v.MESSAGE_TYPE, "messageType", "") or 0,
            transaction_id=attributes.text(reading.v.TRANSACTION_ID, "transactionID", "") or "",
            transaction_der=b"",
            sender_nonce=attributes.octets(reading.v.SENDER_NONCE, "senderNonce"),
            recipient_nonce=None,
            pki_status=None,
            fail_info=None,
            fail_info_text=None,
            signing_time=None,
            digest=signed.digest,
            certificates=signed.certificates,
            content=signed.content,
            envelope=None,
            notes=(),
            signed_data=signed,
        )

    around(ca._pki_operation, "_read", asked_of)


def _unknown_type(bench: Bench) -> bool:
    client = bench.client()
    return client.ask(client.order(message_type=99)).granted


@wrong(SECURITY, "RFC 8894, 3.2.1.2: message types not defined above MUST be treated as errors", _unknown_type)
def unknown_type_is_a_pkcs_req(ca: ScepService) -> None:
    """Treats a message of an unknown type as a PKCSReq."""

    def read(original: Any, message: Any, authority: Any = None) -> Any:
        known = message.message_type in set(MessageType)
        return original(message if known else replace(message, message_type=MessageType.PKCS_REQ), authority)

    around(reader(ca), "read", read)


@wrong(
    SECURITY, "RFC 8894, 2.9: implementations MUST NOT support single DES", grants(oddities=Oddities(single_des=True))
)
def single_des_taken(ca: ScepService) -> None:
    """Opens envelopes of single DES."""
    reshape(reader(ca), refuse_ciphers=frozenset())


@wrong(SECURITY, "RFC 8894, 2.9: implementations MUST NOT support MD5", grants(oddities=Oddities(md5=True)))
def md5_taken(ca: ScepService) -> None:
    """Accepts messages that are signed with MD5."""
    reshape(reader(ca), refuse_digests=frozenset())


@wrong(
    INTEROPERABILITY,
    "RFC 5652, 5.4: only signed attributes and what is digested are DER; CMS values may be BER",
    replies(lambda answer: not answer.granted, oddities=Oddities(ber=True)),
)
def ber_refused(ca: ScepService) -> None:
    """Cannot read a message with indefinite lengths."""

    def read(original: Any, work: Any, octets: Any) -> Any:
        if octets and b"\x80" in octets[1:2]:
            raise work.refused("SCEP-3-01", "indefinite length", 400)
        return original(work, octets)

    around(ca._pki_operation, "_read", read)


@wrong(
    INTEROPERABILITY,
    "RFC 5652, 5.3: a SignerIdentifier may be a subjectKeyIdentifier",
    replies(lambda answer: not answer.granted, oddities=Oddities(signer_by="key-identifier", signer_version=3)),
)
def signer_by_serial_only(ca: ScepService) -> None:
    """Cannot find a signer that is identified by its key identifier."""

    def read(original: Any, message: Any, authority: Any = None) -> Any:
        asked = original(message, authority)
        if message.signed_data.signer_key_identifier is None:
            return asked
        return asked.refused(FailInfo.BAD_MESSAGE_CHECK, "no signer certificate")

    around(reader(ca), "read", read)


@wrong(
    INTEROPERABILITY,
    "RFC 8894, 3.2.1.4: badMessageCheck means that the integrity check of the CMS message failed",
    replies(lambda answer: answer.fail_info == FailInfo.BAD_REQUEST, oddities=Oddities(signature="flipped")),
)
def broken_signature_is_a_bad_request(ca: ScepService) -> None:
    """Sends badRequest if the signature of the message is wrong."""

    def read(original: Any, message: Any, authority: Any = None) -> Any:
        asked = original(message, authority)
        refusal = asked.refusal
        if refusal is None or refusal.fail_info != FailInfo.BAD_MESSAGE_CHECK:
            return asked
        return replace(asked, refusal=Refusal(FailInfo.BAD_REQUEST, refusal.text))

    around(reader(ca), "read", read)


def _same_transaction(bench: Bench) -> bool:
    client = bench.client()
    first = client.order()
    client.ask(first)
    return client.ask(client.order(transaction_id=first.transaction_id)).granted


@wrong(
    SECURITY, "RFC 8894, 3.2.1.1: the client MUST use a unique string as the transaction identifier", _same_transaction
)
def transaction_taken_over(ca: ScepService) -> None:
    """Lets another key and name continue under the transactionID of another client's operation."""

    def enrol(original: Any, case: Any) -> Any:
        transactions = ca._transactions
        before = transactions._known.pop(case.asked.message.transaction_id, [])
        same = [t for t in before if t.request[1] == case.asked.csr.der]
        if same:
            transactions._known[case.asked.message.transaction_id] = before
        return original(case)

    around_answer(ca, enrol)


def around_answer(ca: ScepService, stand_in: Any) -> None:
    answers = registrar(ca)._answers
    for kind in (MessageType.PKCS_REQ, MessageType.RENEWAL_REQ):
        original = answers[kind]
        answers[kind] = lambda case, original=original: stand_in(original, case)
