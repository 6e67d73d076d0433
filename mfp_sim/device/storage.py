"""The storage in which the printer's state survives a restart: one atomic commit of everything, and one load.

In memory, or in a directory of the user's choice. A directory contains private keys and the challenge password, like a
real printer's storage, so only its owner can read its file. The file has two lines: its kind with the SHA-256 of the
second line, and the state as JSON; so a damaged or changed file is never accepted as a state (F-K07). Only one process
at a time can use a directory: two printers with one state would undo each other's commits.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.state_directory import StateDirectory

__all__ = ["FORMAT", "MAX_OCTETS", "DirectoryStorage", "MemoryStorage", "Storage", "decode_state", "encode_state"]

MAX_OCTETS = 16 * 1024 * 1024
"""The largest state that is read or written, in bytes."""
FORMAT = 1


class Storage(Protocol):
    """Keeps one JSON-able state."""

    def commit(self, state: Mapping[str, object]) -> None:
        """Replace the stored state completely or not at all. The caller must not change ``state`` afterwards."""
        ...

    def load(self) -> Mapping[str, object] | None:
        """The last committed state, or None for a new printer."""
        ...


class MemoryStorage:
    """Keeps the state in memory as long as the object exists; it survives a restart of the printer."""

    def __init__(self) -> None:
        self._state: Mapping[str, object] | None = None

    def commit(self, state: Mapping[str, object]) -> None:
        self._state = state

    def load(self) -> Mapping[str, object] | None:
        return self._state


def encode_state(state: Mapping[str, object]) -> bytes:
    """The bytes of a stored state."""
    body = json.dumps(dict(state), ensure_ascii=True, separators=(",", ":")).encode()
    head = {"mfp-sim": "printer state", "format": FORMAT, "sha256": hashlib.sha256(body).hexdigest()}
    return json.dumps(head).encode() + b"\n" + body + b"\n"


def decode_state(octets: bytes) -> Mapping[str, object]:
    """The state in bytes from `encode_state`.

    Raises:
        ValueError: they are not such bytes. The sentence says why, and never shows content.
    """
    first, _, rest = octets.partition(b"\n")
    try:
        head = json.loads(first)
    except (ValueError, RecursionError):
        raise ValueError("is not the state of a printer") from None
    if not isinstance(head, dict) or head.get("mfp-sim") != "printer state":
        raise ValueError("is not the state of a printer")
    if head.get("format") != FORMAT:
        raise ValueError(f"is not a state of format {FORMAT}: another version of mfp-sim wrote it")
    body = rest.removesuffix(b"\n")
    if rest == body or hashlib.sha256(body).hexdigest() != head.get("sha256"):
        raise ValueError("is damaged: it was cut off, or changed after it was written")
    try:
        state = json.loads(body)
    except (ValueError, RecursionError):
        raise ValueError("is not the state of a printer") from None
    if not isinstance(state, dict):
        raise ValueError("is not the state of a printer")
    return state


class DirectoryStorage:
    """Keeps the state in one file of a directory, written to disk and then replaced by an atomic rename.

    Only the owner can access directories that it makes. The directory is locked until `close`, or until this object is
    deleted. ``reach`` is called with ``written`` and ``renamed``: a power failure there leaves either the old state or
    the new one.

    Raises:
        UsageError: the directory cannot be made, is not a directory, or is in use by another process.
    """

    def __init__(self, directory: Path, *, reach: Callable[[str], None] | None = None) -> None:
        self._reach = reach or (lambda _: None)
        self._directory = directory
        self._file = directory / "printer.json"
        self._place = StateDirectory(directory, lock="printer.lock", what="a printer", program="mfp-sim")

    def close(self) -> None:
        """Unlock the directory."""
        self._place.close()

    def commit(self, state: Mapping[str, object]) -> None:
        """See `Storage.commit`.

        Raises:
            UsageError: the disk is full or the directory cannot be written.
        """
        octets = encode_state(state)
        if len(octets) > MAX_OCTETS:
            raise UsageError(f"the state is larger than {MAX_OCTETS} bytes")
        fresh = self._directory / "printer.json.new"
        try:
            self._write(fresh, octets)
            self._reach("written")
            fresh.replace(self._file)
            self._reach("renamed")
            self._sync_directory()
        except OSError as error:
            raise UsageError(f"cannot keep the state in {self._directory}: {error.strerror}") from None

    @staticmethod
    def _write(path: Path, octets: bytes) -> None:
        path.unlink(missing_ok=True)  # left by a power failure, or a link that another user made
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)  # O_EXCL does not follow links either
        with os.fdopen(descriptor, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())

    def _sync_directory(self) -> None:
        if not hasattr(os, "O_DIRECTORY"):
            return  # Windows cannot open a directory
        descriptor = os.open(self._directory, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def load(self) -> Mapping[str, object] | None:
        """See `Storage.load`.

        Raises:
            UsageError: the file was not written by `commit`, or was changed.
        """
        remedy = "choose another --state-dir, or move the file away to start with a new printer"
        try:
            if not stat.S_ISREG(self._file.lstat().st_mode):
                raise UsageError(f"{self._file} is a link, or not a file", remedy=remedy)
            with self._file.open("rb") as file:
                octets = file.read(MAX_OCTETS + 1)
        except FileNotFoundError:
            return None
        except OSError as error:
            raise UsageError(f"cannot read {self._file}: {error.strerror}", remedy=remedy) from None
        if len(octets) > MAX_OCTETS:
            raise UsageError(f"{self._file} is larger than {MAX_OCTETS} bytes", remedy=remedy)
        try:
            return decode_state(octets)
        except ValueError as error:
            raise UsageError(f"{self._file} {error}", remedy=remedy) from None
