"""Every orphan has a cause in the ledger."""

from __future__ import annotations

import contextlib
import http.client

import pytest

CAUSES = [
    ("[{when: {type: PKCSReq}, then: none}]", "no reply arrived complete (nothing is sent, as the script says)"),
    ("[{when: {type: PKCSReq}, faults: [reset]}]", "no reply arrived complete (HTTP 200, reset)"),
    (
        "[{when: {type: PKCSReq}, faults: [{certrep-http-status: 400}]}]",
        "no reply arrived complete (HTTP 400, certrep-http-status)",
    ),
    (
        "[{when: {type: PKCSReq}, faults: [nonce-mismatch]}]",
        "delivered, but not installed by the client (HTTP 200, nonce-mismatch)",
    ),
    ("[]", "delivered, but not installed by the client (HTTP 200)"),
]


@pytest.mark.parametrize(("script", "cause"), CAUSES, ids=[cause for _, cause in CAUSES])
def test_the_cause_says_how_the_reply_left(make_ca, make_client, script: str, cause: str) -> None:
    ca = make_ca(script=script)
    with contextlib.suppress(http.client.HTTPException):  # some replies are none
        make_client(ca).enrol()
    (orphan,) = ca.service.ledger.orphans
    assert orphan.cause == cause
    assert orphan.to_json()["cause"] == cause


def test_what_is_installed_is_no_orphan(make_ca, make_client) -> None:
    ca = make_ca()
    client = make_client(ca)
    client.enrol()
    ca.service.ledger.report_installed(client.certificate)
    assert ca.service.ledger.orphans == ()
    assert ca.service.ledger.entries[0].cause is None
    assert ca.service.ledger.counts == {"minted": 1, "delivered": 1, "installed": 1, "orphaned": 0}
