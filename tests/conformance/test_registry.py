"""The registry holds together: ids that exist, levels that decide, words a vendor can use, an order that is the RFC's."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import pytest

from mfp_sim.conformance.causes import cause_of
from mfp_sim.conformance.model import Check, CheckResult, CheckVerdict, Fact, severity_of
from mfp_sim.conformance.planned import planned, questionnaire, unobservable
from mfp_sim.conformance.registry import CHAPTERS, all_checks, section_key, select
from mfp_sim.shared.catalogue.registry import field_failures, requirements
from mfp_sim.shared.errors import UsageError

CHECKS = tuple(all_checks().values())


def test_there_are_more_than_a_hundred_proved_ones() -> None:
    assert sum(not check.experimental for check in CHECKS) >= 100
    assert [check.id for check in CHECKS if check.experimental] == []


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_an_entry_is_whole(check: Check) -> None:
    for identifier in check.requirements:
        assert requirements()[identifier].on in ("server", "both"), identifier
    for row in check.field_failures:
        assert row in field_failures()
    assert check.chapter in CHAPTERS
    assert check.why.endswith(".")
    assert not check.title.endswith(".")
    assert len(check.why) < 260
    # The first requirement decides section and level, so none of the others may be stronger for what is judged by it.
    assert check.breaches or check.worst <= severity_of(check.requirements[0])
    assert not check.mild or not check.mild.endswith(".")
    if check.watches:
        assert check.reads
        assert not check.cost


@pytest.mark.parametrize("check", [check for check in CHECKS if check.breaches], ids=lambda check: check.id)
def test_a_breach_has_a_cause_of_the_class_security_and_a_proof(check: Check) -> None:
    """Whatever the requirement says, each of them fails the check."""
    for slug in check.breaches:
        fact = Fact(slug, False, "", "", at_most=CheckVerdict.FINDING)
        result = CheckResult(check, CheckVerdict.FAIL, (fact,))
        assert cause_of(result).kind == "security", slug
        assert fact.verdict(check) is CheckVerdict.FAIL
        assert result.insecure == (not check.experimental)
        assert replace(fact, holds=True).verdict(check) is CheckVerdict.PASS
    assert {proof.fact for proof in check.proofs} & {*check.breaches}


def test_the_order_does_not_depend_on_what_was_imported_first() -> None:
    """A module of a search imports a function of one chapter before the registry imports the others."""
    words = (
        "import mfp_sim.conformance.checks.challenge, mfp_sim.conformance.checks.time\n"
        "from mfp_sim.conformance.registry import all_checks\n"
        "print(*all_checks())"
    )
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [check.id for check in CHECKS]


def test_the_order_is_that_of_the_rfc() -> None:
    keys = [section_key(check.section) for check in CHECKS]
    assert keys == sorted(keys)


@pytest.mark.parametrize(
    ("requirement", "worst"),
    [("SCEP-2.9-09", CheckVerdict.FAIL), ("SCEP-3.5.2-18", CheckVerdict.WARN), ("SCEP-2.9-07", CheckVerdict.FINDING),
     ("SCEP-3.3.1-05", CheckVerdict.FINDING)],
)  # fmt: skip
def test_the_level_decides_the_severity(requirement: str, worst: CheckVerdict) -> None:
    check = next(iter(CHECKS))
    wrong = Fact("x", False, "a", "b", requirement=requirement)
    assert wrong.verdict(check) is worst
    assert Fact("x", True, "a", "b", requirement=requirement).verdict(check) is CheckVerdict.PASS
    assert (
        Fact("x", False, "a", "b", requirement=requirement, at_most=CheckVerdict.FINDING).verdict(check)
        is CheckVerdict.FINDING
    )


def test_no_implied_requirement_can_fail_a_server() -> None:
    for identifier, requirement in requirements().items():
        if requirement.level == "(implied)":
            assert severity_of(identifier) is CheckVerdict.FINDING


def test_selection_by_id_requirement_section_level_chapter_and_tag() -> None:
    assert [c.id for c in select(["single-des-refused"])] == ["single-des-refused"]
    assert {c.id for c in select(["SCEP-2.9-09"])} == {"single-des-refused", "single-des-never"}
    assert all(c.section.startswith("3.2.1") for c in select(["3.2.1"]))
    assert {c.level for c in select(["MUST"])} == {"MUST"}
    assert {c.chapter for c in select(["polling"])} == {"polling"}
    assert all("security" in c.tags for c in select(["security"]))
    assert "single-des-refused" not in {c.id for c in select(["2.9"], ["single-des-refused"])}
    with pytest.raises(UsageError, match="there is no check, section or tag 'single-des-refuse'.*did you mean"):
        select(["single-des-refuse"])


def test_every_requirement_on_servers_is_checked_planned_or_asked() -> None:
    covered = {identifier for check in CHECKS for identifier in check.requirements}
    later, asked = {e.id for e in planned()}, {e.id for e in unobservable()}
    servers = {e.id for e in requirements().values() if e.id.startswith("SCEP-") and e.on in ("server", "both")}
    assert servers <= covered | later | asked
    assert not later & covered
    text = questionnaire("Test CA 1.0")
    assert all(identifier in text for identifier in asked)


def test_the_list_for_machines(conform) -> None:
    cost = sum(check.cost for check in all_checks().values())
    assert conform("--list")[1].splitlines()[-1] == (
        f"A conforming server issues at most {cost} certificates for them; the printer models request more"
    )
    code, shown = conform("--list", "--json")
    rows = json.loads(shown)
    assert code == 0
    assert {row["state"] for row in rows} <= {"proved", "experimental", "planned"}
    assert [row["id"] for row in rows if row["state"] != "planned"] == [check.id for check in CHECKS]
    assert all(row["why"] and row["requirements"] for row in rows if row["state"] != "planned")
