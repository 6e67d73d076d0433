"""Failures as annotations for GitHub Actions: `::error file=…,line=…`, one line each.

Text from a server is escaped as workflow commands require, so it cannot be a command.
"""

from __future__ import annotations

from collections.abc import Iterator

from mfp_sim.report.model import RunReport

__all__ = ["as_annotations"]

_KINDS = {"fail": "error", "warn": "warning", "finding": "notice"}


def as_annotations(report: RunReport) -> str:
    """All annotations, one per line; empty if there is nothing to report."""
    return "".join(
        line + "\n" for line in (*_scenarios(report), *_checks(report), *_models(report), *_baseline(report))
    )


def _scenarios(report: RunReport) -> Iterator[str]:
    for scenario in report.scenarios:
        for failure in scenario.failures:
            told = f"{failure.path}: expected {failure.expected}, got {failure.got}\nrepeat with: {scenario.command}"
            yield _line("error", scenario.name, told, _place(failure.place))


def _checks(report: RunReport) -> Iterator[str]:
    for check in report.checks:
        kind = _KINDS.get(check.verdict)
        if kind is not None and check.waived is None:
            told = "\n".join(
                text for text in (check.because, check.likely_mistake, f"repeat with: {check.command}") if text
            )
            yield _line(kind, f"{check.id}: {check.title}", told, {})


def _models(report: RunReport) -> Iterator[str]:
    for printer in report.broken_printers:
        yield _line("error", f"{printer.model} does not work", "\n".join(printer.because), {})


def _baseline(report: RunReport) -> Iterator[str]:
    """The differences from the baseline; an unexpected failure has its own annotation."""
    if (baseline := report.provenance.baseline) is None:
        return
    for name, told in baseline.differences:
        if name not in baseline.unexpected:
            yield _line("error", f"baseline: {name}", told, {})


def _place(place: str) -> dict[str, str]:
    words = place.rsplit(":", 2)
    if len(words) == 3 and words[1].isdecimal() and words[2].isdecimal():
        return {"file": words[0], "line": words[1], "col": words[2]}
    return {"file": place} if place else {}


def _line(kind: str, title: str, message: str, place: dict[str, str]) -> str:
    fields = {**place, "title": title}
    told = ",".join(f"{key}={_escaped(value, property=True)}" for key, value in fields.items())
    return f"::{kind} {told}::{_escaped(message)}"


def _escaped(text: str, *, property: bool = False) -> str:  # noqa: A002 - GitHub's word
    for letter, escape in (("%", "%25"), ("\r", "%0D"), ("\n", "%0A")):
        text = text.replace(letter, escape)
    if property:
        text = text.replace(":", "%3A").replace(",", "%2C")
    return "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in text)
