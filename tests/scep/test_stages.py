"""The client's stages: for each state and each result where it leads, written out, and not taken from the table."""

from __future__ import annotations

from typing import get_args

import pytest

from mfp_sim.client.stages import GOES_ON, NEXT, Stage, StageResult, State

RESULTS = get_args(StageResult)
LEADS = {
    "GetCACaps": {"taken": "GetCACert", "closed": "GetCACert"},
    "GetCACert": {"taken": "PKCSReq"},
    "PKCSReq": {"decided": "done", "changed-ca": "GetCACert"},
    "CertPoll": {"decided": "done", "changed-ca": "GetCACert"},
    "done": {},
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("result", RESULTS)
def test_where_a_result_leads(state: State, result: StageResult) -> None:
    wanted = LEADS[state.value].get(result, state.value)
    assert Stage(state).after(result).state.value == wanted


def test_an_inquiry_goes_on_after_what_brings_it_on() -> None:
    assert set(GOES_ON) == {"taken", "closed", "changed-ca"}
    assert {result for _, result in NEXT} - GOES_ON == {"decided"}


def test_what_is_pending_is_polled_after_the_certificates_were_fetched_again() -> None:
    stage = Stage(State.SUBMIT).after("pending")
    assert stage == Stage(State.SUBMIT, pending=True)
    polling = stage.again("same")
    assert polling.state is State.POLL
    fetching = polling.after("changed-ca")
    assert fetching.state is State.CA_CERT
    assert fetching.again("same").state is State.CA_CERT, "the certificates are still to be fetched"
    assert fetching.after("taken").state is State.POLL


@pytest.mark.parametrize(("resend", "asked"), [("same", State.SUBMIT), ("CertPoll", State.POLL)])
def test_a34_what_is_asked_after_a_reply_was_lost(resend: str, asked: State) -> None:
    assert Stage(State.SUBMIT).after("unanswered").again(resend).state is asked


@pytest.mark.parametrize("state", [State.CAPS, State.CA_CERT, State.POLL])
def test_a34_is_about_a_pkcsreq_that_left_whole(state: State) -> None:
    assert not Stage(state).after("unanswered").unanswered
    assert Stage(State.SUBMIT).after("lost").again("CertPoll").state is State.SUBMIT, (
        "what never left is sent as it was"
    )
    assert not Stage(State.SUBMIT, unanswered=True).after("lost").unanswered, "the last exchange counts"
    assert Stage(State.SUBMIT, unanswered=True).after("unusable").unanswered
