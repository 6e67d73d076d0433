"""The verbs that look: list, show, explain, check, schema, completion."""

from __future__ import annotations

import io
import json
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from mfp_sim.cli.explain import entries, search
from mfp_sim.cli.main import main
from mfp_sim.cli.verbs import VERBS, Verb
from mfp_sim.report.json_report import report_schema
from mfp_sim.scenario.expectations import EXPECTATIONS
from mfp_sim.scenario.steps import STEPS


def test_list_for_people_and_machines(mfp_sim, scenario) -> None:
    assert mfp_sim("list", scenario).out == "enrols  A manual request ends with a certificate.  [smoke]\n"
    (row,) = json.loads(mfp_sim("list", scenario, "--json").out)
    assert (row["name"], row["tags"], row["file"]) == ("enrols", ["smoke"], str(scenario))
    assert len(mfp_sim("list").out.splitlines()) >= 50
    assert mfp_sim("list", "--tag", "no-such").code == 5


def test_show_tells_the_story(mfp_sim) -> None:
    done = mfp_sim("show", "deferred-twice-then-issued")
    assert done.code == 0
    told = [line.strip() for line in done.out.splitlines()]
    order = ["PKCSReq (POST)", "CertRep PENDING", "CertPoll (POST)", "CertRep SUCCESS", "certificate registered"]
    places = [next(n for n, line in enumerate(told) if text in line) for text in order]
    assert places == sorted(places)


def test_show_tells_which_rule_and_fault_made_the_reply(mfp_sim) -> None:
    told = [line[21:].strip() for line in mfp_sim("show", "faults-attributes-refused[nonce-missing]").out.splitlines()]
    number = told.index("CA: rule 1, fault nonce-missing")
    assert told[number - 1].endswith("-> CA   PKCSReq (POST)")
    assert told[number + 1].startswith("changed message: ")
    assert "recipientNonce" in told[number + 1]
    assert told[number + 2].endswith("<- CA   CertRep SUCCESS")
    # The rule matched GetCACaps and GetCACert too, where this fault has no effect: nothing is said there.
    assert sum(line.startswith("CA: ") for line in told) == 1


def test_a_failure_names_the_fault_and_leaves_its_changes_to_show(mfp_sim, scenario: Path) -> None:
    challenge = "ca: {challenge: {static: canary-5c0d}"
    text = scenario.read_text(encoding="utf-8")
    assert challenge in text
    scenario.write_text(text.replace(challenge, challenge + ", script: [{faults: [nonce-missing]}]"), encoding="utf-8")
    done = mfp_sim("run", scenario)
    assert done.code == 1
    assert "CA: rule 1, fault nonce-missing" in done.out
    assert "changed message: " not in done.out
    assert "changed message: " in mfp_sim("show", scenario).out


def test_show_speaks_in_the_printers_local_time(mfp_sim, tmp_path: Path) -> None:
    document = {
        "format": 1, "name": "local", "why": "Times.", "clock": "2026-03-02T23:30:00+00:00",
        "printer": {"timezone": "Asia/Tokyo"},
        "steps": [{"advance_to": "2026-03-03 09:00"}, {"restart": {}}, {"expect": {"powered": True}}],
    }  # fmt: skip
    file = tmp_path / "local.scenario.yaml"
    file.write_text(json.dumps(document))
    lines = mfp_sim("show", str(file)).out.splitlines()
    assert lines[1].endswith("; times are in Asia/Tokyo")
    assert any(line.strip().startswith("2026-03-03 09:00:00  2. [Restart]") for line in lines), lines
    assert not any(line.strip().startswith("2026-03-02") for line in lines)


@pytest.mark.parametrize("verb", ["show", "diff"])
def test_the_reference_shows_what_is_printed(mfp_sim, verb: str) -> None:
    page = (Path(__file__).parents[2] / "docs/reference/reports.md").read_text("utf-8")
    (block,) = re.findall(rf"```console\n\$ mfp-sim ({verb} .*?)```", page, re.DOTALL)
    command, *wanted = block.splitlines()
    lines = mfp_sim(*shlex.split(command)).out.splitlines()
    places = [lines.index(line) for line in wanted if line != "..."]
    assert places == sorted(places)
    if verb == "show":  # the exchange is shown without a gap
        assert places[:6] == list(range(places[0], places[0] + 6))


def test_show_of_a_failing_one_is_1(mfp_sim, failing) -> None:
    done = mfp_sim("show", failing)
    assert done.code == 1
    assert "FAIL  fails" in done.out
    assert "canary" not in done.out


@pytest.mark.parametrize(
    ("word", "text"),
    [
        ("MFP-POLL-03", "the printer's manual"),
        ("SCEP-3.2.1.4-02", "RFC 8894"),
        ("A-22", "other readings: 5xx, all"),
        ("reset", "a fault of the mock"),
        ("advance", "a step of scenarios"),
        ("ledger", "a field of expect"),
        ("deferred-twice-then-issued", "a scenario"),
    ],
)
def test_explain_knows(mfp_sim, word: str, text: str) -> None:
    done = mfp_sim("explain", word)
    assert done.code == 0
    assert done.out.startswith(word)
    assert text in done.out


def test_explain_of_something_unknown_helps(mfp_sim) -> None:
    done = mfp_sim("explain", "MFP-POL-03")
    assert done.code == 2
    assert "did you mean 'MFP-POLL-03'?" in done.err
    assert "mfp-sim explain --search xqzw" in mfp_sim("explain", "xqzw").err
    assert "nothing to explain" in mfp_sim("explain").err


def test_explain_names_what_shows_an_entry(mfp_sim) -> None:
    told = mfp_sim("explain", "SCEP-3.2.1-02", "A-34", "F-P05").out
    for line in (
        "checks of servers: certrep-messagetype-present, refuses-no-messagetype   mfp-sim explain certrep-",
        "faults: missing-messagetype   mfp-sim explain missing-messagetype",
        "scenarios: refused-at-a-poll-by-http   mfp-sim show refused-at-a-poll-by-http",
    ):
        assert line in told
    assert mfp_sim("explain", "refuses-no-messagetype").out.splitlines()[-1].strip() == (
        "mfp-sim conform URL --only refuses-no-messagetype"
    )


def test_explain_gives_the_fields_of_steps_and_expectations(mfp_sim) -> None:
    told = mfp_sim("explain", "auto_request", "keys", "delete_key", "network").out
    for line in (
        "    polling.count: a whole number (required): the greatest number of polls",
        "    key.length: a whole number (default 2048): the length of the key in bits",
        "    key.policy: text (optional): the IPSec policy that uses it",
        "    adjust: true or false (default false): move the request by a random 1 to 600 seconds from the start",
        "    every: a duration such as 10m (optional): the interval of requests",
        "    keys[].use: None | TLS | IEEE 802.1X | IPSec | SIP | Device Signature, or an operator (optional)",
        "    keys[].certificate.key_length: a whole number, 0 or more, or an operator (optional)",
        "  value: text, or a map",
        "  value: up | refused | unreachable | no-such-host | silent",
    ):
        assert line in told.splitlines()


@pytest.mark.parametrize("word", sorted({*STEPS, *EXPECTATIONS}))
def test_what_explain_says_of_a_step_or_expectation_loads(mfp_sim, tmp_path: Path, word: str) -> None:
    """Each example loads, and every key of the JSON schema is in the list of fields."""
    told = mfp_sim("explain", word).out
    examples = [line.strip() for line in told.splitlines() if line.startswith("  - ")]
    assert len(examples) == (word in STEPS) + (word in EXPECTATIONS)
    for number, example in enumerate(examples):
        file = tmp_path / f"{number}.scenario.yaml"
        head = f"format: 1\nname: example-{number}\nwhy: It loads.\nclock: 2026-03-01T08:00:00+00:00\nsteps:\n"
        before = "  - export_bundle: {name: settings, password: bundle-pass}\n" if word == "import_bundle" else ""
        file.write_text(f"{head}{before}  {example}\n  - expect: {{powered: true}}\n")
        done = mfp_sim("check", file)
        assert (done.code, done.err) == (0, "")
    kinds = [STEPS[word].kind] if word in STEPS else []
    kinds += [EXPECTATIONS[word].shape] if word in EXPECTATIONS else []
    for kind in kinds:
        parts: dict = {}
        whole = kind.schema(parts)
        shape = parts[whole["$ref"].rpartition("/")[2]][1] if "$ref" in whole else whole
        for key in shape.get("properties", {}):
            assert f"    {key}: " in told


def test_explain_searches_everything(mfp_sim) -> None:
    rows = json.loads(mfp_sim("explain", "--json", "--search", "lost", "reply").out)
    assert {row["kind"] for row in rows} >= {"scenario", "check", "assumption"}
    for row in rows:
        text = " ".join((row["id"], row["title"], row["sentence"])).lower()
        assert "lost" in text
        assert "reply" in text
    first = mfp_sim("explain", "--search", "nonce-mismatch").out.splitlines()[0]
    assert first.split()[:2] == ["nonce-mismatch", "fault"]


def test_a_search_puts_ids_before_titles_before_sentences() -> None:
    found = search(["polling"])
    places = [0 if "polling" in entry.id.lower() else 1 if "polling" in entry.title.lower() else 2 for entry in found]
    assert set(places) == {0, 1, 2}
    assert places == sorted(places)


def test_every_id_that_a_search_finds_can_be_explained(mfp_sim) -> None:
    kinds = {}
    for entry in entries():
        kinds.setdefault(entry.kind, entry.id)
    assert len(kinds) == 9
    for identifier in kinds.values():
        assert mfp_sim("explain", identifier).code == 0


def test_a_search_without_a_result_is_5_and_a_long_one_is_cut(mfp_sim) -> None:
    done = mfp_sim("explain", "--search", "lost", "xqzw")
    assert (done.code, done.out) == (5, "")
    assert "nothing contains all of: lost xqzw" in done.err
    assert (
        mfp_sim("explain", "--json", "--search", "xqzw").code,
        mfp_sim("explain", "--json", "--search", "xqzw").out,
    ) == (5, "[]\n")
    done = mfp_sim("explain", "--search", "the")
    assert len(done.out.splitlines()) == 20
    assert re.fullmatch(r"and \d+ more: add a word, or list all with --json\n", done.err)


def test_check_tells_every_mistake_of_every_file(mfp_sim, tmp_path: Path, scenario) -> None:
    (tmp_path / "a.scenario.yaml").write_text(scenario.read_text().replace("why:", "wyh:"))
    (tmp_path / "b.scenario.yaml").write_text(scenario.read_text().replace("advance", "x").replace("smoke]", "smoke"))
    done = mfp_sim("check", tmp_path)
    assert done.code == 2
    assert f"{tmp_path}/a.scenario.yaml:3:1:" in done.err
    assert f"{tmp_path}/b.scenario.yaml:" in done.err
    rows = json.loads(mfp_sim("check", tmp_path, "--json").out)
    assert {Path(row["file"]).name for row in rows} == {"a.scenario.yaml", "b.scenario.yaml"}


def test_two_files_with_one_name_are_a_mistake(mfp_sim, tmp_path: Path, scenario) -> None:
    (tmp_path / "z.scenario.yaml").write_text(scenario.read_text())
    done = mfp_sim("check", tmp_path)
    assert done.code == 2
    assert "the name 'enrols' is used in" in done.err


def test_check_of_what_is_right(mfp_sim, scenario) -> None:
    assert mfp_sim("check", scenario).out == f"1 scenario in 1 file, no mistakes. Next: mfp-sim run {scenario}\n"


def test_the_committed_schema_is_what_the_tables_say(mfp_sim) -> None:
    committed = Path(__file__).parents[2] / "scenarios" / "scenario.schema.json"
    assert mfp_sim("schema").out == committed.read_text(), "mfp-sim schema > scenarios/scenario.schema.json"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_knows_every_verb_and_is_a_script(mfp_sim, tmp_path: Path, shell: str) -> None:
    script = mfp_sim("completion", shell).out
    for verb in VERBS:
        assert verb.name in script
    assert "--shuffle" in script or "-l shuffle" in script
    assert "mfp-sim list" in script
    assert "mfp-sim profiles" in script
    if (program := shutil.which(shell)) is not None:
        (tmp_path / "script").write_text(script)
        subprocess.run([program, "-n", str(tmp_path / "script")], check=True)


@pytest.mark.parametrize(
    ("shell", "place"),
    [("bash", ".local/share/bash-completion/completions/mfp-sim"), ("zsh", '"${fpath[1]}/_mfp-sim"'),
     ("fish", ".config/fish/completions/mfp-sim.fish")],
)  # fmt: skip
def test_the_head_of_a_completion_script_names_the_place_that_the_help_names(mfp_sim, shell: str, place: str) -> None:
    head = mfp_sim("completion", shell).out[:600]
    assert place in head
    assert "Copy this" not in head
    assert place in mfp_sim("completion", "--help").out


def test_bash_completes(mfp_sim, tmp_path: Path) -> None:
    (tmp_path / "script").write_text(mfp_sim("completion", "bash").out)
    told = subprocess.run(
        ["bash", "-c", f"source {tmp_path}/script; COMP_WORDS=(mfp-sim run --sh); COMP_CWORD=2; _shtab_mfp_sim; echo $COMPREPLY"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert told.stdout == "--shuffle\n"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["completion", "b"], "bash"),
        (["serve", "--clock", "f"], "frozen"),
        (["run", "--profile", "canon-l"], "canon-legacy"),
        (["run", "manual-req"], "manual-request"),
        (["run", "--tag", "smoke", "manual-req"], "manual-request"),
        (["explain", "manual-request-l"], "manual-request-locked"),
        (["run", "--lang", "n"], "nb"),
        (["explain", "MFP-POLL-07"], "MFP-POLL-07"),
        (["explain", "nonce-mism"], "nonce-mismatch"),
        (["explain", "refuses-no-m"], "refuses-no-messagetype"),
        (["explain", "F-P05"], "F-P05"),
        (["explain", "auto_r"], "auto_request"),
        (["diff", "manual-req"], "manual-request"),
        (["run", "--flip", "A-22"], "A-22=5xx A-22=all"),
        (["run", "--set", "ca.appr"], "ca.approval="),
        (["run", "--set", "printer.time"], "printer.timezone="),
        (["run", "--tag", "poll"], "polling"),
        (["new", "--fault", "nonce-mism"], "nonce-mismatch"),
        (["new", "--kind", "l"], "lost-reply"),
        (["proxy", "--fault", "reset-"], "reset-in-reply"),
        (["conform", "--only", "refuses-no-m"], "refuses-no-messagetype"),
        (["conform", "--persona", "strongs"], "strongswan"),
        (["serve", "--ca-profile", "ndes-2016"], "ndes-2016"),
        (["run", "--report", "scr"], "script"),
        (["run", "--seed", "m"], ""),
    ],
)
def test_bash_completes_values(mfp_sim, tmp_path: Path, words: list[str], told: str) -> None:
    (tmp_path / "script").write_text(mfp_sim("completion", "bash").out)
    place = f"COMP_WORDS=(mfp-sim {shlex.join(words)}); COMP_CWORD={len(words)}"
    source = f"source {tmp_path}/script"
    stand_in = "mfp-sim() { [ $1 = list ] && echo 'manual-request  why' || echo 'canon-legacy  what'; }"
    run = subprocess.run(
        ["bash", "-c", f'{source}; {stand_in}; {place}; _mfp_sim; echo "${{COMPREPLY[@]}}"'],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert run.stdout == f"{told}\n"


def test_a_terminal_without_the_letters_gets_their_numbers(mfp_sim, monkeypatch, tmp_path: Path) -> None:
    """Neither a traceback nor a question mark, and JSON stays JSON."""
    for words in (["explain", "--help"], ["report", "--schema"], ["profiles", "canon-legacy", "--json"]):
        terminal = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdout", terminal)
            assert mfp_sim(*words).code == 0
        terminal.flush()
        terminal.seek(0)
        text = terminal.read()
        if words[0] == "report":
            assert json.loads(text) == report_schema()
        if words[0] == "explain":
            assert "MFP-\\u2026" in text


def test_a_file_that_steers_the_terminal_is_shown_and_not_obeyed(mfp_sim, scenario) -> None:
    text = scenario.read_text().replace("A manual request", "A \\e[31mred \\u202erequest")
    scenario.write_text(text.replace("why: ", 'why: "').replace("certificate.\n", 'certificate."\n'))
    told = mfp_sim("list", scenario).out
    assert "A \\x1b[31mred \\u202erequest" in told
    assert "\x1b" not in told
    told = mfp_sim("list", "/nowhere/\x1b[31m").err
    assert "there is no file or directory /nowhere/\\x1b[31m" in told
    assert "\x1b" not in told


def test_of_very_many_mistakes_the_first_are_told(mfp_sim, scenario) -> None:
    scenario.write_text(scenario.read_text() + "  - expct: {}\n" * 300)
    told = mfp_sim("check", scenario)
    assert told.code == 2
    assert told.err.count("unknown key 'expct'") == 100
    assert told.err.endswith("\nand 200 more mistakes\n")
    assert len(json.loads(mfp_sim("check", scenario, "--json").out)) == 300


def test_the_story_of_a_scenario_that_was_skipped_is_not_a_pass(mfp_sim, scenario) -> None:
    text = scenario.read_text().replace("{static: canary-5c0d}", "none, url: 'http://127.0.0.1:9/scep'")
    scenario.write_text(text + "  - network: refused\n")
    done = mfp_sim("show", scenario)
    assert (done.code, "skip  enrols  (it changes the network" in done.out) == (5, True)


def test_an_empty_directory_is_said(mfp_sim, tmp_path: Path) -> None:
    for verb, code in (("check", 5), ("list", 5), ("run", 5), ("show", 5), ("coverage", 5), ("power-points", 2)):
        told = mfp_sim(verb, tmp_path)
        assert told.code == code, verb
        assert f"no file in {tmp_path} is called *.scenario.yaml" in told.out + told.err, verb
        assert "no mistakes" not in told.out
    for verb in ("list", "run", "show", "coverage", "power-points"):
        told = mfp_sim(verb, "no-such-*")
        assert told.code == 2
        assert "no scenario fits 'no-such-*' (mfp-sim list shows all names)" in told.err, verb


@pytest.mark.parametrize("verb", VERBS, ids=lambda verb: verb.name)
def test_the_help_of_every_verb_lists_its_exit_codes(mfp_sim, verb: Verb) -> None:
    lines = mfp_sim(verb.name, "--help").out.partition("\nexit codes:\n")[2].splitlines()
    assert max(map(len, lines)) <= 80
    listed = [int(line.split()[0]) for line in lines if line[2] != " "]
    assert listed == sorted(listed)
    returned = _RETURNED.get(verb.name, set())
    assert set(listed) == {0, 2, 4, 130} | returned
    assert mfp_sim(verb.name, "--no-such-option").code == 2


_RETURNED = {
    "run": {1, 3, 5}, "list": {5}, "show": {1, 5}, "explain": {5}, "check": {1, 5}, "coverage": {1, 5},
    "power-points": {1, 5}, "diff": {1}, "conform": {1, 3, 5, 6}, "examine": {1, 3, 5}, "explore": {1, 3, 5, 6},
    "fleet": {1}, "load": {1}, "proxy": {1},
}  # fmt: skip


def test_every_verb_has_help_with_examples(mfp_sim) -> None:
    for verb in VERBS:
        done = mfp_sim(verb.name, "--help")
        assert done.code == 0
        assert "examples:\n  mfp-sim " + verb.name in done.out
    assert mfp_sim("--version").out == "mfp-sim 0.1.0\n"


# --- check --assumptions ----------------------------------------------------------------------------------

ROUTES = """\
format: 1
name: NAME
why: An HTTP error ends the request.
clock: 2026-03-02T08:00:00+01:00
printer: {communication: {url: http://ca.example/scep}}
ca: {script: [{when: {type: PKCSReq, nth: 1}, then: {http: 503}}]}
steps:
  - auto_request:
      start: 2026-03-02 09:00
      polling: {count: 3, interval: 10m}
      key: {name: web, common_name: 192.0.2.10}
  - advance_to: 2026-03-02 12:00
  - expect: {status: {state: error, details: top-error-503}}
"""


def routes(directory: Path, name: str, assumes: str = "") -> Path:
    file = directory / f"{name}.scenario.yaml"
    text = ROUTES.replace("NAME", name)
    file.write_text(text.replace("clock:", f"assumes: {assumes}\nclock:", 1) if assumes else text)
    return file


def test_many_scenarios_are_announced_before_they_are_measured(mfp_sim, tmp_path: Path, monkeypatch) -> None:
    for name in ("one", "two"):
        routes(tmp_path, name, "[A-13, A-22]")
    monkeypatch.setattr("mfp_sim.cli.assumptions._FEW", 1)
    says = "measuring 2 scenarios; a file measures only its own, --jobs N uses several processes\n"
    assert mfp_sim("check", "--assumptions", tmp_path).err == says
    assert mfp_sim("check", "--assumptions", tmp_path / "one.scenario.yaml").err == ""


@pytest.mark.parametrize("jobs", [1, 2])
def test_check_tells_what_is_named_too_little_and_too_much(mfp_sim, tmp_path: Path, jobs: int) -> None:
    little, much = routes(tmp_path, "little"), routes(tmp_path, "much", "[A-22, A-33]")
    routes(tmp_path, "right", "[A-13, A-22]")
    done = mfp_sim("check", "--assumptions", tmp_path, "--jobs", jobs)
    assert done.out.splitlines() == [
        f"{little}:1:1: little does not name A-22, but fails with --flip 'A-22=5xx', --flip 'A-22=all' (add A-22 to assumes)",
        f"{much}:4:10: it names A-33, but no other reading or value of that changes its outcome (remove A-33 from assumes)",
        "3 of 3 scenarios measured. Other readings change 3 of them; 2 mistakes in assumes",
    ]
    assert (done.code, done.err) == (1, "")
    assert not (tmp_path / "examined.json").exists()


def test_check_of_assumptions_for_machines(mfp_sim, tmp_path: Path) -> None:
    little = routes(tmp_path, "little")
    done = mfp_sim("check", "--assumptions", little, "--json")
    (row,) = json.loads(done.out)
    assert done.code == 1
    assert (row["kind"], row["assumption"], row["file"]) == ("too little", "A-22", str(little))
    assert (row["line"], row["column"], row["hint"]) == (1, 1, "add A-22 to assumes")
    right = mfp_sim("check", "--assumptions", routes(tmp_path, "right", "[A-22]"), "--json")
    assert (right.code, right.out) == (0, "[]\n")


def test_what_check_writes_run_counts(mfp_sim, tmp_path: Path) -> None:
    file = routes(tmp_path, "right", "[A-22]")

    def last(*words: object) -> str:
        return (
            mfp_sim("run", file, "--quiet", *words)
            .out.splitlines()[-1]
            .removesuffix(" (mfp-sim check --assumptions FILE)")
        )

    none = "0 depend only on the manual and the RFC; 0 also depend on assumptions; 1 was not examined"
    assert last() == none
    done = mfp_sim("check", "--assumptions", file, "--write")
    assert done.out.splitlines()[-1] == f"written to {tmp_path / 'examined.json'}"
    assert last() == "0 depend only on the manual and the RFC; 1 also depends on assumptions; 0 were not examined"
    assert last("--seed", "5") == last("--profile", "canon-sip") == last("--flip", "A-33") == none
    file.write_text(file.read_text().replace("count: 3", "count: 4"))
    assert last() == none


def test_check_of_assumptions_refuses_before_it_measures(mfp_sim, tmp_path: Path, scenario) -> None:
    (tmp_path / "examined.json").write_text("{}")
    done = mfp_sim("check", "--assumptions", scenario, "--write")
    assert (done.code, done.out) == (2, "")
    assert "examined.json is not a file of measurements" in done.err
    assert mfp_sim("check", scenario, "--write").code == 2
    scenario.write_text("format: 1\n")
    assert mfp_sim("check", "--assumptions", scenario).code == 2


def test_a_scenario_that_fails_is_not_measured(mfp_sim, failing) -> None:
    done = mfp_sim("check", "--assumptions", failing)
    assert done.code == 1
    assert "fails does not pass, so its assumptions cannot be measured" in done.out
    assert "0 of 1 scenarios measured" in done.out


def test_without_a_verb_the_help_lists_them(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    told = capsys.readouterr()
    assert not told.out
    assert [verb.name for verb in VERBS if f"\n    {verb.name}" not in told.err] == []


@pytest.mark.parametrize(("words", "usage", "message"), [
    (["run", "--reprot", "out"], "usage: mfp-sim run ", "unrecognized argument: --reprot (did you mean '--report'?)"),
    (["conform", "http://ca.example/scep", "--zzzz"], "usage: mfp-sim conform ", "unrecognized argument: --zzzz\n"),
    (["decode", "a", "--jsno=1"], "usage: mfp-sim decode ", "unrecognized argument: --jsno=1 (did you mean '--json'?)"),
])  # fmt: skip
def test_a_wrong_option_shows_the_usage_of_its_verb(
    words: list[str], usage: str, message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(words)
    told = capsys.readouterr().err
    assert ended.value.code == 2
    assert told.startswith(usage)
    assert message in told
