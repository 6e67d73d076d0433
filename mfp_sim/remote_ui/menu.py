"""The menu of the Remote UI as a table: the page above each page, the roles that see it, and the assumptions that it
depends on (MFP-UI-01, A-20)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mfp_sim.device.machine import ADMINISTRATOR, ROLES

__all__ = ["PAGES", "MenuPage", "below", "path_to"]

_ALL = ROLES[:-1]
_ADMINISTRATOR = (ADMINISTRATOR,)


@dataclass(frozen=True)
class MenuPage:
    """A page: its endpoint (also the key of its label), its address, the page above it, and the roles that see it.

    `assumes` are the numbers of the assumptions behind what it shows or does. The simulator's strip lists them, since
    the printer does not know them.
    """

    endpoint: str
    url: str
    above: str | None
    roles: tuple[str, ...] = _ADMINISTRATOR
    assumes: tuple[str, ...] = ()


def _numbers(text: str) -> tuple[str, ...]:
    return tuple(f"A-{number}" for number in text.split())


_DEVICE = "/settings/device-management"

PAGES: Mapping[str, MenuPage] = {
    page.endpoint: page
    for page in (
        MenuPage("portal", "/", None, _ALL, _numbers("20 26 27")),
        MenuPage("settings", "/settings", "portal", _ALL, _numbers("20")),
        MenuPage("network", "/settings/network", "settings", assumes=_numbers("09")),
        MenuPage("functions", "/settings/functions", "settings", assumes=_numbers("11 13 32")),
        MenuPage("devmgmt", _DEVICE, "settings", _ALL, _numbers("20")),
        MenuPage("scep", f"{_DEVICE}/scep", "devmgmt", assumes=_numbers("20")),
        MenuPage("comm", f"{_DEVICE}/scep/communication", "scep", assumes=_numbers("01 02 03 04 27")),
        MenuPage("request", f"{_DEVICE}/scep/request", "scep", assumes=_numbers("04 05 06 07 08 09 10 11 12 13")),
        MenuPage(
            "auto",
            f"{_DEVICE}/scep/auto-request",
            "scep",
            assumes=_numbers("04 05 06 07 08 09 10 11 14 15 16 17 18 19 33 35 41"),
        ),
        MenuPage(
            "status", f"{_DEVICE}/request-status", "devmgmt", assumes=_numbers("21 22 23 24 25 31 33 34 37 38 39 40 42")
        ),
        MenuPage("keys", f"{_DEVICE}/keys", "devmgmt", assumes=_numbers("05 19 26 32 36")),
        MenuPage("import-export", f"{_DEVICE}/import-export", "devmgmt", assumes=_numbers("28 30")),
        MenuPage("audit", f"{_DEVICE}/audit-log", "devmgmt", assumes=_numbers("29")),
        MenuPage("restart", f"{_DEVICE}/restart", "devmgmt", assumes=_numbers("13 18")),
    )
}


def below(endpoint: str, role: str) -> list[MenuPage]:
    """The pages of a menu that a role can see."""
    return [page for page in PAGES.values() if page.above == endpoint and role in page.roles]


def path_to(endpoint: str) -> list[MenuPage]:
    """The pages from the portal down to this one."""

    def upwards() -> Iterator[MenuPage]:
        page: MenuPage | None = PAGES[endpoint]
        while page is not None:
            yield page
            page = PAGES[page.above] if page.above else None

    return list(upwards())[::-1]
