"""A history as a sequence diagram: as text for a terminal, and as Mermaid for a page.

Every text that the server chose is made harmless first. Owns the words for a message and its reply, and no judgement.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from mfp_sim.exploration.server.acts import KINDS
from mfp_sim.exploration.server.history import HistoryEntry
from mfp_sim.shared.visible import one_line

__all__ = ["as_mermaid", "as_text", "reply_words", "request_words"]

SERVER = "server"
_LANE = 12
"""The width of a lane in characters."""
_MOST = 100
"""The most characters of a reply's words."""

_Mask = Callable[[str], str]


def request_words(entry: HistoryEntry, history: Sequence[HistoryEntry]) -> str:
    """What a client sends, or what the operator does, with its transaction."""
    earlier = next((one.number for one in history if one.act.number == entry.act.about), None)
    words = KINDS[entry.kind].text.format(about="an earlier message" if earlier is None else f"message {earlier}")
    if entry.answer is None:
        return f"{words} ({entry.transaction})"
    more = ", by GET" if entry.act.by_get else ""
    return f"{words}{more} ({entry.transaction})"


def reply_words(entry: HistoryEntry, mask: _Mask) -> str:
    """The reply in a few words, with the serial numbers of its certificates."""
    if entry.answer is None:
        return ""
    error = entry.answer.exchange.error
    if entry.act.lost and (error is None or error.sent):
        return "the client closes the connection before the reply"
    words = one_line(mask(entry.answer.text), _MOST)
    serials = ", ".join(f"serial {certificate.serial:x}" for certificate in entry.certificates)
    return f"{words}, {serials}" if serials else words


def _lanes(history: Sequence[HistoryEntry]) -> list[str]:
    return [*sorted({entry.act.client for entry in history}), SERVER]


def as_text(history: Sequence[HistoryEntry], marked: Sequence[int], mask: _Mask) -> Iterator[str]:
    """The lines of the diagram. Entries in ``marked`` are those that break the rule; ``mask`` hides secrets."""
    lanes = _lanes(history)
    yield "  ".join(f"{name:{_LANE}}" for name in lanes).rstrip()
    before = 0
    for entry in history:
        if entry.act.round == before:
            yield f"{_empty(lanes)}     at the same time as the previous message:"
        before = entry.act.round
        mark = "!" if entry.number in marked else " "
        yield f"{_arrow(lanes, entry, there=True)}  {mark}{entry.number:2} {request_words(entry, history)}"
        if entry.answer is not None:
            drawn = _empty(lanes) if entry.act.lost else _arrow(lanes, entry, there=False)
            yield f"{drawn}     {reply_words(entry, mask)}"


def _row(cells: Sequence[str]) -> str:
    return "".join(f"{cell[0]}{cell[1] * (_LANE + 1)}" for cell in cells[:-1]) + cells[-1][0]


def _empty(lanes: Sequence[str]) -> str:
    return _row(["│ "] * len(lanes))


def _arrow(lanes: Sequence[str], entry: HistoryEntry, *, there: bool) -> str:
    """A line from the client to the server, or back."""
    start = lanes.index(entry.act.client)
    cells = ["│ "] * start + ["├─"] + ["┼─"] * (len(lanes) - start - 2) + ["│ "]
    row = _row(cells)
    if there:
        return f"{row[:-2]}▶{row[-1]}"
    place = start * (_LANE + 2)
    return f"{row[:place]}│◀{row[place + 2 : -1]}┤"


def as_mermaid(history: Sequence[HistoryEntry], marked: Sequence[int], sentence: str, mask: _Mask) -> str:
    """The diagram in Mermaid's language."""
    lines = ["sequenceDiagram", *(f"    participant {name}" for name in _lanes(history))]
    before, open_ = 0, False
    rounds = [entry.act.round for entry in history]
    for entry in history:
        crowd = rounds.count(entry.act.round) > 1
        if entry.act.round != before and open_:
            lines.append("    end")
            open_ = False
        if entry.act.round != before and crowd:
            lines.append("    rect rgb(128, 128, 128, 0.1)")
            lines.append(f"    Note over {SERVER}: at the same time")
            open_ = True
        before = entry.act.round
        name = entry.act.client
        lines.append(f"    {name}->>{SERVER}: {entry.number}. {_escaped(request_words(entry, history))}")
        if entry.answer is not None:
            lost = entry.act.lost or entry.answer.reply is None
            lines.append(f"    {SERVER}{'--x' if lost else '-->>'}{name}: {_escaped(reply_words(entry, mask))}")
        if entry.number in marked[-1:]:
            lines.append(f"    Note over {name},{SERVER}: broken: {_escaped(sentence)}")
    if open_:
        lines.append("    end")
    return "\n".join(lines) + "\n"


def _escaped(text: str) -> str:
    """Text without the characters that Mermaid reads: a semicolon ends a statement, and HTML is rendered."""
    return "".join(f"#{ord(letter)};" if letter in '#;<>&"%{}' else letter for letter in text)
