"""What is granted of each extension that a CSR may ask for, and in which words it is not."""

from __future__ import annotations

from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import csr as csrs
from mfp_sim.shared.scep import der
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.certificate import KEY_USAGE_BITS, Extension
from mfp_sim.shared.scep.csr import Csr
from mock_scep_server.grants import grant

EKU = v.EXTENDED_KEY_USAGE
KP = "1.3.6.1.5.5.7.3."
GRANTED = [f"{KP}{n}" for n in (1, 2, 4, 5, 6, 7, 17)] + ["1.3.6.1.5.5.8.2.2"]
REFUSED = {
    "2.5.29.37.0": "anyExtendedKeyUsage",
    f"{KP}3": "codeSigning",
    f"{KP}8": "timeStamping",
    f"{KP}9": "OCSPSigning",
    "1.3.6.1.4.1.311.20.2.2": "purpose 1.3.6.1.4.1.311.20.2.2",
}
HARMLESS = ("digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement")
RSA_DEFAULT = x509.key_usage_extension("digitalSignature", "keyEncipherment")


@pytest.fixture
def csr(make_ca, make_client) -> Csr:
    return Csr.from_der(make_client(make_ca()).csr())


def _asked(csr: Csr, *extensions: tuple[str, bool, bytes], subject: bytes | None = None) -> Csr:
    found = {oid: Extension(critical, value) for oid, critical, value in extensions}
    return replace(csr, subject=csr.subject if subject is None else subject, extensions=found)


def _purposes(*oids: str) -> bytes:
    return der.sequence(*(der.oid(oid) for oid in oids))


def test_without_a_wish_the_usages_are_those_of_the_key(csr: Csr) -> None:
    assert grant(_asked(csr)).extensions == (RSA_DEFAULT,)
    assert grant(_asked(csr)).refused == ()


def test_an_elliptic_key_signs_only() -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    csr = Csr.from_der(csrs.build(key, subject=x509.name(("CN", "a"))))
    assert grant(csr).extensions == (x509.key_usage_extension("digitalSignature"),)


@pytest.mark.parametrize("name", KEY_USAGE_BITS)
def test_each_usage_is_harmless_or_refused_by_its_name(csr: Csr, name: str) -> None:
    found = grant(_asked(csr, x509.key_usage_extension(name)))
    if name in HARMLESS:
        assert (found.extensions, found.refused) == ((x509.key_usage_extension(name),), ())
    else:
        assert (found.extensions, found.refused) == ((RSA_DEFAULT,), (name,))


def test_usages_are_weighed_one_by_one(csr: Csr) -> None:
    found = grant(_asked(csr, x509.key_usage_extension("keyAgreement", "keyCertSign", "decipherOnly", "cRLSign")))
    assert found.extensions == (x509.key_usage_extension("keyAgreement"),)
    assert sorted(found.refused) == ["cRLSign", "decipherOnly", "keyCertSign"]


def test_a_key_usage_that_cannot_be_read_is_as_none(csr: Csr) -> None:
    found = grant(_asked(csr, (v.KEY_USAGE, True, b"\x30\x00")))
    assert (found.extensions, found.refused) == ((RSA_DEFAULT,), ("malformed keyUsage (BIT STRING expected)",))


@pytest.mark.parametrize("oid", GRANTED)
def test_each_harmless_purpose_is_granted(csr: Csr, oid: str) -> None:
    found = grant(_asked(csr, (EKU, True, _purposes(oid))))
    assert (found.extensions, found.refused) == ((RSA_DEFAULT, (EKU, False, _purposes(oid))), ())


@pytest.mark.parametrize("oid", REFUSED)
def test_each_power_is_refused_by_its_name(csr: Csr, oid: str) -> None:
    found = grant(_asked(csr, (EKU, False, _purposes(oid))))
    assert (found.extensions, found.refused) == ((RSA_DEFAULT,), (REFUSED[oid],))
    mixed = grant(_asked(csr, (EKU, False, _purposes(GRANTED[0], oid, GRANTED[1]))))
    assert mixed.extensions[1] == (EKU, False, _purposes(GRANTED[0], GRANTED[1]))
    assert mixed.refused == (REFUSED[oid],)


@pytest.mark.parametrize("critical", [False, True])
def test_names_go_in_as_they_came_and_are_critical_without_a_subject(csr: Csr, critical: bool) -> None:
    names = der.sequence(der.implicit(2, b"a.example"), der.implicit(6, b"urn:a"))
    asked = (v.SUBJECT_ALT_NAME, critical, names)
    assert grant(_asked(csr, asked)).extensions == (RSA_DEFAULT, (v.SUBJECT_ALT_NAME, False, names))
    nobody = grant(_asked(csr, asked, subject=der.sequence()))
    assert nobody.extensions == (RSA_DEFAULT, (v.SUBJECT_ALT_NAME, True, names))


BASIC = [
    (der.sequence(der.boolean(True)), ("CA:true",)),
    (der.sequence(der.boolean(True), der.integer(0)), ("CA:true",)),
    (der.sequence(der.tlv(der.BOOLEAN, b"\x01")), ("CA:true",)),
    (der.sequence(der.tlv(der.BOOLEAN, b"\x00")), ()),
    (der.sequence(), ()),
    (der.sequence(der.integer(1)), ()),
]


@pytest.mark.parametrize(("value", "refused"), BASIC)
def test_nobody_becomes_a_ca(csr: Csr, value: bytes, refused: tuple[str, ...]) -> None:
    found = grant(_asked(csr, (v.BASIC_CONSTRAINTS, True, value)))
    assert (found.extensions, found.refused) == ((RSA_DEFAULT,), refused)


def test_what_the_ca_makes_itself_is_not_said_to_be_refused(csr: Csr) -> None:
    found = grant(_asked(csr, (v.SUBJECT_KEY_IDENTIFIER, False, der.octet_string(b"1"))))
    assert (found.extensions, found.refused) == ((RSA_DEFAULT,), ())


def test_any_other_extension_is_refused_by_its_name(csr: Csr) -> None:
    found = grant(_asked(csr, ("2.5.29.32", True, der.sequence()), ("1.2.3.4", False, b"")))
    assert (found.extensions, found.refused) == (
        (RSA_DEFAULT,), ("extension certificatePolicies", "extension 1.2.3.4"),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("oid", "value", "told"),
    [
        (v.SUBJECT_ALT_NAME, b"", "malformed subjectAltName (tag and length expected)"),
        (v.SUBJECT_ALT_NAME, b"\x02\x01\x01", "malformed subjectAltName (SEQUENCE expected)"),
        (EKU, b"\x02\x01\x01", "malformed extKeyUsage (SEQUENCE expected)"),
        (EKU, b"\x30\x03\x02\x01\x01", "malformed extKeyUsage[0] (OBJECT IDENTIFIER expected)"),
        (v.BASIC_CONSTRAINTS, b"\x30", "malformed basicConstraints (tag and length expected)"),
    ],
)
def test_a_malformed_extension_is_not_granted_and_said_to_be_so(csr: Csr, oid: str, value: bytes, told: str) -> None:
    other = (EKU, False, _purposes(GRANTED[0])) if oid != EKU else (v.BASIC_CONSTRAINTS, True, der.sequence())
    found = grant(_asked(csr, (oid, False, value), other))
    assert found.refused == (told,)
    assert len(found.extensions) == (1 if oid == EKU else 2), "the others are weighed all the same"
