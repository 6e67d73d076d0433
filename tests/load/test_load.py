"""``mfp-sim load`` at the mock over sockets: two workers, the budget, duplicates, a generator that is too slow."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from tls_hosts import tls_host

from mfp_sim.cli.load import load as load_verb
from mfp_sim.cli.main import main
from mfp_sim.cli.options import build_parser
from mfp_sim.shared.simtime import Entropy, PooledKeys, SystemClock
from mfp_sim.testing.bench import Bench
from mock_scep_server.server import ServerHost

CHALLENGE = "canary-load-77"


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hundred: everybody knows them, and they come more than once, which the mock does not mind."""
    file, pool = tmp_path_factory.mktemp("keys") / "keys.pem", PooledKeys(Entropy(5), sides=1)
    pems = [pool.rsa(2048).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) for _ in range(200)]
    file.write_bytes(b"".join(pems))
    return file


@pytest.fixture
def bench() -> Bench:
    return Bench(challenge=CHALLENGE, clock=SystemClock(), seed=None)


@pytest.fixture
def url(bench: Bench) -> Iterator[str]:
    with ServerHost(bench.ca, "127.0.0.1", 0) as host:
        yield f"{host.url}/scep"


def load(where: Path, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "mfp_sim", "load", *map(str, words)],
        capture_output=True, text=True, timeout=300, check=False, cwd=where,
        env={**os.environ, "CHALLENGE": CHALLENGE, "LOCUST_TAGS": "none-of-ours"},  # a user's own are not taken
    )  # fmt: skip


def test_two_workers_keep_the_budget_to_the_last_certificate(
    tmp_path: Path, url: str, bench: Bench, keys: Path
) -> None:
    done = load(
        tmp_path, url, "--challenge-env", "CHALLENGE", "--keys", keys, "--certificates", 199, "--rate", 40,
        "--processes", 2, "--report", "out",
    )  # fmt: skip
    told = json.loads((tmp_path / "out" / "load.json").read_text())
    assert told["outcomes"] == {"issued": 199}, done.stdout + done.stderr
    assert (told["sent"], told["workers"], told["workers_done"], told["budget"]) == (199, 2, 2, 199)
    assert (told["serials"], told["distinct"]) == (199, 199)
    assert bench.ca.ledger.counts["minted"] == 199
    assert sum(arrivals for _, arrivals, _, _ in told["timeline"]) == 199
    serials = (tmp_path / "out" / "serials.txt").read_text().split()
    assert sorted(serials) == sorted(f"{entry.certificate.serial:x}" for entry in bench.ca.ledger.entries)
    assert all("mfp-sim-load-" in entry.certificate.subject_text for entry in bench.ca.ledger.entries)
    assert CHALLENGE not in done.stdout + done.stderr + (tmp_path / "out" / "load.json").read_text()
    if not told["figures"]["invalid"]:  # a machine that is busy may make it invalid, and then it says so
        assert done.returncode == 0, done.stdout + done.stderr


def test_clients_that_enrol_one_after_the_other(tmp_path: Path, url: str, keys: Path) -> None:
    done = load(tmp_path, url, "--challenge", CHALLENGE, "--keys", keys, "--certificates", 10, "--clients", 3, "--json")
    told = json.loads(done.stdout)
    assert told["outcomes"] == {"issued": 10}, done.stderr
    assert told["lateness"] == []
    assert set(told["operations"]) == {"GetCACaps", "GetCACert", "PKCSReq", "enrolment"}
    assert done.returncode == 0


def test_over_tls(tmp_path: Path, keys: Path) -> None:
    words = ["--challenge", CHALLENGE, "--keys", keys, "--certificates", 20, "--clients", 2]
    with tls_host(tmp_path, challenge=CHALLENGE) as mock:
        done = load(tmp_path, mock.url, *words, "--tls-ca", mock.trust.name, "--processes", 2, "--report", "out")
        told = json.loads((tmp_path / "out" / "load.json").read_text())
        assert told["outcomes"] == {"issued": 20}, done.stdout + done.stderr
        assert (done.returncode, told["tls_checked"], told["server"]) == (0, True, mock.host.url)
        assert "not checked" not in done.stdout

        unknown = load(tmp_path, mock.url, *words)
        assert unknown.returncode == 1
        assert "stopped: 10 enrolments failed in a row, the last with lost-ConnectFailed: 127.0.0.1:" in unknown.stdout
        assert "shows a TLS certificate of an unknown CA" in unknown.stdout
        assert mock.bench.ca.ledger.counts["minted"] == 20

        unchecked = load(tmp_path, mock.url, *words, "--tls-insecure", "--json")
        assert (unchecked.returncode, json.loads(unchecked.stdout)["tls_checked"]) == (0, False), unchecked.stderr
        assert "! the server's TLS certificate was not checked (--tls-insecure)" in unchecked.stderr


def test_failures_in_a_row_end_the_run(tmp_path: Path, url: str, bench: Bench, keys: Path) -> None:
    done = load(tmp_path, url, "--challenge", "wrong", "--keys", keys, "--certificates", 40, "--clients", 1)
    assert done.returncode == 1
    assert "stopped: 10 enrolments failed in a row, the last with fail-info-2" in done.stdout
    assert "the run is invalid: no certificate was issued" in done.stdout
    assert bench.ca.ledger.counts["minted"] == 0


def test_a_worker_that_cannot_begin_is_said(tmp_path: Path, url: str, keys: Path) -> None:
    damaged = tmp_path / "damaged.pem"
    first, second = keys.read_text().split("-----BEGIN PRIVATE KEY-----\n")[1:3]
    damaged.write_text("".join(f"-----BEGIN PRIVATE KEY-----\n{key}" for key in (first, second[64:])))
    done = load(tmp_path, url, "--challenge", CHALLENGE, "--keys", damaged, "--certificates", 2)
    assert done.returncode == 1
    assert f"{damaged} has a key pair that cannot be read" in done.stdout
    assert "1 of 1 workers did not end normally" in done.stdout


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT])
def test_a_run_that_is_ended_leaves_no_process_and_no_file(tmp_path: Path, keys: Path, number: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.settimeout(120)
        words = [f"http://127.0.0.1:{silent.getsockname()[1]}/scep", "--keys", str(keys), "--timeout", "600"]
        run = subprocess.Popen(
            # Whoever started the tests may ignore a signal, as nohup does; what a command ignores it goes on ignoring.
            ["env", "--default-signal", sys.executable, "-m", "mfp_sim", "load", *words], env={**os.environ, "TMPDIR": str(tmp_path)},
            stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        connection, _ = silent.accept()
        with connection:
            assert len(list(tmp_path.iterdir())) == 1
            run.send_signal(number)
            assert run.wait(120) == 130
            connection.settimeout(60)
            while connection.recv(65536):  # up to the end of whoever made it
                pass
    assert list(tmp_path.iterdir()) == []


def test_an_interrupt_while_locust_starts_leaves_no_process(
    keys: Path, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Interrupted(subprocess.Popen):
        """The signal arrives while Popen waits for the program to begin."""

        def __init__(self, *words, **more) -> None:
            super().__init__(*words, **more)
            started.append(self)
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    assert main(["load", url, "--challenge", CHALLENGE, "--keys", str(keys), "--certificates", "3"]) == 130
    (locust,) = started
    ended = locust.poll()
    locust.kill()
    assert ended is not None


def test_a_worker_that_fails_begins_once(url: str, keys: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """No name has a byte that is not UTF-8; the command line does not let it through to the workers."""
    words = [url, "--challenge", CHALLENGE, "--keys", str(keys), "--certificates", "3", "--subject-prefix", "\udcff"]
    assert main(["load", *words]) == 2
    assert load_verb(build_parser().parse_args(["load", *words])) == 1
    assert "stopped: worker 0: UnicodeEncodeError" in capsys.readouterr().out


def test_a_worker_with_other_options_than_its_master(tmp_path: Path, url: str, keys: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    common = [url, "--challenge", CHALLENGE, "--keys", keys, "--clients", 1, "--master-port", port]
    words = [sys.executable, "-m", "mfp_sim", "load", *map(str, common), "--worker", "--certificates", "4"]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as worker:
        done = load(tmp_path, *common, "--master", "--certificates", 3)
        worker.wait(120)
    assert done.returncode == 1
    assert "stopped: worker 0 was started with other options" in done.stdout, done.stdout + done.stderr


def test_a_rate_that_the_generator_cannot_make_is_invalid(tmp_path: Path, url: str, keys: Path) -> None:
    done = load(tmp_path, url, "--challenge", CHALLENGE, "--keys", keys, "--certificates", 200, "--rate", 2000)
    assert done.returncode == 1, done.stdout
    assert "the run is invalid: the generator was the bottleneck" in done.stdout, done.stdout + done.stderr


def test_arrivals_come_at_the_mean_rate() -> None:
    chance = Entropy(3)
    gaps = [chance.exponential(20.0) for _ in range(20_000)]
    assert sum(gaps) / len(gaps) == pytest.approx(1 / 20, rel=0.03)
