"""Each part of an expectation decides; and what the runner makes of refusals, premises, errors and real servers."""

from __future__ import annotations

import sys
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from types import ModuleType
from typing import Any

import freezegun.api
import pytest

from mfp_sim.device.keystore import KeyEntry
from mfp_sim.device.status import STATE_LABELS
from mfp_sim.events import MockRequest
from mfp_sim.scenario import expectations, runner
from mfp_sim.scenario.expectations import DETAILS, Expectation, check
from mfp_sim.scenario.loader import read_text
from mfp_sim.scenario.model import Scenario
from mfp_sim.scenario.premises import Failure
from mfp_sim.scenario.runner import StepDone, carry_out, frozen, one_freeze, run
from mfp_sim.scenario.world import World, build
from mfp_sim.shared.errors import DocumentError, UsageError
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.simtime import SystemClock

HEAD = """\
format: 1
name: judged
why: Something is judged.
clock: 2026-03-02T08:00:00+01:00
printer:
  functions: [TLS, IPSec]
  policies: [hq]
  communication: {url: http://ca.example/scep, timeout: 45s}
"""
CA = "ca: {challenge: {static: s3cret}}\n"
BY_HAND = (
    "  - request: {name: hq1, common_name: 192.0.2.10, organization: Acme, challenge: s3cret, use: IPSec, policy: hq}\n"
)
REFUSED = "  - request: {name: bad, common_name: 192.0.2.10, challenge: s3cre}\n"
TIMER = (
    "  - auto_request: {start: 2026-03-03 09:00, key: {name: dot1x, common_name: 192.0.2.10, challenge: s3cret},"
    " polling: {count: 2, interval: 10m}}\n"
)
STEPS_TAKEN = BY_HAND + "  - restart\n" + TIMER
WAITS = "ca: {challenge: {static: s3cret}, script: [{when: {type: PKCSReq}, then: pending}]}\n"
PLACE = "x.yaml:{}:5"


def scenario(steps: str, ca: str = CA, head: str = HEAD) -> Scenario:
    end = "" if "expect:" in steps else "  - expect: {powered: true}\n"
    (found,) = read_text(f"{head}{ca}steps:\n{steps}{end}", "x.yaml")
    return found


def differences(steps: str, field: str, value: str, ca: str = CA) -> list[tuple[str, str, str]]:
    result = run(scenario(f"{steps}  - expect: {{{field}: {value}}}\n", ca))
    assert all(not failure.error for failure in result.failures), result.failures
    return [(failure.path, failure.expected, failure.got) for failure in result.failures]


def mistakes(steps: str) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        scenario(steps)
    return [str(problem).partition(": ")[2] for problem in caught.value.problems]


# --- each part of a field decides -------------------------------------------------------------------------

WRONG = [
    ("status", "none", "status", "no row", "to-be-processed"),
    ("status", "{state: successful}", "status.state", "successful", "to-be-processed"),
    ("status", "{details: deferred}", "status.details", "deferred", "none"),
    ("status", "{key: hq1}", "status.key", "hq1", "dot1x"),
    ("status", "{method: manual}", "status.method", "manual", "automatic"),
    ("status", "{time: 2026-03-03 09:01}", "status.time", "2026-03-03 09:01", "2026-03-03 09:00"),
    ("status", "{time: '2026-03-03 09:00:01'}", "status.time", "2026-03-03 09:00:01", "2026-03-03 09:00:00"),
    ("statuses", "[]", "statuses", "0 rows", "2: to-be-processed, successful"),
    ("history", "{count: 2}", "history.count", "2", "1"),
    ("history", "{successful: 0}", "history.successful", "0", "1"),
    ("history", "{error: 1}", "history.error", "1", "0"),
    ("keys", "[]", "keys", "0 keys", "1: hq1"),
    ("keys", "[{name: hq1}, {name: hq1}]", "keys", "2 keys", "1: hq1"),
    ("keys", "[{default: true}]", "keys", "1 keys", "2: Default Key, hq1"),
    ("keys", "[{default: true}, {name: other}]", "keys[1].name", "other", "hq1"),
    ("keys", "[{name: hq2}]", "keys[0].name", "hq2", "hq1"),
    ("keys", "[{use: TLS}]", "keys[0].use", "TLS", "IPSec"),
    ("keys", "[{policy: branch}]", "keys[0].policy", "branch", "hq"),
    ("keys", "[{policy: null}]", "keys[0].policy", "None", "hq"),
    ("keys", "[{assigned: false}]", "keys[0].assigned", "False", "True"),
    ("keys", "[{default: false, certificate: {common_name: a}}]", "keys[0].certificate.common_name", "a", "192.0.2.10"),
    ("keys", "[{certificate: {organization: null}}]", "keys[0].certificate.organization", "None", "Acme"),
    ("keys", "[{certificate: {common_name: null}}]", "keys[0].certificate.common_name", "None", "192.0.2.10"),
    ("keys", "[{certificate: {fits_key: false}}]", "keys[0].certificate.fits_key", "False", "True"),
    ("keys", "[{certificate: {key_length: 1024}}]", "keys[0].certificate.key_length", "1024", "2048"),
    ("keys", "[{certificate: {issuer: CN=a}}]", "keys[0].certificate.issuer", "CN=a", "CN=Mock SCEP CA (tests only),O=mfp-sim"),
    ("keys", "[{certificate: {signed_by_ca: false}}]", "keys[0].certificate.signed_by_ca", "False", "True"),
    ("keys", "[{certificate: {validity: expired}}]", "keys[0].certificate.validity", "expired", "valid"),
    ("key_count", "3", "key_count", "3", "2"),
    ("requests", "[PKCSReq, GetCACert, GetCACaps]", "requests", "['PKCSReq', 'GetCACert', 'GetCACaps']",
     "['GetCACaps', 'GetCACert', 'PKCSReq']"),
    ("requests", "[GetCACaps, GetCACert]", "requests", "['GetCACaps', 'GetCACert']",
     "['GetCACaps', 'GetCACert', 'PKCSReq']"),
    ("request_count", "{GetCACaps: 2}", "request_count.GetCACaps", "2", "1"),
    ("request_count", "{GetCACert: 0}", "request_count.GetCACert", "0", "1"),
    ("request_count", "{PKCSReq: 0}", "request_count.PKCSReq", "0", "1"),
    ("request_count", "{RenewalReq: 1}", "request_count.RenewalReq", "1", "0"),
    ("messages_at", "[]", "messages_at", "[]", "['2026-03-02 08:00:00']"),
    ("messages_at", "[2026-03-02 08:00, 2026-03-02 08:00]", "messages_at",
     "['2026-03-02 08:00', '2026-03-02 08:00']", "['2026-03-02 08:00']"),
    ("sent_at", "{GetCACaps: ['2026-03-02 08:00:01']}", "sent_at.GetCACaps", "['2026-03-02 08:00:01']",
     "['2026-03-02 08:00:00']"),
    ("sent_at", "{PKCSReq: []}", "sent_at.PKCSReq", "[]", "['2026-03-02 08:00:00']"),
    ("transactions", "2", "transactions", "2", "1"),
    ("ledger", "{minted: 0}", "ledger.minted", "0", "1"),
    ("ledger", "{delivered: 2}", "ledger.delivered", "2", "1"),
    ("ledger", "{installed: 0}", "ledger.installed", "0", "1"),
    ("ledger", "{orphaned: 1}", "ledger.orphaned", "1", "0"),
    ("next_request", "2026-03-03 09:01", "next_request", "2026-03-03 09:01", "2026-03-03 09:00"),
    ("next_request", "'2026-03-03 09:00:01'", "next_request", "2026-03-03 09:00:01", "2026-03-03 09:00:00"),
    ("next_request_within", "{from: '2026-03-03 08:00:00', to: '2026-03-03 08:59:59'}", "next_request_within",
     "from 2026-03-03 08:00:00 to 2026-03-03 08:59:59", "2026-03-03 09:00:00"),
    ("audit", "[registered, no such thing]", "audit[1]", "an entry with 'no such thing'", None),
    ("powered", "false", "powered", "False", "True"),
    ("communication", "{url: http://b.example/}", "communication.url", "http://b.example/", "http://ca.example/scep"),
    ("communication", "{timeout: 30}", "communication.timeout", "30", "45"),
]  # fmt: skip


@pytest.mark.parametrize(("field", "value", "path", "expected", "got"), WRONG)
def test_each_part_is_compared(field: str, value: str, path: str, expected: str, got: str | None) -> None:
    ((where, wanted, found),) = differences(STEPS_TAKEN, field, value)
    assert (where, wanted) == (path, expected)
    assert got is None or found == got


def test_a_row_after_the_first_is_compared() -> None:
    wrong = "[{key: dot1x}, {key: hq2, method: automatic, time: 2026-03-02 08:00}]"
    assert differences(STEPS_TAKEN, "statuses", wrong) == [
        ("statuses[1].key", "hq2", "hq1"),
        ("statuses[1].method", "automatic", "manual"),
    ]


RIGHT = [
    (STEPS_TAKEN, "statuses", "[{key: dot1x, details: none}, {key: hq1, method: manual, time: 2026-03-02 08:00}]"),
    (STEPS_TAKEN, "keys", "[{name: Default Key, default: true}, {name: hq1, default: false, assigned: true}]"),
    (STEPS_TAKEN, "keys",
     "[{certificate: {common_name: 192.0.2.10, organization: Acme, key_length: 2048, signed_by_ca: true}}]"),
    (STEPS_TAKEN, "keys", "[{certificate: {issuer: 'CN=Mock SCEP CA (tests only),O=mfp-sim', validity: valid}}]"),
    (STEPS_TAKEN, "communication", "{url: http://ca.example/scep, port: 80, timeout: 45}"),
    (STEPS_TAKEN, "request_count", "{GetCACaps: 1, GetCACert: 1, PKCSReq: 1, RenewalReq: 0, CertPoll: 0}"),
    (STEPS_TAKEN, "next_request_within", "{from: '2026-03-03 08:00:00', to: '2026-03-03 09:00:00'}"),
    (STEPS_TAKEN, "next_request", "'2026-03-03 09:00:00'"),
    (BY_HAND + REFUSED, "history", "{count: 2, successful: 1, error: 1}"),
    (BY_HAND + REFUSED, "status", "{state: error, details: fail-info-2, key: bad}"),
    (BY_HAND + REFUSED, "transactions", "2"),
    (BY_HAND + REFUSED, "sent_at", "{PKCSReq: ['2026-03-02 08:00:00', '2026-03-02 08:00:00']}"),
    ("  - restart\n", "status", "none"),
    ("  - restart\n", "statuses", "[]"),
    ("  - restart\n", "keys", "[]"),
    ("  - restart\n", "keys", "[{default: true, certificate: {signed_by_ca: false}}]"),
    ("  - restart\n", "requests", "[]"),
    ("  - restart\n", "messages_at", "[]"),
    ("  - restart\n", "transactions", "0"),
    ("  - restart\n", "next_request", "none"),
    ("  - restart\n", "ledger", "{minted: 0, installed: 0}"),
    (BY_HAND + "  - advance_to: 2028-03-02 08:00\n", "keys", "[{certificate: {validity: expired}}]"),
]  # fmt: skip


@pytest.mark.parametrize(("steps", "field", "value"), RIGHT)
def test_what_is_so_passes(steps: str, field: str, value: str) -> None:
    assert differences(steps, field, value) == []


def test_where_there_is_nothing_it_is_said() -> None:
    nothing = "  - restart\n"
    assert differences(nothing, "status", "{state: error}") == [("status", "{'state': 'error'}", "no row")]
    assert differences(nothing, "keys", "[{name: a}]") == [("keys", "1 keys", "0: none")]
    assert differences(nothing, "next_request", "2026-03-03 09:00") == [("next_request", "2026-03-03 09:00", "none")]
    span = "{from: '2026-03-03 08:00:00', to: '2026-03-03 10:00:00'}"
    told = "from 2026-03-03 08:00:00 to 2026-03-03 10:00:00"
    assert differences(nothing, "next_request_within", span) == [("next_request_within", told, "none")]
    bare = scenario(
        f"{nothing}  - expect: {{communication: {{port: 80}}}}\n", "", HEAD.replace("  communication", "  #")
    )
    (failure,) = run(bare).failures
    assert (failure.path, failure.expected, failure.got) == ("communication.port", "80", "None")


def test_a_transaction_is_one_however_often_it_is_asked_about() -> None:
    steps = TIMER + "  - advance_to: 2026-03-03 10:00\n"
    polls = "  script: [{when: {type: PKCSReq}, then: pending}, {when: {type: CertPoll, nth: 1}, then: pending}]\n"
    ca = f"ca:\n  challenge: {{static: s3cret}}\n{polls}"
    assert differences(steps, "requests", "[GetCACaps, GetCACert, PKCSReq, CertPoll, CertPoll]", ca) == []
    assert differences(steps, "transactions", "1", ca) == []
    assert differences(steps, "messages_at", "[2026-03-03 09:00, 2026-03-03 09:10, 2026-03-03 09:20]", ca) == []
    wrong = "[2026-03-03 09:00, 2026-03-03 09:10, '2026-03-03 09:20:01']"
    ((path, _, got),) = differences(steps, "messages_at", wrong, ca)
    assert (path, got) == ("messages_at", "['2026-03-03 09:00', '2026-03-03 09:10', '2026-03-03 09:20:00']")
    too_few = differences(steps, "messages_at", "[2026-03-03 09:00, '2026-03-03 09:10:00']", ca)
    assert [got for *_, got in too_few] == ["['2026-03-03 09:00', '2026-03-03 09:10:00', '2026-03-03 09:20:00']"]


def test_a_certificate_that_is_not_valid_yet_is_so_by_the_printers_clock() -> None:
    steps = BY_HAND + "  - advance: 1m\n  - expect: {powered: true}\n"
    world = _world(scenario(steps))
    entry = next(entry for entry in world.printer.key_list() if entry.name == "hq1")
    valid = {"valid": 0, "not-yet-valid": -1, "expired": 1}
    for name, side in valid.items():
        edge = entry.certificate.not_before if side < 0 else entry.certificate.not_after
        now = edge + timedelta(seconds=side)
        world.printer.clock = _At(now)  # type: ignore[assignment]
        assert expectations._validity(entry, world) == name
    world.printer.clock = _At(entry.certificate.not_before)  # type: ignore[assignment]
    assert expectations._validity(entry, world) == "valid"


class _At(SystemClock):
    def __init__(self, now: datetime) -> None:
        self._now = now

    def now(self) -> datetime:
        return self._now


def test_a_key_that_does_not_fit_and_a_certificate_of_another_ca_are_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(KeyEntry, "fits", property(lambda _: False))
        told = differences(BY_HAND, "keys", "[{certificate: {fits_key: true}}]")
        assert told == [("keys[0].certificate.fits_key", "True", "False")]
        ((path, expected, got),) = differences(BY_HAND, "sound", "true")
        assert (path, expected) == ("sound", "True")
        assert "the certificate of 'hq1' is not for its key" in got
    world = _world(scenario(BY_HAND))
    default = next(entry for entry in world.printer.key_list() if entry.default)
    assert not expectations._signed_by_ca(default, world)


# --- what is read -----------------------------------------------------------------------------------------

MISTAKES = [
    ("{}", "expect has no expectation"),
    ("{statuss: none}", "unknown key 'statuss' in expect (did you mean 'statuses'?)"),
    ("{status: {stat: error}}", "unknown key 'stat' in status (did you mean 'state'?)"),
    ("{status: {state: eror}}", "state has to be one of"),
    ("{status: {details: fail-info-5}}", "details has to be one of"),
    ("{status: {details: top-error-40}}", "details has to be one of"),
    ("{status: {details: top-error-4040}}", "details has to be one of"),
    ("{status: {details: top-error-4o4}}", "details has to be one of"),
    ("{status: {details: top-error-x04}}", "details has to be one of"),
    ("{status: {details: top-eror-503}}", "(did you mean 'top-error-503'?)"),
    ("{status: {details: bottom-error-404}}", "details has to be one of"),
    ("{status: {method: by-hand}}", "method has to be one of"),
    ("{status: {time: noon}}", "time has to be YYYY-MM-DD HH:MM[:SS][+HH:MM], not 'noon'"),
    ("{status: {}}", "status has no expectation"),
    ("{status: nothing}", "status has to be none or {state: …, details: …, time: …, key: …, method: …}, not 'nothing'"),
    ("{statuses: [{}]}", "an entry of statuses has no expectation"),
    ("{statuses: [{state: error}, {state: eror}]}", "state has to be one of"),
    ("{statuses: [{stat: error}]}", "unknown key 'stat' in an entry of statuses (did you mean 'state'?)"),
    ("{statuses: {state: error}}", "statuses has to be a list"),
    ("{history: {pending: 1}}", "unknown key 'pending' in history"),
    ("{history: {count: -1}}", "count has to be at least 0"),
    ("{history: 5}", "history has to be a map"),
    ("{keys: [{names: a}]}", "unknown key 'names' in a key (did you mean 'name'?)"),
    ("{keys: [{certificate: {cn: a}}]}", "unknown key 'cn' in certificate"),
    ("{keys: [5]}", "a key has to be a map"),
    ("{keys: [{certificate: 5}]}", "certificate has to be a map"),
    ("{keys: 5}", "keys has to be a list"),
    ("{key_count: -1}", "key_count has to be at least 0"),
    ("{key_count: many}", "key_count has to be an integer"),
    ("{requests: [GetCaps]}", "an entry of requests has to be one of"),
    ("{requests: PKCSReq}", "requests has to be a list"),
    ("{messages_at: [9]}", "an entry of messages_at has to be a string"),
    ("{messages_at: now}", "messages_at has to be a list"),
    ("{sent_at: {PKCS: []}}", "a key of sent_at has to be one of GetCACaps, GetCACert, PKCSReq, RenewalReq, CertPoll, not 'PKCS' (did you mean 'PKCSReq'?)"),
    ("{sent_at: []}", "sent_at has to be a map"),
    ("{sent_at: {PKCSReq: now}}", "PKCSReq has to be a list"),
    ("{sent_at: {PKCSReq: [now]}}", "an entry of PKCSReq has to be YYYY-MM-DD HH:MM[:SS][+HH:MM], not 'now'"),
    ("{next_request: soon}", "next_request has to be"),
    ("{next_request_within: {from: '2026-03-03 09:00:00'}}", "next_request_within needs the key 'to'"),
    ("{next_request_within: {to: '2026-03-03 09:00:00'}}", "next_request_within needs the key 'from'"),
    ("{next_request_within: {from: soon, to: '2026-03-03 09:00:00'}}", "from has to be"),
    ("{next_request_within: {from: 2026-03-03 09:00, to: '2026-03-03 09:00:00'}}", "from needs seconds"),
    ("{next_request_within: {from: '2026-03-03 09:00:00', to: 2026-03-03 09:00+01:00}}", "to needs seconds"),
    ("{next_request_within: {frm: '2026-03-03 09:00:00', to: '2026-03-03 09:00:00', from: '2026-03-03 09:00:00'}}", "frm"),
    ("{audit: registered}", "audit has to be a list"),
    ("{audit: [5]}", "an entry of audit has to be a string"),
    ("{powered: on-battery}", "powered has to be"),
    ("{communication: {host: a}}", "unknown key 'host' in communication"),
    ("{communication: 5}", "communication has to be a map"),
    ("{status: null}", "status has to be none or {state: …, details: …, time: …, key: …, method: …}, not nothing"),
    ("{keys: [{certificate: {issuer: null}}]}", "issuer has to be a string, not nothing"),
    ("{keys: [{use: null}]}", "use has to be one of None, TLS, IEEE 802.1X, IPSec, SIP, Device Signature, not nothing"),
    ("{sent_at: {}}", "sent_at is empty (add a value"),
    ("{communication: {url: ''}}", "url is empty (add a value"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "words"), MISTAKES)
def test_a_mistake_in_an_expectation_is_told_once_in_its_words(text: str, words: str) -> None:
    (told,) = mistakes(f"  - expect: {text}\n")
    assert words in told


@pytest.mark.parametrize("state", STATE_LABELS)
def test_every_state_can_be_expected(state: str) -> None:
    ((path, expected, _),) = differences("  - restart\n", "status", f"{{state: {state}}}")
    assert (path, expected) == ("status", f"{{'state': '{state}'}}")


@pytest.mark.parametrize("detail", [*DETAILS, "top-error-404", "top-error-503"])
def test_every_detail_can_be_expected(detail: str) -> None:
    ((path, expected, _),) = differences("  - restart\n", "status", f"{{details: {detail}}}")
    assert (path, expected) == ("status", f"{{'details': '{detail}'}}")


@pytest.mark.parametrize("operation", ["GetCACaps", "GetCACert", "PKCSReq", "RenewalReq", "CertPoll"])
def test_every_operation_can_be_expected(operation: str) -> None:
    assert differences("  - restart\n", "requests", f"[{operation}]") == [("requests", f"['{operation}']", "[]")]
    assert differences("  - restart\n", "request_count", f"{{{operation}: 1}}") == [
        (f"request_count.{operation}", "1", "0")
    ]
    assert differences("  - restart\n", "sent_at", f"{{{operation}: []}}") == []


def test_what_the_details_are() -> None:
    assert DETAILS == (
        "none", "deferred", "registration-limit", "top-error", "scep-error",
        "fail-info-0", "fail-info-1", "fail-info-2", "fail-info-3", "fail-info-4",
    )  # fmt: skip


def test_what_nothing_says_stands_with_its_remedy_and_its_place() -> None:
    with pytest.raises(DocumentError) as caught:
        scenario('  - expect: {audit: [""]}\n')
    assert [str(problem) for problem in caught.value.problems] == [
        "x.yaml:11:22: an entry of audit is empty (add a value, or leave it out)"
    ]


def test_the_text_of_a_step_names_the_fields() -> None:
    result = run(scenario("  - expect: {powered: true, key_count: 1}\n"))
    assert [step.text for step in result.steps] == ["expect powered, key_count"]
    assert [event.data["text"] for event in result.events if event.kind == "step"] == ["expect powered, key_count"]


# --- on a real server -------------------------------------------------------------------------------------


def _world(scenario: Scenario) -> World:
    world = build(scenario, seed=1)
    records: list = []
    with frozen(world):
        for number, step in enumerate(scenario.steps, 1):
            assert carry_out(world, step, number, records)
    return world


def _checked(text: str) -> tuple[list[str], list[str]]:
    """The paths that fail on a server without a ledger, and those that cannot be observed there."""
    return _checked_in(text)[:2]


def _checked_in(text: str, steps: str = BY_HAND) -> tuple[list[str], list[str], int]:
    """The same, and how many expectations count as observed."""
    read = scenario(f"{steps}  - expect: {{{text}}}\n")
    world = _world(replace(read, steps=read.steps[:-1]))
    world.ca = None
    expectation = read.steps[-1].act
    assert isinstance(expectation, Expectation)
    failures = [failure.path for failure in check(expectation, world, 2)]
    return failures, [text.partition(": ")[2] for text in world.unobserved], world.observed


@pytest.mark.parametrize(
    ("text", "failed", "unobserved"),
    [
        ("ledger: {minted: 7}", [], ["ledger"]),
        ("waiting: [CN=x]", [], ["waiting"]),
        ("orphans: [reset]", [], ["orphans"]),
        ("keys: [{certificate: {signed_by_ca: true}}]", [], ["keys[0].certificate.signed_by_ca"]),
        ("keys: [{certificate: {signed_by_ca: false}}]", [], ["keys[0].certificate.signed_by_ca"]),
        ("keys: [{certificate: {signed_by_ca: true, common_name: a}}]", ["keys[0].certificate.common_name"],
         ["keys[0].certificate.signed_by_ca"]),
        ("status: {time: 2026-03-02 07:59}", [], ["status.time"]),
        ("status: {time: 2026-03-02 08:01}", ["status.time"], []),
        ("status: {time: 2026-03-02 08:00}", [], []),
        ("statuses: [{time: 2026-03-02 07:00, key: b}]", ["statuses[0].key"], ["statuses[0].time"]),
        ("messages_at: [2026-03-02 07:59]", [], ["messages_at"]),
        ("messages_at: [2026-03-02 08:01]", ["messages_at"], []),
        ("messages_at: [2026-03-02 07:59, 2026-03-02 07:59]", ["messages_at"], []),
        ("messages_at: []", ["messages_at"], []),
        ("sent_at: {PKCSReq: [2026-03-02 07:59], CertPoll: []}", [], ["sent_at.PKCSReq"]),
        ("sent_at: {PKCSReq: [2026-03-02 08:00], CertPoll: [2026-03-02 07:59]}", ["sent_at.CertPoll"], []),
        ("next_request: 2026-03-02 07:59", ["next_request"], []),
        ('next_request_within: {from: "2026-03-02 07:00:00", to: "2026-03-02 07:59:00"}', ["next_request_within"], []),
        ("key_count: 5", ["key_count"], []),
        ("ledger: {minted: 7}, key_count: 5", ["key_count"], ["ledger"]),
    ],
)  # fmt: skip
def test_what_a_real_server_does_not_show_is_said_and_all_else_fails(
    text: str, failed: list[str], unobserved: list[str]
) -> None:
    assert _checked(text) == (failed, unobserved)


@pytest.mark.parametrize(
    ("text", "observed"),
    [
        ("ledger: {minted: 7}", 0),
        ("key_count: 2", 1),
        ("key_count: 2, powered: true, ledger: {minted: 7}", 2),
        ("keys: [{certificate: {signed_by_ca: true}}]", 0),
        ("keys: [{name: a, certificate: {signed_by_ca: true}}]", 1),
        ("status: {time: 2026-03-02 07:59}", 0),
        ("status: {time: 2026-03-02 08:00}", 1),
        ("status: {time: 2026-03-02 07:59, state: successful}", 1),
        ("status: {time: 2026-03-02 07:59, state: {one_of: [successful, error]}}", 1),
        ("statuses: [{time: 2026-03-02 07:59}]", 0),
        ("audit_entries: {holding: registered, are: [{time: 2026-03-02 07:59}]}", 1),
        ("sent_at: {PKCSReq: [2026-03-02 07:59]}", 0),
        ("sent_at: {PKCSReq: [2026-03-02 07:59], CertPoll: []}", 1),
        ("bundle_report: []", 1),
    ],
)
def test_an_expectation_counts_as_observed_if_a_part_of_it_was(text: str, observed: int) -> None:
    assert _checked_in(text)[2] == observed


@pytest.mark.parametrize(
    ("text", "unobserved", "observed"),
    [
        ("messages_at: [2026-03-02 07:59, 2026-03-02 08:00]", ["messages_at"], 0),
        ("messages_at: [2026-03-02 08:00, 2026-03-02 08:00]", [], 1),
        ("sent_at: {PKCSReq: [2026-03-02 07:59, 2026-03-02 08:00]}", ["sent_at.PKCSReq"], 0),
        ("sent_at: {PKCSReq: [2026-03-02 07:59, 2026-03-02 08:00], GetCACert: [2026-03-02 07:59, 2026-03-02 08:00]}",
         ["sent_at.PKCSReq", "sent_at.GetCACert"], 0),
        ("sent_at: {PKCSReq: [2026-03-02 07:59, 2026-03-02 08:00], CertPoll: []}", ["sent_at.PKCSReq"], 1),
        ("next_request: 2026-03-02 07:59", ["next_request"], 0),
        ('next_request_within: {from: "2026-03-02 07:00:00", to: "2026-03-02 07:59:00"}', ["next_request_within"], 0),
        ('next_request_within: {from: "2026-03-03 08:59:00", to: "2026-03-03 09:01:00"}', [], 1),
    ],
)  # fmt: skip
def test_several_dates_that_have_passed_are_not_observed_either(
    text: str, unobserved: list[str], observed: int
) -> None:
    """One difference is about the whole list or span."""
    twice = BY_HAND + BY_HAND.replace("hq1", "hq2")
    assert _checked_in(text, twice + TIMER) == ([], unobserved, observed)


def test_a_time_that_is_the_present_one_can_be_observed() -> None:
    read = scenario(BY_HAND + "  - advance: 1h\n  - expect: {status: {time: 2026-03-02 09:00}}\n")
    world = _world(replace(read, steps=read.steps[:2]))
    world.ca = None
    expectation = read.steps[-1].act
    assert isinstance(expectation, Expectation)
    (failure,) = check(expectation, world, 3)
    assert (failure.step, failure.path, failure.expected, failure.got) == (
        3, "status.time", "2026-03-02 09:00", "2026-03-02 08:00",
    )  # fmt: skip
    assert (failure.place, world.unobserved) == ("x.yaml:13:22", [])


URL = "http://real.example/scep"


@pytest.mark.parametrize(
    ("steps", "ca", "reason"),
    [
        (BY_HAND, WAITS, "it scripts the CA, which is impossible with a real server"),
        (BY_HAND + "  - ca_script: []\n", CA, "it scripts the CA, which is impossible with a real server"),
        (BY_HAND + "  - ca_operator: {forget: transactions}\n", CA, "it scripts the CA, which is impossible with a"),
        (BY_HAND, "ca: {profile: ndes-2016}\n", "it sets ca.profile, which is impossible with a real server"),
        (BY_HAND, "ca: {ra: single, caps: []}\n", "it sets ca.ra, ca.caps, which is impossible with a real server"),
        (BY_HAND, "ca: {challenge: {one_time: {}}}\n", "it sets ca.challenge, which is impossible with a real server"),
        (
            BY_HAND + "  - network: refused\n",
            CA,
            "it changes the network or needs a fixed date, which is only possible in the simulation",
        ),
        (BY_HAND + "  - advance_to: 2026-03-03 09:00\n", CA, "it changes the network or needs a fixed date, which is"),
        (
            TIMER,
            CA,
            "its automatic request starts at 2026-03-03 09:00, which has passed (use start_in)",
        ),
    ],
)
def test_what_a_real_server_cannot_do_is_skipped_with_the_reason(steps: str, ca: str, reason: str) -> None:
    read = scenario(steps, ca)
    result = run(read, ca_url=URL, seed=7, flips=("A-22",))
    assert result.skipped is not None
    assert result.skipped.startswith(reason)
    assert not result.passed
    assert (result.seed, result.flips, result.failures, result.steps, result.events) == (7, ("A-22",), (), (), ())
    assert (result.virtual_seconds, result.real_seconds) == (0.0, 0.0)


def test_a_url_in_the_file_is_a_real_server_too() -> None:
    result = run(scenario(BY_HAND + "  - network: refused\n", f"ca: {{url: {URL}}}\n"))
    assert result.skipped == "it changes the network or needs a fixed date, which is only possible in the simulation"


@pytest.mark.parametrize(
    ("steps", "ca"),
    [
        (BY_HAND, "ca: {profile: rfc8894, script: [], challenge: none}\n"),
        (BY_HAND, CA),
        (BY_HAND, ""),
        (BY_HAND, f"ca: {{url: {URL}}}\n"),
        (TIMER.replace("start: 2026-03-03 09:00", "start_in: 1d"), CA),
        (TIMER + "    refused: login-required\n    as: logged-out\n", CA),
    ],
)
def test_what_a_real_server_can_do_is_not_skipped(steps: str, ca: str) -> None:
    now = datetime(2026, 3, 3, 8, 0, 1, tzinfo=timezone.utc)
    assert runner._not_for_a_real_server(scenario(steps, ca), now) is None


def test_a_start_at_this_very_instant_has_not_passed() -> None:
    nine = datetime(2026, 3, 3, 8, tzinfo=timezone.utc)
    assert runner._not_for_a_real_server(scenario(TIMER, CA), nine) is None
    assert runner._not_for_a_real_server(scenario(TIMER, CA), nine + timedelta(seconds=1)) is not None


# --- refusals, errors, and what a run gives ---------------------------------------------------------------

TRIED = "  - request: {name: hq1, common_name: 192.0.2.10, challenge: s3cret}\n    as: user\n"


def test_a_refusal_is_judged_by_its_reason() -> None:
    (not_expected,) = run(scenario(TRIED)).failures
    assert (not_expected.step, not_expected.place, not_expected.path) == (1, PLACE.format(11), "request")
    assert not_expected.expected == "the step is carried out"
    assert not_expected.got.startswith("refused: not-administrator (")
    assert not not_expected.error
    other = run(scenario(TRIED + "    refused: login-required\n")).failures
    assert other == (Failure(1, PLACE.format(11), "refused", "login-required", "not-administrator"),)
    result = run(scenario(TRIED + "    refused: not-administrator\n"))
    assert result.failures == ()
    (told,) = [event.data for event in result.events if event.kind == "step.refused"]
    assert told["reason"] == "not-administrator"
    assert told["text"]
    none = run(scenario(BY_HAND + "    refused: not-administrator\n")).failures
    assert none == (Failure(1, PLACE.format(11), "refused", "not-administrator", "it was not refused"),)


def test_a_run_goes_on_after_a_failure_and_judges_what_comes_later() -> None:
    steps = "  - expect: {key_count: 5}\n  - expect: {powered: false}\n"
    assert [(f.step, f.path) for f in run(scenario(steps)).failures] == [(1, "key_count"), (2, "powered")]


def test_the_listener_is_told_of_each_step_with_its_own_failures() -> None:
    told: list[StepDone] = []
    read = scenario("  - expect: {key_count: 5}\n  - advance: 1h\n  - expect: {powered: false}\n")
    result = run(read, listener=told.append)
    assert [[failure.path for failure in done.failures] for done in told] == [["key_count"], [], ["powered"]]
    assert tuple(done.record for done in told) == result.steps
    assert [done.scenario for done in told] == [read] * 3
    one = datetime(2026, 3, 2, 7, tzinfo=timezone.utc)
    two = one + timedelta(hours=1)
    assert [(r.number, r.place, r.begun, r.ended) for r in result.steps] == [
        (1, PLACE.format(11), one, one), (2, PLACE.format(12), one, two), (3, PLACE.format(13), two, two),
    ]  # fmt: skip
    assert [event.data["number"] for event in result.events if event.kind == "step"] == [1, 2, 3]
    assert result.virtual_seconds == 3600
    assert result.real_seconds >= 0


def test_an_exception_ends_the_run_and_says_where(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("no such thing")

    read = scenario("  - advance: 1h\n  - restart\n  - expect: {powered: false}\n")
    monkeypatch.delenv("MFP_SIM_DEBUG", raising=False)
    monkeypatch.setattr(type(read.steps[1].act), "act", broken)
    told: list[StepDone] = []
    result = run(read, listener=told.append)
    (failure,) = result.failures
    assert failure.error
    assert (failure.step, failure.place, failure.path, failure.expected) == (
        2, PLACE.format(12), "restart", "the step is carried out",
    )  # fmt: skip
    line = broken.__code__.co_firstlineno + 1
    assert failure.got == (
        f"internal error: KeyError: 'no such thing' (test_verdicts.py, line {line}; please report it; "
        "MFP_SIM_DEBUG=1 shows all)"
    )
    assert [record.number for record in result.steps] == [1, 2]
    assert [done.failures for done in told] == [(), (failure,)]
    assert not result.passed
    monkeypatch.setenv("MFP_SIM_DEBUG", "1")
    with pytest.raises(KeyError):
        run(read)


def test_a_bound_that_is_exceeded_is_an_error_of_bounds() -> None:
    read = scenario("  - advance: 2d\n  - expect: {powered: true}\n", CA + "bounds: {virtual: 1d}\n")
    (failure,) = run(read).failures
    assert failure.error
    assert (failure.step, failure.path, failure.expected) == (1, "bounds", "the scenario ends within its bounds")
    assert "exceeds its bound of 1 days" in failure.got


def test_an_error_of_ours_is_told_in_its_words_and_no_premise_is_asked_then(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise UsageError("it cannot be used", remedy="take another")

    read = scenario("  - power_cut: {at: CertPoll.before}\n  - restart\n")
    monkeypatch.setattr(type(read.steps[1].act), "act", broken)
    wanted = ("restart", "the step is carried out", "it cannot be used (take another)")
    assert run(read).failures == (Failure(2, PLACE.format(12), *wanted, error=True),)


def test_a_set_up_that_is_refused_is_an_error_at_its_place() -> None:
    read = scenario(BY_HAND)
    bad = replace(read, printer=replace(read.printer, url="no-url"))
    result = run(bad, seed=9, flips=("A-22",))
    (failure,) = result.failures
    assert failure.error
    assert (failure.step, failure.path, failure.expected) == (0, "set-up", "the step is carried out")
    assert failure.place == read.printer.place
    assert failure.place.startswith("x.yaml:")
    assert (result.seed, result.flips, result.steps, result.events, result.virtual_seconds) == (
        9,
        ("A-22",),
        (),
        (),
        0.0,
    )
    assert 0 <= result.real_seconds < 3600
    assert result.redactor.text("s3cret") != "s3cret"
    assert not result.passed
    (nowhere,) = run(replace(bad, printer=replace(bad.printer, place=""))).failures
    assert nowhere.place == "x.yaml:1:1"
    (flip,) = run(read, flips=("A-22=nothing",)).failures
    assert "A-22" in flip.got


def test_a_state_directory_of_an_earlier_run_is_an_error_in_process(tmp_path: Path) -> None:
    assert run(scenario(BY_HAND), state_dir=tmp_path).failures == ()
    assert (tmp_path / "printer-1").is_dir()
    (failure,) = run(scenario(BY_HAND), state_dir=tmp_path).failures
    assert failure.error
    assert "has the state of an earlier run" in failure.got


def test_the_seed_and_the_flips_are_those_of_the_run() -> None:
    read = scenario(BY_HAND)
    own, other = run(read), run(read, seed=2)
    assert (own.seed, other.seed) == (read.seed, 2)
    assert own.flips == ()
    assert run(read, flips=("A-22",)).flips == ("A-22",)
    assert [e.to_json() for e in own.events] == [e.to_json() for e in run(read, seed=read.seed).events]
    assert [e.to_json() for e in own.events] != [e.to_json() for e in other.events]


def test_what_a_run_keeps() -> None:
    bare, kept = run(scenario(BY_HAND)), run(scenario(BY_HAND), keep_messages=True)
    assert bare.attachments == ()
    assert kept.attachments
    assert [e.to_json() for e in bare.events] == [e.to_json() for e in kept.events]
    assert [entry.certificate.subject_text for entry in bare.ledger] == ["CN=192.0.2.10,O=Acme"]
    assert bare.redactor.text("s3cret") != "s3cret"
    assert bare.passed


def test_a_challenge_stands_in_for_the_scenarios_own() -> None:
    result = run(scenario(BY_HAND.replace("s3cret", "0ther")), challenge="0ther")
    assert result.failures == ()
    assert result.redactor.text("0ther") != "0ther"


def test_everything_in_the_process_sees_the_scenarios_time_until_the_run_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    import time

    seen: list[datetime] = []
    read = scenario("  - restart\n  - advance: 1d\n  - restart\n")
    before = type(read.steps[0].act).act

    def looks(self, world: World, role: str) -> object:
        seen.append(datetime.fromtimestamp(time.time(), timezone.utc))
        return before(self, world, role)

    monkeypatch.setattr(type(read.steps[0].act), "act", looks)
    assert run(read).failures == ()
    first = datetime(2026, 3, 2, 7, tzinfo=timezone.utc)
    assert seen[0] == first
    assert seen[1] - timedelta(days=1) - first < timedelta(minutes=2)
    assert seen[1] - first >= timedelta(days=1)
    assert "freezegun" not in type(datetime.now(timezone.utc)).__module__


@pytest.mark.parametrize("name", ["docker.of_a_test", "testcontainers.of_a_test"])
def test_a_module_that_acts_when_it_is_read_is_not_read(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Testcontainers asks for a Docker engine when freezegun reads the attributes of its modules."""

    class Acts(ModuleType):
        def __dir__(self) -> list[str]:
            raise AssertionError("it was read")

    monkeypatch.setitem(sys.modules, name, Acts(name))
    assert run(scenario("  - restart\n")).failures == ()


def test_many_scenarios_share_one_freeze_and_each_sees_its_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """freezegun walks over all modules once; only the system's clock goes on between the scenarios and in them."""
    seen: list[tuple[str, float]] = []
    read = [scenario(f"  - restart\n  - advance: {days}d\n  - restart\n") for days in (1, 5)]
    before, began = type(read[0].steps[0].act).act, SystemClock().now()

    def looks(self, world: World, role: str) -> object:
        assert datetime.now(timezone.utc) == world.clock.now()
        assert SystemClock().now() - began < timedelta(hours=1)
        seen.append(("scenario", world.clock.now().timestamp()))
        return before(self, world, role)

    walks: list[object] = []
    walk = freezegun.api._get_cached_module_attributes
    monkeypatch.setattr(
        "freezegun.api._get_cached_module_attributes", lambda module: walks.append(module) or walk(module)
    )
    monkeypatch.setattr(type(read[0].steps[0].act), "act", looks)
    with one_freeze():
        first = len(walks)
        results = [run(one) for one in read]
    assert [result.failures for result in results] == [(), ()]
    assert len(seen) == 4
    assert seen[0] == seen[2]
    assert first == len(walks) > 100
    assert all(result.real_seconds > 0 for result in results)
    assert "freezegun" not in type(datetime.now(timezone.utc)).__module__


@pytest.mark.parametrize(
    ("module", "real"),
    [
        ("_pytest", True), ("xdist", True), ("execnet", True), ("hypothesis", True), ("concurrent", True),
        ("multiprocessing", True), ("rich", True), ("others", False),
    ],
)  # fmt: skip
def test_whoever_runs_the_scenarios_sees_real_time(module: str, real: bool) -> None:
    space: dict[str, Any] = {"__name__": f"{module}.part"}
    exec("import time\ndef now():\n    return time.time()", space)

    def below(depth: int) -> float:  # beyond the frames that freezegun looks at, pytest's among them
        return float(space["now"]()) if depth == 0 else below(depth - 1)

    world = build(scenario(BY_HAND), seed=1)
    with frozen(world):
        seen = below(9)
    assert (seen != world.clock.now().timestamp()) is real


def test_certificates_are_compared_by_who_signed_them() -> None:
    world = _world(scenario(BY_HAND))
    entry = next(entry for entry in world.printer.key_list() if entry.name == "hq1")
    assert isinstance(entry.certificate, Certificate)
    assert expectations._signed_by_ca(entry, world)
    world.ca = None
    assert expectations._signed_by_ca(entry, world) is None


def test_other_events_name_no_transaction() -> None:
    world = _world(scenario(BY_HAND))
    world.recorder.record(MockRequest(client="192.0.2.10", method="POST", name="PKCSReq", transaction="another"))
    assert list(expectations._transactions(1, world)) == []
    assert list(expectations._transactions(2, world)) == [("transactions", "2", "1")]


def test_the_last_four_entries_are_shown_where_one_is_missing() -> None:
    world = _world(scenario(BY_HAND + REFUSED))
    lines = [f"{entry.operation} {entry.result}: {entry.diagnosis}" for entry in world.printer.audit]
    assert len(lines) > 4
    assert list(expectations._audit(["no such thing"], world)) == [
        ("audit[0]", "an entry with 'no such thing'", "; ".join(lines[-4:]))
    ]
