"""YAML with positions: reports all mistakes of a file at once, each with ``file:line:column`` and "did you mean".

Used for scenarios, scripts, profiles and baselines. Scalars follow the core rules of YAML 1.2: ``true``, ``false``,
``null``, decimal integers and floats have their own types; everything else (dates, ``yes``, ``on``, ``12:30``,
``0x10``) stays a string. Anchors, aliases and tags are refused. A file is hostile input.
"""

from __future__ import annotations

import difflib
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import yaml

from mfp_sim.shared.errors import DocumentError, Problem, UsageError, place_of, unread
from mfp_sim.shared.files import readable

__all__ = [
    "MAX_OCTETS",
    "UNITS",
    "YEARS",
    "Node",
    "Problems",
    "describe",
    "did_you_mean",
    "duration",
    "in_years",
    "is_secret",
    "load",
    "load_text",
    "node_of",
    "plain",
]

MAX_OCTETS = 1024 * 1024
_MAX_DEPTH = 40
_MOST_MISTAKES = 10_000
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)\Z")
_FLOAT = re.compile(r"[-+]?(0|[1-9][0-9]*)\.[0-9]+\Z")
_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d)\Z")
LONGEST_DAYS = 36_525
"""The longest duration, a hundred years. Added to any date within `YEARS`, the sum is still a valid date."""
YEARS = (1970, 2199)
UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}

ScalarValue = str | int | float | bool | None


@dataclass(frozen=True)
class Node:
    """A value and its position (1-based line and column).

    Depending on ``kind``, ``value`` is a scalar, a tuple of nodes, or a tuple of (key node, value node) pairs.
    ``secret``: no message may show the value.
    """

    kind: str  # "scalar", "list" or "map"
    value: object
    file: str
    line: int
    column: int
    quoted: bool = False
    secret: bool = False

    @property
    def place(self) -> str:
        """``file:line:column``."""
        return place_of(self.file, self.line, self.column)

    @property
    def scalar(self) -> ScalarValue:
        """The value of a scalar."""
        assert self.kind == "scalar"
        return self.value  # type: ignore[return-value]

    @property
    def items(self) -> tuple[Node, ...]:
        """The entries of a list."""
        assert self.kind == "list"
        return self.value  # type: ignore[return-value]

    @property
    def pairs(self) -> tuple[tuple[Node, Node], ...]:
        """The (key, value) pairs of a map, in order."""
        assert self.kind == "map"
        return self.value  # type: ignore[return-value]

    def get(self, key: str) -> Node | None:
        """The value under ``key`` of a map, or None."""
        if self.kind == "map":
            for name, value in self.pairs:
                if name.value == key:
                    return value
        return None

    def hidden(self) -> Node:
        """The node at the place of a secret: it, and every secret in it, are marked."""
        value = self.value
        if self.kind == "map":
            value = tuple((k, inner.hidden() if is_secret(k.value, within=True) else inner) for k, inner in self.pairs)
        elif self.kind == "list":
            value = tuple(entry.hidden() for entry in self.items)
        return replace(self, value=value, secret=True)

    def __iter__(self) -> Iterator[Node]:
        return iter(self.items)


class Problems:
    """Collects the mistakes of one or more files, to report them all at once."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, node: Node, message: str, hint: str | None = None, *, unknown: str = "") -> None:
        """Add a mistake at ``node``; ``unknown``: the key that is not known there.

        Raises:
            DocumentError: the limit of mistakes is reached, so that a hostile file cannot fill the memory.
        """
        self.found.append(Problem(node.file, node.line, node.column, message, hint, unknown))
        if len(self.found) >= _MOST_MISTAKES:
            raise DocumentError(self.found, cut=True)

    def point_to(self, keys: Iterable[str], what: str, start: int) -> None:
        """Give each unknown key from mistake number ``start`` on a hint, if ``what`` around its map knows the key."""
        for number, problem in enumerate(self.found[start:], start):
            if problem.unknown and not problem.hint and (name := _nearest(problem.unknown, keys, 0.8)):
                self.found[number] = replace(problem, hint=f"{name!r} is a key of {what}")

    def raise_if_any(self) -> None:
        """Raise all mistakes so far.

        Raises:
            DocumentError: there is at least one.
        """
        if self.found:
            raise DocumentError(self.found)

    # Readers: each adds a problem and returns None, so that reading continues.

    def map(
        self, node: Node, keys: Iterable[str], what: str, required: Iterable[str] = (), *, others: bool = False
    ) -> dict[str, Node]:
        """The values of a map by key. Missing keys are mistakes, and so are unknown keys unless ``others`` is set."""
        if node.kind != "map":
            self.add(node, f"{what} has to be a map, not {describe(node)}")
            return {}
        known = list(keys)
        found = {}
        for key, value in node.pairs:
            if key.value in known:
                found[str(key.value)] = value.hidden() if is_secret(key.value) else value
            elif not others:
                word = str(key.value)
                self.add(key, f"unknown key {key.value!r} in {what}", did_you_mean(word, known), unknown=word)
        for key_name in required:
            if key_name not in found and node.get(key_name) is None:
                self.add(node, f"{what} needs the key {key_name!r}")
        return found

    def list(self, node: Node, what: str) -> tuple[Node, ...]:
        """The entries of a list."""
        if node.kind != "list":
            self.add(node, f"{what} has to be a list, not {describe(node)}")
            return ()
        return node.items

    def text(self, node: Node, what: str) -> str | None:
        """A string; a number is only accepted in quotes."""
        if node.kind != "scalar" or not isinstance(node.value, str):
            self.add(node, f"{what} has to be a string, not {describe(node)}", _quote_hint(node))
            return None
        return node.value

    def integer(self, node: Node, what: str, low: int | None = None, high: int | None = None) -> int | None:
        """An integer within the range, both ends included."""
        value = node.value
        if node.kind != "scalar" or isinstance(value, bool) or not isinstance(value, int):
            self.add(node, f"{what} has to be an integer, not {describe(node)}")
            return None
        if (low is not None and value < low) or (high is not None and value > high):
            span = f"from {low} to {high}" if high is not None else f"at least {low}"
            self.add(node, f"{what} has to be {span}, not {describe(node)}")
            return None
        return value

    def number(self, node: Node, what: str) -> float | None:
        """A number, whole or not, that a float can hold; JSON has others too (``NaN``, 400 digits)."""
        value = node.value
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
            self.add(node, f"{what} has to be a number, not {describe(node)}")
            return None
        return float(value)

    def boolean(self, node: Node, what: str) -> bool | None:
        """Only true or false."""
        if node.kind != "scalar" or not isinstance(node.value, bool):
            self.add(node, f"{what} has to be true or false, not {describe(node)}")
            return None
        return node.value

    def choice(self, node: Node, choices: Iterable[str], what: str) -> str | None:
        """One of the strings."""
        known = list(choices)
        if node.kind != "scalar" or node.value not in known:
            got = describe(node)
            hint = None if node.kind != "scalar" or node.value is None else did_you_mean(str(node.value), known)
            shown = ", ".join(known) if len(known) <= 60 else f"{len(known)} words, such as {', '.join(known[:3])}"
            self.add(node, f"{what} has to be one of {shown}, not {got}", hint)
            return None
        return str(node.value)

    def version(self, node: Node, what: str) -> int | None:
        """The version of a format, which is 1."""
        if node.value != 1 or isinstance(node.value, bool):
            self.add(node, f"{what} has to be 1, not {describe(node)}")
            return None
        return 1

    def seconds(self, node: Node, what: str) -> float | None:
        """A duration such as 30s, 10m, 2h or 31d, in seconds; a hundred years at most."""
        if node.kind == "scalar" and isinstance(node.value, str) and _DURATION.match(node.value):
            try:
                return duration(node.value)
            except UsageError:
                self.add(node, f"{what} has to be at most {LONGEST_DAYS}d, not {describe(node)}")
                return None
        self.add(node, f"{what} has to be a duration such as 30s, 10m, 2h or 31d, not {describe(node)}")
        return None

    def year(self, node: Node, value: datetime, what: str) -> bool:
        """Whether the year of a date is within `YEARS`."""
        if in_years(value):
            return True
        self.add(node, f"{what} has to be in the years {YEARS[0]} to {YEARS[1]}, not {describe(node)}")
        return False

    def moment(self, node: Node, what: str, *, offset: bool = False) -> datetime | None:
        """A local time ``YYYY-MM-DD HH:MM[:SS]``, without a zone.

        With ``offset`` it may end with a UTC offset and is then aware: ``2026-10-25 02:30+01:00`` is the second
        occurrence of a local time that occurs twice.
        """
        text = self.text(node, what)
        if text is None:
            return None
        forms = ("%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S")
        for form in (*forms, *(f"{form}%z" for form in forms if offset)):
            try:
                found = datetime.strptime(text, form)  # noqa: DTZ007 - local time has no zone
            except ValueError:
                continue
            return found if self.year(node, found, what) else None
        shape = "YYYY-MM-DD HH:MM[:SS][+HH:MM]" if offset else "YYYY-MM-DD HH:MM[:SS]"
        self.add(node, f"{what} has to be {shape}, not {describe(node)}")
        return None

    def zone(self, node: Node, what: str) -> str | None:
        """The name of a time zone, ``Europe/Oslo``."""
        text = self.text(node, what)
        if text is None:
            return None
        try:
            ZoneInfo(text)
        except (ZoneInfoNotFoundError, ValueError, OSError):  # a directory, a file without zone data, a name too long
            self.add(node, f"there is no time zone {describe(node)}", "write Europe/Oslo")
            return None
        return text


_SECRET_KEYS = frozenset({"challenge", "static", "password", "secret", "give_challenge", "per_subject"})
"""Keys whose value is a secret: a scalar, or each value of a map."""
_NOT_SECRET = frozenset({"user", "subject", "lifetime", "cache", "no_permission"})
"""Keys beside a secret that are not secrets themselves."""


def is_secret(key: object, *, within: bool = False) -> bool:
    """Whether the value of a key is a secret; ``within``: so is the map that it stands in."""
    return (within and key not in _NOT_SECRET) or key in _SECRET_KEYS


def _quote_hint(node: Node) -> str | None:
    return "put it in quotes" if node.kind == "scalar" and node.value is not None else None


def describe(node: Node) -> str:
    """A node in a few words, for error messages, without a secret."""
    if node.kind == "map":
        return "a map"
    if node.kind == "list":
        return "a list"
    if node.secret and node.value is not None:
        return f"the given {'string' if isinstance(node.value, str) else 'value'}"
    if isinstance(node.value, bool):
        return "true" if node.value else "false"
    if node.value is None:
        return "nothing"
    text = repr(node.value) if isinstance(node.value, str) else str(node.value)
    return text if len(text) <= 60 else text[:57] + "..."


def in_years(value: date) -> bool:
    """Whether the year of a date is within `YEARS`."""
    return YEARS[0] <= value.year <= YEARS[1]


def duration(text: str) -> float:
    """Seconds of a duration such as ``30s``, ``10m``, ``2h``, ``31d`` or ``250ms``.

    Raises:
        UsageError: it is not one, or is longer than a hundred years.
    """
    match = _DURATION.match(text)
    if match is None:
        raise UsageError(f"{text!r} is not a duration", remedy="write 30s, 10m, 2h or 31d")
    seconds = float(match[1]) * UNITS[match[2]]
    if seconds > LONGEST_DAYS * 86400:
        raise UsageError(f"{text!r} is too long", remedy=f"the longest is {LONGEST_DAYS}d")
    return seconds


_LONG = 6
"""From this length on, two words that share two thirds of their letters are not alike; TSL and TLS are."""


def did_you_mean(word: str, candidates: Iterable[str]) -> str | None:
    """``did you mean 'x'?`` for the nearest candidate, ignoring case, or None if no candidate is near."""
    name = _nearest(word, candidates, 0.7 if len(word) >= _LONG else 0.6)
    return f"did you mean {name!r}?" if name else None


def _nearest(word: str, candidates: Iterable[str], cutoff: float) -> str | None:
    """The candidate that a mistyped word may mean, ignoring case, or None if no candidate is near.

    ``cutoff`` is the least likeness, from 0 to 1.
    """
    known = {candidate.lower(): candidate for candidate in candidates}
    near = difflib.get_close_matches(word.lower(), list(known), n=1, cutoff=cutoff)
    return known[near[0]] if near else None


def plain(node: Node) -> object:
    """The plain Python value of a node: dict, list or scalar."""
    if node.kind == "map":
        return {str(key.value): plain(value) for key, value in node.pairs}
    if node.kind == "list":
        return [plain(entry) for entry in node.items]
    return node.value


def node_of(value: object, file: str = "<values>") -> Node:
    """The node of a plain Python value, without a position in the file: the inverse of `plain`."""
    if isinstance(value, dict):
        pairs = tuple((Node("scalar", key, file, 0, 0), node_of(entry, file)) for key, entry in value.items())
        return Node("map", pairs, file, 0, 0)
    if isinstance(value, list | tuple):
        return Node("list", tuple(node_of(entry, file) for entry in value), file, 0, 0)
    return Node("scalar", value, file, 0, 0)


def load(path: Path) -> Node:
    """Read a file.

    Raises:
        UsageError: it cannot be read, or is a named pipe.
        DocumentError: it is not well-formed, has duplicate keys, anchors, aliases or tags, or is too large.
    """
    try:
        with readable(path).open("rb") as file:
            octets = file.read(MAX_OCTETS + 1)
    except OSError as error:
        raise unread(path, error) from None
    return load_text(octets, str(path))


def load_text(text: str | bytes, file: str = "<text>") -> Node:
    """Read a document from text or UTF-8 bytes; errors begin with the name ``file``."""
    if len(text) > MAX_OCTETS:
        raise DocumentError([Problem(file, 1, 1, f"the file is larger than {MAX_OCTETS} bytes")])
    if isinstance(text, bytes):
        try:
            text = text.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = error.object[: error.start].count(b"\n") + 1
            raise DocumentError([Problem(file, line, 1, "the file is not UTF-8")]) from None
    loader = yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader
    problems = Problems()
    try:
        marked = any(mark in text for mark in "&*!")  # the scan takes as long as the rest
        for token in yaml.scan(text, Loader=loader) if marked else ():
            if isinstance(token, yaml.AliasToken | yaml.AnchorToken | yaml.TagToken):
                mark = token.start_mark
                kind = "a tag" if isinstance(token, yaml.TagToken) else "an anchor or alias"
                problems.found.append(
                    Problem(file, mark.line + 1, mark.column + 1, f"{kind} is not allowed", "write the value out")
                )
        problems.raise_if_any()
        root = yaml.compose(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        if text.splitlines()[line - 1 : line] and text.splitlines()[line - 1][column - 1 : column] == "\t":
            problem = Problem(file, line, column, "a tab in the indentation, which YAML does not allow", "use spaces")
            raise DocumentError([problem]) from None
        words = " ".join(part for part in (error.context, error.problem) if part)
        raise DocumentError([Problem(file, line, column, f"not well-formed YAML: {words}")]) from None
    except (yaml.YAMLError, RecursionError) as error:
        raise DocumentError([Problem(file, 1, 1, f"not well-formed YAML: {error}")]) from None
    if root is None:
        raise DocumentError([Problem(file, 1, 1, "the file is empty")])
    node = _convert(root, file, problems, 0)
    problems.raise_if_any()
    return node


def _convert(node: yaml.Node, file: str, problems: Problems, depth: int) -> Node:
    line, column = node.start_mark.line + 1, node.start_mark.column + 1
    if depth > _MAX_DEPTH:
        raise DocumentError([Problem(file, line, column, f"nested deeper than {_MAX_DEPTH}")])
    if isinstance(node, yaml.MappingNode):
        pairs: list[tuple[Node, Node]] = []
        seen: dict[object, Node] = {}
        for key_node, value_node in node.value:
            key = _convert(key_node, file, problems, depth + 1)
            if key.kind != "scalar":
                problems.add(key, f"a key has to be a word, not {describe(key)}")
                continue
            key = Node("scalar", key_node.value, file, key.line, key.column)
            if key.value in seen:
                problems.add(key, f"the key {key.value!r} occurs twice; first at line {seen[key.value].line}")
            seen.setdefault(key.value, key)
            pairs.append((key, _convert(value_node, file, problems, depth + 1)))
        return Node("map", tuple(pairs), file, line, column)
    if isinstance(node, yaml.SequenceNode):
        entries = tuple(_convert(entry, file, problems, depth + 1) for entry in node.value)
        return Node("list", entries, file, line, column)
    quoted = isinstance(node, yaml.ScalarNode) and node.style in ('"', "'", "|", ">")
    value: ScalarValue = str(node.value) if quoted else _scalar(node.value)
    return Node("scalar", value, file, line, column, quoted)


def _scalar(text: str) -> ScalarValue:
    if text in ("true", "false"):
        return text == "true"
    if text in ("", "null", "~"):
        return None
    if len(text) <= 300 and _INTEGER.match(text):
        return int(text)
    return float(text) if len(text) <= 300 and _FLOAT.match(text) else text
