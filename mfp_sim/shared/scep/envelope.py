"""CMS EnvelopedData: reading, opening and writing it. Owns structure and cryptography, but no SCEP.

Writes a form that every peer can read: one KeyTransRecipientInfo by issuerAndSerialNumber and primitive
encryptedContent. Other forms are options. Reads several recipients, PKCS#1 v1.5 and OAEP, password recipients, BER.
RFC 5652, 6; RFC 3211.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from mfp_sim.shared.errors import AlgorithmRefused, EnvelopeUnreadable
from mfp_sim.shared.scep import der
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.algorithms import (
    CIPHER_NAMES,
    CIPHERS,
    KeyTransport,
    algorithm,
    decrypt_cbc,
    encrypt_cbc,
    pad,
    read_key_transport,
    unpad,
)
from mfp_sim.shared.scep.certificate import Certificate, key_identifier
from mfp_sim.shared.scep.note import Note, notes_of
from mfp_sim.shared.scep.oddities import CORRECT, Oddities

__all__ = [
    "Envelope",
    "EnvelopeKeys",
    "content_key_of",
    "encode_envelope",
    "malformation",
    "open_envelope",
    "read_envelope",
]

MAX_ITERATIONS = 100_000  # of PBKDF2, for all recipients together: a message must not keep the reader busy
MAX_TRIED = 8  # recipients of one message, for the same reason
Octets = Callable[[int], bytes]


@dataclass(frozen=True)
class Recipient:
    """One KeyTransRecipientInfo: the recipient and the key transport. ``transport`` is None if it is not RSA."""

    issuer: bytes
    serial: int
    key_identifier: bytes | None
    key_algorithm: str
    transport: KeyTransport | None
    encrypted_key: bytes = field(repr=False)

    def names(self, certificate: Certificate) -> bool:
        """Whether the RecipientInfo is for the holder of ``certificate``."""
        if self.key_identifier is not None:
            return self.key_identifier == _key_identifier(certificate)
        return self.issuer == certificate.issuer and self.serial == certificate.serial


@dataclass(frozen=True)
class PasswordRecipient:
    """One PasswordRecipientInfo: PBKDF2 and PWRI-KEK over ``cipher`` (RFC 3211)."""

    digest: str
    salt: bytes = field(repr=False)
    iterations: int
    cipher: str
    iv: bytes = field(repr=False)
    encrypted_key: bytes = field(repr=False)


@dataclass(frozen=True)
class Envelope:
    """A pkcsPKIEnvelope as received. ``cipher`` is a known name, or the dotted OID of an unknown cipher.

    ``others`` are the tags of recipients of other kinds.
    """

    der: bytes = field(repr=False)
    version: int
    cipher: str
    iv: bytes = field(repr=False)
    recipients: tuple[Recipient, ...]
    password_recipients: tuple[PasswordRecipient, ...]
    others: tuple[str, ...]
    ciphertext: bytes = field(repr=False)
    notes: tuple[Note, ...] = ()


# --- reading ----------------------------------------------------------------------------------------------


def read_envelope(octets: bytes) -> Envelope:
    """Read a ContentInfo with EnvelopedData.

    Raises:
        DecodeError: the bytes have another structure.
        AlgorithmRefused: the content is AuthEnvelopedData, or uses OAEP with an unknown digest.
    """
    outer = der.read(octets, "pkcsPKIEnvelope", trailing=True).expect(der.SEQUENCE)
    kind = outer.child(0, "contentType")
    dotted = kind.to_oid()
    if dotted == v.AUTH_ENVELOPED_DATA:
        raise AlgorithmRefused(kind.path, kind.start, "envelopedData", "authEnvelopedData")
    if dotted != v.ENVELOPED_DATA:
        raise kind.fail("envelopedData", v.oid_text(dotted))
    data = outer.child(1, "content", 0xA0).child(0, "envelopedData", der.SEQUENCE).under("pkcsPKIEnvelope")
    version = data.child(0, "version", der.INTEGER).to_integer()
    first = 2 if len(data.children) > 1 and data.children[1].tag == 0xA0 else 1  # originatorInfo
    holder = data.child(first, "recipientInfos", der.SET)
    found = [_recipient(holder.children[i].under(f"{holder.path}[{i}]")) for i in range(len(holder.children))]
    rounds = sum(r.iterations for r in found if isinstance(r, PasswordRecipient))
    if rounds > MAX_ITERATIONS:
        raise holder.fail(f"at most {MAX_ITERATIONS} iterations in all recipients", str(rounds))
    info = data.child(first + 1, "encryptedContentInfo", der.SEQUENCE)
    cipher, iv = _cipher(info.child(1, "contentEncryptionAlgorithm", der.SEQUENCE))
    envelope = Envelope(
        der=outer.raw,
        version=version,
        cipher=cipher,
        iv=iv,
        recipients=tuple(r for r in found if isinstance(r, Recipient)),
        password_recipients=tuple(r for r in found if isinstance(r, PasswordRecipient)),
        others=tuple(r for r in found if isinstance(r, str)),
        ciphertext=info.child(2, "encryptedContent").to_octets(0x80),
    )
    notes = _notes(envelope, outer, info)
    if outer.end != len(octets):
        trailing = f"{len(octets) - outer.end} bytes follow the envelope"
        notes.insert(0, Note("SCEP-3-05", "pkcsPKIEnvelope", trailing))
    return replace(envelope, notes=tuple(notes)) if notes else envelope


def _cipher(method: der.Element) -> tuple[str, bytes]:
    """The name and the IV in the AlgorithmIdentifier of a cipher."""
    dotted = method.child(0, "algorithm").to_oid()
    iv = b""
    if len(method.children) > 1 and method.children[1].tag & ~0x20 == der.OCTET_STRING:
        iv = method.children[1].to_octets()
    return CIPHER_NAMES.get(dotted, dotted), iv


def _notes(envelope: Envelope, outer: der.Element, info: der.Element) -> list[Note]:
    content_type = info.child(0, "contentType").to_oid()
    place = "pkcsPKIEnvelope"
    recipients, content = f"{place}.recipientInfos", f"{place}.encryptedContentInfo"
    transports = [r.transport for r in envelope.recipients if r.transport is not None]
    oaep = ", ".join(transport.label_text for transport in transports if transport.scheme == "oaep")
    count, others = len(envelope.recipients), ", ".join(envelope.others)
    by_key = any(r.key_identifier is not None for r in envelope.recipients)
    by_password = len(envelope.password_recipients) > 0
    return notes_of(
        outer.work.ber and ("SCEP-3-04", place, "BER: an indefinite length, or one that is not the shortest"),
        envelope.version != 0 and ("SCEP-3.2.2-03", f"{place}.version", f"version 0 expected, got {envelope.version}"),
        content_type != v.DATA
        and ("SCEP-3.2.2-01", f"{content}.contentType", f"data expected, got {v.oid_text(content_type)}"),
        info.children[2].tag == 0xA0
        and ("SCEP-3.2.2-06", f"{content}.encryptedContent", "constructed instead of primitive"),
        by_key
        and ("SCEP-3.2.2-03", recipients, "a recipient by subjectKeyIdentifier instead of issuerAndSerialNumber"),
        oaep and ("SCEP-3.1-03", recipients, f"{oaep} instead of PKCS#1 v1.5"),
        by_password and ("SCEP-3.1-04", recipients, "a password recipient; it is meant for keys that cannot encrypt"),
        count > 1 and ("SCEP-3.2.2-04", recipients, f"{count} recipients"),
        others and ("SCEP-3.1-02", recipients, f"a recipient {others}"),
        envelope.cipher == "des-cbc" and ("SCEP-2.9-09", f"{content}.contentEncryptionAlgorithm", "single DES"),
    )


def _recipient(element: der.Element) -> Recipient | PasswordRecipient | str:
    if element.tag == 0xA3:
        return _password_recipient(element)
    if element.tag != der.SEQUENCE:
        return der.tag_name(element.tag)  # key agreement and others: not supported
    element.child(0, "version", der.INTEGER)
    rid = element.child(1, "rid")
    issuer, serial, identifier = b"", -1, None
    if rid.tag == der.SEQUENCE:
        issuer = rid.child(0, "issuer", der.SEQUENCE).as_der()
        serial = rid.child(1, "serialNumber", der.INTEGER).to_integer()
    else:
        identifier = rid.to_octets(0x80)
    method = element.child(2, "keyEncryptionAlgorithm", der.SEQUENCE)
    return Recipient(
        issuer=issuer,
        serial=serial,
        key_identifier=identifier,
        key_algorithm=method.child(0, "algorithm").to_oid(),
        transport=read_key_transport(method),
        encrypted_key=element.child(3, "encryptedKey").to_octets(),
    )


_HMAC_NAMES = {oid: name for name, oid in v.HMAC_OIDS.items()}


def _password_recipient(element: der.Element) -> PasswordRecipient | str:
    """A PasswordRecipientInfo, or the name of its tag if its algorithms are not supported."""
    element.child(0, "version", der.INTEGER)
    if len(element.children) < 4 or element.children[1].tag != 0xA0:
        return "by password without a keyDerivationAlgorithm"
    derivation = element.child(1, "keyDerivationAlgorithm")
    method = element.child(2, "keyEncryptionAlgorithm", der.SEQUENCE)
    if derivation.child(0, "algorithm").to_oid() != v.PBKDF2 or method.child(0, "algorithm").to_oid() != v.PWRI_KEK:
        return "by password with another derivation than PBKDF2 and PWRI-KEK"
    parameters = derivation.child(1, "parameters", der.SEQUENCE)
    iterations = parameters.child(1, "iterationCount", der.INTEGER)
    if not 1 <= iterations.to_integer() <= MAX_ITERATIONS:
        raise iterations.fail(f"from 1 to {MAX_ITERATIONS} iterations", str(iterations.to_integer())[:20])
    digest = "sha1"
    for index, part in enumerate(parameters.children):
        if index > 1 and part.tag == der.SEQUENCE:
            prf = parameters.child(index, "prf").child(0, "algorithm")
            if prf.to_oid() not in _HMAC_NAMES:
                raise AlgorithmRefused(prf.path, prf.start, "a known HMAC", prf.to_oid())
            digest = _HMAC_NAMES[prf.to_oid()]
    cipher, iv = _cipher(method.child(1, "parameters", der.SEQUENCE))
    return PasswordRecipient(
        digest=digest,
        salt=parameters.child(0, "salt").to_octets(),
        iterations=iterations.to_integer(),
        cipher=cipher,
        iv=iv,
        encrypted_key=element.child(3, "encryptedKey").to_octets(),
    )


# --- opening ----------------------------------------------------------------------------------------------


def open_envelope(
    envelope: Envelope,
    key: RSAPrivateKey | None = None,
    certificate: Certificate | None = None,
    *,
    password: str | None = None,
    refuse: frozenset[str] = frozenset(),
) -> bytes:
    """The plaintext for the holder of ``key``, or of ``password``.

    The error is the same for a wrong padding, key length or content, so that it is not an oracle.

    Args:
        envelope: the envelope, as received.
        key: the recipient's RSA key pair.
        certificate: opens only the RecipientInfo of this certificate; without one, each is tried with the key.
        password: opens PasswordRecipientInfos.
        refuse: names of ciphers that are refused.

    Raises:
        AlgorithmRefused: the cipher is in ``refuse``, or the cipher or the key transport is unknown.
        EnvelopeUnreadable: no recipient matches, or decryption failed.
    """
    if envelope.cipher not in CIPHERS or envelope.cipher in refuse:
        raise AlgorithmRefused(
            "pkcsPKIEnvelope.encryptedContentInfo.contentEncryptionAlgorithm",
            0,
            "an accepted cipher",
            v.oid_text(envelope.cipher),
        )
    malformed = malformation(envelope)
    if malformed is not None:
        raise EnvelopeUnreadable(malformed)
    mine = [r for r in envelope.recipients if key is not None and (certificate is None or r.names(certificate))]
    byword = envelope.password_recipients if password is not None else ()
    if not mine and not byword:
        kinds = [*envelope.others, *(["by password"] if envelope.password_recipients else [])]
        also = f"; it has one {', '.join(kinds)}" if kinds else ""
        raise EnvelopeUnreadable(f"the envelope has no RecipientInfo for our certificate{also}")
    if len(mine) == 1 and mine[0].transport is None:
        place = "pkcsPKIEnvelope.recipientInfos.keyEncryptionAlgorithm"
        raise AlgorithmRefused(place, 0, "RSA key transport", v.oid_text(mine[0].key_algorithm))
    tried: list[Recipient | PasswordRecipient] = [*mine[:MAX_TRIED], *byword[:MAX_TRIED]]
    for recipient in tried:
        try:
            content_key = _content_key(recipient, key, password)
            padded = decrypt_cbc(envelope.cipher, content_key, envelope.iv, envelope.ciphertext)
            return unpad(padded, CIPHERS[envelope.cipher][1])
        except (ValueError, UnsupportedAlgorithm):
            continue
    raise EnvelopeUnreadable("the envelope cannot be decrypted with our key")


def content_key_of(envelope: Envelope, key: RSAPrivateKey) -> bytes | None:
    """The content key from the first recipient that ``key`` opens; None if it opens none of them."""
    for recipient in envelope.recipients[:MAX_TRIED]:
        try:
            return _content_key(recipient, key, None)
        except (ValueError, UnsupportedAlgorithm):
            continue
    return None


def open_with_content_key(envelope: Envelope, content_key: bytes) -> bytes:
    """The plaintext, decrypted with the content key itself.

    Raises:
        AlgorithmRefused: the cipher is unknown.
        EnvelopeUnreadable: the key belongs to another envelope.
    """
    if envelope.cipher not in CIPHERS:
        place = "pkcsPKIEnvelope.encryptedContentInfo.contentEncryptionAlgorithm"
        raise AlgorithmRefused(place, 0, "a known cipher", v.oid_text(envelope.cipher))
    try:
        padded = decrypt_cbc(envelope.cipher, content_key, envelope.iv, envelope.ciphertext)
        return unpad(padded, CIPHERS[envelope.cipher][1])
    except (ValueError, UnsupportedAlgorithm):
        raise EnvelopeUnreadable("the content key is not that of this envelope") from None


@dataclass(frozen=True)
class EnvelopeKeys:
    """Keys that open envelopes: private keys of recipients, and content keys of single envelopes."""

    private: tuple[RSAPrivateKey, ...] = field(default=(), repr=False)
    content: tuple[bytes, ...] = field(default=(), repr=False)

    def __bool__(self) -> bool:
        return bool(self.private or self.content)

    def open(self, envelope: Envelope) -> bytes:
        """The plaintext, decrypted with the first key that opens the envelope.

        Raises:
            AlgorithmRefused, EnvelopeUnreadable: the error of the last key; see `open_envelope`.
        """
        failure: EnvelopeUnreadable | AlgorithmRefused = EnvelopeUnreadable("there is no key for the envelope")
        ways = (
            *(partial(open_with_content_key, envelope, content) for content in self.content),
            *(partial(open_envelope, envelope, key) for key in self.private),
        )
        for way in ways:
            try:
                return way()
            except (EnvelopeUnreadable, AlgorithmRefused) as error:
                failure = error
        raise failure

    def content_key(self, envelope: Envelope) -> bytes | None:
        """The content key that opens the envelope: one of `content`, or one unwrapped with a private key."""
        wrapped = (content_key_of(envelope, key) for key in self.private)
        for found in (*self.content, *wrapped):
            try:
                if found is not None:
                    open_with_content_key(envelope, found)
                    return found
            except (EnvelopeUnreadable, AlgorithmRefused):
                continue
        return None


def malformation(envelope: Envelope) -> str | None:
    """Why no key can open an envelope with a known cipher, or None if no reason is visible.

    The reason is visible without a key, so that reporting it is not an oracle (RFC 3370, 5.1; RFC 3565, 4.1).
    """
    if envelope.cipher not in CIPHERS:
        return None
    block, size = CIPHERS[envelope.cipher][1], len(envelope.ciphertext)
    if len(envelope.iv) != block:
        has = f"an IV of {len(envelope.iv)} bytes" if envelope.iv else "no IV"
        return f"the envelope has {has}; {envelope.cipher} needs one of {block} bytes"
    if not size or size % block:
        return f"the ciphertext has {size} bytes, which are not whole blocks of {block} bytes"
    return None


def _content_key(recipient: Recipient | PasswordRecipient, key: RSAPrivateKey | None, password: str | None) -> bytes:
    if isinstance(recipient, PasswordRecipient):
        return _by_password(recipient, password or "")
    if recipient.transport is None or key is None:
        raise ValueError("transport")
    return key.decrypt(recipient.encrypted_key, recipient.transport.padding())


def _by_password(recipient: PasswordRecipient, password: str) -> bytes:
    """Unwrap the content key with PBKDF2 and PWRI-KEK (RFC 3211, 2.3.2)."""
    if recipient.cipher not in CIPHERS:
        raise ValueError("cipher")
    key = _derive(recipient.digest, password, recipient.salt, recipient.iterations, recipient.cipher)
    block, wrapped = CIPHERS[recipient.cipher][1], recipient.encrypted_key
    if len(wrapped) < 2 * block or len(wrapped) % block:
        raise ValueError("length")
    # To undo the outer pass, its second to last block serves as the IV for the last block.
    tail = decrypt_cbc(recipient.cipher, key, wrapped[-2 * block : -block], wrapped[-block:])
    inner = decrypt_cbc(recipient.cipher, key, tail, wrapped[:-block]) + tail
    plain = decrypt_cbc(recipient.cipher, key, recipient.iv, inner)
    count = plain[0]
    if bytes(octet ^ 0xFF for octet in plain[1:4]) != plain[4:7] or count > len(plain) - 4:
        raise ValueError("check")
    return plain[4 : 4 + count]


def _derive(digest: str, password: str, salt: bytes, iterations: int, cipher: str) -> bytes:
    return hashlib.pbkdf2_hmac(digest, password.encode(), salt, iterations, CIPHERS[cipher][0])


def _key_identifier(certificate: Certificate) -> bytes:
    extension = certificate.extensions.get(v.SUBJECT_KEY_IDENTIFIER)
    if extension is None:
        return key_identifier(certificate.spki)
    return der.read(extension.value, "certificate.subjectKeyIdentifier").to_octets()


# --- writing ----------------------------------------------------------------------------------------------


def encode_envelope(
    plaintext: bytes,
    *,
    recipient: Certificate | None,
    cipher: str,
    octets: Octets,
    repeatable: bool = False,
    oddities: Oddities = CORRECT,
) -> bytes:
    """ContentInfo with EnvelopedData. The default is RSA PKCS#1 v1.5, CBC with PKCS#7 padding, and one recipient.

    Args:
        plaintext: the messageData.
        recipient: the certificate whose RSA key wraps the content key; None only with ``oddities.password``.
        cipher: ``aes-128-cbc``, ``aes-192-cbc``, ``aes-256-cbc`` or ``des-ede3-cbc``.
        `octets`: returns random bytes, for the content key and the IV.
        repeatable: derive RSA's padding from the content key instead of drawing it: only for public keys of the pool.
        oddities: deviations from the default; single DES is written only by its option.

    Raises:
        AlgorithmRefused: single DES without its option, an unknown cipher, or a recipient without an RSA key.
    """
    cipher = "des-cbc" if oddities.single_des else cipher
    if cipher not in CIPHERS or (cipher == "des-cbc" and not oddities.single_des):
        raise AlgorithmRefused("pkcsPKIEnvelope", 0, "AES or 3DES", cipher)
    key_length, block = CIPHERS[cipher]
    key = octets(16 if oddities.gcm else key_length)
    recipients = [_encode_recipient(other, key, oddities, repeatable) for other in oddities.other_recipients]
    if oddities.password is not None:
        recipients.append(_encode_password_recipient(oddities.password, key, octets))
    elif recipient is not None:
        recipients.append(_encode_recipient(recipient, key, oddities, repeatable))
    version = 3 if oddities.password is not None else 2 if oddities.recipient_by == "key-identifier" else 0
    version = version if oddities.envelope_version is None else oddities.envelope_version
    wrap = der.indefinite if oddities.ber else der.tlv
    if oddities.gcm:
        return _gcm(plaintext, key, recipients, octets)
    iv = octets(block)
    padded = pad(plaintext, block)
    if oddities.padding == "wrong":
        padded = padded[:-1] + b"\x00"
    ciphertext = encrypt_cbc(cipher, key, iv, padded)
    parameters = {"right": [der.octet_string(iv)], "short": [der.octet_string(iv[: block // 2])], "absent": []}
    if oddities.ber:
        pieces = [ciphertext[i : i + 1000] for i in range(0, len(ciphertext), 1000)]
        content = der.indefinite(0xA0, b"".join(map(der.octet_string, pieces)))
    elif oddities.constructed_ciphertext:
        content = der.tlv(0xA0, der.octet_string(ciphertext))
    else:
        content = der.implicit(0, ciphertext)
    info = wrap(
        der.SEQUENCE,
        der.oid(oddities.envelope_content_type) + algorithm(v.CIPHER_OIDS[cipher], *parameters[oddities.iv]) + content,
    )
    holder = der.set_of(recipients, sort=not oddities.other_recipients)
    body = wrap(der.SEQUENCE, der.integer(version) + holder + info)
    return wrap(der.SEQUENCE, der.oid(v.ENVELOPED_DATA) + wrap(0xA0, body))


def _encode_recipient(recipient: Certificate, key: bytes, oddities: Oddities, repeatable: bool) -> bytes:
    public = recipient.public_key()
    if not isinstance(public, RSAPublicKey):
        raise AlgorithmRefused("pkcsPKIEnvelope", 0, "a recipient with an RSA key", "another kind of key")
    by_key = oddities.recipient_by == "key-identifier"
    if by_key:
        rid = der.implicit(0, _key_identifier(recipient))
    else:
        rid = der.sequence(recipient.issuer, der.integer(recipient.serial))
    chosen = oddities.key_transport
    try:
        wrapped = chosen.wrap(public, key, repeatable=repeatable)
    except ValueError:
        raise AlgorithmRefused("pkcsPKIEnvelope", 0, "a key long enough for the content key", "a short one") from None
    return der.sequence(der.integer(2 if by_key else 0), rid, chosen.identifier(), der.octet_string(wrapped))


def _encode_password_recipient(password: str, key: bytes, octets: Octets) -> bytes:
    """PBKDF2 with HMAC-SHA1, 2,048 rounds, and PWRI-KEK over AES-128: what openssl writes (RFC 3211)."""
    cipher, iterations = "aes-128-cbc", 2048
    salt, iv = octets(16), octets(16)
    kek = _derive("sha1", password, salt, iterations, cipher)
    block = bytes((len(key),)) + bytes(octet ^ 0xFF for octet in key[:3]) + key
    block += octets(max(32, -(-len(block) // 16) * 16) - len(block))
    once = encrypt_cbc(cipher, kek, iv, block)
    twice = encrypt_cbc(cipher, kek, once[-16:], once)
    derivation = der.oid(v.PBKDF2) + der.sequence(der.octet_string(salt), der.integer(iterations))
    method = algorithm(v.PWRI_KEK, algorithm(v.CIPHER_OIDS[cipher], der.octet_string(iv)))
    return der.tlv(0xA3, der.integer(0) + der.tlv(0xA0, derivation) + method + der.octet_string(twice))


def _gcm(plaintext: bytes, key: bytes, recipients: list[bytes], octets: Octets) -> bytes:
    """AuthEnvelopedData with AES-128-GCM and a tag of 16 bytes (RFC 5083, RFC 5084)."""
    nonce = octets(12)
    sealed = AESGCM(key).encrypt(nonce, plaintext, None)
    method = algorithm(v.AES_128_GCM, der.sequence(der.octet_string(nonce), der.integer(16)))
    body = der.sequence(
        der.integer(0),
        der.set_of(recipients),
        der.sequence(der.oid(v.DATA), method, der.implicit(0, sealed[:-16])),
        der.octet_string(sealed[-16:]),
    )
    return der.sequence(der.oid(v.AUTH_ENVELOPED_DATA), der.explicit(0, body))
