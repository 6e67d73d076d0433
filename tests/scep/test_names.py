"""Names as text and in comparison: strings, values that are not strings, and bytes that are not a Name."""

from __future__ import annotations

from pathlib import Path

import pytest

from mfp_sim.shared.errors import DecodeError
from mfp_sim.shared.scep import der, messages
from mfp_sim.shared.scep.certificate import Certificate, common_name_of, name_pairs, name_text, same_name
from mfp_sim.shared.scep.csr import Csr

HOSTILE = Path(__file__).parent / "data"
CN = der.oid("2.5.4.3")


def name_of(value: bytes) -> bytes:
    return der.sequence(der.set_of([der.sequence(CN, value)]))


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (der.utf8_string("printer"), "CN=printer"),
        (der.utf8_string("#0303"), "CN=\\#0303"),
        (der.bit_string(b"\x05"), "CN=#03020005"),
        (der.integer(5), "CN=#020105"),
        (der.sequence(der.null()), "CN=#30020500"),
        (der.tlv(0x24, der.octet_string(b"x")), "CN=#2403040178"),
        (der.tlv(der.UNIVERSAL_STRING, "prøve".encode("utf-32-be")), "CN=prøve"),
        (der.tlv(der.BMP_STRING, "prøve".encode("utf-16-be")), "CN=prøve"),
    ],
)
def test_a_value_that_is_not_a_string_is_shown_as_its_der_in_hex(value: bytes, text: str) -> None:
    assert name_text(name_of(value)) == text


def test_a_string_is_not_the_value_whose_hex_it_spells() -> None:
    bits, spelt = name_of(der.bit_string(b"\x05")), name_of(der.utf8_string("#03020005"))
    assert name_pairs(bits) == name_pairs(spelt) == (("CN", "#03020005"),)
    assert not same_name(bits, spelt)
    assert same_name(spelt, name_of(der.utf8_string("#03020005")))


@pytest.mark.parametrize("octets", [b"", b"\x30", b"\x02\x01\x05", der.sequence(der.sequence(CN))])
def test_what_is_not_a_name_has_a_text_and_is_refused_where_it_is_read(octets: bytes) -> None:
    assert name_text(octets) == f"#{octets.hex()}"
    assert same_name(octets, octets)
    assert not same_name(octets, name_of(der.utf8_string("x")))
    with pytest.raises(DecodeError, match="name"):
        common_name_of(octets)


def test_a_long_one_is_cut() -> None:
    assert name_text(bytes(65)) == f"#{'00' * 64}…"


def test_names_that_others_wrote() -> None:
    certificate = Certificate.from_der((HOSTILE / "certificate-name-of-bits.der").read_bytes())
    assert "#03" in certificate.subject_text
    assert Csr.from_der((HOSTILE / "csr-name-of-bits.der").read_bytes()).subject_text.count("#03") == 1
    assert Csr.from_der((HOSTILE / "csr-universal-string.der").read_bytes()).common_name
    message = messages.decode((HOSTILE / "certrep-signer-is-not-a-name.der").read_bytes())
    assert message.signer_text.startswith("#30")
    assert message.signer() is None
