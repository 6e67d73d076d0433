"""Changes a case in a few places: steps, script, CA, printer, clock, or one value of a model that its run has read.

A drawn change that the loader refuses is drawn again. It runs nothing.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

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
from mfp_sim.exploration.drawing_ca import ca_of, script_of
from mfp_sim.exploration.draws import Document, Draw
from mfp_sim.shared.simtime import Entropy
from mock_scep_server.profiles.registry import value_kind
from mock_scep_server.setup import VALUE_KEYS

__all__ = ["ModelValue", "Parent", "changed"]

ModelValue = tuple[str, str]
"""A value of a model: `printer` or `ca`, and its name."""
_TRIES = 50
_MOST_STEPS = 40


@dataclass(frozen=True)
class Parent:
    """The case to change, and what may be drawn. ``read`` returns the values of models that its run read, and that a
    plain request does not read."""

    document: Document
    space: Space
    read: Callable[[], Collection[ModelValue]] = field(repr=False)


def _insert(draw: Draw, document: Document, parent: Parent) -> None:
    steps = document["steps"]
    place = draw.number(0, len(steps) - 1)
    steps[place:place] = steps_of(draw, serials_of(document), parent.space)


def _remove(draw: Draw, document: Document, _: Parent) -> None:
    steps = document["steps"]
    if len(steps) > 2:
        del steps[draw.number(0, len(steps) - 2)]


def _repeat(draw: Draw, document: Document, _: Parent) -> None:
    steps = document["steps"]
    place = draw.number(0, len(steps) - 2)
    count = draw.number(1, 3)
    steps[place:place] = copy.deepcopy(steps[place : min(place + count, len(steps) - 1)])


def _append(draw: Draw, document: Document, parent: Parent) -> None:
    document["steps"][-1:-1] = steps_of(draw, serials_of(document), parent.space)


def _other_ca(draw: Draw, document: Document, _: Parent) -> None:
    document["ca"] = ca_of(draw)


def _other_rules(draw: Draw, document: Document, _: Parent) -> None:
    document.setdefault("ca", {})["script"] = script_of(draw, 3)


def _other_printer(draw: Draw, document: Document, parent: Parent) -> None:
    document["printer"] = printer_of(draw, parent.space)


def _other_clock(draw: Draw, document: Document, _: Parent) -> None:
    document["clock"] = clock_of(draw)


_DRAWN: Mapping[str, Collection[str]] = {"printer": MODEL_VALUES, "ca": VALUE_KEYS}
"""The values of models that are drawn."""


def _other_value(draw: Draw, document: Document, parent: Parent) -> None:
    """Another value of a model: one on which the parent's run depends, as far as a run shows that by reading it."""
    read = sorted((whose, name) for whose, name in parent.read() if name in _DRAWN[whose])
    if not read:
        return
    whose, name = draw.one_of(read)
    if whose == "ca":
        document.setdefault("ca", {})[name] = draw.value(value_kind(name).schema({}))
    else:
        document["printer"].setdefault("settings", {})[name] = draw.one_of(MODEL_VALUES[name])


_CHANGES: Mapping[Callable[[Draw, Document, Parent], None], int] = {
    _insert: 6, _append: 5, _remove: 3, _repeat: 3, _other_ca: 1, _other_rules: 3, _other_printer: 1, _other_clock: 1,
    _other_value: 5,
}  # fmt: skip


def changed(parent: Parent, entropy: Entropy) -> Document:
    """A case that differs from its parent in one to three places."""
    for attempt in range(_TRIES):
        draw = Draw(entropy.fork(f"change/{attempt}"))
        child = copy.deepcopy(parent.document)
        for _ in range(draw.number(1, 3)):
            draw.weighted(_CHANGES)(draw, child, parent)
        child = whole(child)
        if len(child["steps"]) <= _MOST_STEPS and scenario_of(child) is not None:
            return child
    return drawn(entropy, parent.space)
