"""Profiles as people and machines read them: each value, by what it is known, and what is only taken over.

Owns no profile; the registry does. Where a profile imitates a product it tells what nothing confirms of that product.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping

from mock_scep_server.profiles.registry import CaProfile, Source

__all__ = ["as_json", "in_full", "in_lines"]


def as_json(profile: CaProfile) -> dict[str, object]:
    """One profile, JSON-able. ``from`` is the base that a value is taken over from, null for the profile's own;
    ``unsaid`` are the values that no file says."""
    return {
        "name": profile.name,
        "summary": profile.summary,
        "imitates": profile.imitates or None,
        "unlike": dict(profile.unlike),
        "values": profile.values(),
        "sources": {
            name: {"source": source.text, "by": source.by, "confirmed": source.confirmed, "from": source.base or None}
            for name, source in profile.sources.items()
        },
        "unsaid": list(profile.unsaid),
    }


def in_lines(profiles: Iterable[CaProfile]) -> str:
    """One line each."""
    return "\n".join(f"{profile.name:15} {profile.summary}{_doubt(profile)}" for profile in profiles)


def _doubt(profile: CaProfile) -> str:
    own, over = (sum(not source.confirmed for source in which.values()) for which in (profile.own, profile.taken_over))
    parts = [f"{own} of {len(profile.own)} values not confirmed"] if own else []
    parts += [f"{over} taken over without being confirmed"] if over else []
    return f"  [{', '.join(parts)}]" if parts else ""


def in_full(profile: CaProfile) -> str:
    """Every value with its source; then what is taken over, and what no file says."""
    parts = [f"{profile.name}: {profile.summary}"]
    if profile.imitates:
        parts.append(f"It imitates {profile.imitates}.")
    parts.append("\n".join(_values(profile, profile.own)))
    if profile.taken_over:
        worth = ", where it may be otherwise" if profile.imitates else ""
        bases = ", ".join(dict.fromkeys(source.base for source in profile.taken_over.values()))
        head = f"Taken over from {bases}{worth}:"
        parts.append("\n".join([head, *_values(profile, profile.taken_over)]))
    worth = f", and nobody has looked whether {profile.imitates} has it so" if profile.imitates else ""
    if profile.unlike:
        parts.append(
            "\n".join(["Known to be otherwise:", *(f"{what}: {text}" for what, text in profile.unlike.items())])
        )
    rest = f"As RFC 8894 has it{worth}: {', '.join(profile.unsaid)}."
    parts.append(textwrap.fill(rest, 110, break_on_hyphens=False))
    return "\n\n".join(parts)


def _values(profile: CaProfile, sources: Mapping[str, Source]) -> Iterator[str]:
    for name, source in sources.items():
        yield f"{name}: {_shown(profile.values()[name])}\n    {source}"


def _shown(value: object) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(str(part) for part in value) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value) or "none"
