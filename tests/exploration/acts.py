"""Cases for the tests, written as words: ``acts("enrol", "other-key:1 B", "repeat:2 B")``."""

from __future__ import annotations

from mfp_sim.exploration.server.acts import KINDS
from mfp_sim.exploration.server.history import ServerAct


def acts(*words: str) -> tuple[ServerAct, ...]:
    """One act for each word: its kind, the act that it follows, and its client (A if there is none).

    ``+`` before a word sends it at the same time as the previous one, ``~`` after it loses the reply.
    """
    made: list[ServerAct] = []
    for number, word in enumerate(words, 1):
        what, _, client = word.strip("+~").partition(" ")
        kind, _, about = what.partition(":")
        beside = word.startswith("+")
        last = made[-1].round if made else 0
        made.append(
            ServerAct(
                number,
                last if beside else last + 1,
                "operator" if KINDS[kind].operator else client or "A",
                kind,
                int(about) if about else None,
                lost=word.endswith("~"),
            )
        )
    return tuple(made)
