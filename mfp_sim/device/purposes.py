"""Whether a certificate's extended key usage allows the use of its key. RFC 5280, 4.2.1.12; A-42.

Only checks; the printer decides what follows.
"""

from __future__ import annotations

from collections.abc import Mapping

from mfp_sim.shared.errors import DecodeError
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.certificate import Certificate

__all__ = ["misfit"]

NEEDED: Mapping[str, str] = {"TLS": v.SERVER_AUTH, "IEEE 802.1X": v.CLIENT_AUTH}
"""The purpose that a peer requires, by use location. Other use locations require none."""


def misfit(certificate: Certificate, use: str) -> str | None:
    """The reason, as a phrase, why peers reject the certificate for this use location; None if they accept it.

    A certificate without the extension, or with anyExtendedKeyUsage, is valid for any use. This function never raises.
    """
    needed = NEEDED.get(use)
    if needed is None:
        return None
    try:
        purposes = certificate.purposes
    except DecodeError:
        return f"its extended key usage is not readable, and the use location {use} needs {v.oid_text(needed)}"
    if purposes is None or {needed, v.ANY_PURPOSE} & set(purposes):
        return None
    allowed = ", ".join(map(v.oid_text, purposes[:10])) or "nothing"
    return f"its extended key usage allows {allowed}, and the use location {use} needs {v.oid_text(needed)}"
