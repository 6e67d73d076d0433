"""Has real clients enrol at a real server, and makes the page that shows which client enrols where.

    enrolments.py enrol OUT/SERVER.json URL SECRET-FILE CLIENT=COMMAND...
    enrolments.py page OUT PAGE

The first runs each client's verb "enrol" (docs/reference/clients.md) and checks what it left: a certificate for its
key, issued by the CA of GetCACert. The second reads all files of the first. Decides nothing else.
"""

from __future__ import annotations

import json
import re
import sys
import tempfile
import urllib.request
from pathlib import Path
from typing import Any

from mfp_sim.examination.program import ClientProgram, Task, VerbResult, client_of
from mfp_sim.shared.errors import DecodeError
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.contents import read_ca_certificates
from mfp_sim.shared.scep.roles import CaRoles

_TIMEOUT = 10
_LENGTH = 200


def _issuer(url: str) -> Certificate:
    with urllib.request.urlopen(f"{url}?operation=GetCACert", timeout=_TIMEOUT) as reply:
        certificates, _ = read_ca_certificates(reply.read(1 << 20), reply.headers.get_content_type())
    return CaRoles(certificates, tolerant=True).issuer


def _seen(task: Task, result: VerbResult) -> str:
    """What is wrong with what a client has left; nothing if all is right."""
    try:
        certificate = task.certificate()
    except DecodeError as error:
        return f"its file is not a certificate: {error}"
    if certificate is None:
        return f"no certificate: {result.end}"
    if not task.key_fits(certificate):
        return "its certificate is not for its key"
    if not certificate.was_issued_by(task.ca):
        return "its certificate is not the CA's"
    return ""


def _printed(text: str, task: Task) -> str:
    """The last line that says something, without what differs from run to run."""
    lines = [line.strip() for line in text.replace(str(task.folder), "…").replace(task.challenge, "…").splitlines()]
    spoken = [line for line in lines if line and not re.fullmatch(r"[\W\d]*", line)]
    wrong = [
        line for line in spoken if re.search(r"error|fail|invalid|not |cannot|refus|Exception|ca-error", line, re.I)
    ]
    said = (wrong or spoken or [""])[-1]
    said = re.sub(r"^(\d{4}-\d{2}-\d{2} )?\S*\d{2}:\d{2}:\d{2}\S*\s+(\[\d+\] )?|\bts=\S+\s*|127\.0\.0\.1:\d+", "", said)
    return said if len(said) <= _LENGTH else said[: _LENGTH - 1] + "…"


def _one(name: str, client: ClientProgram, url: str, secret: str, ca: Certificate) -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        task = Task(url, f"CN={name}.example", secret, ca, Path(folder), _TIMEOUT)
        result = client.run("enrol", task)
        wrong = _seen(task, result)
        return {"wrong": wrong, "printed": _printed(result.text, task) if wrong else ""}


def _enrol(file: Path, url: str, secret: str, clients: list[str]) -> None:
    ca = _issuer(url)
    found = {}
    for entry in clients:
        name, _, command = entry.partition("=")
        found[name] = _one(name, client_of(command), url, secret, ca)
        print(f"{file.stem}: {name}: {found[name]['wrong'] or 'enrols'}")
    file.write_text(json.dumps(found, indent=1), "utf-8")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("`", "'")


def _page(servers: dict[str, dict[str, dict[str, str]]]) -> str:
    clients = list(dict.fromkeys(name for found in servers.values() for name in found))
    lines = [
        "# Real clients at real servers",
        "",
        "Which client enrols at which server, measured by `.ci/clients_and_servers OUT --publish`. *enrols* means that",
        "the client left a certificate for its key, issued by the CA of GetCACert. How they were set up:",
        "[servers](servers/README.md), [clients](clients/README.md).",
        "",
        f"| | {' | '.join(servers)} |",
        f"| --- | {' | '.join('---' for _ in servers)} |",
    ]
    why = []
    for client in clients:
        cells = []
        for server, found in servers.items():
            one = found.get(client)
            if one is None:
                cells.append("not run")
            elif one["wrong"]:
                cells.append("**no**")
                why.append(f"| {client} | {server} | {one['wrong']} | `{_cell(one['printed'])}` |")
            else:
                cells.append("enrols")
        lines.append(f"| {client} | {' | '.join(cells)} |")
    lines += ["", "## Why not", "", "What the client left, and the line in which it says why.", ""]
    lines += ["| client | server | what it left | what it prints |", "| --- | --- | --- | --- |", *why]
    return "\n".join(lines) + "\n"


def _write_page(out: Path, page: Path) -> None:
    servers: dict[str, Any] = {path.stem: json.loads(path.read_text("utf-8")) for path in sorted(out.glob("*.json"))}
    page.write_text(_page(servers), "utf-8")


def main() -> None:
    """Carries out one of the two commands."""
    match sys.argv[1:]:
        case ["enrol", file, url, secret, *clients]:
            _enrol(Path(file), url, Path(secret).read_text("utf-8").strip(), clients)
        case ["page", out, page]:
            _write_page(Path(out), Path(page))
        case _:
            sys.exit(__doc__)


if __name__ == "__main__":
    main()
