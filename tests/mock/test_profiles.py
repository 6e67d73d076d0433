"""Shapes of CAs: data with sources, what each changes on the wire, and micromdm's own replies beside ours."""

from __future__ import annotations

import contextlib
import json
import re
from collections import Counter
from dataclasses import fields, replace
from datetime import timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from mfp_sim.shared.catalogue.registry import requirements
from mfp_sim.shared.documents import Problems, load_text
from mfp_sim.shared.errors import DecodeError, DocumentError
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import elements, messages
from mfp_sim.shared.scep.algorithms import KeyTransport
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.csr import Csr
from mfp_sim.shared.scep.http_messages import HttpRequest, Operation, scep_request
from mfp_sim.shared.scep.vocabulary import NDES_RESULT, MessageType
from mock_scep_server.profiles.registry import PROFILES, CaProfile, read_profile
from mock_scep_server.setup import read_ca

VECTORS = Path(__file__).parent.parent / "vectors" / "micromdm"
WEAK = {"digest": "sha1", "oddities": messages.Oddities(single_des=True)}
NAMES = [
    "rfc8894", "strict", "lenient", "ndes-2008r2", "ndes-2012r2", "ndes-2016", "micromdm-2.1", "step-ca",
    "legacy-md5-des", "mitm",
]  # fmt: skip


def read_key(path: Path) -> RSAPrivateKey:
    key = load_pem_private_key(path.read_bytes(), None)
    assert isinstance(key, RSAPrivateKey)
    return key


def test_all_are_there() -> None:
    assert list(PROFILES) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_every_value_that_differs_from_the_rfcs_has_a_source(name: str) -> None:
    profile, plain = PROFILES[name], CaProfile("", "")
    for field in fields(profile):
        if field.name in ("name", "summary", "imitates", "unlike", "sources"):
            continue
        if getattr(profile, field.name) != getattr(plain, field.name):
            assert field.name in profile.sources, field.name
            assert profile.sources[field.name].text


@pytest.mark.parametrize("name", NAMES)
def test_captures_that_are_cited_are_there(name: str) -> None:
    for value, source in PROFILES[name].sources.items():
        cited = re.findall(r"tests/vectors/\S+\.(?:der|txt)", source.text)
        assert all((VECTORS.parent.parent.parent / path).is_file() for path in cited), value
        if source.by == "capture":
            assert cited or "a reply decoded" in source.text, value


@pytest.mark.parametrize("name", NAMES)
def test_verdicts_that_are_cited_are_there(name: str) -> None:
    for value, source in PROFILES[name].sources.items():
        for folder, checks in re.findall(r"(reports/servers/[\w.-]+): ([\w-]+(?:, [\w-]+)*)", source.text):
            assert source.by == "run", value
            found = json.loads((VECTORS.parents[2] / folder / "verdicts.json").read_text("utf-8"))["checks"]
            seen = {check: found[check]["verdict"] for check in checks.split(", ")}
            assert set(seen.values()) <= {"pass", "finding", "warn", "fail"}, seen


def test_what_is_taken_over_confirms_nothing_of_a_product() -> None:
    for profile in PROFILES.values():
        assert all(source.confirmed != bool(profile.imitates) for source in profile.taken_over.values()), profile.name
    captured, later = (PROFILES[name].sources["empty_content"] for name in ("ndes-2012r2", "ndes-2016"))
    assert (captured.text, captured.by) == (later.text, later.by)
    assert (captured.base, captured.confirmed, later.base, later.confirmed) == ("", True, "ndes-2012r2", False)
    assert str(later) == "F-E06: certnanny/sscep#59, a reply decoded (capture, for ndes-2012r2; unconfirmed)"


def test_evidence_is_of_the_profile_that_states_it() -> None:
    def read(name: str, values: str, more: str = "") -> CaProfile:
        text = f"format: 1\nname: {name}\nsummary: s\n{more}values: {{{values}}}\n"
        known[name] = read_profile(load_text(text, name), known)
        return known[name]

    known: dict[str, CaProfile] = {}
    seen, post = "{value: 405, source: seen, by: run}", "{value: empty-200, source: seen, by: run}"
    read("ours", f"post: {post}, server: {{value: x, source: s, by: chosen}}")
    assert all(source.confirmed for source in read("also-ours", "", "base: ours\n").sources.values())
    product = read(
        "product", f"server: {{value: y, source: s, by: run}}, unreadable_status: {seen}", "base: ours\nimitates: P 1\n"
    )
    assert {name: (s.base, s.confirmed) for name, s in product.sources.items()} == {
        "post": ("ours", False), "server": ("", True), "unreadable_status": ("", True),
    }  # fmt: skip
    later = read("later", f"post: {post}", "base: product\nimitates: P 2\n")
    assert {name: (s.base, s.confirmed) for name, s in later.sources.items()} == {
        "post": ("", True), "server": ("product", False), "unreadable_status": ("product", False),
    }  # fmt: skip
    # Not even a shape of our own can make that true again.
    assert not read("mixed", "", "base: later\n").sources["server"].confirmed
    assert "server" not in later.unsaid
    assert "tolerance" in later.unsaid


def test_mistakes_of_a_file_have_places() -> None:
    text = (
        "format: 1\nname: x\nsummary: y\nunlike: all\nbase: rfc9\nvalues:\n  post: {value: maybe, source: s, by: heard}\n"
        "  pots: {value: served, source: s, by: run}\n  reply_cipher: {value: rot13, source: s, by: run}\n  ra: {value: none}\n"
    )
    with pytest.raises(DocumentError) as caught:
        read_profile(load_text(text, "x.yaml"), PROFILES)
    told = str(caught.value)
    for part in ("x.yaml:4:9: unlike has to be a map", "x.yaml:5:7: base", "x.yaml:7:17: post has to be", "by has to be", "did you mean 'post'?",
                 "reply_cipher has to be", "x.yaml:10:7: "):  # fmt: skip
        assert part in told


# --- micromdm, element by element -------------------------------------------------------------------------

_OTHER = re.compile(
    r"issuer\[|subject\[|issuer\b|serialNumber|validity|subjectPublicKey$|KeyIdentifier|signature$|messageDigest"
    r"|Nonce|transactionID|signingTime|encryptedKey|encryptedContent$|contentEncryptionAlgorithm.parameters|subject$"
)  # what differs from CA to CA and from message to message, whoever made it


def _shape(octets: bytes) -> list[tuple[str, str]]:
    """The elements in order, with what cannot be the same left out of the values but not of the list."""
    found = []
    for leaf in elements.leaves(octets):
        if re.search(r"(issuer|subject)\[", leaf.path):
            continue  # names of any length
        kind = leaf.text.split(" ")[0]
        found.append((leaf.path, kind if _OTHER.search(leaf.path) else leaf.text))
    with contextlib.suppress(DecodeError):  # only messages have notes: constructed instead of primitive, and such
        found.extend((note.requirement, f"{note.path}: {note.text}") for note in messages.decode(octets).notes)
    return found


@pytest.fixture
def micromdm(make_ca, make_client):
    """Our micromdm-2.1, and a client with micromdm's own habits."""
    ca = make_ca(profile="micromdm-2.1")
    client = make_client(ca)
    return ca, client


def test_its_capabilities_are_octet_for_octet_the_captured_ones(micromdm) -> None:
    ca, _ = micromdm
    assert ca.get("/scep?operation=GetCACaps").body == (VECTORS / "getcacaps-reply.txt").read_bytes()


def test_its_ca_certificate_has_the_captured_elements(micromdm) -> None:
    ca, _ = micromdm
    ours = ca.get("/scep?operation=GetCACert")
    assert ours.headers["content-type"] == "application/x-x509-ca-cert"
    assert sorted(_shape(ours.body)) == sorted(_shape((VECTORS / "getcacert-reply.der").read_bytes()))


def test_its_success_has_the_captured_elements_outside_and_inside(micromdm) -> None:
    _, client = micromdm
    ours = client.enrol(**WEAK)
    theirs = (VECTORS / "certrep-success.der").read_bytes()
    key = read_key(VECTORS / "client-key.pem")
    assert sorted(_shape(ours.body)) == sorted(_shape(theirs))
    inside = messages.open_envelope(messages.decode(theirs), key)
    assert _shape(client.open(ours)) == _shape(inside)


def test_its_failure_has_the_captured_elements(micromdm) -> None:
    _, client = micromdm
    ours = client.enrol("wrong", **WEAK)
    assert sorted(_shape(ours.body)) == sorted(_shape((VECTORS / "certrep-failure.der").read_bytes()))


@pytest.mark.parametrize("field", [
    "signing_time", "sender_nonce", "empty_content", "signature_name", "digest_parameters", "transport_parameters",
    "constructed_ciphertext", "bag_empty_crls", "outer_certificates", "ca_key_usage", "issued_purposes",
    "issued_basic_constraints", "reply_cipher_for_weak", "reply_digest", "fail_info_text", "ca_in_reply",
])  # fmt: skip
def test_the_comparison_sees_each_value_that_is_set_otherwise(make_ca, make_client, field: str) -> None:
    plain = PROFILES["rfc8894"]
    other = {"reply_digest": "sha256"}.get(field, getattr(plain, field))
    ca = make_ca(profile="micromdm-2.1", **{field: other})
    client = make_client(ca)
    success = client.enrol(**WEAK)
    key = read_key(VECTORS / "client-key.pem")
    theirs = (VECTORS / "certrep-success.der").read_bytes()
    nonces = success.message.sender_nonce == success.message.recipient_nonce
    same = [
        nonces,
        sorted(_shape(success.body)) == sorted(_shape(theirs)),
        _shape(client.open(success)) == _shape(messages.open_envelope(messages.decode(theirs), key)),
        sorted(_shape(client.enrol("wrong", **WEAK, transaction_id="w").body))
        == sorted(_shape((VECTORS / "certrep-failure.der").read_bytes())),
        sorted(_shape(ca.get("/scep?operation=GetCACert").body))
        == sorted(_shape((VECTORS / "getcacert-reply.der").read_bytes())),
    ]
    assert not all(same)


def test_what_it_does_not_know_is_http_500_with_text(micromdm, make_client) -> None:
    ca, client = micromdm
    client.enrol()
    certificate = client.certificate
    asked = messages.issuer_and_serial(certificate.issuer, certificate.serial)
    for reply in (client.poll(), client.send(MessageType.GET_CERT, asked), client.send(MessageType.GET_CRL, asked)):
        assert (reply.status, reply.headers["content-type"]) == (500, "text/plain; charset=utf-8")
    assert ca.decisions[-1] == "HTTP 500 for FAILURE badRequest: GetCRL is not supported"
    assert ca.get("/scep?operation=GetCARoots").status == 500
    assert ca.get("/other?operation=GetCACaps").status == 404
    other = make_client(ca, "other.example", 2)
    assert other.send(18, other.csr()).words == "SUCCESS"


def test_forms_that_micromdm_cannot_read(micromdm) -> None:
    ca, client = micromdm
    ber = client.send(19, client.csr(), oddities=messages.Oddities(ber=True))
    assert (ber.status, "an odd form: SCEP-3-04 " in ca.decisions[-1]) == (500, True)
    oaep = client.send(19, client.csr(), oddities=messages.Oddities(key_transport=KeyTransport("oaep")))
    assert (oaep.status, "an odd form: SCEP-3.1-03 " in ca.decisions[-1]) == (500, True)


def test_forms_are_refused_by_requirements_that_exist() -> None:
    forms = {form for profile in PROFILES.values() for form in profile.refuse_forms}
    assert forms
    assert forms <= requirements().keys()


def test_a_replay_is_issued_again_unless_the_name_has_a_certificate_for_long(micromdm) -> None:
    ca, client = micromdm
    octets = client.csr()
    assert client.keep(client.send(19, octets)).words == "SUCCESS"
    assert client.certificate.serial == 2
    assert client.send(19, octets).words == "badRequest: None"
    assert ca.decisions[-1].endswith("already has a certificate")
    ca.clock.move_to(client.certificate.not_after - timedelta(days=14))
    assert client.keep(client.send(19, octets)).words == "SUCCESS"
    assert client.certificate.serial == 3


# --- step-ca, element by element ----------------------------------------------------------------------------

STEP_CA = VECTORS.parent / "step-ca"
PROVISIONER = "1.3.6.1.4.1.37476.9000.64.1"


@pytest.fixture
def step_ca(make_ca, make_client):
    ca = make_ca(profile="step-ca")
    return ca, make_client(ca)


def _apart(theirs: bytes, ours: bytes) -> tuple[set[str], set[str]]:
    """Paths that only theirs has or has otherwise, and those that only ours."""
    a, b = Counter(_shape(theirs)), Counter(_shape(ours))
    return {path for path, _ in a - b}, {path for path, _ in b - a}


def test_step_ca_s_capabilities_are_octet_for_octet_the_captured_ones(step_ca) -> None:
    ca, _ = step_ca
    assert ca.get("/scep/prov?operation=GetCACaps").body == (STEP_CA / "getcacaps-reply.txt").read_bytes()


@pytest.mark.parametrize(("file", "asked"), [
    ("pkcsreq.der", ("sha1", "des-cbc")), ("pkcsreq-3des.der", ("sha256", "des-ede3-cbc")),
])  # fmt: skip
def test_what_step_ca_was_asked(file: str, asked: tuple[str, str]) -> None:
    message = messages.decode((STEP_CA / file).read_bytes())
    message.verify(message.signer())
    assert (message.digest, message.envelope.cipher) == asked
    data = messages.open_envelope(message, read_key(STEP_CA / "ca-key.pem"))
    assert Csr.from_der(data).subject_text == "CN=printer-1.example"


@pytest.mark.parametrize(("file", "key", "asked"), [
    ("certrep-success.der", "client-key.pem", WEAK),
    ("certrep-to-3des.der", "client-3des-key.pem", {"cipher": "des-ede3-cbc", "digest": "sha256"}),
])  # fmt: skip
def test_step_ca_s_success_has_the_captured_elements(step_ca, file: str, key: str, asked: dict[str, object]) -> None:
    _, client = step_ca
    ours, theirs = client.enrol(**asked), (STEP_CA / file).read_bytes()
    extensions, of_issued = "tbsCertificate.extensions", "certificates[0].tbsCertificate.extensions"
    only_theirs = {f"{of_issued}.subjectAltName", f"{of_issued}.{PROVISIONER}"}  # said in the profile
    of_ca = {f"certificates[1].{extensions}.{which}" for which in ("basicConstraints", "authorityKeyIdentifier")}
    assert _apart(theirs, ours.body) == (only_theirs | of_ca, {f"certificates[1].{extensions}.basicConstraints"})
    inside = messages.open_envelope(messages.decode(theirs), read_key(STEP_CA / key))
    assert _apart(inside, client.open(ours)) == (only_theirs, set())


def test_step_ca_s_failure_has_the_captured_elements(step_ca) -> None:
    _, client = step_ca
    text, extensions = "signerInfos[0].signedAttrs.failInfoText", "certificates[0].tbsCertificate.extensions"
    theirs, ours = (STEP_CA / "certrep-failure.der").read_bytes(), client.enrol("wrong", **WEAK).body
    of_ca = {f"{extensions}.basicConstraints", f"{extensions}.authorityKeyIdentifier"}
    assert _apart(theirs, ours) == ({text, *of_ca}, {text, f"{extensions}.basicConstraints"})
    kinds = [next(leaf.text for leaf in elements.leaves(octets) if leaf.path == text) for octets in (theirs, ours)]
    assert [kind.partition(" ")[0] for kind in kinds] == ["PrintableString", "PrintableString"]


def test_step_ca_begins_a_certificate_a_minute_ago(step_ca) -> None:
    _, client = step_ca
    ours = client.enrol()
    theirs = messages.decode((STEP_CA / "certrep-success.der").read_bytes())
    for message in (theirs, ours.message):
        issued = message.certificates[0]
        assert message.signing_time - issued.not_before == timedelta(minutes=1)


# --- the others -------------------------------------------------------------------------------------------


def test_ndes_2016(make_ca, make_client) -> None:
    profile = PROFILES["ndes-2016"]
    ca = make_ca(profile="ndes-2016", ra=profile.ra)
    client = make_client(ca)
    caps = ca.get("/certsrv/mscep/mscep.dll?operation=GetCACaps")
    assert caps.body.split() == [b"POSTPKIOperation", b"Renewal", b"SHA-512", b"SHA-256", b"SHA-1", b"DES3"]
    assert caps.headers["server"] == "Microsoft-IIS/10.0"
    bag = ca.get("/?operation=GetCACert")
    usages = [c.key_usage for c in messages.read_ca_certificates(bag.body, bag.headers["content-type"])[0][1:]]
    assert usages == [{"digitalSignature"}, {"keyEncipherment"}]
    refused = client.enrol("wrong")
    message = refused.message
    assert (message.digest, message.certificates, message.fail_info_text) == ("sha1", (), None)
    assert message.signed_data.content == b"\x00"
    assert message.signed_data.attributes[NDES_RESULT][0].to_text() == "-2147024809"
    assert client.enrol().words == "SUCCESS"
    first = client.certificate
    kept = client.renewed(same_key=True)
    kept.enrol(None)
    assert kept.certificate.der == first.der  # F-W04
    assert client.poll().words == "SUCCESS"
    asked = messages.issuer_and_serial(first.issuer, first.serial)
    assert client.send(MessageType.GET_CERT, asked).message.fail_info == 2


def test_ndes_2012r2_answers_a_post_with_an_empty_200_and_aes_with_oaep(make_ca, make_client) -> None:
    ca = make_ca(profile="ndes-2012r2", ra="split")
    client = make_client(ca)
    posted = client.send(19, client.csr())
    assert (posted.status, posted.body) == (200, b"")
    octets = client.message(19, client.csr())
    reply = ca.ask(scep_request("/certsrv/mscep/mscep.dll", Operation.PKI_OPERATION, octets))
    (recipient,) = reply.message.envelope.recipients
    assert recipient.transport.padding().__class__.__name__ == "OAEP"
    assert client.certificates(reply)[0].spki == x509.spki_of(client.key)


def test_ndes_2008r2_closes_the_connection_on_get_ca_caps(make_ca) -> None:
    ca = make_ca(profile="ndes-2008r2", ra="split")
    delivery = ca.service.handle(HttpRequest("GET", "/?operation=GetCACaps"), "192.0.2.1")
    assert delivery.octets == b""
    assert [type(act).__name__ for act in delivery.acts] == ["Close"]
    assert ca.decisions == ["the connection is closed, as in this product"]


def test_step_ca(make_ca, make_client) -> None:
    ca = make_ca(profile="step-ca")
    client = make_client(ca)
    assert client.enrol("wrong").words == "badRequest: the challenge password is wrong"
    assert client.enrol().words == "SUCCESS"
    assert (
        client.renewed().enrol(None, kind=MessageType.RENEWAL_REQ).words
        == "badRequest: a challenge password is required"
    )
    stranger = make_client(ca, "stranger.example", 5)  # the old certificate is not examined
    assert stranger.enrol("s3cret", kind=MessageType.RENEWAL_REQ).words == "SUCCESS"
    assert client.send(18, client.csr(), transaction_id="u").status == 500
    assert client.poll().status == 500
    short = client.send(19, _csr_with(client, 1024), transaction_id="v")
    assert short.words == "badRequest: an RSA key of 1024 bits; at least 2048 are required"


@pytest.mark.parametrize("name", ["micromdm-2.1", "step-ca"])
def test_what_those_two_cannot_read_is_http_500(make_ca, make_client, name: str) -> None:
    ca = make_ca(profile=name)
    client = make_client(ca)
    assert client.send(19, b"garbage").status == 500
    assert ca.decisions[-1].startswith("HTTP 500 for FAILURE badRequest: the messageData is wrong: ")
    assert client.send(19, client.csr(), oddities=messages.Oddities(omit=frozenset({"senderNonce"}))).status == 500
    assert ca.decisions[-1] == "HTTP 500 for FAILURE badMessageCheck: senderNonce is missing"
    late = ca.clock.now() + timedelta(days=4000)
    assert client.send(19, client.csr(), signing_time=late).status == 500
    assert ca.decisions[-1].endswith("badTime: signingTime is outside the validity of the signer's certificate")
    assert client.send(19, client.csr(), transaction_id="z", signing_time=ca.clock.now()).words == "SUCCESS"
    assert ca.get("/scep?operation=GetNextCACert").status == 500
    assert client.send(19, client.csr(), digest="md5", oddities=messages.Oddities(md5=True)).status == 500
    assert ca.decisions[-1] == "HTTP 500 for FAILURE badAlg: md5 is refused"


def test_legacy_md5_des(make_ca, make_client) -> None:
    ca = make_ca(profile="legacy-md5-des")
    client = make_client(ca)
    assert ca.get("/?operation=GetCACaps").status == 404
    assert client.send(19, client.csr()).status == 405
    octets = client.message(19, client.csr(), oddities=messages.Oddities(single_des=True, md5=True))
    reply = ca.ask(scep_request("/", Operation.PKI_OPERATION, octets))
    assert (reply.words, reply.message.digest, reply.message.envelope.cipher) == ("SUCCESS", "md5", "des-cbc")
    assert Certificate.from_der(client.certificates(reply)[0].der).subject == client.subject


def test_strict(make_ca, make_client) -> None:
    ca = make_ca(profile="strict")
    client = make_client(ca)
    assert client.enrol(cipher="des-ede3-cbc").words == "badAlg: des-ede3-cbc is refused"
    assert client.enrol(digest="sha256").words == "SUCCESS"
    assert len(client.certificates(client.enrol())) == 1
    sha1 = client.message(19, client.csr(), transaction_id="u", digest="sha1")
    posted = ca.ask(scep_request("/", Operation.PKI_OPERATION, sha1, method="POST"))
    assert posted.words == "badAlg: sha1 is refused"
    short = client.send(19, _csr_with(client, 1024), transaction_id="v")
    assert short.words == "badAlg: an RSA key of 1024 bits; at least 2048 are required"
    assert client.renewed().enrol(None).words == "badRequest: a challenge password is required"
    for operation in ("GetCACert", "GetCACaps", "GetNextCACert"):  # RFC 8894, 4.1: a GET may have a message
        bare, named = (ca.get(f"/?operation={operation}{more}") for more in ("", "&message=0"))
        assert (named.status, named.body) == (bare.status, bare.body)
        assert bare.status == (404 if operation == "GetNextCACert" else 200)
    plain = scep_request("/", Operation.PKI_OPERATION, sha1)
    odd = replace(plain, target=plain.target.replace("%2B", "-").replace("%2F", "_"))
    refused = ca.ask(odd)
    assert refused.status == 400
    assert b"SCEP-4.1-09 message: base64url instead of base64" in refused.body
    ber = client.send(19, client.csr(), transaction_id="w", oddities=messages.Oddities(ber=True))
    assert ber.words.startswith("badMessageCheck: an odd form: ")
    assert make_client(make_ca()).enrol(oddities=messages.Oddities(ber=True)).words == "SUCCESS"


def _csr_with(client, bits: int) -> bytes:
    from mfp_sim.shared.scep import csr as csrs

    return csrs.build(client.keys.rsa(bits), subject=client.subject, challenge="s3cret")


def test_mitm_is_another_ca_and_cares_for_no_challenge(make_ca, make_client) -> None:
    ca = make_ca(profile="mitm")
    client = make_client(ca)
    assert ca.service.authority.issuer.certificate.common_name == "Mock interception CA (tests only)"
    assert client.enrol("wrong").words == "SUCCESS"
    assert "wrong" not in str([entry.to_json() for entry in ca.service.journal.entries])
    stranger = make_client(ca, "stranger.example", 5)
    assert stranger.enrol(None, kind=MessageType.RENEWAL_REQ).words == "SUCCESS"


def test_a_csr_whose_signature_is_wrong(make_ca, make_client) -> None:
    for name, words in (
        ("rfc8894", "badRequest: the signature of the CSR does not verify (sha256)"),
        ("micromdm-2.1", "SUCCESS"),
        ("step-ca", "HTTP 500"),
    ):
        ca = make_ca(profile=name)
        client = make_client(ca)
        octets = bytearray(client.csr())
        octets[-1] ^= 1
        Csr.from_der(bytes(octets))
        reply = client.send(19, bytes(octets))
        assert (reply.words if reply.status == 200 else f"HTTP {reply.status}") == words


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ("issued_purposes: ['']", "an object identifier such as 1.3.6.1.5.5.7.3.1, not ''"),
        ("issued_purposes: ['3.1']", "an object identifier such as 1.3.6.1.5.5.7.3.1, not '3.1'"),
        ("issued_purposes: ['1.40']", "an object identifier such as 1.3.6.1.5.5.7.3.1, not '1.40'"),
        ("refuse_forms: [SCEP-3-4]", "SCEP-2.1.1-03, not 'SCEP-3-4' (did you mean 'SCEP-3-04'?)"),
        (
            r'capabilities: ["AES\nRenewal"]',
            r"printable ASCII without blanks, at most 100 characters, not 'AES\nRenewal'",
        ),
    ],
)
def test_a_value_that_would_fail_later_or_never_act_is_refused(values: str, said: str) -> None:
    """The first made the CA crash at its first certificate, the fourth was never compared with anything."""
    problems = Problems()
    read_ca(load_text(values, "ca.yaml"), problems)
    (problem,) = problems.found
    assert said in str(problem)
