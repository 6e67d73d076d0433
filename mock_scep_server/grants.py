"""Which extensions of a CSR a certificate gets: names and harmless usages, but nothing that grants power.

A CSR is only the wish of someone who knows a password. cA, keyCertSign, cRLSign, anyExtendedKeyUsage, OCSPSigning,
codeSigning and everything that is not listed here are never granted (field failure F-S07). RFC 8894, 2.4; RFC 5280,
4.2.
"""

from __future__ import annotations

from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from mfp_sim.shared.errors import DecodeError
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import der
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.certificate import KEY_USAGE_BITS, Extension
from mfp_sim.shared.scep.csr import Csr

__all__ = ["Grant", "grant"]

USAGES = frozenset({"digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement"})
POWERS = frozenset({"anyExtendedKeyUsage", "codeSigning", "timeStamping", "OCSPSigning", "enrolment agent"})


@dataclass(frozen=True)
class Grant:
    """The granted extensions, as (OID, critical, DER value), and one phrase for each wish that is not granted."""

    extensions: tuple[tuple[str, bool, bytes], ...]
    refused: tuple[str, ...]


def grant(csr: Csr) -> Grant:
    """Examine the extensions of a CSR; a malformed one is not granted and raises nothing."""
    refused: list[str] = []
    given: list[tuple[str, bool, bytes]] = [_key_usage(csr, refused)]
    for oid, extension in csr.extensions.items():
        try:
            if oid == v.SUBJECT_ALT_NAME:
                der.read(extension.value, "subjectAltName").expect(der.SEQUENCE)
                # The names are copied unchanged, so that a URI or UPN is not lost (F-S08).
                given.append((oid, csr.subject == der.sequence(), extension.value))
            elif oid == v.EXTENDED_KEY_USAGE:
                given.extend(_purposes(extension, refused))
            elif oid == v.BASIC_CONSTRAINTS:
                fields = der.read(extension.value, "basicConstraints").children
                if fields and fields[0].tag == der.BOOLEAN and fields[0].content != b"\x00":
                    refused.append("CA:true")
            elif oid not in (v.KEY_USAGE, v.SUBJECT_KEY_IDENTIFIER):
                refused.append(f"extension {v.oid_text(oid)}")
        except DecodeError as error:
            refused.append(_malformed(error))
    return Grant(tuple(given), tuple(refused))


def _malformed(error: DecodeError) -> str:
    return f"malformed {error.path} ({error.expected} expected)"


def _key_usage(csr: Csr, refused: list[str]) -> tuple[str, bool, bytes]:
    rsa = isinstance(csr.public_key(), RSAPublicKey)
    default = ("digitalSignature", "keyEncipherment") if rsa else ("digitalSignature",)
    asked = csr.extensions.get(v.KEY_USAGE)
    if asked is None:
        return x509.key_usage_extension(*default)
    try:
        bits = der.read(asked.value, "keyUsage").to_bits()
    except DecodeError as error:
        refused.append(_malformed(error))
        return x509.key_usage_extension(*default)
    named = [n for i, n in enumerate(KEY_USAGE_BITS) if i // 8 < len(bits) and bits[i // 8] & (0x80 >> i % 8)]
    refused.extend(name for name in named if name not in USAGES)
    return x509.key_usage_extension(*([name for name in named if name in USAGES] or default))


def _purposes(asked: Extension, refused: list[str]) -> list[tuple[str, bool, bytes]]:
    wanted = [entry.to_oid() for entry in der.read(asked.value, "extKeyUsage").expect(der.SEQUENCE).children]
    kept = [oid for oid in wanted if oid in v.PURPOSES and v.PURPOSES[oid] not in POWERS]
    refused.extend(v.PURPOSES.get(oid, f"purpose {oid}") for oid in wanted if oid not in kept)
    return [x509.extended_key_usage_extension(*kept)] if kept else []
