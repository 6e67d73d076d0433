"""Where a mock's books survive a restart: in memory, which is nowhere, or in a file of a directory (SQLite).

The books keep what they know in tables of their own, and say each change here; what was kept is read as they are made.
A change is kept when :meth:`Store.commit` has returned, which is before a request is answered: whatever then happens to
the process, what was answered is known after its next start. Changes of one step are kept together or not at all. Knows
no book; owns the file, its format, and who may open it.
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
"""What is kept of one thing, as JSON has it."""
Made = TypeVar("Made")
_FORMAT = 1
"""Of the file; another one is refused."""
_APPLICATION = 0x4D465053
"""``MFPS``, in the head of the file: it is no other program's database."""
OTHER = "take another --state-dir, or move the file away to start with a new CA"

CHANGED = f"if you changed it, undo that; else {OTHER}"


class StoreFailed(MfpSimError):
    """What was decided cannot be kept: the disk is full, say."""


class Store(Protocol):
    """Rows by book and key. A ``row`` is made when it is kept, so that a store that keeps nothing costs nothing."""

    where: str
    """The file, for people; empty in memory."""

    def books(self) -> frozenset[str]:
        """Those that have rows."""
        ...

    def rows(self, book: str, read: Callable[[str, Row], Made]) -> list[Made]:
        """What was kept when the store was opened, each row read, in the order in which the keys came first.

        Raises:
            UsageError: ``read`` raises ValueError, TypeError, LookupError or an error of ours: the file is damaged. The
                error names file, book and place of the row.
        """
        ...

    def put(self, book: str, key: str, row: Callable[[], Row]) -> None:
        """A row, in the place of the one that the key had."""
        ...

    def remove(self, book: str, key: str) -> None:
        """None under that key any longer."""
        ...

    def clear(self, book: str) -> None:
        """None in that book any longer."""
        ...

    def begin(self) -> None:
        """A step of this thread begins; steps that change the same rows do not overlap."""
        ...

    def end(self) -> None:
        """It has ended."""
        ...

    def commit(self) -> None:
        """What was changed before this call, but in steps of others that have not ended, is kept when it returns.

        Raises:
            StoreFailed: it cannot be kept; the next call tries again.
        """
        ...

    def close(self) -> None:
        """Leave the file to others; what is not committed is gone."""
        ...


class MemoryStore:
    """Keeps nothing: the books' own tables are all there is."""

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
    """The lock under which a CA decides and remembers: what changes while it is held is kept together."""

    def __init__(self, store: Store) -> None:
        self._lock, self._store = threading.Lock(), store

    def __enter__(self) -> None:
        self._lock.acquire()
        self._store.begin()

    def __exit__(self, *_: object) -> None:
        self._store.end()
        self._lock.release()

    def outside(self, wait: Callable[[], object]) -> None:
        """Let others have it while this thread, which holds it, waits; what came before is a step of its own."""
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
    """What changes in a step. Of several rows under one key the last one is made, when the step ends."""

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
    """What a column holds as JSON."""
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
    """The file ``mock.sqlite`` in a directory of one process.

    Changes wait until somebody commits; one transaction takes all that wait, so that many clients cost few of them. The
    file has a write-ahead log: a process that is killed loses nothing that was committed. When the machine itself
    fails, the last moments before that may be gone; the file is whole even then.

    Raises:
        UsageError: the directory cannot be had, or the file is not what this class writes.
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
        """A file of its owner alone, where there is none."""
        try:
            descriptor = os.open(self._file, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
        except OSError as error:
            raise UsageError(f"cannot open {self._file}: {error.strerror}", remedy=OTHER) from None
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise UsageError(f"{self._file} is no file", remedy=OTHER)
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
        """One row; an error names it by its place, since its key may be a secret."""
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
        """The step of this thread, or one of the change alone."""
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
        with self._writing:  # who waited here finds that another has kept its changes
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
