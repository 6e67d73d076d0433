"""What may stand in place of a value in an ``expect``: each operator holds and fails, is said in words, and is checked."""

from __future__ import annotations

from collections.abc import Iterator

import jsonschema
import pytest

from mfp_sim.scenario.expectations import EXPECTATIONS, read_expectation
from mfp_sim.scenario.loader import read_text, scenario_schema
from mfp_sim.scenario.operators import OPERATORS, Operator
from mfp_sim.scenario.runner import run
from mfp_sim.shared.documents import Problems, load_text
from mfp_sim.shared.documents.kinds import Either, Kind
from mfp_sim.shared.documents.records import Forms, ListOf, MapOf, Record
from mfp_sim.shared.errors import DocumentError

SCENARIO = """\
format: 1
name: compared
why: Something is compared.
clock: 2026-03-02T08:00:00+01:00
printer: {functions: [TLS], communication: {url: http://ca.example/scep}}
ca: {challenge: {static: s3cret}}
steps:
  - request: {name: web, common_name: 192.0.2.10, challenge: s3cret, use: TLS}
  - expect: {%s}
"""


def failures(expect: str) -> list[tuple[str, str, str]]:
    (scenario,) = read_text(SCENARIO % expect)
    return [(failure.path, failure.expected, failure.got) for failure in run(scenario).failures]


def mistakes(expect: str) -> list[str]:
    with pytest.raises(DocumentError) as raised:
        read_text(SCENARIO % expect)
    return [problem.message for problem in raised.value.problems]


@pytest.mark.parametrize("expect", [
    "key_count: {at_least: 2}", "key_count: {at_most: 2}", "key_count: {between: [2, 3]}", "key_count: {one_of: [1, 2]}",
    "status: {state: {one_of: [error, successful]}, details: {one_of: [none, deferred]}}",
    "status: {key: {matches: 'w.b'}}", "csr: {subject: {matches: 'CN=.*'}, length: {at_least: 2048}}",
    "requests: [GetCACaps, {one_of: [GetCACert, CertPoll]}, PKCSReq]", "request_count: {PKCSReq: {at_most: 1}}",
    "keys: [{name: {one_of: [web, tls]}, certificate: {key_length: {between: [1024, 4096]}}}]",
    "communication: {port: {between: [1, 100]}, url: {matches: 'http:.*'}}", "ledger: {minted: {at_least: 1}}",
    "functions: {TLS: {one_of: [Default Key, web]}}", "wire: {host: {matches: 'ca[.]example'}}",
])  # fmt: skip
def test_what_holds(expect: str) -> None:
    assert failures(expect) == []


@pytest.mark.parametrize(("expect", "mismatch"), [
    ("key_count: {at_least: 3}", ("key_count", "at least 3", "2")),
    ("key_count: {at_most: 1}", ("key_count", "at most 1", "2")),
    ("key_count: {between: [3, 4]}", ("key_count", "between 3 and 4", "2")),
    ("status: {state: {one_of: [error, processing]}}", ("status.state", "one of error, processing", "successful")),
    ("status: {key: {matches: we}}", ("status.key", "text that matches we", "web")),
    ("request_count: {CertPoll: {at_least: 1}}", ("request_count.CertPoll", "at least 1", "0")),
    ("communication: {port: {one_of: [81, 82]}}", ("communication.port", "one of 81, 82", "80")),
    ("functions: {TLS: {matches: 'x.*'}}", ("functions.TLS", "text that matches x.*", "Default Key")),
])  # fmt: skip
def test_what_does_not_hold_is_said_in_words(expect: str, mismatch: tuple[str, str, str]) -> None:
    assert failures(expect) == [mismatch]


@pytest.mark.parametrize(("expect", "message"), [
    ("key_count: {at_leest: 1}", "key_count has to be a value, or one of one_of, at_least, at_most, between with its value"),
    ("key_count: {at_least: 1, at_most: 2}", ("key_count has to be a value, or one of one_of, at_least, at_most, between"
     " with its value")),
    ("key_count: {}", "key_count has to be a value, or one of one_of, at_least, at_most, between with its value"),
    ("key_count: {at_least: many}", "a value of at_least has to be an integer, not 'many'"),
    ("key_count: {matches: x}", "key_count has to be a value, or one of one_of, at_least, at_most, between with its value"),
    ("key_count: {between: [3, 1]}", "between takes the lower value first, not 3"),
    ("key_count: {between: [1, 2, 3]}", "between takes a list of two values"),
    ("key_count: {one_of: [1]}", "one_of takes a list of two or more values"),
    ("key_count: {one_of: 1}", "one_of has to be a list, not 1"),
    ("status: {key: {matches: '('}}", ("a value of matches is not a regular expression: missing ), unterminated subpattern"
     " at position 0")),
    ("status: {state: {one_of: [error, succesful]}}", ("a value of one_of has to be one of to-be-processed, processing,"
     " error, successful, not 'succesful'")),
    ("audit: [{matches: x}]", "an entry of audit has to be a string, not a map"),
    ("status: {time: {matches: x}}", "time has to be a string, not a map"),
    ("powered: {one_of: [true, false]}", "powered has to be true or false, not a map"),
])  # fmt: skip
def test_mistakes(expect: str, message: str) -> None:
    assert mistakes(expect) == [message]


def leaves(kind: Kind, path: str = "") -> Iterator[tuple[str, str]]:
    """Each place where an operator may stand, as the YAML of one that holds for everything it is given there."""
    if isinstance(kind, Record):
        for entry in kind.fields:
            for found, text in leaves(entry.kind, f"{path}.{entry.key}"):
                yield found, f"{{{entry.key}: {text}}}"
    elif isinstance(kind, ListOf):
        for found, text in leaves(kind.entry, f"{path}[]"):
            yield found, f"[{text}]"
    elif isinstance(kind, MapOf):
        key = next(iter(kind.key.table())) if hasattr(kind.key, "table") else "TLS"  # type: ignore[attr-defined]
        for found, text in leaves(kind.value, f"{path}.{key}"):
            yield found, f"{{{key}: {text}}}"
    elif isinstance(kind, Either):
        yield from leaves(kind.inner, path)
    elif isinstance(kind, Forms):
        for form in kind.forms:
            yield from leaves(form, path)
    elif hasattr(kind, "rules"):
        yield path, "{at_most: 0}" if "at_most" in kind.rules else "{matches: '(?!x)x'}"


PLACES = [(name, path, text) for name, row in EXPECTATIONS.items() for path, text in leaves(row.shape)]


def test_operators_may_stand_in_many_places() -> None:
    assert len(PLACES) >= 50


@pytest.mark.parametrize(("name", "path", "text"), PLACES, ids=[f"{name}{path}" for name, path, _ in PLACES])
def test_an_operator_that_never_holds_fails_wherever_it_may_stand(name: str, path: str, text: str) -> None:
    """No comparison takes an operator for a plain value: it is compared, and its words are shown."""
    text = text.replace("{matches:", "{matches: ").replace("  ", " ")
    problems = Problems()
    expectation = read_expectation(load_text(f"{name}: {text}"), problems)
    assert problems.found == []
    assert expectation is not None
    found = failures(f"{name}: {text}")
    assert found or "at_most: 0" in text, path


def test_the_schema_knows_operators() -> None:
    validator = jsonschema.Draft202012Validator(scenario_schema())

    def valid(expect: object) -> bool:
        steps = [{"expect": expect}]
        return validator.is_valid(
            {"format": 1, "name": "x", "why": "x", "clock": "2026-03-02T08:00:00+01:00", "steps": steps}
        )

    assert valid({"key_count": {"at_least": 2}})
    assert not valid({"key_count": {"at_leest": 2}})
    assert not valid({"key_count": {"matches": "x"}})
    assert not valid({"key_count": {"at_least": 2, "at_most": 3}})


def test_operators_are_values() -> None:
    assert Operator("one_of", (1, 2)) == Operator("one_of", (1, 2)) != Operator("one_of", (1, 3))
    assert len({Operator("at_least", (1,)), Operator("at_least", (1,))}) == 1
    assert Operator("at_least", (1,)) != "1"
    assert Operator("at_least", (0,)) != True  # noqa: E712 - a truth value is no number here
    assert set(OPERATORS) == {"one_of", "at_least", "at_most", "between", "matches"}
