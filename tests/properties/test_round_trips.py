"""decode(encode(x)) is x, and asn1crypto reads what we write, writes the same octets, and writes what we read."""

from __future__ import annotations

from datetime import datetime, timezone

from asn1crypto import algos, cms, core
from asn1crypto import csr as asn1_csr
from asn1crypto import x509 as asn1_x509
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mfp_sim.scep import certificate as x509
from mfp_sim.scep import csr, der, messages
from mfp_sim.scep.vocabulary import FailInfo, MessageType, PkiStatus
from mfp_sim.simtime import Entropy, PooledKeys

KEYS = PooledKeys(Entropy(3))
CLIENT, CA = KEYS.rsa(1024), KEYS.rsa(2048)
START, END = datetime(2026, 1, 1, tzinfo=timezone.utc), datetime(2049, 12, 31, tzinfo=timezone.utc)
SIGNER = x509.self_signed(CLIENT, subject=x509.name(("CN", "p")), serial=1, not_before=START, not_after=END)
AUTHORITY = x509.self_signed(CA, subject=x509.name(("CN", "ca")), serial=0x80FF, not_before=START, not_after=END)
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
fast = settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.too_slow])


@given(st.integers(-(2**300), 2**300))
@settings(max_examples=500, deadline=None)
def test_integers(number: int) -> None:
    assert der.integer(number) == core.Integer(number).dump()
    assert der.read(der.integer(number)).to_integer() == number


@given(st.lists(st.integers(0, 2**40), max_size=8), st.integers(0, 2), st.integers(0, 39))
@settings(max_examples=500, deadline=None)
def test_object_identifiers(arcs: list[int], first: int, second: int) -> None:
    dotted = ".".join(map(str, (first, second, *arcs)))
    assert der.oid(dotted) == core.ObjectIdentifier(dotted).dump()
    assert der.read(der.oid(dotted)).to_oid() == dotted


@given(times)
@settings(max_examples=500, deadline=None)
def test_times(moment: datetime) -> None:
    kind = asn1_x509.Time
    name = "utc_time" if 1950 <= moment.year < 2050 else "general_time"
    assert der.time(moment) == kind({name: moment}).dump()
    assert der.read(der.time(moment)).to_time() == moment


@given(names)
@settings(max_examples=500, deadline=None)
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
    request = messages.Request(kind, transaction, nonce, data, AUTHORITY, digest=digest, cipher=cipher)
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
    read = messages.Envelope
    from mfp_sim.scep.envelope import read_envelope

    found = read_envelope(cms.ContentInfo({"content_type": "enveloped_data", "content": enveloped}).dump())
    assert isinstance(found, read)
    assert (found.cipher, found.iv, found.ciphertext) == (cipher, iv, content)
    assert found.recipients[0].encrypted_key == wrapped
    assert found.recipients[0].names(AUTHORITY)
