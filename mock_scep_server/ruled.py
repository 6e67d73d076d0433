"""An answer that a rule of the script or a fault decides, in place of the CA."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RuledAnswer"]


@dataclass(frozen=True)
class RuledAnswer:
    """What a rule or a fault decides: ``kind`` is success, pending, failure, http or none.

    ``written`` stands in failInfo as it is, where that is no number that RFC 8894 knows: ``7``, or ``"2 "``.
    ``again``: a success issues another certificate, though the transaction has one; only faults want that. ``hresult``:
    of a failure, as NDES writes it, a signed decimal.
    """

    kind: str
    fail_info: int | None = None
    text: str | None = None
    status: int | None = None
    retry_after: int | None = None
    again: bool = False
    hresult: str | None = None
    written: str | None = None

    def __str__(self) -> str:
        detail: object = self.fail_info if self.kind == "failure" else self.status
        detail = detail if self.written is None else repr(self.written)
        return self.kind if detail is None else f"{self.kind} {detail}"
