"""In which way a server renews: found once a run, and the control of every renewal that has to be refused.

A renewal that is refused proves something only in a way in which a right one is granted: a server that asks everybody
for a challenge refuses a stranger's RenewalReq without one, and says nothing of its signer. Sends right renewals;
judges nothing. RFC 8894, 2.3, 2.5 and 3.3.1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from mfp_sim.conformance.answers import Answer, Order
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.facts import told
from mfp_sim.conformance.outcomes import Inconclusive, NotApplicable
from mfp_sim.shared.scep.vocabulary import FailInfo, MessageType

__all__ = ["WAYS", "Renewals", "Way", "asked_to_renew", "renewals", "too_early"]


@dataclass(frozen=True)
class Way:
    """How a renewal is asked for. ``challenged``: with a right challenge beside the old certificate."""

    what: str
    message_type: MessageType
    challenged: bool

    def order(self, session: Client, **changes: Any) -> Order:
        """A request in this way; ``changes`` as for :meth:`Client.order`."""
        fields: dict[str, Any] = {"message_type": self.message_type}
        if not self.challenged:
            fields["challenge"] = None
        return session.order(**{**fields, **changes})

    def secret(self, session: Client) -> str | None:
        """The challenge for a CSR that is made by hand; None where none is sent."""
        return session.draw() if self.challenged else None


WAYS = (
    Way("a RenewalReq without a challenge", MessageType.RENEWAL_REQ, challenged=False),
    Way("a RenewalReq with the challenge", MessageType.RENEWAL_REQ, challenged=True),
    Way("a PKCSReq without a challenge", MessageType.PKCS_REQ, challenged=False),
)
"""In the order in which they are tried. A PKCSReq with the challenge is an enrolment, whoever signed it."""

_EARLY = re.compile(r"too (early|soon)|not (yet )?(permitted|allowed|possible|due)|until|days? (left|before)", re.I)


@dataclass(frozen=True)
class Renewals:
    """What is known. ``old`` is the enrolment whose certificate was renewed, ``new`` the answer; ``why`` says why there
    is no control: then ``way`` is the first, and a refusal proves nothing."""

    way: Way
    old: Answer
    new: Answer
    why: Inconclusive | NotApplicable | None = None


def too_early(answer: Answer) -> bool:
    """Whether a right renewal was refused because the old certificate is still good for too long."""
    text = answer.fail_info_text or ""
    return answer.refused and (answer.fail_info == FailInfo.BAD_TIME or bool(_EARLY.search(text)))


def asked_to_renew(session: Client, way: Way) -> tuple[Answer, Answer]:
    """An enrolment, and the answer to its renewal in a way, each made once.

    Raises:
        Inconclusive: the enrolment was not granted, or the reply tells nothing.
    """
    old = session.sample("enrolment to renew", session.enrol)
    identity = session.identity(old)

    def ask() -> Answer:
        return session.ask(way.order(session, by=identity, subject=identity.certificate.subject))

    return old, told(session.sample(f"renewal by {way.what}", ask))


def renewals(session: Client) -> Renewals:
    """The way in which a right renewal is granted, by trying :data:`WAYS` one after the other.

    Raises:
        Inconclusive: a right enrolment was not granted, or a reply tells nothing.
    """
    tried: list[tuple[Way, Answer]] = []
    for way in WAYS:
        if way.challenged and session.challenges.next() is None:
            continue
        old, new = asked_to_renew(session, way)
        if new.granted:
            return Renewals(way, old, new)
        tried.append((way, new))
    first = tried[0]
    early = next((new for _, new in tried if too_early(new)), None)
    came = "; ".join(f"{way.what}: {new.text}" for way, new in tried)
    why: Inconclusive | NotApplicable
    if early is not None:
        why = Inconclusive(f"not tried: the server renews when the certificate is nearer to its end: {early.text}")
    elif session.capabilities.renewal:
        why = Inconclusive(f"no right renewal was granted, so nothing follows from a refusal: {came}")
    else:
        why = NotApplicable(f"the server does not advertise Renewal, and granted none: {came}")
    return Renewals(first[0], old, first[1], why)
