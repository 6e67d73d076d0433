"""Defects in comparing challenges: wrong challenges are accepted, or the right one is disclosed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mfp_sim.shared.scep import der
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.csr import Csr
from mfp_sim.shared.scep.http_messages import HttpReply
from mfp_sim.shared.scep.vocabulary import FailInfo, MessageType
from mock_scep_server.faults.defects.answers import DefectRow, granting, refuse
from mock_scep_server.faults.defects.seen import Seen, asks, wrong_challenge

__all__ = ["ROWS"]


def _right(seen: Seen, csr: Csr) -> bool:
    return seen.service.challenge.check(csr, seen.now) is None


def _enrols(fits: Callable[[Seen, Csr], bool]) -> Callable[[Seen], bool]:
    """Whether the request is a correctly signed PKCSReq whose CSR fits."""
    return lambda seen: (
        seen.kind == MessageType.PKCS_REQ and not seen.forged and seen.csr is not None and fits(seen, seen.csr)
    )


def _changed(change: Callable[[str], str]) -> Callable[[Seen], bool]:
    """Whether the challenge would be right after this change."""
    return _enrols(lambda seen, csr: _right(seen, replace(csr, challenge=change(csr.challenge or ""))))


def _again(seen: Seen, csr: Csr) -> bool:
    """Whether the same CSR arrived before."""
    known = csr.der in seen.gate.met
    seen.gate.met.add(csr.der)
    return known


def _several_values(seen: Seen, csr: Csr) -> bool:
    """Whether a challengePassword has several values, one of which is right."""
    info = der.read(csr.der, "csr").child(0, "certificationRequestInfo")
    for attribute in info.child(3, "attributes").children:
        values = attribute.child(1, "values").children
        if attribute.child(0, "type").to_oid() == v.CHALLENGE_PASSWORD and len(values) > 1:
            return any(_right(seen, replace(csr, challenge=value.to_text())) for value in values)
    return False


def _shows(seen: Seen) -> HttpReply | None:
    if not asks(seen) or not wrong_challenge(seen):
        return None
    right = next((csr.challenge for csr in seen.gate.csrs.values() if _right(seen, csr)), None)
    return refuse(seen, FailInfo.BAD_REQUEST, f"wrong challenge: expected {right}") if right else None


ROWS: tuple[DefectRow, ...] = (
    ("challenge-unchecked-by-get", "Every challenge password is accepted over GET.", ("SCEP-2.4-04",),
     granting(_enrols(lambda seen, _: seen.http.method == "GET"))),
    ("challenge-unchecked-again", "A repeated request is granted with any challenge password.", ("SCEP-2.4-04",),
     granting(_enrols(_again))),
    ("challenge-for-new-names-only", "A subject that already has a certificate needs no challenge password.",
     ("SCEP-2.4-09",),
     granting(_enrols(lambda seen, csr: bool(seen.service.ledger.of_subject(csr.subject))))),
    ("challenge-in-any-case", "The challenge password is compared without regard to case.", ("SCEP-2.4-04",),
     granting(_changed(str.lower))),
    ("challenge-trimmed", "Spaces around the challenge password are ignored.",
     ("SCEP-2.4-04",), granting(_changed(str.strip))),
    ("challenge-of-several", "A challengePassword with several values is accepted if one value is right.",
     ("SCEP-3.3.1-07",),
     granting(_enrols(_several_values))),
    ("shows-challenge", "failInfoText reveals the right challenge password.", ("SCEP-3.2.1.4-11",), _shows),
)  # fmt: skip
"""The defects of this module."""
