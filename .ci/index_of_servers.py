"""Makes the comparison of real servers from their reports: index_of_servers.py OUT reports/servers

Reads OUT/NAME/report.json of each server and writes NAME/verdicts.json (the grade, the causes, each check's verdict,
and what was expected and got) and index.md, the tables of cause and check by server; of Debian's server also
report.html, with the exchanges of its fails and warns only, so that it stays small. Decides nothing.
"""

from __future__ import annotations

import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

from mfp_sim.report.html_report import as_html
from mfp_sim.report.json_report import read_file
from mfp_sim.report.model import KINDS, CheckReport, RunReport

_LENGTH = 160
_WITH_REPORT = "micromdm-2.1.0"
_EXCHANGES = 2
_SHOWN = ("fail", "warn", "finding")


def _short(text: str) -> str:
    return text if len(text) <= _LENGTH else text[: _LENGTH - 1] + "…"


def compact(report: dict[str, Any]) -> dict[str, Any]:
    """What is published of a report: grade, causes, and each check's verdict with what was expected and got."""
    checks = {}
    for check in report["checks"]:
        entry = {"verdict": check["verdict"], "section": check["section"], "level": check["level"]}
        entry |= {key: _short(check[key]) for key in ("expected", "got") if check[key]}
        if check["verdict"] in ("skipped", "inconclusive"):
            entry["because"] = _short(check["because"])
        checks[check["id"]] = entry
    return {
        "tool": f"mfp-sim {report['provenance']['version']}, catalogue {report['provenance']['catalogue']}",
        "conclusions": {entry["name"]: f"{entry['verdict']}: {entry['because']}" for entry in report["conclusions"]},
        "grade": report["grade"],
        "causes": {
            entry["id"]: {
                "class": entry["kind"],
                "title": entry["title"],
                "verdict": entry["verdict"],
                "checks": [place["check"] for place in entry["places"]],
            }
            for entry in report["findings"]
        },
        "checks": checks,
        "printers": {entry["model"]: entry["verdict"] for entry in report["printers"]},
    }


def _small(report: RunReport) -> RunReport:
    """The report with few exchanges; how many are left out is counted in it."""
    return replace(
        report,
        checks=tuple(_fewer(check) for check in report.checks),
        printers=tuple(replace(printer, exchanges=()) for printer in report.printers),
    )


def _fewer(check: CheckReport) -> CheckReport:
    kept = check.exchanges[: _EXCHANGES if check.verdict in ("fail", "warn") else 0]
    gone = len(check.exchanges) - len(kept)
    return replace(check, exchanges=kept, exchanges_left_out=check.exchanges_left_out + gone)


def _causes(servers: dict[str, dict[str, Any]]) -> list[str]:
    """Class by server, then cause by server: how many checks show it."""
    names = list(servers)
    head = f"| class | {' | '.join(names)} |"
    rule = f"| --- | {' | '.join('---' for _ in names)} |"
    deviating = [sum(c["verdict"] in _SHOWN for c in server["checks"].values()) for server in servers.values()]
    lines = ["## What to mend first", "", head, rule]
    letters = [
        server["grade"]["letter"] or "none: " + "; ".join(server["grade"]["because"]) for server in servers.values()
    ]
    lines.append(f"| grade | {' | '.join(letters)} |")
    lines.append(f"| checks that deviate | {' | '.join(map(str, deviating))} |")
    for kind in KINDS:
        counts = [sum(c["class"] == kind for c in server["causes"].values()) for server in servers.values()]
        lines.append(f"| causes: {kind} | {' | '.join(map(str, counts))} |")
    beside = [sum(c["class"] != "policy" for c in server["causes"].values()) for server in servers.values()]
    lines.append(f"| causes beside policy | {' | '.join(f'**{count}**' for count in beside)} |")
    lines += ["", f"| cause: in how many checks | class | {' | '.join(names)} |", f"| --- {rule}"]
    known = {name: cause for server in servers.values() for name, cause in server["causes"].items()}
    for name, cause in sorted(known.items(), key=lambda pair: KINDS.index(pair[1]["class"])):
        found = [server["causes"].get(name) for server in servers.values()]
        told = [f"{len(one['checks'])} ({one['verdict']})" if one else "–" for one in found]
        lines.append(f"| {cause['title']} | {cause['class']} | {' | '.join(told)} |")
    return [*lines, ""]


def _index(servers: dict[str, dict[str, Any]]) -> str:
    names = list(servers)
    rule = f"| --- | --- | {' | '.join('---' for _ in names)} |"
    lines = [
        "# Real servers, by cause and check by check",
        "",
        "Made by `.ci/servers OUT --publish` from the runs; what the verdicts mean is in",
        "[Conformance](../../docs/reference/conformance.md), what was expected and got in each server's",
        "`verdicts.json`.",
        "",
        *_causes(servers),
        "## The verdicts of the checks",
        "",
        f"| verdict | | {' | '.join(names)} |",
        rule,
    ]
    for word in ("fail", "warn", "finding", "pass", "inconclusive", "skipped"):
        counts = [sum(c["verdict"] == word for c in server["checks"].values()) for server in servers.values()]
        lines.append(f"| {word} | | {' | '.join(map(str, counts))} |")
    known = {name: check for server in servers.values() for name, check in server["checks"].items()}
    head = f"| check | RFC 8894 | {' | '.join(names)} |"
    same, rows = [], []
    for name, check in known.items():
        words = [server["checks"].get(name, {}).get("verdict", "not selected") for server in servers.values()]
        if any(word in _SHOWN for word in words):
            shown = [f"**{word}**" if word in ("fail", "warn") else word for word in words]
            rows.append(f"| `{name}` | {check['section']} {check['level']} | {' | '.join(shown)} |")
        else:
            same.append((name, words))
    lines += ["", "## Checks that found something", "", head, rule, *rows]
    lines += [
        "",
        "## The others",
        "",
        f"| check | {' | '.join(names)} |",
        f"| --- | {' | '.join('---' for _ in names)} |",
    ]
    lines += [f"| `{name}` | {' | '.join(words)} |" for name, words in same]
    lines += [
        "",
        "## Printer models",
        "",
        f"| model | {' | '.join(names)} |",
        f"| --- | {' | '.join('---' for _ in names)} |",
    ]
    models = {model for server in servers.values() for model in server["printers"]}
    for model in sorted(models):
        lines.append(f"| {model} | {' | '.join(s['printers'].get(model, 'not tried') for s in servers.values())} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Reads the reports and writes the tables."""
    out, published = Path(sys.argv[1]), Path(sys.argv[2])
    servers = {}
    for path in sorted(out.glob("*/report.json")):
        name = path.parent.name
        servers[name] = compact(json.loads(path.read_text("utf-8")))
        (published / name).mkdir(parents=True, exist_ok=True)
        text = json.dumps(servers[name], indent=1, ensure_ascii=False)
        if name == _WITH_REPORT:
            (published / name / "report.html").write_text(as_html(_small(read_file(path))), "utf-8")
        (published / name / "verdicts.json").write_text(text + "\n", "utf-8")
    (published / "index.md").write_text(_index(servers), "utf-8")


if __name__ == "__main__":
    main()
