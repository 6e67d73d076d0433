"""What the operator of the CA does while it runs: approve, reject, hold, revoke, prepare a next CA,
replace the RA, give challenges.

The one way in for scenarios, the control port and tests. Every act is one step under the lock of the service.
"""

from __future__ import annotations

import fnmatch
import threading
from datetime import datetime, timedelta

from mfp_sim.errors import UsageError
from mfp_sim.scep.crl import REASONS
from mfp_sim.scep.vocabulary import FailInfo
from mfp_sim.simtime import Clock
from mock_scep_server.authorities import Authorities
from mock_scep_server.ca import CertificateAuthority
from mock_scep_server.challenges import ChallengePolicy, Given, OneTimeChallenges
from mock_scep_server.ledger import Entry, Ledger
from mock_scep_server.revocation import Revocations
from mock_scep_server.transactions import Transactions, Waiting

__all__ = ["CaOperator"]


class CaOperator:
    """The acts. A pattern is one of a subject, as in a shell, or a transactionID."""

    def __init__(
        self,
        lock: threading.Lock,
        clock: Clock,
        transactions: Transactions,
        authorities: Authorities,
        ledger: Ledger,
        revocations: Revocations,
        challenge: ChallengePolicy,
    ) -> None:
        self._lock, self._clock, self._transactions = lock, clock, transactions
        self._authorities, self._ledger, self._revocations = authorities, ledger, revocations
        self._challenge = challenge

    @property
    def waiting(self) -> tuple[Waiting, ...]:
        """Requests that are not decided, in the order in which they came."""
        with self._lock:
            return self._transactions.waiting

    def approve(self, pattern: str = "*") -> int:
        """Let waiting requests pass; their certificates are made when the clients ask again.

        Returns:
            How many they were, without those that were approved before.
        """
        with self._lock:
            return self._transactions.approve(pattern)

    def reject(self, pattern: str = "*", fail_info: int = 2, text: str = "rejected by the operator") -> int:
        """Refuse waiting requests for good.

        Returns:
            How many they were.
        """
        with self._lock:
            return self._transactions.reject(pattern, FailInfo(fail_info), text)

    def hold(self, pattern: str = "*") -> int:
        """New requests whose subject fits wait for approval.

        Returns:
            How many patterns are held that were not before: one or none.
        """
        with self._lock:
            return self._transactions.hold(pattern)

    def release(self, pattern: str = "*") -> int:
        """They do not any longer: what waits passes when it is asked about again.

        Returns:
            How many patterns were held that are no longer: one or none.
        """
        with self._lock:
            return self._transactions.release(pattern)

    def revoke(self, pattern: str, reason: str = "unspecified") -> int:
        """Revoke the certificates whose subject fits, or the one of this serial number (hex).

        Returns:
            How many they were, without those that were revoked before.

        Raises:
            UsageError: there is no such reason.
        """
        if reason not in REASONS:
            raise UsageError(f"there is no reason {reason!r} to revoke for", remedy=", ".join(REASONS))

        def fits(entry: Entry) -> bool:
            certificate = entry.certificate
            return f"{certificate.serial:x}" == pattern or fnmatch.fnmatchcase(certificate.subject_text, pattern)

        chosen = [entry.certificate for entry in self._ledger.entries if fits(entry)]
        return sum(self._revocations.revoke(certificate.serial, reason) for certificate in chosen)

    def roll_over(
        self, publish: datetime, switch: datetime, overlap: timedelta | None = None, identifier: str | None = None
    ) -> CertificateAuthority:
        """Prepare a next CA: published from one date, current from another.

        Raises:
            UsageError: it is to take over before it is published, or there is no CA of that identifier.
        """
        if switch < publish:
            raise UsageError("the next CA is to be published before it takes over")
        lineage = self._authorities.named(identifier)
        if lineage is None:
            raise UsageError(f"there is no CA {identifier!r}")
        with self._lock:
            return lineage.prepare(publish, switch, overlap)

    def replace_ra(self, identifier: str | None = None) -> int:
        """Give the RA of the present CA new keys and certificates; the CA stays.

        Returns:
            How many RAs were replaced: one, or none where the CA has no RA.

        Raises:
            UsageError: there is no CA of that identifier.
        """
        lineage = self._authorities.named(identifier)
        if lineage is None:
            raise UsageError(f"there is no CA {identifier!r}")
        with self._lock:
            return int(lineage.current(self._clock.now()).replace_ra())

    def give_challenge(self, subject: str | None = None, *, secret: str | None = None) -> str:
        """A challenge that counts once: a new one, or ``secret``; with ``subject``, a pattern, for that subject only.

        Raises:
            UsageError: the CA has none to give.
            CacheFull: too many are outstanding.
        """
        return self._one_time.give(self._clock.now(), subject, secret=secret)

    def given(self, secret: str) -> Given:
        """What became of a challenge that was given.

        Raises:
            UsageError: the CA has none to give.
            KeyError: it never gave this one.
        """
        return self._one_time.given(secret)

    @property
    def _one_time(self) -> OneTimeChallenges:
        if not isinstance(self._challenge, OneTimeChallenges):
            raise UsageError("this CA has no challenges that count once", remedy="set challenge: {one_time: {}}")
        return self._challenge

    def forget(self) -> int:
        """Forget all transactions; certificates, challenges and revocations stay.

        Returns:
            How many they were.
        """
        with self._lock:
            return self._transactions.forget()
