"""What the field sends and the RFC does not allow: each form is read, and noted under its requirement."""

from __future__ import annotations

import base64
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from urllib.parse import quote

import pytest
from cryptography.hazmat.primitives.asymmetric import padding

from mfp_sim.shared.errors import AlgorithmRefused, DecodeError, EnvelopeUnreadable, UsageError
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import cms, crl, csr, der, messages
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.algorithms import algorithm, read_key_transport
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.http_messages import PKI_MESSAGE, HttpRequest, read_capabilities, read_scep_query
from mfp_sim.shared.scep.messages import Oddities, RequestContent
from mfp_sim.shared.scep.vocabulary import MessageType

Octets = Callable[[int], bytes]
NOW, LATER = datetime(2026, 3, 2, tzinfo=timezone.utc), datetime(2027, 3, 2, tzinfo=timezone.utc)
MESSAGE = bytes(range(0x30, 0x100)) + b"\x3e\x3f\xfb\xff" * 9 + b"\xfa"  # its base64 has +, / and =
TEXT = base64.b64encode(MESSAGE).decode()
LINES = [TEXT[i : i + 64] for i in range(0, len(TEXT), 64)]


def _ids(notes) -> list[str]:
    return [str(note).partition(" ")[0] for note in notes]


# --- HTTP -------------------------------------------------------------------------------------------------

GET_FORMS = {
    "as the RFC wants it": (quote(TEXT, safe=""), []),
    "sscep": ("%0A".join(quote(line, safe="/") for line in LINES), ["SCEP-4.1-10", "SCEP-4.1-11"]),
    "strongSwan": ("%0A".join(quote(line, safe="/=") for line in LINES), ["SCEP-4.1-10", "SCEP-4.1-11"]),
    "jscep: all raw": (TEXT, ["SCEP-4.1-10"]),
    "macOS": (TEXT.replace("=", "%3D"), ["SCEP-4.1-10"]),
    "micromdm: base64url": (quote(base64.urlsafe_b64encode(MESSAGE).decode(), safe=""), ["SCEP-4.1-09"]),
    "a blank for each plus": (quote(TEXT.replace("+", " "), safe=""), ["SCEP-4.1-10"]),
    "CRLF": (quote("\r\n".join(LINES), safe=""), ["SCEP-4.1-11"]),
    "without padding": (quote(TEXT.rstrip("="), safe=""), ["SCEP-4.1-11"]),
}


@pytest.mark.parametrize("name", GET_FORMS)
def test_every_form_of_base64_in_a_get_is_read_and_noted(name: str) -> None:
    assert {"+", "/", "="} <= set(TEXT)
    value, requirements = GET_FORMS[name]
    query = read_scep_query(HttpRequest("GET", f"/scep?operation=PKIOperation&message={value}"))
    assert query.message == MESSAGE
    assert _ids(query.notes) == requirements


def test_a_query_longer_than_a_head_is_refused() -> None:
    with pytest.raises(DecodeError, match="query at byte 65536: expected a target of at most 65536 bytes, got 65637"):
        read_scep_query(HttpRequest("GET", "/scep?operation=PKIOperation&message=" + "M" * 65600))


@pytest.mark.parametrize(
    ("operation", "requirements"), [("GetCACaps", ["SCEP-3.5.1-01"]), ("GetCACert", ["SCEP-4.2-02"])]
)
@pytest.mark.parametrize("value", ["", "0", "1", "CAIdentifier"])
def test_a_message_where_none_belongs_is_noted(operation: str, requirements: list[str], value: str) -> None:
    query = read_scep_query(HttpRequest("GET", f"/scep?operation={operation}&message={value}"))
    assert (query.operation, _ids(query.notes)) == (operation, requirements)
    assert read_scep_query(HttpRequest("GET", f"/scep?operation={operation}")).notes == ()


@pytest.mark.parametrize(
    ("headers", "query", "body", "requirements"),
    [
        ((("Content-Type", PKI_MESSAGE),), "", MESSAGE, []),
        ((("content-type", PKI_MESSAGE.upper()),), "", MESSAGE, []),
        ((), "", MESSAGE, ["SCEP-4.3-02"]),
        ((("Content-Type", ""),), "", MESSAGE, ["SCEP-4.3-02"]),
        ((("Content-Type", "application/octet-stream"),), "", MESSAGE, ["SCEP-4.3-02"]),
        ((("Content-Type", "application/x-www-form-urlencoded"),), "", MESSAGE, ["SCEP-4.3-02"]),
        ((("Content-Type", PKI_MESSAGE),), "&message=", MESSAGE, ["SCEP-4.1-01"]),
        ((("Content-Type", PKI_MESSAGE),), "", base64.b64encode(b"\x30\x82" + MESSAGE), ["SCEP-4.1-14"]),
    ],
)
def test_every_form_of_a_post_is_read_and_noted(headers, query: str, body: bytes, requirements: list[str]) -> None:
    request = HttpRequest("POST", f"/scep?operation=PKIOperation{query}", headers, body)
    found = read_scep_query(request)
    assert (found.message or b"").endswith(MESSAGE)
    assert _ids(found.notes) == requirements


# --- signers ----------------------------------------------------------------------------------------------


def _odd_certificate(key, *, version: int, serial: int, times: Callable[[datetime], bytes], usage: bool) -> Certificate:
    name = x509.name(("CN", "SCEP SIGNER"))
    named = x509.algorithm(v.RSA_SIGNATURE_OIDS["sha256"], der.null())
    extensions = x509.encode_extensions([x509.key_usage_extension("digitalSignature", "keyEncipherment")])
    tbs = der.sequence(
        der.explicit(0, der.integer(version - 1)) if version > 1 else b"",
        der.integer(serial),
        named,
        name,
        der.sequence(times(NOW), times(LATER)),
        name,
        x509.spki_of(key),
        der.explicit(3, extensions) if usage else b"",
    )
    signature = key.sign(tbs, padding.PKCS1v15(), x509.HASHES["sha256"]())
    return Certificate.from_der(der.sequence(tbs, named, der.bit_string(signature)))


@pytest.mark.parametrize(
    ("fields", "oddities", "requirements"),
    [
        ({}, (), []),
        ({"usage": False}, (), ["SCEP-2.3-02"]),
        ({"serial": 2**159}, ("a serial number of 21 bytes",), ["SCEP-2.3-03"]),
        ({"serial": 2**263}, ("a serial number of 34 bytes",), ["SCEP-2.3-03"]),
        ({"serial": -5}, ("a serial number that is not positive",), ["SCEP-2.3-03"]),
        ({"times": der.generalized_time}, ("GeneralizedTime before 2050",), ["SCEP-2.3-03"]),
        (
            {"version": 1, "usage": False, "serial": 2**258, "times": der.generalized_time},  # certmonger's
            ("version 1", "a serial number of 33 bytes", "GeneralizedTime before 2050"),
            ["SCEP-2.3-02", "SCEP-2.3-03"],
        ),
    ],
)
def test_a_signer_of_the_field_is_read_verified_and_noted(
    fields, oddities, requirements, client, authority, octets: Octets
) -> None:
    given = {"version": 3, "serial": 7, "times": der.time, "usage": True} | fields
    signer = _odd_certificate(client.key, **given)  # type: ignore[arg-type]
    assert signer.oddities == oddities
    signer.verify_issued_by(signer)
    request = RequestContent(MessageType.PKCS_REQ, "t", bytes(16), b"x", authority.certificate)
    message = messages.decode(
        messages.encode_request(request, signer_key=client.key, signer_certificate=signer, octets=octets)
    )
    message.verify(signer)
    assert message.signer() == signer
    assert sorted(_ids(message.notes)) == requirements
    bag = cms.read_bag(messages.certs_only([signer.der]))
    assert _ids(bag.notes) == (["SCEP-3.3.2.1-16"] if oddities else [])


# --- envelopes --------------------------------------------------------------------------------------------


def test_several_recipients_are_noted_and_ours_is_found(client, authority, octets: Octets) -> None:
    made = cms.encode_envelope(
        b"content",
        recipient=authority.certificate,
        cipher="aes-128-cbc",
        octets=octets,
        oddities=Oddities(other_recipients=[client.certificate]),
    )
    envelope = cms.read_envelope(made)
    assert _ids(envelope.notes) == ["SCEP-3.2.2-04"]
    assert cms.open_envelope(envelope, authority.key, authority.certificate) == b"content"
    assert cms.open_envelope(envelope, client.key, client.certificate) == b"content"
    assert cms.open_envelope(envelope, client.key) == b"content"


NULL, SHA256 = der.null(), v.DIGEST_OIDS["sha256"]
MGF_256 = der.explicit(1, algorithm(v.MGF1, algorithm(SHA256)))


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ([], ("sha1", "sha1", b"")),
        ([NULL], ("sha1", "sha1", b"")),
        ([der.sequence()], ("sha1", "sha1", b"")),
        ([der.sequence(der.explicit(0, algorithm(SHA256)))], ("sha256", "sha1", b"")),
        ([der.sequence(der.explicit(0, algorithm(SHA256, NULL)), MGF_256)], ("sha256", "sha256", b"")),
        ([der.sequence(MGF_256)], ("sha1", "sha256", b"")),
        ([der.sequence(der.explicit(2, algorithm(v.P_SPECIFIED)))], ("sha1", "sha1", b"")),
        ([der.sequence(der.explicit(2, algorithm(v.P_SPECIFIED, der.octet_string(b"L"))))], ("sha1", "sha1", b"L")),
    ],
)
def test_oaep_parameters_are_read_in_every_form(parameters: list[bytes], expected) -> None:
    found = read_key_transport(der.read(algorithm(v.RSAES_OAEP, *parameters)))
    assert found is not None
    assert (found.scheme, found.digest, found.mgf_digest, found.label) == ("oaep", *expected)


def test_an_envelope_for_a_password_alone_is_refused_by_name(authority, octets: Octets) -> None:
    made = cms.encode_envelope(
        b"x", recipient=None, cipher="aes-128-cbc", octets=octets, oddities=Oddities(password="p")
    )
    with pytest.raises(EnvelopeUnreadable, match="no RecipientInfo for our certificate; it has one by password"):
        cms.open_envelope(cms.read_envelope(made), authority.key, authority.certificate)


def test_password_recipients_that_would_keep_us_busy_together_are_refused(octets: Octets) -> None:
    made = cms.encode_envelope(
        b"x", recipient=None, cipher="aes-128-cbc", octets=octets, oddities=Oddities(password="p")
    )
    outer = der.read(made).child(1, "content").child(0, "data")
    version, recipients, info = outer.children
    slow = recipients.children[0].raw.replace(der.integer(2048), b"\x02\x02\x7f\xff")
    body = der.sequence(version.raw, der.set_of([slow] * 4), info.raw)
    with pytest.raises(DecodeError, match="at most 100000 iterations in all recipients, got 131068"):
        cms.read_envelope(cms.content_info(v.ENVELOPED_DATA, body))
    assert (
        len(
            cms.read_envelope(
                cms.content_info(v.ENVELOPED_DATA, der.sequence(version.raw, der.set_of([slow] * 3), info.raw))
            ).password_recipients
        )
        == 3
    )


def test_a_request_without_a_recipient_is_not_written(client, octets: Octets) -> None:
    request = RequestContent(MessageType.PKCS_REQ, "t", bytes(16), b"x", None)
    with pytest.raises(UsageError, match="a request needs a recipient"):
        messages.encode_request(request, signer_key=client.key, signer_certificate=client.certificate, octets=octets)


# --- MD5 --------------------------------------------------------------------------------------------------


def test_md5_is_written_on_demand_and_refused_by_name_everywhere_else(client, authority) -> None:
    subject = x509.name(("CN", "x"))
    issued = {
        "serial": 5, "issuer": authority.certificate.subject, "subject": subject, "spki": x509.spki_of(client.key),
        "not_before": NOW, "not_after": LATER, "extensions": [], "signing_key": authority.key, "digest": "md5",
    }  # fmt: skip
    listed = {
        "issuer": authority.certificate, "signing_key": authority.key, "this_update": NOW, "next_update": LATER,
        "digest": "md5",
    }  # fmt: skip
    for write in (
        lambda: csr.build(client.key, subject=subject, digest="md5"),
        lambda: x509.issue(**issued),
        lambda: crl.issue(**listed),
    ):
        with pytest.raises(AlgorithmRefused, match="expected SHA-1 or SHA-2, got md5"):
            write()
    request = csr.Csr.from_der(csr.build(client.key, subject=subject, digest="md5", md5=True))
    request.verify(md5=True)
    for read in (
        request.verify,
        lambda: x509.issue(**issued, md5=True).verify_issued_by(authority.certificate),
        lambda: crl.issue(**listed, md5=True).verify_issued_by(authority.certificate),
    ):
        with pytest.raises(AlgorithmRefused, match="expected SHA-1 or SHA-2, got md5"):
            read()


# --- attributes -------------------------------------------------------------------------------------------


@pytest.fixture
def answer(client, authority, octets: Octets) -> Callable[[Oddities], bytes]:
    def make(oddities: Oddities) -> bytes:
        reply = messages.CertRep(v.PkiStatus.FAILURE, "t", bytes(16), bytes(16), fail_info=2, oddities=oddities)
        return messages.encode_cert_rep(
            reply, signer_key=authority.key, signer_certificate=authority.certificate, octets=octets
        )

    return make


@pytest.mark.parametrize("number", [5, 11, 99, 1000])
def test_a_fail_info_outside_the_rfc_is_a_number_and_noted(number: int, answer) -> None:
    value = der.printable_string(str(number))
    message = messages.decode(answer(Oddities(instead=[("failInfo", (value,))])))
    assert (message.fail_info, _ids(message.notes)) == (number, ["SCEP-3.2.1.4-08"])
    assert message.describe()["failInfo"] == str(number)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (der.printable_string(""), "expected a decimal number without leading zeros or blanks, got ''"),
        (der.printable_string("x"), "got 'x'"),
        (der.printable_string("02"), "got '02'"),
        (der.printable_string("99999"), "got '99999'"),
        (der.integer(2), "expected a string, got INTEGER"),
        (der.bit_string(b"\x20"), "expected a string, got BIT STRING"),
    ],
)
def test_a_fail_info_that_is_no_number_is_refused_with_its_place(value: bytes, words: str, answer) -> None:
    octets = answer(Oddities(instead=[("failInfo", (value,))]))
    with pytest.raises(DecodeError) as caught:
        messages.decode(octets)
    assert words in str(caught.value)
    assert caught.value.path == "signerInfos[0].signedAttrs.failInfo"
    assert octets[caught.value.offset :].startswith(value)


def test_a_missing_attribute_is_told_with_the_place_of_the_attributes(answer) -> None:
    octets = answer(Oddities(omit=frozenset({"transactionID"})))
    with pytest.raises(DecodeError) as caught:
        messages.decode(octets)
    error = caught.value
    assert (error.path, error.expected, error.got) == (
        "signerInfos[0].signedAttrs.transactionID",
        "the attribute",
        "none",
    )
    assert octets[error.offset] == 0xA0


def test_a_legacy_renewal_is_a_pkcsreq_signed_by_the_old_certificate(client, authority, keys, octets: Octets) -> None:
    old = x509.issue(
        serial=77, issuer=authority.certificate.subject, subject=client.certificate.subject,
        spki=x509.spki_of(client.key), not_before=NOW, not_after=LATER, signing_key=authority.key,
        extensions=[x509.key_usage_extension("digitalSignature", "keyEncipherment")],
    )  # fmt: skip
    new = keys.rsa(2048)
    request = RequestContent(
        MessageType.PKCS_REQ, "t", bytes(16), csr.build(new, subject=old.subject), authority.certificate
    )
    for kind in (MessageType.PKCS_REQ, MessageType.RENEWAL_REQ):
        message = messages.decode(
            messages.encode_request(
                replace(request, message_type=kind), signer_key=client.key, signer_certificate=old, octets=octets
            )
        )
        message.verify(old)
        assert (message.message_type, message.signer(), message.notes) == (kind, old, ())
        asked = csr.Csr.from_der(messages.open_envelope(message, authority.key, authority.certificate))
        asked.verify()
        assert csr.fits_key(old, client.key)
        assert asked.public_key() == new.public_key()


# --- capabilities -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "post", "digest", "cipher"),
    [
        (b"SCEPStandard\n", True, "sha256", "aes-128-cbc"),
        (b"scepstandard", True, "sha256", "aes-128-cbc"),
        (b"AES\r\nSHA-256\r\nPOSTPKIOperation\r\n", True, "sha256", "aes-128-cbc"),
        (b"POSTPKIOperation\nRenewal\nSHA-512\nSHA-256\nSHA-1\nDES3\n", True, "sha256", "des-ede3-cbc"),  # NDES
        (b"SHA-512\nSHA-1\n", False, "sha512", "des-ede3-cbc"),
        (b"SHA-1\nDES3", False, "sha1", "des-ede3-cbc"),
        (b"", False, "sha1", "des-ede3-cbc"),
        (b"\xef\xbb\xbfAES\n \n\tsha-256 \r\n", False, "sha256", "aes-128-cbc"),
        (b"<html><body>AES\nSHA-256\n</body></html>", False, "sha1", "des-ede3-cbc"),
        (b"MD5\nDES\nWhatever\n", False, "sha1", "des-ede3-cbc"),
    ],
)
def test_capabilities_decide_the_algorithms_aes128_and_sha256_first(body, post, digest, cipher) -> None:
    found = read_capabilities(body)
    assert (found.post, found.digest, found.cipher) == (post, digest, cipher)
