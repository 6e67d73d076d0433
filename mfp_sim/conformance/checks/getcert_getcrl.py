"""GetCert and GetCRL: optional, and refused cleanly if not supported. RFC 8894, 3.3.4, 4.5 and 4.6."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from mfp_sim.conformance.answers import Answer
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.facts import answered, fact, refusal, told
from mfp_sim.conformance.model import CheckVerdict, Fact, Proof
from mfp_sim.conformance.outcomes import Inconclusive, NotApplicable
from mfp_sim.conformance.registry import check, row
from mfp_sim.shared.scep import messages
from mfp_sim.shared.scep.algorithms import DIGEST_OF_SIGNATURE
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.crl import Crl
from mfp_sim.shared.scep.vocabulary import FailInfo, MessageType

__all__ = ["ask_about", "served"]

BAD_ID, REQUEST = FailInfo.BAD_CERT_ID, FailInfo.BAD_REQUEST


def ask_about(session: Client, kind: MessageType, serial: int) -> Answer:
    """GetCert or GetCRL about a serial number of the CA."""
    order = session.order(challenge=None)
    data = messages.issuer_and_serial(session.issuer.subject, serial)
    return session.ask(session.poll(order, message_type=kind, data=data))


def _get_cert(session: Client) -> Answer:
    serial = session.enrolled().certificate.serial
    return session.sample("GetCert", partial(ask_about, session, MessageType.GET_CERT, serial))


def _get_crl(session: Client) -> Answer:
    serial = session.issuer.serial
    return session.sample("GetCRL", partial(ask_about, session, MessageType.GET_CRL, serial))


def served(answer: Answer) -> Answer:
    """The reply, if it is a readable SUCCESS.

    Raises:
        NotApplicable: the server does not support the operation.
        Inconclusive: the reply cannot be read.
    """
    if not told(answer).granted:
        raise NotApplicable(f"the server does not support it: {answer.text}")
    if answer.payload.problem is not None or len(answer.crls) < len(answer.payload.crls):
        raise Inconclusive(f"the reply cannot be read: {answer.payload.problem or 'the CRL'}")
    return answer


def _clean(session: Client, make: Callable[[Client], Answer]) -> Iterator[Fact]:
    answer = make(session)
    if answer.granted:
        yield answered("granted", True, "SUCCESS, or FAILURE badRequest", answer)
        return
    yield from refusal(answer, "an unsupported operation", REQUEST, BAD_ID)


for _kind, _make, _name in (
    (MessageType.GET_CERT, _get_cert, "getcert"),
    (MessageType.GET_CRL, _get_crl, "getcrl"),
):
    row(
        __name__,
        f"{_name}-clean",
        f"{_kind.label} is granted or refused with badRequest",
        "SCEP-3.3.4-04",
        run=partial(_clean, make=_make),
        why="A client should get a SCEP reply even if the server does not support the operation.",
        field_failures=("F-P04",),
        negative=True,
        reads=_kind is MessageType.GET_CRL,
        proofs=(Proof("refused-without-certrep", defects=("http-errors",)),),
    )


@check(
    "getcert-certificate",
    "GetCert returns the requested certificate",
    "SCEP-3.3.2.1-07",
    "SCEP-3.3.2.1-09",
    why="Clients that do not compare it install the wrong certificate.",
    field_failures=("F-X09",),
    proofs=(Proof("another", "getcert-wrong-cert"),),
)
def getcert(session: Client) -> Iterator[Fact]:
    answer = served(_get_cert(session))
    wanted = session.enrolled().certificate
    found = any(c.serial == wanted.serial and c.issuer == wanted.issuer for c in answer.payload.certificates)
    got = ", ".join(f"{c.serial:x}" for c in answer.payload.certificates) or answer.payload.problem or "none"
    yield fact("another", found, f"serial {wanted.serial:x}", got, answer)


@check(
    "getcert-unknown",
    "GetCert for an unknown serial number gets FAILURE badCertId",
    "SCEP-3.2.1.4-07",
    "SCEP-4.5.1-01",
    why="badCertId is the only code for a certificate that does not exist.",
    reads=True,
    negative=True,
    proofs=(Proof("refused-for-another-reason", defects=("unknown-is-bad-request",)),),
)
def getcert_unknown(session: Client) -> Iterator[Fact]:
    if not session.policy.read_only:
        served(_get_cert(session))
    serial = int.from_bytes(session.entropy.octets(12), "big") | 1 << 90
    answer = ask_about(session, MessageType.GET_CERT, serial)
    yield from refusal(answer, "a serial number that was never issued", BAD_ID)


@check(
    "getcert-not-pending",
    "GetCert is never PENDING",
    "SCEP-4.5.1-01",
    why="A client has nothing to wait for and cannot poll for it.",
    proofs=(Proof("pending", "getcert-pending"),),
)
def not_pending(session: Client) -> Iterator[Fact]:
    answer = told(_get_cert(session))
    if answer.status is None:
        raise NotApplicable(f"the server does not support it: {answer.text}")
    yield answered("pending", not answer.parked, "SUCCESS or FAILURE", answer)


@check(
    "getcert-much-later",
    "GetCert still returns a certificate after many other requests and some time",
    "SCEP-3.3.2.1-07",
    why="A client may ask for a lost certificate a year after it was issued.",
    last=True,
    tags=("time",),
    proofs=(Proof("forgotten", defects=("getcert-forgets-after-many",)),),
)
def much_later(session: Client) -> Iterator[Fact]:
    """For the first certificate of the run; a request before shows that the server supports GetCert."""
    served(_get_cert(session))
    first = session.granted()
    wanted = session.identity(first).certificate
    session.pass_time(first)
    answer = ask_about(session, MessageType.GET_CERT, wanted.serial)
    found = answer.granted and any(c.serial == wanted.serial for c in answer.payload.certificates)
    others, since = len(session.exchanges) - first.exchange.number, answer.exchange.begun - first.exchange.begun
    text = f"serial {wanted.serial:x}, {others} requests and {since} later"
    yield fact("forgotten", found, text, answer.text, answer)


@check(
    "getcrl-in-crls",
    "GetCRL returns the CRL in the crls field",
    "SCEP-3.3.2.1-10",
    "SCEP-3.4-03",
    why="Clients look for the CRL there.",
    reads=True,
    proofs=(Proof("no-crl", "getcrl-in-certs"),),
)
def getcrl(session: Client) -> Iterator[Fact]:
    answer = served(_get_crl(session))
    count = len(answer.payload.crls)
    yield fact("no-crl", count >= 1, "a CRL", f"{count} in crls", answer, element="messageData.crls")


@check(
    "getcrl-only-crl",
    "The reply to GetCRL contains no certificates",
    "SCEP-2.7-03",
    why="A client that asks for a CRL does not expect certificates.",
    reads=True,
    proofs=(Proof("certificates", "getcrl-with-certs"),),
)
def only_crl(session: Client) -> Iterator[Fact]:
    answer = served(_get_crl(session))
    count = len(answer.payload.certificates)
    yield fact("certificates", count == 0, "no certificates", f"{count} certificates", answer)


@check(
    "getcrl-issuer",
    "The CRL is the requested CA's, and its signature verifies",
    "SCEP-3.3.2.1-10",
    why="A CRL of another issuer does not cover this CA's certificates, unless it is an indirect CRL.",
    reads=True,
    tags=("security",),
    breaches=("bad-signature",),
    proofs=(
        Proof("other-issuer", "getcrl-other-issuer"),
        Proof("bad-signature", "getcrl-bad-signature"),
        Proof("other-issuer", defects=("indirect-crl-of-a-stranger",)),
    ),
)
def crl_issuer(session: Client) -> Iterator[Fact]:
    answer = served(_get_crl(session))
    if not answer.crls:
        raise NotApplicable("the reply has no CRL")
    crl, issuer = answer.crls[0], session.issuer
    if crl.signature_oid not in DIGEST_OF_SIGNATURE:
        raise Inconclusive(f"the CRL is signed with {crl.signature_oid}, which mfp-sim does not support")
    signers, got = _crl_signers(session, answer, crl), crl.issuer_text
    if crl.indirect:
        got = f"an indirect CRL of {got}"
        if not any(c.subject == crl.issuer for c in _at_hand(answer)):
            raise Inconclusive(f"{got}, whose certificate is not in the reply, so it cannot be verified")
    expected = f"{issuer.subject_text}, or the issuer of its indirect CRL"
    yield fact("other-issuer", bool(signers), expected, got, answer)
    if signers:
        good = any(crl.was_issued_by(signer) for signer in signers)
        text = "its signature verifies" if good else "its signature does not verify"
        yield fact("bad-signature", good, f"signed by {crl.issuer_text}", text, answer)


def _at_hand(answer: Answer) -> tuple[Certificate, ...]:
    return (*answer.trusted, *(answer.signed.certificates if answer.signed else ()), *answer.payload.certificates)


def _crl_signers(session: Client, answer: Answer, crl: Crl) -> list[Certificate]:
    """Its possible signers: the CA with each of its keys, or the issuer of an indirect CRL (RFC 5280, 5)."""
    issuer = session.issuer
    if crl.issuer == issuer.subject:
        return [issuer, *(c for c in answer.trusted if c.subject == issuer.subject and c.der != issuer.der)]
    named = [c for c in _at_hand(answer) if crl.indirect and c.subject == crl.issuer]
    return [c for c in named if c in answer.trusted or c.was_issued_by(issuer)]


@check(
    "getcrl-current",
    "The CRL is current",
    "SCEP-4.6.1-01",
    "SCEP-3.3.2.1-10",
    why="An old CRL does not list later revocations.",
    field_failures=("F-W02",),
    reads=True,
    proofs=(Proof("stale", "getcrl-stale"), Proof("no-next-update", defects=("crl-without-next-update",))),
)
def crl_current(session: Client) -> Iterator[Fact]:
    answer = served(_get_crl(session))
    if not answer.crls:
        raise NotApplicable("the reply has no CRL")
    crl, now = answer.crls[0], session.clock.now()
    current = crl.this_update <= now and (crl.next_update is None or now <= crl.next_update)
    got = f"thisUpdate {crl.this_update}, nextUpdate {crl.next_update}"
    words = "nextUpdate is absent" if crl.next_update is None else "nextUpdate is present"
    yield fact("no-next-update", crl.next_update is not None, "a nextUpdate (RFC 5280, 5.1.2.5)", words, answer)
    yield fact("stale", current, f"current at {now:%Y-%m-%d %H:%M}", got, answer, at_most=CheckVerdict.FAIL)
