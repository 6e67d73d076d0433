"""How a CA decides that a request is allowed: the challengePassword of the CSR. RFC 8894, 2.4 and 7.3.

The policies: no password, one for all, one for each subject, one-time passwords, or an external command. No text of
this module contains a challenge. Policies with memory are not thread-safe: the caller holds a lock while it decides.
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
    """Whether the policy examines the challenge."""

    def check(self, csr: Csr, now: datetime) -> str | None:
        """The reason why the request is refused, or None. Acceptance uses up a one-time challenge."""
        ...


class OpenEnrolment:
    """Every client may enrol; a challenge in the request is ignored."""

    wanted: ClassVar[bool] = False

    def check(self, csr: Csr, now: datetime) -> str | None:  # noqa: ARG002 - the protocol's arguments
        return None


class StaticChallenge:
    """One password for all clients."""

    wanted: ClassVar[bool] = True

    def __init__(self, secret: str) -> None:
        self._secret = secret

    def check(self, csr: Csr, now: datetime) -> str | None:  # noqa: ARG002
        if csr.challenge is None:
            return MISSING
        return None if _same(csr.challenge, self._secret) else WRONG


class SubjectChallenges:
    """One password for each subject; the keys of `secrets` are shell-style patterns of the subject, and the first match
    applies.

    A subject without a matching pattern is refused: a leaked password is valid only for its own subject (F-S12).
    """

    wanted: ClassVar[bool] = True

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._secrets = dict(secrets)

    def check(self, csr: Csr, now: datetime) -> str | None:  # noqa: ARG002
        subject = csr.subject_text
        secret = next((s for pattern, s in self._secrets.items() if fnmatch.fnmatchcase(subject, pattern)), None)
        if secret is None:
            return "there is no challenge password for this subject"
        if csr.challenge is None:
            return MISSING
        return None if _same(csr.challenge, secret) else WRONG


class CacheFull(MfpSimError):
    """The limit of outstanding one-time challenges is reached (F-S04)."""


@dataclass
class GivenChallenge:
    """A one-time challenge. `presented`: a request contained it, whether or not it was accepted."""

    expires: datetime
    subject: str | None
    used: bool = False
    presented: bool = False

    def to_row(self) -> Row:
        """The challenge as a row for storage."""
        return {**vars(self), "expires": self.expires.isoformat()}

    @classmethod
    def from_row(cls, row: Row) -> GivenChallenge:
        """Read a challenge from its row.

        Raises:
            ValueError: the row is not one of `to_row`.
        """
        return cls(**read_row(row, expires=TIME, subject=maybe(TEXT), used=FLAG, presented=FLAG))


class OneTimeChallenges:
    """Passwords that the CA hands out, each valid for one request and a limited time, as in NDES (F-S03, F-S04, F-S05).

    Args:
        entropy: the source of the passwords.
        lifetime: how long a password is valid; NDES: 60 minutes.
        cache: the largest number of outstanding passwords; NDES: 5.
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
        """Create a password of 16 hex digits, or use `secret`; with `subject` (a pattern), it is valid only for that
        subject.

        Raises:
            CacheFull: no more can be created until one has been used or has expired.
        """
        with self._lock:
            if self._outstanding(now) >= self.cache:
                raise CacheFull(
                    f"{self.cache} challenge passwords are outstanding", remedy="use one, or wait until one has expired"
                )
            # A challenge that expired long ago counts as unknown: a server that runs for months forgets it.
            for text in [text for text, g in self._given.items() if now >= g.expires + self.lifetime]:
                del self._given[text]
                self._store.remove("challenges", text)
            secret = secret or self._entropy.octets(8).hex().upper()
            self._given[secret] = GivenChallenge(now + self.lifetime, subject)
            self._store.put("challenges", secret, self._given[secret].to_row)
            return secret

    def given(self, secret: str) -> GivenChallenge:
        """Return the state of a challenge that was created.

        Raises:
            KeyError: it never existed, or it expired long ago.
        """
        with self._lock:
            return self._given[secret]

    def outstanding(self, now: datetime) -> int:
        """The number of challenges that are neither used nor expired."""
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
    """The reason why an existing challenge is invalid for a request, or None."""
    if given.used:
        return "the challenge password has already been used"
    if now >= given.expires:
        return f"the challenge password expired at {given.expires:%Y-%m-%dT%H:%M:%SZ}"
    if given.subject is not None and not fnmatch.fnmatchcase(csr.subject_text, given.subject):
        return "the challenge password is for another subject"
    return None


class CommandChallenge:
    """An external command that decides: it gets `{"subject", "challenge", "sans"}` as JSON on its standard input.

    Exit code 0 accepts. The challenge is never an argument, which other users of the computer could see.
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
    """A decision needs a slow answer: call `ask` without any lock, decide again in the same thread, then call `forget`,
    since the answer is valid only for this decision."""

    def __init__(self, what: str, ask: Callable[[], object], forget: Callable[[], None] = lambda: None) -> None:
        super().__init__(f"{what} first")
        self.ask, self.forget = ask, forget


class Unhurried:
    """An external command that is run without the CA's lock, once for each decision."""

    wanted: ClassVar[bool] = True

    def __init__(self, command: CommandChallenge) -> None:
        self._command, self._answers = command, threading.local()

    def check(self, csr: Csr, now: datetime) -> str | None:
        """Return the decision of the command.

        Raises:
            AskFirst: the command has not been run for this request yet.
        """
        asked, reason = getattr(self._answers, "last", (None, None))
        if asked != csr.der:
            raise AskFirst("the challenge command has to run", lambda: self._ask(csr, now), self._forget)
        return str(reason) if reason is not None else None

    def _ask(self, csr: Csr, now: datetime) -> None:
        self._answers.last = (csr.der, self._command.check(csr, now))

    def _forget(self) -> None:
        self._answers.last = (None, None)


def _same(given: str, secret: str) -> bool:
    return hmac.compare_digest(given.encode("utf-8", "surrogatepass"), secret.encode())
