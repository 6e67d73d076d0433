"""One inquiry at the server, driven from exchange to exchange.

`CertificateRequest.inquire` describes an inquiry from top to bottom: what is sent, and what follows from each reply. It
awaits each exchange; time passes while it waits, and the inquiry may be cut. This needs no event loop: the wire calls
back, and the coroutine continues.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from dataclasses import dataclass
from typing import Any, Generic, TypeAlias, TypeVar

from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.scep.http_messages import HttpReply, HttpRequest
from mfp_sim.transport import Result, UnderWay, Wire

__all__ = ["AwaitedExchange", "Inquiry"]

T = TypeVar("T")


@dataclass(frozen=True)
class AwaitedExchange:
    """An exchange to await. It returns the reply, or raises the error that ended it. ``timeout`` is in seconds."""

    operation: str
    host: str
    port: int
    request: HttpRequest
    timeout: float

    def __await__(self) -> Generator[AwaitedExchange, Any, HttpReply]:
        reply: HttpReply = yield self
        return reply


Story: TypeAlias = Coroutine[AwaitedExchange, Any, T]


class Inquiry(Generic[T]):
    """A coroutine that asks the server, in progress.

    Args:
        story: the coroutine, which awaits each exchange.
        wire: carries its exchanges.
        event: the context in which each continuation runs.
        ended: called with the result of the coroutine.
    """

    def __init__(
        self, story: Story[T], wire: Wire, event: Callable[[Callable[[], None]], None], ended: Callable[[T], None]
    ) -> None:
        self._story, self._wire, self._event, self._ended = story, wire, event, ended
        self._asked: AwaitedExchange | None = None
        self._exchange: UnderWay | None = None

    def begin(self) -> None:
        """Run the coroutine up to its first exchange."""
        self._go_on(lambda: self._story.send(None))

    def cut(self) -> str | None:
        """Stop the coroutine. Return the operation of the exchange in progress, or None.

        The server may already have decided about that operation.
        """
        asked = self._asked
        if self._exchange is not None:
            self._exchange.cancel()
            self._story.close()
        self._asked = self._exchange = None
        return asked.operation if asked else None

    def _go_on(self, resume: Callable[[], AwaitedExchange]) -> None:
        self._asked = self._exchange = None
        try:
            asked = resume()
        except StopIteration as end:
            self._ended(end.value)
            return
        self._asked = asked
        try:
            self._exchange = self._wire.begin(asked.host, asked.port, asked.request, asked.timeout, self._done)
        except UsageError as error:
            refused = error
            self._go_on(lambda: self._story.throw(refused))

    def _done(self, result: Result) -> None:
        def resume() -> AwaitedExchange:
            return self._story.throw(result) if isinstance(result, Exception) else self._story.send(result)

        self._event(lambda: self._go_on(resume))
