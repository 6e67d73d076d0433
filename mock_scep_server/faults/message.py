"""Faults of the message layer: a CertRep or a capability list with other contents or in an odd form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, ParamSpec

from mfp_sim.shared.scep.messages import CertRep, Oddities
from mock_scep_server.faults.base import Context, Fault
from mock_scep_server.publishing import CaCapabilities

__all__ = ["Caps", "Odd", "Said", "odd"]

P = ParamSpec("P")


@dataclass(frozen=True)
class Odd(Fault):
    """Write a CertRep in an odd form: options of `mfp_sim.shared.scep.oddities.Oddities`, made by `odd`."""

    options: tuple[tuple[str, Any], ...]

    def on_message(self, reply: CertRep, context: Context) -> CertRep:
        return replace(reply, oddities=replace(reply.oddities, **dict(self.options)))


def _by_name(form: Callable[P, Oddities]) -> Callable[P, Odd]:
    """Return a function that makes an `Odd` from the named options of `form`."""

    def make(*arguments: P.args, **options: P.kwargs) -> Odd:
        form(*arguments, **options)  # an unknown name is refused here
        return Odd(tuple(options.items()))

    return make


odd = _by_name(Oddities)
"""Make an `Odd` with the options by name: `odd(iv="short")`."""


@dataclass(frozen=True)
class Said(Fault):
    """Change the contents of a CertRep."""

    change: Callable[[CertRep, Context], CertRep]

    def on_message(self, reply: CertRep, context: Context) -> CertRep:
        return self.change(reply, context)


@dataclass(frozen=True)
class Caps(Fault):
    """Change the capability list."""

    change: Callable[[CaCapabilities, Context], CaCapabilities]

    def on_capabilities(self, published: CaCapabilities, context: Context) -> CaCapabilities:
        return self.change(published, context)
