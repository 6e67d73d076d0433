"""CMS SignedData and EnvelopedData on :mod:`mfp_sim.scep.der`: structure and cryptography, no SCEP.

Writes DER: one SignerInfo by issuerAndSerialNumber, signedAttrs sorted and signed sorted, ``rsaEncryption`` as
signature algorithm, PKCS#1 v1.5 key transport, primitive encryptedContent: what all peers read.
Reads BER, either signature algorithm spelling, several recipients, OAEP. RFC 5652; RFC 8894, 3.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from mfp_sim.errors import AlgorithmRefused, DecodeError, EnvelopeUnreadable, SignatureInvalid
from mfp_sim.scep import der
from mfp_sim.scep import vocabulary as v
from mfp_sim.scep.certificate import HASHES, Certificate, algorithm, verify_signature

__all__ = ["Envelope", "Recipient", "SignedData", "encode_envelope", "encode_signed_data", "read_signed_data"]

# name: key length and block length in octets
CIPHERS: Mapping[str, tuple[int, int]] = {
    "des-cbc": (8, 8),
    "des-ede3-cbc": (24, 8),
    "aes-128-cbc": (16, 16),
    "aes-192-cbc": (24, 16),
    "aes-256-cbc": (32, 16),
}
_CIPHER_NAMES = {oid: name for name, oid in v.CIPHER_OIDS.items()}
_DIGEST_NAMES = {oid: name for name, oid in v.DIGEST_OIDS.items()}
_DIGEST_NAMES_BY_SIGNATURE = {oid: name for name, oid in v.RSA_SIGNATURE_OIDS.items()}


def content_info(kind: str, content: bytes) -> bytes:
    """ContentInfo around ``content``."""
    return der.sequence(der.oid(kind), der.explicit(0, content))


def attribute(kind: str, value: bytes) -> bytes:
    """An Attribute with its one value."""
    return der.sequence(der.oid(kind), der.set_of([value]))


# --- EnvelopedData ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Recipient:
    """One KeyTransRecipientInfo: for whom, how wrapped."""

    issuer: bytes
    serial: int
    key_algorithm: str
    parameters: bytes = field(repr=False)
    encrypted_key: bytes = field(repr=False)


@dataclass(frozen=True)
class Envelope:
    """A pkcsPKIEnvelope as received. ``cipher`` is a name of the vocabulary, or the dotted OID of an unknown one."""

    der: bytes = field(repr=False)
    cipher: str
    iv: bytes = field(repr=False)
    recipients: tuple[Recipient, ...]
    ciphertext: bytes = field(repr=False)


def read_envelope(octets: bytes) -> Envelope:
    """Read a ContentInfo with EnvelopedData.

    Raises:
        DecodeError: it is not one.
    """
    outer = der.read(octets, "pkcsPKIEnvelope", trailing=True).expect(der.SEQUENCE)
    kind = outer.child(0, "contentType")
    if kind.to_oid() != v.ENVELOPED_DATA:
        raise kind.fail("envelopedData", kind.to_oid())
    data = outer.child(1, "content", 0xA0).child(0, "envelopedData", der.SEQUENCE)
    data.child(0, "version", der.INTEGER)
    first = 2 if len(data.children) > 1 and data.children[1].tag == 0xA0 else 1  # originatorInfo
    holder = data.child(first, "recipientInfos", der.SET)
    recipients = tuple(
        found
        for index in range(len(holder.children))
        if (found := _recipient(holder.child(index, f"[{index}]"))) is not None
    )
    info = data.child(first + 1, "encryptedContentInfo", der.SEQUENCE)
    cipher = info.child(1, "contentEncryptionAlgorithm", der.SEQUENCE)
    cipher_oid = cipher.child(0, "algorithm").to_oid()
    iv = b""
    if len(cipher.children) > 1 and cipher.children[1].tag == der.OCTET_STRING:
        iv = cipher.children[1].content
    return Envelope(
        der=outer.raw,
        cipher=_CIPHER_NAMES.get(cipher_oid, cipher_oid),
        iv=iv,
        recipients=recipients,
        ciphertext=info.child(2, "encryptedContent").to_octets(0x80),
    )


def _recipient(element: der.Element) -> Recipient | None:
    if element.tag != der.SEQUENCE:
        return None  # key agreement, password and others: not ours to open
    element.child(0, "version", der.INTEGER)
    rid = element.child(1, "rid")
    issuer, serial = b"", -1
    if rid.tag == der.SEQUENCE:
        issuer = rid.child(0, "issuer", der.SEQUENCE).raw
        serial = rid.child(1, "serialNumber", der.INTEGER).to_integer()
    method = element.child(2, "keyEncryptionAlgorithm", der.SEQUENCE)
    return Recipient(
        issuer=issuer,
        serial=serial,
        key_algorithm=method.child(0, "algorithm").to_oid(),
        parameters=method.children[1].raw if len(method.children) > 1 else b"",
        encrypted_key=element.child(3, "encryptedKey").to_octets(),
    )


def encode_envelope(plaintext: bytes, *, recipient: Certificate, cipher: str, octets: Callable[[int], bytes]) -> bytes:
    """ContentInfo with EnvelopedData for one recipient: RSA PKCS#1 v1.5, CBC with PKCS#7 padding.

    Args:
        plaintext: the messageData.
        recipient: whose RSA key the content key is wrapped with.
        cipher: ``aes-128-cbc``, ``aes-192-cbc``, ``aes-256-cbc`` or ``des-ede3-cbc``.
        octets: gives random octets for content key and IV.

    Raises:
        AlgorithmRefused: single DES, which is never written, or a recipient without an RSA key.
    """
    if cipher not in CIPHERS or cipher == "des-cbc":
        raise AlgorithmRefused("pkcsPKIEnvelope", 0, "AES or 3DES", cipher)
    key_length, block = CIPHERS[cipher]
    public = recipient.public_key()
    if not isinstance(public, RSAPublicKey):
        raise AlgorithmRefused("pkcsPKIEnvelope", 0, "a recipient with an RSA key", "another kind of key")
    key, iv = octets(key_length), octets(block)
    pad = block - len(plaintext) % block
    encryptor = Cipher(_cipher_algorithm(cipher, key), modes.CBC(iv)).encryptor()
    ciphertext = encryptor.update(plaintext + bytes((pad,)) * pad) + encryptor.finalize()
    info = der.sequence(
        der.integer(0),
        der.sequence(recipient.issuer, der.integer(recipient.serial)),
        algorithm(v.RSA_ENCRYPTION, der.null()),
        der.octet_string(public.encrypt(key, padding.PKCS1v15())),
    )
    return content_info(
        v.ENVELOPED_DATA,
        der.sequence(
            der.integer(0),
            der.set_of([info]),
            der.sequence(
                der.oid(v.DATA),
                algorithm(v.CIPHER_OIDS[cipher], der.octet_string(iv)),
                der.implicit(0, ciphertext),
            ),
        ),
    )


def open_envelope(
    envelope: Envelope, key: RSAPrivateKey, certificate: Certificate, *, refuse: frozenset[str] = frozenset()
) -> bytes:
    """The plaintext for the holder of ``key``.

    The answer to a wrong padding, key length or content is one and the same, so that it is no oracle.

    Raises:
        AlgorithmRefused: the cipher is in ``refuse``, or is not known.
        EnvelopeUnreadable: no recipient is ``certificate``, or decryption failed.
    """
    if envelope.cipher not in CIPHERS or envelope.cipher in refuse:
        raise AlgorithmRefused(
            "pkcsPKIEnvelope.encryptedContentInfo.contentEncryptionAlgorithm",
            0,
            "an accepted cipher",
            envelope.cipher,
        )
    mine = [r for r in envelope.recipients if r.issuer == certificate.issuer and r.serial == certificate.serial]
    if not mine:
        raise EnvelopeUnreadable("the envelope has no RecipientInfo for our certificate")
    key_length, block = CIPHERS[envelope.cipher]
    try:
        content_key = key.decrypt(mine[0].encrypted_key, _key_padding(mine[0]))
        if len(content_key) != key_length or len(envelope.iv) != block or len(envelope.ciphertext) % block:
            raise ValueError
        decryptor = Cipher(_cipher_algorithm(envelope.cipher, content_key), modes.CBC(envelope.iv)).decryptor()
        padded = decryptor.update(envelope.ciphertext) + decryptor.finalize()
        pad = padded[-1]
        if not 1 <= pad <= block or padded[-pad:] != bytes((pad,)) * pad:
            raise ValueError
    except (ValueError, IndexError):
        raise EnvelopeUnreadable("the envelope cannot be decrypted with our key") from None
    return padded[:-pad]


def _cipher_algorithm(cipher: str, key: bytes) -> algorithms.AES | TripleDES:
    if cipher == "des-cbc":
        return TripleDES(key * 3)  # single DES is 3DES with three equal keys
    return TripleDES(key) if cipher == "des-ede3-cbc" else algorithms.AES(key)


def _key_padding(recipient: Recipient) -> padding.AsymmetricPadding:
    if recipient.key_algorithm == v.RSA_ENCRYPTION:
        return padding.PKCS1v15()
    if recipient.key_algorithm != v.RSAES_OAEP:
        raise EnvelopeUnreadable(f"unknown key transport algorithm {recipient.key_algorithm}")
    return _oaep(recipient.parameters)


def _oaep(parameters: bytes) -> padding.OAEP:
    """RSAES-OAEP-params: SHA-1, MGF1 with SHA-1 and an empty label where they are left out (RFC 4055)."""
    digest = mgf_digest = "sha1"
    label = b""
    path = "keyEncryptionAlgorithm.parameters"
    for part in der.read(parameters, path).children if parameters else ():
        inner = part.child(0, "value", der.SEQUENCE)
        if part.tag == 0xA0:
            digest = _digest_name(inner.child(0, "algorithm"))
        elif part.tag == 0xA1:
            mgf_digest = _digest_name(inner.child(1, "parameters", der.SEQUENCE).child(0, "algorithm"))
        elif part.tag == 0xA2 and len(inner.children) > 1:
            label = inner.child(1, "label", der.OCTET_STRING).content
    return padding.OAEP(padding.MGF1(HASHES[mgf_digest]()), HASHES[digest](), label or None)


def _digest_name(element: der.Element) -> str:
    dotted = element.to_oid()
    digest = _DIGEST_NAMES.get(dotted) or _DIGEST_NAMES_BY_SIGNATURE.get(dotted)
    if digest is None:
        raise AlgorithmRefused(element.path, element.start, "a known digest", dotted)
    return digest


# --- SignedData -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SignedData:
    """SignedData with its one SignerInfo, as received. ``attributes`` maps OID to the values' elements."""

    content: bytes | None = field(repr=False)
    content_type: str
    certificates: tuple[Certificate, ...]
    signer_issuer: bytes
    signer_serial: int
    digest: str
    signature_algorithm: str
    signed_attributes: bytes = field(repr=False)
    attributes: Mapping[str, tuple[der.Element, ...]]
    signature: bytes = field(repr=False)
    notes: tuple[tuple[str, str], ...] = ()

    def verify(self, signer: Certificate) -> None:
        """Check messageDigest and signature.

        The signature is checked over the attributes as received; if that fails, over the sorted ones
        (Bouncy Castle and Go sign sorted and may send unsorted).

        Raises:
            SignatureInvalid: one of them is wrong.
        """
        declared = self.attributes.get(v.MESSAGE_DIGEST, ())
        actual = hashlib.new(self.digest, self.content or b"", usedforsecurity=False).digest()
        if len(declared) != 1 or declared[0].to_octets() != actual:
            raise SignatureInvalid("the messageDigest attribute is not the digest of the content")
        key = signer.public_key()
        received = b"\x31" + self.signed_attributes[1:]
        try:
            verify_signature(key, self.signature, received, self.digest, "the message")
        except SignatureInvalid:
            encoded = [entry.raw for entry in der.read(received, "signedAttrs").children]
            again = der.set_of(encoded)
            if again == received:
                raise
            verify_signature(key, self.signature, again, self.digest, "the message")


def encode_signed_data(
    content: bytes | None,
    attributes: Sequence[bytes],
    *,
    signer_key: RSAPrivateKey,
    signer_certificate: Certificate,
    certificates: Sequence[Certificate],
    digest: str,
) -> bytes:
    """ContentInfo with SignedData over ``content`` (None: eContent absent) and encoded attributes.

    contentType and messageDigest are added; the attributes are sorted and signed sorted.
    """
    hashed = hashlib.new(digest, content or b"", usedforsecurity=False).digest()
    signed = der.set_of(
        [
            attribute(v.CONTENT_TYPE, der.oid(v.DATA)),
            attribute(v.MESSAGE_DIGEST, der.octet_string(hashed)),
            *attributes,
        ]
    )
    digest_algorithm = algorithm(v.DIGEST_OIDS[digest], der.null())
    signer_info = der.sequence(
        der.integer(1),
        der.sequence(signer_certificate.issuer, der.integer(signer_certificate.serial)),
        digest_algorithm,
        b"\xa0" + signed[1:],
        algorithm(v.RSA_ENCRYPTION, der.null()),
        der.octet_string(signer_key.sign(signed, padding.PKCS1v15(), HASHES[digest]())),
    )
    body = [] if content is None else [der.explicit(0, der.octet_string(content))]
    return content_info(
        v.SIGNED_DATA,
        der.sequence(
            der.integer(1),
            der.set_of([digest_algorithm]),
            der.sequence(der.oid(v.DATA), *body),
            der.implicit(0, b"".join(c.der for c in certificates), constructed=True),
            der.set_of([signer_info]),
        ),
    )


def read_signed_data(octets: bytes) -> SignedData:
    """Read a ContentInfo with SignedData and exactly one SignerInfo with signedAttrs.

    Raises:
        DecodeError: it is not one.
        AlgorithmRefused: the digest algorithm is not known.
    """
    data, trailing = _signed_data(octets)
    content_type, content = _encapsulated(data)
    certificates, position = _certificates(data)
    holder = data.child(position, "signerInfos", der.SET)
    if len(holder.children) != 1:
        raise DecodeError("signerInfos", holder.start, "exactly one SignerInfo", str(len(holder.children)))
    info = holder.child(0, "[0]", der.SEQUENCE)._with_path("signerInfos[0]")
    sid = info.child(1, "sid")
    if sid.tag != der.SEQUENCE:
        raise sid.fail("issuerAndSerialNumber", "subjectKeyIdentifier" if sid.tag == 0x80 else der.tag_name(sid.tag))
    signed = info.child(3, "signedAttrs")
    if signed.tag != 0xA0:
        # Without signed attributes the content could be a SET of them, moved there by an attacker (SCEP-3-06).
        raise signed.fail("signed attributes", "none")
    notes = [("SCEP-3-05", f"{trailing} octets follow the message")] if trailing else []
    encodings = [entry.raw for entry in signed.children]
    if encodings != sorted(encodings):
        notes.append(("SCEP-3.2-13", "the signed attributes are not in DER order"))
    signature_algorithm = info.child(4, "signatureAlgorithm", der.SEQUENCE).child(0, "algorithm").to_oid()
    return SignedData(
        content=content,
        content_type=content_type,
        certificates=certificates,
        signer_issuer=sid.child(0, "issuer", der.SEQUENCE).raw,
        signer_serial=sid.child(1, "serialNumber", der.INTEGER).to_integer(),
        digest=_digest_name(info.child(2, "digestAlgorithm", der.SEQUENCE).child(0, "algorithm")),
        signature_algorithm=signature_algorithm,
        signed_attributes=der.tlv(0xA0, signed.content),
        attributes=_attributes(signed),
        signature=info.child(5, "signature").to_octets(),
        notes=tuple(notes),
    )


def _signed_data(octets: bytes) -> tuple[der.Element, int]:
    outer = der.read(octets, "", trailing=True).expect(der.SEQUENCE, "contentInfo")
    kind = outer.child(0, "contentType")
    if kind.to_oid() != v.SIGNED_DATA:
        raise kind.fail("signedData", kind.to_oid())
    data = outer.child(1, "content", 0xA0).child(0, "signedData", der.SEQUENCE)._with_path("")
    data.child(0, "version", der.INTEGER)
    data.child(1, "digestAlgorithms", der.SET)
    return data, len(octets) - outer.end


def _encapsulated(data: der.Element) -> tuple[str, bytes | None]:
    encap = data.child(2, "encapContentInfo", der.SEQUENCE)
    content = None
    if len(encap.children) > 1:
        content = encap.child(1, "eContent", 0xA0).child(0, "value").to_octets()
    return encap.child(0, "eContentType").to_oid(), content


def _certificates(data: der.Element) -> tuple[tuple[Certificate, ...], int]:
    """The certificates, and the index of what follows them and the CRLs."""
    position = 3
    found: tuple[Certificate, ...] = ()
    if len(data.children) > 3 and data.children[3].tag == 0xA0:
        holder = data.child(3, "certificates")
        found = tuple(
            Certificate.from_element(entry, f"certificates[{index}]")
            for index, entry in enumerate(holder.children)
            if entry.tag == der.SEQUENCE  # other CertificateChoices are not ours
        )
        position = 4
    if len(data.children) > position and data.children[position].tag == 0xA1:
        position += 1
    return found, position


def _attributes(signed: der.Element) -> dict[str, tuple[der.Element, ...]]:
    found: dict[str, tuple[der.Element, ...]] = {}
    for index in range(len(signed.children)):
        entry = signed.child(index, f"[{index}]", der.SEQUENCE)
        kind = entry.child(0, "attrType").to_oid()
        if kind in found:
            raise DecodeError(f"signedAttrs.{kind}", entry.start, "each attribute once", "it twice")
        found[kind] = entry.child(1, "attrValues", der.SET).children
    return found


# --- degenerate SignedData --------------------------------------------------------------------------------


def encode_certs_only(certificates: Sequence[bytes]) -> bytes:
    """A degenerate SignedData; the order is kept, since clients take the first for theirs."""
    return content_info(
        v.SIGNED_DATA,
        der.sequence(
            der.integer(1),
            der.set_of([]),
            der.sequence(der.oid(v.DATA)),
            der.implicit(0, b"".join(certificates), constructed=True),
            der.set_of([]),
        ),
    )


def read_certs_only(octets: bytes) -> tuple[tuple[Certificate, ...], int]:
    """The certificates of a degenerate SignedData, and how many octets follow it.

    Raises:
        DecodeError: it is not SignedData.
    """
    data, trailing = _signed_data(octets)
    return _certificates(data)[0], trailing
