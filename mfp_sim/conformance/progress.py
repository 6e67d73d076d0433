"""What a run has found so far, line by line in a file, so that a run that was cut off can go on.

The file stands in the report's directory. Whoever resumes takes over what was judged; certificates that were minted
stand in the report of the run that minted them.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

from mfp_sim.conformance.model import CheckResult, Fact, Verdict
from mfp_sim.conformance.registry import all_checks
from mfp_sim.errors import UsageError
from mfp_sim.redaction import Redactor

__all__ = ["FILE", "Journal", "read_progress"]

FILE = "progress.jsonl"


class Journal:
    """Appends a line a result, masked."""

    def __init__(self, directory: Path, redactor: Redactor) -> None:
        self._path, self._redactor = directory / FILE, redactor

    def add(self, result: CheckResult) -> None:
        """Write one result down.

        Raises:
            UsageError: the file cannot be written.
        """
        line = {
            "check": result.check.id,
            "verdict": result.verdict.name,
            "reason": result.reason,
            "seconds": result.seconds,
            "facts": [asdict(fact) for fact in result.facts],
        }
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(self._redactor.value(line), ensure_ascii=False) + "\n")
        except OSError as error:
            raise UsageError(f"cannot write {self._path}: {error.strerror}") from None


def read_progress(directory: Path) -> dict[str, CheckResult]:
    """The results of a run that was cut off; what was not run is not among them.

    Raises:
        UsageError: there are none, or the file is damaged.
    """
    path = directory / FILE
    try:
        lines = path.read_text("utf-8").splitlines()
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"there is nothing to resume in {directory}", remedy="give the --report directory") from None
    found: dict[str, CheckResult] = {}
    for number, line in enumerate(lines, 1):
        try:
            value = json.loads(line)
            check = all_checks().get(value["check"])
            verdict = Verdict[value["verdict"]]
            facts = tuple(_fact(entry) for entry in value["facts"])
        except (ValueError, KeyError, TypeError):
            raise UsageError(f"{path}:{number} is no result", remedy="run without --resume") from None
        if check is not None and verdict is not Verdict.NOT_RUN:
            found[check.id] = CheckResult(check, verdict, facts, value["reason"], (), float(value["seconds"]))
    return found


def _fact(entry: dict[str, object]) -> Fact:
    fields = {**entry, "evidence": (), "at_most": Verdict(int(str(entry["at_most"])))}
    return Fact(**fields)  # type: ignore[arg-type]
