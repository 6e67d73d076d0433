"""Personas: the forms in which real clients write their requests, to test how a server reacts to them.

The checks then start from such a request instead of one that follows the RFC in everything. A persona has every
property that was measured on the wire or is documented (``sources``); every other property is as in the RFC, and
``unknown`` lists these.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote

from mfp_sim.shared.documents import did_you_mean
from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.scep.algorithms import KeyTransport
from mfp_sim.shared.scep.oddities import CORRECT, Oddities

__all__ = ["PERSONAS", "Persona", "persona_named"]


@dataclass(frozen=True)
class Persona:
    """One client.

    ``identifier`` is the form of its transactionID, ``signer`` its self-signed certificate's subject. ``throwaway``: a
    separate key signs, not the one to certify. ``escaped`` writes base64 into a query; ``version`` is that of HTTP.
    """

    name: str
    summary: str
    method: Literal["advertised", "GET"] = "advertised"
    digest: str | None = None
    cipher: str | None = None
    identifier: Literal["hex", "base64", "decimal"] = "hex"
    signer: str | None = None
    throwaway: bool = False
    escaped: Callable[[str], str] | None = field(default=None, repr=False)
    version: str = "HTTP/1.1"
    unknown: str = ""
    sources: tuple[str, ...] = ()
    oddities: Oddities = field(default=CORRECT, repr=False)


def _wrapped(text: str) -> str:
    """A line break after every 64 characters, and all reserved characters escaped."""
    return "%0A".join(quote(text[start : start + 64], safe="") for start in range(0, len(text), 64))


PERSONAS: Mapping[str, Persona] = {
    persona.name: persona
    for persona in (
        Persona("rfc8894", "follows the RFC in everything: AES-128, SHA-256, DER"),
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
            "certmonger", "only GET, AES-256, a decimal transactionID", method="GET", cipher="aes-256-cbc",
            identifier="decimal",
        ),
        Persona("jscep", "BER with indefinite lengths", oddities=Oddities(ber=True)),
        Persona(
            "windows",
            "signed by a temporary key and its certificate; the content key encrypted with RSAES-OAEP",
            throwaway=True,
            unknown="digest, cipher, the parameters of OAEP, transactionID, the signer's names, User-Agent",
            sources=("F-E12", "F-E14"),
            oddities=Oddities(key_transport=KeyTransport(scheme="oaep")),
        ),
        Persona(
            "apple",
            "a GET escapes only the padding and leaves + and / unescaped, like macOS; POST if it is advertised",
            escaped=lambda text: text.replace("=", "%3D"),
            unknown="digest, cipher, transactionID, the signer's certificate, User-Agent",
            sources=("F-T05", "F-N07"),
        ),
        Persona(
            "cisco-ios",
            "GET in HTTP/1.0 without Host, a line break (%0A) after every 64 characters, SHA-1",
            method="GET",
            digest="sha1",
            escaped=_wrapped,
            version="HTTP/1.0",
            unknown="cipher, transactionID, the signer's names, User-Agent; MD5 and single DES, which old clients use, "
            "are not sent, since a right server refuses them",
            sources=("F-A01", "F-A02", "F-T06", "F-T24"),
        ),
    )
}  # fmt: skip


def persona_named(name: str) -> Persona:
    """The persona of that name.

    Raises:
        UsageError: there is no such persona.
    """
    if name not in PERSONAS:
        raise UsageError(f"there is no persona {name!r}", remedy=did_you_mean(name, PERSONAS) or ", ".join(PERSONAS))
    return PERSONAS[name]
