"""Properties that should come true now and then in a long search, or the search does not reach what matters.

Some are declared here one by one; the others follow from the product's own tables: each reason of a refusal, each
detail of the status, each point at which the power can fail, each stage of a client.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from itertools import pairwise
from typing import get_args

from mfp_sim.client.stages import NEXT, StageResult, State
from mfp_sim.device.power import NAMES as POWER_POINTS
from mfp_sim.events import (
    AuditNote,
    Event,
    ExchangeCut,
    ExchangeLost,
    ExchangeReply,
    ExchangeRequest,
    MockRequest,
    PollBooked,
    PowerFailed,
    StatusRowAdded,
)
from mfp_sim.scenario.always.watching import Course, Happening
from mfp_sim.scenario.expectations import DETAILS
from mfp_sim.shared.errors import Reason

__all__ = ["SOMETIMES", "SometimesProperty"]


@dataclass(frozen=True)
class SometimesProperty:
    """A property in one sentence; ``holds`` says whether it came true in a run."""

    sentence: str
    holds: Callable[[Course], bool]


def _some(course: Course, wanted: Callable[[Happening], bool]) -> bool:
    return any(map(wanted, course.happenings))


def _refused(reason: str) -> Callable[[Course], bool]:
    return lambda course: any(step.refused == reason for step in course.steps)


def _detail(slug: str) -> Callable[[Course], bool]:
    def holds(one: Happening) -> bool:
        return isinstance(one.event, StatusRowAdded) and (one.event.details or "none") == slug

    return lambda course: _some(course, holds)


def _power_at(point: str) -> Callable[[Course], bool]:
    return lambda course: _some(course, lambda one: isinstance(one.event, PowerFailed) and one.event.point == point)


def _closed(event: Event) -> bool:
    return isinstance(event, ExchangeLost)


def _decided(event: Event) -> bool:
    return isinstance(event, ExchangeReply) and (event.message or {}).get("pkiStatus") in ("SUCCESS", "FAILURE")


def _accepted(event: Event) -> bool:
    return isinstance(event, ExchangeReply) and event.status == 200


_RESULTS: Mapping[StageResult, Callable[[Event], bool]] = {
    "taken": _accepted,
    "closed": _closed,
    "decided": _decided,
    "changed-ca": lambda event: isinstance(event, ExchangeReply),
}
"""How the exchange ends that has a result."""


def _edge(first: State, result: StageResult, then: State) -> Callable[[Course], bool]:
    """A request of a stage ends with that result, and then its transaction goes on with the next stage."""

    def holds(course: Course) -> bool:
        for serial in course.printers:
            asked: str | None = None
            ended = False
            for one in course.of(serial):
                event = one.event
                if isinstance(event, ExchangeRequest):
                    if ended and event.operation == then.value:
                        return True
                    asked, ended = event.operation, False
                elif isinstance(event, ExchangeReply | ExchangeLost):
                    ended = asked == first.value and _RESULTS[result](event)
                elif isinstance(event, StatusRowAdded):
                    if ended and then is State.DONE:
                        return True
                    ended = False
        return False

    return holds


# --- declared one by one ----------------------------------------------------------------------------------


def _during_exchange(course: Course) -> Iterator[tuple[str, Happening]]:
    """What happens to a printer while one of its exchanges is under way, with the operation."""
    for serial in course.printers:
        sent: str | None = None
        for one in course.happenings:
            if one.printer == serial and isinstance(one.event, ExchangeRequest):
                sent = one.event.operation
            elif one.printer == serial and isinstance(one.event, ExchangeReply | ExchangeLost | ExchangeCut):
                if isinstance(one.event, ExchangeCut) and sent is not None:
                    yield sent, one
                sent = None
            elif sent is not None:
                yield sent, one


def _cut_while_the_clock_is_wrong(course: Course) -> bool:
    return any(
        operation == "PKCSReq" and isinstance(one.event, ExchangeCut) and _clock_is_wrong(course, one)
        for operation, one in _during_exchange(course)
    )


def _clock_is_wrong(course: Course, one: Happening) -> bool:
    """Whether the clock of a printer was wrong at the end of the last step before something happened to it."""
    steps = [step for step in course.steps if step.ended <= one.time and one.printer in step.after]
    return bool(steps) and steps[-1].after[one.printer].own_time != steps[-1].ended


def _full_history(course: Course) -> bool:
    for serial, storage in course.storages.items():
        if storage.kept and len(storage.kept["history"]) >= course.printers[serial].profile.history:
            return True
    return False


def _two_under_way(course: Course) -> bool:
    return any(sum(seen.busy for seen in step.after.values()) > 1 for step in course.steps)


def _lost_then_same(course: Course) -> bool:
    for serial in course.printers:
        lost: str | None = None
        last: str | None = None
        for one in course.of(serial):
            if isinstance(one.event, ExchangeRequest):
                if lost is not None and one.event.transaction == lost:
                    return True
                last = one.event.transaction
            elif isinstance(one.event, ExchangeLost) and one.event.sent:
                lost = last
    return False


def _renewed(course: Course) -> bool:
    for commits in course.commits.values():
        for old, new in pairwise(commits):
            known = {key["id"] for key in old.state["keys"]}
            replaced = {_place(key) for key in old.state["keys"] if key["assigned"] and not key["default"]}
            if any(_place(key) in replaced for key in new.state["keys"] if key["id"] not in known and key["assigned"]):
                return True
    return False


def _place(key: Mapping[str, object]) -> tuple[object, object]:
    """The use location of a stored key."""
    return key["use"], key["policy"]


def _orphan(course: Course) -> bool:
    return course.ca is not None and bool(course.ca.ledger.orphans)


def _deleted_old(course: Course) -> bool:
    for commits in course.commits.values():
        for old, new in pairwise(commits):
            gone = {key["id"] for key in old.state["keys"]} - {key["id"] for key in new.state["keys"]}
            if gone and len(new.state["history"]) != len(old.state["history"]):
                return True
    return False


def _waits_while_busy(course: Course) -> bool:
    return _some(course, lambda one: isinstance(one.event, AuditNote) and one.event.operation == "request waits")


def _summer_time(course: Course) -> bool:
    for serial, commits in course.commits.items():
        zone = course.printers[serial].zone
        offsets = {commit.time.astimezone(zone).utcoffset() for commit in commits}
        if len(offsets) > 1:
            return True
    return False


def _polled(times: int) -> Callable[[Course], bool]:
    return lambda course: _some(course, lambda one: isinstance(one.event, PollBooked) and one.event.poll >= times)


def _decision(word: str) -> Callable[[Course], bool]:
    return lambda course: _some(
        course, lambda one: isinstance(one.event, MockRequest) and one.event.decision.startswith(word)
    )


def _restart_while_pending(course: Course) -> bool:
    return any(
        step.kind in ("restart", "power_off")
        and step.refused is None
        and (seen := step.before.get(step.serial)) is not None
        and bool(seen.kept and seen.kept["request"])
        for step in course.steps
    )


def _import_while_planned(course: Course) -> bool:
    return any(
        step.kind == "import_bundle" and step.refused is None and step.before[step.serial].timer
        for step in course.steps
        if step.serial in step.before
    )


def _long_run(course: Course) -> bool:
    return bool(course.steps) and course.now - course.steps[0].begun > timedelta(days=60)


_DECLARED: Mapping[str, SometimesProperty] = {
    "cut-with-a-wrong-clock": SometimesProperty(
        "The power fails between PKCSReq and CertRep of a printer whose clock is wrong.", _cut_while_the_clock_is_wrong
    ),
    "cut-during-pkcsreq": SometimesProperty(
        "The power fails between PKCSReq and CertRep.",
        lambda course: any(
            op == "PKCSReq" and isinstance(one.event, ExchangeCut) for op, one in _during_exchange(course)
        ),
    ),
    "history-full": SometimesProperty("The history of a printer is full.", _full_history),
    "two-printers-under-way": SometimesProperty("Requests of two printers are in progress at once.", _two_under_way),
    "lost-and-asked-again": SometimesProperty(
        "A printer asks for the same transaction after a lost reply.", _lost_then_same
    ),
    "renewed": SometimesProperty("A new key replaces the enrolled key of a use location.", _renewed),
    "orphan": SometimesProperty("The CA has issued a certificate that no printer has.", _orphan),
    "old-key-deleted": SometimesProperty("A success deletes the old key.", _deleted_old),
    "request-waits": SometimesProperty(
        "An automatic request is due while another one is in progress.", _waits_while_busy
    ),
    "summer-time": SometimesProperty("Summer time begins or ends between two commits.", _summer_time),
    "third-poll": SometimesProperty("A printer books its third poll.", _polled(3)),
    "restart-while-pending": SometimesProperty(
        "A printer is restarted or switched off while its request is in progress.", _restart_while_pending
    ),
    "import-with-timer": SometimesProperty("Settings are imported while the timer is on.", _import_while_planned),
    "two-months": SometimesProperty("A run lasts longer than 60 days.", _long_run),
    **{
        f"ca-decides-{word.lower()}": SometimesProperty(f"The CA decides {word}.", _decision(word))
        for word in ("SUCCESS", "PENDING", "FAILURE")
    },
}

_BY_FORM = frozenset({"bad-start", "not-a-number", "no-file", "start-out-of-range", "bad-ip", "no-such-function"})
"""Reasons that only a form of the Remote UI can give: a scenario with such a value does not load."""
_BEFORE_THE_FIRST_STEP = "commit-factory"

SOMETIMES: Mapping[str, SometimesProperty] = {
    **_DECLARED,
    **{
        f"refused-{reason}": SometimesProperty(f"The printer refuses an action: {reason}.", _refused(reason))
        for reason in get_args(Reason)
        if reason not in _BY_FORM
    },
    **{
        f"detail-{slug}": SometimesProperty(f"A row of the status shows {slug}.", _detail(slug))
        for slug in (*DETAILS, "top-error-404", "top-error-503")
    },
    **{
        f"power-{point}": SometimesProperty(f"The power fails at {point}.", _power_at(point))
        for point in POWER_POINTS
        if not point.startswith(("state-", _BEFORE_THE_FIRST_STEP))
    },
    **{
        f"stage-{state.value}-{result}": SometimesProperty(
            f"{after.value if after is not State.DONE else 'The end'} follows {state.value} ({result}).",
            _edge(state, result, after),
        )
        for (state, result), after in NEXT.items()
    },
}
