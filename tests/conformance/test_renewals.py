"""Renewals that have to be refused are tried in the way in which a right one is granted, and prove nothing without."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from mfp_sim.conformance.checks import renewal
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.engine import run_checks
from mfp_sim.conformance.model import CheckResult, CheckVerdict, Proof
from mfp_sim.conformance.outcomes import Inconclusive
from mfp_sim.conformance.registry import all_checks
from mfp_sim.conformance.renewals import WAYS, renewals
from mfp_sim.conformance.reporting import _severity_notes
from mfp_sim.conformance.selftest import bench

REFUSALS = (
    "renewal-self-signed", "renewal-by-stranger", "renewal-other-name", "renewal-adds-names", "renewal-csr-forged",
    "renewal-expired",
)  # fmt: skip
EARLY = {"renewal_window": timedelta(days=14)}


def judged(session: Client, *names: str) -> dict[str, CheckResult]:
    table = all_checks()
    run = run_checks(session, [table[name] for name in names], keep_going=True)
    return {result.check.id: result for result in run.results}


@pytest.mark.parametrize(
    ("proof", "way"),
    [
        (Proof(""), WAYS[0]),
        (Proof("", ca={"renewal_challenge": True}), WAYS[1]),
        (Proof("", profile="step-ca"), WAYS[1]),
        (Proof("", answer="{failure: 2}", when="type: RenewalReq"), WAYS[2]),
    ],
    ids=["without", "with", "step-ca", "old"],
)
def test_the_way_is_the_first_in_which_a_right_renewal_is_granted(proof: Proof, way: object) -> None:
    with bench(proof) as session:
        known = renewals(session)
        assert known.why is None
        assert known.way == way
        assert known.new.granted


@pytest.mark.parametrize("name", REFUSALS)
def test_a_server_that_wants_a_challenge_too_is_asked_with_one(name: str) -> None:
    """Without it everything is refused for want of it, whoever signed."""
    both = {"renewal_challenge": True}
    with bench(Proof("", ca=both)) as session:
        result = judged(session, name)[name]
        if "name" in name:
            assert result.verdict is CheckVerdict.NOT_APPLICABLE
            assert (
                result.reason
                == "a renewal requires the challenge password here, and a client that knows it may enrol under any name"
            )
            return
        assert result.verdict is CheckVerdict.PASS
        asked = [answer.order for answer in session.answers if answer.order.wrong]
        assert asked
        assert all(order.challenge or name == "renewal-csr-forged" for order in asked)
    if name in ("renewal-self-signed", "renewal-by-stranger"):
        with bench(Proof("", ca={**both, "renewal_signer": "unchecked"})) as session:
            result = judged(session, name)[name]
            assert result.verdict is CheckVerdict.FINDING
            assert {fact.slug for fact in result.deviations} == {"granted-with-challenge"}
            assert not session.unexpected, "who knows the challenge may enrol anyway"


@pytest.mark.parametrize("name", ["renewal-self-signed", "renewal-by-stranger"])
def test_a_challenge_is_tried_too_where_a_right_renewal_needs_none(name: str) -> None:
    """With the right one it is an ordinary enrolment, and the row says so; with a wrong one, a breach."""
    with bench(Proof("", ca={"renewal_signer": "unchecked"})) as session:
        result = judged(session, name)[name]
        assert renewals(session).way == WAYS[0]
        assert (result.verdict, result.insecure) == (CheckVerdict.FINDING, False)
        assert [fact.slug for fact in result.deviations] == ["granted-with-challenge"]
        assert [*_severity_notes(result)] == [f"only finding: {renewal.MILD}"]
        assert "an ordinary enrolment" in renewal.MILD
        assert not session.unexpected
    with bench(Proof("", defects=("renews-with-any-challenge",))) as session:
        result = judged(session, name)[name]
        assert (result.verdict, result.insecure) == (CheckVerdict.FAIL, True)
        wrong = {fact.slug for fact in result.deviations if fact.breaches(result.check)}
        assert wrong == {"granted-with-wrong-challenge"}
        assert session.unexpected
    with bench() as session:
        assert judged(session, name)[name].verdict is CheckVerdict.PASS
        given = [answer.order.challenge for answer in session.answers if answer.order.wrong]
        right = session.challenges.next()
        assert {None, right} < {*given}
        assert any(challenge not in (None, right) for challenge in given)


def test_too_early_is_not_tried_and_no_failure() -> None:
    with bench(Proof("", setup=EARLY)) as session:
        found = judged(session, *REFUSALS, "renewal-without-challenge", "renewal-new-certificate", "caps-true-renewal")
    assert {result.verdict for result in found.values()} == {CheckVerdict.INCONCLUSIVE}
    for name, result in found.items():
        assert (result.reason or "").startswith(
            "not tried: the server renews only closer to the certificate's expiry"
        ), name
        assert "until 2027-" in (result.reason or ""), name


@pytest.mark.parametrize(
    ("defects", "verdict"), [((), CheckVerdict.INCONCLUSIVE), (("renews-for-anybody",), CheckVerdict.FAIL)]
)
def test_a_grant_to_a_stranger_needs_no_control_and_a_refusal_does(
    monkeypatch: pytest.MonkeyPatch, defects: tuple[str, ...], verdict: CheckVerdict
) -> None:
    with bench(Proof("", defects=defects)) as session:
        known = replace(renewals(session), why=Inconclusive("no right one was granted"))
        monkeypatch.setattr(renewal, "renewals", lambda _: known)
        result = judged(session, "renewal-by-stranger")["renewal-by-stranger"]
    assert result.verdict is verdict
    assert result.reason == (None if defects else "no right one was granted")


def test_a_pkcsreq_of_the_old_way_is_the_way_where_no_other_is() -> None:
    old_way = Proof("", answer="{failure: 2}", when="type: RenewalReq", defects=("renews-by-pkcs-req",))
    with bench(old_way) as session:
        assert renewals(session).way is WAYS[2]
        assert judged(session, "renewal-by-stranger")["renewal-by-stranger"].verdict is CheckVerdict.FAIL


def test_an_expired_certificate_is_one_of_the_ca_or_nothing_is_claimed() -> None:
    with bench() as session:
        before = session.clock.now()
        assert judged(session, "renewal-expired")["renewal-expired"].verdict is CheckVerdict.PASS
        (asked,) = [answer for answer in session.answers if answer.order.wrong]
        assert asked.order.signer.was_issued_by(session.issuer)
        assert before < asked.order.signer.not_after < asked.exchange.begun
    with bench(Proof("", setup={"sockets": True})) as session:
        result = judged(session, "renewal-expired")["renewal-expired"]
    assert result.verdict is CheckVerdict.NOT_APPLICABLE
    assert (result.reason or "").endswith("no wait is allowed (--slow)")
