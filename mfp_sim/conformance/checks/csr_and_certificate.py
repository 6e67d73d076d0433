"""What a CSR requests and what is issued: extensions, odd names, weak keys. RFC 8894, 3.3.1; RFC 2986, RFC 5280."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from mfp_sim.conformance import csrs
from mfp_sim.conformance.answers import Answer
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.facts import answered, fact, processed, refusal
from mfp_sim.conformance.model import CheckVerdict, Fact, Gain, Proof
from mfp_sim.conformance.outcomes import Inconclusive
from mfp_sim.conformance.registry import check
from mfp_sim.shared.errors import DecodeError
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import der
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.vocabulary import FailInfo

BOGUS = "1.3.6.1.4.1.32473.99"
"""An unknown extension (the arc is reserved for examples)."""


def _ask(
    session: Client,
    *attributes: bytes,
    subject: bytes | None = None,
    bits: int = 2048,
    wrong: bool = False,
    unwanted: Callable[[Certificate], bool] | None = None,
) -> Answer:
    key = session.key(bits)
    subject = session.subject() if subject is None else subject
    secret = session.draw()
    request = csrs.encoded(key, subject, [*csrs.text(secret), *attributes])
    order = session.order(key=key, subject=subject, request=request, wrong=wrong, signer=None)
    return session.ask(order, unwanted=unwanted)


@check(
    "san-honoured",
    "The certificate has the requested subject alternative names",
    "SCEP-3.3.1-09",
    why="Browsers and TLS stacks check only these names; a printer cannot use a certificate without them.",
    field_failures=("F-S08",),
    cost=1,
    proofs=(Proof("dropped", defects=("drops-san",)),),
)
def san(session: Client) -> Iterator[Fact]:
    names = ("printer-7.example", "192.0.2.10")
    answer = session.enrol(sans=names)
    got = session.identity(answer).certificate.sans
    yield fact(
        "dropped",
        set(names) <= set(got),
        ", ".join(names),
        ", ".join(got) or "none",
        answer,
        mistake="the server uses a template that ignores the names of the request",
    )


@check(
    "unknown-extension",
    "A request for an unknown extension gets a CertRep",
    "SCEP-3.3.1-09",
    why="A CA may drop an unknown extension or refuse the request, but it must not crash.",
    field_failures=("F-E08", "F-S13"),
    cost=2,
    negative=True,
    proofs=(Proof("no-certrep", defects=("crashes-on-odd-csr",)),),
)
def unknown_extension(session: Client) -> Iterator[Fact]:
    for oid in (v.EXTENSION_REQUEST, v.MICROSOFT_EXTENSION_REQUEST):
        attribute = csrs.extensions((BOGUS, True, der.octet_string(b"x")), oid=oid)
        answer = _ask(session, attribute, wrong=True)
        yield answered("no-certrep", answer.decided, "a CertRep of any status", answer, what="an unknown extension")


@check(
    "ca-true-not-copied",
    "A CSR that requests a CA certificate does not get one",
    "SCEP-3.3.1-09",
    "SCEP-3.3.2.1-16",
    why="A device with a CA certificate can issue certificates for any name.",
    field_failures=("F-S07",),
    negative=True,
    tags=("security",),
    cost=2,
    gain=Gain.CA,
    breaches=("ca-certificate",),
    proofs=(Proof("ca-certificate", defects=("issues-ca-certificates",)),),
)
def ca_true(session: Client) -> Iterator[Fact]:
    wanted = csrs.extensions(
        x509.basic_constraints_extension(True), x509.key_usage_extension("keyCertSign", "cRLSign", "digitalSignature")
    )
    harmless = csrs.extensions(x509.subject_alt_name_extension(("printer-8.example",)))
    for where, attributes in (("", [wanted]), (" in a second extensionRequest", [harmless, wanted])):
        answer = _ask(session, *attributes, unwanted=_may_issue)
        issued = answer.issued
        if issued is not None:
            usage = issued.key_usage or frozenset()
            got = f"cA {issued.is_ca}, keyUsage {', '.join(sorted(usage)) or 'none'}{where and f': requested{where}'}"
            yield fact("ca-certificate", not _may_issue(issued), "cA false, no keyCertSign", got, answer,
                       mistake="the server copies the extensions of the request unchanged")  # fmt: skip
        elif answer.granted:
            raise Inconclusive(f"the SUCCESS contains no readable certificate: {answer.payload.problem}")
        else:
            asked = f"a CSR that requests a CA certificate{where}"
            yield from refusal(answer, asked, parking=True, slug="ca-certificate")


def _may_issue(certificate: Certificate) -> bool:
    return certificate.is_ca or "keyCertSign" in (certificate.key_usage or frozenset())


_POWERS: Mapping[str, tuple[str, Sequence[bytes], Callable[[Certificate], bool]]] = {
    "any-purpose": (
        "anyExtendedKeyUsage",
        [csrs.extensions(x509.extended_key_usage_extension(v.SERVER_AUTH, v.ANY_PURPOSE))],
        lambda certificate: v.ANY_PURPOSE in _purposes(certificate),
    ),
    "enrolment-agent": (
        "the purpose of an enrolment agent, which may request certificates for others",
        [csrs.extensions(x509.extended_key_usage_extension(v.SERVER_AUTH, v.ENROLMENT_AGENT))],
        lambda certificate: v.ENROLMENT_AGENT in _purposes(certificate),
    ),
    "security-identifier": (
        "the security identifier of an account",
        [csrs.extensions((v.MICROSOFT_SID, False, der.sequence(der.utf8_string("S-1-5-21-1-2-3-500"))))],
        lambda certificate: v.MICROSOFT_SID in certificate.extensions,
    ),
    "unknown-extension": (
        "an unknown extension",
        [csrs.extensions((BOGUS, False, der.octet_string(b"x")))],
        lambda certificate: BOGUS in certificate.extensions,
    ),
}
"""Powers that only the CA may give: the name, the CSR attributes, and whether a certificate has the power."""


def _purposes(certificate: Certificate) -> tuple[str, ...]:
    try:
        return certificate.purposes or ()
    except DecodeError:
        return ()


@check(
    "powers-not-copied",
    "Powers that a CSR requests are not copied into the certificate",
    "SCEP-3.3.1-09",
    "SCEP-3.3.2.1-16",
    why="Any client that may enrol can write any CSR. With an account's identifier, or as an enrolment agent, a "
    "printer's certificate can log on as an administrator.",
    field_failures=("F-S07",),
    negative=True,
    tags=("security",),
    cost=4,
    gain=Gain.POWERS,
    breaches=("any-purpose", "enrolment-agent", "security-identifier"),
    proofs=tuple(Proof(slug, defects=("grants-powers",)) for slug in _POWERS),
)
def powers(session: Client) -> Iterator[Fact]:
    for slug, (what, attributes, has) in _POWERS.items():
        answer = _ask(session, *attributes, unwanted=has)
        issued = answer.issued
        if issued is not None:
            got = f"{what} is in the certificate" if has(issued) else "a certificate without it"
            yield fact(slug, not has(issued), f"no {what.removeprefix('the ').removeprefix('an ')}", got, answer,
                       mistake="the server copies the extensions of the request unchanged")  # fmt: skip
        else:
            yield from refusal(answer, f"a CSR that requests {what}", parking=True, slug=slug)


def _names(session: Client) -> Iterator[tuple[str, bytes, bool]]:
    """Odd subjects: what is odd, the Name, and whether it is valid."""
    marked = x509.common_name_of(session.subject()) or "printer"

    def rdn(*pairs: tuple[str, bytes]) -> bytes:
        return der.set_of([der.sequence(der.oid(oid), value) for oid, value in pairs])

    cn, ou, o = v.NAME_ATTRIBUTES["CN"], v.NAME_ATTRIBUTES["OU"], v.NAME_ATTRIBUTES["O"]
    text = der.utf8_string
    yield "a multi-valued RDN", der.sequence(rdn((cn, text(f"{marked}-a")), (ou, text("print")))), True
    bmp = der.tlv(0x1E, f"{marked}-b".encode("utf-16-be"))
    yield "a BMPString", der.sequence(rdn((cn, bmp))), True
    teletex = der.tlv(0x14, b"B\xfcro")
    yield "a TeletexString", der.sequence(rdn((o, teletex)), rdn((cn, text(f"{marked}-c")))), True
    yield (
        "names in many scripts",
        der.sequence(rdn((o, text("Ærlig 東京 Ωμέγα"))), rdn((cn, text(f"{marked}-d")))),
        True,
    )


@check(
    "odd-subjects",
    "A request with an unusual subject gets a CertRep",
    "SCEP-3.3.1-10",
    why="Devices all over the world use names in many forms.",
    field_failures=("F-S09", "F-S10"),
    cost=4,
    negative=True,
    proofs=(Proof("no-certrep", defects=("crashes-on-odd-csr",)),),
)
def odd_subjects(session: Client) -> Iterator[Fact]:
    for what, subject, _ in _names(session):
        answer = _ask(session, subject=subject, wrong=True)
        yield answered("no-certrep", answer.decided, f"a CertRep for {what}", answer, what=what)


@check(
    "rsa-4096",
    "A request for a 4096-bit key is processed",
    "SCEP-3.3.1-10",
    why="Security guides require longer keys.",
    cost=1,
    proofs=(Proof("not-processed", defects=("crashes-on-odd-csr",)),),
)
def rsa_4096(session: Client) -> Iterator[Fact]:
    yield processed(session.ask(session.order(key=session.key(4096))), "a 4096-bit key")


@check(
    "weak-keys-refused",
    "A request for a 1024-bit key is refused",
    "SCEP-3.3.1-11",
    "SCEP-7.1-01",
    why="1024-bit keys are no longer secure.",
    field_failures=("F-A14",),
    negative=True,
    tags=("security",),
    cost=1,
    proofs=(Proof("weak-key"),),
)
def weak_keys(session: Client) -> Iterator[Fact]:
    answer = session.ask(session.order(key=session.key(1024), wrong=True))
    yield from refusal(
        answer,
        "an RSA key of 1024 bits",
        FailInfo.BAD_REQUEST,
        FailInfo.BAD_ALG,
        parking=True,
        slug="weak-key",
        granted_at_most=CheckVerdict.FINDING,
    )


@check(
    "bag-of-attributes-empty",
    "A CSR without attributes gets a CertRep",
    "SCEP-3.3.1-10",
    why="If approval is manual, clients send no attributes.",
    field_failures=("F-S02",),
    negative=True,
    gain=Gain.STRANGER,
    proofs=(Proof("no-certrep", defects=("crashes-without-attributes",)),),
)
def no_attributes(session: Client) -> Iterator[Fact]:
    key, subject = session.key(), session.subject()
    order = session.order(key=key, subject=subject, request=csrs.encoded(key, subject, []), wrong=True)
    answer = session.ask(order, expect_refusal=session.challenges.next() is not None)
    yield answered("no-certrep", answer.decided, "a CertRep of any status", answer, what="a CSR without attributes")
