"""A URL and its parts: the one reader of host, port and what goes into the request line.

Owns no refusal but that of a server's URL in a command: what else may not be in a URL is said by whoever takes it.
RFC 3986; RFC 8894, 4.1.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

from mfp_sim.errors import UsageError

__all__ = ["Url"]


@dataclass(frozen=True)
class Url:
    """A URL, or a reference to one, as its ``parts``; none of them has to be there."""

    parts: SplitResult

    @classmethod
    @lru_cache(maxsize=64)  # the same few come with every exchange
    def parse(cls, text: str) -> Url:
        """Take ``text`` apart.

        Raises:
            ValueError: its host is neither a name nor an address; one of IPv6 stands in brackets.
        """
        return cls(urlsplit(text))

    @classmethod
    def of_server(cls, text: str, remedy: str) -> Url:
        """The URL of a server that is spoken to in plain HTTP; ``remedy`` is given for another scheme.

        Raises:
            UsageError: it is not a URL, or not http.
        """
        try:
            found = cls.parse(text)
            _ = found.port
        except ValueError:
            raise UsageError(f"{text!r} is not a URL") from None
        if found.parts.scheme != "http" or not found.host:
            raise UsageError(f"{text!r} is not an http URL", remedy=remedy)
        return found

    @property
    def host(self) -> str:
        """Host name in small letters, or IP literal without brackets; empty where there is none."""
        return self.parts.hostname or ""

    @property
    def port(self) -> int:
        """The port, 80 where none is named.

        Raises:
            ValueError: it is not a number from 0 to 65535.
        """
        return self.parts.port or 80

    @property
    def target(self) -> str:
        """Path and query, as they go on the wire."""
        return (self.parts.path or "/") + (f"?{self.parts.query}" if self.parts.query else "")
