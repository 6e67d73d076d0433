"""Draws a CA: its policy, the values of its profile, and the rules of its script with their faults.

A drawn part that the loader refuses is drawn again.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache

from mfp_sim.exploration.draws import Document, Draw
from mfp_sim.shared.documents import load_text, node_of, plain
from mfp_sim.shared.documents.kinds import WRONG
from mfp_sim.shared.documents.nodes import Problems
from mfp_sim.shared.documents.records import NEEDED
from mock_scep_server.faults import FAULTS
from mock_scep_server.profiles.registry import PROFILES as CAS
from mock_scep_server.profiles.registry import value_kind
from mock_scep_server.script_file import Rules
from mock_scep_server.setup import VALUE_KEYS

__all__ = ["CHALLENGE", "ca_of", "fault_of", "script_of"]

CHALLENGE = "drawn-s3cret"
_TRIES = 50

_TYPES = ("PKCSReq", "PKCSReq", "CertPoll", "RenewalReq")
_OPERATIONS = ("GetCACaps", "GetCACert", "PKIOperation")
_ANSWERS: Mapping[str, int] = {"": 8, "success": 3, "pending": 8, "failure": 3, "none": 2, "http": 3}


@cache
def _faults() -> Mapping[str, Sequence[str]]:
    """The faults that can act at a request of a printer: these requests by fault."""
    sent = {*_TYPES, *_OPERATIONS}
    found = {slug: [name for name in fault.requests if name in sent] for slug, fault in FAULTS.items()
             if fault.make is not None and fault.alias_of is None}  # fmt: skip
    return {slug: names for slug, names in found.items() if names}


def fault_of(draw: Draw, slug: str) -> object:
    """A fault as a script has it: alone, as in its example, or with arguments."""
    fault = FAULTS[slug]
    if draw.chance(50):
        return slug if fault.stands_alone else plain(load_text(fault.example, "example"))
    given = [entry for entry in fault.arguments if entry.default is NEEDED or draw.chance(60)]
    return {slug: {entry.key: draw.value(entry.kind.schema({})) for entry in given}} if given else slug


def _rule(draw: Draw) -> Document:
    when: Document = {}
    answer = draw.weighted(_ANSWERS)
    slug = None
    if answer in ("", "success", "pending") and draw.chance(60 if answer else 100):
        slug = draw.one_of(tuple(_faults()))
    if draw.chance(90):
        name = draw.one_of((*_TYPES, *_TYPES, *_OPERATIONS)) if slug is None else draw.one_of(_faults()[slug])
        when["operation" if name in _OPERATIONS else "type"] = name
    if draw.chance(25):
        when["nth"] = draw.number(1, 3)
    if draw.chance(10):
        when["client"] = draw.one_of(("192.0.2.10", "192.0.2.11"))
    if draw.chance(10):
        when["subject"] = draw.one_of(("CN=192.0.2.10*", "*printer*", "*"))
    if draw.chance(5):
        when["method"] = draw.one_of(("GET", "POST"))
    rule: Document = {"when": when}
    if answer == "failure":
        rule["then"] = {"failure": draw.number(0, 4)}
    elif answer == "http":
        rule["then"] = {"http": draw.one_of((400, 401, 404, 500, 503))}
    elif answer:
        rule["then"] = answer
    if slug is not None:
        rule["faults"] = [fault_of(draw, slug)]
    if "nth" not in when:
        rule |= draw.weighted(_LIMITS)(draw)
    rule["optional"] = True
    return rule


_LIMITS: Mapping[Callable[[Draw], Document], int] = {
    lambda draw: {"times": draw.number(1, 3)}: 10,
    lambda _: {}: 7,
    lambda _: {"chance": "50%"}: 2,
    lambda draw: {"over": {"requests": draw.number(1, 3), "per": "1m"}}: 1,
}
"""How often a rule applies."""


def script_of(draw: Draw, most: int) -> list[Document]:
    """Up to ``most`` rules, each of which can act."""
    found: list[Document] = []
    for _ in range(draw.number(0, most)):
        for _ in range(_TRIES):
            rule = _rule(draw)
            problems = Problems()
            if Rules().read(node_of([*found, rule]), problems, "script") is not WRONG and not problems.found:
                found.append(rule)
                break
    return [{"shuffle": found}] if len(found) > 1 and draw.chance(5) else found


def ca_of(draw: Draw) -> Document:
    """The `ca:` section of a case."""
    ca: Document = {"challenge": draw.weighted(_CHALLENGES)()} if draw.chance(90) else {}
    if draw.chance(20):
        ca["profile"] = draw.one_of(tuple(CAS))
    if draw.chance(25):
        ca["ra"] = draw.one_of(("single", "split"))
    extras: Mapping[str, tuple[int, Sequence[object]]] = {
        "approval": (20, ("manual", {"manual": {"expires": "30m"}})),
        "validity": (20, ("1d", "30d")),
        "transaction_lifetime": (6, ("15m",)),
        "renewal_window": (4, ("10d",)),
        "duplicate_subject": (5, ("refuse", {"before_expiry": "14d"})),
        "serials": (10, ("sequential",)),
        "capacity": (5, ({"workers": 1, "time": "400ms"}, {"workers": 1, "time": "40s"})),
        "minimum_rsa": (4, (2048,)),
        "time_window": (4, ("10m",)),
        "rollover": (4, ({"publish": "1h", "switch": "1d"},)),
        "empty_content": (5, ("absent", "empty", "zero")),
        "key": (6, ("ec-256", "ec-384")),
        "lifetime": (4, ("2d", "40d")),
        "extensions": (4, ("refuse",)),
        "identifiers": (3, (["A", "B"], {"names": ["A", "B"], "strict": True})),
        "publish_at": (3, ("http://ca.example/pki",)),
    }
    for key, (percent, values) in extras.items():
        if draw.chance(percent):
            ca[key] = draw.one_of(values)
    for _ in range(draw.weighted({0: 7, 1: 2, 3: 1})):
        key = draw.one_of(VALUE_KEYS)
        ca[key] = draw.value(value_kind(key).schema({}))
    if script := script_of(draw, 3):
        ca["script"] = script
    return ca


_CHALLENGES: Mapping[Callable[[], object], int] = {
    lambda: {"static": CHALLENGE}: 17,
    lambda: {"per_subject": {"CN=192.0.2.10*": CHALLENGE}}: 1,
    lambda: {"one_time": {"lifetime": "60m", "cache": 5}}: 1,
}
"""Who may enrol."""
