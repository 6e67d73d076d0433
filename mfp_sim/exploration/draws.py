"""Draws from one stream of randomness, and draws of values that a JSON schema describes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from mfp_sim.shared.simtime import Entropy

__all__ = ["Document", "Draw"]

Document = dict[str, Any]
"""A scenario as plain values."""
T = TypeVar("T")
_TEXTS = ("", "x", "Ørsted & Søn", "x" * 600)
_SPANS = ("0s", "1s", "10m", "1d", "400d")
_NUMBERS = (0, 1, 2, 200, 503)


class Draw:
    """Draws from one stream of randomness."""

    def __init__(self, entropy: Entropy) -> None:
        self._entropy = entropy

    def one_of(self, values: Sequence[T]) -> T:
        """One of the values."""
        return values[self._entropy.integer(0, len(values) - 1)]

    def number(self, low: int, high: int) -> int:
        """A number from ``low`` to ``high``, both included."""
        return self._entropy.integer(low, high)

    def chance(self, percent: int) -> bool:
        """True in that percentage of draws."""
        return self._entropy.integer(1, 100) <= percent

    def weighted(self, table: Mapping[T, int]) -> T:
        """One of the keys, as often as its weight says."""
        left = self._entropy.integer(1, sum(table.values()))
        for value, weight in table.items():
            left -= weight
            if left <= 0:
                return value
        raise AssertionError

    def value(self, schema: Mapping[str, Any]) -> object:
        """A value of a schema, as the document layer writes them; edges of ranges are likely."""
        if "anyOf" in schema:
            return self.value(self.one_of(schema["anyOf"]))
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self.one_of(schema["enum"])
        match schema.get("type"):
            case "boolean":
                return self.chance(50)
            case "integer" | "number":
                low, high = schema.get("minimum", 0), schema.get("maximum", 1000)
                return self.one_of([low, high, *(number for number in _NUMBERS if low < number < high)])
            case "array":
                return [self.value(schema["items"]) for _ in range(self.number(0, 2))]
            case "object":
                needed = schema.get("required", ())
                parts = schema.get("properties", {}).items()
                return {key: self.value(part) for key, part in parts if key in needed or self.chance(50)}
        return self.one_of(_SPANS if "ms|s|m|h|d" in schema.get("pattern", "") else _TEXTS)
