"""Checks as test items of pytest: ``pytest --scep-url URL``. Each process has one session with the server.

A check that fails is a failed test; one that the baseline expects to fail is a strict expected failure; one that cannot
be judged is skipped with the reason; if no check is judged, the exit code is 5. A warn or a finding passes and is
reported, unless ``--scep-strict`` is given. The positive control is the last item.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mfp_sim.conformance.baseline import BaselineLine, load_baseline
from mfp_sim.conformance.challenges import SendNoChallenge, Static
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.engine import in_order, not_permitted, run_checks
from mfp_sim.conformance.model import Check, CheckResult, CheckVerdict
from mfp_sim.conformance.registry import all_checks
from mfp_sim.conformance.reporting import verdicts_of
from mfp_sim.conformance.target import Permissions, target_of
from mfp_sim.report.model import UNCHECKED
from mfp_sim.shared.errors import TargetError, UsageError
from mfp_sim.shared.reaching import reach_of
from mfp_sim.shared.redaction import Redactor
from mfp_sim.shared.secret_options import read_secret, secret_words
from mfp_sim.shared.simtime import Entropy, GeneratedKeys, KeysAhead, SystemClock
from mfp_sim.transport import SocketClient

__all__ = ["items_of"]

_SESSION = pytest.StashKey[Client]()


class CheckFailed(Exception):
    """A check did not pass; the report shows the result."""

    def __init__(self, result: CheckResult, why: str = "") -> None:
        super().__init__(why or f"{result.check.id} is {result.verdict.word}")
        self.result, self.why = result, why


def items_of(parent: pytest.Session) -> Iterator[pytest.Item]:
    """An item for each check, and one for the positive control."""
    config = parent.config
    _session(config)  # report a wrong option before any check runs
    path = config.getoption("scep_baseline")
    expected = {e.id: e for e in load_baseline(path)} if path is not None else {}
    collector: pytest.Collector = ScepServer.from_parent(parent, name="scep", nodeid="scep")
    for check in in_order(all_checks().values()):
        item: CheckItem = CheckItem.from_parent(collector, name=check.id, check=check, expected=expected.get(check.id))
        yield item
    last: ControlItem = ControlItem.from_parent(collector, name="positive-control")
    yield last


class ScepServer(pytest.Collector):
    """The server under test."""

    def collect(self) -> Iterator[pytest.Item]:
        """Empty by itself: `items_of` gives the items."""
        return iter(())


def _session(config: pytest.Config) -> Client:
    if _SESSION not in config.stash:
        clock, reach = SystemClock(), reach_of(config.option, "scep_")
        secret, redactor = _secret(config), Redactor(reach.secrets)
        keys = KeysAhead(GeneratedKeys())
        config.add_cleanup(keys.close)
        redactor.add(secret or "")
        config.stash[_SESSION] = Client(
            target_of(config.getoption("scep_url")),
            SocketClient(clock, reach),
            clock=clock,
            entropy=Entropy(None),
            keys=keys,
            challenges=Static(secret) if secret else SendNoChallenge(),
            policy=Permissions(read_only=config.getoption("scep_read_only")),
            redactor=redactor,
        )
    return config.stash[_SESSION]


def _secret(config: pytest.Config) -> str | None:
    file, variable = config.getoption("scep_challenge_file"), config.getoption("scep_challenge_env")
    if file is not None and variable is not None:
        raise UsageError("--scep-challenge-file and --scep-challenge-env are both given", remedy="drop one")
    return read_secret("challenge", file=file, variable=variable)


class _Item(pytest.Item):
    def reportinfo(self) -> tuple[Path, int | None, str]:
        """The location: it has no file."""
        return Path("scep"), None, f"scep::{self.name}"

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The text of the failure, with secrets masked."""
        error = excinfo.value
        if isinstance(error, TargetError | UsageError):
            return str(error)
        if not isinstance(error, CheckFailed):
            return super().repr_failure(excinfo, style)
        result, lines = error.result, []
        lines.append(
            f"{result.check.id}: {result.check.title} (RFC 8894, {result.check.section}; {result.check.level})"
        )
        lines += ["  a security failure"] if result.insecure else []
        lines += [error.why] if error.why else []
        for fact in result.deviations:
            lines += [f"  expected  {fact.expected}", f"  got       {fact.got}"]
            lines += [f"  likely    {fact.mistake}"] if fact.mistake else []
        options = self.config.option
        given = {"challenge_file": options.scep_challenge_file, "challenge_env": options.scep_challenge_env}
        secret = secret_words(SimpleNamespace(challenge=None, **given), "challenge")
        url, words = options.scep_url, (*secret, *reach_of(options, "scep_").words)
        lines.append(f"repeat with: {shlex.join(['mfp-sim', 'conform', url, *words, '--only', result.check.id])}")
        return _session(self.config).redactor.text("\n".join(lines))


class CheckItem(_Item):
    """One check; ``-k`` selects by chapter and tags."""

    def __init__(self, *, check: Check, expected: BaselineLine | None, **rest: Any) -> None:
        super().__init__(**rest)
        self.check, self.expected = check, expected
        self.extra_keyword_matches.update({check.chapter, *check.tags})

    def runtest(self) -> None:
        """Run it.

        Raises:
            CheckFailed: it failed, or differs from the baseline.
        """
        session, going = _session(self.config), self.config.getoption("scep_keep_going")
        run = run_checks(session, [self.check], keep_going=going, last_control=False)
        (result,) = run.results
        self.user_properties.append(("verdict", result.verdict.word))
        if session.target.scheme == "https" and self.config.getoption("scep_tls_insecure"):
            self.user_properties.append((UNCHECKED, "yes"))
        if run.internal_errors:
            raise CheckFailed(result, result.reason or "")
        self._compare(result, session.policy)
        if result.verdict > CheckVerdict.FAIL:
            pytest.skip(result.reason or "not judged")
        if self.check.experimental:
            pytest.skip("experimental: no fault of the mock proves it yet")
        worst = CheckVerdict.PASS if self.config.getoption("scep_strict") else CheckVerdict.WARN
        if result.verdict > worst:
            raise CheckFailed(result)

    def _compare(self, result: CheckResult, policy: Permissions) -> None:
        if self.expected is None or not_permitted(self.check, policy) is not None:
            return
        if not result.counts:
            raise CheckFailed(
                result, f"the baseline expects {self.expected.verdict}, but it was not judged: {result.reason}"
            )
        if self.expected.expires < SystemClock().now().date():
            raise CheckFailed(result, f"the baseline's line expired on {self.expected.expires}: review it")
        verdict = verdicts_of([result]).get(self.check.id, result.verdict.word)
        if not self.expected.met_by(verdict):
            raise CheckFailed(result, f"the baseline expects {self.expected.verdict}, but the verdict is {verdict}")
        if result.verdict is not CheckVerdict.PASS:
            pytest.xfail(self.expected.reason)


class ControlItem(_Item):
    """Whether the server still grants a right request at the end."""

    def runtest(self) -> None:
        """Run it."""
        run = run_checks(_session(self.config), [])
        for name, control in (("first", run.first), ("last", run.last)):
            if not control.held:
                pytest.fail(f"the {name} positive control failed: {control.text}", pytrace=False)
