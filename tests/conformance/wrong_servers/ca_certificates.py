"""CA certificates that no client can use, or in a wrong form. RFC 8894, 2.1.2 and 4.2; RFC 5280, 4.2.1."""

from __future__ import annotations

import ssl
from dataclasses import replace
from datetime import timedelta
from typing import Any

from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import der, messages
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.http_messages import CA_CERT, CA_RA_CERT, HttpReply
from mfp_sim.shared.scep.vocabulary import Operation
from mfp_sim.testing import Bench
from mock_scep_server.service import ScepService
from wrong_servers.base import INTEROPERABILITY, SECURITY, recertify, replaced_extension, republish, wrong

FORM = "RFC 8894, 4.2.1.1: a single CA certificate is a binary X.509 certificate of type application/x-x509-ca-cert"
USAGE = "RFC 8894, 2.1.2: keyUsage in the CA certificate MUST be valid for digitalSignature and keyEncipherment, and keyCertSign"
IS_CA = "RFC 5280, 4.2.1.9: CAs MUST include basicConstraints, with cA TRUE and critical, in CA certificates"


def got(bench: Bench) -> HttpReply:
    reply = bench.client().get(Operation.GET_CA_CERT).reply
    assert reply is not None
    return reply


def own(bench: Bench) -> Certificate:
    return Certificate.from_der(got(bench).body)


def typed(ca: ScepService, media_type: str, change: Any = lambda body: body) -> None:
    headers = (("Content-Type", media_type),)
    republish(ca, Operation.GET_CA_CERT, lambda reply: replace(reply, headers=headers, body=change(reply.body)))


@wrong(
    INTEROPERABILITY, FORM, lambda bench: got(bench).media_type == CA_RA_CERT and got(bench).body[4:6] == b"\x30\x82"
)
def one_certificate_as_a_bundle(ca: ScepService) -> None:
    """Sends a single certificate as application/x-x509-ca-ra-cert."""
    typed(ca, CA_RA_CERT)


@wrong(
    INTEROPERABILITY, FORM, lambda bench: got(bench).media_type == CA_CERT and der.oid(v.SIGNED_DATA) in got(bench).body
)
def bundle_as_one_certificate(ca: ScepService) -> None:
    """Sends a certificates-only SignedData as application/x-x509-ca-cert."""
    typed(ca, CA_CERT, lambda body: messages.certs_only([body]))


@wrong(INTEROPERABILITY, FORM, lambda bench: got(bench).body.startswith(b"-----BEGIN"))
def ca_certificate_as_pem(ca: ScepService) -> None:
    """Sends the CA certificate in PEM."""
    typed(ca, CA_CERT, lambda body: ssl.DER_cert_to_PEM_cert(body).encode())


@wrong(INTEROPERABILITY, FORM, lambda bench: got(bench).media_type == "text/html")
def ca_certificate_as_html(ca: ScepService) -> None:
    """Sends the CA certificate as text/html."""
    typed(ca, "text/html")


def constraints(ca: ScepService, *new: tuple[str, bool, bytes]) -> None:
    recertify(ca, lambda told: replaced_extension(told, v.BASIC_CONSTRAINTS, *new))


@wrong(SECURITY, IS_CA, lambda bench: v.BASIC_CONSTRAINTS not in own(bench).extensions)
def ca_without_basic_constraints(ca: ScepService) -> None:
    """Has a CA certificate without basicConstraints."""
    constraints(ca)


@wrong(SECURITY, IS_CA, lambda bench: not own(bench).says_ca)
def ca_that_is_none(ca: ScepService) -> None:
    """Has a CA certificate with cA FALSE."""
    constraints(ca, x509.basic_constraints_extension(False))


@wrong(INTEROPERABILITY, IS_CA, lambda bench: not own(bench).extensions[v.BASIC_CONSTRAINTS].critical)
def ca_constraints_not_critical(ca: ScepService) -> None:
    """Has a CA certificate whose basicConstraints is not critical."""
    constraints(ca, (v.BASIC_CONSTRAINTS, False, x509.basic_constraints_extension(True)[2]))


@wrong(INTEROPERABILITY, IS_CA, lambda bench: own(bench).extensions[v.BASIC_CONSTRAINTS].value[:1] == b"\x31")
def ca_constraints_of_another_type(ca: ScepService) -> None:
    """Has a CA certificate whose basicConstraints is a SET instead of a SEQUENCE."""
    constraints(ca, (v.BASIC_CONSTRAINTS, True, der.set_of([der.boolean(True)])))


def usage(ca: ScepService, *bits: str) -> None:
    recertify(ca, lambda told: replaced_extension(told, v.KEY_USAGE, x509.key_usage_extension(*bits)))


@wrong(SECURITY, USAGE, lambda bench: "keyCertSign" not in own(bench).key_usage)
def ca_without_key_cert_sign(ca: ScepService) -> None:
    """Has a CA certificate that may not sign certificates."""
    usage(ca, "digitalSignature", "keyEncipherment", "cRLSign")


@wrong(INTEROPERABILITY, USAGE, lambda bench: "digitalSignature" not in own(bench).key_usage)
def ca_without_digital_signature(ca: ScepService) -> None:
    """Has no RA, and a CA certificate that may not sign messages."""
    usage(ca, "keyEncipherment", "keyCertSign", "cRLSign")


@wrong(INTEROPERABILITY, USAGE, lambda bench: "keyEncipherment" not in own(bench).key_usage)
def ca_without_key_encipherment(ca: ScepService) -> None:
    """Has no RA, and a CA certificate to which nothing may be encrypted."""
    usage(ca, "digitalSignature", "keyCertSign", "cRLSign")


@wrong(
    SECURITY,
    "RFC 5280, 4.1.2.5: a certificate is valid from notBefore through notAfter",
    lambda bench: own(bench).not_after < bench.clock.now(),
)
def ca_expired(ca: ScepService) -> None:
    """Has an expired CA certificate, and still issues certificates."""
    now = ca.clock.now()
    recertify(ca, lambda told: told.update(not_before=now - timedelta(days=800), not_after=now - timedelta(days=2)))


@wrong(
    INTEROPERABILITY,
    "RFC 5280, 4.2.1.2: subjectKeyIdentifier MUST appear in all conforming CA certificates",
    lambda bench: v.SUBJECT_KEY_IDENTIFIER not in own(bench).extensions,
)
def ca_without_key_identifier(ca: ScepService) -> None:
    """Has a CA certificate without subjectKeyIdentifier."""
    recertify(ca, lambda told: replaced_extension(told, v.SUBJECT_KEY_IDENTIFIER))


@wrong(
    INTEROPERABILITY,
    "RFC 5280, 4.1.2.6: a CA certificate MUST have a non-empty subject",
    lambda bench: own(bench).subject == der.sequence(),
)
def ca_without_a_name(ca: ScepService) -> None:
    """Has a CA certificate with an empty subject."""
    recertify(ca, lambda told: told.update(subject=der.sequence(), issuer=der.sequence()))


@wrong(
    SECURITY,
    "RFC 5280, 4.2.1.10 / 4.2: an unknown critical extension makes a certificate unusable",
    lambda bench: "1.3.6.1.4.1.55555.8" in own(bench).extensions,
)
def ca_with_an_unknown_critical_extension(ca: ScepService) -> None:
    """Has a CA certificate with a private critical extension."""
    recertify(ca, lambda told: told["extensions"].append(("1.3.6.1.4.1.55555.8", True, der.null())))
