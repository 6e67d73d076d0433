"""The run as Markdown for the page of a CI job: the counts, what needs attention, and its context.

Text from a server is escaped or kept within a code span, so it cannot be a link or a mention.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

from mfp_sim.report.coverage import BASES, CoverageRow, covered
from mfp_sim.report.labels import Say, labels
from mfp_sim.report.model import CHANGES, KINDS, NEXT, CauseReport, PrinterVerdict, RunReport
from mfp_sim.report.sheet import shown

__all__ = ["as_markdown"]

_MOST = 50
"""How many failures are shown in full; a CI page has a size limit."""
_LONG = 300
_NAMED = 5
"""How many scenarios of an entry are named; the HTML report names them all."""


def as_markdown(report: RunReport, language: str = "en") -> str:
    """The summary."""
    return "\n".join(_lines(report, labels(language)))


def _lines(report: RunReport, say: Say) -> Iterator[str]:
    yield f"## {say('title')}"
    yield ""
    counts = Counter(report.counts) + Counter(report.verdicts)
    yield "**" + ", ".join(f"{count} {say(name)}" for name, count in counts.items() if count) + "**"
    if report.unchecked:
        yield f"\n**{say('unchecked')}**"
    if report.stopped:
        yield f"\n{say('stopped')}: {_plain(report.stopped)}"
    if report.conclusions:
        yield ""
        for conclusion in report.conclusions:
            yield f"- **{_plain(conclusion.name)}**: {say(conclusion.verdict)}. {_plain(conclusion.because)}"
    yield from _found(report, say)
    yield ""
    yield from _table(("", ""), _facts(report, say))
    if report.printers:
        yield from _heading(say("printers"))
        models = [(_plain(p.model), say(p.verdict), *_lived(p, say)) for p in report.printers]
        yield from _table((say("model"), say("outcome"), say("stages"), say("because")), models)
    attention = [*_failures(report), *_checks(report)]
    if attention:
        yield from _heading(say("needs-attention"))
        for name, rows in attention[:_MOST]:
            yield f"- **{_plain(name)}**"
            for key, value in rows:
                yield f"  - {say(key)}: {_code(value)}"
        if len(attention) > _MOST:
            yield f"- … +{len(attention) - _MOST}"
    yield from _unobserved(report, say)
    if rows_covered := covered(report.scenarios):
        yield from _heading(say("coverage"))
        yield from _coverage(rows_covered, say)
    yield ""


def _unobserved(report: RunReport, say: Say) -> Iterator[str]:
    """The expectations that a real server cannot show."""
    places = [place for scenario in report.scenarios for place in scenario.unobserved]
    if places:
        yield from _heading(say("unobserved"))
        yield from (f"- {_code(place)}" for place in places[:_MOST])
        if len(places) > _MOST:
            yield f"- … +{len(places) - _MOST}"


def _found(report: RunReport, say: Say) -> Iterator[str]:
    """The grade, the verdict in words, what to do next, and the other findings by class; policy is folded."""
    if report.grade is None:
        return
    yield from _heading(f"{say('grade')}: {report.grade.letter or say('no-grade')}")
    yield _plain(" ".join(report.grade.words))
    for reason in report.grade.because:
        yield f"- {_plain(reason)}"
    if report.since is not None:
        yield from _heading(f"{say('since')} {_plain(report.since.begun)}")
        yield f"{say('grade')}: {report.since.letter or say('no-grade')} → {report.grade.letter or say('no-grade')}"
        for change in sorted(report.since.changes, key=lambda change: CHANGES.index(change.outcome)):
            checks = ", ".join(map(_code, change.checks[:_NAMED]))
            yield f"- **{say(f'change-{change.outcome}')}**: {_plain(change.title)} {checks}"
        yield from (f"- {_plain(text)}" for text in report.since.printers)
        if not report.since.changes and not report.since.printers:
            yield f"- {say('as-it-was')}"
    if report.to_mend:
        yield from _heading(say("next"))
        for number, entry in enumerate(report.to_mend[:NEXT], 1):
            yield f"{number}. {_entry(entry, say)}"
    for kind in KINDS:
        entries = [entry for entry in report.findings if entry.kind == kind and entry not in report.to_mend[:NEXT]]
        if not entries:
            continue
        if kind == "policy":
            yield ""
            yield f"<details><summary>{say('kind-policy')} ({len(entries)})</summary>"
            yield ""
        else:
            yield from _heading(say(f"kind-{kind}"))
        yield from (f"- {_entry(entry, say)}" for entry in entries)
        if kind == "policy":
            yield ""
            yield "</details>"


def _lived(printer: PrinterVerdict, say: Say) -> tuple[str, str]:
    """The stage that the printer model reached, and why it went no further."""
    stages = [f"{say(f'stage-{s.name}')}: {say(f'stage-{s.outcome}')}" for s in printer.stages]
    why = [*printer.because, *(f"{say('remedy')}: {s.remedy}" for s in printer.stages if s.remedy)]
    return _plain("; ".join(stages)), _plain("; ".join(why))


def _entry(entry: CauseReport, say: Say) -> str:
    parts = [f"**{_plain(entry.told)}** ({say(entry.verdict)}; RFC 8894, {_plain('; '.join(entry.sections))})"]
    if entry.remedy:
        parts.append(f"{say('remedy')}: {_plain(entry.remedy)}.")
    if entry.clients:
        parts.append(f"{say('clients')}: {_plain('; '.join(entry.clients))}.")
    checks = ", ".join(_code(place.check) for place in entry.places[:_NAMED])
    more = len(entry.places) - _NAMED
    parts.append(f"{checks}{f' +{more}' if more > 0 else ''}")
    return " ".join(parts)


def _heading(text: str) -> Iterator[str]:
    yield ""
    yield f"### {text}"
    yield ""


def _facts(report: RunReport, say: Say) -> Iterator[tuple[str, str]]:
    source = report.provenance
    yield say("target"), say("in-process") if report.target == "in process" else _code(report.target)
    if source.ca is not None:
        yield say("ca"), _plain(source.ca.subject)
        yield say("fingerprint"), _code(source.ca.fingerprint)
        yield say("capabilities"), _plain(", ".join(source.ca.capabilities) or say("none"))
    if source.command:
        yield say("command"), _code(source.command)
    yield say("flips"), _plain(", ".join(report.flips) or say("none"))
    if report.scenarios:
        yield say("resting"), ", ".join(f"{number} {say(f'rests-{basis}')}" for basis, number in report.resting.items())
    yield say("tool"), f"mfp-sim {_plain(source.version)}, {say('catalogue').lower()} {_plain(source.catalogue)}"


def _failures(report: RunReport) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    for scenario in report.scenarios:
        for failure in scenario.failures:
            yield (
                scenario.name,
                [
                    ("what", f"{failure.place} {failure.path}"),
                    ("expected", failure.expected),
                    ("got", failure.got),
                    ("repeat", scenario.command),
                ],
            )


def _checks(report: RunReport) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    for verdict in ("fail", "warn"):
        for check in report.checks:
            if check.verdict == verdict:
                rows = [
                    ("outcome", f"{verdict}, RFC 8894 {check.section} {check.level}".strip()),
                    ("diagnosis", check.because),
                    ("likely", check.likely_mistake),
                    ("expected", check.expected),
                    ("got", check.got),
                    ("repeat", check.command),
                ]
                yield f"{check.id}: {check.wrong or check.title}", [(key, value) for key, value in rows if value]


_OUTCOMES = ("pass", "fail", "planned", "not-shown")


def _coverage(rows: Sequence[CoverageRow], say: Say) -> Iterator[str]:
    """The number of entries by their basis, then each entry, folded."""
    counts = []
    for basis in BASES:
        found = Counter(row.outcome for row in rows if row.basis == basis)
        if found:
            counts.append((say(f"basis-{basis}"), *(str(found[outcome]) for outcome in _OUTCOMES)))
    yield from _table((say("basis"), *map(say, _OUTCOMES)), counts)
    yield ""
    yield f"<details><summary>{len(rows)} {say('entries')}</summary>"
    yield ""
    for basis in BASES:
        told = [_covered(row, say) for row in rows if row.basis == basis]
        if told:
            yield f"**{say(f'basis-{basis}')}**"
            yield ""
            yield from _table((say("entry"), say("what"), say("outcome"), say("scenarios")), told)
            yield ""
    yield "</details>"


def _covered(row: CoverageRow, say: Say) -> tuple[str, ...]:
    scenarios = [
        f"{_plain(shown.name)} ({', '.join((say(shown.outcome), *map(_plain, shown.assumes)))})"
        for shown in row.scenarios[:_NAMED]
    ]
    more = [f"+{len(row.scenarios) - _NAMED}"] if len(row.scenarios) > _NAMED else []
    return row.id, _plain(row.title), say(row.outcome), ", ".join(scenarios + more)


def _table(head: Sequence[str], rows: Iterator[tuple[str, str]] | Sequence[tuple[str, ...]]) -> Iterator[str]:
    yield "| " + " | ".join(head) + " |"
    yield "|" + " --- |" * len(head)
    for row in rows:
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |"


def _one_line(text: str) -> str:
    told = str(shown(text.replace("\n", " ").replace("\t", " ")))
    return told if len(told) <= _LONG else told[: _LONG - 1] + "…"


def _plain(text: str) -> str:
    """Text without any markup; a zero-width joiner keeps `@name` from being a mention."""
    return re.sub(r"([\\`*_{}\[\]<>#~!&])", r"\\\1", _one_line(text)).replace("@", "@\u2060")


def _code(text: str) -> str:
    """A code span whose fence is longer than any run of backticks in the text."""
    line = _one_line(text)
    fence = "`" * (max((len(run) for run in re.findall("`+", line)), default=0) + 1)
    return f"{fence} {line} {fence}" if "`" in line else f"`{line or ' '}`"
