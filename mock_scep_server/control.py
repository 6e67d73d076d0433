"""The control port: lets an operator or a test suite control a running mock, with JSON over HTTP or a web page.

It offers the acts of `CaOperator` and shows the script, the journal, the ledger, the queue and the clock. One table of
operations serves the API, its OpenAPI description, and the forms of the page. `control_access.py` decides who may use
it.
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import yaml

from mfp_sim.shared.documents import duration
from mfp_sim.shared.errors import DocumentError, MfpSimError
from mfp_sim.shared.scep.crl import REASONS
from mfp_sim.shared.scep.http_messages import Delivery, HttpReply, HttpRequest, delivery_of
from mfp_sim.shared.simtime import Entropy
from mock_scep_server.challenges import OneTimeChallenges
from mock_scep_server.client_accounts import accounts
from mock_scep_server.control_access import Access
from mock_scep_server.control_answers import (
    CLIENTS,
    COUNT,
    DONE,
    EXCHANGE,
    JOURNAL,
    LEDGER,
    QUEUE,
    RULES,
    STATUS,
    TEXT,
)
from mock_scep_server.control_page import ControlPage
from mock_scep_server.control_routes import (
    JSON,
    WRITTEN_RULES,
    YAML,
    Denied,
    Input,
    Route,
    list_of,
    object_of,
    openapi,
    problem_json,
)
from mock_scep_server.exchange_view import view_exchange
from mock_scep_server.journal import JournalEntry
from mock_scep_server.saving import ExchangeFiles
from mock_scep_server.script_file import script_of
from mock_scep_server.service import ScepService

__all__ = ["ControlService"]

_Values = Mapping[str, Any]
PEM = "application/x-pem-file"
_PATTERN = Input("pattern", "a subject, as a shell pattern, or a transactionID; default: all")
_TRANSACTION = Input("transaction", "exactly this transactionID, instead of a pattern")
_HELD = Input("pattern", "a subject, as a shell pattern; default: all")
_REVOKED = Input("pattern", "a subject, as a shell pattern, or a serial number in hexadecimal", needed=True)
_MOST = 999_999_999
_JOURNAL = (
    Input("since", "the number of entries to skip", most=_MOST),
    Input("limit", "the largest number of entries, oldest first", most=_MOST),
    Input("client", "only entries of this client"),
    Input("name", "only entries of this operation or message type"),
    Input("verdict", "only entries with a finding of this verdict", words=("fail", "warn", "note")),
    Input("text", "only entries that contain this text, in any case"),
)
_TEMPLATE = {"allOf": [{"type": "object"}, {"required": ["openapi", "paths"]}]}


class ControlService:
    """The service behind the control port. It has its own `ServerHost`, beside the service that it controls.

    Args:
        service: the CA.
        files: the saved exchanges.
        token: what a client has to present. None: any client that reaches the port by a loopback name may use it.
        script: the text of the initial rules, if known, for the editor of the page.
        entropy: the source of the tokens in forms and cookies.
    """

    def __init__(
        self,
        service: ScepService,
        files: ExchangeFiles | None = None,
        *,
        token: str | None = None,
        script: str | None = None,
        entropy: Entropy | None = None,
    ) -> None:
        self._service, self._operator, self._files = service, service.operator, files
        self._script = "[]\n" if script is None and not service.script.rules else script
        self._access = Access(token, service.clock, entropy or Entropy(None))
        self.routes = self._routes()
        self._page = ControlPage(service, self._access, self)

    @property
    def locked(self) -> bool:
        """Whether a client has to present a token."""
        return self._access.wanted

    def _routes(self) -> tuple[Route, ...]:
        act, operator = self._act, self._operator
        return (
            Route("GET", "/", "all operations", self._index, {"type": "object", "additionalProperties": TEXT}),
            Route("GET", "/openapi.json", "the OpenAPI description of all operations", self._openapi, _TEMPLATE),
            Route("GET", "/status", "profile, clock, counts, waiting requests", self._status, STATUS),
            Route("GET", "/clock", "the CA's time", self._clock, object_of({"now": TEXT})),
            Route("GET", "/ca.pem", "the certificate of the CA, PEM", self._pem, TEXT, media=PEM),
            Route("GET", "/script", "the rules, in the order in which they are tried", self._rules, RULES),
            Route("PUT", "/script", "replace the rules: a list as in a script file, JSON or YAML", self._put_script,
                  RULES, body="script"),
            Route("POST", "/script", "add rules before the others; all rules start again", self._add_rules,
                  RULES, body="script", errors={409: "The text of the other rules is unknown or not a plain list."}),
            Route("GET", "/script.yaml", "the text of the rules as given", self._script_text,
                  WRITTEN_RULES, media=YAML, errors={404: "The rules do not come from a file or this port."}),
            Route("GET", "/unused", "unused rules and faults, and requests that nearly matched", self._unused,
                  list_of(TEXT)),
            Route("GET", "/journal", "all requests and replies", self._journal, JOURNAL, _JOURNAL),
            Route("GET", "/exchange/{number}", "a saved exchange: request, reply, decoded", self._exchange, EXCHANGE,
                  (Input("number", "its number", needed=True, most=_MOST),), errors={404: "No such exchange."}),
            Route("GET", "/ledger", "every certificate and its fate", self._ledger, LEDGER),
            Route("GET", "/judgement", "findings about clients, and how often each occurred", self._judgement,
                  {"type": "object", "additionalProperties": {"type": "integer"}}),
            Route("GET", "/clients", "the clients and the findings about each", self._clients, CLIENTS),
            Route("POST", "/installed", "report that a client has installed the certificate", self._installed, DONE,
                  (Input("serial", "its serial number, hexadecimal", needed=True),), "fields",
                  errors={404: "The CA has not issued this certificate."}),
            Route("GET", "/queue", "requests that wait for a decision", self._queue, QUEUE),
            Route("POST", "/approve", "approve waiting requests", act(operator.approve), COUNT,
                  (_PATTERN, _TRANSACTION), "fields"),
            Route("POST", "/reject", "reject waiting requests", act(operator.reject), COUNT,
                  (_PATTERN, Input("fail_info", "failInfo of RFC 8894", most=4), Input("text", "failInfoText"),
                   _TRANSACTION), "fields"),
            Route("POST", "/hold", "make new requests wait", act(operator.hold), COUNT, (_HELD,), "fields"),
            Route("POST", "/release", "let new requests pass again", act(operator.release), COUNT, (_HELD,), "fields"),
            Route("POST", "/revoke", "revoke certificates", act(operator.revoke), COUNT,
                  (_REVOKED, Input("reason", "the reason of RFC 5280", words=tuple(REASONS))), "fields"),
            Route("POST", "/challenge", "create a one-time challenge", self._challenge, object_of({"challenge": TEXT}),
                  (Input("subject", "valid only for this subject, a shell pattern"),), "fields"),
            Route("POST", "/roll-over", "create the next CA", self._roll_over, object_of({"next_ca_certificate": TEXT}),
                  (Input("publish", "time until it is published: 30d", needed=True),
                   Input("switch", "time until it takes over", needed=True),
                   Input("overlap", "how long the current CA answers after that"),
                   Input("identifier", "the CA, if there are several")), "fields"),
            Route("POST", "/reset", "delete journal, ledger and transactions; restart the script", self._reset,
                  DONE, (), "fields"),
        )  # fmt: skip

    # --- HTTP ---------------------------------------------------------------------------------------------

    def handle(self, request: HttpRequest, client: str) -> Delivery:
        """Answer one request."""
        path = request.target.partition("?")[0]
        reply = self._page.reply(request, client) if self._page.has(path, request) else self._reply(request, client)
        if request.method == "HEAD":
            length = ("Content-Length", str(len(reply.body)))
            reply = HttpReply(reply.status, headers=(*reply.headers, length))
        return delivery_of(reply, keep_alive=request.keep_alive, date=self._now())

    def perform(self, told: str, texts: Mapping[str, str]) -> object:
        """Perform an operation such as `POST /approve` with text values, as from a form.

        Raises:
            Denied, MfpSimError: the operation fails.
        """
        route = next(route for route in self.routes if route.told == told)
        if route.body == "script":
            return route.act({"script": texts.get("script", "")})
        return route.act(route.values({}, texts))

    def _reply(self, request: HttpRequest, client: str) -> HttpReply:
        headers: tuple[tuple[str, str], ...] = ()
        value: object
        media = JSON
        try:
            self._access.check_host(request)
            self._access.check_program(request)
            self._access.check_token(request, client)
            route, texts = self._find(request)
            status, value, media = 200, route.act(_values(route, texts, request)), route.media
        except Denied as refused:
            status, value, headers = refused.status, {"error": refused.text, **refused.more}, refused.headers
        except DocumentError as error:
            problems = [problem_json(problem) for problem in error.problems]
            status, value = 400, {"error": "the script has mistakes", "problems": problems}
        except MfpSimError as error:
            status, value = 400, {"error": str(error)}
        text = str(value) if media != JSON else json.dumps(value, indent=2, ensure_ascii=False) + "\n"
        kind = ("Content-Type", f"{media}; charset=utf-8" if media == JSON else media)
        own = (kind, ("Cache-Control", "no-store"), ("X-Content-Type-Options", "nosniff"))
        return HttpReply(status, headers=(*own, *headers), body=text.encode("utf-8", "backslashreplace"))

    def _find(self, request: HttpRequest) -> tuple[Route, Mapping[str, str]]:
        path = request.target.partition("?")[0]
        fitting = [(route, texts) for route in self.routes if (texts := route.fits(path)) is not None]
        if not fitting:
            raise Denied(404, f"there is no {path}", "GET / lists all paths")
        method = "GET" if request.method == "HEAD" else request.method
        found = next((pair for pair in fitting if pair[0].method == method), None)
        if found is None:
            ways = [route.method for route, _ in fitting]
            raise Denied(405, f"{path} supports {' and '.join(ways)}", None, (("Allow", ", ".join(ways)),))
        return found

    def _now(self) -> datetime:
        return self._service.clock.now()

    # --- looking ------------------------------------------------------------------------------------------

    def _index(self, _: _Values) -> object:
        return {route.told: route.sentence for route in self.routes}

    def _openapi(self, _: _Values) -> object:
        return openapi(self.routes)

    def _clock(self, _: _Values) -> object:
        return {"now": self._now().isoformat()}

    def _status(self, _: _Values) -> object:
        service, now = self._service, self._now()
        challenge = service.challenge
        return {
            "profile": service.profile.name,
            "now": now.isoformat(),
            "capabilities": service.profile.capabilities,
            "ca_certificate": service.authority.issuer.certificate.fingerprint(),
            "requests": service.journal.count,
            "ledger": service.ledger.counts,
            "dropped": service.dropped,
            "waiting": len(self._operator.waiting),
            "challenges_outstanding": challenge.outstanding(now) if isinstance(challenge, OneTimeChallenges) else None,
        }

    def _pem(self, _: _Values) -> object:
        return ssl.DER_cert_to_PEM_cert(self._service.authority.issuer.certificate.der)

    def _rules(self, _: _Values) -> object:
        return self._service.script.describe()

    def _script_text(self, _: _Values) -> object:
        if self._script is None:
            raise Denied(404, "the text of the rules is unknown", "PUT /script replaces them")
        return self._script

    def _unused(self, _: _Values) -> object:
        premises = self._service.script.premises()
        return [f"{premise.place}: {missing}" for premise in premises if (missing := premise.missing())]

    def _journal(self, wanted: _Values) -> object:
        journal = self._service.journal
        since, limit = wanted.get("since", 0), wanted.get("limit", _MOST)
        found = [
            {"number": number, **entry.to_json()}
            for number, entry in journal.numbered
            if number > since and _fits(entry, wanted)
        ]
        return {"count": journal.count, "entries": found[:limit]}

    def _exchange(self, wanted: _Values) -> object:
        if self._files is None:
            raise Denied(404, "no exchange is saved", "start the mock with --save DIR")
        found = view_exchange(self._files, wanted["number"])
        if found is None:
            raise Denied(404, f"there is no exchange {wanted['number']}")
        return found

    def _ledger(self, _: _Values) -> object:
        ledger = self._service.ledger
        return {"counts": ledger.counts, "entries": [entry.to_json() for entry in ledger.entries]}

    def _queue(self, _: _Values) -> object:
        return [waiting.to_json() for waiting in self._operator.waiting]

    def _judgement(self, _: _Values) -> object:
        return self._service.journal.judgement()

    def _clients(self, _: _Values) -> object:
        return [account.to_json() for account in accounts(self._service.journal.entries)]

    # --- acting -------------------------------------------------------------------------------------------

    def _act(self, do: Callable[..., int]) -> Callable[[_Values], object]:
        return lambda values: {"count": do(**values)}

    def _put_script(self, given: _Values) -> object:
        text = given["script"]
        self._service.replace_script(script_of(text))
        self._script = text
        return self._service.script.describe()

    def _add_rules(self, given: _Values) -> object:
        """Read the text of both together, so that rules keep their numbers and places."""
        script_of(given["script"])
        if self._script is None:
            raise Denied(409, "the text of the other rules is unknown", "PUT /script replaces all")
        text = _joined(given["script"], self._script)
        try:
            return self._put_script({"script": text})
        except DocumentError:
            remedy = "write both as YAML lists with a dash for each rule"
            raise Denied(409, "the lists cannot be joined", remedy) from None

    def _installed(self, given: _Values) -> object:
        serial = given["serial"]
        try:
            entry = self._service.ledger.find(int(serial, 16))
        except ValueError:
            entry = None
        if entry is None:
            raise Denied(404, f"there is no certificate of serial number {serial!r}")
        self._service.report_installed(entry.certificate)
        return {"ok": True}

    def _challenge(self, given: _Values) -> object:
        return {"challenge": self._operator.give_challenge(given.get("subject"))}

    def _roll_over(self, given: _Values) -> object:
        spans = {name: self._span(name, given[name]) for name in ("publish", "switch", "overlap") if name in given}
        coming = self._operator.roll_over(
            self._now() + spans["publish"], self._now() + spans["switch"], spans.get("overlap"), given.get("identifier")
        )
        return {"next_ca_certificate": coming.issuer.certificate.fingerprint()}

    def _span(self, name: str, text: str) -> timedelta:
        try:
            span = timedelta(seconds=duration(text))
            _ = self._now() + 3 * span
        except OverflowError:
            raise Denied(400, f"{name}: {text[:40]} from now is too far in the future") from None
        return span

    def _reset(self, _: _Values) -> object:
        self._service.reset()
        return {"ok": True}


def _fits(entry: JournalEntry, wanted: _Values) -> bool:
    """Whether an entry matches the filters."""
    if any(name in wanted and getattr(entry, name) != wanted[name] for name in ("client", "name")):
        return False
    if "verdict" in wanted and not any(finding.startswith(f"{wanted['verdict']} ") for finding in entry.judgement):
        return False
    return "text" not in wanted or wanted["text"].lower() in json.dumps(entry.to_json(), ensure_ascii=False).lower()


def _joined(before: str, after: str) -> str:
    """Join two lists in one text, with dashes; JSON is rewritten as YAML."""
    if after.strip() in ("", "[]"):
        return before
    return "\n".join(_dashed(text).rstrip("\n") for text in (before, after)) + "\n"


def _dashed(text: str) -> str:
    try:
        return yaml.safe_dump(json.loads(text), sort_keys=False, allow_unicode=True)
    except ValueError:
        return text


def _values(route: Route, texts: Mapping[str, str], request: HttpRequest) -> _Values:
    """The values that a request gives an operation."""
    query = parse_qsl(request.target.partition("?")[2], keep_blank_values=True, encoding="utf-8", errors="replace")
    if route.body == "none":
        return route.values({}, {**dict(query), **texts})
    media = (request.header("Content-Type") or "").partition(";")[0].strip().lower()
    known = (JSON, YAML) if route.body == "script" else (JSON,)
    if media not in known:
        raise Denied(415, f"send Content-Type: {' or '.join(known)}")
    if query:
        raise Denied(400, f"unknown in the query: {', '.join(name for name, _ in query)}", "send values in the body")
    text = _text(request.body)
    value = _json(text) if media == JSON else None
    if route.body == "script":  # the reader of scripts reports places
        return {"script": text}
    if not isinstance(value, dict):
        raise Denied(400, "the body has to be an object")
    return route.values(value, {})


def _text(octets: bytes) -> str:
    try:
        return octets.decode()
    except UnicodeDecodeError:
        raise Denied(400, "the body is not UTF-8") from None


def _json(text: str) -> object:
    try:
        value = json.loads(text) if text.strip() else {}
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise Denied(400, "the body contains half of a surrogate pair, which is not a character") from None
    except (ValueError, RecursionError):
        raise Denied(400, "the body is not JSON") from None
    return value
