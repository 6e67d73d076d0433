"""What a certificate gets of the extensions that a CSR asks for: names, harmless usages, and nothing that gives power.

A CSR is a wish of somebody who knows a password. cA, keyCertSign, cRLSign, anyExtendedKeyUsage, OCSPSigning,
codeSigning and all that is not listed here are never granted (field failure F-S07). RFC 8894, 2.4; RFC 5280, 4.2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from mfp_sim.errors import DecodeError
from mfp_sim.scep import certificate as x509
from mfp_sim.scep import der
from mfp_sim.scep import vocabulary as v
from mfp_sim.scep.certificate import KEY_USAGE_BITS, Extension
from mfp_sim.scep.csr import Csr

__all__ = ["EXTENDED_KEY_USAGE", "Grant", "grant"]

EXTENDED_KEY_USAGE = "2.5.29.37"
USAGES = frozenset({"digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement"})
PURPOSES = frozenset(
    {
        "1.3.6.1.5.5.7.3.1",  # serverAuth
        "1.3.6.1.5.5.7.3.2",  # clientAuth
        "1.3.6.1.5.5.7.3.4",  # emailProtection
        "1.3.6.1.5.5.7.3.5",  # ipsecEndSystem
        "1.3.6.1.5.5.7.3.6",  # ipsecTunnel
        "1.3.6.1.5.5.7.3.7",  # ipsecUser
        "1.3.6.1.5.5.7.3.17",  # ipsecIKE
        "1.3.6.1.5.5.8.2.2",  # iKEIntermediate
    }
)
POWERS: Mapping[str, str] = {
    "2.5.29.37.0": "anyExtendedKeyUsage",
    "1.3.6.1.5.5.7.3.3": "codeSigning",
    "1.3.6.1.5.5.7.3.8": "timeStamping",
    "1.3.6.1.5.5.7.3.9": "OCSPSigning",
}


@dataclass(frozen=True)
class Grant:
    """Extensions to put in, as (OID, critical, DER value), and what was asked for and is not granted, a phrase each."""

    extensions: tuple[tuple[str, bool, bytes], ...]
    refused: tuple[str, ...]


def grant(csr: Csr) -> Grant:
    """Weigh the extensions of a CSR; a malformed one is not granted and raises nothing."""
    refused: list[str] = []
    given: list[tuple[str, bool, bytes]] = [_key_usage(csr, refused)]
    for oid, extension in csr.extensions.items():
        try:
            if oid == v.SUBJECT_ALT_NAME:
                der.read(extension.value, "subjectAltName").expect(der.SEQUENCE)
                # The names go in as they came, so that a URI or UPN is not lost (F-S08).
                given.append((oid, not der.read(csr.subject, "subject").children, extension.value))
            elif oid == EXTENDED_KEY_USAGE:
                given.extend(_purposes(extension, refused))
            elif oid == v.BASIC_CONSTRAINTS:
                fields = der.read(extension.value, "basicConstraints").children
                if fields and fields[0].tag == der.BOOLEAN and fields[0].content != b"\x00":
                    refused.append("CA:true")
            elif oid not in (v.KEY_USAGE, v.SUBJECT_KEY_IDENTIFIER):
                refused.append(f"extension {v.oid_text(oid)}")
        except DecodeError as error:
            refused.append(f"malformed {v.oid_text(oid)} ({error.expected} expected)")
    return Grant(tuple(given), tuple(refused))


def _key_usage(csr: Csr, refused: list[str]) -> tuple[str, bool, bytes]:
    rsa = isinstance(csr.public_key(), RSAPublicKey)
    default = ("digitalSignature", "keyEncipherment") if rsa else ("digitalSignature",)
    asked = csr.extensions.get(v.KEY_USAGE)
    if asked is None:
        return x509.key_usage_extension(*default)
    try:
        bits = der.read(asked.value, "keyUsage").to_bits()
    except DecodeError:
        refused.append("malformed keyUsage")
        return x509.key_usage_extension(*default)
    named = [n for i, n in enumerate(KEY_USAGE_BITS) if i // 8 < len(bits) and bits[i // 8] & (0x80 >> i % 8)]
    refused.extend(name for name in named if name not in USAGES)
    return x509.key_usage_extension(*([name for name in named if name in USAGES] or default))


def _purposes(asked: Extension, refused: list[str]) -> list[tuple[str, bool, bytes]]:
    wanted = [entry.to_oid() for entry in der.read(asked.value, "extKeyUsage").expect(der.SEQUENCE).children]
    refused.extend(POWERS.get(oid, f"purpose {oid}") for oid in wanted if oid not in PURPOSES)
    kept = [der.oid(oid) for oid in wanted if oid in PURPOSES]
    return [(EXTENDED_KEY_USAGE, False, der.sequence(*kept))] if kept else []
