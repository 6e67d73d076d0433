"""The pages for the portal, the login, the languages, and the menus."""

from __future__ import annotations

import math

from flask import Flask, Response, abort, g, redirect, render_template, request, url_for

from mfp_sim.device.machine import ADMINISTRATOR, ROLES
from mfp_sim.remote_ui.desk import View, desk, show
from mfp_sim.remote_ui.labels import LANGUAGES
from mfp_sim.remote_ui.menu import PAGES
from mfp_sim.shared.scep.url import Url

__all__ = ["local_path", "register"]

_YEAR = 365 * 86400


def register(app: Flask) -> None:
    """Add these pages."""
    app.add_url_rule(PAGES["portal"].url, "portal", _portal)
    app.add_url_rule("/login", "login", _login, methods=["GET", "POST"])
    app.add_url_rule("/logout", "logout", _logout, methods=["POST"])
    app.add_url_rule("/language/<code>", "language", _language)
    for name in ("settings", "devmgmt", "scep"):
        app.add_url_rule(PAGES[name].url, name, _menu, defaults={"name": name})


def _portal() -> str:
    return show("portal.html", "portal")


def _menu(name: str) -> str:
    return show("menu.html", name)


def _login() -> View:
    if g.session is None:
        g.session = desk().sessions.begin()
    sessions, client = desk().sessions, request.remote_addr or ""
    wrong, wait = False, 0.0
    back = local_path(request.values.get("back"))
    if request.method == "POST":
        chosen = request.form.get("role", ADMINISTRATOR)
        wait = sessions.attempts.wait(client) if chosen == ADMINISTRATOR else 0.0
        session = sessions.log_in(g.session, chosen, request.form.get("pin", ""), client=client)
        if session is not None:
            g.session = session
            return redirect(back, 303)
        wrong = True
    seconds = math.ceil(wait)
    page = render_template(
        "login.html",
        endpoint=None,
        path=[],
        roles=ROLES[:-1],
        wrong=wrong,
        wait=seconds,
        back=back,
        ended="ended" in request.args,
    )
    if seconds:
        return Response(page, 429, {"Retry-After": str(seconds)})
    return page, 403 if wrong else 200


def _logout() -> View:
    if g.session is not None:
        desk().sessions.end(g.session)
    g.session = desk().sessions.begin()
    return redirect(url_for("login"), 303)


def _language(code: str) -> View:
    if code not in LANGUAGES:
        abort(404)
    answer = redirect(local_path(request.args.get("back")), 303)
    answer.set_cookie("language", code, max_age=_YEAR, httponly=True, samesite="Lax")
    return answer


def local_path(text: str | None) -> str:
    """A path within the Remote UI, with its query; anything else becomes the path of the portal."""
    given = text or "/"
    try:
        parts = Url.parse(given).parts
    except ValueError:
        return "/"
    found = f"{parts.path}?{parts.query}" if parts.query else parts.path
    plain = found.isascii() and found.isprintable() and found.startswith("/") and "\\" not in found
    return found if plain and not parts.netloc and not parts.scheme and not given.startswith("//") else "/"
