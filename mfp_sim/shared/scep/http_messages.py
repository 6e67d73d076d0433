"""HTTP as values, and how SCEP uses it: the bytes on the wire and their timing, without I/O.

Owns `HttpRequest`, `HttpReply`, `Delivery` (bytes with times), the GET and POST mapping of RFC 8894 section 4, its
media types and the capability list of GetCACaps. Must not open connections, read a clock or know what a CertRep is.
Implements SCEP-4.1-*, SCEP-4.2-*, SCEP-3.5.2-*.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from datetime import datetime
from email.utils import format_datetime
from functools import cached_property, lru_cache
from http import HTTPStatus
from typing import Final, Literal, TypeAlias
from urllib.parse import quote, unquote_to_bytes

from mfp_sim import __version__
from mfp_sim.shared.errors import DecodeError, UsageError
from mfp_sim.shared.scep.url import DEFAULT_PORTS, Scheme
from mfp_sim.shared.scep.vocabulary import Operation

__all__ = [
    "CA_CERT",
    "CA_RA_CERT",
    "HEAD_CAP",
    "IDLE_SECONDS",
    "KEYWORDS",
    "MESSAGE_CAP",
    "NEXT_CA_CERT",
    "PKI_MESSAGE",
    "TEXT",
    "TOKEN",
    "Capabilities",
    "Close",
    "Delivery",
    "DeliveryAct",
    "Fate",
    "HttpReply",
    "HttpRequest",
    "Reset",
    "ScepQuery",
    "Send",
    "Serve",
    "Stall",
    "Wait",
    "delivery_of",
    "outgoing",
    "read_base64",
    "read_capabilities",
    "read_scep_query",
    "render_outgoing",
    "render_reply",
    "render_request",
    "scep_request",
]

Headers: TypeAlias = tuple[tuple[str, str], ...]

CA_CERT: Final = "application/x-x509-ca-cert"
CA_RA_CERT: Final = "application/x-x509-ca-ra-cert"
NEXT_CA_CERT: Final = "application/x-x509-next-ca-cert"
PKI_MESSAGE: Final = "application/x-pki-message"
TEXT: Final = "text/plain"

MESSAGE_CAP: Final = 1024 * 1024
"""The largest body, of a request or of a reply, in bytes."""
HEAD_CAP: Final = 64 * 1024
"""The largest size of the request line and the header fields together, in bytes."""
IDLE_SECONDS: Final = 75.0
"""How long a server keeps an idle connection; micromdm's client reuses its connection after 30 s."""

TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
"""A method, or the name of a field (RFC 9110, 5.6.2)."""
_NO_BODY = frozenset({HTTPStatus.NO_CONTENT, HTTPStatus.NOT_MODIFIED})


def _first(headers: Iterable[tuple[str, str]], name: str) -> str | None:
    wanted = name.lower()
    return next((value for key, value in headers if key.lower() == wanted), None)


def _tokens(value: str | None) -> frozenset[str]:
    return frozenset(word.strip().lower() for word in (value or "").split(","))


@dataclass(frozen=True)
class HttpRequest:
    """A request. ``target`` is path and query as on the wire; ``headers`` keep their order and case; ``scheme`` says
    whether the request uses TLS."""

    method: str
    target: str
    headers: Headers = ()
    body: bytes = field(default=b"", repr=False)
    version: str = "HTTP/1.1"
    scheme: Scheme = "http"

    def header(self, name: str) -> str | None:
        """The first field of that name, ignoring case."""
        return _first(self.headers, name)

    @property
    def keep_alive(self) -> bool:
        """Whether the client will use the connection again (RFC 9112 section 9.3)."""
        tokens = _tokens(self.header("Connection"))
        if "close" in tokens:
            return False
        return self.version != "HTTP/1.0" or "keep-alive" in tokens


@dataclass(frozen=True)
class HttpReply:
    """A reply. An empty ``reason`` is derived from the status when the reply is written. ``ends``: the server has said
    that this is the last reply on the connection (RFC 9112, 9.3)."""

    status: int
    reason: str = ""
    headers: Headers = ()
    body: bytes = field(default=b"", repr=False)
    ends: bool = field(default=False, compare=False)

    def header(self, name: str) -> str | None:
        """The first field of that name, ignoring case."""
        return _first(self.headers, name)

    @property
    def media_type(self) -> str | None:
        """Content-Type in lower case without parameters; None if there is none."""
        value = (self.header("Content-Type") or "").partition(";")[0].strip().lower()
        return value or None


@dataclass(frozen=True)
class Send:
    """The server sends these bytes in one piece."""

    octets: bytes = field(repr=False)


@dataclass(frozen=True)
class Wait:
    """The server waits for ``seconds``."""

    seconds: float


@dataclass(frozen=True)
class Close:
    """The server closes the connection properly (FIN)."""


@dataclass(frozen=True)
class Reset:
    """The server aborts the connection (RST)."""


@dataclass(frozen=True)
class Stall:
    """The server keeps the connection open and sends nothing until the client closes it."""


DeliveryAct: TypeAlias = Send | Wait | Close | Reset | Stall


Fate: TypeAlias = Literal["ended", "cut", "late", "lost"]
"""How a delivery ended: it was complete, the client broke it off, the client's deadline passed before the end, or the
network lost it."""


@dataclass(frozen=True)
class Delivery:
    """What happens on the connection after the request is read: acts in order, the same for both carriers.

    After the last act, the connection stays open if ``keep_alive`` is set and the client wants it too; if not, it is
    closed properly. ``Close``, ``Reset`` and ``Stall`` end a delivery. The carrier calls `tell` once with the fate, as
    far as it knows the fate: a socket host only knows what it could send.
    """

    acts: tuple[DeliveryAct, ...]
    keep_alive: bool = True
    tell: Callable[[Fate], None] = field(default=lambda _: None, repr=False, compare=False)

    @property
    def octets(self) -> bytes:
        """All bytes that are sent, joined: for journals and people."""
        return b"".join(act.octets for act in self.acts if isinstance(act, Send))


Serve: TypeAlias = Callable[[HttpRequest, str], Delivery]
"""How a server answers a request from a client's address."""


def delivery_of(reply: HttpReply, *, keep_alive: bool = True, date: datetime | None = None) -> Delivery:
    """A reply sent in one piece. Pass ``request.keep_alive``, so that the Connection field is true."""
    return Delivery((Send(render_reply(reply, keep_alive=keep_alive, date=date)),), keep_alive)


def render_reply(
    reply: HttpReply,
    *,
    keep_alive: bool = True,
    date: datetime | None = None,
    version: str = "HTTP/1.1",
) -> bytes:
    """The reply's bytes, with Date, Content-Length and Connection added if they are missing.

    Raises:
        UsageError: a field or the reason phrase holds a line break or a control character.
    """
    bodiless = reply.status < 200 or reply.status in _NO_BODY
    given = {name.lower() for name, _ in reply.headers}
    added: list[tuple[str, str]] = []
    if date is not None and "date" not in given:
        added.append(("Date", _http_date(date)))
    if not bodiless and given.isdisjoint(("content-length", "transfer-encoding")):
        added.append(("Content-Length", str(len(reply.body))))
    if "connection" not in given:
        added.append(("Connection", "keep-alive" if keep_alive else "close"))
    start = f"{version} {reply.status} {reply.reason or _phrase(reply.status)}"
    return _render(start, (*reply.headers, *added)) + (b"" if bodiless else reply.body)


@lru_cache(maxsize=16)
def _http_date(instant: datetime) -> str:
    return format_datetime(instant, usegmt=True)


def _phrase(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "Unknown"


_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")


def _render(start: str, headers: Headers) -> bytes:
    lines = [start, *(f"{name}: {value}" for name, value in headers)]
    for line in lines:
        if _CONTROL.search(line):
            raise UsageError(f"a control character in an HTTP head: {line!r}")
    return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")


def outgoing(request: HttpRequest, host: str, port: int) -> HttpRequest:
    """The request as a client sends it.

    Host (except in HTTP/1.0, which does not have it), User-Agent, Accept, Connection and Content-Length are added if
    they are missing.
    """
    named = f"[{host}]" if ":" in host else host
    given = {name.lower() for name, _ in request.headers}
    added = [
        ("Host", named if port == DEFAULT_PORTS[request.scheme] else f"{named}:{port}"),
        ("User-Agent", f"mfp-sim/{__version__}"),
        ("Accept", "*/*"),
        ("Connection", "close"),
    ]
    if (request.body or request.method == "POST") and "transfer-encoding" not in given:
        added.append(("Content-Length", str(len(request.body))))
    missing = [(name, value) for name, value in added if name.lower() not in given]
    first = [pair for pair in missing if pair[0] == "Host" and request.version != "HTTP/1.0"]
    rest = [pair for pair in missing if pair[0] != "Host"]
    return replace(request, headers=(*first, *request.headers, *rest))


def render_request(request: HttpRequest, host: str, port: int) -> bytes:
    """The request's bytes, completed by `outgoing`.

    Raises:
        UsageError: the target or a field holds characters that an HTTP head cannot contain.
    """
    return render_outgoing(outgoing(request, host, port))


def render_outgoing(whole: HttpRequest) -> bytes:
    """The bytes of a request that is already complete.

    Raises:
        UsageError: the target or a field holds characters that an HTTP head cannot contain.
    """
    if not TOKEN.fullmatch(whole.method) or not re.fullmatch(r"[!-~]+", whole.target):
        raise UsageError(f"not an HTTP request line: {whole.method!r} {whole.target!r}")
    return _render(f"{whole.method} {whole.target} {whole.version}", whole.headers) + whole.body


def scep_request(
    target_base: str,
    operation: Operation,
    message: bytes | str | None = None,
    *,
    method: Literal["GET", "POST"] = "GET",
) -> HttpRequest:
    """The HTTP request of a SCEP operation (RFC 8894 section 4.1).

    ``target_base`` is path and query of the server's URL. With GET, bytes are sent as base64 and text as it is, both
    with reserved characters escaped. With POST, the bytes are the body.

    Raises:
        UsageError: POST without bytes.
    """
    base = target_base or "/"
    base = base if base.startswith("/") else "/" + base
    target = f"{base}{'&' if '?' in base else '?'}operation={operation.value}"
    if method == "POST":
        if not isinstance(message, bytes):
            raise UsageError("a POST of SCEP carries bytes")
        return HttpRequest("POST", target, (("Content-Type", PKI_MESSAGE),), message)
    if isinstance(message, bytes):
        message = base64.b64encode(message).decode("ascii")
    if message is not None:
        target += "&message=" + quote(message, safe="")
    return HttpRequest("GET", target)


@dataclass(frozen=True)
class ScepQuery:
    """The operation and message of a request. ``message`` is decoded for PKIOperation, else the bytes of the text.

    ``notes`` list what was tolerated: requirement, place, sentence.
    """

    operation: str | None
    message: bytes | None = field(repr=False)
    notes: tuple[str, ...] = ()


def read_scep_query(request: HttpRequest) -> ScepQuery:
    """Read operation and message. The mistakes of real clients with base64 in a query are tolerated.

    The raw query is percent-decoded without treating ``+`` as a blank. Line breaks and tabs are dropped, blanks become
    ``+``, base64url is translated, and missing padding is added. The base64 decoding itself is strict.

    Raises:
        DecodeError: the target is longer than the limit for a head, or the message of a PKIOperation is not base64.
    """
    if len(request.target) > HEAD_CAP:
        raise DecodeError("query", HEAD_CAP, f"a target of at most {HEAD_CAP} bytes", f"{len(request.target)} bytes")
    notes: list[str] = []
    operation: str | None = None
    message: bytes | None = None
    raw = ""
    for field_text in request.target.partition("?")[2].partition("#")[0].split("&"):
        name, _, value = field_text.partition("=")
        key = unquote_to_bytes(name.encode("latin-1", "replace")).decode("latin-1")
        octets = unquote_to_bytes(value.encode("latin-1", "replace"))
        if key.lower() not in {"operation", "message"}:
            continue
        if key != key.lower():
            notes.append(f"SCEP-4.1-02 query: it names {key!r} instead of {key.lower()!r}")
        if key.lower() == "operation" and operation is None:
            operation = octets.decode("latin-1")
        elif key.lower() == "message" and message is None:
            message, raw = octets, value
        else:
            notes.append(f"SCEP-4.1-02 query: {key!r} occurs more than once; the first counts")
    if operation == Operation.PKI_OPERATION:
        message = _pki_message(request, message, raw, notes)
    elif message is not None:
        requirement = "SCEP-3.5.1-01" if operation == Operation.GET_CA_CAPS else "SCEP-4.2-02"
        notes.append(f"{requirement} query: a message, which {operation or 'this operation'} must not have")
    return ScepQuery(operation, message, tuple(notes))


def _pki_message(request: HttpRequest, in_query: bytes | None, raw: str, notes: list[str]) -> bytes | None:
    if request.method == "POST" and (request.body or in_query is None):
        if not request.body:
            return None
        media_type = (request.header("Content-Type") or "").strip()
        if media_type.lower() != PKI_MESSAGE:
            notes.append(f"SCEP-4.3-02 Content-Type: {PKI_MESSAGE} expected, got {media_type[:80] or 'none'}")
        if in_query is not None:
            notes.append("SCEP-4.1-01 query: a message beside the body; the body counts")
        if request.body[:1] == b"M":  # 30 8x in base64
            notes.append("SCEP-4.1-14 body: base64 instead of the bytes themselves")
            return read_base64(request.body, notes)
        return request.body
    if in_query is None:
        return None
    if request.method == "POST":
        notes.append("SCEP-4.1-01 query: a POST with the message in it")
    unescaped = [letter for letter in "+/=" if letter in raw]
    if unescaped:
        notes.append(f"SCEP-4.1-10 query: {' '.join(unescaped)} not escaped")
    return read_base64(in_query, notes)


def read_base64(text: bytes, notes: list[str]) -> bytes:
    """The bytes of a message in base64; each tolerated deviation is added to ``notes``.

    Raises:
        DecodeError: the text is not base64; the offset is that of the first wrong byte.
    """
    plain = text.translate(None, b"\r\n\t")
    if plain != text:
        notes.append("SCEP-4.1-11 message: line breaks in the base64")
    if b" " in plain:
        notes.append("SCEP-4.1-10 message: blanks in the base64 were read as '+'")
        plain = plain.replace(b" ", b"+")
    if b"-" in plain or b"_" in plain:
        notes.append("SCEP-4.1-09 message: base64url instead of base64")
        plain = plain.translate(bytes.maketrans(b"-_", b"+/"))
    short = -len(plain) % 4
    if short:
        notes.append("SCEP-4.1-11 message: the base64 lacks padding")
        plain += b"=" * short
    try:
        return base64.b64decode(plain, validate=True)
    except binascii.Error as error:
        bad = re.search(rb"[^A-Za-z0-9+/=]", plain)
        offset = bad.start() if bad else len(text)
        got = f"byte {bad.group()[0]:02X}" if bad else str(error)
        raise DecodeError("message", offset, "base64", got) from None


@dataclass(frozen=True)
class Capabilities:
    """The keywords of GetCACaps as received, and what a client derives from them (RFC 8894 section 3.5.2).

    Without any keyword, the client uses the oldest behaviour: GET, triple DES, SHA-1; never single DES or MD5.
    """

    keywords: tuple[str, ...] = ()

    def has(self, keyword: str) -> bool:
        """Whether the keyword was listed, in any case."""
        return keyword.lower() in self._listed

    @cached_property
    def _listed(self) -> frozenset[str]:
        return frozenset(word.lower() for word in self.keywords)

    @property
    def standard(self) -> bool:
        """SCEPStandard was listed, which implies POST, AES and SHA-256."""
        return self.has("SCEPStandard")

    @property
    def post(self) -> bool:
        """PKIOperation may use POST."""
        return self.standard or self.has("POSTPKIOperation")

    @property
    def renewal(self) -> bool:
        """Renewal was listed."""
        return self.has("Renewal")

    @property
    def next_ca(self) -> bool:
        """GetNextCACert was listed."""
        return self.has("GetNextCACert")

    @property
    def digest(self) -> str:
        """The digest for signatures: sha256, else sha512 if only that was listed, else sha1."""
        if self.standard or self.has("SHA-256"):
            return "sha256"
        return "sha512" if self.has("SHA-512") else "sha1"

    @property
    def cipher(self) -> str:
        """The cipher for envelopes: aes-128-cbc or des-ede3-cbc."""
        return "aes-128-cbc" if self.standard or self.has("AES") else "des-ede3-cbc"


KEYWORDS: Final = (
    "AES",
    "DES3",
    "GetNextCACert",
    "POSTPKIOperation",
    "Renewal",
    "SHA-1",
    "SHA-256",
    "SHA-512",
    "SCEPStandard",
)
"""The keywords of RFC 8894, 3.5.2."""
_KEYWORD = re.compile(r"[A-Za-z0-9][!-;=?-~]{0,63}")  # printable, no blank, no angle brackets


def read_capabilities(body: bytes) -> Capabilities:
    """Read the lines of GetCACaps; blank lines and lines that are not keywords (such as an HTML page) are ignored."""
    text = body[:HEAD_CAP].removeprefix(b"\xef\xbb\xbf").decode("latin-1")
    if text.lstrip().startswith("<"):
        return Capabilities()
    lines = (line.strip(" \t\r\x00") for line in text.split("\n"))
    return Capabilities(tuple(line for line in lines if _KEYWORD.fullmatch(line)))
