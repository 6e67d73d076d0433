"""A client as a program: what its end, its output and its files are taken for."""

from __future__ import annotations

import fcntl
import os
import resource
import signal
import ssl
import subprocess
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mfp_sim.examination.program import SHIPPED, ClientProgram, End, Person, Task, client_of
from mfp_sim.shared.errors import DecodeError, UsageError
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.simtime import Entropy, PooledKeys, SystemClock
from mfp_sim.shared.stopping import ended_as_interrupted
from mfp_sim.testing import Bench

CA = Bench().ca.authority.issuer.certificate


@pytest.fixture
def task(tmp_path: Path) -> Task:
    return Task("http://127.0.0.1:1/scep", "CN=x", "s3cret", CA, tmp_path, 0.5)


def program(text: str) -> ClientProgram:
    return ClientProgram(("sh", "-c", text, "client"), name="client")


@pytest.mark.parametrize(
    ("text", "end"),
    [
        ("exit 0", End.DONE), ("exit 1", End.REFUSED), ("exit 75", End.PENDING), ("exit 127", End.UNSUPPORTED),
        ("exit 3", End.BROKEN), ("kill -SEGV $$", End.CRASHED), ("exec sleep 60", End.HUNG),
    ],
)  # fmt: skip
def test_the_exit_code_says_how_it_ended(task: Task, text: str, end: End) -> None:
    assert program(text).run("enrol", task).end is end


def test_what_it_started_is_ended_with_it(task: Task) -> None:
    program("exec 9>lock; flock 9; sleep 600 & exit 0").run("enrol", task)
    with (task.folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # waits for whoever holds it


def test_an_interrupt_while_a_client_starts_leaves_no_client(task: Task, monkeypatch) -> None:
    started: list[subprocess.Popen[bytes]] = []

    class Interrupted(subprocess.Popen):
        """The signal arrives while Popen waits for the program to begin."""

        def __init__(self, *arguments, **options) -> None:
            super().__init__(*arguments, **options)
            started.append(self)
            signal.raise_signal(signal.SIGTERM)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    with ended_as_interrupted(), pytest.raises(KeyboardInterrupt):
        program("exec sleep 600").run("enrol", task)
    (client,) = started
    ended = client.poll()
    client.kill()
    assert ended == -signal.SIGKILL


def test_it_is_told_by_its_environment_and_its_verb_and_no_proxy(task: Task, monkeypatch) -> None:
    monkeypatch.setenv("http_proxy", "http://elsewhere.example")
    told = program("echo $1; env").run("renew", task).text
    assert told.startswith("renew\n")
    assert {line.partition("=")[0] for line in told.splitlines() if line.startswith("SCEP_")} == {
        "SCEP_URL", "SCEP_SUBJECT", "SCEP_CHALLENGE", "SCEP_CA_FILE", "SCEP_CA_SHA256", "SCEP_CERTIFICATE_FILE",
        "SCEP_KEY_FILE", "SCEP_FETCHED_FILE", "SCEP_TIMEOUT",
    }  # fmt: skip
    assert f"SCEP_CA_SHA256={CA.fingerprint()}" in told
    assert "elsewhere.example" not in told


def test_of_much_output_the_end_is_kept(task: Task) -> None:
    told = program("yes | head -c 1000000; echo the end").run("enrol", task)
    assert len(told.text) <= 16 * 1024
    assert told.text.endswith("the end\n")


@pytest.mark.skipif(not hasattr(resource, "prlimit"), reason="the system cannot limit another process")
def test_a_client_that_writes_without_end_is_ended(task: Task) -> None:
    told = ClientProgram(("sh", "-c", "exec yes"), "client", patience=240).run("enrol", task)
    assert (told.end, told.code) == (End.CRASHED, -signal.SIGXFSZ)


def test_a_command_that_is_none_is_a_usage_error(task: Task) -> None:
    with pytest.raises(UsageError, match="cannot be run: No such file or directory"):
        client_of("./no-such-client").run("enrol", task)


@pytest.mark.parametrize(
    "text",
    [
        b"nonsense", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
        b"-----BEGIN CERTIFICATE-----\nAAA\n-----END CERTIFICATE-----\n", b"\xff",
    ],
)  # fmt: skip
def test_a_file_that_is_no_certificate_is_refused(task: Task, text: bytes) -> None:
    task.certificate_file.write_bytes(text)
    with pytest.raises(DecodeError):
        task.certificate()


def test_what_is_no_file_is_no_certificate_and_holds_nothing_up(task: Task) -> None:
    os.mkfifo(task.certificate_file)
    with pytest.raises(DecodeError, match="a file"):
        task.certificate()
    task.certificate_file.unlink()
    task.certificate_file.mkdir()
    with pytest.raises(DecodeError, match="a file"):
        task.certificate()
    os.mkfifo(task.key_file)
    assert not task.key_fits(CA)


def test_the_first_certificate_of_a_file_counts_whatever_stands_around_it(task: Task) -> None:
    pem = ssl.DER_cert_to_PEM_cert(CA.der)
    task.certificate_file.write_text(f"subject=CN = x\n{pem}and its issuer:\n{pem}")
    assert task.certificate() == CA


def test_a_certificate_that_is_signed_with_the_key_of_the_client_is_none(task: Task) -> None:
    key, other = (PooledKeys(Entropy(seed)).rsa(2048) for seed in (1, 2))
    now = SystemClock().now()
    own = x509.self_signed(
        key, subject=x509.name(("CN", "x")), serial=1, not_before=now, not_after=now + timedelta(days=1)
    )
    task.certificate_file.write_bytes(own.der)
    assert task.certificate() == own  # its key is another, as that of a CA is
    for kept, found in ((key, None), (other, own)):
        task.key_file.write_bytes(kept.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        assert task.certificate() == found


def test_a_client_that_removes_its_folder_gets_another(task: Task) -> None:
    program('rm -r "$PWD"').run("enrol", task)
    assert program("test -s ca.pem").run("enrol", task).end is End.DONE


def test_the_files_of_a_command_are_found_from_the_folder_of_the_client(task: Task, tmp_path, monkeypatch) -> None:
    home = tmp_path / "a home"
    home.mkdir()
    monkeypatch.chdir(home)
    Path("my-client.sh").write_text('echo "$0"')
    Path("shell").symlink_to("/bin/sh")
    client = client_of("./shell my-client.sh")
    assert client.words == (str(home / "shell"), str(home / "my-client.sh")), "a link is not followed"
    assert client.name == "my-client.sh"
    assert client.run("enrol", task).text == f"{home}/my-client.sh\n"


@pytest.mark.parametrize(
    ("command", "told"), [("", "is empty"), (" ", "is empty"), ("sh 'x", "is not a command: No closing quotation")]
)
def test_what_is_no_command_is_a_usage_error(command: str, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        client_of(command)


def test_no_file_is_no_certificate(task: Task) -> None:
    assert task.certificate() is None
    task.certificate_file.write_bytes(b"")
    assert task.certificate() is None


@pytest.mark.parametrize("key", [b"", b"nonsense", b"-----BEGIN PRIVATE KEY-----\n-----END PRIVATE KEY-----\n"])
def test_a_key_that_cannot_be_read_does_not_fit(task: Task, key: bytes) -> None:
    task.key_file.write_bytes(key)
    assert not task.key_fits(CA)


def test_every_shipped_client_is_there() -> None:
    for name in SHIPPED:
        words = client_of(name).words
        assert client_of(name).name == name
        assert name == "printer" or Path(words[1]).read_text().startswith("#!/bin/sh")


def test_a_person_says_what_a_device_did(task: Task) -> None:
    answers, said = iter(["what?", "r"]), list[str]()
    told = Person(lambda question: next(answers), said.append).run("enrol", task)
    assert (told.end, told.by_word) == (End.REFUSED, True)
    assert any("s3cret" in line for line in said), "the challenge has to be typed into the device"


def test_nobody_to_ask_is_a_usage_error(task: Task) -> None:
    def gone(question: str) -> str:
        raise EOFError

    with pytest.raises(UsageError, match="there is no answer about what the device did"):
        Person(gone, print).run("enrol", task)
