"""CertReps with wrong attributes, signatures and envelopes. RFC 8894, 3.2 and 3.3.2; RFC 5652."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import der
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.certificate import Identity
from mfp_sim.shared.scep.http_messages import HttpReply
from mfp_sim.shared.scep.vocabulary import FailInfo, MessageType, PkiStatus
from mfp_sim.testing import Bench
from mock_scep_server.service import ScepService
from wrong_servers.base import INTEROPERABILITY, SECURITY, around, odd, opened, replies, reword, wrong

FRESH = "RFC 8894, 3.2.1.5: a fresh senderNonce, a 16-byte random number, MUST be included in the message"
COPIED = "RFC 8894, 3.2.1.5: the recipient MUST copy the senderNonce into the recipientNonce of the reply"
NUMBERS = "RFC 8894, 3.2.1: messageType, pkiStatus and failInfo are numbers in a PrintableString"


@wrong(INTEROPERABILITY, FRESH, replies(lambda a: a.message.sender_nonce == a.order.nonce))
def sender_nonce_echoed(ca: ScepService) -> None:
    """Sends the client's senderNonce back as its own."""
    reword(ca, lambda reply: replace(reply, sender_nonce=reply.recipient_nonce))


@wrong(INTEROPERABILITY, FRESH, replies(lambda a: a.message.sender_nonce == bytes(16)))
def sender_nonce_zero(ca: ScepService) -> None:
    """Sends a senderNonce of zeros."""
    reword(ca, lambda reply: replace(reply, sender_nonce=bytes(16)))


def _constant(bench: Bench) -> bool:
    client = bench.client()
    first, second = client.ask(client.order()), client.ask(client.order())
    return first.message.sender_nonce == second.message.sender_nonce


@wrong(INTEROPERABILITY, FRESH, _constant)
def sender_nonce_constant(ca: ScepService) -> None:
    """Generates its senderNonce once, when it starts."""
    reword(ca, lambda reply: replace(reply, sender_nonce=b"once at my start"))


@wrong(INTEROPERABILITY, FRESH, replies(lambda a: len(a.message.sender_nonce or b"") == 4))
def sender_nonce_of_four_octets(ca: ScepService) -> None:
    """Sends a senderNonce of 4 bytes."""
    reword(ca, lambda reply: replace(reply, sender_nonce=reply.sender_nonce[:4]))


@wrong(SECURITY, COPIED, replies(lambda a: a.message.recipient_nonce == bytes(16)))
def recipient_nonce_zero(ca: ScepService) -> None:
    """Sends a recipientNonce of zeros."""
    reword(ca, lambda reply: replace(reply, recipient_nonce=bytes(16)))


@wrong(SECURITY, COPIED, replies(lambda a: a.refused and a.message.recipient_nonce is None, challenge="guessed"))
def recipient_nonce_left_out_of_failures(ca: ScepService) -> None:
    """Leaves recipientNonce out of a FAILURE."""

    def change(reply: Any) -> Any:
        return replace(reply, recipient_nonce=None) if reply.status == PkiStatus.FAILURE else reply

    reword(ca, change)


@wrong(
    INTEROPERABILITY,
    "RFC 8894, 3.2.1.1: the transactionID MUST be used for all PKI messages of an operation",
    replies(lambda a: a.message.transaction_id != a.order.transaction_id),
)
def transaction_id_in_lower_case(ca: ScepService) -> None:
    """Writes the transactionID in lower case."""
    reword(ca, lambda reply: replace(reply, transaction_id=reply.transaction_id.lower()))


@wrong(
    INTEROPERABILITY, "RFC 8894, 3.2.1.2: a response is a CertRep (3)", replies(lambda a: a.message.message_type == 19)
)
def reply_has_the_type_of_the_request(ca: ScepService) -> None:
    """Replies with messageType PKCSReq."""
    reword(ca, lambda reply: replace(reply, message_type=MessageType.PKCS_REQ))


def _integer(bench: Bench) -> bool:
    client = bench.client()
    value = client.ask(client.order()).attribute(v.PKI_STATUS)[0]
    return value.tag == der.INTEGER


@wrong(INTEROPERABILITY, NUMBERS, _integer)
def status_is_an_integer(ca: ScepService) -> None:
    """Writes pkiStatus as an INTEGER."""
    reword(ca, lambda reply: odd(reply, instead=(("pkiStatus", (der.integer(int(reply.status)),)),)))


@wrong(
    INTEROPERABILITY,
    "RFC 8894, 3.2.1.4: failInfo MUST be one of the reasons of Table 5",
    replies(lambda a: a.fail_info == 7, challenge="guessed"),
)
def fail_info_undefined(ca: ScepService) -> None:
    """Sends failInfo 7."""
    reword(ca, lambda reply: reply if reply.fail_info is None else replace(reply, fail_info=7))


@wrong(
    INTEROPERABILITY,
    "RFC 8894, 3.3.2.2: a FAILURE MUST also contain a failInfo attribute",
    replies(lambda a: a.refused and a.fail_info is None, challenge="guessed"),
)
def fail_info_left_out(ca: ScepService) -> None:
    """Sends FAILURE without failInfo."""
    reword(ca, lambda reply: replace(reply, fail_info=None))


@wrong(
    INTEROPERABILITY,
    "RFC 8894, 3.2.1.4: badCertId means that no certificate could be identified",
    lambda bench: _unknown_poll(bench) == FailInfo.BAD_TIME,
)
def every_failure_is_bad_time(ca: ScepService) -> None:
    """Sends badTime as the reason of every FAILURE."""
    reword(ca, lambda reply: reply if reply.fail_info is None else replace(reply, fail_info=FailInfo.BAD_TIME))


def _unknown_poll(bench: Bench) -> int | None:
    client = bench.client()
    return client.ask(client.poll()).fail_info


@wrong(
    INTEROPERABILITY,
    "RFC 8894, 3.2.1.4: failInfoText is a free-form UTF-8 text string",
    lambda bench: _text_tag(bench) == 0x1E,
)
def fail_info_text_is_a_bmp_string(ca: ScepService) -> None:
    """Writes failInfoText as a BMPString."""

    def change(reply: Any) -> Any:
        if reply.fail_info_text is None:
            return reply
        return odd(reply, instead=(("failInfoText", (der.tlv(0x1E, reply.fail_info_text.encode("utf-16-be")),)),))

    reword(ca, change)


def _text_tag(bench: Bench) -> int:
    client = bench.client()
    return int(client.ask(client.order(challenge="guessed")).attribute(v.FAIL_INFO_TEXT)[0].tag)


SIGNATURE = "RFC 8894, 3.2: a message is signed by its sender, here the CA or its RA"


@wrong(SECURITY, SIGNATURE, lambda bench: not _verifies(bench))
def reply_signature_broken(ca: ScepService) -> None:
    """Signs replies so that the signature does not verify."""
    reword(ca, lambda reply: odd(reply, signature="flipped"))


@wrong(SECURITY, "RFC 5652, 5.6: messageDigest MUST be the digest of the content", lambda bench: not _verifies(bench))
def reply_digest_wrong(ca: ScepService) -> None:
    """Writes a messageDigest that is not the content's, and signs it."""
    reword(ca, lambda reply: odd(reply, message_digest="wrong"))


def _verifies(bench: Bench) -> bool:
    from mfp_sim.shared.errors import MfpSimError

    client = bench.client()
    message = client.ask(client.order()).message
    try:
        message.verify(bench.ca.authority.signer.certificate)
    except MfpSimError:
        return False
    return True


@wrong(SECURITY, SIGNATURE, lambda bench: not _verifies(bench))
def reply_signed_by_a_stranger(ca: ScepService) -> None:
    """Signs replies with a key and certificate that GetCACert does not have."""
    key, subject = ca._keys.rsa(2048), x509.name(("CN", "Reply signer"))
    now = ca.clock.now()
    own = Identity(
        x509.self_signed(
            key, subject=subject, serial=77, not_before=now - timedelta(days=1), not_after=now + timedelta(days=900)
        ),
        key,
    )

    def encode(original: Any, work: Any, decision: Any) -> HttpReply:
        return original(work, replace(decision, authority=decision.authority.altered(signer=own)))

    around(ca._pki_operation, "_encode", encode)


class Counting:
    """A source of chance of which one use is constant: of those that an envelope makes, key and IV in this order."""

    def __init__(self, real: Any, constant: str) -> None:
        self._real, self._constant, self._count = real, constant, 0

    def octets(self, count: int) -> bytes:
        self._count += 1
        kind = "key" if self._count % 2 else "iv"
        return b"\x5a" * count if kind == self._constant else self._real.octets(count)


def _same(bench: Bench, what: str) -> bool:
    client = bench.client()
    found = []
    for _ in range(2):
        key: Any = client.key()
        sealed = client.ask(client.order(key=key)).envelope
        wrapped = sealed.recipients[0]
        found.append(sealed.iv if what == "iv" else key.decrypt(wrapped.encrypted_key, wrapped.transport.padding()))
    return found[0] == found[1]


@wrong(
    SECURITY,
    "RFC 5652, 6: the content-encryption key is generated at random for each envelope",
    lambda bench: _same(bench, "key"),
)
def content_key_constant(ca: ScepService) -> None:
    """Encrypts every reply with the same content key."""
    ca._pki_operation._entropy = Counting(ca._pki_operation._entropy, "key")  # type: ignore[assignment]


@wrong(SECURITY, "RFC 3565, 2.3.1 / RFC 3370, 5.1: the IV of CBC is random", lambda bench: _same(bench, "iv"))
def iv_constant(ca: ScepService) -> None:
    """Encrypts every reply with the same initialisation vector."""
    ca._pki_operation._entropy = Counting(ca._pki_operation._entropy, "iv")  # type: ignore[assignment]


@wrong(
    SECURITY,
    "RFC 8894, 3.2: the signed content MUST be a pkcsPKIEnvelope",
    replies(lambda a: a.granted and a.envelope is None),
)
def certificate_in_clear(ca: ScepService) -> None:
    """Sends the issued certificate without an envelope."""
    reword(ca, lambda reply: odd(reply, unencrypted=True))


@wrong(
    SECURITY,
    "RFC 8894, 2.9: implementations MUST NOT support single DES",
    replies(lambda a: a.envelope.cipher == "des-cbc"),
)
def reply_in_single_des(ca: ScepService) -> None:
    """Encrypts replies with single DES."""
    reword(ca, lambda reply: odd(reply, single_des=True))


@wrong(SECURITY, "RFC 8894, 2.9: implementations MUST NOT support MD5", replies(lambda a: a.message.digest == "md5"))
def reply_signed_with_md5(ca: ScepService) -> None:
    """Signs replies with MD5."""
    reword(ca, lambda reply: odd(replace(reply, digest="md5"), md5=True))


@wrong(
    INTEROPERABILITY,
    "RFC 8894, 2.3: the CertRep is encrypted with the public key of the certificate that signed the request",
    replies(lambda a: a.granted and not opened(a)),
    serves=False,
)
def enveloped_to_itself(ca: ScepService) -> None:
    """Encrypts the reply to its own certificate."""

    def change(reply: Any) -> Any:
        return reply if reply.recipient is None else replace(reply, recipient=ca.authority.recipient.certificate)

    reword(ca, change)


@wrong(
    INTEROPERABILITY,
    "RFC 8894, 3.3.2.2: in a FAILURE the pkcsPKIEnvelope MUST be omitted",
    replies(lambda a: a.refused and a.envelope is not None, challenge="guessed"),
)
def failure_with_an_envelope(ca: ScepService) -> None:
    """Sends an envelope with useless content in every FAILURE."""
    signers: list[Any] = []

    def examine(original: Any, work: Any, asked: Any) -> None:
        signers[:] = [asked.signer]
        original(work, asked)

    def change(reply: Any) -> Any:
        if reply.status != PkiStatus.FAILURE or signers[0] is None:
            return reply
        return replace(reply, message_data=der.sequence(), recipient=signers[0])

    around(ca._pki_operation, "_examine", examine)
    reword(ca, change)


def _bag_content(bench: Bench) -> bool:
    client = bench.client()
    return b"something" in opened(client.ask(client.order()))


@wrong(
    INTEROPERABILITY,
    "RFC 8894, 3.4: the content field of a degenerate SignedData MUST be omitted",
    _bag_content,
)
def bag_with_content(ca: ScepService) -> None:
    """Puts content into the certificates-only SignedData."""
    reword(ca, lambda reply: odd(reply, bag_content=b"something"))


@wrong(
    INTEROPERABILITY,
    "RFC 8894, 3.3.2.1: the issued certificate MUST be the leaf certificate",
    replies(lambda a: a.granted and a.issued is None),
    serves=False,
)
def only_the_ca_in_the_reply(ca: ScepService) -> None:
    """Delivers the CA certificate without the issued one."""
    reword(
        ca, lambda reply: replace(reply, certificates=reply.certificates[1:]) if len(reply.certificates) > 1 else reply
    )


@wrong(
    INTEROPERABILITY,
    "RFC 8894, 3.3.2.2: a request that is not granted gets a CertRep FAILURE",
    replies(lambda a: a.number == 500 or (a.reply is not None and a.reply.status == 500), challenge="guessed"),
)
def failure_is_http_500(ca: ScepService) -> None:
    """Replies with HTTP 500 instead of FAILURE."""

    def encode(original: Any, work: Any, decision: Any) -> HttpReply:
        status = 500 if decision.kind == "failure" else 0
        return original(work, replace(decision, status=status))

    around(ca._pki_operation, "_encode", encode)


@wrong(
    SECURITY,
    "RFC 8894, 3.2.1.3: FAILURE says that the request is rejected",
    replies(lambda a: a.granted, challenge="guessed"),
)
def failure_says_success(ca: ScepService) -> None:
    """Refuses with SUCCESS, without a certificate."""

    def change(reply: Any) -> Any:
        if reply.status != PkiStatus.FAILURE:
            return reply
        return replace(reply, status=PkiStatus.SUCCESS, fail_info=None, fail_info_text=None)

    reword(ca, change)
