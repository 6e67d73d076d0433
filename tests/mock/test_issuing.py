"""What is issued and what never is: extensions, serials, validity, keys, names that are taken, times."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import csr as csrs
from mfp_sim.shared.scep import der, messages
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.algorithms import sign, signature_algorithm
from mfp_sim.shared.scep.vocabulary import MessageType
from mfp_sim.shared.simtime import Entropy
from mock_scep_server.ca import SerialNumbers

ANY, CODE, OCSP, SERVER, CLIENT = (
    "2.5.29.37.0", "1.3.6.1.5.5.7.3.3", "1.3.6.1.5.5.7.3.9", "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2",
)  # fmt: skip


def _purposes(*oids: str) -> tuple[str, bool, bytes]:
    return v.EXTENDED_KEY_USAGE, False, der.sequence(*(der.oid(oid) for oid in oids))


def _csr(client, extensions, subject: bytes | None = None) -> bytes:
    """A CSR with any extensions, and the challenge."""
    challenge = der.sequence(der.oid(v.CHALLENGE_PASSWORD), der.set_of([der.printable_string("s3cret")]))
    asked = der.sequence(der.oid(v.EXTENSION_REQUEST), der.set_of([x509.encode_extensions(extensions)]))
    info = der.sequence(
        der.integer(0),
        client.subject if subject is None else subject,
        x509.spki_of(client.key),
        der.implicit(0, b"".join(sorted([challenge, asked])), constructed=True),
    )
    return der.sequence(
        info, signature_algorithm(client.key, "sha256"), der.bit_string(sign(client.key, info, "sha256"))
    )


POWERS = [
    ("CA:true", x509.basic_constraints_extension(True)),
    ("keyCertSign", x509.key_usage_extension("digitalSignature", "keyCertSign")),
    ("cRLSign", x509.key_usage_extension("cRLSign")),
    ("anyExtendedKeyUsage", _purposes(ANY)),
    ("codeSigning", _purposes(CODE, CLIENT)),
    ("OCSPSigning", _purposes(OCSP)),
    ("extension certificatePolicies", ("2.5.29.32", True, der.sequence())),
]


@pytest.mark.parametrize(("what", "extension"), POWERS, ids=[what for what, _ in POWERS])
def test_power_is_never_granted_and_the_journal_says_what_was_asked(make_ca, make_client, what, extension) -> None:
    ca = make_ca()
    client = make_client(ca)
    assert client.keep(client.send(MessageType.PKCS_REQ, _csr(client, [extension]))).words == "SUCCESS"
    got = client.certificate
    assert not got.is_ca
    assert not {"keyCertSign", "cRLSign"} & got.key_usage
    assert not any(oid in str(got.extensions.get(v.EXTENDED_KEY_USAGE)) for oid in (ANY, CODE, OCSP))
    granted = got.extensions.get(v.EXTENDED_KEY_USAGE)
    purposes = [] if granted is None else [entry.to_oid() for entry in der.read(granted.value, "eku").children]
    assert purposes == ([CLIENT] if what == "codeSigning" else [])
    assert "2.5.29.32" not in got.extensions
    assert f"not granted: {what}" in ca.service.journal.entries[-1].notes

    strict = make_ca("{extensions: refuse}")
    other = make_client(strict)
    assert other.send(MessageType.PKCS_REQ, _csr(other, [extension])).words == f"badRequest: not granted: {what}"
    assert strict.minted == 0


def test_harmless_wishes_are_granted_as_they_are(make_ca, make_client) -> None:
    ca = make_ca("{extensions: refuse}")
    client = make_client(ca)
    names = (v.SUBJECT_ALT_NAME, False, der.sequence(der.implicit(2, b"a.example"), der.implicit(6, b"urn:mfp:1")))
    wished = [names, x509.key_usage_extension("digitalSignature", "keyAgreement"), _purposes(SERVER, CLIENT)]
    assert client.keep(client.send(MessageType.PKCS_REQ, _csr(client, wished))).words == "SUCCESS"
    assert client.certificate.extensions[v.SUBJECT_ALT_NAME].value == names[2]
    assert client.certificate.key_usage == {"digitalSignature", "keyAgreement"}
    assert client.certificate.extensions[v.EXTENDED_KEY_USAGE].value == wished[2][2]


def test_an_empty_subject_makes_the_names_critical(make_ca, make_client) -> None:
    client = make_client(make_ca())
    names = (v.SUBJECT_ALT_NAME, False, der.sequence(der.implicit(2, b"a.example")))
    client.keep(client.send(MessageType.PKCS_REQ, _csr(client, [names], der.sequence())))
    assert client.certificate.extensions[v.SUBJECT_ALT_NAME].critical


def test_no_serial_is_given_twice_whoever_asks_at_once() -> None:
    for rule in ("random", "sequential"):
        serials = SerialNumbers(Entropy(3), rule)
        with ThreadPoolExecutor(16) as pool:
            given = list(pool.map(lambda _: serials.next(), range(4000)))  # noqa: B023
        assert len(set(given)) == 4000
        assert all(0 < serial < 1 << 159 for serial in given)


def test_a_stream_that_repeats_itself_makes_no_serial_twice() -> None:
    class Stuck(Entropy):
        drawn = 0

        def octets(self, count: int) -> bytes:
            self.drawn += 1
            return (b"\x01" * count) if self.drawn < 5 else bytes((self.drawn,)) * count

    serials = SerialNumbers(Stuck(1))
    assert len({serials.next() for _ in range(4)}) == 4


def test_nothing_outlives_its_issuer(make_ca, make_client) -> None:
    ca = make_ca("{validity: 365d, lifetime: 400d}")
    client = make_client(ca)
    client.enrol()
    issuer = ca.service.authority.issuer.certificate
    assert client.certificate.not_after - ca.clock.now() == timedelta(days=365)
    ca.pass_time(days=100)
    late = client.renewed()
    late.enrol(None, kind=MessageType.RENEWAL_REQ)
    assert late.certificate.not_after == issuer.not_after
    assert late.certificate.not_before >= issuer.not_before


@pytest.mark.parametrize("key", ["ec-256", "ec-384", "rsa-4096"])
@pytest.mark.parametrize("ra", ["single", "split"])
def test_other_keys_of_the_ca_with_an_rsa_ra(make_ca, make_client, key: str, ra: str) -> None:
    ca = make_ca(f"{{key: {key}}}", ra=ra)
    client = make_client(ca)
    assert client.enrol().words == "SUCCESS"
    public = ca.service.authority.issuer.certificate.public_key()
    assert isinstance(public, EllipticCurvePublicKey) == key.startswith("ec")
    assert public.key_size == int(key.partition("-")[2])
    client.certificate.verify_issued_by(ca.service.authority.issuer.certificate)
    asked = messages.issuer_and_serial(client.certificate.issuer, client.certificate.serial)
    (crl,) = messages.read_crls(client.open(client.send(MessageType.GET_CRL, asked)))
    crl.verify_issued_by(ca.service.authority.issuer.certificate)


def test_an_elliptic_ca_without_an_ra_has_nobody_to_envelop_to(make_ca, make_client) -> None:
    ca, other = make_ca("{key: ec-256}"), make_ca()
    assert "keyEncipherment" not in ca.service.authority.issuer.certificate.key_usage
    client = make_client(ca)
    reply = client.enrol(recipient=other.service.authority.recipient.certificate)
    assert reply.words == "badMessageCheck: the envelope has no RecipientInfo for our certificate"


def test_an_elliptic_signer_is_refused_before_anything_is_minted(make_ca, make_client) -> None:
    ca = make_ca()
    client = make_client(ca)
    client.signer_key = client.keys.ec(256)
    now = ca.clock.now()
    client.signer = x509.issue(
        serial=9, issuer=client.subject, subject=client.subject, spki=x509.spki_of(client.signer_key),
        not_before=now, not_after=now + timedelta(days=1), extensions=[], signing_key=client.signer_key,
    )  # fmt: skip
    assert client.enrol().words == "badAlg: the reply cannot be enveloped to an elliptic key"
    assert ca.minted == 0


def test_an_elliptic_key_may_be_certified(make_ca, make_client) -> None:
    client = make_client(make_ca())
    key = client.keys.ec(256)
    csr = csrs.build(key, subject=client.subject, challenge="s3cret")
    assert client.keep(client.send(MessageType.PKCS_REQ, csr)).words == "SUCCESS"
    assert client.certificate.spki == x509.spki_of(key)
    assert client.certificate.key_usage == {"digitalSignature"}


def test_a_short_key_is_refused(make_ca, make_client) -> None:
    ca = make_ca("{minimum_rsa: 2048}")
    client = make_client(ca)
    short = csrs.build(client.keys.rsa(1024), subject=client.subject, challenge="s3cret")
    assert (
        client.send(MessageType.PKCS_REQ, short).words == "badAlg: an RSA key of 1024 bits; at least 2048 are required"
    )
    assert ca.minted == 0


def test_a_name_that_is_taken(make_ca, make_client) -> None:
    ca = make_ca("{duplicate_subject: {before_expiry: 14d}, validity: 100d}")
    first, second = make_client(ca), make_client(ca, "PRINTER-1.example", 1)
    first.enrol()
    assert second.enrol().words == "badRequest: CN=printer-1.example already has a certificate"
    assert first.renewed().enrol(None, kind=MessageType.RENEWAL_REQ).words == "SUCCESS"
    ca.service.operator.revoke("*")
    assert second.enrol().words == "SUCCESS"
    third = make_client(ca, "printer-1.example", 2)
    ca.clock.move_to(second.certificate.not_after - timedelta(days=14, seconds=1))
    assert third.enrol().words.endswith("already has a certificate")
    ca.pass_time(seconds=1)
    assert third.enrol().words == "SUCCESS"


@pytest.mark.parametrize(("off", "words"), [(300, "SUCCESS"), (-300, "SUCCESS"), (301, None), (-301, None)])
def test_a_signing_time_out_of_the_window_is_bad_time(make_ca, make_client, off: int, words: str | None) -> None:
    ca = make_ca("{time_window: 5m}")
    client = make_client(ca)
    reply = client.enrol(signing_time=ca.clock.now() + timedelta(seconds=off))
    assert reply.words == (words or "badTime: signingTime is off by 301 s, 300 s are allowed")
    assert make_client(make_ca("{time_window: 5m}")).enrol().words == "SUCCESS"  # none is fine
