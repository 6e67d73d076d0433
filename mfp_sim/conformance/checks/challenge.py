"""Which clients may enrol: the challengePassword missing, wrong, twice, in each type. RFC 8894, 2.4, 3.3.1, 7.3."""

from __future__ import annotations

from collections.abc import Iterator
from string import hexdigits

from mfp_sim.conformance import csrs
from mfp_sim.conformance.answers import Order
from mfp_sim.conformance.challenges import Static
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.facts import answered, fact, processed, processes, refused
from mfp_sim.conformance.model import CheckVerdict, Fact, Gain, Proof
from mfp_sim.conformance.outcomes import Inconclusive, NotApplicable
from mfp_sim.conformance.registry import check, row
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import der
from mfp_sim.shared.scep.certificate import Identity
from mfp_sim.shared.scep.vocabulary import FailInfo

__all__ = ["stranger"]

REQUEST = FailInfo.BAD_REQUEST
UNCHECKED = Proof("granted", defects=("challenge-unchecked",))


def _secret(session: Client) -> str:
    secret = session.draw()
    if secret is None:
        raise NotApplicable("no challenge password is configured: give its source, or state that enrolment is open")
    return secret


@check(
    "challenge-missing",
    "A request without a challenge password gets no certificate",
    "SCEP-2.4-09",
    "SCEP-2.4-03",
    "SCEP-2.4-11",
    why="A self-signed certificate proves nothing: anyone can make one for any name.",
    field_failures=("F-S06", "F-S12"),
    negative=True,
    tags=("security",),
    gain=Gain.STRANGER,
    breaches=("granted", "granted-for-a-known-name"),
    proofs=(UNCHECKED, Proof("granted-for-a-known-name", defects=("challenge-for-new-names-only",))),
)
def missing(session: Client) -> Iterator[Fact]:
    _secret(session)
    plain = [
        *refused(
            session,
            "a PKCSReq without a challenge password",
            REQUEST,
            challenge=None,
            parking=True,
            mistake="the server assumes that a request without the attribute does not need it",
        )
    ]
    yield from plain
    if not plain[0].holds:  # a server that grants this grants the other too, and one such certificate is enough
        return
    again = session.order(challenge=None, subject=session.granted().order.subject, wrong=True)
    yield _kept_out(
        session,
        again,
        "granted-for-a-known-name",
        "a PKCSReq without a challenge password, with a new key, for a name that already has a certificate",
        "the server treats every request for a known name as a renewal",
    )


def _kept_out(session: Client, order: Order, slug: str, what: str, mistake: str) -> Fact:
    """Whether a further wrong request got no certificate; other checks judge the form of refusals."""
    answer = session.ask(order, expect_refusal=True)
    return answered(slug, not answer.handed_out, f"{what} is refused", answer, mistake=mistake, what=what)


@check(
    "challenge-wrong",
    "A request with a wrong challenge password gets no certificate",
    "SCEP-2.4-09",
    "SCEP-2.4-04",
    "SCEP-3.2.1.4-04",
    why="Only the challenge password keeps strangers out.",
    field_failures=("F-S01", "F-S02", "F-S06", "F-S11"),
    negative=True,
    tags=("security",),
    gain=Gain.STRANGER,
    breaches=("granted", "granted-again", "granted-by-get"),
    proofs=(
        UNCHECKED,
        Proof("granted-by-get", defects=("challenge-unchecked-by-get",)),
        Proof("granted-again", defects=("challenge-unchecked-again",)),
    ),
)
def wrong(session: Client) -> Iterator[Fact]:
    secret = _secret(session)
    other = "x" if secret[:1] != "x" else "y"
    for what, given in (
        ("a challenge password with another first character", other + secret[1:]),
        ("a challenge password with an extra character", secret + "x"),
        ("a challenge password without its last character", secret[:-1] or "x"),
        ("a challenge password of 4,000 characters", "x" * 4000),
        ("a challenge password in Greek", "σύνθημα"),
    ):
        yield from refused(
            session,
            what,
            REQUEST,
            challenge=given,
            parking=True,
            mistake="the server does not compare the challenge password, or compares only a prefix",
        )
    by_get = session.order(challenge=other + secret[1:], method="GET", wrong=True)
    what = "a wrong challenge password by GET"
    yield _kept_out(session, by_get, "granted-by-get", what, "the server checks the challenge password only of a POST")
    repeated = session.order(challenge=other + secret[1:], wrong=True)
    session.ask(repeated, expect_refusal=True)
    what = "a repeated request with a wrong challenge password"
    yield _kept_out(session, repeated, "granted-again", what, "the server does not check a known transaction again")


@check(
    "challenge-exact",
    "The challenge password is compared exactly",
    "SCEP-2.4-04",
    why="If case does not matter, each letter makes guessing twice as easy.",
    field_failures=("F-S01", "F-S02"),
    negative=True,
    tags=("security",),
    gain=Gain.NOTHING,
    proofs=(
        Proof("granted-in-another-case", defects=("challenge-in-any-case",)),
        Proof("granted-with-blanks", defects=("challenge-trimmed",)),
    ),
)
def exact(session: Client) -> Iterator[Fact]:
    """Hexadecimal digits are the same number in either case, so they show nothing about letters."""
    secret = _secret(session)
    variants = [("granted-with-blanks", "the challenge password with spaces around it", f" {secret} ")]
    if secret.swapcase() != secret and not set(secret) <= set(hexdigits):
        other = "the challenge password with upper and lower case exchanged"
        variants.append(("granted-in-another-case", other, secret.swapcase()))
    for slug, what, given in variants:
        order = session.order(challenge=given, wrong=True)
        yield _kept_out(
            session, order, slug, what, "the server normalises the challenge password before it compares it"
        )


@check(
    "challenge-empty",
    "An empty challenge password gets no certificate",
    "SCEP-2.4-09",
    "SCEP-2.4-04",
    why="Servers that compare it with an unset value accept it.",
    field_failures=("F-S06",),
    negative=True,
    tags=("security",),
    gain=Gain.STRANGER,
    breaches=("granted",),
    proofs=(UNCHECKED,),
)
def empty(session: Client) -> Iterator[Fact]:
    _secret(session)
    key, subject = session.key(), session.subject()
    request = csrs.encoded(key, subject, [csrs.challenge(der.printable_string(""))])
    yield from refused(
        session, "an empty challenge password", REQUEST, parking=True, key=key, subject=subject, request=request
    )


@check(
    "challenge-foreign-signer",
    "A certificate from another CA does not replace the challenge password",
    "SCEP-2.4-09",
    "SCEP-2.3-10",
    why="Anyone can run a CA under any name.",
    negative=True,
    tags=("security",),
    gain=Gain.STRANGER,
    breaches=("granted", "granted-under-its-name"),
    proofs=(UNCHECKED, Proof("granted-under-its-name", defects=("renews-by-pkcs-req",))),
)
def foreign(session: Client) -> Iterator[Fact]:
    _secret(session)
    plain = [
        *refused(
            session,
            "a PKCSReq signed by a certificate of another CA, without a challenge password",
            REQUEST,
            FailInfo.BAD_MESSAGE_CHECK,
            challenge=None,
            by=stranger(session, session.subject()),
            parking=True,
        )
    ]
    yield from plain
    if not plain[0].holds:
        return
    subject = session.subject()
    order = session.order(by=stranger(session, subject), subject=subject, challenge=None, wrong=True)
    what = "a PKCSReq signed by a certificate of another CA for the same name, without a challenge password"
    mistake = "the server accepts every certificate that is not self-signed as one to renew"
    yield _kept_out(session, order, "granted-under-its-name", what, mistake)


def stranger(session: Client, subject: bytes) -> Identity:
    """A certificate that a CA of the same name, with another key, issued for ``subject``."""
    key, authority = session.key(), session.key()
    now = session.clock.now().replace(microsecond=0)
    certificate = x509.issue(
        serial=int.from_bytes(session.entropy.octets(8), "big") | 1 << 60,
        issuer=session.issuer.subject,
        subject=subject,
        spki=x509.spki_of(key),
        not_before=now.replace(hour=0),
        not_after=now.replace(year=now.year + 1, day=1),
        extensions=[x509.key_usage_extension("digitalSignature", "keyEncipherment")],
        signing_key=authority,
    )
    return Identity(certificate, key)


@check(
    "challenge-one-time",
    "A challenge password works only once",
    "SCEP-2.4-01",
    "SCEP-7.3-02",
    why="If a static challenge password leaks, anyone can enrol under any name until it is changed.",
    field_failures=("F-S12", "F-S14"),
    cost=2,
    tags=("security",),
    proofs=(Proof("static"),),
)
def one_time(session: Client) -> Iterator[Fact]:
    secret = _secret(session)
    session.enrol(challenge=secret)
    again = session.ask(session.order(challenge=secret))
    if again.status is None:
        raise Inconclusive(f"the second use got no CertRep: {again.text}")
    slug = "static" if isinstance(session.challenges, Static) else "used-twice"
    yield answered(slug, not again.granted, "a second use is refused", again)


@check(
    "challenge-string-types",
    "The challenge password is accepted as PrintableString and as UTF8String",
    "SCEP-3.3.1-06",
    why="PKCS #9 allows both, and the client's library decides which one it writes.",
    field_failures=("F-E11", "F-S02"),
    cost=2,
    tags=("clients",),
    proofs=(Proof("not-processed", defects=("wants-printable-challenge",)),),
)
def string_types(session: Client) -> Iterator[Fact]:
    for name, write in (("PrintableString", der.printable_string), ("UTF8String", der.utf8_string)):
        secret = _secret(session)
        if name == "PrintableString" and any(letter not in der.PRINTABLE for letter in secret):
            continue
        key, subject = session.key(), session.subject()
        request = csrs.encoded(key, subject, [csrs.challenge(write(secret))])
        answer = session.ask(session.order(key=key, subject=subject, request=request))
        yield processed(answer, f"the challenge password as {name}")


row(
    __name__,
    "challenge-after-extensions",
    "The challenge password is accepted at any position among the attributes",
    "SCEP-3.3.1-06",
    run=processes("a challenge password next to an extensionRequest", sans=("printer.example",)),
    why="Attributes are a set; strongSwan and Apple put the extensions first.",
    field_failures=("F-E09", "F-E10", "F-E11"),
    cost=1,
    tags=("clients",),
    proofs=(Proof("not-processed", defects=("crashes-on-odd-csr",)),),
)


@check(
    "challenge-twice",
    "A request with a right and a wrong challenge password gets no certificate",
    "SCEP-3.3.1-07",
    why="If a server accepts one right value among several, a client can try many guesses at once.",
    negative=True,
    tags=("security",),
    gain=Gain.NOTHING,
    proofs=(
        Proof("granted", defects=("grants-anything",)),
        Proof("granted-of-several-values", defects=("challenge-of-several",)),
    ),
)
def twice(session: Client) -> Iterator[Fact]:
    secret = _secret(session)
    key, subject = session.key(), session.subject()
    values = [der.utf8_string("wrong-" + secret[::-1]), der.utf8_string(secret)]
    request = csrs.encoded(key, subject, [csrs.challenge(value) for value in values])
    yield from refused(
        session, "two challengePassword attributes", REQUEST, parking=True, key=key, subject=subject, request=request
    )
    # in a sorted SET OF the right value is in the middle: a server that reads only the first or the last misses it
    several = [der.utf8_string(value) for value in ("x" * (len(secret) - 1), secret, secret + "x")]
    request = csrs.encoded(key, subject, [csrs.challenge(*several)])
    order = session.order(key=key, subject=subject, request=request, wrong=True)
    what = "a challengePassword with three values, one of them right"
    yield _kept_out(session, order, "granted-of-several-values", what, "the server accepts any of the values")


@check(
    "challenge-survives-failure",
    "A failed attempt by another client does not use up the challenge password",
    "SCEP-7.3-04",
    why="Otherwise a client that guesses locks out the client that knows the challenge password.",
    field_failures=("F-S05",),
    cost=1,
    negative=True,
    tags=("security",),
    gain=Gain.STRANGER,
    proofs=(Proof("used-up", defects=("locks-out",)),),
)
def survives(session: Client) -> Iterator[Fact]:
    secret = _secret(session)
    session.ask(
        session.order(challenge=secret[:-1] + ("x" if secret[-1] != "x" else "y"), wrong=True), expect_refusal=True
    )
    answer = session.ask(session.order(challenge=secret))
    yield answered("used-up", answer.taken, "the right challenge password still works", answer, of_grant=True)


@check(
    "challenge-brute-force",
    "Repeated wrong challenge passwords are slowed down or limited",
    "SCEP-7.3-04",
    why="If nothing slows it down, a script guesses a short challenge password within an hour.",
    negative=True,
    opt_in="load",
    tags=("security", "load"),
    gain=Gain.STRANGER,
    proofs=(Proof("unimpeded"),),
)
def brute_force(session: Client) -> Iterator[Fact]:
    secret = _secret(session)
    key = session.key()
    last = None
    slow, usual = 0, session.granted().exchange.seconds
    for number in range(50):
        guess = f"guess-{number}-{secret[::-1]}"
        last = session.ask(session.order(key=key, challenge=guess, wrong=True), expect_refusal=True)
        if last.reply is None:
            raise Inconclusive(
                f"after {number} wrong challenge passwords the server stopped replying: a limit, or a crash"
            )
        slow += last.reply.status == 429 or last.exchange.seconds > usual + 1
    assert last is not None
    text = f"50 wrong challenge passwords got a reply, {slow} of them slowly or with 429"
    yield fact("unimpeded", slow > 0, "a delay or a limit", text, last, at_most=CheckVerdict.FINDING)
