"""The whole state of a printer, as one value that is committed and loaded as a whole.

Anything else is lost in a restart. The printer changes the state. Serves MFP-REQ-09: the state has the items of a
manual request only while that request is in progress.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from typing import Annotated, cast

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from mfp_sim.client.exchange import STORED_CERTIFICATE, Enrolment, Predecessor, Snapshot
from mfp_sim.device.keystore import KeyStore
from mfp_sim.device.private import load_private, pkcs8
from mfp_sim.device.settings import Address, AutoRequestSettings, CommunicationSettings, KeySettings, Polling
from mfp_sim.device.status import AuditEntry, StatusRow
from mfp_sim.shared.documents.json_values import Exchanged, Hex, Instant, Kept, Strings, read_json
from mfp_sim.shared.documents.kinds import Pattern, Words
from mfp_sim.shared.documents.records import Doc, document, record_of
from mfp_sim.shared.errors import DocumentError, UsageError
from mfp_sim.shared.scep.algorithms import HASHES
from mfp_sim.shared.scep.certificate import Certificate

__all__ = ["DeviceState", "Material", "StoredRequest", "unusable"]


@document("the key pair and the CSR", exchanged=True)
@dataclass(frozen=True)
class Material:
    """The stored material of a request in progress. ``old`` has the certificate and key that sign a renewal."""

    key: Annotated[RSAPrivateKey, Hex(load_private, pkcs8)] = field(repr=False)
    csr: Annotated[bytes, Hex()] = field(repr=False)  # contains the challenge password
    signer: Annotated[Certificate, STORED_CERTIFICATE]
    transaction_id: Annotated[str, Pattern("[!-~]+", "printable ASCII")]
    digest: Annotated[str | None, Words(lambda: HASHES)]
    old: Annotated[tuple[str, str] | None, Strings(2)] = field(repr=False)

    @classmethod
    def of(cls, enrolment: Enrolment) -> Material:
        """The stored material of an enrolment."""
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
        """Restore the enrolment.

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
    """A request in progress. ``polls`` counts the inquiries. Without ``transaction``, the next inquiry begins one."""

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
"""Stored beside ``planned``: 1 for the second of two equal local times when clocks go back."""


@document("the state", exchanged=True)
@dataclass
class DeviceState:
    """``planned`` is a local time without a zone, ``due`` the adjusted instant by the printer's clock.

    ``ip`` is the address that was set; None means the factory's. ``request`` is the request in progress, ``kept`` a
    request that ended while pending (A-23).
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
    audit: tuple[Annotated[AuditEntry, Kept()], ...]
    ip: Annotated[str | None, Address()] = None

    @classmethod
    def first(cls, functions: Iterable[str] = (), *, dns: bool = False) -> DeviceState:
        """The state of a printer that has never been switched on."""
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
            audit=(),
        )

    def stored(self) -> Mapping[str, object]:
        """The state as a JSON-able value, independent of later changes."""
        return _Stored(self)

    @classmethod
    def from_stored(cls, stored: Mapping[str, object]) -> DeviceState:
        """Restore a stored state.

        Raises:
            UsageError: it is not the output of `stored`. The error names the place, and never shows content.
        """
        try:
            found = read_json(cls, {name: value for name, value in stored.items() if name != _FOLD}, "")
        except DocumentError as error:
            raise unusable(error.problems[0].file.removeprefix(".") or type(error).__name__) from None
        fold = stored.get(_FOLD, 0)
        if not isinstance(fold, int) or fold not in (0, 1):
            raise unusable(_FOLD)
        if found.planned is not None:
            found.planned = found.planned.replace(fold=fold)
        return found


class _Stored(Mapping[str, object]):
    """The stored form of a state, made when it is first read: in memory, few commits are ever read.

    All values in a state are frozen, so a copy of it stays as it is.
    """

    def __init__(self, state: DeviceState) -> None:
        self._state = copy.copy(state)

    @cached_property
    def _written(self) -> dict[str, object]:
        state = self._state
        written = cast(dict[str, object], record_of(DeviceState).write(state))
        return {**written, _FOLD: state.planned.fold if state.planned else 0}

    def __getitem__(self, name: str) -> object:
        return self._written[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._written)

    def __len__(self) -> int:
        return len(self._written)


def unusable(where: str) -> UsageError:
    """The error for a stored state that is not usable. It never shows content."""
    return UsageError(
        f"the stored state of the printer cannot be used ({where})", remedy="start with an empty state directory"
    )
