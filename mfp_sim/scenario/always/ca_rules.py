"""Rules about the CA and its books: what it issues, to whom, and what became of each certificate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from functools import cache
from typing import Any

from mfp_sim.device.private import load_private
from mfp_sim.events import ExchangeReply, ExchangeRequest, MockRequest, PowerFailed, StatusRowAdded
from mfp_sim.scenario.always.watching import AlwaysRule, Course
from mfp_sim.shared.errors import DecodeError
from mfp_sim.shared.scep.certificate import Certificate, common_name_of, spki_of
from mock_scep_server.service import ScepService

__all__ = ["CA_RULES"]

_OPERATORS = ("ca_script", "ca_operator")


def _steps(course: Course, *kinds: str) -> bool:
    return any(step.kind in kinds for step in course.steps)


def _faulty(course: Course) -> bool:
    """Whether a fault has acted, after which the CA may have done anything."""
    return any(isinstance(one.event, MockRequest) and one.event.faults for one in course.happenings)


def _journal(course: Course) -> list[tuple[datetime, MockRequest]]:
    return [(one.time, one.event) for one in course.happenings if isinstance(one.event, MockRequest)]


def _settings(course: Course) -> dict[str, Mapping[str, Any]]:
    """The settings of each request by its transactionID, as the printers stored them."""
    found: dict[str, Mapping[str, Any]] = {}
    for commits in course.commits.values():
        for commit in commits:
            request = commit.state["request"]
            if request is not None and request["enrolment"] is not None:
                found[request["enrolment"]["transaction_id"]] = request
    return found


@cache
def _spki(private: str) -> bytes:
    """The public key of a stored private key."""
    return spki_of(load_private(bytes.fromhex(private)))


# --- after each step --------------------------------------------------------------------------------------


def _adds_up(course: Course) -> Iterator[str]:
    if course.ca is None:
        return
    ledger = course.ca.ledger
    counts, entries = ledger.counts, ledger.entries
    if counts["minted"] != counts["installed"] + counts["orphaned"]:
        yield f"{counts['minted']} certificates, but {counts['installed']} installed and {counts['orphaned']} orphaned"
    if counts["minted"] != len(entries) + ledger.forgotten:
        yield f"{counts['minted']} certificates are counted, {len(entries)} are in the ledger"
    if len(ledger.orphans) != sum(not entry.installed for entry in entries):
        yield "the orphans are not the certificates that are not installed"
    for entry in entries:
        if entry.installed == (entry.cause is not None):
            yield f"serial {entry.certificate.serial:x}: installed is {entry.installed}, the cause is {entry.cause!r}"
        found = ledger.find(entry.certificate.serial)
        if found is None or found.certificate.serial != entry.certificate.serial:
            yield f"serial {entry.certificate.serial:x} is not found by its number"
        if entry not in ledger.of_key(entry.certificate.spki) or entry not in ledger.of_subject(
            entry.certificate.subject
        ):
            yield f"serial {entry.certificate.serial:x} is not found by its key and subject"


def _explained(course: Course) -> Iterator[str]:
    if course.ca is None:
        return
    kept = [storage.kept for storage in course.storages.values() if storage.kept is not None]
    requests = [request for state in kept for request in (state["request"], state["kept"]) if request]
    under_way = {request["enrolment"]["transaction_id"] for request in requests if request["transaction"]}
    there = {key["certificate"] for state in kept for key in state["keys"]}  # the CA hears of it at the next start
    later: set[str] = set()
    for entry in reversed(course.ca.ledger.entries):
        replaced = entry.transaction_id in later and _is_over(course, course.ca, entry.certificate)
        waits = entry.transaction_id in under_way or entry.der.hex() in there
        if not (entry.explained or waits or replaced or entry.transaction_id in _ended_without_word(course)):
            yield f"serial {entry.certificate.serial:x} is an orphan without a cause"
        later.add(entry.transaction_id)


def _ended_without_word(course: Course) -> set[str | None]:
    """The transactions that printers gave up at the instant in which their power failed: the CA cannot hear of it."""
    failed = {(one.printer, one.time) for one in course.happenings if isinstance(one.event, PowerFailed)}
    ended = [one for one in course.happenings if (one.printer, one.time) in failed]
    return {one.event.transaction for one in ended if isinstance(one.event, StatusRowAdded) and one.event.details}


def _is_over(course: Course, ca: ScepService, certificate: Certificate) -> bool:
    """Whether the CA issues another certificate for the same request."""
    again = ca.profile.retransmission == "again" or ca.revocations.is_revoked(certificate.serial)
    return again or certificate.not_after < course.now


def _installed(course: Course) -> Iterator[str]:
    """A certificate of this CA in a key list is installed in the books, and what the books call installed is there."""
    if course.ca is None:
        return
    ledger = course.ca.ledger
    of_der = {entry.der: entry for entry in ledger.entries}
    ever: set[bytes] = set()
    for serial, commits in course.commits.items():
        printer = course.printers[serial]
        for commit in commits:
            ever |= {bytes.fromhex(key["certificate"]) for key in commit.state["keys"]}
        if not printer.powered:
            continue
        for key in printer.key_list():
            entry = of_der.get(key.certificate.der)
            if entry is not None and not entry.installed:
                number = f"{entry.certificate.serial:x}"
                yield f"{serial}: {key.name!r} has serial {number}, which the CA counts as an orphan"
    for entry in of_der.values():
        if entry.installed and entry.der not in ever:
            yield f"serial {entry.certificate.serial:x} counts as installed, but no printer has stored it"


# --- the whole course -------------------------------------------------------------------------------------


def _serials(course: Course) -> Iterator[str]:
    if course.ca is None or _faulty(course):
        return
    counted = Counter((entry.certificate.issuer, entry.certificate.serial) for entry in course.ca.ledger.entries)
    yield from (f"serial {serial:x} was issued {count} times" for (_, serial), count in counted.items() if count > 1)


def _one_each(course: Course) -> Iterator[str]:
    """One transaction has one key, and one certificate unless the CA issues again or was made to forget it."""
    if course.ca is None:
        return
    keys: dict[str, set[bytes]] = {}
    for entry in course.ca.ledger.entries:
        keys.setdefault(entry.transaction_id, set()).add(entry.certificate.spki)
    if not _faulty(course):
        yield from (
            f"transaction {name} has certificates for {len(found)} keys"
            for name, found in keys.items()
            if len(found) > 1
        )
    if (
        _faulty(course)
        or _steps(course, *_OPERATORS)
        or course.ca.policy.transaction_lifetime
        or course.ca.profile.retransmission == "again"
        or course.setting.ca.script
    ):
        return
    counted = Counter(entry.transaction_id for entry in course.ca.ledger.entries)
    yield from (f"transaction {name} brought {count} certificates" for name, count in counted.items() if count > 1)


def _challenged(course: Course) -> Iterator[str]:
    """Without a fault, a wrong or missing challenge brings no certificate."""
    ca = course.ca
    if ca is None or course.setting.ca.challenge is None or ca.profile.challenge != "checked" or _faulty(course):
        return
    settings = _settings(course)
    for entry in ca.ledger.entries:
        request = settings.get(entry.transaction_id)
        if request is None or (request["enrolment"] or {}).get("old") is not None:
            continue
        if request["settings"]["challenge"] != course.setting.ca.challenge:
            yield f"serial {entry.certificate.serial:x} was issued although the challenge was wrong or missing"


def _granted(course: Course) -> Iterator[str]:
    """A CA without a script refuses no first request whose challenge is right."""
    ca, setup = course.ca, course.setting.ca
    if (
        ca is None
        or setup.script
        or _steps(course, *_OPERATORS)
        or set(setup.given) - {"challenge", "ra"}
        or setup.values
        or setup.policy.challenge.kind != "none"
    ):
        return
    settings = _settings(course)
    for _, event in _journal(course):
        if event.name != "PKCSReq" or not event.decision.startswith("FAILURE") or event.transaction is None:
            continue
        request = settings.get(event.transaction)
        if request is not None and setup.challenge in (None, request["settings"]["challenge"]):
            yield f"transaction {event.transaction} ended with {event.decision}, although its challenge is right"


def _approved(course: Course) -> Iterator[str]:
    """With manual approval, nothing is issued before the operator has acted."""
    if (
        course.ca is None
        or course.ca.policy.approval == "automatic"
        or _steps(course, "ca_script")
        or course.setting.ca.script
    ):
        return
    first = min((step.begun for step in course.steps if step.kind == "ca_operator"), default=None)
    for entry in course.ca.ledger.entries:
        if first is None or entry.minted_at < first:
            yield f"serial {entry.certificate.serial:x} was issued before the operator had approved anything"


def _final(course: Course) -> Iterator[str]:
    """A granted transaction does not become pending, and a refused one is not granted later."""
    if course.ca is None or _faulty(course) or _steps(course, *_OPERATORS) or course.setting.ca.script:
        return
    decided: dict[str, str] = {}
    for _, event in _journal(course):
        if event.transaction is None or not event.decision:
            continue
        word = event.decision.split()[0]
        before = decided.get(event.transaction)
        if (before, word) in (("SUCCESS", "PENDING"), ("FAILURE", "SUCCESS")):
            yield f"transaction {event.transaction} got {before}, and {word} later"
        if word in ("SUCCESS", "FAILURE", "PENDING"):
            decided[event.transaction] = word


def _rules_counted(course: Course) -> Iterator[str]:
    """A rule of the script answers no more requests than it may, and only requests that it matches."""
    if course.ca is None or _steps(course, "ca_script"):
        return
    rules = course.setting.ca.script
    used = Counter(event.rule for _, event in _journal(course) if event.rule is not None)
    for rule in rules:
        count = used[rule.number]
        if rule.times is not None and count > rule.times:
            yield f"rule {rule.number} answered {count} requests, it may answer {rule.times}"
        if rule.when.nth is not None and count > 1:
            yield f"rule {rule.number} is for one request, and answered {count}"
    for _, event in _journal(course):
        if event.rule is None:
            continue
        when = rules[event.rule - 1].when
        if when.operation is not None and _operation(event.name) != when.operation:
            yield f"rule {event.rule} answered a {event.name}, it is for {when.operation}"
        if when.type is not None and event.name != when.type:
            yield f"rule {event.rule} answered a {event.name}, it is for {when.type}"
        if when.client is not None and event.client != when.client:
            yield f"rule {event.rule} answered {event.client}, it is for {when.client}"


def _operation(name: str) -> str:
    """The operation of a request in the journal, which names a PKIOperation by its message."""
    return name if name.startswith("Get") and name not in ("GetCert", "GetCRL") else "PKIOperation"


def _as_asked(course: Course) -> Iterator[str]:
    """Without a fault, a certificate has the name and key of its request and the policy's validity, and begins now."""
    ca = course.ca
    if ca is None or _faulty(course):
        return
    settings = _settings(course)
    for entry in ca.ledger.entries:
        certificate, request = entry.certificate, settings.get(entry.transaction_id)
        if request is None:
            continue
        try:
            name = common_name_of(certificate.subject)
        except DecodeError:
            name = "unreadable"
        if name != request["settings"]["common_name"]:
            asked = request["settings"]["common_name"]
            yield f"serial {certificate.serial:x} is for {name}, the request was for {asked}"
        if certificate.spki != _spki(request["enrolment"]["key"]):
            yield f"serial {certificate.serial:x} is for another key than the request"
        lifetime = certificate.not_after - max(entry.minted_at, certificate.not_before)
        if lifetime > ca.policy.validity:
            yield f"serial {certificate.serial:x} is valid for {lifetime}, the policy says {ca.policy.validity}"
        if not certificate.not_before <= entry.minted_at + timedelta(seconds=1):
            yield f"serial {certificate.serial:x} is not valid when it is issued"


def _right_replies(course: Course) -> Iterator[str]:
    """A CertRep that no fault changed has its request's transaction, a nonce, and failInfo only in FAILURE."""
    if _faulty(course):
        return
    asked: dict[str, str | None] = {}
    for one in course.happenings:
        event = one.event
        if isinstance(event, ExchangeRequest):
            asked[one.printer] = event.transaction
        if not isinstance(event, ExchangeReply) or event.status != 200 or event.message is None:
            continue
        message = event.message
        if message.get("messageType") != "CertRep":
            yield f"a reply to {event.operation} is a {message.get('messageType')}"
        if message.get("transactionID") != asked.get(one.printer):
            yield f"a reply to {event.operation} has another transactionID"
        if not message.get("recipientNonce"):
            yield f"a reply to {event.operation} has no recipientNonce"
        if (message.get("failInfo") is not None) != (message.get("pkiStatus") == "FAILURE"):
            yield f"a reply with pkiStatus {message.get('pkiStatus')} has failInfo {message.get('failInfo')}"


CA_RULES: Mapping[str, AlwaysRule] = {
    "ledger-adds-up": AlwaysRule(
        "Every certificate is in the ledger, found by serial number, key and subject, and installed or an orphan.",
        now=_adds_up,
    ),
    "orphans-explained": AlwaysRule(
        "Every certificate that no printer has, and that is not under way, has a cause.", now=_explained
    ),
    "installed-is-stored": AlwaysRule(
        "The CA counts exactly the certificates as installed that a printer has stored.", now=_installed
    ),
    "serials-unique": AlwaysRule(
        "Without a fault, no serial number is issued twice.", course=_serials, serves=("SCEP-4.3-01",)
    ),
    "one-certificate-each": AlwaysRule(
        "A transaction has one key, and without faults and operators one certificate.", course=_one_each
    ),
    "challenge-needed": AlwaysRule(
        "Without a fault, a wrong or missing challenge brings no certificate.", course=_challenged
    ),
    "right-is-granted": AlwaysRule(
        "A CA without a script refuses no request whose challenge is right.", course=_granted
    ),
    "approval-needed": AlwaysRule(
        "With manual approval, nothing is issued before the operator acts.", course=_approved
    ),
    "decisions-final": AlwaysRule(
        "A granted transaction does not become pending, and a refused one is not granted later.", course=_final
    ),
    "rules-counted": AlwaysRule(
        "A rule of the script answers only requests that it matches, and no more than it may.", course=_rules_counted
    ),
    "certificate-as-asked": AlwaysRule(
        "Without a fault, a certificate has the name and key of its request and the policy's validity.",
        course=_as_asked,
    ),
    "replies-right": AlwaysRule(
        "Without a fault, a CertRep has its request's transactionID, a recipientNonce, and failInfo only in FAILURE.",
        course=_right_replies,
    ),
}
