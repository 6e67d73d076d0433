"""The storage of a mock's books: in memory only, or in an SQLite file in a directory, which survives a restart.

The books keep their own tables in memory and report each change here; stored rows are read when the books are created.
A change is stored when `Store.commit` has returned, which is before a request is answered: whatever then happens to the
process, its next start knows every decision that a client received. The changes of one step are stored together or not
at all. This module knows no book; it owns the file, its format, and who may open it.
"""

from __future__ import annotations

import json
import os
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Protocol, TypeVar

from mfp_sim.shared.errors import MfpSimError, UsageError
from mfp_sim.shared.state_directory import StateDirectory

__all__ = ["CHANGED", "OTHER", "MemoryStore", "Row", "SqliteStore", "StepLock", "Store", "StoreFailed"]

Row = Mapping[str, Any]
"""A stored row, as a JSON object."""
Made = TypeVar("Made")
_FORMAT = 1
"""The format of the file; any other is refused."""
_APPLICATION = 0x4D465053
"""`MFPS`, in the header of the file: distinguishes it from databases of other programs."""
OTHER = "use another --state-dir, or move the file away to start with a new CA"

CHANGED = f"if you changed it, undo that; otherwise {OTHER}"


class StoreFailed(MfpSimError):
    """A decision cannot be stored, for example because the disk is full."""


class Store(Protocol):
    """Rows by book and key. A `row` is made when it is stored, so that a store in memory has no cost."""

    where: str
    """The file, for messages; empty in memory."""

    def books(self) -> frozenset[str]:
        """The books that have rows."""
        ...

    def rows(self, book: str, read: Callable[[str, Row], Made]) -> list[Made]:
        """Read the rows that were stored when the store was opened, in the order in which the keys first occurred.

        Raises:
            UsageError: `read` raises ValueError, TypeError, LookupError or one of our errors: the file is damaged. The
                error names file, book and place of the row.
        """
        ...

    def put(self, book: str, key: str, row: Callable[[], Row]) -> None:
        """Store a row, replacing the previous one of the key."""
        ...

    def remove(self, book: str, key: str) -> None:
        """Delete the row of the key."""
        ...

    def clear(self, book: str) -> None:
        """Delete all rows of the book."""
        ...

    def begin(self) -> None:
        """Start a step of this thread; steps that change the same rows do not overlap."""
        ...

    def end(self) -> None:
        """End the step."""
        ...

    def commit(self) -> None:
        """Store all earlier changes, except those of unfinished steps of other threads, before returning.

        Raises:
            StoreFailed: they cannot be stored; the next call tries again.
        """
        ...

    def close(self) -> None:
        """Close the file; uncommitted changes are lost."""
        ...


class MemoryStore:
    """Stores nothing: the books' own tables are the only copy."""

    where: str = ""

    def books(self) -> frozenset[str]:
        return frozenset()

    def rows(self, book: str, read: Callable[[str, Row], Made]) -> list[Made]:  # noqa: ARG002 - the protocol's arguments
        return []

    def put(self, book: str, key: str, row: Callable[[], Row]) -> None:
        pass

    def remove(self, book: str, key: str) -> None:
        pass

    def clear(self, book: str) -> None:
        pass

    def begin(self) -> None:
        pass

    def end(self) -> None:
        pass

    def commit(self) -> None:
        pass

    def close(self) -> None:
        pass


class StepLock:
    """The lock under which a CA decides and remembers: changes made while it is held are stored together."""

    def __init__(self, store: Store) -> None:
        self._lock, self._store = threading.Lock(), store

    def __enter__(self) -> None:
        self._lock.acquire()
        self._store.begin()

    def __exit__(self, *_: object) -> None:
        self._store.end()
        self._lock.release()

    def outside(self, wait: Callable[[], object]) -> None:
        """Release it while this thread, which holds it, waits; the earlier changes are a separate step."""
        self.__exit__()
        try:
            wait()
        finally:
            self.__enter__()


_PUT = "INSERT INTO kept (book, key, row) VALUES (?, ?, ?) ON CONFLICT (book, key) DO UPDATE SET row = excluded.row"
_REMOVE = "DELETE FROM kept WHERE book = ? AND key = ?"
_CLEAR = "DELETE FROM kept WHERE book = ?"


_Change = tuple[str, tuple[object, ...]]


class _StepChanges:
    """The changes of a step. Of several rows with the same key, only the last is made, when the step ends."""

    def __init__(self) -> None:
        self._changes: list[tuple[str, tuple[str, ...], Callable[[], Row] | None]] = []
        self._places: dict[tuple[str, ...], int] = {}

    def put(self, at: tuple[str, str], row: Callable[[], Row]) -> None:
        place = self._places.setdefault(at, len(self._changes))
        self._changes[place : place + 1] = [(_PUT, at, row)]

    def take(self, statement: str, at: tuple[str, ...]) -> None:
        self._places = {other: place for other, place in self._places.items() if other[: len(at)] != at}
        self._changes.append((statement, at, None))

    def made(self) -> list[_Change]:
        return [(statement, at if row is None else (*at, _text(row()))) for statement, at, row in self._changes]


def _from_text(column: str, value: object, kind: type[Made]) -> Made:
    """Read the JSON of a column."""
    try:
        found = json.loads(value) if isinstance(value, str) else None
    except ValueError:
        found = None
    if not isinstance(found, kind):
        raise ValueError(f"its column {column!r} has no {'text' if kind is str else 'object'} in JSON")
    return found


def _text(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


class SqliteStore:
    """The file `mock.sqlite` in a directory, used by one process.

    Changes wait for a commit; one transaction stores all that wait, so that many clients need few transactions. The
    file has a write-ahead log: a killed process loses nothing that was committed. If the computer itself fails, the
    last moments may be lost, but the file stays intact.

    Raises:
        UsageError: the directory cannot be used, or this class did not write the file.
    """

    NAME: ClassVar[str] = "mock.sqlite"

    def __init__(self, directory: Path) -> None:
        self._place = StateDirectory(directory, lock="mock.lock", what="a mock CA", program="mock-scep-server")
        self._file = directory / self.NAME
        self.where = str(self._file)
        self._lock, self._writing, self._step = threading.Lock(), threading.Lock(), threading.local()
        self._waiting: list[_Change] = []
        try:
            self._base = self._open()
        except sqlite3.Error as error:
            self._place.close()
            foreign = error.args == ("file is not a database",)
            what = "is not the state of a mock CA" if foreign else f"cannot be read, or is damaged: {error}"
            raise UsageError(f"{self._file} {what}", remedy=OTHER) from None
        except BaseException:
            self._place.close()
            raise

    def _open(self) -> sqlite3.Connection:
        self._make_file()
        base = sqlite3.connect(self._file, isolation_level=None, check_same_thread=False)
        try:
            ((application,),) = base.execute("PRAGMA application_id")
            if not application and not base.execute("SELECT 1 FROM sqlite_master").fetchone():
                base.executescript(
                    f"BEGIN; PRAGMA application_id = {_APPLICATION}; PRAGMA user_version = {_FORMAT};"
                    "CREATE TABLE kept (place INTEGER PRIMARY KEY, book TEXT NOT NULL, key TEXT NOT NULL,"
                    " row TEXT NOT NULL, UNIQUE (book, key)); COMMIT;"
                )
            ((application,),) = base.execute("PRAGMA application_id")
            ((version,),) = base.execute("PRAGMA user_version")
            if application != _APPLICATION:
                raise UsageError(f"{self._file} is not the state of a mock CA", remedy=OTHER)
            if version != _FORMAT:
                text = f"{self._file} is not a state of format {_FORMAT}: another version of mfp-sim wrote it"
                raise UsageError(text, remedy=OTHER)
            found = [str(told) for (told,) in base.execute("PRAGMA quick_check(1)")]
            if found != ["ok"]:
                raise UsageError(f"{self._file} is damaged: {found[0].splitlines()[-1]}", remedy=OTHER)
            base.execute("PRAGMA journal_mode = WAL")
            base.execute("PRAGMA synchronous = NORMAL")
        except BaseException:
            base.close()
            raise
        return base

    def _make_file(self) -> None:
        """Create the file, accessible only to its owner, if it does not exist."""
        try:
            descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        except OSError as error:
            raise UsageError(f"cannot open {self._file}: {error.strerror}", remedy=OTHER) from None
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise UsageError(f"{self._file} is not a file", remedy=OTHER)
            if hasattr(os, "fchmod"):
                os.fchmod(descriptor, 0o600)
        finally:
            os.close(descriptor)

    def books(self) -> frozenset[str]:
        return frozenset(str(book) for (book,) in self._base.execute("SELECT DISTINCT book FROM kept"))

    def rows(self, book: str, read: Callable[[str, Row], Made]) -> list[Made]:
        try:
            found = self._base.execute("SELECT place, key, row FROM kept WHERE book = ? ORDER BY place", (book,))
            return [self._read(book, place, read, key, row) for place, key, row in found]
        except sqlite3.Error as error:
            raise UsageError(f"{self._file} is damaged in its {book}: {error}", remedy=OTHER) from None

    def _read(self, book: str, place: object, read: Callable[[str, Row], Made], key: object, row: object) -> Made:
        """Read one row; an error names its place, since its key may be a secret."""
        try:
            return read(_from_text("key", key, str), _from_text("row", row, dict))
        except UsageError:
            raise
        except (MfpSimError, ValueError, LookupError, TypeError, OverflowError, RecursionError) as error:
            text = f"{self._file} is damaged in its {book}, at place {place}: {error}"
            raise UsageError(text, remedy=CHANGED) from None

    def put(self, book: str, key: str, row: Callable[[], Row]) -> None:
        with self._changing() as changes:
            changes.put((book, _text(key)), row)

    def remove(self, book: str, key: str) -> None:
        with self._changing() as changes:
            changes.take(_REMOVE, (book, _text(key)))

    def clear(self, book: str) -> None:
        with self._changing() as changes:
            changes.take(_CLEAR, (book,))

    @contextmanager
    def _changing(self) -> Iterator[_StepChanges]:
        """The step of this thread, or a step for a single change."""
        step: _StepChanges | None = getattr(self._step, "changes", None)
        if step is not None:
            yield step
            return
        alone = _StepChanges()
        yield alone
        self._add(alone)

    def begin(self) -> None:
        self._step.changes = _StepChanges()

    def end(self) -> None:
        changes, self._step.changes = self._step.changes, None
        self._add(changes)

    def _add(self, changes: _StepChanges) -> None:
        made = changes.made()
        with self._lock:
            self._waiting.extend(made)

    def commit(self) -> None:
        with self._writing:  # another thread may have stored the changes in the meantime
            with self._lock:
                changes, self._waiting = self._waiting, []
            if not changes:
                return
            try:
                self._write(changes)
            except sqlite3.Error as error:
                with self._lock:
                    self._waiting[:0] = changes
                raise StoreFailed(f"cannot keep the state in {self._file}: {error}") from None

    def _write(self, changes: Iterable[_Change]) -> None:
        self._base.execute("BEGIN IMMEDIATE")
        try:
            for statement, values in changes:
                self._base.execute(statement, values)
            self._base.execute("COMMIT")
        except BaseException:
            if self._base.in_transaction:
                self._base.execute("ROLLBACK")
            raise

    def close(self) -> None:
        self._base.close()
        self._place.close()
