"""Plans of a few printers for the tests of a fleet: one class, and what a test changes of it."""

from __future__ import annotations

from typing import Any

from mfp_sim.fleet.plan import FleetPlan, read_plan
from mfp_sim.fleet.result import FleetRun

_TEXT = """\
format: 1
name: few-printers
days: {days}
timezone: Europe/Oslo
printers:
  - {{name: offices, count: {count}, start: 2026-03-02 09:00, {every}adjust: {adjust}, \
polling: {{count: {polls}, interval: {interval}}}{more}}}
network: {{latency: 2ms{network}}}
ca: {{workers: {workers}, service: {{GetCACaps: [10ms], GetCACert: [10ms], PKCSReq: [{service}], CertPoll: [{service}]}}{ca}}}
outages: [{outages}]
"""


def few(
    count: int = 12, *, days: int = 29, every: str = "every: 30d, ", adjust: str = "true", polls: int = 3,
    interval: str = "10m", more: str = "", network: str = "", workers: int = 1, service: str = "20ms", ca: str = "",
    outages: str = "",
) -> FleetPlan:  # fmt: skip
    """A plan; the texts go into it as they are."""
    return read_plan(
        _TEXT.format(
            count=count,
            days=days,
            every=every,
            adjust=adjust,
            polls=polls,
            interval=interval,
            more=more,
            network=network,
            workers=workers,
            service=service,
            ca=ca,
            outages=outages,
        )
    )


_NOTHING: dict[str, Any] = {
    "label": "", "seed": 1, "printers": 1, "days": 1.0, "workers": 1, "outcomes": {}, "exchanges": 0, "minted": 0,
    "lost": 0, "lacking": 0, "without": 0.0, "busy": 0.0, "wasted": 0.0, "longest": 0, "waits": {}, "took": {},
    "asked": {}, "unserved": {}, "queue": {}, "holders": {},
}  # fmt: skip


def run_of(**values: Any) -> FleetRun:
    """A run written by hand: of one printer at a CA that served nothing, except for these values."""
    return FleetRun(**{**_NOTHING, **values})
