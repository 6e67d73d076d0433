"""Exchanges kept as files: request and reply of each, byte for byte, for ``mfp-sim decode`` and for people.

What a file is called is never a client's word, and a disk that is full loses files and changes no answer.
"""

from __future__ import annotations

import itertools
import logging
import re
import threading
from pathlib import Path

from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.http_octets import octets_of
from mfp_sim.shared.scep.envelope import EnvelopeKeys
from mfp_sim.shared.scep.http_messages import Delivery, HttpRequest
from mfp_sim.shared.scep.messages import PkiMessage
from mock_scep_server.journal import JournalEntry
from mock_scep_server.server import Service

__all__ = ["ExchangeFiles", "SavingService", "save_keys"]

_log = logging.getLogger("mock_scep_server")


class ExchangeFiles:
    """A directory of exchanges: ``000001-PKCSReq.request.http`` and ``000001-PKCSReq.reply.http``, the owner's alone.

    Raises:
        UsageError: the directory cannot be made, or holds exchanges of another run.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if any(directory.glob("*.http")):
                raise UsageError(f"{directory} holds exchanges already", remedy="give an empty directory to --save")
        except OSError as error:
            raise UsageError(f"cannot save into {directory}: {error.strerror}") from None

    def keep(self, number: int, name: str, request: bytes, reply: bytes) -> None:
        """Write an exchange; ``name`` is the operation or message type, which a client may have made up."""
        stem = self.stem(number, name)
        self.write(f"{stem}.request.http", request)
        self.write(f"{stem}.reply.http", reply)

    def stem(self, number: int, name: str) -> str:
        """How the names of an exchange's files begin."""
        return f"{number:06}-{re.sub('[^A-Za-z0-9]+', '-', name)[:40].strip('-') or 'request'}"

    def write(self, name: str, octets: bytes) -> None:
        """Write one file; where that cannot be, the log says so."""
        try:
            (self.directory / name).touch(0o600)
            (self.directory / name).write_bytes(octets)
        except OSError as error:
            _log.warning("%s is not saved: %s", name, error.strerror)


def save_keys(
    files: ExchangeFiles,
    number: int,
    name: str,
    keys: EnvelopeKeys,
    *,
    request: PkiMessage | None,
    reply: PkiMessage | None,
) -> None:
    """Write the content key of each envelope that ``keys`` open beside its exchange, in hexadecimal; no private key.

    ``mfp-sim decode`` and ``mock-scep-server judge`` look for them there.
    """
    for side, message in (("request", request), ("reply", reply)):
        found = keys.content_key(message.envelope) if message is not None and message.envelope is not None else None
        if found is not None:
            files.write(f"{files.stem(number, name)}.{side}.key", found.hex().encode() + b"\n")


class SavingService:
    """Another service, each of whose exchanges is written into a directory.

    Raises:
        UsageError: see :class:`ExchangeFiles`.
    """

    def __init__(self, directory: Path) -> None:
        self.service: Service | None = None
        self._files, self._here = ExchangeFiles(directory), threading.local()
        self._numbers = itertools.count(1)

    def handle(self, request: HttpRequest, client: str) -> Delivery:
        """Answer as the other service does, and keep what went over the wire."""
        assert self.service is not None
        self._here.number, self._here.name = next(self._numbers), "request"
        try:
            delivery = self.service.handle(request, client)
        finally:
            number, self._here.number = self._here.number, 0
        self._files.keep(number, self._here.name, octets_of(request), delivery.octets)
        return delivery

    def number_of(self, entry: JournalEntry) -> int:
        """The number of the exchange that an entry is about, while it is handled in this thread; 0 of one that is not,
        since the host refused it."""
        self._here.name = entry.name
        return int(getattr(self._here, "number", 0))
