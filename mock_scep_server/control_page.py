"""The web page of the control port: shows and does in a browser what the API offers.

Owns HTML, forms and the login; each form is an operation of the table in `control.py`. Any shown text may come from a
client: templates escape it, and characters that change the direction of text are shown as numbers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from functools import cache
from importlib import resources
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl, urlencode

from jinja2 import Environment, PackageLoader, StrictUndefined

from mfp_sim.shared.errors import DocumentError, MfpSimError
from mfp_sim.shared.scep.http_messages import HttpReply, HttpRequest
from mfp_sim.shared.visible import visible
from mock_scep_server.challenges import OneTimeChallenges
from mock_scep_server.control_access import Access
from mock_scep_server.control_routes import Denied
from mock_scep_server.faults import FAULTS
from mock_scep_server.faults.registry import search_faults
from mock_scep_server.journal import JournalEntry
from mock_scep_server.service import ScepService

__all__ = ["VIEWS", "ControlPage"]

_Texts = Mapping[str, str]
VIEWS: Final = {
    "overview": "Overview",
    "queue": "Waiting",
    "journal": "Journal",
    "clients": "Clients",
    "ledger": "Ledger",
    "script": "Script",
    "faults": "Faults",
}
_BESIDE: Final = {"exchange": "Exchange"}
_PAGE, _LOGIN, _LOGOUT = "/page", "/login", "/logout"
_ASSETS: Final = {"/page.css": "text/css", "/page.js": "text/javascript"}
_FORMS: Final = {
    "approve": ("POST /approve", "Requests approved: {count}."),
    "reject": ("POST /reject", "Requests rejected: {count}."),
    "hold": ("POST /hold", "Patterns newly held: {count}."),
    "release": ("POST /release", "Patterns released: {count}."),
    "revoke": ("POST /revoke", "Certificates revoked: {count}."),
    "challenge": ("POST /challenge", ""),
    "script": ("PUT /script", "The new rules are in effect. Their counts start at 0."),
    "add": ("POST /script", "The new rule is the first one. The counts of all rules start at 0."),
    "reset": ("POST /reset", "Journal, ledger and transactions are empty; the script starts again."),
}
"""What a form can do: the operation, and the notice after it."""
_A_PAGE: Final = 25
_FILTERS: Final = ("text", "client", "name", "verdict")
_OF_RULES: Final = ("place", "when", "then", "faults", "times", "until", "chance", "over")
_HEADERS: Final = (
    ("Content-Type", "text/html; charset=utf-8"),
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "same-origin"),
    (
        "Content-Security-Policy",
        (
            "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; "
            "base-uri 'none'; frame-ancestors 'none'"
        ),
    ),
)


class _Operations(Protocol):
    """What the page needs from the control port."""

    def perform(self, told: str, texts: _Texts) -> Any:
        """Perform an operation, given by method and path, with text values."""
        ...


class ControlPage:
    """The page; `reply` answers the requests for which `has` is true."""

    def __init__(self, service: ScepService, access: Access, control: _Operations) -> None:
        self._service, self._access, self._control = service, access, control

    def has(self, path: str, request: HttpRequest) -> bool:
        """Whether a request is for the page, including a browser's request for the list of the API."""
        browser = "text/html" in (request.header("Accept") or "")
        return path in (_PAGE, _LOGIN, _LOGOUT, *_ASSETS) or (path == "/" and request.method == "GET" and browser)

    def reply(self, request: HttpRequest, client: str) -> HttpReply:
        """Return the reply to a browser."""
        path = request.target.partition("?")[0]
        try:
            self._access.check_host(request)
            if path in _ASSETS:
                kind = (("Content-Type", f"{_ASSETS[path]}; charset=utf-8"), *_HEADERS[1:])
                return HttpReply(200, headers=kind, body=_asset(path[1:]))
            if path == "/":
                return _see("page")
            return self._entered(path, request, client)
        except Denied as refused:
            if refused.status == 401:
                return self._login(request, 401)
            return self._notice(refused.status, str(refused.text), refused.headers)

    def _entered(self, path: str, request: HttpRequest, client: str) -> HttpReply:
        """Return the reply if the path concerns the login."""
        posted = request.method == "POST"
        if request.method not in ("GET", "HEAD", "POST") or (path == _LOGOUT and not posted):
            raise Denied(405, f"{path} does not support {request.method}", None, (("Allow", "GET, POST"),))
        if posted:
            form = dict(_pairs(request.body.decode("utf-8", "replace")))
            self._access.check_form(request, form.pop("form_token", ""))
        if path == _LOGIN:
            if not posted:
                return self._login(request, 200)
            if self._access.wanted and not self._access.try_token(form.get("token", "").encode(), client):
                return self._login(request, 401, "The token is wrong.")
            return _see("page", self._access.cookie(request, logged_in=True))
        if path == _LOGOUT:
            return _see("login", self._access.cookie(request, logged_in=False))
        self._access.check_token(request, client)
        return self._act(form) if posted else self._show(dict(_pairs(request.target.partition("?")[2])))

    # --- what a form does ---------------------------------------------------------------------------------

    def _act(self, form: dict[str, str]) -> HttpReply:
        """Perform a form's operation and show the view again; on failure, show the form as it was and the reason."""
        view, do = form.pop("view", ""), form.pop("do", "")
        if do not in _FORMS:
            raise Denied(400, "there is no such form")
        told, said = _FORMS[do]
        values = {name: text.replace("\r\n", "\n") for name, text in form.items() if text.strip()}
        if do == "script":
            values = {"script": form.get("script", "").replace("\r\n", "\n")}
        elif do == "add":
            values = {"script": _rule(values)}
        try:
            answer = self._control.perform(told, values)
        except DocumentError as error:
            marks = {"text": values["script"], "problems": error.problems}
            return self._show({"view": view, **form}, 400, error="The script has mistakes.", mistakes=marks)
        except Denied as refused:
            return self._show({"view": view, **form}, 400, error=": ".join([refused.text, *refused.more.values()]))
        except MfpSimError as error:
            return self._show({"view": view, **form}, 400, error=str(error))
        if do == "challenge":  # it is only in this reply and never in a URL
            return self._show({"view": view}, challenge=answer["challenge"])
        count = {"count": answer["count"]} if said.endswith("{count}.") else {}
        return _see(f"page?{urlencode({'view': view, 'done': do, **count})}")

    # --- what is shown ------------------------------------------------------------------------------------

    def _show(
        self,
        query: _Texts,
        status: int = 200,
        *,
        error: str | None = None,
        mistakes: Mapping[str, Any] | None = None,
        challenge: str | None = None,
    ) -> HttpReply:
        names = {**VIEWS, **_BESIDE}
        view = query.get("view", "overview")
        if view not in names:
            raise Denied(404, "there is no such view")
        done = _FORMS.get(query.get("done", ""), ("", ""))[1]
        count = query.get("count", "0")
        shown = {
            "view": view,
            "title": names[view],
            "query": query,
            "error": error,
            "done": done.format(count=count if count.isascii() and count.isdigit() else "?"),
            "mistakes": mistakes,
            "challenge": challenge,
            **getattr(self, f"_{view}")(query),
        }
        return self._page(status, f"{view}.html", **shown)

    def _ask(self, told: str, **texts: str) -> Any:
        return self._control.perform(told, texts)

    def _overview(self, _: _Texts) -> Mapping[str, Any]:
        one_time = isinstance(self._service.challenge, OneTimeChallenges)
        wanted = self._service.challenge.wanted
        certificate = self._service.authority.issuer.certificate
        return {"pem": self._ask("GET /ca.pem"), "one_time": one_time, "wanted": wanted, "certificate": certificate}

    def _queue(self, _: _Texts) -> Mapping[str, Any]:
        return {"queue": self._ask("GET /queue")}

    def _journal(self, query: _Texts) -> Mapping[str, Any]:
        wanted = {name: query[name] for name in _FILTERS if query.get(name)}
        found = self._ask("GET /journal", **wanted)["entries"][::-1]
        pages = max(1, -(-len(found) // _A_PAGE))
        asked = query.get("page", "1")
        page = min(pages, max(1, int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 9 else 1))
        links = {n: urlencode({"view": "journal", **wanted, "page": n}) for n in (page - 1, page + 1) if 0 < n <= pages}
        empty = dict.fromkeys(part.name for part in fields(JournalEntry))
        return {
            "entries": [{**empty, **entry} for entry in found[(page - 1) * _A_PAGE : page * _A_PAGE]],
            "wanted": {**dict.fromkeys(_FILTERS, ""), **wanted},
            "found": len(found),
            "page": page,
            "pages": pages,
            "links": links,
        }

    def _exchange(self, query: _Texts) -> Mapping[str, Any]:
        found = self._ask("GET /exchange/{number}", number=query.get("number", ""))
        sides = {
            side: {**found[side], "decoded": json.dumps(found[side]["decoded"], indent=2, ensure_ascii=False)}
            for side in ("request", "reply")
        }
        return {"found": found, "sides": sides}

    def _clients(self, _: _Texts) -> Mapping[str, Any]:
        return {"clients": self._ask("GET /clients")}

    def _ledger(self, _: _Texts) -> Mapping[str, Any]:
        return {"ledger": self._ask("GET /ledger")}

    def _script(self, _: _Texts) -> Mapping[str, Any]:
        try:
            text = self._ask("GET /script.yaml")
        except Denied:
            text = None
        rules = [{**dict.fromkeys(_OF_RULES), **rule} for rule in self._ask("GET /script")]
        return {"rules": rules, "unused": self._ask("GET /unused"), "text": text}

    def _faults(self, query: _Texts) -> Mapping[str, Any]:
        chosen = FAULTS.get(query.get("slug", ""))
        return {
            "faults": search_faults(query.get("search", "")),
            "chosen": chosen if chosen and chosen.in_scripts else None,
        }

    def _login(self, request: HttpRequest, status: int, error: str | None = None) -> HttpReply:  # noqa: ARG002
        return self._page(status, "login.html", view="", title="Log in", error=error, done="")

    def _notice(self, status: int, text: str, headers: tuple[tuple[str, str], ...] = ()) -> HttpReply:
        reply = self._page(status, "notice.html", view="", title="Not done", error=text, done="")
        return HttpReply(status, headers=(*reply.headers, *headers), body=reply.body)

    def _page(self, status: int, template: str, **shown: Any) -> HttpReply:
        common = {
            "views": VIEWS,
            "form_token": self._access.form_token,
            "locked": self._access.wanted,
            "status": self._ask("GET /status"),
        }
        text = _templates().get_template(template).render({**common, **shown})
        return HttpReply(status, headers=_HEADERS, body=text.encode("utf-8", "backslashreplace"))


def _rule(values: _Texts) -> str:
    """Make the script text of a rule from the fields of the form."""
    keys = ("when", "then", "faults", "times")
    texts = {**values, "faults": f"[{values.get('fault', '')}]"}
    lines = [f"{key}: {' '.join(texts[key].split())}" for key in keys if texts.get(key)]
    return "- " + "\n  ".join([*lines, *(["optional: true"] if "optional" in values else [])]) + "\n"


def _pairs(text: str) -> list[tuple[str, str]]:
    return parse_qsl(text, keep_blank_values=True, encoding="utf-8", errors="replace")


def _see(where: str, *headers: tuple[str, str]) -> HttpReply:
    """Redirect to another page with a relative reference (RFC 9110, 10.2.2), which keeps a path prefix."""
    return HttpReply(303, headers=(("Location", where), *_HEADERS, *headers))


@cache
def _asset(name: str) -> bytes:
    return resources.files("mock_scep_server").joinpath("control_files", name).read_bytes()


@cache
def _templates() -> Environment:
    return Environment(
        loader=PackageLoader("mock_scep_server", "control_files"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=lambda value: visible(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
