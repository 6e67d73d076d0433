"""The rules that hold in every run: none fails in an ordinary run, and each is proved able to fail."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from mfp_sim.events import (
    AuditNote,
    ExchangeReply,
    ExchangeRequest,
    MockRequest,
    PollBooked,
    StatusRowAdded,
    Undone,
)
from mfp_sim.scenario.always.rules import ALWAYS
from mfp_sim.scenario.always.watching import Course, Happening, PrinterSeen, StepSeen
from mfp_sim.scenario.loader import read_text
from mfp_sim.scenario.runner import run
from mfp_sim.scenario.world import build
from mfp_sim.shared.errors import DocumentError

TEXT = """
format: 1
name: watched
why: A manual request, then an automatic one that is deferred once.
clock: 2026-03-02T08:00:00+01:00
printer: {functions: [TLS], communication: {url: http://ca.example/scep}}
ca:
  challenge: {static: drawn-s3cret}
  script: [{when: {type: PKCSReq, nth: 2}, then: pending, times: 1}]
steps:
  - request: {name: web, common_name: 192.0.2.10, challenge: drawn-s3cret, use: IEEE 802.1X}
  - auto_request:
      start: 2026-03-02 09:00
      polling: {count: 2, interval: 10m}
      every: 30d
      restart: true
      key: {name: tls, common_name: 192.0.2.10, challenge: drawn-s3cret, use: TLS}
  - advance_to: 2026-03-02 10:00
  - delete_key: web
  - expect: {always: all}
"""
SERIAL = "SIM00001"


@pytest.fixture(scope="module")
def course() -> Course:
    """The course of a run in which every rule holds."""
    from mfp_sim.scenario.runner import carry_out, frozen

    (scenario,) = read_text(TEXT)
    world = build(scenario, seed=1, rules=ALWAYS)
    records: list[Any] = []
    with frozen(world):
        for number, step in enumerate(scenario.steps, 1):
            assert carry_out(world, step, number, records)
        assert world.watch is not None
        assert not world.failures
        return world.watch.course


def test_every_rule_holds_in_an_ordinary_run(course: Course) -> None:
    assert [name for name, rule in ALWAYS.items() if list(_broken(rule, course))] == []


def test_watching_changes_no_trace() -> None:
    plain = read_text(TEXT.replace("always: all", "powered: true"))[0]
    watched = read_text(TEXT)[0]
    first, second = run(plain), run(watched)
    assert first.passed
    assert second.passed
    assert [e.to_json() for e in first.events[:-1]] == [e.to_json() for e in second.events[:-1]]


def _broken(rule: Any, course: Course, step: StepSeen | None = None) -> list[str]:
    found = [*(rule.now(course) if rule.now else ()), *(rule.course(course) if rule.course else ())]
    steps = [step] if step is not None else list(course.steps)
    return found + [text for one in steps for text in (rule.step(one) if rule.step else ())]


# --- how each rule is broken ------------------------------------------------------------------------------


def _like(**shown: object) -> Any:
    """Something with these attributes, in the place of a printer, a storage or a CA."""
    return SimpleNamespace(**shown)


def _printer(course: Course, **changes: object) -> Course:
    """The course with a printer that shows something else."""
    printer = course.printers[SERIAL]
    names = ("powered", "profile", "functions", "dns", "auto_request", "communication", "ip", "next_request", "transfer",
             "zone", "policies", "audit")  # fmt: skip
    shown: dict[str, Any] = {name: getattr(printer, name, None) for name in names}
    methods = ("key_list", "status", "functions_in_use", "at_rest")
    shown |= {name: getattr(printer, name) for name in methods}
    return replace(course, printers={SERIAL: SimpleNamespace(**{**shown, **changes})})  # type: ignore[dict-item]


def _commits(course: Course, change: Callable[[dict[str, Any]], None], *, nth: int = -1) -> Course:
    """The course with another state in one commit."""
    commits = list(course.commits[SERIAL])
    state = copy.deepcopy(dict(commits[nth].state))
    change(state)
    commits[nth] = replace(commits[nth], state=state)
    return replace(course, commits={SERIAL: tuple(commits)})


def _commit_with_request(course: Course) -> int:
    return next(
        n for n, one in enumerate(course.commits[SERIAL]) if one.state["request"] and one.state["request"]["polls"]
    )


def _event(course: Course, kind: type, nth: int = 0, **changes: object) -> Course:
    """The course with another content of one event."""
    numbers = [n for n, one in enumerate(course.happenings) if isinstance(one.event, kind)]
    happenings = list(course.happenings)
    one = happenings[numbers[nth]]
    time = changes.pop("time", one.time)
    happenings[numbers[nth]] = replace(one, time=time, event=replace(one.event, **changes))  # type: ignore[type-var, arg-type]
    return replace(course, happenings=tuple(happenings))


def _with(course: Course, event: Any, after: type, nth: int = -1, *, later: timedelta = timedelta(0)) -> Course:
    """The course with one more event, after one of that kind."""
    numbers = [n for n, one in enumerate(course.happenings) if isinstance(one.event, after)]
    place = numbers[nth]
    more = Happening(place, course.happenings[place].time + later, SERIAL, event)
    return replace(course, happenings=(*course.happenings[: place + 1], more, *course.happenings[place + 1 :]))


def _lacking(course: Course, kind: type, nth: int = 0) -> Course:
    numbers = [n for n, one in enumerate(course.happenings) if isinstance(one.event, kind)]
    place = numbers[nth]
    return replace(course, happenings=(*course.happenings[:place], *course.happenings[place + 1 :]))


def _step(course: Course, kind: str, before: Mapping[str, Any] | None = None, after: Mapping[str, Any] | None = None,
          **changes: Any) -> Course:  # fmt: skip
    """The course whose only step is one of that kind, with other printers before and after it."""
    seen = next(step for step in course.steps if step.kind == kind)
    first: PrinterSeen = replace(seen.before[SERIAL], **(before or {}))
    then: PrinterSeen = replace(seen.after[SERIAL], **(after or {}))
    step = replace(seen, serial=SERIAL, before={SERIAL: first}, after={SERIAL: then}, **changes)
    return replace(course, steps=(step,))


def _ledger(course: Course, **changes: Any) -> Course:
    """The course with a ledger that says something else."""
    assert course.ca is not None
    ledger = course.ca.ledger
    names = ("counts", "entries", "orphans", "forgotten", "find", "of_key", "of_subject")
    other = SimpleNamespace(**{**{name: getattr(ledger, name) for name in names}, **changes})
    kept = {name: getattr(course.ca, name) for name in ("profile", "policy")}
    return replace(course, ca=_like(**kept, ledger=other))  # type: ignore[arg-type]


def _entry(course: Course, nth: int = 0, **changes: Any) -> Course:
    assert course.ca is not None
    entries = list(course.ca.ledger.entries)
    entries[nth] = replace(entries[nth], **changes)
    return _ledger(course, entries=tuple(entries))


def _without_script(course: Course) -> Course:
    return replace(
        course, setting=replace(course.setting, ca=replace(course.setting.ca, script=(), given=("challenge",)))
    )


def _later_pending(course: Course) -> Course:
    granted = next(one for one in course.happenings if getattr(one.event, "decision", "").startswith("SUCCESS"))
    assert isinstance(granted.event, MockRequest)
    later = replace(granted, event=replace(granted.event, decision="PENDING"))
    return replace(course, happenings=(*course.happenings, later))


def _shrunken_request(state: dict[str, Any]) -> None:
    state["request"]["polls"] = 9


def _sooner(state: dict[str, Any]) -> None:
    state["request"]["next_poll"] = "2026-03-02T08:05:00+00:00"


KEY = (7, "web", "IEEE 802.1X", None, True)
BROKEN: Mapping[str, tuple[Callable[[Course], Course], str]] = {
    "printer-sound": (lambda c: _printer(c, key_list=lambda: ()), "there is not exactly one Default Key"),
    "shown-is-stored": (lambda c: _printer(c, dns=True), "dns: the screen differs from the storage"),
    "always-planned": (lambda c: _printer(c, next_request=None), "no request is planned"),
    "refused-changes-nothing": (
        lambda c: _step(c, "delete_key", after={"sent": 99}, refused="key-in-use"),
        "was refused (key-in-use), but something was sent",
    ),
    "administrator-only": (lambda c: _step(c, "delete_key", role="user"), "has no administrator rights"),
    "off-refuses": (
        lambda c: _step(c, "delete_key", before={"powered": False}),
        "on a printer that is off ended with success",
    ),
    "sends-in-time": (lambda c: _step(c, "delete_key", after={"sent": 99}), "in which no time passed"),
    "manual-request-locked": (lambda c: _step(c, "request", before={"timer": True}), "while the timer was on"),
    "transfer-locks": (
        lambda c: _step(c, "delete_key", before={"transfer": True}),
        "was accepted while an import or export",
    ),
    "keys-kept": (lambda c: _step(c, "delete_key", before={"keys": (KEY,)}, after={"keys": (KEY,)}), "removed 0 keys"),
    "manual-request-ends": (
        lambda c: _step(
            c,
            "request",
            after={"busy": True, "kept": {"request": {"method": "manual"}}},
            ended=c.steps[0].begun + timedelta(seconds=1),
        ),
        "did not end",
    ),
    "commits-in-order": (
        lambda c: replace(c, storages={SERIAL: _like(broken=["a key is gone"], kept=None)}),
        "a key is gone",  # type: ignore[dict-item]
    ),
    "books-only-grow": (
        lambda c: _commits(c, lambda state: state["history"].clear()),
        "finished rows were changed or removed",
    ),
    "polls-as-set": (
        lambda c: _commits(c, _shrunken_request, nth=_commit_with_request(c)),
        "poll 9 was booked, the settings allow 2",
    ),
    "outcome-stored": (
        lambda c: _commits(c, lambda state: state["history"].append({**state["history"][-1], "key_name": "more"})),
        "successful rows were stored with 0 new keys",
    ),
    "schedule-kept": (
        lambda c: _commits(c, lambda state: state.update(planned="2026-04-02T09:00:00")),
        "31 days after the start",
    ),
    "restart-as-set": (
        lambda c: replace(
            c,
            happenings=tuple(
                one
                for one in c.happenings
                if not (isinstance(one.event, AuditNote) and one.event.operation == "restart by SCEP")
            ),
        ),
        "the printer did not restart",
    ),
    "nothing-unforeseen": (lambda c: _with(c, Undone(error="KeyError: x"), AuditNote), "KeyError: x"),
    "exchanges-end": (lambda c: _lacking(c, ExchangeReply), "was sent before the previous request had ended"),
    "off-is-silent": (
        lambda c: _with(c, AuditNote(operation="shutdown", result="OK"), AuditNote, 0),
        "while the printer was off",
    ),
    "requests-in-order": (lambda c: _lacking(c, ExchangeRequest, 0), "PKCSReq was sent without GetCACaps"),
    "polls-in-time": (lambda c: _event(c, PollBooked, due="2026-03-02T08:11:00+00:00"), "it was booked for 08:11:00"),
    "rows-fit-replies": (
        lambda c: _event(c, StatusRowAdded, state="error", details="fail-info-2"),
        "the status shows fail-info-2",
    ),
    "asks-as-set": (lambda c: _event(c, ExchangeRequest, port=8080), "was sent to ca.example:8080/scep"),
    "post-if-offered": (
        lambda c: _event(_without_script(c), ExchangeRequest, 2, method="GET"),
        "was sent by GET, the CA offers POST",
    ),
    "replies-have-requests": (
        lambda c: replace(c, happenings=tuple(one for one in c.happenings if one.event.kind != "mock.request")),
        "came from nowhere",
    ),
    "time-moves-forward": (
        lambda c: _event(c, StatusRowAdded, time=c.happenings[0].time - timedelta(days=1)),
        "is earlier than the event before it",
    ),
    "trace-readable": (
        lambda c: _event(c, StatusRowAdded, state=7),
        "reads back differently",
    ),
    "no-secret": (lambda c: _event(c, StatusRowAdded, diagnosis="drawn-s3cret"), "contains a secret"),
    "ledger-adds-up": (
        lambda c: _ledger(c, counts={"minted": 5, "installed": 1, "orphaned": 1}),
        "5 certificates, but 1 installed",
    ),
    "orphans-explained": (lambda c: _entry(c, installed=False, sent=()), "is an orphan without a cause"),
    "installed-is-stored": (lambda c: _entry(c, 1, installed=False, given_up="x"), "which the CA counts as an orphan"),
    "serials-unique": (
        lambda c: _ledger(c, entries=(c.ca.ledger.entries[0],) * 2),
        "was issued 2 times",  # type: ignore[union-attr]
    ),
    "one-certificate-each": (
        lambda c: _entry(c, 1, transaction_id=c.ca.ledger.entries[0].transaction_id),
        "has certificates for 2 keys",  # type: ignore[union-attr]
    ),
    "challenge-needed": (
        lambda c: replace(c, setting=replace(c.setting, ca=replace(c.setting.ca, challenge="another-one"))),
        "although the challenge was wrong",
    ),
    "right-is-granted": (
        lambda c: _event(
            _without_script(c),
            type(next(o.event for o in c.happenings if o.event.kind == "mock.request")),
            2,
            decision="FAILURE badRequest",
        ),
        "although its challenge is right",
    ),
    "approval-needed": (
        lambda c: replace(_without_script(c), ca=_like(ledger=c.ca.ledger, policy=_like(approval="manual"))),  # type: ignore[arg-type, union-attr]
        "before the operator had approved",
    ),
    "decisions-final": (lambda c: _later_pending(_without_script(c)), "got SUCCESS, and PENDING later"),
    "rules-counted": (
        lambda c: _event(c, type(next(o.event for o in c.happenings if o.event.kind == "mock.request")), 0, rule=1),
        "is for one request, and answered 2",
    ),
    "certificate-as-asked": (
        lambda c: replace(c, ca=_like(ledger=c.ca.ledger, policy=_like(validity=timedelta(days=1)))),  # type: ignore[arg-type, union-attr]
        "the policy says 1 day",
    ),
    "replies-right": (
        lambda c: _event(
            c, ExchangeReply, 2, message={"messageType": "CertRep", "transactionID": "X", "recipientNonce": "1"}
        ),
        "has another transactionID",
    ),
}


def _full(course: Course, last: Callable[[dict[str, Any]], dict[str, Any]], *, shifted: bool) -> Course:
    """The course with a full history before and after its last commit; ``last`` changes the last row of the second.
    ``shifted``: that row is new, and the oldest one fell out."""
    *others, old, new = course.commits[SERIAL]
    limit, row = course.printers[SERIAL].profile.history, new.state["history"][-1]
    rows = [{**row, "key_name": f"k{number}"} for number in range(limit + 1)]
    before, after = rows[:-1], [*rows[1:-1], last(rows[-1])] if shifted else [*rows[:-2], last(rows[-2])]
    old = replace(old, state={**old.state, "history": before})
    new = replace(new, state={**new.state, "history": after})
    return replace(course, commits={SERIAL: (*others, old, new)})


def _refused_then_granted(course: Course) -> Course:
    granted = next(one for one in course.happenings if getattr(one.event, "decision", "").startswith("SUCCESS"))
    assert isinstance(granted.event, MockRequest)
    earlier = replace(granted, event=replace(granted.event, decision="FAILURE badRequest"))
    return replace(course, happenings=(earlier, *course.happenings))


def _rule_for(course: Course, operation: str) -> Course:
    (rule,) = course.setting.ca.script
    other = replace(rule, when=replace(rule.when, operation=operation, type=None, nth=None))
    return replace(course, setting=replace(course.setting, ca=replace(course.setting.ca, script=(other,))))


def _private_shown(course: Course, form: Callable[[bytes], object]) -> Course:
    end = bytes.fromhex(course.commits[SERIAL][-1].state["keys"][0]["private"])[-60:]
    return _printer(course, audit=(form(end),))


STRICT: Mapping[str, tuple[str, Callable[[Course], Course], str]] = {
    "a row of a full history is changed": (
        "books-only-grow",
        lambda c: _full(c, lambda row: {**row, "key_name": "another"}, shifted=False),
        "finished rows were changed or removed",
    ),
    "a success without a key fills a full history": (
        "outcome-stored",
        lambda c: _full(c, lambda row: {**row, "state": "successful"}, shifted=True),
        "1 successful rows were stored with 0 new keys",
    ),
    "no restart after a success in a full history": (
        "restart-as-set",
        lambda c: _full(c, lambda row: {**row, "state": "successful", "method": "automatic"}, shifted=True),
        "the printer did not restart",
    ),
    "an adjustment of an hour": (
        "schedule-kept",
        lambda c: _commits(c, lambda s: s.update(planned="2026-05-01T09:00:00", due="2026-05-01T10:00:00+02:00")),
        "the adjustment is 3600 seconds",
    ),
    "a refusal is taken back": ("decisions-final", lambda c: _refused_then_granted(_without_script(c)), "got FAILURE, and SUCCESS later"),
    "a rule answers another operation": (
        "rules-counted",
        lambda c: _rule_for(c, "GetCACaps"),
        "answered a PKCSReq, it is for GetCACaps",
    ),
    "a certificate for another key": (
        "certificate-as-asked",
        lambda c: _entry(c, 1, transaction_id=c.ca.ledger.entries[0].transaction_id),  # type: ignore[union-attr]
        "is for another key than the request",
    ),
    "a certificate that is valid for a day more": (
        "certificate-as-asked",
        lambda c: replace(c, ca=_like(ledger=c.ca.ledger, policy=_like(validity=timedelta(days=364)))),  # type: ignore[arg-type, union-attr]
        "the policy says 364 days",
    ),
    "a wrong reply to a printer with settings": (
        "replies-right",
        lambda c: _event(
            replace(c, setting=replace(c.setting, printer=replace(c.setting.printer, settings={"key_limit": 3}))),
            ExchangeReply, 2, message={"messageType": "CertRep", "transactionID": "X", "recipientNonce": "1"},
        ),
        "has another transactionID",
    ),
    "a reply whose status changed on its way": (
        "replies-have-requests",
        lambda c: _event(c, ExchangeReply, 2, status=503),
        "has the status 503, the CA sent 200",
    ),
    "the printer's own detail after an error of HTTP": (
        "rows-fit-replies",
        lambda c: _event(_event(c, ExchangeReply, 2, status=503), StatusRowAdded, state="error", details="scep-error"),
        "the status shows scep-error, the last reply means top-error-503",
    ),
    "the CA's challenge password in the trace": (
        "no-secret",
        lambda c: _event(
            replace(c, setting=replace(c.setting, ca=replace(c.setting.ca, challenge='of "the CA"'))),
            StatusRowAdded, diagnosis='it is of "the CA"',
        ),
        "contains a secret",
    ),
    "a private key on a screen, in hexadecimal": (
        "no-secret", lambda c: _private_shown(c, bytes.hex), "a screen shows a secret"
    ),
    "a private key on a screen, as bytes": ("no-secret", lambda c: _private_shown(c, bytes), "a screen shows a secret"),
}  # fmt: skip
"""Deviations that a rule could miss by its own conditions."""


@pytest.mark.parametrize("name", STRICT)
def test_no_condition_of_a_rule_hides_a_deviation(name: str, course: Course) -> None:
    rule, breaks, text = STRICT[name]
    found = _broken(ALWAYS[rule], breaks(course))
    assert any(text in one for one in found), found


def test_each_rule_has_a_proof() -> None:
    assert BROKEN.keys() == ALWAYS.keys()


@pytest.mark.parametrize("name", ALWAYS)
def test_each_rule_can_fail(name: str, course: Course) -> None:
    breaks, text = BROKEN[name]
    broken = breaks(course)
    found = _broken(ALWAYS[name], broken)
    assert any(text in one for one in found), found


def test_an_expectation_names_the_rule_that_did_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = replace(ALWAYS["printer-sound"], now=lambda _: iter(["a key does not fit"]))
    monkeypatch.setitem(ALWAYS, "printer-sound", rule)  # type: ignore[arg-type]
    (scenario,) = read_text(TEXT.replace("always: all", "always: [printer-sound]"))
    result = run(scenario)
    assert {failure.path for failure in result.failures} == {"always.printer-sound"}
    assert {failure.got for failure in result.failures} == {"a key does not fit"}


def test_a_rule_that_does_not_exist_does_not_load() -> None:

    with pytest.raises(DocumentError, match="printer-sund.*did you mean 'printer-sound'"):
        read_text(TEXT.replace("always: all", "always: [printer-sund]"))
