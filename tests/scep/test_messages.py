"""pkiMessages: what ``openssl cms`` makes of ours, what we make of its, and what is refused with which words."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asn1crypto import cms as asn1_cms

from mfp_sim.shared.errors import AlgorithmRefused, DecodeError, EnvelopeUnreadable, SignatureInvalid
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import cms, csr, der, messages
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.messages import CertRep, RequestContent
from mfp_sim.shared.scep.note import notes_of
from mfp_sim.shared.scep.vocabulary import FailInfo, MessageType, PkiStatus

OpenSsl = Callable[..., bytes]
Octets = Callable[[int], bytes]
NONCE = bytes(range(16))


@pytest.fixture
def request_of(client, authority, octets: Octets) -> Callable[..., bytes]:
    def make(**fields: object) -> bytes:
        asked = RequestContent(
            message_type=MessageType.PKCS_REQ,
            transaction_id="a+b/c=",
            sender_nonce=NONCE,
            message_data=csr.build(client.key, subject=client.certificate.subject, challenge="s3cret"),
            recipient=authority.certificate,
        )
        return messages.encode_request(
            replace(asked, **fields),  # type: ignore[arg-type]
            signer_key=client.key,
            signer_certificate=client.certificate,
            octets=octets,
        )

    return make


@pytest.fixture
def reply_of(client, authority, octets: Octets) -> Callable[..., bytes]:
    def make(status: PkiStatus, **fields: object) -> bytes:
        answered = CertRep(status, "a+b/c=", recipient_nonce=NONCE, sender_nonce=octets(16))
        return messages.encode_cert_rep(
            replace(answered, **fields),  # type: ignore[arg-type]
            signer_key=authority.key,
            signer_certificate=authority.certificate,
            octets=octets,
        )

    return make


@pytest.mark.parametrize("cipher", ["aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "des-ede3-cbc"])
@pytest.mark.parametrize("digest", ["sha1", "sha256", "sha384", "sha512"])
def test_openssl_verifies_and_opens_our_request(
    digest: str, cipher: str, request_of, authority, client, openssl: OpenSsl, tmp_path: Path
) -> None:
    message = request_of(digest=digest, cipher=cipher)
    envelope = openssl("cms", "-verify", "-noverify", "-inform", "DER", "-binary", stdin=message)
    key, certificate = authority.pem_files(tmp_path, "ca")
    inside = openssl(
        "cms", "-decrypt", "-inform", "DER", "-binary", "-inkey", key, "-recip", certificate, stdin=envelope
    )
    assert csr.Csr.from_der(inside).subject == client.certificate.subject
    decoded = messages.decode(message)
    assert (decoded.digest, decoded.envelope.cipher, decoded.notes) == (digest, cipher, ())
    assert messages.open_envelope(decoded, authority.key, authority.certificate) == inside


def test_our_request_is_der_for_the_oracle_and_carries_the_attributes(request_of) -> None:
    message = request_of()
    oracle = asn1_cms.ContentInfo.load(message, strict=True)
    assert oracle.dump(force=True) == message
    data = oracle["content"]
    info = data["signer_infos"][0]
    assert (data["version"].native, info["version"].native, info["sid"].name) == (
        "v1",
        "v1",
        "issuer_and_serial_number",
    )
    assert info["signature_algorithm"]["algorithm"].native == "rsassa_pkcs1v15"
    assert data["encap_content_info"]["content_type"].native == "data"
    found = {a["type"].dotted: a["values"][0] for a in info["signed_attrs"]}
    assert found[v.MESSAGE_DIGEST].native == hashlib.sha256(data["encap_content_info"]["content"].native).digest()
    assert {kind: value.dump()[0] for kind, value in found.items() if kind.startswith("2.16")} == {
        v.MESSAGE_TYPE: der.PRINTABLE_STRING,
        v.TRANSACTION_ID: der.PRINTABLE_STRING,
        v.SENDER_NONCE: der.OCTET_STRING,
    }


def test_what_was_asked_comes_back(request_of, client) -> None:
    found = messages.decode(request_of(message_type=MessageType.CERT_POLL, transaction_id="0" * 77))
    assert (found.label, found.transaction_id, found.sender_nonce) == ("CertPoll", "0" * 77, NONCE)
    assert found.signer() == client.certificate
    found.verify(client.certificate)


def test_a_success_holds_the_certificates_in_the_given_order(reply_of, client, authority) -> None:
    order = (client.certificate.der, authority.certificate.der)
    for certificates in (order, order[::-1]):
        found = messages.decode(reply_of(PkiStatus.SUCCESS, certificates=certificates, recipient=client.certificate))
        data = messages.open_envelope(found, client.key, client.certificate)
        assert tuple(c.der for c in messages.read_certs_only(data)) == certificates
        assert asn1_cms.ContentInfo.load(data)["content"]["signer_infos"].native == []
        assert (found.pki_status, found.recipient_nonce) == (PkiStatus.SUCCESS, NONCE)


@pytest.mark.parametrize(
    ("form", "content", "notes"),
    [("absent", None, []), ("empty", b"", ["SCEP-3-02"]), ("zero", b"\x00", ["SCEP-3-02"])],
)
def test_a_failure_has_no_content_in_each_of_its_three_forms(
    form: str, content: bytes | None, notes: list[str], reply_of, authority, openssl: OpenSsl, tmp_path: Path
) -> None:
    message = reply_of(PkiStatus.FAILURE, fail_info=FailInfo.BAD_TIME, fail_info_text="æ", empty_content=form)
    found = messages.decode(message)
    found.verify(authority.certificate)
    assert (found.content, found.envelope, [note.requirement for note in found.notes]) == (content, None, notes)
    assert (found.fail_info, found.fail_info_text) == (FailInfo.BAD_TIME, "æ")
    empty = tmp_path / "content"
    empty.write_bytes(b"")
    detached = ["-content", str(empty)] if form == "absent" else []
    assert openssl("cms", "-verify", "-noverify", "-inform", "DER", "-binary", *detached, stdin=message) == (
        content or b""
    )


@pytest.mark.parametrize("number", [5, 11, 99])
def test_a_fail_info_outside_the_table_stays_the_number_it_is(number: int, reply_of) -> None:
    found = messages.decode(reply_of(PkiStatus.FAILURE, fail_info=number))
    assert found.fail_info == number
    assert found.describe()["failInfo"] == str(number)


def test_a_message_cut_at_any_octet_is_refused(request_of) -> None:
    whole = request_of()
    for length in range(len(whole)):
        with pytest.raises(DecodeError):
            messages.decode(whole[:length])


def test_octets_after_the_message_are_noted(request_of) -> None:
    found = messages.decode(request_of() + b"\r\n")
    assert [(note.requirement, note.text) for note in found.notes] == [("SCEP-3-05", "2 bytes follow the message")]


def test_a_changed_content_and_a_changed_attribute_do_not_verify(request_of, client) -> None:
    whole = request_of()
    envelope = messages.decode(whole).content
    changed = whole.replace(envelope, envelope[:-1] + bytes((envelope[-1] ^ 1,)))
    with pytest.raises(SignatureInvalid, match="messageDigest attribute is not the digest"):
        messages.decode(changed).verify(client.certificate)
    with pytest.raises(SignatureInvalid, match="signature of the message does not verify"):
        messages.decode(whole.replace(NONCE, NONCE[::-1])).verify(client.certificate)


def _signed(content: bytes | None, attributes: list[bytes], authority) -> bytes:
    return cms.encode_signed_data(
        content,
        attributes,
        signer_key=authority.key,
        signer_certificate=authority.certificate,
        certificates=[authority.certificate],
        digest="sha256",
    )


TYPE = cms.attribute(v.MESSAGE_TYPE, der.printable_string("3"))
TRANSACTION = cms.attribute(v.TRANSACTION_ID, der.printable_string("1"))


@pytest.mark.parametrize(
    ("attributes", "path"),
    [
        ([TRANSACTION], "signerInfos[0].signedAttrs.messageType"),
        ([TYPE], "signerInfos[0].signedAttrs.transactionID"),
        (
            [TYPE, TRANSACTION, cms.attribute(v.PKI_STATUS, der.printable_string("03"))],
            "signerInfos[0].signedAttrs.pkiStatus",
        ),
        (
            [TYPE, TRANSACTION, cms.attribute(v.FAIL_INFO, der.printable_string("x"))],
            "signerInfos[0].signedAttrs.failInfo",
        ),
        (
            [TYPE, TRANSACTION, cms.attribute(v.SENDER_NONCE, der.printable_string("00"))],
            "signerInfos[0].signedAttrs.senderNonce",
        ),
    ],
)
def test_attributes_of_the_wrong_form_are_refused_by_name(attributes: list[bytes], path: str, authority) -> None:
    with pytest.raises(DecodeError) as caught:
        messages.decode(_signed(None, attributes, authority))
    assert caught.value.path == path


def test_a_bare_envelope_is_no_message(request_of) -> None:
    with pytest.raises(DecodeError, match=r"contentType at byte .*: expected signedData, got envelopedData"):
        messages.decode(messages.decode(request_of()).content)


# --- messages made by openssl -----------------------------------------------------------------------------


def _by_openssl(openssl: OpenSsl, tmp_path: Path, client, authority, plaintext: bytes, *options: str) -> cms.Envelope:
    _, certificate = authority.pem_files(tmp_path, "ca")
    (tmp_path / "in").write_bytes(plaintext)
    return cms.read_envelope(
        openssl(
            "cms",
            "-encrypt",
            "-binary",
            "-outform",
            "DER",
            "-in",
            str(tmp_path / "in"),
            *options,
            "-recip",
            certificate,
        )
    )


@pytest.mark.parametrize("cipher", ["aes-128-cbc", "aes-192-cbc", "aes-256-cbc", "des-ede3-cbc"])
def test_an_envelope_in_ber_made_by_openssl_opens(
    cipher: str, openssl: OpenSsl, tmp_path: Path, client, authority
) -> None:
    plaintext = bytes(range(256)) * 70
    for streaming in ([], ["-stream"]):
        envelope = _by_openssl(openssl, tmp_path, client, authority, plaintext, f"-{cipher}", *streaming)
        assert envelope.cipher == cipher
        assert (envelope.der[1] == 0x80) is bool(streaming)
        assert cms.open_envelope(envelope, authority.key, authority.certificate) == plaintext


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["rsa_oaep_md:sha1"],
        ["rsa_oaep_md:sha256"],
        ["rsa_oaep_md:sha256", "rsa_mgf1_md:sha1"],
        ["rsa_oaep_md:sha1", "rsa_mgf1_md:sha512"],
        ["rsa_oaep_md:sha384", "rsa_oaep_label:0102ff"],
    ],
)
def test_oaep_with_every_form_of_parameters_opens(
    options: list[str], openssl: OpenSsl, tmp_path: Path, client, authority
) -> None:
    _, certificate = authority.pem_files(tmp_path, "ca")
    (tmp_path / "in").write_bytes(b"content")
    keyopts = [part for option in ["rsa_padding_mode:oaep", *options] for part in ("-keyopt", option)]
    made = openssl(
        "cms",
        "-encrypt",
        "-binary",
        "-outform",
        "DER",
        "-in",
        str(tmp_path / "in"),
        "-aes128",
        "-recip",
        certificate,
        *keyopts,
    )
    assert cms.open_envelope(cms.read_envelope(made), authority.key, authority.certificate) == b"content"


def test_our_recipient_is_found_among_several(openssl: OpenSsl, tmp_path: Path, client, authority) -> None:
    _, other = client.pem_files(tmp_path, "client")
    envelope = _by_openssl(openssl, tmp_path, client, authority, b"content", "-aes128", "-recip", other)
    assert len(envelope.recipients) == 2
    for party in (client, authority):
        assert cms.open_envelope(envelope, party.key, party.certificate) == b"content"


def test_single_des_is_read_and_refused_by_name_where_policy_says_so(
    openssl: OpenSsl, tmp_path: Path, client, authority
) -> None:
    legacy = ["-provider", "legacy", "-provider", "default"]
    envelope = _by_openssl(openssl, tmp_path, client, authority, b"content", "-des-cbc", *legacy)
    assert cms.open_envelope(envelope, authority.key, authority.certificate) == b"content"
    with pytest.raises(AlgorithmRefused) as caught:
        cms.open_envelope(envelope, authority.key, authority.certificate, refuse=frozenset({"des-cbc"}))
    assert caught.value.got == "des-cbc"
    with pytest.raises(AlgorithmRefused, match="des-cbc"):
        cms.encode_envelope(b"content", recipient=authority.certificate, cipher="des-cbc", octets=bytes)


def test_an_envelope_for_another_or_with_a_wrong_key_is_unreadable(
    openssl: OpenSsl, tmp_path: Path, client, authority
) -> None:
    envelope = _by_openssl(openssl, tmp_path, client, authority, b"content", "-aes128")
    with pytest.raises(EnvelopeUnreadable, match="no RecipientInfo for our certificate"):
        cms.open_envelope(envelope, client.key, client.certificate)
    with pytest.raises(EnvelopeUnreadable, match="cannot be decrypted"):
        cms.open_envelope(envelope, client.key, authority.certificate)


def test_the_certificates_of_a_bag_made_by_openssl_are_read(
    openssl: OpenSsl, tmp_path: Path, client, authority
) -> None:
    files = [party.pem_files(tmp_path, name)[1] for name, party in (("client", client), ("ca", authority))]
    bag = openssl("crl2pkcs7", "-nocrl", "-certfile", files[0], "-certfile", files[1], "-outform", "DER")
    found, notes = messages.read_ca_certificates(bag, "application/x-x509-ca-ra-cert")
    assert [c.der for c in found] == [client.certificate.der, authority.certificate.der]
    assert notes == ()


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "an empty body"),
        (b"-----BEGIN CERTIFICATE-----\n", "PEM text"),
        (b"<html>", "text"),
        (b"\xa0\x03", "a003"),
        (messages.certs_only([]), "expected at least one certificate, got none"),
    ],
)
def test_a_reply_to_getcacert_that_is_none_is_refused_with_what_it_is(body: bytes, words: str) -> None:
    with pytest.raises(DecodeError, match=words):
        messages.read_ca_certificates(body, None)


def test_issuer_and_subject_come_back(client, authority) -> None:
    octets = messages.issuer_and_subject(authority.certificate.subject, client.certificate.subject)
    assert messages.read_issuer_and_subject(octets) == (authority.certificate.subject, client.certificate.subject)
    with pytest.raises(DecodeError, match=r"issuerAndSubject\.subject"):
        messages.read_issuer_and_subject(der.sequence(x509.name(("CN", "x"))))


def test_a_row_of_what_is_odd_makes_no_text_of_what_is_right() -> None:
    def text() -> str:
        raise AssertionError("the text of what is right was made")

    wrong, right = True, False
    rows: tuple[Any, ...] = (
        wrong and ("SCEP-3-05", "signedData", "7 bytes"),
        right and ("SCEP-3-04", "signedData", text()),
        "",
        None,
    )
    assert notes_of(*rows) == [messages.Note("SCEP-3-05", "signedData", "7 bytes")]
