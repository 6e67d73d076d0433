"""Hostile certificates, CSRs, CRLs and messages: each public property gives a value or the typed error, text always."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cached_property
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfp_sim.shared.errors import DecodeError, MfpSimError
from mfp_sim.shared.scep import der, messages
from mfp_sim.shared.scep.certificate import Certificate, folded_name, name_pairs, name_text, same_name
from mfp_sim.shared.scep.crl import Crl
from mfp_sim.shared.scep.csr import Csr

VECTORS = Path(__file__).parents[1] / "vectors"
READERS: dict[str, Callable[[bytes], object]] = {
    "openssl/certificate.der": Certificate.from_der,
    "micromdm/getcacert-reply.der": Certificate.from_der,
    "../scep/data/certificate-name-of-bits.der": Certificate.from_der,
    "openssl/csr.der": Csr.from_der,
    "../scep/data/csr-name-of-bits.der": Csr.from_der,
    "../scep/data/csr-universal-string.der": Csr.from_der,
    "openssl/crl.der": Crl.from_der,
    "micromdm/certrep-success.der": messages.decode,
    "../scep/data/certrep-signer-is-not-a-name.der": messages.decode,
}
TEXTS = {"subject_text", "issuer_text", "signer_text", "label"}
"""What is for people and never raises."""


def _elements(octets: bytes) -> list[der.Element]:
    found, waiting = [], [der.read(octets, trailing=True)]
    while waiting:
        element = waiting.pop()
        found.append(element)
        waiting.extend(element.children if element.constructed else ())
    return found


PLACES = {name: _elements((VECTORS / name).read_bytes()) for name in READERS}


@st.composite
def mutated(draw: st.DrawFn, name: str) -> bytes:
    """A message with up to three elements retagged, emptied, or with an byte of their content changed."""
    octets = bytearray((VECTORS / name).read_bytes())
    for _ in range(draw(st.integers(1, 3))):
        element = draw(st.sampled_from(PLACES[name]))
        if draw(st.booleans()) or element.body == element.body_end:
            octets[element.start] = draw(st.sampled_from([0x01, 0x02, 0x03, 0x05, 0x06, 0x0C, 0x1C, 0x1E, 0x30, 0x31]))
        else:
            octets[draw(st.integers(element.body, element.body_end - 1))] = draw(st.integers(0, 255))
    return bytes(octets)


def _properties(value: object) -> list[str]:
    kind = type(value)
    lazy = inspect.getmembers(kind, lambda member: isinstance(member, property | cached_property))
    return [name for name, _ in lazy if not name.startswith("_")]


def _verified(value: Certificate | Csr) -> None:
    value.verify() if isinstance(value, Csr) else value.verify_issued_by(value)


def _asked(value: object) -> None:
    """Ask for everything, as whoever shows or judges it would."""
    for name in _properties(value):
        try:
            found = getattr(value, name)
        except DecodeError:
            assert name not in TEXTS, f"{name} raises"
            continue
        assert not isinstance(found, Exception)
    if isinstance(value, Certificate | Csr):
        for act in (value.public_key, lambda: _verified(value)):
            try:
                act()
            except MfpSimError:
                continue
        assert same_name(value.subject, value.subject)
    if isinstance(value, Certificate | Crl):
        assert isinstance(name_text(value.issuer), str)
        hash(folded_name(value.issuer))
    if isinstance(value, messages.PkiMessage):
        assert value.describe()["signer"] == value.signer_text
        for certificate in value.certificates:
            _asked(certificate)


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
def test_each_property_gives_a_value_or_the_typed_error_and_text_always(name: str, data: st.DataObject) -> None:
    octets = data.draw(mutated(name))
    try:
        value = READERS[name](octets)
    except DecodeError:
        return
    _asked(value)


@pytest.mark.parametrize("name", READERS)
def test_the_messages_themselves_are_read_and_have_properties(name: str) -> None:
    value = READERS[name]((VECTORS / name).read_bytes())
    assert set(_properties(value)) & TEXTS
    _asked(value)


@given(octets=st.binary(max_size=200))
def test_the_text_of_a_name_never_raises(octets: bytes) -> None:
    for name in (octets, der.sequence(octets), der.sequence(der.set_of([octets]))):
        text = name_text(name)
        try:
            name_pairs(name)
        except DecodeError:
            assert text.startswith("#")
            assert folded_name(name) == name
