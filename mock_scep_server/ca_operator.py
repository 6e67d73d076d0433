"""The acts of the CA's operator at run time: approve, reject, hold, revoke, prepare a next CA, replace the RA, create
challenges.

The single entry point for scenarios, the control port and tests. Every act is one step under the lock of the service.
If the CA has a stored state, the act is stored when it returns.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass
from datetime import datetime, timedelta

from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.scep.crl import REASONS
from mfp_sim.shared.scep.vocabulary import FailInfo
from mock_scep_server.asked import Refusal
from mock_scep_server.authorities import Lineage
from mock_scep_server.ca import CertificateAuthority
from mock_scep_server.ca_parts import CaParts
from mock_scep_server.challenges import GivenChallenge, OneTimeChallenges
from mock_scep_server.ledger import LedgerEntry
from mock_scep_server.transactions import Transaction, Transactions

__all__ = ["CaOperator"]


@dataclass(frozen=True)
class Waiting:
    """A request that waits for the operator."""

    transaction: str
    subject: str
    since: datetime
    approved: bool

    def to_json(self) -> dict[str, object]:
        """As a JSON-able object."""
        return {**vars(self), "since": self.since.isoformat()}


class _Act:
    """A step that is stored when it ends."""

    def __init__(self, parts: CaParts) -> None:
        self._parts = parts

    def __enter__(self) -> None:
        self._parts.lock.__enter__()

    def __exit__(self, *raised: object) -> None:
        self._parts.lock.__exit__(*raised)
        self._parts.store.commit()


class CaOperator:
    """The acts. A pattern is a shell pattern of a subject, or a transactionID."""

    def __init__(self, parts: CaParts, transactions: Transactions) -> None:
        self._parts, self._transactions, self._lock = parts, transactions, _Act(parts)

    @property
    def waiting(self) -> tuple[Waiting, ...]:
        """The undecided requests, in order of arrival."""
        with self._lock:
            return tuple(
                Waiting(identifier, known.csr.subject_text, known.begun, known.approved)
                for identifier, known in self._transactions.waiting
            )

    def approve(self, pattern: str = "*", *, transaction: str | None = None) -> int:
        """Approve waiting requests; their certificates are issued when the clients poll. `transaction` selects exactly
        this transactionID, which the client chose and which may look like a pattern.

        Returns:
            The number of requests, except those approved before.
        """
        with self._lock:
            chosen = [
                (identifier, known) for identifier, known in self._choose(pattern, transaction) if not known.approved
            ]
            for identifier, known in chosen:
                known.approved = True
                self._transactions.changed(identifier)
            return len(chosen)

    def reject(
        self,
        pattern: str = "*",
        fail_info: int = 2,
        text: str = "rejected by the operator",
        *,
        transaction: str | None = None,
    ) -> int:
        """Reject waiting requests permanently; `transaction` as in `approve`.

        Returns:
            How many they were.
        """
        with self._lock:
            chosen = self._choose(pattern, transaction)
            for identifier, known in chosen:
                known.refused, known.waits = Refusal(FailInfo(fail_info), text), False
                self._transactions.changed(identifier)
            return len(chosen)

    def _choose(self, pattern: str, transaction: str | None) -> list[tuple[str, Transaction]]:
        """The waiting requests whose subject or transactionID matches, or the one with the given transactionID."""

        def fits(identifier: str, known: Transaction) -> bool:
            if transaction is not None:
                return identifier == transaction
            return identifier == pattern or fnmatch.fnmatchcase(known.csr.subject_text, pattern)

        return [(identifier, known) for identifier, known in self._transactions.waiting if fits(identifier, known)]

    def hold(self, pattern: str = "*") -> int:
        """Make new requests whose subject matches wait for approval.

        Returns:
            The number of newly held patterns: 0 or 1.
        """
        with self._lock:
            held = self._transactions.held
            self._transactions.hold(held | {pattern})
            return int(pattern not in held)

    def release(self, pattern: str = "*") -> int:
        """Stop holding new requests whose subject matches; waiting requests are granted at their next poll.

        Returns:
            The number of released patterns: 0 or 1.
        """
        with self._lock:
            held = self._transactions.held
            self._transactions.hold(held - {pattern})
            return int(pattern in held)

    def revoke(self, pattern: str, reason: str = "unspecified") -> int:
        """Revoke the certificates whose subject matches, or the one with this serial number (hex).

        Returns:
            The number of certificates, except those revoked before.

        Raises:
            UsageError: the reason is unknown.
        """
        if reason not in REASONS:
            raise UsageError(f"there is no revocation reason {reason!r}", remedy=", ".join(REASONS))

        def fits(entry: LedgerEntry) -> bool:
            certificate = entry.certificate
            return f"{certificate.serial:x}" == pattern or fnmatch.fnmatchcase(certificate.subject_text, pattern)

        chosen = [entry.certificate for entry in self._parts.ledger.entries if fits(entry)]
        with self._lock:
            return sum(self._parts.revocations.revoke(certificate.serial, reason) for certificate in chosen)

    def roll_over(
        self, publish: datetime, switch: datetime, overlap: timedelta | None = None, identifier: str | None = None
    ) -> CertificateAuthority:
        """Prepare a next CA: published from one date and current from another.

        Raises:
            UsageError: it would take over before it is published, or there is no CA with that identifier.
        """
        if switch < publish:
            raise UsageError("the next CA must be published before it takes over")
        lineage = self._lineage(identifier)
        with self._lock:
            return lineage.prepare(publish, switch, overlap)

    def replace_ra(self, identifier: str | None = None) -> int:
        """Give the RA of the current CA new keys and certificates; the CA does not change.

        Returns:
            The number of replaced RAs: 1, or 0 if the CA has no RA.

        Raises:
            UsageError: there is no CA with that identifier.
        """
        lineage = self._lineage(identifier)
        with self._lock:
            return int(lineage.replace_ra(self._parts.clock.now()))

    def _lineage(self, identifier: str | None) -> Lineage:
        lineage = self._parts.authorities.named(identifier)
        if lineage is None:
            raise UsageError(f"there is no CA {identifier!r}")
        return lineage

    def give_challenge(self, subject: str | None = None, *, secret: str | None = None) -> str:
        """Create a one-time challenge: a new one, or `secret`; with `subject`, a pattern, only for that subject.

        Raises:
            UsageError: the CA has no one-time challenges.
            CacheFull: too many are outstanding.
        """
        with self._lock:
            return self._one_time.give(self._parts.clock.now(), subject, secret=secret)

    def given(self, secret: str) -> GivenChallenge:
        """Return the state of a challenge that was created.

        Raises:
            UsageError: the CA has no one-time challenges.
            KeyError: the CA never created it.
        """
        return self._one_time.given(secret)

    @property
    def _one_time(self) -> OneTimeChallenges:
        if not isinstance(self._parts.challenge, OneTimeChallenges):
            raise UsageError("this CA has no one-time challenges", remedy="set challenge: {one_time: {}}")
        return self._parts.challenge

    def forget(self) -> int:
        """Forget all transactions; keep certificates, challenges and revocations.

        Returns:
            How many they were.
        """
        with self._lock:
            return self._transactions.forget()
