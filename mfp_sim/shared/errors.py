"""The one error tree of the product. Exceptions of other libraries are translated into it where they are caught.

::

    MfpSimError                    exit code 4 (internal) unless a subclass has another
    ├── UsageError            2    the command line or a fixture was used wrongly
    ├── DocumentError         2    a file has mistakes: all of them, each with line and column
    ├── TargetError           3    the server is unreachable or does not speak SCEP
    ├── DecodeError                bytes that cannot be decoded: path, offset, expected, got
    │   └── AlgorithmRefused       readable, but the algorithm is refused by name
    ├── SignatureInvalid           a CMS, CSR or certificate signature does not verify
    ├── EnvelopeUnreadable         no recipient for our key, or decryption failed
    ├── TransportError             no HTTP reply; the subclass says at which stage the exchange failed
    │   ├── ConnectFailed          nothing was sent
    │   ├── ConnectionLost         reset or closed before the reply was complete
    │   ├── DeadlineExceeded       the deadline of the whole exchange passed
    │   └── MalformedHttp          the received bytes are not an HTTP reply
    ├── KeyGenerationFailed        no key pair could be made
    ├── Refused                    the printer refused an operation: a stable reason and a sentence
    │   └── PowerLost              the power failed during an operation: committed changes stay
    └── BoundExceeded              a scenario exceeded its bound of virtual time or events

An error says what was wrong, where, and if possible what to do (``remedy``). It never contains a secret.
"""

from __future__ import annotations

import errno
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

__all__ = [
    "AlgorithmRefused",
    "BoundExceeded",
    "ConnectFailed",
    "ConnectionLost",
    "DeadlineExceeded",
    "DecodeError",
    "DocumentError",
    "EnvelopeUnreadable",
    "KeyGenerationFailed",
    "MalformedHttp",
    "MfpSimError",
    "PowerLost",
    "Problem",
    "Reason",
    "Refused",
    "SignatureInvalid",
    "TargetError",
    "TransportError",
    "UsageError",
    "place_of",
    "unread",
]


class MfpSimError(Exception):
    """Base of all errors of the product. ``message`` is a sentence for people, ``remedy`` what to do."""

    exit_code: ClassVar[int] = 4

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} ({self.remedy})" if self.remedy else self.message

    def __reduce__(self) -> tuple[object, ...]:
        """Pickle by attributes: the arguments of ``__init__`` differ from those of ``Exception``."""
        return _restored, (type(self), self.args), self.__dict__


def _restored(kind: type[MfpSimError], arguments: tuple[object, ...]) -> MfpSimError:
    """An error from another process, without its attributes: pickle sets them afterwards."""
    return kind.__new__(kind, *arguments)


class UsageError(MfpSimError):
    """The command line, a fixture or the API was used wrongly."""

    exit_code = 2


_UNREAD = {
    errno.ENOENT: "check its name, and the directory in which this command runs",
    errno.ENOTDIR: "check its name, and the directory in which this command runs",
    errno.EISDIR: "give a file, not a directory",
    errno.EACCES: "give this user the right to read it",
}


def unread(what: object, error: OSError, remedy: str = "") -> UsageError:
    """The error for a file that cannot be read, with a remedy; a missing file may have its own."""
    own = remedy if error.errno in (errno.ENOENT, errno.ENOTDIR) else ""
    return UsageError(f"cannot read {what}: {error.strerror}", remedy=own or _UNREAD.get(error.errno or 0))


@dataclass(frozen=True)
class Problem:
    """One mistake in a file: 1-based line and column, a sentence, and a hint such as "did you mean".

    For JSON, ``file`` includes the path of the value, and line and column are 0. ``unknown`` is the key, if the
    mistake is that it is not known there. ``other`` is the second file that has to be read to see the mistake.
    """

    file: str
    line: int
    column: int
    message: str
    hint: str | None = None
    unknown: str = ""
    other: str = ""

    def __str__(self) -> str:
        tail = f" ({self.hint})" if self.hint else ""
        return f"{place_of(self.file, self.line, self.column)}: {self.message}{tail}"


def place_of(file: str, line: int, column: int) -> str:
    """``file:line:column``, or only the file if there is no line."""
    return f"{file}:{line}:{column}" if line else file


class DocumentError(MfpSimError):
    """A file has mistakes. ``problems`` are all of them, ordered by place; the text shows the first hundred.

    ``cut``: reading stopped before the end of the file, because there were too many mistakes.
    """

    exit_code = 2

    def __init__(self, problems: Sequence[Problem], *, cut: bool = False) -> None:
        self.problems = tuple(sorted(problems, key=lambda p: (p.file, p.line, p.column)))
        lines = [str(problem) for problem in self.problems[:100]]
        more = f"and {'at least ' if cut else ''}{len(self.problems) - len(lines)} more mistakes"
        super().__init__("\n".join([*lines, more] if len(self.problems) > len(lines) else lines))


class TargetError(MfpSimError):
    """The server to use is unreachable or does not speak SCEP."""

    exit_code = 3


class DecodeError(MfpSimError):
    """The bytes are not what the format requires.

    ``path`` names the element (``signerInfos[0].signedAttrs.transactionID``), ``offset`` is in bytes from
    the start of the message, ``expected`` and ``got`` are descriptions for people.
    """

    def __init__(self, path: str, offset: int, expected: str, got: str) -> None:
        super().__init__(f"{path or 'message'} at byte {offset}: expected {expected}, got {got}")
        self.path, self.offset, self.expected, self.got = path, offset, expected, got


class AlgorithmRefused(DecodeError):
    """The message is readable, but uses an algorithm that policy refuses; ``got`` names it."""


class SignatureInvalid(MfpSimError):
    """A CMS, CSR or certificate signature does not verify."""


class EnvelopeUnreadable(MfpSimError):
    """No RecipientInfo is for our key, or decryption failed."""


class TransportError(MfpSimError):
    """No HTTP reply. ``sent``: the whole request had been sent, so it may have been processed."""

    def __init__(self, message: str, *, sent: bool = False, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.sent = sent


class ConnectFailed(TransportError):
    """The name does not resolve, or the connection was refused or timed out: nothing was sent."""


class ConnectionLost(TransportError):
    """The peer reset or closed the connection before the reply was complete."""


class DeadlineExceeded(TransportError):
    """The single deadline for connect, send and receive passed."""


class MalformedHttp(TransportError):
    """The received bytes are not an HTTP reply, or are larger than the cap."""


class KeyGenerationFailed(MfpSimError):
    """The hardware or the source of keys could not make a key pair."""


Reason = Literal[
    "bad-bundle-password", "bad-challenge", "bad-common-name", "bad-ip", "bad-key-length", "bad-key-name",
    "bad-organization", "bad-policy", "bad-poll-count", "bad-poll-interval", "bad-port", "bad-request-interval",
    "bad-signature-algorithm", "bad-start", "bad-timeout", "bad-url", "bad-use", "bundle-damaged", "bundle-invalid",
    "bundle-not-opened", "bundle-other-machine", "busy", "category-not-offered", "default-key", "fqdn-without-dns",
    "https-not-supported", "import-export-running", "incomplete", "key-in-use", "login-required",
    "no-communication-settings", "no-file", "no-such-function", "no-such-key", "no-such-policy", "not-a-number",
    "not-administrator", "port-conflict", "power-lost", "powered-off", "start-in-the-past", "start-out-of-range",
    "timer-on",
]  # fmt: skip
"""Why the printer refuses an operation: stable slugs. The Remote UI has a field, a status and a label for each
(`mfp_sim.remote_ui.forms.REFUSALS`)."""


class Refused(MfpSimError):
    """The printer refuses an operation and nothing changed. ``reason`` is a stable slug for scripts."""

    def __init__(self, reason: Reason, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy)
        self.reason: Reason = reason


class PowerLost(Refused):
    """The power failed at ``point`` of an operation: committed changes stay, the rest is lost.

    The power returns after ``off_seconds``; if None, when the printer is switched on.
    """

    def __init__(self, point: str, off_seconds: float | None = None) -> None:
        super().__init__("power-lost", f"the power failed at {point}", remedy="switch the printer on again")
        self.point, self.off_seconds = point, off_seconds


class BoundExceeded(MfpSimError):
    """A scenario exceeded its bound of virtual time or of events."""

    exit_code = 1
