"""``mock-scep-server --state-dir``, ``--ca-key`` and ``--write-ca`` as a process: what goes on, and what is refused."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, pkcs12
from cryptography.x509 import load_der_x509_certificate, load_pem_x509_certificate

from mfp_sim.shared.simtime import Entropy, PooledKeys, SystemClock
from mfp_sim.testing import Bench

COMMAND = [sys.executable, "-m", "mock_scep_server.cli", "--port", "0"]


def run(where: Path, *options: str, end: signal.Signals = signal.SIGTERM) -> tuple[str, bytes]:
    """One life of the mock: what it says, and its CA certificate."""
    words = [*COMMAND, "--write-ca", "ca.pem", *options]
    server = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=where)
    assert server.stdout is not None
    first = server.stdout.readline()
    found = re.search(r"http://\S+", first)
    assert found is not None, first + server.stdout.read()
    with urllib.request.urlopen(f"{found[0]}?operation=GetCACert", timeout=20) as reply:
        certificate = reply.read()
    server.send_signal(end)
    with server.stdout:
        said = first + server.stdout.read()
    server.wait(20)
    assert server.returncode == (0 if end == signal.SIGTERM else -end), said
    assert load_pem_x509_certificate((where / "ca.pem").read_bytes()).public_bytes(Encoding.DER) == certificate
    return said, certificate


def refused(where: Path, *options: str) -> str:
    done = subprocess.run([*COMMAND, *options], capture_output=True, text=True, cwd=where, timeout=60, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert "canary" not in done.stderr
    return done.stderr


def test_the_same_ca_after_each_end(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("canary-91\n")
    keep = ("--state-dir", "state", "--state-passphrase-file", "secret")
    _, first = run(tmp_path, *keep, end=signal.SIGKILL)
    said, second = run(tmp_path, *keep)
    assert f"state stored in {Path('state') / 'mock.sqlite'}: 1 request before this start" in said
    assert first == second
    assert run(tmp_path)[1] != first
    told = refused(tmp_path, "--state-dir", "state")
    assert told == (
        f"mock-scep-server: the keys in {Path('state') / 'mock.sqlite'} are encrypted (give --state-passphrase-file)\n"
    )
    (tmp_path / "secret").write_text("canary-92\n")
    assert "the passphrase is wrong" in refused(tmp_path, *keep)
    (tmp_path / "secret").write_text("\n")
    assert "the state passphrase file secret is empty" in refused(tmp_path, *keep)


def test_a_ca_of_one_s_own(tmp_path: Path) -> None:
    own = Bench(clock=SystemClock()).ca.authority.issuer
    (tmp_path / "own.p12").write_bytes(
        pkcs12.serialize_key_and_certificates(
            b"ca", own.key, load_der_x509_certificate(own.certificate.der), None, NoEncryption()
        )
    )
    assert run(tmp_path, "--ca-key", "own.p12")[1] == own.certificate.der
    assert run(tmp_path, "--ca-key", "own.p12", "--state-dir", "state")[1] == own.certificate.der
    assert run(tmp_path, "--state-dir", "state")[1] == own.certificate.der
    key = PooledKeys(Entropy(9), side=0).rsa(2048)
    (tmp_path / "key.pem").write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert "no certificate in ca.pem is for the key in key.pem" in refused(
        tmp_path, "--ca-key", "key.pem", "--ca-certificate", "ca.pem"
    )


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--state-passphrase", "canary-1"), "--state-passphrase-file needs --state-dir (add --state-dir)"),
        (("--ca-certificate", "x"), "--ca-certificate and --ca-key-passphrase-file need --ca-key (add --ca-key)"),
        (("--ca-key-passphrase", "canary-1"), "need --ca-key"),
        (
            ("--state-dir", "state", "--state-passphrase", ""),
            "the state passphrase is empty (leave out --state-passphrase",
        ),
        (("--write-ca", "no/where.pem"), "cannot write no/where.pem: No such file or directory"),
    ],
)
def test_what_does_not_go_together(tmp_path: Path, options: tuple[str, ...], told: str) -> None:
    assert told in refused(tmp_path, *options)


def test_a_certificate_is_written_over_no_key(tmp_path: Path) -> None:
    key = PooledKeys(Entropy(9), side=0).rsa(2048)
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    run(tmp_path)
    run(tmp_path)  # the certificate of the last run is replaced
    for before in (pem, (tmp_path / "ca.pem").read_bytes() + pem, (tmp_path / "ca.pem").read_bytes() * 2, b"secret"):
        (tmp_path / "own.pem").write_bytes(before)
        assert "own.pem exists already and is not a single PEM certificate" in refused(
            tmp_path, "--write-ca", "own.pem"
        )
        words = ("--tls", "trusted", "--tls-ca-out", "own.pem")  # the same writer
        assert "give --tls-ca-out another name" in refused(tmp_path, *words)
        assert (tmp_path / "own.pem").read_bytes() == before
