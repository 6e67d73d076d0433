"""Certificates that were decided and are not signed yet: the RSA operation needs no lock, and others decide meanwhile.

An order has its serial number. Until it is entered in the books, or has failed, a request that would have to know it
waits: one under the same transactionID, and where names or keys may have one certificate only, one of the same name or
key. So the answers are those of a CA that signs while it decides. Not thread-safe: placing, entering and looking are
steps of a caller who holds the lock; signing and waiting are done without it.
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
    """Whether something has ended, once. An Event does the same for several times the price, and is made for each
    certificate."""

    __slots__ = ("_is_set", "_lock")

    def __init__(self) -> None:
        self._is_set, self._lock = False, threading.Lock()
        self._lock.acquire()

    def is_set(self) -> bool:
        """Whether it has."""
        return self._is_set

    def set(self) -> None:
        """It has."""
        self._is_set = True
        self._lock.release()

    def wait(self) -> None:
        """Return once it has."""
        with self._lock:
            pass


@dataclass(frozen=True, eq=False)
class CertificateOrder:
    """A certificate to be signed. ``enter`` puts it into the books, and gives the answer, which is a SUCCESS; ``notes``
    go with that."""

    template: Template
    authority: CertificateAuthority
    transaction: str
    csr: Csr
    _enter: Callable[[Certificate], Decision] = field(repr=False)
    notes: tuple[Note, ...] = ()
    done: Settled = field(default_factory=Settled, repr=False)
    kind: ClassVar[str] = "success"

    def sign(self) -> Certificate:
        """The certificate; without the lock."""
        return self.authority.sign(self.template)

    def enter(self, certificate: Certificate) -> Decision:
        """It is in the books from now on; the answer."""
        decision = self._enter(certificate)
        return replace(decision, notes=self.notes) if self.notes else decision

    def close(self) -> None:
        """It is entered, or has failed: who waited for it decides anew."""
        self.done.set()


class Orders:
    """Those that are neither entered nor failed: at most one for each thread that decides."""

    def __init__(self) -> None:
        self._open: list[CertificateOrder] = []

    def place(self, order: CertificateOrder) -> CertificateOrder:
        """One more."""
        self._open = [*(other for other in self._open if not other.done.is_set()), order]
        return order

    def wait_for(
        self, *, transaction: str | None = None, subject: bytes | None = None, spki: bytes | None = None
    ) -> None:
        """Nothing is open that has this transactionID, subject or key.

        Raises:
            AskFirst: something is, and has to be waited for.
        """
        for order in self._open:
            same = (
                order.transaction == transaction
                or (subject is not None and same_name(order.csr.subject, subject))
                or order.csr.spki == spki
            )
            if same and not order.done.is_set():
                raise AskFirst("a certificate has to be signed", order.done.wait)
