"""The payload of a SUCCESS: the certificates-only SignedData and the certificate in it. RFC 8894, 3.3.2 and 3.4."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import timedelta
from functools import partial
from typing import Any

from mfp_sim.conformance.answers import Answer
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.facts import fact
from mfp_sim.conformance.linting import names_alike, signed_by
from mfp_sim.conformance.model import CheckVerdict, Fact, Proof
from mfp_sim.conformance.outcomes import Inconclusive
from mfp_sim.conformance.renewals import renewals
from mfp_sim.conformance.watching import over, watch
from mfp_sim.shared.errors import DecodeError
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.algorithms import DIGEST_OF_SIGNATURE
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.csr import Csr
from mfp_sim.shared.scep.vocabulary import MessageType

watch_here = partial(watch, __name__)
_ENROLS = (MessageType.PKCS_REQ, MessageType.RENEWAL_REQ, MessageType.CERT_POLL)


def _delivers(answer: Answer) -> bool:
    """A SUCCESS whose envelope opened; another check judges whether it opens."""
    return answer.granted and answer.payload.plain is not None and answer.order.message_type in _ENROLS


def _bagged(answer: Answer) -> bool:
    return _delivers(answer) and answer.payload.bag is not None


def _with_issued(answer: Answer) -> bool:
    return _bagged(answer) and answer.issued is not None


def _empty(answer: Answer) -> bool:
    """A SUCCESS with nothing in it, not even an envelope."""
    return answer.granted and answer.signed is not None and not answer.signed.content


def _bag(_: Client, answer: Answer) -> str | None:
    return None if answer.payload.bag is not None else answer.payload.problem


watch_here(
    "payload-is-bag",
    "The envelope of a SUCCESS contains a certificates-only SignedData",
    "SCEP-3.3.2-01",
    "SCEP-3.2.2-02",
    judge=over("no-bag", "a degenerate SignedData", _bag, only=_delivers, element="messageData"),
    why="Devices load the payload as PKCS#7; they cannot read a bare certificate or PEM.",
    field_failures=("F-A11", "F-R15"),
    proofs=(Proof("no-bag", "certrep-raw-cert"), Proof("no-bag", "certrep-pem-inside")),
)


def _bag_notes(*ids: str) -> Callable[[Client, Answer], str | None]:
    def rule(_: Client, answer: Answer) -> str | None:
        assert answer.payload.bag is not None
        wrong = [f"{note.path}: {note.text}" for note in answer.payload.bag.notes if note.requirement in ids]
        return "; ".join(wrong) or None

    return rule


for _id, _title, _ids, _slug, _expected, _faults, _why in (
    ("payload-no-content", "The certificates-only SignedData has no content", ("SCEP-3.4-01",), "content",
     "encapContentInfo of type data without eContent", ("degenerate-with-content",),
     "Readers that verify content find content without a signature."),
    ("payload-no-signers", "The certificates-only SignedData has no signers", ("SCEP-3.4-02",), "signed",
     "empty digestAlgorithms and signerInfos", ("degenerate-signed",), "Readers expect empty sets."),
    ("payload-members", "The certificates field contains only X.509 certificates", ("SCEP-3.4-03",), "others",
     "X.509 certificates only", ("degenerate-attrcert",), "Readers that support only X.509 stop at any other choice."),
    ("payload-empty-sets", "Unused fields are absent rather than empty", ("SCEP-3.4-05",), "empty-set",
     "no empty certificates or crls", ("degenerate-empty-sets",),
     "A strict reader refuses an empty SET in an optional field."),
    ("payload-no-trailing", "Nothing follows the certificates-only SignedData", ("SCEP-3.3.2-01",), "octets-after",
     "exactly one structure", (), "Strict readers refuse the payload if padding was not removed."),
):  # fmt: skip
    _notes = ("SCEP-3-05",) if _id == "payload-no-trailing" else _ids
    watch_here(
        _id,
        _title,
        *_ids,
        judge=over(_slug, _expected, _bag_notes(*_notes), only=_bagged, element="messageData"),
        why=_why,
        proofs=tuple(Proof(_slug, fault) for fault in _faults) or (Proof(_slug, defects=("octets-after-bag",)),),
    )


def _present(_: Client, answer: Answer) -> str | None:
    if answer.payload.plain is None:
        return "no messageData"
    count = len(answer.payload.certificates)
    return None if answer.issued is not None else f"{count} certificates, but not one for the key of the request"


for _id, _kinds, _requirement, _proofs in (
    ("issued-present", (MessageType.PKCS_REQ,), "SCEP-3.3.2.1-01", ("success-chain-only", "success-empty")),
    ("renewed-present", (MessageType.RENEWAL_REQ,), "SCEP-3.3.2.1-05", ("success-chain-only",)),
    ("polled-present", (MessageType.CERT_POLL,), "SCEP-3.3.2.1-06", ("success-chain-only",)),
):
    _types = {MessageType.PKCS_REQ: "PKCSReq", MessageType.RENEWAL_REQ: "RenewalReq", MessageType.CERT_POLL: "CertPoll"}

    def _of(kinds: tuple[MessageType, ...]) -> Callable[[Answer], bool]:
        return lambda answer: (_bagged(answer) or _empty(answer)) and answer.order.message_type in kinds

    def _samples(kind: MessageType, judge: Callable[[Client], Iterator[Fact]]) -> Callable[[Client], Iterator[Fact]]:
        def judged(session: Client) -> Iterator[Fact]:
            if kind is MessageType.CERT_POLL:
                session.sample("poll after success", lambda: session.ask(session.poll(session.granted().order)))
            if kind is MessageType.RENEWAL_REQ and session.capabilities.renewal and not session.policy.read_only:
                with suppress(Inconclusive):
                    renewals(session)
            yield from judge(session)

        return judged

    watch_here(
        _id,
        f"A SUCCESS to a {_types[_kinds[0]]} contains the issued certificate",
        _requirement,
        judge=_samples(
            _kinds[0],
            over(
                "no-issued",
                "a certificate for the CSR's key",
                _present,
                only=_of(_kinds),
                element="messageData",
                mistake="the reply has the chain without the leaf, or a leaf for another key",
            ),
        ),
        why="Without the certificate, the device reports success but has no certificate.",
        field_failures=("F-T04", "F-R15", "F-P07"),
        proofs=tuple(Proof("no-issued", fault, when=f"type: {_types[_kinds[0]]}") for fault in _proofs),
    )


def _leaf(_: Client, answer: Answer) -> str | None:
    issued, bag = answer.issued, answer.payload.certificates
    assert issued is not None
    below = [c for c in bag if c is not issued and c.was_issued_by(issued)]
    # An old version 1 root does not state that it is a CA; other certificates that name it as issuer show it.
    known = {issued.der, *(c.der for c in answer.trusted)}
    others = [c for c in bag if c.der not in known and not c.says_ca and not _names_issuer(bag, c)]
    if below:
        return f"the issued certificate signs {below[0].subject_text}"
    return f"a second end-entity certificate, {others[0].subject_text}" if others else None


def _names_issuer(bag: tuple[Certificate, ...], issuer: Certificate) -> bool:
    return any(c.issuer == issuer.subject for c in bag if c.der != issuer.der)


watch_here(
    "issued-is-leaf",
    "The issued certificate is the only leaf",
    "SCEP-3.3.2.1-03",
    judge=over(
        "second-leaf", "one end-entity certificate", _leaf, only=_with_issued, element="messageData.certificates"
    ),
    why="A client that installs the leaf, as the RFC specifies, may install the wrong one.",
    field_failures=("F-R02", "F-R03"),
    proofs=(Proof("second-leaf", "success-two-leaves"),),
)


def _relevant(_: Client, answer: Answer) -> str | None:
    """Further certificates must be issuers of the requested one."""
    needed, current = set(), answer.issued
    pool = [*answer.payload.certificates, *answer.trusted]
    for __ in range(10):
        if current is None:
            break
        needed.add(current.der)
        above = next((c for c in pool if c.subject == current.issuer and c.der != current.der), None)
        current = above if above is not None and above.der not in needed else None
    strangers = [c for c in answer.payload.certificates if c.der not in needed and c.says_ca]
    return f"{strangers[0].subject_text} is not in its chain" if strangers else None


watch_here(
    "issued-chain-relevant",
    "Further certificates in a SUCCESS belong to the issued certificate's chain",
    "SCEP-3.3.2.1-02",
    judge=over("stranger", "issuers of the certificate only", _relevant, only=_with_issued),
    why="Devices with little room for CA certificates store all that they get.",
    field_failures=("F-R14",),
    proofs=(Proof("stranger", "success-extra-certs"),),
)


def _key(_: Client, answer: Answer) -> str | None:
    if answer.issued is not None:
        return None
    return f"{answer.leaves[0].subject_text} is for another key"


watch_here(
    "issued-for-key",
    "The issued certificate is for the public key of the CSR",
    "SCEP-3.3.2.1-11",
    judge=over("other-key", "the CSR's public key", _key,
               only=lambda a: _bagged(a) and (a.issued is not None or bool(a.leaves)),
               element="messageData.certificates.subjectPublicKeyInfo"),
    why="The device cannot use a certificate for another key, and someone else may use it to impersonate the device.",
    field_failures=("F-K08",),
    tags=("security",),
    breaches=("other-key",),
    proofs=(Proof("other-key", "success-wrong-key"),),
)  # fmt: skip

watch_here(
    "issued-without-crl",
    "The reply to an enrolment contains no CRL",
    "SCEP-3.3.2.1-14",
    judge=over("crl", "no crls", lambda _, a: "a CRL" if a.payload.crls else None, only=_bagged),
    why="Some readers treat a reply with a CRL as a reply to GetCRL.",
    proofs=(Proof("crl", "success-with-crl"),),
)


def _issued_facts(
    slug: str,
    expected: str,
    rule: Callable[[Client, Certificate, Answer], str | None],
    *,
    only: Callable[[Certificate, Answer], bool] = lambda *_: True,
    **more: Any,
) -> Callable[[Client], Iterator[Fact]]:
    """Judge each issued certificate of the run once."""

    def judge(session: Client) -> Iterator[Fact]:
        for answer in session.cert_reps:
            if _bagged(answer) and answer.issued is not None and only(answer.issued, answer):
                wrong = rule(session, answer.issued, answer)
                yield fact(slug, wrong is None, expected, wrong or "as expected", answer, **(more if wrong else {}))

    return judge


def _named_issuers(certificate: Certificate, answer: Answer) -> tuple[list[Certificate], bool]:
    """The known certificates with the issuer's name, and whether one of them verifies the certificate."""
    pool = [c for c in (*answer.trusted, *answer.payload.certificates) if c.der != certificate.der]
    named = [c for c in pool if names_alike(c.subject, certificate.issuer)]
    return named, any(signed_by(certificate, c) for c in named)


def _by_known_ca(_: Client, certificate: Certificate, answer: Answer) -> str | None:
    named, _verified = _named_issuers(certificate, answer)
    return None if named else f"issued by {certificate.issuer_text}, whose certificate is missing"


def _verified(_: Client, certificate: Certificate, answer: Answer) -> str | None:
    named, verified = _named_issuers(certificate, answer)
    if verified or not named:
        return None
    return f"issued by {certificate.issuer_text}, but not signed with its key"


def _known_algorithm(certificate: Certificate, _: Answer) -> bool:
    return certificate.signature_oid in DIGEST_OF_SIGNATURE


_ISSUER: dict[str, Any] = {"element": "messageData.certificates", "only": _known_algorithm}
_ISSUED_BY = (
    _issued_facts("no-issuer", "issued by a known CA", _by_known_ca, **_ISSUER),
    _issued_facts("bad-signature", "signed with the key of the CA that it names as issuer", _verified, **_ISSUER),
)

watch_here(
    "issued-verifies",
    "The issued certificate verifies with a CA certificate from GetCACert or from the reply",
    "SCEP-3.3.2.1-16",
    "SCEP-2.2-03",
    judge=lambda session: (found for judge in _ISSUED_BY for found in judge(session)),
    why="Devices verify the chain before they install the certificate.",
    field_failures=("F-R08", "F-R17"),
    breaches=("bad-signature",),
    proofs=(Proof("bad-signature", "success-bad-cert-signature"), Proof("no-issuer", "success-foreign-issuer")),
)


def _valid(_: Client, certificate: Certificate, answer: Answer) -> str | None:
    delivered = answer.exchange.begun + timedelta(seconds=answer.exchange.seconds)
    if certificate.not_before <= delivered <= certificate.not_after:
        return None
    return f"valid from {certificate.not_before} to {certificate.not_after}"


watch_here(
    "issued-valid-now",
    "The issued certificate is valid at delivery",
    "SCEP-3.3.2.1-16",
    judge=_issued_facts("not-valid-now", "valid now", _valid),
    why="If notBefore is in the future, the device refuses the certificate and enrols again, which issues another one.",
    field_failures=("F-C03", "F-C04"),
    proofs=(Proof("not-valid-now", "success-future"), Proof("not-valid-now", "success-expired")),
)


def _subject(_: Client, certificate: Certificate, answer: Answer) -> str | None:
    return None if names_alike(certificate.subject, answer.order.subject) else f"for {certificate.subject_text}"


def _subject_encoding(_: Client, certificate: Certificate, answer: Answer) -> str | None:
    if certificate.subject == answer.order.subject or not names_alike(certificate.subject, answer.order.subject):
        return None
    return f"the same name in another encoding: {certificate.subject.hex()}"


_NAMED = (
    _issued_facts("other-subject", "the CSR's subject", _subject),
    _issued_facts("encoded-anew", "the subject as the CSR encodes it", _subject_encoding),
)


watch_here(
    "issued-for-subject",
    "The issued certificate has the requested subject",
    "SCEP-3.3.1-09",
    judge=lambda session: (found for judge in _NAMED for found in judge(session)),
    why="A CA may change names, but devices find their certificate by subject, and peers check it.",
    field_failures=("F-S09",),
    proofs=(
        Proof("other-subject", "success-altered-subject"),
        Proof("encoded-anew", defects=("issues-teletex-subject",)),
    ),
)


def _purposes(_: Client, certificate: Certificate, __: Answer) -> str | None:
    try:
        purposes = certificate.purposes
    except DecodeError as error:
        return f"an unreadable extKeyUsage: {error}"
    if purposes is None or {v.SERVER_AUTH, v.ANY_PURPOSE} & set(purposes):
        return None
    return f"extKeyUsage allows {', '.join(map(v.oid_text, purposes)) or 'nothing'}"


def _for_a_server(_: Certificate, answer: Answer) -> bool:
    """A CSR that requests purposes is judged by usages-honoured instead."""
    try:
        return v.EXTENDED_KEY_USAGE not in Csr.from_der(answer.order.data).extensions
    except DecodeError:
        return True


watch_here(
    "issued-for-servers",
    "The issued certificate's extended key usage, if present, allows TLS servers",
    "SCEP-3.3.1-09",
    judge=_issued_facts(
        "no-server-auth",
        "no extKeyUsage, or one with serverAuth",
        _purposes,
        only=_for_a_server,
        at_most=CheckVerdict.FINDING,
        mistake="the server writes extKeyUsage clientAuth into every certificate",
    ),
    why="A printer uses its key for a TLS server; browsers and drivers refuse a certificate for clients only.",
    field_failures=("F-S15",),
    # A CA may serve only TLS clients; the RFC does not mention purposes.
    at_most=CheckVerdict.FINDING,
    proofs=(
        Proof("no-server-auth", "success-unfit-usage"),
        Proof("no-server-auth", "{success-unfit-usage: unreadable}"),
    ),
)


def _digest(_: Client, certificate: Certificate, __: Answer) -> str | None:
    weak = {"sha1": "SHA-1", "md5": "MD5"}.get(DIGEST_OF_SIGNATURE.get(certificate.signature_oid, ""))
    return None if weak is None else f"signed with {weak}"


watch_here(
    "issued-not-sha1",
    "Issued certificates are not signed with SHA-1",
    "SCEP-7.9-01",
    judge=_issued_facts("sha1", "SHA-256 or better", _digest),
    why="TLS stacks refuse certificates that are signed with SHA-1.",
    proofs=(Proof("sha1", defects=("issues-sha1",)),),
)


def _secret(_: Client, certificate: Certificate, answer: Answer) -> str | None:
    secret = answer.order.challenge
    return "the certificate contains the challenge password" if secret and secret.encode() in certificate.der else None


watch_here(
    "issued-without-challenge",
    "The challenge password is not copied into the certificate",
    "SCEP-3.3.1-08",
    judge=_issued_facts(
        "challenge-in-certificate",
        "no challenge password",
        _secret,
        only=lambda _, answer: bool(answer.order.challenge),
    ),
    why="Certificates are public.",
    tags=("security",),
    breaches=("challenge-in-certificate",),
    proofs=(Proof("challenge-in-certificate", defects=("copies-challenge",)),),
)


def _pointers(_: Client, certificate: Certificate, __: Answer) -> str | None:
    found = {v.CRL_DISTRIBUTION_POINTS, v.AUTHORITY_INFORMATION_ACCESS} & set(certificate.extensions)
    return None if found else "no CRL distribution point and no authorityInfoAccess"


watch_here(
    "issued-points-to-crl",
    "Issued certificates say where to fetch CRLs and CA certificates without SCEP",
    "SCEP-3.3.4-03",
    "SCEP-7.8-01",
    judge=_issued_facts(
        "no-pointer", "a CRL distribution point or authorityInfoAccess", _pointers, at_most=CheckVerdict.FINDING
    ),
    why="Without such a URL, relying parties have only GetCRL, which the RFC discourages.",
    at_most=CheckVerdict.FINDING,
    mild="the RFC names this as the alternative to GetCert and GetCRL; a CA that never revokes does not need it",
    proofs=(Proof("no-pointer"),),
)
