"""The `faults:` of a rule: which faults, with which arguments, and whether one may have no effect."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from mfp_sim.shared.documents import Node, Problems, did_you_mean, load_text
from mfp_sim.shared.documents.kinds import WRONG, Definitions, OneWay, Schema
from mfp_sim.shared.documents.records import map_of
from mfp_sim.shared.errors import UsageError
from mock_scep_server.faults import FAULTS, Fault
from mock_scep_server.faults.scope import ANSWERS, in_words, names_of, scopes

__all__ = ["Chosen", "ChosenKind", "check_scopes", "option_fault"]


@dataclass(frozen=True)
class Chosen:
    """A fault of a rule; `place` is `file:line:column`. An `optional` fault need not have an effect."""

    slug: str
    fault: Fault
    place: str = ""
    optional: bool = False


class ChosenKind(OneWay):
    """How a fault is written: `slug`, `{slug: argument}` or `{slug: argument, optional: true}`."""

    def read(self, node: Node, problems: Problems, what: str) -> object:
        chosen = _chosen(node, problems)
        return WRONG if chosen is None else chosen

    def schema(self, found: Definitions) -> Schema:
        entries = [entry for entry in FAULTS.values() if entry.in_scripts]
        given = {entry.slug: entry.schema(found) for entry in entries if entry.arguments}
        bare = [entry.slug for entry in entries if entry.stands_alone]
        null: dict[str, Schema] = {slug: {"type": "null"} for slug in bare}
        either = given | {slug: {"anyOf": [given[slug], null[slug]]} if slug in given else null[slug] for slug in bare}
        optional = {"type": "boolean", "description": "it need not have an effect"}
        alone = {**map_of(given), "minProperties": 1, "maxProperties": 1}
        flagged = {**map_of({**either, "optional": optional}, ["optional"]), "minProperties": 2, "maxProperties": 2}
        return {"anyOf": [{"enum": sorted(bare)}, alone, flagged]}


def option_fault(text: str) -> Chosen:
    """The fault of an option ``--fault``: a slug, or ``{slug: argument}`` in YAML.

    Raises:
        UsageError: it is neither.
        DocumentError: there is no such fault, or its argument is wrong.
    """
    problems = Problems()
    read = ChosenKind().read(load_text(text, f"--fault {text}"), problems, "--fault")
    if "{" not in text:  # in a single word the column means nothing
        problems.found = [replace(problem, line=0, column=0) for problem in problems.found]
    problems.raise_if_any()
    if not isinstance(read, Chosen):
        raise UsageError(f"--fault takes a slug or {{slug: argument}}, not {text!r}")
    return read


def _chosen(entry: Node, problems: Problems) -> Chosen | None:
    slug, argument, place, optional = entry.value, None, entry, False
    if entry.kind == "map":
        others = [(key, value) for key, value in entry.pairs if key.value != "optional"]
        flag = entry.get("optional")
        optional = flag is not None and bool(problems.boolean(flag, "optional"))
        if len(others) != 1:
            problems.add(entry, "a fault is a slug, {slug: argument} or {slug: argument, optional: true}")
            return None
        place, argument = others[0]
        slug = place.value
        if flag is not None and argument.kind == "scalar" and argument.value is None:
            argument = None  # {slug: null, optional: true}
    if not isinstance(slug, str) or slug not in FAULTS:
        hint = did_you_mean(str(slug), FAULTS) or "mock-scep-server faults lists all"
        problems.add(place, f"there is no fault {slug!r}", hint)
        return None
    fault = FAULTS[slug].read(argument, problems, place)
    return None if fault is None else Chosen(slug, fault, entry.place, optional)


def check_scopes(
    node: Node,
    faults: Sequence[Chosen],
    problems: Problems,
    *,
    operation: str | None,
    kind: str | None,
    method: str | None,
    answer: str | None,
) -> None:
    """Report the faults that cannot act at any request that a rule matches.

    Args:
        node: the list from which `faults` were read.
        operation, kind, method: conditions of the rule; `kind` is its message type.
        answer: the kind of the rule's own answer, None without one.
    """
    names = names_of(operation, kind)
    found = {chosen: list(scopes(chosen.fault)) for chosen in faults}
    if any(scope.hook == "on_answer" for each in found.values() for scope in each):
        answer = None  # a fault of the same rule may give another answer
    entries = {entry.place: entry for entry in node.items} if node.kind == "list" else {}
    for chosen, each in found.items():
        if any(scope.meets(names, method, ANSWERS[answer]) for scope in each):
            continue
        taken = " ".join(filter(None, (operation, kind, method))) or "any request"
        given = f" and answers {answer}" if answer is not None else ""
        text = f"{chosen.slug} has no effect here: it acts at {in_words(each)}, but the rule matches {taken}{given}"
        problems.add(entries[chosen.place], text, "use it in a rule that matches those requests")
