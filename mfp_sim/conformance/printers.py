"""Whether these printers work with this server: the models themselves enrol, renew and recover from a lost reply.

A model is the simulated printer with its own logic, on a clock that starts now and skips its waiting; the wire is the
run's. A model that fails is tried once more under another reading of an assumption, and the verdict names it; the
report shows the stages under the reading that got furthest. If an operator approves requests, the printer uses its
timer, since its manual request does not poll.
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from mfp_sim.conformance.client import Client
from mfp_sim.conformance.engine import INTERNAL
from mfp_sim.conformance.operators import Act, OperatorCase
from mfp_sim.conformance.outcomes import Untold
from mfp_sim.device.printer import Factory, Listeners, Outside, Printer
from mfp_sim.device.printer_profile import Profile, profile_named
from mfp_sim.device.settings import AutoRequestSettings, KeySettings, Polling
from mfp_sim.device.status import StatusRow
from mfp_sim.report.model import PrinterStage, PrinterVerdict, StageName
from mfp_sim.run_trace import Recorder
from mfp_sim.shared.errors import ConnectionLost, MfpSimError, TransportError
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.http_messages import HttpReply, HttpRequest, read_scep_query
from mfp_sim.shared.scep.messages import decode
from mfp_sim.shared.scep.vocabulary import MessageType, Operation, PkiStatus
from mfp_sim.shared.simtime import Clock, Scheduler
from mfp_sim.transport import Done, Result, Transport, UnderWay

__all__ = ["MODELS", "bugs_in", "printer_verdicts"]

MODELS = (
    "canon-ir-adv-dx",
    "canon-7100",
    "canon-legacy",
    "canon-small-office",
    "days-before-expiry",
)
"""Models that differ in their requests to a CA."""
CERTIFICATES = 3
"""The most certificates that one model uses at a server that remembers transactions."""


@dataclass(frozen=True)
class _Way:
    """Another reading of an assumption: the change of the profile, the assumption's id, its words, and the cause
    (`mfp_sim.conformance.causes`) because of which a printer under the default reading fails."""

    changes: dict[str, object]
    assumption: str
    words: str
    over: str


_WAYS = (
    _Way({"read_single_des": True}, "A-27", "replies in single DES are read", "replies-in-other-algorithms"),
    _Way({"not_yet_valid": "register"}, "A-39", "a certificate that is not valid yet is registered",
         "certificate-unusable"),
    _Way({"read_single_des": True, "not_yet_valid": "register"}, "A-27",
         "single DES is read, and the validity not checked", "replies-in-other-algorithms"),
)  # fmt: skip
"""In the order tried."""
_RESTS_ON = ("A-27", "A-34", "A-39", "A-40")


class _Ahead:
    """The run's clock, ahead by the time that the printer has waited: waiting takes no time, everything else does."""

    def __init__(self, clock: Clock) -> None:
        self._clock, self._ahead = clock, timedelta(0)

    def now(self) -> datetime:
        return self._clock.now() + self._ahead

    def wait_until(self, instant: datetime | None, news: threading.Event, *, expected: bool) -> None:  # noqa: ARG002
        assert instant is not None, "no other thread is at work"
        self._ahead += max(instant - self.now(), timedelta(0))


class _Line:
    """The run's wire: counts lost replies, has the operator approve parked requests, and knows for which requests the
    server may have made a certificate that the printer does not have. ``seen`` has each operation with its result:
    ``ok``, a CertRep's status, or ``nothing`` of use."""

    def __init__(self, session: Client) -> None:
        self._session, self.lost = session, 0
        self.seen: list[tuple[Operation | None, str]] = []
        self._asked: set[str] = set()
        self._open: dict[str, str] = {}
        self._last = ""

    def exchange(self, host: str, port: int, request: HttpRequest, timeout: float) -> HttpReply:
        asked = _enrolment(request)
        try:
            there = replace(request, scheme=self._session.target.scheme)
            reply = self._session.transport.exchange(host, port, there, timeout)
        except TransportError as error:
            self.lost += 1
            self.seen.append((_operation(request), "nothing"))
            if asked is not None and error.sent:
                self._open[asked] = f"its reply was lost: {error}"
            raise
        status = _status(reply)
        told = "ok" if reply.status == 200 else "nothing"
        self.seen.append((_operation(request), told if status is None else PkiStatus(status).name))
        if asked is not None and status == PkiStatus.SUCCESS:
            self._last = asked
            self._open[asked] = "the server says SUCCESS, but the printer has no certificate from it"
        approve = self._session.policy.acts.get(Act.APPROVE)
        if asked is not None and status == PkiStatus.PENDING and approve is not None and asked not in self._asked:
            self._asked.add(asked)
            approve(OperatorCase(transaction=asked))
        return reply

    def installed(self, certificate: Certificate) -> None:
        """The printer has the certificate of the last reply."""
        self._session.record(certificate, expected=True)
        self._open.pop(self._last, None)

    @contextlib.contextmanager
    def settled(self, subject: str) -> Iterator[None]:
        """At the end, list the requests whose certificate, if there is one, no client has."""
        try:
            yield
        finally:
            for why in self._open.values():
                self._session.doubt(Untold(subject, self._session.check, why, expected=True))


def _status(reply: HttpReply) -> int | None:
    """The pkiStatus of a CertRep, None for anything else."""
    try:
        found = decode(reply.body).pki_status
    except MfpSimError:
        return None
    return found if found in set(PkiStatus) else None


def _operation(request: HttpRequest) -> Operation | None:
    try:
        return Operation(read_scep_query(request).operation or "")
    except (MfpSimError, ValueError):
        return None


class _Dropping:
    """Loses the reply to the first PKCSReq."""

    def __init__(self, transport: Transport) -> None:
        self._transport, self.dropped = transport, False

    def exchange(self, host: str, port: int, request: HttpRequest, timeout: float) -> HttpReply:
        reply = self._transport.exchange(host, port, request, timeout)
        if not self.dropped and _enrolment(request) is not None:
            self.dropped = True
            raise ConnectionLost("the check dropped the reply on purpose", sent=True)
        return reply


class _Waited:
    """A wire on the run's blocking transport: ``begin`` returns after the exchange, and its end is the next event."""

    def __init__(self, transport: Transport, scheduler: Scheduler) -> None:
        self._transport, self._scheduler = transport, scheduler

    def begin(self, host: str, port: int, request: HttpRequest, timeout: float, done: Done) -> UnderWay:
        result: Result
        try:
            result = self._transport.exchange(host, port, request, timeout)
        except TransportError as error:
            result = error
        return UnderWay(self._scheduler.after(0, lambda: done(result), "reply"))


def _enrolment(request: HttpRequest) -> str | None:
    """The transaction of a request for a certificate, None for any other request."""
    try:
        message = decode(read_scep_query(request).message or b"")
    except MfpSimError:
        return None
    asks = message.message_type in (MessageType.PKCS_REQ, MessageType.RENEWAL_REQ, MessageType.CERT_POLL)
    return message.transaction_id if asks else None


@dataclass(frozen=True)
class _Try:
    """The result of one model under one reading; ``trouble`` is the first step that failed and why, ``lost`` counts the
    lost connections."""

    trouble: str | None
    notes: tuple[str, ...] = ()
    waits: bool = False
    lost: int = 0
    stages: tuple[PrinterStage, ...] = ()

    @property
    def reached(self) -> int:
        """The number of passed stages."""
        return sum(stage.outcome == "done" for stage in self.stages)


def bugs_in(printers: Iterable[PrinterVerdict]) -> Iterator[str]:
    """The models that a bug of mfp-sim ended, each with what happened."""
    for printer in printers:
        yield from (f"{printer.model}: {text}" for text in printer.because if text.startswith(INTERNAL))


def printer_verdicts(session: Client, models: tuple[str, ...] = MODELS) -> Iterator[PrinterVerdict]:
    """Each model against the server."""
    for name in models:
        needed = len(session.minted) + CERTIFICATES
        if session.policy.read_only or (session.policy.budget is not None and needed > session.policy.budget):
            why = (
                "only reading is allowed" if session.policy.read_only else "the budget does not allow its certificates"
            )
            yield PrinterVerdict(name, "not-tried", (why,))
            continue
        try:
            yield _judge(session, name)
        except MfpSimError as error:  # no challenge available, or none that this printer accepts
            yield PrinterVerdict(name, "not-tried", (f"it could not be set up: {error}",))
        except Exception as error:
            if os.environ.get("MFP_SIM_DEBUG"):
                raise
            yield PrinterVerdict(name, "not-tried", (f"{INTERNAL}: {type(error).__name__}: {error}",))


def _judge(session: Client, name: str) -> PrinterVerdict:
    """One model. It cannot speak TLS itself, so a proxy would have to do it."""
    profile = profile_named(name)
    found = _tried(session, profile)
    if session.target.scheme == "http" or profile.https or found.verdict not in ("works", "works-with"):
        return found
    because = ("with a proxy that speaks TLS to the server, as the model speaks only HTTP (A-01)",)
    assumptions = tuple(sorted({*found.assumptions, "A-01"}))
    condition = " and ".join(filter(None, ("a proxy speaks TLS", found.condition)))
    return replace(
        found, verdict="works-with", because=(*because, *found.because), assumptions=assumptions, condition=condition
    )


def _tried(session: Client, profile: Profile) -> PrinterVerdict:
    name = profile.name
    session.check = f"printer:{name}"
    plain = _lives(session, profile)
    if plain.trouble is not None and plain.lost:
        # A network may lose a connection: only what fails twice, while the server runs, is the server's fault.
        if session.alive().reply is None:
            why = f"unknown, as the server no longer replies: {plain.trouble}"
            return PrinterVerdict(name, "not-tried", (why,))
        plain = _lives(session, profile)
    if plain.trouble is None:
        return PrinterVerdict(name, "works", plain.notes, _RESTS_ON, stages=plain.stages)
    best = plain
    for way in _WAYS:
        other = replace(profile, **way.changes)  # type: ignore[arg-type]
        if other == profile:
            continue
        found = _lives(session, other)
        if found.trouble is None:
            because = (
                f"with a printer on which {way.words} ({way.assumption}); otherwise: {plain.trouble}",
                *found.notes,
            )
            assumptions = tuple(sorted({*_RESTS_ON, way.assumption}))
            stages = tuple(_under(stage, way) if stage.name == "install" else stage for stage in found.stages)
            return PrinterVerdict(
                name, "works-with", because, assumptions, stages=stages, condition=way.words, over=way.over
            )
        best = max(best, found, key=lambda one: one.reached)
    if plain.waits:
        why = f"it waits for approval, as the server parks requests; {plain.trouble}"
        return PrinterVerdict(name, "not-tried", (why,), stages=best.stages)
    return PrinterVerdict(name, "does-not-work", (plain.trouble, *plain.notes), _RESTS_ON, stages=best.stages)


def _under(stage: PrinterStage, way: _Way) -> PrinterStage:
    return replace(stage, because=f"if {way.words} ({way.assumption})")


def _lives(session: Client, profile: Profile) -> _Try:
    """Enrol, renew, and recover from a lost reply; the first two must succeed."""
    line = _Line(session)
    printer, scheduler = _machine(session, profile, line, line)
    name = f"{session.policy.subject_prefix}-{session.entropy.octets(3).hex()}.example"
    with line.settled(name):
        found = _renews(session, printer, scheduler, line, name)
    if found.trouble is not None:
        return replace(found, stages=(*found.stages, PrinterStage("recover", "not-reached")))
    by_timer = session.parked and Act.APPROVE in session.policy.acts
    asked = (
        ("its timer sent the request and the operator approved it: its manual request does not poll",)
        if by_timer
        else ()
    )
    trouble = _recovers(session, profile)
    last = PrinterStage("recover", "done") if trouble is None else PrinterStage("recover", "failed", trouble)
    notes = () if trouble is None else (f"it does not recover from a lost reply by itself: {trouble}",)
    return _Try(None, (*asked, *notes), stages=(*found.stages, last))


def _renews(session: Client, printer: Printer, scheduler: Scheduler, line: _Line, name: str) -> _Try:
    """Enrol, then enrol again for the same name."""

    def request() -> StatusRow | None:
        if session.parked and Act.APPROVE in session.policy.acts:
            return _timed(session, printer, scheduler, name)
        return printer.send_request(_key(session, name))

    first = request()
    held = first is not None and first.state == "successful"
    why = "" if held else _why(printer, first)
    stages = tuple(_stages(line.seen, held=held, waits=first is None, why=why))
    if first is None or not held:
        deferred = first is None or (first.details is not None and first.details.label == "Deferred")
        stages = (*stages, PrinterStage("renew", "not-reached"))
        return _Try(f"it cannot enrol: {why}", waits=deferred and session.parked, lost=line.lost, stages=stages)
    second = request()
    if second is None or second.state != "successful":
        why = _why(printer, second)
        return _Try(f"it cannot renew: {why}", lost=line.lost, stages=(*stages, PrinterStage("renew", "failed", why)))
    return _Try(None, stages=(*stages, PrinterStage("renew", "done")))


def _stages(
    seen: Sequence[tuple[Operation | None, str]], *, held: bool, waits: bool, why: str
) -> Iterator[PrinterStage]:
    """The stages of an enrolment, by its requests and replies; ``why`` is the reason at the failed stage."""
    caps, ca, pki = (
        [answer for operation, answer in seen if operation is wanted]
        for wanted in (Operation.GET_CA_CAPS, Operation.GET_CA_CERT, Operation.PKI_OPERATION)
    )
    granted, parked = PkiStatus.SUCCESS.name in pki, PkiStatus.PENDING.name in pki
    rows: tuple[tuple[StageName, bool, bool, bool], ...] = (  # name, requested, passed, needed
        ("capabilities", bool(caps), "ok" in caps or bool(ca or pki), bool(caps) or not (ca or pki)),
        ("ca", bool(ca), bool(pki) or held, bool(ca) or not pki),
        ("enrol", bool(pki), granted or parked, True),
        ("install", granted, held, True),
        ("poll", parked, held, parked),
    )
    failed = False
    for name, asked, passed, needed in rows:
        if not needed:
            yield PrinterStage(name, "not-needed")
        elif passed:
            without = name == "capabilities" and "ok" not in caps
            yield PrinterStage(name, "done", "it got no list and continued" if without else "")
        elif name == "poll" and waits:
            yield PrinterStage(name, "cannot-tell", why)
        elif failed or (not asked and parked):
            yield PrinterStage(name, "not-reached")
        else:
            failed = True
            yield PrinterStage(name, "failed", why)


def _recovers(session: Client, profile: Profile) -> str | None:
    """Why it does not recover by itself from a lost reply; None if it does."""
    line = _Line(session)
    printer, scheduler = _machine(session, profile, _Dropping(line), line)
    name = f"{session.policy.subject_prefix}-{session.entropy.octets(3).hex()}.example"
    with line.settled(name):
        row = _timed(session, printer, scheduler, name)
    return None if row is not None and row.state == "successful" else _why(printer, row)


def _timed(session: Client, printer: Printer, scheduler: Scheduler, name: str) -> StatusRow | None:
    """A request by the printer's timer, with its polls: its final row, or None if it still waits."""
    profile, known = printer.profile, printer.status()
    now = scheduler.clock.now().astimezone(printer.zone).replace(tzinfo=None, second=0, microsecond=0)
    start = now + timedelta(minutes=2)
    every = None if profile.renewal_trigger != "calendar" else 365
    key = _key(session, name)
    printer.update_auto_request(
        AutoRequestSettings(timer=True, start=start, key=key, polling=Polling(2, 10), every_days=every)
    )
    scheduler.run_until(scheduler.clock.now() + timedelta(hours=1))
    settled = [row for row in printer.status() if row.state in ("successful", "error") and row not in known]
    printer.update_auto_request(AutoRequestSettings(timer=False))
    return settled[0] if settled else None


def _machine(session: Client, profile: Profile, transport: Transport, line: _Line) -> tuple[Printer, Scheduler]:
    """A configured printer that is switched on; ``transport`` leads to ``line``."""
    scheduler = Scheduler(_Ahead(session.clock), max_events=10_000)
    outside = Outside(
        scheduler=scheduler,
        wire=_Waited(transport, scheduler),
        entropy=session.entropy.fork(f"{profile.name}/{session.entropy.octets(4).hex()}"),
        keys=session.keys,
        recorder=Recorder(scheduler.clock),
    )
    printer = Printer(profile, outside, Factory(dns=True), Listeners(installed=line.installed))
    printer.power_on()
    target = session.target
    host = f"[{target.host}]" if ":" in target.host else target.host
    printer.update_communication(
        url=f"http://{host}{target.path}", port=target.port, timeout=int(session.policy.timeout)
    )
    return printer, scheduler


def _key(session: Client, name: str) -> KeySettings:
    return KeySettings("conform", name, challenge=session.draw(), use="TLS")


def _why(printer: Printer, row: StatusRow | None) -> str:
    if row is None:
        return "it is still waiting"
    shown = row.details.label if row.details else row.state
    diagnosis = next((entry.diagnosis for entry in reversed(printer.audit) if entry.diagnosis), "")
    return f"{shown}{': ' + diagnosis if diagnosis else ''}"
