"""`assumes` says the truth: flipping an assumption changes the scenarios that name it, and no others.

An assumption may be a choice with readings (`READINGS`) or hold values of the model (`OTHER_VALUES` here). A choice is
tried reading by reading. Values are tried all at once but for those that a scenario names, and each by itself on the
scenarios that name it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from functools import cache

import pytest

from mfp_sim.catalogue.registry import assumptions
from mfp_sim.device.profile import READINGS, Profile, values_of
from mfp_sim.device.request import CertificateRequest
from mfp_sim.scenario import world
from mfp_sim.scenario.collection import select
from mfp_sim.scenario.model import Scenario
from mfp_sim.scenario.runner import run
from mfp_sim.scep.exchange import ClientTransaction, Enrolment, Policy

# value: others, of which at least one shows. Only the edges of ranges are moved: what lies within has no scenario.
OTHER_VALUES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "A-01": {"url_length": ("4096",)},
    "A-02": {"port_range": ("[0, 99999]", "[2, 65534]")},
    "A-03": {"timeout_range": ("[0, 600]", "[2, 299]"), "default_timeout": ("60",)},
    "A-05": {"key_name_length": ("25", "23")},
    "A-06": {"hashes": ("[SHA256, SHA512]", "[SHA1, SHA256]")},
    "A-07": {"key_lengths": ("[2048]", "[2048, 4096]")},
    "A-08": {"organization_length": ("100", "63")},
    "A-09": {"common_name_length": ("63",)},
    "A-10": {"challenge_length": ("254",)},
    "A-11": {"uses": ("[None, TLS, IEEE 802.1X, IPSec, SIP, Device Signature]", "[None, TLS, IPSec]")},
    "A-15": {"adjustment_range": ("[601, 1200]",)},
    "A-16": {"poll_count_range": ("[0, 1000]", "[1, 99]"), "poll_minutes_range": ("[0, 2880]", "[1, 1439]")},
    "A-17": {"period_days_range": ("[0, 366]", "[1, 364]")},
    "A-18": {"restart_seconds": ("120",), "transfer_seconds": ("20",)},
    "A-27": {"read_single_des": ("true",)},
    "A-26": {"key_limit": ("6",), "default_key_name": ("Factory Key",), "default_key_use": ("IPSec",)},
}
WITHOUT_SCENARIO = {
    "policy_limit": "a machine with more policies cannot be made: tests/device/test_rules.py",
    "renewal_message": "other models have it, see scenarios/models",
}
READINGS_WITHOUT_SCENARIO: Mapping[str, str] = {}


@cache
def scenarios() -> Mapping[str, Scenario]:
    return {scenario.name: scenario for scenario in select([])}


def naming(assumption: str) -> list[Scenario]:
    return [scenario for scenario in scenarios().values() if assumption in scenario.assumes]


def changes(scenario: Scenario, flips: Iterable[str]) -> bool:
    return not run(scenario, flips=tuple(flips)).passed


@dataclass(frozen=True)
class Watched(Profile):
    """A model that remembers which of its values were looked at."""

    def __getattribute__(self, name: str) -> object:
        SEEN.add(name)
        return super().__getattribute__(name)


@dataclass(frozen=True)
class WatchedPolicy(Policy):
    """The model's values as the exchange has them, watched likewise."""

    def __getattribute__(self, name: str) -> object:
        SEEN.add(IN_THE_POLICY.get(name, name))
        return super().__getattribute__(name)


IN_THE_POLICY = {"weak": "weak_algorithms"}
SEEN: set[str] = set()


@pytest.fixture(scope="module")
def looked_at() -> Mapping[str, frozenset[str]]:
    """By scenario the values of the model that its run looks at: no other can make a difference to it."""
    found = {}
    build = world._profile
    names = [field.name for field in fields(Profile)]
    hand_over = CertificateRequest._new_transaction

    def unread(request: CertificateRequest, enrolment: Enrolment) -> ClientTransaction:
        """Handing values of the model on to the exchange is not yet looking at them."""
        before = set(SEEN)
        transaction = hand_over(request, enrolment)
        SEEN.intersection_update(before)
        policy = transaction.policy
        transaction.policy = WatchedPolicy(**{field.name: getattr(policy, field.name) for field in fields(Policy)})
        return transaction

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(CertificateRequest, "_new_transaction", unread)
        patch.setattr(world, "_profile", lambda *a: Watched(**{name: getattr(build(*a), name) for name in names}))
        for scenario in scenarios().values():
            SEEN.clear()
            assert run(scenario).passed, scenario.name
            found[scenario.name] = frozenset(SEEN)
    return found


@pytest.mark.parametrize(
    ("assumption", "reading"), [(a, reading) for a, (_, rs) in READINGS.items() for reading in list(rs)[1:]]
)
def test_another_reading_changes_only_the_scenarios_that_name_it(assumption: str, reading: str, looked_at) -> None:
    value = READINGS[assumption][0]
    others = [s for s in scenarios().values() if assumption not in s.assumes and value in looked_at[s.name]]
    assert [s.name for s in others if changes(s, [f"{assumption}={reading}"])] == []


def flips_of(assumption: str) -> list[str]:
    readings = list(READINGS.get(assumption, ("", {}))[1])[1:]
    values = [f"{name}={text}" for name, texts in OTHER_VALUES.get(assumption, {}).items() for text in texts]
    return [f"{assumption}={flip}" for flip in (*readings, *values)]


@pytest.mark.parametrize("assumption", sorted(READINGS.keys() - READINGS_WITHOUT_SCENARIO.keys()))
def test_every_scenario_that_names_an_assumption_with_readings_changes_with_one_of_them(assumption: str) -> None:
    named, flips = naming(assumption), flips_of(assumption)
    assert named, f"no scenario shows {assumption}"
    assert [s.name for s in named if not any(changes(s, [flip]) for flip in flips)] == []


@pytest.mark.parametrize("which", [0, -1])
def test_other_values_change_only_the_scenarios_that_name_their_assumption(which: int) -> None:
    wrong = []
    for scenario in scenarios().values():
        flips = [
            f"{assumption}={name}={texts[which]}"
            for assumption, values in OTHER_VALUES.items()
            for name, texts in values.items()
            if assumption not in scenario.assumes and name not in scenario.printer.settings
        ]
        if changes(scenario, flips):
            wrong.append(scenario.name)
    assert wrong == []


@pytest.mark.parametrize(("assumption", "name"), [(a, name) for a, values in OTHER_VALUES.items() for name in values])
def test_each_value_is_shown_by_a_scenario_that_names_its_assumption(assumption: str, name: str) -> None:
    for text in OTHER_VALUES[assumption][name]:
        assert any(changes(s, [f"{assumption}={name}={text}"]) for s in naming(assumption)), text


def test_every_value_that_rests_on_an_assumption_is_tried() -> None:
    switches = {value for value, _ in READINGS.values()}
    resting = {name for assumption in assumptions() for name in values_of(assumption)} - switches
    tried = {name for values in OTHER_VALUES.values() for name in values}
    assert resting == tried | WITHOUT_SCENARIO.keys()
    assert not tried & WITHOUT_SCENARIO.keys()
