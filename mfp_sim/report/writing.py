"""The formats of reports, and writing all of them to a directory. A failing reporter does not stop the others.

The only table of formats: ``mfp-sim report`` and every ``--report DIR`` use it. The module of a format is imported only
when needed, because most runs write no report.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mfp_sim.report.model import RunReport
from mfp_sim.shared.errors import UsageError

__all__ = ["FORMATS", "ready", "write", "write_reports"]


@dataclass(frozen=True)
class Format:
    """One format: the name of its file in a directory of reports, and what makes it (report, language)."""

    file: str
    make: Callable[[RunReport, str], str]


def _json(report: RunReport, _: str) -> str:
    from mfp_sim.report.json_report import json_text  # noqa: PLC0415 - made only when asked for

    return json_text(report)


def _html(report: RunReport, language: str) -> str:
    from mfp_sim.report.html_report import as_html  # noqa: PLC0415 - made only when asked for

    return as_html(report, language)


def _markdown(report: RunReport, language: str) -> str:
    from mfp_sim.report.markdown import as_markdown  # noqa: PLC0415 - made only when asked for

    return as_markdown(report, language)


def _junit(report: RunReport, _: str) -> str:
    from mfp_sim.report.junit import as_junit  # noqa: PLC0415 - made only when asked for

    return as_junit(report)


def _github(report: RunReport, _: str) -> str:
    from mfp_sim.report.github import as_annotations  # noqa: PLC0415 - made only when asked for

    return as_annotations(report)


def _badge(report: RunReport, _: str) -> str:
    from mfp_sim.report.badge import as_badge  # noqa: PLC0415 - made only when asked for

    return as_badge(report)


FORMATS = {
    "json": Format("report.json", _json),
    "html": Format("report.html", _html),
    "markdown": Format("summary.md", _markdown),
    "junit": Format("junit.xml", _junit),
    "github": Format("annotations.txt", _github),
    "badge": Format("badge.svg", _badge),
}
_IN_A_DIRECTORY = ("json", "html", "markdown", "junit")


def ready(directory: Path) -> None:
    """Make the directory, before a run that would be in vain.

    Raises:
        UsageError: it cannot be made.
    """
    try:
        (directory / "traces").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"cannot write the reports into {directory}: {error.strerror}") from None


def write(file: Path, text: str) -> int:
    """The text into a file, packed with gzip where its name ends in ``.gz``; gives its size in bytes.

    Raises:
        OSError: it cannot be written.
    """
    octets = text.encode("utf-8", "backslashreplace")
    return file.write_bytes(gzip.compress(octets, mtime=0) if file.suffix == ".gz" else octets)


def write_reports(report: RunReport, directory: Path, tell: Callable[[str], None], language: str = "en") -> None:
    """Every report into ``directory``. One that cannot be made is told, the others are written, nothing is raised."""
    jobs: list[tuple[str, Callable[[], str]]] = [
        (entry.file, lambda entry=entry: entry.make(report, language))  # type: ignore[misc]
        for entry in (FORMATS[name] for name in (*_IN_A_DIRECTORY, *(["badge"] if report.grade is not None else [])))
    ]
    for scenario in report.scenarios:
        if not scenario.trace:
            continue  # a scenario that was skipped, or a file with mistakes, whose name may be anything
        # A loaded name has small letters, digits, hyphens and brackets only.
        jobs.append(
            (
                f"traces/{scenario.name}.jsonl",
                lambda scenario=scenario: "".join(  # type: ignore[misc]
                    json.dumps(event, ensure_ascii=False, sort_keys=True) + "\n" for event in scenario.trace
                ),
            )
        )
    for file, make in jobs:
        try:
            write(directory / file, make())
        except Exception as error:  # noqa: BLE001 - whatever a reporter does, the run and the other reports stand
            tell(f"mfp-sim: cannot write {directory / file}: {type(error).__name__}: {error}")
