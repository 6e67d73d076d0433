"""CertPoll: unknown, about an issued certificate, by a wrong key, with wrong names. RFC 8894, 3.3.3, 4.4, 5.2."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from mfp_sim.conformance.answers import Answer
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.facts import answered, fact, refusal, told
from mfp_sim.conformance.model import CheckVerdict, Fact, Gain, Proof
from mfp_sim.conformance.operators import Act
from mfp_sim.conformance.outcomes import NotApplicable
from mfp_sim.conformance.registry import check
from mfp_sim.shared.scep import messages
from mfp_sim.shared.scep.vocabulary import FailInfo

BY_HAND = {"open": True, "approval": "manual", "approve": True}
"""The mock's operator approves and rejects."""
BAD_ID, REQUEST = FailInfo.BAD_CERT_ID, FailInfo.BAD_REQUEST


@check(
    "poll-unknown",
    "A CertPoll that matches no request is rejected",
    "SCEP-4.4-04",
    "SCEP-3.2.1.4-07",
    why="Otherwise a client that polls for a forgotten request waits until its own timeout.",
    field_failures=("F-P03", "F-P05", "F-P01"),
    reads=True,
    negative=True,
    proofs=(Proof("granted", defects=("polls-anything",)),),
)
def unknown(session: Client) -> Iterator[Fact]:
    yield from refusal(
        session.unknown_poll(),
        "a CertPoll for an unknown transaction",
        BAD_ID,
        REQUEST,
        mistake="the server does not implement CertPoll, or reads its content as a CSR",
    )


@check(
    "poll-after-issue",
    "A CertPoll for an issued certificate returns that certificate again",
    "SCEP-5.2-03",
    "SCEP-7.4-01",
    "SCEP-2.5.1-05",
    why="This is how a device that lost the reply gets its certificate.",
    field_failures=("F-P07", "F-P08", "F-K07"),
    cost=1,
    proofs=(Proof("not-again", defects=("forgets-issued",)), Proof("another", defects=("reissues-on-poll",))),
)
def after_issue(session: Client) -> Iterator[Fact]:
    first = session.enrol()
    issued = session.identity(first).certificate
    again = session.ask(session.poll(first.order))
    yield answered(
        "not-again",
        again.granted,
        f"SUCCESS with serial {issued.serial:x}",
        again,
        mistake="the server forgets the transaction when it issues the certificate",
    )
    if again.granted:
        serial = again.issued.serial if again.issued else None
        yield fact("another", serial == issued.serial, f"serial {issued.serial:x}", f"serial {serial or 0:x}", again)


@check(
    "poll-by-another-key",
    "A CertPoll signed with another key does not get the certificate",
    "SCEP-3.3.3-06",
    "SCEP-3.2.1.1-06",
    why="An attacker can guess a transactionID; it must not be enough to get the certificate.",
    cost=1,
    negative=True,
    tags=("security",),
    breaches=("handed-out",),
    proofs=(Proof("handed-out", defects=("reissues-on-poll",)),),
)
def by_another(session: Client) -> Iterator[Fact]:
    first = session.enrol()
    own = session.ask(session.poll(first.order))
    if not told(own).granted:
        raise NotApplicable(f"a CertPoll for an issued certificate got {own.text}")
    key = session.key()
    other = replace(
        session.poll(first.order),
        key=key,
        signer_key=key,
        signer=session.self_signed(key, session.subject()),
        wrong=True,
    )
    yield from refusal(
        session.ask(other),
        "a CertPoll signed with another key",
        parking=True,
        slug="handed-out",
        mistake="the server identifies the client by the transactionID alone",
    )


@check(
    "poll-wrong-names",
    "A CertPoll is matched by its transactionID, not by the names in it",
    "SCEP-3.3.3-04",
    why="Clients fill in issuer and subject differently; only the transactionID counts.",
    field_failures=("F-P03",),
    cost=1,
    proofs=(Proof("not-found", defects=("polls-by-name",)),),
)
def wrong_names(session: Client) -> Iterator[Fact]:
    first = session.enrol()
    right = session.ask(session.poll(first.order))
    if not told(right).granted:
        raise NotApplicable(f"a CertPoll for an issued certificate got {right.text}")
    for what, issuer, subject in (
        ("another issuer", session.subject(), first.order.subject),
        ("another subject", session.issuer.subject, session.subject()),
    ):
        order = replace(session.poll(first.order), data=messages.issuer_and_subject(issuer, subject))
        answer = session.ask(order)
        yield answered("not-found", answer.granted, f"the transaction is found despite {what}", answer)


@check(
    "poll-pending",
    "A request that waits for approval gets PENDING until it is approved, then SUCCESS",
    "SCEP-2.4-10",
    "SCEP-2.5-08",
    "SCEP-4.3.1-03",
    "SCEP-4.4.1-01",
    why="CertPoll exists for manual approval.",
    field_failures=("F-P01", "F-P02", "F-P10"),
    cost=1,
    opt_in="approval",
    tags=("approval",),
    breaches=("issued-unapproved", "issued-on-repetition"),
    proofs=(
        Proof("not-pending", defects=("forgets-issued",), answer="pending", when="type: PKCSReq", setup={"open": True}),
        Proof(
            "issued-on-repetition",
            defects=("challenge-unchecked-again",),
            answer="pending",
            when="type: PKCSReq",
            setup={"open": True},
        ),
        Proof(
            "issued-unapproved",
            defects=("reissues-on-poll",),
            answer="pending",
            when="type: PKCSReq",
            setup={"open": True},
        ),
    ),
)
def pending(session: Client) -> Iterator[Fact]:
    answer = _parked(session)
    waiting = session.ask(session.poll(answer.order))
    expected = "PENDING for a poll before the decision"
    yield answered("not-pending", waiting.parked or waiting.handed_out, expected, waiting)
    yield answered(
        "issued-unapproved", not waiting.handed_out, expected, waiting, mistake="the server treats a poll as approval"
    )
    again = session.ask(replace(answer.order, nonce=session.entropy.octets(16)))
    mistake = "the server treats every known transaction as approved"
    yield answered("issued-on-repetition", not again.handed_out, "no certificate for the repeated request", again,
                   mistake=mistake)  # fmt: skip
    session.decide(Act.APPROVE, answer)
    decided = session.ask(session.poll(answer.order))
    yield answered("not-granted", decided.granted, "SUCCESS after approval", decided, at_most=CheckVerdict.FINDING)


def _parked(session: Client) -> Answer:
    """The PENDING for a request that waits for the operator: without a challenge, unless right ones wait too."""
    answer = session.ask(session.order() if session.parked else session.order(challenge=None))
    if not told(answer).parked:
        raise NotApplicable(f"the server does not wait for approval: {answer.text}")
    return answer


@check(
    "poll-rejected",
    "A request that the operator rejects gets a FAILURE and no certificate",
    "SCEP-2.5-08",
    "SCEP-2.4-10",
    why="Without the FAILURE, a client polls until its own timeout; and a rejected request must not get a certificate.",
    field_failures=("F-P01", "F-P10"),
    negative=True,
    opt_in="rejection",
    tags=("approval", "security"),
    gain=Gain.STRANGER,
    breaches=("issued-though-rejected",),
    proofs=(
        Proof("kept-from-the-client", defects=("polls-anything",), setup=BY_HAND),
        Proof("issued-though-rejected", defects=("reissues-on-poll",), setup=BY_HAND),
        Proof("issued-though-rejected", defects=("challenge-unchecked-again",), setup=BY_HAND),
    ),
)
def rejected(session: Client) -> Iterator[Fact]:
    answer = _parked(session)
    session.decide(Act.REJECT, answer)
    slug, what = "issued-though-rejected", "a request that the operator rejected"
    polled = session.ask(session.poll(answer.order), expect_refusal=True)
    mistake = "polls do not see the decision"
    yield answered("kept-from-the-client", not polled.parked, "FAILURE after the rejection", polled, mistake=mistake)
    yield from refusal(polled, f"a poll for {what}", parking=True, slug=slug)
    again = session.ask(replace(answer.order, nonce=session.entropy.octets(16), wrong=True), expect_refusal=True)
    expected = "no certificate for the repeated request"
    yield answered(slug, not again.handed_out, expected, again, mistake="the server forgets the rejection")


@check(
    "poll-other-connection",
    "A poll on another connection is recognised",
    "SCEP-2.5.1-05",
    why="Devices close the connection and poll an hour later, from another address.",
    cost=1,
    proofs=(Proof("not-recognised", defects=("forgets-issued",)),),
)
def other_connection(session: Client) -> Iterator[Fact]:
    first = session.enrol()
    answer = session.ask(session.poll(first.order))
    yield answered("not-recognised", answer.taken, "the transaction is known", answer)


@check(
    "poll-much-later",
    "A CertPoll still returns the certificate after many other requests and some time",
    "SCEP-5.2-03",
    "SCEP-2.5.1-05",
    why="A device that lost power asks for its certificate later; a fleet may have enrolled in the meantime.",
    field_failures=("F-P07", "F-K07"),
    cost=1,
    last=True,
    tags=("time",),
    proofs=(Proof("forgotten", defects=("forgets-after-many",)),),
)
def much_later(session: Client) -> Iterator[Fact]:
    """For the first, oldest certificate of the run; a new one shows that the server answers polls."""
    first = session.granted()
    issued, fresh = session.identity(first).certificate, session.enrol()
    at_once = session.ask(session.poll(fresh.order))
    if not told(at_once).granted:
        raise NotApplicable(f"a CertPoll for an issued certificate got {at_once.text}")
    session.pass_time(first)
    again = session.ask(session.poll(first.order))
    serial = again.issued.serial if again.issued is not None else None
    others, since = len(session.exchanges) - first.exchange.number, again.exchange.begun - first.exchange.begun
    yield fact(
        "forgotten",
        again.granted and serial == issued.serial,
        f"SUCCESS with serial {issued.serial:x}, {others} requests and {since} later",
        again.text if serial in (None, issued.serial) else f"serial {serial:x}",
        again,
        mistake="the server keeps transactions in a cache that is too small or expires too early",
    )
