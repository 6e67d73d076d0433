"""A directory in which a program keeps its state: its owner's alone, and one process's at a time.

Owns how it is made and locked. What lies in it is for the printer's storage and the mock's store.
"""

from __future__ import annotations

import errno
import os
import sys
import weakref
from pathlib import Path

from mfp_sim.shared.errors import UsageError

__all__ = ["StateDirectory"]


def _lock(path: Path) -> int:
    """Lock a file without waiting; the lock goes with the descriptor, so with the process, however that ends.

    Raises:
        OSError: another process has the lock (``errno`` is one of ``_TAKEN``), or it cannot be had.
    """
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    try:
        if sys.platform == "win32":
            import msvcrt  # noqa: PLC0415 - there is one of them on each system

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            import fcntl  # noqa: PLC0415 - there is one of them on each system

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


_TAKEN = (errno.EWOULDBLOCK, errno.EACCES, errno.EDEADLK)
"""What ``flock`` and Windows say of a lock that another process has."""


class StateDirectory:
    """A directory that is there, and locked until :meth:`close`, or until nobody holds this object any more.

    Directories that it makes are their owner's alone. The lock is a file of its own, ``lock``, since the state may be
    another file after each change.

    Raises:
        UsageError: the directory cannot be made, is not a directory, or is in use by another process;
            ``what`` (a printer) and ``program`` (mfp-sim) are for people.
    """

    def __init__(self, directory: Path, *, lock: str, what: str, program: str) -> None:
        try:
            for missing in reversed([path for path in directory.parents if not path.exists()]):
                missing.mkdir(mode=0o700, exist_ok=True)  # with parents=True they would have the default mode
            directory.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise UsageError(f"cannot use {directory} to keep the state: {error.strerror}") from None
        try:
            descriptor = _lock(directory / lock)
        except OSError as error:
            if error.errno in _TAKEN:
                remedy = f"stop the other {program} first, or choose another --state-dir"
                raise UsageError(f"{directory} is in use: another process keeps {what} there", remedy=remedy) from None
            raise UsageError(f"cannot lock {directory / lock}: {error.strerror}") from None
        self.path = directory
        self._unlock = weakref.finalize(self, os.close, descriptor)

    def close(self) -> None:
        """Leave the directory to others."""
        self._unlock()
