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
from mfp_sim.shared.scep.http_messages import Delivery, HttpRequest, render_outgoing
from mock_scep_server.journal import JournalEntry
from mock_scep_server.server import Service

__all__ = ["SavingService"]

_log = logging.getLogger("mock_scep_server")


class SavingService:
    """Another service, each of whose exchanges is written into a directory.

    Files are ``000001-PKCSReq.request.http`` and ``000001-PKCSReq.reply.http``; both are the owner's alone.

    Raises:
        UsageError: the directory cannot be made, or holds exchanges of another run.
    """

    def __init__(self, directory: Path) -> None:
        self.service: Service | None = None
        self._directory, self._here = directory, threading.local()
        self._numbers = itertools.count(1)
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if any(directory.glob("*.http")):
                raise UsageError(f"{directory} holds exchanges already", remedy="give an empty directory to --save")
        except OSError as error:
            raise UsageError(f"cannot save into {directory}: {error.strerror}") from None

    def handle(self, request: HttpRequest, client: str) -> Delivery:
        """Answer as the other service does, and keep what went over the wire."""
        assert self.service is not None
        self._here.number, self._here.name = next(self._numbers), "request"
        try:
            delivery = self.service.handle(request, client)
        finally:
            number, self._here.number = self._here.number, 0
        stem = f"{number:06}-{self._here.name}"
        self._write(f"{stem}.request.http", render_outgoing(request))
        self._write(f"{stem}.reply.http", delivery.octets)
        return delivery

    def number_of(self, entry: JournalEntry) -> int:
        """The number of the exchange that an entry is about, while it is handled in this thread; 0 of one that is not,
        since the host refused it."""
        self._here.name = re.sub("[^A-Za-z0-9]+", "-", entry.name)[:40].strip("-") or "request"
        return int(getattr(self._here, "number", 0))

    def _write(self, name: str, octets: bytes) -> None:
        try:
            (self._directory / name).touch(0o600)
            (self._directory / name).write_bytes(octets)
        except OSError as error:
            _log.warning("%s is not saved: %s", name, error.strerror)
