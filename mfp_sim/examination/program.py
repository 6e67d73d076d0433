"""A SCEP client as a program: one verb per run, with its parameters in the environment; how it ended and what it left.

``docs/reference/clients.md`` describes the protocol. Everything that a client prints and leaves behind is hostile: it
is limited in size and read as data. Judges nothing.
"""

from __future__ import annotations

import base64
import contextlib
import os
import re
import resource
import shlex
import signal
import ssl
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from importlib import resources
from pathlib import Path
from typing import IO, ClassVar, Literal, Protocol

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from mfp_sim.shared.errors import DecodeError, UsageError
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.simtime import SystemClock
from mfp_sim.shared.stopping import signals_later

__all__ = [
    "SHIPPED", "ClientProgram", "ClientVerb", "End", "Examined", "Person", "Task", "VerbResult", "client_of",
    "objects_in",
]  # fmt: skip

ClientVerb = Literal["version", "get-ca", "get-next-ca", "enrol", "poll", "renew", "get-crl"]
SHIPPED = ("scepclient", "strongswan", "certmonger", "printer")
"""The clients whose wrappers are part of the package."""
_COMMAND = (
    f"--client takes a command that speaks the protocol of docs/reference/clients.md, or one of {', '.join(SHIPPED)}"
)
_TEXT = 16 * 1024
"""How much of a client's output is kept, in bytes: the end, where programs say why they stop."""
_FILE = 64 * 1024
"""The largest file of a client that mfp-sim reads, in bytes."""
_WRITTEN = 64 * 1024 * 1024
"""The largest file that a client may write, in bytes; the system ends a client that writes more (SIGXFSZ)."""
_PEM = re.compile(rb"-----BEGIN (CERTIFICATE|X509 CRL)-----([A-Za-z0-9+/=\s]*)-----END \1-----")


class End(StrEnum):
    """How a run of a verb ended."""

    DONE = "done"
    REFUSED = "refused"
    PENDING = "pending"
    UNSUPPORTED = "not supported"
    BROKEN = "another exit code"
    CRASHED = "a signal"
    HUNG = "did not end"


_CODES = {0: End.DONE, 1: End.REFUSED, 75: End.PENDING, 127: End.UNSUPPORTED}


@dataclass(frozen=True)
class VerbResult:
    """The result of a run: its ``end``, exit ``code`` (negative: the signal), the end of its output, its seconds.

    ``by_word``: a person said so, and there are no files to read.
    """

    verb: ClientVerb
    end: End
    code: int
    text: str
    seconds: float
    by_word: bool = False


@dataclass(frozen=True)
class Task:
    """The client's task, and the place of its files. ``timeout`` in seconds is for one reply.

    The folder belongs to the client: it is empty at first, and the same for all verbs of one situation.
    """

    url: str
    subject: str
    challenge: str
    ca: Certificate
    folder: Path
    timeout: float

    @property
    def certificate_file(self) -> Path:
        """Where the client leaves its certificate, as PEM or DER."""
        return self.folder / "certificate.pem"

    @property
    def key_file(self) -> Path:
        """Where the client leaves its private key, as PEM without a password; it uses an existing one."""
        return self.folder / "key.pem"

    @property
    def fetched_file(self) -> Path:
        """Where the client leaves what ``get-ca``, ``get-next-ca`` or ``get-crl`` fetched, as PEM or DER."""
        return self.folder / "fetched.pem"

    def environment(self) -> dict[str, str]:
        """The client's environment variables."""
        self.folder.mkdir(exist_ok=True)  # a client that removed it has lost its own files, and nothing else
        ca_file = self.folder / "ca.pem"
        if not ca_file.exists():
            ca_file.write_text(ssl.DER_cert_to_PEM_cert(self.ca.der), "ascii")
        return {
            "SCEP_URL": self.url,
            "SCEP_SUBJECT": self.subject,
            "SCEP_CHALLENGE": self.challenge,
            "SCEP_CA_FILE": str(ca_file),
            "SCEP_CA_SHA256": self.ca.fingerprint(),
            "SCEP_CERTIFICATE_FILE": str(self.certificate_file),
            "SCEP_KEY_FILE": str(self.key_file),
            "SCEP_FETCHED_FILE": str(self.fetched_file),
            "SCEP_TIMEOUT": f"{self.timeout:g}",
        }

    def certificate(self) -> Certificate | None:
        """The certificate that the client has left: the first in its file.

        One that is signed with the client's own key does not come from an enrolment and does not count: clients make
        one for the signature of their requests, and may leave it (RFC 8894, 2.3).

        Raises:
            DecodeError: there is a file without a certificate.
        """
        octets = _read(self.certificate_file)
        if octets is None:
            return None
        found = Certificate.from_der(objects_in(octets, "CERTIFICATE")[0])
        return None if found.was_issued_by(found) and self.key_fits(found) else found

    def fetched(self) -> bytes | None:
        """What the client has fetched: the bytes of its file, or None without any.

        Raises:
            DecodeError: it is not a file.
        """
        return _read(self.fetched_file)

    def key_fits(self, certificate: Certificate) -> bool:
        """Whether the client's key is that of a certificate."""
        try:
            public = load_pem_private_key(_read(self.key_file) or b"", None).public_key()
        except (DecodeError, ValueError, TypeError, UnsupportedAlgorithm):
            return False
        return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) == certificate.spki


def objects_in(octets: bytes, label: str) -> tuple[bytes, ...]:
    """The objects of a client's file, in DER: those with this PEM label, or the whole file if it is not PEM.

    Raises:
        DecodeError: the file is PEM without such an object, or its base64 is wrong.
    """
    if b"-----BEGIN" not in octets:
        return (octets,)
    try:
        found = tuple(base64.b64decode(text) for name, text in _PEM.findall(octets) if name.decode() == label)
    except ValueError:
        raise DecodeError("the client's file", 0, "base64", "something else") from None
    if not found:
        raise DecodeError("the client's file", 0, f"PEM with the label {label}", "something else")
    return found


def _read(path: Path) -> bytes | None:
    """The first bytes of a file; None if it is empty, missing or unreadable.

    Raises:
        DecodeError: it is not a file: a folder, or a pipe, which has no end.
    """
    try:
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                return file.read(_FILE) or None
    except IsADirectoryError:
        pass
    except OSError:
        return None
    raise DecodeError(path.name, 0, "a file", "something else")


class Examined(Protocol):
    """A client to examine."""

    @property
    def name(self) -> str:
        """Its name in reports."""
        ...

    def run(self, verb: ClientVerb, task: Task) -> VerbResult:
        """Have it carry out a verb."""
        ...


@dataclass(frozen=True)
class ClientProgram:
    """A client behind a command that speaks the protocol. ``patience``: it is stopped after this many timeouts."""

    words: tuple[str, ...]
    name: str
    patience: float = 4

    def run(self, verb: ClientVerb, task: Task) -> VerbResult:
        """Run a verb to its end, or stop it and all its processes.

        Raises:
            UsageError: the command cannot be run.
        """
        clock = SystemClock()
        begun = clock.now()
        with tempfile.TemporaryFile() as output:
            process: subprocess.Popen[bytes] | None = None
            try:
                with signals_later():
                    process = self._started(verb, task, output)
                _limit(process.pid)
                code = process.wait(self.patience * task.timeout)
                end = _CODES.get(code, End.CRASHED if code < 0 else End.BROKEN)
            except subprocess.TimeoutExpired:
                end, code = End.HUNG, -signal.SIGKILL
            finally:
                if process is not None:
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(process.pid, signal.SIGKILL)  # also a daemon that it left behind
                    process.wait()
            output.seek(max(0, output.tell() - _TEXT))
            text = output.read(_TEXT).decode("utf-8", "replace")
        return VerbResult(verb, end, code, text, (clock.now() - begun).total_seconds())

    def _started(self, verb: ClientVerb, task: Task, output: IO[bytes]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(  # noqa: S603 - the user asks to examine this command
                [*self.words, verb],
                stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, cwd=task.folder,
                env={**_inherited(os.environ), **task.environment()}, start_new_session=True,
            )  # fmt: skip
        except OSError as error:
            raise UsageError(f"{self.words[0]} cannot be run: {error.strerror}", remedy=_COMMAND) from None


class Person:
    """A device with buttons, and a person who operates it and says what it did.

    Args:
        ask: shows a question and returns the answer, like `input`; EOFError means that there is no answer.
        say: shows a line.
    """

    name = "device"
    _ANSWERS: ClassVar[Mapping[str, End]] = {
        "e": End.DONE, "r": End.REFUSED, "p": End.PENDING, "h": End.HUNG, "u": End.UNSUPPORTED,
    }  # fmt: skip

    def __init__(self, ask: Callable[[str], str], say: Callable[[str], None]) -> None:
        self._ask, self._say = ask, say

    def run(self, verb: ClientVerb, task: Task) -> VerbResult:
        """Ask the person to do it.

        Raises:
            UsageError: there is no answer.
        """
        if verb == "version":
            return VerbResult(verb, End.UNSUPPORTED, 127, "", 0.0, by_word=True)
        clock = SystemClock()
        begun = clock.now()
        self._say(f"\n{verb}: at {task.url}, subject {task.subject}, challenge password {task.challenge}")
        self._say(f"CA certificate, SHA-256: {task.ca.fingerprint()}")
        done = "acc[e]pted it" if verb.startswith("get-") else "[e]nrolled"
        end = None
        while end is None:
            try:
                answer = self._ask(f"what did the device do? {done}, [r]efused, [p]ending, [h]angs, [u]nsupported: ")
            except EOFError:
                raise UsageError(
                    "there is no answer about what the device did", remedy="--manual needs a terminal"
                ) from None
            end = self._ANSWERS.get(answer.strip().lower()[:1])
        code = next((number for number, known in _CODES.items() if known is end), -1)
        return VerbResult(verb, end, code, "", (clock.now() - begun).total_seconds(), by_word=True)


def _limit(process: int) -> None:
    """Limit every file of a client, including its output, to `_WRITTEN`, if the system supports it."""
    if hasattr(resource, "prlimit"):
        with contextlib.suppress(ProcessLookupError):  # it has ended already
            resource.prlimit(process, resource.RLIMIT_FSIZE, (_WRITTEN, _WRITTEN))


def _inherited(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment, without variables that would make a client contact another host than the given one."""
    return {name: value for name, value in environment.items() if not name.lower().endswith("_proxy")}


def client_of(command: str) -> ClientProgram:
    """The client of a command line, or the shipped client of that name.

    A word that is a file becomes an absolute path, since the client runs in another folder; links are not followed,
    since a program may look at the name by which it is called. The client's name is that of the last of these files.

    Raises:
        UsageError: it is not a command.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise UsageError(f"--client {command!r} is not a command: {error}", remedy="quote it as for a shell") from None
    if not words:
        raise UsageError("--client is empty", remedy=_COMMAND)
    if len(words) == 1 and words[0] in SHIPPED:
        if words[0] == "printer":
            return ClientProgram((sys.executable, "-m", "mfp_sim.examination.clients.printer"), name="printer")
        file = resources.files("mfp_sim.examination").joinpath("clients", words[0])
        return ClientProgram(("sh", str(file)), name=words[0])
    files = [Path(word) for word in words if Path(word).is_file()]
    absolute = tuple(str(Path(word).absolute()) if Path(word) in files else word for word in words)
    return ClientProgram(absolute, name=(files or [Path(words[0])])[-1].name)
