"""The base of faults: a frozen value with hooks, and the context that the hooks get.

Layers run in fixed order: decide, certificates, message, bytes, http, delivery. A fault has no state: `Memory` keeps
what it has to remember between requests. Combinations of faults (`combined.py`) have no hooks; they select the parts
that apply to a request.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Generic, Literal, TypeVar, cast

from mfp_sim.shared.scep.http_messages import Delivery, HttpReply, HttpRequest
from mfp_sim.shared.scep.messages import CertRep
from mfp_sim.shared.simtime import Entropy, KeySource

if TYPE_CHECKING:
    from mock_scep_server.asked import Asked
    from mock_scep_server.ca import CertificateAuthority, Template
    from mock_scep_server.ledger import Ledger
    from mock_scep_server.publishing import CaCapabilities, NextCaCertificates
    from mock_scep_server.revocation import Revocations
    from mock_scep_server.ruled import RuledAnswer

__all__ = ["HOOKS", "LAYERS", "Context", "Fault", "Hook", "Layer", "Memory", "On", "Value"]

Layer = Literal["decide", "certificates", "message", "bytes", "http", "delivery"]
Thing = TypeVar("Thing")
Value = TypeVar("Value")
LAYERS: tuple[Layer, ...] = ("decide", "certificates", "message", "bytes", "http", "delivery")
_TURNS = 100_000
"""The number of transactions for which the uses of a fault are remembered; the oldest is dropped first."""


@dataclass
class Memory:
    """What faults remember between requests, for one service. Thread-safe."""

    _lock: threading.RLock = field(default_factory=threading.RLock, repr=False)  # making one object may need another
    _turns: dict[tuple[str, str], int] = field(default_factory=dict)
    _things: dict[str, object] = field(default_factory=dict, repr=False)
    _octets: dict[str, bytes | None] = field(default_factory=dict, repr=False)

    def turn(self, slug: str, scope: str) -> int:
        """How often the fault has applied in this transaction (or operation), including this time."""
        with self._lock:
            key = slug, scope if len(scope) <= 64 else hashlib.sha256(scope.encode("utf-8", "replace")).hexdigest()
            count = self._turns.pop(key, 0) + 1
            self._turns[key] = count
            if len(self._turns) > _TURNS:
                del self._turns[next(iter(self._turns))]
            return count

    def once(self, name: str, make: Callable[[], Thing]) -> Thing:
        """The object with this name, such as a stranger's key pair, made at the first request. A name has one type."""
        with self._lock:
            if name not in self._things:
                self._things[name] = make()
            return cast("Thing", self._things[name])

    def keep(self, name: str, octets: bytes | None) -> None:
        """Remember bytes under a name; they replace the previous ones."""
        with self._lock:
            self._octets[name] = octets

    def kept(self, name: str) -> bytes | None:
        """The latest bytes under this name, or None."""
        with self._lock:
            return self._octets.get(name)


@dataclass
class Context:
    """What hooks may know about the current request. Layers add what they find.

    `operation` is that of the query, `asked` what a PKIOperation asks for. `status` is the pkiStatus of the reply once
    decided: SUCCESS, PENDING or FAILURE.
    """

    request: HttpRequest
    now: datetime
    authority: CertificateAuthority
    memory: Memory
    entropy: Entropy
    keys: KeySource
    revocations: Revocations
    ledger: Ledger
    operation: str | None = None
    asked: Asked | None = None
    status: str | None = None
    _turns: dict[str, int] = field(default_factory=dict)

    @property
    def name(self) -> str | None:
        """The message type of a PKIOperation."""
        return self.asked.message.label if self.asked else None

    @property
    def transaction(self) -> str | None:
        """The transactionID of a PKIOperation."""
        return self.asked.message.transaction_id if self.asked else None

    def turn(self, slug: str) -> int:
        """How often the fault has applied in this transaction, or to this operation, starting at 1."""
        if slug not in self._turns:
            self._turns[slug] = self.memory.turn(slug, self.transaction or self.operation or "")
        return self._turns[slug]

    def thing(self, name: str, make: Callable[[], Thing]) -> Thing:
        """An object that a fault needs repeatedly in the same form; made at the first use."""
        return self.memory.once(name, make)


class Fault:
    """A fault overrides one or more hooks; a combination overrides `parts` and `members` instead.

    Each hook takes a value of its layer and returns the value that continues; here it is the same. `HOOKS` has the
    layers.

    Raises:
        TypeError: a class defines an unknown hook, or neither a hook nor parts.
    """

    hooks: ClassVar[frozenset[str]] = frozenset()
    """The names of the hooks that the class defines."""

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        own = {name for name in vars(cls) if name.startswith("on_")}
        if unknown := own - HOOKS.keys():
            raise TypeError(f"{cls.__name__}: there is no hook {', '.join(sorted(unknown))}")
        cls.hooks = cls.hooks | own
        if not cls.hooks and cls.parts is Fault.parts:
            raise TypeError(f"{cls.__name__} has no hook, so it cannot do anything")

    @property
    def members(self) -> tuple[Fault, ...]:
        """The faults of a combination; empty for a fault with hooks."""
        return ()

    @property
    def only(self) -> frozenset[str] | None:
        """The operations and message types at which its hooks act; None: all that have the hook."""
        return None

    def parts(self, context: Context, slug: str) -> Iterator[Fault]:
        """The faults with hooks that apply to this request: the fault itself, or those of a combination."""
        yield self

    def on_answer(self, answer: RuledAnswer | None, context: Context) -> RuledAnswer | None:
        """Decide the reply; None leaves the decision to the CA."""
        return answer

    def on_authority(self, authority: CertificateAuthority, context: Context) -> CertificateAuthority:
        """Change who answers, and which CA certificates are published."""
        return authority

    def on_template(self, template: Template, context: Context) -> Template:
        """Change a certificate before it is signed."""
        return template

    def on_next_ca(self, plan: NextCaCertificates, context: Context) -> NextCaCertificates:
        """Change the reply to GetNextCACert."""
        return plan

    def on_capabilities(self, published: CaCapabilities, context: Context) -> CaCapabilities:
        """Change the reply to GetCACaps."""
        return published

    def on_message(self, reply: CertRep, context: Context) -> CertRep:
        """Change a CertRep before it is encoded."""
        return reply

    def on_bytes(self, octets: bytes, context: Context) -> bytes:
        """Change the body of a reply."""
        return octets

    def on_http(self, reply: HttpReply, context: Context) -> HttpReply:
        """Change the HTTP reply."""
        return reply

    def on_delivery(self, delivery: Delivery, context: Context) -> Delivery:
        """Change what happens on the connection."""
        return delivery


@dataclass(frozen=True)
class Hook(Generic[Value]):
    """A hook: its name, the layer in which it runs, and how to call it on a fault."""

    name: str
    layer: Layer
    call: Callable[[Fault, Value, Context], Value] = field(repr=False)


class On:
    """The hooks, in the order in which they run."""

    ANSWER: ClassVar[Hook[RuledAnswer | None]] = Hook("on_answer", "decide", lambda f, v, c: f.on_answer(v, c))
    AUTHORITY: ClassVar[Hook[CertificateAuthority]] = Hook(
        "on_authority", "certificates", lambda f, v, c: f.on_authority(v, c)
    )
    TEMPLATE: ClassVar[Hook[Template]] = Hook("on_template", "certificates", lambda f, v, c: f.on_template(v, c))
    NEXT_CA: ClassVar[Hook[NextCaCertificates]] = Hook("on_next_ca", "certificates", lambda f, v, c: f.on_next_ca(v, c))
    CAPABILITIES: ClassVar[Hook[CaCapabilities]] = Hook(
        "on_capabilities", "message", lambda f, v, c: f.on_capabilities(v, c)
    )
    MESSAGE: ClassVar[Hook[CertRep]] = Hook("on_message", "message", lambda f, v, c: f.on_message(v, c))
    BYTES: ClassVar[Hook[bytes]] = Hook("on_bytes", "bytes", lambda f, v, c: f.on_bytes(v, c))
    HTTP: ClassVar[Hook[HttpReply]] = Hook("on_http", "http", lambda f, v, c: f.on_http(v, c))
    DELIVERY: ClassVar[Hook[Delivery]] = Hook("on_delivery", "delivery", lambda f, v, c: f.on_delivery(v, c))


HOOKS: Mapping[str, Layer] = {hook.name: hook.layer for hook in vars(On).values() if isinstance(hook, Hook)}
"""The layer of each hook, by its name."""
