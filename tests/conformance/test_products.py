"""Our shapes of products beside the products: what every check of servers says of the one and of the other.

The product's side are the verdicts of its run, in ``reports/servers``; ours runs here, set up in the same way. What is
told apart has to be what the profile says of itself in ``unlike``, no more and no less.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from mfp_sim.conformance.engine import run_checks
from mfp_sim.conformance.model import CheckResult, Proof
from mfp_sim.conformance.registry import all_checks
from mfp_sim.conformance.selftest import bench
from mock_scep_server.profiles.registry import PROFILES

REPORTS = Path(__file__).parents[2] / "reports" / "servers"
IN_AES = {"reply_cipher": "aes-128-cbc", "reply_cipher_for_weak": "aes-128-cbc"}
# What .ci/servers sets up otherwise than the product has it by default: -allowrenew 0, encryptionAlgorithmIdentifier 1.
RUNS = [("micromdm-2.1", "micromdm-2.1.0", {"duplicates": None}), ("step-ca", "step-ca-v0.30.2", IN_AES)]
JUDGED = {"pass", "finding", "warn", "fail"}


def _kind(got: object) -> str:
    """What came back, where that is what the check looks at; else empty."""
    found = re.match(r"HTTP \d+|SUCCESS|PENDING|FAILURE \w+", str(got))
    return found[0] if found else ""


def _apart(theirs: dict[str, str], ours: CheckResult) -> bool:
    if theirs["verdict"] != ours.verdict.word:
        return True
    return bool(ours.deviations) and _kind(theirs.get("got")) != _kind(ours.deviations[0].got)


@pytest.mark.parametrize(("name", "product", "changes"), RUNS, ids=[name for name, _, _ in RUNS])
def test_the_checks_tell_shape_and_product_apart_only_where_the_profile_says(
    name: str, product: str, changes: dict[str, object]
) -> None:
    theirs = json.loads((REPORTS / product / "verdicts.json").read_text("utf-8"))["checks"]
    with bench(Proof("", profile=name, ca=changes)) as session:
        run = run_checks(session, list(all_checks().values()), keep_going=True)
    compared = {
        result.check.id: _apart(theirs[result.check.id], result)
        for result in run.results
        if result.check.id in theirs and {theirs[result.check.id]["verdict"], result.verdict.word} <= JUDGED
    }
    assert len(compared) > 180
    apart = {check for check, differs in compared.items() if differs}
    assert apart == {what for what in PROFILES[name].unlike if what in theirs}
