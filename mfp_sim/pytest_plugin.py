"""The pytest plugin: ``*.scenario.yaml`` files are test items, and a simulated printer and its CA are fixtures.

Fixtures ``frozen_clock``, ``scep_ca`` and ``printer`` belong together: one world on one clock. The marker ``mfp_sim``
sets it up::

    @pytest.mark.mfp_sim(clock="2026-03-02T08:00:00+01:00", challenge="s3cret", script="[{then: pending}]")
    def test_pending(printer, scep_ca, frozen_clock): ...

Imports heavy modules only when they are needed.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from mfp_sim.shared.errors import DocumentError, MfpSimError, TargetError, UsageError
from mfp_sim.shared.reaching import REACH_OPTIONS

if TYPE_CHECKING:
    from mfp_sim.device.printer import Printer
    from mfp_sim.scenario.model import Scenario, ScenarioResult
    from mfp_sim.scenario.world import World
    from mock_scep_server.service import ScepService

__all__ = ["SimulatedTime", "frozen_clock", "printer", "scep_ca"]

_FILES = "*.scenario.yaml"
_MARK = (
    "mfp_sim(clock, seed, challenge, script, printer, ca, timezone, functions): how the fixtures printer, scep_ca and "
    "frozen_clock are set up; script is YAML as in a scenario's ca.script, printer and ca are names of profiles"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """The options of the plugin."""
    group = parser.getgroup("mfp-sim", "scenarios of mfp-sim")
    parser.addini(
        "scenario_files",
        f"patterns of scenario files, names or paths (default: {_FILES}), where other tools have such files too",
        type="args",
        default=[_FILES],
    )
    group.addoption("--scenario-seed", type=int, metavar="N", help="instead of each scenario's own seed")
    group.addoption(
        "--scenario-flip",
        action="append",
        default=[],
        metavar="A-nn[=READING]",
        help="run scenarios under another reading of an assumption (repeatable)",
    )

    # Repeated here because importing the module of the items is slow: conformance/items.py says what they do.
    group = parser.getgroup("mfp-sim-conformance", "conformance checks of mfp-sim")
    group.addoption("--scep-url", metavar="URL", help="run the conformance checks against this SCEP server, only these")
    group.addoption("--scep-challenge-file", type=Path, metavar="FILE", help="challenge password, on the first line")
    group.addoption("--scep-challenge-env", metavar="NAME", help="environment variable with the challenge password")
    for name, how in REACH_OPTIONS.items():
        group.addoption(f"--scep-{name}", **how)
    group.addoption("--scep-baseline", type=Path, metavar="FILE", help="expected failures; strict both ways")
    group.addoption("--scep-read-only", action="store_true", help="do not request any certificate")
    group.addoption("--scep-keep-going", action="store_true", help="continue after a certificate that gives too much")
    group.addoption("--scep-strict", action="store_true", help="a warn or a finding is a failure too")


def pytest_report_header(config: pytest.Config) -> str | None:
    """A warning if the server's certificate is not checked."""
    unchecked = config.getoption("scep_url") and config.getoption("scep_tls_insecure")
    return "warning: the TLS certificate of the server is NOT CHECKED (--scep-tls-insecure)" if unchecked else None


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """The same beside the results: with ``-q`` there is no header."""
    if told := pytest_report_header(config):
        terminalreporter.write_line(told)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(session: pytest.Session, config: pytest.Config, items: list[pytest.Item]) -> None:
    """With ``--scep-url``, the checks replace all collected tests."""
    if not config.getoption("scep_url"):
        return
    from mfp_sim.conformance.items import items_of  # noqa: PLC0415 - every pytest run loads this module

    try:
        found = list(items_of(session))
    except (DocumentError, UsageError) as error:
        raise pytest.UsageError(str(error)) from None
    if items:
        config.hook.pytest_deselected(items=list(items))
    items[:] = found


def pytest_exception_interact(node: pytest.Item, call: pytest.CallInfo[Any]) -> None:
    """Report a missing server once, not by every check."""
    error = call.excinfo.value if call.excinfo is not None else None
    if isinstance(error, TargetError | UsageError) and node.nodeid.startswith("scep::"):
        node.session.shouldstop = str(error)


def pytest_configure(config: pytest.Config) -> None:
    """Make the marker known, and watch whether any check is judged."""
    config.addinivalue_line("markers", _MARK)
    if config.getoption("scep_url"):
        config.pluginmanager.register(_Judged(), "mfp-sim-judged")


_CONTROL = "scep::positive-control"


class _Judged:
    """Ends a session in which every check was skipped with exit code 5: nothing is known about the server."""

    def __init__(self) -> None:
        self._judged: set[bool] = set()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note whether a check was judged. pytest reports an expected failure as skipped, too."""
        if report.when == "call" and report.nodeid.startswith("scep::") and report.nodeid != _CONTROL:
            self._judged.add(not report.skipped or hasattr(report, "wasxfail"))

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Set the exit code."""
        if self._judged == {False} and exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say so."""
        if self._judged == {False}:
            terminalreporter.write_line("no verdict: no check was judged (-rs shows why)")


# --- scenario files as test items -------------------------------------------------------------------------


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect the files that the ini option ``scenario_files`` names, by default every ``*.scenario.yaml``."""
    if any(file_path.match(pattern) for pattern in parent.config.getini("scenario_files")):
        file: pytest.Collector = ScenarioFile.from_parent(parent, path=file_path)
        return file
    return None


class ScenarioFile(pytest.File):
    """A file of scenarios. A file with mistakes is one item that fails with all of them; other tests still run."""

    def collect(self) -> Iterator[pytest.Item]:
        """An item for each scenario."""
        from mfp_sim.scenario.loader import load_file  # noqa: PLC0415 - every pytest run loads this module

        try:
            scenarios = load_file(self.path)
        except (DocumentError, UsageError) as error:
            unreadable: UnreadableItem = UnreadableItem.from_parent(self, name="mistakes", error=error)
            yield unreadable
            return
        for scenario in scenarios:
            item: ScenarioItem = ScenarioItem.from_parent(self, name=scenario.name, scenario=scenario)
            yield item


class UnreadableItem(pytest.Item):
    """A file that is not a scenario file, or has mistakes."""

    def __init__(self, *, error: MfpSimError, **rest: Any) -> None:
        super().__init__(**rest)
        self.error = error

    def runtest(self) -> None:
        """Fail.

        Raises:
            DocumentError, UsageError: what is wrong with the file.
        """
        raise self.error

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:  # noqa: ARG002
        """All mistakes, and what to do about a file of another tool."""
        return (
            f"{excinfo.value}\n\nIf this is not a scenario of mfp-sim, say which files are with the ini option "
            f"scenario_files (now: {' '.join(self.config.getini('scenario_files'))})."
        )

    def reportinfo(self) -> tuple[Path, int, str]:
        """The place of the item for the report."""
        return self.path, 0, self.path.name


class ScenarioFailed(Exception):
    """Something did not hold; the report is made from the result."""

    def __init__(self, result: ScenarioResult) -> None:
        super().__init__(f"{len(result.failures)} expectations of {result.scenario.name} did not hold")
        self.result = result


class ScenarioItem(pytest.Item):
    """One scenario; its tags can be chosen with ``-k``."""

    def __init__(self, *, scenario: Scenario, **rest: Any) -> None:
        super().__init__(**rest)
        self.scenario = scenario
        self.extra_keyword_matches.update(scenario.tags)

    def runtest(self) -> None:
        """Run it.

        Raises:
            ScenarioFailed: an expectation did not hold.
        """
        from mfp_sim.scenario.runner import run  # noqa: PLC0415 - every pytest run loads this module

        seed, flips = self.config.getoption("scenario_seed"), self.config.getoption("scenario_flip")
        result = run(self.scenario, seed=seed, flips=flips)
        if result.unobserved:
            self.add_report_section("call", "not observable on a real server", "\n".join(result.unobserved))
        if result.skipped is not None:
            pytest.skip(result.skipped)
        if not result.passed:
            raise ScenarioFailed(result)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The failures, and how to see more."""
        if isinstance(excinfo.value, MfpSimError):
            return str(excinfo.value)
        if not isinstance(excinfo.value, ScenarioFailed):
            return super().repr_failure(excinfo, style)
        result = excinfo.value.result
        mask = result.redactor.text
        lines = [f"{self.scenario.name}: {mask(self.scenario.why)}", ""]
        for failure in result.failures:
            lines.append(f"{failure.place}: {mask(failure.path)}")
            lines.append(f"    expected  {mask(failure.expected)}")
            lines.append(f"    got       {mask(failure.got)}")
        name = f"::{self.scenario.name}" if "[" in self.scenario.name else ""
        return "\n".join([*lines, "", f"the story: mfp-sim show '{self.path}{name}' --seed {result.seed}"])

    def reportinfo(self) -> tuple[Path, int, str]:
        """The place of the item for the report."""
        return self.path, 0, self.scenario.name


# --- fixtures ---------------------------------------------------------------------------------------------


class SimulatedTime:
    """The frozen clock of a test. Letting time pass runs what the printer has planned meanwhile."""

    def __init__(self, world: World) -> None:
        self._world = world

    def now(self) -> datetime:
        """The present instant, aware, in UTC."""
        return self._world.clock.now()

    def advance(self, span: str | float | timedelta) -> None:
        """Let ``span`` pass: ``"20m"``, seconds, or a timedelta.

        Raises:
            UsageError: the span is not readable.
            BoundExceeded: more events ran than a world may have.
        """
        from mfp_sim.shared.documents import duration  # noqa: PLC0415 - every pytest run loads this module

        try:
            seconds = duration(span) if isinstance(span, str) else span
        except ValueError as error:
            raise UsageError(f"{span!r} is not a duration: {error}") from None
        step = seconds if isinstance(seconds, timedelta) else timedelta(seconds=seconds)
        self.advance_to(self.now() + step)

    def advance_to(self, instant: datetime | str) -> None:
        """Let time pass until an instant; without a zone it is the printer's local time.

        Raises:
            UsageError: it is not an instant, or has passed.
            BoundExceeded: more events ran than a world may have.
        """
        then = _instant(instant, self._world.zone)
        if then < self.now():
            raise UsageError(f"{instant} has passed: it is {self.now().astimezone(self._world.zone)}")
        self._world.run_until(then)


def _instant(given: datetime | str, zone: tzinfo) -> datetime:
    """An instant; without a zone of its own it is the printer's local time."""
    from mfp_sim.shared.documents import YEARS, in_years  # noqa: PLC0415 - every pytest run loads this module

    try:
        then = datetime.fromisoformat(given) if isinstance(given, str) else given
    except ValueError:
        raise UsageError(f"{given!r} is not a date and time", remedy="write 2026-03-02T08:00:00+01:00") from None
    if not in_years(then):
        raise UsageError(f"{given} is out of range", remedy=f"a date in the years {YEARS[0]} to {YEARS[1]}")
    return then if then.tzinfo else then.replace(tzinfo=zone)


@pytest.fixture(name="_mfp_sim_world")
def _world(request: pytest.FixtureRequest) -> Iterator[World]:
    from mfp_sim.scenario.runner import frozen  # noqa: PLC0415 - every pytest run loads this module
    from mfp_sim.scenario.world import build  # noqa: PLC0415 - every pytest run loads this module

    wrong: MfpSimError | None = None
    try:
        scenario = _marked(request.node)
        world = build(scenario, seed=scenario.seed)
    except (DocumentError, UsageError) as error:
        wrong = error
    if wrong is not None:  # outside the handler, whose error would be shown as well
        pytest.fail(f"the marker mfp_sim: {wrong}", pytrace=False)
    with frozen(world):
        yield world


_MARKED = ("clock", "seed", "challenge", "script", "printer", "ca", "timezone", "functions")


def _marked(node: pytest.Item) -> Scenario:
    """The set-up of a test from its markers, the nearest last; mistakes are reported as in a scenario file.

    Raises:
        UsageError, DocumentError: what is wrong with it.
    """
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # noqa: PLC0415 - every pytest run loads this module

    from mfp_sim.device.printer_profile import find_profile  # noqa: PLC0415 - every pytest run loads this module
    from mfp_sim.scenario.model import Scenario  # noqa: PLC0415 - every pytest run loads this module
    from mfp_sim.scenario.setting import PrinterSetup  # noqa: PLC0415 - every pytest run loads this module
    from mfp_sim.shared.documents import did_you_mean  # noqa: PLC0415 - every pytest run loads this module
    from mock_scep_server.script_file import script_of  # noqa: PLC0415 - every pytest run loads this module
    from mock_scep_server.setup import CaSetup  # noqa: PLC0415 - every pytest run loads this module

    given: dict[str, Any] = {}
    for mark in reversed(list(node.iter_markers("mfp_sim"))):
        if mark.args:
            raise UsageError(f"{mark.args[0]!r} has no name", remedy='write clock="2026-03-02T08:00:00+01:00"')
        given |= mark.kwargs
    for name in given.keys() - set(_MARKED):
        raise UsageError(f"there is no {name}", remedy=did_you_mean(name, _MARKED) or f"there are {', '.join(_MARKED)}")
    timezone, seed, script = given.get("timezone", "Europe/Oslo"), given.get("seed", 1), given.get("script", "[]")
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise UsageError(f"there is no time zone {timezone!r}", remedy="write Europe/Oslo") from None
    if not isinstance(seed, int):
        raise UsageError(f"seed has to be an integer, not {seed!r}")
    if not isinstance(script, str):
        raise UsageError("script has to be text", remedy='YAML as in a scenario: script="[{then: pending}]"')
    model, functions = given.get("printer", "canon-ir-adv-dx"), given.get("functions", ("TLS",))
    uses = [use for use in find_profile(model).uses if use != "None"]
    if isinstance(functions, str) or set(functions) - set(uses):
        raise UsageError(f"functions has to be a list of {', '.join(uses)}, not {functions!r}")
    return Scenario(
        name=node.name,
        why="the fixtures of a test",
        file=str(node.path),
        clock=_instant(given.get("clock", "2026-01-01T00:00:00+00:00"), zone),
        steps=(),
        seed=seed,
        printer=PrinterSetup(
            profile=model, timezone=timezone, functions=tuple(functions), url="http://ca.example/scep"
        ),
        ca=CaSetup(profile=given.get("ca", "rfc8894"), challenge=given.get("challenge"), script=script_of(script)),
    )


@pytest.fixture
def frozen_clock(_mfp_sim_world: World) -> SimulatedTime:
    """The simulated time of ``printer`` and ``scep_ca``; ``datetime.now()`` in the test shows it too."""
    return SimulatedTime(_mfp_sim_world)


@pytest.fixture
def scep_ca(_mfp_sim_world: World) -> ScepService:
    """The mock CA in process: ``journal``, ``ledger``, ``script.replace(...)``."""
    assert _mfp_sim_world.ca is not None
    return _mfp_sim_world.ca


@pytest.fixture
def printer(_mfp_sim_world: World) -> Printer:
    """A printer, switched on, with communication settings for ``scep_ca``."""
    return _mfp_sim_world.printer
