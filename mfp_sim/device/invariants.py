"""What holds of a printer at every instant at which its power is on, whatever happened before.

Used by the power-cut runs, by scenarios (``expect: {sound: true}``) and by the property tests. Looks only.
"""

from __future__ import annotations

from collections import Counter

from mfp_sim.device.printer import Printer

__all__ = ["broken"]


def broken(printer: Printer) -> list[str]:
    """The rules that do not hold, a sentence each; empty for a sound printer (and for one that is off)."""
    if not printer.powered:
        return []
    entries, profile = printer.key_list(), printer.profile
    found = [f"the certificate of {e.name!r} is not for its key" for e in entries if not e.fits]
    if len(entries) > profile.key_limit:
        found.append(f"{len(entries)} keys, the limit is {profile.key_limit}")
    if sum(entry.default for entry in entries) != 1:
        found.append("the Default Key is not there exactly once")
    if len({entry.id for entry in entries}) != len(entries):
        found.append("two keys have the same id")
    uses = Counter(entry.destination for entry in entries if entry.assigned)
    found += [f"{count} keys for the use location {use[0]}" for use, count in uses.items() if count > 1]
    found += ["a key is assigned to None"] if ("None", None) in uses else []
    if len([row for row in printer.status() if row.state in ("error", "successful")]) > profile.history:
        found.append(f"more than {profile.history} finished rows")
    foreign = set(printer.functions_in_use()) - {
        use if policy is None else f"{use}/{policy}"
        for use in printer.functions
        for policy in (None, *printer.policies)
    }
    found += [f"{use} uses a key and is not switched on" for use in sorted(foreign)]
    return found
