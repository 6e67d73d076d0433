"""The simulator's page lets the mock make any fault once, decides waiting requests, and shows the mock's books."""

from __future__ import annotations

import re

import pytest

from mfp_sim.remote_ui.menu import PAGES
from mfp_sim.remote_ui.recording import Recording
from mfp_sim.remote_ui.served_site import NextFault
from mfp_sim.scenario.loader import read_text
from mfp_sim.scenario.runner import run
from mfp_sim.shared.documents import load_text
from mock_scep_server.faults.registry import search_faults
from mock_scep_server.script_file import script_of

FAULTS = {entry.slug: entry for entry in search_faults("")}


def url(name: str) -> str:
    return PAGES[name].url


def table(page: str, name: str) -> list[list[str]]:
    """The cells of a table, or of the journal's rows."""
    body = re.search(rf'<table id="{name}".*?<tbody>(.*?)</tbody>', page, re.DOTALL)[1]
    rows = re.findall(r"<tr>(.*?)</tr>", body.replace("<wbr>", ""), re.DOTALL)
    return [
        [" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in re.findall(r"<td.*?</td>", row)] for row in rows
    ]


def found(admin, search: str) -> list[str]:
    page = admin.get("/simulation", query_string={"search": search}).text
    return re.findall(r'name="slug" value="([^"]+)"', page)


# --- faults -----------------------------------------------------------------------------------------------


def test_faults_are_found_by_words_of_name_and_sentence(bench) -> None:
    admin = bench().administrator()
    assert found(admin, "nonce-mismatch") == ["nonce-mismatch"]
    assert "nonce-mismatch" in found(admin, "NONCE recipient")
    assert found(admin, "no such fault at all") == []
    assert "0 faults found; 0 shown." in admin.words
    assert found(admin, "") == []
    assert len(found(admin, "e")) == 50
    assert f"{len(search_faults('e'))} faults found; 50 shown." in admin.words
    offered = re.findall(r'<option value="([^"]+)"></option>', admin.page.text)
    assert offered == list(FAULTS)
    assert len(offered) > 200


def test_every_fault_is_found_by_its_whole_sentence() -> None:
    for entry in FAULTS.values():
        assert entry in search_faults(entry.sentence)
        assert entry in search_faults(entry.slug.upper())


def test_every_offered_request_is_one_at_which_the_fault_can_act() -> None:
    """A script refuses a rule whose fault cannot act at its request."""
    rules = [NextFault(entry.slug, at).rule for entry in FAULTS.values() for at in entry.requests]
    assert len(script_of("".join(rules))) == len(rules) > len(FAULTS)
    assert {entry.slug for entry in FAULTS.values() if not entry.requests} == set()


def test_a_fault_acts_once_and_the_journal_shows_it(bench, key) -> None:
    here = bench()
    admin = here.administrator()
    here.connect(admin)
    assert found(admin, "nonce-mismatch") == ["nonce-mismatch"]
    admin.post("/simulation/fault", {"slug": "nonce-mismatch", "at": "PKCSReq"})
    assert "The fault nonce-mismatch waits for its request." in admin.words
    assert re.findall(r'<li data-slug="([^"]+)">', admin.page.text) == ["nonce-mismatch"]
    assert "next fault: nonce-mismatch" in (admin.get("/"), admin.words)[1]
    admin.post(url("request"), key)
    admin.get(url("status"))
    assert 'data-state="error" data-details="scep-error"' in admin.page.text
    assert "next fault" not in admin.words
    rows = table(admin.get("/simulation").text, "journal")
    assert [(row[2].partition(" ")[0], row[3]) for row in rows] == [
        ("PKCSReq", "nonce-mismatch"), ("GetCACert", ""), ("GetCACaps", ""),
    ]  # fmt: skip
    assert 'id="waiting-faults"' not in admin.page.text
    admin.post(url("request"), key)
    assert "Successful" in admin.words


def test_a_fault_waits_for_its_own_request(bench, key) -> None:
    """A fault for any request is used up by the first one; one for a poll waits until there is a poll."""
    here = bench()
    admin = here.administrator()
    here.connect(admin)
    for slug, at in (("http-status", ""), ("nonce-mismatch", "CertPoll")):
        assert at in FAULTS[slug].requests
        admin.post("/simulation/fault", {"slug": slug, "at": at})
    assert [fault.slug for fault in here.site.faults] == ["http-status", "nonce-mismatch"]
    admin.post(url("request"), key)
    assert [fault.slug for fault in here.site.faults] == ["nonce-mismatch"]
    admin.post("/simulation/no-fault")
    assert here.site.faults == ()
    assert here.site.ca.script.rules == ()


def test_a_fault_does_not_end_what_the_ca_was_told_before(bench, key) -> None:
    here = bench()
    admin = here.administrator()
    here.connect(admin)
    admin.post("/simulation/ca", {"answer": "failure-2"})
    admin.post("/simulation/fault", {"slug": "nonce-mismatch", "at": "PKCSReq"})
    for details in ("scep-error", "fail-info-2"):
        admin.post(url("request"), key)
        assert here.printer.status()[0].details.slug == details
    admin.post("/simulation/fault", {"slug": "nonce-mismatch", "at": "PKCSReq"})
    admin.post("/simulation/ca", {"answer": "policy"})
    assert [fault.slug for fault in here.site.faults] == ["nonce-mismatch"], "it still waits"


def test_the_rules_of_a_script_stay_and_can_be_chosen_again(bench, key) -> None:
    rules = "- {when: {type: PKCSReq}, then: {failure: 1}, optional: true}\n"
    here = bench(script=load_text(rules))
    admin = here.administrator()
    here.connect(admin)
    assert '<option value="script" selected>the rules of --script</option>' in admin.get("/simulation").text
    admin.post("/simulation/fault", {"slug": "nonce-mismatch", "at": "PKCSReq"})
    for answer, details in ((None, "scep-error"), (None, "fail-info-1"), ("policy", None), ("script", "fail-info-1")):
        if answer is not None:
            assert admin.post("/simulation/ca", {"answer": answer}).status_code == 200
        admin.post(url("request"), key)
        row = here.printer.status()[0]
        assert (row.details.slug if row.details else None) == details
    plain = bench()
    assert plain.administrator().post("/simulation/ca", {"answer": "script"}).status_code == 400


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        ("fault", {"slug": "no-such-fault", "at": ""}),
        ("fault", {"slug": "nonce-mismatch", "at": "GetCACaps"}),
        ("fault", {"slug": "nonce-mismatch", "at": "}, then: success"}),
        ("fault", {}),
        ("operator", {"act": "revoke", "transaction": "x"}),
        ("operator", {"act": "approve"}),
        ("operator", {"act": "hold", "transaction": "x"}),
        ("operator", {}),
    ],
)
def test_what_no_page_offers_is_refused(bench, path: str, fields: dict[str, object]) -> None:
    here = bench()
    admin = here.administrator()
    assert admin.post(f"/simulation/{path}", fields).status_code == 400
    assert here.site.ca.script.rules == ()
    assert here.site.faults == ()


@pytest.mark.parametrize("path", ["fault", "no-fault", "operator"])
def test_a_real_server_has_none_of_it(bench, path: str) -> None:
    here = bench(start=None, ca_url="http://192.0.2.1/scep")
    admin = here.administrator()
    page = admin.get("/simulation?search=nonce")
    assert page.status_code == 200
    assert "strip-search" not in page.text
    assert 'id="found"' not in page.text
    fields = {"slug": "nonce-mismatch", "at": "PKCSReq", "act": "hold"}
    assert admin.post(f"/simulation/{path}", fields).status_code == 404


# --- the operator, and the books --------------------------------------------------------------------------


def held(bench, auto):
    """A printer that polls, and its request, which waits."""
    here = bench()
    admin = here.administrator()
    here.connect(admin)
    admin.get("/simulation")
    admin.post("/simulation/operator", {"act": "hold"})
    admin.post(url("auto"), auto)
    admin.advance("next")
    assert here.printer.status()[0].state == "processing"
    (waiting,) = re.findall(r'<li data-transaction="([^"]+)">', admin.get("/simulation").text)
    assert "waiting: 1" in admin.words
    return here, admin, waiting


@pytest.mark.parametrize(
    ("act", "state", "details"), [("approve", "successful", "none"), ("reject", "error", "fail-info-2")]
)
def test_a_held_request_is_decided(bench, auto, act: str, state: str, details: str) -> None:
    here, admin, waiting = held(bench, auto)
    admin.post("/simulation/operator", {"act": act, "transaction": waiting})
    assert "Applied." in admin.words
    assert ("approved" in admin.words) == (act == "approve")
    admin.advance("next")
    admin.get(url("status"))
    assert f'data-state="{state}" data-details="{details}"' in admin.page.text
    admin.get("/simulation")
    assert "waiting: 0" in admin.words
    admin.post("/simulation/operator", {"act": act, "transaction": waiting})
    assert "Nothing has changed." in admin.words
    assert here.site.ca.ledger.counts["minted"] == (act == "approve")


def test_released_requests_pass(bench, auto) -> None:
    here, admin, _ = held(bench, auto)
    admin.post("/simulation/operator", {"act": "release"})
    admin.advance("next")
    assert here.printer.status()[0].state == "successful"


def test_the_ledger_shows_what_became_of_each_certificate(bench, key) -> None:
    here = bench()
    admin = here.administrator()
    here.connect(admin)
    assert table(admin.get("/simulation").text, "ledger") == [["No entries."]]
    admin.post(url("request"), key)
    admin.post("/simulation/fault", {"slug": "nonce-mismatch", "at": "PKCSReq"})
    admin.post(url("request"), key)
    admin.post("/simulation/fault", {"slug": "issue-then-reset", "at": "PKCSReq"})
    admin.post(url("request"), key)
    rows = table(admin.get("/simulation").text, "ledger")
    assert [row[:2] for row in rows] == [
        ["2026-03-02 08:00:00", fate] for fate in ("not delivered", "delivered", "installed")
    ]
    assert [row[3] for row in rows] == [f"{entry.certificate.serial:x}" for entry in here.site.ca.ledger.entries[::-1]]
    assert "certificates: 3, waiting: 0" in admin.words


def test_faults_and_decisions_are_recorded_and_run(bench, auto, key) -> None:
    here = bench()
    here.site.observer = recording = Recording(here.served)
    admin = here.administrator()
    here.connect(admin)
    admin.post("/simulation/fault", {"slug": "nonce-mismatch", "at": "PKCSReq"})
    admin.post(url("request"), key)
    admin.post("/simulation/operator", {"act": "hold"})
    admin.post(url("auto"), auto)
    admin.advance("next")
    (waiting,) = re.findall(r'<li data-transaction="([^"]+)">', admin.get("/simulation").text)
    admin.post("/simulation/operator", {"act": "approve", "transaction": waiting})
    admin.advance("next")
    assert [row.state for row in here.printer.status()] == ["successful", "error"]
    text = recording.text("mine")
    (scenario,) = read_text(text, "mine.scenario.yaml")
    assert [step.kind for step in scenario.steps].count("ca_operator") == 2
    assert "approve: CN=192.0.2.10" in text or "approve: O=Example AS" in text
    assert run(scenario).failures == (), text


def test_a_decision_about_no_request_is_not_recorded(bench) -> None:
    here = bench()
    acts = []
    here.site.observer = acts.append
    admin = here.administrator()
    admin.post("/simulation/operator", {"act": "approve", "transaction": "decided-already"})
    assert "Nothing has changed." in admin.words
    assert acts == []


def test_a_subject_with_wildcards_selects_itself_only(bench, auto) -> None:
    here = bench()
    acts = []
    here.site.observer = acts.append
    admin = here.administrator()
    here.connect(admin)
    admin.post("/simulation/operator", {"act": "hold"})
    admin.post(url("auto"), {**auto, "organization": "a*[b]?"})
    admin.advance("next")
    (waiting,) = re.findall(r'<li data-transaction="([^"]+)">', admin.get("/simulation").text)
    admin.post("/simulation/operator", {"act": "approve", "transaction": waiting})
    assert "a[*][[]b][?]" in acts[-1].argument["approve"]
