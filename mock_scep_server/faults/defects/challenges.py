"""Defects of comparing: challenges that are taken though they are not the right one, or told to whoever asks."""

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
    """Whether it is a well-signed PKCSReq whose CSR fits."""
    return lambda seen: (
        seen.kind == MessageType.PKCS_REQ and not seen.forged and seen.csr is not None and fits(seen, seen.csr)
    )


def _changed(change: Callable[[str], str]) -> Callable[[Seen], bool]:
    """Whether the challenge would be right if it were changed so."""
    return _enrols(lambda seen, csr: _right(seen, replace(csr, challenge=change(csr.challenge or ""))))


def _again(seen: Seen, csr: Csr) -> bool:
    """The same CSR came before."""
    known = csr.der in seen.gate.met
    seen.gate.met.add(csr.der)
    return known


def _several_values(seen: Seen, csr: Csr) -> bool:
    """A challengePassword has several values, one of which is right."""
    info = der.read(csr.der, "csr").child(0, "certificationRequestInfo")
    for attribute in info.child(3, "attributes").children:
        values = attribute.child(1, "values").children
        if attribute.child(0, "type").to_oid() == v.CHALLENGE_PASSWORD and len(values) > 1:
            return any(_right(seen, replace(csr, challenge=value.to_text())) for value in values)
    return False


def _tells(seen: Seen) -> HttpReply | None:
    if not asks(seen) or not wrong_challenge(seen):
        return None
    right = next((csr.challenge for csr in seen.gate.csrs.values() if _right(seen, csr)), None)
    return refuse(seen, FailInfo.BAD_REQUEST, f"wrong challenge: expected {right}") if right else None


ROWS: tuple[DefectRow, ...] = (
    ("challenge-unchecked-by-get", "Whatever challenge comes by GET is taken.", ("SCEP-2.4-04",),
     granting(_enrols(lambda seen, _: seen.http.method == "GET"))),
    ("challenge-unchecked-again", "A request that comes again is granted, whatever its challenge.", ("SCEP-2.4-04",),
     granting(_enrols(_again))),
    ("challenge-for-new-names-only", "A name that has a certificate needs no challenge.", ("SCEP-2.4-09",),
     granting(_enrols(lambda seen, csr: bool(seen.service.ledger.of_subject(csr.subject))))),
    ("challenge-in-any-case", "Small and capital letters of a challenge are the same.", ("SCEP-2.4-04",),
     granting(_changed(str.lower))),
    ("challenge-trimmed", "Blanks around a challenge do not matter.", ("SCEP-2.4-04",), granting(_changed(str.strip))),
    ("challenge-of-several", "One right value among those of a challengePassword will do.", ("SCEP-3.3.1-07",),
     granting(_enrols(_several_values))),
    ("tells-challenge", "failInfoText says what the right challenge is.", ("SCEP-3.2.1.4-11",), _tells),
)  # fmt: skip
"""The defects of this module."""
