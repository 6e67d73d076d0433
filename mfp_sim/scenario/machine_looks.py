"""Expectations on the machine's settings, on what it sent, and on its soundness; the table is in ``expectations``."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping

from mfp_sim.device import persistence
from mfp_sim.device.invariants import broken
from mfp_sim.device.printer import Printer
from mfp_sim.device.profile import ALL_USES
from mfp_sim.device.settings import AutoRequestSettings
from mfp_sim.documents import Node, Problems, describe, did_you_mean
from mfp_sim.scenario.menu_look import compare_menu, read_menu
from mfp_sim.scenario.reading import shown_like
from mfp_sim.scenario.world import World

__all__ = ["EMPTY_LOOKS", "LOOKS"]

Difference = tuple[str, str, str]


def _differences(path: str, wanted: object, actual: Mapping[str, object]) -> Iterator[Difference]:
    assert isinstance(wanted, Mapping)
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


_AUTO = tuple(_auto_values(AutoRequestSettings(timer=False)))


def _auto_request(wanted: object, world: World) -> Iterator[Difference]:
    yield from _differences("auto_request", wanted, _auto_values(world.shown.auto_request))


_WIRE = ("operation", "method", "digest", "cipher", "host", "port", "path")


def _wire(wanted: object, world: World) -> Iterator[Difference]:
    sent = [event.data for event in world.events if event.kind == "exchange.request"]
    yield from _differences("wire", _as_recorded(world, "", wanted), sent[-1] if sent else {})


def _as_recorded(world: World, within: str, wanted: object) -> Mapping[str, object]:
    """What is expected of a request, as the trace shows it: a secret in free text is masked on both sides."""
    assert isinstance(wanted, Mapping)
    shown = world.recorder.as_recorded
    return {name: shown("exchange.request", f"{within}{name}", value) for name, value in wanted.items()}


_CSR = ("subject", "signature", "length", "challenge", "challenge_type")


def _csr(wanted: object, world: World) -> Iterator[Difference]:
    made = [event.data["csr"] for event in world.events if "csr" in event.data]
    last = made[-1] if made else {}
    assert isinstance(last, Mapping)
    yield from _differences("csr", _as_recorded(world, "csr.", wanted), last)


def _sound(wanted: object, world: World) -> Iterator[Difference]:
    found = broken(world.printer)
    if bool(wanted) == bool(found):
        yield "sound", str(wanted), "; ".join(found) or "nothing is broken"


def _bundle_report(wanted: object, world: World) -> Iterator[Difference]:
    report = world.shown.import_report
    if list(report) != wanted:
        yield "bundle_report", str(wanted), str(list(report))


def _audit_lacks(wanted: object, world: World) -> Iterator[Difference]:
    assert isinstance(wanted, list)
    lines = [f"{entry.operation} {entry.result}: {entry.diagnosis}" for entry in world.shown.audit]
    for index, text in enumerate(wanted):
        for line in lines:
            if str(text) in line:
                yield f"audit_lacks[{index}]", f"no entry with {text!r}", line


def _advice(wanted: object, world: World) -> Iterator[Difference]:
    if list(world.shown.advice) != wanted:
        yield "advice", str(wanted), str(list(world.shown.advice))


def _model(wanted: object, world: World) -> Iterator[Difference]:
    profile = world.printer.profile
    yield from _differences("model", wanted, {"name": profile.name, "scep": profile.scep})


def _settings_lack(wanted: object, world: World) -> Iterator[Difference]:
    assert isinstance(wanted, list)
    printer = world.shown
    stored = json.dumps(
        [persistence.communication(printer.communication), persistence.auto_request(printer.auto_request)]
    )
    for index, text in enumerate(wanted):
        if json.dumps(text)[1:-1] in stored:
            yield f"settings_lack[{index}]", f"no setting with {text!r}", "one has it"


def _storage_lacks(wanted: object, world: World) -> Iterator[Difference]:
    assert isinstance(wanted, list)
    stored = json.dumps(world.printer.stored, ensure_ascii=False)
    for index, text in enumerate(wanted):
        if json.dumps(text, ensure_ascii=False)[1:-1] in stored:
            yield f"storage_lacks[{index}]", f"nothing stored with {text!r}", "it is stored"


def _audit_entries(wanted: object, world: World) -> Iterator[Difference]:
    assert isinstance(wanted, Mapping)
    entries = [(entry, f"{entry.operation} {entry.result}: {entry.diagnosis}") for entry in world.shown.audit]
    entries = [(entry, line) for entry, line in entries if str(wanted.get("holding", "")) in line]
    if len(entries) != len(wanted["are"]):
        lines = "; ".join(line for _, line in entries[-4:])
        yield "audit_entries.are", f"{len(wanted['are'])} entries", f"{len(entries)}, at the end {lines or 'none'}"
        return
    for index, (value, (entry, line)) in enumerate(zip(wanted["are"], entries, strict=True)):
        path = f"audit_entries.are[{index}]"
        if str(value.get("text", "")) not in line:
            yield f"{path}.text", str(value["text"]), line
        if "time" in value and (got := shown_like(entry.time, world.zone, value["time"])) != value["time"]:
            yield f"{path}.time", value["time"], got


def _read_audit_entries(node: Node, problems: Problems) -> None:
    fields = problems.map(node, ("holding", "are"), "audit_entries", required=("are",))
    if "holding" in fields:
        problems.text(fields["holding"], "holding")
    for entry in problems.list(fields["are"], "are") if "are" in fields else ():
        inner = problems.map(entry, ("text", "time"), "an entry")
        if "text" in inner:
            problems.text(inner["text"], "text")
        if "time" in inner:
            problems.moment(inner["time"], "time", offset=True)


OFF, WITHOUT_KEY = "off", "without-key"
"""What a function is that uses no key: switched off, or on and without one. """


def _functions(wanted: object, world: World) -> Iterator[Difference]:
    assert isinstance(wanted, Mapping)
    for name, value in wanted.items():
        got = _function(name, world.printer)
        if got != value:
            yield f"functions.{name}", str(value), got


def _function(name: str, printer: Printer) -> str:
    """The key that a function uses under its policy; of IPSec without one, those under all of them."""
    use = name.partition("/")[0]
    if not printer.powered or use not in printer.functions:
        return OFF
    keys = [key for used, key in printer.functions_in_use().items() if used == name or used.startswith(f"{name}/")]
    return ", ".join(keys) or WITHOUT_KEY


def _r_functions(node: Node, problems: Problems) -> None:
    if node.kind != "map":
        problems.add(node, f"functions has to be a map, not {describe(node)}")
        return
    uses = ALL_USES[1:]
    for key, value in node.pairs:
        use, slash, policy = str(key.value).partition("/")
        if use not in uses or (slash and (use != "IPSec" or not policy)):
            problems.add(key, f"there is no function {key.value!r}", did_you_mean(str(key.value), uses))
        problems.text(value, str(key.value))


Reader = Callable[[Node, Problems], None]
Comparison = Callable[[object, World], Iterator[Difference]]


def _map_of(names: tuple[str, ...], what: str) -> Reader:
    def read(node: Node, problems: Problems) -> None:
        problems.map(node, names, what)

    return read


def _boolean(node: Node, problems: Problems) -> None:
    problems.boolean(node, "sound")


def _texts(node: Node, problems: Problems) -> None:
    for entry in problems.list(node, "texts"):
        problems.text(entry, "an entry")


LOOKS: Mapping[str, tuple[Reader, Comparison, str]] = {
    "functions": (
        _r_functions,
        _functions,
        "which key each function uses; off, or without-key for one that is on and has none",
    ),
    "auto_request": (_map_of(_AUTO, "auto_request"), _auto_request, "the stored settings of the automatic request"),
    "wire": (_map_of(_WIRE, "wire"), _wire, "how the last request went out"),
    "csr": (_map_of(_CSR, "csr"), _csr, "what the last CSR said; challenge is present or absent"),
    "sound": (_boolean, _sound, "keys fit, the limit holds, the Default Key is there, one key for each use"),
    "bundle_report": (_texts, _bundle_report, "what the last import said of each item"),
    "advice": (_texts, _advice, "the help texts that applied to the key entered last"),
    "model": (_map_of(("name", "scep"), "model"), _model, "what the machine says of itself: name and SCEP versions"),
    "settings_lack": (_texts, _settings_lack, "texts that no stored setting must hold"),
    "menu": (read_menu, compare_menu, "the Remote UI's menu, walked from the portal by its labels"),
    "storage_lacks": (_texts, _storage_lacks, "texts that the machine's storage must not hold anywhere"),
    "audit_entries": (
        _read_audit_entries,
        _audit_entries,
        "the entries of the audit log, or those that hold a text: how many, in order, each with a text and a time",
    ),
    "audit_lacks": (_texts, _audit_lacks, "texts that the audit log must not hold"),
}
EMPTY_LOOKS: Mapping[str, Mapping[str, str]] = {
    "bundle_report": {"": "the last import did nothing, or there was none"},
    "advice": {"": "no help text applied"},
    "audit_entries": {"are": "there is no entry"},
    "menu": {"path": "the portal itself", "items": "there is nothing"},
    "waiting": {"": "nothing waits"},
    "orphans": {"": "there is none"},
}
"""What an empty list asserts, as in the table of expectations."""
