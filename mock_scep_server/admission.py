"""Decides whether a new request may have a certificate: renewals, challenges, duplicate names. The reason is a refusal.

A request signed with a certificate of this CA is a renewal, whether it is a RenewalReq or a PKCSReq in the old style;
it needs no challenge unless it asks for another identity (SCEP-2.4-13, SCEP-2.4-14, SCEP-3.3.1-12, SCEP-3.3.1-13). Not
thread-safe: a one-time challenge is used up here, so the caller holds a lock.
"""

from __future__ import annotations

from datetime import timedelta

from mfp_sim.shared.errors import DecodeError
from mfp_sim.shared.scep.certificate import Certificate, same_name
from mfp_sim.shared.scep.csr import Csr
from mfp_sim.shared.scep.vocabulary import FailInfo, MessageType
from mock_scep_server.asked import Asked, Refusal
from mock_scep_server.ca_parts import CaParts
from mock_scep_server.orders import Orders

__all__ = ["Admission"]


class Admission:
    """The rules of one CA."""

    def __init__(self, parts: CaParts, orders: Orders) -> None:
        self._parts, self._profile, self._clock, self._orders = parts, parts.profile, parts.clock, orders

    def refuse(self, asked: Asked) -> Refusal | None:
        """The reason why the request gets no certificate, or None.

        Raises:
            AskFirst: the decision depends on a challenge command, or on a certificate that is being signed.
        """
        csr, signer, old = asked.csr, asked.signer, asked.renews
        assert csr is not None
        assert signer is not None
        if self._apart is not None:
            self._orders.wait_for(subject=csr.subject)  # before a challenge is used up
        unchecked = self._profile.renewal_signer == "unchecked"
        if asked.message.message_type == MessageType.RENEWAL_REQ and not unchecked:
            if old is None:
                return Refusal(FailInfo.BAD_REQUEST, "a RenewalReq must be signed with a certificate of this CA")
            wrong = self._unfit(old)
            if wrong is not None:
                return wrong
        renewal = old is not None and self._unfit(old) is None
        if renewal:
            assert old is not None
            early = self._too_early(old)
            if early is not None:
                return early
        if not (renewal and _same_identity(csr, signer) and not self._profile.renewal_challenge):
            reason = self._challenged(csr)
            if reason is not None:
                return Refusal(FailInfo.BAD_REQUEST, reason)
        return None if renewal else self._taken(csr)

    def _challenged(self, csr: Csr) -> str | None:
        """The reason to refuse the challenge, or None."""
        if self._profile.challenge == "ignored":
            return None
        if (
            not self._parts.challenge.wanted
            and csr.challenge is not None
            and self._profile.unasked_challenge == "refused"
        ):
            return "no challenge password is configured, but the request has one"
        return self._parts.challenge.check(csr, self._clock.now())

    def _unfit(self, certificate: Certificate) -> Refusal | None:
        """The reason why a certificate cannot authenticate its renewal, or None (F-W05, F-W06, F-C09)."""
        now = self._clock.now()
        if now > certificate.not_after:
            return Refusal(
                FailInfo.BAD_REQUEST, f"the certificate expired at {certificate.not_after:%Y-%m-%dT%H:%M:%SZ}"
            )
        if now < certificate.not_before:
            return Refusal(FailInfo.BAD_REQUEST, "the certificate is not valid yet")
        if self._parts.revocations.is_revoked(certificate.serial):
            return Refusal(FailInfo.BAD_REQUEST, "the certificate is revoked")
        return None

    def _too_early(self, certificate: Certificate) -> Refusal | None:
        window = self._parts.policy.renewal_window
        if window is None:
            return None
        begins = certificate.not_after - window
        if self._clock.now() >= begins:
            return None
        return Refusal(FailInfo.BAD_REQUEST, f"renewal is not permitted until {begins:%Y-%m-%dT%H:%M:%SZ}")

    @property
    def _apart(self) -> timedelta | None:
        """How long before its certificate expires a name may get another one; None: at any time."""
        window = self._parts.policy.duplicates
        return self._profile.duplicates if window is None else window

    def _taken(self, csr: Csr) -> Refusal | None:
        """The rule for names that already have a certificate (F-W09, F-S14)."""
        window, now = self._apart, self._clock.now()
        if window is None:
            return None
        for entry in self._parts.ledger.of_subject(csr.subject):
            known = entry.certificate
            if now < known.not_after - window and not self._parts.revocations.is_revoked(known.serial):
                return Refusal(FailInfo.BAD_REQUEST, f"{known.subject_text} already has a certificate")
        return None


def _same_identity(csr: Csr, certificate: Certificate) -> bool:
    """Whether a request contains no name that the certificate does not contain."""
    if not same_name(csr.subject, certificate.subject):
        return False
    try:
        return set(csr.sans) <= set(certificate.sans)
    except DecodeError:
        return False
