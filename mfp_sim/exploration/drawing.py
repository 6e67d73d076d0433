"""Draws cases: scenarios as plain documents, from a seed.

Owns what can be drawn, and how likely it is. It runs nothing. The loader decides whether a document is a scenario: a
drawn part that it refuses is drawn again.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from mfp_sim.device.power import NAMES as POWER_POINTS
from mfp_sim.device.printer import SCREENS
from mfp_sim.device.printer_profile import PROFILES as PRINTERS
from mfp_sim.device.printer_profile import ModelValues
from mfp_sim.device.readings import OTHER_VALUES
from mfp_sim.exploration.drawing_ca import CHALLENGE, ca_of, script_of
from mfp_sim.exploration.draws import Document, Draw
from mfp_sim.scenario.loader import read_document
from mfp_sim.scenario.model import Scenario
from mfp_sim.shared.documents import load_text, plain
from mfp_sim.shared.errors import DocumentError
from mfp_sim.shared.simtime import Entropy

__all__ = ["MODEL_VALUES", "Space", "clock_of", "drawn", "printer_of", "scenario_of", "serials_of", "steps_of", "whole"]

T = TypeVar("T")
WRONG_CHALLENGE, BUNDLE_PASSWORD = "not-the-s3cret", "drawn-b4ndle"
_SERIALS = ("MFP00001", "MFP00002", "MFP00003")
_TRIES = 50


@dataclass(frozen=True)
class Space:
    """What may be drawn: at most ``printers`` at once, only of ``models`` (empty: of all)."""

    printers: int = 2
    models: tuple[str, ...] = ()


# --- values -----------------------------------------------------------------------------------------------

_CLOCKS = {
    "2026-03-02T08:00:00+01:00": 6,
    "2026-03-28T20:30:00+01:00": 2,  # summer time begins in Europe
    "2026-10-24T22:00:00+02:00": 2,  # it ends
    "2026-12-31T23:30:00+01:00": 1,
    "2028-02-28T12:00:00+00:00": 1,
}
_ZONES = {"Europe/Oslo": 6, "UTC": 1, "America/New_York": 1, "Asia/Kathmandu": 1, "Australia/Lord_Howe": 1}
_SPANS = {"1s": 3, "5s": 3, "31s": 3, "59s": 1, "1m": 3, "2m": 2, "5m": 2, "10m": 5, "11m": 4, "30m": 2, "1h": 3,
          "1d": 2, "2d": 1, "31d": 1}  # fmt: skip
_STARTS = {"1s": 2, "1m": 4, "5m": 2, "30m": 2, "1d": 1}
_USES: tuple[tuple[str, str | None], ...] = (
    ("TLS", None), ("TLS", None), ("TLS", None), ("IEEE 802.1X", None), ("IPSec", "hq"), ("IPSec", "branch"),
    ("None", None),
)  # fmt: skip
_NAMES = ("tls", "web", "third")
_COMMON_NAMES = {"192.0.2.10": 6, "192.0.2.11": 2, "printer.example.com": 2, "2001:db8::10": 1}
_ORGANIZATIONS = {"": 5, "Example": 2, "Ørsted & Søn, Ltd.": 1, "株式会社例": 1}
_LENGTHS = {1024: 8, 2048: 3, 4096: 1}
_HASHES = {"SHA256": 6, "SHA1": 1, "SHA384": 1, "SHA512": 1}
_NETWORK = ("refused", "unreachable", "no-such-host", "silent", "up")
_ROLES = {"administrator": 16, "user": 1, "device-admin": 1, "network-admin": 1, "logged-out": 1}


_ODD_KEYS: Sequence[Document] = (
    {"name": "no/slash"}, {"name": "x" * 25}, {"common_name": "not a host"}, {"common_name": "x" * 65},
    {"common_name": "x" * 64}, {"name": "x" * 24}, {"organization": "x" * 64}, {"common_name": "a\u200fb"},
    {"organization": "x" * 65}, {"organization": "a\u0007b"}, {"length": 512}, {"signature": "MD5"}, {"use": "SIP"},
    {"use": "IPSec", "policy": "nowhere"}, {"use": "IPSec"}, {"use": "TLS", "policy": "hq"},
)  # fmt: skip
"""Values that a printer may refuse."""
_ODD_SETTINGS: Sequence[Document] = (
    {"polling": {"count": 0, "interval": "10m"}}, {"polling": {"count": 101, "interval": "10m"}},
    {"polling": {"count": 2, "interval": "1441m"}}, {"every": "366d"}, {"start": "2020-01-01 00:00", "start_in": None},
    {"start_in": None}, {"key": None}, {"start": "2199-12-31 23:59", "start_in": None},
)  # fmt: skip


def _key(draw: Draw) -> Document:
    use, policy = draw.one_of(_USES)
    key: Document = {"name": draw.one_of(_NAMES), "common_name": draw.weighted(_COMMON_NAMES)}
    if organization := draw.weighted(_ORGANIZATIONS):
        key["organization"] = organization
    if (length := draw.weighted(_LENGTHS)) != 2048:
        key["length"] = length
    if (signature := draw.weighted(_HASHES)) != "SHA256":
        key["signature"] = signature
    key["use"] = use
    if policy is not None:
        key["policy"] = policy
    if (challenge := draw.weighted({CHALLENGE: 16, WRONG_CHALLENGE: 2, "": 1, "x" * 300: 1})) != "":
        key["challenge"] = challenge
    if draw.chance(5):
        key |= draw.one_of(_ODD_KEYS)
    return key


def clock_of(draw: Draw) -> str:
    """The time at which a case begins."""
    return draw.weighted(_CLOCKS)


def _span(draw: Draw) -> str:
    return draw.weighted(_SPANS)


# --- steps ------------------------------------------------------------------------------------------------


def _request(draw: Draw) -> list[Document]:
    if draw.chance(60):
        return [{"request": _key(draw)}]
    return [{"request": {**_key(draw), "wait": False}}, {"advance": _span(draw)}]


def _auto(draw: Draw) -> list[Document]:
    if draw.chance(12):
        return [{"auto_request": {"timer": False}}]
    settings: Document = {"start_in": draw.weighted(_STARTS)}
    if draw.chance(60):
        settings["polling"] = {"count": draw.one_of((1, 2, 3, 5)), "interval": draw.one_of(("1m", "10m", "10m", "1h"))}
    if draw.chance(55):
        settings["every"] = draw.one_of(("1d", "1d", "7d", "30d"))
    for flag, percent in (("adjust", 20), ("restart", 30), ("delete_old", 40)):
        if draw.chance(percent):
            settings[flag] = True
    settings["key"] = _key(draw)
    if draw.chance(6):
        settings |= draw.one_of(_ODD_SETTINGS)
        settings = {name: value for name, value in settings.items() if value is not None}
    return [{"auto_request": settings}, {"advance": _span(draw)}]


_SLOW: Sequence[Document] = (
    {"when": {"operation": "PKIOperation"}, "faults": [{"delay": "20s"}], "optional": True},
    {"when": {"type": "PKCSReq"}, "faults": [{"delay": "20s"}], "optional": True},
    {"when": {"type": "CertPoll"}, "faults": [{"delay": "20s"}], "optional": True},
    {"when": {"operation": "GetCACert"}, "faults": [{"delay": "20s"}], "optional": True},
    {"when": {"type": "PKCSReq"}, "then": "pending", "faults": [{"delay": "20s"}], "times": 1, "optional": True},
)


def _interrupted(draw: Draw) -> list[Document]:
    """Something happens while an exchange takes time."""
    begins: list[Document] = [{"request": {**_key(draw), "wait": False}}]
    if draw.chance(50):
        begins = [*_auto(draw)[:1], {"advance": draw.weighted(_STARTS)}]
    event = draw.weighted(_INTERRUPTIONS)(draw)
    return [{"ca_script": [draw.one_of(_SLOW)]}, *begins, {"advance": draw.one_of(("1s", "5s", "15s"))}, *event,
            {"advance": _span(draw)}]  # fmt: skip


def _power(draw: Draw) -> list[Document]:
    match draw.number(1, 4):
        case 1:
            return [{"power_off": None}, {"advance": _span(draw)}, {"power_on": None}]
        case 2:
            return [{"power_cut": {"off": draw.one_of(("1s", "1m", "11m", "1d"))}}, {"advance": _span(draw)}]
        case 3:
            return [{"power_cut": None}, {"advance": _span(draw)}, {"power_on": None}]
    return [_armed(draw)]


def _armed(draw: Draw) -> Document:
    at = draw.one_of([name for name in POWER_POINTS if not name.startswith("state-")])
    cut: Document = {"at": at, "off": draw.one_of(("1s", "1m", "11m"))}
    if draw.chance(30):
        cut["nth"] = draw.number(2, 4)
    return {"power_cut": cut}


def _armed_then(draw: Draw) -> list[Document]:
    """The power fails while the printer does what the next steps make it do."""
    deferred: list[Document] = [{"ca_script": [{"when": {"type": "PKCSReq"}, "then": "pending", "optional": True}]}]
    doing: Mapping[str, Callable[[], list[Document]]] = {
        "PKCSReq": lambda: _request(draw),
        "GetCACert": lambda: _request(draw),
        "commit-key-deleted": lambda: [
            {"request": {"name": "tls", "common_name": "192.0.2.10", "length": 1024, "challenge": CHALLENGE}},
            {"delete_key": "tls"},
        ],
        "commit-import": lambda: _bundle(draw),
        "commit-settings": lambda: draw.one_of((_auto, _function, _ip, _set_communication, _dns))(draw),
        "commit-start": lambda: [{"restart": None}],
        "commit-inquiry": lambda: _auto(draw),
        "commit-request-ended": lambda: _request(draw),
        "commit-poll-booked": lambda: [*deferred, *_polling_auto(draw)],
        "CertPoll": lambda: [*deferred, *_polling_auto(draw)],
        "RenewalReq": lambda: [*_request(draw), *_request(draw)],
    }
    point = draw.one_of(tuple(doing))
    cut = {"at": f"{point}.{draw.one_of(('before', 'after'))}", "off": draw.one_of(("1s", "1m", "11m"))}
    return [{"power_cut": cut}, *doing[point](), {"advance": _span(draw)}]


def _polling_auto(draw: Draw) -> list[Document]:
    """An automatic request that polls, and time for its polls."""
    settings = {"start_in": "1s", "polling": {"count": draw.number(1, 3), "interval": "1m"}, "key": _key(draw)}
    return [{"auto_request": settings}, {"advance": draw.one_of(("1m", "2m", "5m"))}]


def _while_it_waits(draw: Draw) -> list[Document]:
    """Something happens between the polls of a deferred request."""
    deferred = {"when": {"type": "PKCSReq"}, "then": "pending", "times": 1, "optional": True}
    return [{"ca_script": [deferred, *script_of(draw, 1)]}, *_polling_auto(draw)[:1], {"advance": "10s"},
            *draw.weighted(_INTERRUPTIONS)(draw), {"advance": draw.one_of(("1m", "5m"))}]  # fmt: skip


def _outage(draw: Draw) -> list[Document]:
    steps: list[Document] = [{"network": draw.one_of(_NETWORK)}]
    return steps if draw.chance(40) else [*steps, {"advance": _span(draw)}, {"network": "up"}]


def _clock(draw: Draw) -> list[Document]:
    times = (
        "right",
        "2026-03-02 07:00",
        "2026-03-02 12:00",
        "2026-03-29 03:30",
        "2025-01-01 00:00",
        "2026-04-15 10:00",
    )
    return [{"printer_clock": draw.one_of(times)}]


def _operator(draw: Draw) -> list[Document]:
    acts: Sequence[Document] = (
        {"approve": "*"}, {"approve": "*"}, {"reject": "*"}, {"reject": {"pattern": "*", "fail_info": 2}},
        {"hold": "CN=192*"}, {"release": "CN=192*"}, {"revoke": "*"}, {"forget": "transactions"},
        {"roll_over": {"publish": "1m", "switch": "10m"}}, {"replace_ra": "now"},
    )  # fmt: skip
    return [{"ca_operator": draw.one_of(acts)}]


def _bundle(draw: Draw) -> list[Document]:
    password = BUNDLE_PASSWORD if draw.chance(95) else draw.one_of(("", "x" * 300))
    steps: list[Document] = [{"export_bundle": {"name": "settings", "password": password}}]
    if draw.chance(4):
        steps[0]["export_bundle"]["category"] = "Address Book"
    if draw.chance(30):
        steps[0]["export_bundle"]["wait"] = False
    steps += draw.one_of(([], [], _auto(draw), [{"advance": _span(draw)}]))
    load: Document = {"name": "settings", "password": BUNDLE_PASSWORD if draw.chance(85) else "wrong-b4ndle"}
    if draw.chance(15):
        load["cut"] = draw.one_of((0, 50, 400))
    elif draw.chance(10):
        load["flip"] = draw.number(0, 2000)
    if draw.chance(30):
        load["wait"] = False
    return [*steps, {"import_bundle": load}]


def _ip(draw: Draw) -> list[Document]:
    return [{"ip": draw.one_of(("192.0.2.20", "2001:db8::20", "255.255.255.255"))}]


def _function(draw: Draw) -> list[Document]:
    return [{"function": {"use": draw.one_of(("TLS", "IPSec", "IEEE 802.1X", "SIP")), "on": draw.chance(60)}}]


def _dns(draw: Draw) -> list[Document]:
    return [{"dns": draw.chance(50)}]


def _set_communication(draw: Draw) -> list[Document]:
    return [{"communication": _communication(draw)}]


_INTERRUPTIONS: Mapping[Callable[[Draw], list[Document]], int] = {
    _power: 8, _clock: 3, _operator: 3, _function: 1, _ip: 1, _request: 2, _auto: 2, _outage: 2, _bundle: 2,
    lambda _: [{"restart": None}]: 3,
    lambda _: [{"ca_operator": {"replace_ra": "now"}}]: 1,
    lambda draw: [{"delete_key": draw.one_of(_NAMES)}]: 1,
    lambda draw: [{"ca_script": script_of(draw, 1)}]: 2,
    _set_communication: 1,
}  # fmt: skip


def _at_once(draw: Draw) -> list[Document]:
    """Two requests in one moment, of two printers if there are two."""
    first, second = ({"request": {**_key(draw), "wait": False}} for _ in range(2))
    return [{"ca_script": [draw.one_of(_SLOW)]}, first, {**second, "printer": _SERIALS[1]}, {"advance": _span(draw)}]


_ORDINARY: Mapping[Callable[[Draw], list[Document]], int] = {
    _request: 14,
    _at_once: 3,
    _armed_then: 8,
    _polling_auto: 4,
    _interrupted: 12,
    _while_it_waits: 6,
    _auto: 14,
    lambda draw: [{"advance": _span(draw)}]: 14,
    _power: 9,
    _outage: 5,
    _operator: 6,
    lambda draw: [{"ca_script": script_of(draw, 2)}]: 6,
    lambda draw: [{"delete_key": draw.one_of((*_NAMES, "Default Key", "nothing"))}]: 4,
    lambda _: [{"restart": None}]: 3,
    _function: 4,
    _clock: 4,
    _bundle: 3,
    lambda draw: [{"key_generation": draw.one_of(("fails", "works"))}]: 1,
    _dns: 1,
    _ip: 1,
    lambda draw: [{"open_screen": draw.one_of(SCREENS)}]: 1,
    _set_communication: 2,
    lambda draw: [
        {"another_printer": {"profile": draw.one_of(tuple(PRINTERS)), "serial": f"MFP{draw.number(10, 99)}"}}
    ]: 1,
}
_PLAIN = ("delete_key", "restart", "function", "dns", "ip", "request", "auto_request", "communication", "open_screen")
_OF_A_PRINTER = (*_PLAIN, "power_off", "power_on", "power_cut", "printer_clock", "key_generation", "export_bundle",
                 "import_bundle")  # fmt: skip


def steps_of(draw: Draw, serials: Sequence[str], space: Space) -> list[Document]:
    """One to four steps that belong together."""
    found = copy.deepcopy(draw.weighted(_ORDINARY)(draw))  # a later change must not reach the tables
    serial = draw.one_of(serials)
    for step in found:
        if draw.chance(10):
            serial = draw.one_of(serials)
        kind = next(iter(step))
        if kind == "another_printer" and space.models:
            step[kind]["profile"] = draw.one_of(space.models)
        if kind in _PLAIN and (role := draw.weighted(_ROLES)) != "administrator":
            step["as"] = role
        if kind in _OF_A_PRINTER and serial != serials[0]:
            step.setdefault("printer", serial)
        if step.get("printer", serials[0]) not in serials:
            del step["printer"]
        if kind in ("ca_operator", "power_cut", "network", "key_generation"):
            step["optional"] = True
    return found


def _long_host(letters: int) -> str:
    """A host of that many letters, in labels of at most 63."""
    return ".".join("x" * min(63, letters - at) for at in range(0, letters, 64))


def _communication(draw: Draw) -> Document:
    ndes = "http://ca.example:8080/certsrv/mscep/mscep.dll?x=1"
    urls = {"http://ca.example/scep": 8, ndes: 2, "https://ca.example/scep": 1,
            "http://[2001:db8::1]/scep": 1}  # fmt: skip
    url = draw.weighted(urls)
    found: Document = {"url": url}
    if ":8080" in url:
        found["port"] = 8080 if draw.chance(80) else 80
    if draw.chance(20):
        found["timeout"] = draw.one_of(("5s", "30s", "300s", "400s"))
    if draw.chance(6):
        long = {"url": f"http://{_long_host(draw.one_of((252, 253, 253, 254)))}/"}
        found = draw.one_of(({"url": "ftp://ca.example/"}, {"url": "http://ca.example/scep", "port": 70000},
                             {"url": "http://a:b@ca.example/"}, {"url": "http://ca.example/" + "x" * 300},
                             long, long))  # fmt: skip
    return found


# --- printers ---------------------------------------------------------------------------------------------


MODEL_VALUES: Mapping[str, Sequence[object]] = {
    **{name: schema.get("enum", (False, True)) for name, schema in ModelValues().schema({})["properties"].items()
       if "enum" in schema or schema["type"] == "boolean"},
    **{name: [plain(load_text(text, name)) for text in texts]
       for values in OTHER_VALUES.values() for name, texts in values.items()},
}  # fmt: skip
"""The values of a model that are a choice, and others that the manual does not state, with what they may be."""


def printer_of(draw: Draw, space: Space) -> Document:
    """The `printer:` section of a case."""
    printer: Document = {"serial": _SERIALS[0], "functions": ["TLS", "IPSec"], "policies": ["hq", "branch"],
                         "communication": _communication(draw)}  # fmt: skip
    models = space.models or ("canon-ir-adv-dx",) * 6 + tuple(PRINTERS)
    if (model := draw.one_of(models)) != "canon-ir-adv-dx":
        printer["profile"] = model
    if (zone := draw.weighted(_ZONES)) != "Europe/Oslo":
        printer["timezone"] = zone
    if draw.chance(20):
        printer["dns"] = True
    settings: Document = {}
    if draw.chance(60):
        settings["key_limit"] = draw.one_of((2, 3, 3, 5))
    if draw.chance(15):
        settings["renewal_message"] = "RenewalReq"
    percent = draw.weighted({8: 6, 40: 1})
    for name, values in MODEL_VALUES.items():
        if draw.chance(percent):
            settings[name] = draw.one_of(values)
    if settings:
        printer["settings"] = settings
    return printer


# --- whole cases ------------------------------------------------------------------------------------------


def scenario_of(document: Document, name: str = "explored") -> Scenario | None:
    """The scenario, or None if the loader refuses the document."""
    try:
        (scenario,) = read_document(document, name)
    except (DocumentError, ValueError):
        return None
    return scenario


def serials_of(document: Document) -> list[str]:
    """The serial numbers of the printers of a case."""
    return [_SERIALS[0], *(str(other["serial"]) for other in document.get("printers", ()))]


def whole(document: Document) -> Document:
    """The document with the expectation, at its end only, that every rule held."""
    steps = [step for step in document["steps"] if "expect" not in step]
    return {**document, "steps": [*steps, {"expect": {"always": "all"}}]}


def drawn(entropy: Entropy, space: Space) -> Document:
    """A new case."""
    for attempt in range(_TRIES):
        draw = Draw(entropy.fork(f"case/{attempt}"))
        document: Document = {
            "format": 1,
            "name": "explored",
            "why": "Drawn by mfp-sim explore.",
            "clock": clock_of(draw),
            "printer": printer_of(draw, space),
        }
        more = draw.weighted({0: 6, 1: 3, 2: 1})
        others = [{"serial": serial, "ip": f"192.0.2.{11 + n}"} for n, serial in enumerate(_SERIALS[1:][:more])]
        if space.models:
            others = [{**other, "profile": draw.one_of(space.models)} for other in others]
        if others[: space.printers - 1]:
            document["printers"] = others[: space.printers - 1]
        if ca := ca_of(draw):
            document["ca"] = ca
        serials = serials_of(document)
        document["steps"] = [step for _ in range(draw.number(2, 7)) for step in steps_of(draw, serials, space)]
        document = whole(document)
        if scenario_of(document) is not None:
            return document
    raise AssertionError("nothing that the loader accepts was drawn")
