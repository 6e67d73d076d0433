"""The power fails at every point of a choice of scenarios, on disk and in memory, and nothing is lost."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from mfp_sim.device.storage import MemoryStorage
from mfp_sim.scenario.collection import select
from mfp_sim.scenario.power import PowerInstant, PowerPoint, cut_at, cut_everywhere, power_instants, power_points
from mfp_sim.scenario.world import directories
from mfp_sim.shared.errors import UsageError

CHOICE = [
    "manual-request",
    "registration-authority",
    "deferred-twice-then-issued",
    "approved-after-hours",
    "connect-refused-then-issued",
    "refused-after-pending",
    "answer-never-sent",
    "delete-old",
    "default-key-stays",
    "limit-of-the-model[eight]",
    "changed-start",
    "errors-do-not-stop-the-period",
    "hour-that-comes-twice",
    "automatic-restart",
    "pending-survives",
    "clock-at-factory-date",
    "export-and-import",
    "restart-cuts-an-import",
    "which-of-one-name",
]


def _scenario(name: str):
    (found,) = [scenario for scenario in select([], []) if scenario.name == name]
    return found


@pytest.mark.parametrize("name", CHOICE)
def test_after_a_failure_at_any_point_the_printer_is_sound(name: str) -> None:
    results = list(cut_everywhere(_scenario(name)))
    assert len(results) >= 2
    assert [f"{result.point}: {text}" for result in results for text in result.broken] == []


@pytest.mark.parametrize("name", ["manual-request", "delete-old"])
def test_the_same_with_the_state_on_disk_within_a_commit_too(name: str, tmp_path: Path) -> None:
    scenario = _scenario(name)
    with directories(tmp_path / "list", fresh=True) as storages:
        listed = power_points(scenario, storages=storages)
    assert {"state-written", "state-renamed"} <= {point.name for point in listed}
    for point in listed:
        room = tmp_path / str(point.number)
        with directories(room, fresh=True) as storages:
            assert cut_at(scenario, point, storages=storages).broken == ()
        assert (room / "printer-1" / "printer.json").stat().st_mode & 0o777 == 0o600


class _Forgetful(MemoryStorage):
    """Tells that it has kept a state, and has not."""

    def commit(self, state) -> None:
        if self.load() is None:
            super().commit(state)


class _Mixing(MemoryStorage):
    """Keeps a part of a state: the keys are old ones."""

    def commit(self, state) -> None:
        old = self.load()
        super().commit(state if old is None else {**state, "keys": old["keys"]})


@pytest.mark.parametrize("kind", [_Forgetful, _Mixing])
def test_a_storage_that_loses_something_is_found(kind: type) -> None:
    results = cut_everywhere(_scenario("manual-request"), storages=lambda number, points: kind())
    told = {text for result in results for text in result.broken}
    assert "SIM00001: the loaded state is neither the old state nor the new one" in told


def test_the_power_may_fail_at_any_instant_of_an_exchange() -> None:
    scenario = _scenario("another-request-while-one-is-processed")
    instants = power_instants(scenario, timedelta(milliseconds=250))
    assert [(instant.name, instant.number) for instant in instants] == [("PKCSReq", n) for n in range(1, 81)]
    assert instants[-1].at - instants[0].at == timedelta(seconds=19.75)
    for instant in instants:
        assert cut_at(scenario, instant).broken == (), str(instant)


def test_each_machine_has_its_points_and_its_instants() -> None:
    scenario = _scenario("one-waits-and-the-other-does-not")
    points = power_points(scenario)
    assert {point.printer for point in points if point.name == "PKCSReq.before"} == {"SIM00001", "SIM00002"}
    others = [point for point in points if point.printer == "SIM00002"]
    assert [cut_at(scenario, point).broken for point in others] == [()] * len(others)
    instants = power_instants(_scenario("two-with-one-start"), timedelta(seconds=2))
    begun = instants[0].at
    assert [(instant.printer, (instant.at - begun).seconds) for instant in instants] == [
        ("SIM00001", 0), ("SIM00002", 0), ("SIM00001", 2), ("SIM00002", 2), ("SIM00002", 4), ("SIM00002", 6),
    ]  # fmt: skip
    assert [cut_at(_scenario("two-with-one-start"), instant).broken for instant in instants] == [()] * 6


def test_an_instant_that_never_comes_is_told() -> None:
    scenario = _scenario("manual-request")
    assert power_instants(scenario, timedelta(seconds=1)) == (), "no exchange of it takes time"
    beyond = PowerInstant(1, "PKCSReq", scenario.clock + timedelta(days=9999), "SIM00001")
    assert cut_at(scenario, beyond).broken == ("the power did not fail at this point",)
    with pytest.raises(UsageError, match="longer than 0"):
        power_instants(scenario, timedelta(0))


def test_a_point_that_is_never_passed_is_told() -> None:
    scenario = _scenario("manual-request")
    last = power_points(scenario)[-1]
    beyond = PowerPoint(last.number + 1, "commit-nothing.before", 1, "SIM00001")
    assert cut_at(scenario, beyond).broken == ("the power did not fail at this point",)


def test_a_failure_of_the_scenarios_own_does_not_take_the_place_of_ours() -> None:
    scenario = _scenario("fails-while-pending")
    assert [result.broken for result in cut_everywhere(scenario) if result.broken] == []


def test_an_orphan_that_nobody_knows_of_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    from mock_scep_server.ledger import Ledger

    monkeypatch.setattr(Ledger, "report_installed", lambda self, certificate: None)
    told = [text for result in cut_everywhere(_scenario("manual-request")) for text in result.broken]
    assert told
    assert all(text.endswith("which the CA counts as an orphan") for text in told)
