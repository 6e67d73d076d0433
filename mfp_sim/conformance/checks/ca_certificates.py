"""GetCACert: the body, its media type, and what the certificates allow. RFC 8894, 2.1.2, 2.2, 4.2 and 7."""

from __future__ import annotations

from collections.abc import Iterator

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from mfp_sim.conformance.answers import Answer
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.facts import answered, fact
from mfp_sim.conformance.linting import CA_RULES, RA_RULES, Held, signed_by, wrong_in
from mfp_sim.conformance.model import Fact, Gain, Proof
from mfp_sim.conformance.outcomes import Inconclusive, NotApplicable
from mfp_sim.conformance.registry import check
from mfp_sim.shared.errors import DecodeError
from mfp_sim.shared.scep import cms, der
from mfp_sim.shared.scep.algorithms import DIGEST_OF_SIGNATURE
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.http_messages import CA_CERT, CA_RA_CERT
from mfp_sim.shared.scep.messages import read_ca_certificates
from mfp_sim.shared.scep.vocabulary import Operation


def _reply(session: Client) -> tuple[bytes, str | None]:
    reply = session.ca_exchange.reply
    if reply is None or reply.status != 200:
        raise Inconclusive(f"GetCACert returned no certificates: {session.ca_exchange.text}")
    return reply.body, reply.media_type


def _is_bag(body: bytes) -> bool:
    try:
        outer = der.read(body, "GetCACert", trailing=True)
    except DecodeError:
        return False
    return bool(outer.children) and outer.children[0].tag == der.OID


def _bag(session: Client) -> cms.Bag:
    body, _ = _reply(session)
    if not _is_bag(body):
        raise NotApplicable("GetCACert returns a single certificate")
    return cms.read_bag(body)


@check(
    "getcacert-supported",
    "GetCACert returns the CA certificate or a chain to every client",
    "SCEP-2.9-02",
    "SCEP-2.2-02",
    "SCEP-4.2.1.1-01",
    why="Every enrolment begins with GetCACert.",
    field_failures=("F-T11", "F-T12", "F-T18", "F-R04"),
    reads=True,
    proofs=(
        Proof("not-readable", "getcacert-pem"),
        Proof("not-readable", "getcacert-empty"),
        Proof("no-reply", "getcacert-404"),
    ),
)
def getcacert(session: Client) -> Iterator[Fact]:
    exchange = session.ca_exchange
    yield answered("no-reply", exchange.ok, "HTTP 200", exchange)
    if exchange.reply is None or not exchange.ok:
        return
    try:
        found = read_ca_certificates(exchange.reply.body, exchange.reply.media_type)[0]
        yield fact("not-readable", True, "certificates in DER", f"{len(found)} certificates", exchange)
    except DecodeError as error:
        yield fact(
            "not-readable",
            False,
            "one DER certificate, or a SignedData",
            str(error),
            exchange,
            element=error.path,
            mistake="the server sends PEM, HTML or an empty body instead of DER",
        )


@check(
    "getcacert-media-type",
    "The Content-Type of GetCACert matches its body",
    "SCEP-4.2.1.1-02",
    "SCEP-4.2.1.2-03",
    "SCEP-6.1-01",
    "SCEP-6.2-01",
    why="Clients choose the parser by media type: they cannot read a chain that is labelled as a single certificate.",
    field_failures=("F-R04", "F-R07"),
    reads=True,
    proofs=(Proof("other-type", "getcacert-ct-mismatch"),),
)
def media_type(session: Client) -> Iterator[Fact]:
    body, media = _reply(session)
    bag = _is_bag(body)
    if not bag:
        Certificate.from_der(body)  # a body that is neither has no right type
    wanted = CA_RA_CERT if bag else CA_CERT
    yield fact("other-type", media == wanted, wanted, media or "no Content-Type", session.ca_exchange)


@check(
    "getcacert-one-structure",
    "The body of GetCACert is exactly one structure",
    "SCEP-4.2.1.1-01",
    "SCEP-4.2.1.2-01",
    why="If two certificates follow each other, clients see only the first.",
    reads=True,
    proofs=(Proof("octets-after", "getcacert-two-certs"),),
)
def one_structure(session: Client) -> Iterator[Fact]:
    body, _ = _reply(session)
    outer = der.read(body, "GetCACert", trailing=True)
    rest = len(body) - outer.end
    yield fact("octets-after", rest == 0, "nothing after it", f"{rest} bytes follow", session.ca_exchange)


@check(
    "getcacert-self-contained",
    "GetCACert returns a self-signed certificate or a complete chain",
    "SCEP-2.2-03",
    "SCEP-4.2.1.1-01",
    why="Otherwise the device cannot build the path of its own certificate.",
    field_failures=("F-R06", "F-R08"),
    reads=True,
    proofs=(Proof("no-root", defects=("ca-without-root",)),),
)
def self_contained(session: Client) -> Iterator[Fact]:
    certificates = session.ca_certificates
    roots = [c for c in certificates if c.issuer == c.subject]
    names = ", ".join(c.subject_text for c in certificates)
    yield fact("no-root", bool(roots), "a path up to a self-signed root", names, session.ca_exchange)


@check(
    "getcacert-issuer-included",
    "GetCACert includes the issuing CA's certificate",
    "SCEP-2.2-03",
    why="Without the issuer's certificate, a device cannot verify its own certificate.",
    field_failures=("F-R08", "F-R09"),
    proofs=(Proof("issuer-missing", "getcacert-missing-issuer", setup={"ra": "split"}),),
)
def issuer_included(session: Client) -> Iterator[Fact]:
    answer = session.granted()
    issued = session.identity(answer).certificate
    if issued.signature_oid not in DIGEST_OF_SIGNATURE:
        raise Inconclusive(
            f"mfp-sim does not support the algorithm that signed the certificate: {issued.signature_oid}"
        )
    found = any(issued.was_issued_by(c) for c in session.ca_certificates)
    expected = f"the certificate of {issued.issuer_text}, which verifies the issued one"
    names = "; ".join(c.subject_text for c in session.ca_certificates)
    yield fact("issuer-missing", found, expected, names, session.ca_exchange, answer)


@check(
    "getcacert-bag-shape",
    "The chain is a certificates-only SignedData without content",
    "SCEP-3.4-01",
    "SCEP-4.2.1.2-01",
    why="Readers that expect a degenerate SignedData reject one with content.",
    reads=True,
    proofs=(Proof("content", defects=("chain-with-content",), setup={"ra": "split"}),),
)
def bag_shape(session: Client) -> Iterator[Fact]:
    wrong = [n.text for n in _bag(session).notes if n.requirement == "SCEP-3.4-01"]
    yield fact("content", not wrong, "no eContent", "; ".join(wrong) or "none", session.ca_exchange)


@check(
    "getcacert-bag-unsigned",
    "The chain is a certificates-only SignedData without signers",
    "SCEP-3.4-02",
    "SCEP-4.2.1.2-01",
    why="Readers expect empty sets, and a signature there has no meaning.",
    reads=True,
    proofs=(Proof("signed", "getcacert-signed", setup={"ra": "split"}),),
)
def bag_unsigned(session: Client) -> Iterator[Fact]:
    wrong = [n.text for n in _bag(session).notes if n.requirement == "SCEP-3.4-02"]
    yield fact(
        "signed", not wrong, "empty digestAlgorithms and signerInfos", "; ".join(wrong) or "empty", session.ca_exchange
    )


@check(
    "getcacert-related",
    "The certificates of GetCACert belong together",
    "SCEP-4.2.1.2-02",
    why="A client that picks one CA certificate from the set may pick an unrelated one.",
    field_failures=("F-R02", "F-R12"),
    reads=True,
    proofs=(Proof("stranger", "getcacert-unrelated"),),
)
def related(session: Client) -> Iterator[Fact]:
    certificates = session.ca_certificates
    if len(certificates) == 1:
        raise NotApplicable("GetCACert returns a single certificate")
    lonely = [
        c
        for c in certificates
        if not any(o is not c and (o.issuer == c.subject or c.issuer == o.subject) for o in certificates)
    ]
    got = f"{lonely[0].subject_text} is not related to any of the others" if lonely else "one chain"
    yield fact("stranger", not lonely, "one chain, with its RA", got, session.ca_exchange)


@check(
    "getcacert-stable",
    "GetCACert returns the same certificates each time",
    "SCEP-4.2.1.2-05",
    why="A client that gets the certificate from one back end and enrols at another uses a key that the other lacks.",
    field_failures=("F-R11", "F-R16"),
    reads=True,
    proofs=(Proof("changes", "getcacert-flipflop"),),
)
def stable(session: Client) -> Iterator[Fact]:
    first = {c.der for c in session.ca_certificates}
    for _ in range(4):
        again = session.get(Operation.GET_CA_CERT)
        if again.reply is None or again.reply.status != 200:
            raise Inconclusive(f"the second GetCACert returned no certificates: {again.text}")
        try:
            found = {c.der for c in read_ca_certificates(again.reply.body, None)[0]}
            got = "other certificates" if found != first else "the same"
        except DecodeError as error:
            found, got = set(), str(error)
        yield fact("changes", found == first, "the same certificates", got, again)


def _signers(session: Client) -> list[tuple[Certificate, Answer]]:
    """The certificates of GetCACert that signed CertReps of this run."""
    session.look()
    found: dict[bytes, tuple[Certificate, Answer]] = {}
    for answer in session.cert_reps:
        for certificate in answer.trusted:
            if answer.signed is not None and answer.signed.names_signer(certificate):
                found.setdefault(certificate.der, (certificate, answer))
    if not found:
        raise Inconclusive("no certificate of GetCACert signed a CertRep in this run")
    return list(found.values())


@check(
    "signer-usage",
    "The certificate that signs CertReps has keyUsage digitalSignature",
    "SCEP-2.1.2-01",
    why="cryptlib and other clients refuse a reply if the signer's certificate does not allow signing.",
    field_failures=("F-R06", "F-R10", "F-R18"),
    reads=True,
    gain=Gain.STRANGER,  # one of the replies that it judges is to a wrong challenge
    proofs=(Proof("no-digitalsignature", "ca-ku-no-digsig"),),
)
def signer_usage(session: Client) -> Iterator[Fact]:
    for certificate, answer in _signers(session):
        usage = certificate.key_usage
        got = "no keyUsage" if usage is None else ", ".join(sorted(usage))
        yield fact(
            "no-digitalsignature",
            usage is None or "digitalSignature" in usage,
            f"digitalSignature in {certificate.subject_text}",
            got,
            session.ca_exchange,
            answer,
            element="GetCACert.keyUsage",
            mistake="the CA certificate has only keyCertSign and cRLSign, but its key also signs SCEP messages",
        )
        yield fact(
            "no-keyusage",
            usage is not None,
            "a keyUsage extension",
            got,
            session.ca_exchange,
            answer,
            requirement="SCEP-2.1.2-03",
        )


@check(
    "recipient-usage",
    "The certificate that clients encrypt requests to has keyUsage keyEncipherment",
    "SCEP-2.1.2-02",
    why="Clients that check keyUsage find no certificate to encrypt to; some then send the request unencrypted.",
    field_failures=("F-R06", "F-R10"),
    reads=True,
    proofs=(Proof("no-keyencipherment", "ca-ku-no-keyenc"),),
)
def recipient_usage(session: Client) -> Iterator[Fact]:
    certificate = session.recipient
    usage = certificate.key_usage
    got = "no keyUsage" if usage is None else ", ".join(sorted(usage))
    yield fact(
        "no-keyencipherment",
        usage is None or "keyEncipherment" in usage,
        f"keyEncipherment in {certificate.subject_text}",
        got,
        session.ca_exchange,
        element="GetCACert.keyUsage",
        mistake="the CA certificate has only keyCertSign and cRLSign, but its key also decrypts SCEP messages",
    )


@check(
    "issuer-usage",
    "The issuing certificate has cA TRUE and keyCertSign",
    "SCEP-2.1.2-03",
    why="Otherwise every peer that validates the path rejects the issued certificates.",
    reads=True,
    proofs=(Proof("not-a-ca", "ca-not-a-ca"),),
)
def issuer_usage(session: Client) -> Iterator[Fact]:
    issuer = session.issuer
    wrong = []
    try:
        if not issuer.is_ca:
            wrong.append("basicConstraints does not have cA TRUE")
    except DecodeError as error:
        wrong.append(f"basicConstraints is malformed: {error}")
    try:
        if issuer.key_usage is not None and "keyCertSign" not in issuer.key_usage:
            wrong.append("keyUsage does not have keyCertSign")
    except DecodeError as error:
        wrong.append(f"keyUsage is malformed: {error}")
    yield fact(
        "not-a-ca",
        not wrong,
        f"cA and keyCertSign in {issuer.subject_text}",
        "; ".join(wrong) or "both",
        session.ca_exchange,
    )


@check(
    "ca-rfc5280",
    "The certificates of GetCACert conform to RFC 5280",
    "SCEP-2.1.2-03",
    "SCEP-2.2-03",
    why="A client that validates the path rejects a malformed CA certificate and everything below it.",
    reads=True,
    proofs=(
        Proof("constraints-not-critical", defects=("ca-constraints-not-critical",)),
        Proof("no-key-identifier", defects=("ca-without-key-identifier",)),
        Proof("no-name", defects=("ca-without-a-name",)),
        Proof("critical", defects=("ca-with-unknown-critical",)),
    ),
)
def ca_lint(session: Client) -> Iterator[Fact]:
    certificates = session.ca_certificates
    for certificate in certificates:
        above = [c for c in certificates if signed_by(certificate, c)]
        held = Held(certificate, above[0] if above else None)
        for slug, expected, rules in CA_RULES if certificate.says_ca else RA_RULES:
            wrong = wrong_in(held, rules)
            where = f"{expected} in {certificate.subject_text or 'a certificate without a name'}"
            yield fact(slug, wrong is None, where, wrong or "as expected", session.ca_exchange)


@check(
    "ca-valid-now",
    "The certificates of GetCACert are valid now",
    "SCEP-2.2-09",
    why="Clients that check the validity of the CA certificate do not enrol.",
    field_failures=("F-C06", "F-R11"),
    reads=True,
    proofs=(Proof("not-valid", "ca-cert-expired"),),
)
def ca_valid(session: Client) -> Iterator[Fact]:
    now = session.clock.now()
    for c in session.ca_certificates:
        got = f"{c.subject_text}: from {c.not_before:%Y-%m-%d} to {c.not_after:%Y-%m-%d}"
        yield fact("not-valid", c.not_before <= now <= c.not_after, "valid now", got, session.ca_exchange)


@check(
    "ca-key-length",
    "The CA and RA keys have at least 2048 bits",
    "SCEP-7.1-01",
    why="These keys protect every SCEP message.",
    field_failures=("F-A14",),
    reads=True,
    tags=("security",),
    proofs=(Proof("short", "weak-ca-key"),),
)
def key_length(session: Client) -> Iterator[Fact]:
    for c in session.ca_certificates:
        try:
            key = c.public_key()
        except DecodeError:
            continue  # another check judges whether requests can be encrypted to other kinds of key
        if isinstance(key, RSAPublicKey):
            got = f"{key.key_size} bits in {c.subject_text}"
            yield fact("short", key.key_size >= 2048, "2048 bits", got, session.ca_exchange)


@check(
    "ca-fingerprint",
    "The CA certificate has the given fingerprint",
    "SCEP-2.2-05",
    why="The fingerprint shows that the client talks to the right CA before it sends the challenge password.",
    field_failures=("F-R19",),
    reads=True,
    tags=("security",),
    proofs=(Proof("other-fingerprint", setup={"fingerprint": "00" * 32}),),
)
def fingerprint(session: Client) -> Iterator[Fact]:
    wanted = session.policy.fingerprint
    if wanted is None:
        raise NotApplicable("no fingerprint was given (--ca-fingerprint)")
    name = {32: "md5", 40: "sha1", 64: "sha256", 128: "sha512"}.get(len(wanted), "sha256")
    found = [c.fingerprint(name) for c in session.ca_certificates]
    yield fact("other-fingerprint", wanted.lower() in found, wanted, ", ".join(found), session.ca_exchange)


@check(
    "ra-separate",
    "A separate key signs and decrypts SCEP messages",
    "SCEP-7.2-01",
    why="A CA key that decrypts and signs network messages is exposed to anyone who can send one.",
    reads=True,
    tags=("security",),
    gain=Gain.STRANGER,  # as for signer-usage
    proofs=(Proof("ca-key-used", setup={"ra": "none"}),),
)
def separate_ra(session: Client) -> Iterator[Fact]:
    for certificate, answer in _signers(session):
        got = f"{certificate.subject_text} signs CertReps" + (", and is the issuing CA" if certificate.is_ca else "")
        yield fact("ca-key-used", not certificate.is_ca, "an RA certificate signs CertReps", got, answer)
