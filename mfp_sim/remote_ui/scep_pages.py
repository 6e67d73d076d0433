"""The three settings pages of the SCEP menu, and the page Certificate Issuance Request Status.

Serves MFP-COMM-*, MFP-REQ-*, MFP-AUTO-*, MFP-STATUS-*.
"""

from __future__ import annotations

from dataclasses import replace

from flask import Flask, request

from mfp_sim.device.printer import Printer
from mfp_sim.device.settings import AutoRequestSettings, KeySettings
from mfp_sim.remote_ui.desk import View, cause_key, desk, detail_text, form_page, labels, notify, role, show
from mfp_sim.remote_ui.forms import fits_picker, read_auto_request, read_communication, read_key
from mfp_sim.remote_ui.menu import PAGES
from mfp_sim.shared.errors import Refused
from mfp_sim.shared.simtime import local

__all__ = ["register"]


def register(app: Flask) -> None:
    """Add these pages."""
    methods = ["GET", "POST"]
    app.add_url_rule(PAGES["comm"].url, "comm", _communication, methods=methods)
    app.add_url_rule(PAGES["request"].url, "request", _request, methods=methods)
    app.add_url_rule(PAGES["auto"].url, "auto", _auto_request, methods=methods)
    app.add_url_rule(PAGES["status"].url, "status", _status)


def _communication() -> View:
    at = desk()

    def submit() -> None:
        values = read_communication(request.form)
        settings = {"url": str(values["url"]), "port": int(values["port"]), "timeout": int(values["timeout"])}
        at.site.act(
            "communication",
            settings,
            lambda: at.printer.update_communication(**settings, role=role()),  # type: ignore[arg-type]
            role=role(),
        )
        notify("updated")

    def render(refusal: Refused | None) -> str:
        stored, model = at.printer.communication, at.printer.profile
        typed: dict[str, object] = (
            {"url": stored.url, "port": stored.port, "timeout": stored.timeout}
            if stored
            else {"url": "", "port": 80, "timeout": model.default_timeout}
        )
        if refusal is not None:
            typed |= request.form
        return show("communication.html", "comm", refusal=refusal, typed=typed, locked=at.printer.auto_request.timer)

    return form_page(render, submit, "comm")


def _fresh_key() -> dict[str, object]:
    """The preset values of the fields of a key (A-06, A-07)."""
    blank = KeySettings("", "")
    return {
        "name": "", "common_name": "", "organization": "", "length": blank.length, "signature": blank.signature,
        "use": blank.use, "policy": "",
    }  # fmt: skip


def _request() -> View:
    at = desk()

    def submit() -> None:
        key = read_key(request.form)
        at.site.act("request", key, lambda: at.printer.begin_request(key, role=role()), role=role())
        row = at.printer.status()[0]
        if row.state == "processing":
            notify("request.begun")
        elif row.details:
            notify("request.failed", detail=str(detail_text(row.details)))
        else:
            notify("request.ended", state=labels().text(f"state.{row.state}"))
        _notify_advice()

    def render(refusal: Refused | None) -> str:
        typed = _fresh_key()
        if refusal is not None:
            typed |= request.form
        after, cause = _after(at.printer) if "sent" in request.args else (None, None)
        locked = at.printer.auto_request.timer
        return show("request.html", "request", refusal=refusal, typed=typed, locked=locked, after=after, cause=cause)

    return form_page(render, submit, "request", sent=1)


def _after(printer: Printer) -> tuple[str | None, str | None]:
    """What a person should do after the last request, and the label of its cause if it failed."""
    row = next(iter(printer.status()), None)
    if row is None or row.state not in ("successful", "error"):
        return None, None
    if row.state == "error":
        return ("failed", cause_key(row.details)) if row.details else (None, None)
    key = max(printer.key_list(), key=lambda entry: entry.id)
    if key.use == "None":
        return None, None
    return "restart" if key.use in printer.functions else "function", None


def _auto_request() -> View:
    at = desk()

    def submit() -> None:
        settings = read_auto_request(request.form, at.printer.auto_request)
        do = lambda: at.printer.update_auto_request(settings, role=role())  # noqa: E731
        at.site.act("auto_request", settings, do, role=role())
        notify("updated")
        _notify_advice()

    def render(refusal: Refused | None) -> str:
        stored = at.printer.auto_request
        typed = _typed_auto(stored)
        if refusal is not None:
            boxes = dict.fromkeys(("timer", "adjust", "polling", "periodic", "restart", "delete_old"), False)
            typed |= {**boxes, **request.form}
        kept = stored.key is not None and stored.key.challenge is not None
        today = local(at.printer.clock.now(), at.printer.zone).date()
        return show(
            "auto_request.html", "auto", refusal=refusal, typed=typed, kept=kept, today=today, fits_picker=fits_picker
        )

    return form_page(render, submit, "auto")


def _typed_auto(stored: AutoRequestSettings) -> dict[str, object]:
    """The stored settings as the fields show them, without the challenge password (A-10)."""
    key = _fresh_key()
    if stored.key is not None:
        key = {name: value or "" for name, value in vars(replace(stored.key, challenge=None)).items()}
    polling = stored.polling
    return {
        **key,
        "timer": stored.timer,
        "start": stored.start.strftime("%Y-%m-%d") if stored.start else "",
        "start_time": stored.start.strftime("%H:%M") if stored.start else "",
        "adjust": stored.adjust,
        "polling": polling is not None,
        "polling_count": polling.count if polling else 3,
        "polling_interval": polling.minutes if polling else 10,
        "periodic": stored.every_days is not None,
        "every": stored.every_days or 1,
        "restart": stored.restart,
        "delete_old": stored.delete_old,
    }


def _notify_advice() -> None:
    for said in desk().printer.advice:
        notify(f"advice.{said.key}", ip=desk().printer.ip)


def _status() -> View:
    return show("status.html", "status", rows=desk().printer.status(), detail_text=detail_text, cause_key=cause_key)
