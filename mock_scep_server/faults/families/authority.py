"""Faults of the CA itself: its certificates, its RA, its keys, and the reply to GetCACert. RFC 8894, 2.1, 2.2, 4.2."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import permutations

from mfp_sim.shared.documents.kinds import Within
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import cms
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.certificate import Identity
from mfp_sim.shared.scep.http_messages import CA_CERT, CA_RA_CERT
from mock_scep_server.ca import CertificateAuthority, Template
from mock_scep_server.faults import strangers
from mock_scep_server.faults.base import Context, Fault
from mock_scep_server.faults.bytes import AlteredBody, pem
from mock_scep_server.faults.certificates import AlteredCertificate, Face
from mock_scep_server.faults.combined import InTurn, Together, at
from mock_scep_server.faults.decide import http
from mock_scep_server.faults.http_reply import HeaderField
from mock_scep_server.faults.registry import Spec, among, argument, choice, one_of
from mock_scep_server.faults.strangers import CA_USAGE, DAY

__all__ = ["split"]

CERTS = "GetCACert"
Change = Callable[[CertificateAuthority, Context], CertificateAuthority]


def _ca(name: str, extensions: Sequence[tuple[str, bool, bytes]]) -> Change:
    """The CA's own certificate, re-issued with other extensions and the same key."""

    def change(authority: CertificateAuthority, context: Context) -> CertificateAuthority:
        own = authority.issuer
        return authority.altered(issuer=strangers.reissued(context, name, own, own, extensions=extensions))

    return change


def _expired(authority: CertificateAuthority, context: Context) -> CertificateAuthority:
    own = authority.issuer
    return authority.altered(issuer=strangers.reissued(context, "expired", own, own, dates=strangers.past(context)))


def _usage(*bits: str) -> list[tuple[str, bool, bytes]]:
    return [x509.key_usage_extension(*bits)]


def _with(*more: Callable[[CertificateAuthority, Context], Identity]) -> Change:
    """Additional certificates in GetCACert."""

    def change(authority: CertificateAuthority, context: Context) -> CertificateAuthority:
        others = [make(authority, context).certificate for make in more]
        return authority.altered(published=[*authority.certificates, *others])

    return change


def _rogue(authority: CertificateAuthority, context: Context, *, bits: int = 2048) -> CertificateAuthority:
    """Another party's hierarchy with the same names replaces the whole CA."""
    other = strangers.look_alike(context, authority, bits=bits)
    return authority.altered(issuer=other, signer=other, recipient=other)


def _ra(
    authority: CertificateAuthority, context: Context, usage: Sequence[str], dates: strangers.Dates | None = None
) -> Identity:
    name = f"Mock SCEP CA (tests only) RA {' '.join(usage)}"
    return context.thing(
        f"RA {usage} {dates} {authority.issuer.certificate.fingerprint()}",
        lambda: strangers.issued(context, name, by=authority.issuer, usage=usage, dates=dates),
    )


def split(authority: CertificateAuthority, context: Context) -> CertificateAuthority:
    """Two RA certificates, one for signing and one for encryption, as in NDES."""
    signer = _ra(authority, context, ("digitalSignature",))
    return authority.altered(signer=signer, recipient=_ra(authority, context, ("keyEncipherment",)))


def _chain(context: Context) -> tuple[Identity, Identity]:
    """A root and an issuing intermediate CA under it."""
    root = context.thing(
        "root", lambda: strangers.issued(context, "Mock root CA (tests only)", ca=True, usage=CA_USAGE)
    )
    name = "Mock issuing CA (tests only)"
    issuing = context.thing("intermediate", lambda: strangers.issued(context, name, by=root, ca=True, usage=CA_USAGE))
    return root, issuing


def _under_a_root(authority: CertificateAuthority, context: Context) -> CertificateAuthority:
    """Root, issuing CA and two RA certificates: the usual layout of NDES."""
    root, issuing = _chain(context)
    below = split(authority.altered(issuer=issuing, signer=issuing, recipient=issuing), context)
    return below.altered(published=[root.certificate, *below.certificates])


def _ordered(order: Sequence[int], change: Change) -> Change:
    """The published certificates in another order."""

    def reorder(authority: CertificateAuthority, context: Context) -> CertificateAuthority:
        other = change(authority, context)
        certificates = other.certificates
        return other.altered(published=[certificates[i] for i in order if i < len(certificates)])

    return reorder


def _missing_issuer(authority: CertificateAuthority, context: Context) -> CertificateAuthority:
    other = _under_a_root(authority, context)
    return other.altered(published=[c for c in other.certificates if c is not other.issuer.certificate])


def _no_key_usage(authority: CertificateAuthority, context: Context) -> CertificateAuthority:
    both = _ra(authority, context, ("digitalSignature", "keyEncipherment"))
    other = authority.altered(signer=both, recipient=both)

    def bare(identity: Identity) -> Identity:
        return strangers.reissued(context, "no keyUsage", identity, authority.issuer, without=[v.KEY_USAGE])

    return other.altered(issuer=bare(other.issuer), signer=bare(other.signer), recipient=bare(other.recipient))


def _ra_expired(authority: CertificateAuthority, context: Context) -> CertificateAuthority:
    past = strangers.past(context)
    signer = context.thing("expired RA", lambda: _ra(authority, context, ("digitalSignature",), past))
    return authority.altered(signer=signer, recipient=_ra(authority, context, ("keyEncipherment",)))


def _decoy_intermediate(authority: CertificateAuthority, context: Context) -> Identity:
    """An intermediate that names the genuine root as its issuer but is signed by another key."""
    attacker = strangers.look_alike(context, authority)
    return context.thing(
        "decoy intermediate",
        lambda: strangers.issued(context, "Mock issuing CA (tests only)", by=attacker, ca=True, usage=CA_USAGE),
    )


def _revoked(root: Identity, issuing: Identity, context: Context) -> Identity:
    context.revocations.revoke(issuing.certificate.serial, "cACompromise")
    return strangers.reissued(context, "intermediate revoked", issuing, root)


def _not_signed_by_root(root: Identity, issuing: Identity, context: Context) -> Identity:
    other = context.thing(
        "another root", lambda: strangers.issued(context, "", ca=True, usage=CA_USAGE, subject=root.certificate.subject)
    )
    return strangers.reissued(context, "intermediate not-signed-by-root", issuing, other)


def _at(name: str, dates: Callable[[Context], strangers.Dates]) -> Callable[[Identity, Identity, Context], Identity]:
    return lambda root, issuing, context: strangers.reissued(context, name, issuing, root, dates=dates(context))


def _intermediate_without_ca(root: Identity, issuing: Identity, context: Context) -> Identity:
    return strangers.reissued(context, "intermediate not-a-ca", issuing, root, extensions=CA_FALSE)


CA_FALSE = [x509.basic_constraints_extension(False)]
INTERMEDIATES: dict[str, Callable[[Identity, Identity, Context], Identity]] = {
    "not-signed-by-root": _not_signed_by_root,
    "expired": _at("intermediate expired", strangers.past),
    "not-yet-valid": _at("intermediate not-yet-valid", lambda c: (c.now + DAY, c.now + 400 * DAY)),
    "revoked": _revoked,
    "not-a-ca": _intermediate_without_ca,
}
"""What can be wrong with an intermediate CA, made from its root and its correct form."""


def _bad_intermediate(kind: str) -> Change:
    def change(authority: CertificateAuthority, context: Context) -> CertificateAuthority:
        root, issuing = _chain(context)
        bad = INTERMEDIATES[kind](root, issuing, context)
        other = authority.altered(issuer=bad, signer=bad, recipient=bad)
        return other.altered(published=[root.certificate, bad.certificate])

    return change


def _a_year(template: Template, context: Context) -> Template:
    """Issued certificates are valid now, regardless of their issuer."""
    return replace(template, not_before=context.now - DAY, not_after=context.now + 365 * DAY)


def _two_bodies(octets: bytes, context: Context) -> bytes:
    other = strangers.stranger(context)
    return octets + other.certificate.der


def _signed(octets: bytes, context: Context) -> bytes:
    """The SignedData of the chain, with a SignerInfo."""
    signer = context.authority.signer
    return cms.encode_signed_data(
        None,
        [],
        signer_key=signer.key,
        signer_certificate=signer.certificate,
        certificates=context.authority.certificates,
        digest="sha256",
    )


def _pem(octets: bytes, context: Context) -> bytes:
    return pem(context.authority.issuer.certificate.der, "CERTIFICATE")


LONG = (("L", 128), ("O", 64), *[("OU", 64)] * 5)
"""Attributes of a name, each as long as X.520 allows."""
NAMES = {
    "short": (("O", "mfp-sim"),),
    "long": tuple((label, ("long-name-" * 13)[:bound]) for label, bound in LONG),
}


def _with_expired(count: int, names: str) -> Change:
    """Additional expired CA certificates in GetCACert."""
    subjects = [x509.name(*NAMES[names], ("CN", f"Expired CA {number} (tests only)")) for number in range(1, count + 1)]

    def change(authority: CertificateAuthority, context: Context) -> CertificateAuthority:
        others = [strangers.expired(context, subject).certificate for subject in subjects]
        return authority.altered(published=[*authority.certificates, *others])

    return change


CONTENT_TYPES: dict[str, Fault] = {
    "chain-as-one": Together((Face(split), at(CERTS, HeaderField("Content-Type", CA_CERT)))),
    "one-as-chain": at(CERTS, HeaderField("Content-Type", CA_RA_CERT)),
    "octet-stream": at(CERTS, HeaderField("Content-Type", "application/octet-stream")),
    "charset": at(CERTS, HeaderField("Content-Type", f"{CA_CERT}; charset=utf-8")),
    "upper-case": at(CERTS, HeaderField("Content-Type", CA_CERT.upper())),
    "missing": at(CERTS, HeaderField("Content-Type", None)),
}
KEY_ENC = {"none": ("digitalSignature", "keyCertSign", "cRLSign"),
           "data-encipherment": ("digitalSignature", "dataEncipherment", "keyCertSign", "cRLSign")}  # fmt: skip
NOT_A_CA: dict[str, Change] = {
    "basic-constraints": _ca("cA false", CA_FALSE),
    "no-key-cert-sign": _ca("no keyCertSign", _usage("digitalSignature", "keyEncipherment")),
}
ORDERS = {"".join(map(str, order)): order for order in permutations(range(4))}
BAG_ORDERS = {"".join(map(str, order)): order for order in permutations(range(3)) if order != (0, 1, 2)}


def _flip(authority: CertificateAuthority, context: Context) -> CertificateAuthority:
    return authority.altered(published=[strangers.stranger(context, "Mock SCEP CA, other (tests only)").certificate])


def _alternative(authority: CertificateAuthority, context: Context) -> CertificateAuthority:
    own = authority.issuer
    longer = (own.certificate.not_before, own.certificate.not_after + DAY)
    return authority.altered(issuer=strangers.reissued(context, "alternative", own, own, dates=longer))


def _weak(authority: CertificateAuthority, context: Context) -> CertificateAuthority:
    return _rogue(authority, context, bits=1024)


TABLE: dict[str, Spec] = {
    "bag-permutations": one_of("certificates", "order", BAG_ORDERS, lambda order: Face(_ordered(order, split))),
    "ca-cert-expired": Spec("certificates", lambda: at(CERTS, Face(_expired))),
    "ca-ku-no-digsig": Spec(
        "certificates", lambda: Face(_ca("no digsig", _usage("keyEncipherment", "keyCertSign", "cRLSign")))
    ),
    "ca-ku-no-keyenc": Spec(
        "certificates",
        lambda instead: Face(_ca(f"no keyenc {instead}", _usage(*KEY_ENC[instead]))),
        (choice("instead", tuple(KEY_ENC)),),
    ),
    "ca-not-a-ca": one_of("certificates", "lacks", NOT_A_CA, lambda lacks: Face(lacks)),
    "fp-matches-decoy": Spec("certificates", lambda: Face(_with(_decoy_intermediate))),
    "getcacert-404": Spec("decide", lambda: at(CERTS, http(404))),
    "getcacert-alt-encoding": Spec("certificates", lambda: Face(_alternative)),
    "getcacert-ct-mismatch": among("http", "form", CONTENT_TYPES),
    "getcacert-empty": Spec("bytes", lambda: at(CERTS, AlteredBody(lambda octets, context: b""))),
    "getcacert-flipflop": Spec("certificates", lambda: at(CERTS, InTurn((None, Face(_flip)), again=True))),
    "getcacert-many-expired": Spec(
        "certificates",
        lambda names, count: at(CERTS, Face(_with_expired(count, names))),
        (
            choice("names", tuple(NAMES), "long: more than 500 letters"),
            argument("count", Within(1, 1000), 150, "the number of these certificates"),
        ),
    ),
    "getcacert-missing-issuer": Spec("certificates", lambda: Face(_missing_issuer)),
    "getcacert-no-keyusage": Spec("certificates", lambda: Face(_no_key_usage)),
    "getcacert-pem": Spec("bytes", lambda: at(CERTS, AlteredBody(_pem))),
    "getcacert-ra-split": one_of("certificates", "order", ORDERS, lambda order: Face(_ordered(order, _under_a_root))),
    "getcacert-signed": Spec("bytes", lambda: at(CERTS, AlteredBody(_signed), HeaderField("Content-Type", CA_RA_CERT))),
    "getcacert-two-certs": Spec("bytes", lambda: at(CERTS, AlteredBody(_two_bodies))),
    "getcacert-unrelated": Spec(
        "certificates", lambda: Face(_with(lambda authority, context: strangers.stranger(context)))
    ),
    "intermediate-bad": Spec(
        "certificates",
        lambda why: Together((Face(_bad_intermediate(why)), at("PKIOperation", AlteredCertificate(_a_year)))),
        (choice("why", tuple(INTERMEDIATES)),),
    ),
    "ra-expired": Spec("certificates", lambda: Face(_ra_expired)),
    "rogue-ca": Spec("certificates", lambda: Face(_rogue)),
    "weak-ca-key": Spec("certificates", lambda: Face(_weak)),
}
