"""``mfp-sim serve`` as a person starts and stops it."""

from __future__ import annotations

import http.client
import json
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from serving_printers import COMM, KEY, REQUEST, Serving
from tls_hosts import tls_host

from mfp_sim.cli.options import build_parser
from mfp_sim.cli.serve import _write
from mfp_sim.shared.errors import UsageError

Words = tuple[object, ...]


@pytest.fixture
def serving() -> Iterator[Callable[..., Serving]]:
    """Starts the command; whatever happens, it is stopped."""
    started: list[Serving] = []

    def start(*words: object) -> Serving:
        started.append(Serving(*words))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.kill()
            one.process.communicate()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_it_says_where_everything_is_and_stops_cleanly(serving, number: int) -> None:
    here = serving("--start", "2026-03-02T08:00")
    ui, ca = here.address("printer SIM00001"), here.address("mock CA")
    assert here.ask(f"{ui}login")[0] == 200
    parts = urlsplit(ca)
    connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=30)
    connection.request("GET", f"{parts.path}?operation=GetCACaps")
    assert b"POSTPKIOperation" in connection.getresponse().read()
    connection.close()
    text = "\n".join(here.lines)
    assert "administrator's PIN: 7654321 (--pin-file sets another)" in text
    assert "simulated clock: 2026-03-02 08:00:00 Europe/Oslo; it stands still until you move it" in text
    code, out, err = here.stop(number)
    assert (code, err) == (0, "")
    assert "Traceback" not in out


@pytest.mark.parametrize("clock", ["frozen", "system"])
def test_a_certificate_on_either_clock(serving, tmp_path: Path, clock: str) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("canary-c1\n")
    here = serving("--clock", clock, "--challenge-file", secret, "--pin", "canary-p1")
    ui, ca = here.address("printer SIM00001"), here.address("mock CA")
    here.log_in(ui, "canary-p1")
    assert here.ask(ui + COMM, {"url": ca, "port": urlsplit(ca).port, "timeout": 30})[0] == 200
    text = here.request(ui, {**KEY, "challenge": "canary-c1"})
    assert "Successful" in text
    assert ('id="advance-next"' in text) == (clock == "frozen")
    code, out, err = here.stop()
    assert (code, err) == (0, "")
    assert "PKCSReq -> SUCCESS" in out
    assert "canary" not in out


def test_the_time_never_goes_back_behind_what_was_stored_however_it_ends(serving, tmp_path: Path) -> None:
    words = ("--state-dir", tmp_path / "state", "--start", "2026-03-02T08:00")
    here = serving(*words)
    ui, ca = here.address("printer SIM00001"), here.address("mock CA")
    here.log_in(ui)
    here.ask(f"{ui}simulation/advance", {"by": "30d", "back": "/"})
    here.ask(ui + COMM, {"url": ca, "port": urlsplit(ca).port, "timeout": 30})
    here.process.kill()
    here.process.communicate()
    again = serving(*words)
    ui = again.address("printer SIM00001")
    again.log_in(ui)
    assert 'datetime="2026-04-01T07:00:00+00:00"' in again.ask(ui + COMM)[1]


def test_the_state_and_the_time_come_back(serving, tmp_path: Path) -> None:
    words = ("--state-dir", tmp_path / "state", "--start", "2026-03-02T08:00")
    here = serving(*words)
    ui, ca = here.address("printer SIM00001"), here.address("mock CA")
    here.log_in(ui)
    here.ask(ui + COMM, {"url": ca, "port": urlsplit(ca).port, "timeout": 30})
    here.ask(f"{ui}simulation/advance", {"by": "30d", "back": "/"})
    assert here.stop()[0] == 0
    assert json.loads((tmp_path / "state" / "clock.json").read_text()) == {"simulated": "2026-04-01T07:00:00+00:00"}
    again = serving(*words)
    ui = again.address("printer SIM00001")
    again.log_in(ui)
    assert f'value="{ca}"' in again.ask(ui + COMM)[1]
    assert "simulated clock: 2026-04-01 09:00:00" in "\n".join(again.lines)


@pytest.mark.parametrize(
    ("kept", "text"),
    [
        ("0001-01-01T00:00:00+00:00", "the year 1 is not one of 1970 to 2199"),
        ("2200-01-01T00:00:00+00:00", "the year 2200 is not one of 1970 to 2199"),
        ("2026-13-01T00:00:00+00:00", "has no time with a zone"),
        ("2026-03-02T08:00:00", "has no time with a zone"),
    ],
)
def test_a_kept_time_that_no_clock_has(mfp_sim, tmp_path: Path, kept: str, text: str) -> None:
    (tmp_path / "clock.json").write_text(json.dumps({"simulated": kept}))
    done = mfp_sim("serve", "--port", 0, "--ca-port", 0, "--state-dir", tmp_path, "--start", "2026-03-02T08:00")
    assert done.code == 2
    assert text in done.err
    assert "remove the file" in done.err


def test_several_printers_have_a_login_each(serving) -> None:
    here = serving("--printers", 2, "--ip", "192.0.2.250")
    first, second = here.address("printer SIM00001 (192.0.2.250)"), here.address("printer SIM00002 (192.0.2.251)")
    here.log_in(first)
    assert 'id="login-form"' in here.ask(second)[1]
    here.log_in(second)
    assert here.cookies.keys() == {"remote-ui-SIM00001", "remote-ui-SIM00002"}
    assert 'id="ip">192.0.2.250' in here.ask(first)[1]
    start = here.ask(here.address("all printers"))[1]
    assert [f'href="{url}"' in start for url in (first, second)] == [True, True]


def test_a_simulated_clock_that_runs_by_itself(serving) -> None:
    here = serving("--start", "2026-03-02T08:00", "--speed", "100000")
    ui = here.address("printer SIM00001")
    text = here.ask(f"{ui}login")[1]
    for _ in range(600):
        if 'id="clock" datetime="2026-03-02T07:00:00+00:00"' not in text:
            break
        threading.Event().wait(0.05)
        text = here.ask(f"{ui}login")[1]
    assert 'id="clock" datetime="2026-03-02T07:00:00+00:00"' not in text
    assert "(100000 times as fast as real time)" in text
    assert here.stop()[0] == 0


def test_what_was_recorded_runs(serving, tmp_path: Path, mfp_sim) -> None:
    file = tmp_path / "mine.scenario.yaml"
    here = serving("--record", file, "--start", "2026-03-02T08:00", "--challenge", "canary-c1", "-q")
    ui, ca = here.address("printer SIM00001"), here.address("mock CA")
    here.log_in(ui)
    here.ask(ui + COMM, {"url": ca, "port": urlsplit(ca).port, "timeout": 30})
    here.ask(ui + REQUEST, {**KEY, "challenge": "canary-c1"})
    code, out, _ = here.stop(signal.SIGHUP)
    assert code == 0
    assert f"recorded: mfp-sim run {file}" in out
    assert "canary" not in file.read_text()
    done = mfp_sim("run", file)
    assert done.code == 0, done.out
    assert "mine" in done.out


def test_a_real_server_and_the_real_clock(serving) -> None:
    there = serving("--clock", "system")
    ca = there.address("mock CA")
    here = serving("--ca", ca)
    ui = here.address("printer SIM00001")
    assert here.address("SCEP server") == ca
    here.log_in(ui)
    here.ask(ui + COMM, {"url": ca, "port": urlsplit(ca).port, "timeout": 30})
    assert "Successful" in here.request(ui, KEY)


def test_a_real_server_behind_tls_and_a_model_that_speaks_it(serving, mfp_sim, tmp_path: Path) -> None:
    model = tmp_path / "model.yaml"
    model.write_text(
        "format: 1\nname: with-https\nbase: canon-ir-adv-dx\n"
        "values: {https: {value: true, source: 'https://example.com/manual'}}\n"
    )
    with tls_host(tmp_path) as behind:
        at = ("--ca", behind.url, "--tls-ca", behind.trust)
        refused = mfp_sim("serve", "--port", 0, *at)
        assert refused.code == 2
        assert "speaks only HTTP (A-01) (give a model file with https: true by --profile)" in refused.err
        here = serving(*at, "--profile", model)
        ui = here.address("printer SIM00001")
        here.log_in(ui)
        here.ask(ui + COMM, {"url": behind.url, "port": behind.host.port, "timeout": 30})
        assert "Successful" in here.request(ui, KEY)


# --- mistakes ---------------------------------------------------------------------------------------------


def test_a_port_in_use_is_explained(mfp_sim) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        for option, other in (("--port", "--ca-port"), ("--ca-port", "--port")):
            done = mfp_sim("serve", option, port, other, 0)
            assert done.code == 2
            assert f"cannot listen on 127.0.0.1, port {port}: address already in use" in done.err
            assert f"choose another {option}, or 0" in done.err


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--clock", "frozen", "--ca", "http://x/"), "--ca works only with --clock system"),
        (("--clock", "system", "--speed", "2"), "--speed and --start need a simulated clock"),
        (("--clock", "system", "--start", "2026-03-02T08:00"), "--speed and --start need a simulated clock"),
        (("--start", "yesterday"), "'yesterday' is not a date and time"),
        (("--start", "0001-01-01T00:00+14:00"), "'0001-01-01T00:00+14:00' is out of range"),
        (("--start", "9999-12-31T23:59"), "a date in the years 1970 to 2199"),
        (("--timezone", "Mars/Olympus"), "there is no time zone 'Mars/Olympus'"),
        (("--profile", "nonsense"), "there is no printer profile 'nonsense'"),
        (("--ca-profile", "nonsense"), "nonsense"),
        (("--ip", "printer"), "'printer' is not an IP address"),
        (("--record", "a/b/c.yaml"), "there is no directory a/b"),
        (("--record", "x.yaml", "--clock", "system"), "--record needs one new printer"),
        (("--record", "x.yaml", "--printers", "2"), "--record needs one new printer"),
        (("--challenge-file", "nowhere.txt"), "cannot read the challenge file nowhere.txt"),
        (("--tls-insecure",), "--tls-insecure applies only to a real server (give --ca URL too)"),
        (("--pin-env", "NOT_SET_ANYWHERE"), "the environment variable NOT_SET_ANYWHERE is not set"),
        (("--host", "192.0.2.1"), "'192.0.2.1' is not an address of this computer: choose another --host"),
        (("--host", "300.1.1.1"), "'300.1.1.1' is neither an address of this computer nor a name for one"),
    ],
)
def test_mistakes_on_the_command_line(mfp_sim, words: Words, text: str) -> None:
    done = mfp_sim("serve", "--port", 0, "--ca-port", 0, *words)
    assert done.code == 2
    assert text in done.err


@pytest.mark.parametrize("words", [("--port", "70000"), ("--speed", "0"), ("--speed", "x"), ("--printers", "0")])
def test_values_that_are_none(mfp_sim, words: Words) -> None:
    assert mfp_sim("serve", *words).code == 2


def test_a_recording_overwrites_nothing(mfp_sim, tmp_path: Path) -> None:
    file = tmp_path / "there.yaml"
    file.write_text("mine")
    done = mfp_sim("serve", "--record", file)
    assert done.code == 2
    assert "exists already" in done.err
    assert file.read_text() == "mine"


def test_a_recording_that_cannot_be_written_is_told_before_it_begins(mfp_sim, tmp_path: Path, capsys) -> None:
    done = mfp_sim("serve", "--port", 0, "--ca-port", 0, "--record", f"/dev/full/{tmp_path.name}.yaml")
    assert done.code == 2
    file = "/proc/mfp-sim.scenario.yaml"  # a directory that is there, in which nobody can make a file
    done = mfp_sim("serve", "--port", 0, "--ca-port", 0, "--record", file)
    assert done.code == 2
    assert f"cannot write {file}" in done.err
    assert done.out == ""
    with pytest.raises(UsageError, match="the recording is above"):
        _write(Path(file), "format: 1\n")
    assert capsys.readouterr().out == "format: 1\n\n"


def test_mistakes_of_the_script_are_told_with_their_place(mfp_sim, tmp_path: Path) -> None:
    file = tmp_path / "rules.yaml"
    file.write_text("- then: maybe\n")
    done = mfp_sim("serve", "--port", 0, "--ca-port", 0, "--script", file)
    assert done.code == 2
    assert f"{file}:1:9:" in done.err


def test_the_examples_of_the_help_are_read() -> None:
    from mfp_sim.cli.verbs import VERBS

    (verb,) = [verb for verb in VERBS if verb.name == "serve"]
    lines = [line.partition("#")[0].split() for line in verb.examples.splitlines()]
    assert len(lines) >= 6
    for words in lines:
        build_parser().parse_args(words[1:])
