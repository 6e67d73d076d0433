"""The tools of every page of the Remote UI: printer, sessions and labels of the request, and how to show a page.

It owns no page, no right and no lock: the application (`app.py`) checks the request before it calls a page. Serves
MFP-UI-01.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from flask import Response, current_app, g, redirect, render_template, request, url_for
from werkzeug.wrappers import Response as AnyResponse

from mfp_sim.device.printer import Printer
from mfp_sim.device.status import Detail
from mfp_sim.remote_ui.forms import REFUSALS, Mistyped
from mfp_sim.remote_ui.labels import LANGUAGES, Foreign, Labels, best_language, labels_of
from mfp_sim.remote_ui.menu import path_to
from mfp_sim.remote_ui.served_site import Site
from mfp_sim.remote_ui.sessions import BrowserSession, Sessions
from mfp_sim.shared.errors import Refused
from mfp_sim.shared.simtime import local

__all__ = [
    "Desk",
    "RefusalView",
    "View",
    "cause_key",
    "desk",
    "detail_text",
    "error_page",
    "form_page",
    "host_name",
    "labels",
    "limits",
    "local_text",
    "notify",
    "role",
    "show",
    "shown",
    "this_page",
]

View = Response | AnyResponse | str | tuple[str, int]


@dataclass(frozen=True)
class Desk:
    """The tools of the pages of one printer."""

    site: Site
    printer: Printer
    sessions: Sessions


@dataclass(frozen=True)
class RefusalView:
    """A refusal as a page shows it: its reason for programs, its text, and the name of the field that it is about."""

    reason: str
    text: str | Foreign
    field: str | None


def desk() -> Desk:
    """The printer and its surroundings."""
    found = current_app.extensions["desk"]
    assert isinstance(found, Desk)
    return found


def role() -> str:
    """The role of this browser's session."""
    session: BrowserSession | None = g.get("session")
    return session.role if session else "logged-out"


def this_page() -> str:
    """The address of this page for a later GET: the page of a submitted form, or the portal without one."""
    if request.method == "GET":
        return request.full_path.removesuffix("?")
    methods = request.url_rule.methods if request.url_rule else None
    return request.path if methods and "GET" in methods else "/"


def host_name() -> str:
    """The host name or address by which the browser reached this page, without the port."""
    return request.host.rpartition(":")[0] if ":" in request.host.rpartition("]")[2] else request.host


def labels() -> Labels:
    """The labels in the language of this browser: the chosen one, or the best of its list."""
    chosen = request.cookies.get("language", "")
    return labels_of(chosen if chosen in LANGUAGES else best_language(request.accept_languages.values()))


def detail_text(detail: Detail) -> str | Foreign:
    """A detail of a request in the language of the page."""
    return labels().shown(f"detail.{detail.kind}", number=detail.number)


def cause_key(detail: Detail) -> str:
    """The key of the label that explains a detail of a request."""
    return f"cause.{detail.slug if detail.kind == 'fail-info' else detail.kind}"


def local_text(instant: datetime | None) -> str:
    """An instant as the printer's local time; None is empty."""
    return "" if instant is None else local(instant, desk().printer.zone).strftime("%Y-%m-%d %H:%M:%S")


def notify(key: str, **values: object) -> None:
    """Show a label on the next page."""
    if g.session is not None:
        g.session.notices.append((key, values))


def show(template: str, endpoint: str, *, refusal: Refused | None = None, **values: object) -> str:
    """A page of the menu."""
    return render_template(
        template, endpoint=endpoint, path=path_to(endpoint), refusal=refusal and shown(refusal), **values
    )


def form_page(render: Callable[[Refused | None], str], submit: Callable[[], None], then: str, **values: Any) -> View:
    """Show a page with a form, or handle the submitted form and go to `then`. After a refusal, the page shows the form
    again with the values that were typed."""
    if request.method != "POST":
        return render(None)
    try:
        submit()
    except Refused as refusal:
        status = REFUSALS[refusal.reason][1]
        if status == 403:
            return error_page(403, shown(refusal))
        return render(refusal), status
    return redirect(url_for(then, **values), 303)


def shown(refusal: Refused) -> RefusalView:
    """A refusal in the language of this browser."""
    words, key = labels(), f"refused.{refusal.reason}"
    if isinstance(refusal, Mistyped):
        name = words.text(refusal.label).removesuffix(":")
        return RefusalView(refusal.reason, words.shown(key, field=name), refusal.field)
    return RefusalView(refusal.reason, words.shown(key, **limits(desk().printer)), REFUSALS[refusal.reason][0])


def limits(printer: Printer) -> dict[str, object]:
    """The values of the model and the printer that labels contain."""
    model = printer.profile
    spans = {
        "port": model.port_range, "timeout": model.timeout_range, "adjust": model.adjustment_range,
        "poll_count": model.poll_count_range, "poll_minutes": model.poll_minutes_range,
        "period": model.period_days_range,
    }  # fmt: skip
    ends = {f"{name}_{end}": span[index] for name, span in spans.items() for index, end in enumerate(("low", "high"))}
    lengths = ("url_length", "key_name_length", "organization_length", "common_name_length", "challenge_length")
    return {
        **ends,
        **{name: getattr(model, name) for name in (*lengths, "history")},
        "ip": printer.ip,
        "timezone": printer.zone.key,
    }


def error_page(status: int, refusal: RefusalView | None = None, key: str | None = None) -> View:
    """A page that shows only an error: its label is `key`, or that of the HTTP status."""
    text = key or (f"error.{status}" if labels().has(f"error.{status}") else "error.400")
    return render_template("error.html", endpoint=None, path=[], key=text, refusal=refusal), status
