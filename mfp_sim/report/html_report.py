"""The run as one HTML file. It needs no network and no other file, and works from `file://` as from a server.

It renders a `RunReport` and reads nothing else, not even a clock, so the same report gives the same page. Every text is
hostile: Jinja escapes it, control characters are made visible, and a content security policy allows only the one style
sheet and the one script, by digest. Without the script, a browser shows the whole page as plain HTML.
"""

from __future__ import annotations

import base64
import gzip
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone, tzinfo
from functools import cache, cached_property

from jinja2 import Environment
from markupsafe import Markup

from mfp_sim.report.coverage import BASES, CoverageRow, CoveringScenario, covered
from mfp_sim.report.drawing import Drawing, lasting, sequence, timeline
from mfp_sim.report.headline import Headline, headline, reason
from mfp_sim.report.json_report import SCHEMA_VERSION
from mfp_sim.report.labels import Say, labels
from mfp_sim.report.messages import DecodedElement, answered, asked
from mfp_sim.report.model import (
    CHANGES,
    KINDS,
    NEXT,
    CatalogueEntry,
    CheckReport,
    ExchangeReport,
    RunReport,
    ScenarioReport,
)
from mfp_sim.report.sheet import asset, environment_of, policy_for, quoted
from mfp_sim.report.story import StoryRow, instant, stamp, story_of_exchanges, story_of_trace, zone_named
from mfp_sim.report.svg import SHAPES, svg_writer
from mfp_sim.shared.catalogue.sections import titled

__all__ = ["as_html"]

_GROUPS = {
    word: group
    for group, words in {
        "good": "passed pass works stage-done change-better change-mended",
        "bad": "failed error fail does-not-work stage-failed change-new change-worse",
        "warn": "warn finding inconclusive works-with stage-condition stage-cannot-tell change-not-judged "
                "change-not-judged-before change-turned",
    }.items()
    for word in words.split()
}  # fmt: skip
_OWN_IDS = ("failed", "results", "matrix", "coverage", "theme", "print", "expand", "collapse", "filter-text",
            "filter-chapter", "filter-tag", "filter-reset", "filter-count", "coverage-text", "coverage-outcome",
            "coverage-count", "parts", "next", "since", *SHAPES)  # fmt: skip
"""The anchors of the page's own parts; a scenario may not have one of them."""
_LEVEL = 3
"""The level of gzip. The usual one takes twice as long, and makes a page smaller by a tenth."""
_SIGNS = {"good": "✓", "bad": "✗", "warn": "!", "plain": "–"}


def _element_row(element: DecodedElement) -> str:
    return f"<tr><th>{quoted(element.path)}<td>{quoted(element.value)}"


def _header_line(header: tuple[str, str]) -> str:
    return f"{quoted(header[0])}: {quoted(header[1])}\n"


def _transcript_row(row: StoryRow, zone: tzinfo, say: Say, catalogue: Mapping[str, CatalogueEntry]) -> str:
    what = quoted(row.named(lambda at: _local_time(at, zone)))
    reply = f" → {quoted(row.reply)}" if row.reply else ""
    faults = _fault_badges(row.faults, catalogue) if row.faults else ""
    return f"<tr><td>{_local_time(row.at, zone)}<td>{quoted(say(f'lane-{row.lane}'))}<td>{what}{reply}{faults}\n"


def _badge(outcome: str, say: Say) -> str:
    """An outcome with its colour and its sign."""
    group = _GROUPS.get(outcome, "plain")
    return f'<span class="badge {group}">{_SIGNS[group]} {quoted(say(outcome))}</span>'


def _exchange_line(exchange: ExchangeReport, number: int, say: Say) -> str:
    reply = exchange.reply.line if exchange.reply else exchange.error or say("no-reply")
    seconds = f' <span class="soft">{exchange.seconds:.2f} s</span>' if exchange.seconds >= 0.05 else ""
    return f"{number}. {quoted(exchange.operation)} → {quoted(reply)}{seconds}"


def _identifiers(identifiers: Iterable[str], catalogue: Mapping[str, CatalogueEntry]) -> str:
    """Identifiers; the tooltip of each is the text of the catalogue."""
    texts = [(name, catalogue[name].text if name in catalogue else name) for name in identifiers]
    return " ".join(f'<abbr title="{quoted(text)}">{quoted(name)}</abbr>' for name, text in texts)


def _covering(shown: CoveringScenario, anchor: str, say: Say, catalogue: Mapping[str, CatalogueEntry]) -> str:
    """A link to a scenario, with what limits what it shows."""
    limits = [quoted(say(shown.outcome))] if shown.outcome != "passed" else []
    limits += [_identifiers(shown.assumes, catalogue)] if shown.assumes else []
    limited = f' <span class="soft">({"; ".join(limits)})</span>' if limits else ""
    return f'<a href="#{quoted(anchor)}">{quoted(shown.name)}</a>{limited}'


def _fault_badges(slugs: Sequence[str], catalogue: Mapping[str, CatalogueEntry]) -> str:
    """The slugs of faults; the tooltip of each is the sentence of the catalogue."""
    tips = {slug: f' title="{quoted(catalogue[slug].text)}"' if slug in catalogue else "" for slug in slugs}
    return "".join(f' <span class="badge warn"{tips[slug]}>{quoted(slug)}</span>' for slug in slugs)


def _local_time(time: object, zone: tzinfo = timezone.utc) -> str:
    at = time if isinstance(time, datetime) else instant(time)
    return str(time) if at is None else stamp(at, zone)


@dataclass(frozen=True)
class _Item:
    """A scenario or a check as the page shows it; `words` is the text that the filter searches."""

    anchor: str
    outcome: str
    chapter: str
    tags: tuple[str, ...]
    words: str
    scenario: ScenarioReport | None = None
    check: CheckReport | None = None
    zone: tzinfo = timezone.utc
    zone_name: str = "UTC"

    @cached_property
    def data(self) -> Markup:
        """The attributes that the filters use."""
        words = {"outcome": self.outcome, "chapter": self.chapter, "tags": " ".join(self.tags), "words": self.words}
        return _markup(" ".join(f'data-{name}="{quoted(value)}"' for name, value in words.items()))

    @property
    def bad(self) -> bool:
        return _GROUPS.get(self.outcome) == "bad"

    @property
    def whole(self) -> bool:
        """Whether it is open from the start, with everything in the page: a scenario that failed. For checks, the page
        shows the causes first, and the details open on demand."""
        return self.bad and self.scenario is not None

    @property
    def brief(self) -> bool:
        """Whether the page holds nothing of it until it is opened: a check without a finding."""
        return self.check is not None and self.outcome not in ("fail", "warn", "finding")

    @property
    def title(self) -> str:
        return self.scenario.name if self.scenario else self.check.wrong or self.check.title if self.check else ""

    @property
    def exchanges(self) -> tuple[ExchangeReport, ...]:
        found = self.scenario or self.check
        return found.exchanges if found else ()


class _Parts:
    """The parts that the page shows only when they are opened: each part once, all packed together.

    They are sorted by kind, since gzip finds only what is near: that makes them a third smaller.
    """

    def __init__(self) -> None:
        self._found: dict[str, dict[str, int]] = {"words": {}, "drawings": {}, "elements": {}, "bodies": {}}
        self._numbers = {kind: number for number, kind in enumerate(self._found)}

    def late(self, markup: str, whole: bool, kind: str = "words") -> str:
        """The markup if the page has it from the start, or the place where the script puts it. The numbers by which
        the script finds a part are that of its kind and that of the part."""
        if whole:
            return markup
        found = self._found[kind]
        number = found.setdefault(str(markup), len(found))
        return f'<div data-part="{self._numbers[kind]} {number}"></div>'

    def packed(self) -> str:
        """All parts, packed with gzip, in base64. U+0001 separates the kinds and NUL the parts of a kind; no text of a
        page contains them."""
        kinds = (
            b"\0".join(part.encode("utf-8", "backslashreplace") for part in found) for found in self._found.values()
        )
        return base64.b64encode(gzip.compress(b"\1".join(kinds), _LEVEL, mtime=0)).decode()


def as_html(report: RunReport, language: str = "en") -> str:
    """The page."""
    say = labels(language)
    server = say("lane-ca") if report.target == "in process" else say("server")
    items = [*_items(report)]
    order = dict.fromkeys((*report.verdicts, *report.counts) if report.checks else report.counts)
    style, script = asset("report.css"), asset("report.js")
    anchor_of = {item.scenario.name: item.anchor for item in reversed(items) if item.scenario}
    parts = _Parts()
    environment = _environment(say, report.catalogue, anchor_of)
    environment.filters["late"] = parts.late

    def rows_of(item: _Item) -> tuple[StoryRow, ...]:
        if item.scenario is not None and item.scenario.trace:
            return story_of_trace(item.scenario.trace, say)
        return story_of_exchanges(item.exchanges, say)

    shown_of: dict[tuple[object, ...], str] = {}

    def alike(macro: Callable[..., str], exchange: ExchangeReport, whole: bool) -> str:
        """What the macro makes of an exchange, once for all exchanges with the same messages."""
        key = exchange.request, exchange.reply, exchange.error, exchange.notes, whole
        if key not in shown_of:
            shown_of[key] = macro(exchange, whole)
        return shown_of[key]

    def drawings(item: _Item, rows: Sequence[StoryRow]) -> list[tuple[str, Drawing]]:
        minted = item.scenario.minted if item.scenario else ()
        found = (
            ("timeline", timeline(rows, minted, item.zone, say, server)),
            ("sequence", sequence(rows, item.zone, say, server, report.catalogue)),
        )
        return [(name, drawing) for name, drawing in found if drawing is not None]

    return environment.get_template("page.html").render(
        report=report,
        items=items,
        whole_items=[item for item in items if item.whole],
        language=language,
        style=Markup(style),  # noqa: S704 - our own file
        script=Markup(script),  # noqa: S704 - our own file
        policy=policy_for(style, script),
        overview=_overview(items),
        chapters=sorted({item.chapter for item in items if item.chapter}),
        tags=sorted({tag for item in items for tag in item.tags}),
        outcomes=[name for name in order if any(item.outcome == name for item in items)],
        count=Counter(item.outcome for item in items),
        resting=report.resting,
        simulated=lasting(_span(sum(s.virtual_seconds for s in report.scenarios)), say),
        coverage=_coverage(covered(report.scenarios)),
        anchor_of_check={item.check.id: item.anchor for item in reversed(items) if item.check},
        anchor_of_cause={entry.id: f"cause-{number}" for number, entry in enumerate(report.findings, 1)},
        title_of_cause={entry.id: entry.title for entry in report.findings},
        kinds=KINDS,
        changes=CHANGES,
        next=NEXT,
        titled=titled if report.checks else str,
        anchor_of=anchor_of,
        verdict=(verdict := _verdict(report)),
        tone=_tone(report, verdict),
        headline=_headline(report, verdict, say),
        reason=lambda scenario: reason(scenario, say),
        rows_of=rows_of,
        drawings=drawings,
        svg=svg_writer(quoted),
        shapes=Markup("".join(SHAPES.values())),  # noqa: S704 - our own
        asked=asked,
        answered=answered,
        alike=alike,
        once=cache(lambda macro, *of: macro(*of)),
        packed=parts.packed,
        schema_version=SCHEMA_VERSION,
    )


def _markup(text: str) -> Markup:
    return Markup(text)  # noqa: S704 - the functions of this module quote what they put into markup


def _environment(say: Say, catalogue: Mapping[str, CatalogueEntry], anchor_of: Mapping[str, str]) -> Environment:
    """The templates with their filters. What a page has by the thousand is markup that a filter makes, not a template,
    and is made once for all places where it recurs. `say` is a filter because Jinja applies it to a constant only once,
    when it compiles a template."""
    element_row, header_line = cache(_element_row), cache(_header_line)
    covering = cache(lambda shown: _covering(shown, anchor_of[shown.name], say, catalogue))
    environment = environment_of("mfp_sim.report")
    environment.filters |= {
        "base64": lambda octets: base64.b64encode(octets).decode(),
        "say": say,
        "badge": cache(lambda outcome: _markup(_badge(outcome, say))),
        "covering": lambda scenarios: _markup(", ".join(map(covering, scenarios))),
        "element_rows": lambda elements: _markup("".join(map(element_row, elements))),
        "header_lines": lambda headers: _markup("".join(map(header_line, headers))),
        "ids": lambda identifiers: _markup(_identifiers(identifiers, catalogue)),
        "line": lambda exchange, number: _markup(_exchange_line(exchange, number, say)),
        "transcript": lambda rows, zone: _markup("".join(_transcript_row(row, zone, say, catalogue) for row in rows)),
    }
    environment.globals.update(
        local=_local_time,
        lasting=lambda seconds: lasting(_span(seconds), say),
        group=lambda outcome: _GROUPS.get(outcome, "plain"),
        sign=lambda outcome: _SIGNS[_GROUPS.get(outcome, "plain")],
    )
    return environment


def _headline(report: RunReport, verdict: str, say: Say) -> Headline:
    """The verdict in words: what became of the scenarios, if that is what decided it."""
    told = None if report.checks else headline(report, say)
    if told is not None and (told.named or verdict == "good"):
        return told
    return Headline(say({"good": "all-good", "warn": "found", "bad": "not-good", "plain": "nothing-ran"}[verdict]))


def _span(seconds: float) -> timedelta:
    """A span of time; `timedelta.max` if it is longer than that."""
    try:
        return timedelta(seconds=seconds)
    except OverflowError:
        return timedelta.max


def _items(report: RunReport) -> list[_Item]:
    """The scenarios, those that failed first, and the checks."""
    anchor = _anchors()
    found = [
        _Item(
            anchor=anchor(scenario.name),
            outcome=scenario.outcome,
            chapter=scenario.chapter,
            tags=scenario.tags,
            words=" ".join((scenario.name, scenario.why, *scenario.covers, *scenario.rests_on, *scenario.tags)),
            scenario=scenario,
            zone=zone_named(scenario.timezone),
            zone_name=scenario.timezone,
        )
        for scenario in report.scenarios
    ]
    return sorted(found, key=lambda item: not item.bad) + [
        _Item(
            anchor=anchor(check.id),
            outcome=check.verdict,
            chapter=check.section,
            tags=check.tags,
            words=" ".join(
                (
                    check.id,
                    check.wrong,
                    check.title,
                    check.why,
                    check.level,
                    *check.requirements,
                    *check.field_failures,
                    *check.tags,
                )
            ),
            check=check,
        )
        for check in report.checks
    ]


def _anchors() -> Callable[[str], str]:
    """Gives each name a unique id that a link can contain."""
    used = Counter(_OWN_IDS)

    def anchor(name: str) -> str:
        plain = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-").lower() or "item"
        if re.fullmatch(r"cause-\d+", plain):  # the page's own
            plain = f"item-{plain}"
        used[plain] += 1
        return plain if used[plain] == 1 else f"{plain}--{used[plain]}"

    return anchor


def _overview(items: Sequence[_Item]) -> list[tuple[str, Counter[str]]]:
    """Outcomes by chapter."""
    found: dict[str, Counter[str]] = {}
    for item in items:
        found.setdefault(item.chapter, Counter())[item.outcome] += 1
    return sorted(found.items())


def _coverage(rows: Sequence[CoverageRow]) -> list[tuple[str, list[CoverageRow], Counter[str]]]:
    """The rows by their basis, with the count of each outcome."""
    found: dict[str, list[CoverageRow]] = {basis: [] for basis in BASES}
    for row in rows:
        found[row.basis].append(row)
    return [(basis, group, Counter(row.outcome for row in group)) for basis, group in found.items() if group]


def _verdict(report: RunReport) -> str:
    """The verdict on the whole run: `bad`, `good`, `warn` for a server with findings that are not failures, or `plain`
    if nothing was shown, or if it does not allow a verdict."""
    told = report.provenance.baseline is None and any(c.verdict == "fail" for c in report.conclusions)
    broken = report.baseline_broken or told
    failed = report.not_as_expected + (report.verdicts["fail"] if report.provenance.baseline is None else 0)
    if broken or failed or report.stopped:
        return "bad"
    verdicts = {conclusion.verdict for conclusion in report.conclusions}
    if verdicts & {"warn", "finding"} and report.provenance.baseline is None:
        return "warn"
    if verdicts and not verdicts - {"inconclusive", "skipped"}:
        return "plain"
    return "good" if report.counts["passed"] + report.verdicts["pass"] else "plain"


def _tone(report: RunReport, verdict: str) -> str:
    """The colour of the headline. It depends on the grade, if there is one; a run without a grade is never good."""
    if report.grade is None:
        return verdict
    if not report.grade.letter:
        return "plain" if verdict == "good" else verdict
    return {"A": "good", "B": "warn", "C": "warn"}.get(report.grade.letter, "bad")
