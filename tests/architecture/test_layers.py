"""Top may import lower, never the reverse; the mock decides by itself; the protocol core does no I/O."""

import ast
import re
import subprocess
import sys
import sysconfig
import tomllib
from pathlib import Path

INPUT_AND_OUTPUT = {
    "asyncio", "concurrent", "flask", "freezegun", "io", "multiprocessing", "os", "pathlib", "random",
    "secrets", "select", "selectors", "shutil", "socket", "socketserver", "ssl", "subprocess", "tempfile",
    "threading", "time", "uuid", "werkzeug",
}  # fmt: skip


def test_the_import_contracts_are_kept(root: Path) -> None:
    program = Path(sysconfig.get_path("scripts")) / "lint-imports"
    run = subprocess.run(
        [sys.executable, str(program), "--no-cache"], cwd=root, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert "0 broken" in run.stdout


def test_every_module_has_a_layer(root: Path) -> None:
    contracts = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]
    layers = {name.strip() for row in contracts[0]["layers"] for name in row.split("|")}
    data = {"mfp_sim.shared.keypool"}  # lines of text that simtime reads as package data
    there = {
        f"mfp_sim.{entry.stem}"
        for entry in (root / "mfp_sim").iterdir()
        if (entry.suffix == ".py" and entry.stem not in {"__init__", "__main__"}) or (entry / "__init__.py").is_file()
    }
    assert there - layers - data == set()


def test_the_mock_uses_the_shared_protocol_and_nothing_else(modules) -> None:
    foreign = [
        f"{module.path}:{line}: {name}"
        for module in modules
        if module.name.startswith("mock_scep_server")
        for name, line in module.imports()
        if name.startswith("mfp_sim.") and name != "mfp_sim.__version__" and not name.startswith("mfp_sim.shared.")
    ]
    assert foreign == []


def test_the_protocol_core_does_no_io(modules) -> None:
    core = [module for module in modules if module.name.startswith(("mfp_sim.shared.scep", "mfp_sim.client"))]
    assert {"mfp_sim.client.exchange", "mfp_sim.shared.scep.messages", "mfp_sim.shared.scep.der"} <= {
        module.name for module in core
    }
    found = [
        f"{module.path}:{line}: {name}"
        for module in core
        for name, line in module.imports()
        if name.split(".")[0] in INPUT_AND_OUTPUT or name.startswith("http.client")
    ]
    assert found == []


def test_modules_say_what_they_are(modules) -> None:
    silent = [module.path for module in modules if ast.get_docstring(module.tree) is None]
    technique = [
        module.path
        for module in modules
        if module.path.rsplit("/", 1)[-1].removesuffix(".py") in {"utils", "util", "helpers", "helper", "manager"}
    ]
    assert silent == []
    assert technique == []


def test_the_document_layer_stays_small(root: Path) -> None:
    """What it cannot say in so many lines is said by a kind beside the document that needs it."""
    files = [root / "mfp_sim" / "shared" / "documents" / name for name in ("kinds.py", "records.py")]
    lines = [line for file in files for line in file.read_text("utf-8").splitlines() if line.strip()]
    assert len(lines) <= 450


def test_reading_nodes_imports_no_descriptions() -> None:
    script = "import sys, mfp_sim.shared.documents; print(sorted(n for n in sys.modules if n.startswith('mfp_sim.shared.documents.')))"
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "['mfp_sim.shared.documents.nodes']\n"


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\n"
        "from mfp_sim.cli.main import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "print('HEAVY', sorted({'cryptography', 'flask', 'pydantic', 'freezegun'} & set(sys.modules)))\n"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout.splitlines()[-1] == "HEAVY []"
    assert "usage" in run.stdout.lower()


def test_what_is_imported_is_declared(root: Path, modules) -> None:
    """Flask brings werkzeug and markupsafe today; what we use ourselves we name ourselves."""
    project = tomllib.loads((root / "pyproject.toml").read_text("utf-8"))["project"]
    names = {re.split(r"[<>=!~\[ ]", text)[0].lower() for text in project["dependencies"]}
    extra = {
        re.split(r"[<>=]", text)[0] for text in project["optional-dependencies"]["pcap"]
    }  # late, and said to be lacking
    # PyYAML is imported as yaml; the pytest plugin is loaded by pytest, which is there then, one file by Locust, and
    # one by people who have Testcontainers.
    known = names | extra | {"yaml", "pytest", "mfp_sim", "mock_scep_server"}
    late = {
        "mfp_sim/load/locustfile.py": {"locust", "gevent"},
        "mfp_sim/testing/container.py": {"testcontainers"},
        "mfp_sim/cli/watching.py": {"watchfiles"},
    }
    foreign = {
        f"{module.path}: {name}"
        for module in modules
        for name, _ in module.imports()
        if name.partition(".")[0] not in late.get(module.path, ())
        and (top := name.partition(".")[0].lower()) not in known
        and top not in sys.stdlib_module_names
    }
    assert foreign == set()
    used = {name.partition(".")[0].lower() for module in modules for name, _ in module.imports()}
    assert names - {"tzdata", "pyyaml"} <= used, "declared, and not used"
