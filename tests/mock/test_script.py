"""Rules: how often, until when, the n-th, stacks of faults, shuffles, near misses, and swaps while running."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

import pytest

from mfp_sim.shared.errors import DocumentError
from mfp_sim.shared.simtime import Entropy
from mock_scep_server.script import Facts, Script
from mock_scep_server.script_file import script_of

NOW = datetime(2026, 3, 2, 8, tzinfo=timezone.utc)
ASKED = Facts("PKIOperation", "POST", "PKCSReq", "t1", "CN=a", "192.0.2.1")


def _script(text: str, seed: int | None = None) -> Script:
    script = Script(script_of(text, "rules"), ZoneInfo("Europe/Oslo"), NOW)
    if seed is not None:
        script.begin(Entropy(seed))
    return script


def _taken(script: Script, count: int, facts: Facts = ASKED, now: datetime = NOW) -> list[int | None]:
    return [script.take(facts, now).rule for _ in range(count)]


def test_times_nth_and_the_count_of_pending() -> None:
    script = _script("[{then: pending, when: {nth: 2}}, {then: {pending: 2}}, {then: success, times: 1}]")
    assert _taken(script, 6) == [2, 1, 2, 3, None, None]


def test_nth_counts_what_fits_also_when_another_rule_takes_it() -> None:
    script = _script("[{then: pending, times: 2}, {then: {failure: 2}, when: {type: PKCSReq, nth: 3}}]")
    assert _taken(script, 4) == [1, 1, 2, None]


@pytest.mark.parametrize(
    ("until", "ends"),
    [
        ("10:00", datetime(2026, 3, 2, 9, tzinfo=timezone.utc)),
        ("2026-03-29 03:30", datetime(2026, 3, 29, 1, 30, tzinfo=timezone.utc)),
    ],
)
def test_until_is_local_time_and_the_rule_ends_at_it(until: str, ends: datetime) -> None:
    script = _script(f"[{{then: pending, until: {until}}}]")
    assert _taken(script, 1, now=ends - timedelta(seconds=1)) == [1]
    late = script.take(ASKED, ends)
    assert (late.rule, late.near_misses) == (None, (f"rule 1 nearly matched: it ended at {until}",))


def test_a_rule_by_chance_takes_its_part_and_its_seed_repeats_which() -> None:
    text = "[{then: none, chance: 25%}]"
    first = _taken(_script(text, seed=3), 2000)
    assert first == _taken(_script(text, seed=3), 2000) != _taken(_script(text, seed=4), 2000)
    assert 400 < first.count(1) < 600
    assert _taken(_script("[{then: none, chance: 100%}]", seed=3), 50) == [1] * 50
    script = _script(text, seed=3)
    near = {taken.near_misses for _ in range(50) if (taken := script.take(ASKED, NOW)).rule is None}
    assert near == {("rule 1 nearly matched: its chance excluded the request",)}


def test_chance_is_drawn_only_where_a_rule_has_one() -> None:
    """Scripts without it draw as before, so that what a seed gives stays the same."""
    entropy = Entropy(3)
    script = Script(script_of("[{then: pending}]", "rules"), ZoneInfo("UTC"), NOW)
    script.begin(entropy)
    _taken(script, 5)
    assert entropy.octets(8) == Entropy(3).octets(8)


def test_a_rule_over_a_rate_takes_what_is_too_much_in_a_span() -> None:
    script = _script("[{then: {http: 429, retry_after: 60}, over: {requests: 3, per: 1m}}]")
    at = [NOW + timedelta(seconds=second) for second in (0, 10, 20, 30, 40, 61, 75, 140)]
    # Within a minute of 61 there were those at 10, 20, 30 and 40; at 140 those of 81 and later are none.
    assert [script.take(ASKED, now).rule for now in at] == [None, None, None, 1, 1, 1, 1, None]
    near = _script("[{then: none, over: {requests: 1, per: 90s}}]").take(ASKED, NOW).near_misses
    assert near == ("rule 1 nearly matched: this was number 1 in 90 s, the rule requires more than 1",)


@pytest.mark.parametrize("chance", ["0%", "101%", "ten", "10", "1.23456%"])
def test_a_chance_that_is_none_is_a_mistake(chance: str) -> None:
    with pytest.raises(DocumentError, match="chance has to be"):
        script_of(f"[{{then: none, chance: {chance}}}]", "rules")


def test_faults_of_a_rule_stack() -> None:
    script = _script("[{faults: [nonce-mismatch, {delay: 5s}, {certrep-http-status: 400}]}]")
    slugs = [chosen.slug for chosen in script.take(ASKED, NOW).faults]
    assert slugs == ["nonce-mismatch", "delay", "certrep-http-status"]


def test_near_misses_say_which_one_condition_is_wrong() -> None:
    script = _script(
        '[{when: {type: RenewalReq}, then: pending}, {when: {type: CertPoll}, then: pending}, {when: {subject: "CN=b*"},'
        " then: pending}, {when: {type: CertPoll, method: GET}, then: pending}, {when: {nth: 2}, then: pending}]"
    )
    assert script.take(ASKED, NOW).near_misses == (
        "rule 1 nearly matched: type is PKCSReq, the rule requires RenewalReq",
        "rule 2 nearly matched: type is PKCSReq, the rule requires CertPoll",
        "rule 3 nearly matched: subject is CN=a, the rule requires CN=b*",
        "rule 5 nearly matched: this was match 1, the rule requires 2",
    )


SHUFFLE = "[{when: {type: CertPoll}, then: pending}, {shuffle: [" + ", ".join(
    f"{{then: {{failure: {n}}}, times: 1}}" for n in range(5)
) + "]}, {then: success}]"  # fmt: skip


def test_a_shuffle_draws_an_order_that_its_seed_repeats() -> None:
    orders = [tuple(_taken(_script(SHUFFLE, seed), 7)) for seed in range(40)]
    for order in orders:
        assert sorted(order[:5]) == [2, 3, 4, 5, 6]
        assert order[5:] == (7, 7)
    assert orders == [tuple(_taken(_script(SHUFFLE, seed), 7)) for seed in range(40)]
    assert len(set(orders)) > 20
    assert {order[0] for order in orders} == {2, 3, 4, 5, 6}


def test_only_the_rules_of_a_shuffle_change_places() -> None:
    for seed in range(20):
        numbers = [rule["rule"] for rule in _script(SHUFFLE, seed).describe()]
        assert (numbers[0], numbers[-1]) == (1, 7)


def test_the_service_draws_from_the_cas_chance(make_ca, make_client) -> None:
    def first() -> str:
        ca = make_ca(script="[{shuffle: [" + ", ".join(f"{{then: {{failure: {n}}}}}" for n in range(5)) + "]}]")
        return make_client(ca).enrol().words

    assert first() == first()


def test_mistakes_of_a_shuffle() -> None:
    with pytest.raises(DocumentError) as caught:
        _script("[{shuffle: [{then: pending}]}, {shuffle: [{then: maybe}, {tehn: pending}], times: 2}]")
    told = str(caught.value)
    assert "rules:1:12: shuffle has at least 2 entries" in told
    assert "rules:1:50: then has to be success" in told
    assert "did you mean 'then'?" in told
    assert "'times'" in told


def test_rules_are_taken_exactly_as_often_as_they_say_whoever_asks_at_once() -> None:
    script = _script(
        "[{then: pending, times: 700}, {then: {failure: 2}, when: {nth: 1000}}, {then: success, times: 1200}]"
    )
    with ThreadPoolExecutor(16) as pool:
        taken = Counter(pool.map(lambda _: script.take(ASKED, NOW).rule, range(2000)))
    assert taken == {1: 700, 2: 1, 3: 1200, None: 99}
    assert [(rule["fitted"], rule["taken"]) for rule in script.describe()] == [(2000, 700), (2000, 1), (2000, 1200)]


def test_other_rules_begin_unused_and_the_same_again_too() -> None:
    script = _script("[{then: pending, times: 1}]")
    assert _taken(script, 2) == [1, None]
    script.restart()
    assert _taken(script, 2) == [1, None]
    script.replace(_script("[{then: success, times: 2}]").rules)
    assert _taken(script, 3) == [1, 1, None]
    assert script.unused() == []


def test_swapped_while_requests_run_no_request_sees_half_of_a_script(make_ca) -> None:
    ca = make_ca(script="[{then: {http: 500}}, {then: {http: 501}}]")
    other = _script("[{then: {http: 502}}, {then: {http: 503}}]").rules
    first = ca.service.script.rules
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(ca.get, "/?operation=GetCACaps") for _ in range(200)]
        for turn in range(50):
            ca.service.script.replace((other, first)[turn % 2])
        found = {reply.result().status for reply in asked}
    assert found <= {500, 502}


@pytest.mark.parametrize(
    ("failure", "number", "written"),
    [("4", 4, None), ("5", 2, "5"), ("7", 2, "7"), ('"2 "', 2, "2 "), ('"3"', 2, "3"), ('""', 2, "")],
)
def test_a_fail_info_that_the_rfc_does_not_know_is_written_as_it_is(
    failure: str, number: int, written: str | None
) -> None:
    answer = _script(f"[{{then: {{failure: {failure}}}}}]").rules[0].answer
    assert answer is not None
    assert (answer.kind, answer.fail_info, answer.written) == ("failure", number, written)


@pytest.mark.parametrize("failure", ["-1", "true", "[2]", "null", "1.5"])
def test_what_is_neither_number_nor_text_is_no_fail_info(failure: str) -> None:
    with pytest.raises(DocumentError, match="failure has to be"):
        script_of(f"[{{then: {{failure: {failure}}}}}]")
