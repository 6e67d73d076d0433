"""Faults of the message layer: a CertRep or a capability list that says something else, or in an odd form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from mfp_sim.scep.messages import CertRep
from mock_scep_server.faults.base import Context
from mock_scep_server.publishing import CaCapabilities

__all__ = ["Caps", "Odd", "Said", "odd"]


@dataclass(frozen=True)
class Odd:
    """A CertRep written oddly: options of :class:`~mfp_sim.scep.oddities.Oddities`."""

    options: tuple[tuple[str, Any], ...]

    def on_message(self, reply: CertRep, context: Context) -> CertRep:  # noqa: ARG002
        return replace(reply, oddities=replace(reply.oddities, **dict(self.options)))


def odd(**options: Any) -> Odd:
    """The same, by name."""
    return Odd(tuple(options.items()))


@dataclass(frozen=True)
class Said:
    """A CertRep that says something else; ``change`` gives fields of CertRep."""

    change: Callable[[CertRep, Context], dict[str, Any]]

    def on_message(self, reply: CertRep, context: Context) -> CertRep:
        return replace(reply, **self.change(reply, context))


@dataclass(frozen=True)
class Caps:
    """Another capability list; ``change`` gives fields of CaCapabilities."""

    change: Callable[[CaCapabilities, Context], dict[str, Any]]

    def on_capabilities(self, published: CaCapabilities, context: Context) -> CaCapabilities:
        return replace(published, **self.change(published, context))
