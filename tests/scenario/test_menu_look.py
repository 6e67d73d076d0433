"""The expectation ``menu`` fails when the Remote UI's menu is another one, and says what is there."""

from __future__ import annotations

import pytest

from mfp_sim.scenario.loader import read_text
from mfp_sim.scenario.runner import run
from mfp_sim.shared.errors import DocumentError

HEAD = """\
format: 1
name: looks
why: To look at the menu.
clock: 2026-03-02T08:00:00+01:00
steps:
  - expect: {menu: %s}
"""


def failures(menu: str) -> list[str]:
    (scenario,) = read_text(HEAD % menu)
    return [str(failure) for failure in run(scenario).failures]


def test_it_holds() -> None:
    assert failures("{path: [Settings/Registration], items: [Network Settings, Functions, Device Management]}") == []
    assert failures("{path: [], items: [Settings/Registration], as: user}") == []


@pytest.mark.parametrize(
    ("menu", "text"),
    [
        ("{path: [Settings/Registration, Toner]}", "menu.path: expected Toner, got only ['Network Settings', "),
        ("{path: [], items: [Portal]}", "menu.items: expected ['Portal'], got ['Settings/Registration']"),
        (
            "{path: [Settings/Registration, Functions], as: user}",
            "menu.path: expected Functions, got only ['Device Management']",
        ),
    ],
)
def test_it_does_not_hold(menu: str, text: str) -> None:
    (failure,) = failures(menu)
    assert text in failure


@pytest.mark.parametrize(
    ("menu", "text"),
    [
        ("{items: []}", "menu needs the key 'path'"),
        ("{path: [], as: logged-out}", "as has to be one of"),
        ("{path: x}", "path has to be a list"),
        ("{path: [], itmes: []}", "did you mean 'items'?"),
    ],
)
def test_mistakes(menu: str, text: str) -> None:
    with pytest.raises(DocumentError) as caught:
        read_text(HEAD % menu)
    assert text in str(caught.value)
