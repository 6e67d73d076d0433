"""Smaller cases: which acts a failure probably needs, and what can be left out of a case or made plainer.

Only chooses; `search` runs what is chosen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from mfp_sim.exploration.server.acts import KINDS
from mfp_sim.exploration.server.history import ServerAct, without

__all__ = ["needed", "races", "smaller"]


def races(acts: Sequence[ServerAct]) -> bool:
    """Whether acts are sent at the same time, so that the outcome may differ from run to run."""
    return len({act.round for act in acts}) < len(acts)


def needed(acts: Sequence[ServerAct], numbers: Iterable[int]) -> tuple[ServerAct, ...]:
    """The acts with these numbers, and those that they follow."""
    about = {act.number: act.about for act in acts}
    wanted, kept = list(numbers), set[int]()
    while wanted:
        number = wanted.pop()
        kept.add(number)
        if (earlier := about[number]) is not None:
            wanted.append(earlier)
    return tuple(act for act in acts if act.number in kept)


def smaller(acts: tuple[ServerAct, ...]) -> Iterator[tuple[ServerAct, ...]]:
    """Smaller and simpler cases, the smallest first: without a client, without half, a quarter or one of the acts; then
    with nothing at the same time, nothing lost, nothing by GET, and with acts that follow no other."""
    seen = {acts}
    for fewer in (*_fewer(acts), *_plainer(acts)):
        if fewer not in seen:
            seen.add(fewer)
            yield fewer


def _fewer(acts: tuple[ServerAct, ...]) -> Iterator[tuple[ServerAct, ...]]:
    for client in sorted({act.client for act in acts}):
        yield without(acts, {act.number for act in acts if act.client == client})
    size = len(acts) // 2
    while size >= 1:
        for start in range(0, len(acts), size):
            yield without(acts, {act.number for act in acts[start : start + size]})
        size //= 2


def _plainer(acts: tuple[ServerAct, ...]) -> Iterator[tuple[ServerAct, ...]]:
    yield tuple(replace(act, round=number) for number, act in enumerate(acts, 1))
    by_number = {act.number: act for act in acts}
    for act in acts:
        plain = [replace(act, lost=False), replace(act, by_get=False)]
        if slug := KINDS[act.kind].plainer:
            plain.append(replace(act, kind=slug, about=None))
        yield from (_replaced(acts, act, other) for other in plain)
        if act.by_get and act.about is not None:  # perhaps the earlier message fails by GET too
            yield _replaced(
                without(acts, {act.number}), by_number[act.about], replace(by_number[act.about], by_get=True)
            )


def _replaced(acts: tuple[ServerAct, ...], old: ServerAct, new: ServerAct) -> tuple[ServerAct, ...]:
    return tuple(new if act is old else act for act in acts)
