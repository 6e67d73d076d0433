"""Personas: the shapes in which real clients write their requests, for whoever wants to know how a server takes them.

The checks then start from such a request instead of one that is right in everything. Measured on the wire; see the
notes on real clients in the documentation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from mfp_sim.shared.documents import did_you_mean
from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.scep.oddities import CORRECT, Oddities

__all__ = ["Persona", "persona_named"]


@dataclass(frozen=True)
class Persona:
    """One client. ``identifier`` is the form of its transactionID, ``signer`` its self-signed certificate's subject."""

    name: str
    summary: str
    method: Literal["advertised", "GET"] = "advertised"
    digest: str | None = None
    cipher: str | None = None
    identifier: Literal["hex", "base64", "decimal"] = "hex"
    signer: str | None = None
    oddities: Oddities = field(default=CORRECT, repr=False)


PERSONAS: Mapping[str, Persona] = {
    persona.name: persona
    for persona in (
        Persona("rfc8894", "right in everything: AES-128, SHA-256, DER"),
        Persona(
            "micromdm",
            "SHA-1 with its combined name, a constructed encryptedContent, a base64 transactionID, CN=SCEP SIGNER",
            digest="sha1",
            identifier="base64",
            signer="SCEP SIGNER",
            oddities=Oddities(constructed_ciphertext=True, signature_name="combined"),
        ),
        Persona(
            "strongswan",
            "sha256WithRSAEncryption, 40 hexadecimal digits",
            oddities=Oddities(signature_name="combined"),
        ),
        Persona(
            "certmonger", "GET only, AES-256, a decimal transactionID", method="GET", cipher="aes-256-cbc",
            identifier="decimal",
        ),
        Persona("jscep", "BER with indefinite lengths", oddities=Oddities(ber=True)),
    )
}  # fmt: skip


def persona_named(name: str) -> Persona:
    """The persona of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in PERSONAS:
        raise UsageError(f"there is no persona {name!r}", remedy=did_you_mean(name, PERSONAS) or ", ".join(PERSONAS))
    return PERSONAS[name]
