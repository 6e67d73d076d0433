"""The page on the architecture names files that are there."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_module_that_is_named_in_the_text_exists() -> None:
    page = (ROOT / "docs" / "explanation" / "architecture.md").read_text("utf-8")
    there = [f"/{path.relative_to(ROOT).as_posix()}" for path in ROOT.glob("m*/**/*.py")]
    named = set(re.findall(r"`([a-z_/]+\.py)`", page))
    assert len(named) > 10
    assert not {name for name in named if not any(path.endswith(f"/{name}") for path in there)}
