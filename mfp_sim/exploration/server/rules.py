"""The rules that hold for every SCEP server, and the judgement of a history by them.

A rule reads the whole history of a case: what one reply may be depends on the earlier ones. It sends nothing. Its level
is that of its requirement in RFC 8894, as for the checks of `conform`; a breach of security is a failure in any case.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from mfp_sim.conformance.answers import Answer
from mfp_sim.conformance.model import CheckVerdict, severity_of
from mfp_sim.exploration.server.history import HistoryEntry
from mfp_sim.shared.catalogue.registry import requirements
from mfp_sim.shared.errors import DecodeError
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.certificate import Certificate, name_pairs, name_text
from mfp_sim.shared.scep.vocabulary import MessageType

__all__ = ["ALIVE", "OTHER_NAME", "REVOKED", "RULES", "SERIALS", "Judgement", "ServerRule", "judged"]

_History = Sequence[HistoryEntry]


class Judgement(NamedTuple):
    """One application of a rule: whether it holds, the entries that show it, and what is wrong. ``at_most`` caps the
    severity if this form of the deviation is milder."""

    holds: bool
    entries: tuple[int, ...]
    text: str = ""
    at_most: CheckVerdict = CheckVerdict.FAIL


@dataclass(frozen=True)
class ServerRule:
    """One rule. The first of ``requirements`` decides the severity, unless it is a ``breach`` of security."""

    slug: str
    sentence: str
    requirements: tuple[str, ...]
    judge: Callable[[_History], Iterator[Judgement]] = field(repr=False, compare=False)
    breach: bool = False

    @property
    def severity(self) -> CheckVerdict:
        """The verdict on a server that breaks it."""
        return CheckVerdict.FAIL if self.breach else severity_of(self.requirements[0])

    @property
    def sections(self) -> tuple[str, ...]:
        """The sections of RFC 8894 that it follows from."""
        return tuple(dict.fromkeys(requirements()[name].section or "" for name in self.requirements))


def judged(history: _History, *, operated: bool) -> Mapping[str, list[Judgement]]:
    """What each rule says about a history, by slug. A rule that had nothing to judge has an empty list.

    Only if the history contains everything that the CA's operator did (``operated``) is a certificate without approval
    wrong: otherwise another person may have approved it.
    """
    rules = (rule for rule in RULES.values() if operated or rule.slug != WAITS)
    return {rule.slug: list(rule.judge(history)) for rule in rules}


# --- one reply --------------------------------------------------------------------------------------------


def _cert_reps(history: _History) -> Iterator[tuple[HistoryEntry, Answer]]:
    for entry in history:
        if entry.answer is not None and entry.answer.signed is not None:
            yield entry, entry.answer


def _opened(history: _History) -> Iterator[tuple[HistoryEntry, Answer]]:
    """The grants to requests of the client's own whose certificates can be read."""
    for entry, answer in _cert_reps(history):
        enrols = answer.order.message_type not in (MessageType.GET_CERT, MessageType.GET_CRL)
        if enrols and entry.own and answer.granted and answer.payload.certificates:
            yield entry, answer


def _barred(rule: str, at_most: CheckVerdict = CheckVerdict.FAIL) -> Callable[[_History], Iterator[Judgement]]:
    """No message that this rule bars gets a certificate."""

    def judge(history: _History) -> Iterator[Judgement]:
        for entry in history:
            if entry.barred == rule and entry.read:
                yield Judgement(not entry.got, (entry.number,), f"{entry.number} got {_words(entry)}", at_most)

    return judge


def _other_name(history: _History) -> Iterator[Judgement]:
    """A server may renew the old name although the request has another one."""
    for entry in history:
        if entry.barred == OTHER_NAME and entry.read and entry.answer is not None:
            kept = entry.certificate is not None and entry.certificate.subject == entry.answer.order.signer.subject
            yield Judgement(kept or not entry.got, (entry.number,), f"{entry.number} got {_words(entry)}")


def _foreign_poll(history: _History) -> Iterator[Judgement]:
    """A SUCCESS that only the owner's key opens gives a stranger nothing, so it is milder."""
    for entry in history:
        if entry.barred == "poll-by-stranger" and entry.read and entry.answer is not None:
            reads = entry.answer.payload.plain is not None
            at_most = CheckVerdict.FAIL if reads else CheckVerdict.FINDING
            yield Judgement(not entry.got, (entry.number,), f"{entry.number} got {_words(entry)}", at_most)


def _taken(history: _History) -> Iterator[Judgement]:
    """A transaction whose first request was refused or lost is not taken."""
    known: dict[str, HistoryEntry] = {}
    for entry in history:
        transaction = entry.request[0]
        first = known.get(transaction)
        if entry.kind == "other-key" and entry.read and first is not None and first.act.round < entry.act.round:
            text = f"{entry.number} got {_words(entry)} in the transaction of {first.number}"
            yield Judgement(not entry.got, (first.number, entry.number), text, CheckVerdict.FINDING)
        elif entry.asks and not entry.barred and (entry.granted or entry.parked):
            known.setdefault(transaction, entry)


def _unknown_poll(history: _History) -> Iterator[Judgement]:
    for entry in history:
        if entry.kind == "unknown-poll" and entry.read:
            yield Judgement(
                not (entry.got or entry.parked), (entry.number,), f"{entry.number} got {_words(entry)} about nothing"
            )


def _key(history: _History) -> Iterator[Judgement]:
    for entry, answer in _opened(history):
        if answer.issued is not None or answer.leaves:
            text = f"{entry.number} got a certificate for another key: {_named(entry.certificates)}"
            yield Judgement(answer.issued is not None, (entry.number,), text)


def _subject(history: _History) -> Iterator[Judgement]:
    for entry, answer in _opened(history):
        if answer.issued is None or entry.barred:
            continue
        try:
            holds = sorted(name_pairs(answer.issued.subject)) == sorted(name_pairs(answer.order.subject))
        except DecodeError:
            holds = False
        text = f"{entry.number} asked for {name_text(answer.order.subject)}, got {answer.issued.subject_text}"
        yield Judgement(holds, (entry.number,), text)


def _returned(oid: str, what: str, sent: Callable[[Answer], bytes]) -> Callable[[_History], Iterator[Judgement]]:
    """The CertRep contains an attribute as the request had it."""

    def judge(history: _History) -> Iterator[Judgement]:
        for entry, answer in _cert_reps(history):
            found = answer.octets(oid)
            text = f"the reply to {entry.number} has {'no' if found is None else 'another'} {what}"
            yield Judgement(found == sent(answer), (entry.number,), text)

    return judge


def _readable(history: _History) -> Iterator[Judgement]:
    """A grant is encrypted to the key that signed the request, and to no other."""
    for entry, answer in _cert_reps(history):
        envelope = answer.envelope
        if not entry.own or not answer.granted or not answer.signed or not answer.signed.content:
            continue
        if envelope is None:
            clear = bool(answer.payload.certificates)
            yield Judgement(not clear, (entry.number,), f"the reply to {entry.number} is not encrypted")
            continue
        others = len(envelope.recipients) - 1
        text = f"the reply to {entry.number} cannot be opened with the key that signed it: {answer.payload.problem}"
        if answer.payload.plain is not None:
            text = f"the reply to {entry.number} is also encrypted to {others} others"
        yield Judgement(answer.payload.plain is not None and others == 0, (entry.number,), text)


# --- several replies --------------------------------------------------------------------------------------


def _requests(history: _History) -> Iterator[list[HistoryEntry]]:
    """The messages of each request, by its own client: the request, its repetitions and its polls."""
    found: dict[tuple[str, bytes], list[HistoryEntry]] = defaultdict(list)
    for entry in history:
        if entry.own and entry.answer is not None and entry.request[1]:
            found[entry.request].append(entry)
    yield from found.values()


def _settled(history: _History) -> Iterator[list[HistoryEntry]]:
    """The same, without the requests of which a reply was lost: the server may still be at work on the first message
    when it gets the second."""
    for entries in _requests(history):
        if all(entry.read for entry in entries):
            yield entries


def _unrevoked(history: _History, requests: Iterator[list[HistoryEntry]]) -> Iterator[list[HistoryEntry]]:
    """The requests whose certificate was not revoked: the RFC does not say what a repetition gets afterwards."""
    revoked = {entry.act.about for entry in history if entry.kind == "revoke"}
    yield from (entries for entries in requests if entries[0].root.number not in revoked)


def _one(history: _History) -> Iterator[Judgement]:
    for entries in _unrevoked(history, _requests(history)):
        issued = [(entry, certificate) for entry in entries if (certificate := entry.certificate) is not None]
        for entry, certificate in issued[1:]:
            first, known = issued[0]
            text = f"{entry.number} got {_named((certificate,))} although {first.number} had got {_named((known,))}"
            yield Judgement(certificate == known, (first.number, entry.number), text)


def _serials(history: _History) -> Iterator[Judgement]:
    known: dict[tuple[bytes, int], tuple[HistoryEntry, Certificate]] = {}
    for entry in history:
        for certificate in entry.certificates:
            first, other = known.setdefault((certificate.issuer, certificate.serial), (entry, certificate))
            if other is certificate and len(known) > 1:
                yield Judgement(True, (entry.number,))
            elif other.der != certificate.der:
                text = f"{entry.number} got another certificate with serial {certificate.serial:x} than {first.number}"
                yield Judgement(False, (first.number, entry.number), text)


def _refused(history: _History) -> Iterator[Judgement]:
    for entries in _settled(history):
        refusals = [entry for entry in entries if entry.refused and entry.asks]
        if not refusals or entries[0] is not refusals[0]:
            continue  # something was granted or parked first
        first = refusals[0]
        for entry in entries:
            if entry.act.round > first.act.round:
                text = f"{entry.number} got {_words(entry)} although {first.number} was refused"
                at_most = CheckVerdict.FAIL if _unentitled(entry) else CheckVerdict.FINDING
                yield Judgement(not entry.got, (first.number, entry.number), text, at_most)


def _unentitled(entry: HistoryEntry) -> bool:
    return bool(entry.barred) and RULES[entry.barred].breach


def _stays(history: _History) -> Iterator[Judgement]:
    for entries in _unrevoked(history, _settled(history)):
        granted = next((entry for entry in entries if entry.granted), None)
        if granted is None:
            continue
        for entry in entries:
            if entry.act.round > granted.act.round:
                back = entry.parked or (entry.refused and entry.kind == "poll")
                text = f"{entry.number} got {_words(entry)} although {granted.number} was granted"
                yield Judgement(not back, (granted.number, entry.number), text)


# --- the operator -----------------------------------------------------------------------------------------


def _decided(history: _History) -> Iterator[tuple[list[HistoryEntry], HistoryEntry | None]]:
    """Each request that waited, with the operator's decision about it, if there was one."""
    decisions = {entry.act.about: entry for entry in history if entry.kind in ("approve", "reject")}
    for entries in _requests(history):
        if entries[0].parked:
            yield entries, decisions.get(entries[0].act.number)


def _waits(history: _History) -> Iterator[Judgement]:
    for entries, decision in _decided(history):
        for entry in entries:
            if decision is None or entry.number < decision.number:
                text = f"{entry.number} got {_words(entry)} before the operator had approved the request"
                yield Judgement(not entry.got, (entries[0].number, entry.number), text)


def _rejected(history: _History) -> Iterator[Judgement]:
    for entries, decision in _decided(history):
        if decision is None or decision.kind != "reject":
            continue
        for entry in entries:
            if entry.number > decision.number and entry.read:
                text = f"{entry.number} got {_words(entry)} although the operator had rejected the request"
                mild = entry.kind == "poll" and entry.parked
                at_most = CheckVerdict.FINDING if mild else CheckVerdict.FAIL
                yield Judgement(not (entry.got or mild), (decision.number, entry.number), text, at_most)


def _approved(history: _History) -> Iterator[Judgement]:
    for entries, decision in _decided(history):
        if decision is None or decision.kind != "approve":
            continue
        for entry in entries:
            if entry.number > decision.number and entry.kind == "poll" and entry.answer is not None and entry.read:
                text = f"{entry.number} got {_words(entry)} although the operator had approved the request"
                yield Judgement(not entry.answer.decided or entry.got, (decision.number, entry.number), text)


# --- lookups ----------------------------------------------------------------------------------------------


def _lookups(history: _History, *kinds: str) -> Iterator[tuple[HistoryEntry, Answer]]:
    for entry, answer in _cert_reps(history):
        if entry.kind in kinds and entry.read:
            yield entry, answer


def _wanted(history: _History, entry: HistoryEntry) -> Certificate | None:
    """The certificate that a lookup or a revocation is about."""
    return next((one.certificate for one in history if one.root.number == entry.act.about and one.certificate), None)


def _found(history: _History) -> Iterator[Judgement]:
    for entry, answer in _lookups(history, "get-cert"):
        wanted, got = _wanted(history, entry), answer.payload.certificates
        if answer.granted and got and wanted is not None:
            serials = {certificate.serial for certificate in got}
            owners = (one.number for one in history if one.certificate in got and one.number < entry.number)
            text = f"{entry.number} asked for serial {wanted.serial:x} and got {_named(got)}"
            yield Judgement(wanted.serial in serials, (*owners, entry.number), text)


def _not_found(history: _History) -> Iterator[Judgement]:
    for entry, answer in _lookups(history, "get-cert-unknown"):
        yield Judgement(not answer.granted, (entry.number,), f"{entry.number} got {_words(entry)} about nothing")


def _crl(history: _History) -> Iterator[Judgement]:
    for entry, answer in _lookups(history, "get-crl"):
        if answer.granted and answer.payload.bag is not None:
            text = f"the reply to {entry.number} contains no CRL"
            yield Judgement(bool(answer.payload.crls), (entry.number,), text)


def _listed(history: _History) -> Iterator[Judgement]:
    for entry, answer in _lookups(history, "get-crl"):
        for revoked in history[: entry.number]:
            wanted = _wanted(history, revoked) if revoked.kind == "revoke" else None
            if wanted is not None and answer.crls and answer.crls[0].issuer == wanted.issuer:
                text = (
                    f"the CRL for {entry.number} does not list serial {wanted.serial:x}, which {revoked.number} revoked"
                )
                yield Judgement(answer.crls[0].entry(wanted.serial) is not None, (revoked.number, entry.number), text)


def _at_once(history: _History) -> Iterator[Judgement]:
    for entry, answer in _lookups(history, "get-cert", "get-cert-unknown", "get-crl"):
        yield Judgement(not answer.parked, (entry.number,), f"{entry.number} got PENDING")


def _alive(_: _History) -> Iterator[Judgement]:
    """The search itself judges it, since it needs further requests."""
    yield from ()


# --- words ------------------------------------------------------------------------------------------------


def _words(entry: HistoryEntry) -> str:
    """The reply in a few words, without the server's own text."""
    if entry.answer is None or not entry.read:
        return "no reply"
    status = {0: "SUCCESS", 2: "FAILURE", 3: "PENDING"}.get(entry.answer.status or 0, "an unknown pkiStatus")
    if entry.answer.status is None:
        status = "no CertRep"
    return f"{status} with {_named(entry.certificates)}" if entry.certificates else status


def _named(certificates: Sequence[Certificate]) -> str:
    return ", ".join(f"serial {certificate.serial:x}" for certificate in certificates) or "no certificate"


SERIALS, ALIVE, WAITS = "serial-once", "keeps-running", "waits-for-operator"
REVOKED, OTHER_NAME = "renewal-by-revoked", "renewal-other-name"
_ROWS = (
    ServerRule("one-certificate", "One request gets one certificate, however often the client sends it or polls.",
               ("SCEP-5.2-04", "SCEP-3.2.1.5-08", "SCEP-5.2-03"), _one),
    ServerRule(SERIALS, "An issuer never gives a serial number to two certificates.", ("SCEP-3.3.2.1-16",), _serials,
               breach=True),
    ServerRule("challenge-required", "A request without the right challenge password gets no certificate.",
               ("SCEP-2.4-04", "SCEP-2.4-03"), _barred("challenge-required"), breach=True),
    ServerRule("poll-by-stranger", "A poll that another key signed gets no certificate.",
               ("SCEP-3.3.3-06", "SCEP-3.2.1.1-06"), _foreign_poll, breach=True),
    ServerRule("poll-unknown", "A poll that matches no request is rejected.", ("SCEP-4.4-04",), _unknown_poll),
    ServerRule("transaction-taken", "A request for another key in a known transaction is refused.",
               ("SCEP-5.2-05", "SCEP-3.2.1.1-06", "SCEP-4.4-06"), _taken),
    ServerRule("renewal-by-stranger", "Only a certificate of this CA authorises a renewal.",
               ("SCEP-2.4-13", "SCEP-2.4-09"), _barred("renewal-by-stranger"), breach=True),
    ServerRule(REVOKED, "A revoked certificate authorises no renewal.", ("SCEP-2.4-13",), _barred(REVOKED),
               breach=True),
    ServerRule(OTHER_NAME, "A certificate authorises no renewal for another name.", ("SCEP-2.4-14",), _other_name,
               breach=True),
    ServerRule("refused-stays-refused", "A refused request stays refused when the client repeats it unchanged.",
               ("SCEP-2.4-04", "SCEP-2.5.1-02"), _refused, breach=True),
    ServerRule("granted-stays-granted", "A granted request does not become PENDING, and a poll does not refuse it.",
               ("SCEP-5.2-03", "SCEP-2.5-08"), _stays),
    ServerRule("own-key", "A certificate is for the key of its request.", ("SCEP-3.3.2.1-11", "SCEP-2.5-10"), _key,
               breach=True),
    ServerRule("own-subject", "A certificate has the subject of its request.", ("SCEP-3.3.1-09",), _subject),
    ServerRule("own-nonce", "The recipientNonce is the senderNonce of the request.",
               ("SCEP-3.2.1.5-03", "SCEP-3.2.1-08"),
               _returned(v.RECIPIENT_NONCE, "recipientNonce", lambda answer: answer.order.nonce)),
    ServerRule("own-transaction", "The transactionID is that of the request.", ("SCEP-3.2.1.1-04",),
               _returned(v.TRANSACTION_ID, "transactionID", lambda answer: answer.order.transaction_id.encode())),
    ServerRule("own-eyes", "A granted reply is encrypted to the key that signed the request, and to no other key.",
               ("SCEP-2.3-15", "SCEP-2.3-16", "SCEP-7.7-02"), _readable),
    ServerRule(WAITS, "A request that waits gets no certificate before the operator approves it.",
               ("SCEP-2.4-10", "SCEP-2.5-08"), _waits, breach=True),
    ServerRule("rejected-stays-rejected", "A request that the operator rejected gets FAILURE, and no certificate.",
               ("SCEP-2.5-08", "SCEP-2.4-10"), _rejected, breach=True),
    ServerRule("approved-is-granted", "A poll gets the certificate after the operator has approved the request.",
               ("SCEP-2.5-08", "SCEP-4.4-06"), _approved),
    ServerRule("lookup-found", "GetCert returns the certificate that it names.", ("SCEP-3.3.2.1-07",), _found),
    ServerRule("lookup-nothing", "GetCert for a serial number that does not exist is not granted.",
               ("SCEP-4.5.1-01",), _not_found),
    ServerRule("lookup-crl", "A granted GetCRL contains a CRL.", ("SCEP-3.3.2.1-10",), _crl),
    ServerRule("lookup-revoked", "The CRL of a granted GetCRL lists the certificates that were revoked before.",
               ("SCEP-4.6.1-01",), _listed),
    ServerRule("lookup-at-once", "GetCert and GetCRL are never PENDING.", ("SCEP-4.5.1-01",), _at_once),
    ServerRule(ALIVE, "The server keeps running.", ("SCEP-4.1-19",), _alive, breach=True),
)  # fmt: skip
RULES: Mapping[str, ServerRule] = {rule.slug: rule for rule in _ROWS}
"""The rules by slug."""
