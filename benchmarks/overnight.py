"""A printer left running for years on a simulated clock: does it grow?

What ``mfp-sim serve`` puts together, with a page of the Remote UI opened every week and a request every day. After each
year everything that is reachable from the printer, the scheduler and the Remote UI is weighed. The mock CA is not in
it: :mod:`benchmarks.memory` weighs it.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from types import BuiltinFunctionType, FunctionType, ModuleType

from flask import Flask
from flask.testing import FlaskClient

from benchmarks.stage import NINE
from mfp_sim.device.printer_profile import profile_named
from mfp_sim.device.settings import AutoRequestSettings, KeySettings, Polling
from mfp_sim.remote_ui.app import create_app
from mfp_sim.remote_ui.assembly import Served, ServePlan, assemble
from mfp_sim.remote_ui.menu import PAGES
from mfp_sim.remote_ui.sessions import DEFAULT_PIN
from mfp_sim.shared.simtime import Entropy, PooledKeys

__all__ = ["YEARS", "Night", "measure", "sizes"]

YEARS = 10
FULL = 3
"""The year by whose end the audit log and the recorder's newest events have reached their limits."""
START = datetime(2026, 3, 2, 7, tzinfo=timezone.utc)
KEY = KeySettings("nightly", "192.0.2.10", use="TLS")


@dataclass(frozen=True)
class Night:
    """Bytes reachable at the end of each year, and what happened in all of them."""

    octets: tuple[int, ...]
    enrolments: int
    ledger_entries: int

    @property
    def growth(self) -> float:
        """The last year's end over that of the year in which the logs, which have a limit, were full."""
        return self.octets[-1] / self.octets[min(FULL, len(self.octets)) - 1]


def measure(years: int = YEARS) -> Night:
    """Run them."""
    plan = ServePlan(profile_named("canon-ir-adv-dx"), start=START)
    served = assemble(plan, keys=PooledKeys(Entropy(5), sides=1))
    try:
        return _run(served, years)
    finally:
        served.close()


def _run(served: Served, years: int) -> Night:
    printer, site = served.site.printers[0], served.site
    assert served.host is not None
    app = create_app(site, printer, entropy=Entropy(None))
    printer.update_communication(url=site.ca_url, port=served.host.port)
    printer.set_function("TLS", True)
    printer.update_auto_request(
        AutoRequestSettings(
            timer=True, start=NINE, key=KEY, adjust=True, polling=Polling(), every_days=1,
            restart=True, delete_old=True,
        )
    )  # fmt: skip
    weights: list[int] = []
    client = _log_in(app)
    for _ in range(years):
        for _ in range(52):
            site.advance(7 * 86400)
            if "Successful" not in client.get(PAGES["status"].url).text:
                raise SystemExit("the status page shows no certificate")
        site.advance(86400)
        weights.append(_weigh(served, app.extensions["desk"]))
    days = years * 365
    assert site.ca is not None
    counts = site.ca.ledger.counts
    if counts["installed"] != days or site.clock.now() < START + timedelta(days=days):
        raise SystemExit(f"{days} certificates were to be installed, the ledger has {counts}")
    return Night(tuple(weights), days, len(site.ca.ledger.entries))


def _log_in(app: Flask) -> FlaskClient:
    """A user whose browser stays open."""
    client = app.test_client()
    token = client.get("/login").text.partition('name="form_token" value="')[2].partition('"')[0]
    client.post("/login", data={"form_token": token, "pin": DEFAULT_PIN})
    return client


def _weigh(served: Served, desk: object) -> int:
    """The bytes of all that is reachable, without the mock, modules and classes."""
    gc.collect()
    assert served.site.ca is not None
    seen = {id(thing) for thing in (served.site.ca, served.site.ca.ledger, served.host)}
    return sum(sizes([desk, served.site.scheduler], seen))


def sizes(roots: list[object], seen: set[int]) -> Iterator[int]:
    waiting = list(roots)
    while waiting:
        thing = waiting.pop()
        if id(thing) in seen or isinstance(thing, type | ModuleType | BuiltinFunctionType):
            continue
        seen.add(id(thing))
        yield sys.getsizeof(thing)
        if isinstance(thing, FunctionType):
            waiting += [*(thing.__closure__ or ()), *(thing.__defaults__ or ())]
        else:
            waiting += gc.get_referents(thing)
