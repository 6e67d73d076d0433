"""Saves exchanges as files: request and reply byte for byte, for `mfp-sim decode` and for people.

A client never chooses a file name. If the disk is full, files are lost but replies do not change.
"""

from __future__ import annotations

import http.client
import itertools
import logging
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Final

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from mfp_sim.shared.content_keys import KEY_LENGTHS
from mfp_sim.shared.errors import DecodeError, UsageError
from mfp_sim.shared.http_octets import octets_of, reply_of
from mfp_sim.shared.scep import messages
from mfp_sim.shared.scep.envelope import EnvelopeKeys
from mfp_sim.shared.scep.http_messages import Delivery, HttpRequest, read_scep_query
from mfp_sim.shared.scep.messages import PkiMessage
from mfp_sim.shared.scep.vocabulary import Operation
from mfp_sim.shared.simtime import Entropy
from mock_scep_server.journal import JournalEntry
from mock_scep_server.server import Service

__all__ = ["ExchangeFiles", "SavingService", "save_keys"]

_MOST_DRAWN: Final = 100
"""The number of byte strings that are remembered of one exchange."""
_log = logging.getLogger("mock_scep_server")


class ExchangeFiles:
    """A directory of exchanges: `000001-PKCSReq.request.http` and `000001-PKCSReq.reply.http`, readable only by the
    owner.

    Raises:
        UsageError: the directory cannot be created, or contains exchanges of another run.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        try:
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            if any(directory.glob("*.http")):
                raise UsageError(f"{directory} already contains exchanges", remedy="use an empty directory for --save")
        except OSError as error:
            raise UsageError(f"cannot save into {directory}: {error.strerror}") from None

    def keep(self, number: int, name: str, request: bytes, reply: bytes) -> None:
        """Write an exchange; `name` is the operation or message type, which a client may have invented."""
        stem = self.stem(number, name)
        self.write(f"{stem}.request.http", request)
        self.write(f"{stem}.reply.http", reply)

    def find(self, number: int) -> Path | None:
        """The file of a request by the number of its exchange; None if it is not saved."""
        return next(iter(self.directory.glob(f"{number:06}-*.request.http")), None)

    def read(self, file: Path) -> bytes:
        """Return the bytes of one of the files.

        Raises:
            UsageError: it cannot be read.
        """
        try:
            return file.read_bytes()
        except OSError as error:
            raise UsageError(f"cannot read {file.name}: {error.strerror}") from None

    def stem(self, number: int, name: str) -> str:
        """The start of the file names of an exchange."""
        return f"{number:06}-{re.sub('[^A-Za-z0-9]+', '-', name)[:40].strip('-') or 'request'}"

    def write(self, name: str, octets: bytes) -> None:
        """Write one file; the log records a failure."""
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
    """Write the content key of each envelope that `keys` decrypt beside its exchange, in hexadecimal, but no private
    key.

    `mfp-sim decode` and `mock-scep-server judge` look for them there.
    """
    for side, message in (("request", request), ("reply", reply)):
        found = keys.content_key(message.envelope) if message is not None and message.envelope is not None else None
        if found is not None:
            files.write(f"{files.stem(number, name)}.{side}.key", found.hex().encode() + b"\n")


class SavingService:
    """Wraps another service and writes each exchange into a directory; `keys`: also the content keys.

    The CA has the key of each request's envelope. The key of a reply's envelope is among the random bytes that the CA
    drew for it: with `keys`, its randomness has to come from `entropy`.

    Raises:
        UsageError: see `ExchangeFiles`.
    """

    def __init__(self, directory: Path, *, keys: bool = False) -> None:
        self.service: Service | None = None
        self.private: Callable[[], tuple[RSAPrivateKey, ...]] = tuple
        """The current private keys of the CA; they decrypt requests and are never written."""
        self.files = ExchangeFiles(directory)
        self._here, self._keys = threading.local(), keys
        self._numbers = itertools.count(1)

    def entropy(self, chance: Entropy) -> Entropy:
        """The same entropy, which remembers possible content keys during the exchange."""
        return _Remembered(chance, self._here) if self._keys else chance

    def handle(self, request: HttpRequest, client: str) -> Delivery:
        """Answer as the wrapped service does, and save what went over the wire."""
        assert self.service is not None
        self._here.number, self._here.name, self._here.drawn = next(self._numbers), "request", []
        try:
            delivery = self.service.handle(request, client)
        finally:
            number, self._here.number = self._here.number, 0
            drawn, self._here.drawn = self._here.drawn, []
        name = self._here.name
        self.files.keep(number, name, octets_of(request), delivery.octets)
        if self._keys:
            keys = EnvelopeKeys(self.private(), tuple(drawn))
            save_keys(self.files, number, name, keys, request=_asked(request), reply=_replied(delivery))
        return delivery

    def number_of(self, entry: JournalEntry) -> int | None:
        """The number of the exchange that an entry is about while this thread handles it; None if the host refused the
        request."""
        self._here.name = entry.name
        return getattr(self._here, "number", 0) or None


class _Remembered(Entropy):
    """Entropy that remembers, by thread, the bytes that may be a content key."""

    def __init__(self, chance: Entropy, here: threading.local) -> None:
        super().__init__(chance.seed, stream=chance.stream, messages=chance.repeatable)
        self._here = here

    def fork(self, name: str) -> Entropy:
        return _Remembered(super().fork(name), self._here)

    def octets(self, count: int) -> bytes:
        octets = super().octets(count)
        drawn: list[bytes] | None = getattr(self._here, "drawn", None)
        if drawn is not None and count in KEY_LENGTHS and len(drawn) < _MOST_DRAWN:
            drawn.append(octets)
        return octets


def _asked(request: HttpRequest) -> PkiMessage | None:
    try:
        query = read_scep_query(request)
        return messages.decode(query.message or b"") if query.operation == Operation.PKI_OPERATION else None
    except DecodeError:
        return None


def _replied(delivery: Delivery) -> PkiMessage | None:
    """The CertRep of a delivery; None if there is no readable one."""
    try:
        return messages.decode(reply_of(delivery.octets).body)
    except (DecodeError, http.client.HTTPException, ValueError, OSError):
        return None
