"""The pages of the simulator, which a real printer does not have: time, the mock's replies, the network, the power.

They need no login, and the printer knows nothing of them.
"""

from __future__ import annotations

from flask import Flask, abort, g, redirect, render_template, request, url_for

from mfp_sim.remote_ui.desk import View, desk, host_name, notify
from mfp_sim.remote_ui.menu import PAGES
from mfp_sim.remote_ui.portal_pages import local_path
from mfp_sim.remote_ui.served_site import NETWORK_STATES, OPERATOR_ACTS, NextFault, Site
from mfp_sim.shared.catalogue.registry import assumptions
from mock_scep_server.faults import FAULTS
from mock_scep_server.faults.registry import search_faults

__all__ = ["register"]

SPANS = {"10s": 10, "1m": 60, "10m": 600, "1h": 3600, "1d": 86400, "30d": 30 * 86400}
"""The buttons that move the time, in seconds."""
_SHOWN, _FOUND = 20, 50
"""The number of entries of the mock's journal and ledger that are shown, and of faults that a search shows."""


def register(app: Flask) -> None:
    """Add these pages."""
    app.context_processor(lambda: {"spans": SPANS, "mock": _mock()})
    app.add_url_rule("/simulation", "simulation", _simulation)
    app.add_url_rule("/simulation/printers", "simulation_printers", _printers)
    app.add_url_rule("/simulation/assumptions/<of>", "simulation_assumptions", _assumptions)
    app.add_url_rule("/simulation/advance", "simulation_advance", _advance, methods=["POST"])
    app.add_url_rule("/simulation/seen", "simulation_seen", _seen, methods=["POST"])
    app.add_url_rule("/simulation/ca", "simulation_ca", _ca, methods=["POST"])
    app.add_url_rule("/simulation/fault", "simulation_fault", _fault, methods=["POST"])
    app.add_url_rule("/simulation/no-fault", "simulation_no_fault", _no_fault, methods=["POST"])
    app.add_url_rule("/simulation/operator", "simulation_operator", _operator, methods=["POST"])
    app.add_url_rule("/simulation/power-on", "power_on", _power_on, methods=["POST"])


def _simulation() -> View:
    if g.session is None:
        g.session = desk().sessions.begin()
    site, search = desk().site, request.args.get("search", "").strip()
    found = search_faults(search) if search and site.ca else []
    return render_template(
        "simulation.html",
        endpoint=None,
        path=[],
        answers=site.answers,
        networks=NETWORK_STATES,
        search=search,
        found=found[:_FOUND],
        found_count=len(found),
        slugs=[entry.slug for entry in search_faults("")] if site.ca else [],
        waiting=site.ca.operator.waiting if site.ca else (),
        entries=site.ca.journal.entries[: -_SHOWN - 1 : -1] if site.ca else (),
        certificates=site.ca.ledger.entries[: -_SHOWN - 1 : -1] if site.ca else (),
    )


def _mock() -> dict[str, object] | None:
    """The state of the mock in short, for the strip."""
    ca = desk().site.ca
    if ca is None:
        return None
    waiting = len(ca.operator.waiting)
    return {"requests": ca.journal.count, "certificates": ca.ledger.counts["minted"], "waiting": waiting}


def _printers() -> View:
    """All printers with the addresses of their pages: the start page of several."""
    site, name = desk().site, host_name()
    machines = [
        (one, f"http://{name}:{site.ports[one.serial]}/" if one.serial in site.ports else None) for one in site.printers
    ]
    return render_template("printers.html", endpoint=None, path=[], machines=machines)


def _assumptions(of: str) -> View:
    """The assumptions behind a page of the printer."""
    page = PAGES.get(of) or abort(404)
    entries = [assumptions()[number] for number in page.assumes]
    return render_template("assumptions.html", endpoint=None, path=[], of=page, entries=entries)


def _advance() -> View:
    site, by = desk().site, request.form.get("by", "")
    if not site.simulated:
        abort(404)
    if by == "next":
        site.advance_to_next()
    elif by in SPANS:
        site.advance(SPANS[by])
    else:
        abort(400)
    return redirect(local_path(request.form.get("back")), 303)


def _seen() -> View:
    desk().site.trouble = None
    return redirect(local_path(request.form.get("back")), 303)


def _ca() -> View:
    site = desk().site
    answer, network = request.form.get("answer"), request.form.get("network")
    if (answer is not None and site.ca is None) or (network is not None and site.network is None):
        abort(404)
    if answer not in (None, *site.answers) or network not in (None, *NETWORK_STATES):
        abort(400)
    if answer is not None and answer != site.answer:
        site.set_answer(answer)
    for state in NETWORK_STATES:
        if site.network is not None and state == network != site.network.state:
            site.set_network(state)
    notify("sim.applied")
    return redirect(url_for("simulation"), 303)


def _mocked() -> Site:
    """The site, if it has a mock."""
    site = desk().site
    return site if site.ca is not None else abort(404)


def _fault() -> View:
    site, slug, at = _mocked(), request.form.get("slug", ""), request.form.get("at", "")
    entry = FAULTS.get(slug)
    if entry is None or at not in entry.requests:
        abort(400)
    site.add_fault(NextFault(slug, at))
    notify("sim.fault-set", slug=slug)
    return redirect(url_for("simulation"), 303)


def _no_fault() -> View:
    _mocked().drop_faults()
    notify("sim.applied")
    return redirect(url_for("simulation"), 303)


def _operator() -> View:
    site, act, transaction = _mocked(), request.form.get("act", ""), request.form.get("transaction")
    if act not in OPERATOR_ACTS or (act in ("approve", "reject")) != (transaction is not None):
        abort(400)
    done = site.operate(act, transaction)
    notify("sim.applied" if done else "sim.nothing")
    return redirect(url_for("simulation", _anchor="queue"), 303)


def _power_on() -> View:
    printer = desk().printer
    if not printer.powered:
        desk().site.act("power_on", None, printer.power_on)
    return redirect("/", 303)
