"""Faults of the connection: late, broken off, never delivered, incomplete, or framed differently. The same on both
carriers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal

from mfp_sim.shared.scep.http_messages import Close, Delivery, DeliveryAct, Reset, Send, Stall, Wait
from mock_scep_server.faults.base import Context, Fault

__all__ = ["CutOff", "Delay", "Drip", "Place", "Reframed", "chunked", "close_delimited", "without"]

Place = int | Literal["head", "in-head", "half"]
"""A number of bytes, or a place in a reply."""


@dataclass(frozen=True)
class Delay(Fault):
    """The first byte of the reply is `seconds` late; with `after`, the bytes after that number are late."""

    seconds: float
    after: int = 0

    def on_delivery(self, delivery: Delivery, context: Context) -> Delivery:
        octets = delivery.octets
        if not self.after or self.after >= len(octets):
            return replace(delivery, acts=(Wait(self.seconds), *delivery.acts))
        return replace(delivery, acts=(Send(octets[: self.after]), Wait(self.seconds), Send(octets[self.after :])))


@dataclass(frozen=True)
class Drip(Fault):
    """The reply arrives in pieces of `octets` bytes, one every `every` seconds."""

    every: float
    octets: int = 1

    def on_delivery(self, delivery: Delivery, context: Context) -> Delivery:
        whole = delivery.octets
        pieces = (whole[i : i + self.octets] for i in range(0, len(whole), self.octets))
        return replace(delivery, acts=tuple(act for piece in pieces for act in (Send(piece), Wait(self.every))))


@dataclass(frozen=True)
class CutOff(Fault):
    """After some bytes of the reply, the connection is closed in order or reset, or nothing more arrives.

    `after` counts bytes, or names a place: within the head, after the head, halfway in the body. The last byte is never
    sent.
    """

    how: Literal["close", "reset", "stall"]
    after: Place = 0

    def on_delivery(self, delivery: Delivery, context: Context) -> Delivery:
        waits = tuple(act for act in delivery.acts if isinstance(act, Wait))
        octets = delivery.octets[: self._count(delivery.octets)]
        ends: dict[str, DeliveryAct] = {"close": Close(), "reset": Reset(), "stall": Stall()}
        return Delivery((*waits, *([Send(octets)] if octets else []), ends[self.how]), keep_alive=False)

    def _count(self, octets: bytes) -> int:
        head = octets.find(b"\r\n\r\n") + 4
        places = {"head": head, "in-head": head // 2, "half": head + (len(octets) - head) // 2}
        count = self.after if isinstance(self.after, int) else places[self.after]
        return min(count, max(len(octets) - 1, 0))


@dataclass(frozen=True)
class Reframed(Fault):
    """The same reply in another HTTP form: `change` takes head (up to its last line break) and body, and returns the
    bytes."""

    change: Callable[[bytes, bytes], bytes]
    close: bool = False

    def on_delivery(self, delivery: Delivery, context: Context) -> Delivery:
        head, _, body = delivery.octets.partition(b"\r\n\r\n")
        acts: tuple[DeliveryAct, ...] = (Send(self.change(head + b"\r\n", body)), *([Close()] if self.close else []))
        return replace(delivery, acts=acts, keep_alive=delivery.keep_alive and not self.close)


def without(head: bytes, name: bytes) -> bytes:
    """The head without the field that starts with this text."""
    return b"".join(line for line in head.splitlines(keepends=True) if not line.lower().startswith(name.lower()))


def chunked(head: bytes, body: bytes) -> bytes:
    """The body in chunks of 400 bytes, the first with an extension."""
    chunks = [body[i : i + 400] for i in range(0, len(body), 400)]
    coded = b"".join(b"%x%s\r\n%s\r\n" % (len(c), b"" if i else b";first=1", c) for i, c in enumerate(chunks))
    return without(head, b"Content-Length:") + b"Transfer-Encoding: chunked\r\n\r\n" + coded + b"0\r\n\r\n"


def close_delimited(head: bytes, body: bytes) -> bytes:
    """The reply without a length: the end of the connection ends the body."""
    head = without(without(head, b"Content-Length:"), b"Connection:")
    return head + b"Connection: close\r\n\r\n" + body
