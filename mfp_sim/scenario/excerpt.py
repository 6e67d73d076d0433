"""The lines of a scenario file that a failure is about, with every secret of the file masked.

Reads the file again, and only when something failed. Shows nothing when the file is gone or has changed.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from mfp_sim.documents import Node, load_text
from mfp_sim.errors import MfpSimError
from mfp_sim.redaction import Redactor
from mfp_sim.report.model import SourceLine

__all__ = ["excerpt"]

_MOST = 40
_SECRET_KEYS = frozenset({"challenge", "static", "password"})
_NO_SECRETS = frozenset({"present", "absent", "none"})  # what expectations say of a challenge


def excerpt(place: str, redactor: Redactor) -> tuple[SourceLine, ...]:
    """The step, or the rule of the script, around ``file:line:column``, that line marked; empty when there is none."""
    file, line = _position(place)
    if line is None:
        return ()
    try:
        text = Path(file).read_text("utf-8-sig")
        root = load_text(text, file)
    except (OSError, UnicodeDecodeError, MfpSimError):
        return ()
    for secret in _secrets(root):
        redactor.add(secret)
    lines = text.split("\n")
    first, last = _block(root, line, len(lines))
    first = max(first, min(line, last) - _MOST + 5)
    chosen = range(first, min(last, first + _MOST - 1, len(lines)) + 1)
    shown = [(number, redactor.text(lines[number - 1].rstrip())) for number in chosen]
    while shown and not shown[-1][1]:
        shown.pop()
    return tuple(SourceLine(number, text, number == line) for number, text in shown)


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


def _secrets(node: Node) -> Iterator[str]:
    if node.kind == "list":
        for entry in node.items:
            yield from _secrets(entry)
    elif node.kind == "map":
        for key, value in node.pairs:
            if key.value in _SECRET_KEYS and value.kind == "scalar":
                text = str(value.value)
                if value.value is not None and text not in _NO_SECRETS and not text.startswith("$"):
                    yield text
            else:
                yield from _secrets(value)
