"""Profiles as output: each value with its source, and the inherited values.

The registry owns the profiles. For a profile that imitates a product, the output shows which values are unconfirmed for
that product.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Mapping

from mock_scep_server.profiles.registry import CaProfile, Source

__all__ = ["as_json", "in_full", "in_lines"]


def as_json(profile: CaProfile) -> dict[str, object]:
    """One profile as a JSON-able object. `from` is the base that a value is inherited from, null for the profile's own;
    `unsaid` lists the values that are in no file."""
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
    """List the profiles, one line each."""
    return "\n".join(f"{profile.name:15} {profile.summary}{_doubt(profile)}" for profile in profiles)


def _doubt(profile: CaProfile) -> str:
    own, over = (sum(not source.confirmed for source in which.values()) for which in (profile.own, profile.taken_over))
    parts = [f"{own} of {len(profile.own)} values unconfirmed"] if own else []
    parts += [f"{over} inherited values unconfirmed"] if over else []
    return f"  [{', '.join(parts)}]" if parts else ""


def in_full(profile: CaProfile) -> str:
    """Describe one profile: every value with its source, the inherited values, and the RFC's defaults."""
    parts = [f"{profile.name}: {profile.summary}"]
    if profile.imitates:
        parts.append(f"It imitates {profile.imitates}.")
    parts.append("\n".join(_values(profile, profile.own)))
    if profile.taken_over:
        worth = ", where the product may differ" if profile.imitates else ""
        bases = ", ".join(dict.fromkeys(source.base for source in profile.taken_over.values()))
        head = f"Inherited from {bases}{worth}:"
        parts.append("\n".join([head, *_values(profile, profile.taken_over)]))
    worth = f", unverified for {profile.imitates}" if profile.imitates else ""
    if profile.unlike:
        parts.append("\n".join(["Known differences:", *(f"{what}: {text}" for what, text in profile.unlike.items())]))
    rest = f"As in RFC 8894{worth}: {', '.join(profile.unsaid)}."
    parts.append(textwrap.fill(rest, 110, break_on_hyphens=False))
    return "\n\n".join(parts)


def _values(profile: CaProfile, sources: Mapping[str, Source]) -> Iterator[str]:
    for name, source in sources.items():
        yield f"{name}: {_shown(profile.values()[name])}\n    {source}"


def _shown(value: object) -> str:
    if isinstance(value, tuple | list):
        return ", ".join(str(part) for part in value) or "none"
    return str(value).lower() if isinstance(value, bool) else str(value) or "none"
