"""Times in buckets 5 % wide: counts that can be added, and their percentiles. In JSON they are lists of pairs."""

from __future__ import annotations

from collections.abc import Mapping
from math import log
from typing import Any

from mfp_sim.shared.documents import Node, Problems
from mfp_sim.shared.documents.kinds import WRONG, Definitions, Schema
from mfp_sim.shared.documents.records import kind_of

__all__ = ["Counts", "bucket_of", "quantile", "seconds_of"]

_STEP = log(1.05)


def bucket_of(seconds: float) -> int:
    """The bucket of a time; 0 for times below a millisecond."""
    return 0 if seconds < 0.001 else int(log(seconds * 1000.0) / _STEP) + 1


def seconds_of(bucket: int) -> float:
    """The upper end of a bucket."""
    return 0.0 if bucket == 0 else float(1.05**bucket / 1000.0)


def quantile(histogram: Mapping[int, int], share: float) -> float:
    """The upper end of the bucket that this share of the times does not exceed; 0 without any times."""
    total, seen = sum(histogram.values()), 0
    for bucket in sorted(histogram):
        seen += histogram[bucket]
        if seen >= share * total:
            return seconds_of(bucket)
    return 0.0


class Counts:
    """Counts by number, as a list of pairs, because JSON keys cannot be numbers."""

    def read(self, node: Node, problems: Problems, what: str) -> object:
        pairs = [problems.list(pair, f"an entry of {what}") for pair in problems.list(node, what)]
        before = len(problems.found)
        numbers = [[problems.integer(entry, f"an entry of {what}") for entry in pair] for pair in pairs]
        if any(len(pair) != 2 for pair in numbers):
            problems.add(node, f"{what} has to be a list of pairs")
        if node.kind != "list" or len(problems.found) > before:
            return WRONG
        return {pair[0]: pair[1] for pair in numbers}

    def schema(self, found: Definitions) -> Schema:
        pair = {"type": "array", "items": kind_of(int).schema(found), "minItems": 2, "maxItems": 2}
        return {"type": "array", "items": pair}

    def write(self, value: Any) -> object:
        return [[number, count] for number, count in sorted(value.items()) if count]
