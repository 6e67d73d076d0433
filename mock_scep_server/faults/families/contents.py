"""Faults of the contents of a SUCCESS: the issued certificate, its neighbours, and the SignedData around them.

RFC 8894, 3.3.2.1 and 3.4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import cms, der, messages
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.algorithms import sign, signature_algorithm
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.messages import CertRep
from mock_scep_server.ca import Template
from mock_scep_server.faults import strangers
from mock_scep_server.faults.base import Context, Fault
from mock_scep_server.faults.bytes import AlteredBody, flipped, pem
from mock_scep_server.faults.certificates import AlteredCertificate
from mock_scep_server.faults.combined import At, at
from mock_scep_server.faults.message import Odd, Said, odd
from mock_scep_server.faults.registry import Spec, among, choice, one_of
from mock_scep_server.faults.strangers import DAY
from mock_scep_server.grants import grant

MESSAGES = "PKCSReq RenewalReq CertPoll"


def _delivered(change: Callable[[CertRep, Context], CertRep]) -> At:
    """Replace what a SUCCESS delivers."""
    return at(MESSAGES, Said(change), statuses="SUCCESS")


def _certificates(change: Callable[[tuple[bytes, ...], Context], tuple[bytes, ...]]) -> At:
    """Replace the certificates of the reply by a function of them; the issued one comes first."""
    return _delivered(lambda reply, context: replace(reply, certificates=change(reply.certificates, context)))


def _issued(change: Callable[[Template, Context], Template]) -> At:
    return at(MESSAGES, AlteredCertificate(change))


def _form(form: Odd) -> At:
    """Write the certificates-only SignedData in an odd form."""
    return at(MESSAGES, form, statuses="SUCCESS")


def _pem_inside(reply: CertRep, context: Context) -> CertRep:
    bag = messages.certs_only(reply.certificates, oddities=reply.oddities)
    return replace(reply, message_data=pem(bag, "PKCS7"))


def _altered(template: Template, context: Context) -> Template:
    kept = tuple(e for e in template.extensions if e[0] != v.SUBJECT_ALT_NAME)
    other = x509.name(("O", "Altered by the CA"), ("CN", "somebody.else.example"))
    return replace(template, subject=other, extensions=kept)


def _reordered(template: Template, context: Context) -> Template:
    """Reverse the attributes of the subject, which affects clients that find their certificate by its subject."""
    pairs = x509.name_pairs(template.subject)
    other = reversed(pairs) if len(pairs) > 1 else (*pairs, ("OU", "appended"))
    return replace(template, subject=x509.name(*other))


def _dates(begin: timedelta, end: timedelta) -> Callable[[Template, Context], Template]:
    return lambda template, context: replace(template, not_before=context.now + begin, not_after=context.now + end)


def _usage(form: str) -> Callable[[Template, Context], Template]:
    """Set an extended key usage, regardless of the CSR."""

    def change(template: Template, context: Context) -> Template:
        kept = [e for e in template.extensions if e[0] != v.EXTENDED_KEY_USAGE]
        return replace(template, extensions=(*kept, USAGES[form]))

    return change


def _wrong_key(template: Template, context: Context) -> Template:
    return replace(template, spki=x509.spki_of(context.keys.rsa(2048)))


def _foreign(template: Template, context: Context) -> Template:
    return replace(template, issuer=strangers.stranger(context))


def _decoy(context: Context, subject: bytes) -> Certificate:
    identity = strangers.issued(context, "", by=context.authority.issuer, subject=subject)
    return identity.certificate


def _decoy_first(certificates: tuple[bytes, ...], context: Context) -> tuple[bytes, ...]:
    subject = Certificate.from_der(certificates[0]).subject
    decoy = context.thing(f"decoy {subject.hex()}", lambda: _decoy(context, subject))
    return (decoy.der, *certificates)


def _extra(certificates: tuple[bytes, ...], context: Context) -> tuple[bytes, ...]:
    others = (strangers.stranger(context).certificate, strangers.device(context).certificate)
    return (*certificates, *(other.der for other in others))


def _empty(certificates: str) -> At:
    def change(reply: CertRep, context: Context) -> CertRep:
        bag = messages.certs_only([])
        if certificates == "absent":
            body = der.sequence(der.integer(1), der.set_of([]), der.sequence(der.oid(v.DATA)), der.set_of([]))
            bag = cms.content_info(v.SIGNED_DATA, body)
        return replace(reply, message_data=bag)

    return _delivered(change)


def _signed(reply: CertRep, context: Context) -> CertRep:
    """The certificates-only SignedData with a SignerInfo."""
    signer = context.authority.signer
    bag = cms.encode_signed_data(
        None,
        [],
        signer_key=signer.key,
        signer_certificate=signer.certificate,
        certificates=[Certificate.from_der(octets) for octets in reply.certificates],
        digest=reply.digest,
    )
    return replace(reply, message_data=bag)


def _given_before(context: Context) -> int:
    """The serial number of the previous certificate, or of the CA certificate if there is no other yet."""
    entries = context.ledger.entries
    return (entries[-1].certificate if entries else context.authority.issuer.certificate).serial


def _version_one(reply: CertRep, context: Context) -> CertRep:
    """The issued certificate rewritten as a version 1 certificate, which has no extensions."""
    own = Certificate.from_der(reply.certificates[0])
    made = context.thing(f"version 1 {own.fingerprint()}", lambda: _as_version_one(own, context))
    if context.ledger.of_key(own.spki)[-1].certificate.der != made:
        context.ledger.mint(Certificate.from_der(made), context.transaction or "", context.now)
    return replace(reply, certificates=(made, *reply.certificates[1:]))


def _as_version_one(own: Certificate, context: Context) -> bytes:
    key = context.authority.issuer.key
    name = signature_algorithm(key, "sha256")
    tbs = der.sequence(
        der.integer(own.serial),
        name,
        own.issuer,
        der.sequence(der.time(own.not_before), der.time(own.not_after)),
        own.subject,
        own.spki,
    )
    return der.sequence(tbs, name, der.bit_string(sign(key, tbs, "sha256")))


def _with_extension(oid: str, value: bytes) -> Callable[[Template, Context], Template]:
    """Set an extension, replacing one of the same kind."""

    def change(template: Template, context: Context) -> Template:
        others = tuple(other for other in template.extensions if other[0] != oid)
        return replace(template, extensions=(*others, (oid, False, value)))

    return change


def _named_as_its_ca(template: Template, context: Context) -> Template:
    value = template.issuer.certificate.extensions[v.SUBJECT_KEY_IDENTIFIER].value
    return _with_extension(v.SUBJECT_KEY_IDENTIFIER, value)(template, context)


def _old(reply: CertRep, context: Context) -> CertRep:
    """Return the certificate to be renewed instead of a new one."""
    signer = context.asked.signer if context.asked else None
    return replace(reply, certificates=(signer.der, *reply.certificates[1:])) if signer else reply


def _by_present_ca(reply: CertRep, context: Context) -> CertRep:
    """Return a certificate of the current CA for a request enveloped to the next one."""
    csr = context.asked.csr if context.asked else None
    if csr is None or context.asked is None or context.asked.authority.issuer is context.authority.issuer:
        return reply
    made = context.authority.sign(context.authority.template(csr, grant(csr)))
    return replace(reply, certificates=(made.der, context.authority.issuer.certificate.der))


def _replay(octets: bytes, context: Context) -> bytes:
    """Replay the CertRep of an earlier transaction, if there was one."""
    return context.memory.kept(f"CertRep {context.name} {context.status}") or octets


ATTRIBUTE_CERTIFICATE = der.implicit(1, der.integer(1), constructed=True)
LINT: dict[str, Fault] = {
    "negative-serial": _issued(lambda template, context: replace(template, serial=-template.serial)),
    "long-serial": _issued(lambda template, context: replace(template, serial=template.serial | 1 << 166)),
    "zero-serial": _issued(lambda template, context: replace(template, serial=0)),
    "same-serial": _issued(lambda template, context: replace(template, serial=_given_before(context))),
    "version-1": _delivered(_version_one),
    "outlives-ca": _issued(
        lambda template, context: replace(template, not_after=template.issuer.certificate.not_after + 30 * DAY)
    ),
    "authority-key": _issued(_with_extension(v.AUTHORITY_KEY_IDENTIFIER, der.sequence(der.tlv(0x80, bytes(20))))),
    "subject-key": _issued(_named_as_its_ca),
    "extension-twice": _issued(
        lambda template, context: replace(template, extensions=(*template.extensions, template.extensions[-1]))
    ),
}
ALTERED: dict[str, Fault] = {"replaced": _issued(_altered), "reordered": _issued(_reordered)}
CONTENTS = {"octets": b"content", "empty": b""}
USAGES: dict[str, tuple[str, bool, bytes]] = {
    "client-only": x509.extended_key_usage_extension(v.CLIENT_AUTH),
    "server-only": x509.extended_key_usage_extension(v.SERVER_AUTH),
    "mail-only": x509.extended_key_usage_extension(v.EMAIL_PROTECTION),
    "unreadable": (v.EXTENDED_KEY_USAGE, False, der.octet_string(b"clientAuth")),
}


TABLE: dict[str, Spec] = {
    "cert-lint": among("certificates", "form", LINT),
    "certrep-pem-inside": Spec("message", lambda: _delivered(_pem_inside)),
    "certrep-raw-cert": Spec(
        "message", lambda: _delivered(lambda reply, context: replace(reply, message_data=reply.certificates[0]))
    ),
    "degenerate-attrcert": Spec("message", lambda: _form(odd(bag_others=(ATTRIBUTE_CERTIFICATE,)))),
    "degenerate-empty-sets": Spec("message", lambda: _form(odd(bag_empty_sets=True))),
    "degenerate-signed": Spec("message", lambda: _delivered(_signed)),
    "degenerate-with-content": one_of("message", "content", CONTENTS, lambda content: _form(odd(bag_content=content))),
    "renewal-returns-old": Spec("message", lambda: at("RenewalReq", Said(_old), statuses="SUCCESS")),
    "replayed-certrep": Spec("bytes", lambda: at("PKIOperation", AlteredBody(_replay))),
    "rollover-wrong-issuer": Spec("message", lambda: _delivered(_by_present_ca)),
    "success-altered-subject": among("certificates", "how", ALTERED),
    "success-bad-cert-signature": Spec(
        "message", lambda: _certificates(lambda own, context: (flipped(own[0]), *own[1:]))
    ),
    "success-chain-only": Spec(
        "message", lambda: _certificates(lambda own, context: (context.authority.issuer.certificate.der,))
    ),
    "success-decoy-same-subject": Spec("message", lambda: _certificates(_decoy_first)),
    "success-empty": Spec("message", _empty, (choice("certificates", ("empty", "absent")),)),
    "success-expired": Spec("certificates", lambda: _issued(_dates(-30 * DAY, -DAY))),
    "success-extra-certs": Spec("message", lambda: _certificates(_extra)),
    "success-foreign-issuer": Spec("certificates", lambda: _issued(_foreign)),
    "success-future": Spec("certificates", lambda: _issued(_dates(DAY, 365 * DAY))),
    "success-no-envelope": Spec("message", lambda: _delivered(lambda reply, context: replace(reply, recipient=None))),
    "success-order-reversed": Spec("message", lambda: _certificates(lambda own, context: own[::-1])),
    "success-short-validity": Spec(
        "certificates", lambda: _issued(_dates(-timedelta(seconds=1), timedelta(minutes=1)))
    ),
    "success-two-leaves": Spec(
        "message", lambda: _certificates(lambda own, context: (strangers.device(context).certificate.der, *own))
    ),
    "success-with-crl": Spec(
        "message", lambda: _delivered(lambda reply, c: replace(reply, crls=(c.revocations.current(c.authority).der,)))
    ),
    "success-unfit-usage": Spec(
        "certificates", lambda usage: _issued(_usage(usage)), (choice("usage", tuple(USAGES)),)
    ),
    "success-wrong-key": Spec("certificates", lambda: _issued(_wrong_key)),
    "ca-certificate-left-out": Spec("message", lambda: _certificates(lambda own, context: own[:1])),
}
