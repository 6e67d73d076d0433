"""The table of report formats, and writing all of them to a directory. A failing reporter does not stop the others.

`mfp-sim report` and every `--report DIR` use this table. The module of a format is imported only when needed, because
most runs write no report.
"""

from __future__ import annotations

import gc
import gzip
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from mfp_sim.report.model import RunReport
from mfp_sim.shared.errors import UsageError

__all__ = ["FORMATS", "ready", "write", "write_reports"]


@dataclass(frozen=True)
class Format:
    """One format: the name of its file in a report directory, and the function that makes it (report, language)."""

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
    """Create the directory before the run, so that no run is wasted if that fails.

    Raises:
        UsageError: it cannot be created.
    """
    try:
        (directory / "traces").mkdir(parents=True, exist_ok=True)
    except OSError as error:
        remedy = "give --report a directory that you can write to"
        raise UsageError(f"cannot write the reports into {directory}: {error.strerror}", remedy=remedy) from None


def write(file: Path, text: str) -> int:
    """Write the text to a file, packed with gzip if its name ends in `.gz`; returns its size in bytes.

    Raises:
        OSError: it cannot be written.
    """
    octets = text.encode("utf-8", "backslashreplace")
    return file.write_bytes(gzip.compress(octets, mtime=0) if file.suffix == ".gz" else octets)


@contextmanager
def _without_collection() -> Iterator[None]:
    """Nothing that a report is made from is garbage, so searching all of it for garbage would only take time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@_without_collection()
def write_reports(report: RunReport, directory: Path, tell: Callable[[str], None], language: str = "en") -> None:
    """Write every report to `directory`. A report that fails is mentioned, the others are written; raises nothing."""
    jobs: list[tuple[str, Callable[[], str]]] = [
        (entry.file, lambda entry=entry: entry.make(report, language))  # type: ignore[misc]
        for entry in (FORMATS[name] for name in (*_IN_A_DIRECTORY, *(["badge"] if report.grade is not None else [])))
    ]
    for scenario in report.scenarios:
        if not scenario.trace:
            continue  # a skipped scenario, or a file with mistakes, which can have any name
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
