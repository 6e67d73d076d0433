"""signingTime: absent, a little off, and far off. RFC 8894, 3.2.1.4."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

from mfp_sim.conformance.answers import Answer, Order
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.facts import answered, processes
from mfp_sim.conformance.model import Fact, Proof
from mfp_sim.conformance.registry import check, row
from mfp_sim.shared.scep.vocabulary import FailInfo

SKEWS = (
    ("an hour ahead", timedelta(hours=1)),
    ("a day ahead", timedelta(days=1)),
    ("a day behind", timedelta(days=-1)),
)
INSTANTS = (
    ("of 1970", datetime(1970, 1, 1, 0, 0, 1, tzinfo=timezone.utc)),
    ("of 2049", datetime(2049, 12, 31, 23, 0, 0, tzinfo=timezone.utc)),
    ("of 2050, as GeneralizedTime", datetime(2050, 6, 1, tzinfo=timezone.utc)),
)


row(
    __name__,
    "signing-time-absent",
    "A request without signingTime is processed",
    "SCEP-3.2.1.4-06",
    run=processes("a request without signingTime", signing_time=None),
    why="signingTime is not a required attribute, and devices without a clock cannot send it.",
    field_failures=("F-C01", "F-C08"),
    cost=1,
    proofs=(Proof("not-processed", defects=("wants-signing-time",)),),
)


def _judged(answer: Answer, what: str) -> Iterator[Fact]:
    expected = f"SUCCESS or FAILURE badTime for a signingTime {what}"
    yield answered("no-certrep", answer.decided, expected, answer, what=f"a signingTime {what}")
    if answer.refused:
        right = answer.fail_info == FailInfo.BAD_TIME
        yield answered("another-reason", right, expected, answer, what=f"a signingTime {what}")


def _signed_at(session: Client, instant: datetime) -> Order:
    """A request signed at an instant, by a certificate that was valid then and is valid now: only the time is wrong."""
    now, key, subject = session.clock.now().replace(microsecond=0), session.key(), session.subject()
    life: dict[str, Any] = {
        "not_before": min(now, instant) - timedelta(days=1),
        "not_after": max(now, instant) + timedelta(days=365),
    }
    signer = session.self_signed(key, subject, **life)
    return session.order(key=key, subject=subject, signer=signer, signing_time=instant, wrong=True)


@check(
    "signing-time-skew",
    "A request with a wrong signingTime is granted or refused with badTime",
    "SCEP-3.2.1.4-05",
    why="badTime shows a device that its clock is wrong.",
    field_failures=("F-C01", "F-C02", "F-C05"),
    cost=len(SKEWS),
    negative=True,
    tags=("time",),
    proofs=(Proof("no-certrep", defects=("crashes-on-signing-time",)),),
)
def skew(session: Client) -> Iterator[Fact]:
    now = session.clock.now().replace(microsecond=0)
    for what, offset in SKEWS:
        answer = session.ask(_signed_at(session, now + offset))
        yield from _judged(answer, what)


@check(
    "signing-time-far",
    "A request with a signingTime of another century gets a CertRep",
    "SCEP-3.2.1.4-05",
    why="A device with its clock at the factory date sends 1970; UTCTime ends in 2049.",
    field_failures=("F-C08", "F-C10"),
    cost=len(INSTANTS),
    negative=True,
    tags=("time",),
    proofs=(Proof("no-certrep", defects=("crashes-on-signing-time",)),),
)
def far(session: Client) -> Iterator[Fact]:
    for what, instant in INSTANTS:
        answer = session.ask(_signed_at(session, instant))
        yield from _judged(answer, what)
