"""The requirements of the manual and the RFC, and the assumptions where both are silent: data by id, loaded on demand.

Owns no verdicts. Ids are stable: ``MFP-…`` for the printer's manual, ``SCEP-…`` for RFC 8894, ``F-…`` for failures
from the field, ``A-…`` for assumptions.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

import yaml

__all__ = [
    "FieldFailure", "Requirement", "assumptions", "contains", "explain", "field_failures", "known_ids", "requirements",
]  # fmt: skip

_QUOTES = "rfc8894_quotes.yaml"
_FILES = ("device_manual.yaml", "scep_rfc8894.yaml", "assumptions.yaml", "field_failures.yaml")


@dataclass(frozen=True)
class Requirement:
    """One checkable statement. ``derived`` names the assumptions that its reading depends on (MFP only).

    ``planned`` names what is missing before the statement can be shown. ``quotes`` are the sentences of RFC 8894 that
    it depends on; a statement without an RFC 2119 keyword has no quotes.
    """

    id: str
    title: str
    text: str
    level: str | None = None
    section: str | None = None
    on: str | None = None
    check: str | None = None
    fault: str | None = None
    derived: tuple[str, ...] = ()
    planned: str | None = None
    quotes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Assumption:
    """An assumption. ``readings`` are the choices of ``--flip``, the default first; empty without a switch."""

    id: str
    title: str
    default: str
    text: str
    readings: tuple[str, ...] = ()


@dataclass(frozen=True)
class FieldFailure:
    """Something that went wrong between real clients and servers. ``sources`` are the addresses that report it.

    ``evidence``: T the text of an issue or a change, C source code or a test, D a vendor's documentation, W a report
    whose cause is not certain, - our own addition. ``elsewhere`` says why, where no scenario shows it.
    """

    id: str
    title: str
    cause: str
    evidence: str
    sources: tuple[str, ...]
    elsewhere: str | None = None


def _read(name: str) -> list[dict[str, Any]]:
    loader = yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader
    text = resources.files("mfp_sim.shared.catalogue").joinpath(name).read_text("utf-8")
    entries: list[dict[str, Any]] = yaml.load(text, Loader=loader)  # noqa: S506 - a safe loader
    return entries


@cache
def known_ids() -> frozenset[str]:
    """All ids. It does not parse the catalogues, which takes a while."""
    found: set[str] = set()
    for name in _FILES:
        text = resources.files("mfp_sim.shared.catalogue").joinpath(name).read_text("utf-8")
        found.update(re.findall(r"^- \{?id: ([A-Z0-9.-]+?),?(?:\s|$)", text, re.MULTILINE))
    return frozenset(found)


def contains(words: str) -> bool:
    """Whether the words occur in the catalogues, in any place. It does not parse them either."""
    files = resources.files("mfp_sim.shared.catalogue")
    return any(words in files.joinpath(name).read_text("utf-8") for name in (*_FILES, _QUOTES))


@cache
def requirements() -> Mapping[str, Requirement]:
    """All requirements by id."""
    quotes: dict[str, list[str]] = {}
    for entry in _read(_QUOTES):
        for identifier in entry["ids"]:
            quotes.setdefault(identifier, []).append(entry["text"])
    found = {}
    for name in _FILES[:2]:
        for entry in _read(name):
            found[entry["id"]] = Requirement(
                id=entry["id"],
                title=entry["title"],
                text=entry.get("statement") or entry["requirement"],
                level=entry.get("level"),
                section=entry.get("section"),
                on=entry.get("on"),
                check=entry.get("check"),
                fault=entry.get("fault"),
                derived=tuple(entry.get("derived", ())),
                planned=entry.get("planned"),
                quotes=tuple(quotes.get(entry["id"], ())),
            )
    return found


@cache
def assumptions() -> Mapping[str, Assumption]:
    """All assumptions by id."""
    return {
        entry["id"]: Assumption(
            id=entry["id"],
            title=entry["title"],
            default=str(entry["default"]),
            text=entry["text"],
            readings=tuple(entry.get("readings", ())) if entry.get("switch") else (),
        )
        for entry in _read(_FILES[2])
    }


@cache
def field_failures() -> Mapping[str, FieldFailure]:
    """All failures from the field by id."""
    return {entry["id"]: FieldFailure(**{**entry, "sources": tuple(entry["sources"])}) for entry in _read(_FILES[3])}


def explain(identifier: str) -> str | None:
    """The description of an id, or None if the catalogues do not have it."""
    if identifier in assumptions():
        entry = assumptions()[identifier]
        lines = [f"{entry.id}  {entry.title} (an assumption: the manual does not say)", f"  {entry.text}"]
        lines.append(f"  default: {entry.default}")
        if entry.readings:
            others = ", ".join(entry.readings[1:])
            lines.append(f"  other readings: {others}   mfp-sim run --flip {entry.id}={entry.readings[1]}")
        return "\n".join(lines)
    if identifier in field_failures():
        failure = field_failures()[identifier]
        lines = [f"{failure.id}  {failure.title} (a field failure)", f"  cause: {failure.cause}"]
        lines += [f"  no scenario: {failure.elsewhere}"] if failure.elsewhere else []
        return "\n".join([*lines, *(f"  source: {source}" for source in failure.sources)])
    found = requirements().get(identifier)
    if found is None:
        return None
    source = f"RFC 8894, {found.section}" if found.section else "the printer's manual"
    lines = [f"{found.id}  {found.title}", f"  {found.text}", f"  source: {source}"]
    lines += [f'  RFC text: "{quote}"' for quote in found.quotes]
    lines += [f"  level: {found.level}, on the {found.on}"] if found.level else []
    lines += [f"  check: {found.check}"] if found.check else []
    lines += [f"  fault: {found.fault}"] if found.fault else []
    lines += [f"  depends on: {', '.join(found.derived)}"] if found.derived else []
    lines += [f"  planned: {found.planned}"] if found.planned else []
    return "\n".join(lines)
