"""The registry of checks: one entry per check, in the order of RFC 8894. The modules of ``checks`` fill it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from types import MappingProxyType
from typing import Any

from mfp_sim.conformance.model import Check, CheckFunction
from mfp_sim.shared.documents import did_you_mean
from mfp_sim.shared.errors import UsageError

__all__ = ["CHAPTERS", "all_checks", "check", "row", "section_key", "select"]

CHAPTERS = (
    "ca_certificates",
    "capabilities",
    "self_signed",
    "algorithms",
    "certrep_shapes",
    "certrep_attributes",
    "certrep_payload",
    "requests_refused",
    "requests_accepted",
    "nonces_transactions",
    "challenge",
    "polling",
    "renewal",
    "csr_and_certificate",
    "issued_certificates",
    "getcert_getcrl",
    "revocation",
    "transport_and_get",
    "malformed",
    "rollover",
    "replay",
    "serials",
    "time",
)
"""The modules of ``checks``; within a section of the RFC, checks have this order."""

_CHECKS: dict[str, Check] = {}


def register(entry: Check) -> None:
    """Add an entry; ids are unique."""
    assert entry.id not in _CHECKS, entry.id
    assert entry.requirements, entry.id
    _CHECKS[entry.id] = entry


def row(
    module: str, identifier: str, title: str, *requirements: str, run: CheckFunction, why: str, **fields: Any
) -> None:
    """Register a check without decorating a function; ``module`` is the ``__name__`` of its chapter."""
    register(Check(identifier, title, requirements, why, run, module.rpartition(".")[2], **fields))


def check(
    identifier: str, title: str, *requirements: str, why: str, **fields: Any
) -> Callable[[CheckFunction], CheckFunction]:
    """Register a generator of facts as a check; ``fields`` are those of `Check`."""

    def decorate(run: CheckFunction) -> CheckFunction:
        row(run.__module__, identifier, title, *requirements, run=run, why=why, **fields)
        return run

    return decorate


@cache
def all_checks() -> MappingProxyType[str, Check]:
    """Every check by id, in the order of the RFC's sections."""
    for chapter in CHAPTERS:
        import_module(f"mfp_sim.conformance.checks.{chapter}")
    # Another module may have imported a chapter before: the order within a section is that of CHAPTERS all the same.
    ordered = sorted(_CHECKS.values(), key=lambda entry: (section_key(entry.section), CHAPTERS.index(entry.chapter)))
    return MappingProxyType({entry.id: entry for entry in ordered})


def section_key(section: str) -> tuple[int, ...]:
    """``3.2.1.4`` as a key to sort by; letters (appendices) come last."""
    return tuple(int(part) if part.isdigit() else 1000 + ord(part[0]) for part in section.split(".") if part)


def select(only: Iterable[str] = (), skip: Iterable[str] = ()) -> tuple[Check, ...]:
    """The checks of ``only``, or all, except those of ``skip``, by id, requirement, section, level, chapter or tag.

    A section includes those below it.

    Raises:
        UsageError: a word that selects nothing.
    """
    checks = tuple(all_checks().values())
    chosen = {entry.id for word in only for entry in _matching(word, checks)} if (only := tuple(only)) else None
    dropped = {entry.id for word in skip for entry in _matching(word, checks)}
    return tuple(e for e in checks if (chosen is None or e.id in chosen) and e.id not in dropped)


def _matching(word: str, checks: tuple[Check, ...]) -> list[Check]:
    found = [entry for entry in checks if _fits(word, entry)]
    if not found:
        words = {entry.id for entry in checks} | {tag for entry in checks for tag in entry.tags}
        remedy = did_you_mean(word, words | set(CHAPTERS)) or "mfp-sim conform --list shows all checks"
        raise UsageError(f"there is no check, section or tag {word!r}", remedy=remedy)
    return found


def _fits(word: str, entry: Check) -> bool:
    if word in (entry.id, entry.chapter) or word in entry.tags or word in entry.requirements:
        return True
    if word in entry.field_failures or word == entry.level:
        return True
    return bool(re.fullmatch(r"[0-9A][0-9.]*", word)) and f"{entry.section}.".startswith(f"{word}.")
