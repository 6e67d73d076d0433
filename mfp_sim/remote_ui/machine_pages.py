"""The pages for keys and certificates, batch export and import, the audit log, network, functions, and restart."""

from __future__ import annotations

import csv
import io

from flask import Flask, Response, abort, request

from mfp_sim.device.bundle import CATEGORIES
from mfp_sim.device.keystore import KeyEntry
from mfp_sim.device.settings import ShownSentence
from mfp_sim.remote_ui.desk import View, desk, form_page, labels, notify, role, show
from mfp_sim.remote_ui.labels import Foreign
from mfp_sim.remote_ui.menu import PAGES
from mfp_sim.shared.errors import DecodeError, Refused

__all__ = ["register"]

_SHOWN_ENTRIES = 100
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def register(app: Flask) -> None:
    """Add these pages."""
    methods = ["GET", "POST"]
    keys, transfer = PAGES["keys"].url, PAGES["import-export"].url
    app.add_url_rule(keys, "keys", _keys)
    app.add_url_rule(f"{keys}/<int:key_id>", "keys.details", _key)
    app.add_url_rule(f"{keys}/<int:key_id>/delete", "keys.delete", _delete_key, methods=methods)
    app.add_url_rule(transfer, "import-export", _transfer)
    app.add_url_rule(f"{transfer}/export", "import-export.export", _export, methods=methods)
    app.add_url_rule(f"{transfer}/file", "import-export.file", _exported_file)
    app.add_url_rule(f"{transfer}/import", "import-export.import", _import, methods=methods)
    app.add_url_rule(PAGES["audit"].url, "audit", _audit)
    app.add_url_rule(f"{PAGES['audit'].url}/file", "audit.file", _audit_file)
    app.add_url_rule(PAGES["network"].url, "network", _network, methods=methods)
    app.add_url_rule(PAGES["functions"].url, "functions", _functions, methods=methods)
    app.add_url_rule(PAGES["restart"].url, "restart", _restart, methods=methods)


# --- keys -------------------------------------------------------------------------------------------------


def _entry(key_id: int) -> KeyEntry:
    found = next((entry for entry in desk().printer.key_list() if entry.id == key_id), None)
    return found or abort(404)


def _keys() -> View:
    return show("keys.html", "keys", entries=desk().printer.key_list())


def _key(key_id: int) -> View:
    entry = _entry(key_id)
    try:
        length: object = getattr(entry.certificate.public_key(), "key_size", None)
    except DecodeError:
        length = None
    return show("key.html", "keys", entry=entry, length=length)


def _delete_key(key_id: int) -> View:
    entry = _entry(key_id)

    def submit() -> None:
        do = lambda: desk().printer.delete_key(entry.name, key_id=entry.id, role=role())  # noqa: E731
        ids = [other.id for other in desk().printer.key_list() if other.name == entry.name]
        desk().site.act("delete_key", {"name": entry.name, "nth": ids.index(entry.id) + 1}, do, role=role())
        notify("keys.deleted")

    return form_page(lambda refusal: show("key_delete.html", "keys", refusal=refusal, entry=entry), submit, "keys")


# --- export and import ------------------------------------------------------------------------------------


def _transfer(refusal: Refused | None = None) -> str:
    return show("import_export.html", "import-export", refusal=refusal, categories=CATEGORIES, report_line=_report_line)


def _report_line(said: ShownSentence) -> str | Foreign:
    """A line of the printer's import or export report, in the language of the page."""
    return labels().shown(f"import.{said.key}")


def _export() -> View:
    def submit() -> None:
        password = request.form.get("password", "")
        do = lambda: desk().printer.begin_export(password, role=role())  # noqa: E731
        desk().site.act("export_bundle", password, do, role=role())
        notify("transfer.begun")

    return form_page(_transfer, submit, "import-export")


def _exported_file() -> View:
    octets, serial = desk().printer.exported, desk().printer.serial
    if octets is None:
        abort(404)
    disposition = f'attachment; filename="{serial}.dcm"'
    return Response(octets, 200, {"Content-Type": "application/octet-stream", "Content-Disposition": disposition})


def _import() -> View:
    def submit() -> None:
        file = request.files.get("file")
        octets = file.read() if file else b""
        password = request.form.get("password", "")
        if not octets:
            raise Refused("no-file", "no file was chosen")
        do = lambda: desk().printer.begin_import(octets, password, role=role())  # noqa: E731
        desk().site.act("import_bundle", (octets, password), do, role=role())
        notify("transfer.begun")

    return form_page(_transfer, submit, "import-export")


# --- audit log --------------------------------------------------------------------------------------------


def _audit() -> View:
    entries = desk().printer.audit
    return show("audit.html", "audit", entries=entries[: -_SHOWN_ENTRIES - 1 : -1], total=len(entries))


def _audit_file() -> View:
    """The whole log as CSV, oldest entry first; no cell begins like a formula."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["Date/Time", "User Name", "Operation", "Result", "Information"])
    for entry in desk().printer.audit:
        cells = (entry.time.isoformat(), entry.user, entry.operation, entry.result, entry.diagnosis)
        writer.writerow([f"'{cell}" if cell.startswith(_FORMULA) else cell for cell in cells])
    disposition = f'attachment; filename="{desk().printer.serial}-audit.csv"'
    return Response(
        text.getvalue(), 200, {"Content-Type": "text/csv; charset=utf-8", "Content-Disposition": disposition}
    )


# --- network, functions, restart --------------------------------------------------------------------------


def _network() -> View:
    def submit() -> None:
        on, ip = "dns" in request.form, request.form.get("ip", desk().printer.ip).strip()
        if ip != desk().printer.ip:
            desk().site.act("ip", ip, lambda: desk().printer.set_ip(ip, role=role()), role=role())
        desk().site.act("dns", on, lambda: desk().printer.set_dns(on, role=role()), role=role())
        notify("updated")

    def render(refusal: Refused | None) -> str:
        typed = request.form.get("ip", desk().printer.ip)
        return show("network.html", "network", refusal=refusal, ip=typed)

    return form_page(render, submit, "network")


def _functions() -> View:
    def submit() -> None:
        use, on = request.form.get("use", ""), request.form.get("turn") == "on"
        do = lambda: desk().printer.set_function(use, on, role=role())  # noqa: E731
        desk().site.act("function", {"use": use, "on": on}, do, role=role())
        notify("updated")

    def render(refusal: Refused | None) -> str:
        in_use = desk().printer.functions_in_use()
        rows = [
            (use, [f"{key}" for where, key in in_use.items() if where == use or where.startswith(f"{use}/")])
            for use in desk().printer.profile.uses[1:]
        ]
        return show("functions.html", "functions", refusal=refusal, rows=rows)

    return form_page(render, submit, "functions")


def _restart() -> View:
    def submit() -> None:
        desk().site.act("restart", None, lambda: desk().printer.restart(role=role()), role=role())

    return form_page(lambda refusal: show("restart.html", "restart", refusal=refusal), submit, "portal")
