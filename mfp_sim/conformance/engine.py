"""A run: the positive control first and last, the checks between, and a probe for life after every wrong request.

Owns order, budget, stopping, and the effect of a failed control on other results. Knows no check. A server that refuses
everything passes nothing: if the last control fails, refusals prove nothing. Design: conformance.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mfp_sim.conformance.answers import Answer, Exchange
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.facts import answered, seen_through
from mfp_sim.conformance.model import OPT_INS, Check, CheckResult, CheckVerdict, Fact, Gain, verdict_of
from mfp_sim.conformance.outcomes import Inconclusive, Minted, NotApplicable, Untold
from mfp_sim.conformance.target import Permissions
from mfp_sim.contact import wants_tls
from mfp_sim.shared.errors import MfpSimError, TargetError

__all__ = ["INTERNAL", "UNPROVED", "ConformanceListener", "ConformanceRun", "in_order", "not_permitted", "run_checks"]

UNPROVED = "the last right request was not granted, so refusals prove nothing"
INTERNAL = "internal error of mfp-sim, please report it"
"""The beginning of the reason of a check that a bug of mfp-sim ended: the other checks go on."""
PROBES = 3
PAUSE = timedelta(seconds=1)
"""Between two probes: a server needs a moment to restart."""


@dataclass(frozen=True)
class Control:
    """A positive control: whether a right request was granted, and the reply in words. ``asked``: a request was sent;
    otherwise the control shows only that the server runs."""

    held: bool
    text: str
    asked: bool = True


def not_permitted(check: Check, policy: Permissions) -> str | None:
    """Why the user's options do not permit the check; None if they do."""
    if check.opt_in is not None and check.opt_in not in policy.opt_ins:
        return f"needs {OPT_INS[check.opt_in]}"
    if policy.read_only and not (check.reads or check.watches):
        return "requests certificates, but only reading is allowed (--read-only)"
    return None


class ConformanceListener:
    """Follows a run; this base class does nothing."""

    def begins(self, number: int, checks: Sequence[Check]) -> None:
        """A check begins: number ``number`` of ``checks``, starting at 1."""

    def ended(self, result: CheckResult) -> None:
        """A check has ended or was not run; its verdict shows which."""


@dataclass(frozen=True)
class ConformanceRun:
    """A whole run as values."""

    results: tuple[CheckResult, ...]
    first: Control
    last: Control
    minted: tuple[Minted, ...]
    untold: tuple[Untold, ...]
    exchanges: tuple[Exchange, ...]
    begun: datetime
    ended: datetime
    stopped: str | None = None

    @property
    def internal_errors(self) -> tuple[CheckResult, ...]:
        """The checks that a bug of mfp-sim ended."""
        return tuple(result for result in self.results if (result.reason or "").startswith(INTERNAL))

    @property
    def latency(self) -> tuple[float, float, float]:
        """Seconds of the exchanges with a reply: median, 99th percentile, longest."""
        found = sorted(e.seconds for e in self.exchanges if e.reply is not None)
        if not found:
            return 0.0, 0.0, 0.0
        return found[len(found) // 2], found[min(len(found) - 1, int(len(found) * 0.99))], found[-1]


def in_order(checks: Iterable[Check]) -> list[Check]:
    """In the order of the run: first the checks that send, with those that may stop the run last; then those that judge
    the whole run; at the very end those that wait for a certificate to expire or judge all issued certificates."""
    return sorted(checks, key=lambda check: (check.last, check.watches or (check.reads and check.risky), check.risky))


def run_checks(
    session: Client,
    checks: Sequence[Check],
    *,
    keep_going: bool = False,
    done: Mapping[str, CheckResult] | None = None,
    listener: ConformanceListener | None = None,
    last_control: bool = True,
) -> ConformanceRun:
    """Carry out ``checks``; results come in the order given.

    Args:
        session: the session with the server.
        checks: what to run.
        keep_going: request more certificates even after one that should not have been issued and is of use to a client.
        done: results of an earlier run to keep.
        listener: follows each check.
        last_control: whether to repeat the positive control at the end; otherwise the caller must do it.

    Raises:
        TargetError: there is no reply, or the server does not speak SCEP.
    """
    return _Engine(session, checks, keep_going, done or {}, listener or ConformanceListener(), last_control).run()


class _Engine:
    def __init__(
        self,
        session: Client,
        checks: Sequence[Check],
        keep_going: bool,
        done: Mapping[str, CheckResult],
        listener: ConformanceListener,
        last_control: bool,
    ) -> None:
        self._session, self._checks, self._keep_going = session, checks, keep_going
        self._results: dict[str, CheckResult] = dict(done)
        self._done, self._listener, self._last_control = done, listener, last_control
        self._stopped: str | None = None
        self._silent = False

    def run(self) -> ConformanceRun:
        session = self._session
        begun = session.clock.now()
        session.check = "control"
        self._contact()
        first = self._control(session.granted)
        todo = [c for c in self._checks if c.id not in self._done]
        ordered = in_order(todo)
        for number, check in enumerate(ordered, 1):
            self._listener.begins(number, ordered)
            result = self._one(check)
            self._results[check.id] = result
            self._listener.ended(result)
        session.check, barred, session.barred = "control", session.barred, None
        last = self._last(first)
        session.barred = barred
        if first.held and not (last.held and last.asked):
            self._doubt(last)
        return ConformanceRun(
            tuple(self._results[c.id] for c in self._checks),
            first,
            last,
            tuple(session.minted),
            tuple(session.untold),
            tuple(session.exchanges),
            begun,
            session.clock.now(),
            self._ended_early(barred),
        )

    def _ended_early(self, barred: str | None) -> str | None:
        """Why, and how many checks were left out because of it; None if the run reached its end.

        A run in which the last check to ask got a certificate that should not exist left nothing out. A server that no
        longer answers ends the run in any case.
        """
        left = sum(result.reason in (self._stopped, barred) for result in self._results.values() if result.reason)
        because = f"; {left} check{'s were' if left != 1 else ' was'} left out because of this" if left else ""
        if self._stopped is not None:
            return f"{self._stopped}{because}"
        return f"requested no further certificate: {barred}{because}" if left else None

    def _contact(self) -> None:
        """Whether the server replies and speaks SCEP."""
        session = self._session
        caps, certificates = session.caps_exchange, session.ca_exchange
        url = session.target.url
        if caps.reply is None and certificates.reply is None:
            remedy = certificates.error.remedy if certificates.error else None
            remedy = remedy or "check the URL and that the server runs"
            raise TargetError(f"no SCEP server at {url}: {certificates.text}", remedy=remedy)
        if not session.capabilities.keywords:
            try:
                _ = session.ca_certificates
            except Inconclusive as why:
                remedy = "check the path of the URL; the replies to GetCACaps and GetCACert are not SCEP"
                if certificates.reply is not None and wants_tls(certificates.reply):
                    remedy = "write the URL with https://"
                raise TargetError(f"the server at {url} does not speak SCEP: {why}", remedy=remedy) from None

    def _control(self, ask: Callable[[], Answer]) -> Control:
        if self._session.policy.read_only:
            try:
                count = len(self._session.ca_certificates)
            except Inconclusive as why:
                return Control(False, str(why))
            return Control(
                True, f"only reading: GetCACert returned {count} certificates, and no certificate was requested"
            )
        try:
            answer = ask()
        except (Inconclusive, MfpSimError) as why:
            return Control(False, str(why))
        held = answer.parked or (answer.granted and answer.issued is not None)
        text = answer.text if answer.issued or answer.parked else f"{answer.text}; {answer.payload.problem or ''}"
        return Control(held, text)

    def _last(self, first: Control) -> Control:
        if self._silent:
            return Control(False, self._stopped or "the server does not reply")
        if self._stopped is not None or not first.held or not self._last_control:
            return first
        session = self._session
        budget = session.policy.budget
        if budget is not None and session.spent >= budget:
            return self._control(session.unknown_poll) if session.policy.read_only else self._alive_control()
        return self._control(lambda: session.ask(session.order()))

    def _alive_control(self) -> Control:
        """The budget is spent: the control can only show whether the server still replies."""
        probe = self._session.alive()
        return Control(probe.ok, f"the budget is spent; GetCACert: {probe.text}", asked=False)

    def _doubt(self, last: Control) -> None:
        """The refusals of a server that no longer grants anything prove nothing, for or against it.

        Results of an earlier run depend on that run's control.
        """
        reason = f"{UNPROVED}: {last.text}"
        for identifier, result in self._results.items():
            if result.hangs_on_control and identifier not in self._done:
                self._results[identifier] = replace(result, verdict=CheckVerdict.INCONCLUSIVE, reason=reason)

    # --- one check ----------------------------------------------------------------------------------------

    def _one(self, check: Check) -> CheckResult:
        session = self._session
        if self._stopped is not None and not check.watches:
            return CheckResult(check, CheckVerdict.NOT_RUN, reason=self._stopped)
        reason = self._forbidden(check) or (session.barred if self._stops_at_bar(check) else None)
        if reason is not None:
            return CheckResult(check, CheckVerdict.NOT_RUN, reason=reason)
        session.check = check.id
        begun, first = session.clock.now(), len(session.exchanges)
        before = Counter(session.unexpected)
        found = self._facts(check)
        facts = list(found.facts)
        if not check.watches:
            facts = seen_through(facts, session.exchanges, session.answers, first)
            if check.negative or any(exchange.reply is None for exchange in session.exchanges[first:]):
                facts.extend(self._probe())
        result = _concluded(check, facts, found)
        unexpected = [*(Counter(session.unexpected) - before)]  # a CA may give one serial number twice
        if unexpected and not self._keep_going and check.gain is not Gain.NOTHING:
            gain = Gain.STRANGER if session.open_to_strangers else check.gain
            gives = gain.value if gain else "something unforeseen"
            session.barred = (
                f"{check.id} got a certificate that should not exist, {unexpected[0]}; it gives {gives} "
                "(--keep-going continues)"
            )
        return replace(
            result,
            exchanges=tuple(e.number for e in session.exchanges[first:]),
            seconds=(session.clock.now() - begun).total_seconds(),
        )

    def _stops_at_bar(self, check: Check) -> bool:
        """Whether it would request more; a check of all issued certificates does so only if there are few."""
        return check.asks and not (check.last and check.gain is None)

    def _forbidden(self, check: Check) -> str | None:
        policy = self._session.policy
        if (why := not_permitted(check, policy)) is not None:
            return why
        kept = 0 if check.watches or not check.cost else 1  # for the last control
        if policy.budget is not None and check.cost and self._session.spent + check.cost + kept > policy.budget:
            return f"needs {check.cost} certificates, which the budget of {policy.budget} does not allow"
        return None

    def _facts(self, check: Check) -> CheckResult:
        session = self._session
        found: list[Fact] = []
        try:
            for keyword in check.needs:
                session.need(keyword)
            if check.controlled:
                session.granted()
            found.extend(check.run(session))
        except NotApplicable as why:
            return CheckResult(check, CheckVerdict.NOT_APPLICABLE, tuple(found), str(why))
        except (Inconclusive, MfpSimError) as why:
            return CheckResult(check, CheckVerdict.INCONCLUSIVE, tuple(found), str(why))
        except Exception as error:
            if os.environ.get("MFP_SIM_DEBUG"):
                raise
            told = f"{INTERNAL}: {type(error).__name__}: {error}"
            return CheckResult(check, CheckVerdict.INCONCLUSIVE, tuple(found), told)
        if not found:
            return CheckResult(check, CheckVerdict.INCONCLUSIVE, (), "there was nothing to judge")
        return CheckResult(check, verdict_of(check, found), tuple(found))

    def _probe(self) -> list[Fact]:
        """Whether the server still runs. Probed a few times, since a server that restarts was only hurt."""
        expected = "the server keeps running and replies to GetCACert"
        for attempt in range(PROBES):
            if attempt:
                self._session.pause(PAUSE)
            probe = self._session.alive()
            if probe.reply is not None and probe.reply.status < 500:
                holds = attempt == 0
                return [answered("server-hurt", holds, expected, probe, requirement="SCEP-4.1-19")]
        self._silent = True
        self._stopped = self._stopped or f"stopped: the server no longer replies: {probe.text}"
        mistake = "the request of this check crashed the server or made it hang"
        return [answered("server-dead", False, expected, probe, requirement="SCEP-4.1-19", mistake=mistake)]


def _concluded(check: Check, facts: Sequence[Fact], found: CheckResult) -> CheckResult:
    """A deviation stands even if the check ended early; otherwise the reason why it ended or could not judge."""
    if any(fact.deviates for fact in facts):
        return CheckResult(check, verdict_of(check, facts), tuple(facts))
    if found.reason:
        return replace(found, facts=tuple(facts))
    verdict = verdict_of(check, facts)
    open_ones = [f"{fact.expected}: {fact.got}" for fact in facts if fact.unclear]
    return CheckResult(
        check, verdict, tuple(facts), "; ".join(open_ones) if verdict is CheckVerdict.INCONCLUSIVE else None
    )
