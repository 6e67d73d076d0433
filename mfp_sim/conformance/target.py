"""The server's location, what the user allows against it, and the source of its challenges: only values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Protocol

from mfp_sim.conformance.operators import Act, OperatorAct
from mfp_sim.shared.scep.url import Scheme, Url

__all__ = ["ChallengeSource", "Permissions", "Target", "target_of"]

TIMEOUT = 30.0


class ChallengeSource(Protocol):
    """A source of challengePasswords."""

    def next(self) -> str | None:
        """A challenge for one request, or None if the server requires none."""
        ...

    @property
    def described(self) -> str:
        """The source in a few words, for reports."""
        ...


@dataclass(frozen=True)
class Target:
    """The server's location. ``path`` is path and query of its URL."""

    url: str
    host: str
    port: int
    path: str
    scheme: Scheme = "http"


def target_of(url: str) -> Target:
    """The parts of a server's URL.

    Raises:
        UsageError: it is not a URL, or neither http nor https.
    """
    where = Url.of_server(url, remedy="write http://host/path or https://host/path")
    return Target(url, where.host, where.port, where.target, where.scheme)


@dataclass(frozen=True)
class Permissions:
    """What the user allows. ``budget`` counts certificates, ``rate`` requests per second; None means no limit.
    ``patience`` is how long a check may wait for an event; ``acts`` is what the CA's operator does for it.
    """

    read_only: bool = False
    budget: int | None = None
    subject_prefix: str = "mfp-sim-conform"
    rate: float | None = None
    patience: timedelta = timedelta(0)
    timeout: float = TIMEOUT
    fingerprint: str | None = None
    opt_ins: frozenset[str] = frozenset()
    acts: Mapping[Act, OperatorAct] = field(default_factory=dict)
    persona: str = "rfc8894"
