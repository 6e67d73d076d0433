"""What a fault is: a frozen value with one hook in one layer, and one registry entry that explains it.

Layers run in fixed order: decide, certificates, message, bytes, http, delivery. To add a fault: write a frozen
dataclass with the hook of its layer in that layer's module, and register it there; it then shows up by itself in
``mock-scep-server faults`` and in what scenarios accept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from mfp_sim.documents import Node, Problems
from mfp_sim.scep.http import Delivery, HttpReply
from mfp_sim.scep.messages import CertRep
from mfp_sim.simtime import KeySource
from mock_scep_server.ca import Template

__all__ = [
    "FAULTS",
    "ByteFault",
    "CertificateFault",
    "DeliveryFault",
    "Fault",
    "FaultEntry",
    "HttpFault",
    "MessageFault",
    "register",
]

Layer = Literal["certificates", "message", "bytes", "http", "delivery"]


class MessageFault(Protocol):
    """Changes what the CertRep says, before it is encoded and signed."""

    def on_message(self, reply: CertRep) -> CertRep: ...


class ByteFault(Protocol):
    """Changes the encoded message."""

    def on_bytes(self, octets: bytes) -> bytes: ...


class HttpFault(Protocol):
    """Changes the HTTP reply."""

    def on_http(self, reply: HttpReply) -> HttpReply: ...


class DeliveryFault(Protocol):
    """Changes what happens on the connection."""

    def on_delivery(self, delivery: Delivery) -> Delivery: ...


class CertificateFault(Protocol):
    """Changes a certificate before it is signed; ``keys`` gives further key pairs."""

    def on_template(self, template: Template, keys: KeySource) -> Template: ...


Fault = MessageFault | ByteFault | HttpFault | DeliveryFault | CertificateFault


@dataclass(frozen=True)
class FaultEntry:
    """The registry's line on one fault. ``read`` makes the fault from its argument in a script (None: no argument)."""

    slug: str
    layer: Layer
    sentence: str
    requirements: tuple[str, ...]
    field_failures: tuple[str, ...]
    correct_client: str
    printer_shows: str
    example: str
    read: Callable[[Node | None, Problems, Node], Fault | None]


FAULTS: dict[str, FaultEntry] = {}


def register(entry: FaultEntry) -> None:
    """Add an entry; slugs are unique."""
    assert entry.slug not in FAULTS, entry.slug
    FAULTS[entry.slug] = entry
