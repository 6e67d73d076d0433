"""The kind of a message, its most important facts, and what is odd about it: for the verb ``decode``.

Every signature is reported: as verified, wrong, or not verified with the reason. A malformed part is reported with its
place, together with everything that can be read. Decides nothing, and shows no challenge password.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import islice

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from mfp_sim.shared.errors import AlgorithmRefused, DecodeError, EnvelopeUnreadable, MfpSimError
from mfp_sim.shared.scep import cms, der, messages
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.algorithms import PublicKey
from mfp_sim.shared.scep.certificate import Certificate, name_pairs, name_text
from mfp_sim.shared.scep.crl import MAX_ELEMENTS, MAX_OCTETS, Crl
from mfp_sim.shared.scep.csr import Csr
from mfp_sim.shared.scep.elements import structure_of
from mfp_sim.shared.scep.envelope import Envelope, EnvelopeKeys, malformation, read_envelope
from mfp_sim.shared.scep.http_messages import KEYWORDS, read_capabilities
from mfp_sim.shared.scep.vocabulary import MessageType

__all__ = ["Envelopes", "Told", "tell", "tell_capabilities"]


@dataclass
class Told:
    """The facts and notes about one message. ``unchecked`` lists what was not verified, with the reason."""

    kind: str
    facts: dict[str, object] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    unchecked: list[str] = field(default_factory=list)

    def fact(self, name: str, read: Callable[[], object]) -> None:
        """Add a fact; if it is malformed, add a note."""
        try:
            self.facts[name] = read()
        except DecodeError as error:
            self.facts[name] = "malformed"
            self.notes.append(f"{name}: {error}")

    def name(self, name: str, octets: bytes) -> None:
        """Add a Name as text, with a note if it is malformed."""
        self.facts[name] = name_text(octets)
        self.well_formed(name, octets)

    def well_formed(self, name: str, octets: bytes) -> None:
        """Add a note if the bytes are not a Name."""
        try:
            name_pairs(octets)
        except DecodeError as error:
            self.notes.append(f"{name}: {error}")

    def signature(self, name: str, verify: Callable[[], None], signer: str) -> None:
        """Add whether a signature verifies with the key of ``signer``."""
        try:
            verify()
        except AlgorithmRefused as error:
            self.unverified(name, f"{error.got} is not verified here")
        except MfpSimError as error:
            self.facts[name] = f"WRONG: {error}"
            self.notes.append(f"the {name} is wrong: {error}")
        else:
            self.facts[name] = f"verified with {signer}"

    def unverified(self, name: str, why: str) -> None:
        """Add a signature that was not verified."""
        self.facts[name] = f"not verified: {why}"
        self.unchecked.append(f"the {name}, since {why}")

    def take(self, other: Told, prefix: str = "") -> None:
        """Add the facts and notes of an inner structure."""
        self.facts |= {prefix + name: value for name, value in other.facts.items()}
        self.notes += other.notes
        self.unchecked += [f"inside: {text}" for text in other.unchecked]


class Envelopes:
    """Opens envelopes with the given keys; remembers why one could not be opened."""

    def __init__(self, keys: EnvelopeKeys) -> None:
        self._keys = keys
        self.closed: str | None = None

    def open(self, octets: bytes) -> bytes | None:
        """The plaintext of a ContentInfo with EnvelopedData, or None."""
        try:
            envelope = read_envelope(octets)
            self.closed = malformation(envelope)
            if self.closed is not None:
                return None
            if not self._keys:
                self.closed = "give the recipient's key with --key"
                return None
            return self._keys.open(envelope)
        except (AlgorithmRefused, EnvelopeUnreadable, DecodeError) as error:
            self.closed = str(error)
            return None


def tell_capabilities(octets: bytes) -> Told | None:
    """The reply to GetCACaps: text with at least one keyword of SCEP; None for anything else."""
    text = octets[:4096].decode("ascii", "replace")
    if not text.isascii() or not (text.isprintable() or "\n" in text):
        return None
    found = read_capabilities(octets).keywords
    known = {word.lower() for word in KEYWORDS}
    if not any(word.lower() in known for word in found):
        return None
    told = Told("capabilities", {"keywords": list(found)})
    told.notes += [f"{word}: not a keyword of RFC 8894" for word in found if word.lower() not in known]
    lines = [line.strip() for line in text.split("\n") if line.strip()]
    told.notes += [f"{line!r}: not a keyword; ignored" for line in lines[:100] if line not in found]
    return told


def tell(octets: bytes, envelopes: Envelopes) -> Told:
    """Describe an ASN.1 structure that SCEP knows.

    Raises:
        DecodeError: it is not BER.
    """
    outer = der.read(octets, "message", trailing=True, size=MAX_OCTETS, elements=MAX_ELEMENTS)
    structure = structure_of(outer)
    if structure == "ContentInfo":
        return _content(octets, envelopes)
    name, read = _KINDS.get(structure, ("ASN.1 that is not a SCEP message", _nothing))
    told = Told(name)
    try:
        read(octets[: outer.end], told)
    except DecodeError as error:
        told.kind += ", malformed"
        told.notes.append(str(error))
    if outer.end != len(octets):
        told.notes.append(f"{len(octets) - outer.end} bytes follow the message")
    return told


# --- CMS --------------------------------------------------------------------------------------------------


def _content(octets: bytes, envelopes: Envelopes) -> Told:
    try:
        return _message(octets, envelopes)
    except DecodeError as as_message:
        if _meant_as_message(octets):
            return _broken_message(octets, as_message, envelopes)
        for read in (_next_ca, _bag):
            try:
                return read(octets)
            except DecodeError:
                continue
        return _lone_envelope(octets, as_message, envelopes)


def _message(octets: bytes, envelopes: Envelopes) -> Told:
    message = messages.decode(octets)
    told = Told(f"{message.label} (pkiMessage)", message.describe())
    told.facts.pop("notes", None)
    told.notes += [str(note) for note in message.notes]
    if message.signed_data.signer_key_identifier is None:
        told.well_formed("signer", message.signed_data.signer_issuer)
    _signed(told, message.signer(), message.verify)
    if message.content and (message.envelope is not None or message.closed is not None):
        _open(told, message.content, envelopes)
    return told


def _signed(told: Told, signer: Certificate | None, verify: Callable[[Certificate], None]) -> None:
    """Check a signature with the certificate in the message."""
    if signer is None:
        told.unverified("signature", "the signer's certificate is not in the message")
        return
    told.signature("signature", lambda: verify(signer), f"the certificate of {signer.subject_text}")


def _open(told: Told, content: bytes, envelopes: Envelopes) -> None:
    try:
        malformed = malformation(read_envelope(content))
    except DecodeError as error:
        malformed = str(error)
    if malformed is not None and malformed not in told.notes:
        told.notes.append(malformed)
    data = envelopes.open(content)
    if data is None:
        return
    try:
        inside = tell(data, envelopes)
    except DecodeError as error:
        told.facts["messageData"] = f"{len(data)} bytes"
        told.notes.append(f"messageData: {error}")
        return
    told.facts["messageData"] = inside.kind
    told.take(inside, "csr " if inside.kind.startswith("certificate request") else "")


_SCEP_ARC = der.oid(v.MESSAGE_TYPE)[:-1]
"""The common prefix of the object identifiers of SCEP's attributes."""
_REQUIRED = {"messageType": "SCEP-3.2.1-02", "transactionID": "SCEP-3.2.1-01", "senderNonce": "SCEP-3.2.1-03"}


def _meant_as_message(octets: bytes) -> bool:
    """Whether a SignedData is meant as a pkiMessage: it has an attribute of SCEP, or an envelope inside."""
    if _SCEP_ARC in octets and octets.startswith(der.oid(v.SIGNED_DATA), der.read(octets, trailing=True).body):
        return True
    try:
        content = cms.read_content(octets)
        return content is not None and der.read(content, trailing=True).child(0, "type").to_oid() == v.ENVELOPED_DATA
    except DecodeError:
        return False


def _broken_message(octets: bytes, as_message: DecodeError, envelopes: Envelopes) -> Told:
    """A malformed pkiMessage: its readable parts, and the missing ones."""
    told = Told("pkiMessage, malformed", notes=[str(as_message)])
    try:
        signed = cms.read_signed_data(octets)
    except DecodeError:
        told.unverified("signature", "the SignedData cannot be read as a whole")
        return told
    for name, oid in v.SCEP_ATTRIBUTES.items():
        values = signed.attributes.get(oid)
        if values is not None:
            told.facts[name] = ", ".join(map(_attribute, values)) or "no value"
        elif name in _REQUIRED:
            told.notes.append(f"{_REQUIRED[name]} signerInfos[0].signedAttrs.{name}: absent")
    types = {str(int(kind)): kind.label for kind in MessageType}
    label = types.get(str(told.facts.get("messageType")))
    if label is not None:
        told.kind, told.facts["messageType"] = f"{label} (pkiMessage, malformed)", label
    told.facts["digest"] = signed.digest
    told.notes += [str(note) for note in signed.notes]
    _signed(told, next((c for c in signed.certificates if signed.names_signer(c)), None), signed.verify)
    if signed.content:
        _open(told, signed.content, envelopes)
    return told


def _attribute(value: der.Element) -> str:
    return value.to_text() if value.tag in der.TEXT_ENCODINGS else value.content.hex()


def _next_ca(octets: bytes) -> Told:
    """The reply to GetNextCACert: a signed message without SCEP's attributes, around certificates."""
    found = messages.read_next_ca(octets)
    told = Told("next CA certificates (SignedData)", {"certificates": [_named(c) for c in found.certificates]})
    told.notes += [str(note) for note in found.notes]
    _signed(told, found.signer(found.signed_data.certificates), found.verify)
    return told


def _bag(octets: bytes) -> Told:
    bag = cms.read_bag(octets)
    told = Told("certificates", {"certificates": [_named(c) for c in bag.certificates]})
    told.notes += [str(note) for note in bag.notes]
    for certificate in bag.certificates:
        _issued(told, certificate, bag.certificates)
    if bag.signed:
        try:
            signed = cms.read_signed_data(octets)
        except DecodeError as error:
            told.unverified("signature", str(error))
        else:
            _signed(told, next((c for c in bag.certificates if signed.names_signer(c)), None), signed.verify)
    if bag.crls:
        told.fact("CRLs", lambda: [f"{c.issuer_text}, {len(c.revoked)} revoked" for c in messages.read_crls(octets)])
        told.unchecked.append("the signatures of the CRLs")
    return told


def _issued(told: Told, certificate: Certificate, among: Sequence[Certificate], name: str | None = None) -> None:
    """Check the signature of a certificate, if its issuer's certificate is present."""
    name = name or f"signature of {certificate.subject_text}"
    issuers = [c for c in among if c.subject == certificate.issuer]
    if not issuers:
        told.unverified(name, f"the certificate of its issuer, {certificate.issuer_text}, is not here")
        return
    # A CA keeps its name with a new key.
    signer = next((c for c in issuers if certificate.was_issued_by(c)), issuers[0])
    own = "its own key" if signer is certificate else f"the certificate of {signer.subject_text}"
    told.signature(name, lambda: certificate.verify_issued_by(signer), own)


def _lone_envelope(octets: bytes, as_message: DecodeError, envelopes: Envelopes) -> Told:
    """An EnvelopedData by itself, or CMS that SCEP does not use."""
    try:
        envelope = read_envelope(octets)
    except DecodeError as error:
        kind = der.read(octets, trailing=True).children[0]
        enveloped = _SELDOM.get(kind.content)
        why = error if enveloped else as_message
        return Told(enveloped or "CMS that is not a SCEP message", {"why": str(why)}, [str(why)])
    told = Told(
        "envelope (EnvelopedData)", {"cipher": v.oid_text(envelope.cipher), "recipients": _recipients(envelope)}
    )
    told.notes += [str(note) for note in envelope.notes]
    _open(told, octets, envelopes)
    return told


_SELDOM = {
    der.oid(v.ENVELOPED_DATA)[2:]: "envelope (EnvelopedData), malformed",
    der.oid(v.AUTH_ENVELOPED_DATA)[2:]: "envelope (AuthEnvelopedData), which SCEP does not have",
}


def _recipients(envelope: Envelope) -> list[str]:
    found = [
        f"key identifier {r.key_identifier[:32].hex()}"
        if r.key_identifier is not None
        else f"{name_text(r.issuer)}, serial {r.serial:x}"
        for r in envelope.recipients
    ]
    return [*found, *("by password" for _ in envelope.password_recipients), *envelope.others]


# --- other structures -------------------------------------------------------------------------------------


def _named(certificate: Certificate) -> str:
    span = f"{certificate.not_before:%Y-%m-%d %H:%M:%SZ} to {certificate.not_after:%Y-%m-%d %H:%M:%SZ}"
    return f"{certificate.subject_text}, serial {certificate.serial:x}, from {certificate.issuer_text}, {span}"


def _key(key: PublicKey) -> str:
    return f"RSA, {key.key_size} bits" if isinstance(key, RSAPublicKey) else f"EC, {key.curve.name}"


def _csr(octets: bytes, told: Told) -> None:
    request = Csr.from_der(octets)
    told.facts["version"] = v.number_text(request.version)
    told.name("subject", request.subject)
    told.fact("names", lambda: list(request.sans))
    told.fact("public key", lambda: _key(request.public_key()))
    told.facts["signature digest"] = request.signature_digest or v.oid_text(request.signature_algorithm)
    told.signature("signature", lambda: request.verify(md5=True), "its own key")
    told.facts["challenge"] = "absent" if request.challenge is None else "present, not shown"
    told.notes += [str(note) for note in request.notes]
    if request.signature_digest == "md5":
        told.notes.append("the CSR is signed with MD5")


def _certificate(octets: bytes, told: Told) -> None:
    certificate = Certificate.from_der(octets)
    told.facts |= {"certificate": _named(certificate), "version": v.number_text(certificate.version)}
    told.name("subject", certificate.subject)
    told.name("issuer", certificate.issuer)
    told.fact("key usage", lambda: _usage(certificate))
    told.fact("CA", lambda: certificate.is_ca)
    told.fact("names", lambda: list(certificate.sans))
    told.fact("public key", lambda: _key(certificate.public_key()))
    _issued(told, certificate, [certificate], "signature")
    told.facts["SHA-256"] = certificate.fingerprint()
    told.notes += [f"it has {oddity}" for oddity in certificate.oddities]
    outer = der.read(octets)
    tbs = outer.children[0]
    first = 1 if tbs.children[0].tag == 0xA0 else 0
    _same_algorithm(told, outer.children[1], tbs.children[first + 1])
    listed = [e.children[0].content for holder in tbs.children[first + 6 :] if holder.tag == 0xA3
              for e in holder.children[0].children]  # fmt: skip
    if len(listed) != len(set(listed)):
        told.notes.append("an extension occurs twice, which RFC 5280 forbids (4.2); only the last was read")


def _same_algorithm(told: Told, outer: der.Element, inner: der.Element) -> None:
    """RFC 5280, 4.1.1.2 and 5.1.1.2: both have to name the same algorithm; the outer one is not signed."""
    if outer.raw != inner.raw:
        told.notes.append("the signatureAlgorithm differs from the signed one, which RFC 5280 forbids (4.1.1.2)")


def _usage(certificate: Certificate) -> object:
    return "no extension" if certificate.key_usage is None else sorted(certificate.key_usage)


def _crl(octets: bytes, told: Told) -> None:
    crl = Crl.from_der(octets)
    told.facts |= {
        "version": v.number_text(crl.version),
        "thisUpdate": f"{crl.this_update:%Y-%m-%d %H:%M:%SZ}",
        "nextUpdate": f"{crl.next_update:%Y-%m-%d %H:%M:%SZ}" if crl.next_update else "absent",
        "entries": len(crl.revoked),
        "revoked": [f"{entry.serial:x}" for entry in crl.revoked],
    }
    told.name("issuer", crl.issuer)
    told.fact("number", lambda: crl.number)
    told.unverified("signature", f"the certificate of its issuer, {crl.issuer_text}, is not here")
    outer = der.read(octets, size=MAX_OCTETS, elements=MAX_ELEMENTS)
    version, algorithm = list(islice(outer.children[0].each(), 2))
    _same_algorithm(told, outer.children[1], algorithm if version.tag == der.INTEGER else version)
    if crl.version != 2:
        told.notes.append(f"version {v.number_text(crl.version)}")
    if crl.next_update is None:
        told.notes.append("no nextUpdate, which RFC 5280 requires (5.1.2.5)")


def _issuer_and_serial(octets: bytes, told: Told) -> None:
    issuer, serial = messages.read_issuer_and_serial(octets)
    told.name("issuer", issuer)
    told.facts["serial"] = f"{serial:x}"
    if serial <= 0:
        told.notes.append("the serial number is not positive")


def _issuer_and_subject(octets: bytes, told: Told) -> None:
    issuer, subject = messages.read_issuer_and_subject(octets)
    told.name("issuer", issuer)
    told.name("subject", subject)


def _nothing(_octets: bytes, told: Told) -> None:
    told.notes.append("SCEP does not carry such a structure; nothing was checked")


_KINDS: dict[str, tuple[str, Callable[[bytes, Told], None]]] = {
    "Csr": ("certificate request (PKCS#10)", _csr),
    "Certificate": ("certificate", _certificate),
    "Crl": ("CRL", _crl),
    "IssuerAndSerial": ("issuer and serial number, as in GetCert and GetCRL", _issuer_and_serial),
    "IssuerAndSubject": ("issuer and subject, as in CertPoll", _issuer_and_subject),
}
