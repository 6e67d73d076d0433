"""Every certificate of the run: against RFC 5280, against its request, and its serial number against the others.

Certificates for deliberately wrong requests count too: they are certificates like any other. RFC 8894, 3.3.1 and
3.3.2.1; RFC 5280, 4.1 and 4.2.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from math import comb, log2

from mfp_sim.conformance import csrs, linting
from mfp_sim.conformance.answers import Answer
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.facts import fact, refusal
from mfp_sim.conformance.linting import LEAF_RULES, Held
from mfp_sim.conformance.model import Fact, Gain, Proof
from mfp_sim.conformance.outcomes import Inconclusive
from mfp_sim.conformance.registry import check
from mfp_sim.conformance.watching import SHOWN, watch
from mfp_sim.shared.errors import DecodeError
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import der
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.csr import Csr
from mfp_sim.shared.scep.vocabulary import MessageType

__all__ = ["issued_in"]

watch_here = partial(watch, __name__)
_ENROLS = (MessageType.PKCS_REQ, MessageType.RENEWAL_REQ, MessageType.CERT_POLL)


def issued_in(session: Client) -> list[tuple[Held, Answer]]:
    """Every certificate that the run got, once, with its CA and its request if they are known."""
    found: dict[bytes, tuple[Held, Answer]] = {}
    for answer in session.answers:
        if not answer.handed_out or answer.order.message_type in (MessageType.GET_CERT, MessageType.GET_CRL):
            continue
        for certificate in answer.leaves or ((answer.issued,) if answer.issued is not None else ()):
            held = Held(
                certificate, _issuer(certificate, answer), _csr(answer) if certificate is answer.issued else None
            )
            found.setdefault(certificate.der, (held, answer))
    return list(found.values())


def _issuer(certificate: Certificate, answer: Answer) -> Certificate | None:
    pool = [c for c in (*answer.trusted, *answer.payload.certificates) if c.der != certificate.der]
    return next((ca for ca in pool if linting.signed_by(certificate, ca)), None)


def _csr(answer: Answer) -> Csr | None:
    if answer.order.message_type == MessageType.CERT_POLL:
        return None
    try:
        return Csr.from_der(answer.order.data)
    except DecodeError:
        return None


def _over_all(session: Client, judge: Callable[[Held, Answer], Iterator[Fact]]) -> Iterator[Fact]:
    for held, answer in issued_in(session):
        yield from judge(held, answer)


def _by_rfc5280(held: Held, answer: Answer) -> Iterator[Fact]:
    for slug, expected, rules in LEAF_RULES:
        wrong = linting.wrong_in(held, rules)
        yield fact(slug, wrong is None, expected, wrong or "as expected", answer)


watch_here(
    "issued-rfc5280",
    "Issued certificates conform to RFC 5280",
    "SCEP-3.3.2.1-16",
    judge=partial(_over_all, judge=_by_rfc5280),
    why="Key stores refuse malformed certificates, and certification paths through them do not verify.",
    field_failures=("F-K01",),
    proofs=(
        Proof("not-rfc5280", "cert-lint"),
        Proof("dates", "{cert-lint: outlives-ca}"),
        Proof("key-identifiers", "{cert-lint: authority-key}"),
        Proof("key-identifiers", "{cert-lint: subject-key}"),
        Proof("encoding", "{cert-lint: extension-twice}"),
        Proof("critical", defects=("issues-unknown-critical",)),
        Proof("critical", defects=("issues-critical-key-identifier",)),
        Proof("constraints", defects=("issues-path-length",)),
        Proof("empty", defects=("issues-empty-purposes",)),
        Proof("string-types", defects=("issues-teletex-subject",)),
        Proof("issuer-encoding", defects=("issues-with-issuer-anew",)),
    ),
)


# --- against the request ----------------------------------------------------------------------------------


def _alt_names(holder: Certificate | Csr) -> set[bytes]:
    """The encoded entries of subjectAltName, of every kind."""
    extension = holder.extensions.get(v.SUBJECT_ALT_NAME)
    return set() if extension is None else {entry.raw for entry in der.read(extension.value, "subjectAltName").children}


def _asked_rights(csr: Csr) -> set[str]:
    """What a CSR requests, by the keys of `linting.rights_of`; other checks judge whether it may have that."""
    found = set(csr.extensions)
    purposes = csr.extensions.get(v.EXTENDED_KEY_USAGE)
    if purposes is not None:
        found |= {entry.to_oid() for entry in der.read(purposes.value, "extKeyUsage").children}
    if v.BASIC_CONSTRAINTS in found or v.KEY_USAGE in found:
        found |= {"keyCertSign", "cRLSign"}
    return found


def _added(held: Held, answer: Answer) -> Iterator[Fact]:
    certificate, csr = held.certificate, held.csr
    if csr is None:
        return
    try:
        rights = {key: words for key, words in linting.rights_of(certificate).items() if key not in _asked_rights(csr)}
        common = {x509.common_name_of(certificate.subject) or ""}
        named = [entry for entry in _alt_names(certificate) - _alt_names(csr) if not _is_one_of(entry, common)]
    except DecodeError:
        return  # issued-rfc5280 reports that it cannot be read
    got = f"rights that the CSR did not request: {', '.join(rights.values())}" if rights else "none"
    yield fact(
        "rights-added",
        not rights,
        "no further rights",
        got,
        answer,
        mistake="the server uses one profile for all certificates",
    )
    got = f"subjectAltName has {len(named)} more names than the CSR: {named[0].hex()}" if named else "none"
    yield fact("names-added", not named, "only names from the CSR", got, answer)


def _is_one_of(entry: bytes, texts: set[str]) -> bool:
    """Whether a name of subjectAltName is one of these texts: CAs copy the common name there, as clients expect."""
    value = der.read(entry, "name").content
    return value.decode("utf-8", "replace").casefold() in {text.casefold() for text in texts}


watch_here(
    "issued-adds-nothing",
    "Issued certificates have only rights and names that the CSR requested",
    "SCEP-3.3.1-09",
    "SCEP-3.3.2.1-16",
    judge=partial(_over_all, judge=_added),
    why="Otherwise any client that may enrol a printer gets a key that can sign code or impersonate another host.",
    tags=("security",),
    breaches=("rights-added",),
    proofs=(Proof("rights-added", defects=("adds-rights",)), Proof("names-added", defects=("adds-names",))),
)

_USES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("serverAuth", (v.SERVER_AUTH,)),
    ("clientAuth", (v.CLIENT_AUTH,)),
    ("serverAuth and clientAuth", (v.SERVER_AUTH, v.CLIENT_AUTH)),
)


@check(
    "usages-honoured",
    "The certificate has the key usage that the CSR requests",
    "SCEP-3.3.1-09",
    why="A printer requests the usage that it needs: TLS server, or client for IEEE 802.1X.",
    field_failures=("F-S15", "F-S08"),
    cost=len(_USES),
    proofs=(
        Proof("purpose-dropped", "success-unfit-usage"),
        Proof("usage-dropped", defects=("issues-for-signing-only",)),
    ),
)
def usages(session: Client) -> Iterator[Fact]:
    bits = ("digitalSignature", "keyEncipherment")
    for what, purposes in _USES:
        wanted = csrs.extensions(x509.key_usage_extension(*bits), x509.extended_key_usage_extension(*purposes))
        key, subject = session.key(), session.subject()
        request = csrs.encoded(key, subject, [*csrs.text(session.draw()), wanted])
        answer = session.ask(session.order(key=key, subject=subject, request=request))
        issued = answer.issued
        if issued is None:
            raise Inconclusive(f"a CSR with keyUsage and extKeyUsage got no certificate: {answer.text}")
        try:
            given, usage = issued.purposes, issued.key_usage
        except DecodeError as error:
            yield fact("purpose-dropped", False, what, f"an unreadable extension: {error}", answer)
            continue
        lacking = [] if given is None or v.ANY_PURPOSE in given else [p for p in purposes if p not in given]
        got = f"extKeyUsage {', '.join(map(v.oid_text, given or ())) or 'absent'}"
        mistake = "the server writes the same extKeyUsage into every certificate"
        yield fact("purpose-dropped", not lacking, f"no extKeyUsage, or {what}", got, answer, mistake=mistake)
        fits = usage is None or usage.issuperset(bits)
        got = f"keyUsage {', '.join(sorted(usage or ())) or 'absent'}"
        yield fact("usage-dropped", fits, f"no keyUsage, or {' and '.join(bits)}", got, answer)


SID_URI = "tag:microsoft.com,2022-09-14:sid:S-1-5-21-1-2-3-1105"
"""Microsoft's form of an account name in subjectAltName for a strong mapping; no domain has this account."""


@check(
    "sid-uri",
    "The URI of a strong mapping is issued unchanged, or the request is refused",
    "SCEP-3.3.1-09",
    why="Windows does not map certificates without it to an account; a CA that drops it silently breaks logons.",
    field_failures=("F-S08",),
    cost=1,
    negative=True,
    gain=Gain.NOTHING,
    proofs=(Proof("dropped", defects=("drops-san",)),),
)
def sid_uri(session: Client) -> Iterator[Fact]:
    name = der.implicit(6, SID_URI.encode())
    wanted = csrs.extensions((v.SUBJECT_ALT_NAME, False, der.sequence(der.implicit(2, b"printer-9.example"), name)))
    key, subject = session.key(), session.subject()
    request = csrs.encoded(key, subject, [*csrs.text(session.draw()), wanted])
    answer = session.ask(session.order(key=key, subject=subject, request=request, wrong=True))
    asked = f"a CSR with the URI {SID_URI}"
    if answer.issued is None:
        yield from refusal(answer, asked, parking=True, slug="dropped")
        return
    try:
        whole = name in _alt_names(answer.issued)
    except DecodeError:
        whole = False
    got = "it is present" if whole else "a certificate without it"
    yield fact("dropped", whole, "the URI in subjectAltName byte for byte, or a refusal", got, answer, what=asked)


# --- serial numbers of the whole run ----------------------------------------------------------------------

ENOUGH, WANTED, MARGIN = 4, 64, 16
"""The fewest serial numbers that are judged; the random bits that the RFC and browsers require; and the tolerance of an
estimate from few numbers."""


def _entropy(share: float) -> float:
    return 0.0 if share in (0, 1) else -share * log2(share) - (1 - share) * log2(1 - share)


def _bits_of_chance(serials: Sequence[int]) -> float:
    """An estimate: the entropy of each bit over all numbers, summed. A counter has as many bits as it has counted."""
    count, width = len(serials), max(serials).bit_length()
    return sum(_entropy(sum(serial >> bit & 1 for serial in serials) / count) for bit in range(width))


def _expected(count: int) -> float:
    """The average of that estimate for numbers with 64 random bits."""
    shares = (comb(count, ones) / 2.0**count * _entropy(ones / count) for ones in range(count + 1))
    return WANTED * sum(shares)


@check(
    "serials-of-the-run",
    "The serial numbers of the whole run are unique and random",
    "SCEP-3.3.2.1-16",
    why="Repeated or predictable numbers show up over many certificates, and rarely over two.",
    cost=ENOUGH - 1,
    last=True,
    tags=("serials", "security"),
    breaches=("repeated",),
    proofs=(
        Proof("repeated", defects=("constant-serial",)),
        Proof("little-chance", setup={"serials": "sequential"}),
    ),
)
def serials(session: Client) -> Iterator[Fact]:
    """Each CA has its own numbers."""
    for _ in range(ENOUGH - len(issued_in(session))):
        session.enrol()
    by_issuer: dict[bytes, list[tuple[int, Answer]]] = {}
    for held, answer in issued_in(session):
        by_issuer.setdefault(held.certificate.issuer, []).append((held.certificate.serial, answer))
    for found in by_issuer.values():
        times = Counter(serial for serial, _ in found)
        twice = [serial for serial, count in times.items() if count > 1]
        shown = [answer for serial, answer in found if serial in twice[:1]] or [found[0][1]]
        got = f"serial {twice[0]:x} in {times[twice[0]]} certificates" if twice else f"{len(times)} numbers"
        yield fact("repeated", not twice, "a different number for each certificate of the run", got, *shown[:SHOWN])
        numbers = [serial for serial in times if serial > 0]
        if len(numbers) >= ENOUGH:
            bits, wanted = _bits_of_chance(numbers), _expected(len(numbers)) - MARGIN
            got = f"about {bits:.0f} varying bits in {len(numbers)} numbers; random numbers have at least {wanted:.0f}"
            yield fact("little-chance", bits >= wanted, f"{WANTED} random bits", got, found[-1][1])
