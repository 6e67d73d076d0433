"""Printer models as data: limits, ranges, and one value for every assumption about what the manual does not say.

Owns the fields of a model, the shipped models (``profiles/*.yaml``), the reading of model files, and
``with_reading``, which gives a model another reading of one assumption. Every value of a file names its source or its
A-number. A model has no behaviour. Serves MFP-VERSION-01.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from mfp_sim.catalogue.registry import known_ids
from mfp_sim.documents import Node, Problems, did_you_mean, load, load_text
from mfp_sim.documents.kinds import WRONG, Definitions, Schema
from mfp_sim.documents.records import map_of
from mfp_sim.errors import UsageError

__all__ = [
    "ALL_USES",
    "PROFILES",
    "READINGS",
    "ModelValues",
    "Profile",
    "contradictions",
    "find_profile",
    "load_profile",
    "profile_named",
    "profile_schema",
    "read_value",
    "values_of",
    "with_reading",
]

ALL_USES = ("None", "TLS", "IEEE 802.1X", "IPSec", "SIP", "Device Signature")
_SOURCE = re.compile(r"A-\d\d|F-[A-Z]\d\d|MFP-[A-Z]+-\d\d|https?://[!-~]+")
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*\Z")


@dataclass(frozen=True)
class Profile:
    """One model. Times are in seconds unless the name says otherwise; ranges include both ends.

    ``sources`` has, for each value that a model file gives, where it comes from.
    """

    name: str
    summary: str
    scep: str
    url_length: int = 255
    port_range: tuple[int, int] = (1, 65535)
    timeout_range: tuple[int, int] = (1, 300)
    default_timeout: int = 30
    key_name_length: int = 24
    hashes: tuple[str, ...] = ("SHA1", "SHA256", "SHA384", "SHA512")
    key_lengths: tuple[int, ...] = (1024, 2048, 4096)  # A-07, bits
    organization_length: int = 64
    common_name_length: int = 64
    fqdn_without_dns: Literal["refuse", "warn"] = "refuse"
    challenge_length: int = 255
    uses: tuple[str, ...] = ("None", "TLS", "IEEE 802.1X", "IPSec")
    policy_limit: int = 10  # A-11, IPSec policies
    adjustment_range: tuple[int, int] = (1, 600)  # A-15, added to the start
    poll_count_range: tuple[int, int] = (1, 100)
    poll_minutes_range: tuple[int, int] = (1, 1440)
    period_days_range: tuple[int, int] = (1, 365)
    period: Literal["local-days", "seconds"] = "local-days"
    restart_seconds: int = 30
    import_cut: Literal["rolled-back", "partial"] = "rolled-back"
    transfer_seconds: int = 120  # A-18, how long an export or import of settings takes
    overwrite: Literal["in-place", "register-first"] = "in-place"
    http_errors_that_poll: Literal["none", "5xx", "all"] = "none"
    pending_at_end: Literal["drop", "keep"] = "drop"
    key_limit: int = 8  # A-26, the Default Key included
    default_key_name: str = "Default Key"
    default_key_use: str = "TLS"
    weak_algorithms: Literal["use", "refuse"] = "use"  # 3DES and SHA-1 when nothing better is offered
    read_single_des: bool = False
    bundle_has_scep: bool = True  # MFP-BUNDLE-01: whether the model supports these settings in a bundle
    import_while_timer: Literal["replace", "refuse"] = "replace"
    import_scope: Literal["other-models", "same-model", "same-machine"] = "other-models"
    cms_digest: Literal["capabilities", "signature-algorithm"] = "capabilities"
    overwritten_in_use: Literal["until-restart", "at-once"] = "until-restart"
    shown_time: Literal["adjusted", "nominal"] = "adjusted"
    resend: Literal["same", "CertPoll", "new-transaction"] = "same"
    first_request_counts: bool = False
    pending_takes_slot: bool = False
    redirects: Literal["not-followed", "followed"] = "not-followed"
    successful_shows: Literal["receipt", "not-before"] = "receipt"
    not_yet_valid: Literal["refuse", "register"] = "refuse"
    changed_ca: Literal["keep", "refetch"] = "keep"
    start_while_busy: Literal["after", "skipped"] = "after"
    unfit_usage: Literal["register", "refuse"] = "register"  # extended key usage
    history: int = 20  # MFP-HIST-01
    renewal_trigger: Literal["calendar", "days-before-expiry", "percent-of-validity"] = "calendar"  # MFP-AUTO-01
    renewal_value: int = 0  # days or percent; nothing for the calendar
    renewal_retry_days: int = 1  # after an error or a certificate that is due already, where expiry decides
    renewal_message: Literal["PKCSReq", "RenewalReq"] = "PKCSReq"
    sources: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)


# assumption: (field, {reading: value}); the default reading comes first
READINGS: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "A-09": ("fqdn_without_dns", {"refuse": "refuse", "warn": "warn"}),
    "A-17": ("period", {"local-days": "local-days", "seconds": "seconds"}),
    "A-18": ("import_cut", {"rolled-back": "rolled-back", "partial": "partial"}),
    "A-19": ("overwrite", {"in-place": "in-place", "register-first": "register-first"}),
    "A-22": ("http_errors_that_poll", {"none": "none", "5xx": "5xx", "all": "all"}),
    "A-23": ("pending_at_end", {"drop": "drop", "keep": "keep"}),
    "A-27": ("weak_algorithms", {"use": "use", "refuse": "refuse"}),
    "A-28": ("import_while_timer", {"replace": "replace", "refuse": "refuse"}),
    "A-30": (
        "import_scope",
        {"other-models": "other-models", "same-model": "same-model", "same-machine": "same-machine"},
    ),
    "A-31": ("cms_digest", {"capabilities": "capabilities", "signature-algorithm": "signature-algorithm"}),
    "A-32": ("overwritten_in_use", {"until-restart": "until-restart", "at-once": "at-once"}),
    "A-33": ("shown_time", {"adjusted": "adjusted", "nominal": "nominal"}),
    "A-34": ("resend", {"same": "same", "CertPoll": "CertPoll", "new-transaction": "new-transaction"}),
    "A-35": ("first_request_counts", {"not-counted": False, "counted": True}),
    "A-36": ("pending_takes_slot", {"no": False, "yes": True}),
    "A-37": ("redirects", {"not-followed": "not-followed", "followed": "followed"}),
    "A-38": ("successful_shows", {"receipt": "receipt", "not-before": "not-before"}),
    "A-39": ("not_yet_valid", {"refuse": "refuse", "register": "register"}),
    "A-40": ("changed_ca", {"keep": "keep", "refetch": "refetch"}),
    "A-41": ("start_while_busy", {"after": "after", "skipped": "skipped"}),
    "A-42": ("unfit_usage", {"register": "register", "refuse": "refuse"}),
}

_TEXTS = ("name", "summary", "scep")
_CHOICES: Mapping[str, tuple[str, ...]] = {"uses": ALL_USES, "hashes": ("SHA1", "SHA256", "SHA384", "SHA512")}


@cache
def _types() -> Mapping[str, Any]:
    hints = typing.get_type_hints(Profile)
    return {f.name: hints[f.name] for f in fields(Profile) if f.name not in (*_TEXTS, "sources")}


# --- reading ----------------------------------------------------------------------------------------------


_HIGHEST = 1_000_000_000
"""Of any number of a model."""


def read_value(name: str, node: Node, problems: Problems) -> object | None:
    """The value of the field ``name`` of a model, checked against its type; mistakes go to ``problems``."""
    kind = _types()[name]
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return problems.choice(node, arguments, name)
    if origin is tuple:
        return _read_tuple(name, arguments, node, problems)
    if kind is bool:
        return problems.boolean(node, name)
    return problems.integer(node, name, 0, _HIGHEST) if kind is int else problems.text(node, name)


def _read_tuple(name: str, arguments: tuple[Any, ...], node: Node, problems: Problems) -> object | None:
    entries = problems.list(node, name)
    if arguments[-1] is not Ellipsis:
        ends = [
            end for entry in entries if (end := problems.integer(entry, f"an end of {name}", 0, _HIGHEST)) is not None
        ]
        if len(entries) != 2 or ends != sorted(ends):
            problems.add(node, f"{name} has to be [lowest, highest]")
        return tuple(ends)
    if not entries:
        problems.add(node, f"{name} must not be empty")
    if arguments[0] is int:
        return tuple(problems.integer(entry, f"an entry of {name}", 1, _HIGHEST) for entry in entries)
    return tuple(problems.choice(entry, _CHOICES[name], f"an entry of {name}") for entry in entries)


class ModelValues:
    """Values of a model by name, in place of its own."""

    def read(self, node: Node, problems: Problems, what: str) -> object:
        before = len(problems.found)
        found = {key: read_value(key, value, problems) for key, value in problems.map(node, _types(), what).items()}
        return WRONG if len(problems.found) > before else found

    def schema(self, found: Definitions) -> Schema:  # noqa: ARG002 - every kind is asked the same
        return map_of({name: _shape(name, kind) for name, kind in _types().items()})

    def write(self, value: Any) -> object:
        return {name: list(one) if isinstance(one, tuple) else one for name, one in value.items()}


def load_profile(path: Path) -> Profile:
    """A model from a file.

    Raises:
        UsageError: the file cannot be read.
        DocumentError: all its mistakes.
    """
    return _read_profile(load(path))


def _read_profile(root: Node) -> Profile:
    problems = Problems()
    found = problems.map(root, ("format", "base", *_TEXTS, "values"), "a printer profile", ("format", "name"))
    if "format" in found and found["format"].value != 1:
        problems.add(found["format"], f"format has to be 1, not {found['format'].value}")
    base = Profile("", "", "")
    if "base" in found and (name := problems.choice(found["base"], PROFILES, "base")) is not None:
        base = PROFILES[name]
    texts = {key: problems.text(found[key], key) for key in _TEXTS if key in found}
    if (name_text := texts.get("name")) and not _NAME.match(name_text):
        problems.add(found["name"], "a name has small letters, digits and single hyphens")
    values: dict[str, object] = {}
    sources = dict(base.sources)
    if "values" in found:
        for name, entry in problems.map(found["values"], _types(), "values").items():
            inner = problems.map(entry, ("value", "source"), name, ("value", "source"))
            if "value" in inner:
                values[name] = read_value(name, inner["value"], problems)
            if "source" in inner:
                sources[name] = _read_source(inner["source"], problems)
    problems.raise_if_any()
    profile = replace(base, **texts, **values, sources=sources)  # type: ignore[arg-type]
    for text in contradictions(profile):
        problems.add(root, text)
    problems.raise_if_any()
    return profile


def _read_source(node: Node, problems: Problems) -> str:
    text = problems.text(node, "source") or ""
    if not _SOURCE.search(text):
        problems.add(node, "a source names an A-, F- or MFP- number, or a URL", "write A-26, F-K05 or https://…")
    for number in re.findall(r"\bA-\d\d\b", text):
        if number not in known_ids():
            problems.add(node, f"there is no assumption {number}", did_you_mean(number, known_ids()))
    return text


def contradictions(profile: Profile) -> list[str]:
    """What does not go together between the values of a model, a sentence each."""
    found = []
    if profile.default_key_use not in profile.uses or profile.default_key_use == "None":
        found.append(f"the Default Key's use {profile.default_key_use!r} is not among the model's uses")
    if profile.key_limit < 2:
        found.append("key_limit has to leave room for one key besides the Default Key")
    if not profile.timeout_range[0] <= profile.default_timeout <= profile.timeout_range[1]:
        found.append("default_timeout is outside timeout_range")
    value, trigger = profile.renewal_value, profile.renewal_trigger
    if (trigger == "calendar") != (value == 0) or (trigger == "percent-of-validity" and value > 99):
        found.append("renewal_value goes with a trigger by expiry: days, or 1 to 99 percent")
    return found


def profile_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of model files, from the types; the reader says more than a schema can."""
    values = {
        name: {
            "type": "object",
            "properties": {"value": _shape(name, kind), "source": {"type": "string", "pattern": _SOURCE.pattern}},
            "required": ["value", "source"],
            "additionalProperties": False,
        }
        for name, kind in _types().items()
    }
    name_pattern = "^" + _NAME.pattern.replace(r"\Z", "$")
    texts = {name: {"type": "string"} for name in _TEXTS} | {"name": {"type": "string", "pattern": name_pattern}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "mfp-sim printer profile",
        "type": "object",
        "properties": {
            "format": {"const": 1},
            "base": {"enum": sorted(PROFILES)},
            **texts,
            "values": {"type": "object", "properties": values, "additionalProperties": False},
        },
        "required": ["format", "name"],
        "additionalProperties": False,
    }


def _shape(name: str, kind: Any) -> dict[str, object]:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is tuple and arguments[-1] is not Ellipsis:
        ends: dict[str, object] = {"type": "integer", "minimum": 0}
        return {"type": "array", "items": ends, "minItems": 2, "maxItems": 2}
    if origin is tuple:
        entry = {"type": "integer", "minimum": 1} if arguments[0] is int else {"enum": list(_CHOICES[name])}
        return {"type": "array", "items": entry, "minItems": 1}
    if kind is bool:
        return {"type": "boolean"}
    return {"type": "integer", "minimum": 0} if kind is int else {"type": "string"}


def _load_shipped() -> None:
    texts = {
        entry.name: entry.read_text("utf-8")
        for entry in resources.files("mfp_sim.device").joinpath("profiles").iterdir()
        if entry.name.endswith(".yaml")
    }
    # A base comes before what is built on it.
    for name in sorted(texts, key=lambda name: ("\nbase:" in texts[name], name)):
        profile = _read_profile(load_text(texts[name], name))
        PROFILES[profile.name] = profile


PROFILES: dict[str, Profile] = {}
_load_shipped()


def profile_named(name: str) -> Profile:
    """The shipped profile of that name.

    Raises:
        UsageError: there is none.
    """
    if name not in PROFILES:
        raise UsageError(
            f"there is no printer profile {name!r}", remedy=did_you_mean(name, PROFILES) or ", ".join(PROFILES)
        )
    return PROFILES[name]


def find_profile(name_or_file: str) -> Profile:
    """A shipped profile by name, or one from a file (what ends in .yaml or .yml, or holds a path separator).

    Raises:
        UsageError, DocumentError: see :func:`profile_named` and :func:`load_profile`.
    """
    if name_or_file.endswith((".yaml", ".yml")) or "/" in name_or_file or "\\" in name_or_file:
        return load_profile(Path(name_or_file))
    return profile_named(name_or_file)


def values_of(assumption: str) -> tuple[str, ...]:
    """The values of a model that rest on an assumption, by the sources of the model of the manual."""
    sources = PROFILES["canon-ir-adv-dx"].sources
    return tuple(name for name in _types() if assumption in re.findall(r"A-\d\d", sources[name]))


def with_reading(profile: Profile, assumption: str, reading: str | None = None) -> Profile:
    """The profile with another reading of one assumption; without ``reading``, the second one.

    ``reading`` is one of the register, or ``value=…`` for a value of the model that rests on the assumption; the name
    of the value may be left out where there is one only: ``[1, 1024]`` for A-02.

    Raises:
        UsageError: the assumption has neither readings nor values, or not this one.
    """
    switch, readings = READINGS.get(assumption, ("", {}))
    if readings and (reading is None or reading in readings):
        chosen = list(readings)[1] if reading is None else reading
        return replace(profile, **{switch: readings[chosen]})  # type: ignore[arg-type]
    names = tuple(name for name in values_of(assumption) if name != switch)
    told = [*readings, *(f"{name}=…" for name in names)]
    if not told:
        raise UsageError(f"{assumption} has no other reading", remedy=f"those that have: {', '.join(READINGS)}")
    name, _, text = (reading or "").partition("=")
    if len(names) == 1 and name not in names:
        name, text = names[0], reading or ""
    if not text or name not in names:
        said = "needs a value" if reading is None else f"has no reading {reading!r}"
        raise UsageError(f"{assumption} {said}", remedy=f"--flip {assumption}= with one of: {', '.join(told)}")
    problems = Problems()
    value = read_value(name, load_text(text, "--flip"), problems)
    changed = replace(profile, **{name: value}) if not problems.found else profile  # type: ignore[arg-type]
    wrong = [*(problem.message for problem in problems.found), *contradictions(changed)]
    if wrong:
        raise UsageError(f"--flip {assumption}={reading}: {wrong[0]}")
    return changed
