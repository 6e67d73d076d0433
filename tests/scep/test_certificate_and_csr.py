"""Certificates and requests: ours read by others, others' odd ones read by us."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
from asn1crypto import csr as asn1_csr
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.asymmetric import padding

from mfp_sim.shared.errors import DecodeError, SignatureInvalid
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import csr, der, messages
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.simtime import Entropy, PooledKeys

UTC = timezone.utc
OpenSsl = Callable[..., bytes]


def _odd_certificate(keys: PooledKeys, *, version: int | None, serial: int, after: bytes) -> bytes:
    """A certificate as certmonger makes them: no extensions, a long serial, GeneralizedTime."""
    key = keys.rsa(2048)
    subject = x509.name(("CN", "odd"))
    algorithm = x509.algorithm(v.RSA_SIGNATURE_OIDS["sha256"], der.null())
    tbs = der.sequence(
        *([] if version is None else [der.explicit(0, der.integer(version))]),
        der.integer(serial),
        algorithm,
        subject,
        der.sequence(der.generalized_time(datetime(2026, 1, 1, tzinfo=UTC)), after),
        subject,
        x509.spki_of(key),
    )
    return der.sequence(tbs, algorithm, der.bit_string(key.sign(tbs, padding.PKCS1v15(), x509.HASHES["sha256"]())))


def _issued(authority, **changes) -> Certificate:
    """A certificate with an extension that occurs twice, and with changes."""
    usage = x509.key_usage_extension("digitalSignature")
    fields = {
        "serial": 7,
        "issuer": authority.certificate.subject,
        "subject": x509.name(("CN", "leaf")),
        "spki": authority.certificate.spki,
        "not_before": authority.certificate.not_before,
        "not_after": authority.certificate.not_after,
        "extensions": [usage, x509.basic_constraints_extension(False), (v.KEY_USAGE, False, usage[2])],
        "signing_key": authority.key,
    }
    return x509.issue(**{**fields, **changes})


def test_openssl_accepts_our_certificate_and_says_what_we_say(authority, openssl: OpenSsl) -> None:
    text = openssl("x509", "-inform", "DER", "-noout", "-text", "-nameopt", "RFC2253", stdin=authority.certificate.der)
    assert f"Subject: {authority.certificate.subject_text}".encode() in text
    assert b"CA:TRUE" in text
    assert b"Digital Signature, Key Encipherment" in text
    fingerprint = openssl(
        "x509", "-inform", "DER", "-noout", "-fingerprint", "-sha256", stdin=authority.certificate.der
    )
    assert (
        fingerprint.decode().partition("=")[2].strip().replace(":", "").lower() == authority.certificate.fingerprint()
    )


def test_asn1crypto_and_we_take_the_same_certificate_apart(authority) -> None:
    ours, oracle = authority.certificate, asn1_x509.Certificate.load(authority.certificate.der)
    assert oracle.dump(force=True) == ours.der
    assert ours.serial == oracle.serial_number
    assert ours.subject == oracle.subject.dump()
    assert ours.spki == oracle.public_key.dump()
    assert (ours.not_before, ours.not_after) == (oracle.not_valid_before, oracle.not_valid_after)
    assert {"digital_signature", "key_encipherment"} == oracle.key_usage_value.native
    assert ours.key_usage == {"digitalSignature", "keyEncipherment"}


def test_a_version_1_certificate_with_a_serial_of_33_octets_is_read_and_verifies(keys: PooledKeys) -> None:
    serial = int.from_bytes(b"\x7f" + bytes(range(32)), "big")
    octets = _odd_certificate(
        keys, version=None, serial=serial, after=der.generalized_time(datetime(2126, 1, 1, tzinfo=UTC))
    )
    found = Certificate.from_der(octets)
    assert (found.version, found.serial, found.extensions, found.key_usage) == (1, serial, {}, None)
    assert found.not_after == datetime(2126, 1, 1, tzinfo=UTC)
    found.verify_issued_by(found)


def test_a_negative_serial_is_read_as_what_it_is(keys: PooledKeys) -> None:
    octets = _odd_certificate(keys, version=2, serial=-5, after=der.time(datetime(2030, 1, 1, tzinfo=UTC)))
    assert Certificate.from_der(octets).serial == -5


@pytest.mark.parametrize(
    ("changes", "oddities"),
    [
        ({}, ()),
        ({"extensions": ()}, ()),
        ({"serial": -(2**160)}, ("a serial number of 21 bytes", "a serial number that is not positive")),
        ({"not_before": datetime(1949, 12, 31, tzinfo=UTC)}, ("GeneralizedTime before 2050",)),
        ({"not_after": datetime(2050, 1, 1, tzinfo=UTC)}, ()),
        ({"not_after": datetime(2030, 6, 1, 12, 30, 5, 999999, timezone(timedelta(hours=2)))}, ()),
        ({"digest": "sha512"}, ()),
        ({"signing_key": PooledKeys(Entropy(3)).ec(256)}, ()),
    ],
)
def test_an_issued_certificate_is_what_its_octets_say(monkeypatch, authority, changes, oddities) -> None:
    monkeypatch.setattr(x509, "_READ", {})
    issued = _issued(authority, **changes)
    ((kept, elements),) = x509._READ.values()
    assert kept is issued
    x509._READ.clear()
    found = Certificate.from_der(issued.der)
    assert found is not issued
    assert found == issued
    assert list(found.extensions.items()) == list(issued.extensions.items())
    assert x509._READ[issued.der] == (found, elements)
    assert issued.oddities == oddities


def test_an_issued_certificate_with_a_name_in_ber_is_read_again(monkeypatch, authority) -> None:
    name = x509.name(("CN", "leaf"))
    monkeypatch.setattr(x509, "_READ", {})
    issued = _issued(authority, subject=b"\x30\x81" + name[1:])
    assert x509._READ == {}
    assert Certificate.from_der(issued.der) == issued


@pytest.mark.parametrize(
    ("part", "octets", "path"),
    [
        ("issuer", b"\x31\x00", "certificate.issuer at byte 0: expected SEQUENCE, got SET"),
        ("subject", b"", "certificate.subject at byte 0: expected tag and length, got 0 bytes"),
        ("spki", b"\x30\x01", "certificate.subjectPublicKeyInfo at byte 0: expected 1 bytes of content, got 0 bytes"),
    ],
)
def test_a_certificate_that_could_not_be_read_is_not_issued(authority, part: str, octets: bytes, path: str) -> None:
    with pytest.raises(DecodeError) as caught:
        _issued(authority, **{part: octets})
    assert str(caught.value) == path


def test_a_changed_certificate_does_not_verify(authority) -> None:
    octets = bytearray(authority.certificate.der)
    octets[octets.index(b"Example CA")] ^= 1
    with pytest.raises(SignatureInvalid, match="does not verify"):
        x509.verify_signature(
            authority.certificate.public_key(),
            authority.certificate.signature,
            Certificate.from_der(bytes(octets)).tbs,
            "sha256",
            "the certificate",
        )


def test_a_certificate_cut_at_any_octet_is_refused_with_a_place(authority) -> None:
    whole = authority.certificate.der
    for length in range(len(whole)):
        with pytest.raises(DecodeError) as caught:
            Certificate.from_der(whole[:length])
        assert caught.value.path.startswith("certificate")


@pytest.mark.parametrize(
    ("first", "second", "same"),
    [
        (der.printable_string("Example"), der.utf8_string("EXAMPLE"), True),
        (der.printable_string("Ex  ample"), der.utf8_string(" Ex ample"), True),
        (der.printable_string("Example"), der.utf8_string("Example2"), False),
    ],
)
def test_names_are_compared_without_string_type_case_and_blanks(first: bytes, second: bytes, same: bool) -> None:
    def named(value: bytes) -> bytes:
        return der.sequence(der.set_of([der.sequence(der.oid("2.5.4.3"), value)]))

    assert x509.same_name(named(first), named(second)) is same


def test_openssl_verifies_our_request_and_reads_what_is_in_it(client, openssl: OpenSsl) -> None:
    request = csr.build(
        client.key,
        subject=x509.name(("C", "NO"), ("O", "Æble, AS"), ("CN", "printer-1.example")),
        challenge="s3cret",
        sans=["printer-1.example", "192.0.2.10", "2001:db8::1"],
    )
    text = openssl(
        "req", "-inform", "DER", "-verify", "-noout", "-text", "-nameopt", "RFC2253,-esc_msb,utf8", stdin=request
    )
    assert "Subject: CN=printer-1.example,O=Æble\\, AS,C=NO".encode() in text
    assert b"DNS:printer-1.example, IP Address:192.0.2.10, IP Address:2001:DB8:0:0:0:0:0:1" in text
    found = csr.Csr.from_der(request)
    found.verify()
    assert (found.challenge, found.notes) == ("s3cret", ())
    assert found.sans == ("printer-1.example", "192.0.2.10", "2001:db8::1")
    assert "s3cret" not in repr(found)
    oracle = asn1_csr.CertificationRequest.load(request)
    assert oracle.dump(force=True) == request
    assert {a["type"].native for a in oracle["certification_request_info"]["attributes"]} == {
        "challenge_password",
        "extension_request",
    }


def _csr_with(client, *attributes: bytes, sort: bool) -> bytes:
    parts = sorted(attributes) if sort else sorted(attributes, reverse=True)
    info = der.sequence(
        der.integer(0),
        x509.name(("CN", "x")),
        x509.spki_of(client.key),
        der.implicit(0, b"".join(parts), constructed=True),
    )
    signature = client.key.sign(info, padding.PKCS1v15(), x509.HASHES["sha256"]())
    return der.sequence(info, x509.algorithm(v.RSA_SIGNATURE_OIDS["sha256"], der.null()), der.bit_string(signature))


def _challenge(value: bytes) -> bytes:
    return der.sequence(der.oid(v.CHALLENGE_PASSWORD), der.set_of([value]))


def test_unsorted_attributes_are_read_verified_over_what_came_and_noted(client) -> None:
    friendly = der.sequence(
        der.oid("1.2.840.113549.1.9.20"), der.set_of([der.tlv(der.BMP_STRING, "navn".encode("utf-16-be"))])
    )
    found = csr.Csr.from_der(_csr_with(client, _challenge(der.utf8_string("s3cret")), friendly, sort=False))
    found.verify()
    assert found.challenge == "s3cret"
    assert [str(note) for note in found.notes] == [
        "SCEP-3.3.1-10 csr.certificationRequestInfo.attributes: not in DER order"
    ]


@pytest.mark.parametrize(
    "value",
    [
        der.printable_string("p4ss"),
        der.utf8_string("p4ss"),
        der.ia5_string("p4ss"),
        der.tlv(der.T61_STRING, b"p4ss"),
        der.tlv(der.BMP_STRING, "p4ss".encode("utf-16-be")),
        der.octet_string(b"p4ss"),
    ],
)
def test_a_challenge_is_read_in_every_string_type(client, value: bytes) -> None:
    assert csr.Csr.from_der(_csr_with(client, _challenge(value), sort=True)).challenge == "p4ss"


def test_two_challenges_are_refused(client) -> None:
    twice = _csr_with(client, _challenge(der.printable_string("a")), _challenge(der.printable_string("b")), sort=True)
    with pytest.raises(DecodeError, match="expected one challengePassword, got two"):
        csr.Csr.from_der(twice)


def test_a_request_signed_by_another_key_does_not_verify(client, authority) -> None:
    good = csr.Csr.from_der(csr.build(client.key, subject=x509.name(("CN", "x"))))
    other = csr.Csr.from_der(csr.build(authority.key, subject=x509.name(("CN", "x"))))
    swapped = der.sequence(
        good.info, x509.algorithm(v.RSA_SIGNATURE_OIDS["sha256"], der.null()), der.bit_string(other.signature)
    )
    with pytest.raises(SignatureInvalid, match="the signature of the CSR does not verify"):
        csr.Csr.from_der(swapped).verify()


def test_a_request_made_by_openssl_is_read(tmp_path: Path, client, openssl: OpenSsl) -> None:
    key, _ = client.pem_files(tmp_path, "client")
    config = tmp_path / "req.cnf"
    config.write_text(
        "[req]\ndistinguished_name=dn\nattributes=att\nreq_extensions=ext\nprompt=no\nstring_mask=utf8only\n"
        "[dn]\nCN=printer-9.example\n[att]\nchallengePassword=s3cret\n[ext]\nsubjectAltName=DNS:printer-9.example\n"
    )
    request = openssl("req", "-new", "-key", key, "-config", str(config), "-outform", "DER", "-sha384")
    found = csr.Csr.from_der(request)
    found.verify()
    assert (found.subject_text, found.challenge, found.sans) == (
        "CN=printer-9.example",
        "s3cret",
        ("printer-9.example",),
    )
    assert found.signature_digest == "sha384"
    assert csr.fits_key(
        x509.self_signed(
            client.key,
            subject=found.subject,
            serial=1,
            not_before=datetime(2026, 1, 1, tzinfo=UTC),
            not_after=datetime(2027, 1, 1, tzinfo=UTC),
        ),
        client.key,
    )


def test_a_key_identifier_is_the_digest_of_the_keys_bits(authority) -> None:
    oracle = asn1_x509.Certificate.load(authority.certificate.der).public_key
    assert x509.key_identifier(authority.certificate.spki) == oracle.sha1


def test_who_issued_a_certificate_is_a_question_of_names_and_of_the_signature(keys, authority, client) -> None:
    def issued(signed_by, **changes) -> Certificate:
        fields = {
            "serial": 7,
            "issuer": authority.certificate.subject,
            "subject": client.certificate.subject,
            "spki": client.certificate.spki,
            "not_before": authority.certificate.not_before,
            "not_after": authority.certificate.not_after,
            "extensions": (),
            "signing_key": signed_by,
        }
        return x509.issue(**{**fields, **changes})

    right = issued(authority.key)
    assert right.was_issued_by(authority.certificate)
    assert not right.was_issued_by(client.certificate)  # another name
    assert not issued(client.key).was_issued_by(authority.certificate)  # another key
    assert not issued(authority.key, digest="md5", md5=True).was_issued_by(authority.certificate)
    assert not right.was_issued_by(replace(authority.certificate, spki=b"\x30\x00"))  # a key that cannot be read
    assert not replace(right, signature_oid="1.2.3").was_issued_by(authority.certificate)


@pytest.mark.parametrize("known", [0, 1, 100, 250])
def test_how_many_certificates_a_reply_may_hold_does_not_depend_on_those_read_before(keys, known: int) -> None:
    key, dates = keys.ec(256), (datetime(2026, 1, 1, tzinfo=UTC), datetime(2036, 1, 1, tzinfo=UTC))
    made = [
        x509.self_signed(key, subject=x509.name(("CN", f"{n}")), serial=n, not_before=dates[0], not_after=dates[1])
        for n in range(1, 500)
    ]
    version_1 = _odd_certificate(keys, version=None, serial=1, after=der.time(dates[1]))
    bags = [version_1, *(certificate.der for certificate in made)]
    found = []
    for count in (476, 477):
        for _ in range(2):
            for octets in bags[:known]:
                Certificate.from_der(octets)
            try:
                found.append(f"{len(messages.read_ca_certificates(messages.certs_only(bags[:count]), None)[0])} read")
            except DecodeError as error:
                found.append(f"{error.path}: expected {error.expected}")
    refused = "certificates[475].tbsCertificate.extensions.list[0][2]: expected at most 10000 elements"
    assert found == ["476 read", "476 read", refused, refused]
