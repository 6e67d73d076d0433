"""Writes the parts of the documentation that follow from tables in the code; a test sees to it that they are written.

    python -m tools.generate            write them
    python -m tools.generate --check    exit code 1 and the differences when a part is not up to date

A part stands between ``<!-- generated: NAME -->`` and ``<!-- end of NAME -->``; the text around it is written by hand.
``control.openapi.json`` is written as a whole.
"""

from __future__ import annotations

import argparse
import difflib
import importlib.util
import json
import re
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import fields
from functools import cache, partial
from pathlib import Path
from types import ModuleType
from typing import Any

from mfp_sim.conformance.causes import ANYWHERE, CAUSES
from mfp_sim.conformance.findings import CAPS
from mfp_sim.device import printer_profile as printer_profiles
from mfp_sim.device.bundle import CATEGORIES
from mfp_sim.device.status import STATE_LABELS
from mfp_sim.events import KINDS, own_words
from mfp_sim.fleet.plan import FleetPlan
from mfp_sim.report.model import KINDS as CLASSES
from mfp_sim.scenario.ca_steps import OPERATOR_ACTS
from mfp_sim.scenario.collection import load_all
from mfp_sim.scenario.examined import changing
from mfp_sim.scenario.expectations import EXPECTATIONS
from mfp_sim.scenario.model import Scenario
from mfp_sim.scenario.steps import STEPS
from mfp_sim.shared.catalogue.registry import assumptions, requirements
from mfp_sim.shared.documents.kinds import Either, Kind
from mfp_sim.shared.documents.records import NEEDED, Field, ListOf, Record, record_of
from mfp_sim.testing import Bench
from mock_scep_server.control import ControlService
from mock_scep_server.control_routes import Route, openapi
from mock_scep_server.faults import FAULTS
from mock_scep_server.faults.defects import DEFECTS
from mock_scep_server.faults.listing import in_markdown
from mock_scep_server.judged import JUDGED, TOLD_UNDER, UNSEEN
from mock_scep_server.policy import POLICY_KEYS
from mock_scep_server.profiles.registry import PROFILES as CA_PROFILES

DOCS = Path(__file__).parents[1] / "docs"
SCENARIOS = DOCS.parent / "scenarios"
PAGES = (*sorted(DOCS.rglob("*.md")), SCENARIOS / "README.md")
_PART = re.compile(r"(<!-- generated: ([a-z-]+) -->\n).*?(<!-- end of \2 -->)", re.DOTALL)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |\n"

    return line(head) + line(["---"] * len(head)) + "".join(line(row) for row in rows)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


# --- assumptions ------------------------------------------------------------------------------------------


def _assumptions() -> str:
    resting: dict[str, list[str]] = {}
    for entry in requirements().values():
        for number in entry.derived:
            resting.setdefault(number, []).append(entry.id)
    rows = [
        (
            f'<a id="{entry.id.lower()}"></a>{entry.id}',
            f"**{entry.title}**: {entry.text}",
            entry.default,
            ", ".join(_code(name) for name in printer_profiles.values_of(entry.id)),
            ", ".join(resting.get(entry.id, [])),
        )
        for entry in assumptions().values()
    ]
    return _table(("id", "what is assumed", "default", "profile value", "statements that depend on it"), rows)


def _readings() -> str:
    rows = []
    measured = [(scenario, changing(scenario) or ()) for scenario in _scenarios()]
    for entry in assumptions().values():
        if entry.readings:
            flips = [f"{entry.id}={reading}" for reading in entry.readings[1:]]
            others = ", ".join(_code(f"--flip {flip}") for flip in flips)
            changed = dict.fromkeys(_base(scenario) for scenario, found in measured if set(flips) & set(found))
            rows.append((entry.id, entry.title, _code(entry.readings[0]), others, ", ".join(changed)))
    return _table(("id", "about", "default", "other readings", "scenarios that change"), rows)


def _bundle_categories() -> str:
    return _table(("category", "offered"), [(name, "yes" if offered else "") for name, offered in CATEGORIES.items()])


# --- index of the scenarios -------------------------------------------------------------------------------


@cache
def _scenarios() -> tuple[Scenario, ...]:
    return tuple(load_all(sorted(SCENARIOS.rglob("*.scenario.yaml"))))


def _base(scenario: Scenario) -> str:
    """The name of the file's scenario, without that of the instance."""
    return scenario.name.partition("[")[0]


def _chapter(chapter: str) -> str:
    rows = []
    for file in sorted((SCENARIOS / chapter).glob("*.scenario.yaml")):
        instances = [scenario for scenario in _scenarios() if Path(scenario.file) == file]
        count = f" ({len(instances)} instances)" if len(instances) > 1 else ""
        covers = dict.fromkeys(entry for scenario in instances for entry in scenario.covers)
        assumes = sorted({entry for scenario in instances for entry in scenario.assumes})
        link = f"[{_base(instances[0])}]({chapter}/{file.name}){count}"
        rows.append((link, instances[0].why, ", ".join(covers), ", ".join(assumes)))
    return _table(("scenario", "what it shows", "covers", "assumes"), rows)


# --- scenario format --------------------------------------------------------------------------------------


def _steps() -> str:
    rows = []
    for name, step in STEPS.items():
        fields = ", ".join(_code(entry.key) + ("*" if entry.default is NEEDED else "") for entry in _keys(step.kind))
        rows.append(
            (_code(name), step.sentence, fields, "yes" if step.person else "", _code(f"- {step.example_of(name)}"))
        )
    return _table(("step", "what happens", "fields (* needed)", "`as`, `refused`", "example"), rows)


def _keys(kind: Kind) -> Sequence[Field]:
    """The keys of a map, or of what may stand beside a word; those of ``ca_operator`` have a table of their own."""
    if isinstance(kind, Either):
        return _keys(kind.inner)
    if isinstance(kind, Record) and kind.whole:
        return _keys(kind.fields[0].kind)
    return kind.fields if isinstance(kind, Record) else ()


def _expectations() -> str:
    rows = [
        (
            _code(name),
            entry.sentence,
            "; ".join(f"{_code(f'{path}: []'.removeprefix(': '))}: {says}" for path, says in entry.empty.items()),
            "yes" if entry.needs_mock else "",
            _code(f"{name}: {entry.example}"),
        )
        for name, entry in EXPECTATIONS.items()
    ]
    return _table(("field", "what it looks at", "when empty", "mock only", "example"), rows)


def _events() -> str:
    rows = []
    for name, kind in KINDS.items():
        said = " ".join((kind.__doc__ or "").split()).replace("``", "`")
        own = own_words(kind)
        parts = [f"*{_code(part.name)}*" if part.name in own else _code(part.name) for part in fields(kind)]
        rows.append((_code(name), said, ", ".join(parts)))
    return _table(("kind", "what happened", "fields"), rows)


def _states() -> str:
    return _table(("state", "on the printer"), [(_code(slug), label) for slug, label in STATE_LABELS.items()])


def _printer_profiles() -> str:
    rows = [(_code(entry.name), entry.summary) for entry in printer_profiles.PROFILES.values()]
    return _table(("`printer.profile`", "what it is"), rows)


# --- mock -------------------------------------------------------------------------------------------------


def _ca_profiles() -> str:
    rows = [
        (
            _code(entry.name),
            entry.summary,
            ", ".join(entry.capabilities) or "none",
            ", ".join(sorted(entry.refuse_ciphers | entry.refuse_digests)) or "nothing",
            *(
                ", ".join(_code(name) for name, source in sources.items() if not source.confirmed)
                for sources in (entry.own, entry.taken_over)
            ),
        )
        for entry in CA_PROFILES.values()
    ]
    head = ("profile", "what it is", "GetCACaps", "refused", "unconfirmed values", "inherited unconfirmed")
    return _table(head, rows)


def _ca_keys() -> str:
    rows = [(_code(name), entry.default, entry.sentence) for name, entry in POLICY_KEYS.items()]
    return _table(("key", "default", "meaning"), rows)


def _operator_acts() -> str:
    return _table(("in `ca_operator:`", "what happens"), [(_code(n), act[1]) for n, act in OPERATOR_ACTS.items()])


def _faults() -> str:
    return in_markdown(FAULTS.values())


def _defects() -> str:
    rows = [(_code(d.slug), d.sentence, ", ".join(d.requirements)) for d in DEFECTS.values()]
    return _table(("defect", "what the CA does", "requirements"), rows)


# --- real peers -------------------------------------------------------------------------------------------


def _table_of_peers() -> ModuleType:
    """What the tests with real programs compare with."""
    path = DOCS.parent / "tests" / "peers" / "table.py"
    specification = importlib.util.spec_from_file_location("table_of_peers", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    specification.loader.exec_module(module)
    return module


def _peers() -> str:
    table = _table_of_peers()
    head = [f"{peer}{', ' + _code(' '.join(options)) if options else ''}" for peer, options in table.CLIENTS]
    rows = [(_code(name), *(_outcome(cells[name]) for cells in table.CLIENTS.values())) for name in CA_PROFILES]
    return _table(("profile", *head), rows)


def _outcome(cell: Any) -> str:
    """What came of the three situations; polling and reporting go without saying."""
    parts = [cell.success]
    parts += [f"PENDING: {cell.pending}"] if cell.pending not in (None, "polls, enrols") else []
    parts += [f"wrong challenge: {cell.failure}"] if cell.failure not in (None, "reports the refusal") else []
    return "; ".join(parts)


def _peer_reasons() -> str:
    rows = [
        (
            row.peer,
            _code(" ".join(row.options)),
            _code(row.ca.profile),
            _code(row.cell.says),
            ", ".join(_code(f"{name}: {_as_yaml(value)}") for name, value in row.cell.because),
        )
        for row in _table_of_peers().ROWS
        if row.cell.because
    ]
    return _table(("client", "options", "profile", "what it prints", "it enrols with"), rows)


def _as_yaml(value: object) -> str:
    if isinstance(value, tuple | frozenset):
        return f"[{', '.join(value)}]"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _peers_with_switches() -> str:
    rows = [
        (row.peer, _code(" ".join(row.options)), _code(str(row.ca)), _outcome(row.cell))
        for row in _table_of_peers().WITH_SWITCHES
    ]
    return _table(("client", "options", "CA", "outcome"), rows)


def _peer_defects() -> str:
    rows = [(entry.peer, entry.version, entry.text, _code(entry.test)) for entry in _table_of_peers().DEFECTS]
    return _table(("peer", "version", "what it does", "test"), rows)


CHAPTERS = tuple(sorted(path.name for path in SCENARIOS.iterdir() if path.is_dir()))
# --- conformance ------------------------------------------------------------------------------------------


def _grade() -> str:
    verdicts = ("fail", "warn", "finding")
    rows = ((kind, *(CAPS.get((kind, verdict), "A") for verdict in verdicts)) for kind in CLASSES if kind != "policy")
    return _table(("class of the cause", *verdicts), rows)


def _causes() -> str:
    causes = sorted((*ANYWHERE, *CAUSES), key=lambda cause: CLASSES.index(cause.kind))
    rows = ((c.kind, f"{c.title}{' (F)' if c.grave else ''}", _code(c.id), c.remedy) for c in causes)
    return _table(("class", "what went wrong", "id in the report", "remedy, where it is known"), rows)


def _fleet_keys() -> str:
    rows: list[tuple[str, str, str]] = []

    def add(above: str, kind: Kind) -> None:
        for entry in _keys(kind.entry if isinstance(kind, ListOf) else kind):
            inner = entry.kind.entry if isinstance(entry.kind, ListOf) else entry.kind
            default = "yes" if entry.default is NEEDED else ""
            says = entry.sentence or (inner.what if isinstance(inner, Record) else "")
            rows.append((_code(f"{above}{entry.key}"), says, default))
            if isinstance(inner, Record) and not inner.shorthand and entry.key not in ("compare", "polling"):
                add(f"{above}{entry.key}.", inner)

    add("", record_of(FleetPlan))
    return _table(("key", "what it is", "needed"), rows)


def _judged() -> str:
    reasons = dict.fromkeys(UNSEEN.values())
    rows = [(why, ", ".join(name for name in sorted(UNSEEN) if UNSEEN[name] == why)) for why in reasons]
    rows.append((
        "another requirement says the same about a message, and findings name that one",
        ", ".join(f"{name} (as {TOLD_UNDER[name]})" for name in sorted(TOLD_UNDER)),
    ))  # fmt: skip
    total = len(JUDGED) + len(TOLD_UNDER) + len(UNSEEN)
    head = f"The mock judges {len(JUDGED)} of {total} requirements on clients. The others:\n\n"
    return head + _table(("why a client's messages do not show it", "requirements"), rows)


def _control_routes() -> Sequence[Route]:
    return ControlService(Bench().ca).routes


def _control_api() -> str:
    rows = [
        (
            _code(route.told),
            ", ".join(_code(one.name) + ("" if one.needed else "?") for one in route.inputs)
            + ("rules" if route.body == "script" else ""),
            route.sentence,
        )
        for route in _control_routes()
    ]
    return _table(("operation", "inputs", "what it does"), rows)


def openapi_text() -> str:
    """The description of the control API, as a file."""
    return json.dumps(openapi(_control_routes()), indent=2, ensure_ascii=False) + "\n"


PARTS: dict[str, Callable[[], str]] = {
    **{f"scenarios-{chapter}": partial(_chapter, chapter) for chapter in CHAPTERS},
    "grade": _grade,
    "causes": _causes,
    "assumptions": _assumptions,
    "bundle-categories": _bundle_categories,
    "readings": _readings,
    "steps": _steps,
    "expectations": _expectations,
    "events": _events,
    "states": _states,
    "printer-profiles": _printer_profiles,
    "ca-profiles": _ca_profiles,
    "ca-keys": _ca_keys,
    "operator-acts": _operator_acts,
    "faults": _faults,
    "defects": _defects,
    "judged": _judged,
    "peers": _peers,
    "peer-reasons": _peer_reasons,
    "peers-with-switches": _peers_with_switches,
    "peer-defects": _peer_defects,
    "fleet-keys": _fleet_keys,
    "control-api": _control_api,
}


def rewritten(text: str) -> str:
    """``text`` with each part as the code has it now; an unknown part is a KeyError."""
    return _PART.sub(lambda match: f"{match[1]}\n{PARTS[match[2]]()}\n{match[3]}", text)


def main() -> int:
    """The command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tools.generate", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--check", action="store_true", help="write nothing; list what is not up to date")
    options = parser.parse_args()
    stale = False
    for path in (*PAGES, DOCS / "reference" / "control.openapi.json"):
        before = path.read_text("utf-8") if path.exists() else ""
        after = rewritten(before) if path in PAGES else openapi_text()
        if before == after:
            continue
        stale = True
        if options.check:
            name = str(path.relative_to(DOCS.parent))
            lines = difflib.unified_diff(
                before.splitlines(), after.splitlines(), name, f"{name} (generated)", "", "", 0
            )
            print("\n".join(lines))
        else:
            path.write_text(after, "utf-8")
            print(f"wrote {path.relative_to(DOCS.parent)}")
    if stale and options.check:
        print("run: python -m tools.generate", file=sys.stderr)
    return 1 if stale and options.check else 0


if __name__ == "__main__":
    sys.exit(main())
