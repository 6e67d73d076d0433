"""A reply that is lost or cannot be read proves nothing: it is never a pass, and is seen as what it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta

import pytest

from mfp_sim.conformance.client import Client
from mfp_sim.conformance.engine import ConformanceListener, run_checks
from mfp_sim.conformance.model import Check, CheckResult, CheckVerdict, Proof
from mfp_sim.conformance.printers import printer_verdicts
from mfp_sim.conformance.registry import all_checks, select
from mfp_sim.conformance.selftest import bench
from mfp_sim.shared.errors import ConnectionLost
from mfp_sim.shared.scep.http_messages import HttpReply, HttpRequest, read_scep_query
from mfp_sim.shared.scep.vocabulary import Operation
from mfp_sim.transport import Transport

LOST = "the connection was closed"
Instead = Callable[[HttpRequest], HttpReply | None]


def _lose(_: HttpRequest) -> HttpReply:
    raise ConnectionLost(LOST, sent=True)


def _garble(_: HttpRequest) -> HttpReply:
    return HttpReply(200, headers=(("Content-Type", "application/x-pki-message"),), body=b"\x30\x03\x02\x01\x01")


class _Wire(ConformanceListener):
    """A wire on which another answers, from the first check on, whatever is no plain question."""

    def __init__(self, inner: Transport, instead: Instead) -> None:
        self._inner, self._instead = inner, instead
        self.on, self.hits = False, 0

    def exchange(self, host: str, port: int, request: HttpRequest, timeout: float) -> HttpReply:
        if self.on and (request.method == "POST" or "PKIOperation" in request.target):
            self.hits += 1
            reply = self._instead(request)
            if reply is not None:
                return reply
        return self._inner.exchange(host, port, request, timeout)

    def begins(self, number: int, checks: Sequence[Check]) -> None:
        self.on = True

    def ended(self, result: CheckResult) -> None:
        self.on = False


def _sending() -> Iterator[Check]:
    return (check for check in all_checks().values() if not (check.watches or check.is_control))


def _sweep(instead: Instead) -> dict[str, CheckResult]:
    """Each check by itself, as far as it sends messages, with its answers replaced."""
    found = {}
    for check in _sending():
        with bench() as session:
            wire = _Wire(session.transport, instead)
            session.transport = wire
            (result,) = run_checks(session, [check], keep_going=True, listener=wire).results
            if wire.hits:
                found[check.id] = result
    assert len(found) > 120
    return found


def test_no_check_passes_where_every_reply_is_lost() -> None:
    """The server answers GetCACert all the while and drops every message twice: each check sees that."""
    found = _sweep(_lose)
    assert {
        name for name, result in found.items() if result.verdict not in (CheckVerdict.FINDING, CheckVerdict.FAIL)
    } == set()
    assert {name for name, result in found.items() if result.verdict is CheckVerdict.FAIL} == {"post-binary"}


def test_no_check_is_decided_by_replies_that_cannot_be_read() -> None:
    found = _sweep(_garble)
    # Judged by what came before, and by whether the server crashes.
    elsewhere = {"signer-usage", "questions-by-post"}
    decided = {
        name: r.verdict
        for name, r in found.items()
        if r.verdict in (CheckVerdict.PASS, CheckVerdict.WARN, CheckVerdict.FAIL)
    }
    assert set(decided) == elsewhere
    assert set(decided.values()) == {CheckVerdict.PASS}


def _one(session: Client, name: str, *, keep_going: bool = True) -> CheckResult:
    return run_checks(session, select([name]), keep_going=keep_going).results[0]


def _with(*defects: str, **fields: object) -> Proof:
    return Proof("", defects=defects, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "name", ["refuses-unknown-types", "challenge-wrong", "poll-by-another-key", "malformed-text", "weak-keys-refused"]
)
def test_a_server_that_hangs_up_on_what_is_wrong_does_not_pass(name: str) -> None:
    with bench(_with("hangs-up", setup={"minimum_rsa": 2048})) as session:
        result = _one(session, name)
    if name == "weak-keys-refused":  # refused in SCEP: nothing is lost
        assert result.verdict is CheckVerdict.PASS
        return
    assert result.verdict is CheckVerdict.FINDING, result
    first = result.deviations[0]
    assert "twice, while GetCACert gets replies" in first.got
    assert first.slug == ("not-a-client-error" if name == "malformed-text" else "connection-lost")


def test_what_may_have_been_made_is_listed() -> None:
    with bench(_with("hangs-up")) as session:
        run = run_checks(session, select(["challenge-empty"]), keep_going=True)
    (entry,) = run.untold
    assert (entry.check, entry.expected, entry.claimed) == ("challenge-empty", False, False)
    assert entry.why.startswith("its reply was lost")


def test_a_reply_that_cannot_be_read_is_no_refusal() -> None:
    with bench(_with("answers-unreadably")) as session:
        run = run_checks(session, select(["refuses-unknown-types"]), keep_going=True)
    (result,) = run.results
    assert result.verdict is CheckVerdict.INCONCLUSIVE
    assert "cannot be read as a CertRep" in (result.reason or "")
    assert len(run.untold) == 6
    assert not any(entry.claimed for entry in run.untold)


def test_a_success_that_cannot_be_read_is_a_grant_and_stops_the_run() -> None:
    with bench(_with("grants-unreadably")) as session:
        run = run_checks(session, select(["challenge-empty", "challenge-missing"]))
    first, second = sorted(run.results, key=lambda result: result.verdict)
    assert (first.verdict, second.verdict) == (CheckVerdict.FAIL, CheckVerdict.NOT_RUN)
    assert first.deviations[0].slug == "granted"
    assert "a certificate that should not exist, for CN=mfp-sim-conform-" in (run.stopped or "")
    assert [entry.claimed for entry in run.untold] == [True]


def test_a_reply_lost_once_changes_no_verdict() -> None:
    """The first reply to every message is lost, the second is not: that is the network's, not the server's."""
    checks = [c for c in _sending() if c.chapter in ("requests_refused", "requests_accepted", "malformed", "renewal")]
    found = []
    for proof in (Proof(""), _with("loses-first-replies")):
        with bench(proof) as session:
            run = run_checks(session, checks, keep_going=True)
        assert run.last.held
        found.append({r.check.id: r.verdict for r in run.results})
    assert found[0] == found[1]
    assert len(found[0]) > 40
    assert any(exchange.repeats for exchange in run.exchanges)


def test_a_right_request_refused_when_it_is_sent_again_is_not_blamed() -> None:
    """Its first reply was lost after the server had served it: a one-time challenge is used up by then."""
    with bench(Proof("", setup={"one_time": True})) as session:
        session.granted()
        inner, lost = session.transport, []

        class Late:
            def exchange(self, host: str, port: int, request: HttpRequest, timeout: float) -> HttpReply:
                reply = inner.exchange(host, port, request, timeout)
                if request.method == "POST" and not lost:
                    lost.append(request)
                    # Somebody else's request of the same challenge, as seen from here.
                    raise ConnectionLost(LOST, sent=True)
                return reply if not (lost and request == lost[0]) else _refused(session)

        session.transport = Late()
        result = _one(session, "post-binary")
    assert result.verdict is CheckVerdict.INCONCLUSIVE
    assert "the repeated request was refused" in (result.reason or "")


def _refused(session: Client) -> HttpReply:
    answer = session.refusal()
    assert answer.reply is not None
    return answer.reply


def test_a_server_that_is_gone_is_not_blamed_for_what_it_did_not_answer() -> None:
    """It dies at the first wrong body: that is said; of the rest nothing is."""
    with bench(_with("dies-on-garbage")) as session:
        run = run_checks(session, select(["malformed-text", "post-binary"]), keep_going=True)
    found = {result.check.id: result for result in run.results}
    killer = found["malformed-text"]
    assert [fact.slug for fact in killer.deviations] == ["server-dead"]
    assert not run.last.held
    assert found["post-binary"].verdict in (CheckVerdict.NOT_RUN, CheckVerdict.PASS)


def test_indirect_crls_are_right_where_the_ca_appointed_their_issuer() -> None:
    with bench(_with("indirect-crl")) as session:
        result = _one(session, "getcrl-issuer")
        assert result.verdict is CheckVerdict.PASS, result
        assert "an indirect CRL of CN=CRLs of many CAs" in result.facts[0].got
    with bench(_with("indirect-crl-of-a-stranger")) as session:
        result = _one(session, "getcrl-issuer")
        assert (result.verdict, result.deviations[0].slug) == (CheckVerdict.FAIL, "other-issuer")


@pytest.mark.parametrize("name", ["signing-time-skew", "signing-time-far"])
def test_only_the_signing_time_is_off(name: str) -> None:
    """The signer's certificate is valid at that time and now, or a server would refuse it for its certificate."""
    with bench() as session:
        assert _one(session, name).verdict is CheckVerdict.PASS
        orders = [answer.order for answer in session.answers if answer.order.signing_time is not None]
        now = session.clock.now()
    assert len(orders) == 3
    for order in orders:
        assert order.signing_time is not None
        assert order.signer.not_before < min(order.signing_time, now) - timedelta(hours=1)
        assert max(order.signing_time, now) + timedelta(hours=1) < order.signer.not_after


def test_each_exchange_has_its_own_number_even_at_the_same_time() -> None:
    with bench(Proof("", setup={"sockets": True})) as session:
        assert _one(session, "concurrent-enrolments").verdict is CheckVerdict.PASS
        assert [exchange.number for exchange in session.exchanges] == list(range(1, len(session.exchanges) + 1))


def test_a_client_that_is_turned_away_once_leaves_it_open_and_twice_is_a_finding() -> None:
    for times, verdict in ((1, CheckVerdict.INCONCLUSIVE), (2, CheckVerdict.FINDING)):
        with bench() as session:
            rounds: list[HttpRequest] = []

            def instead(request: HttpRequest, rounds: list[HttpRequest] = rounds, times: int = times) -> None:
                rounds.append(request)
                if len(rounds) in (3, 11)[:times]:
                    raise ConnectionLost(LOST, sent=True)

            wire = _Wire(session.transport, instead)
            session.transport = wire
            (result,) = run_checks(session, select(["concurrent-enrolments"]), listener=wire).results
        assert result.verdict is verdict, result
        if times == 2:
            assert [fact.slug for fact in result.deviations] == ["lost"]


# --- the printers -----------------------------------------------------------------------------------------


def test_a_printer_that_loses_a_connection_is_tried_again() -> None:
    with bench() as session:
        session.granted()
        lost: list[str] = []

        def instead(request: HttpRequest) -> None:
            if not lost and read_scep_query(request).operation == Operation.PKI_OPERATION:
                lost.append(request.target)
                raise ConnectionLost(LOST, sent=True)

        wire = _Wire(session.transport, instead)
        wire.on = True
        session.transport = wire
        (verdict,) = printer_verdicts(session, ("canon-ir-adv-dx",))
    assert lost
    assert verdict.verdict == "works", verdict


def test_somebody_approves_for_the_printers_too() -> None:
    with bench(Proof("", setup={"open": True, "approval": "manual", "approve": True})) as session:
        session.granted()
        (verdict,) = printer_verdicts(session, ("canon-ir-adv-dx",))
    assert verdict.verdict == "works"
    assert verdict.because == (
        "its timer sent the request and the operator approved it: its manual request does not poll",
    )
