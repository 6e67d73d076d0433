"""Servers stricter than the mock itself, so that every check passes somewhere."""

from __future__ import annotations

from mfp_sim.shared.scep.http_messages import Delivery, HttpReply
from mfp_sim.shared.scep.vocabulary import FailInfo, MessageType
from mock_scep_server.faults.defects.answers import DefectRow, refuse, text
from mock_scep_server.faults.defects.seen import Seen, asks

__all__ = ["ROWS"]


def _without_nonce(seen: Seen) -> HttpReply | None:
    if seen.message is None or seen.message.sender_nonce is not None:
        return None
    return refuse(seen, FailInfo.BAD_REQUEST, "the senderNonce is missing")


PATIENCE = 20
"""The number of consecutive wrong challenges that are answered before the gate answers 429."""


def _limited(seen: Seen) -> HttpReply | Delivery | None:
    """Count by the CA's own reply: comparing the challenge a second time would use it up."""
    if not asks(seen):
        return None
    delivery = seen.service.handle(seen.http, "gate")
    seen.gate.guesses = seen.gate.guesses + 1 if b"challenge password is wrong" in delivery.octets else 0
    return text(429, "too many wrong challenges") if seen.gate.guesses > PATIENCE else delivery


def _for_the_ca(seen: Seen) -> HttpReply | None:
    envelope = seen.message.envelope if seen.message else None
    mine = envelope is not None and any(r.names(seen.authority.issuer.certificate) for r in envelope.recipients)
    asked = mine and seen.kind == MessageType.CERT_POLL
    return refuse(seen, FailInfo.BAD_CERT_ID, "no such transaction") if asked else None


ROWS: tuple[DefectRow, ...] = (
    ("wants-nonce", "A request without senderNonce is refused.", ("SCEP-3.2.1.5-06",), _without_nonce),
    ("limits-guesses", "Many consecutive wrong challenge passwords are answered with 429.", ("SCEP-7.3-04",), _limited),
    ("reads-for-the-ca", "A CertPoll enveloped to the CA is also read if there is an RA.",
     ("SCEP-4.2.1.2-02",), _for_the_ca),
)  # fmt: skip
