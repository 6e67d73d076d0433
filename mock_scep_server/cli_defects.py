"""`mock-scep-server --defect` and `mock-scep-server defects`: a CA with chosen defects, to test other tests.

Anyone who tests SCEP servers can see whether the tests notice a defect: our own conformance checks are proved with the
same defects. This module owns the lines that describe them; `mock_scep_server.faults.defects` implements them.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Sequence

from mfp_sim.shared.documents import did_you_mean
from mfp_sim.shared.errors import DecodeError, UsageError
from mfp_sim.shared.scep.http_messages import Delivery, HttpRequest, read_scep_query
from mfp_sim.shared.scep.vocabulary import Operation
from mfp_sim.shared.simtime import Entropy
from mock_scep_server.faults.defects import DEFECTS, Defect, Gate
from mock_scep_server.service import ScepService

__all__ = ["DefectiveService", "defects_named", "in_full", "in_json", "in_lines"]

_OPERATIONS = {operation.value for operation in Operation}


def defects_named(slugs: Iterable[str]) -> list[Defect]:
    """Return the defects with these slugs.

    Raises:
        UsageError: a name is unknown; the error suggests a similar one.
    """
    for slug in slugs:
        if slug not in DEFECTS:
            remedy = did_you_mean(slug, DEFECTS) or "mock-scep-server defects lists them"
            raise UsageError(f"there is no defect {slug!r}", remedy=remedy)
    return [DEFECTS[slug] for slug in slugs]


class DefectiveService:
    """A CA with defects, which the host asks instead of the service.

    Requests are decided one after another, because a defect remembers earlier requests. `tell` gets a line for each
    request that a defect answers instead of the CA: the journal records only those that reach the CA. (Some defects ask
    the CA themselves, as the client `gate`, and change its reply.)
    """

    def __init__(
        self, service: ScepService, slugs: Sequence[str], entropy: Entropy, tell: Callable[[str], None]
    ) -> None:
        defects_named(slugs)
        self._service, self._slugs, self._tell = service, slugs, tell
        self._gate = Gate(service, slugs, entropy.octets)
        self._lock = threading.Lock()

    def handle(self, request: HttpRequest, client: str) -> Delivery:
        """Answer one request."""
        with self._lock:
            before = self._service.journal.count
            delivery = self._gate.handle(request, client)
            journal = self._service.journal
            came_through = journal.count != before and any(last.client == client for last in journal.entries[-1:])
        if not came_through:
            by = self._slugs[0] if len(self._slugs) == 1 else "a defect"
            now = self._service.clock.now()
            self._tell(f"{now:%H:%M:%S} {client} {request.method} {_operation(request)} -> answered by {by}")
        return delivery


def _operation(request: HttpRequest) -> str:
    """The operation if it is known: anything else that a client writes there does not belong on a terminal."""
    try:
        operation = read_scep_query(request).operation
    except DecodeError:
        operation = None
    return operation if operation in _OPERATIONS else "request"


def in_lines(defects: Iterable[Defect]) -> str:
    """List the defects, one line each."""
    return "\n".join(f"{defect.slug:30} {defect.sentence}" for defect in defects)


def in_full(defect: Defect) -> str:
    """Describe one defect in full."""
    lines = [
        f"{defect.slug}  a defect of the mock CA",
        f"  {defect.sentence}",
        f"  requirements: {', '.join(defect.requirements)}",
        "  server checks proved with it: docs/reference/conformance_matrix.md",
        f"  to use it: mock-scep-server --defect {defect.slug}",
    ]
    return "\n".join(lines)


def in_json(defects: Iterable[Defect]) -> str:
    """List the defects as JSON objects."""
    rows = [
        {
            "slug": defect.slug,
            "sentence": defect.sentence,
            "requirements": defect.requirements,
            "example": f"mock-scep-server --defect {defect.slug}",
        }
        for defect in defects
    ]
    return json.dumps(rows, indent=2, ensure_ascii=False)
