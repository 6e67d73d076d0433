"""A saved session as a source of replies: replays the server's part from files, without a server.

A request gets the reply of the recorded exchange with the same request, otherwise of the next one of the same kind, and
of the last of that kind after all have been played. A tape cannot know what a client generates for each request (nonce,
transactionID, keys): a client that checks them refuses the replies, as it must refuse any replay.
"""

from __future__ import annotations

import hashlib
import http.client
import threading
from dataclasses import dataclass
from pathlib import Path

from mfp_sim.proxy.observing import SeenRequest
from mfp_sim.shared.errors import ConnectFailed, ConnectionLost, MalformedHttp, UsageError
from mfp_sim.shared.files import octets_of
from mfp_sim.shared.http_octets import reply_of, request_of
from mfp_sim.shared.scep.http_messages import HEAD_CAP, MESSAGE_CAP, HttpReply, HttpRequest

__all__ = ["Tape"]

_CAP = 2 * (MESSAGE_CAP + HEAD_CAP)
"""The largest file that mfp-sim reads, in bytes."""


@dataclass
class _Recorded:
    name: str
    mark: bytes
    reply: Path
    played: bool = False


class Tape:
    """The exchanges of a directory, in the form that ``--save`` writes.

    Raises:
        UsageError: the directory has no exchange, or one of its files cannot be read.
    """

    def __init__(self, directory: Path) -> None:
        self._lock = threading.Lock()
        self._exchanges = [self._read(file) for file in sorted(directory.glob("*.request.http"))]
        if not self._exchanges:
            raise UsageError(
                f"{directory} contains no saved exchange", remedy="give the directory of an earlier --save"
            )

    def __len__(self) -> int:
        return len(self._exchanges)

    def _read(self, file: Path) -> _Recorded:
        request = request_of(octets_of(file, _CAP))
        reply = file.with_name(file.name.replace(".request.http", ".reply.http"))
        if not reply.is_file():
            raise UsageError(f"{file} has no reply", remedy=f"there must be a file {reply.name}")
        return _Recorded(SeenRequest.of(request).name, _mark(request), reply)

    def ask(self, request: HttpRequest) -> HttpReply:
        """See `ReplySource.ask`."""
        octets = octets_of(self._next(request).reply, _CAP)
        if not octets:
            raise ConnectionLost("in the saved session, the connection ended without a reply", sent=True)
        try:
            return reply_of(octets)
        except (http.client.HTTPException, ValueError, OSError) as error:
            text = f"the reply in the saved session is not complete: {type(error).__name__}"
            raise MalformedHttp(text, sent=True) from None

    def _next(self, request: HttpRequest) -> _Recorded:
        name, mark = SeenRequest.of(request).name, _mark(request)
        with self._lock:
            same = [one for one in self._exchanges if one.name == name]
            if not same:
                raise ConnectFailed(f"the saved session has no reply to {name}")
            exact = [one for one in same if one.mark == mark]
            unplayed = [one for one in (*exact, *same) if not one.played]
            found = unplayed[0] if unplayed else (exact or same)[-1]
            found.played = True
            return found

    def close(self) -> None:
        """See `ReplySource.close`."""


def _mark(request: HttpRequest) -> bytes:
    """Equal for equal requests: method, target and body."""
    parts = (request.method.encode(), request.target.encode("latin-1", "replace"), request.body)
    return hashlib.sha256(b"\0".join(parts)).digest()
