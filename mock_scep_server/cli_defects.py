"""``mock-scep-server --defect`` and ``mock-scep-server defects``: a CA with one chosen defect, for tests of others.

With it, whoever tests SCEP servers sees whether their tests notice: our own conformance checks are proved with the same
defects. Owns the lines about them; what each does is in :mod:`mock_scep_server.faults.defects`.
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
    """The defects of these slugs.

    Raises:
        UsageError: there is none of that name; with the one that may have been meant.
    """
    for slug in slugs:
        if slug not in DEFECTS:
            remedy = did_you_mean(slug, DEFECTS) or "mock-scep-server defects lists them"
            raise UsageError(f"there is no defect {slug!r}", remedy=remedy)
    return [DEFECTS[slug] for slug in slugs]


class DefectiveService:
    """A CA with defects: the host asks it in the service's place.

    Requests are decided one after another, since a defect remembers what came before. ``tell`` gets a line for each
    request that a defect answers in the CA's place: the journal knows only of those that come through to the CA. (Some
    defects ask the CA themselves, as the client ``gate``, and change what it says.)
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
    """The operation, if it is one: what else a client writes there is not for a terminal."""
    try:
        operation = read_scep_query(request).operation
    except DecodeError:
        operation = None
    return operation if operation in _OPERATIONS else "request"


def in_lines(defects: Iterable[Defect]) -> str:
    """A line each."""
    return "\n".join(f"{defect.slug:30} {defect.sentence}" for defect in defects)


def in_full(defect: Defect) -> str:
    """All that is known of one."""
    lines = [
        f"{defect.slug}  a defect of the mock CA",
        f"  {defect.sentence}",
        f"  requirements: {', '.join(defect.requirements)}",
        "  the checks of servers that are proved with it: docs/reference/conformance_matrix.md",
        f"  to have it: mock-scep-server --defect {defect.slug}",
    ]
    return "\n".join(lines)


def in_json(defects: Iterable[Defect]) -> str:
    """A list of objects."""
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
