"""Runs mutants in a pytest session: everything is collected once, each mutant gets a process of its own by a fork.

A first round carries out every item as it is, notes which lines of the modules it reaches and how long it takes. After
that only the items that reach the changed lines are run for a mutant, the quick ones first, until one of them fails.
"""

from __future__ import annotations

import inspect
import os
import re
import resource
import signal
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from mutation.graft import graft
from mutation.mutants import Mutant

__all__ = ["MutationSession", "Verdict"]

_SPARE_SECONDS = 10
"""Processor time that a mutant gets beyond three times what its items take: an endless loop is a failure too."""


@dataclass(frozen=True)
class Verdict:
    """What became of a mutant: the item that failed, ``import`` or ``endless``; None when nothing noticed it."""

    mutant: Mutant
    caught_by: str | None
    reached: bool


@dataclass
class _Child:
    mutant: Mutant
    numbers: Sequence[int]
    pipe: int


@dataclass(eq=False)  # pytest keeps its plugins in sets
class MutationSession:
    """A pytest plugin whose run loop is the mutation run. ``tell`` gets each verdict as it comes."""

    mutants: Sequence[Mutant]
    files: Mapping[str, Path]
    jobs: int
    tell: Callable[[Verdict], None]
    say: Callable[[str], None]
    verdicts: list[Verdict] = field(default_factory=list)
    broken: str | None = None
    _reach: dict[str, dict[int, set[int]]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(set)))
    _seconds: list[float] = field(default_factory=list)
    _killers: dict[tuple[str, str], list[int]] = field(default_factory=lambda: defaultdict(list))
    _names: list[str] = field(default_factory=list)
    _sources: list[str] = field(default_factory=list)
    _failed: bool = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._failed = self._failed or report.failed

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Instead of pytest's own loop."""
        reporter = session.config.pluginmanager.getplugin("terminalreporter")
        session.config.pluginmanager.unregister(reporter)
        items = session.items
        self._names = [item.nodeid for item in items]
        self._sources = [_source(item) for item in items]
        self.say(f"{len(items)} scenarios and tests, {len(self.mutants)} mutants; first all of them without a mutant")
        for number, item in enumerate(items):
            if not self._first_round(number, item):
                self.broken = f"{item.nodeid} fails without any mutant"
                return True
        self.say(f"that takes {sum(self._seconds):.0f} s")
        self._all(items)
        return True

    def _first_round(self, number: int, item: pytest.Item) -> bool:
        files = {str(file): module for module, file in self.files.items()}

        def trace(frame: FrameType, *_: object) -> Any:
            module = files.get(frame.f_code.co_filename)
            if module is None:
                return None
            lines = self._reach[module]
            lines[frame.f_lineno].add(number)

            def line(frame: FrameType, *_: object) -> Any:
                lines[frame.f_lineno].add(number)
                return line

            return line

        begun = time.process_time()
        threading.settrace(trace)  # servers answer in threads of their own
        sys.settrace(trace)
        try:
            passed = self._passes(item)
        finally:
            sys.settrace(None)
            threading.settrace(None)  # type: ignore[arg-type]  # that is how it is unset
        self._seconds.append(time.process_time() - begun)
        return passed

    def _passes(self, item: pytest.Item) -> bool:
        self._failed = False
        item.config.hook.pytest_runtest_protocol(item=item, nextitem=None)
        return not self._failed

    def _that_reach(self, mutant: Mutant) -> list[int]:
        """The numbers of the items that reach a mutant: the one that caught the last one here, then the quick ones.

        A line outside of functions is reached by each test that reaches a line with a name that it defines, or that has
        that name in its text. What no item reaches may have run once, before any of them: all users of
        its function are looked at, or all of the module.
        """
        lines = self._reach[mutant.module]
        found = {number for line in mutant.lines for number in lines.get(line, ())}
        if not mutant.function:
            found = {number for name in mutant.names for number in self._that_use(name)}
        if not found:
            found = {number for line in mutant.around for number in lines.get(line, ())}
            found = found or set().union(*lines.values())
        last = self._killers[mutant.module, mutant.function][-1:]
        return sorted(found, key=lambda number: (number not in last, self._seconds[number], number))

    @cache  # noqa: B019 - one session a process
    def _that_use(self, name: str) -> frozenset[int]:
        word = re.compile(rf"\b{re.escape(name)}\b")
        found = {number for number, text in enumerate(self._sources) if word.search(text)}
        for module, file in self.files.items():
            for number, line in enumerate(file.read_text("utf-8").splitlines(), 1):
                if word.search(line):
                    found |= self._reach[module].get(number, set())
        return frozenset(found)

    # --- processes ----------------------------------------------------------------------------------------

    def _all(self, items: Sequence[pytest.Item]) -> None:
        waiting, running = list(reversed(self.mutants)), {}
        while waiting or running:
            while waiting and len(running) < self.jobs:
                mutant = waiting.pop()
                numbers = self._that_reach(mutant)
                pid, child = self._begin(mutant, [items[number] for number in numbers], numbers)
                running[pid] = child
            pid, status = os.wait()
            self._end(running.pop(pid), status)

    def _begin(self, mutant: Mutant, items: Iterable[pytest.Item], numbers: Sequence[int]) -> tuple[int, _Child]:
        reader, writer = os.pipe()
        pid = os.fork()
        if pid:
            os.close(writer)
            return pid, _Child(mutant, numbers, reader)
        os.close(reader)
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in (0, 1, 2):
            os.dup2(null, descriptor)
        seconds = int(3 * sum(self._seconds[number] for number in numbers)) + _SPARE_SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (int(time.process_time()) + seconds, resource.RLIM_INFINITY))
        resource.setrlimit(resource.RLIMIT_AS, (4 << 30, resource.RLIM_INFINITY))
        os.write(writer, self._caught_by(mutant, items).encode())
        os._exit(0)

    def _caught_by(self, mutant: Mutant, items: Iterable[pytest.Item]) -> str:
        try:
            graft(sys.modules[mutant.module], mutant.tree)
        except Exception:  # noqa: BLE001 - whatever a wrong module raises, it was noticed
            return "import"
        for number, item in enumerate(items):
            if not self._passes(item):
                return str(number)
        return ""

    def _end(self, child: _Child, status: int) -> None:
        with os.fdopen(child.pipe, "rb") as pipe:
            caught_by = pipe.read().decode()
        if os.WIFSIGNALED(status):
            caught_by = "endless" if os.WTERMSIG(status) in (signal.SIGXCPU, signal.SIGKILL) else "crash"
        elif status:
            caught_by = "crash"
        elif caught_by.isdecimal():
            number = child.numbers[int(caught_by)]
            self._killers[child.mutant.module, child.mutant.function].append(number)
            caught_by = self._names[number]
        verdict = Verdict(child.mutant, caught_by or None, bool(child.numbers))
        self.verdicts.append(verdict)
        self.tell(verdict)


def _source(item: pytest.Item) -> str:
    """The text of a test and its parameters; of a scenario its name."""
    function = getattr(item, "function", None)
    try:
        return item.nodeid + (inspect.getsource(function) if function else "")
    except OSError:
        return item.nodeid
