"""Messages beside the trace: kept when asked for, masked, decoded; the trace does not know of them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mfp_sim.report.messages import KEPT, answered, asked, exchange_report, kept
from mfp_sim.run_trace import Attachment, Recorder, compare
from mfp_sim.scenario.collection import select
from mfp_sim.scenario.excerpt import excerpt
from mfp_sim.scenario.reporting import report_of
from mfp_sim.scenario.runner import run
from mfp_sim.shared.errors import ConnectionLost
from mfp_sim.shared.redaction import Redactor
from mfp_sim.shared.scep.http_messages import HttpReply, HttpRequest
from mfp_sim.shared.simtime import FrozenClock
from mfp_sim.transport import Overheard, UnderWay

NOW = datetime(2026, 3, 2, tzinfo=UTC)


@pytest.fixture(scope="module")
def result():
    (scenario,) = select(["deferred-twice-then-issued"])
    return run(scenario, keep_messages=True)


def test_the_trace_is_the_same_with_and_without(result) -> None:
    without = run(result.scenario)
    assert compare(result.events, without.events) == []
    assert without.attachments == ()
    assert len(result.attachments) == 5


def test_each_exchange_belongs_to_its_event_and_has_its_octets(result) -> None:
    report = report_of(result)
    assert [exchange.operation for exchange in report.exchanges] == [
        "GetCACaps", "GetCACert", "PKCSReq", "CertPoll", "CertPoll",
    ]  # fmt: skip
    for exchange in report.exchanges:
        event = report.trace[exchange.event]
        assert (event["kind"], event["operation"]) == ("exchange.request", exchange.operation)
        for message in (exchange.request, exchange.reply):
            assert len(message.body) == message.octets
    sent = report.exchanges[2]
    assert sent.request.line.startswith("POST /certsrv/mscep/mscep.dll?operation=PKIOperation")
    facts = answered(sent).facts()
    assert facts["pkiStatus"] == "PENDING"
    assert facts["transactionID"] == report.trace[sent.event]["transaction"]
    assert facts.items() <= dict(answered(sent).elements()).items()
    assert dict(asked(sent).elements())["messageType"] == "PKCSReq"
    assert [e.value for e in answered(report.exchanges[0]).elements()][:1] == ["AES"]


def test_what_was_minted_is_told(result) -> None:
    (minted,) = report_of(result).minted
    assert minted.fate == "installed"
    assert minted.subject == "CN=192.0.2.10,O=Example AS"
    assert minted.not_before < minted.not_after


def test_of_many_exchanges_the_first_and_the_last_are_kept() -> None:
    many = [Attachment(n, NOW, NOW, HttpRequest("GET", "/")) for n in range(KEPT + 5)]
    chosen = [attachment.event for attachment in kept(many)]
    assert len(chosen) == KEPT
    assert (chosen[0], chosen[-1]) == (0, KEPT + 4)
    assert kept(many[:KEPT]) == tuple(many[:KEPT])


class Echo:
    """A server that gives back what it was sent, in every way, or breaks the connection with it."""

    def begin(self, host, port, request, timeout, done):
        if request.method == "GET":
            done(ConnectionLost("lost canary-5c0d"))
        else:
            body = request.body + "canary-5c0d".encode("utf-16-be")
            done(HttpReply(200, "canary-5c0d", (("X", "canary-5c0d"), ("Y", "canary%2d5c0d")), body + b"c%61nary-5c0d"))
        return UnderWay()


def test_a_secret_that_a_server_gives_back_is_overwritten() -> None:
    recorder = Recorder(FrozenClock(NOW))
    wire = Overheard(Echo(), FrozenClock(NOW), recorder)
    told: list[object] = []
    wire.begin("ca", 80, HttpRequest("POST", "/canary-5c0d?canary%2D5c0d", body=b"abc canary-5c0d xyz"), 1, told.append)
    wire.begin("ca", 80, HttpRequest("GET", "/"), 1, told.append)
    assert [type(result) for result in told] == [HttpReply, ConnectionLost]
    recorder.redactor.add("canary-5c0d")  # known only later, as a challenge of a step may be
    shown = repr([exchange_report(attachment) for attachment in recorder.attachments])
    first = recorder.attachments[0]
    assert first.request.body == b"abc *********** xyz"
    assert len(first.reply.body) == len(b"abc canary-5c0d xyz") + 22 + len(b"c%61nary-5c0d")
    assert "canary" not in shown
    assert "5c0d" not in shown
    assert "canary".encode("utf-16-be") not in first.reply.body


@pytest.mark.parametrize(
    "body", [b"", b"0", b"\x30\x80\x00", b"<html>", bytes(range(256)), b"\x30\x82\xff\xff" + b"0" * 9]
)
@pytest.mark.parametrize("query", ["operation=GetCACaps", "operation=PKIOperation&message=%ff", "operation=", ""])
def test_whatever_comes_is_shown(body: bytes, query: str) -> None:
    report = exchange_report(
        Attachment(-1, NOW, NOW, HttpRequest("POST", f"/?{query}", body=body), HttpReply(200, body=body))
    )
    assert report.event is None
    assert report.reply.body == body
    assert all(element.path for content in (asked(report), answered(report)) for element in content.elements())


def test_a_large_body_is_left_out() -> None:
    report = exchange_report(Attachment(0, NOW, NOW, HttpRequest("GET", "/"), HttpReply(200, body=b"0" * 300_000)))
    assert (report.reply.body, report.reply.octets) == (b"", 300_000)


# --- the lines of a failure -------------------------------------------------------------------------------

FILE = """\
format: 1
ca:
  challenge: {static: canary-5c0d}
  script:
    - {when: {type: PKCSReq}, then: pending}
steps:
  - request:
      name: k
      challenge: other-canary
  - expect:
      status: {state: error}
      csr: {challenge: present}

  - restart: {}
"""


@pytest.fixture
def file(tmp_path):
    (tmp_path / "a.scenario.yaml").write_text(FILE)
    return tmp_path / "a.scenario.yaml"


@pytest.mark.parametrize(("line", "numbers"), [(7, (7, 9)), (9, (7, 9)), (11, (10, 12)), (14, (14, 14)), (5, (5, 5))])
def test_a_failure_shows_its_step(file, line: int, numbers: tuple[int, int]) -> None:
    shown = excerpt(f"{file}:{line}:3", Redactor())
    assert (shown[0].number, shown[-1].number) == numbers
    assert [entry.number for entry in shown if entry.marked] == [line]


def test_its_secrets_are_masked_and_words_that_are_none_are_not(file) -> None:
    text = "\n".join(entry.text for line in (9, 12) for entry in excerpt(f"{file}:{line}:1", Redactor()))
    assert "challenge: ********" in text
    assert "challenge: present" in text
    assert "canary" not in text


SPELLINGS = {
    "single quotes": "'it''s-a-canary'",
    "double quotes": r'"it\x27s-a-canary"',
    "plain": "it's-a-canary",
    "a number": "4711081500",
    "a literal block": "|-\n            it's-a-canary\n            and-a-canary",
    "two lines": '"it\'s-a-\n            canary"',
}


@pytest.mark.parametrize("spelling", SPELLINGS.values(), ids=SPELLINGS)
@pytest.mark.parametrize(
    "place",
    [
        "ca:\n  challenge:\n      static: {}\n",
        "ca:\n  challenge:\n    per_subject:\n      CN=a*: {}\n",
        "ca:\n  admin_page:\n      user: admin\n      password: {}\n",
        "steps:\n  - request:\n      name: k\n      challenge: {}\n",
        "steps:\n  - ca_operator:\n      give_challenge: {}\n",
        "steps:\n  - ca_operator:\n      give_challenge:\n        secret: {}\n        subject: CN=shown\n",
        "steps:\n  - import_bundle:\n      name: k\n      password: {}\n",
        "parameters:\n  - name: one\n    pw: {}\nsteps:\n  - request:\n      challenge: $pw\n",
    ],
)
def test_a_secret_is_masked_by_its_place_however_it_is_spelt(tmp_path, place: str, spelling: str) -> None:
    file = tmp_path / "a.scenario.yaml"
    text = f"format: 1\n{place.format(spelling)}why: the end\n"
    file.write_text(text)
    lines = text.count("\n")
    shown = {e.number: e.text for n in range(1, lines + 1) for e in excerpt(f"{file}:{n}:1", Redactor())}
    told = "\n".join(shown.values())
    assert "canary" not in told
    assert "4711" not in told
    assert "********" in told
    assert shown[lines] == "why: the end"  # each line stays where it is
    assert ("CN=shown" in told) == ("CN=shown" in place)


@pytest.mark.parametrize("place", ["nowhere.yaml:1:1", "nowhere.yaml", "", "a:b:c"])
def test_without_a_file_there_are_no_lines(place: str) -> None:
    assert excerpt(place, Redactor()) == ()


def test_a_file_that_has_changed_shows_nothing(file) -> None:
    file.write_text("{")
    assert excerpt(f"{file}:1:1", Redactor()) == ()
