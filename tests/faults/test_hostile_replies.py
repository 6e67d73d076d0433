"""Replies that reach a limit of the printer, or that it cannot follow: the reason why each ends as it does."""

from __future__ import annotations

from dataclasses import replace

import pytest
from fault_proofs import SITUATIONS, Proof, prove_rules

from mfp_sim.shared.scep.url import Url
from mock_scep_server.faults.families.http import LOCATIONS

FOLLOWING = replace(SITUATIONS["enrol"], settings="{redirects: followed}")
"""A printer that follows redirects."""


# --- redirects --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", ["http-redirect", "http-redirect-everything"])
@pytest.mark.parametrize("to", ["unreadable", "wrong-port", "no-host", "blank"])
def test_a_location_that_cannot_be_followed_ends_like_none(fault: str, to: str) -> None:
    def outcome(word: str) -> Proof:
        return prove_rules(FOLLOWING, (f"{{{fault}: {word}}}",))

    found, without = outcome(to), outcome("none")
    assert found.rows == without.rows == ("error top-error-302",)
    assert found.diagnosis == without.diagnosis == "the server replied with HTTP 302"
    assert (found.keys, found.unsound, found.findings) == (without.keys, (), without.findings)
    requests, requests_without = ([(e.name, e.status) for e in proof.journal] for proof in (found, without))
    assert requests == requests_without
    assert len(requests) == (3 if fault == "http-redirect" else 2)


def test_the_printer_of_these_tests_does_follow() -> None:
    found = prove_rules(FOLLOWING, ("{http-redirect: login}",))
    assert [entry.status for entry in found.journal] == [200, 200, 302, 400]
    assert found.rows == ("error top-error-400",)


def test_each_of_these_locations_fails_at_another_point() -> None:
    located = {to: str(LOCATIONS[to]) for to in ("unreadable", "wrong-port", "no-host", "blank")}
    with pytest.raises(ValueError, match="Invalid IPv6 URL"):
        Url.parse(located["unreadable"])
    with pytest.raises(ValueError, match="Port out of range 0-65535"):
        _ = Url.parse(located["wrong-port"]).port
    assert Url.parse(located["no-host"]).host == ""
    assert " " in Url.parse(located["blank"]).target
    for to, parts in {"wrong-port": "host", "no-host": "port", "blank": "port"}.items():
        assert getattr(Url.parse(located[to]), parts)  # nothing else is wrong with it
