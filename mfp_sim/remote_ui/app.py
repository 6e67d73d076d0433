"""The Flask application of one printer's Remote UI: sessions, rights, form tokens, headers, and template variables.

It changes the printer only by its public methods and while it holds the site's lock, so requests and scheduled events
never run at the same time. Text from browsers and servers is hostile: templates escape it, and headers forbid
everything that the pages do not need. Serves MFP-UI-01, MFP-ADMIN-01; A-04, A-20.
"""

from __future__ import annotations

import io
import re
from collections.abc import Collection
from functools import cache
from importlib import resources
from typing import IO

from flask import Flask, Request, Response, abort, g, redirect, render_template, request, url_for
from markupsafe import Markup
from werkzeug.exceptions import HTTPException

from mfp_sim.device.printer import Printer
from mfp_sim.remote_ui import machine_pages, portal_pages, scep_pages, simulation_pages
from mfp_sim.remote_ui.desk import (
    Desk,
    RefusalView,
    View,
    desk,
    error_page,
    host_name,
    labels,
    limits,
    local_text,
    role,
    shown,
    this_page,
)
from mfp_sim.remote_ui.labels import DEFAULT, LANGUAGES, Foreign, labels_of
from mfp_sim.remote_ui.menu import PAGES, MenuPage, below
from mfp_sim.remote_ui.served_site import Busy, Site
from mfp_sim.remote_ui.sessions import DEFAULT_PIN, BrowserSession, Sessions
from mfp_sim.shared.errors import MfpSimError, Refused
from mfp_sim.shared.simtime import Clock, Entropy

__all__ = ["LOOPBACK", "create_app"]

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
"""The host names that are accepted for a Remote UI on loopback; others are refused."""

_PATIENCE = 5.0
_LARGEST_FORM = 512 * 1024
_FREE = frozenset(
    {
        "login",
        "language",
        "static",
        "simulation",
        "simulation_advance",
        "simulation_ca",
        "simulation_fault",
        "simulation_no_fault",
        "simulation_operator",
        "simulation_printers",
        "simulation_assumptions",
        "power_on",
    }
)
"""Endpoints that need no login: the login itself, and those of the simulator, which the printer does not have."""
_HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class _Request(Request):
    """A request whose files stay in memory: they are small, and must not be written to the disk."""

    def _get_file_stream(self, *_: object, **__: object) -> IO[bytes]:
        return io.BytesIO()


def create_app(
    site: Site,
    printer: Printer,
    *,
    entropy: Entropy,
    pin: str = DEFAULT_PIN,
    hosts: Collection[str] = LOOPBACK,
    clock: Clock | None = None,
) -> Flask:
    """The application.

    Args:
        site: the printer's surroundings.
        printer: the printer.
        entropy: the source of random tokens; the system's outside tests.
        pin: the administrator's PIN.
        hosts: the host names that are accepted; empty for any (it listens on more than loopback).
        clock: the clock of the wait after wrong PINs; the system's outside tests.
    """
    app = Flask("mfp_sim.remote_ui", static_folder=None)
    app.request_class = _Request
    app.config["MAX_CONTENT_LENGTH"] = _LARGEST_FORM
    app.config["MAX_FORM_MEMORY_SIZE"] = _LARGEST_FORM
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.extensions["desk"] = Desk(site, printer, Sessions(entropy, pin, clock))
    cookie = f"remote-ui-{printer.serial}"

    @app.before_request
    def check_host() -> None:
        if hosts and host_name().lower() not in hosts:
            abort(400)

    @app.before_request
    def find_session() -> View | None:
        if request.endpoint == "static":
            return None
        _ = request.form, request.files  # read the whole request before taking the lock: the sender may be slow
        g.session = desk().sessions.get(request.cookies.get(cookie))
        return _take_lock()

    app.before_request(_check_form)
    app.before_request(_check_power)
    app.before_request(_check_rights)

    @app.after_request
    def finish(response: Response) -> Response:
        for name, value in _HEADERS.items():
            response.headers[name] = value
        session: BrowserSession | None = g.get("session")
        if session is not None and request.cookies.get(cookie) != session.token:
            response.set_cookie(cookie, session.token, httponly=True, samesite="Strict")
        return response

    @app.teardown_request
    def let_go(_: BaseException | None) -> None:
        held = g.pop("held", None)
        if held is not None:
            held.__exit__(None, None, None)

    app.register_error_handler(HTTPException, _http_error)
    app.register_error_handler(MfpSimError, _failed)
    app.context_processor(_common)
    app.add_template_filter(local_text, "local")
    app.add_template_filter(str, "plain")
    app.add_template_filter(_unnumbered, "unnumbered")
    app.add_template_filter(_pieces, "pieces")
    app.add_template_filter(_wrapped, "wrapped")
    app.add_url_rule("/static/<filename>", "static", _static)
    portal_pages.register(app)
    scep_pages.register(app)
    machine_pages.register(app)
    simulation_pages.register(app)
    return app


_MEDIA = {"style.css": "text/css", "follow.js": "text/javascript", "icon.svg": "image/svg+xml"}


def _static(filename: str) -> View:
    """A style sheet, script or picture, from memory: a browser that disconnects early must not leave a file open."""
    if filename not in _MEDIA:
        abort(404)
    return Response(_octets_of(filename), content_type=f"{_MEDIA[filename]}; charset=utf-8")


@cache
def _octets_of(filename: str) -> bytes:
    return resources.files("mfp_sim.remote_ui").joinpath("static").joinpath(filename).read_bytes()


def _unnumbered(text: str) -> str:
    """A text of the model without the numbers of assumptions, which a printer does not show."""
    return re.sub(r" ?\((?:A-\d\d(?:, )?)+\)", "", text)


def _pieces(hexadecimal: str) -> str:
    """A long number that may wrap between every two bytes, and only there."""
    return Markup("<wbr>").join(re.findall(".{1,4}", hexadecimal))


def _wrapped(text: str) -> str:
    """A text that may also wrap after a comma, as in `CN=printer,O=Example`, and between the bytes of a long number."""
    marked = re.sub("[0-9a-f]{20,}", lambda found: re.sub("(....)(?!$)", r"\1\0", found[0]), text.replace(",", ",\0"))
    return Markup("<wbr>").join(marked.split("\0"))


def _lang(text: str | Foreign) -> str:
    """The `lang` attribute for an element that cannot contain another: an option, a title, a button set by a script."""
    return Markup(' lang="{}"').format(text.language) if isinstance(text, Foreign) else ""


def _assumed() -> MenuPage | None:
    """This page of the printer, if it depends on assumptions."""
    return PAGES.get((request.endpoint or "").partition(".")[0])


def _common() -> dict[str, object]:
    """The variables of every template."""
    words, at = labels(), desk()
    bounds = limits(at.printer)

    def text(key: str, **values: object) -> str | Foreign:
        return words.shown(key, **{**bounds, **values})

    def uses() -> list[tuple[str, str | Foreign]]:
        return [(use, text(f"use.{use}")) for use in at.printer.profile.uses]

    def policies() -> list[tuple[str, str | Foreign]]:
        return [("", text("key.no-policy")), *((name, name) for name in at.printer.policies)]

    session: BrowserSession | None = g.get("session")
    return {
        "t": text,
        "use_options": uses,
        "policy_options": policies,
        "pairs": lambda values: [(value, value) for value in values],
        "lang": _lang,
        "english": lambda said: said if words.language == DEFAULT else Foreign(said),
        "language": words.language,
        "languages": {code: labels_of(code).text("language") for code in LANGUAGES},
        "site": at.site,
        "printer": at.printer,
        "model": at.printer.profile,
        "session": session,
        "role": role(),
        "pages": PAGES,
        "below": below,
        "notices": session.take_notices() if session else [],
        "now": at.printer.clock.now(),
        "next_event": at.site.next_event,
        "known": words.has,
        "assumed": _assumed(),
        "here": this_page(),
    }


# --- before a page ----------------------------------------------------------------------------------------


def _take_lock() -> View | None:
    held = desk().site.held(_PATIENCE)
    try:
        held.__enter__()
    except Busy:
        words = labels()
        text = f"{words.text('product')}: {words.text('error.busy')}\n"
        return Response(text, 503, {"Retry-After": "5", "Content-Type": "text/plain; charset=utf-8"})
    g.held = held
    return None


def _check_form() -> View | None:
    """A form needs the token of its session. If there is no session any more, the login comes first, then the page."""
    if request.method != "POST" or (g.session and g.session.has_form_token(request.form.get("form_token", ""))):
        return None
    if g.session is not None:
        abort(403, description="form")
    page = "/" if request.endpoint == "login" else this_page()
    return _to_login(portal_pages.local_path(request.form.get("back") or page), ended=1)


def _to_login(back: str, **more: object) -> View:
    return redirect(url_for("login", back=None if back == "/" else back, **more), 303)  # type: ignore[arg-type]


def _check_power() -> View | None:
    if desk().printer.powered or request.endpoint in _FREE - {"login"}:
        return None
    if g.session is None:
        g.session = desk().sessions.begin()
    return render_template("off.html", endpoint=None, path=[]), 503


def _check_rights() -> View | None:
    if request.endpoint in _FREE or request.endpoint is None:
        return None
    if g.session is None or not g.session.logged_in:
        return _to_login(this_page())
    if request.method == "POST":
        return None  # the printer decides, and gives the reason for a refusal
    page = PAGES.get((request.endpoint or "").partition(".")[0])
    if page is not None and role() not in page.roles:
        return error_page(403, shown(Refused("not-administrator", "administrator rights are needed")))
    return None


# --- errors -----------------------------------------------------------------------------------------------


def _http_error(error: HTTPException) -> View:
    status = error.code or 500
    if "session" not in g:
        g.session = None
    return error_page(status, key="error.form" if error.description == "form" else None)


def _failed(error: MfpSimError) -> View:
    """An internal error, such as a full disk: shown in words, never with a traceback."""
    return error_page(500, RefusalView("internal", Foreign(str(error)), None))
