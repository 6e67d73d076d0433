"""Faults of the outer SignedData: its signer, the signed bytes, its encoding. RFC 8894, 3 and 3.2; RFC 5652, 5."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from typing import Literal

from mfp_sim.shared.scep import der
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.certificate import Identity
from mfp_sim.shared.scep.messages import CertRep
from mock_scep_server.ca import CertificateAuthority
from mock_scep_server.faults import strangers
from mock_scep_server.faults.base import Context, Fault
from mock_scep_server.faults.bytes import AlteredBody, pem
from mock_scep_server.faults.certificates import Face
from mock_scep_server.faults.combined import Together, at
from mock_scep_server.faults.decide import FAILURE, PENDING
from mock_scep_server.faults.message import Said, odd
from mock_scep_server.faults.registry import Spec, among, choice, one_of
from mock_scep_server.grants import grant

PKI = "PKIOperation"
MESSAGES = "PKCSReq RenewalReq CertPoll"


def _signed_by(who: Callable[[Context], Identity]) -> Fault:
    """Another signer signs CertReps and includes its certificate, which GetCACert does not return."""

    def change(authority: CertificateAuthority, context: Context) -> CertificateAuthority:
        return authority.altered(signer=who(context), published=authority.certificates)

    return at(PKI, Face(change))


STRANGER = _signed_by(strangers.stranger)


def _printable(name: str, text: str) -> tuple[str, tuple[bytes, ...]]:
    return name, (der.printable_string(text),)


AFTER_SIGNING: dict[str, Fault] = {
    "pki-status": at(MESSAGES, FAILURE, odd(after_signing=(_printable("pkiStatus", "0"),))),
    "transaction-id": odd(after_signing=(_printable("transactionID", "changed after signing"),)),
}
ORDERS: dict[str, Fault] = {
    "signed-sorted": odd(attribute_order="unsorted-signed-sorted"),
    "signed-unsorted": odd(attribute_order="unsorted"),
    "signed-as-a0": odd(attribute_order="signed-as-a0"),
}
NO_CERTIFICATES: dict[str, Fault] = {
    "good": odd(certificates="absent"),
    "corrupted": odd(certificates="absent", signature="flipped"),
}
EmptyContent = Literal["absent", "empty", "zero"]
EMPTY: dict[str, EmptyContent] = {"absent": "absent", "zero-length": "empty", "zero-octet": "zero"}


def _empty(form: str, status: str) -> Fault:
    decided = FAILURE if status == "failure" else PENDING
    return at(MESSAGES, decided, Said(lambda reply, context: replace(reply, empty_content=EMPTY[form])))


def _decoy_outside(reply: CertRep, context: Context) -> CertRep:
    """A certificate for the client's key from another issuer, outside the envelope."""
    csr = context.asked.csr if context.asked else None
    if csr is None:
        return reply
    issuer = strangers.stranger(context)
    template = replace(context.authority.template(csr, grant(csr)), serial=strangers.serial(context), issuer=issuer)
    return replace(reply, outer_certificates=(*reply.outer_certificates, context.authority.sign(template)))


TEXT_FORMS = {
    "pem": lambda octets, context: pem(octets, "CMS"),
    "base64": lambda octets, context: base64.b64encode(octets),
}
TRAILERS = {"crlf": b"\r\n", "garbage": b"\x00\x17garbage after the message"}


def _digest(name: str) -> Said:
    return Said(lambda reply, context: replace(reply, digest=name))


TABLE: dict[str, Spec] = {
    "attr-stripping": Spec("message", lambda: odd(attributes="stripped")),
    "attrs-unsigned": Spec("message", lambda: odd(attributes="unsigned")),
    "attrs-unsorted": among("message", "form", ORDERS),
    "bad-attr": among("message", "name", AFTER_SIGNING),
    "bad-message-digest": Spec("message", lambda: odd(message_digest="wrong")),
    "bad-signature": Spec("message", lambda: odd(signature="flipped")),
    "certrep-ber": Spec("message", lambda: odd(ber=True)),
    "certrep-ee-signer": Spec("certificates", lambda: _signed_by(strangers.device)),
    "certrep-md5": Spec("message", lambda: odd(md5=True)),
    "certrep-no-certs": among("message", "signature", NO_CERTIFICATES),
    "certrep-pem": one_of("bytes", "form", TEXT_FORMS, lambda form: at(PKI, AlteredBody(form))),
    "certrep-sha512": Spec("message", lambda: _digest("sha512")),
    "certrep-stranger-signer": Spec("certificates", lambda: STRANGER),
    "certrep-trailing": one_of("message", "what", TRAILERS, lambda what: odd(trailing=what)),
    "digest-alg-mismatch": Spec("message", lambda: odd(listed_digests=("sha1",))),
    "econtenttype-enveloped": Spec("message", lambda: odd(content_type=v.ENVELOPED_DATA)),
    "empty-econtent": Spec("message", _empty, (choice("form", tuple(EMPTY)), choice("status", ("failure", "pending")))),
    "forged-failure": Spec("certificates", lambda: Together((at(MESSAGES, FAILURE), STRANGER))),
    "layers-swapped": Spec("message", lambda: odd(layers_swapped=True)),
    "no-signed-attrs": Spec("message", lambda: odd(attributes="none")),
    "outer-decoy-cert": Spec("message", lambda: Said(_decoy_outside)),
    "sid-ski": Spec("message", lambda: odd(signer_by="key-identifier")),
    "sigalg-combined": Spec("message", lambda: odd(signature_name="combined")),
    "sigalg-pss": Spec("message", lambda: odd(signature_name="pss")),
    "two-signers": Spec("message", lambda: odd(signers="two", second_signer=(_printable("pkiStatus", "2"),))),
    "zero-signers": Spec("message", lambda: odd(signers="none")),
}
