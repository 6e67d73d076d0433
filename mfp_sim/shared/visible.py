"""Foreign text made safe to show: what a peer, a file or a message says must not steer a terminal or forge a log line.

Letters that would do so are shown as their number. Masks no secrets, and cuts nothing unless told to.
"""

from __future__ import annotations

import re
import sys

__all__ = ["one_line", "say", "visible"]

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def _number(letter: str) -> str:
    return f"\\x{ord(letter):02x}" if letter < "\x80" else f"\\u{ord(letter):04x}"


def visible(text: str) -> str:
    """Text of several lines for a terminal: letters that would steer it or turn its lines round become their number;
    line breaks and tabs stay."""
    return _CONTROL.sub(lambda match: _number(match[0]), text)


def one_line(text: str, most: int | None = None) -> str:
    """Text that stays on one line: whatever is not printable becomes its number. With ``most``, a longer text is cut
    after so many letters, and ends with ``…``."""
    if most is not None and len(text) > most:
        return one_line(text[:most]) + "…"
    return text if text.isprintable() else "".join(n if n.isprintable() else _number(n) for n in text)


def say(line: str) -> None:
    """A line of a log, on standard output. What cannot be written, because the log is closed, full or gone, is lost:
    nothing that a server does depends on its log."""
    text = one_line(line)
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
    except (OSError, ValueError):
        return
