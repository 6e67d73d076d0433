"""The coverage of a run: which statements it has shown, by entry, scenario and verdict; stated and assumed separately.

It is made from the catalogues and from scenario reports; it runs nothing. An entry that is `planned` cannot be shown
yet, and names what it waits for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from mfp_sim.report.model import ScenarioReport, exchanged
from mfp_sim.shared.catalogue.registry import FieldFailure, Requirement, field_failures, requirements
from mfp_sim.shared.documents.records import record_of

__all__ = [
    "BASES",
    "SOURCES",
    "CoverageRow",
    "CoveringScenario",
    "Statement",
    "basis_of",
    "coverage_of",
    "covered",
    "entries_of",
    "markdown_of",
    "reason_of",
]

Statement = Requirement | FieldFailure
BASES = ("said", "assumed", "field")
SOURCES = {"manual": "MFP-", "rfc": "SCEP-", "field": "F-"}


@exchanged
@dataclass(frozen=True)
class CoveringScenario:
    """One scenario that covers an entry. ``assumes`` are the assumptions that it depends on; ``basis`` is ``said``,
    ``assumed`` or ``not-examined``, as in ``ScenarioReport``."""

    name: str
    outcome: str
    assumes: tuple[str, ...]
    basis: str


@exchanged
@dataclass(frozen=True)
class CoverageRow:
    """One entry. ``basis`` is said, assumed (a statement whose reading depends on assumptions) or field."""

    id: str
    title: str
    basis: str
    planned: str | None
    scenarios: tuple[CoveringScenario, ...]

    @property
    def outcome(self) -> str:
        """The verdict as the outcome of a report: ``fail``, ``pass``, ``planned`` or ``not-shown``."""
        return {"FAIL": "fail", "none": "not-shown"}.get(self.verdict, self.verdict)

    @property
    def verdict(self) -> str:
        """`FAIL` if one of its scenarios failed or is an error, else `pass`, `planned` or `none`."""
        outcomes = {shown.outcome for shown in self.scenarios}
        if outcomes & {"failed", "error"}:
            return "FAIL"
        if "passed" in outcomes:
            return "pass"
        return "planned" if self.planned else "none"

    def to_json(self) -> dict[str, Any]:
        """The row as a JSON-able value."""
        written: Any = record_of(CoverageRow).write(self)
        return {**written, "verdict": self.verdict}


def entries_of(prefix: str = "") -> tuple[Statement, ...]:
    """The entries of the manual, the RFC and the field whose ids begin with `prefix`, in the catalogues' order."""
    entries: tuple[Statement, ...] = (*requirements().values(), *field_failures().values())
    return tuple(entry for entry in entries if entry.id.startswith(prefix))


def basis_of(entry: Statement) -> str:
    """``said``, ``assumed`` or ``field``."""
    if isinstance(entry, FieldFailure):
        return "field"
    return "assumed" if entry.derived else "said"


def coverage_of(entries: Iterable[Statement], scenarios: Iterable[ScenarioReport]) -> tuple[CoverageRow, ...]:
    """A row for each entry, with the scenarios that cover it."""
    by_id: dict[str, list[CoveringScenario]] = {}
    for scenario in scenarios:
        for covered in scenario.covers:
            by_id.setdefault(covered, []).append(
                CoveringScenario(scenario.name, scenario.outcome, scenario.rests_on, scenario.basis)
            )
    return tuple(
        CoverageRow(
            entry.id,
            entry.title,
            basis_of(entry),
            entry.planned if isinstance(entry, Requirement) else None,
            tuple(by_id.get(entry.id, ())),
        )
        for entry in entries
    )


def covered(scenarios: Sequence[ScenarioReport]) -> tuple[CoverageRow, ...]:
    """A row for each entry that these scenarios cover: the coverage section of a report."""
    return tuple(row for row in coverage_of(entries_of(), scenarios) if row.scenarios)


def reason_of(row: CoverageRow) -> str | None:
    """Why no scenario shows an entry: what it waits for, or what shows it instead."""
    failure = field_failures().get(row.id)
    return failure.elsewhere if failure else row.planned and f"waits for {row.planned}"


def markdown_of(rows: Sequence[CoverageRow]) -> str:
    """The rows as a Markdown table."""
    lines = ["| entry | what it says | basis | verdict | scenarios |", "| --- | --- | --- | --- | --- |"]
    for row in rows:
        told = ", ".join(f"{shown.name} ({shown.outcome})" for shown in row.scenarios) or reason_of(row) or "none"
        cells = (row.id, row.title, row.basis, row.verdict, told)
        lines.append("| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |")
    return "\n".join(lines)
