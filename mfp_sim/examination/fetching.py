"""What a client has fetched with ``get-ca``, ``get-next-ca`` or ``get-crl``: whether its file holds that alone.

Compares only; `mfp_sim.examination.judging` says what that is worth in a situation. RFC 8894, 2.2, 3.3.4 and 4.7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from mfp_sim.examination.judging import Conduct
from mfp_sim.examination.program import ClientVerb, Task, objects_in
from mfp_sim.run_trace import Attachment
from mfp_sim.shared.errors import DecodeError
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.contents import read_next_ca
from mfp_sim.shared.scep.crl import Crl
from mfp_sim.shared.scep.http_messages import read_scep_query
from mfp_sim.shared.scep.vocabulary import Operation

__all__ = ["CONTROLS", "fetched"]


@dataclass(frozen=True)
class _Known:
    """What the client's file is compared with: the CA that it was given, the CA's replies, and the time."""

    ca: Certificate
    messages: tuple[Attachment, ...]
    now: datetime

    @property
    def next_ca(self) -> list[Certificate]:
        """The certificates in the CA's replies to GetNextCACert, as far as these can be read."""
        found: list[Certificate] = []
        for message in self.messages:
            asked = read_scep_query(message.request).operation == Operation.GET_NEXT_CA_CERT
            if asked and message.reply is not None:
                with suppress(DecodeError):  # the situation is about this reply
                    found += read_next_ca(message.reply.body, message.reply.media_type).certificates
        return found


def _certificates(octets: bytes) -> tuple[Certificate, ...]:
    return tuple(map(Certificate.from_der, objects_in(octets, "CERTIFICATE")))


def _not_vouched(given: Certificate, found: Iterable[Certificate]) -> list[Certificate]:
    """Those that neither the given CA nor one above it has issued, directly or not, and that are not above it."""
    trusted, left = [given], list(found)
    while near := [c for c in left if any(c.was_issued_by(t) or t.was_issued_by(c) for t in trusted)]:
        trusted += near
        left = [c for c in left if c not in near]
    return [c for c in left if c != given]


def _ca(octets: bytes, known: _Known) -> Conduct:
    found = _certificates(octets)
    if known.ca not in found:
        return Conduct.OTHER
    return Conduct.EXTRA if _not_vouched(known.ca, found) else Conduct.FETCHED


def _next_ca(octets: bytes, known: _Known) -> Conduct:
    found, coming = _certificates(octets), known.next_ca
    if not any(certificate in coming for certificate in found):
        return Conduct.KEPT if all(c == known.ca for c in found) else Conduct.OTHER
    return Conduct.FETCHED if all(c in coming or c == known.ca for c in found) else Conduct.EXTRA


def _crl(octets: bytes, known: _Known) -> Conduct:
    found = [Crl.from_der(der) for der in objects_in(octets, "X509 CRL")]
    right = [
        crl for crl in found
        if crl.was_issued_by(known.ca)
        and crl.this_update <= known.now and (crl.next_update is None or known.now < crl.next_update)
    ]  # fmt: skip
    return Conduct.OTHER if not right else Conduct.FETCHED if len(right) == len(found) == 1 else Conduct.EXTRA


_COMPARED: Mapping[ClientVerb, Callable[[bytes, _Known], Conduct]] = {
    "get-ca": _ca,
    "get-next-ca": _next_ca,
    "get-crl": _crl,
}
CONTROLS: tuple[ClientVerb, ...] = tuple(_COMPARED)
"""The verbs that fetch. They are also the ids of the situations in which nothing is wrong: the refusals of a client
that cannot fetch prove nothing."""


def fetched(verb: ClientVerb, task: Task, messages: tuple[Attachment, ...], now: datetime) -> Conduct | None:
    """How the file is that a verb left; None if the verb does not fetch, or left no file."""
    if verb not in _COMPARED:
        return None
    try:
        octets = task.fetched()
        return None if octets is None else _COMPARED[verb](octets, _Known(task.ca, messages, now))
    except DecodeError:
        return Conduct.UNREADABLE
