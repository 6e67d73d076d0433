"""Serial numbers over many issues, one after the other and at the same time. RFC 5280, 4.1.2.2; RFC 8894, 2.5."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from threading import Barrier

from mfp_sim.conformance.answers import Answer, Exchange
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.facts import fact
from mfp_sim.conformance.model import Fact, Proof
from mfp_sim.conformance.outcomes import Inconclusive, NotApplicable
from mfp_sim.conformance.registry import check
from mfp_sim.shared.scep.http_messages import HttpRequest
from mfp_sim.shared.simtime import FrozenClock

SEVERAL = 4
CLIENTS, ROUNDS = 8, 4
BREACHES = ("repeated", "mixed-up")


def _serials(answers: list[Answer]) -> list[int]:
    """Their serial numbers.

    Raises:
        Inconclusive: one contains no readable certificate, so its serial number is unknown.
    """
    missing = [a for a in answers if a.issued is None]
    if missing:
        raise Inconclusive(f"a SUCCESS contains no readable certificate: {missing[0].payload.problem}")
    return [a.issued.serial for a in answers if a.issued is not None]


@check(
    "serials-unique",
    "Serial numbers are unique",
    "SCEP-3.3.2.1-16",
    why="A CA cannot revoke one of two certificates with the same serial number.",
    cost=SEVERAL,
    tags=("serials",),
    breaches=("repeated",),
    proofs=(Proof("repeated", defects=("constant-serial",)),),
)
def unique(session: Client) -> Iterator[Fact]:
    answers = [session.enrol() for _ in range(SEVERAL)]
    serials = _serials(answers)
    got = ", ".join(f"{serial:x}" for serial in serials)
    yield fact("repeated", len(set(serials)) == len(serials), "a different number for each certificate", got, *answers)


@check(
    "serials-unpredictable",
    "Serial numbers are random, not sequential",
    "SCEP-3.3.2.1-16",
    why="Predictable serial numbers helped collision attacks on MD5 and SHA-1 certificates.",
    cost=3,
    tags=("serials", "security"),
    proofs=(Proof("counting", setup={"serials": "sequential"}),),
)
def unpredictable(session: Client) -> Iterator[Fact]:
    answers = [session.enrol() for _ in range(3)]
    serials = _serials(answers)
    steps = [b - a for a, b in pairwise(serials)]
    counting = len(steps) > 1 and all(0 < step <= 16 for step in steps)
    got = ", ".join(f"{serial:x}" for serial in serials)
    yield fact("counting", not counting, "64 random bits", got, *answers, requirement="SCEP-3.3.2.1-16")


@check(
    "concurrent-enrolments",
    f"Clients that enrol at the same time, in {ROUNDS} rounds, each get their own certificate and serial number",
    "SCEP-2.5-10",
    "SCEP-3.3.2.1-16",
    why="A fleet may start at the same time; a race assigns a serial number twice or refuses a right request.",
    field_failures=("F-K09", "F-S03"),
    cost=CLIENTS * ROUNDS,
    tags=("serials", "load"),
    breaches=BREACHES,
    proofs=(Proof("repeated", defects=("constant-serial",)), Proof("refused", defects=("refuses-every-third",))),
)
def concurrent(session: Client) -> Iterator[Fact]:
    """A race shows only in some rounds, so there are several, up to the first with a security failure. A pass means
    only that no round showed a race."""
    lost = []
    worst: list[Fact] = []
    for number in range(1, ROUNDS + 1):
        answers = _at_once(session)
        replied = [a for a in answers if a.reply is not None]
        if replied and all(a.parked for a in replied):
            raise NotApplicable("the server waits for approval")
        if len(replied) < len(answers):
            lost.append(f"round {number}: {len(answers) - len(replied)} of {CLIENTS} got no reply")
        facts = list(_judged(replied))
        worst = max(worst, facts, key=_weight)
        if any(fact.deviates and fact.slug in BREACHES for fact in facts):
            break
    yield from worst
    if len(lost) > 1:
        yield fact("lost", False, "a reply to each client", "; ".join(lost), mistake="the server refuses connections")
    elif lost:
        raise Inconclusive(f"either the server or the network lost it: {lost[0]}")


def _weight(facts: list[Fact]) -> tuple[bool, bool, bool]:
    """How bad a round is; a round that shows nothing ranks above no round."""
    wrong = [fact.slug for fact in facts if fact.deviates]
    return any(slug in BREACHES for slug in wrong), bool(wrong), bool(facts)


def _at_once(session: Client) -> list[Answer]:
    orders = [session.order() for _ in range(CLIENTS)]
    if session.policy.budget is not None and session.spent + CLIENTS > session.policy.budget:
        raise Inconclusive(f"the budget of {session.policy.budget} certificates does not allow {CLIENTS} at once")
    requests = [session.request_of(order, session.encode(order)) for order in orders]
    if isinstance(session.clock, FrozenClock):  # one after the other, since threads would share its time
        exchanges = [session.http(request, "PKCSReq", once=True) for request in requests]
    else:
        together = Barrier(CLIENTS)

        def send(request: HttpRequest) -> Exchange:
            together.wait()
            return session.http(request, f"PKCSReq, one of {CLIENTS}", once=True)

        with ThreadPoolExecutor(CLIENTS) as pool:
            exchanges = list(pool.map(send, requests))
    return [session.take(order, exchange) for order, exchange in zip(orders, exchanges, strict=True)]


def _judged(answers: list[Answer]) -> Iterator[Fact]:
    granted = [a for a in answers if a.granted]
    texts = "; ".join(sorted({a.text for a in answers if not a.granted}))
    yield fact(
        "refused",
        len(granted) == len(answers),
        f"{len(answers)} certificates for {len(answers)} clients",
        f"{len(granted)} of {len(answers)} granted{'; ' + texts if texts else ''}",
        *answers,
        mistake="requests share a file or a counter without a lock",
        of_grant=True,
    )
    other_facts = [a for a in granted if a.issued is None and a.leaves]
    yield fact(
        "mixed-up",
        not other_facts,
        "each client gets the certificate for its own key",
        f"{len(other_facts)} got the certificate of another client",
        *granted,
    )
    serials = _serials([a for a in granted if a not in other_facts])
    yield fact(
        "repeated",
        len(set(serials)) == len(serials),
        "a different number for each certificate",
        ", ".join(f"{serial:x}" for serial in serials),
        *granted,
        requirement="SCEP-3.3.2.1-16",
        mistake="the server reads and writes the next serial number without a lock",
    )
