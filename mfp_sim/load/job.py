"""The job of a load run: the values that every process gets, and the check of which servers may be loaded.

Processes get the job as a file that only its owner can read. The challenge password and the settings to reach the
server are never in a file, but in the environment of the processes.
"""

from __future__ import annotations

import ipaddress
import json
import socket
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

from mfp_sim.shared.documents.json_values import read_json
from mfp_sim.shared.documents.kinds import Within
from mfp_sim.shared.documents.records import document, record_of
from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.reaching import Reach
from mfp_sim.shared.scep.url import Url

__all__ = [
    "CHALLENGE", "JOB", "REACH", "LoadJob", "asked_of", "handed_on", "reach_handed_on", "read_job", "refuse_strangers",
    "share_of", "write_job",
]  # fmt: skip

JOB, CHALLENGE, REACH = "MFP_SIM_LOAD_JOB", "MFP_SIM_LOAD_CHALLENGE", "MFP_SIM_LOAD_REACH"
"""The environment variables with the job's file, with the challenge password, and with `handed_on`."""


@document("a load job", exchanged=True)
@dataclass(frozen=True)
class LoadJob:
    """One run. ``rate`` is in enrolments a second over all workers; None for ``clients`` with one enrolment after
    another; ``ramp`` and ``timeout`` are in seconds; ``keys`` is a file of key pairs; the run writes
    its result to the file ``result``; with ``insecure`` the server's TLS certificate is not checked."""

    url: str
    certificates: Annotated[int, Within(1)]
    workers: Annotated[int, Within(1)]
    result: str
    keys: str
    rate: float | None = None
    clients: int = 1
    ramp: float = 0.0
    timeout: float = 30.0
    seed: int = 1
    prefix: str = "mfp-sim-load"
    allowed: bool = False
    insecure: bool = False

    @property
    def target(self) -> Url:
        """The server."""
        return Url.parse(self.url)

    @property
    def longest(self) -> float:
        """The seconds after which the run must be over in any case."""
        rate = self.rate or 0.2
        return self.ramp + self.certificates / rate + 2 * self.timeout + 30


def write_job(job: LoadJob, file: Path) -> None:
    """Write a job for the processes on this computer."""
    file.touch(mode=0o600)
    file.write_text(json.dumps(record_of(LoadJob).write(job)), "utf-8")


def read_job(file: Path) -> LoadJob:
    """Read a job that `write_job` wrote."""
    return read_json(LoadJob, json.loads(file.read_text("utf-8")), str(file))


def handed_on(reach: Reach) -> str:
    """The settings to reach the server, for other processes, which connect directly even if a proxy is configured."""
    return json.dumps({**asdict(reach), "proxies": ()}, default=lambda file: str(file.absolute()))


def reach_handed_on(text: str) -> Reach:
    """Read the settings that `handed_on` wrote."""
    told = json.loads(text)
    files = {name: Path(told[name]) for name in ("ca", "certificate", "key") if told[name]}
    return Reach(**{**told, **files, "proxies": (), "fields": tuple((name, value) for name, value in told["fields"])})


def asked_of(job: LoadJob) -> list[object]:
    """The values that the master's job and its workers' jobs must have in common, on every computer."""
    return [job.url, job.certificates, job.workers, job.rate, job.clients, job.ramp, job.timeout, job.insecure]


def share_of(total: int, worker: int, workers: int) -> int:
    """The part of ``total`` for worker number ``worker`` (from 0). All parts add up to ``total``."""
    return total // workers + (worker < total % workers)


def refuse_strangers(
    url: Url,
    *,
    allowed: bool,
    resolve: Callable[[str, int], Sequence[str]] | None = None,
    why: str = "a load test can bring a server down",
    option: str = "--i-may-load-this-server",
) -> tuple[str, ...]:
    """The addresses of a server. All must belong to this computer, unless others are ``allowed`` by the ``option``.

    Raises:
        UsageError: an address belongs to another computer, or the name does not resolve.
    """
    try:
        addresses = (resolve or _resolved)(url.host, url.port)
    except OSError as error:
        raise UsageError(f"{url.host} cannot be found: {error}") from None
    strangers = [address for address in addresses if not ipaddress.ip_address(address).is_loopback]
    if strangers and not allowed:
        raise UsageError(
            f"{url.host} is {strangers[0]}, which is not this computer, and {why}",
            remedy=f"give {option} if its operator agrees",
        )
    return tuple(addresses)


def _resolved(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found))
