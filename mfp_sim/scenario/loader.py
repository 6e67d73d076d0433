"""Scenario files into values: every mistake of a file in one go, each as ``file:line:column``.

A scenario without an expectation does not load; an unknown key is a mistake with "did you mean".
``parameters:`` makes one file into many named instances: a scalar ``$word`` stands for the parameter's value.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from mfp_sim.catalogue.registry import assumptions, known_ids
from mfp_sim.device.calendar import local_of
from mfp_sim.device.machine import ROLES
from mfp_sim.device.profile import ALL_USES, PROFILES, Profile, contradictions, read_value
from mfp_sim.device.settings import CommunicationSettings, read_ip
from mfp_sim.documents import Node, Problems, describe, did_you_mean, load, load_text
from mfp_sim.errors import DocumentError, Refused
from mfp_sim.scenario.expectations import read_expectation
from mfp_sim.scenario.model import CaSetup, PrinterSetup, Scenario
from mfp_sim.scenario.steps import STEPS, Advance, AdvanceTo, Communication, Step, read_step
from mock_scep_server.setup import CA_KEYS, read_ca

__all__ = ["CA_KEYS", "KEYS", "PRINTER_KEYS", "REQUIRED", "ROLES", "instances", "load_file", "read_text"]

KEYS = (
    "format", "name", "why", "covers", "assumes", "tags", "clock", "seed", "keys", "bounds", "parameters",
    "printer", "ca", "steps",
)  # fmt: skip
REQUIRED = ("format", "name", "why", "clock", "steps")
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")
_SETTINGS = {field.name for field in dataclasses.fields(Profile)} - {"name", "summary", "scep", "sources"}


def load_file(path: Path) -> list[Scenario]:
    """All scenarios of a file.

    Raises:
        UsageError: the file cannot be read.
        DocumentError: all its mistakes.
    """
    return _scenarios(load(path), str(path))


def read_text(text: str, file: str = "<text>") -> list[Scenario]:
    """All scenarios of a text; ``file`` is the name that errors begin with."""
    return _scenarios(load_text(text, file), file)


def _scenarios(root: Node, file: str) -> list[Scenario]:
    problems = Problems()
    found = [_scenario(node, suffix, file, problems) for suffix, node in instances(root, problems)]
    if problems.found:
        # Instances share their lines: a mistake outside the parameters is told once.
        raise DocumentError(list(dict.fromkeys(problems.found)))
    return [scenario for scenario in found if scenario is not None]


# --- parameters -------------------------------------------------------------------------------------------


def instances(root: Node, problems: Problems) -> list[tuple[str, Node]]:
    """The instances of a file, each with ``[name]`` and its parameters put in; one with ``""`` where it has none."""
    parameters = root.get("parameters")
    if parameters is None:
        return [("", root)]
    found: list[tuple[str, Node]] = []
    names: set[str] = set()
    for entry in problems.list(parameters, "parameters"):
        if entry.kind != "map":
            problems.add(entry, "a parameter set has to be a map with a name")
            continue
        values = {str(key.value): value for key, value in entry.pairs}
        name_node = values.pop("name", None)
        name = problems.text(name_node, "name") if name_node is not None else None
        if name is None or not _NAME.match(name):
            problems.add(name_node or entry, "a parameter set needs a name of small letters, digits and hyphens")
            continue
        if name in names:
            problems.add(name_node or entry, f"the parameter set {name!r} is here twice")
        names.add(name)
        used: set[str] = set()
        pairs = tuple((k, _substitute(v, values, used, problems)) for k, v in root.pairs if k.value != "parameters")
        for unused in values.keys() - used:
            problems.add(values[unused], f"the parameter {unused!r} is not used", f"write ${unused} where it belongs")
        found.append((f"[{name}]", dataclasses.replace(root, value=pairs)))
    if not found:
        problems.add(parameters, "parameters has no sets")
        return [("", root)]
    return found


def _substitute(node: Node, values: Mapping[str, Node], used: set[str], problems: Problems) -> Node:
    if node.kind == "map":
        pairs = tuple((key, _substitute(value, values, used, problems)) for key, value in node.pairs)
        return dataclasses.replace(node, value=pairs)
    if node.kind == "list":
        return dataclasses.replace(node, value=tuple(_substitute(e, values, used, problems) for e in node.items))
    if not node.quoted and isinstance(node.value, str) and re.fullmatch(r"\$[a-z_]+", node.value):
        word = node.value[1:]
        if word not in values:
            problems.add(node, f"there is no parameter {word!r}", did_you_mean(word, values))
            return node
        used.add(word)
        return dataclasses.replace(values[word], file=node.file, line=node.line, column=node.column)
    return node


# --- sections ---------------------------------------------------------------------------------------------


def _scenario(root: Node, suffix: str, file: str, problems: Problems) -> Scenario | None:
    before = len(problems.found)
    fields = problems.map(root, KEYS, "a scenario", REQUIRED)
    if "format" in fields and fields["format"].value != 1:
        problems.add(fields["format"], f"format has to be 1, not {fields['format'].value}")
    name = problems.text(fields["name"], "name") if "name" in fields else None
    if name is not None and not _NAME.match(name):
        problems.add(fields["name"], "a name has small letters, digits and single hyphens")
    why = problems.text(fields["why"], "why") if "why" in fields else None
    clock = _clock(fields["clock"], problems) if "clock" in fields else None
    values: dict[str, object] = {}
    for key in ("covers", "assumes", "tags"):
        if key in fields:
            values[key] = _ids(fields[key], key, problems)
    if "seed" in fields:
        values["seed"] = problems.integer(fields["seed"], "seed", 0)
    if "keys" in fields:
        values["keys"] = problems.choice(fields["keys"], ("pool", "generate"), "keys")
    if "bounds" in fields:
        values |= _bounds(fields["bounds"], problems)
    if "printer" in fields:
        values["printer"] = _printer(fields["printer"], problems)
    if "ca" in fields:
        values["ca"] = read_ca(fields["ca"], problems)
    printer = values.get("printer") or PrinterSetup()
    assert isinstance(printer, PrinterSetup)
    steps = _steps(fields["steps"], clock, printer, problems) if "steps" in fields else ()
    ca = values.get("ca") or CaSetup()
    assert isinstance(ca, CaSetup)
    if "steps" in fields and ca.policy.challenge.kind != "one_time":
        _check_challenges(fields["steps"], problems)
    if len(problems.found) > before or name is None or why is None or clock is None:
        return None
    values["digest"] = _digest(root)
    return Scenario(name=name + suffix, why=why, file=file, clock=clock, steps=steps, **values)  # type: ignore[arg-type]


_TOLD = ("name", "why", "covers", "assumes", "tags")
"""The keys that say something about a scenario and decide nothing in its run."""


def _digest(root: Node) -> str:
    """SHA-256 of what decides the run, whatever its layout and comments."""
    deciding = [(str(key.value), _plain(value)) for key, value in root.pairs if key.value not in _TOLD]
    return hashlib.sha256(json.dumps(sorted(deciding), default=str).encode()).hexdigest()


def _plain(node: Node) -> object:
    if node.kind == "map":
        return {"map": [(str(key.value), _plain(value)) for key, value in node.pairs]}
    return [_plain(entry) for entry in node.items] if node.kind == "list" else (node.value, node.quoted)


def _bounds(node: Node, problems: Problems) -> dict[str, object]:
    bounds = problems.map(node, ("virtual", "events"), "bounds")
    values: dict[str, object] = {}
    if "virtual" in bounds:
        values["virtual_seconds"] = problems.seconds(bounds["virtual"], "virtual")
    if "events" in bounds:
        values["events"] = problems.integer(bounds["events"], "events", 1)
    return values


def _clock(node: Node, problems: Problems) -> datetime | None:
    text = problems.text(node, "clock")
    try:
        clock = datetime.fromisoformat(text) if text else None
    except ValueError:
        clock = None
    if clock is None or clock.tzinfo is None:
        problems.add(node, f"clock has to be a time with a zone, not {text!r}", "write 2026-03-02T08:00:00+01:00")
        return None
    return clock if problems.year(node, clock, "clock") else None


def _ids(node: Node, key: str, problems: Problems) -> tuple[str, ...]:
    found = []
    known = {"covers": known_ids(), "assumes": frozenset(assumptions())}.get(key)
    for entry in problems.list(node, key):
        text = problems.text(entry, f"an entry of {key}")
        if text is not None and known is not None and text not in known:
            problems.add(entry, f"the catalogue has no {text!r}", did_you_mean(text, known))
        if text is not None:
            found.append(text)
    return tuple(found)


PRINTER_KEYS = ("profile", "timezone", "ip", "dns", "functions", "policies", "serial", "communication", "settings")


def _printer(node: Node, problems: Problems) -> PrinterSetup:
    fields = problems.map(node, PRINTER_KEYS, "printer")
    values: dict[str, Any] = {"place": fields.get("communication", node).place}
    if "profile" in fields:
        values["profile"] = problems.choice(fields["profile"], PROFILES, "profile")
    model = PROFILES.get(str(values.get("profile", PrinterSetup.profile)))
    if "timezone" in fields:
        values["timezone"] = problems.zone(fields["timezone"], "timezone")
    if "ip" in fields:
        values["ip"] = _address(fields["ip"], problems)
    if "dns" in fields:
        values["dns"] = problems.boolean(fields["dns"], "dns")
    if "functions" in fields:
        entries = problems.list(fields["functions"], "functions")
        values["functions"] = tuple(problems.choice(entry, ALL_USES[1:], "a function") for entry in entries)
    if "policies" in fields:
        entries = problems.list(fields["policies"], "policies")
        values["policies"] = tuple(problems.text(entry, "a policy") for entry in entries)
    if "serial" in fields:
        values["serial"] = problems.text(fields["serial"], "serial")
    if "communication" in fields:
        step = read_step("communication", fields["communication"], problems)
        if isinstance(step, Communication):
            values |= {"url": step.url, "port": step.port, "timeout": step.timeout}
            if model is not None:
                _check_communication(fields["communication"], step, model, problems)
    if "settings" in fields:
        values["settings"] = _settings(fields["settings"], model, problems)
    return PrinterSetup(**values)


def _address(node: Node, problems: Problems) -> str | None:
    text = problems.text(node, "ip")
    try:
        return None if text is None else read_ip(text)
    except ValueError:
        problems.add(node, f"ip has to be an IPv4 or IPv6 address of one machine, not {describe(node)}")
        return None


def _check_communication(node: Node, step: Communication, model: Profile, problems: Problems) -> None:
    """What the machine refuses on its screen cannot be there from the start either."""
    timeout = model.default_timeout if step.timeout is None else step.timeout
    try:
        CommunicationSettings(step.url, step.port, timeout).validate(model)
    except Refused as refusal:
        where = {"bad-port": "port", "bad-timeout": "timeout", "bad-url": "url"}.get(refusal.reason, "url")
        problems.add(node.get(where) or node, refusal.message, refusal.remedy)


def _settings(node: Node, model: Profile | None, problems: Problems) -> dict[str, Any]:
    """Values in place of the model's own; together with the others they have to make a model."""
    before = len(problems.found)
    found = {key: read_value(key, value, problems) for key, value in problems.map(node, _SETTINGS, "settings").items()}
    if model is not None and len(problems.found) == before:
        for text in contradictions(dataclasses.replace(model, **found)):  # type: ignore[arg-type]
            problems.add(node, text)
    return found


def _steps(node: Node, clock: datetime | None, printer: PrinterSetup, problems: Problems) -> tuple[Step, ...]:
    entries = problems.list(node, "steps")
    found = [step for entry in entries if (step := _step(entry, problems)) is not None]
    wrote = any(entry.get("expect") is not None or entry.get("refused") is not None for entry in entries)
    if entries and not wrote:
        problems.add(node, "the scenario expects nothing", "add an expect step: a run that cannot fail proves nothing")
    _check_policies(entries, printer.policies, problems)
    _check_bundles(entries, problems)
    if clock is not None and printer.timezone is not None and len(found) == len(entries):
        _check_order(list(zip(entries, found, strict=True)), clock, ZoneInfo(printer.timezone), problems)
    return tuple(found)


def _check_policies(entries: Sequence[Node], policies: Sequence[str], problems: Problems) -> None:
    """Report each policy that ``functions`` of an ``expect`` names and the printer does not have."""
    for entry in entries:
        expected = entry.get("expect")
        functions = expected.get("functions") if expected is not None else None
        for key, _ in functions.pairs if functions is not None and functions.kind == "map" else ():
            _, _, policy = str(key.value).partition("/")
            if policy and policy not in policies:
                problems.add(key, f"the printer has no policy {policy!r}", did_you_mean(policy, policies))


def _check_challenges(node: Node, problems: Problems) -> None:
    """Report each challenge that the operator gives where the CA has none that count once."""
    for entry in node.items if node.kind == "list" else ():
        operator = entry.get("ca_operator")
        given = operator.get("give_challenge") if operator is not None else None
        if given is not None:
            text = "this CA has no challenges that count once"
            problems.add(given, text, "set challenge: {one_time: {}} in the section ca")


def _check_bundles(entries: Sequence[Node], problems: Problems) -> None:
    """Report each import of a file that no step before it exports."""
    exported: list[str] = []
    for entry in entries:
        for kind in ("export_bundle", "import_bundle"):
            step = entry.get(kind)
            name = step.get("name") if step is not None else None
            if name is None or not isinstance(name.value, str):
                continue
            if kind == "export_bundle":
                exported.append(name.value)
            elif name.value not in exported:
                problems.add(name, f"no step before this exports {name.value!r}", did_you_mean(name.value, exported))


def _check_order(steps: Sequence[tuple[Node, Step]], clock: datetime, zone: ZoneInfo, problems: Problems) -> None:
    """Report each ``advance_to`` a time that has passed by then, whatever else takes time."""
    earliest = clock
    for entry, step in steps:
        if isinstance(step.act, Advance):
            earliest += timedelta(seconds=step.act.seconds)
        if isinstance(step.act, AdvanceTo):
            instant = step.act.instant(zone)
            if instant < earliest:
                by_then = local_of(earliest, zone)
                text = f"{step.act.local:%Y-%m-%d %H:%M} has passed: it is {by_then:%Y-%m-%d %H:%M} by then"
                problems.add(entry.get("advance_to") or entry, text)
            earliest = max(earliest, instant)


def _step(node: Node, problems: Problems) -> Step | None:
    if node.kind == "scalar" and node.value in STEPS:
        act = read_step(str(node.value), dataclasses.replace(node, value=None), problems)
        return None if act is None else Step(str(node.value), act, node.place)
    kinds = (*STEPS, "expect")
    fields = problems.map(node, (*kinds, "as", "refused", "optional"), "a step")
    chosen = [kind for kind in kinds if kind in fields]
    if len(chosen) != 1:
        if fields or not node.value:
            problems.add(node, f"a step has exactly one of {', '.join(kinds)}")
        return None
    kind = chosen[0]
    if kind == "expect":
        expectation = read_expectation(fields["expect"], problems)
        for extra in ("as", "refused", "optional"):
            if extra in fields:
                problems.add(fields[extra], f"{extra} does not go with expect")
        return None if expectation is None else Step("expect", expectation, node.place)
    act = read_step(kind, fields[kind], problems)
    if not STEPS[kind].person and ("as" in fields or "refused" in fields):
        problems.add(node, f"as and refused do not go with {kind}: nobody does it on the machine's screens")
    if not STEPS[kind].premise and "optional" in fields:
        problems.add(fields["optional"], f"optional does not go with {kind}: it takes nothing for granted")
    optional = "optional" in fields and bool(problems.boolean(fields["optional"], "optional"))
    role = problems.choice(fields["as"], ROLES, "as") if "as" in fields else "administrator"
    refused = problems.text(fields["refused"], "refused") if "refused" in fields else None
    return None if act is None else Step(kind, act, node.place, role or "administrator", refused, optional)
