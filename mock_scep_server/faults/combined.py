"""Combinations: a fault only at certain requests, several faults at once, a different fault each time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from mock_scep_server.faults.base import Context, Fault

__all__ = ["At", "InTurn", "Together", "Where", "at"]


@dataclass(frozen=True)
class Where:
    """The requests to which a fault applies; empty means any.

    `names` are operations and message types, `statuses` the decisions (SUCCESS, PENDING, FAILURE), `method` is GET or
    POST, and `cipher` and `digest` are prefixes of the names of the request's algorithms.
    """

    names: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()
    method: str | None = None
    cipher: str | None = None
    digest: str | None = None

    def fits(self, context: Context) -> bool:
        """Whether the current request is one of them."""
        message = context.asked.message if context.asked else None
        if self.names and not self.names & {context.operation, context.name}:
            return False
        if self.statuses and context.status not in self.statuses:
            return False
        if self.method is not None and context.request.method != self.method:
            return False
        if self.cipher is not None:
            envelope = message.envelope if message else None
            if envelope is None or not envelope.cipher.startswith(self.cipher):
                return False
        return self.digest is None or (message is not None and message.digest.startswith(self.digest))


@dataclass(frozen=True)
class At(Fault):
    """The fault if the request matches; otherwise nothing."""

    where: Where
    fault: Fault

    @property
    def members(self) -> tuple[Fault, ...]:
        return (self.fault,)

    def parts(self, context: Context, slug: str) -> Iterator[Fault]:
        if self.where.fits(context):
            yield from self.fault.parts(context, slug)


def at(names: str, *faults: Fault, statuses: str = "", **conditions: str) -> At:
    """Apply `faults` at these operations or message types (`"PKCSReq CertPoll"`), answers and other conditions."""
    fault = faults[0] if len(faults) == 1 else Together(faults)
    return At(Where(frozenset(names.split()), frozenset(statuses.split()), **conditions), fault)


@dataclass(frozen=True)
class Together(Fault):
    """Apply all faults, in order."""

    faults: tuple[Fault, ...]

    @property
    def members(self) -> tuple[Fault, ...]:
        return self.faults

    def parts(self, context: Context, slug: str) -> Iterator[Fault]:
        for fault in self.faults:
            yield from fault.parts(context, slug)


@dataclass(frozen=True)
class InTurn(Fault):
    """Apply the first fault at the first request of a transaction (or operation), the second at the second, and so on.

    None means a correct reply. After the last fault, replies are correct, or with `again` the sequence restarts.
    """

    faults: tuple[Fault | None, ...]
    again: bool = False

    @property
    def members(self) -> tuple[Fault, ...]:
        return tuple(fault for fault in self.faults if fault is not None)

    def parts(self, context: Context, slug: str) -> Iterator[Fault]:
        turn = context.turn(slug) - 1
        if self.again:
            turn %= len(self.faults)
        if turn < len(self.faults) and (fault := self.faults[turn]) is not None:
            yield from fault.parts(context, slug)
