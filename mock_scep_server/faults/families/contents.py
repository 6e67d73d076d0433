"""Faults of what a SUCCESS delivers: the issued certificate, its neighbours, and the SignedData around them.

RFC 8894, 3.3.2.1 and 3.4.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from mfp_sim.scep import certificate as x509
from mfp_sim.scep import cms, der, messages
from mfp_sim.scep import vocabulary as v
from mfp_sim.scep.certificate import Certificate
from mfp_sim.scep.messages import CertRep
from mock_scep_server.ca import Template
from mock_scep_server.faults import strangers
from mock_scep_server.faults.base import Context, Fault
from mock_scep_server.faults.bytes import Body, pem
from mock_scep_server.faults.certificates import Issued, WrongKey
from mock_scep_server.faults.combined import At, at
from mock_scep_server.faults.message import Said
from mock_scep_server.faults.registry import Spec, choice
from mock_scep_server.faults.strangers import DAY

MESSAGES = "PKCSReq RenewalReq CertPoll"


def _delivered(change: Callable[[CertRep, Context], dict[str, Any]]) -> At:
    """A SUCCESS that delivers something else."""
    return at(MESSAGES, Said(change), statuses="SUCCESS")


def _issued(change: Callable[[Template, Context], dict[str, Any]]) -> At:
    return at(MESSAGES, Issued(change))


def _bag(reply: CertRep, **oddities: Any) -> bytes:
    return messages.certs_only(reply.certificates, oddities=replace(reply.oddities, **oddities))


def _form(**options: Any) -> At:
    """The certificates-only SignedData written oddly."""
    return _delivered(lambda reply, context: {"oddities": replace(reply.oddities, **options)})


def _altered(template: Template, context: Context) -> dict[str, Any]:
    kept = tuple(e for e in template.extensions if e[0] != v.SUBJECT_ALT_NAME)
    return {"subject": x509.name(("O", "Altered by the CA"), ("CN", "somebody.else.example")), "extensions": kept}


def _reordered(template: Template, context: Context) -> dict[str, Any]:
    """The same attributes in the other order, which matters to clients that find their certificate by its subject."""
    pairs = x509.name_pairs(template.subject)
    return {"subject": x509.name(*reversed(pairs)) if len(pairs) > 1 else x509.name(*pairs, ("OU", "appended"))}


def _dates(begin: timedelta, end: timedelta) -> Callable[[Template, Context], dict[str, Any]]:
    return lambda template, context: {"not_before": context.now + begin, "not_after": context.now + end}


def _usage(form: str) -> Callable[[Template, Context], dict[str, Any]]:
    """An extended key usage of the CA's own choice, whatever was asked for."""

    def change(template: Template, context: Context) -> dict[str, Any]:
        kept = [e for e in template.extensions if e[0] != v.EXTENDED_KEY_USAGE]
        return {"extensions": (*kept, USAGES[form])}

    return change


def _foreign(template: Template, context: Context) -> dict[str, Any]:
    return {"issuer": strangers.stranger(context)}


def _broken(reply: CertRep, context: Context) -> dict[str, Any]:
    """The last bit of the certificate's signature flipped."""
    own, *rest = reply.certificates
    return {"certificates": (own[:-1] + bytes((own[-1] ^ 1,)), *rest)}


def _chain_only(reply: CertRep, context: Context) -> dict[str, Any]:
    return {"certificates": (context.authority.issuer.certificate.der,)}


def _decoy(context: Context, subject: bytes) -> Certificate:
    identity = strangers.issued(context, "", by=context.authority.issuer, subject=subject)
    return identity.certificate


def _own(reply: CertRep) -> Certificate:
    return Certificate.from_der(reply.certificates[0])


def _decoy_first(reply: CertRep, context: Context) -> dict[str, Any]:
    subject = _own(reply).subject
    decoy = context.thing(f"decoy {subject.hex()}", lambda: _decoy(context, subject))
    return {"certificates": (decoy.der, *reply.certificates)}


def _two_leaves(reply: CertRep, context: Context) -> dict[str, Any]:
    return {"certificates": (strangers.device(context).certificate.der, *reply.certificates)}


def _extra(reply: CertRep, context: Context) -> dict[str, Any]:
    others = (strangers.stranger(context).certificate, strangers.device(context).certificate)
    return {"certificates": (*reply.certificates, *(other.der for other in others))}


def _with_crl(reply: CertRep, context: Context) -> dict[str, Any]:
    return {"crls": (context.revocations.current(context.authority).der,)}


def _empty(certificates: str) -> At:
    def change(reply: CertRep, context: Context) -> dict[str, Any]:
        bag = messages.certs_only([])
        if certificates == "absent":
            body = der.sequence(der.integer(1), der.set_of([]), der.sequence(der.oid(v.DATA)), der.set_of([]))
            bag = cms.content_info(v.SIGNED_DATA, body)
        return {"message_data": bag}

    return _delivered(change)


def _signed(reply: CertRep, context: Context) -> dict[str, Any]:
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
    return {"message_data": bag}


def _lint(form: str) -> Fault:
    if form == "negative-serial":
        return _issued(lambda template, context: {"serial": -template.serial})
    if form == "long-serial":
        return _issued(lambda template, context: {"serial": template.serial | 1 << 166})
    if form == "zero-serial":
        return _issued(lambda template, context: {"serial": 0})
    if form == "same-serial":
        return _issued(lambda template, context: {"serial": _given_before(context)})
    return at(MESSAGES, Said(_version_one), statuses="SUCCESS")


def _given_before(context: Context) -> int:
    """The serial number of the certificate issued last; of the CA's own one, when there is none yet."""
    entries = context.ledger.entries
    return (entries[-1].certificate if entries else context.authority.issuer.certificate).serial


def _version_one(reply: CertRep, context: Context) -> dict[str, Any]:
    """The issued certificate once more as a version 1 certificate, which has no extensions."""
    own = _own(reply)
    made = context.thing(f"version 1 {own.fingerprint()}", lambda: _as_version_one(own, context))
    if context.ledger.of_key(own.spki)[-1].certificate.der != made:
        context.ledger.mint(Certificate.from_der(made), context.transaction or "", context.now)
    return {"certificates": (made, *reply.certificates[1:])}


def _as_version_one(own: Certificate, context: Context) -> bytes:
    from mfp_sim.scep.algorithms import sign, signature_algorithm

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


def _old(reply: CertRep, context: Context) -> dict[str, Any]:
    """The certificate that was to be renewed, in place of a new one."""
    signer = context.asked.signer if context.asked else None
    return {"certificates": (signer.der, *reply.certificates[1:])} if signer else {}


def _by_present_ca(reply: CertRep, context: Context) -> dict[str, Any]:
    """A certificate of the present CA for a request that was enveloped to the next one."""
    csr = context.asked.csr if context.asked else None
    if csr is None or context.asked is None or context.asked.authority.issuer is context.authority.issuer:
        return {}
    made = context.authority.sign(context.authority.template(csr))
    return {"certificates": (made.der, context.authority.issuer.certificate.der)}


def _replay(octets: bytes, context: Context) -> bytes:
    """The CertRep of an earlier transaction, if there was one."""
    kept: bytes | None = context.memory.kept(f"CertRep {context.name} {context.status}")
    return kept or octets


ATTRIBUTE_CERTIFICATE = der.implicit(1, der.integer(1), constructed=True)
LINT = ("negative-serial", "long-serial", "zero-serial", "same-serial", "version-1")
ALTERED: dict[str, Fault] = {"replaced": _issued(_altered), "reordered": _issued(_reordered)}
CONTENTS = {"octets": b"content", "empty": b""}
USAGES: dict[str, tuple[str, bool, bytes]] = {
    "client-only": x509.extended_key_usage_extension(v.CLIENT_AUTH),
    "server-only": x509.extended_key_usage_extension(v.SERVER_AUTH),
    "mail-only": x509.extended_key_usage_extension("1.3.6.1.5.5.7.3.4"),
    "unreadable": (v.EXTENDED_KEY_USAGE, False, der.octet_string(b"clientAuth")),
}


TABLE: dict[str, Spec] = {
    "cert-lint": Spec("certificates", _lint, (choice("form", LINT),)),
    "certrep-pem-inside": Spec(
        "message",
        lambda: _delivered(lambda reply, context: {"message_data": pem(_bag(reply), "PKCS7")}),
    ),
    "certrep-raw-cert": Spec(
        "message",
        lambda: _delivered(lambda reply, context: {"message_data": reply.certificates[0]}),
    ),
    "degenerate-attrcert": Spec("message", lambda: _form(bag_others=(ATTRIBUTE_CERTIFICATE,))),
    "degenerate-empty-sets": Spec("message", lambda: _form(bag_empty_sets=True)),
    "degenerate-signed": Spec("message", lambda: _delivered(_signed)),
    "degenerate-with-content": Spec(
        "message", lambda content: _form(bag_content=CONTENTS[content]), (choice("content", tuple(CONTENTS)),)
    ),
    "renewal-returns-old": Spec("message", lambda: at("RenewalReq", Said(_old), statuses="SUCCESS")),
    "replayed-certrep": Spec("bytes", lambda: at("PKIOperation", Body(_replay))),
    "rollover-wrong-issuer": Spec("message", lambda: _delivered(_by_present_ca)),
    "success-altered-subject": Spec("certificates", lambda how: ALTERED[how], (choice("how", tuple(ALTERED)),)),
    "success-bad-cert-signature": Spec("message", lambda: _delivered(_broken)),
    "success-chain-only": Spec("message", lambda: _delivered(_chain_only)),
    "success-decoy-same-subject": Spec("message", lambda: _delivered(_decoy_first)),
    "success-empty": Spec("message", _empty, (choice("certificates", ("empty", "absent")),)),
    "success-expired": Spec("certificates", lambda: _issued(_dates(-30 * DAY, -DAY))),
    "success-extra-certs": Spec("message", lambda: _delivered(_extra)),
    "success-foreign-issuer": Spec("certificates", lambda: _issued(_foreign)),
    "success-future": Spec("certificates", lambda: _issued(_dates(DAY, 365 * DAY))),
    "success-no-envelope": Spec("message", lambda: _delivered(lambda reply, context: {"recipient": None})),
    "success-order-reversed": Spec(
        "message",
        lambda: _delivered(lambda reply, context: {"certificates": tuple(reversed(reply.certificates))}),
    ),
    "success-short-validity": Spec(
        "certificates", lambda: _issued(_dates(-timedelta(seconds=1), timedelta(minutes=1)))
    ),
    "success-two-leaves": Spec("message", lambda: _delivered(_two_leaves)),
    "success-with-crl": Spec("message", lambda: _delivered(_with_crl)),
    "success-unfit-usage": Spec(
        "certificates", lambda usage: _issued(_usage(usage)), (choice("usage", tuple(USAGES)),)
    ),
    "success-wrong-key": Spec("certificates", lambda: at(MESSAGES, WrongKey())),
    "ca-certificate-left-out": Spec(
        "message",
        lambda: _delivered(lambda reply, context: {"certificates": reply.certificates[:1]}),
    ),
}
