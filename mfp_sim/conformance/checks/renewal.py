"""RenewalReq: its signer, subject and key, and the reply. RFC 8894, 2.3, 2.4, 2.5 and 3.3.1."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from mfp_sim.conformance import csrs
from mfp_sim.conformance.answers import Answer
from mfp_sim.conformance.checks.challenge import stranger
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.facts import answered, fact, refusal
from mfp_sim.conformance.model import CheckVerdict, Fact, Gain, Proof
from mfp_sim.conformance.outcomes import Inconclusive, NotApplicable
from mfp_sim.conformance.registry import check
from mfp_sim.conformance.renewals import WAYS, Renewals, Way, asked_to_renew, renewals, too_early
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.oddities import Oddities
from mfp_sim.shared.scep.vocabulary import FailInfo, MessageType

__all__ = ["CHECK", "MILD", "REQUEST", "SPARED", "controlled", "refused_renewal"]

RENEWAL = MessageType.RENEWAL_REQ
REQUEST, CHECK = FailInfo.BAD_REQUEST, FailInfo.BAD_MESSAGE_CHECK
MILD = (
    "the challenge password authorised this request, not the signer, so it is an ordinary enrolment: a client that "
    "knows the challenge password, or needs none, may enrol under any name anyway"
)
SPARED = ("granted-with-challenge", "granted-as-to-all")
UNVERIFIED = Proof("granted-with-challenge", ca={"renewal_challenge": True, "renewal_signer": "unchecked"})
"""A RenewalReq is treated like a PKCSReq: the challenge password decides, and the signer is not checked."""
UNVERIFIED_TOO = Proof("granted-with-challenge", ca={"renewal_signer": "unchecked"})
"""The same where a right renewal needs no challenge: one by a wrong signer is granted because of the challenge."""
CHALLENGE_UNREAD = Proof("granted-with-wrong-challenge", defects=("renews-with-any-challenge",))


def _granted(session: Client) -> tuple[Answer, Answer]:
    """An enrolment and the reply to its renewal, in the way that the server grants."""
    session.need("Renewal")
    known = renewals(session)
    if known.why is not None:
        raise known.why
    return known.old, known.new


def _open(session: Client) -> bool:
    """A server that enrols every client without a challenge authenticates no client, by any certificate."""
    return session.challenges.next() is None


def _admits(session: Client, way: Way) -> bool:
    """Whether the sender of such a request may enrol anyway, so that a grant gives nothing more."""
    return way.challenged or _open(session)


def _by_certificate_alone(way: Way) -> None:
    if way.challenged:
        raise NotApplicable(
            "a renewal requires the challenge password here, and a client that knows it may enrol under any name"
        )


def _slug(session: Client, way: Way, granted: str = "granted") -> str:
    return "granted-as-to-all" if _open(session) else "granted-with-challenge" if way.challenged else granted


def controlled(session: Client, send: Callable[[Renewals, Certificate], Iterator[Fact]]) -> Iterator[Fact]:
    """The facts of renewals that must be refused, sent in the way in which right ones are granted; a grant counts
    without such a way too."""
    known = renewals(session)
    facts = [*send(known, session.identity(known.old).certificate)]
    if known.why is None:
        yield from facts
        return
    yield from (fact for fact in facts if fact.deviates and fact.slug.startswith("granted"))
    raise known.why


def refused_renewal(
    session: Client,
    way: Way,
    what: str,
    *fitting: FailInfo,
    slug: str = "granted",
    mistake: str | None = None,
    admits: bool | None = None,
    **order: Any,
) -> Iterator[Fact]:
    """Send a renewal that must be refused; gives the facts of its refusal. ``admits``: see `_admits`."""
    if admits is None:
        admits, slug = _admits(session, way), _slug(session, way, slug)
    answer = session.ask(way.order(session, wrong=True, **order), expect_refusal=not admits)
    yield from refusal(
        answer,
        f"{way.what} by {what}",
        *fitting,
        parking=True,
        granted_at_most=CheckVerdict.FINDING if admits else CheckVerdict.FAIL,
        mistake=mistake,
        slug=slug,
    )  # fmt: skip


def _challenged_too(session: Client, known: Renewals, what: str, **order: Any) -> Iterator[Fact]:
    """The same signer's RenewalReq with the right challenge, if the control needed none, and with a wrong one. The
    form of the refusal shows nothing if the server supports no RenewalReq."""
    if _open(session):
        return
    way, facts = WAYS[1], list[Fact]()
    if known.way != way:
        facts += refused_renewal(session, way, what, REQUEST, CHECK, **order)
    mistake = "the server accepts a challenge password in a RenewalReq without comparing it"
    facts += refused_renewal(
        session, way, f"{what}, with a wrong challenge password", REQUEST, CHECK, slug="granted-with-wrong-challenge",
        mistake=mistake, admits=False, challenge=session.wrong_challenge(), **order,
    )  # fmt: skip
    served = known.way.message_type is RENEWAL
    yield from (one for one in facts if served or (one.deviates and one.slug.startswith("granted")))


@check(
    "renewal-without-challenge",
    "A RenewalReq is granted without a challenge password",
    "SCEP-2.4-07",
    why="A device no longer has a challenge password when it renews.",
    field_failures=("F-W01", "F-W03", "F-W05"),
    cost=2,
    proofs=(Proof("refused", "caps-lie-renewal"),),
)
def without_challenge(session: Client) -> Iterator[Fact]:
    session.need("Renewal")
    _, new = asked_to_renew(session, WAYS[0])
    if too_early(new):
        raise Inconclusive(f"not tried: the server renews only closer to the certificate's expiry: {new.text}")
    yield answered(
        "refused",
        new.taken,
        "SUCCESS or PENDING",
        new,
        of_grant=True,
        mistake="the server requires the challenge password before it looks at the messageType",
    )


@check(
    "renewal-new-certificate",
    "A renewal returns a new certificate, not the old one",
    "SCEP-2.5-02",
    why="A device that gets its old certificate again assumes that it has renewed.",
    field_failures=("F-W04", "F-W08", "F-W09"),
    cost=2,
    proofs=(Proof("old-one", "renewal-returns-old"),),
)
def new_certificate(session: Client) -> Iterator[Fact]:
    old, new = _granted(session)
    before = session.identity(old).certificate
    if not new.payload.certificates:
        raise Inconclusive(f"the reply contains no readable certificate: {new.payload.problem or new.text}")
    serials = [c.serial for c in new.payload.certificates]
    yield fact(
        "old-one",
        before.serial not in serials or new.issued is not None,
        "a certificate with another serial number",
        f"serial {before.serial:x} again",
        new,
    )
    if new.issued is not None:
        later = new.issued.not_after >= before.not_after
        yield fact("not-longer", later, f"valid beyond {before.not_after}", f"until {new.issued.not_after}", new)


@check(
    "renewal-reply-to-old-key",
    "The reply to a RenewalReq is encrypted to the old key",
    "SCEP-2.3-16",
    why="The old certificate signed the RenewalReq, so the client looks for its RecipientInfo.",
    cost=2,
    proofs=(Proof("not-to-old-key", "renewal-env-new-key"),),
)
def to_old_key(session: Client) -> Iterator[Fact]:
    _, new = _granted(session)
    if new.envelope is None:
        raise Inconclusive(f"the reply has no envelope: {new.payload.problem or new.text}")
    opens = new.payload.plain is not None
    yield fact(
        "not-to-old-key",
        opens,
        "the key that signed the request decrypts it",
        new.payload.problem or "it decrypts",
        new,
    )


@check(
    "renewal-for-new-key",
    "A renewal certifies the CSR's new key",
    "SCEP-3.3.2.1-05",
    why="The device renews to use the new key.",
    cost=2,
    proofs=(Proof("no-issued", "success-wrong-key", when="type: RenewalReq"),),
)
def for_new_key(session: Client) -> Iterator[Fact]:
    _, new = _granted(session)
    if new.payload.plain is None or (new.payload.problem is not None and not new.payload.certificates):
        raise Inconclusive(f"the reply cannot be read: {new.payload.problem}")
    got = (
        f"{len(new.payload.certificates)} certificates, but not one for the CSR's key"
        if new.issued is None
        else "it is present"
    )
    yield fact("no-issued", new.issued is not None, "a certificate for the CSR's key", got, new)


@check(
    "renewal-self-signed",
    "A RenewalReq signed by a self-signed certificate is refused",
    "SCEP-2.4-09",
    "SCEP-3.3.1-12",
    why="Anyone can copy a name and a serial number into a certificate.",
    field_failures=("F-S06",),
    cost=1,
    negative=True,
    tags=("security",),
    gain=Gain.STRANGER,
    mild=MILD,
    breaches=("granted", "granted-by-enclosed", "granted-with-wrong-challenge"),
    spared=SPARED,
    proofs=(
        Proof("granted", defects=("renews-for-anybody",)),
        Proof("granted-by-enclosed", defects=("renews-by-enclosed",)),
        UNVERIFIED,
        UNVERIFIED_TOO,
        CHALLENGE_UNREAD,
    ),
)
def self_signed(session: Client) -> Iterator[Fact]:
    key = session.key()

    def send(known: Renewals, old: Certificate) -> Iterator[Fact]:
        enclosing = {"chain": (old,), "oddities": Oddities(certificates="reversed")}
        variants: tuple[tuple[str, str, dict[str, Any], dict[str, Any]], ...] = (
            ("of its own", "granted", {}, {}),
            ("with the serial number of an issued one", "granted", {"serial": old.serial}, {}),
            ("beside an issued certificate of another client", "granted-by-enclosed", {}, enclosing),
        )
        for what, slug, fields, changes in variants:
            yield from refused_renewal(
                session,
                known.way,
                f"a self-signed certificate {what}",
                REQUEST,
                CHECK,
                slug=slug,
                mistake="the server treats messageType 17 like 19, or looks up the signer by name",
                key=key,
                subject=old.subject,
                signer=session.self_signed(key, old.subject, **fields),
                **changes,
            )
        own: dict[str, Any] = {"key": key, "subject": old.subject, "signer": session.self_signed(key, old.subject)}
        yield from _challenged_too(session, known, "a self-signed certificate of its own", **own)

    yield from controlled(session, send)


@check(
    "renewal-by-stranger",
    "A RenewalReq signed by a certificate of another CA is refused",
    "SCEP-2.4-13",
    why="Anyone can copy issuer and subject; only the signature proves the issuer.",
    field_failures=("F-W06",),
    cost=1,
    negative=True,
    tags=("security",),
    gain=Gain.STRANGER,
    mild=MILD,
    breaches=("granted", "granted-with-wrong-challenge"),
    spared=SPARED,
    proofs=(Proof("granted", defects=("renews-for-anybody",)), UNVERIFIED, UNVERIFIED_TOO, CHALLENGE_UNREAD),
)
def by_stranger(session: Client) -> Iterator[Fact]:
    def send(known: Renewals, old: Certificate) -> Iterator[Fact]:
        what = "a certificate of another CA"
        order: dict[str, Any] = {"by": stranger(session, old.subject), "subject": old.subject}
        yield from refused_renewal(session, known.way, what, REQUEST, CHECK, **order)
        yield from _challenged_too(session, known, what, **order)

    yield from controlled(session, send)


@check(
    "renewal-other-name",
    "A renewal for another subject is refused",
    "SCEP-2.4-14",
    why="Otherwise anyone with one device's key can impersonate any device, or the server.",
    field_failures=("F-S12",),
    cost=1,
    negative=True,
    tags=("security",),
    gain=Gain.NAME,
    breaches=("granted",),
    proofs=(Proof("granted", defects=("renews-for-anybody",)),),
)
def other_name(session: Client) -> Iterator[Fact]:
    session.need("Renewal")

    def send(known: Renewals, old: Certificate) -> Iterator[Fact]:
        _by_certificate_alone(known.way)
        admits = _open(session)
        identity = session.identity(known.old)
        answer = session.ask(
            known.way.order(session, by=identity, subject=session.subject(), wrong=True),
            unwanted=None if admits else lambda certificate: certificate.subject != old.subject,
        )
        if answer.granted and answer.issued is not None and answer.issued.subject == old.subject:
            yield fact("granted", True, "no certificate for the other name", "a certificate for the old name", answer)
            return
        yield from refusal(
            answer,
            f"{known.way.what} for another subject",
            REQUEST,
            parking=True,
            granted_at_most=CheckVerdict.FINDING if admits else CheckVerdict.FAIL,
            mistake="the server does not compare the CSR's subject with that of the signer's certificate",
            slug=_slug(session, known.way),
        )

    yield from controlled(session, send)


@check(
    "renewal-adds-names",
    "A renewal adds no subject alternative names",
    "SCEP-2.4-14",
    why="Browsers check only the subject alternative names: a client that adds one can impersonate another server.",
    field_failures=("F-S12",),
    cost=1,
    negative=True,
    tags=("security",),
    gain=Gain.NOTHING,
    breaches=("granted",),
    proofs=(Proof("granted", defects=("renews-with-more-names",)),),
)
def adds_names(session: Client) -> Iterator[Fact]:
    """The name belongs to this run, so no one is harmed; a renewal without it is right too."""
    session.need("Renewal")
    more = f"added.{session.policy.subject_prefix}.example"

    def send(known: Renewals, old: Certificate) -> Iterator[Fact]:
        _by_certificate_alone(known.way)
        admits = _open(session)
        order = known.way.order(session, by=session.identity(known.old), subject=old.subject, sans=(more,), wrong=True)
        answer = session.ask(order, unwanted=None if admits else lambda certificate: more in certificate.sans)
        if answer.handed_out and answer.issued is None:
            raise Inconclusive(f"no readable certificate for the CSR's key: {answer.payload.problem or answer.text}")
        yield fact(
            _slug(session, known.way),
            answer.issued is None or more not in answer.issued.sans,
            "no certificate with the new name",
            answer.text
            if answer.issued is None
            else f"a certificate for {', '.join(answer.issued.sans) or 'no names'}",
            answer,
            mistake="the server compares only the CSR's subject with the signer's certificate",
            what=f"{known.way.what} with a subject alternative name that the certificate does not have",
        )

    yield from controlled(session, send)


@check(
    "renewal-csr-forged",
    "A RenewalReq with a CSR that its own key did not sign is refused",
    "SCEP-7.6-01",
    why="The message proves only the old key; the CSR must prove the new one.",
    cost=1,
    negative=True,
    tags=("security",),
    gain=Gain.KEY,
    breaches=("granted",),
    proofs=(Proof("granted", defects=("csr-signature-unchecked",)),),
)
def csr_forged(session: Client) -> Iterator[Fact]:
    session.need("Renewal")
    key = session.key()

    def send(known: Renewals, old: Certificate) -> Iterator[Fact]:
        attributes = csrs.text(known.way.secret(session))
        request = csrs.encoded(key, old.subject, attributes, signed_by=session.key())
        order = known.way.order(
            session, by=session.identity(known.old), key=key, subject=old.subject, request=request, challenge=None,
            wrong=True,
        )  # fmt: skip
        answer = session.ask(order, expect_refusal=True)
        yield from refusal(answer, f"{known.way.what} with a CSR signed by another key", REQUEST, CHECK)

    yield from controlled(session, send)


@check(
    "renewal-expired",
    "A RenewalReq signed by an expired certificate is refused",
    "SCEP-2.4-13",
    why="An expired certificate no longer proves an identity.",
    field_failures=("F-W10",),
    cost=2,
    negative=True,
    last=True,
    tags=("security", "time"),
    gain=Gain.STRANGER,
    mild=MILD,
    breaches=("granted",),
    spared=SPARED,
    proofs=(Proof("granted", defects=("renews-for-anybody",)),),
)
def expired(session: Client) -> Iterator[Fact]:
    """The certificate was issued and renewed by the server, and has since expired."""

    def send(known: Renewals, old: Certificate) -> Iterator[Fact]:
        session.await_instant(old.not_after + timedelta(seconds=1), "a certificate of the CA must expire first")
        yield from refused_renewal(
            session, known.way, "an expired certificate", REQUEST, CHECK, FailInfo.BAD_TIME,
            by=session.identity(known.old), subject=old.subject,
        )  # fmt: skip

    yield from controlled(session, send)


PASSES = timedelta(seconds=2)
"""The time between an enrolment and its renewal, so that the renewed certificate can end later."""


@check(
    "renewal-ends-later",
    "A renewed certificate expires later than the old one",
    "SCEP-2.5-02",
    why="A certificate that expires with the old one must be renewed again at once.",
    field_failures=("F-W04",),
    cost=3,
    proofs=(Proof("old-end", defects=("renews-to-the-old-end",)),),
)
def ends_later(session: Client) -> Iterator[Fact]:
    """An enrolment at the same time shows how late a certificate may end."""
    session.need("Renewal")
    _granted(session)
    way = renewals(session).way
    first = session.identity(session.enrol())
    session.pause(PASSES)
    other = session.identity(session.enrol()).certificate
    old = first.certificate
    if other.not_after <= old.not_after:
        raise NotApplicable(
            f"a certificate issued {PASSES.seconds} seconds later expires at the same time: {other.not_after}"
        )
    new = session.ask(way.order(session, by=first, subject=old.subject))
    if not new.granted:
        raise Inconclusive(f"the renewal was not granted: {new.text}")
    issued = session.identity(new).certificate
    expected = (
        f"later than {old.not_after}, like a certificate issued at the same time, which expires at {other.not_after}"
    )
    mistake = "the server copies the dates from the old certificate"
    yield fact("old-end", issued.not_after > old.not_after, expected, str(issued.not_after), new, mistake=mistake)


@check(
    "renewal-not-advertised",
    "A RenewalReq is refused if Renewal is not advertised",
    "SCEP-3.3.1-12",
    why="A server must not treat a type that it does not support as another type.",
    cost=1,
    negative=True,
    proofs=(
        Proof("granted", defects=("renews-for-anybody",), ca={"capabilities": ("AES", "SHA-256", "SCEPStandard")}),
    ),
)
def not_advertised(session: Client) -> Iterator[Fact]:
    if session.capabilities.renewal:
        raise NotApplicable("Renewal is advertised")
    identity = session.enrolled()
    order = session.order(
        message_type=RENEWAL, by=identity, subject=identity.certificate.subject, challenge=None, wrong=True
    )
    answer = session.ask(order, expect_refusal=False)
    yield from refusal(answer, "a RenewalReq that the server does not advertise", REQUEST)


@check(
    "renewal-as-pkcsreq",
    "A PKCSReq signed with the old certificate gets SUCCESS, PENDING or FAILURE",
    "SCEP-3.3.1-13",
    "SCEP-A-03",
    why="Clients that follow the drafts, such as Cisco's, renew with messageType 19.",
    field_failures=("F-W07", "F-N09"),
    cost=1,
    negative=True,
    tags=("clients",),
    proofs=(Proof("no-certrep", defects=("crashes-on-old-renewal",)),),
)
def as_pkcsreq(session: Client) -> Iterator[Fact]:
    identity = session.enrolled()
    order = session.order(by=identity, subject=identity.certificate.subject, challenge=None, wrong=True)
    answer = session.ask(order)
    yield answered(
        "no-certrep",
        answer.decided,
        "SUCCESS, PENDING or FAILURE",
        answer,
        at_most=CheckVerdict.FINDING,
        what="a PKCSReq signed with the old certificate",
    )
