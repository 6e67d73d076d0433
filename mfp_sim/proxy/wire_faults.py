"""Faults of the catalogue that a proxy can apply: those that change an HTTP reply or its delivery, without a CA.

They are the mock's own, selected by slug as in a script's ``faults:``, and apply to the same requests as there. Without
the CA's key, a proxy cannot change what a CA decides, signs or encrypts.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Final, cast

from mfp_sim.shared.documents import Problems, did_you_mean, load_text
from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.scep.http_messages import Delivery, HttpReply, HttpRequest, delivery_of
from mfp_sim.shared.scep.messages import PkiMessage
from mfp_sim.shared.scep.vocabulary import PkiStatus
from mfp_sim.shared.simtime import Clock, Entropy, KeySource
from mock_scep_server.asked import Asked
from mock_scep_server.faults import FAULTS, Fault
from mock_scep_server.faults.base import Context, Hook, Memory, On, Value
from mock_scep_server.faults.chosen import Chosen, ChosenKind, option_fault
from mock_scep_server.faults.differences import differences
from mock_scep_server.faults.registry import FaultEntry

if TYPE_CHECKING:
    from mock_scep_server.ca import CertificateAuthority
    from mock_scep_server.ledger import Ledger
    from mock_scep_server.revocation import Revocations

__all__ = ["WireFaults", "applicable", "chosen_faults"]

_FAMILIES: Final = ("http", "delivery")
_HOOKS: Final = frozenset({On.BYTES.name, On.HTTP.name, On.DELIVERY.name})


def applicable() -> tuple[FaultEntry, ...]:
    """The entries of the catalogue that a proxy can apply, in its order."""
    return tuple(entry for entry in FAULTS.values() if _fits(entry))


def _fits(entry: FaultEntry) -> bool:
    if entry.family not in _FAMILIES or not entry.in_scripts:
        return False
    read = ChosenKind().read(load_text(entry.example), Problems(), "fault")
    return isinstance(read, Chosen) and set(_hooks(read.fault)) <= _HOOKS


def _hooks(fault: Fault) -> Iterator[str]:
    yield from fault.hooks
    for member in fault.members:
        yield from _hooks(member)


def chosen_faults(texts: Sequence[str]) -> tuple[Chosen, ...]:
    """The faults of ``--fault``: a slug each, or ``{slug: argument}`` in YAML.

    Raises:
        UsageError: there is no such fault, or a proxy cannot apply it.
        DocumentError: its argument is wrong.
    """
    allowed, found = {entry.slug for entry in applicable()}, []
    for text in texts:
        read = option_fault(text)
        if read.slug not in allowed:
            remedy = (
                did_you_mean(read.slug, allowed) or "mfp-sim proxy --list-faults shows those that a proxy can apply"
            )
            raise UsageError(f"{read.slug} acts in the CA, so a proxy cannot apply it", remedy=remedy)
        found.append(read)
    return tuple(found)


class WireFaults:
    """The chosen faults of a session; thread-safe, like their memory."""

    def __init__(self, chosen: Sequence[Chosen], *, clock: Clock, entropy: Entropy, keys: KeySource) -> None:
        self._chosen, self._clock, self._entropy, self._keys = tuple(chosen), clock, entropy, keys
        self._memory = Memory()

    def deliver(
        self,
        request: HttpRequest,
        reply: HttpReply,
        *,
        operation: str | None,
        message: PkiMessage | None,
        status: int | None,
        changes: list[str],
    ) -> Delivery:
        """The delivery of a reply after the faults; ``changes`` gets what each of them changed, its slug first.

        Args:
            request: the client's request.
            reply: the reply without faults.
            operation: of the query.
            message: of a PKIOperation, if it is readable.
            status: the pkiStatus of the reply, if it is a CertRep.
            changes: see above.
        """
        context = self._context(request, operation, message, status)
        reply = self._altered(On.HTTP, self._with_body(reply, context, changes), context, changes)
        delivery = delivery_of(reply, keep_alive=request.keep_alive)
        return self._altered(On.DELIVERY, delivery, context, changes)

    def _with_body(self, reply: HttpReply, context: Context, changes: list[str]) -> HttpReply:
        body = self._altered(On.BYTES, reply.body, context, changes)
        return reply if body is reply.body else HttpReply(reply.status, reply.reason, reply.headers, body)

    def _altered(self, hook: Hook[Value], value: Value, context: Context, changes: list[str]) -> Value:
        for chosen in self._chosen:
            for part in chosen.fault.parts(context, chosen.slug):
                before, value = value, hook.call(part, value, context)
                changes.extend(f"{chosen.slug}: {change}" for change in differences(before, value))
        return value

    def _context(
        self, request: HttpRequest, operation: str | None, message: PkiMessage | None, status: int | None
    ) -> Context:
        """What faults see of a request; there is no CA, and `applicable` leaves out faults that need one."""
        nobody = cast("CertificateAuthority", None)
        return Context(
            request=request,
            now=self._clock.now(),
            authority=nobody,
            memory=self._memory,
            entropy=self._entropy,
            keys=self._keys,
            revocations=cast("Revocations", None),
            ledger=cast("Ledger", None),
            operation=operation,
            asked=None if message is None else Asked(message, None, nobody),
            status=PkiStatus(status).name if status in set(PkiStatus) else None,
        )
