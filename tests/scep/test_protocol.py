"""The rest of RFC 8894: renewal, GetCert, GetCRL, GetNextCACert, CRLs, EC signers, password recipients."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import cms as asn1_cms
from asn1crypto import crl as asn1_crl
from cryptography.hazmat.primitives.asymmetric import ec

from mfp_sim.shared.errors import AlgorithmRefused, DecodeError, EnvelopeUnreadable, SignatureInvalid
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import cms, crl, csr, der, messages
from mfp_sim.shared.scep.algorithms import KeyTransport
from mfp_sim.shared.scep.messages import CertRep, Oddities, RequestContent
from mfp_sim.shared.scep.vocabulary import MessageType, PkiStatus

OpenSsl = Callable[..., bytes]
Octets = Callable[[int], bytes]
UTC = timezone.utc
NOW, THEN = datetime(2026, 3, 2, tzinfo=UTC), datetime(2027, 3, 2, tzinfo=UTC)
REVOKED = (crl.Revoked(0x80FF01, NOW, "keyCompromise"), crl.Revoked(7, NOW))


@pytest.fixture
def ask(client, authority, octets: Octets) -> Callable[..., messages.PkiMessage]:
    def make(kind: MessageType, data: bytes, **fields: object) -> messages.PkiMessage:
        request = RequestContent(kind, "t-1", bytes(16), data, authority.certificate)
        return messages.decode(
            messages.encode_request(
                replace(request, **fields),  # type: ignore[arg-type]
                signer_key=client.key,
                signer_certificate=client.certificate,
                octets=octets,
            )
        )

    return make


@pytest.mark.parametrize("kind", [MessageType.RENEWAL_REQ, MessageType.PKCS_REQ])
def test_a_renewal_is_signed_by_the_old_key_and_asks_for_the_new_one(kind, ask, client, authority, keys) -> None:
    new = keys.rsa(2048)
    message = ask(kind, csr.build(new, subject=client.certificate.subject), chain=(authority.certificate,))
    message.verify(client.certificate)
    found = csr.Csr.from_der(messages.open_envelope(message, authority.key, authority.certificate))
    found.verify()
    assert (message.message_type, message.signer(), found.challenge) == (kind, client.certificate, None)
    assert found.public_key() == new.public_key()
    assert message.certificates == (client.certificate, authority.certificate)


@pytest.mark.parametrize("kind", [MessageType.GET_CERT, MessageType.GET_CRL])
def test_issuer_and_serial_number_come_back(kind: MessageType, ask, authority) -> None:
    serial = int.from_bytes(b"\xff" * 20, "big")
    asked = messages.issuer_and_serial(authority.certificate.subject, serial)
    oracle = asn1_cms.IssuerAndSerialNumber.load(asked)
    assert (oracle["issuer"].dump(), oracle["serial_number"].native) == (authority.certificate.subject, serial)
    data = messages.open_envelope(ask(kind, asked), authority.key, authority.certificate)
    assert messages.read_issuer_and_serial(data) == (authority.certificate.subject, serial)


def test_what_is_no_issuer_and_serial_number_is_refused(authority) -> None:
    with pytest.raises(DecodeError, match=r"issuerAndSerialNumber\.serialNumber .*: expected INTEGER, got SEQUENCE"):
        messages.read_issuer_and_serial(
            messages.issuer_and_subject(authority.certificate.subject, authority.certificate.subject)
        )


# --- CRLs -------------------------------------------------------------------------------------------------


def _crl(authority, **fields: object) -> crl.Crl:
    given = {"this_update": NOW, "next_update": THEN, "revoked": REVOKED, "number": 12} | fields
    return crl.issue(issuer=authority.certificate, signing_key=authority.key, **given)  # type: ignore[arg-type]


def test_openssl_and_asn1crypto_read_our_crl_as_we_do(authority, openssl: OpenSsl, tmp_path: Path) -> None:
    made = _crl(authority)
    _, ca = authority.pem_files(tmp_path, "ca")
    text = openssl("crl", "-inform", "DER", "-noout", "-text", "-CAfile", ca, stdin=made.der).decode()
    assert "Serial Number: 80FF01" in text
    assert "Key Compromise" in text
    oracle = asn1_crl.CertificateList.load(made.der)
    assert oracle.dump(force=True) == made.der
    assert oracle.crl_number_value.native == made.number == 12
    assert [entry["user_certificate"].native for entry in oracle["tbs_cert_list"]["revoked_certificates"]] == [
        0x80FF01,
        7,
    ]
    made.verify_issued_by(authority.certificate)
    assert (made.revoked, made.this_update, made.next_update) == (REVOKED, NOW, THEN)
    assert (made.entry(7), made.entry(8)) == (REVOKED[1], None)


def test_a_crl_made_by_openssl_is_read(authority, openssl: OpenSsl, tmp_path: Path) -> None:
    key, ca = authority.pem_files(tmp_path, "ca")
    (tmp_path / "index.txt").write_text("R\t360101000000Z\t260201000000Z,superseded\t1F\tunknown\t/CN=x\n")
    (tmp_path / "number").write_text("05\n")
    config = tmp_path / "ca.cnf"
    config.write_text(
        f"[ca]\ndefault_ca=d\n[d]\ndatabase={tmp_path}/index.txt\ncrlnumber={tmp_path}/number\ndefault_md=sha384\ndefault_crl_days=3\n"
    )
    pem = openssl("ca", "-gencrl", "-config", str(config), "-keyfile", key, "-cert", ca)
    found = crl.Crl.from_der(openssl("crl", "-outform", "DER", stdin=pem))
    found.verify_issued_by(authority.certificate)
    assert found.revoked == (crl.Revoked(0x1F, datetime(2026, 2, 1, tzinfo=UTC), "superseded"),)
    assert (found.version, found.number) == (2, 5)


def test_an_empty_crl_and_one_without_next_update_come_back(authority) -> None:
    assert _crl(authority, revoked=()).revoked == ()
    assert _crl(authority, next_update=None, number=None).next_update is None


def test_a_crl_of_another_or_a_changed_one_is_not_believed(authority, client) -> None:
    with pytest.raises(SignatureInvalid, match=r"the CRL's issuer is CN=Example CA"):
        _crl(authority).verify_issued_by(client.certificate)
    made = _crl(authority)
    with pytest.raises(SignatureInvalid, match="the signature of the CRL does not verify"):
        crl.Crl.from_der(made.der[:-1] + bytes((made.der[-1] ^ 1,))).verify_issued_by(authority.certificate)


def test_a_crl_cut_at_any_octet_is_refused(authority) -> None:
    whole = _crl(authority).der
    for length in range(len(whole)):
        with pytest.raises(DecodeError):
            crl.Crl.from_der(whole[:length])


def test_a_reply_to_getcrl_carries_a_crl_and_no_certificates(authority, client, octets: Octets) -> None:
    made = _crl(authority)
    reply = CertRep(PkiStatus.SUCCESS, "t", bytes(16), bytes(16), crls=(made.der,), recipient=client.certificate)
    octets_ = messages.encode_cert_rep(
        reply, signer_key=authority.key, signer_certificate=authority.certificate, octets=octets
    )
    data = messages.open_envelope(messages.decode(octets_), client.key, client.certificate)
    oracle = asn1_cms.ContentInfo.load(data)["content"]
    assert (oracle["certificates"].native, len(oracle["crls"])) == (None, 1)
    assert messages.read_crls(data) == (made,)
    assert messages.read_certs_only(data) == ()


# --- GetNextCACert ----------------------------------------------------------------------------------------

NEXT = "application/x-x509-next-ca-cert"


def _next(authority, client, **fields: object) -> bytes:
    return messages.encode_next_ca(
        [client.certificate.der],
        signer_key=authority.key,
        signer_certificate=authority.certificate,
        **fields,  # type: ignore[arg-type]
    )


def test_the_next_ca_certificate_stands_in_a_signed_data_of_its_own(authority, client, openssl: OpenSsl) -> None:
    body = _next(authority, client)
    found = messages.read_next_ca(body, NEXT)
    found.verify(found.signer([client.certificate, authority.certificate]))
    assert (found.certificates, found.notes) == ((client.certificate,), ())
    inner = openssl("cms", "-verify", "-noverify", "-inform", "DER", "-binary", stdin=body)
    listed = openssl("pkcs7", "-inform", "DER", "-print_certs", stdin=inner)
    assert b"printer-1.example" in listed


def test_the_flat_form_of_jscep_is_read_and_noted(authority, client) -> None:
    found = messages.read_next_ca(_next(authority, client, flat=True), NEXT)
    found.verify(authority.certificate)
    assert found.certificates == (client.certificate,)
    assert [note.requirement for note in found.notes] == ["SCEP-4.7.1-04"]


def test_a_next_ca_reply_by_a_stranger_unsigned_or_changed_is_not_believed(authority, client) -> None:
    found = messages.read_next_ca(_next(authority, client), "text/plain")
    assert [note.requirement for note in found.notes] == ["SCEP-4.7.1-03"]
    assert found.signer([client.certificate]) is None
    with pytest.raises(SignatureInvalid, match="the signature of the message does not verify"):
        found.verify(client.certificate)
    with pytest.raises(DecodeError, match="expected exactly one SignerInfo, got 0"):
        messages.read_next_ca(messages.certs_only([client.certificate.der]))
    with pytest.raises(DecodeError, match="an empty body"):
        messages.read_next_ca(b"")
    with pytest.raises(DecodeError, match="at least one new certificate"):
        messages.read_next_ca(_next(authority, client, oddities=Oddities(content=messages.certs_only([]))))


# --- keys that cannot encrypt -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ec_client():
    key = ec.derive_private_key(0x1234567, ec.SECP256R1())
    subject = x509.name(("CN", "ec.example"))
    return key, x509.self_signed(key, subject=subject, serial=3, not_before=NOW, not_after=THEN)


@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha384", "sha512"])
def test_an_ec_key_signs_request_certificate_and_csr(
    digest: str, ec_client, authority, octets: Octets, openssl: OpenSsl
) -> None:
    key, certificate = ec_client
    certificate.verify_issued_by(certificate)
    data = csr.build(key, subject=certificate.subject, challenge="s3cret", digest=digest)
    csr.Csr.from_der(data).verify()
    assert b"Certificate request self-signature verify OK" in _stderr_of(openssl, data)
    request = RequestContent(MessageType.PKCS_REQ, "t", bytes(16), data, authority.certificate, digest=digest)
    octets_ = messages.encode_request(request, signer_key=key, signer_certificate=certificate, octets=octets)
    openssl("cms", "-verify", "-noverify", "-inform", "DER", "-binary", stdin=octets_)
    message = messages.decode(octets_)
    message.verify(certificate)
    assert message.notes == ()
    assert csr.fits_key(certificate, key)
    assert not csr.fits_key(certificate, authority.key)


def _stderr_of(openssl: OpenSsl, request: bytes) -> bytes:
    import subprocess

    done = subprocess.run(
        ["openssl", "req", "-inform", "DER", "-verify", "-noout"], input=request, capture_output=True, check=True
    )
    return done.stdout + done.stderr


def test_a_recipient_with_an_ec_key_is_refused_by_name(ec_client, octets: Octets) -> None:
    with pytest.raises(AlgorithmRefused, match="expected a recipient with an RSA key"):
        cms.encode_envelope(b"x", recipient=ec_client[1], cipher="aes-128-cbc", octets=octets)


@pytest.mark.parametrize("cipher", ["aes-128-cbc", "aes-256-cbc", "des-ede3-cbc"])
def test_openssl_opens_our_password_recipient_and_we_its(
    cipher: str, octets: Octets, openssl: OpenSsl, tmp_path: Path
) -> None:
    ours = cms.encode_envelope(
        b"content", recipient=None, cipher=cipher, octets=octets, oddities=Oddities(password="s3cret")
    )
    assert openssl("cms", "-decrypt", "-inform", "DER", "-binary", "-pwri_password", "s3cret", stdin=ours) == b"content"
    its = openssl(
        "cms", "-encrypt", "-binary", "-outform", "DER", f"-{cipher}", "-pwri_password", "s3cret", stdin=b"content"
    )
    for made in (ours, its):
        envelope = cms.read_envelope(made)
        assert cms.open_envelope(envelope, password="s3cret") == b"content"
        assert "SCEP-3.1-04" in [note.requirement for note in envelope.notes]
        with pytest.raises(EnvelopeUnreadable, match="cannot be decrypted"):
            cms.open_envelope(envelope, password="other")
        with pytest.raises(EnvelopeUnreadable, match="no RecipientInfo"):
            cms.open_envelope(envelope)
    assert "s3cret" not in repr(Oddities(password="s3cret"))


def test_a_password_recipient_that_would_keep_us_busy_is_refused(octets: Octets) -> None:
    made = cms.encode_envelope(
        b"x", recipient=None, cipher="aes-128-cbc", octets=octets, oddities=Oddities(password="p")
    )
    slow = made.replace(der.integer(2048), b"\x02\x02\x7f\xff")
    assert cms.read_envelope(slow).password_recipients[0].iterations == 0x7FFF
    with pytest.raises(DecodeError, match="expected from 1 to 100000 iterations, got -32768"):
        cms.read_envelope(made.replace(der.integer(2048), b"\x02\x02\x80\x00"))


# --- key transport and ciphers ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "transport",
    [
        KeyTransport(parameters="absent"),
        *(
            KeyTransport("oaep", digest, mgf, label, form)  # type: ignore[arg-type]
            for digest, mgf, label in (
                ("sha1", "sha1", b""),
                ("sha256", "sha1", b""),
                ("sha1", "sha512", b""),
                ("sha384", "sha384", b"x"),
            )
            for form in ("minimal", "explicit")
        ),
        KeyTransport("oaep", parameters="absent"),
    ],
    ids=lambda t: f"{t.label_text} {t.parameters}",
)
def test_every_key_transport_we_write_is_opened_by_openssl_and_by_us(
    transport: KeyTransport, authority, octets: Octets, openssl: OpenSsl, tmp_path: Path
) -> None:
    made = cms.encode_envelope(
        b"content",
        recipient=authority.certificate,
        cipher="aes-128-cbc",
        octets=octets,
        oddities=Oddities(key_transport=transport),
    )
    envelope = cms.read_envelope(made)
    assert cms.open_envelope(envelope, authority.key, authority.certificate) == b"content"
    found = envelope.recipients[0].transport
    assert (found.scheme, found.digest, found.mgf_digest, found.label) == (
        transport.scheme,
        transport.digest,
        transport.mgf_digest,
        transport.label,
    )
    key, certificate = authority.pem_files(tmp_path, "ca")
    if not (transport.scheme == "oaep" and transport.parameters == "absent"):  # RFC 4055 wants them; openssl insists
        assert (
            openssl("cms", "-decrypt", "-inform", "DER", "-binary", "-inkey", key, "-recip", certificate, stdin=made)
            == b"content"
        )


def test_single_des_and_md5_are_written_by_their_option_only(
    authority, client, octets: Octets, openssl: OpenSsl, tmp_path: Path
) -> None:
    request = RequestContent(MessageType.PKCS_REQ, "t", bytes(16), b"content", authority.certificate)
    sign = {"signer_key": client.key, "signer_certificate": client.certificate, "octets": octets}
    odd = messages.encode_request(replace(request, oddities=Oddities(single_des=True, md5=True)), **sign)
    found = messages.decode(odd)
    found.verify(client.certificate)
    assert (found.digest, found.envelope.cipher) == ("md5", "des-cbc")
    assert {"SCEP-2.9-09", "SCEP-2.9-10"} == {note.requirement for note in found.notes}
    key, certificate = authority.pem_files(tmp_path, "ca")
    legacy = ["-provider", "legacy", "-provider", "default", "-inform", "DER", "-binary"]
    envelope = openssl("cms", "-verify", "-noverify", *legacy, stdin=odd)
    assert openssl("cms", "-decrypt", *legacy, "-inkey", key, "-recip", certificate, stdin=envelope) == b"content"
    changes: tuple[dict[str, Any], ...] = ({"digest": "md5"}, {"cipher": "des-cbc"})
    for weak in changes:
        with pytest.raises(AlgorithmRefused, match="got (md5|des-cbc)"):
            messages.encode_request(replace(request, **weak), **sign)


def test_a_reply_to_an_odd_transaction_carries_it_octet_for_octet(authority, client, octets: Octets) -> None:
    asked = messages.decode(
        messages.encode_request(
            RequestContent(
                MessageType.PKCS_REQ,
                "t",
                bytes(16),
                b"x",
                authority.certificate,
                oddities=Oddities(instead=[("transactionID", (der.tlv(der.BMP_STRING, b"\0t"),))]),
            ),
            signer_key=client.key,
            signer_certificate=client.certificate,
            octets=octets,
        )
    )
    assert asked.transaction_id == "t"
    reply = CertRep(
        PkiStatus.PENDING, asked.transaction_id, bytes(16), bytes(16), transaction_der=asked.transaction_der
    )
    answered = messages.decode(
        messages.encode_cert_rep(
            reply, signer_key=authority.key, signer_certificate=authority.certificate, octets=octets
        )
    )
    assert answered.transaction_der == b"\x1e\x02\x00t"
