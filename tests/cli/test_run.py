"""``mfp-sim run``: selection, exit codes, reports, repetition, and errors in clear words."""

from __future__ import annotations

import base64
import contextlib
import errno
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest
import report_samples
from http_proxy import proxy
from tls_hosts import tls_host

from mfp_sim.cli import execution
from mfp_sim.cli.ending import of_checks
from mfp_sim.report.model import Baseline, Provenance, RunReport
from mfp_sim.scenario.excerpt import shown_change
from mfp_sim.shared.redaction import Redactor
from mfp_sim.shared.scep.http_messages import HttpReply, delivery_of
from mock_scep_server.server import ServerHost


def test_a_pass_is_0_and_a_line(mfp_sim, scenario) -> None:
    done = mfp_sim("run", scenario)
    assert done.code == 0
    assert done.out.startswith("pass  enrols\n")
    assert "1 passed, 0 failed" in done.out
    assert "\x1b" not in done.out


def test_a_failure_is_1_with_place_and_command(mfp_sim, failing) -> None:
    done = mfp_sim("run", failing)
    assert done.code == 1
    assert f"{failing}:10:22  status.state" in done.out
    assert "expected  error" in done.out
    assert "got       successful" in done.out
    assert f"mfp-sim run {failing} --seed 1" in done.out


def test_a_failure_tells_what_came_before_and_nothing_after(mfp_sim, failing) -> None:
    lines = mfp_sim("run", failing).out.splitlines()
    begin = lines.index("      preceding events, the last 8")
    told = [line.split("  ", 1)[1].strip() for line in (text.strip() for text in lines[begin + 1 : begin + 9])]
    assert any(text == "printer <- CA   CertRep SUCCESS" for text in told)
    assert not any("expect status" in text for text in told)
    assert lines[begin + 9].startswith("      repeat with")


def test_the_first_failure_stops_if_asked_to(mfp_sim, failing, scenario) -> None:
    done = mfp_sim("run", "-x", failing, scenario)
    assert done.code == 1
    assert "stopped at the first failure; 1 runs were left out" in done.out
    assert "pass  enrols" not in done.out


def test_bundled_scenarios_by_name_glob_tag_and_instance(mfp_sim) -> None:
    assert "1 passed" in mfp_sim("run", "deferred-twice-then-issued").out
    by_glob = mfp_sim("run", "fail-info[[]*", "--quiet")
    assert by_glob.code == 0
    assert "5 passed" in by_glob.out
    assert "pass  " not in by_glob.out
    assert "1 passed" in mfp_sim("run", "fail-info[bad-alg]").out


def test_one_instance_of_a_file(mfp_sim, tmp_path: Path, scenario) -> None:
    file = tmp_path / "many.scenario.yaml"
    text = (
        scenario.read_text()
        .replace("common_name: 192.0.2.10", "common_name: $cn")
        .replace("name: enrols", "name: many")
    )
    file.write_text(text + "parameters: [{name: one, cn: 192.0.2.1}, {name: two, cn: 192.0.2.2}]\n")
    assert "2 passed" in mfp_sim("run", file).out
    assert "1 passed" in mfp_sim("run", f"{file}::many[two]").out
    done = mfp_sim("run", f"{file}::many[tow]")
    assert done.code == 2
    assert "did you mean 'many[two]'?" in done.err


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        (["run", "no-such-name"], 2, "there is no scenario 'no-such-name'"),
        (["run", "defered-twice-then-issued"], 2, "did you mean 'deferred-twice-then-issued'?"),
        (["run", "nowhere/x.scenario.yaml"], 2, "there is no file or directory nowhere/x.scenario.yaml"),
        (["run", "no-such-*"], 2, "no scenario fits 'no-such-*' (mfp-sim list shows all names)"),
        (["run", "defered-twice-*"], 2, "no scenario fits 'defered-twice-*' (did you mean 'deferred-twice-"),
        (["run", "--tag", "no-such-tag"], 5, "nothing was selected"),
        (["run", "--flip", "A-99"], 2, "A-99 has no other reading"),
        (["run", "--flip", "A-22=never"], 2, "A-22 has no reading 'never'"),
        (["run", "--jobs", "0"], 2, "'0' is not a count from 1"),
        (["run", "--seed", "-1"], 2, "is not a whole number from 0"),
        (["run", "--challenge", "x"], 2, "give --ca URL too"),
        (
            ["run", "--ca", "https://127.0.0.1/x"],
            2,
            "canon-ir-adv-dx speaks only HTTP (A-01) (give --flip A-01=https=true",
        ),
        (["run", "--tls-insecure"], 2, "--tls-insecure applies only to a real server (give --ca URL too)"),
        (["run", "--ca", "http://[::1/x"], 2, "is not a URL"),
        (["run", "--ca", "http://no-such-host.invalid/x"], 3, "the name does not resolve"),
        (["run", "--jobs", "257"], 2, "argument --jobs: '257' is not a count from 1 to 256"),
        (["serve", "--printers", "101"], 2, "argument --printers: '101' is not a count from 1 to 100"),
        (["load", "http://127.0.0.1:9/x", "--clients", "10001"], 2, "'10001' is not a count from 1 to 10000"),
        (
            ["load", "http://127.0.0.1:9/x", "--certificates", "1000001"],
            2,
            "'1000001' is not a count from 1 to 1000000",
        ),
        (["load", "--make-keys", "1000001", "--keys", "k.pem"], 2, "'1000001' is not a count from 1 to 1000000"),
        (["conform", "http://127.0.0.1:9/x", "--rate", "nan"], 2, "'nan' is not a rate from above 0 to 10000 a second"),
        (["conform", "http://127.0.0.1:9/x", "--timeout", "nan"], 2, "'nan' is not a time from 0.1 to 3600 seconds"),
        (["explore", "--ca", "http://127.0.0.1:9/x", "--rate", "-1"], 2, "'-1' is not a rate from above 0"),
        (["rnu"], 2, "; did you mean 'run'?"),
        (["schema", "fleets"], 2, "argument scenario|fleet: invalid choice: 'fleets'"),
        (["schema", "fleets"], 2, "; did you mean 'fleet'?"),
    ],
)
def test_what_is_wrong_is_said(mfp_sim, words: list[str], code: int, text: str) -> None:
    done = mfp_sim(*words)
    assert done.code == code
    assert text in done.out + done.err


@pytest.mark.parametrize(("word", "meant"), [
    ("firts.scenario.yaml", "did you mean 'first.scenario.yaml'?"),
    ("first.scenario.yml", "did you mean 'first.scenario.yaml'?"),
    ("first.scenario", "did you mean 'first.scenario.yaml'?"),
    ("suit/first.scenario.yaml", None),
    ("siute/", "did you mean 'suite'?"),
    ("suite/frist.scenario.yaml", "did you mean 'suite/first.scenario.yaml'?"),
    ("offices.fleet.yaml", "offices.fleet.yaml is a fleet plan, not a scenario (mfp-sim fleet offices.fleet.yaml)"),
])  # fmt: skip
def test_a_file_whose_name_is_wrong(
    mfp_sim, scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str, meant: str | None
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("suite").mkdir()
    for name in ("first.scenario.yaml", "suite/first.scenario.yaml", "offices.fleet.yaml"):
        Path(name).write_text("format: 1\n")
    done = mfp_sim("run", word)
    assert done.code == 2
    assert done.err.removesuffix("\n").endswith(
        f"there is no file or directory {word}" if meant is None else meant if "fleet" in word else f"({meant})"
    )


def test_a_file_that_is_spelt_twice_is_read_once(mfp_sim, scenario, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "link.scenario.yaml").symlink_to(scenario)
    name = scenario.name
    for words in ((name, f"./{name}"), (name, "."), (f"{name}::enrols", f"./{name}::enrols"), (f"./{name}", scenario)):
        done = mfp_sim("run", *words)
        assert (done.code, done.out.count("pass  enrols\n")) == (0, 1), done.out + done.err
        assert "1 passed" in done.out
    assert "1 scenario in" in mfp_sim("check", name, f"./{name}").out


@pytest.mark.parametrize("word", ["{}", "{}::enrols"])
def test_one_name_in_two_files_is_a_mistake_and_no_two_runs_of_one(
    mfp_sim, scenario, tmp_path: Path, word: str
) -> None:
    other = tmp_path / "other.scenario.yaml"
    other.write_text(scenario.read_text().replace("192.0.2.10", "192.0.2.11"))
    done = mfp_sim("run", word.format(scenario), word.format(other))
    assert done.code == 1
    assert f"ERR   {other}\n" in done.out
    assert f"got       the name 'enrols' is used in {scenario} too" in done.out
    assert "1 passed, 0 failed, 1 error" in done.out
    remedy = f"mfp-sim check {other} {scenario}"
    assert f"repeat with  {remedy}\n" in done.out
    assert f"Next: {remedy} shows the mistakes" in done.out
    assert "the name 'enrols' is used in" in mfp_sim(*remedy.split()[1:]).err
    assert "trace[" not in done.out


@pytest.mark.parametrize(
    ("kind", "told"),
    [("link", "it is a link to a file that does not exist"), ("loop", "it is a link to a file that does not exist"),
     ("pipe", "it is not a regular file"), ("name", "the name of the file is not UTF-8")],
)  # fmt: skip
def test_what_is_no_file_is_the_mistake_of_that_file_alone(
    mfp_sim, scenario, tmp_path: Path, kind: str, told: str
) -> None:
    odd = tmp_path / "odd.scenario.yaml"
    make = {
        "link": lambda: odd.symlink_to("nowhere"),
        "loop": lambda: odd.symlink_to(odd),
        "pipe": lambda: os.mkfifo(odd),
        "name": lambda: Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff.scenario.yaml")).write_text("format: 1"),
    }
    make[kind]()
    (tmp_path / "folder.scenario.yaml").mkdir()
    done = mfp_sim("run", tmp_path, "--report", tmp_path / "out")
    assert done.code == 1, done.err
    assert "pass  enrols\n" in done.out
    assert f"got       {told}" in done.out
    assert "1 passed, 0 failed, 1 error" in done.out
    done = mfp_sim("check", tmp_path)
    assert (done.code, told in done.err) == (2, True)


def test_a_part_that_would_never_end_is_not_read(mfp_sim, scenario, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "more.part.yaml")
    scenario.write_text(scenario.read_text() + "include: more.part.yaml\n")
    done = mfp_sim("check", scenario)
    assert (done.code, f"{scenario}:11:10: more.part.yaml is not a regular file" in done.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["caf\udce9"], "mfp-sim: the argument 'caf\\xe9' is not UTF-8\n"),
        (["FILE", "--set", "printer.timezone=\udce9"], "the argument 'printer.timezone=\\xe9' is not UTF-8"),
        (["FILE", "--set", "seed=1\nfoo: 2"], "--set seed:2:4: not well-formed YAML: mapping values are not allowed"),
        (
            ["FILE", "--set", "ca.challenge.static=..."],
            "--set ca.challenge.static=... stands for a secret, which no report shows (write the value in its place)",
        ),
        (["FILE", "--set", "seed: 1=2"], "--set seed: 1:1:1: unknown key 'seed: 1' in a scenario"),
    ],
)
def test_odd_words_are_mistakes_of_usage(mfp_sim, scenario, words: list[str], told: str) -> None:
    done = mfp_sim("run", *(word.replace("FILE", str(scenario)) for word in words))
    assert done.code == 2
    assert "internal error" not in done.err
    assert told in done.err


def test_a_directory_that_cannot_be_read_is_an_error_of_the_run(mfp_sim, scenario, closed: Path) -> None:
    scenario.rename(closed.parent / scenario.name)
    done = mfp_sim("run", closed.parent)
    assert done.code == 1, done.out
    assert f"{closed}:1:1" in done.out
    assert "cannot read it: Permission denied" in done.out
    assert "1 passed, 0 failed, 1 error" in done.out


@pytest.mark.parametrize("verb", ["run", "list", "check", "coverage"])
def test_a_directory_that_cannot_be_read_is_not_an_empty_one(mfp_sim, closed: Path, verb: str) -> None:
    done = mfp_sim(verb, closed)
    assert (done.code, done.out) == (2, "")
    assert done.err == f"mfp-sim: {closed}:1:1: cannot read it: Permission denied\n"


@pytest.mark.parametrize("command", [("run",), ("check",), ("fleet",)])
def test_a_file_in_a_directory_that_may_not_be_entered(
    mfp_sim, tmp_path: Path, monkeypatch, command: tuple[str, ...]
) -> None:
    file, stat = tmp_path / ("a.fleet.yaml" if command == ("fleet",) else "a.scenario.yaml"), os.stat

    def refusing(path, **options):
        if str(path) == str(file):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return stat(path, **options)

    monkeypatch.setattr(os, "stat", refusing)
    done = mfp_sim(*command, file)
    assert (done.code, done.out) == (2, "")
    assert f"cannot read {file}: Permission denied (give this user the right to read it)" in done.err


@pytest.mark.parametrize("verb", [("run",), ("check",), ("conform", "--list"), ("schema",)])
def test_a_working_directory_that_is_gone_is_told(mfp_sim, tmp_path: Path, monkeypatch, verb: tuple[str, ...]) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    done = mfp_sim(*verb)
    assert done.code == 2
    assert "cannot use the working directory: No such file or directory (change to a directory that" in done.err


@pytest.mark.parametrize(
    ("verb", "words", "text"),
    [
        *((verb, ("no-such-*",), "no scenario fits 'no-such-*'") for verb in ("run", "list", "coverage")),
        *((verb, ("nowhere",), "no file in nowhere is called *.scenario.yaml") for verb in ("run", "list", "check")),
        *(
            (verb, ("--tag", "smoke", "--tag", "smoek"), "no scenario has the tag 'smoek' (did you mean 'smoke'?)")
            for verb in ("run", "list", "coverage")
        ),
    ],
)
def test_nothing_runs_if_one_of_several_words_selects_nothing(
    mfp_sim, scenario, tmp_path: Path, monkeypatch, verb: str, words: tuple[str, ...], text: str
) -> None:
    """A misspelt word in a CI job must not leave its scenarios out silently."""
    (tmp_path / "nowhere").mkdir()
    monkeypatch.chdir(tmp_path)
    done = mfp_sim(verb, scenario, *words)
    assert (done.code, done.out) == (2, "")
    assert text in done.err


@pytest.mark.parametrize("verb", ["run", "list", "check", "show", "coverage"])
@pytest.mark.parametrize("word", ["", "::enrols"])
def test_an_empty_word_does_not_mean_the_working_directory(
    mfp_sim, scenario, monkeypatch, verb: str, word: str
) -> None:
    monkeypatch.chdir(scenario.parent)
    done = mfp_sim(verb, word)
    assert (done.code, done.out) == (2, "")
    told = "a file, directory or name is empty (write . for the working directory)"
    assert (told if (verb, word) != ("check", "::enrols") else "there is no file or directory ::enrols") in done.err


def test_the_examples_of_the_help_select_something(mfp_sim) -> None:
    line = next(line for line in mfp_sim("run", "--help").out.splitlines() if "names by glob" in line)
    glob = re.search("'(.*)'", line)
    assert glob is not None
    assert mfp_sim("list", glob.group(1)).code == 0


def test_scenarios_of_the_package_are_said_to_be_those(mfp_sim, scenario, tmp_path: Path, monkeypatch) -> None:
    note = "there is no directory 'scenarios' here: these are the scenarios of the package\n"
    monkeypatch.chdir(tmp_path)
    done = mfp_sim("run", "scenarios", "--tag", "bundles", "--quiet")
    assert (done.code, done.out.startswith(note)) == (0, True)
    Path("scenarios").mkdir()
    Path("scenarios/mine.scenario.yaml").write_text(scenario.read_text())
    done = mfp_sim("run", "scenarios")
    assert (done.code, done.out.startswith("pass  enrols\n")) == (0, True)


def test_the_command_to_repeat_reaches_the_same_server(mfp_sim, failing, tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("canary-5c0d\n")
    with tls_host(tmp_path, challenge="canary-5c0d") as behind:
        at = ("run", failing, "--ca", behind.url, "--flip", "A-01=https=true", "--tls-ca", behind.trust)
        of_file = mfp_sim(*at, "--challenge-file", secret)
        typed = mfp_sim(*at, "--challenge", "canary-5c0d")
    repeated = f"repeat with  mfp-sim run {failing} --seed 1 --flip A-01=https=true --ca {behind.url}"
    assert f"{repeated} --challenge-file {secret} --tls-ca {behind.trust}\n" in of_file.out
    assert f"{repeated} --challenge-env CHALLENGE --tls-ca {behind.trust}\n" in typed.out
    again = mfp_sim(*at, "--challenge-env", "CHALLENGE")  # the placeholder cannot be sent as a password
    assert (again.code, "the environment variable CHALLENGE is not set" in again.err) == (2, True)
    assert "canary-5c0d" not in of_file.out + typed.out


def test_nobody_there_is_3(mfp_sim, scenario) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    done = mfp_sim("run", scenario, "--ca", f"http://127.0.0.1:{port}/scep")
    assert done.code == 3
    assert f"no SCEP server at http://127.0.0.1:{port}/scep" in done.err
    assert "refused the connection" in done.err


class Page:
    """A web server that knows nothing of SCEP."""

    def __init__(self, status: int) -> None:
        self.status = status

    def handle(self, request, client):
        reply = HttpReply(self.status, headers=(("Content-Type", "text/html"),), body=b"<html>hello</html>")
        return delivery_of(reply, keep_alive=request.keep_alive)


@pytest.mark.parametrize(
    ("status", "text"), [(404, "GetCACert returned HTTP 404"), (200, "(text/html) is not a certificate")]
)
def test_something_else_there_is_3(mfp_sim, scenario, status: int, text: str) -> None:
    with ServerHost(Page(status)) as host:
        done = mfp_sim("run", scenario, "--ca", f"{host.url}/scep")
    assert done.code == 3
    assert text in done.err


@pytest.mark.parametrize("way", ["flip", "model"])
def test_a_real_server_behind_tls_wants_a_model_that_speaks_it(mfp_sim, scenario, tmp_path: Path, way: str) -> None:
    model = tmp_path / "model.yaml"
    model.write_text(
        "format: 1\nname: with-https\nbase: canon-ir-adv-dx\n"
        "values: {https: {value: true, source: 'https://example.com/manual'}}\n"
    )
    out = tmp_path / "out"
    words = ("--flip", "A-01=https=true") if way == "flip" else ("--profile", model)
    with tls_host(tmp_path, challenge="canary-5c0d") as behind:
        at = ("run", scenario, "--ca", behind.url, "--tls-ca", behind.trust)
        done = mfp_sim(*at, *words, "--jobs", "2" if way == "model" else "1", "--report", out)
        assert done.code == 0, done.out + done.err
        asked = len(behind.bench.asked)
        refused = mfp_sim(*at)
    assert f"TLS certificate: checked against the CAs in {behind.trust}, and for 127.0.0.1" in done.out
    whole = json.loads((out / "report.json").read_text("utf-8"))
    assert whole["provenance"]["options"]["TLS"].startswith("TLSv1.")
    assert f"--tls-ca {behind.trust}" in whole["provenance"]["command"]
    assert (refused.code, len(behind.bench.asked)) == (2, asked)
    assert "the model canon-ir-adv-dx speaks only HTTP (A-01)" in refused.err


def test_no_secret_of_the_way_to_a_real_server_is_in_any_output(
    mfp_sim, scenario, mock_url, tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("LOGIN", "me:canary-server")
    out, state = tmp_path / "out", tmp_path / "state"
    with proxy(login="printer:canary-proxy") as between:
        done = mfp_sim(
            "run", scenario, "--ca", mock_url, "--proxy", between.url("printer:canary-proxy"), "--report", out, "--json",
            "--http-login-env", "LOGIN", "--header", "X-Key: canary-field", "--state-dir", state,
        )  # fmt: skip
    assert done.code == 0, done.out + done.err
    assert any("canary-field" in head for head in between.heads), "the field was not sent"
    files = [path for folder in (out, state) for path in folder.rglob("*") if path.is_file()]
    everything = done.out + done.err + "".join(path.read_text("latin-1") for path in files)
    for secret in ("canary-server", "canary-proxy", "canary-field"):
        assert secret not in everything
        assert base64.b64encode(secret.encode()).decode()[2:14] not in everything


def test_skipping_everything_is_not_a_success(mfp_sim, tmp_path: Path, mock_url: str) -> None:
    done = mfp_sim("run", "deferred-twice-then-issued", "--ca", mock_url)
    assert done.code == 5
    assert "skip  deferred-twice-then-issued  (it scripts the CA" in done.out
    assert "every scenario was skipped" in done.out


@pytest.mark.parametrize(
    ("section", "told"),
    [
        ("caps: [+SHA-512], ra: single", "it sets ca.caps, ca.ra, which is impossible with a real server"),
        ("profile: ndes-2016", "it sets ca.profile, which is impossible with a real server"),
        ("renewal_window: 14d", "it sets ca.renewal_window, which is impossible with a real server"),
        ("empty_content: zero", "it sets ca.empty_content, which is impossible with a real server"),
        ("challenge: {one_time: {}}", "it sets ca.challenge, which is impossible with a real server"),
    ],
)
def test_what_a_real_server_cannot_be_told_skips_the_scenario(
    mfp_sim, scenario, mock_url: str, section: str, told: str
) -> None:
    scenario.write_text(scenario.read_text().replace("ca: {challenge: {static: canary-5c0d}}", f"ca: {{{section}}}"))
    done = mfp_sim("run", scenario, "--ca", mock_url)
    assert done.code == 5
    assert f"skip  enrols  ({told})" in done.out


def test_what_a_real_server_meets_anyway_runs(mfp_sim, scenario, mock_url: str) -> None:
    same = "ca: {challenge: {static: canary-5c0d}, profile: rfc8894, script: []}"
    scenario.write_text(scenario.read_text().replace("ca: {challenge: {static: canary-5c0d}}", same))
    assert mfp_sim("run", scenario, "--ca", mock_url).code == 0


def test_what_only_the_simulation_can_know_fails_nobody_else(mfp_sim, scenario, mock_url: str) -> None:
    wanted = (
        "{status: {state: successful, time: 2026-03-02 08:00}, keys: [{name: k, certificate: {signed_by_ca: true}}]}"
    )
    text = scenario.read_text().replace("{status: {state: successful}}", wanted)
    scenario.write_text(text)
    done = mfp_sim("run", scenario, "--ca", mock_url)
    assert done.code == 0
    assert f"not observable on a real server: {scenario}:10:22: status.time" in done.out
    assert "keys[0].certificate.signed_by_ca" in done.out
    assert "simulated" not in done.out  # the system's clock ruled
    scenario.write_text(text.replace("name: k, cert", "name: other, cert"))
    done = mfp_sim("run", scenario, "--ca", mock_url)
    assert done.code == 1
    assert "keys[0].name" in done.out


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ("{ledger: {minted: 99}, orphans: []}", ["ledger", "orphans"]),
        ("{status: {time: 2026-03-02 08:00}}", ["status.time"]),
        ("{keys: [{certificate: {signed_by_ca: false}}]}", ["keys[0].certificate.signed_by_ca"]),
    ],
)
def test_a_scenario_of_which_nothing_can_be_observed_does_not_pass(
    mfp_sim, scenario, mock_url: str, tmp_path: Path, wanted: str, told: list[str]
) -> None:
    """Expectations about the mock's books, the mock's own signature, or a time that has passed, and no others."""
    scenario.write_text(scenario.read_text().replace("{status: {state: successful}}", wanted))
    out = tmp_path / "out"
    done = mfp_sim("run", scenario, "--ca", mock_url, "--report", out)
    assert done.code == 5, done.out
    assert "skip  enrols  (none of its expectations can be observed on a real server)" in done.out
    (found,) = json.loads((out / "report.json").read_text("utf-8"))["scenarios"]
    assert [text.rpartition(": ")[2] for text in found["unobserved"]] == told
    (suite,) = ET.parse(out / "junit.xml").getroot()
    assert (suite.get("skipped"), suite.get("failures")) == (suite.get("tests"), "0")


@pytest.mark.parametrize(
    "wanted",
    ["sent_at: {PKCSReq: [2026-03-02 08:00]}", "next_request: 2026-03-02 09:00",
     'next_request_within: {from: "2026-03-02 09:00:01", to: "2026-03-02 09:10:00"}'],
)  # fmt: skip
def test_a_date_that_has_passed_fails_no_real_server(mfp_sim, scenario, mock_url: str, wanted: str) -> None:
    timer = "  - auto_request: {start_in: 1h, key: {name: later, common_name: 192.0.2.10, challenge: canary-5c0d}}\n  - expect"
    text = scenario.read_text().replace("  - expect", timer)
    scenario.write_text(
        text.replace("{status: {state: successful}}", f"{{status: {{state: to-be-processed}}, {wanted}}}")
    )
    done = mfp_sim("run", scenario, "--ca", mock_url)
    assert done.code == 0, done.out
    assert f": {wanted.partition(':')[0]}" in done.out.partition("not observable on a real server")[2]
    assert "1 expectation could not be observed on the real server" in done.out


@pytest.mark.parametrize(
    "wanted",
    [
        "sent_at: {PKCSReq: [2026-03-02 08:00, 2026-03-02 08:00]}",
        "messages_at: [2026-03-02 08:00, 2026-03-02 08:00]",
        'next_request_within: {from: "2026-03-02 09:00:01", to: "2026-03-02 09:10:00"}',
    ],
)
def test_several_dates_that_have_passed_are_no_success(mfp_sim, scenario, mock_url: str, wanted: str) -> None:
    text = scenario.read_text()
    request = text[text.index("  - request") : text.index("  - expect")]
    timer = "  - auto_request: {start_in: 1h, key: {name: later, common_name: 192.0.2.10, challenge: canary-5c0d}}\n"
    text = text.replace(request, request + request.replace("name: k,", "name: k2,") + timer)
    scenario.write_text(text.replace("{status: {state: successful}}", f"{{{wanted}}}"))
    done = mfp_sim("run", scenario, "--ca", mock_url)
    assert done.code == 5, done.out
    assert "skip  enrols  (none of its expectations can be observed on a real server)" in done.out
    assert f": {wanted.partition(':')[0]}" in done.out.partition("not observable on a real server")[2]


@pytest.mark.parametrize(
    "wanted",
    ["messages_at: []", "sent_at: {PKCSReq: []}", "messages_at: [2199-03-02 08:00]", "next_request: 2199-03-02 09:00"],
)
def test_what_is_no_matter_of_the_date_fails_a_real_server(mfp_sim, scenario, mock_url: str, wanted: str) -> None:
    scenario.write_text(scenario.read_text().replace("{status: {state: successful}}", f"{{{wanted}}}"))
    done = mfp_sim("run", scenario, "--ca", mock_url)
    assert (done.code, f"  {wanted.partition(':')[0]}" in done.out) == (1, True), done.out


def test_a_refusal_is_an_expectation_that_can_be_observed(mfp_sim, scenario, mock_url: str) -> None:
    steps = "  - request: {name: '', common_name: 192.0.2.10}\n    refused: bad-key-name\n  - expect: {ledger: {minted: 0}}\n"
    scenario.write_text(scenario.read_text().partition("  - request")[0] + steps)
    done = mfp_sim("run", scenario, "--ca", mock_url)
    assert (done.code, "pass  enrols" in done.out) == (0, True), done.out


def test_every_report_names_what_could_not_be_observed(mfp_sim, scenario, mock_url: str, tmp_path: Path) -> None:
    wanted = "{status: {state: successful}, ledger: {minted: 99}}"
    scenario.write_text(scenario.read_text().replace("{status: {state: successful}}", wanted))
    out = tmp_path / "out"
    done = mfp_sim("run", scenario, "--ca", mock_url, "--report", out, "--quiet")
    assert done.code == 0
    assert "1 expectation could not be observed on the real server" in done.out
    for name in ("report.html", "summary.md", "junit.xml", "report.json"):
        assert f"{scenario}:10:51: ledger" in (out / name).read_text("utf-8"), name


def test_time_stands_still_in_process_only(mfp_sim, scenario, mock_url: str, monkeypatch) -> None:
    """A real server's time-outs are real: neither ``--ca`` nor a URL in the file may find a frozen clock."""
    entered: list[str] = []

    @contextlib.contextmanager
    def counted() -> Iterator[None]:
        entered.append("frozen")
        yield

    monkeypatch.setattr(execution, "one_freeze", counted)
    text = scenario.read_text()
    assert mfp_sim("run", scenario).code == 0
    assert entered == ["frozen"]
    assert mfp_sim("run", scenario, "--ca", mock_url).code == 0
    scenario.write_text(re.sub("ca: {.*}", f"ca: {{url: '{mock_url}'}}", text))
    assert mfp_sim("run", scenario).code == 0
    assert entered == ["frozen"]


@pytest.fixture
def mock_url() -> Iterator[str]:
    from mfp_sim.shared.simtime import SystemClock
    from mfp_sim.testing import Bench

    with ServerHost(Bench(challenge=None, clock=SystemClock(), seed=None).ca) as host:
        yield f"{host.url}/scep"


def test_reports_are_written_and_hold_no_secret(mfp_sim, scenario, failing, tmp_path: Path) -> None:
    out = tmp_path / "out"
    done = mfp_sim("run", scenario, failing, "--report", out)
    assert done.code == 1
    report = json.loads((out / "report.json").read_text())
    assert report["counts"] == {"passed": 1, "failed": 1, "error": 0, "skipped": 0}
    suites = ET.parse(out / "junit.xml").getroot()
    assert [(suite.get("name"), suite.get("failures")) for suite in suites] == [("enrols", "0"), ("fails", "1")]
    trace = [json.loads(line) for line in (out / "traces" / "enrols.jsonl").read_text().splitlines()]
    assert trace == report["scenarios"][0]["trace"]
    files = [path for path in out.rglob("*") if path.is_file()]
    assert len(files) >= 4
    for text in [done.out, done.err, *(path.read_text() for path in files)]:
        assert "canary-5c0d" not in text


CANARY = "canary-77e1"
SECRET_STEPS = (
    f"steps=[{{request: {{name: k, common_name: {CANARY}, challenge: {CANARY}}}}}, "
    f"{{expect: {{status: {{state: successful}}, audit: [never {CANARY}]}}}}]"
)


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize(
    "change",
    [f"ca.challenge.static={CANARY}", f"ca.challenge.static='{CANARY}'", f"ca={{challenge: {{static: {CANARY}}}}}",
     f"ca.challenge.per_subject={{CN=*: {CANARY}}}", 'ca.challenge.static="canary-\\u0037\\u0037e1"'],
)  # fmt: skip
def test_a_secret_of_the_command_line_is_in_no_output(
    mfp_sim, scenario, tmp_path: Path, change: str, jobs: int
) -> None:
    """It is in what a step does, in the subject of a certificate, in a failure, and in the commands to repeat it."""
    text = scenario.read_text().replace("printer: {", "printer: {dns: true, ")
    scenario.write_text(text.replace("ca: {challenge: {static: canary-5c0d}}", "ca: {challenge: {}}"))
    other = tmp_path / "other.scenario.yaml"
    other.write_text(scenario.read_text().replace("name: enrols", "name: other"))
    out = tmp_path / "out"
    words = ("--set", change, "--set", f"why=about {CANARY}", "--set", SECRET_STEPS)
    shown = ""
    for more in ((), ("--json",)):
        done = mfp_sim("run", scenario, other, *words, "--report", out, "--jobs", jobs, *more)
        assert done.code == 1
        shown += done.out + done.err
    whole = json.loads((out / "report.json").read_text("utf-8"))
    key = change.partition("=")[0]
    commands = [whole["provenance"]["command"], *(entry["command"] for entry in whole["scenarios"])]
    assert all(f"--set {key}=... " in command and "--set steps=..." in command for command in commands), commands
    assert [entry["minted"][0]["subject"] for entry in whole["scenarios"]] == ["CN=********"] * 2, "none was minted"
    assert "********" in whole["scenarios"][0]["steps"][0]["text"]
    for text in (shown, *(path.read_text("utf-8") for path in out.rglob("*") if path.is_file())):
        assert CANARY not in text
        assert CANARY.removeprefix("canary-") not in text
        assert "u0037" not in text


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("ca.challenge=771177", "{one_time: …} or {per_subject: …}, not the given value"),
        ("ca.challenge=s771177", "{one_time: …} or {per_subject: …}, not the given string"),
        ("ca.challenge=[771177]", "{per_subject: …}, not a list"),
        ("ca.challenge={static: 771177}", "static has to be a string, not the given value (put it in quotes)"),
        ("ca.challenge.static=771177", "static has to be a string, not the given value (put it in quotes)"),
        ("ca.challenge={per_subject: {CN=a: 771177}}", "CN=a has to be a string, not the given value"),
        ("ca.challenge={per_subject: s771177}", "per_subject has to be a map, not the given string"),
        ("ca.challenge={one_time: s771177}", "one_time has to be a map, not the given string"),
        ("ca.challenge={one_time: {lifetime: 5x}}", "30s, 10m, 2h or 31d, not '5x'"),
        ("ca.admin_page={user: admin, password: 771177}", "password has to be a string, not the given value"),
        ("ca.admin_page={user: 5, password: s771177}", "user has to be a string, not 5"),
        ("steps=[{request: {name: k, challenge: 771177}}]", "challenge has to be a string, not the given value"),
        ("steps=[{export_bundle: {name: k, password: 771177}}]", "password has to be a string, not the given value"),
        ("steps=[{ca_operator: {give_challenge: 771177}}]", "has to be a string, not the given value"),
    ],
)  # fmt: skip
def test_a_mistake_at_the_place_of_a_secret_does_not_show_it(mfp_sim, scenario, change: str, told: str) -> None:
    done = mfp_sim("run", scenario, "--set", change)
    assert (done.code, done.out) == (2, "")
    assert told in done.err
    assert "771177" not in done.err


def test_a_secret_that_is_a_mistake_is_not_in_the_report_either(mfp_sim, scenario, failing, tmp_path: Path) -> None:
    failing.write_text(failing.read_text().replace("static: canary-5c0d", "static: 771177"))
    done = mfp_sim("run", scenario, failing, "--report", tmp_path / "out")
    assert "static has to be a string, not the given value (put it in quotes)" in done.out
    for text in (done.out, *(path.read_text("utf-8") for path in (tmp_path / "out").rglob("*") if path.is_file())):
        assert "771177" not in text


@pytest.mark.parametrize(
    ("change", "shown"),
    [("ca.challenge=none", "ca.challenge=none"), ("ca.challenge.one_time.cache=5", "ca.challenge.one_time.cache=5"),
     ("printer.settings.key_limit=3", "printer.settings.key_limit=3"), ("ca.challenge=", "ca.challenge="),
     ("ca.profile=lenient", "ca.profile=lenient")],
)  # fmt: skip
def test_a_change_that_is_no_secret_is_shown(change: str, shown: str) -> None:
    assert shown_change(change, Redactor()) == shown


def test_json_is_all_there_is_on_standard_output(mfp_sim, scenario) -> None:
    done = mfp_sim("run", scenario, "--json")
    assert json.loads(done.out)["scenarios"][0]["outcome"] == "passed"
    assert "pass  enrols" in done.err


def test_a_report_directory_that_cannot_be_is_said(mfp_sim, scenario, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = mfp_sim("run", scenario, "--report", tmp_path / "file" / "out")
    assert done.code == 2
    assert "cannot write the reports into" in done.err


def test_repeated_in_any_order_and_in_processes_the_traces_are_the_same(mfp_sim) -> None:
    done = mfp_sim("run", "fail-info[[]*", "deferred-twice-then-issued", "--repeat", 2, "--shuffle", "--jobs", 2)
    assert done.code == 0
    assert "6 passed" in done.out


def test_a_trace_that_differs_is_a_failure() -> None:
    from dataclasses import replace

    from mfp_sim.cli.run import _compared
    from mfp_sim.scenario.collection import select
    from mfp_sim.scenario.reporting import report_of
    from mfp_sim.scenario.runner import run

    (scenario,) = select(["deferred-twice-then-issued"])
    first = report_of(run(scenario))
    other = replace(first, trace=(*first.trace[:3], {**first.trace[3], "kind": "planted"}, *first.trace[4:]))
    assert _compared(first, first).outcome == "passed"
    compared = _compared(first, other)
    assert compared.outcome == "failed"
    assert (compared.failures[0].path, "planted" in compared.failures[0].got) == ("trace[3]", True)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (["--challenge-file", "nowhere"], "cannot read the challenge file nowhere"),
        (["--challenge-env", "MFP_SIM_NOT_SET"], "the environment variable MFP_SIM_NOT_SET is not set"),
    ],
)
def test_a_challenge_that_cannot_be_had(mfp_sim, words: list[str], text: str) -> None:
    done = mfp_sim("run", "--ca", "http://127.0.0.1:1/", *words)
    assert done.code == 2
    assert text in done.err


def _planted(*_: object, **__: object) -> None:
    raise RuntimeError("planted")


def test_a_mistake_of_ours_is_4_in_one_line(mfp_sim, monkeypatch, scenario) -> None:
    monkeypatch.setattr("mfp_sim.cli.run.RunReport", _planted)
    done = mfp_sim("run", scenario)
    assert done.code == 4
    assert "internal error: RuntimeError: planted" in done.err


# --- one scenario's trouble ---------------------------------------------------------------------------------

_GOOD = "format: 1\nname: NAME\nwhy: Good.\nclock: 2026-03-02T08:00:00+01:00\nsteps:\n  - expect: {powered: true}\n"
_SETTLED = "printer: {communication: {url: http://ca.example/scep}}\nsteps:\n"
_TROUBLED = {
    "no-such-bundle": (
        _SETTLED + "  - import_bundle: {name: settings, password: canary-77b1}\n",
        "7:27  file",
        "no step before this exports 'settings'",
    ),
    "set-up-refused": (
        "printer: {communication: {url: https://ca.example/scep}}\nsteps:\n",
        "5:32  file",
        "the printer does not support HTTPS here (use http://)",
    ),
    "over-many-events": (
        "bounds: {events: 1}\n" + _SETTLED + "  - auto_request: {start: 2026-03-02 09:00, every: 1d,"
        " key: {name: k, common_name: 192.0.2.10}}\n  - advance: 3d\n",
        "9:5  bounds",
        "more than 1 events ran; the next is 'request' (raise bounds.events, or look for an endless loop)",
    ),
    "over-its-bound": (
        "bounds: {virtual: 1h}\nsteps:\n  - advance: 2h\n",
        "7:5  bounds",
        "the scenario exceeds its bound of 0.0416667 days (raise bounds.virtual)",
    ),
    "unreadable": ("stps: []\nsteps:\n", "5:1  file", "unknown key 'stps' in a scenario (did you mean 'steps'?)"),
}


def _write(directory: Path, name: str, middle: str) -> Path:
    file = directory / f"{name}.scenario.yaml"
    text = _GOOD.replace("NAME", name)
    file.write_text(text if not middle else text.replace("steps:\n", middle))
    return file


@pytest.mark.parametrize("jobs", [1, 2])
def test_each_trouble_is_its_scenarios_own_and_the_others_run(mfp_sim, tmp_path: Path, jobs: int) -> None:
    files = [_write(tmp_path, "a-good", "")]
    files += [_write(tmp_path, name, middle) for name, (middle, _, _) in _TROUBLED.items()]
    files += [_write(tmp_path, "z-good", "")]
    out = tmp_path / "out"
    done = mfp_sim("run", *files, "--jobs", jobs, "--report", out)
    assert done.code == 1
    assert f"2 passed, 0 failed, {len(_TROUBLED)} errors" in done.out
    for name, (_, place, cause) in _TROUBLED.items():
        assert f"{tmp_path / name}.scenario.yaml:{place}\n" in done.out
        assert f"got       {cause}\n" in done.out
    report = json.loads((out / "report.json").read_text())
    start = f"{tmp_path}/"
    names = {
        entry["name"]: entry["name"].removeprefix(start).removesuffix(".scenario.yaml") for entry in report["scenarios"]
    }
    assert {name for name in names if "." in name} == {str(file) for file in files if str(file) in names} != set()
    outcomes = {names[entry["name"]]: entry["outcome"] for entry in report["scenarios"]}
    assert outcomes == dict.fromkeys(_TROUBLED, "error") | {"a-good": "passed", "z-good": "passed"}
    suites = {suite.get("name"): suite for suite in ET.parse(out / "junit.xml").getroot()}
    assert sum(int(suite.get("errors") or 0) for suite in suites.values()) == len(_TROUBLED)
    assert not any(int(suite.get("failures") or 0) for suite in suites.values())
    assert suites["over-its-bound"].find("testcase/error") is not None
    assert {path.name for path in out.iterdir()} == {"junit.xml", "report.html", "report.json", "summary.md", "traces"}
    for path in out.rglob("*.*"):
        assert "canary-77b1" not in path.read_text()


def test_mistakes_in_all_files_are_2_as_before(mfp_sim, tmp_path: Path) -> None:
    done = mfp_sim("run", _write(tmp_path, "unreadable", _TROUBLED["unreadable"][0]))
    assert done.code == 2
    assert "unreadable.scenario.yaml:5:1: unknown key 'stps'" in done.err


def test_a_name_in_two_files_is_a_mistake_of_the_second(mfp_sim, tmp_path: Path) -> None:
    first = _write(tmp_path, "same", "")
    second = tmp_path / "second.scenario.yaml"
    second.write_text(first.read_text())
    done = mfp_sim("run", first, second)
    assert done.code == 1
    assert f"got       the name 'same' is used in {first} too" in done.out
    assert "1 passed, 0 failed, 1 error " in done.out


def test_what_nobody_foresaw_in_a_step_is_an_error_with_its_place(mfp_sim, monkeypatch, scenario) -> None:
    monkeypatch.setattr("mfp_sim.scenario.runner.check", _planted)
    done = mfp_sim("run", scenario, "deferred-twice-then-issued")
    assert done.code == 1
    assert f"ERR   enrols\n      {scenario}:10:5  expect\n" in done.out
    assert "internal error: RuntimeError: planted (test_run.py, line" in done.out
    assert "0 passed, 0 failed, 2 errors" in done.out


def test_what_nobody_foresaw_after_a_run_is_that_scenarios_error(mfp_sim, monkeypatch, scenario) -> None:
    monkeypatch.setattr("mfp_sim.cli.execution.report_of", _planted)
    done = mfp_sim("run", scenario)
    assert done.code == 1
    assert "got       internal error: RuntimeError: planted" in done.out


def test_the_whole_traceback_is_to_be_had(mfp_sim, monkeypatch, scenario) -> None:
    monkeypatch.setattr("mfp_sim.scenario.runner.check", _planted)
    monkeypatch.setenv("MFP_SIM_DEBUG", "1")
    with pytest.raises(RuntimeError, match="planted"):
        mfp_sim("run", scenario)


def test_a_process_that_dies_is_an_error_of_the_scenario_that_it_ran(tmp_path: Path) -> None:
    """A worker is a process of its own, so what kills it has to come from outside of it: a file that it reads."""
    killing = (
        "import os, mfp_sim.scenario.steps as steps\n"
        "def act(self, world, role): os._exit(9) if world.setting.name == 'kills' else None\n"
        "steps.Advance.act = act\n"
    )
    (tmp_path / "sitecustomize.py").write_text(killing)
    files = [_write(tmp_path, f"good-{n}", "") for n in range(3)]
    files.insert(1, _write(tmp_path, "kills", "steps:\n  - advance: 1h\n"))
    command = [sys.executable, "-m", "mfp_sim", "run", *map(str, files), "--jobs", "2"]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "PYTHONPATH": str(tmp_path)}, check=False
    )
    assert done.returncode == 1, done.stderr
    assert "3 passed, 0 failed, 1 error " in done.stdout
    assert "ERR   kills\n" in done.stdout
    assert "the worker process ended abruptly" in done.stdout


# --- output that cannot be written --------------------------------------------------------------------------


def _head(words: list[str], tmp_path: Path) -> tuple[str, int]:
    """The first line of a command's output, whose reader then goes away, and its exit code."""
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "mfp_sim", *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as command:
        assert command.stdout is not None
        assert command.stderr is not None
        line = command.stdout.readline()
        command.stdout.close()
        told = command.stderr.read()
        assert told == ""
        return line, command.wait()


def test_a_reader_that_goes_away_changes_neither_verdict_nor_reports(failing, scenario, tmp_path: Path) -> None:
    out = tmp_path / "out"
    line, code = _head(["run", str(scenario), str(failing), "--report", str(out)], tmp_path)
    assert (line, code) == ("pass  enrols\n", 1)
    assert json.loads((out / "report.json").read_text())["counts"]["failed"] == 1
    assert (out / "junit.xml").exists()
    assert _head(["run", str(scenario)], tmp_path)[1] == 0
    assert _head(["conform", "--list"], tmp_path)[1] == 0


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["run", "FAILING"], 1),
        (["run", "GOOD"], 0),
        (["run", "GOOD", "--json"], 4),
        (["check", "GOOD"], 0),
        (["check", "GOOD", "--json"], 4),
        (["list"], 4),
        (["conform", "--list"], 4),
        (["examine", "--list"], 4),
        (["explore", "--list"], 4),
        (["schema"], 4),
        (["proxy", "--list-faults"], 4),
        (["new", "first", "--directory", "NEW"], 0),
        (["show", "GOOD"], 4),
        (["explain", "A-26"], 4),
        (["profiles"], 4),
        (["--help"], 4),
        (["run", "--help"], 4),
        (["--version"], 4),
    ],
)
@pytest.mark.parametrize("to", [">/dev/full", ">&-"])
def test_output_that_is_lost_is_said_and_changes_no_verdict(words, code: int, to: str, failing, scenario) -> None:
    """The disk is full, or there is no standard output."""
    files = {"FAILING": str(failing), "GOOD": str(scenario), "NEW": str(scenario.parent / "new")}
    command = shlex.join([sys.executable, "-m", "mfp_sim", *(files.get(word, word) for word in words)])
    done = subprocess.run(["sh", "-c", f"{command} {to}"], stderr=subprocess.PIPE, text=True, check=False)
    why = "it is closed" if to == ">&-" else "No space left on device"
    assert done.returncode == code
    assert f"mfp-sim: cannot write all of standard output: {why}\n" in done.stderr


def test_a_challenge_that_is_a_word_of_reports_is_warned_of(mfp_sim, scenario) -> None:
    for challenge, warned in (("scep", True), ("x7-q9Lm2", False)):
        done = mfp_sim("run", scenario, "--ca", "http://127.0.0.1:9/scep", "--challenge", challenge)
        assert done.code == 3
        assert ("mfp-sim: warning: a password is also a word of reports" in done.err) is warned


def test_a_closed_standard_output_changes_no_verdict(failing) -> None:
    command = f'"{sys.executable}" -m mfp_sim run "{failing}" >&- 2>&-'
    assert subprocess.run(["sh", "-c", command], check=False).returncode == 1


def test_a_state_directory_keeps_the_printer_and_must_be_a_new_one(mfp_sim, tmp_path: Path) -> None:
    state = tmp_path / "state"
    assert mfp_sim("run", "manual-request", "--state-dir", state).code == 0
    (file,) = state.rglob("printer.json")
    assert file == state / "manual-request" / "printer-1" / "printer.json"
    assert file.stat().st_mode & 0o777 == 0o600
    before = file.read_bytes()
    again = mfp_sim("run", "manual-request", "--state-dir", state)
    assert again.code == 1
    assert "has the state of an earlier run" in again.out
    assert "choose another --state-dir" in again.out
    file.write_bytes(before[:-10])
    damaged = mfp_sim("run", "manual-request", "--state-dir", state)
    assert damaged.code == 1
    assert "is damaged: it was cut off" in damaged.out
    assert file.read_bytes() == before[:-10]
    both = mfp_sim("run", "manual-request", "--state-dir", tmp_path / "b", "--repeat", "2")
    assert both.code == 2
    assert "--repeat starts with new printers each time" in both.err


def test_a_state_directory_of_another_process_is_left_alone(mfp_sim, tmp_path: Path) -> None:
    from mfp_sim.device.storage import DirectoryStorage

    directory = tmp_path / "manual-request" / "printer-1"
    taken = DirectoryStorage(directory)
    done = mfp_sim("run", "manual-request", "--state-dir", tmp_path)
    assert done.code == 1
    assert f"{directory} is in use: another process keeps a printer there" in done.out
    assert "stop the other mfp-sim first, or choose another --state-dir" in done.out
    assert taken.load() is None
    taken.close()
    assert mfp_sim("run", "manual-request", "--state-dir", tmp_path).code == 0
    assert DirectoryStorage(directory).load() is not None


@pytest.fixture
def attentive() -> Iterator[None]:
    """What a shell starts in the background ignores Ctrl-C, and so does whatever that starts; unless this is done."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.usefixtures("attentive")
def test_an_interrupted_run_is_130_in_one_line_and_leaves_no_worker(jobs: int, number: signal.Signals) -> None:
    """The terminal sends Ctrl-C to every process of the group; none of them may answer with a traceback. Other signals
    reach the command alone. Its pipes are closed only when no worker has them open any more."""
    command = [sys.executable, "-u", "-m", "mfp_sim", "run", "--jobs", str(jobs), "--repeat", "50"]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as run:
        assert run.stdout is not None
        assert run.stdout.readline().startswith("pass ")
        (os.killpg if number is signal.SIGINT else os.kill)(run.pid, number)
        try:
            _, err = run.communicate(timeout=60)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(run.pid, signal.SIGKILL)
    assert run.returncode == 130
    assert err == "mfp-sim: interrupted\n"


@pytest.mark.parametrize(
    ("secret", "shown"),
    [("s", "CertRep SUCCESS"), ("e", "C********rtR********p SUCCESS"), ("essageT", "CertRep SUCCESS")],
)
def test_a_challenge_that_stands_in_the_names_of_a_trace_hides_no_name(
    mfp_sim, tmp_path: Path, secret: str, shown: str
) -> None:
    file = tmp_path / "short.scenario.yaml"
    file.write_text(
        "format: 1\nname: short-challenge\nwhy: A challenge of few letters.\nclock: 2026-03-02T08:00:00+01:00\n"
        "printer: {communication: {url: http://ca.example/scep}}\n"
        f"ca: {{challenge: {{static: {secret}}}}}\n"
        f"steps:\n  - request: {{name: k, common_name: 192.0.2.10, challenge: {secret}}}\n"
        "  - expect: {powered: false}\n"
    )
    done = mfp_sim("run", file)
    assert done.code == 1, done.err
    assert "0 passed, 1 failed" in done.out
    assert f"printer <- CA   {shown}" in done.out


def test_the_last_line_says_what_happened_and_what_to_do_next(mfp_sim, scenario, failing, tmp_path: Path) -> None:
    def last(*words: object) -> str:
        return mfp_sim("run", *words).out.splitlines()[-1]

    assert last(scenario) == "The scenario passed. Next: --report DIR writes what happened as a page"
    page = tmp_path / "out"
    assert last(scenario, "--report", page) == f"The scenario passed. Next: open {page / 'report.html'}"
    told = last(scenario, failing)
    assert told.startswith("1 of 2 scenarios failed: fails, ")
    assert told.endswith(f". Next: mfp-sim show {failing} shows it step by step")
    assert "Next:" not in last(failing, "--quiet")
    done = mfp_sim("run", scenario, "--json")
    assert "Next:" not in done.out + done.err


def test_files_may_stand_on_both_sides_of_an_option(mfp_sim, scenario, failing, tmp_path: Path) -> None:
    for words in ((scenario, "--report", tmp_path, failing, "-q"), ("--report", tmp_path, failing, "-q", scenario)):
        assert "1 passed, 1 failed" in mfp_sim("run", *words).out


_DIFF = " to compare later runs with (mfp-sim diff)"


@pytest.mark.parametrize(
    ("code", "findings", "baseline", "words"),
    [
        (0, (), None, f"1 passed, and nothing to mend was found. Next: keep a report (--report DIR){_DIFF}"),
        (0, ("warn",), None, "The server did not fail, with 1 finding. Next: look at the first one, 'It is wrong'"),
        (0, ("warn", "finding"), None, "The server did not fail, with 2 findings. Next: look at the first one, 'It is wrong'"),
        (1, ("fail",), None, "The server failed. Next: mend the first finding, 'It is wrong', and run this again"),
        (6, ("fail",), None, "The server failed. Next: mend the first finding, 'It is wrong', and run this again"),
        (1, ("warn",), None, ""),  # --strict, or a run that stopped: the lines above say why
        (3, ("fail",), None, "No verdict: not even a right request succeeded. Next: check the challenge password (--challenge-file FILE), and the server's settings and log"),
        (0, ("fail",), Baseline("b.yaml"), "As the baseline expects"),
        (1, ("fail",), Baseline("b.yaml", ("x",)),
         "Not as the baseline expects. Next: mend it, or change the lines of the baseline that are named above"),
        (4, ("fail",), None, ""),
    ],
)  # fmt: skip
def test_the_last_line_about_a_server_is_never_better_than_the_exit_code(code, findings, baseline, words) -> None:
    causes = tuple(
        report_samples.cause(f"c-{n}", "interoperability", verdict, "a-check") for n, verdict in enumerate(findings)
    )
    checks = (report_samples.check(verdict="pass"),)
    report = RunReport(
        (), "http://ca.example/scep", provenance=Provenance(baseline=baseline), findings=causes, checks=checks
    )
    assert of_checks(report, code, "server", None) == words
    nothing = replace(report, checks=(), findings=())
    assert "nothing to mend" not in of_checks(nothing, code, "server", None)
    quick = replace(report, provenance=Provenance(options={"choice": "quick"}), findings=())
    assert (
        of_checks(quick, 0, "server", None) == "1 passed, and nothing to mend was found. Next: run it without --quick"
    )
    whole = replace(report, provenance=Provenance(), findings=())
    assert of_checks(whole, 0, "server", Path("out")).endswith(
        "Next: keep out/report.json to compare later runs with (mfp-sim diff)"
    )
