"""The gate in front of the service, and the defects by slug."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mfp_sim.shared.scep.http_messages import Delivery, HttpReply, HttpRequest, delivery_of
from mock_scep_server.faults.defects import certificates, challenges, enrolling, http, stricter
from mock_scep_server.faults.defects.answers import Instead
from mock_scep_server.faults.defects.seen import GateState, Seen
from mock_scep_server.service import ScepService

__all__ = ["DEFECTS", "Defect", "Gate"]


@dataclass(frozen=True)
class Defect:
    """One defect. `instead` returns the reply that replaces the CA's, or None where the defect does not apply."""

    slug: str
    sentence: str
    requirements: tuple[str, ...]
    instead: Instead = field(repr=False, compare=False)


_ROWS = (*enrolling.ROWS, *challenges.ROWS, *certificates.ROWS, *http.ROWS, *stricter.ROWS)
DEFECTS = {row[0]: Defect(*row) for row in _ROWS}
assert len(DEFECTS) == len(_ROWS), "a slug occurs twice"


class Gate:
    """The service with defects in front; `handle` has the signature of the service's."""

    def __init__(self, service: ScepService, defects: Sequence[str], octets: Callable[[int], bytes]) -> None:
        self._state = GateState(service, octets)
        self._defects = [DEFECTS[slug] for slug in defects]

    @property
    def service(self) -> ScepService:
        """The service behind the gate."""
        return self._state.service

    def handle(self, request: HttpRequest, client: str) -> Delivery:
        """Answer one request."""
        state = self._state
        seen = Seen(request, state, state.count)
        state.count += 1
        for defect in self._defects:
            answer = defect.instead(seen)
            if seen.message is not None and seen.csr is not None:
                state.csrs.setdefault(seen.message.transaction_id, seen.csr)
            if isinstance(answer, HttpReply):
                return delivery_of(answer, keep_alive=request.keep_alive, date=self.service.clock.now())
            if answer is not None:
                return answer
        return self.service.handle(request, client)
