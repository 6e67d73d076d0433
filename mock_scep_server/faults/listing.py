"""The registry of faults as output: lines, one fault in full, Markdown by family, JSON."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import groupby

from mfp_sim.shared.documents.kinds import Duration, Kind, Scalar, Within, Words
from mfp_sim.shared.documents.records import NEEDED, Field
from mock_scep_server.faults.registry import FaultEntry

__all__ = ["in_full", "in_json", "in_lines", "in_markdown"]

TITLES = {
    "capabilities": "GetCACaps",
    "authority": "The CA's certificates, GetCACert",
    "decisions": "Decisions of the CA",
    "attributes": "Attributes of a CertRep",
    "signatures": "Signature and outer SignedData",
    "envelopes": "The envelope",
    "contents": "Contents of a SUCCESS",
    "queries": "GetCert, GetCRL, GetNextCACert",
    "http": "HTTP",
    "delivery": "The connection",
    "personalities": "Several faults at once, as in products",
}

_SHAPES: Mapping[type[Kind], str] = {Within: "a number", Duration: "a duration", Scalar: "text"}


def _argument(argument: Field) -> str:
    kind = argument.kind
    words = " | ".join(kind.table()) if isinstance(kind, Words) else _SHAPES[type(kind)]
    default = "required" if argument.default is NEEDED else f"default {argument.default}"
    return f"{argument.name}: {words} ({default})"


def in_lines(entries: Iterable[FaultEntry]) -> str:
    """List the faults, one line each."""
    return "\n".join(f"{e.slug:30} {e.layer:13} {e.sentence}" for e in entries)


def in_full(entry: FaultEntry) -> str:
    """Describe one fault in full."""
    lines = [
        f"{entry.slug}  a fault of the mock, layer {entry.layer}",
        f"  {entry.sentence}",
        *([f"  acts at: {entry.acts_at}"] if entry.in_scripts else []),
        f"  a correct client: {entry.correct_client}",
        f"  the printer shows: {entry.printer_shows}",
        f"  requirements: {', '.join(entry.requirements) or 'none'}",
        f"  field failures: {', '.join(entry.field_failures) or 'none'}",
        *(f"  argument {_argument(argument)}" for argument in entry.arguments),
        *([f"  from outside it looks like {entry.alias_of}"] if entry.alias_of else []),
        f"  proved: situation {entry.proof} of docs/reference/fault_matrix.md; pytest tests/faults -k {entry.slug}",
        f"  in a rule: faults: [{entry.example}]"
        if entry.in_scripts
        else f"  not in a rule, since it takes effect before the first request: mock-scep-server {entry.option}",
    ]
    return "\n".join(lines)


def in_json(entries: Iterable[FaultEntry]) -> str:
    """List the faults as JSON objects."""
    return json.dumps([entry.to_json() for entry in entries], indent=2, ensure_ascii=False)


def in_markdown(entries: Iterable[FaultEntry]) -> str:
    """List the faults in a Markdown table for each family."""
    parts = []
    for family, members in groupby(entries, key=lambda entry: entry.family):
        parts.append(f"## {TITLES[family]}\n")
        parts.append("| fault | layer | what it does | acts at | a correct client | the printer shows | tests |")
        parts.append("| --- | --- | --- | --- | --- | --- | --- |")
        for entry in members:
            arguments = "".join(f"<br>{_argument(argument)}" for argument in entry.arguments)
            alias = f"<br>looks like `{entry.alias_of}`" if entry.alias_of else ""
            option = f"<br>`mock-scep-server {entry.option}`" if entry.option else ""
            cells = (
                f'<a id="{entry.slug}"></a>`{entry.example}`{arguments}{option}{alias}',
                entry.layer,
                entry.sentence,
                entry.acts_at or "before the first request",
                entry.correct_client,
                entry.printer_shows,
                ", ".join((*entry.requirements, *entry.field_failures)),
            )
            parts.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
        parts.append("")
    return "\n".join(parts)
