"""The HTML report: whole, in two languages, escaped, without anything from elsewhere; drawings that say what happened."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from importlib import resources
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml
from report_samples import HOSTILE, conformance_run, exchange, failed, opened, scenario, scenario_run

from mfp_sim.report.coverage import BASES, covered
from mfp_sim.report.drawing import Figure, lasting, sequence, timeline
from mfp_sim.report.headline import reason
from mfp_sim.report.html_report import as_html
from mfp_sim.report.labels import LANGUAGES, labels
from mfp_sim.report.messages import answered, asked
from mfp_sim.report.model import Baseline, CatalogueEntry, ExchangeReport, FailureReport, Grade, RunReport
from mfp_sim.report.sheet import shown
from mfp_sim.report.story import StoryRow, off_spans, story_of_exchanges, story_of_trace
from mfp_sim.scenario.collection import select
from mfp_sim.scenario.reporting import explained, report_of
from mfp_sim.scenario.runner import run
from mock_scep_server.faults import FAULTS

SAY = labels("en")


class Page(HTMLParser):
    """Tags with their attributes, and the texts between them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(text)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data) -> None:
        self.text += data


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("make", [scenario_run, conformance_run])
def test_nothing_comes_from_elsewhere_and_nothing_hostile_is_markup(make, language: str) -> None:
    text = opened(as_html(make(), language))
    page = Page(text)
    names = [tag for tag, _ in page.tags]
    assert names.count("script") == 1
    assert "img" not in names
    for tag, attributes in page.tags:
        assert not any(name.startswith("on") or name == "style" for name in attributes), (tag, attributes)
        for name in ("src", "href"):
            assert (attributes.get(name) or "#")[0] == "#" or attributes[name] == "data:,"
    assert "\\u001b[31m\\u0000\\u202e" in page.text
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", text)


def test_the_policy_names_the_style_sheet_and_the_script_by_digest() -> None:
    text = as_html(scenario_run())
    (policy,) = [a["content"] for _, a in Page(text).tags if a.get("http-equiv") == "Content-Security-Policy"]
    for tag in ("style", "script"):
        content = re.search(f"<{tag}>(.*?)</{tag}>", text, re.DOTALL)[1]
        assert base64.b64encode(hashlib.sha256(content.encode()).digest()).decode() in policy
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy


def test_both_languages_have_the_same_labels() -> None:
    files = {
        language: yaml.safe_load(
            resources.files("mfp_sim.report").joinpath("labels", f"{language}.yaml").read_text("utf-8")
        )
        for language in LANGUAGES
    }
    assert list(files["en"]) == list(files["nb"])
    assert all(isinstance(text, str) and text for texts in files.values() for text in texts.values())
    assert "Det som ikke stemte" in as_html(scenario_run(), "nb")


def test_a_failure_shows_the_lines_and_the_command_and_what_it_rests_on() -> None:
    text = Page(as_html(scenario_run(failed()))).text
    for words in ("status.state", "status: {state: error}", "my.scenario.yaml:6:15", "mfp-sim run my.scenario.yaml::fails --seed 7",
                  "A-34", "after a lost reply", "PKCSReq"):  # fmt: skip
        assert words in text


def test_a_check_shows_its_evidence() -> None:
    text = Page(opened(as_html(conformance_run()))).text
    for words in ("signedAttrs.recipientNonce", "The server answers with a nonce of its own.", "1 certificate", "MUST",
                  "does not work", "20 certificates", "not in the baseline", "the budget is used up", "CN=mfp-sim-1",
                  "it reset the connection", "--only check-fail"):  # fmt: skip
        assert words in text


@pytest.mark.parametrize(
    ("run_", "verdict"),
    [
        (scenario_run(scenario()), "good"),
        (scenario_run(failed()), "bad"),
        (scenario_run(scenario(skipped="no")), "plain"),
        (conformance_run(), "bad"),
    ],
)
def test_the_headline_is_the_verdict(run_, verdict: str) -> None:
    assert f'class="headline {verdict}"' in as_html(run_)


@pytest.mark.parametrize(
    ("run_", "language", "words"),
    [
        (scenario_run(scenario()), "en", "The scenario passed"),
        (scenario_run(scenario("a"), scenario("b")), "en", "All 2 scenarios passed"),
        (scenario_run(scenario("a"), scenario("b", skipped="no")), "en", "1 of 2 scenarios passed, 1 skipped, none failed"),
        (scenario_run(scenario("a", skipped="no")), "en", "Nothing was proved"),
        (scenario_run(failed()), "en", "The scenario failed: fails — status.state is 'successful', not 'error'"),
        (scenario_run(), "en", "1 of 3 scenarios failed: fails — status.state is 'successful', not 'error'"),
        (scenario_run(), "nb", "1 av 3 scenarier feilet: fails — status.state er 'successful', ikke 'error'"),
        (scenario_run(failed("a"), failed("b")), "en", "2 of 2 scenarios failed"),
    ],
)  # fmt: skip
def test_the_headline_says_in_words_what_failed(run_, language: str, words: str) -> None:
    headline = re.search(r"<strong[^>]*>(.*?)</strong>", as_html(run_, language))
    assert Page(headline[1]).text == words


def test_the_headline_names_five_and_counts_the_others() -> None:
    text = Page(as_html(scenario_run(*(failed(f"f-{n}") for n in range(8))))).text
    assert "8 of 8 scenarios failed" in text
    assert [n for n in range(8) if f"f-{n} — status.state" in text] == [0, 1, 2, 3, 4]
    assert "+ 3 more" in text


@pytest.mark.parametrize(
    ("failure", "words"),
    [
        (FailureReport(1, "f:1", "requests", "['a']", "[]"), "requests: expected ['a'], got []"),
        (FailureReport(1, "f:1", "bounds", "it ends", "too many events", error=True), "bounds: too many events"),
        (FailureReport(1, "f:1", "keys", "[]", "x" * 500), f"keys: expected [], got {'x' * 96}…"),
        (FailureReport(1, "f:1", "status", "{got}", "{expected}"), "status: expected {got}, got {expected}"),
    ],
)
def test_a_reason_is_a_clause_and_never_long(failure: FailureReport, words: str) -> None:
    assert reason(scenario(failures=(failure,)), SAY) == words


def test_what_failed_stands_first_and_open_and_the_rest_folded() -> None:
    run_ = scenario_run(scenario("first"), failed("second"), scenario("third"), failed("fourth"))
    text = as_html(run_)
    items = [a for tag, a in Page(text).tags if tag == "details" and "item" in (a.get("class") or "")]
    assert [(a["id"], "open" in a) for a in items] == [
        ("second", True), ("fourth", True), ("first", False), ("third", False),
    ]  # fmt: skip
    assert (
        text.index('id="failed"')
        < text.index('id="second"')
        < text.index("<h2>Configuration")
        < text.index('id="first"')
    )
    assert 'id="failed"' not in as_html(scenario_run(scenario()))


def test_the_same_report_gives_the_same_page_and_names_are_links_of_their_own() -> None:
    run_ = scenario_run(scenario("a[1]"), scenario("a-1"))
    assert as_html(run_) == as_html(run_)
    identifiers = [a["id"] for tag, a in Page(as_html(run_)).tags if tag == "details" and "id" in a]
    assert identifiers == ["a-1", "a-1--2"]


def test_what_is_damaged_is_shown_as_far_as_it_goes() -> None:
    odd = scenario(
        timezone="../../etc/passwd",
        trace=({"kind": "step"}, {"time": "yesterday"}, {"time": "2026-01-01T00:00:00", "kind": "odd", "x": HOSTILE}),
        exchanges=(exchange(begun="never", ended=""),),
    )
    assert "odd: x" in Page(as_html(scenario_run(odd))).text


def test_what_failed_stands_in_the_page_and_what_passed_is_packed_once() -> None:
    """Who has no script reads all about a failure; messages of many scenarios weigh no more than of one."""
    bare = Page(as_html(scenario_run(failed())))
    assert not [a for _, a in bare.tags if "data-part" in a]
    assert "AQID" in bare.text
    assert "messageType" in Page(as_html(scenario_run(failed(exchanges=(_enrolment(),))))).text
    one, many = (
        as_html(scenario_run(*(scenario(f"s-{n}", exchanges=(_enrolment(),)) for n in range(count))))
        for count in (1, 9)
    )
    assert "messageType" not in Page(one).text
    texts = [Page(opened(page)).text for page in (one, many)]
    assert [text.count("messageType") // texts[0].count("messageType") for text in texts] == [1, 9]
    assert len(many) - len(one) < 9 * 3000


def _enrolment() -> ExchangeReport:
    """The request of a real enrolment, with its reply."""
    (found,) = select(["every-thirty-days-for-a-year"])
    return next(e for e in report_of(run(found, keep_messages=True)).exchanges if e.operation == "PKCSReq")


def test_each_message_of_a_report_is_decoded_in_its_page() -> None:
    (found,) = select(["deferred-twice-then-issued"])
    report = report_of(run(found, keep_messages=True))
    text = Page(opened(as_html(scenario_run(report)))).text
    for exchange_ in report.exchanges:
        for content in (asked(exchange_), answered(exchange_)):
            for element in content.elements():
                assert element.path in text
                assert element.value in text
            assert base64.b64encode(content.octets).decode() in text


def test_hidden_letters_are_shown() -> None:
    assert shown("a\x1b\u202eb\ud800") == "a\\u001b\\u202eb\\ud800"
    assert shown(7) == 7


# --- story and drawings -----------------------------------------------------------------------------------


def story(name: str) -> tuple[StoryRow, ...]:
    (found,) = select([name])
    return story_of_trace([event.to_json() for event in run(found).events], SAY)


def test_an_exchange_is_one_row() -> None:
    rows = [row for row in story("deferred-twice-then-issued") if row.kind == "exchange"]
    assert [row.text for row in rows] == [
        "GetCACaps (GET)", "GetCACert (GET)", "PKCSReq (POST)", "CertPoll (POST)", "CertPoll (POST)",
    ]  # fmt: skip
    assert [row.reply for row in rows][2:] == ["CertRep PENDING", "CertRep PENDING", "CertRep SUCCESS"]
    assert [row.tone for row in rows][2:] == ["warn", "warn", "good"]


def test_a_fault_strikes_where_it_strikes() -> None:
    lost = [row for row in story("lost-reply-then-issued[reset]") if row.lost]
    assert [row.faults for row in lost] == [("reset",)]
    drawn = sequence(lost, UTC, SAY, "CA", {})
    assert [shape.kind for shape in drawn.shapes if shape.kind in ("bolt", "cross")] == ["cross", "bolt"]
    unreachable = StoryRow(lost[0].at, "exchange", "network", "GetCACaps", lost=True, sent=False, reply="away")
    drawn = sequence([unreachable], UTC, SAY, "CA", {})
    (cross,) = [shape for shape in drawn.shapes if shape.kind == "cross"]
    (lane,) = [shape for shape in drawn.shapes if shape.css == "name" and shape.text == "Network"]
    assert cross.x == lane.x


def struck(slug: str, *, lost: bool = False, known: bool = True) -> tuple[Figure, dict[str, float], float]:
    """The mark of a fault in an exchange; the x of each lane by its title, and the y of the reply's arrow."""
    at = datetime(2026, 3, 2, tzinfo=UTC)
    row = StoryRow(at, "exchange", "network", "PKCSReq", ended=at, reply="CertRep", lost=lost, faults=(slug,))
    entry = CatalogueEntry(slug, slug, FAULTS[slug].sentence, level=FAULTS[slug].layer)
    drawn = sequence([row], UTC, SAY, "CA", {slug: entry} if known else {})
    (bolt,) = [shape for shape in drawn.shapes if shape.kind == "bolt"]
    (beside,) = [shape for shape in drawn.shapes if shape.css == "fault-text"]
    assert beside.title == bolt.title
    *_, reply = [shape for shape in drawn.shapes if shape.css.startswith("arrow")]
    return bolt, {shape.text: shape.x for shape in drawn.shapes if shape.css == "name"}, reply.y


def test_a_fault_is_drawn_where_it_acted() -> None:
    bolt, lanes, reply = struck("fail-badalg")  # the CA's decision
    assert (bolt.x, bolt.y < reply) == (lanes["CA"], True)
    for slug in ("nonce-mismatch", "certrep-http-status"):  # the reply itself
        bolt, lanes, reply = struck(slug)
        assert bolt.y == reply
        assert lanes["CA"] - 20 < bolt.x < lanes["CA"]
    bolt, lanes, reply = struck("delay")  # on its way
    assert (bolt.x, bolt.y) == (lanes["Network"], reply)
    bolt, lanes, reply = struck("reset", lost=True)  # between the CA and where the reply was lost
    assert (lanes["Network"] + lanes["CA"]) / 2 < bolt.x < lanes["CA"]
    assert bolt.y == reply


def test_a_fault_has_its_sentence_as_its_title() -> None:
    assert struck("nonce-mismatch")[0].title == f"nonce-mismatch: {FAULTS['nonce-mismatch'].sentence}"
    assert struck("nonce-mismatch", known=False)[0].title == "nonce-mismatch"
    (found,) = select(["lost-reply-then-issued[reset]"])
    result = report_of(run(found, keep_messages=True))
    whole = explained(RunReport((result,), "in process"))
    assert whole.catalogue["reset"].text == FAULTS["reset"].sentence
    assert "A-34" in whole.catalogue
    text = opened(as_html(whole))
    assert f"<title>reset: {FAULTS['reset'].sentence}</title>" in text  # in the drawing
    assert f'title="{FAULTS["reset"].sentence}">reset</span>' in text  # in words


def test_a_check_without_a_trace_has_a_story_too() -> None:
    rows = story_of_exchanges((exchange(), exchange(reply=None, error="reset"), exchange(begun="x")), SAY)
    assert [(row.text, row.reply, row.lost) for row in rows] == [
        ("PKCSReq (POST)", "200 OK", False), ("PKCSReq (POST)", "reset", True),
    ]  # fmt: skip


def test_a_year_is_compressed_and_says_so() -> None:
    (found,) = select(["every-thirty-days-for-a-year"])
    report = report_of(run(found))
    rows = story_of_trace(report.trace, SAY)
    drawn = timeline(rows, report.minted, ZoneInfo("Europe/Oslo"), SAY, "CA")
    assert drawn.width < 2000
    gaps = [shape.text for shape in drawn.shapes if shape.css == "break-text"]
    assert gaps.count("30 d") >= 8
    bars = [shape for shape in drawn.shapes if shape.css.startswith("bar ")]
    assert len(bars) == len(report.minted) == 13
    assert all("installed, until 2027-" in bar.title or "until 2028-" in bar.title for bar in bars)
    assert [bar.x for bar in bars] == sorted(bar.x for bar in bars)


def test_what_happens_is_inside_the_sheet_and_in_order() -> None:
    for name in ("every-thirty-days-for-a-year", "history-of-twenty", "lost-reply-then-issued[reset]"):
        rows = story(name)
        for drawn in (timeline(rows, (), UTC, SAY, "CA"), sequence(rows, UTC, SAY, "CA", {})):
            for shape in drawn.shapes:
                assert 0 <= shape.x <= drawn.width
                assert 0 <= shape.y <= drawn.height
        dots = [
            s.x for s in timeline(rows, (), UTC, SAY, "CA").shapes if s.css.startswith("request") and s.kind == "box"
        ]
        assert dots == sorted(dots)


def test_a_long_sequence_says_what_it_leaves_out() -> None:
    start = datetime(2026, 3, 2, tzinfo=UTC)
    rows = [StoryRow(start + timedelta(seconds=n), "mark", "printer", f"row {n}") for n in range(500)]
    drawn = sequence(rows, UTC, SAY, "CA", {})
    texts = [shape.text for shape in drawn.shapes]
    assert any("360 rows left out" in text for text in texts)
    assert "row 0" in texts
    assert "row 499" in texts
    assert "row 250" not in texts


def test_when_the_printer_is_off() -> None:
    rows = [
        StoryRow(datetime(2026, 3, 2, 8, tzinfo=UTC), "mark", "printer", "start", power="on"),
        StoryRow(datetime(2026, 3, 2, 9, tzinfo=UTC), "mark", "printer", "shutdown", power="off"),
        StoryRow(datetime(2026, 3, 2, 10, tzinfo=UTC), "mark", "printer", "start", power="on"),
    ]  # fmt: skip
    ((since, until),) = off_spans(rows)
    assert (since.hour, until.hour) == (9, 10)
    assert any(shape.css == "off" for shape in timeline(rows, (), UTC, SAY, "CA").shapes)


def test_a_long_time_line_does_not_call_idle_what_it_leaves_out() -> None:
    start = datetime(2026, 3, 2, tzinfo=UTC)
    rows = [StoryRow(start + timedelta(minutes=20 * n), "mark", "printer", f"row {n}") for n in range(200)]
    drawn = timeline(rows, (), UTC, SAY, "CA")
    assert [s.title for s in drawn.shapes if s.css == "break left-out"] == ["110 moments not drawn"]
    assert "110 moments not drawn" in [s.text for s in drawn.shapes if s.css == "break-text"]
    assert {s.title for s in drawn.shapes if s.css == "break"} == {"20 min"}
    short = timeline(rows[:90], (), UTC, SAY, "CA")
    assert not [s for s in short.shapes if s.css == "break left-out"]


@pytest.mark.parametrize(("cut", "told"), [({}, "the power was cut"), ({"at": "PKCSReq.after"}, "PKCSReq.after")])
def test_a_power_cut_is_drawn_until_the_power_is_back(cut, told, tmp_path: Path) -> None:
    act = [{"power_cut": {**cut, "off": "10m"}}]
    request = [{"request": {"name": "tls", "common_name": "192.0.2.10"}} | ({"refused": "power-lost"} if cut else {})]
    document = {
        "format": 1, "name": "cut", "why": "The power goes.", "clock": "2026-03-02T08:00:00+01:00",
        "printer": {"communication": {"url": "http://ca.example/scep"}}, "ca": {"profile": "rfc8894"},
        "steps": [*act, *(request if cut else []), {"advance": "1h"}, {"expect": {"powered": True}}],
    }  # fmt: skip
    file = tmp_path / "cut.scenario.yaml"
    file.write_text(json.dumps(document))
    (found,) = select([str(file)])
    result = run(found)
    assert not result.failures
    rows = story_of_trace(report_of(result).trace, SAY)
    ((since, until),) = off_spans(rows)
    assert until - since == timedelta(minutes=10)
    assert [told in row.text for row in rows if row.power == "off"] == [True]
    assert [s.title for s in timeline(rows, (), UTC, SAY, "CA").shapes if s.css == "off"] == ["off: 10 min"]


def test_whether_a_lost_request_was_sent_is_told_by_the_event_not_by_its_words() -> None:
    def trace(**lost: object) -> list[dict[str, object]]:
        at = {"time": "2026-03-02T08:00:00+00:00"}
        return [
            {**at, "kind": "exchange.request", "operation": "PKCSReq", "method": "POST"},
            {**at, "kind": "exchange.lost", "operation": "PKCSReq", "error": "ca:80 refused the connection", **lost},
        ]

    assert [story_of_trace(trace(sent=sent), SAY)[0].sent for sent in (True, False)] == [True, False]
    (checked,) = story_of_exchanges((exchange(reply=None, error="refused the connection", sent=False),), SAY)
    assert not checked.sent


def test_coverage_with_said_and_assumed_apart() -> None:
    shown = scenario("shows", covers=("MFP-POLL-03", "SCEP-2.1.1-01", "F-K01"), rests_on=("A-34",))
    broken = scenario(
        "fails", covers=("MFP-POLL-03",), rests_on=(), failures=(FailureReport(1, "a:1:1", "x", "1", "2"),)
    )
    rows = {row.id: row for row in covered((shown, broken))}
    assert set(rows) == {"MFP-POLL-03", "SCEP-2.1.1-01", "F-K01"}
    page = as_html(scenario_run(shown, broken))
    found = Page(page)
    verdicts = [a["data-verdict"] for tag, a in found.tags if tag == "tr" and a.get("class") == "covered"]
    assert sorted(verdicts) == ["fail", "pass", "pass"]
    bases = [a["data-basis"] for tag, a in found.tags if tag == "details" and "data-basis" in a]
    assert bases == [basis for basis in BASES if basis in {row.basis for row in rows.values()}]
    assert len(bases) >= 2
    section = page[page.index('id="coverage"') : page.index("<h2>Details")]
    assert section.count('href="#shows"') == 3
    assert section.count('href="#fails"') == 1
    assert "A-34" in section
    assert "<h2>Dekning</h2>" in as_html(scenario_run(shown), "nb")


def test_no_coverage_where_no_scenario_ran() -> None:
    assert "coverage" not in [a.get("id") for _, a in Page(as_html(conformance_run())).tags]


def test_a_scenario_cannot_take_the_name_of_a_part_of_the_page() -> None:
    identifiers = [
        a["id"] for _, a in Page(as_html(scenario_run(scenario("results"), scenario("coverage")))).tags if "id" in a
    ]
    assert len(identifiers) == len(set(identifiers))


def test_nothing_happened() -> None:
    assert sequence((), UTC, SAY, "CA", {}) is None
    assert timeline((), (), UTC, SAY, "CA") is None


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0 s"), (59, "59 s"), (3600, "1 h"), (93784, "1 d 2 h"), (2592000, "30 d")]
)
def test_lengths_of_time(seconds: int, text: str) -> None:
    assert lasting(timedelta(seconds=seconds), SAY) == text


# --- what was found at a server ---------------------------------------------------------------------------


def test_the_first_page_tells_what_to_mend_first_and_the_rest_by_class() -> None:
    run_ = conformance_run()
    text = as_html(run_)
    at = [text.index(words) for words in (
        'class="letter" aria-label="Grade: D">D<', "Breaks a MUST of RFC 8894 in 1 check.", "<h2>What to do next</h2>",
        'id="cause-1"', 'id="cause-2"', 'id="cause-3"', "<h2>Hygiene</h2>", 'id="cause-4"',
        "<h2>Policy: configuration of the server</h2>", 'id="cause-5"', "<h2>Printers</h2>", "<h2>Configuration</h2>",
        "<h2>Overview</h2>",
    )]  # fmt: skip
    assert at == sorted(at)
    assert "3.2.1.5 senderNonce and recipientNonce" in text
    assert "3.2.1.4 failInfo and failInfoText" in text  # the section of each check, with its title
    policy = text[text.index("<h2>Policy") : text.index('id="cause-5"')]
    assert "<details" in policy
    assert "<details open" not in policy


def test_places_lead_to_their_checks_and_checks_to_their_cause() -> None:
    page = Page(text := opened(as_html(conformance_run())))
    anchors = {a["id"] for _, a in page.tags if "id" in a}
    links = [a["href"] for tag, a in page.tags if tag == "a"]
    assert {link[1:] for link in links} <= anchors
    assert links.count("#check-fail") == 2  # from its cause and from the table
    assert "#cause-1" in links
    assert "The nonce is not compared" in text  # what went wrong is the title of the check


def test_checks_load_folded_and_one_of_which_nothing_was_found_is_packed() -> None:
    text = as_html(conformance_run())
    assert not re.search(r'<details class="item[^>]* open', text)
    passed = text[text.index('<details class="item good" id="check-pass"') :]
    assert passed[: passed.index("</details>")].count("data-part=") == 1
    assert "check-pass" in opened(text)


def test_no_check_takes_the_anchor_of_a_cause() -> None:
    run_ = conformance_run()
    checks = (replace(run_.checks[0], id="cause-1"), *run_.checks[1:])
    identifiers = [a["id"] for _, a in Page(as_html(replace(run_, checks=checks))).tags if "id" in a]
    assert len(identifiers) == len(set(identifiers))


def test_the_stages_of_a_printer_stand_in_a_table_with_the_reason_and_the_remedy() -> None:
    text = Page(as_html(conformance_run())).text
    assert "capabilities" in text
    assert "✗ failed" in text
    assert "let it enrol" in text


def test_without_findings_and_a_grade_it_is_the_page_of_before() -> None:
    run_ = replace(conformance_run(), findings=(), grade=None)
    assert "Not as expected" in as_html(run_)
    assert "What to do next" not in as_html(run_)


@pytest.mark.parametrize(
    ("letter", "broken", "tone", "words"),
    [
        ("A", False, "good", "All as expected"),
        ("B", False, "warn", "All as expected"),
        ("D", False, "bad", "All as expected"),
        ("D", True, "bad", "Not as expected"),
        ("", False, "plain", "All as expected"),  # what has no grade is never green
    ],
)
def test_the_grade_gives_the_colour_and_the_baseline_the_words(
    letter: str, broken: bool, tone: str, words: str
) -> None:
    run_ = conformance_run()
    baseline = Baseline("baseline.yaml", ("check-fail",) if broken else ())
    given = replace(run_, grade=Grade(letter), stopped=None, provenance=replace(run_.provenance, baseline=baseline))
    text = as_html(given)
    assert f'class="headline {tone}"' in text
    assert words in text
