"""Renders the samples anew from report.json: ``python -m reports.sample``, from the root of the checkout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from mfp_sim.report.json_report import json_text, read_file
from mfp_sim.report.writing import FORMATS

FOLDER = Path(__file__).parent
RENDERED = {
    "report.html": ("html", "en"),
    "rapport.html": ("html", "nb"),
    "summary.md": ("markdown", "en"),
    "junit.xml": ("junit", "en"),
    "annotations.txt": ("github", "en"),
}


def rendered() -> Mapping[str, str]:
    """The text of each file."""
    report = read_file(FOLDER / "report.json")
    made = {file: FORMATS[name].make(report, language) for file, (name, language) in RENDERED.items()}
    return made | {"report.json": json_text(report, pretty=True)}


if __name__ == "__main__":
    for file, text in rendered().items():
        (FOLDER / file).write_text(text, "utf-8")
        print(f"reports/sample/{file}")
