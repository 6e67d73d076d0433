"""A directory for a program's state: only its owner may read it, and one process at a time uses it.

Owns its creation and its lock. Its content belongs to the printer's storage and the mock's store.
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
    """Lock a file without waiting. The lock ends with the descriptor, so also when the process ends in any way.

    Raises:
        OSError: another process has the lock (``errno`` is one of ``_TAKEN``), or the file cannot be locked.
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
"""The errors of ``flock`` and of Windows for a lock that another process has."""


class StateDirectory:
    """A directory, made if it is missing, and locked until `close` or until this object is garbage.

    Only the owner can access the directories that it makes. The lock is a separate file, ``lock``, since a change may
    replace the file of the state.

    Raises:
        UsageError: the directory cannot be made, is not a directory, or is in use by another process;
            the message contains ``what`` (a printer) and ``program`` (mfp-sim).
    """

    def __init__(self, directory: Path, *, lock: str, what: str, program: str) -> None:
        try:
            for missing in reversed([path for path in directory.parents if not path.exists()]):
                missing.mkdir(mode=0o700, exist_ok=True)  # parents=True would give them the default mode
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
        """Release the directory for other processes."""
        self._unlock()
