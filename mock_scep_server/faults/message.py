"""Faults of the message: a CertRep that is well signed but wrong, wrongly signed, or no CertRep at all."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial

from mfp_sim.documents import Node, Problems
from mfp_sim.scep.certificate import spki_of
from mfp_sim.scep.http import HttpReply
from mfp_sim.scep.messages import CertRep
from mfp_sim.simtime import KeySource
from mock_scep_server.ca import Template
from mock_scep_server.faults.base import Fault, FaultEntry, register

__all__ = ["BadSignature", "GarbageBody", "HttpStatus", "NonceMismatch", "TransactionIdMismatch", "WrongKey"]


@dataclass(frozen=True)
class NonceMismatch:
    """recipientNonce with one bit changed."""

    def on_message(self, reply: CertRep) -> CertRep:
        nonce = reply.recipient_nonce or b"\x00"
        return replace(reply, recipient_nonce=nonce[:-1] + bytes((nonce[-1] ^ 1,)))


@dataclass(frozen=True)
class TransactionIdMismatch:
    """Another transactionID, of which the right one is a proper prefix."""

    def on_message(self, reply: CertRep) -> CertRep:
        return replace(reply, transaction_id=reply.transaction_id + "0")


@dataclass(frozen=True)
class BadSignature:
    """The last bit of the signature flipped; it is the last octet of the message."""

    def on_bytes(self, octets: bytes) -> bytes:
        return octets[:-1] + bytes((octets[-1] ^ 1,))


@dataclass(frozen=True)
class WrongKey:
    """The certificate is for a key that the client does not have."""

    def on_template(self, template: Template, keys: KeySource) -> Template:
        return replace(template, spki=spki_of(keys.rsa(2048)))


@dataclass(frozen=True)
class HttpStatus:
    """A valid CertRep under another HTTP status."""

    status: int

    def on_http(self, reply: HttpReply) -> HttpReply:
        return replace(reply, status=self.status, reason="")


@dataclass(frozen=True)
class GarbageBody:
    """200 and the right media type, and a body that is no CMS."""

    def on_bytes(self, octets: bytes) -> bytes:
        return bytes(octet ^ 0xA5 for octet in octets)


def _plain(fault: Fault, argument: Node | None, problems: Problems, place: Node) -> Fault | None:
    if argument is not None:
        problems.add(place, "this fault takes no argument")
        return None
    return fault


def _read_status(argument: Node | None, problems: Problems, place: Node) -> Fault | None:
    if argument is None:
        problems.add(place, "certrep-http-status needs a status", "write {certrep-http-status: 400}")
        return None
    status = problems.integer(argument, "certrep-http-status", 200, 599)
    return None if status is None else HttpStatus(status)


_REFUSE = "refuses the reply, keeps its old certificate and does not install anything"
_SHOWS = "Communication Error (SCEP ERROR), and the cause in the audit log"

for _slug, _layer, _sentence, _ids, _rows, _fault in (
    ("nonce-mismatch", "message", "recipientNonce with one bit changed.", ("SCEP-3.2.1.5-04",), (), NonceMismatch()),
    (
        "transactionid-mismatch",
        "message",
        "Another transactionID, of which the right one is a proper prefix.",
        ("SCEP-3.2.1.1-04",),
        (),
        TransactionIdMismatch(),
    ),
    ("bad-signature", "bytes", "The last octet of the signature changed.", ("SCEP-3.2-05",), (), BadSignature()),
    (
        "success-wrong-key",
        "certificates",
        "A certificate for a key that the client does not have.",
        ("SCEP-3.3.2.1-11",),
        ("F-R03",),
        WrongKey(),
    ),
    ("garbage-body", "bytes", "200 with octets that are no CMS.", ("SCEP-4.1-19",), ("F-T11",), GarbageBody()),
):
    register(
        FaultEntry(_slug, _layer, _sentence, _ids, _rows, _REFUSE, _SHOWS, _slug, partial(_plain, _fault))  # type: ignore[arg-type]
    )

register(
    FaultEntry(
        "certrep-http-status",
        "http",
        "A valid CertRep under another HTTP status than 200.",
        ("SCEP-4.1-18",),
        ("F-T23",),
        "does not take it for a success",
        "Communication Error (TOP ERROR <status>)",
        "{certrep-http-status: 400}",
        _read_status,
    )
)
