"""The instants at which power may fail: before and after each commit and each message.

The printer reports each one as it passes; a cut is armed for one of them, by its name or by its number. Decides
nothing else. A name is ``PKCSReq.before``, ``commit-request-ended.after`` and so on.
"""

from __future__ import annotations

from dataclasses import dataclass

from mfp_sim.errors import PowerLost

__all__ = ["PowerPoints"]


@dataclass
class _Armed:
    name: str | None
    left: int
    off_seconds: float | None


class PowerPoints:
    """Counts the points of one printer, and cuts the power at those that are armed, each once.

    ``off_seconds``: how long after a cut that is armed from now on the power comes back; None leaves it to somebody.
    """

    def __init__(self) -> None:
        self.passed: list[str] = []
        self.off_seconds: float | None = None
        self._armed: list[_Armed] = []

    def arm(self, name: str, nth: int = 1) -> None:
        """Cut the power the ``nth`` time that ``name`` is passed from now on."""
        self._armed.append(_Armed(name, nth, self.off_seconds))

    def arm_number(self, number: int) -> None:
        """Cut the power at the ``number``-th point from now on (1 is the next one)."""
        self._armed.append(_Armed(None, number, self.off_seconds))

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
