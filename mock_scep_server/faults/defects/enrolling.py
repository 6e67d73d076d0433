"""Defects in handling pkiMessages: the CA grants, refuses, remembers or forgets against the rules."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial

from mfp_sim.shared.errors import DecodeError, MfpSimError
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import cms, crl, der, messages
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.http_messages import PKI_MESSAGE, HttpReply
from mfp_sim.shared.scep.messages import PkiMessage
from mfp_sim.shared.scep.vocabulary import FailInfo, MessageType, Operation, PkiStatus
from mock_scep_server.ca import Template
from mock_scep_server.faults.defects.answers import (
    CRASHED,
    HUNG_UP,
    DefectRow,
    Instead,
    adding,
    crashing,
    encode,
    failure,
    grant,
    granting,
    instead,
    refuse,
    refusing,
    reply,
    text,
)
from mock_scep_server.faults.defects.seen import Seen, asks, csr_forged, wrong_challenge

__all__ = ["ROWS"]


def _odd(seen: Seen) -> bool:
    """Whether the message is malformed although it contains a CSR."""
    return seen.message is None


def _renews(seen: Seen) -> bool:
    return seen.kind == MessageType.RENEWAL_REQ and seen.signer is not None


def _encloses(seen: Seen) -> bool:
    return _renews(seen) and not seen.forged and any(map(seen.service.ledger.own, seen.signers))


def _renews_own(seen: Seen) -> bool:
    return _renews(seen) and seen.signer is not None and seen.service.ledger.own(seen.signer) is not None


def _to_the_old_end(seen: Seen) -> HttpReply | None:
    assert seen.signer is not None
    end = seen.signer.not_after
    return grant(seen, change=lambda template: replace(template, not_after=end))


def _copies_challenge(seen: Seen) -> HttpReply | None:
    if not asks(seen) or seen.csr is None or seen.csr.challenge is None:
        return None
    return grant(seen, change=adding(("1.2.3.4.5", False, der.utf8_string(seen.csr.challenge))))


def _leaks_challenge(seen: Seen) -> HttpReply | None:
    if not asks(seen) or seen.csr is None or not seen.csr.challenge or not wrong_challenge(seen):
        return None
    return refuse(seen, FailInfo.BAD_REQUEST, f"wrong challenge {seen.csr.challenge}")


def _polls_anything(seen: Seen) -> HttpReply | None:
    return encode(seen, reply(seen, PkiStatus.PENDING)) if seen.kind == MessageType.CERT_POLL else None


def _wrong(seen: Seen) -> bool:
    """Whether a pkiMessage is not a correct PKCSReq that the CA would grant."""
    if seen.operation != Operation.PKI_OPERATION:
        return False
    return not _well_signed_request(seen) or seen.csr is None or wrong_challenge(seen)


def _well_signed_request(seen: Seen) -> bool:
    return seen.kind == MessageType.PKCS_REQ and not seen.forged and not csr_forged(seen)


def _not_well_signed(seen: Seen) -> bool:
    return seen.operation == Operation.PKI_OPERATION and not _well_signed_request(seen)


def _first(seen: Seen) -> bool:
    """Lose the first reply to a new message; the repeated message is answered."""
    first = bool(seen.octets) and seen.octets not in seen.gate.met
    seen.gate.met.add(seen.octets)
    return first


_UNREADABLE = HttpReply(200, headers=(("Content-Type", PKI_MESSAGE),), body=der.sequence(der.integer(1)))


def _grants_unreadably(seen: Seen) -> HttpReply | None:
    """Return SUCCESS with an envelope whose content is unreadable."""
    return grant(seen, bag=lambda _: b"\x04\x03???") if _wrong(seen) else None


def _indirect_crl(*, stranger: bool) -> Instead:
    """Return the CRL of another issuer, which the CA appointed or does not know."""

    def answer(seen: Seen) -> HttpReply | None:
        if seen.kind != MessageType.GET_CRL or seen.message is None:
            return None
        ca, now = seen.authority.issuer, seen.now
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
        success = replace(reply(seen, PkiStatus.SUCCESS), crls=(made.der,), recipient=seen.signer)
        return encode(seen, replace(success, outer_certificates=(certificate,)))

    return answer


def _endless_crl(seen: Seen) -> HttpReply | None:
    if seen.kind != MessageType.GET_CRL or seen.message is None:
        return None
    ca = seen.authority.issuer
    made = crl.issue(issuer=ca.certificate, signing_key=ca.key, this_update=seen.now, next_update=None)
    return encode(seen, replace(reply(seen, PkiStatus.SUCCESS), crls=(made.der,), recipient=seen.signer))


def _crl_without_revoked(seen: Seen) -> HttpReply | None:
    """Return a current CRL without entries."""
    if seen.kind != MessageType.GET_CRL or seen.message is None:
        return None
    ca, now = seen.authority.issuer, seen.now
    made = crl.issue(issuer=ca.certificate, signing_key=ca.key, this_update=now, next_update=now + timedelta(days=7))
    return encode(seen, replace(reply(seen, PkiStatus.SUCCESS), crls=(made.der,), recipient=seen.signer))


def _renews_revoked(seen: Seen) -> bool:
    signer = seen.signer
    return _renews_own(seen) and signer is not None and seen.service.revocations.is_revoked(signer.serial)


def _renews_with_any_challenge(seen: Seen) -> bool:
    return _renews(seen) and seen.csr is not None and seen.csr.challenge is not None


def _bare_signer(seen: Seen) -> bool:
    return asks(seen) and seen.signer is not None and seen.signer.key_usage is None


def _other_subject(seen: Seen) -> bool:
    signer, csr = seen.signer, seen.csr
    return asks(seen) and signer is not None and csr is not None and signer.subject != csr.subject


def _skewed(seen: Seen) -> bool:
    return seen.signer is not None and not seen.signer.not_before <= seen.now <= seen.signer.not_after


def _far_from_now(seen: Seen) -> bool:
    time = seen.message.signing_time if seen.message else None
    return time is not None and abs((time - seen.now).total_seconds()) > 1800


def _odd_csr(seen: Seen) -> bool:
    """Whether the CSR has extensions, non-ASCII names, or a key of more than 2048 bits."""
    csr = seen.csr
    return csr is not None and bool(csr.extensions or {0x1E, 0x14} & set(csr.subject) or len(csr.spki) > 500)


def _first_certificate(seen: Seen) -> bool:
    return bool(seen.signers) and seen.signer is not None and seen.signers[0].der != seen.signer.der


_CHALLENGE_PASSWORD = der.oid(v.CHALLENGE_PASSWORD)
_SHA256_NULL = der.oid(v.DIGEST_OIDS["sha256"]) + der.null()


def _alters_nonce(seen: Seen) -> HttpReply | None:
    nonce = (seen.message.sender_nonce or b"") if seen.message else bytes(16)
    if len(nonce) == 16:
        return None
    return encode(seen, replace(failure(seen, FailInfo.BAD_CERT_ID), recipient_nonce=nonce[:16].ljust(16, b"\x00")))


def _alters_transaction(seen: Seen) -> HttpReply | None:
    if seen.kind != MessageType.CERT_POLL or seen.message is None:
        return None
    capital = seen.message.transaction_id.upper()
    return encode(seen, replace(failure(seen, FailInfo.BAD_CERT_ID), transaction_id=capital))


def _utf8_challenge(seen: Seen) -> bool:
    """Whether the challengePassword of the CSR is a UTF8String: its tag follows the OID and the SET header."""
    _, found, rest = (seen.data or b"").partition(_CHALLENGE_PASSWORD)
    return seen.csr is not None and bool(found) and rest[2:3] == bytes((der.UTF8_STRING,))


def _poll_again(seen: Seen) -> HttpReply | None:
    known = seen.gate.csrs.get(seen.message.transaction_id) if seen.message else None
    return grant(seen, csr=known) if seen.kind == MessageType.CERT_POLL and known is not None else None


def _by_name(seen: Seen) -> bool:
    if seen.kind != MessageType.CERT_POLL or seen.message is None or not seen.data:
        return False
    issuer, subject = messages.read_issuer_and_subject(seen.data)
    known = seen.gate.csrs.get(seen.message.transaction_id)
    named = seen.authority.issuer.certificate.subject
    return issuer != named or (known is not None and known.subject != subject)


def _lost_for_good(seen: Seen) -> bool:
    again = seen.message is not None and seen.message.transaction_id in seen.gate.csrs
    return again and seen.kind in (MessageType.CERT_POLL, MessageType.PKCS_REQ)


def _locks_out(seen: Seen) -> HttpReply | None:
    seen.gate.locked |= wrong_challenge(seen)
    if seen.gate.locked and asks(seen):
        return refuse(seen, FailInfo.BAD_REQUEST, "too many wrong challenges")
    return None


def _unopenable(seen: Seen) -> bool:
    """Whether a correct signature surrounds an envelope that the CA cannot decrypt."""
    if seen.message is None or seen.message.envelope is None or seen.forged:
        return False
    for identity in (seen.authority.recipient, seen.authority.issuer):
        try:
            cms.open_envelope(seen.message.envelope, identity.key, identity.certificate)  # type: ignore[arg-type]
        except MfpSimError:
            continue
        return False
    return True


def _oaep(seen: Seen) -> bool:
    envelope = seen.message.envelope if seen.message else None
    return envelope is not None and any(r.transport and r.transport.scheme == "oaep" for r in envelope.recipients)


def _elliptic(seen: Seen) -> bool:
    return seen.csr is not None and der.oid(v.EC_PUBLIC_KEY) in seen.csr.spki


def _old_renewal(seen: Seen) -> bool:
    return seen.kind == MessageType.PKCS_REQ and seen.signer is not None and seen.signer.issuer != seen.signer.subject


def _unknown_certificate(seen: Seen) -> bool:
    if seen.kind != MessageType.GET_CERT or not seen.data:
        return False
    try:
        _, serial = messages.read_issuer_and_serial(seen.data)
    except DecodeError:
        return False
    return all(entry.certificate.serial != serial for entry in seen.service.ledger.entries)


MANY = 20
"""The number of requests that a forgetful CA remembers."""


def _polls(seen: Seen) -> bool:
    return seen.kind == MessageType.CERT_POLL


def _gets(seen: Seen) -> bool:
    return seen.kind == MessageType.GET_CERT


def _message(fits: Callable[[PkiMessage], bool]) -> Callable[[Seen], bool]:
    """Apply the test to the pkiMessage, if there is one."""
    return lambda seen: seen.message is not None and fits(seen.message)


def _noted(*requirements: str) -> Callable[[Seen], bool]:
    """Whether the reader noted that the message lacks one of these."""
    return _message(lambda message: any(note.requirement in requirements for note in message.notes))


_BY_IDENTIFIER = _message(lambda message: message.signed_data.signer_key_identifier is not None)
_SEVERAL = _message(lambda message: message.envelope is not None and len(message.envelope.recipients) > 1)
_NOT_VERSION_0 = _message(lambda message: message.envelope is not None and message.envelope.version != 0)
_COMBINED = _message(lambda message: message.signed_data.signature_algorithm != v.RSA_ENCRYPTION)
_NO_HASH = _message(lambda message: len(message.transaction_id) != 40)
_NO_TIME = _message(lambda message: message.signing_time is None)
_STATUS = _message(lambda message: message.pki_status is not None)


def _powerful(template: Template) -> Template:
    """Add extensions that only a CA may decide, and an unknown one."""
    for extension in (
        x509.extended_key_usage_extension(v.CLIENT_AUTH, v.ANY_PURPOSE, v.ENROLMENT_AGENT),
        (v.MICROSOFT_SID, False, der.sequence(der.utf8_string("S-1-5-21-1-2-3-500"))),
        ("1.3.6.1.4.1.32473.99", False, der.octet_string(b"x")),
    ):
        template = adding(extension)(template)
    return template


ROWS: tuple[DefectRow, ...] = (
    ("grants-anything", "Every message that contains a CSR is granted without checks.",
     ("SCEP-2.4-09", "SCEP-3.2-05", "SCEP-3.2.1.2-03"), granting(lambda _: True)),
    ("accepts-bad-signature", "The signature of a request is not verified.",
     ("SCEP-3.2-05",), granting(lambda s: s.forged)),
    ("accepts-malformed-attributes", "Missing, repeated or unsigned attributes are accepted.",
     ("SCEP-3.2.1-01", "SCEP-3.2.1-17", "SCEP-3.2.1-18"), granting(_odd)),
    ("accepts-any-type", "Every messageType is treated as PKCSReq.",
     ("SCEP-3.2.1.2-03",), granting(lambda s: s.kind not in (None, MessageType.PKCS_REQ))),
    ("csr-signature-unchecked", "The CSR's own signature is not verified.",
     ("SCEP-3.3.1-05",), granting(csr_forged)),
    ("challenge-unchecked", "Every challenge password is accepted.",
     ("SCEP-2.4-04", "SCEP-2.4-09"), granting(lambda s: _well_signed_request(s) and wrong_challenge(s))),
    ("reissues", "Every request creates a new certificate; transactions are not remembered.",
     ("SCEP-3.2.1.5-08", "SCEP-5.2-04", "SCEP-5.2-05"), granting(lambda s: asks(s) and not s.forged)),
    ("renews-for-anybody", "A RenewalReq is granted with any signer and any subject.",
     ("SCEP-2.4-09", "SCEP-2.4-13", "SCEP-2.4-14"), granting(_renews)),
    ("renews-by-enclosed", "A RenewalReq with any signer is granted if it encloses a certificate of the CA.",
     ("SCEP-2.4-13",), granting(_encloses)),
    ("renews-by-pkcs-req", "A PKCSReq whose signer is not self-signed and has the CSR's subject renews a certificate.",
     ("SCEP-2.4-09", "SCEP-2.4-13"), granting(lambda s: _old_renewal(s) and not s.forged and not _other_subject(s))),
    ("renews-with-more-names", "A RenewalReq by a certificate of the CA for the same subject is granted with any SAN.",
     ("SCEP-2.4-14",), granting(lambda s: _renews_own(s) and not s.forged and not _other_subject(s))),
    ("renews-to-the-old-end", "A renewed certificate expires when the old one does.", ("SCEP-2.5-02",),
     granting(lambda s: _renews_own(s) and not s.forged, _to_the_old_end)),
    ("renews-the-revoked", "A RenewalReq signed by a revoked certificate of the CA is granted.",
     ("SCEP-2.4-13",), granting(lambda s: _renews_revoked(s) and not s.forged)),
    ("renews-with-any-challenge", "A RenewalReq with any challenge password is granted, with any signer.",
     ("SCEP-2.4-09", "SCEP-2.4-13"), granting(_renews_with_any_challenge)),
    ("constant-serial", "Every certificate has the serial number 7.",
     ("SCEP-3.3.2.1-16",), granting(asks, partial(grant, change=lambda template: replace(template, serial=7)))),
    ("issues-sha1", "Certificates are signed with SHA-1.",
     ("SCEP-7.9-01",), granting(asks, partial(grant, digest="sha1"))),
    ("issues-ca-certificates", "Certificates have cA=TRUE.",
     ("SCEP-3.3.1-09",), granting(asks, partial(grant, change=adding(x509.basic_constraints_extension(True))))),
    ("grants-powers", "Certificates are for any purpose, enrolment agents and an account, with an unknown extension.",
     ("SCEP-3.3.1-09",), granting(asks, partial(grant, change=_powerful))),
    ("encrypts-without-chance", "All replies are encrypted with the same content key and initialisation vector.",
     ("SCEP-3.2.2-05", "SCEP-3.1-01"), granting(asks, partial(grant, chance=bytes))),
    ("issued-in-clear", "The issued certificate is also outside the envelope.",
     ("SCEP-7.7-02",), granting(asks, partial(grant, outside=True))),
    ("octets-after-bag", "A space follows the certificates-only SignedData.",
     ("SCEP-3.3.2-01",), granting(asks, partial(grant, bag=lambda octets: octets + b"\x00\x00"))),
    ("drops-san", "The subjectAltName of the CSR is dropped.",
     ("SCEP-3.3.1-09",), granting(asks, partial(grant, change=lambda template: replace(template, extensions=())))),
    ("copies-challenge", "The challenge password is copied into the certificate.",
     ("SCEP-3.3.1-08",), _copies_challenge),
    ("leaks-challenge", "failInfoText repeats the challenge password.", ("SCEP-3.2.1.4-11",), _leaks_challenge),
    ("polls-anything", "Every CertPoll is answered with PENDING, even for unknown transactions.",
     ("SCEP-4.4-04",), _polls_anything),
    ("http-errors", "A wrong request is answered with HTTP 500 instead of FAILURE.", ("SCEP-3.3.2.2-04",),
     instead(_not_well_signed, CRASHED)),
    ("hangs-up", "A wrong request closes the connection; the server survives.", ("SCEP-4.1-19",),
     instead(_wrong, HUNG_UP)),
    ("loses-first-replies", "The first reply to each message is lost; the second arrives.", (),
     instead(_first, HUNG_UP)),
    ("answers-unreadably", "A wrong request is answered with bytes that are not a CertRep.", ("SCEP-6.4-01",),
     instead(_wrong, _UNREADABLE)),
    ("grants-unreadably", "A wrong request is granted in an unreadable reply.",
     ("SCEP-2.4-09", "SCEP-3.3.2-01"), _grants_unreadably),
    ("indirect-crl", "GetCRL returns an indirect CRL of an issuer that the CA appointed.", (),
     _indirect_crl(stranger=False)),
    ("indirect-crl-of-a-stranger", "GetCRL returns an indirect CRL of an issuer that the CA did not appoint.",
     ("SCEP-3.3.2.1-10",), _indirect_crl(stranger=True)),
    ("crl-without-revoked", "The CRL is empty although certificates are revoked.",
     ("SCEP-4.6.1-01",), _crl_without_revoked),
    ("crl-without-next-update", "The CRL has no nextUpdate.", ("SCEP-4.6.1-01",), _endless_crl),
    ("short-sender-nonce", "The senderNonce of a reply has 4 bytes.", ("SCEP-3.2.1.5-09",),
     lambda s: encode(s, replace(failure(s, FailInfo.BAD_CERT_ID), sender_nonce=bytes(range(s.count % 200, s.count % 200
                      + 4)))) if s.kind == MessageType.CERT_POLL else None),
    ("wants-issuer-and-serial", "A signer identified by its key identifier is not found.", ("SCEP-2.3-14",),
     refusing(_BY_IDENTIFIER, FailInfo.BAD_MESSAGE_CHECK, "no signer's certificate")),
    ("wants-key-usage", "A signer certificate without keyUsage is refused.",
     ("SCEP-2.3-03",), refusing(_bare_signer, FailInfo.BAD_MESSAGE_CHECK, "the signer's keyUsage is missing")),
    ("wants-same-subject", "A signer certificate whose subject differs from the CSR's is refused.",
     ("SCEP-2.3-06",), refusing(_other_subject, FailInfo.BAD_REQUEST, "the signer is different")),
    ("crashes-on-clock-skew", "A signer certificate that is not valid now is answered with HTTP 500.",
     ("SCEP-3.2-14",), crashing(_skewed)),
    ("takes-first-certificate", "The first certificate is assumed to be the signer's.",
     ("SCEP-2.3-14",), refusing(_first_certificate, FailInfo.BAD_MESSAGE_CHECK, "the signature does not verify")),
    ("refuses-extra-attributes", "An unknown signed attribute is refused.",
     ("SCEP-3.2.1-19",), refusing(_noted("SCEP-3.2.1-19"), FailInfo.BAD_REQUEST, "an attribute is unknown")),
    ("refuses-ber", "BER is refused.", ("SCEP-3-04",),
     refusing(_noted("SCEP-3-04", "SCEP-3.2.2-06"), FailInfo.BAD_MESSAGE_CHECK, "not DER")),
    ("refuses-several-recipients", "Only the first RecipientInfo is examined.", ("SCEP-3.2.2-04",),
     refusing(_SEVERAL, FailInfo.BAD_MESSAGE_CHECK, "not for this CA")),
    ("alters-nonces", "A senderNonce whose length is not 16 bytes is truncated or padded in the reply.",
     ("SCEP-3.2.1.5-07",),
     _alters_nonce),
    ("alters-transactionid", "The transactionID is changed to capital letters.", ("SCEP-3.2.1.1-04",),
     _alters_transaction),
    ("wants-transaction-hash", "A transactionID that is not a hash is refused.", ("SCEP-3.2.1.1-05",),
     refusing(lambda s: asks(s) and _NO_HASH(s), FailInfo.BAD_REQUEST, "the transactionID is not a hash of the key")),
    ("wants-signing-time", "A request without signingTime is refused.", ("SCEP-3.2.1.4-06",),
     refusing(_NO_TIME, FailInfo.BAD_TIME, "no signingTime")),
    ("crashes-on-signing-time", "A signingTime far from now is answered with HTTP 500.", ("SCEP-3.2.1.4-05",),
     crashing(_far_from_now)),
    ("wants-printable-challenge", "A challenge password as UTF8String is not understood.", ("SCEP-3.3.1-06",),
     refusing(_utf8_challenge, FailInfo.BAD_REQUEST, "the challenge password is wrong")),
    ("crashes-on-odd-csr", "Non-ASCII names and extensions are answered with HTTP 500.", ("SCEP-3.3.1-10",),
     instead(_odd_csr, CRASHED)),
    ("refuses-pss-names", "Only rsaEncryption is accepted as the signature algorithm.", ("SCEP-3.2-12",),
     refusing(_COMBINED, FailInfo.BAD_ALG, "the signature algorithm is unknown")),
    ("chains-nonces", "A CertPoll has to contain the nonce of the last CertRep.", ("SCEP-3.2.1.5-09",),
     refusing(_polls, FailInfo.BAD_MESSAGE_CHECK, "the nonce is not the last one")),
    ("forgets-issued", "A CertPoll for an issued certificate finds nothing.", ("SCEP-5.2-03",),
     refusing(_polls, FailInfo.BAD_CERT_ID, "no such transaction")),
    ("forgets-after-many", "A transaction is forgotten after twenty other requests.", ("SCEP-5.2-03",),
     refusing(lambda s: _polls(s) and s.count > MANY, FailInfo.BAD_CERT_ID, "no such transaction")),
    ("getcert-forgets-after-many", "GetCert forgets a certificate after twenty other requests.",
     ("SCEP-3.3.2.1-07",),
     refusing(lambda s: _gets(s) and s.count > MANY, FailInfo.BAD_CERT_ID, "no such certificate")),
    ("reissues-on-poll", "A CertPoll for a known transaction creates a new certificate for any client.",
     ("SCEP-3.3.3-06", "SCEP-5.2-03"), _poll_again),
    ("polls-by-name", "A CertPoll is looked up by its subject and issuer.", ("SCEP-3.3.3-04",),
     refusing(_by_name, FailInfo.BAD_CERT_ID, "no such request")),
    ("forgets-and-refuses", "A transaction is refused after it has been answered.", ("SCEP-5.2-02",),
     refusing(_lost_for_good, FailInfo.BAD_REQUEST, "the transaction is over")),
    ("locks-out", "One wrong challenge password locks out every client.", ("SCEP-7.3-04",), _locks_out),
    ("http-errors-on-envelopes", "An envelope that cannot be decrypted is answered with HTTP 500.",
     ("SCEP-3.2.2-07",), instead(_unopenable, text(500, "cannot decrypt"))),
    ("crashes-on-oaep", "Key transport with OAEP is answered with HTTP 500.", ("SCEP-3.1-03",), crashing(_oaep)),
    ("crashes-on-ec", "An EC key is answered with HTTP 500.", ("SCEP-3.1-04",), crashing(_elliptic)),
    ("crashes-on-old-renewal", "A PKCSReq signed with an issued certificate is answered with HTTP 500.",
     ("SCEP-3.3.1-13",), crashing(_old_renewal)),
    ("crashes-without-attributes", "A CSR without a challenge password is answered with HTTP 500.", ("SCEP-3.3.1-10",),
     crashing(lambda s: s.csr is not None and s.csr.challenge is None)),
    ("crashes-on-trailing", "Bytes after a message are answered with HTTP 500.",
     ("SCEP-3-05",), crashing(_noted("SCEP-3-05"))),
    ("refuses-every-third", "Every third request is refused without a reason.", ("SCEP-2.5-10",),
     refusing(lambda s: asks(s) and s.count % 3 == 0, FailInfo.BAD_REQUEST, "busy")),
    ("refuses-superfluous-attributes", "A request that contains pkiStatus is refused.", ("SCEP-3.2.1-20",),
     refusing(_STATUS, FailInfo.BAD_REQUEST, "no reply was expected")),
    ("unknown-is-bad-request", "GetCert for an unknown certificate is answered with badRequest.", ("SCEP-3.2.1.4-07",),
     refusing(_unknown_certificate, FailInfo.BAD_REQUEST, "no such certificate")),
    ("wants-null", "A digest algorithm without NULL parameters is refused.", ("SCEP-3.2-11",),
     refusing(lambda s: _SHA256_NULL not in s.octets, FailInfo.BAD_ALG, "the digest algorithm is unknown")),
    ("wants-envelope-version-0", "An EnvelopedData whose version is not 0 is refused.", ("SCEP-3.2.2-03",),
     refusing(_NOT_VERSION_0, FailInfo.BAD_MESSAGE_CHECK, "the envelope's version is not 0")),
)  # fmt: skip
