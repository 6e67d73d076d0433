"""Faults of the envelope of a CertRep: recipient, algorithm, content. RFC 8894, 3.1 and 3.2.2; RFC 5652, 6."""

from __future__ import annotations

from dataclasses import replace

from mfp_sim.shared.documents.records import kind_of
from mfp_sim.shared.scep import messages
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.algorithms import KeyTransport
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.messages import CertRep
from mock_scep_server.faults import strangers
from mock_scep_server.faults.base import Context
from mock_scep_server.faults.combined import At, at
from mock_scep_server.faults.message import Odd, Said, odd
from mock_scep_server.faults.registry import Spec, argument, choice, one_of

OAEP = {
    "sha1": KeyTransport("oaep", parameters="explicit"),
    "sha256": KeyTransport("oaep", "sha256", "sha256", parameters="explicit"),
}


def _with_recipient(reply: CertRep, context: Context, kind: str) -> CertRep:
    if reply.recipient is None:
        return reply
    if kind == "issued-certificate":
        return replace(reply, recipient=_issued(reply))
    if kind == "unrelated-key":
        return replace(reply, recipient=strangers.stranger(context).certificate)
    return replace(reply, recipient=context.authority.recipient.certificate)


def _issued(reply: CertRep) -> Certificate | None:
    return Certificate.from_der(reply.certificates[0]) if reply.certificates else reply.recipient


def _two(reply: CertRep, context: Context) -> CertRep:
    return odd(other_recipients=(strangers.stranger(context).certificate,)).on_message(reply, context)


def _password(reply: CertRep, context: Context, text: str | None) -> CertRep:
    csr = context.asked.csr if context.asked else None
    secret = text if text is not None else (csr.challenge if csr else None) or ""
    return odd(password=secret).on_message(reply, context)


def _new_key(reply: CertRep, context: Context) -> CertRep:
    """Envelope to the certificate just issued: a renewing client does not decrypt with its new key."""
    return _with_recipient(reply, context, "issued-certificate")


def _cipher(name: str, digest: str | None = None) -> Said:
    return Said(lambda reply, context: replace(reply, cipher=name, digest=digest or reply.digest))


def _confused(reply: CertRep, context: Context, content: str) -> CertRep:
    if content == "csr":
        csr = context.asked.csr if context.asked else None
        return replace(reply, message_data=csr.der if csr else b"")
    if content == "crl":
        crl = context.revocations.current(context.authority)
        return replace(reply, message_data=messages.certs_only([], [crl.der]))
    bare = reply.certificates or (context.authority.issuer.certificate.der,)  # a reply with a CRL has no certificates
    return replace(reply, message_data=bare[0])


RECIPIENTS = ("issued-certificate", "unrelated-key", "ca")
ONLY = {"statuses": "SUCCESS"}
ANY = "PKIOperation"


def _odd(fault: Odd) -> At:
    return at(ANY, fault, **ONLY)


def _garbage(reply: CertRep, context: Context) -> CertRep:
    """Sign random bytes as content."""
    return odd(content=context.entropy.octets(700)).on_message(reply, context)


TABLE: dict[str, Spec] = {
    "bad-iv": Spec("message", lambda iv: _odd(odd(iv=iv)), (choice("iv", ("short", "absent")),)),
    "bad-padding": Spec("message", lambda: _odd(odd(padding="wrong"))),
    "certrep-aes256": Spec("message", lambda: at(ANY, _cipher("aes-256-cbc"), **ONLY)),
    "certrep-des": Spec("message", lambda: _odd(odd(single_des=True))),
    "certrep-gcm": Spec("message", lambda: _odd(odd(gcm=True))),
    "certrep-unencrypted": Spec("message", lambda: _odd(odd(unencrypted=True))),
    "ciphertext-bitflip": Spec("message", lambda: _odd(odd(flip_ciphertext=True))),
    "content-type-confusion": Spec(
        "message",
        lambda content: at(ANY, Said(lambda reply, context: _confused(reply, context, content)), **ONLY),
        (choice("content", ("csr", "crl", "certificate")),),
    ),
    "eci-contenttype": Spec("message", lambda: _odd(odd(envelope_content_type=v.SIGNED_DATA))),
    "econtent-garbage": Spec("message", lambda: at(ANY, Said(_garbage), **ONLY)),
    "env-oaep": one_of("message", "digest", OAEP, lambda digest: _odd(odd(key_transport=digest))),
    "env-password": Spec(
        "message", lambda: at(ANY, Said(lambda reply, context: _password(reply, context, None)), **ONLY)
    ),
    "env-password-wrong": Spec(
        "message",
        lambda password: at(ANY, Said(lambda reply, context: _password(reply, context, password)), **ONLY),
        (argument("password", kind_of(str), "not the challenge"),),
    ),
    "env-ski-recipient": Spec("message", lambda: _odd(odd(recipient_by="key-identifier"))),
    "env-two-recipients": Spec("message", lambda: at(ANY, Said(_two), **ONLY)),
    "env-wrong-recipient": Spec(
        "message",
        lambda recipient: at(ANY, Said(lambda reply, context: _with_recipient(reply, context, recipient)), **ONLY),
        (choice("recipient", RECIPIENTS),),
    ),
    "renewal-env-new-key": Spec("message", lambda: at("RenewalReq", Said(_new_key), **ONLY)),
    "reply-downgrade": Spec("message", lambda: at(ANY, _cipher("des-ede3-cbc", "sha1"))),
    "reply-upgrade": Spec("message", lambda: at(ANY, _cipher("aes-256-cbc", "sha512"))),
}
