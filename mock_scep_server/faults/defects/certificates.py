"""Defects of certificates: contents that violate RFC 5280, or that the CSR did not ask for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import der
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.http_messages import CA_CERT, HttpReply
from mfp_sim.shared.scep.vocabulary import Operation
from mock_scep_server.ca import Template
from mock_scep_server.faults.defects.answers import DefectRow, Instead, adding, grant, granting
from mock_scep_server.faults.defects.seen import Seen, asks

__all__ = ["ROWS"]

UNKNOWN = "1.3.6.1.4.1.32473.99"


def _issuing(*extensions: tuple[str, bool, bytes]) -> Instead:
    """Give certificates these extensions, which replace those of the same kind."""

    def change(template: Template) -> Template:
        for extension in extensions:
            template = adding(extension)(template)
        return template

    return granting(asks, partial(grant, change=change))


def _anew(octets: bytes) -> bytes:
    """Return the Name with each string as a TeletexString."""

    def teletex(attribute: der.Element) -> bytes:
        text = attribute.child(1, "value").to_text().encode("latin-1", "replace")
        return der.sequence(attribute.child(0, "type").raw, der.tlv(der.T61_STRING, text))

    return der.sequence(*(der.set_of(list(map(teletex, rdn.children))) for rdn in der.read(octets, "name").children))


def _names_added(template: Template) -> Template:
    return adding(x509.subject_alt_name_extension(("payroll.example",)))(template)


def _issuer_anew(seen: Seen) -> HttpReply | None:
    """Issue under the name of the CA in other string types; the signature is the CA's."""
    ca = seen.authority.issuer
    other = x509.issue(
        serial=ca.certificate.serial, issuer=ca.certificate.subject, subject=_anew(ca.certificate.subject),
        spki=ca.certificate.spki, not_before=ca.certificate.not_before, not_after=ca.certificate.not_after,
        extensions=[(oid, e.critical, e.value) for oid, e in ca.certificate.extensions.items()], signing_key=ca.key,
    )  # fmt: skip
    return grant(seen, change=lambda template: replace(template, issuer=replace(ca, certificate=other)))


def _shown(*, without: str = "", more: tuple[tuple[str, bool, bytes], ...] = (), nameless: bool = False) -> Instead:
    """GetCACert returns a new CA certificate with the same key."""

    def answer(seen: Seen) -> HttpReply | None:
        if seen.operation != Operation.GET_CA_CERT:
            return None
        return HttpReply(200, headers=(("Content-Type", CA_CERT),), body=made(seen).der)

    def made(seen: Seen) -> Certificate:
        ca = seen.authority.issuer
        replaced = {without, *(extension[0] for extension in more)}
        kept = [(oid, e.critical, e.value) for oid, e in ca.certificate.extensions.items() if oid not in replaced]
        name = der.sequence() if nameless else ca.certificate.subject
        return x509.issue(
            serial=ca.certificate.serial, issuer=name, subject=name, spki=ca.certificate.spki,
            not_before=ca.certificate.not_before, not_after=ca.certificate.not_after, extensions=[*kept, *more],
            signing_key=ca.key,
        )  # fmt: skip

    return answer


_CONSTRAINTS: Callable[..., tuple[str, bool, bytes]] = x509.basic_constraints_extension
ROWS: tuple[DefectRow, ...] = (
    ("issues-unknown-critical", "Certificates have a critical unknown extension.", ("SCEP-3.3.2.1-16",),
     _issuing((UNKNOWN, True, der.octet_string(b"x")))),
    ("issues-critical-key-identifier", "subjectKeyIdentifier is critical.", ("SCEP-3.3.2.1-16",),
     _issuing((v.SUBJECT_KEY_IDENTIFIER, True, der.octet_string(bytes(20))))),
    ("issues-path-length", "Certificates that are not CA certificates have a path length.", ("SCEP-3.3.2.1-16",),
     _issuing(_CONSTRAINTS(False, 0))),
    ("issues-empty-purposes", "extKeyUsage is empty.", ("SCEP-3.3.2.1-16",),
     _issuing(x509.extended_key_usage_extension())),
    ("issues-for-signing-only", "keyUsage is always digitalSignature, regardless of the CSR.", ("SCEP-3.3.1-09",),
     _issuing(x509.key_usage_extension("digitalSignature"))),
    ("issues-teletex-subject", "The subject is re-encoded as TeletexString.", ("SCEP-3.3.2.1-16",),
     granting(asks, partial(grant, change=lambda t: replace(t, subject=_anew(t.subject))))),
    ("issues-with-issuer-anew", "The issuer uses different string types from the CA's subject.",
     ("SCEP-3.3.2.1-16",), lambda seen: _issuer_anew(seen) if asks(seen) else None),
    ("adds-rights", "Certificates allow code signing, which the CSR did not ask for.", ("SCEP-3.3.1-09",),
     _issuing(x509.extended_key_usage_extension(v.SERVER_AUTH, v.CODE_SIGNING))),
    ("adds-names", "Certificates have a DNS name that the CSR did not ask for.", ("SCEP-3.3.1-09",),
     granting(asks, partial(grant, change=_names_added))),
    ("ca-constraints-not-critical", "basicConstraints of the CA certificate is not critical.", ("SCEP-2.1.2-03",),
     _shown(more=((v.BASIC_CONSTRAINTS, False, _CONSTRAINTS(True)[2]),))),
    ("ca-without-key-identifier", "The CA certificate has no subjectKeyIdentifier.", ("SCEP-2.1.2-03",),
     _shown(without=v.SUBJECT_KEY_IDENTIFIER)),
    ("ca-without-a-name", "The CA certificate has an empty subject.", ("SCEP-2.1.2-03",), _shown(nameless=True)),
    ("ca-with-unknown-critical", "The CA certificate has a critical unknown extension.", ("SCEP-2.1.2-03",),
     _shown(more=((UNKNOWN, True, der.octet_string(b"x")),))),
)  # fmt: skip
"""The defects of this module."""
