"""Measures the enrolments per second of SCEP servers: throughput.py OUT [--certificates N] [--publish]

Starts each server with a new CA on this machine, lets one client and then sixteen enrol one after the other by
``mfp-sim load``, and writes the results and a table. With ``--publish`` the table goes to reports/throughput too.
Debian's scepserver (package scep) has to be installed. Servers from Go modules need Go, and those from Java libraries
need a JDK and Maven; without these, the page names them as left out.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).parent
SECRET = "throughput-secret"
MODULES = {
    "micromdm v2.3.0": "github.com/micromdm/scep/v2/cmd/scepserver@v2.3.0",
    "step-ca v0.30.2": "github.com/smallstep/certificates/cmd/step-ca@v0.30.2",
}


@dataclass(frozen=True)
class Library:
    """A library for Java, measured in a small CA: the folder of its sources (without "_server"), its main class."""

    name: str
    version: str
    folder: str
    main: str


LIBRARIES = (
    Library("jscep", "2.5.6", "jscep", "JscepServer"),
    Library("XiPKI", "6.5.3", "xipki", "XipkiServer"),
)
CLIENTS = (1, 16)
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Server:
    """``start`` gets a folder, a port and the bits of the CA's key, and gives the command; ``path`` is of the URL."""

    name: str
    bits: int
    start: Callable[[Path, int, int], list[str]]
    path: str = "/scep"


def _mock(_folder: Path, port: int, bits: int) -> list[str]:
    words = [sys.executable, "-m", "mock_scep_server.cli", "--port", str(port), "--challenge", SECRET]
    return [*words, "--set", f"key=rsa-{bits}"]


def _scepserver(program: str) -> Callable[[Path, int, int], list[str]]:
    def start(folder: Path, port: int, bits: int) -> list[str]:
        words = [program, "ca", "-init", "-depot", str(folder / "depot"), "-keySize", str(bits)]
        subprocess.run(words, check=True, capture_output=True)
        return [program, "-depot", str(folder / "depot"), "-port", str(port), "-challenge", SECRET, "-allowrenew", "0"]

    return start


def _step_ca(program: str) -> Callable[[Path, int, int], list[str]]:
    def start(folder: Path, port: int, _bits: int) -> list[str]:
        (folder / "secret").write_text(SECRET + "\n")
        words = [sys.executable, str(HERE / "step_ca.py"), str(folder / "step"), str(port), str(folder / "secret")]
        subprocess.run(words, check=True)
        os.environ["STEPPATH"] = str(folder / "step")
        return [program, str(folder / "step" / "ca.json")]

    return start


def _java(library: Library, folder: Path) -> Callable[[Path, int, int], list[str]]:
    def start(room: Path, port: int, _bits: int) -> list[str]:
        (room / "secret").write_text(SECRET + "\n")
        target = folder / "target"
        classes = f"{target / f'{library.folder}-server-1.jar'}:{target / 'dependency' / '*'}"
        return ["java", "-cp", classes, library.main, str(port), str(room / "secret")]

    return start


def _built_by_maven(library: Library, folder: Path) -> str | None:
    """Build a library's server in a new folder; returns why it could not be built, or None."""
    if shutil.which("mvn") is None:
        return "Maven is not installed"
    shutil.copytree(HERE / f"{library.folder}_server", folder)
    words = ["mvn", "-q", "-B", f"-D{library.folder}={library.version}", "package", "dependency:copy-dependencies"]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    return "could not be built" if done.returncode else None


def _built(room: Path) -> tuple[dict[str, str], list[str]]:
    """The programs from Go modules, and what could not be built, each with why."""
    found, missing = {}, []
    for name, module in MODULES.items():
        if shutil.which("go") is None:
            missing.append(f"{name}: Go is not installed")
            continue
        done = subprocess.run(
            ["go", "install", module],
            env={**os.environ, "GOBIN": str(room / name.partition(" ")[0]), "CGO_ENABLED": "0"},
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        if done.returncode:
            missing.append(f"{name}: could not be built")
        else:
            found[name] = str(next((room / name.partition(" ")[0]).iterdir()))
    return found, missing


def _servers(room: Path) -> tuple[list[Server], list[str]]:
    built, missing = _built(room)
    servers = [Server("mock", bits, _mock) for bits in (2048, 4096)]
    if (program := shutil.which("scepserver")) is not None:
        servers += [Server("micromdm 2.1.0 (Debian)", bits, _scepserver(program)) for bits in (2048, 4096)]
    else:
        missing.append("micromdm 2.1.0: Debian's package scep is not installed")
    if (name := "micromdm v2.3.0") in built:
        servers += [Server(name, bits, _scepserver(built[name])) for bits in (2048, 4096)]
    if (name := "step-ca v0.30.2") in built:
        servers.append(Server(name, 2048, _step_ca(built[name]), "/scep/scep"))
    for library in LIBRARIES:
        folder, name = room / library.folder, f"{library.name} {library.version}"
        if (why := _built_by_maven(library, folder)) is None:
            servers.append(Server(f"{name} (small CA)", 2048, _java(library, folder)))
        else:
            missing.append(f"{name}: {why}")
    return servers, missing


# --- one server -------------------------------------------------------------------------------------------


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        return int(server.getsockname()[1])


def _await(port: int, process: subprocess.Popen[bytes]) -> None:
    for _ in range(600):
        if process.poll() is not None:
            raise SystemExit(f"a server ended with {process.returncode} before it listened")
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)  # it says in no other way that it is ready
    raise SystemExit("a server did not open its port within a minute")


def _cpu(process: subprocess.Popen[bytes]) -> float:
    """Seconds of the CPU that a process has used."""
    fields = Path(f"/proc/{process.pid}/stat").read_text("ascii").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def measure(server: Server, clients: int, keys: Path, certificates: int, folder: Path) -> dict[str, object]:
    """Start a server, load it, end it; what :command:`mfp-sim load` says, and the CPU time of the server."""
    folder.mkdir(parents=True)
    port = _free_port()
    words = server.start(folder, port, server.bits)
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        _await(port, process)
        before = _cpu(process)
        words = [sys.executable, "-m", "mfp_sim", "load", f"http://127.0.0.1:{port}{server.path}"]
        words += ["--clients", str(clients), "--certificates", str(certificates), "--keys", str(keys)]
        words += ["--challenge-env", "SCEP_SECRET", "--json"]
        environment = {**os.environ, "SCEP_SECRET": SECRET}
        done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
        if not done.stdout:
            raise SystemExit(f"{server.name}: {done.stderr}")
        told: dict[str, object] = json.loads(done.stdout)
        return {"name": server.name, "bits": server.bits, "cpu": round(_cpu(process) - before, 3), **told}
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()


# --- the table --------------------------------------------------------------------------------------------

_HEAD = (
    "server", "CA key", "clients", "certificates per second", "per second and core of the server", "over the mock",
    "PKCSReq p50", "p99", "failed", "repeated serial numbers", "no reply",
)  # fmt: skip


def table(rows: list[dict[str, object]]) -> str:
    """The rows as Markdown."""
    base = {
        (row["bits"], row["clients"]): row["figures"]["per_second"]  # type: ignore[index]
        for row in rows
        if row["name"] == "mock"
    }
    lines = ["| " + " | ".join(_HEAD) + " |", "| --- " * len(_HEAD) + "|"]
    for row in rows:
        figures, issued = row["figures"], row["outcomes"].get("issued", 0)  # type: ignore[attr-defined]
        times = figures["operations"].get("PKCSReq", {"p50": 0, "p99": 0})  # type: ignore[index]
        speed = figures["per_second"]  # type: ignore[index]
        core = issued / float(str(row["cpu"])) if row["cpu"] else 0.0
        mock = base.get((row["bits"], row["clients"]))
        cells = (
            row["name"], f"RSA-{row['bits']}", row["clients"], f"{speed:.0f}", f"{core:.0f}",
            f"{speed / mock:.2f}" if mock else "", f"{times['p50'] * 1000:.0f} ms", f"{times['p99'] * 1000:.0f} ms",
            f"{figures['failed']} of {row['sent']}",  # type: ignore[index]
            row["serials"] - row["distinct"], row["unanswered"],  # type: ignore[operator]
        )  # fmt: skip
        lines.append("| " + " | ".join(map(str, cells)) + " |")
    return "\n".join(lines)


_PAGE = """\
# Enrolments per second

`python .ci/throughput.py OUT --publish` makes this table. It starts each server with a new CA and a static challenge
password, on the machine that also runs the load. Each client sends GetCACaps, GetCACert and a PKCSReq with its own
RSA-2048 key, each on a new connection as printers do, and starts again when it has its certificate. The absolute
figures depend on this machine; the ratios depend on it less.

{machine}

{table}

*Per second and core of the server* divides the certificates by the CPU time of the server's process: the rate that one
core would reach if it did nothing else. *Over the mock* is the rate divided by that of `mock-scep-server` with the same
key and number of clients, in the same run. A run ends early when 5 of 100 enrolments fail, or ten in a row.
Certificates that share a serial number cannot be revoked one by one.

**Read the rows with sixteen clients with care**: the clients run on the same machine, and a client's part of an
enrolment costs about as much as the server's. With RSA-2048, the two cores reach about 250 a second together with the
mock and with each server in Go; the column per core shows what each server needs by itself.

jscep and XiPKI's scep-core are libraries. They are measured in small CAs ([jscep](../../.ci/jscep_server),
[XiPKI](../../.ci/xipki_server)). Like each server, these have just started, so the figures include the work of Java's
compiler.

{missing}"""


def main() -> int:
    """The command; returns the exit code."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("out", type=Path, help="where to write the results")
    parser.add_argument("--certificates", type=int, default=400, metavar="N", help="of each run (default: 400)")
    parser.add_argument("--publish", action="store_true", help="write the table to reports/throughput too")
    options = parser.parse_args()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))  # so that the server ends too
    options.out.mkdir(parents=True, exist_ok=True)
    room = options.out / "room"
    shutil.rmtree(room, ignore_errors=True)
    room.mkdir()
    keys = room / "keys.pem"
    words = [sys.executable, "-m", "mfp_sim", "load", "--make-keys", str(options.certificates), "--keys", str(keys)]
    subprocess.run(words, check=True)
    servers, missing = _servers(room)
    rows = []
    for server in servers:
        for clients in CLIENTS:
            name = f"{server.name} RSA-{server.bits} with {clients} clients"
            print(name, end=": ", flush=True)
            folder = room / name.replace(" ", "-")
            row = measure(server, clients, keys, options.certificates, folder)
            rows.append(row)
            print(f"{row['figures']['per_second']:.1f} a second, {row['outcomes']}", flush=True)  # type: ignore[index]
    (options.out / "throughput.json").write_text(json.dumps(rows) + "\n")
    machine = rows[0]["machine"]
    page = _PAGE.format(
        machine=f"{machine['processor']}, {machine['cores']} cores, {machine['system']}, Python {machine['python']}; "  # type: ignore[index]
        f"{options.certificates} enrolments a row.",
        table=table(rows),
        missing="".join(f"Left out: {text}.\n" for text in missing),
    ).rstrip() + "\n"  # fmt: skip
    (options.out / "README.md").write_text(page)
    if options.publish:
        published = HERE.parent / "reports" / "throughput"
        published.mkdir(parents=True, exist_ok=True)
        (published / "README.md").write_text(page)
    shutil.rmtree(room)
    return 0


if __name__ == "__main__":
    sys.exit(main())
