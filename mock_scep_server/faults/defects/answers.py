"""The replies of a gate: a signed FAILURE, a certificate for any client, or an HTTP text, with the CA's own keys."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mfp_sim.shared.scep import messages
from mfp_sim.shared.scep.csr import Csr
from mfp_sim.shared.scep.http_messages import PKI_MESSAGE, TEXT, Close, Delivery, HttpReply
from mfp_sim.shared.scep.messages import CertRep
from mfp_sim.shared.scep.vocabulary import FailInfo, PkiStatus
from mock_scep_server import grants
from mock_scep_server.ca import Template
from mock_scep_server.faults.defects.seen import Seen

__all__ = [
    "CRASHED",
    "HUNG_UP",
    "DefectRow",
    "Instead",
    "adding",
    "crashing",
    "encode",
    "failure",
    "grant",
    "granting",
    "instead",
    "refuse",
    "refusing",
    "reply",
    "text",
]  # fmt: skip

Instead = Callable[[Seen], HttpReply | Delivery | None]
"""Returns the reply that replaces the CA's; None where the defect does not apply."""
DefectRow = tuple[str, str, tuple[str, ...], Instead]
"""A row of a table of defects: slug, sentence, broken requirements, and implementation."""


def encode(seen: Seen, cert_rep: CertRep, chance: Callable[[int], bytes] | None = None) -> HttpReply:
    """Return the reply with this CertRep, signed with the CA's key; `chance` gives content key and initialisation
    vector."""
    signer = seen.authority.signer
    octets = messages.encode_cert_rep(
        cert_rep, signer_key=signer.key, signer_certificate=signer.certificate, octets=chance or seen.gate.octets
    )
    return HttpReply(200, headers=(("Content-Type", PKI_MESSAGE),), body=octets)


def reply(seen: Seen, status: PkiStatus) -> CertRep:
    """Return a CertRep to the request."""
    message = seen.message
    return CertRep(
        status=status,
        transaction_id=message.transaction_id if message else "unknown",
        recipient_nonce=message.sender_nonce if message else None,
        sender_nonce=seen.gate.octets(16),
    )


def failure(seen: Seen, info: FailInfo) -> CertRep:
    """Return a FAILURE to the request, without failInfoText."""
    return replace(reply(seen, PkiStatus.FAILURE), fail_info=info)


def refuse(seen: Seen, info: FailInfo, text: str) -> HttpReply:
    """Return a signed FAILURE."""
    return encode(seen, replace(failure(seen, info), fail_info_text=text))


def grant(
    seen: Seen,
    *,
    change: Callable[[Template], Template] = lambda template: template,
    digest: str = "sha256",
    outside: bool = False,
    bag: Callable[[bytes], bytes] | None = None,
    csr: Csr | None = None,
    chance: Callable[[int], bytes] | None = None,
) -> HttpReply | None:
    """Grant a certificate for any CSR in the request, regardless of its signer; None if there is no CSR.

    Args:
        seen: the request.
        change: changes fields of the certificate.
        digest: the digest algorithm of the certificate's signature.
        outside: also put the certificate outside the envelope.
        bag: changes the messageData.
        csr: replaces the CSR in the message.
        chance: gives the content key and the initialisation vector of the reply.
    """
    asked, ca = csr or seen.csr, seen.authority
    if asked is None:
        return None
    issued = ca.sign(change(ca.template(asked, grants.grant(asked))), digest)
    cert_rep = replace(
        reply(seen, PkiStatus.SUCCESS),
        certificates=(issued.der, ca.issuer.certificate.der),
        recipient=seen.signer or next(iter(seen.signers), issued),
        outer_certificates=(issued,) if outside else (),
    )
    if bag is not None:
        cert_rep = replace(cert_rep, message_data=bag(messages.certs_only(cert_rep.certificates)))
    return encode(seen, cert_rep, chance)


def adding(extension: tuple[str, bool, bytes]) -> Callable[[Template], Template]:
    """Make a change of certificates that adds one extension or replaces one of its kind."""

    def change(template: Template) -> Template:
        others = (other for other in template.extensions if other[0] != extension[0])
        return replace(template, extensions=(*others, extension))

    return change


def instead(applies: Callable[[Seen], bool], answer: HttpReply | Delivery) -> Instead:
    """Give the same reply wherever the defect applies."""
    return lambda seen: answer if applies(seen) else None


def granting(applies: Callable[[Seen], bool], how: Callable[[Seen], HttpReply | None] = grant) -> Instead:
    """Grant where the defect applies, with `how`: `grant`, or a `partial` of it."""
    return lambda seen: how(seen) if seen.octets and applies(seen) else None


def text(status: int, text: str) -> HttpReply:
    """Return an HTTP reply in plain text."""
    return HttpReply(status, headers=(("Content-Type", TEXT),), body=text.encode())


def refusing(applies: Callable[[Seen], bool], info: FailInfo, text: str) -> Instead:
    """Refuse the pkiMessages to which the defect applies."""
    return lambda seen: refuse(seen, info, text) if seen.message is not None and applies(seen) else None


def crashing(applies: Callable[[Seen], bool]) -> Instead:
    """Answer the pkiMessages to which the defect applies with HTTP 500."""
    return instead(lambda seen: seen.message is not None and applies(seen), CRASHED)


CRASHED = text(500, "internal error")
HUNG_UP = Delivery((Close(),), keep_alive=False)
