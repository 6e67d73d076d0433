"""Reads HTTP exchanges from a packet capture (pcap, pcapng): TCP on any port, over IPv4 and IPv6.

dpkt reads the packets but does not reassemble streams. This module does, in a minimal way: it orders segments by
sequence number, drops repeated bytes, and ends the stream at a gap, since no complete message can follow. A SYN starts
a new connection. IP fragments are skipped and counted. A capture is hostile: its contents are only data, and the caller
limits the size of the file. RFC 9293, 3.4; RFC 9112.
"""

from __future__ import annotations

import http.client
import io
import ipaddress
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, cast

from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.http_octets import response_of
from mfp_sim.shared.scep.http_messages import HttpReply, HttpRequest
from mfp_sim.shared.simtime import SystemClock
from mock_scep_server.receiving import Connection, Gone, Unreadable, read_request

__all__ = ["captured_exchanges", "is_capture"]

_MAGIC: Final = tuple(bytes.fromhex(text) for text in ("d4c3b2a1", "a1b2c3d4", "4d3cb2a1", "a1b23c4d", "0a0d0d0a"))
"""The first bytes of a pcap, in either byte order, with micro- or nanoseconds, and of a pcapng."""
_METHODS: Final = (b"GET ", b"POST ", b"HEAD ", b"PUT ", b"CONNECT ", b"OPTIONS ")
_REPLY: Final = b"HTTP/1."
_MISSING: Final = "bytes are missing in the capture"
_CUT: Final = "the capture ends before the request does"
_TLS: Final = b"\x16\x03"
"""The first bytes of a TLS handshake (RFC 8446, 5.1)."""
_SEQUENCE: Final = 1 << 32
_HALF: Final = _SEQUENCE // 2


def is_capture(octets: bytes) -> bool:
    """Whether the bytes start like a capture."""
    return octets[:4] in _MAGIC


@dataclass(frozen=True)
class CapturedExchange:
    """One exchange: its ends, its connection in the capture, the request, and the reply if it is complete.

    `problem` says why the request, and with it the rest of the connection, cannot be read; `request` is then empty.
    """

    client: str
    server: str
    connection: int
    request: HttpRequest
    reply: HttpReply | None
    problem: str = ""


@dataclass
class _Stream:
    """One direction of a connection. `first` is the sequence number from which places are counted: the start of the
    stream if `begun` (a SYN was captured), otherwise that of the first captured segment."""

    first: int | None = None
    begun: bool = False
    segments: dict[int, bytes] = field(default_factory=dict)

    def begin(self, sequence: int) -> None:
        """Handle a SYN: the stream starts at `sequence`."""
        self.first, self.begun = sequence, True

    def add(self, sequence: int, octets: bytes) -> None:
        """Add a segment; of repeated segments the longest is kept."""
        if self.first is None:
            self.first = sequence
        place = (sequence - self.first + _HALF) % _SEQUENCE - _HALF
        if len(octets) > len(self.segments.get(place, b"")):
            self.segments[place] = octets

    @property
    def octets(self) -> bytes:
        """Return the bytes up to the first gap."""
        return self._up_to_gap()[0]

    @property
    def gap(self) -> bool:
        """Whether bytes are missing before others."""
        return self._up_to_gap()[1]

    def _up_to_gap(self) -> tuple[bytes, bool]:
        pieces: list[bytes] = []
        end = 0 if self.begun else min(self.segments, default=0)
        for place, octets in sorted(self.segments.items()):
            if place > end:
                return b"".join(pieces), True
            fresh = octets[end - place :]
            pieces.append(fresh)
            end += len(fresh)
        return b"".join(pieces), False


@dataclass
class _Conversation:
    """Both directions of a connection; `ends` are its first sender and receiver."""

    ends: tuple[str, str]
    streams: tuple[_Stream, _Stream] = field(default_factory=lambda: (_Stream(), _Stream()))


def captured_exchanges(octets: bytes, path: Path) -> list[CapturedExchange]:
    """Return the exchanges of a capture, by connection, in the order in which the connections started.

    Raises:
        UsageError: dpkt is not installed, the capture is broken, or it contains no HTTP; the error mentions TLS if
            there is some.
    """
    try:
        import dpkt  # noqa: PLC0415 - an extra, and only captures need it
    except ImportError:
        raise UsageError("reading a capture needs dpkt", remedy="pip install 'mfp-sim[pcap]'") from None
    conversations: list[_Conversation] = []
    current: dict[frozenset[str], _Conversation] = {}
    fragments = 0
    try:
        for packet in _packets(dpkt, octets):
            if packet is None:
                fragments += 1
                continue
            _sort(packet, conversations, current)
    except (dpkt.Error, ValueError, IndexError, KeyError, AttributeError, TypeError) as error:
        raise UsageError(f"{path} is not a readable capture: {type(error).__name__}: {error}") from None
    found = [one for number, talk in enumerate(conversations, 1) for one in _exchanges(talk, number)]
    if all(one.problem in (_MISSING, _CUT) for one in found):
        raise _nothing_in(path, conversations, fragments)
    return found


def _nothing_in(path: Path, conversations: list[_Conversation], fragments: int) -> UsageError:
    """The error for a capture without exchanges."""
    begun = [stream.octets[:8] for talk in conversations for stream in talk.streams]
    if any(octets.startswith(_TLS) for octets in begun):
        return UsageError(
            f"{path} contains TLS, which cannot be read without its secrets",
            remedy="put mfp-sim proxy between printer and CA, or capture where the traffic is not encrypted",
        )
    more = f", and {fragments} IP fragments that are not reassembled" if fragments else ""
    return UsageError(
        f"{path} contains no complete HTTP request ({len(conversations)} TCP connections{more})",
        remedy="start the capture before the printer connects",
    )


# --- packets ----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Packet:
    source: str
    target: str
    sequence: int
    syn: bool
    octets: bytes


def _packets(dpkt: Any, octets: bytes) -> Iterator[_Packet | None]:
    """Yield the TCP segments; None for an IP fragment. Truncated packets are skipped."""
    reader = dpkt.pcap.UniversalReader(io.BytesIO(octets))
    inside = _links(dpkt).get(reader.datalink())
    if inside is None:
        raise ValueError(f"link type {reader.datalink()} is not supported")
    for _, packet in reader:
        try:
            ip = inside(packet)
        except (dpkt.Error, IndexError):
            continue
        if isinstance(ip, dpkt.ip.IP) and (ip.mf or ip.offset):
            yield None
        segment = getattr(ip, "data", None)
        if not isinstance(segment, dpkt.tcp.TCP):
            continue
        source, target = (_place(address, port) for address, port in ((ip.src, segment.sport), (ip.dst, segment.dport)))
        data = segment.data if isinstance(segment.data, bytes) else bytes(segment.data)
        yield _Packet(source, target, segment.seq, bool(segment.flags & dpkt.tcp.TH_SYN), data)


def _links(dpkt: Any) -> Mapping[int, Callable[[bytes], Any]]:
    """By link type, the function that returns the IP packet of a frame."""

    def raw(packet: bytes) -> Any:
        return (dpkt.ip6.IP6 if packet[0] >> 4 == 6 else dpkt.ip.IP)(packet)

    return {
        1: lambda packet: dpkt.ethernet.Ethernet(packet).data,
        0: lambda packet: dpkt.loopback.Loopback(packet).data,
        108: lambda packet: dpkt.loopback.Loopback(packet).data,
        12: raw,
        14: raw,
        101: raw,
        113: lambda packet: dpkt.sll.SLL(packet).data,
        276: lambda packet: dpkt.sll2.SLL2(packet).data,
    }


def _place(address: bytes, port: int) -> str:
    host = str(ipaddress.ip_address(address))
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _sort(packet: _Packet, conversations: list[_Conversation], current: dict[frozenset[str], _Conversation]) -> None:
    """Add a segment to its stream; a SYN with another number starts another connection between the same ends."""
    ends = frozenset((packet.source, packet.target))
    talk = current.get(ends)
    first = (packet.sequence + 1) % _SEQUENCE
    if talk is not None and packet.syn:
        stream = talk.streams[talk.ends.index(packet.source)]
        if stream.first not in (None, first):
            talk = None
    if talk is None:
        talk = current[ends] = _Conversation((packet.source, packet.target))
        conversations.append(talk)
    stream = talk.streams[talk.ends.index(packet.source)]
    if packet.syn:
        stream.begin(first)
    elif packet.octets:
        stream.add(packet.sequence, packet.octets)


# --- HTTP -------------------------------------------------------------------------------------------------


class _Nothing:
    """Replaces a socket: its bytes are those that were captured."""

    def settimeout(self, seconds: float) -> None:
        """Do nothing: reading never waits."""

    def recv(self, count: int) -> bytes:  # noqa: ARG002 - the signature of a socket
        """Return the end of the stream."""
        return b""

    def sendall(self, octets: bytes) -> None:
        """Do nothing: there is no receiver."""


class _Kept(io.BytesIO):
    """A stream that stays open after a reply has been read."""

    def close(self) -> None:
        """Do not close."""


def _exchanges(talk: _Conversation, number: int) -> Iterator[CapturedExchange]:
    """The exchanges of a connection.

    The client is the side whose bytes start with an HTTP method. If the first of them are missing, it is the side to
    which an HTTP reply was sent.
    """
    sent = [stream.octets for stream in talk.streams]
    for side in (0, 1):
        stream = talk.streams[side]
        lost = not sent[side] and stream.gap and sent[1 - side].startswith(_REPLY)
        if lost or sent[side].startswith(_METHODS):
            client, server = talk.ends[side], talk.ends[1 - side]
            replies = _Kept(sent[1 - side])
            for request in _requests(sent[side], gap=stream.gap):
                if isinstance(request, str):
                    yield CapturedExchange(client, server, number, HttpRequest("", ""), None, request)
                else:
                    yield CapturedExchange(client, server, number, request, _reply(replies, request.method))
            return


def _requests(octets: bytes, *, gap: bool) -> Iterator[HttpRequest | str]:
    """The requests of a connection, and why the rest cannot be read; `gap`: more bytes follow after missing ones."""
    source = Connection(cast("socket.socket", _Nothing()), SystemClock(), octets)
    try:
        while source.buffer.strip():
            yield read_request(source)
    except Unreadable as error:
        yield error.text
    except Gone:
        yield _MISSING if gap else _CUT
    else:
        if gap:
            yield _MISSING


def _reply(stream: io.BytesIO, method: str) -> HttpReply | None:
    try:
        response = response_of(stream, method)
        response.begin()
        return HttpReply(response.status, response.reason, tuple(response.getheaders()), response.read())
    except (http.client.HTTPException, ValueError, OSError):
        return None
