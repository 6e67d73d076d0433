"""What a mock that runs for months must not do: hold a lock, fill the memory, give a challenge to another site."""

from __future__ import annotations

import base64
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from mfp_sim.shared.scep.crl import Crl
from mfp_sim.shared.scep.http_messages import HttpRequest
from mfp_sim.shared.simtime import Entropy
from mock_scep_server.challenges import CommandChallenge, OneTimeChallenges
from mock_scep_server.control import ControlService
from mock_scep_server.faults import base

JSON = ("Content-Type", "application/json")
LOGIN = ("Authorization", "Basic " + base64.b64encode(b"admin:pw").decode())
NDES = "{challenge: {one_time: {cache: 2}}, admin_page: {user: admin, password: pw}}"


def test_a_challenge_command_holds_no_lock_while_it_runs(make_ca, make_client) -> None:
    """The command waits until another client has been answered: with a lock around it, it never would be."""
    reading, writing = os.pipe()
    program = f"import os; os.read({reading}, 1)"
    asking = threading.Event()

    class Command(CommandChallenge):
        def check(self, csr, now):
            asking.set()
            return super().check(csr, now)

    command = Command([sys.executable, "-c", program], seconds=60)
    os.set_inheritable(reading, True)
    real = __import__("subprocess").run

    def run(*arguments, **options):
        return real(*arguments, **options, close_fds=False)

    with pytest.MonkeyPatch.context() as patch, ThreadPoolExecutor(1) as other:
        patch.setattr("mock_scep_server.challenges.subprocess.run", run)
        ca = make_ca(challenge=command)
        slow = other.submit(make_client(ca).enrol)
        assert asking.wait(60)
        poller = make_client(ca, "printer-2.example", 2)
        assert poller.poll().words == "badCertId: no such transaction"  # decided under the lock
        os.write(writing, b"x")
        assert slow.result(60).words == "SUCCESS"
    os.close(reading)
    os.close(writing)


def test_a_command_is_asked_once_for_each_decision(make_ca, make_client) -> None:
    asked: list[str] = []

    class Command(CommandChallenge):
        def check(self, csr, now):
            asked.append(csr.subject_text)
            return None if len(asked) < 3 else "refused now"

    ca = make_ca(challenge=Command(["unused"]))
    client = make_client(ca)
    assert client.enrol().words == "SUCCESS"
    assert client.enrol().words == "SUCCESS"  # the same request again has its answer
    assert len(asked) == 1
    assert make_client(ca, "b.example", 2).enrol().words == "SUCCESS"
    assert make_client(ca, "c.example", 3).enrol().words == "badRequest: refused now"
    assert len(asked) == 3
    assert client.renewed().enrol(None, kind=17).words == "SUCCESS"  # a renewal needs no challenge
    assert len(asked) == 3


def _admin(ca, *headers: tuple[str, str], method: str = "GET"):
    return ca.ask(HttpRequest(method, "/certsrv/mscep_admin/", (LOGIN, *headers)))


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ((("Host", "rebound.example"),), "the Host is not a name of this server (add it with --server-name)"),
        ((("Host", "["),), "the Host is not a host"),
        ((("Host", "127.0.0.1:80"), ("Origin", "http://evil.example")), "the Origin is another site"),
        ((("Host", "127.0.0.1:80"), ("Origin", "null")), "the Origin is another site"),
        ((("Host", "127.0.0.1:80"), ("Sec-Fetch-Site", "cross-site")), "a page of another site sends the request"),
    ],
)
def test_another_site_gets_no_challenge(make_ca, headers, why: str) -> None:
    ca = make_ca(NDES)
    ca.service.answer_to(["ca.example"])
    page = _admin(ca, *headers)
    assert page.status == 403
    assert "password is" not in page.body.decode("utf-16")
    assert ca.decisions == [f"no challenge: {why}"]
    assert ca.service.challenge.outstanding(ca.clock.now()) == 0


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "OPTIONS"])
def test_only_get_gets_a_challenge(make_ca, method: str) -> None:
    ca = make_ca(NDES)
    assert _admin(ca, method=method).status == 405
    assert ca.service.challenge.outstanding(ca.clock.now()) == 0


@pytest.mark.parametrize(
    "headers",
    [
        (),
        (("Host", "ca.example:8080"),),
        (("Host", "CA.example"), ("Origin", "http://ca.example"), ("Sec-Fetch-Site", "same-origin")),
        (("Host", "192.0.2.1"),),
        (("Host", "[2001:db8::1]:80"),),
        (("Host", "localhost"),),
    ],
)
def test_whoever_asks_by_a_name_of_the_server_gets_one(make_ca, headers) -> None:
    ca = make_ca(NDES)
    ca.service.answer_to(["ca.example"])
    assert "password is" in _admin(ca, *headers).body.decode("utf-16")


def test_challenges_that_expired_long_ago_are_forgotten(make_ca) -> None:
    challenges, now = OneTimeChallenges(Entropy(1), cache=1), make_ca().clock.now()
    for hour in range(0, 1000, 2):
        challenges.give(now + timedelta(hours=hour))
    assert len(challenges._given) <= 2


def test_what_faults_remember_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_TURNS", 10)
    memory = base.Memory()
    assert [memory.turn("at", "x" * 100_000) for _ in range(3)] == [1, 2, 3]
    for number in range(20):
        memory.turn("at", str(number))
    assert len(memory._turns) == 10
    assert all(len(scope) <= 64 for _, scope in memory._turns)


def test_what_the_judge_remembers_is_of_one_size(make_ca, make_client) -> None:
    ca = make_ca()
    client = make_client(ca)
    for _ in range(2):
        client.enrol(transaction_id="t" * 100_000)
    judge = ca.service.parts.judge
    assert {len(key) for key in (*judge._nonces, *judge._transactions, *judge._transactions.values())} == {32}


WRONG_TYPES = [
    ("/approve", {"pattern": None}, "pattern has to be a text"),
    ("/approve", {"pattern": 5}, "pattern has to be a text"),
    ("/approve", {"pattern": True}, "pattern has to be a text"),
    ("/hold", {"pattern": {}}, "pattern has to be a text"),
    ("/release", {"pattern": []}, "pattern has to be a text"),
    ("/reject", {"fail_info": "2"}, "fail_info has to be a whole number"),
    ("/reject", {"fail_info": 2.0}, "fail_info has to be a whole number"),
    ("/reject", {"fail_info": True}, "fail_info has to be a whole number"),
    ("/reject", {"text": 1}, "text has to be a text"),
    ("/revoke", {"pattern": "*", "reason": 1}, "reason has to be a text"),
    ("/installed", {"serial": 5}, "serial has to be a text"),
    ("/challenge", {"subject": 5}, "subject has to be a text"),
    ("/roll-over", {"publish": 0, "switch": "1h"}, "publish has to be a text"),
    ("/roll-over", {"publish": "0s", "switch": "99999999d"}, "'99999999d' is too long (the longest is 36525d)"),
    ("/roll-over", {"publish": "0s", "switch": "9" * 400 + "d"}, "'999"),
    ("/approve", b'{"pattern": "\\ud800"}', "the body contains half of a surrogate pair"),
    ("/approve", b"null", "the body has to be an object"),
    ("/approve", b"5", "the body has to be an object"),
    ("/approve", b'"*"', "the body has to be an object"),
]


def _control(ca, method: str, target: str, body: object, *headers: tuple[str, str]) -> tuple[int, str]:
    import json

    octets = body if isinstance(body, bytes) else json.dumps(body).encode()
    sent = ControlService(ca.service).handle(HttpRequest(method, target, (*headers, JSON), octets), "127.0.0.1").octets
    head, _, told = sent.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(told)["error"]


@pytest.mark.parametrize(("target", "body", "words"), WRONG_TYPES)
def test_the_control_port_refuses_wrong_types_in_words(make_ca, target: str, body, words: str) -> None:
    status, error = _control(make_ca(), "POST", target, body)
    assert (status, error[: len(words)]) == (400, words)


@pytest.mark.parametrize("script", [None, 5, {"then": "pending"}, [None], ["x"], [[]], [{"then": None}]])
def test_a_script_of_another_type_is_refused(make_ca, script) -> None:
    ca = make_ca(script="[{then: pending}]")
    assert _control(ca, "PUT", "/script", script)[0] == 400
    assert len(ca.service.script.rules) == 1


def test_odd_hosts_and_digits_at_the_control_port(make_ca) -> None:
    assert _control(make_ca(), "GET", "/status", b"", ("Host", "["))[0] == 403
    assert _control(make_ca(), "GET", "/journal?since=%C2%B2", b"")[:1] == (400,)


def test_a_crl_of_a_hundred_thousand_entries_is_served(make_ca) -> None:
    ca = make_ca()
    for serial in range(100_000):
        ca.service.revocations.revoke((1 << 126) + serial)
    reply = ca.get(f"/{ca.service.authority.slug}.crl")
    assert reply.status == 200
    assert len(Crl.from_der(reply.body).revoked) == 100_000
    assert ca.decisions == ["CRL 1"]
