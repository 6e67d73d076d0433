"""Turns files, directories, names and globs into loaded scenarios, in a stable order."""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterable, Sequence
from functools import cache
from os.path import realpath
from pathlib import Path

from mfp_sim.scenario.composing import changed
from mfp_sim.scenario.loader import load_file
from mfp_sim.scenario.model import Scenario
from mfp_sim.shared.documents import Node, did_you_mean
from mfp_sim.shared.errors import DocumentError, Problem, UsageError, unread

__all__ = [
    "PLAN_SUFFIX",
    "SUFFIX",
    "bundled_directory",
    "exists",
    "files_of",
    "load_all",
    "nothing_selected",
    "path_of",
    "select",
]

SUFFIX = ".scenario.yaml"
PLAN_SUFFIX = ".fleet.yaml"
"""The end of the name of a fleet plan, which stands in the same directories."""


def bundled_directory() -> Path:
    """The directory of the bundled scenarios: inside the package if installed, beside it in a checkout."""
    package = Path(__file__).parents[1]
    found = package / "scenarios"
    found = found if found.is_dir() else package.parent / "scenarios"
    here = Path.cwd()
    return found.relative_to(here) if found.is_relative_to(here) else found


def files_of(path: Path) -> list[Path]:
    """The scenario files of a directory and those below it, or the file itself. A directory that cannot be read is
    among them, so that `load_all` reports it.

    Raises:
        UsageError: there is no such file or directory.
    """
    if not exists(path):
        raise _missing(str(path))
    if path.is_dir():
        closed: list[Path] = []
        walk = os.walk(path, onerror=lambda error: closed.append(Path(error.filename)))
        return sorted([Path(at, name) for at, _, names in walk for name in names if name.endswith(SUFFIX)] + closed)
    if not path.is_file():
        raise UsageError(f"{path} is neither a file nor a directory", remedy="save it as a file first")
    return [path]


def path_of(word: str) -> Path:
    """The path that a word of the command line means.

    Raises:
        UsageError: the word is empty, which would mean the working directory.
    """
    if not word:
        raise UsageError("a file, directory or name is empty", remedy="write . for the working directory")
    return Path(word)


def exists(path: Path) -> bool:
    """Whether there is such a file or directory.

    Raises:
        UsageError: a directory on its way cannot be read.
    """
    try:
        return path.exists()
    except OSError as error:
        raise unread(path, error) from None


def _missing(word: str) -> UsageError:
    """The error that there is no such file, with the file or directory beside it that may be meant."""
    beside = Path(word).parent.glob("*")
    known = [str(path) for path in beside if path.name.endswith((SUFFIX, PLAN_SUFFIX)) or path.is_dir()]
    return UsageError(f"there is no file or directory {word}", remedy=did_you_mean(word, sorted(known)))


def load_all(
    files: Iterable[Path], mistakes: list[Problem] | None = None, changes: tuple[str, ...] = ()
) -> list[Scenario]:
    """The scenarios of all files.

    Args:
        files: the files to read, each once; a name used in two files is a mistake in the second.
        mistakes: collects the mistakes of files, whose scenarios are left out; without it they are raised.
        changes: what `--set` changes in each file.

    Raises:
        DocumentError: the mistakes of all files in one go.
    """
    found: list[Scenario] = []
    problems: list[Problem] = []
    names: dict[str, str] = {}
    once: dict[str, Path] = {}
    for file in files:
        once.setdefault(realpath(file), file)
    for file in once.values():
        try:
            scenarios = load_file(file, changes)
        except UsageError:
            raise
        except DocumentError as error:
            problems.extend(error.problems)
            continue
        except Exception as error:  # noqa: BLE001 - an unexpected error in one file must not stop the others
            problems.append(Problem(str(file), 1, 1, f"internal error: {type(error).__name__}: {error}"))
            continue
        twice = [scenario for scenario in scenarios if scenario.name in names]
        problems += [_used_twice(scenario, names[scenario.name]) for scenario in twice]
        names |= {scenario.name: str(file) for scenario in scenarios if scenario.name not in names}
        found += [] if twice else scenarios
    _report(problems, mistakes)
    return found


def _used_twice(scenario: Scenario, other: str) -> Problem:
    return Problem(scenario.file, 1, 1, f"the name {scenario.name!r} is used in {other} too", other=other)


def _report(problems: Iterable[Problem], mistakes: list[Problem] | None) -> None:
    """Collect the mistakes, each once, or raise them.

    Raises:
        DocumentError: there are mistakes, and nothing collects them.
    """
    found = list(dict.fromkeys(problems))
    if mistakes is not None:
        mistakes.extend(problem for problem in found if problem not in mistakes)
    elif found:
        raise DocumentError(found)


@cache
def _bundled(changes: tuple[str, ...] = ()) -> tuple[Scenario, ...]:
    return tuple(load_all(files_of(bundled_directory()), changes=changes))


def _named(word: str) -> list[Path]:
    """The bundled files with a line `name: NAME`, in exactly this spelling."""
    line = re.compile(rb"^name: *%s *$" % re.escape(os.fsencode(word.partition("[")[0])), re.MULTILINE)
    return [file for file in files_of(bundled_directory()) if line.search(file.read_bytes())]


def select(
    words: Sequence[str],
    tags: Sequence[str] = (),
    mistakes: list[Problem] | None = None,
    changes: tuple[str, ...] = (),
) -> list[Scenario]:
    """The scenarios that ``words`` mean: paths first, then names and globs of bundled scenarios; ``tags``: any of them.

    ``FILE::NAME`` is one scenario of a file. A scenario that several words mean is there once, and a name that two
    files use is a mistake in the second. The word ``scenarios`` means the bundled ones where there is no such
    directory. `mistakes` and `changes` are as for `load_all`. Each word has to select something, so that a misspelt one
    does not leave its scenarios out silently. Only if no directory has a scenario, or no tag is known, nothing is
    selected without an error.

    Raises:
        UsageError: a word is not a path or a name, or fits no name, or it is a fleet plan; or one of several
            directories has no scenario, or one of several tags is not known.
        DocumentError: mistakes in the files.
    """
    changed(Node("map", (), "--set", 1, 1), changes)  # a mistake in the changes is not one of each file
    paths: list[Path] = []
    named: list[Scenario] = []
    empty: list[str] = []
    for word in words or ("scenarios",):
        path = path_of(word)
        file, _, instance = word.partition("::")
        if instance:
            named.extend(_instance(path_of(file), instance, mistakes, changes))
        elif words and exists(path):
            if word.endswith(PLAN_SUFFIX):
                raise UsageError(f"{word} is a fleet plan, not a scenario", remedy=f"mfp-sim fleet {word}")
            files = files_of(path)
            paths.extend(files)
            empty += [] if files else [word]
        elif word == "scenarios":
            named.extend(_bundled(changes))
        else:
            named.extend(_by_name(word, changes))
    if empty and (paths or named):
        raise UsageError(_no_file_in(empty), remedy="check the name of the directory, or leave it out")
    found: dict[str, Scenario] = {}
    problems: list[Problem] = []
    for scenario in (*load_all(paths, mistakes, changes), *named):
        first = found.setdefault(scenario.name, scenario)
        if realpath(first.file) != realpath(scenario.file):
            problems.append(_used_twice(scenario, first.file))
    _report(problems, mistakes)
    if not mistakes:  # a file with mistakes may have the tag
        _check_tags(tags, found.values())
    return [scenario for scenario in found.values() if not tags or set(tags) & set(scenario.tags)]


def _check_tags(tags: Sequence[str], scenarios: Iterable[Scenario]) -> None:
    """Refuse a tag of no scenario beside tags that scenarios have."""
    known = {tag for scenario in scenarios for tag in scenario.tags}
    for tag in tags if known.intersection(tags) else ():
        if tag not in known:
            remedy = did_you_mean(tag, sorted(known)) or "mfp-sim list shows the tags"
            raise UsageError(f"no scenario has the tag {tag!r}", remedy=remedy)


def _no_file_in(directories: Iterable[str]) -> str:
    return f"no file in {', '.join(directories)} is called *{SUFFIX}"


def nothing_selected(words: Sequence[str]) -> str:
    """Why `select` found nothing: directories without scenario files, or names and tags that fit no scenario."""
    if words and all(Path(word).is_dir() and not files_of(Path(word)) for word in words):
        return f"nothing was selected: {_no_file_in(words)}"
    return "nothing was selected; mfp-sim list shows all scenarios, with their tags"


def _instance(file: Path, name: str, mistakes: list[Problem] | None, changes: tuple[str, ...]) -> list[Scenario]:
    wrong: list[Problem] = []
    scenarios = load_all(files_of(file), wrong, changes)
    _report(wrong, mistakes)
    found = [scenario for scenario in scenarios if scenario.name == name]
    if not found and not wrong:
        hint = did_you_mean(name, [scenario.name for scenario in scenarios])
        raise UsageError(f"{file} has no scenario {name!r}", remedy=hint)
    return found


def _by_name(word: str, changes: tuple[str, ...]) -> list[Scenario]:
    if "/" in word or word.endswith((".yaml", ".yml")):
        raise _missing(word)
    for scenarios in (
        lambda: load_all(_named(word), changes=changes),
        lambda: _bundled(changes),
    ):  # most words are found without reading all files
        exact = [scenario for scenario in scenarios() if word in (scenario.name, scenario.name.partition("[")[0])]
        if exact:
            return exact
    glob = any(mark in word for mark in "*?[")
    fitting = [scenario for scenario in _bundled(changes) if glob and fnmatch.fnmatchcase(scenario.name, word)]
    if fitting:
        return fitting
    names = [scenario.name for scenario in _bundled()]
    if glob:
        near = did_you_mean(word.strip("*"), names)
        raise UsageError(f"no scenario fits {word!r}", remedy=near or "mfp-sim list shows all names")
    files = [path.name for path in Path().glob(f"*{SUFFIX}")]
    hint = did_you_mean(word, [*names, *sorted(files)])
    raise UsageError(f"there is no scenario {word!r}", remedy=hint or "mfp-sim list shows all names")
