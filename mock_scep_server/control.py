"""The control port: what an operator or a test suite does to a running mock, as JSON over HTTP on loopback.

The same acts as :class:`CaOperator`, and the script, the journal, the ledger, the queue and the clock to look at. It
knows no passwords: whoever reaches the port may do all this, so it listens on loopback only, wants JSON in whatever
changes something, and refuses what a browser sends from a page of somebody else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

from mfp_sim.shared.documents import duration
from mfp_sim.shared.errors import DocumentError, MfpSimError, UsageError
from mfp_sim.shared.scep.http_messages import Delivery, HttpReply, HttpRequest, delivery_of
from mfp_sim.shared.scep.url import Url
from mock_scep_server.challenges import OneTimeChallenges
from mock_scep_server.exchange_view import view_exchange
from mock_scep_server.saving import ExchangeFiles
from mock_scep_server.script_file import script_of
from mock_scep_server.service import ScepService

__all__ = ["ControlService"]

JsonObject = Mapping[str, object]
_EXCHANGE = "/exchange/N"
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})


class _Refused(Exception):
    """Answered with a status and a sentence."""

    def __init__(self, status: int, text: str, **more: object) -> None:
        super().__init__(text)
        self.status, self.text, self.more = status, text, more


class ControlService:
    """Stands behind a :class:`~mock_scep_server.server.ServerHost` of its own, beside the service that it controls."""

    def __init__(self, service: ScepService, files: ExchangeFiles | None = None) -> None:
        self._service, self._operator, self._files = service, (operator := service.operator), files
        # path: (method, what it does, the act on the body or query)
        self._acts: Mapping[tuple[str, str], tuple[str, Callable[[JsonObject], object]]] = {
            ("GET", "/status"): ("profile, clock, counts, what waits", self._status),
            ("GET", "/clock"): ("the CA's time", lambda _: {"now": self._now().isoformat()}),
            ("GET", "/script"): ("the rules, as they are tried", lambda _: service.script.describe()),
            ("PUT", "/script"): ("other rules: a list as in a script file", self._put_script),
            ("GET", "/journal"): ("what was asked and answered; ?since=N leaves out the first N", self._journal),
            ("GET", _EXCHANGE): ("a saved exchange by its number: request, reply, decoded", self._exchange),
            ("GET", "/ledger"): ("every certificate and its fate", self._ledger),
            ("GET", "/judgement"): ("what the requests say about the clients, and how often", self._judgement),
            ("POST", "/installed"): ("{serial}: a client says that it has the certificate", self._installed),
            ("GET", "/queue"): ("requests that are not decided", self._queue),
            ("POST", "/approve"): ("{pattern}: let waiting requests pass", self._act(operator.approve, "pattern")),
            ("POST", "/reject"): ("{pattern, fail_info, text}",
                                  self._act(operator.reject, "pattern", "fail_info", "text")),
            ("POST", "/hold"): ("{pattern}: new requests wait", self._act(operator.hold, "pattern")),
            ("POST", "/release"): ("{pattern}: they do not any longer", self._act(operator.release, "pattern")),
            ("POST", "/revoke"): ("{pattern, reason}", self._act(operator.revoke, "pattern", "reason")),
            ("POST", "/challenge"): ("{subject}: a challenge that counts once", self._challenge),
            ("POST", "/roll-over"): ("{publish, switch, overlap, identifier}: spans from now", self._roll_over),
            ("POST", "/reset"): ("forget journal, ledger and transactions; the script starts again", self._reset),
        }  # fmt: skip

    def handle(self, request: HttpRequest, client: str) -> Delivery:  # noqa: ARG002 - loopback only
        """Answer one request."""
        try:
            status, value = 200, self._answer(request)
        except _Refused as refused:
            status, value = refused.status, {"error": refused.text, **refused.more}
        except DocumentError as error:
            status, value = 400, {"error": "the script has mistakes", "problems": [str(p) for p in error.problems]}
        except MfpSimError as error:
            status, value = 400, {"error": str(error)}
        body = (json.dumps(value, indent=2, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
        headers = (("Content-Type", "application/json; charset=utf-8"), ("Cache-Control", "no-store"))
        reply = HttpReply(status, headers=headers, body=body)
        return delivery_of(reply, keep_alive=request.keep_alive, date=self._now())

    def _now(self) -> datetime:
        return self._service.clock.now()

    def _answer(self, request: HttpRequest) -> object:
        try:
            host = Url.parse(f"//{request.header('Host') or 'localhost'}").host
        except ValueError:
            host = ""
        if host not in _LOOPBACK or request.header("Origin") is not None:
            raise _Refused(403, "the control port answers programs on this machine only")
        path, _, query = request.target.partition("?")
        if path == "/":
            return {f"{method} {where}": told for (method, where), (told, _) in self._acts.items()}
        numbered = re.fullmatch(r"/exchange/([0-9]{1,9})", path)
        if numbered is not None:
            path, query = _EXCHANGE, f"number={numbered[1]}"
        found = self._acts.get((request.method, path))
        if found is None:
            ways = [method for method, where in self._acts if where == path]
            if ways:
                raise _Refused(405, f"{path} takes {' and '.join(ways)}")
            raise _Refused(404, f"there is no {path}", remedy="GET / tells what there is")
        if request.method == "GET":
            return found[1]({name: values[-1] for name, values in parse_qs(query).items()})
        if not (request.header("Content-Type") or "").lower().startswith("application/json"):
            raise _Refused(415, "say Content-Type: application/json")
        return found[1](_body(request.body, request.method == "PUT"))

    # --- looking ------------------------------------------------------------------------------------------

    def _status(self, _: JsonObject) -> object:
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

    def _journal(self, query: JsonObject) -> object:
        since = query.get("since", "0")
        if not (isinstance(since, str) and since.isascii() and since.isdigit() and len(since) < 10):
            raise _Refused(400, "since has to be a number")
        entries = self._service.journal.entries
        first = self._service.journal.count - len(entries)
        return {"count": first + len(entries), "entries": [e.to_json() for e in entries[max(int(since) - first, 0) :]]}

    def _exchange(self, query: JsonObject) -> object:
        if self._files is None:
            raise _Refused(404, "no exchange is saved", remedy="start the mock with --save DIR")
        number = str(query.get("number", ""))
        found = view_exchange(self._files, int(number)) if number.isdigit() else None
        if found is None:
            raise _Refused(404, f"there is no exchange {number or 'without a number'}")
        return found

    def _ledger(self, _: JsonObject) -> object:
        ledger = self._service.ledger
        return {"counts": ledger.counts, "entries": [entry.to_json() for entry in ledger.entries]}

    def _queue(self, _: JsonObject) -> object:
        return [waiting.to_json() for waiting in self._operator.waiting]

    def _judgement(self, _: JsonObject) -> object:
        return self._service.journal.judgement()

    # --- acting -------------------------------------------------------------------------------------------

    def _act(self, do: Callable[..., int], *names: str) -> Callable[[JsonObject], object]:
        def act(body: JsonObject) -> object:
            values = _fields(body, *names)
            if do == self._operator.revoke and "pattern" not in values:
                raise _Refused(400, "say which: pattern")
            if "fail_info" in values and values["fail_info"] not in range(5):
                raise _Refused(400, "fail_info has to be 0 to 4")
            return {"count": do(**values)}

        return act

    def _put_script(self, body: JsonObject) -> object:
        text = body["text"]
        assert isinstance(text, str)
        self._service.replace_script(script_of(text))
        return self._service.script.describe()

    def _installed(self, body: JsonObject) -> object:
        serial = _fields(body, "serial").get("serial")
        try:
            entry = self._service.ledger.find(int(str(serial), 16))
        except ValueError:
            entry = None
        if entry is None:
            raise _Refused(404, f"there is no certificate of serial number {serial!r}")
        self._service.report_installed(entry.certificate)
        return {"ok": True}

    def _challenge(self, body: JsonObject) -> object:
        subject = _fields(body, "subject").get("subject")
        return {"challenge": self._operator.give_challenge(None if subject is None else str(subject))}

    def _roll_over(self, body: JsonObject) -> object:
        fields = _fields(body, "publish", "switch", "overlap", "identifier")
        if not {"publish", "switch"} <= fields.keys():
            raise _Refused(400, "say when: publish and switch, as spans from now (30d)")
        spans = {name: self._span(name, fields[name]) for name in ("publish", "switch", "overlap") if name in fields}
        identifier = fields.get("identifier")
        coming = self._operator.roll_over(
            self._now() + spans["publish"],
            self._now() + spans["switch"],
            spans.get("overlap"),
            None if identifier is None else str(identifier),
        )
        return {"next_ca_certificate": coming.issuer.certificate.fingerprint()}

    def _span(self, name: str, text: str) -> timedelta:
        try:
            span = timedelta(seconds=duration(text))
            _ = self._now() + 3 * span
        except OverflowError:
            raise _Refused(400, f"{name}: {text[:40]} from now is beyond the calendar") from None
        return span

    def _reset(self, body: JsonObject) -> object:
        _fields(body)
        self._service.reset()
        return {"ok": True}


def _body(octets: bytes, as_text: bool) -> JsonObject:
    """The JSON object of a body; a script is kept as text, since it has a reader of its own that tells places."""
    try:
        text = octets.decode()
        value = json.loads(text) if text.strip() else {}
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise _Refused(400, "the body has half of a surrogate pair, which is not a letter") from None
    except (ValueError, RecursionError):
        raise _Refused(400, "the body is no JSON") from None
    if as_text:
        return {"text": text}
    if not isinstance(value, dict):
        raise _Refused(400, "the body has to be an object")
    return value


def _fields(body: JsonObject, *names: str) -> dict[str, Any]:
    """The fields of a body, each of its type.

    Raises:
        UsageError: another field, or another type.
    """
    unknown = sorted(set(body) - set(names))
    if unknown:
        raise UsageError(f"unknown: {', '.join(unknown)}", remedy=f"there is {', '.join(names) or 'nothing to say'}")
    for name, value in body.items():
        wanted, words = (int, "a whole number") if name == "fail_info" else (str, "a text")
        if not isinstance(value, wanted) or isinstance(value, bool):
            raise UsageError(f"{name} has to be {words}")
    return dict(body)
