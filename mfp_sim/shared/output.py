"""Standard output and standard error of the commands. A failed write does not change what a command does.

If the reader goes away (``mfp-sim run | head -1``), the rest of the output is dropped. A full disk, or a stream that
was closed before the process began (``mfp-sim list >&-``), is reported after the work is done. Verdicts and reports are
the same as if the output had been read to its end.
"""

from __future__ import annotations

import contextlib
import errno
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO, cast

__all__ = ["Output", "standard_output"]

_READER_LEFT = frozenset({errno.EPIPE, errno.ECONNRESET})


class Output:
    """A text stream that drops everything after the first failed write, and remembers the reason (``failed``)."""

    def __init__(self, stream: TextIO, *, closed: bool = False) -> None:
        """``closed``: the process began without it, and ``stream`` has its place."""
        self._stream = stream
        self._closed = closed
        self.failed: OSError | None = None

    @property
    def lost(self) -> str | None:
        """Why a reader that is still there did not get all of the output, or None."""
        if self.failed is None or self.failed.errno in _READER_LEFT:
            return None
        return self.failed.strerror or str(self.failed)

    def write(self, text: str) -> int:
        """Write, unless a write has failed."""
        if self._closed and text:
            self.failed = OSError(errno.EBADF, "it is closed")
        if self.failed is None:
            try:
                return self._stream.write(text)
            except OSError as error:
                self._give_up(error)
        return len(text)

    def flush(self) -> None:
        """Flush, unless a write has failed."""
        if self.failed is None:
            try:
                self._stream.flush()
            except OSError as error:
                self._give_up(error)

    def _give_up(self, error: OSError) -> None:
        self.failed = error
        # What is still in buffers has to go somewhere when Python closes the stream.
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


@contextlib.contextmanager
def standard_output() -> Iterator[Output]:
    """Standard output as an `Output`, and standard error too, until the end of the ``with``."""
    before = sys.stdout, sys.stderr
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere:
        # Python has None for a stream that was closed when the process began.
        out, err = (Output(stream or nowhere, closed=stream is None) for stream in before)
        sys.stdout, sys.stderr = cast(TextIO, out), cast(TextIO, err)
        try:
            yield out
        finally:
            out.flush()
            err.flush()
            sys.stdout, sys.stderr = before
