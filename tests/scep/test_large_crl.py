"""A CRL of 100,000 entries is made and read, by us and by a library, and the mock serves it; what is larger is refused."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest
from asn1crypto import crl as asn1_crl

from mfp_sim.shared.errors import DecodeError
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import crl, der
from mfp_sim.shared.scep.crl import Crl, Revoked
from mfp_sim.shared.scep.elements import leaves
from mfp_sim.shared.simtime import Entropy, PooledKeys

NOW = datetime(2026, 3, 2, tzinfo=timezone.utc)
COUNT = 100_000


@pytest.fixture(scope="module")
def authority():
    key = PooledKeys(Entropy(3)).rsa(2048)
    name = x509.name(("CN", "CA"))
    return key, x509.self_signed(
        key, subject=name, serial=1, not_before=NOW, not_after=NOW + timedelta(days=3650),
        extensions=[x509.basic_constraints_extension(True)],
    )  # fmt: skip


def _entries(count: int) -> tuple[Revoked, ...]:
    reasons = ("keyCompromise", "superseded", None)
    return tuple(
        Revoked((1 << 127) + number, NOW - timedelta(minutes=number % 5000), reasons[number % 3])
        for number in range(count)
    )


@pytest.fixture(scope="module")
def large(authority) -> Crl:
    key, certificate = authority
    entries = _entries(COUNT)
    return crl.issue(
        issuer=certificate, signing_key=key, this_update=NOW, next_update=NOW + timedelta(days=7), revoked=entries
    )


def test_it_is_made_and_read_entry_by_entry(large: Crl, authority) -> None:
    assert large.revoked == _entries(COUNT)
    large.verify_issued_by(authority[1])
    assert large.entry((1 << 127) + COUNT - 1) == large.revoked[-1]
    assert large.entry(5) is None


def test_a_library_reads_the_same(large: Crl) -> None:
    listed = asn1_crl.CertificateList.load(large.der)["tbs_cert_list"]["revoked_certificates"]
    assert len(listed) == COUNT
    last = listed[COUNT - 1]
    assert (last["user_certificate"].native, last["revocation_date"].native) == (
        large.revoked[-1].serial,
        large.revoked[-1].when,
    )


def test_its_elements_have_places(large: Crl) -> None:
    last = {}
    for leaf in leaves(large.der):
        last[leaf.path.partition("[")[0]] = leaf
    place = f"crl.tbsCertList.revokedCertificates[{COUNT - 1}]"
    assert last["crl.tbsCertList.revokedCertificates"].path.startswith(place)


def test_a_mistake_deep_inside_is_told_with_its_place(large: Crl) -> None:
    serial = der.integer(large.revoked[90_000].serial)
    with pytest.raises(DecodeError, match=r"revokedCertificates\[90000\]\.userCertificate at byte \d+: expected INTEG"):
        Crl.from_der(large.der.replace(serial, b"\x04" + serial[1:], 1))


def test_what_is_over_the_caps_is_refused(monkeypatch: pytest.MonkeyPatch, large: Crl) -> None:
    with pytest.raises(DecodeError, match="at most 16777216 bytes"):
        Crl.from_der(bytes(crl.MAX_OCTETS + 1))
    monkeypatch.setattr(crl, "MAX_ELEMENTS", 1000)
    with pytest.raises(DecodeError, match="at most 1000 elements"):
        Crl.from_der(large.der)


def test_other_dates_and_reasons_are_not_taken_for_those_read_before(authority) -> None:
    key, certificate = authority
    entries = (
        Revoked(1, NOW, "superseded"), Revoked(2, NOW, "keyCompromise"), Revoked(3, NOW + timedelta(1)), Revoked(4, NOW),
    )  # fmt: skip
    made = crl.issue(issuer=certificate, signing_key=key, this_update=NOW, next_update=None, revoked=entries)
    assert made.revoked == entries
    assert replace(made).entry(3) == entries[2]
