"""Turns a run into the plain values of a report, and masks every text and byte on the way."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta

from mfp_sim.conformance.answers import Answer, Exchange
from mfp_sim.conformance.baseline import SECURITY_FAIL
from mfp_sim.conformance.causes import cause_of, title_of
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.engine import ConformanceRun, not_permitted
from mfp_sim.conformance.findings import explained, findings_of, grade_of
from mfp_sim.conformance.model import JUDGED, CheckResult, CheckVerdict
from mfp_sim.conformance.outcomes import Minted, Untold
from mfp_sim.conformance.printers import MODELS
from mfp_sim.conformance.registry import all_checks
from mfp_sim.conformance.sharing import without_octets
from mfp_sim.conformance.target import Permissions
from mfp_sim.contact import identity_of
from mfp_sim.report.json_report import catalogue_of, here
from mfp_sim.report.messages import Content, answered, asked, exchange_report
from mfp_sim.report.model import (
    SECURITY,
    Baseline,
    CaIdentity,
    CheckReport,
    Conclusion,
    Difference,
    ExchangeReport,
    MintedCertificate,
    PrinterVerdict,
    RunReport,
)
from mfp_sim.run_trace import Attachment
from mfp_sim.shared.catalogue.registry import requirements
from mfp_sim.shared.errors import DecodeError
from mfp_sim.shared.redaction import MASK, Redactor
from mfp_sim.shared.scep.elements import leaves
from mfp_sim.shared.scep.oddities import CORRECT

__all__ = ["certificate_report", "report_of", "selected_of", "verdicts_of"]

_KEPT, _KEPT_PASSED = 6, 1
_VALUE = 240
_WORDS = {
    CheckVerdict.PASS: "pass",
    CheckVerdict.FINDING: "finding",
    CheckVerdict.WARN: "warn",
    CheckVerdict.FAIL: "fail",
    CheckVerdict.INCONCLUSIVE: "inconclusive",
    CheckVerdict.NOT_APPLICABLE: "skipped",
    CheckVerdict.NOT_RUN: "skipped",
}


def report_of(
    run: ConformanceRun,
    session: Client,
    *,
    printers: Sequence[PrinterVerdict] = (),
    baseline: Baseline | None = None,
    waived: Mapping[str, str] | None = None,
    command: str = "",
    repeat: str = "",
    wanted: str = "both",
    conditions: Mapping[str, str] | None = None,
    share: bool = False,
) -> RunReport:
    """The report.

    Args:
        run: what happened.
        session: the session with the server; it knows exchanges and secrets.
        printers: the models' verdicts.
        baseline: how the run compares with the expected failures.
        waived: the baseline's reasons by id.
        command: the command line, without secrets.
        repeat: the command that repeats one check, without its id.
        wanted: ``rfc``, ``printers`` or ``both``.
        conditions: further ones in words by name, such as how the server was reached.
        share: whether to leave out the bytes of messages, which name the site.
    """
    maker = _Maker(session, run, waived or {}, repeat)
    controlled = run.first.held and run.last.held
    findings = findings_of(run.results, printers, waived or ())
    found = RunReport(
        scenarios=(),
        target=session.target.url,
        provenance=replace(
            here(),
            begun=run.begun.isoformat(),
            seconds=(run.ended - run.begun).total_seconds(),
            command=command,
            ca=_ca(session),
            baseline=baseline,
            options={**_options(run, session), **(conditions or {})},
        ),
        conclusions=conclusions_of(run.results, printers, wanted, controlled=controlled),
        checks=tuple(maker.check(result) for result in run.results),
        printers=explained(printers, findings),
        minted=(*map(certificate_report, run.minted), *map(certificate_report, run.untold)),
        stopped=run.stopped,
        findings=findings,
        grade=grade_of(
            run.results,
            findings,
            printers,
            wanted=tuple(all_checks().values()),
            controlled=controlled and run.last.asked,
            stopped=run.stopped,
            models=len(MODELS),
        ),
    )
    if share:
        found = without_octets(found)
    masked: RunReport = session.redactor.record(replace(found, catalogue=catalogue_of(found)))
    return masked


def verdicts_of(results: Iterable[CheckResult], printers: Iterable[PrinterVerdict] = ()) -> dict[str, str]:
    """The verdicts by id, for the comparison with a baseline; a security failure has its own verdict there."""
    found = {r.check.id: SECURITY_FAIL if r.insecure else r.verdict.word for r in results if r.counts}
    found |= {f"printer:{p.model}": p.verdict for p in printers if p.verdict != "not-tried"}
    return found


def selected_of(
    results: Iterable[CheckResult], printers: Iterable[PrinterVerdict], policy: Permissions
) -> frozenset[str]:
    """The ids that a baseline may expect something of: what was selected and is permitted, judged or not."""
    checks = frozenset(r.check.id for r in results if not_permitted(r.check, policy) is None)
    return checks if policy.read_only else checks | {f"printer:{printer.model}" for printer in printers}


def conclusions_of(
    results: Sequence[CheckResult],
    printers: Sequence[PrinterVerdict],
    wanted: str = "both",
    *,
    controlled: bool = True,
) -> tuple[Conclusion, ...]:
    """The overall verdicts, security first.

    Without both positive controls (``controlled``), neither that verdict nor the one on the RFC is good.
    """
    found = []
    if wanted != "printers":
        found.append(_security(results, controlled=controlled))
        found.append(_rfc(results, controlled=controlled))
    if wanted != "rfc":
        found.append(_printers(printers))
    return tuple(found)


def _security(results: Sequence[CheckResult], *, controlled: bool) -> Conclusion:
    """Whether a check saw that a client gets what it must not have, regardless of RFC 8894."""
    judged = [result for result in results if result.counts and result.check.breaches]
    broken = [result for result in judged if result.insecure]
    if broken:
        failures = "; ".join(f"{result.check.id}: {title_of(result)}" for result in broken)
        return Conclusion(SECURITY, "fail", f"{len(broken)} security failure{'s' * (len(broken) != 1)}: {failures}")
    if not (judged and controlled):
        return Conclusion(SECURITY, "inconclusive", "a positive control failed" if judged else "nothing was judged")
    several = f"{len(judged)} checks" if len(judged) != 1 else "1 check"
    return Conclusion(SECURITY, "pass", f"{several} looked for a security failure and found none")


def _rfc(results: Sequence[CheckResult], *, controlled: bool) -> Conclusion:
    counted = [result for result in results if result.counts]
    counts = {verdict: sum(r.by_keyword is verdict for r in counted) for verdict in JUDGED}
    if not counted:
        return Conclusion("RFC 8894", "inconclusive", "nothing was judged")
    worst = max(result.by_keyword for result in counted)
    parts = [
        f"{counts[verdict]} {one if counts[verdict] == 1 else several}"
        for verdict, one, several in (
            (CheckVerdict.FAIL, "check of a MUST failed", "checks of a MUST failed"),
            (CheckVerdict.WARN, "of a SHOULD warns", "of a SHOULD warn"),
            (CheckVerdict.FINDING, "finding", "findings"),
            (CheckVerdict.PASS, "passed", "passed"),
        )
        if counts[verdict]
    ]
    if not controlled and worst is not CheckVerdict.FAIL:
        because = f"a positive control failed; of the checks that could still be judged, {', '.join(parts)}"
        return Conclusion("RFC 8894", "inconclusive", because)
    return Conclusion("RFC 8894", _WORDS[worst], ", ".join(parts))  # type: ignore[arg-type]


def _printers(printers: Sequence[PrinterVerdict]) -> Conclusion:
    tried = [p for p in printers if p.verdict != "not-tried"]
    if not tried:
        return Conclusion("Printers", "inconclusive", "no model was tried")
    bad = [p.model for p in tried if p.verdict == "does-not-work"]
    half = [p.model for p in tried if p.verdict == "works-with"]
    works = len(tried) - len(bad) - len(half)
    parts = [f"{works} of {len(tried)} model{'s' * (len(tried) != 1)} work{'s' * (works == 1)}"]
    parts += [f"{', '.join(half)} with conditions"] if half else []
    parts += [f"{', '.join(bad)} not"] if bad else []
    return Conclusion("Printers", "fail" if bad else "warn" if half else "pass", "; ".join(parts))


def _options(run: ConformanceRun, session: Client) -> dict[str, str]:
    policy = session.policy
    median, high, longest = run.latency
    found = {
        "first control": run.first.text,
        "last control": run.last.text,
        "challenge": session.challenges.described,
        "persona": policy.persona
        + (f"; unknown, and therefore as in the RFC: {session.persona.unknown}" if session.persona.unknown else ""),
        "subject prefix": policy.subject_prefix,
        "latency": f"median {median * 1000:.0f} ms, 99 % within {high * 1000:.0f} ms, longest {longest * 1000:.0f} ms",
    }
    lost = [e for e in run.exchanges if e.reply is None]
    if lost:
        again = sum(e.repeats is not None and e.reply is not None for e in run.exchanges)
        found["lost replies"] = f"{len(lost)}; {again} of the requests got a reply when repeated"
    if policy.budget is not None:
        found["budget"] = f"{policy.budget} certificates"
    if policy.rate is not None:
        found["rate"] = f"{policy.rate:g} requests per second"
    if policy.read_only:
        found["read-only"] = "yes"
    return found


def _ca(session: Client) -> CaIdentity:
    reply, words = session.ca_exchange.reply, session.capabilities.keywords
    if reply is None or not session.trusted:
        server = (reply.header("Server") or "") if reply is not None else ""
        return CaIdentity(capabilities=words, server=server)
    return identity_of(session.issuer, session.trusted, words, reply)


def certificate_report(entry: Minted | Untold) -> MintedCertificate:
    """A certificate that was or may have been made (then without a serial number), for people."""
    if isinstance(entry, Untold):
        whether = f"whether one{'' if entry.expected else ' that should not exist'} was made"
        return MintedCertificate(
            serial="", subject=entry.subject, by=f"{entry.check} ({whether} is unknown: {entry.why})"
        )
    return MintedCertificate(
        serial=f"{entry.serial:x}",
        subject=entry.subject,
        by=entry.check if entry.expected else f"{entry.check} (should not have been issued)",
        not_after=entry.not_after,
        fingerprint=entry.fingerprint,
        fate="delivered",
    )


class _Maker:
    """Turns results into reports of checks."""

    def __init__(self, session: Client, run: ConformanceRun, waived: Mapping[str, str], repeat: str) -> None:
        self._session, self._waived, self._repeat = session, waived, repeat
        self._exchanges = {exchange.number: exchange for exchange in run.exchanges}
        self._answers = {answer.exchange.number: answer for answer in session.answers}

    def check(self, result: CheckResult) -> CheckReport:
        check, wrong = result.check, result.deviations
        first = wrong[0] if wrong else None
        word = _WORDS[result.verdict]
        if check.experimental and result.verdict in JUDGED:
            word = "experimental"
        shown = [number for fact in wrong for number in fact.evidence] or list(result.exchanges) or [
            number for fact in result.facts for number in fact.evidence
        ]  # fmt: skip
        kept = list(dict.fromkeys(shown))[: _KEPT if wrong else _KEPT_PASSED]
        exchanges = [self._exchanges[number] for number in kept if number in self._exchanges]
        begun = exchanges[0].begun.isoformat() if exchanges else ""
        return CheckReport(
            id=check.id,
            title=check.title,
            verdict=word,  # type: ignore[arg-type]
            requirements=check.requirements,
            section=check.section,
            level=check.level,
            field_failures=check.field_failures,
            tags=(check.chapter, *check.tags),
            cost="nothing" if not check.cost else f"{check.cost} certificate{'s' * (check.cost > 1)}",
            why=check.why,
            severity=check.worst.word,
            because=result.reason or "; ".join(f"{f.expected}: {f.got}" for f in wrong[:3]),
            likely_mistake=(first.mistake or "") if first else "",
            expected=first.expected if first else "",
            got=first.got if first else "",
            differences=tuple(self._differences(result)),
            exchanges=tuple(_exchange(exchange, self._session.redactor) for exchange in exchanges),
            rfc_text=_rfc_text(result),
            exchanges_left_out=max(0, len(set(shown)) - len(kept)),
            command=f"{self._repeat} --only {check.id}" if self._repeat else "",
            waived=self._waived.get(check.id),
            begun=begun,
            ended=exchanges[-1].begun.isoformat() if exchanges else "",
            seconds=round(result.seconds, 6),
            wrong=title_of(result) if wrong else "",
            cause=cause_of(result).id if wrong else "",
            breach=result.insecure,
            notes=tuple(_severity_notes(result)),
        )

    def _differences(self, result: CheckResult) -> Iterator[Difference]:
        """Element by element: the reply compared with the expected one, and how the request was made wrong."""
        for fact in result.deviations:
            if fact.element is not None:
                yield Difference(fact.element, fact.expected, fact.got)
        for number in [n for fact in result.deviations[:1] for n in fact.evidence[:1]]:
            answer = self._answers.get(number)
            if answer is not None and answer.order.oddities is not CORRECT:
                yield from self._request(answer)

    def _request(self, answer: Answer) -> Iterator[Difference]:
        """The one thing that was wrong in the request: the request compared with the right one."""
        right = self._session.encode(replace(answer.order, oddities=CORRECT))
        wrong = self._session.encode(answer.order)
        first, second = (dict(_plain_leaves(octets)) for octets in (right, wrong))
        for path in dict.fromkeys((*first, *second)):
            if first.get(path) != second.get(path):
                yield Difference(f"request: {path}", first.get(path), second.get(path))


def _severity_notes(result: CheckResult) -> Iterator[str]:
    """Why the verdict differs from the one for the requirement's keyword."""
    if result.insecure:
        yield "a security failure: it fails the server regardless of the level of the requirement"
    elif any(fact.capped(result.check) for fact in result.deviations):
        yield f"only {result.verdict.word}: {result.check.mild}"


def _rfc_text(result: CheckResult) -> str:
    """The text of RFC 8894 for the worst deviation, or otherwise for the check's first requirement."""
    worst = result.deviations[0].requirement if result.deviations else None
    return " […] ".join(requirements()[worst or result.check.requirements[0]].quotes)


_RANDOM = ("encryptedKey", "encryptedContent", "signature", "messageDigest", "contentEncryptionAlgorithm.parameters")


def _plain_leaves(octets: bytes) -> Iterator[tuple[str, str]]:
    """Paths and values, without those that always differ between two encodings."""
    try:
        for leaf in leaves(octets):
            if not leaf.path.endswith(_RANDOM):
                yield leaf.path, leaf.text[:_VALUE]
    except DecodeError as error:
        yield "unreadable", str(error)[:_VALUE]


def _exchange(exchange: Exchange, redactor: Redactor) -> ExchangeReport:
    """The bytes with every secret overwritten, in the form that every report shows."""
    request, reply = exchange.request, exchange.reply
    found = exchange_report(
        Attachment(
            event=-1,
            begun=exchange.begun,
            ended=exchange.begun + timedelta(seconds=exchange.seconds),
            request=replace(request, headers=tuple(map(_header, request.headers)), body=redactor.octets(request.body)),
            reply=None if reply is None else replace(reply, body=redactor.octets(reply.body)),
            error=exchange.error.message if exchange.error is not None else None,
            sent=exchange.error is None or exchange.error.sent,
        ),
        exchange.label,
    )
    return _without_secrets(found, redactor)


def _without_secrets(found: ExchangeReport, redactor: Redactor) -> ExchangeReport:
    """Without bytes that still contain a secret, in pieces or in a rare encoding: decoding would reveal it."""
    if _shows(asked(found), redactor):
        found = replace(found, request=replace(found.request, body=b""))
    if found.reply is not None and _shows(answered(found), redactor):
        found = replace(found, reply=replace(found.reply, body=b""))
    return found


def _shows(content: Content, redactor: Redactor) -> bool:
    return any(redactor.text(element.value) != element.value for element in content.elements())


def _header(pair: tuple[str, str]) -> tuple[str, str]:
    return (pair[0], MASK) if pair[0].lower() == "authorization" else pair
