"""A CA that an operator brings: in each form that programs write, and refused where it could not be one, with the reason."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509 import load_der_x509_certificate

from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import der
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.simtime import Entropy, PooledKeys
from mock_scep_server.own_ca import read_own_ca
from mock_scep_server.store import SqliteStore
from mock_scep_server.vault import Vault

NOW = datetime(2026, 3, 2, 12, tzinfo=timezone.utc)
KEYS = PooledKeys(Entropy(3), side=1)
RSA, OTHER = KEYS.rsa(2048), KEYS.rsa(2048)
PASS = "canary-5c0d"
CA = (x509.basic_constraints_extension(True), x509.key_usage_extension("digitalSignature", "keyCertSign", "cRLSign"))
ODD_ID = (v.SUBJECT_KEY_IDENTIFIER, False, der.octet_string(b"of its own"))


def certificate(
    key=RSA, extensions: Sequence = CA, begins: timedelta = timedelta(days=-1), days: int = 30
) -> Certificate:
    return x509.self_signed(
        key, subject=x509.name(("O", "Example AS"), ("CN", "Own CA")), serial=77, extensions=list(extensions),
        not_before=NOW + begins, not_after=NOW + begins + timedelta(days=days),
    )  # fmt: skip


def pem(found: Certificate) -> bytes:
    return load_der_x509_certificate(found.der).public_bytes(Encoding.PEM)


def private(
    key, encoding: Encoding = Encoding.PEM, form: PrivateFormat = PrivateFormat.PKCS8, secret: str = ""
) -> bytes:
    return key.private_bytes(encoding, form, BestAvailableEncryption(secret.encode()) if secret else NoEncryption())


def bundle(key, found: Certificate, secret: str = "", more: Sequence[Certificate] = ()) -> bytes:
    return pkcs12.serialize_key_and_certificates(
        b"ca", key, load_der_x509_certificate(found.der), [load_der_x509_certificate(one.der) for one in more],
        BestAvailableEncryption(secret.encode()) if secret else NoEncryption(),
    )  # fmt: skip


P256, P384, P521 = (ec.generate_private_key(curve) for curve in (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1()))


@pytest.fixture
def read(tmp_path: Path) -> Callable[..., x509.Identity]:
    """Reads the CA of these bytes."""

    def run(key: bytes, beside: bytes | None = None, passphrase: str | None = None) -> x509.Identity:
        (tmp_path / "key").write_bytes(key)
        if beside is not None:
            (tmp_path / "certificate").write_bytes(beside)
        return read_own_ca(tmp_path / "key", tmp_path / "certificate" if beside is not None else None, passphrase, NOW)

    return run


@pytest.mark.parametrize("key", [RSA, P256, P384, P521], ids=["rsa", "p-256", "p-384", "p-521"])
def test_each_form_that_programs_write(read, key) -> None:
    own, traditional = certificate(key), PrivateFormat.TraditionalOpenSSL
    forms: list[tuple[bytes, bytes | None, str | None]] = [
        (private(key), pem(own), None),
        (private(key), own.der, None),
        (private(key, form=traditional), pem(own), None),
        (private(key, Encoding.DER), pem(own), None),
        (private(key, Encoding.DER, traditional), own.der, None),
        (private(key, secret=PASS), pem(own), PASS),
        (private(key, form=traditional, secret=PASS), pem(own), PASS),
        (private(key, Encoding.DER, secret=PASS), own.der, PASS),
        (private(key) + pem(own), None, None),
        (pem(own) + private(key, secret=PASS), None, PASS),
        (bundle(key, own), None, None),
        (bundle(key, own, PASS), None, PASS),
        (bundle(key, own, PASS, [certificate(OTHER)]), None, PASS),
        (private(key), pem(certificate(OTHER)) + pem(own), None),
    ]
    for number, form in enumerate(forms):
        found = read(*form)
        assert found.certificate == own, number
        assert found.key.public_key() == key.public_key(), number
        assert "private" not in repr(found).lower()


LEAF = (x509.basic_constraints_extension(False), x509.key_usage_extension("digitalSignature"))
NO_SIGN = (x509.basic_constraints_extension(True), x509.key_usage_extension("digitalSignature"))
OWN = certificate()
REFUSED = [
    (private(RSA), None, None, "contains no certificate .*--ca-certificate"),
    (private(RSA), pem(certificate(OTHER)), None, "no certificate in .* is for the key in"),
    (private(RSA) + pem(certificate(OTHER)), None, None, "no certificate in"),
    (
        private(RSA),
        pem(certificate(extensions=LEAF)),
        None,
        "CN=Own CA,O=Example AS in .* is not a CA certificate: its basicConstr",
    ),
    (
        private(RSA),
        pem(certificate(extensions=())),
        None,
        "is not a CA certificate: its basicConstraints do not say cA",
    ),
    (
        private(RSA),
        pem(certificate(extensions=NO_SIGN)),
        None,
        "is not a CA certificate: its keyUsage lacks keyCertSign",
    ),
    (private(RSA), pem(certificate(begins=timedelta(days=-9), days=8)), None, "expired at 2026-03-01T12:00:00Z"),
    (private(RSA), pem(certificate(begins=timedelta(days=1))), None, "is not valid before 2026-03-03T12:00:00Z"),
    (private(RSA, secret=PASS), pem(OWN), None, "is encrypted .*--ca-key-passphrase-file"),
    (private(RSA), pem(OWN), PASS, "is not encrypted"),
    (private(RSA, secret=PASS), pem(OWN), "canary-wrong", "the passphrase is wrong, or the file is damaged"),
    (private(RSA, Encoding.DER, secret=PASS), pem(OWN), None, "is encrypted"),
    (bundle(RSA, OWN, PASS), None, None, "needs a passphrase"),
    (bundle(RSA, OWN, PASS), None, "canary-wrong", "the passphrase is wrong"),
    (
        private(RSA)[:-200],
        pem(OWN),
        None,
        "it is not a key, is damaged, or needs a passphrase .*PEM or DER, or a PKCS #12",
    ),
    (b"", pem(OWN), None, "cannot read a private key in"),
    (pem(OWN), pem(OWN), None, "cannot read a private key in"),
    (private(RSA), b"", None, "contains no readable certificate"),
    (private(RSA), pem(OWN)[:200], None, "contains no readable certificate"),
    (private(RSA), private(RSA), None, "contains no readable certificate"),
    (private(ed25519.Ed25519PrivateKey.generate()), pem(OWN), None, "is neither RSA nor EC"),
    (private(dsa.generate_private_key(1024)), pem(OWN), None, "is neither RSA nor EC"),
    (private(ec.generate_private_key(ec.SECP256K1())), pem(OWN), None, "uses the curve secp256k1"),
    (b"0" * (1024 * 1024 + 1), pem(OWN), None, "is larger than 1048576 bytes"),
]


@pytest.mark.parametrize(("key", "beside", "passphrase", "told"), REFUSED)
def test_what_could_not_be_a_ca_is_refused(
    read, key: bytes, beside: bytes | None, passphrase: str | None, told: str
) -> None:
    with pytest.raises(UsageError, match=told) as refused:
        read(key, beside, passphrase)
    assert "canary" not in str(refused.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot read .*nothing: No such file"):
        read_own_ca(tmp_path / "nothing", None, None, NOW)


@pytest.mark.parametrize("ra", ["none", "single", "split"])
def test_it_issues_and_its_certificates_name_it(make_ca, make_client, ra: str) -> None:
    own = x509.Identity(certificate(extensions=(*CA, ODD_ID), days=9), RSA)
    ca = make_ca(vault=Vault(own=own), ra=ra)
    client = make_client(ca)
    assert client.enrol().words == "SUCCESS"
    client.certificate.verify_issued_by(own.certificate)
    assert client.certificate.not_after == own.certificate.not_after
    identifier = client.certificate.extensions[v.AUTHORITY_KEY_IDENTIFIER].value
    assert identifier == der.sequence(der.implicit(0, b"of its own"))
    assert ca.get("/scep?operation=GetCACert").body.count(own.certificate.der) == 1
    assert ca.service.revocations.current(ca.service.authority).was_issued_by(own.certificate)


@pytest.mark.parametrize("key", [P256, P384, P521], ids=["p-256", "p-384", "p-521"])
def test_an_elliptic_one_issues_by_an_ra(make_ca, make_client, key) -> None:
    ca = make_ca(vault=Vault(own=x509.Identity(certificate(key), key)), ra="single")
    client = make_client(ca)
    assert client.enrol().words == "SUCCESS"
    load_der_x509_certificate(client.certificate.der).verify_directly_issued_by(
        load_der_x509_certificate(ca.service.authority.issuer.certificate.der)
    )


def test_it_is_one_ca(make_ca) -> None:
    with pytest.raises(UsageError, match="with --ca-key there can be only one CA"):
        make_ca("{identifiers: [A, B]}", vault=Vault(own=x509.Identity(OWN, RSA)))


def test_a_state_that_began_with_it_goes_on_with_it_and_with_no_other(make_ca, tmp_path: Path) -> None:
    def start(own: x509.Identity | None) -> Certificate:
        with closing(SqliteStore(tmp_path)) as store:
            return make_ca(vault=Vault(store, None, own)).service.authority.issuer.certificate

    own, other = x509.Identity(OWN, RSA), x509.Identity(certificate(OTHER), OTHER)
    assert [start(own), start(own), start(None)] == [OWN] * 3
    with pytest.raises(UsageError, match="has a different CA from --ca-key"):
        start(other)


def test_a_state_of_the_mock_s_own_ca_takes_no_other(make_ca, tmp_path: Path) -> None:
    with closing(SqliteStore(tmp_path)) as store:
        make_ca(vault=Vault(store))
    with closing(SqliteStore(tmp_path)) as store, pytest.raises(UsageError, match="has a different CA from --ca-key"):
        make_ca(vault=Vault(store, None, x509.Identity(OWN, RSA)))
