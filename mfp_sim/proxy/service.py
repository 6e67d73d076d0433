"""The proxy behind a socket host: a request goes to the source of replies, and the reply goes back to the client.

The client sees what the server does to the connection: if the server ends it without a complete reply, so does the
proxy. Only if the server cannot be reached, does not reply in time, or does not send HTTP, the proxy itself replies,
with 502 or 504. Judging an exchange does not change it, and a bug in judging loses no reply.
"""

from __future__ import annotations

import itertools
import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from mfp_sim.proxy.explaining import explain
from mfp_sim.proxy.observing import Observer, SeenExchange, SeenRequest, Sight, WhatCame, seen
from mfp_sim.proxy.passing import ReplySource, back
from mfp_sim.proxy.wire_faults import WireFaults
from mfp_sim.shared.errors import ConnectionLost, DeadlineExceeded, DecodeError, TransportError, UsageError
from mfp_sim.shared.http_octets import octets_of
from mfp_sim.shared.masking import masked
from mfp_sim.shared.redaction import Redactor
from mfp_sim.shared.scep import cms
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.envelope import EnvelopeKeys
from mfp_sim.shared.scep.http_messages import TEXT, Close, Delivery, Fate, HttpReply, HttpRequest, delivery_of
from mfp_sim.shared.scep.vocabulary import Operation
from mfp_sim.shared.simtime import Clock
from mock_scep_server.saving import ExchangeFiles, save_keys

__all__ = ["Keeping", "ProxyService"]

_log = logging.getLogger("mfp_sim.proxy")
_STATUS: Final = {DeadlineExceeded: 504}
_BAD_GATEWAY: Final = 502


@dataclass(frozen=True)
class Keeping:
    """How exchanges are saved as files: where, whether with secrets, and with which private keys."""

    files: ExchangeFiles
    redactor: Redactor
    secrets: bool = False
    keys: EnvelopeKeys | None = None

    def keep(self, number: int, name: str, request: bytes, reply: bytes) -> None:
        """Write an exchange."""
        if not self.secrets:
            request, reply = masked(request, self.redactor), masked(reply, self.redactor)
        self.files.keep(number, name, request, reply)


class ProxyService:
    """Passes exchanges on and shows each to the observer; ``handle`` is thread-safe.

    Args:
        source: where replies come from.
        clock: measures how long they take.
        faults: what to do to replies.
        observer: judges both ends.
        redactor: learns of each challenge that is seen.
        on_seen: called with each exchange before its reply is sent.
        on_told: called with the number of each exchange after delivery, and its fate.
        keeping: writes exchanges into files.
    """

    def __init__(
        self,
        source: ReplySource,
        *,
        clock: Clock,
        faults: WireFaults,
        observer: Observer,
        redactor: Redactor,
        on_seen: Callable[[SeenExchange], None],
        on_told: Callable[[int, Fate], None],
        keeping: Keeping | None = None,
    ) -> None:
        self._source, self._clock, self._faults, self._observer = source, clock, faults, observer
        self._redactor, self._on_seen, self._on_told, self._keeping = redactor, on_seen, on_told, keeping
        self._numbers, self._lock = itertools.count(1), threading.Lock()

    def handle(self, request: HttpRequest, client: str) -> Delivery:
        """Reply to one request with the source's reply."""
        number, asked, changes = next(self._numbers), SeenRequest.of(request), list[str]()
        came = self._ask(request)
        delivery = self._delivery(asked, came, changes)
        try:
            self._show(number, client, asked, came, delivery, changes)
        except Exception:  # noqa: BLE001 - a bug must be logged, and must not lose a reply
            _log.exception("exchange %d cannot be judged", number)
        return replace(delivery, tell=lambda fate: self._on_told(number, fate))

    def _ask(self, request: HttpRequest) -> WhatCame:
        begun = self._clock.now()
        reply, error = None, None
        try:
            reply = self._source.ask(request)
        except TransportError as failure:
            error = failure
        except UsageError as refusal:
            text = f"The request cannot be passed on: {refusal.message}\n"
            reply = HttpReply(400, headers=(("Content-Type", TEXT),), body=text.encode("ascii", "backslashreplace"))
        return WhatCame(reply, error, (self._clock.now() - begun).total_seconds())

    def _delivery(self, asked: SeenRequest, came: WhatCame, changes: list[str]) -> Delivery:
        request, error = asked.request, came.error
        if isinstance(error, ConnectionLost):
            return Delivery((Close(),), keep_alive=False)
        if came.reply is None:
            return self._for_itself(request, _STATUS.get(type(error), _BAD_GATEWAY), str(error))  # type: ignore[arg-type]
        reply = back(came.reply, bodiless=request.method == "HEAD")
        try:
            return self._faults.deliver(
                request, reply, operation=asked.operation, message=asked.message, status=_status(asked, reply),
                changes=changes,
            )  # fmt: skip
        except UsageError:
            return self._for_itself(request, _BAD_GATEWAY, "the head of the reply contains a control character")

    def _for_itself(self, request: HttpRequest, status: int, text: str) -> Delivery:
        body = f"mfp-sim proxy: {self._redactor.text(text)}\n".encode("ascii", "backslashreplace")
        reply = HttpReply(status, headers=(("Content-Type", TEXT),), body=body)
        return delivery_of(reply, keep_alive=request.keep_alive)

    def _show(
        self, number: int, client: str, asked: SeenRequest, came: WhatCame, delivery: Delivery, changes: list[str]
    ) -> None:
        with self._lock:  # one after the other, so that lines and memory have the same order
            sight = self._observer.look(number, asked, came, changes)
            if sight.csr is not None and sight.csr.challenge:
                self._redactor.add(sight.csr.challenge)
            self._keep(number, sight, delivery)
            self._on_seen(self._redactor.record(seen(number, client, sight, explain(sight))))

    def _keep(self, number: int, sight: Sight, delivery: Delivery) -> None:
        if self._keeping is None:
            return
        asked = sight.asked
        self._keeping.keep(number, asked.name, octets_of(asked.request), delivery.octets)
        if self._keeping.keys is not None:
            message = sight.answer.message if sight.answer is not None else None
            save_keys(self._keeping.files, number, asked.name, self._keeping.keys, request=asked.message, reply=message)


def _status(asked: SeenRequest, reply: HttpReply) -> int | None:
    """The pkiStatus of a reply, if it is readable."""
    if asked.operation != Operation.PKI_OPERATION or reply.body[:1] != b"\x30":
        return None
    try:
        values = cms.read_signed_data(reply.body).attributes.get(v.PKI_STATUS, ())
        return int(values[0].to_text()) if values else None
    except (DecodeError, ValueError):
        return None
