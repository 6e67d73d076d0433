"""What the documentation shows is true: links lead somewhere, files load, commands run, tables are those of the code."""

from __future__ import annotations

import itertools
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from urllib.parse import unquote

import pytest

from mfp_sim.cli.options import build_parser
from mfp_sim.scenario.expectations import EXPECTATIONS, read_expectation
from mfp_sim.scenario.loader import WrittenPrinter, WrittenScenario, read_text
from mfp_sim.scenario.runner import run
from mfp_sim.scenario.steps import STEPS, read_step
from mfp_sim.shared.documents import Problems, load_text
from mfp_sim.shared.documents.records import record_of
from mfp_sim.shared.http_octets import reply_of
from mfp_sim.shared.scep.http_messages import HttpRequest
from mfp_sim.testing import Bench
from mock_scep_server.cli import _parser as mock_parser
from mock_scep_server.control import ControlService
from mock_scep_server.script_file import load_script_file
from mock_scep_server.server import ServerHost
from mock_scep_server.setup import CA_KEYS

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("scenarios/**/*.md")])
PLUGIN = [] if any(e.name == "mfp_sim" for e in entry_points(group="pytest11")) else ["-p", "mfp_sim.pytest_plugin"]
PROGRAMS = {
    "mfp-sim": [sys.executable, "-m", "mfp_sim"],
    "mock-scep-server": [sys.executable, "-m", "mock_scep_server.cli"],
    "pytest": [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *PLUGIN],
}


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the comment on the line before it."""

    language: str
    text: str
    comment: str
    line: int


def blocks(page: str) -> list[Block]:
    text = (ROOT / page).read_text("utf-8")
    found = re.finditer(r"(?:^<!-- ([^\n]*) -->\n)?^```([a-z]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)
    return [Block(m[2], m[3], m[1] or "", text[: m.start()].count("\n") + 1) for m in found]


def before(page: str, block: Block) -> str:
    """The paragraph before a block."""
    return "\n".join((ROOT / page).read_text("utf-8").splitlines()[: block.line - 1]).rstrip().rpartition("\n\n")[2]


def names(page: Path) -> str:
    return str(page.relative_to(ROOT))


# --- links ------------------------------------------------------------------------------------------------


def without_code(text: str) -> str:
    text = re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"`[^`\n]*`", "", text)


def anchors(page: Path) -> set[str]:
    """The anchors of a page as GitHub makes them from headings, and those that are written."""
    text = page.read_text("utf-8")
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
    return slugs | set(re.findall(r'<a id="([^"]+)"', text))


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_relative_links_lead_somewhere(page: Path) -> None:
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", without_code(page.read_text("utf-8"))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = unquote(target).partition("#")
        there = (page.parent / path).resolve() if path else page
        if not there.exists() or not there.is_relative_to(ROOT) or (anchor and anchor not in anchors(there)):
            broken.append(target)
    assert broken == []


# --- generated parts --------------------------------------------------------------------------------------


def test_generated_parts_are_up_to_date() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tools.generate", "--check"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.stdout + done.stderr == ""
    assert done.returncode == 0


@pytest.mark.parametrize("name", STEPS)
def test_the_example_of_a_step_is_read(name: str) -> None:
    problems = Problems()
    text = STEPS[name].example_of(name)
    argument = load_text(text if ":" in text else f"{text}:").get(name)
    assert argument is not None
    assert read_step(name, argument, problems) is not None, problems.found
    assert problems.found == []


@pytest.mark.parametrize("name", EXPECTATIONS)
def test_the_example_of_an_expectation_is_read(name: str) -> None:
    problems = Problems()
    assert read_expectation(load_text(f"{name}: {EXPECTATIONS[name].example}"), problems) is not None
    assert problems.found == []


def test_every_key_of_the_sections_is_in_the_reference() -> None:
    text = (ROOT / "docs" / "reference" / "scenarios.md").read_text("utf-8")
    assert [
        key
        for key in (*record_of(WrittenScenario).keys, *record_of(WrittenPrinter).keys, *CA_KEYS)
        if f"\n| `{key}` |" not in text
    ] == []


# --- YAML -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page", ["README.md", "docs/how-to/field_failure.md", "docs/reference/scenarios.md"])
def test_the_scenarios_on_a_page_run(page: str) -> None:
    found = [block for block in blocks(page) if block.language == "yaml"]
    assert found
    for block in found:
        for scenario in read_text(block.text, page):
            assert run(scenario).failures == (), scenario.name


def test_the_profiles_on_the_page_of_what_can_be_added_are_read(tmp_path: Path) -> None:
    printer, ca = (block for block in blocks("docs/how-to/extend.md") if block.language == "yaml")
    for program, block, name in (("mfp-sim", printer, "the-one-in-the-hall"), ("mock-scep-server", ca, "our-ca")):
        (tmp_path / "profile.yaml").write_text(block.text, "utf-8")
        words = [*PROGRAMS[program], "profiles", "profile.yaml"]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
        assert (done.returncode, done.stdout.split(":")[0].split()[0]) == (0, name), done.stderr


def test_the_scripts_on_the_page_of_the_mock_load(tmp_path: Path) -> None:
    found = [block for block in blocks("docs/reference/mock.md") if block.language == "yaml"]
    assert len(found) >= 3
    for number, block in enumerate(found):
        file = tmp_path / f"{number}.yaml"
        file.write_text(block.text, "utf-8")
        assert load_script_file(file)


def test_every_fault_is_on_its_page_with_an_example_that_loads(tmp_path: Path) -> None:
    from mock_scep_server.faults import FAULTS

    text = (ROOT / "docs" / "reference" / "faults.md").read_text("utf-8")
    for entry in FAULTS.values():
        assert f"`{entry.example}`" in text
        if not entry.in_scripts:
            continue
        file = tmp_path / "rule.yaml"
        file.write_text(f"- faults: [{entry.example}]\n", "utf-8")
        (rule,) = load_script_file(file)
        assert [chosen.slug for chosen in rule.faults] == [entry.slug]


# --- commands ---------------------------------------------------------------------------------------------


def commands(block: Block) -> list[tuple[list[str], list[str]]]:
    """Each command of a console block, split into words, and the output shown for it."""
    found: list[tuple[list[str], list[str]]] = []
    for line in block.text.splitlines():
        if line.startswith("$ "):
            found.append((shlex.split(line[2:], comments=True), []))
        elif line.strip():
            found[-1][1].append(line)
    return found


def command_lines(page: Path) -> Iterator[list[str]]:
    """The words of each command of this project in the console blocks of a page."""
    for block in blocks(names(page)):
        for line in block.text.replace("\\\n", " ").splitlines() if block.language == "console" else ():
            words = shlex.split(line.removeprefix("$ "), comments=True) if "mfp-sim " in line or "scep-" in line else []
            if words and words[0].removeprefix(".venv/bin/") in PARSERS:
                yield [words[0].removeprefix(".venv/bin/"), *words[1:]]


PARSERS = {"mfp-sim": build_parser, "mock-scep-server": mock_parser}


@pytest.mark.parametrize("page", PAGES, ids=names)
def test_the_commands_on_a_page_are_read(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for program, *words in command_lines(page):
        try:
            PARSERS[program]().parse_args(
                list(itertools.takewhile(lambda word: word not in ("|", "&&", ">", "&"), words))
            )
        except SystemExit:
            pytest.fail(f"{program} {shlex.join(words)}\n{capsys.readouterr().err}")


def test_pages_show_commands() -> None:
    assert sum(1 for page in PAGES for _ in command_lines(page)) >= 100


def comparable(text: str) -> list[str]:
    """Lines without what differs from run to run: instants, durations, and the width of pytest's rulers."""
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?!')", "", text)
    text = re.sub(r"in \d+\.\d+ ?s", "", text)
    return [stripped for line in text.splitlines() if (stripped := line.strip("= ").strip())]


def missing(shown: list[str], output: str) -> list[str]:
    """The shown lines that do not come in this order; without ``...`` between them they have to follow at once."""
    lines, position, gap = comparable(output), 0, False
    for wanted in comparable("\n".join(shown)):
        if wanted == "...":
            gap = True
            continue
        while gap and position < len(lines) and lines[position] != wanted:
            position += 1
        if position >= len(lines) or lines[position] != wanted:
            return [wanted]
        position, gap = position + 1, False
    return [] if gap or position == len(lines) else [f"(not shown) {line}" for line in lines[position:]]


def test_the_comparison_of_shown_and_real_output() -> None:
    assert missing(["a", "...", "c"], "a\nb\nc\n") == []
    assert missing(["a", "c"], "a\nb\nc\n") == ["c"]
    assert missing(["a"], "a\nb\n") == ["(not shown) b"]
    assert missing(["...", "x"], "a\nb\n") == ["x"]
    assert missing(["1 passed in 0.5s"], "=== 1 passed in 0.02s ===") == []


WALKED = {
    "tutorials/first_scenario": 9, "tutorials/first_server_report": 4, "tutorials/first_client_test": 3,
    "how-to/fleet": 1, "how-to/field_failure": 2,
}  # fmt: skip
"""Each page that is typed from top to bottom, and how many commands of it are run at least. Of a tutorial, all are."""
RUN = re.compile(r"run(?:, exit code (?P<code>\d+))?")
"""The comment over a block that is run, and its exit code if that is not 0."""
INSTALL = "python3 -m venv scep && . scep/bin/activate\npip install ~/mfp-sim\n"
INSTALL_PYTEST = "pip install pytest\n"
"""What the tutorials install: the test runs in an environment that has both."""


@contextmanager
def mock_beside(line: str) -> Iterator[str]:
    """The mock as a tutorial starts it, on a port of its own, which it gives."""
    program, *words = shlex.split(line)
    mock_parser().parse_args(words)
    words[words.index("--port") + 1] = "0"
    with subprocess.Popen([*PROGRAMS[program], *words], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            found = re.search(r"http://127\.0\.0\.1:(\d+)/", process.stdout.readline())
            assert found is not None
            yield found[1]
        finally:
            process.terminate()


@pytest.mark.parametrize("name", WALKED)
def test_a_page_from_top_to_bottom(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.delenv("PYTEST_ADDOPTS", raising=False)
    monkeypatch.delenv("PYTEST_PLUGINS", raising=False)
    page, tutorial = f"docs/{name}.md", name.startswith("tutorials/")
    ran, port = 0, "8080"
    with ExitStack() as beside:
        for block in blocks(page):
            place = f"{page}:{block.line}"
            if block.comment.startswith("file: "):
                file = block.comment.removeprefix("file: ")
                assert f"`{file}`" in before(page, block), f"{place}: a reader cannot see the name of this file"
                (tmp_path / file).write_text(block.text, "utf-8")
                continue
            if block.comment == "run until the next one":
                beside.close()
                port = beside.enter_context(mock_beside(block.text))
                continue
            if block.comment == "install":
                assert block.text in (INSTALL, INSTALL_PYTEST), place
                continue
            how = RUN.fullmatch(block.comment)
            if how is None and not tutorial:
                continue
            assert how is not None, place
            for words, shown in commands(block):
                done = subprocess.run(
                    [*PROGRAMS[words[0]], *(word.replace(":8080/", f":{port}/") for word in words[1:])],
                    cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=120,
                )  # fmt: skip
                assert missing(shown, done.stdout) == [], f"{place}\n{done.stdout}"
                assert done.returncode == int(how["code"] or 0), f"{place}\n{done.stdout}"
                ran += 1
    assert ran >= WALKED[name]
    assert not tutorial or {path.name for path in (tmp_path / "out").iterdir()} >= {"junit.xml", "report.json"}


def test_the_examples_of_the_control_port(tmp_path: Path) -> None:
    """Each line of ``sh``, by curl: those that have a token at a port that wants one."""
    (block,) = [block for block in blocks("docs/reference/mock.md") if block.comment == "run with the control port"]
    (tmp_path / "rules.yaml").write_text("- then: pending\n", "utf-8")
    bench = Bench()
    with ServerHost(ControlService(bench.ca)) as bare, ServerHost(ControlService(bench.ca, token="t0ken")) as locked:
        for line in block.text.splitlines():
            host = locked if "$TOKEN" in line else bare
            assert "http://127.0.0.1:8081/" in line
            done = subprocess.run(
                ["sh", "-c", line.replace("http://127.0.0.1:8081", host.url)], cwd=tmp_path, capture_output=True,
                text=True, env={**os.environ, "TOKEN": "t0ken"}, timeout=60, check=True,
            )  # fmt: skip
            assert "error" not in json.loads(done.stdout), line
    assert len(bench.ca.script.rules) == 1


def test_the_mistakes_that_the_page_shows_are_those_that_come() -> None:
    (block,) = [block for block in blocks("docs/reference/mock.md") if '"problems"' in block.text]
    headers = (("Host", "localhost"), ("Content-Type", "application/yaml"))
    request = HttpRequest("PUT", "/script", headers, b"- when: {tpye: PKCSReq}\n  then: pending\n")
    reply = reply_of(ControlService(Bench().ca).handle(request, "127.0.0.1").octets)
    assert json.loads(reply.body) == json.loads(block.text)


def test_ci_installs_what_the_readme_says() -> None:
    """What CI leaves out nobody tries: a package that people have and CI has not made three peer tests fail for them."""
    readme, ci = (ROOT / "README.md").read_text("utf-8"), (ROOT / ".ci" / "run").read_text("utf-8")
    told = re.search(r"apt-get install ((?:[a-z0-9+.-]+|\\|\s)+?)\n\.venv", readme)
    packages = re.search(r"packages=\(([^)]*)\)", ci)
    assert told is not None
    assert packages is not None
    named = set(told[1].replace("\\", " ").split())
    assert len(named) >= 8
    assert set(packages[1].split()) - {"python3-venv"} == named
    assert "python3-venv" in readme
