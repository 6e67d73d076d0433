"""Each key of a rule: what is read of it, which mistakes are told where, and what a rule says of itself."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from mfp_sim.shared.errors import DocumentError
from mfp_sim.shared.simtime import Entropy
from mock_scep_server.ruled import RuledAnswer
from mock_scep_server.script import Condition, Facts, Rule, Script, Taken
from mock_scep_server.script_file import load_script_file, script_of

NOW = datetime(2026, 3, 2, 8, tzinfo=timezone.utc)
HEADERS = (("User-Agent", "curl/8.0"), ("Via", "1.0 a"), ("via", "1.1 b"))
ASKED = Facts(
    "PKIOperation",
    "POST",
    "PKCSReq",
    "t1",
    "CN=a",
    "192.0.2.1",
    "/scep/pkiclient.exe?operation=PKIOperation&x",
    HEADERS,
)


def _rules(text: str) -> tuple[Rule, ...]:
    return script_of(text, "rules")


def _script(text: str) -> Script:
    return Script(_rules(text), ZoneInfo("Europe/Oslo"), NOW)


def _mistakes(text: str) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        _rules(text)
    return [str(problem) for problem in caught.value.problems]


# --- answers ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("then", "answer", "times", "text"),
    [
        ("success", RuledAnswer("success"), None, "success"),
        ("pending", RuledAnswer("pending"), None, "pending"),
        ("none", RuledAnswer("none"), None, "none"),
        ("{pending: 3}", RuledAnswer("pending"), 3, "pending"),
        ("{failure: 0}", RuledAnswer("failure", 0), None, "failure 0"),
        ("{failure: 4}", RuledAnswer("failure", 4), None, "failure 4"),
        ("{failure: 5}", RuledAnswer("failure", 2, written="5"), None, "failure '5'"),
        ("{failure: 1000000000}", RuledAnswer("failure", 2, written="1000000000"), None, "failure '1000000000'"),
        ("{failure: '2 '}", RuledAnswer("failure", 2, written="2 "), None, "failure '2 '"),
        ("{failure: 3, text: late}", RuledAnswer("failure", 3, "late"), None, "failure 3"),
        (
            "{failure: 7, text: a, hresult: 1}",
            RuledAnswer("failure", 2, "a", written="7", hresult="1"),
            None,
            "failure '7'",
        ),
        (
            "{failure: x, text: a, hresult: 1}",
            RuledAnswer("failure", 2, "a", written="x", hresult="1"),
            None,
            "failure 'x'",
        ),
        ("{failure: 1, text: a, hresult: 1}", RuledAnswer("failure", 1, "a", hresult="1"), None, "failure 1"),
        ("{http: 200}", RuledAnswer("http", status=200), None, "http 200"),
        ("{http: 599, retry_after: 0}", RuledAnswer("http", status=599, retry_after=0), None, "http 599"),
        ("{http: 503, retry_after: 30}", RuledAnswer("http", status=503, retry_after=30), None, "http 503"),
    ],
)
def test_each_answer_is_read(then: str, answer: RuledAnswer, times: int | None, text: str) -> None:
    (rule,) = _rules(f"[{{then: {then}}}]")
    assert (rule.answer, rule.times) == (answer, times)
    assert str(rule.answer) == text
    assert not answer.again
    assert rule.grants is (answer.kind in ("success", "pending"))


def test_an_answer_is_written_as_it_is_up_to_a_length() -> None:
    (rule,) = _rules("[{then: {failure: %s}}]" % ("x" * 100))
    assert rule.answer is not None
    assert rule.answer.written == "x" * 100
    (told,) = _mistakes("[{then: {failure: %s}}]" % ("x" * 101))
    assert "failure has to be" in told


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("0x7fffffff", "2147483647"), ("0x80000000", "-2147483648"), ("0XFFFFFFFF", "-1"), ("2147483647", "2147483647"),
        ("2147483648", "-2147483648"), ("4294967295", "-1"), ("-2147483648", "-2147483648"), ("0", "0"), ("'0x1'", "1"),
        ("E_FAIL", "-2147467259"),
    ],
)  # fmt: skip
def test_an_hresult_is_sent_as_a_signed_number(written: str, sent: str) -> None:
    (rule,) = _rules(f"[{{then: {{failure: 2, hresult: {written}}}}}]")
    assert rule.answer is not None
    assert rule.answer.hresult == sent


@pytest.mark.parametrize(
    "written", ["4294967296", "-2147483649", "true", "'0x123456789'", "'x0x1'", "'0x1g'", "1.5", "[1]"]
)
def test_what_has_not_32_bits_is_no_hresult(written: str) -> None:
    (told,) = _mistakes(f"[{{then: {{failure: 2, hresult: {written}}}}}]")
    assert "rules:1:31: hresult has to be a 32-bit number (0x80070057) or a name (E_INVALIDARG)" in told


def test_a_name_that_is_nearly_one_is_told() -> None:
    (told,) = _mistakes("[{then: {failure: 2, hresult: E_ACESSDENIED}}]")
    assert "did you mean 'E_ACCESSDENIED'?" in told


SHAPE = "then has to be success, pending, none, {pending: …}, {failure: …, text: …, hresult: …} or {http: …, retry_after: …}, not"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[{then: sucess}]", f"rules:1:9: {SHAPE} 'sucess' (did you mean 'success'?)"),
        ("[{then: failure}]", f"rules:1:9: {SHAPE} 'failure' (did you mean 'failure'?)"),
        ("[{then: htp}]", f"rules:1:9: {SHAPE} 'htp' (did you mean 'http'?)"),
        ("[{then: nonne}]", f"rules:1:9: {SHAPE} 'nonne' (did you mean 'none'?)"),
        ("[{then: pendin}]", f"rules:1:9: {SHAPE} 'pendin' (did you mean 'pending'?)"),
        ("[{then: [success]}]", f"rules:1:9: {SHAPE}"),
        ("[{then: {}}]", f"rules:1:9: {SHAPE}"),
        ("[{then: {success: 1}}]", f"rules:1:9: {SHAPE}"),
        ("[{then: {pending: 0}}]", "rules:1:19: pending has to be at least 1"),
        ("[{then: {pending: 1, text: a}}]", "unknown key 'text' in then"),
        ("[{then: {failure: -1}}]", "rules:1:19: failure has to be from 0 to 1000000000, not -1"),
        ("[{then: {failure: 1000000001}}]", "rules:1:19: failure has to be from 0 to 1000000000, not 1000000001"),
        ("[{then: {failure: 1, retry_after: 1}}]", "unknown key 'retry_after' in then"),
        ("[{then: {failure: 1, text: 5}}]", "rules:1:28: text has to be a string"),
        ("[{then: {http: 199}}]", "rules:1:16: http has to be from 200 to 599, not 199"),
        ("[{then: {http: 600}}]", "rules:1:16: http has to be from 200 to 599, not 600"),
        ("[{then: {http: 500, retry_after: -1}}]", "rules:1:34: retry_after has to be at least 0"),
        ("[{then: {http: 500, text: a}}]", "unknown key 'text' in then"),
        ("[{when: {type: PKCSReq}}]", "rules:1:2: a rule needs 'then', 'faults', or both"),
        ("[{}]", "rules:1:2: a rule needs 'then', 'faults', or both"),
        ("[5]", "a rule has to be a map"),
        ("{then: pending}", "a script has to be a list"),
        ("[{then: pending, times: 0}]", "rules:1:25: times has to be at least 1"),
        ("[{then: {pending: 2}, times: 2}]", "rules:1:30: times is redundant with {pending: n}, which already has a count"),
        ("[{then: pending, optional: 5}]", "rules:1:28: optional has to be"),
        ("[{then: pending, tims: 5}]", "unknown key 'tims' in a rule (did you mean 'times'?)"),
        ("[{then: pending, until: noon}]", "rules:1:25: until has to be HH:MM or YYYY-MM-DD HH:MM, not 'noon'"),
        ("[{then: pending, until: '24:00'}]", "rules:1:25: until has to be HH:MM or YYYY-MM-DD HH:MM, not '24:00'"),
        ("[{then: pending, until: '12:60'}]", "rules:1:25: until has to be HH:MM or YYYY-MM-DD HH:MM, not '12:60'"),
        ("[{then: pending, until: '012:00'}]", "rules:1:25: until has to be HH:MM or YYYY-MM-DD HH:MM, not '012:00'"),
        ("[{then: pending, until: 9999-01-01 00:00}]", "rules:1:25: until has to be in the years"),
        ("[{then: pending, until: 5}]", "rules:1:25: until has to be a string"),
        ("[{then: pending, when: {nth: 0}}]", "rules:1:30: nth has to be at least 1"),
        ("[{then: pending, when: {operation: GetCaps}}]", "rules:1:36: operation has to be one of"),
        ("[{then: pending, when: {method: PUT}}]", "rules:1:33: method has to be one of GET, POST"),
        ("[{then: pending, when: {type: PKCS}}]", "rules:1:31: type has to be one of"),
        ("[{then: pending, when: {subject: 5}}]", "rules:1:34: subject has to be a string"),
        ("[{then: pending, when: {transaction: 5}}]", "rules:1:38: transaction has to be a string"),
        ("[{then: pending, when: {client: 5}}]", "rules:1:33: client has to be a string"),
        ("[{then: pending, when: {clent: a}}]", "unknown key 'clent' in when (did you mean 'client'?)"),
        ("[{then: pending, when: 5}]", "when has to be a map"),
        ("[{shuffle: [{then: pending}]}]", "rules:1:12: shuffle has at least 2 entries"),
        ("[{then: pending, when: {operation: GetCACaps, type: PKCSReq}}]",
         "rules:1:24: no request can match: the operation GetCACaps has no message, and so no type PKCSReq (omit one of the two)"),
        ("[{faults: [no-such-fault]}]", "there is no fault 'no-such-fault'"),
        ("[{when: {type: PKCSReq}, then: {failure: 2}, faults: [env-wrong-recipient]}]",
         "env-wrong-recipient has no effect here"),
    ],
)  # fmt: skip
def test_each_mistake_is_told_once_where_it_is(text: str, told: str) -> None:
    (mistake,) = _mistakes(text)
    assert told in mistake


@pytest.mark.parametrize(
    ("then", "key", "column"),
    [("{pending: 1, text: a}", "text", 22), ("{failure: 1, txt: a}", "txt", 22), ("{http: 500, x: a}", "x", 21)],
)
def test_what_is_no_key_of_an_answer_is_told_to_be_of_then(then: str, key: str, column: int) -> None:
    (told,) = _mistakes(f"[{{then: {then}}}]")
    assert told.partition(" (")[0] == f"rules:1:{column}: unknown key '{key}' in then"


@pytest.mark.parametrize("text", ["00:00", "09:59", "19:00", "20:00", "23:59", "2026-03-29 03:30"])
def test_each_form_of_until_is_read(text: str) -> None:
    (rule,) = _rules(f"[{{then: pending, until: '{text}'}}]")
    assert rule.until == text


def test_everything_that_a_rule_says_is_read_and_told() -> None:
    text = """
- when: {operation: PKIOperation, method: POST, type: CertPoll, subject: CN=a, transaction: t*, client: 192.0.2.1, nth: 2}
  then: {failure: 3}
  faults: [nonce-mismatch]
  times: 4
  until: 10:00
  optional: true
- {then: pending}
- {faults: [{delay: 5s}]}
"""
    first, second, third = _rules(text)
    assert first.when == Condition("PKIOperation", "POST", "CertPoll", "CN=a", "t*", "192.0.2.1", 2)
    assert [(rule.optional, rule.number, rule.shuffle) for rule in (first, second, third)] == [
        (True, 1, None), (False, 2, None), (False, 3, None),
    ]  # fmt: skip
    assert first.describe() == {
        "rule": 1,
        "place": "rules:2:3",
        "when": {
            "operation": "PKIOperation", "method": "POST", "type": "CertPoll", "subject": "CN=a", "transaction": "t*",
            "client": "192.0.2.1", "nth": 2,
        },
        "then": "failure 3",
        "faults": ["nonce-mismatch"],
        "times": 4,
        "until": "10:00",
    }  # fmt: skip
    assert second.describe() == {"rule": 2, "place": "rules:8:3", "then": "pending"}
    assert third.describe() == {"rule": 3, "place": "rules:9:3", "faults": ["delay"]}
    assert (third.answer, third.grants, third.when) == (None, False, Condition())


def test_a_file_is_read_and_its_mistakes_have_its_name(tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text("- {then: pending}\n")
    assert [rule.answer for rule in load_script_file(file)] == [RuledAnswer("pending")]
    file.write_text("- {then: pendig}\n- {tims: 1, then: success}\n")
    with pytest.raises(DocumentError) as caught:
        load_script_file(file)
    assert [str(problem).split("rules.yaml:")[1][:4] for problem in caught.value.problems] == ["1:10", "2:4:"]


# --- matching ---------------------------------------------------------------------------------------------

MATCHES = [
    ("operation: PKIOperation", "operation: GetCACert", "operation is PKIOperation, the rule requires GetCACert"),
    ("method: POST", "method: GET", "method is POST, the rule requires GET"),
    ("type: PKCSReq", "type: CertPoll", "type is PKCSReq, the rule requires CertPoll"),
    ("transaction: t?", "transaction: T?", "transaction is t1, the rule requires T?"),
    ("subject: CN=*", "subject: cn=*", "subject is CN=a, the rule requires cn=*"),
    ("path: /scep/*", "path: /scep", "path is /scep/pkiclient.exe, the rule requires /scep"),
    ("target_over: 43", "target_over: 44", "the target has 44 bytes, the rule requires more than 44"),
    (
        "headers: {user-agent: 'curl*'}",
        "headers: {User-Agent: 'Wget*'}",
        "User-Agent is different, the rule requires Wget*",
    ),
    ("headers: {Via: '*1.1*'}", "headers: {Forwarded: '*'}", "Forwarded is absent, the rule requires *"),
    ("client: 192.0.2.1", "client: 192.0.2.*", "client is 192.0.2.1, the rule requires 192.0.2.*"),
]


@pytest.mark.parametrize(("fits", "not_", "why"), MATCHES)
def test_each_condition_decides(fits: str, not_: str, why: str) -> None:
    assert _script(f"[{{when: {{{fits}}}, then: none}}]").take(ASKED, NOW).rule == 1
    missed = _script(f"[{{when: {{{not_}}}, then: none}}]").take(ASKED, NOW)
    assert (missed.rule, missed.near_misses) == (None, (f"rule 1 nearly matched: {why}",))


def test_what_a_request_has_not_fits_no_condition() -> None:
    missed = _script("[{when: {subject: '*'}, then: none}]").take(Facts("PKIOperation", "GET"), NOW)
    assert missed.near_misses == ("rule 1 nearly matched: subject is absent, the rule requires *",)
    two = _script("[{when: {subject: '*', method: POST}, then: none}]").take(Facts("PKIOperation", "GET"), NOW)
    assert two.near_misses == (), "two conditions that do not hold are no near miss"


def test_the_first_rule_that_fits_wins_and_says_who_it_is() -> None:
    script = _script("[{then: {failure: 1}, faults: [nonce-mismatch]}, {then: {failure: 2}}]")
    taken = script.take(ASKED, NOW)
    assert (taken.rule, taken.answer, [chosen.slug for chosen in taken.faults]) == (
        1, RuledAnswer("failure", 1), ["nonce-mismatch"],
    )  # fmt: skip
    assert [(rule["rule"], rule["fitted"], rule["taken"]) for rule in script.describe()] == [(1, 1, 1), (2, 1, 0)]
    assert Taken() == Taken(None, None, (), (), None)


@pytest.mark.parametrize(
    ("rule", "why"),
    [
        ("{then: none, times: 2}", "it has already been used 2 times"),
        ("{then: none, when: {nth: 2}}", "this was match 3, the rule requires 2"),
    ],
)
def test_a_rule_that_is_spent_says_so(rule: str, why: str) -> None:
    script = _script(f"[{rule}]")
    taken = [script.take(ASKED, NOW) for _ in range(3)]
    assert [one.rule for one in taken] == ([1, 1, None] if "times" in rule else [None, 1, None])
    assert taken[-1].near_misses == (f"rule 1 nearly matched: {why}",)


def test_until_is_of_the_day_on_which_the_script_began() -> None:
    script = _script("[{then: none, until: '10:00'}]")
    ends = datetime(2026, 3, 2, 9, tzinfo=timezone.utc)
    assert script.take(ASKED, ends - timedelta(microseconds=1)).rule == 1
    assert script.take(ASKED, ends).rule is None
    assert script.take(ASKED, ends + timedelta(hours=23)).rule is None, "not again on the next day"
    open_ended = Script(script.rules, ZoneInfo("Europe/Oslo"))
    assert open_ended.take(ASKED, ends + timedelta(hours=23)).rule == 1, "without a start, of the day that it is"
    night = Script(
        _rules("[{then: none, until: '00:30'}]"), ZoneInfo("Europe/Oslo"), datetime(2026, 3, 2, 23, tzinfo=timezone.utc)
    )
    assert night.take(ASKED, datetime(2026, 3, 2, 23, 10, tzinfo=timezone.utc)).rule == 1, "the day is the local one"


def test_rules_that_have_no_number_are_counted() -> None:
    bare = [replace(rule, number=0) for rule in _rules("[{then: none}, {then: success}]")]
    assert [rule.number for rule in Script(tuple(bare)).rules] == [1, 2]
    kept = [replace(rule, number=number) for rule, number in zip(bare, (7, 9), strict=True)]
    assert [rule.number for rule in Script(tuple(kept)).rules] == [7, 9]
    assert Script().zone == ZoneInfo("UTC")
    written = Rule(Condition(), RuledAnswer("none"))
    assert [rule.number for rule in Script((written, written)).rules] == [1, 2]
    assert written.describe() == {"rule": 0, "then": "none"}
    assert Facts("PKIOperation", "GET") == Facts("PKIOperation", "GET", None, None, None, "")


def test_a_drawn_order_holds_for_rules_that_come_later() -> None:
    text = "[{shuffle: [" + ", ".join(f"{{then: {{failure: {n}}}}}" for n in range(5)) + "]}]"
    orders = []
    for seed in range(12):
        script = Script()
        script.begin(Entropy(seed))
        script.replace(_rules(text))
        orders.append(tuple(rule.number for rule in script.rules))
    assert len(set(orders)) > 6
    script.restart()
    assert tuple(rule.number for rule in script.rules) == orders[-1]


def test_two_shuffles_do_not_mix() -> None:
    one = ", ".join(f"{{then: {{failure: {n}}}}}" for n in range(3))
    for seed in range(12):
        script = _script(f"[{{shuffle: [{one}]}}, {{then: none}}, {{shuffle: [{one}]}}]")
        script.begin(Entropy(seed))
        numbers = [rule.number for rule in script.rules]
        assert (sorted(numbers[:3]), numbers[3], sorted(numbers[4:])) == ([1, 2, 3], 4, [5, 6, 7])


# --- what is used, and what is taken for granted ----------------------------------------------------------


def test_a_grant_that_the_ca_refuses_is_given_back() -> None:
    script = _script("[{when: {type: PKCSReq}, then: pending, times: 1}, {when: {nth: 1}, then: success}]")
    taken = script.take(ASKED, NOW)
    back = script.give_back(taken, overruled=True)
    assert (back.rule, back.overruled, back.counted, back.used) == (None, 1, (), None)
    miss = "rule 1 matched with pending, but the CA decided differently by itself"
    assert back.near_misses == (miss,)
    assert [(rule["fitted"], rule["taken"]) for rule in script.describe()] == [(0, 0), (0, 0)]
    assert [premise.missing() for premise in script.premises()] == [
        f"rule 1 was never hit; {miss}", "rule 2 was never hit",
    ]  # fmt: skip
    assert script.take(ASKED, NOW).rule == 1


def test_a_rule_that_does_not_grant_keeps_its_count_unless_it_is_overruled() -> None:
    script = _script("[{faults: [pending-forever]}, {when: {nth: 1}, then: success}]")
    kept = script.give_back(script.take(ASKED, NOW), overruled=False)
    assert (kept.rule, kept.overruled, kept.counted) == (1, None, ())
    assert [(rule["fitted"], rule["taken"]) for rule in script.describe()] == [(1, 1), (0, 0)]
    script.give_back(script.take(ASKED, NOW), overruled=True)
    assert [(rule["fitted"], rule["taken"]) for rule in script.describe()] == [(1, 1), (0, 0)]


def test_without_a_rule_there_is_nothing_to_overrule() -> None:
    script = _script("[{when: {nth: 2}, then: success}]")
    taken = script.take(ASKED, NOW)
    back = script.give_back(taken, overruled=True)
    assert (back.rule, back.overruled) == (None, None)
    assert back.near_misses == ("rule 1 nearly matched: this was match 1, the rule requires 2",)
    assert [rule["fitted"] for rule in script.describe()] == [0]


def test_rules_that_were_never_used_are_told_unless_they_are_optional() -> None:
    script = _script(
        "[{then: none, when: {type: CertPoll}}, {then: none, when: {type: GetCRL}, optional: true}, {then: none}]"
    )
    assert script.unused() == ["rules:1:2: rule 1 was never hit", "rules:1:92: rule 3 was never hit"]
    script.take(ASKED, NOW)
    assert script.unused() == ["rules:1:2: rule 1 was never hit"]
    assert Script((Rule(Condition(), RuledAnswer("none")),)).unused() == ["script: rule 1 was never hit"]


def test_what_a_script_takes_for_granted() -> None:
    script = _script(
        "[{then: none, when: {type: CertPoll}}, {then: none, when: {type: GetCRL}, optional: true},"
        " {faults: [nonce-mismatch, {delay: 5s, optional: true}]}]"
    )  # fmt: skip
    found = script.premises()
    assert [(premise.rule, premise.expected, premise.missing()) for premise in found] == [
        (1, "every rule to be hit", "rule 1 was never hit"),
        (3, "every rule to be hit", "rule 3 was never hit"),
        (3, "nonce-mismatch to have an effect", None),
    ]
    assert [premise.place for premise in found] == ["rules:1:2", "rules:1:92", "rules:1:102"]
    taken = script.take(ASKED, NOW)
    near = "rule 1 nearly matched: type is PKCSReq, the rule requires CertPoll"
    once = "rule 3 was hit once, and nonce-mismatch changed nothing"
    assert [premise.missing() for premise in found] == [f"rule 1 was never hit; {near}", None, once]
    script.take(ASKED, NOW)
    assert found[2].missing() == once.replace("hit once", "hit 2 times")
    taken.effects.add(1)
    assert found[2].missing() is not None
    taken.effects.add(0)
    assert found[2].missing() is None
    script.replace(_rules("[{then: success}]"))
    assert [premise.missing() for premise in found] == [f"rule 1 was never hit; {near}", None, None]
    assert [premise.missing() for premise in script.premises()] == ["rule 1 was never hit"]
    (bare,) = Script((Rule(Condition(), RuledAnswer("none")),)).premises()
    assert bare.place == "script"
    (rule,) = _rules("[{faults: [nonce-mismatch]}]")
    unplaced = replace(rule, faults=tuple(replace(chosen, place="") for chosen in rule.faults))
    assert [premise.place for premise in Script((unplaced,)).premises()] == ["rules:1:2", "rules:1:2"]


def test_a_shuffle_may_have_two_rules() -> None:
    assert [rule.shuffle for rule in _rules("[{then: none}, {shuffle: [{then: none}, {then: success}]}]")] == [
        None,
        1,
        1,
    ]


def test_nothing_that_shows_a_decision_shows_the_counts() -> None:
    taken = _script("[{then: success}]").take(ASKED, NOW)
    assert repr(taken) == (f"Taken(rule=1, answer={taken.answer!r}, faults=(), near_misses=(), overruled=None)")
