"""Reads scenario files into values, and reports all mistakes of a file at once, each with ``file:line:column``.

A scenario without an expectation does not load; an unknown key is a mistake with "did you mean".
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from mfp_sim.device.local_time import local_of
from mfp_sim.device.printer_profile import ALL_USES, PROFILES, ModelValues, contradictions
from mfp_sim.device.settings import Address, CommunicationSettings
from mfp_sim.scenario.composing import changed, with_includes, with_parts
from mfp_sim.scenario.entries import StepEntry
from mfp_sim.scenario.model import Scenario
from mfp_sim.scenario.parameters import NAME, ParameterSets, instances, with_parameters
from mfp_sim.scenario.setting import PrinterSetup
from mfp_sim.scenario.steps import Advance, AdvanceTo, Communication, Step
from mfp_sim.shared.catalogue.registry import assumptions, known_ids
from mfp_sim.shared.documents import Node, Problems, did_you_mean, load, load_text, node_of, plain
from mfp_sim.shared.documents.kinds import Definitions, Duration, Leaf, Pattern, Scalar, Schema, Text, Within, Words
from mfp_sim.shared.documents.records import (
    Constraint,
    Doc,
    Given,
    Length,
    document,
    read,
    record_of,
    schema_of,
)
from mfp_sim.shared.errors import DocumentError, Problem, Refused, UsageError
from mock_scep_server.setup import CaSection, CaSetup

__all__ = [
    "WrittenPrinter",
    "WrittenScenario",
    "load_file",
    "read_document",
    "read_text",
    "scenario_schema",
    "written_document",
]


def load_file(path: Path, changes: Sequence[str] = ()) -> list[Scenario]:
    """All scenarios of a file, with the changes of ``--set`` made in it.

    Raises:
        UsageError: a change cannot be made in it.
        DocumentError: all its mistakes; that it cannot be read is one.
    """
    return _scenarios(_read(path), str(path), changes)


def _read(path: Path) -> Node:
    """The document in a file, which only a regular file holds: a FIFO would never end.

    Raises:
        DocumentError: all its mistakes.
    """
    name = str(path).encode("utf-8", "backslashreplace").decode()
    wrong = None
    try:
        if name != str(path):
            wrong = "the name of the file is not UTF-8"
        elif path.is_file():
            return load(path)
        elif path.is_dir():
            os.scandir(path).close()
            wrong = "it is a directory"
        else:
            wrong = "it is a link to a file that does not exist" if not path.exists() else "it is not a regular file"
    except OSError as error:
        wrong = f"cannot read it: {error.strerror}"
    except UsageError as error:
        wrong = error.message
    raise DocumentError([Problem(name, 1, 1, wrong)])


def read_text(text: str, file: str = "<text>") -> list[Scenario]:
    """All scenarios of a text; ``file`` is the name that errors begin with."""
    return _scenarios(load_text(text, file), file)


def read_document(document: Mapping[str, object], file: str = "<document>") -> list[Scenario]:
    """All scenarios of a file's content as plain values; errors have no line."""
    return _scenarios(node_of(document, file), file)


def written_document(scenario: Scenario) -> dict[str, object]:
    """What the file says of a scenario that was loaded from it, with its parameters and parts put in: everything that
    affects its run, and not its name or what it is about."""
    problems = Problems()
    suffix = scenario.name[scenario.name.find("[") :] if "[" in scenario.name else ""
    root = dict(instances(with_includes(load(Path(scenario.file)), problems), problems))[suffix]
    whole = plain(root)
    assert isinstance(whole, dict)
    return {key: value for key, value in whole.items() if key not in _TOLD}


def _scenarios(root: Node, file: str, changes: Sequence[str] = ()) -> list[Scenario]:
    problems = Problems()
    root = changed(with_includes(root, problems), changes)
    found = [_scenario(node, suffix, file, problems) for suffix, node in instances(root, problems)]
    if problems.found:
        # Instances share their lines: a mistake outside the parameters is reported once.
        raise DocumentError(list(dict.fromkeys(problems.found)))
    return [scenario for scenario in found if scenario is not None]


@dataclass(frozen=True)
class _Id(Leaf):
    """An entry of the catalogue; ``table`` gives those that may be named."""

    table: Callable[[], Collection[str]]

    def value(self, node: Node, problems: Problems, what: str) -> object:
        text, known = problems.text(node, what), self.table()
        if text is not None and text not in known:
            problems.add(node, f"the catalogue has no {text!r}", did_you_mean(text, known))
            return None
        return text

    def schema(self, found: Definitions) -> Schema:  # noqa: ARG002 - every kind is asked the same
        return {"type": "string"}


class _Clock(Leaf):
    """A time with a zone."""

    def value(self, node: Node, problems: Problems, what: str) -> object:
        text = problems.text(node, what)
        try:
            clock = datetime.fromisoformat(text) if text else None
        except ValueError:
            clock = None
        if clock is None or clock.tzinfo is None:
            text = f"{what} has to be a time with a zone, not {text!r}"
            problems.add(node, text, "write 2026-03-02T08:00:00+01:00")
            return None
        return clock if problems.year(node, clock, what) else None

    def schema(self, found: Definitions) -> Schema:  # noqa: ARG002
        return {"type": "string", "pattern": r"^\d{4}-.*([Zz]|[+-]\d\d:?\d\d.*)$"}


# --- sections ---------------------------------------------------------------------------------------------


def _is_a_machine(given: Given, problems: Problems) -> None:
    """Refuse initial settings that the printer refuses on its screen, and values that do not make a model."""
    model = PROFILES.get(given.values.get("profile", PrinterSetup.profile))
    if model is None:
        return
    step = given.values.get("communication")
    if step is not None:
        timeout = model.default_timeout if step.timeout is None else step.timeout
        try:
            CommunicationSettings(step.url, step.port, timeout).validate(model)
        except Refused as refusal:
            where = {"bad-port": "port", "bad-timeout": "timeout"}.get(refusal.reason, "url")
            node = given.keys["communication"]
            problems.add(node.get(where) or node, refusal.message, refusal.remedy)
    settings = given.values.get("settings", {})
    for text in contradictions(dataclasses.replace(model, **settings)) if settings else ():
        problems.add(given.keys["settings"], text)


@document("printer", Constraint({}, _is_a_machine))
@dataclass(frozen=True)
class WrittenPrinter:
    """The section ``printer``."""

    profile: Annotated[str, Words(lambda: PROFILES)] = PrinterSetup.profile
    timezone: Annotated[str, Scalar(Problems.zone, {"type": "string"})] = PrinterSetup.timezone
    ip: Annotated[str, Address()] = PrinterSetup.ip
    dns: bool = PrinterSetup.dns
    functions: tuple[Annotated[str, Words(lambda: ALL_USES[1:])], ...] = ()
    policies: tuple[str, ...] = ()
    serial: str = PrinterSetup.serial
    communication: Communication | None = None
    settings: Annotated[Mapping[str, object], ModelValues()] = field(default_factory=dict)

    def made(self, place: str) -> PrinterSetup:
        """The set-up; ``place`` is named if the printer refuses it."""
        values = {name: value for name, value in vars(self).items() if name != "communication"}
        stored = {} if self.communication is None else vars(self.communication)
        return PrinterSetup(**values, **stored, place=place)


@document("a printer")
@dataclass(frozen=True)
class WrittenNeighbour:
    """An entry of ``printers``; keys that it does not set are as in ``printer``."""

    serial: Annotated[str, Text()]
    ip: Annotated[str, Address()]
    profile: Annotated[str | None, Words(lambda: PROFILES)] = None
    timezone: Annotated[str | None, Scalar(Problems.zone, {"type": "string"})] = None
    dns: bool | None = None
    functions: tuple[Annotated[str, Words(lambda: ALL_USES[1:])], ...] | None = None
    policies: tuple[str, ...] | None = None
    communication: Communication | None = None
    settings: Annotated[Mapping[str, object] | None, ModelValues()] = None
    place: str = ""

    def made(self, first: PrinterSetup) -> PrinterSetup:
        """The set-up of a further printer."""
        said = {name: value for name, value in vars(self).items() if value is not None and name != "communication"}
        return dataclasses.replace(first, **said, **(vars(self.communication) if self.communication else {}))


@document("bounds")
@dataclass(frozen=True)
class _Bounds:
    virtual: Annotated[float, Duration()] = Scenario.virtual_seconds
    events: Annotated[int, Within(1)] = Scenario.events


def _steps_go_together(given: Given, problems: Problems) -> None:
    """Check steps against each other, the printer and the CA."""
    steps = given.keys.get("steps")
    if steps is None or steps.kind != "list":
        return
    entries, values = steps.items, {"printer": WrittenPrinter(), "printers": (), "ca": CaSetup(), **given.values}
    if entries and not any(entry.get("expect") or entry.get("refused") for entry in entries):
        problems.add(
            steps, "the scenario has no expectation", "add an expect step: a run that cannot fail proves nothing"
        )
    _check_bundles(entries, problems)
    _check_serials(given, entries, problems)
    wrong = given.keys.keys() - given.values.keys()
    right = {key: value for key, value in values.items() if key not in wrong}
    if "ca" in right and right["ca"].policy.challenge.kind != "one_time":
        _check_challenges(entries, problems)
    if {"printer", "printers"} <= right.keys():
        first = right["printer"].made("")
        machines = {other.serial: other.made(first) for other in right["printers"]}
        _check_policies(entries, first, machines, problems)
        if {"steps", "clock"} <= right.keys():
            zones = {serial: machine.timezone for serial, machine in machines.items()}
            pairs = list(zip(entries, right["steps"], strict=True))
            _check_order(pairs, right["clock"], lambda s: ZoneInfo(zones.get(s or "", first.timezone)), problems)


@document("a scenario", Constraint({}, _steps_go_together))
@dataclass(frozen=True)
class WrittenScenario:
    """A scenario as written in a file, or one instance of it."""

    format: Annotated[int, Scalar(Problems.version, {"const": 1}), Doc("the version of this format")]
    name: Annotated[str, Pattern(NAME, "small letters, digits and single hyphens"), Doc("unique")]
    why: Annotated[str, Doc("what the scenario shows, in one sentence")]
    clock: Annotated[datetime, _Clock(), Doc("the start of the frozen clock, with its time zone")]
    steps: Annotated[tuple[Annotated[Step, StepEntry()], ...], Length(1)]
    covers: Annotated[tuple[Annotated[str, _Id(known_ids)], ...], Doc("requirement ids (MFP-…, SCEP-…)")] = ()
    assumes: Annotated[
        tuple[Annotated[str, _Id(assumptions)], ...], Doc("assumptions that the result depends on (A-nn)")
    ] = ()
    tags: tuple[str, ...] = ()
    seed: Annotated[int, Within(0)] = Scenario.seed
    keys: Annotated[Literal["pool", "generate"], Doc("keys from the built-in pool, or newly generated ones")] = (
        Scenario.keys
    )
    bounds: _Bounds = _Bounds()
    parameters: Annotated[
        None, ParameterSets(), Doc("sets of values for $words; each makes one instance of the scenario")
    ] = None
    printer: WrittenPrinter = WrittenPrinter()
    printers: Annotated[
        tuple[WrittenNeighbour, ...], Doc("further printers; what they do not set is as in printer")
    ] = ()
    ca: Annotated[CaSetup, CaSection()] = field(default_factory=CaSetup)


def scenario_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of a file. The loader finds more mistakes; the schema helps while writing."""
    return with_parameters(with_parts(schema_of(record_of(WrittenScenario), "mfp-sim scenario")))


def _scenario(root: Node, suffix: str, file: str, problems: Problems) -> Scenario | None:
    written = read(WrittenScenario, root, problems)
    if written is None:
        return None
    printer = root.get("printer")
    place = "" if printer is None else (printer.get("communication") or printer).place
    first = written.printer.made(place)
    own = ("why", "clock", "steps", "covers", "assumes", "tags", "seed", "keys", "ca")
    return Scenario(
        name=written.name + suffix,
        file=file,
        printer=first,
        others=tuple(other.made(first) for other in written.printers),
        virtual_seconds=written.bounds.virtual,
        events=written.bounds.events,
        digest=_digest(root),
        **{key: getattr(written, key) for key in own},
    )


_TOLD = ("name", "why", "covers", "assumes", "tags")
"""The keys that describe a scenario and do not affect its run."""


def _digest(root: Node) -> str:
    """SHA-256 of everything that affects the run, independent of layout and comments."""
    deciding = [(str(key.value), _plain(value)) for key, value in root.pairs if key.value not in _TOLD]
    return hashlib.sha256(json.dumps(sorted(deciding), default=str).encode()).hexdigest()


def _plain(node: Node) -> object:
    if node.kind == "map":
        return {"map": [(str(key.value), _plain(value)) for key, value in node.pairs]}
    return [_plain(entry) for entry in node.items] if node.kind == "list" else (node.value, node.quoted)


# --- what goes together ------------------------------------------------------------------------------------


def _check_serials(given: Given, entries: Sequence[Node], problems: Problems) -> None:
    """Report each duplicate serial number, and each step about a printer that does not exist yet."""
    first = given.node.get("printer")
    known = [PrinterSetup.serial if (node := first and first.get("serial")) is None else str(node.value)]
    others = given.keys.get("printers")
    for other in others.items if others is not None and others.kind == "list" else ():
        serial = other.get("serial")
        if serial is not None and serial.value in known:
            problems.add(serial, f"another printer has the serial number {serial.value!r} too")
        known += [] if serial is None else [str(serial.value)]
    for entry in entries:
        about, more = entry.get("printer"), entry.get("another_printer")
        if about is not None and isinstance(about.value, str) and about.value not in known:
            problems.add(about, f"there is no printer {about.value!r} at this step", did_you_mean(about.value, known))
        if more is not None and (serial := more.get("serial")) is not None:
            if serial.value in known:
                problems.add(serial, f"another printer has the serial number {serial.value!r} too")
            known.append(str(serial.value))


def _check_policies(
    entries: Sequence[Node], first: PrinterSetup, machines: Mapping[str, PrinterSetup], problems: Problems
) -> None:
    """Report each policy that ``functions`` of an ``expect`` names and its printer does not have."""
    for entry in entries:
        about = entry.get("printer")
        policies = (first if about is None else machines.get(str(about.value), first)).policies
        expected = entry.get("expect")
        functions = expected.get("functions") if expected is not None else None
        for key, _ in functions.pairs if functions is not None and functions.kind == "map" else ():
            _, _, policy = str(key.value).partition("/")
            if policy and policy not in policies:
                problems.add(key, f"the printer has no policy {policy!r}", did_you_mean(policy, policies))


def _check_challenges(entries: Sequence[Node], problems: Problems) -> None:
    """Report each challenge that the operator gives to a CA without one-time challenges."""
    for entry in entries:
        operator = entry.get("ca_operator")
        given = operator.get("give_challenge") if operator is not None else None
        if given is not None:
            text = "this CA has no one-time challenges"
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


def _check_order(
    steps: Sequence[tuple[Node, Step]], clock: datetime, zone_of: Callable[[str | None], ZoneInfo], problems: Problems
) -> None:
    """Report each ``advance_to`` a time that has certainly passed at that step."""
    earliest = clock
    for entry, step in steps:
        if isinstance(step.act, Advance):
            earliest += timedelta(seconds=step.act.seconds)
        if isinstance(step.act, AdvanceTo):
            zone = zone_of(step.printer)
            instant = step.act.instant(zone)
            if instant < earliest:
                by_then = local_of(earliest, zone)
                text = f"{step.act.local:%Y-%m-%d %H:%M} has passed: at this step it is {by_then:%Y-%m-%d %H:%M}"
                problems.add(entry.get("advance_to") or entry, text)
            earliest = max(earliest, instant)
