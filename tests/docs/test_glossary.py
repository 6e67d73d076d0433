"""The glossary names things that are there, each word once, in order."""

from __future__ import annotations

import re
from importlib import import_module
from pathlib import Path

import pytest

PAGE = (Path(__file__).parents[2] / "docs" / "reference" / "glossary.md").read_text("utf-8")
ROWS = re.findall(r"^\| ([a-zA-Z ]+) \| (.+) \| `([\w.]+)` \|$", PAGE, re.MULTILINE)
WORDS = [word for word, _, _ in ROWS]


def test_every_line_of_the_table_is_a_row_and_they_are_in_order() -> None:
    assert len(ROWS) == PAGE.count("\n| ") - 2  # less the head and the rule below it
    assert len(WORDS) >= 40
    assert sorted(WORDS) == WORDS
    assert len(set(WORDS)) == len(WORDS)


@pytest.mark.parametrize(("word", "name"), [(word, name) for word, _, name in ROWS], ids=WORDS)
def test_a_word_is_defined_where_the_glossary_says(word: str, name: str) -> None:
    module, _, attribute = name.rpartition(".")
    assert hasattr(import_module(module), attribute), word
