"""The expectation ``menu``: follows the pages of the Remote UI from the portal, by the labels of their links.

Reads the pages as a browser gets them, in English. Serves MFP-UI-01.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Annotated

from mfp_sim.device.machine import ADMINISTRATOR, ROLES
from mfp_sim.scenario.shapes import Mismatch, SomeText
from mfp_sim.scenario.world import World
from mfp_sim.shared.documents import Problems
from mfp_sim.shared.documents.kinds import Words
from mfp_sim.shared.documents.records import Constraint, Doc, Given, Length, document
from mfp_sim.shared.simtime import Entropy

if TYPE_CHECKING:
    from werkzeug.test import Client

__all__ = ["compare_menu"]

Links = list[tuple[str, str]]


class _Menu(HTMLParser):
    """The links of the page's menu, as (label, address), and the form token."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: Links = []
        self.token = ""
        self._inside = False
        self._address: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = dict(attrs)
        if tag == "ul":
            self._inside = values.get("class") == "menu"
        elif tag == "a" and self._inside:
            self._address = values.get("href")
        elif tag == "input" and values.get("name") == "form_token":
            self.token = values.get("value") or ""

    def handle_endtag(self, tag: str) -> None:
        self._inside = self._inside and tag != "ul"
        self._address = None if tag == "a" else self._address

    def handle_data(self, data: str) -> None:
        if self._address is not None:
            self.links.append((data.strip(), self._address))


def _looks_at_something(given: Given, problems: Problems) -> None:
    if given.values.get("path") == [] and "items" not in given.keys:
        problems.add(given.keys["path"], "menu has no expectation", "list the entries of the portal with items")


_NOT_EMPTY = {"anyOf": [{"required": ["items"]}, {"properties": {"path": {"minItems": 1}}}]}


@document("menu", Constraint(_NOT_EMPTY, _looks_at_something))
@dataclass(frozen=True)
class Menu:
    """``path``: labels from the portal down; ``items``: all labels of the menu there."""

    path: Annotated[list[SomeText], Length(0, "the portal itself")]
    items: Annotated[list[SomeText] | None, Length(0, "the menu is empty")] = None
    role: Annotated[str, Words(lambda: ROLES[:-1]), Doc(key="as")] = ADMINISTRATOR


def compare_menu(wanted: Menu, world: World) -> Iterator[Mismatch]:
    """The label at which the path ends, or the menu of its last page."""
    if not world.printer.powered:
        yield "menu", "the portal", "the printer is off"
        return
    client, menu = _log_in(world, wanted.role)
    for label in wanted.path:
        address = dict(menu.links).get(label)
        if address is None:
            yield "menu.path", label, f"only {_labels(menu.links)}"
            return
        menu = _Menu(client.get(address).text)
    if wanted.items is not None and _labels(menu.links) != wanted.items:
        yield "menu.items", str(wanted.items), str(_labels(menu.links))


def _labels(links: Sequence[tuple[str, str]]) -> list[str]:
    return [label for label, _ in links]


def _log_in(world: World, role: str) -> tuple[Client, _Menu]:
    """A browser at the portal."""
    from mfp_sim.remote_ui.app import create_app  # noqa: PLC0415 - most scenarios start without flask
    from mfp_sim.remote_ui.served_site import Site  # noqa: PLC0415 - most scenarios start without flask
    from mfp_sim.remote_ui.sessions import DEFAULT_PIN  # noqa: PLC0415 - most scenarios start without flask

    site = Site(world.clock, world.scheduler, ca=None, ca_url="")
    client = create_app(site, world.printer, entropy=Entropy(None)).test_client()
    token = _Menu(client.get("/login").text).token
    form = {"form_token": token, "role": role, "pin": DEFAULT_PIN}
    return client, _Menu(client.post("/login", data=form, follow_redirects=True).text)
