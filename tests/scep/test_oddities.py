"""Each odd form a writer can make: what a reader says to it, and that nothing else changes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from datetime import datetime, timezone

import pytest

from mfp_sim.shared.errors import AlgorithmRefused, DecodeError, EnvelopeUnreadable, MfpSimError, SignatureInvalid
from mfp_sim.shared.scep import cms, crl, der, messages
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.algorithms import KeyTransport
from mfp_sim.shared.scep.messages import CertRep, Oddities, PkiMessage
from mfp_sim.shared.scep.vocabulary import FailInfo, PkiStatus

Octets = Callable[[int], bytes]
NONCE = bytes(range(16))
NOW = datetime(2026, 3, 2, tzinfo=timezone.utc)
SUCCESS, FAILURE = der.printable_string("0"), der.printable_string("2")


@pytest.fixture
def reply(client, authority, octets: Octets) -> Callable[[Oddities], bytes]:
    def make(oddities: Oddities) -> bytes:
        answered = CertRep(
            PkiStatus.SUCCESS,
            "t-1",
            NONCE,
            bytes(16),
            certificates=(client.certificate.der, authority.certificate.der),
            recipient=client.certificate,
            oddities=oddities,
        )
        return messages.encode_cert_rep(
            answered, signer_key=authority.key, signer_certificate=authority.certificate, octets=octets
        )

    return make


@pytest.fixture
def checked(client, authority) -> Callable[[bytes], PkiMessage]:
    """What a client does with a CertRep: decode, verify, open, read the certificates."""

    def read(octets: bytes) -> PkiMessage:
        message = messages.decode(octets)
        message.verify(authority.certificate)
        data = messages.open_envelope(message, client.key, client.certificate)
        assert messages.read_certs_only(data)[0] == client.certificate
        return message

    return read


def test_the_defaults_are_right(reply, checked) -> None:
    assert checked(reply(Oddities())).notes == ()


TOLERATED = {
    "ber": (Oddities(ber=True), {"SCEP-3-04", "SCEP-3.2.2-06"}),
    "trailing": (Oddities(trailing=b"\r\n"), {"SCEP-3-05"}),
    "transmitted unsorted": (Oddities(attribute_order="unsorted-signed-sorted"), {"SCEP-3.2-13"}),
    "signed unsorted": (Oddities(attribute_order="unsorted"), {"SCEP-3.2-13"}),
    "further attribute": (Oddities(extra_signed=[(v.RANDOM_NONCE, (der.octet_string(bytes(4000)),))]), {"SCEP-3.2.1-19"}),
    "unsigned override": (Oddities(extra_unsigned=[("pkiStatus", (SUCCESS,))]), {"SCEP-3.2.1-18"}),
    "key identifier": (Oddities(signer_by="key-identifier"), {"SCEP-3.2-10"}),
    "signer version": (Oddities(signer_version=2), {"SCEP-3.2-10"}),
    "version": (Oddities(version=3), {"SCEP-3.2-10"}),
    "digest parameters": (Oddities(digest_parameters="absent"), set()),
    "signature parameters": (Oddities(signature_parameters="absent"), set()),
    "combined signature name": (Oddities(signature_name="combined"), set()),
    "combined without parameters": (Oddities(signature_name="combined", signature_parameters="absent"), set()),
    "listed digests": (Oddities(listed_digests=["sha1"]), {"SCEP-3.2-11"}),
    "no listed digest": (Oddities(listed_digests=[]), {"SCEP-3.2-11"}),
    "content type": (Oddities(content_type=v.ENVELOPED_DATA), {"SCEP-3.2-01"}),
    "no certificates": (Oddities(certificates="absent"), {"SCEP-3.2-07"}),
    "empty certificates": (Oddities(certificates="empty"), {"SCEP-3.2-07", "SCEP-3.4-05"}),
    "md5": (Oddities(md5=True), {"SCEP-2.9-10"}),
    "single des": (Oddities(single_des=True), {"SCEP-2.9-09"}),
    "envelope version": (Oddities(envelope_version=1), {"SCEP-3.2.2-03"}),
    "envelope content type": (Oddities(envelope_content_type=v.SIGNED_DATA), {"SCEP-3.2.2-01"}),
    "oaep": (Oddities(key_transport=KeyTransport("oaep", "sha256", "sha256", parameters="minimal")), {"SCEP-3.1-03"}),
    "recipient by key": (Oddities(recipient_by="key-identifier"), {"SCEP-3.2.2-03"}),
    "constructed ciphertext": (Oddities(constructed_ciphertext=True), {"SCEP-3.2.2-06"}),
    "no senderNonce": (Oddities(omit=frozenset({"senderNonce"})), {"SCEP-3.2.1-04"}),
    "no recipientNonce": (Oddities(omit=frozenset({"recipientNonce"})), {"SCEP-3.2.1-08"}),
    "no pkiStatus": (Oddities(omit=frozenset({"pkiStatus"})), {"SCEP-3.2.1-06"}),
    "messageType as UTF8String": (Oddities(instead=[("messageType", (der.utf8_string("3"),))]), {"SCEP-3.2.1-10"}),
    "messageType 99": (Oddities(instead=[("messageType", (der.printable_string("99"),))]), {"SCEP-3.2.1.2-03"}),
    "transactionID as IA5String": (Oddities(instead=[("transactionID", (der.ia5_string("t-1"),))]), {"SCEP-3.2.1-09"}),
    "transactionID no PrintableString": (
        Oddities(instead=[("transactionID", (der.tlv(der.PRINTABLE_STRING, b"t_1*"),))]),
        {"SCEP-3.2.1.1-02"},
    ),
    "pkiStatus 4": (Oddities(instead=[("pkiStatus", (der.printable_string("4"),))]), {"SCEP-3.2.1.3-02"}),
    "nonce of 17": (Oddities(instead=[("recipientNonce", (der.octet_string(bytes(17)),))]), {"SCEP-3.2.1-15"}),
    "failInfo beside success": (
        Oddities(extra_signed=[("failInfo", (der.printable_string("2"),))]),
        {"SCEP-3.2.1.4-10"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TOLERATED)
def test_what_is_tolerated_is_read_and_noted(name: str, reply, checked, authority) -> None:
    oddities, requirements = TOLERATED[name]
    message = checked(reply(oddities))
    assert {note.requirement for note in message.notes} == requirements
    assert all(note.path for note in message.notes)


REFUSED: dict[str, tuple[Oddities, type[MfpSimError], str]] = {
    "changed after signing": (
        Oddities(after_signing=[("pkiStatus", (FAILURE,))]), SignatureInvalid, "signature of the message does not verify"),
    "transaction changed after signing": (
        Oddities(after_signing=[("transactionID", (der.printable_string("t-2"),))]), SignatureInvalid, "does not verify"),
    "signed as a0": (Oddities(attribute_order="signed-as-a0"), SignatureInvalid, "does not verify"),
    "flipped signature": (Oddities(signature="flipped"), SignatureInvalid, "does not verify"),
    "flipped ciphertext": (Oddities(flip_ciphertext=True), SignatureInvalid, "messageDigest attribute"),
    "wrong digest": (Oddities(message_digest="wrong"), SignatureInvalid, "messageDigest attribute"),
    "no digest": (Oddities(omit=frozenset({"messageDigest"})), SignatureInvalid, "messageDigest attribute"),
    "no content type": (Oddities(omit=frozenset({"contentType"})), SignatureInvalid, "contentType attribute"),
    "flipped without certificates": (
        Oddities(certificates="absent", signature="flipped"), SignatureInvalid, "does not verify"),
    "pss": (Oddities(signature_name="pss"), AlgorithmRefused, "got id-RSASSA-PSS"),
    "gcm": (Oddities(gcm=True), AlgorithmRefused, "got authEnvelopedData"),
    "no signed attributes": (Oddities(attributes="none"), DecodeError, "signed attributes"),
    "stripped": (Oddities(attributes="stripped"), DecodeError, "signed attributes"),
    "unsigned attributes": (Oddities(attributes="unsigned"), DecodeError, "signedAttrs.messageType"),
    "no signer": (Oddities(signers="none"), DecodeError, "expected exactly one SignerInfo, got 0"),
    "two signers": (
        Oddities(signers="two", second_signer=[("pkiStatus", (FAILURE,))]), DecodeError, "one SignerInfo, got 2"),
    "no messageType": (Oddities(omit=frozenset({"messageType"})), DecodeError, "signedAttrs.messageType"),
    "no transactionID": (Oddities(omit=frozenset({"transactionID"})), DecodeError, "signedAttrs.transactionID"),
    "pkiStatus twice": (
        Oddities(repeat=[("pkiStatus", (FAILURE,))]), DecodeError, "pkiStatus at byte .*: expected each attribute once"),
    "two values": (
        Oddities(instead=[("pkiStatus", (SUCCESS, FAILURE))]), DecodeError, "pkiStatus at byte .*: expected exactly one value, got 2"),
    "no value": (
        Oddities(instead=[("pkiStatus", ())]), DecodeError, "pkiStatus at byte .*: expected exactly one value, got 0"),
    "pkiStatus as INTEGER": (
        Oddities(instead=[("pkiStatus", (der.integer(0),))]), DecodeError, "pkiStatus at byte .*: expected a string, got INTEGER"),
    "pkiStatus 00": (
        Oddities(instead=[("pkiStatus", (der.printable_string("00"),))]), DecodeError, "a decimal number without leading zeros"),
    "pkiStatus with a blank": (
        Oddities(instead=[("pkiStatus", (der.printable_string("0 "),))]), DecodeError, "a decimal number"),
    "pkiStatus with NUL": (
        Oddities(instead=[("pkiStatus", (der.tlv(der.PRINTABLE_STRING, b"0\0"),))]), DecodeError, "a decimal number"),
    "pkiStatus empty": (
        Oddities(instead=[("pkiStatus", (der.printable_string(""),))]), DecodeError, "a decimal number"),
    "nonce as hex": (
        Oddities(instead=[("recipientNonce", (der.printable_string("00"),))]), DecodeError, "recipientNonce .*OCTET STRING"),
    "content garbage": (Oddities(content=bytes(range(99))), DecodeError, "pkcsPKIEnvelope"),
    "unencrypted": (Oddities(unencrypted=True), DecodeError, "expected envelopedData, got signedData"),
    "layers swapped": (Oddities(layers_swapped=True), DecodeError, "expected signedData, got envelopedData"),
    "short iv": (Oddities(iv="short"), EnvelopeUnreadable, "an IV of 8 bytes; aes-128-cbc needs one of 16"),
    "no iv": (Oddities(iv="absent"), EnvelopeUnreadable, "no IV; aes-128-cbc needs one of 16 bytes"),
    "wrong padding": (Oddities(padding="wrong"), EnvelopeUnreadable, "cannot be decrypted"),
    "password": (Oddities(password="p"), EnvelopeUnreadable, "no RecipientInfo for our certificate"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_tolerated_is_refused_for_its_reason(name: str, reply, checked) -> None:
    oddities, kind, words = REFUSED[name]
    with pytest.raises(kind, match=words) as caught:
        checked(reply(oddities))
    assert type(caught.value) is kind


def test_every_option_is_tried() -> None:
    bags = {"bag_content", "bag_empty_sets", "bag_sorted", "bag_crls_as_certificates", "bag_others", "other_recipients"}
    tried = {
        field.name
        for odd in (*(t[0] for t in TOLERATED.values()), *(r[0] for r in REFUSED.values()))
        for field in fields(Oddities)
        if getattr(odd, field.name) != getattr(Oddities(), field.name)
    }
    assert {field.name for field in fields(Oddities)} - bags == tried


def test_other_recipients_stand_before_the_right_one(reply, checked, authority) -> None:
    message = checked(reply(Oddities(other_recipients=[authority.certificate])))
    assert [r.serial for r in message.envelope.recipients] == [authority.certificate.serial, 1]


@pytest.mark.parametrize(
    ("oddities", "requirements"),
    [
        (Oddities(), []),
        (Oddities(bag_sorted=True), []),
        (Oddities(bag_content=b""), ["SCEP-3.4-01"]),
        (Oddities(bag_empty_sets=True), ["SCEP-3.4-05"]),
        (Oddities(bag_crls_as_certificates=True), ["SCEP-3.4-03"]),
        (Oddities(bag_others=(der.implicit(2, b"", constructed=True),)), ["SCEP-3.4-03"]),
    ],
)
def test_odd_bags_are_read_and_noted(oddities: Oddities, requirements: list[str], client, authority) -> None:
    both = (client.certificate.der, authority.certificate.der)
    revoked = crl.issue(issuer=authority.certificate, signing_key=authority.key, this_update=NOW, next_update=None)
    crls = [revoked.der] if oddities.bag_crls_as_certificates else []
    bag = cms.read_bag(messages.certs_only(both, crls, oddities=oddities))
    assert bag.crls == ()
    assert [note.requirement for note in bag.notes] == requirements
    assert {c.der for c in bag.certificates} == set(both)


def test_a_der_sorted_bag_is_in_the_oracles_order(client, authority) -> None:
    both = sorted((client.certificate.der, authority.certificate.der))
    found = messages.read_certs_only(messages.certs_only(both[::-1], oddities=Oddities(bag_sorted=True)))
    assert [c.der for c in found] == both


def test_a_signed_bag_is_read_and_noted(client, authority) -> None:
    signed = cms.encode_signed_data(
        None,
        [],
        signer_key=authority.key,
        signer_certificate=authority.certificate,
        certificates=[client.certificate],
        digest="sha256",
    )
    assert [note.requirement for note in cms.read_bag(signed).notes] == ["SCEP-3.4-02"]


@pytest.mark.parametrize(
    ("fields_", "requirements"),
    [
        ({"status": PkiStatus.FAILURE}, {"SCEP-3.2.1-07"}),
        ({"status": PkiStatus.FAILURE, "fail_info": 11}, {"SCEP-3.2.1.4-08"}),
        ({"status": PkiStatus.SUCCESS}, {"SCEP-3.3.2.1-15"}),
        ({"status": PkiStatus.FAILURE, "fail_info": FailInfo.BAD_ALG, "message_data": b"x"}, {"SCEP-3.3.2.2-03"}),
        ({"status": PkiStatus.PENDING, "message_data": b"x"}, {"SCEP-3.3.2.3-01"}),
        ({"status": PkiStatus.PENDING, "transaction_id": "æ"}, {"SCEP-3.2.1-09", "SCEP-3.2.1.1-02"}),
    ],
)
def test_contradictions_of_status_and_content_are_noted(
    fields_, requirements, client, authority, octets: Octets
) -> None:
    given = {
        "transaction_id": "t",
        "recipient_nonce": NONCE,
        "sender_nonce": NONCE,
        "recipient": client.certificate,
    } | fields_
    made = messages.encode_cert_rep(
        CertRep(**given), signer_key=authority.key, signer_certificate=authority.certificate, octets=octets
    )
    assert {note.requirement for note in messages.decode(made).notes} == requirements
