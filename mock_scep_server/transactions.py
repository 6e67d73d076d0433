"""What the CA remembers about transactions, and which of them wait for its operator.

Several operations may have the same transactionID: clients derive it from the key, so that a renewal with the same key
has that of the enrolment (SCEP-3.2.1.1-07). Issues and answers nothing. Not thread-safe: the caller holds a lock while
it decides and remembers in one step. A CA that runs for a long time forgets the oldest transactions when the others
fill its memory. RFC 8894, 3.2.1.1 and 5.2.
"""

from __future__ import annotations

import base64
import fnmatch
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime

from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.csr import Csr
from mfp_sim.shared.scep.vocabulary import FailInfo
from mfp_sim.shared.simtime import Clock
from mock_scep_server.asked import Refusal
from mock_scep_server.ca import CertificateAuthority
from mock_scep_server.policy import CaPolicy
from mock_scep_server.rows import COUNT, FLAG, OCTETS, TEXT, TIME, Column, list_of, maybe, read_row
from mock_scep_server.store import MemoryStore, Row, Store

__all__ = ["Transaction", "Transactions"]


_OPERATION = 900
"""The approximate memory of an operation besides its bytes."""


def _weight(identifier: str, operations: list[Transaction]) -> int:
    """The approximate size of operations in memory, in bytes, with the transactionID, which may be as long as a
    message."""
    return sum(t.size for t in operations) + (len(identifier) if operations else 0)


@dataclass(slots=True)
class Transaction:
    """One operation: the request, the addressed CA, the time, and the final decision.

    `request` identifies a retransmission: message type, CSR, and the certificate that is renewed. `signer` is the key
    with which polls have to be signed; `certificate` holds the bytes of the issued certificate; `waits` is whether the
    client has to wait for the operator.
    """

    request: tuple[int, bytes, bytes | None] = field(repr=False)
    signer: bytes
    authority: CertificateAuthority
    begun: datetime
    approved: bool = False
    certificate: bytes | None = None
    refused: Refusal | None = None
    admitted: bool = True
    waits: bool = False

    def to_row(self) -> Row:
        """The operation as a row for storage, with the CA by its slug."""
        kind, csr, renewed = self.request
        return {
            "request": [kind, _text(csr), _text(renewed)],
            "signer": _text(self.signer),
            "authority": self.authority.slug,
            "begun": self.begun.isoformat(),
            "approved": self.approved,
            "certificate": _text(self.certificate),
            "refused": None if self.refused is None else asdict(self.refused),
            "admitted": self.admitted,
            "waits": self.waits,
        }

    @classmethod
    def from_row(cls, row: Row, authorities: Mapping[str, CertificateAuthority]) -> Transaction:
        """Read an operation from its row.

        Raises:
            ValueError, DecodeError: the row is not one of `to_row`, or the CA does not exist.
        """
        said = read_row(row, **_ROW)
        if len(said["request"]) != 3:
            raise ValueError("request does not have three values")
        kind, csr, renewed = (read(one) for read, one in zip(_REQUEST, said["request"], strict=True))
        if said["authority"] not in authorities:
            raise ValueError("authority is not a CA of this server")
        found = cls(**{**said, "request": (kind, csr, renewed), "authority": authorities[said["authority"]]})
        _ = found.csr, found.issued  # they are decoded on access, and have to be readable then
        return found

    @property
    def csr(self) -> Csr:
        """The CSR, decoded."""
        return Csr.from_der(self.request[1])

    @property
    def issued(self) -> Certificate | None:
        """The issued certificate."""
        return None if self.certificate is None else Certificate.from_der(self.certificate)

    @property
    def size(self) -> int:
        """Its approximate size in memory, in bytes."""
        return _OPERATION + len(self.request[1])

    @property
    def open(self) -> bool:
        """Whether it is undecided."""
        return self.certificate is None and self.refused is None

    def may_precede(self, csr: Csr, renewed: bytes | None) -> bool:
        """Whether a new operation may have the same transactionID (SCEP-5.2-05): it has the same key and name, or
        renews the certificate that this one issued."""
        own = self.csr
        return (csr.spki == own.spki and csr.subject == own.subject) or (
            renewed is not None and self.certificate == renewed
        )


def _refusal(value: object) -> Refusal:
    said = read_row(
        value, fail_info=COUNT, text=TEXT, status=COUNT, worded=FLAG, hresult=maybe(TEXT), written=maybe(TEXT)
    )
    return Refusal(**{**said, "fail_info": FailInfo(said["fail_info"])})


_REQUEST: tuple[Column, Column, Column] = (COUNT, OCTETS, maybe(OCTETS))
_ROW: dict[str, Column] = {
    "request": list_of(lambda value: value), "signer": OCTETS, "authority": TEXT, "begun": TIME, "approved": FLAG,
    "certificate": maybe(OCTETS), "refused": maybe(_refusal), "admitted": FLAG, "waits": FLAG,
}  # fmt: skip


def _text(octets: bytes | None) -> str | None:
    return None if octets is None else base64.b64encode(octets).decode()


class Transactions:
    """The operations by transactionID; `authorities` are the possible CAs by their slugs."""

    def __init__(
        self,
        policy: CaPolicy,
        clock: Clock,
        store: Store | None = None,
        authorities: Mapping[str, CertificateAuthority] | None = None,
    ) -> None:
        self._policy, self._clock, self._store = policy, clock, store or MemoryStore()
        self._known: dict[str, list[Transaction]] = {}
        self._size, self._limit = 0, policy.octets // 4
        self.forgotten = 0
        """The number of operations that were forgotten, oldest first, to make room for others."""
        self._held = {"*"} if policy.approval == "manual" else set()
        known = authorities or {}

        def operation(row: Row) -> Transaction:
            return Transaction.from_row(row, known)

        for identifier, operations in self._store.rows(
            "transactions", lambda key, row: (key, [*read_row(row, operations=list_of(operation))["operations"]])
        ):
            self._known[identifier] = operations
            self._size += _weight(identifier, operations)
        for row in self._store.rows(
            "waiting room", lambda _, row: read_row(row, forgotten=COUNT, approval=TEXT, held=list_of(TEXT))
        ):
            self.forgotten = row["forgotten"]
            if row["approval"] == policy.approval:
                self._held = set(row["held"])

    @property
    def held(self) -> frozenset[str]:
        """Patterns of subjects that need the operator's approval."""
        return frozenset(self._held)

    def hold(self, patterns: frozenset[str]) -> None:
        """Set the patterns of subjects that wait."""
        self._held = set(patterns)
        self._keep_room()

    def _keep_room(self) -> None:
        row = {"forgotten": self.forgotten, "approval": self._policy.approval, "held": sorted(self._held)}
        self._store.put("waiting room", "", lambda: row)

    def changed(self, identifier: str) -> None:
        """Note a change in the operations with the transactionID, so that it is stored."""
        operations = self._known.get(identifier)
        if operations:
            self._store.put("transactions", identifier, lambda: {"operations": [one.to_row() for one in operations]})

    def of(self, identifier: str) -> list[Transaction]:
        """The operations with a transactionID that the CA has not forgotten (F-P08), newest last."""
        known, lifetime = self._known.get(identifier, []), self._policy.transaction_lifetime
        if lifetime is not None:
            known = [t for t in known if self._clock.now() < t.begun + lifetime]
            self._keep(identifier, known)
        return known

    def _keep(self, identifier: str, operations: list[Transaction]) -> None:
        """Set the operations with the transactionID; an empty sequence deletes it."""
        before = self._known.pop(identifier, [])
        self._size += _weight(identifier, operations) - _weight(identifier, before)
        if before:
            self._store.remove("transactions", identifier)
        if operations:
            self._known[identifier] = operations
            self.changed(identifier)

    def remember(self, identifier: str, newest: Transaction) -> None:
        """Add a new operation, which replaces those not admitted or undecided: the same client started it, and polls
        for it from now on."""
        kept = [t for t in self.of(identifier) if t.admitted and not t.open and t.request != newest.request]
        self._keep(identifier, [*kept, newest])
        while self._size > self._limit and len(self._known) > 1:
            oldest = next(iter(self._known))
            self.forgotten += len(self._known[oldest])
            self._keep(oldest, [])
            self._keep_room()

    def is_held(self, known: Transaction) -> bool:
        """Whether it waits for the operator's approval."""
        return not known.approved and any(fnmatch.fnmatchcase(known.csr.subject_text, held) for held in self._held)

    def is_overdue(self, known: Transaction) -> bool:
        """Whether the time for the operator's approval has passed."""
        expires = self._policy.approval_expires
        return expires is not None and not known.approved and self._clock.now() >= known.begun + expires

    @property
    def waiting(self) -> list[tuple[str, Transaction]]:
        """The operations that wait for the operator, with their transactionID, in order of arrival."""
        rows = [(identifier, known) for identifier, found in self._known.items() for known in found]
        return [(identifier, known) for identifier, known in rows if known.waits and not self.is_overdue(known)]

    def forget(self) -> int:
        """Forget all transactions; return their number."""
        count = len(self._known)
        self._known.clear()
        self._size = self.forgotten = 0
        self._store.clear("transactions")
        self._keep_room()
        return count
