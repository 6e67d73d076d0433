"""The pages for the portal, the login, the languages, and the menus.

The portal shows the printer's state, as such pages do. Levels of paper and toner are drawn: the simulator has neither.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from flask import Flask, Response, abort, g, redirect, render_template, request, url_for

from mfp_sim.device.machine import ADMINISTRATOR, ROLES
from mfp_sim.device.printer import Printer
from mfp_sim.remote_ui.desk import View, desk, detail_text, labels, local_text, role, show
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


@dataclass(frozen=True)
class Message:
    """A message of the portal: the key of its label with values, the page that it is about, and how urgent it is."""

    key: str
    page: str
    kind: str = "info"
    values: Mapping[str, object] = field(default_factory=dict)


def _portal() -> str:
    messages = list(_messages(desk().printer)) if role() == ADMINISTRATOR else []
    return show("portal.html", "portal", state=_state(desk().printer), messages=messages, drawn=_DRAWN)


def _state(printer: Printer) -> str:
    """What the printer is doing; only the administrator sees requests (A-20)."""
    if printer.transfer is not None:
        return "transfer"
    busy = role() == ADMINISTRATOR and any(row.state == "processing" for row in printer.status())
    return "request" if busy else "ready"


def _messages(printer: Printer) -> Iterator[Message]:
    """What the administrator should know, the most urgent first."""
    now, rows, entries = printer.clock.now(), printer.status(), printer.key_list()
    ended = next((row for row in rows if row.state in ("error", "successful")), None)
    if ended is not None and ended.state == "error":
        detail = detail_text(ended.details) if ended.details else ""
        yield Message("failed", "status", "error", {"time": local_text(ended.time), "detail": str(detail)})
    for entry in entries:
        if entry.certificate.not_after < now:
            values = {"name": entry.name, "time": local_text(entry.certificate.not_after)}
            yield Message("expired", "keys", "error", values)
    if len(entries) >= printer.profile.key_limit:
        yield Message("full", "keys", "warn", {"limit": printer.profile.key_limit})
    if printer.communication is None:
        yield Message("no-server", "comm", "warn")
    in_use = printer.functions_in_use()
    for entry in entries:
        where = entry.use if entry.policy is None else f"{entry.use}/{entry.policy}"
        if entry.assigned and where in in_use and in_use[where] != entry.name:
            yield Message("restart", "restart", "warn", {"name": entry.name, "use": labels().text(f"use.{entry.use}")})
    if printer.next_request is not None:
        yield Message("planned", "auto", "info", {"time": local_text(printer.next_request)})


_DRAWN: Mapping[str, tuple[tuple[str, int], ...]] = {
    "paper": (("drawer-1", 100), ("drawer-2", 50), ("multi-purpose", 0)),
    "toner": (("black", 80), ("cyan", 60), ("magenta", 70), ("yellow", 40)),
}
"""What the portal draws of paper and toner, in percent. It never changes, and the page says so."""


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
