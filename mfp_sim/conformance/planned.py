"""Requirements without a check, and those that no check can see: rows for ``--list`` and the questionnaire."""

from __future__ import annotations

import re
from collections.abc import Iterator

from mfp_sim.conformance.registry import all_checks, section_key
from mfp_sim.shared.catalogue.registry import Requirement, requirements

__all__ = ["planned", "questionnaire", "unobservable"]

_UNSEEN = re.compile(r"not observable|if configurable|documentation|not otherwise observable", re.IGNORECASE)


def _of_servers() -> Iterator[Requirement]:
    entries = (e for e in requirements().values() if e.id.startswith("SCEP-") and e.on in ("server", "both"))
    yield from sorted(entries, key=lambda entry: section_key(entry.section or ""))


def _covered() -> frozenset[str]:
    return frozenset(identifier for check in all_checks().values() for identifier in check.requirements)


def planned() -> tuple[Requirement, ...]:
    """Observable requirements on servers that have no check yet."""
    covered = _covered()
    return tuple(e for e in _of_servers() if e.id not in covered and not _UNSEEN.search(e.check or ""))


def unobservable() -> tuple[Requirement, ...]:
    """Requirements on servers that cannot be observed on the wire."""
    return tuple(e for e in _of_servers() if _UNSEEN.search(e.check or ""))


def questionnaire(target: str = "") -> str:
    """Questions for the vendor, in Markdown."""
    lines = [
        "# Questions about a SCEP server",
        "",
        "`mfp-sim conform` cannot test these requirements from outside. Please answer each and name the document.",
        "",
        f"Server and version: {target or '__________'}   Answered by: __________   Date: __________",
    ]
    for entry in unobservable():
        lines += [
            "",
            f"## {entry.id}: {entry.title}",
            "",
            f"RFC 8894, section {entry.section}; level: {entry.level}.",
            "",
            f"> {entry.text}",
            "",
            f"How to show it: {entry.check}",
            "",
            "Answer:",
        ]
    return "\n".join(lines) + "\n"
