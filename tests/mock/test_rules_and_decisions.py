"""Whose decision an answer is: a rule's answer is that rule's, and what the CA refuses by itself no rule has counted."""

from __future__ import annotations

import pytest

from mfp_sim.shared.scep import messages
from mfp_sim.shared.scep.vocabulary import MessageType
from mock_scep_server.script import Facts

WRONG = "badRequest: the challenge password is wrong"


def _used(ca) -> list[tuple[int, int]]:
    return [(rule["fitted"], rule["taken"]) for rule in ca.service.script.describe()]


@pytest.mark.parametrize("challenge", ["s3cret", "one time"])
def test_a_scripted_failure_is_not_remembered(make_ca, make_client, challenge: str) -> None:
    rules = (
        "[{when: {type: PKCSReq}, then: {failure: 3, text: clock}, times: 1}, {when: {type: PKCSReq}, then: success}]"
    )
    ca = make_ca("{challenge: {one_time: {}}}" if challenge == "one time" else "{}", script=rules)
    secret = ca.service.operator.give_challenge() if challenge == "one time" else challenge
    client = make_client(ca)
    octets = client.csr(secret)
    assert client.send(MessageType.PKCS_REQ, octets).words == "badTime: clock"
    assert ca.service.operator.waiting == ()
    assert client.send(MessageType.PKCS_REQ, octets).words == "SUCCESS"
    assert [(entry.rule, entry.overruled) for entry in ca.service.journal.entries] == [(1, None), (2, None)]
    assert ca.minted == 1


def test_a_scripted_failure_at_a_poll_is_not_remembered_either(make_ca, make_client) -> None:
    ca = make_ca("{approval: manual}", script="[{when: {type: CertPoll}, then: {failure: 2}, times: 1}]")
    client = make_client(ca)
    assert client.enrol().words == "PENDING"
    assert client.poll().words == "badRequest: refused by the script"
    assert client.poll().words == "PENDING"
    assert ca.service.operator.approve() == 1
    assert client.poll().words == "SUCCESS"


def test_who_was_told_failure_does_not_wait(make_ca, make_client) -> None:
    ca = make_ca("{approval: manual}", script="[{when: {type: PKCSReq}, then: {failure: 2}}]")
    make_client(ca).enrol()
    assert ca.service.operator.waiting == ()
    assert ca.service.operator.approve() == 0


def test_what_the_ca_refuses_by_itself_stays_its_own(make_ca, make_client) -> None:
    ca = make_ca("{approval: manual}", script="[{then: {failure: 3, text: mine}, when: {nth: 3}}]")
    client = make_client(ca)
    client.enrol()
    ca.service.operator.reject("*", 2, "no")
    assert [client.poll().words for _ in range(3)] == ["badRequest: no", "badTime: mine", "badRequest: no"]


@pytest.mark.parametrize("answer", ["success", "pending"])
def test_times_counts_what_the_rule_decided(make_ca, make_client, answer: str) -> None:
    ca = make_ca("{approval: manual}" if answer == "success" else "{}", script=f"[{{then: {answer}, times: 1}}]")
    client = make_client(ca)
    assert client.enrol("wrong").words == WRONG
    assert _used(ca) == [(0, 0)]
    assert client.enrol().words == answer.upper()
    assert _used(ca) == [(1, 1)]
    refused, decided = ca.service.journal.entries
    assert (refused.rule, refused.overruled, refused.by_rule) == (None, 1, " [overrules rule 1]")
    assert refused.near_misses == (f"rule 1 matched with {answer}, but the CA decided differently by itself",)
    assert (refused.to_json()["overruled"], "rule" in refused.to_json()) == (1, False)
    assert (decided.rule, decided.overruled, decided.by_rule) == (1, None, " [rule 1]")
    assert (decided.to_json()["rule"], "overruled" in decided.to_json()) == (1, False)


def test_nth_counts_what_the_ca_did_not_refuse(make_ca, clients) -> None:
    ca = make_ca(script="[{when: {type: PKCSReq, nth: 2}, then: pending}]")
    first, second, third = clients(ca, 3)
    assert first.enrol("wrong").words == WRONG
    assert second.enrol().words == "SUCCESS"
    assert third.enrol("wrong").words == WRONG
    assert third.enrol().words == "PENDING"
    assert _used(ca) == [(2, 1)]


def test_a_rule_that_refuses_or_breaks_counts_every_request_that_fits(make_ca, clients) -> None:
    """It acts on a refusal of the CA's own too."""
    ca = make_ca(
        script="[{when: {nth: 2}, then: {failure: 3, text: mine}}, {when: {nth: 1}, faults: [nonce-mismatch]}]"
    )
    first, second, _ = clients(ca, 3)
    assert first.enrol("wrong").words == WRONG
    assert second.enrol("wrong").words == "badTime: mine"
    assert [(entry.rule, entry.overruled) for entry in ca.service.journal.entries] == [(2, None), (1, None)]
    assert ca.service.script.unused() == []


def test_a_fault_that_decides_is_overruled_as_an_answer_is(make_ca, make_client) -> None:
    ca = make_ca(script="[{faults: [pending-forever], times: 1}]")
    client = make_client(ca)
    assert client.enrol("wrong").words == WRONG
    assert _used(ca) == [(0, 0)]
    assert client.enrol().words == "PENDING"
    assert _used(ca) == [(1, 1)]


def test_what_no_rule_can_grant_is_no_rules_answer(make_ca, make_client) -> None:
    ca = make_ca(script="[{when: {type: CertPoll}, then: success}]")
    assert make_client(ca).poll().words == "badCertId: no such transaction"
    assert ca.service.journal.entries[-1].overruled == 1
    assert len(ca.service.script.unused()) == 1


def test_a_rule_without_conditions_is_for_the_requests_that_can_be_answered_so(make_ca, make_client) -> None:
    """What has no pkiStatus, or is never put off, does not use it up."""
    ca = make_ca(script="[{then: pending, times: 1}]")
    client = make_client(ca)
    own = ca.service.authority.issuer.certificate
    assert ca.get("?operation=GetCACaps").status == 200
    found = client.send(MessageType.GET_CERT, messages.issuer_and_serial(own.issuer, own.serial))
    assert found.words == "SUCCESS"
    assert [(entry.rule, entry.overruled, entry.near_misses) for entry in ca.service.journal.entries] == [
        (None, None, (f"rule 1 nearly matched: {name} never gets the reply pending",))
        for name in ("GetCACaps", "GetCert")
    ]
    assert client.enrol().words == "PENDING"
    assert _used(ca) == [(1, 1)]


def test_a_rule_can_put_off_what_is_issued_already(make_ca, make_client) -> None:
    ca = make_ca(script="[{when: {type: CertPoll}, then: pending, times: 1}]")
    client = make_client(ca)
    assert client.enrol().words == "SUCCESS"
    assert client.poll().words == "PENDING"
    assert ca.service.operator.waiting == (), "the operator has nothing to decide"
    assert client.poll().words == "SUCCESS"
    assert ca.minted == 1


def test_rules_that_are_swapped_meanwhile_are_not_counted_wrongly(make_ca, make_client) -> None:
    ca = make_ca(script="[{then: success, times: 1}]")
    script = ca.service.script
    taken = script.take(Facts("PKIOperation", "POST", "PKCSReq"), ca.clock.now())
    script.replace(script.rules)
    script.give_back(taken, overruled=True)
    assert _used(ca) == [(0, 0)]
