"""Renewals that are wrongly granted or wrongly refused. RFC 8894, 2.3 to 2.5."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep.certificate import Identity, same_name
from mfp_sim.shared.scep.oddities import Oddities
from mfp_sim.shared.scep.vocabulary import FailInfo, MessageType
from mfp_sim.testing import Bench, ScepClient
from mock_scep_server.asked import Refusal
from mock_scep_server.service import ScepService
from wrong_servers.base import (
    INTEROPERABILITY,
    SECURITY,
    admission,
    around,
    enrolled,
    issued_to,
    opened,
    reader,
    registrar,
    renewal,
    wrong,
)

SELF_SIGNED = "RFC 8894, 2.4: the SCEP CA MUST NOT attempt to authenticate a client based on a self-signed certificate"
ISSUED = "RFC 8894, 2.5: a renewal is signed with the existing certificate that the CA issued"
VALID = "RFC 5280, 6.1.3: a certificate that is expired or revoked is not valid"
IDENTITY = "RFC 8894, 2.5: a renewal is for the subject of the existing certificate"


def trusts(ca: ScepService, whom: Any) -> None:
    """Take a request for a renewal where ``whom(asked)`` says so."""

    def read(original: Any, message: Any, authority: Any = None) -> Any:
        asked = original(message, authority)
        signer = asked.signer
        if asked.renews is None and signer is not None and asked.csr is not None and whom(asked):
            return replace(asked, own=signer, renews=signer)
        return asked

    around(reader(ca), "read", read)


def _own_word(bench: Bench) -> bool:
    client = bench.client()
    key, subject = client.key(), client.subject()
    return client.ask(
        client.order(key=key, subject=subject, challenge=None, message_type=MessageType.RENEWAL_REQ)
    ).granted


@wrong(SECURITY, SELF_SIGNED, _own_word)
def renewal_of_a_self_signed_certificate(ca: ScepService) -> None:
    """Accepts a RenewalReq that is signed with a self-signed certificate of the same name, without a challenge."""
    trusts(
        ca,
        lambda asked: (
            asked.message.message_type == MessageType.RENEWAL_REQ
            and same_name(asked.signer.issuer, asked.signer.subject)
        ),
    )


def stranger(bench: Bench, client: ScepClient, *, issuer: bytes | None = None, key: Any = None) -> Identity:
    """A certificate of another CA, which may have our CA's name."""
    own, ca_key, subject = client.key(), key or client.key(), client.subject()
    now = bench.clock.now()
    made = x509.issue(
        serial=1 << 100,
        issuer=issuer or x509.name(("CN", "Another CA")),
        subject=subject,
        spki=x509.spki_of(own),
        not_before=now - timedelta(days=1),
        not_after=now + timedelta(days=90),
        extensions=[x509.key_usage_extension("digitalSignature", "keyEncipherment")],
        signing_key=ca_key,
    )
    return Identity(made, own)


def _of_another_ca(bench: Bench) -> bool:
    client = bench.client()
    return client.ask(renewal(client, stranger(bench, client))).granted


@wrong(SECURITY, ISSUED, _of_another_ca)
def renewal_of_another_ca(ca: ScepService) -> None:
    """Accepts a certificate of any CA as its own: it checks only whether it is self-signed."""
    trusts(ca, lambda asked: not same_name(asked.signer.issuer, asked.signer.subject))


def _of_our_name(bench: Bench) -> bool:
    client = bench.client()
    name = bench.ca.authority.issuer.certificate.subject
    return client.ask(renewal(client, stranger(bench, client, issuer=name))).granted


@wrong(
    SECURITY, "RFC 5280, 6.1.3 (a) (1): the signature of a certificate is verified with the issuer's key", _of_our_name
)
def renewal_by_name_of_issuer(ca: ScepService) -> None:
    """Accepts every certificate that names it as issuer, without verifying the signature."""
    trusts(ca, lambda asked: same_name(asked.signer.issuer, ca.authority.issuer.certificate.subject))


def _by_serial(bench: Bench) -> bool:
    client = bench.client()
    own = enrolled(bench, client)
    key = client.key()
    now = bench.clock.now()
    forged = x509.self_signed(
        key,
        subject=own.certificate.subject,
        serial=own.certificate.serial,
        not_before=now - timedelta(days=1),
        not_after=now + timedelta(days=9),
    )
    return client.ask(renewal(client, Identity(forged, key))).granted


@wrong(SECURITY, SELF_SIGNED, _by_serial)
def renewal_by_serial_number(ca: ScepService) -> None:
    """Looks up the certificate to renew by serial number, and accepts the signer's certificate instead."""
    trusts(ca, lambda asked: ca.ledger.find(asked.signer.serial) is not None)


def _expired(bench: Bench) -> bool:
    client = bench.client()
    own = enrolled(bench, client)
    bench.pass_time(days=400)
    return client.ask(renewal(client, own)).granted


def unfit(ca: ScepService, words: str) -> None:
    """Ignore an error of the CA's own certificate, by the words of the refusal."""

    def judge(original: Any, certificate: Any) -> Any:
        refusal = original(certificate)
        return None if refusal is not None and words in refusal.text else refusal

    around(admission(ca), "_unfit", judge)


@wrong(SECURITY, VALID, _expired)
def renewal_of_an_expired_certificate(ca: ScepService) -> None:
    """Renews a certificate that has expired, without a challenge."""
    unfit(ca, "expired")


def _revoked(bench: Bench) -> bool:
    client = bench.client()
    own = enrolled(bench, client)
    bench.ca.operator.revoke(f"{own.certificate.serial:x}")
    return client.ask(renewal(client, own)).granted


@wrong(SECURITY, VALID, _revoked)
def renewal_of_a_revoked_certificate(ca: ScepService) -> None:
    """Renews a certificate that it has revoked."""
    unfit(ca, "revoked")


def _of_another_name(bench: Bench) -> bool:
    client = bench.client()
    return client.ask(renewal(client, enrolled(bench, client), subject=client.subject())).granted


def any_identity(ca: ScepService, fits: Any) -> None:
    """Grant renewals that are refused, where ``fits(asked)``."""

    def refuse(original: Any, asked: Any) -> Any:
        refusal = original(asked)
        return None if refusal is not None and asked.renews is not None and fits(asked) else refusal

    around(admission(ca), "refuse", refuse)


def valid(ca: ScepService, asked: Any) -> bool:
    return admission(ca)._unfit(asked.renews) is None


@wrong(SECURITY, IDENTITY, _of_another_name)
def renewal_under_another_name(ca: ScepService) -> None:
    """Grants a renewal for another subject than the signer certificate's."""
    any_identity(ca, lambda asked: valid(ca, asked))


def _more_names(bench: Bench) -> bool:
    client = bench.client()
    own = enrolled(bench, client, sans=("printer.example",))
    return client.ask(renewal(client, own, sans=("printer.example", "payroll.example"))).granted


@wrong(SECURITY, IDENTITY, _more_names)
def renewal_with_more_names(ca: ScepService) -> None:
    """Grants a renewal with subjectAltNames that the signer's certificate does not have."""
    any_identity(ca, lambda asked: valid(ca, asked) and same_name(asked.csr.subject, asked.renews.subject))


def _enclosed(bench: Bench) -> bool:
    victim, client = bench.client(name="victim"), bench.client(name="attacker")
    own = enrolled(bench, victim)
    key = client.key()
    order = client.order(
        key=key,
        subject=own.certificate.subject,
        challenge=None,
        message_type=MessageType.RENEWAL_REQ,
        chain=(own.certificate,),
        oddities=Oddities(certificates="reversed"),
    )
    return client.ask(order).granted


@wrong(SECURITY, "RFC 5652, 5.3: the sid specifies the signer's certificate", _enclosed)
def renewal_by_enclosed_certificate(ca: ScepService) -> None:
    """Renews any certificate of its own in the message, for every signer."""

    def read(original: Any, message: Any, authority: Any = None) -> Any:
        asked = original(message, authority)
        own = next((c for c in message.certificates if ca.ledger.own(c)), None)
        return asked if own is None or asked.renews else replace(asked, own=own, renews=own)

    around(reader(ca), "read", read)


def _refused(bench: Bench) -> bool:
    client = bench.client()
    return not client.ask(renewal(client, enrolled(bench, client))).granted


@wrong(INTEROPERABILITY, "RFC 8894, 3.5.2: Renewal says that the CA supports the renewal operation", _refused)
def renewal_advertised_and_refused(ca: ScepService) -> None:
    """Lists Renewal but refuses every RenewalReq."""

    def refuse(original: Any, asked: Any) -> Any:
        if asked.message.message_type == MessageType.RENEWAL_REQ:
            return Refusal(FailInfo.BAD_REQUEST, "RenewalReq is not supported")
        return original(asked)

    around(admission(ca), "refuse", refuse)


def _same_certificate(bench: Bench) -> bool:
    client = bench.client()
    own = enrolled(bench, client)
    answer = client.ask(renewal(client, own))
    return answer.granted and own.certificate.der in opened(answer) and answer.issued is None


@wrong(INTEROPERABILITY, "RFC 8894, 2.5: a renewal gives a new certificate", _same_certificate)
def renewal_gives_the_old_certificate(ca: ScepService) -> None:
    """Replies to a renewal with the old certificate."""

    def order(original: Any, case: Any, known: Any, csr: Any) -> Any:
        old = case.asked.renews
        return original(case, known, csr) if old is None else registrar(ca)._granted(case, known, old)

    around(registrar(ca), "_order", order)


def _no_longer(bench: Bench) -> bool:
    client = bench.client()
    own = enrolled(bench, client)
    bench.pass_time(days=200)
    return issued_to(client.ask(renewal(client, own))).not_after <= own.certificate.not_after


@wrong(INTEROPERABILITY, "RFC 8894, 2.5: a renewal replaces a certificate that is about to expire", _no_longer)
def renewal_to_the_old_end(ca: ScepService) -> None:
    """Gives a renewed certificate the notAfter of the old one."""

    def order(original: Any, case: Any, known: Any, csr: Any) -> Any:
        old, alter = case.asked.renews, case.alter
        if old is None:
            return original(case, known, csr)
        return original(replace(case, alter=lambda t: replace(alter(t), not_after=old.not_after)), known, csr)

    around(registrar(ca), "_order", order)


def _of_ca_by_pkcs_req(bench: Bench) -> bool:
    client = bench.client()
    ours = stranger(bench, client)
    return client.ask(renewal(client, ours, message_type=MessageType.PKCS_REQ)).granted


@wrong(SECURITY, ISSUED, _of_ca_by_pkcs_req)
def renewal_by_pkcs_req_of_a_stranger(ca: ScepService) -> None:
    """Treats a PKCSReq as a renewal if its signer is not self-signed, and requires no challenge."""
    trusts(
        ca,
        lambda asked: (
            asked.message.message_type == MessageType.PKCS_REQ
            and not same_name(asked.signer.issuer, asked.signer.subject)
        ),
    )
