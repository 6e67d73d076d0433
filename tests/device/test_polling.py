"""The rules of polling as the manual's table: each answer, what it is shown as, and whether the machine asks again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mfp_sim.device.polling import Ends, PollReply, Polls, counted_at_first, detail_of, what_follows
from mfp_sim.device.printer_profile import profile_named
from mfp_sim.device.settings import Polling

MODEL = profile_named("canon-ir-adv-dx")
TWICE = Polling(2, 10)
ANSWERS = [
    PollReply("pending"),
    PollReply("lost"),
    *(PollReply("http", n) for n in (404, 500, 503, 599, 600)),
    PollReply("unusable"),
]
ANSWERS += [PollReply("failure", number) for number in (None, -1, 0, 1, 2, 3, 4, 5)]
POLL_ALWAYS = {PollReply("pending"), PollReply("lost")}


@pytest.mark.parametrize("answer", ANSWERS, ids=str)
@pytest.mark.parametrize(
    ("reading", "statuses"), [("none", set()), ("5xx", {500, 503, 599}), ("all", {404, 500, 503, 599, 600})]
)
def test_which_answers_are_polled_after(answer: PollReply, reading, statuses: set[int]) -> None:
    model = replace(MODEL, http_errors_that_poll=reading)
    polls = answer in POLL_ALWAYS or (answer.kind == "http" and answer.number in statuses)
    assert what_follows(answer, 0, TWICE, model) == (Polls(10) if polls else Ends(detail_of(answer)))


@pytest.mark.parametrize("answer", sorted(POLL_ALWAYS, key=str), ids=str)
def test_polling_ends_with_the_count_and_without_polling_at_once(answer: PollReply) -> None:
    assert [type(what_follows(answer, polls, TWICE, MODEL)) for polls in (0, 1, 2, 3)] == [Polls, Polls, Ends, Ends]
    assert what_follows(answer, 0, None, MODEL) == Ends(detail_of(answer))


@pytest.mark.parametrize(
    ("answer", "slug"),
    [
        (PollReply("pending"), "deferred"),
        (PollReply("lost"), "top-error"),
        (PollReply("http", 503), "top-error-503"),
        *((PollReply("failure", number), f"fail-info-{number}") for number in range(5)),
        *((PollReply("failure", number), "scep-error") for number in (None, -1, 5)),
        (PollReply("unusable"), "scep-error"),
    ],
)
def test_what_is_shown(answer: PollReply, slug: str) -> None:
    assert detail_of(answer).slug == slug


def test_a23_only_a_pending_request_is_kept_and_only_where_the_model_keeps_it() -> None:
    keeps = replace(MODEL, pending_at_end="keep")
    kept = [answer for answer in ANSWERS if isinstance(e := what_follows(answer, 2, TWICE, keeps), Ends) and e.keep]
    assert kept == [PollReply("pending")]
    drops = replace(MODEL, pending_at_end="drop")
    assert what_follows(PollReply("pending"), 2, TWICE, drops) == Ends(detail_of(PollReply("pending")))


def test_a34_only_a_lost_reply_begins_a_new_transaction() -> None:
    anew = replace(MODEL, resend="new-transaction")
    assert what_follows(PollReply("lost"), 0, TWICE, anew) == Polls(10, anew=True)
    assert what_follows(PollReply("pending"), 0, TWICE, anew) == Polls(10)


@pytest.mark.parametrize(("counts", "polling", "count"), [(True, TWICE, 1), (False, TWICE, 0), (True, None, 0)])
def test_a35_what_the_first_request_counts_as(counts: bool, polling: Polling | None, count: int) -> None:
    assert counted_at_first(polling, replace(MODEL, first_request_counts=counts)) == count
