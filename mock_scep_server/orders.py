"""Certificates that are decided but not yet signed: signing needs no lock, so that other requests are decided
meanwhile.

An order has its serial number. Until it is entered in the records or has failed, requests that depend on it wait: those
with the same transactionID and, if names or keys may have only one certificate, those with the same name or key. The
replies are therefore those of a CA that signs while it decides. Not thread-safe: the caller holds the lock to place,
enter and look up orders, but not to sign or wait.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import ClassVar

from mfp_sim.shared.scep.certificate import Certificate, same_name
from mfp_sim.shared.scep.csr import Csr
from mfp_sim.shared.scep.messages import Note
from mock_scep_server.ca import CertificateAuthority, Template
from mock_scep_server.challenges import AskFirst
from mock_scep_server.replies import Decision

__all__ = ["CertificateOrder", "Orders"]


class Settled:
    """A one-time signal. An Event does the same but costs several times as much, and each certificate needs one."""

    __slots__ = ("_is_set", "_lock")

    def __init__(self) -> None:
        self._is_set, self._lock = False, threading.Lock()
        self._lock.acquire()

    def is_set(self) -> bool:
        """Whether the signal is set."""
        return self._is_set

    def set(self) -> None:
        """Set the signal."""
        self._is_set = True
        self._lock.release()

    def wait(self) -> None:
        """Wait for the signal."""
        with self._lock:
            pass


@dataclass(frozen=True, eq=False)
class CertificateOrder:
    """A certificate to be signed. `enter` enters it in the records and returns the reply, a SUCCESS, with `notes`."""

    template: Template
    authority: CertificateAuthority
    transaction: str
    csr: Csr
    _enter: Callable[[Certificate], Decision] = field(repr=False)
    notes: tuple[Note, ...] = ()
    done: Settled = field(default_factory=Settled, repr=False)
    kind: ClassVar[str] = "success"

    def sign(self) -> Certificate:
        """Sign the certificate, without the lock."""
        return self.authority.sign(self.template)

    def enter(self, certificate: Certificate) -> Decision:
        """Enter it in the records and return the reply."""
        decision = self._enter(certificate)
        return replace(decision, notes=self.notes) if self.notes else decision

    def close(self) -> None:
        """Mark it as entered or failed: the requests that waited for it are decided again."""
        self.done.set()


class Orders:
    """The orders that are neither entered nor failed: at most one for each deciding thread."""

    def __init__(self) -> None:
        self._open: list[CertificateOrder] = []

    def place(self, order: CertificateOrder) -> CertificateOrder:
        """Add an order."""
        self._open = [*(other for other in self._open if not other.done.is_set()), order]
        return order

    def wait_for(
        self, *, transaction: str | None = None, subject: bytes | None = None, spki: bytes | None = None
    ) -> None:
        """Check that no open order has this transactionID, subject or key.

        Raises:
            AskFirst: there is one, and the request has to wait for it.
        """
        for order in self._open:
            same = (
                order.transaction == transaction
                or (subject is not None and same_name(order.csr.subject, subject))
                or order.csr.spki == spki
            )
            if same and not order.done.is_set():
                raise AskFirst("the signature of a certificate has to be awaited", order.done.wait)
