"""The control port: each act, what it refuses, and that nothing but this machine's programs reach it."""

from __future__ import annotations

import http.client
import json

import pytest

from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.http_octets import reply_of
from mfp_sim.shared.scep.http_messages import HttpRequest
from mock_scep_server.control import ControlService
from mock_scep_server.server import ServerHost

JSON = ("Content-Type", "application/json")


class Port:
    """Asks the control service as a program does."""

    def __init__(self, ca, files=None) -> None:
        self.service = ControlService(ca.service, files)

    def ask(self, method: str, target: str, body: object = None, headers=(JSON,)) -> tuple[int, object]:
        octets = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
        request = HttpRequest(method, target, (("Host", "127.0.0.1:9"), *headers), octets)
        reply = reply_of(self.service.handle(request, "127.0.0.1").octets)
        assert reply.header("Content-Type") == "application/json; charset=utf-8"
        return reply.status, json.loads(reply.body)

    def post(self, target: str, **body: object) -> object:
        status, value = self.ask("POST", target, body)
        assert status == 200, value
        return value


@pytest.fixture
def port():
    return Port


def test_a_queue_is_worked_off_over_the_port(make_ca, clients, port) -> None:
    ca = make_ca("{approval: manual}")
    control, (first, second) = port(ca), clients(ca, 2)
    first.enrol()
    second.enrol()
    _, queue = control.ask("GET", "/queue")
    assert [entry["subject"] for entry in queue] == ["CN=printer-0.example", "CN=printer-1.example"]
    assert control.post("/approve", pattern="CN=printer-0*") == {"count": 1}
    assert control.post("/reject", pattern=second.transaction, fail_info=2, text="no") == {"count": 1}
    assert (first.poll().words, second.poll().words) == ("SUCCESS", "badRequest: no")
    assert control.ask("GET", "/queue") == (200, [])


def test_status_clock_ledger_and_journal(make_ca, make_client, port) -> None:
    ca = make_ca()
    control, client = port(ca), make_client(ca)
    client.enrol()
    ca.get("/?operation=GetCACaps")
    status = control.ask("GET", "/status")[1]
    assert (status["profile"], status["requests"], status["waiting"]) == ("rfc8894", 2, 0)
    assert status["ledger"] == {"minted": 1, "delivered": 1, "installed": 0, "orphaned": 1}
    assert control.ask("GET", "/clock") == (200, {"now": "2026-03-02T12:00:00+00:00"})
    serial = f"{client.certificate.serial:x}"
    assert control.ask("GET", "/ledger")[1]["entries"][0]["serial"] == serial
    assert control.post("/installed", serial=serial) == {"ok": True}
    assert control.ask("GET", "/ledger")[1]["entries"][0]["cause"] is None
    journal = control.ask("GET", "/journal?since=1")[1]
    assert (journal["count"], [entry["name"] for entry in journal["entries"]]) == (2, ["GetCACaps"])
    assert "s3cret" not in json.dumps(control.ask("GET", "/journal")[1])


def test_a_script_is_looked_at_and_swapped_and_its_mistakes_have_places(make_ca, make_client, port) -> None:
    ca = make_ca(script="[{then: pending, times: 2}]")
    control = port(ca)
    assert make_client(ca).enrol().words == "PENDING"
    (rule,) = control.ask("GET", "/script")[1]
    assert (rule["rule"], rule["then"], rule["fitted"], rule["taken"]) == (1, "pending", 1, 1)
    status, now = control.ask("PUT", "/script", [{"when": {"type": "PKCSReq"}, "then": {"failure": 4, "text": "x"}}])
    assert (status, now[0]["then"], now[0]["taken"]) == (200, "failure 4", 0)
    assert make_client(ca, "other.example", 3).enrol().words == "badCertId: x"
    status, told = control.ask("PUT", "/script", [{"when": {"tpye": "PKCSReq"}, "then": "pending"}])
    assert status == 400
    (problem,) = told["problems"]
    assert (problem["line"], problem["column"], problem["remedy"]) == (1, 12, "did you mean 'type'?")
    assert problem["text"].startswith(f"script:1:12: {problem['message']}")
    assert make_client(ca, "third.example", 4).enrol().words == "badCertId: x"  # the old one still holds


def test_hold_release_revoke_challenge_roll_over_and_reset(make_ca, clients, port) -> None:
    ca = make_ca("{challenge: {one_time: {cache: 1}}}")
    control, (first, second) = port(ca), clients(ca, 2)
    secret = control.post("/challenge", subject="CN=printer-0*")["challenge"]
    status, told = control.ask("POST", "/challenge", {})
    assert (status, told["error"].startswith("1 challenge passwords are outstanding")) == (400, True)
    assert first.enrol(secret).words == "SUCCESS"
    assert control.post("/revoke", pattern="CN=printer-0*", reason="superseded") == {"count": 1}
    assert first.renewed().enrol(None, kind=17).words == "badRequest: the certificate is revoked"
    control.post("/hold", pattern="*")
    assert second.enrol(control.post("/challenge")["challenge"]).words == "PENDING"
    control.post("/release", pattern="*")
    assert second.poll().words == "SUCCESS"
    before = ca.service.authority
    told = control.post("/roll-over", publish="0s", switch="1h", overlap="1h")
    assert (
        ca.service.authorities.default.next(ca.clock.now()).issuer.certificate.fingerprint()
        == told["next_ca_certificate"]
    )
    ca.pass_time(hours=1)
    assert ca.service.authority is not before
    control.post("/reset")
    assert ca.service.journal.entries == ()
    assert ca.minted == 0
    assert second.poll().words == "badCertId: no such transaction"


REFUSED = [
    ("POST", "/approve", b"{", 400, "the body is not JSON"),
    ("POST", "/approve", b"[" * 100_000, 400, "the body is not JSON"),
    ("POST", "/approve", b"[]", 400, "the body has to be an object"),
    ("POST", "/approve", {"patern": "*"}, 400, "unknown: patern (known names: pattern, transaction)"),
    ("POST", "/approve", {"pattern": ["*"]}, 400, "pattern has to be a text"),
    ("POST", "/reject", {"fail_info": 9}, 400, "fail_info has to be 0 to 4"),
    ("POST", "/revoke", {}, 400, "missing: pattern"),
    (
        "POST",
        "/revoke",
        {"pattern": "*", "reason": "boredom"},
        400,
        "reason has to be one of unspecified, keyCompromise",
    ),
    ("POST", "/roll-over", {"publish": "1h"}, 400, "missing: switch"),
    (
        "POST",
        "/roll-over",
        {"publish": "2h", "switch": "1h"},
        400,
        "the next CA must be published before it takes over",
    ),
    ("POST", "/roll-over", {"publish": "soon", "switch": "1h"}, 400, "'soon' is not a duration"),
    ("POST", "/challenge", {}, 400, "this CA has no one-time challenges"),
    ("POST", "/installed", {"serial": "zz"}, 404, "there is no certificate of serial number 'zz'"),
    ("GET", "/journal?since=x", None, 400, "since has to be a number"),
    ("GET", "/approve", None, 405, "/approve supports POST"),
    ("DELETE", "/script", None, 405, "/script supports GET and PUT"),
    ("GET", "/../etc/passwd", None, 404, "there is no /../etc/passwd"),
]


@pytest.mark.parametrize(("method", "target", "body", "status", "error"), REFUSED, ids=[row[4] for row in REFUSED])
def test_what_is_wrong_is_said(make_ca, port, method, target, body, status, error) -> None:
    got, told = port(make_ca()).ask(method, target, body)
    assert (got, told["error"][: len(error)]) == (status, error)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ((("Content-Type", "text/plain"),), 415),
        ((JSON, ("Origin", "http://evil.example")), 403),
        ((), 415),
    ],
)
def test_what_a_page_in_a_browser_could_send_is_refused(make_ca, port, headers, status: int) -> None:
    ca = make_ca()
    assert port(ca).ask("POST", "/hold", {"pattern": "*"}, headers)[0] == status
    assert port(ca).ask("POST", "/hold", {"pattern": "*"})[0] == 200


def test_another_host_name_is_refused(make_ca) -> None:
    request = HttpRequest("GET", "/status", (("Host", "rebound.example"),))
    assert b"403" in ControlService(make_ca().service).handle(request, "127.0.0.1").octets[:20]


def test_the_index_tells_every_act(make_ca, port) -> None:
    told = port(make_ca()).ask("GET", "/")[1]
    assert "POST /approve" in told
    assert len(told) == 25


def test_over_a_socket(make_ca) -> None:
    ca = make_ca()
    with ServerHost(ControlService(ca.service)) as host:
        connection = http.client.HTTPConnection(host.host, host.port, timeout=20)
        connection.request("POST", "/hold", json.dumps({"pattern": "CN=x*"}), dict([JSON]))
        assert connection.getresponse().read() == b'{\n  "count": 1\n}\n'
        connection.request("GET", "/status")
        assert json.load(connection.getresponse())["profile"] == "rfc8894"
        connection.close()


def test_the_operator_refuses_a_rollover_of_a_ca_that_is_not_there(make_ca) -> None:
    ca = make_ca("{identifiers: {names: [a], strict: true}}")
    with pytest.raises(UsageError, match="there is no CA 'b'"):
        ca.service.operator.roll_over(ca.clock.now(), ca.clock.now(), identifier="b")
