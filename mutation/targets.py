"""What can be changed, and what may notice it: one row for each part of the product."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["ROOT", "TARGETS", "Target"]

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Target:
    """``files`` are glob patterns of modules, ``items`` the scenarios and tests that may notice, as pytest takes them;
    ``goal`` is the percentage that has to be noticed."""

    files: tuple[str, ...]
    items: tuple[str, ...]
    goal: float

    @property
    def modules(self) -> dict[str, Path]:
        """The files by their module's dotted name."""
        paths = sorted(path for pattern in self.files for path in ROOT.glob(pattern) if path.stem != "__init__")
        return {".".join(path.relative_to(ROOT).with_suffix("").parts): path for path in paths}


TARGETS: Mapping[str, Target] = {
    "device": Target(
        ("mfp_sim/device/*.py",),
        ("scenarios", "tests/device", "tests/cli/test_survey.py", "tests/properties/test_printer_machine.py"),
        90,
    ),
    "exchange": Target(
        ("mfp_sim/client/exchange.py", "mfp_sim/client/stages.py"),
        (
            *(f"scenarios/{chapter}" for chapter in ("enrolment", "polling", "details", "models")),
            "tests/end_to_end",
            "tests/scep/test_exchange.py",
            "tests/scep/test_recipient.py",
            "tests/device/test_hostile_replies.py",
        ),
        95,
    ),
    "verdicts": Target(
        tuple(f"mfp_sim/scenario/{name}.py" for name in ("expectations", "premises", "runner")),
        (
            "tests/scenario/test_expectations.py",
            "tests/scenario/test_premises.py",
            "tests/end_to_end/test_state_directory.py",
            "tests/scenario/test_verdicts.py",
        ),
        95,
    ),
    "mock": Target(
        tuple(
            f"mock_scep_server/{name}.py"
            for name in (
                "admission",
                "challenges",
                "grants",
                "registrar",
                "replies",
                "script",
                "script_file",
                "transactions",
            )
        ),
        (
            "tests/mock",
            "--ignore=tests/mock/test_concurrency.py",
            "tests/scenario/test_ca_operator.py",
            "tests/scenario/test_premises.py",
        ),
        95,
    ),
    "fleet": Target(
        tuple(f"mfp_sim/fleet/{name}.py" for name in ("capacity", "queueing", "result", "words")),
        ("tests/fleet", "tests/cli/test_fleet.py"),
        95,
    ),
    "examine": Target(
        tuple(f"mfp_sim/examination/{name}.py" for name in ("findings", "judging")),
        ("tests/examination/test_findings.py", "tests/examination/test_judging.py"),
        95,
    ),
    "conform": Target(
        tuple(f"mfp_sim/conformance/{name}.py" for name in ("baseline", "findings")),
        tuple(f"tests/conformance/test_{name}.py" for name in ("baseline", "causes", "findings", "stages")),
        95,
    ),
}
