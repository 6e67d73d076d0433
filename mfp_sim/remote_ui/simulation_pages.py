"""The pages of the simulator, which a real printer does not have: time, the mock's replies, the network, the power.

They need no login, and the printer knows nothing of them.
"""

from __future__ import annotations

from flask import Flask, abort, g, redirect, render_template, request, url_for

from mfp_sim.remote_ui.desk import View, desk, host_name, notify
from mfp_sim.remote_ui.menu import PAGES
from mfp_sim.remote_ui.portal_pages import local_path
from mfp_sim.remote_ui.served_site import ANSWERS, NETWORK_STATES
from mfp_sim.shared.catalogue.registry import assumptions

__all__ = ["register"]

SPANS = {"10s": 10, "1m": 60, "10m": 600, "1h": 3600, "1d": 86400, "30d": 30 * 86400}
"""The buttons that move the time, in seconds."""
_ASKED = 20


def register(app: Flask) -> None:
    """Add these pages."""
    app.context_processor(lambda: {"spans": SPANS})
    app.add_url_rule("/simulation", "simulation", _simulation)
    app.add_url_rule("/simulation/printers", "simulation_printers", _printers)
    app.add_url_rule("/simulation/assumptions/<of>", "simulation_assumptions", _assumptions)
    app.add_url_rule("/simulation/advance", "simulation_advance", _advance, methods=["POST"])
    app.add_url_rule("/simulation/seen", "simulation_seen", _seen, methods=["POST"])
    app.add_url_rule("/simulation/ca", "simulation_ca", _ca, methods=["POST"])
    app.add_url_rule("/simulation/power-on", "power_on", _power_on, methods=["POST"])


def _simulation() -> View:
    if g.session is None:
        g.session = desk().sessions.begin()
    ca = desk().site.ca
    entries = ca.journal.entries[: -_ASKED - 1 : -1] if ca else ()
    return render_template(
        "simulation.html", endpoint=None, path=[], entries=entries, answers=ANSWERS, networks=NETWORK_STATES
    )


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
    if answer not in (None, *ANSWERS) or network not in (None, *NETWORK_STATES):
        abort(400)
    if answer is not None and answer != site.answer:
        site.set_answer(answer)
    for state in NETWORK_STATES:
        if site.network is not None and state == network != site.network.state:
            site.set_network(state)
    notify("sim.applied")
    return redirect(url_for("simulation"), 303)


def _power_on() -> View:
    printer = desk().printer
    if not printer.powered:
        desk().site.act("power_on", None, printer.power_on)
    return redirect("/", 303)
