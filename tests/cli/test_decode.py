"""``mfp-sim decode`` on each vector, and ``diff`` of messages."""

from __future__ import annotations

import base64
import io
import json
import os
from datetime import datetime, timezone
from pathlib import Path

import pytest

from mfp_sim.cli.main import main
from mfp_sim.shared.scep import messages
from mfp_sim.shared.scep.certificate import basic_constraints_extension, self_signed
from mfp_sim.shared.scep.certificate import name as x509_name
from mfp_sim.shared.simtime import Entropy, PooledKeys

VECTORS = Path(__file__).parents[1] / "vectors"
KEYS = {
    "micromdm/pkcsreq.der": "micromdm/ca-key.pem",
    "strongswan/pkcsreq-aes.der": "strongswan/pkcsreq-aes-ca-key.pem",
    "certmonger/pkcsreq-get.txt": "certmonger/ca-key.pem",
}


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("micromdm/pkcsreq.der", "PKCSReq (pkiMessage)"),
        ("micromdm/renewalreq.der", "RenewalReq (pkiMessage)"),
        ("micromdm/certrep-success.der", "CertRep (pkiMessage)"),
        ("micromdm/certrep-renewed.der", "CertRep (pkiMessage)"),
        ("micromdm/certrep-failure.der", "CertRep (pkiMessage)"),
        ("micromdm/getcacert-reply.der", "certificate"),
        ("micromdm/getcacaps-reply.txt", "capabilities"),
        ("micromdm/pkcsreq-get.txt", "PKCSReq (pkiMessage)"),
        ("strongswan/pkcsreq-aes.der", "PKCSReq (pkiMessage)"),
        ("strongswan/pkcsreq-3des.der", "PKCSReq (pkiMessage)"),
        ("strongswan/certpoll.der", "CertPoll (pkiMessage)"),
        ("strongswan/renewalreq.der", "RenewalReq (pkiMessage)"),
        ("certmonger/pkcsreq-get.txt", "PKCSReq (pkiMessage)"),
        ("openssl/bag.der", "certificates"),
        ("openssl/certificate.der", "certificate"),
        ("openssl/crl.der", "CRL"),
        ("openssl/csr.der", "certificate request (PKCS#10)"),
        ("openssl/envelope-ber.der", "envelope (EnvelopedData)"),
        ("openssl/envelope-key-identifier.der", "envelope (EnvelopedData)"),
        ("openssl/envelope-oaep.der", "envelope (EnvelopedData)"),
        ("openssl/envelope-password.der", "envelope (EnvelopedData)"),
        ("openssl/signed-ber.der", "certificates"),
        ("openssl/signed-key-identifier.der", "certificates"),
    ],
)
def test_each_vector(name: str, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["decode", str(VECTORS / name), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["kind"] == kind
    assert main(["decode", str(VECTORS / name)]) == 0
    assert capsys.readouterr().out.startswith(kind)


@pytest.mark.parametrize(("name", "key"), KEYS.items())
def test_the_key_opens_the_envelope_and_the_challenge_is_not_shown(
    name: str, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["decode", str(VECTORS / name), "--json"]) == 0
    closed = json.loads(capsys.readouterr().out)
    assert not any(element["path"].startswith("messageData") for element in closed["elements"])
    assert main(["decode", str(VECTORS / name), "--key", str(VECTORS / key), "--json"]) == 0
    opened = json.loads(capsys.readouterr().out)
    assert opened["facts"]["csr challenge"] == "present, not shown"
    shown = [e["value"] for e in opened["elements"] if e["path"].endswith("challengePassword")]
    assert [value.endswith("not shown") for value in shown] == [True]


def test_a_closed_envelope_says_what_would_open_it(capsys: pytest.CaptureFixture[str]) -> None:
    main(["decode", str(VECTORS / "micromdm/pkcsreq.der")])
    assert "The envelope was not opened: give the recipient's key with --key." in capsys.readouterr().out
    main(["decode", str(VECTORS / "micromdm/pkcsreq.der"), "--key", str(VECTORS / "micromdm/client-key.pem")])
    assert "cannot be decrypted with our key" in capsys.readouterr().out


def test_a_changed_message_is_told_to_have_a_wrong_signature(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    octets = (VECTORS / "micromdm/pkcsreq.der").read_bytes()
    (tmp_path / "changed.der").write_bytes(octets[:-1] + bytes((octets[-1] ^ 1,)))
    assert main(["decode", str(tmp_path / "changed.der")]) == 0
    assert "WRONG: " in capsys.readouterr().out


def test_pem_base64_and_http(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    octets = (VECTORS / "micromdm/certrep-success.der").read_bytes()
    text = base64.encodebytes(octets)
    chunked = b"%x\r\n%b\r\n0\r\n\r\n" % (len(octets), octets)
    wrapped = {
        "PEM": b"-----BEGIN CMS-----\n" + text + b"-----END CMS-----\n",
        "base64": text,
        "HTTP reply": b"HTTP/1.1 200 OK\r\nContent-Type: application/x-pki-message\r\n\r\n" + octets,
        "HTTP reply, chunked": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + chunked,
        "HTTP request": b"POST /scep?operation=PKIOperation HTTP/1.1\r\nHost: ca.example\r\n\r\n" + octets,
    }
    for name, content in wrapped.items():
        (tmp_path / "file").write_bytes(content)
        assert main(["decode", str(tmp_path / "file"), "--json"]) == 0
        found = json.loads(capsys.readouterr().out)
        assert (found["kind"], found["octets"]) == ("CertRep (pkiMessage)", len(octets))
        assert found["wrapping"][0] == name.partition(",")[0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\x30\x82\x10\x00\x30", "message at byte 0: expected 4096 bytes of content, got 1"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", "the file contains no message"),
        (b"\x00\x01\x02", "message at byte 0: expected an element, got tag 00"),
    ],
)
def test_what_is_no_message_is_refused_with_its_place(
    content: bytes, words: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(content)
    assert main(["decode", str(tmp_path / "file")]) == 2
    said = capsys.readouterr().err
    assert words in said
    assert said.startswith(f"mfp-sim: {tmp_path / 'file'}")
    assert said.count(str(tmp_path / "file")) == 1


def test_a_truncated_message_and_a_private_key_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    octets = (VECTORS / "micromdm/pkcsreq.der").read_bytes()
    (tmp_path / "cut.der").write_bytes(octets[:1000])
    assert main(["decode", str(tmp_path / "cut.der")]) == 2
    assert "bytes of content, got" in capsys.readouterr().err
    assert main(["decode", str(VECTORS / "micromdm/ca-key.pem")]) == 2
    assert "this is a private key, not a message" in capsys.readouterr().err


def test_diff_tells_what_differs_by_element(capsys: pytest.CaptureFixture[str]) -> None:
    first, second = (str(VECTORS / f"strongswan/pkcsreq-{name}.der") for name in ("aes", "3des"))
    assert main(["diff", first, second]) == 1
    lines = capsys.readouterr().out.splitlines()
    place = "pkcsPKIEnvelope.encryptedContentInfo.contentEncryptionAlgorithm.algorithm"
    assert f"~ {place}  OBJECT IDENTIFIER aes-128-cbc  ->  OBJECT IDENTIFIER des-ede3-cbc" in lines
    assert not any("transactionID" in line for line in lines)
    assert main(["diff", first, first]) == 0
    assert capsys.readouterr().out == "the messages are the same\n"


def test_diff_wants_two_of_a_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "trace.jsonl").write_text('{"time": "2026-01-01T00:00:00+00:00", "kind": "x"}\n')
    assert main(["diff", str(tmp_path / "trace.jsonl"), str(VECTORS / "openssl/csr.der")]) == 2
    assert "csr.der is a message (give two of the same kind)" in capsys.readouterr().err


_CSR = base64.b64encode((VECTORS / "openssl/csr.der").read_bytes()).decode()
_TRACE = '{"time": "2026-01-01T00:00:00+00:00", "kind": "%s"}\n'


@pytest.mark.parametrize(
    ("first", "second", "code", "said"),
    [
        (_TRACE % "x", _TRACE % "x", 0, "the traces are the same"),
        (_TRACE % "x", _TRACE % "y", 1, "event[0].kind"),
        (_CSR, _CSR, 0, "the messages are the same"),
        ('{"schema_version": 1}', '{"schema_version": 1}', 2, "is a report, but not a file (save it as a file)"),
    ],
)
def test_diff_reads_the_output_of_commands(
    first: str, second: str, code: int, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    ends = []
    for text in (first, second):
        end, start = os.pipe()
        with os.fdopen(start, "w") as file:
            file.write(text)
        ends.append(end)
    try:
        assert main(["diff", *(f"/dev/fd/{end}" for end in ends)]) == code
    finally:
        for end in ends:
            os.close(end)
    assert said in "".join(capsys.readouterr())


def test_diff_reads_standard_input_for_one_of_the_two(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "trace.jsonl").write_text(_TRACE % "x")
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO((_TRACE % "x").encode())))
    assert main(["diff", "-", str(tmp_path / "trace.jsonl")]) == 0
    assert capsys.readouterr().out == "the traces are the same\n"
    assert main(["diff", "-", "-"]) == 2
    assert "both are the standard input (give a file for one of them)" in capsys.readouterr().err


def test_what_is_odd_inside_the_envelope_is_noted(capsys: pytest.CaptureFixture[str]) -> None:
    name = str(VECTORS / "strongswan/pkcsreq-aes.der")
    note = "SCEP-3.3.1-10 csr.certificationRequestInfo.attributes: not in DER order"
    main(["decode", name, "--json"])
    assert note not in json.loads(capsys.readouterr().out)["notes"]
    main(["decode", name, "--json", "--key", str(VECTORS / "strongswan/pkcsreq-aes-ca-key.pem")])
    assert note in json.loads(capsys.readouterr().out)["notes"]


@pytest.mark.parametrize("flat", [False, True])
def test_the_next_ca_certificate_is_told_apart_from_a_bag(
    flat: bool, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = PooledKeys(Entropy(1))
    old, new = (_authority(keys.rsa(2048), name) for name in ("old CA", "new CA"))
    body = messages.encode_next_ca([new[1].der], signer_key=old[0], signer_certificate=old[1], flat=flat)
    (tmp_path / "next.der").write_bytes(body)
    assert main(["decode", str(tmp_path / "next.der"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["kind"] == "next CA certificates (SignedData)"
    assert found["facts"]["signature"] == "verified with the certificate of CN=old CA"
    assert [text.partition(",")[0] for text in found["facts"]["certificates"]] == ["CN=new CA"]
    assert [note.partition(" ")[0] for note in found["notes"]] == (["SCEP-4.7.1-04"] if flat else [])


def _authority(key, name: str):
    start, end = (datetime(year, 1, 1, tzinfo=timezone.utc) for year in (2026, 2036))
    return key, self_signed(
        key, subject=x509_name(("CN", name)), serial=1, not_before=start, not_after=end,
        extensions=[basic_constraints_extension(True)],
    )  # fmt: skip


def test_every_element_of_every_vector_has_a_place_and_both_halves_of_a_diff(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    files = [path for path in VECTORS.rglob("*.der") if path.is_file()]
    assert len(files) > 15
    for path in files:
        assert main(["decode", str(path), "--json"]) == 0
        elements = json.loads(capsys.readouterr().out)["elements"]
        assert all(element["path"] and element["offset"] >= 0 for element in elements)
        assert main(["diff", str(path), str(path)]) == 0
        capsys.readouterr()


def test_the_diff_of_two_http_requests_is_that_of_their_messages(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    octets = (VECTORS / "strongswan/pkcsreq-aes.der").read_bytes()
    (tmp_path / "post.http").write_bytes(b"POST /scep?operation=PKIOperation HTTP/1.1\r\nHost: x\r\n\r\n" + octets)
    assert main(["diff", str(tmp_path / "post.http"), str(VECTORS / "strongswan/pkcsreq-aes.der")]) == 0
    assert capsys.readouterr().out == "the messages are the same\n"
