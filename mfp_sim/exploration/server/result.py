"""The result of a search of a server: what was judged, what failed, and a minimal history of each failure.

Values, their JSON and their text. Masks every text that a server chose. Design: the same facts in both forms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from mfp_sim.conformance.model import CheckVerdict
from mfp_sim.conformance.outcomes import Minted, Untold
from mfp_sim.exploration.server.diagram import as_mermaid, as_text, reply_words, request_words
from mfp_sim.exploration.server.history import HistoryEntry
from mfp_sim.exploration.server.rules import RULES, ServerRule
from mfp_sim.shared.visible import one_line

__all__ = ["INTERRUPTED", "FailingHistory", "ServerResult"]

INTERRUPTED = "interrupted"
_Mask = Callable[[str], str]


@dataclass(frozen=True)
class FailingHistory:
    """A rule that the server broke. ``history`` is the smallest that shows it, and ``marked`` the numbers of the
    entries that do. ``case`` is the number of the case that broke it first, with ``drawn`` acts, and ``after`` the
    number of acts of the search until then. ``repeated``: it failed again in one of the ``runs`` that repeated and
    shrank it; otherwise the history is that of the first case.
    """

    rule: ServerRule
    severity: CheckVerdict
    text: str
    marked: tuple[int, ...]
    history: tuple[HistoryEntry, ...] = field(repr=False)
    case: int
    drawn: int
    after: int
    repeated: bool
    runs: int

    @property
    def state(self) -> str:
        """Whether it failed again, in words."""
        if self.repeated:
            return f"shrunk from {_count(self.drawn, 'act')} to {len(self.history)} in {_count(self.runs, 'run')}"
        if not self.runs:
            return "not repeated: a limit was reached"
        return f"not repeated: it did not fail again in {_count(self.runs, 'run')}"

    def lines(self, mask: _Mask) -> Iterator[str]:
        """The failure for a terminal, with the sequence diagram."""
        sections = ", ".join(self.rule.sections)
        yield f"{self.severity.word.upper():8} {self.rule.slug}: {self.rule.sentence} (RFC 8894, {sections})"
        yield f"         {one_line(mask(self.text))}"
        yield f"         case {self.case}, {self.state}"
        yield ""
        yield from (f"  {line}" for line in as_text(self.history, self.marked, mask))
        yield ""

    def to_json(self, mask: _Mask) -> dict[str, object]:
        """The failure for programs."""
        return {
            "rule": self.rule.slug,
            "sentence": self.rule.sentence,
            "requirements": list(self.rule.requirements),
            "sections": list(self.rule.sections),
            "verdict": self.severity.word,
            "security": self.rule.breach and self.severity is CheckVerdict.FAIL,
            "text": mask(self.text),
            "case": self.case,
            "acts": self.drawn,
            "after": self.after,
            "repeated": self.repeated,
            "runs": self.runs,
            "marked": list(self.marked),
            "history": [_entry(entry, self.history, mask) for entry in self.history],
            "mermaid": as_mermaid(self.history, self.marked, self.rule.sentence, mask),
        }


def _entry(entry: HistoryEntry, history: tuple[HistoryEntry, ...], mask: _Mask) -> dict[str, object]:
    return {
        "number": entry.number,
        "client": entry.act.client,
        "round": entry.act.round,
        "kind": entry.kind,
        "transaction": entry.transaction,
        "transaction_id": None if entry.answer is None else entry.answer.order.transaction_id,
        "request": request_words(entry, history),
        "reply": reply_words(entry, mask),
        "certificates": [
            {"serial": f"{one.serial:x}", "sha256": one.fingerprint()} for one in entry.certificates
        ],
    }  # fmt: skip


@dataclass(frozen=True)
class ServerResult:
    """A whole search. ``judged`` counts the applications of each rule, ``broken`` the cases that broke it. ``held``: a
    right request was granted at the beginning; otherwise nothing was searched. ``last`` says why one at the end was not
    granted; None if it was. ``ended`` says why the search ended.
    """

    target: str
    seed: int
    cases: int
    acts: int
    requests: int
    minted: tuple[Minted, ...]
    untold: tuple[Untold, ...]
    seconds: float
    abilities: tuple[str, ...]
    judged: Mapping[str, int]
    broken: Mapping[str, int]
    failures: tuple[FailingHistory, ...]
    ended: str
    held: bool
    last: str | None
    mask: _Mask = field(repr=False, compare=False)

    @property
    def unjudged(self) -> tuple[str, ...]:
        """The rules that had nothing to judge: the server does not support it, or the search was too short."""
        return tuple(slug for slug in RULES if not self.judged.get(slug) and slug not in self.broken)

    @property
    def insecure(self) -> bool:
        """Whether a failure is a breach of security."""
        return any(one.rule.breach and one.severity is CheckVerdict.FAIL for one in self.failures)

    @property
    def interrupted(self) -> bool:
        """Whether Ctrl-C or SIGTERM ended the search."""
        return self.ended == INTERRUPTED

    @property
    def worst(self) -> CheckVerdict:
        """The worst verdict. Without a failure it is PASS, or INCONCLUSIVE if no case was run, or a right request was
        not granted at the beginning or at the end."""
        kept = CheckVerdict.PASS if self.held and self.cases and self.last is None else CheckVerdict.INCONCLUSIVE
        return max((one.severity for one in self.failures), default=kept)

    def lines(self) -> Iterator[str]:
        """The result for a terminal."""
        for failure in self.failures:
            yield from failure.lines(self.mask)
        yield f"target     {one_line(self.mask(self.target))}"
        for number, words in enumerate(self.abilities):
            yield f"{'' if number else 'supports':10} {words}"
        searched = ", ".join(
            (
                _count(self.cases, "case"),
                _count(self.acts, "act"),
                _count(self.requests, "request"),
                f"seed {self.seed}",
            )
        )
        yield f"searched   {searched}, {self.seconds:.0f} s"
        yield f"minted     {_count(len(self.minted), 'certificate')}"
        unexpected = [f"serial {one.serial:x}" for one in self.minted if not one.expected]
        if unexpected:
            yield f"           {len(unexpected)} of them should not exist: {', '.join(unexpected)}"
        if self.untold:
            yield f"           {_count(len(self.untold), 'more request')} may have made a certificate"
        broken = [slug for slug in RULES if slug in self.broken]
        kept = len(RULES) - len(broken) - len(self.unjudged)
        yield f"rules      {kept} kept, {len(broken)} broken{': ' + ', '.join(broken) if broken else ''}"
        if self.unjudged:
            yield f"           {len(self.unjudged)} not judged: {', '.join(self.unjudged)}"
        yield f"ended      {one_line(self.mask(self.ended))}"
        if self.last is not None:
            yield f"           the last right request was not granted: {one_line(self.mask(self.last))}"

    def to_json(self) -> dict[str, object]:
        """The result for programs."""
        return {
            "target": self.mask(self.target),
            "seed": self.seed,
            "verdict": self.worst.word,
            "security": self.insecure,
            "ended": self.mask(self.ended),
            "held": self.held,
            "last": None if self.last is None else self.mask(self.last),
            "cases": self.cases,
            "acts": self.acts,
            "requests": self.requests,
            "seconds": round(self.seconds, 3),
            "supports": list(self.abilities),
            "rules": [
                {
                    "rule": rule.slug,
                    "sentence": rule.sentence,
                    "requirements": list(rule.requirements),
                    "sections": list(rule.sections),
                    "judged": self.judged.get(rule.slug, 0),
                    "broken": self.broken.get(rule.slug, 0),
                }
                for rule in RULES.values()
            ],
            "failures": [failure.to_json(self.mask) for failure in self.failures],
            "minted": [
                {
                    "serial": f"{one.serial:x}",
                    "subject": self.mask(one.subject),
                    "by": one.check,
                    "expected": one.expected,
                }
                for one in self.minted
            ],
            "untold": [{"subject": self.mask(one.subject), "why": self.mask(one.why)} for one in self.untold],
        }


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
