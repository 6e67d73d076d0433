"""Rules about exchanges: what printers send and when, and how they show what came back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from mfp_sim.events import (
    SHUTDOWN,
    START,
    AuditNote,
    ExchangeCut,
    ExchangeLost,
    ExchangeReply,
    ExchangeRequest,
    MockRequest,
    PollBooked,
    PowerFailed,
    StatusRowAdded,
    content,
    read,
)
from mfp_sim.scenario.always.watching import AlwaysRule, Course, Happening
from mfp_sim.shared.scep.url import Url

__all__ = ["EXCHANGE_RULES"]

_ENDS = (ExchangeReply, ExchangeLost, ExchangeCut)
_SLACK = timedelta(seconds=1)


def _requests_at(course: Course, serial: str) -> Iterator[tuple[Happening, Mapping[str, Any] | None]]:
    """What happened to a printer, with the request in progress as it was last stored."""
    commits, current = iter(course.commits.get(serial, ())), None
    following = next(commits, None)
    for one in course.of(serial):
        while following is not None and following.events <= one.number:
            current, following = following.state["request"], next(commits, None)
        yield one, current


def _answered(course: Course) -> Iterator[str]:
    """Each request ends in a reply, a loss or a power failure before the printer sends the next one."""
    for serial in course.printers:
        open_since: Happening | None = None
        for one, stored in _requests_at(course, serial):
            if isinstance(one.event, ExchangeRequest):
                if open_since is not None:
                    yield f"{serial}: {one.event.operation} was sent before the previous request had ended"
                open_since = one
            elif isinstance(one.event, (*_ENDS, PowerFailed)):
                if open_since is not None and not isinstance(one.event, PowerFailed):
                    limit = float(stored["communication"]["timeout"]) if stored else 300.0
                    times = 7 if course.printers[serial].profile.redirects == "followed" else 1
                    if one.time - open_since.time > timedelta(seconds=limit * times) + _SLACK:
                        yield f"{serial}: an exchange lasted {one.time - open_since.time}, the timeout is {limit:g} s"
                open_since = None
            elif isinstance(one.event, AuditNote) and one.event.power:
                open_since = None
        if open_since is not None and course.printers[serial].powered:
            row = [row.state for row in course.printers[serial].status()]
            if "processing" not in row:
                yield f"{serial}: a request was sent, and nothing says how it ended"


def _off_is_silent(course: Course) -> Iterator[str]:
    for serial in course.printers:
        off = False
        for one in course.of(serial):
            event = one.event
            if isinstance(event, PowerFailed) or (isinstance(event, AuditNote) and event.operation == SHUTDOWN):
                off = True
            elif isinstance(event, AuditNote) and event.operation == START:
                off = False
            elif off and isinstance(event, ExchangeRequest | PollBooked | StatusRowAdded):
                yield f"{serial}: {event.kind} while the printer was off"


def _in_order(course: Course) -> Iterator[str]:
    """The first message of a transaction follows GetCACaps and a GetCACert that was answered."""
    for serial in course.printers:
        known: set[str] = set()
        seen: set[str] = set()
        last = ""
        for one in course.of(serial):
            event = one.event
            if isinstance(event, ExchangeRequest):
                last = event.operation
                seen.add(event.operation)
                if event.transaction is not None and event.transaction not in known:
                    known.add(event.transaction)
                    for needed in {"GetCACaps", "GetCACert answered"} - seen:
                        yield f"{serial}: {event.operation} was sent without {needed}"
                    seen = set()
            elif isinstance(event, ExchangeReply) and last == "GetCACert" and event.status == 200:
                seen.add("GetCACert answered")


def _polls_in_time(course: Course) -> Iterator[str]:
    """A poll is sent at the time for which it is booked, by the printer's clock."""
    for serial in course.printers:
        if any(step.kind in ("printer_clock", "import_bundle") for step in course.steps):
            return  # a changed clock moves what is booked, and an import replaces it
        due: datetime | None = None
        for one in course.of(serial):
            event = one.event
            if isinstance(event, PollBooked):
                due = datetime.fromisoformat(event.due)
            elif isinstance(event, PowerFailed | StatusRowAdded) or (isinstance(event, AuditNote) and event.power):
                due = None
            elif isinstance(event, ExchangeRequest) and due is not None:
                if one.time != due:
                    yield f"{serial}: a poll was sent at {one.time:%H:%M:%S}, it was booked for {due:%H:%M:%S}"
                due = None
        if due is not None and due < course.now and course.printers[serial].powered:
            yield f"{serial}: the poll booked for {due:%Y-%m-%d %H:%M:%S} was not sent"


_FAILURES = ("badAlg", "badMessageCheck", "badRequest", "badTime", "badCertId")
"""By their number, the words that a trace shows."""


def _shown(reply: Happening | None) -> str | None:
    """The detail that the manual gives for the last reply; None if several are possible."""
    if reply is None:
        return None
    event = reply.event
    if isinstance(event, ExchangeLost):
        return "top-error"
    if not isinstance(event, ExchangeReply):
        return None
    if event.status != 200:
        return f"top-error-{event.status}"
    if event.unreadable is not None:
        return "scep-error"
    message = event.message or {}
    status = message.get("pkiStatus")
    info = message.get("failInfo")
    if status == "SUCCESS":
        return "registration-limit"
    if status == "PENDING" and message.get("messageType") == "CertRep":
        return "deferred"
    if status == "FAILURE" and info in _FAILURES:
        return f"fail-info-{_FAILURES.index(info)}"
    return None


_OWN_DETAILS = {"registration-limit", "scep-error"}
"""Details that the printer's own checks may bring after a CertRep with SUCCESS or PENDING."""
_CHECKED = {"registration-limit", "deferred"}
"""The details of the replies on which those checks decide."""


def _rows_fit(course: Course) -> Iterator[str]:
    """A row shows what the last reply said: success only after SUCCESS, and the detail that the manual gives."""
    for serial in course.printers:
        last: Happening | None = None
        for one in course.of(serial):
            event = one.event
            if isinstance(event, ExchangeRequest):
                last = None
            elif isinstance(event, ExchangeReply | ExchangeLost):
                last = one
            elif isinstance(event, StatusRowAdded):
                said = last.event if last is not None else None
                if event.state == "successful":
                    message = said.message if isinstance(said, ExchangeReply) else None
                    if (message or {}).get("pkiStatus") != "SUCCESS":
                        yield f"{serial}: the status shows a success, the last reply was not SUCCESS"
                    elif (message or {}).get("transactionID") != event.transaction:
                        yield f"{serial}: the status shows a success, the SUCCESS was for another transaction"
                    last = None
                    continue
                if event.diagnosis.startswith(("another request is being processed", "no-key: ")):
                    continue  # the row is about a request that was never sent
                wanted = _shown(last)
                own = event.details in _OWN_DETAILS and wanted in _CHECKED
                if wanted is not None and event.details != wanted and not own:
                    yield f"{serial}: the status shows {event.details}, the last reply means {wanted}"
                last = None


def _asks_as_set(course: Course) -> Iterator[str]:
    """Requests go to the configured server, and a CSR has the settings of its request."""
    for serial in course.printers:
        for one, stored in _requests_at(course, serial):
            event = one.event
            if not isinstance(event, ExchangeRequest) or stored is None:
                continue
            url = Url.parse(stored["communication"]["url"])
            wanted = (url.host, stored["communication"]["port"], url.target.partition("?")[0])
            if (event.host, event.port, event.path) != wanted and "*" not in event.host + event.path:
                where, set_up = f"{event.host}:{event.port}{event.path}", stored["communication"]["url"]
                yield f"{serial}: {event.operation} was sent to {where}, the settings say {set_up}"
            if event.csr is None:
                continue
            settings = stored["settings"]
            sent = {
                "length": event.csr.length,
                "signature": (event.csr.signature or "").upper(),
                "challenge": event.csr.challenge == "present",
            }
            expected = {
                "length": settings["length"],
                "signature": settings["signature"],
                "challenge": settings["challenge"] is not None,
            }
            yield from (
                f"{serial}: the CSR has {name} {sent[name]}, the settings say {expected[name]}"
                for name in sent
                if sent[name] != expected[name]
            )
            enrolment = stored["enrolment"]
            if enrolment is not None and event.transaction != enrolment["transaction_id"]:
                yield f"{serial}: a request was sent with a transactionID that is not stored"


def _method(course: Course) -> Iterator[str]:
    """PKIOperation uses POST exactly if the CA offers it, and GET otherwise."""
    if course.ca is None or "ca_script" in {step.kind for step in course.steps} or course.setting.ca.script:
        return
    profile = course.ca.profile
    offered = {keyword.lower() for keyword in profile.capabilities if profile.caps_reply == "list"}
    post = bool(offered & {"postpkioperation", "scepstandard"})
    for one in course.happenings:
        event = one.event
        if not isinstance(event, ExchangeRequest) or event.transaction is None:
            continue
        if (event.method == "POST") != post:
            offers = "offers" if post else "does not offer"
            yield f"{one.printer}: {event.operation} was sent by {event.method}, the CA {offers} POST"


def _all_arrive(course: Course) -> Iterator[str]:
    """Each reply that a printer received is that of the CA's journal, with the same status."""
    if course.ca is None:
        return
    for serial, printer in course.printers.items():
        pending: list[MockRequest] = []
        for one in course.happenings:
            event = one.event
            if isinstance(event, MockRequest) and event.client == printer.ip:
                pending.append(event)
            elif one.printer == serial and isinstance(event, ExchangeRequest):
                pending.clear()
            elif one.printer == serial and isinstance(event, ExchangeReply) and not event.unreadable:
                if not pending and not any(step.kind == "ip" for step in course.steps):
                    yield f"{serial}: a reply to {event.operation} came from nowhere"
                if pending and pending[-1].status != event.status:
                    sent = pending[-1].status
                    yield f"{serial}: a reply to {event.operation} has the status {event.status}, the CA sent {sent}"
                pending.clear()


def _time_moves_forward(course: Course) -> Iterator[str]:
    for before, after in zip(course.happenings, course.happenings[1:], strict=False):
        if after.time < before.time:
            yield f"event {after.number} is earlier than the event before it"


def _readable(course: Course) -> Iterator[str]:
    """Each event reads back from its own content."""
    for one in course.happenings:
        text = json.dumps(content(one.event), default=list, sort_keys=True)
        again = read(one.event.kind, json.loads(text))
        if json.dumps(content(again), default=list, sort_keys=True) != text:
            yield f"event {one.number} ({one.event.kind}) reads back differently"


_LONG = 6
"""The shortest challenge password that is sought; a shorter one may occur by chance."""
_END = 40
"""The bytes at the end of a private key that are sought."""


def _no_secret(course: Course) -> Iterator[str]:
    """No challenge password and no private key is in the trace, the status, the key list or the audit log."""
    challenges = {course.setting.ca.challenge}
    ends: set[bytes] = set()  # only the end of a private key is secret: the beginning has the modulus
    for commits in course.commits.values():
        for commit in commits:
            for settings in ((commit.state["request"] or {}).get("settings"), commit.state["auto"]["key"]):
                if settings is not None:
                    challenges.add(settings["challenge"])
            ends |= {bytes.fromhex(key["private"])[-_END:] for key in commit.state["keys"]}
    texts = {text for text in challenges if text is not None and len(text) >= _LONG}
    secrets = {_quoted(text) for text in texts} | {end.hex() for end in ends}
    for one in course.happenings:
        text = json.dumps(content(one.event), default=str, ensure_ascii=False)
        if any(secret in text for secret in secrets):
            yield f"event {one.number} ({one.event.kind}) contains a secret"
    secrets = {repr(text)[1:-1] for text in texts} | {form for end in ends for form in (end.hex(), repr(end)[2:-1])}
    for serial, printer in course.printers.items():
        shown = repr((printer.status(), printer.audit, printer.key_list())) if printer.powered else ""
        if any(secret in shown for secret in secrets):
            yield f"{serial}: a screen shows a secret"


def _quoted(text: str) -> str:
    """A text as a JSON string has it."""
    return json.dumps(text, ensure_ascii=False)[1:-1]


EXCHANGE_RULES: Mapping[str, AlwaysRule] = {
    "exchanges-end": AlwaysRule(
        "Each request ends in a reply, a loss or a power failure, within the timeout, before the next one is sent.",
        course=_answered,
        serves=("MFP-COMM-03",),
    ),
    "off-is-silent": AlwaysRule("A printer that is off sends nothing and adds no rows.", course=_off_is_silent),
    "requests-in-order": AlwaysRule(
        "The first message of a transaction follows GetCACaps and an answered GetCACert.",
        course=_in_order,
        serves=("SCEP-4.2-01",),
    ),
    "polls-in-time": AlwaysRule(
        "A poll is sent at the time for which it is booked.", course=_polls_in_time, serves=("MFP-POLL-02",)
    ),
    "rows-fit-replies": AlwaysRule(
        "A row of the status shows what the last reply said, with the detail that the manual gives.",
        course=_rows_fit,
        serves=("MFP-DETAIL-01", "MFP-STATUS-01"),
    ),
    "asks-as-set": AlwaysRule(
        "Requests go to the configured server, and a CSR has the settings of its request.",
        course=_asks_as_set,
        serves=("MFP-COMM-01", "MFP-REQ-01"),
    ),
    "post-if-offered": AlwaysRule(
        "PKIOperation uses POST exactly if the CA offers it.", course=_method, serves=("SCEP-4.1-05",)
    ),
    "replies-have-requests": AlwaysRule(
        "Each reply answers a request in the CA's journal, with the same status.", course=_all_arrive
    ),
    "time-moves-forward": AlwaysRule("The times of the trace never decrease.", course=_time_moves_forward),
    "trace-readable": AlwaysRule("Each event of the trace reads back unchanged.", course=_readable),
    "no-secret": AlwaysRule(
        "No challenge password and no private key is in the trace or on a screen.",
        course=_no_secret,
        serves=("MFP-REQ-09",),
    ),
}
