"""RenewalReq: by whom, for whom, with what key, and what comes back. RFC 8894, 2.3, 2.4, 2.5 and 3.3.1."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from mfp_sim.conformance import csrs
from mfp_sim.conformance.answers import Answer
from mfp_sim.conformance.checks.challenge import stranger
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.facts import answered, fact, refusal, refused
from mfp_sim.conformance.model import CheckVerdict, Fact, Gain, Proof
from mfp_sim.conformance.outcomes import Inconclusive, NotApplicable
from mfp_sim.conformance.registry import check
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep.certificate import Identity
from mfp_sim.shared.scep.oddities import Oddities
from mfp_sim.shared.scep.vocabulary import FailInfo, MessageType

RENEWAL = MessageType.RENEWAL_REQ
REQUEST, CHECK = FailInfo.BAD_REQUEST, FailInfo.BAD_MESSAGE_CHECK


def _renewed(session: Client) -> tuple[Answer, Answer]:
    """An enrolment and the answer to its renewal without a challenge, made once."""
    session.need("Renewal")
    old = session.sample("enrolment to renew", session.enrol)

    def renew() -> Answer:
        identity = session.identity(old)
        return session.ask(session.order(message_type=RENEWAL, by=identity, subject=old.order.subject, challenge=None))

    return old, session.sample("renewal without a challenge", renew)


def _granted(session: Client) -> tuple[Answer, Answer]:
    old, new = _renewed(session)
    if not new.granted:
        raise Inconclusive(f"the renewal was not granted: {new.text}")
    return old, new


def _open(session: Client) -> bool:
    """Who enrols everybody without a challenge authenticates nobody, by a self-signed certificate or otherwise."""
    return session.challenges.next() is None


def _slug(session: Client, granted: str = "granted") -> str:
    return "granted-as-to-all" if _open(session) else granted


@check(
    "renewal-without-challenge",
    "A RenewalReq needs no challenge",
    "SCEP-2.4-07",
    why="A device has no challenge any more when it renews.",
    field_failures=("F-W01", "F-W03", "F-W05"),
    cost=2,
    proofs=(Proof("refused", "caps-lie-renewal"),),
)
def without_challenge(session: Client) -> Iterator[Fact]:
    _, new = _renewed(session)
    yield answered(
        "refused",
        new.taken,
        "SUCCESS or PENDING",
        new,
        of_grant=True,
        mistake="the challenge is asked for before the type of the request is looked at",
    )


@check(
    "renewal-new-certificate",
    "A renewal gives a new certificate, not the old one",
    "SCEP-2.5-02",
    why="A device that gets its old certificate again believes that it has renewed.",
    field_failures=("F-W04", "F-W08", "F-W09"),
    cost=2,
    proofs=(Proof("old-one", "renewal-returns-old"),),
)
def new_certificate(session: Client) -> Iterator[Fact]:
    old, new = _granted(session)
    before = session.identity(old).certificate
    if not new.payload.certificates:
        raise Inconclusive(f"the reply holds no certificate that can be read: {new.payload.problem or new.text}")
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
    "The reply to a RenewalReq is enveloped to the old key",
    "SCEP-2.3-16",
    why="The RenewalReq is signed with the old certificate, so that is whose RecipientInfo the client looks for.",
    cost=2,
    proofs=(Proof("not-to-old-key", "renewal-env-new-key"),),
)
def to_old_key(session: Client) -> Iterator[Fact]:
    _, new = _granted(session)
    if new.envelope is None:
        raise Inconclusive(f"no envelope came: {new.payload.problem or new.text}")
    opens = new.payload.plain is not None
    yield fact("not-to-old-key", opens, "it opens with the key that signed", new.payload.problem or "it opens", new)


@check(
    "renewal-for-new-key",
    "A renewal certifies the CSR's new key",
    "SCEP-3.3.2.1-05",
    why="The new key is what the device renews for.",
    cost=2,
    proofs=(Proof("no-issued", "success-wrong-key", when="type: RenewalReq"),),
)
def for_new_key(session: Client) -> Iterator[Fact]:
    _, new = _granted(session)
    if new.payload.plain is None or (new.payload.problem is not None and not new.payload.certificates):
        raise Inconclusive(f"the reply cannot be read: {new.payload.problem}")
    got = (
        f"{len(new.payload.certificates)} certificates, none for the CSR's key" if new.issued is None else "it is there"
    )
    yield fact("no-issued", new.issued is not None, "a certificate for the CSR's key", got, new)


@check(
    "renewal-self-signed",
    "A self-signed certificate renews nothing",
    "SCEP-2.4-09",
    "SCEP-3.3.1-12",
    why="Anybody can copy a name and a serial number into a certificate.",
    field_failures=("F-S06",),
    cost=1,
    negative=True,
    tags=("security",),
    gain=Gain.STRANGER,
    breaches=("granted", "granted-by-enclosed"),
    proofs=(
        Proof("granted", defects=("renews-for-anybody",)),
        Proof("granted-by-enclosed", defects=("renews-by-enclosed",)),
    ),
)
def self_signed(session: Client) -> Iterator[Fact]:
    everybody = _open(session)
    old = session.identity(session.sample("enrolment to renew", session.enrol)).certificate
    key = session.key()
    enclosing = {"chain": (old,), "oddities": Oddities(certificates="reversed")}
    variants: tuple[tuple[str, str, dict[str, Any], dict[str, Any]], ...] = (
        ("of its own", "granted", {}, {}),
        ("with the serial number of an issued one", "granted", {"serial": old.serial}, {}),
        ("beside an issued one of somebody else", "granted-by-enclosed", {}, enclosing),
    )
    for what, slug, fields, changes in variants:
        signer = session.self_signed(key, old.subject, **fields)
        order = session.order(
            key=key, subject=old.subject, signer=signer, message_type=RENEWAL, challenge=None, wrong=True, **changes
        )
        answer = session.ask(order, expect_refusal=not everybody)
        yield from refusal(
            answer,
            f"a RenewalReq by a self-signed certificate {what}",
            REQUEST,
            CHECK,
            parking=True,
            granted_at_most=CheckVerdict.FINDING if everybody else CheckVerdict.FAIL,
            mistake="17 is treated like 19, or the signer is looked up by its name",
            slug=_slug(session, slug),
        )


@check(
    "renewal-by-stranger",
    "A certificate of another CA with the same names renews nothing",
    "SCEP-2.4-13",
    why="Issuer and subject are text; the signature is what counts.",
    field_failures=("F-W06",),
    cost=1,
    negative=True,
    tags=("security",),
    gain=Gain.STRANGER,
    breaches=("granted",),
    proofs=(Proof("granted", defects=("renews-for-anybody",)),),
)
def by_stranger(session: Client) -> Iterator[Fact]:
    old = session.identity(session.sample("enrolment to renew", session.enrol)).certificate
    yield from refused(
        session,
        "a RenewalReq by a certificate of another CA",
        REQUEST,
        CHECK,
        message_type=RENEWAL,
        by=stranger(session, old.subject),
        subject=old.subject,
        challenge=None,
        parking=True,
        slug=_slug(session),
    )


@check(
    "renewal-other-name",
    "A certificate does not renew another name",
    "SCEP-2.4-14",
    why="Whoever has one device's key could otherwise become any device, or the server.",
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
    identity = session.identity(session.sample("enrolment to renew", session.enrol))
    subject = session.subject()
    answer = session.ask(
        session.order(message_type=RENEWAL, by=identity, subject=subject, challenge=None, wrong=True),
        unwanted=lambda certificate: certificate.subject != identity.certificate.subject,
    )
    if answer.granted and answer.issued is not None and answer.issued.subject == identity.certificate.subject:
        yield fact("granted", True, "nothing for the other name", "a certificate for the old name", answer)
        return
    yield from refusal(
        answer,
        "a RenewalReq for another subject",
        REQUEST,
        parking=True,
        mistake="the subject of the CSR is not compared with that of the signer's certificate",
        slug=_slug(session),
    )


@check(
    "renewal-adds-names",
    "A renewal gives no names that the certificate does not have",
    "SCEP-2.4-14",
    why="Browsers read the subject alternative names alone: whoever adds one is another server.",
    field_failures=("F-S12",),
    cost=1,
    negative=True,
    tags=("security",),
    gain=Gain.NOTHING,
    breaches=("granted",),
    proofs=(Proof("granted", defects=("renews-with-more-names",)),),
)
def adds_names(session: Client) -> Iterator[Fact]:
    """The name is one of this run, so that nobody loses by it; a renewal without it is right as well."""
    session.need("Renewal")
    identity = session.identity(session.sample("enrolment to renew", session.enrol))
    more, subject = f"added.{session.policy.subject_prefix}.example", identity.certificate.subject
    order = session.order(message_type=RENEWAL, by=identity, subject=subject, sans=(more,), challenge=None, wrong=True)
    answer = session.ask(order, unwanted=lambda certificate: more in certificate.sans)
    if answer.handed_out and answer.issued is None:
        raise Inconclusive(f"no certificate for the CSR's key can be read: {answer.payload.problem or answer.text}")
    yield fact(
        _slug(session),
        answer.issued is None or more not in answer.issued.sans,
        "no certificate with the name that is new",
        answer.text if answer.issued is None else f"a certificate for {', '.join(answer.issued.sans) or 'no names'}",
        answer,
        mistake="of the CSR only the subject is compared with the signer's certificate",
        what="a RenewalReq with a subject alternative name that the certificate does not have",
    )


@check(
    "renewal-csr-forged",
    "A RenewalReq whose CSR is not signed by its key is refused",
    "SCEP-7.6-01",
    why="The message proves the old key only; the CSR has to prove the new one.",
    cost=1,
    negative=True,
    tags=("security",),
    gain=Gain.KEY,
    breaches=("granted",),
    proofs=(Proof("granted", defects=("csr-signature-unchecked",)),),
)
def csr_forged(session: Client) -> Iterator[Fact]:
    session.need("Renewal")
    old = session.identity(session.sample("enrolment to renew", session.enrol))
    key = session.key()
    request = csrs.encoded(key, old.certificate.subject, [], signed_by=session.key())
    order = session.order(
        message_type=RENEWAL, by=old, key=key, subject=old.certificate.subject, request=request, wrong=True
    )
    yield from refusal(session.ask(order, expect_refusal=True), "a CSR signed by another key", REQUEST, CHECK)


@check(
    "renewal-expired",
    "An expired certificate renews nothing",
    "SCEP-2.4-13",
    why="What has run out no longer speaks for anybody.",
    field_failures=("F-W10",),
    negative=True,
    tags=("security",),
    gain=Gain.STRANGER,
    breaches=("granted",),
    proofs=(Proof("granted", defects=("renews-for-anybody",)),),
)
def expired(session: Client) -> Iterator[Fact]:
    """Only a certificate of the server's own can be expired for it; a forged one stands in, so a refusal is sure to be
    right whichever of the two is noticed first."""
    key, subject, authority = session.key(), session.subject(), session.key()
    now = session.clock.now().replace(microsecond=0)
    certificate = x509.issue(
        serial=int.from_bytes(session.entropy.octets(8), "big") | 1 << 60,
        issuer=session.issuer.subject,
        subject=subject,
        spki=x509.spki_of(key),
        not_before=now - timedelta(days=30),
        not_after=now - timedelta(days=1),
        extensions=[],
        signing_key=authority,
    )
    yield from refused(
        session,
        "a RenewalReq by an expired certificate",
        REQUEST,
        CHECK,
        FailInfo.BAD_TIME,
        message_type=RENEWAL,
        by=Identity(certificate, key),
        subject=subject,
        challenge=None,
        parking=True,
        slug=_slug(session),
    )


@check(
    "renewal-not-advertised",
    "Where Renewal is not advertised, a RenewalReq is refused",
    "SCEP-3.3.1-12",
    why="A type that the server does not know must not be taken for one that it knows.",
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
    yield from refusal(answer, "a RenewalReq that the server does not offer", REQUEST)


@check(
    "renewal-as-pkcsreq",
    "A PKCSReq signed with the old certificate gets a deliberate answer",
    "SCEP-3.3.1-13",
    "SCEP-A-03",
    why="Clients of the drafts, Cisco among them, renew with type 19.",
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
