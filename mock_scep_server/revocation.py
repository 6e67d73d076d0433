"""The revocations of a CA and its CRL, which is issued again after a revocation or when the old one has expired.

There is one CRL per CA key, always the most recent (SCEP-4.6.1-01). RFC 5280, 5; RFC 8894, 2.7 and 4.6.
"""

from __future__ import annotations

import re
import threading
from datetime import timedelta

from mfp_sim.shared.scep import crl
from mfp_sim.shared.scep.crl import Crl, Revoked
from mfp_sim.shared.simtime import Clock
from mock_scep_server.ca import CertificateAuthority
from mock_scep_server.rows import COUNT, TIME, one_of, read_row
from mock_scep_server.store import MemoryStore, Row, Store

__all__ = ["Revocations"]


class Revocations:
    """The revocations of all CAs of a server. Thread-safe. `lifetime`: from thisUpdate to nextUpdate."""

    def __init__(self, clock: Clock, lifetime: timedelta, store: Store | None = None) -> None:
        self._clock, self._lifetime, self._store = clock, lifetime, store or MemoryStore()
        self._lock = threading.Lock()
        self._revoked: dict[int, Revoked] = {known.serial: known for known in self._store.rows("revoked", _revoked)}
        self._current: dict[str, tuple[Crl, int]] = {}
        self._numbers = dict(self._store.rows("crls", lambda slug, row: (slug, read_row(row, number=COUNT)["number"])))
        """The number of the latest CRL of each CA, by its slug."""

    def revoke(self, serial: int, reason: str = "unspecified") -> bool:
        """Revoke the certificate; `reason` is a name of RFC 5280, 5.3.1. A second call changes nothing.

        Returns:
            Whether it had not been revoked before.
        """
        assert reason in crl.REASONS, reason
        with self._lock:
            if serial in self._revoked:
                return False
            known = self._revoked[serial] = Revoked(serial, self._clock.now(), reason)
            self._store.put("revoked", f"{serial:x}", lambda: {"at": known.when.isoformat(), "reason": reason})
            return True

    def is_revoked(self, serial: int) -> bool:
        """Whether the certificate is revoked."""
        with self._lock:
            return serial in self._revoked

    def current(self, authority: CertificateAuthority) -> Crl:
        """The current CRL of a CA. Serial numbers are unique, so that one list serves all CAs of a server."""
        now = self._clock.now()
        with self._lock:
            found, counted = self._current.get(authority.slug, (None, -1))
            fresh = found is not None and found.next_update is not None and now < found.next_update
            if found is not None and fresh and counted == len(self._revoked):
                return found
            number = self._numbers[authority.slug] = self._numbers.get(authority.slug, 0) + 1
            self._store.put("crls", authority.slug, lambda: {"number": number})
            made = crl.issue(
                issuer=authority.issuer.certificate,
                signing_key=authority.issuer.key,
                this_update=now,
                next_update=now + self._lifetime,
                revoked=tuple(self._revoked.values()),
                number=number,
            )
            self._current[authority.slug] = (made, len(self._revoked))
            return made


def _revoked(serial: str, row: Row) -> Revoked:
    said = read_row(row, at=TIME, reason=one_of(*crl.REASONS))
    if not re.fullmatch("[0-9a-f]{1,80}", serial):
        raise ValueError("its key is not a serial number")
    return Revoked(int(serial, 16), said["at"], said["reason"])
