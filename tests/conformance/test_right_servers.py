"""Servers that are right in their own way are not blamed, and what was not seen is not praised."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mfp_sim.conformance.causes import cause_of
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.engine import run_checks
from mfp_sim.conformance.model import CheckResult, CheckVerdict, Proof
from mfp_sim.conformance.registry import select
from mfp_sim.conformance.selftest import bench
from mfp_sim.shared.scep.http_messages import HttpReply, HttpRequest
from mock_scep_server.policy import CaPolicy, ChallengeSetup

SECRET = "used-0nly-once"


class _Refusing:
    """A wire on which some requests get an HTTP error."""

    def __init__(self, session: Client, status: int) -> None:
        self._inner, self._status = session.transport, status

    def exchange(self, host: str, port: int, request: HttpRequest, timeout: float) -> HttpReply:
        if request.method == "GET" and "PKIOperation" in request.target:
            return HttpReply(self._status, body=b"no")
        return self._inner.exchange(host, port, request, timeout)


def _one(session: Client, name: str) -> CheckResult:
    return run_checks(session, select([name])).results[0]


def test_a_challenge_that_is_used_up_is_no_fault_of_the_server(server, conform) -> None:
    mock = server(policy=CaPolicy(challenge=ChallengeSetup("one_time")), static=False)
    mock.service.operator.give_challenge(secret=SECRET)
    words = ("--challenge", SECRET, "--verdict", "rfc", "--only", "post-binary", "--only", "caps-true-sha-1")
    code, shown = conform(mock.url, *words)
    assert code == 3, shown
    assert "RFC 8894: INCONCLUSIVE: " in shown
    assert "refused at the end too: post-binary, caps-true-sha-1" in shown or "caps-true-sha-1, post-binary" in shown
    assert SECRET not in shown


def test_who_does_not_serve_get_breaks_no_rule_on_base64() -> None:
    for status in (400, 403, 414):
        with bench() as session:
            session.transport = _Refusing(session, status)
            result = _one(session, "get-standard-base64")
            assert result.verdict is CheckVerdict.NOT_APPLICABLE, (status, result)
            assert f"HTTP {status}" in (result.reason or "")


def test_who_does_not_serve_get_may_refuse_a_wrong_challenge_by_get_in_any_way() -> None:
    with bench() as session:
        session.transport = _Refusing(session, 405)
        assert _one(session, "challenge-wrong").verdict is CheckVerdict.PASS


@pytest.mark.parametrize(("secret", "variants"), [("4711-0815", 1), ("00c0ffee00C0FFEE", 1), ("zzzz-0815", 2)])
def test_what_has_no_letters_is_not_asked_for_in_another_case(monkeypatch, secret: str, variants: int) -> None:
    monkeypatch.setattr("mfp_sim.conformance.selftest.CHALLENGE", secret)
    with bench() as session:
        result = _one(session, "challenge-exact")
    assert result.verdict is CheckVerdict.PASS
    assert len([one for one in result.facts if one.slug.startswith("granted-")]) == variants


def test_a_sentence_about_passwords_gives_away_no_challenge_that_is_such_a_word(monkeypatch) -> None:
    monkeypatch.setattr("mfp_sim.conformance.selftest.CHALLENGE", "password")
    with bench() as session:
        result = _one(session, "failinfotext-leaks-nothing")
        assert "password" in (session.refusal().fail_info_text or "")
    assert result.verdict is CheckVerdict.PASS


def test_a_renewal_without_the_name_that_is_new_is_right() -> None:
    with bench(Proof("", defects=("drops-san", "renews-with-more-names"))) as session:
        result = _one(session, "renewal-adds-names")
    assert result.verdict is CheckVerdict.PASS
    assert result.facts[0].got == "a certificate for no names"


def test_printers_that_wait_for_approval_are_not_said_to_fail(server, conform) -> None:
    mock = server(policy=CaPolicy(approval="manual"), static=False)
    code, shown = conform(mock.url, "--verdict", "printers", "--printer", "canon-ir-adv-dx")
    assert code == 5, shown
    assert "canon-ir-adv-dx: not-tried" in shown
    assert "it waits for approval" in shown
    assert "Printers: INCONCLUSIVE" in shown


def test_advertised_update_req_is_not_judged() -> None:
    with bench(Proof("", ca={"capabilities": ("AES", "SHA-256", "SCEPStandard", "Update")})) as session:
        assert _one(session, "refuses-update-req").verdict is CheckVerdict.NOT_APPLICABLE


def test_a_success_without_any_content_has_no_certificate() -> None:
    with bench() as session:
        answer = session.granted()
        signed = answer.signed
        assert signed is not None
        bare = replace(answer)
        bare.__dict__["_read"] = (replace(signed, content=None), answer.message, None)
        session.answers[:] = [bare]
        session._granted = bare
        result = _one(session, "issued-present")
        assert result.verdict is CheckVerdict.FAIL
        assert result.deviations[0].got == "no messageData"


def test_a_renewal_that_everybody_gets_authenticates_nobody() -> None:
    with bench(Proof("", defects=("renews-for-anybody",), setup={"open": True})) as session:
        result = _one(session, "renewal-self-signed")
        assert result.verdict is CheckVerdict.FINDING
        assert result.deviations[0].slug == "granted-as-to-all"
        assert cause_of(result).kind == "policy"
        assert not session.unexpected


def test_a_crl_alone_says_nothing_on_certificates_in_clear() -> None:
    with bench(Proof("", answer="{failure: 2}", when="type: PKCSReq")) as session:
        seen, result = run_checks(session, select(["getcrl-in-crls", "issued-not-in-clear"])).results[::-1]
        if seen.check.id != "getcrl-in-crls":
            seen, result = result, seen
        assert seen.verdict is CheckVerdict.PASS
        assert result.verdict is CheckVerdict.INCONCLUSIVE
