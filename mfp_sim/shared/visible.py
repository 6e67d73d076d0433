"""Makes text from a peer, a file or a message safe to show: it must not control a terminal or forge a log line.

Characters that could do so are shown as their number. Does not mask secrets, and shortens text only with ``most``.
"""

from __future__ import annotations

import re
import sys

__all__ = ["one_line", "say", "visible"]

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")


def _number(letter: str) -> str:
    return f"\\x{ord(letter):02x}" if letter < "\x80" else f"\\u{ord(letter):04x}"


def visible(text: str) -> str:
    """Text of several lines for a terminal: characters that control it or change the direction of text become their
    number; line breaks and tabs stay."""
    return _CONTROL.sub(lambda match: _number(match[0]), text)


def one_line(text: str, most: int | None = None) -> str:
    """Text that stays on one line: every unprintable character becomes its number. With ``most``, a longer text is cut
    after that many characters and ends with ``…``."""
    if most is not None and len(text) > most:
        return one_line(text[:most]) + "…"
    return text if text.isprintable() else "".join(n if n.isprintable() else _number(n) for n in text)


def say(line: str) -> None:
    """Write a line of a log to standard output. A line that cannot be written (closed, full or gone) is lost: a server
    never depends on its log."""
    text = one_line(line)
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        print(text.encode(encoding, "backslashreplace").decode(encoding), flush=True)
    except (OSError, ValueError):
        return
