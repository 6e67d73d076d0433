"""The values of a message. A structure that messages repeat is read once, and the values do not show whether it was."""

from __future__ import annotations

from pathlib import Path

import pytest

from mfp_sim.shared.errors import DecodeError
from mfp_sim.shared.scep import der, elements
from mfp_sim.shared.scep.elements import ElementValue, leaves

VECTORS = Path(__file__).parents[1] / "vectors"
MESSAGES = {str(file.relative_to(VECTORS)): file.read_bytes() for file in sorted(VECTORS.rglob("*.der"))}


def _read(octets: bytes) -> tuple[list[ElementValue], str]:
    """The values as far as they can be read, and why that ends."""
    found: list[ElementValue] = []
    try:
        for leaf in leaves(octets):
            found.append(leaf)
    except DecodeError as error:
        return found, str(error)
    return found, ""


@pytest.fixture
def first() -> dict[str, tuple[list[ElementValue], str]]:
    """What is read from each message if nothing is known from the others."""
    found = {}
    for name, octets in MESSAGES.items():
        elements._KNOWN.clear()
        found[name] = _read(octets)
    return found


def test_what_is_known_from_other_messages_gives_the_same_values(first) -> None:
    elements._KNOWN.clear()
    for _ in range(2):
        assert {name: _read(octets) for name, octets in MESSAGES.items()} == first
    assert elements._KNOWN


def test_what_is_known_counts_like_what_is_read(first, monkeypatch) -> None:
    """The limit of elements ends the reading at the same place, with the same words."""
    octets = MESSAGES["micromdm/certrep-success.der"]
    enough = next(most for most in range(10, 1000, 10) if _limited(octets, most, monkeypatch)[1] == "")
    for most in range(1, enough + 1):
        elements._KNOWN.clear()
        fresh = _limited(octets, most, monkeypatch)
        _limited(octets, enough, monkeypatch)
        assert _limited(octets, most, monkeypatch) == fresh
    assert fresh == first["micromdm/certrep-success.der"]


def _limited(octets: bytes, most: int, monkeypatch) -> tuple[list[ElementValue], str]:
    monkeypatch.setattr(elements, "MAX_ELEMENTS", most)
    return _read(octets)


def test_what_is_known_is_too_deep_in_another_place() -> None:
    """The algorithm of a signature stands in the certificate, and a level deeper in what is signed."""
    elements._KNOWN.clear()
    tbs, algorithm, signature = der.read(MESSAGES["openssl/certificate.der"]).children
    parts = [part.raw for part in tbs.children]
    assert parts[2] == algorithm.raw
    nested = b""
    for _ in range(der.MAX_DEPTH - 1):
        nested = der.sequence(nested)
    deep = der.sequence(der.oid("1.2.3"), nested)
    allowed = der.sequence(tbs.raw, deep, signature.raw)
    too_deep = der.sequence(der.sequence(*parts[:2], deep, *parts[3:]), algorithm.raw, signature.raw)
    fresh = _read(too_deep)
    assert "a depth of at most 32" in fresh[1]
    assert _read(allowed)[1] == ""
    assert _read(too_deep) == fresh


def test_the_cache_has_a_limit(monkeypatch) -> None:
    elements._KNOWN.clear()
    monkeypatch.setattr(elements, "_KNOWN_LIMIT", 3)
    for octets in MESSAGES.values():
        _read(octets)
        assert len(elements._KNOWN) <= 3
    monkeypatch.setattr(elements, "_KNOWN_OCTETS", 0)
    elements._KNOWN.clear()
    _read(MESSAGES["micromdm/certrep-success.der"])
    assert not elements._KNOWN


def test_the_bytes_of_a_value_are_not_in_its_repr() -> None:
    assert repr(ElementValue("challenge", 7, "not shown", b"secret")) == "ElementValue('challenge', 7, 'not shown')"
