"""What a scenario takes for granted and what never comes true fails it; what can be known is refused when it is read."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest

from mfp_sim.device import power
from mfp_sim.remote_ui.recording import PREMISES
from mfp_sim.report.story import story_of_trace
from mfp_sim.scenario.ca_steps import OPERATOR_ACTS
from mfp_sim.scenario.loader import read_text, scenario_schema
from mfp_sim.scenario.premises import Missing
from mfp_sim.scenario.runner import run
from mfp_sim.scenario.steps import STEPS, StepAction
from mfp_sim.scenario.world import World
from mfp_sim.shared.documents import load_text, plain
from mfp_sim.shared.errors import DocumentError, Refused

DEVICE = Path(power.__file__).parent
POLL = """\
  - auto_request:
      start: 2026-03-02 09:00
      polling: {count: 3, interval: 10m}
      key: {name: web, common_name: 192.0.2.10}
  - advance: 3h
"""
MANUAL = "  - request: {name: web, common_name: 192.0.2.10}\n"
END = "  - expect: {powered: true}\n"
EXPORT = "  - export_bundle: {name: f, password: b4ndle}\n"
ONE_TIME = "  challenge: {one_time: {lifetime: 1h}}\n"


def text(steps: str, script: str = "[]", ca: str = "") -> str:
    return f"""\
format: 1
name: premise
why: Something is taken for granted.
clock: 2026-03-02T08:00:00+01:00
printer: {{functions: [TLS], communication: {{url: http://ca.example/scep}}}}
ca:
  script: {script}
{ca}steps:
{steps}"""


def failures(steps: str, script: str = "[]", ca: str = "") -> list[str]:
    (scenario,) = read_text(text(steps + END, script, ca), "x.yaml")
    return [str(failure) for failure in run(scenario).failures]


def mistakes(steps: str, script: str = "[]") -> list[str]:
    with pytest.raises(DocumentError) as caught:
        read_text(text(steps + END, script), "x.yaml")
    return [str(problem) for problem in caught.value.problems]


NEVER = {
    "an armed power cut": (
        MANUAL + "  - power_cut: {at: CertPoll.after}\n",
        (
            "x.yaml:10:5: step 2: power_cut: expected a power failure, "
            "got CertPoll.after was passed only 0 of 1 times afterwards"
        ),
    ),
    "a cut at the second of one": (
        "  - power_cut: {at: PKCSReq.before, nth: 2}\n" + MANUAL,
        (
            "x.yaml:9:5: step 1: power_cut: expected a power failure, "
            "got PKCSReq.before was passed only 1 of 2 times afterwards"
        ),
    ),
    "a cut of a printer that is off": (
        "  - power_off\n  - power_cut:\n  - power_on\n",
        "x.yaml:10:5: step 2: power_cut: expected a power failure, got the printer was off already",
    ),
    "an approval": (
        MANUAL + "  - ca_operator: {approve: CN=nobody*}\n",
        "x.yaml:10:5: step 2: ca_operator: expected something that the pattern matches, got no waiting request matches",
    ),
    "a rejection": (
        "  - ca_operator: {reject: {pattern: CN=nobody*, fail_info: 2}}\n" + MANUAL,
        "x.yaml:9:5: step 1: ca_operator: expected something that the pattern matches, got no waiting request matches",
    ),
    "a revocation": (
        MANUAL + "  - ca_operator: {revoke: {pattern: CN=nobody*, reason: keyCompromise}}\n",
        "x.yaml:10:5: step 2: ca_operator: expected something that the pattern matches, got no certificate matches",
    ),
    "holding what never comes": (
        MANUAL + '  - ca_operator: {hold: "*"}\n',
        (
            "x.yaml:10:5: step 2: ca_operator: expected something that the pattern matches, "
            "got no later request had a subject that matches"
        ),
    ),
    "releasing what is not held": (
        '  - ca_operator: {release: "*"}\n' + MANUAL,
        "x.yaml:9:5: step 1: ca_operator: expected something that the pattern matches, got no requests with this pattern are held",
    ),
    "forgetting nothing": (
        "  - ca_operator: {forget: transactions}\n" + MANUAL,
        "x.yaml:9:5: step 1: ca_operator: expected something that the pattern matches, got there is no transaction to forget",
    ),
    "a state of the network": (
        MANUAL + "  - network: refused\n  - advance: 1h\n  - network: up\n" + MANUAL,
        "x.yaml:10:5: step 2: network: expected an exchange in this state, got nothing was sent in this state",
    ),
    "a key generation that fails": (
        MANUAL + "  - key_generation: fails\n",
        ("x.yaml:10:5: step 2: key_generation: expected a later key generation, got no later key generation was tried"),
    ),
    "switching on what is on": (
        "  - power_on\n" + MANUAL,
        "x.yaml:9:5: step 1: power_on: expected a printer that is off, got the printer was on already",
    ),
    "switching off what is off": (
        "  - power_off\n  - power_off\n  - power_on\n",
        "x.yaml:10:5: step 2: power_off: expected a printer that is on, got the printer was off already",
    ),
    "setting a clock right that is right": (
        "  - printer_clock: right\n",
        "x.yaml:9:5: step 1: printer_clock: expected a clock that showed another time, got the clock showed that time already",
    ),
    "setting a clock to what it says": (
        "  - printer_clock: 2026-03-02 07:00\n  - printer_clock: 2026-03-02 07:00\n",
        "x.yaml:10:5: step 2: printer_clock: expected a clock that showed another time, got the clock showed that time already",
    ),
    "cutting off what lies beyond the end of a file": (
        EXPORT + "  - import_bundle: {name: f, password: b4ndle, cut: 99999}\n",
        (
            "x.yaml:10:5: step 2: import_bundle: expected a file that is longer than cut, "
            "got the file has only 424 bytes, so nothing was cut off"
        ),
    ),
    "a time that has passed": (
        "  - restart\n  - advance_to: 2026-03-02 08:00\n",
        "x.yaml:10:5: step 2: advance_to: expected a time in the future, got it was 2026-03-02 08:00:30 already",
    ),
    "no rules in the place of no rules": (
        "  - ca_script: []\n" + MANUAL,
        "x.yaml:9:5: step 1: ca_script: expected rules, before or after, got there were no rules to replace",
    ),
    "approving what is approved": (
        '  - ca_operator: {hold: "*"}\n' + POLL.replace("3h", "65m") + '  - ca_operator: {approve: "*"}\n' * 2,
        "x.yaml:16:5: step 5: ca_operator: expected something that the pattern matches, got no waiting request matches",
    ),
    "holding what is held": (
        '  - ca_operator: {hold: "*"}\n' * 2 + MANUAL,
        "x.yaml:10:5: step 2: ca_operator: expected something that the pattern matches, got new requests with this pattern are held already",
    ),
    "revoking what is revoked": (
        MANUAL + '  - ca_operator: {revoke: "*"}\n' * 2,
        "x.yaml:11:5: step 3: ca_operator: expected something that the pattern matches, got no certificate matches",
    ),
    "a next CA that nobody meets": (
        "  - ca_operator: {roll_over: {publish: 1h, switch: 2h}}\n  - advance: 1h\n" + MANUAL + "  - advance: 2h\n",
        (
            "x.yaml:9:5: step 1: ca_operator: expected something that the pattern matches, "
            "got no request came after 2026-03-02 10:00:00, when the next CA takes over"
        ),
    ),
    "a next CA that took over before": (
        MANUAL + "  - ca_operator: {roll_over: {publish: 2026-03-01 08:00, switch: 2026-03-01 09:00}}\n",
        (
            "x.yaml:10:5: step 2: ca_operator: expected something that the pattern matches, "
            "got no request came after 2026-03-02 08:00:00, when the next CA takes over"
        ),
    ),
    "replacing the RA of a CA without one": (
        "  - ca_operator: {replace_ra: now}\n" + MANUAL,
        "x.yaml:9:5: step 1: ca_operator: expected something that the pattern matches, got the CA has no RA",
    ),
    "a challenge that nobody presents": (
        "  - ca_operator: {give_challenge: once}\n  - request: {name: a, common_name: 192.0.2.10, challenge: twice}\n",
        "x.yaml:10:5: step 1: ca_operator: expected something that the pattern matches, got no request came with this challenge",
    ),
}


@pytest.mark.parametrize("what", NEVER)
def test_what_never_comes_true_fails_the_scenario_unless_it_is_optional(what: str) -> None:
    steps, told = NEVER[what]
    ca = ONE_TIME if "give_challenge" in steps else ""
    assert failures(steps, ca=ca) == [told]
    number = int(told.partition("step ")[2].partition(":")[0])
    lines = [index for index, line in enumerate(steps.splitlines()) if line.startswith("  - ")]
    mended = steps.splitlines(keepends=True)
    if mended[lines[number - 1]].strip() in ("- power_on", "- power_off"):
        mended[lines[number - 1]] = mended[lines[number - 1]].rstrip() + ":\n"
    mended.insert(lines[number - 1] + 1, "    optional: true\n")
    assert failures("".join(mended), ca=ca) == []


NOT_FOR_NOTHING = {
    "communication": "what is entered is stored, and the audit log says so",
    "request": "a request is sent, or the machine refuses",
    "auto_request": "what is entered is stored, and the audit log says so",
    "open_screen": "it says that this screen opens; the machine refuses otherwise",
    "delete_key": "a key is deleted, or the machine refuses",
    "restart": "the machine starts again, or refuses since it is off",
    "advance": "time passes, and what falls due by then happens",
    "dns": "what is entered is stored",
    "ip": "what is entered is stored, and the audit log says so",
    "function": "what is entered is stored, and the audit log says so",
    "export_bundle": "an export begins, or the machine refuses",
    "another_printer": "the other machine is a new one, whatever it is called",
}
"""The steps that cannot come to nothing, and why: they have no premise."""


def test_every_step_has_a_premise_that_may_be_missing_or_a_reason_why_it_cannot_come_to_nothing() -> None:
    with_premise = {kind for kind, step in STEPS.items() if step.premise}
    assert STEPS.keys() == with_premise | NOT_FOR_NOTHING.keys()
    assert not with_premise & NOT_FOR_NOTHING.keys()
    assert {told.split(": ")[2] for _, told in NEVER.values()} == with_premise


def test_every_act_of_the_operator_can_be_for_nothing() -> None:
    """The step that failed, by the number that the failure names."""
    acts = set()
    for steps, told in NEVER.values():
        number = int(told.partition("step ")[2].partition(":")[0])
        failed = [line for line in steps.splitlines() if line.startswith("  - ")][number - 1]
        acts |= {act for act in OPERATOR_ACTS if f"ca_operator: {{{act}:" in failed}
    assert acts == OPERATOR_ACTS.keys()


@pytest.mark.parametrize("kind", sorted(NOT_FOR_NOTHING.keys() - {"open_screen"}))
def test_a_step_without_a_premise_does_something_even_the_second_time(kind: str) -> None:
    """The machine passes a commit, time passes, or the second of the same step is refused."""
    dated = "auto_request: {start: 2026-03-02 09:00, key: {name: b, common_name: 192.0.2.10}}"
    step = {"auto_request": dated, "delete_key": "delete_key: web"}.get(kind, STEPS[kind].example_of(kind))
    before = "  - request: {name: web, common_name: 192.0.2.10, challenge: s3cret}\n" if kind == "delete_key" else ""
    again = step.replace("MFP00002", "MFP00003")  # no two machines have one serial number
    steps_twice = f"{before}  - {step}\n  - {again}\n"
    (scenario,) = read_text(text(steps_twice + END, ca="  challenge: {static: s3cret}\n"))
    begun, done, refused = [], [], []

    class Watched:
        def __init__(self, act: StepAction) -> None:
            self.text, self._act = act.text, act

        def act(self, world: World, role: str) -> Missing | None:
            begun.append((world.clock.now(), len(world.printer.points.passed), world.printer))
            try:
                missing = self._act.act(world, role)
            except Refused:
                refused.append(len(begun))
                raise
            assert missing is None, "a step without a premise has nothing that could be missing"
            done.append((world.clock.now(), len(world.printer.points.passed), world.printer))
            return missing

    steps = [replace(s, act=Watched(s.act)) if s.kind == kind else s for s in scenario.steps]
    run(replace(scenario, steps=tuple(steps)))
    assert len(begun) == 2
    assert refused == ([2] if kind == "delete_key" else [])
    assert all(before != after for before, after in zip(begun, done, strict=False))


HELD = "  script: []\n"
COMES = {
    "a power cut": "  - power_cut: {at: PKCSReq.before, off: 1m}\n" + POLL,
    "a cut at the second": "  - power_cut: {at: PKCSReq.before, nth: 2, off: 1m}\n" + MANUAL + POLL,
    "operator's acts": '  - ca_operator: {hold: "*"}\n'
    + POLL.replace("3h", "65m")
    + '  - ca_operator: {release: "*"}\n  - ca_operator: {approve: "CN=192.0.2.10"}\n  - advance: 2h\n'
    + "  - ca_operator: {revoke: CN=192.0.2.10}\n  - ca_operator: {forget: transactions}\n",
    "states of the network": "  - network: refused\n" + MANUAL + "  - network: up\n" + MANUAL.replace("web", "b"),
    "key generation": "  - key_generation: fails\n"
    + MANUAL
    + "  - key_generation: works\n"
    + MANUAL.replace("web", "b"),
}


@pytest.mark.parametrize("what", COMES)
def test_what_comes_true_does_not_fail(what: str) -> None:
    assert failures(COMES[what]) == []


def test_a_fault_without_effect_fails_unless_it_is_optional() -> None:
    # The CA answers PENDING, so a fault of SUCCESS has no effect.
    waits, manual = "[{when: {type: PKCSReq}, faults: [%s]}]", "  approval: manual\n"
    assert failures(MANUAL, waits % "drop-success", manual) == [
        (
            "x.yaml:7:45: step 2: script: expected drop-success to have an effect, "
            "got rule 1 was hit once, and drop-success changed nothing"
        )
    ]
    assert failures(MANUAL, waits % "{drop-success: null, optional: true}", manual) == []
    assert failures(MANUAL, "[{when: {type: PKCSReq}, faults: [drop-success]}]") == []


def test_an_answer_that_the_ca_does_not_give_is_no_effect() -> None:
    wrong = "[{faults: [pending-forever]}]"
    ca = "  challenge: {static: s3cret}\n"
    (told,) = failures(MANUAL, wrong, ca)
    assert told.endswith("got rule 1 was hit 2 times, and pending-forever changed nothing")
    assert failures(MANUAL, wrong) == []


def test_a_second_fault_answers_in_place_of_the_first() -> None:
    (told,) = failures(MANUAL, "[{when: {type: PKCSReq}, faults: [pending-forever, fail-badalg]}]")
    assert "expected pending-forever to have an effect" in told


def test_the_rules_of_a_script_that_is_replaced_are_asked_too() -> None:
    steps = MANUAL + "  - ca_script: [{when: {type: CertPoll}, then: success}]\n"
    script = "[{when: {operation: GetNextCACert}, then: {http: 404}}]"
    assert failures(steps, script) == [
        (
            "x.yaml:7:12: step 3: script: expected every rule to be hit, got rule 1 was never hit; "
            "rule 1 nearly matched: operation is PKIOperation, the rule requires GetNextCACert"
        ),
        "x.yaml:10:17: step 2: script: expected every rule to be hit, got rule 1 was never hit",
    ]


REFUSED = {
    "GetCACaps, faults: [nonce-mismatch]": "nonce-mismatch has no effect here: it acts at every message, but the rule matches GetCACaps",
    "GetCACert, faults: [caps-empty]": "caps-empty has no effect here: it acts at GetCACaps, but the rule matches GetCACert",
    "GetNextCACert, faults: [success-expired]": "success-expired has no effect here: it acts at PKCSReq, RenewalReq, CertPoll",
    "CertPoll, faults: [issue-then-reset]": "issue-then-reset has no effect here: it acts at PKCSReq, RenewalReq, but the rule",
    "PKCSReq, then: {failure: 2}, faults: [env-wrong-recipient]": "env-wrong-recipient has no effect here: it acts at every message answered SUCCESS, but the rule matches PKCSReq and answers failure",
    "PKCSReq, then: {http: 500}, faults: [nonce-mismatch]": "nonce-mismatch has no effect here: it acts at every message, but the rule matches PKCSReq and answers http",
    "PKCSReq, then: pending, faults: [drop-success]": "drop-success has no effect here: it acts at PKCSReq, RenewalReq, CertPoll answered SUCCESS, but the rule matches PKCSReq and answers pending",
    "PKCSReq, then: {pending: 2}, faults: [success-expired]": "success-expired has no effect here: it acts at PKCSReq, RenewalReq, CertPoll answered SUCCESS, but the rule matches PKCSReq and answers pending",
    "PKCSReq, then: {failure: 2}, faults: [success-expired]": "success-expired has no effect here: it acts at PKCSReq, RenewalReq, CertPoll answered SUCCESS, but the rule matches PKCSReq and answers failure",
    "PKCSReq, then: pending, faults: [{drop-success: null, optional: true}]": "but the rule matches PKCSReq and answers pending",
    "PKCSReq, then: {http: 503}, faults: [drop-success]": "drop-success has no effect here: it acts at PKCSReq, RenewalReq, CertPoll answered SUCCESS, but the rule matches PKCSReq and answers http",
    "PKCSReq, then: none, faults: [nonce-mismatch]": "nonce-mismatch has no effect here: it acts at every message, but the rule matches PKCSReq and answers none",
    "GetCACert, then: pending": "x.yaml:7:49: GetCACert never gets the reply pending (only messages can be answered with a pkiStatus; http and none are for any request)",
    "GetCACaps, then: success": "GetCACaps never gets the reply success",
    "GetCRL, then: pending": "GetCRL never gets the reply pending",
    "GET, faults: [post-405]": "post-405 has no effect here: it acts at every message by POST, but the rule matches GET",
    "GetCACert, faults: [{fail-badalg: null, optional: true}]": "fail-badalg has no effect here: it acts at PKCSReq, RenewalReq, CertPoll",
}


@pytest.mark.parametrize("rule", REFUSED)
def test_a_fault_that_cannot_act_at_what_its_rule_takes_is_refused(rule: str) -> None:
    name, rest = rule.split(", ", 1)
    key = {"GET": "method", "GetCRL": "type"}.get(name, "operation" if name.startswith("Get") else "type")
    (told,) = mistakes(MANUAL, f"[{{when: {{{key}: {name}}}, {rest}}}]")
    assert told.startswith("x.yaml:7:")
    assert REFUSED[rule] in told


@pytest.mark.parametrize(
    "rule",
    [
        "{when: {type: CertPoll}, faults: [success-expired]}",  # a poll may mint
        "{when: {operation: GetCACert}, faults: [http-redirect-everything, caps-lie-aes]}",
        "{when: {type: PKCSReq}, then: {failure: 2}, faults: [pending-then-success, env-wrong-recipient]}",
        "{when: {operation: PKIOperation}, faults: [post-405]}",
        "{when: {operation: GetCACaps}, then: {http: 500}, faults: [{delay: 5s}]}",
        "{faults: [nonce-mismatch]}",
    ],
)
def test_a_fault_that_may_act_loads(rule: str) -> None:
    if "caps-lie-aes" in rule:
        assert "caps-lie-aes" in mistakes(MANUAL, f"[{rule}]")[0]
        return
    read_text(text(MANUAL + END, f"[{rule}]"))


def test_a_rule_that_no_request_can_fit_is_refused() -> None:
    assert "no request can match: the operation GetCACaps has no message, and so no type PKCSReq" in str(
        mistakes(MANUAL, "[{when: {operation: GetCACaps, type: PKCSReq}, then: success}]")
    )


def test_an_unknown_power_point_is_refused() -> None:
    assert mistakes("  - power_cut: {at: CertPol.before}\n" + MANUAL) == [
        "x.yaml:9:21: there is no power point 'CertPol.before' (did you mean 'CertPoll.before'?)"
    ]
    assert "nth counts the passes of a power point" in mistakes("  - power_cut: {nth: 2}\n" + MANUAL)[0]


def test_every_point_that_the_printer_passes_has_its_name_in_the_table() -> None:
    source = "".join(path.read_text("utf-8") for path in DEVICE.glob("*.py"))
    commits = set(re.findall(r'\.commit\("([a-z-]+)"', source))
    assert {f"commit-{name}.{when}" for name in commits | {"factory", "start"} for when in ("before", "after")} == {
        name for name in power.NAMES if name.startswith("commit-")
    }


def test_a_time_that_has_passed_is_refused_where_it_can_be_known_and_fails_where_it_cannot() -> None:
    assert mistakes("  - advance_to: 2026-03-01 08:00\n") == [
        "x.yaml:9:17: 2026-03-01 08:00 has passed: at this step it is 2026-03-02 08:00"
    ]
    assert mistakes("  - advance: 2h\n  - advance_to: 2026-03-02 09:59\n") == [
        "x.yaml:10:17: 2026-03-02 09:59 has passed: at this step it is 2026-03-02 10:00"
    ]
    assert "has passed" in mistakes("  - advance_to: 2026-03-03 09:00\n  - advance_to: 2026-03-03 08:00\n")[0]
    assert failures("  - advance_to: 2026-03-02 09:00\n  - advance_to: 2026-03-02 09:00\n") == []
    assert failures("  - restart\n  - advance_to: 2026-03-02 08:00\n") == [
        "x.yaml:10:5: step 2: advance_to: expected a time in the future, got it was 2026-03-02 08:00:30 already"
    ]


def test_a_step_that_could_do_nothing_whatever_happens_is_refused() -> None:
    cut = EXPORT + "  - import_bundle: {name: f, password: b4ndle, cut: 10, flip: %d}\n    refused: bundle-damaged\n"
    assert mistakes(cut % 10) == ["x.yaml:10:63: byte 10 does not exist: cut leaves 10 bytes; flip one of those"]
    assert failures(cut % 9) == []


def test_optional_goes_with_premises_only() -> None:
    assert "request cannot have optional: it has no premise" in str(mistakes(MANUAL + "    optional: true\n"))
    by_nobody_in_a_browser = {"advance_to", "printer_clock"}
    never_for_nothing_there = {"power_on", "power_off", "import_bundle", "ca_script"}  # the pages see to it
    assert {kind for kind in STEPS if STEPS[kind].premise} == {
        *PREMISES,
        *by_nobody_in_a_browser,
        *never_for_nothing_there,
    }


def test_the_schema_knows_what_is_optional() -> None:
    script = "[{when: {type: PKCSReq}, faults: [{drop-success: null, optional: true}, {delay: 1s, optional: true}]}]"
    good = text("  - network: refused\n    optional: true\n" + MANUAL + END, script)
    jsonschema.validate(plain(load_text(good)), scenario_schema())
    for bad in (
        good.replace("drop-success: null", "delay: null"),
        good.replace("request:", "optional: true, request:"),
    ):
        with pytest.raises((jsonschema.ValidationError, DocumentError)):
            jsonschema.validate(plain(load_text(bad)), scenario_schema())


def test_the_drawing_has_no_bolt_for_a_fault_without_effect() -> None:
    script = "[{when: {type: PKCSReq}, faults: [{delay: 1s}, {drop-success: null, optional: true}]}]"
    (scenario,) = read_text(text(MANUAL + END, script, "  approval: manual\n"))
    events = [event.to_json() for event in run(scenario).events]
    faults = [row.faults for row in story_of_trace(events, lambda key: key) if row.faults]
    assert faults == [("delay",)]
