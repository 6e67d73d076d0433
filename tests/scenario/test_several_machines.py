"""What is done to all machines of a scenario, and what to one: flips that are tried, --profile, files, bounds."""

from __future__ import annotations

from pathlib import Path

import pytest

from mfp_sim.cli.main import main
from mfp_sim.scenario.examining import tried
from mfp_sim.scenario.loader import read_text
from mfp_sim.scenario.runner import run

HEAD = """\
format: 1
name: several
why: Two machines.
clock: 2026-03-02T08:00:00+01:00
printer: {profile: canon-legacy, communication: {url: http://ca.example/scep}}
"""
OTHER = "printers: [{serial: SIM00002, ip: 192.0.2.11, profile: PROFILE}]\n"


def test_readings_of_each_machine_are_tried() -> None:
    steps = "steps: [{expect: {powered: true}}]\n"
    alone, both = (read_text(HEAD + more + steps)[0] for more in ("", OTHER.replace("PROFILE", "canon-ir-adv-dx")))
    assert {flip.value for flip in tried(both)} - {flip.value for flip in tried(alone)} >= {"read_single_des"}


@pytest.mark.parametrize(("profile", "kept"), [("canon-legacy", False), ("canon-ir-adv-dx", True)])
def test_another_model_takes_the_place_of_each_that_is_like_the_first(
    profile: str, kept: bool, tmp_path: Path, capsys
) -> None:
    """A legacy model has room for three keys, the one of the factory included."""
    asks = "".join(
        f"  - request: {{name: k{n}, common_name: 192.0.2.11, use: None}}\n    printer: SIM00002\n" for n in range(3)
    )
    expects = "  - expect: {key_count: 4}\n    printer: SIM00002\n"
    file = tmp_path / "x.scenario.yaml"
    file.write_text(HEAD + OTHER.replace("PROFILE", profile) + f"steps:\n{asks}{expects}")
    assert main(["run", str(file), "--profile", "canon-ir-adv-dx"]) == 0, capsys.readouterr().out
    assert main(["run", str(file)]) == (0 if kept else 1), "without it the model of the file counts"


def test_exports_of_two_machines_at_once_are_both_kept() -> None:
    exports = "".join(
        f"  - export_bundle: {{name: {name}, password: passw0rd1, wait: false}}\n    printer: {serial}\n"
        for name, serial in (("one", "SIM00001"), ("two", "SIM00002"))
    )
    imports = "".join(
        f"  - import_bundle: {{name: {name}, password: passw0rd1}}\n    printer: {serial}\n"
        for name, serial in (("one", "SIM00001"), ("two", "SIM00002"))
    )
    head = HEAD.replace("canon-legacy", "canon-ir-adv-dx") + OTHER.replace("PROFILE", "canon-ir-adv-dx")
    (scenario,) = read_text(f"{head}steps:\n{exports}  - advance: 1h\n{imports}  - expect: {{sound: true}}\n")
    assert run(scenario).failures == ()


def test_keys_fail_on_the_machine_that_the_step_is_about() -> None:
    steps = """\
steps:
  - key_generation: fails
    printer: SIM00002
  - request: {name: a, common_name: 192.0.2.10}
  - request: {name: b, common_name: 192.0.2.11}
    printer: SIM00002
  - expect: {status: {state: successful}}
  - expect: {status: {state: error, details: scep-error}}
    printer: SIM00002
"""
    (scenario,) = read_text(HEAD + OTHER.replace("PROFILE", "canon-legacy") + steps)
    assert run(scenario).failures == ()


def test_a_request_that_is_waited_for_is_within_the_bounds_too() -> None:
    ca = "ca: {script: [{when: {type: PKCSReq}, faults: [{delay: 20s}]}]}\n"
    steps = "steps:\n  - request: {name: a, common_name: 192.0.2.10}\n  - expect: {status: {state: successful}}\n"
    (scenario,) = read_text(f"{HEAD}bounds: {{virtual: 10s}}\n{ca}{steps}")
    (failure,) = run(scenario).failures
    assert (failure.error, failure.path) == (True, "bounds")
    assert "the scenario exceeds its bound" in failure.got


def test_switching_off_a_machine_that_would_come_back_is_not_for_nothing() -> None:
    steps = "steps:\n  - power_cut: {off: 1h}\n  - power_off\n  - advance: 2h\n  - expect: {powered: false}\n"
    (scenario,) = read_text(HEAD + steps)
    assert run(scenario).failures == ()
    (twice,) = read_text(HEAD + steps.replace("  - advance: 2h\n", "  - power_off\n"))
    assert [failure.got for failure in run(twice).failures] == ["the printer was off already"]


def test_what_fails_names_the_machine_that_the_step_is_about() -> None:
    steps = "steps:\n  - expect: {powered: false}\n  - expect: {powered: false}\n    printer: SIM00002\n"
    (scenario,) = read_text(HEAD + OTHER.replace("PROFILE", "canon-legacy") + steps)
    assert [failure.path for failure in run(scenario).failures] == ["powered", "SIM00002: powered"]
