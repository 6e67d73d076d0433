"""Challenge passwords compared wrongly. RFC 8894, 2.4."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mfp_sim.shared.scep import der
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.vocabulary import MessageType
from mfp_sim.testing import CHALLENGE, Bench
from mock_scep_server.service import ScepService
from wrong_servers.base import (
    INTEROPERABILITY,
    SECURITY,
    admission,
    around,
    attribute,
    challenge_attribute,
    csr,
    enrolled,
    grants,
    registrar,
    replies,
    wrong,
)

SECRET = "RFC 8894, 2.4: the CA distributes a shared secret, which will be used to authenticate the request"


def compare(ca: ScepService, takes: Any) -> None:
    """Also accept a request if ``takes(given, secret)``; ``given`` is empty (None) without one."""

    def check(original: Any, request: Any, now: Any) -> str | None:
        reason = original(request, now)
        secret = getattr(ca.challenge, "_secret", CHALLENGE)
        return None if reason is None or takes(request.challenge, secret) else reason

    around(ca.challenge, "check", check)


@wrong(SECURITY, SECRET, grants(challenge="guessed"))
def challenge_ignored(ca: ScepService) -> None:
    """Accepts any challenge password, and requests without one."""
    compare(ca, lambda given, secret: True)


@wrong(SECURITY, SECRET, grants(challenge=CHALLENGE + "-and-more"))
def challenge_begins_right(ca: ScepService) -> None:
    """Accepts everything that begins with the right challenge password."""
    compare(ca, lambda given, secret: given is not None and given.startswith(secret))


@wrong(SECURITY, SECRET, grants(challenge=CHALLENGE[:1]))
def challenge_of_given_length(ca: ScepService) -> None:
    """Compares only the characters that the client sent: the first character is enough."""
    compare(ca, lambda given, secret: bool(given) and secret.startswith(given))


@wrong(SECURITY, SECRET, grants(challenge=CHALLENGE[:4] + "xx"))
def challenge_first_four_letters(ca: ScepService) -> None:
    """Compares only the first four characters."""
    compare(ca, lambda given, secret: given is not None and given[:4] == secret[:4])


@wrong(SECURITY, SECRET, grants(challenge=CHALLENGE.upper()))
def challenge_in_any_case(ca: ScepService) -> None:
    """Accepts the challenge password in upper and lower case."""
    compare(ca, lambda given, secret: given is not None and given.lower() == secret.lower())


@wrong(SECURITY, SECRET, grants(challenge=f" {CHALLENGE} "))
def challenge_trimmed(ca: ScepService) -> None:
    """Accepts the challenge password with spaces around it."""
    compare(ca, lambda given, secret: given is not None and given.strip() == secret)


@wrong(SECURITY, SECRET, grants(challenge=None))
def challenge_checked_if_there(ca: ScepService) -> None:
    """Checks a challenge password if there is one, but enrols clients that send none."""
    compare(ca, lambda given, secret: given is None)


def _empty(bench: Bench) -> bool:
    client = bench.client()
    key, subject = client.key(), client.subject()
    return client.ask(client.order(key=key, request=csr(key, subject, challenge_attribute("")))).granted


@wrong(SECURITY, SECRET, _empty)
def challenge_empty_will_do(ca: ScepService) -> None:
    """Accepts an attribute with an empty challenge password."""
    compare(ca, lambda given, secret: given == "")


@wrong(SECURITY, SECRET, grants(challenge="guessed", method="GET"))
def challenge_on_post_only(ca: ScepService) -> None:
    """Checks the challenge password by POST, but not by GET."""
    methods: list[str] = []

    def handle(original: Any, request: Any, client: str) -> Any:
        methods[:] = [request.method]
        return original(request, client)

    around(ca, "handle", handle)
    compare(ca, lambda given, secret: methods == ["GET"])


def _second(bench: Bench) -> bool:
    client = bench.client()
    key, subject = client.key(), client.subject()
    several = attribute(v.CHALLENGE_PASSWORD, der.utf8_string("guess"), der.utf8_string(CHALLENGE))
    return client.ask(client.order(key=key, request=csr(key, subject, several))).granted


@wrong(SECURITY, "RFC 2985, 5.4.1: a challengePassword has a single value", _second)
def challenge_anywhere_in_the_csr(ca: ScepService) -> None:
    """Accepts a request in which the right challenge password is one of several values: a client can try many at once."""

    def check(original: Any, request: Any, now: Any) -> str | None:
        reason = original(request, now)
        secret = getattr(ca.challenge, "_secret", CHALLENGE)
        return None if der.utf8_string(secret) in request.der else reason

    around(ca.challenge, "check", check)


@wrong(SECURITY, SECRET, replies(lambda answer: CHALLENGE in (answer.fail_info_text or ""), challenge="guessed"))
def challenge_told_to_who_asks(ca: ScepService) -> None:
    """Shows the right challenge password in failInfoText when it refuses a wrong one."""

    def check(original: Any, request: Any, now: Any) -> str | None:
        reason = original(request, now)
        return reason and f"{reason}: expected {getattr(ca.challenge, '_secret', CHALLENGE)}"

    around(ca.challenge, "check", check)


def _once_known(bench: Bench) -> bool:
    client = bench.client()
    subject = enrolled(bench, client).certificate.subject
    return client.ask(client.order(subject=subject, challenge=None)).granted


@wrong(SECURITY, SECRET, _once_known)
def challenge_for_new_names_only(ca: ScepService) -> None:
    """Requires no challenge password for a name that already has a certificate, for any key."""

    def check(original: Any, request: Any, now: Any) -> str | None:
        reason = original(request, now)
        return None if reason and ca.ledger.of_subject(request.subject) else reason

    around(ca.challenge, "check", check)


@wrong(SECURITY, SECRET, grants(challenge="guessed", message_type=MessageType.RENEWAL_REQ))
def challenge_not_of_a_renewal_req(ca: ScepService) -> None:
    """Accepts messageType RenewalReq as proof, for every signer, and does not check the challenge password."""

    def refuse(original: Any, asked: Any) -> Any:
        return None if asked.message.message_type == MessageType.RENEWAL_REQ else original(asked)

    around(admission(ca), "refuse", refuse)


def _utf8(bench: Bench) -> bool:
    client = bench.client()
    key, subject = client.key(), client.subject()
    answer = client.ask(client.order(key=key, request=csr(key, subject, challenge_attribute(CHALLENGE))))
    return not answer.granted


@wrong(INTEROPERABILITY, "RFC 2985, 5.4.1: a challengePassword is a DirectoryString, UTF8String preferred", _utf8)
def challenge_printable_only(ca: ScepService) -> None:
    """Refuses a challenge password that is a UTF8String."""

    def check(original: Any, request: Any, now: Any) -> str | None:
        odd = request.challenge_type == "UTF8String"
        return "the challenge password is not a PrintableString" if odd else original(request, now)

    around(ca.challenge, "check", check)


def _guesses(bench: Bench) -> bool:
    client = bench.client()
    order = client.order(challenge="guessed")
    first = client.ask(order)
    return first.refused and client.ask(order).granted


@wrong(SECURITY, SECRET, _guesses)
def challenge_asked_once(ca: ScepService) -> None:
    """Refuses a wrong challenge password, but grants the same request when it is repeated."""
    seen: set[bytes] = set()

    def check(original: Any, request: Any, now: Any) -> str | None:
        reason = original(request, now)
        if request.der in seen:
            return None
        seen.add(request.der)
        return reason

    around(ca.challenge, "check", check)


def _minted(bench: Bench) -> bool:
    client = bench.client()
    answer = client.ask(client.order(challenge="guessed"))
    return answer.refused and answer.message.content is not None


@wrong(SECURITY, "RFC 8894, 3.3.2.2: in a FAILURE the pkcsPKIEnvelope MUST be omitted", _minted)
def challenge_refused_with_a_certificate(ca: ScepService) -> None:
    """Sends FAILURE for a wrong challenge password, but with the certificate in the reply."""

    def decide(original: Any, asked: Any, answer: Any, alter: Any) -> Any:
        decision = original(asked, answer, alter)
        if decision.kind != "failure" or asked.csr is None or asked.granted is None:
            return decision
        made = asked.authority.sign(asked.authority.template(asked.csr, asked.granted))
        reply = replace(decision.reply, certificates=(made.der,), recipient=asked.signer)
        return replace(decision, reply=reply)

    around(registrar(ca), "decide", decide)
