"""The gate before the service, and the defects it knows by slug."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from mfp_sim.shared.scep.csr import Csr
from mfp_sim.shared.scep.http_messages import Delivery, HttpReply, HttpRequest, delivery_of
from mock_scep_server.faults.defects import enrolling, http, stricter
from mock_scep_server.faults.defects.answers import Instead
from mock_scep_server.faults.defects.seen import Seen
from mock_scep_server.service import ScepService

__all__ = ["DEFECTS", "Defect", "Gate"]


@dataclass(frozen=True)
class Defect:
    """One defect. ``instead`` gives what is answered in the CA's place, or None where the defect does not apply."""

    slug: str
    sentence: str
    requirements: tuple[str, ...]
    instead: Instead = field(repr=False, compare=False)


_ROWS = (*enrolling.ROWS, *http.ROWS, *stricter.ROWS)
DEFECTS = {row[0]: Defect(*row) for row in _ROWS}
assert len(DEFECTS) == len(_ROWS), "a slug twice"


class Gate:
    """The service with defects in front; ``handle`` is that of the service."""

    def __init__(self, service: ScepService, defects: Sequence[str], octets: Callable[[int], bytes]) -> None:
        self.service, self.octets = service, octets
        self.dead = self.locked = False
        self.guesses = 0
        self.csrs: dict[str, Csr] = {}
        """What was asked for, by transactionID."""
        self.met: set[bytes] = set()
        """The messages whose first reply was lost."""
        self._defects = [DEFECTS[slug] for slug in defects]
        self._count = 0

    def handle(self, request: HttpRequest, client: str) -> Delivery:
        """Answer one request."""
        seen = Seen(request, self, self._count)
        self._count += 1
        for defect in self._defects:
            answer = defect.instead(seen)
            if seen.message is not None and seen.csr is not None:
                self.csrs.setdefault(seen.message.transaction_id, seen.csr)
            if isinstance(answer, HttpReply):
                return delivery_of(answer, keep_alive=request.keep_alive, date=self.service.clock.now())
            if answer is not None:
                return answer
        return self.service.handle(request, client)
