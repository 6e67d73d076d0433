"""``pytest --scep-url``: an item for each check, the baseline as strict expected failures, the control last."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tls_hosts import tls_host

CHALLENGE = "conf0rm-secret"


def pytest_at(url: str, where: Path, *words: object, variable: str = "SECRET") -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "SECRET": CHALLENGE}
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-p",
        "no:cacheprovider",
        "--scep-url",
        url,
        "--scep-challenge-env",
        variable,
    ]
    return subprocess.run(
        [*command, *map(str, words)],
        cwd=where,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def test_checks_are_items_in_several_processes(server, tmp_path: Path) -> None:
    mock = server()
    done = pytest_at(mock.url, tmp_path, "-n", "2", "-v", "-k", "polling or replay or positive")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "scep::poll-unknown" in done.stdout
    assert "scep::positive-control" in done.stdout
    assert CHALLENGE not in done.stdout + done.stderr


def test_after_a_certificate_for_a_stranger_no_check_asks_for_another(server, tmp_path: Path) -> None:
    mock = server("challenge-unchecked")
    done = pytest_at(
        mock.url, tmp_path, "-rsf", "-k", "challenge_ or challenge-wrong or challenge-missing or certrep-type"
    )
    assert done.returncode == 1
    assert "FAILED scep::challenge-missing" in done.stdout
    assert "challenge-missing got a certificate that should not exist" in done.stdout
    assert "1 failed, 1 passed, 1 skipped" in done.stdout


def test_a_server_behind_tls_is_reached_by_the_same_options(tmp_path: Path) -> None:
    with tls_host(tmp_path, challenge=CHALLENGE) as behind:
        done = pytest_at(behind.url, tmp_path, "--scep-tls-ca", behind.trust, "-q", "-k", "post-binary or positive")
        assert done.returncode == 0, done.stdout + done.stderr
        words = ("--scep-tls-insecure", "-q", "--junitxml", "junit.xml", "-k", "post-binary or positive")
        careless = pytest_at(behind.url, tmp_path, *words)
        assert careless.returncode == 0
        assert "warning: the TLS certificate of the server is NOT CHECKED (--scep-tls-insecure)" in careless.stdout
        assert (tmp_path / "junit.xml").read_text("utf-8").count("TLS certificate not checked") == 1
        refused = pytest_at(behind.url, tmp_path, "-k", "positive")
    assert refused.returncode not in (0, 5)
    assert "shows a TLS certificate of an unknown CA" in refused.stdout + refused.stderr


def test_a_challenge_that_cannot_be_had_ends_the_session_before_any_check(server, tmp_path: Path) -> None:
    mock = server()
    done = pytest_at(mock.url, tmp_path, variable="SECERT")
    assert done.returncode == 4
    assert "the environment variable SECERT is not set (check its name, and export it)" in done.stderr
    (tmp_path / "empty").write_text("\n")
    done = pytest_at(mock.url, tmp_path, "--scep-challenge-file", "empty")
    assert done.returncode == 4
    assert "--scep-challenge-file and --scep-challenge-env are both given" in done.stderr
    assert not mock.service.journal.entries


def test_a_failing_check_fails_and_the_baseline_is_strict(server, tmp_path: Path) -> None:
    mock = server("accepts-any-type")
    words = ("-q", "--scep-keep-going", "-k", "refuses-unknown-types")
    done = pytest_at(mock.url, tmp_path, *words)
    assert done.returncode == 1
    assert "expected  messageType 0 is refused" in done.stdout
    assert f"repeat with: mfp-sim conform {mock.url} --challenge-env SECRET --only refuses-unknown-types" in done.stdout
    file = tmp_path / "baseline.yaml"
    line = (
        "format: 1\nexpected:\n  - {id: refuses-unknown-types, verdict: VERDICT, reason: known, expires: 2099-01-01}\n"
    )
    file.write_text(line.replace("VERDICT", "fail"))
    done = pytest_at(mock.url, tmp_path, *words, "--scep-baseline", str(file))
    assert (done.returncode, "1 xfailed" in done.stdout) == (0, True), done.stdout
    file.write_text(line.replace("VERDICT", "warn"))
    done = pytest_at(mock.url, tmp_path, *words, "--scep-baseline", str(file))
    assert done.returncode == 1
    assert "the baseline expects warn, but the verdict is fail" in done.stdout
    done = pytest_at(mock.url, tmp_path, *words, "--scep-baseline", str(file), "--scep-read-only")
    assert (done.returncode, "1 skipped" in done.stdout) == (5, True), "the check is not permitted"


@pytest.mark.parametrize("processes", [(), ("-n", "1")], ids=["one process", "xdist"])
def test_a_session_in_which_no_check_was_judged_does_not_pass(server, tmp_path: Path, processes) -> None:
    """Reading only, no check of a refusal is judged: a server that refuses nothing must not look like a right one."""
    mock = server("accepts-bad-signature")
    words = ("-q", "-rs", "--scep-read-only", *processes)
    done = pytest_at(mock.url, tmp_path, *words, "-k", "refuses-bad-signature or positive-control")
    assert done.returncode == 5, done.stdout
    assert "no verdict: no check was judged (-rs shows why)" in done.stdout
    assert "1 passed, 1 skipped" in done.stdout, "the control is not a check"
    done = pytest_at(mock.url, tmp_path, *words, "-k", "refuses-bad-signature or caps-supported")
    assert (done.returncode, "no verdict" in done.stdout) == (0, False), done.stdout


def test_a_bug_of_ours_fails_the_check_and_does_not_skip_it(server, tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(
        "from dataclasses import replace\n"
        "from mfp_sim.conformance import items\n"
        "check = items.all_checks()['caps-supported']\n"
        "items.all_checks = lambda: {check.id: replace(check, run=lambda _: 1 / 0)}\n"
    )
    done = pytest_at(server().url, tmp_path, "-q", "-k", "caps-supported")
    assert done.returncode == 1, done.stdout
    assert "internal error of mfp-sim, please report it: ZeroDivisionError: division by zero" in done.stdout
