"""Every value that the code gives a model is the one of the first model's file, and every reading is a value of its field."""

from __future__ import annotations

import typing
from dataclasses import fields
from datetime import datetime, timezone

import pytest

from mfp_sim.device.printer import Outside, Printer
from mfp_sim.device.printer_profile import PROFILES, READINGS, Profile, profile_named, with_reading
from mfp_sim.device.settings import AutoRequestSettings, CommunicationSettings, KeySettings, Polling
from mfp_sim.device.status import Detail, StatusRow
from mfp_sim.run_trace import Recorder
from mfp_sim.shared.simtime import Entropy, FrozenClock, PooledKeys, Scheduler
from mfp_sim.transport import InProcess

FIRST = profile_named("canon-ir-adv-dx")
NAMES = [field.name for field in fields(Profile) if field.name not in ("name", "summary", "scep", "sources")]


@pytest.mark.parametrize("name", NAMES)
def test_a_model_without_a_base_has_the_values_of_the_first_one(name: str) -> None:
    assert getattr(Profile("x", "", ""), name) == getattr(FIRST, name)


@pytest.mark.parametrize("assumption", READINGS)
def test_the_readings_are_all_the_values_of_their_field_and_the_first_is_the_default(assumption: str) -> None:
    name, readings = READINGS[assumption]
    kind = typing.get_type_hints(Profile)[name]
    assert set(readings.values()) == ({True, False} if kind is bool else set(typing.get_args(kind)))
    assert next(iter(readings.values())) == getattr(FIRST, name)
    for reading, value in readings.items():
        assert getattr(with_reading(FIRST, assumption, reading), name) == value
    assert getattr(with_reading(FIRST, assumption), name) == list(readings.values())[1]


def test_a_profile_shows_no_sources_and_is_the_same_without_them() -> None:
    assert "sources" not in repr(FIRST)
    assert Profile("x", "", "", sources={"a": "b"}) == Profile("x", "", "")
    assert all(
        set(profile.sources) >= set(NAMES) - set(fields_without_source(profile)) for profile in PROFILES.values()
    )


def fields_without_source(profile: Profile) -> list[str]:
    return [name for name in NAMES if name not in profile.sources]


def test_what_is_not_entered() -> None:
    assert CommunicationSettings("http://ca") == CommunicationSettings("http://ca", 80, 30)
    assert Polling() == Polling(3, 10)
    assert AutoRequestSettings(True) == AutoRequestSettings(True, None, None, False, None, None, False, False)
    key = KeySettings("a", "192.0.2.1", challenge="s3cret")
    assert (key.length, key.signature, key.organization, key.use, key.policy) == (2048, "SHA256", "", "None", None)
    assert "s3cret" not in repr(key)


def test_a_machine_that_is_told_nothing() -> None:
    """What the docstring of the printer says it is fresh from the factory, and its memory outlives a restart."""
    scheduler = Scheduler(FrozenClock(datetime(2026, 3, 2, tzinfo=timezone.utc)))
    wire = InProcess(scheduler, lambda *_: pytest.fail("nothing is sent"))
    keys, recorder = PooledKeys(Entropy(1)), Recorder(scheduler.clock)
    printer = Printer(FIRST, Outside(scheduler, wire, Entropy(1), keys, recorder))
    printer.power_on()
    assert (printer.serial, printer.ip, str(printer.zone)) == ("SIM00001", "192.0.2.10", "Europe/Oslo")
    assert (printer.functions, printer.policies, printer.dns) == (frozenset(), (), False)
    assert (printer.exported, printer.import_report, printer.advice) == (None, (), ())
    (key,) = printer.key_list()
    printer.power_cut()
    printer.power_on()
    assert printer.key_list() == (key,)


@pytest.mark.parametrize(
    ("detail", "slug", "label"),
    [
        (Detail("deferred"), "deferred", "Deferred"),
        (Detail("registration-limit"), "registration-limit", "Key and Certificate Registration Limit Error"),
        (Detail("top-error"), "top-error", "Communication Error (TOP ERROR)"),
        (Detail("http", 503), "top-error-503", "Communication Error (TOP ERROR 503)"),
        (Detail("fail-info", 0), "fail-info-0", "Communication Error (SCEP ERROR Fail Info 0)"),
        (Detail("scep-error"), "scep-error", "Communication Error (SCEP ERROR)"),
    ],
)
def test_details_in_the_words_of_the_printer(detail: Detail, slug: str, label: str) -> None:
    assert (detail.slug, detail.label) == (slug, label)


def test_states_in_the_words_of_the_printer() -> None:
    states = ("to-be-processed", "processing", "error", "successful")
    time = datetime(2026, 1, 1)
    assert [StatusRow.of(state, time, None, "", "").label for state in states] == [
        "To Be Processed",
        "Processing...",
        "Error",
        "Successful",
    ]
