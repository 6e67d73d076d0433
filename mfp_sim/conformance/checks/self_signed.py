"""Requests signed with a self-signed certificate, in the forms that real clients send. RFC 8894, 2.3."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from mfp_sim.conformance.client import Client
from mfp_sim.conformance.facts import answered, fact, processed, refused
from mfp_sim.conformance.model import Fact, Gain, Proof
from mfp_sim.conformance.outcomes import Inconclusive
from mfp_sim.conformance.registry import check
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import der
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.algorithms import PrivateKey, sign, signature_algorithm
from mfp_sim.shared.scep.certificate import Certificate, spki_of
from mfp_sim.shared.scep.messages import Oddities
from mfp_sim.shared.scep.vocabulary import FailInfo


@check(
    "self-signed-enrolment",
    "A PKCSReq signed with a self-signed certificate is granted",
    "SCEP-2.3-08",
    "SCEP-2.9-03",
    "SCEP-4.3.1-01",
    why="Every server must support this form of enrolment, and every device uses it.",
    field_failures=("F-X02",),
    is_control=True,
    proofs=(Proof("not-granted", answer="{http: 500}", when="type: PKCSReq"),),
)
def self_signed(session: Client) -> Iterator[Fact]:
    try:
        answer = session.granted()
    except Inconclusive:
        first = next(iter(session.answers), None)
        if first is None or first.refused or first.exchange.client_error:
            # The server says so itself: a wrong challenge on our side looks just the same.
            raise
        answer = first
    yield processed(
        answer,
        "a right PKCSReq with a valid challenge password",
        slug="not-granted",
        mistake="the given challenge password is not valid, or the server requires something that SCEP does not "
        "require of clients",
    )


def _bare(session: Client, key: PrivateKey, subject: bytes, *, version: int) -> Certificate:
    """A self-signed certificate without extensions, in version 3 or 1."""
    now = session.clock.now().replace(microsecond=0)
    method = signature_algorithm(key, "sha256")
    tbs = der.sequence(
        *([der.explicit(0, der.integer(2))] if version == 3 else []),
        der.integer(int.from_bytes(session.entropy.octets(8), "big") | 1 << 60),
        method,
        subject,
        der.sequence(der.time(now - timedelta(days=1)), der.time(now + timedelta(days=365))),
        subject,
        spki_of(key),
    )
    return Certificate.from_der(der.sequence(tbs, method, der.bit_string(sign(key, tbs, "sha256"))))


@check(
    "self-signed-bare",
    "A self-signed certificate without extensions is accepted as signer",
    "SCEP-2.3-03",
    why="sscep, certmonger and many devices sign with a certificate without extensions, some with version 1.",
    field_failures=("F-E16",),
    cost=2,
    proofs=(Proof("not-processed", defects=("wants-key-usage",)),),
)
def bare(session: Client) -> Iterator[Fact]:
    for version, what in ((3, "a signer certificate without extensions"), (1, "a version 1 signer certificate")):
        key, subject = session.key(), session.subject()
        signer = _bare(session, key, subject, version=version)
        yield processed(session.ask(session.order(key=key, subject=subject, signer=signer)), what)


@check(
    "self-signed-other-subject",
    "A self-signed certificate with another subject than the CSR is accepted",
    "SCEP-2.3-06",
    why="micromdm and Apple sign as CN=SCEP SIGNER; equal subjects are only a SHOULD.",
    field_failures=("F-E13",),
    cost=1,
    proofs=(Proof("not-processed", defects=("wants-same-subject",)),),
)
def other_subject(session: Client) -> Iterator[Fact]:
    key = session.key()
    signer = session.self_signed(key, x509.name(("CN", "SCEP SIGNER")))
    yield processed(session.ask(session.order(key=key, signer=signer)), "another subject in the signer certificate")


@check(
    "self-signed-clock-skew",
    "A request whose signer certificate has wrong dates gets a CertRep",
    "SCEP-3.2-14",
    why="Devices start with their clock at the factory date, or five minutes fast.",
    field_failures=("F-C02", "F-C08", "F-C09"),
    cost=3,
    negative=True,
    proofs=(Proof("no-certrep", defects=("crashes-on-clock-skew",)),),
)
def clock_skew(session: Client) -> Iterator[Fact]:
    now = session.clock.now().replace(microsecond=0)
    for what, first, last in (
        ("starts in five minutes", timedelta(minutes=5), timedelta(days=365)),
        ("ended a day ago", timedelta(days=-10), timedelta(days=-1)),
        ("is valid from 1970 for 100 years", now.replace(year=1970) - now, timedelta(days=365 * 20)),
    ):
        key, subject = session.key(), session.subject()
        signer = session.self_signed(key, subject, not_before=now + first, not_after=now + last)
        answer = session.ask(session.order(key=key, subject=subject, signer=signer, wrong=True))
        sender = f"a signer certificate that {what}"
        yield answered("no-certrep", answer.decided, f"a CertRep for {sender}", answer, what=sender)


@check(
    "signer-missing",
    "A request without its signer's certificate is refused",
    "SCEP-2.3-13",
    why="The server cannot verify it, so it must not grant it.",
    field_failures=("F-W05",),
    negative=True,
    tags=("security",),
    gain=Gain.NOTHING,
    proofs=(Proof("granted", defects=("accepts-bad-signature",)),),
)
def signer_missing(session: Client) -> Iterator[Fact]:
    for form in ("absent", "empty"):
        what, fitting = (
            f"a request whose certificates field is {form}",
            (FailInfo.BAD_MESSAGE_CHECK, FailInfo.BAD_REQUEST),
        )
        yield from refused(session, what, *fitting, oddities=Oddities(certificates=form))


@check(
    "signer-by-key-identifier",
    "A signer that is identified by its key identifier is found",
    "SCEP-2.3-14",
    why="CMS allows both ways to identify a signer, and the client's library decides.",
    cost=1,
    tags=("clients",),
    proofs=(Proof("not-processed", defects=("wants-issuer-and-serial",)),),
)
def by_key_identifier(session: Client) -> Iterator[Fact]:
    """The signer's certificate has the identifier in the SignerInfo."""
    key, subject = session.key(), session.subject()
    identifier = (v.SUBJECT_KEY_IDENTIFIER, False, der.octet_string(x509.key_identifier(spki_of(key))))
    signer = session.self_signed(key, subject, extensions=[identifier])
    named = Oddities(signer_by="key-identifier", signer_version=3)
    order = session.order(key=key, subject=subject, signer=signer, oddities=named)
    yield processed(session.ask(order), "a SignerInfo that identifies the signer by subjectKeyIdentifier")


@check(
    "signer-by-sid",
    "The signer is found by the SignerInfo's identifier, not by position",
    "SCEP-2.3-14",
    why="certificates is a set: clients send chains, and libraries sort them.",
    field_failures=("F-R02",),
    cost=1,
    proofs=(Proof("not-processed", defects=("takes-first-certificate",)),),
)
def by_sid(session: Client) -> Iterator[Fact]:
    others = [session.self_signed(session.key(), session.subject()) for _ in range(2)]
    order = session.order(chain=tuple(others), oddities=Oddities(certificates="reversed"))
    answer = session.ask(order)
    yield processed(answer, "a request with the signer's certificate after two unrelated ones")
    if answer.granted and answer.envelope is not None and answer.envelope.recipients:
        named = any(r.names(order.signer) for r in answer.envelope.recipients)
        yield fact(
            "enveloped-to-another",
            named,
            "the reply is encrypted to the signer",
            "to another certificate",
            answer,
            requirement="SCEP-2.3-15",
        )
