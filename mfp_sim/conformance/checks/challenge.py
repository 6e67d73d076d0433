"""Who may enrol: the challengePassword, missing, wrong, twice, and in every string type. RFC 8894, 2.4, 3.3.1, 7.3."""

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
        raise NotApplicable("no challenge is configured: tell where it comes from, or that enrolment is open")
    return secret


@check(
    "challenge-missing",
    "Without a challenge nobody is enrolled by a self-signed certificate",
    "SCEP-2.4-09",
    "SCEP-2.4-03",
    "SCEP-2.4-11",
    why="A self-signed certificate proves nothing: everybody can make one in any name.",
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
            "a PKCSReq without a challenge",
            REQUEST,
            challenge=None,
            parking=True,
            mistake="a request without the attribute is treated as one that needs none",
        )
    ]
    yield from plain
    if not plain[0].holds:  # who grants that grants the other too, and one such certificate is enough
        return
    again = session.order(challenge=None, subject=session.granted().order.subject, wrong=True)
    yield _kept_out(
        session,
        again,
        "granted-for-a-known-name",
        "a PKCSReq without a challenge, with a new key, for a name that was asked for before",
        "a name that is known is taken for a renewal, whoever asks",
    )


def _kept_out(session: Client, order: Order, slug: str, what: str, mistake: str) -> Fact:
    """That one more wrong request got no certificate; how refusals look is seen where the plain ones are judged."""
    answer = session.ask(order, expect_refusal=True)
    return answered(slug, not answer.handed_out, f"{what} is refused", answer, mistake=mistake, what=what)


@check(
    "challenge-wrong",
    "A wrong challenge never yields a certificate",
    "SCEP-2.4-09",
    "SCEP-2.4-04",
    "SCEP-3.2.1.4-04",
    why="It is all that keeps strangers out.",
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
        ("a challenge with another first letter", other + secret[1:]),
        ("a challenge that is longer by a letter", secret + "x"),
        ("a challenge that lacks its last letter", secret[:-1] or "x"),
        ("a challenge of 4,000 letters", "x" * 4000),
        ("a challenge in Greek", "σύνθημα"),
    ):
        yield from refused(
            session,
            what,
            REQUEST,
            challenge=given,
            parking=True,
            mistake="the challenge is read and not compared, or compared by prefix",
        )
    by_get = session.order(challenge=other + secret[1:], method="GET", wrong=True)
    what = "a wrong challenge by GET"
    yield _kept_out(session, by_get, "granted-by-get", what, "the challenge is checked where a POST is handled")
    repeated = session.order(challenge=other + secret[1:], wrong=True)
    session.ask(repeated, expect_refusal=True)
    what = "a request with a wrong challenge that was refused and comes again"
    yield _kept_out(session, repeated, "granted-again", what, "a transaction that is known is not checked again")


@check(
    "challenge-exact",
    "The challenge is compared letter by letter",
    "SCEP-2.4-04",
    why="Each letter that may be small or capital makes guessing twice as easy.",
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
    """Digits of hexadecimal are the same number in either case, so they tell nothing about letters."""
    secret = _secret(session)
    variants = [("granted-with-blanks", "the challenge with blanks around it", f" {secret} ")]
    if secret.swapcase() != secret and not set(secret) <= set(hexdigits):
        other = "the challenge with small letters for capital ones and the other way round"
        variants.append(("granted-in-another-case", other, secret.swapcase()))
    for slug, what, given in variants:
        order = session.order(challenge=given, wrong=True)
        yield _kept_out(session, order, slug, what, "the challenge is changed before it is compared")


@check(
    "challenge-empty",
    "An empty challenge is a wrong one",
    "SCEP-2.4-09",
    "SCEP-2.4-04",
    why="Servers that compare with an unset value let it pass.",
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
    yield from refused(session, "an empty challenge", REQUEST, parking=True, key=key, subject=subject, request=request)


@check(
    "challenge-foreign-signer",
    "A certificate of a stranger's CA does not replace the challenge",
    "SCEP-2.4-09",
    "SCEP-2.3-10",
    why="Anybody can run a CA of any name.",
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
            "a PKCSReq signed by a certificate of another CA, without a challenge",
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
    what = "a PKCSReq signed by a certificate of another CA for the same name, without a challenge"
    mistake = "whatever is not self-signed is taken for a certificate to renew"
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
    "A challenge works once",
    "SCEP-2.4-01",
    "SCEP-7.3-02",
    why="A static challenge that leaks enrols anybody in any name until it is changed.",
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
        raise Inconclusive(f"no CertRep came to the second use: {again.text}")
    slug = "static" if isinstance(session.challenges, Static) else "used-twice"
    yield answered(slug, not again.granted, "a second use is refused", again)


@check(
    "challenge-string-types",
    "The challenge is read as PrintableString and as UTF8String",
    "SCEP-3.3.1-06",
    why="PKCS #9 allows both, and clients choose by their library.",
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
        yield processed(answer, f"the challenge as {name}")


row(
    __name__,
    "challenge-after-extensions",
    "The challenge is found wherever it stands among the attributes",
    "SCEP-3.3.1-06",
    run=processes("a challenge beside an extensionRequest", sans=("printer.example",)),
    why="Attributes are a set: strongSwan and Apple put the extensions first.",
    field_failures=("F-E09", "F-E10", "F-E11"),
    cost=1,
    tags=("clients",),
    proofs=(Proof("not-processed", defects=("crashes-on-odd-csr",)),),
)


@check(
    "challenge-twice",
    "Two challenges, one right and one wrong, are not a right one",
    "SCEP-3.3.1-07",
    why="A server that picks the right one of many can be asked many guesses at once.",
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
    # sorted as a SET OF is, the right one is in the middle: who reads but the first or the last does not find it
    several = [der.utf8_string(value) for value in ("x" * (len(secret) - 1), secret, secret + "x")]
    request = csrs.encoded(key, subject, [csrs.challenge(*several)])
    order = session.order(key=key, subject=subject, request=request, wrong=True)
    what = "a challengePassword with three values, one of them right"
    yield _kept_out(session, order, "granted-of-several-values", what, "any of the values will do")


@check(
    "challenge-survives-failure",
    "A failed attempt of somebody else does not use up the challenge",
    "SCEP-7.3-04",
    why="Otherwise whoever guesses locks out whoever knows.",
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
    yield answered("used-up", answer.taken, "the right challenge still works", answer, of_grant=True)


@check(
    "challenge-brute-force",
    "Guessing a challenge online is impeded",
    "SCEP-7.3-04",
    why="Short challenges fall to a script in an hour where nothing slows it down.",
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
            raise Inconclusive(f"after {number} wrong challenges no reply came any more: a limit, or a crash")
        slow += last.reply.status == 429 or last.exchange.seconds > usual + 1
    assert last is not None
    text = f"50 wrong challenges answered, {slow} of them slowly or with 429"
    yield fact("unimpeded", slow > 0, "a delay or a limit", text, last, at_most=CheckVerdict.FINDING)
