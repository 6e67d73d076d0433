"""The scenarios that come with the package: what they cover, what steps there are, and that the index names them all."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from mfp_sim.device.machine import ROLES
from mfp_sim.device.printer import SCREENS
from mfp_sim.report.coverage import coverage_of, entries_of
from mfp_sim.scenario.collection import select
from mfp_sim.scenario.loader import read_text
from mfp_sim.scenario.reporting import report_of
from mfp_sim.scenario.runner import run
from mfp_sim.scenario.steps import STEPS, read_step
from mfp_sim.shared.catalogue.registry import requirements
from mfp_sim.shared.documents import Problems, load_text
from mfp_sim.shared.errors import DocumentError

ROOT = Path(__file__).parents[2] / "scenarios"
HEAD = """\
format: 1
name: attempt
why: What somebody without the rights tries.
clock: 2026-03-02T08:00:00+01:00
printer: {functions: [TLS], communication: {url: http://ca.example/scep}}
steps:
"""
TRIES = {
    "communication": "communication: {url: http://other.example/scep}",
    "request": "request: {name: k, common_name: 192.0.2.10}",
    "auto_request": "auto_request: {start: 2026-03-02 09:00, key: {name: k, common_name: 192.0.2.10}}",
    "open_screen": "open_screen: Communication Settings",
    "delete_key": "delete_key: Default Key",
    "restart": "restart:",
    "dns": "dns: true",
    "ip": "ip: 192.0.2.11",
    "function": "function: {use: TLS, on: false}",
    "export_bundle": "export_bundle: {name: settings, password: b4ndle}",
    "import_bundle": "import_bundle: {name: settings, password: b4ndle}",
}


def test_every_statement_of_the_manual_has_a_passing_scenario_or_waits_for_something() -> None:
    reports = [
        report_of(run(scenario)) for scenario in select([]) if any(e.startswith("MFP-") for e in scenario.covers)
    ]
    verdicts = {row.id: row.verdict for row in coverage_of(entries_of("MFP-"), reports)}
    planned = {entry.id for entry in requirements().values() if entry.planned}
    assert {entry for entry, verdict in verdicts.items() if verdict != "pass"} == planned


@pytest.mark.parametrize(("known", "unknown"), [("MFP-POLL-02", "MFP-POLL-99"), ("A-35", "A-99")])
def test_a_scenario_that_names_an_unknown_id_does_not_load(known: str, unknown: str) -> None:
    text = (ROOT / "polling/deferred_twice_then_issued.scenario.yaml").read_text("utf-8")
    with pytest.raises(DocumentError, match=f"the catalogue has no '{unknown}'"):
        read_text(text.replace(known, unknown))


def test_every_scenario_says_what_it_covers() -> None:
    assert [scenario.name for scenario in select([]) if not scenario.covers] == []


def test_at_least_110_files_each_with_a_meaning_of_its_own() -> None:
    files = {scenario.file: scenario for scenario in select([])}
    assert len(files) >= 110
    whys = [scenario.why for scenario in files.values()]
    assert len(set(whys)) == len(whys)


def test_the_index_has_every_chapter() -> None:
    parts = set(re.findall(r"<!-- generated: scenarios-([a-z]+) -->", (ROOT / "README.md").read_text("utf-8")))
    assert parts == {path.name for path in ROOT.iterdir() if any(path.rglob("*.scenario.yaml"))}


def test_there_is_a_try_of_everything_that_a_person_does_on_a_screen() -> None:
    assert TRIES.keys() == {name for name, kind in STEPS.items() if kind.person}


@pytest.mark.parametrize("role", [role for role in ROLES if role != "administrator"])
@pytest.mark.parametrize("step", TRIES)
def test_what_a_person_does_is_for_the_administrator(step: str, role: str) -> None:
    reason = "login-required" if role == "logged-out" else "not-administrator"
    before = "  - export_bundle: {name: settings, password: b4ndle}\n" if step == "import_bundle" else ""
    tried = f"{before}  - {TRIES[step]}\n    as: {role}\n    refused: {reason}\n"
    after = "  - expect: {requests: [], key_count: 1, functions: {TLS: Default Key}, powered: true}\n"
    (scenario,) = read_text(HEAD + tried + after)
    assert run(scenario).failures == ()


@pytest.mark.parametrize("screen", SCREENS)
def test_the_administrator_opens_every_screen(screen: str) -> None:
    (scenario,) = read_text(HEAD + f"  - open_screen: {screen}\n  - expect: {{requests: []}}\n")
    assert run(scenario).failures == ()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("open_screen: Paper Settings", "open_screen has to be one of"),
        ("delete_key: {name: k}", "delete_key needs the key 'nth'"),
        ("delete_key: {name: k, nth: 0}", "nth has to be at least 1"),
        ("restart: now", "restart takes no argument"),
        ("communication: {url: http://ca.example, timeout: 1500ms}", "timeout has to be whole seconds"),
        ("power_cut: {at: PKCSReq.aftr}", "there is no power point 'PKCSReq.aftr' (did you mean 'PKCSReq.after'?)"),
        ('ca_operator: {give_challenge: ""}', "secret is empty"),
        ("ca_operator: {replace_ra: later}", "replace_ra has to be now or {identifier: …}, not 'later'"),
        ("key_generation: maybe", "key_generation has to be one of"),
        ("export_bundle: {name: a, password: b, category: Keys}", "category has to be one of"),
    ],
)
def test_mistakes_in_steps(text: str, words: str) -> None:
    problems = Problems()
    node = load_text(text)
    name = text.partition(":")[0]
    argument = node.get(name)
    assert argument is not None
    read_step(name, argument, problems)
    assert words in str(problems.found[0])


def test_the_ca_sees_the_address_that_was_set() -> None:
    (scenario,) = read_text("""
format: 1
name: readdressed
why: The printer gets another address.
clock: 2026-03-02T08:00:00+01:00
printer: {communication: {url: http://ca.example/scep}}
ca: {profile: rfc8894}
steps:
  - request: {name: a, common_name: 192.0.2.10}
  - ip: 192.0.2.999
    refused: bad-ip
  - ip: 192.0.2.11
    as: user
    refused: not-administrator
  - ip: 192.0.2.11
  - request: {name: b, common_name: 192.0.2.11}
  - another_printer: {profile: canon-ir-adv-dx, serial: SIM00002}
  - expect: {powered: true}
""")
    result = run(scenario)
    assert result.failures == ()
    clients = [event.data["client"] for event in result.events if event.kind == "mock.request"]
    assert set(clients[: len(clients) // 2]) == {"192.0.2.10"}
    assert set(clients[len(clients) // 2 :]) == {"192.0.2.11"}
