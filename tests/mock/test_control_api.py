"""The described control API: the description is true (schemathesis), and a token keeps out who does not have it."""

from __future__ import annotations

import http.client
import json
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS
from schemathesis.core.failures import Failure, FailureGroup

from mfp_sim.shared.http_octets import reply_of
from mfp_sim.shared.scep.http_messages import HttpRequest
from mfp_sim.shared.simtime import Entropy
from mock_scep_server.app import create_app
from mock_scep_server.control import ControlService
from mock_scep_server.control_routes import openapi
from mock_scep_server.server import ServerHost

TOKEN = "canary-token-11"
JSON = ("Content-Type", "application/json")
YAML = ("Content-Type", "application/yaml")
ROOT = Path(__file__).parents[2]


def ask(control: ControlService, method: str, target: str, body: bytes = b"", *headers: tuple[str, str]):
    """Status, value (None where it is no JSON), and the reply."""
    named = () if any(name == "Host" for name, _ in headers) else (("Host", "127.0.0.1:9"),)
    octets = control.handle(HttpRequest(method, target, (*named, *headers), body), "127.0.0.1").octets
    reply = reply_of(octets)
    assert TOKEN.encode() not in octets
    return reply.status, json.loads(reply.body) if reply.media_type == "application/json" else None, reply


@pytest.fixture
def make_control(make_ca):
    def make(policy: str = "{}", **rest) -> tuple:
        ca = make_ca(policy, script=rest.pop("rules", "[]"))
        return ca, ControlService(ca.service, entropy=Entropy(3), **rest)

    return make


# --- the description --------------------------------------------------------------------------------------


def test_what_is_served_is_what_the_documentation_has(make_control) -> None:
    _, control = make_control()
    status, served, _ = ask(control, "GET", "/openapi.json")
    assert (status, served) == (
        200,
        json.loads((ROOT / "docs" / "reference" / "control.openapi.json").read_text("utf-8")),
    )
    described = {f"{method.upper()} {path}" for path, methods in served["paths"].items() for method in methods}
    assert described == ask(control, "GET", "/")[1].keys()


def test_the_description_has_each_operation_once_and_its_errors(make_control) -> None:
    found = openapi(make_control()[1].routes)
    operations = [one for methods in found["paths"].values() for one in methods.values()]
    names = [one["operationId"] for one in operations]
    assert len(names) == len(set(names)) == 25
    assert all({"200", "400", "401", "403", "429"} <= one["responses"].keys() for one in operations)
    assert "415" in found["paths"]["/approve"]["post"]["responses"]
    assert found["paths"]["/reject"]["post"]["requestBody"]["content"]["application/json"]["schema"]["properties"][
        "fail_info"
    ] == {"type": "integer", "minimum": 0, "maximum": 4, "description": "failInfo of RFC 8894"}


ANSWERED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "unsupported_method",
    "negative_data_rejection",
)
"""The checks of schemathesis. Not among them: that whatever fits is taken, since rules and spans depend on each other."""


def busy(make_control, make_client) -> ControlService:
    """The control port of a CA in whose books there is something of everything."""
    rule = "[{when: {type: GetCRL}, then: none, optional: true, chance: 10%, over: {requests: 5, per: 1m}}]"
    ca, control = make_control("{approval: manual, challenge: {one_time: {}}}", rules=rule)
    client = make_client(ca)
    client.enrol(ca.service.operator.give_challenge())
    ca.service.operator.approve()
    assert client.poll().words == "SUCCESS"
    make_client(ca, "waits.example", 2).enrol(ca.service.operator.give_challenge())
    ca.get("/?operation=GetCACaps&message=odd")
    return control


def conformance(control: ControlService, mode: GenerationMode, examples: int, **only: str) -> list[str]:
    """Asks every operation, or those of a path; the labels of those that have cases."""
    schema: Any = schemathesis.openapi.from_wsgi("/openapi.json", create_app(control))
    schema = schema.include(**only) if only else schema
    tried = set()
    for result in schema.get_all_operations():
        operation = result.ok()
        checks = [CHECKS.get_one(name) for name in ANSWERED]

        @settings(
            max_examples=examples, derandomize=True, deadline=None, database=None, phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        @given(case=operation.as_strategy(generation_mode=mode))
        def holds(case) -> None:
            tried.add(case.operation.label)
            case.call_and_validate(checks=checks)  # noqa: B023 - it is called within the loop

        with suppress(Unsatisfiable):  # without parameters nothing can be wrong
            holds()
    return sorted(tried)


def test_answers_are_as_described(make_control, make_client) -> None:
    control = busy(make_control, make_client)
    assert conformance(control, GenerationMode.POSITIVE, 15) == sorted(
        route.told
        for route in control.routes
        if route.path != "/openapi.json"  # it leaves the description itself out
    )


def test_what_is_not_as_described_is_refused_as_described(make_control, make_client) -> None:
    control = busy(make_control, make_client)
    tried = conformance(control, GenerationMode.NEGATIVE, 15)
    assert set(tried) >= {route.told for route in control.routes if route.inputs or route.body != "none"}


@pytest.mark.parametrize("path", ["/status", "/ledger", "/queue", "/journal", "/script", "/clients"])
def test_an_answer_that_is_not_as_described_is_seen(make_control, make_client, monkeypatch, path: str) -> None:
    control = busy(make_control, make_client)
    (right,) = [route for route in control.routes if route.told == f"GET {path}"]
    wrong = replace(right, act=lambda values: {"wrong": right.act(values)})
    routes = tuple(wrong if route is right else route for route in control.routes)
    monkeypatch.setattr(control, "routes", routes)
    with pytest.raises((Failure, FailureGroup)) as found:
        conformance(control, GenerationMode.POSITIVE, 1, path=path)
    raised: Any = getattr(found.value, "exceptions", (found.value,))
    assert {one.title for one in raised} == {"Response violates schema"}


# --- what is new beside what test_control.py has ------------------------------------------------------------


def test_a_script_in_yaml_and_its_text(make_control) -> None:
    _, control = make_control()
    assert ask(control, "GET", "/script.yaml", b"")[2].body == b"[]\n"
    text = b"# why\n- {when: {type: PKCSReq}, then: pending}\n"
    status, rules, _ = ask(control, "PUT", "/script", text, YAML)
    assert (status, rules[0]["place"]) == (200, "script:2:3")
    reply = control.handle(HttpRequest("GET", "/script.yaml"), "x").octets
    assert reply.endswith(b"\r\n\r\n" + text)
    assert b"Content-Type: application/yaml\r\n" in reply
    status, rules, _ = ask(control, "POST", "/script", b'[{"then": {"failure": 2}, "until": "10:00"}]', JSON)
    assert (status, [rule["then"] for rule in rules], rules[0]["until"]) == (200, ["failure 2", "pending"], "10:00")
    status, told, _ = ask(control, "PUT", "/script", b"- then: pending\n- {thn: x}\n", YAML)
    assert (status, [problem["line"] for problem in told["problems"]]) == (400, [2, 2])
    assert ask(control, "PUT", "/script", b"\xff", YAML)[1] == {"error": "the body is not UTF-8"}
    assert len(ask(control, "GET", "/script")[1]) == 2


def test_rules_from_elsewhere_have_no_text(make_control) -> None:
    _, control = make_control(rules="[{then: pending}]")
    assert ask(control, "GET", "/script.yaml")[:1] == (404,)
    status, told, _ = ask(control, "POST", "/script", b"- {then: pending}", YAML)
    assert (status, told["error"]) == (409, "the text of the other rules is unknown")
    _, control = make_control(rules="[{then: pending}]", script="[{then: pending}]  # all")
    status, told, _ = ask(control, "POST", "/script", b"- {then: pending}", YAML)
    assert (status, told["error"]) == (409, "the lists cannot be joined")


def test_the_journal_is_filtered_and_clients_are_summed_up(make_control, make_client) -> None:
    ca, control = make_control()
    client = make_client(ca)
    client.enrol(transaction_id="twice")
    make_client(ca, "other.example", 2).enrol(transaction_id="twice")
    ca.get("/?operation=GetCACaps")
    entries = ask(control, "GET", "/journal")[1]["entries"]
    assert [entry["number"] for entry in entries] == [1, 2, 3]
    for query, numbers in {
        "since=1&limit=1": [2],
        "verdict=fail": [2],
        "name=GetCACaps": [3],
        "text=OTHER.example": [2],
        "client=192.0.2.10": [1, 2, 3],
        "client=192.0.2.11": [],
    }.items():
        assert [entry["number"] for entry in ask(control, "GET", f"/journal?{query}")[1]["entries"]] == numbers, query
    (one,) = ask(control, "GET", "/clients")[1]
    assert (one["client"], one["requests"], one["granted"]) == ("192.0.2.10", 3, 1)
    assert one["findings"][0]["finding"].startswith("fail SCEP-3.2.1.1-01 ")
    assert ask(control, "GET", "/journal?verdict=bad")[1]["error"] == "verdict has to be one of fail, warn, note"
    assert ask(control, "GET", "/journal?sinc=1")[0] == 400


def test_a_transaction_that_looks_like_a_pattern_is_approved_alone(make_control, clients) -> None:
    ca, control = make_control("{approval: manual}")
    first, second = clients(ca, 2)
    first.enrol(transaction_id="*")
    second.enrol()
    assert ask(control, "POST", "/approve", b'{"transaction": "*"}', JSON)[1] == {"count": 1}
    assert [one["approved"] for one in ask(control, "GET", "/queue")[1]] == [True, False]
    assert ask(control, "POST", "/reject", b'{"transaction": "CN=*"}', JSON)[1] == {"count": 0}


def test_rules_that_were_never_used_and_what_nearly_matched(make_control, make_client) -> None:
    ca, control = make_control(rules="[{when: {type: PKCSReq, nth: 2}, then: pending}]")
    make_client(ca).enrol()
    (sentence,) = ask(control, "GET", "/unused")[1]
    assert sentence.endswith("rule 1 was never hit; rule 1 nearly matched: this was match 1, the rule requires 2")


def test_a_head_has_no_body_and_another_method_is_told_which(make_control) -> None:
    _, control = make_control()
    octets = control.handle(HttpRequest("HEAD", "/status"), "x").octets
    assert octets.startswith(b"HTTP/1.1 200")
    assert octets.endswith(b"\r\n\r\n")
    reply = control.handle(HttpRequest("DELETE", "/script"), "x").octets
    assert b"\r\nAllow: GET, PUT, POST\r\n" in reply


# --- the token --------------------------------------------------------------------------------------------


def test_without_the_token_nothing_is_told(make_control) -> None:
    ca, control = make_control(token=TOKEN)
    for route in control.routes:
        path = route.path.replace("{number}", "1")
        status, told, reply = ask(control, route.method, path, b"{}", JSON)
        assert (status, told["error"]) == (401, "the token is missing"), route.told
        assert "--control-token-file" in told["remedy"]
        assert reply.header("WWW-Authenticate") == 'Bearer realm="mock SCEP CA"'
    assert ca.service.journal.count == 0
    right = ("Authorization", f"Bearer {TOKEN}")
    assert ask(control, "GET", "/status", b"", right)[0] == 200
    assert ask(control, "GET", "/status", b"", right, ("Host", "ca.example:8081"))[0] == 200
    assert ask(control, "GET", "/status", b"", right, ("Origin", "http://evil.example"))[0] == 403


@pytest.mark.parametrize(
    "given", ["Bearer wrong", "Bearer ", "Basic canary", f"Bearer {TOKEN}x", f"Bearer {TOKEN[:-1]}"]
)
def test_a_wrong_token_is_refused_and_then_costs_time(make_control, given: str) -> None:
    ca, control = make_control(token=TOKEN)
    wrong, right = ("Authorization", given), ("Authorization", f"Bearer {TOKEN}")
    assert ask(control, "GET", "/status", b"", wrong)[1]["error"] == "the token is wrong"
    for _ in range(4):
        ask(control, "GET", "/status", b"", ("Authorization", "Bearer guess"))
    status, told, reply = ask(control, "GET", "/status", b"", ("Authorization", "Bearer guess"))
    assert (status, told["error"]) == (429, "the token was wrong too often")
    assert ask(control, "GET", "/status", b"", right)[0] == 429
    ca.pass_time(seconds=int(reply.header("Retry-After")))
    assert ask(control, "GET", "/status", b"", right)[0] == 200


def test_a_token_over_a_socket_may_be_in_any_letters(make_control) -> None:
    _, control = make_control(token="grün")
    with ServerHost(control) as host:
        connection = http.client.HTTPConnection(host.host, host.port, timeout=20)
        connection.putrequest("GET", "/clock")
        connection.putheader("Authorization", "Bearer grün".encode())
        connection.endheaders()
        assert connection.getresponse().status == 200
        connection.close()
