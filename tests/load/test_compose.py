"""The compose file of examples/load: its commands are commands of mfp-sim, and master and workers agree."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from mfp_sim.cli.options import build_parser

FILE = Path(__file__).parents[2] / "examples" / "load" / "compose.yaml"


def _without_variables(word: str) -> str:
    """The word as the shell's environment without variables makes it; one that is needed has a value here."""
    word = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", word)
    return re.sub(r"\$\{\w+:\?[^}]*\}", "http://ca.example/scep", word)


def test_master_and_workers_are_given_the_same_load() -> None:
    services = yaml.safe_load(FILE.read_text())["services"]
    master, worker = (
        build_parser().parse_args([_without_variables(word) for word in services[name]["command"]])
        for name in ("master", "worker")
    )
    assert (master.master, worker.worker, worker.master_host) == (True, True, "master")
    same = ("what", "rate", "certificates", "expect_workers", "keys", "challenge_file", "i_may_load_this_server")
    assert {name: getattr(master, name) for name in same} == {name: getattr(worker, name) for name in same}
