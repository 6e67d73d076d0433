"""A state directory is one process's at a time, and free again however that process ended."""

from __future__ import annotations

import errno
import fcntl
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mfp_sim.device.storage import DirectoryStorage
from mfp_sim.shared.errors import UsageError

HOLDER = """
import sys
from pathlib import Path
from mfp_sim.device.storage import DirectoryStorage
storage = DirectoryStorage(Path(sys.argv[1]))
storage.commit({"of": "the holder"})
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that keeps a printer in ``tmp_path``, until its standard input ends."""
    words = [sys.executable, "-c", HOLDER, str(tmp_path)]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_another_process_is_told_which_directory_and_what_to_do(holder, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        DirectoryStorage(tmp_path)
    assert caught.value.message == f"{tmp_path} is in use: another process keeps a printer there"
    assert caught.value.remedy == "stop the other mfp-sim first, or choose another --state-dir"
    DirectoryStorage(tmp_path / "beside").commit({"a": 1})  # only that directory is taken


@pytest.mark.parametrize("end", ["killed", "ends"])
def test_the_lock_goes_with_its_process(holder, tmp_path: Path, end: str) -> None:
    if end == "killed":
        holder.kill()
    else:
        holder.stdin.close()
    holder.wait(60)
    assert DirectoryStorage(tmp_path).load() == {"of": "the holder"}


def test_a_second_one_in_the_same_process_waits_for_the_first_to_be_closed(tmp_path: Path) -> None:
    first = DirectoryStorage(tmp_path)
    first.commit({"a": 1})
    with pytest.raises(UsageError, match="is in use"):
        DirectoryStorage(tmp_path)
    first.close()
    first.close()
    second = DirectoryStorage(tmp_path)
    second.commit({"a": 2})
    with pytest.raises(UsageError, match="is in use"):
        DirectoryStorage(tmp_path)
    del second
    assert DirectoryStorage(tmp_path).load() == {"a": 2}


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.EWOULDBLOCK, "is in use: another process"), (errno.ENOLCK, r"cannot lock .*: No locks available")],
)
def test_what_cannot_be_locked_is_told_and_leaves_no_file_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", refuse)
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(UsageError, match=words):
        DirectoryStorage(tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_the_file_of_the_lock_is_the_owners_and_no_link(tmp_path: Path) -> None:
    DirectoryStorage(tmp_path / "a")
    assert (tmp_path / "a" / "printer.lock").stat().st_mode & 0o777 == 0o600
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "printer.lock").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(UsageError, match=r"cannot lock .*printer\.lock"):
        DirectoryStorage(tmp_path / "b")
    assert not (tmp_path / "elsewhere").exists()
