"""A file of the command line that is a named pipe is refused; it would be read when something writes, or never."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from mfp_sim.cli.main import main as mfp_sim
from mfp_sim.shared.documents import load, plain
from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.files import octets_of, readable
from mfp_sim.shared.secret_options import read_secret
from mock_scep_server.cli import main as mock_scep_server

URL = "http://127.0.0.1:9/scep"
HTTPS = "https://127.0.0.1:PORT/scep"
COMMANDS = (
    f"conform {URL} --challenge-file PIPE",
    f"conform {URL} --baseline PIPE",
    f"conform {URL} --header @PIPE",
    f"conform {URL} --http-login-file PIPE",
    f"conform {HTTPS} --tls-ca PIPE",
    f"conform {HTTPS} --tls-cert PIPE",
    f"conform {HTTPS} --tls-cert cert.pem --tls-key PIPE",
    f"conform {HTTPS} --tls-cert cert.pem --tls-key-password-file PIPE",
    f"run manual-request --ca {URL} --challenge-file PIPE",
    "run manual-request --profile PIPE",
    "examine --client false --baseline PIPE",
    "report PIPE",
    "report gzip.gz",
    "diff PIPE PIPE",
    "decode PIPE",
    "decode cert.pem --key PIPE",
    "fleet PIPE",
    "fleet --merge PIPE PIPE",
    "explore --merge PIPE PIPE",
    "profiles PIPE",
    "serve --port 0 --ca-port 0 --script PIPE",
    "serve --port 0 --ca-port 0 --pin-file PIPE",
    "serve --port 0 --ca-port 0 --profile PIPE",
    f"proxy --to {URL} --listen 127.0.0.1:0 --key PIPE",
    "mock --port 0 --script PIPE",
    "mock --port 0 --ca PIPE",
    "mock --port 0 --profile PIPE",
    "mock --port 0 --ca-key PIPE",
    "mock --port 0 --challenge-file PIPE",
    "mock --port 0 --tls other-pki --tls-client-ca PIPE",
    "mock judge PIPE",
    "mock judge cert.pem --key PIPE",
)


@pytest.fixture
def bounded() -> Iterator[None]:
    """Ends a test that waits for a writer."""

    def waits(*_: object) -> NoReturn:
        raise AssertionError("it waits for a writer of the named pipe")

    before = signal.signal(signal.SIGALRM, waits)
    signal.alarm(60)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def pipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The name of a pipe that nothing writes, in the working directory."""
    monkeypatch.chdir(tmp_path)
    os.mkfifo("pipe.yaml")
    os.mkfifo("gzip.gz")
    Path("cert.pem").write_text("-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n")
    return "pipe.yaml"


@pytest.mark.usefixtures("bounded")
@pytest.mark.parametrize("command", COMMANDS)
def test_a_named_pipe_is_refused(command: str, pipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = str(listening.getsockname()[1])
        program, *words = command.replace("PIPE", pipe).replace("PORT", port).split()
        code = mock_scep_server(words) if program == "mock" else mfp_sim([program, *words])
    shown = capsys.readouterr().err
    assert "named pipe (give a file, or <(COMMAND) for the output of a command)" in shown
    assert code == 2


@pytest.mark.usefixtures("bounded")
def test_keys_for_several_processes_are_a_file(pipe: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert mfp_sim(["load", URL, "--keys", pipe]) == 2
    assert f"{pipe} is not a file (save the keys as a file: each process reads it)" in capsys.readouterr().err


@pytest.mark.parametrize(
    "words",
    [
        f"conform {URL} --tls-ca missing.pem",
        f"explore --ca {URL} --tls-ca missing.pem",
        f"run manual-request --ca {URL} --tls-cert missing.pem",
        f"proxy --to {URL} --listen 127.0.0.1:0 --tls-ca missing.pem",
        f"load {URL} --challenge-file missing.pem",
        f"load {URL} --report missing.pem/out",
    ],
)
def test_a_file_that_cannot_be_used_is_wrong_usage_before_anything_is_sent_or_made(
    words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nothing listens at the URL."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("mfp_sim.cli.load.make_keys", None)
    if "--report" in words:
        Path("missing.pem").touch()
    assert mfp_sim(words.split()) == 2
    assert "missing.pem" in capsys.readouterr().err


def test_keys_that_cannot_be_read_are_wrong_usage_before_anything_starts(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    nowhere, empty = tmp_path / "nope.pem", tmp_path / "empty.pem"
    empty.touch()
    for options in ([], ["--worker"]):
        assert mfp_sim(["load", URL, "--keys", str(nowhere), *options]) == 2
        assert f"cannot read {nowhere}: No such file or directory (mfp-sim load --make-keys" in capsys.readouterr().err
        assert mfp_sim(["load", URL, "--keys", str(empty), *options]) == 2
        assert f"{empty} has 0 key pairs, but {1 if options else 100} are needed" in capsys.readouterr().err


@pytest.fixture
def filled() -> Iterator[int]:
    """The descriptor of a pipe with content, as a shell makes it for ``<(command)``."""
    reader, writer = os.pipe()
    os.write(writer, b"format: 1\n")
    os.close(writer)
    yield reader
    os.close(reader)


@pytest.mark.parametrize("directory", ["/dev/fd", "/proc/self/fd", "/proc/thread-self/fd"])
def test_the_output_of_a_command_is_read(filled: int, directory: str) -> None:
    assert octets_of(Path(directory, str(filled)), 100) == b"format: 1\n"


def test_a_link_to_the_output_of_a_command_is_read(filled: int, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(f"/dev/fd/{filled}")
    assert read_secret("challenge", file=link) == "format: 1"


def test_documents_and_secrets_are_read_from_the_output_of_a_command(filled: int) -> None:
    assert plain(load(Path(f"/dev/fd/{filled}"))) == {"format": 1}


def test_standard_input_is_read_by_its_name() -> None:
    command = [sys.executable, "-m", "mfp_sim", "decode", "/dev/stdin"]
    done = subprocess.run(command, input="AES\nSHA-256\n", capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "SHA-256" in done.stdout


def test_a_file_that_is_too_large_is_not_read_to_its_end(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(UsageError, match="the challenge file /dev/zero is larger than 1048576 bytes"):
        read_secret("challenge", file=Path("/dev/zero"))
    assert mfp_sim(["conform", URL, "--baseline", "/dev/zero"]) == 2
    assert "/dev/zero:1:1: the file is larger than" in capsys.readouterr().err


def test_other_paths_are_left_to_those_who_open_them(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing", Path("/dev/null")):
        assert readable(path) == path
