"""An answer that a rule of the script or a fault gives instead of the CA."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["RuledAnswer"]


@dataclass(frozen=True)
class RuledAnswer:
    """The decision of a rule or a fault: `kind` is success, pending, failure, http or none.

    `written` is the literal failInfo if RFC 8894 does not define it: `7`, or `"2 "`. `again`: a success issues another
    certificate although the transaction has one; only faults use that. `hresult` is that of a failure, as a signed
    decimal as in NDES.
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
