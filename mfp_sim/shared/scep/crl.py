"""X.509 certificate revocation lists: reads those of any CA, issues our own. RFC 5280, 5; RFC 8894, 3.3.4 and 4.6.

Owns no policy: the caller decides which CRL counts, and for how long (SCEP-3.3.2.1-10).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property

from mfp_sim.shared.scep import der
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.algorithms import PrivateKey, sign, signature_algorithm
from mfp_sim.shared.scep.certificate import (
    Certificate,
    Extension,
    Signed,
    encode_extensions,
    key_identifier,
    read_extensions,
)

__all__ = ["MAX_ELEMENTS", "MAX_OCTETS", "REASONS", "Crl", "Revoked", "issue"]

ENUMERATED = 0x0A
MAX_OCTETS, MAX_ELEMENTS = 16 * 1024 * 1024, 2_000_000
"""The limits for reading a CRL. They are higher than for a message, since CRLs with 100,000 entries are not rare."""
REASONS = {
    "unspecified": 0,
    "keyCompromise": 1,
    "cACompromise": 2,
    "affiliationChanged": 3,
    "superseded": 4,
    "cessationOfOperation": 5,
    "certificateHold": 6,
    "removeFromCRL": 8,
    "privilegeWithdrawn": 9,
    "aACompromise": 10,
}
_REASON_NAMES = {number: name for name, number in REASONS.items()}


@dataclass(frozen=True, slots=True)
class Revoked:
    """One entry. ``reason`` is a name from RFC 5280, 5.3.1, the number of an unknown reason, or None."""

    serial: int
    when: datetime
    reason: str | None = None


@dataclass(frozen=True)
class Crl(Signed):
    """A CRL as received."""

    noun = "the CRL"

    der: bytes = field(repr=False)
    version: int
    issuer: bytes
    this_update: datetime
    next_update: datetime | None
    revoked: tuple[Revoked, ...]
    extensions: Mapping[str, Extension]
    tbs: bytes = field(repr=False)
    signature_oid: str
    signature: bytes = field(repr=False)

    @classmethod
    def from_der(cls, octets: bytes, path: str = "crl") -> Crl:
        """Read one CRL.

        Raises:
            DecodeError: the bytes are not a CRL, or have more entries than the limit.
        """
        outer = der.read(octets, path, size=MAX_OCTETS, elements=MAX_ELEMENTS).expect(der.SEQUENCE)
        tbs = outer.child(0, "tbsCertList", der.SEQUENCE)
        first = 1 if tbs.children and tbs.children[0].tag == der.INTEGER else 0
        times = {der.UTC_TIME, der.GENERALIZED_TIME}
        position = first + 3
        has_next = len(tbs.children) > position and tbs.children[position].tag in times
        next_update = tbs.child(position, "nextUpdate").to_time() if has_next else None
        position += has_next
        revoked: tuple[Revoked, ...] = ()
        if len(tbs.children) > position and tbs.children[position].tag == der.SEQUENCE:
            revoked = _revoked(tbs.child(position, "revokedCertificates"))
            position += 1
        extensions: dict[str, Extension] = {}
        if len(tbs.children) > position:
            extensions = read_extensions(tbs.child(position, "crlExtensions", 0xA0).child(0, "list", der.SEQUENCE))
        return cls(
            der=outer.raw,
            version=tbs.child(0, "version").to_integer() + 1 if first else 1,
            issuer=tbs.child(first + 1, "issuer", der.SEQUENCE).raw,
            this_update=tbs.child(first + 2, "thisUpdate").to_time(),
            next_update=next_update,
            revoked=revoked,
            extensions=extensions,
            tbs=tbs.raw,
            signature_oid=outer.child(1, "signatureAlgorithm", der.SEQUENCE).child(0, "algorithm").to_oid(),
            signature=outer.child(2, "signature", der.BIT_STRING).to_bits(),
        )

    @cached_property
    def number(self) -> int | None:
        """The cRLNumber, or None.

        Raises:
            DecodeError: the extension is malformed.
        """
        extension = self.extensions.get(v.CRL_NUMBER)
        return None if extension is None else der.read(extension.value, "crl.cRLNumber").to_integer()

    @cached_property
    def indirect(self) -> bool:
        """Whether the CRL says that it also lists certificates of other issuers (RFC 5280, 5.2.5).

        Raises:
            DecodeError: the extension is malformed.
        """
        extension = self.extensions.get(v.ISSUING_DISTRIBUTION_POINT)
        if extension is None:
            return False
        fields = der.read(extension.value, "crl.issuingDistributionPoint").expect(der.SEQUENCE).children
        return any(part.tag == 0x84 and part.content != b"\x00" for part in fields)

    def entry(self, serial: int) -> Revoked | None:
        """The entry of a certificate, or None."""
        return next((entry for entry in self.revoked if entry.serial == serial), None)


def _revoked(holder: der.Element) -> tuple[Revoked, ...]:
    """The entries. Many share the same date and extensions, which are read only once."""
    times: dict[bytes, datetime] = {}
    reasons: dict[bytes, str | None] = {}
    found = []
    for entry in holder.each():
        serial = entry.expect(der.SEQUENCE).child(0, "userCertificate", der.INTEGER).to_integer()
        date = entry.child(1, "revocationDate")
        when = times.get(date.raw) or times.setdefault(date.raw, date.to_time())
        reason = None
        if len(entry.children) > 2:
            extensions = entry.child(2, "crlEntryExtensions", der.SEQUENCE)
            octets = extensions.raw
            if octets not in reasons:
                reasons[octets] = _reason(extensions)
            reason = reasons[octets]
        found.append(Revoked(serial, when, reason))
    return tuple(found)


def _reason(extensions: der.Element) -> str | None:
    extension = read_extensions(extensions).get(v.REASON_CODE)
    if extension is None:
        return None
    value = der.read(extension.value, f"{extensions.path}.cRLReason").expect(ENUMERATED)
    number = int.from_bytes(value.content[:2], "big")
    return _REASON_NAMES.get(number, str(number))


def issue(
    *,
    issuer: Certificate,
    signing_key: PrivateKey,
    this_update: datetime,
    next_update: datetime | None,
    revoked: Sequence[Revoked] = (),
    number: int | None = 1,
    digest: str = "sha256",
    md5: bool = False,
    indirect: bool = False,
) -> Crl:
    """Make a version 2 CRL.

    Args:
        issuer: the CA, whose subject and key identifier the CRL contains.
        signing_key: the CA's key.
        this_update: the time of issue, in whole seconds.
        next_update: the time of the next CRL; None omits it (RFC 5280 requires it).
        revoked: the entries, in order.
        number: the cRLNumber; None omits it.
        digest: the digest of the signature.
        md5: whether the digest may be MD5.
        indirect: whether the CRL says that it also lists certificates of other issuers.

    Raises:
        AlgorithmRefused: MD5 without ``md5``.
    """
    algorithm_identifier = signature_algorithm(signing_key, digest, md5=md5)
    entries = [
        der.sequence(
            der.integer(entry.serial),
            der.time(entry.when),
            encode_extensions([(v.REASON_CODE, False, der.tlv(ENUMERATED, bytes((REASONS[entry.reason],))))])
            if entry.reason is not None
            else b"",
        )
        for entry in revoked
    ]
    key = der.sequence(der.implicit(0, key_identifier(issuer.spki)))
    extensions = [(v.AUTHORITY_KEY_IDENTIFIER, False, key)]
    if number is not None:
        extensions.append((v.CRL_NUMBER, False, der.integer(number)))
    if indirect:
        extensions.append((v.ISSUING_DISTRIBUTION_POINT, True, der.sequence(der.tlv(0x84, b"\xff"))))
    tbs = der.sequence(
        der.integer(1),
        algorithm_identifier,
        issuer.subject,
        der.time(this_update),
        b"" if next_update is None else der.time(next_update),
        der.sequence(*entries) if entries else b"",
        der.explicit(0, encode_extensions(extensions)),
    )
    signature = sign(signing_key, tbs, digest)
    return Crl.from_der(der.sequence(tbs, algorithm_identifier, der.bit_string(signature)))
