"""Values with their source: ``{key_limit: {value: 8, source: A-26}}``."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mfp_sim.shared.documents.kinds import WRONG, Definitions, Kind, OneWay, Schema
from mfp_sim.shared.documents.nodes import Node, Problems
from mfp_sim.shared.documents.records import map_of

__all__ = ["Sourced", "SourcedValues"]

Sourced = Mapping[str, Mapping[str, object]]
"""For each value, by name: ``value`` and the keys beside it."""


class SourcedValues(OneWay):
    """Values with sources. ``kinds`` are their kinds by name; ``beside`` are the keys required beside ``value``."""

    def __init__(self, kinds: Callable[[], Mapping[str, Kind]], beside: Mapping[str, Kind]) -> None:
        self._kinds, self._beside = kinds, beside

    def read(self, node: Node, problems: Problems, what: str) -> object:
        kinds, before, keys = self._kinds(), len(problems.found), ("value", *self._beside)
        found: dict[str, dict[str, object]] = {}
        for name, entry in problems.map(node, kinds, what).items():
            given = problems.map(entry, keys, name, keys)
            found[name] = {
                key: self._beside[key].read(given[key], problems, key) for key in self._beside if key in given
            }
            if "value" in given:
                found[name]["value"] = kinds[name].read(given["value"], problems, name)
        return WRONG if len(problems.found) > before else found

    def schema(self, found: Definitions) -> Schema:
        beside = {key: kind.schema(found) for key, kind in self._beside.items()}
        keys = ["value", *beside]
        shapes = {name: map_of({"value": kind.schema(found), **beside}, keys) for name, kind in self._kinds().items()}
        return map_of(shapes)
