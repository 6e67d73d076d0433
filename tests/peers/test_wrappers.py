"""The wrappers of real clients in the package: each enrols, renews and fetches what it can, and its errors are found."""

from __future__ import annotations

import pytest

from mfp_sim.examination.engine import examine
from mfp_sim.examination.program import client_of
from mfp_sim.examination.situations import Situation, situations

pytestmark = pytest.mark.peer

NEEDS = {
    "scepclient": ("scepclient", "scep"),
    "strongswan": ("pki", "strongswan-pki"),
    "certmonger": ("getcert", "certmonger"),
}
EXPECTED = {
    "scepclient": {
        "ra": "pass", "renewal": "pass", "bad-signature": "pass", "nonce-mismatch": "fail",
        "get-ca": "not-applicable", "get-next-ca": "not-applicable", "get-crl": "not-applicable",
    },
    "strongswan": {
        "ra": "pass", "renewal": "pass", "bad-signature": "pass", "nonce-mismatch": "fail",
        "get-ca": "pass", "get-ca-ra": "pass", "get-ca-empty": "pass", "get-ca-rogue-ca": "warn", "get-crl": "not-applicable",
    },
    "certmonger": {
        "ra": "pass", "renewal": "finding", "bad-signature": "pass",
        "get-ca": "pass", "get-ca-ra": "pass", "get-ca-rogue-ca": "pass", "get-ca-unrelated": "warn",
        "get-crl": "not-applicable",
    },
}  # fmt: skip
"""Pinned, as in ``docs/explanation/peers.md``: the first two do not compare recipientNonce; certmonger renews by a PKCSReq;
strongSwan prints the CA's fingerprint and leaves the comparison to its operator."""


@pytest.mark.parametrize("name", NEEDS)
def test_a_real_client_is_examined_behind_its_wrapper(name: str, find_program) -> None:
    find_program(*NEEDS[name])
    chosen = [situation for situation in situations() if situation.id in EXPECTED[name]]
    found = examine(client_of(name), chosen, ca="profile: lenient")
    assert found.controlled, found.results[0].seen.output
    assert found.version
    verdicts = {r.situation.id: (r.verdict.word, r.because) for r in found.results}
    assert {known: verdicts[known][0] for known in EXPECTED[name]} == EXPECTED[name], verdicts


def test_certmonger_enrols_at_a_ca_that_takes_a_second_for_its_certificates(find_program) -> None:
    """Its daemon does not wait for them by itself: without the wrapper's waiting it sends no request."""
    find_program(*NEEDS["certmonger"])
    script = "[{when: {operation: GetCACert}, faults: [{delay: 1s}]}]"
    slow = Situation("slow", "GetCACert takes a second", "enrols", "enrols", script)
    found = examine(client_of("certmonger"), [slow], ca="profile: lenient")
    assert [(r.situation.id, r.because) for r in found.results] == [
        (name, "it enrolled") for name in ("control-first", "slow", "control-last")
    ]
