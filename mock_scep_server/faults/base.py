"""What a fault is: a frozen value with hooks, and what it may know when they are called.

Layers run in fixed order: decide, certificates, message, bytes, http, delivery. A fault holds no state: what it has to
remember from one request to the next is kept by :class:`Memory`. Combinations of faults (``combined.py``) have no
hooks; they say which parts apply to a request.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeVar, runtime_checkable

from mfp_sim.scep.http import HttpRequest
from mfp_sim.scep.messages import CertRep
from mfp_sim.scep.vocabulary import Operation
from mfp_sim.simtime import Entropy, KeySource

if TYPE_CHECKING:
    from mock_scep_server.asked import Asked
    from mock_scep_server.ca import CertificateAuthority
    from mock_scep_server.ledger import Ledger
    from mock_scep_server.revocation import Revocations

_TURNS = 100_000
"""Of so many transactions it is remembered how often a fault has come; the oldest goes first."""

__all__ = ["HOOKS", "LAYERS", "Combination", "Context", "Fault", "Layer", "Memory", "hooks_of"]

Layer = Literal["decide", "certificates", "message", "bytes", "http", "delivery"]
Thing = TypeVar("Thing")
LAYERS: tuple[Layer, ...] = ("decide", "certificates", "message", "bytes", "http", "delivery")

HOOKS: dict[str, Layer] = {
    "on_answer": "decide",
    "on_authority": "certificates",
    "on_template": "certificates",
    "on_next_ca": "certificates",
    "on_capabilities": "message",
    "on_message": "message",
    "on_bytes": "bytes",
    "on_http": "http",
    "on_delivery": "delivery",
}
"""Each hook takes a value of its layer and the :class:`Context`, and gives the value that goes on:

``on_answer``: what is decided (``Answer``, None leaves it to the CA); ``on_authority``: who answers and which CA
certificates are published (``CertificateAuthority``); ``on_template``: a certificate before it is signed;
``on_next_ca``: the reply to GetNextCACert; ``on_capabilities``: the reply to GetCACaps; ``on_message``: a CertRep
before it is encoded; ``on_bytes``: the body of a reply; ``on_http``: the HTTP reply; ``on_delivery``: what happens on
the connection.
"""


@dataclass
class Memory:
    """What faults remember over requests, for one service. Thread-safe."""

    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)  # making one thing may want another
    _turns: dict[tuple[str, str], int] = field(default_factory=dict)
    _things: dict[str, Any] = field(default_factory=dict, repr=False)

    def turn(self, slug: str, scope: str) -> int:
        """How often the fault has come in this transaction (or operation), this time included."""
        with self._lock:
            key = slug, scope if len(scope) <= 64 else hashlib.sha256(scope.encode("utf-8", "replace")).hexdigest()
            count = self._turns.pop(key, 0) + 1
            self._turns[key] = count
            if len(self._turns) > _TURNS:
                del self._turns[next(iter(self._turns))]
            return count

    def once(self, name: str, make: Callable[[], Any]) -> Any:
        """The thing of that name, made when it is asked for first: a stranger's key pair, say."""
        with self._lock:
            if name not in self._things:
                self._things[name] = make()
            return self._things[name]

    def keep(self, name: str, thing: object) -> None:
        """Remember a thing under a name, in place of the last one."""
        with self._lock:
            self._things[name] = thing

    def kept(self, name: str) -> Any:
        """What was kept last under that name, or None."""
        with self._lock:
            return self._things.get(name)


@dataclass
class Context:
    """What hooks may know of the request at hand. Layers add what they find: ``asked``, ``status``.

    ``operation`` is the one of the query; ``name`` of a PKIOperation is its message type. ``status`` is the pkiStatus
    of the answer once that is decided: SUCCESS, PENDING or FAILURE.
    """

    request: HttpRequest
    operation: str | None
    now: datetime
    authority: CertificateAuthority
    memory: Memory
    entropy: Entropy
    keys: KeySource
    revocations: Revocations
    ledger: Ledger
    name: str | None = None
    transaction: str | None = None
    asked: Asked | None = None
    status: str | None = None
    plan: CertRep | None = None
    _turns: dict[str, int] = field(default_factory=dict)

    def turn(self, slug: str) -> int:
        """The how-manieth time the fault comes, 1 at first: in this transaction, else for this operation."""
        if slug not in self._turns:
            self._turns[slug] = self.memory.turn(slug, self.transaction or self.operation or "")
        return self._turns[slug]

    @property
    def is_message(self) -> bool:
        """Whether it is a PKIOperation."""
        return self.operation == Operation.PKI_OPERATION

    def thing(self, name: str, make: Callable[[], Thing]) -> Thing:
        """What a fault needs and has to be the same each time, made when it is wanted first."""
        found: Thing = self.memory.once(name, make)
        return found

    def coming(self) -> CertificateAuthority:
        """A next CA, for where no rollover is prepared."""
        from mock_scep_server.faults.strangers import next_ca

        return self.thing("next CA", lambda: next_ca(self))


class Fault(Protocol):
    """A primitive with one or more hooks of :data:`HOOKS`, or a :class:`Combination`."""


@runtime_checkable
class Combination(Protocol):
    """A fault that consists of others."""

    def parts(self, context: Context, slug: str) -> Iterator[Fault]:
        """The faults that apply to this request."""
        ...


def hooks_of(fault: Fault, context: Context, slug: str, name: str) -> Iterator[Callable[..., Any]]:
    """The hooks of that name of a fault's parts that apply to this request."""
    if isinstance(fault, Combination):
        for part in fault.parts(context, slug):
            yield from hooks_of(part, context, slug, name)
    elif (hook := getattr(fault, name, None)) is not None:
        yield hook
