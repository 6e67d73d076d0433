"""``mfp-sim decode`` and what is wrong, rare or closed: silence never reads as approval."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from mfp_sim.cli.main import main
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import crl, der, messages
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.vocabulary import MessageType
from mfp_sim.shared.simtime import Entropy, PooledKeys

TESTS = Path(__file__).parents[1]
DATA, VECTORS = TESTS / "scep" / "data", TESTS / "vectors"
KEY = PooledKeys(Entropy(5)).rsa(2048)
STRANGER = PooledKeys(Entropy(6)).rsa(2048)


@pytest.fixture
def decoded(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Decodes bytes or a file: what is told as JSON, and what people see."""

    def decode(what: bytes | Path, *options: str) -> tuple[dict, str]:
        path = what if isinstance(what, Path) else tmp_path / "message"
        if isinstance(what, bytes):
            path.write_bytes(what)
        assert main(["decode", str(path), "--json", *options]) == 0
        told = json.loads(capsys.readouterr().out)
        assert main(["decode", str(path), *options]) == 0
        return told, capsys.readouterr().out

    return decode


def authority(**changes: object) -> Certificate:
    when = now()
    plan = {
        "serial": 7, "issuer": NAME, "subject": NAME, "spki": x509.spki_of(KEY), "not_before": when, "not_after": when,
        "extensions": [x509.basic_constraints_extension(True)], "signing_key": KEY,
    }  # fmt: skip
    return x509.issue(**(plan | changes))  # type: ignore[arg-type]


def now():
    from datetime import datetime, timezone

    return datetime(2026, 3, 2, tzinfo=timezone.utc)


NAME = x509.name(("CN", "CA"))


@pytest.mark.parametrize(
    ("name", "fact", "value"),
    [
        ("csr-wrong-signature.der", "signature", "WRONG: the signature of the CSR does not verify (sha256)"),
        ("csr-version-1.der", "version", "1"),
        ("csr-version-1.der", "signature", "verified with its own key"),
        ("csr-pss.der", "signature", "not verified: id-RSASSA-PSS is not verified here"),
        ("csr-name-of-bits.der", "subject", "2.5.4.45=#03020001"),
        ("csr-universal-string.der", "subject", "CN=p1"),
        ("certificate-name-of-bits.der", "subject", "2.5.4.45=#030400010203,CN=Bit CA"),
        ("certificate-name-of-bits.der", "signature", "verified with its own key"),
    ],
)
def test_facts_of_hostile_inputs(decoded, name: str, fact: str, value: str) -> None:
    assert decoded(DATA / name)[0]["facts"][fact] == value


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("csr-wrong-signature.der", "the signature is wrong: the signature of the CSR does not verify (sha256)"),
        ("csr-version-1.der", "SCEP-3.3.1-10 csr.certificationRequestInfo.version: 1 instead of 0"),
        ("certrep-signer-is-not-a-name.der", "signer: name[0] at byte 2: expected SET, got SEQUENCE"),
        ("envelope-without-iv.der", "the envelope has no IV; des-ede3-cbc needs one of 8 bytes"),
        ("pkcsreq-without-transactionid.der", "SCEP-3.2.1-01 signerInfos[0].signedAttrs.transactionID: absent"),
        ("pkcsreq-without-transactionid.der", "SCEP-3.2.1-03 signerInfos[0].signedAttrs.senderNonce: absent"),
    ],
)
def test_what_is_wrong_is_a_note(decoded, name: str, note: str) -> None:
    told, shown = decoded(DATA / name)
    assert note in told["notes"]
    assert note in shown
    assert "nothing odd" not in shown


def test_what_was_not_verified_is_told_before_anybody_takes_silence_for_approval(decoded) -> None:
    told, shown = decoded(DATA / "csr-pss.der")
    assert told["unchecked"] == ["the signature, since id-RSASSA-PSS is not verified here"]
    assert shown.endswith("nothing odd in the part that was read\n")
    told, shown = decoded(VECTORS / "openssl" / "crl.der")
    assert told["facts"]["signature"].startswith("not verified: the certificate of its issuer")
    told, shown = decoded(VECTORS / "openssl" / "csr.der")
    assert (told["unchecked"], told["closed"]) == ([], None)
    assert shown.endswith("nothing odd found\n")


def test_a_message_is_told_by_what_it_is_meant_to_be(decoded) -> None:
    told, _ = decoded(DATA / "pkcsreq-without-transactionid.der")
    assert told["kind"] == "PKCSReq (pkiMessage, malformed)"
    assert told["facts"]["signature"] == "WRONG: the signature of the message does not verify (sha256)"


def _request(**oddities: object) -> bytes:
    ca = authority()
    plan = messages.RequestContent(
        MessageType.PKCS_REQ, "t-1", bytes(16), b"x", ca, oddities=messages.Oddities(**oddities)  # type: ignore[arg-type]
    )  # fmt: skip
    return messages.encode_request(plan, signer_key=KEY, signer_certificate=ca, octets=Entropy(1).octets)


@pytest.mark.parametrize(
    ("oddities", "kind", "note"),
    [
        ({"omit": ("messageType",)}, "pkiMessage, malformed", "SCEP-3.2.1-02 "),
        ({"omit": ("transactionID",)}, "PKCSReq (pkiMessage, malformed)", "SCEP-3.2.1-01 "),
        ({"signers": "none"}, "pkiMessage, malformed", "signerInfos at byte"),
        ({"attributes": "none"}, "pkiMessage, malformed", "signedAttrs"),
        ({"repeat": (("transactionID", (der.printable_string("t-2"),)),)}, "pkiMessage, malformed", "each attribute"),
    ],
)
def test_a_message_that_misses_what_makes_it_one(decoded, oddities, kind: str, note: str) -> None:
    told, _ = decoded(_request(**oddities))
    assert told["kind"] == kind
    assert any(note in text for text in told["notes"])


def test_an_envelope_that_stands_alone_is_opened(decoded, tmp_path: Path) -> None:
    vectors = VECTORS / "openssl"
    told, shown = decoded(vectors / "envelope-oaep.der", "--key", str(vectors / "key.pem"))
    assert told["closed"] is None
    content = (vectors / "content.txt").read_bytes()
    assert told["facts"]["messageData"].startswith((f"{len(content)} bytes", "ASN.1"))
    assert any(element["path"].startswith("messageData") for element in told["elements"])
    assert "was not opened" not in shown


def test_the_true_reason_why_an_envelope_stays_closed(decoded) -> None:
    key = ("--key", str(DATA / "envelope-key.pem"))
    told, shown = decoded(DATA / "envelope-without-iv.der", *key)
    assert told["closed"] == "the envelope has no IV; des-ede3-cbc needs one of 8 bytes"
    assert f"The envelope was not opened: {told['closed']}." in shown
    assert decoded(DATA / "envelope-without-iv.der")[0]["closed"] == told["closed"]  # a key would not help
    told, _ = decoded(VECTORS / "openssl" / "envelope-password.der", *key)
    assert told["closed"] == "the envelope has no RecipientInfo for our certificate; it has one by password"
    told, _ = decoded(_request(gcm=True), *key)
    assert told["closed"].endswith("expected envelopedData, got authEnvelopedData")
    assert told["closed"] in told["notes"]
    told, _ = decoded(VECTORS / "micromdm" / "pkcsreq.der", *key)
    assert told["closed"] == "the envelope cannot be decrypted with our key"


@pytest.mark.parametrize("text", [b"hello", b"hello\n", b"<html>AES</html>", b"404 page not found\n", b"R\xc3\xb8d\n"])
def test_text_is_not_a_list_of_capabilities(text: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "text").write_bytes(text)
    assert main(["decode", str(tmp_path / "text")]) == 2
    assert "this is text without any SCEP capability" in capsys.readouterr().err


def test_what_is_not_a_keyword_among_capabilities_is_noted(decoded) -> None:
    told, _ = decoded(b"AES\nFoo\nnot one\x1b[2J\n")
    assert told["kind"] == "capabilities"
    assert told["notes"] == ["Foo: not a keyword of RFC 8894", "'not one\\x1b[2J': not a keyword; ignored"]


@pytest.mark.parametrize(
    ("certificate", "note"),
    [
        (authority(serial=-5), "it has a serial number that is not positive"),
        (authority(serial=1 << 168), "it has a serial number of 22 bytes"),
        (
            authority(extensions=[(v.KEY_USAGE, True, der.null())]),
            "key usage: certificate.keyUsage at byte 0: expected BIT STRING, got NULL",
        ),
        (
            authority(extensions=[(v.SUBJECT_ALT_NAME, True, der.null())]),
            "names: subjectAltName at byte 0: expected SEQUENCE, got NULL",
        ),
        (
            authority(signing_key=STRANGER),
            "the signature is wrong: the signature of the certificate does not verify (sha256)",
        ),
        (
            authority(extensions=[x509.basic_constraints_extension(True), x509.basic_constraints_extension(False)]),
            "an extension occurs twice, which RFC 5280 forbids (4.2); only the last was read",
        ),
        (authority(subject=der.sequence(der.null())), "subject: name[0] at byte 2: expected SET, got NULL"),
    ],
)
def test_what_is_odd_about_a_certificate(decoded, certificate: Certificate, note: str) -> None:
    told, shown = decoded(certificate.der)
    assert note in told["notes"]
    assert "nothing odd" not in shown


def test_signatures_within_a_bag(decoded) -> None:
    ca, leaf = authority(), authority(subject=x509.name(("CN", "leaf")), serial=8)
    stranger = authority(subject=x509.name(("CN", "stranger")), issuer=x509.name(("CN", "elsewhere")), serial=9)
    facts = decoded(messages.certs_only([leaf.der, ca.der, stranger.der]))[0]["facts"]
    assert facts["signature of CN=leaf"] == "verified with the certificate of CN=CA"
    assert facts["signature of CN=CA"] == "verified with its own key"
    assert facts["signature of CN=stranger"].startswith("not verified: the certificate of its issuer, CN=elsewhere")


def test_other_structures_and_what_follows_them(decoded) -> None:
    told, _ = decoded(messages.issuer_and_serial(NAME, -5))
    assert told["kind"] == "issuer and serial number, as in GetCert and GetCRL"
    assert told["notes"] == ["the serial number is not positive"]
    told, _ = decoded(authority().der + b"more")
    assert told["notes"] == ["4 bytes follow the message"]
    told, _ = decoded(der.sequence(der.integer(1)))
    assert told["notes"] == ["SCEP does not carry such a structure; nothing was checked"]
    told, _ = decoded(der.sequence(der.sequence(der.integer(0)), der.sequence(), der.bit_string(b"")))
    assert told["kind"] == "certificate request (PKCS#10), malformed"


def test_a_crl_is_told_in_full(decoded) -> None:
    when = now()
    made = crl.issue(
        issuer=authority(), signing_key=KEY, this_update=when, next_update=None, number=None,
        revoked=[crl.Revoked(number, when) for number in range(1, 61)],
    )  # fmt: skip
    told, shown = decoded(made.der)
    assert told["facts"]["entries"] == len(told["facts"]["revoked"]) == 60
    assert "no nextUpdate, which RFC 5280 requires (5.1.2.5)" in told["notes"]
    assert "… and 10 more" in shown


def test_nothing_of_a_message_steers_the_terminal(decoded) -> None:
    evil = "\x1b[2J\u202e\x9b1m\n  forged: line\U000e0001"
    name = x509.name(("CN", evil))
    for octets in (
        authority(subject=name, issuer=name).der,
        b"HTTP/1.1 200 OK\r\nContent-Type: a\x1b[2J\x9bb\r\n\r\nAES\n",
        b"GET /?operation=Get%1b%0aforged&message=AES HTTP/1.1\r\n\r\n",
    ):
        told, shown = decoded(octets)
        assert all(letter.isprintable() or letter == "\n" for letter in shown)
        assert not any(line.lstrip().startswith("forged") for line in shown.splitlines())
        assert told["kind"]


def test_json_is_made_of_printable_letters_and_says_the_same(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    name = x509.name(("CN", "\x1b\x9b\u202e\U000e0001 ø"))
    (tmp_path / "file").write_bytes(authority(subject=name, issuer=name).der)
    assert main(["decode", str(tmp_path / "file"), "--json"]) == 0
    out = capsys.readouterr().out
    assert out.rstrip("\n").isprintable()
    assert json.loads(out)["facts"]["subject"] == "CN=\x1b\x9b\u202e\U000e0001 ø"


def test_a_signature_algorithm_that_is_not_signed_is_noted(decoded) -> None:
    plain = authority().der
    inner, outer = x509.signature_algorithm(KEY, "sha256"), x509.signature_algorithm(KEY, "sha512")
    at = plain.rindex(inner)
    told, _ = decoded(plain[:at] + outer + plain[at + len(inner) :])
    assert "the signatureAlgorithm differs from the signed one, which RFC 5280 forbids (4.1.1.2)" in told["notes"]
