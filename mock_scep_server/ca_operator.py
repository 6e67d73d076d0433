"""What the operator of the CA does while it runs: approve, reject, hold, revoke, prepare a next CA,
replace the RA, give challenges.

The one way in for scenarios, the control port and tests. Every act is one step under the lock of the service, and kept
when it returns, where the CA has a state that is kept.
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
    """A step that is kept once it is done."""

    def __init__(self, parts: CaParts) -> None:
        self._parts = parts

    def __enter__(self) -> None:
        self._parts.lock.__enter__()

    def __exit__(self, *raised: object) -> None:
        self._parts.lock.__exit__(*raised)
        self._parts.store.commit()


class CaOperator:
    """The acts. A pattern is one of a subject, as in a shell, or a transactionID."""

    def __init__(self, parts: CaParts, transactions: Transactions) -> None:
        self._parts, self._transactions, self._lock = parts, transactions, _Act(parts)

    @property
    def waiting(self) -> tuple[Waiting, ...]:
        """Requests that are not decided, in the order in which they came."""
        with self._lock:
            return tuple(
                Waiting(identifier, known.csr.subject_text, known.begun, known.approved)
                for identifier, known in self._transactions.waiting
            )

    def approve(self, pattern: str = "*", *, transaction: str | None = None) -> int:
        """Let waiting requests pass; their certificates are made when the clients ask again. ``transaction``: the one
        of just this transactionID, which is a client's word and may look like a pattern.

        Returns:
            How many they were, without those that were approved before.
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
        """Refuse waiting requests for good; ``transaction`` as in :meth:`approve`.

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
        """Those that wait and whose subject or transactionID fits, or the one of the transactionID that is given."""

        def fits(identifier: str, known: Transaction) -> bool:
            if transaction is not None:
                return identifier == transaction
            return identifier == pattern or fnmatch.fnmatchcase(known.csr.subject_text, pattern)

        return [(identifier, known) for identifier, known in self._transactions.waiting if fits(identifier, known)]

    def hold(self, pattern: str = "*") -> int:
        """New requests whose subject fits wait for approval.

        Returns:
            How many patterns are held that were not before: one or none.
        """
        with self._lock:
            held = self._transactions.held
            self._transactions.hold(held | {pattern})
            return int(pattern not in held)

    def release(self, pattern: str = "*") -> int:
        """New requests whose subject fits do not wait any longer; what waits passes when it is asked about again.

        Returns:
            How many patterns were held that are no longer: one or none.
        """
        with self._lock:
            held = self._transactions.held
            self._transactions.hold(held - {pattern})
            return int(pattern in held)

    def revoke(self, pattern: str, reason: str = "unspecified") -> int:
        """Revoke the certificates whose subject fits, or the one of this serial number (hex).

        Returns:
            How many they were, without those that were revoked before.

        Raises:
            UsageError: there is no such reason.
        """
        if reason not in REASONS:
            raise UsageError(f"there is no reason {reason!r} to revoke for", remedy=", ".join(REASONS))

        def fits(entry: LedgerEntry) -> bool:
            certificate = entry.certificate
            return f"{certificate.serial:x}" == pattern or fnmatch.fnmatchcase(certificate.subject_text, pattern)

        chosen = [entry.certificate for entry in self._parts.ledger.entries if fits(entry)]
        with self._lock:
            return sum(self._parts.revocations.revoke(certificate.serial, reason) for certificate in chosen)

    def roll_over(
        self, publish: datetime, switch: datetime, overlap: timedelta | None = None, identifier: str | None = None
    ) -> CertificateAuthority:
        """Prepare a next CA: published from one date, current from another.

        Raises:
            UsageError: it is to take over before it is published, or there is no CA of that identifier.
        """
        if switch < publish:
            raise UsageError("the next CA is to be published before it takes over")
        lineage = self._lineage(identifier)
        with self._lock:
            return lineage.prepare(publish, switch, overlap)

    def replace_ra(self, identifier: str | None = None) -> int:
        """Give the RA of the present CA new keys and certificates; the CA stays.

        Returns:
            How many RAs were replaced: one, or none where the CA has no RA.

        Raises:
            UsageError: there is no CA of that identifier.
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
        """A challenge that counts once: a new one, or ``secret``; with ``subject``, a pattern, for that subject only.

        Raises:
            UsageError: the CA has none to give.
            CacheFull: too many are outstanding.
        """
        with self._lock:
            return self._one_time.give(self._parts.clock.now(), subject, secret=secret)

    def given(self, secret: str) -> GivenChallenge:
        """What became of a challenge that was given.

        Raises:
            UsageError: the CA has none to give.
            KeyError: it never gave this one.
        """
        return self._one_time.given(secret)

    @property
    def _one_time(self) -> OneTimeChallenges:
        if not isinstance(self._parts.challenge, OneTimeChallenges):
            raise UsageError("this CA has no challenges that count once", remedy="set challenge: {one_time: {}}")
        return self._parts.challenge

    def forget(self) -> int:
        """Forget all transactions; certificates, challenges and revocations stay.

        Returns:
            How many they were.
        """
        with self._lock:
            return self._transactions.forget()
