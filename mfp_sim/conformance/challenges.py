"""Sources of challengePasswords: none, one for all, a command for each, or the admin page of NDES.

Reports contain no challenge: the redactor gets each one when it is used. RFC 8894, 7.3; F-S01, F-S04.
"""

from __future__ import annotations

import base64
import html
import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from mfp_sim.conformance.commands import carried_out
from mfp_sim.shared.errors import TransportError, UsageError
from mfp_sim.shared.scep.http_messages import HttpRequest
from mfp_sim.shared.scep.url import Url
from mfp_sim.transport import Transport

__all__ = ["Command", "NdesPageClient", "SendNoChallenge", "Static"]

SECONDS = 30.0


@dataclass(frozen=True)
class SendNoChallenge:
    """Enrolment is open, or an operator approves it."""

    described: str = "none"

    def next(self) -> None:
        """Always None: the request has no such attribute."""
        return


@dataclass(frozen=True)
class Static:
    """One challenge for every request."""

    secret: str = field(repr=False)
    described: str = "static"

    def next(self) -> str:
        """The challenge."""
        return self.secret


@dataclass(frozen=True)
class Command:
    """A command that prints a new challenge on one line each time; it runs without a shell."""

    words: Sequence[str] = field(repr=False)

    @property
    def described(self) -> str:
        """Only the program's name: its arguments may contain a secret."""
        return f"command {self.words[0]}"

    def next(self) -> str:
        """The line that the command prints.

        Raises:
            UsageError: it cannot be run, fails, or prints nothing.
        """
        words = self.words
        done = carried_out("challenge", words, seconds=SECONDS)
        lines = done.stdout.splitlines()
        if done.returncode or not lines or not lines[0].strip():
            raise UsageError(
                f"the challenge command {words[0]} printed no challenge password (exit code {done.returncode})"
            )
        return lines[0].strip()


_HEXADECIMAL = re.compile(r"\b[0-9A-Fa-f]{16,64}\b")
_LABELLED = re.compile(r"challenge password is:?\s*<b>\s*([^<\s]+)\s*</b>", re.IGNORECASE)
_TROUBLES = ("cache is full", "sufficient permission", "No challenge password")


class NdesPageClient:
    """The page of NDES (``/CertSrv/mscep_admin/``) that shows a new challenge each time it is fetched."""

    def __init__(self, url: str, transport: Transport, *, login: str | None = None) -> None:
        self._url, self._where = (
            url,
            Url.of_server(url, remedy="write the URL of the admin page as http(s)://host/path"),
        )
        self._transport = transport
        token = base64.b64encode(login.encode()).decode() if login else None
        self._headers = (("Authorization", f"Basic {token}"),) if token else ()

    @property
    def described(self) -> str:
        """The page's address."""
        return f"admin page {self._url}"

    def next(self) -> str:
        """The challenge on the page.

        Raises:
            UsageError: the page cannot be read or shows none; the error quotes the page.
        """
        try:
            request = HttpRequest("GET", self._where.target, self._headers, scheme=self._where.scheme)
            reply = self._transport.exchange(self._where.host, self._where.port, request, SECONDS)
        except TransportError as error:
            raise UsageError(f"the admin page {self._url} cannot be read: {error.message}") from None
        encoding = "utf-16" if reply.body[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8"
        page = reply.body.decode(encoding, "replace")
        if reply.status != 200:
            remedy = (
                "give --challenge-page-login-env NAME with user:password" if reply.status == 401 else "check the URL"
            )
            raise UsageError(f"the admin page {self._url} returned HTTP {reply.status}", remedy=remedy)
        found = _LABELLED.search(page)
        if found is not None:
            return html.unescape(str(found[1]))
        # NDES shows the CA's thumbprint first and the challenge after it.
        words = _HEXADECIMAL.findall(re.sub(r"<[^>]*>", " ", page))
        for words_of in _TROUBLES:
            if words_of.lower() in page.lower():
                raise UsageError(
                    f"the admin page {self._url} shows no challenge password; it says '... {words_of} ...'"
                )
        if not words:
            raise UsageError(f"the admin page {self._url} shows no challenge password")
        return str(words[-1])
