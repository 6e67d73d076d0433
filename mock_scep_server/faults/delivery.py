"""Faults of the connection: late, broken off, never, or not whole. The same outcome on both carriers."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mfp_sim.documents import Node, Problems
from mfp_sim.scep.http import Close, Delivery, Reset, Send, Stall, Wait
from mock_scep_server.faults.base import Fault, FaultEntry, register

__all__ = ["Delay", "ResetConnection", "StallConnection", "Truncate"]


@dataclass(frozen=True)
class Delay:
    """The first octet of the reply comes ``seconds`` late."""

    seconds: float

    def on_delivery(self, delivery: Delivery) -> Delivery:
        return replace(delivery, acts=(Wait(self.seconds), *delivery.acts))


@dataclass(frozen=True)
class ResetConnection:
    """RST after ``after`` octets of the reply."""

    after: int = 0

    def on_delivery(self, delivery: Delivery) -> Delivery:
        return Delivery((*_first(delivery, self.after), Reset()), keep_alive=False)


@dataclass(frozen=True)
class StallConnection:
    """Nothing more comes after ``after`` octets; the connection stays open."""

    after: int = 0

    def on_delivery(self, delivery: Delivery) -> Delivery:
        return Delivery((*_first(delivery, self.after), Stall()), keep_alive=False)


@dataclass(frozen=True)
class Truncate:
    """The connection is closed in good order after ``after`` octets of the reply."""

    after: int

    def on_delivery(self, delivery: Delivery) -> Delivery:
        return Delivery((*_first(delivery, self.after), Close()), keep_alive=False)


def _first(delivery: Delivery, count: int) -> tuple[Wait | Send, ...]:
    """The waits, and the first ``count`` octets (never all of them: the last one is always kept back)."""
    waits = tuple(act for act in delivery.acts if isinstance(act, Wait))
    octets = delivery.octets[: min(count, max(len(delivery.octets) - 1, 0))]
    return (*waits, Send(octets)) if octets else waits


def _read_delay(argument: Node | None, problems: Problems, place: Node) -> Fault | None:
    if argument is None:
        problems.add(place, "delay needs a duration", "write {delay: 31s}")
        return None
    seconds = problems.seconds(argument, "delay")
    return None if seconds is None else Delay(seconds)


def _read_after(argument: Node | None, problems: Problems, place: Node, slug: str, default: int | None) -> int | None:
    if argument is None:
        if default is None:
            problems.add(
                place, f"{slug} needs the count of octets that still come", f"write {{{slug}: {{after: 200}}}}"
            )
        return default
    fields = problems.map(argument, ["after"], slug, required=["after"])
    return problems.integer(fields["after"], "after", 0) if "after" in fields else None


def _read_reset(argument: Node | None, problems: Problems, place: Node) -> Fault | None:
    after = _read_after(argument, problems, place, "reset", 0)
    return None if after is None else ResetConnection(after)


def _read_stall(argument: Node | None, problems: Problems, place: Node) -> Fault | None:
    after = _read_after(argument, problems, place, "stall", 0)
    return None if after is None else StallConnection(after)


def _read_truncate(argument: Node | None, problems: Problems, place: Node) -> Fault | None:
    after = _read_after(argument, problems, place, "truncate", None)
    return None if after is None else Truncate(after)


_LOST = "treats the exchange as lost, keeps key and transaction, and asks again about the same request"
_TOP = "Communication Error (TOP ERROR), after the polls if polling is on"

register(
    FaultEntry(
        "delay",
        "delivery",
        "The reply comes late by the given time.",
        ("SCEP-2.5-11",),
        ("F-T22", "F-T25"),
        "waits up to its own deadline, then " + _LOST,
        _TOP + " when the delay is longer than the communication timeout; nothing otherwise",
        "{delay: 31s}",
        _read_delay,
    )
)
register(
    FaultEntry(
        "reset",
        "delivery",
        "The connection is reset (RST) before the reply, or after so many octets of it.",
        ("SCEP-2.5.1-03",),
        ("F-T20",),
        _LOST,
        _TOP,
        "{reset: {after: 100}}",
        _read_reset,
    )
)
register(
    FaultEntry(
        "stall",
        "delivery",
        "The connection stays open and nothing comes, or nothing more after so many octets.",
        ("SCEP-2.5.1-03",),
        ("F-T22",),
        "gives up at its own deadline, then " + _LOST,
        _TOP,
        "stall",
        _read_stall,
    )
)
register(
    FaultEntry(
        "truncate",
        "delivery",
        "The connection is closed in good order after so many octets of the reply.",
        ("SCEP-4.1-19",),
        ("F-T15", "F-T20"),
        _LOST,
        _TOP,
        "{truncate: {after: 200}}",
        _read_truncate,
    )
)
