"""Every certificate the CA minted and its fate: delivered, installed, or orphaned and why. The one place that counts.

An orphan is a certificate that was minted and that no client has. ``cause`` says what is known of it.
"""

from __future__ import annotations

import threading
from collections.abc import Hashable
from dataclasses import dataclass, replace
from datetime import datetime

from mfp_sim.shared.scep.certificate import Certificate, folded_name
from mfp_sim.shared.scep.http_messages import Fate

__all__ = ["Ledger", "LedgerEntry"]

_FATES: dict[Fate, tuple[str, ...]] = {
    "ended": (),
    "cut": ("the client broke it off",),
    "late": ("the client's time-out passed before its end",),
    "lost": ("the network lost it",),
}


@dataclass(frozen=True)
class LedgerEntry:
    """One certificate: ``delivered`` means a SUCCESS that carries it arrived whole and in time, as far as the CA can
    know, ``installed`` that the client has it in its key store. ``sent`` says how each reply with it left and what
    became of it, in order; ``given_up`` why the client gave its transaction up."""

    certificate: Certificate
    transaction_id: str
    minted_at: datetime
    delivered: bool = False
    installed: bool = False
    sent: tuple[str, ...] = ()
    given_up: str | None = None

    @property
    def cause(self) -> str | None:
        """Why it is an orphan, as far as the CA can know; None when it is installed."""
        if self.installed:
            return None
        if self.given_up is not None:
            return (
                f"given up by the client: {self.given_up} ({self.sent[-1] if self.sent else 'no reply has carried it'})"
            )
        if not self.sent:
            return "no reply has carried it"
        if self.delivered:
            return f"delivered, and not installed by the client ({self.sent[-1]})"
        return f"no reply arrived whole ({self.sent[-1]})"

    @property
    def explained(self) -> bool:
        """Whether it is installed, or it is known why not: the client said so, or something was done to a reply."""
        return self.installed or self.given_up is not None or any(how != "HTTP 200" for how in self.sent)

    def to_json(self) -> dict[str, object]:
        """The entry as a JSON-able object."""
        certificate = self.certificate
        return {
            "serial": f"{certificate.serial:x}",
            "subject": certificate.subject_text,
            "transaction": self.transaction_id,
            "minted": self.minted_at.isoformat(),
            "not_before": certificate.not_before.isoformat(),
            "not_after": certificate.not_after.isoformat(),
            "delivered": self.delivered,
            "installed": self.installed,
            "cause": self.cause,
        }


class Ledger:
    """Thread-safe. Certificates are the keys: a fault may make two of one serial, and both count."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[bytes, LedgerEntry] = {}
        self._by_serial: dict[int, bytes] = {}
        self._by_subject: dict[Hashable, list[bytes]] = {}
        self._by_key: dict[bytes, list[bytes]] = {}

    def mint(self, certificate: Certificate, transaction_id: str, now: datetime) -> None:
        """Record a new certificate."""
        with self._lock:
            octets = certificate.der
            self._entries[octets] = LedgerEntry(certificate, transaction_id, now)
            self._by_serial[certificate.serial] = octets
            self._by_subject.setdefault(folded_name(certificate.subject), []).append(octets)
            self._by_key.setdefault(certificate.spki, []).append(octets)

    def record_sending(self, certificate: Certificate, *, whole: bool, how: str, fate: Fate = "ended") -> None:
        """A reply with this certificate left, ``whole`` or not, ``how`` in words, and came to its ``fate``."""
        with self._lock:
            entry = self._entries.get(certificate.der)
            if entry is not None:
                sent = (*entry.sent[-9:], "; ".join([how, *_FATES[fate]]))
                delivered = entry.delivered or (whole and fate == "ended")
                self._entries[certificate.der] = replace(entry, delivered=delivered, sent=sent)

    def report_installed(self, certificate: Certificate) -> None:
        """The client has it (told by the simulation, since no CA can know)."""
        with self._lock:
            entry = self._entries.get(certificate.der)
            if entry is not None:
                self._entries[certificate.der] = replace(entry, installed=True)

    def clear(self) -> None:
        """Begin anew: what was minted before is no certificate of this CA any longer."""
        with self._lock:
            for table in (self._entries, self._by_serial, self._by_subject, self._by_key):
                table.clear()

    def report_abandoned(self, transaction_id: str, why: str) -> None:
        """The client has given the transaction up (told by the simulation): what it got and has not installed.

        A certificate that is installed, or was given up before, is of an earlier operation under the transactionID.
        """
        with self._lock:
            for octets, entry in self._entries.items():
                if entry.transaction_id == transaction_id and not entry.installed and entry.given_up is None:
                    self._entries[octets] = replace(entry, given_up=why)

    def find(self, serial: int) -> LedgerEntry | None:
        """The newest entry of a serial number, or None."""
        with self._lock:
            octets = self._by_serial.get(serial)
            return None if octets is None else self._entries[octets]

    def own(self, certificate: Certificate) -> Certificate | None:
        """The certificate, if it was minted here."""
        entry = self.find(certificate.serial)
        return entry.certificate if entry is not None and entry.certificate.der == certificate.der else None

    def of_subject(self, subject: bytes) -> tuple[LedgerEntry, ...]:
        """The entries for a subject, whatever its string types, case and blanks."""
        with self._lock:
            return tuple(self._entries[octets] for octets in self._by_subject.get(folded_name(subject), ()))

    def of_key(self, spki: bytes) -> tuple[LedgerEntry, ...]:
        """The entries for a public key."""
        with self._lock:
            return tuple(self._entries[octets] for octets in self._by_key.get(spki, ()))

    @property
    def entries(self) -> tuple[LedgerEntry, ...]:
        """All entries in the order of minting."""
        with self._lock:
            return tuple(self._entries.values())

    @property
    def orphans(self) -> tuple[LedgerEntry, ...]:
        """The entries that no client has; each has a cause."""
        return tuple(entry for entry in self.entries if not entry.installed)

    @property
    def keys(self) -> int:
        """How many public keys the certificates are for."""
        return len(self._by_key)

    @property
    def counts(self) -> dict[str, int]:
        """``minted``, ``delivered``, ``installed`` and ``orphaned``."""
        entries = self.entries
        return {
            "minted": len(entries),
            "delivered": sum(entry.delivered for entry in entries),
            "installed": sum(entry.installed for entry in entries),
            "orphaned": sum(not entry.installed for entry in entries),
        }
