"""Models are data: every value has a source, files are checked, and each reading of an assumption can be had."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from mfp_sim.device.plan import renewal_instant
from mfp_sim.device.printer_profile import (
    PROFILES,
    READINGS,
    Profile,
    contradictions,
    find_profile,
    profile_named,
    values_of,
    with_reading,
)
from mfp_sim.shared.catalogue.registry import assumptions
from mfp_sim.shared.errors import DocumentError, UsageError
from mfp_sim.shared.scep.certificate import Certificate

VALUES = {f.name for f in fields(Profile)} - {"name", "summary", "scep", "sources"}


def test_the_models_are_the_makers_families_and_one_for_each_trigger() -> None:
    assert {profile.key_limit for profile in PROFILES.values()} == {3, 5, 8}
    triggers = {(profile.renewal_trigger, profile.renewal_value) for profile in PROFILES.values()}
    assert triggers == {
        ("calendar", 0), ("days-before-expiry", 30), ("days-before-expiry", 7), ("percent-of-validity", 80),
    }  # fmt: skip
    for profile in PROFILES.values():
        assert profile.scep
        assert profile.summary


@pytest.mark.parametrize("name", PROFILES)
def test_every_value_of_every_model_has_a_source(name: str) -> None:
    assert set(PROFILES[name].sources) == VALUES


def test_the_defaults_in_the_code_are_those_of_the_model_of_the_manual() -> None:
    model = profile_named("canon-ir-adv-dx")
    assert replace(Profile(model.name, model.summary, model.scep), sources=model.sources) == model


def test_the_switches_are_those_of_the_register_with_the_same_readings() -> None:
    register = {a.id: a.readings for a in assumptions().values() if a.readings}
    assert {number: tuple(readings) for number, (_, readings) in READINGS.items()} == register


@pytest.mark.parametrize("number", READINGS)
def test_the_first_reading_is_the_default_and_the_second_is_another(number: str) -> None:
    model = profile_named("canon-ir-adv-dx")
    name, readings = READINGS[number]
    assert getattr(model, name) == next(iter(readings.values()))
    assert getattr(with_reading(model, number), name) != getattr(model, name)
    for reading, value in readings.items():
        assert getattr(with_reading(model, number, reading), name) == value


@pytest.mark.parametrize(
    ("number", "reading", "words"),
    [
        ("A-13", None, "A-13 has no other reading"),
        ("A-22", "6xx", "A-22 has no reading '6xx'"),
        ("A-02", None, "A-02 needs a value"),
        ("A-02", "[1", "^--flip:2:1: not well-formed YAML"),
        ("A-26", None, "A-26 needs a value.*key_limit=…, default_key_name=…"),
        ("A-26", "5", "A-26 has no reading '5'"),
        ("A-26", "key_limit=five", "key_limit has to be an integer"),
        ("A-26", "key_limit=1", "key_limit has to leave room"),
        ("A-26", "history=5", "A-26 has no reading 'history=5'"),
        ("A-99", None, "A-99 has no other reading"),
    ],
)
def test_flips_that_do_not_exist(number: str, reading: str | None, words: str) -> None:
    with pytest.raises((UsageError, DocumentError), match=words):
        with_reading(profile_named("canon-ir-adv-dx"), number, reading)


@pytest.mark.parametrize(
    ("number", "reading", "name", "value"),
    [
        ("A-26", "key_limit=5", "key_limit", 5),
        ("A-02", "[1, 1024]", "port_range", (1, 1024)),
        ("A-02", "port_range=[1, 1024]", "port_range", (1, 1024)),
        ("A-17", "period_days_range=[1, 31]", "period_days_range", (1, 31)),
        ("A-11", "uses=[None, TLS]", "uses", ("None", "TLS")),
    ],
)
def test_a_flip_of_a_value(number: str, reading: str, name: str, value: object) -> None:
    model = profile_named("canon-ir-adv-dx")
    assert with_reading(model, number, reading) == replace(model, **{name: value})  # type: ignore[arg-type]


def test_every_value_that_rests_on_an_assumption_can_be_flipped() -> None:
    resting = {name for number in assumptions() for name in values_of(number)}
    assert resting == {n for n, source in profile_named("canon-ir-adv-dx").sources.items() if "A-" in source}


GOOD = """\
format: 1
name: mine
base: canon-ir-adv-dx
summary: the one in the hall
scep: NDES
values:
  key_limit: {value: 5, source: "A-26; counted on the machine"}
  uses: {value: [None, TLS], source: A-11}
"""


def test_a_file_of_ones_own(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text(GOOD)
    profile = find_profile(str(tmp_path / "mine.yaml"))
    assert (profile.name, profile.key_limit, profile.uses) == ("mine", 5, ("None", "TLS"))
    assert profile.sources["key_limit"] == "A-26; counted on the machine"
    assert profile.sources["history"] == "MFP-HIST-01"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("key_limit: {value: 5", "key_limitt: {value: 5"), "unknown key 'key_limitt'.*did you mean 'key_limit'"),
        (("values:\n", "values:\n  keys: 5\n"), r"unknown key 'keys' in values\b"),
        (('source: "A-26; counted on the machine"', "source: [A-26]"), "source has to be a string, not a list"),
        (
            ("uses: {value: [None, TLS]", "key_lengths: {value: [0]"),
            "an entry of key_lengths has to be from 1 to 1000000000",
        ),
        (("value: 5", "value: five"), "key_limit has to be an integer, not 'five'"),
        (("value: 5", "value: 1"), "room for one key besides the Default Key"),
        (("value: 5", "value: -5"), "key_limit has to be from 0 to 1000000000"),
        (("[None, TLS]", "[None, TSL]"), "did you mean 'TLS'"),
        (("[None, TLS]", "[None]"), "the Default Key's use 'TLS' is not among"),
        (("[None, TLS]", "[]"), "uses is empty"),
        (('source: "A-26; counted on the machine"', "source: somebody said so"), "a source has to name an A-"),
        (("A-26;", "A-99;"), "there is no assumption A-99"),
        (("source: A-11", "sauce: A-11"), "unknown key 'sauce'"),
        (("base: canon-ir-adv-dx", "base: canon"), "base has to be one of"),
        (("format: 1", "format: 2"), "format has to be 1"),
        (("name: mine", "name: ../mine"), "small letters, digits"),
        (("uses: {value: [None, TLS]", "port_range: {value: [9, 1]"), r"port_range has to be \[lowest, highest\]"),
        (("uses: {value: [None, TLS]", "port_range: {value: [9]"), r"port_range has to be \[lowest, highest\]"),
        (("uses: {value: [None, TLS]", "hashes: {value: [MD5]"), "an entry of hashes has to be one of"),
        (("uses: {value: [None, TLS]", "overwrite: {value: sometimes"), "overwrite has to be one of"),
        (("uses: {value: [None, TLS]", "read_single_des: {value: 1"), "has to be true or false"),
        (("uses: {value: [None, TLS]", "renewal_value: {value: 7"), "needs a trigger by expiry"),
        (("uses: {value: [None, TLS]", "default_timeout: {value: 999"), "default_timeout is outside timeout_range"),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_mistakes_in_a_file_are_told_with_their_place(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    assert change[0] in GOOD
    path = tmp_path / "mine.yaml"
    path.write_text(GOOD.replace(*change))
    with pytest.raises(DocumentError, match=words) as caught:
        find_profile(str(path))
    assert str(caught.value).startswith(f"{path}:")


def test_a_file_says_no_more_than_it_has_to(tmp_path: Path) -> None:
    path = tmp_path / "least.yaml"
    path.write_text(
        "format: 1\nname: least\nvalues:\n"
        "  key_lengths: {value: [1, 2048], source: A-07}\n"
        "  adjustment_range: {value: [0, 600], source: A-15}\n"
    )
    assert find_profile(str(path)) == Profile("least", "", "", key_lengths=(1, 2048), adjustment_range=(0, 600))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"key_limit": 2}, None),
        ({"key_limit": 1}, "key_limit has to leave room for one key besides the Default Key"),
        ({"default_timeout": 1}, None),
        ({"default_timeout": 300}, None),
        ({"default_timeout": 0}, "default_timeout is outside timeout_range"),
        ({"default_timeout": 301}, "default_timeout is outside timeout_range"),
        ({"default_key_use": "IPSec"}, None),
        ({"default_key_use": "SIP"}, "the Default Key's use 'SIP' is not among the model's uses"),
        ({"default_key_use": "None"}, "the Default Key's use 'None' is not among the model's uses"),
        ({"renewal_value": 1}, "renewal_value needs a trigger by expiry: days, or 1 to 99 percent"),
        ({"renewal_trigger": "percent-of-validity", "renewal_value": 1}, None),
        ({"renewal_trigger": "percent-of-validity", "renewal_value": 99}, None),
        (
            {"renewal_trigger": "percent-of-validity", "renewal_value": 100},
            "renewal_value needs a trigger by expiry: days, or 1 to 99 percent",
        ),
        (
            {"renewal_trigger": "percent-of-validity"},
            "renewal_value needs a trigger by expiry: days, or 1 to 99 percent",
        ),
        ({"renewal_trigger": "days-before-expiry", "renewal_value": 100}, None),
    ],
    ids=str,
)
def test_what_goes_together_in_a_model(changes: dict, words: str | None) -> None:
    assert contradictions(replace(profile_named("canon-ir-adv-dx"), **changes)) == ([] if words is None else [words])


def test_a_name_that_is_not_there_gets_a_hint() -> None:
    with pytest.raises(UsageError, match="did you mean 'canon-7100'"):
        find_profile("canon-710")
    with pytest.raises(UsageError) as caught:
        find_profile("zzz")
    assert caught.value.remedy == ", ".join(PROFILES)


@pytest.mark.parametrize("name", ["mine.yaml", "mine.yml", "nowhere/mine", "nowhere\\mine"])
def test_what_looks_like_a_file_is_read_as_one(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="cannot read"):
        find_profile(name)
    if "nowhere" not in name:
        Path(name).write_text(GOOD)
        assert find_profile(name).name == "mine"


@pytest.mark.parametrize(
    ("model", "after"),
    [
        ("days-before-expiry", timedelta(days=335)),
        ("week-before-expiry", timedelta(days=358)),
        ("percent-of-validity", (timedelta(days=365, minutes=10) * 80 / 100) - timedelta(minutes=10)),
    ],
)
def test_when_a_model_renews_by_expiry(machine, model: str, after: timedelta) -> None:
    world = machine(profile=model)
    world.timer()
    world.pass_time(hours=2)
    issued: Certificate = world.printer.key_list()[1].certificate
    nine = datetime(2026, 3, 2, 8, tzinfo=timezone.utc)
    exact = renewal_instant(issued, world.model)
    assert exact - nine == after
    planned = world.printer.next_request
    assert planned is not None
    assert abs(planned - exact) <= timedelta(hours=1)  # the plan is local time without a zone
    world.scheduler.run_until(planned - timedelta(seconds=1))
    assert world.asked == ["GetCACaps", "GetCACert", "PKCSReq"]
    world.pass_time(seconds=1)
    assert world.asked[-1] in ("PKCSReq", "RenewalReq")
    assert len(world.asked) == 6


def test_after_an_error_a_model_that_goes_by_expiry_tries_again_the_next_day(machine) -> None:
    world = machine(profile="days-before-expiry", script="[{when: {type: PKCSReq, nth: 1}, then: {failure: 2}}]")
    world.timer()
    world.pass_time(hours=2)
    assert world.shown == ("to-be-processed", None)
    world.pass_time(days=1)
    assert world.names == ["Default Key", "tls"]


@pytest.mark.parametrize("model", ["days-before-expiry", "week-before-expiry"])
def test_a_certificate_that_is_due_already_is_asked_for_again_the_next_day(machine, model: str) -> None:
    world = machine(profile=model, script="[{faults: [success-short-validity]}]")
    world.timer()
    world.pass_time(hours=2)
    assert world.shown == ("to-be-processed", None)
    assert world.asked.count("PKCSReq") == 1
    world.pass_time(days=1)
    assert world.asked.count("PKCSReq") == 2


def test_the_file_that_the_documentation_shows(tmp_path: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/explanation/assumptions.md").read_text("utf-8")
    (tmp_path / "shown.yaml").write_text(page.partition("```yaml\n")[2].partition("```")[0])
    assert find_profile(str(tmp_path / "shown.yaml")).key_limit == 5
