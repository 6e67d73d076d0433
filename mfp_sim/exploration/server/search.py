"""A search of a SCEP server: cases of acts, their histories judged by the rules, and a minimal history of each failure.

Owns the limits (budget, time, number of cases), and repeats and shrinks failures. `acts` decides what is sent,
and `rules` what is right. The acts follow from the seed; time, keys and the wire are those of the session. RFC
8894, 2 to 5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta

from mfp_sim.conformance.client import Client
from mfp_sim.conformance.model import CheckVerdict
from mfp_sim.conformance.operators import Act
from mfp_sim.conformance.outcomes import Inconclusive, NotApplicable
from mfp_sim.conformance.renewals import renewals
from mfp_sim.exploration.server.acts import Abilities, certificates_of, draw_case, lookup_order
from mfp_sim.exploration.server.case import CaseRun, losing
from mfp_sim.exploration.server.history import HistoryEntry, ServerAct, together
from mfp_sim.exploration.server.result import INTERRUPTED, FailingHistory, ServerResult
from mfp_sim.exploration.server.rules import ALIVE, RULES, SERIALS, Judgement, judged
from mfp_sim.exploration.server.shrinking import needed, races, smaller
from mfp_sim.shared.errors import MfpSimError
from mfp_sim.shared.scep.vocabulary import MessageType
from mfp_sim.shared.simtime import Entropy

__all__ = ["abilities_of", "search_server"]

TRIES = 4
"""How often a case with a race is repeated until it fails again."""
KEPT = 4
"""One part in this many of the budget is kept for repeating and shrinking failures."""


@dataclass(frozen=True)
class _Found:
    """A rule that a case broke, with the history that shows it. ``few`` are the acts that probably suffice."""

    rule: str
    judgement: Judgement
    few: tuple[ServerAct, ...]
    acts: tuple[ServerAct, ...]
    history: tuple[HistoryEntry, ...]

    @property
    def severity(self) -> CheckVerdict:
        """The verdict on the server."""
        return min(self.judgement.at_most, RULES[self.rule].severity)


@dataclass(frozen=True)
class _Serial:
    """The certificate that has a serial number, the case that got it (0: the positive control), and by which acts."""

    octets: bytes
    case: int
    acts: tuple[ServerAct, ...]


def search_server(
    session: Client,
    *,
    seed: int,
    seconds: float | None = None,
    cases: int | None = None,
    keep_going: bool = False,
    progress: Callable[[int, str], None] = lambda _number, _text: None,
) -> ServerResult:
    """Search the server of a session until a limit is reached: the time, the cases, or the session's budget.

    Args:
        session: the session with the server; its policy holds the budget of certificates.
        seed: decides the acts.
        seconds: the most seconds.
        cases: the most cases.
        keep_going: go on after a breach of security, which may issue more certificates that should not exist.
        progress: called with the number of each case and a line about it.

    Raises:
        ValueError: there is no limit at all.
    """
    if seconds is None and cases is None and session.policy.budget is None:
        raise ValueError("a search needs a limit: seconds, cases, or a budget of certificates")
    return _Search(session, seed, seconds, cases, keep_going, progress).run()


class _Search:
    def __init__(
        self,
        session: Client,
        seed: int,
        seconds: float | None,
        cases: int | None,
        keep_going: bool,
        progress: Callable[[int, str], None],
    ) -> None:
        self._session, self._seed, self._cases = session, seed, cases
        self._keep_going, self._progress = keep_going, progress
        self._wire = losing(session)
        self._begun = session.clock.now()
        self._end: datetime | None = None if seconds is None else self._begun + timedelta(seconds=seconds)
        self._abilities = Abilities()
        self._entropy = Entropy(seed).fork("server")
        self._judged = dict.fromkeys(RULES, 0)
        self._broken: dict[str, int] = {}
        self._failures: list[FailingHistory] = []
        self._serials: dict[tuple[bytes, int], _Serial] = {}
        self._number = self._acts = 0
        self._stopped: str | None = None

    def run(self) -> ServerResult:
        session = self._session
        session.check = "control"
        if session.caps_exchange.reply is None and not session.caps_exchange.confirmed:  # an old NDES never replies
            return self._result(f"nothing was searched: GetCACaps: {session.caps_exchange.text}", held=False)
        try:
            control = session.granted()
        except (Inconclusive, MfpSimError) as why:
            return self._result(f"nothing was searched: {why}", held=False)
        self._abilities = abilities_of(session)
        if control.issued is not None:
            key = (control.issued.issuer, control.issued.serial)
            self._serials[key] = _Serial(control.issued.der, 0, (ServerAct(1, 1, "A", "enrol"),))
        ended, last = None, None
        try:
            while ended is None:
                ended = self._limit() or self._one()
            last = self._last()
        except KeyboardInterrupt:  # the certificates that were made so far must be listed
            ended = INTERRUPTED
        return self._result(ended, held=True, last=last)

    def _last(self) -> str | None:
        """Why a right request at the end was not granted; None if it was, or if the budget allows none.

        A server that refuses everything keeps most rules.
        """
        self._session.check = "control"
        if self._stopped is not None or self._left() == 0:
            return self._stopped
        try:
            answer = self._session.ask(self._session.order())
        except (Inconclusive, MfpSimError) as why:
            return str(why)
        return None if answer.taken else answer.text

    def _limit(self) -> str | None:
        """The limit that is reached, in words."""
        if self._stopped is not None:
            return self._stopped
        if self._cases is not None and self._number >= self._cases:
            return "the case was run" if self._cases == 1 else f"all {self._cases} cases were run"
        if self._late():
            return "the time is over"
        return None

    def _late(self) -> bool:
        return self._end is not None and self._session.clock.now() >= self._end

    def _left(self) -> int | None:
        budget = self._session.policy.budget
        return None if budget is None else budget - self._session.spent

    def _one(self) -> str | None:
        """One case; returns why the search ends, or None."""
        acts = draw_case(self._entropy.fork(f"case {self._number + 1}"), self._abilities)
        left, budget = self._left(), self._session.policy.budget
        if left is not None and budget is not None and certificates_of(acts) > left - budget // KEPT:
            return f"the rest of the budget of {budget} certificates is kept to repeat failures"
        self._number += 1
        self._session.check = f"case {self._number}"
        try:
            found = self._run(acts, count=True)
        except Inconclusive as why:
            return str(why)
        self._acts += len(acts)
        self._progress(self._number, f"{len(acts)} acts, {len(self._failures)} failures")
        for one in sorted(found, key=lambda one: -one.severity):
            self._broken[one.rule] = self._broken.get(one.rule, 0) + 1
            if self._broken[one.rule] == 1:
                self._add(one)
        breaches = [one.rule for one in found if RULES[one.rule].breach and one.severity is CheckVerdict.FAIL]
        if breaches and not self._keep_going and self._stopped is None:
            return f"stopped after a breach of security: {', '.join(breaches)} (--keep-going continues)"
        return None

    def _run(self, acts: tuple[ServerAct, ...], *, count: bool = False) -> list[_Found]:
        """Carry out a case and judge it; the first deviation of each rule."""
        case = CaseRun(self._session, self._abilities, self._wire, acts)
        history = case.run()
        found: dict[str, _Found] = {}
        for slug, judgements in judged(history, operated=Act.APPROVE in self._abilities.operator).items():
            if count:
                self._judged[slug] += len(judgements)
            wrong = [one for one in judgements if not one.holds]
            if wrong:
                worst = max(wrong, key=lambda one: min(one.at_most, RULES[slug].severity))
                marked = (entry.act.number for entry in history if entry.number in worst.entries)
                found[slug] = _Found(slug, worst, needed(acts, marked), acts, history)
        if count:
            self._judged[ALIVE] += 1
            for one in self._twice(history, acts):
                found.setdefault(SERIALS, one)
        if case.silent is not None:
            number = history[-1].number
            text = f"the server no longer replies after {number}: {case.silent.text}"
            found[ALIVE] = _Found(ALIVE, Judgement(False, (number,), text), acts, acts, history)
            self._stopped = "the server no longer replies"
        return list(found.values())

    def _twice(self, history: tuple[HistoryEntry, ...], acts: tuple[ServerAct, ...]) -> Iterator[_Found]:
        """A serial number that an earlier case got for another certificate. To repeat it takes the acts of both."""
        for entry in history:
            few = needed(acts, (entry.act.number,))
            for certificate in entry.certificates:
                key = (certificate.issuer, certificate.serial)
                known = self._serials.setdefault(key, _Serial(certificate.der, self._number, few))
                if known.octets != certificate.der and known.case != self._number:
                    text = f"{entry.number} got serial {certificate.serial:x}, which case {known.case} got too"
                    both = together(known.acts, few)
                    yield _Found(SERIALS, Judgement(False, (entry.number,), text), both, both, history)

    # --- failures -----------------------------------------------------------------------------------------

    def _add(self, found: _Found) -> None:
        """Repeat and shrink a failure, and keep its smallest history."""
        smallest, runs = self._shrunk(found)
        kept = smallest or found
        self._failures.append(
            FailingHistory(
                RULES[found.rule],
                kept.severity,
                kept.judgement.text,
                kept.judgement.entries,
                kept.history,
                self._number,
                len(found.acts),
                self._acts,
                repeated=smallest is not None,
                runs=runs,
            )
        )

    def _shrunk(self, found: _Found) -> tuple[_Found | None, int]:
        """The smallest case that breaks the same rule as severely, and the number of runs. None if it did not fail
        again, or could not be repeated."""
        runs = 0

        def fails(acts: tuple[ServerAct, ...], tries: int) -> _Found | None:
            nonlocal runs
            for _ in range(tries):
                left = self._left()
                if not acts or self._stopped or self._late() or (left is not None and certificates_of(acts) > left):
                    return None
                runs += 1
                self._session.check = f"case {self._number}, repeated"
                try:
                    again = self._run(acts)
                except Inconclusive:
                    return None
                for one in again:
                    if one.rule == found.rule and one.severity >= found.severity:
                        return one
            return None

        best = fails(found.few, TRIES if races(found.few) else 1) or fails(found.acts, TRIES)
        if best is None:
            return None, runs
        rare = runs > 1 and races(best.acts)
        found_smaller: _Found | None = best
        while found_smaller is not None:
            best = found_smaller
            tried = (fails(acts, (TRIES if rare else 2) if races(acts) else 1) for acts in smaller(best.acts))
            found_smaller = next((one for one in tried if one is not None), None)
        return best, runs

    def _result(self, ended: str, *, held: bool, last: str | None = None) -> ServerResult:
        session = self._session
        return ServerResult(
            target=session.target.url,
            seed=self._seed,
            cases=self._number,
            acts=self._acts,
            requests=len(session.exchanges),
            minted=tuple(session.minted),
            untold=tuple(session.untold),
            seconds=(session.clock.now() - self._begun).total_seconds(),
            abilities=tuple(self._abilities.words()) if held else (),
            judged=dict(self._judged),
            broken=dict(self._broken),
            failures=tuple(self._failures),
            ended=ended,
            held=held,
            last=last,
            mask=session.redactor.text,
        )


def abilities_of(session: Client) -> Abilities:
    """What the server supports, by right requests."""
    way = None
    with suppress(Inconclusive, NotApplicable, MfpSimError):
        known = renewals(session)
        way = known.way if known.why is None else None
    found = {MessageType.GET_CERT: False, MessageType.GET_CRL: False}
    with suppress(Inconclusive, MfpSimError):
        own = session.enrolled()
        for kind in found:
            found[kind] = session.ask(lookup_order(session, kind, own, own.certificate.serial)).taken
    return Abilities(
        challenged=session.challenges.next() is not None,
        way=way,
        get_cert=found[MessageType.GET_CERT],
        get_crl=found[MessageType.GET_CRL],
        posts=session.capabilities.post,
        parks=session.parked,
        operator=frozenset(session.policy.acts),
    )
