"""The mistakes and unusual forms that a writer can produce, each as a named option; the defaults are correct.

Owns only names and defaults: the writers of SignedData, EnvelopedData and messages apply them. For faults, personas and
legacy profiles; without an option, every message is written correctly. RFC 8894, 3; RFC 5652.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.algorithms import KeyTransport

if TYPE_CHECKING:
    from mfp_sim.shared.scep.certificate import Certificate

__all__ = ["CORRECT", "Oddities"]

Values = tuple[bytes, ...]


@dataclass(frozen=True)
class Oddities:
    """Options of the writers. Attributes are named as in RFC 8894 (``pkiStatus``), their values are encoded DER."""

    # --- all layers
    ber: bool = False  # indefinite lengths, constructed OCTET STRINGs; signed parts stay DER
    trailing: bytes = b""  # bytes after the message
    layers_swapped: bool = False  # EnvelopedData around SignedData

    # --- signed attributes
    omit: frozenset[str] = frozenset()  # names of attributes left out, contentType and messageDigest among them
    instead: Sequence[tuple[str, Values]] = ()  # other values of an attribute: wrong types, several, none
    repeat: Sequence[tuple[str, Values]] = ()  # a second Attribute of the same name
    extra_signed: Sequence[tuple[str, Values]] = ()  # further signed attributes, by dotted OID
    extra_unsigned: Sequence[tuple[str, Values]] = ()  # unsigned attributes, by name or dotted OID
    after_signing: Sequence[tuple[str, Values]] = ()  # values changed after signing
    attributes: Literal["signed", "none", "unsigned", "stripped"] = "signed"
    # none: signed directly over the content; unsigned: the SCEP attributes in unsignedAttrs;
    # stripped: the signed attributes become the content, with their signature and without signedAttrs
    attribute_order: Literal["sorted", "unsorted-signed-sorted", "unsorted", "signed-as-a0"] = "sorted"
    message_digest: Literal["right", "wrong"] = "right"

    # --- SignerInfo
    signers: Literal["one", "none", "two"] = "one"
    second_signer: Sequence[tuple[str, Values]] = ()  # different attributes in the second SignerInfo
    signer_version: int | None = None
    signer_by: Literal["issuer-and-serial", "key-identifier"] = "issuer-and-serial"
    digest_parameters: Literal["null", "absent"] = "null"
    signature_name: Literal["rsaEncryption", "combined", "pss"] = "rsaEncryption"
    signature_parameters: Literal["null", "absent"] = "null"
    signature: Literal["right", "flipped"] = "right"
    md5: bool = False  # MD5 as digest, regardless of the message's digest

    # --- SignedData
    version: int = 1
    listed_digests: Sequence[str] | None = None  # digestAlgorithms, if not the signer's
    content_type: str = v.DATA  # eContentType; the contentType attribute follows it
    content: bytes | None = None  # eContent, correctly signed, in place of the right one
    certificates: Literal["given", "reversed", "absent", "empty"] = "given"
    unencrypted: bool = False  # messageData as eContent, without an envelope

    # --- EnvelopedData
    envelope_version: int | None = None
    envelope_content_type: str = v.DATA
    key_transport: KeyTransport = field(default_factory=KeyTransport)
    recipient_by: Literal["issuer-and-serial", "key-identifier"] = "issuer-and-serial"
    other_recipients: Sequence[Certificate] = ()  # RecipientInfos before the right one
    password: str | None = field(default=None, repr=False)  # a PasswordRecipientInfo in place of key transport
    single_des: bool = False  # DES-CBC, regardless of the message's cipher
    gcm: bool = False  # AuthEnvelopedData with AES-128-GCM
    iv: Literal["right", "short", "absent"] = "right"
    padding: Literal["right", "wrong"] = "right"
    constructed_ciphertext: bool = False  # encryptedContent as [0] { OCTET STRING }, as micromdm 2.1 writes it
    flip_ciphertext: bool = False  # one bit changed after signing

    # --- certificates-only SignedData
    bag_content: bytes | None = None  # eContent present
    bag_empty_sets: bool = False  # certificates and crls present but empty
    bag_sorted: bool = False  # certificates in DER order instead of the given one
    bag_crls_as_certificates: bool = False
    bag_others: Sequence[bytes] = ()  # other CertificateChoices, encoded


CORRECT = Oddities()
