"""What a report says of a run: the right sentence for its cause, the remedy that works, and no more than that."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime

import pytest
from fleet_plans import few, run_of

from mfp_sim.fleet.capacity import smallest
from mfp_sim.fleet.engine import run_fleet
from mfp_sim.fleet.histogram import seconds_of
from mfp_sim.fleet.plan import FleetPlan, PrinterClass, Variation, read_plan, varied
from mfp_sim.fleet.result import FleetRun
from mfp_sim.fleet.words import Advice, advice_on, lasting_of, unmet


def _told(plan: FleetPlan) -> list[str]:
    return [f"{one.weight}: {one.text} | {one.remedy}" for one in advice_on(plan, [run_fleet(plan)])]


def test_a_herd_that_the_ca_cannot_serve_and_the_remedy_that_works() -> None:
    plan = few(300, adjust="false", service="4s")
    told = _told(plan)
    assert any(text.startswith("bad: ") and "ended without a reply in time" in text for text in told)
    assert any("All 300 printers of class offices send requests in the same second" in text for text in told)
    assert any("of the CA's work was for printers that had given up" in text for text in told)
    found = smallest(plan).workers
    assert found is not None
    assert run_fleet(varied(plan, Variation(workers=found))).failed == 0
    assert run_fleet(varied(plan, Variation(workers=found - 1))).failed > 0


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.25, "250 ms"), (1, "1 s"), (90, "1 min 30 s"), (3600, "1 h"), (90061, "1 d 1 h"), (59.6, "1 min")],
)
def test_lengths_of_time(seconds: float, text: str) -> None:
    assert lasting_of(seconds) == text


_TWO = """\
format: 1
name: two-starts
days: {days}
printers:
  - {{name: now, count: 5, start: 2026-03-02 09:00, every: 30d}}
  - {{name: later, count: 7, start: 2026-03-20 09:00, every: 30d}}
expect: {{failed: 0}}
"""


def test_printers_that_had_no_end_are_not_approved() -> None:
    plan = read_plan(_TWO.format(days=1))
    run = run_fleet(plan)
    assert (run.failed, run.unended) == (0, 7)
    assert [text.partition(":")[0] for text in _told(plan)] == ["bad"]
    assert (
        "The first request of 7 printers had not ended after 1 d: the run does not show how it ends." in _told(plan)[0]
    )
    assert unmet(plan, run) == ("the first request of 7 printers had not ended when the time of the plan was over",)
    longer = read_plan(_TWO.format(days=20))
    assert (run_fleet(longer).unended, unmet(longer, run_fleet(longer))) == (0, ())
    found = smallest(plan)
    assert (found.workers, [run.workers for run in found.tried]) == (None, [12])
    assert found.hopeless == (
        "the first request of 7 printers does not end in 1 d even with 12 workers, with which no request waits: "
        "more workers do not help"
    )


@pytest.mark.parametrize(
    ("plan", "text", "remedies"),
    [
        (few(40, days=1, ca=", pending: {share: 50%, approved_after: 3h}"), "ended as Deferred",
         [few(40, days=1, polls=18, ca=", pending: {share: 50%, approved_after: 3h}"),
          few(40, days=1, polls=3, interval="60m", ca=", pending: {share: 50%, approved_after: 3h}"),
          few(40, days=1, ca=", pending: {share: 50%, approved_after: 30m}"), few(40, days=1)]),
        (few(40, days=1, ca=", challenge_lifetime: 5m"), "were refused",
         [few(40, days=1, ca=", challenge_lifetime: 11m")]),
        (few(300, days=1, adjust="false", service="1s"), "send requests in the same second",
         [few(300, days=1, service="1s")]),
        (few(100, days=1, adjust="false", service="4s"), "of the CA's work was for printers that had given up",
         [few(100, days=1, adjust="false", service="4s", workers=40),
          few(100, days=1, adjust="false", service="1s", more=", timeout: 5m"),
          few(100, days=1, service="4s")]),
        (few(20, days=300, ca=", validity: 40d", outages="{from: 2026-04-01 09:00, for: 2h, looks: refused}"),
         "every: 19d, or a validity of 61d",
         [few(20, days=300, every="every: 19d, ", ca=", validity: 40d",
              outages="{from: 2026-03-21 09:00, for: 2h, looks: refused}"),
          few(20, days=300, ca=", validity: 61d", outages="{from: 2026-04-01 09:00, for: 2h, looks: refused}")]),
        (few(20, days=300, ca=", validity: 20d"), "every: 9d, or a validity of 61d",
         [few(20, days=300, every="every: 9d, ", ca=", validity: 20d"), few(20, days=300, ca=", validity: 61d")]),
        (few(20, days=300, every="", ca=", validity: 20d"), "set every to an interval below the validity",
         [few(20, days=300, every="every: 19d, ", ca=", validity: 20d")]),
        (read_plan(_TWO.format(days=18)), "more days", [read_plan(_TWO.format(days=19))]),
    ],
)  # fmt: skip
def test_a_remedy_works(plan: FleetPlan, text: str, remedies: list[FleetPlan]) -> None:
    """What it advises takes the advice away, and no printer is without a certificate any longer.

    In UTC, because a period of summer time may hide the minutes by which an adjustment differs from the next one.
    """
    assert text in "\n".join(_told(replace(plan, timezone="UTC")))
    for other in (replace(one, timezone="UTC") for one in remedies):
        run = run_fleet(other)
        assert text not in "\n".join(_told(other))
        assert run.lacking == 0 or "had given up" in text, other


# --- each sentence for its cause, and at its limit ---


def _of(plan: FleetPlan, *runs: FleetRun) -> list[Advice]:
    return list(advice_on(plan, runs))


def _texts(plan: FleetPlan, *runs: FleetRun) -> list[str]:
    return [f"{one.weight}: {one.text}" for one in advice_on(plan, runs)]


_CALM = few(20, adjust="true", days=1)


def test_a_failure_without_a_known_cause_is_only_counted() -> None:
    """Deferred without approvals, a refusal without a lifetime: the plan has nothing that explains them."""
    run = run_of(outcomes={"offices": {"successful": 5, "deferred": 1_200, "fail-info-2": 30}})
    other = run_of(outcomes={"offices": {"successful": 9, "deferred": 34, "top-error": 7}})
    assert _texts(_CALM, run, other) == [
        "bad: 1,271 requests ended in Error: 1,234 deferred, 30 fail-info-2, 7 top-error."
    ]


def test_a_failure_that_no_other_advice_explains_is_counted_beside_it() -> None:
    """Approvals, challenge passwords and an outage explain their own details, and nothing else."""
    known = few(
        20, days=1, adjust="false", ca=", pending: {share: 5%, approved_after: 3h}, challenge_lifetime: 5m",
        outages="{from: 2026-03-02 09:00, for: 1h, looks: refused}",
    )  # fmt: skip
    run = run_of(outcomes={"offices": {"deferred": 4, "fail-info-2": 3, "top-error": 2, "top-error-503": 1, "x": 0}})
    found = _texts(known, run)
    assert [re.sub(" of 1 h from.*| as Deferred.*|: the challenge.*", "", text) for text in found] == [
        "bad: The outage",
        "bad: 4 requests ended",
        "bad: 3 requests were refused",
        "bad: 1 other request ended in Error: 1 top-error-503.",
    ]
    assert (
        len(_texts(known, replace(run, outcomes={"offices": {"deferred": 4, "fail-info-2": 3, "top-error": 2}}))) == 3
    )
    late = run_of(outcomes={"offices": {"top-error": 9, "deferred": 2}}, waits={1: 99, 230: 1})
    assert _texts(_CALM, late)[1:] == ["bad: 2 other requests ended in Error: 2 deferred."]


def test_requests_that_an_operator_approves_too_late() -> None:
    plan = few(20, days=1, ca=", pending: {share: 50%, approved_after: {least: 10m, most: 3h}}")
    late = run_of(outcomes={"offices": {"successful": 5, "deferred": 1_200}})
    assert _of(plan, late, run_of(outcomes={"offices": {"deferred": 34}})) == [
        Advice(
            "bad",
            "1,234 requests ended as Deferred: the operator takes up to 3 h, and the printers had stopped polling by then.",
            "poll longer (count times interval), approve sooner, or approve automatically",
        )
    ]
    assert _texts(plan, run_of(outcomes={"offices": {"successful": 5, "top-error": 2}})) == [
        "bad: 2 requests ended in Error: 2 top-error."
    ]


def test_challenge_passwords_that_expired() -> None:
    plan = few(20, days=1, ca=", challenge_lifetime: 5m")
    (one,) = _texts(plan, run_of(outcomes={"offices": {"fail-info-2": 1}}))
    assert one == "bad: 1 request was refused: the challenge password is valid for only 5 min."
    assert _of(plan, run_of(outcomes={"offices": {"fail-info-2": 1_200}}), run_of(outcomes={"x": {"fail-info-2": 34}})) == [
        Advice(
            "bad",
            "1,234 requests were refused: the challenge password is valid for only 5 min.",
            "a longer lifetime; the adjustment and the queue use up a part of it",
        )
    ]  # fmt: skip
    assert _texts(plan, run_of(outcomes={"offices": {"top-error": 2}})) == [
        "bad: 2 requests ended in Error: 2 top-error."
    ]


def test_requests_that_waited_longer_than_a_printer_does() -> None:
    """The most impatient class decides, and a wait of exactly its timeout is still in time."""
    timeout = PrinterClass("slow", 5, datetime(2026, 3, 2, 9), timeout=300)
    plan = replace(_CALM, printers=(*_CALM.printers, timeout))
    late = run_of(outcomes={"offices": {"top-error": 1_200}}, waits={1: 99, 212: 1})  # 31.1 s
    early = run_of(outcomes={"slow": {"top-error": 34}}, waits={1: 100})
    assert _of(plan, early, late) == [
        Advice(
            "bad",
            "1,234 requests ended without a reply in time: the longest wait was 31 s, and a printer gives up after 30 s.",
            "a larger CA (--find workers shows how large), or a spread of the starts",
        )
    ]
    counted = ["bad: 1,200 requests ended in Error: 1,200 top-error."]
    waited = seconds_of(212)
    exact = replace(plan, printers=tuple(replace(one, timeout=waited) for one in plan.printers))  # type: ignore[arg-type]
    assert _texts(exact, late) == counted
    lossy = replace(plan, network=replace(plan.network, loss=0.1))
    assert _texts(lossy, late) == counted
    out = replace(plan, outages=few(outages="{from: 2026-03-02 20:00, for: 1h}").outages)
    assert _texts(out, late) == counted
    assert _texts(plan, replace(late, outcomes={"offices": {"deferred": 1_200}})) == [
        "bad: 1,200 requests ended in Error: 1,200 deferred."
    ]
    assert _texts(plan, early, replace(early, waits={})) == ["bad: 68 requests ended in Error: 68 top-error."]


# --- herds ---

_DONE = {"outcomes": {"offices": {"successful": 9}}}
_GOOD = "good: Every request ended with a certificate: 9 of them."


def _crowd(**values: object) -> FleetRun:
    return run_of(**{**_DONE, "longest": 1_234, "asked": {0: 3, 1: 56_789, 2: 4}, **values})


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        (few(20, adjust="false", service="100ms, 200ms", workers=2),
         "All 20 printers of class offices send requests in the same second; the CA serves 13.3 a second."),
        (few(301, adjust="false", service="100ms", more=", key_time: {least: 5s, most: 35s}"),
         "All 301 printers of class offices send requests within 30 s; the CA serves 10 a second."),
        (few(11, adjust="false", service="100ms", more=", key_time: {least: 5s, most: 5500ms}"),
         "All 11 printers of class offices send requests in the same second; the CA serves 10 a second."),
        (few(1_234, adjust="false", service="1s"),
         "All 1,234 printers of class offices send requests in the same second; the CA serves 1 a second."),
    ],
)  # fmt: skip
def test_a_herd_is_more_than_the_ca_serves_meanwhile(plan: FleetPlan, says: str) -> None:
    (one,) = plan.printers
    advice = Advice(
        "warn",
        f"{says} At the peak, 1,234 requests waited at once (5,679 requests a second over ten seconds).",
        "adjust: true spreads the start over 1 to 600 s",
    )
    quiet = run_of(**_DONE, asked={0: 3})
    assert [found for found in _of(plan, quiet, _crowd(), quiet) if found.weight != "good"] == [advice]
    assert _texts(plan, _crowd(longest=0)) == [_GOOD]
    calm = (
        replace(plan, printers=(replace(one, adjust=True),)),
        replace(plan, ca=replace(plan.ca, service=replace(plan.ca.service, pki=(0.0,)))),
    )
    for other in calm:
        assert _texts(other, _crowd()) == [_GOOD]


def test_one_printer_is_not_a_herd() -> None:
    assert _texts(few(1, adjust="false", service="4s"), _crowd()) == [_GOOD]
    assert len(_texts(few(2, adjust="false", service="4s"), _crowd())) == 2


@pytest.mark.parametrize(("count", "more"), [(10, ""), (300, ", key_time: {least: 5s, most: 35s}")])
def test_a_herd_that_the_ca_just_serves(count: int, more: str) -> None:
    assert _texts(few(count, adjust="false", service="100ms", more=more), _crowd()) == [_GOOD]
    assert len(_texts(few(count + 1, adjust="false", service="100ms", more=more), _crowd())) == 2


def test_a_herd_is_of_a_class_that_starts_at_all() -> None:
    """Not one that is adjusted, small, or due after the end of the plan; those do not hide the next one."""
    (one,) = few(100, adjust="false", service="100ms").printers
    classes = (
        replace(one, name="adjusted", adjust=True),
        replace(one, name="few", count=3),
        replace(one, name="late", start=datetime(2026, 3, 4, 9)),
        replace(one, name="herd"),
    )
    plan = replace(few(100, adjust="false", service="100ms", days=2), printers=classes)
    found = [text for text in _texts(plan, _crowd()) if text.startswith("warn")]
    assert [re.findall(r"class (\w+)", text) for text in found] == [["herd"]]


def test_work_in_vain_above_five_percent() -> None:
    good = run_of(**_DONE, busy=100.0)
    idle = run_of(**_DONE)
    assert _of(_CALM, good, replace(good, wasted=5.5), idle)[0] == Advice(
        "warn",
        "6% of the CA's work was for printers that had given up before it was done.",
        "more workers, a longer timeout, or a spread of the starts",
    )
    assert [text.partition(":")[0] for text in _texts(_CALM, good, replace(good, wasted=5.0), idle)] == ["good"]


# --- certificates that end too soon ---


@pytest.mark.parametrize(
    ("validity", "every", "says", "remedy"),
    [
        ("30d", "every: 30d, ", "valid for 30 d: one failure leaves a printer without one for 30 d.",
         "every: 14d, or a validity of 61d"),
        ("1439h", "every: 30d, ", "valid for 59 d 23 h: one failure leaves a printer without one for 1 h.",
         "every: 29d, or a validity of 61d"),
        ("36h", "every: 1d, ", "valid for 1 d 12 h: one failure leaves a printer without one for 12 h.",
         "a validity of 3d"),
        ("2d", "every: 2d, ", "valid for 2 d: one failure leaves a printer without one for 2 d.",
         "a validity of 5d"),
        ("49h", "every: 2d, ", "valid for 2 d 1 h: one failure leaves a printer without one for 1 d 23 h.",
         "every: 1d, or a validity of 5d"),
        ("719h", "every: 30d, ", "", ""),
        ("60d", "every: 30d, ", "", ""),
        ("30d", "", "", ""),
    ],
)  # fmt: skip
def test_a_failure_that_leaves_a_gap(validity: str, every: str, says: str, remedy: str) -> None:
    plan = few(20, days=1, every=every, ca=f", validity: {validity}")
    failed = run_of(outcomes={"offices": {"successful": 9, "top-error": 1}})
    found = [one for one in _of(plan, run_of(**_DONE), failed) if one.weight == "warn"]
    text = f"A request of class offices that fails is repeated {plan.printers[0].every_days} d later, and a certificate is {says}"
    assert found == ([Advice("warn", text, remedy)] if says else [])
    assert _texts(plan, run_of(**_DONE)) == [_GOOD], "nothing failed"


def test_a_class_without_an_interval_does_not_hide_the_next_one() -> None:
    (one,) = few(20, every="", ca=", validity: 40d").printers
    plan = replace(few(20, ca=", validity: 40d"), printers=(one, replace(one, name="monthly", every_days=30)))
    failed = run_of(outcomes={"offices": {"successful": 9, "top-error": 1}})
    assert [text for text in _texts(plan, failed) if text.startswith("warn: A request of class monthly")]


@pytest.mark.parametrize(
    ("every", "text", "remedy"),
    [
        ("", "Printers of class offices request only one certificate, which is valid for 20 d.",
         "set every to an interval below the validity"),
        ("every: 30d, ",
         ("A certificate is valid for 20 d, and printers of class offices request one every 30 d: "
          "each is without one for 10 d of every period."), "every: 9d, or a validity of 61d"),
    ],
)  # fmt: skip
def test_a_certificate_that_ends_before_the_next_request(every: str, text: str, remedy: str) -> None:
    plan, run = few(20, days=21, every=every, ca=", validity: 20d"), run_of(**_DONE)
    for lacking in ({"lacking": 5}, {"lost": 5}):
        assert _of(plan, run, replace(run, **lacking), run)[0] == Advice("bad", text, remedy)  # type: ignore[arg-type]
    assert _texts(plan, run) == [_GOOD], "no printer is without a certificate"
    just = replace(plan, days=20)
    assert text not in "\n".join(_texts(just, replace(run, lacking=5))), "the plan ends with the certificate"


def test_a_gap_is_of_a_class_that_follows_the_calendar_and_starts_in_time() -> None:
    (one,) = few(20, every="").printers
    classes = (
        replace(one, name="renews", profile="week-before-expiry"),
        replace(one, name="late", start=datetime(2026, 6, 1, 9)),
        replace(one, name="later", start=datetime(2026, 3, 12, 9)),  # its certificate ends after the plan
        replace(one, name="later-monthly", start=datetime(2026, 3, 12, 9), every_days=30),
        replace(one, name="covered", every_days=20),
        replace(one, name="once"),
        replace(one, name="monthly", every_days=30),
    )
    plan = replace(few(20, days=30, ca=", validity: 20d"), printers=classes)
    found = [text for text in _texts(plan, run_of(**_DONE, lost=1)) if text.startswith("bad")]
    assert [re.findall(r"class (\S+)", text) for text in found] == [["once"], ["monthly"]]


# --- what else is said ---


def test_printers_without_a_certificate_and_without_another_reason() -> None:
    run = run_of(**_DONE)
    says = "bad: {} without a valid certificate at some time, and {:,} at the end."
    for lacking, lost, were in (
        (1_234, 1_100, "1,234 printers were"), (1, 0, "1 printer was"), (0, 1_100, "0 printers were"),
    ):  # fmt: skip
        told = says.format(were, lost)
        assert _texts(_CALM, replace(run, lacking=lacking), replace(run, lost=lost))[0] == told
    failed = run_of(outcomes={"offices": {"successful": 1, "top-error": 1}}, lacking=1)
    assert _texts(_CALM, failed) == ["bad: 1 request ended in Error: 1 top-error."]


def test_a_run_without_a_result_is_not_good() -> None:
    assert _texts(_CALM, run_of()) == ["bad: No request ended, so the run has no result."]
    unended = run_of(**_DONE, unended=1_234)
    assert _of(_CALM, run_of(**_DONE), unended, run_of(**_DONE)) == [
        Advice(
            "bad",
            "The first request of 1,234 printers had not ended after 1 d: the run does not show how it ends.",
            "more days, counted from the first start of all classes",
        )
    ]
    assert _texts(_CALM, run_of(**_DONE), run_of(outcomes={"offices": {"successful": 1_225}})) == [
        "good: Every request ended with a certificate: 1,234 of them."
    ]


def test_the_costly_advice_comes_first() -> None:
    plan = few(300, adjust="false", service="4s", ca=", validity: 40d")
    weights = [one.weight for one in advice_on(plan, [run_fleet(plan)])]
    assert weights == ["bad", "warn", "warn", "warn"]
    herd = few(100, adjust="false", service="100ms")
    assert [one.weight for one in advice_on(herd, [run_fleet(herd)])] == ["warn", "good"]
