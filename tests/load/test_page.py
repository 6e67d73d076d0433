"""The page of a load run: nothing from elsewhere, every text quoted, and what it says first."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from mfp_sim.load.job import LoadJob
from mfp_sim.load.page import as_page, asked_of_server
from mfp_sim.load.result import Gathered, LoadResult

JOB = LoadJob("https://127.0.0.1:1/scep", 40, 2, "load.json", "keys.pem", rate=20.0)


def _result(*, failed: int = 0) -> LoadResult:
    found = Gathered()
    for number in range(40):
        found.began(1000.0 + number)
        found.delayed(0.002)
        found.took("PKCSReq", 0.02)
        found.took("enrolment", 0.05)
        found.ended(1000.5 + number, *(("fail-info-2", None) if number < failed else ("issued", f"{number:x}")))
    return found.result(JOB, done=2, stopped=None)


def _headline(page: str) -> tuple[str, ...]:
    found = re.search(r'<section class="headline (\w+)"><strong>(.*?)</strong>', page)
    assert found is not None
    return found.groups()


def test_the_page_shows_rate_times_and_outcomes() -> None:
    page = as_page(_result())
    assert _headline(page) == ("good", "1.0 certificates a second over 40 s: 40 of 40 enrolments.")
    assert "issued: 40 (100.0%)" in page
    assert re.search(r"the whole enrolment</th><td class=\"n\">5\d ms</td>", page)
    assert "sent no later than 2 ms after they were due" in page
    assert "What to know" not in page
    assert set(re.findall(r'(?:src|href)="([^"]*)"', page)) == {"data:,", "#charts"}


@pytest.mark.parametrize(
    ("changed", "tone", "said"),
    [
        ({"tls_checked": False}, "warn", "TLS certificate was not checked"),
        ({"unanswered": 3}, "warn", "3 requests got no reply"),
        ({"distinct": 39, "duplicates": ("a",)}, "bad", "40 certificates have 39 serial numbers; duplicates: a"),
        ({"stopped": "10 failed, <b>"}, "bad", "stopped: 10 failed, &lt;b&gt;"),
        ({"workers_done": 1}, "bad", "the run is invalid: 1 of 2 workers did not end normally"),
    ],
)
def test_what_has_to_be_known_stands_before_the_charts(changed: dict[str, object], tone: str, said: str) -> None:
    page = as_page(replace(_result(), **changed))  # type: ignore[arg-type]
    assert _headline(page)[0] == tone
    assert said in page[: page.index('id="charts"')]


@pytest.mark.parametrize(("clients", "words"), [(1, "1 client, one enrolment"), (2, "2 clients, one enrolment")])
def test_the_load_is_in_words(clients: int, words: str) -> None:
    assert f"40 enrolments, {words} after another, by 2 workers" in asked_of_server(
        replace(_result(), rate=None, clients=clients)
    )


def test_failures_are_no_good_news() -> None:
    page = as_page(_result(failed=4))
    assert _headline(page)[0] == "bad"
    assert "fail-info-2: 4 (10.0%)" in page
    assert "<script" not in page


def test_a_run_of_which_nothing_came_has_a_page() -> None:
    page = as_page(Gathered().result(JOB, done=0, stopped="worker 0: it could not begin"))
    assert _headline(page) == ("bad", "0.0 certificates a second over 0 ms: 0 of 0 enrolments.")
