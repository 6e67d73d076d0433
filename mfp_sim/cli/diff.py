"""``mfp-sim diff``: the fields in which two traces, two reports, two scenarios or two messages differ.

Each difference is a line ``path: first -> second``. Entries of a list are paired by name, or in order, so that an entry
more in one of them is one difference. It judges nothing: the exit code is 1 if there is any difference.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cached_property
from pathlib import Path
from typing import Any

from mfp_sim.cli.decode import differences, is_trace, read_input
from mfp_sim.report.console import Console
from mfp_sim.report.json_report import as_json, read_file
from mfp_sim.run_trace import from_json_lines
from mfp_sim.scenario.collection import SUFFIX, select
from mfp_sim.scenario.loader import written_document
from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.visible import one_line

__all__ = ["diff"]

_LONGEST = 160
"""The longest value that is printed, in characters."""
_ABSENT = object()
_NAMES = ("name", "id", "model")
"""The keys by which the entries of a list are paired, if each entry has a different value."""
_SECRETS = frozenset({"challenge", "give_challenge", "password", "passphrase", "secret"})
"""Keys of scenario files below which no value is printed."""
_BY_CLOCK = ("begun", "ended", "seconds")
"""Keys of the parts of a report that depend on the real time of the run."""
_MESSAGES_IN = ("messages", "exchanges", "minted")
"""Keys of a report and its parts that hold messages and certificates."""
_DERIVED = ("counts", "resting", "verdicts", "coverage", "catalogue")
"""Keys of a report that follow from the others."""
_VERSION, _BEGINNING = b'"schema_version"', 200
"""The first key of a report, and the number of bytes in which it is."""


def diff(options: argparse.Namespace) -> int:
    """Print the differences; 1 if there are any.

    Raises:
        UsageError: the two are of different kinds, or one cannot be read.
    """
    if options.first == options.second == "-":
        raise UsageError("both are the standard input", remedy="give a file for one of them")
    first, second = _Given(options.first), _Given(options.second)
    kind, other = _kind_of(first), _kind_of(second)
    if kind is not other:
        raise UsageError(
            f"{first.word} is {kind.one}, but {second.word} is {other.one}", remedy="give two of the same kind"
        )
    console, count = Console(sys.stdout), 0
    for line in kind.differences(first, second):
        console.line(line)
        count += 1
    if not count:
        console.line(kind.same)
    return int(count > 0)


# --- the kinds of things ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Given:
    """An argument. A pipe can be read only once, so its bytes are kept."""

    word: str

    @cached_property
    def octets(self) -> bytes:
        return read_input(self.word)


@dataclass(frozen=True)
class _Kind:
    """Things that can be compared: what one is called, the words if two are the same, and their differences."""

    one: str
    same: str
    differences: Callable[[_Given, _Given], Iterator[str]]


def _kind_of(given: _Given) -> _Kind:
    """What an argument is: a file of one of the kinds, or the name of a scenario of the package.

    Raises:
        UsageError: it cannot be read, or is a report that is not a file.
    """
    word, path = given.word, Path(given.word)
    if word.endswith(SUFFIX) or "::" in word or (word != "-" and not path.exists() and "." not in word):
        return _SCENARIOS
    if word.endswith(".gz") or (word != "-" and path.is_file() and _begins_as_report(path)):
        return _REPORTS
    if _VERSION in given.octets[:_BEGINNING]:
        raise UsageError(f"{word} is a report, but not a file", remedy="save it as a file")
    return _TRACES if is_trace(given.octets) else _MESSAGES


def _begins_as_report(path: Path) -> bool:
    """Whether a file begins as a report does: with its version, before anything that can be long."""
    try:
        with path.open("rb") as file:
            return _VERSION in file.read(_BEGINNING)
    except OSError:
        return False


def _of_scenarios(first: _Given, second: _Given) -> Iterator[str]:
    return _lines(_document(first.word), _document(second.word), base=1, hidden=_SECRETS)


def _document(word: str) -> Mapping[str, object]:
    scenarios = select([word])
    if len(scenarios) != 1:
        names = ", ".join(scenario.name for scenario in scenarios)
        raise UsageError(f"{word} is {len(scenarios)} scenarios: {names}", remedy="name one of them, as FILE::NAME")
    return written_document(scenarios[0])


def _of_reports(first: _Given, second: _Given) -> Iterator[str]:
    left, right = (_without_time(as_json(read_file(Path(given.word)))) for given in (first, second))
    return _lines(left, right, base=0)


def _without_time(report: Mapping[str, Any]) -> dict[str, Any]:
    """A report without the real time that it took, and without messages, whose keys and nonces are new in each run."""

    def kept(part: Mapping[str, Any], left_out: Collection[str]) -> dict[str, Any]:
        return {key: value for key, value in part.items() if key not in left_out}

    left_out = (*_BY_CLOCK, *_MESSAGES_IN)
    return {
        **kept(report, (*_DERIVED, *_MESSAGES_IN)),
        "provenance": kept(report["provenance"], _BY_CLOCK),
        "scenarios": [kept(entry, ("real_seconds", *left_out)) for entry in report["scenarios"]],
        "checks": [kept(entry, left_out) for entry in report["checks"]],
        "printers": [kept(entry, left_out) for entry in report["printers"]],
    }


def _of_traces(first: _Given, second: _Given) -> Iterator[str]:
    left, right = ([event.to_json() for event in _trace(given)] for given in (first, second))
    return _lines(left, right, "event", base=0)


def _trace(given: _Given) -> Sequence[Any]:
    try:
        return from_json_lines(given.octets.decode("utf-8"))
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        raise UsageError(
            f"{given.word} is not a trace", remedy="give two files from traces/ of a --report DIR"
        ) from None


def _of_messages(first: _Given, second: _Given) -> Iterator[str]:
    return differences(first.octets, second.octets)


_SCENARIOS = _Kind("a scenario", "the scenarios do the same", _of_scenarios)
_REPORTS = _Kind("a report", "the reports are the same, apart from the time that the runs took", _of_reports)
_TRACES = _Kind("a trace", "the traces are the same", _of_traces)
_MESSAGES = _Kind("a message", "the messages are the same", _of_messages)


# --- values -----------------------------------------------------------------------------------------------


def _lines(
    first: object, second: object, path: str = "", *, base: int, hidden: frozenset[str] = frozenset()
) -> Iterator[str]:
    """The differences of two values as lines; entries of lists are numbered from `base`."""
    for place, one, other in _changes(first, second, path, base):
        if hidden & set(place.replace("[", ".").split(".")):
            yield f"{place}: differs (a secret, not shown)"
        else:
            yield f"{place}: {_said(one, hidden)} -> {_said(other, hidden)}"


def _said(value: object, hidden: frozenset[str]) -> str:
    if value is _ABSENT:
        return "(absent)"
    return one_line(json.dumps(_masked(value, hidden), ensure_ascii=False, default=str), _LONGEST)


def _masked(value: object, hidden: frozenset[str]) -> object:
    """A value with asterisks for everything below a hidden key."""
    if isinstance(value, Mapping):
        return {key: "***" if key in hidden else _masked(inner, hidden) for key, inner in value.items()}
    return [_masked(entry, hidden) for entry in value] if isinstance(value, list) else value


def _changes(first: object, second: object, path: str, base: int) -> Iterator[tuple[str, object, object]]:
    if isinstance(first, Mapping) and isinstance(second, Mapping):
        for key in dict.fromkeys([*first, *second]):
            place = f"{path}.{key}".lstrip(".")
            yield from _changes(first.get(key, _ABSENT), second.get(key, _ABSENT), place, base)
    elif isinstance(first, list | tuple) and isinstance(second, list | tuple):
        for place, one, other in _paired(first, second, base):
            yield from _changes(one, other, f"{path}[{place}]", base)
    elif type(first) is not type(second) or first != second:
        yield path, first, second


def _paired(first: Sequence[Any], second: Sequence[Any], base: int) -> Iterator[tuple[str, object, object]]:
    """The entries of two lists in pairs, each with its place: a name, or the number in the first list (an entry that
    only the second list has is at its number there)."""
    for name in _NAMES:
        left, right = _named(first, name), _named(second, name)
        if left is not None and right is not None:
            for key in dict.fromkeys([*left, *right]):
                yield key, left.get(key, _ABSENT), right.get(key, _ABSENT)
            return
    matcher = SequenceMatcher(None, list(map(_label, first)), list(map(_label, second)), autojunk=False)
    for _, a, b, c, d in matcher.get_opcodes():
        if b - a == d - c:
            for one, other in zip(range(a, b), range(c, d), strict=True):
                yield str(one + base), first[one], second[other]
            continue
        for one in range(a, b):
            yield str(one + base), first[one], _ABSENT
        for other in range(c, d):
            yield str(other + base), _ABSENT, second[other]


def _named(entries: Sequence[Any], name: str) -> dict[str, object] | None:
    """The entries by their key `name`; None unless each is a map with another value of it."""
    found: dict[str, object] = {
        str(entry[name]): entry for entry in entries if isinstance(entry, Mapping) and name in entry
    }
    return found if len(found) == len(entries) else None


def _label(entry: object) -> str:
    """What has to be the same for two entries to be a pair: the kind of an event or step, or the value itself."""
    if isinstance(entry, Mapping):
        return str(entry.get("kind") or next(iter(entry), "")) + str(entry.get("operation", ""))
    return json.dumps(entry, default=str)
