"""Shapes of CAs as data: what each accepts, advertises and answers with. Every value cites why.

A profile has no behaviour; :mod:`mock_scep_server.service` reads it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from mfp_sim.documents import did_you_mean
from mfp_sim.errors import UsageError

__all__ = ["PROFILES", "CaProfile", "profile_named"]


@dataclass(frozen=True)
class CaProfile:
    """One shape. Ciphers and digests are names of :mod:`mfp_sim.scep.vocabulary`."""

    name: str
    summary: str
    capabilities: tuple[str, ...]
    refuse_ciphers: frozenset[str]
    refuse_digests: frozenset[str]
    reply_cipher_for_weak: str
    empty_content: Literal["absent", "empty", "zero"]
    sources: tuple[str, ...]
    message_types: frozenset[int] = frozenset({17, 19, 20, 21, 22})
    legacy_renewal: bool = True
    renewal_challenge: bool = False
    same_key: Literal["new", "old"] = "new"
    retransmission: Literal["same", "again"] = "same"
    minimum_rsa: int = 1024
    duplicates: timedelta | None = None
    serials: Literal["random", "sequential"] = "random"
    ca_in_reply: bool = True


PROFILES = {
    "rfc8894": CaProfile(
        name="rfc8894",
        summary="RFC 8894 as written: refuses single DES and MD5 with badAlg",
        # SHA-384 is no keyword of the RFC and not advertised.
        capabilities=("AES", "DES3", "POSTPKIOperation", "Renewal", "SHA-1", "SHA-256", "SHA-512", "SCEPStandard"),
        refuse_ciphers=frozenset({"des-cbc"}),  # SCEP-2.9-09
        refuse_digests=frozenset({"md5"}),  # SCEP-2.9-10
        reply_cipher_for_weak="des-ede3-cbc",
        empty_content="absent",  # SCEP-3-02
        sources=("RFC 8894, 2.9", "RFC 8894, 3.5.2", "RFC 8894, 3.3.2.2"),
    ),
    "lenient": CaProfile(
        name="lenient",
        summary="Takes what clients in the field send, single DES and MD5 too; answers with 3DES or AES",
        # SHA-384 lets strongSwan 5.9.8 use AES and SHA-256, whose capability bits it mixes up.
        capabilities=("AES", "DES3", "POSTPKIOperation", "SHA-1", "SHA-256", "SHA-384", "SHA-512", "SCEPStandard"),
        refuse_ciphers=frozenset(),
        refuse_digests=frozenset(),
        reply_cipher_for_weak="des-ede3-cbc",  # never single DES: OpenSSL 3 cannot read it (F-A05)
        empty_content="empty",  # PyScep and certmonger fail when it is absent (F-E07)
        sources=("F-A02", "F-A05", "F-E07"),
    ),
}


def profile_named(name: str) -> CaProfile:
    """The profile of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in PROFILES:
        raise UsageError(f"there is no CA profile {name!r}", remedy=did_you_mean(name, PROFILES) or ", ".join(PROFILES))
    return PROFILES[name]
