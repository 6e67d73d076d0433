"""Printer models as data: limits, ranges, and one value for every assumption about what the manual does not say.

Owns the fields of a model, the shipped models (``profiles/*.yaml``), the reading of model files, and
`with_reading`, which gives a model another reading of one assumption. Every value in a file names its source or its
A-number. A model has no behaviour. Serves MFP-VERSION-01.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_type_hints

from mfp_sim.shared.catalogue.registry import known_ids
from mfp_sim.shared.documents import Node, Problems, did_you_mean, load, load_text
from mfp_sim.shared.documents.kinds import WRONG, Definitions, Kind, Leaf, Pattern, Scalar, Schema, Within, Words
from mfp_sim.shared.documents.records import Length, document, kind_of, map_of, read, record_of, schema_of
from mfp_sim.shared.documents.sourced import Sourced, SourcedValues
from mfp_sim.shared.errors import UsageError

__all__ = [
    "ALL_USES",
    "PROFILES",
    "READINGS",
    "ModelValues",
    "Profile",
    "contradictions",
    "find_profile",
    "load_profile",
    "needs_https",
    "profile_named",
    "profile_schema",
    "values_of",
    "with_reading",
]

ALL_USES = ("None", "TLS", "IEEE 802.1X", "IPSec", "SIP", "Device Signature")
_SOURCE = re.compile(r"A-\d\d|F-[A-Z]\d\d|MFP-[A-Z]+-\d\d|https?://[!-~]+")


HASHES = ("SHA1", "SHA256", "SHA384", "SHA512")
_HIGHEST = 1_000_000_000
"""The largest number that a model may have."""


@dataclass(frozen=True)
class RestsOn:
    """Annotates the type of a value with the number of the assumption that it depends on.

    The default reading comes first. ``words`` name the readings of a value that is false or true.
    """

    number: str
    words: tuple[str, str] | None = None


class _Ends(Leaf):
    """The lowest and the highest value of a range."""

    def value(self, node: Node, problems: Problems, what: str) -> object:
        found = (problems.integer(entry, f"an end of {what}", 0, _HIGHEST) for entry in problems.list(node, what))
        ends = [end for end in found if end is not None]
        if node.kind != "list" or len(node.items) != 2 or ends != sorted(ends):
            problems.add(node, f"{what} has to be [lowest, highest]")
            return None
        return tuple(ends) if len(ends) == 2 else None

    def schema(self, found: Definitions) -> Schema:
        return {"type": "array", "items": kind_of(BoundedNumber).schema(found), "minItems": 2, "maxItems": 2}

    def write(self, value: Any) -> object:
        return list(value)


BoundedNumber = Annotated[int, Within(0, _HIGHEST)]
IntegerRange = Annotated[tuple[int, int], _Ends()]
Hashes = Annotated[tuple[Annotated[str, Words(lambda: HASHES)], ...], Length(1)]
KeyLengths = Annotated[tuple[Annotated[int, Within(1, _HIGHEST)], ...], Length(1)]
Uses = Annotated[tuple[Annotated[str, Words(lambda: ALL_USES)], ...], Length(1)]


@dataclass(frozen=True)
class Profile:
    """One model. Times are in seconds unless the name says otherwise; ranges include both ends.

    ``sources`` has the source of each value in a model file.
    """

    name: str
    summary: str
    scep: str
    url_length: BoundedNumber = 255
    https: bool = False  # A-01, whether it speaks TLS to a SCEP server
    port_range: IntegerRange = (1, 65535)
    timeout_range: IntegerRange = (1, 300)
    default_timeout: BoundedNumber = 30
    key_name_length: BoundedNumber = 24
    hashes: Hashes = ("SHA1", "SHA256", "SHA384", "SHA512")
    key_lengths: KeyLengths = (1024, 2048, 4096)  # A-07, bits
    organization_length: BoundedNumber = 64
    common_name_length: BoundedNumber = 64
    fqdn_without_dns: Annotated[Literal["refuse", "warn"], RestsOn("A-09")] = "refuse"
    challenge_length: BoundedNumber = 255
    uses: Uses = ("None", "TLS", "IEEE 802.1X", "IPSec")
    policy_limit: BoundedNumber = 10  # A-11, IPSec policies
    adjustment_range: IntegerRange = (1, 600)  # A-15, added to the start
    poll_count_range: IntegerRange = (1, 100)
    poll_minutes_range: IntegerRange = (1, 1440)
    period_days_range: IntegerRange = (1, 365)
    period: Annotated[Literal["local-days", "seconds"], RestsOn("A-17")] = "local-days"
    restart_seconds: BoundedNumber = 30
    import_cut: Annotated[Literal["rolled-back", "partial"], RestsOn("A-18")] = "rolled-back"
    transfer_seconds: BoundedNumber = 120  # A-18, how long an export or import of settings takes
    overwrite: Annotated[Literal["in-place", "register-first"], RestsOn("A-19")] = "in-place"
    http_errors_that_poll: Annotated[Literal["none", "5xx", "all"], RestsOn("A-22")] = "none"
    pending_at_end: Annotated[Literal["drop", "keep"], RestsOn("A-23")] = "drop"
    key_limit: BoundedNumber = 8  # A-26, the Default Key included
    default_key_name: str = "Default Key"
    default_key_use: str = "TLS"
    # 3DES and SHA-1 when nothing better is offered
    weak_algorithms: Annotated[Literal["use", "refuse"], RestsOn("A-27")] = "use"
    read_single_des: bool = False
    bundle_has_scep: bool = True  # MFP-BUNDLE-01: whether the model supports these settings in a bundle
    import_while_timer: Annotated[Literal["replace", "refuse"], RestsOn("A-28")] = "replace"
    import_scope: Annotated[Literal["other-models", "same-model", "same-machine"], RestsOn("A-30")] = "other-models"
    cms_digest: Annotated[Literal["capabilities", "signature-algorithm"], RestsOn("A-31")] = "capabilities"
    overwritten_in_use: Annotated[Literal["until-restart", "at-once"], RestsOn("A-32")] = "until-restart"
    shown_time: Annotated[Literal["adjusted", "nominal"], RestsOn("A-33")] = "adjusted"
    resend: Annotated[Literal["same", "CertPoll", "new-transaction"], RestsOn("A-34")] = "same"
    first_request_counts: Annotated[bool, RestsOn("A-35", ("not-counted", "counted"))] = False
    pending_takes_slot: Annotated[bool, RestsOn("A-36", ("no", "yes"))] = False
    redirects: Annotated[Literal["not-followed", "followed"], RestsOn("A-37")] = "not-followed"
    successful_shows: Annotated[Literal["receipt", "not-before"], RestsOn("A-38")] = "receipt"
    not_yet_valid: Annotated[Literal["refuse", "register"], RestsOn("A-39")] = "refuse"
    changed_ca: Annotated[Literal["keep", "refetch"], RestsOn("A-40")] = "keep"
    start_while_busy: Annotated[Literal["after", "skipped"], RestsOn("A-41")] = "after"
    unfit_usage: Annotated[Literal["register", "refuse"], RestsOn("A-42")] = "register"  # extended key usage
    history: BoundedNumber = 20  # MFP-HIST-01
    renewal_trigger: Literal["calendar", "days-before-expiry", "percent-of-validity"] = "calendar"  # MFP-AUTO-01
    renewal_value: BoundedNumber = 0  # days or percent; unused for the calendar
    renewal_retry_days: BoundedNumber = 1  # after an error or a certificate that is due already, where expiry decides
    renewal_message: Literal["PKCSReq", "RenewalReq"] = "PKCSReq"
    sources: Mapping[str, str] = field(default_factory=dict, compare=False, repr=False)


_TEXTS = ("name", "summary", "scep")


@cache
def _types() -> Mapping[str, Any]:
    hints = get_type_hints(Profile, localns={}, include_extras=True)
    return {name: hint for name, hint in hints.items() if name not in (*_TEXTS, "sources")}


def _readings() -> Iterator[tuple[str, tuple[str, Mapping[str, object]]]]:
    for name, hint in _types().items():
        for extra in getattr(hint, "__metadata__", ()):
            if isinstance(extra, RestsOn):
                values = (False, True) if extra.words else get_args(get_args(hint)[0])
                yield extra.number, (name, dict(zip(extra.words or values, values, strict=True)))


READINGS: Mapping[str, tuple[str, Mapping[str, object]]] = dict(sorted(_readings()))
"""For each assumption: the value that it is about, and the value of each reading. The default reading comes first."""


# --- reading ----------------------------------------------------------------------------------------------


def value_kind(name: str) -> Kind:
    """The kind of the value ``name`` of a model, as written in a file."""
    return kind_of(_types()[name])


class ModelValues:
    """Values by name that replace those of a model."""

    def read(self, node: Node, problems: Problems, what: str) -> object:
        given = problems.map(node, _types(), what)
        found = {name: value_kind(name).read(value, problems, name) for name, value in given.items()}
        return WRONG if WRONG in found.values() or node.kind != "map" or len(given) < len(node.pairs) else found

    def schema(self, found: Definitions) -> Schema:
        return map_of({name: value_kind(name).schema(found) for name in _types()})

    def write(self, value: Any) -> object:
        return {name: value_kind(name).write(one) for name, one in value.items()}


def load_profile(path: Path) -> Profile:
    """A model from a file.

    Raises:
        UsageError: the file cannot be read.
        DocumentError: lists all its mistakes.
    """
    return _read_profile(load(path))


class _SourceText(Leaf):
    """An A-, F- or MFP- number or a URL, and optional further text."""

    def value(self, node: Node, problems: Problems, what: str) -> object:
        text, before = problems.text(node, what) or "", len(problems.found)
        if not _SOURCE.search(text):
            problems.add(
                node, "a source has to name an A-, F- or MFP- number, or a URL", "write A-26, F-K05 or https://…"
            )
        for number in re.findall(r"\bA-\d\d\b", text):
            if number not in known_ids():
                problems.add(node, f"there is no assumption {number}", did_you_mean(number, known_ids()))
        return text if len(problems.found) == before else None

    def schema(self, found: Definitions) -> Schema:  # noqa: ARG002 - every kind is asked the same
        return {"type": "string", "pattern": _SOURCE.pattern}


def _kinds() -> Mapping[str, Kind]:
    return {name: value_kind(name) for name in _types()}


@document("a printer profile")
@dataclass(frozen=True)
class _ModelFile:
    format: Annotated[int, Scalar(Problems.version, {"const": 1})]
    name: Annotated[str, Pattern("[a-z0-9]+(-[a-z0-9]+)*", "small letters, digits and single hyphens")]
    base: Annotated[str | None, Words(lambda: sorted(PROFILES))] = None
    summary: str | None = None
    scep: str | None = None
    values: Annotated[Sourced, SourcedValues(_kinds, {"source": _SourceText()})] = field(default_factory=dict)


def _read_profile(root: Node) -> Profile:
    problems = Problems()
    file = read(_ModelFile, root, problems)
    problems.raise_if_any()
    assert file is not None
    base = Profile("", "", "") if file.base is None else PROFILES[file.base]
    texts = {name: text for name in _TEXTS if (text := getattr(file, name)) is not None}
    values = {name: entry["value"] for name, entry in file.values.items()}
    sources = {**base.sources, **{name: str(entry["source"]) for name, entry in file.values.items()}}
    profile = replace(base, **texts, **values, sources=sources)  # type: ignore[arg-type]
    for text in contradictions(profile):
        problems.add(root, text)
    problems.raise_if_any()
    return profile


def contradictions(profile: Profile) -> list[str]:
    """The contradictions between the values of a model, one sentence each."""
    found = []
    if profile.default_key_use not in profile.uses or profile.default_key_use == "None":
        found.append(f"the Default Key's use {profile.default_key_use!r} is not among the model's uses")
    if profile.key_limit < 2:
        found.append("key_limit has to leave room for one key besides the Default Key")
    if not profile.timeout_range[0] <= profile.default_timeout <= profile.timeout_range[1]:
        found.append("default_timeout is outside timeout_range")
    value, trigger = profile.renewal_value, profile.renewal_trigger
    if (trigger == "calendar") != (value == 0) or (trigger == "percent-of-validity" and value > 99):
        found.append("renewal_value needs a trigger by expiry: days, or 1 to 99 percent")
    return found


def profile_schema() -> dict[str, Any]:
    """The JSON schema (draft 2020-12) of model files, from the types. The reader checks more than a schema can."""
    return schema_of(record_of(_ModelFile), "mfp-sim printer profile")


def _load_shipped() -> None:
    texts = {
        entry.name: entry.read_text("utf-8")
        for entry in resources.files("mfp_sim.device").joinpath("profiles").iterdir()
        if entry.name.endswith(".yaml")
    }
    # A base comes before the models built on it.
    for name in sorted(texts, key=lambda name: ("\nbase:" in texts[name], name)):
        profile = _read_profile(load_text(texts[name], name))
        PROFILES[profile.name] = profile


PROFILES: dict[str, Profile] = {}
_load_shipped()


def profile_named(name: str) -> Profile:
    """The shipped profile of that name.

    Raises:
        UsageError: there is no such profile.
    """
    if name not in PROFILES:
        raise UsageError(
            f"there is no printer profile {name!r}", remedy=did_you_mean(name, PROFILES) or ", ".join(PROFILES)
        )
    return PROFILES[name]


def find_profile(name_or_file: str) -> Profile:
    """A shipped profile by name, or a profile from a file (a name that ends in .yaml or .yml, or has a path separator).

    Raises:
        UsageError, DocumentError: see `profile_named` and `load_profile`.
    """
    if name_or_file.endswith((".yaml", ".yml")) or "/" in name_or_file or "\\" in name_or_file:
        return load_profile(Path(name_or_file))
    return profile_named(name_or_file)


def needs_https(url: str, model: Profile, remedy: str) -> None:
    """Check that the model supports the scheme of ``url``.

    Raises:
        UsageError: the model supports HTTP only (A-01).
    """
    if not model.https and url.lower().startswith("https:"):
        raise UsageError(f"{url}: the model {model.name} speaks only HTTP (A-01)", remedy=remedy)


def values_of(assumption: str) -> tuple[str, ...]:
    """The values of a model that depend on an assumption, according to the sources of the manual's model."""
    sources = PROFILES["canon-ir-adv-dx"].sources
    return tuple(name for name in _types() if assumption in re.findall(r"A-\d\d", sources[name]))


def with_reading(profile: Profile, assumption: str, reading: str | None = None) -> Profile:
    """The profile with another reading of one assumption; without ``reading``, the second one.

    ``reading`` is a reading in the register, or ``name=value`` for a value of the model that depends on the assumption.
    The name may be omitted if only one value depends on it: ``[1, 1024]`` for A-02.

    Raises:
        UsageError: the assumption has no readings or values, or does not have this one.
    """
    switch, readings = READINGS.get(assumption, ("", {}))
    if readings and (reading is None or reading in readings):
        chosen = list(readings)[1] if reading is None else reading
        return replace(profile, **{switch: readings[chosen]})  # type: ignore[arg-type]
    names = tuple(name for name in values_of(assumption) if name != switch)
    told = [*readings, *(f"{name}=…" for name in names)]
    if not told:
        raise UsageError(
            f"{assumption} has no other reading", remedy=f"assumptions with other readings: {', '.join(READINGS)}"
        )
    name, _, text = (reading or "").partition("=")
    if len(names) == 1 and name not in names:
        name, text = names[0], reading or ""
    if not text or name not in names:
        said = "needs a value" if reading is None else f"has no reading {reading!r}"
        raise UsageError(f"{assumption} {said}", remedy=f"--flip {assumption}= with one of: {', '.join(told)}")
    problems = Problems()
    value = value_kind(name).read(load_text(text, "--flip"), problems, name)
    changed = replace(profile, **{name: value}) if not problems.found else profile  # type: ignore[arg-type]
    wrong = [*(problem.message for problem in problems.found), *contradictions(changed)]
    if wrong:
        raise UsageError(f"--flip {assumption}={reading}: {wrong[0]}")
    return changed
