"""One inquiry of the server, driven from exchange to exchange.

What is asked, and what follows from each reply, is a story that :meth:`CertificateRequest.inquire` tells from top to
bottom. It awaits each exchange; time passes meanwhile, and the inquiry may be cut. No event loop is needed for that:
the wire calls back, and the story goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from mfp_sim.errors import TransportError
from mfp_sim.scep.http import HttpReply, HttpRequest
from mfp_sim.transport import UnderWay, Wire

__all__ = ["Asked", "Inquiry"]

T = TypeVar("T")


@dataclass(frozen=True)
class Asked:
    """An exchange to be awaited: gives the reply, or raises the TransportError. ``timeout`` is in seconds."""

    operation: str
    host: str
    port: int
    request: HttpRequest
    timeout: float

    def __await__(self) -> Generator[Asked, Any, HttpReply]:
        reply: HttpReply = yield self
        return reply


Story: TypeAlias = Coroutine[Asked, Any, T]


class Inquiry(Generic[T]):
    """A story under way.

    Args:
        story: what is asked.
        wire: where its exchanges begin.
        event: what a continuation runs in.
        ended: told what the story came to.
    """

    def __init__(
        self, story: Story[T], wire: Wire, event: Callable[[Callable[[], None]], None], ended: Callable[[T], None]
    ) -> None:
        self._story, self._wire, self._event, self._ended = story, wire, event, ended
        self._asked: Asked | None = None
        self._exchange: UnderWay | None = None

    def begin(self) -> None:
        """Tell the story up to its first exchange."""
        self._go_on(lambda: self._story.send(None))

    def cut(self) -> str | None:
        """Break the story off; the operation of the exchange that was under way, on which the server may have decided
        by then, or None."""
        asked = self._asked
        if self._exchange is not None:
            self._exchange.cancel()
            self._story.close()
        self._asked = self._exchange = None
        return asked.operation if asked else None

    def _go_on(self, tell: Callable[[], Asked]) -> None:
        self._asked = self._exchange = None
        try:
            asked = tell()
        except StopIteration as end:
            self._ended(end.value)
            return
        self._asked = asked
        self._exchange = self._wire.begin(asked.host, asked.port, asked.request, asked.timeout, self._done)

    def _done(self, result: HttpReply | TransportError) -> None:
        def tell() -> Asked:
            return self._story.throw(result) if isinstance(result, TransportError) else self._story.send(result)

        self._event(lambda: self._go_on(tell))
