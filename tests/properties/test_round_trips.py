"""decode(encode(x)) is x; asn1crypto and openssl read what we write, write the same bytes, and write what we read.

Each run takes new examples, several thousand of them; ``MFP_SIM_EXAMPLES=10 pytest tests/properties`` takes ten times as
many.
"""

from __future__ import annotations

import os
import subprocess
from datetime import datetime, timezone
from pathlib import Path

import pytest
from asn1crypto import algos, cms, core
from asn1crypto import crl as asn1_crl
from asn1crypto import csr as asn1_csr
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import crl, csr, der, messages
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.cms import read_signed_data
from mfp_sim.shared.scep.envelope import open_envelope, read_envelope
from mfp_sim.shared.scep.vocabulary import FailInfo, MessageType, PkiStatus
from mfp_sim.shared.simtime import Entropy, PooledKeys

KEYS = PooledKeys(Entropy(3))
CLIENT, CA = KEYS.rsa(1024), KEYS.rsa(2048)
START, END = datetime(2026, 1, 1, tzinfo=timezone.utc), datetime(2049, 12, 31, tzinfo=timezone.utc)


def _party(key, name: str, serial: int) -> x509.Certificate:
    identifier = der.octet_string(x509.key_identifier(x509.spki_of(key)))
    return x509.self_signed(
        key,
        subject=x509.name(("CN", name)),
        serial=serial,
        not_before=START,
        not_after=END,
        extensions=[(v.SUBJECT_KEY_IDENTIFIER, False, identifier)],
    )


SIGNER, AUTHORITY = _party(CLIENT, "p", 1), _party(CA, "ca", 0x80FF)
DIGESTS, CIPHERS = ["sha1", "sha256", "sha384", "sha512"], ["des-ede3-cbc", "aes-128-cbc", "aes-192-cbc", "aes-256-cbc"]

identifiers = st.text(st.sampled_from("ABCDEFGHabcdefgh0123456789+/=-.:"), min_size=1, max_size=64)
nonces = st.binary(min_size=16, max_size=16)
names = st.lists(
    st.tuples(
        st.sampled_from(["C", "O", "OU", "CN", "L"]),
        st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=40),
    ),
    min_size=1,
    max_size=6,
)
times = st.datetimes(datetime(1950, 1, 1), datetime(9999, 12, 31)).map(
    lambda moment: moment.replace(microsecond=0, tzinfo=timezone.utc)
)
TIMES = int(os.environ.get("MFP_SIM_EXAMPLES", "1"))
IGNORED = [HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
many = settings(deadline=None, max_examples=500 * TIMES)
fast = settings(deadline=None, max_examples=300 * TIMES, suppress_health_check=IGNORED)
by_program = settings(deadline=None, max_examples=120 * TIMES, suppress_health_check=IGNORED)


@given(st.integers(-(2**300), 2**300))
@many
def test_integers(number: int) -> None:
    assert der.integer(number) == core.Integer(number).dump()
    assert der.read(der.integer(number)).to_integer() == number


@given(st.lists(st.integers(0, 2**40), max_size=8), st.integers(0, 2), st.integers(0, 39))
@many
def test_object_identifiers(arcs: list[int], first: int, second: int) -> None:
    dotted = ".".join(map(str, (first, second, *arcs)))
    assert der.oid(dotted) == core.ObjectIdentifier(dotted).dump()
    assert der.read(der.oid(dotted)).to_oid() == dotted


@given(times)
@many
def test_times(moment: datetime) -> None:
    kind = asn1_x509.Time
    name = "utc_time" if 1950 <= moment.year < 2050 else "general_time"
    assert der.time(moment) == kind({name: moment}).dump()
    assert der.read(der.time(moment)).to_time() == moment


@given(names)
@many
def test_names(pairs: list[tuple[str, str]]) -> None:
    encoded = x509.name(*pairs)
    theirs = asn1_x509.Name.load(encoded, strict=True)
    assert theirs.dump(force=True) == encoded
    assert [(rdn[0]["value"].native) for rdn in theirs.chosen] == [text for _, text in pairs]
    assert list(x509.name_pairs(encoded)) == pairs


@given(
    st.sampled_from([MessageType.PKCS_REQ, MessageType.RENEWAL_REQ, MessageType.CERT_POLL, MessageType.GET_CERT]),
    identifiers,
    nonces,
    st.binary(min_size=1, max_size=600),
    st.sampled_from(DIGESTS),
    st.sampled_from(CIPHERS),
    st.integers(0, 2**30),
)
@fast
def test_requests(
    kind: MessageType, transaction: str, nonce: bytes, data: bytes, digest: str, cipher: str, seed: int
) -> None:
    request = messages.RequestContent(kind, transaction, nonce, data, AUTHORITY, digest=digest, cipher=cipher)
    octets = messages.encode_request(request, signer_key=CLIENT, signer_certificate=SIGNER, octets=Entropy(seed).octets)
    read = messages.decode(octets)
    assert (read.message_type, read.transaction_id, read.sender_nonce, read.digest) == (
        kind,
        transaction,
        nonce,
        digest,
    )
    assert read.notes == ()
    assert read.envelope is not None
    assert read.envelope.cipher == cipher
    read.verify(SIGNER)
    assert messages.open_envelope(read, CA, AUTHORITY) == data
    _the_oracle_writes_the_same(octets)


@given(
    st.sampled_from(list(PkiStatus)),
    st.sampled_from(list(FailInfo)),
    identifiers,
    nonces,
    nonces,
    st.sampled_from(DIGESTS),
    st.sampled_from(["absent", "empty"]),
    st.one_of(st.none(), st.text(st.characters(codec="utf-8", exclude_categories=["Cs"]), max_size=60)),
)
@fast
def test_replies(
    status: PkiStatus,
    fail_info: FailInfo,
    transaction: str,
    sender: bytes,
    recipient: bytes,
    digest: str,
    empty: str,
    text: str | None,
) -> None:
    success, failure = status == PkiStatus.SUCCESS, status == PkiStatus.FAILURE
    reply = messages.CertRep(
        status=status,
        transaction_id=transaction,
        recipient_nonce=recipient,
        sender_nonce=sender,
        fail_info=fail_info if failure else None,
        fail_info_text=text if failure else None,
        certificates=(SIGNER.der,) if success else (),
        recipient=SIGNER if success else None,
        digest=digest,
        empty_content=empty,  # type: ignore[arg-type]
    )
    octets = messages.encode_cert_rep(reply, signer_key=CA, signer_certificate=AUTHORITY, octets=Entropy(1).octets)
    read = messages.decode(octets)
    read.verify(AUTHORITY)
    assert (read.pki_status, read.transaction_id) == (status, transaction)
    assert (read.sender_nonce, read.recipient_nonce) == (sender, recipient)
    assert read.fail_info == (fail_info if failure else None)
    assert read.fail_info_text == (text if failure else None)
    if success:
        (certificate,) = messages.read_certs_only(messages.open_envelope(read, CLIENT, SIGNER))
        assert certificate.der == SIGNER.der
    _the_oracle_writes_the_same(octets)


def _the_oracle_writes_the_same(octets: bytes) -> None:
    theirs = cms.ContentInfo.load(octets, strict=True)
    assert theirs.dump(force=True) == octets
    data = theirs["content"]
    assert len(data["signer_infos"]) == 1
    content = data["encap_content_info"]["content"]
    if content.native:
        inner = cms.ContentInfo.load(content.native, strict=True)
        assert inner.dump(force=True) == content.native


@given(names, st.one_of(st.none(), st.text(st.sampled_from("abcXYZ0189 '()+,-./:=?æøå"), min_size=1, max_size=64)))
@fast
def test_certificate_requests(pairs: list[tuple[str, str]], challenge: str | None) -> None:
    octets = csr.build(CLIENT, subject=x509.name(*pairs), challenge=challenge)
    read = csr.Csr.from_der(octets)
    read.verify()
    assert (read.subject, read.challenge, read.notes) == (x509.name(*pairs), challenge, ())
    theirs = asn1_csr.CertificationRequest.load(octets, strict=True)
    assert theirs.dump(force=True) == octets
    found = {a["type"].native: a["values"].native for a in theirs["certification_request_info"]["attributes"]}
    assert found.get("challenge_password") == ([challenge] if challenge is not None else None)


@given(st.binary(max_size=300), st.sampled_from(CIPHERS), st.binary(min_size=8, max_size=40))
@fast
def test_what_the_oracle_writes_is_read(content: bytes, cipher: str, wrapped: bytes) -> None:
    """An EnvelopedData written by asn1crypto gives each of its parts back."""
    iv = wrapped[:8] if cipher == "des-ede3-cbc" else (wrapped * 2)[:16]
    known = {"des-ede3-cbc": "tripledes_3key", **{f"aes-{n}-cbc": f"aes{n}_cbc" for n in (128, 192, 256)}}
    recipient = cms.KeyTransRecipientInfo(
        {
            "version": "v0",
            "rid": cms.RecipientIdentifier(
                {
                    "issuer_and_serial_number": cms.IssuerAndSerialNumber(
                        {
                            "issuer": asn1_x509.Name.load(AUTHORITY.issuer),
                            "serial_number": AUTHORITY.serial,
                        }
                    )
                }
            ),
            "key_encryption_algorithm": {"algorithm": "rsaes_pkcs1v15"},
            "encrypted_key": wrapped,
        }
    )
    enveloped = cms.EnvelopedData(
        {
            "version": "v0",
            "recipient_infos": [cms.RecipientInfo({"ktri": recipient})],
            "encrypted_content_info": {
                "content_type": "data",
                "content_encryption_algorithm": algos.EncryptionAlgorithm(
                    {"algorithm": known[cipher], "parameters": iv}
                ),
                "encrypted_content": content,
            },
        }
    )
    found = read_envelope(cms.ContentInfo({"content_type": "enveloped_data", "content": enveloped}).dump())
    assert (found.cipher, found.iv, found.ciphertext) == (cipher, iv, content)
    assert found.recipients[0].encrypted_key == wrapped
    assert found.recipients[0].names(AUTHORITY)


@given(
    st.integers(0, 2**160),
    names,
    names,
    st.sampled_from(DIGESTS),
    st.lists(st.sampled_from(["printer.example", "192.0.2.10", "2001:db8::1", "x.y.z"]), max_size=3),
    st.sampled_from([("digitalSignature",), ("keyEncipherment", "digitalSignature"), ("keyCertSign", "cRLSign")]),
    st.sampled_from([(START, END), (START, datetime(2126, 1, 1, tzinfo=timezone.utc))]),
)
@fast
def test_certificates(serial, issuer, subject, digest, sans, usage, span) -> None:
    extensions = [x509.key_usage_extension(*usage), x509.basic_constraints_extension("keyCertSign" in usage)]
    extensions += [x509.subject_alt_name_extension(sans)] if sans else []
    made = x509.issue(
        serial=serial,
        issuer=x509.name(*issuer),
        subject=x509.name(*subject),
        spki=x509.spki_of(CLIENT),
        not_before=span[0],
        not_after=span[1],
        extensions=extensions,
        signing_key=CA,
        digest=digest,
    )
    theirs = asn1_x509.Certificate.load(made.der, strict=True)
    assert theirs.dump(force=True) == made.der
    assert (theirs.serial_number, theirs.issuer.dump(), theirs.subject.dump()) == (serial, made.issuer, made.subject)
    assert (theirs.not_valid_before, theirs.not_valid_after) == (made.not_before, made.not_after) == span
    in_theirs = theirs.key_usage_value.native
    assert len(in_theirs) == len(made.key_usage or ()) == len(usage)
    assert theirs.ca == made.is_ca == ("keyCertSign" in usage)
    # The same address under two spellings is one; the order is kept.
    assert list(made.sans) == sans == [str(name.native) for name in (theirs.subject_alt_name_value or ())]


@given(
    st.lists(
        st.tuples(st.integers(1, 2**160), times, st.one_of(st.none(), st.sampled_from(sorted(crl.REASONS)))), max_size=5
    ),
    times,
    st.one_of(st.none(), times),
    st.one_of(st.none(), st.integers(0, 2**64)),
    st.sampled_from(DIGESTS),
)
@fast
def test_revocation_lists(entries, this_update, next_update, number, digest) -> None:
    revoked = tuple(crl.Revoked(*entry) for entry in entries)
    made = crl.issue(
        issuer=AUTHORITY,
        signing_key=CA,
        this_update=this_update,
        next_update=next_update,
        revoked=revoked,
        number=number,
        digest=digest,
    )
    made.verify_issued_by(AUTHORITY)
    assert (made.revoked, made.this_update, made.next_update, made.number) == (
        revoked,
        this_update,
        next_update,
        number,
    )
    theirs = asn1_crl.CertificateList.load(made.der, strict=True)
    assert theirs.dump(force=True) == made.der
    listed = theirs["tbs_cert_list"]["revoked_certificates"]
    assert [entry["user_certificate"].native for entry in listed or ()] == [entry.serial for entry in revoked]


@given(
    st.sampled_from([3, 17, 19, 20, 21, 22, 99]),
    identifiers,
    nonces,
    nonces,
    st.sampled_from(DIGESTS),
    st.one_of(st.none(), st.just(b"")),
    st.booleans(),
)
@fast
def test_what_the_oracle_signs_is_read_and_verified(
    kind: int, transaction: str, sender: bytes, recipient: bytes, digest: str, content: bytes | None, named: bool
) -> None:
    """A pkiMessage written by asn1crypto gives its attributes back, and its signature verifies."""
    values = [
        ("content_type", cms.ContentType("data")),
        ("message_digest", core.OctetString(_digest(digest, content or b""))),
        ("2.16.840.1.113733.1.9.2", core.PrintableString(str(kind))),
        ("2.16.840.1.113733.1.9.5", core.OctetString(sender)),
        ("2.16.840.1.113733.1.9.6", core.OctetString(recipient)),
        ("2.16.840.1.113733.1.9.7", core.PrintableString(transaction)),
    ]
    attributes = cms.CMSAttributes([cms.CMSAttribute({"type": name, "values": [value]}) for name, value in values])
    attributes = cms.CMSAttributes.load(der.set_of([entry.dump() for entry in attributes]))
    theirs = asn1_x509.Certificate.load(SIGNER.der)
    info = cms.SignerInfo(
        {
            "version": "v1",
            "sid": cms.SignerIdentifier(
                {
                    "issuer_and_serial_number": cms.IssuerAndSerialNumber(
                        {"issuer": theirs.issuer, "serial_number": theirs.serial_number}
                    )
                }
            ),
            "digest_algorithm": algos.DigestAlgorithm({"algorithm": digest}),
            "signed_attrs": attributes,
            "signature_algorithm": {"algorithm": f"{digest}_rsa" if named else "rsassa_pkcs1v15"},
            "signature": CLIENT.sign(attributes.dump(), padding.PKCS1v15(), x509.HASHES[digest]()),
        }
    )
    data = cms.SignedData(
        {
            "version": "v1",
            "digest_algorithms": [algos.DigestAlgorithm({"algorithm": digest})],
            "encap_content_info": {"content_type": "data", **({} if content is None else {"content": content})},
            "certificates": [theirs],
            "signer_infos": [info],
        }
    )
    read = messages.decode(cms.ContentInfo({"content_type": "signed_data", "content": data}).dump())
    assert (read.message_type, read.transaction_id, read.digest) == (kind, transaction, digest)
    assert (read.sender_nonce, read.recipient_nonce, read.content) == (sender, recipient, content)
    assert read.signer() == SIGNER
    read.verify(SIGNER)


def _digest(name: str, octets: bytes) -> bytes:
    hashed = hashes.Hash(x509.HASHES[name]())
    hashed.update(octets)
    return hashed.finalize()


# --- openssl ----------------------------------------------------------------------------------------------


def _openssl(*arguments: str, stdin: bytes) -> bytes:
    done = subprocess.run(["openssl", *arguments], input=stdin, capture_output=True, check=False, timeout=60)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The parties' keys and certificates as PEM."""
    folder = tmp_path_factory.mktemp("pem")
    for name, key, certificate in (("ca", CA, AUTHORITY), ("client", CLIENT, SIGNER)):
        private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        (folder / f"{name}-key.pem").write_bytes(private)
        (folder / f"{name}.pem").write_bytes(_openssl("x509", "-inform", "DER", stdin=certificate.der))
    return folder


@given(
    transaction=identifiers,
    data=st.binary(min_size=1, max_size=3000),
    digest=st.sampled_from(DIGESTS),
    cipher=st.sampled_from(CIPHERS),
    ber=st.booleans(),
)
@by_program
def test_openssl_verifies_and_opens_what_we_write(
    transaction: str, data: bytes, digest: str, cipher: str, ber: bool, files: Path
) -> None:
    odd = messages.Oddities(ber=ber)
    request = messages.RequestContent(
        MessageType.PKCS_REQ, transaction, bytes(16), data, AUTHORITY, digest=digest, cipher=cipher, oddities=odd
    )
    octets = messages.encode_request(
        request, signer_key=CLIENT, signer_certificate=SIGNER, octets=Entropy(len(data)).octets
    )
    envelope = _openssl(
        "cms", "-verify", "-noverify", "-certfile", str(files / "client.pem"), "-inform", "DER", "-binary", stdin=octets
    )
    assert envelope == messages.decode(octets).content
    opened = _openssl(
        "cms", "-decrypt", "-inform", "DER", "-binary", "-recip", str(files / "ca.pem"), "-inkey",
        str(files / "ca-key.pem"), stdin=envelope,
    )  # fmt: skip
    assert opened == data


OAEP = (
    (),
    ("rsa_padding_mode:oaep",),
    ("rsa_padding_mode:oaep", "rsa_oaep_md:sha256"),
    ("rsa_padding_mode:oaep", "rsa_oaep_md:sha512", "rsa_mgf1_md:sha1"),
)


@given(
    data=st.binary(min_size=1, max_size=3000),
    cipher=st.sampled_from(CIPHERS),
    stream=st.booleans(),
    keyid=st.booleans(),
    padded=st.sampled_from(OAEP),
)
@by_program
def test_what_openssl_encrypts_is_opened(
    data: bytes, cipher: str, stream: bool, keyid: bool, padded: tuple[str, ...], files: Path
) -> None:
    octets = _openssl(
        "cms", "-encrypt", "-binary", "-outform", "DER", f"-{cipher}", *(["-stream"] if stream else []),
        "-recip", str(files / "ca.pem"), *(["-keyid"] if keyid else []),
        *(word for option in padded for word in ("-keyopt", option)), stdin=data,
    )  # fmt: skip
    envelope = read_envelope(octets)
    assert envelope.cipher == cipher
    assert open_envelope(envelope, CA, AUTHORITY) == data


@given(
    data=st.binary(min_size=1, max_size=3000),
    digest=st.sampled_from(DIGESTS),
    stream=st.booleans(),
    keyid=st.booleans(),
)
@by_program
def test_what_openssl_signs_is_verified(data: bytes, digest: str, stream: bool, keyid: bool, files: Path) -> None:
    octets = _openssl(
        "cms", "-sign", "-binary", "-nodetach", "-outform", "DER", "-md", digest, "-signer", str(files / "client.pem"),
        "-inkey", str(files / "client-key.pem"), *(["-stream"] if stream else []), *(["-keyid"] if keyid else []),
        stdin=data,
    )  # fmt: skip
    signed = read_signed_data(octets)
    assert (signed.content, signed.digest) == (data, digest)
    assert signed.names_signer(SIGNER)
    signed.verify(SIGNER)
