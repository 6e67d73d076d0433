"""What the product says is about the product: no machine's paths, nothing left for later."""

import re
import subprocess
from pathlib import Path

import pytest

TEXT = {".py", ".md", ".yaml", ".yml", ".toml", ".json", ".html", ".txt", ".cfg", ""}
SKIPPED = {".git", ".venv", "venv", "dist", "build", "__pycache__", "node_modules"}
PLACES = ("/w@ork/", "/f@arm/", r"\.l@ibrary", r"\.\./s@hared", r"\.\./r@esearch", r"/h@ome/\w", r"/r@oot/\w")
ABROAD = re.compile("|".join(place.replace("@", "") for place in PLACES))  # so that this file is clean itself
LATER = re.compile(r"\b(TO" + "DO|FIX" + "ME|XX" + r"X)\b")


def texts(root: Path) -> list[Path]:
    """The files of the checkout that git does not ignore; without git, all but build output."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
            cwd=root, capture_output=True, text=True, check=True,
        ).stdout.splitlines()  # fmt: skip
        files = [root / name for name in listed]
    except (OSError, subprocess.CalledProcessError):
        files = [file for file in root.rglob("*") if not SKIPPED & set(file.relative_to(root).parts)]
    return [file for file in files if file.is_file() and file.suffix in TEXT]


@pytest.mark.parametrize("pattern", [ABROAD, LATER], ids=["paths of another place", "left for later"])
def test_no_file_names(root: Path, pattern: re.Pattern[str]) -> None:
    files = texts(root)
    assert root / "pyproject.toml" in files
    found = [
        f"{file.relative_to(root)}:{number}: {line.strip()[:80]}"
        for file in files
        for number, line in enumerate(file.read_text("utf-8", errors="replace").splitlines(), start=1)
        if pattern.search(line)
    ]
    assert found == []
