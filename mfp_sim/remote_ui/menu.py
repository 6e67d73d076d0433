"""The menu of the Remote UI as a table: the page above each page, and the roles that see it (MFP-UI-01, A-20)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mfp_sim.device.machine import ADMINISTRATOR, ROLES

__all__ = ["PAGES", "below", "path_to"]

_ALL = ROLES[:-1]
_ADMINISTRATOR = (ADMINISTRATOR,)


@dataclass(frozen=True)
class MenuPage:
    """A page: its endpoint (also the key of its label), its address, the page above it, and the roles that see it."""

    endpoint: str
    url: str
    above: str | None
    roles: tuple[str, ...] = _ADMINISTRATOR


_DEVICE = "/settings/device-management"

PAGES: Mapping[str, MenuPage] = {
    page.endpoint: page
    for page in (
        MenuPage("portal", "/", None, _ALL),
        MenuPage("settings", "/settings", "portal", _ALL),
        MenuPage("network", "/settings/network", "settings"),
        MenuPage("functions", "/settings/functions", "settings"),
        MenuPage("devmgmt", _DEVICE, "settings", _ALL),
        MenuPage("scep", f"{_DEVICE}/scep", "devmgmt"),
        MenuPage("comm", f"{_DEVICE}/scep/communication", "scep"),
        MenuPage("request", f"{_DEVICE}/scep/request", "scep"),
        MenuPage("auto", f"{_DEVICE}/scep/auto-request", "scep"),
        MenuPage("status", f"{_DEVICE}/request-status", "devmgmt"),
        MenuPage("keys", f"{_DEVICE}/keys", "devmgmt"),
        MenuPage("import-export", f"{_DEVICE}/import-export", "devmgmt"),
        MenuPage("audit", f"{_DEVICE}/audit-log", "devmgmt"),
        MenuPage("restart", f"{_DEVICE}/restart", "devmgmt"),
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
