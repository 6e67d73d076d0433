"""Everything a person reads is plain English: the idioms that readers stumbled over do not come back.

Read are Markdown, YAML and HTML, and of Python the strings, docstrings and comments. What a program reads (names, keys,
identifiers) is not looked at. A line that quotes one on purpose is in ALLOWED.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PLACES = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "docs",
    "scenarios",
    "tools",
    "mock_scep_server",
    "benchmarks",
    "examples",
    "mfp_sim/cli",
    "mfp_sim/client",
    "mfp_sim/conformance",
    "mfp_sim/contact.py",
    "mfp_sim/device",
    "mfp_sim/events.py",
    "mfp_sim/examination",
    "mfp_sim/exploration",
    "mfp_sim/fleet",
    "mfp_sim/load",
    "mfp_sim/proxy",
    "mfp_sim/pytest_plugin.py",
    "mfp_sim/remote_ui",
    "mfp_sim/run_trace.py",
    "mfp_sim/scenario",
    "mfp_sim/shared",
    "mfp_sim/testing",
    "mfp_sim/transport",
    "tests/conformance/wrong_servers",
    "tests/peers/table.py",
)
"""What people read, from the root; of report the templates have names of classes that are such words."""
IDIOMS = {
    "tells, told: shows, says, lists": r"\b(?:tells?|told|telling)\b",
    "whoever: anyone who, a client that": r"\b(?:whoever|whomever)\b",
    "somebody, nobody, everybody: someone, no one, every client": r"\b(?:some|no|every)body\b",
    "is no, are none: is not a, there is no": r"(?<!here )\b(?:is|are|was|were) (?-i:no|none|nothing)\b(?! (?:longer|more|less|one)\b)",
    "octets: bytes": r"\b[Oo]ctets?\b",
    "anew: again": r"\banew\b",
    "goes by: follows": r"\b(?:go|goes|went) by\b(?! (?:GET|POST))",
    "rests on: depends on": r"\brests? on\b",
    "otherwise as a predicate: differs": r"\b(?:is|are|be|known to be) otherwise\b",
    "how-manieth: how many times": r"\bmanieth\b",
    "by what it is known: its source": r"\bby (?:what|who) (?:it|they|may)\b",
    "it is no matter: it does not matter": r"\bno matter of\b|\bis no matter\b",
}
ALLOWED = (
    r"OCTET", r"octets=", r"octet-stream", r"\bname: [\w.-]+", r"\[[\w.-]+\]\([^)]*\)", r"[\w.]+\.example", r"`[^` ]*`", r"\{[^{}]*\}",
    r"\b(?:zero-octet|replay-same-octets)\b", r"\boctets(?=: a number| \\\|| \(default)|(?<=default )octets",
)  # fmt: skip
"""Where the word is ASN.1's or HTTP's, or part of a name that programs read: a key, a slug, an argument, code."""


def texts(path: Path) -> Iterator[tuple[int, str]]:
    """Each line of a file that people read, with its number."""
    text = path.read_text("utf-8")
    if path.suffix != ".py":
        yield from enumerate(text.splitlines(), 1)
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in (tokenize.STRING, tokenize.COMMENT):
            for number, line in enumerate(token.string.splitlines(), token.start[0]):
                if " " in line.strip():  # a single word is a name, or a key
                    yield number, line


def files(place: str) -> list[Path]:
    whole = ROOT / place
    found = (
        [whole]
        if whole.is_file()
        else [path for kind in ("md", "yaml", "html", "py") for path in whole.rglob(f"*.{kind}")]
    )
    return [
        path
        for path in found
        if not re.search(r"labels/(?!en)|rfc8894_quotes|/vectors/|reference/wrong_servers", str(path))
    ]


def stumbles(place: str) -> list[str]:
    return [
        f"{path.relative_to(ROOT)}:{number}: {idiom}: {line.strip()[:90]}"
        for path in files(place)
        for number, line in texts(path)
        for idiom, pattern in IDIOMS.items()
        if re.search(pattern, re.sub("|".join(ALLOWED), "", line), re.IGNORECASE)
    ]


@pytest.mark.parametrize("place", PLACES)
def test_nothing_to_stumble_over(place: str) -> None:
    assert files(place)
    assert stumbles(place) == []


@pytest.mark.parametrize("line", [
    "The page tells what is there.", "Whoever knows it may enrol.", "It is none, and nobody asks.",
    "A message of 20 octets.", "It is known to be otherwise.", "It is no SCEP server.", "It rests on A-22.",
])  # fmt: skip
def test_an_idiom_is_found(line: str) -> None:
    assert any(re.search(pattern, line, re.IGNORECASE) for pattern in IDIOMS.values())


@pytest.mark.parametrize("line", ["It is no longer there.", "an OCTET STRING", "No one asks.", "There is no field."])
def test_plain_english_is_not(line: str) -> None:
    assert not any(
        re.search(pattern, re.sub("|".join(ALLOWED), "", line), re.IGNORECASE) for pattern in IDIOMS.values()
    )


if __name__ == "__main__":
    import sys

    for argument in sys.argv[1:]:
        print("\n".join(stumbles(argument)))
