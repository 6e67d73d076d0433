"""A printer in a state directory goes on with a real server where an earlier invocation left it.

The mock is behind a socket, as a real server is. The printer's clock is moved by the test, so that nobody waits for the
minutes between two polls; it starts at the real time, which the CA's certificates are of.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from mfp_sim.cli.main import main
from mfp_sim.shared.simtime import FrozenClock, SystemClock
from mfp_sim.testing import Bench, script_of
from mock_scep_server.server import ServerHost
from mock_scep_server.service import ScepService

RULES = """[
  {when: {type: PKCSReq}, then: pending},
  {when: {type: CertPoll, nth: 1}, then: pending},
  {when: {type: CertPoll}, then: success},
]"""
HEAD = """\
format: 1
name: printer-in-the-hall
clock: 2026-03-02T08:00:00+01:00
printer: {functions: [TLS]}
"""
AUTOMATIC = """\
  - auto_request:
      start_in: 2s
      polling: {count: 5, interval: 1m}
      key: {name: tls, common_name: 192.0.2.10, challenge: s3cret, use: TLS}
"""
MONDAY = f"""{HEAD}why: The CA lets the printer wait, and everybody goes home.
steps:
{AUTOMATIC}  - advance: 5s
  - expect: {{status: {{state: processing}}, requests: [GetCACaps, GetCACert, PKCSReq], sound: true}}
"""
CUT = f"""{HEAD}why: The power fails when the CA has the request, and nobody is there.
steps:
  - power_cut: {{at: AT}}
{AUTOMATIC}  - advance: 5s
  - expect: {{powered: false}}
"""
TUESDAY = f"""{HEAD}why: The printer goes on with the request of yesterday.
steps:
  - expect: {{status: {{state: processing}}}}
  - advance: 10m
  - expect:
      status: {{state: successful, details: none}}
      requests: ASKED
      transactions: 1
      keys: [{{name: tls, use: TLS, certificate: {{common_name: 192.0.2.10, fits_key: true}}}}]
      sound: true
"""


@pytest.fixture
def ca() -> ScepService:
    return Bench(clock=SystemClock(), script=RULES).ca


@pytest.fixture
def url(ca: ScepService) -> Iterator[str]:
    with ServerHost(ca) as host:
        yield f"{host.url}/scep"


@pytest.fixture
def invoke(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> Callable[[str, timedelta], str]:
    """``mfp-sim run`` with a scenario, after some time has passed; what it says when it has passed."""
    now = [datetime.now(timezone.utc)]

    def run(text: str, later: timedelta = timedelta(0)) -> str:
        now[0] += later
        clock = FrozenClock(now[0])
        monkeypatch.setattr("mfp_sim.scenario.world.SystemClock", lambda: clock)
        file = tmp_path / "day.scenario.yaml"
        file.write_text(text)
        words = ["run", str(file), "--ca", url, "--challenge", "s3cret", "--state-dir", str(tmp_path / "state")]
        code = main(words)
        now[0] = clock.now()
        told = capsys.readouterr()
        assert code == 0, told.out + told.err
        return told.out

    return run


def _asked(ca: ScepService) -> list[str]:
    return [entry.name for entry in ca.journal.entries if entry.name not in ("GetCACaps", "GetCACert")]


def _certificates(tmp_path: Path) -> int:
    (file,) = (tmp_path / "state").rglob("printer.json")
    return len(json.loads(file.read_text().splitlines()[1])["keys"])


def test_a_pending_request_goes_on_in_the_next_invocation(ca, invoke, tmp_path: Path) -> None:
    assert "1 passed" in invoke(MONDAY)
    assert _asked(ca) == ["PKCSReq"]
    assert _certificates(tmp_path) == 1
    assert "1 passed" in invoke(TUESDAY.replace("ASKED", "[CertPoll, CertPoll]"), timedelta(hours=16))
    assert _asked(ca) == ["PKCSReq", "CertPoll", "CertPoll"]
    assert len({entry.transaction for entry in ca.journal.entries if entry.transaction}) == 1
    assert ca.ledger.counts["minted"] == 1
    assert _certificates(tmp_path) == 2
    again = TUESDAY.replace("ASKED", "[]").replace("transactions: 1", "transactions: 0")
    assert "1 passed" in invoke(again.replace("state: processing", "state: successful"), timedelta(days=1))


@pytest.mark.parametrize(
    ("point", "first", "then"),
    [
        ("PKCSReq.before", [], ["GetCACaps", "GetCACert", "PKCSReq", "CertPoll", "CertPoll"]),
        ("PKCSReq.after", ["PKCSReq"], ["GetCACaps", "GetCACert", "PKCSReq", "CertPoll", "CertPoll"]),
        ("commit-poll-booked.before", ["PKCSReq"], ["GetCACaps", "GetCACert", "PKCSReq", "CertPoll", "CertPoll"]),
        ("commit-poll-booked.after", ["PKCSReq"], ["CertPoll", "CertPoll"]),
    ],
)
def test_it_goes_on_after_a_power_failure_too(ca, invoke, tmp_path, point: str, first, then) -> None:
    invoke(CUT.replace("AT", point))
    assert _asked(ca) == first
    invoke(TUESDAY.replace("ASKED", str(then).replace("'", "")), timedelta(hours=16))
    assert len({entry.transaction for entry in ca.journal.entries if entry.transaction}) == 1
    assert ca.ledger.counts["minted"] == 1
    assert _certificates(tmp_path) == 2


def test_a_power_failure_after_the_certificate_came_asks_for_it_once_more(ca, invoke, tmp_path: Path) -> None:
    invoke(MONDAY)
    cut = TUESDAY.partition("steps:")[0] + "steps:\n  - power_cut: {at: commit-request-ended.before}\n"
    invoke(cut + "  - advance: 10m\n  - expect: {powered: false}\n", timedelta(hours=16))
    assert ca.ledger.counts["minted"] == 1
    assert _certificates(tmp_path) == 1
    invoke(TUESDAY.replace("ASKED", "[CertPoll]"), timedelta(hours=16))
    assert ca.ledger.counts["minted"] == 1
    assert _certificates(tmp_path) == 2


def test_the_two_days_of_the_documentation(ca, invoke) -> None:
    page = (Path(__file__).parents[2] / "docs" / "explanation" / "storage.md").read_text("utf-8")
    monday, tuesday = re.findall(r"^```yaml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    ca.script.replace(script_of("[{when: {type: PKCSReq}, then: pending}]"))
    invoke(monday)
    ca.script.replace(())
    invoke(tuesday, timedelta(hours=16))
    assert _asked(ca) == ["PKCSReq", "CertPoll"]


def test_the_command_that_repeats_a_failure_names_the_directory(invoke, tmp_path: Path) -> None:
    with pytest.raises(AssertionError) as caught:
        invoke(MONDAY.replace("state: processing", "state: successful"))
    assert f"--state-dir {tmp_path / 'state'}" in str(caught.value)


def test_a_start_that_has_passed_is_for_the_simulation_only(url: str, tmp_path: Path, capsys) -> None:
    file = tmp_path / "old.scenario.yaml"
    file.write_text(MONDAY.replace("start_in: 2s", "start: 2026-03-02 09:00"))
    assert main(["run", str(file), "--ca", url, "--challenge", "s3cret"]) == 5
    told = capsys.readouterr().out
    assert "skip  printer-in-the-hall  (its automatic request starts at 2026-03-02 09:00, which has passed" in told
