"""Makes the comparison of real clients from their reports: index_of_clients.py OUT FOLDER [--baselines]

Reads OUT/NAME/report.json of each client and writes NAME/verdicts.json and index.md into the folder: grades, causes and
situations by client. With --baselines also NAME/baseline.yaml, which expects what was seen. Clients that were not
examined this time keep the files that the folder has of them.
"""

from __future__ import annotations

import argparse
import json
import textwrap
from collections import Counter
from pathlib import Path
from typing import Any

from index_of_servers import compact

from mfp_sim.conformance.baseline import load_baseline
from mfp_sim.examination.situations import situations
from mfp_sim.report.model import KINDS
from mfp_sim.shared.catalogue.registry import requirements

_WORDS = ("fail", "warn", "finding", "pass", "inconclusive", "skipped")
_SHOWN = ("fail", "warn", "finding")
_EXPIRES = "2027-12-31"
_MESSAGES = "message-"

Clients = dict[str, dict[str, Any]]


def _row(*cells: object) -> str:
    return f"| {' | '.join(map(str, cells))} |"


def _head(first: list[str], clients: Clients) -> list[str]:
    cells = [*first, *clients]
    return [_row(*cells), _row(*["---"] * len(cells))]


def _situations(client: dict[str, Any]) -> dict[str, Any]:
    return {name: check for name, check in client["checks"].items() if not name.startswith(_MESSAGES)}


def _totals(clients: Clients) -> list[str]:
    lines = _head([""], clients)
    lines.append(_row("version", *(client["client"] for client in clients.values())))
    lines.append(_row("at the CA", *(f"`{client['ca']}`" for client in clients.values())))
    letters = [client["grade"]["letter"] or "none" for client in clients.values()]
    lines.append(_row("**grade**", *(f"**{letter}**" for letter in letters)))
    tried = [sum(c["verdict"] != "skipped" for c in _situations(client).values()) for client in clients.values()]
    lines.append(_row("situations tried", *tried))
    for word in _WORDS:
        counts = [Counter(c["verdict"] for c in _situations(client).values())[word] for client in clients.values()]
        lines.append(_row(word, *counts))
    rules = [sum(name.startswith(_MESSAGES) for name in client["checks"]) for client in clients.values()]
    lines.append(_row("requirements that its messages break", *rules))
    return lines


def _causes(clients: Clients) -> list[str]:
    lines = _head(["cause: in how many situations", "class"], clients)
    known = {name: cause for client in clients.values() for name, cause in client["causes"].items()}
    order = sorted(known.items(), key=lambda pair: KINDS.index(pair[1]["class"]))
    for name, cause in order:
        if cause["title"].startswith("Its messages: "):
            continue  # by requirement below
        found = [client["causes"].get(name) for client in clients.values()]
        cells = [f"{len(one['checks'])} ({one['verdict']})" if one else "–" for one in found]
        lines.append(_row(cause["title"], cause["class"], *cells))
    return lines


def _cell(client: dict[str, Any], name: str) -> str:
    word = client["checks"].get(name, {}).get("verdict", "·")
    return f"**{word}**" if word in ("fail", "warn") else word


def _matrix(clients: Clients) -> list[str]:
    shown, same = [], []
    for situation in situations():
        words = [client["checks"].get(situation.id, {}).get("verdict") for client in clients.values()]
        row = _row(f"`{situation.id}`", situation.word, *(_cell(client, situation.id) for client in clients.values()))
        if any(word in _SHOWN for word in words):
            shown.append(row)
        elif any(words):
            same.append(row)
    head = _head(["situation", "a correct client"], clients)
    return ["## Situations in which one of them deviates", "", *head, *shown,
            "", "## The other situations", "", *head, *same]  # fmt: skip


def _messages(clients: Clients) -> list[str]:
    known = {
        name: check for client in clients.values() for name, check in client["checks"].items()
        if name.startswith(_MESSAGES)
    }  # fmt: skip
    lines = _head(["requirement", "RFC 8894"], clients)
    for name, check in sorted(known.items(), key=lambda pair: (pair[1]["section"], pair[0])):
        cells = [_cell(client, name).replace("·", "–") for client in clients.values()]
        lines.append(_row(f"`{name.removeprefix(_MESSAGES)}`", f"{check['section']} {check['level']}", *cells))
    return lines


def _index(clients: Clients) -> str:
    lines = [
        "# Real clients, by cause and situation by situation",
        "",
        "`.ci/clients OUT --publish` makes this page. [Clients](../../docs/reference/clients.md) explains the",
        "situations and verdicts, each client's `verdicts.json` has what was seen, and [the README](README.md)",
        "says how each client was set up. A dot means that the situation was not tried.",
        "",
        *_totals(clients),
        "",
        "## What is wrong",
        "",
        *_causes(clients),
        "",
        *_matrix(clients),
        "",
        "## Requirements that their messages break",
        "",
        "In the situations without a fault.",
        "",
        *_messages(clients),
    ]
    return "\n".join(lines) + "\n"


def _published(name: str, report: dict[str, Any]) -> dict[str, Any]:
    options = report["provenance"]["options"]
    version = options["client"].partition(" (")[2].removesuffix(")")
    if not version[:1].isalpha():  # only a number
        version = f"{name} {version}"
    entry = compact(report)
    del entry["printers"]
    return {"client": version, "ca": options["CA"], **entry}


def _baseline(client: dict[str, Any], report: dict[str, Any], path: Path) -> str:
    """The baseline that expects this report. Lines of the old file for verdicts by chance stay."""
    by_chance = {line.id: line for line in load_baseline(path, _ids(report))} if path.exists() else {}
    lines = [
        f"# How {client['client']} deviates; verdicts.json has what was seen in each situation.",
        f"# Examined by .ci/clients at the CA: {client['ca']}",
        "format: 1",
        f"server: {json.dumps(client['client'])}",
        "expected:",
    ]
    for check in report["checks"]:
        chance = by_chance.get(check["id"])
        if chance is not None and chance.by_chance:
            lines += _line(chance.id, chance.verdict, chance.reason, str(chance.expires), by_chance=True)
        elif check["verdict"] in _SHOWN:
            hung = check["because"].startswith("it did not end")
            reason = f"{textwrap.shorten(check['title'], 90, placeholder='…')}: {check['because']}"
            more = "; this depends on the machine" if hung else ""
            lines += _line(check["id"], check["verdict"], reason + more, _EXPIRES, by_chance=hung)
    return "\n".join(lines) + "\n"


def _line(name: str, verdict: str, reason: str, expires: str, *, by_chance: bool) -> list[str]:
    lines = [f"  - id: {name}", f"    verdict: {verdict}", f"    reason: {json.dumps(reason, ensure_ascii=False)}",
             f"    expires: {expires}"]  # fmt: skip
    return [*lines, "    by_chance: true"] if by_chance else lines


def _ids(report: dict[str, Any]) -> set[str]:
    named = {f"message-{name.lower()}" for name in requirements()}
    return named | {check["id"] for check in report["checks"]} | {situation.id for situation in situations()}


def main() -> None:
    """Reads the reports and writes the tables."""
    parser = argparse.ArgumentParser()
    parser.add_argument("out", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--baselines", action="store_true")
    options = parser.parse_args()
    published: Path = options.folder
    for path in sorted(options.out.glob("*/report.json")):
        folder = published / path.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        report = json.loads(path.read_text("utf-8"))
        client = _published(folder.name, report)
        text = json.dumps(client, indent=1, ensure_ascii=False)
        (folder / "verdicts.json").write_text(text + "\n", "utf-8")
        if options.baselines:
            baseline = folder / "baseline.yaml"
            baseline.write_text(_baseline(client, report, baseline), "utf-8")
    clients = {
        path.parent.name: json.loads(path.read_text("utf-8")) for path in sorted(published.glob("*/verdicts.json"))
    }
    (published / "index.md").write_text(_index(clients), "utf-8")


if __name__ == "__main__":
    main()
