"""The lines of a scenario file that a failure is about, with every secret of the file masked in place.

A secret is recognised by its key, so it is masked in every spelling. Reads the file again, and only after a failure.
Shows nothing if the file is gone or has changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml

from mfp_sim.report.model import SourceLine
from mfp_sim.scenario.composing import HIDDEN
from mfp_sim.shared.documents import Node, is_secret, load_text
from mfp_sim.shared.errors import MfpSimError
from mfp_sim.shared.redaction import MASK, Redactor

__all__ = ["excerpt", "shown_change"]

_MOST = 40
_NO_SECRETS = frozenset({"present", "absent", "none"})  # what expectations say about a challenge


def excerpt(place: str, redactor: Redactor) -> tuple[SourceLine, ...]:
    """The step, or the rule of the script, around `file:line:column`, with that line marked; empty if there is none."""
    file, line = _position(place)
    if line is None or not Path(file).is_file():
        return ()
    try:
        text = Path(file).read_text("utf-8-sig")
        root = load_text(text, file)
    except (OSError, UnicodeDecodeError, MfpSimError):
        return ()
    text = _masked(text, redactor)
    lines = text.split("\n")
    first, last = _block(root, line, len(lines))
    first = max(first, min(line, last) - _MOST + 5)
    chosen = range(first, min(last, first + _MOST - 1, len(lines)) + 1)
    shown = [(number, redactor.text(lines[number - 1].rstrip())) for number in chosen]
    while shown and not shown[-1][1]:
        shown.pop()
    return tuple(SourceLine(number, text, number == line) for number, text in shown)


def shown_change(change: str, redactor: Redactor) -> str:
    """A change of ``--set``, with `HIDDEN` for a value that is a secret or contains one."""
    path, sign, text = change.partition("=")
    secret = False
    for key in path.split("."):
        secret = is_secret(key, within=secret)
    value = yaml.compose(text, Loader=yaml.SafeLoader)
    hidden = value is not None and any(node.value not in _NO_SECRETS for node in _secrets(value, secret=secret))
    return f"{path}{sign}{HIDDEN}" if hidden else redactor.text(change)


def _position(place: str) -> tuple[str, int | None]:
    file, _, column = place.rpartition(":")
    file, _, line = file.rpartition(":")
    return (file, int(line)) if file and line.isdecimal() and column.isdecimal() else (place, None)


def _block(root: Node, line: int, end: int) -> tuple[int, int]:
    """The first and the last line of the entry of ``steps``, or of the script, that holds ``line``."""
    starts = sorted({key.line for key, _ in root.pairs if root.kind == "map"} | set(_entries(root)) | {end + 1})
    before = [start for start in starts if start <= line]
    after = [start for start in starts if start > line]
    return (before[-1] if before else line), (after[0] - 1 if after else line)


def _entries(root: Node) -> Iterator[int]:
    ca, steps = root.get("ca"), root.get("steps")
    script = ca.get("script") if ca is not None else None
    for entries in (script, steps):
        if entries is not None and entries.kind == "list":
            yield from (entry.line for entry in entries.items)


def _masked(text: str, redactor: Redactor) -> str:
    """The text with each secret masked in place; lines stay where they are. ``redactor`` learns the secrets, to mask
    them elsewhere too."""
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert root is not None  # the file has been loaded before, so it is valid
    found = list(_secrets(root, secret=False))
    words = {node.value for node in found if node.value.startswith("$")}
    found = [node for node in found if node.value not in words and node.value not in _NO_SECRETS]
    found += _parameters(root, {word.removeprefix("$") for word in words})
    for node in found:
        redactor.add(node.value)
    for node in sorted(found, key=lambda node: node.start_mark.index, reverse=True):
        start, end = node.start_mark.index, node.end_mark.index
        text = text[:start] + MASK + "\n" * text.count("\n", start, end) + text[end:]
    return text


def _secrets(node: yaml.Node, *, secret: bool) -> Iterator[yaml.ScalarNode]:
    """The scalars at places of secrets; `secret`: the node is at such a place."""
    if isinstance(node, yaml.SequenceNode):
        for entry in node.value:
            yield from _secrets(entry, secret=secret)
    elif isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _secrets(value, secret=is_secret(key.value, within=secret))
    elif secret and isinstance(node, yaml.ScalarNode) and node.value:
        yield node


def _parameters(root: yaml.Node, names: set[str]) -> Iterator[yaml.ScalarNode]:
    """The values of the parameters that are used at places of secrets."""
    for key, sets in root.value if isinstance(root, yaml.MappingNode) else ():
        if key.value != "parameters" or not isinstance(sets, yaml.SequenceNode):
            continue
        for entry in sets.value:
            for name, value in entry.value if isinstance(entry, yaml.MappingNode) else ():
                if name.value in names and isinstance(value, yaml.ScalarNode) and value.value:
                    yield value
