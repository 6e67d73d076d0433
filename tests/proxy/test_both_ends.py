"""What the proxy says about client and server is what the judge and the checks say, as far as it is visible."""

from __future__ import annotations

import http.client
from contextlib import suppress

import pytest
from proxy_stand import ProxyStand

from mfp_sim.conformance.model import Check
from mfp_sim.conformance.registry import all_checks
from mfp_sim.proxy.wire_faults import applicable, chosen_faults
from mfp_sim.shared.errors import DocumentError, MfpSimError, UsageError
from mfp_sim.shared.scep.http_messages import HttpRequest
from mfp_sim.shared.scep.vocabulary import MessageType

ABOUT_CERTREPS = [
    check for check in all_checks().values()
    if check.chapter in ("certrep_shapes", "certrep_attributes") and check.watches
]  # fmt: skip


def _proof(check: Check):
    """A fault in a script that shows the check's deviation, where one does."""
    return next(
        (p for p in check.proofs if p.faults and not (p.defects or p.ca or p.setup or p.profile != "rfc8894")), None
    )


PROVED = [check for check in ABOUT_CERTREPS if _proof(check)]


def provoked(check: Check) -> ProxyStand:
    """A session in which the mock has the fault that proves the check."""
    proof = _proof(check)
    assert proof is not None
    rule = f"when: {{type: PKCSReq}}, then: {proof.answer}, " if proof.answer else ""
    stand = ProxyStand(script=f"[{{{rule}faults: [{proof.faults}]}}]", more_keys=(ProxyStand().client.key(),)).begin()
    stand.enrol()
    return stand.enrol()


NOT_SEEN = {"envelope-opens": "an envelope that no key opens may be for a key that the proxy does not have"}
"""Checks that judge nothing on the way, and why."""


@pytest.mark.parametrize("check", PROVED, ids=lambda check: check.id)
def test_a_check_of_certreps_sees_through_the_proxy_what_its_proof_does(check: Check) -> None:
    found = {finding.check for one in provoked(check).session.exchanges for finding in one.server_findings}
    assert (check.id in found) != (check.id in NOT_SEEN)


def test_without_a_key_nothing_is_said_about_what_is_inside() -> None:
    closed, opened = (ProxyStand(opened=open_, more_keys=keys).begin().enrol() for open_, keys in (
        (False, ()), (True, (ProxyStand().client.key(),)),
    ))  # fmt: skip
    assert closed.last.judged < opened.last.judged
    assert [str(f.verdict.word) for f in closed.last.server_findings if f.verdict.word != "finding"] == []


def test_the_inside_of_a_request_is_judged_with_the_cas_key() -> None:
    stands = [ProxyStand(opened=opened, challenge=None).begin() for opened in (False, True)]
    for stand in stands:
        order = stand.client.order(challenge="s3cret")
        other = stand.client.key()
        stand.client.ask(stand.client.order(key=other, signer_key=order.signer_key, signer=order.signer))
    told = [{finding.requirement for finding in stand.last.client_findings} for stand in stands]
    assert told == [set(), {"SCEP-2.3-04", "SCEP-2.3-05"}]


def test_the_judge_learns_what_the_server_advertises() -> None:
    stand = ProxyStand().begin().enrol(digest="sha1", cipher="des-ede3-cbc", method="GET")
    assert {f.requirement for f in stand.last.client_findings} == {"SCEP-3.5.2-16", "SCEP-3.5.2-17", "SCEP-4.1-06"}
    before = ProxyStand().enrol(digest="sha1", cipher="des-ede3-cbc", method="GET")
    assert before.last.client_findings == ()


def test_getnextcacert_is_judged_by_the_list() -> None:
    stand = ProxyStand().begin()
    stand.client.http(HttpRequest("GET", "/scep?operation=GetNextCACert"))
    assert [str(f) for f in stand.last.client_findings] == [
        "note SCEP-4.7-03 GetNextCACert is sent to a CA that does not advertise it"
    ]


@pytest.mark.parametrize(
    ("target", "requirement"),
    [
        ("/scep?operation=PKIOperation&message=%21", "SCEP-4.1-09"),
        ("/scep?operation=PKIOperation&message=MAA", "SCEP-3-01"),
    ],
)
def test_a_message_that_is_none_is_a_finding_and_is_passed_on(target: str, requirement: str) -> None:
    stand = ProxyStand().begin()
    stand.client.http(HttpRequest("GET", target))
    assert requirement in {f.requirement for f in stand.last.client_findings}
    assert stand.last.came == "HTTP 400"
    assert stand.last.why is not None
    assert len(stand.bench.ca.journal.entries) == 3


def test_two_replies_with_one_nonce_show_only_together() -> None:
    stand = (
        ProxyStand(script="[{when: {type: PKCSReq}, faults: [certrep-repeated-sendernonce]}]").begin().enrol().enrol()
    )
    found = [{f.check for f in one.server_findings} for one in stand.session.exchanges]
    assert ["sendernonce-fresh" in checks for checks in found] == [False, False, False, True]


# --- faults -----------------------------------------------------------------------------------------------


def test_faults_of_the_ca_are_refused_by_name() -> None:
    with pytest.raises(UsageError, match="nonce-mismatch acts in the CA, so a proxy cannot apply it"):
        chosen_faults(["nonce-mismatch"])
    with pytest.raises(UsageError, match="http-5xx acts in the CA"):
        chosen_faults(["http-5xx"])
    with pytest.raises(DocumentError, match="there is no fault 'nonsense'"):
        chosen_faults(["nonsense"])


@pytest.mark.parametrize("entry", applicable(), ids=lambda entry: entry.slug)
def test_each_fault_changes_something_on_its_way_through(entry) -> None:
    """Of a reply to GetCACert or PKCSReq; what is told begins with its slug."""
    stand = ProxyStand(faults=(entry.example,), challenge=None)
    for ask in (stand.begin, stand.enrol):
        with suppress(MfpSimError, http.client.HTTPException, ValueError, OSError):  # what the client meets
            ask()
    changed = [change for one in stand.session.exchanges for change in one.changes]
    assert changed
    assert all(change.startswith(f"{entry.slug}: ") for change in changed)


def test_a_fault_that_fits_nothing_changes_nothing() -> None:
    stand = ProxyStand(faults=("certrep-ct",)).begin()
    assert [one.changes for one in stand.session.exchanges] == [(), ()]


def test_a_renewal_is_known_by_the_cas_certificate() -> None:
    """A renewal that is signed with a certificate of the CA is no self-signed one; keeping its key is a finding."""
    stand = ProxyStand(opened=True).begin()
    granted = stand.client.ask(stand.client.order())
    assert granted.issued is not None
    order = granted.order
    stand.enrol(key=order.key, signer_key=order.key, signer=granted.issued, subject=order.subject, challenge=None,
                message_type=MessageType.RENEWAL_REQ)  # fmt: skip
    assert {f.requirement for f in stand.last.client_findings} == {"SCEP-2.5-04"}
