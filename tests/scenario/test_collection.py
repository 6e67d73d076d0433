"""Which scenarios a word means, and how little is read and imported to find them."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mfp_sim.scenario import collection
from mfp_sim.scenario.collection import select
from mfp_sim.shared.errors import UsageError


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files that are read as scenarios from now on."""
    files: list[str] = []
    load_file = collection.load_file

    def watched(path: Path, changes: tuple[str, ...] = ()):
        files.append(path.name)
        return load_file(path, changes)

    monkeypatch.setattr(collection, "load_file", watched)
    collection._bundled.cache_clear()
    return files


def test_one_file_is_read_for_one_name(read: list[str]) -> None:
    (first, *_) = select(["faults-http-refused"])
    assert read == ["http_refused.scenario.yaml"]
    assert select([first.name]) == [first]
    assert set(read) == {"http_refused.scenario.yaml"}


def test_a_name_that_there_is_not_is_looked_for_in_all_files(read: list[str]) -> None:
    with pytest.raises(UsageError, match="there is no scenario 'faults-http-refusde'") as refused:
        select(["faults-http-refusde"])
    assert "did you mean 'faults-http-refused" in str(refused.value)
    assert len(read) > 200


def test_a_run_imports_no_reports_and_no_pool_of_processes() -> None:
    script = (
        "import sys, mfp_sim.cli.run; print(sorted({'jinja2', 'multiprocessing.pool', 'xml.etree'} & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert run.stdout == "[]\n"
