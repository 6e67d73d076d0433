"""The catalogues: whole, unique, and explained; what the code promises about assumptions fits the register."""

from __future__ import annotations

import re
from collections import Counter
from importlib import resources

import pytest
import yaml

from mfp_sim.device.printer_profile import READINGS
from mfp_sim.shared.catalogue.registry import assumptions, explain, field_failures, known_ids, requirements

FILES = ("device_manual.yaml", "scep_rfc8894.yaml", "assumptions.yaml", "field_failures.yaml")


def ids_in(name: str) -> list[str]:
    text = resources.files("mfp_sim.shared.catalogue").joinpath(name).read_text("utf-8")
    return re.findall(r"^- \{?id: ([A-Z0-9.-]+)", text, re.MULTILINE)


@pytest.mark.parametrize("name", FILES)
def test_no_id_is_there_twice(name: str) -> None:
    assert [entry for entry, count in Counter(ids_in(name)).items() if count > 1] == []


def test_the_rfc_has_349_entries() -> None:
    assert sum(entry.startswith("SCEP-") for entry in requirements()) == 349


def test_assumptions_are_numbered_from_a_01_on_without_a_gap() -> None:
    numbers = [f"A-{number:02}" for number in range(1, len(assumptions()) + 1)]
    assert list(assumptions()) == numbers
    assert numbers[37:38] == ["A-38"]


def test_the_quick_list_of_ids_is_the_whole_list() -> None:
    assert known_ids() == requirements().keys() | assumptions().keys() | field_failures().keys()


def test_entries_say_something() -> None:
    for entry in requirements().values():
        assert entry.title.strip(), entry.id
        assert len(entry.text) > 10, entry.id


def test_rfc_entries_have_level_section_and_side() -> None:
    rfc = [entry for entry in requirements().values() if entry.id.startswith("SCEP-")]
    assert {entry.on for entry in rfc} <= {"client", "server", "both"}
    assert [entry.id for entry in rfc if not entry.level or not entry.section or not entry.on] == []


def test_a_reading_names_only_assumptions_that_exist() -> None:
    derived = {name for entry in requirements().values() for name in entry.derived}
    assert derived - assumptions().keys() == set()


def test_what_can_be_flipped_is_what_the_profile_can_flip() -> None:
    assert {entry.id: entry.readings for entry in assumptions().values() if entry.readings} == {
        name: tuple(readings) for name, (_, readings) in READINGS.items()
    }


def test_the_default_is_the_first_reading() -> None:
    flippable = [entry for entry in assumptions().values() if entry.readings]
    assert [entry.id for entry in flippable if entry.default != entry.readings[0]] == []


def test_explain_an_assumption_with_its_switch() -> None:
    told = explain("A-22")
    assert told is not None
    assert "A-22  HTTP errors and polling (an assumption: the manual does not say)" in told
    assert "default: none" in told
    assert "mfp-sim run --flip A-22=5xx" in told


def test_explain_an_assumption_without_a_switch() -> None:
    told = explain("A-10")
    assert told is not None
    assert "--flip" not in told


def test_explain_requirements_of_both_sources() -> None:
    rfc, manual = explain("SCEP-3.2.1.5-04"), explain("MFP-POLL-02")
    assert rfc is not None
    assert manual is not None
    assert "source: RFC 8894, " in rfc
    assert "level: " in rfc
    assert "source: the printer's manual" in manual


def test_explain_knows_every_id_and_no_other() -> None:
    assert [name for name in known_ids() if not (explain(name) or "").startswith(f"{name}  ")] == []
    assert explain("A-99") is None
    assert explain("SCEP-3.2.1.5") is None


def test_field_failures_say_what_was_seen_why_and_where() -> None:
    assert len(field_failures()) == 154
    for entry in field_failures().values():
        assert entry.title, entry.id
        assert entry.cause, entry.id
        assert entry.evidence in "TCDW-", entry.id
        assert all(source.startswith("https://") for source in entry.sources), entry.id
    told = explain("F-K05")
    assert told is not None
    assert "renewal trigger differs per vendor (a field failure)" in told


def test_what_the_rfc_requires_with_a_keyword_is_quoted_from_it() -> None:
    quoted = {entry.id: entry for entry in requirements().values() if entry.quotes}
    assert quoted["SCEP-2.9-09"].quotes[0].startswith("Implementations MUST NOT support the obsolete and/or insecure")
    words = ("MUST", "SHOULD", "MAY", "RECOMMENDED", "OPTIONAL")
    assert [name for name, e in quoted.items() if not any(word in text for text in e.quotes for word in words)] == []
    assert 'RFC text: "Message types not defined above MUST be treated as errors' in (explain("SCEP-3.2.1.2-03") or "")


def test_quotes_belong_to_requirements_that_exist() -> None:
    text = resources.files("mfp_sim.shared.catalogue").joinpath("rfc8894_quotes.yaml").read_text("utf-8")
    named = {name for entry in yaml.safe_load(text) for name in entry["ids"]}
    assert named
    assert named - requirements().keys() == set()
