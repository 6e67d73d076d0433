"""Changes a case in a few places: steps, script, CA, printer or clock, or in one value of a model.

A drawn change that the loader refuses is drawn again. It runs nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping

from mfp_sim.exploration.drawing import (
    MODEL_VALUES,
    Space,
    clock_of,
    drawn,
    printer_of,
    scenario_of,
    serials_of,
    steps_of,
    whole,
)
from mfp_sim.exploration.drawing_ca import ca_of, fault_of, script_of
from mfp_sim.exploration.draws import Document, Draw
from mfp_sim.shared.simtime import Entropy
from mock_scep_server.profiles.registry import value_kind
from mock_scep_server.setup import VALUE_KEYS

__all__ = ["VALUES", "changed", "with_value"]

VALUES: Mapping[str, Collection[str]] = {"printer": MODEL_VALUES, "ca": VALUE_KEYS}
"""The values of the models of printers and CA that can be changed. No name is in both."""
_TRIES = 50
_MOST_STEPS = 40


def _insert(draw: Draw, document: Document, space: Space) -> None:
    steps = document["steps"]
    place = draw.number(0, len(steps) - 1)
    steps[place:place] = steps_of(draw, serials_of(document), space)


def _remove(draw: Draw, document: Document, _: Space) -> None:
    steps = document["steps"]
    if len(steps) > 2:
        del steps[draw.number(0, len(steps) - 2)]


def _repeat(draw: Draw, document: Document, _: Space) -> None:
    steps = document["steps"]
    place = draw.number(0, len(steps) - 2)
    count = draw.number(1, 3)
    steps[place:place] = copy.deepcopy(steps[place : min(place + count, len(steps) - 1)])


def _append(draw: Draw, document: Document, space: Space) -> None:
    document["steps"][-1:-1] = steps_of(draw, serials_of(document), space)


def _other_ca(draw: Draw, document: Document, _: Space) -> None:
    document["ca"] = ca_of(draw)


def _other_rules(draw: Draw, document: Document, _: Space) -> None:
    document.setdefault("ca", {})["script"] = script_of(draw, 3)


def _other_arguments(draw: Draw, document: Document, _: Space) -> None:
    """Other arguments of a fault."""
    scripts = [document.get("ca", {}).get("script", []), *(step.get("ca_script", []) for step in document["steps"])]
    faults = [rule["faults"] for script in scripts for rule in script if rule.get("faults")]
    if faults:
        chosen = draw.one_of(faults)
        slug = next(iter(chosen[0]), "") if isinstance(chosen[0], dict) else chosen[0]
        chosen[0] = fault_of(draw, slug)


def _other_printer(draw: Draw, document: Document, space: Space) -> None:
    document["printer"] = printer_of(draw, space)


def _other_clock(draw: Draw, document: Document, _: Space) -> None:
    document["clock"] = clock_of(draw)


_CHANGES: Mapping[Callable[[Draw, Document, Space], None], int] = {
    _insert: 6, _append: 5, _remove: 3, _repeat: 3, _other_ca: 1, _other_rules: 3, _other_arguments: 3,
    _other_printer: 1, _other_clock: 1,
}  # fmt: skip


def changed(document: Document, entropy: Entropy, space: Space) -> Document:
    """A case that differs from its parent in one to three places."""

    def change(draw: Draw, child: Document) -> None:
        for _ in range(draw.number(1, 3)):
            draw.weighted(_CHANGES)(draw, child, space)

    return _accepted(document, entropy, space, change)


def with_value(document: Document, entropy: Entropy, space: Space, name: str) -> Document:
    """A case in which only the value of that name, of the model of the first printer or of the CA, may differ."""

    def change(draw: Draw, child: Document) -> None:
        if name in MODEL_VALUES:
            child["printer"].setdefault("settings", {})[name] = draw.one_of(MODEL_VALUES[name])
        else:
            child.setdefault("ca", {})[name] = draw.value(value_kind(name).schema({}))

    return _accepted(document, entropy, space, change)


def _accepted(document: Document, entropy: Entropy, space: Space, change: Callable[[Draw, Document], None]) -> Document:
    for attempt in range(_TRIES):
        draw = Draw(entropy.fork(f"change/{attempt}"))
        child = copy.deepcopy(document)
        change(draw, child)
        child = whole(child)
        if len(child["steps"]) <= _MOST_STEPS and scenario_of(child) is not None:
            return child
    return drawn(entropy, space)
