"""The menu of the Remote UI as a table: which page stands below which, and who sees it (MFP-UI-01, A-20)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from mfp_sim.device.machine import ADMINISTRATOR, ROLES

__all__ = ["PAGES", "Page", "below", "path_to"]

_ALL = ROLES[:-1]
_ADMINISTRATOR = (ADMINISTRATOR,)


@dataclass(frozen=True)
class Page:
    """A page: its endpoint, which is its label's key too, its address, the page above it, and the roles that see it."""

    endpoint: str
    url: str
    above: str | None
    roles: tuple[str, ...] = _ADMINISTRATOR


_DEVICE = "/settings/device-management"

PAGES: Mapping[str, Page] = {
    page.endpoint: page
    for page in (
        Page("portal", "/", None, _ALL),
        Page("settings", "/settings", "portal", _ALL),
        Page("network", "/settings/network", "settings"),
        Page("functions", "/settings/functions", "settings"),
        Page("devmgmt", _DEVICE, "settings", _ALL),
        Page("scep", f"{_DEVICE}/scep", "devmgmt"),
        Page("comm", f"{_DEVICE}/scep/communication", "scep"),
        Page("request", f"{_DEVICE}/scep/request", "scep"),
        Page("auto", f"{_DEVICE}/scep/auto-request", "scep"),
        Page("status", f"{_DEVICE}/request-status", "devmgmt"),
        Page("keys", f"{_DEVICE}/keys", "devmgmt"),
        Page("import-export", f"{_DEVICE}/import-export", "devmgmt"),
        Page("audit", f"{_DEVICE}/audit-log", "devmgmt"),
        Page("restart", f"{_DEVICE}/restart", "devmgmt"),
    )
}


def below(endpoint: str, role: str) -> list[Page]:
    """The pages of a menu that a role sees."""
    return [page for page in PAGES.values() if page.above == endpoint and role in page.roles]


def path_to(endpoint: str) -> list[Page]:
    """The pages from the portal down to this one."""

    def upwards() -> Iterator[Page]:
        page: Page | None = PAGES[endpoint]
        while page is not None:
            yield page
            page = PAGES[page.above] if page.above else None

    return list(upwards())[::-1]
