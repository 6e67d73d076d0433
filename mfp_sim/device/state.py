"""The whole state of a printer, as one value that is committed and loaded as a whole.

Anything else is lost after a restart. Changes nothing by itself: the printer does. Serves MFP-REQ-09: the items of a
manual request are in it only while that request is in progress.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, cast

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from mfp_sim.client.exchange import STORED_CERTIFICATE, Enrolment, Predecessor, Snapshot
from mfp_sim.device.keystore import KeyStore
from mfp_sim.device.private import load_private, pkcs8
from mfp_sim.device.settings import Address, AutoRequestSettings, CommunicationSettings, KeySettings, Polling
from mfp_sim.device.status import AuditEntry, AuditLog, StatusRow
from mfp_sim.shared.documents import Node, Problems
from mfp_sim.shared.documents.json_values import Exchanged, Hex, Instant, Kept, Strings, read_json
from mfp_sim.shared.documents.kinds import WRONG, Leaf, Pattern, Words
from mfp_sim.shared.documents.records import Doc, document, kind_of, record_of
from mfp_sim.shared.errors import DocumentError, UsageError
from mfp_sim.shared.scep.algorithms import HASHES
from mfp_sim.shared.scep.certificate import Certificate

__all__ = ["DeviceState", "Material", "StoredRequest", "unusable"]


@document("the key pair and the CSR", exchanged=True)
@dataclass(frozen=True)
class Material:
    """What a request under way has to keep: ``old`` are certificate and key that a renewal is signed with."""

    key: Annotated[RSAPrivateKey, Hex(load_private, pkcs8)] = field(repr=False)
    csr: Annotated[bytes, Hex()] = field(repr=False)  # it has the challenge
    signer: Annotated[Certificate, STORED_CERTIFICATE]
    transaction_id: Annotated[str, Pattern("[!-~]+", "printable ASCII")]
    digest: Annotated[str | None, Words(lambda: HASHES)]
    old: Annotated[tuple[str, str] | None, Strings(2)] = field(repr=False)

    @classmethod
    def of(cls, enrolment: Enrolment) -> Material:
        """What is kept of an enrolment."""
        old = enrolment.predecessor
        return cls(
            key=enrolment.key,
            csr=enrolment.csr,
            signer=enrolment.signer,
            transaction_id=enrolment.transaction_id,
            digest=enrolment.digest,
            old=(old.certificate.der.hex(), pkcs8(old.key).hex()) if old else None,
        )

    def enrolment(self) -> Enrolment:
        """The enrolment again.

        Raises:
            ValueError, DecodeError: ``old`` is not readable.
        """
        old = None
        if self.old is not None:
            certificate, key = map(bytes.fromhex, self.old)
            old = Predecessor(Certificate.from_der(certificate), load_private(key))
        return Enrolment(
            key=self.key,
            csr=self.csr,
            signer=self.signer,
            transaction_id=self.transaction_id,
            subject=self.signer.subject,
            digest=self.digest,
            predecessor=old,
        )


@document("a request", exchanged=True)
@dataclass(frozen=True)
class StoredRequest:
    """A request under way. ``polls`` counts the inquiries; without ``transaction``, a new one is to be begun."""

    settings: Annotated[KeySettings, Exchanged(), Kept()]
    method: str
    communication: Annotated[CommunicationSettings, Kept()]
    polling: Polling | None
    delete_old: bool
    started: Annotated[datetime, Instant()]
    next_poll: Annotated[datetime | None, Instant()]
    polls: int
    transaction: Snapshot | None
    enrolment: Annotated[Material | None, Kept()] = None


_FOLD = "planned_fold"
"""Beside ``planned``: 1 for the second of two local times that are spelled alike when clocks go back."""


class _Log(Leaf):
    """The audit log, which keeps beside each entry what is stored of it."""

    _entries = kind_of(tuple[AuditEntry, ...])

    def read(self, node: Node, problems: Problems, what: str) -> object:
        entries: Any = self._entries.read(node, problems, what)
        return WRONG if entries is WRONG else AuditLog(entries)

    value = read

    def write(self, value: Any) -> object:
        return value.stored


@document("the state", exchanged=True)
@dataclass
class DeviceState:
    """``planned`` is local time without a zone, ``due`` the adjusted instant by the printer's clock.

    ``ip`` is the address that was set; None: the one from the factory. ``request`` is the request under
    way, ``kept`` one that ended while pending (A-23).
    """

    communication: Annotated[CommunicationSettings | None, Kept()]
    auto: Annotated[AutoRequestSettings, Kept()]
    planned: Annotated[datetime | None, Instant(local=True)]
    due: Annotated[datetime | None, Instant()]
    store: Annotated[KeyStore, Doc(key="keys")]
    history: tuple[Annotated[StatusRow, Kept()], ...]
    next_id: int
    requests: int
    functions: frozenset[str]
    dns: bool
    request: StoredRequest | None
    kept: StoredRequest | None
    audit: Annotated[AuditLog, _Log()]
    ip: Annotated[str | None, Address()] = None

    @classmethod
    def first(cls, functions: Iterable[str] = (), *, dns: bool = False) -> DeviceState:
        """The state of a machine that has never been switched on."""
        return cls(
            communication=None,
            auto=AutoRequestSettings(timer=False),
            planned=None,
            due=None,
            store=KeyStore(),
            history=(),
            next_id=1,
            requests=0,
            functions=frozenset(functions),
            dns=dns,
            request=None,
            kept=None,
            audit=AuditLog(),
        )

    def stored(self) -> dict[str, object]:
        """A JSON-able value that later changes do not touch."""
        written = cast(dict[str, object], record_of(DeviceState).write(self))
        return {**written, _FOLD: self.planned.fold if self.planned else 0}

    @classmethod
    def from_stored(cls, stored: Mapping[str, object]) -> DeviceState:
        """The state as it was committed.

        Raises:
            UsageError: it is not what :meth:`stored` gives; it says where, and nothing of the content.
        """
        try:
            found = read_json(cls, {name: value for name, value in stored.items() if name != _FOLD}, "")
        except DocumentError as error:
            raise unusable(error.problems[0].file.removeprefix(".") or type(error).__name__) from None
        if found.planned is not None:
            found.planned = found.planned.replace(fold=int(stored.get(_FOLD) == 1))
        return found


def unusable(where: str) -> UsageError:
    """What is said of a stored state that cannot be taken; never with its content."""
    return UsageError(
        f"the stored state of the printer cannot be used ({where})", remedy="start with an empty state directory"
    )
