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


class PowerPoints:
    """Counts the points of one printer, and cuts the power at the armed one.

    ``off_seconds``: how long after such a cut the power comes back; None leaves it to somebody.
    """

    def __init__(self) -> None:
        self.passed: list[str] = []
        self.off_seconds: float | None = None
        self._armed: _Armed | None = None

    @property
    def armed(self) -> bool:
        """Whether a cut is armed and has not happened."""
        return self._armed is not None

    def arm(self, name: str, nth: int = 1) -> None:
        """Cut the power the ``nth`` time that ``name`` is passed from now on."""
        self._armed = _Armed(name, nth)

    def arm_number(self, number: int) -> None:
        """Cut the power at the ``number``-th point from now on (1 is the next one)."""
        self._armed = _Armed(None, number)

    def reach(self, name: str) -> None:
        """The printer passes a point.

        Raises:
            PowerLost: this is the armed one.
        """
        self.passed.append(name)
        if self._armed is not None and self._armed.name in (None, name):
            self._armed.left -= 1
            if self._armed.left == 0:
                self._armed = None
                raise PowerLost(name)
