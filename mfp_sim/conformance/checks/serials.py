"""Serial numbers over many issues, one after the other and at the same time. RFC 5280, 4.1.2.2; RFC 8894, 2.5."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise

from mfp_sim.conformance.answers import Answer
from mfp_sim.conformance.facts import fact
from mfp_sim.conformance.model import Fact, Inconclusive, NotApplicable, Proof
from mfp_sim.conformance.registry import check
from mfp_sim.conformance.session import Session
from mfp_sim.scep.http import scep_request
from mfp_sim.scep.vocabulary import Operation
from mfp_sim.transport import InProcess

SEVERAL = 4


def _serials(answers: list[Answer]) -> list[int]:
    return [a.issued.serial for a in answers if a.issued is not None]


@check(
    "serials-unique",
    "Serial numbers are unique",
    "SCEP-3.3.2.1-16",
    why="Two certificates of one number cannot be revoked apart.",
    cost=SEVERAL,
    tags=("serials",),
    proofs=(Proof("repeated", defects=("constant-serial",)),),
)
def unique(session: Session) -> Iterator[Fact]:
    answers = [session.enrol() for _ in range(SEVERAL)]
    serials = _serials(answers)
    got = ", ".join(f"{serial:x}" for serial in serials)
    yield fact("repeated", len(set(serials)) == len(serials), "a number each", got, *answers)


@check(
    "serials-unpredictable",
    "Serial numbers do not count",
    "SCEP-3.3.2.1-16",
    why="Predictable numbers helped the collision attacks on MD5 and SHA-1 certificates.",
    cost=3,
    tags=("serials", "security"),
    proofs=(Proof("counting", setup={"serials": "sequential"}),),
)
def unpredictable(session: Session) -> Iterator[Fact]:
    answers = [session.enrol() for _ in range(3)]
    serials = _serials(answers)
    steps = [b - a for a, b in pairwise(serials)]
    counting = len(steps) > 1 and all(0 < step <= 16 for step in steps)
    got = ", ".join(f"{serial:x}" for serial in serials)
    yield fact("counting", not counting, "64 bits of chance", got, *answers, requirement="SCEP-3.3.2.1-16")


@check(
    "concurrent-enrolments",
    "Clients that enrol at the same time get their own certificates, with numbers of their own",
    "SCEP-2.5-10",
    "SCEP-3.3.2.1-16",
    why="A fleet starts at eight in the morning; a race gives one number twice, or refuses for no reason.",
    field_failures=("F-K09", "F-S03"),
    cost=8,
    tags=("serials", "load"),
    proofs=(Proof("repeated", defects=("constant-serial",)), Proof("refused", defects=("refuses-every-third",))),
)
def concurrent(session: Session) -> Iterator[Fact]:
    orders = [session.order() for _ in range(8)]
    requests = [
        scep_request(session.target.path, Operation.PKI_OPERATION, session.encode(order), method="POST")
        if order.method == "POST"
        else scep_request(session.target.path, Operation.PKI_OPERATION, session.encode(order))
        for order in orders
    ]
    if session.policy.budget is not None and len(session.minted) + 8 > session.policy.budget:
        raise Inconclusive(f"the budget of {session.policy.budget} certificates does not allow 8 at once")
    if isinstance(session.transport, InProcess):  # one frozen clock: one after the other
        exchanges = [session.http(request, "PKCSReq") for request in requests]
    else:
        with ThreadPoolExecutor(8) as pool:
            exchanges = list(pool.map(lambda request: session.http(request, "PKCSReq, one of 8"), requests))
    answers = [session.take(order, exchange) for order, exchange in zip(orders, exchanges, strict=True)]
    granted = [a for a in answers if a.granted]
    if all(a.parked for a in answers):
        raise NotApplicable("the server waits for approval")
    texts = "; ".join(sorted({a.text for a in answers if not a.granted}))
    yield fact(
        "refused",
        len(granted) == len(answers),
        "8 certificates for 8 clients",
        f"{len(granted)} of 8 granted{'; ' + texts if texts else ''}",
        *answers,
        mistake="requests share a file or a counter that is not locked",
    )
    serials = _serials(granted)
    got = ", ".join(f"{serial:x}" for serial in serials)
    yield fact(
        "repeated",
        len(set(serials)) == len(serials),
        "a number each",
        got,
        *granted,
        requirement="SCEP-3.3.2.1-16",
        mistake="the next serial number is read and written without a lock",
    )
    mixed = [a for a in granted if a.issued is None]
    yield fact(
        "mixed-up",
        not mixed,
        "each client gets the certificate for its own key",
        f"{len(mixed)} got another's",
        *granted,
    )
