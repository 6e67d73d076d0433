"""Runs a client through the situations, one after the other, each with its own folder and the same CA.

The first and the last situation is an enrolment at a CA that does nothing wrong. Unless both succeed, the refusals in
between prove nothing: a client that refuses everything passes nothing.
"""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from http.client import HTTPException
from itertools import chain
from pathlib import Path
from zoneinfo import ZoneInfo

from mfp_sim.conformance.model import JUDGED, CheckVerdict
from mfp_sim.examination.fetching import CONTROLS, fetched
from mfp_sim.examination.judging import Conduct, Judged, Observation, judge
from mfp_sim.examination.program import ClientVerb, End, Examined, Task, VerbResult
from mfp_sim.examination.situations import FIRST, LAST, Situation, situations
from mfp_sim.run_trace import Attachment, Recorder
from mfp_sim.shared.documents import Problems, load_text
from mfp_sim.shared.errors import DecodeError, UsageError
from mfp_sim.shared.http_octets import reply_of
from mfp_sim.shared.redaction import Redactor
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.contents import read_ca_certificates
from mfp_sim.shared.scep.http_messages import Delivery, HttpReply, HttpRequest, scep_request
from mfp_sim.shared.scep.vocabulary import Operation
from mfp_sim.shared.simtime import Entropy, GeneratedKeys, SystemClock
from mock_scep_server.challenges import StaticChallenge
from mock_scep_server.script_file import script_of
from mock_scep_server.server import ServerHost
from mock_scep_server.service import ScepService, make_service
from mock_scep_server.setup import CaSetup, read_ca

__all__ = ["Examination", "SituationResult", "examine"]

_NOTHING = Observation((), ())
_CONTROLS: Mapping[ClientVerb, str] = {**{verb: verb for verb in CONTROLS}, "renew": "renewal"}
"""By verb, the situation in which nothing is wrong: without success there, refusals of the verb prove nothing."""
_EVERYWHERE = ("0.0.0.0", "::")  # noqa: S104 - compared, not bound


@dataclass(frozen=True)
class SituationResult:
    """The result of one situation. ``messages`` are its exchanges, without secrets; ``judgement`` is what the CA's
    judge says about the client's requests."""

    situation: Situation
    verdict: CheckVerdict
    because: str
    seen: Observation = _NOTHING
    messages: tuple[Attachment, ...] = field(default=(), repr=False)
    seconds: float = 0.0

    @property
    def judgement(self) -> tuple[str, ...]:
        """Each finding once, in order."""
        return tuple(dict.fromkeys(text for entry in self.seen.entries for text in entry.judgement))


@dataclass(frozen=True)
class Examination:
    """A whole run. ``ca`` is what was changed in the CA so that the client can enrol."""

    client: str
    version: str
    ca: str
    results: tuple[SituationResult, ...]

    @property
    def controlled(self) -> bool:
        """Whether the client enrolled without faults, at the beginning and at the end."""
        controls = [r for r in self.results if r.situation.id in (FIRST.id, LAST.id)]
        return len(controls) == 2 and all(r.verdict is CheckVerdict.PASS for r in controls)

    @property
    def skipped(self) -> int:
        """The number of situations that prove nothing: the client does not support them, or no fault applied."""
        return sum(r.verdict is CheckVerdict.NOT_APPLICABLE for r in self.results)

    @property
    def tried(self) -> bool:
        """Whether at least one situation beside the controls was judged."""
        return any(r.verdict in JUDGED for r in self.results if r.situation.id not in (FIRST.id, LAST.id))

    @property
    def unclear(self) -> int:
        """The number of situations that could not be judged."""
        return sum(r.verdict is CheckVerdict.INCONCLUSIVE for r in self.results)


class _Ca:
    """A mock CA, with its requests and replies."""

    def __init__(self, setup: CaSetup, challenge: str, seed: Entropy) -> None:
        self.clock = SystemClock()
        self.service: ScepService = make_service(
            setup, clock=self.clock, entropy=seed, keys=GeneratedKeys(), zone=ZoneInfo("UTC"),
            challenge=StaticChallenge(challenge),
        )  # fmt: skip
        self.redactor = Redactor([challenge])
        self.recorder = Recorder(self.clock, self.redactor)

    def begin(self) -> None:
        """Reset the mock to its initial state, with its keys and without a script."""
        self.service.reset()
        self.go_on("[]")

    def go_on(self, script: str) -> None:
        """Load another script and clear the messages; the mock still knows what it issued."""
        self.service.journal.clear()
        self.service.script.replace(script_of(script))
        self.recorder = Recorder(self.clock, self.redactor)

    def certificate(self, situation: Situation) -> Certificate:
        """The CA's certificate in a situation, as a client would get it by other means; resets the mock."""
        own = self.service.authority.issuer.certificate
        if not situation.reissues:
            return own
        self.begin()
        self.go_on(situation.script)
        reply = reply_of(self.service.handle(scep_request("/scep", Operation.GET_CA_CERT), "mfp-sim").octets)
        published, _ = read_ca_certificates(reply.body, reply.header("Content-Type"))
        same = (certificate for certificate in published if certificate.spki == own.spki)
        below_a_root = (c for c in published if c.is_ca and c.issuer != c.subject)
        return next(chain(same, below_a_root), own)

    def handle(self, request: HttpRequest, client: str) -> Delivery:
        """Reply like the CA, and keep what went over the wire."""
        begun = self.clock.now()
        delivery = self.service.handle(request, client)
        reply: HttpReply | None = None
        error = None
        try:
            reply = reply_of(delivery.octets)
        except (HTTPException, ValueError, OSError) as unread:
            error = f"the mock sent no complete reply: {type(unread).__name__}"
        self.recorder.attach(Attachment(-1, begun, self.clock.now(), request, reply, error))
        return delivery


class _Place:
    """The address at which the client finds the CA of each situation: always the same."""

    def __init__(self, ca: _Ca, host: str, port: int) -> None:
        self.ca, self.host = ca, ServerHost(self, host, port)

    @property
    def url(self) -> str:
        """The base URL; if the mock listens on every address, with the name of this computer."""
        everywhere = self.host.host in _EVERYWHERE
        return f"http://{socket.gethostname()}:{self.host.port}" if everywhere else self.host.url

    def handle(self, request: HttpRequest, client: str) -> Delivery:
        """Have the CA of the situation reply."""
        return self.ca.handle(request, client)


def _setup(text: str, changes: str) -> CaSetup:
    """The CA's section of a text, with the changes of a situation."""
    problems = Problems()
    setup = read_ca(load_text("{" + ", ".join(part for part in (text, changes) if part) + "}", "ca"), problems)
    problems.raise_if_any()
    return setup


def examine(
    client: Examined,
    chosen: Sequence[Situation],
    *,
    ca: str = "",
    timeout: float = 10.0,
    host: str = "127.0.0.1",
    port: int = 0,
    began: Callable[[int, int, Situation], None] = lambda *_: None,
    ended: Callable[[SituationResult], None] = lambda _: None,
) -> Examination:
    """Run the client through the situations.

    Args:
        client: the client.
        chosen: the situations; the controls are added, also those of the verbs that fetch.
        ca: keys of a CA's section in flow style, ``profile: lenient``.
        timeout: in seconds, for one reply; the client gets it in its environment.
        host: the address at which the mock listens.
        port: its port, 0 for any free one.
        began: called with number, total and situation before each.
        ended: called with each result, before the last control has confirmed it.

    Raises:
        UsageError: the client cannot be run, or the mock cannot listen.
        DocumentError: ``ca`` is wrong.
    """
    entropy = Entropy(None)
    challenge = entropy.octets(9).hex()
    every = (FIRST, *_controls(chosen), *chosen, LAST)
    results: list[SituationResult] = []
    found: dict[str, _Ca] = {"": _Ca(_setup(ca, ""), challenge, entropy.fork(""))}
    place = _Place(found[""], host, port)
    with place.host:

        def in_a_folder(situation: Situation, number: int) -> SituationResult:
            if situation.ca not in found:
                found[situation.ca] = _Ca(_setup(ca, situation.ca), challenge, entropy.fork(situation.ca))
            place.ca = found[situation.ca]
            with _folder() as folder:
                return _result(client, situation, place, challenge, Path(folder), number, timeout)

        for number, situation in enumerate(every, 1):
            began(number, len(every), situation)
            if situation is not FIRST and results[0].verdict is not CheckVerdict.PASS:
                break
            results.append(_not_supported(situation, results) or in_a_folder(situation, number))
            ended(results[-1])
        place.ca = found[""]
        version = _version(client, place, challenge, timeout)
    return _confirmed(Examination(client.name, version, ca, tuple(results)))


def _controls(chosen: Sequence[Situation]) -> list[Situation]:
    """The controls of the verbs that the chosen situations need, as far as these are not chosen themselves."""
    needed = {_CONTROLS.get(s.verbs[0]) for s in chosen} - {s.id for s in chosen}
    return [s for s in situations() if s.id in needed]


def _not_supported(situation: Situation, earlier: Sequence[SituationResult]) -> SituationResult | None:
    """The result of a situation whose verb the client did not know in an earlier one; nothing has to be run for it."""
    for result in earlier:
        run = next(iter(result.seen.runs), None)
        unsupported = run is not None and (run.verb, run.end) == (situation.verbs[0], End.UNSUPPORTED)
        if run is not None and unsupported and result.verdict is CheckVerdict.NOT_APPLICABLE:
            return SituationResult(situation, result.verdict, result.because, Observation((run,), ()))
    return None


def _folder() -> tempfile.TemporaryDirectory[str]:
    """A client's own folder; it stays if the client made it impossible to remove."""
    return tempfile.TemporaryDirectory(prefix="mfp-sim-client-", ignore_cleanup_errors=True)


def _result(
    client: Examined, situation: Situation, place: _Place, challenge: str, folder: Path, number: int, timeout: float
) -> SituationResult:
    """One situation; an error in it is its result and does not end the run."""
    try:
        return _one(client, situation, place, challenge, folder, number, timeout)
    except UsageError:  # the client cannot be started
        raise
    except Exception as error:  # noqa: BLE001 - any error
        why = f"internal error: {type(error).__name__}: {error}"
        return SituationResult(situation, CheckVerdict.INCONCLUSIVE, why)


def _one(
    client: Examined, situation: Situation, place: _Place, challenge: str, folder: Path, number: int, timeout: float
) -> SituationResult:
    """One situation, regardless of the controls."""
    ca = place.ca
    begun = ca.clock.now()
    task = Task(
        f"{place.url}/scep", f"CN=client-{number}.example", challenge, ca.certificate(situation), folder, timeout,
    )  # fmt: skip
    before = None
    ca.begin()
    if situation.before:
        for verb in situation.before:
            ended = client.run(verb, task)
        before = _certificate(task)
        if before is None and not (ended.by_word and ended.end is End.DONE):
            return SituationResult(situation, CheckVerdict.INCONCLUSIVE, f"the enrolment before failed: {ended.end}")
    ca.go_on(situation.script)
    runs: list[VerbResult] = []
    for verb in situation.verbs:
        if runs and (_certificate(task) != before or (runs[-1].by_word and runs[-1].end is End.DONE)):
            break
        if verb == "poll" and runs[-1].end is not End.PENDING:
            continue
        ended = client.run(verb, task)
        runs.append(replace(ended, text=ca.redactor.text(ended.text)))
    entries = ca.service.journal.entries
    try:
        left, unreadable = task.certificate(), False
    except DecodeError:
        left, unreadable = None, True
    fits = left is not None and task.key_fits(left)
    found = fetched(situation.verbs[-1], task, ca.recorder.attachments, ca.clock.now())
    seen = Observation(tuple(runs), entries, left, before, fits, unreadable, found)
    slug = situation.slug
    judged = judge(situation.word, seen, slug)
    acted = any(slug is None or (slug in entry.faults and slug not in entry.without_effect) for entry in entries)
    if not acted and seen.conduct is not Conduct.UNSUPPORTED:
        judged = judge("either", seen)  # what is wrong in every situation
        if judged.verdict is not CheckVerdict.FAIL:
            judged = (
                Judged(CheckVerdict.INCONCLUSIVE, f"it sent nothing: {seen.conduct}") if slug is None
                else Judged(CheckVerdict.NOT_APPLICABLE, "it sent no request to which this fault applies")
            )  # fmt: skip
    seconds = (ca.clock.now() - begun).total_seconds()
    return SituationResult(situation, judged.verdict, judged.because, seen, ca.recorder.attachments, seconds)


def _certificate(task: Task) -> Certificate | None:
    try:
        return task.certificate()
    except DecodeError:
        return None


def _version(client: Examined, place: _Place, challenge: str, timeout: float) -> str:
    """What the client says about itself: the first line, or an empty string."""
    ca = place.ca
    with _folder() as folder:
        task = Task(place.url, "", challenge, ca.service.authority.issuer.certificate, Path(folder), timeout)
        ended = client.run("version", task)
    lines = ca.redactor.text(ended.text).strip().splitlines()
    return lines[0][:200] if ended.code == 0 and lines else ""


def _failed_controls(found: Examination) -> dict[str, str]:
    """Why a situation has proved nothing, by its id: the client did not do the same where nothing was wrong."""
    if not found.controlled:
        why = "the client did not enrol although nothing was wrong"
        return {r.situation.id: why for r in found.results if r.situation not in (FIRST, LAST)}
    right = (CheckVerdict.PASS, CheckVerdict.FINDING, CheckVerdict.NOT_APPLICABLE)
    controls = _CONTROLS.values()
    failed = {r.situation.id for r in found.results if r.situation.id in controls and r.verdict not in right}
    return {
        r.situation.id: f"{control} did not succeed although nothing was wrong"
        for r in found.results
        if (control := _CONTROLS.get(r.situation.verbs[0])) in failed and control != r.situation.id
    }


def _confirmed(found: Examination) -> Examination:
    """The same examination; if a control failed, only verdicts that hold without it."""
    failed = _failed_controls(found)
    return replace(found, results=tuple(
        replace(r, verdict=CheckVerdict.INCONCLUSIVE, because=f"a control failed: {failed[r.situation.id]}")
        if r.situation.id in failed and r.verdict is not CheckVerdict.FAIL else r
        for r in found.results
    ))  # fmt: skip
