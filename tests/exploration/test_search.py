"""The search: the same cases for a seed with any number of processes, and a planted bug found and made small."""

from __future__ import annotations

import contextlib
import copy
import re
from collections import defaultdict
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from dataclasses import replace
from pathlib import Path

import pytest

from mfp_sim.device import polling
from mfp_sim.device.current_request import Requests
from mfp_sim.device.state import DeviceState, unusable
from mfp_sim.device.storage import DirectoryStorage
from mfp_sim.events import AuditNote, PowerFailed
from mfp_sim.exploration import running
from mfp_sim.exploration.changing import VALUES, changed
from mfp_sim.exploration.comparing import COMPARISONS, compared
from mfp_sim.exploration.drawing import Space, drawn, scenario_of
from mfp_sim.exploration.draws import Document
from mfp_sim.exploration.over_sockets import OverSockets
from mfp_sim.exploration.running import NO_CRASH, CaseOutcome, carried_out
from mfp_sim.exploration.search import Search, document_of
from mfp_sim.exploration.shrinking import reason_of, shrunk
from mfp_sim.exploration.sometimes import SOMETIMES
from mfp_sim.exploration.writing import as_yaml
from mfp_sim.scenario import machine_steps, steps, world
from mfp_sim.scenario.always.watching import Violation
from mfp_sim.scenario.loader import read_text
from mfp_sim.scenario.model import Scenario
from mfp_sim.scenario.runner import run
from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.processes import worker_processes
from mfp_sim.shared.scep.http_messages import HttpReply, HttpRequest, delivery_of, outgoing
from mfp_sim.shared.simtime import Entropy
from mfp_sim.transport.reader import SocketSource
from mock_scep_server import rows, server
from mock_scep_server.ledger import Ledger
from mock_scep_server.receiving import Unreadable
from mock_scep_server.store import SqliteStore

Patch = Callable[..., None]


def _cases(search: Search, rounds: int, pool: Executor | None = None) -> list[tuple[str, object]]:
    return [(result.token, result.document) for _ in range(rounds) for result in search.round(24, pool)]


def test_a_seed_gives_the_same_cases_with_any_number_of_processes() -> None:
    alone = _cases(Search(5, Space()), 3)
    with worker_processes(2) as pool:
        shared = _cases(Search(5, Space()), 3, pool)
    assert alone == shared
    assert alone != _cases(Search(6, Space()), 3)
    assert any("." in token for token, _ in alone), "no case has a parent"


def test_a_case_is_drawn_again_by_its_name() -> None:
    cases = _cases(Search(5, Space()), 3)
    for token, document in cases[::9]:
        assert document_of(token, Space()) == document


def test_the_name_of_a_value_says_whose_it_is() -> None:
    assert not set(VALUES["printer"]) & set(VALUES["ca"])


def test_a_value_that_a_case_read_is_changed_alone() -> None:
    search = Search(5, Space())
    cases = {result.token: result for _ in range(3) for result in search.round()}
    changed_alone = [token for token in cases if "~" in token.rpartition(".")[2]]
    assert changed_alone
    for token in changed_alone:
        parent, name = token.rpartition(".")[0], token.rpartition("~")[2]
        assert name in cases[parent].read
        section, inner = ("ca", ()) if name in VALUES["ca"] else ("printer", ("settings",))
        before, after = (copy.deepcopy(cases[one].document) for one in (parent, token))
        for document in (before, after):
            owner = document.setdefault(section, {})
            for key in inner:
                owner = owner.setdefault(key, {})
            owner.pop(name, None)
        assert after == before


@pytest.mark.parametrize("token", ["", "7", "7:", "7:x", "x:7", "7:1..2", "7:1~redirects", "7:1.2~unknown"])
def test_what_is_not_the_name_of_a_case_is_refused(token: str) -> None:
    with pytest.raises(UsageError, match="is not the name of a case"):
        document_of(token, Space())


def test_only_the_models_and_printers_that_are_allowed_are_drawn() -> None:
    one, three = (Space(number, ("canon-legacy",)) for number in (1, 3))
    assert all("printers" not in drawn(Entropy(3).fork(str(number)), one) for number in range(20))
    cases = [drawn(Entropy(3).fork(str(number)), three) for number in range(150)]
    for number in range(150):
        cases.append(changed(cases[number], Entropy(4).fork(str(number)), three))
    models: dict[str, set[str]] = defaultdict(set)
    for case in cases:
        models["printer"].add(case["printer"]["profile"])
        models["printers"] |= {other["profile"] for other in case.get("printers", ())}
        models["step"] |= {step["another_printer"]["profile"] for step in case["steps"] if "another_printer" in step}
    assert models == {key: {"canon-legacy"} for key in ("printer", "printers", "step")}


def test_a_changed_case_is_a_scenario_that_ends_with_the_rules() -> None:
    parent = drawn(Entropy(3).fork("a"), Space())
    children = [changed(parent, Entropy(3).fork(str(number)), Space()) for number in range(10)]
    assert all(scenario_of(child) is not None for child in children)
    assert all(child["steps"][-1] == {"expect": {"always": "all"}} for child in children)
    assert any(child != parent for child in children)


# --- planted bugs -----------------------------------------------------------------------------------------


def _polls_once_more(patch: Patch) -> None:
    def what_follows(answer, polls, setting, profile):  # type: ignore[no-untyped-def]
        if setting is not None and polls <= setting.count and polling._MAY_POLL[answer.kind](answer, profile):
            return polling.Polls(setting.minutes)
        return polling.Ends(polling.detail_of(answer))

    patch("mfp_sim.device.request.what_follows", what_follows)


def _row_is_not_stored(patch: Patch) -> None:
    add = Requests._add_row

    def slip(self, row, *rest):  # type: ignore[no-untyped-def]
        if row.method == "manual":
            add(self, row, *rest)

    patch(Requests, "_add_row", slip)


def _forgets_that_it_is_installed(patch: Patch) -> None:
    patch(Ledger, "report_installed", lambda *_: None)


def _accepts_while_the_timer_is_on(patch: Patch) -> None:
    begin = Requests.begin_manual

    def slip(self, key):  # type: ignore[no-untyped-def]
        state = self._machine.state
        timer, state.auto = state.auto, type(state.auto)(timer=False)
        try:
            begin(self, key)
        finally:
            state.auto = timer

    patch(Requests, "begin_manual", slip)


def _crashes_at_a_restart(patch: Patch) -> None:
    def take_up(self):  # type: ignore[no-untyped-def]
        if self._machine.state.request is not None:
            raise KeyError("request")

    patch(Requests, "take_up", take_up)


PLANTED: dict[str, tuple[Callable[[Patch], None], set[str]]] = {
    "polls-once-more": (_polls_once_more, {"polls-as-set"}),
    "row-is-not-stored": (_row_is_not_stored, {"outcome-stored", "commits-in-order"}),
    "forgets-that-it-is-installed": (_forgets_that_it_is_installed, {"installed-is-stored", "orphans-explained"}),
    "accepts-while-the-timer-is-on": (_accepts_while_the_timer_is_on, {"manual-request-locked"}),
    "crashes-at-a-restart": (_crashes_at_a_restart, {NO_CRASH}),
}


@pytest.mark.parametrize("name", PLANTED)
def test_a_planted_bug_is_found_and_made_small(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    plant, rules = PLANTED[name]
    plant(monkeypatch.setattr)
    search = Search(1, Space())
    while not {one.violation.rule for one in search.found.values()} & rules and search.cases < 1500:
        list(search.round())
    found = next(one for one in search.found.values() if one.violation.rule in rules)
    document, violation = search.small(found)
    assert reason_of(violation) == reason_of(found.violation)
    assert len(as_yaml(document).splitlines()) <= 16
    (scenario,) = read_text(as_yaml(document))
    failures = run(scenario).failures
    if violation.rule == NO_CRASH:
        assert all(failure.error and "internal error" in failure.got for failure in failures)
    else:
        assert {failure.path for failure in failures} == {f"always.{violation.rule}"}
    assert failures
    monkeypatch.undo()
    again = run(scenario).failures
    locked = {"request"} if violation.rule == "manual-request-locked" else set()  # without the bug, it is refused
    assert {failure.path for failure in again} == locked
    assert "printers" not in document, "one printer is enough"


def _never_ends(patch: Patch) -> None:
    """A loop that ignores every error; it does end, so that the test fails rather than hangs."""

    def begin_manual(_self, _key):  # type: ignore[no-untyped-def]
        for _ in range(1000):
            try:
                for _ in range(100_000):
                    pass
            except Exception:  # noqa: BLE001 - the bug
                pass

    patch(Requests, "begin_manual", begin_manual)


def test_a_case_that_does_not_end_is_ended_and_made_small(monkeypatch: pytest.MonkeyPatch) -> None:
    _never_ends(monkeypatch.setattr)
    monkeypatch.setattr(running, "_LONGEST", 0.5)
    document = {
        "format": 1, "name": "x", "why": "y", "clock": "2026-03-02T08:00:00+01:00",
        "steps": [*({"advance": f"{n}s"} for n in range(1, 30)),
                  {"request": {"name": "tls", "common_name": "192.0.2.10", "use": "None"}},
                  {"expect": {"always": "all"}}],
    }  # fmt: skip
    scenario = scenario_of(document)
    assert scenario is not None
    (violation,) = carried_out(scenario).violations
    assert (violation.rule, violation.text) == (NO_CRASH, "the case did not end within 0.5 s of CPU time")
    runs: list[CaseOutcome] = []

    def counted(smaller: Document) -> CaseOutcome | None:
        found = scenario_of(smaller)
        if found is None:
            return None
        runs.append(carried_out(found))
        return runs[-1]

    shrunk(document, reason_of(violation), counted)
    assert 1 < sum(one.endless for one in runs) <= 10  # each of them takes a minute in a real search


def test_a_case_that_fails_twice_for_a_reason_counts_once(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = tuple(Violation("printer-sound", f"{count} keys", 1) for count in (4, 5))
    monkeypatch.setattr(
        "mfp_sim.exploration.search.carried_out", lambda _: replace(carried_out(EMPTY), violations=broken)
    )
    search = Search(1, Space())
    list(search.round(3))
    assert search.times == {("printer-sound", "* keys"): 3}


def test_what_cannot_be_made_smaller_stays() -> None:
    document = {
        "format": 1, "name": "x", "why": "y", "clock": "2026-03-02T08:00:00+01:00",
        "steps": [{"advance": "1s"}, {"expect": {"always": "all"}}],
    }  # fmt: skip
    assert shrunk(document, ("printer-sound", "x")) is None


EMPTY = read_text("""
format: 1
name: empty
why: Nothing happens.
clock: 2026-03-02T08:00:00+01:00
steps: [{advance: 1s}, {expect: {always: all}}]
""")[0]
COMPARED: Document = {
    "format": 1, "name": "x", "why": "y", "clock": "2026-03-02T08:00:00+01:00",
    "steps": [{"restart": None}, {"advance": "10m"}, {"expect": {"always": "all"}}],
}  # fmt: skip


def _noting(kind: type, patch: Patch, *, in_run: int = 1) -> None:
    """A step that leaves something in the trace, from the given run on."""
    act, build, runs = kind.act, world.build, []  # type: ignore[attr-defined]

    def slip(self, world, role):  # type: ignore[no-untyped-def]
        if len(runs) >= in_run:
            world.recorder.record(AuditNote(operation="a look", result="OK"))
        return act(self, world, role)

    def counted(*words, **more):  # type: ignore[no-untyped-def]
        runs.append(words)
        return build(*words, **more)

    patch(kind, "act", slip)
    patch(running, "build", counted)


@pytest.mark.parametrize(
    ("kind", "in_run", "rules"),
    [
        (machine_steps.OpenScreen, 1, {"looking-changes-nothing"}),
        (steps.Advance, 1, {"time-is-continuous"}),
        (
            steps.Advance,
            2,
            {"repeatable", "time-is-continuous", "looking-changes-nothing", "kept-on-disk", "carriers-agree"},
        ),
    ],
)
def test_every_comparison_of_traces_can_fail(
    kind: type, in_run: int, rules: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A printer that notes each look or each span, and one that does so from the second run on."""
    assert {violation.rule for violation in _compared()} == set()
    _noting(kind, monkeypatch.setattr, in_run=in_run)
    assert {violation.rule for violation in _compared()} == rules
    assert rules <= COMPARISONS.keys()


def _compared() -> list[Violation]:
    scenario = scenario_of(COMPARED)
    assert scenario is not None
    return compared(COMPARED, carried_out(scenario), COMPARISONS)


def _forgotten_row(self, state):  # type: ignore[no-untyped-def]
    return _COMMIT(self, {**state, "history": []})


def _refusal(self, *_):  # type: ignore[no-untyped-def]
    raise UsageError(f"{self.where} is damaged")


_COMMIT = DirectoryStorage.commit


@pytest.mark.parametrize(
    ("place", "name", "wrong", "text"),
    [
        (DirectoryStorage, "commit", _forgotten_row, "SIM00001: finished rows: the screen differs from the storage"),
        (SqliteStore, "clear", lambda *_: None, "the CA's waiting requests, read from its file: "),
        (SqliteStore, "_read", lambda *_: None, "TypeError: "),
        (SqliteStore, "_read", _refusal, "UsageError: a directory/ca/mock.sqlite is damaged"),
        (SqliteStore, "put", lambda *_: None, "the CA's certificates, read from its file: "),
    ],
)
def test_what_is_not_kept_as_it_was_is_found(
    place: type, name: str, wrong: object, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A directory that loses the history, and a CA whose file keeps what was removed, or nothing."""
    document: Document = {
        **COMPARED, "ca": {"approval": "manual"},
        "printer": {"communication": {"url": "http://ca.example/scep"}},
        "steps": [
            {"auto_request": {"start_in": "1s", "polling": {"count": 1, "interval": "1m"},
                              "key": {"name": "tls", "common_name": "192.0.2.10", "length": 1024}}},
            {"advance": "10s"}, {"ca_operator": {"forget": "transactions"}}, {"advance": "10m"}, {"expect": {"always": "all"}},
        ],
    }  # fmt: skip
    scenario = scenario_of(document)
    assert scenario is not None
    assert compared(document, carried_out(scenario), ["kept-on-disk"]) == []
    monkeypatch.setattr(place, name, wrong)
    (violation,) = compared(document, carried_out(scenario), ["kept-on-disk"])
    assert violation.text.startswith(text)


def _elsewhere(stored: Mapping[str, object]) -> DeviceState:
    try:
        return _FROM_STORED(stored)
    except UsageError:
        raise unusable("elsewhere") from None


def _accepting(stored: Mapping[str, object]) -> DeviceState:
    with contextlib.suppress(UsageError):
        return _FROM_STORED(stored)
    return DeviceState.first()


def _passing(name: str, kind: rows.Column, value: object) -> object:
    with contextlib.suppress(ValueError):
        return _NAMED(name, kind, value)
    return None


_FROM_STORED, _NAMED = DeviceState.from_stored, rows._named
ENROLLED: Document = {
    **COMPARED, "printer": {"communication": {"url": "http://ca.example/scep"}},
    "steps": [{"request": {"name": "tls", "common_name": "192.0.2.10", "length": 1024}}, {"expect": {"always": "all"}}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("place", "name", "wrong", "text"),
    [
        (DeviceState, "from_stored", _accepting, r"the state of a printer with a wrong value at '\S+' is accepted"),
        (DeviceState, "from_stored", _elsewhere, r"the state of a printer with .* is refused for another place: .*elsewhere"),
        (rows, "_named", _passing, r"the file of a CA with a wrong value at '\S+' (ends in|is refused for another)"),
        (SqliteStore, "_read", _refusal, r"the file of a CA .* is refused for another place: a directory/ca/mock.sqlite is"),
    ],
)  # fmt: skip
def test_damage_that_is_not_refused_in_its_place_is_found(
    place: object, name: str, wrong: object, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _damaged() == []
    monkeypatch.setattr(place, name, wrong)
    (said,) = _damaged()
    assert re.match(text, said), said


def _damaged() -> list[str]:
    scenario = scenario_of(ENROLLED)
    assert scenario is not None
    return [violation.text for violation in compared(ENROLLED, carried_out(scenario), ["damage-is-refused"])]


def _other_target(source, scheme):  # type: ignore[no-untyped-def]
    return replace(_READ_REQUEST(source, scheme), target="/elsewhere")


def _one_byte_less(self, count, deadline):  # type: ignore[no-untyped-def]
    return _RECEIVE(self, count, deadline)[:-1]


def _refused(source, scheme):  # type: ignore[no-untyped-def]
    raise Unreadable(414, "The target is too long.")


_READ_REQUEST, _RECEIVE = server.read_request, SocketSource.receive


@pytest.mark.parametrize(
    ("place", "name", "wrong", "text"),
    [
        (server, "read_request", _other_target, "over sockets, the server reads .*target='/elsewhere'.* instead of .*"),
        (server, "read_request", _refused, "over sockets, the server reads None instead of .*"),
        (SocketSource, "receive", _one_byte_less, "the reply to GET .*GetCACaps is ConnectionLost: .* over sockets, and Http"),
    ],
)  # fmt: skip
def test_an_exchange_that_is_different_over_sockets_is_found(
    place: object, name: str, wrong: object, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _over_sockets(ENROLLED) == []
    monkeypatch.setattr(place, name, wrong)
    (said,) = _over_sockets(ENROLLED)
    assert re.match(text, said), said


@pytest.mark.parametrize(
    "fault",
    ["http-slow", "reset", {"delay": "30s"}, {"truncate": {"after": 0}}, {"truncate": {"after": 150}}],
    ids=str,
)
def test_every_delivery_is_the_same_over_sockets(fault: object) -> None:
    rule = {"when": {"type": "PKCSReq"}, "faults": [fault]}
    assert _over_sockets({**ENROLLED, "ca": {"script": [rule]}}) == []


def test_a_request_with_https_is_the_same_over_sockets() -> None:
    way = OverSockets()
    serve = way.served(lambda request, client: delivery_of(HttpReply(200, body=client.encode())))
    serve(outgoing(HttpRequest("GET", "/", scheme="https"), "ca.example", 443), "192.0.2.10")
    built = world.build(scenario_of(ENROLLED), seed=1)  # type: ignore[arg-type]
    assert list(way.wrong(built)) == []


def _over_sockets(document: Document) -> list[str]:
    scenario = scenario_of(document)
    assert scenario is not None
    return [violation.text for violation in compared(document, carried_out(scenario), ["carriers-agree"])]


CUTS = [(at, nth) for at in ("state-written", "state-renamed") for nth in (1, 2)]


REFUSED: Document = {**ENROLLED, "steps": [{"printer_clock": "2026-01-01 12:00"}, *ENROLLED["steps"]]}
"""The certificate is not valid yet by the printer's clock."""


def _cut_in_commit(at: str, nth: int, whole: Document = ENROLLED) -> list[str]:
    """What is wrong after a power failure in a commit of an enrolment; the power does not return."""
    document = {**whole, "steps": [{"power_cut": {"at": at, "nth": nth}}, *whole["steps"]]}
    scenario = scenario_of(document)
    assert scenario is not None
    rule = replace(COMPARISONS["power-fails-while-storing"], other=lambda _: document)
    outcomes = []

    def run(scenario: Scenario) -> CaseOutcome:
        outcomes.append(rule.run(scenario))
        return outcomes[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(COMPARISONS, "cut", replace(rule, run=run))  # type: ignore[arg-type]
        found = [violation.text for violation in compared(document, carried_out(scenario), ["cut"])]
    assert any(isinstance(event.event, PowerFailed) for event in outcomes[0].events) or found, "the power did not fail"
    return found


def test_after_a_failure_while_a_state_is_written_every_rule_holds() -> None:
    """A certificate that was stored, or refused, before the CA heard of it is not an orphan without a cause."""
    assert [_cut_in_commit(*cut) for cut in CUTS] == [[]] * len(CUTS)
    assert [_cut_in_commit(at, nth + 1, REFUSED) for at, nth in CUTS] == [[]] * len(CUTS)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("printer.json", "printer.json is damaged: it was cut off, or changed"),
        ("other.json", "other.json is not a file of"),
    ],
)
def test_a_commit_that_is_not_atomic_or_leaves_files_is_found(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slip(path: Path, octets: bytes) -> None:
        _WRITE(path.parent / name, b"" if name == "other.json" else octets.replace(b"tls", b"web"))
        _WRITE(path, octets)

    monkeypatch.setattr(DirectoryStorage, "_write", staticmethod(slip))
    assert any(text in said for cut in CUTS for said in _cut_in_commit(*cut))


_WRITE = DirectoryStorage._write


_ASKS: Document = {"request": {"name": "tls", "common_name": "192.0.2.10", "challenge": "s"}}
_CUT: Document = {"power_cut": {"at": "PKCSReq.after", "off": "1s"}}
RIGHT: Mapping[str, tuple[Document, list[Document]]] = {
    "a client that knows no capabilities uses GET": ({"profile": "step-ca", "caps_reply": "close"}, [_ASKS]),
    "a CA without PKCSReq refuses it": ({"message_types": []}, [_ASKS]),
    "a CA issues again for a request whose certificate it revoked": (
        {},
        [
            {**_CUT, "power_cut": {"at": "PKCSReq.after"}},
            _ASKS,
            {"ca_operator": {"revoke": "*"}},
            {"power_on": None},
            {"advance": "1m"},
        ],
    ),
    "a manual request and an automatic one with a restart end at the same instant": (
        {},
        [
            {"power_cut": {"at": "commit-request-ended.before", "off": "1s"}},
            {"ca_script": [{"faults": [{"delay": {"seconds": "1d"}}], "times": 1}]},
            {**_ASKS, "request": {**_ASKS["request"], "wait": False}},
            {"auto_request": {"start_in": "1s", "restart": True, "key": {**_ASKS["request"], "name": "web"}}},
            {"advance": "1m"},
        ],
    ),
    "no key can be made for a new transaction after a lost reply": (
        {"script": [{"then": "none"}]},
        [
            {"auto_request": {"start_in": "1s", "polling": {"count": 1, "interval": "1m"}, "key": _ASKS["request"]}},
            {"advance": "1s"},
            {"key_generation": "fails"},
            {"advance": "1m"},
        ],
    ),
    "a CA issues again for the same request": ({"retransmission": "again"}, [_CUT, _ASKS, {"advance": "1m"}]),
}


@pytest.mark.parametrize("name", RIGHT)
def test_what_a_search_once_reported_and_is_right_violates_no_rule(name: str) -> None:
    ca, steps = RIGHT[name]
    printer = {**ENROLLED["printer"], "settings": {"resend": "new-transaction"}}
    case = {
        **ENROLLED, "printer": printer, "ca": {"challenge": {"static": "s"}, **ca}, "steps": [*steps, ENROLLED["steps"][-1]],
    }  # fmt: skip
    scenario = scenario_of(case)
    assert scenario is not None
    outcome = carried_out(scenario)
    assert outcome.violations == ()
    assert any(event.kind == "mock.request" for event in outcome.events)


def test_a_short_search_reaches_much_and_says_what_it_missed() -> None:
    search = Search(1, Space())
    while search.cases < 400:
        list(search.round())
    assert not search.found
    reached = {name for name in SOMETIMES if search.reached[name]}
    assert {"orphan", "renewed", "detail-deferred", "refused-timer-on", "ca-decides-success"} <= reached
    assert len(reached) > len(SOMETIMES) // 2
