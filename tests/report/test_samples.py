"""The samples under reports/sample are what the reporters make today, and hold no secret."""

from __future__ import annotations

import json
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import jsonschema
import pytest
from report_samples import opened

from mfp_sim.report.json_report import read_file, report_schema

FOLDER = Path(__file__).parents[2] / "reports" / "sample"


@pytest.fixture(scope="module")
def maker():
    spec = spec_from_file_location("sample_maker", FOLDER / "__main__.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_they_are_what_is_made_today(maker) -> None:
    for file, text in maker.rendered().items():
        there, now = (FOLDER / file).read_text("utf-8"), text
        if file.endswith(".html"):  # libraries pack alike in more than one way
            there, now = opened(there), opened(now)
        assert there == now, f"{file} differs: python -m reports.sample"


def test_they_show_a_pass_and_a_failure_and_fit_the_schema() -> None:
    report = read_file(FOLDER / "report.json")
    assert report.counts == {"passed": 1, "failed": 1, "error": 0, "skipped": 0}
    value = json.loads((FOLDER / "report.json").read_text("utf-8"))
    jsonschema.validate(value, report_schema(), cls=jsonschema.Draft202012Validator)


def test_they_hold_no_secret_and_no_place_of_a_machine() -> None:
    for path in FOLDER.rglob("*"):
        if path.is_file() and path.suffix not in (".yaml", ".pyc"):
            text = path.read_text("utf-8")
            text = opened(text) if path.suffix == ".html" else text
            assert "s3cret" not in text, path
            assert "/home/" not in text
            assert "/tmp/" not in text
