"""Names are compared as RFC 5280, 7.1 has it; times, names and rights are read from the bytes."""

from __future__ import annotations

from datetime import datetime, timezone

import pytest

from mfp_sim.conformance.checks.issued_certificates import _bits_of_chance, _expected
from mfp_sim.conformance.linting import names_alike
from mfp_sim.shared.scep import der
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.simtime import Entropy

CN, OU = v.NAME_ATTRIBUTES["CN"], v.NAME_ATTRIBUTES["OU"]
TEXT = "Büro  7"
ENCODED = {
    "utf8": der.utf8_string(TEXT),
    "other case and blanks": der.utf8_string(" büRO 7 "),
    "bmp": der.tlv(der.BMP_STRING, TEXT.encode("utf-16-be")),
    "teletex": der.tlv(der.T61_STRING, TEXT.encode("latin-1")),
    "universal": der.tlv(der.UNIVERSAL_STRING, TEXT.encode("utf-32-be")),
}


def rdn(*pairs: tuple[str, bytes]) -> bytes:
    return der.set_of([der.sequence(der.oid(oid), value) for oid, value in pairs])


@pytest.mark.parametrize("value", ENCODED.values(), ids=ENCODED)
def test_a_string_is_the_same_in_every_type(value: bytes) -> None:
    first = der.sequence(rdn((OU, der.printable_string("print"))), rdn((CN, ENCODED["utf8"])))
    assert names_alike(first, der.sequence(rdn((OU, der.utf8_string("PRINT"))), rdn((CN, value))))


def test_rdns_have_an_order_and_their_attributes_none() -> None:
    ou, cn = (OU, der.utf8_string("print")), (CN, der.utf8_string("a"))
    both, other = der.sequence(rdn(ou, cn)), der.sequence(rdn(cn, (OU, der.printable_string("print"))))
    assert both != other
    assert names_alike(both, other)
    assert not names_alike(both, der.sequence(rdn(ou), rdn(cn)))
    assert not names_alike(der.sequence(rdn(ou), rdn(cn)), der.sequence(rdn(cn), rdn(ou)))


def test_what_is_no_name_is_like_itself_only() -> None:
    assert names_alike(b"\x30\x01", b"\x30\x01")
    assert not names_alike(b"\x30\x01", der.sequence())
    number = der.sequence(rdn((CN, der.integer(7))))
    assert not names_alike(number, der.sequence(rdn((CN, der.utf8_string("020107")))))


@pytest.mark.parametrize("count", [4, 8, 40])
def test_chance_is_told_from_counters_and_clocks(count: int) -> None:
    entropy = Entropy(5)
    least = _expected(count) - 16
    for _ in range(50):
        assert _bits_of_chance([int.from_bytes(entropy.octets(8), "big") >> 1 for _ in range(count)]) >= least
    start = datetime(2026, 3, 2, tzinfo=timezone.utc).timestamp()
    clocks = [int(start) + 60 * number for number in range(count)]
    for serials in (range(1000, 1000 + count), clocks, [number * 10**9 for number in clocks]):
        assert _bits_of_chance(list(serials)) < least
