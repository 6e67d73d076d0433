"""The run as JSON: everything that the other reports are made from, with its own version and a published schema.

It writes, reads and describes `RunReport`; it decides nothing. The version increases if a field is renamed, removed or
changes its meaning; a new field does not change it.
"""

from __future__ import annotations

import gzip
import hashlib
import json
import math
import platform
import zlib
from functools import cache
from importlib import metadata, resources
from pathlib import Path
from typing import Any

from mfp_sim import __version__
from mfp_sim.report.coverage import CoverageRow, covered
from mfp_sim.report.message_table import Reading, table_of, table_schema
from mfp_sim.report.model import BASES, OUTCOMES, CatalogueEntry, HttpMessage, Provenance, RunReport
from mfp_sim.shared.catalogue import registry
from mfp_sim.shared.documents.json_values import JsonNode
from mfp_sim.shared.documents.kinds import Definitions
from mfp_sim.shared.documents.records import read, record_of
from mfp_sim.shared.errors import UsageError, unread
from mfp_sim.shared.files import readable

__all__ = [
    "SCHEMA_VERSION", "as_json", "catalogue_of", "here", "json_text", "read_file", "read_json", "report_schema",
]  # fmt: skip

SCHEMA_VERSION = 3
_DEPENDENCIES = ("cryptography", "flask", "freezegun", "Jinja2", "PyYAML", "tzdata")
_REMEDY = "give a report.json that mfp-sim run --report DIR wrote"
_CAP = 256 * 1024 * 1024
"""The size of the largest report that is read, in bytes of JSON."""


def as_json(report: RunReport) -> dict[str, Any]:
    """The report as a JSON-able value. It also holds what follows from the rest (outcomes, counts, coverage), and it
    holds each message once (`mfp_sim.report.message_table`)."""
    whole: Any = record_of(RunReport).write(report)
    for scenario, value in zip(report.scenarios, whole["scenarios"], strict=True):
        value["outcome"], value["basis"] = scenario.outcome, scenario.basis
    return {
        "schema_version": SCHEMA_VERSION,
        "counts": report.counts,
        "resting": report.resting,
        "verdicts": report.verdicts,
        "coverage": [row.to_json() for row in covered(report.scenarios)],
        **whole,
        "messages": table_of(record_of(HttpMessage), report.messages),
    }


def json_text(report: RunReport, *, pretty: bool = False) -> str:
    """The report as the text of a file: compact for programs, or indented for people."""
    shape: dict[str, Any] = {"indent": 1} if pretty else {"separators": (",", ":")}
    return json.dumps(as_json(report), ensure_ascii=False, allow_nan=False, check_circular=False, **shape) + "\n"


def read_json(value: object, where: str) -> RunReport:
    """A report from the value that `as_json` returns; `where` names it in errors.

    Raises:
        UsageError: it is not a report, or it has another version.
        DocumentError: it is damaged; reports every mistake with its path.
    """
    version = value.get("schema_version") if isinstance(value, dict) else None
    if version != SCHEMA_VERSION or not isinstance(value, dict):
        told = "it has no schema_version" if version is None else f"its schema_version is {str(version)[:20]}"
        raise UsageError(
            f"{where} is not a report that this version can read: {told}",
            remedy=f"give a report.json of schema version {SCHEMA_VERSION}, as mfp-sim run --report DIR writes it",
        )
    problems = Reading(record_of(HttpMessage), value.get("messages", {}), f"{where}.messages")
    found = read(RunReport, JsonNode(value, where), problems, "it")
    problems.raise_if_any()
    assert found is not None
    return found


def read_file(path: Path) -> RunReport:
    """A report from a file; a name that ends in `.gz` means that it is packed with gzip.

    Raises:
        UsageError: it cannot be read, or does not hold a report.
        DocumentError: the report is damaged.
    """
    try:
        value = json.loads(_text(path), parse_constant=_number, parse_float=_number)
    except (ValueError, RecursionError) as error:
        place = ""
        if isinstance(error, json.JSONDecodeError) and path.suffix in (".json", ".gz"):
            place = f", from line {error.lineno}, column {error.colno}"
        elif path.suffix in (".json", ".gz") and not isinstance(error, RecursionError):
            place = f": {error}"  # of `_number`
        raise UsageError(f"{path} is not JSON{place}", remedy=_REMEDY) from None
    return read_json(value, str(path))


def _text(path: Path) -> str:
    """The unpacked contents of the file, never more than the limit."""
    packed = path.suffix == ".gz"
    try:
        with readable(path).open("rb") as file:
            octets = (gzip.GzipFile(fileobj=file) if packed else file).read(_CAP + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        raise UsageError(f"{path} is not packed with gzip, or damaged", remedy="unpack it, or write it again") from None
    except OSError as error:
        raise unread(path, error, _REMEDY) from None
    if len(octets) > _CAP:
        raise UsageError(f"{path} is larger than {_CAP // 1024 // 1024} MiB{' when it is unpacked' * packed}")
    return octets.decode("utf-8")


def _number(text: str) -> float:
    """A number that JSON can represent."""
    if not math.isfinite(found := float(text)):
        raise ValueError(f"{text[:20]} is not a number")
    return found


def report_schema() -> dict[str, Any]:
    """The JSON schema of the value that `as_json` returns."""
    found: Definitions = {}
    root, row = record_of(RunReport).schema(found), record_of(CoverageRow).schema(found)
    messages = table_schema(record_of(HttpMessage), found)
    parts = {name: part for name, (_, part) in sorted(found.items())}
    run, scenario = parts["RunReport"], parts["ScenarioReport"]
    parts["CoverageRow"]["properties"]["verdict"] = {"enum": ["FAIL", "pass", "planned", "none"]}
    counts = {"type": "object", "additionalProperties": {"type": "integer"}}
    follows = {
        "schema_version": {"const": SCHEMA_VERSION},
        "counts": counts,
        "resting": counts,
        "verdicts": counts,
        "coverage": {"type": "array", "items": row},
        "messages": messages,
    }
    run["required"] = [*follows, *run["required"]]
    run["properties"] = {**follows, **run["properties"]}
    scenario["properties"] |= {"outcome": {"enum": list(OUTCOMES)}, "basis": {"enum": list(BASES)}}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": f"mfp-sim report, version {SCHEMA_VERSION}",
        **root,
        "$defs": parts,
    }


# --- what goes into every report --------------------------------------------------------------------------


def here() -> Provenance:
    """The tool, catalogue, Python and dependencies of this installation; the caller adds the rest."""
    return Provenance(
        version=__version__,
        python=platform.python_version(),
        catalogue=_catalogue_version(),
        dependencies={name: _version(name) for name in _DEPENDENCIES},
    )


def catalogue_of(report: RunReport) -> dict[str, CatalogueEntry]:
    """An entry for every id in the report, so its readers need no other file."""
    wanted: set[str] = {flip.partition("=")[0] for flip in report.flips}
    for scenario in report.scenarios:
        wanted |= {*scenario.covers, *scenario.rests_on}
    for check in report.checks:
        wanted |= {*check.requirements, *check.field_failures}
    for printer in report.printers:
        wanted |= {*printer.assumptions}
    return {identifier: entry for identifier in sorted(wanted) if (entry := _entry(identifier)) is not None}


def _entry(identifier: str) -> CatalogueEntry | None:
    if (assumption := registry.assumptions().get(identifier)) is not None:
        text = f"{assumption.text} (default: {assumption.default})"
        return CatalogueEntry(identifier, assumption.title, text, source="an assumption: the manual does not say")
    if (requirement := registry.requirements().get(identifier)) is not None:
        source = f"RFC 8894, section {requirement.section}" if requirement.section else "the printer's manual"
        return CatalogueEntry(identifier, requirement.title, requirement.text, source, requirement.level or "")
    if (failure := registry.field_failures().get(identifier)) is not None:
        return CatalogueEntry(identifier, failure.title, failure.cause, source=" ".join(failure.sources))
    return None


@cache
def _catalogue_version() -> str:
    """The number of entries, and a digest that differs between two catalogues."""
    digest = hashlib.sha256()
    for file in sorted(resources.files("mfp_sim.shared.catalogue").iterdir(), key=lambda file: file.name):
        if file.name.endswith(".yaml"):
            digest.update(file.read_bytes())
    return f"{len(registry.known_ids())} entries, {digest.hexdigest()[:12]}"


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"
