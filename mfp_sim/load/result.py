"""The result of a load run, and whether it is valid. Its counts can be added; they come from our own messages.

Times of exchanges are kept in buckets 5 % wide, like those of a fleet.
"""

from __future__ import annotations

import os
import platform
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timezone
from math import inf
from pathlib import Path
from typing import Annotated, Any

from mfp_sim import __version__
from mfp_sim.fleet.histogram import Counts, bucket_of, quantile
from mfp_sim.fleet.plan import ServiceTimes
from mfp_sim.load.job import LoadJob
from mfp_sim.shared.documents.json_values import read_json
from mfp_sim.shared.documents.kinds import Scalar, Schema
from mfp_sim.shared.documents.nodes import Problems
from mfp_sim.shared.documents.records import Doc, document, record_of, schema_of
from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.files import json_of

__all__ = ["ENROLMENT", "ISSUED", "Gathered", "LoadResult", "load_schema", "read_result", "service_of"]

ENROLMENT, ISSUED = "enrolment", "issued"
_LATE = 0.1
"""In seconds: if 5 of 100 enrolments of an open load are later than this, it is not the requested load.
An enrolment is late if it begins late, or if its messages wait for a thread that makes or reads them."""
_CAP = 256 * 1024 * 1024
"""The largest result that is read, in bytes."""
_NAMED = 20
"""The number of repeated serial numbers to list."""


@document("the machine", exchanged=True, later=True)
@dataclass(frozen=True)
class GeneratorMachine:
    """The computer that generated the load."""

    cores: int
    processor: str
    system: str
    python: str

    @classmethod
    def here(cls) -> GeneratorMachine:
        """The present computer."""
        return cls(os.cpu_count() or 1, _processor(), platform.platform(terse=True), platform.python_version())


def _processor() -> str:
    """The processor's name, if the system reports it."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        lines = []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


@document("a load result", exchanged=True, later=True)
@dataclass(frozen=True)
class LoadResult:
    """One run."""

    format: Annotated[int, Scalar(Problems.version, {"const": 1})]
    server: Annotated[str, Doc("scheme, host and port")]
    begun: Annotated[str, Doc("start time, in UTC")]
    seconds: Annotated[float, Doc("from the first arrival to the last end")]
    rate: Annotated[float | None, Doc("the requested enrolments a second; null if clients enrol one after another")]
    clients: Annotated[int, Doc("clients that enrol one after another, without a rate")]
    workers: int
    workers_done: Annotated[int, Doc("workers that ended normally")]
    budget: Annotated[int, Doc("the largest number of certificates to request")]
    sent: Annotated[int, Doc("enrolments that began")]
    outcomes: Annotated[Mapping[str, int], Doc("enrolments by outcome: issued, pending, fail-info-2, http-503, lost …")]
    operations: Annotated[
        Mapping[str, Annotated[Mapping[int, int], Counts()]],
        Doc("exchanges, and whole enrolments, by duration: bucket n ends at 1.05^n ms"),
    ]
    lateness: Annotated[
        Mapping[int, int], Counts(), Doc("enrolments by how late the generator was, in the same buckets")
    ]
    timeline: Annotated[tuple[tuple[int, ...], ...], Doc("by second: arrivals, issued, failed")]
    serials: Annotated[int, Doc("received certificates")]
    distinct: Annotated[int, Doc("different serial numbers")]
    duplicates: Annotated[tuple[str, ...], Doc("serial numbers received twice, the first twenty")]
    unanswered: Annotated[int, Doc("PKCSReqs sent completely without a reply: the CA may still have issued")]
    machine: GeneratorMachine
    stopped: Annotated[str | None, Doc("why it ended early")] = None
    tls_checked: Annotated[bool | None, Doc("whether the server's TLS certificate was checked; null without TLS")] = (
        None
    )
    version: str = __version__

    @property
    def issued(self) -> int:
        """The number of enrolments that got a certificate."""
        return self.outcomes.get(ISSUED, 0)

    @property
    def failed(self) -> int:
        """The number of enrolments that ended without one. Those that wait for approval are not failures."""
        return sum(count for outcome, count in self.outcomes.items() if outcome not in (ISSUED, "pending"))

    @property
    def per_second(self) -> float:
        """Certificates per second."""
        return self.issued / self.seconds if self.seconds else 0.0

    def time(self, operation: str, share: float) -> float:
        """The seconds within which this share of an operation's exchanges was done."""
        return quantile(self.operations.get(operation, {}), share)

    @property
    def late(self) -> float:
        """The delay in seconds, caused by the generator itself, that 95 of 100 enrolments did not exceed."""
        return quantile(self.lateness, 0.95)

    @property
    def invalid(self) -> tuple[str, ...]:
        """The reasons why the run is not valid, one sentence each; empty for a valid run."""
        found = []
        if self.late > _LATE:
            found.append(
                f"the generator was the bottleneck: requests of 5 of 100 enrolments came {self.late * 1000:.0f} ms "
                f"late or more ({_LATE * 1000:.0f} ms at most)"
            )
        if self.workers_done < self.workers:
            found.append(f"{self.workers - self.workers_done} of {self.workers} workers did not end normally")
        if self.sent != self.budget and self.stopped is None and self.workers_done >= self.workers:
            found.append(f"{self.sent} enrolments began, but {self.budget} were requested")
        if not self.issued:
            found.append("no certificate was issued")
        return tuple(found)


@dataclass
class Gathered:
    """The counts during a run; two of them can be added."""

    outcomes: Counter[str] = field(default_factory=Counter)
    operations: dict[str, Counter[int]] = field(default_factory=dict)
    lateness: Counter[int] = field(default_factory=Counter)
    seconds: dict[int, list[int]] = field(default_factory=dict)
    serials: list[str] = field(default_factory=list)
    sent: int = 0
    unanswered: int = 0
    first: float = inf
    last: float = 0.0

    def began(self, at: float) -> None:
        """Count the beginning of an enrolment. Instants are in seconds since 1970."""
        self.sent += 1
        self.first = min(self.first, at)
        self._second(at)[0] += 1

    def delayed(self, late: float) -> None:
        """Count the delay of an enrolment: its time since it was due, except the time spent waiting for the server."""
        self.lateness[bucket_of(late)] += 1

    def took(self, operation: str, seconds: float) -> None:
        """Count the time of an exchange, or of a whole enrolment."""
        self.operations.setdefault(operation, Counter())[bucket_of(seconds)] += 1

    def ended(self, at: float, outcome: str, serial: str | None = None) -> None:
        """Count the end of an enrolment."""
        self.outcomes[outcome] += 1
        self.last = max(self.last, at)
        self._second(at)[1 if outcome == ISSUED else 2] += outcome != "pending"
        if serial is not None:
            self.serials.append(serial)

    def _second(self, at: float) -> list[int]:
        return self.seconds.setdefault(int(at), [0, 0, 0])

    def message(self) -> dict[str, Any]:
        """The counts as a message to the master. Counting then begins at zero."""
        told = {
            "outcomes": dict(self.outcomes),
            "operations": {name: list(counts.items()) for name, counts in self.operations.items()},
            "lateness": list(self.lateness.items()),
            "seconds": list(self.seconds.items()),
            "serials": self.serials,
            "sent": self.sent,
            "unanswered": self.unanswered,
            "first": self.first if self.sent else None,
            "last": self.last,
        }
        vars(self).update(vars(Gathered()))
        return told

    def add(self, told: Mapping[str, Any]) -> None:
        """Add the counts of another object's `message`."""
        self.outcomes.update(told["outcomes"])
        for name, counts in told["operations"].items():
            self.operations.setdefault(name, Counter()).update(dict(counts))
        self.lateness.update(dict(told["lateness"]))
        for second, counts in told["seconds"]:
            self.seconds[second] = [a + b for a, b in zip(self._second(second), counts, strict=True)]
        self.serials += told["serials"]
        self.sent += told["sent"]
        self.unanswered += told["unanswered"]
        self.first = min(self.first, inf if told["first"] is None else told["first"])
        self.last = max(self.last, told["last"])

    def result(self, job: LoadJob, *, done: int, stopped: str | None) -> LoadResult:
        """The result of the whole run."""
        begun = f"{datetime.fromtimestamp(self.first, timezone.utc):%Y-%m-%dT%H:%M:%SZ}" if self.sent else ""
        counted, target = Counter(self.serials), job.target
        first = min(self.seconds, default=0)
        return LoadResult(
            format=1, server=f"{target.scheme}://{target.host}:{target.port}", begun=begun,
            seconds=max(0.0, round(self.last - self.first, 3)),
            rate=job.rate, clients=job.clients, workers=job.workers, workers_done=done, budget=job.certificates,
            sent=self.sent, outcomes=dict(self.outcomes), operations=dict(self.operations), lateness=self.lateness,
            timeline=tuple((second - first, *counts) for second, counts in sorted(self.seconds.items())),
            serials=len(self.serials), distinct=len(counted),
            duplicates=tuple(serial for serial, times in counted.items() if times > 1)[:_NAMED],
            unanswered=self.unanswered, machine=GeneratorMachine.here(), stopped=stopped,
            tls_checked=not job.insecure if target.scheme == "https" else None,
        )  # fmt: skip


def service_of(result: LoadResult) -> ServiceTimes:
    """The service times for the CA of a fleet plan: twenty equally likely times for each operation.

    Raises:
        UsageError: the run is invalid, or had more than one client, so requests may have waited for each other.
    """
    if result.rate is not None or result.clients > 1 or result.invalid or result.failed or result.stopped:
        text = "service times need a valid run with one client, without a rate and without failures"
        raise UsageError(text, remedy="mfp-sim load URL --clients 1 --certificates 200 --report DIR")
    times = {
        name: tuple(max(0.0001, result.time(name, (2 * part + 1) / 40)) for part in range(20))
        for name in result.operations
    }
    rest = ServiceTimes()
    return ServiceTimes(
        caps=times.get("GetCACaps", rest.caps),
        ca_cert=times.get("GetCACert", rest.ca_cert),
        pki=times["PKCSReq"],
        poll=times["PKCSReq"],
    )


def load_schema() -> Schema:
    """The JSON schema of results."""
    return schema_of(record_of(LoadResult), "mfp-sim load result")


def read_result(file: Path) -> LoadResult:
    """A result from a file.

    Raises:
        UsageError: it cannot be read, or is not JSON.
        DocumentError: it is not the result of a load run.
    """
    return read_json(LoadResult, json_of(file, _CAP, "give the load.json of mfp-sim load --report"), str(file))
