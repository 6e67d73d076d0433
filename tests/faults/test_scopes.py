"""Where each fault acts: what is refused when it is read, and that a run is green only where the fault had an effect."""

from __future__ import annotations

from typing import Any

import pytest

from mfp_sim.scenario.loader import read_text
from mfp_sim.scenario.runner import run
from mfp_sim.shared.errors import DocumentError
from mock_scep_server import script_file
from mock_scep_server.faults import FAULTS
from mock_scep_server.faults.registry import FaultEntry
from mock_scep_server.faults.scope import ANSWERS, scopes
from mock_scep_server.script_file import script_of

SCENARIO = """\
format: 1
name: at-a-poll
why: A fault at the polls of a request.
clock: 2026-03-02T08:00:00+01:00
printer: {communication: {url: http://ca.example/scep}}
ca:
  script:
    - {when: {type: PKCSReq}, then: pending}
    - {when: {type: CertPoll}, faults: [FAULT]}
steps:
  - auto_request:
      start: 2026-03-02 09:00
      polling: {count: 3, interval: 10m}
      key: {name: web, common_name: 192.0.2.10}
  - advance: 3h
  - expect: {powered: true}
"""
ENTRIES = [entry for entry in FAULTS.values() if entry.in_scripts]
WITHOUT_EFFECT = {
    "caps-lie-des3", "caps-lie-sha-1", "caps-lie-sha-512", "no-8894-additions", "get-414", "post-ct-strict",
    "demands-content-length", "demands-host", "certrep-repeated-sendernonce", "outer-decoy-cert", "replayed-certrep",
    "rollover-wrong-issuer",
}  # fmt: skip
"""They may act at a poll, and do not at the only poll of this request."""


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.slug)
def test_at_a_poll_a_fault_is_refused_fails_the_run_or_has_an_effect(entry: FaultEntry) -> None:
    text = SCENARIO.replace("FAULT", entry.example)
    if not ("CertPoll" in entry.acts_at or "every message" in entry.acts_at or "every request" in entry.acts_at):
        with pytest.raises(DocumentError, match=f"x.yaml:9:41: {entry.slug} has no effect here: it acts at "):
            read_text(text, "x.yaml")
        return
    (scenario,) = read_text(text, "x.yaml")
    result = run(scenario)
    requests: list[Any] = [event.data for event in result.events if event.kind == "mock.request"]
    polls = [data for data in requests if entry.slug in (data.get("faults") or ())]
    assert polls
    if entry.slug in WITHOUT_EFFECT:
        assert [failure.expected for failure in result.failures] == [f"{entry.slug} to have an effect"]
        assert all(entry.slug in poll["without_effect"] for poll in polls)
    else:
        assert result.failures == ()
        assert any("without_effect" not in poll for poll in polls)


def test_every_fault_acts_somewhere() -> None:
    for entry in ENTRIES:
        assert entry.acts_at, entry.slug


@pytest.mark.parametrize(
    ("slug", "where"),
    [
        ("nonce-mismatch", "every message"),
        ("caps-empty", "GetCACaps"),
        ("caps-lie-renewal", "GetCACaps, RenewalReq"),
        ("issue-then-reset", "PKCSReq, RenewalReq"),
        ("drop-success", "PKCSReq, RenewalReq, CertPoll answered SUCCESS"),
        ("get-only", "GetCACaps; every message by POST"),
        ("http-redirect-everything", "every request"),
        ("success-expired", "PKCSReq, RenewalReq, CertPoll answered SUCCESS"),
    ],
)
def test_where_a_fault_acts_in_words(slug: str, where: str) -> None:
    assert FAULTS[slug].acts_at == where


def test_the_command_says_where_a_fault_acts(capsys: pytest.CaptureFixture[str]) -> None:
    from mock_scep_server.cli import main

    assert main(["faults", "issue-then-reset"]) == 0
    assert "  acts at: PKCSReq, RenewalReq\n" in capsys.readouterr().out


def test_scopes_are_those_of_the_hooks() -> None:
    (rule,) = script_of("[{faults: [success-wrong-key]}]")
    assert [(scope.hook, sorted(scope.names)) for scope in scopes(rule.faults[0].fault)] == [
        ("on_template", ["CertPoll", "PKCSReq", "RenewalReq"])
    ]


ANSWER = {
    "success": "success",
    "pending": "pending",
    "failure": "{failure: 2}",
    "http": "{http: 503}",
    "none": "none",
}
BESIDE = SCENARIO.replace("then: pending}\n", "then: ANSWER, faults: [FAULT]}\n").replace(
    "    - {when: {type: CertPoll}, faults: [FAULT]}\n", ""
)


@pytest.mark.parametrize("kind", ANSWER)
def test_beside_an_answer_a_fault_is_refused_where_it_would_be_without_effect(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each one that is refused beside this answer does nothing when it is run all the same."""
    refused = []
    for entry in ENTRIES:
        text = BESIDE.replace("ANSWER", ANSWER[kind]).replace("FAULT", entry.example)
        try:
            read_text(text, "x.yaml")
        except DocumentError as error:
            refused.append((entry.slug, text, str(error.problems[0])))
    assert refused
    assert ANSWERS.keys() == {None, *ANSWER}
    monkeypatch.setattr(script_file, "check_scopes", lambda *_, **__: None)
    for slug, text, told in refused:
        column = text.splitlines()[7].index("faults: [") + 10
        assert told.startswith(f"x.yaml:8:{column}: {slug} has no effect here: it acts at ")
        assert "but the rule matches PKCSReq" in told
        (scenario,) = read_text(text, "x.yaml")
        sent: list[Any] = [
            e.data for e in run(scenario).events if e.kind == "mock.request" and e.data["name"] == "PKCSReq"
        ]
        assert sent, slug
        if kind != "none":  # what is never sent may be changed all the same
            assert all(slug in data["without_effect"] for data in sent), slug
        assert {data["sent"] for data in sent} == ({"close"} if kind == "none" else {"send"}), slug
