"""The points at which the power may fail: before and after each commit and each message.

The printer reports each point that it passes; a cut is armed for one of them, by its name or its number. Decides
nothing else. Names are ``PKCSReq.before``, ``commit-request-ended.after`` and so on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from mfp_sim.shared.errors import PowerLost

__all__ = ["NAMES", "Commit", "PowerPoints"]

Commit = Literal[
    "audit", "factory", "import", "inquiry", "key-deleted", "poll-booked", "request-ended", "settings", "start"
]
"""What is committed at once, by name."""
_MESSAGES = ("GetCACaps", "GetCACert", "PKCSReq", "RenewalReq", "CertPoll")
NAMES = (
    *(
        f"{what}.{when}"
        for what in (*_MESSAGES, *(f"commit-{c}" for c in get_args(Commit)))
        for when in ("before", "after")
    ),
    "state-written",
    "state-renamed",
)
"""Every point there is; the last two only where the state is kept in a directory."""


@dataclass
class Armed:
    """A cut to come: at the point of that name (None: at any), once ``left`` more of them are passed."""

    name: str | None
    left: int
    off_seconds: float | None

    @property
    def came(self) -> bool:
        """Whether the power has failed there."""
        return self.left <= 0


class PowerPoints:
    """Counts the points of one printer, and cuts the power at those that are armed, each once.

    ``off_seconds``: how long after a cut that is armed from now on the power comes back; None leaves it to somebody.
    """

    def __init__(self) -> None:
        self.passed: list[str] = []
        self.off_seconds: float | None = None
        self._armed: list[Armed] = []

    def arm(self, name: str, nth: int = 1) -> Armed:
        """Cut the power the ``nth`` time that ``name`` is passed from now on."""
        self._armed.append(Armed(name, nth, self.off_seconds))
        return self._armed[-1]

    def arm_number(self, number: int) -> None:
        """Cut the power at the ``number``-th point from now on (1 is the next one)."""
        self._armed.append(Armed(None, number, self.off_seconds))

    def reach(self, name: str) -> None:
        """The printer passes a point.

        Raises:
            PowerLost: it is armed.
        """
        self.passed.append(name)
        here = [armed for armed in self._armed if armed.name in (None, name)]
        for armed in here:
            armed.left -= 1
        if spent := [armed for armed in here if armed.left == 0]:
            raise PowerLost(name, spent[0].off_seconds)
