"""Defects towards pkiMessages: what is granted, refused, remembered or forgotten against the rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from mfp_sim.errors import DecodeError, MfpSimError
from mfp_sim.scep import certificate as x509
from mfp_sim.scep import cms, crl, der, messages
from mfp_sim.scep import vocabulary as v
from mfp_sim.scep.http import PKI_MESSAGE, Close, Delivery, HttpReply
from mfp_sim.scep.vocabulary import FailInfo, MessageType, Operation, PkiStatus
from mock_scep_server.faults.defects.answers import (
    Instead,
    Row,
    crashing,
    encode,
    grant,
    granting,
    refuse,
    refusing,
    reply,
    text,
)
from mock_scep_server.faults.defects.seen import Seen, asks, csr_forged

__all__ = ["ROWS"]


def _odd(seen: Seen) -> bool:
    """Not a pkiMessage as the reader wants it, though a CSR can be found in it."""
    return seen.message is None


def _renews_other_name(seen: Seen) -> bool:
    signer = seen.message.signer() if seen.message else None
    return seen.kind == MessageType.RENEWAL_REQ and signer is not None


def _copies_challenge(seen: Seen) -> HttpReply | None:
    if not asks(seen) or seen.csr is None or seen.csr.challenge is None:
        return None
    return grant(seen, extra=[("1.2.3.4.5", False, der.utf8_string(seen.csr.challenge))])


def _leaks_challenge(seen: Seen) -> HttpReply | None:
    if not asks(seen) or seen.csr is None or not seen.csr.challenge:
        return None
    if seen.service.challenge.check(seen.csr, seen.service.clock.now()) is None:
        return None
    return refuse(seen, FailInfo.BAD_REQUEST, f"wrong challenge {seen.csr.challenge}")


def _polls_anything(seen: Seen) -> HttpReply | None:
    return encode(seen, reply(seen, PkiStatus.PENDING)) if seen.kind == MessageType.CERT_POLL else None


def _wrong(seen: Seen) -> bool:
    """A pkiMessage that is no good PKCSReq of somebody whom the CA would serve."""
    if seen.operation != Operation.PKI_OPERATION:
        return False
    if seen.kind != MessageType.PKCS_REQ or seen.forged or seen.csr is None or csr_forged(seen):
        return True
    return seen.service.challenge.check(seen.csr, seen.service.clock.now()) is not None


def _http_errors(seen: Seen) -> HttpReply | None:
    """Whatever is not a good PKCSReq ends in HTTP 500."""
    good = seen.kind == MessageType.PKCS_REQ and not seen.forged and not csr_forged(seen)
    return text(500, "internal error") if seen.operation == Operation.PKI_OPERATION and not good else None


def _hangs_up(seen: Seen) -> Delivery | None:
    return Delivery((Close(),), keep_alive=False) if _wrong(seen) else None


def _loses_first(seen: Seen) -> Delivery | None:
    """The first reply to each message is lost on its way; the same message again is answered."""
    if not seen.octets or seen.octets in seen.gate.met:
        return None
    seen.gate.met.add(seen.octets)
    return Delivery((Close(),), keep_alive=False)


def _unreadable(seen: Seen) -> HttpReply | None:
    if not _wrong(seen):
        return None
    return HttpReply(200, headers=(("Content-Type", PKI_MESSAGE),), body=der.sequence(der.integer(1)))


def _grants_unreadably(seen: Seen) -> HttpReply | None:
    """SUCCESS, and what is in the envelope nobody can read."""
    return grant(seen, bag=lambda _: b"\x04\x03???") if _wrong(seen) else None


def _indirect_crl(*, stranger: bool) -> Instead:
    """The CRL is that of another issuer, whom the CA appointed, or whom it does not know."""

    def instead(seen: Seen) -> HttpReply | None:
        if seen.kind != MessageType.GET_CRL or seen.message is None:
            return None
        ca, now = seen.service.authority.issuer, seen.service.clock.now()
        certificate = x509.issue(
            serial=77, issuer=ca.certificate.subject, subject=x509.name(("CN", "CRLs of many CAs")),
            spki=ca.certificate.spki, not_before=ca.certificate.not_before, not_after=ca.certificate.not_after,
            extensions=[x509.key_usage_extension("cRLSign")], signing_key=ca.key,
        )  # fmt: skip
        if stranger:
            certificate = x509.self_signed(
                ca.key, subject=certificate.subject, serial=78, not_before=certificate.not_before,
                not_after=certificate.not_after,
            )  # fmt: skip
        made = crl.issue(issuer=certificate, signing_key=ca.key, this_update=now, next_update=now + timedelta(days=7),
                         indirect=True)  # fmt: skip
        return encode(seen, reply(seen, PkiStatus.SUCCESS, crls=(made.der,), recipient=seen.message.signer(),
                                  outer_certificates=(certificate,)))  # fmt: skip

    return instead


def _bare_signer(seen: Seen) -> bool:
    signer = seen.message.signer() if seen.message else None
    return asks(seen) and signer is not None and signer.key_usage is None


def _other_subject(seen: Seen) -> bool:
    signer = seen.message.signer() if seen.message else None
    return asks(seen) and signer is not None and seen.csr is not None and signer.subject != seen.csr.subject


def _skewed(seen: Seen) -> HttpReply | None:
    signer = seen.message.signer() if seen.message else None
    now = seen.service.clock.now()
    wrong = signer is not None and not signer.not_before <= now <= signer.not_after
    return text(500, "internal error") if wrong else None


def _odd_csr(seen: Seen) -> bool:
    """Extensions, names beyond plain ASCII, or a key of more than 2048 bits."""
    csr = seen.csr
    return csr is not None and bool(csr.extensions or {0x1E, 0x14} & set(csr.subject) or len(csr.spki) > 500)


def _first_certificate(seen: Seen) -> bool:
    signer = seen.message.signer() if seen.message else None
    return bool(seen.signers) and signer is not None and seen.signers[0].der != signer.der


_SHA256_NULL = der.oid(v.DIGEST_OIDS["sha256"]) + der.null()


def _poll_again(seen: Seen) -> HttpReply | None:
    known = seen.gate.csrs.get(seen.message.transaction_id) if seen.message else None
    return grant(seen, csr=known) if seen.kind == MessageType.CERT_POLL and known is not None else None


def _by_name(seen: Seen) -> bool:
    if seen.kind != MessageType.CERT_POLL or seen.message is None or not seen.data:
        return False
    issuer, subject = messages.read_issuer_and_subject(seen.data)
    known = seen.gate.csrs.get(seen.message.transaction_id)
    named = seen.service.authority.issuer.certificate.subject
    return issuer != named or (known is not None and known.subject != subject)


def _lost_for_good(seen: Seen) -> bool:
    again = seen.message is not None and seen.message.transaction_id in seen.gate.csrs
    return again and seen.kind in (MessageType.CERT_POLL, MessageType.PKCS_REQ)


def _locks_out(seen: Seen) -> HttpReply | None:
    if seen.csr is not None and seen.service.challenge.check(seen.csr, seen.service.clock.now()) is not None:
        seen.gate.locked = True
    if seen.gate.locked and asks(seen):
        return refuse(seen, FailInfo.BAD_REQUEST, "too many wrong challenges")
    return None


def _unopenable(seen: Seen) -> HttpReply | None:
    """A good signature around an envelope that the CA cannot open."""
    if seen.message is None or seen.message.envelope is None or seen.forged:
        return None
    for identity in (seen.service.authority.recipient, seen.service.authority.issuer):
        try:
            cms.open_envelope(seen.message.envelope, identity.key, identity.certificate)  # type: ignore[arg-type]
        except MfpSimError:
            continue
        return None
    return text(500, "cannot decrypt")


def _oaep(seen: Seen) -> bool:
    envelope = seen.message.envelope if seen.message else None
    return envelope is not None and any(r.transport and r.transport.scheme == "oaep" for r in envelope.recipients)


def _elliptic(seen: Seen) -> bool:
    return seen.csr is not None and der.oid("1.2.840.10045.2.1") in seen.csr.spki


def _old_renewal(seen: Seen) -> bool:
    signer = seen.message.signer() if seen.message else None
    return seen.kind == MessageType.PKCS_REQ and signer is not None and signer.issuer != signer.subject


def _unknown_certificate(seen: Seen) -> bool:
    if seen.kind != MessageType.GET_CERT or not seen.data:
        return False
    try:
        _, serial = messages.read_issuer_and_serial(seen.data)
    except DecodeError:
        return False
    return all(entry.certificate.serial != serial for entry in seen.service.ledger.entries)


def _noted(requirement: str) -> Callable[[Seen], bool]:
    return lambda seen: seen.message is not None and any(n.requirement == requirement for n in seen.message.notes)


ROWS: tuple[Row, ...] = (
    ("grants-anything", "Whatever a CSR can be found in is granted; nothing is checked.",
     ("SCEP-2.4-09", "SCEP-3.2-05", "SCEP-3.2.1.2-03"), granting(lambda _: True)),
    ("accepts-bad-signature", "The signature of a request is not verified.",
     ("SCEP-3.2-05",), granting(lambda s: s.forged)),
    ("accepts-malformed-attributes", "Attributes that are missing, doubled or unsigned do not matter.",
     ("SCEP-3.2.1-01", "SCEP-3.2.1-17", "SCEP-3.2.1-18"), granting(_odd)),
    ("accepts-any-type", "Every messageType is treated as PKCSReq.",
     ("SCEP-3.2.1.2-03",), granting(lambda s: s.kind not in (None, MessageType.PKCS_REQ))),
    ("csr-signature-unchecked", "The CSR's own signature is not verified.",
     ("SCEP-3.3.1-05",), granting(csr_forged)),
    ("challenge-unchecked", "Whatever challenge comes is taken.",
     ("SCEP-2.4-04", "SCEP-2.4-09"), granting(lambda s: s.kind == MessageType.PKCS_REQ and not s.forged)),
    ("reissues", "Every request makes a new certificate; transactions are not remembered.",
     ("SCEP-3.2.1.5-08", "SCEP-5.2-04", "SCEP-5.2-05"), granting(lambda s: asks(s) and not s.forged)),
    ("renews-for-anybody", "A RenewalReq is granted whoever signed it and whatever name it asks for.",
     ("SCEP-2.4-09", "SCEP-2.4-13", "SCEP-2.4-14"), granting(_renews_other_name)),
    ("constant-serial", "Every certificate has the serial number 7.",
     ("SCEP-3.3.2.1-16",), granting(asks, change={"serial": 7})),
    ("issues-sha1", "Certificates are signed with SHA-1.", ("SCEP-7.9-01",), granting(asks, digest="sha1")),
    ("issues-ca-certificates", "Certificates say cA, as a CSR may ask for.",
     ("SCEP-3.3.1-09",), granting(asks, extra=(x509.basic_constraints_extension(True),))),
    ("issued-in-clear", "The issued certificate stands outside the envelope too.",
     ("SCEP-7.7-02",), granting(asks, outside=True)),
    ("octets-after-bag", "A blank follows the certificates-only SignedData.",
     ("SCEP-3.3.2-01",), granting(asks, bag=lambda octets: octets + b"\x00\x00")),
    ("drops-san", "The subjectAltName of the CSR is dropped.",
     ("SCEP-3.3.1-09",), granting(asks, change={"extensions": ()})),
    ("copies-challenge", "The challenge is copied into the certificate.", ("SCEP-3.3.1-08",), _copies_challenge),
    ("leaks-challenge", "failInfoText repeats the challenge.", ("SCEP-3.2.1.4-11",), _leaks_challenge),
    ("polls-anything", "A CertPoll about any transaction is answered with PENDING.", ("SCEP-4.4-04",), _polls_anything),
    ("http-errors", "What is wrong ends in HTTP 500 instead of a FAILURE.", ("SCEP-3.3.2.2-04",), _http_errors),
    ("hangs-up", "What is wrong ends in a closed connection, and the server lives on.", ("SCEP-4.1-19",), _hangs_up),
    ("loses-first-replies", "The first reply to each message is lost, the second is not.", (), _loses_first),
    ("answers-unreadably", "What is wrong is answered with octets that are no CertRep.", ("SCEP-6.4-01",), _unreadable),
    ("grants-unreadably", "What is wrong is granted, in a reply that nobody can read.",
     ("SCEP-2.4-09", "SCEP-3.3.2-01"), _grants_unreadably),
    ("indirect-crl", "GetCRL gives an indirect CRL of somebody whom the CA appointed.", (),
     _indirect_crl(stranger=False)),
    ("indirect-crl-of-a-stranger", "GetCRL gives an indirect CRL of somebody whom the CA did not appoint.",
     ("SCEP-3.3.2.1-10",), _indirect_crl(stranger=True)),
    ("wants-key-usage", "A signer certificate without keyUsage is refused.",
     ("SCEP-2.3-03",), refusing(_bare_signer, FailInfo.BAD_MESSAGE_CHECK, "the signer's keyUsage is missing")),
    ("wants-same-subject", "A signer certificate with another subject than the CSR's is refused.",
     ("SCEP-2.3-06",), refusing(_other_subject, FailInfo.BAD_REQUEST, "the signer is another")),
    ("crashes-on-clock-skew", "A signer certificate that is not valid now ends in HTTP 500.",
     ("SCEP-3.2-14",), _skewed),
    ("takes-first-certificate", "The first certificate is taken for the signer's.",
     ("SCEP-2.3-14",), refusing(_first_certificate, FailInfo.BAD_MESSAGE_CHECK, "the signature does not verify")),
    ("refuses-extra-attributes", "A signed attribute that is not known is refused.",
     ("SCEP-3.2.1-19",),
     refusing(lambda s: s.message is not None and any(n.requirement == "SCEP-3.2.1-19" for n in s.message.notes),
               FailInfo.BAD_REQUEST, "an attribute is not known")),
    ("refuses-ber", "BER is refused.", ("SCEP-3-04",),
     refusing(lambda s: s.message is not None and any(n.requirement in ("SCEP-3-04", "SCEP-3.2.2-06") for n in
               s.message.notes), FailInfo.BAD_MESSAGE_CHECK, "not DER")),
    ("refuses-several-recipients", "Only the first RecipientInfo is looked at.", ("SCEP-3.2.2-04",),
     refusing(lambda s: s.message is not None and s.message.envelope is not None
               and len(s.message.envelope.recipients) > 1, FailInfo.BAD_MESSAGE_CHECK, "not for this CA")),
    ("alters-nonces", "A senderNonce that has not 16 octets is cut or padded in the reply.", ("SCEP-3.2.1.5-07",),
     lambda s: encode(s, replace(reply(s, PkiStatus.FAILURE, fail_info=FailInfo.BAD_CERT_ID),
                                  recipient_nonce=(s.message.sender_nonce or b"")[:16].ljust(16, b"\x00")))
     if s.message is not None and len(s.message.sender_nonce or b"") != 16 else None),
    ("alters-transactionid", "Letters of a transactionID are made capital.", ("SCEP-3.2.1.1-04",),
     lambda s: encode(s, replace(reply(s, PkiStatus.FAILURE, fail_info=FailInfo.BAD_CERT_ID),
                                  transaction_id=s.message.transaction_id.upper()))
     if s.kind == MessageType.CERT_POLL and s.message is not None else None),
    ("wants-transaction-hash", "A transactionID that is no hash is refused.", ("SCEP-3.2.1.1-05",),
     refusing(lambda s: asks(s) and s.message is not None and len(s.message.transaction_id) != 40,
               FailInfo.BAD_REQUEST, "the transactionID is no hash of the key")),
    ("wants-signing-time", "A request without signingTime is refused.", ("SCEP-3.2.1.4-06",),
     refusing(lambda s: s.message is not None and s.message.signing_time is None,
               FailInfo.BAD_TIME, "no signingTime")),
    ("crashes-on-signing-time", "A signingTime far from now ends in HTTP 500.", ("SCEP-3.2.1.4-05",),
     lambda s: text(500, "internal error") if s.message is not None and s.message.signing_time is not None
     and abs((s.message.signing_time - s.service.clock.now()).total_seconds()) > 1800 else None),
    ("wants-printable-challenge", "A challenge as UTF8String is not understood.", ("SCEP-3.3.1-06",),
     refusing(lambda s: s.csr is not None and s.data is not None and b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x07" in
               s.data and s.data.split(b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x07")[1][2:3] == b"\x0c",
               FailInfo.BAD_REQUEST, "the challenge password is wrong")),
    ("crashes-on-odd-csr", "Names beyond plain ASCII, and extensions, end in HTTP 500.", ("SCEP-3.3.1-10",),
     lambda s: text(500, "internal error") if _odd_csr(s) else None),
    ("refuses-pss-names", "Only rsaEncryption is known as signature algorithm.", ("SCEP-3.2-12",),
     refusing(lambda s: s.message is not None and s.message.signed_data.signature_algorithm != v.RSA_ENCRYPTION,
               FailInfo.BAD_ALG, "the signature algorithm is not known")),
    ("chains-nonces", "A CertPoll has to carry the nonce of the last CertRep.", ("SCEP-3.2.1.5-09",),
     refusing(lambda s: s.kind == MessageType.CERT_POLL, FailInfo.BAD_MESSAGE_CHECK, "the nonce is not the last one")),
    ("forgets-issued", "A CertPoll about a certificate that was issued finds nothing.", ("SCEP-5.2-03",),
     refusing(lambda s: s.kind == MessageType.CERT_POLL, FailInfo.BAD_CERT_ID, "no such transaction")),
    ("reissues-on-poll", "A CertPoll about a known transaction makes a new certificate, for whoever asks.",
     ("SCEP-3.3.3-06", "SCEP-5.2-03"), _poll_again),
    ("polls-by-name", "A CertPoll is looked up by the names in it.", ("SCEP-3.3.3-04",),
     refusing(_by_name, FailInfo.BAD_CERT_ID, "no such request")),
    ("forgets-and-refuses", "A transaction that was answered is refused from then on.", ("SCEP-5.2-02",),
     refusing(_lost_for_good, FailInfo.BAD_REQUEST, "the transaction is over")),
    ("locks-out", "One wrong challenge locks everybody out.", ("SCEP-7.3-04",), _locks_out),
    ("http-errors-on-envelopes", "An envelope that cannot be opened ends in HTTP 500.",
     ("SCEP-3.2.2-07",), _unopenable),
    ("crashes-on-oaep", "Key transport by OAEP ends in HTTP 500.", ("SCEP-3.1-03",), crashing(_oaep)),
    ("crashes-on-ec", "An EC key ends in HTTP 500.", ("SCEP-3.1-04",), crashing(_elliptic)),
    ("crashes-on-old-renewal", "A PKCSReq signed with an issued certificate ends in HTTP 500.",
     ("SCEP-3.3.1-13",), crashing(_old_renewal)),
    ("crashes-without-attributes", "A CSR without a challenge ends in HTTP 500.", ("SCEP-3.3.1-10",),
     crashing(lambda s: s.csr is not None and s.csr.challenge is None)),
    ("crashes-on-trailing", "Octets after a message end in HTTP 500.", ("SCEP-3-05",), crashing(_noted("SCEP-3-05"))),
    ("refuses-every-third", "Every third request is refused for no reason.", ("SCEP-2.5-10",),
     refusing(lambda s: asks(s) and s.count % 3 == 0, FailInfo.BAD_REQUEST, "busy")),
    ("refuses-superfluous-attributes", "pkiStatus in a request is refused.", ("SCEP-3.2.1-20",),
     refusing(lambda s: s.message is not None and s.message.pki_status is not None,
               FailInfo.BAD_REQUEST, "no reply was expected")),
    ("unknown-is-bad-request", "GetCert about an unknown certificate is badRequest.", ("SCEP-3.2.1.4-07",),
     refusing(_unknown_certificate, FailInfo.BAD_REQUEST, "no such certificate")),
    ("wants-null", "A digest algorithm without NULL parameters is refused.", ("SCEP-3.2-11",),
     refusing(lambda s: _SHA256_NULL not in s.octets, FailInfo.BAD_ALG, "the digest algorithm is not known")),
    ("wants-envelope-version-0", "An EnvelopedData of another version than 0 is refused.", ("SCEP-3.2.2-03",),
     refusing(lambda s: s.message is not None and s.message.envelope is not None and s.message.envelope.version != 0,
               FailInfo.BAD_MESSAGE_CHECK, "the envelope's version is not 0")),
)  # fmt: skip
