"""What a gate answers: a signed FAILURE, a certificate for anybody, or a text of HTTP, with the CA's own keys."""

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
"""What is answered in the CA's place; None where the defect does not apply."""
DefectRow = tuple[str, str, tuple[str, ...], Instead]
"""A defect: its slug, what it does, the requirements it breaks, and how."""


def encode(seen: Seen, cert_rep: CertRep, chance: Callable[[int], bytes] | None = None) -> HttpReply:
    """A CertRep on the wire, signed with the CA's key; ``chance`` gives content key and initialisation vector."""
    signer = seen.authority.signer
    octets = messages.encode_cert_rep(
        cert_rep, signer_key=signer.key, signer_certificate=signer.certificate, octets=chance or seen.gate.octets
    )
    return HttpReply(200, headers=(("Content-Type", PKI_MESSAGE),), body=octets)


def reply(seen: Seen, status: PkiStatus) -> CertRep:
    """A CertRep to the request that was seen."""
    message = seen.message
    return CertRep(
        status=status,
        transaction_id=message.transaction_id if message else "unknown",
        recipient_nonce=message.sender_nonce if message else None,
        sender_nonce=seen.gate.octets(16),
    )


def failure(seen: Seen, info: FailInfo) -> CertRep:
    """A FAILURE to the request that was seen, without a text."""
    return replace(reply(seen, PkiStatus.FAILURE), fail_info=info)


def refuse(seen: Seen, info: FailInfo, text: str) -> HttpReply:
    """A signed FAILURE."""
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
    """A certificate for whatever CSR is in the request, to whoever signed it; None where there is no CSR.

    Args:
        seen: the request.
        change: sets fields of the certificate otherwise.
        digest: of the certificate's signature.
        outside: the certificate is shown beside the envelope too.
        bag: changes the messageData.
        csr: another request than the one in the message.
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
    """A change of certificates: one more extension, in place of one of its kind."""

    def change(template: Template) -> Template:
        others = (other for other in template.extensions if other[0] != extension[0])
        return replace(template, extensions=(*others, extension))

    return change


def instead(applies: Callable[[Seen], bool], answer: HttpReply | Delivery) -> Instead:
    """The same answer wherever it applies."""
    return lambda seen: answer if applies(seen) else None


def granting(applies: Callable[[Seen], bool], how: Callable[[Seen], HttpReply | None] = grant) -> Instead:
    """Grants where it applies, as ``how`` does: :func:`grant`, or a ``partial`` of it."""
    return lambda seen: how(seen) if seen.octets and applies(seen) else None


def text(status: int, text: str) -> HttpReply:
    """An HTTP reply of plain text."""
    return HttpReply(status, headers=(("Content-Type", TEXT),), body=text.encode())


def refusing(applies: Callable[[Seen], bool], info: FailInfo, text: str) -> Instead:
    """Refuses the pkiMessages to which it applies."""
    return lambda seen: refuse(seen, info, text) if seen.message is not None and applies(seen) else None


def crashing(applies: Callable[[Seen], bool]) -> Instead:
    """Answers the pkiMessages to which it applies with HTTP 500."""
    return instead(lambda seen: seen.message is not None and applies(seen), CRASHED)


CRASHED = text(500, "internal error")
HUNG_UP = Delivery((Close(),), keep_alive=False)
