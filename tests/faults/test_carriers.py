"""The same outcome in process on the frozen clock and over sockets on the system's, for every fault."""

from __future__ import annotations

import pytest
from fault_proofs import cases

BEFORE = {"deferred": "{pending-n: 1}", "get": "get-only", "weak": "caps-stripped", "refused": "fail-badrequest"}
CASES = {written: entry for entry, written in cases() if entry.in_scripts}  # TLS is not available in a script


@pytest.mark.parametrize("written", CASES)
def test_the_outcome_is_the_same(written: str, in_process, over_sockets, out_of_time) -> None:
    entry = CASES[written]
    faults = ", ".join(filter(None, (BEFORE.get(entry.proof), written)))
    clean = entry.slug in ("nonce-stale", "replayed-certrep", "caps-change", "certrep-repeated-sendernonce")

    def run(client, timeout: float) -> list[str]:
        if clean:
            assert client.enrol(20)[-1].startswith("issued")
        client.under(faults)
        return client.enrol(timeout)

    expected = run(in_process, 20)
    assert run(over_sockets, 0.3 if out_of_time(expected) else 20) == expected
