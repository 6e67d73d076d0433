"""What docs/reference/formats.md promises of each file: its version, what another version does, and what an unknown key does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from report_samples import scenario_run

from mfp_sim.conformance.baseline import load_baseline
from mfp_sim.device import bundle as bundles
from mfp_sim.device import printer_profile as models
from mfp_sim.device.state import DeviceState
from mfp_sim.device.storage import FORMAT, DirectoryStorage, encode_state
from mfp_sim.report.json_report import SCHEMA_VERSION, as_json, read_file
from mfp_sim.scenario import examined
from mfp_sim.scenario.loader import load_file
from mfp_sim.shared.documents import Problems
from mfp_sim.shared.errors import DocumentError, Refused, UsageError
from mock_scep_server.profiles import registry as cas

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reference" / "formats.md").read_text("utf-8")
SCENARIO = {
    "format": 1, "name": "mine", "why": "It is read.", "clock": "2026-03-02T08:00:00+01:00",
    "steps": [{"expect": {"key_count": 1}}],
}  # fmt: skip


@dataclass(frozen=True)
class Kept:
    """A kind of file: how its row begins, one that is right, its reader, and where its version stands."""

    row: str
    right: Any
    read: Callable[[Path], object]
    version: str = "format"
    unknown: str | None = "unknown key 'later'"


def bundle(path: Path) -> object:
    problems = Problems()
    found = bundles.read_json(bundles._Document, json.loads(path.read_text()), "bundle")
    problems.raise_if_any()
    return found


def state(path: Path) -> object:
    """The state in a directory, with the head of its file as ``path`` says."""
    whole = json.loads(path.read_text())
    body = encode_state(whole["state"])
    head, _, rest = body.partition(b"\n")
    (path.parent / "printer.json").write_bytes(
        json.dumps({**json.loads(head), "format": whole["format"]}).encode() + b"\n" + rest
    )
    storage = DirectoryStorage(path.parent)
    try:
        return DeviceState.from_stored(storage.load() | whole.get("also", {}))
    finally:
        storage.close()


FILES = [
    Kept("scenario", SCENARIO, load_file),
    Kept("printer model", {"format": 1, "name": "mine", "scep": "yes", "summary": "x"}, models.load_profile),
    Kept(
        "CA profile",
        {"format": 1, "name": "mine", "base": "rfc8894", "summary": "x", "values": {}},
        lambda path: cas.find_profile(str(path)),
    ),
    Kept("baseline", {"format": 1, "expected": []}, load_baseline),
    Kept(
        "bundle of settings",
        {"format": 1, "model": "m", "serial": "s", "category": bundles.CATEGORY, "settings": {"dns": True}},
        bundle,
    ),
    Kept("JSON report", as_json(scenario_run()), read_file, "schema_version", None),
    Kept("measurements", {"format": 1, "scenarios": {}}, examined.read_file, unknown=None),
]


def written(path: Path, value: Any) -> Path:
    path.write_text(json.dumps(value, default=str), "utf-8")  # JSON is YAML
    return path


@pytest.mark.parametrize("kept", FILES, ids=lambda kept: kept.row)
def test_a_file_is_read_in_its_version_only_and_an_unknown_key_does_what_is_said(kept: Kept, tmp_path: Path) -> None:
    (line,) = [row for row in PAGE.splitlines() if row.startswith(f"| {kept.row}")]
    number = kept.right[kept.version]
    assert f"{kept.version}: {number}`" in line.replace('"', "")
    kept.read(written(tmp_path / "a.yaml", kept.right))
    with pytest.raises((DocumentError, UsageError)) as refused:
        kept.read(written(tmp_path / "b.yaml", {**kept.right, kept.version: number + 1}))
    assert kept.version in str(refused.value) or "not a file of measurements" in str(refused.value)
    later = written(tmp_path / "c.yaml", {**kept.right, "later": 1})
    if kept.unknown is None:
        assert "ignored" in line
        kept.read(later)
    else:
        assert "refused" in line
        with pytest.raises(DocumentError, match=kept.unknown):
            kept.read(later)


def test_a_state_of_another_version_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    assert f'| state of a printer, `printer.json` in `--state-dir` | `"format": {FORMAT}` |' in PAGE
    whole = {"format": FORMAT, "state": dict(DeviceState.first().stored())}
    state(written(tmp_path / "whole", whole))
    with pytest.raises(UsageError, match="is not a state of format 1: another version of mfp-sim wrote it"):
        state(written(tmp_path / "whole", {**whole, "format": FORMAT + 1}))
    assert b'"format": 2' in (tmp_path / "printer.json").read_bytes()
    with pytest.raises(UsageError, match="the stored state of the printer cannot be used"):
        state(written(tmp_path / "whole", {**whole, "also": {"later": 1}}))


def test_a_bundle_of_another_version_is_refused() -> None:
    assert bundles.MAGIC == b"MFPSIMB1"
    assert f"`{bundles.MAGIC.decode()}`" in PAGE
    with pytest.raises(Refused, match="the file is not a bundle of settings"):
        bundles.open_bundle(b"MFPSIMB2" + b"\0" * 100, "password")


def test_the_version_of_the_report_is_the_one_that_is_written() -> None:
    assert as_json(scenario_run())["schema_version"] == SCHEMA_VERSION
