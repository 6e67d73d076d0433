"""Revoked certificates: they renew nothing, and the CRL lists them. RFC 8894, 2.4 and 4.6; needs someone to revoke."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from mfp_sim.conformance.answers import Answer
from mfp_sim.conformance.checks.getcert_getcrl import ask_about, served
from mfp_sim.conformance.checks.renewal import CHECK, MILD, REQUEST, SPARED, controlled, refused_renewal
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.facts import fact
from mfp_sim.conformance.model import Fact, Gain, Proof
from mfp_sim.conformance.outcomes import NotApplicable
from mfp_sim.conformance.registry import check
from mfp_sim.conformance.renewals import Renewals
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.crl import Crl
from mfp_sim.shared.scep.vocabulary import FailInfo, MessageType

BETWEEN = timedelta(seconds=2)
"""The time between two CRLs, so that they can differ."""


@check(
    "renewal-revoked",
    "A RenewalReq signed by a revoked certificate is refused",
    "SCEP-2.4-13",
    why="Otherwise anyone who stole a device's key could impersonate it for ever.",
    field_failures=("F-W10",),
    cost=1,
    negative=True,
    opt_in="revocation",
    tags=("security",),
    gain=Gain.STRANGER,
    mild=MILD,
    breaches=("granted",),
    spared=SPARED,
    proofs=(
        Proof("granted", defects=("renews-the-revoked",)),
        Proof("granted-with-challenge", defects=("renews-the-revoked",), ca={"renewal_challenge": True}),
    ),
)
def renewal(session: Client) -> Iterator[Fact]:
    """The check uses its own certificate, so that no other check loses one."""

    def send(known: Renewals, _: Certificate) -> Iterator[Fact]:
        own = session.identity(session.enrol())
        session.revoke(own.certificate)
        yield from refused_renewal(
            session, known.way, "a revoked certificate", REQUEST, CHECK, FailInfo.BAD_CERT_ID,
            by=own, subject=own.certificate.subject,
            mistake="the server does not check whether the signer's certificate is revoked",
        )  # fmt: skip

    yield from controlled(session, send)


@check(
    "getcrl-revoked",
    "A CRL issued after a revocation lists the certificate",
    "SCEP-4.6.1-01",
    "SCEP-3.3.2.1-10",
    why="Otherwise relying parties do not learn that a certificate was stolen.",
    cost=1,
    last=True,
    opt_in="revocation",
    tags=("security",),
    breaches=("not-listed",),
    proofs=(Proof("not-listed", defects=("crl-without-revoked",)),),
)
def listed(session: Client) -> Iterator[Fact]:
    """The server may return an older CRL until its nextUpdate; --slow allows the check to wait for the next."""

    def asked(serial: int) -> tuple[Answer, Crl]:
        answer = served(ask_about(session, MessageType.GET_CRL, serial))
        if not answer.crls:
            raise NotApplicable("the reply has no CRL")
        return answer, answer.crls[0]

    certificate = session.identity(session.enrol()).certificate
    serial = certificate.serial
    _, before = asked(serial)
    session.pause(BETWEEN)
    session.revoke(certificate)
    answer, crl = asked(serial)
    if crl.der == before.der and crl.next_update is not None:
        session.await_instant(crl.next_update + BETWEEN, "the next CRL after the revocation must be issued first")
        answer, crl = asked(serial)
    found = crl.entry(serial) is not None
    got = f"a CRL of {crl.this_update} with {len(crl.revoked)} entries, but not this one"
    yield fact(
        "not-listed",
        found,
        f"an entry for serial {serial:x}, which was revoked",
        "it is present" if found else got,
        answer,
        element="messageData.crls",
        mistake="the server issues the CRL only once, or from a list without the revocation",
    )
