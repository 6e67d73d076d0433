"""Compares the product with another version of itself: the same case has to give the same trace and the same screens.

``python -m mfp_sim.exploration.against`` answers for the version of that interpreter: it reads one document per line
and writes what was observed, as JSON. `Reference` is its client.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TextIO

from mfp_sim.exploration.drawing import scenario_of
from mfp_sim.exploration.draws import Document
from mfp_sim.exploration.running import observed
from mfp_sim.scenario.always.watching import Violation
from mfp_sim.scenario.runner import one_freeze
from mfp_sim.shared.errors import UsageError

__all__ = ["SAME", "OtherVersion", "Reference", "difference", "expected_of"]

SAME = "same-as-before"
"""The rule that another version observes the same."""
_LOOKS = ("statuses", "requests", "ledger", "key_count", "powered")
"""What a scenario can expect of the things observed, in the order in which they are tried."""

Observed = Mapping[str, Any]


class OtherVersion(Protocol):
    """Returns what a version observes in a case; None if it refuses the document."""

    def __call__(self, document: Document) -> Observed | None: ...


@dataclass
class Reference:
    """Another version, as a process of its interpreter; it ends with `close`.

    Raises:
        UsageError: the interpreter cannot be started, or has no mfp-sim that can answer.
    """

    python: str

    def __post_init__(self) -> None:
        words = [self.python, "-P", "-m", "mfp_sim.exploration.against"]  # -P: not the present directory
        try:
            # In a group of its own, which Ctrl-C at the terminal does not reach: the failures so far are still shrunk.
            self._process = subprocess.Popen(  # noqa: S603 - the user asks to compare with this interpreter
                words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, process_group=0
            )
        except OSError as error:
            remedy = "give the Python interpreter of an environment with the other mfp-sim, such as old/bin/python"
            raise UsageError(f"cannot start {self.python}: {error.strerror}", remedy=remedy) from None

    def __call__(self, document: Document) -> Observed | None:
        """What the other version observes.

        Raises:
            UsageError: the process ended.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        line = ""
        try:
            self._process.stdin.write(json.dumps(document) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        except BrokenPipeError:
            pass
        if not line:
            self.close()
            text = f"the mfp-sim of {self.python} ended"
            raise UsageError(text, remedy="give the interpreter of an environment with a version that has explore")
        found: Observed | None = json.loads(line)
        return found

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()


def difference(document: Document, now: Observed, before: Observed | None) -> Violation | None:
    """The first difference between two versions, or None."""
    last = len(document["steps"])
    if before is None:
        return Violation(SAME, "the other version refuses the document", last)
    now = json.loads(json.dumps(now))
    for number, (one, other) in enumerate(zip(now["events"], before["events"], strict=False)):
        if one != other:
            keys = sorted(key for key in {*one, *other} if one.get(key) != other.get(key))
            said = "; ".join(f"{key} was {other.get(key)!r}, is {one.get(key)!r}" for key in keys[:3])
            return Violation(SAME, f"{other['kind']} (event {number}): {said}"[:600], last)
    if len(now["events"]) != len(before["events"]):
        text = f"the trace had {len(before['events'])} events, and has {len(now['events'])}"
        return Violation(SAME, text, last)
    for name, value in before.items():
        if now.get(name) != value:
            return Violation(SAME, f"{name} was {value!r}, is {now.get(name)!r}"[:600], last)
    return None


def expected_of(now: Observed, before: Observed | None) -> Document:
    """What a scenario can expect after the other version: the first look that differs."""
    now = json.loads(json.dumps(now))
    for name in _LOOKS:
        if before is not None and name in before and now.get(name) != before[name]:
            return {name: before[name]}
    return {"always": "all"}


def main(source: TextIO, target: TextIO) -> None:
    """Answer each document of the source until its end."""
    with one_freeze():
        for line in source:
            scenario = scenario_of(json.loads(line))
            answer = None if scenario is None else observed(scenario)
            target.write(json.dumps(answer) + "\n")
            target.flush()


if __name__ == "__main__":
    main(sys.stdin, sys.stdout)
