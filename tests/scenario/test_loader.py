"""Every mistake of a file in one go, with its place and a hint."""

from __future__ import annotations

from pathlib import Path

import pytest

from mfp_sim.run_trace import compare, to_json_lines
from mfp_sim.scenario.loader import load_file, read_text
from mfp_sim.scenario.runner import run
from mfp_sim.shared.errors import DocumentError

ROOT = Path(__file__).parents[2]
FILES = sorted((ROOT / "scenarios").rglob("*.scenario.yaml"))

GOOD = """\
format: 1
name: example
why: An example.
covers: [MFP-ENROL-01]
clock: 2026-03-02T08:00:00+01:00
printer:
  communication: {url: http://ca.example/scep}
ca:
  challenge: {static: s3cret}
steps:
  - request: {name: k, common_name: 192.0.2.10, challenge: s3cret}
  - expect: {status: {state: successful}}
"""


def problems(text: str) -> list[str]:
    with pytest.raises(DocumentError) as caught:
        read_text(text, "x.yaml")
    return [str(problem) for problem in caught.value.problems]


def test_six_mistakes_are_told_with_their_six_places() -> None:
    text = (
        GOOD.replace("covers: [MFP-ENROL-01]", "covers: [MFP-ENROLL-01]")
        .replace("T08:00:00+01:00", " 08:00")
        .replace("challenge: {static: s3cret}", "challange: {static: s3cret}")
        .replace("common_name: 192.0.2.10", "common_name: 17")
        .replace("state: successful", "state: succesful")
        .replace("steps:", "steps:\n  - advance: soon")
    )
    assert problems(text) == [
        "x.yaml:4:10: the catalogue has no 'MFP-ENROLL-01' (did you mean 'MFP-ENROL-01'?)",
        "x.yaml:5:8: clock has to be a time with a zone, not '2026-03-02 08:00' (write 2026-03-02T08:00:00+01:00)",
        "x.yaml:9:3: unknown key 'challange' in ca (did you mean 'challenge'?)",
        "x.yaml:11:14: advance has to be a duration such as 30s, 10m, 2h or 31d, not 'soon'",
        "x.yaml:12:37: common_name has to be a string, not 17 (put it in quotes)",
        (
            "x.yaml:13:30: state has to be one of to-be-processed, processing, error, successful, not 'succesful' "
            "(did you mean 'successful'?)"
        ),
    ]


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("  - expect: {status: {state: successful}}\n", "", "x.yaml:11:3: the scenario has no expectation"),
        ("name: example", "name: example\nname: again", "x.yaml:3:1: the key 'name' occurs twice; first at line 2"),
        ("name: example", "name: &a example", "x.yaml:2:7: an anchor or alias is not allowed"),
        ("name: example", "name: !!python/object:os.system x", "x.yaml:2:7: a tag is not allowed"),
        ("- expect: {status", "- expects: {status", "x.yaml:12:5: unknown key 'expects' in a step"),
        ("steps:", "steps:\n  - advance: 1s\n    refused: busy", "x.yaml:11:5: advance cannot have as or refused"),
        ("why: An example.\n", "", "x.yaml:1:1: a scenario needs the key 'why'"),
        ("s3cret}\nsteps", "s3cret}\n  script: [{then: sucess}]\nsteps", "x.yaml:10:19: then has to be success"),
        ("s3cret}\nsteps", "s3cret}\n  script: [{faults: [dealy]}]\nsteps", "x.yaml:10:22: there is no fault 'dealy'"),
        ("format: 1", "format: [", "x.yaml:3:4: not well-formed YAML"),
        (
            "steps:",
            "steps:\n  - auto_request: {start: 2026-03-02 09:00, start_in: 1m}",
            "x.yaml:11:55: start is given too; give only one of the two",
        ),
    ],
)
def test_a_mistake_is_told_with_its_place(old: str, new: str, told: str) -> None:
    found = problems(GOOD.replace(old, new))
    assert any(line.startswith(told) for line in found), found


RANGES = {
    "an advance of ages": ("steps:", "steps:\n  - advance: 99999999999999999999d", "11:14: advance has to be at most 36525d"),
    "an advance of more than a float": ("steps:", f"steps:\n  - advance: {'9' * 400}d", "11:14: advance has to be at most"),
    "the last second there is": (
        "2026-03-02T08:00:00+01:00", "9999-12-31T23:59:59-12:00", "5:8: clock has to be in the years 1970 to 2199",
    ),
    "the first second there is": ("2026-03-02T08", "0001-01-01T00", "5:8: clock has to be in the years 1970 to 2199"),
    "a date of ages": (
        "steps:", "steps:\n  - advance_to: 9999-12-31 23:59", "11:17: advance_to has to be in the years 1970 to 2199",
    ),
    "a start of ages": (
        "steps:", "steps:\n  - auto_request: {start: 9999-12-31 23:59}", "11:27: start has to be in the years 1970 to",
    ),
    "a clock of ages": (
        "steps:", "steps:\n  - printer_clock: 0001-01-01 00:00", "11:20: printer_clock has to be in the years 1970 to",
    ),
    "no zone": ("printer:", 'printer:\n  timezone: ""', "7:13: there is no time zone ''"),
    "a directory of zones": ("printer:", "printer:\n  timezone: America", "7:13: there is no time zone 'America'"),
    "a zone out of bounds": ("printer:", "printer:\n  timezone: ../etc/passwd", "7:13: there is no time zone '../etc"),
    "a zone too long": ("printer:", f"printer:\n  timezone: {'x' * 300}", "7:13: there is no time zone 'xxxx"),
    "a zone that is none": ("printer:", "printer:\n  timezone: Europe/Olso", "7:13: there is no time zone 'Europe/Olso'"),
    "a zone in several lines": ("printer:", 'printer:\n  timezone: "UTC\\0"', "7:13: there is no time zone"),
    "port 70000": ("scep}", "scep, port: 70000}", "7:54: the port number has to be from 1 to 65535, not 70000"),
    "port 0": ("scep}", "scep, port: 0}", "7:54: the port number has to be from 1 to 65535, not 0"),
    "a time-out of ages": ("scep}", "scep, timeout: 9999s}", "7:57: the communication timeout (seconds) has to be from 1 to 300"),
    "a policy that is no text": (
        "printer:", "printer:\n  policies: [7]", "7:14: an entry of policies has to be a string, not 7",
    ),
    "no address of a machine": ("printer:", "printer:\n  ip: 192.0.2.999", "7:7: ip has to be an IPv4 or IPv6 address"),
    "the address of all": ("printer:", "printer:\n  ip: 0.0.0.0", "7:7: ip has to be an IPv4 or IPv6 address of one"),
    "a bound of ages": ("printer:", "bounds: {virtual: 999999d}\nprinter:", "6:19: virtual has to be at most 36525d"),
    "a delay of ages": (
        "s3cret}\nsteps", "s3cret}\n  script: [{faults: [{delay: 99999999d}]}]\nsteps",
        "10:30: seconds has to be at most 36525d",
    ),
    "a rule until the end of time": (
        "s3cret}\nsteps", "s3cret}\n  script: [{then: pending, until: 9999-12-31 23:59}]\nsteps",
        "10:35: until has to be in the years 1970 to 2199",
    ),
    "a rule until hour 24": (
        "s3cret}\nsteps", "s3cret}\n  script: [{then: pending, until: 24:00}]\nsteps", "10:35: until has to be HH:MM or",
    ),
    "a CA that never expires": (
        "s3cret}\nsteps", "s3cret}\n  lifetime: 99999999d\nsteps", "10:13: lifetime has to be at most 36525d",
    ),
    "a rollover at the end of time": (
        "s3cret}\nsteps", "s3cret}\n  rollover: {publish: 1d, switch: 9999-12-31 23:59}\nsteps",
        "10:35: switch has to be in the years 1970 to 2199",
    ),
    "a value of a model": (
        "printer:", f"printer:\n  settings: {{key_name_length: {'9' * 30}}}", "7:31: key_name_length has to be from 0 to 100",
    ),
    "a span that is a number": (
        "printer:", "printer:\n  settings: {timeout_range: [5]}", "7:29: timeout_range has to be [lowest, highest]",
    ),
    "a rollover the wrong way round": (
        "steps:", "steps:\n  - ca_operator: {roll_over: {publish: 2d, switch: 1d}}",
        "11:52: the next CA must be published before it takes over",
    ),
    "a challenge of a CA that has none": (
        "steps:",
        "steps:\n  - ca_operator: {give_challenge: other}",
        "11:35: this CA has no one-time challenges (set challenge: {one_time: {}} in the section ca)",
    ),
    "a file that nobody exports": (
        "steps:", "steps:\n  - import_bundle: {name: settings, password: b4ndle}",
        "11:27: no step before this exports 'settings'",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", RANGES)
def test_a_value_out_of_its_range_does_not_load(what: str) -> None:
    old, new, told = RANGES[what]
    assert old in GOOD
    (found,) = problems(GOOD.replace(old, new, 1))
    assert found.startswith(f"x.yaml:{told}"), found


def test_an_address_that_the_machine_refuses_is_a_step_that_may_be_refused() -> None:
    steps = "steps:\n  - communication: {url: http://ca.example/scep, port: 70000}\n    refused: bad-port\n"
    (scenario,) = read_text(GOOD.replace("steps:\n", steps))
    assert run(scenario).passed


def test_yaml_1_1_surprises_stay_strings() -> None:
    (scenario,) = read_text(GOOD.replace("name: k,", "name: no,").replace("An example.", "12:30"))
    assert scenario.why == "12:30"
    assert run(scenario).passed


def test_parameters_make_named_instances_and_an_unused_one_is_a_mistake() -> None:
    text = GOOD.replace("name: k,", "name: $key,").replace(
        "printer:\n", "parameters:\n  - {name: one, key: first}\n  - {name: two, key: second}\nprinter:\n"
    )
    scenarios = read_text(text, "x.yaml")
    assert [scenario.name for scenario in scenarios] == ["example[one]", "example[two]"]
    assert all(run(scenario).passed for scenario in scenarios)
    assert problems(text.replace("key: second", "key: second, spare: 1")) == [
        "x.yaml:8:37: the parameter 'spare' is not used (use $spare somewhere, or remove it)"
    ]
    assert "x.yaml:14:21: there is no parameter 'keys' (did you mean 'key'?)" in problems(text.replace("$key", "$keys"))


def test_an_expectation_that_does_not_hold_fails_with_place_expected_and_got() -> None:
    (scenario,) = read_text(GOOD.replace("state: successful", "state: error, time: 2026-03-02 08:01"), "x.yaml")
    assert [str(failure) for failure in run(scenario).failures] == [
        "x.yaml:12:22: step 2: status.state: expected error, got successful",
        "x.yaml:12:22: step 2: status.time: expected 2026-03-02 08:01, got 2026-03-02 08:00",
    ]


@pytest.mark.parametrize(
    ("expectation", "path"),
    [
        ("{status: {details: deferred}}", "status.details"),
        ("{statuses: []}", "statuses"),
        ("{history: {count: 2}}", "history.count"),
        ("{keys: []}", "keys"),
        ("{keys: [{name: other}]}", "keys[0].name"),
        ("{keys: [{certificate: {common_name: 192.0.2.11}}]}", "keys[0].certificate.common_name"),
        ("{keys: [{certificate: {signed_by_ca: false}}]}", "keys[0].certificate.signed_by_ca"),
        ("{key_count: 1}", "key_count"),
        ("{requests: [GetCACaps]}", "requests"),
        ("{request_count: {PKCSReq: 2}}", "request_count.PKCSReq"),
        ("{messages_at: []}", "messages_at"),
        ("{transactions: 2}", "transactions"),
        ("{ledger: {minted: 2}}", "ledger.minted"),
        ("{next_request: 2026-03-02 09:00}", "next_request"),
        ("{functions: {TLS: k}}", "functions.TLS"),
        ("{audit: [no such entry]}", "audit[0]"),
        ("{powered: false}", "powered"),
        ("{communication: {port: 81}}", "communication.port"),
    ],
)
def test_every_expectation_can_fail(expectation: str, path: str) -> None:
    (scenario,) = read_text(GOOD.replace("{status: {state: successful}}", expectation))
    assert [failure.path for failure in run(scenario).failures] == [path]


def test_a_rule_that_was_never_hit_fails_the_scenario_unless_it_is_optional() -> None:
    rule = "{when: {type: CertPoll}, then: pending}"
    (scenario,) = read_text(GOOD.replace("s3cret}\nsteps", f"s3cret}}\n  script: [{rule}]\nsteps"), "x.yaml")
    (failure,) = run(scenario).failures
    assert (failure.place, failure.path) == ("x.yaml:10:12", "script")
    assert "rule 1 was never hit; rule 1 nearly matched: type is PKCSReq, the rule requires CertPoll" in failure.got
    optional = rule.replace("pending}", "pending, optional: true}")
    (scenario,) = read_text(GOOD.replace("s3cret}\nsteps", f"s3cret}}\n  script: [{optional}]\nsteps"))
    assert run(scenario).passed


def test_an_unexpected_refusal_and_a_wrong_one_both_fail() -> None:
    (scenario,) = read_text(GOOD.replace("common_name: 192.0.2.10", "common_name: printer.example"))
    assert "refused: fqdn-without-dns" in run(scenario).failures[0].got
    (scenario,) = read_text(GOOD.replace("challenge: s3cret}", "challenge: s3cret}\n    as: user\n    refused: busy"))
    assert (run(scenario).failures[0].expected, run(scenario).failures[0].got) == ("busy", "not-administrator")


def test_a_refusal_that_does_not_come_fails() -> None:
    (scenario,) = read_text(GOOD.replace("challenge: s3cret}", "challenge: s3cret}\n    refused: busy"))
    assert run(scenario).failures[0].got == "it was not refused"


def test_a_bound_of_virtual_time_stops_the_run() -> None:
    (scenario,) = read_text(GOOD.replace("steps:", "bounds: {virtual: 1d}\nsteps:\n  - advance: 2d"))
    (failure,) = run(scenario).failures
    assert failure.path == "bounds"
    assert "exceeds its bound of 1 days" in failure.got


def test_a_start_so_much_from_now() -> None:
    key = "{name: k, common_name: 192.0.2.10, challenge: s3cret}"
    first = f"steps:\n  - advance: 10m\n  - auto_request: {{start_in: 5m, key: {key}}}\n"
    then = "  - expect: {status: {state: to-be-processed, time: 2026-03-02 08:15}}\n  - advance: 5m\n"
    (scenario,) = read_text(f"{GOOD.partition('steps:')[0]}{first}{then}  - expect: {{status: {{state: successful}}}}")
    result = run(scenario)
    assert result.failures == ()
    assert result.steps[1].text.endswith("in 0:05:00, [Update]")


def test_another_reading_of_an_assumption_changes_what_happens() -> None:
    (path,) = [path for path in FILES if path.name == "server_side_error.scenario.yaml"]
    scenario = next(s for s in load_file(path) if s.name.endswith("[503]"))
    assert run(scenario).passed
    flipped = run(scenario, flips=["A-22=5xx"])
    assert {failure.path for failure in flipped.failures} == {"requests"}


def test_the_same_scenario_and_seed_give_the_same_trace_and_another_seed_another_one() -> None:
    scenarios = [scenario for path in FILES for scenario in load_file(path) if "enrolment" in path.parts][:12]
    first = [run(scenario).events for scenario in scenarios]
    second = [run(scenario).events for scenario in reversed(scenarios)][::-1]
    for one, two in zip(first, second, strict=True):
        assert compare(one, two) == []
    assert compare(first[0], run(scenarios[0], seed=2).events) != []


def test_no_trace_holds_the_challenge() -> None:
    for path in FILES:
        for scenario in load_file(path):
            text = to_json_lines(run(scenario).events)
            assert "s3cret" not in text
            assert "czNjcmV0" not in text


SEVERAL = """\
format: 1
name: several
why: Two machines.
clock: 2026-03-02T08:00:00+01:00
printer: {{serial: SIM00001, timezone: Asia/Tokyo, functions: [TLS], communication: {{url: http://ca.example/scep}}}}
printers:
  - {other}
steps:
  - expect: {{powered: true}}
    printer: {about}
"""


def test_another_machine_is_like_the_first_in_what_it_does_not_say() -> None:
    (scenario,) = read_text(SEVERAL.format(other="{serial: SIM00002, ip: 192.0.2.11, functions: []}", about="SIM00002"))
    (other,) = scenario.others
    assert (other.serial, other.ip, other.functions) == ("SIM00002", "192.0.2.11", ())
    assert (other.timezone, other.url, other.profile) == ("Asia/Tokyo", "http://ca.example/scep", "canon-ir-adv-dx")
    assert scenario.steps[0].printer == "SIM00002"
    assert scenario.steps[0].text() == "SIM00002: expect powered"


@pytest.mark.parametrize(
    ("other", "about", "mistake"),
    [
        (
            "{serial: SIM00001, ip: 192.0.2.11}",
            "SIM00001",
            "7:14: another printer has the serial number 'SIM00001' too",
        ),
        ("{serial: SIM00002, ip: 192.0.2.11}", "SIM2", "10:14: there is no printer 'SIM2' at this step"),
        ("{serial: SIM00002, ip: 192.0.2.11}", "[SIM00001]", "10:14: printer has to be a string, not a list"),
        ("{serial: SIM00002}", "SIM00002", "7:5: a printer needs the key 'ip'"),
        ("{serial: SIM00002, ip: 9}", "SIM00002", "7:28: ip has to be a string, not 9 (put it in quotes)"),
        (
            "{serial: SIM00002, ip: 192.0.2.11, dsn: true}",
            "SIM00002",
            "7:40: unknown key 'dsn' in a printer (did you mean 'dns'?)",
        ),
    ],
)
def test_mistakes_about_several_machines(other: str, about: str, mistake: str) -> None:
    with pytest.raises(DocumentError) as refused:
        read_text(SEVERAL.format(other=other, about=about), "x.yaml")
    assert mistake in str(refused.value)


def test_a_step_is_about_a_machine_that_is_there_by_then() -> None:
    text = SEVERAL.format(other="{serial: SIM00002, ip: 192.0.2.11}", about="SIM00003")
    more = "  - another_printer: {profile: canon-legacy, serial: SIM00003, beside: true}\n"
    with pytest.raises(DocumentError, match="there is no printer 'SIM00003' at this step"):
        read_text(text + more)
    head, step = text.split("steps:\n")
    (scenario,) = read_text(f"{head}steps:\n{more}{step}")
    assert scenario.steps[1].printer == "SIM00003"


@pytest.mark.parametrize("step", ["advance: 1h", "network: up", "ca_script: []", "ca_operator: {approve: x}"])
def test_what_is_not_about_one_machine_takes_no_printer(step: str) -> None:
    text = SEVERAL.format(other="{serial: SIM00002, ip: 192.0.2.11}", about="SIM00002")
    with pytest.raises(DocumentError, match=f"{step.partition(':')[0]} cannot have printer"):
        read_text(f"{text}  - {step}\n    printer: SIM00002\n")


def test_a_serial_number_is_that_of_one_machine() -> None:
    text = SEVERAL.format(other="{serial: SIM00002, ip: 192.0.2.11}", about="SIM00002")
    with pytest.raises(DocumentError, match="another printer has the serial number 'SIM00002' too"):
        read_text(f"{text}  - another_printer: {{profile: canon-legacy, serial: SIM00002}}\n")


def test_times_and_policies_are_those_of_the_machine_that_a_step_is_about() -> None:
    other = "{serial: SIM00002, ip: 192.0.2.11, timezone: America/New_York, policies: [hq]}"
    text = SEVERAL.format(other=other, about="SIM00002")
    later = "  - advance_to: 2026-03-02 03:00\n    printer: SIM00002\n"  # 09:00 in Oslo, 17:00 in Tokyo
    looks = "  - expect: {functions: {IPSec/hq: off}}\n    printer: SIM00002\n"
    assert len(read_text(text + later + looks)[0].steps) == 3
    with pytest.raises(DocumentError, match="the printer has no policy 'hq'"):
        read_text(text + looks.replace("SIM00002", "SIM00001"))
    with pytest.raises(DocumentError, match="has passed"):
        read_text(text + later.replace("SIM00002", "SIM00001"))
