"""Text of others for people: nothing steers a terminal, nothing forges a line, and a lost log costs nothing."""

from __future__ import annotations

import io
import sys

import pytest

from mfp_sim.shared.visible import one_line, say, visible


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain ø text", "plain ø text"),
        ("a\x1b[2Jb", "a\\x1b[2Jb"),
        ("a\nb\tc\r", "a\\x0ab\\x09c\\x0d"),
        ("a\x9bb\u202ec\u2028d", "a\\u009bb\\u202ec\\u2028d"),
        ("\ud800", "\\ud800"),
    ],
)
def test_one_line(text: str, shown: str) -> None:
    assert one_line(text) == shown


def test_a_cut_is_shown() -> None:
    assert one_line("abcdef", 3) == "abc…"
    assert one_line("abc", 3) == "abc"


def test_several_lines_stay_lines() -> None:
    assert visible("a\n\tb\x1b\r\u202e") == "a\n\tb\\x1b\\x0d\\u202e"


class Full(io.StringIO):
    def write(self, _: str) -> int:
        raise OSError(28, "No space left on device")


def _closed() -> io.StringIO:
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize("stream", [Full(), _closed(), io.TextIOWrapper(io.BytesIO(), "ascii")])
def test_a_log_that_cannot_be_written_raises_nothing(stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdout", stream)
    say("a line with ø")


def test_a_line_is_said_in_the_encoding_of_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    octets = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(octets, "ascii"))
    say("ø\nforged")
    assert octets.getvalue() == b"\\xf8\\x0aforged\n"
