"""The administrator's input as values, checked against the ranges and rules of the profile. Refusals name their reason.

Serves MFP-COMM-*, MFP-REQ-01…06, MFP-AUTO-*. Ranges are assumptions (A-01…A-17).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import datetime
from functools import lru_cache
from typing import Annotated, ClassVar

from mfp_sim.device.printer_profile import Profile
from mfp_sim.shared.documents import YEARS, Node, Problems, describe, in_years
from mfp_sim.shared.documents.json_values import Exchanged, Instant
from mfp_sim.shared.documents.kinds import Leaf, Schema
from mfp_sim.shared.documents.records import Doc, document
from mfp_sim.shared.errors import Reason, Refused
from mfp_sim.shared.scep.url import DEFAULT_PORTS, Scheme, Url

__all__ = [
    "Address",
    "AutoRequestSettings",
    "CommunicationSettings",
    "KeySettings",
    "Polling",
    "ShownSentence",
    "advice_on",
    "read_ip",
]

_LABEL = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(?<!-)\Z")


def read_ip(text: object) -> str:
    """An address that a printer can have, in its usual spelling.

    Raises:
        ValueError: it is not an IP address, or it is unspecified, broadcast, multicast or has a zone.
    """
    address = ipaddress.ip_address(str(text))
    if address.is_unspecified or address.is_multicast or str(address) == "255.255.255.255" or "%" in str(address):
        raise ValueError("not the address of one printer")
    return str(address)


class Address(Leaf):
    """An IP address of one printer, as written in a file."""

    shape: ClassVar[Schema] = {"type": "string"}

    def value(self, node: Node, problems: Problems, what: str) -> object:
        text = problems.text(node, what)
        try:
            return None if text is None else read_ip(text)
        except ValueError:
            problems.add(node, f"{what} has to be an IPv4 or IPv6 address of one printer, not {describe(node)}")
            return None


@lru_cache(maxsize=256)
def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _is_host(text: str) -> bool:
    """Whether it is an IP address, or a host name whose last label is not a number (RFC 1123, 2.1)."""
    name = text.removesuffix(".")
    labels = name.split(".")
    named = len(name) <= 253 and all(map(_LABEL.match, labels)) and not labels[-1].isdigit()
    return named or _is_address(text)


def _in_range(value: int, span: tuple[int, int], reason: Reason, what: str) -> None:
    if not span[0] <= value <= span[1]:
        raise Refused(reason, f"{what} has to be from {span[0]} to {span[1]}, not {value}")


def _is_text(text: str) -> bool:
    """Whether the text is printable; marks for right-to-left text count as printable."""
    return all(letter.isprintable() or letter in "\u200c\u200d\u200e\u200f" for letter in text)


@document("the communication settings", exchanged=True)
@dataclass(frozen=True)
class CommunicationSettings:
    """[Communication Settings]: URL, port, and one deadline per HTTP exchange in seconds (A-01…A-03)."""

    url: str
    port: int = 80
    timeout: int = 30

    def validate(self, profile: Profile) -> None:
        """Raise Refused unless the model accepts these values."""
        if not self.url or len(self.url) > profile.url_length or not re.fullmatch(r"[!-~]+", self.url):
            raise Refused("bad-url", f"the URL has to be 1 to {profile.url_length} printable ASCII characters")
        parts = self._url().parts
        if parts.scheme == "https" and not profile.https:
            raise Refused("https-not-supported", "the printer does not support HTTPS here", remedy="use http://")
        try:
            port = parts.port
        except ValueError:
            raise Refused("bad-url", "the port in the URL is not a number from 0 to 65535") from None
        foreign = parts.username is not None or parts.password is not None or "#" in self.url
        if parts.scheme not in DEFAULT_PORTS or foreign or not _is_host(parts.hostname or ""):
            raise Refused("bad-url", "the URL has to be http://host/path")
        _in_range(self.port, profile.port_range, "bad-port", "the port number")
        if port is not None and port != self.port:
            raise Refused("port-conflict", f"the URL has port {port}, but the port number is {self.port}")
        _in_range(self.timeout, profile.timeout_range, "bad-timeout", "the communication timeout (seconds)")

    def _url(self) -> Url:
        try:
            return Url.parse(self.url)
        except ValueError:
            raise Refused("bad-url", "the host in the URL is not an IPv6 address in brackets") from None

    @property
    def scheme(self) -> Scheme:
        """The scheme of the URL."""
        return self._url().scheme

    @property
    def host(self) -> str:
        """Host name or IP literal without brackets."""
        return self._url().host

    @property
    def target(self) -> str:
        """Path and query as sent."""
        return self._url().target


@dataclass(frozen=True)
class ShownSentence:
    """A sentence that the printer shows; ``key`` identifies it in every language."""

    key: str
    text: str

    def __str__(self) -> str:
        return self.text


@document("the key")
@dataclass(frozen=True)
class KeySettings:
    """The items of a request (MFP-REQ-01). ``length`` in bits; the challenge password is never shown."""

    name: Annotated[str, Doc("the name of the key")]
    common_name: Annotated[str, Doc("the subject's common name: an address or a host name")]
    organization: Annotated[str, Doc("the subject's organization")] = ""
    length: Annotated[int, Doc("the length of the key in bits")] = 2048
    signature: Annotated[str, Doc("the hash of the signatures")] = "SHA256"
    use: Annotated[str, Doc("what the key is for")] = "None"
    policy: Annotated[str | None, Doc("the IPSec policy that uses it")] = None
    challenge: Annotated[str | None, Doc("the challenge password")] = field(default=None, repr=False)

    def validate(self, profile: Profile, *, dns: bool, policies: Collection[str] = ()) -> None:
        """Raise Refused unless the model accepts these values; ``policies`` are the printer's IPSec policies."""
        if not re.fullmatch(rf"[A-Za-z0-9 _-]{{1,{profile.key_name_length}}}", self.name):
            text = f"the key name has to be 1 to {profile.key_name_length} letters, digits, blanks, - or _"
            raise Refused("bad-key-name", text)
        if self.signature not in profile.hashes:
            raise Refused("bad-signature-algorithm", f"the hash has to be one of {', '.join(profile.hashes)}")
        if self.length not in profile.key_lengths:
            lengths = ", ".join(map(str, profile.key_lengths))
            raise Refused("bad-key-length", f"the key length has to be one of {lengths} bits")
        if len(self.organization) > profile.organization_length or not _is_text(self.organization):
            text = f"the organization has at most {profile.organization_length} characters, without control characters"
            raise Refused("bad-organization", text)
        self._validate_common_name(profile, dns=dns)
        if self.challenge is not None and not re.fullmatch(rf"[ -~]{{0,{profile.challenge_length}}}", self.challenge):
            text = f"the challenge password has at most {profile.challenge_length} printable ASCII characters"
            raise Refused("bad-challenge", text)
        if self.use not in profile.uses:
            raise Refused("bad-use", f"the key use location has to be one of {', '.join(profile.uses)}")
        if (self.use == "IPSec") != (self.policy is not None):
            raise Refused("bad-policy", "the use location IPSec needs an IPSec policy, and no other may have one")
        if self.policy is not None and self.policy not in policies:
            raise Refused(
                "no-such-policy", "there is no IPSec policy with that name", remedy="register the policy first"
            )

    def _validate_common_name(self, profile: Profile, *, dns: bool) -> None:
        if not 1 <= len(self.common_name) <= profile.common_name_length:
            raise Refused("bad-common-name", f"the common name has 1 to {profile.common_name_length} characters")
        if not _is_host(self.common_name):
            raise Refused("bad-common-name", "the common name has to be an IP address or an FQDN")
        if self.needs_dns and not dns and profile.fqdn_without_dns == "refuse":
            text = "an FQDN as common name needs a DNS server"
            raise Refused("fqdn-without-dns", text, remedy="enter the IP address")

    @property
    def needs_dns(self) -> bool:
        """Whether the common name is an FQDN (MFP-REQ-03)."""
        return not _is_address(self.common_name)

    @property
    def destination(self) -> tuple[str, str | None]:
        """The use location and, for IPSec, its policy."""
        return self.use, self.policy


@document("polling", exchanged=True)
@dataclass(frozen=True)
class Polling:
    """The number of polls, and the minutes between them (A-16)."""

    count: int = 3
    minutes: int = 10


@document("the automatic request", exchanged=True)
@dataclass(frozen=True)
class AutoRequestSettings:
    """[Settings for Certificate Issuance Auto Request]. ``start`` is local time without a zone (A-14)."""

    timer: bool
    start: Annotated[datetime | None, Instant(local=True)] = None
    key: Annotated[KeySettings | None, Exchanged()] = None
    adjust: bool = False
    polling: Polling | None = None
    every_days: int | None = None
    restart: bool = False
    delete_old: bool = False

    def validate(self, profile: Profile, *, dns: bool, policies: Collection[str] = ()) -> None:
        """Raise Refused unless the model accepts these values."""
        if self.start is not None and not in_years(self.start):
            text = f"the request start date/time has to be in the years {YEARS[0]} to {YEARS[1]}"
            raise Refused("start-out-of-range", text)
        if self.polling is not None:
            _in_range(self.polling.count, profile.poll_count_range, "bad-poll-count", "the polling count")
            _in_range(self.polling.minutes, profile.poll_minutes_range, "bad-poll-interval", "the interval (minutes)")
        if self.every_days is not None:
            _in_range(self.every_days, profile.period_days_range, "bad-request-interval", "the interval (days)")
        if self.key is not None:
            self.key.validate(profile, dns=dns, policies=policies)
        if self.every_days is not None and profile.renewal_trigger != "calendar":
            raise Refused(
                "bad-request-interval", "this model renews before the certificate expires, not at an interval"
            )
        if self.timer and (self.start is None or self.key is None):
            raise Refused("incomplete", "the timer needs a start date/time and the settings for key and certificate")


def advice_on(key: KeySettings, ip: str) -> tuple[ShownSentence, ...]:
    """The help texts that apply to the values entered for a key. They do not refuse anything (MFP-REQ-04)."""
    if key.common_name == ip:
        return ()
    text = "For IPPS printing from Windows the common name has to be the printer's IP address."
    return (ShownSentence("name-for-ipps", text),)
