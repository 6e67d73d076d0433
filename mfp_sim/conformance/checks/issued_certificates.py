"""Every certificate of the run, read by RFC 5280, against what was asked for, and its number beside the others.

Requests that were wrong on purpose count too: what a CA makes of them is a certificate like any other. RFC 8894, 3.3.1
and 3.3.2.1; RFC 5280, 4.1 and 4.2.
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
    """Every certificate that the run was given, once, with its CA and the request where they are known."""
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
    "The certificates are as RFC 5280 has them",
    "SCEP-3.3.2.1-16",
    judge=partial(_over_all, judge=_by_rfc5280),
    why="Key stores refuse to insert certificates that are not, and paths through them do not verify.",
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


# --- against what was asked for ---------------------------------------------------------------------------


def _alt_names(holder: Certificate | Csr) -> set[bytes]:
    """The entries of subjectAltName as they are encoded, of every kind."""
    extension = holder.extensions.get(v.SUBJECT_ALT_NAME)
    return set() if extension is None else {entry.raw for entry in der.read(extension.value, "subjectAltName").children}


def _asked_rights(csr: Csr) -> set[str]:
    """What a CSR wishes, by the keys of :func:`~mfp_sim.conformance.linting.rights_of`; whether it may have that is
    judged where it is asked."""
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
        return  # that it cannot be read is told by issued-rfc5280
    got = f"rights that nobody asked for: {', '.join(rights.values())}" if rights else "none"
    yield fact("rights-added", not rights, "no rights over others", got, answer, mistake="one profile for all is used")
    got = f"subjectAltName has {len(named)} names more than the CSR: {named[0].hex()}" if named else "none"
    yield fact("names-added", not named, "no names but those of the CSR", got, answer)


def _is_one_of(entry: bytes, texts: set[str]) -> bool:
    """Whether a name of subjectAltName is one of these texts: CAs copy the common name there, as clients expect."""
    value = der.read(entry, "name").content
    return value.decode("utf-8", "replace").casefold() in {text.casefold() for text in texts}


watch_here(
    "issued-adds-nothing",
    "Certificates give no rights and no names that nobody asked for",
    "SCEP-3.3.1-09",
    "SCEP-3.3.2.1-16",
    judge=partial(_over_all, judge=_added),
    why="Whoever may enrol a printer would have, by that, a key that signs code or is another host.",
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
    "A certificate may be used as its CSR asks",
    "SCEP-3.3.1-09",
    why="A printer asks for the use it has for a key: TLS server, or client for IEEE 802.1X.",
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
            raise Inconclusive(f"no certificate came to a CSR with keyUsage and extKeyUsage: {answer.text}")
        try:
            given, usage = issued.purposes, issued.key_usage
        except DecodeError as error:
            yield fact("purpose-dropped", False, what, f"an extension that is not readable: {error}", answer)
            continue
        lacking = [] if given is None or v.ANY_PURPOSE in given else [p for p in purposes if p not in given]
        got = f"extKeyUsage {', '.join(map(v.oid_text, given or ())) or 'absent'}"
        mistake = "one extKeyUsage for all certificates, whatever the CSR says"
        yield fact("purpose-dropped", not lacking, f"no extKeyUsage, or {what}", got, answer, mistake=mistake)
        fits = usage is None or usage.issuperset(bits)
        got = f"keyUsage {', '.join(sorted(usage or ())) or 'absent'}"
        yield fact("usage-dropped", fits, f"no keyUsage, or {' and '.join(bits)}", got, answer)


SID_URI = "tag:microsoft.com,2022-09-14:sid:S-1-5-21-1-2-3-1105"
"""How Microsoft has an account named in subjectAltName for a strong mapping; no domain has this one."""


@check(
    "sid-uri",
    "The URI of a strong mapping is granted as it is, or refused",
    "SCEP-3.3.1-09",
    why="Certificates without it are not mapped to an account any more; a CA that drops it silently breaks logons.",
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
    got = "it is there" if whole else "a certificate without it"
    yield fact("dropped", whole, "the URI in subjectAltName, byte for byte, or a refusal", got, answer, what=asked)


# --- serial numbers of the whole run ----------------------------------------------------------------------

ENOUGH, WANTED, MARGIN = 4, 64, 16
"""So many numbers at least are looked at; so many bits of chance RFC and browsers want; and by so many an estimate over
few numbers may fall short."""


def _entropy(share: float) -> float:
    return 0.0 if share in (0, 1) else -share * log2(share) - (1 - share) * log2(1 - share)


def _bits_of_chance(serials: Sequence[int]) -> float:
    """An estimate: the entropy of each bit over all numbers, summed. A counter has as many bits as it has counted."""
    count, width = len(serials), max(serials).bit_length()
    return sum(_entropy(sum(serial >> bit & 1 for serial in serials) / count) for bit in range(width))


def _expected(count: int) -> float:
    """What that estimate is, on average, for numbers of 64 random bits."""
    shares = (comb(count, ones) / 2.0**count * _entropy(ones / count) for ones in range(count + 1))
    return WANTED * sum(shares)


@check(
    "serials-of-the-run",
    "The serial numbers of the whole run are unique and have chance",
    "SCEP-3.3.2.1-16",
    why="A number that comes twice, or that can be guessed, shows over many certificates and seldom over two.",
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
    """Each CA has numbers of its own."""
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
        yield fact("repeated", not twice, "a number each in the whole run", got, *shown[:SHOWN])
        numbers = [serial for serial in times if serial > 0]
        if len(numbers) >= ENOUGH:
            bits, wanted = _bits_of_chance(numbers), _expected(len(numbers)) - MARGIN
            got = f"about {bits:.0f} bits that vary in {len(numbers)} numbers, and {wanted:.0f} at least by chance"
            yield fact("little-chance", bits >= wanted, f"{WANTED} bits of chance", got, found[-1][1])
