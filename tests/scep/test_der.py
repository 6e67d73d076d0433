"""DER out, BER in: the encodings, the caps, and errors that name the place."""

from __future__ import annotations

import gc
import weakref
from datetime import datetime, timedelta, timezone
from typing import ClassVar

import pytest
from asn1crypto import core
from hypothesis import given
from hypothesis import strategies as st

from mfp_sim.shared.errors import DecodeError
from mfp_sim.shared.scep import der

UTC = timezone.utc


@given(st.integers(min_value=-(2**300), max_value=2**300))
def test_integers_are_those_of_the_oracle_and_come_back(number: int) -> None:
    encoded = der.integer(number)
    assert encoded == core.Integer(number).dump()
    assert der.read(encoded).to_integer() == number


@given(st.lists(st.integers(0, 2**70), min_size=1, max_size=12), st.integers(0, 2), st.integers(0, 39))
def test_object_identifiers_are_those_of_the_oracle(arcs: list[int], first: int, second: int) -> None:
    dotted = ".".join(map(str, (first, second, *arcs)))
    encoded = der.oid(dotted)
    assert encoded == core.ObjectIdentifier(dotted).dump()
    assert der.read(encoded).to_oid() == dotted


@given(st.lists(st.binary(max_size=20).map(der.octet_string), max_size=8))
def test_a_set_is_sorted_as_der_wants(parts: list[bytes]) -> None:
    found = [child.raw for child in der.read(der.set_of(parts)).children]
    assert found == sorted(parts)
    assert [child.raw for child in der.read(der.set_of(parts, sort=False)).children] == parts


@given(st.integers(0, 70_000))
def test_lengths_are_the_shortest(length: int) -> None:
    assert der.octet_string(bytes(length)) == core.OctetString(bytes(length)).dump()


@pytest.mark.parametrize(
    ("instant", "tag"),
    [
        (datetime(1950, 1, 1, tzinfo=UTC), der.UTC_TIME),
        (datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC), der.UTC_TIME),
        (datetime(2050, 1, 1, tzinfo=UTC), der.GENERALIZED_TIME),
        (datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), der.GENERALIZED_TIME),
    ],
)
def test_times_change_their_type_in_2050(instant: datetime, tag: int) -> None:
    element = der.read(der.time(instant))
    assert (element.tag, element.to_time()) == (tag, instant)


@pytest.mark.parametrize(
    ("tag", "text", "instant"),
    [
        (der.UTC_TIME, b"2603020700Z", datetime(2026, 3, 2, 7, tzinfo=UTC)),
        (der.UTC_TIME, b"260302080000+0100", datetime(2026, 3, 2, 7, tzinfo=UTC)),
        (der.GENERALIZED_TIME, b"20260302070000.5Z", datetime(2026, 3, 2, 7, tzinfo=UTC)),
        (der.GENERALIZED_TIME, b"21260302070000Z", datetime(2126, 3, 2, 7, tzinfo=UTC)),
    ],
)
def test_other_spellings_of_time_are_read(tag: int, text: bytes, instant: datetime) -> None:
    assert der.read(der.tlv(tag, text)).to_time() - instant < timedelta(seconds=1)


@pytest.mark.parametrize("text", [b"", b"26", b"260230070000Z", b"2603020700", b"26030207000\xb2Z", b"260302070000+01"])
def test_a_time_that_is_none_is_refused(text: bytes) -> None:
    with pytest.raises(DecodeError, match="expected a time"):
        der.read(der.tlv(der.UTC_TIME, text)).to_time()


def test_indefinite_lengths_and_constructed_strings_are_read() -> None:
    pieces = bytes.fromhex("3080 2480 0403414243 2480 040144 0000 0000 020105 0000")
    element = der.read(pieces)
    assert element.indefinite
    assert element.child(0, "text").to_octets() == b"ABCD"
    assert element.child(1, "number").to_integer() == 5


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        ("", "tag and length"),
        ("30", "tag and length"),
        ("3003 0201", "3 bytes of content"),
        ("3080 0201 05", "tag and length"),
        ("3080 020105 00", "tag and length"),
        ("0480 0000", "a definite length for a primitive element"),
        ("3085 0000000001 00", "a length of at most 4 bytes"),
        ("3082 01", "a length of at most 4 bytes"),
        ("1f8101 00", "a tag number below 31"),
        ("0000", "an element"),
        ("020105 ff", "the end of the message"),
    ],
)
def test_malformed_octets_are_refused_at_their_place(octets: str, expected: str) -> None:
    with pytest.raises(DecodeError) as caught:
        _walk(der.read(bytes.fromhex(octets), "thing"))
    assert caught.value.expected.startswith(expected)
    assert caught.value.path.startswith("thing")


def _walk(element: der.Element) -> None:
    if element.constructed:
        for child in element.children:
            _walk(child)


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (bytes(der.MAX_OCTETS + 1), f"at most {der.MAX_OCTETS} bytes"),
        (b"\x30\x80" * 40 + b"\x00\x00" * 40, f"a depth of at most {der.MAX_DEPTH}"),
        (der.sequence(der.null() * (der.MAX_ELEMENTS + 1)), f"at most {der.MAX_ELEMENTS} elements"),
    ],
)
def test_the_caps_hold(octets: bytes, expected: str) -> None:
    with pytest.raises(DecodeError) as caught:
        _walk(der.read(octets))
    assert caught.value.expected == expected


def test_a_missing_child_is_named_with_its_path_and_offset() -> None:
    with pytest.raises(DecodeError) as caught:
        der.read(der.sequence(der.integer(1)), "thing").child(1, "serialNumber", der.INTEGER)
    assert str(caught.value) == "thing.serialNumber at byte 5: expected INTEGER, got the end of its parent"


@pytest.mark.parametrize("octets", ["3009 3003 020101 3002 0500", "3080 3003 020105 0000"])
def test_a_message_is_freed_without_the_garbage_collector(monkeypatch, octets: str) -> None:
    class Work(der.ReadingWork):
        """Can be referred to weakly, since it has no slots."""

        made: ClassVar[list[weakref.ref[Work]]] = []

        def __init__(self) -> None:
            super().__init__()
            self.made.append(weakref.ref(self))

    monkeypatch.setattr(der, "ReadingWork", Work)
    gc.disable()
    try:
        element = der.read(bytes.fromhex(octets))
        _walk(element)
        assert Work.made[0]() is element.work
        del element
        assert Work.made[0]() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("index", [-1, 0, 1])
def test_an_empty_sequence_has_no_child(index: int) -> None:
    with pytest.raises(DecodeError, match="the end of its parent"):
        der.read(der.sequence(), "thing").child(index, "entry")
