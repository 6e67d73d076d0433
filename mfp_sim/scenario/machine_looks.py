"""Expectations about the printer's settings, its requests, and its soundness; the table is in ``expectations``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, TypedDict

from mfp_sim.device.invariants import broken
from mfp_sim.device.printer import Printer
from mfp_sim.device.printer_profile import ALL_USES
from mfp_sim.device.settings import AutoRequestSettings
from mfp_sim.events import content
from mfp_sim.scenario.menu_look import compare_menu
from mfp_sim.scenario.shapes import SOMETHING, Count, Mismatch, SomeText, Texts, Time, shown_like
from mfp_sim.scenario.world import World
from mfp_sim.shared.documents import Node, Problems, did_you_mean
from mfp_sim.shared.documents.kinds import Definitions, Leaf, Pattern, Schema, Words
from mfp_sim.shared.documents.records import Length, document, record_of
from mfp_sim.shared.scep.algorithms import CIPHERS, HASHES

__all__ = ["LOOKS", "LOOKS_FOR_TEXTS"]


def _differences(path: str, wanted: Mapping[str, object], actual: Mapping[str, object]) -> Iterator[Mismatch]:
    for name, value in wanted.items():
        if actual.get(name) != value:
            yield f"{path}.{name}", str(value), str(actual.get(name))


def _auto_values(settings: AutoRequestSettings) -> dict[str, object]:
    key, polling = settings.key, settings.polling
    found: dict[str, object] = {
        "timer": settings.timer,
        "start": f"{settings.start:%Y-%m-%d %H:%M}" if settings.start else "none",
        "adjust": settings.adjust,
        "restart": settings.restart,
        "delete_old": settings.delete_old,
        "every_days": settings.every_days or "none",
        "poll_count": polling.count if polling else "none",
        "poll_minutes": polling.minutes if polling else "none",
        "key": key.name if key else "none",
        "challenge": "set" if key and key.challenge else "none",
    }
    names = ("common_name", "organization", "length", "signature", "use")
    return found | {name: getattr(key, name) if key else "none" for name in names}


NUMBER = Count | Literal["none"]


@document("", SOMETHING)
class AutoRequestLook(TypedDict, total=False):
    """The settings of the automatic request, as they are stored."""

    timer: bool
    start: Annotated[str, Pattern(r"\d{4}-\d\d-\d\d \d\d:\d\d", "YYYY-MM-DD HH:MM")] | Literal["none"]
    adjust: bool
    restart: bool
    delete_old: bool
    every_days: NUMBER
    poll_count: NUMBER
    poll_minutes: NUMBER
    key: SomeText
    challenge: Literal["set", "none"]
    common_name: SomeText
    organization: SomeText
    length: NUMBER
    signature: SomeText
    use: Annotated[str, Words(lambda: (*ALL_USES, "none"))]


def _auto_request(wanted: AutoRequestLook, world: World) -> Iterator[Mismatch]:
    yield from _differences("auto_request", wanted, _auto_values(world.shown.auto_request))


@document("", SOMETHING)
class WireLook(TypedDict, total=False):
    """How a request is sent."""

    operation: Literal["GetCACaps", "GetCACert", "PKCSReq", "RenewalReq", "CertPoll"]
    method: Literal["GET", "POST"]
    digest: Annotated[str, Words(lambda: HASHES)]
    cipher: Annotated[str, Words(lambda: CIPHERS)]
    host: SomeText
    port: Count
    path: SomeText


def _wire(wanted: WireLook, world: World) -> Iterator[Mismatch]:
    sent = world.last_request
    yield from _differences("wire", wanted, {} if sent is None else content(sent))


@document("", SOMETHING)
class CsrLook(TypedDict, total=False):
    """The contents of a CSR; ``length`` in bits."""

    subject: SomeText
    signature: Annotated[str, Words(lambda: HASHES)]
    length: Count
    challenge: Literal["present", "absent"]
    challenge_type: SomeText


def _csr(wanted: CsrLook, world: World) -> Iterator[Mismatch]:
    made = world.last_csr
    yield from _differences("csr", wanted, {} if made is None else vars(made))


def _sound(wanted: bool, world: World) -> Iterator[Mismatch]:
    found = broken(world.printer)
    if wanted == bool(found):
        yield "sound", str(wanted), "; ".join(found) or "the state is sound"


def _bundle_report(
    wanted: Annotated[list[SomeText], Length(0, "there was no import, or the last one did nothing")], world: World
) -> Iterator[Mismatch]:
    report = [str(said) for said in world.shown.import_report]
    if report != wanted:
        yield "bundle_report", str(wanted), str(report)


def _audit_lacks(wanted: Texts, world: World) -> Iterator[Mismatch]:
    lines = [f"{entry.operation} {entry.result}: {entry.diagnosis}" for entry in world.shown.audit]
    for index, text in enumerate(wanted):
        for line in lines:
            if text in line:
                yield f"audit_lacks[{index}]", f"no entry with {text!r}", line


def _advice(wanted: Annotated[list[SomeText], Length(0, "no help text applied")], world: World) -> Iterator[Mismatch]:
    advice = [str(said) for said in world.shown.advice]
    if advice != wanted:
        yield "advice", str(wanted), str(advice)


@document("", SOMETHING)
class Model(TypedDict, total=False):
    """What the printer reports about itself; ``scep``: the versions."""

    name: SomeText
    scep: SomeText


def _model(wanted: Model, world: World) -> Iterator[Mismatch]:
    profile = world.printer.profile
    yield from _differences("model", wanted, {"name": profile.name, "scep": profile.scep})


def _settings_lack(wanted: Texts, world: World) -> Iterator[Mismatch]:
    printer = world.shown
    settings = [record_of(type(part)).write(part) for part in (printer.communication, printer.auto_request) if part]
    stored = json.dumps(settings)
    for index, text in enumerate(wanted):
        if json.dumps(text)[1:-1] in stored:
            yield f"settings_lack[{index}]", f"no setting with {text!r}", "a setting contains it"


def _storage_lacks(wanted: Texts, world: World) -> Iterator[Mismatch]:
    stored = json.dumps(dict(world.printer.stored or {}), ensure_ascii=False)
    for index, text in enumerate(wanted):
        if json.dumps(text, ensure_ascii=False)[1:-1] in stored:
            yield f"storage_lacks[{index}]", f"nothing stored with {text!r}", "it is stored"


@document("", SOMETHING)
class AuditLook(TypedDict, total=False):
    """An entry of the audit log: a part of its line, and its local time."""

    text: SomeText
    time: Time


@dataclass(frozen=True)
class AuditEntries:
    """The entries whose line holds a text, or all."""

    are: Annotated[list[AuditLook], Length(0, "there is no entry")]
    holding: SomeText = ""


def _audit_entries(wanted: AuditEntries, world: World) -> Iterator[Mismatch]:
    entries = [(entry, f"{entry.operation} {entry.result}: {entry.diagnosis}") for entry in world.shown.audit]
    entries = [(entry, line) for entry, line in entries if wanted.holding in line]
    if len(entries) != len(wanted.are):
        lines = "; ".join(line for _, line in entries[-4:])
        yield "audit_entries.are", f"{len(wanted.are)} entries", f"{len(entries)}, at the end {lines or 'none'}"
        return
    for index, (value, (entry, line)) in enumerate(zip(wanted.are, entries, strict=True)):
        path = f"audit_entries.are[{index}]"
        if value.get("text", "") not in line:
            yield f"{path}.text", value["text"], line
        if "time" in value and (got := shown_like(entry.time, world.zone, value["time"])) != value["time"]:
            yield f"{path}.time", value["time"], got


OFF, WITHOUT_KEY = "off", "without-key"
"""A function that uses no key: switched off, or on without a key. """


class _FunctionName(Leaf):
    """A function of the printer; IPSec also with a policy, ``IPSec/branch``."""

    def value(self, node: Node, problems: Problems, what: str) -> object:  # noqa: ARG002 - every kind is asked the same
        uses = ALL_USES[1:]
        use, slash, policy = str(node.value).partition("/")
        if use not in uses or (slash and (use != "IPSec" or not policy)):
            problems.add(node, f"there is no function {node.value!r}", did_you_mean(str(node.value), uses))
            return None
        return node.value

    def schema(self, found: Definitions) -> Schema:  # noqa: ARG002
        return {"anyOf": [{"enum": list(ALL_USES[1:])}, {"type": "string", "pattern": "^IPSec/."}]}


Functions = Annotated[Mapping[Annotated[str, _FunctionName()], SomeText], Length(1)]


def _functions(wanted: Functions, world: World) -> Iterator[Mismatch]:
    for name, value in wanted.items():
        got = _function(name, world.printer)
        if got != value:
            yield f"functions.{name}", str(value), got


def _function(name: str, printer: Printer) -> str:
    """The key that a function uses under its policy; for IPSec without a policy, the keys under all policies."""
    use = name.partition("/")[0]
    if not printer.powered or use not in printer.functions:
        return OFF
    keys = [key for used, key in printer.functions_in_use().items() if used == name or used.startswith(f"{name}/")]
    return ", ".join(keys) or WITHOUT_KEY


LOOKS_FOR_TEXTS = (_audit_entries, _audit_lacks, _settings_lack, _storage_lacks, compare_menu)
"""Comparisons that search for a text within another one."""

LOOKS: Mapping[str, tuple[Callable[[Any, World], Iterator[Mismatch]], str, str]] = {
    "functions": (
        _functions,
        "the key that each function uses; off, or without-key for a function that is on without a key",
        "{TLS: tls, IPSec: off}",
    ),
    "auto_request": (
        _auto_request,
        "the stored settings of the automatic request",
        "{timer: true, start: 2026-03-02 09:00, poll_count: 3, challenge: set}",
    ),
    "wire": (
        _wire,
        "how the last request went out",
        "{operation: PKCSReq, method: POST, digest: sha256, cipher: aes-128-cbc}",
    ),
    "csr": (
        _csr,
        "the contents of the last CSR; challenge is present or absent",
        '{subject: "CN=192.0.2.10", length: 2048, challenge: present}',
    ),
    "sound": (
        _sound,
        "the printer's state is consistent: keys fit, the limit holds, the Default Key exists, one key per use",
        "true",
    ),
    "bundle_report": (_bundle_report, "what the last import reported for each item", "[]"),
    "advice": (_advice, "the help texts shown for the key entered last", "[]"),
    "model": (_model, "what the printer reports about itself: name and SCEP versions", "{name: canon-ir-adv-dx}"),
    "settings_lack": (_settings_lack, "texts that no stored setting may contain", "[s3cret]"),
    "menu": (
        compare_menu,
        "the Remote UI's menu, at a path of labels from the portal",
        "{as: user, path: [Settings/Registration, Device Management], items: []}",
    ),
    "storage_lacks": (_storage_lacks, "texts that the printer's storage may not contain anywhere", "[s3cret]"),
    "audit_entries": (
        _audit_entries,
        "the entries of the audit log, or those that contain a text: their number, or each with a text and a time",
        "{holding: registered, are: [{time: 2026-03-02 09:00}, {text: tls, time: 2026-03-03 09:00}]}",
    ),
    "audit_lacks": (_audit_lacks, "texts that the audit log may not contain", "[key deleted]"),
}
