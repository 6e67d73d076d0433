"""Printer models as data: limits, ranges, and one value for every assumption about what the manual does not say.

A field that rests on an assumption carries its A-number; ``with_reading`` gives the profile another reading of one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from mfp_sim.documents import did_you_mean
from mfp_sim.errors import UsageError

__all__ = ["PROFILES", "READINGS", "Profile", "profile_named", "with_reading"]


@dataclass(frozen=True)
class Profile:
    """One model. Times are in seconds unless the name says otherwise; ranges include both ends."""

    name: str
    summary: str
    scep: str
    url_length: int = 255
    port_range: tuple[int, int] = (1, 65535)
    timeout_range: tuple[int, int] = (1, 300)
    default_timeout: int = 30
    key_name_length: int = 24
    hashes: tuple[str, ...] = ("SHA1", "SHA256", "SHA384", "SHA512")
    key_lengths: tuple[int, ...] = (1024, 2048, 4096)  # A-07, bits
    organization_length: int = 64
    common_name_length: int = 64
    fqdn_without_dns: Literal["refuse", "warn"] = "refuse"
    challenge_length: int = 255
    uses: tuple[str, ...] = ("None", "TLS", "IEEE 802.1X", "IPSec")
    adjustment_range: tuple[int, int] = (1, 600)  # A-15, added to the start
    poll_count_range: tuple[int, int] = (1, 100)
    poll_minutes_range: tuple[int, int] = (1, 1440)
    period_days_range: tuple[int, int] = (1, 365)
    period: Literal["local-days", "seconds"] = "local-days"
    restart_seconds: int = 30
    overwrite: Literal["in-place", "register-first"] = "in-place"
    http_errors_that_poll: Literal["none", "5xx", "all"] = "none"
    key_limit: int = 8  # A-26, the Default Key included
    default_key_name: str = "Default Key"
    default_key_use: str = "TLS"
    weak_algorithms: Literal["use", "refuse"] = "use"  # 3DES and SHA-1 when nothing better is offered
    read_single_des: bool = False
    cms_digest: Literal["capabilities", "signature-algorithm"] = "capabilities"
    shown_time: Literal["adjusted", "nominal"] = "adjusted"
    resend: Literal["same", "CertPoll", "new-transaction"] = "same"
    first_request_counts: bool = False
    successful_shows: Literal["receipt", "not-before"] = "receipt"
    history: int = 20  # said by the manual


PROFILES: Mapping[str, Profile] = {
    "canon-ir-adv-dx": Profile(
        name="canon-ir-adv-dx",
        summary="imageRUNNER ADVANCE DX, after the manual 7J2E-0A3; what it does not say is assumed",
        scep="RFC 8894 and the NDES of Windows Server 2008 R2, 2012 R2 and 2016 (A-27)",
    ),
}

# assumption: (field, {reading: value}); the default reading comes first
READINGS: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "A-09": ("fqdn_without_dns", {"refuse": "refuse", "warn": "warn"}),
    "A-17": ("period", {"local-days": "local-days", "seconds": "seconds"}),
    "A-19": ("overwrite", {"in-place": "in-place", "register-first": "register-first"}),
    "A-22": ("http_errors_that_poll", {"none": "none", "5xx": "5xx", "all": "all"}),
    "A-27": ("weak_algorithms", {"use": "use", "refuse": "refuse"}),
    "A-33": ("shown_time", {"adjusted": "adjusted", "nominal": "nominal"}),
    "A-34": ("resend", {"same": "same", "CertPoll": "CertPoll", "new-transaction": "new-transaction"}),
    "A-35": ("first_request_counts", {"not-counted": False, "counted": True}),
    "A-38": ("successful_shows", {"receipt": "receipt", "not-before": "not-before"}),
}


def profile_named(name: str) -> Profile:
    """The profile of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in PROFILES:
        raise UsageError(
            f"there is no printer profile {name!r}", remedy=did_you_mean(name, PROFILES) or ", ".join(PROFILES)
        )
    return PROFILES[name]


def with_reading(profile: Profile, assumption: str, reading: str | None = None) -> Profile:
    """The profile with another reading of one assumption; without ``reading``, the second one.

    Raises:
        UsageError: the assumption has no switch, or no such reading.
    """
    if assumption not in READINGS:
        raise UsageError(f"{assumption} has no other reading", remedy=f"those that have: {', '.join(READINGS)}")
    field, readings = READINGS[assumption]
    chosen = reading if reading is not None else list(readings)[1]
    if chosen not in readings:
        raise UsageError(f"{assumption} has no reading {chosen!r}", remedy=f"one of {', '.join(readings)}")
    return replace(profile, **{field: readings[chosen]})  # type: ignore[arg-type]
