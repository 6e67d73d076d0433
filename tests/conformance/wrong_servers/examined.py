"""The checks against the wrong servers: in process, on the benches of the self-test, with the server spoilt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any
from unittest.mock import patch

from mfp_sim.conformance import selftest
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.engine import run_checks
from mfp_sim.conformance.model import Proof
from mfp_sim.conformance.registry import all_checks
from mfp_sim.shared.errors import TargetError
from wrong_servers.base import SERVERS

SHAPES = {
    "challenge": Proof(""),
    "approval": Proof("", setup={"open": True, "approval": "manual", "approve": True}),
    "sockets": Proof("", setup={"sockets": True}),
}
"""The forms of the CA: with a challenge password, with manual approval, over loopback."""
OF_CHAPTER = {"transactions": ("approval", "challenge"), "http": ("challenge", "sockets")}
"""The shapes of a chapter; by default only with a challenge password."""


@dataclass(frozen=True)
class Found:
    """What deviated: facts as ``check:fact`` with the verdict they lead to. ``refused``: why there was no run."""

    facts: dict[str, str]
    refused: str | None = None


def shapes_of(name: str) -> tuple[str, ...]:
    return OF_CHAPTER.get(SERVERS[name].chapter, ("challenge",))


@contextmanager
def against(name: str | None, shape: str) -> Iterator[Client]:
    """A session with a wrong server, or with the right one."""
    right = selftest.make_service

    def spoilt(*arguments: Any, **named: Any) -> Any:
        ca = right(*arguments, **named)
        if name is not None:
            SERVERS[name].spoil(ca)
        return ca

    with patch.object(selftest, "make_service", spoilt), selftest.bench(SHAPES[shape]) as session:
        yield session


def look(name: str | None, shape: str, only: Iterable[str] = ()) -> Found:
    """Run all checks, or some, and collect the deviations."""
    table = all_checks()
    checks = [table[identifier] for identifier in only] or list(table.values())
    with against(name, shape) as session:
        try:
            run = run_checks(session, checks, keep_going=True)
        except TargetError as error:
            return Found({}, error.message)
    facts: dict[str, str] = {}
    for result in run.results:
        for fact in result.deviations:  # the worst first
            facts.setdefault(f"{result.check.id}:{fact.slug}", fact.verdict(result.check).word)
    return Found(facts)


@cache
def known(shape: str, only: tuple[str, ...] = ()) -> frozenset[str]:
    """What deviates at the right server."""
    return frozenset(look(None, shape, only).facts)
