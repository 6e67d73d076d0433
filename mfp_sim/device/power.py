"""The points at which the power may fail: before and after each commit and each message.

The printer reports each point that it passes; a power cut is armed for one of them, by its name or its number.
Names are ``PKCSReq.before``, ``commit-request-ended.after`` and so on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from mfp_sim.shared.errors import PowerLost

__all__ = ["NAMES", "Commit", "PowerPoints"]

Commit = Literal[
    "audit", "factory", "import", "inquiry", "key-deleted", "poll-booked", "request-ended", "settings", "start"
]
"""The names of the commits."""
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
"""Every point. The last two exist only if the state is kept in a directory."""


@dataclass
class Armed:
    """An armed power cut at a point of that name (None: any point), after ``left`` more of them."""

    name: str | None
    left: int
    off_seconds: float | None

    @property
    def came(self) -> bool:
        """Whether the power fails at this point."""
        return self.left <= 0


class PowerPoints:
    """Counts the points of one printer, and cuts the power once at each armed point.

    ``off_seconds``: the length of the power cuts that are armed from now on. With None, the power stays off until it is
    switched on.
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
        """Pass a point.

        Raises:
            PowerLost: a cut is armed for it.
        """
        self.passed.append(name)
        here = [armed for armed in self._armed if armed.name in (None, name)]
        for armed in here:
            armed.left -= 1
        if spent := [armed for armed in here if armed.left == 0]:
            raise PowerLost(name, spent[0].off_seconds)
