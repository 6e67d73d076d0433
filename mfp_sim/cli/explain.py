"""``mfp-sim explain``: one id or word in full, or a search over everything that has one.

A row of `_KINDS` is one kind of things: requirements, assumptions, field failures, faults, checks, steps, expectations,
rules and scenarios. Each kind gives its entries and explains one of them with its fields and an example.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import cache

from mfp_sim.cli.fields import fields_of, type_of
from mfp_sim.conformance.registry import all_checks
from mfp_sim.scenario.always.rules import ALWAYS
from mfp_sim.scenario.collection import select
from mfp_sim.scenario.expectations import EXPECTATIONS
from mfp_sim.scenario.model import Scenario
from mfp_sim.scenario.steps import STEPS
from mfp_sim.shared.catalogue.registry import assumptions, field_failures, requirements
from mfp_sim.shared.catalogue.registry import explain as explain_catalogued
from mfp_sim.shared.documents import did_you_mean
from mfp_sim.shared.documents.kinds import Kind
from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.visible import visible
from mock_scep_server.faults import FAULTS
from mock_scep_server.faults.listing import in_full

__all__ = ["entries", "explain", "search"]

_SHOWN = 20
"""How many entries a search prints; ``--json`` has all."""
_NAMED = 4
"""How many scenarios and checks of a requirement are named."""


@dataclass(frozen=True)
class Entry:
    """Something that can be explained: its id or name, its kind, its title (empty if it has none), and its sentence."""

    id: str
    kind: str
    title: str
    sentence: str


@dataclass(frozen=True)
class _Kind:
    """A kind of things: its entries, and one of them in full (None if it has no such id)."""

    entries: Callable[[], Iterator[Entry]]
    explain: Callable[[str], str | None]


def explain(options: argparse.Namespace) -> int:
    """Explain each id (a word may have several meanings), or search.

    Raises:
        UsageError: an id that is not known, or neither an id nor a search.
    """
    if options.search:
        return _search(options)
    if not options.ids:
        raise UsageError("nothing to explain", remedy="give an id or a name, or --search WORDS")
    told = {}
    for word in options.ids:
        found = [text for kind in _KINDS for text in [kind.explain(word)] if text is not None]
        if not found:
            near = did_you_mean(word, (entry.id for entry in entries()))
            raise UsageError(f"unknown id or name {word!r}", remedy=near or f"mfp-sim explain --search {word}")
        told[word] = found
    if options.json:
        print(json.dumps(told, ensure_ascii=False))
    else:
        print(visible("\n\n".join(text for found in told.values() for text in found)))
    return 0


# --- search -----------------------------------------------------------------------------------------------


def entries() -> Iterator[Entry]:
    """Everything that can be explained; an id occurs once for each of its meanings."""
    for kind in _KINDS:
        yield from kind.entries()


def search(words: Iterable[str]) -> list[Entry]:
    """The entries that contain all words in id, title or sentence: whole words and ids first; best first."""
    wanted = [word.casefold() for text in words for word in text.split()]
    ranked = [(sum(scores), number, entry) for number, entry in enumerate(entries())
              if all(scores := [_score(word, entry) for word in wanted])]  # fmt: skip
    return [entry for _, _, entry in sorted(ranked, key=lambda row: (-row[0], row[1]))]


def _score(word: str, entry: Entry) -> int:
    """How well a word fits an entry; 0 if it does not occur."""
    if word == entry.id.casefold():
        return 100
    for weight, text in ((10, entry.id), (6, entry.title), (3, entry.sentence)):
        if word in (text := text.casefold()):
            return weight + 2 * bool(re.search(rf"(?<!\w){re.escape(word)}(?!\w)", text))
    return 0


def _search(options: argparse.Namespace) -> int:
    if options.ids:
        raise UsageError("--search takes all words that follow", remedy="give an id, or --search WORDS")
    found = search(options.search)
    if options.json:
        print(json.dumps([asdict(entry) for entry in found], ensure_ascii=False))
        return 0 if found else 5
    if not found:
        print(f"mfp-sim: nothing contains all of: {visible(' '.join(options.search))}", file=sys.stderr)
        return 5
    width = max(len(entry.id) for entry in found[:_SHOWN])
    for entry in found[:_SHOWN]:
        about = f"{entry.title}. {entry.sentence}" if entry.title else entry.sentence
        print(visible(f"{entry.id:{width}}  {entry.kind:13}  {about}"))
    if len(found) > _SHOWN:
        print(f"and {len(found) - _SHOWN} more: add a word, or list all with --json", file=sys.stderr)
    return 0


# --- the kinds --------------------------------------------------------------------------------------------


@cache
def _scenarios() -> tuple[Scenario, ...]:
    return tuple(select(()))


def _names(scenarios: Iterable[Scenario]) -> list[str]:
    """Their names; those of one file with parameters have one name."""
    return list(dict.fromkeys(scenario.name.partition("[")[0] for scenario in scenarios))


def _requirements() -> Iterator[Entry]:
    for entry in requirements().values():
        yield Entry(entry.id, "requirement", entry.title, entry.text)


def _requirement(word: str) -> str | None:
    """A requirement with what shows it."""
    if word not in requirements() and word not in field_failures():
        return None
    scenarios = _names(scenario for scenario in _scenarios() if word in scenario.covers)
    checks = [entry.id for entry in all_checks().values() if word in (*entry.requirements, *entry.field_failures)]
    faults = [e.slug for e in FAULTS.values() if word in (*e.requirements, *e.field_failures)]
    lines = [explain_catalogued(word) or ""]
    lines += _line("scenarios", scenarios, "mfp-sim show") + _line("checks of servers", checks, "mfp-sim explain")
    return "\n".join(lines + _line("faults", faults, "mfp-sim explain"))


def _line(what: str, names: list[str], verb: str) -> list[str]:
    """Names in one line, and the command that shows the first; nothing without names."""
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return [f"  {what}: {', '.join(names[:_NAMED])}{more}   {verb} {names[0]}"] if names else []


def _assumptions() -> Iterator[Entry]:
    for entry in assumptions().values():
        yield Entry(entry.id, "assumption", entry.title, entry.text)


def _assumption(word: str) -> str | None:
    if word not in assumptions():
        return None
    scenarios = _names(scenario for scenario in _scenarios() if word in scenario.assumes)
    return "\n".join([explain_catalogued(word) or "", *_line("scenarios", scenarios, "mfp-sim show")])


def _failures() -> Iterator[Entry]:
    for entry in field_failures().values():
        yield Entry(entry.id, "field failure", entry.title, entry.cause)


def _faults() -> Iterator[Entry]:
    for entry in FAULTS.values():
        yield Entry(entry.slug, "fault", "", entry.sentence)


def _fault(word: str) -> str | None:
    return in_full(FAULTS[word]) if word in FAULTS else None


def _checks() -> Iterator[Entry]:
    for entry in all_checks().values():
        yield Entry(entry.id, "check", entry.title, entry.why)


def _check(word: str) -> str | None:
    entry = all_checks().get(word)
    if entry is None:
        return None
    lines = [
        f"{entry.id}  a check of SCEP servers, RFC 8894, {entry.section}",
        f"  {entry.title}",
        f"  why: {entry.why}",
        f"  requirements: {', '.join(entry.requirements)}",
        *([f"  field failures: {', '.join(entry.field_failures)}"] if entry.field_failures else []),
        f"  level: {entry.level}; worst verdict: {entry.worst.value}",
        f"  certificates that it makes on a correct server: {entry.cost}",
        *([f"  needs capabilities: {', '.join(entry.needs)}"] if entry.needs else []),
        *([f"  runs only with --allow {entry.opt_in}"] if entry.opt_in else []),
        f"  mfp-sim conform URL --only {entry.id}",
    ]
    return "\n".join(lines)


def _of_files(table: Mapping[str, object], kind: str) -> Callable[[], Iterator[Entry]]:
    """The entries of steps or of expectations."""

    def found() -> Iterator[Entry]:
        for name, entry in table.items():
            yield Entry(name, kind, "", getattr(entry, "sentence"))  # noqa: B009 - both tables have sentences

    return found


def _written(word: str, kind: Kind) -> list[str]:
    """The type of a value in a file, and its fields."""
    rows = [str(row).removeprefix(f"{word}.") for row in fields_of(kind, word)]
    return [f"  value: {type_of(kind)}", *(f"    {row}" for row in rows)]


def _step(word: str) -> str | None:
    entry = STEPS.get(word)
    if entry is None:
        return None
    lines = [f"{word}  a step of scenarios", f"  {entry.sentence}", *_written(word, entry.kind)]
    return "\n".join([*lines, f"  - {entry.example_of(word)}"])


def _expectation(word: str) -> str | None:
    entry = EXPECTATIONS.get(word)
    if entry is None:
        return None
    lines = [f"{word}  a field of expect", f"  {entry.sentence}", *_written(word, entry.shape)]
    lines += ["  only with the mock CA"] if entry.needs_mock else []
    return "\n".join([*lines, f"  - expect: {{{word}: {entry.example}}}"])


def _rule(word: str) -> str | None:
    if word not in ALWAYS:
        return None
    lines = [f"{word}  a rule that holds in every run", f"  {ALWAYS[word].sentence}"]
    lines += [f"  serves: {', '.join(ALWAYS[word].serves)}"] if ALWAYS[word].serves else []
    return "\n".join([*lines, f"  - expect: {{always: [{word}]}}"])


def _shipped() -> Iterator[Entry]:
    sentences = {scenario.name.partition("[")[0]: scenario.why for scenario in reversed(_scenarios())}
    for name in _names(_scenarios()):
        yield Entry(name, "scenario", "", sentences[name])


def _scenario(word: str) -> str | None:
    found = [scenario for scenario in _scenarios() if word in (scenario.name, scenario.name.partition("[")[0])]
    if not found:
        return None
    first = found[0]
    lines = [f"{word}  a scenario, {first.file}", f"  {first.why}", f"  covers: {', '.join(first.covers)}"]
    lines += [f"  assumes: {', '.join(first.assumes)}"] if first.assumes else []
    return "\n".join([*lines, f"  mfp-sim show {shlex.quote(first.name)}"])


_KINDS = (
    _Kind(_requirements, _requirement),
    _Kind(_assumptions, _assumption),
    _Kind(_failures, lambda _: None),
    _Kind(_faults, _fault),
    _Kind(_checks, _check),
    _Kind(_of_files(STEPS, "step"), _step),
    _Kind(_of_files(EXPECTATIONS, "expectation"), _expectation),
    _Kind(_of_files(ALWAYS, "rule"), _rule),
    _Kind(_shipped, _scenario),
)
