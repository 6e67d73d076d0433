"""Faults of the envelope of a CertRep: for whom, with what, and what is in it. RFC 8894, 3.1 and 3.2.2; RFC 5652, 6."""

from __future__ import annotations

from typing import Any

from mfp_sim.documents.records import kind_of
from mfp_sim.scep import vocabulary as v
from mfp_sim.scep.algorithms import KeyTransport
from mfp_sim.scep.messages import CertRep
from mock_scep_server.faults import strangers
from mock_scep_server.faults.base import Context
from mock_scep_server.faults.combined import at
from mock_scep_server.faults.message import Odd, Said, odd
from mock_scep_server.faults.registry import Spec, argument, choice

OAEP = {
    "sha1": KeyTransport("oaep", parameters="explicit"),
    "sha256": KeyTransport("oaep", "sha256", "sha256", parameters="explicit"),
}


def _with_recipient(reply: CertRep, context: Context, kind: str) -> dict[str, Any]:
    if reply.recipient is None:
        return {}
    if kind == "issued-certificate":
        return {"recipient": _issued(reply)}
    if kind == "unrelated-key":
        return {"recipient": strangers.stranger(context).certificate}
    return {"recipient": context.authority.recipient.certificate}


def _issued(reply: CertRep) -> Any:
    from mfp_sim.scep.certificate import Certificate

    return Certificate.from_der(reply.certificates[0]) if reply.certificates else reply.recipient


def _two(reply: CertRep, context: Context) -> dict[str, Any]:
    from dataclasses import replace

    return {"oddities": replace(reply.oddities, other_recipients=(strangers.stranger(context).certificate,))}


def _password(reply: CertRep, context: Context, text: str | None) -> dict[str, Any]:
    from dataclasses import replace

    csr = context.asked.csr if context.asked else None
    secret = text if text is not None else (csr.challenge if csr else None) or ""
    return {"oddities": replace(reply.oddities, password=secret)}


def _new_key(reply: CertRep, context: Context) -> dict[str, Any]:
    """To the certificate just issued: its key is the new one, which a renewing client does not decrypt with."""
    return _with_recipient(reply, context, "issued-certificate")


def _cipher(name: str, digest: str | None = None) -> Said:
    more = {"digest": digest} if digest else {}
    return Said(lambda reply, context: {"cipher": name, **more})


def _confused(reply: CertRep, context: Context, content: str) -> dict[str, Any]:
    from mfp_sim.scep import messages

    if content == "csr":
        csr = context.asked.csr if context.asked else None
        return {"message_data": csr.der if csr else b""}
    if content == "crl":
        return {"message_data": messages.certs_only([], [context.revocations.current(context.authority).der])}
    return {"message_data": reply.certificates[0]}


RECIPIENTS = ("issued-certificate", "unrelated-key", "ca")
ONLY = {"statuses": "SUCCESS"}
ANY = "PKIOperation"


def _odd(fault: Odd) -> Any:
    return at(ANY, fault, **ONLY)


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
    "econtent-garbage": Spec(
        "message",
        lambda: at(ANY, Said(_garbage), **ONLY),
    ),
    "env-oaep": Spec("message", lambda digest: _odd(odd(key_transport=OAEP[digest])), (choice("digest", tuple(OAEP)),)),
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


def _garbage(reply: CertRep, context: Context) -> dict[str, Any]:
    """Random octets as content, correctly signed."""
    from dataclasses import replace

    return {"oddities": replace(reply.oddities, content=context.entropy.octets(700))}
