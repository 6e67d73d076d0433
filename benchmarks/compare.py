"""``python -m benchmarks.compare BEFORE AFTER``: two reports of the same scenarios, traces and messages byte for byte.

For changes that must not change behaviour: run ``mfp-sim run scenarios --report DIR`` before and after. Differences are
listed by kind of event and by field, with an example; real times are left out. The exit code is 1 if anything differs
that no ``--expect KIND`` names.
"""

from __future__ import annotations

import argparse
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["differences"]

Event = Mapping[str, Any]


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """What differs between two JSON reports: a kind, and an example in words."""
    old, new = ({entry["name"]: _whole(entry, report) for entry in report["scenarios"]} for report in (before, after))
    for name in sorted(old.keys() | new.keys()):
        if name not in old or name not in new:
            yield "scenario", f"{name} is {'new' if name in new else 'gone'}"
            continue
        yield from ((kind, f"{name}: {text}") for kind, text in _scenario(old[name], new[name]))


def _whole(scenario: Mapping[str, Any], report: Mapping[str, Any]) -> Mapping[str, Any]:
    """The scenario with the messages in the place of their digests."""
    table = report["messages"]
    exchanges = [{**e, "request": table[e["request"]], "reply": table.get(e["reply"])} for e in scenario["exchanges"]]
    return {**scenario, "exchanges": exchanges}


def _scenario(old: Mapping[str, Any], new: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for field in ("outcome", "failures", "virtual_seconds", "steps", "minted"):
        if old[field] != new[field]:
            yield field, f"{_short(old[field])} -> {_short(new[field])}"
    yield from _trace(old["trace"], new["trace"])
    yield from _messages(old["exchanges"], new["exchanges"])


def _trace(old: Sequence[Event], new: Sequence[Event]) -> Iterator[tuple[str, str]]:
    """The first event that differs, after whole kinds that only one side has were taken out."""
    kinds = [{event["kind"] for event in trace} for trace in (old, new)]
    for kind in sorted(kinds[0] ^ kinds[1]):
        yield kind, f"only {'before' if kind in kinds[0] else 'after'}"
    common = kinds[0] & kinds[1]
    left, right = ([event for event in trace if event["kind"] in common] for trace in (old, new))
    for number, (one, other) in enumerate(zip(left, right, strict=False)):
        if one != other:
            fields = [key for key in sorted(one.keys() | other.keys()) if one.get(key) != other.get(key)]
            yield f"{one['kind']}.{fields[0]}", f"event {number}: {_short(one)} -> {_short(other)}"
            return
    if len(left) != len(right):
        yield "trace", f"{len(left)} events -> {len(right)}"


def _messages(old: Sequence[Event], new: Sequence[Event]) -> Iterator[tuple[str, str]]:
    if len(old) != len(new):
        yield "messages", f"{len(old)} -> {len(new)}"
    for number, (one, other) in enumerate(zip(old, new, strict=False)):
        # The index in the trace changes with every event that comes or goes.
        fields = [key for key in sorted(one.keys() | other.keys()) if key != "event" and one.get(key) != other.get(key)]
        if fields:
            told = f"{_short(one.get(fields[0]))} -> {_short(other.get(fields[0]))}"
            yield f"message.{fields[0]}", f"exchange {number}: {told}"
            return


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 160 else text[:157] + "..."


def main() -> int:
    """The command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__)
    parser.add_argument("before", type=Path, help="a report.json, or the directory that holds it")
    parser.add_argument("after", type=Path, help="the same, later")
    parser.add_argument("--expect", action="append", default=[], metavar="KIND", help="this may differ (repeatable)")
    options = parser.parse_args()
    before, after = (
        json.loads((path / "report.json" if path.is_dir() else path).read_text("utf-8"))
        for path in (options.before, options.after)
    )
    found = list(differences(before, after))
    counts, examples = Counter(kind for kind, _ in found), dict(reversed(found))
    for kind, count in counts.most_common():
        print(f"{count:6}  {kind}{'  (expected)' if kind in options.expect else ''}\n        {examples[kind]}")
    messages = sum(len(scenario["exchanges"]) for scenario in after["scenarios"])
    print(f"{len(after['scenarios'])} scenarios, {messages} exchanges compared; {len(counts)} kinds of difference")
    return int(any(kind not in options.expect for kind in counts))


if __name__ == "__main__":
    raise SystemExit(main())
