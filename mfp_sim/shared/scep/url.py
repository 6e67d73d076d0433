"""A URL and its parts: the one place that finds host, port and request target in a URL.

`Url.of_server` refuses text that is not the URL of a server; any other rule about URLs belongs to the caller. Must not
open connections. RFC 3986; RFC 8894, 4.1.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal, TypeAlias
from urllib.parse import SplitResult, urlsplit

from mfp_sim.shared.errors import UsageError

__all__ = ["DEFAULT_PORTS", "Scheme", "Url"]

Scheme: TypeAlias = Literal["http", "https"]
DEFAULT_PORTS: Final[Mapping[str, int]] = {"http": 80, "https": 443}
"""The default port for each scheme."""


@dataclass(frozen=True)
class Url:
    """A URL or a relative reference; each of its ``parts`` may be empty."""

    parts: SplitResult

    @classmethod
    @lru_cache(maxsize=64)  # every exchange uses the same few URLs
    def parse(cls, text: str) -> Url:
        """Split ``text`` into its parts.

        Raises:
            ValueError: a bracket is missing, or the text in brackets is not an IPv6 address.
        """
        return cls(urlsplit(text))

    @classmethod
    def of_server(cls, text: str, remedy: str) -> Url:
        """The URL of a server. ``remedy`` is shown if the scheme is neither http nor https, or the host is missing.

        Raises:
            UsageError: ``text`` is not a URL, is neither http nor https, or has a login, which reports would show.
        """
        before, _, after = text.rpartition("@")
        shown = f"...@{after}" if before else text  # this part may be a login, even in a malformed URL
        if not re.fullmatch(r"[!-~]*", text):
            ascii_only = (
                "write xn--... for a host name with other letters, and %XX for other characters outside printable ASCII"
            )
            raise UsageError(f"{shown!r} is not a URL", remedy=ascii_only)
        try:
            found = cls.parse(text)
        except ValueError:
            raise UsageError(f"{shown!r} is not a URL") from None
        try:
            valid = found.parts.port != 0
        except ValueError:  # not a number, or too large
            valid = False
        if found.parts.username is not None or (before and not valid):  # a slash in a password ends the host
            raise UsageError("the URL has a login in it", remedy="leave it out, and give it with --http-login-env NAME")
        if not valid:
            raise UsageError(
                f"the port in {shown!r} is not valid", remedy="use a port from 1 to 65535, or leave it out"
            )
        if found.parts.scheme not in DEFAULT_PORTS or not found.host:
            raise UsageError(f"{shown!r} is not an http or https URL", remedy=remedy)
        return found

    @property
    def scheme(self) -> Scheme:
        """The scheme of the URL; http if it has another scheme or none."""
        return "https" if self.parts.scheme == "https" else "http"

    @property
    def host(self) -> str:
        """The host name in lower case, or the IP literal without brackets; empty if there is none."""
        return self.parts.hostname or ""

    @property
    def port(self) -> int:
        """The port; that of the scheme if the URL names none.

        Raises:
            ValueError: it is not a number from 0 to 65535.
        """
        return self.parts.port or DEFAULT_PORTS[self.scheme]

    @property
    def target(self) -> str:
        """Path and query, as they go on the wire."""
        return (self.parts.path or "/") + (f"?{self.parts.query}" if self.parts.query else "")
