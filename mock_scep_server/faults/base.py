"""What a fault is: a frozen value with hooks, and what it may know when they are called.

Layers run in fixed order: decide, certificates, message, bytes, http, delivery. A fault holds no state: what it has to
remember from one request to the next is kept by :class:`Memory`. Combinations of faults (``combined.py``) have no
hooks; they say which parts apply to a request.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Generic, Literal, TypeVar, cast

from mfp_sim.scep.http import Delivery, HttpReply, HttpRequest
from mfp_sim.scep.messages import CertRep
from mfp_sim.simtime import Entropy, KeySource

if TYPE_CHECKING:
    from mock_scep_server.asked import Asked
    from mock_scep_server.ca import CertificateAuthority, Template
    from mock_scep_server.ledger import Ledger
    from mock_scep_server.publishing import CaCapabilities, NextCaCertificates
    from mock_scep_server.revocation import Revocations
    from mock_scep_server.script import Answer

__all__ = [
    "HOOKS",
    "LAYERS",
    "ON_ANSWER",
    "ON_AUTHORITY",
    "ON_BYTES",
    "ON_CAPABILITIES",
    "ON_DELIVERY",
    "ON_HTTP",
    "ON_MESSAGE",
    "ON_NEXT_CA",
    "ON_TEMPLATE",
    "Context",
    "Fault",
    "Hook",
    "Layer",
    "Memory",
]

Layer = Literal["decide", "certificates", "message", "bytes", "http", "delivery"]
Thing = TypeVar("Thing")
Value = TypeVar("Value")
LAYERS: tuple[Layer, ...] = ("decide", "certificates", "message", "bytes", "http", "delivery")
_TURNS = 100_000
"""Of so many transactions it is remembered how often a fault has come; the oldest goes first."""


@dataclass
class Memory:
    """What faults remember over requests, for one service. Thread-safe."""

    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)  # making one thing may want another
    _turns: dict[tuple[str, str], int] = field(default_factory=dict)
    _things: dict[str, object] = field(default_factory=dict, repr=False)
    _octets: dict[str, bytes | None] = field(default_factory=dict, repr=False)

    def turn(self, slug: str, scope: str) -> int:
        """How often the fault has come in this transaction (or operation), this time included."""
        with self._lock:
            key = slug, scope if len(scope) <= 64 else hashlib.sha256(scope.encode("utf-8", "replace")).hexdigest()
            count = self._turns.pop(key, 0) + 1
            self._turns[key] = count
            if len(self._turns) > _TURNS:
                del self._turns[next(iter(self._turns))]
            return count

    def once(self, name: str, make: Callable[[], Thing]) -> Thing:
        """The thing of that name, made when it is asked for first: a stranger's key pair, say. A name has one type."""
        with self._lock:
            if name not in self._things:
                self._things[name] = make()
            return cast("Thing", self._things[name])

    def keep(self, name: str, octets: bytes | None) -> None:
        """Remember octets under a name, in place of the last ones."""
        with self._lock:
            self._octets[name] = octets

    def kept(self, name: str) -> bytes | None:
        """The octets that were kept last under that name, or None."""
        with self._lock:
            return self._octets.get(name)


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
    _turns: dict[str, int] = field(default_factory=dict)

    def turn(self, slug: str) -> int:
        """How often the fault has come in this transaction, else for this operation: 1 at the first time."""
        if slug not in self._turns:
            self._turns[slug] = self.memory.turn(slug, self.transaction or self.operation or "")
        return self._turns[slug]

    def thing(self, name: str, make: Callable[[], Thing]) -> Thing:
        """What a fault needs and has to be the same each time, made when it is wanted first."""
        return self.memory.once(name, make)

    def coming(self) -> CertificateAuthority:
        """A next CA, for where no rollover is prepared."""
        from mock_scep_server.faults.strangers import next_ca

        return self.thing("next CA", lambda: next_ca(self))


class Fault:
    """A fault overrides one or more hooks; a combination overrides :meth:`parts` and :attr:`members` instead.

    Each hook takes a value of its layer and gives the one that goes on; here it is the same. :data:`HOOKS` has their
    layers.

    Raises:
        TypeError: when a class is made that has a hook which does not exist, or neither a hook nor parts.
    """

    hooks: ClassVar[frozenset[str]] = frozenset()
    """The names of the hooks that the class has."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        own = {name for name in vars(cls) if name.startswith("on_")}
        if unknown := own - HOOKS.keys():
            raise TypeError(f"{cls.__name__}: there is no hook {', '.join(sorted(unknown))}")
        cls.hooks = cls.hooks | own
        if not cls.hooks and cls.parts is Fault.parts:
            raise TypeError(f"{cls.__name__} has no hook, so that it can do nothing")

    @property
    def members(self) -> tuple[Fault, ...]:
        """The faults of a combination; none of a fault with hooks."""
        return ()

    @property
    def only(self) -> frozenset[str] | None:
        """The operations and message types at which its hooks do something; None: at all that have the hook."""
        return None

    def parts(self, context: Context, slug: str) -> Iterator[Fault]:
        """The faults with hooks that apply to this request: itself, or those of a combination."""
        yield self

    def on_answer(self, answer: Answer | None, context: Context) -> Answer | None:
        """What is decided; None leaves it to the CA."""
        return answer

    def on_authority(self, authority: CertificateAuthority, context: Context) -> CertificateAuthority:
        """Who answers, and which CA certificates are published."""
        return authority

    def on_template(self, template: Template, context: Context) -> Template:
        """A certificate before it is signed."""
        return template

    def on_next_ca(self, plan: NextCaCertificates, context: Context) -> NextCaCertificates:
        """The reply to GetNextCACert."""
        return plan

    def on_capabilities(self, published: CaCapabilities, context: Context) -> CaCapabilities:
        """The reply to GetCACaps."""
        return published

    def on_message(self, reply: CertRep, context: Context) -> CertRep:
        """A CertRep before it is encoded."""
        return reply

    def on_bytes(self, octets: bytes, context: Context) -> bytes:
        """The body of a reply."""
        return octets

    def on_http(self, reply: HttpReply, context: Context) -> HttpReply:
        """The HTTP reply."""
        return reply

    def on_delivery(self, delivery: Delivery, context: Context) -> Delivery:
        """What happens on the connection."""
        return delivery


@dataclass(frozen=True)
class _Place:
    """A hook by its name, and the layer in which it runs."""

    name: str
    layer: Layer


@dataclass(frozen=True)
class Hook(_Place, Generic[Value]):
    """A hook, and how it is called on a fault."""

    call: Callable[[Fault, Value, Context], Value] = field(repr=False)


ON_ANSWER: Hook[Answer | None] = Hook("on_answer", "decide", lambda f, value, c: f.on_answer(value, c))
ON_AUTHORITY: Hook[CertificateAuthority] = Hook(
    "on_authority", "certificates", lambda f, value, c: f.on_authority(value, c)
)
ON_TEMPLATE: Hook[Template] = Hook("on_template", "certificates", lambda f, value, c: f.on_template(value, c))
ON_NEXT_CA: Hook[NextCaCertificates] = Hook("on_next_ca", "certificates", lambda f, value, c: f.on_next_ca(value, c))
ON_CAPABILITIES: Hook[CaCapabilities] = Hook(
    "on_capabilities", "message", lambda f, value, c: f.on_capabilities(value, c)
)
ON_MESSAGE: Hook[CertRep] = Hook("on_message", "message", lambda f, value, c: f.on_message(value, c))
ON_BYTES: Hook[bytes] = Hook("on_bytes", "bytes", lambda f, value, c: f.on_bytes(value, c))
ON_HTTP: Hook[HttpReply] = Hook("on_http", "http", lambda f, value, c: f.on_http(value, c))
ON_DELIVERY: Hook[Delivery] = Hook("on_delivery", "delivery", lambda f, value, c: f.on_delivery(value, c))

_ALL: tuple[_Place, ...] = (
    ON_ANSWER, ON_AUTHORITY, ON_TEMPLATE, ON_NEXT_CA, ON_CAPABILITIES, ON_MESSAGE, ON_BYTES, ON_HTTP, ON_DELIVERY,
)  # fmt: skip
HOOKS: Mapping[str, Layer] = {hook.name: hook.layer for hook in _ALL}
"""Every hook with its layer, in the order in which they run."""
