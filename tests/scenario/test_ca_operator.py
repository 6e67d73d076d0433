"""The operator's step and its expectations: mistakes have places, a wrong expectation fails, no secret is shown."""

from __future__ import annotations

import pytest

from mfp_sim.scenario.loader import read_text
from mfp_sim.scenario.runner import run
from mfp_sim.shared.errors import DocumentError

HEAD = """\
format: 1
name: x
why: y
clock: 2026-03-02T08:00:00+01:00
printer: {communication: {url: http://ca.example/scep}}
ca: {challenge: {one_time: {}}, approval: manual}
steps:
"""


def test_mistakes_of_the_step_are_told_with_their_places() -> None:
    wrong = (
        '  - ca_operator: {aprove: "*"}\n'
        '  - ca_operator: {approve: "*", hold: "*"}\n'
        "  - ca_operator: {reject: {fail_info: 9}}\n"
        "  - ca_operator: {roll_over: {publish: soon, switch: 1d}}\n"
        '  - ca_operator: {revoke: {pattern: "*", reason: boredom}}\n'
        "  - expect: {waiting: []}\n"
    )
    with pytest.raises(DocumentError) as caught:
        read_text(HEAD + wrong, "x.yaml")
    told = str(caught.value)
    for part in ("x.yaml:8:19: ", "did you mean 'approve'?", "ca_operator has exactly one of", "fail_info", "publish has to be",
                 "reason has to be one of"):  # fmt: skip
        assert part in told


def test_a_wrong_expectation_fails_and_the_challenge_is_masked() -> None:
    steps = (
        "  - ca_operator: {give_challenge: canary-4711}\n"
        "  - request: {name: a, common_name: 192.0.2.10, challenge: canary-4711}\n"
        '  - expect: {waiting: ["CN=192.0.2.10"]}\n'
        "  - expect: {waiting: []}\n"
        "  - expect: {orphans: [nonce-mismatch]}\n"
    )
    result = run(read_text(HEAD + steps, "x.yaml")[0])
    assert [(failure.path, failure.expected, failure.got) for failure in result.failures] == [
        ("waiting", "[]", "['CN=192.0.2.10']"),
        ("orphans", "['nonce-mismatch']", "[]"),
    ]
    assert "canary" not in str([(event.kind, event.data) for event in result.events])
    assert "canary" not in str([record.text for record in result.steps])
