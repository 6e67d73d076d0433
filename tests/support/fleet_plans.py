"""Plans of a few printers for the tests of a fleet: one class, and what a test changes of it."""

from __future__ import annotations

from mfp_sim.fleet.plan import FleetPlan, read_plan

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
