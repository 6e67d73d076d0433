"""Who may be loaded, how a budget is divided, what keys are taken, and what makes a run invalid."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfp_sim.load.job import LoadJob, handed_on, reach_handed_on, read_job, refuse_strangers, share_of, write_job
from mfp_sim.load.material import make_keys, read_keys
from mfp_sim.load.result import Gathered, LoadResult, load_schema, read_result, service_of
from mfp_sim.shared.documents.records import record_of
from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.reaching import Reach
from mfp_sim.shared.scep.url import Url

JOB = LoadJob("http://127.0.0.1:1/scep", 200, 2, "load.json", "keys.pem", rate=20.0)


@given(st.integers(1, 10_000), st.integers(1, 60))
def test_the_shares_of_all_workers_are_the_budget(total: int, workers: int) -> None:
    shares = [share_of(total, worker, workers) for worker in range(workers)]
    assert sum(shares) == total
    assert max(shares) - min(shares) <= 1


@pytest.mark.parametrize(
    ("addresses", "allowed", "refused"),
    [
        (["127.0.0.1"], False, None),
        (["::1", "127.0.0.1"], False, None),
        (["127.0.0.1", "192.0.2.7"], False, "192.0.2.7"),
        (["192.0.2.7"], True, None),
    ],
)
def test_every_address_has_to_be_of_this_machine(addresses: list[str], allowed: bool, refused: str | None) -> None:
    def call() -> tuple[str, ...]:
        return refuse_strangers(Url.parse("http://ca.example/scep"), allowed=allowed, resolve=lambda *_: addresses)

    if refused is None:
        assert call() == tuple(addresses)
        return
    with pytest.raises(UsageError, match="which is not this computer") as error:
        call()
    assert refused in error.value.message
    assert error.value.remedy == "give --i-may-load-this-server if its operator agrees"


def test_a_job_goes_to_other_processes_in_a_file_of_its_owner(tmp_path: Path) -> None:
    file = tmp_path / "job.json"
    write_job(JOB, file)
    assert read_job(file) == JOB
    assert file.stat().st_mode & 0o077 == 0


def test_how_the_server_is_reached_goes_to_other_processes_without_proxies() -> None:
    reach = Reach(
        ca=Path("/ca.pem"),
        certificate=Path("own.pem"),
        key_password="hush",
        login="me:hush",
        fields=(("X-Tenant", "7"),),
    )
    read = reach_handed_on(handed_on(replace(reach, proxies=(("all", "http://proxy.example:3128"),))))
    assert read == replace(reach, certificate=Path.cwd() / "own.pem"), "the processes have another folder"


def test_keys_are_of_their_owner_and_never_overwritten(tmp_path: Path) -> None:
    file, told = tmp_path / "keys.pem", list[int]()
    make_keys(2, 2048, file, 1, told.append)
    assert told == [1, 2]
    assert file.stat().st_mode & 0o077 == 0
    first, second = read_keys(file, 0, 2)
    assert first.private_numbers() != second.private_numbers()
    assert read_keys(file, 1, 1)[0].private_numbers() == second.private_numbers()
    with pytest.raises(UsageError, match="exists already"):
        make_keys(1, 2048, file, 1, told.append)
    with pytest.raises(UsageError, match="has 2 key pairs, but 3 are needed"):
        read_keys(file, 1, 2)
    file.write_text("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")
    with pytest.raises(UsageError, match="cannot be read"):
        read_keys(file, 0, 1)


def _gathered(issued: int, *, late: float | None = 0.001, failed: int = 0) -> Gathered:
    found = Gathered()
    for number in range(issued + failed):
        found.began(1000.0 + number)
        if late is not None:
            found.delayed(late)
        found.took("PKCSReq", 0.02)
        if number < issued:
            found.ended(1000.5 + number, "issued", f"{number:x}")
        else:
            found.ended(1000.5 + number, "fail-info-2")
    return found


def _result(found: Gathered, *, done: int = 2, job: LoadJob = JOB, budget: int | None = None) -> LoadResult:
    return found.result(replace(job, certificates=budget or found.sent), done=done, stopped=None)


def test_counts_of_workers_add_up_and_counting_begins_anew() -> None:
    first, second, total = _gathered(3), _gathered(2, failed=1), Gathered()
    total.add(json.loads(json.dumps(first.message())))
    total.add(json.loads(json.dumps(second.message())))
    total.add(json.loads(json.dumps(first.message())))  # nothing since
    result = _result(total)
    assert (result.sent, result.issued, result.failed) == (6, 5, 1)
    assert (result.serials, result.distinct, result.duplicates) == (5, 3, ("0", "1"))
    assert result.seconds == 2.5
    assert result.timeline == ((0, 2, 2, 0), (1, 2, 2, 0), (2, 2, 1, 1))


def test_a_result_fits_its_schema_and_reads_back(tmp_path: Path) -> None:
    result = _result(_gathered(5))
    file = tmp_path / "load.json"
    file.write_text(json.dumps(record_of(LoadResult).write(result)))
    jsonschema.validate(json.loads(file.read_text()), load_schema())
    assert read_result(file) == result


@pytest.mark.parametrize(
    ("found", "done", "invalid"),
    [
        (_gathered(40), 2, []),
        (_gathered(40, late=0.4), 2, ["the generator was the bottleneck: requests of 5 of 100 enrolments came"]),
        (_gathered(40, late=None), 2, []),
        (_gathered(40), 1, ["1 of 2 workers did not end normally"]),
        (Gathered(), 2, ["no certificate was issued"]),
        (_gathered(0, failed=3), 2, ["no certificate was issued"]),
    ],
)
def test_what_makes_a_run_invalid(found: Gathered, done: int, invalid: list[str]) -> None:
    told = _result(found, done=done).invalid
    assert len(told) == len(invalid)
    assert all(part in text for part, text in zip(invalid, told, strict=True))


def test_service_times_of_a_plan_are_those_of_one_client() -> None:
    alone = LoadJob("http://127.0.0.1:1/scep", 200, 2, "load.json", "keys.pem", clients=1)
    times = service_of(_result(_gathered(40), job=alone))
    assert len(times.pki) == 20
    assert all(0.019 < seconds < 0.022 for seconds in times.pki)
    with pytest.raises(UsageError, match="need a valid run with one client, without a rate"):
        service_of(_result(_gathered(40)))
    with pytest.raises(UsageError, match="without a rate and without failures"):  # a refusal is no service
        service_of(_result(_gathered(40, failed=1), job=alone))


def test_a_run_that_ends_short_of_its_budget_is_invalid() -> None:
    assert _result(_gathered(40), budget=41).invalid == ("40 enrolments began, but 41 were requested",)


def test_keys_that_could_not_all_be_made_leave_no_file(tmp_path: Path) -> None:
    def interrupted(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_keys(1, 2048, tmp_path / "keys.pem", 1, interrupted)
    assert list(tmp_path.iterdir()) == []


def test_a_result_names_no_secret_and_no_path_of_the_url() -> None:
    told = json.dumps(record_of(LoadResult).write(_result(_gathered(1))))
    assert "scep" not in told.replace("mfp_sim", "")
    assert Counter(told)["@"] == 0
