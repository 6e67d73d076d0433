"""Measurements of scenarios: which other readings of assumptions change their outcome.

Owns the file ``examined.json`` and the digest of everything that decides a scenario's run. The file is beside the
scenarios or above them; the nearest one counts. An entry is valid only for the scenario as it was measured: a change of
its steps, its printer or the tried readings makes it *not examined*. A change of the product does not; tests measure a
sample again, and ``mfp-sim check --assumptions`` measures all.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import lru_cache
from pathlib import Path

from mfp_sim.device.printer_profile import READINGS, find_profile
from mfp_sim.device.readings import MEASURABLE, OTHER_VALUES
from mfp_sim.scenario.model import Grounds, Scenario
from mfp_sim.shared.catalogue.registry import requirements
from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.files import readable

__all__ = ["FILE", "assumptions_of", "basis_of", "changing", "named", "nearest", "read_file", "write_file"]

FILE = "examined.json"
Entries = Mapping[str, tuple[str, tuple[str, ...]]]
"""By `file::name`, with the file relative to examined.json: the digest, and the flips that change the outcome."""


def named(scenario: Scenario) -> frozenset[str]:
    """The assumptions that the scenario names, and those that its covered statements depend on."""
    derived = {a for covered in scenario.covers if (r := requirements().get(covered)) for a in r.derived}
    return frozenset({*scenario.assumes, *derived})


def basis_of(scenario: Scenario, flips: Sequence[str] | None) -> Grounds:
    """The assumptions that a result depends on: ``flips`` change it, as measured; None: it was not measured.

    Two kinds cannot be measured and stay as declared: an assumption of the covered statements without any other reading
    or value, and an assumption without readings that the scenario names, because other values never cover all it says.
    """
    measured = {*assumptions_of(flips or ())}
    declared = named(scenario)
    if flips is not None:
        declared = (declared - MEASURABLE | {*scenario.assumes} - READINGS.keys()) - measured
    return Grounds(tuple(sorted({*declared, *measured})), tuple(sorted(declared)), flips is not None)


def assumptions_of(flips: Sequence[str]) -> tuple[str, ...]:
    """The numbers of flips, each once."""
    return tuple(dict.fromkeys(flip.partition("=")[0] for flip in flips))


def changing(scenario: Scenario) -> tuple[str, ...] | None:
    """The flips that change the outcome of the scenario in its present form; None: not examined."""
    path = nearest(Path(scenario.file).parent)
    if path is None:
        return None
    try:
        digest, flips = read_file(path)[_key(path, scenario)]
    except (KeyError, UsageError):  # mfp-sim check --assumptions says what is wrong with the file
        return None
    return flips if digest == _digest(scenario) else None


def nearest(directory: Path) -> Path | None:
    """The file for the scenarios of a directory."""
    here = directory.resolve()
    return next((path for above in (here, *here.parents) if (path := above / FILE).is_file()), None)


def _key(path: Path, scenario: Scenario) -> str:
    relative = os.path.relpath(Path(scenario.file).resolve(), path.resolve().parent)
    return f"{Path(relative).as_posix()}::{scenario.name}"


def _digest(scenario: Scenario) -> str:
    """Digest of everything that decides a measurement, except the product: file, model, and tried readings."""
    model = find_profile(scenario.printer.profile)
    values = {field.name: getattr(model, field.name) for field in fields(model) if field.name != "sources"}
    readings = {assumption: list(readings) for assumption, (_, readings) in READINGS.items()}
    whole = [scenario.digest, values, dict(model.sources), readings, OTHER_VALUES]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:32]


def read_file(path: Path) -> Entries:
    """The entries of a file.

    Raises:
        UsageError: it cannot be read, or is something else.
    """
    try:
        found = path.stat()
        return _read(path, (found.st_mtime_ns, found.st_size))
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        told = f"{path} is not a file of measurements"
        raise UsageError(told, remedy="remove it; mfp-sim check --assumptions --write makes a new one") from None


@lru_cache(maxsize=16)
def _read(path: Path, version: tuple[int, int]) -> Entries:  # noqa: ARG001 - a file that was written since is another one
    whole = json.loads(readable(path).read_text("utf-8"))
    if whole["format"] != 1:
        raise ValueError(whole["format"])
    return {
        str(key): (str(entry["digest"]), tuple(map(str, entry["changed_by"])))
        for key, entry in whole["scenarios"].items()
    }


def write_file(path: Path, measured: Sequence[tuple[Scenario, tuple[str, ...] | None]]) -> None:
    """Write measurements to a file, one entry per line; entries of other existing files stay.

    Raises:
        UsageError: the file cannot be written, or is something else.
    """
    fresh = {_key(path, scenario): scenario for scenario, _ in measured}
    files = {key.partition("::")[0] for key in fresh}
    kept = read_file(path) if path.exists() else {}
    entries = {
        key: entry
        for key, entry in kept.items()
        if (file := key.partition("::")[0]) not in files and (path.parent / file).is_file()
    }
    entries |= {_key(path, scenario): (_digest(scenario), flips) for scenario, flips in measured if flips is not None}
    lines = [
        f"  {json.dumps(key, ensure_ascii=False)}: {json.dumps({'digest': digest, 'changed_by': list(flips)})}"
        for key, (digest, flips) in sorted(entries.items())
    ]
    text = '{"format": 1, "scenarios": {\n' + ",\n".join(lines) + "\n}}\n"
    try:
        path.write_text(text, "utf-8")
        _read.cache_clear()
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None
