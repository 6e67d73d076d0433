"""The search: what it finds and how small it makes it, its limits, and what it shows."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from acts import acts
from searched import NOT_SOUGHT, SOUGHT, searched
from searched_servers import PAGE, rule_rows, server_row
from wrong_servers import SERVERS
from wrong_servers.base import around, reword
from wrong_servers.examined import against

from mfp_sim.conformance import selftest
from mfp_sim.conformance.challenges import Static
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.model import CheckVerdict, Proof
from mfp_sim.exploration.server.acts import Abilities, certificates_of, draw_case
from mfp_sim.exploration.server.case import CaseRun, losing
from mfp_sim.exploration.server.diagram import as_mermaid, as_text
from mfp_sim.exploration.server.history import together, without
from mfp_sim.exploration.server.result import ServerResult
from mfp_sim.exploration.server.rules import ALIVE, RULES
from mfp_sim.exploration.server.search import abilities_of, search_server
from mfp_sim.exploration.server.shrinking import needed, races, smaller
from mfp_sim.shared.errors import ConnectFailed
from mfp_sim.shared.simtime import Entropy, GeneratedKeys

CHALLENGE = "s3lf-test-challenge"
CLEAN = {
    "challenge": Proof(""),
    "one-time challenges": Proof("", setup={"one_time": True}),
    "without a challenge": Proof("", setup={"open": True}),
    "approval": Proof("", setup={"open": True, "approval": "manual", "approve": True}),
}


def without_time(result: ServerResult) -> dict[str, object]:
    return {**result.to_json(), "seconds": None}


def spoilt(monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Any], None], proof: Proof | None = None) -> Any:
    """A bench whose CA is wrong in this way."""
    right = selftest.make_service

    def make(*arguments: Any, **named: Any) -> Any:
        ca = right(*arguments, **named)
        spoil(ca)
        return ca

    monkeypatch.setattr(selftest, "make_service", make)
    return selftest.bench(proof or Proof(""))


class Dying:
    """A transport whose server stops after some requests."""

    def __init__(self, inner: Any, left: int) -> None:
        self._inner, self._left = inner, left

    def exchange(self, *arguments: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise ConnectFailed("the connection was refused")
        return self._inner.exchange(*arguments)


# --- what it finds ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", CLEAN)
def test_the_right_server_keeps_every_rule(shape: str) -> None:
    with selftest.bench(CLEAN[shape]) as session:
        result = search_server(session, seed=2, cases=60, keep_going=True)
    assert result.failures == ()
    assert (result.worst, result.last, result.ended) == (CheckVerdict.PASS, None, "all 60 cases were run")
    assert result.acts > 300
    assert len(result.unjudged) < 8
    assert all(entry.expected for entry in result.minted)


@pytest.mark.parametrize(
    ("profile", "findings"),
    [
        ("strict", set()),
        ("lenient", set()),
        ("legacy-md5-des", set()),
        ("ndes-2008r2", set()),
        ("ndes-2016", set()),
        ("micromdm-2.1", {"transaction-taken", "one-certificate"}),
        ("step-ca", {"transaction-taken", "one-certificate"}),
    ],
)
def test_other_shapes_of_a_ca_break_only_what_they_are_known_for(profile: str, findings: set[str]) -> None:
    """A renewal with the right challenge password is an enrolment, so the old certificate may be revoked."""
    with selftest.bench(Proof("", profile=profile)) as session:
        if profile.startswith("ndes"):  # it returns the certificate of a known key, and the pool has only 32 keys
            session.keys = GeneratedKeys()
        result = search_server(session, seed=5, cases=12 if profile.startswith("ndes") else 60, keep_going=True)
    assert result.held
    assert {failure.rule.slug for failure in result.failures} == findings
    assert all(failure.severity is CheckVerdict.FINDING for failure in result.failures)
    assert result.last is None


@pytest.mark.parametrize("name", [name for name, sought in SOUGHT.items() if sought.in_tests])
def test_a_wrong_server_is_found_and_its_history_is_minimal(name: str) -> None:
    sought = SOUGHT[name]
    failure = searched(name, sought)
    assert failure is not None
    assert failure.repeated
    assert len(failure.history) == sought.size


def test_the_page_is_that_of_the_rules_and_the_servers() -> None:
    """The numbers of the search are written by ``python -m tools.searched_servers``, and checked by its ``--check``."""
    page = PAGE.read_text("utf-8")
    assert rule_rows() in page
    assert all(server_row(name) in page for name in SOUGHT)
    assert page.count("\n| `") == len(RULES) + len(SOUGHT) + len(NOT_SOUGHT)
    assert set(SOUGHT) | set(NOT_SOUGHT) <= set(SERVERS)


def test_the_seed_decides_everything_in_process() -> None:
    def run(seed: int) -> dict[str, object]:
        with against("two-certificates-for-one-request", "challenge") as session:
            return without_time(search_server(session, seed=seed, cases=12, keep_going=True))

    first = run(4)
    assert first["failures"]
    assert run(4) == first
    assert run(5) != first


def test_a_serial_number_of_an_earlier_case_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(ca: Any) -> None:
        """After the positive controls, the serial number of each certificate is that of the one 20 before it."""
        made: list[Any] = []

        def template(original: Any, csr: Any, granted: Any) -> Any:
            made.append(original(csr, granted))
            return replace(made[-1], serial=4711 + len(made) % 20)

        for authority in ca.authorities.all:
            around(authority, "template", template)

    with spoilt(monkeypatch, spoil) as session:
        result = search_server(session, seed=1, cases=20, keep_going=True)
    (failure,) = [failure for failure in result.failures if failure.rule.slug == "serial-once"]
    assert re.fullmatch(r"\d+ got serial 12[67][0-9a-f], which case \d+ got too", failure.text)
    assert not failure.repeated  # two acts are not enough: it takes 20 certificates


def test_what_does_not_fail_again_is_not_repeated() -> None:
    def spoil(ca: Any) -> None:
        """One wrong challenge password is accepted, and no further one."""
        wrong = []

        def check(original: Any, request: Any, now: Any) -> Any:
            reason = original(request, now)
            wrong.extend([reason] if reason is not None else [])
            return None if len(wrong) == 1 else reason

        around(ca.challenge, "check", check)

    with pytest.MonkeyPatch.context() as patch, spoilt(patch, spoil) as session:
        result = search_server(session, seed=1, cases=20)
    (failure,) = result.failures
    assert failure.rule.slug == "challenge-required"
    assert (failure.repeated, failure.severity) == (False, CheckVerdict.FAIL)
    assert failure.state.startswith("not repeated: it did not fail again in ")
    assert len(failure.history) == failure.drawn
    assert failure.to_json(str)["repeated"] is False


def test_a_server_that_stops_ends_the_search() -> None:
    with selftest.bench() as session:
        session.transport = Dying(session.transport, 40)
        result = search_server(session, seed=1, cases=50)
    (failure,) = result.failures
    assert (failure.rule.slug, failure.severity) == (ALIVE, CheckVerdict.FAIL)
    assert failure.state == "not repeated: a limit was reached"
    assert result.ended == "the server no longer replies"
    assert result.last == result.ended


# --- limits -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("budget", [6, 15, 40])
def test_the_budget_is_never_exceeded(monkeypatch: pytest.MonkeyPatch, budget: int) -> None:
    services: list[Any] = []

    def spoil(ca: Any) -> None:
        """Every certificate has the same serial number, so there is much to repeat."""
        services.append(ca)
        for authority in ca.authorities.all:
            around(authority, "template", lambda original, csr, granted: replace(original(csr, granted), serial=4711))

    with spoilt(monkeypatch, spoil) as session:
        session.policy = replace(session.policy, budget=budget)
        result = search_server(session, seed=3, keep_going=True)
    assert len(result.minted) + len(result.untold) <= budget
    assert len(services[0].ledger.entries) <= budget
    assert f"the rest of the budget of {budget} certificates is kept" in result.ended


def test_the_time_ends_it() -> None:
    with selftest.bench() as session:
        pause = lambda *_: session.pause(timedelta(seconds=10))  # noqa: E731
        result = search_server(session, seed=1, seconds=25, progress=pause)
    assert (result.cases, result.ended) == (3, "the time is over")


def test_it_needs_a_limit() -> None:
    with selftest.bench() as session, pytest.raises(ValueError, match="needs a limit"):
        search_server(session, seed=1)


def test_it_stops_after_a_breach_of_security_unless_told_otherwise() -> None:
    with against("challenge-ignored", "challenge") as session:
        result = search_server(session, seed=1, cases=30)
    assert result.ended.startswith("stopped after a breach of security: challenge-required")
    assert result.insecure
    assert result.cases < 30
    with against("challenge-ignored", "challenge") as session:
        result = search_server(session, seed=1, cases=30, keep_going=True)
    assert (result.cases, result.ended) == (30, "all 30 cases were run")
    assert not all(entry.expected for entry in result.minted)


def test_an_interruption_keeps_the_list_of_certificates() -> None:
    def interrupt(number: int, _: str) -> None:
        if number == 3:
            raise KeyboardInterrupt

    with selftest.bench() as session:
        result = search_server(session, seed=1, cases=50, progress=interrupt)
    assert result.ended == "interrupted"
    assert result.minted


# --- nothing is passed that was not searched --------------------------------------------------------------------------


def test_a_server_that_grants_nothing_is_not_searched() -> None:
    with selftest.bench(Proof("", answer="{failure: 2}", when="type: PKCSReq")) as session:
        result = search_server(session, seed=1, cases=5)
    assert not result.held
    assert (result.cases, result.worst) == (0, CheckVerdict.INCONCLUSIVE)
    assert result.ended.startswith("nothing was searched: a right request was not granted: FAILURE badRequest")


def test_a_server_that_does_not_reply_is_not_searched() -> None:
    with selftest.bench() as session:
        session.transport = Dying(session.transport, 0)
        result = search_server(session, seed=1, cases=5)
    assert (result.held, result.worst) == (False, CheckVerdict.INCONCLUSIVE)
    assert result.ended == "nothing was searched: GetCACaps: the connection was refused"


def test_a_server_that_grants_nothing_at_the_end_passes_nothing() -> None:
    with selftest.bench() as session:

        def lock_out(number: int, _: str) -> None:
            if number == 2:
                session.challenges = Static("no longer right")

        result = search_server(session, seed=1, cases=4, progress=lock_out)
    assert result.failures == ()
    assert result.worst is CheckVerdict.INCONCLUSIVE
    assert result.last is not None
    assert result.last.startswith("FAILURE")
    assert any("the last right request was not granted: FAILURE" in line for line in result.lines())


def test_what_was_not_judged_is_listed() -> None:
    with selftest.bench() as session:
        result = search_server(session, seed=1, cases=1)
    assert {"waits-for-operator", "approved-is-granted"} <= set(result.unjudged)
    assert any("not judged: " in line and "waits-for-operator" in line for line in result.lines())


# --- what it shows ----------------------------------------------------------------------------------------------------

HOSTILE = "\x1b[2J; <script>alert(1)</script> #quot; " + CHALLENGE


def _history(session: Client, *words: str) -> Any:
    abilities = abilities_of(session)
    return CaseRun(session, abilities, losing(session), acts(*words)).run()


def test_the_diagram_shows_each_message_and_marks_what_is_wrong() -> None:
    with selftest.bench() as session:
        history = _history(session, "enrol", "+enrol B", "foreign-poll:1 B", "enrol~", "unknown-poll")
        serials = [f"{entry.certificate.serial:x}" for entry in history[:2]]
        lines = list(as_text(history, (3,), session.redactor.text))
    assert lines == [
        "A             B             server",
        "├─────────────┼────────────▶│    1 PKCSReq (t1)",
        f"│◀────────────┼─────────────┤     SUCCESS, serial {serials[0]}",
        "│             │             │     at the same time as the previous message:",
        "│             ├────────────▶│    2 PKCSReq (t2)",
        f"│             │◀────────────┤     SUCCESS, serial {serials[1]}",
        "│             ├────────────▶│  ! 3 CertPoll about message 1, signed with another key (t1)",
        f"│             │◀────────────┤     {history[2].answer.text}",
        "├─────────────┼────────────▶│    4 PKCSReq (t3)",
        "│             │             │     the client closes the connection before the reply",
        "├─────────────┼────────────▶│    5 CertPoll about an unknown transaction (t4)",
        f"│◀────────────┼─────────────┤     {history[4].answer.text}",
    ]


def test_the_diagram_in_mermaid() -> None:
    with selftest.bench() as session:
        history = _history(session, "enrol", "+enrol B", "poll:1", "enrol~")
        drawn = as_mermaid(history, (3,), "A <rule>; with signs.", session.redactor.text)
        serials = [f"{entry.certificate.serial:x}" for entry in history[:3]]
    assert drawn.splitlines() == [
        "sequenceDiagram",
        "    participant A",
        "    participant B",
        "    participant server",
        "    rect rgb(128, 128, 128, 0.1)",
        "    Note over server: at the same time",
        "    A->>server: 1. PKCSReq (t1)",
        f"    server-->>A: SUCCESS, serial {serials[0]}",
        "    B->>server: 2. PKCSReq (t2)",
        f"    server-->>B: SUCCESS, serial {serials[1]}",
        "    end",
        "    A->>server: 3. CertPoll about message 1 (t1)",
        f"    server-->>A: SUCCESS, serial {serials[2]}",
        "    Note over A,server: broken: A #60;rule#62;#59; with signs.",
        "    A->>server: 4. PKCSReq (t3)",
        "    server--xA: the client closes the connection before the reply",
    ]


def test_texts_of_the_server_are_harmless_and_no_secret_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    def spoil(ca: Any) -> None:
        """The second of two equal requests is granted; refusals have a hostile text."""
        seen: set[bytes] = set()

        def check(original: Any, request: Any, now: Any) -> Any:
            reason = original(request, now)
            again = request.der in seen
            seen.add(request.der)
            return None if again else reason

        around(ca.challenge, "check", check)
        reword(ca, lambda reply: replace(reply, fail_info_text=HOSTILE) if reply.status == 2 else reply)

    with spoilt(monkeypatch, spoil) as session:
        result = search_server(session, seed=1, cases=60, keep_going=True)
    refused = [f for f in result.failures if f.rule.slug == "refused-stays-refused"]
    assert refused
    shown = "\n".join(result.lines())
    written = json.dumps(result.to_json(), ensure_ascii=False)
    assert "FAILURE" in shown
    assert "alert" in shown
    for text in (shown, written):
        assert CHALLENGE not in text
        assert "\x1b" not in text
        assert "\\u001b" not in text
    mermaid = str(refused[0].to_json(result.mask)["mermaid"])
    assert "#60;script#62;" in mermaid
    assert "<script>" not in mermaid


def test_json_is_complete() -> None:
    with against("two-certificates-for-one-request", "challenge") as session:
        result = search_server(session, seed=1, cases=15, keep_going=True)
    found = json.loads(json.dumps(result.to_json()))
    assert (found["verdict"], found["security"], found["held"], found["last"]) == ("finding", False, True, None)
    (failure,) = [failure for failure in found["failures"] if failure["rule"] == "one-certificate"]
    assert failure["sections"] == ["5.2", "3.2.1.5"]
    assert failure["history"][0]["kind"] == "enrol"
    first, second = (entry["certificates"][0] for entry in failure["history"])
    assert first["serial"] != second["serial"]
    assert {first["serial"], second["serial"]} <= {entry["serial"] for entry in found["minted"]}
    assert failure["mermaid"].startswith("sequenceDiagram\n")
    assert {rule["rule"] for rule in found["rules"] if rule["broken"]} == {f["rule"] for f in found["failures"]}


# --- over sockets -----------------------------------------------------------------------------------------------------


def test_over_sockets_acts_of_a_round_are_sent_at_the_same_time_and_replies_get_lost(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The server answers the four messages of the first round only when all of them have arrived."""
    waiting: list[Barrier] = []

    def spoil(ca: Any) -> None:
        def handle(original: Any, request: Any, client: str) -> Any:
            if waiting and len(arrived) < 4:
                arrived.append(client)
                waiting[0].wait(timeout=20)
            return original(request, client)

        around(ca, "handle", handle)

    arrived: list[str] = []
    with spoilt(monkeypatch, spoil, Proof("", setup={"sockets": True})) as session:
        abilities = abilities_of(session)
        waiting.append(Barrier(4))
        case = acts("enrol", "+enrol B", "+enrol C", "+repeat:1", "enrol~", "again:5")
        history = CaseRun(session, abilities, losing(session), case).run()
    assert len(arrived) == 4
    assert [entry.granted for entry in history[:4]] == [True] * 4
    assert history[3].certificate == history[0].certificate
    assert not history[4].read
    assert history[5].granted


# --- smaller cases ----------------------------------------------------------------------------------------------------


def test_what_depends_on_a_dropped_act_is_dropped() -> None:
    case = acts("enrol", "enrol B", "other-key:1 B", "repeat:3 B", "poll:2 B")
    assert [act.number for act in without(case, {1})] == [2, 5]
    assert [act.number for act in needed(case, (4,))] == [1, 3, 4]


def test_two_cases_become_one() -> None:
    both = together(acts("enrol", "+repeat:1"), acts("enrol", "poll:1"))
    assert [(act.number, act.round, act.about) for act in both] == [(1, 1, None), (2, 1, 1), (3, 2, None), (4, 3, 3)]


def test_smaller_cases_are_smaller_or_plainer() -> None:
    case = acts("enrol", "+enrol B", "again:1~", "poll:2 B")
    found = list(smaller(case))
    assert len(set(found)) == len(found)
    assert case not in found
    assert acts("enrol", "enrol B", "again:1~", "poll:2 B") in found
    assert acts("enrol", "+enrol B", "again:1", "poll:2 B") in found
    for one in found:
        numbers = {act.number for act in one}
        assert all(act.about is None or act.about in numbers for act in one)
    assert races(case)
    assert not races(acts("enrol~", "poll:1"))


@pytest.mark.parametrize("seed", range(8))
def test_every_drawn_case_can_be_sent(seed: int) -> None:
    for number in range(40):
        case = draw_case(Entropy(seed).fork(f"case {number}"), Abilities())
        assert [act.number for act in case] == list(range(1, len(case) + 1))
        assert all(act.about is None or act.about < act.number for act in case)
        assert [act.round for act in case] == sorted(act.round for act in case)
        assert certificates_of(case) <= len(case)
