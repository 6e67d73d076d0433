"""How a CA knows that a request is allowed: the challengePassword of the CSR. RFC 8894, 2.4 and 7.3.

Nothing, one password for all, one for each subject, passwords that count once, or an external command. No text here
holds a challenge. Not thread-safe by itself where it remembers: the caller holds a lock while it decides.
"""

from __future__ import annotations

import fnmatch
import hmac
import json
import subprocess
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar, Protocol

from mfp_sim.shared.errors import MfpSimError
from mfp_sim.shared.scep.csr import Csr
from mfp_sim.shared.simtime import Entropy
from mock_scep_server.rows import FLAG, TEXT, TIME, maybe, read_row
from mock_scep_server.store import MemoryStore, Row, Store

__all__ = [
    "AskFirst",
    "CacheFull",
    "ChallengePolicy",
    "CommandChallenge",
    "GivenChallenge",
    "OneTimeChallenges",
    "OpenEnrolment",
    "StaticChallenge",
    "SubjectChallenges",
    "Unhurried",
]

MISSING = "a challenge password is required"
WRONG = "the challenge password is wrong"


class ChallengePolicy(Protocol):
    """Decides on a CSR."""

    wanted: ClassVar[bool]
    """Whether a challenge is looked at."""

    def check(self, csr: Csr, now: datetime) -> str | None:
        """Why the request is refused, or None. What counts once is used up by being accepted."""
        ...


class OpenEnrolment:
    """Everybody may enrol; a challenge that is given is not looked at."""

    wanted: ClassVar[bool] = False

    def check(self, csr: Csr, now: datetime) -> str | None:  # noqa: ARG002 - the protocol's arguments
        return None


class StaticChallenge:
    """One password for all."""

    wanted: ClassVar[bool] = True

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def check(self, csr: Csr, now: datetime) -> str | None:  # noqa: ARG002
        if csr.challenge is None:
            return MISSING
        return None if _same(csr.challenge, self._secret) else WRONG


class SubjectChallenges:
    """A password for each subject; ``secrets`` are by shell-style patterns of the subject, the first that fits counts.

    A subject that none fits is refused: a leaked password is good for its own subject only (F-S12).
    """

    wanted: ClassVar[bool] = True

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._secrets = dict(secrets)

    def check(self, csr: Csr, now: datetime) -> str | None:  # noqa: ARG002
        subject = csr.subject_text
        secret = next((s for pattern, s in self._secrets.items() if fnmatch.fnmatchcase(subject, pattern)), None)
        if secret is None:
            return "no challenge password is kept for this subject"
        if csr.challenge is None:
            return MISSING
        return None if _same(csr.challenge, secret) else WRONG


class CacheFull(MfpSimError):
    """As many one-time challenges are outstanding as the CA keeps (F-S04)."""


@dataclass
class GivenChallenge:
    """One that counts once. ``presented``: a request came with it, whether that was accepted or not."""

    expires: datetime
    subject: str | None
    used: bool = False
    presented: bool = False

    def to_row(self) -> Row:
        """As it is kept."""
        return {**vars(self), "expires": self.expires.isoformat()}

    @classmethod
    def from_row(cls, row: Row) -> GivenChallenge:
        """As it was kept.

        Raises:
            ValueError: it is not a row of :meth:`to_row`.
        """
        return cls(**read_row(row, expires=TIME, subject=maybe(TEXT), used=FLAG, presented=FLAG))


class OneTimeChallenges:
    """Passwords that the CA gives out, each good for one request and for a time, as NDES does (F-S03, F-S04, F-S05).

    Args:
        entropy: draws them.
        lifetime: how long one is good; NDES: 60 minutes.
        cache: how many may be outstanding at once; NDES: 5.
    """

    wanted: ClassVar[bool] = True

    def __init__(
        self,
        entropy: Entropy,
        *,
        lifetime: timedelta = timedelta(minutes=60),
        cache: int = 5,
        store: Store | None = None,
    ) -> None:
        self._entropy, self.lifetime, self.cache = entropy.fork("challenges"), lifetime, cache
        self._lock, self._store = threading.Lock(), store or MemoryStore()
        self._given = dict(self._store.rows("challenges", lambda secret, row: (secret, GivenChallenge.from_row(row))))

    def give(self, now: datetime, subject: str | None = None, *, secret: str | None = None) -> str:
        """A new password of 16 hex digits, or ``secret``; with ``subject`` (a pattern), good for that subject only.

        Raises:
            CacheFull: none is left to give until one is used or has expired.
        """
        with self._lock:
            if self._outstanding(now) >= self.cache:
                raise CacheFull(
                    f"{self.cache} challenge passwords are outstanding", remedy="use one, or wait until one has expired"
                )
            # What expired long ago is not told from what never was: a server that runs for months forgets it.
            for text in [text for text, g in self._given.items() if now >= g.expires + self.lifetime]:
                del self._given[text]
                self._store.remove("challenges", text)
            secret = secret or self._entropy.octets(8).hex().upper()
            self._given[secret] = GivenChallenge(now + self.lifetime, subject)
            self._store.put("challenges", secret, self._given[secret].to_row)
            return secret

    def given(self, secret: str) -> GivenChallenge:
        """What became of one that was given.

        Raises:
            KeyError: it never was, or it expired long ago.
        """
        with self._lock:
            return self._given[secret]

    def outstanding(self, now: datetime) -> int:
        """How many are neither used nor expired."""
        with self._lock:
            return self._outstanding(now)

    def _outstanding(self, now: datetime) -> int:
        return sum(not given.used and now < given.expires for given in self._given.values())

    def check(self, csr: Csr, now: datetime) -> str | None:
        if csr.challenge is None:
            return MISSING
        with self._lock:
            given = self._given.get(csr.challenge)
            if given is None:
                return WRONG
            given.presented = True
            reason = _unfit(given, csr, now)
            given.used = given.used or reason is None
            self._store.put("challenges", csr.challenge, given.to_row)
            return reason


def _unfit(given: GivenChallenge, csr: Csr, now: datetime) -> str | None:
    """Why one that was given is not good for a request."""
    if given.used:
        return "the challenge password was used before"
    if now >= given.expires:
        return f"the challenge password expired at {given.expires:%Y-%m-%dT%H:%M:%SZ}"
    if given.subject is not None and not fnmatch.fnmatchcase(csr.subject_text, given.subject):
        return "the challenge password was given for another subject"
    return None


class CommandChallenge:
    """An external command decides: it gets ``{"subject", "challenge", "sans"}`` as JSON on its standard input.

    Exit code 0 accepts. The challenge is never an argument, which other users of the machine could see.
    """

    wanted: ClassVar[bool] = True

    def __init__(self, command: Sequence[str], *, seconds: float = 10.0) -> None:
        self._command, self._seconds = list(command), seconds

    def check(self, csr: Csr, now: datetime) -> str | None:  # noqa: ARG002
        asked = {"subject": csr.subject_text, "challenge": csr.challenge, "sans": list(csr.sans)}
        try:
            done = subprocess.run(  # noqa: S603 - the operator's own command, given on the command line
                self._command,
                input=json.dumps(asked).encode(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                timeout=self._seconds,
                check=False,
            )
        except subprocess.TimeoutExpired:
            return f"the challenge command did not answer within {self._seconds:g} s"
        except OSError as error:
            return f"the challenge command cannot be run: {error.strerror}"
        return None if done.returncode == 0 else f"the challenge command refused (exit code {done.returncode})"


class AskFirst(Exception):
    """A decision needs an answer that takes its time: call ``ask`` without any lock, decide again in the same thread,
    then ``forget``, since the answer is good for this decision only."""

    def __init__(self, what: str, ask: Callable[[], object], forget: Callable[[], None] = lambda: None) -> None:
        super().__init__(f"{what} first")
        self.ask, self.forget = ask, forget


class Unhurried:
    """An external command that is asked without the lock under which the CA decides, once for each decision."""

    wanted: ClassVar[bool] = True

    def __init__(self, command: CommandChallenge) -> None:
        self._command, self._answers = command, threading.local()

    def check(self, csr: Csr, now: datetime) -> str | None:
        """As the command says.

        Raises:
            AskFirst: it was not asked about this request yet.
        """
        asked, reason = getattr(self._answers, "last", (None, None))
        if asked != csr.der:
            raise AskFirst("the challenge command has to be asked", lambda: self._ask(csr, now), self._forget)
        return str(reason) if reason is not None else None

    def _ask(self, csr: Csr, now: datetime) -> None:
        self._answers.last = (csr.der, self._command.check(csr, now))

    def _forget(self) -> None:
        self._answers.last = (None, None)


def _same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), secret.encode())
