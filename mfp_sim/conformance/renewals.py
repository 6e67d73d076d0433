"""How a server renews: found once per run, and the control for every renewal that must be refused.

A refused renewal proves something only in a form in which a right one is granted: a server that always requires a
challenge refuses a stranger's RenewalReq without one, which shows nothing about its signer. Sends right renewals;
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
    """A form of renewal request. ``challenged``: with a right challenge in addition to the old certificate."""

    what: str
    message_type: MessageType
    challenged: bool

    def order(self, session: Client, **changes: Any) -> Order:
        """A request in this form; ``changes`` as for `Client.order`."""
        fields: dict[str, Any] = {"message_type": self.message_type}
        if not self.challenged:
            fields["challenge"] = None
        return session.order(**{**fields, **changes})

    def secret(self, session: Client) -> str | None:
        """The challenge for a CSR that is made by hand; None if none is sent."""
        return session.draw() if self.challenged else None


WAYS = (
    Way("a RenewalReq without a challenge password", MessageType.RENEWAL_REQ, challenged=False),
    Way("a RenewalReq with the challenge password", MessageType.RENEWAL_REQ, challenged=True),
    Way("a PKCSReq without a challenge password", MessageType.PKCS_REQ, challenged=False),
)
"""In the order in which they are tried. A PKCSReq with the challenge is an enrolment, for every signer."""

_EARLY = re.compile(r"too (early|soon)|not (yet )?(permitted|allowed|possible|due)|until|days? (left|before)", re.I)


@dataclass(frozen=True)
class Renewals:
    """The form that works. ``old`` is the enrolment whose certificate was renewed, ``new`` the reply; ``why`` says why
    there is no control: then ``way`` is the first, and a refusal proves nothing."""

    way: Way
    old: Answer
    new: Answer
    why: Inconclusive | NotApplicable | None = None


def too_early(answer: Answer) -> bool:
    """Whether a right renewal was refused because the old certificate is still valid for too long."""
    text = answer.fail_info_text or ""
    return answer.refused and (answer.fail_info == FailInfo.BAD_TIME or bool(_EARLY.search(text)))


def asked_to_renew(session: Client, way: Way) -> tuple[Answer, Answer]:
    """An enrolment, and the reply to its renewal in one form, each sent once.

    Raises:
        Inconclusive: the enrolment was not granted, or the reply shows nothing.
    """
    old = session.sample("enrolment to renew", session.enrol)
    identity = session.identity(old)

    def ask() -> Answer:
        return session.ask(way.order(session, by=identity, subject=identity.certificate.subject))

    return old, told(session.sample(f"renewal by {way.what}", ask))


def renewals(session: Client) -> Renewals:
    """The form in which a right renewal is granted, by trying `WAYS` one after the other.

    Raises:
        Inconclusive: a right enrolment was not granted, or a reply shows nothing.
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
        why = Inconclusive(f"not tried: the server renews only closer to the certificate's expiry: {early.text}")
    elif session.capabilities.renewal:
        why = Inconclusive(f"no right renewal was granted, so a refusal proves nothing: {came}")
    else:
        why = NotApplicable(f"the server does not advertise Renewal and did not grant one: {came}")
    return Renewals(first[0], old, first[1], why)
