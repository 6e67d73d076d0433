"""Each rule is broken by a server that is wrong in this way, and kept by the right one, in the same few acts."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Any

import pytest
from acts import acts
from searched import PROOFS, Proof
from wrong_servers import SERVERS
from wrong_servers.examined import against

from mfp_sim.conformance import selftest
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.model import CheckVerdict
from mfp_sim.conformance.operators import Act
from mfp_sim.exploration.server.acts import KINDS
from mfp_sim.exploration.server.case import CaseRun, losing
from mfp_sim.exploration.server.history import HistoryEntry, ServerAct
from mfp_sim.exploration.server.rules import ALIVE, RULES, Judgement, judged
from mfp_sim.exploration.server.search import abilities_of
from mfp_sim.shared.catalogue.registry import requirements


def look(
    session: AbstractContextManager[Client], case: tuple[ServerAct, ...]
) -> tuple[tuple[HistoryEntry, ...], dict[str, list[Judgement]]]:
    with session as client:
        abilities = abilities_of(client)
        history = CaseRun(client, abilities, losing(client), case).run()
        return history, dict(judged(history, operated=Act.APPROVE in abilities.operator))


def broken(found: dict[str, list[Judgement]]) -> dict[str, CheckVerdict]:
    """The rules that do not hold, with the severity of the worst deviation."""
    return {
        slug: max(min(one.at_most, RULES[slug].severity) for one in judgements if not one.holds)
        for slug, judgements in found.items()
        if not all(one.holds for one in judgements)
    }


@pytest.mark.parametrize("proof", PROOFS, ids=lambda proof: f"{proof.rule}-{proof.server}")
def test_a_wrong_server_breaks_it_and_the_right_one_keeps_it(proof: Proof) -> None:
    history, found = look(against(proof.server, proof.shape), proof.acts)
    assert len(history) == len(proof.acts), "an act was left out"
    assert broken(found).get(proof.rule) is proof.verdict
    wrong = next(one for one in found[proof.rule] if not one.holds)
    assert history[-1].number in wrong.entries
    kept_history, kept = look(against(None, proof.shape), proof.acts)
    assert len(kept_history) == len(proof.acts)
    assert kept[proof.rule], "the rule judged nothing at the right server"
    assert broken(kept) == {}


def test_each_rule_and_each_act_of_a_stranger_is_proved() -> None:
    assert {proof.rule for proof in PROOFS} == set(RULES) - {ALIVE}  # test_server_search proves that one
    sent = {act.kind for proof in PROOFS for act in proof.acts}
    assert sent == set(KINDS), "an act that no proof sends"


def test_a_rule_names_requirements_of_the_catalogue() -> None:
    known = requirements()
    for rule in RULES.values():
        assert set(rule.requirements) <= set(known)
        assert all(rule.sections)
        assert rule.severity >= CheckVerdict.FINDING
    barred = {kind.barred for kind in KINDS.values() if kind.barred}
    assert barred <= set(RULES)


def test_a_repetition_after_revocation_is_not_judged() -> None:
    """The mock treats it as a new request, which its challenge password authorises; the RFC does not say."""
    _, found = look(against(None, "challenge"), acts("enrol", "revoke:1", "again:1"))
    assert found["one-certificate"] == []


@pytest.mark.parametrize(("names", "verdict"), [(("renewal-under-another-name",), CheckVerdict.FAIL), (
    ("renewal-under-another-name", "subject-of-its-own"), None)])  # fmt: skip
def test_a_server_may_renew_the_old_name_instead_of_another(
    monkeypatch: pytest.MonkeyPatch, names: tuple[str, ...], verdict: CheckVerdict | None
) -> None:
    right = selftest.make_service

    def make(*arguments: Any, **named: Any) -> Any:
        ca = right(*arguments, **named)
        for name in names:
            SERVERS[name].spoil(ca)
        return ca

    monkeypatch.setattr(selftest, "make_service", make)
    with selftest.bench() as session:
        history, found = look(nullcontext(session), acts("enrol", "renew-other-name:1"))
        assert all(entry.expected for entry in session.minted) == (verdict is None)
    assert history[1].granted
    assert broken(found).get("renewal-other-name") is verdict


def test_a_lost_reply_is_not_judged_but_what_follows_is() -> None:
    history, found = look(
        against("two-certificates-for-one-request", "challenge"), acts("enrol~", "again:1", "again:1")
    )
    assert not history[0].read
    assert history[0].answer.exchange.error.sent
    assert [one.entries for one in found["one-certificate"] if not one.holds] == [(2, 3)]


def test_a_poll_of_a_stranger_that_only_the_owner_can_read_is_milder() -> None:
    history, found = look(against("failure-says-success", "challenge"), acts("enrol", "foreign-poll:1 B"))
    assert history[1].granted
    assert broken(found)["poll-by-stranger"] is CheckVerdict.FINDING
