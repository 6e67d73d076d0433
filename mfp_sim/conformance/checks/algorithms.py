"""Ciphers, digests and key transport: what must work, what must not, and what replies use. RFC 8894, 2.9, 3.5.2."""

from __future__ import annotations

from collections.abc import Iterator

from mfp_sim.conformance.answers import Answer
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.facts import answered, fact, processed, refusal, refused
from mfp_sim.conformance.model import CheckVerdict, Fact, Gain, Proof
from mfp_sim.conformance.outcomes import Inconclusive, NotApplicable
from mfp_sim.conformance.registry import check
from mfp_sim.shared.scep.algorithms import KeyTransport
from mfp_sim.shared.scep.messages import Oddities
from mfp_sim.shared.scep.vocabulary import FailInfo

STRONG = {"aes-128-cbc", "aes-192-cbc", "aes-256-cbc"}
SHA2 = {"sha256", "sha384", "sha512"}


def _standard(session: Client) -> Answer:
    """The answer to a request with AES-128 and SHA-256, made once."""
    control = session.granted()
    if (control.order.cipher, control.order.digest) == ("aes-128-cbc", "sha256"):
        return control
    return session.sample(
        "AES-128 and SHA-256", lambda: session.ask(session.order(cipher="aes-128-cbc", digest="sha256"))
    )


@check(
    "aes-128-request",
    "A request enveloped with AES-128-CBC is processed",
    "SCEP-2.9-05",
    why="AES-128-CBC is the one cipher that every implementation must support.",
    field_failures=("F-N10", "F-A03"),
    proofs=(Proof("not-processed", ca={"refuse_ciphers": frozenset({"aes-128-cbc", "des-cbc"})}),),
)
def aes_request(session: Client) -> Iterator[Fact]:
    yield processed(_standard(session), "an AES-128-CBC request")


@check(
    "aes-128-reply",
    "The reply to an AES-128-CBC request is enveloped with AES",
    "SCEP-3.5.2-18",
    "SCEP-3.5.2-19",
    "SCEP-2.9-05",
    why="A client that uses AES may support nothing weaker; OpenSSL 3 and RHEL 9 no longer decrypt single DES.",
    field_failures=("F-A05", "F-A06", "F-A07"),
    proofs=(Proof("weaker-cipher", "reply-downgrade"), Proof("weaker-cipher", "certrep-des")),
)
def aes_reply(session: Client) -> Iterator[Fact]:
    answer = _standard(session)
    if answer.envelope is None:
        raise Inconclusive(f"the reply has no envelope: {answer.text}")
    cipher = answer.envelope.cipher
    yield fact(
        "weaker-cipher",
        cipher in STRONG,
        "AES",
        cipher,
        answer,
        element="encryptedContentInfo.contentEncryptionAlgorithm",
        mistake="the server always uses the CMS library's default cipher (single DES in Go's pkcs7)",
    )


@check(
    "sha-256-request",
    "A request signed with SHA-256 is processed",
    "SCEP-2.9-06",
    why="SHA-256 is the one digest that every implementation must support.",
    proofs=(Proof("not-processed", ca={"refuse_digests": frozenset({"sha256", "md5"})}),),
)
def sha256_request(session: Client) -> Iterator[Fact]:
    yield processed(_standard(session), "a SHA-256 request")


@check(
    "sha-256-reply",
    "The reply to a SHA-256 request is signed with SHA-2",
    "SCEP-3.5.2-18",
    "SCEP-3.5.2-19",
    "SCEP-2.9-06",
    why="Modern crypto policies refuse SHA-1 signatures.",
    field_failures=("F-A01",),
    proofs=(Proof("weaker-digest", "reply-downgrade"),),
)
def sha256_reply(session: Client) -> Iterator[Fact]:
    answer = _standard(session)
    if answer.signed is None:
        raise Inconclusive(f"the reply is not a CertRep: {answer.text}")
    digest = answer.signed.digest
    yield fact(
        "weaker-digest",
        digest in SHA2,
        "SHA-256",
        digest,
        answer,
        element="signerInfos[0].digestAlgorithm",
        mistake="the server always uses the CMS library's default digest",
    )


@check(
    "reply-algorithms-common",
    "Replies use AES-128-CBC and SHA-256",
    "SCEP-3.5.2-18",
    why="CMS allows other AES and SHA-2 variants, but many clients do not support them.",
    field_failures=("F-A01", "F-N10"),
    proofs=(Proof("uncommon", "certrep-aes256"), Proof("uncommon", "certrep-sha512")),
)
def common(session: Client) -> Iterator[Fact]:
    answer = _standard(session)
    if answer.envelope is None or answer.signed is None:
        raise Inconclusive(f"the reply has no envelope: {answer.text}")
    used = (answer.envelope.cipher, answer.signed.digest)
    uncommon = used[0] in STRONG - {"aes-128-cbc"} or used[1] in SHA2 - {"sha256"}
    yield fact("uncommon", not uncommon, "aes-128-cbc and sha256", " and ".join(used), answer)


@check(
    "single-des-refused",
    "A request enveloped with single DES is refused",
    "SCEP-2.9-09",
    "SCEP-3.2.1.4-02",
    why="A 56-bit key does not protect the challenge password.",
    field_failures=("F-A02", "F-A06"),
    negative=True,
    tags=("security",),
    gain=Gain.NOTHING,
    proofs=(Proof("granted", profile="lenient"),),
)
def des_request(session: Client) -> Iterator[Fact]:
    yield from refused(
        session,
        "single DES",
        FailInfo.BAD_ALG,
        oddities=Oddities(single_des=True),
        mistake="the server does not compare the cipher of a request with its advertised capabilities",
    )


@check(
    "single-des-never",
    "No reply is enveloped with single DES",
    "SCEP-2.9-09",
    why="Clients that use OpenSSL 3 or FIPS mode cannot decrypt it, and it is not secure.",
    field_failures=("F-A05", "F-A06"),
    tags=("security",),
    proofs=(Proof("single-des", "certrep-des"),),
)
def des_reply(session: Client) -> Iterator[Fact]:
    answer = session.granted()
    if answer.envelope is None:
        raise Inconclusive(f"the reply has no envelope: {answer.text}")
    cipher = answer.envelope.cipher
    yield fact(
        "single-des",
        cipher != "des-cbc",
        "AES or 3DES",
        cipher,
        answer,
        element="encryptedContentInfo.contentEncryptionAlgorithm",
        mistake="the CMS library's default cipher is single DES, and the server does not set another",
    )


@check(
    "md5-refused",
    "A request signed with MD5 is refused",
    "SCEP-2.9-10",
    "SCEP-3.2.1.4-02",
    why="MD5 collisions are cheap to compute.",
    field_failures=("F-A02",),
    negative=True,
    tags=("security",),
    gain=Gain.NOTHING,
    proofs=(Proof("granted", profile="lenient"),),
)
def md5_request(session: Client) -> Iterator[Fact]:
    yield from refused(session, "MD5", FailInfo.BAD_ALG, FailInfo.BAD_MESSAGE_CHECK, oddities=Oddities(md5=True))


@check(
    "md5-never",
    "No reply is signed with MD5",
    "SCEP-2.9-10",
    why="A client that accepts MD5 accepts forged replies.",
    tags=("security",),
    proofs=(Proof("md5", "certrep-md5"),),
)
def md5_reply(session: Client) -> Iterator[Fact]:
    answer = session.granted()
    if answer.signed is None:
        raise Inconclusive(f"the reply is not a CertRep: {answer.text}")
    yield fact(
        "md5",
        answer.signed.digest != "md5",
        "SHA-256",
        answer.signed.digest,
        answer,
        element="signerInfos[0].digestAlgorithm",
    )


@check(
    "weak-only-if-advertised",
    "3DES and SHA-1 are accepted only if they are advertised",
    "SCEP-2.9-08",
    why="A server should not accept an algorithm that it does not advertise.",
    cost=1,
    negative=True,
    proofs=(Proof("not-advertised", ca={"capabilities": ("AES", "SHA-256", "POSTPKIOperation", "SCEPStandard")}),),
)
def weak(session: Client) -> Iterator[Fact]:
    caps = session.capabilities
    if caps.has("DES3") and caps.has("SHA-1"):
        raise NotApplicable("both are advertised")
    if caps.cipher == "des-ede3-cbc" and caps.digest == "sha1":
        raise NotApplicable("nothing better is advertised")
    answer = session.ask(session.order(cipher="des-ede3-cbc", digest="sha1"))
    yield from refusal(
        answer, "3DES with SHA-1, which is not advertised", FailInfo.BAD_ALG, parking=True, slug="not-advertised"
    )


@check(
    "weak-mirrored",
    "A client that supports only 3DES and SHA-1 can read the reply",
    "SCEP-3.5.2-19",
    why="If the reply uses an algorithm that the client does not support, the certificate is lost.",
    field_failures=("F-A01", "F-A03"),
    cost=1,
    proofs=(Proof("upgraded", "reply-upgrade"),),
)
def mirrored(session: Client) -> Iterator[Fact]:
    session.need("DES3")
    session.need("SHA-1")
    answer = session.enrol(cipher="des-ede3-cbc", digest="sha1")
    assert answer.signed is not None
    cipher = answer.envelope.cipher if answer.envelope else "no envelope"
    used = (cipher, answer.signed.digest)
    yield fact(
        "upgraded",
        used == ("des-ede3-cbc", "sha1"),
        "des-ede3-cbc and sha1, as in the request",
        " and ".join(used),
        answer,
    )


@check(
    "oaep-request",
    "Key transport by OAEP is processed or refused as badAlg",
    "SCEP-3.1-03",
    why="Windows clients use OAEP if the CA's certificate allows it.",
    field_failures=("F-E14",),
    cost=1,
    negative=True,
    proofs=(Proof("crash", defects=("crashes-on-oaep",)),),
)
def oaep(session: Client) -> Iterator[Fact]:
    transport = KeyTransport(scheme="oaep")
    answer = session.ask(session.order(oddities=Oddities(key_transport=transport), wrong=True))
    clean = answer.taken or (answer.refused and answer.fail_info in (0, 1))
    yield answered("crash", clean, "SUCCESS, or FAILURE badAlg", answer, what="key transport by OAEP")


@check(
    "gcm-request",
    "An unknown kind of envelope is refused cleanly",
    "SCEP-3.2.1.4-02",
    why="Newer libraries may one day write AuthEnvelopedData by default.",
    negative=True,
    proofs=(Proof("crash", defects=("crashes-on-garbage",)),),
)
def gcm(session: Client) -> Iterator[Fact]:
    answer = session.ask(session.order(oddities=Oddities(gcm=True), wrong=True), expect_refusal=False)
    clean = answer.granted or answer.refused or answer.exchange.client_error
    yield answered("crash", clean, "FAILURE badAlg, or HTTP 4xx", answer, what="an unknown kind of envelope")


@check(
    "ec-client",
    "A client with an EC key gets an encrypted reply or a clean refusal",
    "SCEP-3.1-04",
    "SCEP-3.1-05",
    why="An EC key cannot decrypt. For this case, the RFC defines a password recipient; an unencrypted reply is wrong.",
    field_failures=("F-A10", "F-A11"),
    cost=1,
    negative=True,
    proofs=(Proof("crash", defects=("crashes-on-ec",)),),
)
def ec_client(session: Client) -> Iterator[Fact]:
    key, subject = session.keys.ec(256), session.subject()
    signer = session.self_signed(key, subject)  # regardless of the key that the persona signs with
    answer = session.ask(session.order(key=key, subject=subject, signer=signer, wrong=True))
    expected = "a CertRep: SUCCESS with a password recipient, or FAILURE badAlg"
    yield answered("crash", answer.decided, expected, answer, what="a client with an EC key")
    if answer.granted:
        encrypted = answer.envelope is not None and bool(answer.envelope.password_recipients)
        got = "a password recipient" if encrypted else "no password recipient"
        yield fact(
            "not-encrypted",
            encrypted,
            "a PasswordRecipientInfo",
            got,
            answer,
            requirement="SCEP-3.1-05",
            at_most=CheckVerdict.WARN,
        )
