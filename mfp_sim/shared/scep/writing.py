"""Writing pkiMessages: requests and CertReps from frozen values. RFC 8894, 3.

Does not use a clock or randomness of its own: the caller passes random bytes as `octets`. Messages are correct unless
`Oddities` ask for a deviation.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.scep import cms, der
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.algorithms import PrivateKey
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.contents import certs_only
from mfp_sim.shared.scep.oddities import CORRECT, Oddities
from mfp_sim.shared.scep.vocabulary import MessageType, PkiStatus

__all__ = ["CertRep", "RequestContent", "encode_cert_rep", "encode_request"]


@dataclass(frozen=True)
class RequestContent:
    """The content of a client's request: its attributes and messageData.

    ``recipient`` may be None only with ``oddities.password``; ``chain`` follows the signer's certificate;
    ``repeatable`` is as for `encode_envelope`.
    """

    message_type: int
    transaction_id: str
    sender_nonce: bytes
    message_data: bytes = field(repr=False)
    recipient: Certificate | None
    digest: str = "sha256"
    cipher: str = "aes-128-cbc"
    signing_time: datetime | None = None
    chain: tuple[Certificate, ...] = ()
    repeatable: bool = False
    oddities: Oddities = CORRECT


def encode_request(
    request: RequestContent,
    *,
    signer_key: PrivateKey,
    signer_certificate: Certificate,
    octets: Callable[[int], bytes],
) -> bytes:
    """A pkiMessage from a client: enveloped for ``request.recipient``, signed with ``signer_key``.

    A RenewalReq, or a PKCSReq that renews in the old way, is signed with the key and certificate to be renewed
    (SCEP-2.3-09, SCEP-2.3-16).

    Raises:
        AlgorithmRefused: an algorithm needs an option, or the recipient's key cannot encrypt.
        UsageError: there is neither a recipient nor an option that makes one unnecessary.
    """
    odd = request.oddities
    if request.recipient is None and odd.password is None and not odd.unencrypted and odd.content is None:
        raise UsageError("a request needs a recipient", remedy="give one, or oddities with a password or unencrypted")
    attributes = _common(request.message_type, request.transaction_id, request.sender_nonce, request.signing_time)
    chain = [signer_certificate, *request.chain]
    return _signed(request.message_data, attributes, request, chain, signer_key, signer_certificate, octets)


@dataclass(frozen=True)
class CertRep:
    """A CA's reply. ``certificates`` and ``crls`` are DER, the issued certificate first; the order is kept.

    ``message_data`` replaces the certificates-only SignedData. ``empty_content`` is the form of eContent in FAILURE
    and PENDING, since no form suits all clients. ``transaction_der`` is the request's transactionID as received, if it
    was not a PrintableString. ``outer_certificates`` follow the signer's certificate, or precede it. ``printable_text``
    makes failInfoText a PrintableString if its characters allow it, as encoders do that choose the type themselves.
    ``repeatable`` is as for `encode_envelope`.
    """

    status: PkiStatus
    transaction_id: str
    recipient_nonce: bytes | None
    sender_nonce: bytes | None
    fail_info: int | None = None
    fail_info_text: str | None = None
    printable_text: bool = False
    certificates: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()
    message_data: bytes | None = field(default=None, repr=False)
    recipient: Certificate | None = None
    digest: str = "sha256"
    cipher: str = "aes-128-cbc"
    empty_content: Literal["absent", "empty", "zero"] = "absent"
    outer_certificates: tuple[Certificate, ...] = ()
    signer_last: bool = False
    signing_time: datetime | None = None
    message_type: int = MessageType.CERT_REP
    transaction_der: bytes | None = None
    repeatable: bool = False
    oddities: Oddities = CORRECT


_PRINTABLE = re.compile(r"[A-Za-z0-9 '()+,./:=?-]*")
_EMPTY = {"absent": None, "empty": b"", "zero": b"\x00"}


def encode_cert_rep(
    reply: CertRep,
    *,
    signer_key: PrivateKey,
    signer_certificate: Certificate,
    octets: Callable[[int], bytes],
) -> bytes:
    """A CertRep: enveloped if there is something to deliver and a ``recipient``, else with empty content."""
    odd, data = reply.oddities, reply.message_data
    if data is None and (reply.certificates or reply.crls or odd.bag_others or odd.bag_empty_sets):
        data = certs_only(reply.certificates, reply.crls, oddities=odd)
    attributes = _common(reply.message_type, reply.transaction_id, reply.sender_nonce, reply.signing_time)
    if reply.transaction_der is not None:
        attributes["transactionID"] = reply.transaction_der
    attributes["pkiStatus"] = der.printable_string(str(int(reply.status)))
    if reply.recipient_nonce is not None:
        attributes["recipientNonce"] = der.octet_string(reply.recipient_nonce)
    if reply.fail_info is not None:
        attributes["failInfo"] = der.printable_string(str(int(reply.fail_info)))
    if reply.fail_info_text is not None:
        plain = reply.printable_text and _PRINTABLE.fullmatch(reply.fail_info_text)
        attributes["failInfoText"] = (der.printable_string if plain else der.utf8_string)(reply.fail_info_text)
    outer, own = list(reply.outer_certificates), [signer_certificate]
    chain = outer + own if reply.signer_last else own + outer
    return _signed(data, attributes, reply, chain, signer_key, signer_certificate, octets)


def _signed(
    data: bytes | None,
    attributes: dict[str, bytes],
    plan: RequestContent | CertRep,
    certificates: Sequence[Certificate],
    signer_key: PrivateKey,
    signer_certificate: Certificate,
    octets: Callable[[int], bytes],
) -> bytes:
    """The enveloped and signed message; the two layers may be swapped."""
    odd = plan.oddities
    content = _EMPTY[plan.empty_content] if isinstance(plan, CertRep) else None
    deliverable = plan.recipient is not None or odd.password is not None

    def enveloped(plaintext: bytes) -> bytes:
        return cms.encode_envelope(
            plaintext,
            recipient=plan.recipient,
            cipher=plan.cipher,
            octets=octets,
            repeatable=plan.repeatable,
            oddities=odd,
        )

    if data is not None and (odd.unencrypted or odd.layers_swapped):
        content = data
    elif data is not None and deliverable:
        content = enveloped(data)
    if odd.content is not None:
        content = odd.content
    message = cms.encode_signed_data(
        content,
        _attributes(attributes, odd),
        signer_key=signer_key,
        signer_certificate=signer_certificate,
        certificates=certificates,
        digest=plan.digest,
        oddities=odd,
        contradiction=_contradiction(attributes, odd) if odd.signers == "two" else (),
    )
    return enveloped(message) if odd.layers_swapped and deliverable else message


def _common(
    message_type: int, transaction_id: str, sender_nonce: bytes | None, signing_time: datetime | None
) -> dict[str, bytes]:
    """The values of the attributes that requests and replies share, by name."""
    text = der.printable_string if transaction_id.isascii() else der.utf8_string
    found = {
        "messageType": der.printable_string(str(int(message_type))),
        "transactionID": text(transaction_id),
    }
    if sender_nonce is not None:
        found["senderNonce"] = der.octet_string(sender_nonce)
    if signing_time is not None:
        found[v.SIGNING_TIME] = der.time(signing_time)
    return found


def _contradiction(attributes: dict[str, bytes], odd: Oddities) -> list[bytes]:
    """The encoded attributes of the second SignerInfo."""
    return _attributes({**attributes, **{name: values[0] for name, values in odd.second_signer}}, odd)


def _attributes(values: dict[str, bytes], odd: Oddities) -> list[bytes]:
    """The encoded attributes, with the omissions, other values and repetitions that ``odd`` asks for."""
    several: dict[str, tuple[bytes, ...]] = {name: (value,) for name, value in values.items()}
    several.update(odd.instead)
    pairs = [(name, found) for name, found in several.items() if name not in odd.omit]
    return [cms.attribute(v.SCEP_ATTRIBUTES.get(name, name), *found) for name, found in (*pairs, *odd.repeat)]
