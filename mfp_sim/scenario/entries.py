"""An entry of `steps:`: an act of the table or an `expect`, with its role and whether a refusal is expected."""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from mfp_sim.device.machine import ROLES
from mfp_sim.scenario.expectations import expectation_schema, read_expectation
from mfp_sim.scenario.steps import STEPS, WORLD, Step, read_step
from mfp_sim.shared.documents import Node, Problems
from mfp_sim.shared.documents.kinds import WRONG, Definitions, OneWay, Schema
from mfp_sim.shared.documents.records import described, map_of
from mfp_sim.shared.errors import Reason

__all__ = ["StepEntry"]

_REASONS: tuple[str, ...] = get_args(Reason)


class StepEntry(OneWay):
    """The written form: a map with the step and its further keys, or a word."""

    def read(self, node: Node, problems: Problems, what: str) -> object:  # noqa: ARG002 - every kind is asked the same
        step = _step(node, problems)
        return WRONG if step is None else step

    def schema(self, found: Definitions) -> Schema:
        about: Schema = {
            "printer": {"type": "string", "description": "the serial number of the printer that the step is about"}
        }
        shapes: list[Schema] = [map_of({"expect": expectation_schema(found), **about}, ["expect"])]
        for name, entry in STEPS.items():
            properties: Schema = {name: described(entry.kind.schema(found), entry.sentence)}
            if name not in WORLD:
                properties |= about
            if entry.person:
                properties |= {"as": {"enum": list(ROLES)}, "refused": {"enum": list(_REASONS)}}
            if entry.premise:
                properties |= {"optional": {"type": "boolean"}}
            shapes.append(map_of(properties, [name]))
        return {"anyOf": [*shapes, {"enum": [name for name, entry in STEPS.items() if entry.stands_alone]}]}


def _step(node: Node, problems: Problems) -> Step | None:
    if node.kind == "scalar" and node.value in STEPS:
        act = read_step(str(node.value), replace(node, value=None), problems)
        return None if act is None else Step(str(node.value), act, node.place)
    kinds = (*STEPS, "expect")
    fields = problems.map(node, (*kinds, "as", "refused", "optional", "printer"), "a step")
    chosen = [kind for kind in kinds if kind in fields]
    if len(chosen) != 1:
        if fields or not node.value:
            problems.add(node, f"a step has exactly one of {', '.join(kinds)}")
        return None
    kind = chosen[0]
    printer = problems.text(fields["printer"], "printer") if "printer" in fields else None
    if "printer" in fields and kind in WORLD:
        problems.add(fields["printer"], f"{kind} cannot have printer: it is not about one printer")
    if kind == "expect":
        expectation = read_expectation(fields["expect"], problems)
        for extra in ("as", "refused", "optional"):
            if extra in fields:
                problems.add(fields[extra], f"expect cannot have {extra}")
        return None if expectation is None else Step("expect", expectation, node.place, printer=printer)
    act = read_step(kind, fields[kind], problems)
    if not STEPS[kind].person and ("as" in fields or "refused" in fields):
        problems.add(node, f"{kind} cannot have as or refused: no user does it on the printer's screens")
    if not STEPS[kind].premise and "optional" in fields:
        problems.add(fields["optional"], f"{kind} cannot have optional: it has no premise")
    optional = "optional" in fields and bool(problems.boolean(fields["optional"], "optional"))
    role = problems.choice(fields["as"], ROLES, "as") if "as" in fields else "administrator"
    refused = problems.choice(fields["refused"], _REASONS, "refused") if "refused" in fields else None
    return None if act is None else Step(kind, act, node.place, role or "administrator", refused, optional, printer)
