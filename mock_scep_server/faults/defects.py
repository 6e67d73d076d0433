"""Defects of a CA towards requests: what a broken registration authority in front of it would do.

The faults of the layers change a reply; a defect grants what must be refused, refuses what must be granted, or forgets
what must be remembered. A :class:`Gate` stands before the service and answers in its place where a defect applies; it
issues with the CA's own keys. Serves the proof of the conformance checks. Owns no policy of a right CA.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from urllib.parse import unquote

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from mfp_sim.errors import DecodeError, MfpSimError
from mfp_sim.scep import certificate as x509
from mfp_sim.scep import cms, der, messages
from mfp_sim.scep import vocabulary as v
from mfp_sim.scep.certificate import Certificate
from mfp_sim.scep.csr import Csr
from mfp_sim.scep.http import (
    CA_CERT,
    PKI_MESSAGE,
    TEXT,
    Close,
    Delivery,
    HttpReply,
    HttpRequest,
    ScepQuery,
    delivery_of,
    read_scep_query,
)
from mfp_sim.scep.messages import CertRep, Oddities, PkiMessage
from mfp_sim.scep.vocabulary import FailInfo, MessageType, Operation, PkiStatus
from mock_scep_server.service import ScepService

__all__ = ["DEFECTS", "Defect", "Gate"]


@dataclass(frozen=True)
class Seen:
    """A request as the gate sees it; what cannot be read is None."""

    http: HttpRequest
    gate: Gate = field(repr=False)
    count: int = 0  # how many requests came before

    @property
    def service(self) -> ScepService:
        """What stands behind."""
        return self.gate.service

    @cached_property
    def query(self) -> ScepQuery | None:
        """Operation and message."""
        try:
            return read_scep_query(self.http)
        except DecodeError:
            return None

    @property
    def operation(self) -> str | None:
        """As it was spelled."""
        return self.query.operation if self.query else None

    @property
    def raw_query(self) -> str:
        """The query as on the wire."""
        return self.http.target.partition("?")[2]

    @property
    def octets(self) -> bytes:
        """The message of a PKIOperation."""
        if self.query is None or self.operation != Operation.PKI_OPERATION:
            return b""
        return self.query.message or b""

    @cached_property
    def message(self) -> PkiMessage | None:
        """The pkiMessage, where it is one."""
        try:
            return messages.decode(self.octets)
        except MfpSimError:
            return None

    @cached_property
    def frame(self) -> der.Element | None:
        """The SignedData, however wrong its signers are."""
        try:
            return der.read(self.octets, "", trailing=True).child(1, "content").child(0, "signedData", der.SEQUENCE)
        except DecodeError:
            return None

    @cached_property
    def signers(self) -> tuple[Certificate, ...]:
        """The certificates that came along."""
        found = []
        for part in self.frame.children if self.frame else ():
            for entry in part.children if part.tag == 0xA0 else ():
                try:
                    found.append(Certificate.from_der(entry.raw))
                except MfpSimError:
                    continue
        return tuple(found)

    @cached_property
    def data(self) -> bytes | None:
        """The messageData, opened with the CA's keys whatever it looks like; a bare content counts too."""
        try:
            assert self.frame is not None
            content = self.frame.child(2, "encapContentInfo").child(1, "eContent").child(0, "value").to_octets()
        except (MfpSimError, AssertionError):
            return None
        ca = self.service.ca
        for key in (ca.recipient.key, ca.ca.key):
            if not isinstance(key, RSAPrivateKey):
                continue
            try:
                return cms.open_envelope(cms.read_envelope(content), key)
            except MfpSimError:
                continue
        return content

    @cached_property
    def csr(self) -> Csr | None:
        """The request in it, its signature not looked at."""
        try:
            return Csr.from_der(self.data) if self.data else None
        except MfpSimError:
            return _subject_and_key(self.data or b"")

    @cached_property
    def forged(self) -> bool:
        """The message's signature does not verify, or nobody signed it."""
        signer = self.message.signer() if self.message else None
        if self.message is None or signer is None:
            return True
        try:
            self.message.verify(signer)
        except MfpSimError:
            return True
        return False

    @property
    def kind(self) -> int | None:
        """messageType."""
        return self.message.message_type if self.message else None


def _subject_and_key(octets: bytes) -> Csr | None:
    """A CSR of which nothing but the name and the key is looked at."""
    try:
        info = der.read(octets, "csr").child(0, "certificationRequestInfo", der.SEQUENCE)
        subject, spki = info.child(1, "subject", der.SEQUENCE).raw, info.child(2, "subjectPKInfo", der.SEQUENCE).raw
        x509.public_key_of(spki, "csr")
    except MfpSimError:
        return None
    return Csr(octets, subject, spki, None, {}, "sha256", info.raw, b"")


Instead = Callable[[Seen], HttpReply | Delivery | None]


@dataclass(frozen=True)
class Defect:
    """One defect. ``instead`` gives what is answered in the CA's place, or None where the defect does not apply."""

    slug: str
    sentence: str
    requirements: tuple[str, ...]
    instead: Instead = field(repr=False, compare=False)
    layer: str = "decide"


DEFECTS: dict[str, Defect] = {}


class Gate:
    """The service with defects in front; ``handle`` is that of the service."""

    def __init__(self, service: ScepService, defects: Sequence[str], octets: Callable[[int], bytes]) -> None:
        self.service, self.octets = service, octets
        self.dead = self.locked = False
        self.guesses = 0
        self.csrs: dict[str, Csr] = {}
        """What was asked for, by transactionID."""
        self._defects = [DEFECTS[slug] for slug in defects]
        self._count = 0

    def handle(self, request: HttpRequest, client: str) -> Delivery:
        """Answer one request."""
        seen = Seen(request, self, self._count)
        self._count += 1
        for defect in self._defects:
            answer = defect.instead(seen)
            if seen.message is not None and seen.csr is not None:
                self.csrs.setdefault(seen.message.transaction_id, seen.csr)
            if isinstance(answer, HttpReply):
                return delivery_of(answer, keep_alive=request.keep_alive, date=self.service.clock.now())
            if answer is not None:
                return answer
        return self.service.handle(request, client)


# --- what a gate answers ----------------------------------------------------------------------------------


def _encode(seen: Seen, reply: CertRep) -> HttpReply:
    signer = seen.service.ca.signer
    octets = messages.encode_cert_rep(
        reply, signer_key=signer.key, signer_certificate=signer.certificate, octets=seen.gate.octets
    )
    return HttpReply(200, headers=(("Content-Type", PKI_MESSAGE),), body=octets)


def _reply(seen: Seen, status: PkiStatus, **fields: object) -> CertRep:
    message = seen.message
    return CertRep(
        status=status,
        transaction_id=message.transaction_id if message else "unknown",
        recipient_nonce=message.sender_nonce if message else None,
        sender_nonce=seen.gate.octets(16),
        **fields,  # type: ignore[arg-type]
    )


def refuse(seen: Seen, info: FailInfo, text: str) -> HttpReply:
    """A signed FAILURE."""
    return _encode(seen, _reply(seen, PkiStatus.FAILURE, fail_info=info, fail_info_text=text))


def grant(
    seen: Seen,
    *,
    change: Mapping[str, object] | None = None,
    extra: Sequence[tuple[str, bool, bytes]] = (),
    digest: str = "sha256",
    outside: bool = False,
    oddities: Oddities | None = None,
    bag: Callable[[bytes], bytes] | None = None,
    csr: Csr | None = None,
) -> HttpReply | None:
    """A certificate for whatever CSR is in the request, to whoever signed it; None where there is no CSR.

    Args:
        seen: the request.
        change: fields of the certificate that are set otherwise.
        extra: further extensions.
        digest: of the certificate's signature.
        outside: the certificate is shown beside the envelope too.
        oddities: of the reply.
        bag: changes the messageData.
        csr: another request than the one in the message.
    """
    if csr is None and seen.csr is None:
        return None
    ca = seen.service.ca
    template = replace(ca.template(csr or seen.csr), **(change or {}))  # type: ignore[arg-type]
    template = replace(template, extensions=(*_without(template.extensions, extra), *extra))
    issued = x509.issue(
        serial=template.serial,
        issuer=ca.ca.certificate.subject,
        subject=template.subject,
        spki=template.spki,
        not_before=template.not_before,
        not_after=template.not_after,
        extensions=[
            *template.extensions,
            (v.AUTHORITY_KEY_IDENTIFIER, False,
             der.sequence(der.implicit(0, x509.key_identifier(ca.ca.certificate.spki)))),
        ],
        signing_key=ca.ca.key,
        digest=digest,
    )  # fmt: skip
    message = seen.message
    signer = (message.signer() if message else None) or next(iter(seen.signers), None)
    reply = _reply(
        seen,
        PkiStatus.SUCCESS,
        certificates=(issued.der, ca.ca.certificate.der),
        recipient=signer or issued,
        outer_certificates=(issued,) if outside else (),
        oddities=oddities or Oddities(),
    )
    if bag is not None:
        reply = replace(reply, message_data=bag(messages.certs_only(reply.certificates)))
    return _encode(seen, reply)


def _without(
    extensions: tuple[tuple[str, bool, bytes], ...], others: Sequence[tuple[str, bool, bytes]]
) -> tuple[tuple[str, bool, bytes], ...]:
    named = {oid for oid, _, _ in others}
    return tuple(entry for entry in extensions if entry[0] not in named)


def _granting(applies: Callable[[Seen], bool], **how: object) -> Instead:
    return lambda seen: grant(seen, **how) if seen.octets and applies(seen) else None  # type: ignore[arg-type]


def _text(status: int, text: str) -> HttpReply:
    return HttpReply(status, headers=(("Content-Type", TEXT),), body=text.encode())


def _asks(seen: Seen) -> bool:
    return seen.kind in (MessageType.PKCS_REQ, MessageType.RENEWAL_REQ)


# --- the table --------------------------------------------------------------------------------------------


def _register(*rows: tuple[str, str, tuple[str, ...], Instead]) -> None:
    for slug, sentence, requirements, instead in rows:
        assert slug not in DEFECTS, slug
        DEFECTS[slug] = Defect(slug, sentence, requirements, instead)


def _csr_forged(seen: Seen) -> bool:
    try:
        if seen.csr is not None:
            seen.csr.verify()
    except MfpSimError:
        return True
    return False


def _odd(seen: Seen) -> bool:
    """Not a pkiMessage as the reader wants it, though a CSR can be found in it."""
    return seen.message is None


def _renews_other_name(seen: Seen) -> bool:
    signer = seen.message.signer() if seen.message else None
    return seen.kind == MessageType.RENEWAL_REQ and signer is not None


_register(
    ("grants-anything", "Whatever a CSR can be found in is granted; nothing is checked.",
     ("SCEP-2.4-09", "SCEP-3.2-05", "SCEP-3.2.1.2-03"), _granting(lambda _: True)),
    ("accepts-bad-signature", "The signature of a request is not verified.",
     ("SCEP-3.2-05",), _granting(lambda s: s.forged)),
    ("accepts-malformed-attributes", "Attributes that are missing, doubled or unsigned do not matter.",
     ("SCEP-3.2.1-01", "SCEP-3.2.1-17", "SCEP-3.2.1-18"), _granting(_odd)),
    ("accepts-any-type", "Every messageType is treated as PKCSReq.",
     ("SCEP-3.2.1.2-03",), _granting(lambda s: s.kind not in (None, MessageType.PKCS_REQ))),
    ("csr-signature-unchecked", "The CSR's own signature is not verified.",
     ("SCEP-3.3.1-05",), _granting(_csr_forged)),
    ("challenge-unchecked", "Whatever challenge comes is taken.",
     ("SCEP-2.4-04", "SCEP-2.4-09"), _granting(lambda s: s.kind == MessageType.PKCS_REQ and not s.forged)),
    ("reissues", "Every request makes a new certificate; transactions are not remembered.",
     ("SCEP-3.2.1.5-08", "SCEP-5.2-04", "SCEP-5.2-05"), _granting(lambda s: _asks(s) and not s.forged)),
    ("renews-for-anybody", "A RenewalReq is granted whoever signed it and whatever name it asks for.",
     ("SCEP-2.4-09", "SCEP-2.4-13", "SCEP-2.4-14"), _granting(_renews_other_name)),
    ("constant-serial", "Every certificate has the serial number 7.",
     ("SCEP-3.3.2.1-16",), _granting(_asks, change={"serial": 7})),
    ("issues-sha1", "Certificates are signed with SHA-1.", ("SCEP-7.9-01",), _granting(_asks, digest="sha1")),
    ("issues-ca-certificates", "Certificates say cA, as a CSR may ask for.",
     ("SCEP-3.3.1-09",), _granting(_asks, extra=(x509.basic_constraints_extension(True),))),
    ("issued-in-clear", "The issued certificate stands outside the envelope too.",
     ("SCEP-7.7-02",), _granting(_asks, outside=True)),
    ("octets-after-bag", "A blank follows the certificates-only SignedData.",
     ("SCEP-3.3.2-01",), _granting(_asks, bag=lambda octets: octets + b"\x00\x00")),
    ("drops-san", "The subjectAltName of the CSR is dropped.",
     ("SCEP-3.3.1-09",), _granting(_asks, change={"extensions": ()})),
)  # fmt: skip


def _copies_challenge(seen: Seen) -> HttpReply | None:
    if not _asks(seen) or seen.csr is None or seen.csr.challenge is None:
        return None
    return grant(seen, extra=[("1.2.3.4.5", False, der.utf8_string(seen.csr.challenge))])


def _leaks_challenge(seen: Seen) -> HttpReply | None:
    if not _asks(seen) or seen.csr is None or not seen.csr.challenge:
        return None
    if seen.service.challenge.check(seen.csr, seen.service.clock.now()) is None:
        return None
    return refuse(seen, FailInfo.BAD_REQUEST, f"wrong challenge {seen.csr.challenge}")


def _polls_anything(seen: Seen) -> HttpReply | None:
    return _encode(seen, _reply(seen, PkiStatus.PENDING)) if seen.kind == MessageType.CERT_POLL else None


def _http_errors(seen: Seen) -> HttpReply | None:
    """Whatever is not a good PKCSReq ends in HTTP 500."""
    good = seen.kind == MessageType.PKCS_REQ and not seen.forged and not _csr_forged(seen)
    return _text(500, "internal error") if seen.operation == Operation.PKI_OPERATION and not good else None


def _refusing(applies: Callable[[Seen], bool], info: FailInfo, text: str) -> Instead:
    return lambda seen: refuse(seen, info, text) if seen.message is not None and applies(seen) else None


def _bare_signer(seen: Seen) -> bool:
    signer = seen.message.signer() if seen.message else None
    return _asks(seen) and signer is not None and signer.key_usage is None


def _other_subject(seen: Seen) -> bool:
    signer = seen.message.signer() if seen.message else None
    return _asks(seen) and signer is not None and seen.csr is not None and signer.subject != seen.csr.subject


def _skewed(seen: Seen) -> HttpReply | None:
    signer = seen.message.signer() if seen.message else None
    now = seen.service.clock.now()
    wrong = signer is not None and not signer.not_before <= now <= signer.not_after
    return _text(500, "internal error") if wrong else None


def _odd_csr(seen: Seen) -> bool:
    """Extensions, names beyond plain ASCII, or a key of more than 2048 bits."""
    csr = seen.csr
    return csr is not None and bool(csr.extensions or {0x1E, 0x14} & set(csr.subject) or len(csr.spki) > 500)


def _first_certificate(seen: Seen) -> bool:
    signer = seen.message.signer() if seen.message else None
    return bool(seen.signers) and signer is not None and seen.signers[0].der != signer.der


_register(
    ("copies-challenge", "The challenge is copied into the certificate.", ("SCEP-3.3.1-08",), _copies_challenge),
    ("leaks-challenge", "failInfoText repeats the challenge.", ("SCEP-3.2.1.4-11",), _leaks_challenge),
    ("polls-anything", "A CertPoll about any transaction is answered with PENDING.", ("SCEP-4.4-04",), _polls_anything),
    ("http-errors", "What is wrong ends in HTTP 500 instead of a FAILURE.", ("SCEP-3.3.2.2-04",), _http_errors),
    ("wants-key-usage", "A signer certificate without keyUsage is refused.",
     ("SCEP-2.3-03",), _refusing(_bare_signer, FailInfo.BAD_MESSAGE_CHECK, "the signer's keyUsage is missing")),
    ("wants-same-subject", "A signer certificate with another subject than the CSR's is refused.",
     ("SCEP-2.3-06",), _refusing(_other_subject, FailInfo.BAD_REQUEST, "the signer is another")),
    ("crashes-on-clock-skew", "A signer certificate that is not valid now ends in HTTP 500.",
     ("SCEP-3.2-14",), _skewed),
    ("takes-first-certificate", "The first certificate is taken for the signer's.",
     ("SCEP-2.3-14",), _refusing(_first_certificate, FailInfo.BAD_MESSAGE_CHECK, "the signature does not verify")),
    ("refuses-extra-attributes", "A signed attribute that is not known is refused.",
     ("SCEP-3.2.1-19",),
     _refusing(lambda s: s.message is not None and any(n.requirement == "SCEP-3.2.1-19" for n in s.message.notes),
               FailInfo.BAD_REQUEST, "an attribute is not known")),
    ("refuses-ber", "BER is refused.", ("SCEP-3-04",),
     _refusing(lambda s: s.message is not None and any(n.requirement in ("SCEP-3-04", "SCEP-3.2.2-06") for n in
               s.message.notes), FailInfo.BAD_MESSAGE_CHECK, "not DER")),
    ("refuses-several-recipients", "Only the first RecipientInfo is looked at.", ("SCEP-3.2.2-04",),
     _refusing(lambda s: s.message is not None and s.message.envelope is not None
               and len(s.message.envelope.recipients) > 1, FailInfo.BAD_MESSAGE_CHECK, "not for this CA")),
    ("alters-nonces", "A senderNonce that has not 16 octets is cut or padded in the reply.", ("SCEP-3.2.1.5-07",),
     lambda s: _encode(s, replace(_reply(s, PkiStatus.FAILURE, fail_info=FailInfo.BAD_CERT_ID),
                                  recipient_nonce=(s.message.sender_nonce or b"")[:16].ljust(16, b"\x00")))
     if s.message is not None and len(s.message.sender_nonce or b"") != 16 else None),
    ("alters-transactionid", "Letters of a transactionID are made capital.", ("SCEP-3.2.1.1-04",),
     lambda s: _encode(s, replace(_reply(s, PkiStatus.FAILURE, fail_info=FailInfo.BAD_CERT_ID),
                                  transaction_id=s.message.transaction_id.upper()))
     if s.kind == MessageType.CERT_POLL and s.message is not None else None),
    ("wants-transaction-hash", "A transactionID that is no hash is refused.", ("SCEP-3.2.1.1-05",),
     _refusing(lambda s: _asks(s) and s.message is not None and len(s.message.transaction_id) != 40,
               FailInfo.BAD_REQUEST, "the transactionID is no hash of the key")),
    ("wants-signing-time", "A request without signingTime is refused.", ("SCEP-3.2.1.4-06",),
     _refusing(lambda s: s.message is not None and s.message.signing_time is None,
               FailInfo.BAD_TIME, "no signingTime")),
    ("crashes-on-signing-time", "A signingTime far from now ends in HTTP 500.", ("SCEP-3.2.1.4-05",),
     lambda s: _text(500, "internal error") if s.message is not None and s.message.signing_time is not None
     and abs((s.message.signing_time - s.service.clock.now()).total_seconds()) > 1800 else None),
    ("wants-printable-challenge", "A challenge as UTF8String is not understood.", ("SCEP-3.3.1-06",),
     _refusing(lambda s: s.csr is not None and s.data is not None and b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x07" in
               s.data and s.data.split(b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x09\x07")[1][2:3] == b"\x0c",
               FailInfo.BAD_REQUEST, "the challenge password is wrong")),
    ("crashes-on-odd-csr", "Names beyond plain ASCII, and extensions, end in HTTP 500.", ("SCEP-3.3.1-10",),
     lambda s: _text(500, "internal error") if _odd_csr(s) else None),
    ("refuses-pss-names", "Only rsaEncryption is known as signature algorithm.", ("SCEP-3.2-12",),
     _refusing(lambda s: s.message is not None and s.message.signed_data.signature_algorithm != v.RSA_ENCRYPTION,
               FailInfo.BAD_ALG, "the signature algorithm is not known")),
    ("chains-nonces", "A CertPoll has to carry the nonce of the last CertRep.", ("SCEP-3.2.1.5-09",),
     _refusing(lambda s: s.kind == MessageType.CERT_POLL, FailInfo.BAD_MESSAGE_CHECK, "the nonce is not the last one")),
    ("forgets-issued", "A CertPoll about a certificate that was issued finds nothing.", ("SCEP-5.2-03",),
     _refusing(lambda s: s.kind == MessageType.CERT_POLL, FailInfo.BAD_CERT_ID, "no such transaction")),
)  # fmt: skip


_SHA256_NULL = der.oid(v.DIGEST_OIDS["sha256"]) + der.null()


def _poll_again(seen: Seen) -> HttpReply | None:
    known = seen.gate.csrs.get(seen.message.transaction_id) if seen.message else None
    return grant(seen, csr=known) if seen.kind == MessageType.CERT_POLL and known is not None else None


def _by_name(seen: Seen) -> bool:
    if seen.kind != MessageType.CERT_POLL or seen.message is None or not seen.data:
        return False
    issuer, subject = messages.read_issuer_and_subject(seen.data)
    known = seen.gate.csrs.get(seen.message.transaction_id)
    return issuer != seen.service.ca.ca.certificate.subject or (known is not None and known.subject != subject)


def _lost_for_good(seen: Seen) -> bool:
    again = seen.message is not None and seen.message.transaction_id in seen.gate.csrs
    return again and seen.kind in (MessageType.CERT_POLL, MessageType.PKCS_REQ)


def _locks_out(seen: Seen) -> HttpReply | None:
    if seen.csr is not None and seen.service.challenge.check(seen.csr, seen.service.clock.now()) is not None:
        seen.gate.locked = True
    if seen.gate.locked and _asks(seen):
        return refuse(seen, FailInfo.BAD_REQUEST, "too many wrong challenges")
    return None


def _unopenable(seen: Seen) -> HttpReply | None:
    """A good signature around an envelope that the CA cannot open."""
    if seen.message is None or seen.message.envelope is None or seen.forged:
        return None
    for identity in (seen.service.ca.recipient, seen.service.ca.ca):
        try:
            cms.open_envelope(seen.message.envelope, identity.key, identity.certificate)  # type: ignore[arg-type]
        except MfpSimError:
            continue
        return None
    return _text(500, "cannot decrypt")


def _crashing(applies: Callable[[Seen], bool]) -> Instead:
    return lambda seen: _text(500, "internal error") if seen.message is not None and applies(seen) else None


def _oaep(seen: Seen) -> bool:
    envelope = seen.message.envelope if seen.message else None
    return envelope is not None and any(r.transport and r.transport.scheme == "oaep" for r in envelope.recipients)


def _elliptic(seen: Seen) -> bool:
    return seen.csr is not None and der.oid("1.2.840.10045.2.1") in seen.csr.spki


def _old_renewal(seen: Seen) -> bool:
    signer = seen.message.signer() if seen.message else None
    return seen.kind == MessageType.PKCS_REQ and signer is not None and signer.issuer != signer.subject


def _noted(requirement: str) -> Callable[[Seen], bool]:
    return lambda seen: seen.message is not None and any(n.requirement == requirement for n in seen.message.notes)


_register(
    ("reissues-on-poll", "A CertPoll about a known transaction makes a new certificate, for whoever asks.",
     ("SCEP-3.3.3-06", "SCEP-5.2-03"), _poll_again),
    ("polls-by-name", "A CertPoll is looked up by the names in it.", ("SCEP-3.3.3-04",),
     _refusing(_by_name, FailInfo.BAD_CERT_ID, "no such request")),
    ("forgets-and-refuses", "A transaction that was answered is refused from then on.", ("SCEP-5.2-02",),
     _refusing(_lost_for_good, FailInfo.BAD_REQUEST, "the transaction is over")),
    ("locks-out", "One wrong challenge locks everybody out.", ("SCEP-7.3-04",), _locks_out),
    ("http-errors-on-envelopes", "An envelope that cannot be opened ends in HTTP 500.",
     ("SCEP-3.2.2-07",), _unopenable),
    ("crashes-on-oaep", "Key transport by OAEP ends in HTTP 500.", ("SCEP-3.1-03",), _crashing(_oaep)),
    ("crashes-on-ec", "An EC key ends in HTTP 500.", ("SCEP-3.1-04",), _crashing(_elliptic)),
    ("crashes-on-old-renewal", "A PKCSReq signed with an issued certificate ends in HTTP 500.",
     ("SCEP-3.3.1-13",), _crashing(_old_renewal)),
    ("crashes-without-attributes", "A CSR without a challenge ends in HTTP 500.", ("SCEP-3.3.1-10",),
     _crashing(lambda s: s.csr is not None and s.csr.challenge is None)),
    ("crashes-on-trailing", "Octets after a message end in HTTP 500.", ("SCEP-3-05",), _crashing(_noted("SCEP-3-05"))),
    ("refuses-every-third", "Every third request is refused for no reason.", ("SCEP-2.5-10",),
     _refusing(lambda s: _asks(s) and s.count % 3 == 0, FailInfo.BAD_REQUEST, "busy")),
    ("refuses-superfluous-attributes", "pkiStatus in a request is refused.", ("SCEP-3.2.1-20",),
     _refusing(lambda s: s.message is not None and s.message.pki_status is not None,
               FailInfo.BAD_REQUEST, "no reply was expected")),
    ("wants-null", "A digest algorithm without NULL parameters is refused.", ("SCEP-3.2-11",),
     _refusing(lambda s: _SHA256_NULL not in s.octets, FailInfo.BAD_ALG, "the digest algorithm is not known")),
    ("wants-envelope-version-0", "An EnvelopedData of another version than 0 is refused.", ("SCEP-3.2.2-03",),
     _refusing(lambda s: s.message is not None and s.message.envelope is not None and s.message.envelope.version != 0,
               FailInfo.BAD_MESSAGE_CHECK, "the envelope's version is not 0")),
)  # fmt: skip


# --- HTTP and the CA's own operations ---------------------------------------------------------------------


def _message_parameter(seen: Seen) -> HttpReply | None:
    wanted = seen.operation in (Operation.GET_CA_CAPS, Operation.GET_CA_CERT)
    return _text(404, "no such CA") if wanted and "message=" in seen.raw_query else None


def _flip_flop(seen: Seen) -> HttpReply | None:
    if seen.operation != Operation.GET_CA_CAPS or seen.count % 2 == 0:
        return None
    return _text(200, "AES\nSHA-256\nPOSTPKIOperation\n")


def _without_root(seen: Seen) -> HttpReply | None:
    if seen.operation != Operation.GET_CA_CERT:
        return None
    ca = seen.service.ca.ca
    above = x509.issue(
        serial=99, issuer=x509.name(("CN", "A root that is not shown")), subject=ca.certificate.subject,
        spki=ca.certificate.spki, not_before=ca.certificate.not_before, not_after=ca.certificate.not_after,
        extensions=[x509.basic_constraints_extension(True)], signing_key=ca.key,
    )  # fmt: skip
    return HttpReply(200, headers=(("Content-Type", CA_CERT),), body=above.der)


def _chain_with_content(seen: Seen) -> HttpReply | None:
    certificates = [certificate.der for certificate in seen.service.ca.certificates]
    if seen.operation != Operation.GET_CA_CERT:
        return None
    body = messages.certs_only(certificates, oddities=Oddities(bag_content=b"content"))
    return HttpReply(200, headers=(("Content-Type", "application/x-x509-ca-ra-cert"),), body=body)


def _answers_next(seen: Seen) -> HttpReply | None:
    if seen.operation != Operation.GET_NEXT_CA_CERT:
        return None
    return HttpReply(200, headers=(("Content-Type", CA_CERT),), body=seen.service.ca.ca.certificate.der)


def _next_with_attributes(seen: Seen) -> HttpReply | None:
    if seen.operation != Operation.GET_NEXT_CA_CERT:
        return None
    ca = seen.service.ca
    body = messages.encode_next_ca(
        [ca.ca.certificate.der],
        signer_key=ca.ca.key,
        signer_certificate=ca.ca.certificate,
        oddities=Oddities(extra_signed=(("transactionID", (der.printable_string("1"),)),)),
    )
    return HttpReply(200, headers=(("Content-Type", "application/x-x509-next-ca-cert"),), body=body)


def _operation_of(seen: Seen) -> str:
    return next((part[10:] for part in seen.raw_query.split("&") if part.startswith("operation=")), "")


def _any_operation(seen: Seen) -> HttpReply | None:
    known = seen.operation in set(Operation)
    return None if known else HttpReply(200, headers=(("Content-Type", "text/html"),), body=b"<html>Welcome</html>")


def _strict_base64(seen: Seen) -> HttpReply | None:
    """Raw ``+``, line breaks and missing padding are not understood."""
    if seen.http.method != "GET" or "operation=PKIOperation" not in seen.raw_query:
        return None
    message = seen.raw_query.partition("message=")[2]
    odd = any(mark in message for mark in ("+", "%0A", "%0D", "%20")) or len(unquote(message)) % 4 != 0
    return _text(500, "illegal base64 data") if odd else None


def _url_safe_only(seen: Seen) -> HttpReply | None:
    if seen.http.method != "GET" or "operation=PKIOperation" not in seen.raw_query:
        return None
    return _text(400, "illegal base64 data") if "%2B" in seen.raw_query or "%2F" in seen.raw_query else None


def _garbage_crash(seen: Seen) -> HttpReply | None:
    if seen.operation != Operation.PKI_OPERATION:
        return None
    return _text(500, "panic: asn1: structure error") if seen.message is None else None


def _dies(seen: Seen) -> Delivery | None:
    """The first message that is none ends the server."""
    if seen.operation == Operation.PKI_OPERATION and seen.message is None:
        seen.gate.dead = True
    return Delivery((Close(),), keep_alive=False) if seen.gate.dead else None


def _header(name: str, value: str | None, applies: Callable[[Seen], bool]) -> Instead:
    """The reply of the CA with one header field changed or dropped."""

    def instead(seen: Seen) -> HttpReply | None:
        if not applies(seen):
            return None
        octets = seen.service.handle(seen.http, "gate").octets
        head, _, body = octets.partition(b"\r\n\r\n")
        lines = head.decode("latin-1").split("\r\n")
        fields = [tuple(line.split(": ", 1)) for line in lines[1:]]
        kept = tuple(
            (k, w) for k, w in fields if k.lower() not in (name.lower(), "content-length", "connection", "date")
        )
        added = ((name, value),) if value is not None else ()
        return HttpReply(int(lines[0].split()[1]), headers=(*kept, *added), body=body)

    return instead


def _wants_operation_on_post(seen: Seen) -> HttpReply | None:
    return _text(500, "no operation") if seen.http.method == "POST" and not _operation_of(seen) else None


def _posted_question(seen: Seen) -> HttpReply | None:
    asked = seen.operation in (Operation.GET_CA_CAPS, Operation.GET_CA_CERT)
    return _text(500, "internal error") if seen.http.method == "POST" and asked else None


def _wire(seen: Seen, word: str) -> bool:
    return any(word in f"{name}: {value}".lower() for name, value in seen.http.headers)


_register(
    ("refuses-message-parameter", "GetCACaps and GetCACert with a message parameter are answered with 404.",
     ("SCEP-3.5.1-02",), _message_parameter),
    ("caps-flip-flop", "Every other GetCACaps comes from a back end of another version.",
     ("SCEP-3.5.2-01",), _flip_flop),
    ("ca-without-root", "GetCACert gives an intermediate certificate alone.", ("SCEP-2.2-03",), _without_root),
    ("chain-with-content", "The chain of GetCACert has content.", ("SCEP-3.4-01",), _chain_with_content),
    ("answers-any-operation", "An unknown operation is answered with 200 and a page.",
     ("SCEP-4.1-03",), _any_operation),
    ("answers-next-with-present", "GetNextCACert is answered with the present CA's certificate.", ("SCEP-4.7-04",),
     _answers_next),
    ("next-with-attributes", "GetNextCACert carries a transactionID.", ("SCEP-4.7.1-05",), _next_with_attributes),
    ("strict-base64", "GET: what is not fully escaped base64 ends in HTTP 500.", ("SCEP-4.1-11",), _strict_base64),
    ("base64url-only", "GET: only base64url is understood.", ("SCEP-4.1-09",), _url_safe_only),
    ("crashes-on-garbage", "A body that is no SCEP message ends in HTTP 500.", ("SCEP-4.1-19",), _garbage_crash),
    ("dies-on-garbage", "A body that is no SCEP message ends the server.", ("SCEP-4.1-19",), _dies),
    ("get-cacheable", "Replies to GET may be cached for an hour.", ("SCEP-4.1-13",),
     _header("Cache-Control", "max-age=3600", lambda s: s.http.method == "GET")),
    ("wants-operation-on-post", "A POST without operation ends in HTTP 500.",
     ("SCEP-4.3-03",), _wants_operation_on_post),
    ("crashes-on-posted-questions", "GetCACaps and GetCACert by POST end in HTTP 500.", ("SCEP-4.1-07",),
     _posted_question),
    ("refuses-chunked", "A chunked body is answered with 411.", ("SCEP-4.1-16",),
     lambda s: _text(411, "length required") if _wire(s, "transfer-encoding: chunked") else None),
    ("refuses-expect", "Expect: 100-continue is answered with 417.", ("SCEP-4.1-16",),
     lambda s: _text(417, "expectation failed") if _wire(s, "expect:") else None),
    ("refuses-http10", "HTTP/1.0 is answered with 505.", ("SCEP-4.1-17",),
     lambda s: _text(505, "version not supported") if s.http.version == "HTTP/1.0" else None),
    ("one-operation-a-connection", "A kept connection is answered once.", ("SCEP-4.1-16",),
     lambda s: Delivery(s.service.handle(s.http, "gate").acts, keep_alive=False)),
)  # fmt: skip


# --- stricter than the mock is by itself: so that every check is seen to pass somewhere --------------------


def _without_nonce(seen: Seen) -> HttpReply | None:
    if seen.message is None or seen.message.sender_nonce is not None:
        return None
    return refuse(seen, FailInfo.BAD_REQUEST, "the senderNonce is missing")


PATIENCE = 20
"""How many wrong challenges in a row are answered before the gate says 429."""


def _limited(seen: Seen) -> HttpReply | Delivery | None:
    """The CA's own word counts: a challenge that is looked at twice would be used up."""
    if not _asks(seen):
        return None
    delivery = seen.service.handle(seen.http, "gate")
    seen.gate.guesses = seen.gate.guesses + 1 if b"challenge password is wrong" in delivery.octets else 0
    return _text(429, "too many wrong challenges") if seen.gate.guesses > PATIENCE else delivery


def _for_the_ca(seen: Seen) -> HttpReply | None:
    envelope = seen.message.envelope if seen.message else None
    mine = envelope is not None and any(r.names(seen.service.ca.ca.certificate) for r in envelope.recipients)
    asked = mine and seen.kind == MessageType.CERT_POLL
    return refuse(seen, FailInfo.BAD_CERT_ID, "no such transaction") if asked else None


_register(
    ("wants-nonce", "A request without senderNonce is refused.", ("SCEP-3.2.1.5-06",), _without_nonce),
    ("limits-guesses", "After many wrong challenges in a row the answer is 429.", ("SCEP-7.3-04",), _limited),
    ("reads-for-the-ca", "A CertPoll enveloped to the CA is read beside an RA too.", ("SCEP-4.2.1.2-02",), _for_the_ca),
)  # fmt: skip
